/* classify.c: scores against class labels: cross entropy and its gradient in one pass each, picking by label, nll.
 *
 * Rows are [M, C], labels [M] i64. A label equal to `ignore` (where `ignores`) gives 0 and no gradient; any other
 * outside of 0..C-1 is an INDEX error. softmax_nll also gives each row's maximum and sum, from which the gradient is
 * computed without another reduction. */
#include "../math/fp.h"
#include "loss.h"
#include "reduce.h"
#include "../base/args.h"
#include "../kernels/kernels.h"

#include <stddef.h>
#include <string.h>

typedef struct { int64_t ignores, ignore, classes; } pick_attrs;
static const gm_attr pick_fields[] = { GM_ATTR(pick_attrs, ignores, I64), GM_ATTR(pick_attrs, ignore, I64),
                                       GM_ATTR(pick_attrs, classes, I64), GM_ATTR_END };

extern const gm_op gm__op_softmax_nll, gm__op_softmax_nll_grad, gm__op_pick, gm__op_unpick;

/* ---- shapes ---- */

static bool pick_check(const gm_op_args *a, const gm_tensor *x, const gm_tensor *t) {
    if (!gm__check_float(x, a->op->name)) return false;
    if (t->dtype != GM_I64)
        return gm_fail(GM_ERROR_DTYPE, "%s: labels are %s, i64 is needed", a->op->name, gm_dtype_name(t->dtype));
    if (x->shape.n == 2 && t->shape.n == 1 && x->shape.d[0] == t->shape.d[0]) return true;
    return gm_fail(GM_ERROR_SHAPE, "%s: x is %s, labels are %s", a->op->name, gm__tensor_shape_str(x),
                   gm__tensor_shape_str(t));
}

static int32_t pick_infer(const gm_op_args *a, gm_spec *out) {
    if (!pick_check(a, a->in[0], a->in[1])) return -1;
    out->shape = a->in[1]->shape;
    out->dtype = a->in[0]->dtype;
    return 1;
}

static int32_t unpick_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *g = a->in[0], *t = a->in[1];
    if (!gm_is_float(g->dtype) || t->dtype != GM_I64 || g->shape.n != 1 || !gm_shape_equal(g->shape, t->shape))
        return gm_fail(GM_ERROR_SHAPE, "unpick: g is %s %s, labels are %s %s", gm_dtype_name(g->dtype),
                       gm__tensor_shape_str(g), gm_dtype_name(t->dtype), gm__tensor_shape_str(t)), -1;
    out->shape = (gm_shape){ 2, { 0 }, { t->shape.d[0], ((const pick_attrs *)a->attrs)->classes } };
    out->dtype = g->dtype;
    return 1;
}

static int32_t softmax_nll_infer(const gm_op_args *a, gm_spec *out) {
    if (pick_infer(a, out) < 0) return -1;
    if (!a->in[0]->shape.d[1])
        return gm_fail(GM_ERROR_SHAPE, "cross_entropy: no classes in %s", gm__tensor_shape_str(a->in[0])), -1;
    out[1].shape = (gm_shape){ 2, { 0 }, { a->in[1]->shape.d[0], 2 } };
    out[1].dtype = a->in[0]->dtype == GM_F64 ? GM_F64 : GM_F32;
    return 2;
}

static int32_t softmax_nll_grad_infer(const gm_op_args *a, gm_spec *out) {
    if (!pick_check(a, a->in[1], a->in[2])) return -1;
    out->shape = a->in[1]->shape;
    out->dtype = a->in[1]->dtype;
    return 1;
}

/* ---- values ---- */

/* The labels, checked, with -1 for what is ignored; to be freed. NULL after an error. */
static int64_t *pick_labels(const gm_op_args *a, gm_tensor *labels, int64_t classes) {
    const pick_attrs *p = a->attrs;
    gm_tensor *t = gm_contiguous(labels);
    int64_t n = gm_shape_count(labels->shape), *out = t ? gm_alloc((size_t)(n + 1) * sizeof *out) : NULL;
    for (int64_t i = 0; out && i < n; i++) {
        int64_t label = ((const int64_t *)gm__data(t))[i];
        bool ignored = p->ignores && label == p->ignore;
        out[i] = ignored ? -1 : label;
        if (ignored || (label >= 0 && label < classes)) continue;
        gm_fail(GM_ERROR_INDEX, "%s: label %lld at position %lld is not in 0..%lld (%lld classes%s)",
                !strcmp(a->op->name, "pick") ? "nll_loss" : "cross_entropy", (long long)label, (long long)i,
                (long long)classes - 1, (long long)classes, label < 0 ? "; .ignore_index leaves entries out" : "");
        gm_free(out);
        out = NULL;
    }
    return out;
}

/* x may be any view: a row of weights for all is one of stride 0. */
static bool pick_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_tensor *x = a->in[0];
    int64_t rows = x->shape.d[0], *label = pick_labels(a, a->in[1], x->shape.d[1]);
    int bytes = gm__element_bytes(x->dtype);
    char *y = gm__data(out[0]);
    if (!label) return false;
    memset(y, 0, (size_t)(rows * bytes));
    for (int64_t i = 0; i < rows; i++)
        if (label[i] >= 0)
            memcpy(y + i * bytes, gm__data(x) + (i * x->stride[0] + label[i] * x->stride[1]) * bytes, (size_t)bytes);
    gm_free(label);
    return true;
}

static bool unpick_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *g = gm_contiguous(a->in[0]);
    int64_t rows = out[0]->shape.d[0], classes = out[0]->shape.d[1], *label = pick_labels(a, a->in[1], classes);
    int bytes = gm__element_bytes(out[0]->dtype);
    if (!g || !label) {
        gm_free(label);
        return false;
    }
    memset(gm__data(out[0]), 0, (size_t)(rows * classes * bytes));
    for (int64_t i = 0; i < rows; i++)
        if (label[i] >= 0)
            memcpy(gm__data(out[0]) + (i * classes + label[i]) * bytes, gm__data(g) + i * bytes, (size_t)bytes);
    gm_free(label);
    return true;
}

typedef struct { const char *x, *g; char *y, *stats; const int64_t *label; int64_t n; bool wide; } nll_job;

static void nll_stats_range(void *env, int64_t begin, int64_t end) {
    const nll_job *j = env;
    const gm_kernels *k = gm__kernels();
    int64_t bytes = j->wide ? 8 : 4;
    (j->wide ? k->norm_softmax_stats_f64 : k->norm_softmax_stats_f32)(
        end - begin, j->n, j->x + begin * j->n * bytes, j->stats + 2 * begin * bytes, j->y + begin * j->n * bytes);
}

static void nll_grad_range(void *env, int64_t begin, int64_t end) {
    const nll_job *j = env;
    const gm_kernels *k = gm__kernels();
    int64_t bytes = j->wide ? 8 : 4, at = begin * j->n * bytes;
    (j->wide ? k->norm_cross_entropy_grad_f64 : k->norm_cross_entropy_grad_f32)(
        end - begin, j->n, j->x + at, j->stats + 2 * begin * bytes, j->label + begin, j->g + begin * bytes, j->y + at);
}

/* -((x[t] - m) - log(s)) of each row */
#define NLL_LOSSES(T, S)                                                                                               \
    static void nll_losses_##S(const nll_job *j, int64_t rows, T *y) {                                                 \
        const T *x = (const T *)j->x, *stats = (const T *)j->stats;                                                    \
        for (int64_t i = 0; i < rows; i++) y[i] = stats[2 * i + 1];                                                    \
        gm__kernels()->norm_logs_##S(rows, y, y);                                                                     \
        for (int64_t i = 0; i < rows; i++)                                                                             \
            y[i] = j->label[i] < 0 ? 0 : -((x[i * j->n + j->label[i]] - stats[2 * i]) - y[i]);                         \
    }
NLL_LOSSES(float, f32)
NLL_LOSSES(double, f64)
#undef NLL_LOSSES

static bool softmax_nll_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_tensor *x = a->in[0];
    int64_t rows = x->shape.d[0], n = x->shape.d[1], *label = pick_labels(a, a->in[1], n);
    gm_tensor *work = label ? gm__tensor_new(&x->shape, x->dtype, false) : NULL; /* the exponentials */
    if (work) {
        nll_job j = { gm__data(x), NULL, gm__data(work), gm__data(out[1]), label, n, x->dtype == GM_F64 };
        gm_parallel_for(rows, 8192 / n + 1, nll_stats_range, &j);
        if (j.wide) nll_losses_f64(&j, rows, (double *)gm__data(out[0]));
        else nll_losses_f32(&j, rows, (float *)gm__data(out[0]));
    }
    gm_free(label);
    return work != NULL;
}

static bool softmax_nll_lower(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0], *m = gm_max_dim(x, 1, true), *s = gm_sum_dim(gm_exp(gm_sub(x, m)), 1, true);
    gm_tensor *t[2] = { m, s };
    out[0] = gm_neg(gm__call2(&gm__op_pick, a->attrs, gm_log_softmax(x, 1), a->in[1]));
    out[1] = gm_concat(t, 2, 1);
    return out[0] && out[1];
}

static bool softmax_nll_grad_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_tensor *x = a->in[1];
    int64_t rows = x->shape.d[0], n = x->shape.d[1], *label = pick_labels(a, a->in[2], n);
    if (!label) return false;
    nll_job j = { gm__data(x), gm__data(a->in[0]), gm__data(out[0]), gm__data(a->in[3]), label, n, x->dtype == GM_F64 };
    gm_parallel_for(rows, 8192 / n + 1, nll_grad_range, &j);
    gm_free(label);
    return true;
}

/* ---- derivatives ---- */

static bool pick_grad(const gm_grad_args *a) {
    pick_attrs p = *(const pick_attrs *)a->attrs;
    p.classes = a->in[0]->shape.d[1];
    a->gin[0] = gm__call2(&gm__op_unpick, &p, a->gout[0], a->in[1]);
    return a->gin[0] != NULL;
}

static bool unpick_grad(const gm_grad_args *a) {
    a->gin[0] = gm__call2(&gm__op_pick, a->attrs, a->gout[0], a->in[1]);
    return a->gin[0] != NULL;
}

static bool softmax_nll_grad(const gm_grad_args *a) {
    gm_tensor *in[4] = { a->gout[0], a->in[0], a->in[1], a->out[1] };
    if (a->gout[0]) a->gin[0] = gm_op_call1(&gm__op_softmax_nll_grad, in, 4, a->attrs);
    return gm_ok();
}

/* dx = g (p - onehot): of g it is sum(v p) - v[t], of x it is softmax's own of v g; ignored rows have neither. */
static bool softmax_nll_second(const gm_grad_args *a) {
    const pick_attrs *q = a->attrs;
    gm_tensor *g = a->in[0], *x = a->in[1], *t = a->in[2], *v = a->gout[0], *p = gm_softmax(x, 1);
    gm_tensor *valid = q->ignores ? gm_cast(gm_ne_scalar(t, (double)q->ignore), gm_dtype_of(x)) : NULL;
    if (a->needs[0]) {
        gm_tensor *s = gm_sum_dim(gm_mul(v, p), 1, false);
        a->gin[0] = gm_sub(valid ? gm_mul(s, valid) : s, gm__call2(&gm__op_pick, a->attrs, v, t));
    }
    if (a->needs[1]) {
        gm_tensor *u = gm_mul(v, gm_unsqueeze(valid ? gm_mul(g, valid) : g, 1));
        a->gin[1] = gm__softmax_grad(u, p, 1);
    }
    return gm_ok();
}

/* ---- records ---- */

#define PICK_RECORD(name_, inputs, outputs, infer_, kernel_, grad_)                                                    \
    .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = inputs, .max_in = inputs, .n_out = outputs,          \
    .attrs_bytes = sizeof(pick_attrs), .attrs = pick_fields, .infer = infer_, .kernel = kernel_, .grad = grad_

const gm_op gm__op_pick = {
    PICK_RECORD("pick", 2, 1, pick_infer, pick_kernel, pick_grad), .flags = GM_OP_LINEAR, .saves_in = 2, .diff_in = 1,
    .cases = (const gm_case[]){ { "[5,4]; i64[5] below 4", &(pick_attrs){ 0, 0, 0 }, 0, 0, 0 },
                                { "[5,3]; i64[5] below 3", &(pick_attrs){ 1, 2, 0 }, 0, 0, 0 }, { 0 } },
    .doc = "x[i, label[i]] of each row",
};
const gm_op gm__op_unpick = {
    PICK_RECORD("unpick", 2, 1, unpick_infer, unpick_kernel, unpick_grad), .flags = GM_OP_LINEAR, .saves_in = 2,
    .diff_in = 1,
    .cases = (const gm_case[]){ { "[5]; i64[5] below 4", &(pick_attrs){ 0, 0, 4 }, 0, 0, 0 },
                                { "[7]; i64[7] below 3", &(pick_attrs){ 1, 2, 3 }, 0, 0, 0 }, { 0 } },
    .doc = "zeros with g[i] at [i, label[i]]",
};
const gm_op gm__op_softmax_nll = {
    PICK_RECORD("softmax_nll", 2, 2, softmax_nll_infer, softmax_nll_kernel, softmax_nll_grad),
    .flags = GM_OP_CONTIGUOUS | GM_OP_COMPUTE_F32,
    .lower = softmax_nll_lower,
    .saves_in = 3,
    .saves_out = 2,
    .diff_in = 1,
    .diff_out = 1,
    .cases = (const gm_case[]){ { "[5,4]; i64[5] below 4", &(pick_attrs){ 0, 0, 0 }, 0, 0, 0 },
                                { "[3,7]; i64[3] below 3", &(pick_attrs){ 1, 2, 0 }, 0, 0, 0 },
                                { "[2,67]; i64[2] below 67", &(pick_attrs){ 0, 0, 0 }, 0, 0, 0 },
                                { 0 } },
    .doc = "-log(softmax(x))[label] of each row; the row's maximum and sum, which carry no gradient",
};
const gm_op gm__op_softmax_nll_grad = {
    PICK_RECORD("softmax_nll_grad", 4, 1, softmax_nll_grad_infer, softmax_nll_grad_kernel, softmax_nll_second),
    .flags = GM_OP_CONTIGUOUS | GM_OP_COMPUTE_F32,
    .saves_in = 7,
    .diff_in = 3,
    .cases =
        (const gm_case[]){
            { "[5]; [5,4]; i64[5] below 4; [5,2] positive", &(pick_attrs){ 0, 0, 0 }, 0, GM_CASE_NO_GRAD, 0 },
            { "[3]; [3,17]; i64[3] below 17; [3,2] positive", &(pick_attrs){ 1, 2, 0 }, 0, GM_CASE_NO_GRAD, 0 },
            { 0 } },
    .doc = "the gradient of softmax_nll",
};
#undef PICK_RECORD

/* ---- the public forms ---- */

/* [N, C, ...] -> [M, C] */
static gm_tensor *class_rows(gm_tensor *x) {
    if (x->shape.n == 1) return gm_unsqueeze(x, 0);
    int64_t c = x->shape.d[1];
    if (x->shape.n > 2) x = gm_move_dim(x, 1, -1);
    return gm_reshape(x, (gm_shape){ 2, { 0 }, { -1, c } });
}

static bool class_check(const char *op, const gm_tensor *x, const gm_tensor *y, const gm_cross_entropy_args *o) {
    if (!gm__check_tensor(x, op, 1) || !gm__check_tensor(y, op, 2) || !gm__check_float(x, op)) return false;
    gm_shape s = x->shape;
    int at = s.n > 1;
    if (s.n < 1) return gm_fail(GM_ERROR_SHAPE, "%s: x has no dimension of classes", op);
    int64_t classes = s.d[at];
    if (o->label_smoothing < 0 || o->label_smoothing > 1)
        return gm_fail(GM_ERROR_VALUE, "%s: a label_smoothing of %g", op, o->label_smoothing);
    if (o->weight && (o->weight->shape.n != 1 || o->weight->shape.d[0] != classes))
        return gm_fail(GM_ERROR_SHAPE, "%s: weight is %s, there are %lld classes", op, gm__tensor_shape_str(o->weight),
                       (long long)classes);
    if (!gm_is_float(y->dtype)) {
        for (int i = at; i + 1 < s.n; i++) s.d[i] = s.d[i + 1];
        s.n--;
    }
    if (gm_shape_equal(s, y->shape)) return true;
    return gm_fail(GM_ERROR_SHAPE,
                   "%s: x is %s, labels must be integers of %s or probabilities of x's shape, they are %s %s", op,
                   gm__tensor_shape_str(x), gm__shape_str(&s), gm_dtype_name(y->dtype), gm__tensor_shape_str(y));
}

/* Weighted losses l [M] and their weights w (NULL: all 1), as asked. */
static gm_tensor *class_reduce(gm_tensor *l, gm_tensor *w, const gm_tensor *x, const gm_tensor *y, int reduction) {
    if (!l) return NULL;
    if (reduction == GM_LOSS_NONE) {
        gm_shape s = y->shape;
        if (gm_is_float(y->dtype)) s = gm__reduced_shape(&x->shape, x->shape.n > 1 ? 2 : 1, false);
        return gm_cast(gm_reshape(l, s), x->dtype);
    }
    gm_tensor *sum = gm_sum(l);
    if (reduction == GM_LOSS_SUM) return gm_cast(sum, x->dtype);
    if (reduction == GM_LOSS_BATCH_MEAN)
        return gm_cast(gm_div_scalar(sum, (double)(x->shape.n > 1 ? x->shape.d[0] : 1)), x->dtype);
    return gm_cast(w ? gm_div(sum, gm_sum(w)) : gm_div_scalar(sum, (double)gm_shape_count(l->shape)), x->dtype);
}

/* -sum(q w logp), q the probabilities, smoothed. */
static gm_tensor *class_soft(gm_tensor *x, gm_tensor *y, const gm_cross_entropy_args *o, bool logs) {
    gm_tensor *rows = class_rows(gm__loss_wide(x)), *q = class_rows(gm__loss_wide(y));
    if (!rows || !q) return NULL;
    double e = o->label_smoothing;
    if (e > 0) q = gm_add_scalar(gm_mul_scalar(q, 1 - e), e / (double)gm_size(rows, 1));
    gm_tensor *p = gm_mul(q, logs ? rows : gm_log_softmax(rows, 1));
    gm_tensor *l = gm_neg(gm_sum_dim(o->weight ? gm_mul(p, o->weight) : p, 1, false));
    return class_reduce(l, NULL, x, y, o->reduction);
}

static gm_tensor *class_smooth(gm_tensor *l, gm_tensor *rows, gm_tensor *valid, const gm_cross_entropy_args *o) {
    double e = o->label_smoothing;
    gm_tensor *p = gm_log_softmax(rows, 1);
    gm_tensor *all = gm_neg(gm_sum_dim(o->weight ? gm_mul(p, o->weight) : p, 1, false));
    if (valid) all = gm_mul(all, valid);
    return gm_add(gm_mul_scalar(l, 1 - e), gm_mul_scalar(all, e / (double)gm_size(rows, 1)));
}

static gm_tensor *class_loss(const char *op, gm_tensor *x, gm_tensor *y, const gm_cross_entropy_args *args, bool logs) {
    gm_cross_entropy_args o;
    if (!gm_ok() || !gm__args_take(op, &o, sizeof o, args) || !class_check(op, x, y, &o)) return NULL;
    if (gm_is_float(y->dtype)) return class_soft(x, y, &o, logs);
    gm_tensor *rows = class_rows(gm__loss_wide(x));
    gm_tensor *t = gm_reshape(gm_cast(y, GM_I64), (gm_shape){ 1, { 0 }, { -1 } });
    if (!rows || !t) return NULL;
    pick_attrs p = { o.ignore_index.set, o.ignore_index.set ? o.ignore_index.v : 0, gm_size(rows, 1) };
    gm_tensor *valid = p.ignores ? gm_cast(gm_ne_scalar(t, (double)p.ignore), rows->dtype) : NULL, *w = valid;
    gm_tensor *l = logs ? gm_neg(gm__call2(&gm__op_pick, &p, rows, t)) : gm__call2(&gm__op_softmax_nll, &p, rows, t);
    if (o.weight && l) {
        w = gm__call2(&gm__op_pick, &p, gm_expand(gm_cast(o.weight, rows->dtype), rows->shape), t);
        l = gm_mul(l, w);
    }
    if (o.label_smoothing > 0 && !logs && l) l = class_smooth(l, rows, valid, &o);
    return class_reduce(l, w, x, y, o.reduction);
}

gm_tensor *gm_cross_entropy_with(gm_tensor *x, gm_tensor *y, const gm_cross_entropy_args *args) {
    return class_loss("cross_entropy", x, y, args, false);
}

gm_tensor *gm_nll_loss_with(gm_tensor *x, gm_tensor *y, const gm_nll_loss_args *args) {
    return class_loss("nll_loss", x, y, args, true);
}

gm_tensor *(gm_cross_entropy)(gm_tensor *x, gm_tensor *y) { return gm_cross_entropy_with(x, y, NULL); }
gm_tensor *(gm_nll_loss)(gm_tensor *x, gm_tensor *y) { return gm_nll_loss_with(x, y, NULL); }
