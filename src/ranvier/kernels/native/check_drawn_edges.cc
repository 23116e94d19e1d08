// The loops of `drawn_edges.h` over awkward sizes and hostile contents, as in `check_loops.cc`.

#include <algorithm>
#include <vector>

#include "checks.h"
#include "drawn_edges.h"

namespace {

using ranvier::DrawnEdges;
using ranvier::Targets;
using ranvier::NumberKind;

template <class T>
void check_delivery(int64_t n, int64_t sources, int64_t candidates, int64_t n_post, Targets kind, NumberKind weights, NumberKind delays) {
  const int64_t slots = integer(1, 4), pieces = integer(0, 3);
  const auto source = indices(slots * n, sources + 2);
  const auto amplitude = numbers<T>(slots * n);
  std::vector<int32_t> count(slots), degree(sources);
  for (int32_t& c : count) c = hostile(n);
  for (int32_t& d : degree) d = static_cast<int32_t>(integer(-2, kind == Targets::kRepeated ? 600 : candidates + 3));
  std::vector<int64_t> begin(sources), rows(3 * pieces);
  for (int64_t& b : begin) b = (int64_t{1} << 32) - integer(0, 100);
  for (int64_t& r : rows) r = integer(-3, std::max<int64_t>(candidates, n_post) + 3);
  std::vector<uint32_t> quantiles(4097);
  const std::vector<double> of_weights = {0.5, 1.5, -1.0, 2.0};
  const int64_t shortest = integer(-1, slots);
  const bool with_amplitudes = integer(0, 1) != 0;
  const ranvier::History<T> history{source.data(), with_amplitudes ? amplitude.data() : nullptr, count.data(), slots, n};
  const DrawnEdges<T> edges{{kind, {candidates, integer(-3, 3), integer(0, 1) != 0}, {7, 11, 0}},
                            degree.data(),
                            begin.data(),
                            sources,
                            integer(-1, 2),
                            {shortest, shortest + integer(-1, slots + 1), {delays, {19, 23, 0}, of_weights.data()}, 0.25, -1.0},
                            {weights, {13, 17, 0}, of_weights.data()},
                            quantiles.data(),
                            {rows.data(), pieces}};
  const int64_t step = integer(-5, 1000);
  std::vector<T> whole(n_post), pieced(n_post);
  ranvier::deliver_drawn(history, step, edges, whole.data(), n_post);
  int32_t place[ranvier::kRowDraws];
  T value[ranvier::kRowDraws];
  for (const auto& piece : ranvier::drawn_pieces(history, step, edges)) {
    expect(piece.n > 0 && piece.n <= ranvier::kRowDraws && piece.own >= 0 && piece.own < sources, "drawn_pieces: not a piece");
    ranvier::draw_piece(edges, piece, n_post, place, value);
    expect(std::all_of(place, place + piece.n, [&](int32_t p) { return p >= -1 && p < n_post; }), "draw_piece: beyond the accumulator");
    ranvier::add_drawn(place, value, piece.n, pieced.data());
  }
  expect(whole == pieced, "deliver_drawn: not the sum of its pieces");
}

void check_rows(int64_t candidates) {
  std::vector<bool> seen(candidates);
  std::vector<uint32_t> out(ranvier::kRowDraws);
  const ranvier::DrawnTargets targets{Targets::kDistinct, {candidates, 0, false}, {3, 5, 0}};
  for (int64_t first = 0; first < candidates; first += ranvier::kRowDraws) {
    const int64_t some = std::min(ranvier::kRowDraws, candidates - first);
    ranvier::draw_targets(targets, 4, first, some, out.data());
    for (int64_t i = 0; i < some; ++i) {
      expect(out[i] < candidates && !seen[out[i]], "draw_targets: one comes twice, or is none");
      seen[out[i]] = true;
    }
  }
}

}  // namespace

void check_drawn_edges() {
  const int64_t sizes[] = {0, 1, 2, 7, 65, 300};
  for (const int64_t n : sizes) {
    check_rows(n);
    for (const int64_t candidates : sizes) {
      for (const int64_t n_post : sizes) {
        for (const Targets kind : {Targets::kAll, Targets::kRepeated, Targets::kDistinct}) {
          for (const NumberKind weights : {NumberKind::kOne, NumberKind::kUniform, NumberKind::kNormal}) {
            check_delivery<float>(n, n, candidates, n_post, kind, weights, NumberKind::kOne);
            check_delivery<double>(n, n + 1, candidates, n_post, kind, weights, weights);
          }
        }
      }
    }
  }
}
