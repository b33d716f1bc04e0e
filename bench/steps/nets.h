/* nets.h: the nets whose whole training steps are measured, their inputs and their optimizers:
 *
 *   mlp          784-128-10, batch 64, Adam
 *   lenet        two convolutions of 3 x 3, two linear layers, batch 64, Adam
 *   lstm         64 features, 256 hidden, 64 steps, batch 8, Adam
 *   transformer  4 encoder layers, d 256, 4 heads, feed-forward 1024, T 128, batch 8, AdamW
 *   resnet18     the form for pictures of 32 x 32, batch 32, SGD with momentum
 *
 * The Python files beside this one hold the same nets for the peers, with the same names of parameters. */
#ifndef BENCH_STEPS_NETS_H
#define BENCH_STEPS_NETS_H
#include "gemel/gemel.h"

#include <stdio.h>
#include <string.h>

static const char *const nets_all[] = { "mlp", "lenet", "lstm", "transformer", "resnet18" };

/* The last output of a sequence of them, as a layer. */
static gm_tensor *nets_last_of(gm_module *m, gm_tensor *x) {
    (void)m;
    return gm_select(x, 1, gm_size(x, 1) - 1);
}

static gm_module *nets_last(void) {
    return gm_module_new_with(
        &(gm_module_class){ .size = sizeof(gm_module_class), .name = "last", .forward = nets_last_of });
}

static gm_module *nets_transformer(void) {
    gm_module *net = gm_sequential_list((gm_module *const[]){ GM_END });
    for (int i = 0; i < 4; i++) {
        char layer[16];
        snprintf(layer, sizeof layer, "%d", i);
        gm_child(net, layer, gm_nn_transformer_encoder_layer(256, 4, .feedforward = 1024, .dropout = GM_REAL(0)));
    }
    gm_child(net, "last", nets_last());
    gm_child(net, "head", gm_nn_linear(256, 10));
    return net;
}

/* A new net, from seed 1; NULL for a name that is none of them. */
static gm_module *nets_new(const char *name) {
    gm_seed(1);
    if (!strcmp(name, "mlp")) return gm_sequential(gm_nn_linear(784, 128), gm_nn_relu(), gm_nn_linear(128, 10));
    if (!strcmp(name, "lenet"))
        return gm_sequential(gm_nn_conv2d(1, 32, .kernel = 3, .padding = 1), gm_nn_relu(), gm_nn_max_pool2d(2),
                             gm_nn_conv2d(32, 64, .kernel = 3, .padding = 1), gm_nn_relu(), gm_nn_max_pool2d(2),
                             gm_nn_flatten(), gm_nn_linear(3136, 128), gm_nn_relu(), gm_nn_linear(128, 10));
    if (!strcmp(name, "resnet18")) return gm_resnet18(.classes = 10, .small = 1);
    if (!strcmp(name, "lstm")) return gm_sequential(gm_nn_lstm(64, 256), nets_last(), gm_nn_linear(256, 10));
    return !strcmp(name, "transformer") ? nets_transformer() : NULL;
}

static gm_tensor *nets_input(const char *name) {
    if (!strcmp(name, "mlp")) return gm_randn(GM_SHAPE(64, 784), GM_F32);
    if (!strcmp(name, "lenet")) return gm_randn(GM_SHAPE(64, 1, 28, 28), GM_F32);
    if (!strcmp(name, "resnet18")) return gm_randn(GM_SHAPE(32, 3, 32, 32), GM_F32);
    if (!strcmp(name, "lstm")) return gm_randn(GM_SHAPE(8, 64, 64), GM_F32);
    return gm_randn(GM_SHAPE(8, 128, 256), GM_F32);
}

static gm_tensor *nets_labels(gm_tensor *x) {
    return gm_randint(GM_SHAPE(gm_size(x, 0)), 0, 10, GM_I64);
}

static gm_optimizer *nets_optimizer(const char *name, gm_module *net) {
    if (!strcmp(name, "resnet18")) return gm_sgd(net, 0.01, .momentum = 0.9);
    if (!strcmp(name, "transformer")) return gm_adamw(net, 1e-3, .weight_decay = GM_REAL(0.01));
    return gm_adam(net, 1e-3);
}

#endif
