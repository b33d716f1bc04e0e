/* cast.c: the same elements in another dtype or another order in memory. */
#include "../math/fp.h"
#include "ops.h"

#include <stddef.h>
#include <string.h>

typedef struct { int64_t dtype; } cast_attrs;
static const gm_attr cast_fields[] = { GM_ATTR(cast_attrs, dtype, I64), GM_ATTR_END };

static int32_t cast_infer(const gm_op_args *a, gm_spec *out) {
    gm_dtype to = (gm_dtype)((const cast_attrs *)a->attrs)->dtype;
    if (!gm__domain(to) || !gm__domain(a->in[0]->dtype))
        return gm_fail(GM_ERROR_DTYPE, "cast: %s to %s", gm_dtype_name(a->in[0]->dtype), gm_dtype_name(to)), -1;
    out->shape = a->in[0]->shape;
    out->dtype = to;
    out->channels_last = gm__prefers_channels_last(a->in, 1, out->shape.n);
    return 1;
}

static bool cast_copy(const gm_op_args *a, gm_tensor **out) {
    gm__operand from = gm__operand_of(a->in[0]), to = gm__operand_of(out[0]);
    return gm__copy(&out[0]->shape, &from, &to);
}

static bool cast_grad(const gm_grad_args *a) {
    a->gin[0] = gm_is_float(a->in[0]->dtype) ? gm_cast(a->gout[0], a->in[0]->dtype) : NULL;
    return gm_ok();
}

static bool cast_batch(const gm_batch_args *a) {
    a->out[0] = gm__call1(a->op, a->attrs, a->in[0]);
    return a->out[0] != NULL;
}

const gm_op gm__op_cast = {
    .size = sizeof(gm_op), .name = "cast", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1, .flags = GM_OP_LINEAR,
    .attrs_bytes = sizeof(cast_attrs), .attrs = cast_fields,
    .infer = cast_infer, .kernel = cast_copy, .grad = cast_grad, .batch = cast_batch,
    .cases = (const gm_case[]){ { "[3,4]", &(cast_attrs){ GM_F64 }, 0, 0, 0 },
                                { "[3,4]", &(cast_attrs){ GM_BF16 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "[3,4]", &(cast_attrs){ GM_I32 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "i64[5] below 300", &(cast_attrs){ GM_U8 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "another dtype",
};

gm_tensor *gm_cast(gm_tensor *x, gm_dtype dtype) {
    if (gm_ok() && gm__check_tensor(x, "cast", 1) && x->dtype == dtype) return x;
    return gm__call1(&gm__op_cast, &(cast_attrs){ dtype }, x);
}

/* ---- order in memory ---- */

typedef struct { int64_t channels_last; } layout_attrs;
static const gm_attr layout_fields[] = { GM_ATTR(layout_attrs, channels_last, I64), GM_ATTR_END };

static int32_t layout_infer(const gm_op_args *a, gm_spec *out) {
    const layout_attrs *p = a->attrs;
    if (p->channels_last && (a->in[0]->shape.n < 3 || a->in[0]->shape.n > 5))
        return gm_fail(GM_ERROR_SHAPE, "channels_last: 3 to 5 dimensions are needed, the shape is %s",
                       gm__tensor_shape_str(a->in[0])), -1;
    out->shape = a->in[0]->shape;
    out->dtype = a->in[0]->dtype;
    out->channels_last = (int32_t)p->channels_last;
    return 1;
}

static bool layout_grad(const gm_grad_args *a) {
    a->gin[0] = a->gout[0];
    return true;
}

static bool layout_batch(const gm_batch_args *a) {
    a->out[0] = gm_copy(a->in[0]); /* with the batch in front there is no channels-last order to keep */
    return a->out[0] != NULL;
}

const gm_op gm__op_layout = {
    .size = sizeof(gm_op),
    .name = "layout",
    .version = 1,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = GM_OP_LINEAR,
    .attrs_bytes = sizeof(layout_attrs),
    .attrs = layout_fields,
    .infer = layout_infer,
    .kernel = cast_copy,
    .grad = layout_grad,
    .batch = layout_batch,
    .cases = (const gm_case[]){ { "[2,3,4,5]", &(layout_attrs){ 1 }, 0, 0, 0 },
                                { "[2,3]", &(layout_attrs){ 0 }, 0, 0, 0 },
                                { 0 } },
    .doc = "a copy in row-major or channels-last order",
};

gm_tensor *gm_copy(gm_tensor *x) { return gm__call1(&gm__op_layout, &(layout_attrs){ 0 }, x); }

gm_tensor *gm_contiguous(gm_tensor *x) {
    if (gm_ok() && gm__check_tensor(x, "contiguous", 1) && gm_is_contiguous(x)) return x;
    return gm_copy(x);
}

gm_tensor *gm_channels_last(gm_tensor *x) {
    if (gm_ok() && gm__check_tensor(x, "channels_last", 1) && gm_is_channels_last(x)) return x;
    return gm__call1(&gm__op_layout, &(layout_attrs){ 1 }, x);
}
