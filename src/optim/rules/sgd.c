/* sgd.c: stochastic gradient descent with momentum. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "../optimizer.h"
#include "gemel/ops.h"

#include <math.h>

enum { SGD_LR, SGD_MOMENTUM, SGD_DECAY, SGD_NESTEROV };
static const gm_hyper_kind sgd_hypers[] = {
    { "lr", 0, INFINITY, 0, 0 }, { "momentum", 0, 1, 0, 0 }, { "weight_decay", 0, INFINITY, 0, 0 },
    { "nesterov", 0, 2, 0, 0 },  { 0 },
};
static const char *const sgd_states[] = { "momentum_buffer", NULL };

static gm_tensor *sgd_state(int index, gm_tensor *p, const double *hyper) {
    (void)index;
    return hyper[SGD_MOMENTUM] != 0 ? gm_zeros_like(p) : NULL;
}

static bool sgd_update(const gm_optimizer_step *s) {
    const double *h = s->hyper;
    gm_sgd_scalars a = { h[SGD_LR], h[SGD_MOMENTUM], h[SGD_DECAY], s->t == 1, h[SGD_NESTEROV] != 0 };
    return gm_update_sgd(s->p, s->g, h[SGD_MOMENTUM] != 0 ? s->state[0] : NULL, &a);
}

static bool sgd_keeps_zeros(const double *hyper) { return hyper[SGD_MOMENTUM] == 0 && hyper[SGD_DECAY] == 0; }

static const gm_optimizer_class sgd_class = { sizeof(gm_optimizer_class), "sgd", sgd_hypers, sgd_states, sgd_state,
                                              sgd_update, sgd_keeps_zeros, 1, 0 };

gm_optimizer *gm_sgd_with(gm_module *net, double lr, const gm_sgd_args *args) {
    gm_sgd_args a = { 0 };
    if (!gm_ok() || !gm__args_take("sgd", &a, sizeof a, args)) return NULL;
    if (a.nesterov && a.momentum == 0) return gm_fail(GM_ERROR_VALUE, "sgd: nesterov needs a momentum"), NULL;
    double hyper[] = { lr, a.momentum, a.weight_decay, a.nesterov != 0 };
    return gm_optimizer_new(&sgd_class, net, hyper);
}
