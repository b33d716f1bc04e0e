/* bench_chain.c: chains of operations on values larger than the caches: eager, compiled with each kernel for the whole
 * batch, and compiled with the chain in strips of it, in turn. Milliseconds of the clock, medians of 15 calls; calls of
 * kernels, and bytes of the arena. The results are compared, bit for bit. */
#include "compile/strip.h"
#include "gemel/gemel.h"
#include "measure.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 15, SIDES = 3 };

static gm_tensor *softmax(void *env, gm_tensor *x) {
    (void)env;
    return gm_mul_scalar(gm_softmax(gm_mul_scalar(x, 0.5), -1), 3);
}

static gm_tensor *layer_norm(void *env, gm_tensor *x) {
    (void)env;
    return gm_gelu(gm_layer_norm(gm_add(x, gm_sigmoid(x)), 1));
}

static gm_tensor *depthwise(void *env, gm_tensor *x) {
    gm_tensor **w = env;
    x = gm_conv2d(gm_clamp(x, 0, 6), w[0], .bias = w[1], .padding = 1, .groups = (int)gm_size(x, 1));
    return gm_clamp(x, 0, 6);
}

/* f jitted, and its loops built, with strips or without. */
static gm_fn *compiled(gm_fn *f, gm_tensor *x, bool strips) {
    gm__strips_limit((gm__strip_limits){ .least_value = strips ? 0 : INT64_MAX });
    gm_fn *jit = gm_jit(f);
    for (int i = 0; i < 2; i++) gm_call(jit, x);
    gm_jit_wait(jit);
    gm_call(jit, x);
    return jit;
}

static bool same_bits(gm_tensor *a, gm_tensor *b) {
    return a && b && !memcmp(gm_data(a), gm_data(b), (size_t)gm_count(a) * 4);
}

static void measure(const char *name, gm_fn1 function, void *env, gm_tensor *x) {
    GM_SCOPE(scope);
    double t[SIDES][ROUNDS];
    gm_fn *f = gm_function(function, env), *side[SIDES] = { f, compiled(f, x, false), compiled(f, x, true) };
    bool same = same_bits(gm_call(f, x), gm_call(side[1], x)) && same_bits(gm_call(f, x), gm_call(side[2], x));
    for (int r = 0; r < ROUNDS; r++)
        for (int k = 0; k < SIDES; k++) {
            GM_SCOPE(inner);
            double begin = measure_seconds(CLOCK_MONOTONIC);
            gm_call(side[k], x);
            t[k][r] = (measure_seconds(CLOCK_MONOTONIC) - begin) * 1e3;
        }
    gm_jit_stats whole = gm_jit_statistics(side[1]), strips = gm_jit_statistics(side[2]);
    double a = measure_median(t[0], ROUNDS), b = measure_median(t[1], ROUNDS), c = measure_median(t[2], ROUNDS);
    printf("%-12s %8.2f %8.2f %8.2f %6.2f %6lld %6lld %8.1f %8.1f  %s\n", name, a, b, c, b / c,
           (long long)whole.last_kernels, (long long)strips.last_kernels, (double)whole.last_arena_bytes / 1048576,
           (double)strips.last_arena_bytes / 1048576, same ? "same bits" : "DIFFERENT");
}

int main(void) {
    GM_SCOPE(scope);
    gm_tensor *w[] = { gm_randn(GM_SHAPE(96, 1, 3, 3), GM_F32), gm_randn(GM_SHAPE(96), GM_F32) };
    printf("%-12s %8s %8s %8s %6s %6s %6s %8s %8s\n", "ms", "eager", "whole", "strips", "ratio", "calls", "calls",
           "MiB", "MiB");
    measure("softmax", softmax, NULL, gm_randn(GM_SHAPE(4096, 4096), GM_F32));
    measure("layer norm", layer_norm, NULL, gm_randn(GM_SHAPE(8192, 1024), GM_F32));
    measure("depthwise", depthwise, w, gm_randn(GM_SHAPE(16, 96, 56, 56), GM_F32));
    return gm_exit_status();
}
