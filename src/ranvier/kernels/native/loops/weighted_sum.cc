#include "loops.h"

namespace ranvier {
namespace {

template <class T>
RANVIER_INLINE void rows(const int32_t* indptr, int64_t n_post, const int32_t* pre, int64_t n_edges, const T* weight, int64_t stride,
                         const T* value, int64_t n_pre, T* RANVIER_RESTRICT out) {
  for (int64_t i = 0; i < n_post; ++i) {
    const int64_t begin = indptr[i] < 0 ? 0 : indptr[i];
    const int64_t end = indptr[i + 1] > n_edges ? n_edges : indptr[i + 1];
    T sum = 0;
    for (int64_t k = begin; k < end; ++k) {
      const int64_t j = pre[k];
      if (j >= 0 && j < n_pre) sum += weight[k * stride] * value[j];
    }
    out[i] = sum;
  }
}

// R rows of the matrix in one pass over `out`: a quarter of the traffic, and the same order of additions as one row at a time.
template <int R, class T>
RANVIER_INLINE int64_t add_rows(int64_t j, int64_t n_pre, const T* RANVIER_RESTRICT weight, int64_t n_post,
                                const T* RANVIER_RESTRICT value, T* RANVIER_RESTRICT out) {
  for (; j + R <= n_pre; j += R) {
    const T* RANVIER_RESTRICT block = weight + j * n_post;
    T v[R];
    for (int r = 0; r < R; ++r) v[r] = value[j + r];
    for (int64_t i = 0; i < n_post; ++i) {
      T sum = out[i];
      for (int r = 0; r < R; ++r) sum += block[r * n_post + i] * v[r];
      out[i] = sum;
    }
  }
  return j;
}

template <class T>
RANVIER_INLINE void dense(const T* weight, int64_t n_pre, int64_t n_post, const T* value, T* RANVIER_RESTRICT out) {
  for (int64_t i = 0; i < n_post; ++i) out[i] = 0;
  int64_t j = add_rows<8>(int64_t{0}, n_pre, weight, n_post, value, out);
  j = add_rows<4>(j, n_pre, weight, n_post, value, out);
  add_rows<1>(j, n_pre, weight, n_post, value, out);
}

}  // namespace

void weighted_sum(const int32_t* indptr, int64_t n_post, const int32_t* pre, int64_t n_edges, const float* weight, int64_t stride,
                  const float* value, int64_t n_pre, float* out) {
  rows(indptr, n_post, pre, n_edges, weight, stride, value, n_pre, out);
}

void weighted_sum(const int32_t* indptr, int64_t n_post, const int32_t* pre, int64_t n_edges, const double* weight, int64_t stride,
                  const double* value, int64_t n_pre, double* out) {
  rows(indptr, n_post, pre, n_edges, weight, stride, value, n_pre, out);
}

RANVIER_CLONES void weighted_sum_dense(const float* weight, int64_t n_pre, int64_t n_post, const float* value, float* out) {
  dense(weight, n_pre, n_post, value, out);
}

RANVIER_CLONES void weighted_sum_dense(const double* weight, int64_t n_pre, int64_t n_post, const double* value, double* out) {
  dense(weight, n_pre, n_post, value, out);
}

}  // namespace ranvier
