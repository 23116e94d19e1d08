// What the checks under the sanitizers share.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

inline std::mt19937_64 generator(1);

inline int64_t integer(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(generator); }

// Mostly inside [0, n), sometimes anywhere.
inline int32_t hostile(int64_t n) {
  if (integer(0, 9) == 0) return static_cast<int32_t>(integer(std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
  return static_cast<int32_t>(integer(-1, n));
}

template <class T>
std::vector<T> numbers(int64_t n) {
  std::vector<T> x(n);
  for (T& value : x) value = std::normal_distribution<T>()(generator);
  return x;
}

inline std::vector<int32_t> indices(int64_t n, int64_t range) {
  std::vector<int32_t> x(n);
  for (int32_t& value : x) value = hostile(range);
  return x;
}

inline void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "check_loops: %s\n", what);
  std::exit(1);
}
