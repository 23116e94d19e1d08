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

// How a trace moves on in one step: it is multiplied by `kept`, and a spike adds `jump` or, of `nearest`, sets it to that.
template <class T>
struct TraceChange {
  T kept, jump;
  bool nearest;
};

// Row step mod slots of ring [slots, n] from the row before it and the spikes of `step`; the same row of `before`, where it is not null,
// without them. Each product and each sum is rounded. `spiked` may be null: nobody.
void advance_trace(const bool* spiked, int64_t n, int64_t step, int64_t slots, const TraceChange<float>& change, float* ring, float* before);
void advance_trace(const bool* spiked, int64_t n, int64_t step, int64_t slots, const TraceChange<double>& change, double* ring, double* before);

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

// Some of the edges at which something happens, one after the other; where there is none, position is the number of edges.
// `row` is that of the source's values in arrays with a row a step.
struct EdgesDue {
  int32_t* position;
  int32_t* source;
  int32_t* target;
  int32_t* row;
  int64_t size;
};

// Blocks of edges by source, and all that `BlockOfEdges` has but the weights.
struct SortedEdges {
  const int32_t* delays;
  int64_t n_delays;
  const int32_t* segments;  // [blocks, sources, n_delays + 1]
  const int32_t* target;
  int64_t n_edges;
  const int64_t* bounds;
  int64_t blocks;
};

// The edges whose spikes arrive at `step`, from the `first` on in the order of blocks, delays and spikes; returns how many there are in
// all. Those onto targets outside their block, or at `targets` and beyond, have no position.
int64_t due_edges(const int32_t* source, const int32_t* count, int64_t slots, int64_t n, int64_t step, const SortedEdges& edges,
                  int64_t targets, int64_t first, const EdgesDue& due);

// The edges onto the targets that fired, from the `first` on, target by target.
int64_t incoming_edges(const bool* fired, int64_t targets, int64_t step, const Incoming& edges, int64_t slots, int64_t sources,
                       int64_t n_weights, int64_t first, const EdgesDue& due);

// values[position[i]] = value[i] for positions inside.
void put(const int32_t* position, const float* value, int64_t size, float* values, int64_t n);
void put(const int32_t* position, const double* value, int64_t size, double* values, int64_t n);

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
