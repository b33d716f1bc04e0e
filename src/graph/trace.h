/* trace.h: recording. While a trace is open in a thread, operations do not run: they become nodes of its graph, and
 * their results are ghosts that know their value in it. Traces nest; what an inner one uses of an outer one it
 * captures. */
#ifndef GM_GRAPH_TRACE_H
#define GM_GRAPH_TRACE_H

#include "../base/map.h"
#include "graph.h"

typedef struct gm__trace {
    struct gm__trace *outer;
    gm_graph *graph;   /* held */
    gm__map captured;  /* from tensors, held by the graph, to their value plus one */
    uint64_t id;
    bool raw;          /* copies and casts that eager mode makes inside of a call are nodes (raw.c) */
    bool open;
    bool (*lowers)(const gm_op *op); /* raw: what is recorded as its definition though it has a kernel; or NULL */
    /* The shapes of results that follow from values; NULL: there are no values. */
    bool (*shapes)(struct gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs,
                   gm_spec *spec, int n_out);
    void *env;
} gm__trace;

bool gm__trace_begin(gm__trace *t);
/* Ends recording; works while an error is pending. The graph is still held. */
void gm__trace_end(gm__trace *t);
void gm__trace_free(gm__trace *t);

/* A new input of the graph, a ghost described as `like`. */
gm_tensor *gm__trace_input(gm__trace *t, const gm_tensor *like, const char *name);
/* The value of a tensor in the trace, captured if it is not one of the trace's. -1 after an error. */
int32_t gm__trace_value(gm__trace *t, gm_tensor *x);
/* The value of one of the trace's own ghosts; -1, without an error, for every other tensor. */
int32_t gm__trace_own_value(const gm__trace *t, const gm_tensor *x);
/* Gradients that the traced function left behind in captured tensors become part of the graph. After an error they are
 * only taken off. */
bool gm__trace_take_gradients(gm__trace *t);

/* One call as a node: as it is; or, in a raw trace, as kernels want it. */
int gm__trace_record(gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out);
int gm__trace_raw(gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out);

/* A call like node `n`, with these attributes, on values in[] of t's own graph: for making a graph from another one, or
 * from a text. The outputs' values go to out[], room for GM__WALK_MAX; their number, -1 after an error. */
int gm__trace_put(gm__trace *t, const gm__node *n, const int32_t *in, const void *attrs, int32_t *out);

/* True for ghosts of a trace. */
bool gm__is_traced(const gm_tensor *t);

#endif
