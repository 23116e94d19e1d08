// The loops of `edges.h` for Python threads: they work on NumPy arrays and hold no lock meanwhile.

#include "edges_module.h"

#include <nanobind/ndarray.h>

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

ranvier::Ends ends(const Given<int32_t>& pre, const Given<int32_t>& delay, size_t cells, int64_t delays) {
  require(delay.size() == 0 || delay.size() == pre.size(), "one delay an edge, or none");
  require(delays > 0 && cells % static_cast<size_t>(delays) == 0, "one cell for each source and delay");
  const int64_t n = static_cast<int64_t>(pre.size());
  return {pre.data(), or_null(delay), n, static_cast<int64_t>(cells) / delays, delays};
}

template <class Cursor>
void add_count(nb::module_& m) {
  using namespace nb::literals;
  m.def(
      "count_edges",
      [](Given<int32_t> pre, Given<int32_t> delay, int64_t delays, Array<Cursor> count) {
        ranvier::count_edges(ends(pre, delay, count.size(), delays), count.data());
      },
      "pre"_a.noconvert(), "delay"_a.noconvert(), "delays"_a, "count"_a.noconvert(), nb::call_guard<nb::gil_scoped_release>());
}

template <class Cursor, class T>
void add_place(nb::module_& m) {
  using namespace nb::literals;
  m.def(
      "place_edges",
      [](Given<int64_t> begin, Given<int64_t> length, Given<int32_t> row_target, Given<int32_t> pre, Given<int32_t> delay,
         int64_t delays, Given<T> weight, Array<Cursor> cursor, Array<int32_t> target, Array<T> placed) {
        require(length.size() == begin.size() && row_target.size() == begin.size(), "one length and one target a row");
        require(weight.size() == 0 || (weight.size() == pre.size() && placed.size() == target.size()), "one weight an edge, or none");
        const ranvier::Rows rows{begin.data(), length.data(), row_target.data(), static_cast<int64_t>(begin.size())};
        ranvier::place_edges(rows, ends(pre, delay, cursor.size(), delays), or_null(weight), cursor.data(), target.data(), placed.data(),
                             static_cast<int64_t>(target.size()));
      },
      "begin"_a.noconvert(), "length"_a.noconvert(), "row_target"_a.noconvert(), "pre"_a.noconvert(), "delay"_a.noconvert(),
      "delays"_a, "weight"_a.noconvert(), "cursor"_a.noconvert(), "target"_a.noconvert(), "placed"_a.noconvert(),
      nb::call_guard<nb::gil_scoped_release>());
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
      "draw_degrees",
      [](uint32_t low, uint32_t high, int64_t edges, int64_t candidates, int64_t shift, bool exclude, Array<int64_t> out) {
        require(ranvier::draw_degrees({low, high, 0}, edges, static_cast<int64_t>(out.size()), {candidates, shift, exclude}, out.data()),
                "draw_degrees: no pair is allowed");
      },
      "low"_a, "high"_a, "edges"_a, "candidates"_a, "shift"_a, "exclude"_a, "out"_a.noconvert(), Release());
  add_index<int32_t>(m);
  add_index<int64_t>(m);
  add_count<int32_t>(m);
  add_count<int64_t>(m);
  add_place<int32_t, float>(m);
  add_place<int64_t, float>(m);
  add_place<int32_t, double>(m);
  add_place<int64_t, double>(m);
}
