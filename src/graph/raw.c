/* raw.c: recording calls as kernels want them: inputs that they cannot take as they lie are copied or widened by nodes
 * of their own, and an operation without a kernel becomes the simpler ones that define it. What eager mode does inside
 * of a call is then in the graph, where it can be planned. */
#include "../math/fp.h"
#include "trace.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"

#include <string.h>

static int raw_lowered(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out) {
    gm_spec spec[GM__MAX_PORTS];
    gm_op_args a = { op, n_in, op->n_out, in, attrs };
    gm__clear_specs(op, spec);
    int n = op->infer(&a, spec);
    a.n_out = n;
    return n >= 0 && op->lower(&a, out) ? n : -1;
}

int gm__trace_raw(gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out) {
    gm_tensor *ready[GM__WALK_MAX];
    if (n_in > GM__WALK_MAX) return gm_fail(GM_ERROR_UNSUPPORTED, "%s: %d inputs in a trace", op->name, n_in), -1;
    if (!gm__prepare_inputs(op, in, n_in, ready)) return -1;
    bool lowers = !op->kernel || (op->lower && t->lowers && t->lowers(op));
    int n = lowers ? raw_lowered(op, ready, n_in, attrs, out) : gm__trace_record(t, op, ready, n_in, attrs, out);
    if (n < 0 || !gm__needs_narrowing(op, in, n_in)) return n;
    return gm__narrow_outputs(op, in, n_in, attrs, out, n) ? n : -1;
}

/* ---- a whole graph ---- */

static bool raw_inputs(gm__trace *t, const gm_graph *g, gm_tensor **in) {
    for (int64_t i = 0; i < g->n_in; i++) {
        gm_tensor *like = gm__graph_ghost(g, g->in[i]);
        in[i] = like ? gm__trace_input(t, like, g->value[g->in[i]].name) : NULL;
        if (!in[i]) return false;
    }
    return true;
}

static bool raw_outputs(gm__trace *t, const gm_graph *g, const gm__walk *w) {
    for (int64_t i = 0; i < g->n_out; i++)
        if (!gm__graph_add_output(t->graph, gm__trace_value(t, w->value[g->out[i].value]), g->out[i].name))
            return false;
    for (int64_t i = 0; i < g->n_left; i++) {
        int32_t of = gm__trace_value(t, w->value[g->left[i].of]), v = gm__trace_value(t, w->value[g->left[i].value]);
        if (of < 0 || v < 0 || !gm__graph_add_left(t->graph, of, v)) return false;
    }
    return true;
}

/* Those that the node had that is being recorded again. */
static bool raw_shapes(gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_spec *spec,
                       int n_out) {
    const gm__walk *w = t->env;
    const gm__node *n = &w->graph->node[w->at - 1];
    (void)in, (void)n_in, (void)attrs;
    for (int j = 0; j < n_out; j++) spec[j].shape = w->graph->value[n->out + j].shape;
    return op == n->op || gm_fail(GM_ERROR_INTERNAL, "%s: inside of %s its shape is not known", op->name, n->op->name);
}

static gm_graph *raw_run(gm__trace *t, const gm_graph *g, gm_tensor **in) {
    gm__walk w = { 0 };
    t->raw = true, t->shapes = raw_shapes, t->env = &w;
    bool ok = raw_inputs(t, g, in) && gm__walk_begin(&w, g, in);
    while (ok && w.at < g->n_nodes) ok = gm__walk_step(&w);
    ok = ok && raw_outputs(t, g, &w);
    gm__walk_end(&w);
    return ok ? t->graph : NULL;
}

gm_graph *gm__graph_raw(gm_graph *g) { return gm__graph_lowered(g, NULL); }

gm_graph *gm__graph_lowered(gm_graph *g, bool (*lowers)(const gm_op *op)) {
    gm__trace t;
    gm_scope s = gm_scope_open();
    GM_NO_GRAD;
    gm_tensor **in = gm_alloc((size_t)(g->n_in + 1) * sizeof *in);
    gm_graph *made = in && gm__trace_begin(&t) ? (t.lowers = lowers, raw_run(&t, g, in)) : NULL;
    if (in) gm__trace_end(&t);
    made = gm_return(&s, made);
    if (in) gm__trace_free(&t);
    gm_free(in);
    return made;
}
