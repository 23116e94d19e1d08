#include <algorithm>

#include "loops.h"

namespace ranvier {
namespace {

constexpr int64_t kDelays = 256;     // whose rows are looked up once for all sources

RANVIER_INLINE int64_t slot_of(int64_t step, int64_t delay, int64_t slots) {
  return delay < 0 || delay >= slots ? -1 : floor_mod(floor_mod(step, slots) - delay, slots);
}

// Calls visit(its place in the history, its source, begin, end) for every spike that meets a delay, with its stretch of edges, but for
// those of amplitude 0.
template <class T, class Index, class Visit>
RANVIER_INLINE void for_each_stretch(const History<T>& history, int64_t step, const BlockOfEdges<T, Index>& edges, const Visit& visit) {
  for (int64_t d = 0; d < edges.n_delays; ++d) {
    const int64_t slot = slot_of(step, edges.delays[d], history.slots);
    if (slot < 0) continue;
    const int64_t count = std::min<int64_t>(history.count[slot], history.n);
    const int32_t* source = history.source + slot * history.n;
    for (int64_t j = 0; j < count; ++j) {
      if (history.amplitude != nullptr && history.amplitude[slot * history.n + j] == T(0)) continue;
      if (source[j] < 0 || source[j] >= history.n) continue;
      const Index* row = edges.segments + source[j] * (edges.n_delays + 1) + d;
      const int64_t begin = std::max<int64_t>(row[0], 0), end = std::min<int64_t>(row[1], edges.n_edges);
      if (begin < end) visit(slot * history.n + j, source[j], begin, end);
    }
  }
}

template <class T, class Index>
RANVIER_INLINE void to_weights(const History<T>& history, int64_t step, const BlockOfEdges<T, Index>& edges, const T* change, T* out) {
  const T* const block = change + edges.low;
  const uint32_t low = static_cast<uint32_t>(edges.low), width = static_cast<uint32_t>(edges.high - edges.low);
  for_each_stretch(history, step, edges, [&](int64_t place, int32_t source, int64_t begin, int64_t end) {
    const T amplitude = history.amplitude == nullptr ? T(1) : history.amplitude[place];
    T sum = 0;
    for (int64_t e = begin; e < end; ++e) {
      const uint32_t i = static_cast<uint32_t>(edges.target[e]) - low;
      if (i >= width) continue;
      if (edges.weights == Weights::kOneAnEdge) {
        out[e] += block[i] * amplitude;
      } else {
        sum += block[i];
      }
    }
    if (edges.weights != Weights::kOneAnEdge) out[edges.weights == Weights::kOne ? 0 : source] += sum * amplitude;
  });
}

template <class T, class Index>
RANVIER_INLINE void to_amplitudes(const History<T>& history, int64_t step, const BlockOfEdges<T, Index>& edges, const T* change, T* out) {
  const T* const block = change + edges.low;
  const uint32_t low = static_cast<uint32_t>(edges.low), width = static_cast<uint32_t>(edges.high - edges.low);
  const bool each = edges.weights == Weights::kOneAnEdge;
  const auto add = [&](int64_t place, int32_t source, int64_t begin, int64_t end) {
    T sum = 0;
    for (int64_t e = begin; e < end; ++e) {
      const uint32_t i = static_cast<uint32_t>(edges.target[e]) - low;
      if (i < width) sum += each ? block[i] * edges.weight[e] : block[i];
    }
    out[place] += each ? sum : sum * edges.weight[edges.weights == Weights::kOne ? 0 : source];
  };
  // By source, as the edges lie, where every source has its place in every row.
  bool everyone = true;
  for (int64_t slot = 0; slot < history.slots && everyone; ++slot) {
    everyone = history.count[slot] == history.n;
    for (int64_t j = 0; j < history.n && everyone; ++j) everyone = history.source[slot * history.n + j] == j;
  }
  if (!everyone) return for_each_stretch(history, step, edges, add);
  int64_t place[kDelays];
  for (int64_t first_delay = 0; first_delay < edges.n_delays; first_delay += kDelays) {
    const int64_t n_delays = std::min(kDelays, edges.n_delays - first_delay);
    for (int64_t d = 0; d < n_delays; ++d) place[d] = slot_of(step, edges.delays[first_delay + d], history.slots) * history.n;
    for (int64_t j = 0; j < history.n; ++j) {
      const Index* row = edges.segments + j * (edges.n_delays + 1) + first_delay;
      for (int64_t d = 0; d < n_delays; ++d) {
        const int64_t begin = std::max<int64_t>(row[d], 0), end = std::min<int64_t>(row[d + 1], edges.n_edges);
        if (place[d] >= 0 && begin < end) add(place[d] + j, static_cast<int32_t>(j), begin, end);
      }
    }
  }
}

}  // namespace

#define RANVIER_DELIVER_BACK(T, Index)                                                                                                   \
  RANVIER_CLONES void deliver_to_weights(const History<T>& history, int64_t step, const BlockOfEdges<T, Index>& edges, const T* change,  \
                                         T* out) {                                                                                       \
    to_weights(history, step, edges, change, out);                                                                                       \
  }                                                                                                                                      \
  RANVIER_CLONES void deliver_to_amplitudes(const History<T>& history, int64_t step, const BlockOfEdges<T, Index>& edges,                \
                                            const T* change, T* out) {                                                                   \
    to_amplitudes(history, step, edges, change, out);                                                                                    \
  }

RANVIER_DELIVER_BACK(float, int32_t)
RANVIER_DELIVER_BACK(float, int64_t)
RANVIER_DELIVER_BACK(double, int32_t)
RANVIER_DELIVER_BACK(double, int64_t)

}  // namespace ranvier
