// Functions of each neuron's own numbers beside plain loops, and given spikes.
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
  }
  for (const int64_t n : {1, 5, 300}) check_given(n);
}
