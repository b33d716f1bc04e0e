/* draw.c: a graph for GraphViz: boxes for calls, in frames by their modules, and edges with shapes. */
#include "../math/fp.h"
#include "text_form.h"
#include "gemel/extend.h"

#include <string.h>

/* n bytes for the inside of a string. */
static void draw_text(gm__builder *b, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') gm__builder_add(b, "\\");
        gm__builder_fill(b, c < 32 ? ' ' : (char)c, 1);
    }
}

/* "v3" for a value that nothing makes, "n2" for one that node 2 makes. */
static void draw_name(gm__builder *b, const gm_graph *g, int32_t v) {
    const gm__value *value = &g->value[v];
    gm__builder_format(b, value->kind == GM__VALUE_NODE ? "n%d" : "v%d",
                       value->kind == GM__VALUE_NODE ? value->from : v);
}

/* An edge to what `to` and its number name. */
static void draw_edge(gm__builder *b, const gm_graph *g, int32_t from, char to, int64_t number) {
    draw_name(b, g, from);
    gm__builder_format(b, " -> %c%lld [label=\"", to, (long long)number);
    gm__text_type(b, g, from);
    gm__builder_add(b, "\"]\n");
}

static void draw_box(gm__builder *b, char kind, int64_t number, const char *label, const char *shape) {
    gm__builder_format(b, "%c%lld [shape=%s, label=\"", kind, (long long)number, shape);
    draw_text(b, label, strlen(label));
    gm__builder_add(b, "\"]");
}

/* In the frames of "layer1.0.conv1": layer1, layer1.0, layer1.0.conv1. Frames of one name are one. */
static void draw_node(gm__builder *b, const gm_graph *g, int64_t at) {
    const gm__node *n = &g->node[at];
    const char *path = n->where ? n->where : "";
    int frames = 0;
    for (size_t end = 0; path[end]; frames++) {
        end += strcspn(path + end, ".");
        gm__builder_add(b, "subgraph \"cluster ");
        draw_text(b, path, end);
        gm__builder_add(b, "\" { label=\"");
        draw_text(b, path, end);
        gm__builder_add(b, "\" ");
        if (path[end]) end++;
    }
    draw_box(b, 'n', at, n->op->name, "box");
    gm__builder_fill(b, '}', frames);
    gm__builder_add(b, "\n");
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0) draw_edge(b, g, n->in[i], 'n', at);
}

const char *gm_graph_dot(gm_graph *g) {
    gm__builder b = { 0 };
    GM_SCOPE(s);
    if (!gm__graph_check(g, "graph_dot") || !gm_graph_tensors(g)) return NULL;
    gm__builder_add(&b, "digraph {\nnode [fontname=\"sans-serif\"]\n");
    for (int64_t v = 0; v < g->n_values; v++) {
        const gm__value *value = &g->value[v];
        if (value->kind == GM__VALUE_NODE) continue;
        draw_box(&b, 'v', v, value->name ? value->name : "", value->captured ? "cylinder" : "ellipse");
        gm__builder_add(&b, "\n");
    }
    for (int64_t i = 0; i < g->n_nodes && !b.failed; i++) draw_node(&b, g, i);
    for (int64_t i = 0; i < g->n_out; i++) {
        draw_box(&b, 'o', i, g->out[i].name, "ellipse");
        gm__builder_add(&b, "\n");
        draw_edge(&b, g, g->out[i].value, 'o', i);
    }
    gm__builder_add(&b, "}\n");
    return gm__graph_keep_text(g, &b);
}
