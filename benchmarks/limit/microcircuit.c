/* The reference of benchmarks/native_steps.py: whole steps of Potjans and Diesmann's microcircuit (2014), written out by hand on one
   thread. Built by that script with gcc -O3 -march=native -ffast-math and -DREAL=float or double; not part of the package. Exact
   integration of V and the current, Poisson drive, threshold, refractory period, reset, delivery of stretches of edges of one source and
   one delay. A smaller network has weights over the root of its scale and a current for the missing input, as van Albada et al. (2015).
   The network is drawn here, so that rates agree and not spikes. Prints the processor's microseconds a step and the rate. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { POPULATIONS = 8, DELAYS = 64, REFRACTORY = 20, LANES = 16, BLOCK = 256, TABLE = 12, AHEAD = 6, STRETCHES = 512 };

static const int SIZE[] = {20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948}, EXTERNAL[] = {1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100};
static const double RATE[] = {0.971, 2.868, 4.746, 5.396, 8.142, 9.078, 0.991, 7.523};
static const double START[][2] = {{-68.28, 5.36}, {-63.16, 4.57}, {-63.33, 4.74}, {-63.45, 4.94},
                                  {-63.11, 4.94}, {-61.66, 4.55}, {-66.72, 5.46}, {-61.43, 4.48}};
static const double PROBABILITY[][8] = {{0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0},
                                        {0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0},
                                        {0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0},
                                        {0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0},
                                        {0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0},
                                        {0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0},
                                        {0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252},
                                        {0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443}};

typedef struct { uint32_t target; float weight; } Edge;
typedef struct { uint32_t begin, end; } Stretch;

static void deliver(const Edge *edge, const Stretch *stretch, int stretches, REAL *onto) {
  for (int s = 0; s < stretches; s++) {
    for (uint32_t e = s + AHEAD < stretches ? stretch[s + AHEAD].begin : 0; s + AHEAD < stretches && e < stretch[s + AHEAD].end;
         e += 64 / sizeof(Edge)) {
      __builtin_prefetch(edge + e);
    }
    for (uint32_t e = stretch[s].begin; e < stretch[s].end; e++) onto[edge[e].target] += (REAL)edge[e].weight;
  }
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}
static uint32_t below(uint32_t n) { return (uint32_t)(((next() >> 32) * n) >> 32); }
static void normals(float *a, float *b) {
  const uint64_t drawn = next();
  const float r = sqrtf(-2 * logf(((float)(uint32_t)(drawn >> 40) + 1) * 0x1p-24f)), at = 6.2831853f * (float)(uint32_t)(drawn & 0xffffff) * 0x1p-24f;
  *a = r * cosf(at), *b = r * sinf(at);
}
/* The inputs of a block: how many entries of the cumulative distribution a random number exceeds. */
static inline void draw(uint32_t *lane, const uint32_t *above, int *inputs) {
  for (int j = 0; j < BLOCK; j += LANES) {
    for (int l = 0; l < LANES; l++) {
      lane[l] ^= lane[l] << 13, lane[l] ^= lane[l] >> 17, lane[l] ^= lane[l] << 5;
      int exceeds = 0;
      for (int m = 0; m < TABLE; m++) exceeds += lane[l] >= above[m];
      inputs[j + l] = exceeds;
    }
  }
}

static void *room(size_t bytes) { return aligned_alloc(1 << 21, (bytes + (1 << 21) - 1) >> 21 << 21); }

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  const double scale = atof(argv[1]), dt = 0.1, tau = 10, synaptic = 0.5, capacitance = 250, share = synaptic / tau;
  const int steps = atoi(argv[2]), settle = 1000;
  const double height = tau * synaptic / (capacitance * (tau - synaptic)) * (pow(share, share / (1 - share)) - pow(share, 1 / (1 - share)));
  const double unit = 0.15 / height;
  int begin[POPULATIONS + 1] = {0};
  for (int p = 0; p < POPULATIONS; p++) begin[p + 1] = begin[p] + (int)rint(SIZE[p] * scale);
  const int n = begin[POPULATIONS];

  uint32_t *first = calloc((size_t)n * DELAYS + 1, sizeof(uint32_t));
  Edge *edge = NULL;
  float *missing = calloc(n, sizeof(float));
  for (int pass = 0; pass < 2; pass++) { /* counts the edges of each source and delay, then draws the same again and places them */
    state = 88172645463325252ULL;
    for (int t = 0; t < POPULATIONS; t++) {
      double mean_current = unit * EXTERNAL[t] * 8.0;
      for (int s = 0; s < POPULATIONS; s++) {
        const double pairs = (double)SIZE[t] * SIZE[s], all = rint(log1p(-PROBABILITY[t][s]) / log1p(-1 / pairs));
        const double mean = unit * (s % 2 ? -4 : 1) * (t == 0 && s == 2 ? 2 : 1), weight = mean / sqrt(scale);
        const float delay = s % 2 ? 0.75f : 1.5f, spread = delay / 2;
        mean_current += mean * all / SIZE[t] * RATE[s];
        for (int64_t e = (int64_t)rint(all * scale * scale); e > 0; e--) {
          const uint32_t source = begin[s] + below(begin[s + 1] - begin[s]), target = begin[t] + below(begin[t + 1] - begin[t]);
          float a, b;
          do normals(&a, &b); while (delay + spread * a < 0.1f || 1 + 0.1f * b < 0);
          int d = (int)rintf((delay + spread * a) * 10);
          if (d > DELAYS) d = DELAYS;
          uint32_t *const at = first + (size_t)source * DELAYS + (d - 1);
          if (pass == 0) at[1]++;
          else edge[(*at)++] = (Edge){target, (float)(weight * (1 + 0.1 * b))};
        }
      }
      for (int j = begin[t]; j < begin[t + 1]; j++) missing[j] = (float)((1 - sqrt(scale)) * mean_current * synaptic / 1000);
    }
    if (pass == 0) {
      for (size_t k = 0; k < (size_t)n * DELAYS; k++) first[k + 1] += first[k];
      edge = room(sizeof(Edge) * (size_t)first[(size_t)n * DELAYS]);
    }
  }
  for (size_t k = (size_t)n * DELAYS; k > 0; k--) first[k] = first[k - 1];
  first[0] = 0;

  REAL *v = room(n * sizeof(REAL)), *current = room(n * sizeof(REAL));
  int *last = room(n * sizeof(int)), *spikes = room((size_t)DELAYS * n * sizeof(int)), found[DELAYS] = {0};
  uint32_t above[POPULATIONS][TABLE], lane[LANES];
  for (int p = 0; p < POPULATIONS; p++) {
    for (int j = begin[p]; j < begin[p + 1]; j++) {
      float a, b;
      normals(&a, &b);
      v[j] = (REAL)(START[p][0] + START[p][1] * a), current[j] = 0, last[j] = -1000000;
    }
    const double mean = EXTERNAL[p] * scale * 8.0 * dt / 1000;
    double sum = 0, term = exp(-mean);
    for (int m = 0; m < TABLE; m++) sum += term, term *= mean / (m + 1), above[p][m] = sum >= 1 ? UINT32_MAX : (uint32_t)(sum * 4294967296.0);
  }
  for (int l = 0; l < LANES; l++) lane[l] = (uint32_t)next() | 1;
  const REAL stays = (REAL)exp(-dt / tau), stays_i = (REAL)exp(-dt / synaptic), kick = (REAL)(unit / sqrt(scale));
  const REAL by_i = (REAL)(tau * synaptic / (tau - synaptic) / capacitance * (exp(-dt / tau) - exp(-dt / synaptic)));
  const REAL pull = (REAL)(-65 * (1 - exp(-dt / tau))), by_missing = (REAL)(tau / capacitance * (1 - exp(-dt / tau)));
  long all = 0;
  double began = seconds();
  for (int k = 0; k < settle + steps; k++) {
    if (k == settle) all = 0, began = seconds();
    int *const own = spikes + (size_t)(k % DELAYS) * n, since = k - REFRACTORY;
    int count = 0;
    for (int p = 0; p < POPULATIONS; p++) {
      for (int low = begin[p]; low < begin[p + 1]; low += BLOCK) {
        const int high = low + BLOCK < begin[p + 1] ? low + BLOCK : begin[p + 1];
        int inputs[BLOCK], any = 0;
        draw(lane, above[p], inputs);
#pragma GCC ivdep
        for (int j = low; j < high; j++) {
          const REAL moved = stays * v[j] + by_i * current[j] + pull + by_missing * (REAL)missing[j], now = last[j] >= since ? v[j] : moved;
          v[j] = now, current[j] = stays_i * current[j] + kick * (REAL)inputs[j - low];
          any |= now >= -50;
        }
        for (int j = any ? low : high; j < high; j++) {
          if (v[j] >= -50) v[j] = -65, last[j] = k, own[count++] = j;
        }
      }
    }
    found[k % DELAYS] = count, all += count;
    Stretch found_now[STRETCHES];
    int stretches = 0;
    for (int d = 0; d < DELAYS && d <= k; d++) {
      const int slot = (k - d) % DELAYS;
      for (int s = 0; s < found[slot]; s++) {
        const uint32_t *const at = first + (size_t)spikes[(size_t)slot * n + s] * DELAYS + d;
        if (at[0] < at[1]) found_now[stretches++] = (Stretch){at[0], at[1]};
        if (stretches == STRETCHES) deliver(edge, found_now, stretches, current), stretches = 0;
      }
    }
    deliver(edge, found_now, stretches, current);
  }
  printf("%.4f %.4f\n", 1e6 * (seconds() - began) / steps, all / (n * steps * dt / 1000));
}
