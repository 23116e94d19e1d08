// The hot loops, free of XLA: `module.cc` calls them on XLA's buffers, `check_loops.cc` under the sanitizers.
// Each reads and writes only inside the extents that it is given, whatever the contents of its index arrays.
#pragma once

#include <cstdint>

#ifdef RANVIER_TARGET_CLONES
#define RANVIER_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define RANVIER_CLONES
#endif

#if defined(__GNUC__) || defined(__clang__)
// A template cannot be cloned itself: it is inlined into clones that name its types.
#define RANVIER_INLINE inline __attribute__((always_inline))
#define RANVIER_RESTRICT __restrict__
#else
#define RANVIER_INLINE __forceinline
#define RANVIER_RESTRICT __restrict
#endif

namespace ranvier {

// Writes (step, i) for every set flag i, ascending, at positions count, count + 1, …; those outside the capacity are dropped.
// Returns the new count, dropped ones included.
int64_t compact_spikes(const bool* flags, int64_t n, int64_t step, int64_t* buffer_step, int32_t* buffer_neuron, int64_t capacity,
                       int64_t count);

// out[i] = Σ weight[k] · value[pre[k]] over k in [indptr[i], indptr[i + 1]), in that order. `stride` is 0 for one shared weight.
void weighted_sum(const int32_t* indptr, int64_t n_post, const int32_t* pre, int64_t n_edges, const float* weight, int64_t stride,
                  const float* value, int64_t n_pre, float* out);
void weighted_sum(const int32_t* indptr, int64_t n_post, const int32_t* pre, int64_t n_edges, const double* weight, int64_t stride,
                  const double* value, int64_t n_pre, double* out);

// out[i] = Σ weight[j, i] · value[j] over j ascending.
void weighted_sum_dense(const float* weight, int64_t n_pre, int64_t n_post, const float* value, float* out);
void weighted_sum_dense(const double* weight, int64_t n_pre, int64_t n_post, const double* value, double* out);

}  // namespace ranvier
