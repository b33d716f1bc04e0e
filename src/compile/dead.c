/* dead.c: dead code: nodes whose results nobody reads and that do nothing else. */
#include "../math/fp.h"
#include "pass.h"
#include "gemel/extend.h"

#include <string.h>

/* live[v]: value v is needed. From the last node to the first. */
static void dead_mark(const gm_graph *g, bool *live, bool *keep) {
    for (int64_t i = 0; i < g->n_out; i++) live[g->out[i].value] = true;
    for (int64_t i = 0; i < g->n_left; i++) live[g->left[i].value] = live[g->left[i].of] = true;
    for (int64_t i = g->n_nodes; i-- > 0;) {
        const gm__node *n = &g->node[i];
        keep[i] = gm__node_has_effect(n) || n->op->flags & GM_OP_DYNAMIC; /* C has seen the shape that came out */
        for (int j = 0; j < n->n_out; j++) keep[i] |= live[n->out + j];
        for (int k = 0; keep[i] && k < n->n_in; k++)
            if (n->in[k] >= 0) live[n->in[k]] = true;
    }
}

gm_graph *gm__pass_dead(gm_graph *g) {
    bool *live = gm_alloc((size_t)g->n_values + 1), *keep = gm_alloc((size_t)g->n_nodes + 1);
    gm_graph *made = NULL;
    if (live && keep) {
        dead_mark(g, live, keep);
        made = gm__graph_with(g, keep, NULL);
    }
    gm_free(live);
    gm_free(keep);
    return made;
}
