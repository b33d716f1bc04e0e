/* pool_layer.c: pooling layers. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

typedef struct { int32_t kernel, stride, padding; } nn_max_pool2d;

static gm_tensor *nn_max_pool2d_forward(gm_module *m, gm_tensor *x) {
    const nn_max_pool2d *self = gm_state(m);
    return self ? gm_max_pool2d(x, self->kernel, .stride = self->stride, .padding = self->padding) : NULL;
}

gm_module *gm_nn_max_pool2d_with(int32_t kernel, const gm_nn_max_pool2d_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_max_pool2d_args a = { 0 };
    if (!gm__args_take("nn_max_pool2d", &a, sizeof a, args)) return NULL;
    if (kernel < 1 || a.stride < 0 || a.padding < 0)
        return gm_fail(GM_ERROR_VALUE, "nn_max_pool2d: kernel %d, stride %d, padding %d", kernel, a.stride, a.padding), NULL;
    gm_module *m = gm_module_new(nn_max_pool2d);
    nn_max_pool2d *self = gm_state(m);
    if (self) *self = (nn_max_pool2d){ kernel, a.stride ? a.stride : kernel, a.padding };
    return self ? m : NULL;
}
