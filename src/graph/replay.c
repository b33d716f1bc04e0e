/* replay.c: what vmap and jvp share. */
#include "../math/fp.h"
#include "replay.h"
#include "gemel/extend.h"

bool gm__replay_begin(gm__replay *r, gm_fn *f, const gm_pack *like, gm_tensor *const *values) {
    r->kind = f->kind;
    r->result = gm__trace_function(&r->trace, f->inner, like);
    if (!r->result) return false;
    const gm_graph *g = r->trace.graph;
    if (g->n_left)
        return gm_fail(GM_ERROR_UNSUPPORTED, "%s: the function leaves gradients in tensors; gm_gradients gives them as "
                                             "results", f->kind);
    r->more = gm_alloc((size_t)(g->n_values + 1) * sizeof *r->more);
    r->mapped = gm_alloc((size_t)g->n_values + 1);
    return r->more && r->mapped && gm__walk_begin(&r->walk, g, values);
}

void gm__replay_end(gm__replay *r) {
    for (int64_t v = 0; r->more && v < r->trace.graph->n_values; v++) gm_release(r->more[v]);
    gm_free(r->more);
    gm_free(r->mapped);
    gm__walk_end(&r->walk);
    gm__trace_free(&r->trace);
}

typedef struct { gm__replay *r; gm__replay_fn f; } replay_map;

static gm_tensor *replay_one(void *env, gm_tensor *t) {
    replay_map *m = env;
    return m->f(m->r, gm__trace_own_value(&m->r->trace, t), t);
}

gm_pack *gm__replay_result(gm__replay *r, gm__replay_fn f) {
    return gm__pack_map(r->result, replay_one, &(replay_map){ r, f });
}
