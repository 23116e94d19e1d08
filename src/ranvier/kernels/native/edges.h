// The loops that draw and place edges while a network is built. As in `loops.h`, each stays inside the extents that it is given.
#pragma once

#include <cstdint>

#include "loops.h"

namespace ranvier {

// Numbers of `Key.uniform` and `Key.normal` for the indices start, start + 1, …; there are 4097 quantiles. The key's step is of no account.
void uniform_numbers(const DrawKey& key, uint64_t start, int64_t n, double* out);
void normal_numbers(const DrawKey& key, uint64_t start, int64_t n, const uint32_t* quantiles, double* out);

// Those of `Key.uniform` and `Key.normal` for any indices.
void uniform_numbers_at(const DrawKey& key, const int64_t* index, int64_t n, double* out);
void normal_numbers_at(const DrawKey& key, const int64_t* index, int64_t n, const uint32_t* quantiles, double* out);

// What a normal distribution is kept within.
struct Within {
  double mean, sd, low, high;
};

// mean + sd · x for the indices start, start + 1, …. One that is outside is drawn anew from the next of the keys until it is inside, and
// is left as it is when there is no other key. Returns how many are left outside.
int64_t normal_numbers_within(const DrawKey* keys, int64_t n_keys, uint64_t start, int64_t n, const uint32_t* quantiles, const Within& within,
                              double* out);

// Who may be drawn: `n` candidates, of which row `r` leaves out number r + shift where `exclude` is set and there is such a number.
struct Candidates {
  int64_t n;
  int64_t shift;
  bool exclude;
};

// For each row first, first + 1, …: degree[row − first] candidates, ascending, with repetitions or all different.
// Returns false, and what it wrote is of no use, where a row cannot have so many or `out` is not as long as their sum.
bool draw_rows(const DrawKey& key, const int64_t* degree, int64_t rows, int64_t first, const Candidates& from, bool repeated, int32_t* out,
               int64_t n_out);

// Throws `edges` edges onto `rows` rows, each pair of row and candidate alike, and counts those of each row. False where no pair is allowed.
bool draw_degrees(const DrawKey& key, int64_t edges, int64_t rows, const Candidates& from, int64_t* degree);

// The edges of a few targets: row i is edges begin[i], begin[i] + 1, … of `pre` and `delay`, length[i] of them, all onto target[i].
struct Rows {
  const int64_t* begin;
  const int64_t* length;
  const int32_t* target;
  int64_t n;
};

// What is known of each edge. `delay` is the number of its delay, null where there is one delay only.
struct Ends {
  const int32_t* pre;
  const int32_t* delay;
  int64_t n;
  int64_t sources;
  int64_t delays;
};

// count[pre · delays + delay] += 1 for each edge.
void count_edges(const Ends& edges, int32_t* count);
void count_edges(const Ends& edges, int64_t* count);

// For each edge in the order of the rows: target and weight go to place cursor[pre · delays + delay], which moves on by one.
// `weight` is null where the edges have none of their own.
void place_edges(const Rows& rows, const Ends& edges, const float* weight, int32_t* cursor, int32_t* target, float* placed, int64_t n);
void place_edges(const Rows& rows, const Ends& edges, const float* weight, int64_t* cursor, int32_t* target, float* placed, int64_t n);
void place_edges(const Rows& rows, const Ends& edges, const double* weight, int32_t* cursor, int32_t* target, double* placed, int64_t n);
void place_edges(const Rows& rows, const Ends& edges, const double* weight, int64_t* cursor, int32_t* target, double* placed, int64_t n);

}  // namespace ranvier
