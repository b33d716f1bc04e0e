/* fuse.c: which elementwise operations become one loop, and the graph in which they are.
 *
 * Nodes are taken in order. One joins the groups of the values it reads if they walk the same elements in the same
 * layout, and no way leads from the group to it around outside: then nothing has to run between the two. At the end
 * nodes and groups are put in order again. Reads and writes of places, and effects, keep theirs. */
#include "../math/fp.h"
#include "fuse.h"
#include "pass.h"
#include "../base/grow.h"
#include "gemel/extend.h"

#include <stdio.h>
#include <string.h>

/* ---- what has to come before what ---- */

typedef struct { int32_t *item; int64_t n, capacity; } fuse_list;

typedef struct {
    const gm_graph *g;
    const gm__fuse_wish *wish;
    fuse_list *before;  /* [n_nodes]: nodes that a node waits for */
    int32_t *group;     /* [n_nodes]: the group, by its first member; a node alone is its own */
    int32_t *next;      /* [n_nodes]: the next member, -1 at the end */
    int32_t *last;      /* [n_nodes], of groups: the last member */
    int32_t *count;     /* [n_nodes], of groups */
    bool *may;          /* [n_nodes] */
    int32_t *stamp, *stack; /* of searches */
    int32_t clock;
} fuse_state;

static bool fuse_push(fuse_list *l, int32_t item) {
    if (!gm__grow(&l->item, l->n, &l->capacity, sizeof *l->item)) return false;
    l->item[l->n++] = item;
    return true;
}

static bool fuse_data_before(fuse_state *f, int32_t at) {
    const gm_graph *g = f->g;
    const gm__node *n = &g->node[at];
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0 || g->value[n->in[i]].kind != GM__VALUE_NODE) continue;
        if (!fuse_push(&f->before[at], g->value[n->in[i]].from)) return false;
    }
    return true;
}

/* Of each root that somebody writes: its last writer and the readers since. */
typedef struct { int32_t writer; fuse_list readers; } fuse_place;

static bool fuse_touch(fuse_state *f, fuse_place *place, int32_t at, bool writes) {
    if (place->writer >= 0 && place->writer != at && !fuse_push(&f->before[at], place->writer)) return false;
    if (!writes) return fuse_push(&place->readers, at);
    for (int64_t i = 0; i < place->readers.n; i++)
        if (place->readers.item[i] != at && !fuse_push(&f->before[at], place->readers.item[i])) return false;
    place->readers.n = 0;
    place->writer = at;
    return true;
}

static bool fuse_order_of(fuse_state *f, fuse_place *place, const bool *written, int32_t at) {
    const gm__node *n = &f->g->node[at];
    for (int pass = 0; pass < 2; pass++) /* what a node reads and writes it reads first */
        for (int i = 0; i < n->n_in; i++) {
            int32_t root = n->in[i] < 0 ? -1 : gm__graph_root(f->g, n->in[i]);
            bool writes = gm__node_writes(n, i);
            if (root >= 0 && written[root] && writes == pass && !fuse_touch(f, &place[root], at, writes)) return false;
        }
    return true;
}

static bool fuse_find_order(fuse_state *f) {
    const gm_graph *g = f->g;
    bool *written = gm_alloc((size_t)g->n_values + 1), ok = true;
    fuse_place *place = gm_alloc((size_t)(g->n_values + 1) * sizeof *place);
    int32_t effect = -1;
    if (written) gm__graph_written(g, written);
    for (int64_t v = 0; place && v < g->n_values; v++) place[v].writer = -1;
    for (int32_t i = 0; written && place && ok && i < g->n_nodes; i++) {
        ok = fuse_data_before(f, i) && fuse_order_of(f, place, written, i);
        if (!ok || !(g->node[i].flags & GM_OP_EFFECT)) continue;
        if (effect >= 0) ok = fuse_push(&f->before[i], effect);
        effect = i;
    }
    for (int64_t v = 0; place && v < g->n_values; v++) gm_free(place[v].readers.item);
    gm_free(place);
    gm_free(written);
    return ok && gm_ok();
}

/* ---- groups ---- */

/* Pushes what group a waits for, but for group b; true if b is among it. */
static bool fuse_expand(fuse_state *f, int32_t a, int32_t b, int64_t *n) {
    bool met = false;
    for (int32_t m = a; m >= 0; m = f->next[m])
        for (int64_t i = 0; i < f->before[m].n; i++) {
            int32_t p = f->group[f->before[m].item[i]];
            met |= p == b;
            if (p == a || p == b || f->stamp[p] == f->clock) continue;
            f->stamp[p] = f->clock;
            f->stack[(*n)++] = p;
        }
    return met;
}

/* True if a way leads from group `from` to group `to` through others. Both are groups, by their first members. */
static bool fuse_way_around(fuse_state *f, int32_t from, int32_t to) {
    int64_t n = 0;
    f->clock++;
    fuse_expand(f, to, from, &n);
    while (n > 0)
        if (fuse_expand(f, f->stack[--n], from, &n)) return true;
    return false;
}

static bool fuse_same_walk(const gm__value *a, const gm__value *b) {
    if (a->shape.n != b->shape.n) return false;
    for (int d = 0; d < a->shape.n; d++)
        if (a->shape.d[d] != b->shape.d[d] || (a->shape.d[d] != 1 && a->stride[d] != b->stride[d])) return false;
    return true;
}

/* Values that the members of both groups read or make: an upper bound of their operands. */
static int fuse_operands(const fuse_state *f, int32_t a, int32_t b) {
    int n = 0;
    for (int side = 0; side < 2; side++)
        for (int32_t m = side ? b : a; m >= 0; m = f->next[m]) n += f->g->node[m].n_in;
    return n;
}

static void fuse_join(fuse_state *f, int32_t a, int32_t b) {
    int32_t first = a < b ? a : b, second = a < b ? b : a;
    for (int32_t m = second; m >= 0; m = f->next[m]) f->group[m] = first;
    f->next[f->last[first]] = second; /* put in order when the group is done */
    f->last[first] = f->last[second];
    f->count[first] += f->count[second];
}

static void fuse_try(fuse_state *f, int32_t at, int32_t producer) {
    int32_t a = f->group[producer], b = f->group[at];
    const gm_graph *g = f->g;
    if (a == b || !f->may[producer] || f->count[a] + f->count[b] > f->wish->most) return;
    if (!fuse_same_walk(&g->value[g->node[at].out], &g->value[g->node[producer].out])) return;
    if (fuse_operands(f, a, b) > GM__FUSE_MAX_VALUES - 4) return;
    if (fuse_way_around(f, a, b) || fuse_way_around(f, b, a)) return;
    fuse_join(f, a, b);
}

static void fuse_groups(fuse_state *f) {
    const gm_graph *g = f->g;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        f->group[i] = f->last[i] = i, f->next[i] = -1, f->count[i] = 1;
        f->may[i] = gm__emit_may(g, &g->node[i]);
        for (int k = 0; f->may[i] && k < g->node[i].n_in; k++) {
            int32_t v = g->node[i].in[k];
            if (g->value[v].kind == GM__VALUE_NODE) fuse_try(f, i, g->value[v].from);
        }
    }
}

/* ---- one group ---- */

static bool fuse_used_outside(const fuse_state *f, int32_t v, int32_t group) {
    const gm_graph *g = f->g;
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; f->group[i] != group && k < g->node[i].n_in; k++)
            if (g->node[i].in[k] == v) return true;
    for (int64_t i = 0; i < g->n_out; i++)
        if (g->out[i].value == v) return true;
    for (int64_t i = 0; i < g->n_left; i++)
        if (g->left[i].value == v) return true;
    return false;
}

static bool fuse_add_operand(gm__group *p, int32_t v, bool out) {
    for (int32_t i = out ? 0 : p->n_out; i < p->n_out + p->n_in; i++)
        if (p->operand[i] == v) return true;
    if (p->n_out + p->n_in == GM__FUSE_MAX_VALUES) return false;
    p->operand[p->n_out + p->n_in] = v;
    if (out) p->n_out++;
    else p->n_in++;
    return true;
}

static bool fuse_is_member(const gm__group *p, int32_t node) {
    for (int32_t i = 0; i < p->n_members; i++)
        if (p->member[i] == node) return true;
    return false;
}

static bool fuse_operands_of(const fuse_state *f, gm__group *p, int32_t group) {
    const gm_graph *g = f->g;
    bool ok = true;
    for (int32_t i = 0; i < p->n_members && ok; i++)
        if (fuse_used_outside(f, g->node[p->member[i]].out, group))
            ok = fuse_add_operand(p, g->node[p->member[i]].out, true);
    for (int32_t i = 0; i < p->n_members && ok; i++)
        for (int k = 0; k < g->node[p->member[i]].n_in && ok; k++) {
            int32_t v = g->node[p->member[i]].in[k];
            bool inside = g->value[v].kind == GM__VALUE_NODE && fuse_is_member(p, g->value[v].from);
            if (!inside) ok = fuse_add_operand(p, v, false);
        }
    return ok && p->n_out > 0;
}

static void fuse_sort(int32_t *a, int32_t n) {
    for (int32_t i = 1; i < n; i++)
        for (int32_t k = i; k > 0 && a[k] < a[k - 1]; k--) {
            int32_t t = a[k];
            a[k] = a[k - 1], a[k - 1] = t;
        }
}

/* ---- the iteration space ---- */

/* Dimensions of v0 from the widest stride to the narrowest, without those of size 1. */
static int fuse_order(const gm__value *v, int *order) {
    int n = 0;
    for (int d = 0; d < v->shape.n; d++) {
        if (v->shape.d[d] == 1) continue;
        int k = n++;
        for (; k > 0 && v->stride[order[k - 1]] < v->stride[d]; k--) order[k] = order[k - 1];
        order[k] = d;
    }
    return n;
}

static int64_t fuse_stride(const gm__value *v, int rank, int d) {
    int own = d - (rank - v->shape.n);
    return own < 0 || v->shape.d[own] == 1 ? 0 : v->stride[own];
}

static bool fuse_walks_on(const gm__space *s, int d, const int64_t *inner, int64_t inner_size) {
    for (int32_t k = 0; k < s->n_operands; k++)
        if (s->stride[k][d] != inner[k] * inner_size) return false;
    return true;
}

static void fuse_space(gm__group *p) {
    const gm__value *first = &p->g->value[p->operand[0]];
    gm__space *s = &p->space;
    int order[GM_MAX_DIMS], n = fuse_order(first, order);
    s->n = 0, s->n_operands = p->n_out + p->n_in;
    for (int i = 0; i < n; i++) {
        int64_t inner[GM__FUSE_MAX_VALUES], size = first->shape.d[order[i]];
        for (int32_t k = 0; k < s->n_operands; k++)
            inner[k] = fuse_stride(&p->g->value[p->operand[k]], first->shape.n, order[i]);
        bool merged = s->n && fuse_walks_on(s, s->n - 1, inner, size);
        int d = merged ? s->n - 1 : s->n++;
        s->size[d] = merged ? s->size[d] * size : size;
        for (int32_t k = 0; k < s->n_operands; k++) s->stride[k][d] = inner[k];
    }
    if (s->n) return;
    s->n = 1, s->size[0] = 1; /* a scalar */
    for (int32_t k = 0; k < s->n_operands; k++) s->stride[k][0] = 0;
    for (int32_t k = 0; k < p->n_out; k++) s->stride[k][0] = 1;
}

/* The group of a node that is not alone; false if it cannot be one loop. */
static bool fuse_describe(const fuse_state *f, int32_t group, gm__group *p) {
    *p = (gm__group){ .g = f->g };
    for (int32_t m = group; m >= 0; m = f->next[m]) p->member[p->n_members++] = m;
    fuse_sort(p->member, p->n_members);
    for (int32_t i = 0; i < p->n_members; i++) p->cost += gm__emit_cost(&f->g->node[p->member[i]]);
    if (!fuse_operands_of(f, p, group)) return false;
    fuse_space(p);
    return p->space.n <= GM__FUSE_MAX_DIMS;
}

/* ---- the new graph ---- */

static void fused_destroy(void *object) {
    gm__fused *x = object;
    gm_free(x->size);
    gm_release(x->build);
}

static const gm_type fused_type = { "fused loop", sizeof(gm__fused), fused_destroy };

typedef struct { gm__fused *loop; } fused_attrs;
static const gm_attr fused_fields[] = { GM_ATTR(fused_attrs, loop, OBJECT), GM_ATTR_END };

gm__fused *gm__fused_of(const gm__node *n) {
    return n->op == &gm__op_fused ? ((const fused_attrs *)n->attrs)->loop : NULL;
}

static gm__fused *fuse_loop(const gm__group *p, const char *name) {
    gm__fused *x = gm_object_new(&fused_type);
    const gm__space *s = &p->space;
    size_t row = (size_t)s->n * sizeof *x->size;
    if (!x || !(x->size = gm_alloc(row * (size_t)(1 + s->n_operands)))) return NULL;
    x->n = s->n, x->n_out = p->n_out, x->n_in = p->n_in, x->cost = p->cost;
    x->stride = x->size + s->n;
    memcpy(x->size, s->size, row);
    for (int32_t k = 0; k < s->n_operands; k++) memcpy(x->stride + k * s->n, s->stride[k], row);
    memcpy(x->name, name, strlen(name) + 1);
    return x;
}

static bool fuse_add(gm__graph_copy *c, const gm__group *p, const char *name) {
    gm__fused *x = fuse_loop(p, name);
    int32_t at = (int32_t)c->to->n_nodes;
    gm__node *n = x ? gm__graph_add_node(c->to, &gm__op_fused, &(fused_attrs){ x }, p->n_in) : NULL;
    if (!n) return false;
    for (int32_t i = 0; i < p->n_in; i++) n->in[i] = gm__copy_value(c, p->operand[p->n_out + i]);
    n->no_grad = true;
    n->n_out = p->n_out;
    n->out = (int32_t)c->to->n_values;
    for (int32_t i = 0; i < p->n_out; i++)
        if (gm__copy_made(c, p->operand[i], at) < 0) return false;
    return gm_ok();
}

/* Nodes and groups in an order in which everything comes before what waits for it: each as early as the first of its
 * members allows. */
typedef struct {
    fuse_state *f;
    gm__graph_copy copy;
    gm__group *groups;
    int32_t *of;        /* [n_nodes], of groups: its number in `groups`, -1 for nodes alone */
    char (*name)[24];
    bool *done;
} fuse_writer;

static bool fuse_write(fuse_writer *w, int32_t group) {
    fuse_state *f = w->f;
    if (w->done[group]) return true;
    w->done[group] = true;
    for (int32_t m = group; m >= 0; m = f->next[m])
        for (int64_t i = 0; i < f->before[m].n; i++) {
            int32_t p = f->group[f->before[m].item[i]];
            if (p != group && !fuse_write(w, p)) return false;
        }
    int32_t k = w->of[group];
    return k < 0 ? gm__copy_node(&w->copy, &f->g->node[group]) : fuse_add(&w->copy, &w->groups[k], w->name[k]);
}

/* Groups that cannot be written as a loop fall apart again. */
static void fuse_dissolve(fuse_state *f, int32_t group) {
    for (int32_t m = group, next; m >= 0; m = next) {
        next = f->next[m];
        f->group[m] = f->last[m] = m, f->next[m] = -1, f->count[m] = 1;
    }
}

static int64_t fuse_collect(fuse_state *f, gm__group *groups, int32_t *of) {
    int64_t n = 0;
    for (int32_t i = 0; i < f->g->n_nodes; i++) {
        of[i] = -1;
        if (f->group[i] != i || !f->may[i] || f->count[i] < f->wish->least) continue;
        if (fuse_describe(f, i, &groups[n])) of[i] = (int32_t)n++;
        else fuse_dissolve(f, i);
    }
    return n;
}

/* Texts of the groups; those that are the same text get one function. */
static bool fuse_emit(const gm__target *target, const gm__group *groups, int64_t n, char (*name)[24],
                      gm__builder *text) {
    gm__emit_prelude(text, target, groups, n);
    char **body = gm_alloc((size_t)(n + 1) * sizeof *body);
    for (int64_t i = 0, used = 0; body && i < n; i++) {
        gm__builder b = { 0 };
        gm__emit_group(&b, target, "#", &groups[i]);
        body[i] = b.text;
        int64_t same = 0;
        while (same < i && !(body[same] && b.text && !strcmp(body[same], b.text))) same++;
        if (same < i) memcpy(name[i], name[same], sizeof *name);
        else snprintf(name[i], sizeof *name, "loop%lld", (long long)used++);
        if (same == i) gm__emit_group(text, target, name[i], &groups[i]);
    }
    for (int64_t i = 0; body && i < n; i++) gm_free(body[i]);
    gm_free(body);
    return gm_ok() && !text->failed;
}

/* What the compiler is told about the machine: what the library's own kernels were made for. */
static const char *fuse_flags(void) {
    const char *isa = gm_isa();
    if (!strcmp(isa, "avx512"))
        return "-mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512";
    return !strcmp(isa, "avx2") ? "-mavx2 -mfma -mf16c" : NULL;
}

static gm_graph *fuse_write_all(fuse_writer *w, int64_t n, gm__builder *text) {
    bool ok = fuse_emit(w->f->wish->target, w->groups, n, w->name, text) && gm__copy_begin(&w->copy, w->f->g, NULL);
    for (int32_t i = 0; ok && i < w->f->g->n_nodes; i++) ok = fuse_write(w, w->f->group[i]);
    gm_graph *made = w->copy.from ? gm__copy_end(&w->copy, ok) : NULL;
    if (made) gm__debug_lines("emit", "loops", strstr(text->text, " loop0("));
    return made;
}

static gm_graph *fuse_run(fuse_state *f, gm__builder *text) {
    size_t nodes = (size_t)f->g->n_nodes + 1;
    fuse_writer w = { .f = f };
    gm_graph *made = NULL;
    if (!fuse_find_order(f)) return NULL;
    fuse_groups(f);
    w.groups = gm_alloc(nodes * sizeof *w.groups);
    w.of = gm_alloc(nodes * sizeof *w.of);
    w.name = gm_alloc(nodes * sizeof *w.name);
    w.done = gm_alloc(nodes);
    int64_t n = gm_ok() ? fuse_collect(f, w.groups, w.of) : 0;
    if (n) made = fuse_write_all(&w, n, text);
    gm_free(w.groups);
    gm_free(w.of);
    gm_free(w.name);
    gm_free(w.done);
    return made;
}

gm_graph *gm__fuse_text(gm_graph *g, const gm__fuse_wish *wish, gm__builder *text) {
    size_t nodes = (size_t)g->n_nodes + 1;
    fuse_state f = { .g = g, .wish = wish };
    gm_graph *made = NULL;
    f.before = gm_alloc(nodes * sizeof *f.before);
    int32_t *all = gm_alloc(6 * nodes * sizeof *all);
    f.may = gm_alloc(nodes);
    if (f.before && all && f.may) {
        f.group = all, f.next = all + nodes, f.last = all + 2 * nodes, f.count = all + 3 * nodes;
        f.stamp = all + 4 * nodes, f.stack = all + 5 * nodes;
        made = fuse_run(&f, text);
    }
    for (int64_t i = 0; f.before && i < g->n_nodes; i++) gm_free(f.before[i].item);
    gm_free(f.before);
    gm_free(all);
    gm_free(f.may);
    return made;
}

gm_graph *gm__fuse(gm_graph *g, gm__build **build) {
    gm__builder text = { 0 };
    gm_graph *made = gm__fuse_text(g, &(gm__fuse_wish){ &gm__target_c, 2, GM__FUSE_MAX_NODES }, &text);
    *build = made ? gm__build_start(text.text, text.n, fuse_flags()) : NULL;
    gm__builder_free(&text);
    return *build ? made : NULL;
}

bool gm__fuse_link(gm_graph *g, gm__build *build) {
    for (int64_t i = 0; i < g->n_nodes; i++) {
        gm__fused *x = gm__fused_of(&g->node[i]);
        if (!x) continue;
        void *address = gm__build_symbol(build, x->name);
        if (!address) return false;
        memcpy(&x->run, &address, sizeof address);
        gm_release(x->build);
        x->build = gm_retain(build);
    }
    return true;
}

/* ---- running ---- */

typedef struct { const gm__fused *loop; void *operand[GM__FUSE_MAX_VALUES]; } fused_job;

static void fused_range(void *env, int64_t begin, int64_t end) {
    const fused_job *j = env;
    j->loop->run(begin, end, j->operand, j->loop->size, j->loop->stride);
}

static int32_t fused_infer(const gm_op_args *a, gm_spec *out) {
    (void)out;
    return gm_fail(GM_ERROR_INTERNAL, "%s: not for the dispatcher", a->op->name), -1;
}

/* Rows are the outer dimensions; where there are none, the elements. */
static bool fused_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm__fused *x = ((const fused_attrs *)a->attrs)->loop;
    fused_job j = { x, { NULL } };
    int64_t rows = 1, row = x->size[x->n - 1];
    for (int32_t k = 0; k < x->n_out + x->n_in; k++)
        j.operand[k] = gm__data(k < x->n_out ? out[k] : a->in[k - x->n_out]);
    for (int d = 0; d + 1 < x->n; d++) rows *= x->size[d];
    if (x->n == 1) rows = row, row = 1;
    double work = (double)row * (x->cost + 2 * (x->n_out + x->n_in)); /* 20 us are about 100,000 of these */
    gm_parallel_for(rows, (int64_t)(1e5 / work) + 1, fused_range, &j);
    return true;
}

const gm_op gm__op_fused = {
    .size = sizeof(gm_op),
    .name = "fused",
    .version = 1,
    .min_in = 0,
    .max_in = -1,
    .n_out = -1,
    .flags = GM_OP_NO_GRAD,
    .attrs_bytes = sizeof(fused_attrs),
    .attrs = fused_fields,
    .infer = fused_infer,
    .kernel = fused_kernel,
    .doc = "a loop of emitted code",
};
