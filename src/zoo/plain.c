/* plain.c: the small nets to begin with. */
#include "../math/fp.h"
#include "zoo.h"

/* Two convolutions, each with pooling, and two linear layers: LeNet's form (LeCun et al. 1998) in today's widths. */
gm_module *gm__zoo_lenet(gm_shape input, int64_t classes) {
    if (!gm__zoo_is_image("lenet", input, 4)) return NULL;
    int64_t h = input.d[1] / 4, w = input.d[2] / 4;
    return gm_sequential(gm_nn_conv2d(input.d[0], 32, .kernel = 3, .padding = 1), gm_nn_relu(), gm_nn_max_pool2d(2),
                         gm_nn_conv2d(32, 64, .kernel = 3, .padding = 1), gm_nn_relu(), gm_nn_max_pool2d(2),
                         gm_nn_flatten(), gm_nn_linear(64 * h * w, 128), gm_nn_relu(), gm_nn_linear(128, classes));
}

gm_module *gm__zoo_mlp(gm_shape input, int64_t classes) {
    return gm_sequential(gm_nn_flatten(), gm_nn_linear(gm_shape_count(input), 256), gm_nn_relu(),
                         gm_nn_linear(256, 128), gm_nn_relu(), gm_nn_linear(128, classes));
}
