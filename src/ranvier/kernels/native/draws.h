// Handlers of the counter-based draws.
#pragma once

#include "buffers.h"
#include "loops.h"
#include "threads.h"

namespace ranvier::handlers {

constexpr int64_t kDrawsAtOnce = 16384;  // on one thread; fewer are not worth the hand-over to another

// Where the draws of each batch element come from: operands without dimensions of their own.
struct Origin {
  ffi::Buffer<ffi::U32> &seed_low, &seed_high, &stream, &start;
  ffi::Buffer<ffi::S64>& step;

  bool fits(const Batch& batch) const {
    return batch.accepts(seed_low.dimensions(), 0) && batch.accepts(seed_high.dimensions(), 0) && batch.accepts(stream.dimensions(), 0) &&
           batch.accepts(start.dimensions(), 0) && batch.accepts(step.dimensions(), 0);
  }

  template <class Buffer>
  static auto of(const Batch& batch, Buffer& x, int64_t b) {
    return x.typed_data()[batch.block(x.dimensions(), b)];
  }

  DrawKey key(const Batch& batch, int64_t b) const {
    return draw_key(of(batch, seed_low, b), of(batch, seed_high, b), of(batch, stream, b), of(batch, step, b));
  }

  uint32_t first(const Batch& batch, int64_t b) const { return of(batch, start, b); }
};

// Calls draw(b, key, first, i, n) for stretches of the neurons of every batch element b: those from `first`, the i-th, on.
template <class Draw>
void for_each_stretch(ffi::ThreadPool pool, const Batch& batch, const Origin& origin, int64_t n, const Draw& draw) {
  const int64_t stretches = (n + kDrawsAtOnce - 1) / kDrawsAtOnce;
  share(pool, batch.size * stretches, [&](int64_t piece) {
    const int64_t b = piece / stretches, i = piece % stretches * kDrawsAtOnce;
    draw(b, origin.key(batch, b), origin.first(batch, b) + static_cast<uint32_t>(i), i, std::min(kDrawsAtOnce, n - i));
  });
}

template <ffi::DataType type>
ffi::Error uniforms(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> seed_low, ffi::Buffer<ffi::U32> seed_high, ffi::Buffer<ffi::U32> stream,
                    ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::U32> start, ffi::ResultBuffer<type> out) {
  const Dimensions o = out->dimensions();
  if (o.size() < 1) return shapes("uniforms");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, stream, start, step};
  if (!origin.fits(batch)) return shapes("uniforms");
  for_each_stretch(pool, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t first, int64_t i, int64_t n) {
    ranvier::uniforms(key, first, n, out->typed_data() + b * o.back() + i);
  });
  return ffi::Error::Success();
}

template <ffi::DataType type>
ffi::Error normals(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> seed_low, ffi::Buffer<ffi::U32> seed_high, ffi::Buffer<ffi::U32> stream,
                   ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::U32> start, ffi::Buffer<ffi::U32> quantiles,
                   ffi::ResultBuffer<type> out) {
  // quantiles [batch…, 4097]
  const Dimensions q = quantiles.dimensions(), o = out->dimensions();
  if (o.size() < 1) return shapes("normals");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, stream, start, step};
  if (!origin.fits(batch) || !batch.accepts(q, 1) || q.back() != 4097) return shapes("normals");
  for_each_stretch(pool, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t first, int64_t i, int64_t n) {
    ranvier::normals(key, first, n, quantiles.typed_data() + batch.block(q, b) * q.back(), out->typed_data() + b * o.back() + i);
  });
  return ffi::Error::Success();
}

// The thresholds [batch…, rates, length] and which row each neuron has, rate [batch…, n or 1].
struct Rates {
  ffi::Buffer<ffi::U32>& table;
  ffi::Buffer<ffi::S32>& rate;

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
                                 ffi::Buffer<ffi::U32> stream, ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::U32> start,
                                 ffi::Buffer<ffi::U32> table, ffi::Buffer<ffi::S32> rate, ffi::ResultBuffer<ffi::S32> out) {
  const Dimensions o = out->dimensions();
  if (o.size() < 1) return shapes("poisson_counts");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, stream, start, step};
  const Rates rates{table, rate};
  if (!origin.fits(batch) || !rates.fit(batch, o.back())) return shapes("poisson_counts");
  for_each_stretch(pool, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t first, int64_t i, int64_t n) {
    ranvier::poisson_counts(key, first, n, rates.of(batch, b, i), out->typed_data() + b * o.back() + i);
  });
  return ffi::Error::Success();
}

template <ffi::DataType type>
ffi::Error add_poisson(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> seed_low, ffi::Buffer<ffi::U32> seed_high,
                       ffi::Buffer<ffi::U32> stream, ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::U32> start,
                       ffi::Buffer<ffi::U32> table, ffi::Buffer<ffi::S32> rate, ffi::Buffer<type> weights, ffi::Buffer<type> accumulator,
                       ffi::ResultBuffer<type> out) {
  // weights [batch…, n or 1], accumulator [batch…, n]
  const Dimensions w = weights.dimensions(), o = out->dimensions();
  if (o.size() < 1) return shapes("add_poisson");
  const Batch batch(o, 1);
  const Origin origin{seed_low, seed_high, stream, start, step};
  const Rates rates{table, rate};
  if (!origin.fits(batch) || !rates.fit(batch, o.back()) || !batch.accepts(w, 1) || !equal(accumulator.dimensions(), o) ||
      (w.back() != o.back() && w.back() != 1)) {
    return shapes("add_poisson");
  }
  carry_over(accumulator, out);
  const int64_t stride = w.back() == 1 ? 0 : 1;
  for_each_stretch(pool, batch, origin, o.back(), [&](int64_t b, const DrawKey& key, uint32_t first, int64_t i, int64_t n) {
    ranvier::add_poisson(key, first, n, rates.of(batch, b, i), weights.typed_data() + batch.block(w, b) * w.back() + i * stride, stride,
                         out->typed_data() + b * o.back() + i);
  });
  return ffi::Error::Success();
}

}  // namespace ranvier::handlers
