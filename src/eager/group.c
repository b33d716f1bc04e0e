/* group.c: groups of calls. */
#include "../math/fp.h"
#include "group.h"
#include "tape.h"
#include "../base/context.h"
#include "gemel/graph.h"
#include "gemel/ops.h"

#include <stddef.h>

/* Made outside of the group, and at once even if a recording was opened inside. */
static gm_tensor *group_alias(gm__group_of_calls *g, gm_tensor *t) {
    gm_context *c = gm__context();
    gm__stand_ins *ins = c->stand_ins;
    bool no_grad = c->no_grad;
    void *recording = gm_recording_pause();
    c->stand_ins = g->ins.outer, c->no_grad = false;
    gm_tensor *alias = gm_identity(t);
    if (alias && alias->node) alias->node->lasting = true; /* calls inside may have passes of their own */
    c->stand_ins = ins, c->no_grad = no_grad;
    gm_recording_resume(recording);
    return alias;
}

static gm_tensor *group_miss(gm__stand_ins *s, gm_tensor *of, gm_tensor *t) {
    gm__group_of_calls *g = (gm__group_of_calls *)((char *)s - offsetof(gm__group_of_calls, ins));
    bool outside = t->node && t == of ? t->node->sequence < g->since : gm__is_tracked(t);
    if (!outside || !t->storage) return t;
    gm_tensor *alias = group_alias(g, t);
    return alias && gm__stand_ins_add(s, of, alias) ? alias : NULL;
}

void gm__group_begin(gm__group_of_calls *g) {
    const gm_context *c = gm__context();
    *g = (gm__group_of_calls){ .ins.miss = group_miss, .since = gm__tape_now(), .open = !c->no_grad && !c->trace };
    if (g->open) gm__stand_ins_begin(&g->ins);
}

void gm__group_end(gm__group_of_calls *g) {
    if (!g->open) return;
    gm__stand_ins_end(&g->ins);
    gm__stand_ins_free(&g->ins);
}
