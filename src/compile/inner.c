/* inner.c: programs of graphs inside of nodes: branches and bodies of control flow.
 *
 * Each graph keeps its plan, without an arena between runs: many bodies run one after the other, and only one needs
 * memory. A plan runs once at a time; who finds it running goes through the graph node by node. */
#include "../math/fp.h"
#include "pass.h"
#include "plan.h"
#include "../base/context.h"
#include "gemel/extend.h"

#include <stdatomic.h>

static gm__plan *inner_make(gm_graph *g) {
    gm__thread_modes before = gm__thread_modes_now(), none = { .no_grad = true };
    gm_scope s = gm_scope_open();
    gm__thread_modes_set(&none);
    gm_graph *ready = gm__optimize(g);
    gm__plan *p = ready ? gm_retain(gm__plan_new(ready)) : NULL;
    gm__thread_modes_set(&before);
    gm_scope_close(&s);
    return p;
}

bool gm__inner_run(gm_graph *g, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first) {
    if (atomic_exchange_explicit(&g->busy, 1, memory_order_acquire)) return false;
    if (!g->program) g->program = inner_make(g);
    bool ok = g->program && gm__plan_run_at(g->program, in, out, seed, first, NULL);
    if (g->program) gm__plan_rest(g->program);
    atomic_store_explicit(&g->busy, 0, memory_order_release);
    return ok;
}
