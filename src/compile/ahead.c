/* ahead.c: a recording that looks ahead: where a shape follows from values, what has been recorded so far runs, node by
 * node, and the operation with it. The recording goes on with the shape that came out. All of that has no effect: a
 * recording that has done something by then is refused, since its program will do it once more. */
#include "../math/fp.h"
#include "ahead.h"
#include "../base/context.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"
#include "gemel/ops/random.h"

#include <string.h>

static bool ahead_refuse(gm__ahead *a, const gm_op *op, const char *why) {
    a->refused = true;
    return gm_fail(GM_ERROR_STATE, "%s: its result's shape follows from values, and %s", op->name, why);
}

/* Room for all values of g, and those that are there without a node. */
static bool ahead_know(gm__ahead *a, const gm_graph *g) {
    gm__walk *w = &a->walk;
    if (g->n_values > a->capacity) {
        int64_t n = 2 * g->n_values;
        gm_tensor **room = gm_realloc(w->value, (size_t)n * sizeof *room);
        if (!room) return false;
        memset(room + a->capacity, 0, (size_t)(n - a->capacity) * sizeof *room);
        w->value = room, a->capacity = n;
    }
    w->graph = g;
    for (; a->known < g->n_values; a->known++) {
        const gm__value *v = &g->value[a->known];
        if (v->kind == GM__VALUE_CAPTURED) gm__walk_put(w, (int32_t)a->known, v->captured);
        if (v->kind == GM__VALUE_INPUT && v->from < a->n_in) gm__walk_put(w, (int32_t)a->known, a->in[v->from]);
    }
    return true;
}

static bool ahead_walk(gm__ahead *a, const gm_op *op, const gm_graph *g) {
    if (a->closed) return ahead_refuse(a, op, "gradients that arrive have none");
    if (g->n_draws && gm__context()->draws) return ahead_refuse(a, op, "the next random numbers are not known");
    if (!a->walk.value && !a->placed) gm_random_state(&a->walk.seed, &a->walk.first);
    if (!ahead_know(a, g)) return false;
    while (a->walk.at < g->n_nodes) {
        if (gm__node_has_effect(&g->node[a->walk.at]))
            return ahead_refuse(a, op, "the function changed something before");
        if (!gm__walk_step(&a->walk)) return false;
    }
    return true;
}

/* The results' real shapes. */
static bool ahead_run(gm__ahead *a, gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs,
                      gm_spec *spec, int n_out) {
    gm_tensor *real[GM__WALK_MAX], *out[GM_OP_MAX_OUT];
    GM_SCOPE(s);
    GM_NO_GRAD;
    if (!ahead_walk(a, op, t->graph)) return false;
    for (int i = 0; i < n_in; i++) {
        int32_t v = in[i] ? gm__trace_own_value(t, in[i]) : -1;
        real[i] = v >= 0 ? a->walk.value[v] : in[i];
    }
    if (gm_op_call(op, real, n_in, attrs, out, GM_OP_MAX_OUT) < 0) return false;
    for (int j = 0; j < n_out; j++) spec[j].shape = gm_shape_of(out[j]);
    return gm_ok();
}

bool gm__ahead_shapes(gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_spec *spec,
                      int n_out) {
    void *before = gm_recording_pause();
    bool ok = ahead_run(t->env, t, op, in, n_in, attrs, spec, n_out);
    gm_recording_resume(before);
    return ok;
}

void gm__ahead_end(gm__ahead *a) {
    for (int64_t v = 0; a->walk.value && v < a->capacity; v++) gm_release(a->walk.value[v]);
    gm_free(a->walk.value);
    *a = (gm__ahead){ .refused = a->refused };
}
