/* text_form.h: what the writer and the reader of a graph's text agree on. */
#ifndef GM_GRAPH_TEXT_FORM_H
#define GM_GRAPH_TEXT_FORM_H

#include "../base/builder.h"
#include "../base/map.h"
#include "graph.h"

#include <string.h>

enum { GM__GRAPH_VERSION = 1 };

/* A character of a name that needs no quotes. */
bool gm__graph_word(char c);
/* The attributes that a text of this version of the operation leaves out: room for GM__ATTRS_MAX bytes. */
bool gm__attr_defaults(const gm_op *op, int32_t version, void *room);
/* "f32[B, 3] channels_last" */
void gm__text_type(gm__builder *b, const gm_graph *g, int32_t v);
/* The value of an attribute: "[1, 2]". False if it is an object, or what a text leaves out. */
bool gm__text_attr(gm__builder *b, const gm_graph *g, const gm__node *n, const gm_attr *a);
/* The text of b becomes g's, which owns it; NULL, and b is freed, after an error. */
const char *gm__graph_keep_text(gm_graph *g, gm__builder *b);

static inline bool gm__attr_is_list(const gm_attr *a) {
    return a->kind == GM_ATTR_I64S || a->kind == GM_ATTR_F64S || a->kind == GM_ATTR_SHAPE;
}

static inline size_t gm__attr_bytes(const gm_attr *a) {
    return (size_t)a->count * (a->kind == GM_ATTR_TEXT ? 1 : a->kind == GM_ATTR_I32 ? 4 : 8);
}

/* The number of a draw, for random operations. */
static inline bool gm__attr_is_draw(const gm_op *op, const gm_attr *a) {
    return op->flags & (GM_OP_RANDOM | GM_OP_OBJECTS) && !strcmp(a->name, "count");
}

/* The graph that an attribute holds; NULL if it holds none. */
static inline gm_graph *gm__attr_graph(const gm_attr *a, const void *attrs) {
    void *object = a->kind == GM_ATTR_OBJECT && attrs ? *(void *const *)((const char *)attrs + a->offset) : NULL;
    return gm__is_graph(object) ? object : NULL;
}

#endif
