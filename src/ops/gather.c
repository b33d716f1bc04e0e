/* gather.c: elements by index along a dimension: gather, and its inverses scatter and scatter_sum.
 *
 * index has as many dimensions as x; element [i, j, k] of it stands for x[i, index[i, j, k], k] (dim = 1). An index
 * that repeats along a dimension (a broadcast view) costs nothing, so selecting whole rows is a gather too. gather and
 * scatter_sum are each other's gradients. */
#include "../math/fp.h"
#include "indexing.h"

#include <stddef.h>

typedef struct { int64_t dim; } gather_attrs;
static const gm_attr gather_fields[] = { GM_ATTR(gather_attrs, dim, I64), GM_ATTR_END };

/* shape: that of the result */
typedef struct { int64_t dim; gm_shape shape; } scatter_sum_attrs;
static const gm_attr scatter_sum_fields[] = { GM_ATTR(scatter_sum_attrs, dim, I64),
                                              GM_ATTR(scatter_sum_attrs, shape, SHAPE), GM_ATTR_END };

extern const gm_op gm__op_gather, gm__op_scatter, gm__op_scatter_sum;

/* ---- shapes ---- */

/* index fits beside a tensor of shape x: no larger in any dimension but dim. */
static bool gather_fits(const char *op, const gm_shape *x, int64_t dim, const gm_tensor *index) {
    const gm_shape *s = &index->shape;
    if (!gm__index_dtype(op, index)) return false;
    if (dim < 0 || dim >= x->n || s->n != x->n)
        return gm_fail(GM_ERROR_SHAPE, "%s: the index %s, x %s, dimension %lld: as many dimensions are needed", op,
                       gm__shape_str(s), gm__shape_str(x), (long long)dim);
    for (int d = 0; d < x->n; d++)
        if (d != dim && s->d[d] > x->d[d])
            return gm_fail(GM_ERROR_SHAPE, "%s: the index %s is larger than x %s in dimension %d", op, gm__shape_str(s),
                           gm__shape_str(x), d);
    return true;
}

static bool gather_alike(const char *op, const gm_tensor *src, const gm_tensor *index, gm_dtype dtype) {
    if (!gm_shape_equal(src->shape, index->shape))
        return gm_fail(GM_ERROR_SHAPE, "%s: the source is %s, the index %s", op, gm__tensor_shape_str(src),
                       gm__tensor_shape_str(index));
    return src->dtype == dtype || gm_fail(GM_ERROR_DTYPE, "%s: the source is %s, x is %s", op,
                                          gm_dtype_name(src->dtype), gm_dtype_name(dtype));
}

static bool gather_moves(const char *op, gm_dtype dtype) {
    int bits = gm_dtype_bits(dtype);
    return (bits >= 8 && bits <= 64) || gm_fail(GM_ERROR_DTYPE, "%s: %s", op, gm_dtype_name(dtype));
}

static int32_t gather_infer(const gm_op_args *a, gm_spec *out) {
    int64_t dim = ((const gather_attrs *)a->attrs)->dim;
    const gm_tensor *x = a->in[0];
    if (!gather_moves("gather", x->dtype) || !gather_fits("gather", &x->shape, dim, a->in[1])) return -1;
    out->shape = a->in[1]->shape;
    out->dtype = x->dtype;
    return 1;
}

static int32_t scatter_infer(const gm_op_args *a, gm_spec *out) {
    int64_t dim = ((const gather_attrs *)a->attrs)->dim;
    const gm_tensor *x = a->in[0];
    if (!gather_moves("scatter", x->dtype) || !gather_fits("scatter", &x->shape, dim, a->in[2]) ||
        !gather_alike("scatter", a->in[1], a->in[2], x->dtype))
        return -1;
    out->shape = x->shape;
    out->dtype = x->dtype;
    return 1;
}

static int32_t scatter_sum_infer(const gm_op_args *a, gm_spec *out) {
    const scatter_sum_attrs *p = a->attrs;
    const gm_tensor *src = a->in[0];
    if (src->dtype == GM_BOOL || !gather_moves("scatter_sum", src->dtype))
        return gm_fail(GM_ERROR_DTYPE, "scatter_sum: sums of %s", gm_dtype_name(src->dtype)), -1;
    if (!gather_fits("scatter_sum", &p->shape, p->dim, a->in[1]) ||
        !gather_alike("scatter_sum", src, a->in[1], src->dtype))
        return -1;
    out->shape = p->shape;
    out->dtype = src->dtype;
    return 1;
}

/* ---- values ---- */

static bool gather_kernel(const gm_op_args *a, gm_tensor **out) {
    int dim = (int)((const gather_attrs *)a->attrs)->dim;
    gm_tensor *x = a->in[0], *index = a->in[1];
    gm__indices at;
    if (!gm__index_read(index, &at) || !gm__index_check("gather", &at, 0, x->shape.d[dim])) return false;
    gm__index_walk(GM__INDEX_GATHER, &index->shape, dim, &at, x, out[0]);
    return true;
}

static bool scatter_kernel(const gm_op_args *a, gm_tensor **out) {
    int dim = (int)((const gather_attrs *)a->attrs)->dim;
    gm_tensor *x = a->in[0], *src = a->in[1], *index = a->in[2];
    gm__indices at;
    if (!gm__index_read(index, &at) || !gm__index_check("scatter", &at, 0, x->shape.d[dim])) return false;
    gm__operand from = gm__operand_of(x), to = gm__operand_of(out[0]);
    if (!gm__copy(&x->shape, &from, &to)) return false;
    gm__index_walk(GM__INDEX_SCATTER, &index->shape, dim, &at, out[0], src);
    return true;
}

static bool scatter_sum_kernel(const gm_op_args *a, gm_tensor **out) {
    const scatter_sum_attrs *p = a->attrs;
    gm_tensor *src = a->in[0], *index = a->in[1];
    gm__indices at;
    if (!gm__index_read(index, &at) || !gm__index_check("scatter_sum", &at, 0, p->shape.d[p->dim])) return false;
    gm__zero(out[0]);
    gm__index_walk(GM__INDEX_ADD, &index->shape, (int)p->dim, &at, out[0], src);
    return true;
}

/* ---- derivatives ---- */

gm_tensor *gm__scatter_sum(gm_tensor *src, int dim, gm_tensor *index, gm_shape shape) {
    return gm__call2(&gm__op_scatter_sum, &(scatter_sum_attrs){ dim, shape }, src, index);
}

static bool gather_grad(const gm_grad_args *a) {
    int dim = (int)((const gather_attrs *)a->attrs)->dim;
    a->gin[0] = gm__scatter_sum(a->gout[0], dim, a->in[1], a->in[0]->shape);
    return gm_ok();
}

static bool scatter_sum_grad(const gm_grad_args *a) {
    gather_attrs p = { ((const scatter_sum_attrs *)a->attrs)->dim };
    a->gin[0] = gm__call2(&gm__op_gather, &p, a->gout[0], a->in[1]);
    return gm_ok();
}

/* True where an element of the index is the last one that names its destination: its source is what was kept. */
static gm_tensor *scatter_kept(gm_tensor *index, const gm_shape *shape, int64_t dim) {
    gather_attrs p = { dim };
    gm_shape line = { .n = index->shape.n };
    for (int d = 0; d < line.n; d++) line.d[d] = d == dim ? index->shape.d[d] : 1;
    gm_tensor *place = gm_reshape(gm_arange(0, (double)line.d[dim], 1, GM_I64), line);
    place = gm_ok() ? gm_expand(place, index->shape) : NULL;
    gm_tensor *winner = gm__call3(&gm__op_scatter, &p, gm_zeros(*shape, GM_I64), place, index);
    return gm_eq(gm__call2(&gm__op_gather, &p, winner, index), place);
}

static bool scatter_grad(const gm_grad_args *a) {
    const gather_attrs *p = a->attrs;
    gm_tensor *g = a->gout[0], *index = a->in[2], *zero = gm_zeros((gm_shape){ 0 }, g->dtype);
    if (a->needs[0] && gm_ok())
        a->gin[0] = gm__call3(&gm__op_scatter, p, g, gm_expand(zero, index->shape), index);
    if (a->needs[1] && gm_ok())
        a->gin[1] = gm_where(scatter_kept(index, &g->shape, p->dim), gm__call2(&gm__op_gather, p, g, index), zero);
    return gm_ok();
}

/* Linear in x and src together: an absent tangent is zero. */
static bool scatter_jvp(const gm_jvp_args *a) {
    gm_tensor *t[3] = { a->tin[0], a->tin[1], a->in[2] };
    for (int i = 0; i < 2; i++)
        if (!t[i]) t[i] = gm_zeros(a->in[i]->shape, a->in[i]->dtype);
    a->tout[0] = gm_op_call1(a->op, t, 3, a->attrs);
    return gm_ok();
}

static bool gather_batch(const gm_batch_args *a) {
    gather_attrs p = { ((const gather_attrs *)a->attrs)->dim + 1 };
    gm_tensor *in[3];
    for (int i = 0; i < a->n_in; i++) in[i] = gm__batched(a, i);
    a->out[0] = gm_op_call1(a->op, in, a->n_in, &p);
    return gm_ok();
}

static bool scatter_sum_batch(const gm_batch_args *a) {
    const scatter_sum_attrs *from = a->attrs;
    scatter_sum_attrs p = { from->dim + 1, { .n = from->shape.n + 1 } };
    if (p.shape.n > GM_MAX_DIMS) return gm__batch_loop(a);
    p.shape.d[0] = a->size;
    for (int d = 0; d < from->shape.n; d++) p.shape.d[d + 1] = from->shape.d[d];
    a->out[0] = gm__call2(a->op, &p, gm__batched(a, 0), gm__batched(a, 1));
    return gm_ok();
}

/* ---- records ---- */

const gm_op gm__op_gather = {
    .size = sizeof(gm_op), .name = "gather", .version = 1, .min_in = 2, .max_in = 2, .n_out = 1,
    .flags = GM_OP_LINEAR, .saves_in = 2, .diff_in = 1, .attrs_bytes = sizeof(gather_attrs), .attrs = gather_fields,
    .infer = gather_infer, .kernel = gather_kernel, .grad = gather_grad, .batch = gather_batch,
    .cases = (const gm_case[]){ { "[3,5]; i64[3,7] below 5", &(gather_attrs){ 1 }, 0, 0, 0 },
                                { "[4,3,5]; i32[6,2,5] below 4", &(gather_attrs){ 0 }, 0, 0, 0 },
                                { "[4,3,2]; i64[4,5,1] below 3", &(gather_attrs){ 1 }, 0, 0, 0 },
                                { "u8[9] below 200; i64[1] below 9", &(gather_attrs){ 0 }, 0, GM_CASE_NO_GRAD, 0 },
                                { 0 } },
    .doc = "elements of x at the indices along a dimension",
};

const gm_op gm__op_scatter = {
    .size = sizeof(gm_op), .name = "scatter", .version = 1, .min_in = 3, .max_in = 3, .n_out = 1,
    .saves_in = 4, .diff_in = 3, .attrs_bytes = sizeof(gather_attrs), .attrs = gather_fields,
    .infer = scatter_infer, .kernel = scatter_kernel, .grad = scatter_grad, .jvp = scatter_jvp, .batch = gather_batch,
    .cases = (const gm_case[]){ { "[3,5]; [3,7]; i64[3,7] below 5", &(gather_attrs){ 1 }, 0, 0, 0 },
                                { "[4,3,5]; [6,2,5]; i64[6,2,5] below 4", &(gather_attrs){ 0 }, 0, 0, 0 },
                                { "i16[9] below 200; i16[3] below 9; i64[3] below 9", &(gather_attrs){ 0 }, 0,
                                  GM_CASE_NO_GRAD, 0 },
                                { 0 } },
    .doc = "x with elements of a source written at the indices along a dimension, the last of several kept",
};

const gm_op gm__op_scatter_sum = {
    .size = sizeof(gm_op), .name = "scatter_sum", .version = 1, .min_in = 2, .max_in = 2, .n_out = 1,
    .flags = GM_OP_LINEAR | GM_OP_COMPUTE_F32, .saves_in = 2, .diff_in = 1,
    .attrs_bytes = sizeof(scatter_sum_attrs), .attrs = scatter_sum_fields,
    .infer = scatter_sum_infer, .kernel = scatter_sum_kernel, .grad = scatter_sum_grad, .batch = scatter_sum_batch,
    .cases = (const gm_case[]){
        { "[3,7]; i64[3,7] below 5", &(scatter_sum_attrs){ 1, { 2, { 0 }, { 3, 5 } } }, 0, 0, 0 },
        { "[6,2,5]; i64[6,2,5] below 4", &(scatter_sum_attrs){ 0, { 3, { 0 }, { 4, 3, 5 } } }, 0, 0, 0 },
        { "i16[5] below 200; i64[5] below 3", &(scatter_sum_attrs){ 0, { 1, { 0 }, { 3 } } }, 0, GM_CASE_NO_GRAD, 0 },
        { 0 } },
    .doc = "zeros with a source added at the indices along a dimension, in the order of the source",
};

/* ---- public functions ---- */

gm_tensor *gm_gather(gm_tensor *x, int dim, gm_tensor *index) {
    if (!gm_ok() || !gm__check_tensor(x, "gather", 1)) return NULL;
    gather_attrs p = { gm__dim(x, dim, "gather") };
    return p.dim < 0 ? NULL : gm__call2(&gm__op_gather, &p, x, index);
}

/* src cut or broadcast to the shape of the index */
static gm_tensor *scatter_source(const char *op, gm_tensor *src, gm_tensor *index) {
    if (!gm__check_tensor(index, op, 3) || !gm__check_tensor(src, op, 4)) return NULL;
    if (src->shape.n == 0) return gm_expand(src, index->shape);
    bool cut = src->shape.n == index->shape.n;
    for (int d = 0; cut && d < src->shape.n; d++) cut = src->shape.d[d] >= index->shape.d[d];
    for (int d = 0; cut && d < src->shape.n; d++)
        if (src->shape.d[d] > index->shape.d[d]) src = gm_narrow(src, d, 0, index->shape.d[d]);
    return src;
}

gm_tensor *gm_scatter(gm_tensor *x, int dim, gm_tensor *index, gm_tensor *src) {
    if (!gm_ok() || !gm__check_tensor(x, "scatter", 1)) return NULL;
    gather_attrs p = { gm__dim(x, dim, "scatter") };
    src = p.dim < 0 ? NULL : scatter_source("scatter", src, index);
    return src ? gm__call3(&gm__op_scatter, &p, x, src, index) : NULL;
}

gm_tensor *gm_scatter_add(gm_tensor *x, int dim, gm_tensor *index, gm_tensor *src) {
    if (!gm_ok() || !gm__check_tensor(x, "scatter_add", 1)) return NULL;
    scatter_sum_attrs p = { gm__dim(x, dim, "scatter_add"), x->shape };
    src = p.dim < 0 ? NULL : scatter_source("scatter_add", src, index);
    if (!src || (src->dtype != x->dtype && !gather_alike("scatter_add", src, index, x->dtype))) return NULL;
    return gm_add(x, gm__call2(&gm__op_scatter_sum, &p, src, index));
}
