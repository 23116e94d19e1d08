// Work divided among XLA's own threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "xla/ffi/api/ffi.h"

// So that a handler's signature may name the pool.
template <>
struct xla::ffi::CtxBinding<xla::ffi::ThreadPool> {
  using Ctx = ThreadPool;
};

namespace ranvier::handlers {

// Calls work(piece) once for every piece in [0, pieces), on this thread and on those of the pool that are free; returns when all are done.
// Pieces are claimed one by one, so this thread does whatever the others have no time for, and never waits for one that has not begun.
template <class Work>
void share(xla::ffi::ThreadPool& pool, int64_t pieces, const Work& work) {
  if (pieces <= 1) {
    if (pieces == 1) work(0);
    return;
  }
  struct Progress {
    std::atomic<int64_t> claimed{0}, done{0};
  };
  const auto progress = std::make_shared<Progress>();
  const auto claim = [progress, pieces, &work] {  // a thread that comes late finds nothing to claim, and `work` untouched
    for (int64_t piece; (piece = progress->claimed.fetch_add(1)) < pieces; progress->done.fetch_add(1)) work(piece);
  };
  for (int64_t helper = std::min(pieces, pool.num_threads()) - 1; helper > 0; --helper) pool.Schedule(std::function<void()>(claim));
  claim();
  for (int64_t turn = 0; progress->done.load() < pieces; ++turn) {
    if (turn > 1000) std::this_thread::yield();
  }
}

}  // namespace ranvier::handlers
