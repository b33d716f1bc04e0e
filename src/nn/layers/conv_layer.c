/* conv_layer.c: the two-dimensional convolution layer. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

#include <math.h>

typedef struct { gm_tensor *weight, *bias; int32_t stride, padding, groups; } nn_conv2d;

static gm_tensor *nn_conv2d_forward(gm_module *m, gm_tensor *x) {
    const nn_conv2d *self = gm_state(m);
    if (!self) return NULL;
    return gm_conv2d(x, self->weight, .bias = self->bias, .stride = self->stride, .padding = self->padding,
                     .groups = self->groups);
}

gm_module *gm_nn_conv2d_with(int64_t in, int64_t out, const gm_nn_conv2d_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_conv2d_args a = { 0 };
    if (!gm__args_take("nn_conv2d", &a, sizeof a, args)) return NULL;
    if (!a.kernel) a.kernel = 3;
    if (!a.stride) a.stride = 1;
    if (!a.groups) a.groups = 1;
    if (in < 1 || out < 1 || a.kernel < 1 || a.stride < 1 || a.padding < 0 || a.groups < 1 || in % a.groups || out % a.groups)
        return gm_fail(GM_ERROR_VALUE, "nn_conv2d: %lld to %lld channels, kernel %d, stride %d, padding %d, groups %d",
                       (long long)in, (long long)out, a.kernel, a.stride, a.padding, a.groups), NULL;
    gm_dtype dtype = a.dtype ? a.dtype : GM_F32;
    double bound = 1 / sqrt((double)(in / a.groups) * a.kernel * a.kernel); /* Kaiming uniform with a = sqrt(5) */
    gm_module *m = gm_module_new(nn_conv2d);
    nn_conv2d *self = gm_state(m);
    if (!self) return NULL;
    *self = (nn_conv2d){ .stride = a.stride, .padding = a.padding, .groups = a.groups };
    self->weight = gm_param_init(m, "weight", GM_SHAPE(out, in / a.groups, a.kernel, a.kernel), dtype, GM_INIT_UNIFORM,
                                 -bound, bound);
    if (!a.no_bias) self->bias = gm_param_init(m, "bias", GM_SHAPE(out), dtype, GM_INIT_UNIFORM, -bound, bound);
    return gm_ok() ? m : NULL;
}
