/* fold.c: constants: what depends on nothing is computed now, by the library's own kernels. */
#include "../math/fp.h"
#include "pass.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

enum { FOLD_MAX_BYTES = 1 << 16 };

static bool fold_may(const gm__node *n) {
    return !(n->flags & (GM_OP_RANDOM | GM_OP_EFFECT | GM_OP_DYNAMIC)) && !n->op->writes && n->n_out == 1;
}

static bool fold_is_small(const gm__value *v) {
    return gm__bytes_of(v->dtype, gm_shape_count(v->shape)) <= FOLD_MAX_BYTES;
}

static gm_tensor *fold_run(const gm__node *n, gm_tensor *const *value) {
    gm_tensor *in[GM__WALK_MAX];
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i] < 0 ? NULL : value[n->in[i]];
    return gm_op_call1(n->op, in, n->n_in, n->attrs);
}

static bool fold_nodes(gm_graph *g, gm_tensor **value, const bool *written, bool *keep) {
    for (int64_t i = 0; gm_ok() && i < g->n_nodes; i++) {
        const gm__node *n = &g->node[i];
        bool known = fold_may(n) && !written[gm__graph_root(g, n->out)] && n->n_in <= GM__WALK_MAX;
        keep[i] = true;
        for (int k = 0; k < n->n_in && known; k++) known = n->in[k] < 0 || value[n->in[k]];
        if (!known || !fold_is_small(&g->value[n->out])) continue;
        keep[i] = false;
        value[n->out] = fold_run(n, value);
    }
    return gm_ok();
}

/* Folded values become captured tensors. */
static void fold_turn(gm_graph *g, gm_tensor *const *value) {
    for (int64_t v = 0; v < g->n_values; v++) {
        if (!value[v]) continue;
        g->value[v].kind = GM__VALUE_CAPTURED;
        g->value[v].captured = gm_retain(value[v]);
        memcpy(g->value[v].stride, value[v]->stride, sizeof g->value[v].stride);
    }
}

gm_graph *gm__pass_constants(gm_graph *g) {
    gm_scope s = gm_scope_open();
    GM_NO_GRAD;
    gm_tensor **value = gm_alloc((size_t)(g->n_values + 1) * sizeof *value);
    bool *written = gm_alloc((size_t)g->n_values + 1), *keep = gm_alloc((size_t)g->n_nodes + 1);
    gm_graph *made = NULL;
    if (value && written && keep) {
        gm__graph_written(g, written); /* what some node writes is no constant */
        if (fold_nodes(g, value, written, keep)) {
            fold_turn(g, value);
            made = gm__graph_with(g, keep, NULL);
        }
    }
    gm_free(value);
    gm_free(written);
    gm_free(keep);
    return gm_return(&s, made);
}
