/* describe.c: the program that a graph becomes, without running it. */
#include "../math/fp.h"
#include "pass.h"
#include "plan.h"
#include "gemel/extend.h"

bool gm_graph_plan(gm_graph *g, gm_plan_info *info) {
    *info = (gm_plan_info){ 0 };
    if (!gm__graph_check(g, "graph_plan")) return false;
    GM_SCOPE(s);
    gm_graph *best = gm__optimize(g);
    gm__plan *p = best ? gm__plan_new(best) : NULL;
    if (!p) return false;
    gm__plan_stats t = gm__plan_statistics(p);
    *info = (gm_plan_info){ .kernels = t.kernels, .arena_bytes = t.arena, .live_bytes = t.live };
    return gm_ok();
}
