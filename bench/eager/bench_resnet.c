/* bench_resnet.c: one eager training step of ResNet-18 in the form for 32 x 32 pictures (11.2 million parameters, 53
 * billion multiply-adds a step), batch 32, cross-entropy, SGD with momentum: milliseconds of processor time, median of
 * a few steps, and the most memory the process ever had. (On a machine that does other work too, the time on the wall
 * says little.)
 *
 * With a folder as argument it is one side of bench_resnet.py: it takes x.npy, y.npy and the parameters from there and
 * makes a step for each line it reads, answering with milliseconds on the wall, of the processor and the loss. */
#include "gemel/gemel.h"
#include "measure.h"
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, SIDE = 32, CLASSES = 10, STEPS = 5 };

typedef struct { gm_module *net; gm_optimizer *opt; gm_tensor *x, *y; double wall_ms, cpu_ms, loss; } run;

static bool set_up(run *r, const char *folder) {
    r->net = gm_resnet18(.classes = CLASSES, .small = 1);
    r->x = folder ? peer_tensor(folder, "x") : gm_randn(GM_SHAPE(BATCH, 3, SIDE, SIDE), GM_F32);
    r->y = folder ? peer_tensor(folder, "y") : gm_randint(GM_SHAPE(BATCH), 0, CLASSES, GM_I64);
    if (folder) peer_parameters(r->net, folder);
    r->opt = gm_sgd(r->net, 0.01, .momentum = 0.9);
    return gm_ok();
}

static void step(run *r) {
    double wall = measure_seconds(CLOCK_MONOTONIC), cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    GM_SCOPE(s);
    gm_tensor *loss = gm_cross_entropy(gm_forward(r->net, r->x), r->y);
    gm_backward(loss);
    gm_step(r->opt);
    r->loss = gm_item(loss);
    r->wall_ms = (measure_seconds(CLOCK_MONOTONIC) - wall) * 1e3;
    r->cpu_ms = (measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e3;
}

static int answer(run *r) {
    char line[64];
    while (fgets(line, sizeof line, stdin) && gm_ok()) {
        step(r);
        printf("%.3f %.3f %.9g\n", r->wall_ms, r->cpu_ms, r->loss);
        fflush(stdout);
    }
    return gm_exit_status();
}

int main(int argc, char **argv) {
    run r;
    double ms[STEPS];
    if (!set_up(&r, argc > 1 ? argv[1] : NULL)) return gm_exit_status();
    if (argc > 1) return answer(&r);
    step(&r);
    for (int i = 0; i < STEPS; i++) {
        step(&r);
        ms[i] = r.cpu_ms;
    }
    double median = measure_median(ms, STEPS);
    printf(
        "ResNet-18, %d x %d, batch %d, SGD: %.0f ms a step (median), %.0f (least); at most %ld MiB, %.0f in tensors\n",
        SIDE, SIDE, BATCH, median, ms[0], measure_kib("VmHWM:") / 1024, (double)gm_memory_stats().bytes_peak / 1048576);
    return gm_exit_status();
}
