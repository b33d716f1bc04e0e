/* optimize.c: the passes in their order. */
#include "../math/fp.h"
#include "pass.h"
#include "gemel/extend.h"

typedef struct { const char *name; gm_graph *(*run)(gm_graph *g); } optimize_pass;

static const optimize_pass optimize_passes[] = {
    { "dead code", gm__pass_dead },
    { "as kernels want it", gm__graph_raw },
    { "constants", gm__pass_constants },
    { "common subexpressions", gm__pass_common },
    { "dead code", gm__pass_dead },
};

gm_graph *gm__optimize(gm_graph *g) {
    for (size_t i = 0; g && i < sizeof optimize_passes / sizeof *optimize_passes; i++) {
        g = optimize_passes[i].run(g);
#ifndef NDEBUG
        int64_t before = gm_where_push(optimize_passes[i].name);
        if (g && !gm__graph_valid(g)) g = NULL;
        gm_where_pop(before);
#endif
    }
    return g;
}
