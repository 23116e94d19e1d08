#include "lif_recurrent.h"

#include <algorithm>
#include <vector>

#include "loops.h"

namespace ranvier {
namespace {

// So many sums are in registers at once.
template <class T>
constexpr int64_t kWide = 256 / sizeof(T);

// A matrix [n, n] whose rows are filled up to whole blocks of sums.
template <class T>
struct Matrix {
  int64_t n, stride;
  std::vector<T> values;

  explicit Matrix(int64_t n) : n(n), stride((n + kWide<T> - 1) / kWide<T> * kWide<T>), values(n * stride) {}
};

template <class T>
Matrix<T> copy_of(const T* given, int64_t n) {
  Matrix<T> matrix(n);
  for (int64_t i = 0; i < n; ++i) std::copy_n(given + i * n, n, matrix.values.begin() + i * matrix.stride);
  return matrix;
}

template <class T>
Matrix<T> transposed(const T* given, int64_t n) {
  Matrix<T> matrix(n);
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < n; ++i) matrix.values[k * matrix.stride + i] = given[i * n + k];
  }
  return matrix;
}

// to[b] += Σ_k values[b, k] · rows[k], four rows at a time; where all four values are 0, as most spikes are, nothing.
template <class T>
RANVIER_INLINE void add_products_of(int64_t batch, int64_t n, int64_t stride, const T* values, const T* rows, T* to) {
  for (int64_t b = 0; b < batch; ++b, values += n, to += n) {
    for (int64_t first = 0; first < n; first += kWide<T>) {
      const int64_t count = std::min(kWide<T>, n - first);
      T sum[kWide<T>] = {};
      int64_t k = 0;
      for (; k + 4 <= n; k += 4) {
        const T v0 = values[k], v1 = values[k + 1], v2 = values[k + 2], v3 = values[k + 3];
        if (v0 == T(0) && v1 == T(0) && v2 == T(0) && v3 == T(0)) continue;
        const T *r0 = rows + k * stride + first, *r1 = r0 + stride, *r2 = r1 + stride, *r3 = r2 + stride;
        for (int64_t i = 0; i < kWide<T>; ++i) sum[i] += (v0 * r0[i] + v1 * r1[i]) + (v2 * r2[i] + v3 * r3[i]);
      }
      for (; k < n; ++k) {
        const T* row = rows + k * stride + first;
        for (int64_t i = 0; i < kWide<T>; ++i) sum[i] += values[k] * row[i];
      }
      for (int64_t i = 0; i < count; ++i) to[first + i] += sum[i];
    }
  }
}

RANVIER_LEVELS void add_products(int64_t batch, const Matrix<float>& matrix, const float* values, float* to) {
  add_products_of(batch, matrix.n, matrix.stride, values, matrix.values.data(), to);
}

RANVIER_LEVELS void add_products(int64_t batch, const Matrix<double>& matrix, const double* values, double* to) {
  add_products_of(batch, matrix.n, matrix.stride, values, matrix.values.data(), to);
}

// sums[k] += Σ_b values[b, k] · given[b], and of_bias += Σ_b given[b]; either may be null.
template <class T>
RANVIER_INLINE void add_shares_of(int64_t batch, int64_t n, const T* values, const T* given, T* sums, T* of_bias) {
  for (int64_t b = 0; b < batch; ++b, values += n, given += n) {
    for (int64_t k = 0; sums != nullptr && k < n; ++k) {
      if (values[k] == T(0)) continue;
      RANVIER_INDEPENDENT
      for (int64_t i = 0; i < n; ++i) sums[k * n + i] += values[k] * given[i];
    }
    if (of_bias == nullptr) continue;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) of_bias[i] += given[i];
  }
}

RANVIER_LEVELS void add_shares(int64_t batch, int64_t n, const float* values, const float* given, float* sums, float* of_bias) {
  add_shares_of(batch, n, values, given, sums, of_bias);
}

RANVIER_LEVELS void add_shares(int64_t batch, int64_t n, const double* values, const double* given, double* sums, double* of_bias) {
  add_shares_of(batch, n, values, given, sums, of_bias);
}

template <class T>
LifSequence<T> at(LifSequence<T> s, int64_t t, const T* x) {
  const int64_t offset = t * s.elements;
  s.x = x;
  s.x_stride = 0;
  if (s.noise != nullptr) s.noise += offset;
  if (s.uniform != nullptr) s.uniform += offset;
  return s;
}

template <class T>
LifState<T> row(LifState<T> kept, int64_t offset) {
  return {kept.v == nullptr ? nullptr : kept.v + offset, kept.left == nullptr ? nullptr : kept.left + offset,
          kept.threshold == nullptr ? nullptr : kept.threshold + offset};
}

template <class T>
void forward(const LifSequence<T>& s, const Recurrence<T>& r, const LifState<T>& state, const LifState<T>& kept,
             const RecurrentForward<T>& of) {
  const T* before = of.output;
  const auto rows = transposed(r.weight, r.n);
  for (int64_t t = 0; t < r.steps; ++t) {
    T *driven = of.driven + t * s.elements, *spikes = of.spikes + t * s.elements;
    for (int64_t first = 0; first < s.elements; first += r.n) {
      if (r.bias == nullptr) {
        std::fill_n(driven + first, r.n, T(0));
      } else {
        std::copy_n(r.bias, r.n, driven + first);
      }
    }
    add_products(s.elements / r.n, rows, before, driven);
    const T* x = s.x + t * s.x_stride;
    for (int64_t i = 0; i < s.elements; ++i) driven[i] += x[i];
    lif_forward(at(s, t, static_cast<const T*>(driven)), state, row(kept, t * s.elements), spikes, 1);
    before = spikes;
  }
}

template <class T>
void backward(const LifSequence<T>& s, const Recurrence<T>& r, const LifState<T>& kept, const Surrogate& surrogate,
              const LifGradients<T>& g, const RecurrentBack<T>& of) {
  const auto rows = copy_of(r.weight, r.n);
  std::vector<T> into(s.elements), sums(of.of_weight == nullptr ? 0 : r.n * r.n);
  if (of.of_bias != nullptr) std::fill_n(of.of_bias, r.n, T(0));
  const int64_t parameters = g.wanted == 0 ? 0 : kLifParameters * s.period;
  for (int64_t t = r.steps - 1; t >= 0; --t) {
    if (g.spikes == nullptr) {
      std::fill(into.begin(), into.end(), T(0));
    } else {
      std::copy_n(g.spikes + t * g.spikes_stride, s.elements, into.begin());
    }
    T* of_driven = g.x + t * s.elements;
    if (t + 1 < r.steps) add_products(s.elements / r.n, rows, of_driven + s.elements, into.data());
    LifGradients<T> of_step = g;
    of_step.spikes = into.data();
    of_step.x = of_driven;
    of_step.noise = nullptr;
    of_step.parameters = of.once;
    lif_backward(at(s, t, s.x + t * s.elements), row(kept, t * s.elements), surrogate, of_step, 1);
    add_shares(s.elements / r.n, r.n, t == 0 ? of.output : of.spikes + (t - 1) * s.elements, of_driven,
               of.of_weight == nullptr ? nullptr : sums.data(), of.of_bias);
    for (int64_t i = 0; i < parameters; ++i) g.parameters[i] += of.once[i];
  }
  for (int64_t i = 0; of.of_weight != nullptr && i < r.n; ++i) {
    for (int64_t k = 0; k < r.n; ++k) of.of_weight[i * r.n + k] = sums[k * r.n + i];
  }
}

}  // namespace

void lif_recurrent_forward(const LifSequence<float>& sequence, const Recurrence<float>& recurrence, LifState<float> state,
                           LifState<float> kept, const RecurrentForward<float>& of) {
  forward(sequence, recurrence, state, kept, of);
}

void lif_recurrent_forward(const LifSequence<double>& sequence, const Recurrence<double>& recurrence, LifState<double> state,
                           LifState<double> kept, const RecurrentForward<double>& of) {
  forward(sequence, recurrence, state, kept, of);
}

void lif_recurrent_backward(const LifSequence<float>& sequence, const Recurrence<float>& recurrence, LifState<float> kept,
                            const Surrogate& surrogate, const LifGradients<float>& gradients, const RecurrentBack<float>& of) {
  backward(sequence, recurrence, kept, surrogate, gradients, of);
}

void lif_recurrent_backward(const LifSequence<double>& sequence, const Recurrence<double>& recurrence, LifState<double> kept,
                            const Surrogate& surrogate, const LifGradients<double>& gradients, const RecurrentBack<double>& of) {
  backward(sequence, recurrence, kept, surrogate, gradients, of);
}

}  // namespace ranvier
