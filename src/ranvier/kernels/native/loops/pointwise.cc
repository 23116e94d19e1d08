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
constexpr int64_t kShort = 256, kWhole = 16;   // elements of a row that is filled up, and of the widest vector

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

  void put_operand(int64_t i, const void* at) { at_[i] = static_cast<unsigned char*>(const_cast<void*>(at)); }

  void put_result(int64_t i, void* at) { at_[at_.size() - program_.results.size() + i] = static_cast<unsigned char*>(at); }

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

constexpr int64_t kLine = 64, kBeside = 5 * kLine;  // so that rows do not lie in the same places of the cache

// Elements of a block, and bytes from one of its rows to the next.
int64_t block_of(const Pointwise& program) {
  const int64_t fit = kBytes / (program.row_width * std::max<int64_t>(program.n_rows, 1));
  return std::clamp(fit / kFewest * kFewest, kFewest, kMost);
}

int64_t apart_of(const Pointwise& program, int64_t block) {
  constexpr int64_t widest = 8;  // results may be wider than what is kept between the loops
  return (block * std::max(program.row_width, widest) + kLine - 1) / kLine * kLine + kBeside;
}

// Memory of this thread's own, from a line on.
unsigned char* room_of(int64_t bytes) {
  static thread_local std::vector<unsigned char> room;
  room.resize(std::max<size_t>(room.size(), bytes + kLine));
  return room.data() + (kLine - reinterpret_cast<uintptr_t>(room.data()) % kLine) % kLine;
}

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
  const int64_t block = block_of(program), apart = apart_of(program, block);
  Registers at(program, operands, results, numbers, begin, room_of(program.n_rows * apart), apart);
  for (int64_t first = begin; first < end; first += block) {
    const int64_t n = std::min(block, end - first);
    perform(program.of_rows, at, n);
    at.advance(n);
  }
}

int64_t march_block(const March& march) { return block_of(march.step); }

void march(const March& march, const void* times, const void* lengths, const void* const* begins, const void* const* given, void* const* buffers, int64_t begin, int64_t end) {
  const Pointwise& step = march.step;
  // A short row is filled up with its last element: what is less than a vector is computed one by one, and takes longer.
  const int64_t n = end - begin, filled = n < kShort ? (n + kWhole - 1) / kWhole * kWhole : n;
  const int64_t width = march.width, apart = apart_of(step, filled), n_results = step.results.size(), n_states = march.states.size();
  unsigned char* const rows = room_of((step.n_rows + 2 * n_results + n_states + static_cast<int64_t>(march.sources.size())) * apart);
  unsigned char* const passing = rows + step.n_rows * apart;  // results that are not kept, of two steps in turn
  unsigned char* free = passing + 2 * n_results * apart;
  std::vector<uint64_t> numbers(step.n_numbers + 1);
  std::vector<const void*> operands(march.sources.size());
  std::vector<void*> results(n_results);
  std::vector<const void*> state(n_states);
  const auto from = [&](const void* row, int64_t wide) -> const void* {
    const unsigned char* const first = static_cast<const unsigned char*>(row) + begin * wide;
    if (filled == n) return first;
    unsigned char* const copy = free;
    free += apart;
    std::memcpy(copy, first, n * wide);
    for (int64_t i = n; i < filled; ++i) std::memcpy(copy + i * wide, first + (n - 1) * wide, wide);
    return copy;
  };
  const auto in_row = [&](int64_t result, int64_t row) {
    const int64_t wide = width_of(step.results[result].type);
    return static_cast<unsigned char*>(buffers[march.kept[result]]) + (row * march.n + begin) * wide;
  };
  for (int64_t i = 0; i < n_states; ++i) state[i] = from(begins[i], width);
  Registers at(step, operands.data(), results.data(), numbers.data(), 0, rows, apart);
  for (size_t i = 0; i < march.sources.size(); ++i) {
    const int64_t which = march.sources[i] - n_states - March::kGiven;
    if (which >= 0) at.put_operand(i, step.operands[i].row ? from(given[which], width_of(step.operands[i].type)) : given[which]);
  }
  const auto* const time = static_cast<const unsigned char*>(times);
  const auto* const length = static_cast<const unsigned char*>(lengths);
  for (int64_t row = 1, k = 0; row < march.rows; ++row) {
    for (int64_t turn = 0; turn < march.every; ++turn, ++k) {
      for (size_t i = 0; i < march.sources.size(); ++i) {
        const int64_t source = march.sources[i];
        if (source < n_states) {
          at.put_operand(i, state[source]);
        } else if (source < n_states + March::kGiven) {
          const int64_t of_time = source - n_states;
          at.put_operand(i, of_time == March::kLength ? length + k * width : time + (k + (of_time == March::kNextTime ? 1 : 0)) * width);
        }
      }
      for (int64_t r = 0; r < n_results; ++r) {
        const bool there = filled == n && march.kept[r] >= 0 && turn + 1 == march.every;
        results[r] = there ? in_row(r, row) : passing + (2 * r + k % 2) * apart;
        at.put_result(r, results[r]);
      }
      perform(step.of_numbers, at, 1);
      perform(step.of_rows, at, filled);
      for (int64_t i = 0; i < n_states; ++i) state[i] = results[march.states[i]];
    }
    for (int64_t r = 0; r < n_results && filled != n; ++r) {
      if (march.kept[r] >= 0) std::memcpy(in_row(r, row), results[r], n * width_of(step.results[r].type));
    }
  }
}

}  // namespace ranvier
