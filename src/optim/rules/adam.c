/* adam.c: Adam, AdamW and LAMB: the same two moments, and three ways to step along them. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "../optimizer.h"
#include "gemel/ops.h"

#include <math.h>

enum { ADAM_LR, ADAM_BETA1, ADAM_BETA2, ADAM_EPS, ADAM_DECAY };
static const gm_hyper_kind adam_hypers[] = {
    { "lr", 0, INFINITY, 0, 0 },  { "beta1", 0, 1, 1, 0 },
    { "beta2", 0, 1, 1, 0 },      { "eps", 0, INFINITY, 0, 0 },
    { "weight_decay", 0, INFINITY, 0, 0 }, { 0 },
};
static const char *const adam_states[] = { "exp_avg", "exp_avg_sq", NULL };

static bool adam_any(const gm_optimizer_step *s, double decay, double shrink) {
    const double *h = s->hyper;
    gm_adam_scalars a = { 1 - h[ADAM_BETA1], 1 - h[ADAM_BETA2], h[ADAM_BETA2], sqrt(1 - s->power[1]), h[ADAM_EPS],
                          h[ADAM_LR] / (1 - s->power[0]), decay, shrink };
    return gm_update_adam(s->p, s->g, s->state[0], s->state[1], &a);
}

static bool adam_update(const gm_optimizer_step *s) { return adam_any(s, s->hyper[ADAM_DECAY], 1); }

static bool adamw_update(const gm_optimizer_step *s) {
    double decay = s->hyper[ADAM_LR] * s->hyper[ADAM_DECAY];
    return adam_any(s, 0, 1 - decay);
}

static double adam_norm(gm_tensor *t) { return sqrt(gm_item(gm_sum(gm_square(t)))); }

static bool lamb_update(const gm_optimizer_step *s) {
    GM_SCOPE(scope);
    const double *h = s->hyper;
    gm_lamb_scalars a = { 1 - h[ADAM_BETA1], 1 - h[ADAM_BETA2], h[ADAM_BETA2], sqrt(1 - s->power[1]), h[ADAM_EPS],
                          1 / (1 - s->power[0]), h[ADAM_DECAY] };
    gm_tensor *u = gm_empty(gm_shape_of(s->p), gm_dtype_of(s->p));
    if (!gm_update_lamb(s->p, s->g, s->state[0], s->state[1], u, &a)) return false;
    double size = adam_norm(s->p), length = adam_norm(u), trust = size > 0 && length > 0 ? size / length : 1;
    return gm_update_move(s->p, u, h[ADAM_LR] * trust, 1);
}

static const gm_optimizer_class adam_class = { sizeof(gm_optimizer_class), "adam", adam_hypers, adam_states, NULL,
                                               adam_update, NULL, 1, 0 },
                                adamw_class = { sizeof(gm_optimizer_class), "adamw", adam_hypers, adam_states, NULL,
                                                adamw_update, NULL, 1, 0 },
                                lamb_class = { sizeof(gm_optimizer_class), "lamb", adam_hypers, adam_states, NULL,
                                               lamb_update, NULL, 0, 0 };

static gm_optimizer *adam_new(const gm_optimizer_class *c, gm_module *net, double lr, const gm_adam_args *args,
                              double eps, double decay) {
    gm_adam_args a = { 0 };
    if (!gm_ok() || !gm__args_take(c->name, &a, sizeof a, args)) return NULL;
    double hyper[] = { lr, gm__real_or(a.beta1, 0.9), gm__real_or(a.beta2, 0.999), gm__real_or(a.eps, eps),
                       gm__real_or(a.weight_decay, decay) };
    return gm_optimizer_new(c, net, hyper);
}

gm_optimizer *gm_adam_with(gm_module *net, double lr, const gm_adam_args *args) {
    return adam_new(&adam_class, net, lr, args, 1e-8, 0);
}

gm_optimizer *gm_adamw_with(gm_module *net, double lr, const gm_adamw_args *args) {
    return adam_new(&adamw_class, net, lr, args, 1e-8, 0.01);
}

gm_optimizer *gm_lamb_with(gm_module *net, double lr, const gm_lamb_args *args) {
    return adam_new(&lamb_class, net, lr, args, 1e-6, 0.01);
}
