#include "edges.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "loops.h"
#include "threefry.h"

namespace ranvier {
namespace {

constexpr uint32_t kAgain = 1u << 16, kExclusion = 1u << 31;  // added to a counter's high word
constexpr int64_t kAhead = 32;                                // edges
constexpr int64_t kNumbers = 1024;                            // that are looked at while they are near
constexpr int64_t kSparse = 512;                              // a row with fewer than one candidate in so many is sorted; others are read off a table

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
RANVIER_LEVELS void bounded_numbers(const DrawKey& key, uint32_t first, uint32_t n, uint32_t* out) {
  uint32_t x[kLanes], y[kLanes];
  threefry(key, first, x, y);
  for (int64_t i = 0; i < kLanes; ++i) out[i] = bounded(x[i], y[i], n);
}

DrawKey at(const DrawKey& key, uint32_t step) { return {key.low, key.high, step}; }

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

// Writes the numbers of candidates one after the other; where one is left out, those behind it move up.
class Row {
 public:
  Row(int32_t* out, int32_t* end, int64_t left_out) : out_(out), end_(end), left_out_(left_out) {}

  RANVIER_INLINE void put(int64_t candidate) { *out_++ = number(candidate); }

  // The last one, so many times more.
  RANVIER_INLINE void put_again(int64_t times) {
    const int32_t last = out_[-1];
    *out_++ = last;
    for (; times > 1; --times) *out_++ = last;
  }

  // The candidates from `first` on whose bits are set.
  RANVIER_INLINE void put_set(int64_t first, uint64_t bits) {
    constexpr int64_t at_once = 4;
    if (end_ - out_ < 64 + at_once) {
      for (; bits != 0; bits &= bits - 1) put(first + lowest_set(bits));
      return;
    }
    int32_t* out = out_;
    out_ += bits_set(bits);
    for (; out < out_; out += at_once) {  // what is written beyond the last one is written again
      for (int64_t i = 0; i < at_once; ++i) {
        out[i] = number(first + lowest_set(bits | uint64_t{1} << 63));
        bits &= bits - 1;
      }
    }
  }

 private:
  RANVIER_INLINE int32_t number(int64_t candidate) const { return static_cast<int32_t>(candidate + (candidate >= left_out_ ? 1 : 0)); }

  RANVIER_INLINE static int64_t bits_set(uint64_t bits) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_popcountll(bits);
#else
    int64_t set = 0;
    for (; bits != 0; bits &= bits - 1) ++set;
    return set;
#endif
  }

  int32_t *out_, *end_;
  int64_t left_out_;
};

// A row's draws before they are written: which candidates were drawn, which of them again, and how often again.
class Drawn {
 public:
  explicit Drawn(int64_t candidates) : any_((candidates + 63) / 64), several_(any_.size()), again_(candidates) {}

  RANVIER_INLINE bool first_time(uint32_t candidate) {
    uint64_t& word = any_[candidate >> 6];
    const uint64_t bit = uint64_t{1} << (candidate & 63);
    const bool is_new = !(word & bit);
    word |= bit;
    return is_new;
  }

  RANVIER_INLINE void any_time(uint32_t candidate) {
    if (first_time(candidate)) return;
    several_[candidate >> 6] |= uint64_t{1} << (candidate & 63);
    ++again_[candidate];
  }

  // Both put the candidates drawn, ascending, and forget them: each as often as it was, or once, or (`complement`) all others.
  RANVIER_INLINE void take_repeated(int64_t n, Row& row) {
    for (int64_t w = 0; w < (n + 63) / 64; ++w) {
      uint64_t word = any_[w], several = several_[w];
      any_[w] = several_[w] = 0;
      for (; several != 0; several &= several - 1) {
        const uint64_t up_to = several ^ (several - 1);  // the lowest of them, and all below
        row.put_set(w * 64, word & up_to);
        word &= ~up_to;
        uint32_t& again = again_[w * 64 + lowest_set(several)];
        row.put_again(again);
        again = 0;
      }
      row.put_set(w * 64, word);
    }
  }

  RANVIER_INLINE void take_distinct(int64_t n, bool complement, Row& row) {
    for (int64_t w = 0; w < (n + 63) / 64; ++w) {
      uint64_t word = any_[w] ^ (complement ? ~uint64_t{0} : 0);
      any_[w] = 0;
      if (n - w * 64 < 64) word &= (uint64_t{1} << (n - w * 64)) - 1;
      row.put_set(w * 64, word);
    }
  }

  void forget_all() { std::fill(any_.begin(), any_.end(), 0); }

  void forget(const std::vector<uint32_t>& drawn) {
    for (const uint32_t candidate : drawn) any_[candidate >> 6] = 0;
  }

 private:
  std::vector<uint64_t> any_, several_;
  std::vector<uint32_t> again_;
};

RANVIER_INLINE bool leaves_one_out(const Candidates& from, int64_t row) {
  return from.exclude && row + from.shift >= 0 && row + from.shift < from.n;
}

// A row's candidates: how many, and which number is left out.
struct OfRow {
  int64_t n, left_out;

  OfRow(const Candidates& from, int64_t row) : n(from.n - leaves_one_out(from, row)), left_out(n < from.n ? row + from.shift : from.n) {}

  bool can_have(int64_t degree, bool repeated) const { return degree == 0 || (degree > 0 && n > 0 && (repeated || degree <= n)); }
};

// One row: draws, sorts, and steps over the candidate that is left out.
class RowWriter {
 public:
  RowWriter(const DrawKey& key, int64_t candidates, bool repeated) : key_(key), repeated_(repeated), drawn_(candidates) {}

  RANVIER_INLINE void write(int64_t row, int64_t degree, const OfRow& own, int32_t* out, int32_t* end) {
    Row written(out, end, own.left_out);
    const int64_t n = own.n;
    const bool complement = is_complement(degree, n);
    const int64_t draws = complement ? n - degree : degree;
    const bool sparse = !complement && draws < n / kSparse;
    list_.clear();
    if (sparse) {
      for_each_draw(row, draws, n, [&](uint32_t candidate) { list_.push_back(candidate); });
      if (!repeated_) drawn_.forget(list_);
      std::sort(list_.begin(), list_.end());
      for (const uint32_t candidate : list_) written.put(candidate);
    } else if (repeated_) {
      draw_repeated(row, draws, n, [&](uint32_t candidate) { drawn_.any_time(candidate); });
      drawn_.take_repeated(n, written);
    } else {
      draw_distinct(row, draws, n, [](uint32_t) {});
      drawn_.take_distinct(n, complement, written);
    }
  }

  // count[tile of (offset + candidate)] += 1 for each that `write` writes.
  RANVIER_INLINE void count(int64_t row, int64_t degree, const OfRow& own, int64_t offset, int shift, int64_t tiles,
                            int64_t* RANVIER_RESTRICT count) {
    const int64_t n = own.n, left_out = own.left_out;
    const bool complement = is_complement(degree, n);
    const auto add = [&](int64_t candidate, int64_t times) {
      const int64_t tile = (offset + candidate + (candidate >= left_out ? 1 : 0)) >> shift;
      if (tile >= 0 && tile < tiles) count[tile] += times;
    };
    if (complement) {
      for (int64_t candidate = 0; candidate < n; ++candidate) add(candidate, 1);
    }
    for_each_draw(row, complement ? n - degree : degree, n, [&](uint32_t candidate) { add(candidate, complement ? -1 : 1); });
    if (!repeated_) drawn_.forget_all();
  }

 private:
  bool is_complement(int64_t degree, int64_t n) const { return !repeated_ && 2 * degree > n; }

  // Calls visit(candidate) for the row's first `draws` draws.
  template <class Visit>
  RANVIER_INLINE void draw_repeated(int64_t row, int64_t draws, int64_t n, const Visit& visit) {
    uint32_t numbers[kLanes];
    for (int64_t first = 0; first < draws; first += kLanes) {
      bounded_numbers(at(key_, static_cast<uint32_t>(row)), static_cast<uint32_t>(first), static_cast<uint32_t>(n), numbers);
      const int64_t some = std::min(kLanes, draws - first);
      for (int64_t i = 0; i < some; ++i) visit(numbers[i]);
    }
  }

  // The same for the first that are different.
  template <class Visit>
  RANVIER_INLINE void draw_distinct(int64_t row, int64_t draws, int64_t n, const Visit& visit) {
    uint32_t numbers[kLanes];
    for (int64_t first = 0, count = 0; count < draws; first += kLanes) {
      bounded_numbers(at(key_, static_cast<uint32_t>(row)), static_cast<uint32_t>(first), static_cast<uint32_t>(n), numbers);
      for (int64_t i = 0; i < kLanes && count < draws; ++i) {
        if (!drawn_.first_time(numbers[i])) continue;
        visit(numbers[i]);
        ++count;
      }
    }
  }

  template <class Visit>
  RANVIER_INLINE void for_each_draw(int64_t row, int64_t draws, int64_t n, const Visit& visit) {
    if (repeated_) {
      draw_repeated(row, draws, n, visit);
    } else {
      draw_distinct(row, draws, n, visit);
    }
  }

  DrawKey key_;
  bool repeated_;
  Drawn drawn_;
  std::vector<uint32_t> list_;
};

template <class Word, class Value>
RANVIER_INLINE void spread_each(const Rows& rows, const Ends& edges, const Tiles& tiles, const Value* value, int64_t* RANVIER_RESTRICT cursor,
                                Word* words, Value* placed, int64_t n, bool* used) {
  const uint32_t in_tile = (1u << tiles.shift) - 1;
  const auto cursor_of = [&](int64_t e) -> int64_t* {
    const bool known = e < edges.n && edges.pre[e] >= 0 && edges.pre[e] < tiles.sources;
    return known ? cursor + (edges.pre[e] >> tiles.shift) : nullptr;
  };
  for (int64_t r = 0; r < rows.n; ++r) {
    const int64_t begin = std::clamp<int64_t>(rows.begin[r], 0, edges.n);
    const int64_t end = begin + std::clamp<int64_t>(rows.length[r], 0, edges.n - begin);
    const Word target = static_cast<Word>(static_cast<uint32_t>(rows.target[r])) & ((Word{1} << tiles.target_bits) - 1);
    for (int64_t e = begin; e < end; ++e) {
      // Each edge of a target goes to another part of memory: without this each waits for it.
      if (const int64_t* later = cursor_of(e + 2 * kAhead)) prefetch_to_write(later);
      if (const int64_t* soon = cursor_of(e + kAhead); soon && *soon >= 0 && *soon < n) {
        if (words) prefetch_to_write(words + *soon);
        if (value) prefetch_to_write(placed + *soon);
      }
      int64_t* const next = cursor_of(e);
      const int64_t delay = edges.delay ? edges.delay[e] : 0;
      if (!next || *next < 0 || *next >= n || delay < 0 || delay >= tiles.delays) continue;
      const int64_t at = (*next)++;
      if (value) placed[at] = value[e];
      if (!words) continue;
      const Word source = static_cast<Word>(static_cast<uint32_t>(edges.pre[e]) & in_tile);
      words[at] = static_cast<Word>((source * static_cast<Word>(tiles.delays) + static_cast<Word>(delay)) << tiles.target_bits) | target;
      used[delay] = true;
    }
  }
}

// Calls visit with a null pointer to the type that a column's numbers are moved as.
template <class Visit>
RANVIER_INLINE void as_words(int64_t bytes, const Visit& visit) {
  if (bytes == 8) {
    visit(static_cast<uint64_t*>(nullptr));
  } else {
    visit(static_cast<uint32_t*>(nullptr));
  }
}

// What sorts one tile after the other needs, kept from one to the next.
template <class Word>
struct Sorting {
  std::vector<Word> words;
  std::vector<Word> place;  // in the tile
  std::vector<Word> next;   // of each source and delay, in the tile
  std::vector<uint64_t> moved;
};

template <class Word>
RANVIER_INLINE void move_column(const Column& column, const Sorting<Word>& sorting, int64_t begin, int64_t n, std::vector<uint64_t>& scratch) {
  as_words(column.bytes, [&](auto* type) {
    using Value = std::remove_pointer_t<decltype(type)>;
    Value* const own = static_cast<Value*>(column.data) + begin;
    scratch.resize(static_cast<size_t>(n * column.bytes / 8 + 1));
    Value* const before = reinterpret_cast<Value*>(scratch.data());
    std::copy_n(own, n, before);
    for (int64_t i = 0; i < n; ++i) own[sorting.place[i]] = before[i];
  });
}

template <class Word, class Index>
RANVIER_INLINE void settle_tile(const Tiles& tiles, int64_t tile, int64_t begin, int64_t n, const Word* words, const Settled<Index>& settled,
                                Sorting<Word>& sorting) {
  const int64_t first = tile << tiles.shift, sources = std::min(tiles.sources - first, int64_t{1} << tiles.shift);
  const int64_t cells = sources * tiles.delays, stride = settled.room + 1;
  const Word last = static_cast<Word>(cells - 1);
  const auto cell = [&](Word word) { return std::min<Word>(word >> tiles.target_bits, last); };
  const bool sorted = cells == 1;
  sorting.words.assign(words + begin, words + begin + (sorted ? 0 : n));
  sorting.next.assign(static_cast<size_t>(cells), static_cast<Word>(sorted ? n : 0));
  for (const Word word : sorting.words) ++sorting.next[cell(word)];
  Word before = 0;
  for (int64_t s = 0; s < sources; ++s) {
    Index* const row = settled.segments + (first + s) * stride;
    row[0] = static_cast<Index>(begin + static_cast<int64_t>(before));
    int64_t known = 0;
    for (int64_t d = 0; d < tiles.delays; ++d) {
      Word& own = sorting.next[s * tiles.delays + d];
      const Word edges = own;
      own = before;
      before += edges;
      if (settled.number[d] >= 0 && known < settled.room) row[++known] = static_cast<Index>(begin + static_cast<int64_t>(before));
    }
    std::fill(row + known, row + stride, static_cast<Index>(begin + static_cast<int64_t>(before)));
  }
  const Word of_target = (Word{1} << tiles.target_bits) - 1;
  const auto target = [&](Word word) { return static_cast<int32_t>(settled.low + static_cast<int64_t>(word & of_target)); };
  if (sorted) {
    for (int64_t i = begin; i < begin + n; ++i) settled.target[i] = target(words[i]);
    return;
  }
  sorting.place.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const Word word = sorting.words[i], at = sorting.next[cell(word)]++;
    settled.target[begin + static_cast<int64_t>(at)] = target(word);
    sorting.place[i] = at;
  }
  for (int64_t c = 0; c < settled.n_columns; ++c) move_column(settled.columns[c], sorting, begin, n, sorting.moved);
}

template <class Index>
RANVIER_INLINE void settle_each(const Spread& spread, const Tiles& tiles, const Column& words, const Settled<Index>& settled) {
  as_words(words.bytes, [&](auto* type) {
    using Word = std::remove_pointer_t<decltype(type)>;
    Sorting<Word> sorting;
    for (int64_t t = 0; t < spread.n; ++t) {
      const int64_t begin = std::clamp<int64_t>(spread.begin[t], 0, spread.edges);
      const int64_t n = std::clamp<int64_t>(spread.begin[t + 1], begin, spread.edges) - begin;
      if ((spread.first + t) << tiles.shift >= tiles.sources) return;
      settle_tile(tiles, spread.first + t, begin, n, static_cast<const Word*>(words.data), settled, sorting);
    }
  });
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
  int64_t left = 0, which[kNumbers], index[kNumbers];
  double again[kNumbers];
  for_each_stretch(keys[0], start, n, [&](const DrawKey& own, uint32_t first, int64_t begin, int64_t all) {
    for (int64_t done = 0; done < all; done += kNumbers) {
      const int64_t some = std::min(all - done, kNumbers);
      double* const x = out + begin + done;
      normals(own, first + static_cast<uint32_t>(done), some, quantiles, x);
      int64_t outside = scale(within, some, x);
      if (outside > 0 && n_keys > 1) {
        int64_t found = 0;
        for (int64_t i = 0; i < some; ++i) {
          which[found] = i;
          found += !(x[i] >= within.low && x[i] <= within.high);
        }
      }
      for (int64_t k = 1; k < n_keys && outside > 0; ++k) {
        for (int64_t j = 0; j < outside; ++j) index[j] = static_cast<int64_t>(start) + begin + done + which[j];
        normals_at(keys[k], index, outside, quantiles, again);
        const int64_t drawn = outside;
        scale(within, drawn, again);
        outside = 0;
        for (int64_t j = 0; j < drawn; ++j) {
          x[which[j]] = again[j];
          which[outside] = which[j];
          outside += !(again[j] >= within.low && again[j] <= within.high);
        }
      }
      left += outside;
    }
  });
  return left;
}

RANVIER_LEVELS bool draw_rows(const DrawKey& key, const int64_t* degree, int64_t rows, int64_t first, const Candidates& from, bool repeated,
                              int32_t* out, int64_t n_out) {
  RowWriter writer(key, from.n, repeated);
  int64_t written = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const OfRow own(from, first + r);
    if (!own.can_have(degree[r], repeated) || degree[r] > n_out - written) return false;
    writer.write(first + r, degree[r], own, out + written, out + n_out);
    written += degree[r];
  }
  return written == n_out;
}

RANVIER_LEVELS bool count_rows(const DrawKey& key, const int64_t* degree, int64_t rows, int64_t first, const Candidates& from, bool repeated,
                               int64_t offset, int shift, int64_t tiles, int64_t* count) {
  RowWriter writer(key, from.n, repeated);
  for (int64_t r = 0; r < rows; ++r) {
    const OfRow own(from, first + r);
    if (!own.can_have(degree[r], repeated)) return false;
    writer.count(first + r, degree[r], own, offset, shift, tiles, count);
  }
  return true;
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

void count_tiles(const int32_t* pre, int64_t n, int shift, int64_t tiles, int64_t* count) {
  for (int64_t e = 0; e < n; ++e) {
    const int64_t tile = pre[e] >> shift;
    if (tile >= 0 && tile < tiles) ++count[tile];
  }
}

void spread_edges(const Rows& rows, const Ends& edges, const Tiles& tiles, const Column& value, int64_t* cursor, const Column& words,
                  const Column& placed, int64_t n, bool* used) {
  as_words(words.bytes, [&](auto* word) {
    as_words(value.bytes, [&](auto* number) {
      using Word = std::remove_pointer_t<decltype(word)>;
      using Value = std::remove_pointer_t<decltype(number)>;
      spread_each(rows, edges, tiles, value.bytes ? static_cast<const Value*>(value.data) : nullptr, cursor,
                  words.bytes ? static_cast<Word*>(words.data) : nullptr, static_cast<Value*>(placed.data), n, used);
    });
  });
}

void settle_edges(const Spread& spread, const Tiles& tiles, const Column& words, const Settled<int32_t>& settled) {
  settle_each(spread, tiles, words, settled);
}
void settle_edges(const Spread& spread, const Tiles& tiles, const Column& words, const Settled<int64_t>& settled) {
  settle_each(spread, tiles, words, settled);
}

RANVIER_LEVELS bool number_delays(const double* delay, int64_t n, double dt, double least, const int32_t* RANVIER_RESTRICT number,
                                  int64_t n_numbers, int32_t* RANVIER_RESTRICT out) {
  const double most = static_cast<double>(n_numbers - 1);
  int32_t outside = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double rounded = std::rint(delay[i] / dt), steps = rounded > least ? rounded : least;
    const bool known = delay[i] >= 0 && steps <= most;
    outside |= !known;
    out[i] = static_cast<int32_t>(known ? steps : 0.0);
  }
  if (outside || n_numbers < 1) return false;
  for (int64_t i = 0; i < n; ++i) out[i] = number[out[i]];
  return true;
}

}  // namespace ranvier
