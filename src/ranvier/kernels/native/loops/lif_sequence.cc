#include "lif_sequence.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <type_traits>

#include "elementary.h"
#include "loops.h"
#include "parallel.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ranvier {
namespace {

// A tile is so many neighbouring neurons; their state stays in the first-level cache over the whole sequence.
template <class T>
constexpr int64_t kTile = 2048 / sizeof(T);

// As wide as T, so that a vector of one is a mask for a vector of the other.
template <class T>
using Integer = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

// New memory of this size comes from the kernel page by page, at several times the cost of writing it once.
void ask_for_large_pages(void* data, int64_t bytes) {
#if defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = uintptr_t{1} << 21;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) & ~(page - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) & ~(page - 1);
  if (data != nullptr && end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

// What a neuron has: a template argument of the loops.
enum Feature { kWaiting = 1, kAdaptive = 2, kStochastic = 4 };

template <class T>
int features_of(const LifSequence<T>& s) {
  return (s.refractory != nullptr ? kWaiting : 0) | (s.adaptive ? kAdaptive : 0) | (s.uniform != nullptr ? kStochastic : 0);
}

// One row of a tile, for each thing that a step reads or writes.
template <class T>
struct Row {
  const T *x, *noise, *uniform;
  const T* v;                 // before the step
  const Integer<T>* left;     // steps that the potential is still held
  const T* threshold;         // of the state where it adapts, else the given one
  T* u;                       // the potential before the reset
  T* at;                      // the threshold that it is compared with
  T* spikes;
  T* next_v;
  Integer<T>* next_left;
  T* next_threshold;
};

// The parameters of a tile, one row each.
template <class T>
struct Columns {
  T parameter[kLifParameters][kTile<T>];
  Integer<T> refractory[kTile<T>];
  T zero[kTile<T>];
  int64_t first, n;

  void fill(const LifSequence<T>& s, int64_t begin) {
    first = begin;
    n = std::min(kTile<T>, s.elements - begin);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t column = (begin + i) % s.period;
      for (int p = 0; p < kLifParameters; ++p) parameter[p][i] = s.parameters[p * s.period + column];
      if (s.uniform == nullptr) parameter[kSlope][i] = 1;
      refractory[i] = s.refractory == nullptr ? 0 : s.refractory[column];
      zero[i] = 0;
    }
  }
};

template <int features, bool keeps, class T>
RANVIER_INLINE void step(const LifSequence<T>& s, const Columns<T>& columns, const Row<T>& row) {
  constexpr bool waiting = features & kWaiting, adaptive = features & kAdaptive;
  const auto& p = columns.parameter;
  const T through = s.by_subtraction ? T(1) : T(0), low = s.threshold_min, high = s.threshold_max;
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < columns.n; ++i) {
    // All loads and all arithmetic first, then choices between results: compilers turn those into masks.
    const T v = row.v[i], before = row.threshold[i], reset = p[kReset][i], rest = p[kRest][i], given = p[kThreshold][i];
    T u = ((rest + p[kDecay][i] * (v - rest)) + p[kGain][i] * row.x[i]) + row.noise[i];
    Integer<T> left = 0;
    if constexpr (waiting) {
      left = row.left[i];
      u = left > 0 ? v : u;
    }
    const T at = adaptive ? given + p[kThresholdDecay][i] * (before - given) : before, d = u - at;
    bool spike = d >= T(0);
    if constexpr ((features & kStochastic) != 0) spike = row.uniform[i] < sigmoid(p[kSlope][i] * d);
    if constexpr (waiting) spike = spike & (left <= 0);
    const T after = adaptive ? through * u - (through * at - reset) : through * u + reset;
    const T one = spike ? T(1) : T(0);
    if constexpr (keeps) row.u[i] = u;
    if constexpr (keeps && adaptive) row.at[i] = at;
    row.spikes[i] = one;
    row.next_v[i] = spike ? after : u;
    if constexpr (waiting) {
      const Integer<T> refractory = columns.refractory[i], less = left - 1, held = less > 0 ? less : 0;
      row.next_left[i] = spike ? refractory : held;
    }
    if constexpr (adaptive) {
      T next = at + p[kThresholdJump][i] * one;
      next = next < low ? low : next;
      row.next_threshold[i] = next > high ? high : next;
    }
  }
}

// The state of a tile.
template <class T>
struct TileState {
  T v[kTile<T>], threshold[kTile<T>];
  Integer<T> left[kTile<T>];
};

template <class T>
void load(const LifState<T>& from, int64_t offset, int64_t n, T* v, Integer<T>* left, T* threshold) {
  std::copy_n(from.v + offset, n, v);
  if (from.left != nullptr) std::copy_n(from.left + offset, n, left);
  if (from.threshold != nullptr) std::copy_n(from.threshold + offset, n, threshold);
}

template <class T>
void store(const TileState<T>& state, int64_t offset, int64_t n, const LifState<T>& to) {
  std::copy_n(state.v, n, to.v + offset);
  if (to.left != nullptr) {
    for (int64_t i = 0; i < n; ++i) to.left[offset + i] = static_cast<int32_t>(state.left[i]);
  }
  if (to.threshold != nullptr) std::copy_n(state.threshold, n, to.threshold + offset);
}

template <class T>
const T* at_step(const T* tensor, int64_t t, int64_t stride, int64_t first, const T* otherwise) {
  return tensor == nullptr ? otherwise : tensor + t * stride + first;
}

template <int features, class T>
RANVIER_INLINE void forward_tile(const LifSequence<T>& s, const Columns<T>& columns, TileState<T>& state, const LifState<T>& kept,
                                 T* spikes) {
  const int64_t first = columns.first;
  Row<T> row{};
  row.v = row.next_v = state.v;
  row.left = row.next_left = state.left;
  row.threshold = (features & kAdaptive) ? state.threshold : columns.parameter[kThreshold];
  row.next_threshold = state.threshold;
  for (int64_t t = 0; t < s.steps; ++t) {
    if (kept.v != nullptr && t % s.chunk == 0) store(state, t / s.chunk * s.elements + first, columns.n, kept);
    row.x = s.x + t * s.x_stride + first;
    row.noise = at_step(s.noise, t, s.elements, first, columns.zero);
    row.uniform = at_step(s.uniform, t, s.elements, first, columns.zero);
    row.spikes = spikes + t * s.elements + first;
    step<features, false>(s, columns, row);
  }
}

template <int features, class T>
RANVIER_INLINE void forward_tiles(const LifSequence<T>& s, const LifState<T>& state, const LifState<T>& kept, T* spikes, int64_t begin,
                                  int64_t end) {
  const auto columns = std::make_unique<Columns<T>>();
  const auto tile = std::make_unique<TileState<T>>();
  for (int64_t k = begin; k < end; ++k) {
    columns->fill(s, k * kTile<T>);
    load(state, columns->first, columns->n, tile->v, tile->left, tile->threshold);
    forward_tile<features>(s, *columns, *tile, kept, spikes);
    store(*tile, columns->first, columns->n, state);
  }
}

// What the chunk of steps under way needs again, row by row, and the state between its steps.
template <class T>
struct Chunk {
  explicit Chunk(int64_t steps) : u(steps * width), spikes(u), at(u), v(u.size() + width), threshold(v), left(v.size()) {}
  static constexpr int64_t width = kTile<T>;
  std::vector<T> u, spikes, at, v, threshold;
  std::vector<Integer<T>> left;
};

template <int features, class T>
RANVIER_INLINE Row<T> row_of(const LifSequence<T>& s, Columns<T>& columns, Chunk<T>& chunk, int64_t first_step, int64_t c) {
  const int64_t first = columns.first, t = first_step + c, now = c * chunk.width, next = now + chunk.width;
  Row<T> row;
  row.x = s.x + t * s.x_stride + first;
  row.noise = at_step(s.noise, t, s.elements, first, columns.zero);
  row.uniform = at_step(s.uniform, t, s.elements, first, columns.zero);
  row.v = &chunk.v[now];
  row.left = &chunk.left[now];
  row.threshold = (features & kAdaptive) ? &chunk.threshold[now] : columns.parameter[kThreshold];
  row.u = &chunk.u[now];
  row.at = (features & kAdaptive) ? &chunk.at[now] : columns.parameter[kThreshold];
  row.spikes = &chunk.spikes[now];
  row.next_v = &chunk.v[next];
  row.next_left = &chunk.left[next];
  row.next_threshold = &chunk.threshold[next];
  return row;
}

template <class T>
RANVIER_INLINE T normal(T d, T mean, T deviation) {
  const T z = (d - mean) / deviation;
  return exponential(T(-0.5) * (z * z)) * (T(0.3989422804014327) / deviation);
}

// The derivative of a spike with respect to the distance d to the threshold.
template <SurrogateKind kind, class T>
RANVIER_INLINE T derivative(T d, const T (&shape)[3]) {
  const T distance = d < 0 ? -d : d;
  if constexpr (kind == SurrogateKind::fast_sigmoid) {
    const T root = T(1) + shape[0] * distance;
    return T(1) / (root * root);
  } else if constexpr (kind == SurrogateKind::arc_tangent) {
    const T z = T(1.5707963267948966) * shape[0] * d;
    return T(0.5) * shape[0] / (T(1) + z * z);
  } else if constexpr (kind == SurrogateKind::triangle) {
    const T height = T(1) - distance / shape[1];
    return shape[0] * (height < 0 ? T(0) : height);
  } else if constexpr (kind == SurrogateKind::gaussian) {
    return normal(d, T(0), shape[0]);
  } else if constexpr (kind == SurrogateKind::multi_gaussian) {
    const T wide = shape[1] * shape[0];
    return (T(1) + shape[2]) * normal(d, T(0), shape[0]) - shape[2] * (normal(d, shape[0], wide) + normal(d, -shape[0], wide));
  } else {
    return T(1);
  }
}

template <SurrogateKind kind, class T>
RANVIER_INLINE void slopes_of(const T (&shape)[3], const T* u, const T* threshold, int64_t n, T* slopes) {
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) slopes[i] = derivative<kind>(u[i] - threshold[i], shape);
}

template <class T>
RANVIER_INLINE void slopes_of(const Surrogate& surrogate, const T* u, const T* threshold, int64_t n, T* slopes) {
  using Kind = SurrogateKind;
  const T shape[3] = {T(surrogate.shape[0]), T(surrogate.shape[1]), T(surrogate.shape[2])};
  switch (surrogate.kind) {
    case Kind::fast_sigmoid: return slopes_of<Kind::fast_sigmoid>(shape, u, threshold, n, slopes);
    case Kind::arc_tangent: return slopes_of<Kind::arc_tangent>(shape, u, threshold, n, slopes);
    case Kind::triangle: return slopes_of<Kind::triangle>(shape, u, threshold, n, slopes);
    case Kind::gaussian: return slopes_of<Kind::gaussian>(shape, u, threshold, n, slopes);
    case Kind::straight_through: return slopes_of<Kind::straight_through>(shape, u, threshold, n, slopes);
    case Kind::multi_gaussian: return slopes_of<Kind::multi_gaussian>(shape, u, threshold, n, slopes);
  }
}

// Of the probability of a spike, with respect to its log-odds.
template <class T>
RANVIER_INLINE void chances_of(const T* slope, const T* u, const T* threshold, int64_t n, T* slopes) {
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T p = sigmoid(slope[i] * (u[i] - threshold[i]));
    slopes[i] = p * (T(1) - p);
  }
}

RANVIER_CLONES void spike_slopes(const Surrogate& surrogate, const float* u, const float* threshold, int64_t n, float* slopes) {
  slopes_of(surrogate, u, threshold, n, slopes);
}

RANVIER_CLONES void spike_slopes(const Surrogate& surrogate, const double* u, const double* threshold, int64_t n, double* slopes) {
  slopes_of(surrogate, u, threshold, n, slopes);
}

RANVIER_CLONES void chance_slopes(const float* slope, const float* u, const float* threshold, int64_t n, float* slopes) {
  chances_of(slope, u, threshold, n, slopes);
}

RANVIER_CLONES void chance_slopes(const double* slope, const double* u, const double* threshold, int64_t n, double* slopes) {
  chances_of(slope, u, threshold, n, slopes);
}

// Gradients that are carried backwards through a tile.
template <class T>
struct TileGradients {
  T v[kTile<T>], threshold[kTile<T>], slopes[kTile<T>], noise[kTile<T>], ignored[kTile<T>];
  T parameter[kLifParameters][kTile<T>];
};

// One step back. `incoming` is the gradient of this step's spikes; that of the state after becomes that of the state before.
template <int features, bool learns, class T>
RANVIER_INLINE void step_back(const LifSequence<T>& s, const Columns<T>& columns, const Row<T>& row, const T* incoming, T* grad_x,
                              TileGradients<T>& gradients) {
  constexpr bool waiting = features & kWaiting, adaptive = features & kAdaptive;
  const auto& p = columns.parameter;
  auto& learned = gradients.parameter;
  const T through = s.by_subtraction ? T(1) : T(0), acts = s.detach_reset ? T(0) : T(1);
  const T low = s.threshold_min, high = s.threshold_max;
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < columns.n; ++i) {
    const T u = row.u[i], at = row.at[i], spike = row.spikes[i], of_v = gradients.v[i], decay = p[kDecay][i];
    const T fall = adaptive ? p[kReset][i] - through * at : p[kReset][i];
    T of_acting = of_v * (fall - (T(1) - through) * u), of_at = T(0);
    T of_u = of_v * (T(1) - (T(1) - through) * spike);
    if constexpr (adaptive) {
      const T jump = p[kThresholdJump][i], of_clamped = gradients.threshold[i], free = at + jump * spike;
      const T of_next = (free >= low) & (free <= high) ? of_clamped : T(0);
      of_acting += of_next * jump;
      of_at = of_next - through * (of_v * spike);
      if constexpr (learns) learned[kThresholdJump][i] += of_next * spike;
    }
    T of_spike = (incoming[i] + acts * of_acting) * gradients.slopes[i], drives = T(1);
    Integer<T> left = 0;
    if constexpr (waiting) {
      left = row.left[i];
      of_spike = left > 0 ? T(0) : of_spike;
    }
    const T of_d = of_spike * p[kSlope][i];
    of_u += of_d;
    of_at -= of_d;
    if constexpr (waiting) drives = left > 0 ? T(0) : drives;
    const T driven = drives * of_u, decayed = driven * decay;
    if constexpr (adaptive) {
      const T of_before = of_at * p[kThresholdDecay][i];
      gradients.threshold[i] = of_before;
      if constexpr (learns) learned[kThresholdDecay][i] += of_at * (row.threshold[i] - p[kThreshold][i]);
      of_at -= of_before;
    }
    if constexpr (learns) {
      learned[kThreshold][i] += of_at;
      learned[kReset][i] += of_v * spike;
      learned[kDecay][i] += driven * (row.v[i] - p[kRest][i]);
      learned[kGain][i] += driven * row.x[i];
      learned[kRest][i] += driven - decayed;
      learned[kSlope][i] += of_spike * (u - at);
    }
    gradients.noise[i] = driven;
    grad_x[i] = driven * p[kGain][i];
    gradients.v[i] = left > 0 ? of_u : decayed;
  }
}

template <int features, bool learns, class T>
RANVIER_INLINE void backward_tile(const LifSequence<T>& s, const LifState<T>& kept, const Surrogate& surrogate, const LifGradients<T>& g,
                                  Columns<T>& columns, Chunk<T>& chunk, TileGradients<T>& gradients) {
  const int64_t first = columns.first, n = columns.n;
  for (int64_t number = (s.steps - 1) / s.chunk; number >= 0; --number) {
    const int64_t begin = number * s.chunk, steps = std::min(s.chunk, s.steps - begin);
    load(kept, number * s.elements + first, n, chunk.v.data(), chunk.left.data(), chunk.threshold.data());
    for (int64_t c = 0; c < steps; ++c) step<features, true>(s, columns, row_of<features>(s, columns, chunk, begin, c));
    for (int64_t c = steps - 1; c >= 0; --c) {
      const int64_t t = begin + c;
      const Row<T> row = row_of<features>(s, columns, chunk, begin, c);
      if (features & kStochastic) {
        chance_slopes(columns.parameter[kSlope], row.u, row.at, n, gradients.slopes);
      } else {
        spike_slopes(surrogate, row.u, row.at, n, gradients.slopes);
      }
      T* grad_x = g.x == nullptr ? gradients.ignored : g.x + t * s.elements + first;
      step_back<features & ~kStochastic, learns>(s, columns, row, at_step(g.spikes, t, g.spikes_stride, first, columns.zero), grad_x, gradients);
      if (g.noise != nullptr) std::copy_n(gradients.noise, n, g.noise + t * s.elements + first);
    }
  }
}

template <int features, class T>
RANVIER_INLINE void backward_tiles(const LifSequence<T>& s, const LifState<T>& kept, const Surrogate& surrogate, const LifGradients<T>& g,
                                   int64_t begin, int64_t end) {
  const auto columns = std::make_unique<Columns<T>>();
  const auto gradients = std::make_unique<TileGradients<T>>();
  Chunk<T> chunk(std::min(s.chunk, s.steps));
  for (int64_t k = begin; k < end; ++k) {
    columns->fill(s, k * kTile<T>);
    const int64_t first = columns->first, n = columns->n;
    std::copy_n(g.v + first, n, gradients->v);
    if (g.threshold != nullptr) std::copy_n(g.threshold + first, n, gradients->threshold);
    if (g.wanted == 0) {
      backward_tile<features, false>(s, kept, surrogate, g, *columns, chunk, *gradients);
    } else {
      for (auto& row : gradients->parameter) std::fill_n(row, n, T(0));
      backward_tile<features, true>(s, kept, surrogate, g, *columns, chunk, *gradients);
      T* to = g.per_element + first;
      for (int p = 0; p < kLifParameters; ++p) {
        if ((g.wanted >> p & 1u) == 0) continue;
        std::copy_n(gradients->parameter[p], n, to);
        to += s.elements;
      }
    }
    std::copy_n(gradients->v, n, g.v + first);
    if (g.threshold != nullptr) std::copy_n(gradients->threshold, n, g.threshold + first);
  }
}

// Over the batch, in its order and in double precision: the same for any number of threads.
template <class T>
void sum_over_batch(const LifSequence<T>& s, const LifGradients<T>& g) {
  std::vector<double> sum(s.period);
  const T* from = g.per_element;
  for (int p = 0; p < kLifParameters; ++p) {
    if ((g.wanted >> p & 1u) == 0) continue;
    std::fill(sum.begin(), sum.end(), 0.0);
    for (int64_t begin = 0; begin < s.elements; begin += s.period) {
      for (int64_t i = 0; i < s.period; ++i) sum[i] += from[begin + i];
    }
    for (int64_t i = 0; i < s.period; ++i) g.parameters[p * s.period + i] = T(sum[i]);
    from += s.elements;
  }
}

#define RANVIER_FOR_FEATURES(CALL)                                                       \
  switch (features_of(s)) {                                                              \
    case 0: return CALL(0);                                                              \
    case 1: return CALL(1);                                                              \
    case 2: return CALL(2);                                                              \
    case 3: return CALL(3);                                                              \
    case 4: return CALL(4);                                                              \
    case 5: return CALL(5);                                                              \
    case 6: return CALL(6);                                                              \
    case 7: return CALL(7);                                                              \
  }

#define RANVIER_FORWARD(features) forward_tiles<features>(s, state, kept, spikes, begin, end)
#define RANVIER_BACKWARD(features) backward_tiles<features>(s, kept, surrogate, g, begin, end)

RANVIER_CLONES void forward_part(const LifSequence<float>& s, const LifState<float>& state, const LifState<float>& kept, float* spikes,
                                 int64_t begin, int64_t end) {
  RANVIER_FOR_FEATURES(RANVIER_FORWARD)
}

RANVIER_CLONES void forward_part(const LifSequence<double>& s, const LifState<double>& state, const LifState<double>& kept,
                                 double* spikes, int64_t begin, int64_t end) {
  RANVIER_FOR_FEATURES(RANVIER_FORWARD)
}

RANVIER_CLONES void backward_part(const LifSequence<float>& s, const LifState<float>& kept, const Surrogate& surrogate,
                                  const LifGradients<float>& g, int64_t begin, int64_t end) {
  RANVIER_FOR_FEATURES(RANVIER_BACKWARD)
}

RANVIER_CLONES void backward_part(const LifSequence<double>& s, const LifState<double>& kept, const Surrogate& surrogate,
                                  const LifGradients<double>& g, int64_t begin, int64_t end) {
  RANVIER_FOR_FEATURES(RANVIER_BACKWARD)
}

// Below so many neuron-steps a thread costs more than it saves.
constexpr int64_t kWorthAThread = 1 << 16;

template <class T>
int worthwhile(const LifSequence<T>& s, int threads) {
  return static_cast<int>(std::min<int64_t>(threads, 1 + s.steps * s.elements / kWorthAThread));
}

template <class T>
void forward(const LifSequence<T>& s, const LifState<T>& state, const LifState<T>& kept, T* spikes, int threads) {
  ask_for_large_pages(spikes, s.steps * s.elements * sizeof(T));
  in_parallel((s.elements + kTile<T> - 1) / kTile<T>, worthwhile(s, threads),
              [&](int64_t begin, int64_t end) { forward_part(s, state, kept, spikes, begin, end); });
}

template <class T>
void backward(const LifSequence<T>& s, const LifState<T>& kept, const Surrogate& surrogate, const LifGradients<T>& g, int threads) {
  ask_for_large_pages(g.x, s.steps * s.elements * sizeof(T));
  ask_for_large_pages(g.noise, s.steps * s.elements * sizeof(T));
  in_parallel((s.elements + kTile<T> - 1) / kTile<T>, worthwhile(s, threads),
              [&](int64_t begin, int64_t end) { backward_part(s, kept, surrogate, g, begin, end); });
  if (g.wanted != 0) sum_over_batch(s, g);
}

}  // namespace

void lif_forward(const LifSequence<float>& sequence, LifState<float> state, LifState<float> kept, float* spikes, int threads) {
  forward(sequence, state, kept, spikes, threads);
}

void lif_forward(const LifSequence<double>& sequence, LifState<double> state, LifState<double> kept, double* spikes, int threads) {
  forward(sequence, state, kept, spikes, threads);
}

void lif_backward(const LifSequence<float>& sequence, LifState<float> kept, const Surrogate& surrogate,
                  const LifGradients<float>& gradients, int threads) {
  backward(sequence, kept, surrogate, gradients, threads);
}

void lif_backward(const LifSequence<double>& sequence, LifState<double> kept, const Surrogate& surrogate,
                  const LifGradients<double>& gradients, int threads) {
  backward(sequence, kept, surrogate, gradients, threads);
}

}  // namespace ranvier
