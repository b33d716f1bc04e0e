/* evaluate.c: running a graph by public operations, one node after the other.
 *
 * Slow but whole: it works in eager mode, where it leaves a tape, and inside another trace, which records it again.
 * Transforms and the stepping mode are walks of their own over the same steps. */
#include "../math/fp.h"
#include "graph.h"
#include "../base/context.h"
#include "../base/stream.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"
#include "gemel/ops.h"

#include <string.h>

/* ---- random numbers ---- */

/* The place of the attribute `name` of a random operation, NULL if it has none. */
static int64_t *walk_attr(const gm__node *n, void *attrs, const char *name) {
    if (!attrs || !(n->op->flags & (GM_OP_RANDOM | GM_OP_OBJECTS))) return NULL;
    for (const gm_attr *a = n->op->attrs; a && a->name; a++)
        if (!strcmp(a->name, name)) return (int64_t *)((char *)attrs + a->offset);
    return NULL;
}

bool gm__node_draws(const gm__node *n) {
    const int64_t *count = walk_attr(n, n->attrs, "count");
    return count && *count >= GM__DRAW;
}

const void *gm__node_attrs(const gm__node *n, uint64_t seed, uint64_t first, void *room) {
    if (!gm__node_draws(n)) return n->attrs;
    memcpy(room, n->attrs, n->op->attrs_bytes);
    int64_t *key = walk_attr(n, room, "key"), *count = walk_attr(n, room, "count");
    if (key) *key ^= (int64_t)seed;
    *count = (int64_t)first + (*count - GM__DRAW);
    return room;
}

uint64_t gm__take_draws(int64_t n, uint64_t *seed) {
    uint64_t first = n ? gm__draw_next(seed) : 0;
    for (int64_t i = 1; i < n; i++) gm__draw_next(seed);
    return first;
}

/* ---- a walk ---- */

bool gm__walk_begin(gm__walk *w, const gm_graph *g, gm_tensor *const *in) {
    uint64_t seed = 0, first = gm__take_draws(g->n_draws, &seed);
    return gm__walk_begin_at(w, g, in, seed, first);
}

bool gm__walk_begin_at(gm__walk *w, const gm_graph *g, gm_tensor *const *in, uint64_t seed, uint64_t first) {
    *w = (gm__walk){ .graph = g, .seed = seed, .first = first };
    w->value = gm_alloc((size_t)(g->n_values + 1) * sizeof *w->value);
    if (!w->value) return false;
    for (int64_t v = 0; v < g->n_values; v++) {
        if (g->value[v].kind == GM__VALUE_CAPTURED) gm__walk_put(w, (int32_t)v, g->value[v].captured);
        if (g->value[v].kind == GM__VALUE_INPUT) gm__walk_put(w, (int32_t)v, in[g->value[v].from]);
    }
    return gm_ok();
}

void gm__walk_put(gm__walk *w, int32_t v, gm_tensor *t) {
    gm_retain(t);
    gm_release(w->value[v]);
    w->value[v] = t;
}

bool gm__walk_inputs(const gm__walk *w, const gm__node *n, gm_tensor **in) {
    if (n->n_in > GM__WALK_MAX) return gm_fail(GM_ERROR_UNSUPPORTED, "%s: %d inputs", n->op->name, n->n_in);
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i] < 0 ? NULL : w->value[n->in[i]];
    return true;
}

bool gm__walk_node(const gm__node *n, bool (*run)(void *env, const gm__node *n), void *env) {
    gm_context *c = gm__context();
    bool no_grad = c->no_grad;
    int64_t again = c->again, where = n->where ? gm_where_push(n->where) : 0;
    gm_scope s = gm_scope_open();
    if (n->no_grad) c->no_grad = true;
    if (n->again) c->again = n->again;
    bool ok = run(env, n);
    gm_scope_close(&s);
    c->no_grad = no_grad, c->again = again;
    if (n->where) gm_where_pop(where);
    return ok;
}

static bool walk_call(void *env, const gm__node *n) {
    gm__walk *w = env;
    _Alignas(16) char room[GM__ATTRS_MAX];
    gm_tensor *in[GM__WALK_MAX], *out[GM__WALK_MAX];
    if (!gm__walk_inputs(w, n, in)) return false;
    int got = gm_op_call(n->op, in, n->n_in, gm__node_attrs(n, w->seed, w->first, room), out, n->n_out);
    for (int j = 0; j < n->n_out && got >= 0; j++) gm__walk_put(w, n->out + j, out[j]);
    return got >= 0;
}

bool gm__walk_step(gm__walk *w) { return gm__walk_node(&w->graph->node[w->at++], walk_call, w); }

void gm__walk_end(gm__walk *w) {
    for (int64_t v = 0; w->value && v < w->graph->n_values; v++) gm_release(w->value[v]);
    gm_free(w->value);
    w->value = NULL;
}

/* ---- the whole ---- */

static bool evaluate_leave(gm__walk *w) {
    for (int64_t i = 0; i < w->graph->n_left; i++) {
        const gm__left_gradient *l = &w->graph->left[i];
        gm_tensor *x = w->value[l->of], *g = w->value[l->value];
        GM_NO_GRAD;
        if (!gm_set_gradient(x, x->grad ? gm_add(x->grad, g) : g)) return false;
    }
    return gm_ok();
}

bool (*gm__graph_program)(gm_graph *g, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first);

static bool evaluate_values(gm_graph *g, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first) {
    gm__walk w = { 0 };
    gm_pack *held = gm_pack_new(); /* the scope's */
    bool ok = gm__walk_begin_at(&w, g, in, seed, first);
    while (ok && w.at < g->n_nodes) ok = gm__walk_step(&w);
    for (int64_t i = 0; ok && i < g->n_out; i++) ok = gm_pack_set(held, NULL, out[i] = w.value[g->out[i].value]);
    gm__walk_end(&w);
    return ok;
}

bool gm__graph_values(gm_graph *g, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first) {
    bool now = !gm__context()->trace && gm__graph_program;
    return (now && gm__graph_program(g, in, out, seed, first)) ||
           (gm_ok() && evaluate_values(g, in, out, seed, first));
}

gm_pack *gm__graph_evaluate(const gm_graph *g, gm_tensor *const *in) {
    gm__walk w;
    gm_scope s = gm_scope_open();
    gm_pack *out = gm_pack_new();
    bool ok = gm__walk_begin(&w, g, in);
    while (ok && w.at < g->n_nodes) ok = gm__walk_step(&w);
    ok = ok && evaluate_leave(&w);
    for (int64_t i = 0; ok && i < g->n_out; i++) ok = gm_pack_set(out, g->out[i].name, w.value[g->out[i].value]);
    gm__walk_end(&w);
    return gm_return(&s, ok ? out : NULL);
}
