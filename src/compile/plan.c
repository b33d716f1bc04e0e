/* plan.c: making plans.
 *
 * A plan says where every value of a program lies and which kernels are called; it does not change once it is made.
 * Views are made once, by their own kernels, over the storages of what they view. What a run needs for itself, tensors
 * and an arena, is a frame (frame.c), of which a plan has as many as there are runs at once. */
#include "../math/fp.h"
#include "frame.h"
#include "strip.h"
#include "fuse.h"
#include "../base/object.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

static void plan_destroy(void *object) {
    gm__plan *p = object;
    gm__frames_free(p);
    pthread_mutex_destroy(&p->lock);
    gm_free(p->copied);
    gm_free(p->offset);
    gm_release(p->graph);
}

static const gm_type plan_type = { "plan", sizeof(gm__plan), plan_destroy };

/* ---- which memory ---- */

/* An output is written straight into the caller's tensor if it is dense memory of its own and nobody needs it after. */
static bool plan_is_handed_out(const gm_graph *g, int64_t i) {
    int32_t v = g->out[i].value;
    for (int64_t k = 0; k < i; k++)
        if (g->out[k].value == v) return false;
    return gm__plan_is_own(g, v) && !(g->node[g->value[v].from].op->flags & GM__PLAN_MAKES);
}

/* ---- the arena ---- */

static void plan_use(const gm_graph *g, int64_t *last, int32_t v, int64_t step) {
    int32_t root = v < 0 ? -1 : gm__graph_root(g, v);
    if (root >= 0 && last[root] < step) last[root] = step;
}

/* The last step at which each value's memory is needed. */
static void plan_lives(const gm_graph *g, int64_t *last) {
    for (int64_t v = 0; v < g->n_values; v++) last[v] = g->value[v].kind == GM__VALUE_NODE ? g->value[v].from : 0;
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++) plan_use(g, last, g->node[i].in[k], i);
    for (int64_t i = 0; i < g->n_out; i++) plan_use(g, last, g->out[i].value, g->n_nodes);
    for (int64_t i = 0; i < g->n_left; i++) plan_use(g, last, g->left[i].value, g->n_nodes);
}

static bool plan_in_arena(const gm__plan *p, int32_t v) {
    const gm_graph *g = p->graph;
    if (!gm__plan_is_own(g, v) || g->node[g->value[v].from].op->flags & GM__PLAN_MAKES) return false;
    for (int64_t i = 0; i < g->n_out; i++)
        if (g->out[i].value == v && plan_is_handed_out(g, i)) return false;
    return true;
}

/* ---- one buffer for two values ----
 * An elementwise result may lie where one of its operands lies that is needed no longer: each element is read before it
 * is written. */

/* A product's operands are read for as long as its results are written. */
static bool plan_is_elementwise(const gm__node *n) {
    const gm__fused *loop = gm__fused_of(n);
    return loop ? !loop->head : n->flags & GM_OP_ELEMENTWISE;
}

static bool plan_lies_alike(const gm__value *a, const gm__value *b) {
    if (a->shape.n != b->shape.n || gm__dtype(a->dtype)->bits != gm__dtype(b->dtype)->bits) return false;
    for (int d = 0; d < a->shape.n; d++)
        if (a->shape.d[d] != b->shape.d[d] || a->stride[d] != b->stride[d]) return false;
    return true;
}

/* The node reads x in another way, too. */
static bool plan_reads_view_of(const gm_graph *g, const gm__node *n, int32_t x) {
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k] >= 0 && n->in[k] != x && gm__graph_root(g, n->in[k]) == x) return true;
    return false;
}

/* The operand of node i whose buffer output v can have, -1 if there is none. */
static int32_t plan_operand_for(const gm__plan *p, const int64_t *last, const int32_t *home, int64_t i, int32_t v) {
    const gm_graph *g = p->graph;
    const gm__node *n = &g->node[i];
    for (int k = 0; k < n->n_in; k++) {
        int32_t x = n->in[k];
        if (x < 0 || !plan_in_arena(p, x) || last[x] != i || !plan_lies_alike(&g->value[x], &g->value[v])) continue;
        bool taken = plan_reads_view_of(g, n, x);
        for (int32_t o = n->out; o < v; o++) taken |= home[o] == home[x];
        if (!taken) return x;
    }
    return -1;
}

/* home[v]: the value whose buffer v has; last[] of it becomes the end of all that share it. */
static void plan_share(const gm__plan *p, int64_t *last, int32_t *home) {
    const gm_graph *g = p->graph;
    for (int64_t v = 0; v < g->n_values; v++) home[v] = (int32_t)v;
    for (int64_t i = 0; i < g->n_nodes; i++) {
        const gm__node *n = &g->node[i];
        for (int32_t v = n->out; plan_is_elementwise(n) && v < n->out + n->n_out; v++) {
            int32_t x = plan_in_arena(p, v) ? plan_operand_for(p, last, home, i, v) : -1;
            if (x >= 0) home[v] = home[x];
        }
    }
    for (int64_t v = 0; v < g->n_values; v++)
        if (last[home[v]] < last[v]) last[home[v]] = last[v];
}

/* ---- the arena itself ---- */

typedef struct { int64_t *last; gm__buffer *buffer; int32_t *home, *number; int64_t n; } plan_memory;

/* A buffer for each value that has one of its own. */
static void plan_list_buffers(const gm__plan *p, plan_memory *m) {
    const gm_graph *g = p->graph;
    for (int64_t v = 0; v < g->n_values; v++) {
        if (!plan_in_arena(p, (int32_t)v) || m->home[v] != v) continue;
        m->number[v] = (int32_t)m->n;
        m->buffer[m->n++] = (gm__buffer){ gm__plan_bytes(&g->value[v]), g->value[v].from, m->last[v], 0 };
    }
}

static void plan_set_offsets(gm__plan *p, const plan_memory *m) {
    for (int64_t v = 0; v < p->graph->n_values; v++)
        p->offset[v] = plan_in_arena(p, (int32_t)v) ? m->buffer[m->number[m->home[v]]].offset : -1;
}

static bool plan_place(gm__plan *p) {
    const gm_graph *g = p->graph;
    size_t n = (size_t)g->n_values + 1;
    plan_memory m = { gm_alloc(n * sizeof *m.last), gm_alloc(n * sizeof *m.buffer), gm_alloc(n * sizeof *m.home),
                      gm_alloc(n * sizeof *m.number), 0 };
    int64_t bytes = -1;
    if (m.last && m.buffer && m.home && m.number) {
        plan_lives(g, m.last);
        plan_share(p, m.last, m.home);
        plan_list_buffers(p, &m);
        bytes = gm__place_buffers(m.buffer, m.n, &p->stats.live);
    }
    if (bytes >= 0) plan_set_offsets(p, &m);
    p->stats.arena = bytes;
    gm_free(m.last);
    gm_free(m.buffer);
    gm_free(m.home);
    gm_free(m.number);
    return bytes >= 0;
}

static bool plan_make(gm__plan *p) {
    const gm_graph *g = p->graph;
    p->offset = gm_alloc((size_t)(g->n_values + 1) * sizeof *p->offset);
    p->copied = gm_alloc((size_t)g->n_out + 1);
    if (!p->offset || !p->copied || !plan_place(p)) return false;
    for (int64_t i = 0; i < g->n_out; i++) p->copied[i] = !plan_is_handed_out(g, i);
    for (int64_t i = 0; i < g->n_nodes; i++) p->stats.kernels += !gm__plan_is_view(&g->node[i]);
    return true;
}

/* Without memory of its own yet. */
static gm__plan *plan_begin(gm_graph *g) {
    gm__plan *p = gm_object_new(&plan_type);
    if (!p) return NULL;
    p->graph = gm_retain(g);
    pthread_mutex_init(&p->lock, NULL);
    return plan_make(p) ? p : NULL;
}

gm__plan *gm__plan_plain(gm_graph *g) {
    if (!gm__graph_check(g, "plan")) return NULL;
    gm_scope s = gm_scope_open();
    gm__plan *p = plan_begin(g);
    return gm_return(&s, p && gm__frames_begin(p) ? p : NULL);
}

/* All results of a chain are alive together, where they may have been one after the other: chains must not make the
 * arena larger. If they do, only those of one result are left, or none. */
static gm__plan *plan_in_strips(gm_graph *g) {
    gm__plan *plain = plan_begin(g), *p;
    int64_t most = GM__STRIPS_RESULTS;
    for (; plain && most; most = most > 1 ? 1 : 0) {
        gm_graph *made = gm__strips(g, most);
        if (!made || made == g) return made ? plain : NULL;
        p = plan_begin(made);
        if (!p || p->stats.arena <= plain->stats.arena) return p;
    }
    return plain;
}

gm__plan *gm__plan_new(gm_graph *g) {
    if (!gm__graph_check(g, "plan")) return NULL;
    gm_scope s = gm_scope_open();
    gm__plan *p = plan_in_strips(g);
    return gm_return(&s, p && gm__frames_begin(p) ? p : NULL);
}
