#include "loops.h"

namespace ranvier {
namespace {

// One after the other, from `count` on.
struct Buffer {
  int64_t* step;
  int32_t* neuron;
  int64_t capacity, count;

  RANVIER_INLINE void add(int64_t when, int64_t who) {
    if (count >= 0 && count < capacity) {
      step[count] = when;
      neuron[count] = static_cast<int32_t>(who);
    }
    ++count;
  }
};

}  // namespace

RANVIER_CLONES int64_t compact_spikes(const bool* flags, int64_t n, int64_t step, int64_t* buffer_step, int32_t* buffer_neuron, int64_t capacity,
                       int64_t count) {
  Buffer buffer{buffer_step, buffer_neuron, capacity, count};
  for_each_set(flags, n, [&](int64_t i) { buffer.add(step, i); });
  return buffer.count;
}

int64_t append_spikes(const int32_t* who, int64_t n, int64_t step, int64_t* buffer_step, int32_t* buffer_neuron, int64_t capacity, int64_t count) {
  Buffer buffer{buffer_step, buffer_neuron, capacity, count};
  for (int64_t i = 0; i < n; ++i) buffer.add(step, who[i]);
  return buffer.count;
}

}  // namespace ranvier
