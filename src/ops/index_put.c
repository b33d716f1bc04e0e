/* index_put.c: indexing by several tensors at once, as x[i, j] reads and writes in NumPy: the indices become places in
 * the leading dimensions taken as one. */
#include "../math/fp.h"
#include "indexing.h"

#include <stddef.h>

enum { RAVEL_MAX = GM_MAX_DIMS };

/* size: one for each input */
typedef struct { gm_shape size; int64_t negative; } ravel_attrs;
static const gm_attr ravel_fields[] = { GM_ATTR(ravel_attrs, size, SHAPE), GM_ATTR(ravel_attrs, negative, I64),
                                        GM_ATTR_END };

static int32_t ravel_index_infer(const gm_op_args *a, gm_spec *out) {
    const ravel_attrs *p = a->attrs;
    if (p->size.n != a->n_in || a->n_in > RAVEL_MAX)
        return gm_fail(GM_ERROR_SHAPE, "index: %d indices for %d dimensions", a->n_in, p->size.n), -1;
    for (int i = 0; i < a->n_in; i++)
        if (!gm__index_dtype("index", a->in[i])) return -1;
    out->dtype = GM_I64;
    return gm__broadcast_shapes("index", a->in, a->n_in, &out->shape) ? 1 : -1;
}

/* y[c] += (i[c], from the end where negative) * stride */
static void ravel_add(const gm__indices *index, int rank, int64_t size, int64_t stride, gm_tensor *y) {
    const gm_shape *s = &y->shape;
    int64_t step[GM_MAX_DIMS] = { 0 }, n = gm_shape_count(*s), last = s->n ? s->d[s->n - 1] : 1;
    int64_t *to = (int64_t *)gm__data(y);
    for (int d = 0; d < rank; d++) step[s->n - rank + d] = index->step[d];
    for (int64_t row = 0; row * last < n; row++) {
        const int64_t *at = index->at, inner = s->n ? step[s->n - 1] : 0;
        int64_t place = row;
        for (int d = s->n - 2; d >= 0; place /= s->d[d--]) at += place % s->d[d] * step[d];
        for (int64_t j = 0; j < last; j++) {
            int64_t i = at[j * inner];
            to[row * last + j] += (i < 0 ? i + size : i) * stride;
        }
    }
}

static bool ravel_index_kernel(const gm_op_args *a, gm_tensor **out) {
    const ravel_attrs *p = a->attrs;
    int64_t stride = 1;
    gm__zero(out[0]);
    for (int i = a->n_in - 1; i >= 0; stride *= p->size.d[i--]) {
        gm__indices index;
        int64_t size = p->size.d[i];
        if (!gm__index_read(a->in[i], &index) || !gm__index_check("index", &index, p->negative ? -size : 0, size))
            return false;
        ravel_add(&index, a->in[i]->shape.n, size, stride, out[0]);
    }
    return true;
}

/* The batch stays in front of the dimensions that broadcasting adds. */
static bool ravel_index_batch(const gm_batch_args *a) {
    gm_tensor *in[RAVEL_MAX];
    int rank = 0;
    for (int i = 0; i < a->n_in; i++) {
        int own = a->in[i]->shape.n - a->mapped[i];
        if (own > rank) rank = own;
    }
    for (int i = 0; i < a->n_in; i++) {
        gm_shape s = a->in[i]->shape, wide = { .n = rank + 1 };
        for (int d = 0; d <= rank; d++) {
            int from = d - (rank - (s.n - a->mapped[i])) - !a->mapped[i];
            wide.d[d] = d && from >= (int)a->mapped[i] ? s.d[from] : 1;
        }
        wide.d[0] = a->mapped[i] ? a->size : 1;
        in[i] = gm_reshape(a->in[i], wide);
    }
    a->out[0] = gm_op_call1(a->op, in, a->n_in, a->attrs);
    return gm_ok();
}

const gm_op gm__op_ravel_index = {
    .size = sizeof(gm_op), .name = "ravel_index", .version = 1, .min_in = 1, .max_in = -1, .n_out = 1,
    .flags = GM_OP_NO_GRAD, .attrs_bytes = sizeof(ravel_attrs), .attrs = ravel_fields, .infer = ravel_index_infer,
    .kernel = ravel_index_kernel, .batch = ravel_index_batch,
    .cases = (const gm_case[]){ { "i64[3,1] below 5; i32[7] below 9", &(ravel_attrs){ { 2, { 0 }, { 5, 9 } }, 1 }, 0,
                                  GM_CASE_NO_GRAD, 0 },
                                { "i64[4] below 5", &(ravel_attrs){ { 1, { 0 }, { 5 } }, 0 }, 0, GM_CASE_NO_GRAD, 0 },
                                { 0 } },
    .doc = "indices of several dimensions as one",
};

gm_tensor *gm__ravel_index(gm_tensor *const *indices, int n, const int64_t *size, bool negative) {
    ravel_attrs p = { { .n = n }, negative };
    for (int i = 0; i < n && i < GM_MAX_DIMS; i++) p.size.d[i] = size[i];
    return gm_op_call1(&gm__op_ravel_index, indices, n, &p);
}

/* ---- public functions ---- */

static bool index_check_count(const char *op, const gm_tensor *x, int n) {
    return (n >= 1 && n <= x->shape.n) ||
           gm_fail(GM_ERROR_INDEX, "%s: %d indices for x %s", op, n, gm__tensor_shape_str(x));
}

/* x with its first n dimensions as one */
static gm_tensor *index_rows(gm_tensor *x, int n) { return gm_flatten_dims(x, 0, n - 1); }

gm_tensor *gm_index(gm_tensor *x, gm_tensor *const *indices, int n) {
    if (!gm_ok() || !gm__check_tensor(x, "index", 1) || !index_check_count("index", x, n)) return NULL;
    gm_tensor *at = gm__ravel_index(indices, n, x->shape.d, true);
    return at ? gm_index_select(index_rows(x, n), 0, at) : NULL;
}

gm_tensor *gm_index_put(gm_tensor *x, gm_tensor *const *indices, int n, gm_tensor *values, bool accumulate) {
    if (!gm_ok() || !gm__check_tensor(x, "index_put", 1) || !index_check_count("index_put", x, n)) return NULL;
    gm_tensor *at = gm__ravel_index(indices, n, x->shape.d, true), *rows = index_rows(x, n);
    if (!at || !rows || !gm__check_tensor(values, "index_put", 4)) return NULL;
    if (values->dtype != x->dtype)
        return gm_fail(GM_ERROR_DTYPE, "index_put: the values are %s, x is %s", gm_dtype_name(values->dtype),
                       gm_dtype_name(x->dtype)),
               NULL;
    gm_shape full = { .n = at->shape.n + rows->shape.n - 1 }, flat = rows->shape, line = { .n = rows->shape.n };
    if (full.n > GM_MAX_DIMS) return gm_fail(GM_ERROR_SHAPE, "index_put: more than %d dimensions", GM_MAX_DIMS), NULL;
    for (int d = 0; d < full.n; d++)
        full.d[d] = d < at->shape.n ? at->shape.d[d] : rows->shape.d[d - at->shape.n + 1];
    flat.d[0] = gm_shape_count(at->shape);
    for (int d = 0; d < line.n; d++) line.d[d] = d ? 1 : flat.d[0];
    values = gm_reshape(gm_expand(values, full), flat);
    at = gm_reshape(at, line);
    if (!gm_ok()) return NULL;
    gm_tensor *y = accumulate ? gm_index_add(rows, 0, gm_reshape(at, (gm_shape){ 1, { 0 }, { flat.d[0] } }), values)
                              : gm_scatter(rows, 0, gm_expand(at, flat), values);
    return gm_reshape(y, x->shape);
}
