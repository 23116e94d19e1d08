// The loops of `edges.h` over awkward sizes and hostile contents, as in `check_loops.cc`.

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "checks.h"
#include "edges.h"

namespace {

using ranvier::Candidates;
using ranvier::DrawKey;

DrawKey any_key() { return {static_cast<uint32_t>(integer(0, 0xFFFFFFFF)), static_cast<uint32_t>(integer(0, 0xFFFFFFFF)), 0}; }

void check_numbers(int64_t n) {
  const DrawKey key = any_key();
  const uint64_t start = (uint64_t{1} << 32) - static_cast<uint64_t>(integer(0, 100));  // across the end of the low word
  std::vector<uint32_t> quantiles(4097);
  std::vector<double> out(n);
  ranvier::normal_numbers(key, start, n, quantiles.data(), out.data());
  std::vector<int64_t> index(n);
  for (int64_t& i : index) i = integer(0, std::numeric_limits<int64_t>::max());
  ranvier::normal_numbers_at(key, index.data(), n, quantiles.data(), out.data());
  const std::vector<DrawKey> keys(static_cast<size_t>(integer(1, 4)), key);
  const ranvier::Within within{0.0, 1.0, 0.2, 0.1};  // nothing is
  expect(ranvier::normal_numbers_within(keys.data(), static_cast<int64_t>(keys.size()), start, n, quantiles.data(), within, out.data()) == n,
         "normal_numbers_within: nothing can be inside");
  expect(ranvier::normal_numbers_within(keys.data(), 0, start, n, quantiles.data(), within, out.data()) == n,
         "normal_numbers_within: drawn without a key");
  ranvier::uniform_numbers_at(key, index.data(), n, out.data());
  expect(std::all_of(out.begin(), out.end(), [](double x) { return x > 0 && x < 1; }), "uniform_numbers_at: not inside (0, 1)");
  ranvier::uniform_numbers(key, start, n, out.data());
  expect(std::all_of(out.begin(), out.end(), [](double x) { return x > 0 && x < 1; }), "uniform_numbers: not inside (0, 1)");
}

void check_rows(int64_t rows, int64_t n) {
  for (const bool repeated : {false, true}) {
    for (const bool exclude : {false, true}) {
      const Candidates from{n, integer(-3, 3), exclude};
      std::vector<int64_t> degree(rows);
      for (int64_t r = 0; r < rows; ++r) {
        const bool out = exclude && r + from.shift >= 0 && r + from.shift < n;
        degree[r] = n - out > 0 ? integer(0, repeated ? 2 * n : n - out) : 0;
      }
      std::vector<int32_t> drawn(std::accumulate(degree.begin(), degree.end(), int64_t{0}));
      expect(ranvier::draw_rows(any_key(), degree.data(), rows, 0, from, repeated, drawn.data(), static_cast<int64_t>(drawn.size())),
             "draw_rows: refused what is possible");
      int64_t at = 0;
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t j = 0; j < degree[r]; ++j, ++at) {
          expect(drawn[at] >= 0 && drawn[at] < n && !(exclude && drawn[at] == r + from.shift), "draw_rows: no candidate");
          expect(j == 0 || drawn[at - 1] < drawn[at] || (repeated && drawn[at - 1] == drawn[at]), "draw_rows: not ascending");
        }
      }
      std::vector<int64_t> tiles(static_cast<size_t>(integer(0, n / 4 + 1)));
      expect(ranvier::count_rows(any_key(), degree.data(), rows, 0, from, repeated, integer(-9, 9), 2, static_cast<int64_t>(tiles.size()),
                                 tiles.data()),
             "count_rows: refused what is possible");
      if (rows == 0) continue;
      std::vector<int32_t> little(drawn.size() / 2);
      degree[integer(0, rows - 1)] = integer(0, 1) ? -1 : std::numeric_limits<int64_t>::max();
      expect(!ranvier::draw_rows(any_key(), degree.data(), rows, 0, from, repeated, little.data(), static_cast<int64_t>(little.size())),
             "draw_rows: accepted what is not possible");
      const bool possible = ranvier::draw_degrees(any_key(), 100, rows, from, degree.data());
      expect(!possible || std::accumulate(degree.begin(), degree.end(), int64_t{0}) == 100, "draw_degrees: edges were lost");
    }
  }
}

// Words and values of any contents, cursors and ends anywhere.
template <class Word, class Index>
void check_sorting(int64_t n_rows, int64_t n, int64_t sources, int64_t delays) {
  const ranvier::Tiles tiles{sources, delays, static_cast<int>(integer(0, 4)), static_cast<int>(integer(0, 20))};
  const int64_t n_tiles = (sources + (int64_t{1} << tiles.shift) - 1) >> tiles.shift;
  const auto pre = indices(n, sources), delay = indices(n, delays), row_target = indices(n_rows, n);
  std::vector<int64_t> begin(n_rows), length(n_rows), count(n_tiles), ends(n_tiles + 1);
  for (int64_t r = 0; r < n_rows; ++r) begin[r] = hostile(n), length[r] = hostile(n);
  std::vector<Word> words(n);
  const auto value = numbers<double>(n);
  std::vector<double> placed(n);
  std::vector<char> used(delays);
  ranvier::count_tiles(pre.data(), n, tiles.shift, n_tiles, count.data());
  expect(std::accumulate(count.begin(), count.end(), int64_t{0}) <= n, "count_tiles: too many");
  for (const bool plain : {false, true}) {
    for (int64_t& c : count) c = hostile(n);
    const ranvier::Ends edges{pre.data(), plain ? nullptr : delay.data(), n};
    ranvier::spread_edges({begin.data(), length.data(), row_target.data(), n_rows}, edges, tiles,
                          {const_cast<double*>(value.data()), plain ? 0 : 8}, count.data(), {words.data(), sizeof(Word)}, {placed.data(), 8}, n,
                          reinterpret_cast<bool*>(used.data()));
  }
  for (Word& word : words) word ^= integer(0, 1) ? static_cast<Word>(integer(0, 0xFFFFFFFF)) : 0;
  for (int64_t& end : ends) end = hostile(n);
  std::vector<int32_t> number(delays), target(n);
  for (int32_t& d : number) d = static_cast<int32_t>(integer(-1, delays));
  const int64_t room = integer(0, delays);
  std::vector<Index> segments(sources * (room + 1));
  const ranvier::Column column{placed.data(), 8};
  ranvier::settle_edges({0, n_tiles, ends.data(), n}, tiles, {words.data(), sizeof(Word)},
                        ranvier::Settled<Index>{number.data(), 5, target.data(), &column, 1, segments.data(), room});
}

void check_delays(int64_t n) {
  auto delay = numbers<double>(n);
  std::vector<int32_t> number(7), out(n);
  ranvier::number_delays(delay.data(), n, 0.1, 1.0, number.data(), 7, out.data());
  const double none[] = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1.0, 1e300};
  for (double& d : delay) d = none[integer(0, 3)];
  expect(n == 0 || !ranvier::number_delays(delay.data(), n, 0.1, 1.0, number.data(), 7, out.data()), "number_delays: numbered no delay");
}

}  // namespace

void check_edges() {
  const int64_t sizes[] = {0, 1, 7, 31, 32, 33, 64, 65, 300};
  for (const int64_t n : sizes) {
    check_numbers(n);
    check_delays(n);
    for (const int64_t m : sizes) {
      check_rows(n, m);
      for (const int64_t delays : {1, 3}) {
        check_sorting<uint32_t, int32_t>(m, n, 7, delays);
        check_sorting<uint64_t, int64_t>(m, n, m, delays);
      }
    }
  }
}
