// Handlers of the counter-based draws.
#pragma once

#include "buffers.h"
#include "loops.h"
#include "perform.h"

namespace ranvier::handlers {

constexpr int64_t kDrawsAtOnce = 16384;  // on one thread; fewer are not worth the hand-over to another

// Where the draws of each batch element come from: seed and step without dimensions of their own, the rest [batch…, segments].
struct Origin {
  ffi::Buffer<ffi::U32> seed_low, seed_high;
  ffi::Buffer<ffi::S64> step;
  ffi::Buffer<ffi::U32> stream, first;
  ffi::Buffer<ffi::S32> end;

  bool fits(const Batch& batch, int64_t n) const {
    if (!batch.accepts(seed_low.dimensions(), 0) || !batch.accepts(seed_high.dimensions(), 0) || !batch.accepts(step.dimensions(), 0) ||
        !batch.accepts(stream.dimensions(), 1) || !batch.accepts(first.dimensions(), 1) || !batch.accepts(end.dimensions(), 1)) {
      return false;
    }
    const int64_t segments = stream.dimensions().back();
    return first.dimensions().back() == segments && end.dimensions().back() == segments && (segments > 0 || n == 0);
  }

  template <class Buffer>
  static auto of(const Batch& batch, const Buffer& x, int64_t b) {
    return x.typed_data()[batch.block(x.dimensions(), b)];
  }

  template <class Buffer>
  static auto* row(const Batch& batch, const Buffer& x, int64_t b) {
    return x.typed_data() + batch.block(x.dimensions(), b) * x.dimensions().back();
  }

  DrawKey key(const Batch& batch, int64_t b, uint32_t stream_of_segment) const {
    return draw_key(of(batch, seed_low, b), of(batch, seed_high, b), stream_of_segment, of(batch, step, b));
  }

  Streams streams(const Batch& batch, int64_t b) const {
    return {row(batch, stream, b), row(batch, first, b), row(batch, end, b), stream.dimensions().back()};
  }
};

// Calls draw(b, key, index, i, n) for stretches of the neurons of every batch element b: the n from the i-th on, `index` of it in its
// stream.
template <class Draw>
void for_each_stretch(ffi::ThreadPool& pool, const Batch& batch, const Origin& origin, int64_t n, const Draw& draw) {
  const int64_t length = worth_sharing(kDrawsAtOnce), stretches = (n + length - 1) / length;
  share(pool, batch.size * stretches, [&](int64_t piece) {
    const int64_t b = piece / stretches, begin = piece % stretches * length;
    const Streams streams = origin.streams(batch, b);
    for_each_segment(streams.end, streams.segments, begin, std::min(n, begin + length), [&](int64_t s, int64_t i, int64_t some) {
      draw(b, origin.key(batch, b, streams.stream[s]), streams.index(s, i), i, some);
    });
  });
}

template <ffi::DataType type>
ffi::Error uniforms(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> seed_low, ffi::Buffer<ffi::U32> seed_high, ffi::Buffer<ffi::S64> step,
                    ffi::Buffer<ffi::U32> stream, ffi::Buffer<ffi::U32> first, ffi::Buffer<ffi::S32> end, ffi::ResultBuffer<type> out) {
  const Dimensions o = out->dimensions();
  if (o.size() < 1) return shapes("uniforms");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, step, stream, first, end};
  if (!origin.fits(batch, o.back())) return shapes("uniforms");
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    for_each_stretch(threads, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t index, int64_t i, int64_t n) {
      ranvier::uniforms(key, index, n, out->typed_data() + b * o.back() + i);
    });
  });
}

template <ffi::DataType type>
ffi::Error normals(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> seed_low, ffi::Buffer<ffi::U32> seed_high, ffi::Buffer<ffi::S64> step,
                   ffi::Buffer<ffi::U32> stream, ffi::Buffer<ffi::U32> first, ffi::Buffer<ffi::S32> end,
                   ffi::Buffer<ffi::U32> quantiles, ffi::ResultBuffer<type> out) {
  // quantiles [batch…, 4097]
  const Dimensions q = quantiles.dimensions(), o = out->dimensions();
  if (o.size() < 1) return shapes("normals");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, step, stream, first, end};
  if (!origin.fits(batch, o.back()) || !batch.accepts(q, 1) || q.back() != 4097) return shapes("normals");
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    for_each_stretch(threads, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t index, int64_t i, int64_t n) {
      ranvier::normals(key, index, n, quantiles.typed_data() + batch.block(q, b) * q.back(), out->typed_data() + b * o.back() + i);
    });
  });
}

template <ffi::DataType type>
ffi::Error bernoulli(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> seed_low, ffi::Buffer<ffi::U32> seed_high, ffi::Buffer<ffi::S64> step,
                     ffi::Buffer<ffi::U32> stream, ffi::Buffer<ffi::U32> first, ffi::Buffer<ffi::S32> end, ffi::Buffer<type> probability,
                     ffi::ResultBuffer<ffi::PRED> out) {
  // probability [batch…, n or 1]
  const Dimensions p = probability.dimensions(), o = out->dimensions();
  if (o.size() < 1) return shapes("bernoulli");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, step, stream, first, end};
  if (!origin.fits(batch, o.back()) || !batch.accepts(p, 1) || (p.back() != o.back() && p.back() != 1)) return shapes("bernoulli");
  const int64_t stride = p.back() == 1 ? 0 : 1;
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    for_each_stretch(threads, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t index, int64_t i, int64_t n) {
      ranvier::bernoulli(key, index, n, Origin::row(batch, probability, b) + i * stride, stride, out->typed_data() + b * o.back() + i);
    });
  });
}

// The thresholds [batch…, rates, length] and which row each neuron has, rate [batch…, n or 1].
struct Rates {
  ffi::Buffer<ffi::U32> table;
  ffi::Buffer<ffi::S32> rate;

  bool fit(const Batch& batch, int64_t n) const {
    const int64_t width = batch.accepts(rate.dimensions(), 1) ? rate.dimensions().back() : 0;
    return batch.accepts(table.dimensions(), 2) && (width == n || width == 1);
  }

  PoissonTable of(const Batch& batch, int64_t b, int64_t i) const {
    const Dimensions t = table.dimensions(), r = rate.dimensions();
    const int64_t rates = t[t.size() - 2], length = t.back(), stride = r.back() == 1 ? 0 : 1;
    return {table.typed_data() + batch.block(t, b) * rates * length, rates, length,
            rate.typed_data() + batch.block(r, b) * r.back() + i * stride, stride};
  }
};

inline ffi::Error poisson_counts(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> seed_low, ffi::Buffer<ffi::U32> seed_high,
                                 ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::U32> stream, ffi::Buffer<ffi::U32> first,
                                 ffi::Buffer<ffi::S32> end, ffi::Buffer<ffi::U32> table, ffi::Buffer<ffi::S32> rate, ffi::ResultBuffer<ffi::S32> out) {
  const Dimensions o = out->dimensions();
  if (o.size() < 1) return shapes("poisson_counts");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, step, stream, first, end};
  const Rates rates{table, rate};
  if (!origin.fits(batch, o.back()) || !rates.fit(batch, o.back())) return shapes("poisson_counts");
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    for_each_stretch(threads, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t index, int64_t i, int64_t n) {
      ranvier::poisson_counts(key, index, n, rates.of(batch, b, i), out->typed_data() + b * o.back() + i);
    });
  });
}

template <ffi::DataType type>
ffi::Error add_poisson(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> seed_low, ffi::Buffer<ffi::U32> seed_high,
                       ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::U32> stream, ffi::Buffer<ffi::U32> first, ffi::Buffer<ffi::S32> end,
                       ffi::Buffer<ffi::U32> table, ffi::Buffer<ffi::S32> rate, ffi::Buffer<type> weights, ffi::Buffer<type> accumulator,
                       ffi::ResultBuffer<type> out) {
  // weights [batch…, n or 1], accumulator [batch…, n]
  const Dimensions w = weights.dimensions(), o = out->dimensions();
  if (o.size() < 1) return shapes("add_poisson");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, step, stream, first, end};
  const Rates rates{table, rate};
  if (!origin.fits(batch, o.back()) || !rates.fit(batch, o.back()) || !batch.accepts(w, 1) || !equal(accumulator.dimensions(), o) ||
      (w.back() != o.back() && w.back() != 1)) {
    return shapes("add_poisson");
  }
  const int64_t stride = w.back() == 1 ? 0 : 1;
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    carry_over(accumulator, out);
    for_each_stretch(threads, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t index, int64_t i, int64_t n) {
      ranvier::add_poisson(key, index, n, rates.of(batch, b, i), weights.typed_data() + batch.block(w, b) * w.back() + i * stride, stride,
                           out->typed_data() + b * o.back() + i);
    });
  });
}

}  // namespace ranvier::handlers
