/* cluster.h: sets of nodes that become one node. */
#ifndef GM_COMPILE_CLUSTER_H
#define GM_COMPILE_CLUSTER_H

#include "../graph/graph.h"

typedef struct { int32_t *item; int64_t n, capacity; } gm__cluster_list;

/* A cluster is known by its first member; a node alone is its own. */
typedef struct {
    const gm_graph *g;
    gm__cluster_list *before; /* [n_nodes]: nodes that a node waits for */
    int32_t *group;           /* [n_nodes]: the cluster it is in */
    int32_t *next;            /* [n_nodes]: the next member, -1 at the end */
    int32_t *last;            /* [n_nodes], of clusters: the last member */
    int32_t *count;           /* [n_nodes], of clusters */
    int32_t *stamp, *stack;   /* of searches */
    int32_t *uses;            /* [n_values]: how often nodes and outputs use a value */
    int32_t clock;
    bool through_views;       /* views are made again where they are needed: they are in nobody's way */
} gm__clusters;

/* Every node alone. End it in any case. With through_views set after it, clusters may read views of their own values:
 * such a view is not written before them, but again by whoever writes the cluster. */
bool gm__clusters_begin(gm__clusters *c, const gm_graph *g);
void gm__clusters_end(gm__clusters *c);
/* Makes clusters a and b one; false if something has to run between them. */
bool gm__clusters_join(gm__clusters *c, int32_t a, int32_t b);
/* Every member alone again. */
void gm__clusters_dissolve(gm__clusters *c, int32_t cluster);
/* True if value v, which a member makes, is used by others or by the caller. */
bool gm__clusters_used_outside(const gm__clusters *c, int32_t v);
/* The members of a cluster in the graph's order; room for `count`. */
void gm__clusters_members(const gm__clusters *c, int32_t cluster, int32_t *member);

/* The graph with what write(env, copy, cluster) adds in place of each cluster of `wanted` (of clusters; others are
 * copied node by node: those of one member only). Owned by the scope. */
typedef bool (*gm__cluster_write)(void *env, gm__graph_copy *copy, int32_t cluster);
gm_graph *gm__clusters_write(gm__clusters *c, const bool *wanted, gm__cluster_write write, void *env);

#endif
