/* bench_mlp.c: one eager training step of an MLP 784-128-10, batch 64, cross-entropy, Adam: microseconds, median of
 * rounds of STEPS steps.
 *
 * With --flat N it makes N steps and prints the memory of the process on the way. With a folder as argument it is one
 * side of bench_mlp.py: it takes x.npy, y.npy and the parameters from there and runs a round for each line it reads,
 * answering with microseconds per step and the loss of each step. */
#include "gemel/gemel.h"
#include "measure.h"
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN = 784, HIDDEN = 128, CLASSES = 10, BATCH = 64, STEPS = 50, ROUNDS = 20 };

typedef struct { gm_module *net; gm_optimizer *opt; gm_tensor *x, *y; double loss[STEPS]; } run;

static bool set_up(run *r, const char *folder) {
    r->net = gm_sequential(gm_nn_linear(IN, HIDDEN), gm_nn_relu(), gm_nn_linear(HIDDEN, CLASSES));
    r->x = folder ? peer_tensor(folder, "x") : gm_randn(GM_SHAPE(BATCH, IN), GM_F32);
    r->y = folder ? peer_tensor(folder, "y") : gm_randint(GM_SHAPE(BATCH), 0, CLASSES, GM_I64);
    if (folder) peer_parameters(r->net, folder);
    r->opt = gm_adam(r->net, 1e-3);
    return gm_ok();
}

/* Microseconds per step. The loss is read in every step, as training loops do that show it. */
static double round_of(run *r) {
    double begin = measure_seconds(CLOCK_MONOTONIC);
    for (int i = 0; i < STEPS; i++) {
        GM_SCOPE(s);
        gm_tensor *loss = gm_cross_entropy(gm_forward(r->net, r->x), r->y);
        gm_backward(loss);
        gm_step(r->opt);
        r->loss[i] = gm_item(loss);
    }
    return (measure_seconds(CLOCK_MONOTONIC) - begin) * 1e6 / STEPS;
}

static int flat(run *r, int steps) {
    printf("%8s %12s %10s %14s\n", "steps", "resident KiB", "objects", "tensor bytes");
    for (int i = 0; i <= steps && gm_ok(); i += STEPS) {
        gm_memory m = gm_memory_stats();
        if (i % (steps >= 10 * STEPS ? steps / 10 / STEPS * STEPS : STEPS) == 0)
            printf("%8d %12ld %10lld %14lld\n", i, measure_kib("VmRSS:"), (long long)m.n_objects,
                   (long long)m.bytes_in_use);
        round_of(r);
    }
    return gm_exit_status();
}

static int answer(run *r) {
    char line[64];
    while (fgets(line, sizeof line, stdin) && gm_ok()) {
        printf("%.3f", round_of(r));
        for (int i = 0; i < STEPS; i++) printf(" %.9g", r->loss[i]);
        printf("\n");
        fflush(stdout);
    }
    return gm_exit_status();
}

int main(int argc, char **argv) {
    run r;
    double us[ROUNDS];
    bool stay_flat = argc > 2 && !strcmp(argv[1], "--flat");
    if (!set_up(&r, argc > 1 && !stay_flat ? argv[1] : NULL)) return gm_exit_status();
    if (stay_flat) return flat(&r, atoi(argv[2]));
    if (argc > 1) return answer(&r);
    for (int i = 0; i < ROUNDS; i++) us[i] = round_of(&r);
    double median = measure_median(us, ROUNDS);
    printf("MLP %d-%d-%d, batch %d, Adam: %.1f us a step (median), %.1f (least)\n", IN, HIDDEN, CLASSES, BATCH,
           median, us[0]);
    return gm_exit_status();
}
