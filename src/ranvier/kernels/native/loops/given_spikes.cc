#include "loops.h"

namespace ranvier {

void given_spikes(const int64_t* steps, const int32_t* neurons, int64_t spikes, int64_t step, int64_t n, bool* flags) {
  std::memset(flags, 0, n);
  for (int64_t i = std::lower_bound(steps, steps + spikes, step) - steps; i < spikes && steps[i] == step; ++i) {
    if (neurons[i] >= 0 && neurons[i] < n) flags[neurons[i]] = true;
  }
}

}  // namespace ranvier
