#include <cstring>

#include "loops.h"

namespace ranvier {

RANVIER_CLONES int64_t compact_spikes(const bool* flags, int64_t n, int64_t step, int64_t* buffer_step, int32_t* buffer_neuron,
                                      int64_t capacity, int64_t count) {
  const auto append = [&](int64_t i) {
    if (count >= 0 && count < capacity) {
      buffer_step[count] = step;
      buffer_neuron[count] = static_cast<int32_t>(i);
    }
    ++count;
  };
  const auto append_eight = [&](int64_t i) {
    uint64_t eight;
    std::memcpy(&eight, flags + i, 8);
    if (eight == 0) return;
    for (int64_t j = i; j < i + 8; ++j) {
      if (flags[j]) append(j);
    }
  };
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    uint64_t words[8], any = 0;
    std::memcpy(words, flags + i, 64);
    for (int w = 0; w < 8; ++w) any |= words[w];
    if (any == 0) continue;
    for (int64_t j = i; j < i + 64; j += 8) append_eight(j);
  }
  for (; i + 8 <= n; i += 8) append_eight(i);
  for (; i < n; ++i) {
    if (flags[i]) append(i);
  }
  return count;
}

}  // namespace ranvier
