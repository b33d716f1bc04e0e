/* resnet.c: residual nets (He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition"), named and
 * initialised as torchvision's. Four stages of blocks; each stage but the first halves the picture and doubles the
 * width. A block is two convolutions of 3 x 3, or a bottleneck of 1 x 1, 3 x 3 (with the stride) and 1 x 1. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/ops.h"
#include "zoo.h"

#include <stdio.h>

typedef struct { gm_module *conv[3], *norm[3], *shortcut; int32_t n; } residual_block;

static gm_tensor *residual_block_forward(gm_module *m, gm_tensor *x) {
    const residual_block *self = gm_state(m);
    gm_tensor *y = x;
    for (int i = 0; self && i < self->n; i++) {
        y = gm_forward(self->norm[i], gm_forward(self->conv[i], y));
        if (i + 1 < self->n) y = gm_relu(y);
    }
    return self ? gm_relu(gm_add(y, self->shortcut ? gm_forward(self->shortcut, x) : x)) : NULL;
}

static gm_module *resnet_conv(int64_t in, int64_t out, int32_t kernel, int32_t stride) {
    gm_module *m = gm_nn_conv2d(in, out, .kernel = kernel, .stride = stride, .padding = kernel / 2, .no_bias = 1);
    gm_init_parameters(m, NULL, GM_INIT_KAIMING_NORMAL, 0, 1);
    return m;
}

static gm_module *resnet_block(int64_t in, int64_t width, bool bottleneck, int32_t stride) {
    int64_t out = bottleneck ? 4 * width : width;
    gm_module *m = gm_module_new(residual_block);
    residual_block *self = gm_state(m);
    if (!self) return NULL;
    self->n = bottleneck ? 3 : 2;
    for (int i = 0; i < self->n; i++) {
        bool last = i + 1 == self->n, wide = !bottleneck || i == 1;
        char conv[16], norm[16];
        snprintf(conv, sizeof conv, "conv%d", i + 1);
        snprintf(norm, sizeof norm, "bn%d", i + 1);
        int32_t step = i == bottleneck ? stride : 1;
        self->conv[i] = gm_child(m, conv, resnet_conv(i ? width : in, last ? out : width, wide ? 3 : 1, step));
        self->norm[i] = gm_child(m, norm, gm_nn_batch_norm2d(last ? out : width));
    }
    if (stride != 1 || in != out)
        self->shortcut =
            gm_child(m, "downsample", gm_sequential(resnet_conv(in, out, 1, stride), gm_nn_batch_norm2d(out)));
    return gm_ok() ? m : NULL;
}

static gm_module *resnet_stage(int64_t in, int64_t width, bool bottleneck, int n, int32_t stride) {
    gm_module *m = gm_sequential_list((gm_module *const[]){ GM_END });
    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        gm_child(m, name, resnet_block(i ? (bottleneck ? 4 : 1) * width : in, width, bottleneck, i ? 1 : stride));
    }
    return m;
}

static gm_module *resnet_new(const char *name, const gm_resnet_args *args, const int *blocks, bool bottleneck) {
    if (!gm_ok()) return NULL;
    gm_resnet_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args)) return NULL;
    if (a.classes < 0 || a.channels < 0 || a.width < 0)
        return gm_fail(GM_ERROR_VALUE, "%s: %lld classes, %lld channels, width %lld", name, (long long)a.classes,
                       (long long)a.channels, (long long)a.width),
               NULL;
    int64_t channels = a.channels ? a.channels : 3, width = a.width ? a.width : 64, in = width;
    gm_module *m = gm_sequential_list((gm_module *const[]){ GM_END });
    gm_child(m, "conv1", resnet_conv(channels, width, a.small ? 3 : 7, a.small ? 1 : 2));
    gm_child(m, "bn1", gm_nn_batch_norm2d(width));
    gm_child(m, "relu", gm_nn_relu());
    if (!a.small) gm_child(m, "maxpool", gm_nn_max_pool2d(3, .stride = 2, .padding = 1));
    for (int i = 0; i < 4; i++, width *= 2) {
        char stage[32];
        snprintf(stage, sizeof stage, "layer%d", i + 1);
        gm_child(m, stage, resnet_stage(in, width, bottleneck, blocks[i], i ? 2 : 1));
        in = bottleneck ? 4 * width : width;
    }
    gm_child(m, "avgpool", gm_nn_global_avg_pool());
    gm_child(m, "fc", gm_nn_linear(in, a.classes ? a.classes : 1000));
    return gm_ok() ? m : NULL;
}

gm_module *gm_resnet18_with(const gm_resnet_args *args) {
    return resnet_new("resnet18", args, (const int[]){ 2, 2, 2, 2 }, false);
}
gm_module *gm_resnet34_with(const gm_resnet_args *args) {
    return resnet_new("resnet34", args, (const int[]){ 3, 4, 6, 3 }, false);
}
gm_module *gm_resnet50_with(const gm_resnet_args *args) {
    return resnet_new("resnet50", args, (const int[]){ 3, 4, 6, 3 }, true);
}
gm_module *gm_resnet101_with(const gm_resnet_args *args) {
    return resnet_new("resnet101", args, (const int[]){ 3, 4, 23, 3 }, true);
}
gm_module *gm_resnet152_with(const gm_resnet_args *args) {
    return resnet_new("resnet152", args, (const int[]){ 3, 8, 36, 3 }, true);
}

static gm_resnet_args resnet_for(gm_shape input, int64_t classes) {
    return (gm_resnet_args){ .size = sizeof(gm_resnet_args),
                             .classes = classes,
                             .channels = input.d[0],
                             .small = input.d[1] < 64 || input.d[2] < 64 };
}

gm_module *gm__zoo_resnet18(gm_shape input, int64_t classes) {
    gm_resnet_args a = resnet_for(input, classes);
    return gm__zoo_is_image("resnet18", input, 8) ? gm_resnet18_with(&a) : NULL;
}
gm_module *gm__zoo_resnet50(gm_shape input, int64_t classes) {
    gm_resnet_args a = resnet_for(input, classes);
    return gm__zoo_is_image("resnet50", input, 8) ? gm_resnet50_with(&a) : NULL;
}
