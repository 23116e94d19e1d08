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

// count[(offset + candidate) >> shift] += 1 for each candidate that draw_rows writes; those outside are left out. False as there.
bool count_rows(const DrawKey& key, const int64_t* degree, int64_t rows, int64_t first, const Candidates& from, bool repeated, int64_t offset,
                int shift, int64_t tiles, int64_t* count);

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
};

// How the edges of a block of targets are sorted by source, then delay: first into tiles of 2^shift sources each, then tile by tile. What
// is known of an edge but its weight is one word meanwhile: (its source in the tile · delays + its delay) · 2^target_bits + its target.
// With tiles of one source and one delay a word is the target, and the edges are sorted once they are spread.
struct Tiles {
  int64_t sources;
  int64_t delays;
  int shift;
  int target_bits;
};

// Numbers that go along with edges, moved bit by bit: `bytes` is 4 or 8, or 0 where there are none.
struct Column {
  void* data;
  int64_t bytes;
};

// count[pre >> shift] += 1 for each source; those outside are left out.
void count_tiles(const int32_t* pre, int64_t n, int shift, int64_t tiles, int64_t* count);

// For each edge in the order of the rows: its word and its value go to place cursor[pre >> shift], which moves on by one, and its delay's
// `used` is set. There are as many cursors as tiles, `delays` of `used`, and `n` places.
void spread_edges(const Rows& rows, const Ends& edges, const Tiles& tiles, const Column& value, int64_t* cursor, const Column& words,
                  const Column& placed, int64_t n, bool* used);

// A stretch of tiles, `n` from the `first` on, whose edges are begin[0] to begin[1], begin[1] to begin[2], …, of `edges` in all.
struct Spread {
  int64_t first;
  int64_t n;
  const int64_t* begin;
  int64_t edges;
};

// Sorts each tile's edges by source and delay, in their order otherwise: `low` + its word's target for each goes to `target`, which may
// lie where the words do, and the columns' numbers are moved likewise. Delay d becomes number[d], ascending, or is not used where that is
// −1; the edges of source i with delay k are then segments[i · (room + 1) + k] to segments[i · (room + 1) + k + 1].
template <class Index>
struct Settled {
  const int32_t* number;
  int64_t low;
  int32_t* target;
  const Column* columns;
  int64_t n_columns;
  Index* segments;
  int64_t room;
};
void settle_edges(const Spread& spread, const Tiles& tiles, const Column& words, const Settled<int32_t>& settled);
void settle_edges(const Spread& spread, const Tiles& tiles, const Column& words, const Settled<int64_t>& settled);

// Delays in steps, and their numbers in the table `number` of `n_numbers`: delay / dt, rounded, and at least `least`. False, and what it
// wrote is of no use, where one is not in the table.
bool number_delays(const double* delay, int64_t n, double dt, double least, const int32_t* number, int64_t n_numbers, int32_t* out);

}  // namespace ranvier
