/* adagrad.c: Adagrad, RMSprop and Adadelta: steps divided by the root of squares, summed or averaged. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "../optimizer.h"
#include "gemel/ops.h"

#include <math.h>

/* ---- Adagrad ---- */

enum { ADAGRAD_LR, ADAGRAD_LR_DECAY, ADAGRAD_DECAY, ADAGRAD_INITIAL, ADAGRAD_EPS };
static const gm_hyper_kind adagrad_hypers[] = {
    { "lr", 0, INFINITY, 0, 0 },
    { "lr_decay", 0, INFINITY, 0, 0 },
    { "weight_decay", 0, INFINITY, 0, 0 },
    { "initial_accumulator_value", 0, INFINITY, 0, 0 },
    { "eps", 0, INFINITY, 0, 0 },
    { 0 },
};
static const char *const adagrad_states[] = { "sum", NULL };

static gm_tensor *adagrad_state(int index, gm_tensor *p, const double *hyper) {
    (void)index;
    return gm_full_like(p, hyper[ADAGRAD_INITIAL]);
}

static bool adagrad_update(const gm_optimizer_step *s) {
    const double *h = s->hyper;
    double slower = (double)(s->t - 1) * h[ADAGRAD_LR_DECAY];
    gm_adagrad_scalars a = { h[ADAGRAD_LR] / (1 + slower), h[ADAGRAD_DECAY], h[ADAGRAD_EPS] };
    return gm_update_adagrad(s->p, s->g, s->state[0], &a);
}

static bool adagrad_keeps_zeros(const double *hyper) { return hyper[ADAGRAD_DECAY] == 0 && hyper[ADAGRAD_EPS] > 0; }

static const gm_optimizer_class adagrad_class = { sizeof(gm_optimizer_class),
                                                  "adagrad",
                                                  adagrad_hypers,
                                                  adagrad_states,
                                                  adagrad_state,
                                                  adagrad_update,
                                                  adagrad_keeps_zeros,
                                                  1,
                                                  0 };

gm_optimizer *gm_adagrad_with(gm_module *net, double lr, const gm_adagrad_args *args) {
    gm_adagrad_args a = { 0 };
    if (!gm_ok() || !gm__args_take("adagrad", &a, sizeof a, args)) return NULL;
    double hyper[] = { lr, a.lr_decay, a.weight_decay, a.initial, gm__real_or(a.eps, 1e-10) };
    return gm_optimizer_new(&adagrad_class, net, hyper);
}

/* ---- RMSprop ---- */

enum { RMSPROP_LR, RMSPROP_ALPHA, RMSPROP_EPS, RMSPROP_MOMENTUM, RMSPROP_DECAY, RMSPROP_CENTERED };
static const gm_hyper_kind rmsprop_hypers[] = {
    { "lr", 0, INFINITY, 0, 0 },           { "alpha", 0, 1, 0, 0 },    { "eps", 0, INFINITY, 0, 0 },
    { "momentum", 0, 1, 0, 0 },            { "weight_decay", 0, INFINITY, 0, 0 },
    { "centered", 0, 2, 0, 0 },            { 0 },
};
static const char *const rmsprop_states[] = { "square_avg", "grad_avg", "momentum_buffer", NULL };

static gm_tensor *rmsprop_state(int index, gm_tensor *p, const double *hyper) {
    bool wanted = index == 0 || hyper[index == 1 ? RMSPROP_CENTERED : RMSPROP_MOMENTUM] != 0;
    return wanted ? gm_zeros_like(p) : NULL;
}

static bool rmsprop_update(const gm_optimizer_step *s) {
    const double *h = s->hyper;
    gm_rmsprop_scalars a = { h[RMSPROP_LR], 1 - h[RMSPROP_ALPHA], h[RMSPROP_ALPHA], h[RMSPROP_EPS],
                             h[RMSPROP_MOMENTUM], h[RMSPROP_DECAY] };
    return gm_update_rmsprop(s->p, s->g, s->state[0], h[RMSPROP_CENTERED] != 0 ? s->state[1] : NULL,
                             h[RMSPROP_MOMENTUM] != 0 ? s->state[2] : NULL, &a);
}

static const gm_optimizer_class rmsprop_class = {
    sizeof(gm_optimizer_class), "rmsprop", rmsprop_hypers, rmsprop_states, rmsprop_state, rmsprop_update, NULL, 1, 0
};

gm_optimizer *gm_rmsprop_with(gm_module *net, double lr, const gm_rmsprop_args *args) {
    gm_rmsprop_args a = { 0 };
    if (!gm_ok() || !gm__args_take("rmsprop", &a, sizeof a, args)) return NULL;
    double hyper[] = { lr, gm__real_or(a.alpha, 0.99), gm__real_or(a.eps, 1e-8), a.momentum, a.weight_decay,
                       a.centered != 0 };
    return gm_optimizer_new(&rmsprop_class, net, hyper);
}

/* ---- Adadelta ---- */

enum { ADADELTA_LR, ADADELTA_RHO, ADADELTA_EPS, ADADELTA_DECAY };
static const gm_hyper_kind adadelta_hypers[] = {
    { "lr", 0, INFINITY, 0, 0 }, { "rho", 0, 1, 0, 0 }, { "eps", 0, INFINITY, 0, 0 },
    { "weight_decay", 0, INFINITY, 0, 0 }, { 0 },
};
static const char *const adadelta_states[] = { "square_avg", "acc_delta", NULL };

static bool adadelta_update(const gm_optimizer_step *s) {
    const double *h = s->hyper;
    gm_adadelta_scalars a = { h[ADADELTA_LR], 1 - h[ADADELTA_RHO], h[ADADELTA_RHO], h[ADADELTA_EPS],
                              h[ADADELTA_DECAY] };
    return gm_update_adadelta(s->p, s->g, s->state[0], s->state[1], &a);
}

static const gm_optimizer_class adadelta_class = {
    sizeof(gm_optimizer_class), "adadelta", adadelta_hypers, adadelta_states, NULL, adadelta_update, NULL, 1, 0
};

gm_optimizer *gm_adadelta_with(gm_module *net, double lr, const gm_adadelta_args *args) {
    gm_adadelta_args a = { 0 };
    if (!gm_ok() || !gm__args_take("adadelta", &a, sizeof a, args)) return NULL;
    double hyper[] = { lr, gm__real_or(a.rho, 0.9), gm__real_or(a.eps, 1e-6), a.weight_decay };
    return gm_optimizer_new(&adadelta_class, net, hyper);
}
