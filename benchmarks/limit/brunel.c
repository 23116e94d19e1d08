/* The reference of benchmarks/native_steps.py: whole steps of Brunel's network (2000, model A, regime C), written out by hand on one
   thread. Built by that script with gcc -O3 -march=native -ffast-math and -DREAL=float or double; not part of the package. Exact decay,
   Poisson drive (a count is how many entries of the cumulative distribution a random number exceeds), threshold, refractory period,
   reset, delay, delivery. The network is drawn here, so that rates agree and not spikes.
   Prints the processor's microseconds a step and the rate. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FROM = 1250, EXCITATORY_FROM = 1000, DELAY = 15, REFRACTORY = 20, LANES = 16, BLOCK = 256, TABLE = 12 };

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t state = 88172645463325252ULL;
static uint64_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
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

static void *room(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  const int n = atoi(argv[1]), steps = atoi(argv[2]), excitatory = n / 5 * 4;
  const double dt = 0.1, tau = 20, mean = 2 * 1000 * 10.0 * dt / 1000; /* twice what reaches the threshold: 1000 sources of 10 Hz each */
  REAL *v = room(n * sizeof(REAL)), *arrives = room(n * sizeof(REAL));
  int *last = room(n * sizeof(int)), *first = calloc(n + 2, sizeof(int)), *source = malloc((size_t)n * FROM * sizeof(int));
  int *target = malloc((size_t)n * FROM * sizeof(int)), *spikes = room((size_t)(DELAY + 1) * n * sizeof(int)), found[DELAY + 1] = {0};
  for (size_t e = 0; e < (size_t)n * FROM; e++) {
    source[e] = (int)(e % FROM < EXCITATORY_FROM ? next() % (uint64_t)excitatory : excitatory + next() % (uint64_t)(n - excitatory));
    first[source[e] + 2]++;
  }
  for (int j = 0; j < n; j++) first[j + 2] += first[j + 1], v[j] = arrives[j] = 0, last[j] = -1000000;
  for (size_t e = 0; e < (size_t)n * FROM; e++) target[first[source[e] + 1]++] = (int)(e / FROM);
  free(source);
  uint32_t above[TABLE], lane[LANES];
  double sum = 0, term = exp(-mean);
  for (int k = 0; k < TABLE; k++) sum += term, term *= mean / (k + 1), above[k] = sum >= 1 ? UINT32_MAX : (uint32_t)(sum * 4294967296.0);
  for (int l = 0; l < LANES; l++) lane[l] = (uint32_t)next() | 1;
  const REAL stays = (REAL)exp(-dt / tau), jump = (REAL)0.1;
  long all = 0;
  const double began = seconds();
  for (int k = 0; k < steps; k++) {
    int *const own = spikes + (size_t)(k % (DELAY + 1)) * n, since = k - REFRACTORY;
    int count = 0;
    for (int low = 0; low < n; low += BLOCK) {
      const int high = low + BLOCK < n ? low + BLOCK : n;
      int any = 0;
      int inputs[BLOCK];
      draw(lane, above, inputs);
#pragma GCC ivdep
      for (int j = low; j < high; j++) {
        const REAL moved = stays * v[j] + jump * (REAL)inputs[j - low] + arrives[j], now = last[j] >= since ? v[j] : moved;
        v[j] = now, arrives[j] = 0;
        any |= now >= 20;
      }
      for (int j = any ? low : high; j < high; j++) {
        if (v[j] >= 20) v[j] = 10, last[j] = k, own[count++] = j;
      }
    }
    found[k % (DELAY + 1)] = count, all += count;
    if (k < DELAY - 1) continue;
    const int due = (k - (DELAY - 1)) % (DELAY + 1), *const who = spikes + (size_t)due * n;
    for (int s = 0; s < found[due]; s++) {
      const REAL weight = who[s] < excitatory ? jump : -5 * jump;
      for (int e = first[who[s]]; e < first[who[s] + 1]; e++) arrives[target[e]] += weight;
    }
  }
  printf("%.4f %.4f\n", 1e6 * (seconds() - began) / steps, all / (n * steps * dt / 1000));
}
