// The operations between kernels, and the walk over flags, beside plain loops.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "checks.h"
#include "elementwise.h"

namespace {

template <class T>
std::vector<T> whole_numbers(int64_t n) {
  std::vector<T> x(n);
  for (T& value : x) value = static_cast<T>(integer(0, 5));
  return x;
}

// Flags of their own block of memory, to the byte.
std::unique_ptr<bool[]> flags(int64_t n, int64_t one_in) {
  std::unique_ptr<bool[]> x(new bool[n]);
  for (int64_t i = 0; i < n; ++i) x[i] = integer(1, one_in) == 1;
  return x;
}

template <class T>
void check_numbers(ranvier::Number type, int64_t n) {
  using ranvier::Elementwise;
  for (const int64_t stride_a : {0, 1}) {
    for (const int64_t stride_b : {0, 1}) {
      const std::vector<T> a = whole_numbers<T>(stride_a ? n : 1), b = whole_numbers<T>(stride_b ? n : 1);
      const auto x = [&](int64_t i) { return a[i * stride_a]; };
      const auto y = [&](int64_t i) { return b[i * stride_b]; };
      std::vector<T> sum(n), difference(n);
      const std::unique_ptr<bool[]> less(new bool[n]), equal(new bool[n]);
      ranvier::elementwise(Elementwise::kAdd, type, n, {a.data(), stride_a}, {b.data(), stride_b}, sum.data());
      ranvier::elementwise(Elementwise::kSub, type, n, {a.data(), stride_a}, {b.data(), stride_b}, difference.data());
      ranvier::elementwise(Elementwise::kLt, type, n, {a.data(), stride_a}, {b.data(), stride_b}, less.get());
      ranvier::elementwise(Elementwise::kEq, type, n, {a.data(), stride_a}, {b.data(), stride_b}, equal.get());
      for (int64_t i = 0; i < n; ++i) {
        expect(sum[i] == static_cast<T>(x(i) + y(i)) && difference[i] == static_cast<T>(x(i) - y(i)), "elementwise: wrong number");
        expect(less[i] == (x(i) < y(i)) && equal[i] == (x(i) == y(i)), "elementwise: wrong comparison");
      }
      for (const int64_t stride_f : {0, 1}) {
        const auto f = flags(stride_f ? n : 1, 2);
        std::vector<T> out(n);
        ranvier::select(n, {f.get(), stride_f}, {a.data(), stride_a}, {b.data(), stride_b}, sizeof(T), out.data());
        for (int64_t i = 0; i < n; ++i) expect(out[i] == (f[i * stride_f] ? y(i) : x(i)), "select: the wrong one");
        if (stride_a) {
          std::vector<T> there = a;
          ranvier::select(n, {f.get(), stride_f}, {there.data(), 1}, {b.data(), stride_b}, sizeof(T), there.data());
          expect(there == out, "select: another where it lies");
        }
      }
    }
  }
}

template <class T>
void check_reals(ranvier::Number type, int64_t n) {
  using ranvier::Elementwise;
  const std::vector<T> a = numbers<T>(n), b = numbers<T>(n);
  std::vector<T> product(n), quotient(n), largest(n), least(n), below(n), above(n);
  const ranvier::Operand x{a.data(), 1}, y{b.data(), 1};
  ranvier::elementwise(Elementwise::kMul, type, n, x, y, product.data());
  ranvier::elementwise(Elementwise::kDiv, type, n, x, y, quotient.data());
  ranvier::elementwise(Elementwise::kMax, type, n, x, y, largest.data());
  ranvier::elementwise(Elementwise::kMin, type, n, x, y, least.data());
  ranvier::elementwise(Elementwise::kFloor, type, n, x, x, below.data());
  ranvier::elementwise(Elementwise::kCeiling, type, n, x, x, above.data());
  for (int64_t i = 0; i < n; ++i) {
    expect(product[i] == a[i] * b[i] && quotient[i] == a[i] / b[i], "elementwise: wrong product or quotient");
    expect(largest[i] == std::max(a[i], b[i]) && least[i] == std::min(a[i], b[i]), "elementwise: not the larger or the smaller");
    expect(below[i] == std::floor(a[i]) && above[i] == std::ceil(a[i]), "elementwise: not the whole number beside");
  }
  const T infinite = std::numeric_limits<T>::infinity(), ends[] = {-infinite, T(-1e30), T(-1.5), T(2.9), T(1e30), infinite, std::numeric_limits<T>::quiet_NaN()};
  const int32_t least_of_all = std::numeric_limits<int32_t>::min(), largest_of_all = std::numeric_limits<int32_t>::max();
  const int32_t expected[] = {least_of_all, least_of_all, -1, 2, largest_of_all, largest_of_all, 0};
  int32_t whole[7];
  ranvier::convert<T, int32_t>(7, {ends, 1}, whole);
  for (int64_t i = 0; i < 7; ++i) expect(whole[i] == expected[i], "convert: wrong at the ends");
}

void check_flags(int64_t n, int64_t one_in) {
  using ranvier::Elementwise;
  const auto a = flags(n, one_in), b = flags(n, 2);
  const std::unique_ptr<bool[]> both(new bool[n]), any(new bool[n]), none(new bool[n]), chosen(new bool[n]);
  ranvier::elementwise(Elementwise::kAnd, ranvier::Number::kFlag, n, {a.get(), 1}, {b.get(), 1}, both.get());
  ranvier::elementwise(Elementwise::kOr, ranvier::Number::kFlag, n, {a.get(), 1}, {b.get(), 1}, any.get());
  ranvier::elementwise(Elementwise::kNot, ranvier::Number::kFlag, n, {a.get(), 1}, {a.get(), 1}, none.get());
  ranvier::select(n, {a.get(), 1}, {b.get(), 1}, {a.get(), 1}, 1, chosen.get());
  std::vector<int64_t> wanted, found;
  for (int64_t i = 0; i < n; ++i) {
    expect(both[i] == (a[i] && b[i]) && any[i] == (a[i] || b[i]) && none[i] == !a[i] && chosen[i] == (a[i] || b[i]), "elementwise: wrong flag");
    if (a[i]) wanted.push_back(i);
  }
  ranvier::for_each_set(a.get(), n, [&](int64_t i) { found.push_back(i); });
  expect(found == wanted && ranvier::number_set(a.get(), n) == static_cast<int64_t>(wanted.size()), "for_each_set: other flags");
}

}  // namespace

void check_elementwise() {
  for (const int64_t n : {0, 1, 2, 7, 8, 31, 65, 130}) {
    check_numbers<int32_t>(ranvier::Number::kInt32, n);
    check_numbers<uint32_t>(ranvier::Number::kUint32, n);
    check_numbers<int64_t>(ranvier::Number::kInt64, n);
    check_numbers<float>(ranvier::Number::kFloat, n);
    check_numbers<double>(ranvier::Number::kDouble, n);
    check_reals<float>(ranvier::Number::kFloat, n);
    check_reals<double>(ranvier::Number::kDouble, n);
  }
  for (const int64_t n : {0, 1, 7, 8, 63, 64, 65, 511, 512, 600, 2100}) {
    for (const int64_t one_in : {1, 2, 40, 5000}) check_flags(n, one_in);
  }
}
