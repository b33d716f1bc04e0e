/* export_ops.c: nodes that become calls of kernels: products, reductions, softmax and losses, indices, optimizers. */
#include "../math/fp.h"
#include "export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define P PRId64
static const int ops_sum[] = { GM__C99_COMMON, GM__C99_SUM, -1 };
static const int ops_dot[] = { GM__C99_COMMON, GM__C99_DOT, -1 };
static const int ops_softmax[] = { GM__C99_COMMON, GM__C99_SUM, GM__C99_SOFTMAX, -1 };
static const int ops_index[] = { GM__C99_COMMON, GM__C99_INDEX, -1 };
static const int ops_optimize[] = { GM__C99_COMMON, GM__C99_OPTIMIZE, -1 };

/* The first elements of a node's inputs and outputs as text. */
typedef struct { char in[8][GM__EXPORT_NAME], out[4][GM__EXPORT_NAME]; } ops_names;

static ops_names ops_name(const gm__export *x, const gm__node *n) {
    ops_names s = { 0 };
    for (int i = 0; i < 8; i++) {
        memcpy(s.in[i], "NULL", 5);
        if (gm__export_in(n, i) >= 0) gm__export_at(x, n->in[i], s.in[i]);
    }
    for (int j = 0; j < n->n_out && j < 4; j++) gm__export_at(x, n->out + j, s.out[j]);
    return s;
}

static int64_t ops_size(const gm_tensor *t, int from_end) { return t->shape.d[t->shape.n - from_end]; }
static int64_t ops_step(const gm_tensor *t, int from_end) { return t->stride[t->shape.n - from_end]; }

/* ---- products ---- */

/* Loops over the batch of y; the text of what each adds to the operands' places. */
static void ops_batch(gm__export *x, const gm_tensor *const *t, char (*extra)[128]) {
    const gm_shape *s = &t[2]->shape;
    for (int k = 0; k < 3; k++) *extra[k] = 0;
    for (int d = 0; d + 2 < s->n; d++) {
        if (s->d[d] == 1) continue;
        gm__builder_format(&x->body, "    for (int64_t i%d = 0; i%d < %" P "; i%d++)\n", d, d, s->d[d], d);
        for (int k = 0; k < 3; k++) {
            int own = d - (s->n - t[k]->shape.n);
            int64_t step = own < 0 || t[k]->shape.d[own] == 1 ? 0 : t[k]->stride[own];
            size_t at = strlen(extra[k]);
            if (step) snprintf(extra[k] + at, 128 - at, " + i%d * %" P, d, step);
        }
    }
}

static bool ops_matmul(gm__export *x, const gm__node *n) {
    const gm_tensor *t[3] = { x->t[n->in[0]], x->t[n->in[1]], x->t[n->out] };
    const char *k = gm__export_kernel(x, n->out, ops_dot);
    ops_names s = ops_name(x, n);
    char extra[3][128];
    if (!k || !gm_shape_count(t[2]->shape)) return k != NULL;
    ops_batch(x, t, extra);
    gm__export_line(
        x, "matmul_%s(%" P ", %" P ", %" P ", %s%s, %" P ", %" P ", %s%s, %" P ", %" P ", 0, NULL, %s%s, %" P ");", k,
        ops_size(t[0], 2), ops_size(t[1], 1), ops_size(t[0], 1), s.in[0], extra[0], ops_step(t[0], 2),
        ops_step(t[0], 1), s.in[1], extra[1], ops_step(t[1], 2), ops_step(t[1], 1), s.out[0], extra[2],
        ops_step(t[2], 2));
    return true;
}

/* Rows that lie evenly are one product; else the dimension before the last is, and those before are loops. */
static bool ops_linear(gm__export *x, const gm__node *n) {
    gm_tensor from = *x->t[n->in[0]], to = *x->t[n->out];
    const gm_tensor *w = x->t[n->in[1]], *t[3] = { &from, w, &to };
    const char *k = gm__export_kernel(x, n->out, ops_dot);
    ops_names s = ops_name(x, n);
    char extra[3][128];
    int64_t rows = gm_shape_count(to.shape) / (w->shape.d[0] ? w->shape.d[0] : 1);
    if (!k || !gm_shape_count(to.shape)) return k != NULL;
    if (n->n_in > 2 && n->in[2] >= 0 && x->t[n->in[2]]->stride[0] != 1 && w->shape.d[0] > 1)
        return gm__export_refuse(x, "with a strided bias");
    bool dense = gm_is_contiguous(&from);
    if (dense || from.shape.n < 2) rows = rows ? rows : 1;
    else rows = from.shape.d[from.shape.n - 2];
    if (dense || from.shape.n < 2) memset(extra, 0, sizeof extra);
    else ops_batch(x, t, extra);
    gm__export_line(x, "matmul_%s(%" P ", %" P ", %" P ", %s%s, %" P ", %" P ", %s, %" P ", %" P ", %d, %s, %s%s, %" P
                       ");", k, rows, w->shape.d[0], w->shape.d[1], s.in[0], extra[0],
                    dense || from.shape.n < 2 ? w->shape.d[1] : ops_step(&from, 2), ops_step(&from, 1), s.in[1],
                    w->stride[1], w->stride[0], x->moved[n->in[1]], s.in[2], s.out[0], extra[2], w->shape.d[0]);
    return true;
}

/* ---- walks ---- */

/* Dimension d of the list goes on where the one before it ends, in all values. */
static bool ops_goes_on(gm_tensor *const *t, int n, int before, int d) {
    for (int i = 0; i < n; i++)
        if (t[i]->stride[before] != t[i]->stride[d] * t[i]->shape.d[d]) return false;
    return true;
}

/* The constants walkN_0 ... of values of one shape that reduce the dimensions in `mask`. Sizes of 1 are left out, and
 * dimensions that all walk as one are one; at least one of each kind stays. */
static void ops_walks(gm__export *x, const int32_t *v, int n_values, int64_t mask) {
    gm_tensor *t[4];
    int64_t size[2][GM_MAX_DIMS + 1], step[4][2][GM_MAX_DIMS + 1] = { { { 0 } } };
    int n[2] = { 0, 0 }, last[2] = { -1, -1 };
    for (int i = 0; i < n_values; i++) t[i] = x->t[v[i]];
    for (int d = 0; d < t[0]->shape.n; d++) {
        int r = mask >> d & 1;
        if (t[0]->shape.d[d] == 1) continue;
        bool on = last[r] >= 0 && ops_goes_on(t, n_values, last[r], d);
        if (on) size[r][n[r] - 1] *= t[0]->shape.d[d];
        else size[r][n[r]++] = t[0]->shape.d[d];
        for (int i = 0; i < n_values; i++) step[i][r][n[r] - 1] = t[i]->stride[d];
        last[r] = d;
    }
    for (int r = 0; r < 2; r++)
        if (!n[r]) size[r][0] = 1, n[r] = 1;
    for (int i = 0; i < n_values; i++) {
        gm__builder_format(&x->once, "static const gm_walk walk%d_%d = { %d, %d", x->node, i, n[0], n[1]);
        for (int part = 0; part < 4; part++) {
            gm__builder_add(&x->once, ", {");
            for (int d = 0; d < n[part / 2]; d++)
                gm__builder_format(&x->once, d ? ", %" P : " %" P,
                                   part % 2 ? step[i][part / 2][d] : size[part / 2][d]);
            gm__builder_add(&x->once, " }");
        }
        gm__builder_add(&x->once, " };\n");
    }
}

static bool ops_reduce(gm__export *x, const gm__node *n) {
    const gm_tensor *t = x->t[n->in[0]], *y = x->t[n->out];
    int64_t mask = gm__export_i64(n, "dims", 0), count = 1;
    const char *op = n->op->name, *k = gm__export_kernel(x, n->in[0], ops_sum);
    ops_names s = ops_name(x, n);
    int last = t->shape.n - 1, what = !strcmp(op, "max") ? 1 : !strcmp(op, "min") ? 2 : 0;
    while (last >= 0 && t->shape.d[last] == 1) last--;
    for (int d = 0; d < t->shape.n; d++)
        if (mask >> d & 1) count *= t->shape.d[d];
    if (!k || !gm_shape_count(y->shape)) return k != NULL;
    if (y->dtype != t->dtype) return gm__export_refuse(x, "with a result of another type");
    ops_walks(x, n->in, 1, mask);
    gm__export_line(x, "reduce_%s(&walk%d_0, %d, %d, %" P ", %s, %s);", k, x->node, what,
                    last < 0 || (mask >> last & 1) ? 1 : 0, strcmp(op, "mean") ? (int64_t)0 : count, s.in[0], s.out[0]);
    return true;
}

static bool ops_argmax(gm__export *x, const gm__node *n) {
    const gm_tensor *t = x->t[n->in[0]];
    const char *k = gm__export_kernel(x, n->in[0], ops_index);
    ops_names s = ops_name(x, n);
    if (!k || !gm_shape_count(x->t[n->out]->shape)) return k != NULL;
    ops_walks(x, n->in, 1, (int64_t)1 << (t->shape.n - 1));
    gm__export_line(x, "argmax_%s(&walk%d_0, %d, %s, %s);", k, x->node, !strcmp(n->op->name, "argmin"), s.in[0],
                    s.out[0]);
    return true;
}

static bool ops_channel_sum(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_SUM, GM__C99_NORM, -1 };
    const char *k = gm__export_kernel(x, n->out, texts);
    bool two = gm__export_in(n, 1) >= 0;
    ops_names s = ops_name(x, n);
    if (!k) return false;
    ops_walks(x, n->in, two ? 2 : 1, ~(int64_t)2);
    gm__export_line(x, "channel_sum_%s(&walk%d_0, &walk%d_%d, %s, %s, %s);", k, x->node, x->node, two, s.in[0], s.in[1],
                    s.out[0]);
    return true;
}

static bool ops_batch_norm(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_SUM, GM__C99_NORM, -1 };
    const char *k = gm__export_kernel(x, n->out, texts);
    ops_names s = ops_name(x, n);
    bool grad = !strcmp(n->op->name, "batch_norm_grad");
    if (!k || !gm_shape_count(x->t[n->out]->shape)) return k != NULL;
    for (int i = grad ? 2 : 1; i < n->n_in; i++) {
        const gm_tensor *v = n->in[i] < 0 ? NULL : x->t[n->in[i]];
        if (v && (v->dtype != x->t[n->out]->dtype || (v->shape.d[0] > 1 && v->stride[0] != 1)))
            return gm__export_refuse(x, "with parameters of another type");
    }
    ops_walks(x, (int32_t[]){ n->in[grad], grad ? n->in[0] : n->out, n->out }, grad ? 3 : 2, ~(int64_t)2);
    if (grad) {
        gm__export_line(x,
                        "batch_norm_grad_%s(&walk%d_0, &walk%d_1, &walk%d_2, %a, %d, %s, %s, %s, %s, %s, %s, %s, %s);",
                        k, x->node, x->node, x->node, gm__export_f64(n, "eps"), gm__export_in(n, 5) >= 0, s.in[0],
                        s.in[1], s.in[2], s.in[3], s.in[4], s.out[0], s.out[1], s.out[2]);
        return true;
    }
    gm__export_line(x, "batch_norm_%s(&walk%d_0, &walk%d_1, %a, %s, %s, %s, %s, %s, %s, %s, %s);", k, x->node, x->node,
                    gm__export_f64(n, "eps"), s.in[1], s.in[2], s.in[3], s.in[4], s.in[0], s.out[0],
                    n->n_out > 1 ? s.out[1] : "NULL", n->n_out > 2 ? s.out[2] : "NULL");
    return true;
}

static bool ops_row_norm(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_SUM, GM__C99_NORM, -1 };
    const gm_tensor *t = x->t[n->in[0]];
    const char *k = gm__export_kernel(x, n->out, texts);
    ops_names s = ops_name(x, n);
    bool group = !strcmp(n->op->name, "group_norm");
    int64_t p = gm__export_i64(n, "n", 0), groups = 1, run = 1, each = 1;
    if (!k || !gm_shape_count(t->shape)) return k != NULL;
    if (!gm_is_contiguous(t) || !gm_is_contiguous(x->t[n->out])) return gm__export_refuse(x, "of strided rows");
    for (int d = group ? 2 : t->shape.n - (int)p; d < t->shape.n; d++) each *= t->shape.d[d];
    if (group) groups = p, run = each, each *= t->shape.d[1] / p;
    for (int i = 1; i < n->n_in; i++)
        if (n->in[i] >= 0 && (!gm_is_contiguous(x->t[n->in[i]]) || x->t[n->in[i]]->dtype != t->dtype))
            return gm__export_refuse(x, "with parameters of another type");
    gm__export_line(x, "row_norm_%s(%d, %" P ", %" P ", %" P ", %" P ", %a, %s, %s, %s, %s, %s, %s);", k,
                    !strcmp(n->op->name, "rms_norm"), gm_shape_count(t->shape) / each, each, groups, run,
                    gm__export_f64(n, "eps"), s.in[0], s.in[1], s.in[2], s.out[0], n->n_out > 1 ? s.out[1] : "NULL",
                    n->n_out > 2 ? s.out[2] : "NULL");
    return true;
}

static bool ops_row_norm_grad(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_SUM, GM__C99_NORM, -1 };
    const gm_tensor *t = x->t[n->in[1]];
    const char *k = gm__export_kernel(x, n->out, texts);
    ops_names s = ops_name(x, n);
    bool group = !strcmp(n->op->name, "group_norm_grad"), rms = !strcmp(n->op->name, "rms_norm_grad");
    int64_t p = gm__export_i64(n, "n", 0), groups = 1, run = 1, each = 1, count = gm_shape_count(t->shape);
    if (!k || !count) return k != NULL;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && (!gm_is_contiguous(x->t[n->in[i]]) || x->t[n->in[i]]->dtype != t->dtype))
            return gm__export_refuse(x, "of strided or mixed tensors");
    if (!gm_is_contiguous(x->t[n->out])) return gm__export_refuse(x, "of strided rows");
    for (int d = group ? 2 : t->shape.n - (int)p; d < t->shape.n; d++) each *= t->shape.d[d];
    if (group) groups = p, run = each, each *= t->shape.d[1] / p;
    gm__export_line(x, "row_norm_grad_%s(%d, %" P ", %" P ", %" P ", %" P ", %s, %s, %s, %s, %s, %s);", k, rms,
                    count / each, each, groups, run, s.in[0], s.in[1], s.in[2], s.in[3], s.in[4], s.out[0]);
    if (!group)
        gm__export_line(x, "row_norm_columns_%s(%" P ", %" P ", %s, %s, %s, %s, %s, %s);", k, count / each, each,
                        s.in[0], s.in[1], s.in[2], s.in[3], s.out[1], s.out[2]);
    return true;
}

/* ---- softmax and losses ---- */

static bool ops_softmax_any(gm__export *x, const gm__node *n) {
    const gm_shape *z = &x->t[n->out]->shape;
    int dim = (int)gm__export_i64(n, "dim", 0);
    int64_t outer = 1, inner = 1;
    const char *op = n->op->name, *k = gm__export_kernel(x, n->out, ops_softmax);
    ops_names s = ops_name(x, n);
    if (!k || !gm_shape_count(*z)) return k != NULL;
    for (int d = 0; d < z->n; d++)
        if (d < dim) outer *= z->d[d];
        else if (d > dim) inner *= z->d[d];
    bool grad = n->n_in > 1;
    gm__export_line(x, "softmax%s_%s(%d, %d, %" P ", %" P ", %" P ", %s, %s%s%s);", grad ? "_grad" : "", k,
                    !strncmp(op, "log_", 4), inner == 1, outer, z->d[dim], inner, s.in[0], grad ? s.in[1] : "",
                    grad ? ", " : "", s.out[0]);
    return true;
}

static bool ops_nll(gm__export *x, const gm__node *n) {
    bool grad = n->n_in > 2;
    const gm_tensor *t = x->t[n->in[grad]];
    const char *k = gm__export_kernel(x, n->out, ops_softmax);
    ops_names s = ops_name(x, n);
    int64_t ignores = gm__export_i64(n, "ignores", 0), ignore = gm__export_i64(n, "ignore", 0);
    if (!k) return false;
    if (grad)
        gm__export_line(x, "softmax_nll_grad_%s(%" P ", %" P ", %s, %s, %s, %s, %d, %" P ", %s);", k, t->shape.d[0],
                        t->shape.d[1], s.in[0], s.in[1], s.in[2], s.in[3], (int)ignores, ignore, s.out[0]);
    else
        gm__export_line(x, "softmax_nll_%s(%" P ", %" P ", %s, %s, %d, %" P ", %s, %s);", k, t->shape.d[0],
                        t->shape.d[1], s.in[0], s.in[1], (int)ignores, ignore, s.out[0], s.out[1]);
    return true;
}

static bool ops_pick(gm__export *x, const gm__node *n) {
    bool un = !strcmp(n->op->name, "unpick");
    const gm_tensor *t = x->t[n->in[0]];
    const char *k = gm__export_kernel(x, n->out, ops_index);
    ops_names s = ops_name(x, n);
    int64_t ignores = gm__export_i64(n, "ignores", 0), ignore = gm__export_i64(n, "ignore", 0);
    if (!k) return false;
    if (!gm_is_contiguous(x->t[n->in[1]]) || (un && !gm_is_contiguous(t)))
        return gm__export_refuse(x, "of strided labels");
    if (un)
        gm__export_line(x, "unpick_%s(%" P ", %" P ", %s, %s, %d, %" P ", %s);", k, t->shape.d[0],
                        gm__export_i64(n, "classes", 0), s.in[0], s.in[1], (int)ignores, ignore, s.out[0]);
    else
        gm__export_line(x, "pick_%s(%" P ", %" P ", %" P ", %" P ", %s, %s, %d, %" P ", %s);", k, t->shape.d[0],
                        t->shape.d[1], t->stride[0], t->stride[1], s.in[0], s.in[1], (int)ignores, ignore, s.out[0]);
    return true;
}

/* ---- indices ---- */

static bool ops_select(gm__export *x, const gm__node *n) {
    bool sum = !strcmp(n->op->name, "index_sum");
    const gm_tensor *table = x->t[sum ? n->out : n->in[0]], *index = x->t[n->in[1]];
    const char *k = gm__export_kernel(x, n->out, ops_index);
    ops_names s = ops_name(x, n);
    int64_t dim = gm__export_i64(n, "dim", 0), outer = 1, inner = 1;
    if (!k) return false;
    if (index->dtype != GM_I64) return gm__export_refuse(x, "by an index that is not i64");
    for (int d = 0; d < table->shape.n; d++)
        if (d < dim) outer *= table->shape.d[d];
        else if (d > dim) inner *= table->shape.d[d];
    gm__export_line(x, "%s_%s(%" P ", %" P ", %" P ", %" P ", ", sum ? "index_sum" : "index_select", k, outer,
                    table->shape.d[dim], inner, gm_shape_count(index->shape));
    x->body.n--; /* the line goes on */
    if (sum) gm__builder_format(&x->body, "%" P ", ", gm__export_i64(n, "padding", 0));
    gm__builder_format(&x->body, "%s, %s, %s);\n", s.in[0], s.in[1], s.out[0]);
    return true;
}

/* ---- optimizers (src/optim/record.c): p, g, step, four states, hyper-parameters ---- */

enum { OPS_STATE = 3, OPS_HYPER = 7 };

static const struct { const char *rule; int states; } ops_rules[] = {
    { "sgd", 1 }, { "adam", 2 }, { "adamw", 2 }, { "adagrad", 1 }, { "rmsprop", 3 }, { "adadelta", 2 }, { "lion", 1 },
};

/* How many states the kernel takes; -1 after UNSUPPORTED. */
static int ops_states(const gm__export *x, const char *rule) {
    for (size_t i = 0; i < sizeof ops_rules / sizeof *ops_rules; i++)
        if (!strcmp(rule, ops_rules[i].rule)) return ops_rules[i].states;
    gm__export_refuse(x, rule);
    return -1;
}

static bool ops_optimizer(gm__export *x, const gm__node *n) {
    const gm_tensor *p = x->t[n->in[0]];
    const char *k = gm__export_kernel(x, n->in[0], ops_optimize), *rule = gm__export_field(n, "rule");
    int states = k ? ops_states(x, rule) : -1;
    ops_names s = ops_name(x, n);
    char at[GM__EXPORT_NAME];
    if (states < 0) return false;
    for (int i = 0; i < OPS_STATE + states; i++)
        if (n->in[i] >= 0 && !gm_is_contiguous(x->t[n->in[i]])) return gm__export_refuse(x, "of strided tensors");
    gm__builder_add(&x->body, "    {\n        const double *const h[] = { ");
    for (int i = OPS_HYPER; i < n->n_in; i++)
        gm__builder_format(&x->body, "%s%s", i > OPS_HYPER ? ", " : "", gm__export_at(x, n->in[i], at));
    gm__builder_add(&x->body, " };\n        ");
    gm__builder_format(&x->body, "%s_%s(%" P ", h, %s, %s, %s", rule, k, gm_shape_count(p->shape), s.in[2], s.in[0],
                       s.in[1]);
    for (int i = 0; i < states; i++) gm__builder_format(&x->body, ", %s", s.in[OPS_STATE + i]);
    gm__builder_add(&x->body, ");\n    }\n");
    x->steps = true;
    return true;
}

/* ---- the table ---- */

static const struct { const char *name; bool (*write)(gm__export *x, const gm__node *n); } ops_writers[] = {
    { "matmul", ops_matmul }, { "linear", ops_linear }, { "sum", ops_reduce }, { "mean", ops_reduce },
    { "max", ops_reduce }, { "min", ops_reduce }, { "argmax", ops_argmax }, { "argmin", ops_argmax },
    { "channel_sum", ops_channel_sum }, { "batch_norm", ops_batch_norm }, { "batch_norm_grad", ops_batch_norm },
    { "layer_norm", ops_row_norm }, { "rms_norm", ops_row_norm }, { "group_norm", ops_row_norm },
    { "layer_norm_grad", ops_row_norm_grad }, { "rms_norm_grad", ops_row_norm_grad },
    { "group_norm_grad", ops_row_norm_grad },
    { "softmax", ops_softmax_any }, { "log_softmax", ops_softmax_any }, { "softmax_grad", ops_softmax_any },
    { "log_softmax_grad", ops_softmax_any }, { "softmax_nll", ops_nll }, { "softmax_nll_grad", ops_nll },
    { "pick", ops_pick }, { "unpick", ops_pick }, { "index_select", ops_select }, { "embedding", ops_select },
    { "index_sum", ops_select }, { "optimizer_step", ops_optimizer },
};

bool gm__export_calls(gm__export *x, const gm__node *n, bool *done) {
    *done = true;
    for (size_t i = 0; i < sizeof ops_writers / sizeof *ops_writers; i++)
        if (!strcmp(ops_writers[i].name, n->op->name)) return ops_writers[i].write(x, n);
    *done = false;
    return true;
}
#undef P
