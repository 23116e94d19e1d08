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

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

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
// a fraction of a microsecond, where a thread of the pool has to be woken. Each begins with a part of its own, so that what it wrote in
// one step lies in its cache in the next, and then does what others have not begun.
class Team {
 public:
  explicit Team(int64_t helpers) {
    std::fegetenv(&environment_);  // tiny numbers are rounded by all as by the thread that is helped
    for (int64_t h = 1; h <= helpers; ++h) threads_.emplace_back([this, h, helpers] { serve(h, helpers + 1); });
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

  // How many pieces helpers have done.
  int64_t helped() const { return helped_.load(std::memory_order_relaxed); }

  // Calls work(piece) once for every piece in [0, pieces); returns when all are done.
  template <class Work>
  void share(int64_t pieces, const Work& work) {
    for (int64_t first = 0; first < pieces; first += kMostPieces) {
      const int64_t some = std::min(pieces - first, kMostPieces);
      const auto from = [&work, first](int64_t piece) { work(first + piece); };
      work_.store(&from, std::memory_order_relaxed);
      call_.store([](const void* what, int64_t piece) { (*static_cast<const decltype(from)*>(what))(piece); }, std::memory_order_relaxed);
      done_.store(0, std::memory_order_relaxed);
      const int64_t offer = (offer_.load(std::memory_order_relaxed) / kTurn + 1) * kTurn + some;
      offer_.store(offer);
      if (asleep_.load() > 0) {
        const std::lock_guard<std::mutex> lock(mutex_);
        wake_.notify_all();
      }
      take(offer, 0, static_cast<int64_t>(threads_.size()) + 1);
      for (int64_t look = 0; done_.load(std::memory_order_acquire) < some; ++look) look > kLooks ? std::this_thread::yield() : pause();
    }
  }

 private:
  static constexpr int64_t kLooks = 4000, kMostPieces = 256, kTurn = 1024;

  struct alignas(64) Piece {
    std::atomic<int64_t> turn{0};  // in which it was last taken
  };

  // Does pieces of a turn that nobody has taken, from the part of thread `own` of `all` on. While one is being done the turn does not end;
  // after its end none is left to take, so that who comes late touches nothing.
  void take(int64_t offer, int64_t own, int64_t all) {
    const int64_t turn = offer / kTurn, pieces = offer % kTurn;
    const void* const work = work_.load(std::memory_order_relaxed);
    const auto call = call_.load(std::memory_order_relaxed);
    for (int64_t i = 0, piece = pieces * own / all; i < pieces; ++i, piece = piece + 1 == pieces ? 0 : piece + 1) {
      int64_t taken = taken_[piece].turn.load(std::memory_order_relaxed);
      if (taken >= turn || !taken_[piece].turn.compare_exchange_strong(taken, turn)) continue;
      call(work, piece);
      if (own != 0) helped_.fetch_add(1, std::memory_order_relaxed);
      done_.fetch_add(1, std::memory_order_release);
    }
  }

  void serve(int64_t own, int64_t all) {
    std::fesetenv(&environment_);
    int64_t seen = 0;
    const auto next = [&] { return offer_.load() != seen || ends_.load(std::memory_order_relaxed); };
    while (true) {
      for (int64_t look = 0; look < kLooks && !next(); ++look) pause();
      if (!next()) {
        std::unique_lock<std::mutex> lock(mutex_);
        asleep_.fetch_add(1);
        wake_.wait(lock, next);
        asleep_.fetch_sub(1);
      }
      if (ends_.load()) return;
      seen = offer_.load();
      take(seen, own, all);
    }
  }

  std::fenv_t environment_;
  Piece taken_[kMostPieces];
  std::atomic<int64_t> offer_{0};  // the turn and, below, its pieces: of one turn both
  std::atomic<const void*> work_{nullptr};
  std::atomic<void (*)(const void*, int64_t)> call_{nullptr};
  alignas(64) std::atomic<int64_t> done_{0}, helped_{0};
  alignas(64) std::atomic<int64_t> asleep_{0};
  std::atomic<bool> ends_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;  // last: it begins when all else is there
};

// Who helps this thread while it goes through native steps: one team for the process, made when there is something to share for the first
// time, which sleeps in between and never ends. `free` says whether nobody else has it.
class Helpers {
 public:
  explicit Helpers(int64_t most);
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  ~Helpers();

  bool free() const { return mine_.owns_lock(); }
  bool asked() const { return asked_; }  // for something
  bool rest = false;                     // where they are no help

  Team& team() {
    static Team* standing = nullptr;
    static int64_t size = 0, process = 0;
    if (standing == nullptr || size < most_ || process != own_process()) {  // a process that was forked off has none
      standing = new Team(most_), size = most_, process = own_process();
    }
    asked_ = true;
    return *standing;
  }

 private:
  static int64_t own_process() {
#if defined(__unix__) || defined(__APPLE__)
    return getpid();
#else
    return 1;
#endif
  }

  static std::mutex& busy() {
    static std::mutex mutex;
    return mutex;
  }

  int64_t most_;
  bool asked_ = false;
  std::unique_lock<std::mutex> mine_;
};

inline thread_local Helpers* helpers = nullptr;

// While it stands, this thread does everything itself: other devices of the network have the other cores.
inline thread_local bool alone = false;

struct Alone {
  Alone() { alone = true; }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;
  ~Alone() { alone = false; }
};

inline Helpers::Helpers(int64_t most) : most_(most), mine_(busy(), std::try_to_lock) {
  if (free()) helpers = this;
}

inline Helpers::~Helpers() {
  if (free()) helpers = nullptr;
}

// How many elements are worth handing to another thread: fewer to helpers, who are awake, than to a thread of the pool.
constexpr int64_t kWorthSharingWithHelpers = 2048;

inline int64_t worth_sharing(int64_t with_pool) { return helpers != nullptr ? std::min(with_pool, kWorthSharingWithHelpers) : with_pool; }

// Calls work(piece) once for every piece in [0, pieces), on this thread and on those of the pool that are free; returns when all are done.
// Pieces are claimed one by one, so this thread does whatever the others have no time for, and never waits for one that has not begun.
template <class Work>
void share(xla::ffi::ThreadPool& pool, int64_t pieces, const Work& work) {
  if (pieces <= 1 || alone || (helpers != nullptr && helpers->rest)) {
    for (int64_t piece = 0; piece < pieces; ++piece) work(piece);
    return;
  }
  if (helpers != nullptr) return helpers->team().share(pieces, work);
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
