/* The reference of benchmarks/native_steps.py: whole steps of COBA (Brette et al. 2007, benchmark 1), written out by hand on one thread.
   Built by that script with gcc -O3 -march=native -ffast-math and -DREAL=float or double; not part of the package. Exponential Euler for
   V ((e^z - 1)/z by its series, for z is small), exact decay of both conductances, threshold, refractory period, reset, delivery. The
   network is drawn here, so that rates agree and not spikes. Prints the processor's microseconds a step and the rate. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static unsigned long long state = 88172645463325252ULL;
static double uniform(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (double)(state >> 11) / 9007199254740992.0;
}

static double normal(void) { return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform()); }

static void *room(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

/* Conductances are in units of the leak, so that the time constant is 20 ms. */
int main(int argc, char **argv) {
  if (argc < 3) return 1;
  const int n = atoi(argv[1]), steps = atoi(argv[2]), excitatory = n / 5 * 4, block = 256;
  const double dt = 0.1, tau_e = 5, tau_i = 10, probability = 80.0 / n;
  REAL *v = room(n * sizeof(REAL)), *e = room(n * sizeof(REAL)), *i = room(n * sizeof(REAL));
  int *last = room(n * sizeof(int)), *spikes = room(n * sizeof(int)), *first = room((n + 1) * sizeof(int));
  int *target = malloc(sizeof(int) * (size_t)(n * 100.0));
  int edges = 0;
  for (int source = 0; source < n; source++) {
    first[source] = edges;
    for (double at = floor(log(uniform()) / log1p(-probability)); at < n; at += 1 + floor(log(uniform()) / log1p(-probability))) {
      target[edges++] = (int)at;
    }
    v[source] = (REAL)(-65 + 5 * normal()), e[source] = (REAL)(4 + 1.5 * normal()), i[source] = (REAL)(20 + 12 * normal());
    last[source] = -1000000;
  }
  first[n] = edges;
  const REAL stays_e = (REAL)exp(-dt / tau_e), stays_i = (REAL)exp(-dt / tau_i), h = (REAL)dt, rate = (REAL)(1.0 / 20);
  long all = 0;
  const double began = seconds();
  for (int k = 0; k < steps; k++) {
    int found = 0;
    const int since = k - 50;
    for (int low = 0; low < n; low += block) {
      const int high = low + block < n ? low + block : n;
      int any = 0;
#pragma GCC ivdep
      for (int j = low; j < high; j++) {
        const REAL slope = -rate * (1 + e[j] + i[j]), drive = rate * (-60 - 80 * i[j]), z = h * slope;
        const REAL grown = 1 + z * ((REAL)(1.0 / 2) + z * ((REAL)(1.0 / 6) + z * ((REAL)(1.0 / 24) + z * ((REAL)(1.0 / 120) + z * (REAL)(1.0 / 720)))));
        const REAL moved = v[j] + h * grown * (drive + slope * v[j]), now = last[j] >= since ? v[j] : moved;
        v[j] = now, e[j] *= stays_e, i[j] *= stays_i;
        any |= now >= (REAL)-50;
      }
      for (int j = any ? low : high; j < high; j++) {
        if (v[j] >= (REAL)-50) v[j] = -60, last[j] = k, spikes[found++] = j;
      }
    }
    for (int s = 0; s < found; s++) {
      REAL *const onto = spikes[s] < excitatory ? e : i;
      const REAL weight = spikes[s] < excitatory ? (REAL)0.6 : (REAL)6.7;
      for (int at = first[spikes[s]]; at < first[spikes[s] + 1]; at++) onto[target[at]] += weight;
    }
    all += found;
  }
  printf("%.4f %.4f\n", 1e6 * (seconds() - began) / steps, all / (n * steps * dt / 1000));
}
