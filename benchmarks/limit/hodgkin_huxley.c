/* The reference of benchmarks/hodgkin_huxley.py: the cell of PSST's Day 3, written out by hand for one integrator each.
   Built by that script twice (double and single) with gcc -O3 -march=native -ffast-math; not part of the package. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef SINGLE
typedef float real;
#define EXP expf
#else
typedef double real;
#define EXP exp
#endif

static const real speed = (real)0.2147980049924181;

typedef struct { real V, m, h, n; } Cell;
typedef struct { real am, bm, ah, bh, an, bn; } Rates;

static inline __attribute__((always_inline)) Rates rates(real V) {
  real v = V + 50;
  Rates r;
  r.am = (real)0.32 * (13 - v) / (EXP((13 - v) * (real)0.25) - 1);
  r.bm = (real)0.28 * (v - 40) / (EXP((v - 40) * (real)0.2) - 1);
  r.ah = (real)0.128 * EXP((17 - v) * (real)(1.0 / 18));
  r.bh = 4 / (EXP((40 - v) * (real)0.2) + 1);
  r.an = (real)0.02 * (15 - v) / (EXP((15 - v) * (real)0.2) - 1);
  r.bn = (real)0.5 * EXP((10 - v) * (real)0.025);
  return r;
}

static inline __attribute__((always_inline)) Cell slope(Cell c, real I) {
  Rates r = rates(c.V);
  Cell d;
  d.V = I - 100 * c.m * c.m * c.m * c.h * (c.V - 50) - 10 * c.n * c.n * c.n * c.n * (c.V + 95) - (real)0.15 * (c.V + 55);
  d.m = speed * (r.am * (1 - c.m) - r.bm * c.m);
  d.h = speed * (r.ah * (1 - c.h) - r.bh * c.h);
  d.n = speed * (r.an * (1 - c.n) - r.bn * c.n);
  return d;
}

static inline __attribute__((always_inline)) Cell plus(Cell c, real s, Cell d) {
  c.V += s * d.V; c.m += s * d.m; c.h += s * d.h; c.n += s * d.n;
  return c;
}

int main(int argc, char **argv) {
  (void)argc;
  int n = atoi(argv[1]), steps = atoi(argv[2]), exponential = !strcmp(argv[3], "exponential");
  size_t bytes = ((size_t)n * sizeof(real) + 127) / 64 * 64;
  real *V = aligned_alloc(64, bytes), *m = aligned_alloc(64, bytes), *h = aligned_alloc(64, bytes), *g = aligned_alloc(64, bytes), *I = aligned_alloc(64, bytes);
  for (int i = 0; i < n; i++) { V[i] = -71; m[i] = h[i] = g[i] = 0; I[i] = n > 1 ? (real)10 * i / (n - 1) : 10; }
  const real dt = exponential ? (real)0.05 : (real)0.01;
  struct timespec a, b;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
  for (int s = 0; s < steps; s++) {
    if (exponential) {
#pragma omp simd
      for (int i = 0; i < n; i++) {
        Rates r = rates(V[i]);
        real na = 100 * m[i] * m[i] * m[i] * h[i], k = 10 * g[i] * g[i] * g[i] * g[i], total = na + k + (real)0.15;
        real rest = (na * 50 - k * 95 - (real)(0.15 * 55) + I[i]) / total;
        real tm = r.am + r.bm, th = r.ah + r.bh, tn = r.an + r.bn;
        real m0 = r.am / tm, h0 = r.ah / th, n0 = r.an / tn;
        V[i] = rest + (V[i] - rest) * EXP(-dt * total);
        m[i] = m0 + (m[i] - m0) * EXP(-dt * speed * tm);
        h[i] = h0 + (h[i] - h0) * EXP(-dt * speed * th);
        g[i] = n0 + (g[i] - n0) * EXP(-dt * speed * tn);
      }
    } else {
#pragma omp simd
      for (int i = 0; i < n; i++) {
        Cell c = {V[i], m[i], h[i], g[i]};
        Cell k1 = slope(c, I[i]), k2 = slope(plus(c, dt / 2, k1), I[i]), k3 = slope(plus(c, dt / 2, k2), I[i]), k4 = slope(plus(c, dt, k3), I[i]);
        c = plus(plus(plus(plus(c, dt / 6, k1), dt / 3, k2), dt / 3, k3), dt / 6, k4);
        V[i] = c.V; m[i] = c.m; h[i] = c.h; g[i] = c.n;
      }
    }
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
  printf("%.9f %.6f\n", (b.tv_sec - a.tv_sec) + 1e-9 * (b.tv_nsec - a.tv_nsec), (double)V[n - 1]);
  return 0;
}
