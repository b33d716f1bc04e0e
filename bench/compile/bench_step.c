/* bench_step.c [NET...]: whole training steps (forward, cross-entropy, backward, Adam), eager beside compiled, in turn;
 * mlp (784-128-10, batch 64), lenet (batch 64), lstm (256 hidden, 64 steps, batch 8), transformer (4 layers, d 256, T
 * 128, batch 8). The losses of both are compared, bit for bit.
 *
 * Microseconds of CPU time and of the clock, medians with the least; calls of kernels in a step; bytes of the arena
 * beside the peak of an eager step; milliseconds of recording and planning, and of waiting for the loops after the
 * second step. */
#include "gemel/gemel.h"
#include "measure.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 15, MOST_STEPS = 20 };

typedef struct { gm_module *net; gm_optimizer *optimizer; int steps; } side;

/* The last output of a sequence of them, as a layer. */
static gm_tensor *last_of(gm_module *m, gm_tensor *x) {
    (void)m;
    return gm_select(x, 1, gm_size(x, 1) - 1);
}

static gm_module *last_layer(void) {
    return gm_module_new_with(
        &(gm_module_class){ .size = sizeof(gm_module_class), .name = "last", .forward = last_of });
}

static gm_module *new_net(const char *name) {
    gm_seed(1);
    if (!strcmp(name, "mlp")) return gm_sequential(gm_nn_linear(784, 128), gm_nn_relu(), gm_nn_linear(128, 10));
    if (!strcmp(name, "lenet"))
        return gm_sequential(gm_nn_conv2d(1, 32, .kernel = 3, .padding = 1), gm_nn_relu(), gm_nn_max_pool2d(2),
                             gm_nn_conv2d(32, 64, .kernel = 3, .padding = 1), gm_nn_relu(), gm_nn_max_pool2d(2),
                             gm_nn_flatten(), gm_nn_linear(3136, 128), gm_nn_relu(), gm_nn_linear(128, 10));
    if (!strcmp(name, "resnet18")) return gm_resnet18(.classes = 10, .small = 1);
    if (!strcmp(name, "lstm")) return gm_sequential(gm_nn_lstm(64, 256), last_layer(), gm_nn_linear(256, 10));
    gm_module *net = gm_sequential_list((gm_module *const[]){ GM_END });
    for (int i = 0; i < 4; i++) {
        char layer[16];
        snprintf(layer, sizeof layer, "%d", i);
        gm_child(net, layer, gm_nn_transformer_encoder_layer(256, 4, .feedforward = 1024, .dropout = GM_REAL(0)));
    }
    gm_child(net, "last", last_layer());
    gm_child(net, "head", gm_nn_linear(256, 10));
    return net;
}

static gm_tensor *new_input(const char *name) {
    if (!strcmp(name, "mlp")) return gm_randn(GM_SHAPE(64, 784), GM_F32);
    if (!strcmp(name, "lenet")) return gm_randn(GM_SHAPE(64, 1, 28, 28), GM_F32);
    if (!strcmp(name, "resnet18")) return gm_randn(GM_SHAPE(32, 3, 32, 32), GM_F32);
    if (!strcmp(name, "lstm")) return gm_randn(GM_SHAPE(8, 64, 64), GM_F32);
    return gm_randn(GM_SHAPE(8, 128, 256), GM_F32);
}

static gm_tensor *step(void *env, gm_tensor *x, gm_tensor *y) {
    side *s = env;
    gm_tensor *loss = gm_cross_entropy(gm_forward(s->net, x), y);
    gm_backward(loss);
    gm_step(s->optimizer);
    return loss;
}

typedef struct { double clock[ROUNDS], cpu[ROUNDS]; double loss[ROUNDS][MOST_STEPS]; } times;

static void round_of(side *s, gm_fn *f, gm_tensor *x, gm_tensor *y, times *t, int r) {
    double clock = measure_seconds(CLOCK_MONOTONIC), cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < s->steps; i++) {
        GM_SCOPE(scope);
        t->loss[r][i] = gm_item(f ? gm_call(f, x, y) : step(s, x, y));
    }
    t->clock[r] = (measure_seconds(CLOCK_MONOTONIC) - clock) * 1e6 / s->steps;
    t->cpu[r] = (measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / s->steps;
}

static void measure(const char *name) {
    GM_SCOPE(scope);
    static times eager, compiled;
    int steps = !strcmp(name, "mlp") ? 20 : !strcmp(name, "lenet") ? 3 : 1;
    gm_tensor *x = new_input(name), *y = gm_randint(GM_SHAPE(gm_size(x, 0)), 0, 10, GM_I64);
    side a = { new_net(name), NULL, steps }, b = { new_net(name), NULL, steps };
    a.optimizer = gm_adam(a.net, 1e-3), b.optimizer = gm_adam(b.net, 1e-3);
    gm_fn *f = gm_jit(gm_function(step, &b));
    gm_memory before = gm_memory_stats();
    gm_memory_reset_peak();
    step(&a, x, y);
    int64_t peak = gm_memory_stats().bytes_peak - before.bytes_in_use;
    gm_call(f, x, y);
    step(&a, x, y), gm_call(f, x, y);
    double recorded = gm_jit_statistics(f).seconds, begin = measure_seconds(CLOCK_MONOTONIC);
    gm_jit_wait(f);
    double waited = measure_seconds(CLOCK_MONOTONIC) - begin;
    for (int r = 0; r < ROUNDS && gm_ok(); r++)
        round_of(&a, NULL, x, y, &eager, r), round_of(&b, f, x, y, &compiled, r);
    gm_jit_stats t = gm_jit_statistics(f);
    bool same = !memcmp(eager.loss, compiled.loss, sizeof eager.loss);
    double e = measure_median(eager.cpu, ROUNDS), c = measure_median(compiled.cpu, ROUNDS);
    double ec = measure_median(eager.clock, ROUNDS), cc = measure_median(compiled.clock, ROUNDS);
    printf("%-12s %9.0f %9.0f %6.2f %9.0f %9.0f %8lld %7.1f %7.1f %7.0f %7.0f  %s\n", name, e, c, e / c, ec, cc,
           (long long)t.last_kernels, (double)t.last_arena_bytes / 1048576, (double)peak / 1048576,
           recorded * 1e3, waited * 1e3,
           !gm_ok() ? gm_error_message()
           : same   ? "same bits"
                    : "DIFFERENT LOSSES");
}

int main(int argc, char **argv) {
    static const char *const all[] = { "mlp", "lenet", "lstm", "transformer", "resnet18" };
    printf("%-12s %9s %9s %6s %9s %9s %8s %7s %7s %7s %7s\n", "us a step", "eager cpu", "compiled", "ratio", "clock",
           "compiled", "kernels", "arena", "peak", "record", "build");
    for (int i = 0; i < (argc > 1 ? argc - 1 : 5); i++) measure(argc > 1 ? argv[i + 1] : all[i]);
    return gm_exit_status();
}
