/* attention.h: the passes over one row of attention scores, between the matrix products (ops/attention.c).
 *
 * A masked key has the score -inf, so that its weight is exp(-inf) = 0. */
#ifdef GM_KERNEL_DECLARE
/* x = x * scale, then + mask; -inf where masked. Returns the maximum (NaN are passed over: they show in the sum). */
GM_KERNEL(float, attention_scores_f32, (const gm__attention_row *r, float *x))
GM_KERNEL(double, attention_scores_f64, (const gm__attention_row *r, double *x))
/* x = exp(x - m) */
GM_KERNEL(void, attention_exp_f32, (int64_t n, float m, float *x))
GM_KERNEL(void, attention_exp_f64, (int64_t n, double m, double *x))
/* x = x / s */
GM_KERNEL(void, attention_divide_f32, (int64_t n, float s, float *x))
GM_KERNEL(void, attention_divide_f64, (int64_t n, double s, double *x))
/* d = p * (d - mean), 0 where p is */
GM_KERNEL(void, attention_slope_f32, (int64_t n, float mean, const float *p, float *d))
GM_KERNEL(void, attention_slope_f64, (int64_t n, double mean, const double *p, double *d))
/* y = a * b */
GM_KERNEL(void, attention_product_f32, (int64_t n, const float *a, const float *b, float *y))
GM_KERNEL(void, attention_product_f64, (int64_t n, const double *a, const double *b, double *y))
#else

#define ATTENTION_LANES 32

#define ATTENTION_BODY(S, T, INF)                                                                                      \
    static void GM_K(attention_mask_##S)(const gm__attention_row *r, int64_t n, T *x) {                                \
        const T scale = (T)r->scale;                                                                                   \
        for (int64_t i = 0; i < n; i++) x[i] *= scale;                                                                 \
        if (r->kind == GM__MASK_ADD && r->mask_stride == 1)                                                            \
            for (int64_t i = 0; i < n; i++) x[i] += ((const T *)r->mask)[i];                                           \
        else if (r->kind == GM__MASK_ADD)                                                                              \
            for (int64_t i = 0; i < n; i++) x[i] += ((const T *)r->mask)[i * r->mask_stride];                          \
        else if (r->kind == GM__MASK_KEEP)                                                                             \
            for (int64_t i = 0; i < n; i++) x[i] = ((const uint8_t *)r->mask)[i * r->mask_stride] ? x[i] : -INF;       \
        for (int64_t i = n; i < r->n; i++) x[i] = -INF;                                                                \
    }                                                                                                                  \
    static T GM_K(attention_scores_##S)(const gm__attention_row *r, T *x) {                                            \
        int64_t n = r->limit < r->n ? r->limit < 0 ? 0 : r->limit : r->n, i = 0;                                       \
        T lane[ATTENTION_LANES], m = -INF;                                                                             \
        GM_K(attention_mask_##S)(r, n, x);                                                                             \
        for (int j = 0; j < ATTENTION_LANES; j++) lane[j] = -INF;                                                      \
        for (; i + ATTENTION_LANES <= n; i += ATTENTION_LANES)                                                         \
            for (int j = 0; j < ATTENTION_LANES; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];               \
        for (; i < n; i++) m = x[i] > m ? x[i] : m;                                                                    \
        for (int j = 0; j < ATTENTION_LANES; j++) m = lane[j] > m ? lane[j] : m;                                       \
        return m;                                                                                                      \
    }                                                                                                                  \
    static void GM_K(attention_exp_##S)(int64_t n, T m, T *x) {                                                        \
        for (int64_t i = 0; i < n; i++) x[i] = GM_K(exp_##S)(x[i] - m);                                                \
    }                                                                                                                  \
    static void GM_K(attention_divide_##S)(int64_t n, T s, T *x) {                                                     \
        for (int64_t i = 0; i < n; i++) x[i] = x[i] / s;                                                               \
    }                                                                                                                  \
    static void GM_K(attention_slope_##S)(int64_t n, T mean, const T *p, T *d) {                                       \
        for (int64_t i = 0; i < n; i++) d[i] = p[i] == 0 ? 0 : p[i] * (d[i] - mean);                                   \
    }                                                                                                                  \
    static void GM_K(attention_product_##S)(int64_t n, const T *a, const T *b, T *y) {                                 \
        for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];                                                            \
    }
ATTENTION_BODY(f32, float, __builtin_inff())
ATTENTION_BODY(f64, double, __builtin_inf())
#undef ATTENTION_BODY
#undef ATTENTION_LANES
#endif
