// One pass over integrate-and-fire neurons for one level of the instruction set: included by integrate_and_fire.cc once a level, with
// RANVIER_LEVEL its name, RANVIER_LEVEL_BYTES the width of its vectors and RANVIER_LEVEL_TARGET what the compiler may use.

#define RANVIER_PASS RANVIER_LEVEL_TARGET RANVIER_INLINE

namespace RANVIER_LEVEL {

// What is done to `lanes` neurons at once: numbers, and whole numbers as wide as they.
template <class T, int lanes>
struct Pack;

// One at a time: what is left of a block, and everything where the compiler has no vectors.
template <class T>
struct Pack<T, 1> {
  static constexpr int kLanes = 1;
  using Real = T;
  using Whole = Integer<T>;
  RANVIER_PASS static Real& at(T* x) { return *x; }
  RANVIER_PASS static Real at(const T* x) { return *x; }
  RANVIER_PASS static Whole wide(const int32_t* x) { return *x; }
  RANVIER_PASS static bool all_between(Real x, T low, T high) { return x >= low && x <= high; }
  RANVIER_PASS static uint32_t at_least(Real x, T limit) { return x >= limit; }
};

#if defined(__GNUC__) || defined(__clang__)
template <class T>
constexpr int kLanesOfLevel = RANVIER_LEVEL_BYTES / sizeof(T);

template <class T, int lanes>
struct Pack {
  static constexpr int kLanes = lanes;
  typedef T Real __attribute__((vector_size(lanes * sizeof(T)), aligned(sizeof(T)), may_alias));
  typedef Integer<T> Whole __attribute__((vector_size(lanes * sizeof(T)), aligned(sizeof(T)), may_alias));
  typedef int32_t Narrow __attribute__((vector_size(lanes * sizeof(int32_t)), aligned(sizeof(int32_t)), may_alias));
  RANVIER_PASS static Real& at(T* x) { return *reinterpret_cast<Real*>(x); }
  RANVIER_PASS static const Real& at(const T* x) { return *reinterpret_cast<const Real*>(x); }
  RANVIER_PASS static Whole wide(const int32_t* x) {
#if RANVIER_LEVEL_BYTES == 64  // one instruction, of which GCC makes five
    if constexpr (sizeof(T) == 8) return (Whole)_mm512_maskz_cvtepi32_epi64(0xFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
#endif
    return __builtin_convertvector(*reinterpret_cast<const Narrow*>(x), Whole);
  }
  RANVIER_PASS static bool all_between(Real x, T low, T high) {
    return (where_at_least(x, Real{} + low) & where_at_least(Real{} + high, x)) == (uint32_t{1} << lanes) - 1;
  }
  RANVIER_PASS static uint32_t at_least(Real x, T limit) { return where_at_least(x, Real{} + limit); }

  // A bit a lane: compilers make vectors of comparisons first.
#if defined(RANVIER_TARGET_LEVELS) && RANVIER_LEVEL_BYTES == 64
  RANVIER_PASS static uint32_t where_at_least(__m512d x, __m512d y) { return _mm512_cmp_pd_mask(x, y, _CMP_GE_OQ); }
  RANVIER_PASS static uint32_t where_at_least(__m512 x, __m512 y) { return _mm512_cmp_ps_mask(x, y, _CMP_GE_OQ); }
#else
  RANVIER_PASS static uint32_t where_at_least(Real x, Real y) { return bits(x >= y); }
  RANVIER_PASS static uint32_t bits(Whole x) {
#if defined(RANVIER_TARGET_LEVELS) && RANVIER_LEVEL_BYTES == 32
    if constexpr (sizeof(T) == 8) return static_cast<uint32_t>(_mm256_movemask_pd((__m256d)x));
    else return static_cast<uint32_t>(_mm256_movemask_ps((__m256)x));
#elif defined(RANVIER_TARGET_LEVELS)
    if constexpr (sizeof(T) == 8) return static_cast<uint32_t>(_mm_movemask_pd((__m128d)x));
    else return static_cast<uint32_t>(_mm_movemask_ps((__m128)x));
#else
    uint32_t all = 0;
    for (int l = 0; l < lanes; ++l) all |= static_cast<uint32_t>(x[l] & 1) << l;
    return all;
#endif
  }
#endif
};
#else
template <class T>
constexpr int kLanesOfLevel = 1;
#endif

// `polynomial` of elementary.h in vectors of this level.
template <class Real, int first = 0, int count, class T>
RANVIER_PASS Real polynomial_of(const T (&c)[count], Real x) {
  if constexpr (first + 1 == count) return Real{} + c[first];
  else return polynomial_of<Real, first + 1>(c, x) * x + c[first];
}

// constant + Σ factor · x, added from the left. The constant is one for each neuron, or one that lies as often as there are lanes.
template <class T, int K>
struct Sum {
  const T* constant;
  int64_t each;  // all bits set, or none
  T factor[K];
  const T* x[K];

  RANVIER_PASS Sum(const IntegrateAndFire<T>& s, int64_t member, int64_t first, const LinearForm<T>& form, T* same) {
    const Coefficient<T>& own = form.constant;
    if (!own.each) std::fill_n(same, kLanesOfLevel<T>, own.of(first, member));
    constant = own.each ? own.at + first : same, each = own.each ? -1 : 0;
    for (int k = 0; k < K; ++k) factor[k] = form.terms[k].coefficient.of(first, member), x[k] = s.variables[form.terms[k].variable] + first;
  }

  template <class P>
  RANVIER_PASS typename P::Real at(int64_t i) const {
    typename P::Real sum = P::at(constant + (i & each)) + factor[0] * P::at(x[0] + i);
    for (int k = 1; k < K; ++k) sum += factor[k] * P::at(x[k] + i);
    return sum;
  }
};

// What decays by itself: x = constant + factor · x, of M variables.
template <class T, int M>
struct Decays {
  T constant[M + 1], factor[M + 1];
  T* x[M + 1];

  RANVIER_PASS Decays(const IntegrateAndFire<T>& s, int64_t member, int64_t first) {
    for (int m = 0; m < M; ++m) {
      const MovingVariable<T>& own = s.moving[m + 1];
      constant[m] = own.form.constant.of(0, member), factor[m] = own.form.terms[0].coefficient.of(0, member);
      x[m] = s.variables[own.variable] + first;
    }
  }

  template <class P>
  RANVIER_PASS void at(int64_t i) const {
    for (int m = 0; m < M; ++m) P::at(x[m] + i) = constant[m] + factor[m] * P::at(x[m] + i);
  }
};

// What the potential needs beside its equations.
template <class T>
struct Potential {
  T* v;
  const int32_t* recent;
  Integer<T> since;  // those that spiked then or later wait
  T threshold;
  bool either_end;

  // Moves it unless the neuron waits. The bits of those who are at or above the threshold, at either end of the step where both count.
  template <class P>
  RANVIER_PASS uint32_t move(int64_t i, typename P::Real before, typename P::Real moved) const {
    const typename P::Real after = P::wide(recent + i) >= since ? before : moved;
    P::at(v + i) = after;
    if (!either_end) return P::at_least(after, threshold);
    return P::at_least(before > after ? before : after, threshold);
  }
};

// To a sum, while others decay.
template <class T, int K, int M>
struct Jump {
  Sum<T, K> sum;
  Potential<T> potential;
  Decays<T, M> decays;

  template <class P>
  RANVIER_PASS uint32_t at(int64_t i) const {
    const uint32_t above = potential.template move<P>(i, P::at(potential.v + i), sum.template at<P>(i));
    decays.template at<P>(i);
    return above;
  }
};

// out = before + φ(z) · drive for any z, by itself, since it is seldom needed.
template <int lanes, class T>
RANVIER_LEVEL_TARGET RANVIER_NOT_INLINE void relax_anywhere(const T* before, const T* z, const T* drive, T* out) {
  RANVIER_INDEPENDENT
  for (int l = 0; l < lanes; ++l) out[l] = before[l] + relaxation(z[l]) * drive[l];
}

// By exponential Euler, while others decay.
template <class T, int S, int F, int M>
struct Relax {
  Sum<T, S> slope;
  Sum<T, F> form;
  Potential<T> potential;
  Decays<T, M> decays;

  template <class P>
  RANVIER_PASS uint32_t at(int64_t i) const {
    using Real = typename P::Real;
    const Real before = P::at(potential.v + i), z = slope.template at<P>(i), drive = form.template at<P>(i) + z * before;
    Real moved = before + polynomial_of(Relaxation<T>::kSeries, z) * drive;
    if (!P::all_between(z, Relaxation<T>::kLow, Relaxation<T>::kHigh)) {
      T of[4][P::kLanes];
      P::at(of[0]) = before, P::at(of[1]) = z, P::at(of[2]) = drive;
      relax_anywhere<P::kLanes>(of[0], of[1], of[2], of[3]);
      moved = P::at(of[3]);
    }
    const uint32_t above = potential.template move<P>(i, before, moved);
    decays.template at<P>(i);
    return above;
  }
};

// Over the neurons of a stretch: the bits of those at or above the threshold, in an entry for each vector and one for those left over.
// Whether there are any. By itself, so that the loop has all registers.
template <class T, class Step>
RANVIER_LEVEL_TARGET RANVIER_NOT_INLINE bool go(const Step& given, int64_t n, uint16_t* above) {
  using Some = Pack<T, kLanesOfLevel<T>>;
  const Step step = given;
  uint32_t any = 0, last = 0;
  int64_t i = 0;
  for (; i + Some::kLanes <= n; i += Some::kLanes) {
    const uint32_t bits = step.template at<Some>(i);
    *above++ = static_cast<uint16_t>(bits);
    any |= bits;
  }
  for (int64_t l = 0; i + l < n; ++l) last |= step.template at<Pack<T, 1>>(i + l) << l;
  *above = static_cast<uint16_t>(last);
  return (any | last) != 0;
}

template <class T>
struct Stretch {
  const IntegrateAndFire<T>& neurons;
  int64_t member, first, n;
  Potential<T> potential;
  uint16_t* above;
};

template <int M, int K, class T>
RANVIER_PASS bool jump(const Stretch<T>& s) {
  alignas(RANVIER_LEVEL_BYTES) T same[kLanesOfLevel<T>];
  const Sum<T, K> sum(s.neurons, s.member, s.first, s.neurons.moving[0].form, same);
  return go<T>(Jump<T, K, M>{sum, s.potential, {s.neurons, s.member, s.first}}, s.n, s.above);
}

template <int M, class T>
RANVIER_PASS bool jump(const Stretch<T>& s) {
  switch (s.neurons.moving[0].form.n_terms) {
    case 1: return jump<M, 1>(s);
    case 2: return jump<M, 2>(s);
    case 3: return jump<M, 3>(s);
    default: return jump<M, 4>(s);
  }
}

template <int M, int S, int F, class T>
RANVIER_PASS bool relax(const Stretch<T>& s) {
  alignas(RANVIER_LEVEL_BYTES) T same[2][kLanesOfLevel<T>];
  const MovingVariable<T>& moving = s.neurons.moving[0];
  const Sum<T, S> slope(s.neurons, s.member, s.first, moving.slope, same[0]);
  const Sum<T, F> form(s.neurons, s.member, s.first, moving.form, same[1]);
  return go<T>(Relax<T, S, F, M>{slope, form, s.potential, {s.neurons, s.member, s.first}}, s.n, s.above);
}

template <int M, int S, class T>
RANVIER_PASS bool relax(const Stretch<T>& s) {
  switch (s.neurons.moving[0].form.n_terms) {
    case 1: return relax<M, S, 1>(s);
    case 2: return relax<M, S, 2>(s);
    default: return relax<M, S, 3>(s);
  }
}

template <int M, class T>
RANVIER_PASS bool advance(const Stretch<T>& s) {
  const MovingVariable<T>& moving = s.neurons.moving[0];
  if (!moving.relaxes) return jump<M>(s);
  switch (moving.slope.n_terms) {
    case 1: return relax<M, 1>(s);
    case 2: return relax<M, 2>(s);
    default: return relax<M, 3>(s);
  }
}

template <class T>
RANVIER_PASS bool advance(const Stretch<T>& s) {
  switch (s.neurons.n_moving - 1) {
    case 0: return advance<0>(s);
    case 1: return advance<1>(s);
    case 2: return advance<2>(s);
    default: return advance<3>(s);
  }
}

template <class T>
RANVIER_LEVEL_TARGET int64_t advance_all(const IntegrateAndFire<T>& s, int64_t member, int64_t begin, int64_t end, Fired fired) {
  constexpr int64_t lanes = kLanesOfLevel<T>;
  uint16_t above[kStretch / lanes + 1];
  const MovingVariable<T>& moving = s.moving[0];
  const bool waits = moving.held && s.refractory.at != nullptr;
  const int32_t since = waits ? s.now - s.refractory.of(0, member) : std::numeric_limits<int32_t>::max();
  if (!s.cleared) std::memset(fired.flags + begin, 0, end - begin);
  for (int64_t first = begin; first < end; first += kStretch) {
    const int64_t n = std::min(kStretch, end - first);
    const Potential<T> potential{s.variables[moving.variable] + first, s.recent + first, since, s.test.constant.of(0, member), s.either_end};
    if (!advance(Stretch<T>{s, member, first, n, potential, above})) continue;
    for_each_bit(above, n / lanes + 1, [&](int64_t entry, int64_t bit) { fired.add(s, member, first + entry * lanes + bit); });
  }
  return fired.count;
}

}  // namespace RANVIER_LEVEL

#undef RANVIER_PASS
#undef RANVIER_LEVEL
#undef RANVIER_LEVEL_BYTES
#undef RANVIER_LEVEL_TARGET
