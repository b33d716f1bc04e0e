/* matmul.c: products of matrices, on the drivers of kernels/gemm.h, which take any strides: no operand is copied.
 *
 * A batch whose rows lie evenly behind each other (x [B, T, in] times w [in, out]) is one product of B * T rows. The
 * gradients are products again, with transposed views; that of an operand without a batch of its own takes the rows of
 * the whole batch as one inner dimension. */
#include "../math/fp.h"
#include "norm.h"
#include "../kernels/gemm.h"

#include <string.h>

/* ---- views that products need ---- */

static gm_tensor *mm_transposed(gm_tensor *x) { return gm_transpose(x, -2, -1); }

/* [..., n] as [rows, n]. */
static gm_tensor *mm_rows(gm_tensor *x) {
    if (!x || x->shape.n == 2) return x;
    int64_t n = x->shape.d[x->shape.n - 1], rows = 1;
    for (int i = 0; i + 1 < x->shape.n; i++) rows *= x->shape.d[i];
    return gm_reshape(x, (gm_shape){ 2, { 0 }, { rows, n } });
}

/* The leading dimensions of x as one row dimension, without a copy: its stride in *row; false if they do not lie so. */
static bool mm_even_rows(const gm_tensor *x, int64_t *rows, int64_t *row) {
    *rows = 1, *row = 0;
    for (int i = x->shape.n - 2; i >= 0; i--) {
        if (x->shape.d[i] == 1) continue;
        if (*rows == 1) *row = x->stride[i];
        else if (x->stride[i] != *row * *rows) return false;
        *rows *= x->shape.d[i];
    }
    return true;
}

static bool mm_run(const gm__gemm_args *g, gm_dtype dtype) {
    switch (dtype) {
    case GM_F32: return gm__gemm_f32(g);
    case GM_F64: return gm__gemm_f64(g);
    case GM_I32: return gm__gemm_i32(g);
    case GM_I64: return gm__gemm_i64(g);
    default: return gm_fail(GM_ERROR_INTERNAL, "matmul: no kernel for %s", gm_dtype_name(dtype));
    }
}

/* ---- matmul ---- */

static int32_t mm_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0], *y = a->in[1];
    int rx = x->shape.n, ry = y->shape.n;
    if (rx < 2 || ry < 2)
        return gm_fail(GM_ERROR_SHAPE, "matmul: matrices are needed: a is %s, b is %s", gm__tensor_shape_str(x),
                       gm__tensor_shape_str(y)), -1;
    if (x->dtype != y->dtype || x->dtype == GM_BOOL || !gm__domain(x->dtype))
        return gm_fail(GM_ERROR_DTYPE, "matmul: a is %s, b is %s: numbers of one dtype are needed",
                       gm_dtype_name(x->dtype), gm_dtype_name(y->dtype)), -1;
    if (x->shape.d[rx - 1] != y->shape.d[ry - 2])
        return gm_fail(GM_ERROR_SHAPE, "matmul: inner sizes differ: a is %s, b is %s (%lld against %lld)",
                       gm__tensor_shape_str(x), gm__tensor_shape_str(y), (long long)x->shape.d[rx - 1],
                       (long long)y->shape.d[ry - 2]), -1;
    int rank = rx > ry ? rx : ry;
    gm_shape s = { .n = rank };
    for (int d = 3; d <= rank; d++) {
        int64_t p = d <= rx ? x->shape.d[rx - d] : 1, q = d <= ry ? y->shape.d[ry - d] : 1;
        if (p != q && p != 1 && q != 1)
            return gm_fail(GM_ERROR_SHAPE, "matmul: the batches of a %s and b %s do not broadcast (%lld against %lld)",
                           gm__tensor_shape_str(x), gm__tensor_shape_str(y), (long long)p, (long long)q), -1;
        s.d[rank - d] = p == 1 ? q : p;
    }
    s.d[rank - 2] = x->shape.d[rx - 2];
    s.d[rank - 1] = y->shape.d[ry - 1];
    out->shape = s;
    out->dtype = x->dtype;
    return 1;
}

/* off[e]: where entry e of the batch of `s` lies in t. */
static void mm_offsets(const gm_tensor *t, const gm_shape *s, int64_t batch, int64_t *off) {
    int64_t at[GM_MAX_DIMS] = { 0 };
    int lead = s->n - t->shape.n;
    for (int64_t e = 0, here = 0; e < batch; e++) {
        off[e] = here;
        for (int d = s->n - 3; d >= 0; d--) {
            int64_t step = d < lead || t->shape.d[d - lead] == 1 ? 0 : t->stride[d - lead];
            here += step;
            if (++at[d] < s->d[d]) break;
            here -= step * s->d[d];
            at[d] = 0;
        }
    }
}

static gm__gemm_args mm_args(const gm_tensor *x, const gm_tensor *y, gm_tensor *out) {
    int rx = x->shape.n, ry = y->shape.n;
    int64_t n = y->shape.d[ry - 1];
    return (gm__gemm_args){ .m = x->shape.d[rx - 2], .n = n, .k = x->shape.d[rx - 1],
                            .a = gm__data(x), .a_row = x->stride[rx - 2], .a_col = x->stride[rx - 1],
                            .b = gm__data(y), .b_row = y->stride[ry - 2], .b_col = y->stride[ry - 1],
                            .c = gm__data(out), .c_row = n, .c_col = 1 };
}

static bool mm_product(const gm_tensor *x, const gm_tensor *y, gm_tensor *out, gm_mm_done done, void *env) {
    gm__gemm_args g = mm_args(x, y, out);
    const gm_shape *s = &out->shape;
    g.done = done, g.env = env;
    int64_t batch = 1, rows, row;
    for (int d = 0; d + 2 < s->n; d++) batch *= s->d[d];
    if (batch == 0 || batch * g.m * g.n == 0) return true;
    int64_t own = 1;
    for (int d = 0; d + 2 < y->shape.n; d++) own *= y->shape.d[d];
    if (own == 1 && mm_even_rows(x, &rows, &row)) { /* y has no batch, so x has all of it */
        g.m = rows, g.a_row = row;
        return mm_run(&g, out->dtype);
    }
    int64_t *off = gm_alloc((size_t)batch * 3 * sizeof *off);
    if (!off) return false;
    mm_offsets(x, s, batch, off);
    mm_offsets(y, s, batch, off + batch);
    for (int64_t e = 0; e < batch; e++) off[2 * batch + e] = e * g.m * g.n;
    g.batch = batch, g.a_off = off, g.b_off = off + batch, g.c_off = off + 2 * batch;
    bool ok = mm_run(&g, out->dtype);
    gm_free(off);
    return ok;
}

/* Integers of other widths: modulo 2^32 or 2^64 and then modulo their own width. */
static bool mm_product_wrapped(gm_tensor *x, gm_tensor *y, gm_tensor *out) {
    gm_dtype wide = gm__dtype(out->dtype)->bits > 32 ? GM_I64 : GM_I32;
    gm_tensor *a = gm_cast(x, wide), *b = gm_cast(y, wide), *c = gm_empty(out->shape, wide);
    if (!a || !b || !c || !mm_product(a, b, c, NULL, NULL)) return false;
    gm__operand from = gm__operand_of(c), to = gm__operand_of(out);
    return gm__copy(&out->shape, &from, &to);
}

bool gm__matmul_run(const gm_op_args *a, gm_tensor *y, gm_mm_done done, void *env) {
    return mm_product(a->in[0], a->in[1], y, done, env);
}

static bool mm_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_dtype t = out[0]->dtype;
    bool direct = t == GM_F32 || t == GM_F64 || t == GM_I32 || t == GM_I64;
    return direct ? mm_product(a->in[0], a->in[1], out[0], NULL, NULL) : mm_product_wrapped(a->in[0], a->in[1], out[0]);
}

static bool mm_grad(const gm_grad_args *a) {
    gm_tensor *g = a->gout[0], *x = a->in[0], *y = a->in[1];
    if (a->needs[0]) {
        bool fold = x->shape.n == 2 && y->shape.n > 2; /* sum over e, j of g[e, i, j] y[e, k, j]: one product */
        if (fold) {
            gm_tensor *left = mm_transposed(mm_rows(mm_transposed(g))), *right = mm_rows(mm_transposed(y));
            a->gin[0] = gm_matmul(left, right);
        } else a->gin[0] = gm__sum_to(gm_matmul(g, mm_transposed(y)), &x->shape, x->dtype);
    }
    if (a->needs[1]) {
        bool fold = y->shape.n == 2 && x->shape.n > 2;
        if (fold) a->gin[1] = gm_matmul(mm_transposed(mm_rows(x)), mm_rows(g));
        else a->gin[1] = gm__sum_to(gm_matmul(mm_transposed(x), g), &y->shape, y->dtype);
    }
    return gm_ok();
}

/* Mapped operands get ones between the batch and their own dimensions, so that these still align to the right. */
static bool mm_batch(const gm_batch_args *a) {
    gm_tensor *in[2];
    int rank = 0;
    for (int i = 0; i < 2; i++)
        rank = a->in[i]->shape.n - a->mapped[i] > rank ? a->in[i]->shape.n - a->mapped[i] : rank;
    for (int i = 0; i < 2; i++) {
        in[i] = a->in[i];
        int own = a->in[i]->shape.n - 1;
        if (!a->mapped[i] || own == rank) continue;
        gm_shape s = { .n = rank + 1, .d = { a->size } };
        for (int d = 0; d < rank - own; d++) s.d[1 + d] = 1;
        for (int d = 0; d < own; d++) s.d[1 + rank - own + d] = a->in[i]->shape.d[1 + d];
        in[i] = gm_reshape(a->in[i], s);
    }
    a->out[0] = gm_op_call1(a->op, in, 2, NULL);
    return gm_ok();
}

const gm_op gm__op_matmul = {
    .size = sizeof(gm_op), .name = "matmul", .version = 1, .min_in = 2, .max_in = 2, .n_out = 1,
    .flags = GM_OP_LINEAR | GM_OP_COMPUTE_F32, .saves_in = 3,
    .infer = mm_infer, .kernel = mm_kernel, .grad = mm_grad, .batch = mm_batch,
    .cases = (const gm_case[]){ { "[5,7];[7,3]", NULL, 0, 0, 0 }, { "[2,3,5,4];[3,4,6]", NULL, 0, 0, 0 },
                                { "[3,2,5];[5,4]", NULL, 0, 0, 0 }, { "[2,5];[3,5,4]", NULL, 0, 0, 0 },
                                { "[1,1];[1,1]", NULL, 0, 0, 0 }, { "[2,300];[300,17]", NULL, 0, GM_CASE_NO_SECOND, 0 },
                                { "i32[3,4] below 100;i32[4,5] below 100", NULL, 0, GM_CASE_NO_GRAD, 0 },
                                { "u8[3,4] below 100;u8[4,5] below 100", NULL, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the matrix product, batched",
};

/* Both in the dtype they promote to. */
static bool mm_promote(const char *op, gm_tensor **a, gm_tensor **b) {
    if (!gm_ok() || !gm__check_tensor(*a, op, 1) || !gm__check_tensor(*b, op, 2)) return false;
    if ((*a)->dtype == (*b)->dtype) return true;
    gm_dtype t = gm_promote((*a)->dtype, (*b)->dtype);
    *a = gm_cast(*a, t), *b = gm_cast(*b, t);
    return *a && *b;
}

gm_tensor *gm_matmul(gm_tensor *a, gm_tensor *b) {
    if (!mm_promote("matmul", &a, &b)) return NULL;
    int ra = a->shape.n, rb = b->shape.n;
    if (ra > 1 && rb > 1) return gm__call2(&gm__op_matmul, NULL, a, b);
    int64_t k = ra ? a->shape.d[ra - 1] : 0, l = rb ? b->shape.d[rb > 1 ? rb - 2 : 0] : 0;
    if (!ra || !rb || k != l) {
        gm_fail(GM_ERROR_SHAPE, "matmul: inner sizes differ: a is %s, b is %s", gm__tensor_shape_str(a),
                gm__tensor_shape_str(b));
        return NULL;
    }
    gm_tensor *c = gm__call2(&gm__op_matmul, NULL, ra == 1 ? gm_unsqueeze(a, 0) : a, rb == 1 ? gm_unsqueeze(b, 1) : b);
    if (c && rb == 1) c = gm_squeeze(c, -1);
    return c && ra == 1 ? gm_squeeze(c, rb == 1 ? -1 : -2) : c;
}

gm_tensor *gm_dot(gm_tensor *a, gm_tensor *b) {
    if (!gm_ok() || !gm__check_tensor(a, "dot", 1) || !gm__check_tensor(b, "dot", 2)) return NULL;
    if (a->shape.n == 1 && gm_shape_equal(a->shape, b->shape)) return gm_matmul(a, b);
    gm_fail(GM_ERROR_SHAPE, "dot: two vectors of one size are needed: a is %s, b is %s", gm__tensor_shape_str(a),
            gm__tensor_shape_str(b));
    return NULL;
}

gm_tensor *gm_outer(gm_tensor *a, gm_tensor *b) {
    if (!gm_ok() || !gm__check_tensor(a, "outer", 1) || !gm__check_tensor(b, "outer", 2)) return NULL;
    if (a->shape.n == 1 && b->shape.n == 1) return gm_mul(gm_unsqueeze(a, 1), b);
    gm_fail(GM_ERROR_SHAPE, "outer: two vectors are needed: a is %s, b is %s", gm__tensor_shape_str(a),
            gm__tensor_shape_str(b));
    return NULL;
}

gm_tensor *gm_bmm(gm_tensor *a, gm_tensor *b) {
    if (!gm_ok() || !gm__check_tensor(a, "bmm", 1) || !gm__check_tensor(b, "bmm", 2)) return NULL;
    if (a->shape.n == 3 && b->shape.n == 3 && a->shape.d[0] == b->shape.d[0]) return gm_matmul(a, b);
    gm_fail(GM_ERROR_SHAPE, "bmm: [B, m, k] and [B, k, n] are needed: a is %s, b is %s", gm__tensor_shape_str(a),
            gm__tensor_shape_str(b));
    return NULL;
}

/* ---- linear ---- */

static int32_t linear_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0], *w = a->in[1], *b = a->n_in > 2 ? a->in[2] : NULL;
    if (x->shape.n < 1 || w->shape.n != 2 || x->shape.d[x->shape.n - 1] != w->shape.d[1])
        return gm_fail(GM_ERROR_SHAPE, "linear: input %s has %lld features, weight wants %lld %s",
                       gm__tensor_shape_str(x), (long long)(x->shape.n ? x->shape.d[x->shape.n - 1] : 0),
                       (long long)(w->shape.n == 2 ? w->shape.d[1] : -1), gm__tensor_shape_str(w)),
               -1;
    if (b && (b->shape.n != 1 || b->shape.d[0] != w->shape.d[0]))
        return gm_fail(GM_ERROR_SHAPE, "linear: bias is %s, weight %s wants [%lld]", gm__tensor_shape_str(b),
                       gm__tensor_shape_str(w), (long long)w->shape.d[0]), -1;
    if (!gm_is_float(x->dtype) || x->dtype != w->dtype || (b && b->dtype != x->dtype))
        return gm_fail(GM_ERROR_DTYPE, "linear: input is %s, weight %s, bias %s: floats of one dtype are needed",
                       gm_dtype_name(x->dtype), gm_dtype_name(w->dtype), gm_dtype_name(b ? b->dtype : x->dtype)), -1;
    out->shape = x->shape;
    out->shape.d[x->shape.n - 1] = w->shape.d[0];
    out->dtype = x->dtype;
    return 1;
}

bool gm__linear_run(const gm_op_args *a, gm_tensor *y, gm_mm_done done, void *env) {
    gm_tensor *x = a->in[0], *w = a->in[1], *b = a->n_in > 2 ? a->in[2] : NULL;
    int64_t rows = 1, row = 0, in = w->shape.d[1], n = w->shape.d[0];
    if (b && !(b = gm_contiguous(b))) return false;
    if (!mm_even_rows(x, &rows, &row)) {
        if (!(x = gm_contiguous(x))) return false;
        row = in;
    }
    gm__gemm_args g = { .m = rows, .n = n, .k = in, .a = gm__data(x), .a_row = row, .a_col = x->stride[x->shape.n - 1],
                        .b = gm__data(w), .b_row = w->stride[1], .b_col = w->stride[0], .c = gm__data(y), .c_row = n,
                        .c_col = 1, .bias = b ? gm__data(b) : NULL, .done = done, .env = env };
    g.m = n ? gm_shape_count(y->shape) / n : 0;
    return mm_run(&g, y->dtype);
}

static bool linear_kernel(const gm_op_args *a, gm_tensor **out) { return gm__linear_run(a, out[0], NULL, NULL); }

static bool linear_grad(const gm_grad_args *a) {
    gm_tensor *g = a->gout[0], *x = a->in[0], *w = a->in[1];
    if (a->needs[0]) a->gin[0] = gm_matmul(g, w);
    if (a->needs[1]) a->gin[1] = gm_matmul(mm_transposed(mm_rows(x->shape.n == 1 ? gm_unsqueeze(g, 0) : g)),
                                           mm_rows(x->shape.n == 1 ? gm_unsqueeze(x, 0) : x));
    if (a->n_in > 2 && a->needs[2])
        a->gin[2] = x->shape.n == 1 ? g : gm__sum_channels(mm_rows(g));
    return gm_ok();
}

/* jvp: linear in x and in w, and the bias is added once, not with each tangent. */
static bool linear_jvp(const gm_jvp_args *a) {
    gm_tensor *t = NULL, *parts[3] = { NULL, NULL, NULL };
    gm_tensor *bias = a->n_in > 2 ? a->tin[2] : NULL;
    if (a->tin[0]) parts[0] = gm_linear(a->tin[0], a->in[1], NULL);
    if (a->tin[1]) parts[1] = gm_linear(a->in[0], a->tin[1], NULL);
    if (bias) parts[2] = gm_expand(bias, a->out[0]->shape);
    for (int i = 0; i < 3; i++)
        if (parts[i]) t = t ? gm_add(t, parts[i]) : parts[i];
    a->tout[0] = t;
    return gm_ok();
}

static gm_tensor *linear_in(gm_tensor *x, gm_dtype t) { return x ? gm_cast(x, t) : NULL; }

/* One weight for all: the batch is more rows. Else a batched product and a sum, in f32 where the dtype is narrower, so
 * that the result is rounded once, as in the loop. */
static bool linear_batch(const gm_batch_args *a) {
    bool bias = a->n_in > 2 && a->in[2];
    if (!a->mapped[1] && !(bias && a->mapped[2])) {
        a->out[0] = gm_linear(a->in[0], a->in[1], bias ? a->in[2] : NULL);
        return gm_ok();
    }
    gm_tensor *x = a->in[0];
    gm_dtype t = x->dtype, compute = t == GM_F64 ? GM_F64 : GM_F32;
    gm_shape s = { .n = x->shape.n + !a->mapped[0], .d = { a->size } };
    for (int d = 1; d < s.n; d++) s.d[d] = x->shape.d[d - !a->mapped[0]];
    int64_t in = s.d[s.n - 1], out = a->in[1]->shape.d[a->in[1]->shape.n - 2], rows = 1;
    for (int d = 1; d + 1 < s.n; d++) rows *= s.d[d];
    gm_shape flat = { 3, { 0 }, { a->mapped[0] ? a->size : 1, rows, in } };
    gm_tensor *y = gm_matmul(gm_reshape(linear_in(x, compute), flat), mm_transposed(linear_in(a->in[1], compute)));
    gm_shape b = { 3, { 0 }, { bias && a->mapped[2] ? a->size : 1, 1, out } };
    if (bias) y = gm_add(y, gm_reshape(linear_in(a->in[2], compute), b));
    s.d[s.n - 1] = out;
    a->out[0] = gm_cast(gm_reshape(y, s), t);
    return gm_ok();
}

const gm_op gm__op_linear = {
    .size = sizeof(gm_op), .name = "linear", .version = 1, .min_in = 2, .max_in = 3, .n_out = 1,
    .flags = GM_OP_COMPUTE_F32, .saves_in = 3,
    .infer = linear_infer, .kernel = linear_kernel, .grad = linear_grad, .jvp = linear_jvp, .batch = linear_batch,
    .cases = (const gm_case[]){ { "[5,7];[3,7];[3]", NULL, 0, 0, 0 }, { "[2,3,5];[4,5]", NULL, 0, 0, 0 },
                                { "[6];[17,6];[17]", NULL, 0, 0, 0 }, { "[3,5];[1,5];[1]", NULL, 0, 0, 0 }, { 0 } },
    .doc = "x w' + bias",
};

gm_tensor *gm_linear(gm_tensor *x, gm_tensor *w, gm_tensor *bias) {
    if (!mm_promote("linear", &x, &w)) return NULL;
    if (bias && !gm__check_tensor(bias, "linear", 3)) return NULL;
    if (bias && bias->dtype != x->dtype && gm_is_float(x->dtype)) bias = gm_cast(bias, x->dtype);
    return gm_ok() ? gm__call3(&gm__op_linear, NULL, x, w, bias) : NULL;
}
