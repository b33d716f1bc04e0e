/* scan.h: running sums and products, and the linear recurrence: x [n, inner] along n, each column one ascending chain.
 * The first element is taken as it is. */
#ifdef GM_KERNEL_DECLARE
#define SCAN_DECLARE(S)                                                                                                \
    GM_KERNEL(void, scan_sum_##S, (int64_t n, int64_t inner, int64_t j0, int64_t j1, const void *x, void *y))          \
    GM_KERNEL(void, scan_prod_##S, (int64_t n, int64_t inner, int64_t j0, int64_t j1, const void *x, void *y))
SCAN_DECLARE(f32)
SCAN_DECLARE(f64)
SCAN_DECLARE(i64)
#undef SCAN_DECLARE
/* y[t] = fma(a[t], y[t - 1], b[t]) */
GM_KERNEL(void, scan_linear_f32,
          (int64_t n, int64_t inner, int64_t j0, int64_t j1, const void *a, const void *b, void *y))
GM_KERNEL(void, scan_linear_f64,
          (int64_t n, int64_t inner, int64_t j0, int64_t j1, const void *a, const void *b, void *y))
#else

#define SCAN_LOOP(name, T, S, expression)                                                                              \
    static void GM_K(scan_##name##_##S)(int64_t n, int64_t inner, int64_t j0, int64_t j1, const void *from,            \
                                        void *to) {                                                                    \
        const T *x = from;                                                                                             \
        T *y = to;                                                                                                     \
        for (int64_t j = j0; j < j1; j++) y[j] = x[j];                                                                 \
        for (int64_t t = 1; t < n; t++) {                                                                              \
            const T *before = y + (t - 1) * inner, *now = x + t * inner;                                               \
            for (int64_t j = j0; j < j1; j++) {                                                                        \
                const T a = before[j], b = now[j];                                                                     \
                y[t * inner + j] = (T)(expression);                                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }
SCAN_LOOP(sum, float, f32, a + b)
SCAN_LOOP(sum, double, f64, a + b)
SCAN_LOOP(sum, int64_t, i64, (uint64_t)a + (uint64_t)b)
SCAN_LOOP(prod, float, f32, a * b)
SCAN_LOOP(prod, double, f64, a * b)
SCAN_LOOP(prod, int64_t, i64, (uint64_t)a * (uint64_t)b)
#undef SCAN_LOOP

#define SCAN_LINEAR(T, S, fma)                                                                                         \
    static void GM_K(scan_linear_##S)(int64_t n, int64_t inner, int64_t j0, int64_t j1, const void *av,                \
                                      const void *bv, void *to) {                                                      \
        const T *a = av, *b = bv;                                                                                      \
        T *y = to;                                                                                                     \
        for (int64_t j = j0; j < j1; j++) y[j] = b[j];                                                                 \
        for (int64_t t = 1; t < n; t++)                                                                                \
            for (int64_t j = j0; j < j1; j++)                                                                          \
                y[t * inner + j] = fma(a[t * inner + j], y[(t - 1) * inner + j], b[t * inner + j]);                    \
    }
SCAN_LINEAR(float, f32, gm_fma)
SCAN_LINEAR(double, f64, gm_fmad)
#undef SCAN_LINEAR

#endif
