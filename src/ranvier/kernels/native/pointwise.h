// Functions of each neuron's own numbers, as a list of operations on blocks of neurons that stay in the first-level cache.
#pragma once

#include <cstdint>
#include <vector>

namespace ranvier {

// The numbers under which Python asks for them (kernels/pointwise.py).
enum class PointwiseOperation : int64_t {
  kCopy, kNegative, kAbsolute, kSign, kFloor, kCeiling, kRound, kRoundAway, kSquareRoot, kExponential, kExponentialMinusOne, kLogarithm, kLogarithmOfOneMore,
  kTanh, kSine, kCosine, kTangent, kErrorFunction, kIsFinite, kRelaxation, kNot,
  kAdd, kSubtract, kMultiply, kDivide, kMaximum, kMinimum, kPower, kRemainder, kAngle,
  kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kEqual, kNotEqual, kAnd, kOr, kExclusiveOr,
  kProductAndSum, kSelect, kConvert, kEnd
};

// As XLA numbers its types.
enum class PointwiseType : int64_t { kFlag = 1, kInt32 = 4, kInt64 = 5, kUint32 = 8, kFloat = 11, kDouble = 12 };

constexpr int64_t width_of(PointwiseType type) {
  return type == PointwiseType::kFlag ? 1 : type == PointwiseType::kInt64 || type == PointwiseType::kDouble ? 8 : 4;
}

// out[i] = operation(a[i], b[i], c[i]) of n elements, or of one number for all; what is written lies in the same place or elsewhere.
using PointwiseLoop = void (*)(int64_t n, const void* a, const void* b, const void* c, void* out);

// The loop of an operation on operands of a type, each of them a row or one number; of two types where it converts. Nothing where there is none.
PointwiseLoop pointwise_loop(PointwiseOperation operation, PointwiseType type, PointwiseType to, bool a_row, bool b_row, bool c_row);

// A list of operations on registers: first the operands, then constants, then numbers and rows that are kept for a while, last the results.
struct Pointwise {
  struct Register {
    bool row;  // one number a neuron, or one for all
    PointwiseType type;
  };
  struct Instruction {
    PointwiseLoop loop;
    int64_t out, a, b, c;
  };
  std::vector<Register> operands, results;
  std::vector<uint64_t> constants;
  int64_t n_numbers = 0, n_rows = 0, row_width = 1;  // bytes of the widest number in a row that is kept
  std::vector<Instruction> of_numbers, of_rows;

  int64_t n_registers() const { return static_cast<int64_t>(operands.size() + constants.size() + results.size()) + n_numbers + n_rows; }
};

// The neurons begin … end − 1. `numbers` has room for the program's numbers, which `pointwise_numbers` has computed.
void pointwise_rows(const Pointwise& program, const void* const* operands, void* const* results, const uint64_t* numbers, int64_t begin, int64_t end);

// What is one number for all.
void pointwise_numbers(const Pointwise& program, const void* const* operands, void* const* results, uint64_t* numbers);

// Differential equations whose elements do not see each other, from row to row of what is kept. A step is a program; each of its operands is
// a row of the state, the time before or after the step, its length, or something given.
struct March {
  static constexpr int64_t kTime = 0, kNextTime = 1, kLength = 2, kGiven = 3;  // operands that are no state, counted after those

  Pointwise step;
  int64_t n = 0;                 // elements of a row
  int64_t rows = 0, every = 1;   // kept, the first of which is there; steps from one to the next
  std::vector<int64_t> sources;  // for each operand the number of the state, or of the states and one of the above
  std::vector<int64_t> kept;     // for each result in which buffer it is kept, or -1
  std::vector<int64_t> states;   // for each state which result it becomes
  int64_t width = 8;             // bytes of a time and of each element of the state
};

// How many elements stay in the first-level cache together.
int64_t march_block(const March& march);

// Elements begin … end − 1, at most a block, of every row. `buffers` hold the first row.
void march(const March& march, const void* times, const void* lengths, const void* const* begins, const void* const* given, void* const* buffers, int64_t begin, int64_t end);

}  // namespace ranvier
