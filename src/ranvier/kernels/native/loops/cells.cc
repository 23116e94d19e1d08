// The layers' own cells. `python -m ranvier.torch.fused.builtin` writes them anew when a step has changed.
#include "cell_sequence.h"

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#endif

namespace ranvier {
#include "cells/adex.h"
#include "cells/izhikevich_euler.h"
#include "cells/izhikevich_published.h"
#include "cells/leak.h"
#include "cells/leaky_sum.h"
}  // namespace ranvier

RANVIER_CELL(Adex, adex)
RANVIER_CELL(IzhikevichEuler, izhikevich_euler)
RANVIER_CELL(IzhikevichPublished, izhikevich_published)
RANVIER_CELL(Leak, leak)
RANVIER_CELL(LeakySum, leaky_sum)
