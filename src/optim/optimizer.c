/* optimizer.c: optimizers: one fused pass over each parameter that has a gradient.
 *
 * An optimizer is a rule and its options; the state of a parameter is up to two tensors of its shape. All parameters
 * are looked at before the first one changes, so that a step happens whole or not at all. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"
#include "gemel/optim.h"
#include "gemel/ops.h"

#include <math.h>

enum { OPTIM_SGD, OPTIM_ADAM };

typedef struct { gm_tensor *p, *state[2]; int64_t steps; } optim_slot;

struct gm_optimizer {
    gm_object o;
    int32_t rule, nesterov;
    double lr, momentum, weight_decay; /* weight_decay: added to the gradient */
    double beta1, beta2, eps, shrink;  /* shrink: decay of the parameter itself */
    double power1, power2;             /* beta1^t, beta2^t */
    int64_t steps, n;
    optim_slot *slots;
};

static void optim_destroy(void *object) {
    gm_optimizer *o = object;
    for (int64_t i = 0; o->slots && i < o->n; i++) {
        gm_release(o->slots[i].p);
        gm_release(o->slots[i].state[0]);
        gm_release(o->slots[i].state[1]);
    }
    gm_free(o->slots);
}

static const gm_type optim_type = { "optimizer", sizeof(gm_optimizer), optim_destroy };

static bool optim_check(const gm_optimizer *o, const char *op) {
    return gm_ok() && gm_check_object(o, &optim_type, op, 1);
}

static bool optim_take(gm_optimizer *o, const char *op, gm_pack *parameters, int n_states) {
    o->n = gm_pack_count(parameters);
    o->slots = gm_alloc((size_t)(o->n > 0 ? o->n : 1) * sizeof *o->slots);
    for (int64_t i = 0; o->slots && i < o->n; i++) {
        gm_tensor *p = gm_pack_at(parameters, i);
        gm_dtype dtype = gm_dtype_of(p);
        if (dtype != GM_F32 && dtype != GM_F64)
            return gm_fail(GM_ERROR_DTYPE, "%s: \"%s\" is %s; parameters are f32 or f64", op,
                           gm_pack_name(parameters, i), gm_dtype_name(dtype));
        if (!gm_is_contiguous(p))
            return gm_fail(GM_ERROR_STATE, "%s: \"%s\" is not contiguous", op, gm_pack_name(parameters, i));
        o->slots[i].p = gm_retain(p);
        for (int k = 0; k < n_states; k++) o->slots[i].state[k] = gm_retain(gm_zeros(gm_shape_of(p), dtype));
    }
    return gm_ok();
}

static gm_optimizer *optim_new(const char *op, gm_module *net, const gm_optimizer *options, int n_states) {
    if (!gm_ok()) return NULL;
    if (!(options->lr >= 0 && options->lr < INFINITY))
        return gm_fail(GM_ERROR_VALUE, "%s: the learning rate is %g", op, options->lr), NULL;
    gm_scope s = gm_scope_open();
    gm_pack *parameters = gm_parameters(net);
    gm_optimizer *o = parameters ? gm_object_new(&optim_type) : NULL;
    if (o) {
        gm_object header = o->o;
        *o = *options;
        o->o = header;
        o->power1 = o->power2 = 1;
        if (!optim_take(o, op, parameters, n_states)) o = NULL;
    }
    return gm_return(&s, o);
}

gm_optimizer *gm_sgd_with(gm_module *net, double lr, const gm_sgd_args *args) {
    gm_sgd_args a = { 0 };
    if (!gm_ok() || !gm__args_take("sgd", &a, sizeof a, args)) return NULL;
    if (!(a.momentum >= 0 && a.momentum < 1) || !(a.weight_decay >= 0))
        return gm_fail(GM_ERROR_VALUE, "sgd: momentum %g, weight_decay %g", a.momentum, a.weight_decay), NULL;
    if (a.nesterov && a.momentum == 0) return gm_fail(GM_ERROR_VALUE, "sgd: nesterov needs a momentum"), NULL;
    gm_optimizer o = { .rule = OPTIM_SGD, .lr = lr, .momentum = a.momentum, .weight_decay = a.weight_decay,
                       .nesterov = a.nesterov };
    return optim_new("sgd", net, &o, a.momentum != 0);
}

static gm_optimizer *optim_adam(const char *op, gm_module *net, double lr, const gm_adam_args *args, bool decoupled) {
    gm_adam_args a = { 0 };
    if (!gm_ok() || !gm__args_take(op, &a, sizeof a, args)) return NULL;
    double wd = a.weight_decay.set ? a.weight_decay.v : decoupled ? 0.01 : 0;
    gm_optimizer o = { .rule = OPTIM_ADAM, .lr = lr, .beta1 = a.beta1.set ? a.beta1.v : 0.9,
                       .beta2 = a.beta2.set ? a.beta2.v : 0.999, .eps = a.eps.set ? a.eps.v : 1e-8,
                       .weight_decay = decoupled ? 0 : wd, .shrink = decoupled ? wd : 0 };
    if (!(o.beta1 >= 0 && o.beta1 < 1) || !(o.beta2 >= 0 && o.beta2 < 1) || !(o.eps >= 0) || !(wd >= 0))
        return gm_fail(GM_ERROR_VALUE, "%s: beta1 %g, beta2 %g, eps %g, weight_decay %g", op, o.beta1, o.beta2, o.eps,
                       wd),
               NULL;
    return optim_new(op, net, &o, 2);
}

gm_optimizer *gm_adam_with(gm_module *net, double lr, const gm_adam_args *args) {
    return optim_adam("adam", net, lr, args, false);
}

gm_optimizer *gm_adamw_with(gm_module *net, double lr, const gm_adamw_args *args) {
    return optim_adam("adamw", net, lr, args, true);
}

/* ---- stepping ---- */

static void optim_update(const gm_optimizer *o, optim_slot *slot, gm_tensor *gradient) {
    double decay = o->lr * o->shrink;
    gm_sgd_scalars sgd = { o->lr, o->momentum, o->weight_decay, !slot->steps, o->nesterov };
    gm_adam_scalars adam = { 1 - o->beta1, 1 - o->beta2, o->beta2, sqrt(1 - o->power2), o->eps, o->lr / (1 - o->power1),
                             o->weight_decay, 1 - decay };
    if (o->rule == OPTIM_SGD) gm_update_sgd(slot->p, gradient, slot->state[0], &sgd);
    else gm_update_adam(slot->p, gradient, slot->state[0], slot->state[1], &adam);
    slot->steps++;
}

bool gm_step(gm_optimizer *o) {
    if (!optim_check(o, "step")) return false;
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_pack *ready = gm_pack_new(); /* nothing can fail once the first parameter has changed */
    for (int64_t i = 0; i < o->n; i++) {
        gm_tensor *g = gm_gradient_of(o->slots[i].p);
        if (!gm_pack_set(ready, NULL, g ? gm_contiguous(g) : o->slots[i].p)) return false;
    }
    o->power1 *= o->beta1, o->power2 *= o->beta2;
    o->steps++;
    for (int64_t i = 0; i < o->n; i++) {
        if (gm_gradient_of(o->slots[i].p)) optim_update(o, &o->slots[i], gm_pack_at(ready, i));
    }
    return gm_zero_grad(o);
}

bool gm_zero_grad(gm_optimizer *o) {
    if (!optim_check(o, "zero_grad")) return false;
    for (int64_t i = 0; i < o->n; i++) gm_clear_gradient(o->slots[i].p);
    return true;
}

double gm_learning_rate(const gm_optimizer *o) { return optim_check(o, "learning_rate") ? o->lr : NAN; }

bool gm_set_learning_rate(gm_optimizer *o, double lr) {
    if (!optim_check(o, "set_learning_rate")) return false;
    if (!(lr >= 0 && lr < INFINITY)) return gm_fail(GM_ERROR_VALUE, "set_learning_rate: the learning rate is %g", lr);
    o->lr = lr;
    return true;
}

int64_t gm_step_count(const gm_optimizer *o) { return optim_check(o, "step_count") ? o->steps : -1; }
