// Written by ranvier/torch/fused/source.py from a layer's step.
struct LeakySum {
  static constexpr int states = 1, parameters = 1, invariants = 0;
  static constexpr bool has_surrogate = false;

  template <class T>
  static RANVIER_INLINE void prepare(int64_t n, T* const* p) {
    const T* p0 = p[0];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
    }
  }

  template <class T>
  static RANVIER_INLINE void forward(int64_t n, const T* x, T* const* p, T* const* s, T* y, T* const* t) {
    const T* p0 = p[0];
    const T* s0 = s[0];
    T* t0 = t[0];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T v0 = s0[i] + x[i];
      const T v1 = p0[i] * v0;
      const T r0 = v0;
      const T r1 = v1;
      y[i] = r0;
      t0[i] = r1;
    }
  }

  template <bool learns, class T>
  static RANVIER_INLINE void backward(int64_t n, const T* x, T* const* p, T* const* s, const T* slopes, const T* of_output, T* const* g, T* of_x, T* const* c) {
    const T* p0 = p[0];
    const T* s0 = s[0];
    T* g0 = g[0];
    T* c0 = c[0];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T v0 = s0[i] + x[i];
      const T v1 = g0[i] * p0[i];
      const T v2 = g0[i] * v0;
      const T v3 = of_output[i] + v1;
      const T r0 = v3;
      const T r1 = v3;
      const T r2 = v2;
      of_x[i] = r0;
      g0[i] = r1;
      if (learns) c0[i] += r2;
    }
  }
};
