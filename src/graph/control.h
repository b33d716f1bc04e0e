/* control.h: operations that run graphs.
 *
 * Their inputs are the graphs' inputs (of cond: the predicate, then those). Graphs capture nothing of a recording. */
#ifndef GM_GRAPH_CONTROL_H
#define GM_GRAPH_CONTROL_H

#include "function.h"

/* cond: a if the predicate holds, else b. while: b as long as a says so; carries first.
 * scan: a for each of `length` entries of inputs n_carry.. (n_x of them), from the last if `reverse`; its outputs are
 * the carries, then what is stacked. `saved`: the last n_carry of these are the carries as they came in.
 * key, count: the place in the random stream, for graphs that draw; step t draws from inner place t * scale + shift,
 * cond from shift. */
typedef struct {
    gm_graph *a, *b;
    int64_t key, count, n_carry, n_x, length, reverse, saved, bound, scale, shift;
} gm__control_attrs;

/* One of the three by name, else NULL. */
const gm_op *gm__control_find(const char *name);
extern const gm_op gm__cond_op, gm__while_op, gm__scan_op;
/* A while of a to b draws from these places for step t. */
static inline uint64_t gm__while_place(int64_t t, bool body) { return 2 * (uint64_t)t + body; }
/* g with its first n inputs as outputs behind its own. Owned by the scope. */
gm_graph *gm__graph_saving(gm_graph *g, int64_t n);

#endif
