/* strip.c: chains of operations that go through the batch strip by strip.
 *
 * Where operations act on each entry of a batch alone (strip_rules.c), a chain of them can run to its end for a few
 * entries, then for the next: what one makes and the next reads stays in a cache, what nobody else reads has no memory
 * but a strip's, and a loop over threads is one for the chain. The kernels are the library's and the emitted ones,
 * called for fewer entries, and every value has the bits that it has anyway. A strip is a run of a plan of its own,
 * with a frame for each thread.
 *
 * What is packed for each call (weights) is packed for each strip: operations with large ones stay alone. */
#include "../math/fp.h"
#include "cluster.h"
#include "fuse.h"
#include "pass.h"
#include "strip.h"
#include "../base/context.h"
#include "../base/grow.h"
#include "gemel/extend.h"

#include <string.h>
#include <unistd.h>

enum { STRIP_MAX_NODES = 24, STRIP_MAX_PORTS = GM__STRIPS_RESULTS, STRIP_MAX_WHOLE = 128 << 10,
       STRIP_FAR = 32 << 20 };

/* ---- the node ---- */

typedef struct {
    gm_object o;
    gm_graph *inner;       /* a strip, held */
    int64_t strips, nodes;
    uint64_t cut;          /* inputs of the node that are cut */
    gm__plan *plan;        /* of it, held */
} strip_chain;

static void strip_destroy(void *object) {
    strip_chain *x = object;
    gm_release(x->plan);
    gm_release(x->inner);
}

static const gm_type strip_type = { "chain in strips", sizeof(strip_chain), strip_destroy };

typedef struct { strip_chain *chain; } strip_attrs;
static const gm_attr strip_fields[] = { GM_ATTR(strip_attrs, chain, OBJECT), GM_ATTR_END };

static const strip_chain *strip_of(const gm__node *n) {
    return n->op == &gm__op_strips ? ((const strip_attrs *)n->attrs)->chain : NULL;
}

int64_t gm__strips_nodes(const gm__node *n) { return strip_of(n) ? strip_of(n)->nodes : 0; }

/* ---- running ---- */

typedef struct { strip_chain *chain; const gm_op_args *args; gm_tensor **out; } strip_job;

/* The first element of part k of t. */
static void *strip_part(const gm_tensor *t, int64_t k, int64_t parts) {
    return (char *)gm__data(t) + k * (t->shape.d[0] / parts) * t->stride[0] * gm__element_bytes(t->dtype);
}

static bool strip_run(const strip_job *j, int64_t k) {
    void *in[STRIP_MAX_PORTS], *out[STRIP_MAX_PORTS];
    const strip_chain *x = j->chain;
    for (int i = 0; i < j->args->n_in; i++)
        in[i] = x->cut >> i & 1 ? strip_part(j->args->in[i], k, x->strips) : gm__data(j->args->in[i]);
    for (int i = 0; i < j->args->n_out; i++) out[i] = strip_part(j->out[i], k, x->strips);
    return gm__plan_run_over(x->plan, in, out);
}

static void strip_range(void *env, int64_t begin, int64_t end) {
    const strip_job *j = env;
    gm__thread_modes before = gm__thread_modes_now(), none = { .no_grad = true };
    gm__thread_modes_set(&none);
    gm_scope s = gm_scope_open();
    for (int64_t k = begin; k < end && strip_run(j, k); k++) {}
    gm_scope_close(&s);
    gm__thread_modes_set(&before);
}

static bool strip_kernel(const gm_op_args *a, gm_tensor **out) {
    strip_job j = { ((const strip_attrs *)a->attrs)->chain, a, out };
    gm_parallel_for(j.chain->strips, 1, strip_range, &j);
    return gm_ok();
}

static int32_t strip_infer(const gm_op_args *a, gm_spec *out) {
    (void)out;
    return gm_fail(GM_ERROR_INTERNAL, "%s: not for the dispatcher", a->op->name), -1;
}

const gm_op gm__op_strips = {
    .size = sizeof(gm_op),
    .name = "strips",
    .version = 1,
    .min_in = 0,
    .max_in = -1,
    .n_out = -1,
    .flags = GM_OP_NO_GRAD | GM_OP_OBJECTS,
    .attrs_bytes = sizeof(strip_attrs),
    .attrs = strip_fields,
    .infer = strip_infer,
    .kernel = strip_kernel,
    .doc = "a chain of operations that goes through the batch strip by strip",
};

/* ---- which chains ---- */

static gm__strip_limits strip_given;

void gm__strips_limit(gm__strip_limits l) { strip_given = l; }

static int64_t strip_cache(int which, int64_t otherwise) {
    long bytes = sysconf(which);
    return bytes > 0 ? bytes : otherwise;
}

/* Half of the cache that a core has for itself; of the one that all share, what machines shared by many are sure of. */
static gm__strip_limits strip_limits(void) {
    int64_t half = strip_cache(_SC_LEVEL2_CACHE_SIZE, 1 << 20) / 2;
    gm__strip_limits l = strip_given;
    if (!l.least_value) l.least_value = half;
    if (!l.strip) l.strip = half;
    return l;
}

static int64_t strip_value_bytes(const gm_graph *g, int32_t v) {
    return gm__value_bytes(&g->value[v].shape, g->value[v].dtype);
}

static bool strip_may(const gm_graph *g, int32_t node, uint64_t *cut) {
    const gm__node *n = &g->node[node];
    int64_t whole = 0;
    if (n->flags & GM_OP_VIEW || !gm__strips_cut(g, n, cut)) return false;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && !(i < 64 && *cut >> i & 1)) whole += strip_value_bytes(g, n->in[i]);
    return whole <= STRIP_MAX_WHOLE;
}

/* The node that makes v's memory, through views that keep the batch; -1 if there is none. */
static int32_t strip_producer(const gm_graph *g, int32_t v) {
    uint64_t cut;
    while (g->value[v].kind == GM__VALUE_NODE) {
        const gm__node *n = &g->node[g->value[v].from];
        if (!(n->flags & GM_OP_VIEW)) return g->value[v].from;
        if (!gm__strips_cut(g, n, &cut)) return -1;
        v = n->in[0];
    }
    return -1;
}

static void strip_try(gm__clusters *c, int32_t at, int32_t v, int64_t least) {
    const gm_graph *g = c->g;
    int32_t from = strip_producer(g, v);
    uint64_t cut;
    if (from < 0 || c->group[from] == c->group[at] || strip_value_bytes(g, v) < least) return;
    if (c->count[c->group[from]] + c->count[c->group[at]] > STRIP_MAX_NODES || !strip_may(g, from, &cut)) return;
    if (g->value[g->node[from].out].shape.d[0] != g->value[g->node[at].out].shape.d[0]) return;
    gm__clusters_join(c, c->group[from], c->group[at]);
}

static void strip_groups(gm__clusters *c, int64_t least) {
    const gm_graph *g = c->g;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        uint64_t cut;
        if (!strip_may(g, i, &cut)) continue;
        for (int k = 0; k < g->node[i].n_in && k < 64; k++)
            if (cut >> k & 1) strip_try(c, i, g->node[i].in[k], least);
    }
}

/* ---- one chain ---- */

/* The chain of a cluster while its graph is made: values of the whole graph and what stands for them inside, cut and
 * whole. */
typedef struct {
    const gm__clusters *c;
    int32_t cluster, n_members, member[STRIP_MAX_NODES];
    int64_t batch, size; /* entries: of all, of a strip */
    gm_graph *inner;
    int32_t *cut, *whole; /* [n_values]; -1: none */
    int32_t in[STRIP_MAX_PORTS], out[STRIP_MAX_PORTS]; /* values of the whole graph */
    uint64_t cuts;
    int32_t n_in, n_out;
} strip_maker;

/* Bytes of a batch entry of everything that members read or make. */
static int64_t strip_entry_bytes(const strip_maker *m) {
    const gm_graph *g = m->c->g;
    int64_t bytes = 0;
    for (int32_t i = 0; i < m->n_members; i++) {
        const gm__node *n = &g->node[m->member[i]];
        uint64_t cut = 0;
        gm__strips_cut(g, n, &cut);
        for (int j = 0; j < n->n_out; j++) bytes += strip_value_bytes(g, n->out + j) / m->batch;
        for (int k = 0; k < n->n_in && k < 64; k++) {
            int32_t from = cut >> k & 1 ? strip_producer(g, n->in[k]) : -1;
            if (cut >> k & 1 && (from < 0 || m->c->group[from] != m->cluster))
                bytes += strip_value_bytes(g, n->in[k]) / m->batch;
        }
    }
    return bytes ? bytes : 1;
}

/* Entries of a strip: a divisor of the batch, with strips for every thread. 0 if it does not pay: entries that are too
 * large for a cache, unless what is there now is too large for the next one. */
static int64_t strip_size(const strip_maker *m, const gm__strip_limits *l) {
    int64_t entry = strip_entry_bytes(m), threads = gm_n_threads(), most = l->strip / entry;
    int64_t far = strip_cache(_SC_LEVEL3_CACHE_SIZE, STRIP_FAR) / 2;
    if (far > STRIP_FAR / 2) far = STRIP_FAR / 2;
    if (l->entries) most = l->entries, threads = 1;
    if (!most) most = entry * threads <= far && entry * m->batch > far;
    if (most > m->batch / threads) most = m->batch / threads;
    while (most > 1 && (m->batch % most || m->batch / most % threads)) most--;
    return most < m->batch ? most : 0;
}

static int32_t strip_value(strip_maker *m, int kind, int32_t v, bool cut) {
    gm_tensor *like = gm__graph_ghost(m->c->g, v);
    if (!like) return -1;
    if (cut) like->shape.d[0] = m->size;
    return (cut ? m->cut : m->whole)[v] = gm__graph_add_value(m->inner, kind, like);
}

static int32_t strip_input(strip_maker *m, int32_t v, bool cut) {
    gm_graph *g = m->inner;
    if (m->n_in == STRIP_MAX_PORTS || !gm__grow(&g->in, g->n_in, &g->in_capacity, sizeof *g->in)) return -1;
    int32_t made = strip_value(m, GM__VALUE_INPUT, v, cut);
    if (made < 0) return -1;
    if (cut) m->cuts |= (uint64_t)1 << m->n_in;
    m->in[m->n_in++] = v;
    g->value[made].from = (int32_t)g->n_in;
    return g->in[g->n_in++] = made;
}

/* Shapes among the attributes say the batch. */
static void strip_change_shape(const strip_maker *m, gm__node *n) {
    for (const gm_attr *a = n->op->attrs; n->op->flags & GM_OP_VIEW && a && a->name; a++) {
        gm_shape *s = (gm_shape *)(void *)((char *)n->attrs + a->offset);
        if (a->kind == GM_ATTR_SHAPE && s->d[0] == m->batch) s->d[0] = m->size;
    }
}

static int32_t strip_operand(strip_maker *m, int32_t v, bool cut);

static bool strip_add(strip_maker *m, int32_t at) {
    const gm_graph *g = m->c->g;
    const gm__node *n = &g->node[at];
    int32_t in[GM__WALK_MAX];
    uint64_t cut = 0;
    gm__strips_cut(g, n, &cut);
    for (int k = 0; k < n->n_in; k++) {
        in[k] = n->in[k] < 0 ? -1 : strip_operand(m, n->in[k], k < 64 && cut >> k & 1);
        if (in[k] < 0 && n->in[k] >= 0) return false;
    }
    gm__fused_attrs part = { gm__fused_part(gm__fused_of(n), m->batch / m->size) };
    int32_t place = (int32_t)m->inner->n_nodes;
    gm__node *made = gm_ok() ? gm__graph_add_node(m->inner, n->op, part.loop ? &part : n->attrs, n->n_in) : NULL;
    if (!made) return false;
    memcpy(made->in, in, (size_t)n->n_in * sizeof *in);
    made->no_grad = true;
    made->n_out = n->n_out, made->out = (int32_t)m->inner->n_values;
    strip_change_shape(m, made);
    for (int j = 0; j < n->n_out; j++) {
        int32_t v = strip_value(m, GM__VALUE_NODE, n->out + j, true);
        if (v < 0) return false;
        m->inner->value[v].from = place, m->inner->value[v].index = j;
    }
    return true;
}

/* What stands for v: a member's, a view of a member's, or an input. */
static int32_t strip_operand(strip_maker *m, int32_t v, bool cut) {
    const gm_graph *g = m->c->g;
    int32_t known = (cut ? m->cut : m->whole)[v], from = cut ? strip_producer(g, v) : -1;
    if (known >= 0) return known;
    if (from < 0 || m->c->group[from] != m->cluster) return strip_input(m, v, cut);
    return strip_add(m, g->value[v].from) ? m->cut[v] : -1; /* a view: members came before */
}

/* True if v, or a view of it, is used by others than members, or by the caller. */
static bool strip_is_needed(const strip_maker *m, int32_t v) {
    const gm_graph *g = m->c->g;
    if (!gm__clusters_used_outside(m->c, v)) return false;
    for (int64_t i = 0; i < g->n_out; i++)
        if (g->out[i].value == v) return true;
    for (int64_t i = 0; i < g->n_left; i++)
        if (g->left[i].value == v) return true;
    for (int32_t i = g->value[v].from + 1; i < g->n_nodes; i++) {
        const gm__node *n = &g->node[i];
        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] != v || m->c->group[i] == m->cluster) continue;
            if (!(n->flags & GM_OP_VIEW) || strip_is_needed(m, n->out)) return true;
        }
    }
    return false;
}

/* Whatever members read of one another they read as parts. */
static bool strip_is_sound(const strip_maker *m) {
    const gm_graph *g = m->c->g;
    for (int32_t i = 0; i < m->n_members; i++) {
        const gm__node *n = &g->node[m->member[i]];
        uint64_t cut = 0;
        gm__strips_cut(g, n, &cut);
        for (int k = 0; k < n->n_in; k++) {
            const gm__value *root = n->in[k] < 0 ? NULL : &g->value[gm__graph_root(g, n->in[k])];
            if (!root || root->kind != GM__VALUE_NODE || m->c->group[root->from] != m->cluster) continue;
            if (k > 63 || !(cut >> k & 1) || strip_producer(g, n->in[k]) != root->from) return false;
        }
    }
    return true;
}

static bool strip_make(strip_maker *m) {
    const gm_graph *g = m->c->g;
    bool ok = m->inner && m->cut && m->whole;
    for (int64_t v = 0; ok && v < g->n_values; v++) m->cut[v] = m->whole[v] = -1;
    for (int32_t i = 0; ok && i < m->n_members; i++) ok = strip_add(m, m->member[i]);
    for (int32_t i = 0; ok && i < m->n_members; i++)
        for (int j = 0; ok && j < g->node[m->member[i]].n_out; j++) {
            int32_t v = g->node[m->member[i]].out + j;
            if (!strip_is_needed(m, v)) continue;
            ok = m->n_out < STRIP_MAX_PORTS && gm__graph_add_output(m->inner, m->cut[v], "");
            if (ok) m->out[m->n_out++] = v;
        }
    return ok && gm_ok();
}

/* ---- the new graph ---- */

typedef struct { gm__clusters c; bool *wanted; strip_chain **chain; strip_maker *maker; int64_t n, most; } strip_state;

static strip_chain *strip_new_chain(const strip_maker *m) {
    strip_chain *x = gm_object_new(&strip_type);
    if (!x) return NULL;
    x->inner = gm_retain(m->inner);
    x->strips = m->batch / m->size, x->nodes = m->n_members, x->cut = m->cuts;
    x->plan = gm_retain(gm__plan_plain(x->inner));
    return x->plan ? x : NULL;
}

/* The chain of a cluster, NULL if it is none, or after an error. */
static strip_chain *strip_chain_of(strip_maker *m, const gm__clusters *c, int32_t cluster,
                                   const gm__strip_limits *l, int64_t most) {
    *m = (strip_maker){ .c = c, .cluster = cluster, .n_members = c->count[cluster] };
    gm__clusters_members(c, cluster, m->member);
    m->batch = c->g->value[c->g->node[cluster].out].shape.d[0];
    m->size = strip_size(m, l);
    if (!m->size || !strip_is_sound(m)) return NULL;
    size_t bytes = (size_t)(c->g->n_values + 1) * sizeof *m->cut;
    m->inner = gm__graph_new();
    m->cut = gm_alloc(bytes);
    m->whole = gm_alloc(bytes);
    strip_chain *x = strip_make(m) && m->n_out <= most ? strip_new_chain(m) : NULL;
    gm_free(m->cut);
    gm_free(m->whole);
    return x;
}

/* Clusters that are no chains fall apart again. */
static bool strip_collect(strip_state *s, const gm__strip_limits *l) {
    for (int32_t i = 0; i < s->c.g->n_nodes && gm_ok(); i++) {
        if (s->c.group[i] != i || s->c.count[i] < 2) continue;
        s->chain[i] = strip_chain_of(&s->maker[i], &s->c, i, l, s->most);
        s->wanted[i] = s->chain[i] != NULL;
        s->n += s->wanted[i];
        if (s->wanted[i]) gm__debug_graph("a chain, for a strip", s->chain[i]->inner);
        else gm__clusters_dissolve(&s->c, i);
    }
    return gm_ok();
}

static bool strip_write(void *env, gm__graph_copy *copy, int32_t cluster) {
    const strip_state *s = env;
    const strip_maker *m = &s->maker[cluster];
    return gm__copy_new(copy, &gm__op_strips, &(strip_attrs){ s->chain[cluster] }, m->in, m->n_in, m->out, m->n_out);
}

gm_graph *gm__strips(gm_graph *g, int64_t most) {
    gm__strip_limits limits = strip_limits();
    strip_state s = { .most = most };
    gm_graph *made = NULL, *before = g;
    if (!(g = gm__pass_split(g, limits.least_value))) return NULL;
    size_t nodes = (size_t)g->n_nodes + 1;
    s.wanted = gm_alloc(nodes);
    s.chain = gm_alloc(nodes * sizeof *s.chain);
    s.maker = gm_alloc(nodes * sizeof *s.maker);
    if (gm__clusters_begin(&s.c, g) && gm_ok()) {
        s.c.through_views = true;
        strip_groups(&s.c, limits.least_value);
        if (strip_collect(&s, &limits)) made = s.n ? gm__clusters_write(&s.c, s.wanted, strip_write, &s) : before;
    }
    gm__clusters_end(&s.c);
    gm_free(s.wanted);
    gm_free(s.chain);
    gm_free(s.maker);
    return made && made != before ? gm__pass_dead(made) : made;
}
