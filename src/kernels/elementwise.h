/* elementwise.h: one contiguous loop per elementwise operation and domain, made from ops/elementwise.def. */
#ifdef GM_KERNEL_DECLARE

#define EW_KERNEL(name, domain)                                                                                        \
    GM_KERNEL(void, ew_##name##_##domain, (int64_t n, const void *const *x, void *y, const double *p))
#if GM_OTHER_TYPES
#  define EW_F(name, ...) EW_KERNEL(name, f32) EW_KERNEL(name, f64)
#  define EW_I(name, ...) EW_KERNEL(name, i32) EW_KERNEL(name, i64) EW_KERNEL(name, u64)
#else
#  define EW_F(name, ...) EW_KERNEL(name, f32)
#  define EW_I(name, ...)
#endif
#define EW_N(name, ...) EW_F(name) EW_I(name)
#include "../ops/elementwise.def"
#undef EW_F
#undef EW_I
#undef EW_N
#undef EW_KERNEL

#else


/* Inputs may be the output itself (element for element), never overlap otherwise. */
#if defined(__clang__)
#  define EW_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#  define EW_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define EW_LOOP(name, domain, n_in, expression)                                                                        \
    static void GM_K(ew_##name##_##domain)(int64_t n, const void *const *x, void *y, const double *p) {                \
        const T *xa = x[0], *xb = x[n_in > 1 ? 1 : 0], *xc = x[n_in > 2 ? 2 : 0];                                      \
        T *out = y;                                                                                                    \
        const T p0 = p ? (T)p[0] : (T)0, p1 = p ? (T)p[1] : (T)0;                                                      \
        (void)p0, (void)p1;                                                                                            \
        EW_INDEPENDENT                                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const T a = xa[i], b = n_in > 1 ? xb[i] : a, c = n_in > 2 ? xc[i] : a;                                     \
            (void)b, (void)c;                                                                                          \
            out[i] = (T)(expression);                                                                                  \
        }                                                                                                              \
    }

/* floats */
#define T float
#define M(f) GM_K(f##_f32)
#define EW_F(name, n_in, n_par, gives, expression, ...) EW_LOOP(name, f32, n_in, expression)
#define EW_N EW_F
#define EW_I(...)
#include "../ops/elementwise.def"
#undef T
#undef M
#undef EW_F
#if GM_OTHER_TYPES
#define T double
#define M(f) GM_K(f##_f64)
#define EW_F(name, n_in, n_par, gives, expression, ...) EW_LOOP(name, f64, n_in, expression)
#include "../ops/elementwise.def"
#undef T
#undef M
#undef EW_F
#endif
#undef EW_N
#undef EW_I

/* integers */
#if GM_OTHER_TYPES
#define EW_F(...)
#define EW_N EW_I
#define T int32_t
#define M(f) GM_K(f##_i32)
#define EW_I(name, n_in, n_par, gives, expression, ...) EW_LOOP(name, i32, n_in, expression)
#include "../ops/elementwise.def"
#undef T
#undef M
#undef EW_I
#define T int64_t
#define M(f) GM_K(f##_i64)
#define EW_I(name, n_in, n_par, gives, expression, ...) EW_LOOP(name, i64, n_in, expression)
#include "../ops/elementwise.def"
#undef T
#undef M
#undef EW_I
#define T uint64_t
#define M(f) GM_K(f##_u64)
#define EW_I(name, n_in, n_par, gives, expression, ...) EW_LOOP(name, u64, n_in, expression)
#include "../ops/elementwise.def"
#undef T
#undef M
#undef EW_I
#undef EW_F
#undef EW_N
#endif
#undef EW_LOOP
#undef EW_INDEPENDENT
#undef GM__SIGNED

#endif
