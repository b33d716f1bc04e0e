/* rows.c: steps that visit only the rows of a table that have a gradient.
 *
 * The rows of the parameter and of its states are copied together, the class's rule is applied to them, and they are
 * copied back: every rule that works element by element has a path by rows. It is taken where the step would leave the
 * other rows as they are, so that its bits are those of the full step, and for parameters that are lazy. */
#include "../math/fp.h"
#include "optimizer.h"
#include "gemel/autograd.h"
#include "gemel/ops.h"

bool gm__optim_takes_rows(const gm_optimizer *o, const gm__optim_slot *slot, const double *hyper) {
    const gm_optimizer_class *c = &o->class;
    return c->elementwise && (slot->lazy || (c->keeps_zeros && c->keeps_zeros(hyper)));
}

bool gm__optim_update_rows(const gm_optimizer *o, const gm__optim_slot *slot, gm_optimizer_step step) {
    GM_SCOPE(s);
    gm_tensor *state[GM_OPTIMIZER_MAX_STATES] = { 0 };
    step.p = gm_index_select(slot->p, 0, slot->rows);
    step.state = state;
    for (int k = 0; k < o->n_state; k++)
        if (slot->state[k]) state[k] = gm_index_select(slot->state[k], 0, slot->rows);
    if (!gm_ok() || !o->class.update(&step) || !gm_update_rows(slot->p, slot->rows, step.p)) return false;
    for (int k = 0; k < o->n_state; k++)
        if (slot->state[k] && !gm_update_rows(slot->state[k], slot->rows, state[k])) return false;
    return gm_ok();
}

int64_t gm_optimizer_lazy(gm_optimizer *o, const char *pattern) {
    if (!gm__optim_check(o, "optimizer_lazy")) return -1;
    if (!o->class.elementwise)
        return gm_fail(GM_ERROR_UNSUPPORTED, "optimizer_lazy: %s needs whole parameters", o->class.name), -1;
    int64_t n = 0;
    for (int64_t i = 0; pattern && i < o->n; i++)
        if (gm__optim_matches(pattern, o->slots[i].name)) o->slots[i].lazy = true, n++;
    if (n) return n;
    return gm_fail(GM_ERROR_INDEX, "optimizer_lazy: no parameter matches \"%s\"; the first is \"%s\"",
                   pattern ? pattern : "NULL", o->n ? o->slots[0].name : ""),
           -1;
}
