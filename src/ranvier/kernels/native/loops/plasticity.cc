#include "plasticity.h"

#include <algorithm>
#include <cmath>

namespace ranvier {
namespace {

constexpr int64_t kStretches = 256;   // found first, then worked off
constexpr int64_t kAhead = 6;         // stretches between prefetch and use
constexpr int64_t kPrefetched = 512;  // bytes of a stretch's targets and of its weights
constexpr int64_t kEdgesAhead = 32;   // edges of a target between prefetch and use; each is a wait for memory of its own
constexpr int64_t kRows = 64;         // targets that fired, found first, so that the next ones' edges are fetched meanwhile

inline void prefetch(const void* address) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

inline void prefetch_to_write(const void* address) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address, 1);
#else
  (void)address;
#endif
}

enum class Power { kNone, kOne, kAny };

template <class T>
Power power_of(const WeightChange<T>& change) {
  return change.exponent == T(0) ? Power::kNone : change.exponent == T(1) ? Power::kOne : Power::kAny;
}

template <Power power, class T>
RANVIER_INLINE T changed(T weight, T by, const WeightChange<T>& change) {
  if (power != Power::kNone) {
    const T distance = std::abs(weight - change.origin);
    by = (power == Power::kOne ? distance : std::pow(distance, change.exponent)) * by;
  }
  T x = weight + by;
  x = x < change.low ? change.low : x;
  return x > change.high ? change.high : x;
}

template <class T>
RANVIER_INLINE void advance(const bool* spiked, int64_t n, int64_t step, int64_t slots, const TraceChange<T>& change, T* ring, T* before) {
  const int64_t row = floor_mod(step, slots), last = row == 0 ? slots - 1 : row - 1;
  const T kept = change.kept, jump = change.jump;
  const T* const old = ring + last * n;  // with one row, the one that is written
  T* const now = ring + row * n;
  if (before != nullptr) {
    T* const unmoved = before + row * n;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) now[i] = unmoved[i] = old[i] * kept;
  } else if (kept != T(1) || now != old) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) now[i] = old[i] * kept;
  }
  if (spiked == nullptr) return;
  for_each_set(spiked, n, [&](int64_t i) { now[i] = change.nearest ? jump : now[i] + jump; });
}

// What one spike sets off after one delay: its edges change by from[0] + Σ from[t] · post_t.
template <class T>
struct Stretch {
  int64_t begin, end;
  T strength;
  T from[1 + kMostTraces];
};

template <int n_post, Power power, class T, class Index>
RANVIER_INLINE void learn_stretch(const PlasticBlock<T, Index>& edges, const Stretch<T>& stretch, const Traces<T>& traces,
                                  const WeightChange<T>& change, T* out) {
  T from[1 + n_post];
  const T* post[1 + n_post];
  for (int t = 0; t <= n_post; ++t) from[t] = stretch.from[t];
  for (int t = 0; t < n_post; ++t) post[t] = traces.post + t * traces.targets + edges.low;
  T* const block = out + edges.low;
  T* const weights = edges.weight;
  const T strength = stretch.strength;
  const WeightChange<T> limits = change;
  const uint32_t low = static_cast<uint32_t>(edges.low), width = static_cast<uint32_t>(edges.high - edges.low);
  for (int64_t e = stretch.begin; e < stretch.end; ++e) {
    const uint32_t i = static_cast<uint32_t>(edges.target[e]) - low;
    if (i >= width) continue;
    const T weight = weights[e];
    block[i] += weight * strength;
    T by = from[0];
    for (int t = 0; t < n_post; ++t) by += from[t + 1] * post[t][i];
    weights[e] = changed<power>(weight, by, limits);
  }
}

template <int n_post, class T, class Index>
RANVIER_INLINE void learn_stretch(const PlasticBlock<T, Index>& edges, const Stretch<T>& stretch, const Traces<T>& traces,
                                  const WeightChange<T>& change, Power power, T* out) {
  switch (power) {
    case Power::kNone: return learn_stretch<n_post, Power::kNone>(edges, stretch, traces, change, out);
    case Power::kOne: return learn_stretch<n_post, Power::kOne>(edges, stretch, traces, change, out);
    default: return learn_stretch<n_post, Power::kAny>(edges, stretch, traces, change, out);
  }
}

template <class T, class Index>
RANVIER_INLINE void learn_stretches(const PlasticBlock<T, Index>& edges, const Stretch<T>* stretches, int64_t n, const Traces<T>& traces,
                                    const WeightChange<T>& change, T* out) {
  const Power power = power_of(change);
  const auto fetch = [&](int64_t s) {
    const int64_t begin = stretches[s].begin;
    const int64_t end = std::min<int64_t>(stretches[s].end, begin + kPrefetched / static_cast<int64_t>(sizeof(T)));
    for (int64_t e = begin; e < end; e += 16) prefetch(edges.target + e);
    for (int64_t e = begin; e < end; e += 64 / static_cast<int64_t>(sizeof(T))) prefetch_to_write(edges.weight + e);
  };
  for (int64_t s = 0; s < std::min(n, kAhead); ++s) fetch(s);
  for (int64_t s = 0; s < n; ++s) {
    if (s + kAhead < n) fetch(s + kAhead);
    switch (change.n_post) {
      case 0: learn_stretch<0>(edges, stretches[s], traces, change, power, out); break;
      case 1: learn_stretch<1>(edges, stretches[s], traces, change, power, out); break;
      case 2: learn_stretch<2>(edges, stretches[s], traces, change, power, out); break;
      case 3: learn_stretch<3>(edges, stretches[s], traces, change, power, out); break;
      default: learn_stretch<4>(edges, stretches[s], traces, change, power, out); break;
    }
  }
}

template <class T, class Index>
RANVIER_INLINE void deliver(const History<T>& history, int64_t step, const PlasticBlock<T, Index>& edges, const Traces<T>& traces,
                            const WeightChange<T>& change, T* out) {
  Stretch<T> stretches[kStretches];
  int64_t found = 0;
  for (int64_t d = 0; d < edges.n_delays; ++d) {
    const int64_t delay = edges.delays[d];
    if (delay < 0 || delay >= history.slots) continue;
    const int64_t slot = floor_mod(floor_mod(step, history.slots) - delay, history.slots);
    const int64_t count = std::min<int64_t>(history.count[slot], history.n);
    const int32_t* source = history.source + slot * history.n;
    for (int64_t j = 0; j < count; ++j) {
      if (source[j] < 0 || source[j] >= history.n) continue;
      const Index* row = edges.segments + source[j] * (edges.n_delays + 1) + d;
      const int64_t begin = std::max<int64_t>(row[0], 0), end = std::min<int64_t>(row[1], edges.n_edges);
      if (begin >= end) continue;
      Stretch<T>& stretch = stretches[found++];
      stretch.begin = begin, stretch.end = end;
      stretch.strength = history.amplitude == nullptr ? T(1) : history.amplitude[slot * history.n + j];
      const int64_t columns = 1 + change.n_post;
      for (int64_t t = 0; t < columns; ++t) {
        T sum = change.gain[t];
        for (int64_t s = 0; s < change.n_pre; ++s) {
          sum += change.gain[(s + 1) * columns + t] * traces.pre[(s * traces.slots + slot) * traces.sources + source[j]];
        }
        stretch.from[t] = sum;
      }
      if (found == kStretches) {
        learn_stretches(edges, stretches, found, traces, change, out);
        found = 0;
      }
    }
  }
  learn_stretches(edges, stretches, found, traces, change, out);
}

struct Row {
  int64_t target, begin, end;
};

inline void fetch_index(const Incoming& edges, const Row& row) {
  const int64_t end = std::min(row.end, row.begin + kEdgesAhead);
  for (int64_t k = row.begin; k < end; k += 16) prefetch(edges.position + k), prefetch(edges.lag + k);
}

// Wherever a place may be wrong: a prefetch cannot fault.
template <class T>
inline void fetch_weight(const T* weight, int32_t place) {
  prefetch_to_write(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(weight) + static_cast<uintptr_t>(place) * sizeof(T)));
}

template <class T>
inline void fetch_weights(const Incoming& edges, const Row& row, const T* weight) {
  const int64_t end = std::min(row.end, row.begin + kEdgesAhead);
  for (int64_t k = row.begin; k < end; ++k) fetch_weight(weight, edges.position[k]);
}

// One target's edges change by from[0] + Σ from[s] · pre_s. The first weights are on their way.
template <int n_pre, Power power, class T>
RANVIER_INLINE void learn_row(const Incoming& edges, int64_t begin, int64_t end, int64_t now, const T* from_row, const Traces<T>& traces,
                              const WeightChange<T>& change, T* weight, uint32_t n_weights) {
  T from[1 + n_pre];
  const T* pre[1 + n_pre];
  const int64_t ring = traces.slots * traces.sources;
  for (int s = 0; s <= n_pre; ++s) from[s] = from_row[s];
  for (int s = 0; s < n_pre; ++s) pre[s] = traces.pre + s * ring;
  const WeightChange<T> limits = change;
  const int32_t* const position = edges.position;
  const uint32_t steps_of_ring = static_cast<uint32_t>(ring), here = static_cast<uint32_t>(now);
  for (int64_t k = begin; k < end; ++k) {
    if (k + kEdgesAhead < end) fetch_weight(weight, position[k + kEdgesAhead]);
    const uint32_t place = static_cast<uint32_t>(position[k]);
    uint32_t at = here - static_cast<uint32_t>(edges.lag[k]);
    at = static_cast<int32_t>(at) < 0 ? at + steps_of_ring : at;
    if (place >= n_weights || at >= steps_of_ring) continue;
    T by = from[0];
    for (int s = 0; s < n_pre; ++s) by += from[s + 1] * pre[s][at];
    weight[place] = changed<power>(weight[place], by, limits);
  }
}

template <int n_pre, class T>
RANVIER_INLINE void learn_row(const Incoming& edges, int64_t begin, int64_t end, int64_t now, const T* from, const Traces<T>& traces,
                              const WeightChange<T>& change, Power power, T* weight, uint32_t n_weights) {
  switch (power) {
    case Power::kNone: return learn_row<n_pre, Power::kNone>(edges, begin, end, now, from, traces, change, weight, n_weights);
    case Power::kOne: return learn_row<n_pre, Power::kOne>(edges, begin, end, now, from, traces, change, weight, n_weights);
    default: return learn_row<n_pre, Power::kAny>(edges, begin, end, now, from, traces, change, weight, n_weights);
  }
}

template <class T>
RANVIER_INLINE void learn(const bool* fired, int64_t low, int64_t high, int64_t step, const Incoming& edges, const Traces<T>& traces,
                          const WeightChange<T>& change, T* weight, int64_t n_weights) {
  const Power power = power_of(change);
  const int64_t now = floor_mod(step, traces.slots) * traces.sources, columns = 1 + change.n_post;
  const uint32_t places = static_cast<uint32_t>(std::min<int64_t>(n_weights, INT32_MAX));
  Row rows[kRows];
  int64_t found = 0;
  const auto work_off = [&] {
    for (int64_t r = 0; r < std::min<int64_t>(found, 2); ++r) fetch_index(edges, rows[r]);
    if (found > 0) fetch_weights(edges, rows[0], weight);
    for (int64_t r = 0; r < found; ++r) {
      if (r + 2 < found) fetch_index(edges, rows[r + 2]);
      if (r + 1 < found) fetch_weights(edges, rows[r + 1], weight);
      T from[1 + kMostTraces];
      for (int64_t s = 0; s <= change.n_pre; ++s) {
        T sum = change.gain[s * columns];
        for (int64_t t = 0; t < change.n_post; ++t) sum += change.gain[s * columns + t + 1] * traces.post[t * traces.targets + rows[r].target];
        from[s] = sum;
      }
      const int64_t begin = rows[r].begin, end = rows[r].end;
      switch (change.n_pre) {
        case 0: learn_row<0>(edges, begin, end, now, from, traces, change, power, weight, places); break;
        case 1: learn_row<1>(edges, begin, end, now, from, traces, change, power, weight, places); break;
        case 2: learn_row<2>(edges, begin, end, now, from, traces, change, power, weight, places); break;
        case 3: learn_row<3>(edges, begin, end, now, from, traces, change, power, weight, places); break;
        default: learn_row<4>(edges, begin, end, now, from, traces, change, power, weight, places); break;
      }
    }
    found = 0;
  };
  for_each_set(fired + low, high - low, [&](int64_t i) {
    const int64_t j = low + i;
    rows[found++] = {j, std::max<int64_t>(edges.rows[j], 0), std::min<int64_t>(edges.rows[j + 1], edges.n_edges)};
    if (found == kRows) work_off();
  });
  work_off();
}

// Which of a stretch of events, the `before`-th and those after it, are among due's: calls visit(event of the stretch, place in due).
template <class Visit>
RANVIER_INLINE void for_each_wanted(int64_t before, int64_t length, int64_t first, int64_t size, const Visit& visit) {
  const int64_t begin = std::max<int64_t>(first - before, 0), end = std::min(length, first + size - before);
  for (int64_t k = begin; k < end; ++k) visit(k, before + k - first);
}

RANVIER_INLINE void no_more(const EdgesDue& due, int64_t from, int64_t nowhere) {
  for (int64_t i = std::max<int64_t>(from, 0); i < due.size; ++i) {
    due.position[i] = static_cast<int32_t>(nowhere);
    due.source[i] = due.target[i] = due.row[i] = 0;
  }
}

template <class T>
RANVIER_INLINE void put_all(const int32_t* position, const T* value, int64_t size, T* values, int64_t n) {
  for (int64_t i = 0; i < size; ++i) {
    if (i + kEdgesAhead < size) {
      const uintptr_t offset = static_cast<uintptr_t>(position[i + kEdgesAhead]) * sizeof(T);  // wherever: a prefetch cannot fault
      prefetch_to_write(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(values) + offset));
    }
    if (position[i] >= 0 && position[i] < n) values[position[i]] = value[i];
  }
}

// Calls visit(edge, target, lag) for every edge of a block in its order.
template <class Index, class Visit>
RANVIER_INLINE void for_each_edge(const Outgoing<Index>& edges, int64_t targets, const Visit& visit) {
  for (int64_t source = 0; source < edges.sources; ++source) {
    for (int64_t d = 0; d < edges.n_delays; ++d) {
      if (edges.delays[d] < 0) continue;
      const Index* row = edges.segments + source * (edges.n_delays + 1) + d;
      const int64_t begin = std::max<int64_t>(row[0], 0), end = std::min<int64_t>(row[1], edges.n_edges);
      for (int64_t e = begin; e < end; ++e) {
        const int64_t j = edges.target[e];
        if (j >= 0 && j < targets) visit(e, j, edges.delays[d] * edges.sources - source);
      }
    }
  }
}

template <class Index>
void count(const Outgoing<Index>& edges, int64_t targets, int64_t* of_target) {
  for_each_edge(edges, targets, [&](int64_t, int64_t j, int64_t) { ++of_target[j]; });
}

template <class Index>
void place(const Outgoing<Index>& edges, int64_t targets, int64_t* cursor, int32_t* position, int32_t* lag, int64_t n_places) {
  for_each_edge(edges, targets, [&](int64_t e, int64_t j, int64_t steps) {
    const int64_t k = cursor[j]++;
    if (k < 0 || k >= n_places) return;
    position[k] = static_cast<int32_t>(e);
    lag[k] = static_cast<int32_t>(steps);
  });
}

}  // namespace

RANVIER_CLONES void advance_trace(const bool* spiked, int64_t n, int64_t step, int64_t slots, const TraceChange<float>& change, float* ring,
                                  float* before) {
  advance(spiked, n, step, slots, change, ring, before);
}

RANVIER_CLONES void advance_trace(const bool* spiked, int64_t n, int64_t step, int64_t slots, const TraceChange<double>& change,
                                  double* ring, double* before) {
  advance(spiked, n, step, slots, change, ring, before);
}

void deliver_and_learn(const History<float>& history, int64_t step, const PlasticBlock<float, int32_t>& edges,
                       const Traces<float>& traces, const WeightChange<float>& change, float* out) {
  deliver(history, step, edges, traces, change, out);
}

void deliver_and_learn(const History<float>& history, int64_t step, const PlasticBlock<float, int64_t>& edges,
                       const Traces<float>& traces, const WeightChange<float>& change, float* out) {
  deliver(history, step, edges, traces, change, out);
}

void deliver_and_learn(const History<double>& history, int64_t step, const PlasticBlock<double, int32_t>& edges,
                       const Traces<double>& traces, const WeightChange<double>& change, double* out) {
  deliver(history, step, edges, traces, change, out);
}

void deliver_and_learn(const History<double>& history, int64_t step, const PlasticBlock<double, int64_t>& edges,
                       const Traces<double>& traces, const WeightChange<double>& change, double* out) {
  deliver(history, step, edges, traces, change, out);
}

void learn_at_targets(const bool* fired, int64_t low, int64_t high, int64_t step, const Incoming& edges, const Traces<float>& traces,
                      const WeightChange<float>& change, float* weight, int64_t n_weights) {
  learn(fired, low, high, step, edges, traces, change, weight, n_weights);
}

void learn_at_targets(const bool* fired, int64_t low, int64_t high, int64_t step, const Incoming& edges, const Traces<double>& traces,
                      const WeightChange<double>& change, double* weight, int64_t n_weights) {
  learn(fired, low, high, step, edges, traces, change, weight, n_weights);
}

int64_t due_edges(const int32_t* source, const int32_t* count, int64_t slots, int64_t n, int64_t step, const SortedEdges& edges,
                  int64_t targets, int64_t first, const EdgesDue& due) {
  first = std::max<int64_t>(first, 0);
  int64_t before = 0;
  for (int64_t b = 0; b < edges.blocks; ++b) {
    const int64_t low = std::max<int64_t>(edges.bounds[b], 0), high = std::min(edges.bounds[b + 1], targets);
    for (int64_t d = 0; d < edges.n_delays; ++d) {
      const int64_t delay = edges.delays[d];
      if (delay < 0 || delay >= slots) continue;
      const int64_t slot = floor_mod(floor_mod(step, slots) - delay, slots), spikes = std::min<int64_t>(count[slot], n);
      for (int64_t j = 0; j < spikes; ++j) {
        const int32_t who = source[slot * n + j];
        if (who < 0 || who >= n) continue;
        const int32_t* row = edges.segments + (b * n + who) * (edges.n_delays + 1) + d;
        const int64_t begin = std::max<int64_t>(row[0], 0), end = std::min<int64_t>(row[1], edges.n_edges);
        if (begin >= end) continue;
        for_each_wanted(before, end - begin, first, due.size, [&](int64_t k, int64_t i) {
          const int32_t j_post = edges.target[begin + k];
          const bool there = j_post >= low && j_post < high;
          due.position[i] = static_cast<int32_t>(there ? begin + k : edges.n_edges);
          due.source[i] = who;
          due.target[i] = there ? j_post : 0;
          due.row[i] = static_cast<int32_t>(slot);
        });
        before += end - begin;
      }
    }
  }
  no_more(due, before - first, edges.n_edges);
  return before;
}

int64_t incoming_edges(const bool* fired, int64_t targets, int64_t step, const Incoming& edges, int64_t slots, int64_t sources,
                       int64_t n_weights, int64_t first, const EdgesDue& due) {
  const int64_t ring = slots * sources, now = floor_mod(step, slots) * sources;
  first = std::max<int64_t>(first, 0);
  int64_t before = 0;
  for_each_set(fired, targets, [&](int64_t j) {
    const int64_t begin = std::max<int64_t>(edges.rows[j], 0), end = std::min<int64_t>(edges.rows[j + 1], edges.n_edges);
    if (begin >= end) return;
    for_each_wanted(before, end - begin, first, due.size, [&](int64_t k, int64_t i) {
      int64_t at = now - edges.lag[begin + k];
      at = at < 0 ? at + ring : at;
      const int32_t place = edges.position[begin + k];
      const bool there = at >= 0 && at < ring && place >= 0 && place < n_weights;
      due.position[i] = static_cast<int32_t>(there ? place : n_weights);
      due.target[i] = static_cast<int32_t>(j);
      due.row[i] = there ? static_cast<int32_t>(static_cast<uint32_t>(at) / static_cast<uint32_t>(sources)) : 0;
      due.source[i] = there ? static_cast<int32_t>(at - due.row[i] * sources) : 0;
    });
    before += end - begin;
  });
  no_more(due, before - first, n_weights);
  return before;
}

void put(const int32_t* position, const float* value, int64_t size, float* values, int64_t n) {
  put_all(position, value, size, values, n);
}

void put(const int32_t* position, const double* value, int64_t size, double* values, int64_t n) {
  put_all(position, value, size, values, n);
}

void count_incoming(const Outgoing<int32_t>& edges, int64_t targets, int64_t* of_target) { count(edges, targets, of_target); }

void count_incoming(const Outgoing<int64_t>& edges, int64_t targets, int64_t* of_target) { count(edges, targets, of_target); }

void place_incoming(const Outgoing<int32_t>& edges, int64_t targets, int64_t* cursor, int32_t* position, int32_t* lag, int64_t n_places) {
  place(edges, targets, cursor, position, lag, n_places);
}

void place_incoming(const Outgoing<int64_t>& edges, int64_t targets, int64_t* cursor, int32_t* position, int32_t* lag, int64_t n_places) {
  place(edges, targets, cursor, position, lag, n_places);
}

}  // namespace ranvier
