/* graph.c: the life of a graph, and what can be asked of it. */
#include "../math/fp.h"
#include "graph.h"
#include "../base/grow.h"
#include "../ops/ops.h"
#include "gemel/extend.h"

#include <string.h>

/* The object of an OBJECT attribute; NULL of any other. */
static void *graph_object(const gm_attr *a, const void *attrs) {
    return a->kind == GM_ATTR_OBJECT && attrs ? *(void *const *)((const char *)attrs + a->offset) : NULL;
}

static void graph_free_node(gm__node *n) {
    for (const gm_attr *a = n->op->attrs; a && a->name; a++) gm_release(graph_object(a, n->attrs));
    gm_free(n->attrs);
    gm_free(n->in);
    gm_free(n->where);
}

static void graph_destroy(void *object) {
    gm_graph *g = object;
    for (int64_t i = 0; i < g->n_nodes; i++) graph_free_node(&g->node[i]);
    for (int64_t v = 0; v < g->n_values; v++) {
        gm_release(g->value[v].captured);
        gm_free(g->value[v].name);
    }
    for (int64_t i = 0; i < g->n_out; i++) gm_free(g->out[i].name);
    gm_free(g->node);
    gm_free(g->value);
    gm_free(g->in);
    gm_free(g->out);
    gm_free(g->left);
    gm_free(g->sizes.at);
    gm_free(g->numbers.at);
    gm_free(g->note);
    gm_free(g->text);
    gm_release(g->program);
}

static const gm_type graph_type = { "graph", sizeof(gm_graph), graph_destroy };

gm_graph *gm__graph_new(void) { return gm_object_new(&graph_type); }

bool gm__is_graph(const void *object) { return gm__is_live(object, &graph_type); }

bool gm__graph_check(const gm_graph *g, const char *op) { return gm_ok() && gm_check_object(g, &graph_type, op, 1); }

/* ---- adding ---- */

int32_t gm__graph_add_value(gm_graph *g, int32_t kind, const gm_tensor *t) {
    if (!gm__grow(&g->value, g->n_values, &g->value_capacity, sizeof *g->value)) return -1;
    gm__value *v = &g->value[g->n_values];
    *v = (gm__value){ .kind = kind, .dtype = t->dtype, .shape = t->shape };
    memcpy(v->stride, t->stride, (size_t)t->shape.n * sizeof *t->stride);
    return (int32_t)g->n_values++;
}

gm__node *gm__graph_add_node(gm_graph *g, const gm_op *op, const void *attrs, int n_in) {
    if (!gm__grow(&g->node, g->n_nodes, &g->node_capacity, sizeof *g->node)) return NULL;
    gm__node *n = &g->node[g->n_nodes];
    *n = (gm__node){ .op = op, .flags = op->flags, .n_in = n_in };
    n->in = gm_alloc((size_t)(n_in ? n_in : 1) * sizeof *n->in);
    if (op->attrs_bytes) n->attrs = gm_alloc(op->attrs_bytes);
    if (!n->in || (op->attrs_bytes && !n->attrs)) return graph_free_node(n), NULL;
    if (op->attrs_bytes) memcpy(n->attrs, attrs, op->attrs_bytes);
    for (const gm_attr *a = op->attrs; a && a->name; a++) {
        const gm_graph *inner = gm_retain(graph_object(a, n->attrs));
        for (int64_t i = 0; inner && gm__is_graph(inner) && i < inner->n_nodes; i++)
            n->flags |= inner->node[i].flags & GM_OP_EFFECT;
    }
    g->n_nodes++;
    return n;
}

bool gm__graph_add_output(gm_graph *g, int32_t value, const char *name) {
    if (value < 0 || !gm__grow(&g->out, g->n_out, &g->out_capacity, sizeof *g->out)) return false;
    char *copy = gm_strdup(name);
    if (copy) g->out[g->n_out++] = (gm__port){ value, copy };
    return copy != NULL;
}

bool gm__graph_add_left(gm_graph *g, int32_t of, int32_t value) {
    if (!gm__grow(&g->left, g->n_left, &g->left_capacity, sizeof *g->left)) return false;
    g->left[g->n_left++] = (gm__left_gradient){ of, value };
    return true;
}

/* ---- copying in part ---- */

bool gm__copy_begin(gm__graph_copy *c, const gm_graph *from, const int32_t *as) {
    *c = (gm__graph_copy){ .from = from, .as = as, .to = gm__graph_new() };
    c->place = gm_alloc((size_t)(from->n_values + 1) * sizeof *c->place);
    if (!c->to || !c->place) return false;
    for (int64_t v = 0; v < from->n_values; v++) c->place[v] = -1;
    c->to->n_draws = from->n_draws;
    for (int64_t i = 0; i < from->n_in; i++) {
        if (!gm__grow(&c->to->in, c->to->n_in, &c->to->in_capacity, sizeof *c->to->in)) return false;
        int32_t v = gm__copy_made(c, from->in[i], (int32_t)i);
        if (v < 0) return false;
        c->to->in[c->to->n_in++] = v;
    }
    return true;
}

int32_t gm__copy_made(gm__graph_copy *c, int32_t v, int32_t by) {
    gm_graph *to = c->to;
    if (!gm__grow(&to->value, to->n_values, &to->value_capacity, sizeof *to->value)) return -1;
    gm__value *made = &to->value[to->n_values];
    *made = c->from->value[v];
    made->from = by;
    made->captured = gm_retain(made->captured);
    if (made->name) made->name = gm_strdup(made->name);
    return c->place[v] = (int32_t)to->n_values++;
}

int32_t gm__copy_value(gm__graph_copy *c, int32_t v) {
    if (c->as) v = c->as[v];
    return c->place[v] >= 0 ? c->place[v] : gm__copy_made(c, v, c->from->value[v].from);
}

bool gm__copy_node(gm__graph_copy *c, const gm__node *n) {
    int32_t at = (int32_t)c->to->n_nodes;
    gm__node *made = gm__graph_add_node(c->to, n->op, n->attrs, n->n_in);
    if (!made) return false;
    made->no_grad = n->no_grad;
    made->again = n->again;
    made->where = n->where ? gm_strdup(n->where) : NULL;
    for (int i = 0; i < n->n_in; i++) made->in[i] = n->in[i] < 0 ? -1 : gm__copy_value(c, n->in[i]);
    made->n_out = n->n_out;
    made->out = (int32_t)c->to->n_values;
    for (int j = 0; j < n->n_out; j++)
        if (gm__copy_made(c, n->out + j, at) < 0) return false;
    return gm_ok();
}

gm__node *gm__copy_new(gm__graph_copy *c, const gm_op *op, const void *attrs, const int32_t *in, int n_in,
                       const int32_t *out, int n_out) {
    int32_t at = (int32_t)c->to->n_nodes;
    gm__node *n = gm__graph_add_node(c->to, op, attrs, n_in);
    if (!n) return NULL;
    for (int i = 0; i < n_in; i++) n->in[i] = in[i] < 0 ? -1 : gm__copy_value(c, in[i]);
    n->no_grad = true;
    n->n_out = n_out;
    n->out = (int32_t)c->to->n_values;
    for (int j = 0; j < n_out; j++) {
        int32_t made = gm__copy_made(c, out[j], at);
        if (made < 0) return NULL;
        c->to->value[made].index = j;
    }
    return gm_ok() ? n : NULL;
}

gm_graph *gm__copy_end(gm__graph_copy *c, bool ok) {
    const gm_graph *g = c->from;
    for (int64_t i = 0; ok && i < g->n_out; i++)
        ok = gm__graph_add_output(c->to, gm__copy_value(c, g->out[i].value), g->out[i].name);
    for (int64_t i = 0; ok && i < g->n_left; i++)
        ok = gm__graph_add_left(c->to, gm__copy_value(c, g->left[i].of), gm__copy_value(c, g->left[i].value));
    gm_free(c->place);
    return ok && gm_ok() ? c->to : NULL;
}

gm_graph *gm__graph_with(const gm_graph *g, const bool *keep, const int32_t *as) {
    gm__graph_copy c;
    bool ok = gm__copy_begin(&c, g, as);
    for (int64_t i = 0; ok && i < g->n_nodes; i++) ok = !keep[i] || gm__copy_node(&c, &g->node[i]);
    return gm__copy_end(&c, ok);
}

/* ---- asking ---- */

gm_tensor *gm__graph_ghost(const gm_graph *g, int32_t v) {
    const gm__value *value = &g->value[v];
    gm_tensor *t = gm__tensor_over(NULL, 0, &value->shape, value->dtype);
    if (t) memcpy(t->stride, value->stride, (size_t)value->shape.n * sizeof *t->stride);
    return t;
}

int32_t gm__graph_root(const gm_graph *g, int32_t v) {
    while (g->value[v].kind == GM__VALUE_NODE && g->node[g->value[v].from].op->flags & GM_OP_VIEW)
        v = g->node[g->value[v].from].in[0];
    return v;
}

static bool graph_writes_input(const gm_graph *g, int64_t input) {
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0 && gm__node_writes(&g->node[i], k) &&
                gm__graph_root(g, g->node[i].in[k]) == g->in[input])
                return true;
    return false;
}

/* Inputs of graphs inside are the last ones of the node. */
bool gm__node_writes(const gm__node *n, int i) {
    if (i < 32 && n->op->writes >> i & 1) return true;
    for (const gm_attr *a = n->flags & GM_OP_OBJECTS ? n->op->attrs : NULL; a && a->name; a++) {
        const gm_graph *g = graph_object(a, n->attrs);
        int64_t input = gm__is_graph(g) ? i - (n->n_in - g->n_in) : -1;
        if (input >= 0 && graph_writes_input(g, input)) return true;
    }
    return false;
}

void gm__graph_written(const gm_graph *g, bool *written) {
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0 && gm__node_writes(&g->node[i], k))
                written[gm__graph_root(g, g->node[i].in[k])] = true;
}

bool gm__node_has_effect(const gm__node *n) { return n->flags & GM_OP_EFFECT || n->op->writes; }

int64_t gm_graph_n_nodes(const gm_graph *g) { return gm__graph_check(g, "graph_n_nodes") ? g->n_nodes : -1; }

/* ---- a hash ---- */

static uint64_t graph_mix(uint64_t h, const void *bytes, size_t n) {
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 0x100000001b3u;
    return h;
}

static uint64_t graph_mix_number(uint64_t h, uint64_t n) { return graph_mix(h, &n, sizeof n); }

static uint64_t graph_hash_value(uint64_t h, const gm__value *v) {
    h = graph_mix_number(h, (uint64_t)v->kind << 32 | (uint32_t)v->dtype);
    h = graph_mix_number(h, (uint64_t)(uintptr_t)v->captured);
    h = graph_mix(h, v->shape.d, (size_t)v->shape.n * 8);
    return graph_mix(h, v->stride, (size_t)v->shape.n * 8);
}

/* By the table: what lies between and behind the fields says nothing. Graphs count by what they hold. */
static uint64_t graph_hash_attrs(uint64_t h, const gm_op *op, const char *attrs) {
    if (!op->attrs) return graph_mix(h, attrs, op->attrs_bytes);
    for (const gm_attr *a = op->attrs; a->name; a++) {
        const char *at = attrs + a->offset;
        const gm_shape *shape = (const gm_shape *)at;
        if (a->kind == GM_ATTR_SHAPE)
            h = graph_mix(graph_mix_number(h, (uint64_t)shape->n), shape->d, (size_t)shape->n * 8);
        else if (a->kind == GM_ATTR_TEXT) h = graph_mix(h, at, strnlen(at, (size_t)a->count));
        else if (a->kind == GM_ATTR_I32) h = graph_mix(h, at, (size_t)a->count * 4);
        else if (gm__is_graph(graph_object(a, attrs))) h = graph_mix_number(h, gm__graph_hash(graph_object(a, attrs)));
        else h = graph_mix(h, at, (size_t)a->count * 8);
    }
    return h;
}

static uint64_t graph_hash_node(uint64_t h, const gm__node *n) {
    h = graph_mix_number(h, (uint64_t)(uintptr_t)n->op);
    h = graph_mix_number(h, (uint64_t)n->n_in << 32 | (uint32_t)n->n_out);
    for (int i = 0; i < n->n_in; i++) h = graph_mix_number(h, (uint64_t)n->in[i]);
    return n->attrs ? graph_hash_attrs(h, n->op, n->attrs) : h;
}

uint64_t gm__graph_hash(const gm_graph *g) {
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t v = 0; v < g->n_values; v++) h = graph_hash_value(h, &g->value[v]);
    for (int64_t i = 0; i < g->n_nodes; i++) h = graph_hash_node(h, &g->node[i]);
    for (int64_t i = 0; i < g->n_out; i++) h = graph_mix_number(h, (uint64_t)g->out[i].value);
    for (int64_t i = 0; i < g->n_left; i++)
        h = graph_mix_number(h, (uint64_t)g->left[i].of << 32 | (uint32_t)g->left[i].value);
    return h;
}
