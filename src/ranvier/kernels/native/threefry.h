// Threefry-2x32 with 20 rounds (Salmon et al. 2011), 32 or 128 counters at a time. The bits are those of `ranvier.random.threefry2x32`.
#pragma once

#include <cstdint>

#include "loops.h"

namespace ranvier {

constexpr int64_t kLanes = 32, kManyLanes = 128;

// Independent counters in one pass of the loop, which hide each other's latencies.
template <int64_t lanes>
constexpr int kChains = lanes < kManyLanes ? 4 : 8;

template <int A, int B, int C, int D, int chains>
RANVIER_INLINE void four_rounds(uint32_t (&x)[chains], uint32_t (&y)[chains], uint32_t add_x, uint32_t add_y) {
  constexpr int left[4] = {A, B, C, D};
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < chains; ++c) {
      x[c] += y[c];
      y[c] = ((y[c] << left[r]) | (y[c] >> (32 - left[r]))) ^ x[c];
    }
  }
  for (int c = 0; c < chains; ++c) {
    x[c] += add_x;
    y[c] += add_y;
  }
}

// The two words of `lanes` counters. `counter(lane, &x, &y)` gives a lane's counter, low word first.
template <int64_t lanes = kLanes, class Counter>
RANVIER_INLINE void threefry_of(const DrawKey& key, const Counter& counter, uint32_t* RANVIER_RESTRICT first_word,
                                uint32_t* RANVIER_RESTRICT second_word) {
  constexpr int chains = kChains<lanes>;
  constexpr int64_t kStride = lanes / chains;
  const uint32_t a = key.low, b = key.high, d = a ^ b ^ 0x1BD11BDAu;
  for (int64_t i = 0; i < kStride; ++i) {
    uint32_t x[chains], y[chains];
    for (int c = 0; c < chains; ++c) {
      counter(c * kStride + i, x[c], y[c]);
      x[c] += a;
      y[c] += b;
    }
    four_rounds<13, 15, 26, 6>(x, y, b, d + 1);
    four_rounds<17, 29, 16, 24>(x, y, d, a + 2);
    four_rounds<13, 15, 26, 6>(x, y, a, b + 3);
    four_rounds<17, 29, 16, 24>(x, y, b, d + 4);
    four_rounds<13, 15, 26, 6>(x, y, d, a + 5);
    for (int c = 0; c < chains; ++c) {
      first_word[c * kStride + i] = x[c];
      second_word[c * kStride + i] = y[c];
    }
  }
}

// Those of the counters (first, step), (first + 1, step), ….
template <int64_t lanes = kLanes>
RANVIER_INLINE void threefry(const DrawKey& key, uint32_t first, uint32_t* RANVIER_RESTRICT first_word,
                             uint32_t* RANVIER_RESTRICT second_word) {
  threefry_of<lanes>(
      key,
      [&](int64_t lane, uint32_t& x, uint32_t& y) {
        x = first + static_cast<uint32_t>(lane);
        y = key.step;
      },
      first_word, second_word);
}

}  // namespace ranvier
