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

// e^x, relative error below 2e-7; x is clamped to the range of normal numbers. Reduction to |r| <= ln 2 / 2, coefficients of Cephes.
RANVIER_INLINE float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float beside = 12582912.0f;  // 1.5 * 2^23: added to a number, it leaves the nearest integer in the low bits
  const float shifted = x * 1.44269504088896341f + beside, n = shifted - beside;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = (y * r) * r + r + 1.0f;
  const uint32_t exponent = (bits_as<uint32_t>(shifted) - bits_as<uint32_t>(beside) + 127u) << 23;
  return y * bits_as<float>(exponent);
}

// The same within 4e-16; the coefficients of ranvier/kernels/exponential.py.
RANVIER_INLINE double exponential(double x) {
  x = x < -708.0 ? -708.0 : x;
  x = x > 709.0 ? 709.0 : x;
  constexpr double beside = 6755399441055744.0;  // 1.5 * 2^52
  const double shifted = x * 1.44269504088896340736 + beside, n = shifted - beside;
  const double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  double y = 2.5000061602835666e-08;
  y = y * r + 2.763024837921144e-07;
  y = y * r + 2.7557586373840165e-06;
  y = y * r + 2.480149309890655e-05;
  y = y * r + 0.00019841269506578688;
  y = y * r + 0.0013888888943630114;
  y = y * r + 0.008333333333494461;
  y = y * r + 0.041666666666530155;
  y = y * r + 0.16666666666666413;
  y = y * r + 0.5000000000000011;
  y = (y * r) * r + r + 1.0;
  const uint64_t exponent = (bits_as<uint64_t>(shifted) - bits_as<uint64_t>(beside) + 1023u) << 52;
  return y * bits_as<double>(exponent);
}

template <class T>
RANVIER_INLINE T sigmoid(T x) {
  return T(1) / (T(1) + exponential(-x));
}

}  // namespace ranvier
