/* pool.h: pooling windows: largest, place of the largest, average, and their transposes.
 *
 * Forward kernels take a range of rows: (picture, channel, depth, height) of the outputs in row-major layout, (picture,
 * depth, height) in channels-last. Gradients take a range of owners: (picture, channel), or (picture, block of POOL_RUN
 * channels), since contributions are added by ascending output position. Row-major rows go tap by tap over a run of
 * outputs, channels-last ones tap by tap over a run of channels: either way the loops inside are over vectors.
 * The first maximum in window order wins; a NaN is larger than every number, the first one wins. */
#ifdef GM_KERNEL_DECLARE
GM_KERNEL(void, pool_max_f32, (const gm__pool_plan *p, int64_t begin, int64_t end))
GM_KERNEL(void, pool_index_f32, (const gm__pool_plan *p, int64_t begin, int64_t end))
GM_KERNEL(void, pool_avg_f32, (const gm__pool_plan *p, int64_t begin, int64_t end))
GM_KERNEL(void, pool_max_grad_f32, (const gm__pool_plan *p, int64_t begin, int64_t end))
GM_KERNEL(void, pool_avg_grad_f32, (const gm__pool_plan *p, int64_t begin, int64_t end))
#if GM_OTHER_TYPES
GM_KERNEL(void, pool_max_f64, (const gm__pool_plan *p, int64_t begin, int64_t end))
GM_KERNEL(void, pool_index_f64, (const gm__pool_plan *p, int64_t begin, int64_t end))
GM_KERNEL(void, pool_avg_f64, (const gm__pool_plan *p, int64_t begin, int64_t end))
GM_KERNEL(void, pool_max_grad_f64, (const gm__pool_plan *p, int64_t begin, int64_t end))
GM_KERNEL(void, pool_avg_grad_f64, (const gm__pool_plan *p, int64_t begin, int64_t end))
#endif
#else

#if defined(__clang__)
#  define POOL_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#  define POOL_INDEPENDENT _Pragma("GCC ivdep")
#endif
/* Outputs or channels that are worked on together. */
#define POOL_RUN 256

/* Loop over i < n with a constant stride s where it is 1 or 2. */
#define POOL_STRIDED(n, stride, ...)                                                                                   \
    do {                                                                                                               \
        if ((stride) == 1) {                                                                                           \
            const int64_t s = 1;                                                                                       \
            POOL_INDEPENDENT                                                                                           \
            for (int64_t i = 0; i < (n); i++) __VA_ARGS__;                                                             \
        } else if ((stride) == 2) {                                                                                    \
            const int64_t s = 2;                                                                                       \
            POOL_INDEPENDENT                                                                                           \
            for (int64_t i = 0; i < (n); i++) __VA_ARGS__;                                                             \
        } else {                                                                                                       \
            const int64_t s = (stride);                                                                                \
            POOL_INDEPENDENT                                                                                           \
            for (int64_t i = 0; i < (n); i++) __VA_ARGS__;                                                             \
        }                                                                                                              \
    } while (0)

/* The outputs lo <= o < hi of o0..o1 whose tap k along the last axis is inside. */
static void GM_K(pool_inside)(const gm__pool_plan *p, int64_t k, int64_t o0, int64_t o1, int64_t *lo, int64_t *hi) {
    int64_t s = p->stride[2], shift = p->pad[2] - k * p->dilation[2], last = p->in[2] - 1 + shift;
    *lo = shift > 0 ? (shift + s - 1) / s : 0;
    *hi = last < 0 ? 0 : last / s + 1;
    if (*lo < o0) *lo = o0;
    if (*hi > o1) *hi = o1;
}

/* Windows of 2 x 2, none cut by an edge, as most nets have them. */
static bool GM_K(pool_is_quads)(const gm__pool_plan *p) {
    bool plane = p->regular && p->in[0] == 1 && p->out[0] == 1 && p->kernel[0] == 1 && !p->pad[0];
    for (int i = 1; i < 3; i++)
        plane = plane && p->kernel[i] == 2 && p->stride[i] == 2 && p->dilation[i] == 1 && !p->pad[i] &&
                2 * p->out[i] <= p->in[i];
    return plane;
}

#define POOL_QUAD_MAX(m, b, c, d)                                                                                      \
    (m = b > m ? b : m, m = b == b ? m : b, m = c > m ? c : m, m = c == c ? m : c, m = d > m ? d : m,                  \
     m = d == d ? m : d)
/* `rest` goes to the first x that is m, or a NaN, and is zero from then on. */
#define POOL_QUAD_TAKE(x)                                                                                              \
    (t = x == m ? rest : zero, t = x == x ? t : rest, rest = x == m ? zero : rest, rest = x == x ? rest : zero, t)

/* Picks position (depth, height) apart: the output row `r` of a picture. */
#define POOL_ROW(p, r, od, oh) const int64_t od = (r) / (p)->out[1], oh = (r) % (p)->out[1]

#define POOL_T float
#define POOL_INF __builtin_inff()
#define PK(name) GM_K(name##_f32)
#include "pool_body.h"
#undef POOL_T
#undef POOL_INF
#undef PK
#if GM_OTHER_TYPES
#define POOL_T double
#define POOL_INF __builtin_inf()
#define PK(name) GM_K(name##_f64)
#include "pool_body.h"
#undef POOL_T
#undef POOL_INF
#undef PK
#endif

#undef POOL_ROW
#undef POOL_RUN
#undef POOL_QUAD_MAX
#undef POOL_QUAD_TAKE
#undef POOL_STRIDED
#undef POOL_INDEPENDENT
#endif
