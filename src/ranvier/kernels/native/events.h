// Handlers of the spikes' history and of their delivery.
#pragma once

#include "buffers.h"
#include "loops.h"
#include "perform.h"

namespace ranvier::handlers {

constexpr int64_t kEventsToShare = 8192;  // fewer are delivered sooner by one thread than handed to another

// Calls work(piece) once for every piece in [0, pieces): on several threads where there are enough events in all.
template <class Work>
void share_events(ffi::ThreadPool& pool, int64_t pieces, double events, const Work& work) {
  if (events >= worth_sharing(kEventsToShare)) {
    share(pool, pieces, work);
  } else {
    for (int64_t piece = 0; piece < pieces; ++piece) work(piece);
  }
}

template <ffi::DataType type>
ffi::Error note_spikes(ffi::Buffer<ffi::PRED> flags, ffi::Buffer<type> amplitude, ffi::Buffer<ffi::S64> step,
                       ffi::Buffer<ffi::S32> source, ffi::Buffer<type> history, ffi::Buffer<ffi::S32> count,
                       ffi::ResultBuffer<ffi::S32> new_source, ffi::ResultBuffer<type> new_history,
                       ffi::ResultBuffer<ffi::S32> new_count) {
  // flags [batch…, n], amplitude [batch…, n or 1], step [batch…], source [batch…, slots, n], history [batch…, slots, n or 0],
  // count [batch…, slots]
  const Dimensions f = flags.dimensions(), a = amplitude.dimensions(), s = step.dimensions(), o = new_source->dimensions(),
                   h = new_history->dimensions(), c = new_count->dimensions();
  if (c.size() < 1) return shapes("note_spikes");
  const Batch batch(c, 1);
  if (!batch.accepts(f, 1) || !batch.accepts(a, 1) || !batch.accepts(s, 0) || !batch.accepts(o, 2) || !equal(source.dimensions(), o) ||
      !batch.accepts(h, 2) || !equal(history.dimensions(), h) || !equal(count.dimensions(), c)) {
    return shapes("note_spikes");
  }
  const int64_t n = f.back(), slots = c.back(), width = a.back(), kept = h.back();
  if (slots < 1 || o.back() != n || o[o.size() - 2] != slots || h[h.size() - 2] != slots || (kept != n && kept != 0) ||
      (width != n && width != 1)) {
    return shapes("note_spikes");
  }
  const std::shared_ptr<const Spiking> list = batch.size == 1 && kept == 0 ? list_of(flags.typed_data(), n) : nullptr;
  return perform([=]() mutable {
    carry_over(source, new_source);
    carry_over(history, new_history);
    carry_over(count, new_count);
    for (int64_t i = 0; i < batch.size; ++i) {
      const int64_t slot = floor_mod(step.typed_data()[batch.block(s, i)], slots), row = i * slots + slot;
      if (list != nullptr) {
        std::copy_n(list->who.begin(), list->count, new_source->typed_data() + row * n);
        new_count->typed_data()[row] = static_cast<int32_t>(list->count);
        continue;
      }
      const int64_t spikes = ranvier::note_spikes(flags.typed_data() + batch.block(f, i) * n,
                                                  amplitude.typed_data() + batch.block(a, i) * width, width == 1 ? 0 : 1, n,
                                                  new_source->typed_data() + row * n,
                                                  kept == 0 ? nullptr : new_history->typed_data() + row * n);
      new_count->typed_data()[row] = static_cast<int32_t>(spikes);
    }
  });
}

// Where what it is told of lies: spikes on their way and edges, one batch element and block at a time.
template <ffi::DataType type, ffi::DataType index>
struct Delivered {
  using T = ffi::NativeType<type>;
  Batch batch;
  Dimensions h, c, s, d, g, t, l, f;
  ffi::Buffer<ffi::S32> source, count;
  ffi::Buffer<ffi::S64> step;
  ffi::Buffer<ffi::S32> delays;
  ffi::Buffer<index> segments;
  ffi::Buffer<ffi::S32> target;
  ffi::Buffer<ffi::S64> bounds, offset;
  int64_t n = 0, slots = 0, n_delays = 0, blocks = 0, edges = 0;
  bool fits = false;

  Delivered(Batch batch, ffi::Buffer<ffi::S32> source, ffi::Buffer<ffi::S32> count, ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S32> delays,
            ffi::Buffer<index> segments, ffi::Buffer<ffi::S32> target, ffi::Buffer<ffi::S64> bounds, ffi::Buffer<ffi::S64> offset)
      : batch(batch), h(source.dimensions()), c(count.dimensions()), s(step.dimensions()), d(delays.dimensions()), g(segments.dimensions()),
        t(target.dimensions()), l(bounds.dimensions()), f(offset.dimensions()), source(source), count(count), step(step), delays(delays),
        segments(segments), target(target), bounds(bounds), offset(offset) {
    if (!batch.accepts(h, 2) || !batch.accepts(c, 1) || !batch.accepts(s, 0) || !batch.accepts(d, 1) || !batch.accepts(g, 3) ||
        !batch.accepts(t, 1) || !batch.accepts(l, 1) || !batch.accepts(f, 0)) {
      return;
    }
    n = h.back(), slots = c.back(), n_delays = d.back(), blocks = g[g.size() - 3], edges = t.back();
    fits = slots >= 1 && h[h.size() - 2] == slots && g.back() == n_delays + 1 && g[g.size() - 2] == n && l.back() == blocks + 1;
  }

  // Calls visit(history, step, edges, offset) for block `b` of batch element `i`; `amplitude` and `weight`, of that element, may be null.
  template <class Visit>
  void visit_block(int64_t i, int64_t b, const T* amplitude, const T* weight, Weights kind, int64_t n_post, const Visit& visit) const {
    const int64_t at = offset.typed_data()[batch.block(f, i)];
    if (at < 0 || at > n_post) return;
    const History<T> history{source.typed_data() + batch.block(h, i) * slots * n, amplitude,
                             count.typed_data() + batch.block(c, i) * slots, slots, n};
    const int64_t* bound = bounds.typed_data() + batch.block(l, i) * (blocks + 1) + b;
    const int64_t low = std::clamp(bound[0], int64_t{0}, n_post - at), high = std::clamp(bound[1], low, n_post - at);
    const BlockOfEdges<T, ffi::NativeType<index>> block{delays.typed_data() + batch.block(d, i) * n_delays,
                                                        n_delays,
                                                        segments.typed_data() + (batch.block(g, i) * blocks + b) * n * (n_delays + 1),
                                                        target.typed_data() + batch.block(t, i) * edges,
                                                        edges,
                                                        weight,
                                                        kind,
                                                        low,
                                                        high};
    visit(history, step.typed_data()[batch.block(s, i)], block, at);
  }

  // The same for every block, one after the other.
  template <class Visit>
  void each(int64_t i, const T* amplitude, const T* weight, Weights kind, int64_t n_post, const Visit& visit) const {
    for (int64_t b = 0; b < blocks; ++b) visit_block(i, b, amplitude, weight, kind, n_post, visit);
  }
};

inline bool are_weights(int64_t rows, int64_t width, int64_t n, int64_t edges) {
  return (rows == 1 && (width == edges || width == 1)) || (rows == n && width == 1);
}

inline Weights kind_of(int64_t rows, int64_t width) {
  return width != 1 ? Weights::kOneAnEdge : rows != 1 ? Weights::kOneASource : Weights::kOne;
}

template <ffi::DataType type, ffi::DataType index>
ffi::Error deliver_events(ffi::ThreadPool pool, ffi::Buffer<ffi::S32> source, ffi::Buffer<type> amplitude, ffi::Buffer<ffi::S32> count,
                          ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S32> delays, ffi::Buffer<index> segments,
                          ffi::Buffer<ffi::S32> target, ffi::Buffer<ffi::S64> bounds, ffi::Buffer<type> weights,
                          ffi::Buffer<ffi::S64> offset, ffi::Buffer<type> accumulator, ffi::ResultBuffer<type> out) {
  // source [batch…, slots, n], amplitude [batch…, slots, n or 0], count [batch…, slots], step [batch…], delays [batch…, D],
  // segments [batch…, blocks, n, D + 1], target [batch…, edges], bounds [batch…, blocks + 1], weights [batch…, 1, edges],
  // [batch…, n, 1] or [batch…, 1, 1], offset [batch…], accumulator [batch…, n_post]
  const Dimensions a = amplitude.dimensions(), w = weights.dimensions(), o = out->dimensions();
  if (o.size() < 1) return shapes("deliver_events");
  const Batch batch(o, 1);
  const Delivered<type, index> given(batch, source, count, step, delays, segments, target, bounds, offset);
  if (!given.fits || !batch.accepts(a, 2) || !batch.accepts(w, 2) || !equal(accumulator.dimensions(), o)) return shapes("deliver_events");
  const int64_t rows = w[w.size() - 2], width = w.back(), kept = a.back(), n_post = o.back();
  if (!are_weights(rows, width, given.n, given.edges) || (kept != given.n && kept != 0) || a[a.size() - 2] != given.slots) {
    return shapes("deliver_events");
  }
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    carry_over(accumulator, out);
    const auto deliver = [&](int64_t piece) {
      const int64_t i = piece / given.blocks;
      const auto* strength = kept == 0 ? nullptr : amplitude.typed_data() + batch.block(a, i) * given.slots * kept;
      const auto* weight = weights.typed_data() + batch.block(w, i) * rows * width;
      given.visit_block(i, piece % given.blocks, strength, weight, kind_of(rows, width), n_post,
                        [&](const auto& history, int64_t k, const auto& edges, int64_t at) {
                          ranvier::deliver_events(history, k, edges, out->typed_data() + i * n_post + at);
                        });
    };
    const int64_t spikes = arriving_spikes(count.typed_data(), given.slots, step.typed_data()[0], delays.typed_data(), given.n_delays);
    const double places = static_cast<double>(std::max<int64_t>(given.n * given.n_delays, 1));
    share_events(threads, batch.size * given.blocks, spikes * (given.edges / places) * batch.size, deliver);  // of the first, for all
  });
}

template <ffi::DataType type, ffi::DataType index>
ffi::Error deliver_to_weights(ffi::Buffer<ffi::S32> source, ffi::Buffer<ffi::S32> count, ffi::Buffer<ffi::S64> step,
                              ffi::Buffer<ffi::S32> delays, ffi::Buffer<index> segments, ffi::Buffer<ffi::S32> target,
                              ffi::Buffer<ffi::S64> bounds, ffi::Buffer<ffi::S64> offset, ffi::Buffer<type> amplitude,
                              ffi::Buffer<type> change, ffi::ResultBuffer<type> out) {
  // amplitude [batch…, slots, n or 0], change [batch…, n_post], out [batch…, 1 or n, 1 or edges]; the others as in deliver_events
  const Dimensions a = amplitude.dimensions(), x = change.dimensions(), o = out->dimensions();
  if (o.size() < 2) return shapes("deliver_to_weights");
  const Batch batch(o, 2);
  const Delivered<type, index> given(batch, source, count, step, delays, segments, target, bounds, offset);
  if (!given.fits || !batch.accepts(a, 2) || !batch.accepts(x, 1)) return shapes("deliver_to_weights");
  const int64_t rows = o[o.size() - 2], width = o.back(), kept = a.back(), n_post = x.back();
  if (!are_weights(rows, width, given.n, given.edges) || (kept != given.n && kept != 0) || a[a.size() - 2] != given.slots) {
    return shapes("deliver_to_weights");
  }
  return perform([=]() mutable {
    std::memset(out->typed_data(), 0, out->size_bytes());
    for (int64_t i = 0; i < batch.size; ++i) {
      const auto* strength = kept == 0 ? nullptr : amplitude.typed_data() + batch.block(a, i) * given.slots * kept;
      given.each(i, strength, nullptr, kind_of(rows, width), n_post, [&](const auto& history, int64_t k, const auto& edges, int64_t at) {
        ranvier::deliver_to_weights(history, k, edges, change.typed_data() + batch.block(x, i) * n_post + at,
                                    out->typed_data() + i * rows * width);
      });
    }
  });
}

template <ffi::DataType type, ffi::DataType index>
ffi::Error deliver_to_amplitudes(ffi::Buffer<ffi::S32> source, ffi::Buffer<ffi::S32> count, ffi::Buffer<ffi::S64> step,
                                 ffi::Buffer<ffi::S32> delays, ffi::Buffer<index> segments, ffi::Buffer<ffi::S32> target,
                                 ffi::Buffer<ffi::S64> bounds, ffi::Buffer<ffi::S64> offset, ffi::Buffer<type> weights,
                                 ffi::Buffer<type> change, ffi::ResultBuffer<type> out) {
  // weights [batch…, 1 or n, 1 or edges], change [batch…, n_post], out [batch…, slots, n]; the others as in deliver_events
  const Dimensions w = weights.dimensions(), x = change.dimensions(), o = out->dimensions();
  if (o.size() < 2) return shapes("deliver_to_amplitudes");
  const Batch batch(o, 2);
  const Delivered<type, index> given(batch, source, count, step, delays, segments, target, bounds, offset);
  if (!given.fits || !batch.accepts(w, 2) || !batch.accepts(x, 1)) return shapes("deliver_to_amplitudes");
  const int64_t rows = w[w.size() - 2], width = w.back(), n_post = x.back(), size = given.slots * given.n;
  if (!are_weights(rows, width, given.n, given.edges) || o.back() != given.n || o[o.size() - 2] != given.slots) {
    return shapes("deliver_to_amplitudes");
  }
  return perform([=]() mutable {
    std::memset(out->typed_data(), 0, out->size_bytes());
    for (int64_t i = 0; i < batch.size; ++i) {
      const auto* weight = weights.typed_data() + batch.block(w, i) * rows * width;
      given.each(i, nullptr, weight, kind_of(rows, width), n_post, [&](const auto& history, int64_t k, const auto& edges, int64_t at) {
        ranvier::deliver_to_amplitudes(history, k, edges, change.typed_data() + batch.block(x, i) * n_post + at,
                                       out->typed_data() + i * size);
      });
    }
  });
}

}  // namespace ranvier::handlers
