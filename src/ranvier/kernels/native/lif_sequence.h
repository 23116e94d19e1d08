// Leaky integrate-and-fire neurons over a whole sequence: one pass forward, one backward. `ranvier/torch/functional.py` has the
// equations, line by line; results forward are equal to it bit for bit where firing is not stochastic.
//
// Time is outermost, neurons are innermost: [steps, elements]. Parameters repeat every `period` elements.
#pragma once

#include <cstdint>

#include "surrogate.h"

namespace ranvier {

enum LifParameter { kDecay, kGain, kRest, kThreshold, kReset, kThresholdDecay, kThresholdJump, kSlope, kLifParameters };

template <class T>
struct LifSequence {
  int64_t steps, elements, period;
  const T* x;
  int64_t x_stride;           // from step to step: `elements`, or 0 where every step has the same input
  const T* noise;             // like x, or null
  const T* uniform;           // like x, or null: firing is not stochastic
  const T* parameters;        // [kLifParameters, period]; kReset is what a spike adds, if by_subtraction and not adaptive
  const int32_t* refractory;  // [period], in steps; null: no refractory period
  bool adaptive, by_subtraction, detach_reset;
  T threshold_min, threshold_max;
  int64_t chunk;  // the state is kept before every step number 0, chunk, 2 · chunk …; between them it is computed again
};

// Null where a neuron has no such variable.
template <class T>
struct LifState {
  T* v;
  int32_t* left;
  T* threshold;
};

// `state` [elements] is updated in place; `kept` [ceil(steps / chunk), elements] is null or what `lif_backward` needs.
void lif_forward(const LifSequence<float>& sequence, LifState<float> state, LifState<float> kept, float* spikes, int threads);
void lif_forward(const LifSequence<double>& sequence, LifState<double> state, LifState<double> kept, double* spikes, int threads);

template <class T>
struct LifGradients {
  const T* spikes;         // the incoming one, or null
  int64_t spikes_stride;   // `elements` or 0
  T* v;                    // [elements]; in: of the last state, out: of the first; null: zeros, and not wanted
  T* threshold;            // the same
  T* x;                    // [steps, elements], or null
  T* noise;                // the same
  T* per_element;          // [number of bits in `wanted`, elements]: room to work in
  T* parameters;           // [kLifParameters, period]; rows that are not wanted stay as they are
  uint32_t wanted;         // bit p: the gradient of parameter p
};

void lif_backward(const LifSequence<float>& sequence, LifState<float> kept, const Surrogate& surrogate,
                  const LifGradients<float>& gradients, int threads);
void lif_backward(const LifSequence<double>& sequence, LifState<double> kept, const Surrogate& surrogate,
                  const LifGradients<double>& gradients, int threads);

}  // namespace ranvier
