#include <algorithm>

#include "loops.h"
#include "threefry.h"

namespace ranvier {
namespace {

// One counter a neuron: numbers for `kLanes` of them at a time.

RANVIER_INLINE void uniform(const uint32_t* x, const uint32_t* y, double* RANVIER_RESTRICT out) {
  for (int64_t i = 0; i < kLanes; ++i) {
    out[i] = (static_cast<double>(x[i]) * 0x1p20 + static_cast<double>(static_cast<int32_t>(y[i] >> 12)) + 0.5) * 0x1p-52;
  }
}

RANVIER_INLINE void uniform(const uint32_t* x, const uint32_t*, float* RANVIER_RESTRICT out) {
  for (int64_t i = 0; i < kLanes; ++i) out[i] = (static_cast<float>(static_cast<int32_t>(x[i] >> 9)) + 0.5f) * 0x1p-23f;
}

template <int shift>
RANVIER_INLINE void lift(uint32_t& tail, uint32_t& octave) {
  const bool low = tail >> (32 - shift) == 0;
  tail = low ? tail << shift : tail;
  octave = low ? octave - shift : octave;
}

template <class T>
RANVIER_INLINE void normal(const uint32_t* words, const uint32_t* RANVIER_RESTRICT quantiles, T* RANVIER_RESTRICT out) {
  int32_t entry[kLanes];
  uint32_t tails[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) {
    uint32_t tail = (words[i] << 1) | 1, octave = 31;
    lift<16>(tail, octave);
    lift<8>(tail, octave);
    lift<4>(tail, octave);
    lift<2>(tail, octave);
    lift<1>(tail, octave);
    tails[i] = tail;
    entry[i] = static_cast<int32_t>(octave * 128 + ((tail >> 24) & 127));
  }
  for (int64_t i = 0; i < kLanes; ++i) {
    const uint32_t high = quantiles[entry[i]], fall = high - quantiles[entry[i] + 1];
    const uint32_t part = fall * ((tails[i] >> 13) & 2047) + (fall * ((tails[i] >> 2) & 2047) >> 11);
    const int32_t size = static_cast<int32_t>(high - (part >> 11)), sign = -static_cast<int32_t>(words[i] >> 31);
    out[i] = static_cast<T>((size ^ sign) - sign) * static_cast<T>(0x1p-28);
  }
}

template <class T, class Number>
RANVIER_INLINE void for_each_counter(const DrawKey& key, uint32_t start, int64_t n, T* out, const Number& number) {
  uint32_t x[kLanes], y[kLanes];
  T last[kLanes];
  for (int64_t i = 0; i < n; i += kLanes) {
    const bool whole = n - i >= kLanes;
    threefry(key, start + static_cast<uint32_t>(i), x, y);
    number(x, y, whole ? out + i : last);
    if (!whole) std::copy_n(last, n - i, out + i);
  }
}

// Likewise, for any 64-bit counters; the key's step is of no account.
template <class T, class Number>
RANVIER_INLINE void for_each_counter_of(const DrawKey& key, const int64_t* index, int64_t n, T* out, const Number& number) {
  uint32_t x[kLanes], y[kLanes], low[kLanes] = {}, high[kLanes] = {};
  T last[kLanes];
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t some = std::min(kLanes, n - i);
    for (int64_t l = 0; l < some; ++l) {
      const uint64_t own = static_cast<uint64_t>(index[i + l]);
      low[l] = static_cast<uint32_t>(own);
      high[l] = static_cast<uint32_t>(own >> 32);
    }
    threefry_of(
        key,
        [&](int64_t lane, uint32_t& a, uint32_t& b) {
          a = low[lane];
          b = high[lane];
        },
        x, y);
    number(x, y, some == kLanes ? out + i : last);
    if (some < kLanes) std::copy_n(last, some, out + i);
  }
}

template <class T>
RANVIER_INLINE void all_uniforms(const DrawKey& key, uint32_t start, int64_t n, T* out) {
  for_each_counter(key, start, n, out, [](const uint32_t* x, const uint32_t* y, T* some) { uniform(x, y, some); });
}

template <class T>
RANVIER_INLINE void all_normals(const DrawKey& key, uint32_t start, int64_t n, const uint32_t* quantiles, T* out) {
  for_each_counter(key, start, n, out, [&](const uint32_t* x, const uint32_t*, T* some) { normal(x, quantiles, some); });
}

// A probability in [0, 1) as 64 bits, each step of it exact: so it is in either precision. 31, 31 and 2 of them, because vectors
// convert to signed integers only.
template <class T>
RANVIER_INLINE void as_bits(const T* RANVIER_RESTRICT probability, uint32_t* RANVIER_RESTRICT high, uint32_t* RANVIER_RESTRICT low) {
  for (int64_t i = 0; i < kLanes; ++i) {
    const T p = probability[i], above = p > T(0) ? p : T(0), first = (above < T(1) ? above : T(0)) * static_cast<T>(0x1p31);
    const int32_t a = static_cast<int32_t>(first);
    const T second = (first - static_cast<T>(a)) * static_cast<T>(0x1p31);
    const int32_t b = static_cast<int32_t>(second);
    const int32_t c = static_cast<int32_t>((second - static_cast<T>(b)) * T(4));
    high[i] = static_cast<uint32_t>(a) << 1 | static_cast<uint32_t>(b) >> 30;
    low[i] = static_cast<uint32_t>(b) << 2 | static_cast<uint32_t>(c);
  }
}

template <class T>
RANVIER_INLINE void compare(const uint32_t* RANVIER_RESTRICT x, const uint32_t* RANVIER_RESTRICT y, const T* RANVIER_RESTRICT probability,
                            bool* RANVIER_RESTRICT out) {
  uint32_t high[kLanes], low[kLanes], below[kLanes];
  as_bits(probability, high, low);
  for (int64_t i = 0; i < kLanes; ++i) {
    below[i] = static_cast<uint32_t>(x[i] < high[i]) | (static_cast<uint32_t>(x[i] == high[i]) & static_cast<uint32_t>(y[i] < low[i]));
  }
  for (int64_t i = 0; i < kLanes; ++i) out[i] = static_cast<bool>(below[i] | static_cast<uint32_t>(probability[i] >= T(1)));
}

// The same, where 31 bits of some neuron's word are those of its probability.
template <int64_t lanes, class T>
RANVIER_NOT_INLINE void compare_again(const DrawKey& key, uint32_t start, const T* probability, int64_t stride, bool* out) {
  uint32_t x[lanes], y[lanes];
  T some[kLanes];
  threefry<lanes>(key, start, x, y);
  for (int64_t l = 0; l < lanes; l += kLanes) {
    for (int64_t i = 0; i < kLanes; ++i) some[i] = probability[(l + i) * stride];
    compare(x + l, y + l, some, out + l);
  }
}

// A probability as 31 bits, rounded down; 2³¹ where it is 1 or more.
template <class T>
RANVIER_INLINE uint32_t first_bits(T probability) {
  const T above = probability > T(0) ? probability : T(0);
  return static_cast<uint32_t>((above < T(1) ? above : T(1)) * static_cast<T>(0x1p31));
}

// `lanes` of them at a time for as long as there are so many; how many that was. Nearly always 31 bits decide.
template <int64_t lanes, class T>
RANVIER_INLINE int64_t whole_blocks_compared(const DrawKey& key, uint32_t start, int64_t n, const T* probability, int64_t stride, bool* out) {
  uint32_t x[lanes], y[lanes];
  const uint32_t same = stride == 0 ? first_bits(*probability) : 0;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    threefry<lanes>(key, start + static_cast<uint32_t>(i), x, y);
    uint32_t equal = 0;
    const auto look = [&](const auto& limit) {
      for (int64_t l = 0; l < lanes; ++l) {
        const uint32_t most = limit(l), word = x[l] >> 1;
        out[i + l] = word < most;
        equal |= static_cast<uint32_t>(word == most);
      }
    };
    if (stride == 0) {
      look([&](int64_t) { return same; });
    } else {
      look([&](int64_t l) { return first_bits(probability[i + l]); });
    }
    if (equal != 0) compare_again<lanes>(key, start + static_cast<uint32_t>(i), probability + i * stride, stride, out + i);
  }
  return i;
}

template <class T>
RANVIER_INLINE void all_compared(const DrawKey& key, uint32_t start, int64_t n, const T* probability, int64_t stride, bool* out) {
  int64_t done = whole_blocks_compared<kManyLanes>(key, start, n, probability, stride, out);
  done += whole_blocks_compared<kLanes>(key, start + static_cast<uint32_t>(done), n - done, probability + done * stride, stride, out + done);
  if (done == n) return;
  T some[kLanes] = {};
  bool last[kLanes];
  for (int64_t i = done; i < n; ++i) some[i - done] = probability[i * stride];
  whole_blocks_compared<kLanes>(key, start + static_cast<uint32_t>(done), kLanes, some, 1, last);
  std::copy_n(last, n - done, out + done);
}

// Poisson counts take one word each, so two neurons share a counter: in every 64, the first half have the first words.

constexpr int64_t kPair = 2 * kLanes;
constexpr int64_t kThresholds = 8, kFewThresholds = 4;  // compared in one pass
constexpr int64_t kManyThresholds = 32;                 // of so many it is looked up which all words reach
constexpr uint32_t kSeldom = 0xFF800000u;               // a word above it is one in 512

// AVX2 compares signed numbers only.
RANVIER_INLINE int32_t ordered(uint32_t word) { return static_cast<int32_t>(word ^ 0x80000000u); }

// Adds how many of `some` thresholds each word reaches; whether one reaches them all.
template <int64_t some>
RANVIER_INLINE bool count_some(const int32_t* RANVIER_RESTRICT words, const uint32_t* row, int32_t* RANVIER_RESTRICT counts) {
  int32_t threshold[some], below_last = 1;
  for (int64_t t = 0; t < some; ++t) threshold[t] = ordered(row[t]);
  for (int64_t i = 0; i < kPair; ++i) {
    int32_t above = 0;
    for (int64_t t = 0; t < some; ++t) above += threshold[t] > words[i];
    counts[i] += static_cast<int32_t>(some) - above;
    below_last &= threshold[some - 1] > words[i];
  }
  return below_last == 0;
}

RANVIER_INLINE void count_all(const int32_t* RANVIER_RESTRICT words, const uint32_t* row, int64_t length, int32_t* RANVIER_RESTRICT counts) {
  int64_t k = 0;
  if (length > kManyThresholds) {
    int32_t lowest = words[0];
    for (int64_t i = 0; i < kPair; ++i) lowest = words[i] < lowest ? words[i] : lowest;
    while (k + kThresholds <= length && ordered(row[k + kThresholds - 1]) <= lowest) k += kThresholds;
  }
  for (int64_t i = 0; i < kPair; ++i) counts[i] = static_cast<int32_t>(k);
  if (k == 0 && length >= kFewThresholds && row[kFewThresholds - 1] >= kSeldom) {
    if (!count_some<kFewThresholds>(words, row, counts)) return;
    k = kFewThresholds;
  }
  for (; k + kThresholds <= length; k += kThresholds) {
    if (!count_some<kThresholds>(words, row + k, counts)) return;
  }
  for (; k < length; ++k) {
    for (int64_t i = 0; i < kPair; ++i) counts[i] += ordered(row[k]) <= words[i];
  }
}

RANVIER_INLINE void count_each(const int32_t* words, const PoissonTable& table, const int32_t* rate, int64_t n, int32_t* counts) {
  for (int64_t i = 0; i < n; ++i) {
    counts[i] = 0;
    if (rate[i] < 0 || rate[i] >= table.rates) continue;
    const uint32_t* row = table.thresholds + rate[i] * table.length;
    counts[i] = static_cast<int32_t>(
        std::upper_bound(row, row + table.length, words[i], [](int32_t word, uint32_t entry) { return word < ordered(entry); }) - row);
  }
}

// Calls visit(i, counts, some): the counts of `some` neurons from the i-th on.
template <class Visit>
RANVIER_INLINE void for_each_count(const DrawKey& key, uint32_t start, int64_t n, const PoissonTable& table, const Visit& visit) {
  uint32_t x[kManyLanes], y[kManyLanes];
  int32_t words[kPair], counts[kPair];
  const auto word = [](uint32_t drawn) { return ordered(drawn == 0xFFFFFFFFu ? 0xFFFFFFFEu : drawn); };
  uint32_t at = 0;
  int64_t drawn = 0;  // counters, from `at` on
  for (int64_t i = 0; i < n;) {
    const uint32_t neuron = start + static_cast<uint32_t>(i), before = neuron % kPair, counter = neuron / kPair * kLanes;
    const int64_t some = std::min(n - i, kPair - before);
    if (counter - at >= drawn) {
      at = counter;
      drawn = n - i >= 2 * kManyLanes - kPair ? kManyLanes : kLanes;
      if (drawn == kManyLanes) {
        threefry<kManyLanes>(key, at, x, y);
      } else {
        threefry(key, at, x, y);
      }
    }
    const uint32_t place = counter - at;
    for (int64_t l = 0; l < kLanes; ++l) words[l] = word(x[place + l]), words[kLanes + l] = word(y[place + l]);
    const int32_t* rate = table.rate + i * table.stride;
    int32_t unlike = 0;
    if (table.stride != 0) {
      for (int64_t l = 0; l < some; ++l) unlike |= rate[l] ^ rate[0];
    }
    if (unlike != 0) {
      count_each(words + before, table, rate, some, counts + before);
    } else if (rate[0] >= 0 && rate[0] < table.rates) {
      count_all(words, table.thresholds + rate[0] * table.length, table.length, counts);
    } else {
      std::fill_n(counts, kPair, 0);
    }
    visit(i, counts + before, some);
    i += some;
  }
}

template <class T>
RANVIER_INLINE void add_counts(const DrawKey& key, uint32_t start, int64_t n, const PoissonTable& table, const T* weight, int64_t stride,
                               T* out) {
  for_each_count(key, start, n, table, [&](int64_t i, const int32_t* counts, int64_t some) {
    const T* w = weight + i * stride;
    T* RANVIER_RESTRICT sum = out + i;
    if (stride == 0) {
      for (int64_t l = 0; l < some; ++l) sum[l] += *weight * static_cast<T>(counts[l]);
    } else {
      for (int64_t l = 0; l < some; ++l) sum[l] += w[l] * static_cast<T>(counts[l]);
    }
  });
}

}  // namespace

RANVIER_LEVELS void uniforms(const DrawKey& key, uint32_t start, int64_t n, float* out) { all_uniforms(key, start, n, out); }

RANVIER_LEVELS void uniforms(const DrawKey& key, uint32_t start, int64_t n, double* out) { all_uniforms(key, start, n, out); }

RANVIER_LEVELS void uniforms_at(const DrawKey& key, const int64_t* index, int64_t n, double* out) {
  for_each_counter_of(key, index, n, out, [](const uint32_t* x, const uint32_t* y, double* some) { uniform(x, y, some); });
}

RANVIER_LEVELS void normals_at(const DrawKey& key, const int64_t* index, int64_t n, const uint32_t* quantiles, double* out) {
  for_each_counter_of(key, index, n, out, [&](const uint32_t* x, const uint32_t*, double* some) { normal(x, quantiles, some); });
}

RANVIER_LEVELS void normals(const DrawKey& key, uint32_t start, int64_t n, const uint32_t* quantiles, float* out) {
  all_normals(key, start, n, quantiles, out);
}

RANVIER_LEVELS void normals(const DrawKey& key, uint32_t start, int64_t n, const uint32_t* quantiles, double* out) {
  all_normals(key, start, n, quantiles, out);
}

RANVIER_LEVELS void bernoulli(const DrawKey& key, uint32_t start, int64_t n, const float* probability, int64_t stride, bool* out) {
  all_compared(key, start, n, probability, stride, out);
}

RANVIER_LEVELS void bernoulli(const DrawKey& key, uint32_t start, int64_t n, const double* probability, int64_t stride, bool* out) {
  all_compared(key, start, n, probability, stride, out);
}

RANVIER_LEVELS void poisson_counts(const DrawKey& key, uint32_t start, int64_t n, const PoissonTable& table, int32_t* out) {
  for_each_count(key, start, n, table, [&](int64_t i, const int32_t* counts, int64_t some) {
    for (int64_t l = 0; l < some; ++l) out[i + l] = counts[l];
  });
}

RANVIER_LEVELS void add_poisson(const DrawKey& key, uint32_t start, int64_t n, const PoissonTable& table, const float* weight,
                                int64_t stride, float* out) {
  add_counts(key, start, n, table, weight, stride, out);
}

RANVIER_LEVELS void add_poisson(const DrawKey& key, uint32_t start, int64_t n, const PoissonTable& table, const double* weight,
                                int64_t stride, double* out) {
  add_counts(key, start, n, table, weight, stride, out);
}

}  // namespace ranvier
