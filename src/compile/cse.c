/* cse.c: common subexpressions: of nodes that compute the same from the same, the first is kept.
 *
 * A place that is written in between does not hold the same: reads are told apart by the writes that came before. */
#include "../math/fp.h"
#include "pass.h"
#include "gemel/extend.h"

#include <string.h>

typedef struct {
    const gm_graph *g;
    int32_t *as;      /* [n_values]: which value stands for it */
    int32_t *written; /* [n_values], of roots: how often so far */
    uint64_t *hash;   /* [n_nodes], with the writes that had been seen */
    int32_t *table;   /* node + 1 by hash, open addressing */
    int32_t *seen;    /* [n_nodes]: a sum of `written` over the inputs, when the node was looked at */
    int64_t mask;
    bool *ever;       /* [n_values], of roots: some node writes it */
} cse_state;

/* Two that are written apart are two, though they begin alike. */
static bool cse_may_merge(const cse_state *c, const gm__node *n) {
    for (int j = 0; j < n->n_out; j++)
        if (!(n->op->flags & GM_OP_VIEW) && c->ever[n->out + j]) return false;
    return !(n->flags & (GM_OP_RANDOM | GM_OP_EFFECT | GM_OP_DYNAMIC)) && !n->op->writes && n->n_out > 0;
}

static int32_t cse_writes(const cse_state *c, const gm__node *n, int i) {
    return n->in[i] < 0 ? 0 : c->written[gm__graph_root(c->g, n->in[i])];
}

static uint64_t cse_mix(uint64_t h, const void *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) h = (h ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    return h;
}

static uint64_t cse_hash(const cse_state *c, const gm__node *n) {
    uint64_t h = cse_mix(0xcbf29ce484222325u, &n->op, sizeof n->op);
    for (int i = 0; i < n->n_in; i++) {
        int32_t about[2] = { n->in[i] < 0 ? -1 : c->as[n->in[i]], cse_writes(c, n, i) };
        h = cse_mix(h, about, sizeof about);
    }
    return n->attrs ? cse_mix(h, n->attrs, n->op->attrs_bytes) : h;
}

/* Equal hashes have equal counts of writes with all but certainty; the rest is compared. */
static bool cse_equal(const cse_state *c, const gm__node *a, const gm__node *b) {
    if (a->op != b->op || a->again != b->again || a->n_in != b->n_in || a->n_out != b->n_out) return false;
    for (int i = 0; i < a->n_in; i++)
        if ((a->in[i] < 0 ? -1 : c->as[a->in[i]]) != (b->in[i] < 0 ? -1 : c->as[b->in[i]])) return false;
    return !a->attrs || !memcmp(a->attrs, b->attrs, a->op->attrs_bytes);
}

static int32_t cse_sum(const cse_state *c, const gm__node *n) {
    int32_t sum = 0;
    for (int i = 0; i < n->n_in; i++) sum += cse_writes(c, n, i);
    return sum;
}

/* The node that does the same, -1 if this is the first. */
static int64_t cse_find(cse_state *c, int64_t at) {
    const gm__node *n = &c->g->node[at];
    c->hash[at] = cse_hash(c, n);
    c->seen[at] = cse_sum(c, n);
    int64_t slot = (int64_t)(c->hash[at] & (uint64_t)c->mask);
    for (; c->table[slot]; slot = (slot + 1) & c->mask) {
        int64_t other = c->table[slot] - 1;
        if (c->hash[other] == c->hash[at] && c->seen[other] == c->seen[at] && cse_equal(c, &c->g->node[other], n))
            return other;
    }
    c->table[slot] = (int32_t)at + 1;
    return -1;
}

static void cse_note_writes(cse_state *c, const gm__node *n) {
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && gm__node_writes(n, i)) c->written[gm__graph_root(c->g, n->in[i])]++;
}

static void cse_run(cse_state *c, bool *keep) {
    const gm_graph *g = c->g;
    for (int64_t v = 0; v < g->n_values; v++) c->as[v] = (int32_t)v;
    gm__graph_written(g, c->ever);
    for (int64_t i = 0; i < g->n_nodes; i++) {
        const gm__node *n = &g->node[i];
        int64_t same = cse_may_merge(c, n) ? cse_find(c, i) : -1;
        keep[i] = same < 0;
        for (int j = 0; same >= 0 && j < n->n_out; j++) c->as[n->out + j] = g->node[same].out + j;
        cse_note_writes(c, n);
    }
}

gm_graph *gm__pass_common(gm_graph *g) {
    cse_state c = { .g = g, .mask = 15 };
    while (c.mask < 2 * g->n_nodes) c.mask = 2 * c.mask + 1;
    size_t values = (size_t)g->n_values + 1, nodes = (size_t)g->n_nodes + 1;
    c.as = gm_alloc(values * sizeof *c.as);
    c.written = gm_alloc(values * sizeof *c.written);
    c.hash = gm_alloc(nodes * sizeof *c.hash);
    c.seen = gm_alloc(nodes * sizeof *c.seen);
    c.table = gm_alloc(((size_t)c.mask + 1) * sizeof *c.table);
    bool *keep = gm_alloc(nodes);
    c.ever = gm_alloc(values);
    if (gm_ok()) cse_run(&c, keep);
    gm_graph *made = gm_ok() ? gm__graph_with(g, keep, c.as) : NULL;
    gm_free(c.as);
    gm_free(c.written);
    gm_free(c.hash);
    gm_free(c.seen);
    gm_free(c.table);
    gm_free(keep);
    gm_free(c.ever);
    return made;
}
