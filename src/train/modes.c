/* modes.c: another mode for a while: every module gets back the mode it had.
 *
 * Modules are noted from the root down and set in that order: setting one sets all below it, which are set after it. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "run.h"

static bool modes_note(gm__modes *modes, gm_module *m) {
    if (!gm__grow(&modes->at, modes->n, &modes->capacity, sizeof *modes->at)) return false;
    modes->at[modes->n++] = (gm__mode){ m, gm_is_training(m) };
    for (int64_t i = 0, n = gm_n_children(m); i < n; i++)
        if (!modes_note(modes, gm_child_at(m, i))) return false;
    return gm_ok();
}

bool gm__modes_switch(gm__modes *modes, gm_module *net, bool on) {
    return gm_ok() && modes_note(modes, net) && gm_set_training(net, on);
}

void gm__modes_back(gm__modes *modes) {
    for (int64_t i = 0; i < modes->n; i++) gm_set_training(modes->at[i].m, modes->at[i].on);
    gm_free(modes->at);
    *modes = (gm__modes){ 0 };
}
