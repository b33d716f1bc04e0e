/* diagonal.c: diagonals of matrices, and what is above and below them.
 *
 * `diagonal` is a view: a step along both dimensions at once. Its inverse, `undiagonal`, writes a tensor on the
 * diagonal of zeros; each is the other's gradient. */
#include "../math/fp.h"
#include "ops.h"

#include <stddef.h>
#include <string.h>

/* rows, cols: sizes of dim0 and dim1 in the result of undiagonal; 0 for diagonal. */
typedef struct { int64_t offset, dim0, dim1, rows, cols; } diagonal_attrs;
static const gm_attr diagonal_fields[] = {
    GM_ATTR(diagonal_attrs, offset, I64), GM_ATTR(diagonal_attrs, dim0, I64), GM_ATTR(diagonal_attrs, dim1, I64),
    GM_ATTR(diagonal_attrs, rows, I64), GM_ATTR(diagonal_attrs, cols, I64), GM_ATTR_END };

extern const gm_op gm__op_diagonal, gm__op_undiagonal;

static int64_t diagonal_length(int64_t rows, int64_t cols, int64_t offset) {
    int64_t r = offset < 0 ? rows + offset : rows, c = offset > 0 ? cols - offset : cols, n = r < c ? r : c;
    return n < 0 ? 0 : n;
}

/* y: the diagonal of x as a view. */
static void diagonal_view(const diagonal_attrs *p, const gm_tensor *x, gm__operand *y, int64_t *offset) {
    int n = 0;
    for (int i = 0; i < x->shape.n; i++)
        if (i != p->dim0 && i != p->dim1) y->stride[n++] = x->stride[i];
    y->stride[n] = x->stride[p->dim0] + x->stride[p->dim1];
    *offset = p->offset < 0 ? -p->offset * x->stride[p->dim0] : p->offset * x->stride[p->dim1];
}

static bool diagonal_check(const gm_op_args *a, int rank) {
    const diagonal_attrs *p = a->attrs;
    bool good = rank >= 2 && rank <= GM_MAX_DIMS && p->dim0 >= 0 && p->dim1 >= 0 && p->dim0 < rank && p->dim1 < rank;
    return (good && p->dim0 != p->dim1) ||
           gm_fail(GM_ERROR_SHAPE, "%s: dimensions %lld and %lld for an input %s", a->op->name, (long long)p->dim0,
                   (long long)p->dim1, gm__tensor_shape_str(a->in[0]));
}

static int32_t diagonal_infer(const gm_op_args *a, gm_spec *out) {
    const diagonal_attrs *p = a->attrs;
    const gm_shape *x = &a->in[0]->shape;
    if (!diagonal_check(a, x->n)) return -1;
    out->shape = (gm_shape){ .n = 0 };
    for (int i = 0; i < x->n; i++)
        if (i != p->dim0 && i != p->dim1) out->shape.d[out->shape.n++] = x->d[i];
    out->shape.d[out->shape.n++] = diagonal_length(x->d[p->dim0], x->d[p->dim1], p->offset);
    out->dtype = a->in[0]->dtype;
    return 1;
}

static bool diagonal_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0];
    gm_spec spec;
    if (diagonal_infer(a, &spec) < 0) return false;
    gm__operand y = { .data = NULL };
    int64_t offset;
    diagonal_view(a->attrs, x, &y, &offset);
    bool empty = gm_shape_count(spec.shape) == 0;
    out[0] = gm__tensor_over(x->storage, x->offset + (empty ? 0 : offset), &spec.shape, x->dtype);
    if (out[0]) memcpy(out[0]->stride, y.stride, (size_t)spec.shape.n * sizeof *y.stride);
    return out[0] != NULL;
}

static int32_t undiagonal_infer(const gm_op_args *a, gm_spec *out) {
    const diagonal_attrs *p = a->attrs;
    const gm_shape *x = &a->in[0]->shape;
    if (!diagonal_check(a, x->n + 1)) return -1;
    if (x->d[x->n - 1] != diagonal_length(p->rows, p->cols, p->offset))
        return gm_fail(GM_ERROR_SHAPE, "undiagonal: %s on diagonal %lld of %lld rows and %lld columns",
                       gm__tensor_shape_str(a->in[0]), (long long)p->offset, (long long)p->rows, (long long)p->cols),
               -1;
    out->shape = (gm_shape){ .n = x->n + 1 };
    for (int i = 0, j = 0; i <= x->n; i++)
        out->shape.d[i] = i == p->dim0 ? p->rows : i == p->dim1 ? p->cols : x->d[j++];
    out->dtype = a->in[0]->dtype;
    return 1;
}

static bool undiagonal_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0], *y = out[0];
    int64_t offset;
    memset(y->storage->data, 0, y->storage->bytes);
    if (gm_shape_count(x->shape) == 0) return true;
    gm__operand from = gm__operand_of(x), to = gm__operand_of(y);
    diagonal_view(a->attrs, y, &to, &offset);
    to.data = (char *)to.data + offset * gm__element_bytes(y->dtype);
    return gm__copy(&x->shape, &from, &to);
}

static bool diagonal_grad(const gm_grad_args *a) {
    diagonal_attrs p = *(const diagonal_attrs *)a->attrs;
    p.rows = a->in[0]->shape.d[p.dim0], p.cols = a->in[0]->shape.d[p.dim1];
    a->gin[0] = gm__call1(&gm__op_undiagonal, &p, a->gout[0]);
    return gm_ok();
}

static bool undiagonal_grad(const gm_grad_args *a) {
    diagonal_attrs p = *(const diagonal_attrs *)a->attrs;
    p.rows = p.cols = 0;
    a->gin[0] = gm__call1(&gm__op_diagonal, &p, a->gout[0]);
    return gm_ok();
}

static bool diagonal_batch(const gm_batch_args *a) {
    diagonal_attrs p = *(const diagonal_attrs *)a->attrs;
    p.dim0++, p.dim1++;
    a->out[0] = gm__call1(a->op, &p, a->in[0]);
    return gm_ok();
}

const gm_op gm__op_diagonal = {
    .size = sizeof(gm_op), .name = "diagonal", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_VIEW | GM_OP_LINEAR, .attrs_bytes = sizeof(diagonal_attrs), .attrs = diagonal_fields,
    .infer = diagonal_infer, .kernel = diagonal_kernel, .grad = diagonal_grad, .batch = diagonal_batch,
    .cases = (const gm_case[]){ { "[3,4]", &(diagonal_attrs){ 1, 0, 1, 0, 0 }, 0, 0, 0 },
                                { "[4,2,3]", &(diagonal_attrs){ -1, 0, 2, 0, 0 }, 0, 0, 0 }, { 0 } },
    .doc = "a diagonal of two dimensions, as the last dimension",
};

const gm_op gm__op_undiagonal = {
    .size = sizeof(gm_op), .name = "undiagonal", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_LINEAR, .attrs_bytes = sizeof(diagonal_attrs), .attrs = diagonal_fields,
    .infer = undiagonal_infer, .kernel = undiagonal_kernel, .grad = undiagonal_grad, .batch = diagonal_batch,
    .cases = (const gm_case[]){ { "[3]", &(diagonal_attrs){ 1, 0, 1, 3, 4 }, 0, 0, 0 },
                                { "[2,3]", &(diagonal_attrs){ -1, 0, 2, 4, 3 }, 0, 0, 0 }, { 0 } },
    .doc = "zeros with a tensor on a diagonal",
};

/* ---- public functions ---- */

gm_tensor *gm_diagonal(gm_tensor *x, int64_t offset, int dim0, int dim1) {
    if (!gm_ok() || !gm__check_tensor(x, "diagonal", 1)) return NULL;
    int d0 = gm__dim(x, dim0, "diagonal"), d1 = d0 < 0 ? -1 : gm__dim(x, dim1, "diagonal");
    return d1 < 0 ? NULL : gm__call1(&gm__op_diagonal, &(diagonal_attrs){ offset, d0, d1, 0, 0 }, x);
}

gm_tensor *gm_diag_embed(gm_tensor *x, int64_t offset) {
    if (!gm_ok() || !gm__check_tensor(x, "diag_embed", 1)) return NULL;
    if (x->shape.n < 1) {
        gm_fail(GM_ERROR_SHAPE, "diag_embed: a tensor with dimensions is needed, the input is []");
        return NULL;
    }
    int64_t size = x->shape.d[x->shape.n - 1] + (offset < 0 ? -offset : offset);
    return gm__call1(&gm__op_undiagonal, &(diagonal_attrs){ offset, x->shape.n - 1, x->shape.n, size, size }, x);
}

gm_tensor *gm_diag(gm_tensor *x, int64_t offset) {
    if (!gm_ok() || !gm__check_tensor(x, "diag", 1)) return NULL;
    if (x->shape.n == 1) return gm_diag_embed(x, offset);
    if (x->shape.n == 2) return gm_diagonal(x, offset, 0, 1);
    gm_fail(GM_ERROR_SHAPE, "diag: a vector or a matrix is needed, the input is %s", gm__tensor_shape_str(x));
    return NULL;
}

gm_tensor *gm_trace(gm_tensor *x) {
    gm_tensor *d = gm_diagonal(x, 0, -2, -1);
    return d ? gm_sum_dim(d, -1, false) : NULL;
}

/* x where column - row <= k (below) or >= k, else 0. */
static gm_tensor *diagonal_half(const char *op, gm_tensor *x, int64_t k, bool below) {
    if (!gm_ok() || !gm__check_tensor(x, op, 1)) return NULL;
    int n = x->shape.n;
    if (n < 2) {
        gm_fail(GM_ERROR_SHAPE, "%s: matrices are needed, the input is %s", op, gm__tensor_shape_str(x));
        return NULL;
    }
    gm_tensor *row = gm_unsqueeze(gm_arange((double)k, (double)(k + x->shape.d[n - 2]), 1, GM_I64), 1);
    gm_tensor *col = gm_arange(0, (double)x->shape.d[n - 1], 1, GM_I64);
    gm_tensor *in = below ? gm_le(col, row) : gm_ge(col, row);
    return gm_ok() ? gm_where(in, x, gm_zeros((gm_shape){ 0 }, x->dtype)) : NULL;
}

gm_tensor *gm_tril(gm_tensor *x, int64_t k) { return diagonal_half("tril", x, k, true); }
gm_tensor *gm_triu(gm_tensor *x, int64_t k) { return diagonal_half("triu", x, k, false); }
