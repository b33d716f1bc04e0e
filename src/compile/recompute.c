/* recompute.c: a program within a limit of memory: values that are cheap to make and are needed again much later are
 * made again there, in place of being kept.
 *
 * At the step where most memory is in use, of the values that wait there for a later step the largest are taken whose
 * node, and what it reads, can be had then: captured, or alive at that step anyway, or made again in its turn. Their
 * nodes, and views of them, are written once more before the first later use. A node is a function of its operands, so
 * the bits are the same. Rounds go on until the limit is kept, or nothing is left that helps. */
#include "../math/fp.h"
#include "pass.h"
#include "frame.h"
#include "gemel/extend.h"

#include <string.h>

enum { RECOMPUTE_ROUNDS = 200, RECOMPUTE_IDLE = 8, RECOMPUTE_DEPTH = 8, RECOMPUTE_MARK = -1 };

/* Before step `at` node `node` is written again. */
typedef struct { int64_t at; int32_t node; } recompute_copy;

typedef struct {
    const gm_graph *g;
    int64_t *last;   /* [n_values], of roots: the last step that needs it */
    int64_t *next;   /* [n_values], of roots: the first step behind the peak that does */
    int64_t *before; /* [n_values], of roots: the last one up to the peak */
    int64_t *live;   /* [n_nodes + 2]: bytes in use at each step */
    int64_t *write;  /* [n_values], of roots: the first step that writes it */
    bool *fixed;     /* [n_values], of roots: what is made again elsewhere relies on its place */
    bool *dropped;   /* [n_values], of roots: it is made again at its next use */
    recompute_copy *copy;
    int64_t n_copies, room, peak, most;
} recompute_state;

/* ---- what is alive when ---- */

static bool recompute_has_memory(const gm_graph *g, int32_t v) {
    return gm__plan_is_own(g, v) && !(g->node[g->value[v].from].op->flags & GM__PLAN_MAKES);
}

static void recompute_use(recompute_state *r, int32_t v, int64_t step) {
    int32_t root = v < 0 ? -1 : gm__graph_root(r->g, v);
    if (root < 0) return;
    if (r->last[root] < step) r->last[root] = step;
    if (step > r->peak && (r->next[root] < 0 || r->next[root] > step)) r->next[root] = step;
    if (step <= r->peak && r->before[root] < step) r->before[root] = step;
}

static void recompute_lives(recompute_state *r) {
    const gm_graph *g = r->g;
    for (int64_t v = 0; v < g->n_values; v++) {
        r->last[v] = r->before[v] = g->value[v].kind == GM__VALUE_NODE ? g->value[v].from : 0;
        r->next[v] = -1;
    }
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++) recompute_use(r, g->node[i].in[k], i);
    for (int64_t i = 0; i < g->n_out; i++) recompute_use(r, g->out[i].value, g->n_nodes);
    for (int64_t i = 0; i < g->n_left; i++) recompute_use(r, g->left[i].value, g->n_nodes);
}

/* The step with most bytes in use. Results are the caller's memory, but they are in use all the same. */
static void recompute_find_peak(recompute_state *r) {
    const gm_graph *g = r->g;
    int64_t now = 0;
    memset(r->live, 0, (size_t)(g->n_nodes + 2) * sizeof *r->live);
    for (int32_t v = 0; v < g->n_values; v++) {
        if (!recompute_has_memory(g, v)) continue;
        r->live[g->value[v].from] += gm__plan_bytes(&g->value[v]);
        r->live[r->last[v] + 1] -= gm__plan_bytes(&g->value[v]);
    }
    r->peak = r->most = 0;
    for (int64_t i = 0; i <= g->n_nodes; i++) {
        now += r->live[i];
        if (now > r->most) r->most = now, r->peak = i;
    }
}

/* ---- what may be made again ---- */

static bool recompute_is_cheap(const gm__node *n) {
    static const char *const names[] = { "cast", "copy", "fill", "arange", "layer_norm", "rms_norm", "softmax",
                                         "log_softmax", NULL };
    if (n->flags & (GM_OP_RANDOM | GM_OP_EFFECT | GM_OP_DYNAMIC) || n->op->writes || !n->op->kernel) return false;
    bool cheap = n->op->flags & GM_OP_ELEMENTWISE;
    for (int i = 0; names[i] && !cheap; i++) cheap = !strcmp(n->op->name, names[i]);
    return cheap && !gm__node_draws(n);
}

static bool recompute_add(recompute_state *r, int64_t at, int32_t node) {
    for (int64_t i = 0; i < r->n_copies; i++)
        if (r->copy[i].at == at && r->copy[i].node == node) return true;
    if (r->n_copies == r->room) return false;
    r->copy[r->n_copies++] = (recompute_copy){ at, node };
    return true;
}

/* Adds what makes value v again for step `at`; false if that cannot be. What is there anyway stays where it is. */
static bool recompute_again(recompute_state *r, int32_t v, int64_t at, int depth) {
    const gm_graph *g = r->g;
    int32_t root = gm__graph_root(g, v);
    if (r->write[root] < at) return false; /* it may not be what it was */
    bool there = g->value[root].kind != GM__VALUE_NODE || r->last[root] >= at;
    if (depth && there && !(r->dropped[root] && r->next[root] > at)) return r->fixed[root] = true;
    const gm__node *n = &g->node[g->value[root].from];
    if (depth == RECOMPUTE_DEPTH || !recompute_is_cheap(n) || r->fixed[root]) return false;
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k] >= 0 && !recompute_again(r, n->in[k], at, depth + 1)) return false;
    if (!recompute_add(r, at, g->value[root].from)) return false;
    for (int64_t i = g->value[root].from + 1; i < at; i++) /* its views */
        if (gm__plan_is_view(&g->node[i]) && gm__graph_root(g, g->node[i].out) == root &&
            !recompute_add(r, at, (int32_t)i))
            return false;
    return true;
}

/* ---- a round ---- */

/* The largest value that waits at the peak, has not been looked at, and could be made again. */
static int32_t recompute_largest(const recompute_state *r, const bool *seen) {
    const gm_graph *g = r->g;
    int32_t best = -1;
    for (int32_t v = 0; v < g->n_values; v++) {
        if (seen[v] || r->fixed[v] || !recompute_has_memory(g, v) || r->next[v] < 0 || r->before[v] >= r->peak)
            continue;
        if (r->last[v] >= g->n_nodes || !recompute_is_cheap(&g->node[g->value[v].from])) continue;
        if (best < 0 || gm__plan_bytes(&g->value[v]) > gm__plan_bytes(&g->value[best])) best = v;
    }
    return best;
}

static bool recompute_choose(recompute_state *r, int64_t limit) {
    bool *seen = gm_alloc((size_t)r->g->n_values + 1);
    int64_t excess = r->most - limit;
    memset(r->fixed, 0, (size_t)r->g->n_values);
    memset(r->dropped, 0, (size_t)r->g->n_values);
    r->n_copies = 0;
    while (seen && excess > 0) {
        int32_t v = recompute_largest(r, seen);
        int64_t before = r->n_copies;
        if (v < 0) break;
        seen[v] = true;
        if ((r->dropped[v] = recompute_again(r, v, r->next[v], 0))) excess -= gm__plan_bytes(&r->g->value[v]);
        else r->n_copies = before;
    }
    gm_free(seen);
    return r->n_copies > 0;
}

static bool recompute_write(const recompute_state *r, gm__graph_copy *c, int64_t at) {
    const gm_graph *g = r->g;
    for (int64_t i = 0; i < r->n_copies; i++) {
        if (r->copy[i].at != at) continue;
        if (!gm__copy_node(c, &g->node[r->copy[i].node])) return false;
        c->to->node[c->to->n_nodes - 1].again = RECOMPUTE_MARK; /* not to be merged with the first */
    }
    return gm__copy_node(c, &g->node[at]);
}

static gm_graph *recompute_apply(const recompute_state *r) {
    gm__graph_copy c;
    bool ok = gm__copy_begin(&c, r->g, NULL);
    for (int64_t i = 0; ok && i < r->g->n_nodes; i++) ok = recompute_write(r, &c, i);
    return gm__copy_end(&c, ok);
}

static bool recompute_begin(recompute_state *r, const gm_graph *g) {
    size_t n = (size_t)g->n_values + 1;
    *r = (recompute_state){ .g = g, .room = 4 * g->n_nodes + 64, .peak = -1 };
    r->last = gm_alloc(n * sizeof *r->last), r->next = gm_alloc(n * sizeof *r->next);
    r->before = gm_alloc(n * sizeof *r->before), r->live = gm_alloc((size_t)(g->n_nodes + 2) * sizeof *r->live);
    r->write = gm_alloc(n * sizeof *r->write), r->fixed = gm_alloc(n), r->dropped = gm_alloc(n);
    r->copy = gm_alloc((size_t)r->room * sizeof *r->copy);
    for (int64_t v = 0; gm_ok() && v < g->n_values; v++) r->write[v] = INT64_MAX;
    for (int64_t i = g->n_nodes; gm_ok() && i-- > 0;)
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0 && gm__node_writes(&g->node[i], k))
                r->write[gm__graph_root(g, g->node[i].in[k])] = i;
    return gm_ok();
}

static void recompute_end(recompute_state *r) {
    gm_free(r->last);
    gm_free(r->next);
    gm_free(r->before);
    gm_free(r->live);
    gm_free(r->write);
    gm_free(r->fixed);
    gm_free(r->dropped);
    gm_free(r->copy);
}

/* The next graph, g itself if it is within the limit or nothing helps; *most: the bytes of g. */
static gm_graph *recompute_round(gm_graph *g, int64_t limit, int64_t *most) {
    recompute_state r;
    gm_graph *made = NULL;
    if (recompute_begin(&r, g)) {
        recompute_lives(&r);
        recompute_find_peak(&r);
        recompute_lives(&r); /* with the peak known */
        made = r.most > limit && recompute_choose(&r, limit) ? recompute_apply(&r) : g;
    }
    *most = r.most;
    recompute_end(&r);
    return gm_ok() ? made : NULL;
}

gm_graph *gm__pass_recompute(gm_graph *g, int64_t limit) {
    gm_graph *best = g;
    int64_t least = INT64_MAX, most;
    int idle = 0; /* rounds that did not help */
    for (int i = 0; g && i < RECOMPUTE_ROUNDS && idle < RECOMPUTE_IDLE; i++) {
        gm_graph *next = recompute_round(g, limit, &most);
        idle = most < least ? 0 : idle + 1;
        if (next && most < least) least = most, best = g;
        if (next == g) break;
        g = next;
    }
    gm__debug_graph("within the limit of memory", best);
    return gm_ok() ? best : NULL;
}
