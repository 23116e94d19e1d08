/* The reference of benchmarks/antennal_lobe.py: PSST's antennal lobe by RK4, written out by hand. Cells, synapses and the start are handed
   over in a file, as antennal_lobe.py draws them. Built by that script twice (double and single) with gcc -O3 -march=native -ffast-math;
   not part of the package. Prints the processor's seconds, then the step and number of each spike, then the potentials at the end. */
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
#define R(x) ((real)(x))
#define EACH(i, n) _Pragma("omp simd") for (int i = 0; i < n; i++)

enum { P = 90, L = 30, N = P + L, V = 0, SM = P, SH = 2 * P, KN = 3 * P, AM = 4 * P, AH = 5 * P, ACH = 6 * P,
       W = 7 * P, LK = W + L, CM = W + 2 * L, CH = W + 3 * L, GM = W + 4 * L, CA = W + 5 * L, GABA = W + 6 * L, ALL = W + 7 * L };
static real y[ALL], now[ALL], k[4][ALL], excites[P][L], inhibits[L][N], driven[N];
static double last[P];

static inline real ratio(real x) { return x / (EXP(x) - 1); }
static inline real sigmoid(real x) { return 1 / (1 + EXP(-x)); }

static void slopes(const real *restrict s, double t, real odor, real *restrict d) {
  const real speed = R(0.2147980049924181), fast = R(3.948222038857476), slow = R(1.28386201800527);
  real g[N] = {0}, e[L] = {0};
  for (int j = 0; j < L; j++) EACH(i, N) g[i] += inhibits[j][i] * s[GABA + j];
  for (int j = 0; j < P; j++) EACH(i, L) e[i] += excites[j][i] * s[ACH + j];
  EACH(i, P) {
    real u = s[V + i], v = u + 50, m = s[SM + i], h = s[SH + i], n = s[KN + i], a = s[AM + i], b = s[AH + i];
    real rate_a = EXP((u + R(35.82)) * R(1 / 19.69)) + EXP((u + R(79.69)) * R(-1 / 12.7)) + R(0.37);
    real rate_b = u < -63 ? EXP((u + R(46.05)) * R(0.2)) + EXP((u + R(238.4)) * R(-1 / 37.45)) : R(1.0 / 19);
    d[V + i] = driven[i] * odor - 100 * m * m * m * h * (u - 50) - (10 * n * n * n * n + 10 * a * a * a * a * b) * (u + 95)
               - R(0.15) * (u + 55) - R(0.05) * (u + 95) - g[i] * (u + 70);
    d[SM + i] = speed * (R(1.28) * ratio((13 - v) * R(0.25)) * (1 - m) - R(1.4) * ratio((v - 40) * R(0.2)) * m);
    d[SH + i] = speed * (R(0.128) * EXP((17 - v) * R(1.0 / 18)) * (1 - h) - 4 * sigmoid((v - 40) * R(0.2)) * h);
    d[KN + i] = speed * (R(0.1) * ratio((15 - v) * R(0.2)) * (1 - n) - R(0.5) * EXP((10 - v) * R(0.025)) * n);
    d[AM + i] = fast * rate_a * (sigmoid((u + 60) * R(1 / 8.5)) - a);
    d[AH + i] = fast * rate_b * (sigmoid((u + 78) * R(-1.0 / 6)) - b);
    real o = s[ACH + i], transmitter = t > last[i] && t < last[i] + 0.3 ? R(0.5) : 0;
    d[ACH + i] = 10 * transmitter * (1 - o) - R(0.2) * o;
  }
  EACH(i, L) {
    real u = s[W + i], v = u + 50, n = s[LK + i], m = s[CM + i], h = s[CH + i], o = s[GABA + i], ca = s[CA + i];
    real calcium = 3 * m * m * h * (u - 140);
    d[W + i] = driven[P + i] * odor - calcium - R(0.3) * s[GM + i] * (u + 90) - 10 * n * n * n * n * (u + 95) - R(0.15) * (u + 50)
               - R(0.02) * (u + 95) - g[P + i] * (u + 70) - e[i] * u;
    d[LK + i] = speed * (R(0.1) * ratio((15 - v) * R(0.2)) * (1 - n) - R(0.5) * EXP((10 - v) * R(0.025)) * n);
    d[CM + i] = (sigmoid((u + 20) * R(1 / 6.5)) - m) * R(1 / 1.5);
    d[CH + i] = (sigmoid((u + 25) * R(-1.0 / 12)) - h) / (R(0.3) * EXP((u - 40) * R(1.0 / 13)) + R(0.002) * EXP((60 - u) * R(1.0 / 29)));
    d[GM + i] = slow * (R(0.01) * ca * (1 - s[GM + i]) - R(0.02) * s[GM + i]);
    d[CA + i] = R(-2e-4) * calcium - (ca - R(2.4e-4)) * R(1.0 / 150);
    d[GABA + i] = 10 * sigmoid((u + 20) * R(1 / 1.5)) * (1 - o) - R(0.16) * o;
  }
}

static real odor(double t) {
  return t < 100 ? 0 : R(t < 600 ? 10 * (1 - exp((100 - t) / 75)) : 9.996 * exp((600 - t) / 150));
}

static void take(FILE *file, real *to, int n) {
  double x;
  for (int i = 0; i < n && fread(&x, sizeof x, 1, file) == 1; i++) to[i] = (real)x;
}

int main(int argc, char **argv) {
  (void)argc;
  FILE *file = fopen(argv[1], "rb");
  const int steps = atoi(argv[2]), every = 50;
  const double dt = 0.01;
  const real h = R(0.01);
  take(file, y, ALL), take(file, driven, N), take(file, excites[0], P * L), take(file, inhibits[0], L * N);
  real(*rows)[N] = malloc((steps / every + 1) * sizeof *rows);
  int(*spikes)[2] = malloc(1000000 * sizeof *spikes), count = 0;
  for (int i = 0; i < P; i++) last[i] = -1e9;
  struct timespec a, b;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
  for (int s = 0; s < steps; s++) {
    const double t = s * dt, middle = t + dt / 2, end = (s + 1) * dt;
    if (s % every == 0) memcpy(rows[s / every], y + V, P * sizeof(real)), memcpy(rows[s / every] + P, y + W, L * sizeof(real));
    const real of_middle = odor(middle);
    slopes(y, t, odor(t), k[0]);
    EACH(i, ALL) now[i] = y[i] + h / 2 * k[0][i];
    slopes(now, middle, of_middle, k[1]);
    EACH(i, ALL) now[i] = y[i] + h / 2 * k[1][i];
    slopes(now, middle, of_middle, k[2]);
    EACH(i, ALL) now[i] = y[i] + h * k[2][i];
    slopes(now, end, odor(end), k[3]);
    EACH(i, ALL) now[i] = y[i] + h / 6 * (k[0][i] + 2 * k[1][i] + 2 * k[2][i] + k[3][i]);
    for (int i = 0; i < N; i++) {
      const int at = i < P ? V + i : W + i - P;
      if (y[at] < 0 && now[at] >= 0) {
        spikes[count][0] = s, spikes[count++][1] = i;
        if (i < P) last[i] = t;
      }
    }
    memcpy(y, now, sizeof y);
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
  printf("%.9f %d\n", (b.tv_sec - a.tv_sec) + 1e-9 * (b.tv_nsec - a.tv_nsec), count);
  for (int i = 0; i < count; i++) printf("%d %d\n", spikes[i][0], spikes[i][1]);
  for (int i = 0; i < N; i++) printf("%.9f ", (double)y[i < P ? V + i : W + i - P]);
  return 0;
}
