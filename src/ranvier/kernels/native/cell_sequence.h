// A neuron's step over a whole sequence, forward and backward, for any `Cell`: a struct with the loops over neighbouring neurons that
// `ranvier/torch/fused/source.py` writes from a layer's step and its derivative. Time is outermost, neurons innermost.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "elementary.h"
#include "loops.h"
#include "parallel.h"
#include "surrogate.h"

namespace ranvier {

// Within bounds; NaN stays NaN.
template <class T>
RANVIER_INLINE T clamped(T x, T low, T high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

template <class T>
struct CellProblem {
  int64_t steps, elements, period, chunk;
  const T* x;
  int64_t x_stride;        // from step to step: `elements`, or 0 where every step has the same input
  const T* parameters;     // [Cell::parameters, period]; they repeat every `period` elements
  T* state;                // [Cell::states, elements], updated in place
  T* kept;                 // [ceil(steps / chunk), Cell::states, elements]: the state before every chunk; or null
  const T* incoming;       // the gradient of the output [steps, elements]; or null for zeros
  int64_t incoming_stride;
  T* of_state;             // [Cell::states, elements]; in: of the last state, out: of the first
  T* of_x;                 // [steps, elements], or null
  T* of_parameters;        // [Cell::parameters, elements], or null
  Surrogate surrogate;
};

// Neurons that go through a whole sequence together.
constexpr int64_t kCellTile = 256;

template <class T>
struct CellRows {
  CellRows(int64_t rows) : room(rows * kCellTile) {}
  T* operator[](int64_t row) { return room.data() + row * kCellTile; }
  std::vector<T> room;
};

// A tile's parameters, one row each, and behind them what is computed of them alone.
template <class Cell, class T>
class CellColumns {
 public:
  CellColumns() : rows_(Cell::parameters + Cell::invariants) {
    for (int p = 0; p < Cell::parameters + Cell::invariants; ++p) all[p] = rows_[p];
  }
  RANVIER_INLINE void fill(const CellProblem<T>& s, int64_t first, int64_t n) {
    for (int p = 0; p < Cell::parameters; ++p) {
      const T* row = s.parameters + p * s.period;
      for (int64_t i = 0, at = first % s.period; i < n; ++i, at = at + 1 == s.period ? 0 : at + 1) all[p][i] = row[at];
    }
    Cell::prepare(n, all);
  }
  T* all[Cell::parameters + Cell::invariants + 1];

 private:
  CellRows<T> rows_;
};

template <class Cell, class T>
RANVIER_INLINE void cell_forward(const CellProblem<T>& s, T* spikes, int64_t begin, int64_t end) {
  CellColumns<Cell, T> columns;
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t first = tile * kCellTile, n = std::min(kCellTile, s.elements - first);
    columns.fill(s, first, n);
    T* state[Cell::states + 1];
    for (int k = 0; k < Cell::states; ++k) state[k] = s.state + k * s.elements + first;
    for (int64_t t = 0; t < s.steps; ++t) {
      if (s.kept != nullptr && t % s.chunk == 0) {
        for (int k = 0; k < Cell::states; ++k) std::copy_n(state[k], n, s.kept + (t / s.chunk * Cell::states + k) * s.elements + first);
      }
      Cell::forward(n, s.x + t * s.x_stride + first, columns.all, state, spikes + t * s.elements + first, state);
    }
  }
}

template <class Cell, class T>
RANVIER_INLINE void cell_backward(const CellProblem<T>& s, int64_t begin, int64_t end) {
  CellColumns<Cell, T> columns;
  CellRows<T> states((s.chunk + 1) * Cell::states), sums(Cell::parameters), others(5);
  T *ignored = others[0], *zeros = others[1], *distances = others[2], *slopes = others[3], *unwanted = others[4];
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t first = tile * kCellTile, n = std::min(kCellTile, s.elements - first);
    columns.fill(s, first, n);
    T *gradient[Cell::states + 1], *sum[Cell::parameters + 1];
    for (int k = 0; k < Cell::states; ++k) gradient[k] = s.of_state + k * s.elements + first;
    for (int p = 0; p < Cell::parameters; ++p) std::fill_n(sum[p] = sums[p], n, T(0));
    for (int64_t number = (s.steps - 1) / s.chunk; number >= 0; --number) {
      const int64_t before = number * s.chunk, count = std::min(s.chunk, s.steps - before);
      T *now[Cell::states + 1], *next[Cell::states + 1];
      for (int k = 0; k < Cell::states; ++k) {
        std::copy_n(s.kept + (number * Cell::states + k) * s.elements + first, n, states[k]);
      }
      for (int64_t c = 0; c + 1 < count; ++c) {
        for (int k = 0; k < Cell::states; ++k) now[k] = states[c * Cell::states + k], next[k] = states[(c + 1) * Cell::states + k];
        Cell::forward(n, s.x + (before + c) * s.x_stride + first, columns.all, now, ignored, next);
      }
      for (int64_t c = count - 1; c >= 0; --c) {
        const int64_t t = before + c;
        const T* x = s.x + t * s.x_stride + first;
        for (int k = 0; k < Cell::states; ++k) now[k] = states[c * Cell::states + k];
        if constexpr (Cell::has_surrogate) {
          Cell::distance(n, x, columns.all, now, distances);
          spike_slopes(s.surrogate, n, distances, slopes);
        }
        const T* incoming = s.incoming == nullptr ? zeros : s.incoming + t * s.incoming_stride + first;
        T* of_x = s.of_x == nullptr ? unwanted : s.of_x + t * s.elements + first;
        if (s.of_parameters == nullptr) {
          Cell::template backward<false>(n, x, columns.all, now, slopes, incoming, gradient, of_x, sum);
        } else {
          Cell::template backward<true>(n, x, columns.all, now, slopes, incoming, gradient, of_x, sum);
        }
      }
    }
    if (s.of_parameters == nullptr) continue;
    for (int p = 0; p < Cell::parameters; ++p) std::copy_n(sum[p], n, s.of_parameters + p * s.elements + first);
  }
}

// Calls part(begin, end) in each thread: tiles begin to end.
template <class T, class Part>
void in_cell_tiles(const CellProblem<T>& s, int threads, const Part& part) {
  constexpr int64_t worth_a_thread = 1 << 15;  // neuron-steps
  const int64_t worthwhile = std::min<int64_t>(std::max(threads, 1), 1 + s.steps * s.elements / worth_a_thread);
  in_parallel((s.elements + kCellTile - 1) / kCellTile, static_cast<int>(worthwhile), part);
}

// Integers as `ranvier/torch/fused/cell.py` packs them: extents, strides, and the addresses of contiguous tensors, 0 for none.
template <class T>
CellProblem<T> unpacked(const int64_t* a, const double* shape) {
  const auto at = [a](int place) { return reinterpret_cast<T*>(static_cast<uintptr_t>(a[place])); };
  return {a[0], a[1], a[2], a[3], at(4), a[5], at(6), at(7), at(8), at(9), a[10], at(11), at(12), at(13),
          {static_cast<SurrogateKind>(a[14]), {shape[0], shape[1], shape[2]}}};
}

}  // namespace ranvier

#if defined(_WIN32)
#define RANVIER_EXPORT extern "C" __declspec(dllexport)
#else
#define RANVIER_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// The four functions of a cell, found by name.
#define RANVIER_CELL_OF(Cell, name, T, type)                                                                                          \
  namespace ranvier {                                                                                                                 \
  RANVIER_CLONES void name##_forward_part(const CellProblem<T>& s, T* output, int64_t begin, int64_t end) {                           \
    cell_forward<Cell>(s, output, begin, end);                                                                                        \
  }                                                                                                                                   \
  RANVIER_CLONES void name##_backward_part(const CellProblem<T>& s, int64_t begin, int64_t end) { cell_backward<Cell>(s, begin, end); } \
  }                                                                                                                                   \
  RANVIER_EXPORT void ranvier_##name##_forward_##type(const int64_t* a, const double* shape, int threads) {                           \
    const auto s = ranvier::unpacked<T>(a, shape);                                                                                    \
    T* output = reinterpret_cast<T*>(static_cast<uintptr_t>(a[15]));                                                                  \
    ranvier::in_cell_tiles(s, threads, [&](int64_t b, int64_t e) { ranvier::name##_forward_part(s, output, b, e); });                 \
  }                                                                                                                                   \
  RANVIER_EXPORT void ranvier_##name##_backward_##type(const int64_t* a, const double* shape, int threads) {                          \
    const auto s = ranvier::unpacked<T>(a, shape);                                                                                    \
    ranvier::in_cell_tiles(s, threads, [&](int64_t b, int64_t e) { ranvier::name##_backward_part(s, b, e); });                        \
  }

#define RANVIER_CELL(Cell, name)          \
  RANVIER_CELL_OF(Cell, name, float, f32) \
  RANVIER_CELL_OF(Cell, name, double, f64)
