/* pool.c: pooling, on the templates of kernels/pool.h.
 *
 * Nothing but x is kept for the gradient of max_pool: the place of each maximum is found again. max_pool_grad (what
 * arrives goes to the place) and max_pool_pick (what lies at the place is taken) are each other's gradients, and so are
 * avg_pool and avg_pool_grad. */
#include "../math/fp.h"
#include "ops.h"
#include "../base/args.h"
#include "../kernels/kernels.h"

#include <stddef.h>
#include <string.h>

/* Spatial entries in the order of the shape, unused ones behind: 1, padding 0. `adaptive`: `kernel` holds the sizes of
 * the result. `size`: spatial sizes of gx for avg_pool_grad, else 0. */
typedef struct {
    int64_t n, adaptive, ceil_mode, exclude_padding, divisor;
    int64_t kernel[3], stride[3], dilation[3], pad_lo[3], pad_hi[3], size[3];
} window_attrs;
static const gm_attr window_fields[] = {
    GM_ATTR(window_attrs, n, I64), GM_ATTR(window_attrs, adaptive, I64), GM_ATTR(window_attrs, ceil_mode, I64),
    GM_ATTR(window_attrs, exclude_padding, I64), GM_ATTR(window_attrs, divisor, I64),
    GM_ATTRS(window_attrs, kernel, I64S, 3), GM_ATTRS(window_attrs, stride, I64S, 3),
    GM_ATTRS(window_attrs, dilation, I64S, 3), GM_ATTRS(window_attrs, pad_lo, I64S, 3),
    GM_ATTRS(window_attrs, pad_hi, I64S, 3), GM_ATTRS(window_attrs, size, I64S, 3), GM_ATTR_END };

extern const gm_op gm__op_max_pool, gm__op_max_pool_index, gm__op_max_pool_grad, gm__op_max_pool_pick;
extern const gm_op gm__op_avg_pool, gm__op_avg_pool_grad;

/* ---- shapes ---- */

static bool window_check(const char *op, const window_attrs *p) {
    for (int i = 0; i < p->n && !p->adaptive; i++) {
        int64_t reach = p->dilation[i] * (p->kernel[i] - 1) + 1;
        if (p->kernel[i] < 1 || p->stride[i] < 1 || p->dilation[i] < 1 || p->pad_lo[i] < 0 || p->pad_hi[i] < 0 ||
            p->pad_lo[i] >= reach || p->pad_hi[i] >= reach)
            return gm_fail(GM_ERROR_VALUE,
                           "%s: kernel %lld, stride %lld, dilation %lld, padding %lld and %lld in spatial "
                           "dimension %d: padding must be less than the kernel",
                           op, (long long)p->kernel[i], (long long)p->stride[i], (long long)p->dilation[i],
                           (long long)p->pad_lo[i], (long long)p->pad_hi[i], i);
    }
    return true;
}

/* Windows along spatial dimension i of size `in`; -1 if not one fits. */
static int64_t window_count(const window_attrs *p, int i, int64_t in) {
    if (p->adaptive) return p->kernel[i];
    int64_t room = in + p->pad_lo[i] + p->pad_hi[i] - p->dilation[i] * (p->kernel[i] - 1) - 1;
    if (room < 0 || in < 1) return -1;
    int64_t n = (room + (p->ceil_mode ? p->stride[i] - 1 : 0)) / p->stride[i] + 1;
    return p->ceil_mode && (n - 1) * p->stride[i] >= in + p->pad_lo[i] ? n - 1 : n; /* none begins behind the picture */
}

/* The shape of y for an x of `shape`. */
static bool window_shape(const gm_op_args *a, const gm_shape *shape, gm_shape *out) {
    const window_attrs *p = a->attrs;
    const char *op = a->op->name;
    if (shape->n != p->n + 2)
        return gm_fail(GM_ERROR_SHAPE, "%s: %lld dimensions are needed, the input is %s", op, (long long)p->n + 2,
                       gm__shape_str(shape));
    if (!window_check(op, p)) return false;
    int64_t volume = 1;
    *out = *shape;
    for (int i = 0; i < p->n; i++) {
        out->d[2 + i] = window_count(p, i, shape->d[2 + i]);
        if (out->d[2 + i] < 1 || shape->d[2 + i] < 1)
            return gm_fail(GM_ERROR_SHAPE, "%s: no window of %lld fits into dimension %d of %s", op,
                           (long long)p->kernel[i], 2 + i, gm__shape_str(shape));
        if (__builtin_mul_overflow(volume, shape->d[2 + i], &volume) || volume > INT32_MAX)
            return gm_fail(GM_ERROR_SHAPE, "%s: the pictures of %s are too large", op, gm__shape_str(shape));
    }
    return true;
}

static bool window_check_types(const gm_op_args *a) {
    for (int i = 0; i < a->n_in; i++)
        if (!gm_is_float(a->in[i]->dtype) || a->in[i]->dtype != a->in[0]->dtype)
            return gm_fail(GM_ERROR_DTYPE, "%s: floats of one dtype are needed, not %s", a->op->name,
                           gm_dtype_name(a->in[i]->dtype));
    return true;
}

static bool window_check_shape(const gm_op_args *a, const gm_shape *wanted) {
    return gm_shape_equal(a->in[0]->shape, *wanted) ||
           gm_fail(GM_ERROR_SHAPE, "%s: argument 1 is %s, %s is needed", a->op->name, gm__tensor_shape_str(a->in[0]),
                   gm__shape_str(wanted));
}

static int32_t window_infer(const gm_op_args *a, gm_spec *out) {
    if (!window_check_types(a) || !window_shape(a, &a->in[0]->shape, &out->shape)) return -1;
    out->dtype = a->in[0]->dtype;
    out->channels_last = gm__prefers_channels_last(a->in, 1, out->shape.n);
    return 1;
}

static int32_t window_index_infer(const gm_op_args *a, gm_spec *out) {
    if (window_infer(a, out) < 0) return -1;
    out->dtype = GM_I64;
    return 1;
}

/* (g, x) -> gx */
static int32_t window_max_grad_infer(const gm_op_args *a, gm_spec *out) {
    gm_shape y;
    if (!window_check_types(a) || !window_shape(a, &a->in[1]->shape, &y) || !window_check_shape(a, &y)) return -1;
    out->shape = a->in[1]->shape;
    out->dtype = a->in[1]->dtype;
    out->channels_last = gm__prefers_channels_last(a->in + 1, 1, out->shape.n);
    return 1;
}

/* (t, x) -> like y */
static int32_t window_pick_infer(const gm_op_args *a, gm_spec *out) {
    const gm_shape *x = &a->in[1]->shape;
    if (!window_check_types(a) || !window_shape(a, x, &out->shape) || !window_check_shape(a, x)) return -1;
    out->dtype = a->in[1]->dtype;
    out->channels_last = gm__prefers_channels_last(a->in + 1, 1, out->shape.n);
    return 1;
}

static int32_t window_avg_grad_infer(const gm_op_args *a, gm_spec *out) {
    const window_attrs *p = a->attrs;
    gm_shape x = a->in[0]->shape, y;
    for (int i = 0; i < p->n && 2 + i < x.n; i++) x.d[2 + i] = p->size[i];
    if (!window_check_types(a) || !window_shape(a, &x, &y) || !window_check_shape(a, &y)) return -1;
    out->shape = x;
    out->dtype = a->in[0]->dtype;
    out->channels_last = gm__prefers_channels_last(a->in, 1, x.n);
    return 1;
}

/* ---- plans ---- */

typedef void (*window_fn)(const gm__pool_plan *p, int64_t begin, int64_t end);
typedef struct { const gm__pool_plan *plan; window_fn f; } window_run;

static void window_range(void *env, int64_t begin, int64_t end) {
    const window_run *r = env;
    r->f(r->plan, begin, end);
}

/* The taps of every output along axis i of the plan, whose spatial dimension is j (negative: none). */
static void window_axis(const window_attrs *a, gm__pool_plan *p, int i, int j, int32_t *lists) {
    int64_t in = p->in[i], n = p->out[i], d = p->dilation[i];
    int32_t *first = lists, *count = lists + n, *divide = lists + 2 * n;
    p->first[i] = first, p->count[i] = count, p->divide[i] = divide;
    for (int64_t o = 0; o < n; o++) {
        if (a->adaptive || j < 0) {
            first[o] = (int32_t)(o * in / n);
            count[o] = divide[o] = (int32_t)(((o + 1) * in + n - 1) / n - o * in / n);
            continue;
        }
        int64_t start = o * p->stride[i] - p->pad[i], end = start + d * (p->kernel[i] - 1) + 1;
        int64_t padded = in + a->pad_hi[j], from = start < 0 ? start + (-start + d - 1) / d * d : start;
        int64_t last = end < in ? end : in;
        first[o] = (int32_t)from;
        count[o] = (int32_t)(from < last ? (last - from + d - 1) / d : 0);
        divide[o] = a->exclude_padding ? count[o] ? count[o] : 1 : (int32_t)((end < padded ? end : padded) - start);
    }
}

/* Fill in sizes and windows; memory for the lists comes back in *lists. */
static bool window_plan(const window_attrs *a, const gm_shape *x, const gm_shape *y, gm__pool_plan *p,
                        int32_t **lists) {
    p->batch = x->d[0], p->channels = x->d[1], p->regular = !a->adaptive;
    p->divisor = (double)a->divisor;
    int64_t total = 0;
    for (int i = 0; i < 3; i++) {
        int j = i - (3 - (int)a->n);
        bool used = j >= 0, window = used && !a->adaptive;
        p->in[i] = used ? x->d[2 + j] : 1;
        p->out[i] = used ? y->d[2 + j] : 1;
        p->kernel[i] = window ? a->kernel[j] : 1;
        p->stride[i] = window ? a->stride[j] : 1;
        p->dilation[i] = window ? a->dilation[j] : 1;
        p->pad[i] = window ? a->pad_lo[j] : 0;
        total += 3 * p->out[i];
    }
    int32_t *at = *lists = gm_alloc((size_t)total * sizeof *at);
    if (!at) return false;
    for (int i = 0; i < 3; i++) {
        window_axis(a, p, i, i - (3 - (int)a->n), at);
        at += 3 * p->out[i];
    }
    return true;
}

/* Taps of one picture: about a quarter of a nanosecond each. */
static int64_t window_work(const gm__pool_plan *p) {
    int64_t n = 1;
    for (int i = 0; i < 3; i++) n *= p->out[i] * (p->regular ? p->kernel[i] : p->in[i] / p->out[i] + 1);
    return n;
}

static void window_go(const gm__pool_plan *p, window_fn f, bool gradient) {
    window_run r = { p, f };
    int64_t work = window_work(p), rows = p->out[0] * p->out[1], n, each;
    bool last = p->channels_last && p->channels > 1;
    if (gradient) n = p->batch * (last ? (p->channels + 255) / 256 : p->channels), each = work * (last ? 256 : 1);
    else n = p->batch * rows * (last ? 1 : p->channels), each = work / rows * (last ? p->channels : 1);
    gm_parallel_for(n, 40000 / (each + 64) + 1, window_range, &r);
}

static gm_tensor *window_laid(gm_tensor *x, bool last) { return last ? gm_channels_last(x) : gm_contiguous(x); }

/* Run f: x (what the places are found in) and `from` in the layout of `like`. big: the shape of x or gx. */
static bool window_apply(const gm_op_args *a, window_fn f32, window_fn f64, gm_tensor *like, gm_tensor *x,
                         gm_tensor *from, gm_tensor *out, const gm_shape *big, const gm_shape *small) {
    bool last = gm__prefers_channels_last(&like, 1, like->shape.n);
    if ((x && !(x = window_laid(x, last))) || (from && !(from = window_laid(from, last)))) return false;
    if (gm_shape_count(*big) == 0) return true;
    gm__pool_plan p = { .x = x ? gm__data(x) : NULL, .from = from ? gm__data(from) : NULL, .to = gm__data(out) };
    int32_t *lists = NULL;
    p.channels_last = last;
    if (out->dtype == GM_I64) p.index = p.to;
    if (!window_plan(a->attrs, big, small, &p, &lists)) return false;
    window_go(&p, like->dtype == GM_F32 ? f32 : f64, &out->shape == big);
    gm_free(lists);
    return true;
}

static bool max_pool_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_tensor *x = a->in[0];
    return window_apply(a, k->pool_max_f32, k->pool_max_f64, x, x, NULL, out[0], &x->shape, &out[0]->shape);
}

static bool max_pool_index_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_tensor *x = a->in[0];
    return window_apply(a, k->pool_index_f32, k->pool_index_f64, x, x, NULL, out[0], &x->shape, &out[0]->shape);
}

static bool max_pool_pick_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_tensor *x = a->in[1];
    return window_apply(a, k->pool_index_f32, k->pool_index_f64, x, x, a->in[0], out[0], &x->shape, &out[0]->shape);
}

static bool max_pool_grad_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    return window_apply(a, k->pool_max_grad_f32, k->pool_max_grad_f64, a->in[1], a->in[1], a->in[0], out[0],
                        &out[0]->shape, &a->in[0]->shape);
}

static bool avg_pool_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_tensor *x = a->in[0];
    return window_apply(a, k->pool_avg_f32, k->pool_avg_f64, x, x, NULL, out[0], &x->shape, &out[0]->shape);
}

static bool avg_pool_grad_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_tensor *g = a->in[0];
    return window_apply(a, k->pool_avg_grad_f32, k->pool_avg_grad_f64, g, NULL, g, out[0], &out[0]->shape, &g->shape);
}

/* ---- derivatives and batches ---- */

static bool max_pool_grad(const gm_grad_args *a) {
    a->gin[0] = gm__call2(&gm__op_max_pool_grad, a->attrs, a->gout[0], a->in[0]);
    return gm_ok();
}

static bool max_pool_jvp(const gm_jvp_args *a) {
    a->tout[0] = a->tin[0] ? gm__call2(&gm__op_max_pool_pick, a->attrs, a->tin[0], a->in[0]) : NULL;
    return gm_ok();
}

static bool max_pool_grad_grad(const gm_grad_args *a) {
    if (a->needs[0]) a->gin[0] = gm__call2(&gm__op_max_pool_pick, a->attrs, a->gout[0], a->in[1]);
    return gm_ok();
}

static bool max_pool_pick_grad(const gm_grad_args *a) {
    if (a->needs[0]) a->gin[0] = gm__call2(&gm__op_max_pool_grad, a->attrs, a->gout[0], a->in[1]);
    return gm_ok();
}

static bool max_pool_second_jvp(const gm_jvp_args *a) { /* linear in the first input; places do not move */
    a->tout[0] = a->tin[0] ? gm__call2(a->op, a->attrs, a->tin[0], a->in[1]) : NULL;
    return gm_ok();
}

static bool avg_pool_grad(const gm_grad_args *a) {
    window_attrs p = *(const window_attrs *)a->attrs;
    for (int i = 0; i < p.n; i++) p.size[i] = a->in[0]->shape.d[2 + i];
    a->gin[0] = gm__call1(&gm__op_avg_pool_grad, &p, a->gout[0]);
    return gm_ok();
}

static bool avg_pool_grad_grad(const gm_grad_args *a) {
    window_attrs p = *(const window_attrs *)a->attrs;
    memset(p.size, 0, sizeof p.size);
    a->gin[0] = gm__call1(&gm__op_avg_pool, &p, a->gout[0]);
    return gm_ok();
}

/* The batch is more pictures. */
static bool window_batch(const gm_batch_args *a) {
    gm_tensor *in[2], *y;
    for (int i = 0; i < a->n_in; i++) {
        in[i] = gm__batched(a, i);
        if (!in[i] || !(in[i] = gm_flatten_dims(in[i], 0, 1))) return false;
    }
    if (!(y = gm_op_call1(a->op, in, a->n_in, a->attrs))) return false;
    gm_shape s = { .n = y->shape.n + 1, .d = { a->size, a->size ? y->shape.d[0] / a->size : 0 } };
    for (int d = 2; d < s.n; d++) s.d[d] = y->shape.d[d - 1];
    a->out[0] = gm_reshape(y, s);
    return gm_ok();
}

/* ---- records ---- */

#define WINDOW(...) &(window_attrs) { __VA_ARGS__ }
#define WINDOW_MAX(first, second, third)                                                                               \
    { first, WINDOW(2, .kernel = { 2, 2, 1 }, .stride = { 2, 2, 1 }, .dilation = { 1, 1, 1 }), 0, 0, 0 },              \
    { second, WINDOW(2, .ceil_mode = 1, .kernel = { 3, 2, 1 }, .stride = { 2, 1, 1 }, .dilation = { 1, 2, 1 },         \
                     .pad_lo = { 1, 0 }, .pad_hi = { 1, 1 }), 0, 0, 0 },                                               \
    { third, WINDOW(1, .adaptive = 1, .kernel = { 3, 1, 1 }), 0, 0, 0 }, { 0 }

static const gm_case max_pool_cases[] = { WINDOW_MAX("[2,3,6,4] distinct", "[1,2,6,7] distinct", "[2,3,7] distinct") };
static const gm_case max_pool_index_cases[] = {
    { "[2,3,6,5] distinct", WINDOW(2, .kernel = { 2, 3, 1 }, .stride = { 2, 1, 1 }, .dilation = { 1, 1, 1 }), 0, 0, 0 },
    { "[2,3,7] distinct", WINDOW(1, .adaptive = 1, .kernel = { 3, 1, 1 }), 0, 0, 0 }, { 0 } };
static const gm_case max_pool_grad_cases[] = { WINDOW_MAX("[2,3,3,2];[2,3,6,4] distinct grad:no",
    "[1,2,4,6];[1,2,6,7] distinct grad:no", "[2,3,3];[2,3,7] distinct grad:no") };
static const gm_case max_pool_pick_cases[] = { WINDOW_MAX("[2,3,6,4];[2,3,6,4] distinct grad:no",
    "[1,2,6,7];[1,2,6,7] distinct grad:no", "[2,3,7];[2,3,7] distinct grad:no") };

#define WINDOW_OP(inputs)                                                                                              \
    .size = sizeof(gm_op), .version = 1, .min_in = inputs, .max_in = inputs, .n_out = 1, .attrs = window_fields,       \
    .attrs_bytes = sizeof(window_attrs), .batch = window_batch

const gm_op gm__op_max_pool = {
    WINDOW_OP(1), .name = "max_pool", .flags = GM_OP_COMPUTE_F32, .saves_in = 1,
    .infer = window_infer, .kernel = max_pool_kernel, .grad = max_pool_grad, .jvp = max_pool_jvp,
    .cases = max_pool_cases, .doc = "the largest of each window",
};
const gm_op gm__op_max_pool_index = {
    WINDOW_OP(1), .name = "max_pool_index", .flags = GM_OP_COMPUTE_F32 | GM_OP_NO_GRAD,
    .infer = window_index_infer, .kernel = max_pool_index_kernel,
    .cases = max_pool_index_cases, .doc = "where in its picture the largest of each window is",
};
const gm_op gm__op_max_pool_grad = {
    WINDOW_OP(2),
    .name = "max_pool_grad",
    .flags = GM_OP_COMPUTE_F32,
    .saves_in = 2,
    .diff_in = 1,
    .infer = window_max_grad_infer,
    .kernel = max_pool_grad_kernel,
    .grad = max_pool_grad_grad,
    .jvp = max_pool_second_jvp,
    .cases = max_pool_grad_cases,
    .doc = "the gradient of max_pool",
};
const gm_op gm__op_max_pool_pick = {
    WINDOW_OP(2), .name = "max_pool_pick", .flags = GM_OP_COMPUTE_F32, .saves_in = 2, .diff_in = 1,
    .infer = window_pick_infer, .kernel = max_pool_pick_kernel, .grad = max_pool_pick_grad, .jvp = max_pool_second_jvp,
    .cases = max_pool_pick_cases, .doc = "the values that lie where max_pool finds its maxima in x",
};

static const gm_case avg_pool_cases[] = {
    { "[2,3,6,4]", WINDOW(2, .kernel = { 2, 2, 1 }, .stride = { 2, 2, 1 }, .dilation = { 1, 1, 1 }), 0, 0, 0 },
    { "[1,2,6,7]",
      WINDOW(2, .ceil_mode = 1, .exclude_padding = 1, .kernel = { 3, 3, 1 }, .stride = { 2, 1, 1 },
             .dilation = { 1, 1, 1 }, .pad_lo = { 1, 0 }, .pad_hi = { 1, 1 }),
      0, 0, 0 },
    { "[1,2,3,5,4]",
      WINDOW(3, .kernel = { 2, 3, 2 }, .stride = { 1, 2, 2 }, .dilation = { 1, 1, 1 }, .pad_lo = { 0, 1, 1 },
             .pad_hi = { 0, 1, 1 }),
      0, 0, 0 },
    { "[2,3,7,5]", WINDOW(2, .adaptive = 1, .kernel = { 3, 2, 1 }), 0, 0, 0 },
    { 0 }
};
static const gm_case avg_pool_grad_cases[] = {
    { "[2,3,3,2]", WINDOW(2, .kernel = { 2, 2, 1 }, .stride = { 2, 2, 1 }, .dilation = { 1, 1, 1 }, .size = { 6, 4 }),
      0, 0, 0 },
    { "[2,3,3,2]", WINDOW(2, .adaptive = 1, .kernel = { 3, 2, 1 }, .size = { 7, 5 }), 0, 0, 0 },
    { 0 }
};

const gm_op gm__op_avg_pool = {
    WINDOW_OP(1), .name = "avg_pool", .flags = GM_OP_COMPUTE_F32 | GM_OP_LINEAR,
    .infer = window_infer, .kernel = avg_pool_kernel, .grad = avg_pool_grad,
    .cases = avg_pool_cases, .doc = "the average of each window",
};
const gm_op gm__op_avg_pool_grad = {
    WINDOW_OP(1), .name = "avg_pool_grad", .flags = GM_OP_COMPUTE_F32 | GM_OP_LINEAR,
    .infer = window_avg_grad_infer, .kernel = avg_pool_grad_kernel, .grad = avg_pool_grad_grad,
    .cases = avg_pool_grad_cases, .doc = "the gradient of avg_pool",
};
#undef WINDOW
#undef WINDOW_MAX
#undef WINDOW_OP

/* ---- public functions ---- */

static gm_tensor *window_call(const gm_op *op, const window_attrs *p, gm_tensor *x) {
    if (!gm_ok() || !gm__check_tensor(x, op->name, 1)) return NULL;
    if (x->shape.n != p->n + 1) return gm__call1(op, p, x);
    gm_tensor *y = gm__call1(op, p, gm_unsqueeze(x, 0)); /* no batch dimension */
    return y ? gm_squeeze(y, 0) : NULL;
}

static bool window_any(const int32_t v[3]) { return v[0] || v[1] || v[2]; }

static window_attrs window_options(int n, int kernel, const gm_max_pool_args *o) {
    bool arrays = window_any(o->padding_low) || window_any(o->padding_high);
    window_attrs p = { .n = n, .ceil_mode = o->ceil_mode != 0 };
    for (int i = 0; i < 3; i++) {
        bool used = i < n;
        p.kernel[i] = !used ? 1 : window_any(o->kernels) ? o->kernels[i] : kernel;
        p.stride[i] = !used ? 1 : o->strides[i] ? o->strides[i] : o->stride ? o->stride : p.kernel[i];
        p.dilation[i] = !used ? 1 : o->dilations[i] ? o->dilations[i] : o->dilation ? o->dilation : 1;
        p.pad_lo[i] = !used ? 0 : arrays ? o->padding_low[i] : o->padding;
        p.pad_hi[i] = !used ? 0 : arrays ? o->padding_high[i] : o->padding;
    }
    return p;
}

static gm_tensor *window_max(int n, gm_tensor *x, int kernel, const gm_max_pool_args *args) {
    gm_max_pool_args o;
    if (!gm_ok() || !gm__args_take("max_pool", &o, sizeof o, args)) return NULL;
    window_attrs p = window_options(n, kernel, &o);
    gm_tensor *y = window_call(&gm__op_max_pool, &p, x);
    if (y && o.indices && !(*o.indices = window_call(&gm__op_max_pool_index, &p, x))) return NULL;
    return y;
}

static gm_tensor *window_avg(int n, gm_tensor *x, int kernel, const gm_avg_pool_args *args) {
    gm_avg_pool_args a;
    if (!gm_ok() || !gm__args_take("avg_pool", &a, sizeof a, args)) return NULL;
    gm_max_pool_args o = { .stride = a.stride, .padding = a.padding, .ceil_mode = a.ceil_mode };
    memcpy(o.kernels, a.kernels, sizeof o.kernels);
    memcpy(o.strides, a.strides, sizeof o.strides);
    memcpy(o.padding_low, a.padding_low, sizeof o.padding_low);
    memcpy(o.padding_high, a.padding_high, sizeof o.padding_high);
    window_attrs p = window_options(n, kernel, &o);
    p.exclude_padding = a.exclude_padding != 0, p.divisor = a.divisor;
    return window_call(&gm__op_avg_pool, &p, x);
}

#define WINDOW_FUNCTIONS(n)                                                                                            \
    gm_tensor *gm_max_pool##n##d_with(gm_tensor *x, int kernel, const gm_max_pool##n##d_args *args) {                  \
        return window_max(n, x, kernel, args);                                                                         \
    }                                                                                                                  \
    gm_tensor *(gm_max_pool##n##d)(gm_tensor *x, int kernel) { return window_max(n, x, kernel, NULL); }                \
    gm_tensor *gm_avg_pool##n##d_with(gm_tensor *x, int kernel, const gm_avg_pool##n##d_args *args) {                  \
        return window_avg(n, x, kernel, args);                                                                         \
    }                                                                                                                  \
    gm_tensor *(gm_avg_pool##n##d)(gm_tensor *x, int kernel) { return window_avg(n, x, kernel, NULL); }
WINDOW_FUNCTIONS(1)
WINDOW_FUNCTIONS(2)
WINDOW_FUNCTIONS(3)
#undef WINDOW_FUNCTIONS

/* ---- adaptive and global ---- */

static gm_tensor *window_mean(gm_tensor *x, int n, bool keep) {
    int32_t dims[3] = { -1, -2, -3 };
    return gm_mean_dims(x, dims, n, keep);
}

static gm_tensor *window_adaptive(const gm_op *op, gm_tensor *x, int n, int64_t a, int64_t b, int64_t c) {
    window_attrs p = { .n = n, .adaptive = 1, .kernel = { a, n > 1 ? b : 1, n > 2 ? c : 1 } };
    if (!gm_ok() || !gm__check_tensor(x, op->name, 1)) return NULL;
    bool whole = true;
    for (int i = 0; i < n; i++) {
        if (p.kernel[i] == 0 && x->shape.n >= n) p.kernel[i] = x->shape.d[x->shape.n - n + i];
        whole = whole && p.kernel[i] == 1;
    }
    if (whole && op == &gm__op_avg_pool && (x->shape.n == n + 1 || x->shape.n == n + 2)) return window_mean(x, n, true);
    return window_call(op, &p, x);
}

gm_tensor *gm_adaptive_avg_pool1d(gm_tensor *x, int64_t w) { return window_adaptive(&gm__op_avg_pool, x, 1, w, 1, 1); }
gm_tensor *gm_adaptive_max_pool1d(gm_tensor *x, int64_t w) { return window_adaptive(&gm__op_max_pool, x, 1, w, 1, 1); }
gm_tensor *gm_adaptive_avg_pool2d(gm_tensor *x, int64_t h, int64_t w) {
    return window_adaptive(&gm__op_avg_pool, x, 2, h, w, 1);
}
gm_tensor *gm_adaptive_max_pool2d(gm_tensor *x, int64_t h, int64_t w) {
    return window_adaptive(&gm__op_max_pool, x, 2, h, w, 1);
}
gm_tensor *gm_adaptive_avg_pool3d(gm_tensor *x, int64_t d, int64_t h, int64_t w) {
    return window_adaptive(&gm__op_avg_pool, x, 3, d, h, w);
}
gm_tensor *gm_adaptive_max_pool3d(gm_tensor *x, int64_t d, int64_t h, int64_t w) {
    return window_adaptive(&gm__op_max_pool, x, 3, d, h, w);
}

static bool window_check_global(const char *op, gm_tensor *x) {
    if (!gm_ok() || !gm__check_tensor(x, op, 1)) return false;
    return (x->shape.n >= 3 && x->shape.n <= 5) ||
           gm_fail(GM_ERROR_SHAPE, "%s: 3 to 5 dimensions are needed, the input is %s", op, gm__tensor_shape_str(x));
}

gm_tensor *gm_global_avg_pool(gm_tensor *x, bool keep) {
    return window_check_global("global_avg_pool", x) ? window_mean(x, x->shape.n - 2, keep) : NULL;
}

gm_tensor *gm_global_max_pool(gm_tensor *x, bool keep) {
    if (!window_check_global("global_max_pool", x)) return NULL;
    gm_tensor *y = window_adaptive(&gm__op_max_pool, x, x->shape.n - 2, 1, 1, 1);
    return y && !keep ? gm_reshape(y, (gm_shape){ 2, { 0 }, { x->shape.d[0], x->shape.d[1] } }) : y;
}
