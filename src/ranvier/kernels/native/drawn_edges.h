// Edges that are not stored: a source's targets and weights, drawn again whenever they are wanted. As in `loops.h`, each loop stays
// inside the extents that it is given. The numbers are those of `ranvier.kernels.drawn_edges`.
#pragma once

#include <cstdint>

#include "edges.h"
#include "loops.h"

namespace ranvier {

enum class Targets : int64_t { kAll = 0, kRepeated = 1, kDistinct = 2 };
enum class WeightsDrawn : int64_t { kOne = 0, kUniform = 1, kNormal = 2 };

constexpr int kRounds = 6;  // of the permutation

// Whose targets: draw j of row r is one of the row's candidates, the same one whenever it is asked for.
struct DrawnTargets {
  Targets kind;
  Candidates from;
  DrawKey key;
};

// The draws first … first + n − 1 of a row. `n` is at most kDrawsAtOnce.
constexpr int64_t kRowDraws = 256;
void draw_targets(const DrawnTargets& targets, int64_t row, int64_t first, int64_t n, uint32_t* out);

// Numbers first[p] … first[p] + size[p] − 1 of a projection's targets are `onto[p]` … of the accumulator; others are not there.
struct Pieces {
  const int64_t* rows;  // [n, 3]: first, size, onto
  int64_t n;
};

template <class T>
struct DrawnEdges {
  DrawnTargets targets;
  const int32_t* degree;  // [sources]
  const int64_t* begin;   // [sources]: the number of each source's first edge, which its weight is drawn for
  int64_t sources;
  int64_t first;          // the place of the first source among those of the history
  int64_t delay;
  WeightsDrawn weights;
  DrawKey weight_key;
  const double* numbers;  // [4]: the weight; or low and width; or mean, sd, low, high
  const uint32_t* quantiles;
  Pieces pieces;
};

// For each spike j of step − delay in its order, each edge of its source in the order in which they are drawn: out[target] += weight · amplitude[j].
void deliver_drawn(const History<float>& history, int64_t step, const DrawnEdges<float>& edges, float* out, int64_t n_post);
void deliver_drawn(const History<double>& history, int64_t step, const DrawnEdges<double>& edges, double* out, int64_t n_post);

}  // namespace ranvier
