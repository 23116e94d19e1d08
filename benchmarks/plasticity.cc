// One step of pair STDP, written down at once for one network: what the kernels are measured by.
//   plasticity NEURONS IN_DEGREE HZ STEPS     prints microseconds a step: delivery with depression, potentiation, the median of the sum
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

static double microseconds() {  // of the processor
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1e6 + now.tv_nsec * 1e-3;
}

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int main(int, char** argument) {
  const int n = std::atoi(argument[1]), k = std::atoi(argument[2]), steps = std::atoi(argument[4]);
  const double per_step = std::atof(argument[3]) * 1e-4;
  const int64_t edges = int64_t(n) * k;
  std::mt19937 random(1);
  std::vector<int32_t> pre(edges), target(edges), incoming(edges), segment(n + 1, 0);
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < k; ++i) pre[int64_t(j) * k + i] = random() % n;
    std::sort(pre.begin() + int64_t(j) * k, pre.begin() + int64_t(j + 1) * k);
  }
  for (const int32_t i : pre) ++segment[i + 1];
  for (int i = 0; i < n; ++i) segment[i + 1] += segment[i];
  std::vector<int32_t> next(segment.begin(), segment.end() - 1);
  for (int64_t e = 0; e < edges; ++e) {
    incoming[e] = next[pre[e]]++;
    target[incoming[e]] = static_cast<int32_t>(e / k);
  }
  std::vector<std::vector<int>> spikes(steps);
  std::bernoulli_distribution fires(per_step);
  for (auto& now : spikes) {
    for (int i = 0; i < n; ++i) {
      if (fires(random)) now.push_back(i);
    }
  }
  std::vector<float> weight(edges, 0.5f), arrived(n, 0.0f), x(n, 0.0f), y(n, 0.0f);
  const float kept = std::exp(-0.1f / 20.0f);
  std::vector<double> at_arrival, at_target, sum;
  for (const auto& now : spikes) {
    const double began = microseconds();
    for (const int i : now) {
      for (int e = segment[i]; e < segment[i + 1]; ++e) {
        const int j = target[e];
        arrived[j] += weight[e];
        const float w = weight[e] - 0.0105f * y[j];
        weight[e] = w < 0.0f ? 0.0f : w;
      }
      x[i] += 1.0f;
    }
    const double between = microseconds();
    for (const int j : now) {
      const int32_t *in = incoming.data() + int64_t(j) * k, *from = pre.data() + int64_t(j) * k;
      for (int i = 0; i < k; ++i) {
        if (i + 24 < k) __builtin_prefetch(weight.data() + in[i + 24], 1);
        const float w = weight[in[i]] + 0.01f * x[from[i]];
        weight[in[i]] = w > 1.0f ? 1.0f : w;
      }
      y[j] += 1.0f;
    }
    const double ended = microseconds();
    at_arrival.push_back(between - began), at_target.push_back(ended - between), sum.push_back(ended - began);
    for (int i = 0; i < n; ++i) x[i] *= kept, y[i] *= kept;
  }
  std::printf("%.1f %.1f %.1f\n", median(at_arrival), median(at_target), median(sum));
}
