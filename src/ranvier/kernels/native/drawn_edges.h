// Edges that are not stored: a source's targets and weights, drawn again whenever they are wanted. As in `loops.h`, each loop stays
// inside the extents that it is given. The numbers are those of `ranvier.kernels.drawn_edges`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "edges.h"
#include "loops.h"

namespace ranvier {

enum class Targets : int64_t { kAll = 0, kRepeated = 1, kDistinct = 2 };
enum class NumberKind : int64_t { kOne = 0, kUniform = 1, kNormal = 2 };

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

// A number of each edge: one for all, `numbers[0]`, or drawn for it: low and width; or mean, standard deviation and both ends.
struct NumberDrawn {
  NumberKind kind;
  DrawKey key;
  const double* numbers;  // [4]
};

// The delays of edges: that of an edge is the nearest whole number of steps, and no less than `least`.
struct DelaysDrawn {
  int64_t shortest, longest;  // between what all are (steps)
  NumberDrawn drawn;          // in ms; of one for all nothing is read
  double dt, least;
};

template <class T>
struct DrawnEdges {
  DrawnTargets targets;
  const int32_t* degree;  // [sources]
  const int64_t* begin;   // [sources]: the number of each source's first edge, which its weight is drawn for
  int64_t sources;
  int64_t first;          // the place of the first source among those of the history
  DelaysDrawn delays;
  NumberDrawn weights;
  const uint32_t* quantiles;
  Pieces pieces;
};

// Some draws of one spike, at most kRowDraws: of source `own`, from `first` on, those with one delay, each times `strength`.
template <class T>
struct DrawnPiece {
  int64_t own, first, n, delay;
  T strength;
};

// What arrives at the end of a step, in the order in which it is added: the spikes of step − delay in theirs, the shortest delay first, of each
// the draws of its source.
template <class T>
std::vector<DrawnPiece<T>> drawn_pieces(const History<T>& history, int64_t step, const DrawnEdges<T>& edges);

// The places in the accumulator [n_post] onto which a piece's draws are added, −1 for those that are not there, and what is added. Each [n].
void draw_piece(const DrawnEdges<float>& edges, const DrawnPiece<float>& piece, int64_t n_post, int32_t* place, float* value);
void draw_piece(const DrawnEdges<double>& edges, const DrawnPiece<double>& piece, int64_t n_post, int32_t* place, double* value);

// out[place] += value, one after the other.
template <class T>
void add_drawn(const int32_t* place, const T* value, int64_t n, T* out) {
  for (int64_t i = 0; i < n; ++i) {
    if (place[i] >= 0) out[place[i]] += value[i];
  }
}

// All of it on one thread.
template <class T>
void deliver_drawn(const History<T>& history, int64_t step, const DrawnEdges<T>& edges, T* out, int64_t n_post) {
  int32_t place[kRowDraws];
  T value[kRowDraws];
  for (const DrawnPiece<T>& piece : drawn_pieces(history, step, edges)) {
    draw_piece(edges, piece, n_post, place, value);
    add_drawn(place, value, piece.n, out);
  }
}

}  // namespace ranvier
