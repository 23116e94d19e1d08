// What a handler does, once it has looked at its operands: at once, or, where the steps of a network are being written down, at each of them.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "threads.h"

namespace ranvier::handlers {

using Work = std::function<void(xla::ffi::ThreadPool&)>;

// Where steps are being written down in this thread: what each consists of. The operands then stay where they are.
inline thread_local std::vector<Work>* written_down = nullptr;

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
