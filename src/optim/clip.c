/* clip.c: gradients held in bounds, and gradients of several parts of a batch added up. */
#include "../math/fp.h"
#include "optimizer.h"
#include "gemel/autograd.h"
#include "gemel/graph.h"
#include "gemel/ops.h"

#include <math.h>

/* ---- clipping ---- */

bool gm_clip_gradient_values(gm_optimizer *o, double limit) {
    if (!gm__optim_check(o, "clip_gradient_values")) return false;
    if (!(limit >= 0)) return gm_fail(GM_ERROR_VALUE, "clip_gradient_values: a limit of %g", limit);
    GM_SCOPE(s);
    GM_NO_GRAD;
    for (int64_t i = 0; gm_ok() && i < o->n; i++) {
        gm_tensor *p = o->slots[i].p, *g = gm_gradient_of(p);
        if (g) gm_set_gradient(p, gm_clamp(g, -limit, limit));
    }
    return gm_ok();
}

static double clip_norm(const gm_optimizer *o) {
    double total = 0;
    for (int64_t i = 0; i < o->n; i++) {
        GM_SCOPE(s);
        gm_tensor *g = gm_gradient_of(o->slots[i].p);
        double squares = g ? gm_item(gm_sum(gm_square(g))) : 0;
        if (gm_ok() && !isfinite(squares))
            gm_fail(GM_ERROR_NUMERIC, "clip_gradient_norm: the norm of the gradient of \"%s\" is %g", o->slots[i].name,
                    sqrt(squares));
        if (!gm_ok()) return NAN;
        total += squares;
    }
    return sqrt(total);
}

/* The same in operations, whose numbers are known when the recording runs. */
static bool clip_record(gm_optimizer *o, double limit) {
    GM_SCOPE(s);
    gm_tensor *total = gm_scalar(0, GM_F64), *g;
    for (int64_t i = 0; gm_ok() && i < o->n; i++)
        if ((g = gm_gradient_of(o->slots[i].p))) total = gm_add(total, gm_cast(gm_sum(gm_square(g)), GM_F64));
    gm_tensor *norm = gm_sqrt(total), *factor = gm_rdiv_scalar(gm_add_scalar(norm, 1e-6), limit);
    gm_tensor *small = gm_lt_scalar(factor, 1);
    if (!gm_check_finite(norm)) return false;
    for (int64_t i = 0; gm_ok() && i < o->n; i++)
        if ((g = gm_gradient_of(o->slots[i].p)))
            gm_set_gradient(o->slots[i].p, gm_where(small, gm_mul(g, gm_cast(factor, gm_dtype_of(g))), g));
    return gm_ok();
}

double gm_clip_gradient_norm(gm_optimizer *o, double limit) {
    if (!gm__optim_check(o, "clip_gradient_norm")) return NAN;
    if (!(limit >= 0)) return gm_fail(GM_ERROR_VALUE, "clip_gradient_norm: a limit of %g", limit), NAN;
    GM_NO_GRAD;
    if (gm_is_recording()) return clip_record(o, limit), NAN;
    double norm = clip_norm(o), factor = limit / (norm + 1e-6);
    if (!(factor < 1)) return norm;
    GM_SCOPE(s);
    for (int64_t i = 0; gm_ok() && i < o->n; i++) {
        gm_tensor *p = o->slots[i].p, *g = gm_gradient_of(p);
        if (g) gm_set_gradient(p, gm_mul_scalar(g, factor));
    }
    return gm_ok() ? norm : NAN;
}

/* ---- parts of a batch: a binary counter of finished subtrees ---- */

static gm_tensor *clip_add(gm_tensor *left, gm_tensor *right) {
    return left && right ? gm_add(left, right) : left ? left : right;
}

static bool clip_put_aside(gm__optim_slot *slot, int64_t part) {
    GM_SCOPE(s);
    gm_tensor *sum = gm_gradient_of(slot->p);
    int level = 0;
    for (; part >> level & 1; level++) {
        sum = clip_add(slot->aside[level], sum);
        if (!gm_ok()) return false;
    }
    for (int i = 0; i < level; i++) gm_set(&slot->aside[i], NULL);
    gm_set(&slot->aside[level], sum);
    gm_clear_gradient(slot->p);
    return true;
}

bool gm_accumulate(gm_optimizer *o) {
    if (!gm__optim_check(o, "accumulate")) return false;
    if (o->parts >> (OPTIM_MAX_LEVELS - 1)) return gm_fail(GM_ERROR_STATE, "accumulate: too many parts");
    GM_NO_GRAD;
    for (int64_t i = 0; gm_ok() && i < o->n; i++) clip_put_aside(&o->slots[i], o->parts);
    o->parts++;
    return gm_ok();
}

bool gm_accumulate_end(gm_optimizer *o) {
    if (!gm__optim_check(o, "accumulate_end")) return false;
    int64_t parts = o->parts;
    int level = 0;
    while (parts >> level > 1) level++;
    o->parts = 0;
    bool fits = parts && parts == (int64_t)1 << level;
    GM_SCOPE(s);
    GM_NO_GRAD;
    for (int64_t i = 0; i < o->n; i++) {
        gm_tensor *sum = o->slots[i].aside[level];
        if (fits && sum) gm_set_gradient(o->slots[i].p, gm_mul_scalar(sum, 1.0 / (double)parts));
        for (int k = 0; k <= level; k++) gm_set(&o->slots[i].aside[k], NULL);
    }
    if (!fits)
        gm_fail(GM_ERROR_VALUE, "accumulate_end: %lld parts; their number has to be a power of two", (long long)parts);
    return gm_ok();
}
