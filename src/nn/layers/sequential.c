/* sequential.c: modules one after the other: the children, whatever their names. What one gives is let go when the next
 * has run (the tape keeps what it needs), so that a long row needs no more memory than its widest place. */
#include "../../math/fp.h"
#include "gemel/extend.h"
#include "gemel/nn.h"

#include <stdio.h>

typedef struct { int32_t reserved; } sequential;

static gm_tensor *sequential_forward(gm_module *m, gm_tensor *x) {
    gm_tensor *held = gm_keep(x);
    for (int64_t i = 0, n = gm_n_children(m); i < n; i++) {
        gm_scope s = gm_scope_open();
        gm_tensor *y = gm_keep(gm_forward(gm_child_at(m, i), held));
        gm_scope_close(&s);
        gm_release(held);
        held = y;
    }
    gm_scope s = gm_scope_open();
    gm_tensor *y = gm_return(&s, held);
    gm_release(held);
    return y;
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
