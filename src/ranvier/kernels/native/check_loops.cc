// Drives the loops over awkward sizes and hostile contents, for the sanitizers: every extent is its own heap block, so one element
// past it is an error. The results are compared with plain loops too.

#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include "checks.h"
#include "loops.h"

void check_drawn_edges();
void check_circle();
void check_edges();
void check_elementwise();
void check_integrate_and_fire();
void check_lif_sequence();
void check_plasticity();
void check_pointwise();

namespace {

// std::vector<bool> has no bytes.
struct Flags {
  explicit Flags(int64_t n) : n(n), bytes(new bool[n]) {
    const int64_t one_in = integer(1, 40);
    for (int64_t i = 0; i < n; ++i) bytes[i] = integer(1, one_in) == 1;
  }
  Flags(const Flags&) = delete;
  ~Flags() { delete[] bytes; }
  int64_t n;
  bool* bytes;
};

void check_compact(int64_t n, int64_t capacity, int64_t count) {
  const Flags flags(n);
  std::vector<int64_t> steps(capacity, -1);
  std::vector<int32_t> neurons(capacity, -1);
  int64_t wanted = count;
  const int64_t got = ranvier::compact_spikes(flags.bytes, n, 7, steps.data(), neurons.data(), capacity, count);
  for (int64_t i = 0; i < n; ++i) {
    if (!flags.bytes[i]) continue;
    if (wanted >= 0 && wanted < capacity) expect(neurons[wanted] == i && steps[wanted] == 7, "compact_spikes: wrong entry");
    ++wanted;
  }
  expect(got == wanted, "compact_spikes: wrong count");
  std::vector<int32_t> who(n), listed(capacity, -1);
  const int64_t set = ranvier::note_spikes(flags.bytes, static_cast<const float*>(nullptr), 0, n, who.data(), nullptr);
  std::vector<int64_t> times(capacity, -1);
  expect(ranvier::append_spikes(who.data(), set, 7, times.data(), listed.data(), capacity, count) == wanted, "append_spikes: wrong count");
  expect(listed == neurons && times == steps, "append_spikes: not as compact_spikes");
}

template <class T>
void check_sums(int64_t n_pre, int64_t n_post, int64_t n_edges) {
  const auto indptr = indices(n_post + 1, n_edges), pre = indices(n_edges, n_pre);
  const auto values = numbers<T>(n_pre);
  for (const int64_t stride : {0, 1}) {
    const auto weights = numbers<T>(stride ? n_edges : 1);
    std::vector<T> out(n_post);
    ranvier::weighted_sum(indptr.data(), n_post, pre.data(), n_edges, weights.data(), stride, values.data(), n_pre, out.data());
  }
  const auto weights = numbers<T>(n_pre * n_post);
  std::vector<T> out(n_post, T(1)), wanted(n_post, T(0));
  ranvier::weighted_sum_dense(weights.data(), n_pre, n_post, values.data(), out.data());
  for (int64_t j = 0; j < n_pre; ++j) {
    for (int64_t i = 0; i < n_post; ++i) wanted[i] += weights[j * n_post + i] * values[j];
  }
  expect(out == wanted, "weighted_sum_dense: wrong sum");
}

template <class T, class Index>
void check_delivery(int64_t n, int64_t slots, int64_t n_delays, int64_t n_edges, int64_t n_post) {
  const Flags flags(n);
  std::vector<int32_t> source = indices(slots * n, n), count = indices(slots, n);
  std::vector<T> amplitude = numbers<T>(slots * n);
  const auto given = numbers<T>(n);
  const int64_t step = integer(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  const int64_t row = ranvier::floor_mod(step, slots) * n;
  const bool kept = integer(0, 1);
  count[ranvier::floor_mod(step, slots)] =
      static_cast<int32_t>(ranvier::note_spikes(flags.bytes, given.data(), 1, n, source.data() + row, kept ? amplitude.data() + row : nullptr));
  const auto delays = indices(n_delays, slots), places = indices(n * (n_delays + 1), n_edges), target = indices(n_edges, n_post);
  const std::vector<Index> segments(places.begin(), places.end());
  const int64_t low = integer(0, n_post), high = integer(low, n_post);
  using ranvier::Weights;
  for (const Weights kind : {Weights::kOne, Weights::kOneASource, Weights::kOneAnEdge}) {
    const auto weights = numbers<T>(kind == Weights::kOne ? 1 : kind == Weights::kOneASource ? n : n_edges);
    std::vector<T> out(n_post);
    const ranvier::History<T> history{source.data(), kept ? amplitude.data() : nullptr, count.data(), slots, n};
    const ranvier::BlockOfEdges<T, Index> edges{delays.data(), n_delays,        segments.data(), target.data(), n_edges,
                                                weights.data(), kind, low, high};
    ranvier::deliver_events(history, step, edges, out.data());
    for (int64_t i = 0; i < n_post; ++i) expect((i >= low && i < high) || out[i] == 0, "deliver_events: outside its block");
    const auto change = numbers<T>(n_post);
    std::vector<T> of_weights(weights.size()), of_amplitudes(slots * n);
    ranvier::deliver_to_weights(history, step, edges, change.data(), of_weights.data());
    ranvier::deliver_to_amplitudes(history, step, edges, change.data(), of_amplitudes.data());
    double by_out = 0, by_weights = 0, by_amplitudes = 0, most = 1e-3;
    for (int64_t i = 0; i < n_post; ++i) by_out += double(out[i]) * change[i];
    for (size_t i = 0; i < weights.size(); ++i) by_weights += double(weights[i]) * of_weights[i], most += std::abs(double(weights[i]) * of_weights[i]);
    for (int64_t i = 0; i < slots * n; ++i) {
      by_amplitudes += (kept ? double(amplitude[i]) : 1.0) * of_amplitudes[i];
      most += std::abs((kept ? double(amplitude[i]) : 1.0) * of_amplitudes[i]);
    }
    expect(std::abs(by_out - by_weights) < 1e-3 * most, "deliver_to_weights: not the transpose");
    expect(std::abs(by_out - by_amplitudes) < 1e-3 * most, "deliver_to_amplitudes: not the transpose");
  }
}

template <class T>
void check_draws(int64_t n, int64_t rates, int64_t length) {
  const uint32_t start = static_cast<uint32_t>(integer(0, 1) ? integer(0, 100) : -integer(1, 100));
  const ranvier::DrawKey key = ranvier::draw_key(1, 2, 3, integer(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()));
  std::vector<uint32_t> quantiles(4097), thresholds(rates * length);
  for (size_t i = 0; i < quantiles.size(); ++i) quantiles[i] = static_cast<uint32_t>((4096 - i) << 18);
  for (uint32_t& t : thresholds) t = static_cast<uint32_t>(integer(0, 0xFFFFFFFF));
  std::vector<T> out(n, T(-1));
  ranvier::uniforms(key, start, n, out.data());
  for (const T x : out) expect(x > 0 && x < 1, "uniforms: outside (0, 1)");
  ranvier::normals(key, start, n, quantiles.data(), out.data());
  for (const int64_t stride : {0, 1}) {
    auto probability = numbers<T>(stride ? n : 1);
    if (stride && n > 2) probability[0] = std::numeric_limits<T>::quiet_NaN(), probability[1] = 1, probability[2] = 1 - T(0x1p-24);
    std::vector<uint8_t> flags(n, 2);  // one byte each, as bool
    ranvier::bernoulli(key, start, n, probability.data(), stride, reinterpret_cast<bool*>(flags.data()));
    for (int64_t i = 0; i < n; ++i) {
      const T p = probability[i * stride];
      expect(flags[i] <= 1 && (!(p >= 1) || flags[i] == 1) && (p > 0 || flags[i] == 0), "bernoulli: wrong");
    }
  }
  for (const int64_t stride : {0, 1}) {
    const auto rate = indices(stride ? n : 1, rates);
    const ranvier::PoissonTable table{thresholds.data(), rates, length, rate.data(), stride};
    std::vector<int32_t> counts(n, -1);
    ranvier::poisson_counts(key, start, n, table, counts.data());
    for (const int32_t count : counts) expect(count >= 0 && count <= length, "poisson_counts: not a count");
    for (const int64_t weight_stride : {0, 1}) {
      const auto weights = numbers<T>(weight_stride ? n : 1);
      std::vector<T> sum(n);
      ranvier::add_poisson(key, start, n, table, weights.data(), weight_stride, sum.data());
      for (int64_t i = 0; i < n; ++i) expect(sum[i] == weights[i * weight_stride] * counts[i], "add_poisson: wrong sum");
    }
  }
}

// Whatever the ends are, every neuron is visited once, ascending.
void check_segments(int64_t n, int64_t segments, bool sorted) {
  auto ends = indices(segments, n);
  if (sorted) std::sort(ends.begin(), ends.end());
  for (const int64_t begin : {int64_t{0}, n / 2}) {
    int64_t next = begin;
    ranvier::for_each_segment(ends.data(), segments, begin, n, [&](int64_t s, int64_t i, int64_t some) {
      expect(i == next && some > 0 && s >= 0 && s < segments, "for_each_segment: not one after the other");
      next += some;
    });
    expect(segments == 0 || next == n, "for_each_segment: not all");
  }
}

}  // namespace

int main() {
  const int64_t sizes[] = {0, 1, 7, 8, 9, 30, 63, 64, 65, 200};
  for (const int64_t n : sizes) {
    for (const int64_t m : sizes) {
      for (const int64_t count : {int64_t{-3}, int64_t{0}, m / 2, m, m + 5}) check_compact(n, m, count);
      for (const int64_t edges : sizes) {
        check_sums<float>(n, m, edges);
        check_sums<double>(n, m, edges);
        for (const int64_t delays : {0, 1, 3}) {
          check_delivery<float, int32_t>(n, 1 + delays, delays, edges, m);
          check_delivery<double, int64_t>(n, 1 + delays, delays, edges, m);
        }
      }
    }
  }
  for (const int64_t n : sizes) {
    for (const int64_t segments : {0, 1, 2, 5, 40}) {
      check_segments(n, segments, true);
      check_segments(n, segments, false);
    }
  }
  for (const int64_t n : sizes) {
    for (const int64_t rates : {0, 1, 3}) {
      for (const int64_t length : {0, 1, 8, 13, 24}) {
        check_draws<float>(n, rates, length);
        check_draws<double>(n, rates, length);
      }
    }
  }
  check_circle();
  check_edges();
  check_elementwise();
  check_drawn_edges();
  check_integrate_and_fire();
  check_lif_sequence();
  check_plasticity();
  check_pointwise();
  std::puts("check_loops: all loops stay inside their extents");
  return 0;
}
