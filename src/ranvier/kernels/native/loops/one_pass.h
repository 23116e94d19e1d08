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
  using Real = T;
  using Whole = Integer<T>;
  RANVIER_PASS static Real& at(T* x) { return *x; }
  RANVIER_PASS static Real at(const T* x) { return *x; }
  RANVIER_PASS static Whole wide(const int32_t* x) { return *x; }
  RANVIER_PASS static Whole bits(Real x) { return bits_as<Whole>(x); }
  RANVIER_PASS static Whole every(Whole x) { return x; }
};

#if defined(__GNUC__) || defined(__clang__)
template <class T>
constexpr int kLanesOfLevel = RANVIER_LEVEL_BYTES / sizeof(T);

template <class T, int lanes>
struct Pack {
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
  RANVIER_PASS static Whole bits(Real x) { return (Whole)x; }
  RANVIER_PASS static Integer<T> every(Whole x) {
    using Half = Pack<T, lanes / 2>;
    typename Half::Whole halves[2];
    std::memcpy(halves, &x, sizeof x);
    return Half::every(halves[0] & halves[1]);
  }
};
#else
template <class T>
constexpr int kLanesOfLevel = 1;
#endif

// (e^z − 1) / z for |z| <= 1/2, of z and its square: relative error of the polynomial below 5e-17 and 1.4e-8 (interpolated at the zeros
// of a Chebyshev polynomial).
template <class Real>
RANVIER_PASS Real relaxed(Real z, Real w, double) {
  const Real even = 1.0 + w * (0.1666666666666722 + w * (0.008333333333075146 + w * (0.00019841270281832442 + w * (2.7556979476271894e-06 + w * 2.517282043357941e-08))));
  const Real odd = 0.5 + w * (0.04166666666666706 + w * (0.001388888888870455 + w * (2.4801587616145414e-05 + w * (2.7557076636642725e-07 + w * 2.0962955815976076e-09))));
  return even + z * odd;
}

template <class Real>
RANVIER_PASS Real relaxed(Real z, Real w, float) {
  const Real even = 1.0f + w * (0.1666666716337204f + w * (0.008333181962370872f + w * 0.00019962176156695932f));
  const Real odd = 0.5000000596046448f + w * (0.04166530445218086f + w * 0.001399777363985777f);
  return even + z * odd;
}

// The same for any z, and the same numbers where both are right: a neuron does not see whether another needs this one.
template <class T>
RANVIER_PASS T relaxed_anywhere(T z) {
  const bool small = z * z <= T(0.25);
  const T near = small ? z : T(0), far = small ? T(1) : z;
  const T series = relaxed(near, near * near, T()), quotient = (exponential(far) - T(1)) / far;
  return small ? series : quotient;
}

// constant + Σ factor · x, added from the left.
template <class T, int K>
struct Sum {
  T constant;
  T factor[K];
  const T* x[K];

  RANVIER_PASS Sum(const Block<T>& block, const LinearForm<T>& form, const T* const* variables) : constant(form.constant.of(block.first, block.member)) {
    for (int k = 0; k < K; ++k) factor[k] = form.terms[k].coefficient.of(block.first, block.member), x[k] = variables[form.terms[k].variable];
  }

  template <class P>
  RANVIER_PASS typename P::Real at(int64_t i) const {
    typename P::Real sum = constant + factor[0] * P::at(x[0] + i);
    for (int k = 1; k < K; ++k) sum += factor[k] * P::at(x[k] + i);
    return sum;
  }
};

// What decays by itself: x = constant + factor · x.
template <class T>
struct Decay {
  T constant, factor;
  T* x;

  template <class P>
  RANVIER_PASS void at(int64_t i) const {
    P::at(x + i) = constant + factor * P::at(x + i);
  }
};

// What the potential needs beside its equations.
template <class T>
struct Potential {
  T* v;
  T* start;  // what it was at the start of the step, where that is needed
  const int32_t* recent;
  Integer<T> since;  // those that spiked then or later wait
  T threshold;

  // Moves it unless the neuron waits. `below` keeps its sign while no potential is at or above the threshold, at either end of the step
  // where both count. (It says nothing of NaN: `reach` does.)
  template <bool either_end, class P>
  RANVIER_PASS void move(int64_t i, typename P::Real before, typename P::Real moved, typename P::Whole& below) const {
    const typename P::Real after = P::wide(recent + i) >= since ? before : moved;
    P::at(v + i) = after;
    below &= P::bits(after - threshold);
    if (either_end) below &= P::bits(before - threshold);
  }
};

// To a sum, while others decay.
template <bool either_end, class T, int K, int M>
struct Jump {
  Sum<T, K> sum;
  Potential<T> potential;
  Decay<T> decays[M + 1];

  template <class P>
  RANVIER_PASS void at(int64_t i, typename P::Whole& below, typename P::Whole&) const {
    const typename P::Real before = P::at(potential.v + i), moved = sum.template at<P>(i);
    if (either_end) P::at(potential.start + i) = before;
    potential.template move<either_end, P>(i, before, moved, below);
    for (int m = 0; m < M; ++m) decays[m].template at<P>(i);
  }
};

// By exponential Euler. `near` keeps its sign while the polynomial is right for all.
template <bool either_end, class T, int S, int F>
struct Relax {
  Sum<T, S> slope;
  Sum<T, F> form;
  Potential<T> potential;
  T interval;

  template <class P>
  RANVIER_PASS void at(int64_t i, typename P::Whole& below, typename P::Whole& near) const {
    const typename P::Real before = P::at(potential.v + i), by = slope.template at<P>(i), z = interval * by, square = z * z;
    near &= P::bits(square - T(0.25));
    P::at(potential.start + i) = before;
    potential.template move<either_end, P>(i, before, before + (interval * relaxed(z, square, T())) * (form.template at<P>(i) + by * before), below);
  }

  RANVIER_PASS void anywhere(int64_t i, Integer<T>& below) const {
    using One = Pack<T, 1>;
    const T before = potential.v[i], by = slope.template at<One>(i);
    potential.template move<either_end, One>(i, before, before + (interval * relaxed_anywhere(interval * by)) * (form.template at<One>(i) + by * before), below);
  }
};

template <class P, class T, class Step>
RANVIER_PASS int64_t go(const Step& step, int64_t i, int64_t lanes, int64_t n, Integer<T>& below, Integer<T>& near) {
  typename P::Whole all_below = ~typename P::Whole{}, all_near = ~typename P::Whole{};
  for (; i + lanes <= n; i += lanes) step.template at<P>(i, all_below, all_near);
  below &= P::every(all_below), near &= P::every(all_near);
  return i;
}

// Over the neurons of a block; returns whether somebody may fire. By itself, so that the loop has all registers.
template <class T, class Step>
RANVIER_LEVEL_TARGET RANVIER_NOT_INLINE bool go(const Step& given, int64_t n, Integer<T>& near) {
  const Step step = given;
  Integer<T> below = -1;
  const int64_t done = go<Pack<T, kLanesOfLevel<T>>, T>(step, 0, kLanesOfLevel<T>, n, below, near);
  go<Pack<T, 1>, T>(step, done, 1, n, below, near);
  return below >= 0;
}

// These return whether somebody may fire.

template <bool either_end, int K, int M, class T>
RANVIER_PASS bool jump(Block<T>& block, const Potential<T>& potential, const LinearForm<T>& form, const T* const* before, const Decay<T>* decays) {
  Jump<either_end, T, K, M> step{{block, form, before}, potential, {}};
  std::copy_n(decays, M, step.decays);
  Integer<T> near = -1;
  return go<T>(step, block.n, near);
}

template <bool either_end, int S, int F, class T>
RANVIER_PASS bool relax(Block<T>& block, const Potential<T>& potential, const MovingVariable<T>& moving, const T* const* before) {
  const Relax<either_end, T, S, F> step{{block, moving.slope, before}, {block, moving.form, before}, potential, block.neurons.interval};
  Integer<T> near = -1;
  bool may = go<T>(step, block.n, near);
  if (near >= 0) {
    std::copy_n(potential.start, block.n, potential.v);
    Integer<T> below = -1;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < block.n; ++i) step.anywhere(i, below);
    may = below >= 0;
  }
  return may;
}

template <bool either_end, int K, class T>
RANVIER_PASS bool jump(Block<T>& block, const Potential<T>& potential, const LinearForm<T>& form, const T* const* before, const Decay<T>* decays,
                       int64_t n_decays) {
  switch (n_decays) {
    case 0: return jump<either_end, K, 0>(block, potential, form, before, decays);
    case 1: return jump<either_end, K, 1>(block, potential, form, before, decays);
    case 2: return jump<either_end, K, 2>(block, potential, form, before, decays);
    default: return jump<either_end, K, 3>(block, potential, form, before, decays);
  }
}

template <bool either_end, class T>
RANVIER_PASS bool jump(Block<T>& block, const Potential<T>& potential, const LinearForm<T>& form, const T* const* before, const Decay<T>* decays,
                       int64_t n_decays) {
  switch (form.n_terms) {
    case 1: return jump<either_end, 1>(block, potential, form, before, decays, n_decays);
    case 2: return jump<either_end, 2>(block, potential, form, before, decays, n_decays);
    case 3: return jump<either_end, 3>(block, potential, form, before, decays, n_decays);
    default: return jump<either_end, 4>(block, potential, form, before, decays, n_decays);
  }
}

template <bool either_end, int S, class T>
RANVIER_PASS bool relax(Block<T>& block, const Potential<T>& potential, const MovingVariable<T>& moving, const T* const* before) {
  switch (moving.form.n_terms) {
    case 1: return relax<either_end, S, 1>(block, potential, moving, before);
    case 2: return relax<either_end, S, 2>(block, potential, moving, before);
    default: return relax<either_end, S, 3>(block, potential, moving, before);
  }
}

template <bool either_end, class T>
RANVIER_PASS bool relax(Block<T>& block, const Potential<T>& potential, const MovingVariable<T>& moving, const T* const* before) {
  switch (moving.slope.n_terms) {
    case 1: return relax<either_end, 1>(block, potential, moving, before);
    case 2: return relax<either_end, 2>(block, potential, moving, before);
    default: return relax<either_end, 3>(block, potential, moving, before);
  }
}

template <class T>
RANVIER_PASS void advance_block(Block<T>& block, bool* flags) {
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
  const int32_t since = waits ? s.now - s.refractory.of(0, block.member) : std::numeric_limits<int32_t>::max();
  const Potential<T> potential{before[first.variable], block.moved[0], s.recent + block.first, since, s.test.constant.of(0, block.member)};
  bool may = false;
  if (first.relaxes) {
    may = s.either_end ? relax<true>(block, potential, first, before) : relax<false>(block, potential, first, before);
    for (int64_t m = 0; m < n_decays; ++m) {
      const Decay<T> decay = decays[m];
      RANVIER_INDEPENDENT
      for (int64_t i = 0; i < block.n; ++i) decay.template at<Pack<T, 1>>(i);
    }
  } else {
    may = s.either_end ? jump<true>(block, potential, first.form, before, decays, n_decays)
                       : jump<false>(block, potential, first.form, before, decays, n_decays);
  }
  if (!may) {
    std::memset(flags + block.first, 0, block.n);
    return;
  }
  s.either_end ? reach<true>(block.n, potential.start, potential.v, &potential.threshold, false, flags + block.first)
               : reach<false>(block.n, potential.start, potential.v, &potential.threshold, false, flags + block.first);
  fire(block, flags);
}

template <class T>
RANVIER_LEVEL_TARGET void advance_all(const IntegrateAndFire<T>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags) {
  Block<T> block(neurons, member);
  for (int64_t first = begin; first < end; first += kBlock<T>) {
    block.first = first;
    block.n = std::min(kBlock<T>, end - first);
    advance_block(block, flags);
  }
}

}  // namespace RANVIER_LEVEL

#undef RANVIER_PASS
#undef RANVIER_LEVEL
#undef RANVIER_LEVEL_BYTES
#undef RANVIER_LEVEL_TARGET
