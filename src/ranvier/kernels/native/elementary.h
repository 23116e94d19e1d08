// Elementary functions that compilers vectorise: no branches, no calls, the same bits on every instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#include "loops.h"

namespace ranvier {

template <class To, class From>
RANVIER_INLINE To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

// Σ c[k] x^k, by Horner's rule.
template <int first = 0, int count, class T>
RANVIER_INLINE T polynomial(const T (&c)[count], T x) {
  if constexpr (first + 1 == count) return c[first];
  else return polynomial<first + 1>(c, x) * x + c[first];
}

// e^r = 1 + r + r² q(r) for |r| <= ln 2 / 2, with one q for the least error relative to e^r and one relative to e^r − 1. At the low end a power of two is 0, at the high end it overflows.
template <class T>
struct Exponential;

template <>
struct Exponential<float> {  // within 2e-7; coefficients of Cephes
  using Bits = uint32_t;
  static constexpr float kLow = -87.3f, kHigh = 89.0f, kLn2 = 0.693359375f, kRest = -2.12194440e-4f;
  static constexpr float kBeside = 12582912.0f;  // 1.5 · 2^23: added to a number, it leaves the nearest integer in the low bits
  static constexpr int kBias = 127, kMantissa = 23;
  static constexpr float kSeries[] = {5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f, 8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f};
  static constexpr float kGrowth[] = {0.5f, 0.16666666f, 0.041666478f, 0.0083335675f, 0.001393369f, 0.00019742441f};
};

template <>
struct Exponential<double> {  // within 4e-16; the coefficients of ranvier/kernels/exponential.py
  using Bits = uint64_t;
  static constexpr double kLow = -708.4, kHigh = 710.0, kLn2 = 6.93147180369123816490e-01, kRest = 1.90821492927058770002e-10;
  static constexpr double kBeside = 6755399441055744.0;  // 1.5 · 2^52
  static constexpr int kBias = 1023, kMantissa = 52;
  static constexpr double kSeries[] = {0.5000000000000011,    0.16666666666666413,    0.041666666666530155,   0.008333333333494461,  0.0013888888943630114,
                                       0.00019841269506578688, 2.480149309890655e-05, 2.7557586373840165e-06, 2.763024837921144e-07, 2.5000061602835666e-08};
  static constexpr double kGrowth[] = {0.5,
                                       0.16666666666666677,
                                       0.0416666666666666,
                                       0.008333333333321468,
                                       0.0013888888888928326,
                                       0.0001984126988646235,
                                       2.4801587227576575e-05,
                                       2.755724392383305e-06,
                                       2.7557361928014977e-07,
                                       2.5109122929206796e-08,
                                       2.0886594362820896e-09};
};

// Of x: half of 2^n, which has no end where 2^n has one, and r = x − n ln 2.
template <class T>
struct Reduced {
  T half, r;
  RANVIER_INLINE explicit Reduced(T x) {
    using E = Exponential<T>;
    x = x < E::kLow ? E::kLow : x;
    x = x > E::kHigh ? E::kHigh : x;
    const T shifted = x * T(1.44269504088896340736) + E::kBeside, n = shifted - E::kBeside;
    r = (x - n * E::kLn2) - n * E::kRest;
    using Bits = typename E::Bits;
    half = bits_as<T>((bits_as<Bits>(shifted) - bits_as<Bits>(E::kBeside) + Bits(E::kBias - 1)) << E::kMantissa);
  }
};

// e^x: 0 below the smallest normal number, infinity above the largest.
template <class T>
RANVIER_INLINE T exponential(T x) {
  const Reduced<T> of(x);
  const T y = polynomial(Exponential<T>::kSeries, of.r) * of.r * of.r + of.r + T(1);
  return (y + y) * of.half;
}

// e^x − 1, but for the sign of a zero.
template <class T>
RANVIER_INLINE T growth(T x) {
  const Reduced<T> of(x);
  const T y = of.half * ((of.r * of.r) * polynomial(Exponential<T>::kGrowth, of.r) + of.r) + (of.half - T(0.5));
  return y + y;
}

// (e^z − 1) / z within these ends, where it is seldom beyond: what a leak and conductances leave of a potential in a short step.
// The relative error of the series is below 5e-17 and 2.4e-9 (Remez, the first two coefficients held).
template <class T>
struct Relaxation;

template <>
struct Relaxation<double> {
  static constexpr double kLow = -0.484375, kHigh = 0.0078125;
  static constexpr double kSeries[] = {1.0, 0.5, 0.16666666666642477, 0.04166666665594289, 0.00833333314939217, 0.0013888872461680643,
                                       0.0001984041712748284, 2.4774829916227544e-05, 2.7054629612039155e-06, 2.228772727420343e-07};
};

template <>
struct Relaxation<float> {
  static constexpr float kLow = -0.484375f, kHigh = 0.0078125f;
  static constexpr float kSeries[] = {1.0f, 0.5f, 0.16666525602340698f, 0.04164573922753334f, 0.008225462399423122f, 0.0011524563888087869f};
};

// Whether the series is enough for all of them.
template <class T>
RANVIER_INLINE bool all_near(int64_t n, const T* z) {
  typename Exponential<T>::Bits far = 0;  // as wide as T, so that a vector of one is a mask for a vector of the other
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) far |= z[i] >= Relaxation<T>::kLow && z[i] <= Relaxation<T>::kHigh ? 0 : 1;
  return far == 0;
}

// The same of any z. Who needs the quotient does not change what the others get.
template <class T>
RANVIER_INLINE T relaxation(T z) {
  const bool small = z >= Relaxation<T>::kLow && z <= Relaxation<T>::kHigh;
  const T far = small ? T(1) : z, series = polynomial(Relaxation<T>::kSeries, z), quotient = growth(far) / far;
  return small ? series : quotient;
}

template <class T>
RANVIER_INLINE T sigmoid(T x) {
  return T(1) / (T(1) + exponential(-x));
}

}  // namespace ranvier
