/* sequential.c: modules one after the other. */
#include "../../math/fp.h"
#include "gemel/extend.h"
#include "gemel/nn.h"

#include <stdio.h>

typedef struct { int64_t n; } sequential;

static gm_tensor *sequential_forward(gm_module *m, gm_tensor *x) {
    const sequential *self = gm_state(m);
    for (int64_t i = 0; self && i < self->n; i++) x = gm_forward(gm_child_at(m, i), x);
    return x;
}

gm_module *gm_sequential_list(gm_module *const *modules) {
    gm_module *m = gm_module_new(sequential);
    sequential *self = gm_state(m);
    for (; self && modules[self->n] != GM_END; self->n++) {
        char name[24];
        snprintf(name, sizeof name, "%lld", (long long)self->n);
        if (!gm_child(m, name, modules[self->n])) return NULL;
    }
    return gm_ok() ? m : NULL;
}
