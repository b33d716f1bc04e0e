/* pad.c: borders around tensors.
 *
 * A constant border is an operation of its own, whose gradient is itself with the widths negated. The other borders
 * repeat what is there: each dimension is a selection of its slices, the first dimension first. */
#include "../math/fp.h"
#include "../base/args.h"
#include "ops.h"

#include <stddef.h>

/* low, high: one entry per dimension */
typedef struct { gm_shape low, high; double value; } pad_attrs;
static const gm_attr pad_fields[] = { GM_ATTR(pad_attrs, low, SHAPE), GM_ATTR(pad_attrs, high, SHAPE),
                                      GM_ATTR(pad_attrs, value, F64), GM_ATTR_END };

extern const gm_op gm__op_pad;

static int32_t pad_infer(const gm_op_args *a, gm_spec *out) {
    const pad_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0];
    if (!gm__domain(x->dtype)) return gm_fail(GM_ERROR_DTYPE, "pad: %s is not a number", gm_dtype_name(x->dtype)), -1;
    if (p->low.n != x->shape.n || p->high.n != x->shape.n)
        return gm_fail(GM_ERROR_SHAPE, "pad: widths for %d and %d dimensions, x is %s", p->low.n, p->high.n,
                       gm__tensor_shape_str(x)),
               -1;
    out->dtype = x->dtype;
    out->channels_last = gm__prefers_channels_last(a->in, 1, x->shape.n);
    out->shape.n = x->shape.n;
    for (int d = 0; d < x->shape.n; d++) {
        int64_t size, low = p->low.d[d], high = p->high.d[d];
        if (__builtin_add_overflow(low, high, &size) || __builtin_add_overflow(size, x->shape.d[d], &size) || size < 0)
            return gm_fail(GM_ERROR_SHAPE, "pad: %lld in front and %lld behind in dimension %d of %s", (long long)low,
                           (long long)high, d, gm__tensor_shape_str(x)),
                   -1;
        out->shape.d[d] = size;
    }
    return 1;
}

static bool pad_kernel(const gm_op_args *a, gm_tensor **out) {
    const pad_attrs *p = a->attrs;
    gm_tensor *x = a->in[0], *y = out[0];
    int64_t one = 0, bytes = gm__element_bytes(y->dtype);
    gm__convert_run(&p->value, GM_F64, &one, y->dtype, 1);
    gm__operand border = { .data = &one, .dtype = y->dtype }, from = gm__operand_of(x), to = gm__operand_of(y);
    if (!gm_shape_count(y->shape) || !gm__copy(&y->shape, &border, &to)) return gm_ok();
    gm_shape inside = x->shape;
    for (int d = 0; d < x->shape.n; d++) {
        int64_t low = p->low.d[d], high = p->high.d[d];
        inside.d[d] -= (low < 0 ? -low : 0) + (high < 0 ? -high : 0);
        if (inside.d[d] <= 0) return true;
        if (low < 0) from.data = (char *)from.data - low * from.stride[d] * bytes;
        else to.data = (char *)to.data + low * to.stride[d] * bytes;
    }
    return gm__copy(&inside, &from, &to);
}

static bool pad_grad(const gm_grad_args *a) {
    pad_attrs p = *(const pad_attrs *)a->attrs;
    for (int d = 0; d < p.low.n; d++) p.low.d[d] = -p.low.d[d], p.high.d[d] = -p.high.d[d];
    p.value = 0;
    a->gin[0] = gm__call1(&gm__op_pad, &p, a->gout[0]);
    return gm_ok();
}

static bool pad_jvp(const gm_jvp_args *a) {
    pad_attrs p = *(const pad_attrs *)a->attrs;
    p.value = 0;
    if (a->tin[0]) a->tout[0] = gm__call1(&gm__op_pad, &p, a->tin[0]);
    return gm_ok();
}

static bool pad_batch(const gm_batch_args *a) {
    const pad_attrs *own = a->attrs;
    pad_attrs p = { { .n = own->low.n + 1 }, { .n = own->low.n + 1 }, own->value };
    for (int d = 0; d < own->low.n; d++) p.low.d[d + 1] = own->low.d[d], p.high.d[d + 1] = own->high.d[d];
    a->out[0] = gm__call1(a->op, &p, a->in[0]);
    return gm_ok();
}

const gm_op gm__op_pad = {
    .size = sizeof(gm_op), .name = "pad", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs_bytes = sizeof(pad_attrs), .attrs = pad_fields, .infer = pad_infer, .kernel = pad_kernel, .grad = pad_grad,
    .jvp = pad_jvp, .batch = pad_batch,
    .cases = (const gm_case[]){
        { "[3,5]", &(pad_attrs){ { 2, { 0 }, { 1, 0 } }, { 2, { 0 }, { 0, 2 } }, 0.5 }, 0, 0, 0 },
        { "[2,4,5]", &(pad_attrs){ { 3, { 0 }, { 0, -1, 2 } }, { 3, { 0 }, { 1, 3, -2 } }, 0 }, 0, 0, 0 },
        { "i16[4] below 9", &(pad_attrs){ { 1, { 0 }, { 2 } }, { 1, { 0 }, { 3 } }, -1 }, 0, GM_CASE_NO_GRAD, 0 },
        { 0 } },
    .doc = "a tensor inside a border of one value, or cut",
};

/* ---- public functions ---- */

static int64_t pad_mod(int64_t i, int64_t n) { return (i % n + n) % n; }

/* The slice that stands at place i, which may lie outside of 0..size-1. */
static int64_t pad_source(gm_pad_mode mode, int64_t i, int64_t size) {
    int64_t period, m;
    if (mode == GM_PAD_REPLICATE || size == 1) return i < 0 ? 0 : i < size ? i : size - 1;
    if (mode == GM_PAD_CIRCULAR) return pad_mod(i, size);
    period = mode == GM_PAD_REFLECT ? 2 * size - 2 : 2 * size;
    m = pad_mod(i, period);
    return m < size ? m : mode == GM_PAD_REFLECT ? period - m : period - 1 - m;
}

static gm_tensor *pad_select(gm_tensor *x, gm_pad_mode mode, int d, int64_t low, int64_t high) {
    int64_t size = x->shape.d[d], n = size + low + high;
    if (n < 0 || (n > 0 && size == 0)) {
        gm_fail(GM_ERROR_SHAPE, "pad: %lld in front and %lld behind in dimension %d of %s", (long long)low,
                (long long)high, d, gm__tensor_shape_str(x));
        return NULL;
    }
    gm_tensor *index = gm_empty((gm_shape){ 1, { 0 }, { n } }, GM_I64);
    int64_t *at = index ? (int64_t *)gm__data(index) : NULL;
    for (int64_t i = 0; at && i < n; i++) at[i] = pad_source(mode, i - low, size);
    return gm_index_select(x, d, index);
}

gm_tensor *gm_pad_with(gm_tensor *x, gm_shape low, gm_shape high, const gm_pad_args *args) {
    gm_pad_args o;
    if (!gm_ok() || !gm__args_take("pad", &o, sizeof o, args) || !gm__check_tensor(x, "pad", 1)) return NULL;
    if (low.n != high.n || low.n < 0 || low.n > x->shape.n) {
        gm_fail(GM_ERROR_SHAPE, "pad: %d widths in front and %d behind for x %s", low.n, high.n,
                gm__tensor_shape_str(x));
        return NULL;
    }
    if (o.mode < GM_PAD_CONSTANT || o.mode > GM_PAD_SYMMETRIC)
        return gm_fail(GM_ERROR_VALUE, "pad: mode %d", (int)o.mode), NULL;
    int skip = x->shape.n - low.n;
    pad_attrs p = { { .n = x->shape.n }, { .n = x->shape.n }, o.value };
    for (int d = 0; d < low.n; d++) p.low.d[skip + d] = low.d[d], p.high.d[skip + d] = high.d[d];
    if (o.mode == GM_PAD_CONSTANT) return gm__call1(&gm__op_pad, &p, x);
    for (int d = skip; d < p.low.n && x; d++)
        if (p.low.d[d] || p.high.d[d]) x = pad_select(x, o.mode, d, p.low.d[d], p.high.d[d]);
    return x;
}

gm_tensor *(gm_pad)(gm_tensor *x, gm_shape low, gm_shape high) { return gm_pad_with(x, low, high, NULL); }
