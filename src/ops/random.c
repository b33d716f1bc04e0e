/* random.c: operations that draw numbers.
 *
 * A call takes its place in the default stream (seed, module path, count) when it is made and keeps it as attributes,
 * so running it again, in the backward pass for instance, gives the same numbers. */
#include "../math/fp.h"
#include "ops.h"
#include "../base/context.h"
#include "../base/stream.h"
#include "../kernels/kernels.h"

#include <stddef.h>
#include <string.h>

typedef struct { gm_shape shape; int64_t dtype, kind, key, count; double scale, shift; } random_attrs;
static const gm_attr random_fields[] = { GM_ATTR(random_attrs, shape, SHAPE), GM_ATTR(random_attrs, dtype, I64),
                                         GM_ATTR(random_attrs, kind, I64),    GM_ATTR(random_attrs, key, I64),
                                         GM_ATTR(random_attrs, count, I64),   GM_ATTR(random_attrs, scale, F64),
                                         GM_ATTR(random_attrs, shift, F64),   GM_ATTR_END };
enum { RANDOM_UNIFORM = 0, RANDOM_NORMAL = 1, RANDOM_INTEGERS = 2, RANDOM_GRAIN = 8192 };

static int32_t random_infer(const gm_op_args *a, gm_spec *out) {
    const random_attrs *p = a->attrs;
    bool integers = p->kind == RANDOM_INTEGERS;
    if (integers ? !gm_is_integer((gm_dtype)p->dtype) : !gm_is_float((gm_dtype)p->dtype))
        return gm_fail(GM_ERROR_DTYPE, "random: %s numbers of type %s", integers ? "integer" : "real",
                       gm_dtype_name((gm_dtype)p->dtype)), -1;
    bool fits = p->scale >= 1 && p->scale <= UINT32_MAX && p->shift >= -0x1p63 && p->shift <= 0x1p63 - 0x1p33;
    if (integers && !fits)
        return gm_fail(GM_ERROR_VALUE, "random: %g integers from %g on", p->scale, p->shift), -1;
    out->shape = p->shape;
    out->dtype = (gm_dtype)p->dtype;
    return 1;
}

typedef struct { const random_attrs *p; gm_tensor *y; } random_job;

static void random_reals_f64(const random_attrs *p, int64_t begin, int64_t end, double *y) {
    const gm_kernels *k = gm__kernels();
    (p->kind == RANDOM_NORMAL ? k->random_normal_f64 : k->random_uniform_f64)((uint64_t)p->key, (uint64_t)p->count,
                                                                              begin, end, y);
    for (int64_t i = 0; i < end - begin; i++) y[i] = y[i] * p->scale + p->shift;
}

static void random_reals_f32(const random_attrs *p, int64_t begin, int64_t end, float *y) {
    const gm_kernels *k = gm__kernels();
    (p->kind == RANDOM_NORMAL ? k->random_normal_f32 : k->random_uniform_f32)((uint64_t)p->key, (uint64_t)p->count,
                                                                              begin, end, y);
    float scale = (float)p->scale, shift = (float)p->shift;
    if (scale == 1 && shift == 0) return;
    for (int64_t i = 0; i < end - begin; i++) y[i] = y[i] * scale + shift;
}

/* shift + (word * span >> 32): uniform to within span / 2^32. */
static void random_integers(const random_attrs *p, int64_t begin, int64_t end, int64_t *y) {
    uint32_t w[256];
    gm__kernels()->random_words((uint64_t)p->key, (uint64_t)p->count, begin, end, w);
    uint64_t span = (uint64_t)p->scale;
    for (int64_t i = 0; i < end - begin; i++) y[i] = (int64_t)p->shift + (int64_t)((w[i] * span) >> 32);
}

static void random_range(void *env, int64_t begin, int64_t end) {
    const random_job *j = env;
    int64_t n = gm_shape_count(j->p->shape);
    int bytes = gm__element_bytes(j->y->dtype);
    for (int64_t at = begin * 256; at < end * 256 && at < n; at += 256) {
        int64_t stop = at + 256 < n ? at + 256 : n;
        char *to = gm__data(j->y) + at * bytes;
        union { double d[256]; float f[256]; int64_t i[256]; } block;
        if (j->p->kind == RANDOM_INTEGERS) {
            random_integers(j->p, at, stop, block.i);
            gm__convert_run(block.i, GM_I64, to, j->y->dtype, stop - at);
        } else if (j->y->dtype == GM_F64) random_reals_f64(j->p, at, stop, (double *)to);
        else if (j->y->dtype == GM_F32) random_reals_f32(j->p, at, stop, (float *)to);
        else {
            random_reals_f32(j->p, at, stop, block.f);
            gm__convert_run(block.f, GM_F32, to, j->y->dtype, stop - at);
        }
    }
}

static bool random_kernel(const gm_op_args *a, gm_tensor **out) {
    random_job j = { a->attrs, out[0] };
    gm_parallel_for((gm_shape_count(out[0]->shape) + 255) / 256, RANDOM_GRAIN / 256, random_range, &j);
    return true;
}

/* Every entry has numbers of its own. */
static bool random_batch(const gm_batch_args *a) {
    random_attrs p = *(const random_attrs *)a->attrs;
    if (p.shape.n == GM_MAX_DIMS) return gm_fail(GM_ERROR_SHAPE, "random: no dimension is left for a batch");
    memmove(p.shape.d + 1, p.shape.d, (size_t)p.shape.n++ * sizeof *p.shape.d);
    p.shape.d[0] = a->size;
    a->out[0] = gm_op_call1(a->op, NULL, 0, &p);
    return a->out[0] != NULL;
}

const gm_op gm__op_random = {
    .size = sizeof(gm_op),
    .name = "random",
    .version = 1,
    .min_in = 0,
    .max_in = 0,
    .n_out = 1,
    .flags = GM_OP_NO_GRAD | GM_OP_RANDOM,
    .attrs_bytes = sizeof(random_attrs),
    .attrs = random_fields,
    .infer = random_infer,
    .kernel = random_kernel,
    .batch = random_batch,
    .cases = (const gm_case[]){ { "", &(random_attrs){ { 1, { 0 }, { 1000 } }, GM_F32, 0, 7, 3, 1, 0 }, 0,
                                  GM_CASE_NO_GRAD | GM_CASE_NO_F64, 0 },
                                { "", &(random_attrs){ { 2, { 0 }, { 33, 31 } }, GM_F32, 1, 7, 4, 2, 1 }, 0,
                                  GM_CASE_NO_GRAD | GM_CASE_NO_F64, 0 },
                                { "", &(random_attrs){ { 1, { 0 }, { 77 } }, GM_I64, 2, 7, 5, 10, -3 }, 0,
                                  GM_CASE_NO_GRAD | GM_CASE_NO_F64, 0 },
                                { 0 } },
    .doc = "random numbers of a place in a stream",
};

void gm_op_redraw(const gm_op *op, void *attrs) {
    if (!op || !(op->flags & GM_OP_RANDOM)) return;
    uint64_t seed, count = gm__draw_next(&seed);
    for (const gm_attr *a = op->attrs; a && a->name; a++) {
        int64_t *field = (int64_t *)((char *)attrs + a->offset);
        if (!strcmp(a->name, "key")) *field = (int64_t)gm__stream_key(seed, gm__context()->where);
        if (!strcmp(a->name, "count")) *field = (int64_t)count;
    }
}

/* The next place of the default stream, for the module being run. */
static gm_tensor *random_next(gm_shape shape, gm_dtype dtype, int kind, double scale, double shift) {
    if (!gm_ok()) return NULL;
    uint64_t seed, count = gm__draw_next(&seed);
    random_attrs p = { shape,          dtype, kind, (int64_t)gm__stream_key(seed, gm__context()->where),
                       (int64_t)count, scale, shift };
    return gm_op_call1(&gm__op_random, NULL, 0, &p);
}

gm_tensor *gm_rand(gm_shape shape, gm_dtype dtype) { return random_next(shape, dtype, RANDOM_UNIFORM, 1, 0); }
gm_tensor *gm_randn(gm_shape shape, gm_dtype dtype) { return random_next(shape, dtype, RANDOM_NORMAL, 1, 0); }

gm_tensor *gm_rand_between(gm_shape shape, gm_dtype dtype, double low, double high) {
    return random_next(shape, dtype, RANDOM_UNIFORM, high - low, low);
}

gm_tensor *gm_randint(gm_shape shape, int64_t low, int64_t high, gm_dtype dtype) {
    if (!gm_ok()) return NULL;
    if (low >= high || high - low > UINT32_MAX) {
        gm_fail(GM_ERROR_VALUE, "randint: from %lld to %lld", (long long)low, (long long)high);
        return NULL;
    }
    return random_next(shape, dtype, RANDOM_INTEGERS, (double)(high - low), (double)low);
}

gm_tensor *gm_random_of(gm_random_key key, gm_shape shape, gm_dtype dtype, int kind, double scale, double shift) {
    random_attrs p = {
        shape, dtype, kind, (int64_t)gm__stream_key(key.seed, key.path), (int64_t)key.count, scale, shift
    };
    return gm_op_call1(&gm__op_random, NULL, 0, &p);
}

/* Fisher and Yates from the top, each step by its own word. */
gm_tensor *gm_randperm(int64_t n) {
    if (!gm_ok()) return NULL;
    if (n < 0 || n > UINT32_MAX) {
        gm_fail(GM_ERROR_VALUE, "randperm: of %lld", (long long)n);
        return NULL;
    }
    GM_SCOPE(scope);
    gm_tensor *order = gm_arange(0, (double)n, 1, GM_I64),
              *words = gm_randint((gm_shape){ 1, { 0 }, { n } }, 0, UINT32_MAX, GM_I64);
    int64_t *p = gm_mutable_data(order);
    const int64_t *w = gm_data(words);
    for (int64_t i = n - 1; p && w && i > 0; i--) {
        int64_t j = (int64_t)(((uint64_t)w[i] * (uint64_t)(i + 1)) >> 32), t = p[i];
        p[i] = p[j], p[j] = t;
    }
    return gm_return(&scope, order);
}

gm_tensor *gm_bernoulli(gm_tensor *x) {
    if (!gm_ok() || !gm__check_tensor(x, "bernoulli", 1)) return NULL;
    return gm_cast(gm_lt(gm_rand(x->shape, GM_F32), x), x->dtype);
}

/* ---- dropout ----
 * Its own operation: the mask is a function of its place in the stream, so nothing is saved for the backward pass,
 * which is the same operation on the gradient. */

typedef struct { int64_t key, count, channels; double p; } dropout_attrs;
static const gm_attr dropout_fields[] = { GM_ATTR(dropout_attrs, key, I64), GM_ATTR(dropout_attrs, count, I64),
                                          GM_ATTR(dropout_attrs, channels, I64), GM_ATTR(dropout_attrs, p, F64),
                                          GM_ATTR_END };

static int32_t dropout_infer(const gm_op_args *a, gm_spec *out) {
    const dropout_attrs *p = a->attrs;
    if (!gm_is_float(a->in[0]->dtype))
        return gm_fail(GM_ERROR_DTYPE, "dropout: %s is not a float", gm_dtype_name(a->in[0]->dtype)), -1;
    if (!(p->p >= 0 && p->p < 1)) return gm_fail(GM_ERROR_VALUE, "dropout: p is %g, not in [0, 1)", p->p), -1;
    if (p->channels && a->in[0]->shape.n < 2)
        return gm_fail(GM_ERROR_SHAPE, "dropout_channels: %s has no channels", gm__tensor_shape_str(a->in[0])), -1;
    out->shape = a->in[0]->shape;
    out->dtype = a->in[0]->dtype;
    return 1;
}

/* Elements that share a draw: 1, or the spatial size. */
typedef struct { const dropout_attrs *p; const gm_tensor *x; gm_tensor *y; int64_t per_draw; } dropout_job;

static void dropout_block(const dropout_job *j, int64_t at, int64_t n) {
    float u[256];
    gm__kernels()->random_uniform_f32((uint64_t)j->p->key, (uint64_t)j->p->count, at, at + n, u);
    float p = (float)j->p->p;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t e = (at + i) * j->per_draw; e < (at + i + 1) * j->per_draw; e++) {
            if (j->y->dtype == GM_F64) {
                double scale = 1.0 / (1.0 - j->p->p);
                ((double *)gm__data(j->y))[e] = u[i] < p ? 0 : ((const double *)gm__data(j->x))[e] * scale;
            } else {
                float scale = (float)(1.0 / (1.0 - j->p->p));
                ((float *)gm__data(j->y))[e] = u[i] < p ? 0 : ((const float *)gm__data(j->x))[e] * scale;
            }
        }
    }
}

static void dropout_range(void *env, int64_t begin, int64_t end) {
    const dropout_job *j = env;
    int64_t n = gm_shape_count(j->x->shape) / j->per_draw;
    for (int64_t at = begin * 256; at < end * 256 && at < n; at += 256)
        dropout_block(j, at, n - at < 256 ? n - at : 256);
}

static bool dropout_kernel(const gm_op_args *a, gm_tensor **out) {
    const dropout_attrs *p = a->attrs;
    dropout_job j = { p, a->in[0], out[0], 1 };
    for (int d = 2; p->channels && d < j.x->shape.n; d++) j.per_draw *= j.x->shape.d[d];
    if (gm_shape_count(j.x->shape) == 0) return true;
    int64_t draws = gm_shape_count(j.x->shape) / j.per_draw;
    gm_parallel_for((draws + 255) / 256, RANDOM_GRAIN / 256 / j.per_draw, dropout_range, &j);
    return true;
}

static bool dropout_grad(const gm_grad_args *a) {
    a->gin[0] = gm__call1(a->op, a->attrs, a->gout[0]);
    return a->gin[0] != NULL;
}

/* One mask over all entries; where channels share a draw, the entry counts as part of the first dimension. */
static bool dropout_batch(const gm_batch_args *a) {
    gm_tensor *x = gm__batched(a, 0);
    if (!x) return false;
    gm_shape s = x->shape, flat = s;
    if (((const dropout_attrs *)a->attrs)->channels) {
        flat.n--, flat.d[0] *= s.d[1];
        memmove(flat.d + 1, s.d + 2, (size_t)(s.n - 2) * sizeof *s.d);
        x = gm_reshape(x, flat);
    }
    a->out[0] = gm_reshape(gm__call1(a->op, a->attrs, x), s);
    return a->out[0] != NULL;
}

const gm_op gm__op_dropout = {
    .size = sizeof(gm_op), .name = "dropout", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_LINEAR | GM_OP_RANDOM | GM_OP_CONTIGUOUS | GM_OP_COMPUTE_F32, .attrs_bytes = sizeof(dropout_attrs),
    .attrs = dropout_fields, .infer = dropout_infer, .kernel = dropout_kernel, .grad = dropout_grad,
    .batch = dropout_batch,
    .cases = (const gm_case[]){ { "[7,9]", &(dropout_attrs){ 1, 2, 0, 0.4 }, 0, 0, 0 },
                                { "[3,4,5]", &(dropout_attrs){ 1, 2, 1, 0.4 }, 0, 0, 0 }, { 0 } },
    .doc = "random elements (or channels) become zero, the others grow",
};

static gm_tensor *dropout_next(gm_tensor *x, double p, bool channels) {
    if (!gm_ok()) return NULL;
    uint64_t seed, count = gm__draw_next(&seed);
    dropout_attrs a = { (int64_t)gm__stream_key(seed, gm__context()->where), (int64_t)count, channels, p };
    return gm__call1(&gm__op_dropout, &a, x);
}

gm_tensor *gm_dropout(gm_tensor *x, double p) { return dropout_next(x, p, false); }
gm_tensor *gm_dropout_channels(gm_tensor *x, double p) { return dropout_next(x, p, true); }
