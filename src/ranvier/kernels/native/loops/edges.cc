#include "edges.h"

#include <algorithm>
#include <vector>

#include "loops.h"

namespace ranvier {
namespace {

constexpr int64_t kBatch = 64;   // counters at once
constexpr int64_t kAhead = 32;   // edges
constexpr uint32_t kAgain = 1u << 16, kExclusion = 1u << 31;  // added to a counter's high word
constexpr int64_t kSparse = 64;  // a row with fewer than one candidate in so many is sorted; others are read off a table

inline void prefetch_to_write(const void* address) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address, 1);
#else
  (void)address;
#endif
}

template <int A, int B, int C, int D>
RANVIER_INLINE void four_rounds(uint32_t& x, uint32_t& y, uint32_t add_x, uint32_t add_y) {
  x += y, y = ((y << A) | (y >> (32 - A))) ^ x;
  x += y, y = ((y << B) | (y >> (32 - B))) ^ x;
  x += y, y = ((y << C) | (y >> (32 - C))) ^ x;
  x += y, y = ((y << D) | (y >> (32 - D))) ^ x;
  x += add_x;
  y += add_y;
}

// Threefry-2x32 with 20 rounds: the bits of `ranvier.random.threefry2x32`. Without a loop, so that loops over counters become vectors.
RANVIER_INLINE void threefry(EdgeKey key, uint32_t& x, uint32_t& y) {
  const uint32_t a = key.low, b = key.high, c = a ^ b ^ 0x1BD11BDAu;
  x += a;
  y += b;
  four_rounds<13, 15, 26, 6>(x, y, b, c + 1);
  four_rounds<17, 29, 16, 24>(x, y, c, a + 2);
  four_rounds<13, 15, 26, 6>(x, y, a, b + 3);
  four_rounds<17, 29, 16, 24>(x, y, b, c + 4);
  four_rounds<13, 15, 26, 6>(x, y, c, a + 5);
}

// A number below n from 64 bits: each is as likely as any other to within n · 2⁻⁶⁴.
RANVIER_INLINE uint32_t bounded(uint32_t x, uint32_t y, uint64_t n) { return static_cast<uint32_t>((x * n + (y * n >> 32)) >> 32); }

// The numbers below n for the counters (first, row), (first + 1, row), …; `kBatch` of them.
RANVIER_CLONES void bounded_numbers(EdgeKey key, uint32_t first, uint32_t row, uint32_t n, uint32_t* out) {
  for (int64_t i = 0; i < kBatch; ++i) {
    uint32_t x = first + static_cast<uint32_t>(i), y = row;
    threefry(key, x, y);
    out[i] = bounded(x, y, n);
  }
}

// Calls visit(number) for the counters (0, row), (1, row), … until it returns false.
template <class Visit>
RANVIER_INLINE void draw_until(EdgeKey key, uint32_t row, uint32_t n, const Visit& visit) {
  uint32_t numbers[kBatch];
  for (uint32_t first = 0;; first += kBatch) {
    bounded_numbers(key, first, row, n, numbers);
    for (const uint32_t number : numbers) {
      if (!visit(number)) return;
    }
  }
}

RANVIER_INLINE double uniform_number(uint32_t x, uint32_t y) {
  return (static_cast<double>(x) * 0x1p20 + static_cast<double>(y >> 12) + 0.5) * 0x1p-52;
}

RANVIER_INLINE int leading_zeros(uint32_t x) {
#if defined(__GNUC__) || defined(__clang__)
  return __builtin_clz(x);
#else
  int zeros = 0;
  for (; !(x >> 31); x <<= 1) ++zeros;
  return zeros;
#endif
}

RANVIER_INLINE int trailing_zeros(uint64_t x) {
#if defined(__GNUC__) || defined(__clang__)
  return __builtin_ctzll(x);
#else
  int zeros = 0;
  for (; !(x & 1); x >>= 1) ++zeros;
  return zeros;
#endif
}

// As `ranvier.random._normal` in double precision.
RANVIER_INLINE double normal_number(uint32_t bits, const uint32_t* table) {
  uint32_t tail = ((bits & 0x7FFFFFFFu) << 1) + 1;
  const int zeros = leading_zeros(tail);
  tail <<= zeros;
  const uint32_t* entry = table + static_cast<uint32_t>(31 - zeros) * 128 + (tail >> 24 & 127);
  const uint32_t fall = entry[0] - entry[1];
  const uint32_t part = fall * (tail >> 13 & 2047) + (fall * (tail >> 2 & 2047) >> 11);
  const double size = static_cast<double>(entry[0] - (part >> 11)) * 0x1p-28;
  return size * (1.0 - 2.0 * static_cast<double>(bits >> 31));
}

// The words of the counters start, start + 1, …; `kBatch` of each.
RANVIER_CLONES void words(EdgeKey key, uint64_t start, uint32_t* first, uint32_t* second) {
  for (int64_t i = 0; i < kBatch; ++i) {
    const uint64_t index = start + static_cast<uint64_t>(i);
    uint32_t x = static_cast<uint32_t>(index), y = static_cast<uint32_t>(index >> 32);
    threefry(key, x, y);
    first[i] = x;
    second[i] = y;
  }
}

template <class Write>
RANVIER_INLINE void for_each_index(EdgeKey key, uint64_t start, int64_t n, const Write& write) {
  uint32_t x[kBatch], y[kBatch];
  for (int64_t i = 0; i < n; i += kBatch) {
    words(key, start + static_cast<uint64_t>(i), x, y);
    const int64_t some = std::min(kBatch, n - i);
    for (int64_t j = 0; j < some; ++j) write(i + j, x[j], y[j]);
  }
}

// A row's draws before they are written: how often each candidate was drawn, and which were drawn at all.
class Drawn {
 public:
  explicit Drawn(int64_t candidates) : times_(candidates), any_((candidates + 63) / 64) {}

  bool first_time(uint32_t candidate) {
    uint64_t& word = any_[candidate >> 6];
    const uint64_t bit = uint64_t{1} << (candidate & 63);
    const bool is_new = !(word & bit);
    word |= bit;
    return is_new;
  }

  void again(uint32_t candidate) {
    first_time(candidate);
    ++times_[candidate];
  }

  // Calls visit(candidate, times) for those drawn (`repeated`, `distinct`) or for those that were not, ascending, and forgets them.
  template <class Visit>
  void take_repeated(int64_t n, const Visit& visit) {
    take(n, 0, [&](uint32_t candidate) {
      visit(candidate, times_[candidate]);
      times_[candidate] = 0;
    });
  }

  template <class Visit>
  void take_distinct(int64_t n, bool complement, const Visit& visit) {
    take(n, complement ? ~uint64_t{0} : 0, visit);
  }

  void forget(const std::vector<uint32_t>& drawn) {
    for (const uint32_t candidate : drawn) any_[candidate >> 6] = 0;
  }

 private:
  template <class Visit>
  void take(int64_t n, uint64_t flip, const Visit& visit) {
    for (int64_t w = 0; w < (n + 63) / 64; ++w) {
      uint64_t word = any_[w] ^ flip;
      any_[w] = 0;
      if (n - w * 64 < 64) word &= (uint64_t{1} << (n - w * 64)) - 1;
      for (; word; word &= word - 1) visit(static_cast<uint32_t>(w * 64 + trailing_zeros(word)));
    }
  }

  std::vector<uint32_t> times_;
  std::vector<uint64_t> any_;
};

// One row: draws, sorts, and steps over the candidate that is left out.
class RowWriter {
 public:
  RowWriter(EdgeKey key, int64_t candidates, bool repeated) : key_(key), repeated_(repeated), drawn_(candidates) {}

  void write(int64_t row, int64_t degree, int64_t n, int64_t left_out, int32_t* out) {
    const auto put = [&](uint32_t candidate) { *out++ = static_cast<int32_t>(candidate + (candidate >= left_out ? 1 : 0)); };
    const bool complement = !repeated_ && 2 * degree > n;
    const int64_t draws = complement ? n - degree : degree;
    const bool sparse = !complement && draws < n / kSparse;
    list_.clear();
    int64_t count = 0;
    if (draws > 0) {
      draw_until(key_, static_cast<uint32_t>(row), static_cast<uint32_t>(n), [&](uint32_t candidate) {
        if (repeated_ && !sparse) drawn_.again(candidate);
        const bool counts = repeated_ || drawn_.first_time(candidate);
        if (sparse && counts) list_.push_back(candidate);
        count += counts;
        return count < draws;
      });
    }
    if (sparse) {
      if (!repeated_) drawn_.forget(list_);
      std::sort(list_.begin(), list_.end());
      for (const uint32_t candidate : list_) put(candidate);
    } else if (repeated_) {
      drawn_.take_repeated(n, [&](uint32_t candidate, uint32_t times) {
        for (uint32_t i = 0; i < times; ++i) put(candidate);
      });
    } else {
      drawn_.take_distinct(n, complement, put);
    }
  }

 private:
  EdgeKey key_;
  bool repeated_;
  Drawn drawn_;
  std::vector<uint32_t> list_;
};

RANVIER_INLINE bool leaves_one_out(const Candidates& from, int64_t row) {
  return from.exclude && row + from.shift >= 0 && row + from.shift < from.n;
}

template <class Count>
RANVIER_INLINE void count_each(const Ends& edges, Count* count) {
  const auto place = [&](int64_t e) {
    const int64_t d = edges.delay ? edges.delay[e] : 0;
    return edges.pre[e] >= 0 && edges.pre[e] < edges.sources && d >= 0 && d < edges.delays ? edges.pre[e] * edges.delays + d : -1;
  };
  for (int64_t e = 0; e < edges.n; ++e) {
    const int64_t at = place(e);
    if (at >= 0) ++count[at];
  }
}

template <class Cursor, class T>
RANVIER_INLINE void place_each(const Rows& rows, const Ends& edges, const T* weight, Cursor* cursor, int32_t* target, T* placed,
                               int64_t n) {
  const auto cell = [&](int64_t e) {
    const int64_t d = edges.delay ? edges.delay[e] : 0;
    return edges.pre[e] >= 0 && edges.pre[e] < edges.sources && d >= 0 && d < edges.delays ? edges.pre[e] * edges.delays + d : -1;
  };
  for (int64_t r = 0; r < rows.n; ++r) {
    const int64_t begin = std::max<int64_t>(rows.begin[r], 0), end = std::min(edges.n, begin + std::max<int64_t>(rows.length[r], 0));
    for (int64_t e = begin; e < end; ++e) {
      // Each edge of a target goes to another part of memory: without this each waits for it.
      if (e + 2 * kAhead < end) {
        const int64_t later = cell(e + 2 * kAhead);
        if (later >= 0) prefetch_to_write(cursor + later);
      }
      if (e + kAhead < end) {
        const int64_t soon = cell(e + kAhead);
        if (soon >= 0) {
          const int64_t at = cursor[soon];
          if (at >= 0 && at < n) {
            prefetch_to_write(target + at);
            if (weight) prefetch_to_write(placed + at);
          }
        }
      }
      const int64_t where = cell(e);
      if (where < 0) continue;
      const int64_t at = cursor[where]++;
      if (at < 0 || at >= n) continue;
      target[at] = rows.target[r];
      if (weight) placed[at] = weight[e];
    }
  }
}

}  // namespace

void uniform_numbers(EdgeKey key, uint64_t start, int64_t n, double* out) {
  for_each_index(key, start, n, [&](int64_t i, uint32_t x, uint32_t y) { out[i] = uniform_number(x, y); });
}

void normal_numbers(EdgeKey key, uint64_t start, int64_t n, const uint32_t* table, double* out) {
  for_each_index(key, start, n, [&](int64_t i, uint32_t x, uint32_t) { out[i] = normal_number(x, table); });
}

bool draw_rows(EdgeKey key, const int64_t* degree, int64_t rows, int64_t first, const Candidates& from, bool repeated, int32_t* out,
               int64_t n_out) {
  RowWriter writer(key, from.n, repeated);
  int64_t written = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const bool one_out = leaves_one_out(from, first + r);
    const int64_t n = from.n - one_out;
    if (degree[r] < 0 || degree[r] > n_out - written || (degree[r] > 0 && n == 0) || (!repeated && degree[r] > n)) return false;
    writer.write(first + r, degree[r], n, one_out ? first + r + from.shift : from.n, out + written);
    written += degree[r];
  }
  return written == n_out;
}

bool draw_degrees(EdgeKey key, int64_t edges, int64_t rows, const Candidates& from, int64_t* degree) {
  std::fill(degree, degree + rows, 0);
  if (edges > 0 && (rows == 0 || from.n == 0 || (rows == 1 && from.n == 1 && leaves_one_out(from, 0)))) return false;
  const auto bounded_by = [](int64_t n, uint32_t x, uint32_t y) { return static_cast<int64_t>(bounded(x, y, static_cast<uint64_t>(n))); };
  const auto drawn = [&](int64_t edge, uint32_t attempt, int64_t n) {
    uint32_t x = static_cast<uint32_t>(edge), y = static_cast<uint32_t>(edge >> 32) + attempt;
    threefry(key, x, y);
    return bounded_by(n, x, y);
  };
  for_each_index(key, 0, edges, [&](int64_t edge, uint32_t x, uint32_t y) {
    int64_t row = bounded_by(rows, x, y);
    // A pair that is not allowed is drawn again.
    for (uint32_t attempt = 0; leaves_one_out(from, row) && drawn(edge, attempt + kExclusion, from.n) == row + from.shift;) {
      attempt += kAgain;
      row = drawn(edge, attempt, rows);
    }
    ++degree[row];
  });
  return true;
}

void count_edges(const Ends& edges, int32_t* count) { count_each(edges, count); }
void count_edges(const Ends& edges, int64_t* count) { count_each(edges, count); }

void place_edges(const Rows& rows, const Ends& edges, const float* weight, int32_t* cursor, int32_t* target, float* placed, int64_t n) {
  place_each(rows, edges, weight, cursor, target, placed, n);
}
void place_edges(const Rows& rows, const Ends& edges, const float* weight, int64_t* cursor, int32_t* target, float* placed, int64_t n) {
  place_each(rows, edges, weight, cursor, target, placed, n);
}
void place_edges(const Rows& rows, const Ends& edges, const double* weight, int32_t* cursor, int32_t* target, double* placed, int64_t n) {
  place_each(rows, edges, weight, cursor, target, placed, n);
}
void place_edges(const Rows& rows, const Ends& edges, const double* weight, int64_t* cursor, int32_t* target, double* placed, int64_t n) {
  place_each(rows, edges, weight, cursor, target, placed, n);
}

}  // namespace ranvier
