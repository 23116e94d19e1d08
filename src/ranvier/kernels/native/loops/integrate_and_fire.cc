#include "integrate_and_fire.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#ifdef RANVIER_TARGET_LEVELS
#include <immintrin.h>
#endif

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
  alignas(64) T moved[kMostVariables][kBlock<T>];  // variables after the step, where they cannot be written at once
  alignas(64) T slope[kBlock<T>], form[kBlock<T>], sum[kBlock<T>];
  const T* after[kMostVariables];
};

template <class T>
RANVIER_INLINE bool refractory(const IntegrateAndFire<T>& s, int64_t member, int64_t i) {
  return s.now <= s.recent[i] + s.refractory.of(i, member);
}

// Flags who is at or above the threshold, refractory or not.
template <bool either_end, class T>
RANVIER_INLINE void reach(int64_t n, const T* before, const T* after, const T* threshold, bool each, bool* RANVIER_RESTRICT flags) {
  const T same = *threshold;
  if (each) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) flags[i] = (either_end && before[i] > after[i] ? before[i] : after[i]) >= threshold[i];
  } else {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) flags[i] = (either_end && before[i] > after[i] ? before[i] : after[i]) >= same;
  }
}

template <class T>
RANVIER_INLINE void reset(const IntegrateAndFire<T>& s, int64_t member, int64_t i) {
  T fresh[kMostVariables];
  for (int64_t r = 0; r < s.n_resets; ++r) {
    const LinearForm<T>& form = s.resets[r].form;
    fresh[r] = form.constant.of(i, member);
    for (int64_t j = 0; j < form.n_terms; ++j) fresh[r] += form.terms[j].coefficient.of(i, member) * s.variables[form.terms[j].variable][i];
  }
  for (int64_t r = 0; r < s.n_resets; ++r) s.variables[s.resets[r].variable][i] = fresh[r];
}

// Those who fire.
struct Fired {
  bool* flags;
  int32_t* who;
  int64_t count = 0;

  // One who is at or above the threshold fires and is reset, or waits.
  template <class T>
  RANVIER_INLINE void add(const IntegrateAndFire<T>& s, int64_t member, int64_t i) {
    flags[i] = s.refractory.at == nullptr || !refractory(s, member, i);
    if (!flags[i]) return;
    if (who != nullptr) who[count] = static_cast<int32_t>(i);
    ++count;
    s.recent[i] = s.now;
    reset(s, member, i);
  }
};

// -- one pass ---------------------------------------------------------------------------------------------------------------------
//
// Most neurons have one variable that the others drive (the potential), which alone is held and tested, and others that decay by
// themselves (what synapses left). Then no number needs to be kept between one loop and the next. The same sums in the same order, so
// the same bits.

constexpr int64_t kMostDriving = 4, kMostDecaying = 3;
constexpr int64_t kStretch = 4096;  // neurons between one look at who fires and the next

// But for the constant.
template <class T>
bool same_for_all(const LinearForm<T>& form) {
  bool each = false;
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
    if (x.held || x.relaxes || x.form.n_terms != 1 || x.form.terms[0].variable != x.variable || x.form.constant.each || !same_for_all(x.form)) return false;
  }
  return true;
}

// Calls visit(entry, bit) for every set bit, ascending.
template <class Visit>
RANVIER_INLINE void for_each_bit(const uint16_t* bits, int64_t entries, const Visit& visit) {
  const auto look = [&](int64_t entry) {
    for (uint64_t left = bits[entry]; left != 0; left &= left - 1) visit(entry, lowest_set(left));
  };
  int64_t entry = 0;
  for (; entry + 8 <= entries; entry += 8) {
    uint64_t halves[2];
    std::memcpy(halves, bits + entry, sizeof halves);
    for (int64_t e = entry; (halves[0] | halves[1]) != 0 && e < entry + 8; ++e) look(e);
  }
  for (; entry < entries; ++entry) look(entry);
}

// The pass is written in vectors: what compilers make of the plain loop takes twice as long. Cloned functions divide vectors before they
// are cloned, so each level is compiled by itself.
#define RANVIER_LEVEL baseline
#define RANVIER_LEVEL_BYTES 16
#define RANVIER_LEVEL_TARGET
#include "one_pass.h"

#ifdef RANVIER_TARGET_LEVELS
#define RANVIER_LEVEL v3
#define RANVIER_LEVEL_BYTES 32
#define RANVIER_LEVEL_TARGET __attribute__((target("arch=x86-64-v3")))
#include "one_pass.h"

#define RANVIER_LEVEL v4
#define RANVIER_LEVEL_BYTES 64
#define RANVIER_LEVEL_TARGET __attribute__((target("arch=x86-64-v4")))
#include "one_pass.h"
#endif

template <class T>
using Pass = int64_t (*)(const IntegrateAndFire<T>&, int64_t, int64_t, int64_t, Fired);

template <class T>
Pass<T> best_pass() {
#ifdef RANVIER_TARGET_LEVELS
  if (__builtin_cpu_supports("x86-64-v4")) return v4::advance_all<T>;
  if (__builtin_cpu_supports("x86-64-v3")) return v3::advance_all<T>;
#endif
  return baseline::advance_all<T>;
}

template <class T>
int64_t advance_in_one_pass(const IntegrateAndFire<T>& neurons, int64_t member, int64_t begin, int64_t end, Fired fired) {
  static const Pass<T> pass = best_pass<T>();
  return pass(neurons, member, begin, end, fired);
}

// -- any neurons, in a loop a form ------------------------------------------------------------------------------------------------

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

// out = v + φ(slope) · (form + slope · v)
template <class T>
RANVIER_INLINE void relax(int64_t n, const T* v, const T* slope, const T* form, T* out) {
  if (all_near(n, slope)) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) out[i] = v[i] + polynomial(Relaxation<T>::kSeries, slope[i]) * (form[i] + slope[i] * v[i]);
  } else {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) out[i] = v[i] + relaxation(slope[i]) * (form[i] + slope[i] * v[i]);
  }
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
RANVIER_INLINE void advance(Block<T>& block, Fired& fired) {
  bool* const flags = fired.flags + block.first;
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
      relax(block.n, before[v], block.slope, block.form, out);
    } else {
      evaluate(block, moving.form, before, out);
    }
    if (moving.held && s.refractory.at != nullptr) hold(block, before[v], out);
    block.after[v] = out;
  }
  const T* threshold = s.test.constant.from(block.first, block.member);
  const T* end = tested(block, block.after, block.form);
  const T* start = s.either_end ? tested(block, before, block.slope) : end;
  s.either_end ? reach<true>(block.n, start, end, threshold, s.test.constant.each, flags)
               : reach<false>(block.n, start, end, threshold, s.test.constant.each, flags);
  for (int64_t m = 0; m < s.n_moving; ++m) {
    const int64_t v = s.moving[m].variable;
    if (block.after[v] != before[v]) std::copy_n(block.after[v], block.n, s.variables[v] + block.first);
  }
  for_each_set(flags, block.n, [&](int64_t i) { fired.add(s, block.member, block.first + i); });
}

template <class T>
RANVIER_INLINE int64_t advance_all(const IntegrateAndFire<T>& neurons, int64_t member, int64_t begin, int64_t end, Fired fired) {
  Block<T> block(neurons, member);
  for (int64_t first = begin; first < end; first += kBlock<T>) {
    block.first = first;
    block.n = std::min(kBlock<T>, end - first);
    advance(block, fired);
  }
  return fired.count;
}

}  // namespace

RANVIER_LEVELS static int64_t advance_in_loops(const IntegrateAndFire<float>& neurons, int64_t member, int64_t begin, int64_t end, Fired fired) {
  return advance_all(neurons, member, begin, end, fired);
}

RANVIER_LEVELS static int64_t advance_in_loops(const IntegrateAndFire<double>& neurons, int64_t member, int64_t begin, int64_t end, Fired fired) {
  return advance_all(neurons, member, begin, end, fired);
}

int64_t integrate_and_fire(const IntegrateAndFire<float>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags, int32_t* who) {
  const Fired fired{flags, who};
  return one_pass(neurons, member) ? advance_in_one_pass(neurons, member, begin, end, fired) : advance_in_loops(neurons, member, begin, end, fired);
}

int64_t integrate_and_fire(const IntegrateAndFire<double>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags, int32_t* who) {
  const Fired fired{flags, who};
  return one_pass(neurons, member) ? advance_in_one_pass(neurons, member, begin, end, fired) : advance_in_loops(neurons, member, begin, end, fired);
}

}  // namespace ranvier
