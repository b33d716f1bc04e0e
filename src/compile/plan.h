/* plan.h: a graph made ready to run: a flat list of kernel calls over tensors that exist already, in one arena. */
#ifndef GM_COMPILE_PLAN_H
#define GM_COMPILE_PLAN_H

#include "../graph/graph.h"

typedef struct gm__plan gm__plan;

/* A plan of g (held). g is as kernels want it (gm__graph_raw). Counted; owned by the scope. */
gm__plan *gm__plan_new(gm_graph *g);
/* The same without chains in strips (strip.h). */
gm__plan *gm__plan_plain(gm_graph *g);
/* Runs it, in any number of threads at once: inputs in order, described as the graph's are; the outputs are new tensors
 * in `out`, owned by the scope. */
bool gm__plan_run(gm__plan *p, gm_tensor *const *in, gm_tensor **out);
/* With draws from this place on, in place of the next ones of the stream. A result whose
 * shape follows from values may be of another one than the plan was made for: false, without an error, and *cut says
 * which: the how-manieth, and its shape. With cut NULL that is an error. */
typedef struct { int32_t at; gm_shape shape; } gm__cut;
bool gm__plan_run_at(gm__plan *p, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first, gm__cut *cut);
/* Over memory: of the inputs, laid out as they are described, and of the outputs, each of which is memory of its own in
 * the plan. Draws nothing, writes no state. */
bool gm__plan_run_over(gm__plan *p, void *const *in, void *const *out);
/* inner.c: runs a graph inside of a node by its plan; false, without an error, if that runs already. */
bool gm__inner_run(gm_graph *g, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first);
/* Its arenas are there while it runs, from now on. */
void gm__plan_rest(gm__plan *p);

typedef struct {
    int64_t kernels, arena, live; /* calls per run; bytes; the largest sum of buffers alive at once */
} gm__plan_stats;
gm__plan_stats gm__plan_statistics(const gm__plan *p);

/* ---- memory.c ---- */

/* A buffer of `bytes` bytes that is alive from step `first` to step `last`, both included. */
typedef struct { int64_t bytes, first, last, offset; } gm__buffer;
/* Fills in the offsets, multiples of 64, so that buffers alive together do not overlap; returns the bytes of the arena,
 * -1 after a MEMORY error. *live: the largest sum of buffers alive at one step. */
int64_t gm__place_buffers(gm__buffer *b, int64_t n, int64_t *live);

#endif
