#include "loops.h"

namespace ranvier {
namespace {

constexpr int64_t kAhead = 4;  // rows

inline void prefetch(const void* address) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

template <class T>
RANVIER_INLINE int64_t note(const bool* flags, const T* amplitude, int64_t stride, int64_t n, int32_t* source, T* history) {
  int64_t count = 0;
  for_each_set(flags, n, [&](int64_t i) {
    source[count] = static_cast<int32_t>(i);
    history[count] = amplitude[i * stride];
    ++count;
  });
  return count;
}

template <class T>
RANVIER_INLINE void deliver(const History<T>& history, int64_t step, const int32_t* delays, int64_t n_delays, const int32_t* segments,
                            const int32_t* target, int64_t n_edges, const T* weight, int64_t stride, T* out, int64_t n_post) {
  for (int64_t d = 0; d < n_delays; ++d) {
    const int64_t delay = delays[d];
    if (delay < 0 || delay >= history.slots) continue;
    const int64_t slot = floor_mod(floor_mod(step, history.slots) - delay, history.slots);
    const int32_t* source = history.source + slot * history.n;
    const T* amplitude = history.amplitude + slot * history.n;
    const int64_t count = history.count[slot] < history.n ? history.count[slot] : history.n;
    const auto segment = [&](int64_t j, int64_t& begin, int64_t& end) {
      begin = end = 0;
      if (source[j] < 0 || source[j] >= history.n) return;
      const int32_t* row = segments + source[j] * (n_delays + 1) + d;
      begin = row[0] < 0 ? 0 : row[0];
      end = row[1] > n_edges ? n_edges : row[1];
    };
    for (int64_t j = 0; j < count; ++j) {
      // Rows lie anywhere in memory: without this each begins with a wait for it.
      if (j + kAhead < count) {
        int64_t begin, end;
        segment(j + kAhead, begin, end);
        for (int64_t e = begin; e < end; e += static_cast<int64_t>(64 / sizeof(int32_t))) prefetch(target + e);
        if (stride != 0) {
          for (int64_t e = begin; e < end; e += static_cast<int64_t>(64 / sizeof(T))) prefetch(weight + e);
        }
      }
      int64_t begin, end;
      segment(j, begin, end);
      const T a = amplitude[j];
      for (int64_t e = begin; e < end; ++e) {
        const int64_t i = target[e];
        if (i >= 0 && i < n_post) out[i] += weight[e * stride] * a;
      }
    }
  }
}

}  // namespace

int64_t note_spikes(const bool* flags, const float* amplitude, int64_t stride, int64_t n, int32_t* source, float* history) {
  return note(flags, amplitude, stride, n, source, history);
}

int64_t note_spikes(const bool* flags, const double* amplitude, int64_t stride, int64_t n, int32_t* source, double* history) {
  return note(flags, amplitude, stride, n, source, history);
}

void deliver_events(const History<float>& history, int64_t step, const int32_t* delays, int64_t n_delays, const int32_t* segments,
                    const int32_t* target, int64_t n_edges, const float* weight, int64_t stride, float* out, int64_t n_post) {
  deliver(history, step, delays, n_delays, segments, target, n_edges, weight, stride, out, n_post);
}

void deliver_events(const History<double>& history, int64_t step, const int32_t* delays, int64_t n_delays, const int32_t* segments,
                    const int32_t* target, int64_t n_edges, const double* weight, int64_t stride, double* out, int64_t n_post) {
  deliver(history, step, delays, n_delays, segments, target, n_edges, weight, stride, out, n_post);
}

}  // namespace ranvier
