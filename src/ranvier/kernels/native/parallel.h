// Threads for the loops that are long enough to share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace ranvier {

// work(begin, end) over [0, n) in at most `threads` contiguous parts, the first of them in the calling thread.
template <class Work>
void in_parallel(int64_t n, int threads, const Work& work) {
  const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(threads, n));
  std::vector<std::thread> others;
  others.reserve(parts - 1);
  for (int64_t p = 1; p < parts; ++p) others.emplace_back([&work, n, parts, p] { work(n * p / parts, n * (p + 1) / parts); });
  work(0, n / parts);
  for (std::thread& other : others) other.join();
}

}  // namespace ranvier
