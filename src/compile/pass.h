/* pass.h: passes over graphs. Each gives a graph of the same results, bit for bit. */
#ifndef GM_COMPILE_PASS_H
#define GM_COMPILE_PASS_H

#include "../graph/graph.h"

/* All passes, in order: what a plan is made of. The result is owned by the scope. */
gm_graph *gm__optimize(gm_graph *g);

/* Lines of `text` to the log if GM_DEBUG names `what`; and a graph, if it names "passes". */
void gm__debug_lines(const char *what, const char *title, const char *text);
void gm__debug_graph(const char *title, gm_graph *g);

/* Without nodes that nobody needs. */
gm_graph *gm__pass_dead(gm_graph *g);
/* With what depends on nothing computed already (g's values change: it is not used afterwards). */
gm_graph *gm__pass_constants(gm_graph *g);
/* With each computation done once. */
gm_graph *gm__pass_common(gm_graph *g);
/* recompute.c: with cheap values made again where they are needed, in place of being kept, until no step has more than
 * `limit` bytes in use, or nothing helps. Not one of gm__optimize's. */
gm_graph *gm__pass_recompute(gm_graph *g, int64_t limit);

/* With batch normalisations of at least so many bytes in two: sums, and their use; g itself if there is none. */
gm_graph *gm__pass_split(gm_graph *g, int64_t least);

#endif
