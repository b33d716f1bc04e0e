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

/* Convolutions and pooling: three spatial dimensions, the first ones 1 where there are fewer. Strides in elements, of
 * (n, c, d, h, w); a weight's are of (o, c, d, h, w). */
typedef struct {
    int64_t batch, c_in, c_out, groups, in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], x[5], w[5], y[5];
} gm_conv;

typedef struct {
    int64_t batch, channels, adaptive, exclude, divisor, in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
    int64_t pad_hi[3], x[5], y[5], z[5];
} gm_pool;
