// Leaky integrate-and-fire neurons that their own spikes reach a step later through a matrix: `lif_sequence.h` step by step, and the
// products between the steps. Sums are in another order than those of a library of linear algebra, and use FMA.
#pragma once

#include "lif_sequence.h"

namespace ranvier {

template <class T>
struct Recurrence {
  int64_t steps, n;  // `elements` of a step are a multiple of n
  const T* weight;   // [n, n], a row a target
  const T* bias;     // [n], or null
};

// `sequence` is that of one step; x, noise and uniform are [steps, elements]. `driven` [steps, elements] is what the neurons get. `kept`
// has the state before every step, or is null.
template <class T>
struct RecurrentForward {
  const T* output;  // [elements]: the spikes before the first step
  T *driven, *spikes;
};

void lif_recurrent_forward(const LifSequence<float>& sequence, const Recurrence<float>& recurrence, LifState<float> state,
                           LifState<float> kept, const RecurrentForward<float>& of);
void lif_recurrent_forward(const LifSequence<double>& sequence, const Recurrence<double>& recurrence, LifState<double> state,
                           LifState<double> kept, const RecurrentForward<double>& of);

// What the backward pass is given beside what that of a sequence is.
template <class T>
struct RecurrentBack {
  const T *output, *spikes;  // as of the forward pass
  T* once;                   // [kLifParameters, period]: room for the parameters' gradients of a step
  T* of_weight;              // [n, n], a row a target, or null
  T* of_bias;                // [n], or null
};

// `sequence` has `driven` for x. Of `gradients`, spikes are [steps, elements] or null, x is [steps, elements], v and threshold as there;
// to `parameters` is added.
void lif_recurrent_backward(const LifSequence<float>& sequence, const Recurrence<float>& recurrence, LifState<float> kept,
                            const Surrogate& surrogate, const LifGradients<float>& gradients, const RecurrentBack<float>& of);
void lif_recurrent_backward(const LifSequence<double>& sequence, const Recurrence<double>& recurrence, LifState<double> kept,
                            const Surrogate& surrogate, const LifGradients<double>& gradients, const RecurrentBack<double>& of);

}  // namespace ranvier
