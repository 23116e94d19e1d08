#include "drawn_edges.h"

#include <algorithm>
#include <cmath>

#include "threefry.h"

namespace ranvier {
namespace {

RANVIER_INLINE uint32_t bounded(uint32_t x, uint32_t y, uint64_t n) { return static_cast<uint32_t>((x * n + (y * n >> 32)) >> 32); }

// A Feistel network over the numbers below 2^bits: a permutation, whatever its rounds are.
struct Permutation {
  uint32_t low, low_mask, high_mask;
  uint32_t key[2 * kRounds];
};

RANVIER_INLINE uint32_t mixed(uint32_t x, uint32_t a, uint32_t b) {
  x = (x ^ a) * 0x85EBCA6Bu;
  x ^= x >> 15;
  x = (x + b) * 0xC2B2AE35u;
  return x ^ (x >> 16);
}

RANVIER_CLONES void permute(const Permutation& p, int64_t n, uint32_t* RANVIER_RESTRICT x) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t high = x[i] >> p.low, low = x[i] & p.low_mask;
    for (int r = 0; r < kRounds; r += 2) {
      high ^= mixed(low, p.key[2 * r], p.key[2 * r + 1]) & p.high_mask;
      low ^= mixed(high, p.key[2 * r + 2], p.key[2 * r + 3]) & p.low_mask;
    }
    x[i] = high << p.low | low;
  }
}

RANVIER_CLONES void words(const DrawKey& key, uint32_t first, uint32_t* x, uint32_t* y) { threefry(key, first, x, y); }

RANVIER_CLONES void bounded_words(const DrawKey& key, uint32_t first, uint32_t n, uint32_t* out) {
  uint32_t x[kLanes], y[kLanes];
  threefry(key, first, x, y);
  for (int64_t i = 0; i < kLanes; ++i) out[i] = bounded(x[i], y[i], n);
}

Permutation permutation(const DrawKey& row, int64_t candidates) {
  Permutation p;
  uint32_t bits = 2;
  while (bits < 32 && (int64_t{1} << bits) < candidates) ++bits;
  p.low = bits - bits / 2;
  p.low_mask = (1u << p.low) - 1;
  p.high_mask = (1u << (bits / 2)) - 1;
  uint32_t x[kLanes], y[kLanes];
  words(row, 0, x, y);
  for (int r = 0; r < kRounds; ++r) {
    p.key[2 * r] = x[r];
    p.key[2 * r + 1] = y[r];
  }
  return p;
}

// Those that the permutation takes beyond the candidates go on until they are among them.
void permute_within(const Permutation& p, uint32_t count, int64_t n, uint32_t* x) {
  uint32_t beyond[kRowDraws];
  int64_t place[kRowDraws];
  permute(p, n, x);
  int64_t left = 0;
  for (int64_t i = 0; i < n; ++i) {
    beyond[left] = x[i];
    place[left] = i;
    left += x[i] >= count;
  }
  while (left > 0) {
    permute(p, left, beyond);
    int64_t still = 0;
    for (int64_t i = 0; i < left; ++i) {
      x[place[i]] = beyond[i];
      const uint32_t value = beyond[i];
      const int64_t where = place[i];
      beyond[still] = value;
      place[still] = where;
      still += value >= count;
    }
    left = still;
  }
}

struct Row {
  int64_t row, count, left_out;
  DrawKey key;
  Permutation permutation;
};

Row row_of(const DrawnTargets& targets, int64_t row) {
  const bool one_out = targets.from.exclude && row + targets.from.shift >= 0 && row + targets.from.shift < targets.from.n;
  Row found{row, targets.from.n - one_out, one_out ? row + targets.from.shift : targets.from.n,
            {targets.key.low, targets.key.high, static_cast<uint32_t>(row)}, {}};
  if (targets.kind == Targets::kDistinct) found.permutation = permutation(found.key, targets.from.n);
  return found;
}

void draw_some(const DrawnTargets& targets, const Row& row, int64_t first, int64_t n, uint32_t* out) {
  if (targets.kind == Targets::kRepeated) {
    uint32_t drawn[kLanes];
    for (int64_t i = 0; i < n; i += kLanes) {
      bounded_words(row.key, static_cast<uint32_t>(first + i), static_cast<uint32_t>(row.count), drawn);
      std::copy_n(drawn, std::min(kLanes, n - i), out + i);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<uint32_t>(first + i);
    if (targets.kind == Targets::kDistinct) permute_within(row.permutation, static_cast<uint32_t>(row.count), n, out);
  }
  const uint32_t left_out = static_cast<uint32_t>(row.left_out);
  for (int64_t i = 0; i < n; ++i) out[i] += out[i] >= left_out;
}

void draw_numbers(const NumberDrawn& drawn, const uint32_t* quantiles, uint64_t first, int64_t n, double* out) {
  const double* const a = drawn.numbers;
  if (drawn.kind == NumberKind::kUniform) {
    uniform_numbers(drawn.key, first, n, out);
    for (int64_t i = 0; i < n; ++i) out[i] = a[0] + a[1] * out[i];
  } else {
    normal_numbers(drawn.key, first, n, quantiles, out);
    for (int64_t i = 0; i < n; ++i) out[i] = std::min(std::max(out[i] * a[1] + a[0], a[2]), a[3]);
  }
}

// Which of the accumulator's places a target is; −1 where it is not there.
RANVIER_INLINE int64_t place_of(const Pieces& pieces, int64_t target, int64_t n_post) {
  for (int64_t p = 0; p < pieces.n; ++p) {
    const int64_t* const piece = pieces.rows + 3 * p;
    const int64_t within = target - piece[0];
    if (within < 0 || within >= piece[1]) continue;
    const int64_t place = piece[2] + within;
    return place >= 0 && place < n_post ? place : -1;
  }
  return -1;
}

// Which of n edges have a delay; whether any has.
bool have_delay(const DelaysDrawn& delays, int64_t wanted, const uint32_t* quantiles, uint64_t first, int64_t n, bool* has) {
  double delay[kRowDraws];
  draw_numbers(delays.drawn, quantiles, first, n, delay);
  bool any = false;
  for (int64_t i = 0; i < n; ++i) {
    has[i] = std::max(std::nearbyint(delay[i] / delays.dt), delays.least) == static_cast<double>(wanted);
    any |= has[i];
  }
  return any;
}

template <class T>
void draw(const DrawnEdges<T>& edges, const DrawnPiece<T>& piece, int64_t n_post, int32_t* place, T* value) {
  uint32_t target[kRowDraws];
  double weight[kRowDraws];
  bool has[kRowDraws];
  const uint64_t begin = static_cast<uint64_t>(edges.begin[piece.own] + piece.first);
  const bool several = edges.delays.drawn.kind != NumberKind::kOne;
  if (several && !have_delay(edges.delays, piece.delay, edges.quantiles, begin, piece.n, has)) {
    std::fill_n(place, piece.n, -1);
    std::fill_n(value, piece.n, T(0));
    return;
  }
  draw_some(edges.targets, row_of(edges.targets, piece.own), piece.first, piece.n, target);
  for (int64_t i = 0; i < piece.n; ++i) {
    place[i] = several && !has[i] ? -1 : static_cast<int32_t>(place_of(edges.pieces, target[i], n_post));
  }
  if (edges.weights.kind == NumberKind::kOne) {
    std::fill_n(value, piece.n, static_cast<T>(edges.weights.numbers[0]) * piece.strength);
    return;
  }
  draw_numbers(edges.weights, edges.quantiles, begin, piece.n, weight);
  for (int64_t i = 0; i < piece.n; ++i) value[i] = static_cast<T>(weight[i]) * piece.strength;
}

}  // namespace

template <class T>
std::vector<DrawnPiece<T>> drawn_pieces(const History<T>& history, int64_t step, const DrawnEdges<T>& edges) {
  std::vector<DrawnPiece<T>> pieces;
  if (edges.targets.from.n < 1) return pieces;
  const int64_t longest = std::min(edges.delays.longest, history.slots - 1);
  for (int64_t delay = std::max<int64_t>(edges.delays.shortest, 0); delay <= longest; ++delay) {
    const int64_t slot = floor_mod(step - delay, history.slots);
    const int32_t* const source = history.source + slot * history.n;
    const T* const amplitude = history.amplitude ? history.amplitude + slot * history.n : nullptr;
    const int64_t spikes = std::clamp<int64_t>(history.count[slot], 0, history.n);
    for (int64_t s = 0; s < spikes; ++s) {
      const int64_t own = source[s] - edges.first;
      if (own < 0 || own >= edges.sources) continue;
      const Candidates& from = edges.targets.from;
      const int64_t count = from.n - (from.exclude && own + from.shift >= 0 && own + from.shift < from.n);
      if (count < 1) continue;
      const int64_t most = edges.targets.kind == Targets::kRepeated ? edges.degree[own] : std::min<int64_t>(edges.degree[own], count);
      for (int64_t j = 0; j < most; j += kRowDraws) {
        pieces.push_back({own, j, std::min(kRowDraws, most - j), delay, amplitude ? amplitude[s] : T(1)});
      }
    }
  }
  return pieces;
}

template std::vector<DrawnPiece<float>> drawn_pieces(const History<float>&, int64_t, const DrawnEdges<float>&);
template std::vector<DrawnPiece<double>> drawn_pieces(const History<double>&, int64_t, const DrawnEdges<double>&);

void draw_targets(const DrawnTargets& targets, int64_t row, int64_t first, int64_t n, uint32_t* out) {
  draw_some(targets, row_of(targets, row), first, std::min(n, kRowDraws), out);
}

void draw_piece(const DrawnEdges<float>& edges, const DrawnPiece<float>& piece, int64_t n_post, int32_t* place, float* value) {
  draw(edges, piece, n_post, place, value);
}
void draw_piece(const DrawnEdges<double>& edges, const DrawnPiece<double>& piece, int64_t n_post, int32_t* place, double* value) {
  draw(edges, piece, n_post, place, value);
}

}  // namespace ranvier
