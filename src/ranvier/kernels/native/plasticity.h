// Weights that change where spikes arrive and where targets fire, free of XLA.
#pragma once

#include <cstdint>

#include "loops.h"

namespace ranvier {

constexpr int64_t kMostTraces = 4;  // of either side

// weight ← weight + |weight − origin|^exponent · Σ gain[s, t] · pre_s · post_t, kept in [low, high]; pre_0 = post_0 = 1.
template <class T>
struct WeightChange {
  const T* gain;  // [1 + n_pre, 1 + n_post]
  int64_t n_pre, n_post;
  T low, high, origin, exponent;
};

// Of the sources at the last `slots` steps, [n_pre, slots, sources], that of step k in row k mod slots; of the targets now,
// [n_post, targets].
template <class T>
struct Traces {
  const T* pre;
  int64_t slots, sources;
  const T* post;
  int64_t targets;
};

// As `BlockOfEdges`, with weights that change.
template <class T, class Index>
struct PlasticBlock {
  const int32_t* delays;
  int64_t n_delays;
  const Index* segments;
  const int32_t* target;
  int64_t n_edges;
  T* weight;
  int64_t low, high;
};

// As `deliver_events`; each edge that has delivered then changes its weight.
void deliver_and_learn(const History<float>& history, int64_t step, const PlasticBlock<float, int32_t>& edges,
                       const Traces<float>& traces, const WeightChange<float>& change, float* out);
void deliver_and_learn(const History<float>& history, int64_t step, const PlasticBlock<float, int64_t>& edges,
                       const Traces<float>& traces, const WeightChange<float>& change, float* out);
void deliver_and_learn(const History<double>& history, int64_t step, const PlasticBlock<double, int32_t>& edges,
                       const Traces<double>& traces, const WeightChange<double>& change, double* out);
void deliver_and_learn(const History<double>& history, int64_t step, const PlasticBlock<double, int64_t>& edges,
                       const Traces<double>& traces, const WeightChange<double>& change, double* out);

// The edges onto target j are those at position[rows[j]] to position[rows[j + 1]]; lag is delay · sources − source.
struct Incoming {
  const int64_t* rows;
  const int32_t* position;
  const int32_t* lag;
  int64_t n_edges;
};

// Changes the weights of all edges onto those of the targets [low, high) that fired.
void learn_at_targets(const bool* fired, int64_t low, int64_t high, int64_t step, const Incoming& edges, const Traces<float>& traces,
                      const WeightChange<float>& change, float* weight, int64_t n_weights);
void learn_at_targets(const bool* fired, int64_t low, int64_t high, int64_t step, const Incoming& edges, const Traces<double>& traces,
                      const WeightChange<double>& change, double* weight, int64_t n_weights);

// The edges of one block by source.
template <class Index>
struct Outgoing {
  const int32_t* delays;
  int64_t n_delays;
  const Index* segments;
  int64_t sources;
  const int32_t* target;
  int64_t n_edges;
};

// count[target] rises by one for each edge.
void count_incoming(const Outgoing<int32_t>& edges, int64_t targets, int64_t* count);
void count_incoming(const Outgoing<int64_t>& edges, int64_t targets, int64_t* count);

// Writes position and lag of each edge at cursor[target], which rises by one.
void place_incoming(const Outgoing<int32_t>& edges, int64_t targets, int64_t* cursor, int32_t* position, int32_t* lag, int64_t n_places);
void place_incoming(const Outgoing<int64_t>& edges, int64_t targets, int64_t* cursor, int32_t* position, int32_t* lag, int64_t n_places);

}  // namespace ranvier
