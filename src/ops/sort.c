/* sort.c: the elements of rows in order: all of them (sort) or the first k (topk).
 *
 * Both work along the last dimension and give values and positions; the public forms bring the dimension there. Values
 * are taken from x by position, so their gradient is that of a gather. */
#include "../math/fp.h"
#include "../base/args.h"
#include "../kernels/ordering.h"
#include "indexing.h"

#include <stddef.h>

typedef struct { int64_t k, descending; } sort_attrs; /* k: only of topk */
static const gm_attr sort_fields[] = { GM_ATTR(sort_attrs, k, I64), GM_ATTR(sort_attrs, descending, I64), GM_ATTR_END };

extern const gm_op gm__op_sort, gm__op_topk;

static int32_t sort_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0];
    const sort_attrs *p = a->attrs;
    if (!gm__domain(x->dtype))
        return gm_fail(GM_ERROR_DTYPE, "%s: %s is not a number", a->op->name, gm_dtype_name(x->dtype)), -1;
    if (x->shape.n < 1) return gm_fail(GM_ERROR_SHAPE, "%s: x has no dimension, it is []", a->op->name), -1;
    out[0].shape = x->shape;
    int64_t *n = &out[0].shape.d[x->shape.n - 1];
    if (a->op == &gm__op_topk) {
        if (p->k < 0 || p->k > *n)
            return gm_fail(GM_ERROR_VALUE, "topk: %lld of %lld elements", (long long)p->k, (long long)*n), -1;
        *n = p->k;
    }
    out[1].shape = out[0].shape;
    out[0].dtype = x->dtype;
    out[1].dtype = GM_I64;
    return 2;
}

static bool sort_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0], *index = out[1];
    int last = x->shape.n - 1;
    gm_dtype domain = gm__domain(x->dtype);
    gm__ordering o = { domain, ((const sort_attrs *)a->attrs)->descending, x->shape.d[last], index->shape.d[last] };
    gm_tensor *keys = gm_cast(x, domain);
    if (!keys) return false;
    int64_t count = gm_shape_count(index->shape);
    if (!count) return true;
    if (!gm__order_rows(&o, count / o.k, gm__data(keys), (int64_t *)gm__data(index))) return false;
    gm__indices at = { .at = (const int64_t *)gm__data(index), .count = count };
    for (int d = 0; d <= last; d++) at.step[d] = index->stride[d];
    gm__index_walk(GM__INDEX_GATHER, &index->shape, last, &at, x, out[0]);
    return true;
}

static bool sort_grad(const gm_grad_args *a) {
    if (a->gout[0]) a->gin[0] = gm__scatter_sum(a->gout[0], a->in[0]->shape.n - 1, a->out[1], a->in[0]->shape);
    return gm_ok();
}

static bool sort_jvp(const gm_jvp_args *a) {
    if (a->tin[0]) a->tout[0] = gm_gather(a->tin[0], -1, a->out[1]);
    return gm_ok();
}

static bool sort_batch(const gm_batch_args *a) {
    if (a->in[0]->shape.n == 1) return gm__batch_loop(a); /* the error of a scalar */
    return gm_op_call(a->op, a->in, 1, a->attrs, a->out, 2) == 2;
}

#define SORT_RECORD(name_)                                                                                             \
    .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = 1, .max_in = 1, .n_out = 2,                          \
    .flags = GM_OP_CONTIGUOUS, .saves_out = 2, .attrs_bytes = sizeof(sort_attrs), .attrs = sort_fields,                \
    .infer = sort_infer, .kernel = sort_kernel, .grad = sort_grad, .jvp = sort_jvp, .batch = sort_batch

const gm_op gm__op_sort = {
    SORT_RECORD("sort"),
    .cases = (const gm_case[]){ { "[3,5] distinct", &(sort_attrs){ 0, 0 }, 0, 0, 0 },
                                { "[2,77] distinct", &(sort_attrs){ 0, 1 }, 0, 0, 0 },
                                { "i16[400] below 30", &(sort_attrs){ 0, 1 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "i64[2,70] below 9", &(sort_attrs){ 0, 0 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the elements of the last dimension in order, and their positions",
};

const gm_op gm__op_topk = {
    SORT_RECORD("topk"),
    .cases = (const gm_case[]){ { "[3,7] distinct", &(sort_attrs){ 3, 1 }, 0, 0, 0 },
                                { "[2,131] distinct", &(sort_attrs){ 5, 0 }, 0, 0, 0 },
                                { "u8[300] below 20", &(sort_attrs){ 60, 1 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "i64[2,90] below 9", &(sort_attrs){ 8, 1 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the first k elements of the last dimension in order, and their positions",
};
#undef SORT_RECORD

/* ---- public functions ---- */

static gm_tensor *sort_along(const gm_op *op, gm_tensor *x, int dim, const sort_attrs *p, gm_tensor **indices) {
    gm_tensor *y[2];
    if (indices) *indices = NULL;
    if (!gm_ok() || !gm__check_tensor(x, op->name, 1)) return NULL;
    int d = gm__dim(x, dim, op->name);
    if (d < 0) return NULL;
    bool last = d == x->shape.n - 1;
    gm_tensor *rows = last ? x : gm_move_dim(x, d, -1);
    if (gm_op_call(op, &rows, 1, p, y, 2) != 2) return NULL;
    if (indices) *indices = last ? y[1] : gm_move_dim(y[1], -1, d);
    return last ? y[0] : gm_move_dim(y[0], -1, d);
}

gm_tensor *gm_sort_with(gm_tensor *x, int dim, const gm_sort_args *args) {
    gm_sort_args o;
    if (!gm_ok() || !gm__args_take("sort", &o, sizeof o, args)) return NULL;
    return sort_along(&gm__op_sort, x, dim, &(sort_attrs){ 0, o.descending != 0 }, o.indices);
}

gm_tensor *gm_argsort_with(gm_tensor *x, int dim, const gm_argsort_args *args) {
    gm_argsort_args o;
    gm_tensor *index;
    if (!gm_ok() || !gm__args_take("argsort", &o, sizeof o, args)) return NULL;
    return sort_along(&gm__op_sort, x, dim, &(sort_attrs){ 0, o.descending != 0 }, &index) ? index : NULL;
}

gm_tensor *gm_topk_with(gm_tensor *x, int64_t k, int dim, const gm_topk_args *args) {
    gm_topk_args o;
    if (!gm_ok() || !gm__args_take("topk", &o, sizeof o, args)) return NULL;
    return sort_along(&gm__op_topk, x, dim, &(sort_attrs){ k, !o.smallest }, o.indices);
}

gm_tensor *(gm_sort)(gm_tensor *x, int dim) { return gm_sort_with(x, dim, NULL); }
gm_tensor *(gm_argsort)(gm_tensor *x, int dim) { return gm_argsort_with(x, dim, NULL); }
gm_tensor *(gm_topk)(gm_tensor *x, int64_t k, int dim) { return gm_topk_with(x, k, dim, NULL); }
