/* test_convolve.c: convolution forward, data gradient and weight gradient against loops written as docs/numerics.md
 * says, bit for bit: every instruction set of this machine, one and three threads, both layouts, f32 and f64. Tensors
 * lie between guard zones: NaN before and behind, so that a read outside shows in the results and a write is seen. */
#include "../../src/math/fp.h"
#include "check.h"
#include "base/object.h"
#include "gemel/extend.h"
#include "kernels/convolve.h"
#include "kernels/kernels.h"

enum { GUARD = 64 };
typedef gm__conv_shape shape;

/* ---- the reference ---- */

typedef struct { double total, part, acc; int64_t k; bool f32; } chain;

static double narrow(const chain *c, double v) { return c->f32 ? (double)(float)v : v; }

/* The end of a chunk, and of a superblock. */
static void chain_close(chain *c, bool super) {
    c->part = narrow(c, c->part + c->acc);
    c->acc = 0;
    if (!super) return;
    c->total = narrow(c, c->total + c->part);
    c->part = 0;
}

static void chain_add(chain *c, double a, double b) {
    c->acc = c->f32 ? (double)fmaf((float)a, (float)b, (float)c->acc) : fma(a, b, c->acc);
    if (++c->k % 256 == 0) chain_close(c, c->k % 16384 == 0);
}

static double chain_end(chain *c) {
    if (c->k % 256) chain_close(c, false);
    return narrow(c, c->total + c->part);
}

static double get(const void *p, bool f32, int64_t i) {
    return f32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static void put(void *p, bool f32, int64_t i, double v) {
    if (f32) ((float *)p)[i] = (float)v;
    else ((double *)p)[i] = v;
}

static int64_t volume(const int64_t *a) { return a[0] * a[1] * a[2]; }
static void unravel(int64_t i, const int64_t *size, int64_t *at) {
    at[2] = i % size[2];
    at[1] = i / size[2] % size[1];
    at[0] = i / size[2] / size[1];
}

/* Offset of (n, c, at) in a batch of pictures. */
static int64_t offset(const shape *s, int64_t channels, const int64_t *size, int64_t n, int64_t c, const int64_t *at) {
    int64_t i = (at[0] * size[1] + at[1]) * size[2] + at[2], v = volume(size);
    return s->channels_last ? (n * v + i) * channels + c : (n * channels + c) * v + i;
}

/* The input that output `o` sees through tap t; false outside. */
static bool seen(const shape *s, const int64_t *o, const int64_t *t, int64_t *at) {
    bool inside = true;
    for (int i = 0; i < 3; i++) {
        at[i] = o[i] * s->stride[i] - s->pad_lo[i] + t[i] * s->dilation[i];
        inside = inside && at[i] >= 0 && at[i] < s->in[i];
    }
    return inside;
}

/* The output whose tap t falls on input `i`; false if there is none. */
static bool seen_from(const shape *s, const int64_t *i, const int64_t *t, int64_t *at) {
    bool hit = true;
    for (int j = 0; j < 3; j++) {
        int64_t v = i[j] + s->pad_lo[j] - t[j] * s->dilation[j];
        hit = hit && v >= 0 && v % s->stride[j] == 0 && v / s->stride[j] < s->out[j];
        at[j] = v >= 0 ? v / s->stride[j] : -1;
    }
    return hit;
}

static void forward(const shape *s, bool f32, const void *x, const void *w, const void *bias, void *y) {
    const int64_t cg = s->c_in / s->groups, og = s->c_out / s->groups, taps = volume(s->kernel);
    for (int64_t n = 0; n < s->batch; n++)
        for (int64_t o = 0; o < s->c_out; o++)
            for (int64_t q = 0; q < volume(s->out); q++) {
                chain c = { .f32 = f32 };
                int64_t at[3], tap[3], from[3];
                unravel(q, s->out, at);
                for (int64_t t = 0; t < taps; t++)
                    for (int64_t i = 0; i < cg; i++) {
                        unravel(t, s->kernel, tap);
                        bool in = seen(s, at, tap, from);
                        double v = in ? get(x, f32, offset(s, s->c_in, s->in, n, o / og * cg + i, from)) : 0;
                        chain_add(&c, v, get(w, f32, (o * cg + i) * taps + t));
                    }
                double r = chain_end(&c);
                if (bias) r = narrow(&c, r + get(bias, f32, o));
                put(y, f32, offset(s, s->c_out, s->out, n, o, at), r);
            }
}

static void data_grad(const shape *s, bool f32, const void *gy, const void *w, void *gx) {
    const int64_t cg = s->c_in / s->groups, og = s->c_out / s->groups, taps = volume(s->kernel);
    for (int64_t n = 0; n < s->batch; n++)
        for (int64_t i = 0; i < s->c_in; i++)
            for (int64_t q = 0; q < volume(s->in); q++) {
                chain c = { .f32 = f32 };
                int64_t at[3], tap[3], from[3];
                unravel(q, s->in, at);
                for (int64_t t = 0; t < taps; t++)
                    for (int64_t j = 0; j < og; j++) {
                        int64_t o = i / cg * og + j;
                        unravel(t, s->kernel, tap);
                        bool in = seen_from(s, at, tap, from);
                        double v = in ? get(gy, f32, offset(s, s->c_out, s->out, n, o, from)) : 0;
                        chain_add(&c, v, get(w, f32, (o * cg + i % cg) * taps + t));
                    }
                put(gx, f32, offset(s, s->c_in, s->in, n, i, at), chain_end(&c));
            }
}

static void weight_grad(const shape *s, bool f32, const void *x, const void *gy, void *gw) {
    const int64_t cg = s->c_in / s->groups, og = s->c_out / s->groups, taps = volume(s->kernel);
    for (int64_t o = 0; o < s->c_out; o++)
        for (int64_t i = 0; i < cg; i++)
            for (int64_t t = 0; t < taps; t++) {
                chain c = { .f32 = f32 };
                int64_t at[3], tap[3], from[3];
                unravel(t, s->kernel, tap);
                for (int64_t n = 0; n < s->batch; n++)
                    for (int64_t q = 0; q < volume(s->out); q++) {
                        unravel(q, s->out, at);
                        bool in = seen(s, at, tap, from);
                        double v = in ? get(x, f32, offset(s, s->c_in, s->in, n, o / og * cg + i, from)) : 0;
                        chain_add(&c, v, get(gy, f32, offset(s, s->c_out, s->out, n, o, at)));
                    }
                put(gw, f32, (o * cg + i) * taps + t, chain_end(&c));
            }
}

/* ---- tensors between guards ---- */

typedef struct { char *block; int64_t n; bool f32; } tensor;

static size_t width(const tensor *t) { return t->f32 ? 4 : 8; }
static void *data(const tensor *t) { return t->block + GUARD * width(t); }

static tensor tensor_new(int64_t n, bool f32) {
    tensor t = { NULL, n, f32 };
    t.block = malloc((size_t)(n + 2 * GUARD) * width(&t));
    memset(t.block, 0xff, (size_t)(n + 2 * GUARD) * width(&t)); /* NaN */
    return t;
}

static uint64_t noise_state = 1;
static double noise(void) {
    noise_state = noise_state * 6364136223846793005u + 1442695040888963407u;
    int32_t v = (int32_t)(noise_state >> 40) - (1 << 23);
    if (v % 11 == 0) return v % 2 ? 0.0 : -0.0;
    return (double)v / (1 << 23);
}

static tensor tensor_noise(int64_t n, bool f32, double scale) {
    tensor t = tensor_new(n, f32);
    for (int64_t i = 0; i < n; i++) put(data(&t), f32, i, noise() * scale);
    return t;
}

static bool guarded(const tensor *t) {
    size_t zone = GUARD * width(t), end = zone + (size_t)t->n * width(t);
    for (size_t i = 0; i < zone; i++)
        if ((unsigned char)t->block[i] != 0xff || (unsigned char)t->block[end + i] != 0xff) return false;
    return true;
}

/* Index of the first element whose bits differ, -1 if there is none. */
static int64_t first_difference(const tensor *a, const tensor *b) {
    for (int64_t i = 0; i < a->n; i++)
        if (memcmp((char *)data(a) + (size_t)i * width(a), (char *)data(b) + (size_t)i * width(a), width(a))) return i;
    return -1;
}

/* ---- one shape ---- */

static const char *isas[] = { "avx512", "avx2", "neon", "plain" };
static const int thread_counts[] = { 1, 3 };

static void report(const tensor *got, const tensor *want, const char *what, const shape *s, const char *isa,
                   int threads) {
    int64_t i = first_difference(got, want);
    CHECK(i < 0 && guarded(got),
          "%s f%d %s %d threads: C %lld O %lld G %lld in %lldx%lldx%lld kernel %lldx%lldx%lld last %d: at %lld: %.9g "
          "wanted %.9g, guards %d",
          what, want->f32 ? 32 : 64, isa, threads, (long long)s->c_in, (long long)s->c_out, (long long)s->groups,
          (long long)s->in[0], (long long)s->in[1], (long long)s->in[2], (long long)s->kernel[0],
          (long long)s->kernel[1], (long long)s->kernel[2], s->channels_last, (long long)i,
          get(data(got), got->f32, i < 0 ? 0 : i), get(data(want), got->f32, i < 0 ? 0 : i), guarded(got));
}

typedef struct { tensor x, w, bias, y, gx, gw; } results;

static void compare(const shape *s, const results *r, bool f32, const char *isa, int threads) {
    tensor y = tensor_new(r->y.n, f32), gx = tensor_new(r->gx.n, f32), gw = tensor_new(r->gw.n, f32);
    gm__conv_epilogue e = { data(&r->bias) };
    bool good;
    if (f32) {
        good = gm__conv_forward_f32(s, data(&r->x), data(&r->w), data(&y), &e);
        good = gm__conv_data_grad_f32(s, data(&r->y), data(&r->w), data(&gx)) && good;
        good = gm__conv_weight_grad_f32(s, data(&r->x), data(&r->y), data(&gw)) && good;
    } else {
        good = gm__conv_forward_f64(s, data(&r->x), data(&r->w), data(&y), &e);
        good = gm__conv_data_grad_f64(s, data(&r->y), data(&r->w), data(&gx)) && good;
        good = gm__conv_weight_grad_f64(s, data(&r->x), data(&r->y), data(&gw)) && good;
    }
    CHECK(good, "%s", gm_error_message());
    report(&y, &r->y, "forward", s, isa, threads);
    report(&gx, &r->gx, "data gradient", s, isa, threads);
    report(&gw, &r->gw, "weight gradient", s, isa, threads);
    free(y.block);
    free(gx.block);
    free(gw.block);
}

static void check_type(const shape *s, bool f32, double scale) {
    results r;
    r.x = tensor_noise(s->batch * s->c_in * volume(s->in), f32, scale);
    r.w = tensor_noise(s->c_out * (s->c_in / s->groups) * volume(s->kernel), f32, scale);
    r.bias = tensor_noise(s->c_out, f32, scale);
    r.y = tensor_new(s->batch * s->c_out * volume(s->out), f32);
    r.gx = tensor_new(r.x.n, f32);
    r.gw = tensor_new(r.w.n, f32);
    forward(s, f32, data(&r.x), data(&r.w), data(&r.bias), data(&r.y));
    data_grad(s, f32, data(&r.y), data(&r.w), data(&r.gx));
    weight_grad(s, f32, data(&r.x), data(&r.y), data(&r.gw));
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        const gm_kernels *table = gm__kernels_by_name(isas[i]);
        if (!table) continue;
        gm__conv_use(table);
        for (size_t t = 0; t < 2; t++) {
            gm_set_threads(thread_counts[t]);
            compare(s, &r, f32, isas[i], thread_counts[t]);
        }
    }
    gm__conv_use(NULL);
    free(r.x.block);
    free(r.w.block);
    free(r.bias.block);
    free(r.y.block);
    free(r.gx.block);
    free(r.gw.block);
}

static void check_scaled(shape s, double scale) {
    for (int i = 0; i < 3; i++) {
        if (!s.stride[i]) s.stride[i] = 1;
        if (!s.dilation[i]) s.dilation[i] = 1;
        if (!s.kernel[i]) s.kernel[i] = 1;
        if (!s.in[i]) s.in[i] = 1;
        if (!s.out[i])
            s.out[i] = (s.in[i] + s.pad_lo[i] + s.pad_hi[i] - s.dilation[i] * (s.kernel[i] - 1) - 1) / s.stride[i] + 1;
        if (s.kernel[i] > 1) s.n_spatial = s.n_spatial < 3 - i ? 3 - i : s.n_spatial;
    }
    if (!s.groups) s.groups = 1;
    for (int last = 0; last < 2; last++) {
        s.channels_last = last;
        check_type(&s, true, scale);
        check_type(&s, false, scale);
    }
}

static void check(shape s) { check_scaled(s, 1); }

/* ---- shapes ---- */

#define S(...) check((shape){ __VA_ARGS__ })
#define PAD(p) .pad_lo = { 0, p, p }, .pad_hi = { 0, p, p }

static void test_plain(void) {
    S(.batch = 2, .c_in = 3, .c_out = 5, .in = { 1, 7, 6 }, .kernel = { 1, 3, 3 });
    S(.batch = 1, .c_in = 1, .c_out = 6, .in = { 1, 28, 28 }, .kernel = { 1, 5, 5 }, PAD(2));
    S(.batch = 3, .c_in = 6, .c_out = 16, .in = { 1, 9, 9 }, .kernel = { 1, 5, 5 });
    S(.batch = 2, .c_in = 33, .c_out = 34, .in = { 1, 5, 5 }, .kernel = { 1, 3, 3 }, PAD(1));
    S(.batch = 2, .c_in = 16, .c_out = 64, .in = { 1, 8, 8 }, .kernel = { 1, 3, 3 }, PAD(1));
}

static void test_one_by_one(void) {
    S(.batch = 2, .c_in = 20, .c_out = 70, .in = { 1, 6, 7 }, .kernel = { 1, 1, 1 });
    S(.batch = 2, .c_in = 20, .c_out = 48, .in = { 1, 7, 9 }, .kernel = { 1, 1, 1 }, .stride = { 1, 2, 2 });
    S(.batch = 1, .c_in = 300, .c_out = 32, .in = { 1, 4, 4 }, .kernel = { 1, 1, 1 });
}

static void test_strides(void) {
    S(.batch = 2, .c_in = 3, .c_out = 8, .in = { 1, 19, 17 }, .kernel = { 1, 7, 7 }, .stride = { 1, 2, 2 },
      PAD(3));
    S(.batch = 1, .c_in = 4, .c_out = 4, .in = { 1, 11, 12 }, .kernel = { 1, 2, 3 }, .stride = { 1, 3, 2 },
      .pad_lo = { 0, 0, 2 }, .pad_hi = { 0, 1, 0 });
    S(.batch = 1, .c_in = 5, .c_out = 4, .in = { 1, 12, 12 }, .kernel = { 1, 2, 2 }, .stride = { 1, 4, 4 });
    S(.batch = 1, .c_in = 5, .c_out = 4, .in = { 1, 13, 14 }, .kernel = { 1, 3, 3 }, .stride = { 1, 2, 3 },
      .dilation = { 1, 2, 2 }, .pad_lo = { 0, 2, 1 }, .pad_hi = { 0, 2, 3 });
    S(.batch = 1, .c_in = 3, .c_out = 4, .in = { 1, 15, 15 }, .kernel = { 1, 3, 2 }, .stride = { 1, 4, 6 },
      .dilation = { 1, 2, 4 });
}

static void test_groups(void) {
    S(.batch = 2, .c_in = 12, .c_out = 8, .groups = 4, .in = { 1, 6, 6 }, .kernel = { 1, 3, 3 }, PAD(1));
    S(.batch = 1, .c_in = 70, .c_out = 140, .groups = 2, .in = { 1, 4, 3 }, .kernel = { 1, 3, 3 }, PAD(1));
}

static void test_depthwise(void) {
    S(.batch = 2, .c_in = 19, .c_out = 19, .groups = 19, .in = { 1, 9, 8 }, .kernel = { 1, 3, 3 }, PAD(1));
    S(.batch = 2, .c_in = 33, .c_out = 33, .groups = 33, .in = { 1, 11, 9 }, .kernel = { 1, 5, 5 },
      .stride = { 1, 2, 2 },
      .pad_lo = { 0, 2, 1 }, .pad_hi = { 0, 2, 2 });
    S(.batch = 1, .c_in = 5, .c_out = 10, .groups = 5, .in = { 1, 6, 6 }, .kernel = { 1, 3, 3 });
    S(.batch = 1, .c_in = 3, .c_out = 3, .groups = 3, .in = { 1, 1, 700 }, .kernel = { 1, 1, 300 },
      .pad_lo = { 0, 0, 10 });
    S(.batch = 2, .c_in = 4, .c_out = 4, .groups = 4, .in = { 5, 6, 7 }, .kernel = { 3, 3, 3 }, .stride = { 2, 1, 2 },
      .dilation = { 1, 2, 1 }, .pad_lo = { 1, 2, 1 }, .pad_hi = { 1, 2, 1 });
}

static void test_dimensions(void) {
    S(.batch = 2, .c_in = 7, .c_out = 9, .in = { 1, 1, 50 }, .kernel = { 1, 1, 5 }, .stride = { 1, 1, 2 },
      .pad_lo = { 0, 0, 3 });
    S(.batch = 1, .c_in = 2, .c_out = 3, .in = { 1, 1, 3000 }, .kernel = { 1, 1, 9 }, .dilation = { 1, 1, 3 },
      .pad_lo = { 0, 0, 24 });
    S(.batch = 2, .c_in = 4, .c_out = 6, .in = { 5, 6, 7 }, .kernel = { 3, 2, 3 }, .stride = { 2, 1, 2 },
      .pad_lo = { 1, 0, 1 }, .pad_hi = { 1, 1, 1 });
    S(.batch = 1, .c_in = 3, .c_out = 4, .in = { 6, 5, 5 }, .kernel = { 2, 3, 2 }, .dilation = { 3, 2, 1 },
      .pad_lo = { 2, 1, 1 });
}

static void test_odd_pads(void) {
    /* kernel larger than the input; outputs that see nothing but padding; cropping; results beyond the last window */
    S(.batch = 1, .c_in = 3, .c_out = 4, .in = { 1, 3, 2 }, .kernel = { 1, 5, 5 }, PAD(2));
    S(.batch = 1, .c_in = 2, .c_out = 3, .in = { 1, 4, 4 }, .kernel = { 1, 2, 2 }, .pad_lo = { 0, 4, 5 },
      .pad_hi = { 0, 3, 4 });
    S(.batch = 2, .c_in = 2, .c_out = 3, .in = { 1, 9, 8 }, .kernel = { 1, 3, 3 }, .pad_lo = { 0, -2, 1 },
      .pad_hi = { 0, 1, -3 });
    S(.batch = 1, .c_in = 4, .c_out = 3, .in = { 1, 8, 9 }, .kernel = { 1, 3, 3 }, .stride = { 1, 2, 2 },
      .out = { 1, 3, 3 });
}

/* Chunks of 256 that end inside of a tap, and superblocks of k. */
static void test_chunks(void) {
    S(.batch = 1, .c_in = 100, .c_out = 120, .in = { 1, 4, 5 }, .kernel = { 1, 3, 3 }, PAD(1));
    S(.batch = 1, .c_in = 90, .c_out = 70, .in = { 1, 5, 5 }, .kernel = { 1, 3, 3 }, .stride = { 1, 2, 2 },
      PAD(1));
    S(.batch = 1, .c_in = 5700, .c_out = 5, .in = { 1, 1, 4 }, .kernel = { 1, 1, 3 }, .pad_lo = { 0, 0, 1 },
      .pad_hi = { 0, 0, 1 });
    S(.batch = 1, .c_in = 3, .c_out = 9000, .in = { 1, 1, 3 }, .kernel = { 1, 1, 2 });
    S(.batch = 3, .c_in = 2, .c_out = 3, .in = { 1, 80, 90 }, .kernel = { 1, 2, 2 });
    S(.batch = 1, .c_in = 1, .c_out = 2, .in = { 1, 1, 20000 }, .kernel = { 1, 1, 3 }, .stride = { 1, 1, 1 },
      .pad_lo = { 0, 0, 1 });
}

/* Products that underflow: the signs of zeros. */
static void test_tiny(void) {
    check_scaled((shape){ .batch = 1, .c_in = 4, .c_out = 5, .in = { 1, 6, 6 }, .kernel = { 1, 3, 3 },
      .stride = { 1, 2, 2 },
                          PAD(1) },
                 1e-23);
    check_scaled((shape){ .batch = 1, .c_in = 6, .c_out = 6, .groups = 6, .in = { 1, 6, 6 }, .kernel = { 1, 3, 3 },
                          PAD(1) },
                 1e-23);
}

static void test_empty(void) {
    shape s = { .n_spatial = 2, .batch = 0, .c_in = 2, .c_out = 3, .groups = 1, .in = { 1, 4, 4 },
      .kernel = { 1, 3, 3 },
                .out = { 1, 2, 2 }, .stride = { 1, 1, 1 }, .dilation = { 1, 1, 1 } };
    float w[54] = { 0 }, gw[54];
    for (int i = 0; i < 54; i++) gw[i] = 7;
    CHECK(gm__conv_forward_f32(&s, w, w, NULL, NULL) && gm__conv_data_grad_f32(&s, w, w, NULL));
    CHECK(gm__conv_weight_grad_f32(&s, w, w, gw));
    for (int i = 0; i < 54; i++) CHECK(gw[i] == 0);
    s.groups = 4;
    CHECK(!gm__conv_forward_f32(&s, w, w, NULL, NULL) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
}

/* Every allocation fails once: false, an error, nothing lost. */
static void test_memory(void) {
    const shape s = { .n_spatial = 2, .batch = 1, .c_in = 2, .c_out = 3, .groups = 1, .in = { 1, 4, 4 },
      .kernel = { 1, 3, 3 },
                      .out = { 1, 4, 4 }, .stride = { 1, 1, 1 }, .pad_lo = { 0, 1, 1 }, .dilation = { 1, 1, 1 } };
    float x[32] = { 1 }, w[54] = { 2 }, y[48], gx[32], gw[54], bias[3] = { 0 };
    gm__conv_epilogue e = { bias };
    int64_t failed = 0;
    for (int64_t n = 1;; n++) {
        gm__fail_allocation(n, false);
        bool good = gm__conv_forward_f32(&s, x, w, y, &e) && gm__conv_data_grad_f32(&s, y, w, gx) &&
                    gm__conv_weight_grad_f32(&s, x, y, gw);
        gm__fail_allocation(0, false);
        if (good) break;
        CHECK(gm_error_code() == GM_ERROR_MEMORY);
        gm_error_clear();
        failed++;
    }
    CHECK(failed > 5);
}

int main(void) {
    RUN(test_plain);
    RUN(test_one_by_one);
    RUN(test_strides);
    RUN(test_groups);
    RUN(test_depthwise);
    RUN(test_dimensions);
    RUN(test_odd_pads);
    RUN(test_chunks);
    RUN(test_tiny);
    RUN(test_empty);
    RUN(test_memory);
    return check_done();
}
