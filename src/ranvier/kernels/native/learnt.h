// The numbers that loops read, computed of what an optimiser moves, and the derivatives of that: a list of operations on rows of numbers,
// which `ranvier/torch/fused/learnt.py` writes down from a layer's formulas. Those that a library computes in its own way (exp, expm1,
// sigmoid) are PyTorch's, between two calls of `run`, so that the numbers are the reference's to the last bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace ranvier {

// In the order of `OPERATIONS` in learnt.py. What is behind `ratio` is PyTorch's: `run` copies its argument to where it works in place.
enum class Learning : int32_t {
  given, add, subtract, multiply, divide, add_number, from_number, times_number, over_number, reciprocal, negative, limited, safe, ratio,
  exp, expm1, sigmoid
};

struct LearningStep {
  Learning operation;
  int32_t a, b;  // rows that it reads; of `given` a is the place of the input
  double number;
};

constexpr double kLimit = 50;  // of an exponent: neither 0 nor infinite in single precision
constexpr double kNear = 1e-4;  // below, (exp(z) − 1)/z is its series

template <class T>
bool near_zero(T z) { return std::abs(z) < T(kNear); }

template <class T>
class LearntRows {
 public:
  // `rows`: for each row of the result the step that it is, or −1 where it is one of `numbers`.
  LearntRows(int64_t period, std::vector<LearningStep> steps, std::vector<int32_t> rows, std::vector<double> numbers)
      : period_(period), steps_(std::move(steps)), rows_(std::move(rows)), numbers_(std::move(numbers)) {}

  // Steps first to last − 1 into `work` [steps, period].
  void run(int64_t first, int64_t last, const std::vector<const T*>& given, T* work) const {
    for (int64_t s = first; s < last; ++s) {
      const LearningStep& step = steps_[s];
      const T *a = step.operation == Learning::given ? given[step.a] : row(work, step.a), *b = row(work, step.b);
      T* to = work + s * period_;
      const T number = static_cast<T>(step.number);
      for (int64_t i = 0; i < period_; ++i) to[i] = value(step.operation, a[i], b == nullptr ? T(0) : b[i], number);
    }
  }

  // The result [rows, period].
  void collect(const T* work, T* rows) const {
    for (size_t r = 0; r < rows_.size(); ++r) {
      const T* from = rows_[r] < 0 ? nullptr : work + rows_[r] * period_;
      for (int64_t i = 0; i < period_; ++i) rows[r * period_ + i] = from == nullptr ? static_cast<T>(numbers_[r]) : from[i];
    }
  }

  // From the gradients of the rows (or null), and of `elements` each of tensors that are filled with the steps `filled`, to those of what
  // is given.
  void back(const T* work, const T* of_rows, int64_t elements, const std::vector<int32_t>& filled, const std::vector<const T*>& of_filled,
            const std::vector<T*>& of_given) const {
    std::vector<T> room(steps_.size() * period_, T(0));
    const auto of = [&](int64_t s) { return room.data() + s * period_; };
    for (size_t r = 0; of_rows != nullptr && r < rows_.size(); ++r) {
      for (int64_t i = 0; rows_[r] >= 0 && i < period_; ++i) of(rows_[r])[i] += of_rows[r * period_ + i];
    }
    for (size_t k = 0; k < filled.size(); ++k) {
      for (int64_t i = 0; of_filled[k] != nullptr && i < elements; ++i) of(filled[k])[i % period_] += of_filled[k][i];
    }
    for (int64_t s = static_cast<int64_t>(steps_.size()) - 1; s >= 0; --s) {
      const LearningStep& step = steps_[s];
      if (step.operation == Learning::given) {
        T* to = of_given[step.a];
        for (int64_t i = 0; to != nullptr && i < period_; ++i) to[i] = of(s)[i];
        continue;
      }
      const T *a = row(work, step.a), *b = row(work, step.b), *made = work + s * period_;
      T *of_a = of(step.a), *of_b = step.b < 0 ? nullptr : of(step.b);
      for (int64_t i = 0; i < period_; ++i) add_shares(step, of(s)[i], a[i], b == nullptr ? T(0) : b[i], made[i], of_a + i, of_b == nullptr ? nullptr : of_b + i);
    }
  }

 private:
  const T* row(const T* work, int32_t s) const { return s < 0 ? nullptr : work + s * period_; }

  static T value(Learning operation, T a, T b, T number) {
    switch (operation) {
      case Learning::add: return a + b;
      case Learning::subtract: return a - b;
      case Learning::multiply: return a * b;
      case Learning::divide: return a / b;
      case Learning::add_number: return a + number;
      case Learning::from_number: return number - a;
      case Learning::times_number: return a * number;
      case Learning::over_number: return a / number;
      case Learning::reciprocal: return T(1) / a;
      case Learning::negative: return -a;
      case Learning::limited: return a < T(-kLimit) ? T(-kLimit) : a > T(kLimit) ? T(kLimit) : a;
      case Learning::safe: return near_zero(a) ? T(1) : a;
      case Learning::ratio: {  // of z, with expm1 of what is safe of it in b
        const T series = (T(1) + a / T(2)) + a * a / T(6);
        return near_zero(a) ? series : b / a;
      }
      default: return a;
    }
  }

  static void add_shares(const LearningStep& step, T of, T a, T b, T made, T* of_a, T* of_b) {
    const T number = static_cast<T>(step.number);
    switch (step.operation) {
      case Learning::add: *of_a += of, *of_b += of; break;
      case Learning::subtract: *of_a += of, *of_b -= of; break;
      case Learning::multiply: *of_a += of * b, *of_b += of * a; break;
      case Learning::divide: *of_a += of / b, *of_b -= of * made / b; break;
      case Learning::add_number: *of_a += of; break;
      case Learning::from_number: case Learning::negative: *of_a -= of; break;
      case Learning::times_number: *of_a += of * number; break;
      case Learning::over_number: *of_a += of / number; break;
      case Learning::reciprocal: *of_a -= of * made * made; break;
      case Learning::limited: *of_a += std::abs(a) <= T(kLimit) ? of : T(0); break;
      case Learning::ratio: *of_a += of * (near_zero(a) ? T(0.5) + a / T(3) : ((b + T(1)) - made) / a); break;
      case Learning::exp: *of_a += of * made; break;
      case Learning::expm1: *of_a += of * (made + T(1)); break;
      case Learning::sigmoid: *of_a += of * made * (T(1) - made); break;
      case Learning::safe: case Learning::given: break;  // `ratio` is one of z alone
    }
  }

  int64_t period_;
  std::vector<LearningStep> steps_;
  std::vector<int32_t> rows_;
  std::vector<double> numbers_;
};

}  // namespace ranvier
