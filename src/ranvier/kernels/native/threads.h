// Work divided among threads: XLA's own, or, while native steps run, a team that stays awake between them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "xla/ffi/api/ffi.h"

// So that a handler's signature may name the pool.
template <>
struct xla::ffi::CtxBinding<xla::ffi::ThreadPool> {
  using Ctx = ThreadPool;
};

namespace ranvier::handlers {

inline void pause() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_ia32_pause();
#endif
}

// Threads that help one thread with pieces of work and look for the next work for a while before they sleep: to hand a piece over takes
// a fraction of a microsecond, where a thread of the pool has to be woken.
class Team {
 public:
  explicit Team(int64_t helpers) {
    std::fegetenv(&environment_);  // tiny numbers are rounded by all as by the thread that is helped
    for (; helpers > 0; --helpers) threads_.emplace_back([this] { serve(); });
  }

  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  ~Team() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ends_.store(true);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // Calls work(piece) once for every piece in [0, pieces); returns when all are done.
  template <class Work>
  void share(int64_t pieces, const Work& work) {
    for (int64_t first = 0; first < pieces; first += kMostPieces) {
      const int64_t some = std::min(pieces - first, kMostPieces);
      const auto from = [&work, first](int64_t piece) { work(first + piece); };
      work_ = &from;
      call_ = [](const void* what, int64_t piece) { (*static_cast<const decltype(from)*>(what))(piece); };
      done_.store(0, std::memory_order_relaxed);
      offer_.store(static_cast<uint64_t>(some) << kBits);
      if (asleep_.load() > 0) {
        const std::lock_guard<std::mutex> lock(mutex_);
        wake_.notify_all();
      }
      claim();
      for (int64_t turn = 0; done_.load(std::memory_order_acquire) < some; ++turn) turn > kTurns ? std::this_thread::yield() : pause();
    }
  }

 private:
  static constexpr int kBits = 31, kTurns = 2000;
  static constexpr int64_t kMostPieces = int64_t{1} << 30;

  // The pieces on offer above, the next of them below; more claims than pieces do no harm.
  static bool left(uint64_t offer) { return (offer & ((uint64_t{1} << kBits) - 1)) < offer >> kBits; }

  // A claim that succeeds is of the work that lies there: it stays until the claimed piece is done.
  void claim() {
    while (left(offer_.load())) {
      const uint64_t claimed = offer_.fetch_add(1);
      if (!left(claimed)) return;
      call_(work_, static_cast<int64_t>(claimed & ((uint64_t{1} << kBits) - 1)));
      done_.fetch_add(1, std::memory_order_release);
    }
  }

  void serve() {
    std::fesetenv(&environment_);
    while (!ends_.load()) {
      for (int64_t turn = 0; turn < kTurns && !left(offer_.load(std::memory_order_relaxed)); ++turn) pause();
      claim();
      if (left(offer_.load())) continue;
      int64_t turn = 0;
      while (turn < kTurns && !left(offer_.load(std::memory_order_relaxed)) && !ends_.load(std::memory_order_relaxed)) ++turn, pause();
      if (turn < kTurns) continue;
      std::unique_lock<std::mutex> lock(mutex_);
      asleep_.fetch_add(1);
      wake_.wait(lock, [this] { return ends_.load() || left(offer_.load()); });
      asleep_.fetch_sub(1);
    }
  }

  std::fenv_t environment_;
  std::atomic<uint64_t> offer_{0};
  std::atomic<int64_t> done_{0}, asleep_{0};
  std::atomic<bool> ends_{false};
  const void* work_ = nullptr;
  void (*call_)(const void*, int64_t) = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;  // last: it begins when all else is there
};

// Who helps this thread while it goes through native steps; made when there is something to share for the first time.
struct Helpers {
  int64_t most;
  bool rest = false;  // where they are no help
  std::unique_ptr<Team> team = nullptr;

  explicit Helpers(int64_t most);
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  ~Helpers();
};

inline thread_local Helpers* helpers = nullptr;

inline Helpers::Helpers(int64_t most) : most(most) { helpers = this; }
inline Helpers::~Helpers() { helpers = nullptr; }

// How many elements are worth handing to another thread, where a pool's thread is worth waking for `alone`.
inline int64_t at_once(int64_t alone) { return helpers != nullptr ? std::min<int64_t>(alone, 2048) : alone; }

// Calls work(piece) once for every piece in [0, pieces), on this thread and on those of the pool that are free; returns when all are done.
// Pieces are claimed one by one, so this thread does whatever the others have no time for, and never waits for one that has not begun.
template <class Work>
void share(xla::ffi::ThreadPool& pool, int64_t pieces, const Work& work) {
  if (pieces <= 1) {
    if (pieces == 1) work(0);
    return;
  }
  if (helpers != nullptr && helpers->rest) {
    for (int64_t piece = 0; piece < pieces; ++piece) work(piece);
    return;
  }
  if (helpers != nullptr) {
    if (helpers->team == nullptr) helpers->team = std::make_unique<Team>(helpers->most);
    return helpers->team->share(pieces, work);
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
