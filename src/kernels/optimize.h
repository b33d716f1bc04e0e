/* optimize.h: one pass over a parameter per optimizer (docs/numerics/optim.md). Scalars arrive in f64, already
 * computed. */
#ifdef GM_KERNEL_DECLARE
/* s: lr, mu, wd; first: b is not read; b NULL: no momentum */
GM_KERNEL(void, optimize_sgd_f32,
          (int64_t n, const double *s, bool first, bool nesterov, const float *g, float *p, float *b))
GM_KERNEL(void, optimize_sgd_f64,
          (int64_t n, const double *s, bool first, bool nesterov, const double *g, double *p, double *b))
/* s: 1 - b1, 1 - b2, b2, sqrt(c2), eps, lr / c1, wd (added to g), 1 - lr wd (a factor of p) */
GM_KERNEL(void, optimize_adam_f32, (int64_t n, const double *s, const float *g, float *p, float *m, float *v))
GM_KERNEL(void, optimize_adam_f64, (int64_t n, const double *s, const double *g, double *p, double *m, double *v))
#else

#define OPTIMIZE_KERNELS(T, suffix, FMA, SQRT)                                                                         \
    static void GM_K(optimize_sgd_##suffix)(int64_t n, const double *s, bool first, bool nesterov,                    \
                                            const T *restrict g, T *restrict p, T *restrict b) {                      \
        T lr = (T)s[0], mu = (T)s[1], wd = (T)s[2];                                                                    \
        bool decay = s[2] != 0;                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T d = g[i], w = wd * p[i];                                                                                 \
            d = decay ? d + w : d;                                                                                     \
            if (b) {                                                                                                   \
                T old = mu * b[i], next = first ? d : old + d;                                                         \
                b[i] = next;                                                                                           \
                T ahead = mu * next;                                                                                   \
                d = nesterov ? d + ahead : next;                                                                       \
            }                                                                                                          \
            T move = lr * d;                                                                                           \
            p[i] = p[i] - move;                                                                                        \
        }                                                                                                              \
    }                                                                                                                  \
    static void GM_K(optimize_adam_##suffix)(int64_t n, const double *s, const T *restrict g, T *restrict p,           \
                                             T *restrict m, T *restrict v) {                                           \
        T k1 = (T)s[0], k2 = (T)s[1], b2 = (T)s[2], root = (T)s[3], eps = (T)s[4], rate = (T)s[5], wd = (T)s[6];      \
        T shrink = (T)s[7];                                                                                            \
        bool decay = s[6] != 0;                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T d = g[i], w = wd * p[i];                                                                                 \
            d = decay ? d + w : d;                                                                                     \
            T old = b2 * v[i];                                                                                         \
            m[i] = FMA(k1, d - m[i], m[i]);                                                                            \
            v[i] = FMA(k2, d * d, old);                                                                                \
            T den = SQRT(v[i]) / root;                                                                                 \
            T move = rate * (m[i] / (den + eps)), kept = p[i] * shrink;                                                \
            p[i] = kept - move;                                                                                        \
        }                                                                                                              \
    }
OPTIMIZE_KERNELS(float, f32, gm_fma, __builtin_sqrtf)
OPTIMIZE_KERNELS(double, f64, gm_fmad, __builtin_sqrt)
#undef OPTIMIZE_KERNELS
#endif
