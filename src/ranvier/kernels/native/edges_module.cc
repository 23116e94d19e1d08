// The loops of `edges.h` for Python threads: they work on NumPy arrays and hold no lock meanwhile.

#include "edges_module.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "edges.h"
#include "plasticity.h"

namespace {

namespace nb = nanobind;
template <class T>
using Array = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Given = Array<const T>;

void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

template <class T>
const T* or_null(const Given<T>& array) {
  return array.size() ? array.data() : nullptr;
}

// Numbers that are moved bit by bit, of any type of 4 or 8 bytes.
using Bits = nb::ndarray<nb::ndim<1>, nb::c_contig, nb::device::cpu>;

ranvier::Column column(const Bits& array) {
  const int64_t bytes = static_cast<int64_t>(array.itemsize());
  require(bytes == 4 || bytes == 8, "numbers of 4 or 8 bytes");
  return {array.data(), array.size() ? bytes : 0};
}

ranvier::Tiles checked_tiles(int64_t sources, int64_t delays, int shift, int target_bits, int64_t word_bits) {
  require(sources >= 0 && sources <= INT32_MAX && delays > 0 && delays <= INT32_MAX, "sources and delays");
  require(shift >= 0 && shift < 32 && target_bits >= 0 && target_bits < 32, "the size of a tile");
  require(target_bits < word_bits && (delays << shift) <= (int64_t{1} << std::min<int64_t>(62, word_bits - target_bits)), "words are too short");
  return {sources, delays, shift, target_bits};
}

int64_t number_of_tiles(int64_t sources, int shift) { return (sources + (int64_t{1} << shift) - 1) >> shift; }

template <class Index>
void add_settle(nb::module_& m) {
  using namespace nb::literals;
  m.def(
      "settle_edges",
      [](int64_t sources, int shift, int target_bits, int64_t first, Given<int64_t> begin, Bits words, Given<int32_t> number, int64_t low,
         Array<int32_t> target, const std::vector<Bits>& columns, Array<Index> segments) {
        const auto tiles = checked_tiles(sources, static_cast<int64_t>(number.size()), shift, target_bits, 8 * words.itemsize());
        require(begin.size() > 0 && first >= 0 && first + static_cast<int64_t>(begin.size()) - 1 <= number_of_tiles(sources, shift),
                "tiles that there are");
        require(words.size() == target.size() && segments.size() % sources == 0 && segments.size() > 0, "one word an edge, whole segments");
        std::vector<ranvier::Column> moved;
        for (const Bits& each : columns) {
          require(each.size() == target.size(), "one number an edge");
          moved.push_back(column(each));
        }
        const ranvier::Spread spread{first, static_cast<int64_t>(begin.size()) - 1, begin.data(), static_cast<int64_t>(target.size())};
        const ranvier::Settled<Index> settled{number.data(),   low,
                                              target.data(),   moved.data(),
                                              static_cast<int64_t>(moved.size()), segments.data(),
                                              static_cast<int64_t>(segments.size()) / sources - 1};
        ranvier::settle_edges(spread, tiles, column(words), settled);
      },
      "sources"_a, "shift"_a, "target_bits"_a, "first"_a, "begin"_a.noconvert(), "words"_a.noconvert(), "number"_a.noconvert(), "low"_a,
      "target"_a.noconvert(), "columns"_a, "segments"_a.noconvert(), nb::call_guard<nb::gil_scoped_release>());
}

template <class Index>
void add_index(nb::module_& m) {
  using namespace nb::literals;
  m.def(
      "index_by_target",
      [](Given<int32_t> delays, Given<Index> segments, int64_t sources, Given<int32_t> target, Array<int64_t> rows, Array<int32_t> position,
         Array<int32_t> lag) {
        const int64_t n_delays = static_cast<int64_t>(delays.size()), of_block = sources * (n_delays + 1);
        const int64_t targets = static_cast<int64_t>(rows.size()) - 1, size = static_cast<int64_t>(segments.size());
        require(targets >= 0 && of_block >= 0 && (of_block == 0 ? size == 0 : size % of_block == 0), "whole blocks, and one row a target");
        require(position.size() == lag.size(), "one lag a position");
        const auto block = [&](int64_t at) {
          return ranvier::Outgoing<Index>{delays.data(),           n_delays,      segments.data() + at,
                                          sources,                 target.data(), static_cast<int64_t>(target.size())};
        };
        std::fill_n(rows.data(), rows.size(), 0);
        for (int64_t at = 0; at < size; at += of_block) ranvier::count_incoming(block(at), targets, rows.data() + 1);
        for (int64_t j = 0; j < targets; ++j) rows.data()[j + 1] += rows.data()[j];
        std::vector<int64_t> cursor(rows.data(), rows.data() + targets);
        for (int64_t at = 0; at < size; at += of_block) {
          ranvier::place_incoming(block(at), targets, cursor.data(), position.data(), lag.data(), static_cast<int64_t>(position.size()));
        }
      },
      "delays"_a.noconvert(), "segments"_a.noconvert(), "sources"_a, "target"_a.noconvert(), "rows"_a.noconvert(),
      "position"_a.noconvert(), "lag"_a.noconvert(), nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace

void add_edges(nb::module_& m) {
  using namespace nb::literals;
  using Release = nb::call_guard<nb::gil_scoped_release>;
  m.def(
      "uniform_numbers",
      [](uint32_t low, uint32_t high, uint64_t start, Array<double> out) {
        ranvier::uniform_numbers({low, high, 0}, start, static_cast<int64_t>(out.size()), out.data());
      },
      "low"_a, "high"_a, "start"_a, "out"_a.noconvert(), Release());
  m.def(
      "normal_numbers",
      [](uint32_t low, uint32_t high, uint64_t start, Given<uint32_t> table, Array<double> out) {
        require(table.size() == 4097, "normal_numbers: the table has 4097 entries");
        ranvier::normal_numbers({low, high, 0}, start, static_cast<int64_t>(out.size()), table.data(), out.data());
      },
      "low"_a, "high"_a, "start"_a, "table"_a.noconvert(), "out"_a.noconvert(), Release());
  m.def(
      "normal_numbers_at",
      [](uint32_t low, uint32_t high, Given<int64_t> index, Given<uint32_t> table, Array<double> out) {
        require(table.size() == 4097, "normal_numbers_at: the table has 4097 entries");
        require(out.size() == index.size(), "normal_numbers_at: one number an index");
        ranvier::normal_numbers_at({low, high, 0}, index.data(), static_cast<int64_t>(index.size()), table.data(), out.data());
      },
      "low"_a, "high"_a, "index"_a.noconvert(), "table"_a.noconvert(), "out"_a.noconvert(), Release());
  m.def(
      "uniform_numbers_at",
      [](uint32_t low, uint32_t high, Given<int64_t> index, Array<double> out) {
        require(out.size() == index.size(), "uniform_numbers_at: one number an index");
        ranvier::uniform_numbers_at({low, high, 0}, index.data(), static_cast<int64_t>(index.size()), out.data());
      },
      "low"_a, "high"_a, "index"_a.noconvert(), "out"_a.noconvert(), Release());
  m.def(
      "normal_numbers_within",
      [](Given<uint32_t> keys, uint64_t start, Given<uint32_t> table, double mean, double sd, double low, double high, Array<double> out) {
        require(table.size() == 4097, "normal_numbers_within: the table has 4097 entries");
        require(keys.size() > 0 && keys.size() % 2 == 0, "normal_numbers_within: keys of two words each");
        std::vector<ranvier::DrawKey> each;
        for (size_t k = 0; k < keys.size(); k += 2) each.push_back({keys.data()[k], keys.data()[k + 1], 0});
        return ranvier::normal_numbers_within(each.data(), static_cast<int64_t>(each.size()), start, static_cast<int64_t>(out.size()),
                                              table.data(), {mean, sd, low, high}, out.data());
      },
      "keys"_a.noconvert(), "start"_a, "table"_a.noconvert(), "mean"_a, "sd"_a, "low"_a, "high"_a, "out"_a.noconvert(), Release());
  m.def(
      "draw_rows",
      [](uint32_t low, uint32_t high, Given<int64_t> degree, int64_t first, int64_t candidates, int64_t shift, bool exclude,
         bool repeated, Array<int32_t> out) {
        require(candidates >= 0 && candidates <= INT32_MAX, "draw_rows: too many candidates");
        require(ranvier::draw_rows({low, high, 0}, degree.data(), static_cast<int64_t>(degree.size()), first, {candidates, shift, exclude},
                                   repeated, out.data(), static_cast<int64_t>(out.size())),
                "draw_rows: degrees that cannot be met");
      },
      "low"_a, "high"_a, "degree"_a.noconvert(), "first"_a, "candidates"_a, "shift"_a, "exclude"_a, "repeated"_a, "out"_a.noconvert(),
      Release());
  m.def(
      "count_rows",
      [](uint32_t low, uint32_t high, Given<int64_t> degree, int64_t first, int64_t candidates, int64_t shift, bool exclude, bool repeated,
         int64_t offset, int tile_shift, Array<int64_t> count) {
        require(candidates >= 0 && candidates <= INT32_MAX, "count_rows: too many candidates");
        require(tile_shift >= 0 && tile_shift < 32, "count_rows: the size of a tile");
        require(ranvier::count_rows({low, high, 0}, degree.data(), static_cast<int64_t>(degree.size()), first, {candidates, shift, exclude},
                                    repeated, offset, tile_shift, static_cast<int64_t>(count.size()), count.data()),
                "count_rows: degrees that cannot be met");
      },
      "low"_a, "high"_a, "degree"_a.noconvert(), "first"_a, "candidates"_a, "shift"_a, "exclude"_a, "repeated"_a, "offset"_a,
      "tile_shift"_a, "count"_a.noconvert(), Release());
  m.def(
      "draw_degrees",
      [](uint32_t low, uint32_t high, int64_t edges, int64_t candidates, int64_t shift, bool exclude, Array<int64_t> out) {
        require(ranvier::draw_degrees({low, high, 0}, edges, static_cast<int64_t>(out.size()), {candidates, shift, exclude}, out.data()),
                "draw_degrees: no pair is allowed");
      },
      "low"_a, "high"_a, "edges"_a, "candidates"_a, "shift"_a, "exclude"_a, "out"_a.noconvert(), Release());
  m.def(
      "count_tiles",
      [](Given<int32_t> pre, int shift, Array<int64_t> count) {
        require(shift >= 0 && shift < 32, "count_tiles: the size of a tile");
        ranvier::count_tiles(pre.data(), static_cast<int64_t>(pre.size()), shift, static_cast<int64_t>(count.size()), count.data());
      },
      "pre"_a.noconvert(), "shift"_a, "count"_a.noconvert(), Release());
  m.def(
      "spread_edges",
      [](Given<int64_t> begin, Given<int64_t> length, Given<int32_t> row_target, Given<int32_t> pre, Given<int32_t> delay, int64_t sources,
         int shift, int target_bits, Bits value, Array<int64_t> cursor, Bits words, Bits placed, Array<bool> used) {
        const auto tiles = checked_tiles(sources, static_cast<int64_t>(used.size()), shift, target_bits, 8 * words.itemsize());
        require(length.size() == begin.size() && row_target.size() == begin.size(), "one length and one target a row");
        require(delay.size() == 0 || delay.size() == pre.size(), "one delay an edge, or none");
        require(static_cast<int64_t>(cursor.size()) == number_of_tiles(sources, shift), "one cursor a tile");
        const ranvier::Column from = column(value), to = column(placed), word = column(words);
        require(from.bytes == 0 || (value.size() == pre.size() && from.bytes == to.bytes), "one value an edge, or none");
        require(word.bytes == 0 || from.bytes == 0 || words.size() == placed.size(), "one value a word");
        const ranvier::Rows rows{begin.data(), length.data(), row_target.data(), static_cast<int64_t>(begin.size())};
        const ranvier::Ends ends{pre.data(), or_null(delay), static_cast<int64_t>(pre.size())};
        ranvier::spread_edges(rows, ends, tiles, from, cursor.data(), word, to,
                              static_cast<int64_t>(word.bytes ? words.size() : placed.size()), used.data());
      },
      "begin"_a.noconvert(), "length"_a.noconvert(), "row_target"_a.noconvert(), "pre"_a.noconvert(), "delay"_a.noconvert(), "sources"_a,
      "shift"_a, "target_bits"_a, "value"_a.noconvert(), "cursor"_a.noconvert(), "words"_a.noconvert(), "placed"_a.noconvert(),
      "used"_a.noconvert(), Release());
  m.def(
      "number_delays",
      [](Given<double> delay, double dt, double least, Given<int32_t> number, Array<int32_t> out) {
        require(out.size() == delay.size(), "number_delays: one number a delay");
        return ranvier::number_delays(delay.data(), static_cast<int64_t>(delay.size()), dt, least, number.data(),
                                      static_cast<int64_t>(number.size()), out.data());
      },
      "delay"_a.noconvert(), "dt"_a, "least"_a, "number"_a.noconvert(), "out"_a.noconvert(), Release());
  add_settle<int32_t>(m);
  add_settle<int64_t>(m);
  add_index<int32_t>(m);
  add_index<int64_t>(m);
}
