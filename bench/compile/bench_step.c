/* bench_step.c [NET...]: whole training steps (forward, cross-entropy, backward, optimizer) of the nets of
 * ../steps/nets.h, eager beside compiled, in turn. The losses of both are compared, bit for bit.
 *
 * Microseconds of CPU time and of the clock, medians with the least; calls of kernels in a step; bytes of the arena
 * beside the peak of an eager step; milliseconds of recording and planning, and of waiting for the loops after the
 * second step. */
#include "gemel/gemel.h"
#include "../steps/nets.h"
#include "measure.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 15, MOST_STEPS = 20 };

typedef struct { gm_module *net; gm_optimizer *optimizer; int steps; } side;

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
    gm_tensor *x = nets_input(name), *y = nets_labels(x);
    side a = { nets_new(name), NULL, steps }, b = { nets_new(name), NULL, steps };
    a.optimizer = nets_optimizer(name, a.net), b.optimizer = nets_optimizer(name, b.net);
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
    printf("%-12s %9s %9s %6s %9s %9s %8s %7s %7s %7s %7s\n", "us a step", "eager cpu", "compiled", "ratio", "clock",
           "compiled", "kernels", "arena", "peak", "record", "build");
    for (int i = 0; i < (argc > 1 ? argc - 1 : 5); i++) measure(argc > 1 ? argv[i + 1] : nets_all[i]);
    return gm_exit_status();
}
