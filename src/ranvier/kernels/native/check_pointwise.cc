// Functions of each neuron's own numbers beside plain loops, and given spikes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "checks.h"
#include "loops.h"
#include "pointwise.h"

namespace {

using ranvier::Pointwise;
using ranvier::PointwiseOperation;
using ranvier::PointwiseType;

template <class T>
void check(PointwiseType type, int64_t n) {
  const auto loop = [&](PointwiseOperation operation, PointwiseType to, bool a_row, bool b_row, bool c_row) {
    return ranvier::pointwise_loop(operation, type, to, a_row, b_row, c_row);
  };
  // Of rows x and y and a number s: product = x · y, shifted = product + twice, less = shifted < x; x becomes less ? x : shifted.
  enum : int64_t { kX, kY, kS, kTwo, kTwice, kProduct, kShifted, kLess, kNewX, kFlags };
  Pointwise program;
  program.operands = {{true, type}, {true, type}, {false, type}};
  const T two = 2;
  uint64_t bits = 0;
  std::memcpy(&bits, &two, sizeof two);
  program.constants = {bits};
  program.n_numbers = 1, program.n_rows = 3, program.row_width = sizeof(T);
  program.results = {{true, type}, {true, PointwiseType::kFlag}};
  program.of_numbers = {{loop(PointwiseOperation::kMultiply, type, false, false, false), kTwice, kS, kTwo, kS}};
  program.of_rows = {
      {loop(PointwiseOperation::kMultiply, type, true, true, true), kProduct, kX, kY, kX},
      {loop(PointwiseOperation::kAdd, type, true, false, true), kShifted, kProduct, kTwice, kProduct},
      {loop(PointwiseOperation::kLess, PointwiseType::kFlag, true, true, true), kLess, kShifted, kX, kShifted},
      {loop(PointwiseOperation::kSelect, type, true, true, true), kNewX, kLess, kShifted, kX},
      {ranvier::pointwise_loop(PointwiseOperation::kCopy, PointwiseType::kFlag, PointwiseType::kFlag, true, true, true), kFlags, kLess, kLess, kLess},
  };
  std::vector<T> x = numbers<T>(n), y = numbers<T>(n);
  const std::vector<T> before = x;
  const T s = 0.25;
  const std::unique_ptr<bool[]> flags(new bool[n]);
  const void* const operands[] = {x.data(), y.data(), &s};
  void* const results[] = {x.data(), flags.get()};
  std::vector<uint64_t> kept(program.n_numbers);
  ranvier::pointwise_numbers(program, operands, results, kept.data());
  const int64_t middle = integer(0, n);
  ranvier::pointwise_rows(program, operands, results, kept.data(), middle, n);
  ranvier::pointwise_rows(program, operands, results, kept.data(), 0, middle);
  for (int64_t i = 0; i < n; ++i) {
    const T product = before[i] * y[i], shifted = product + T(0.5);
    const bool less = shifted < before[i];
    expect(flags[i] == less && x[i] == (less ? before[i] : shifted), "pointwise: a wrong number");
  }
}

// x becomes x · y + t', and half of it is kept too; from row to row, so many steps apart, in pieces.
template <class T>
void check_march(PointwiseType type, int64_t n, int64_t rows, int64_t every) {
  enum : int64_t { kX, kY, kNext, kHalf, kNewX, kHalved };
  ranvier::March plan;
  plan.n = n, plan.rows = rows, plan.every = every, plan.width = sizeof(T);
  plan.step.operands = {{true, type}, {true, type}, {false, type}};
  const T half = 0.5;
  uint64_t bits = 0;
  std::memcpy(&bits, &half, sizeof half);
  plan.step.constants = {bits};
  plan.step.results = {{true, type}, {true, type}};
  plan.step.row_width = sizeof(T);
  plan.step.of_rows = {
      {ranvier::pointwise_loop(PointwiseOperation::kProductAndSum, type, type, true, true, false), kNewX, kX, kY, kNext},
      {ranvier::pointwise_loop(PointwiseOperation::kMultiply, type, type, true, false, true), kHalved, kNewX, kHalf, kNewX},
  };
  plan.sources = {0, 1 + ranvier::March::kGiven, 1 + ranvier::March::kNextTime};
  plan.kept = {-1, 0};
  plan.states = {0};
  const int64_t steps = (rows - 1) * every;
  std::vector<T> x = numbers<T>(n), y = numbers<T>(n), times(steps + 1), lengths(steps), buffer(rows * n);
  for (int64_t k = 0; k <= steps; ++k) times[k] = T(k) / 8;
  for (T& each : y) each /= 16;
  const void* const begins[] = {x.data()};
  const void* const given[] = {y.data()};
  void* const buffers[] = {buffer.data()};
  for (int64_t i = 0; i < n; ++i) buffer[i] = x[i];
  const int64_t block = ranvier::march_block(plan), length = std::min(block, std::max<int64_t>(1, n / 3));
  for (int64_t begin = 0; begin < n; begin += length) ranvier::march(plan, times.data(), lengths.data(), begins, given, buffers, begin, std::min(n, begin + length));
  for (int64_t i = 0; i < n; ++i) {
    double state = x[i];
    for (int64_t k = 1; k <= steps; ++k) {
      state = state * y[i] + times[k];
      const double got = buffer[k / every * n + i];
      if (k % every == 0) expect(std::fabs(got - state / 2) <= 1e-5 * (1 + std::fabs(state)), "march: a wrong number");
    }
    expect(buffer[i] == x[i], "march: the first row has changed");
  }
}

void check_given(int64_t n) {
  std::vector<int64_t> steps;
  std::vector<int32_t> neurons;
  for (int64_t step = 0; step < 20; ++step) {
    for (int64_t spike = integer(0, 4); spike > 0; --spike) steps.push_back(step), neurons.push_back(hostile(n));
  }
  for (int64_t step = -1; step < 21; ++step) {
    const std::unique_ptr<bool[]> flags(new bool[n]);
    ranvier::given_spikes(steps.data(), neurons.data(), static_cast<int64_t>(steps.size()), step, n, flags.get());
    for (int64_t i = 0; i < n; ++i) {
      bool spikes = false;
      for (size_t j = 0; j < steps.size(); ++j) spikes |= steps[j] == step && neurons[j] == i;
      expect(flags[i] == spikes, "given_spikes: the wrong ones");
    }
  }
}

}  // namespace

void check_pointwise() {
  for (const int64_t n : {0, 1, 7, 64, 1023, 5000}) {
    check<double>(PointwiseType::kDouble, n);
    check<float>(PointwiseType::kFloat, n);
    for (const int64_t every : {1, 3}) {
      check_march<double>(PointwiseType::kDouble, n, 7, every);
      check_march<float>(PointwiseType::kFloat, n, 2, every);
    }
  }
  for (const int64_t n : {1, 5, 300}) check_given(n);
}
