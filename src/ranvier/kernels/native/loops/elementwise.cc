#include "elementwise.h"

#include <cmath>
#include <type_traits>

namespace ranvier {
namespace {

template <class T, class Out, class Of>
RANVIER_INLINE void each(int64_t n, const Operand& a, const Operand& b, void* out, const Of& of) {
  Out* const to = static_cast<Out*>(out);
  const T *x = static_cast<const T*>(a.data), *y = static_cast<const T*>(b.data);
  if (n == 1) {
    *to = of(*x, *y);
  } else if (a.stride && b.stride) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = of(x[i], y[i]);
  } else if (a.stride) {
    const T all = *y;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = of(x[i], all);
  } else if (b.stride) {
    const T all = *x;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = of(all, y[i]);
  } else {
    std::fill_n(to, n, of(*x, *y));
  }
}

template <class T>
RANVIER_INLINE T wrapped_sum(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  } else {
    return a + b;
  }
}

template <class T>
RANVIER_INLINE T wrapped_difference(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) - static_cast<U>(b));
  } else {
    return a - b;
  }
}

template <class T>
RANVIER_INLINE void of_numbers(Elementwise what, int64_t n, const Operand& a, const Operand& b, void* out) {
  switch (what) {
    case Elementwise::kAdd: return each<T, T>(n, a, b, out, [](T x, T y) { return wrapped_sum(x, y); });
    case Elementwise::kSub: return each<T, T>(n, a, b, out, [](T x, T y) { return wrapped_difference(x, y); });
    case Elementwise::kLt: return each<T, bool>(n, a, b, out, [](T x, T y) { return x < y; });
    case Elementwise::kLe: return each<T, bool>(n, a, b, out, [](T x, T y) { return x <= y; });
    case Elementwise::kGt: return each<T, bool>(n, a, b, out, [](T x, T y) { return x > y; });
    case Elementwise::kGe: return each<T, bool>(n, a, b, out, [](T x, T y) { return x >= y; });
    case Elementwise::kEq: return each<T, bool>(n, a, b, out, [](T x, T y) { return x == y; });
    case Elementwise::kNe: return each<T, bool>(n, a, b, out, [](T x, T y) { return x != y; });
    default: break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    switch (what) {
      case Elementwise::kMul: return each<T, T>(n, a, b, out, [](T x, T y) { return x * y; });
      case Elementwise::kDiv: return each<T, T>(n, a, b, out, [](T x, T y) { return x / y; });
      case Elementwise::kMax: return each<T, T>(n, a, b, out, [](T x, T y) { return x > y || x != x ? x : y; });
      case Elementwise::kMin: return each<T, T>(n, a, b, out, [](T x, T y) { return x < y || x != x ? x : y; });
      case Elementwise::kFloor: return each<T, T>(n, a, a, out, [](T x, T) { return std::floor(x); });
      case Elementwise::kCeiling: return each<T, T>(n, a, a, out, [](T x, T) { return std::ceil(x); });
      default: return;
    }
  }
}

RANVIER_INLINE void of_flags(Elementwise what, int64_t n, const Operand& a, const Operand& b, void* out) {
  switch (what) {
    case Elementwise::kAnd: return each<bool, bool>(n, a, b, out, [](bool x, bool y) { return static_cast<bool>(x & y); });
    case Elementwise::kOr: return each<bool, bool>(n, a, b, out, [](bool x, bool y) { return static_cast<bool>(x | y); });
    case Elementwise::kNot: return each<bool, bool>(n, a, a, out, [](bool x, bool) { return !x; });
    default: return;
  }
}

// flag ? b : a, both of them read: else each element is a jump.
template <class T>
RANVIER_INLINE T either(uint8_t flag, T a, T b) {
  return static_cast<T>(a ^ ((a ^ b) & (T(0) - static_cast<T>(flag))));
}

template <class T>
RANVIER_INLINE void selected(int64_t n, const Operand& flag, const Operand& a, const Operand& b, T* to) {
  const uint8_t* const f = static_cast<const uint8_t*>(flag.data);  // GCC makes no vectors of bool
  const T *x = static_cast<const T*>(a.data), *y = static_cast<const T*>(b.data);
  if (flag.stride == 0 || n == 1) {
    const Operand& from = *f ? b : a;
    for (int64_t i = 0; i < n; ++i) to[i] = from.at<T>(i);
  } else if (a.stride && b.stride) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = either(f[i], x[i], y[i]);
  } else if (a.stride) {
    const T all = *y;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = either(f[i], x[i], all);
  } else if (b.stride) {
    const T all = *x;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = either(f[i], all, y[i]);
  } else {
    const T all = *x, chosen = *y;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = either(f[i], all, chosen);
  }
}

}  // namespace

RANVIER_LEVELS void elementwise(Elementwise what, Number type, int64_t n, const Operand& a, const Operand& b, void* out) {
  switch (type) {
    case Number::kFlag: return of_flags(what, n, a, b, out);
    case Number::kInt32: return of_numbers<int32_t>(what, n, a, b, out);
    case Number::kUint32: return of_numbers<uint32_t>(what, n, a, b, out);
    case Number::kInt64: return of_numbers<int64_t>(what, n, a, b, out);
    case Number::kFloat: return of_numbers<float>(what, n, a, b, out);
    case Number::kDouble: return of_numbers<double>(what, n, a, b, out);
  }
}

RANVIER_LEVELS void select(int64_t n, const Operand& flag, const Operand& a, const Operand& b, int64_t bytes, void* out) {
  switch (bytes) {
    case 1: return selected(n, flag, a, b, static_cast<uint8_t*>(out));
    case 4: return selected(n, flag, a, b, static_cast<uint32_t*>(out));
    default: return selected(n, flag, a, b, static_cast<uint64_t*>(out));
  }
}

}  // namespace ranvier
