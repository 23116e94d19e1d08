// The few operations on arrays that stand between native kernels: each element by itself, as XLA computes it.
#pragma once

#include <cstdint>
#include <type_traits>

namespace ranvier {

// The numbers under which Python asks for them (network/native_steps.py).
enum class Elementwise : int64_t { kCopy, kAdd, kSub, kAnd, kOr, kNot, kLt, kLe, kGt, kGe, kEq, kNe, kSelect, kConvert, kJoin, kEnd };

// `stride` is 0 where one number stands for all.
struct Operand {
  const void* data;
  int64_t stride;

  template <class T>
  T at(int64_t i) const {
    return static_cast<const T*>(data)[i * stride];
  }
};

template <class T, class Out, class Of>
void each(int64_t n, const Operand& a, const Operand& b, void* out, const Of& of) {
  Out* const to = static_cast<Out*>(out);
  if (a.stride && b.stride) {
    const T *x = static_cast<const T*>(a.data), *y = static_cast<const T*>(b.data);
    for (int64_t i = 0; i < n; ++i) to[i] = of(x[i], y[i]);
  } else if (a.stride) {
    const T *x = static_cast<const T*>(a.data), y = b.at<T>(0);
    for (int64_t i = 0; i < n; ++i) to[i] = of(x[i], y);
  } else {
    const T x = a.at<T>(0);
    for (int64_t i = 0; i < n; ++i) to[i] = of(x, b.at<T>(i));
  }
}

template <class T>
T wrapped_sum(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  } else {
    return a + b;
  }
}

template <class T>
T wrapped_difference(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) - static_cast<U>(b));
  } else {
    return a - b;
  }
}

// Of two numbers of one type, which need not be the result's. False where the type has no such operation.
template <class T>
bool elementwise(Elementwise what, int64_t n, const Operand& a, const Operand& b, void* out) {
  switch (what) {
    case Elementwise::kAdd: return each<T, T>(n, a, b, out, wrapped_sum<T>), true;
    case Elementwise::kSub: return each<T, T>(n, a, b, out, wrapped_difference<T>), true;
    case Elementwise::kLt: return each<T, bool>(n, a, b, out, [](T x, T y) { return x < y; }), true;
    case Elementwise::kLe: return each<T, bool>(n, a, b, out, [](T x, T y) { return x <= y; }), true;
    case Elementwise::kGt: return each<T, bool>(n, a, b, out, [](T x, T y) { return x > y; }), true;
    case Elementwise::kGe: return each<T, bool>(n, a, b, out, [](T x, T y) { return x >= y; }), true;
    case Elementwise::kEq: return each<T, bool>(n, a, b, out, [](T x, T y) { return x == y; }), true;
    case Elementwise::kNe: return each<T, bool>(n, a, b, out, [](T x, T y) { return x != y; }), true;
    default: return false;
  }
}

inline bool elementwise_of_flags(Elementwise what, int64_t n, const Operand& a, const Operand& b, void* out) {
  switch (what) {
    case Elementwise::kAnd: return each<bool, bool>(n, a, b, out, [](bool x, bool y) { return x && y; }), true;
    case Elementwise::kOr: return each<bool, bool>(n, a, b, out, [](bool x, bool y) { return x || y; }), true;
    case Elementwise::kNot: return each<bool, bool>(n, a, a, out, [](bool x, bool) { return !x; }), true;
    default: return false;
  }
}

// out = flag ? b : a
template <class T>
void select(int64_t n, const Operand& flag, const Operand& a, const Operand& b, void* out) {
  T* const to = static_cast<T*>(out);
  if (flag.stride && a.stride && b.stride) {
    const bool* f = static_cast<const bool*>(flag.data);
    const T *x = static_cast<const T*>(a.data), *y = static_cast<const T*>(b.data);
    for (int64_t i = 0; i < n; ++i) to[i] = f[i] ? y[i] : x[i];
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = flag.at<bool>(i) ? b.at<T>(i) : a.at<T>(i);
  }
}

template <class From, class To>
void convert(int64_t n, const Operand& a, void* out) {
  To* const to = static_cast<To*>(out);
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(a.at<From>(i));
}

}  // namespace ranvier
