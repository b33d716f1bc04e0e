/* derive.c: graphs made of graphs: derivatives and batches of what control flow runs.
 *
 * Each is a recording of the graph's own walk under one of the transforms, so it needs no rules of its own. The walk
 * takes the graph's draws first and in order: a draw has the same number in all of them. */
#include "../math/fp.h"
#include "function.h"
#include "../base/context.h"
#include "../eager/tape.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

/* ---- without effects ---- */

static bool derive_has_effect(const gm_graph *g) {
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (g->node[i].flags & GM_OP_EFFECT) return true;
    return false;
}

/* Graphs inside of the nodes, too. */
static bool derive_make_pure(gm_graph *g) {
    for (int64_t i = 0; i < g->n_nodes; i++) {
        gm__node *n = &g->node[i];
        for (const gm_attr *a = n->flags & GM_OP_OBJECTS ? n->op->attrs : NULL; a && a->name; a++) {
            void **place = (void **)((char *)n->attrs + a->offset);
            if (a->kind != GM_ATTR_OBJECT || !gm__is_graph(*place)) continue;
            gm_graph *pure = gm_retain(gm__graph_pure(*place));
            if (!pure) return false;
            gm_release(*place);
            *place = pure;
        }
        n->flags = n->op->flags;
    }
    return true;
}

gm_graph *gm__graph_pure(gm_graph *g) {
    if (!derive_has_effect(g)) return g;
    bool *keep = gm_alloc((size_t)g->n_nodes + 1);
    for (int64_t i = 0; keep && i < g->n_nodes; i++) keep[i] = !(g->node[i].op->flags & GM_OP_EFFECT);
    gm_graph *made = keep ? gm__graph_with(g, keep, NULL) : NULL;
    gm_free(keep);
    return made && derive_make_pure(made) ? made : NULL;
}

/* ---- the transforms ---- */

typedef struct {
    gm_graph *g;
    const bool *in, *out;
    int64_t size;
    int kind;
} derive_job;

static bool derive_list(gm_pack *in, gm_tensor **list) {
    for (int64_t i = 0; i < gm_pack_count(in) && gm_ok(); i++) list[i] = gm_pack_at(in, i);
    return gm_ok();
}

static gm_pack *derive_pack(gm_tensor *const *list, int64_t n) {
    gm_pack *p = gm_pack_new();
    for (int64_t i = 0; i < n && gm_ok(); i++) gm_pack_set(p, NULL, list[i]);
    return gm_ok() ? p : NULL;
}

/* The graph as a function of its inputs in order. */
static gm_pack *derive_walk(void *env, gm_pack *in) {
    const derive_job *j = env;
    gm_tensor *list[GM__WALK_MAX], *out[GM__WALK_MAX];
    gm__walk w = { 0 };
    bool ok = derive_list(in, list) && gm__walk_begin(&w, j->g, list);
    while (ok && w.at < j->g->n_nodes) ok = gm__walk_step(&w);
    for (int64_t i = 0; ok && i < j->g->n_out; i++) out[i] = w.value[j->g->out[i].value];
    gm_pack *made = ok ? derive_pack(out, j->g->n_out) : NULL;
    gm__walk_end(&w);
    return made;
}

/* Zeros, where out does not depend on x. */
static gm_pack *derive_gradients(gm_tensor *const *out, gm_tensor *const *arriving, int n, gm_pack *x) {
    gm_tensor *y[GM__WALK_MAX], *g[GM__WALK_MAX];
    int m = 0;
    for (int k = 0; k < n; k++)
        if (gm__is_tracked(out[k])) y[m] = out[k], g[m++] = arriving[k];
    return gm__gradients_of(y, g, m, x);
}

static gm_pack *derive_vjp(void *env, gm_pack *in) {
    const derive_job *j = env;
    gm_tensor *list[2 * GM__WALK_MAX], *out[GM__WALK_MAX];
    gm_pack *x = gm_pack_new();
    int64_t n = j->g->n_in;
    int m = 0;
    if (!derive_list(in, list)) return NULL;
    for (int64_t i = 0; i < n && gm_ok(); i++) {
        if (!j->in[i] || !(list[i] = gm_identity(list[i]))) continue;
        if (!list[i]->node) list[i]->requires_grad = true;
        gm_pack_set(x, NULL, list[i]);
    }
    gm_pack *given = derive_pack(list, n), *values = given ? derive_walk(env, given) : NULL;
    for (int64_t k = 0; values && k < j->g->n_out; k++)
        if (j->out[k]) out[m++] = gm_pack_at(values, k);
    return values ? derive_gradients(out, list + n, m, x) : NULL;
}

static gm_pack *derive_jvp(void *env, gm_pack *in) {
    const derive_job *j = env;
    gm_pack *x = gm_pack_new(), *t = gm_pack_new(), *both = gm_pack_new(), *out = gm_pack_new();
    for (int64_t i = 0, k = j->g->n_in; i < j->g->n_in && gm_ok(); i++) {
        gm_pack_set(x, gm_pack_name(in, i), gm_pack_at(in, i));
        if (j->in[i]) gm_pack_set(t, gm_pack_name(in, i), gm_pack_at(in, k++));
    }
    gm_pack_set_pack(both, "in", x), gm_pack_set_pack(both, "tangent", t);
    gm_pack *made = gm_ok() ? gm_call_pack(gm_jvp(gm_functionp(derive_walk, env, NULL)), both) : NULL;
    bool one = made && gm_pack_at(made, 1);
    gm_pack *tangents = !made || one ? made : gm_pack_child(made, 1);
    for (int64_t k = 0; tangents && k < j->g->n_out; k++) {
        if (!gm_is_float(j->g->value[j->g->out[k].value].dtype)) continue;
        gm_pack_set(out, NULL, gm_pack_at(tangents, one ? 1 : k));
    }
    return tangents && gm_ok() ? out : NULL;
}

static gm_pack *derive_batch(void *env, gm_pack *in) {
    const derive_job *j = env;
    int32_t axes[GM__WALK_MAX];
    for (int64_t i = 0; i < j->g->n_in; i++) axes[i] = j->in[i] ? 0 : GM_NOT_MAPPED;
    gm_fn *f = gm_functionp(derive_walk, env, NULL);
    return gm_call_pack(gm_vmap(f, .in_axes = axes, .n_axes = (int32_t)j->g->n_in), in);
}

/* ---- making one ---- */

static gm_tensor *derive_like(const derive_job *j, int32_t v, bool batched) {
    const gm__value *value = &j->g->value[v];
    if (!batched) return gm__graph_ghost(j->g, v);
    gm_shape s = { .n = value->shape.n + 1, .d = { j->size } };
    if (s.n > GM_MAX_DIMS) return gm_fail(GM_ERROR_SHAPE, "vmap: no dimension is left for a batch"), NULL;
    memcpy(s.d + 1, value->shape.d, (size_t)value->shape.n * sizeof *s.d);
    return gm__tensor_over(NULL, 0, &s, value->dtype);
}

/* Ghosts of the inputs of the graph that is made. */
static gm_pack *derive_inputs(const derive_job *j) {
    const gm_graph *g = j->g;
    gm_pack *p = gm_pack_new();
    for (int64_t i = 0; i < g->n_in && gm_ok(); i++)
        gm_pack_set(p, NULL, derive_like(j, g->in[i], j->kind == GM__DERIVE_BATCH && j->in[i]));
    for (int64_t i = 0; j->kind == GM__DERIVE_JVP && i < g->n_in && gm_ok(); i++)
        if (j->in[i]) gm_pack_set(p, NULL, derive_like(j, g->in[i], false));
    for (int64_t k = 0; j->kind == GM__DERIVE_VJP && k < g->n_out && gm_ok(); k++)
        if (j->out[k]) gm_pack_set(p, NULL, derive_like(j, g->out[k].value, false));
    if (gm_ok() && gm_pack_count(p) > GM__WALK_MAX)
        gm_fail(GM_ERROR_UNSUPPORTED, "control flow: over %d tensors with their gradients", GM__WALK_MAX);
    return gm_ok() ? p : NULL;
}

gm_graph *gm__graph_trace(gm_fnp f, void *env, gm_pack *likes) {
    gm__thread_modes before = gm__thread_modes_now(), none = { .again = 0 };
    gm__thread_modes_set(&none);
    gm_graph *made = gm_ok() ? gm_trace_graph(gm_functionp(f, env, NULL), likes) : NULL;
    gm__thread_modes_set(&before);
    return made;
}

gm_graph *gm__graph_derive(gm_graph *g, int kind, const bool *in, const bool *out, int64_t size) {
    static const gm_fnp transforms[] = { derive_vjp, derive_jvp, derive_batch };
    derive_job j = { kind == GM__DERIVE_BATCH ? g : gm__graph_pure(g), in, out, size, kind };
    gm_pack *likes = j.g ? derive_inputs(&j) : NULL;
    return likes ? gm__graph_trace(transforms[kind], &j, likes) : NULL;
}
