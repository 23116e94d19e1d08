// What a handler does, once it has looked at its operands: at once, or, where the steps of a network are being written down, at each of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "threads.h"

namespace ranvier::handlers {

using Work = std::function<void(xla::ffi::ThreadPool&)>;

// Whose flags are set, ascending, as who sets them has noted it: who reads them next need not look at all.
struct Spiking {
  const bool* flags;
  int64_t n;
  std::vector<int32_t> who;  // room for all
  int64_t count = -1;   // none before the first step
  bool alone = false;   // whether nobody but who keeps it writes the flags: what it set is then all that is set
};

// Where steps are being written down in this thread: what each consists of, and of which flags lists are kept. The operands then stay where
// they are.
inline thread_local std::vector<Work>* written_down = nullptr;
inline thread_local std::vector<std::shared_ptr<Spiking>> lists_kept;

// A list of those whose flags a handler sets, where there may be readers.
inline std::shared_ptr<Spiking> keep_list(const bool* flags, int64_t n) {
  if (written_down == nullptr) return nullptr;
  return lists_kept.emplace_back(std::make_shared<Spiking>(Spiking{flags, n, std::vector<int32_t>(n)}));
}

inline std::shared_ptr<const Spiking> list_of(const bool* flags, int64_t n) {
  const auto same = [&](const auto& list) { return list->flags == flags && list->n == n; };
  const auto found = std::find_if(lists_kept.begin(), lists_kept.end(), same);
  return found == lists_kept.end() ? nullptr : *found;
}

// With how many devices the steps that are being written down share the cores of this machine.
inline thread_local int64_t sharers = 1;

template <class Do>
xla::ffi::Error perform(xla::ffi::ThreadPool& pool, Do&& work) {
  if (written_down != nullptr) {
    written_down->emplace_back(std::forward<Do>(work));
  } else {
    work(pool);
  }
  return xla::ffi::Error::Success();
}

// The same for what needs no other threads.
template <class Do>
xla::ffi::Error perform(Do&& work) {
  if (written_down != nullptr) {
    written_down->emplace_back([work = std::forward<Do>(work)](xla::ffi::ThreadPool&) mutable { work(); });
  } else {
    work();
  }
  return xla::ffi::Error::Success();
}

}  // namespace ranvier::handlers
