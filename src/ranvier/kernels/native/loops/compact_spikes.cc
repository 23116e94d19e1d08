#include "loops.h"

namespace ranvier {

RANVIER_CLONES int64_t compact_spikes(const bool* flags, int64_t n, int64_t step, int64_t* buffer_step, int32_t* buffer_neuron, int64_t capacity,
                       int64_t count) {
  for_each_set(flags, n, [&](int64_t i) {
    if (count >= 0 && count < capacity) {
      buffer_step[count] = step;
      buffer_neuron[count] = static_cast<int32_t>(i);
    }
    ++count;
  });
  return count;
}

}  // namespace ranvier
