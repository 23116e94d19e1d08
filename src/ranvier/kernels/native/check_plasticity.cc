// Weights that change at events under the sanitizers, with hostile contents, and beside plain loops.

#include <algorithm>
#include <memory>
#include <vector>

#include "checks.h"
#include "plasticity.h"

namespace {

template <class T>
struct Learning {
  int64_t n_pre = integer(0, ranvier::kMostTraces), n_post = integer(0, ranvier::kMostTraces), slots, sources, targets;
  std::vector<T> pre, post, gain;
  ranvier::WeightChange<T> change;

  Learning(int64_t slots, int64_t sources, int64_t targets) : slots(slots), sources(sources), targets(targets) {
    pre = numbers<T>(n_pre * slots * sources), post = numbers<T>(n_post * targets), gain = numbers<T>((1 + n_pre) * (1 + n_post));
    const T exponents[] = {T(0), T(1), T(0.3)};
    change = {gain.data(), n_pre, n_post, T(-1), T(2), T(-1), exponents[integer(0, 2)]};
  }

  ranvier::Traces<T> traces() const { return {pre.data(), slots, sources, post.data(), targets}; }
};

template <class T, class Index>
void check_arrivals(int64_t n, int64_t slots, int64_t n_delays, int64_t n_edges, int64_t targets) {
  std::vector<int32_t> source = indices(slots * n, n), count = indices(slots, n), delays = indices(n_delays, slots), target = indices(n_edges, targets);
  for (int32_t& c : count) c = std::min<int32_t>(c, static_cast<int32_t>(n));
  std::vector<Index> segments;
  for (int64_t i = 0; i < n * (n_delays + 1); ++i) segments.push_back(hostile(n_edges));
  const auto amplitude = numbers<T>(slots * n);
  auto weight = numbers<T>(n_edges);
  for (T& w : weight) w = std::min(std::max(w, T(-1)), T(2));
  const Learning<T> learning(slots, n, targets);
  const int64_t step = integer(-100, 100), low = integer(0, targets), high = integer(low, targets);
  std::vector<T> out(targets);
  const ranvier::History<T> history{source.data(), integer(0, 1) ? amplitude.data() : nullptr, count.data(), slots, n};
  const ranvier::PlasticBlock<T, Index> block{delays.data(), n_delays, segments.data(), target.data(), n_edges, weight.data(), low, high};
  ranvier::deliver_and_learn(history, step, block, learning.traces(), learning.change, out.data());
  for (int64_t i = 0; i < targets; ++i) expect((i >= low && i < high) || out[i] == 0, "deliver_and_learn: outside its block");
  for (const T w : weight) expect(w >= -1 && w <= 2, "deliver_and_learn: outside the bounds");
}

template <class T>
void check_trace(int64_t n, int64_t slots) {
  auto ring = numbers<T>(slots * n), before = numbers<T>(slots * n);
  const auto old_ring = ring, old_before = before;
  const std::unique_ptr<bool[]> spiked(new bool[n]);
  for (int64_t i = 0; i < n; ++i) spiked[i] = integer(0, 3) == 0;
  const int64_t step = integer(-100, 100), row = (step % slots + slots) % slots, last = (row + slots - 1) % slots;
  const bool kept = integer(0, 1), nearest = integer(0, 1);
  ranvier::advance_trace(spiked.get(), n, step, slots, {T(0.75), T(0.5), nearest}, ring.data(), kept ? before.data() : nullptr);
  for (int64_t i = 0; i < slots * n; ++i) {
    const bool now = i / n == row;
    const T moved = now ? old_ring[last * n + i % n] * T(0.75) : old_ring[i];
    expect(before[i] == (now && kept ? moved : old_before[i]), "advance_trace: before");
    expect(ring[i] == (!now || !spiked[i % n] ? moved : nearest ? T(0.5) : moved + T(0.5)), "advance_trace: the ring");
  }
}

template <class T>
void check_targets(int64_t n, int64_t slots, int64_t n_edges, int64_t targets) {
  std::vector<int64_t> rows;
  for (int64_t j = 0; j <= targets; ++j) rows.push_back(hostile(n_edges));
  const auto position = indices(n_edges, n_edges), lag = indices(n_edges, slots * n);
  auto weight = numbers<T>(integer(0, n_edges));
  for (T& w : weight) w = std::min(std::max(w, T(-1)), T(2));
  const Learning<T> learning(slots, n, targets);
  const std::unique_ptr<bool[]> fired(new bool[targets]);
  for (int64_t j = 0; j < targets; ++j) fired[j] = integer(0, 1);
  const ranvier::Incoming incoming{rows.data(), position.data(), lag.data(), n_edges};
  ranvier::learn_at_targets(fired.get(), 0, targets, integer(-100, 100), incoming, learning.traces(), learning.change, weight.data(),
                            static_cast<int64_t>(weight.size()));
  for (const T w : weight) expect(w >= -1 && w <= 2, "learn_at_targets: outside the bounds");
}

template <class Index>
void check_index(int64_t n, int64_t n_delays, int64_t n_edges, int64_t targets, bool sound) {
  std::vector<int32_t> delays = indices(n_delays, 5), target = indices(n_edges, targets), position(n_edges), lag(n_edges);
  std::vector<Index> segments;
  Index next = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t d = 0; d <= n_delays; ++d) {
      segments.push_back(sound ? next : static_cast<Index>(hostile(n_edges)));
      if (d < n_delays) next = static_cast<Index>(integer(next, n_edges));
    }
  }
  for (int32_t& d : delays) d = static_cast<int32_t>(std::abs(static_cast<int64_t>(d)) % 1000);
  const ranvier::Outgoing<Index> edges{delays.data(), n_delays, segments.data(), n, target.data(), n_edges};
  std::vector<int64_t> rows(targets + 1, 0);
  ranvier::count_incoming(edges, targets, rows.data() + 1);
  for (int64_t j = 0; j < targets; ++j) rows[j + 1] += rows[j];
  std::vector<int64_t> cursor(rows.begin(), rows.end() - 1);
  ranvier::place_incoming(edges, targets, cursor.data(), position.data(), lag.data(), n_edges);
  for (int64_t j = 0; sound && j < targets; ++j) {
    expect(cursor[j] == rows[j + 1], "place_incoming: not as many as were counted");
    for (int64_t k = rows[j]; k < rows[j + 1]; ++k) expect(target[position[k]] == j, "place_incoming: another target's");
  }
}

struct Listed {
  std::vector<int32_t> position, source, target, row;
  ranvier::EdgesDue due;

  explicit Listed(int64_t size) : position(size, -7), source(size, -7), target(size, -7), row(size, -7) {
    due = {position.data(), source.data(), target.data(), row.data(), size};
  }

  void expect_inside(int64_t edges, int64_t sources, int64_t targets, int64_t slots) const {
    for (size_t i = 0; i < position.size(); ++i) {
      expect(position[i] >= 0 && position[i] <= edges, "listed edges: no place");
      if (position[i] == edges) continue;
      expect(source[i] >= 0 && source[i] < sources && target[i] >= 0 && target[i] < targets && row[i] >= 0 && row[i] < slots,
             "listed edges: outside");
    }
  }
};

void check_lists(int64_t n, int64_t slots, int64_t n_delays, int64_t n_edges, int64_t targets, int64_t size) {
  const int64_t blocks = integer(1, 3), step = integer(-100, 100), first = integer(-5, 200);
  std::vector<int32_t> source = indices(slots * n, n), count = indices(slots, n), delays = indices(n_delays, slots);
  const auto target = indices(n_edges, targets), segments = indices(blocks * n * (n_delays + 1), n_edges);
  for (int32_t& c : count) c = std::min<int32_t>(c, static_cast<int32_t>(n));
  std::vector<int64_t> bounds, rows;
  for (int64_t b = 0; b <= blocks; ++b) bounds.push_back(hostile(targets));
  const ranvier::SortedEdges edges{delays.data(), n_delays, segments.data(), target.data(), n_edges, bounds.data(), blocks};
  const Listed arriving(size), incoming(size);
  expect(ranvier::due_edges(source.data(), count.data(), slots, n, step, edges, targets, first, arriving.due) >= 0, "due_edges: not so many");
  arriving.expect_inside(n_edges, n, targets, slots);
  for (int64_t j = 0; j <= targets; ++j) rows.push_back(hostile(n_edges));
  const auto position = indices(n_edges, n_edges), lag = indices(n_edges, slots * n);
  const std::unique_ptr<bool[]> fired(new bool[targets]);
  for (int64_t j = 0; j < targets; ++j) fired[j] = integer(0, 1);
  const ranvier::Incoming index{rows.data(), position.data(), lag.data(), n_edges};
  ranvier::incoming_edges(fired.get(), targets, step, index, slots, n, n_edges, first, incoming.due);
  incoming.expect_inside(n_edges, n, targets, slots);
  auto values = numbers<float>(n_edges);
  const auto value = numbers<float>(size);
  const auto places = indices(size, n_edges);
  ranvier::put(places.data(), value.data(), size, values.data(), n_edges);
}

}  // namespace

void check_plasticity() {
  for (int repeat = 0; repeat < 5; ++repeat) {
    for (const int64_t n : {0, 1, 9, 100}) check_trace<float>(n, 1 + repeat), check_trace<double>(n, 1 + repeat);
    for (const int64_t n : {0, 1, 9}) {
      for (const int64_t edges : {0, 1, 40, 700}) {
        for (const int64_t targets : {0, 1, 64, 130}) {
          check_arrivals<float, int32_t>(n, 1 + repeat, repeat, edges, targets);
          check_arrivals<double, int64_t>(n, 1 + repeat, repeat, edges, targets);
          check_targets<float>(n, 1 + repeat, edges, targets);
          check_targets<double>(n, 1 + repeat, edges, targets);
          for (const int64_t size : {0, 1, 30, 300}) check_lists(n, 1 + repeat, repeat, edges, targets, size);
          for (const bool sound : {false, true}) {
            check_index<int32_t>(n, repeat, edges, targets, sound);
            check_index<int64_t>(n, repeat, edges, targets, sound);
          }
        }
      }
    }
  }
}
