/* resize.c: pictures in another size: one weighted sum along each axis.
 *
 * A table says which inputs a result takes and with what weights. The gradient is the same operation with the
 * transposed table, so `resize` and `resize_grad` share everything but that. Where the axis is the innermost in memory,
 * blocks of rows are turned on their side, so that the kernel's lanes are rows. */
#include "../math/fp.h"
#include "ops.h"
#include "../base/args.h"
#include "../base/memory.h"
#include "../kernels/kernels.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* dim: from the end, 1 is the last. from, to: sizes of the picture and of the result (resize_grad goes from `to` to
 * `from`). */
typedef struct { int64_t dim, from, to, mode, align_corners, antialias; double scale; } resize_attrs;
static const gm_attr resize_fields[] = {
    GM_ATTR(resize_attrs, dim, I64), GM_ATTR(resize_attrs, from, I64), GM_ATTR(resize_attrs, to, I64),
    GM_ATTR(resize_attrs, mode, I64), GM_ATTR(resize_attrs, align_corners, I64), GM_ATTR(resize_attrs, antialias, I64),
    GM_ATTR(resize_attrs, scale, F64), GM_ATTR_END };

extern const gm_op gm__op_resize, gm__op_resize_grad;

/* ---- tables: result o takes weight[at[o] .. at[o + 1]] of the inputs from first[o] on ---- */

typedef struct { int64_t n, *at, *first; double *weight; } resize_table;

static void resize_table_free(resize_table *t) {
    gm_free(t->at);
    gm_free(t->first);
    gm_free(t->weight);
}

static bool resize_table_new(resize_table *t, int64_t n, int64_t taps) {
    *t = (resize_table){ n, gm_alloc((size_t)(n + 1) * sizeof *t->at), gm_alloc((size_t)n * sizeof *t->first),
                         gm_alloc((size_t)(taps ? taps : 1) * sizeof *t->weight) };
    if (t->at && t->first && t->weight) return true;
    resize_table_free(t);
    return false;
}

/* The triangle, and the cubic of Keys (1981) with its parameter a. */
static double resize_filter(bool cubic, double a, double x) {
    if (x < 0) x = -x;
    if (!cubic) return x < 1 ? 1 - x : 0;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double resize_step(const resize_attrs *p) {
    if (p->align_corners) return p->to > 1 ? (double)(p->from - 1) / (double)(p->to - 1) : 0;
    return p->scale > 0 ? 1 / p->scale : (double)p->from / (double)p->to;
}

static int64_t resize_within(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* The position that result o looks at, in whole pixels. */
static int64_t resize_nearest(const resize_attrs *p, int64_t o) {
    if (p->scale > 0) return resize_within((int64_t)__builtin_floor((double)o * resize_step(p)), p->from);
    return resize_within((int64_t)((__int128)o * p->from / p->to), p->from);
}

/* Weights of result o for interpolation: neighbours outside of the picture count for its border. */
static void resize_interpolated(const resize_attrs *p, int64_t o, int64_t *first, double *w, int64_t *n) {
    bool cubic = p->mode == GM_RESIZE_CUBIC;
    double step = resize_step(p), at = p->align_corners ? (double)o * step : ((double)o + 0.5) * step - 0.5;
    if (!cubic && at < 0) at = 0;
    int64_t whole = (int64_t)__builtin_floor(at), reach = cubic ? 2 : 1,
            low = resize_within(whole - reach + 1, p->from);
    *first = low, *n = resize_within(whole + reach, p->from) - low + 1;
    for (int64_t i = 0; i < *n; i++) w[i] = 0;
    for (int64_t i = whole - reach + 1; i <= whole + reach; i++)
        w[resize_within(i, p->from) - low] += resize_filter(cubic, -0.75, at - (double)i);
}

/* Weights of result o with a filter as wide as the step. */
static void resize_filtered(const resize_attrs *p, int64_t o, int64_t *first, double *w, int64_t *n) {
    bool cubic = p->mode == GM_RESIZE_CUBIC;
    double step = resize_step(p), wide = step > 1 ? step : 1, support = (cubic ? 2 : 1) * wide, sum = 0;
    double centre = step * ((double)o + 0.5);
    int64_t low = (int64_t)(centre - support + 0.5), high = (int64_t)(centre + support + 0.5);
    low = low < 0 ? 0 : low >= p->from ? p->from - 1 : low;
    high = high > p->from ? p->from : high <= low ? low + 1 : high;
    *first = low, *n = high - low;
    for (int64_t i = 0; i < *n; i++)
        sum += w[i] = resize_filter(cubic, -0.5, ((double)(i + low) - centre + 0.5) / wide);
    for (int64_t i = 0; i < *n && sum != 0; i++) w[i] /= sum;
}

static bool resize_make_table(const resize_attrs *p, resize_table *t) {
    double step = resize_step(p);
    int64_t taps = 4 + (p->antialias && step > 1 ? (int64_t)(4 * step) + 4 : 4), n = 0;
    if (taps > p->from + 4) taps = p->from + 4;
    if (!resize_table_new(t, p->to, p->to * taps)) return false;
    for (int64_t o = 0; o < p->to; o++) {
        int64_t got = 1;
        t->at[o] = n;
        if (p->mode == GM_RESIZE_NEAREST) t->first[o] = resize_nearest(p, o), t->weight[n] = 1;
        else if (p->antialias) resize_filtered(p, o, &t->first[o], t->weight + n, &got);
        else resize_interpolated(p, o, &t->first[o], t->weight + n, &got);
        n += got;
    }
    t->at[p->to] = n;
    return true;
}

/* The table of the gradient. The results that take input i are neighbours, since windows move with o. */
static bool resize_transpose_table(const resize_table *t, int64_t n, resize_table *r) {
    int64_t *last = gm_alloc((size_t)n * sizeof *last), total = 0;
    if (!last) return false;
    if (!resize_table_new(r, n, 0)) {
        gm_free(last);
        return false;
    }
    for (int64_t i = 0; i < n; i++) r->first[i] = -1;
    for (int64_t o = 0; o < t->n; o++)
        for (int64_t i = t->first[o], k = t->at[o]; k < t->at[o + 1]; k++, i++) {
            if (r->first[i] < 0) r->first[i] = o;
            last[i] = o + 1;
        }
    for (int64_t i = 0; i < n; i++) {
        r->at[i] = total;
        if (r->first[i] < 0) r->first[i] = 0;
        total += last[i] - (last[i] ? r->first[i] : 0);
    }
    r->at[n] = total;
    gm_free(last);
    gm_free(r->weight);
    if (!(r->weight = gm_alloc((size_t)(total ? total : 1) * sizeof *r->weight))) {
        resize_table_free(r);
        return false;
    }
    for (int64_t o = 0; o < t->n; o++)
        for (int64_t i = t->first[o], k = t->at[o]; k < t->at[o + 1]; k++, i++)
            r->weight[r->at[i] + o - r->first[i]] = t->weight[k];
    return true;
}

static bool resize_table_for(const resize_attrs *p, bool gradient, resize_table *t) {
    if (!gradient) return resize_make_table(p, t);
    resize_table forward;
    if (!resize_make_table(p, &forward)) return false;
    bool ok = resize_transpose_table(&forward, p->from, t);
    resize_table_free(&forward);
    return ok;
}

/* Weights in the type of the data, over the f64 ones. */
static void resize_round_weights(resize_table *t, gm_dtype dtype) {
    for (int64_t i = 0; i < t->at[t->n]; i++) {
        double w = t->weight[i];
        float narrow = (float)w;
        int32_t fixed = dtype == GM_U8 ? (int32_t)(w * (1 << GM_RESAMPLE_BITS) + (w < 0 ? -0.5 : 0.5)) : 0;
        if (dtype == GM_F32) memcpy((char *)t->weight + i * 4, &narrow, 4);
        else if (dtype == GM_U8) memcpy((char *)t->weight + i * 4, &fixed, 4);
    }
}

/* ---- shapes ---- */

static int32_t resize_infer_to(const gm_op_args *a, gm_spec *out, int64_t from, int64_t to) {
    const resize_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0];
    if (p->dim < 1 || p->dim > x->shape.n || x->shape.d[x->shape.n - p->dim] != from || from < 1 || to < 1)
        return gm_fail(GM_ERROR_SHAPE, "resize: from %lld to %lld along dimension -%lld of %s", (long long)from,
                       (long long)to, (long long)p->dim, gm__tensor_shape_str(x)),
               -1;
    bool any = p->mode == GM_RESIZE_NEAREST && a->op == &gm__op_resize && gm__element_bytes(x->dtype) > 0 &&
               x->dtype != GM_STRING;
    if (!any && !gm_is_float(x->dtype) && !(x->dtype == GM_U8 && a->op == &gm__op_resize))
        return gm_fail(GM_ERROR_DTYPE, "resize: floats or u8 are needed, not %s", gm_dtype_name(x->dtype)), -1;
    if (p->mode < 0 || p->mode > GM_RESIZE_CUBIC ||
        (p->mode == GM_RESIZE_NEAREST && (p->align_corners || p->antialias)))
        return gm_fail(GM_ERROR_VALUE, "resize: mode %lld%s%s", (long long)p->mode,
                       p->align_corners ? " with align_corners" : "", p->antialias ? " with antialias" : ""),
               -1;
    double ratio = p->scale * (double)p->from / (double)p->to; /* sizes are scaled, and rounded down */
    if (p->scale > 0 && !(ratio > 0.5 && ratio < 2.5))
        return gm_fail(GM_ERROR_VALUE, "resize: from %lld to %lld by a scale of %g", (long long)p->from,
                       (long long)p->to, p->scale),
               -1;
    out->shape = x->shape;
    out->shape.d[x->shape.n - p->dim] = to;
    out->dtype = x->dtype;
    out->channels_last = gm__prefers_channels_last(a->in, 1, x->shape.n);
    return 1;
}

static int32_t resize_infer(const gm_op_args *a, gm_spec *out) {
    const resize_attrs *p = a->attrs;
    return resize_infer_to(a, out, p->from, p->to);
}

static int32_t resize_grad_infer(const gm_op_args *a, gm_spec *out) {
    const resize_attrs *p = a->attrs;
    return resize_infer_to(a, out, p->to, p->from);
}

/* ---- values ---- */

enum { RESIZE_ROWS = 64 };
typedef void (*resize_fn)(const gm__resample *p, int64_t begin, int64_t end);
typedef struct { gm__resample plan; resize_fn f; int bytes; atomic_bool failed; } resize_job;

static void resize_range(void *env, int64_t begin, int64_t end) {
    resize_job *j = env;
    j->f(&j->plan, begin, end);
}

/* y [cols, rows] = x [rows, cols] turned; rows of x are `cols` apart, rows of y `pitch`. */
static void resize_turn(const void *x, void *y, int64_t rows, int64_t cols, int64_t x_pitch, int64_t y_pitch,
                        int bytes) {
#define RESIZE_TURN(T)                                                                                                 \
    for (int64_t c = 0; c < cols; c++)                                                                                 \
        for (int64_t r = 0; r < rows; r++) ((T *)y)[c * y_pitch + r] = ((const T *)x)[r * x_pitch + c]
    if (bytes == 1) RESIZE_TURN(uint8_t);
    else if (bytes == 4) RESIZE_TURN(uint32_t);
    else RESIZE_TURN(uint64_t);
#undef RESIZE_TURN
}

/* Blocks begin..end of RESIZE_ROWS rows. */
static void resize_turned_range(void *env, int64_t begin, int64_t end) {
    resize_job *j = env;
    const gm__resample *p = &j->plan;
    size_t got = 0, in = (size_t)p->n * RESIZE_ROWS * (size_t)j->bytes,
           out = (size_t)p->m * RESIZE_ROWS * (size_t)j->bytes;
    char *work = gm__block_take(in + out, &got);
    if (!work) {
        atomic_store(&j->failed, true);
        return;
    }
    for (int64_t b = begin; b < end; b++) {
        int64_t row = b * RESIZE_ROWS, rows = p->outer - row < RESIZE_ROWS ? p->outer - row : RESIZE_ROWS;
        gm__resample q = *p;
        q.outer = 1, q.inner = rows, q.x = work, q.y = work + in;
        resize_turn((const char *)p->x + row * p->n * j->bytes, work, rows, p->n, p->n, rows, j->bytes);
        j->f(&q, 0, p->m);
        resize_turn(work + in, (char *)p->y + row * p->m * j->bytes, p->m, rows, rows, p->m, j->bytes);
    }
    gm__block_give(work, got);
}

/* Nearest: no arithmetic, so that every bit of every dtype stays. */
static void resize_copy_range(void *env, int64_t begin, int64_t end) {
    const resize_job *j = env;
    const gm__resample *p = &j->plan;
    int64_t bytes = p->inner * j->bytes;
    for (int64_t q = begin; q < end; q++)
        memcpy((char *)p->y + q * bytes, (const char *)p->x + (q / p->m * p->n + p->first[q % p->m]) * bytes,
               (size_t)bytes);
}

static bool resize_run(resize_job *j, int64_t taps) {
    const gm__resample *p = &j->plan;
    int64_t each = p->inner * (taps / p->m + 2);
    if (!j->f) gm_parallel_for(p->outer * p->m, 60000 / (p->inner + 8) + 1, resize_copy_range, j);
    else if (p->inner >= 8) gm_parallel_for(p->outer * p->m, 60000 / each + 1, resize_range, j);
    else if (p->inner > 1) gm_parallel_for(p->outer * p->m, 10000 / each + 1, resize_range, j);
    else
        gm_parallel_for((p->outer + RESIZE_ROWS - 1) / RESIZE_ROWS, 40000 / (RESIZE_ROWS * (taps + p->n)) + 1,
                        resize_turned_range, j);
    return !atomic_load(&j->failed) || gm_fail(GM_ERROR_MEMORY, "resize: no working memory");
}

static resize_fn resize_function(gm_dtype t) {
    const gm_kernels *k = gm__kernels();
    return t == GM_F32 ? k->resample_f32 : t == GM_F64 ? k->resample_f64 : k->resample_u8;
}

static bool resize_compute(const gm_op_args *a, gm_tensor *y, bool gradient) {
    const resize_attrs *p = a->attrs;
    bool last = gm__prefers_channels_last(a->in, 1, a->in[0]->shape.n),
         copies = !gradient && p->mode == GM_RESIZE_NEAREST;
    gm_tensor *x = last ? gm_channels_last(a->in[0]) : gm_contiguous(a->in[0]);
    resize_table t;
    if (!x) return false;
    if (gm_shape_count(x->shape) == 0) return true;
    if (!resize_table_for(p, gradient, &t)) return false;
    int axis = x->shape.n - (int)p->dim;
    resize_job j = { .f = copies ? NULL : resize_function(x->dtype), .bytes = gm__element_bytes(x->dtype) };
    gm__resample *r = &j.plan;
    *r = (gm__resample){ .x = gm__data(x), .y = gm__data(y), .outer = 1, .n = x->shape.d[axis], .m = y->shape.d[axis],
                         .inner = x->stride[axis], .at = t.at, .first = t.first, .weight = t.weight };
    r->outer = gm_shape_count(x->shape) / (r->n * r->inner);
    resize_round_weights(&t, x->dtype);
    bool ok = resize_run(&j, t.at[t.n]);
    resize_table_free(&t);
    return ok;
}

static bool resize_kernel(const gm_op_args *a, gm_tensor **out) { return resize_compute(a, out[0], false); }
static bool resize_grad_kernel(const gm_op_args *a, gm_tensor **out) { return resize_compute(a, out[0], true); }

static bool resize_grad(const gm_grad_args *a) {
    a->gin[0] = gm__call1(&gm__op_resize_grad, a->attrs, a->gout[0]);
    return gm_ok();
}

static bool resize_grad_grad(const gm_grad_args *a) {
    a->gin[0] = gm__call1(&gm__op_resize, a->attrs, a->gout[0]);
    return gm_ok();
}

static bool resize_batch(const gm_batch_args *a) { /* dimensions are counted from the end */
    a->out[0] = gm__call1(a->op, a->attrs, a->in[0]);
    return gm_ok();
}

#define RESIZE(...) &(resize_attrs) { __VA_ARGS__ }
const gm_op gm__op_resize = {
    .size = sizeof(gm_op), .name = "resize", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_LINEAR | GM_OP_COMPUTE_F32, .attrs_bytes = sizeof(resize_attrs), .attrs = resize_fields,
    .infer = resize_infer, .kernel = resize_kernel, .grad = resize_grad, .batch = resize_batch,
    .cases = (const gm_case[]){ { "[2,3,5]", RESIZE(1, 5, 8, GM_RESIZE_LINEAR, 0, 0, 0), 0, 0, 0 },
                                { "[2,9,3]", RESIZE(2, 9, 4, GM_RESIZE_CUBIC, 0, 1, 0), 0, 0, 0 },
                                { "[2,7]", RESIZE(1, 7, 3, GM_RESIZE_NEAREST, 0, 0, 0), 0, 0, 0 },
                                { "[2,7]", RESIZE(1, 7, 10, GM_RESIZE_CUBIC, 1, 0, 0), 0, 0, 0 },
                                { "u8[3,7,2] below 256", RESIZE(2, 7, 4, GM_RESIZE_LINEAR, 0, 1, 0), 0,
                                  GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "another size along one dimension",
};
const gm_op gm__op_resize_grad = {
    .size = sizeof(gm_op), .name = "resize_grad", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_LINEAR | GM_OP_COMPUTE_F32, .attrs_bytes = sizeof(resize_attrs), .attrs = resize_fields,
    .infer = resize_grad_infer, .kernel = resize_grad_kernel, .grad = resize_grad_grad, .batch = resize_batch,
    .cases = (const gm_case[]){ { "[2,3,8]", RESIZE(1, 5, 8, GM_RESIZE_LINEAR, 0, 0, 0), 0, 0, 0 },
                                { "[2,3]", RESIZE(1, 7, 3, GM_RESIZE_NEAREST, 0, 0, 0), 0, 0, 0 }, { 0 } },
    .doc = "the gradient of resize",
};
#undef RESIZE

/* ---- public functions ---- */

static gm_tensor *resize_axis(gm_tensor *x, int dim, int64_t to, double scale, const gm_resize_args *o) {
    if (!x || (x->shape.n >= dim && x->shape.d[x->shape.n - dim] == to && !(scale > 0))) return x;
    resize_attrs p = { dim, x->shape.n >= dim ? x->shape.d[x->shape.n - dim] : 0, to, o->mode, o->align_corners != 0,
                       o->antialias != 0, scale };
    return gm__call1(&gm__op_resize, &p, x);
}

/* The last n dimensions; `to`: sizes, the last dimension's first. */
static gm_tensor *resize_axes(const char *op, gm_tensor *x, int n, const int64_t *to, const gm_resize_args *args) {
    gm_resize_args o;
    if (!gm_ok() || !gm__args_take(op, &o, sizeof o, args) || !gm__check_tensor(x, op, 1)) return NULL;
    if (x->shape.n < n) {
        gm_fail(GM_ERROR_SHAPE, "%s: %d dimensions are needed, the input is %s", op, n, gm__tensor_shape_str(x));
        return NULL;
    }
    gm_dtype t = x->dtype;
    bool narrow = gm_is_float(t) && t != GM_F32 && t != GM_F64 && o.mode != GM_RESIZE_NEAREST;
    if (narrow) x = gm_cast(x, GM_F32); /* rounded once, after all axes */
    const double scale[] = { o.scale_w, o.scale_h, o.scale_d };
    for (int i = 0; i < n; i++) x = resize_axis(x, i + 1, to[i], scale[i], &o);
    return narrow && x ? gm_cast(x, t) : x;
}

gm_tensor *gm_resize3d_with(gm_tensor *x, int64_t d, int64_t h, int64_t w, const gm_resize3d_args *args) {
    return resize_axes("resize3d", x, 3, (int64_t[]){ w, h, d }, args);
}
gm_tensor *gm_resize2d_with(gm_tensor *x, int64_t h, int64_t w, const gm_resize2d_args *args) {
    return resize_axes("resize2d", x, 2, (int64_t[]){ w, h }, args);
}
gm_tensor *gm_resize1d_with(gm_tensor *x, int64_t w, const gm_resize1d_args *args) {
    return resize_axes("resize1d", x, 1, &w, args);
}
gm_tensor *(gm_resize3d)(gm_tensor *x, int64_t d, int64_t h, int64_t w) { return gm_resize3d_with(x, d, h, w, NULL); }
gm_tensor *(gm_resize2d)(gm_tensor *x, int64_t h, int64_t w) { return gm_resize2d_with(x, h, w, NULL); }
gm_tensor *(gm_resize1d)(gm_tensor *x, int64_t w) { return gm_resize1d_with(x, w, NULL); }
