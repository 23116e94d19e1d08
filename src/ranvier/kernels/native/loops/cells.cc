// The layers' own cells. `python -m ranvier.torch.fused.builtin` writes them anew when a step has changed.
#include "cell_sequence.h"

namespace ranvier {
#include "cells/adex.h"
#include "cells/izhikevich_euler.h"
#include "cells/izhikevich_published.h"
}  // namespace ranvier

RANVIER_CELL(Adex, adex)
RANVIER_CELL(IzhikevichEuler, izhikevich_euler)
RANVIER_CELL(IzhikevichPublished, izhikevich_published)
