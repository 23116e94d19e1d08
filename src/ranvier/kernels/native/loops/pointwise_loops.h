// The loops of `pointwise.cc` for one level of the instruction set: included once a level, with RANVIER_LEVEL its name and
// RANVIER_LEVEL_TARGET what the compiler may use.

#define RANVIER_OF RANVIER_LEVEL_TARGET RANVIER_INLINE

namespace RANVIER_LEVEL {

// What is added first to a number, to leave the nearest whole number in its low bits.
template <class T>
constexpr T beside_of = sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0);

// sin r for |r| <= π/2; the coefficients of ranvier/kernels/sine.py.
RANVIER_OF double sine_near(double r) {
  const double s = r * r;
  double y = 2.7216743258720103e-15;
  y = y * s - 7.643043166023409e-13;
  y = y * s + 1.605894189407033e-10;
  y = y * s - 2.5052106921474298e-08;
  y = y * s + 2.7557319211743382e-06;
  y = y * s - 0.00019841269841213365;
  y = y * s + 0.008333333333333208;
  y = y * s - 0.16666666666666666;
  return (r * s) * y + r;
}

RANVIER_OF float sine_near(float r) {
  const float s = r * r;
  float y = -2.5029324e-08f;
  y = y * s + 2.7600126e-06f;
  y = y * s - 0.00019842605f;
  y = y * s + 0.008333348f;
  y = y * s - 0.16666667f;
  return (r * s) * y + r;
}

// x − n · π or n · π/2. What is left after the first part has no more bits than a number, so nothing is lost where the two cancel.
RANVIER_OF double without_turns(double x, double n, double part) {
  x = std::fma(n * part, -3.141592653589793, x);
  x = std::fma(n * part, -1.2246467991473532e-16, x);
  return std::fma(n * part, 2.9947698097183397e-33, x);
}

RANVIER_OF float without_turns(float x, float n, float part) {
  x = std::fma(n * part, -3.1415927410125732f, x);
  x = std::fma(n * part, 8.742277657347586e-08f, x);
  return std::fma(n * part, 3.4302490200117637e-15f, x);
}

// y, or −y where the whole number that `shifted` ends with is odd.
template <class T>
RANVIER_OF T signed_by(T y, T shifted) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  return bits_as<T>(static_cast<Bits>(bits_as<Bits>(y) ^ (bits_as<Bits>(shifted) << (8 * sizeof(T) - 1))));
}

// Within 2 units in the last place; of large numbers it is the C library's.
struct Sine {
  template <class T>
  RANVIER_OF static bool inside(T x) {
    return std::fabs(x) <= (sizeof(T) == 4 ? T(65536.0) : T(17592186044416.0));
  }
  template <class T>
  RANVIER_OF static T of(T x) {
    const T shifted = x * T(0.318309886183790671538) + beside_of<T>, n = shifted - beside_of<T>;
    const T y = signed_by(sine_near(without_turns(x, n, T(1))), shifted);
    return x == T(0) ? x : y;  // the sign of a zero
  }
  template <class T>
  static T beyond(T x) {
    return std::sin(x);
  }
};

struct Cosine {
  template <class T>
  RANVIER_OF static bool inside(T x) {
    return std::fabs(x) <= (sizeof(T) == 4 ? T(65536.0) : T(17592186044416.0));
  }
  template <class T>
  RANVIER_OF static T of(T x) {
    const T shifted = (x * T(0.318309886183790671538) - T(0.5)) + beside_of<T>, n = shifted - beside_of<T>;
    return signed_by(sine_near(without_turns(x, n + n + T(1), T(0.5))), shifted + T(1));
  }
  template <class T>
  static T beyond(T x) {
    return std::cos(x);
  }
};

// Of normal numbers within a unit in the last place; the coefficients of ranvier/kernels/logarithm.py. Others are the C library's.
struct Logarithm {
  template <class T>
  RANVIER_OF static bool inside(T x) {
    return x >= std::numeric_limits<T>::min() && x <= std::numeric_limits<T>::max();
  }
  RANVIER_OF static double of(double x) {
    const uint64_t above = bits_as<uint64_t>(x) - 0x3fe6a09e667f3bcdu;  // from √½ on
    const uint64_t exponent = (above >> 52) + ((above >> 63) != 0 ? 0xfffffffffffff000u : 0u);
    const double e = bits_as<double>(bits_as<uint64_t>(beside_of<double>) + exponent) - beside_of<double>;
    const double f = bits_as<double>(bits_as<uint64_t>(x) - (exponent << 52)) - 1.0;
    const double s = f / (f + 2.0), z = s * s, half = 0.5 * (f * f);
    double y = 0.07398735796701168;
    y = y * z + 0.07656943045147371;
    y = y * z + 0.0909178569195845;
    y = y * z + 0.11111099210482026;
    y = y * z + 0.1428571437204994;
    y = y * z + 0.19999999999702692;
    y = y * z + 0.3333333333333368;
    const double rest = s * ((z + z) * y + half), low = e * 1.90821492927058770002e-10 + rest;
    return e * 6.93147180369123816490e-01 + (f - (half - low));
  }
  RANVIER_OF static float of(float x) { return static_cast<float>(of(static_cast<double>(x))); }
  template <class T>
  static T beyond(T x) {
    return x >= T(0) && x < std::numeric_limits<T>::min() ? -std::numeric_limits<T>::infinity() : std::log(x);
  }
};

// e^x − 1: of single numbers by that of double ones, which is as quick here and rounds once.
RANVIER_OF double exponential_minus_one(double x) { return x == 0.0 ? x : growth(x); }

RANVIER_OF float exponential_minus_one(float x) { return static_cast<float>(exponential_minus_one(static_cast<double>(x))); }

RANVIER_OF double tangent_of_area(double x) {
  const double within = x < -22.0 ? -22.0 : x > 22.0 ? 22.0 : x, y = exponential_minus_one(within + within);
  return y / (y + 2.0);
}

RANVIER_OF float tangent_of_area(float x) { return static_cast<float>(tangent_of_area(static_cast<double>(x))); }

template <class T>
RANVIER_LEVEL_TARGET void relaxations(int64_t n, const void* a, const void*, const void*, void* out) {
  const T* const z = static_cast<const T*>(a);
  T* const to = static_cast<T*>(out);
  if (all_near(n, z)) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = polynomial(Relaxation<T>::kSeries, z[i]);
  } else {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = relaxation(z[i]);
  }
}

template <class T, class Out, class Of>
RANVIER_LEVEL_TARGET void one(int64_t n, const void* a, const void*, const void*, void* out) {
  const T* const x = static_cast<const T*>(a);
  Out* const to = static_cast<Out*>(out);
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = Of::of(x[i]);
}

// Where all are inside of what a function is made for, one loop; others are computed one by one, beside those that are.
template <class T, class Of>
RANVIER_LEVEL_TARGET void within(int64_t n, const void* a, const void*, const void*, void* out) {
  const T* const x = static_cast<const T*>(a);
  T* const to = static_cast<T*>(out);
  std::conditional_t<sizeof(T) == 4, int32_t, int64_t> outside = 0;
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) outside |= Of::inside(x[i]) ? 0 : 1;
  if (outside == 0) {
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) to[i] = Of::of(x[i]);
    return;
  }
  T given[kMost];
  for (int64_t first = 0; first < n; first += kMost) {
    const int64_t some = std::min(kMost, n - first);
    std::copy_n(x + first, some, given);
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < some; ++i) to[first + i] = Of::of(given[i]);
    for (int64_t i = 0; i < some; ++i) {
      if (!Of::inside(given[i])) to[first + i] = Of::beyond(given[i]);
    }
  }
}

template <class T, class Out, class Of, bool a_row, bool b_row>
RANVIER_LEVEL_TARGET void two(int64_t n, const void* a, const void* b, const void*, void* out) {
  const T *const x = static_cast<const T*>(a), *const y = static_cast<const T*>(b);
  const T first = *x, second = *y;
  Out* const to = static_cast<Out*>(out);
  RANVIER_INDEPENDENT
  RANVIER_UNROLLED
  for (int64_t i = 0; i < n; ++i) to[i] = Of::of(a_row ? x[i] : first, b_row ? y[i] : second);
}

template <class T, bool a_row, bool b_row, bool c_row>
RANVIER_LEVEL_TARGET void product_and_sum(int64_t n, const void* a, const void* b, const void* c, void* out) {
  const T *const x = static_cast<const T*>(a), *const y = static_cast<const T*>(b), *const z = static_cast<const T*>(c);
  const T first = *x, second = *y, third = *z;
  T* const to = static_cast<T*>(out);
  RANVIER_INDEPENDENT
  RANVIER_UNROLLED
  for (int64_t i = 0; i < n; ++i) to[i] = (a_row ? x[i] : first) * (b_row ? y[i] : second) + (c_row ? z[i] : third);
}

// flag ? second : first, both of them read: else each element is a jump.
template <class T, bool b_row, bool c_row>
RANVIER_LEVEL_TARGET void select_row(int64_t n, const void* a, const void* b, const void* c, void* out) {
  const uint8_t* const flag = static_cast<const uint8_t*>(a);
  const T *const x = static_cast<const T*>(b), *const y = static_cast<const T*>(c);
  const T first = *x, second = *y;
  T* const to = static_cast<T*>(out);
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T no = b_row ? x[i] : first, yes = c_row ? y[i] : second;
    to[i] = static_cast<T>(no ^ ((no ^ yes) & (T(0) - static_cast<T>(flag[i]))));
  }
}

template <class T, bool b_row, bool c_row>
RANVIER_LEVEL_TARGET void select_all(int64_t n, const void* a, const void* b, const void* c, void* out) {
  const bool yes = *static_cast<const uint8_t*>(a) != 0;
  const T* const from = static_cast<const T*>(yes ? c : b);
  T* const to = static_cast<T*>(out);
  if (yes ? c_row : b_row) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
  } else {
    std::fill_n(to, n, *from);
  }
}

#define RANVIER_ONE(Name, expression)      \
  struct Name {                            \
    template <class T>                     \
    RANVIER_OF static auto of(T x) {       \
      return expression;                   \
    }                                      \
  };
#define RANVIER_TWO(Name, expression)      \
  struct Name {                            \
    template <class T>                     \
    RANVIER_OF static auto of(T x, T y) {  \
      return expression;                   \
    }                                      \
  };
RANVIER_ONE(Copy, x)
RANVIER_ONE(Negative, static_cast<T>(-x))
RANVIER_ONE(Absolute, static_cast<T>(x < T(0) ? -x : x))
RANVIER_ONE(AbsoluteReal, std::fabs(x))
RANVIER_ONE(Sign, x > T(0) ? T(1) : x < T(0) ? T(-1) : x)
RANVIER_ONE(Floor, std::floor(x))
RANVIER_ONE(Ceiling, std::ceil(x))
RANVIER_ONE(Round, std::nearbyint(x))
RANVIER_ONE(RoundAway, std::round(x))
RANVIER_ONE(SquareRoot, std::sqrt(x))
RANVIER_ONE(ExponentialOf, exponential(x))
RANVIER_ONE(ExponentialMinusOne, exponential_minus_one(x))
RANVIER_ONE(LogarithmOfOneMore, std::log1p(x))
RANVIER_ONE(Tanh, tangent_of_area(x))
RANVIER_ONE(Tangent, std::tan(x))
RANVIER_ONE(ErrorFunction, std::erf(x))
RANVIER_ONE(IsFinite, static_cast<uint8_t>(std::fabs(x) <= std::numeric_limits<T>::max()))
RANVIER_ONE(Not, static_cast<uint8_t>(x ^ 1))
RANVIER_TWO(Add, static_cast<T>(x + y))
RANVIER_TWO(Subtract, static_cast<T>(x - y))
RANVIER_TWO(Multiply, static_cast<T>(x * y))
RANVIER_TWO(Divide, x / y)
RANVIER_TWO(Maximum, x > y || x != x ? x : y)  // NaN if either is
RANVIER_TWO(Minimum, x < y || x != x ? x : y)
RANVIER_TWO(Power, std::pow(x, y))
RANVIER_TWO(Remainder, std::fmod(x, y))
RANVIER_TWO(Angle, std::atan2(x, y))
RANVIER_TWO(Less, static_cast<uint8_t>(x < y))
RANVIER_TWO(LessOrEqual, static_cast<uint8_t>(x <= y))
RANVIER_TWO(Greater, static_cast<uint8_t>(x > y))
RANVIER_TWO(GreaterOrEqual, static_cast<uint8_t>(x >= y))
RANVIER_TWO(Equal, static_cast<uint8_t>(x == y))
RANVIER_TWO(NotEqual, static_cast<uint8_t>(x != y))
RANVIER_TWO(And, static_cast<T>(x & y))
RANVIER_TWO(Or, static_cast<T>(x | y))
RANVIER_TWO(ExclusiveOr, static_cast<T>(x ^ y))
#undef RANVIER_ONE
#undef RANVIER_TWO

template <class T, class Out, class Of>
PointwiseLoop loop_of_two(bool a_row, bool b_row) {
  if (a_row && b_row) return two<T, Out, Of, true, true>;
  if (a_row) return two<T, Out, Of, true, false>;
  return b_row ? two<T, Out, Of, false, true> : two<T, Out, Of, false, false>;
}

template <class T, bool a_row>
PointwiseLoop loop_of_three(bool b_row, bool c_row) {
  if (b_row && c_row) return product_and_sum<T, a_row, true, true>;
  if (b_row) return product_and_sum<T, a_row, true, false>;
  return c_row ? product_and_sum<T, a_row, false, true> : product_and_sum<T, a_row, false, false>;
}

template <class T>
PointwiseLoop loop_of_selection(bool a_row, bool b_row, bool c_row) {
  if (a_row) {
    if (b_row && c_row) return select_row<T, true, true>;
    if (b_row) return select_row<T, true, false>;
    return c_row ? select_row<T, false, true> : select_row<T, false, false>;
  }
  if (b_row && c_row) return select_all<T, true, true>;
  if (b_row) return select_all<T, true, false>;
  return c_row ? select_all<T, false, true> : select_all<T, false, false>;
}

template <class T>
PointwiseLoop loop_of_conversion(PointwiseType to) {
  switch (to) {
    case PointwiseType::kInt32: return convert_row<T, int32_t>;
    case PointwiseType::kInt64: return convert_row<T, int64_t>;
    case PointwiseType::kUint32: return convert_row<T, uint32_t>;
    case PointwiseType::kFloat: return convert_row<T, float>;
    case PointwiseType::kDouble: return convert_row<T, double>;
    default: return nullptr;
  }
}

// What all numbers have.
template <class T, class Exact>
PointwiseLoop loop_of_numbers(PointwiseOperation operation, bool a_row, bool b_row) {
  using Operation = PointwiseOperation;
  switch (operation) {
    case Operation::kNegative: return one<T, T, Negative>;
    case Operation::kSign: return one<T, T, Sign>;
    // Whole numbers wrap around.
    case Operation::kAdd: return loop_of_two<Exact, Exact, Add>(a_row, b_row);
    case Operation::kSubtract: return loop_of_two<Exact, Exact, Subtract>(a_row, b_row);
    case Operation::kMultiply: return loop_of_two<Exact, Exact, Multiply>(a_row, b_row);
    case Operation::kMaximum: return loop_of_two<T, T, Maximum>(a_row, b_row);
    case Operation::kMinimum: return loop_of_two<T, T, Minimum>(a_row, b_row);
    case Operation::kLess: return loop_of_two<T, uint8_t, Less>(a_row, b_row);
    case Operation::kLessOrEqual: return loop_of_two<T, uint8_t, LessOrEqual>(a_row, b_row);
    case Operation::kGreater: return loop_of_two<T, uint8_t, Greater>(a_row, b_row);
    case Operation::kGreaterOrEqual: return loop_of_two<T, uint8_t, GreaterOrEqual>(a_row, b_row);
    case Operation::kEqual: return loop_of_two<T, uint8_t, Equal>(a_row, b_row);
    case Operation::kNotEqual: return loop_of_two<T, uint8_t, NotEqual>(a_row, b_row);
    default: return nullptr;
  }
}

template <class T>
PointwiseLoop loop_of_reals(PointwiseOperation operation, bool a_row, bool b_row, bool c_row) {
  using Operation = PointwiseOperation;
  switch (operation) {
    case Operation::kAbsolute: return one<T, T, AbsoluteReal>;
    case Operation::kFloor: return one<T, T, Floor>;
    case Operation::kCeiling: return one<T, T, Ceiling>;
    case Operation::kRound: return one<T, T, Round>;
    case Operation::kRoundAway: return one<T, T, RoundAway>;
    case Operation::kSquareRoot: return one<T, T, SquareRoot>;
    case Operation::kExponential: return one<T, T, ExponentialOf>;
    case Operation::kExponentialMinusOne: return one<T, T, ExponentialMinusOne>;
    case Operation::kLogarithm: return within<T, Logarithm>;
    case Operation::kLogarithmOfOneMore: return one<T, T, LogarithmOfOneMore>;
    case Operation::kTanh: return one<T, T, Tanh>;
    case Operation::kSine: return within<T, Sine>;
    case Operation::kCosine: return within<T, Cosine>;
    case Operation::kTangent: return one<T, T, Tangent>;
    case Operation::kErrorFunction: return one<T, T, ErrorFunction>;
    case Operation::kRelaxation: return relaxations<T>;
    case Operation::kIsFinite: return one<T, uint8_t, IsFinite>;
    case Operation::kDivide: return loop_of_two<T, T, Divide>(a_row, b_row);
    case Operation::kPower: return loop_of_two<T, T, Power>(a_row, b_row);
    case Operation::kRemainder: return loop_of_two<T, T, Remainder>(a_row, b_row);
    case Operation::kAngle: return loop_of_two<T, T, Angle>(a_row, b_row);
    case Operation::kProductAndSum: return a_row ? loop_of_three<T, true>(b_row, c_row) : loop_of_three<T, false>(b_row, c_row);
    default: return loop_of_numbers<T, T>(operation, a_row, b_row);
  }
}

template <class T>
PointwiseLoop loop_of_wholes(PointwiseOperation operation, bool a_row, bool b_row) {
  using Operation = PointwiseOperation;
  switch (operation) {
    case Operation::kAbsolute: return one<T, T, Absolute>;
    case Operation::kAnd: return loop_of_two<T, T, And>(a_row, b_row);
    case Operation::kOr: return loop_of_two<T, T, Or>(a_row, b_row);
    case Operation::kExclusiveOr: return loop_of_two<T, T, ExclusiveOr>(a_row, b_row);
    default: return loop_of_numbers<T, std::make_unsigned_t<T>>(operation, a_row, b_row);
  }
}

inline PointwiseLoop loop_of_flags(PointwiseOperation operation, bool a_row, bool b_row) {
  using Operation = PointwiseOperation;
  switch (operation) {
    case Operation::kNot: return one<uint8_t, uint8_t, Not>;
    case Operation::kAnd: return loop_of_two<uint8_t, uint8_t, And>(a_row, b_row);
    case Operation::kOr: return loop_of_two<uint8_t, uint8_t, Or>(a_row, b_row);
    case Operation::kEqual: return loop_of_two<uint8_t, uint8_t, Equal>(a_row, b_row);
    case Operation::kExclusiveOr:
    case Operation::kNotEqual: return loop_of_two<uint8_t, uint8_t, NotEqual>(a_row, b_row);
    default: return nullptr;
  }
}

inline PointwiseLoop loop(PointwiseOperation operation, PointwiseType type, PointwiseType to, bool a_row, bool b_row, bool c_row) {
  using Operation = PointwiseOperation;
  using Type = PointwiseType;
  if (operation == Operation::kCopy || operation == Operation::kSelect) {
    const bool copies = operation == Operation::kCopy;
    switch (width_of(type)) {
      case 1: return copies ? one<uint8_t, uint8_t, Copy> : loop_of_selection<uint8_t>(a_row, b_row, c_row);
      case 4: return copies ? one<uint32_t, uint32_t, Copy> : loop_of_selection<uint32_t>(a_row, b_row, c_row);
      default: return copies ? one<uint64_t, uint64_t, Copy> : loop_of_selection<uint64_t>(a_row, b_row, c_row);
    }
  }
  if (operation == Operation::kConvert) {
    switch (type) {
      case Type::kFlag: return loop_of_conversion<uint8_t>(to);
      case Type::kInt32: return loop_of_conversion<int32_t>(to);
      case Type::kInt64: return loop_of_conversion<int64_t>(to);
      case Type::kUint32: return loop_of_conversion<uint32_t>(to);
      case Type::kFloat: return loop_of_conversion<float>(to);
      default: return loop_of_conversion<double>(to);
    }
  }
  switch (type) {
    case Type::kFlag: return loop_of_flags(operation, a_row, b_row);
    case Type::kInt32: return loop_of_wholes<int32_t>(operation, a_row, b_row);
    case Type::kInt64: return loop_of_wholes<int64_t>(operation, a_row, b_row);
    case Type::kUint32: return nullptr;
    case Type::kFloat: return loop_of_reals<float>(operation, a_row, b_row, c_row);
    default: return loop_of_reals<double>(operation, a_row, b_row, c_row);
  }
}

}  // namespace RANVIER_LEVEL

#undef RANVIER_OF
#undef RANVIER_LEVEL
#undef RANVIER_LEVEL_TARGET
