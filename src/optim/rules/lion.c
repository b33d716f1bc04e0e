/* lion.c: Lion: steps of one length, along the sign of a momentum. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "../optimizer.h"
#include "gemel/ops.h"

#include <math.h>

enum { LION_LR, LION_BETA1, LION_BETA2, LION_DECAY };
static const gm_hyper_kind lion_hypers[] = {
    { "lr", 0, INFINITY, 0, 0 }, { "beta1", 0, 1, 0, 0 }, { "beta2", 0, 1, 0, 0 },
    { "weight_decay", 0, INFINITY, 0, 0 }, { 0 },
};
static const char *const lion_states[] = { "exp_avg", NULL };

static bool lion_update(const gm_optimizer_step *s) {
    const double *h = s->hyper;
    double decay = h[LION_LR] * h[LION_DECAY];
    gm_lion_scalars a = { h[LION_LR], 1 - h[LION_BETA1], 1 - h[LION_BETA2], 1 - decay };
    return gm_update_lion(s->p, s->g, s->state[0], &a);
}

static const gm_optimizer_class lion_class = { sizeof(gm_optimizer_class), "lion", lion_hypers, lion_states, NULL,
                                               lion_update, NULL, 1, 0 };

gm_optimizer *gm_lion_with(gm_module *net, double lr, const gm_lion_args *args) {
    gm_lion_args a = { 0 };
    if (!gm_ok() || !gm__args_take("lion", &a, sizeof a, args)) return NULL;
    double hyper[] = { lr, gm__real_or(a.beta1, 0.9), gm__real_or(a.beta2, 0.99), a.weight_decay };
    return gm_optimizer_new(&lion_class, net, hyper);
}
