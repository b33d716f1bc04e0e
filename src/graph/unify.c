/* unify.c: one graph for every batch, from recordings for a few.
 *
 * Two recordings of one function at two batch sizes have the same nodes, and numbers that differ: shapes, and the sizes
 * in attributes. Through two points goes a line a * B + b; a number that is on it in every further recording, too, is
 * taken to be that. What is not stays as it is in the first, and the note says why. For a batch the nodes are recorded
 * again with their numbers for it, so that shapes are those that the operations give. */
#include "../math/fp.h"
#include "function.h"
#include "text_form.h"
#include "../base/grow.h"

#include <string.h>

/* ---- the lists ---- */

static int64_t unify_order(const gm__affine *a, int64_t of, int64_t slot) {
    return a->of != of ? a->of - of : a->slot - slot;
}

bool gm__affine_add(gm__affines *list, gm__affine a) {
    if (!gm__grow(&list->at, list->n, &list->capacity, sizeof *list->at)) return false;
    int64_t i = list->n++;
    for (; i && unify_order(&list->at[i - 1], a.of, a.slot) > 0; i--) list->at[i] = list->at[i - 1];
    list->at[i] = a;
    return true;
}

const gm__affine *gm__affine_find(const gm__affines *list, int64_t of, int64_t slot) {
    int64_t low = 0, high = list->n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (unify_order(&list->at[middle], of, slot) < 0) low = middle + 1;
        else high = middle;
    }
    return low < list->n && !unify_order(&list->at[low], of, slot) ? &list->at[low] : NULL;
}

/* ---- unifying ---- */

typedef struct {
    gm_graph *g;
    gm_graph *const *other;
    const int64_t *batch; /* of g, then of the others */
    int n;                /* others */
    gm__builder note;
} unify_job;

static int64_t unify_get(const gm_graph *g, bool attr, int64_t of, int64_t slot) {
    return attr ? *(const int64_t *)((const char *)g->node[of].attrs + slot) : g->value[of].shape.d[slot];
}

/* The line through the first two points, if all the others are on it. */
static bool unify_fit(const unify_job *u, bool attr, gm__affine *f) {
    int64_t y = unify_get(u->g, attr, f->of, f->slot), rise, run = u->batch[1] - u->batch[0];
    if (__builtin_sub_overflow(unify_get(u->other[0], attr, f->of, f->slot), y, &rise) || rise % run) return false;
    f->a = rise / run;
    if (__builtin_mul_overflow(f->a, u->batch[0], &f->b) || __builtin_sub_overflow(y, f->b, &f->b)) return false;
    for (int k = 1; k < u->n; k++) {
        int64_t want;
        if (__builtin_mul_overflow(f->a, u->batch[k + 1], &want) || __builtin_add_overflow(want, f->b, &want))
            return false;
        if (want != unify_get(u->other[k], attr, f->of, f->slot)) return false;
    }
    return true;
}

/* False if the number of an attribute differs and is no a * B + b. */
static bool unify_number(unify_job *u, bool attr, int64_t of, int64_t slot) {
    gm__affine f = { (int32_t)of, (int32_t)slot, 0, 0 };
    int64_t y = unify_get(u->g, attr, of, slot);
    bool same = true;
    for (int k = 0; k < u->n; k++) same &= unify_get(u->other[k], attr, of, slot) == y;
    if (same) return true;
    if (unify_fit(u, attr, &f)) return gm__affine_add(attr ? &u->g->numbers : &u->g->sizes, f);
    if (attr)
        gm__builder_format(&u->note, "; for this batch only: in node %lld, %s, ", (long long)of,
                           u->g->node[of].op->name);
    else gm__builder_format(&u->note, "; of %%%lld size %lld, ", (long long)of, (long long)slot);
    gm__builder_format(&u->note, "%lld, is %lld for a batch of %lld\n", (long long)y,
                       (long long)unify_get(u->other[0], attr, of, slot), (long long)u->batch[1]);
    return !attr;
}

/* What is no number has to be the same; numbers are looked at one by one. */
static bool unify_attr(unify_job *u, const gm_attr *a, int64_t node) {
    const char *at = (const char *)u->g->node[node].attrs + a->offset;
    bool shape = a->kind == GM_ATTR_SHAPE, whole = shape || a->kind == GM_ATTR_I64 || a->kind == GM_ATTR_I64S;
    for (int k = 0; k < u->n; k++) {
        const char *other = (const char *)u->other[k]->node[node].attrs + a->offset;
        gm_graph *x = gm__attr_graph(a, u->g->node[node].attrs), *y = gm__attr_graph(a, u->other[k]->node[node].attrs);
        if (x && y ? gm__graph_hash(x) == gm__graph_hash(y) : shape ? ((gm_shape *)at)->n == ((gm_shape *)other)->n
            : whole || !memcmp(at, other, gm__attr_bytes(a))) continue;
        gm__builder_format(&u->note, "; for this batch only: %s of node %lld, %s, depends on it\n", a->name,
                           (long long)node, u->g->node[node].op->name);
        return false;
    }
    int64_t slot = (int64_t)a->offset + (shape ? (int64_t)offsetof(gm_shape, d) : 0);
    for (int i = 0, n = shape ? ((gm_shape *)at)->n : whole ? a->count : 0; i < n; i++)
        if (!unify_number(u, true, node, slot + 8 * i)) return false;
    return true;
}

static bool unify_differ(unify_job *u, const char *what, int64_t at) {
    gm__builder_format(&u->note, "; for this batch only: %s %lld is another for another batch\n", what, (long long)at);
    return false;
}

static bool unify_node(unify_job *u, int64_t at) {
    const gm__node *n = &u->g->node[at];
    for (int k = 0; k < u->n; k++) {
        const gm__node *m = &u->other[k]->node[at];
        if (m->op != n->op || m->n_in != n->n_in || m->n_out != n->n_out ||
            memcmp(m->in, n->in, (size_t)n->n_in * sizeof *n->in))
            return unify_differ(u, "node", at);
    }
    for (const gm_attr *a = n->op->attrs; n->attrs && a && a->name; a++)
        if (!unify_attr(u, a, at)) return false;
    return true;
}

static bool unify_value(unify_job *u, int64_t at) {
    const gm__value *v = &u->g->value[at];
    for (int k = 0; k < u->n; k++) {
        const gm__value *w = &u->other[k]->value[at];
        if (w->kind != v->kind || w->from != v->from || w->index != v->index || w->dtype != v->dtype ||
            w->shape.n != v->shape.n || w->captured != v->captured)
            return unify_differ(u, "value", at);
    }
    for (int i = 0; i < v->shape.n; i++)
        if (!unify_number(u, false, at, i)) return false;
    return true;
}

static bool unify_all(unify_job *u) {
    const gm_graph *g = u->g;
    for (int k = 0; k < u->n; k++) {
        const gm_graph *h = u->other[k];
        if (h->n_nodes != g->n_nodes || h->n_values != g->n_values || h->n_out != g->n_out || h->n_in != g->n_in ||
            h->n_left != g->n_left || h->n_draws != g->n_draws)
            return unify_differ(u, "the graph of", g->n_nodes);
        for (int64_t i = 0; i < g->n_out; i++)
            if (g->out[i].value != h->out[i].value) return unify_differ(u, "output", i);
        for (int64_t i = 0; i < g->n_left; i++)
            if (memcmp(&g->left[i], &h->left[i], sizeof *g->left)) return unify_differ(u, "gradient", i);
    }
    for (int64_t v = 0; v < g->n_values; v++)
        if (!unify_value(u, v)) return false;
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (!unify_node(u, i)) return false;
    return true;
}

bool gm__graph_unify(gm_graph *g, gm_graph *const *other, const int64_t *batch, int n_others) {
    unify_job u = { g, other, batch, n_others, { 0 } };
    g->sizes.n = g->numbers.n = 0;
    g->batch = 0;
    if (unify_all(&u)) g->batch = batch[0];
    else g->sizes.n = g->numbers.n = 0;
    gm_free(g->note);
    g->note = u.note.text;
    return gm_ok() && !u.note.failed;
}

/* ---- for one batch ---- */

typedef struct {
    const gm_graph *from;
    gm__trace t;
    int64_t batch, number; /* numbers[number] is the next */
    int32_t *place;        /* of each value of `from` */
} unify_copy;

static int64_t unify_known(const unify_copy *c, const gm__affine *a, int64_t otherwise) {
    return a ? a->a * c->batch + a->b : otherwise;
}

static bool unify_add_input(unify_copy *c, int32_t v) {
    gm_tensor *like = gm__graph_ghost(c->from, v), *now;
    gm_shape shape = c->from->value[v].shape;
    for (int i = 0; i < shape.n; i++)
        shape.d[i] = unify_known(c, gm__affine_find(&c->from->sizes, v, i), shape.d[i]);
    if (gm__value_bytes(&shape, c->from->value[v].dtype) < 0)
        return gm_fail(GM_ERROR_SHAPE, "graph: no input for a batch of %lld", (long long)c->batch);
    if (!like || !(now = gm__tensor_over(NULL, 0, &shape, like->dtype))) return false;
    if (gm_is_channels_last(like) && !gm_is_contiguous(like)) gm__strides_channels_last(now);
    now = gm__trace_input(&c->t, now, c->from->value[v].name);
    if (now) c->place[v] = gm__trace_own_value(&c->t, now);
    return now != NULL;
}

/* The copy's value for v; a captured tensor is added when it is first used. */
static int32_t unify_place(unify_copy *c, int32_t v) {
    const gm__value *value = v < 0 ? NULL : &c->from->value[v];
    if (!value || c->place[v] >= 0 || !value->captured) return value ? c->place[v] : -1;
    int32_t made = c->place[v] = gm__trace_value(&c->t, value->captured);
    gm__value *to = made < 0 ? NULL : &c->t.graph->value[made];
    if (to && !to->name && value->name) to->name = gm_strdup(value->name);
    return made;
}

static bool unify_same_sizes(const unify_copy *c, int32_t v) {
    const gm_shape *got = &c->t.graph->value[c->place[v]].shape;
    for (int i = 0; i < got->n; i++) {
        const gm__affine *f = gm__affine_find(&c->from->sizes, v, i);
        if (f && unify_known(c, f, 0) != got->d[i])
            return gm_fail(GM_ERROR_SHAPE, "graph: of %%%d size %d is %lld for a batch of %lld, not %lld", v, i,
                           (long long)got->d[i], (long long)c->batch, (long long)unify_known(c, f, 0));
    }
    return true;
}

static bool unify_put(unify_copy *c, int64_t at) {
    _Alignas(16) char attrs[GM__ATTRS_MAX];
    const gm__node *n = &c->from->node[at];
    int32_t in[GM__WALK_MAX], out[GM__WALK_MAX];
    if (n->op->attrs_bytes > sizeof attrs || n->n_in > GM__WALK_MAX)
        return gm_fail(GM_ERROR_UNSUPPORTED, "graph: %s is too large", n->op->name);
    if (n->attrs) memcpy(attrs, n->attrs, n->op->attrs_bytes);
    const gm__affines *list = &c->from->numbers;
    for (; c->number < list->n && list->at[c->number].of == at; c->number++)
        *(int64_t *)(attrs + list->at[c->number].slot) = unify_known(c, &list->at[c->number], 0);
    for (int i = 0; i < n->n_in; i++) in[i] = unify_place(c, n->in[i]);
    int got = gm_ok() ? gm__trace_put(&c->t, n, in, n->attrs ? attrs : NULL, out) : -1;
    for (int j = 0; j < got; j++) {
        c->place[n->out + j] = out[j];
        if (!unify_same_sizes(c, n->out + j)) return false;
    }
    return got >= 0;
}

static bool unify_record(unify_copy *c) {
    const gm_graph *g = c->from;
    gm_graph *to = c->t.graph;
    to->n_draws = g->n_draws;
    for (int64_t v = 0; v < g->n_values; v++) c->place[v] = -1;
    for (int64_t i = 0; i < g->n_in; i++)
        if (!unify_add_input(c, g->in[i])) return false;
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (!unify_put(c, i)) return false;
    for (int64_t i = 0; i < g->n_out; i++)
        if (!gm__graph_add_output(to, unify_place(c, g->out[i].value), g->out[i].name)) return false;
    for (int64_t i = 0; i < g->n_left; i++) {
        int32_t of = unify_place(c, g->left[i].of), v = unify_place(c, g->left[i].value);
        if (of < 0 || v < 0 || !gm__graph_add_left(to, of, v)) return false;
    }
    return gm_ok();
}

gm_graph *gm__graph_at(gm_graph *g, int64_t batch) {
    if (!gm__graph_check(g, "graph_at")) return NULL;
    if (!g->batch || g->batch == batch) return g;
    if (batch < 0 || batch > INT32_MAX)
        return gm_fail(GM_ERROR_VALUE, "graph: a batch of %lld", (long long)batch), NULL;
    gm_scope s = gm_scope_open();
    unify_copy c = { .from = g, .batch = batch, .place = gm_alloc((size_t)(g->n_values + 1) * sizeof(int32_t)) };
    bool ok = c.place && gm__trace_begin(&c.t) && unify_record(&c);
    gm__trace_end(&c.t);
    gm_graph *made = gm_return(&s, ok ? c.t.graph : NULL);
    gm__trace_free(&c.t);
    gm_free(c.place);
    return made;
}

/* ---- for some inputs ---- */

/* The batch that makes inputs like g's of these; g's own where nothing depends on it, -1 where none does. */
static int64_t unify_batch(const gm_graph *g, gm_tensor *const *in) {
    for (int64_t i = 0; i < g->sizes.n; i++) {
        const gm__affine *f = &g->sizes.at[i];
        const gm__value *v = &g->value[f->of];
        if (v->kind != GM__VALUE_INPUT || !f->a || f->slot >= in[v->from]->shape.n) continue;
        int64_t d = in[v->from]->shape.d[f->slot] - f->b;
        return d % f->a || d / f->a < 0 ? -1 : d / f->a;
    }
    return g->batch;
}

static bool unify_takes(const gm_graph *g, int64_t batch, int64_t i, const gm_tensor *t) {
    char got[200];
    const gm__value *v = &g->value[g->in[i]];
    unify_copy c = { .from = g, .batch = batch };
    bool fits = batch >= 0 && t->dtype == v->dtype && t->shape.n == v->shape.n;
    for (int k = 0; fits && k < v->shape.n; k++)
        fits = t->shape.d[k] == unify_known(&c, gm__affine_find(&g->sizes, g->in[i], k), v->shape.d[k]);
    if (fits) return true;
    gm__builder wanted = { 0 };
    gm__text_type(&wanted, g, g->in[i]);
    gm_fail(GM_ERROR_SHAPE, "graph: input \"%.100s\" is %s%s, %s is wanted", v->name, gm_dtype_name(t->dtype),
            gm_shape_text(t->shape, got, sizeof got), wanted.text ? wanted.text : "");
    gm__builder_free(&wanted);
    return false;
}

gm_graph *gm__graph_for(gm_graph *g, gm_tensor *const *in) {
    for (int64_t i = 0; i < g->n_in; i++)
        if (!gm__check_tensor(in[i], "graph", (int)i + 1)) return NULL;
    int64_t batch = unify_batch(g, in);
    for (int64_t i = 0; i < g->n_in; i++)
        if (!unify_takes(g, batch, i, in[i])) return NULL;
    return gm__graph_at(g, batch);
}

/* ---- recording ---- */

static gm_tensor *unify_like(void *env, gm_tensor *t) {
    gm_shape shape = t->shape;
    if (shape.n) shape.d[0] = *(const int64_t *)env;
    gm_tensor *like = gm__tensor_over(NULL, 0, &shape, t->dtype);
    if (like && gm_is_channels_last(t) && !gm_is_contiguous(t)) gm__strides_channels_last(like);
    return like;
}

gm_graph *gm_trace_any_batch(gm_fn *f, gm_pack *in) {
    static const int64_t batch[] = { 2, 3, 5 };
    if (!gm__fn_check(f, "trace_any_batch") || gm_pack_count(in) < 0) return NULL;
    gm_scope s = gm_scope_open();
    gm_graph *g[3] = { NULL };
    for (int i = 0; i < 3 && gm_ok(); i++) {
        gm_pack *like = gm__pack_map(in, unify_like, (void *)&batch[i]);
        g[i] = like ? gm_trace_graph(f, like) : NULL;
    }
    return gm_return(&s, gm_ok() && gm__graph_unify(g[0], g + 1, batch, 2) ? g[0] : NULL);
}
