/* plain_layers.c: layers without parameters that are one operation: relu, flatten, dropout. */
#include "../../math/fp.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

typedef struct { int32_t reserved; } nn_relu;
typedef struct { int32_t reserved; } nn_flatten;
typedef struct { double p; } nn_dropout;

static gm_tensor *nn_relu_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_relu(x); }
static gm_tensor *nn_flatten_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_flatten_dims(x, 1, -1); }

static gm_tensor *nn_dropout_forward(gm_module *m, gm_tensor *x) {
    const nn_dropout *self = gm_state(m);
    return self && gm_is_training(m) ? gm_dropout(x, self->p) : x;
}

gm_module *gm_nn_relu(void) { return gm_module_new(nn_relu); }
gm_module *gm_nn_flatten(void) { return gm_module_new(nn_flatten); }

gm_module *gm_nn_dropout(double p) {
    if (!gm_ok()) return NULL;
    if (!(p >= 0 && p < 1)) return gm_fail(GM_ERROR_VALUE, "nn_dropout: p is %g, it is in [0, 1)", p), NULL;
    gm_module *m = gm_module_new(nn_dropout);
    nn_dropout *self = gm_state(m);
    if (self) self->p = p;
    return m;
}
