#include "pointwise.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "elementary.h"
#include "elementwise.h"
#include "loops.h"

// Products and sums may become one instruction here, as in integrate_and_fire.cc.

namespace ranvier {
namespace {

constexpr int64_t kBytes = 64 * 1024;  // of rows that are kept between the loops: longer rows for fewer calls, at a few reads from the second-level cache
constexpr int64_t kFewest = 64, kMost = 1024;  // neurons in a block

template <class From, class To>
void convert_row(int64_t n, const void* a, const void*, const void*, void* out) {
  convert<From, To>(n, {a, 1}, out);
}

#define RANVIER_LEVEL baseline
#define RANVIER_LEVEL_TARGET
#include "pointwise_loops.h"

#ifdef RANVIER_TARGET_LEVELS
#define RANVIER_LEVEL v3
#define RANVIER_LEVEL_TARGET __attribute__((target("arch=x86-64-v3")))
#include "pointwise_loops.h"

#define RANVIER_LEVEL v4
#define RANVIER_LEVEL_TARGET __attribute__((target("arch=x86-64-v4,prefer-vector-width=512")))
#include "pointwise_loops.h"
#endif

// Where registers lie: what is one number for all, and of rows the first neuron of the block.
class Registers {
 public:
  Registers(const Pointwise& program, const void* const* operands, void* const* results, const uint64_t* numbers, int64_t begin, unsigned char* rows, int64_t apart)
      : program_(program), at_(room()) {
    at_.resize(program.n_registers());
    auto next = at_.begin();
    for (size_t i = 0; i < program.operands.size(); ++i) {
      const Pointwise::Register& of = program.operands[i];
      *next++ = static_cast<unsigned char*>(const_cast<void*>(operands[i])) + (of.row ? begin * width_of(of.type) : 0);
    }
    for (const uint64_t& constant : program.constants) *next++ = reinterpret_cast<unsigned char*>(const_cast<uint64_t*>(&constant));
    for (int64_t i = 0; i < program.n_numbers; ++i) *next++ = reinterpret_cast<unsigned char*>(const_cast<uint64_t*>(numbers + i));
    for (int64_t i = 0; i < program.n_rows; ++i) *next++ = rows + i * apart;
    for (size_t i = 0; i < program.results.size(); ++i) {
      const Pointwise::Register& of = program.results[i];
      *next++ = static_cast<unsigned char*>(results[i]) + (of.row ? begin * width_of(of.type) : 0);
    }
  }

  unsigned char* operator[](int64_t i) const { return at_[i]; }

  void advance(int64_t n) {
    for (size_t i = 0; i < program_.operands.size(); ++i) move(program_.operands[i], i, n);
    for (size_t i = 0, first = at_.size() - program_.results.size(); i < program_.results.size(); ++i) move(program_.results[i], first + i, n);
  }

 private:
  static std::vector<unsigned char*>& room() {
    static thread_local std::vector<unsigned char*> kept;  // one at a time in each thread
    return kept;
  }

  void move(const Pointwise::Register& of, size_t i, int64_t n) {
    if (of.row) at_[i] += n * width_of(of.type);
  }

  const Pointwise& program_;
  std::vector<unsigned char*>& at_;
};

void perform(const std::vector<Pointwise::Instruction>& instructions, const Registers& at, int64_t n) {
  for (const Pointwise::Instruction& x : instructions) x.loop(n, at[x.a], at[x.b], at[x.c], at[x.out]);
}

}  // namespace

PointwiseLoop pointwise_loop(PointwiseOperation operation, PointwiseType type, PointwiseType to, bool a_row, bool b_row, bool c_row) {
#ifdef RANVIER_TARGET_LEVELS
  if (__builtin_cpu_supports("x86-64-v4")) return v4::loop(operation, type, to, a_row, b_row, c_row);
  if (__builtin_cpu_supports("x86-64-v3")) return v3::loop(operation, type, to, a_row, b_row, c_row);
#endif
  return baseline::loop(operation, type, to, a_row, b_row, c_row);
}

void pointwise_numbers(const Pointwise& program, const void* const* operands, void* const* results, uint64_t* numbers) {
  perform(program.of_numbers, Registers(program, operands, results, numbers, 0, nullptr, 0), 1);
}

void pointwise_rows(const Pointwise& program, const void* const* operands, void* const* results, const uint64_t* numbers, int64_t begin, int64_t end) {
  constexpr int64_t line = 64, beside = 5 * line;  // so that rows do not lie in the same places of the cache
  const int64_t width = program.row_width, fit = kBytes / (width * std::max<int64_t>(program.n_rows, 1));
  const int64_t block = std::clamp(fit / kFewest * kFewest, kFewest, kMost);
  static thread_local std::vector<unsigned char> room;
  const int64_t apart = block * width + beside;
  room.resize(std::max<size_t>(room.size(), program.n_rows * apart + line));
  unsigned char* const rows = room.data() + (line - reinterpret_cast<uintptr_t>(room.data()) % line) % line;
  Registers at(program, operands, results, numbers, begin, rows, apart);
  for (int64_t first = begin; first < end; first += block) {
    const int64_t n = std::min(block, end - first);
    perform(program.of_rows, at, n);
    at.advance(n);
  }
}

}  // namespace ranvier
