#include "lif_sequence.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "elementary.h"
#include "large_pages.h"
#include "loops.h"
#include "parallel.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Into the second-level cache: the first could wait for only so many lines at once.
#if defined(__GNUC__) || defined(__clang__)
#define RANVIER_PREFETCH(address) __builtin_prefetch(address, 0, 2)
#else
#define RANVIER_PREFETCH(address) (void)(address)
#endif

namespace ranvier {
namespace {

// A tile is so many neighbouring neurons at most: two pages of each row. Their state stays in the first-level cache over the whole
// sequence, and what a chunk of steps needs again in the second.
template <class T>
constexpr int64_t kTile = 8192 / sizeof(T);

// The loops go over so many neurons, always all of them: what is less is filled up.
constexpr int64_t kBlock = 64;

constexpr int64_t kLine = 64;  // bytes that memory gives at once

// From one row of a tile to the next. Rows a page apart would all have their place in the same few lines of the first-level cache.
template <class T>
constexpr int64_t kRow = kTile<T> + kBlock;

// As wide as T, so that a vector of one is a mask for a vector of the other.
template <class T>
using Integer = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

int64_t whole_blocks(int64_t n) { return (n + kBlock - 1) / kBlock * kBlock; }

// What a neuron has: a template argument of the loops. The plain one shares its parameters with all others, and has no noise; its spikes
// set the potential, or take from it if it subtracts.
enum Feature { kWaiting = 1, kAdaptive = 2, kStochastic = 4, kPlain = 8, kSubtracts = 16 };

// Those for which there are loops: neurons that are adaptive or stochastic may have a refractory period, be it of no steps.
template <class T>
int features_of(const LifSequence<T>& s) {
  const int more = (s.adaptive ? kAdaptive : 0) | (s.uniform != nullptr ? kStochastic : 0);
  if (more != 0 || s.refractory != nullptr) return more | kWaiting;
  if (s.period != 1 || s.noise != nullptr) return 0;
  return kPlain | (s.by_subtraction ? kSubtracts : 0);
}

// Room whose contents do not matter: clearing it would be most of a short call.
template <class Room>
std::unique_ptr<Room> uncleared() {
  return std::unique_ptr<Room>(new Room);
}

// Rows of a tile, each at the start of a line.
template <class T>
class Rows {
 public:
  explicit Rows(int64_t rows) : room_(new T[rows * kRow<T> + kLine / sizeof(T)]) {
    const auto address = reinterpret_cast<uintptr_t>(room_.get());
    first_ = room_.get() + (kLine - address % kLine) % kLine / sizeof(T);
  }
  RANVIER_INLINE T* operator[](int64_t row) { return first_ + row * kRow<T>; }

 private:
  std::unique_ptr<T[]> room_;
  T* first_;
};

// The first n numbers of a tile's row; what fills the last block up is zeros.
template <class From, class To>
void fill_row(const From* from, int64_t n, To* to) {
  if (from == nullptr) {
    std::fill_n(to, n, To(0));
  } else {
    std::copy_n(from, n, to);
  }
  std::fill_n(to + n, whole_blocks(n) - n, To(0));
}

// A block's place in a tile.
struct Place {
  int64_t at, count;  // its first neuron, and how many there are
};

// A tensor [steps, elements] that is read, or one row [elements] for all steps, or zeros. While a row is read, the next one is fetched:
// rows of a tile lie so far apart that the processor would not do it by itself.
template <class T>
struct Source {
  const T* tensor;
  int64_t stride;

  struct Row {
    const T *now, *next;
  };

  RANVIER_INLINE Row row(int64_t t, int64_t next, int64_t first) const {
    return tensor == nullptr ? Row{nullptr, nullptr} : Row{tensor + t * stride + first, tensor + next * stride + first};
  }
};

template <class T>
struct Room {
  alignas(kLine) T value[kBlock] = {};
};

template <class T>
RANVIER_INLINE const T* block_of(const typename Source<T>::Row& row, const Place& place, const Room<T>& zero, Room<T>& room) {
  if (row.now == nullptr) return zero.value;
  if (place.count < kBlock) {
    std::copy_n(row.now + place.at, place.count, room.value);
    return room.value;
  }
  for (int64_t i = 0; i < kBlock; i += kLine / sizeof(T)) RANVIER_PREFETCH(row.next + place.at + i);
  return row.now + place.at;
}

// A tensor [steps, elements] that is written, or none.
template <class T>
struct Sink {
  T* tensor;
  int64_t elements;
  bool past_the_caches;

  Sink(T* to, const LifSequence<T>& s) : tensor(to), elements(s.elements), past_the_caches(false) {
#if defined(__SSE2__)
    // A large result is not in the caches any more when it is used. Written past them, its lines need not be read first.
    constexpr int64_t large = int64_t{8} << 20;
    const auto aligned = [](uintptr_t bytes) { return bytes % sizeof(__m128i) == 0; };
    past_the_caches = s.steps * s.elements * static_cast<int64_t>(sizeof(T)) >= large && aligned(reinterpret_cast<uintptr_t>(to)) &&
                      aligned(s.elements * sizeof(T));
#endif
  }

  RANVIER_INLINE T* row(int64_t t, int64_t first) const { return tensor == nullptr ? nullptr : tensor + t * elements + first; }

  RANVIER_INLINE T* block_of(T* row, const Place& place, Room<T>& room) const {
    return row == nullptr || past_the_caches || place.count < kBlock ? room.value : row + place.at;
  }

  RANVIER_INLINE void put(const T* block, T* row, const Place& place) const {
    if (row == nullptr || block == row + place.at) return;
#if defined(__SSE2__)
    if (past_the_caches && place.count == kBlock) {
      const auto from = reinterpret_cast<const __m128i*>(block);
      const auto to = reinterpret_cast<__m128i*>(row + place.at);
      for (size_t i = 0; i < kBlock * sizeof(T) / sizeof(__m128i); ++i) _mm_stream_si128(to + i, _mm_load_si128(from + i));
      return;
    }
#endif
    std::copy_n(block, place.count, row + place.at);
  }
};

// Other threads see what was written past the caches.
void finish_writing() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

// The values of a parameter for a block, or the one that all share.
template <bool shared, class T>
struct Column {
  const T* row;
  T value;
  RANVIER_INLINE T operator[](int64_t i) const { return shared ? value : row[i]; }
};

// The parameters that loops over plain neurons have, too.
template <bool shared, class T>
struct Values {
  Column<shared, T> decay, gain, rest, threshold, reset;
};

// The parameters of a tile, one row each.
template <class T>
class Columns {
 public:
  int64_t first, n;
  Room<T> zero;

  void fill(const LifSequence<T>& s, int64_t begin, int64_t width) {
    first = begin;
    n = std::min(width, s.elements - begin);
    advance_ = s.period == 1 ? 0 : 1;
    const int64_t phase = begin % s.period, wanted = s.period == 1 ? kBlock : whole_blocks(n);
    if (phase == phase_ && wanted <= filled_) return;
    phase_ = phase;
    filled_ = wanted;
    for (int p = 0; p < kLifParameters; ++p) repeat(s.parameters + p * s.period, s.period, parameter_ + p * stride());
    if (s.uniform == nullptr) std::fill_n(parameter_ + kSlope * stride(), filled_, T(1));
    if (s.refractory != nullptr) {
      repeat(s.refractory, s.period, refractory_);
    } else if (features_of(s) & kWaiting) {
      std::fill_n(refractory_, filled_, Integer<T>(0));
    }
  }

  RANVIER_INLINE const T* parameter(int p, const Place& place) const { return parameter_ + p * stride() + advance_ * place.at; }
  template <int features>
  RANVIER_INLINE Values<(features & kPlain) != 0, T> values(const Place& place) const {
    const auto column = [&](int p) { return Column<(features & kPlain) != 0, T>{parameter(p, place), *parameter(p, place)}; };
    return {column(kDecay), column(kGain), column(kRest), column(kThreshold), column(kReset)};
  }
  RANVIER_INLINE const Integer<T>* refractory(const Place& place) const { return refractory_ + advance_ * place.at; }

 private:
  template <class From, class To>
  void repeat(const From* row, int64_t period, To* to) const {
    if (period == 1) {
      std::fill_n(to, filled_, static_cast<To>(*row));
      return;
    }
    int64_t begin = phase_;
    for (int64_t i = 0; i < filled_; begin = 0) {
      const int64_t count = std::min(filled_ - i, period - begin);
      std::copy_n(row + begin, count, to + i);
      i += count;
    }
  }

  RANVIER_INLINE int64_t stride() const { return advance_ == 0 ? kBlock : kRow<T>; }

  int64_t advance_ = 0, phase_ = -1, filled_ = 0;  // one block serves all where all neurons share their parameters
  alignas(kLine) T parameter_[kLifParameters * kRow<T>];
  alignas(kLine) Integer<T> refractory_[kTile<T>];
};

// An infinite potential is the largest one: its bits are one less. Three operations, where two comparisons are eight.
template <class T>
RANVIER_INLINE T finite(T u) {
  constexpr Integer<T> infinite = sizeof(T) == 4 ? Integer<T>{0x7f800000} : static_cast<Integer<T>>(int64_t{0x7ff} << 52);
  const auto bits = bits_as<Integer<T>>(u);
  return bits_as<T>(bits - ((bits & std::numeric_limits<Integer<T>>::max()) == infinite ? Integer<T>{1} : Integer<T>{0}));
}

// One step of a block: what it reads and writes.
template <class T>
struct Step {
  const T *x, *noise, *uniform;
  const T* v;              // before the step
  const Integer<T>* left;  // steps that the potential is still held
  const T* threshold;      // where it adapts
  T* next_v;
  Integer<T>* next_left;
  T* next_threshold;
  T* result;  // the spikes, or the potential before the reset
};

template <int features, bool again, class T>
RANVIER_INLINE void step(const LifSequence<T>& s, const Columns<T>& columns, const Values<(features & kPlain) != 0, T>& values,
                         const Place& place, const Step<T>& of) {
  constexpr bool waiting = features & kWaiting, adaptive = features & kAdaptive, sets = features == kPlain;
  const T through = s.by_subtraction ? T(1) : T(0), low = s.threshold_min, high = s.threshold_max;
  const T *threshold_decays = columns.parameter(kThresholdDecay, place), *jumps = columns.parameter(kThresholdJump, place),
          *slopes = columns.parameter(kSlope, place);
  const Integer<T>* refractory = columns.refractory(place);
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < kBlock; ++i) {
    // All loads and all arithmetic first, then choices between results: compilers turn those into masks.
    const T v = of.v[i], reset = values.reset[i], rest = values.rest[i], given = values.threshold[i];
    T u = (rest + values.decay[i] * (v - rest)) + values.gain[i] * of.x[i];
    if constexpr ((features & kPlain) == 0) u = u + of.noise[i];
    u = finite(u);
    Integer<T> left = 0;
    if constexpr (waiting) {
      left = of.left[i];
      u = left > 0 ? v : u;
    }
    T at = given;
    if constexpr (adaptive) at = given + threshold_decays[i] * (of.threshold[i] - given);
    const T d = u - at;
    bool spike = d >= T(0);
    if constexpr ((features & kStochastic) != 0) spike = of.uniform[i] < sigmoid(slopes[i] * d);
    if constexpr (waiting) spike = spike & (left <= 0);
    const T after = sets ? reset : adaptive ? through * u - (through * at - reset) : through * u + reset;
    T one = d == d ? T(0) : d;  // NaN stays NaN
    if constexpr (waiting) one = left > 0 ? T(0) : one;
    one = spike ? T(1) : one;
    of.result[i] = again ? u : one;
    of.next_v[i] = spike ? after : u;
    if constexpr (waiting) {
      const Integer<T> fresh = refractory[i], less = left - 1, held = less > 0 ? less : 0;
      of.next_left[i] = spike ? fresh : held;
    }
    if constexpr (adaptive) {
      T next = at + jumps[i] * one;
      next = next < low ? low : next;
      of.next_threshold[i] = next > high ? high : next;
    }
  }
}

// The state of a tile.
template <class T>
struct TileState {
  alignas(kLine) T v[kRow<T>], threshold[kRow<T>];
  alignas(kLine) Integer<T> left[kTile<T>];
};

template <int features, class T>
void load(const LifState<T>& from, int64_t offset, int64_t n, T* v, Integer<T>* left, T* threshold) {
  fill_row(from.v + offset, n, v);
  if constexpr ((features & kWaiting) != 0) fill_row(from.left == nullptr ? nullptr : from.left + offset, n, left);
  if constexpr ((features & kAdaptive) != 0) fill_row(from.threshold + offset, n, threshold);
}

template <class T>
void store(const TileState<T>& state, int64_t offset, int64_t n, const LifState<T>& to) {
  std::copy_n(state.v, n, to.v + offset);
  if (to.left != nullptr) {
    for (int64_t i = 0; i < n; ++i) to.left[offset + i] = static_cast<int32_t>(state.left[i]);
  }
  if (to.threshold != nullptr) std::copy_n(state.threshold, n, to.threshold + offset);
}

template <int features, class T>
RANVIER_INLINE void forward_tile(const LifSequence<T>& s, const Columns<T>& columns, TileState<T>& state, const LifState<T>& kept,
                                 const Sink<T>& spikes) {
  const int64_t first = columns.first, n = columns.n;
  const Source<T> inputs{s.x, s.x_stride}, noises{s.noise, s.elements}, uniforms{s.uniform, s.elements};
  Room<T> of_x, of_noise, of_uniform, of_spikes;
  auto values = columns.template values<features>({0, n});
  for (int64_t t = 0; t < s.steps; ++t) {
    if (kept.v != nullptr && t % s.chunk == 0) store(state, t / s.chunk * s.elements + first, n, kept);
    const int64_t next = std::min(t + 1, s.steps - 1);
    const auto x = inputs.row(t, next, first), noise = noises.row(t, next, first), uniform = uniforms.row(t, next, first);
    T* row = spikes.row(t, first);
    for (int64_t at = 0; at < n; at += kBlock) {
      const Place place{at, std::min(kBlock, n - at)};
      if constexpr ((features & kPlain) == 0) values = columns.template values<features>(place);
      T* result = spikes.block_of(row, place, of_spikes);
      Step<T> of;
      of.x = block_of(x, place, columns.zero, of_x);
      if constexpr ((features & kPlain) == 0) of.noise = block_of(noise, place, columns.zero, of_noise);
      if constexpr ((features & kStochastic) != 0) of.uniform = block_of(uniform, place, columns.zero, of_uniform);
      of.v = of.next_v = state.v + at;
      of.left = of.next_left = state.left + at;
      of.threshold = of.next_threshold = state.threshold + at;
      of.result = result;
      step<features, false>(s, columns, values, place, of);
      spikes.put(result, row, place);
    }
  }
}

template <int features, class T>
RANVIER_INLINE void forward_tiles(const LifSequence<T>& s, const LifState<T>& state, const LifState<T>& kept, T* spikes, int64_t width,
                                  int64_t begin, int64_t end) {
  const auto columns = uncleared<Columns<T>>();
  const auto tile = uncleared<TileState<T>>();
  const Sink<T> sink(spikes, s);
  for (int64_t k = begin; k < end; ++k) {
    columns->fill(s, k * width, width);
    load<features>(state, columns->first, columns->n, tile->v, tile->left, tile->threshold);
    forward_tile<features>(s, *columns, *tile, kept, sink);
    store(*tile, columns->first, columns->n, state);
  }
  finish_writing();
}

// What the chunk of steps under way needs again, row by row, and the state before each of its steps.
template <class T>
struct Chunk {
  Chunk(int features, bool keeps, int64_t steps)
      : u(steps), v(keeps ? steps + 1 : 1), threshold(features & kAdaptive ? steps + 1 : 0), left(features & kWaiting ? steps + 1 : 0),
        keeps_v(keeps) {}
  Rows<T> u, v, threshold;
  Rows<Integer<T>> left;
  bool keeps_v;  // else there is only the last one
};

// Gradients that are carried backwards through a tile, and sums over its steps.
template <class T>
struct TileGradients {
  alignas(kLine) T v[kRow<T>], threshold[kRow<T>];
  alignas(kLine) T parameter[kLifParameters][kRow<T>];
};

// One step of a block back: what it reads, what is carried on, and what comes out.
template <class T>
struct StepBack {
  const T *x, *uniform, *incoming;  // the last: the gradient of this step's spikes
  const T *u, *v, *threshold;       // the potential before the reset; both of the state before the step
  const Integer<T>* left;
  T *of_v, *of_threshold;  // of the state after the step; they become those of the state before
  T* of_x;
  T* driven;  // the gradient of the noise
};

// The rest of a block, from one loop to the next.
template <class T>
struct Between {
  Room<T> d, chances, slopes, spikes, of_after, of_spikes, of_at, of_next;
};

// `kind`: of the surrogate; kNone: its slopes are in `between` already.
constexpr auto kNone = static_cast<SurrogateKind>(-1);

template <int features, bool learns, SurrogateKind kind, class T>
RANVIER_INLINE void step_back(const LifSequence<T>& s, const Columns<T>& columns, const Values<(features & kPlain) != 0, T>& values,
                              const Place& place, const T (&shape)[3], const StepBack<T>& of, Between<T>& between) {
  constexpr bool waiting = features & kWaiting, adaptive = features & kAdaptive, stochastic = features & kStochastic;
  constexpr bool subtracts = features & kSubtracts, sets = features == kPlain;
  const T through = !sets && s.by_subtraction ? T(1) : T(0), acts = s.detach_reset ? T(0) : T(1), lost = acts * (T(1) - through);
  constexpr T largest = std::numeric_limits<T>::max();
  const T low = s.threshold_min, high = s.threshold_max;
  const T *threshold_decays = columns.parameter(kThresholdDecay, place), *jumps = columns.parameter(kThresholdJump, place),
          *sharpness = columns.parameter(kSlope, place), *slopes = between.slopes.value, *chances = between.chances.value;
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < kBlock; ++i) {
    const T u = of.u[i], of_v = of.of_v[i], reset = values.reset[i];
    T at = values.threshold[i], jump = T(0);
    if constexpr (adaptive) {
      jump = jumps[i];
      at = at + threshold_decays[i] * (of.threshold[i] - at);
    }
    const T d = u - at;
    Integer<T> left = 0;
    if constexpr (waiting) left = of.left[i];
    bool spiked = d >= T(0);
    if constexpr (stochastic) spiked = of.uniform[i] < chances[i];
    if constexpr (waiting) spiked = spiked & (left <= 0);
    const T spike = spiked ? T(1) : T(0);
    const T fall = adaptive ? reset - through * at : reset;
    T of_acting = of_v * (subtracts ? acts * fall : acts * fall - lost * u), of_at = T(0), of_next = T(0);
    T of_u = spiked ? (sets ? T(0) : through * of_v) : of_v;
    if constexpr (adaptive) {
      const T free = at + jump * spike, of_clamped = of.of_threshold[i];
      of_next = (free >= low) & (free <= high) ? of_clamped : T(0);
      of_acting += acts * (of_next * jump);
      of_at = of_next - through * (of_v * spike);
    }
    T slope;
    if constexpr (kind == kNone) {
      slope = slopes[i];
    } else {
      slope = derivative<kind>(d, shape);
    }
    T of_spike = (of.incoming[i] + of_acting) * slope;
    if constexpr (waiting) of_spike = left > 0 ? T(0) : of_spike;
    T of_d = of_spike;
    if constexpr (stochastic) of_d = of_spike * sharpness[i];
    of_u += of_d;
    of_at -= of_d;
    const T size = bits_as<T>(bits_as<Integer<T>>(u) & std::numeric_limits<Integer<T>>::max());
    T driven = size < largest ? of_u : T(0);
    if constexpr (waiting) driven = left > 0 ? T(0) : driven;
    const T decayed = driven * values.decay[i];
    if constexpr (learns) {
      between.spikes.value[i] = spike;
      between.of_after.value[i] = of_v;
      between.of_spikes.value[i] = of_spike;
      between.of_at.value[i] = of_at;
      if constexpr (adaptive) between.of_next.value[i] = of_next;
    }
    if constexpr (adaptive) of.of_threshold[i] = of_at * threshold_decays[i];
    if constexpr ((features & kPlain) == 0 || learns) of.driven[i] = driven;
    of.of_x[i] = driven * values.gain[i];
    of.of_v[i] = waiting && left > 0 ? of_u : decayed;
  }
}

// The slopes of a block's spikes, into `between`.
template <int features, class T>
RANVIER_INLINE void slopes_of(const Columns<T>& columns, const Place& place, const Surrogate& surrogate, const StepBack<T>& of,
                              Between<T>& between) {
  constexpr bool adaptive = features & kAdaptive, stochastic = features & kStochastic;
  const T *given = columns.parameter(kThreshold, place), *threshold_decays = columns.parameter(kThresholdDecay, place),
          *sharpness = columns.parameter(kSlope, place);
  T *distances = between.d.value, *chances = between.chances.value, *slopes = between.slopes.value;
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < kBlock; ++i) {
    T at = given[i];
    if constexpr (adaptive) at = at + threshold_decays[i] * (of.threshold[i] - at);
    distances[i] = of.u[i] - at;
  }
  if constexpr (stochastic) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < kBlock; ++i) {
      const T p = sigmoid(sharpness[i] * distances[i]);
      chances[i] = p;
      slopes[i] = p * (T(1) - p);  // of the probability, with respect to its log-odds
    }
  } else {
    spike_slopes(surrogate, kBlock, distances, slopes);
  }
}

// Adds a block's share to the gradients of the parameters that are wanted.
template <class T>
RANVIER_INLINE void add_shares(const Columns<T>& columns, const Place& place, uint32_t wanted, const StepBack<T>& of,
                               const Between<T>& between, TileGradients<T>& gradients) {
  const T *decay = columns.parameter(kDecay, place), *rest = columns.parameter(kRest, place), *given = columns.parameter(kThreshold, place),
          *threshold_decay = columns.parameter(kThresholdDecay, place);
  const T *d = between.d.value, *spikes = between.spikes.value, *of_after = between.of_after.value, *of_at = between.of_at.value,
          *of_next = between.of_next.value, *of_spikes = between.of_spikes.value;
  const bool adaptive = of.threshold != nullptr;
  const auto add = [&](LifParameter p, const auto& share) {
    if ((wanted >> p & 1u) == 0) return;
    T* sum = gradients.parameter[p] + place.at;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < kBlock; ++i) sum[i] += share(i);
  };
  add(kDecay, [&](int64_t i) { return of.driven[i] * (of.v[i] - rest[i]); });
  add(kGain, [&](int64_t i) { return of.driven[i] * of.x[i]; });
  add(kRest, [&](int64_t i) { return of.driven[i] - of.driven[i] * decay[i]; });
  add(kReset, [&](int64_t i) { return of_after[i] * spikes[i]; });
  add(kSlope, [&](int64_t i) { return of_spikes[i] * d[i]; });
  if (adaptive) {
    add(kThreshold, [&](int64_t i) { return of_at[i] - of_at[i] * threshold_decay[i]; });
    add(kThresholdDecay, [&](int64_t i) { return of_at[i] * (of.threshold[i] - given[i]); });
    add(kThresholdJump, [&](int64_t i) { return of_next[i] * spikes[i]; });
  } else {
    add(kThreshold, [&](int64_t i) { return of_at[i]; });
  }
}

RANVIER_CLONES void learn(const Columns<float>& columns, const Place& place, uint32_t wanted, const StepBack<float>& of,
                          const Between<float>& between, TileGradients<float>& gradients) {
  add_shares(columns, place, wanted, of, between, gradients);
}

RANVIER_CLONES void learn(const Columns<double>& columns, const Place& place, uint32_t wanted, const StepBack<double>& of,
                          const Between<double>& between, TileGradients<double>& gradients) {
  add_shares(columns, place, wanted, of, between, gradients);
}

// Where a gradient with respect to a tensor goes.
template <class T>
struct Sinks {
  Sink<T> x, noise;
};

template <int features, class T>
RANVIER_INLINE void forward_again(const LifSequence<T>& s, const Columns<T>& columns, Chunk<T>& chunk, int64_t begin, int64_t steps) {
  const int64_t first = columns.first, n = columns.n;
  const Source<T> inputs{s.x, s.x_stride}, noises{s.noise, s.elements}, uniforms{s.uniform, s.elements};
  Room<T> of_x, of_noise, of_uniform;
  auto values = columns.template values<features>({0, n});
  for (int64_t c = 0; c < steps; ++c) {
    const int64_t t = begin + c, next = std::min(t + 1, begin + steps - 1);
    const auto x = inputs.row(t, next, first), noise = noises.row(t, next, first), uniform = uniforms.row(t, next, first);
    for (int64_t at = 0; at < n; at += kBlock) {
      const Place place{at, std::min(kBlock, n - at)};
      if constexpr ((features & kPlain) == 0) values = columns.template values<features>(place);
      Step<T> of;
      of.x = block_of(x, place, columns.zero, of_x);
      if constexpr ((features & kPlain) == 0) of.noise = block_of(noise, place, columns.zero, of_noise);
      if constexpr ((features & kStochastic) != 0) of.uniform = block_of(uniform, place, columns.zero, of_uniform);
      of.v = chunk.v[chunk.keeps_v ? c : 0] + at;
      of.next_v = chunk.v[chunk.keeps_v ? c + 1 : 0] + at;
      if constexpr ((features & kWaiting) != 0) {
        of.left = chunk.left[c] + at;
        of.next_left = chunk.left[c + 1] + at;
      }
      if constexpr ((features & kAdaptive) != 0) {
        of.threshold = chunk.threshold[c] + at;
        of.next_threshold = chunk.threshold[c + 1] + at;
      }
      of.result = chunk.u[c] + at;
      step<features, true>(s, columns, values, place, of);
    }
  }
}

// What goes through a tile backwards.
template <class T>
struct TileBack {
  const LifSequence<T>& s;
  const Surrogate& surrogate;
  const LifGradients<T>& g;
  const Sinks<T>& sinks;
  const Columns<T>& columns;
  Chunk<T>& chunk;
  TileGradients<T>& gradients;
  Between<T>& between;
};

// Step number c of a chunk that begins at `begin`, back.
template <int features, bool learns, SurrogateKind kind, class T>
RANVIER_INLINE void row_back(const TileBack<T>& tile, int64_t begin, int64_t c) {
  const auto& [s, surrogate, g, sinks, columns, chunk, gradients, between] = tile;
  const int64_t first = columns.first, n = columns.n, t = begin + c, next = std::max(t - 1, begin);
  const T shape[3] = {T(surrogate.shape[0]), T(surrogate.shape[1]), T(surrogate.shape[2])};
  const auto x = Source<T>{s.x, s.x_stride}.row(t, t, first), uniform = Source<T>{s.uniform, s.elements}.row(t, t, first),
             incoming = Source<T>{g.spikes, g.spikes_stride}.row(t, next, first);
  T *grad_x = sinks.x.row(t, first), *grad_noise = sinks.noise.row(t, first);
  Room<T> of_x, of_uniform, of_incoming, of_grad_x, of_driven;
  auto values = columns.template values<features>({0, n});
  for (int64_t at = 0; at < n; at += kBlock) {
    const Place place{at, std::min(kBlock, n - at)};
    if constexpr ((features & kPlain) == 0) values = columns.template values<features>(place);
    StepBack<T> of;
    if constexpr (learns) of.x = block_of(x, place, columns.zero, of_x);
    if constexpr ((features & kStochastic) != 0) of.uniform = block_of(uniform, place, columns.zero, of_uniform);
    of.incoming = block_of(incoming, place, columns.zero, of_incoming);
    of.u = chunk.u[c] + at;
    of.v = chunk.v[chunk.keeps_v ? c : 0] + at;
    of.threshold = (features & kAdaptive) != 0 ? chunk.threshold[c] + at : nullptr;
    if constexpr ((features & kWaiting) != 0) of.left = chunk.left[c] + at;
    of.of_v = gradients.v + at;
    of.of_threshold = gradients.threshold + at;
    of.of_x = sinks.x.block_of(grad_x, place, of_grad_x);
    of.driven = sinks.noise.block_of(grad_noise, place, of_driven);
    if constexpr (kind == kNone) slopes_of<features>(columns, place, surrogate, of, between);
    step_back<features, learns, kind>(s, columns, values, place, shape, of, between);
    if constexpr (learns) learn(columns, place, g.wanted, of, between, gradients);
    sinks.x.put(of.of_x, grad_x, place);
    sinks.noise.put(of.driven, grad_noise, place);
  }
}

template <int features, bool learns, class T>
RANVIER_INLINE void row_back(const TileBack<T>& tile, int64_t begin, int64_t c) {
  using Kind = SurrogateKind;
  if constexpr ((features & kPlain) != 0 && !learns) {
    switch (tile.surrogate.kind) {
      case Kind::fast_sigmoid: return row_back<features, learns, Kind::fast_sigmoid>(tile, begin, c);
      case Kind::arc_tangent: return row_back<features, learns, Kind::arc_tangent>(tile, begin, c);
      case Kind::triangle: return row_back<features, learns, Kind::triangle>(tile, begin, c);
      case Kind::gaussian: return row_back<features, learns, Kind::gaussian>(tile, begin, c);
      case Kind::straight_through: return row_back<features, learns, Kind::straight_through>(tile, begin, c);
      case Kind::multi_gaussian: return row_back<features, learns, Kind::multi_gaussian>(tile, begin, c);
    }
  }
  row_back<features, learns, kNone>(tile, begin, c);
}

template <int features, bool learns, class T>
RANVIER_INLINE void backward_tile(const TileBack<T>& tile, const LifState<T>& kept) {
  const auto& [s, surrogate, g, sinks, columns, chunk, gradients, between] = tile;
  for (int64_t number = (s.steps - 1) / s.chunk; number >= 0; --number) {
    const int64_t begin = number * s.chunk, steps = std::min(s.chunk, s.steps - begin);
    load<features>(kept, number * s.elements + columns.first, columns.n, chunk.v[0], chunk.left[0], chunk.threshold[0]);
    forward_again<features>(s, columns, chunk, begin, steps);
    for (int64_t c = steps - 1; c >= 0; --c) row_back<features, learns>(tile, begin, c);
  }
}

template <int features, class T>
RANVIER_INLINE void backward_tiles(const LifSequence<T>& s, const LifState<T>& kept, const Surrogate& surrogate, const LifGradients<T>& g,
                                   int64_t width, int64_t begin, int64_t end) {
  const auto columns = uncleared<Columns<T>>();
  const auto gradients = uncleared<TileGradients<T>>();
  const auto between = uncleared<Between<T>>();
  const bool learns = g.wanted != 0;
  const Sinks<T> sinks{Sink<T>(g.x, s), Sink<T>(g.noise, s)};
  Chunk<T> chunk(features, (g.wanted >> kDecay & 1u) != 0, std::min(s.chunk, s.steps));
  const TileBack<T> tile{s, surrogate, g, sinks, *columns, chunk, *gradients, *between};
  for (int64_t k = begin; k < end; ++k) {
    columns->fill(s, k * width, width);
    const int64_t first = columns->first, n = columns->n;
    fill_row(g.v == nullptr ? nullptr : g.v + first, n, gradients->v);
    if constexpr ((features & kAdaptive) != 0) fill_row(g.threshold == nullptr ? nullptr : g.threshold + first, n, gradients->threshold);
    if (learns) {
      for (auto& row : gradients->parameter) fill_row(static_cast<const T*>(nullptr), n, row);
      backward_tile<features, true>(tile, kept);
      T* to = g.per_element + first;
      for (int p = 0; p < kLifParameters; ++p) {
        if ((g.wanted >> p & 1u) == 0) continue;
        std::copy_n(gradients->parameter[p], n, to);
        to += s.elements;
      }
    } else {
      backward_tile<features, false>(tile, kept);
    }
    if (g.v != nullptr) std::copy_n(gradients->v, n, g.v + first);
    if (g.threshold != nullptr) std::copy_n(gradients->threshold, n, g.threshold + first);
  }
  finish_writing();
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

#define RANVIER_FOR_FEATURES(CALL)                                                  \
  switch (features_of(s)) {                                                         \
    case 0: return CALL(0);                                                         \
    case kPlain: return CALL(kPlain);                                               \
    case kPlain | kSubtracts: return CALL(kPlain | kSubtracts);                     \
    case kWaiting: return CALL(kWaiting);                                           \
    case kWaiting | kAdaptive: return CALL(kWaiting | kAdaptive);                   \
    case kWaiting | kStochastic: return CALL(kWaiting | kStochastic);               \
    default: return CALL(kWaiting | kAdaptive | kStochastic);                       \
  }

#define RANVIER_FORWARD(features) forward_tiles<features>(s, state, kept, spikes, width, begin, end)
#define RANVIER_BACKWARD(features) backward_tiles<features>(s, kept, surrogate, g, width, begin, end)

RANVIER_CLONES void forward_part(const LifSequence<float>& s, const LifState<float>& state, const LifState<float>& kept, float* spikes,
                                 int64_t width, int64_t begin, int64_t end) {
  RANVIER_FOR_FEATURES(RANVIER_FORWARD)
}

RANVIER_CLONES void forward_part(const LifSequence<double>& s, const LifState<double>& state, const LifState<double>& kept,
                                 double* spikes, int64_t width, int64_t begin, int64_t end) {
  RANVIER_FOR_FEATURES(RANVIER_FORWARD)
}

RANVIER_CLONES void backward_part(const LifSequence<float>& s, const LifState<float>& kept, const Surrogate& surrogate,
                                  const LifGradients<float>& g, int64_t width, int64_t begin, int64_t end) {
  RANVIER_FOR_FEATURES(RANVIER_BACKWARD)
}

RANVIER_CLONES void backward_part(const LifSequence<double>& s, const LifState<double>& kept, const Surrogate& surrogate,
                                  const LifGradients<double>& g, int64_t width, int64_t begin, int64_t end) {
  RANVIER_FOR_FEATURES(RANVIER_BACKWARD)
}

// Below so many neuron-steps a thread costs more than it saves.
constexpr int64_t kWorthAThread = 1 << 16;

// Calls part(width, begin, end) in each thread: tiles begin to end, of that width.
template <class T, class Part>
void in_tiles(const LifSequence<T>& s, int threads, const Part& part) {
  const int64_t worthwhile = std::min<int64_t>(std::max(threads, 1), 1 + s.steps * s.elements / kWorthAThread);
  const int64_t share = whole_blocks((s.elements + worthwhile - 1) / worthwhile), width = std::max(kBlock, std::min(kTile<T>, share));
  in_parallel((s.elements + width - 1) / width, static_cast<int>(worthwhile), [&](int64_t begin, int64_t end) { part(width, begin, end); });
}

template <class T>
void forward(const LifSequence<T>& s, const LifState<T>& state, const LifState<T>& kept, T* spikes, int threads) {
  ask_for_large_pages(spikes, s.steps * s.elements * sizeof(T));
  in_tiles(s, threads, [&](int64_t width, int64_t begin, int64_t end) { forward_part(s, state, kept, spikes, width, begin, end); });
}

template <class T>
void backward(const LifSequence<T>& s, const LifState<T>& kept, const Surrogate& surrogate, const LifGradients<T>& g, int threads) {
  ask_for_large_pages(g.x, s.steps * s.elements * sizeof(T));
  ask_for_large_pages(g.noise, s.steps * s.elements * sizeof(T));
  in_tiles(s, threads, [&](int64_t width, int64_t begin, int64_t end) { backward_part(s, kept, surrogate, g, width, begin, end); });
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
