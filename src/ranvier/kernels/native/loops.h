// The hot loops, free of XLA: `module.cc` calls them on XLA's buffers, `check_loops.cc` under the sanitizers.
// Each reads and writes only inside the extents that it is given, whatever the contents of its index arrays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#ifdef RANVIER_TARGET_CLONES
#define RANVIER_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define RANVIER_CLONES
#endif

// Whole levels of the instruction set: with rotations, masks and FMA.
#ifdef RANVIER_TARGET_LEVELS
#define RANVIER_LEVELS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define RANVIER_LEVELS RANVIER_CLONES
#endif

#if defined(__GNUC__) || defined(__clang__)
// A template cannot be cloned itself: it is inlined into clones that name its types.
#define RANVIER_INLINE inline __attribute__((always_inline))
#define RANVIER_NOT_INLINE __attribute__((noinline))
#define RANVIER_RESTRICT __restrict__
#else
#define RANVIER_INLINE __forceinline
#define RANVIER_NOT_INLINE __declspec(noinline)
#define RANVIER_RESTRICT __restrict
#endif

#if defined(__GNUC__) && !defined(__clang__)
// Rows are read and written at the same index or do not overlap.
#define RANVIER_INDEPENDENT _Pragma("GCC ivdep")
#elif defined(__clang__)
#define RANVIER_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define RANVIER_INDEPENDENT
#endif

// For loops so short that counting takes a good part of them.
#if defined(__GNUC__) && !defined(__clang__)
#define RANVIER_UNROLLED _Pragma("GCC unroll 4")
#else
#define RANVIER_UNROLLED
#endif

namespace ranvier {

// Whether any of the `bytes` bytes is not 0; a multiple of eight.
template <int64_t bytes>
RANVIER_INLINE bool any_set(const bool* flags) {
  uint64_t any = 0;
  for (int64_t b = 0; b < bytes; b += 8) {
    uint64_t word;
    std::memcpy(&word, flags + b, 8);
    any |= word;
  }
  return any != 0;
}

RANVIER_INLINE int64_t lowest_set(uint64_t word) {
#if defined(__GNUC__) || defined(__clang__)
  return __builtin_ctzll(word);
#else
  int64_t bit = 0;
  for (; (word & 1) == 0; word >>= 1) ++bit;
  return bit;
#endif
}

// Eight flags as the bits of a number, the first the lowest.
RANVIER_INLINE uint64_t bits_of_eight(const bool* flags) {
  uint64_t bits = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  std::memcpy(&bits, flags, 8);
  return bits * 0x0102040810204080u >> 56;  // byte k, which is 0 or 1, times the factor's bit 56 − 7 k
#else
  for (int64_t k = 0; k < 8; ++k) bits |= static_cast<uint64_t>(flags[k]) << k;
  return bits;
#endif
}

// Calls visit(i) for every set flag i, ascending. A stretch of 512 silent neurons costs some forty loads.
template <class Visit>
RANVIER_INLINE void for_each_set(const bool* flags, int64_t n, const Visit& visit) {
  const auto those_of = [&](int64_t i, uint64_t bits) {
    for (; bits != 0; bits &= bits - 1) visit(i + lowest_set(bits));
  };
  const auto sixty_four = [&](int64_t i) {
    if (!any_set<64>(flags + i)) return;
    uint64_t bits = 0;
    for (int64_t j = 0; j < 64; j += 8) bits |= bits_of_eight(flags + i + j) << j;
    those_of(i, bits);
  };
  int64_t i = 0;
  for (; i + 512 <= n; i += 512) {
    if (!any_set<512>(flags + i)) continue;
    for (int64_t j = i; j < i + 512; j += 64) sixty_four(j);
  }
  for (; i + 64 <= n; i += 64) sixty_four(i);
  for (; i + 8 <= n; i += 8) those_of(i, bits_of_eight(flags + i));
  for (; i < n; ++i) {
    if (flags[i]) visit(i);
  }
}

// How many flags are set.
RANVIER_INLINE int64_t number_set(const bool* flags, int64_t n) {
  int64_t set = 0, i = 0;
  while (i + 8 <= n) {
    uint64_t each = 0;  // byte by byte, which holds 255 of them
    for (const int64_t end = std::min(n - 7, i + 255 * 8); i < end; i += 8) {
      uint64_t word;
      std::memcpy(&word, flags + i, 8);
      each += word;
    }
    for (; each != 0; each >>= 8) set += static_cast<int64_t>(each & 255);
  }
  for (; i < n; ++i) set += flags[i];
  return set;
}

// Sets the flags of those who spike in a step, and no others: of spikes in ascending order of their steps.
void given_spikes(const int64_t* steps, const int32_t* neurons, int64_t spikes, int64_t step, int64_t n, bool* flags);

// Writes (step, i) for every set flag i, ascending, at positions count, count + 1, …; those outside the capacity are dropped.
// Returns the new count, dropped ones included.
int64_t compact_spikes(const bool* flags, int64_t n, int64_t step, int64_t* buffer_step, int32_t* buffer_neuron, int64_t capacity,
                       int64_t count);

// The same of those who are listed.
int64_t append_spikes(const int32_t* who, int64_t n, int64_t step, int64_t* buffer_step, int32_t* buffer_neuron, int64_t capacity, int64_t count);

// out[i] = Σ weight[k] · value[pre[k]] over k in [indptr[i], indptr[i + 1]), in that order. `stride` is 0 for one shared weight.
void weighted_sum(const int32_t* indptr, int64_t n_post, const int32_t* pre, int64_t n_edges, const float* weight, int64_t stride,
                  const float* value, int64_t n_pre, float* out);
void weighted_sum(const int32_t* indptr, int64_t n_post, const int32_t* pre, int64_t n_edges, const double* weight, int64_t stride,
                  const double* value, int64_t n_pre, double* out);

// out[i] = Σ weight[j, i] · value[j] over j ascending.
void weighted_sum_dense(const float* weight, int64_t n_pre, int64_t n_post, const float* value, float* out);
void weighted_sum_dense(const double* weight, int64_t n_pre, int64_t n_post, const double* value, double* out);

// The spikes of the last `slots` steps: those of step k are the first count[k mod slots] entries of row k mod slots.
// Without amplitudes (a null pointer) every spike's is 1.
template <class T>
struct History {
  const int32_t* source;
  const T* amplitude;
  const int32_t* count;
  int64_t slots;
  int64_t n;
};

// Writes (i, amplitude[i]) for every set flag i, ascending; returns how many. `stride` is 0 for one shared amplitude; without
// amplitudes (a null pointer) only i is written.
int64_t note_spikes(const bool* flags, const float* amplitude, int64_t stride, int64_t n, int32_t* source, float* history);
int64_t note_spikes(const bool* flags, const double* amplitude, int64_t stride, int64_t n, int32_t* source, double* history);

enum class Weights { kOne, kOneASource, kOneAnEdge };

// The edges onto one block of targets: those of source i with delay delays[d] are segments[i, d] to segments[i, d + 1].
// Targets outside [low, high) are skipped.
template <class T, class Index>
struct BlockOfEdges {
  const int32_t* delays;
  int64_t n_delays;
  const Index* segments;
  const int32_t* target;
  int64_t n_edges;
  const T* weight;
  Weights weights;
  int64_t low;
  int64_t high;
};

// For each delay d ascending, each spike j of step − delays[d] in its order, each edge e of the spike's source with that delay:
// out[target[e]] += weight[e] · amplitude[j].
void deliver_events(const History<float>& history, int64_t step, const BlockOfEdges<float, int32_t>& edges, float* out);
void deliver_events(const History<float>& history, int64_t step, const BlockOfEdges<float, int64_t>& edges, float* out);
void deliver_events(const History<double>& history, int64_t step, const BlockOfEdges<double, int32_t>& edges, double* out);
void deliver_events(const History<double>& history, int64_t step, const BlockOfEdges<double, int64_t>& edges, double* out);

// The transposes of deliver_events, as a sum over edges is linear in its weights and in its amplitudes: from a change of `out` to what
// each of them adds to it. Both add to their result; it has the shape of the weights or of the amplitudes, of which the one that is
// asked for is not read.
void deliver_to_weights(const History<float>& history, int64_t step, const BlockOfEdges<float, int32_t>& edges, const float* change,
                        float* out);
void deliver_to_amplitudes(const History<float>& history, int64_t step, const BlockOfEdges<float, int32_t>& edges, const float* change,
                           float* out);
void deliver_to_weights(const History<float>& history, int64_t step, const BlockOfEdges<float, int64_t>& edges, const float* change,
                        float* out);
void deliver_to_amplitudes(const History<float>& history, int64_t step, const BlockOfEdges<float, int64_t>& edges, const float* change,
                           float* out);
void deliver_to_weights(const History<double>& history, int64_t step, const BlockOfEdges<double, int32_t>& edges, const double* change,
                        double* out);
void deliver_to_amplitudes(const History<double>& history, int64_t step, const BlockOfEdges<double, int32_t>& edges, const double* change,
                           double* out);
void deliver_to_weights(const History<double>& history, int64_t step, const BlockOfEdges<double, int64_t>& edges, const double* change,
                        double* out);
void deliver_to_amplitudes(const History<double>& history, int64_t step, const BlockOfEdges<double, int64_t>& edges, const double* change,
                           double* out);

// How many spikes meet an edge's delay at `step`, if every source has edges of every delay.
int64_t arriving_spikes(const int32_t* count, int64_t slots, int64_t step, const int32_t* delays, int64_t n_delays);

// What the words of a draw are a function of, beside the number of the neuron: the generator's key, and the step's low word.
struct DrawKey {
  uint32_t low;
  uint32_t high;
  uint32_t step;
};

// As `ranvier.random.Draws` joins them.
inline DrawKey draw_key(uint32_t seed_low, uint32_t seed_high, uint32_t stream, int64_t step) {
  return {seed_low ^ static_cast<uint32_t>(static_cast<uint64_t>(step) >> 32), stream ^ seed_high, static_cast<uint32_t>(step)};
}

// Calls visit(segment, i, n) for the parts of segments between elements `begin` and `last`, ascending: the n elements from the i-th on.
// Segment s has the elements end[s − 1] to end[s]; the last one goes on. Each element is visited once, whatever the ends are.
template <class Visit>
void for_each_segment(const int32_t* end, int64_t segments, int64_t begin, int64_t last, const Visit& visit) {
  if (segments <= 0) return;
  int64_t s = std::upper_bound(end, end + segments - 1, begin) - end;
  for (int64_t i = begin; i < last; ++s) {
    const int64_t stop = s == segments - 1 ? last : std::min<int64_t>(last, end[s]);
    if (stop <= i) continue;
    visit(s, i, stop - i);
    i = stop;
  }
}

// Each segment draws from a stream of its own, at the indices from first[s] on.
struct Streams {
  const uint32_t* stream;
  const uint32_t* first;
  const int32_t* end;
  int64_t segments;

  // Of the i-th element, which is in segment s.
  uint32_t index(int64_t s, int64_t i) const { return first[s] + static_cast<uint32_t>(i - (s == 0 ? 0 : end[s - 1])); }
};

// One number for each of the indices start … start + n − 1. The table of quantiles has 4097 entries.
void uniforms(const DrawKey& key, uint32_t start, int64_t n, float* out);
void uniforms(const DrawKey& key, uint32_t start, int64_t n, double* out);
void normals(const DrawKey& key, uint32_t start, int64_t n, const uint32_t* quantiles, float* out);
void normals(const DrawKey& key, uint32_t start, int64_t n, const uint32_t* quantiles, double* out);

// Those of any 64-bit indices, whose high word stands for the key's step.
void uniforms_at(const DrawKey& key, const int64_t* index, int64_t n, double* out);
void normals_at(const DrawKey& key, const int64_t* index, int64_t n, const uint32_t* quantiles, double* out);

// Whether the 64 bits of an index are less than probability · 2^64; `stride` is 0 for one shared probability.
void bernoulli(const DrawKey& key, uint32_t start, int64_t n, const float* probability, int64_t stride, bool* out);
void bernoulli(const DrawKey& key, uint32_t start, int64_t n, const double* probability, int64_t stride, bool* out);

// Rows of ascending thresholds, one row a rate. Neuron i has the row rate[i], or rate[0] if `stride` is 0; without a row its count is 0.
struct PoissonTable {
  const uint32_t* thresholds;
  int64_t rates;
  int64_t length;
  const int32_t* rate;
  int64_t stride;
};

// How many thresholds of its row are ≤ a neuron's word (the largest word counts as the one below it, so that 2^32 − 1 can fill up a row).
void poisson_counts(const DrawKey& key, uint32_t start, int64_t n, const PoissonTable& table, int32_t* out);

// out[i] += weight[i] · count; `stride` is 0 for one shared weight.
void add_poisson(const DrawKey& key, uint32_t start, int64_t n, const PoissonTable& table, const float* weight, int64_t stride, float* out);
void add_poisson(const DrawKey& key, uint32_t start, int64_t n, const PoissonTable& table, const double* weight, int64_t stride,
                 double* out);

inline int64_t floor_mod(int64_t a, int64_t b) {
  const int64_t rest = a % b;
  return rest < 0 ? rest + b : rest;
}

}  // namespace ranvier
