/* attention.c: scaled dot-product attention, on the driver of kernels/attending.h.
 *
 * `attention` gives the output and, for the gradient, the maximum and sum of every row of scores; `attention_grad`
 * computes the weights again from these. Both have a lowered form that defines their values. Derivatives of the
 * gradient itself, and the gradient of a float mask, are written with whole matrices. */
#include "../math/fp.h"
#include "ops.h"
#include "../base/args.h"
#include "../kernels/attending.h"
#include "gemel/autograd.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct { double scale; int64_t causal, offset; } attention_attrs;
static const gm_attr attention_fields[] = { GM_ATTR(attention_attrs, scale, F64), GM_ATTR(attention_attrs, causal, I64),
                                            GM_ATTR(attention_attrs, offset, I64), GM_ATTR_END };

extern const gm_op gm__op_attention, gm__op_attention_grad;

/* Places of attention_grad's inputs. */
enum { ATT_Q, ATT_K, ATT_V, ATT_OUT, ATT_MAX, ATT_SUM, ATT_G, ATT_MASK };

/* ---- shapes ---- */

static bool attention_same_lead(const gm_tensor *a, const gm_tensor *b) {
    if (a->shape.n != b->shape.n) return false;
    for (int i = 0; i + 2 < a->shape.n; i++)
        if (a->shape.d[i] != b->shape.d[i]) return false;
    return true;
}

static bool attention_check(const gm_op_args *a, const gm_tensor *mask) {
    const gm_tensor *q = a->in[ATT_Q], *k = a->in[ATT_K], *v = a->in[ATT_V];
    int n = q->shape.n;
    bool fits = n >= 2 && attention_same_lead(q, k) && attention_same_lead(q, v) &&
                q->shape.d[n - 1] == k->shape.d[n - 1] && k->shape.d[n - 2] == v->shape.d[n - 2];
    if (!fits)
        return gm_fail(GM_ERROR_SHAPE,
                       "attention: q %s, k %s and v %s do not fit [..., T, D], [..., S, D], [..., S, E]",
                       gm__tensor_shape_str(q), gm__tensor_shape_str(k), gm__tensor_shape_str(v));
    if (mask && (!attention_same_lead(q, mask) || mask->shape.d[n - 2] != q->shape.d[n - 2] ||
                 mask->shape.d[n - 1] != k->shape.d[n - 2]))
        return gm_fail(GM_ERROR_SHAPE, "attention: mask %s for %lld queries and %lld keys of q %s",
                       gm__tensor_shape_str(mask), (long long)q->shape.d[n - 2], (long long)k->shape.d[n - 2],
                       gm__tensor_shape_str(q));
    if (!gm_is_float(q->dtype) || k->dtype != q->dtype || v->dtype != q->dtype ||
        (mask && mask->dtype != GM_BOOL && mask->dtype != q->dtype))
        return gm_fail(GM_ERROR_DTYPE,
                       "attention: q is %s, k %s, v %s, mask %s: floats of one dtype, or a bool mask, are needed",
                       gm_dtype_name(q->dtype), gm_dtype_name(k->dtype), gm_dtype_name(v->dtype),
                       gm_dtype_name(mask ? mask->dtype : GM_BOOL));
    return true;
}

static int32_t attention_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *q = a->in[ATT_Q], *v = a->in[ATT_V];
    if (!attention_check(a, a->n_in > 3 ? a->in[3] : NULL)) return -1;
    out[0].shape = out[1].shape = q->shape;
    out[0].shape.d[q->shape.n - 1] = v->shape.d[q->shape.n - 1];
    out[1].shape.n--;
    out[2].shape = out[1].shape;
    out[0].dtype = q->dtype;
    out[1].dtype = out[2].dtype = q->dtype == GM_F64 ? GM_F64 : GM_F32;
    return 3;
}

static int32_t attention_grad_infer(const gm_op_args *a, gm_spec *out) {
    if (!attention_check(a, a->n_in > ATT_MASK ? a->in[ATT_MASK] : NULL)) return -1;
    gm_shape o = a->in[ATT_Q]->shape, rows = o;
    o.d[o.n - 1] = a->in[ATT_V]->shape.d[o.n - 1];
    rows.n--;
    if (!gm_shape_equal(a->in[ATT_OUT]->shape, o) || !gm_shape_equal(a->in[ATT_G]->shape, o) ||
        !gm_shape_equal(a->in[ATT_MAX]->shape, rows) || !gm_shape_equal(a->in[ATT_SUM]->shape, rows))
        return gm_fail(GM_ERROR_SHAPE, "attention_grad: output %s, gradient %s, maxima %s, sums %s for q %s",
                       gm__tensor_shape_str(a->in[ATT_OUT]), gm__tensor_shape_str(a->in[ATT_G]),
                       gm__tensor_shape_str(a->in[ATT_MAX]), gm__tensor_shape_str(a->in[ATT_SUM]),
                       gm__tensor_shape_str(a->in[ATT_Q])), -1;
    for (int i = 0; i < 3; i++) {
        out[i].shape = a->in[i]->shape;
        out[i].dtype = a->in[i]->dtype;
    }
    return 3;
}

/* ---- values ---- */

/* Offsets of the batch entries in t. */
static void attention_offsets(const gm_tensor *t, int64_t batch, int64_t *off) {
    int64_t at[GM_MAX_DIMS] = { 0 };
    for (int64_t e = 0, here = 0; e < batch; e++) {
        off[e] = here;
        for (int d = t->shape.n - 3; d >= 0; d--) {
            here += t->stride[d];
            if (++at[d] < t->shape.d[d]) break;
            here -= t->stride[d] * t->shape.d[d];
            at[d] = 0;
        }
    }
}

static gm__attending_view attention_view(const gm_tensor *t, int64_t batch, int64_t *off) {
    attention_offsets(t, batch, off);
    return (gm__attending_view){ gm__data(t), off, t->stride[t->shape.n - 2], t->stride[t->shape.n - 1] };
}

/* The call for the driver; *off (to be freed) holds the offsets. */
static bool attention_describe(const gm_op_args *a, gm_tensor *mask, gm__attending *w, int64_t **off) {
    const attention_attrs *p = a->attrs;
    const gm_tensor *q = a->in[ATT_Q], *k = a->in[ATT_K], *v = a->in[ATT_V];
    int n = q->shape.n;
    int64_t batch = 1;
    for (int i = 0; i + 2 < n; i++) batch *= q->shape.d[i];
    if (!(*off = gm_alloc((size_t)(4 * batch + 1) * sizeof **off))) return false;
    *w = (gm__attending){ .dtype = q->dtype,
                          .batch = batch,
                          .t = q->shape.d[n - 2],
                          .s = k->shape.d[n - 2],
                          .d = q->shape.d[n - 1],
                          .e = v->shape.d[n - 1],
                          .scale = p->scale,
                          .causal = p->causal != 0,
                          .offset = p->offset };
    w->q = attention_view(q, batch, *off);
    w->k = attention_view(k, batch, *off + batch);
    w->v = attention_view(v, batch, *off + 2 * batch);
    if (!mask) return true;
    w->mask_kind = mask->dtype == GM_BOOL ? GM__MASK_KEEP : GM__MASK_ADD;
    w->mask = attention_view(mask, batch, *off + 3 * batch);
    return true;
}

static bool attention_kernel(const gm_op_args *a, gm_tensor **out) {
    gm__attending w;
    int64_t *off;
    if (!attention_describe(a, a->n_in > 3 ? a->in[3] : NULL, &w, &off)) return false;
    w.out = gm__data(out[0]), w.max = gm__data(out[1]), w.sum = gm__data(out[2]);
    bool ok = gm__attend(&w);
    gm_free(off);
    return ok;
}

static bool attention_grad_kernel(const gm_op_args *a, gm_tensor **out) {
    gm__attending w;
    int64_t *off;
    gm_tensor *o = gm_contiguous(a->in[ATT_OUT]), *m = gm_contiguous(a->in[ATT_MAX]),
              *s = gm_contiguous(a->in[ATT_SUM]);
    gm_tensor *g = gm_contiguous(a->in[ATT_G]);
    if (!gm_ok() || !attention_describe(a, a->n_in > ATT_MASK ? a->in[ATT_MASK] : NULL, &w, &off)) return false;
    w.out = gm__data(o), w.max = gm__data(m), w.sum = gm__data(s), w.g = gm__data(g);
    w.gq = gm__data(out[0]), w.gk = gm__data(out[1]), w.gv = gm__data(out[2]);
    bool ok = gm__attend_grad(&w);
    gm_free(off);
    return ok;
}

/* ---- the same in simpler operations ---- */

static gm_tensor *attention_turned(gm_tensor *x) { return gm_transpose(x, -2, -1); }

/* Scores with -inf where a key is not seen. */
static gm_tensor *attention_scores(gm_tensor *q, gm_tensor *k, gm_tensor *mask, const attention_attrs *p) {
    gm_tensor *s = gm_mul_scalar(gm_matmul(q, attention_turned(k)), p->scale);
    if (!s) return NULL;
    gm_tensor *hidden = gm_full((gm_shape){ 0 }, -HUGE_VAL, s->dtype);
    if (mask) s = mask->dtype == GM_BOOL ? gm_where(mask, s, hidden) : gm_add(s, mask);
    if (!p->causal || !s) return s;
    int n = s->shape.n;
    gm_tensor *query = gm_arange((double)p->offset, (double)(p->offset + s->shape.d[n - 2]), 1, GM_I64);
    gm_tensor *key = gm_arange(0, (double)s->shape.d[n - 1], 1, GM_I64);
    return gm_where(gm_le(key, gm_unsqueeze(query, 1)), s, hidden);
}

/* Weights from scores; *m and *z get what the rows are shifted and divided by: [..., T, 1]. */
static gm_tensor *attention_softmax(gm_tensor *s, gm_tensor **m, gm_tensor **z) {
    if (!s) return NULL;
    gm_shape row = s->shape;
    row.d[row.n - 1] = 1;
    gm_tensor *none = gm_full(row, -HUGE_VAL, s->dtype), *zero = gm_zeros((gm_shape){ 0 }, s->dtype);
    gm_tensor *top = s->shape.d[s->shape.n - 1] ? gm_max_dim(gm_detach(s), -1, true) : none;
    *m = gm_where(gm_eq_scalar(top, -HUGE_VAL), zero, top);
    gm_tensor *e = gm_exp(gm_sub(s, *m)), *sum = gm_sum_dim(e, -1, true);
    *z = gm_where(gm_eq_scalar(sum, 0), gm_ones((gm_shape){ 0 }, s->dtype), sum);
    return gm_div(e, *z);
}

static bool attention_lower(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *m = NULL, *z = NULL, *mask = a->n_in > 3 ? a->in[3] : NULL;
    gm_tensor *p = attention_softmax(attention_scores(a->in[ATT_Q], a->in[ATT_K], mask, a->attrs), &m, &z);
    if (!p) return false;
    out[0] = gm_matmul(p, a->in[ATT_V]);
    out[1] = gm_squeeze(m, -1);
    out[2] = gm_squeeze(z, -1);
    return gm_ok();
}

static gm_tensor *attention_row_sum(gm_tensor *a, gm_tensor *b) { return gm_sum_dim(gm_mul(a, b), -1, true); }

static bool attention_grad_lower(const gm_op_args *a, gm_tensor **out) {
    const attention_attrs *p = a->attrs;
    gm_tensor *q = a->in[ATT_Q], *k = a->in[ATT_K], *g = a->in[ATT_G];
    gm_tensor *s = attention_scores(q, k, a->n_in > ATT_MASK ? a->in[ATT_MASK] : NULL, p);
    gm_tensor *w = gm_div(gm_exp(gm_sub(s, gm_unsqueeze(a->in[ATT_MAX], -1))), gm_unsqueeze(a->in[ATT_SUM], -1));
    gm_tensor *dw = gm_matmul(g, attention_turned(a->in[ATT_V]));
    gm_tensor *ds = gm_mul(w, gm_sub(dw, attention_row_sum(g, a->in[ATT_OUT])));
    out[0] = gm_mul_scalar(gm_matmul(ds, k), p->scale);
    out[1] = gm_mul_scalar(gm_matmul(attention_turned(ds), q), p->scale);
    out[2] = gm_matmul(attention_turned(w), g);
    return gm_ok();
}

/* ---- derivatives ---- */

/* Through the softmax: w * (d - sum(w * d)). */
static gm_tensor *attention_through(gm_tensor *w, gm_tensor *d) {
    return gm_mul(w, gm_sub(d, attention_row_sum(w, d)));
}

static bool attention_grad(const gm_grad_args *a) {
    gm_tensor *mask = a->n_in > 3 ? a->in[3] : NULL, *g = a->gout[0], *out[3] = { NULL };
    if (a->needs[0] || a->needs[1] || a->needs[2]) {
        gm_tensor *in[] = { a->in[0], a->in[1], a->in[2], a->out[0], a->out[1], a->out[2], g, mask };
        if (gm_op_call(&gm__op_attention_grad, in, 8, a->attrs, out, 3) < 0) return false;
        for (int i = 0; i < 3; i++) a->gin[i] = a->needs[i] ? out[i] : NULL;
    }
    if (mask && a->needs[3]) {
        gm_tensor *m, *z, *w = attention_softmax(attention_scores(a->in[0], a->in[1], mask, a->attrs), &m, &z);
        a->gin[3] = attention_through(w, gm_matmul(g, attention_turned(a->in[2])));
    }
    return gm_ok();
}

static gm_tensor *attention_plus(gm_tensor *a, gm_tensor *b) { return a && b ? gm_add(a, b) : a ? a : b; }

/* With what arrives, Q K V, for gq = c dS k, gk = c dS' q, gv = P' g, where dS = P * (dP - sum(P * dP)), dP = g v':
 *   A = c (Q k' + q K')  arrives at dS,     B = g V'  at P;
 *   C = P * (A - sum(P * A))  at dP,        X = B + A * (dP - sum(P * dP)) - dP * sum(P * A)  at P in all,
 *   Z = P * (X - sum(P * X))  at the scores. Output, maxima and sums count as functions of q, k, v here. */
static bool attention_grad_grad(const gm_grad_args *a) {
    const attention_attrs *p = a->attrs;
    gm_tensor *q = a->in[ATT_Q], *k = a->in[ATT_K], *v = a->in[ATT_V], *g = a->in[ATT_G];
    gm_tensor *mask = a->n_in > ATT_MASK ? a->in[ATT_MASK] : NULL, *m, *z, *A = NULL, *X = NULL;
    gm_tensor *to_q = a->gout[0], *to_k = a->gout[1], *to_v = a->gout[2];
    gm_tensor *w = attention_softmax(attention_scores(q, k, mask, p), &m, &z);
    gm_tensor *dw = gm_matmul(g, attention_turned(v)), *centred = gm_sub(dw, attention_row_sum(w, dw)),
              *ds = gm_mul(w, centred);
    if (to_q) A = gm_matmul(to_q, attention_turned(k));
    if (to_k) A = attention_plus(A, gm_matmul(q, attention_turned(to_k)));
    if (A) A = gm_mul_scalar(A, p->scale);
    if (to_v) X = gm_matmul(g, attention_turned(to_v));
    if (A) X = attention_plus(X, gm_sub(gm_mul(A, centred), gm_mul(dw, attention_row_sum(w, A))));
    if (!gm_ok() || !X) return gm_ok();
    gm_tensor *C = A ? attention_through(w, A) : NULL, *Z = attention_through(w, X);
    if (a->needs[ATT_Q]) {
        gm_tensor *more = to_k ? gm_mul_scalar(gm_matmul(ds, to_k), p->scale) : NULL;
        a->gin[ATT_Q] = attention_plus(gm_mul_scalar(gm_matmul(Z, k), p->scale), more);
    }
    if (a->needs[ATT_K]) {
        gm_tensor *more = to_q ? gm_mul_scalar(gm_matmul(attention_turned(ds), to_q), p->scale) : NULL;
        a->gin[ATT_K] = attention_plus(gm_mul_scalar(gm_matmul(attention_turned(Z), q), p->scale), more);
    }
    if (a->needs[ATT_V] && C) a->gin[ATT_V] = gm_matmul(attention_turned(C), g);
    if (a->needs[ATT_G])
        a->gin[ATT_G] = attention_plus(C ? gm_matmul(C, v) : NULL, to_v ? gm_matmul(w, to_v) : NULL);
    if (mask && a->needs[ATT_MASK]) a->gin[ATT_MASK] = Z;
    return gm_ok();
}

/* The batch is one more leading dimension. */
static bool attention_batch(const gm_batch_args *a) {
    gm_tensor *in[8];
    for (int i = 0; i < a->n_in; i++) in[i] = gm__batched(a, i);
    return gm_op_call(a->op, in, a->n_in, a->attrs, a->out, a->n_out) >= 0;
}

/* ---- records ---- */

#define ATTENTION(...) &(attention_attrs) { __VA_ARGS__ }
const gm_op gm__op_attention = {
    .size = sizeof(gm_op), .name = "attention", .version = 1, .min_in = 3, .max_in = 4, .n_out = 3, .diff_out = 1,
    .flags = GM_OP_COMPUTE_F32, .saves_in = 15, .saves_out = 7, .attrs_bytes = sizeof(attention_attrs),
    .attrs = attention_fields, .infer = attention_infer, .kernel = attention_kernel, .lower = attention_lower,
    .grad = attention_grad, .batch = attention_batch,
    .cases = (const gm_case[]){ { "[2,3,4];[2,5,4];[2,5,3]", ATTENTION(0.5, 0, 0), 0, 0, 0 },
                                { "[5,3];[7,3];[7,2]", ATTENTION(0.6, 1, 1), 0, 0, 0 },
                                { "[2,3,4];[2,5,4];[2,5,3];[2,3,5]", ATTENTION(0.5, 1, 2), 0, 0, 0 },
                                { "[3,4];[5,4];[5,3];bool[3,5] bits", ATTENTION(0.5, 0, 0), 0, 0, 0 }, { 0 } },
    .doc = "softmax(q k' scale + mask) v, and the maximum and sum of each row of scores",
};

const gm_op gm__op_attention_grad = {
    .size = sizeof(gm_op), .name = "attention_grad", .version = 1, .min_in = 7, .max_in = 8, .n_out = 3,
    .flags = GM_OP_COMPUTE_F32, .saves_in = 1 << ATT_Q | 1 << ATT_K | 1 << ATT_V | 1 << ATT_G | 1 << ATT_MASK,
    .diff_in = 1 << ATT_Q | 1 << ATT_K | 1 << ATT_V | 1 << ATT_G | 1 << ATT_MASK,
    .attrs_bytes = sizeof(attention_attrs), .attrs = attention_fields, .infer = attention_grad_infer,
    .kernel = attention_grad_kernel, .lower = attention_grad_lower, .grad = attention_grad_grad,
    .batch = attention_batch,
    /* outputs, maxima and sums here are no results of q, k and v, as the derivative assumes them to be */
    .cases = (const gm_case[]){ { "[2,3,4];[2,5,4];[2,5,3];[2,3,3];[2,3];[2,3] positive;[2,3,3]",
                                  ATTENTION(0.5, 0, 0), 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the gradients of attention in q, k and v",
};
#undef ATTENTION

/* ---- public functions ---- */

/* q, k, v over the same leading dimensions. */
static bool attention_broadcast(gm_tensor **x, int n) {
    gm_tensor *lead[4];
    gm_shape s, full;
    for (int i = 0; i < n; i++) {
        s = x[i]->shape;
        s.n -= 2;
        lead[i] = gm__tensor_over(NULL, 0, &s, GM_F32);
        if (!lead[i]) return false;
    }
    if (!gm__broadcast_shapes("scaled_dot_product_attention", lead, n, &s)) return false;
    for (int i = 0; i < n; i++) {
        full = s;
        full.d[full.n++] = x[i]->shape.d[x[i]->shape.n - 2];
        full.d[full.n++] = x[i]->shape.d[x[i]->shape.n - 1];
        if (!gm_shape_equal(full, x[i]->shape) && !(x[i] = gm_expand(x[i], full))) return false;
    }
    return true;
}

/* x [..., H, T, D] -> [..., G, H / G, T, D]; a size of 1 stays. */
static gm_tensor *attention_in_groups(gm_tensor *x, int64_t groups) {
    if (x->shape.n == GM_MAX_DIMS)
        return gm_fail(GM_ERROR_SHAPE,
                       "scaled_dot_product_attention: no dimension is left for %lld groups of heads: %s",
                       (long long)groups, gm__tensor_shape_str(x)),
               NULL;
    gm_shape s = { .n = x->shape.n + 1 };
    int at = x->shape.n - 3;
    int64_t heads = x->shape.d[at];
    for (int i = 0; i < s.n; i++) s.d[i] = i <= at ? x->shape.d[i] : x->shape.d[i - 1];
    s.d[at] = heads == 1 ? 1 : groups;
    s.d[at + 1] = heads == 1 ? 1 : heads / groups;
    return gm_reshape(x, s);
}

static int64_t attention_heads(const gm_tensor *x) { return x->shape.n > 2 ? x->shape.d[x->shape.n - 3] : 1; }

/* Fewer heads of keys than of queries: both get a dimension of groups. Returns the number of groups, 0 if it is not so.
 */
static int64_t attention_group(gm_tensor **x, gm_tensor **mask) {
    int64_t h = attention_heads(x[0]), g = attention_heads(x[1]);
    if (g == h || g == 1 || h % g || attention_heads(x[2]) != g) return 0;
    x[0] = attention_in_groups(x[0], g);
    for (int i = 1; i < 3; i++) x[i] = gm_unsqueeze(x[i], -3);
    if (*mask && (*mask)->shape.n > 2) *mask = attention_in_groups(*mask, g);
    return g;
}

static bool attention_take(gm_tensor **x, gm_tensor **mask) {
    gm_dtype t = GM_NO_DTYPE;
    for (int i = 0; i < 3; i++) {
        if (!gm__check_tensor(x[i], "scaled_dot_product_attention", i + 1)) return false;
        if (x[i]->shape.n < 2)
            return gm_fail(GM_ERROR_SHAPE, "scaled_dot_product_attention: argument %d is %s, [..., T, D] is needed",
                           i + 1, gm__tensor_shape_str(x[i]));
        t = t ? gm_promote(t, x[i]->dtype) : x[i]->dtype;
    }
    for (int i = 0; i < 3 && gm_is_float(t); i++) x[i] = gm_cast(x[i], t);
    if (!*mask) return gm_ok();
    if (!gm__check_tensor(*mask, "scaled_dot_product_attention", 4)) return false;
    if ((*mask)->shape.n < 2)
        return gm_fail(GM_ERROR_SHAPE, "scaled_dot_product_attention: mask is %s, [..., T, S] is needed",
                       gm__tensor_shape_str(*mask));
    if ((*mask)->dtype != GM_BOOL && gm_is_float(t)) *mask = gm_cast(*mask, t);
    return gm_ok();
}

/* The mask over all queries and keys. */
static gm_tensor *attention_full_mask(gm_tensor *mask, const gm_tensor *q, const gm_tensor *k) {
    gm_shape s = mask->shape;
    s.d[s.n - 2] = q->shape.d[q->shape.n - 2], s.d[s.n - 1] = k->shape.d[k->shape.n - 2];
    return gm_shape_equal(s, mask->shape) ? mask : gm_expand(mask, s);
}

gm_tensor *gm_scaled_dot_product_attention_with(gm_tensor *q, gm_tensor *k, gm_tensor *v,
                                                const gm_scaled_dot_product_attention_args *args) {
    gm_scaled_dot_product_attention_args o;
    gm_tensor *x[4] = { q, k, v, NULL };
    if (!gm_ok() || !gm__args_take("scaled_dot_product_attention", &o, sizeof o, args) || !attention_take(x, &o.mask))
        return NULL;
    int64_t d = x[0]->shape.d[x[0]->shape.n - 1], groups = attention_group(x, &o.mask);
    if (!gm_ok() || (o.mask && !(x[3] = attention_full_mask(o.mask, x[0], x[1])))) return NULL;
    if (!attention_broadcast(x, x[3] ? 4 : 3)) return NULL;
    attention_attrs p = { gm__real_or(o.scale, 1 / sqrt((double)(d ? d : 1))), o.causal != 0, o.offset };
    gm_tensor *y = gm_op_call1(&gm__op_attention, x, 4, &p);
    return y && groups ? gm_flatten_dims(y, -4, -3) : y;
}

gm_tensor *(gm_scaled_dot_product_attention)(gm_tensor *q, gm_tensor *k, gm_tensor *v) {
    return gm_scaled_dot_product_attention_with(q, k, v, NULL);
}
