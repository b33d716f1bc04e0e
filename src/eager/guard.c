/* guard.c: modes of the thread, and the small calls on what autograd keeps with a tensor. */
#include "../math/fp.h"
#include "tape.h"
#include "../ops/ops.h"
#include "gemel/graph.h"
#include "../base/context.h"

/* impl is the mode before, plus one: a zeroed guard ends nothing. */
gm_no_grad_guard gm_no_grad_begin(void) {
    gm_context *c = gm__context();
    gm_no_grad_guard g = { (void *)(intptr_t)(c->no_grad + 1), 0 };
    c->no_grad = true;
    return g;
}

void gm_no_grad_end(gm_no_grad_guard *guard) {
    if (!guard || !guard->impl) return;
    gm__context()->no_grad = (intptr_t)guard->impl - 1;
    guard->impl = NULL;
}

bool gm_grad_enabled(void) { return !gm__context()->no_grad; }

void gm_set_anomaly(bool on) { gm__context()->anomaly = on; }

bool gm_set_requires_grad(gm_tensor *x, bool on) {
    if (!gm_ok() || !gm__check_tensor(x, "set_requires_grad", 1)) return false;
    if (x->node)
        return gm_fail(GM_ERROR_STATE, "set_requires_grad: the tensor is a result, not a leaf; detach it first");
    if (on && !gm_is_float(x->dtype))
        return gm_fail(GM_ERROR_DTYPE, "set_requires_grad: %s has no gradient, only floats do",
                       gm_dtype_name(x->dtype));
    if (x->requires_grad != on && x->storage) gm_modes_changed();
    x->requires_grad = on;
    return true;
}

bool gm_requires_grad(const gm_tensor *x) {
    return gm_ok() && gm__check_tensor(x, "requires_grad", 1) && (x->requires_grad || x->node);
}

gm_tensor *gm_gradient_of(const gm_tensor *x) {
    return gm_ok() && gm__check_tensor(x, "gradient_of", 1) ? x->grad : NULL;
}

bool gm_gradient_rows(const gm_tensor *x, gm_tensor **rows, gm_tensor **values) {
    return gm_ok() && gm__check_tensor(x, "gradient_rows", 1) && x->grad && gm__tensor_rows(x->grad, rows, values);
}

void gm_clear_gradient(gm_tensor *x) {
    if (!x || !gm_check_object(x, &gm__tensor_type, "clear_gradient", 1)) return;
    gm_release(x->grad);
    x->grad = NULL;
}

bool gm_set_gradient(gm_tensor *x, gm_tensor *gradient) {
    if (!gm_ok() || !gm__check_tensor(x, "set_gradient", 1)) return false;
    if (gradient) {
        if (!gm__check_tensor(gradient, "set_gradient", 2)) return false;
        if (!gm_shape_equal(x->shape, gradient->shape) || x->dtype != gradient->dtype)
            return gm_fail(GM_ERROR_SHAPE, "set_gradient: a gradient %s of %s for a tensor %s of %s",
                           gm__tensor_shape_str(gradient), gm_dtype_name(gradient->dtype), gm__tensor_shape_str(x),
                           gm_dtype_name(x->dtype));
    }
    gm_retain(gradient);
    gm_release(x->grad);
    x->grad = gradient;
    return true;
}

bool gm_retain_gradient(gm_tensor *x) {
    if (!gm_ok() || !gm__check_tensor(x, "retain_gradient", 1)) return false;
    if (!gm__watch_output(x)) return false;
    x->retains_grad = x->node != NULL;
    return true;
}

gm_tensor *gm_detach(gm_tensor *x) {
    if (!gm_ok() || !gm__check_tensor(x, "detach", 1)) return NULL;
    x = gm__stand_in_find(x);
    if (x->symbol) return gm__call1(gm_op_find("detach"), NULL, x);
    return gm__tensor_alias(x);
}

void gm_set(gm_tensor **slot, gm_tensor *t) {
    gm_tensor *old = *slot;
    *slot = gm_retain(t);
    gm_release(old);
}
