/* join.c: several tensors into one. The inverse, splitting, is slices. */
#include "../math/fp.h"
#include "ops.h"

#include <stddef.h>

typedef struct { int64_t dim; } concat_attrs;
static const gm_attr concat_fields[] = { GM_ATTR(concat_attrs, dim, I64), GM_ATTR_END };

static bool concat_fits(const gm_op_args *a, int i, int64_t dim) {
    const gm_shape *s = &a->in[i]->shape, *first = &a->in[0]->shape;
    bool fits = s->n == first->n;
    for (int d = 0; fits && d < s->n; d++) fits = d == dim || s->d[d] == first->d[d];
    return fits ||
           gm_fail(GM_ERROR_SHAPE, "concat: argument %d is %s, argument 1 is %s; only dimension %lld may differ", i + 1,
                   gm__shape_str(s), gm__shape_str(first), (long long)dim);
}

static int32_t concat_infer(const gm_op_args *a, gm_spec *out) {
    int64_t dim = ((const concat_attrs *)a->attrs)->dim, total = 0;
    if (dim < 0 || dim >= a->in[0]->shape.n)
        return gm_fail(GM_ERROR_INDEX, "concat: dimension %lld of %s", (long long)dim, gm__tensor_shape_str(a->in[0])),
               -1;
    out->dtype = a->in[0]->dtype;
    for (int i = 0; i < a->n_in; i++) {
        if (!concat_fits(a, i, dim)) return -1;
        total += a->in[i]->shape.d[dim];
        out->dtype = gm_promote(out->dtype, a->in[i]->dtype);
    }
    out->shape = a->in[0]->shape;
    out->shape.d[dim] = total;
    out->channels_last = gm__prefers_channels_last(a->in, a->n_in, out->shape.n);
    return 1;
}

static bool concat_kernel(const gm_op_args *a, gm_tensor **out) {
    int64_t dim = ((const concat_attrs *)a->attrs)->dim, at = 0;
    gm_tensor *y = out[0];
    for (int i = 0; i < a->n_in; i++) {
        gm__operand from = gm__operand_of(a->in[i]), to = gm__operand_of(y);
        to.data = (char *)to.data + at * y->stride[dim] * gm__element_bytes(y->dtype);
        if (gm_shape_count(a->in[i]->shape) && !gm__copy(&a->in[i]->shape, &from, &to)) return false;
        at += a->in[i]->shape.d[dim];
    }
    return true;
}

static bool concat_grad(const gm_grad_args *a) {
    int64_t dim = ((const concat_attrs *)a->attrs)->dim, at = 0;
    for (int i = 0; i < a->n_in; i++) {
        int64_t size = a->in[i]->shape.d[dim];
        if (a->needs[i]) a->gin[i] = gm_cast(gm_narrow(a->gout[0], (int)dim, at, size), a->in[i]->dtype);
        at += size;
    }
    return gm_ok();
}

/* Linear in all inputs together, so absent tangents are zeros. */
static bool concat_jvp(const gm_jvp_args *a) {
    gm_tensor *t[GM__MAX_PORTS];
    for (int i = 0; i < a->n_in; i++) t[i] = a->tin[i] ? a->tin[i] : gm_zeros(a->in[i]->shape, a->in[i]->dtype);
    a->tout[0] = gm_op_call1(a->op, t, a->n_in, a->attrs);
    return a->tout[0] != NULL;
}

static bool concat_batch(const gm_batch_args *a) {
    gm_tensor *in[GM__MAX_PORTS];
    concat_attrs p = { ((const concat_attrs *)a->attrs)->dim + 1 };
    for (int i = 0; i < a->n_in; i++) in[i] = gm__batched(a, i);
    a->out[0] = gm_op_call1(a->op, in, a->n_in, &p);
    return a->out[0] != NULL;
}

const gm_op gm__op_concat = {
    .size = sizeof(gm_op), .name = "concat", .version = 1, .min_in = 1, .max_in = -1, .n_out = 1,
    .attrs_bytes = sizeof(concat_attrs), .attrs = concat_fields, .infer = concat_infer, .kernel = concat_kernel,
    .grad = concat_grad, .jvp = concat_jvp, .batch = concat_batch,
    .cases = (const gm_case[]){ { "[2,3]; [2,1]; [2,4]", &(concat_attrs){ 1 }, 0, 0, 0 },
                                { "[2,3]; [5,3]", &(concat_attrs){ 0 }, 0, 0, 0 }, { 0 } },
    .doc = "tensors behind each other along a dimension",
};

gm_tensor *gm_concat(gm_tensor *const *tensors, int n, int dim) {
    if (!gm_ok()) return NULL;
    if (n < 1) {
        gm_fail(GM_ERROR_VALUE, "concat: no tensors");
        return NULL;
    }
    if (!gm__check_tensor(tensors[0], "concat", 1)) return NULL;
    int d = gm__dim(tensors[0], dim, "concat");
    if (d < 0) return NULL;
    if (n <= 64) return gm_op_call1(&gm__op_concat, tensors, n, &(concat_attrs){ d });
    /* more than a call takes: in groups, then the groups */
    GM_SCOPE(scope);
    gm_tensor *groups[64];
    int per = (n + 63) / 64, m = 0;
    for (int i = 0; i < n; i += per, m++) groups[m] = gm_concat(tensors + i, n - i < per ? n - i : per, d);
    return gm_return(&scope, gm_concat(groups, m, d));
}

gm_tensor *gm_stack(gm_tensor *const *tensors, int n, int dim) {
    if (!gm_ok()) return NULL;
    GM_SCOPE(scope);
    gm_tensor **rows = gm_alloc((size_t)(n > 0 ? n : 1) * sizeof *rows), *y = NULL;
    if (!rows) return NULL;
    for (int i = 0; i < n; i++) {
        rows[i] = gm_unsqueeze(tensors[i], dim);
        if (rows[i] && !gm_shape_equal(rows[i]->shape, rows[0]->shape))
            gm_fail(GM_ERROR_SHAPE, "stack: argument %d is %s, argument 1 is %s", i + 1,
                    gm__tensor_shape_str(tensors[i]), gm__tensor_shape_str(tensors[0]));
    }
    if (gm_ok()) y = gm_concat(rows, n, dim);
    gm_free(rows);
    return gm_return(&scope, y);
}

bool gm_split(gm_tensor *x, int dim, const int64_t *sizes, int n, gm_tensor **out) {
    for (int i = 0; i < n; i++) out[i] = NULL;
    if (!gm_ok() || !gm__check_tensor(x, "split", 1)) return false;
    int d = gm__dim(x, dim, "split");
    if (d < 0) return false;
    int64_t total = 0;
    for (int i = 0; i < n; i++) total += sizes[i];
    if (total != x->shape.d[d])
        return gm_fail(GM_ERROR_SHAPE, "split: the sizes sum to %lld, dimension %d of %s has %lld", (long long)total, d,
                       gm__tensor_shape_str(x), (long long)x->shape.d[d]);
    for (int64_t i = 0, at = 0; i < n; at += sizes[i++]) out[i] = gm_narrow(x, d, at, sizes[i]);
    return gm_ok();
}
