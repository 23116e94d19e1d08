// One step of integrate-and-fire neurons, free of XLA: integrate, hold, fire, reset, in one pass over the state.
#pragma once

#include <array>
#include <cstdint>

namespace ranvier {

constexpr int64_t kMostVariables = 12, kMostTerms = 12;

// One number for each neuron, or one for all neurons of a member, those of two members `apart` from each other.
template <class T>
struct Coefficient {
  const T* at = nullptr;
  bool each = false;
  int64_t apart = 0;
  const T* from(int64_t i, int64_t member) const { return at + (each ? i : member * apart); }
  T of(int64_t i, int64_t member) const { return *from(i, member); }
};

// constant + Σ coefficient · variable, for each neuron.
template <class T>
struct LinearForm {
  struct Term {
    int64_t variable;
    Coefficient<T> coefficient;
  };
  Coefficient<T> constant;
  std::array<Term, kMostTerms> terms;
  int64_t n_terms = 0;
};

// How a variable moves: to `form`, or, where it relaxes, by exponential Euler on d/dt = form + slope · variable, both times the step's length.
template <class T>
struct MovingVariable {
  int64_t variable;
  bool held, relaxes;
  LinearForm<T> form, slope;
};

template <class T>
struct ResetVariable {
  int64_t variable;
  LinearForm<T> form;
};

// A neuron fires unless it is refractory (now <= recent + refractory) where `test` is at least `threshold` at the end of the step,
// or with `either_end` at its start. Refractory neurons keep the variables that are held; what a spike resets is set to a form of
// the variables after the step. The variables are in an order in which each may be overwritten before the next ones move, unless
// `copies` says that there is none.
template <class T>
struct IntegrateAndFire {
  std::array<T*, kMostVariables> variables;
  int64_t n_moving = 0, n_resets = 0;
  std::array<MovingVariable<T>, kMostVariables> moving;
  std::array<ResetVariable<T>, kMostVariables> resets;
  LinearForm<T> test;  // its constant is the threshold
  bool either_end = false, copies = false;
  bool cleared = false;  // no flag is set yet
  int32_t now;
  int32_t* recent;
  Coefficient<int32_t> refractory;  // without one, no neuron waits
};

// Advances the neurons begin … end − 1, all of one member, and sets their flags; writes who fires, unless `who` is null, and returns how
// many. A neuron's numbers do not depend on who stands beside it.
int64_t integrate_and_fire(const IntegrateAndFire<float>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags, int32_t* who);
int64_t integrate_and_fire(const IntegrateAndFire<double>& neurons, int64_t member, int64_t begin, int64_t end, bool* flags, int32_t* who);

}  // namespace ranvier
