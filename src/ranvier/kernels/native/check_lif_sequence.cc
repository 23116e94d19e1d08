// The LIF loops under the sanitizers: every combination of features, sizes around a tile, every operand its own heap block.

#include <cmath>
#include <vector>

#include "checks.h"
#include "learnt.h"
#include "lif_recurrent.h"
#include "lif_sequence.h"

namespace {

template <class T>
struct State {
  std::vector<T> v, threshold;
  std::vector<int32_t> left;
  ranvier::LifState<T> pointers(bool waiting, bool adaptive) {
    return {v.data(), waiting ? left.data() : nullptr, adaptive ? threshold.data() : nullptr};
  }
};

// The plainest neuron, written out.
template <class T>
void expect_plain(const std::vector<T>& x, const std::vector<T>& parameters, int64_t steps, int64_t n, int64_t period, std::vector<T> v,
                  const std::vector<T>& spikes) {
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t i = 0; i < n; ++i) {
      const auto p = [&](int row) { return parameters[row * period + i % period]; };
      const T u = (p(ranvier::kRest) + p(ranvier::kDecay) * (v[i] - p(ranvier::kRest))) + p(ranvier::kGain) * x[t * n + i];
      const bool spike = u - p(ranvier::kThreshold) >= 0;
      v[i] = spike ? p(ranvier::kReset) : u;
      expect(spikes[t * n + i] == (spike ? 1 : 0), "lif_forward: wrong spike");
    }
  }
}

template <class T>
void check(int64_t steps, int64_t batch, int64_t period, int64_t chunk, int features, int threads) {
  const bool waiting = features & 1, adaptive = features & 2, stochastic = features & 4, noisy = features & 8, subtract = features & 16,
             constant = features & 32;
  const int64_t n = batch * period, rows = (steps + chunk - 1) / chunk;
  const auto x = numbers<T>(constant ? n : steps * n), noise = numbers<T>(steps * n), uniform = numbers<T>(steps * n);
  const auto parameters = numbers<T>(ranvier::kLifParameters * period);
  const std::vector<int32_t> refractory(period, 2);
  const ranvier::LifSequence<T> sequence{steps, n, period, x.data(), constant ? 0 : n, noisy ? noise.data() : nullptr,
                                         stochastic ? uniform.data() : nullptr, parameters.data(), waiting ? refractory.data() : nullptr,
                                         adaptive, subtract, false, T(-1), T(1), chunk};
  State<T> state{numbers<T>(n), numbers<T>(n), std::vector<int32_t>(n, 1)};
  State<T> kept{std::vector<T>(rows * n), std::vector<T>(rows * n), std::vector<int32_t>(rows * n)};
  const auto start = state.v;
  std::vector<T> spikes(steps * n);
  ranvier::lif_forward(sequence, state.pointers(waiting, adaptive), kept.pointers(waiting, adaptive), spikes.data(), threads);
  if (features == 0) expect_plain(x, parameters, steps, n, period, start, spikes);
  auto grad_v = numbers<T>(n), grad_threshold = numbers<T>(n);
  std::vector<T> grad_x(steps * n), grad_noise(steps * n), per_element(3 * n), grad_parameters(ranvier::kLifParameters * period);
  const auto incoming = numbers<T>(constant ? n : steps * n);
  for (int32_t kind = 0; kind < 6; ++kind) {
    for (const uint32_t wanted : {0u, 1u << ranvier::kDecay | 1u << ranvier::kReset | 1u << ranvier::kSlope}) {
      const ranvier::Surrogate surrogate{static_cast<ranvier::SurrogateKind>(kind), {0.5, 2.0, 0.15}};
      ranvier::lif_backward(sequence, kept.pointers(waiting, adaptive), surrogate,
                            {incoming.data(), constant ? 0 : n, grad_v.data(), adaptive ? grad_threshold.data() : nullptr,
                             noisy ? nullptr : grad_x.data(), noisy ? grad_noise.data() : nullptr, per_element.data(),
                             grad_parameters.data(), wanted},
                            threads);
    }
  }
}

// Neurons that a matrix connects: each gets its input and what the spikes of the step before send, whatever the loops' order.
template <class T>
void check_recurrent(int64_t steps, int64_t batch, int64_t n, bool adaptive, bool biased) {
  const int64_t elements = batch * n;
  const auto x = numbers<T>(steps * elements), weight = numbers<T>(n * n), bias = numbers<T>(n), output = numbers<T>(elements);
  const auto parameters = numbers<T>(ranvier::kLifParameters * n), incoming = numbers<T>(steps * elements);
  ranvier::LifSequence<T> sequence{1, elements, n, x.data(), elements, nullptr, nullptr, parameters.data(), nullptr, adaptive, false, false,
                                   T(-1), T(1), 1};
  State<T> state{numbers<T>(elements), numbers<T>(elements), {}};
  State<T> kept{std::vector<T>(steps * elements), std::vector<T>(steps * elements), {}};
  std::vector<T> driven(steps * elements), spikes(steps * elements);
  ranvier::lif_recurrent_forward(sequence, {steps, n, weight.data(), biased ? bias.data() : nullptr}, state.pointers(false, adaptive),
                                 kept.pointers(false, adaptive), {output.data(), driven.data(), spikes.data()});
  for (int64_t t = 0; t < steps; ++t) {
    const T* before = t == 0 ? output.data() : spikes.data() + (t - 1) * elements;
    for (int64_t i = 0; i < elements; ++i) {
      T wanted = x[t * elements + i] + (biased ? bias[i % n] : T(0));
      for (int64_t k = 0; k < n; ++k) wanted += before[i / n * n + k] * weight[i % n * n + k];
      const T off = driven[t * elements + i] - wanted;
      expect(off < T(1e-3) && off > T(-1e-3), "lif_recurrent_forward: wrong input");
    }
  }
  sequence.x = driven.data();
  auto of_v = numbers<T>(elements), of_threshold = numbers<T>(elements);
  std::vector<T> of_x(steps * elements), per_element(elements), of_parameters(ranvier::kLifParameters * n), once(of_parameters.size());
  std::vector<T> of_weight(n * n), of_bias(n);
  for (const uint32_t wanted : {0u, 1u << ranvier::kDecay}) {
    ranvier::lif_recurrent_backward(sequence, {steps, n, weight.data(), nullptr}, kept.pointers(false, adaptive),
                                    {ranvier::SurrogateKind::fast_sigmoid, {0.5, 2.0, 0.15}},
                                    {incoming.data(), elements, of_v.data(), adaptive ? of_threshold.data() : nullptr, of_x.data(), nullptr,
                                     per_element.data(), of_parameters.data(), wanted},
                                    {output.data(), spikes.data(), once.data(), wanted ? of_weight.data() : nullptr, of_bias.data()});
  }
}

// exp(−1/x) of a given x, which is also what a tensor is filled with; PyTorch's part by hand.
template <class T>
void check_learnt(int64_t period, int64_t batch) {
  using ranvier::Learning;
  const ranvier::LearntRows<T> learnt(period, {{Learning::given, 0, -1, 0}, {Learning::reciprocal, 0, -1, 0}, {Learning::times_number, 1, -1, -1.0},
                                               {Learning::exp, 2, -1, 0}}, {3, -1}, {0.0, 7.0});
  const auto random = numbers<T>(period);
  std::vector<T> x, work(4 * period), rows(2 * period), of_x(period);
  for (const T one : random) x.push_back(T(2) + one);
  learnt.run(0, 4, {x.data()}, work.data());
  for (int64_t i = 3 * period; i < 4 * period; ++i) work[i] = std::exp(work[i]);
  learnt.collect(work.data(), rows.data());
  const auto of_rows = numbers<T>(2 * period), of_filled = numbers<T>(batch * period);
  learnt.back(work.data(), of_rows.data(), batch * period, {0}, {of_filled.data()}, {of_x.data()});
  for (int64_t i = 0; i < period; ++i) {
    const T left = std::exp(-1 / x[i]);
    T wanted = of_rows[i] * left / (x[i] * x[i]);
    for (int64_t b = 0; b < batch; ++b) wanted += of_filled[b * period + i];
    const T off = (rows[i] - left) + (rows[period + i] - 7) + (of_x[i] - wanted);
    expect(off < T(1e-4) && off > T(-1e-4), "LearntRows: other numbers or gradients");
  }
}

}  // namespace

void check_lif_sequence() {
  check_learnt<float>(7, 3);
  check_learnt<double>(1, 1);
  for (const int64_t n : {1, 4, 7, 70}) {
    check_recurrent<float>(5, 3, n, n == 7, n != 4);
    check_recurrent<double>(4, 2, n, n != 7, n == 4);
  }
  for (int features = 0; features < 64; ++features) {
    for (const int64_t period : {1, 7, 300}) {
      check<float>(9, 2, period, 4, features, 1 + features % 3);
      check<double>(8, 3, period, 4, features, 1);
    }
    check<float>(1, 0, 5, 32, features, 2);
  }
  check<float>(40, 5, 1024, 32, 0, 3);
  for (const int64_t period : {1, 1028}) {  // large enough that results are written past the caches
    check<float>(130, 16448 / period, period, 32, 0, 2);
    check<double>(65, 16448 / period, period, 32, 8, 1);
  }
}
