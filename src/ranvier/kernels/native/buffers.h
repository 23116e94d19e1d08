// What every handler needs: the batch dimensions of its buffers, and operands that become results.
//
// Every operand may carry leading batch dimensions. Those of an operand are 1 or equal to the results' (what `vmap_method`
// "expand_dims" produces), so an operand that is shared by the batch is never copied.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "xla/ffi/api/ffi.h"

namespace ranvier::handlers {

namespace ffi = xla::ffi;
using Dimensions = ffi::Span<const int64_t>;

// The batch dimensions of the results: all but the last `inner`.
struct Batch {
  Dimensions dimensions;
  size_t rank;
  int64_t size = 1;

  Batch(Dimensions result, size_t inner) : dimensions(result), rank(result.size() - inner) {
    for (size_t d = 0; d < rank; ++d) size *= dimensions[d];
  }

  bool accepts(Dimensions operand, size_t inner) const {
    if (operand.size() != rank + inner) return false;
    for (size_t d = 0; d < rank; ++d) {
      if (operand[d] != 1 && operand[d] != dimensions[d]) return false;
    }
    return true;
  }

  // Which of the operand's blocks belongs to batch element `b`.
  int64_t block(Dimensions operand, int64_t b) const {
    if (size == 1) return 0;
    int64_t index = 0, stride = 1;
    for (size_t d = rank; d-- > 0;) {
      if (operand[d] != 1) {
        index += b % dimensions[d] * stride;
        stride *= operand[d];
      }
      b /= dimensions[d];
    }
    return index;
  }
};

inline bool equal(Dimensions a, Dimensions b) { return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin()); }

inline ffi::Error shapes(const char* kernel) { return ffi::Error::InvalidArgument(std::string(kernel) + ": shapes do not fit together"); }

// Aliased operands are the results already; otherwise the result starts as a copy.
template <class In, class Out>
void carry_over(const In& in, Out& out) {
  if (out->typed_data() != in.typed_data()) std::memcpy(out->typed_data(), in.typed_data(), in.size_bytes());
}

}  // namespace ranvier::handlers
