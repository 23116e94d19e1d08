// Handler of differential equations whose elements do not see each other: a block of them at a time goes through all steps.
#pragma once

#include <cfenv>
#include <memory>

#include "buffers.h"
#include "large_pages.h"
#include "pointwise_handler.h"

namespace ranvier::handlers {

constexpr int64_t kMarchAtOnce = 1'500'000;  // operations on elements, some tenths of a millisecond; fewer are not worth the hand-over to another thread

// As odeint/elementwise.py writes it; false where it makes no sense.
inline bool read_march(Numbers& numbers, March& march, int64_t& n_buffers) {
  constexpr int64_t most = 4096, many = int64_t{1} << 40;
  march.rows = numbers.next(1, many), march.every = numbers.next(1, many);
  n_buffers = numbers.next(1, most);
  march.sources.resize(numbers.next(most));
  const int64_t n_states = numbers.next(1, most);
  for (int64_t& each : march.sources) each = numbers.next(n_states + March::kGiven + most);
  march.kept.resize(numbers.next(1, most));
  for (int64_t& each : march.kept) each = numbers.next(-1, n_buffers);
  march.states.resize(n_states);
  for (int64_t& each : march.states) each = numbers.next(static_cast<int64_t>(march.kept.size()));
  if (!read_pointwise(numbers, march.n, march.step)) return false;
  const Pointwise& step = march.step;
  if (step.operands.size() != march.sources.size() || step.results.size() != march.kept.size()) return false;
  const PointwiseType type = step.results[march.states[0]].type;
  if (type != PointwiseType::kFloat && type != PointwiseType::kDouble) return false;
  march.width = width_of(type);
  for (const auto& result : step.results) {
    if (!result.row) return false;
  }
  for (const int64_t state : march.states) {
    if (step.results[state].type != type) return false;
  }
  for (size_t i = 0; i < march.sources.size(); ++i) {
    if (march.sources[i] < n_states + March::kGiven && (step.operands[i].row != (march.sources[i] < n_states) || step.operands[i].type != type)) return false;
  }
  return true;
}

// Operands: times [points], lengths [points − 1], the first row of each buffer, each state, what is given; results: buffers [rows, n].
inline ffi::Error march(ffi::ThreadPool pool, ffi::RemainingArgs operands, ffi::RemainingRets results, ffi::Span<const int64_t> numbers) {
  constexpr const char* kernel = "march";
  Numbers description(numbers);
  const auto plan = std::make_shared<March>();
  int64_t n_buffers = 0;
  if (!read_march(description, *plan, n_buffers) || static_cast<int64_t>(results.size()) != n_buffers) return shapes(kernel);
  const int64_t n = plan->n, steps = (plan->rows - 1) * plan->every, n_states = plan->states.size(), width = plan->width;
  const int64_t first_given = 2 + n_buffers + n_states, n_given = static_cast<int64_t>(operands.size()) - first_given;
  if (n_given < 0) return shapes(kernel);
  std::vector<const void*> in(operands.size());
  const auto fits = [&](int64_t i, int64_t least, int64_t wide) {
    const auto buffer = operands.get<ffi::AnyBuffer>(i);
    if (!buffer.has_value() || static_cast<int64_t>(buffer->element_count()) < least || static_cast<int64_t>(buffer->size_bytes()) < least * wide) return false;
    in[i] = buffer->untyped_data();
    return true;
  };
  if (!fits(0, steps + 1, width) || !fits(1, steps, width)) return shapes(kernel);
  std::vector<void*> out(n_buffers);
  std::vector<int64_t> wide(n_buffers, 0);
  for (size_t r = 0; r < plan->kept.size(); ++r) {
    if (plan->kept[r] >= 0) wide[plan->kept[r]] = width_of(plan->step.results[r].type);
  }
  for (int64_t i = 0; i < n_buffers; ++i) {
    auto buffer = results.get<ffi::AnyBuffer>(i);
    if (!buffer.has_value() || wide[i] == 0 || static_cast<int64_t>((*buffer)->size_bytes()) != plan->rows * n * wide[i] || !fits(2 + i, n, wide[i])) return shapes(kernel);
    out[i] = (*buffer)->untyped_data();
    ask_for_large_pages(out[i], plan->rows * n * wide[i]);
  }
  for (int64_t i = 0; i < n_states; ++i) {
    if (!fits(2 + n_buffers + i, n, width)) return shapes(kernel);
  }
  for (size_t i = 0; i < plan->sources.size(); ++i) {
    const int64_t which = plan->sources[i] - n_states - March::kGiven;
    const auto& of = plan->step.operands[i];
    if (which >= 0 && (which >= n_given || !fits(first_given + which, of.row ? n : 1, width_of(of.type)))) return shapes(kernel);
  }
  std::fenv_t environment;
  std::fegetenv(&environment);  // tiny numbers are rounded on all threads as on this one
  const int64_t cost = steps * static_cast<int64_t>(plan->step.of_rows.size()) + 1, threads = std::max<int64_t>(pool.num_threads(), 1);
  const int64_t least = std::max<int64_t>(16, kMarchAtOnce / cost / 16 * 16), shared = (n / threads + 15) / 16 * 16;
  const int64_t length = std::clamp(shared, least, std::max(least, march_block(*plan))), pieces = (n + length - 1) / length;
  share(pool, pieces, [&](int64_t piece) {
    std::fenv_t own;
    std::fegetenv(&own);
    std::fesetenv(&environment);
    const int64_t begin = piece * length, end = std::min(n, begin + length);
    for (int64_t i = 0; i < n_buffers; ++i) {
      std::memcpy(static_cast<unsigned char*>(out[i]) + begin * wide[i], static_cast<const unsigned char*>(in[2 + i]) + begin * wide[i], (end - begin) * wide[i]);
    }
    ranvier::march(*plan, in[0], in[1], in.data() + 2 + n_buffers, in.data() + first_given, out.data(), begin, end);
    std::fesetenv(&own);
  });
  return ffi::Error::Success();
}

}  // namespace ranvier::handlers
