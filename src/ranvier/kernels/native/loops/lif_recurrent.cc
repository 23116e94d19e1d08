#include "lif_recurrent.h"

#include <algorithm>
#include <vector>

#include "loops.h"

namespace ranvier {
namespace {

// to[b] += Σ_k values[b, k] · rows[k], four rows at a time; where all four values are 0, as most spikes are, nothing.
template <class T>
RANVIER_INLINE void add_products_of(int64_t batch, int64_t n, const T* values, const T* rows, T* to) {
  for (int64_t b = 0; b < batch; ++b, values += n, to += n) {
    int64_t k = 0;
    for (; k + 4 <= n; k += 4) {
      const T v0 = values[k], v1 = values[k + 1], v2 = values[k + 2], v3 = values[k + 3];
      if (v0 == T(0) && v1 == T(0) && v2 == T(0) && v3 == T(0)) continue;
      const T *r0 = rows + k * n, *r1 = r0 + n, *r2 = r1 + n, *r3 = r2 + n;
      RANVIER_INDEPENDENT
      for (int64_t i = 0; i < n; ++i) to[i] += (v0 * r0[i] + v1 * r1[i]) + (v2 * r2[i] + v3 * r3[i]);
    }
    for (; k < n; ++k) {
      RANVIER_INDEPENDENT
      for (int64_t i = 0; i < n; ++i) to[i] += values[k] * rows[k * n + i];
    }
  }
}

RANVIER_LEVELS void add_products(int64_t batch, int64_t n, const float* values, const float* rows, float* to) {
  add_products_of(batch, n, values, rows, to);
}

RANVIER_LEVELS void add_products(int64_t batch, int64_t n, const double* values, const double* rows, double* to) {
  add_products_of(batch, n, values, rows, to);
}

// of_rows[k] += Σ_b values[b, k] · given[b], and of_bias += Σ_b given[b].
template <class T>
RANVIER_INLINE void add_shares_of(int64_t batch, int64_t n, const T* values, const T* given, T* of_rows, T* of_bias) {
  for (int64_t b = 0; b < batch; ++b, values += n, given += n) {
    for (int64_t k = 0; of_rows != nullptr && k < n; ++k) {
      if (values[k] == T(0)) continue;
      RANVIER_INDEPENDENT
      for (int64_t i = 0; i < n; ++i) of_rows[k * n + i] += values[k] * given[i];
    }
    if (of_bias == nullptr) continue;
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) of_bias[i] += given[i];
  }
}

RANVIER_LEVELS void add_shares(int64_t batch, int64_t n, const float* values, const float* given, float* of_rows, float* of_bias) {
  add_shares_of(batch, n, values, given, of_rows, of_bias);
}

RANVIER_LEVELS void add_shares(int64_t batch, int64_t n, const double* values, const double* given, double* of_rows, double* of_bias) {
  add_shares_of(batch, n, values, given, of_rows, of_bias);
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
  for (int64_t t = 0; t < r.steps; ++t) {
    T *driven = of.driven + t * s.elements, *spikes = of.spikes + t * s.elements;
    for (int64_t first = 0; first < s.elements; first += r.n) {
      if (r.bias == nullptr) {
        std::fill_n(driven + first, r.n, T(0));
      } else {
        std::copy_n(r.bias, r.n, driven + first);
      }
    }
    add_products(s.elements / r.n, r.n, before, r.rows, driven);
    const T* x = s.x + t * s.x_stride;
    for (int64_t i = 0; i < s.elements; ++i) driven[i] += x[i];
    lif_forward(at(s, t, static_cast<const T*>(driven)), state, row(kept, t * s.elements), spikes, 1);
    before = spikes;
  }
}

template <class T>
void backward(const LifSequence<T>& s, const Recurrence<T>& r, const LifState<T>& kept, const Surrogate& surrogate,
              const LifGradients<T>& g, const RecurrentBack<T>& of) {
  std::vector<T> into(s.elements);
  const int64_t sums = g.wanted == 0 ? 0 : kLifParameters * s.period;
  for (int64_t t = r.steps - 1; t >= 0; --t) {
    if (g.spikes == nullptr) {
      std::fill(into.begin(), into.end(), T(0));
    } else {
      std::copy_n(g.spikes + t * g.spikes_stride, s.elements, into.begin());
    }
    T* of_driven = g.x + t * s.elements;
    if (t + 1 < r.steps) add_products(s.elements / r.n, r.n, of_driven + s.elements, r.rows, into.data());
    LifGradients<T> of_step = g;
    of_step.spikes = into.data();
    of_step.x = of_driven;
    of_step.noise = nullptr;
    of_step.parameters = of.once;
    lif_backward(at(s, t, s.x + t * s.elements), row(kept, t * s.elements), surrogate, of_step, 1);
    add_shares(s.elements / r.n, r.n, t == 0 ? of.output : of.spikes + (t - 1) * s.elements, of_driven, of.of_rows, of.of_bias);
    for (int64_t i = 0; i < sums; ++i) g.parameters[i] += of.once[i];
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
