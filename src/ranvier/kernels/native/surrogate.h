// What stands in for the derivative of a spike: `ranvier/torch/surrogate.py` has the equations.
#pragma once

#include <cstdint>

#include "elementary.h"
#include "loops.h"

namespace ranvier {

enum class SurrogateKind : int32_t { fast_sigmoid, arc_tangent, triangle, gaussian, straight_through, multi_gaussian };

struct Surrogate {
  SurrogateKind kind;
  double shape[3];  // in the order of the fields of the Python class
};

template <class T>
RANVIER_INLINE T normal(T d, T mean, T deviation) {
  const T z = (d - mean) * (T(1) / deviation);
  return exponential(T(-0.5) * (z * z)) * (T(0.3989422804014327) / deviation);
}

// The derivative of a spike with respect to the distance d to the threshold.
template <SurrogateKind kind, class T>
RANVIER_INLINE T derivative(T d, const T (&shape)[3]) {
  const T distance = d < 0 ? -d : d;
  if constexpr (kind == SurrogateKind::fast_sigmoid) {
    const T root = T(1) + shape[0] * distance;
    return T(1) / (root * root);
  } else if constexpr (kind == SurrogateKind::arc_tangent) {
    const T z = T(1.5707963267948966) * shape[0] * d;
    return T(0.5) * shape[0] / (T(1) + z * z);
  } else if constexpr (kind == SurrogateKind::triangle) {
    const T height = T(1) - distance / shape[1];
    return shape[0] * (height < 0 ? T(0) : height);
  } else if constexpr (kind == SurrogateKind::gaussian) {
    return normal(d, T(0), shape[0]);
  } else if constexpr (kind == SurrogateKind::multi_gaussian) {
    const T wide = shape[1] * shape[0];
    return (T(1) + shape[2]) * normal(d, T(0), shape[0]) - shape[2] * (normal(d, shape[0], wide) + normal(d, -shape[0], wide));
  } else {
    return T(1);
  }
}

// The derivatives of n spikes with respect to the distances d to the threshold.
void spike_slopes(const Surrogate& surrogate, int64_t n, const float* d, float* slopes);
void spike_slopes(const Surrogate& surrogate, int64_t n, const double* d, double* slopes);

}  // namespace ranvier
