/* sequential.c: modules one after the other: the children, whatever their names. */
#include "../../math/fp.h"
#include "gemel/extend.h"
#include "gemel/nn.h"

#include <stdio.h>

typedef struct { int32_t reserved; } sequential;

static gm_tensor *sequential_forward(gm_module *m, gm_tensor *x) {
    for (int64_t i = 0, n = gm_n_children(m); i < n; i++) x = gm_forward(gm_child_at(m, i), x);
    return x;
}

gm_module *gm_sequential_list(gm_module *const *modules) {
    gm_module *m = gm_module_new(sequential);
    for (int64_t i = 0; m && modules[i] != GM_END; i++) {
        char name[24];
        snprintf(name, sizeof name, "%lld", (long long)i);
        if (!gm_child(m, name, modules[i])) return NULL;
    }
    return gm_ok() ? m : NULL;
}
