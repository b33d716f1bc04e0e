/* linear_layer.c: the fully connected layer. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

#include <math.h>

typedef struct { gm_tensor *weight, *bias; } nn_linear;

static gm_tensor *nn_linear_forward(gm_module *m, gm_tensor *x) {
    const nn_linear *self = gm_state(m);
    return self ? gm_linear(x, self->weight, self->bias) : NULL;
}

gm_module *gm_nn_linear_with(int64_t in, int64_t out, const gm_nn_linear_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_linear_args a = { 0 };
    if (!gm__args_take("nn_linear", &a, sizeof a, args)) return NULL;
    if (in < 1 || out < 1)
        return gm_fail(GM_ERROR_VALUE, "nn_linear: %lld inputs, %lld outputs; both are at least 1", (long long)in,
                       (long long)out),
               NULL;
    gm_dtype dtype = a.dtype ? a.dtype : GM_F32;
    double bound = 1 / sqrt((double)in); /* Kaiming uniform with a = sqrt(5) */
    gm_module *m = gm_module_new(nn_linear);
    nn_linear *self = gm_state(m);
    if (!self) return NULL;
    self->weight = gm_param_init(m, "weight", GM_SHAPE(out, in), dtype, GM_INIT_UNIFORM, -bound, bound);
    if (!a.no_bias) self->bias = gm_param_init(m, "bias", GM_SHAPE(out), dtype, GM_INIT_UNIFORM, -bound, bound);
    return gm_ok() ? m : NULL;
}
