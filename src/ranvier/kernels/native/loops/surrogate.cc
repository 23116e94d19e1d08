#include "surrogate.h"

namespace ranvier {
namespace {

template <SurrogateKind kind, class T>
RANVIER_INLINE void slopes_of(const T (&shape)[3], int64_t n, const T* RANVIER_RESTRICT d, T* RANVIER_RESTRICT slopes) {
  RANVIER_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) slopes[i] = derivative<kind>(d[i], shape);
}

template <class T>
RANVIER_INLINE void slopes_of(const Surrogate& surrogate, int64_t n, const T* d, T* slopes) {
  using Kind = SurrogateKind;
  const T shape[3] = {T(surrogate.shape[0]), T(surrogate.shape[1]), T(surrogate.shape[2])};
  switch (surrogate.kind) {
    case Kind::fast_sigmoid: return slopes_of<Kind::fast_sigmoid>(shape, n, d, slopes);
    case Kind::arc_tangent: return slopes_of<Kind::arc_tangent>(shape, n, d, slopes);
    case Kind::triangle: return slopes_of<Kind::triangle>(shape, n, d, slopes);
    case Kind::gaussian: return slopes_of<Kind::gaussian>(shape, n, d, slopes);
    case Kind::straight_through: return slopes_of<Kind::straight_through>(shape, n, d, slopes);
    case Kind::multi_gaussian: return slopes_of<Kind::multi_gaussian>(shape, n, d, slopes);
  }
}

}  // namespace

RANVIER_CLONES void spike_slopes(const Surrogate& surrogate, int64_t n, const float* d, float* slopes) {
  slopes_of(surrogate, n, d, slopes);
}

RANVIER_CLONES void spike_slopes(const Surrogate& surrogate, int64_t n, const double* d, double* slopes) {
  slopes_of(surrogate, n, d, slopes);
}

}  // namespace ranvier
