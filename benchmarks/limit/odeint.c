/* The reference of benchmarks/odeint.py: dx/dt = sin(x t) by RK4, every point kept, written out by hand, on one thread.
   Built by that script with gcc -O3 -march=native -ffast-math, whose sine is that of libmvec (4 units in the last place); not part of
   the package. Prints the processor's seconds of one solution, and x of the last equation at the end. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  const int n = atoi(argv[1]), times = atoi(argv[2]), points = argc > 3 ? atoi(argv[3]) : 500;
  double *x = aligned_alloc(64, ((size_t)points * n * sizeof(double) + 63) / 64 * 64);
  double best = 1e300;
  for (int again = 0; again < times; again++) {
    const double began = seconds();
    for (int i = 0; i < n; i++) x[i] = n > 1 ? 0.5 + 1.5 * i / (n - 1) : 0.5;
    for (int k = 0; k + 1 < points; k++) {
      const double t = 0.01 * k, h = 0.01, middle = t + h / 2;
      const double *from = x + (size_t)k * n;
      double *to = x + (size_t)(k + 1) * n;
#pragma omp simd
      for (int i = 0; i < n; i++) {
        const double k1 = sin(from[i] * t);
        const double k2 = sin((from[i] + h / 2 * k1) * middle);
        const double k3 = sin((from[i] + h / 2 * k2) * middle);
        const double k4 = sin((from[i] + h * k3) * (t + h));
        to[i] = from[i] + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
      }
    }
    const double took = seconds() - began;
    if (took < best) best = took;
  }
  printf("%.9f %.12f\n", best, x[(size_t)(points - 1) * n + n - 1]);
  free(x);
  return 0;
}
