/* strip.h: chains of operations that go through the batch strip by strip. */
#ifndef GM_COMPILE_STRIP_H
#define GM_COMPILE_STRIP_H

#include "plan.h"

/* g with chains of nodes as strips, each one node with `most` results or fewer; g itself if there is none. NULL after
 * an error. */
enum { GM__STRIPS_RESULTS = 64 };
gm_graph *gm__strips(gm_graph *g, int64_t most);

/* When strips pay: the least bytes of a value between two operations of a chain, and the bytes that a strip should
 * touch (0: from the size of the machine's caches); or the entries of a strip, whatever they cost. For tests. */
typedef struct { int64_t least_value, strip, entries; } gm__strip_limits;
void gm__strips_limit(gm__strip_limits l);

/* The operands of node n that are cut along their first dimension, as its results are: bit i for input i. False if its
 * results for a part of the batch are not the part of its results. */
bool gm__strips_cut(const gm_graph *g, const gm__node *n, uint64_t *cut);

/* The operation, and how many nodes are in one. */
extern const gm_op gm__op_strips;
int64_t gm__strips_nodes(const gm__node *n);

#endif
