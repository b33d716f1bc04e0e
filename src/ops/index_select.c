/* index_select.c: slices of a dimension by index (rows of a table: embeddings), and the sum back into them.
 *
 * The index may have any shape, which takes the place of the dimension. index_sum is the gradient of index_select, and
 * the other way round, but for `padding`: the slice that index_sum leaves at zero, though index_select reads it (the
 * padding entry of an embedding; -1 for none). embedding is index_select under the name that messages give it. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/ops/update.h"
#include "indexing.h"

#include <stddef.h>
#include <string.h>

/* size: of the dimension in the result of index_sum */
typedef struct { int64_t dim, padding, size; } select_attrs;
static const gm_attr select_fields[] = { GM_ATTR(select_attrs, dim, I64), GM_ATTR(select_attrs, padding, I64),
                                         GM_ATTR(select_attrs, size, I64), GM_ATTR_END };

enum { SELECT_SPARSE = 4096 }; /* elements of a table below which a sum of all rows costs nothing */

extern const gm_op gm__op_index_select, gm__op_embedding, gm__op_index_sum;

/* `s` with its dimensions at..at + n - 1 replaced by those of `by`. */
static bool select_replace(const char *op, const gm_shape *s, int at, int n, const gm_shape *by, gm_shape *out) {
    *out = (gm_shape){ .n = s->n - n + by->n };
    if (out->n > GM_MAX_DIMS) return gm_fail(GM_ERROR_SHAPE, "%s: more than %d dimensions", op, GM_MAX_DIMS);
    for (int d = 0; d < out->n; d++)
        out->d[d] = d < at ? s->d[d] : d < at + by->n ? by->d[d - at] : s->d[d - by->n + n];
    return true;
}

static int32_t index_select_infer(const gm_op_args *a, gm_spec *out) {
    const select_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0], *index = a->in[1];
    const char *op = a->op->name;
    int bits = gm_dtype_bits(x->dtype);
    if (bits < 8 || bits > 64) return gm_fail(GM_ERROR_DTYPE, "%s: %s", op, gm_dtype_name(x->dtype)), -1;
    if (!gm__index_dtype(op, index)) return -1;
    if (p->dim < 0 || p->dim >= x->shape.n)
        return gm_fail(GM_ERROR_INDEX, "%s: dimension %lld of %s", op, (long long)p->dim, gm__tensor_shape_str(x)), -1;
    out->dtype = x->dtype;
    return select_replace(op, &x->shape, (int)p->dim, 1, &index->shape, &out->shape) ? 1 : -1;
}

static int32_t index_sum_infer(const gm_op_args *a, gm_spec *out) {
    const select_attrs *p = a->attrs;
    const gm_shape *s = &a->in[0]->shape, *i = &a->in[1]->shape, size = { 1, { 0 }, { p->size } };
    gm_dtype dtype = a->in[0]->dtype;
    int bits = gm_dtype_bits(dtype);
    if (bits < 8 || bits > 64 || dtype == GM_BOOL)
        return gm_fail(GM_ERROR_DTYPE, "index_sum: sums of %s", gm_dtype_name(dtype)), -1;
    bool fits = p->dim >= 0 && p->size >= 0 && p->dim + i->n <= s->n;
    for (int d = 0; fits && d < i->n; d++) fits = s->d[p->dim + d] == i->d[d];
    if (!fits)
        return gm_fail(GM_ERROR_SHAPE, "index_sum: the source %s does not have the index %s at dimension %lld",
                       gm__shape_str(s), gm__shape_str(i), (long long)p->dim),
               -1;
    if (!gm__index_dtype("index_sum", a->in[1])) return -1;
    out->dtype = dtype;
    return select_replace("index_sum", s, (int)p->dim, i->n, &size, &out->shape) ? 1 : -1;
}

/* ---- values: all as [outer, n or size, inner] ---- */

/* A handle on the stack: t seen as [outer, n, inner]. */
static gm_tensor select_view(const gm_tensor *t, int64_t outer, int64_t n, int64_t inner) {
    gm_tensor v = *t;
    v.shape = (gm_shape){ 3, { 0 }, { outer, n, inner } };
    v.stride[0] = n * inner, v.stride[1] = inner, v.stride[2] = 1;
    return v;
}

static void select_walk(gm__index_action action, const gm_tensor *table, int64_t dim, gm__indices *index,
                        const gm_tensor *slices) {
    int64_t outer = 1, inner = 1;
    for (int d = 0; d < table->shape.n; d++)
        if (d < dim) outer *= table->shape.d[d];
        else if (d > dim) inner *= table->shape.d[d];
    gm_tensor data = select_view(table, outer, table->shape.d[dim], inner);
    gm_tensor other = select_view(slices, outer, index->count, inner);
    index->step[0] = index->step[2] = 0, index->step[1] = 1;
    gm__index_walk(action, &other.shape, 1, index, &data, &other);
}

static bool index_select_kernel(const gm_op_args *a, gm_tensor **out) {
    const select_attrs *p = a->attrs;
    gm_tensor *x = a->in[0];
    gm__indices index;
    if (!gm__index_read(a->in[1], &index) || !gm__index_check(a->op->name, &index, 0, x->shape.d[p->dim]))
        return false;
    select_walk(GM__INDEX_GATHER, x, p->dim, &index, out[0]);
    return true;
}

/* Zero slice `at` of y's dimension dim. */
static void select_clear(gm_tensor *y, int64_t dim, int64_t at) {
    if (at < 0 || at >= y->shape.d[dim] || !y->storage->bytes) return;
    int64_t bytes = y->stride[dim] * gm__element_bytes(y->dtype), step = bytes * y->shape.d[dim];
    for (int64_t i = at * bytes; i < (int64_t)y->storage->bytes; i += step)
        memset((char *)y->storage->data + i, 0, (size_t)bytes);
}

/* A large table of which few rows are used gets a sum of these rows only. */
static bool index_sum_is_sparse(const select_attrs *p, const gm_shape *y, int64_t n) {
    return p->dim == 0 && 2 * n <= p->size && gm_shape_count(*y) >= SELECT_SPARSE;
}

static gm_tensor *index_sum_rows(const gm_op_args *a, const gm_spec *y) {
    const select_attrs *p = a->attrs;
    gm_tensor *place;
    gm_tensor *rows = gm_unique(a->in[1], .inverse = &place), *at = rows ? gm_cast(rows, GM_I64) : NULL;
    gm_tensor *sums = at ? gm__index_sum(a->in[0], 0, place, at->shape.d[0], -1) : NULL;
    if (!sums) return NULL;
    const int64_t *number = (const int64_t *)gm__data(at);
    for (int64_t i = 0; i < at->shape.d[0]; i++)
        if (number[i] == p->padding) select_clear(sums, 0, i);
    return gm__tensor_of_rows(&y->shape, at, sums);
}

static bool index_sum_kernel(const gm_op_args *a, gm_tensor **out) {
    const select_attrs *p = a->attrs;
    gm__indices index;
    gm_spec y;
    if (a->op->infer(a, &y) != 1 || !gm__index_read(a->in[1], &index) ||
        !gm__index_check("index_sum", &index, 0, p->size))
        return false;
    if (index_sum_is_sparse(p, &y.shape, index.count)) return (out[0] = index_sum_rows(a, &y)) != NULL;
    out[0] = gm__tensor_new(&y.shape, y.dtype, false);
    if (!out[0]) return false;
    gm__zero(out[0]);
    select_walk(GM__INDEX_ADD, out[0], p->dim, &index, a->in[0]);
    select_clear(out[0], p->dim, p->padding);
    return true;
}

/* ---- derivatives ---- */

/* x with the padding slice zero */
static gm_tensor *select_without_padding(gm_tensor *x, const select_attrs *p) {
    if (p->padding < 0 || !x) return x;
    gm_shape line = { .n = x->shape.n };
    for (int d = 0; d < line.n; d++) line.d[d] = d == p->dim ? x->shape.d[d] : 1;
    gm_tensor *place = gm_reshape(gm_arange(0, (double)line.d[p->dim], 1, GM_I64), line);
    return gm_masked_fill(x, gm_eq_scalar(place, (double)p->padding), 0);
}

gm_tensor *gm__index_sum(gm_tensor *src, int dim, gm_tensor *index, int64_t size, int64_t padding) {
    return gm__call2(&gm__op_index_sum, &(select_attrs){ dim, padding, size }, src, index);
}

static bool index_select_grad(const gm_grad_args *a) {
    const select_attrs *p = a->attrs;
    a->gin[0] = gm__index_sum(a->gout[0], (int)p->dim, a->in[1], a->in[0]->shape.d[p->dim], p->padding);
    return gm_ok();
}

static bool index_select_jvp(const gm_jvp_args *a) {
    const select_attrs *p = a->attrs;
    if (a->tin[0]) a->tout[0] = gm__call2(a->op, p, select_without_padding(a->tin[0], p), a->in[1]);
    return gm_ok();
}

static bool index_sum_grad(const gm_grad_args *a) {
    const select_attrs *p = a->attrs;
    a->gin[0] = gm_index_select(select_without_padding(a->gout[0], p), (int)p->dim, a->in[1]);
    return gm_ok();
}

/* ---- batches ---- */

/* Dimensions from..from + n - 1 of x moved to place `to` (to <= from), n' others behind them. */
static gm_tensor *select_rotate(gm_tensor *x, int to, int from, int n) {
    int32_t order[GM_MAX_DIMS];
    int rank = x ? x->shape.n : 0;
    for (int d = 0; d < rank; d++)
        order[d] = d < to || d >= from + n ? d : d < to + n ? d - to + from : d - n;
    return to == from || !n ? x : gm_permute(x, order, rank);
}

/* Indices [B, ...] into rows of B tables behind each other. */
static gm_tensor *select_rows(const gm_batch_args *a, int64_t size) {
    gm_tensor *index = a->in[1];
    gm_shape line = { .n = index->shape.n, .d = { [0] = a->size } };
    for (int d = 1; d < line.n; d++) line.d[d] = 1;
    gm_tensor *table = gm_reshape(gm_arange(0, (double)a->size, 1, GM_I64), line);
    return gm__ravel_index((gm_tensor *[]){ table, index }, 2, (int64_t[]){ a->size, size }, false);
}

static gm_tensor *select_merge(gm_tensor *x) { return gm_flatten_dims(x, 0, 1); }

static gm_tensor *select_unmerge(gm_tensor *y, int64_t size) {
    gm_shape s = { .n = (y ? y->shape.n : 0) + 1, .d = { [0] = size } };
    if (!y) return NULL;
    s.d[1] = size ? y->shape.d[0] / size : 0;
    for (int d = 2; d < s.n; d++) s.d[d] = y->shape.d[d - 1];
    return gm_reshape(y, s);
}

static bool index_select_batch(const gm_batch_args *a) {
    select_attrs p = *(const select_attrs *)a->attrs;
    int dim = (int)p.dim, n = a->in[1]->shape.n - 1;
    if (!a->mapped[1]) {
        p.dim++;
        a->out[0] = gm__call2(a->op, &p, a->in[0], a->in[1]);
    } else if (!a->mapped[0]) {
        a->out[0] = gm_move_dim(gm__call2(a->op, &p, a->in[0], a->in[1]), dim, 0);
    } else {
        gm_tensor *rows = select_merge(select_rotate(a->in[0], 1, dim + 1, 1)); /* [B * size, outer, inner] */
        p.dim = 0;
        gm_tensor *y = gm__call2(a->op, &p, rows, select_rows(a, a->in[0]->shape.d[dim + 1]));
        a->out[0] = select_rotate(y, 1, 1 + n, dim);
    }
    return gm_ok();
}

static bool index_sum_batch(const gm_batch_args *a) {
    select_attrs p = *(const select_attrs *)a->attrs;
    int dim = (int)p.dim, n = a->in[1]->shape.n - 1;
    if (!a->mapped[1]) {
        p.dim++;
        a->out[0] = gm__call2(a->op, &p, a->in[0], a->in[1]);
        return gm_ok();
    }
    if (p.padding >= 0) return gm__batch_loop(a); /* each table has one */
    gm_tensor *rows = select_rotate(gm__batched(a, 0), 1, 1 + dim, n); /* [B, index, outer, inner] */
    p.dim = 0, p.size *= a->size;
    gm_tensor *y = select_unmerge(gm__call2(a->op, &p, rows, select_rows(a, p.size / a->size)), a->size);
    a->out[0] = y && dim ? gm_move_dim(y, 1, dim + 1) : y;
    return gm_ok();
}

/* ---- records ---- */

#define SELECT_RECORD(title)                                                                                           \
    .size = sizeof(gm_op), .name = (title), .version = 1, .min_in = 2, .max_in = 2, .n_out = 1,                        \
    .flags = GM_OP_CONTIGUOUS, .saves_in = 2, .diff_in = 1, .attrs_bytes = sizeof(select_attrs),                       \
    .attrs = select_fields, .infer = index_select_infer, .kernel = index_select_kernel, .grad = index_select_grad,     \
    .jvp = index_select_jvp, .batch = index_select_batch

const gm_op gm__op_index_select = {
    SELECT_RECORD("index_select"),
    .cases = (const gm_case[]){ { "[5,3]; i64[4] below 5", &(select_attrs){ 0, -1, 0 }, 0, 0, 0 },
                                { "[2,7,3]; i32[3,5] below 7", &(select_attrs){ 1, -1, 0 }, 0, 0, 0 },
                                { "[4,2]; i64[] below 2", &(select_attrs){ 1, -1, 0 }, 0, 0, 0 },
                                { "[5,3]; i64[4] below 5", &(select_attrs){ 0, 2, 0 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "u8[9] below 200; i64[6] below 9", &(select_attrs){ 0, -1, 0 }, 0, GM_CASE_NO_GRAD,
                                  0 },
                                { 0 } },
    .doc = "slices of a dimension by index: rows of a table",
};

const gm_op gm__op_embedding = {
    SELECT_RECORD("embedding"),
    .cases = (const gm_case[]){ { "[7,3]; i64[2,5] below 7", &(select_attrs){ 0, -1, 0 }, 0, 0, 0 },
                                { "[5,3]; i32[4] below 5", &(select_attrs){ 0, 2, 0 }, 0, GM_CASE_NO_GRAD, 0 },
                                { 0 } },
    .doc = "rows of a table by index, one of which may get no gradient",
};
#undef SELECT_RECORD

const gm_op gm__op_index_sum = {
    .size = sizeof(gm_op), .name = "index_sum", .version = 1, .min_in = 2, .max_in = 2, .n_out = 1,
    .flags = GM_OP_CONTIGUOUS | GM_OP_LINEAR | GM_OP_COMPUTE_F32 | GM_OP_OWN_OUTPUTS, .saves_in = 2, .diff_in = 1,
    .attrs_bytes = sizeof(select_attrs), .attrs = select_fields, .infer = index_sum_infer, .kernel = index_sum_kernel,
    .grad = index_sum_grad, .batch = index_sum_batch,
    .cases = (const gm_case[]){ { "[9,3]; i64[9] below 5", &(select_attrs){ 0, -1, 5 }, 0, 0, 0 },
                                { "[2,3,5,3]; i32[3,5] below 7", &(select_attrs){ 1, -1, 7 }, 0, 0, 0 },
                                { "[9,3]; i64[9] below 5", &(select_attrs){ 0, 2, 5 }, 0, 0, 0 },
                                { "i64[9]; i64[9] below 5", &(select_attrs){ 0, -1, 5 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "[5,3]; i64[5] below 1400", &(select_attrs){ 0, -1, 1400 }, 0, 0, 0 },
                                { 0 } },
    .doc = "zeros with slices of a source added by index, in the order of the source: gradients of tables",
};

/* ---- public functions ---- */

gm_tensor *gm_index_select(gm_tensor *x, int dim, gm_tensor *index) {
    if (!gm_ok() || !gm__check_tensor(x, "index_select", 1)) return NULL;
    select_attrs p = { gm__dim(x, dim, "index_select"), -1, 0 };
    return p.dim < 0 ? NULL : gm__call2(&gm__op_index_select, &p, x, index);
}

gm_tensor *gm_index_add(gm_tensor *x, int dim, gm_tensor *index, gm_tensor *src) {
    if (!gm_ok() || !gm__check_tensor(x, "index_add", 1)) return NULL;
    select_attrs p = { gm__dim(x, dim, "index_add"), -1, 0 };
    if (p.dim < 0) return NULL;
    p.size = x->shape.d[p.dim];
    gm_tensor *sum = gm__call2(&gm__op_index_sum, &p, src, index);
    if (!sum) return NULL;
    if (!gm_shape_equal(sum->shape, x->shape) || sum->dtype != x->dtype) {
        gm_fail(GM_ERROR_SHAPE, "index_add: the source is %s %s, x %s %s", gm_dtype_name(src->dtype),
                gm__tensor_shape_str(src), gm_dtype_name(x->dtype), gm__tensor_shape_str(x));
        return NULL;
    }
    return gm_add(x, sum);
}

bool gm_update_rows(gm_tensor *p, gm_tensor *rows, gm_tensor *values) {
    GM_SCOPE(s);
    gm__indices index;
    if (!gm_ok() || !gm__check_tensor(p, "update_rows", 1) || !gm__check_tensor(rows, "update_rows", 2) ||
        !gm__check_tensor(values, "update_rows", 3))
        return false;
    if (!gm_is_contiguous(p)) return gm_fail(GM_ERROR_STATE, "update_rows: argument 1 is not contiguous");
    gm_shape want = p->shape;
    want.d[0] = gm_shape_count(rows->shape);
    if (!p->shape.n || rows->shape.n != 1 || !gm_shape_equal(want, values->shape))
        return gm_fail(GM_ERROR_SHAPE, "update_rows: rows %s of %s from %s", gm__tensor_shape_str(rows),
                       gm__tensor_shape_str(p), gm__tensor_shape_str(values));
    if (values->dtype != p->dtype || gm_dtype_bits(p->dtype) < 8)
        return gm_fail(GM_ERROR_DTYPE, "update_rows: %s into %s", gm_dtype_name(values->dtype),
                       gm_dtype_name(p->dtype));
    values = gm_contiguous(values);
    if (!values || !gm_data(values) || !gm__index_dtype("update_rows", rows) || !gm__index_read(rows, &index) ||
        !gm__index_check("update_rows", &index, 0, p->shape.d[0]) || !gm_mutable_data(p))
        return false;
    select_walk(GM__INDEX_SCATTER, p, 0, &index, values);
    return true;
}

gm_tensor *gm_take(gm_tensor *x, gm_tensor *index) {
    if (!gm_ok() || !gm__check_tensor(x, "take", 1)) return NULL;
    return gm_index_select(gm_reshape(x, (gm_shape){ 1, { 0 }, { -1 } }), 0, index);
}

bool gm__padding_idx(const char *op, gm_int padding_idx, int64_t rows, int64_t *padding) {
    *padding = -1;
    if (!padding_idx.set) return true;
    *padding = padding_idx.v < 0 ? padding_idx.v + rows : padding_idx.v;
    return (*padding >= 0 && *padding < rows) ||
           gm_fail(GM_ERROR_INDEX, "%s: .padding_idx is %lld, the weight has %lld rows", op, (long long)padding_idx.v,
                   (long long)rows);
}

gm_tensor *gm_embedding_with(gm_tensor *weight, gm_tensor *indices, const gm_embedding_args *args) {
    gm_embedding_args o;
    select_attrs p = { 0, -1, 0 };
    if (!gm_ok() || !gm__args_take("embedding", &o, sizeof o, args) || !gm__check_tensor(weight, "embedding", 1))
        return NULL;
    if (weight->shape.n < 1) return gm_fail(GM_ERROR_SHAPE, "embedding: the weight has no rows, it is []"), NULL;
    if (!gm__padding_idx("embedding", o.padding_idx, weight->shape.d[0], &p.padding)) return NULL;
    return gm__call2(&gm__op_embedding, &p, weight, indices);
}

gm_tensor *(gm_embedding)(gm_tensor *weight, gm_tensor *indices) { return gm_embedding_with(weight, indices, NULL); }
