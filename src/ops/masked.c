/* masked.c: elements chosen by a mask, and classes as rows of zeros and a one. */
#include "../math/fp.h"
#include "indexing.h"

#include <stddef.h>

/* ---- nonzero: the number of results is known after running ---- */

static int32_t nonzero_infer(const gm_op_args *a, gm_spec *out) {
    if (!gm__domain(a->in[0]->dtype))
        return gm_fail(GM_ERROR_DTYPE, "nonzero: %s is not a number", gm_dtype_name(a->in[0]->dtype)), -1;
    out->shape = (gm_shape){ 2, { 0 }, { -1, a->in[0]->shape.n } };
    out->dtype = GM_I64;
    return 1;
}

static bool nonzero_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_shape *s = &a->in[0]->shape;
    gm_tensor *flags = gm_contiguous(gm_ne_scalar(a->in[0], 0));
    if (!flags) return false;
    const uint8_t *f = (const uint8_t *)gm__data(flags);
    int64_t n = gm_shape_count(*s), found = 0;
    for (int64_t i = 0; i < n; i++) found += f[i];
    out[0] = gm__tensor_new(&(gm_shape){ 2, { 0 }, { found, s->n } }, GM_I64, false);
    if (!out[0]) return false;
    int64_t *to = (int64_t *)gm__data(out[0]);
    for (int64_t i = 0; i < n; i++) {
        if (!f[i]) continue;
        int64_t place = i;
        for (int d = s->n - 1; d >= 0; place /= s->d[d--]) to[d] = place % s->d[d];
        to += s->n;
    }
    return true;
}

const gm_op gm__op_nonzero = {
    .size = sizeof(gm_op), .name = "nonzero", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_NO_GRAD | GM_OP_DYNAMIC, .infer = nonzero_infer, .kernel = nonzero_kernel,
    .cases = (const gm_case[]){ { "[3,5] bits", NULL, 0, GM_CASE_NO_GRAD, 0 },
                                { "i32[2,3,2] below 2", NULL, 0, GM_CASE_NO_GRAD, 0 },
                                { 0 } },
    .doc = "the places of elements that are not zero",
};

gm_tensor *gm_nonzero(gm_tensor *x) { return gm__call1(&gm__op_nonzero, NULL, x); }

/* ---- masks ---- */

static bool masked_check(const char *op, const gm_tensor *x, const gm_tensor *mask) {
    if (!gm_ok() || !gm__check_tensor(x, op, 1) || !gm__check_tensor(mask, op, 2)) return false;
    return mask->dtype == GM_BOOL ||
           gm_fail(GM_ERROR_DTYPE, "%s: a mask is bool, not %s", op, gm_dtype_name(mask->dtype));
}

gm_tensor *gm_masked_fill(gm_tensor *x, gm_tensor *mask, double value) {
    if (!masked_check("masked_fill", x, mask)) return NULL;
    gm_tensor *fill = gm_scalar(value, x->dtype);
    return fill ? gm_where(mask, fill, x) : NULL;
}

gm_tensor *gm_masked_select(gm_tensor *x, gm_tensor *mask) {
    gm_shape both;
    if (!masked_check("masked_select", x, mask)) return NULL;
    if (!gm__broadcast_shapes("masked_select", (gm_tensor *[]){ x, mask }, 2, &both)) return NULL;
    gm_shape line = { 1, { 0 }, { gm_shape_count(both) } };
    gm_tensor *at = gm_nonzero(gm_reshape(gm_expand(mask, both), line));
    return at ? gm_index_select(gm_reshape(gm_expand(x, both), line), 0, gm_squeeze(at, 1)) : NULL;
}

/* ---- one_hot ---- */

typedef struct { int64_t classes, dtype; } one_hot_attrs;
static const gm_attr one_hot_fields[] = { GM_ATTR(one_hot_attrs, classes, I64), GM_ATTR(one_hot_attrs, dtype, I64),
                                          GM_ATTR_END };

static int32_t one_hot_infer(const gm_op_args *a, gm_spec *out) {
    const one_hot_attrs *p = a->attrs;
    if (!gm__index_dtype("one_hot", a->in[0])) return -1;
    if (p->classes < 0 || a->in[0]->shape.n == GM_MAX_DIMS)
        return gm_fail(GM_ERROR_VALUE, "one_hot: %lld classes for %s", (long long)p->classes,
                       gm__tensor_shape_str(a->in[0])),
               -1;
    if (!gm__domain((gm_dtype)p->dtype))
        return gm_fail(GM_ERROR_DTYPE, "one_hot: %s is not a number", gm_dtype_name((gm_dtype)p->dtype)), -1;
    out->shape = a->in[0]->shape;
    out->shape.d[out->shape.n++] = p->classes;
    out->dtype = (gm_dtype)p->dtype;
    return 1;
}

static bool one_hot_kernel(const gm_op_args *a, gm_tensor **out) {
    const one_hot_attrs *p = a->attrs;
    gm_shape s = a->in[0]->shape;
    gm_tensor *one = gm_expand(gm_ones((gm_shape){ 0 }, (gm_dtype)p->dtype), out[0]->shape);
    gm__indices at;
    if (!one || !gm__index_read(a->in[0], &at) || !gm__index_check("one_hot", &at, 0, p->classes)) return false;
    s.d[s.n] = 1, at.step[s.n++] = 0;
    gm__zero(out[0]);
    gm__index_walk(GM__INDEX_SCATTER, &s, s.n - 1, &at, out[0], one);
    return true;
}

static bool one_hot_batch(const gm_batch_args *a) {
    a->out[0] = gm__call1(a->op, a->attrs, a->in[0]);
    return gm_ok();
}

const gm_op gm__op_one_hot = {
    .size = sizeof(gm_op), .name = "one_hot", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_NO_GRAD, .attrs_bytes = sizeof(one_hot_attrs), .attrs = one_hot_fields, .infer = one_hot_infer,
    .kernel = one_hot_kernel, .batch = one_hot_batch,
    .cases = (const gm_case[]){ { "i64[3,5] below 7", &(one_hot_attrs){ 7, GM_F32 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "u8[4] below 3", &(one_hot_attrs){ 3, GM_BF16 }, 0, GM_CASE_NO_GRAD, 0 },
                                { 0 } },
    .doc = "classes as rows of zeros with a one",
};

gm_tensor *gm_one_hot(gm_tensor *index, int64_t classes, gm_dtype dtype) {
    return gm__call1(&gm__op_one_hot, &(one_hot_attrs){ classes, dtype }, index);
}
