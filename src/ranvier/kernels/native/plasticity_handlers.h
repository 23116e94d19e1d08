// Handlers of weights that change where spikes arrive and where targets fire.
#pragma once

#include <limits>

#include "buffers.h"
#include "events.h"
#include "plasticity.h"
#include "perform.h"

namespace ranvier::handlers {

// How weights change: gain [batch…, 1 + pre, 1 + post], limits [batch…, 4] (low, high, origin, exponent), of traces
// pre [batch…, traces, slots, sources] and post [batch…, traces, targets].
template <ffi::DataType type>
struct Learning {
  using T = ffi::NativeType<type>;
  ffi::Buffer<type> pre, post, gain, limits;

  int64_t extent(const ffi::Buffer<type>& x, size_t from_last) const { return x.dimensions()[x.dimensions().size() - from_last]; }
  int64_t slots() const { return extent(pre, 2); }
  int64_t sources() const { return extent(pre, 1); }
  int64_t targets() const { return extent(post, 1); }

  bool fits(const Batch& batch) const {
    if (!batch.accepts(pre.dimensions(), 3) || !batch.accepts(post.dimensions(), 2) || !batch.accepts(gain.dimensions(), 2) ||
        !batch.accepts(limits.dimensions(), 1)) {
      return false;
    }
    const int64_t n_pre = extent(pre, 3), n_post = extent(post, 2);
    return n_pre <= kMostTraces && n_post <= kMostTraces && extent(gain, 2) == 1 + n_pre && extent(gain, 1) == 1 + n_post &&
           extent(limits, 1) == 4;
  }

  Traces<T> traces(const Batch& batch, int64_t b) const {
    return {pre.typed_data() + batch.block(pre.dimensions(), b) * extent(pre, 3) * slots() * sources(), slots(), sources(),
            post.typed_data() + batch.block(post.dimensions(), b) * extent(post, 2) * targets(), targets()};
  }

  WeightChange<T> change(const Batch& batch, int64_t b) const {
    const T* limit = limits.typed_data() + batch.block(limits.dimensions(), b) * 4;
    return {gain.typed_data() + batch.block(gain.dimensions(), b) * extent(gain, 2) * extent(gain, 1), extent(pre, 3), extent(post, 2),
            limit[0], limit[1], limit[2], limit[3]};
  }

  // Whether the weights stay as they are, whatever they are.
  static bool nothing(const WeightChange<T>& change) {
    const T* end = change.gain + (1 + change.n_pre) * (1 + change.n_post);
    return std::all_of(change.gain, end, [](T gain) { return gain == T(0); }) && change.n_pre == 0 && change.n_post == 0 &&
           change.low == -std::numeric_limits<T>::infinity() && change.high == std::numeric_limits<T>::infinity();
  }
};

template <ffi::DataType type, ffi::DataType index>
ffi::Error deliver_and_learn(ffi::ThreadPool pool, ffi::Buffer<ffi::S32> source, ffi::Buffer<type> amplitude, ffi::Buffer<ffi::S32> count,
                             ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S32> delays, ffi::Buffer<index> segments,
                             ffi::Buffer<ffi::S32> target, ffi::Buffer<ffi::S64> bounds, ffi::Buffer<type> pre, ffi::Buffer<type> post,
                             ffi::Buffer<type> gain, ffi::Buffer<type> limits, ffi::Buffer<ffi::S64> offset, ffi::Buffer<type> weights,
                             ffi::Buffer<type> accumulator, ffi::ResultBuffer<type> new_weights, ffi::ResultBuffer<type> out) {
  // As `deliver_events`, with weights [batch…, edges].
  const Dimensions h = source.dimensions(), a = amplitude.dimensions(), c = count.dimensions(), s = step.dimensions(),
                   d = delays.dimensions(), g = segments.dimensions(), t = target.dimensions(), l = bounds.dimensions(),
                   w = new_weights->dimensions(), f = offset.dimensions(), o = out->dimensions();
  if (o.size() < 1) return shapes("deliver_and_learn");
  const Batch batch(o, 1);
  const Learning<type> learning{pre, post, gain, limits};
  if (!batch.accepts(h, 2) || !batch.accepts(a, 2) || !batch.accepts(c, 1) || !batch.accepts(s, 0) || !batch.accepts(d, 1) ||
      !batch.accepts(g, 3) || !batch.accepts(t, 1) || !batch.accepts(l, 1) || !batch.accepts(f, 0) || !equal(accumulator.dimensions(), o) ||
      !equal(weights.dimensions(), w) || !batch.accepts(w, 1) || !learning.fits(batch)) {
    return shapes("deliver_and_learn");
  }
  const int64_t n = h.back(), slots = c.back(), kept = a.back(), n_delays = d.back(), blocks = g[g.size() - 3], edges = t.back(),
                n_post = o.back(), segments_of_block = n * (n_delays + 1);
  if (slots < 1 || h[h.size() - 2] != slots || (kept != n && kept != 0) || a[a.size() - 2] != slots || g.back() != n_delays + 1 ||
      g[g.size() - 2] != n || l.back() != blocks + 1 || w.back() != edges || learning.slots() != slots || learning.sources() != n) {
    return shapes("deliver_and_learn");
  }
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    carry_over(accumulator, out);
    carry_over(weights, new_weights);
    using T = ffi::NativeType<type>;
    const auto deliver = [&](int64_t piece) {
      const int64_t i = piece / blocks, b = piece % blocks, at = offset.typed_data()[batch.block(f, i)];
      if (at < 0 || at > n_post) return;
      const int64_t* bound = bounds.typed_data() + batch.block(l, i) * (blocks + 1) + b;
      const History<T> history{source.typed_data() + batch.block(h, i) * slots * n,
                               kept == 0 ? nullptr : amplitude.typed_data() + batch.block(a, i) * slots * n,
                               count.typed_data() + batch.block(c, i) * slots, slots, n};
      const int64_t end = std::min(n_post - at, learning.targets());
      const int64_t low = std::clamp(bound[0], int64_t{0}, end), high = std::clamp(bound[1], low, end);
      const WeightChange<T> change = learning.change(batch, i);
      if (Learning<type>::nothing(change)) {
        const BlockOfEdges<T, ffi::NativeType<index>> block{delays.typed_data() + batch.block(d, i) * n_delays,
                                                            n_delays,
                                                            segments.typed_data() + (batch.block(g, i) * blocks + b) * segments_of_block,
                                                            target.typed_data() + batch.block(t, i) * edges,
                                                            edges,
                                                            new_weights->typed_data() + i * edges,
                                                            Weights::kOneAnEdge,
                                                            low,
                                                            high};
        return ranvier::deliver_events(history, step.typed_data()[batch.block(s, i)], block, out->typed_data() + i * n_post + at);
      }
      const PlasticBlock<T, ffi::NativeType<index>> block{delays.typed_data() + batch.block(d, i) * n_delays,
                                                          n_delays,
                                                          segments.typed_data() + (batch.block(g, i) * blocks + b) * segments_of_block,
                                                          target.typed_data() + batch.block(t, i) * edges,
                                                          edges,
                                                          new_weights->typed_data() + i * edges,
                                                          low,
                                                          high};
      ranvier::deliver_and_learn(history, step.typed_data()[batch.block(s, i)], block, learning.traces(batch, i), change,
                                 out->typed_data() + i * n_post + at);
    };
    const int64_t spikes = arriving_spikes(count.typed_data(), slots, step.typed_data()[0], delays.typed_data(), n_delays);
    const double events = static_cast<double>(spikes) * edges / std::max<int64_t>(n * n_delays, 1) * batch.size;  // of the first, for all
    share_events(threads, batch.size * blocks, events, deliver);
  });
}

template <ffi::DataType type>
ffi::Error learn_at_targets(ffi::ThreadPool pool, ffi::Buffer<ffi::PRED> fired, ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S64> rows,
                            ffi::Buffer<ffi::S32> position, ffi::Buffer<ffi::S32> lag, ffi::Buffer<ffi::S64> bounds,
                            ffi::Buffer<type> pre, ffi::Buffer<type> post, ffi::Buffer<type> gain, ffi::Buffer<type> limits,
                            ffi::Buffer<type> weights, ffi::ResultBuffer<type> new_weights) {
  // fired [batch…, targets], step [batch…], rows [batch…, targets + 1], position and lag [batch…, edges], bounds [batch…, blocks + 1],
  // weights [batch…, edges]
  const Dimensions f = fired.dimensions(), s = step.dimensions(), r = rows.dimensions(), p = position.dimensions(), q = lag.dimensions(),
                   l = bounds.dimensions(), w = new_weights->dimensions();
  if (w.size() < 1) return shapes("learn_at_targets");
  const Batch batch(w, 1);
  const Learning<type> learning{pre, post, gain, limits};
  if (!batch.accepts(f, 1) || !batch.accepts(s, 0) || !batch.accepts(r, 1) || !batch.accepts(p, 1) || !batch.accepts(q, 1) ||
      !batch.accepts(l, 1) || !equal(weights.dimensions(), w) || !learning.fits(batch)) {
    return shapes("learn_at_targets");
  }
  const int64_t targets = f.back(), edges = p.back(), blocks = l.back() - 1, n_weights = w.back();
  if (r.back() != targets + 1 || q.back() != edges || blocks < 0 || learning.targets() != targets || learning.slots() < 1) {
    return shapes("learn_at_targets");
  }
  return perform(pool, [=](ffi::ThreadPool& threads) mutable {
    carry_over(weights, new_weights);
    const auto learn = [&](int64_t piece) {
      const int64_t i = piece / blocks, b = piece % blocks;
      const int64_t* bound = bounds.typed_data() + batch.block(l, i) * (blocks + 1) + b;
      const int64_t low = std::clamp(bound[0], int64_t{0}, targets), high = std::clamp(bound[1], low, targets);
      const Incoming incoming{rows.typed_data() + batch.block(r, i) * (targets + 1), position.typed_data() + batch.block(p, i) * edges,
                              lag.typed_data() + batch.block(q, i) * edges, edges};
      ranvier::learn_at_targets(fired.typed_data() + batch.block(f, i) * targets, low, high, step.typed_data()[batch.block(s, i)], incoming,
                                learning.traces(batch, i), learning.change(batch, i), new_weights->typed_data() + i * n_weights, n_weights);
    };
    const double events = static_cast<double>(number_set(fired.typed_data(), targets)) * edges / std::max<int64_t>(targets, 1) * batch.size;
    share_events(threads, batch.size * blocks, events, learn);
  });
}

// Results of the kernels that list edges: four arrays [batch…, size], and how many there are in all, [batch…].
struct ListedEdges {
  ffi::Buffer<ffi::S32> position, source, target, row;
  ffi::Buffer<ffi::S64> total;

  bool fits() const {
    const Dimensions p = position.dimensions(), t = total.dimensions();
    return p.size() == t.size() + 1 && std::equal(t.begin(), t.end(), p.begin()) && equal(source.dimensions(), p) &&
           equal(target.dimensions(), p) && equal(row.dimensions(), p);
  }

  EdgesDue of(int64_t b) const {
    const int64_t size = position.dimensions().back();
    return {position.typed_data() + b * size, source.typed_data() + b * size, target.typed_data() + b * size,
            row.typed_data() + b * size, size};
  }
};

inline ffi::Error due_edges(ffi::Buffer<ffi::S32> source, ffi::Buffer<ffi::S32> count, ffi::Buffer<ffi::S64> step,
                            ffi::Buffer<ffi::S32> delays, ffi::Buffer<ffi::S32> segments, ffi::Buffer<ffi::S32> target,
                            ffi::Buffer<ffi::S64> bounds, ffi::Buffer<ffi::S64> targets, ffi::Buffer<ffi::S64> first,
                            ffi::ResultBuffer<ffi::S32> position, ffi::ResultBuffer<ffi::S32> source_of,
                            ffi::ResultBuffer<ffi::S32> target_of, ffi::ResultBuffer<ffi::S32> row, ffi::ResultBuffer<ffi::S64> total) {
  const Dimensions h = source.dimensions(), c = count.dimensions(), d = delays.dimensions(), g = segments.dimensions(),
                   t = target.dimensions(), l = bounds.dimensions();
  const ListedEdges listed{*position, *source_of, *target_of, *row, *total};
  const Batch batch(total->dimensions(), 0);
  if (!listed.fits() || !batch.accepts(h, 2) || !batch.accepts(c, 1) || !batch.accepts(step.dimensions(), 0) || !batch.accepts(d, 1) ||
      !batch.accepts(g, 3) || !batch.accepts(t, 1) || !batch.accepts(l, 1) || !batch.accepts(targets.dimensions(), 0) ||
      !batch.accepts(first.dimensions(), 0)) {
    return shapes("due_edges");
  }
  const int64_t n = h.back(), slots = c.back(), n_delays = d.back(), blocks = g[g.size() - 3], edges = t.back();
  if (slots < 1 || h[h.size() - 2] != slots || g.back() != n_delays + 1 || g[g.size() - 2] != n || l.back() != blocks + 1) {
    return shapes("due_edges");
  }
  return perform([=]() mutable {
    for (int64_t b = 0; b < batch.size; ++b) {
      const SortedEdges sorted{delays.typed_data() + batch.block(d, b) * n_delays,
                               n_delays,
                               segments.typed_data() + batch.block(g, b) * blocks * n * (n_delays + 1),
                               target.typed_data() + batch.block(t, b) * edges,
                               edges,
                               bounds.typed_data() + batch.block(l, b) * (blocks + 1),
                               blocks};
      total->typed_data()[b] = ranvier::due_edges(source.typed_data() + batch.block(h, b) * slots * n,
                                                  count.typed_data() + batch.block(c, b) * slots, slots, n,
                                                  step.typed_data()[batch.block(step.dimensions(), b)], sorted,
                                                  targets.typed_data()[batch.block(targets.dimensions(), b)],
                                                  first.typed_data()[batch.block(first.dimensions(), b)], listed.of(b));
    }
  });
}

inline ffi::Error incoming_edges(ffi::Buffer<ffi::PRED> fired, ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S64> rows,
                                 ffi::Buffer<ffi::S32> position, ffi::Buffer<ffi::S32> lag, ffi::Buffer<ffi::S64> first,
                                 ffi::ResultBuffer<ffi::S32> position_of, ffi::ResultBuffer<ffi::S32> source_of,
                                 ffi::ResultBuffer<ffi::S32> target_of, ffi::ResultBuffer<ffi::S32> row,
                                 ffi::ResultBuffer<ffi::S64> total, int64_t slots, int64_t sources) {
  const Dimensions f = fired.dimensions(), r = rows.dimensions(), p = position.dimensions(), q = lag.dimensions();
  const ListedEdges listed{*position_of, *source_of, *target_of, *row, *total};
  const Batch batch(total->dimensions(), 0);
  if (!listed.fits() || !batch.accepts(f, 1) || !batch.accepts(step.dimensions(), 0) || !batch.accepts(r, 1) || !batch.accepts(p, 1) ||
      !batch.accepts(q, 1) || !batch.accepts(first.dimensions(), 0)) {
    return shapes("incoming_edges");
  }
  const int64_t targets = f.back(), edges = p.back();
  if (r.back() != targets + 1 || q.back() != edges || slots < 1 || sources < 0 || slots * sources > INT32_MAX) return shapes("incoming_edges");
  return perform([=]() mutable {
    for (int64_t b = 0; b < batch.size; ++b) {
      const Incoming incoming{rows.typed_data() + batch.block(r, b) * (targets + 1), position.typed_data() + batch.block(p, b) * edges,
                              lag.typed_data() + batch.block(q, b) * edges, edges};
      total->typed_data()[b] = ranvier::incoming_edges(fired.typed_data() + batch.block(f, b) * targets, targets,
                                                       step.typed_data()[batch.block(step.dimensions(), b)], incoming, slots, sources, edges,
                                                       first.typed_data()[batch.block(first.dimensions(), b)], listed.of(b));
    }
  });
}

template <ffi::DataType type>
ffi::Error put(ffi::Buffer<ffi::S32> position, ffi::Buffer<type> value, ffi::Buffer<type> values, ffi::ResultBuffer<type> new_values) {
  const Dimensions p = position.dimensions(), x = value.dimensions(), o = new_values->dimensions();
  if (o.size() < 1) return shapes("put");
  const Batch batch(o, 1);
  if (!batch.accepts(p, 1) || !batch.accepts(x, 1) || p.back() != x.back() || !equal(values.dimensions(), o)) return shapes("put");
  return perform([=]() mutable {
    carry_over(values, new_values);
    for (int64_t b = 0; b < batch.size; ++b) {
      ranvier::put(position.typed_data() + batch.block(p, b) * p.back(), value.typed_data() + batch.block(x, b) * x.back(), p.back(),
                   new_values->typed_data() + b * o.back(), o.back());
    }
  });
}

}  // namespace ranvier::handlers
