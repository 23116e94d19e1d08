// Written by ranvier/torch/fused/source.py from a layer's step.
struct Leak {
  static constexpr int states = 1, parameters = 3, invariants = 0;
  static constexpr bool has_surrogate = false;

  template <class T>
  static RANVIER_INLINE void prepare(int64_t n, T* const* p) {
    const T* p0 = p[0];
    const T* p1 = p[1];
    const T* p2 = p[2];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
    }
  }

  template <class T>
  static RANVIER_INLINE void forward(int64_t n, const T* x, T* const* p, T* const* s, T* y, T* const* t) {
    const T* p0 = p[0];
    const T* p1 = p[1];
    const T* p2 = p[2];
    const T* s0 = s[0];
    T* t0 = t[0];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T v0 = s0[i] - p2[i];
      const T v1 = p0[i] * v0;
      const T v2 = p2[i] + v1;
      const T v3 = p1[i] * x[i];
      const T v4 = v2 + v3;
      const T r0 = v4;
      const T r1 = v4;
      y[i] = r0;
      t0[i] = r1;
    }
  }

  template <bool learns, class T>
  static RANVIER_INLINE void backward(int64_t n, const T* x, T* const* p, T* const* s, const T* slopes, const T* of_output, T* const* g, T* of_x, T* const* c) {
    const T* p0 = p[0];
    const T* p1 = p[1];
    const T* p2 = p[2];
    const T* s0 = s[0];
    T* g0 = g[0];
    T* c0 = c[0];
    T* c1 = c[1];
    T* c2 = c[2];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T v0 = s0[i] - p2[i];
      const T v1 = of_output[i] + g0[i];
      const T v2 = v1 * p1[i];
      const T v3 = v1 * x[i];
      const T v4 = v1 * p0[i];
      const T v5 = v1 * v0;
      const T v6 = -(v4);
      const T v7 = v1 + v6;
      const T r0 = v2;
      const T r1 = v4;
      const T r2 = v5;
      const T r3 = v3;
      const T r4 = v7;
      of_x[i] = r0;
      g0[i] = r1;
      if (learns) c0[i] += r2;
      if (learns) c1[i] += r3;
      if (learns) c2[i] += r4;
    }
  }
};
