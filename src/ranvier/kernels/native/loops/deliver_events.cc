#include <algorithm>

#include "loops.h"

namespace ranvier {
namespace {

constexpr int64_t kStretches = 512;    // found first, then delivered
constexpr int64_t kAhead = 6;          // stretches between prefetch and use
constexpr int64_t kPrefetched = 512;   // bytes of a stretch's targets and of its weights; beyond, the processor sees the pattern itself

inline void prefetch(const void* address) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

template <class T>
RANVIER_INLINE void prefetch(const T* from, const T* end) {
  end = std::min(end, from + kPrefetched / static_cast<int64_t>(sizeof(T)));
  for (; from < end; from += 64 / sizeof(T)) prefetch(static_cast<const void*>(from));
}

// What one spike sets off after one delay; its strength lacks the weights of single edges.
template <class T>
struct Stretch {
  int64_t begin, end;
  T strength;
};

template <class T, class Index, class Strength>
RANVIER_INLINE void add(const BlockOfEdges<T, Index>& edges, int64_t begin, int64_t end, T* out, const Strength& strength) {
  T* const block = out + edges.low;
  const uint32_t low = static_cast<uint32_t>(edges.low), width = static_cast<uint32_t>(edges.high - edges.low);
  for (int64_t e = begin; e < end; ++e) {
    const uint32_t i = static_cast<uint32_t>(edges.target[e]) - low;
    if (i < width) block[i] += strength(e);
  }
}

template <class T, class Index>
RANVIER_INLINE void deliver_stretches(const BlockOfEdges<T, Index>& edges, const Stretch<T>* stretch, int64_t n, bool amplitudes, T* out) {
  // Stretches lie anywhere in memory: without this each begins with a wait for it.
  const auto fetch = [&](int64_t s) {
    prefetch(edges.target + stretch[s].begin, edges.target + stretch[s].end);
    if (edges.weights == Weights::kOneAnEdge) prefetch(edges.weight + stretch[s].begin, edges.weight + stretch[s].end);
  };
  for (int64_t s = 0; s < std::min(n, kAhead); ++s) fetch(s);
  for (int64_t s = 0; s < n; ++s) {
    if (s + kAhead < n) fetch(s + kAhead);
    const int64_t begin = stretch[s].begin, end = stretch[s].end;
    const T strength = stretch[s].strength;
    if (edges.weights != Weights::kOneAnEdge) {
      add(edges, begin, end, out, [=](int64_t) { return strength; });
    } else if (amplitudes) {
      add(edges, begin, end, out, [&](int64_t e) { return edges.weight[e] * strength; });
    } else {
      add(edges, begin, end, out, [&](int64_t e) { return edges.weight[e]; });
    }
  }
}

// Where the spikes of so many steps before the one in slot `now` are; −1 where there is no such place.
RANVIER_INLINE int64_t slot_before(int64_t now, int64_t delay, int64_t slots) {
  return delay < 0 || delay >= slots ? -1 : now - delay + (delay > now ? slots : 0);
}

template <class T, class Index>
RANVIER_INLINE void deliver(const History<T>& history, int64_t step, const BlockOfEdges<T, Index>& edges, T* out) {
  Stretch<T> stretch[kStretches];
  int64_t found = 0;
  const int64_t now = floor_mod(step, history.slots);
  for (int64_t d = 0; d < edges.n_delays; ++d) {
    const int64_t slot = slot_before(now, edges.delays[d], history.slots);
    if (slot < 0) continue;
    const int64_t count = std::min<int64_t>(history.count[slot], history.n);
    const int32_t* source = history.source + slot * history.n;
    for (int64_t j = 0; j < count; ++j) {
      const T amplitude = history.amplitude == nullptr ? T(1) : history.amplitude[slot * history.n + j];
      if (amplitude == T(0)) continue;  // of one who has a place in the row, and did not spike
      if (source[j] < 0 || source[j] >= history.n) continue;
      const Index* row = edges.segments + source[j] * (edges.n_delays + 1) + d;
      const int64_t begin = std::max<int64_t>(row[0], 0), end = std::min<int64_t>(row[1], edges.n_edges);
      if (begin >= end) continue;
      const T weight = edges.weights == Weights::kOne           ? edges.weight[0]
                       : edges.weights == Weights::kOneASource ? edges.weight[source[j]]
                                                               : T(1);
      stretch[found++] = {begin, end, weight * amplitude};
      if (found == kStretches) {
        deliver_stretches(edges, stretch, found, history.amplitude != nullptr, out);
        found = 0;
      }
    }
  }
  deliver_stretches(edges, stretch, found, history.amplitude != nullptr, out);
}

template <class T>
RANVIER_INLINE int64_t note(const bool* flags, const T* amplitude, int64_t stride, int64_t n, int32_t* source, T* history) {
  int64_t count = 0;
  for_each_set(flags, n, [&](int64_t i) {
    source[count] = static_cast<int32_t>(i);
    if (history != nullptr) history[count] = amplitude[i * stride];
    ++count;
  });
  return count;
}

}  // namespace

RANVIER_CLONES int64_t note_spikes(const bool* flags, const float* amplitude, int64_t stride, int64_t n, int32_t* source, float* history) {
  return note(flags, amplitude, stride, n, source, history);
}

RANVIER_CLONES int64_t note_spikes(const bool* flags, const double* amplitude, int64_t stride, int64_t n, int32_t* source, double* history) {
  return note(flags, amplitude, stride, n, source, history);
}

void deliver_events(const History<float>& history, int64_t step, const BlockOfEdges<float, int32_t>& edges, float* out) {
  deliver(history, step, edges, out);
}

void deliver_events(const History<float>& history, int64_t step, const BlockOfEdges<float, int64_t>& edges, float* out) {
  deliver(history, step, edges, out);
}

void deliver_events(const History<double>& history, int64_t step, const BlockOfEdges<double, int32_t>& edges, double* out) {
  deliver(history, step, edges, out);
}

void deliver_events(const History<double>& history, int64_t step, const BlockOfEdges<double, int64_t>& edges, double* out) {
  deliver(history, step, edges, out);
}

int64_t arriving_spikes(const int32_t* count, int64_t slots, int64_t step, const int32_t* delays, int64_t n_delays) {
  int64_t spikes = 0;
  const int64_t now = floor_mod(step, slots);
  for (int64_t d = 0; d < n_delays; ++d) {
    const int64_t slot = slot_before(now, delays[d], slots);
    if (slot >= 0) spikes += std::max<int64_t>(count[slot], 0);
  }
  return spikes;
}

}  // namespace ranvier
