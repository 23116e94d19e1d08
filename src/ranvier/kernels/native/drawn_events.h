// The handler of edges that are not stored.
#pragma once

#include <memory>

#include "buffers.h"
#include "drawn_edges.h"
#include "perform.h"

namespace ranvier::handlers {

constexpr int64_t kDrawsToShare = 8192;  // fewer are drawn sooner by one thread than handed to another
constexpr int64_t kPiecesAtOnce = 1024;  // drawn before they are added: few enough to stay in the cache, and seldom waits one for another

// All threads draw, piece by piece; then one adds, in the order in which one alone would: the same bits. To draw an edge takes 3 ns, to add
// it .7; a stretch of the accumulator for each thread would have each look at every edge, which takes longer.
template <class T>
void deliver_drawn_on(ffi::ThreadPool& pool, const History<T>& history, int64_t step, const DrawnEdges<T>& edges, T* out, int64_t n_post) {
  const auto pieces = drawn_pieces(history, step, edges);
  int64_t draws = 0;
  for (const auto& piece : pieces) draws += piece.n;
  if (draws < worth_sharing(kDrawsToShare) || pool.num_threads() < 2) {
    ranvier::deliver_drawn(history, step, edges, out, n_post);
    return;
  }
  const std::unique_ptr<int32_t[]> place(new int32_t[kPiecesAtOnce * kRowDraws]);
  const std::unique_ptr<T[]> value(new T[kPiecesAtOnce * kRowDraws]);
  const int64_t all = static_cast<int64_t>(pieces.size());
  for (int64_t first = 0; first < all; first += kPiecesAtOnce) {
    const int64_t some = std::min(kPiecesAtOnce, all - first);
    share(pool, some, [&](int64_t i) { draw_piece(edges, pieces[first + i], n_post, &place[i * kRowDraws], &value[i * kRowDraws]); });
    for (int64_t i = 0; i < some; ++i) add_drawn(&place[i * kRowDraws], &value[i * kRowDraws], pieces[first + i].n, out);
  }
}

template <ffi::DataType type>
ffi::Error deliver_drawn(ffi::ThreadPool pool, ffi::Buffer<ffi::S32> source, ffi::Buffer<type> amplitude, ffi::Buffer<ffi::S32> count, ffi::Buffer<ffi::S64> step,
                         ffi::Buffer<ffi::S32> delays, ffi::Buffer<ffi::U32> keys, ffi::Buffer<ffi::S32> degree,
                         ffi::Buffer<ffi::S64> begin, ffi::Buffer<ffi::S64> rule, ffi::Buffer<ffi::F64> numbers,
                         ffi::Buffer<ffi::S64> pieces, ffi::Buffer<ffi::U32> quantiles, ffi::Buffer<type> accumulator,
                         ffi::ResultBuffer<type> out) {
  // source [slots, n], amplitude [slots, n or 0], count [slots], step [], delays [2]: shortest and longest, keys [6]: of targets, weights and
  // delays, degree [sources], begin [sources], rule [7]: kind, candidates, shift, exclude, first source, kinds of weights and of delays;
  // numbers [10]: of weights 4, of delays 4, dt, least delay; pieces [p, 3], accumulator [n_post]
  const Dimensions h = source.dimensions(), a = amplitude.dimensions(), p = pieces.dimensions();
  if (h.size() != 2 || a.size() != 2 || p.size() != 2) return shapes("deliver_drawn");
  const int64_t slots = h[0], n = h[1], sources = degree.element_count();
  if (slots < 1 || a[0] != slots || (a[1] != n && a[1] != 0) || static_cast<int64_t>(count.element_count()) != slots || step.element_count() != 1 ||
      delays.element_count() != 2 || keys.element_count() != 6 || static_cast<int64_t>(begin.element_count()) != sources || rule.element_count() != 7 ||
      numbers.element_count() != 10 || p[1] != 3 || quantiles.element_count() != 4097 || !equal(accumulator.dimensions(), out->dimensions()) ||
      out->element_count() > INT32_MAX) {
    return shapes("deliver_drawn");
  }
  const int64_t* const r = rule.typed_data();
  const uint32_t* const k = keys.typed_data();
  if (r[0] < 0 || r[0] > 2 || r[5] < 0 || r[5] > 2 || r[6] < 0 || r[6] > 2 || r[1] < 0 || r[1] > INT32_MAX) return shapes("deliver_drawn");
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    carry_over(accumulator, out);
    using T = ffi::NativeType<type>;
    const History<T> history{source.typed_data(), a[1] == 0 ? nullptr : amplitude.typed_data(), count.typed_data(), slots, n};
    const DrawnEdges<T> edges{{static_cast<Targets>(r[0]), {r[1], r[2], r[3] != 0}, {k[0], k[1], 0}},
                              degree.typed_data(),
                              begin.typed_data(),
                              sources,
                              r[4],
                              {delays.typed_data()[0],
                               delays.typed_data()[1],
                               {static_cast<NumberKind>(r[6]), {k[4], k[5], 0}, numbers.typed_data() + 4},
                               numbers.typed_data()[8],
                               numbers.typed_data()[9]},
                              {static_cast<NumberKind>(r[5]), {k[2], k[3], 0}, numbers.typed_data()},
                              quantiles.typed_data(),
                              {pieces.typed_data(), p[0]}};
    deliver_drawn_on(threads, history, step.typed_data()[0], edges, out->typed_data(), static_cast<int64_t>(out->element_count()));
  });
}

}  // namespace ranvier::handlers
