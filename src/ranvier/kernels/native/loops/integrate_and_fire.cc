#include "integrate_and_fire.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "elementary.h"
#include "loops.h"

// Products and sums may become one instruction here, unlike in the other loops: half the arithmetic.
#if defined(RANVIER_TARGET_LEVELS)
#define RANVIER_LEVELS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define RANVIER_LEVELS RANVIER_CLONES
#endif

namespace ranvier {
namespace {

// Neurons at a time: all that is kept of them between the loops stays in the first-level cache.
template <class T>
constexpr int64_t kBlock = 2048 / sizeof(T);

// As wide as T, so that a vector of one is a mask for a vector of the other.
template <class T>
using Integer = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

template <class T>
struct Block {
  Block(const IntegrateAndFire<T>& neurons, int64_t member) : neurons(neurons), member(member) {}
  const IntegrateAndFire<T>& neurons;
  const int64_t member;
  int64_t first, n;
  T moved[kMostVariables][kBlock<T>];  // variables after the step, where they cannot be written at once
  T slope[kBlock<T>], form[kBlock<T>], sum[kBlock<T>];
  Integer<T> fires[kBlock<T>];
  const T* after[kMostVariables];
};

// out = constant + Σ factor · x, added from the left, of K factors that are the same for all neurons.
template <int K, bool row, class T>
RANVIER_INLINE void combine(int64_t n, const T* constant, const T* factors, const T* const* x, T* out) {
  T a[K + 1];
  const T* in[K + 1];
  for (int k = 0; k < K; ++k) a[k] = factors[k], in[k] = x[k];
  const T c = constant[0];
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    T sum = row ? constant[i] : c;
    for (int k = 0; k < K; ++k) sum += a[k] * in[k][i];
    out[i] = sum;
  }
}

template <int K, class T>
RANVIER_INLINE void combine(int64_t n, const T* constant, bool row, const T* factors, const T* const* x, T* out) {
  row ? combine<K, true>(n, constant, factors, x, out) : combine<K, false>(n, constant, factors, x, out);
}

template <class T>
RANVIER_INLINE void combine(int64_t n, const T* constant, bool row, int k, const T* factors, const T* const* x, T* out) {
  switch (k) {
    case 0: return combine<0>(n, constant, row, factors, x, out);
    case 1: return combine<1>(n, constant, row, factors, x, out);
    case 2: return combine<2>(n, constant, row, factors, x, out);
    case 3: return combine<3>(n, constant, row, factors, x, out);
    default: return combine<4>(n, constant, row, factors, x, out);
  }
}

// out = constant + a · x
template <class T>
RANVIER_INLINE void add_product(int64_t n, const T* constant, bool row, const T* a, const T* x, T* out) {
  if (row) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) out[i] = constant[i] + a[i] * x[i];
  } else {
    const T c = *constant;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) out[i] = c + a[i] * x[i];
  }
}

// A form of the block's neurons. The terms are added in their order, whichever of them differ among neurons, so that the sum of one
// neuron does not depend on what the others have. `out` may be one of the variables: it is written in the last pass only.
template <class T>
RANVIER_INLINE void evaluate(Block<T>& block, const LinearForm<T>& form, const T* const* variables, T* out, bool without_constant = false) {
  constexpr int most = 4;
  T factors[most + 1];
  const T* x[most + 1];
  const T zero = 0;
  const T* so_far = without_constant ? &zero : form.constant.from(block.first, block.member);
  bool row = !without_constant && form.constant.each;
  int64_t j = 0;
  do {
    int k = 0;
    for (; k < most && j < form.n_terms && !form.terms[j].coefficient.each; ++k, ++j) {
      factors[k] = form.terms[j].coefficient.of(block.first, block.member), x[k] = variables[form.terms[j].variable];
    }
    if (k > 0 || form.n_terms == 0) {
      T* const to = j == form.n_terms ? out : block.sum;
      combine(block.n, so_far, row, k, factors, x, to);
      so_far = to, row = true;
    }
    if (k < most && j < form.n_terms) {
      const auto& term = form.terms[j++];
      T* const to = j == form.n_terms ? out : block.sum;
      add_product(block.n, so_far, row, term.coefficient.at + block.first, variables[term.variable], to);
      so_far = to, row = true;
    }
  } while (j < form.n_terms);
}

// (e^z − 1) / z by its series, for |z| <= 1/2: relative error below 1e-16 and 2e-8.
RANVIER_INLINE double relaxed(double z) {
  const double w = z * z;
  const double even = 1.0 + w * (1.0 / 6 + w * (1.0 / 120 + w * (1.0 / 5040 + w * (1.0 / 362880 + w * (1.0 / 39916800 + w * (1.0 / 6227020800))))));
  const double odd = 1.0 / 2 + w * (1.0 / 24 + w * (1.0 / 720 + w * (1.0 / 40320 + w * (1.0 / 3628800 + w * (1.0 / 479001600 + w * (1.0 / 87178291200))))));
  return even + z * odd;
}

RANVIER_INLINE float relaxed(float z) {
  const float w = z * z;
  const float even = 1.0f + w * (1.0f / 6 + w * (1.0f / 120 + w * (1.0f / 5040)));
  const float odd = 1.0f / 2 + w * (1.0f / 24 + w * (1.0f / 720 + w * (1.0f / 40320)));
  return even + z * odd;
}

// The same for any z, and the same numbers where both are right: a neuron does not see whether another needs this one.
template <class T>
RANVIER_INLINE T relaxed_anywhere(T z) {
  const bool small = (z < 0 ? -z : z) <= T(0.5);
  const T near = small ? z : T(0), far = small ? T(1) : z;
  const T series = relaxed(near), quotient = (exponential(far) - T(1)) / far;
  return small ? series : quotient;
}

// out = v + h · φ(h · slope) · (form + slope · v)
template <class T>
RANVIER_INLINE void relax(int64_t n, T h, const T* v, const T* slope, const T* form, T* out) {
  Integer<T> far = 0;
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T z = h * slope[i], size = z < 0 ? -z : z;
    far |= size <= T(0.5) ? 0 : 1;
  }
  if (far == 0) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) out[i] = v[i] + (h * relaxed(h * slope[i])) * (form[i] + slope[i] * v[i]);
  } else {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) out[i] = v[i] + (h * relaxed_anywhere(h * slope[i])) * (form[i] + slope[i] * v[i]);
  }
}

template <class T>
RANVIER_INLINE bool refractory(const Block<T>& block, int64_t i) {
  return block.neurons.now <= block.neurons.recent[i] + block.neurons.refractory.of(i, block.member);
}

// Keeps `before` in `after` where a neuron is refractory.
template <class T>
RANVIER_INLINE void hold(const Block<T>& block, const T* before, T* after) {
  const IntegrateAndFire<T>& s = block.neurons;
  const int64_t n = block.n;
  const int32_t *recent = s.recent + block.first, *period = s.refractory.from(block.first, block.member), now = s.now;
  if (s.refractory.each) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) after[i] = now <= recent[i] + period[i] ? before[i] : after[i];
  } else {
    const int32_t since = now - *period;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) after[i] = since <= recent[i] ? before[i] : after[i];
  }
}

// Who is at or above the threshold, refractory or not; returns whether anyone is.
template <bool either_end, class T>
RANVIER_INLINE bool reach(int64_t n, const T* before, const T* after, const T* threshold, bool each, Integer<T>* fires) {
  Integer<T> any = 0;
  const T same = *threshold;
  if (each) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T highest = either_end && before[i] > after[i] ? before[i] : after[i];
      fires[i] = highest >= threshold[i] ? 1 : 0;
      any |= fires[i];
    }
  } else {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T highest = either_end && before[i] > after[i] ? before[i] : after[i];
      fires[i] = highest >= same ? 1 : 0;
      any |= fires[i];
    }
  }
  return any != 0;
}

// The quantity that is compared with the threshold.
template <class T>
RANVIER_INLINE const T* tested(Block<T>& block, const T* const* variables, T* room) {
  const LinearForm<T>& test = block.neurons.test;
  const auto& only = test.terms[0];
  if (test.n_terms == 1 && !only.coefficient.each && only.coefficient.of(block.first, block.member) == T(1)) return variables[only.variable];
  evaluate(block, test, variables, room, true);
  return room;
}

template <class T>
RANVIER_INLINE void reset(Block<T>& block, int64_t i) {
  const IntegrateAndFire<T>& s = block.neurons;
  T fresh[kMostVariables];
  for (int64_t r = 0; r < s.n_resets; ++r) {
    const LinearForm<T>& form = s.resets[r].form;
    fresh[r] = form.constant.of(i, block.member);
    for (int64_t j = 0; j < form.n_terms; ++j) fresh[r] += form.terms[j].coefficient.of(i, block.member) * s.variables[form.terms[j].variable][i];
  }
  for (int64_t r = 0; r < s.n_resets; ++r) s.variables[s.resets[r].variable][i] = fresh[r];
}

// Flags those who fire, and resets them.
template <class T>
RANVIER_INLINE void fire(Block<T>& block, bool any, bool* flags) {
  constexpr int64_t few = 16;
  const IntegrateAndFire<T>& s = block.neurons;
  std::memset(flags + block.first, 0, block.n);
  if (!any) return;
  for (int64_t begin = 0; begin < block.n; begin += few) {
    const int64_t end = std::min(begin + few, block.n);
    Integer<T> some = 0;
    for (int64_t i = begin; i < end; ++i) some |= block.fires[i];
    for (int64_t i = some == 0 ? end : begin; i < end; ++i) {
      const int64_t neuron = block.first + i;
      if (!block.fires[i] || (s.refractory.at != nullptr && refractory(block, neuron))) continue;
      flags[neuron] = true;
      s.recent[neuron] = s.now;
      reset(block, neuron);
    }
  }
}

template <class T>
RANVIER_INLINE void advance(Block<T>& block, bool* flags) {
  const IntegrateAndFire<T>& s = block.neurons;
  const T* before[kMostVariables];
  for (int64_t v = 0; v < kMostVariables; ++v) block.after[v] = before[v] = s.variables[v] == nullptr ? nullptr : s.variables[v] + block.first;
  const bool single = s.test.n_terms == 1;
  for (int64_t m = 0; m < s.n_moving; ++m) {
    const MovingVariable<T>& moving = s.moving[m];
    const int64_t v = moving.variable;
    // The test compares both ends of the step, so what it looks at stays until then.
    const bool later = s.copies || moving.held || !single || s.test.terms[0].variable == v;
    T* out = later ? block.moved[v] : s.variables[v] + block.first;
    if (moving.relaxes) {
      evaluate(block, moving.slope, before, block.slope);
      evaluate(block, moving.form, before, block.form);
      relax(block.n, s.interval, before[v], block.slope, block.form, out);
    } else {
      evaluate(block, moving.form, before, out);
    }
    if (moving.held && s.refractory.at != nullptr) hold(block, before[v], out);
    block.after[v] = out;
  }
  const T* threshold = s.test.constant.from(block.first, block.member);
  const T* end = tested(block, block.after, block.form);
  const T* start = s.either_end ? tested(block, before, block.slope) : end;
  const bool any = s.either_end ? reach<true>(block.n, start, end, threshold, s.test.constant.each, block.fires)
                                : reach<false>(block.n, start, end, threshold, s.test.constant.each, block.fires);
  for (int64_t m = 0; m < s.n_moving; ++m) {
    const int64_t v = s.moving[m].variable;
    if (block.after[v] != before[v]) std::copy_n(block.after[v], block.n, s.variables[v] + block.first);
  }
  fire(block, any, flags);
}

template <class T>
RANVIER_INLINE void advance_all(const IntegrateAndFire<T>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags) {
  Block<T> block(neurons, member);
  for (int64_t first = begin; first < end; first += kBlock<T>) {
    block.first = first;
    block.n = std::min(kBlock<T>, end - first);
    advance(block, flags);
  }
}

}  // namespace

RANVIER_LEVELS void integrate_and_fire(const IntegrateAndFire<float>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags) {
  advance_all(neurons, member, begin, end, flags);
}

RANVIER_LEVELS void integrate_and_fire(const IntegrateAndFire<double>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags) {
  advance_all(neurons, member, begin, end, flags);
}

}  // namespace ranvier
