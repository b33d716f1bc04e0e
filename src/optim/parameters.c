/* parameters.c: which parameters an optimizer steps. */
#include "../math/fp.h"
#include "optimizer.h"

gm_pack *gm_optimizer_parameters(gm_optimizer *o) {
    gm_pack *p = gm__optim_check(o, "optimizer_parameters") ? gm_pack_new() : NULL;
    for (int64_t i = 0; p && i < o->n; i++)
        if (!gm_pack_set(p, o->slots[i].name, o->slots[i].p)) return NULL;
    return p;
}
