// Handlers of the traces that spikes leave.
#pragma once

#include "buffers.h"
#include "perform.h"
#include "plasticity.h"

namespace ranvier::handlers {

template <ffi::DataType type>
ffi::Error advance_trace(ffi::Buffer<ffi::PRED> spiked, ffi::Buffer<ffi::S64> step, ffi::Buffer<type> change, ffi::Buffer<type> ring,
                         ffi::Buffer<type> before, ffi::ResultBuffer<type> new_ring, ffi::ResultBuffer<type> new_before) {
  // spiked [batch…, n or 0], step [batch…], change [batch…, 3] (kept, jump, whether nearest), ring [batch…, slots, n], before the same or
  // [batch…, 0, n]
  const Dimensions f = spiked.dimensions(), s = step.dimensions(), c = change.dimensions(), r = new_ring->dimensions(),
                   b = new_before->dimensions();
  if (r.size() < 2) return shapes("advance_trace");
  const Batch batch(r, 2);
  if (!batch.accepts(f, 1) || !batch.accepts(s, 0) || !batch.accepts(c, 1) || !equal(ring.dimensions(), r) || !batch.accepts(b, 2) ||
      !equal(before.dimensions(), b)) {
    return shapes("advance_trace");
  }
  const int64_t n = r.back(), slots = r[r.size() - 2], kept = b[b.size() - 2];
  if (slots < 1 || c.back() != 3 || (f.back() != n && f.back() != 0) || b.back() != n || (kept != slots && kept != 0)) {
    return shapes("advance_trace");
  }
  return perform([=]() mutable {
    carry_over(ring, new_ring);
    carry_over(before, new_before);
    for (int64_t i = 0; i < batch.size; ++i) {
      const auto* numbers = change.typed_data() + batch.block(c, i) * 3;
      ranvier::advance_trace(f.back() == 0 ? nullptr : spiked.typed_data() + batch.block(f, i) * n, n,
                             step.typed_data()[batch.block(s, i)], slots, {numbers[0], numbers[1], numbers[2] != 0},
                             new_ring->typed_data() + i * slots * n, kept == 0 ? nullptr : new_before->typed_data() + i * slots * n);
    }
  });
}

}  // namespace ranvier::handlers
