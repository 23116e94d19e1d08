// Handler of one step of integrate-and-fire neurons.
#pragma once

#include "buffers.h"
#include "integrate_and_fire.h"
#include "loops.h"
#include "numbers.h"
#include "perform.h"

namespace ranvier::handlers {

constexpr int64_t kNeuronsAtOnce = 8192;  // on one thread; fewer are not worth the hand-over to another

// step [batch…], since [batch…], recent [batch…, n], refractory [batch…, n, members or 0] (where these are one number, one a neuron),
// coefficients [batch…, members, C], ends [batch…, members], then the variables [batch…, n], those that are written first, then the coefficients that differ among the neurons, [batch…, n],
// whose places are `each`. Results: recent and flags [batch…, n], the written variables.
template <ffi::DataType type>
ffi::Error integrate_and_fire(ffi::ThreadPool pool, ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S64> since, ffi::Buffer<ffi::S32> recent,
                              ffi::Buffer<ffi::S32> refractory, ffi::Buffer<type> coefficients,
                              ffi::Buffer<ffi::S32> ends, ffi::RemainingArgs operands, ffi::ResultBuffer<ffi::S32> new_recent,
                              ffi::ResultBuffer<ffi::PRED> flags, ffi::RemainingRets results, ffi::Span<const int64_t> numbers,
                              ffi::Span<const int64_t> each) {
  using T = ffi::NativeType<type>;
  constexpr const char* kernel = "integrate_and_fire";
  const Dimensions r = recent.dimensions();
  if (r.size() < 1) return shapes(kernel);
  const Batch batch(flags->dimensions(), 1);
  const Dimensions p = refractory.dimensions(), w = coefficients.dimensions(), e = ends.dimensions();
  const int64_t n = r.back();
  if (!equal(r, flags->dimensions()) || !equal(r, new_recent->dimensions()) || !batch.accepts(step.dimensions(), 0) ||
      !batch.accepts(since.dimensions(), 0) || !batch.accepts(p, 1) ||
      !batch.accepts(w, 2) || !batch.accepts(e, 1)) {
    return shapes(kernel);
  }
  const int64_t members = e.back();
  if (w[w.size() - 2] != members || members < 1 || (p.back() != 0 && p.back() != members && p.back() != n)) return shapes(kernel);
  Numbers description(numbers);  // of the equations, as kernels/integrate_and_fire.py writes it
  const int64_t written = results.size(), variables = description.next(kMostVariables + 1), shared = w.back(), own = each.size();
  if (!description.good() || static_cast<int64_t>(operands.size()) != variables + own || written > variables) return shapes(kernel);

  struct Carried {
    const void* from;
    void* to;
    size_t bytes;
  };
  std::array<Carried, kMostVariables + 1> carried{};
  std::array<T*, kMostVariables> of_variables{};
  for (int64_t v = 0; v < variables; ++v) {
    const auto operand = operands.get<ffi::Buffer<type>>(v);
    if (!operand.has_value() || !equal(operand->dimensions(), r)) return shapes(kernel);
    of_variables[v] = operand->typed_data();
    if (v < written) {
      auto result = results.get<ffi::Buffer<type>>(v);
      if (!result.has_value() || !equal((*result)->dimensions(), r)) return shapes(kernel);
      of_variables[v] = (*result)->typed_data();
      carried[v] = {operand->typed_data(), of_variables[v], operand->size_bytes()};
    }
  }
  carried[kMostVariables] = {recent.typed_data(), new_recent->typed_data(), recent.size_bytes()};

  constexpr int64_t most = kMostVariables * (2 * kMostTerms + 2);
  std::array<Dimensions, most> extents;
  std::array<const T*, most> data;
  if (own > most) return shapes(kernel);
  for (int64_t c = 0; c < own; ++c) {
    const auto operand = operands.get<ffi::Buffer<type>>(variables + c);
    if (!operand.has_value() || !batch.accepts(operand->dimensions(), 1) || operand->dimensions().back() != n) return shapes(kernel);
    extents[c] = operand->dimensions();
    data[c] = operand->typed_data();
  }

  const auto describe = [&](int64_t b, IntegrateAndFire<T>& neurons) {
    Numbers numbers_of(numbers);
    numbers_of.next(kMostVariables + 1);
    int64_t next = 0, next_own = 0;
    const auto coefficient = [&]() -> Coefficient<T> {
      const int64_t place = next++;
      if (place >= shared) {
        numbers_of.next(0);
        return {};
      }
      if (next_own == own || each[next_own] != place) {
        return {coefficients.typed_data() + batch.block(w, b) * members * shared + place, false, shared};
      }
      const int64_t at = next_own++;
      return {data[at] + batch.block(extents[at], b) * n, true};
    };
    const auto form = [&](LinearForm<T>& to) {
      to.constant = coefficient();
      to.n_terms = numbers_of.next(kMostTerms + 1);
      for (int64_t j = 0; j < to.n_terms; ++j) to.terms[j].variable = numbers_of.next(variables), to.terms[j].coefficient = coefficient();
    };
    for (int64_t v = 0; v < variables; ++v) neurons.variables[v] = of_variables[v] + b * n;
    for (int64_t v = variables; v < kMostVariables; ++v) neurons.variables[v] = nullptr;
    neurons.copies = numbers_of.next(2);
    neurons.n_moving = numbers_of.next(kMostVariables + 1);
    for (int64_t m = 0; m < neurons.n_moving; ++m) {
      auto& moving = neurons.moving[m];
      moving.variable = numbers_of.next(written);
      moving.held = numbers_of.next(2);
      moving.relaxes = numbers_of.next(2);
      form(moving.form);
      if (moving.relaxes) form(moving.slope);
    }
    neurons.either_end = numbers_of.next(2);
    form(neurons.test);
    neurons.n_resets = numbers_of.next(kMostVariables + 1);
    for (int64_t m = 0; m < neurons.n_resets; ++m) {
      neurons.resets[m].variable = numbers_of.next(written);
      form(neurons.resets[m].form);
    }
    neurons.recent = new_recent->typed_data() + b * n;
    const bool waits = p.back() != 0;
    neurons.refractory = {waits ? refractory.typed_data() + batch.block(p, b) * p.back() : nullptr, p.back() == n, 1};
    return numbers_of.ended() && next == shared && next_own == own;
  };
  if (n == 0 || batch.size == 0) return perform([] {});
  const auto begin_with = [=] {
    for (const Carried& x : carried) {
      if (x.from != x.to) std::memcpy(x.to, x.from, x.bytes);
    }
  };
  const std::shared_ptr<Spiking> list = batch.size == 1 ? keep_list(flags->typed_data(), n) : nullptr;
  std::vector<int64_t> found(n / std::min(kNeuronsAtOnce, kWorthSharingWithHelpers) + 1);  // on each stretch
  auto advance = [=](ffi::ThreadPool& threads, int64_t b, IntegrateAndFire<T>& neurons) mutable {
    neurons.now = static_cast<int32_t>(step.typed_data()[batch.block(step.dimensions(), b)] -
                                       since.typed_data()[batch.block(since.dimensions(), b)]);
    bool* const fired = flags->typed_data() + b * n;
    neurons.cleared = list != nullptr && list->alone && list->count >= 0;
    for (int64_t j = 0; neurons.cleared && j < list->count; ++j) fired[list->who[j]] = false;
    const int32_t* const ends_of_members = ends.typed_data() + batch.block(e, b) * members;
    const int64_t length = worth_sharing(kNeuronsAtOnce), pieces = (n + length - 1) / length;
    share(threads, pieces, [&](int64_t piece) {
      const int64_t begin = piece * length;
      int64_t count = 0;
      for_each_segment(ends_of_members, members, begin, std::min(n, begin + length), [&](int64_t member, int64_t i, int64_t some) {
        count += ranvier::integrate_and_fire(neurons, member, i, i + some, fired, list == nullptr ? nullptr : list->who.data() + begin + count);
      });
      found[piece] = count;
    });
    if (list == nullptr) return;
    list->count = found[0];
    for (int64_t piece = 1; piece < pieces; list->count += found[piece++]) {
      std::copy_n(list->who.begin() + piece * length, found[piece], list->who.begin() + list->count);
    }
  };
  IntegrateAndFire<T> neurons;
  if (!describe(0, neurons)) return shapes(kernel);
  if (batch.size == 1) {  // what describes them is read once, for however many steps
    return perform(pool, [=](ffi::ThreadPool& threads) mutable {
      begin_with();
      advance(threads, 0, neurons);
    });
  }
  begin_with();
  for (int64_t b = 0; b < batch.size; ++b) {
    describe(b, neurons);
    advance(pool, b, neurons);
  }
  return ffi::Error::Success();
}

}  // namespace ranvier::handlers
