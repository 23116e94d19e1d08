// The few operations on arrays that stand between native kernels: each element by itself, as XLA computes it.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "loops.h"

namespace ranvier {

// The numbers under which Python asks for them (network/native_steps.py).
enum class Elementwise : int64_t { kCopy, kAdd, kSub, kAnd, kOr, kNot, kLt, kLe, kGt, kGe, kEq, kNe, kSelect, kConvert, kJoin, kMul, kDiv, kMax, kMin, kFloor, kCeiling, kRow, kEnd };

// `stride` is 0 where one number stands for all. What is written lies in the same place, element by element, or elsewhere.
struct Operand {
  const void* data;
  int64_t stride;

  template <class T>
  T at(int64_t i) const {
    return static_cast<const T*>(data)[i * stride];
  }
};

enum class Number { kFlag, kInt32, kUint32, kInt64, kFloat, kDouble };

// Of two numbers of one type: a sum or difference of that type, which wraps around where it is of whole numbers, or a flag; of real numbers
// a product, quotient, the larger, the smaller, and of the first the whole number below or above, too; of flags and, or, and not of the first. Other operations do nothing.
void elementwise(Elementwise what, Number type, int64_t n, const Operand& a, const Operand& b, void* out);

// out = flag ? b : a, of elements of so many bytes: 1, 4 or 8.
void select(int64_t n, const Operand& flag, const Operand& a, const Operand& b, int64_t bytes, void* out);

// To a whole number as XLA does: NaN to 0, what is out of range to the nearest end.
template <class To, class From>
RANVIER_INLINE To converted(From x) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr To low = std::numeric_limits<To>::min(), high = std::numeric_limits<To>::max();
    return x != x ? To(0) : x <= static_cast<From>(low) ? low : x >= static_cast<From>(high) ? high : static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

template <class From, class To>
void convert(int64_t n, const Operand& a, void* out) {
  To* const to = static_cast<To*>(out);
  for (int64_t i = 0; i < n; ++i) to[i] = converted<To>(a.at<From>(i));
}

}  // namespace ranvier
