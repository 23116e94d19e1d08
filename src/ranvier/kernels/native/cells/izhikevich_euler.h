// Written by ranvier/torch/fused/source.py from a layer's step.
struct IzhikevichEuler {
  static constexpr int states = 2, parameters = 7, invariants = 1;
  static constexpr bool has_surrogate = true;

  template <class T>
  static RANVIER_INLINE void prepare(int64_t n, T* const* p) {
    const T* p0 = p[0];
    const T* p1 = p[1];
    const T* p2 = p[2];
    const T* p3 = p[3];
    const T* p4 = p[4];
    const T* p5 = p[5];
    const T* p6 = p[6];
    T* k0 = (p + parameters)[0];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T v0 = p5[i] - p3[i];
      k0[i] = v0;
    }
  }

  template <class T>
  static RANVIER_INLINE void forward(int64_t n, const T* x, T* const* p, T* const* s, T* y, T* const* t) {
    const T* p0 = p[0];
    const T* p1 = p[1];
    const T* p2 = p[2];
    const T* p3 = p[3];
    const T* p4 = p[4];
    const T* p5 = p[5];
    const T* p6 = p[6];
    const T* p7 = p[7];
    const T* s0 = s[0];
    const T* s1 = s[1];
    T* t0 = t[0];
    T* t1 = t[1];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T v0 = (s0[i]) * (s0[i]);
      const T v1 = v0 * T(0.04);
      const T v2 = s0[i] * T(5.0);
      const T v3 = v1 + v2;
      const T v4 = v3 + T(140.0);
      const T v5 = v4 - s1[i];
      const T v6 = v5 + x[i];
      const T v7 = p0[i] * v6;
      const T v8 = s0[i] * T(0.08);
      const T v9 = v8 + T(5.0);
      const T v10 = p0[i] * v9;
      const bool v11 = v10 < T(-2.0);
      const T v12 = T(1.0) - v10;
      const T v13 = v7 / v12;
      const T v14 = (v11) ? v13 : v7;
      const T v15 = s0[i] + v14;
      const T v16 = clamped(v15, -std::numeric_limits<T>::max(), std::numeric_limits<T>::max());
      const T v17 = p2[i] * s0[i];
      const T v18 = v17 - s1[i];
      const T v19 = p1[i] * v18;
      const T v20 = p0[i] * v19;
      const T v21 = s1[i] + v20;
      const T v22 = v16 - p5[i];
      const T v23 = v22 / p7[i];
      const bool v24 = (v23) != (v23);
      const bool v25 = v23 >= T(0.0);
      const T v26 = (v25) ? T(1) : T(0);
      const T v27 = (v24) ? v23 : v26;
      const T v28 = T(1.0) - v27;
      const T v29 = v28 * v16;
      const T v30 = v27 * p3[i];
      const T v31 = v29 + v30;
      const T v32 = v27 * p4[i];
      const T v33 = v21 + v32;
      const T r0 = v27;
      const T r1 = v31;
      const T r2 = v33;
      y[i] = r0;
      t0[i] = r1;
      t1[i] = r2;
    }
  }

  template <class T>
  static RANVIER_INLINE void distance(int64_t n, const T* x, T* const* p, T* const* s, T* d) {
    const T* p0 = p[0];
    const T* p1 = p[1];
    const T* p2 = p[2];
    const T* p3 = p[3];
    const T* p4 = p[4];
    const T* p5 = p[5];
    const T* p6 = p[6];
    const T* p7 = p[7];
    const T* s0 = s[0];
    const T* s1 = s[1];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T v0 = (s0[i]) * (s0[i]);
      const T v1 = v0 * T(0.04);
      const T v2 = s0[i] * T(5.0);
      const T v3 = v1 + v2;
      const T v4 = v3 + T(140.0);
      const T v5 = v4 - s1[i];
      const T v6 = v5 + x[i];
      const T v7 = p0[i] * v6;
      const T v8 = s0[i] * T(0.08);
      const T v9 = v8 + T(5.0);
      const T v10 = p0[i] * v9;
      const bool v11 = v10 < T(-2.0);
      const T v12 = T(1.0) - v10;
      const T v13 = v7 / v12;
      const T v14 = (v11) ? v13 : v7;
      const T v15 = s0[i] + v14;
      const T v16 = clamped(v15, -std::numeric_limits<T>::max(), std::numeric_limits<T>::max());
      const T v17 = v16 - p5[i];
      const T v18 = v17 / p7[i];
      d[i] = v18;
    }
  }

  template <bool learns, class T>
  static RANVIER_INLINE void backward(int64_t n, const T* x, T* const* p, T* const* s, const T* slopes, const T* of_output, T* const* g, T* of_x, T* const* c) {
    const T* p0 = p[0];
    const T* p1 = p[1];
    const T* p2 = p[2];
    const T* p3 = p[3];
    const T* p4 = p[4];
    const T* p5 = p[5];
    const T* p6 = p[6];
    const T* p7 = p[7];
    const T* s0 = s[0];
    const T* s1 = s[1];
    T* g0 = g[0];
    T* g1 = g[1];
    T* c0 = c[0];
    T* c1 = c[1];
    T* c2 = c[2];
    T* c3 = c[3];
    T* c4 = c[4];
    T* c5 = c[5];
    T* c6 = c[6];
    RANVIER_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) {
      const T v0 = (s0[i]) * (s0[i]);
      const T v1 = v0 * T(0.04);
      const T v2 = s0[i] * T(5.0);
      const T v3 = v1 + v2;
      const T v4 = v3 + T(140.0);
      const T v5 = v4 - s1[i];
      const T v6 = v5 + x[i];
      const T v7 = p0[i] * v6;
      const T v8 = s0[i] * T(0.08);
      const T v9 = v8 + T(5.0);
      const T v10 = p0[i] * v9;
      const bool v11 = v10 < T(-2.0);
      const T v12 = T(1.0) - v10;
      const T v13 = v7 / v12;
      const T v14 = (v11) ? v13 : v7;
      const T v15 = s0[i] + v14;
      const T v16 = clamped(v15, -std::numeric_limits<T>::max(), std::numeric_limits<T>::max());
      const T v17 = p2[i] * s0[i];
      const T v18 = v17 - s1[i];
      const T v19 = p1[i] * v18;
      const T v20 = v16 - p5[i];
      const T v21 = v20 / p7[i];
      const bool v22 = (v21) != (v21);
      const bool v23 = v21 >= T(0.0);
      const T v24 = (v23) ? T(1) : T(0);
      const T v25 = (v22) ? v21 : v24;
      const T v26 = T(1.0) - v25;
      const T v27 = g1[i] * v25;
      const T v28 = g1[i] * p4[i];
      const T v29 = of_output[i] + v28;
      const T v30 = g0[i] * v25;
      const T v31 = g0[i] * p3[i];
      const T v32 = v29 + v31;
      const T v33 = g0[i] * v26;
      const T v34 = g0[i] * v16;
      const T v35 = -(v34);
      const T v36 = v32 + v35;
      const T v37 = v36 * slopes[i];
      const T v38 = v21 / p7[i];
      const T v39 = -(v37);
      const T v40 = v39 * v38;
      const T v41 = v37 / p7[i];
      const T v42 = -(v40);
      const T v43 = v30 + v42;
      const T v44 = -(v41);
      const T v45 = v33 + v41;
      const T v46 = v40 + v44;
      const T v47 = g1[i] * p0[i];
      const T v48 = g1[i] * v19;
      const T v49 = v47 * p1[i];
      const T v50 = v47 * v18;
      const T v51 = -(v49);
      const T v52 = g1[i] + v51;
      const T v53 = v49 * p2[i];
      const T v54 = v49 * s0[i];
      const bool v55 = v15 >= -std::numeric_limits<T>::max();
      const bool v56 = v15 <= std::numeric_limits<T>::max();
      const bool v57 = v55 & v56;
      const T v58 = (v57) ? v45 : T(0.0);
      const T v59 = v53 + v58;
      const T v60 = (v11) ? T(0.0) : v58;
      const T v61 = (v11) ? v58 : T(0.0);
      const T v62 = v13 / v12;
      const T v63 = -(v61);
      const T v64 = v63 * v62;
      const T v65 = v61 / v12;
      const T v66 = v60 + v65;
      const T v67 = -(v64);
      const T v68 = v67 * p0[i];
      const T v69 = v67 * v9;
      const T v70 = v48 + v69;
      const T v71 = v68 * T(0.08);
      const T v72 = v59 + v71;
      const T v73 = v66 * p0[i];
      const T v74 = v66 * v6;
      const T v75 = v70 + v74;
      const T v76 = -(v73);
      const T v77 = v52 + v76;
      const T v78 = v73 * T(5.0);
      const T v79 = v72 + v78;
      const T v80 = v73 * T(0.04);
      const T v81 = s0[i] * T(2.0);
      const T v82 = v80 * v81;
      const T v83 = v79 + v82;
      const T r0 = v73;
      const T r1 = v83;
      const T r2 = v77;
      const T r3 = v75;
      const T r4 = v50;
      const T r5 = v54;
      const T r6 = v43;
      const T r7 = v27;
      const T r8 = v46;
      const T r9 = T(0.0);
      of_x[i] = r0;
      g0[i] = r1;
      g1[i] = r2;
      if (learns) c0[i] += r3;
      if (learns) c1[i] += r4;
      if (learns) c2[i] += r5;
      if (learns) c3[i] += r6;
      if (learns) c4[i] += r7;
      if (learns) c5[i] += r8;
      if (learns) c6[i] += r9;
    }
  }
};
