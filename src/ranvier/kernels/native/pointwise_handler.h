// Handler of functions of each neuron's own numbers.
#pragma once

#include <memory>

#include "buffers.h"
#include "loops.h"
#include "numbers.h"
#include "perform.h"
#include "pointwise.h"

namespace ranvier::handlers {

constexpr int64_t kPointwiseAtOnce = 4096;  // on one thread; fewer are not worth the hand-over to another

// As kernels/pointwise.py writes it; false where it makes no sense.
inline bool read_pointwise(Numbers& numbers, int64_t& n, Pointwise& program) {
  constexpr int64_t most = 4096;
  n = numbers.next(int64_t{1} << 40);
  const auto registers = [&](std::vector<Pointwise::Register>& into) {
    into.resize(numbers.next(most));
    for (auto& each : into) {
      each.row = numbers.next(2) == 1;
      each.type = static_cast<PointwiseType>(numbers.next(1, 13));
    }
  };
  registers(program.operands);
  const int64_t n_constants = numbers.next(most);
  const int64_t* constants = numbers.some(n_constants);
  if (constants == nullptr) return false;
  program.constants.assign(constants, constants + n_constants);
  program.n_numbers = numbers.next(most), program.n_rows = numbers.next(most);
  registers(program.results);
  const int64_t operands = program.operands.size(), first_number = operands + n_constants, first_row = first_number + program.n_numbers;
  const int64_t first_result = first_row + program.n_rows, all = program.n_registers();
  const auto is_row = [&](int64_t i) {
    if (i < operands) return program.operands[i].row;
    return i >= first_result ? program.results[i - first_result].row : i >= first_row;
  };
  const auto of_type = [&](int64_t i, PointwiseType type) {
    if (i < operands) return program.operands[i].type == type;
    return i < first_result || program.results[i - first_result].type == type;
  };
  for (const bool rows : {false, true}) {
    auto& instructions = rows ? program.of_rows : program.of_numbers;
    instructions.resize(numbers.next(most));
    for (auto& x : instructions) {
      const auto operation = static_cast<PointwiseOperation>(numbers.next(static_cast<int64_t>(PointwiseOperation::kEnd)));
      const auto type = static_cast<PointwiseType>(numbers.next(1, 13)), to = static_cast<PointwiseType>(numbers.next(1, 13));
      const int64_t count = numbers.next(1, 4);
      int64_t in[3];
      for (int64_t k = 0; k < 3; ++k) in[k] = k < count ? numbers.next(all) : in[0];
      x.out = numbers.next(first_number, all), x.a = in[0], x.b = in[1], x.c = in[2];
      if (!numbers.good() || is_row(x.out) != rows) return false;
      for (int64_t k = 0; k < count; ++k) {
        const bool flag = k == 0 && operation == PointwiseOperation::kSelect;
        if ((is_row(in[k]) && !rows) || !of_type(in[k], flag ? PointwiseType::kFlag : type)) return false;
      }
      if (!of_type(x.out, to)) return false;
      if (rows && x.out < first_result) program.row_width = std::max(program.row_width, width_of(to));
      x.loop = pointwise_loop(operation, type, to, is_row(x.a), is_row(x.b), is_row(x.c));
      if (x.loop == nullptr || (count == 1 && rows && !is_row(x.a))) return false;  // of one number a row is made of two
    }
  }
  return numbers.ended();
}

// Operands and results [batch…, n] or [batch…] of the types that the program says.
inline ffi::Error pointwise(ffi::ThreadPool pool, ffi::RemainingArgs operands, ffi::RemainingRets results, ffi::Span<const int64_t> numbers) {
  constexpr const char* kernel = "pointwise";
  Numbers description(numbers);
  const auto program = std::make_shared<Pointwise>();
  int64_t n = 0;
  if (!read_pointwise(description, n, *program) || program->operands.size() != operands.size() || program->results.size() != results.size() || results.size() == 0) {
    return shapes(kernel);
  }
  struct Place {
    unsigned char* data;
    std::vector<int64_t> dimensions;
    int64_t bytes;  // of one block
  };
  std::vector<Place> in, out;
  size_t rank = 0;
  const auto place = [&](const ffi::AnyBuffer& buffer, const Pointwise::Register& as, std::vector<Place>& into) {
    const Dimensions d = buffer.dimensions();
    const size_t inner = as.row ? 1 : 0;
    if (d.size() < inner || (as.row && d.back() != n) || static_cast<int64_t>(buffer.element_type()) != static_cast<int64_t>(as.type)) return false;
    into.push_back({static_cast<unsigned char*>(buffer.untyped_data()), {d.begin(), d.end()}, (as.row ? n : 1) * width_of(as.type)});
    return true;
  };
  for (size_t i = 0; i < results.size(); ++i) {
    auto buffer = results.get<ffi::AnyBuffer>(i);
    if (!buffer.has_value() || !place(**buffer, program->results[i], out)) return shapes(kernel);
  }
  rank = out[0].dimensions.size() - (program->results[0].row ? 1 : 0);
  const Batch batch(Dimensions(out[0].dimensions.data(), rank), 0);
  const std::vector<int64_t> extents(out[0].dimensions.begin(), out[0].dimensions.begin() + static_cast<int64_t>(rank));
  for (size_t i = 0; i < results.size(); ++i) {
    const size_t inner = program->results[i].row ? 1 : 0;
    if (out[i].dimensions.size() != rank + inner || !std::equal(extents.begin(), extents.end(), out[i].dimensions.begin())) return shapes(kernel);
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    const auto buffer = operands.get<ffi::AnyBuffer>(i);
    if (!buffer.has_value() || !place(*buffer, program->operands[i], in)) return shapes(kernel);
    if (!batch.accepts(Dimensions(in[i].dimensions.data(), in[i].dimensions.size()), program->operands[i].row ? 1 : 0)) return shapes(kernel);
  }
  const int64_t members = batch.size;
  std::vector<const void*> from(in.size());
  std::vector<void*> to(out.size());
  std::vector<uint64_t> kept(program->n_numbers + 1);
  return perform(pool, [program, n, members, extents, in, out, from, to, kept](ffi::ThreadPool& threads) mutable {
    const Batch all(Dimensions(extents.data(), extents.size()), 0);
    for (int64_t b = 0; b < members; ++b) {
      for (size_t i = 0; i < in.size(); ++i) from[i] = in[i].data + all.block(Dimensions(in[i].dimensions.data(), extents.size()), b) * in[i].bytes;
      for (size_t i = 0; i < out.size(); ++i) to[i] = out[i].data + b * out[i].bytes;
      pointwise_numbers(*program, from.data(), to.data(), kept.data());
      const int64_t length = worth_sharing(kPointwiseAtOnce), pieces = (n + length - 1) / length;
      share(threads, pieces, [&](int64_t piece) {
        pointwise_rows(*program, from.data(), to.data(), kept.data(), piece * length, std::min(n, (piece + 1) * length));
      });
    }
  });
}

}  // namespace ranvier::handlers
