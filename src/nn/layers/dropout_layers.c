/* dropout_layers.c: dropout: elements, channels, and the form for selu nets. */
#include "../../math/fp.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

#include <math.h>

typedef struct { double p; } dropout_state;

static gm_module *dropout_new(const char *name, gm_forward_fn forward, double p) {
    if (!gm_ok()) return NULL;
    if (!(p >= 0 && p < 1)) return gm_fail(GM_ERROR_VALUE, "%s: p is %g, it is in [0, 1)", name, p), NULL;
    gm_module_class c = { .size = sizeof c, .name = name, .state_bytes = sizeof(dropout_state), .forward = forward };
    gm_module *m = gm_module_new_with(&c);
    dropout_state *self = gm_state(m);
    if (self) self->p = p;
    return m;
}

/* What there is to drop: 0 in evaluation. */
static double dropout_now(gm_module *m) {
    const dropout_state *self = gm_state(m);
    return self && gm_is_training(m) ? self->p : 0;
}

static gm_tensor *nn_dropout_forward(gm_module *m, gm_tensor *x) {
    double p = dropout_now(m);
    return p > 0 ? gm_dropout(x, p) : x;
}

static gm_tensor *nn_dropout_channels_forward(gm_module *m, gm_tensor *x) {
    double p = dropout_now(m);
    return p > 0 ? gm_dropout_channels(x, p) : x;
}

/* Dropped elements become selu's limit at minus infinity; then scale and shift restore mean 0 and deviation 1. */
static gm_tensor *nn_alpha_dropout_forward(gm_module *m, gm_tensor *x) {
    static const double limit = -1.7580993408473766;
    double p = dropout_now(m);
    if (!(p > 0)) return x;
    double scale = 1 / sqrt((1 - p) * (1 + p * limit * limit)), shift = -scale * limit * p;
    gm_tensor *kept = gm_bernoulli(gm_full_like(x, 1 - p));
    return gm_add_scalar(gm_mul_scalar(gm_where(kept, x, gm_full_like(x, limit)), scale), shift);
}

gm_module *gm_nn_dropout(double p) { return dropout_new("nn_dropout", nn_dropout_forward, p); }
gm_module *gm_nn_dropout_channels(double p) {
    return dropout_new("nn_dropout_channels", nn_dropout_channels_forward, p);
}
gm_module *gm_nn_alpha_dropout(double p) { return dropout_new("nn_alpha_dropout", nn_alpha_dropout_forward, p); }
