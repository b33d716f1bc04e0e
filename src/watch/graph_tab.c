/* graph_tab.c: a graph as TensorFlow's GraphDef, which TensorBoard draws. Names with slashes are its folding boxes.
 * Field numbers are those of graph.proto, node_def.proto and attr_value.proto of TensorFlow. */
#include "../math/fp.h"
#include "../graph/text_form.h"
#include "events.h"

#include <stdio.h>
#include <string.h>

enum { TAB_EVENT_GRAPH = 4, TAB_NODE = 1, TAB_NAME = 1, TAB_OP = 2, TAB_INPUT = 3, TAB_ATTR = 5 };
enum { TAB_VALUE_LIST = 1, TAB_VALUE_TEXT = 2, TAB_LIST_SHAPE = 7, TAB_SHAPE_DIM = 2, TAB_SHAPE_UNKNOWN = 3 };

/* "layer1.0" as "layer1/0"; in front of what follows in it, "/". */
static void tab_path(gm__builder *b, const char *path, bool more) {
    size_t begin = b->n;
    gm__builder_add(b, path);
    for (size_t i = begin; i < b->n && b->text; i++)
        if (b->text[i] == '.') b->text[i] = '/';
    if (*path && more) gm__builder_add(b, "/");
}

/* The name of what makes value v, and ":1" for its second result. */
static void tab_name(gm__builder *b, const gm_graph *g, int32_t v, bool output) {
    const gm__value *value = &g->value[v];
    if (value->kind != GM__VALUE_NODE) {
        tab_path(b, value->name ? value->name : "", false);
        return;
    }
    const gm__node *n = &g->node[value->from];
    tab_path(b, n->where ? n->where : "", true);
    gm__builder_format(b, "%s_%d", n->op->name, n->out);
    if (output && value->index) gm__builder_format(b, ":%d", value->index);
}

static void tab_put(gm__builder *p, int field, gm__builder *text) {
    gm__proto_text(p, field, text->text ? text->text : "");
    gm__builder_free(text);
}

static size_t tab_open_attr(gm__builder *p, const char *key, size_t *value) {
    size_t attr = gm__proto_open(p, TAB_ATTR);
    gm__proto_text(p, 1, key);
    *value = gm__proto_open(p, 2);
    return attr;
}

/* The shapes of n values from v on; a size that depends on the batch is -1. */
static void tab_shapes(gm__builder *p, const gm_graph *g, int32_t v, int n) {
    size_t value, attr = tab_open_attr(p, "_output_shapes", &value), list = gm__proto_open(p, TAB_VALUE_LIST);
    for (int j = 0; j < n; j++) {
        size_t shape = gm__proto_open(p, TAB_LIST_SHAPE);
        for (int i = 0; i < g->value[v + j].shape.n; i++) {
            size_t dim = gm__proto_open(p, TAB_SHAPE_DIM);
            gm__proto_int(p, 1, gm__affine_find(&g->sizes, v + j, i) ? -1 : g->value[v + j].shape.d[i]);
            gm__proto_close(p, dim);
        }
        gm__proto_close(p, shape);
    }
    gm__proto_close(p, list);
    gm__proto_close(p, value);
    gm__proto_close(p, attr);
}

static void tab_attrs(gm__builder *p, const gm_graph *g, const gm__node *n) {
    for (const gm_attr *a = n->op->attrs; n->attrs && a && a->name; a++) {
        gm__builder text = { 0 };
        if (gm__text_attr(&text, g, n, a)) {
            size_t value, attr = tab_open_attr(p, a->name, &value);
            gm__proto_text(p, TAB_VALUE_TEXT, text.text);
            gm__proto_close(p, value);
            gm__proto_close(p, attr);
        }
        gm__builder_free(&text);
    }
}

static void tab_node(gm__builder *p, const gm_graph *g, int64_t at) {
    const gm__node *n = &g->node[at];
    gm__builder name = { 0 };
    size_t node = gm__proto_open(p, TAB_NODE);
    tab_path(&name, n->where ? n->where : "", true);
    gm__builder_format(&name, n->n_out ? "%s_%lld" : "%s_n%lld", n->op->name, n->n_out ? n->out : (long long)at);
    tab_put(p, TAB_NAME, &name);
    gm__proto_text(p, TAB_OP, n->op->name);
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        tab_name(&name, g, n->in[i], true);
        tab_put(p, TAB_INPUT, &name);
    }
    tab_attrs(p, g, n);
    if (n->n_out) tab_shapes(p, g, n->out, n->n_out);
    gm__proto_close(p, node);
}

/* An input or a captured tensor; an output, of value v. */
static void tab_port(gm__builder *p, const gm_graph *g, int32_t v, const char *op, const char *output) {
    gm__builder name = { 0 };
    size_t node = gm__proto_open(p, TAB_NODE);
    if (output) tab_path(&name, output, false);
    else tab_name(&name, g, v, false);
    tab_put(p, TAB_NAME, &name);
    gm__proto_text(p, TAB_OP, op);
    if (output) tab_name(&name, g, v, true), tab_put(p, TAB_INPUT, &name);
    tab_shapes(p, g, v, 1);
    gm__proto_close(p, node);
}

bool gm_events_graph(gm_events *e, gm_graph *g) {
    if (!gm__events_usable(e, "events_graph") || !gm__graph_check(g, "events_graph")) return false;
    GM_SCOPE(s);
    if (!gm_graph_tensors(g)) return false; /* gives names */
    gm__events_begin(e, 0);
    gm__builder *p = &e->record;
    size_t graph = gm__proto_open(p, TAB_EVENT_GRAPH);
    for (int64_t v = 0; v < g->n_values; v++)
        if (g->value[v].kind != GM__VALUE_NODE)
            tab_port(p, g, (int32_t)v, g->value[v].captured ? "Tensor" : "Input", NULL);
    for (int64_t i = 0; i < g->n_nodes; i++) tab_node(p, g, i);
    for (int64_t i = 0; i < g->n_out; i++) {
        char name[300];
        snprintf(name, sizeof name, "output.%.250s", g->out[i].name);
        tab_port(p, g, g->out[i].value, "Output", name);
    }
    size_t versions = gm__proto_open(p, 4);
    gm__proto_int(p, 1, 22); /* the producer: a TensorFlow that has these forms */
    gm__proto_close(p, versions);
    gm__proto_close(p, graph);
    return gm__events_end(e, "events_graph");
}
