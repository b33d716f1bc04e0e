/* text.c: a graph as text: a line for each input, captured tensor, node and output (docs/graphs.md).
 *
 * Everything is written through the operations' tables of attributes; those that have their default are left out. What
 * the text says is what parse.c reads, so a graph that comes back is the same; only an object that is no graph, such as
 * an optimizer, has no text. */
#include "../math/fp.h"
#include "text_form.h"
#include "../base/builder.h"
#include "gemel/extend.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

bool gm_graph_name(gm_graph *g, gm_pack *tensors) {
    if (!gm__graph_check(g, "graph_name")) return false;
    GM_SCOPE(s);
    gm_pack *flat = gm_pack_flatten(tensors);
    gm__map of = { 0 };
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(flat); i++) {
        void **place = gm__map_at(&of, gm_pack_at(flat, i));
        if (place && !*place) *place = (void *)gm_pack_name(flat, i);
    }
    for (int64_t v = 0; gm_ok() && v < g->n_values; v++) {
        gm__value *value = &g->value[v];
        void **name = value->captured ? gm__map_find(&of, value->captured) : NULL;
        if (!name) continue;
        gm_free(value->name);
        value->name = gm_strdup(*name);
    }
    gm__map_free(&of);
    return gm_ok();
}

/* A tensor without a name gets one: "t0", "t1"; so does one whose name another one has. */
static bool text_name(gm__value *v, gm_pack *names, int64_t *next) {
    char made[32];
    if (v->name && gm_pack_has(names, v->name) && gm_get(names, v->name) == v->captured) return true;
    if (v->name && !gm_pack_has(names, v->name)) return gm_pack_set(names, v->name, v->captured);
    do snprintf(made, sizeof made, "t%lld", (long long)(*next)++);
    while (gm_pack_has(names, made));
    gm_free(v->name);
    v->name = gm_strdup(made);
    return v->name && gm_pack_set(names, made, v->captured);
}

static bool text_collect(gm_graph *g, gm_pack *names, int64_t *next) {
    for (int64_t v = 0; v < g->n_values; v++)
        if (g->value[v].captured && !text_name(&g->value[v], names, next)) return false;
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (const gm_attr *a = g->node[i].op->attrs; a && a->name; a++) {
            gm_graph *inner = gm__attr_graph(a, g->node[i].attrs);
            if (inner && !text_collect(inner, names, next)) return false;
        }
    return gm_ok();
}

gm_pack *gm_graph_tensors(gm_graph *g) {
    if (!gm__graph_check(g, "graph_tensors")) return NULL;
    gm_scope s = gm_scope_open();
    gm_pack *names = gm_pack_new();
    int64_t next = 0;
    return gm_return(&s, names && text_collect(g, names, &next) ? names : NULL);
}

/* ---- parts ---- */

bool gm__graph_word(char c) {
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("_.-/:", c));
}

static void text_tensor(gm__builder *b, const char *name) {
    const char *end = name;
    while (gm__graph_word(*end)) end++;
    gm__builder_add(b, "@");
    if (*name && !*end) gm__builder_add(b, name);
    else gm__builder_json(b, name);
}

/* A number, or what it is of the batch: "2*B+1". */
static void text_number(gm__builder *b, const gm__affine *f, int64_t n) {
    if (!f) {
        gm__builder_format(b, "%lld", (long long)n);
        return;
    }
    if (f->a != 1) gm__builder_format(b, "%lld*", (long long)f->a);
    gm__builder_add(b, "B");
    if (f->b) gm__builder_format(b, "%+lld", (long long)f->b);
}

void gm__text_type(gm__builder *b, const gm_graph *g, int32_t v) {
    const gm__value *value = &g->value[v];
    GM_SCOPE(s);
    gm_tensor *ghost = gm__graph_ghost(g, v);
    gm__builder_format(b, "%s[", gm_dtype_name(value->dtype));
    for (int i = 0; i < value->shape.n; i++) {
        if (i) gm__builder_add(b, ", ");
        text_number(b, gm__affine_find(&g->sizes, v, i), value->shape.d[i]);
    }
    gm__builder_add(b, "]");
    if (ghost && gm_is_channels_last(ghost) && !gm_is_contiguous(ghost)) gm__builder_add(b, " channels_last");
}

static void text_value(gm__builder *b, const gm_graph *g, int32_t v) {
    if (v < 0) gm__builder_add(b, "-");
    else if (g->value[v].kind == GM__VALUE_CAPTURED) text_tensor(b, g->value[v].name);
    else gm__builder_format(b, "%%%d", v);
}

/* ---- attributes ---- */

typedef struct { gm__builder *b; const gm_graph *g; const gm__node *node; int depth; } text_writer;

static void text_graph(text_writer *w);

static void text_i64(const text_writer *w, const gm_attr *a, const char *at) {
    int64_t n = *(const int64_t *)at;
    int64_t slot = at - (const char *)w->node->attrs;
    if (gm__attr_is_draw(w->node->op, a) && n >= GM__DRAW)
        gm__builder_format(w->b, "draw %lld", (long long)(n - GM__DRAW));
    else if (!strcmp(a->name, "dtype") && (gm_dtype)n == n && gm_dtype_bits((gm_dtype)n))
        gm__builder_add(w->b, gm_dtype_name((gm_dtype)n));
    else text_number(w->b, gm__affine_find(&w->g->numbers, w->node - w->g->node, slot), n);
}

static void text_object(const text_writer *w, const gm_attr *a) {
    gm_graph *inner = gm__attr_graph(a, w->node->attrs);
    if (!inner) {
        gm__builder_add(w->b, "?"); /* has no text */
        return;
    }
    gm__builder_add(w->b, "{\n");
    text_graph(&(text_writer){ w->b, inner, NULL, w->depth + 1 });
    gm__builder_fill(w->b, ' ', 4 * w->depth);
    gm__builder_add(w->b, "}");
}

static void text_item(const text_writer *w, const gm_attr *a, const char *at) {
    if (a->kind == GM_ATTR_F64 || a->kind == GM_ATTR_F64S) gm__builder_number(w->b, *(const double *)at);
    else if (a->kind == GM_ATTR_I32) gm__builder_format(w->b, "%d", *(const int32_t *)at);
    else if (a->kind == GM_ATTR_TEXT) gm__builder_json(w->b, at);
    else if (a->kind == GM_ATTR_OBJECT) text_object(w, a);
    else text_i64(w, a, at);
}

/* Zeros at the end of a list say nothing; -0.0 is not zero. */
static int text_items(const gm_attr *a, const char *at) {
    static const char zero[8];
    int n = a->count;
    if (a->kind == GM_ATTR_SHAPE) return ((const gm_shape *)at)->n;
    while (n > 0 && !memcmp(at + 8 * (n - 1), zero, 8)) n--;
    return n;
}

static void text_attr(const text_writer *w, const gm_attr *a) {
    const char *at = (const char *)w->node->attrs + a->offset;
    if (!gm__attr_is_list(a)) {
        text_item(w, a, at);
        return;
    }
    int n = text_items(a, at);
    if (a->kind == GM_ATTR_SHAPE) at += offsetof(gm_shape, d);
    gm__builder_add(w->b, "[");
    for (int i = 0; i < n; i++) {
        if (i) gm__builder_add(w->b, ", ");
        text_item(w, a, at + 8 * i);
    }
    gm__builder_add(w->b, "]");
}

static bool text_is_default(const gm_attr *a, const char *attrs, const char *defaults) {
    size_t bytes = a->kind == GM_ATTR_SHAPE ? sizeof(gm_shape) : gm__attr_bytes(a);
    return !memcmp(attrs + a->offset, defaults + a->offset, bytes);
}

bool gm__attr_defaults(const gm_op *op, int32_t version, void *room) {
    if (op->attrs_bytes > GM__ATTRS_MAX)
        return gm_fail(GM_ERROR_UNSUPPORTED, "%s: %zu bytes of attributes", op->name, op->attrs_bytes);
    memset(room, 0, op->attrs_bytes);
    if (op->defaults) op->defaults(version, room);
    return true;
}

static void text_attrs(const text_writer *w, bool first) {
    _Alignas(16) char defaults[GM__ATTRS_MAX];
    const gm_op *op = w->node->op;
    if (!w->node->attrs || !gm__attr_defaults(op, op->version, defaults)) return;
    for (const gm_attr *a = op->attrs; a && a->name; a++) {
        if (text_is_default(a, w->node->attrs, defaults)) continue;
        if (!first) gm__builder_add(w->b, ", ");
        first = false;
        gm__builder_format(w->b, "%s=", a->name);
        text_attr(w, a);
    }
}

bool gm__text_attr(gm__builder *b, const gm_graph *g, const gm__node *n, const gm_attr *a) {
    _Alignas(16) char defaults[GM__ATTRS_MAX];
    if (a->kind == GM_ATTR_OBJECT || !gm__attr_defaults(n->op, n->op->version, defaults)) return false;
    if (text_is_default(a, n->attrs, defaults)) return false;
    text_attr(&(text_writer){ b, g, n, 0 }, a);
    return true;
}

/* ---- lines ---- */

static void text_node(text_writer *w, const gm__node *n) {
    gm__builder *b = w->b;
    w->node = n;
    for (int j = 0; j < n->n_out; j++) {
        gm__builder_format(b, "%s%%%d ", j ? ", " : "", n->out + j);
        gm__text_type(b, w->g, n->out + j);
    }
    gm__builder_format(b, "%s%s", n->n_out ? " = " : "", n->op->name);
    if (n->op->version != 1) gm__builder_format(b, ".v%d", n->op->version);
    gm__builder_add(b, "(");
    for (int i = 0; i < n->n_in; i++) {
        if (i) gm__builder_add(b, ", ");
        text_value(b, w->g, n->in[i]);
    }
    text_attrs(w, !n->n_in);
    gm__builder_add(b, ")");
    if (n->where) gm__builder_add(b, " in "), gm__builder_json(b, n->where);
    if (n->no_grad) gm__builder_add(b, " no_grad");
}

static void text_line(const text_writer *w) { gm__builder_fill(w->b, ' ', 4 * w->depth); }

static void text_ports(text_writer *w) {
    const gm_graph *g = w->g;
    for (int64_t i = 0; i < g->n_out; i++) {
        text_line(w);
        gm__builder_add(w->b, "output ");
        gm__builder_json(w->b, g->out[i].name);
        gm__builder_add(w->b, " = ");
        text_value(w->b, g, g->out[i].value);
        gm__builder_add(w->b, "\n");
    }
    for (int64_t i = 0; i < g->n_left; i++) {
        text_line(w);
        gm__builder_add(w->b, "gradient ");
        text_value(w->b, g, g->left[i].of);
        gm__builder_add(w->b, " += ");
        text_value(w->b, g, g->left[i].value);
        gm__builder_add(w->b, "\n");
    }
}

static void text_inputs(text_writer *w) {
    const gm_graph *g = w->g;
    for (int64_t v = 0; v < g->n_values; v++) {
        const gm__value *value = &g->value[v];
        if (value->kind == GM__VALUE_NODE) continue;
        text_line(w);
        text_value(w->b, g, (int32_t)v);
        gm__builder_add(w->b, " ");
        gm__text_type(w->b, g, (int32_t)v);
        if (!value->captured)
            gm__builder_add(w->b, " = input "), gm__builder_json(w->b, value->name ? value->name : "");
        gm__builder_add(w->b, "\n");
    }
}

static void text_graph(text_writer *w) {
    const gm_graph *g = w->g;
    if (g->batch) text_line(w), gm__builder_format(w->b, "batch %lld\n", (long long)g->batch);
    if (g->n_draws) text_line(w), gm__builder_format(w->b, "draws %lld\n", (long long)g->n_draws);
    text_inputs(w);
    for (int64_t i = 0; i < g->n_nodes && !w->b->failed; i++) {
        text_line(w);
        text_node(w, &g->node[i]);
        gm__builder_add(w->b, "\n");
    }
    text_ports(w);
}

const char *gm_graph_text(gm_graph *g) {
    if (!gm__graph_check(g, "graph_text")) return NULL;
    GM_SCOPE(s);
    if (!gm_graph_tensors(g)) return NULL; /* gives names */
    gm__builder b = { 0 };
    gm__builder_format(&b, "gemel graph %d\n", GM__GRAPH_VERSION);
    if (g->note) gm__builder_add(&b, g->note);
    text_graph(&(text_writer){ &b, g, NULL, 0 });
    gm__builder_add(&b, "end\n");
    return gm__graph_keep_text(g, &b);
}

const char *gm__graph_keep_text(gm_graph *g, gm__builder *b) {
    if (!gm_ok() || b->failed) return gm__builder_free(b), NULL;
    gm_free(g->text);
    return g->text = b->text;
}
