#include "edges.h"

#include <algorithm>
#include <vector>

#include "loops.h"
#include "threefry.h"

namespace ranvier {
namespace {

constexpr uint32_t kAgain = 1u << 16, kExclusion = 1u << 31;  // added to a counter's high word
constexpr int64_t kAhead = 32;                                // edges
constexpr int64_t kNumbers = 1024;                            // that are looked at while they are near
constexpr int64_t kSparse = 64;                               // a row with fewer than one candidate in so many is sorted; others are read off a table

inline void prefetch_to_write(const void* address) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address, 1);
#else
  (void)address;
#endif
}

// A number below n from 64 bits: each is as likely as any other to within n · 2⁻⁶⁴.
RANVIER_INLINE uint32_t bounded(uint32_t x, uint32_t y, uint64_t n) { return static_cast<uint32_t>((x * n + (y * n >> 32)) >> 32); }

// The numbers below n for the counters (first, key.step), (first + 1, key.step), …; `kLanes` of them.
RANVIER_CLONES void bounded_numbers(const DrawKey& key, uint32_t first, uint32_t n, uint32_t* out) {
  uint32_t x[kLanes], y[kLanes];
  threefry(key, first, x, y);
  for (int64_t i = 0; i < kLanes; ++i) out[i] = bounded(x[i], y[i], n);
}

DrawKey at(const DrawKey& key, uint32_t step) { return {key.low, key.high, step}; }

// Calls visit(number) for the counters (0, row), (1, row), … until it returns false.
template <class Visit>
RANVIER_INLINE void draw_until(const DrawKey& key, uint32_t row, uint32_t n, const Visit& visit) {
  uint32_t numbers[kLanes];
  for (uint32_t first = 0;; first += kLanes) {
    bounded_numbers(at(key, row), first, n, numbers);
    for (const uint32_t number : numbers) {
      if (!visit(number)) return;
    }
  }
}

// x becomes mean + sd · x; returns how many are then outside.
RANVIER_CLONES int64_t scale(const Within& within, int64_t n, double* RANVIER_RESTRICT x) {
  const double mean = within.mean, sd = within.sd, low = within.low, high = within.high;
  int64_t outside = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double scaled = x[i] * sd + mean;
    x[i] = scaled;
    outside += !(scaled >= low) | !(scaled <= high);
  }
  return outside;
}

// Calls draw(key, first, i, n) for stretches of the indices start, start + 1, … that share a high word.
template <class Draw>
void for_each_stretch(const DrawKey& key, uint64_t start, int64_t n, const Draw& draw) {
  for (int64_t i = 0; i < n;) {
    const uint64_t index = start + static_cast<uint64_t>(i), left = (uint64_t{1} << 32) - (index & 0xFFFFFFFFu);
    const int64_t some = static_cast<int64_t>(std::min(static_cast<uint64_t>(n - i), left));
    draw(at(key, static_cast<uint32_t>(index >> 32)), static_cast<uint32_t>(index), i, some);
    i += some;
  }
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

  // Both call visit for the candidates drawn, ascending, and forget them: with how often each was, or (`complement`) for all others.
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
  RowWriter(const DrawKey& key, int64_t candidates, bool repeated) : key_(key), repeated_(repeated), drawn_(candidates) {}

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
  DrawKey key_;
  bool repeated_;
  Drawn drawn_;
  std::vector<uint32_t> list_;
};

RANVIER_INLINE bool leaves_one_out(const Candidates& from, int64_t row) {
  return from.exclude && row + from.shift >= 0 && row + from.shift < from.n;
}

// Which counter or cursor an edge belongs to; −1 for none.
RANVIER_INLINE int64_t cell(const Ends& edges, int64_t e) {
  const int64_t delay = edges.delay ? edges.delay[e] : 0;
  const bool known = edges.pre[e] >= 0 && edges.pre[e] < edges.sources && delay >= 0 && delay < edges.delays;
  return known ? edges.pre[e] * edges.delays + delay : -1;
}

template <class Count>
RANVIER_INLINE void count_each(const Ends& edges, Count* count) {
  for (int64_t e = 0; e < edges.n; ++e) {
    const int64_t at = cell(edges, e);
    if (at >= 0) ++count[at];
  }
}

template <class Cursor, class T>
RANVIER_INLINE void place_each(const Rows& rows, const Ends& edges, const T* weight, Cursor* cursor, int32_t* target, T* placed,
                               int64_t n) {
  for (int64_t r = 0; r < rows.n; ++r) {
    const int64_t begin = std::clamp<int64_t>(rows.begin[r], 0, edges.n);
    const int64_t end = begin + std::clamp<int64_t>(rows.length[r], 0, edges.n - begin);
    for (int64_t e = begin; e < end; ++e) {
      // Each edge of a target goes to another part of memory: without this each waits for it.
      if (e + 2 * kAhead < end) {
        const int64_t later = cell(edges, e + 2 * kAhead);
        if (later >= 0) prefetch_to_write(cursor + later);
      }
      if (e + kAhead < end) {
        const int64_t soon = cell(edges, e + kAhead);
        if (soon >= 0) {
          const int64_t at = cursor[soon];
          if (at >= 0 && at < n) {
            prefetch_to_write(target + at);
            if (weight) prefetch_to_write(placed + at);
          }
        }
      }
      const int64_t where = cell(edges, e);
      if (where < 0) continue;
      const int64_t at = cursor[where];
      if (at < 0 || at >= n) continue;
      cursor[where] = static_cast<Cursor>(at + 1);
      target[at] = rows.target[r];
      if (weight) placed[at] = weight[e];
    }
  }
}

}  // namespace

void uniform_numbers(const DrawKey& key, uint64_t start, int64_t n, double* out) {
  for_each_stretch(key, start, n, [&](const DrawKey& own, uint32_t first, int64_t i, int64_t some) { uniforms(own, first, some, out + i); });
}

void normal_numbers(const DrawKey& key, uint64_t start, int64_t n, const uint32_t* quantiles, double* out) {
  for_each_stretch(key, start, n, [&](const DrawKey& own, uint32_t first, int64_t i, int64_t some) {
    normals(own, first, some, quantiles, out + i);
  });
}

void uniform_numbers_at(const DrawKey& key, const int64_t* index, int64_t n, double* out) { uniforms_at(key, index, n, out); }

void normal_numbers_at(const DrawKey& key, const int64_t* index, int64_t n, const uint32_t* quantiles, double* out) {
  normals_at(key, index, n, quantiles, out);
}

int64_t normal_numbers_within(const DrawKey* keys, int64_t n_keys, uint64_t start, int64_t n, const uint32_t* quantiles, const Within& within,
                              double* out) {
  if (n_keys < 1) return n;
  int64_t left = 0, index[kNumbers];
  double again[kNumbers];
  for_each_stretch(keys[0], start, n, [&](const DrawKey& own, uint32_t first, int64_t begin, int64_t all) {
    for (int64_t done = 0; done < all; done += kNumbers) {
      const int64_t some = std::min(all - done, kNumbers);
      double* const x = out + begin + done;
      normals(own, first + static_cast<uint32_t>(done), some, quantiles, x);
      int64_t outside = scale(within, some, x);
      for (int64_t k = 1; k < n_keys && outside > 0; ++k) {
        outside = 0;
        for (int64_t i = 0; i < some; ++i) {
          index[outside] = static_cast<int64_t>(start) + begin + done + i;
          outside += !(x[i] >= within.low && x[i] <= within.high);
        }
        normals_at(keys[k], index, outside, quantiles, again);
        const int64_t drawn = outside;
        outside = scale(within, drawn, again);
        for (int64_t j = 0; j < drawn; ++j) x[index[j] - static_cast<int64_t>(start) - begin - done] = again[j];
      }
      left += outside;
    }
  });
  return left;
}

bool draw_rows(const DrawKey& key, const int64_t* degree, int64_t rows, int64_t first, const Candidates& from, bool repeated, int32_t* out,
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

bool draw_degrees(const DrawKey& key, int64_t edges, int64_t rows, const Candidates& from, int64_t* degree) {
  std::fill(degree, degree + rows, 0);
  if (edges > 0 && (rows == 0 || from.n == 0 || (rows == 1 && from.n == 1 && leaves_one_out(from, 0)))) return false;
  uint32_t drawn[kLanes], candidates[kLanes];
  for (int64_t first = 0; first < edges; first += kLanes) {
    const uint32_t low = static_cast<uint32_t>(first), high = static_cast<uint32_t>(first >> 32);
    uint32_t open = ~0u;  // the edges that still need a row
    if (edges - first < kLanes) open = (1u << (edges - first)) - 1;
    for (uint32_t attempt = 0; open != 0; attempt += kAgain) {
      bounded_numbers(at(key, high + attempt), low, static_cast<uint32_t>(rows), drawn);
      if (from.exclude) bounded_numbers(at(key, high + attempt + kExclusion), low, static_cast<uint32_t>(from.n), candidates);
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t row = drawn[i];
        // A pair that is not allowed is drawn again.
        if (!(open >> i & 1) || (leaves_one_out(from, row) && candidates[i] == row + from.shift)) continue;
        ++degree[row];
        open &= ~(1u << i);
      }
    }
  }
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
