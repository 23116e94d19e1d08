#include "integrate_and_fire.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "elementary.h"
#include "loops.h"

// Products and sums may become one instruction here, unlike in the other loops: half the arithmetic.

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
  if (block.n > 0) std::memset(flags + block.first, 0, block.n);
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

// -- one pass ---------------------------------------------------------------------------------------------------------------------
//
// Most neurons have one variable that the others drive (the potential), which alone is held and tested, and others that decay by
// themselves (what synapses left). Then no number needs to be kept between one loop and the next. The same sums in the same order, so
// the same bits.

constexpr int64_t kMostDriving = 4, kMostDecaying = 3;

template <class T, int K>
struct Sum {
  T constant;
  T factor[K + 1];
  const T* x[K + 1];

  RANVIER_INLINE Sum(const Block<T>& block, const LinearForm<T>& form, const T* const* variables) : constant(form.constant.of(block.first, block.member)) {
    for (int k = 0; k < K; ++k) factor[k] = form.terms[k].coefficient.of(block.first, block.member), x[k] = variables[form.terms[k].variable];
  }

  RANVIER_INLINE T at(int64_t i) const {
    T sum = constant;
    for (int k = 0; k < K; ++k) sum += factor[k] * x[k][i];
    return sum;
  }
};

// What decays by itself: x = constant + factor · x.
template <class T>
struct Decay {
  T constant, factor;
  T* x;
};

// What the potential needs beside its equations.
template <class T>
struct Potential {
  T* v;
  const int32_t* recent;
  int32_t since;  // those that spiked then or later wait
  T threshold;
};

template <bool either_end, class T>
RANVIER_INLINE T held(const Potential<T>& p, int64_t i, T before, T moved, Integer<T>& fires) {
  const T after = p.since <= p.recent[i] ? before : moved;
  const T highest = either_end && before > after ? before : after;
  fires = highest >= p.threshold ? 1 : 0;
  return after;
}

template <bool either_end, int K, int M, class T>
RANVIER_INLINE bool jump(Block<T>& block, const Potential<T>& potential, const LinearForm<T>& form, const T* const* before, const Decay<T>* decays) {
  const Sum<T, K> sum(block, form, before);
  Decay<T> decay[M + 1];
  for (int m = 0; m < M; ++m) decay[m] = decays[m];
  const Potential<T> p = potential;
  Integer<T> any = 0, *const fires = block.fires;
  const int64_t n = block.n;
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T moved = sum.at(i);
    Integer<T> fired;
    p.v[i] = held<either_end>(p, i, p.v[i], moved, fired);
    fires[i] = fired;
    any |= fired;
    for (int m = 0; m < M; ++m) decay[m].x[i] = decay[m].constant + decay[m].factor * decay[m].x[i];
  }
  return any != 0;
}

template <bool either_end, int S, int F, class T>
RANVIER_INLINE bool relax(Block<T>& block, const Potential<T>& potential, const MovingVariable<T>& moving, const T* const* before) {
  const Sum<T, S> slope_of(block, moving.slope, before);
  const Sum<T, F> form_of(block, moving.form, before);
  const Potential<T> p = potential;
  const T h = block.neurons.interval;
  T* const after = block.moved[0];
  const int64_t n = block.n;
  Integer<T> far = 0, any = 0, *const fires = block.fires;
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T slope = slope_of.at(i), v = p.v[i], z = h * slope, size = z < 0 ? -z : z;
    far |= size <= T(0.5) ? 0 : 1;
    Integer<T> fired;
    after[i] = held<either_end>(p, i, v, v + (h * relaxed(z)) * (form_of.at(i) + slope * v), fired);
    fires[i] = fired;
    any |= fired;
  }
  if (far != 0) {
    any = 0;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T slope = slope_of.at(i), v = p.v[i];
      Integer<T> fired;
      after[i] = held<either_end>(p, i, v, v + (h * relaxed_anywhere(h * slope)) * (form_of.at(i) + slope * v), fired);
      fires[i] = fired;
      any |= fired;
    }
  }
  std::copy_n(after, n, p.v);
  return any != 0;
}

template <bool either_end, int K, class T>
RANVIER_INLINE bool jump(Block<T>& block, const Potential<T>& potential, const LinearForm<T>& form, const T* const* before, const Decay<T>* decays,
                         int64_t n_decays) {
  switch (n_decays) {
    case 0: return jump<either_end, K, 0>(block, potential, form, before, decays);
    case 1: return jump<either_end, K, 1>(block, potential, form, before, decays);
    case 2: return jump<either_end, K, 2>(block, potential, form, before, decays);
    default: return jump<either_end, K, 3>(block, potential, form, before, decays);
  }
}

template <bool either_end, class T>
RANVIER_INLINE bool jump(Block<T>& block, const Potential<T>& potential, const LinearForm<T>& form, const T* const* before, const Decay<T>* decays,
                         int64_t n_decays) {
  switch (form.n_terms) {
    case 1: return jump<either_end, 1>(block, potential, form, before, decays, n_decays);
    case 2: return jump<either_end, 2>(block, potential, form, before, decays, n_decays);
    case 3: return jump<either_end, 3>(block, potential, form, before, decays, n_decays);
    default: return jump<either_end, 4>(block, potential, form, before, decays, n_decays);
  }
}

template <bool either_end, int S, class T>
RANVIER_INLINE bool relax(Block<T>& block, const Potential<T>& potential, const MovingVariable<T>& moving, const T* const* before) {
  switch (moving.form.n_terms) {
    case 1: return relax<either_end, S, 1>(block, potential, moving, before);
    case 2: return relax<either_end, S, 2>(block, potential, moving, before);
    default: return relax<either_end, S, 3>(block, potential, moving, before);
  }
}

template <bool either_end, class T>
RANVIER_INLINE bool relax(Block<T>& block, const Potential<T>& potential, const MovingVariable<T>& moving, const T* const* before) {
  switch (moving.slope.n_terms) {
    case 1: return relax<either_end, 1>(block, potential, moving, before);
    case 2: return relax<either_end, 2>(block, potential, moving, before);
    default: return relax<either_end, 3>(block, potential, moving, before);
  }
}

template <class T>
bool same_for_all(const LinearForm<T>& form) {
  bool each = form.constant.each;
  for (int64_t j = 0; j < form.n_terms; ++j) each |= form.terms[j].coefficient.each;
  return !each;
}

// Whether the neurons of a member are such.
template <class T>
bool one_pass(const IntegrateAndFire<T>& s, int64_t member) {
  if (s.n_moving < 1 || s.n_moving > 1 + kMostDecaying || s.copies || s.refractory.each) return false;
  const MovingVariable<T>& first = s.moving[0];
  const auto& tested = s.test.terms[0];
  if (s.test.n_terms != 1 || tested.variable != first.variable || s.test.constant.each || tested.coefficient.each ||
      tested.coefficient.of(0, member) != T(1) || !same_for_all(first.form)) {
    return false;
  }
  if (first.relaxes ? !same_for_all(first.slope) || first.slope.n_terms < 1 || first.slope.n_terms > 3 || first.form.n_terms < 1 || first.form.n_terms > 3
                    : first.form.n_terms < 1 || first.form.n_terms > kMostDriving) {
    return false;
  }
  for (int64_t m = 1; m < s.n_moving; ++m) {
    const MovingVariable<T>& x = s.moving[m];
    if (x.held || x.relaxes || x.form.n_terms != 1 || x.form.terms[0].variable != x.variable || !same_for_all(x.form)) return false;
  }
  return true;
}

template <class T>
RANVIER_INLINE void advance_in_one_pass(Block<T>& block, bool* flags) {
  const IntegrateAndFire<T>& s = block.neurons;
  const MovingVariable<T>& first = s.moving[0];
  T* before[kMostVariables];
  for (int64_t v = 0; v < kMostVariables; ++v) before[v] = s.variables[v] == nullptr ? nullptr : s.variables[v] + block.first;
  Decay<T> decays[kMostDecaying];
  const int64_t n_decays = s.n_moving - 1;
  for (int64_t m = 0; m < n_decays; ++m) {
    const MovingVariable<T>& x = s.moving[m + 1];
    decays[m] = {x.form.constant.of(0, block.member), x.form.terms[0].coefficient.of(0, block.member), before[x.variable]};
  }
  const bool waits = first.held && s.refractory.at != nullptr;
  const Potential<T> potential{before[first.variable], s.recent + block.first,
                               waits ? s.now - s.refractory.of(0, block.member) : std::numeric_limits<int32_t>::max(),
                               s.test.constant.of(0, block.member)};
  bool any = false;
  if (first.relaxes) {
    any = s.either_end ? relax<true>(block, potential, first, before) : relax<false>(block, potential, first, before);
    for (int64_t m = 0; m < n_decays; ++m) {
      const Decay<T> decay = decays[m];
      RANVIER_INDEPENDENT
      for (int64_t i = 0; i < block.n; ++i) decay.x[i] = decay.constant + decay.factor * decay.x[i];
    }
  } else {
    any = s.either_end ? jump<true>(block, potential, first.form, before, decays, n_decays)
                       : jump<false>(block, potential, first.form, before, decays, n_decays);
  }
  fire(block, any, flags);
}

template <class T>
RANVIER_INLINE void advance_all(const IntegrateAndFire<T>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags) {
  Block<T> block(neurons, member);
  const bool once = one_pass(neurons, member);
  for (int64_t first = begin; first < end; first += kBlock<T>) {
    block.first = first;
    block.n = std::min(kBlock<T>, end - first);
    once ? advance_in_one_pass(block, flags) : advance(block, flags);
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
