/* cluster.c: sets of nodes that become one node each, and the order that they leave to the others.
 *
 * A node waits for what it reads; writers and readers of a place that somebody writes keep their order, and so do
 * effects. Two clusters may be joined if no way leads from one to the other around outside: then nothing has to run
 * between the two. At the end nodes and clusters are put in order again. */
#include "../math/fp.h"
#include "cluster.h"
#include "../base/grow.h"
#include "gemel/extend.h"

#include <string.h>

/* ---- what has to come before what ---- */

static bool cluster_push(gm__cluster_list *l, int32_t item) {
    if (!gm__grow(&l->item, l->n, &l->capacity, sizeof *l->item)) return false;
    l->item[l->n++] = item;
    return true;
}

static bool cluster_data_before(gm__clusters *c, int32_t at) {
    const gm_graph *g = c->g;
    const gm__node *n = &g->node[at];
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        c->uses[n->in[i]]++;
        if (g->value[n->in[i]].kind != GM__VALUE_NODE) continue;
        if (!cluster_push(&c->before[at], g->value[n->in[i]].from)) return false;
    }
    return true;
}

/* Of each root that somebody writes: its last writer and the readers since. */
typedef struct { int32_t writer; gm__cluster_list readers; } cluster_place;

static bool cluster_touch(gm__clusters *c, cluster_place *place, int32_t at, bool writes) {
    if (place->writer >= 0 && place->writer != at && !cluster_push(&c->before[at], place->writer)) return false;
    if (!writes) return cluster_push(&place->readers, at);
    for (int64_t i = 0; i < place->readers.n; i++)
        if (place->readers.item[i] != at && !cluster_push(&c->before[at], place->readers.item[i])) return false;
    place->readers.n = 0;
    place->writer = at;
    return true;
}

static bool cluster_order_of(gm__clusters *c, cluster_place *place, const bool *written, int32_t at) {
    const gm__node *n = &c->g->node[at];
    for (int pass = 0; pass < 2; pass++) /* what a node reads and writes it reads first */
        for (int i = 0; i < n->n_in; i++) {
            int32_t root = n->in[i] < 0 ? -1 : gm__graph_root(c->g, n->in[i]);
            bool writes = gm__node_writes(n, i);
            if (root < 0 || !written[root] || writes != pass) continue;
            if (!cluster_touch(c, &place[root], at, writes)) return false;
        }
    return true;
}

static bool cluster_find_order(gm__clusters *c) {
    const gm_graph *g = c->g;
    bool *written = gm_alloc((size_t)g->n_values + 1), ok = true;
    cluster_place *place = gm_alloc((size_t)(g->n_values + 1) * sizeof *place);
    int32_t effect = -1;
    if (written) gm__graph_written(g, written);
    for (int64_t v = 0; place && v < g->n_values; v++) place[v].writer = -1;
    for (int32_t i = 0; written && place && ok && i < g->n_nodes; i++) {
        ok = cluster_data_before(c, i) && cluster_order_of(c, place, written, i);
        if (!ok || !(g->node[i].flags & GM_OP_EFFECT)) continue;
        if (effect >= 0) ok = cluster_push(&c->before[i], effect);
        effect = i;
    }
    for (int64_t v = 0; place && v < g->n_values; v++) gm_free(place[v].readers.item);
    gm_free(place);
    gm_free(written);
    return ok && gm_ok();
}

bool gm__clusters_begin(gm__clusters *c, const gm_graph *g) {
    size_t nodes = (size_t)g->n_nodes + 1;
    *c = (gm__clusters){ .g = g };
    c->before = gm_alloc(nodes * sizeof *c->before);
    c->group = gm_alloc(6 * nodes * sizeof *c->group);
    c->uses = gm_alloc((size_t)(g->n_values + 1) * sizeof *c->uses);
    if (!c->before || !c->group || !c->uses) return false;
    c->next = c->group + nodes, c->last = c->group + 2 * nodes, c->count = c->group + 3 * nodes;
    c->stamp = c->group + 4 * nodes, c->stack = c->group + 5 * nodes;
    for (int32_t i = 0; i < g->n_nodes; i++) c->group[i] = c->last[i] = i, c->next[i] = -1, c->count[i] = 1;
    for (int64_t i = 0; i < g->n_out; i++) c->uses[g->out[i].value]++;
    for (int64_t i = 0; i < g->n_left; i++) c->uses[g->left[i].value]++;
    return cluster_find_order(c);
}

void gm__clusters_end(gm__clusters *c) {
    for (int64_t i = 0; c->before && i < c->g->n_nodes; i++) gm_free(c->before[i].item);
    gm_free(c->before);
    gm_free(c->group);
    gm_free(c->uses);
}

/* ---- joining ---- */

/* A view that stands alone, where these do not count. */
static bool cluster_is_air(const gm__clusters *c, int32_t node) {
    return c->through_views && c->g->node[node].flags & GM_OP_VIEW && c->count[c->group[node]] == 1;
}

static bool cluster_expand_node(gm__clusters *c, int32_t m, int32_t a, int32_t b, int64_t *n) {
    bool met = false;
    for (int64_t i = 0; i < c->before[m].n; i++) {
        int32_t at = c->before[m].item[i], p = c->group[at];
        if (cluster_is_air(c, at)) {
            met |= cluster_expand_node(c, at, a, b, n);
            continue;
        }
        met |= p == b;
        if (p == a || p == b || c->stamp[p] == c->clock) continue;
        c->stamp[p] = c->clock;
        c->stack[(*n)++] = p;
    }
    return met;
}

/* Pushes what cluster a waits for, but for cluster b; true if b is among it. */
static bool cluster_expand(gm__clusters *c, int32_t a, int32_t b, int64_t *n) {
    bool met = false;
    for (int32_t m = a; m >= 0; m = c->next[m]) met |= cluster_expand_node(c, m, a, b, n);
    return met;
}

/* True if a way leads from one cluster to another through others. */
static bool cluster_way_around(gm__clusters *c, int32_t from, int32_t to) {
    int64_t n = 0;
    c->clock++;
    cluster_expand(c, to, from, &n);
    while (n > 0)
        if (cluster_expand(c, c->stack[--n], from, &n)) return true;
    return false;
}

bool gm__clusters_join(gm__clusters *c, int32_t a, int32_t b) {
    int32_t first = a < b ? a : b, second = a < b ? b : a;
    if (a == b || cluster_way_around(c, a, b) || cluster_way_around(c, b, a)) return false;
    for (int32_t m = second; m >= 0; m = c->next[m]) c->group[m] = first;
    c->next[c->last[first]] = second;
    c->last[first] = c->last[second];
    c->count[first] += c->count[second];
    return true;
}

void gm__clusters_dissolve(gm__clusters *c, int32_t cluster) {
    for (int32_t m = cluster, next; m >= 0; m = next) {
        next = c->next[m];
        c->group[m] = c->last[m] = m, c->next[m] = -1, c->count[m] = 1;
    }
}

/* ---- asking ---- */

bool gm__clusters_used_outside(const gm__clusters *c, int32_t v) {
    int32_t inside = 0;
    for (int32_t m = c->group[c->g->value[v].from]; m >= 0; m = c->next[m])
        for (int k = 0; k < c->g->node[m].n_in; k++) inside += c->g->node[m].in[k] == v;
    return inside < c->uses[v];
}

void gm__clusters_members(const gm__clusters *c, int32_t cluster, int32_t *member) {
    int32_t n = 0;
    for (int32_t m = cluster; m >= 0; m = c->next[m]) {
        int32_t k = n++;
        for (; k > 0 && member[k - 1] > m; k--) member[k] = member[k - 1];
        member[k] = m;
    }
}

/* ---- the new graph ---- */

/* Everything comes before what waits for it, each as early as the first of its members allows. */
typedef struct {
    gm__clusters *c;
    gm__graph_copy copy;
    const bool *wanted;
    gm__cluster_write write;
    void *env;
    bool *done;
} cluster_writer;

/* True if node `at` is a view of what a member makes: it cannot come before the cluster. */
static bool cluster_views(const gm__clusters *c, int32_t at, int32_t cluster) {
    while (cluster_is_air(c, at)) {
        const gm__value *v = &c->g->value[c->g->node[at].in[0]];
        if (v->kind != GM__VALUE_NODE) return false;
        at = v->from;
        if (c->group[at] == cluster) return true;
    }
    return false;
}

static bool cluster_write(cluster_writer *w, int32_t cluster) {
    gm__clusters *c = w->c;
    if (w->done[cluster]) return true;
    w->done[cluster] = true;
    for (int32_t m = cluster; m >= 0; m = c->next[m])
        for (int64_t i = 0; i < c->before[m].n; i++) {
            int32_t at = c->before[m].item[i], p = c->group[at];
            if (p != cluster && !cluster_views(c, at, cluster) && !cluster_write(w, p)) return false;
        }
    return w->wanted[cluster] ? w->write(w->env, &w->copy, cluster) : gm__copy_node(&w->copy, &c->g->node[cluster]);
}

gm_graph *gm__clusters_write(gm__clusters *c, const bool *wanted, gm__cluster_write write, void *env) {
    cluster_writer w = { .c = c, .wanted = wanted, .write = write, .env = env };
    w.done = gm_alloc((size_t)c->g->n_nodes + 1);
    bool ok = w.done && gm__copy_begin(&w.copy, c->g, NULL);
    for (int32_t i = 0; ok && i < c->g->n_nodes; i++) ok = cluster_write(&w, c->group[i]);
    gm_graph *made = w.copy.from ? gm__copy_end(&w.copy, ok) : NULL;
    gm_free(w.done);
    return made;
}
