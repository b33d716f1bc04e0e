/* rules.c: the rules that follow from others: tangents of linear operations, tangents through gradients, batches by a
 * loop.
 *
 * A record without a rule of its own gets one of these, so that no operation is without. */
#include "../math/fp.h"
#include "ops.h"
#include "gemel/autograd.h"

#include <string.h>

enum { RULES_MAX = GM__MAX_PORTS };

/* ---- tangents ---- */

static bool rules_add(gm_tensor **total, gm_tensor *t) {
    *total = *total ? gm_add(*total, t) : t;
    return *total != NULL;
}

bool gm__jvp_linear(const gm_jvp_args *a) {
    gm_tensor *in[RULES_MAX], *out[GM_OP_MAX_OUT];
    for (int i = 0; i < a->n_in; i++) {
        if (!a->tin[i]) continue;
        memcpy(in, a->in, (size_t)a->n_in * sizeof *in);
        in[i] = a->tin[i];
        if (gm_op_call(a->op, in, a->n_in, a->attrs, out, GM_OP_MAX_OUT) < 0) return false;
        for (int j = 0; j < a->n_out; j++)
            if (!rules_add(&a->tout[j], out[j])) return false;
    }
    return gm_ok();
}

static bool rules_has_history(const gm_tensor *t) { return t && (t->node || t->requires_grad); }

/* The gradient rule is linear in what arrives: grad(u) = J^T u. Its own gradient with respect to u, with t arriving, is
 * J t. u is a variable of zeros; the value does not matter. */
bool gm__jvp_through_grad(const gm_jvp_args *a) {
    gm_tensor *u[GM_OP_MAX_OUT], *gin[RULES_MAX] = { NULL }, *total = NULL;
    bool needs[RULES_MAX], wanted = false;
    gm_pack *us = gm_pack_new();
    for (int j = 0; j < a->n_out; j++) {
        u[j] = gm_is_float(gm_dtype_of(a->out[j])) ? gm_zeros_like(a->out[j]) : NULL;
        if (u[j] && !gm_pack_set(us, NULL, u[j])) return false;
        if (u[j]) u[j]->requires_grad = true;
    }
    for (int i = 0; i < a->n_in; i++) {
        needs[i] = a->tin[i] != NULL;
        wanted |= rules_has_history(a->in[i]) || rules_has_history(a->tin[i]);
    }
    gm_grad_args g = { a->op, a->n_in, a->n_out, a->in, a->out, u, needs, gin, a->attrs };
    if (!a->op->grad || !a->op->grad(&g)) return false;
    for (int i = 0; i < a->n_in; i++)
        if (gin[i] && a->tin[i] && !rules_add(&total, gm_sum(gm_mul(gin[i], a->tin[i])))) return false;
    if (!total || !gm_requires_grad(total)) return gm_ok();
    gm_pack *t = gm_gradients(total, us, .create_graph = wanted);
    for (int j = 0, k = 0; t && j < a->n_out; j++)
        if (u[j]) a->tout[j] = gm_pack_at(t, k++);
    return t != NULL;
}

const char *gm_op_jvp_kind(const gm_op *op) {
    if (op->flags & GM_OP_ELEMENTWISE) return "elementwise";
    if (op->jvp) return "direct";
    if (op->flags & GM_OP_NO_GRAD) return "zero";
    return op->flags & GM_OP_LINEAR ? "linear" : op->grad ? "through grad" : "none";
}

bool gm__op_jvp(const gm_jvp_args *a) {
    if (!gm_ok()) return false;
    for (int j = 0; j < a->n_out; j++) a->tout[j] = NULL;
    if (a->op->flags & GM_OP_NO_GRAD) return true;
    if (a->op->jvp) return a->op->jvp(a);
    return a->op->flags & GM_OP_LINEAR ? gm__jvp_linear(a) : gm__jvp_through_grad(a);
}

/* ---- batches ---- */

bool gm__batch_loop(const gm_batch_args *a) {
    gm_tensor *in[RULES_MAX], *out[GM_OP_MAX_OUT];
    if (a->size == 0) return gm_fail(GM_ERROR_UNSUPPORTED, "%s: a batch of no entries in a loop", a->op->name);
    gm_tensor **rows[GM_OP_MAX_OUT] = { NULL };
    bool ok = true;
    for (int j = 0; j < a->n_out; j++) ok = (rows[j] = gm_alloc((size_t)a->size * sizeof *rows[j])) && ok;
    for (int64_t b = 0; b < a->size && ok; b++) {
        for (int i = 0; i < a->n_in; i++) in[i] = a->in[i] && a->mapped[i] ? gm_select(a->in[i], 0, b) : a->in[i];
        ok = gm_op_call(a->op, in, a->n_in, a->attrs, out, GM_OP_MAX_OUT) >= 0;
        for (int j = 0; j < a->n_out && ok; j++) rows[j][b] = out[j];
    }
    for (int j = 0; j < a->n_out; j++) {
        if (ok) a->out[j] = gm_stack(rows[j], (int)a->size, 0);
        gm_free(rows[j]);
    }
    return ok && gm_ok();
}

const char *gm_op_grad_kind(const gm_op *op) {
    if (op->flags & GM_OP_NO_GRAD) return "zero";
    return op->flags & GM_OP_ELEMENTWISE ? "elementwise" : op->grad ? "direct" : "none";
}

const char *gm_op_batch_kind(const gm_op *op) {
    return op->flags & GM_OP_ELEMENTWISE ? "elementwise" : op->batch ? "direct" : op->max_in == 0 ? "none" : "loop";
}

bool gm__op_batch(const gm_batch_args *a) {
    if (!gm_ok()) return false;
    for (int j = 0; j < a->n_out; j++) a->out[j] = NULL;
    return a->op->batch ? a->op->batch(a) : gm__batch_loop(a);
}

gm_tensor *gm__batched(const gm_batch_args *a, int i) {
    if (!a->in[i] || a->mapped[i]) return a->in[i];
    if (a->in[i]->shape.n == GM_MAX_DIMS)
        return gm_fail(GM_ERROR_SHAPE, "%s: no dimension is left for a batch of %s", a->op->name,
                       gm__tensor_shape_str(a->in[i])), NULL;
    gm_shape s = { .n = a->in[i]->shape.n + 1 };
    s.d[0] = a->size;
    for (int d = 1; d < s.n; d++) s.d[d] = a->in[i]->shape.d[d - 1];
    return gm_expand(a->in[i], s);
}
