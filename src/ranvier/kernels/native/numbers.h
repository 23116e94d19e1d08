// What handlers are told as a row of whole numbers: which equations neurons have, what a step consists of.
#pragma once

#include <cstdint>

#include "xla/ffi/api/ffi.h"

namespace ranvier::handlers {

// Reads numbers one by one; what is wrong with one shows at the end.
class Numbers {
 public:
  Numbers(const int64_t* numbers, int64_t n) : numbers_(numbers), n_(n) {}
  explicit Numbers(xla::ffi::Span<const int64_t> numbers) : Numbers(numbers.begin(), static_cast<int64_t>(numbers.size())) {}
  bool good() const { return good_; }
  bool ended() const { return good_ && at_ == n_; }

  // The next number, which must be in [begin, end).
  int64_t next(int64_t begin, int64_t end) {
    if (good_ && at_ < n_ && numbers_[at_] >= begin && numbers_[at_] < end) return numbers_[at_++];
    good_ = false;
    return begin;
  }

  // The next number, which must be in [0, end).
  int64_t next(int64_t end) { return next(0, end); }

  // The next `n` numbers, or nothing.
  const int64_t* some(int64_t n) {
    if (!good_ || n > n_ - at_) return good_ = false, nullptr;
    at_ += n;
    return numbers_ + at_ - n;
  }

 private:
  const int64_t* numbers_;
  int64_t n_, at_ = 0;
  bool good_ = true;
};

}  // namespace ranvier::handlers
