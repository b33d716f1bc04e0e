/* common.h: what all kernels of exported programs share. Each file of this folder is C99 over a type T, with K(name)
 * for names of that type, FMA, SQRT and M(f) for its scalar functions (src/math); it is included, or emitted, once per
 * type. The order of every sum is that of docs/numerics.md, written down in the plainest way. This file comes once. */
#define FN static GM_UNUSED

/* An index lay outside of its range: model_run returns 1. */
static int gm_bad;

/* The dimensions that a reduction keeps, and those that it runs over, with x's strides. */
typedef struct { int64_t n_kept, n_reduced, kept[16], kept_stride[16], reduced[16], reduced_stride[16]; } gm_walk;

/* The next place of an odometer over n sizes; *off follows. */
FN void gm_next(int64_t n, const int64_t *size, const int64_t *stride, int64_t *at, int64_t *off) {
    for (int64_t d = n - 1; d >= 0; d--) {
        *off += stride[d];
        if (++at[d] < size[d]) return;
        *off -= stride[d] * size[d];
        at[d] = 0;
    }
}

FN int64_t gm_product(int64_t n, const int64_t *size) {
    int64_t p = 1;
    for (int64_t d = 0; d < n; d++) p *= size[d];
    return p;
}

/* A label as a place in 0..n-1, -1 where it is ignored. */
FN int64_t gm_label(int64_t label, int64_t n, int ignores, int64_t ignore) {
    if (ignores && label == ignore) return -1;
    if (label >= 0 && label < n) return label;
    gm_bad = 1;
    return -1;
}

/* Tiles of sums: rows by GM_NR columns, in registers where there are vectors and an fma instruction. */
#if defined(__GNUC__) && GM_HAS_FMA && (defined(__AVX__) || defined(__aarch64__))
#define GM_VECTORS 1
#define GM_ALWAYS static inline __attribute__((always_inline, unused))
#if defined(__AVX512F__)
#include <immintrin.h>
#define GM_VBYTES 64
#define GM_NV 2
#define GM_MR 14
#define gm_vfma_f32(a, b, c) _mm512_fmadd_ps(a, b, c)
#define gm_vfma_f64(a, b, c) _mm512_fmadd_pd(a, b, c)
#define gm_splat_f32(a) _mm512_set1_ps(a)
#define gm_splat_f64(a) _mm512_set1_pd(a)
#elif defined(__AVX__)
#include <immintrin.h>
#define GM_VBYTES 32
#define GM_NV 2
#define GM_MR 6
#define gm_vfma_f32(a, b, c) _mm256_fmadd_ps(a, b, c)
#define gm_vfma_f64(a, b, c) _mm256_fmadd_pd(a, b, c)
#define gm_splat_f32(a) _mm256_set1_ps(a)
#define gm_splat_f64(a) _mm256_set1_pd(a)
#else
#include <arm_neon.h>
#define GM_VBYTES 16
#define GM_NV 4
#define GM_MR 6
#define gm_vfma_f32(a, b, c) vfmaq_f32(c, a, b)
#define gm_vfma_f64(a, b, c) vfmaq_f64(c, a, b)
#define gm_splat_f32(a) vdupq_n_f32(a)
#define gm_splat_f64(a) vdupq_n_f64(a)
#endif
#if defined(__clang__)
#define GM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GM_UNROLL _Pragma("GCC unroll 16")
#endif
#else
#define GM_VECTORS 0
#define GM_VBYTES 16
#define GM_NV 4
#define GM_MR 4
#endif
#define GM_VN (GM_VBYTES / (int)sizeof(T))
#define GM_NR (GM_NV * GM_VN)
enum { GM_CHUNK = 256, GM_SUPER = 64 * 256, GM_RUNS = 512 };

FN int64_t gm_least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Of n rows from i on, as many as the next tile takes: all tiles about the same, at most `most`. */
FN int64_t gm_rows(int64_t n, int64_t i, int64_t most) {
    const int64_t tiles = (n - i + most - 1) / most;
    return (n - i + tiles - 1) / tiles;
}

/* Rows of so many bytes that lie on top of each other in the first cache: fewer at a time. */
FN int64_t gm_rows_most(int64_t bytes) { return bytes % 4096 == 0 && GM_MR > 8 ? 8 : GM_MR; }

/* A convolution, or its transpose (the gradient of its input): for each group dst[n, i, o] = the sum over (tap, c) of
 * w[i, tap, c] * src[n, c, o * step - low + tap]; three spatial dimensions, the first ones 1 where there are fewer. src
 * is seen with up - 1 zeros behind each of its elements. Strides in elements, of (n, c, d, h, w), a weight's of (i, c,
 * d, h, w).
 *
 * What is read lies in a box, a copy with the borders: [c][phases of the step][cells], so that neighbours in dst are
 * neighbours there. Lanes are cells of a plane of the box, the few between rows for nothing (compact 0), or the
 * positions of all pictures, gathered into panels of 256 k (compact 1). Places in the work memory: -1 where the thing
 * itself is used. */
typedef struct {
    int64_t batch, groups, deep, wide, from[3], to[3], kernel[3], step[3], up[3], low[3], base[3], tap[3];
    int64_t src[5], w[5], w_group, dst[5];
    int64_t compact, cell[3], phase[3], channel, image, block, pitch, at_w, at_box, at_panel, at_part, at_total;
} gm_conv;

/* The gradient of a weight: sums over (n, o) of gy * x, rows by (c, tap), lanes by output channel. */
typedef struct { int64_t lanes, at_box, at_rows, at_panel, at_part, at_total; gm_conv see; } gm_conv_weight;

/* Neighbours among the lanes of a block, where they are read and written. */
typedef struct { int64_t lane, n, from, to; } gm_run;

/* The runs of lanes l .. l + n of picture p's plane o, or of all pictures' positions. */
FN int64_t gm_conv_runs(const gm_conv *g, int64_t p, int64_t o, int64_t l, int64_t n, gm_run *r) {
    const int64_t across = g->compact ? g->to[2] : g->cell[2], end = l + n;
    int64_t runs = 0;
    for (int64_t i = l; i < end;) {
        int64_t line = i / across, x = i % across, left = g->to[2] - x, y = line, d = o, image = p;
        if (g->compact) y = line % g->to[1], d = line / g->to[1] % g->to[0], image = line / g->to[1] / g->to[0];
        if (left > end - i) left = end - i;
        if (left > 0) {
            const gm_run a = { i - l, left, image * g->image + (d * g->cell[1] + y) * g->cell[2] + x,
                               image * g->dst[0] + d * g->dst[2] + y * g->dst[3] + x * g->dst[4] };
            gm_run *b = r + runs - 1;
            if (runs && g->dst[4] == 1 && b->lane + b->n == a.lane && b->from + b->n == a.from && b->to + b->n == a.to)
                b->n += a.n;
            else r[runs++] = a;
        }
        i += across - x;
    }
    return runs;
}

/* Where product k = (tap, c) is read, from the lane's first cell. */
FN void gm_conv_places(const gm_conv *g, int32_t *at) {
    for (int64_t a = 0; a < g->kernel[0]; a++)
        for (int64_t b = 0; b < g->kernel[1]; b++)
            for (int64_t e = 0; e < g->kernel[2]; e++) {
                const int64_t k[3] = { a, b, e };
                int64_t phase = 0, cell = 0;
                for (int i = 0; i < 3; i++) {
                    const int64_t t = g->base[i] + k[i] * g->tap[i];
                    phase = phase * g->phase[i] + t % g->step[i], cell = cell * g->cell[i] + t / g->step[i];
                }
                for (int64_t c = 0; c < g->deep; c++)
                    *at++ = (int32_t)(c * g->channel + phase * gm_product(3, g->cell) + cell);
            }
}

typedef struct {
    int64_t batch, channels, adaptive, exclude, divisor, in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
    int64_t pad_hi[3], x[5], y[5], z[5];
} gm_pool;

/* The results i < n of a row whose tap, at low + i * stride, is inside. */
FN void gm_pool_meets(const gm_pool *g, int64_t low, int64_t n, int64_t *lo, int64_t *hi) {
    const int64_t s = g->stride[2], left = g->in[2] - low;
    *lo = 0, *hi = n;
    if (low >= 0 && (n - 1) * s < left) return;
    *lo = low < 0 ? (s - 1 - low) / s : 0;
    *hi = left > 0 ? gm_least((left + s - 1) / s, n) : 0;
    if (*lo > *hi) *lo = *hi;
}
