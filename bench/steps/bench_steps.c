/* bench_steps.c: Gemel's side of steps.py.
 *
 *     bench_steps NET FILE write              starting weights and data, as safetensors, for every side
 *     bench_steps NET FILE eager|compiled     answers lines of standard input, a line of JSON each
 *
 * Lines: "first N" takes the first N steps, and waits for the built plan: seconds until the first loss and until the
 * plan was there, and the losses; "run N": seconds on the wall and of the processors for N steps; "memory": KiB. */
#include "gemel/gemel.h"
#include "measure.h"
#include "nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LOSSES = 64 };

typedef struct { gm_module *net; gm_optimizer *optimizer; gm_tensor *x, *y; gm_fn *compiled; } side;

static int write_file(const char *name, const char *path) {
    gm_module *net = nets_new(name);
    gm_pack *all = gm_pack_new(), *state = gm_state_dict(net);
    for (int64_t i = 0; i < gm_pack_count(state); i++) gm_pack_set(all, gm_pack_name(state, i), gm_pack_at(state, i));
    gm_tensor *x = nets_input(name);
    gm_pack_set(all, "input.x", x);
    gm_pack_set(all, "input.y", nets_labels(x));
    gm_save_safetensors(all, NULL, path);
    return gm_exit_status();
}

static gm_tensor *step(void *env, gm_tensor *x, gm_tensor *y) {
    side *s = env;
    gm_tensor *loss = gm_cross_entropy(gm_forward(s->net, x), y);
    gm_backward(loss);
    gm_step(s->optimizer);
    return loss;
}

static double take_step(side *s) {
    GM_SCOPE(scope);
    return gm_item(s->compiled ? gm_call(s->compiled, s->x, s->y) : step(s, s->x, s->y));
}

static bool set_up(side *s, const char *name, const char *path, bool compiled) {
    gm_pack *all = gm_load_safetensors(path), *state = NULL;
    s->net = nets_new(name);
    state = gm_state_dict(s->net);
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(state); i++)
        gm_assign(gm_pack_at(state, i), gm_get(all, gm_pack_name(state, i)));
    s->x = gm_get(all, "input.x"), s->y = gm_get(all, "input.y");
    s->optimizer = nets_optimizer(name, s->net);
    s->compiled = compiled ? gm_jit(gm_function(step, s)) : NULL;
    return gm_ok();
}

static void answer_first(side *s, int n) {
    double losses[MOST_LOSSES], begin = measure_seconds(CLOCK_MONOTONIC), first = 0, built = 0, waited = 0;
    n = n > MOST_LOSSES ? MOST_LOSSES : n;
    for (int i = 0; i < n; i++) {
        losses[i] = take_step(s);
        double now = measure_seconds(CLOCK_MONOTONIC) - begin;
        if (i == 0) first = now;
        if (i != 1) continue;
        if (s->compiled) gm_jit_wait(s->compiled);
        built = measure_seconds(CLOCK_MONOTONIC) - begin, waited = built - now;
    }
    gm_jit_stats t = s->compiled ? gm_jit_statistics(s->compiled) : (gm_jit_stats){ 0 };
    printf("{\"first_s\": %.6f, \"built_s\": %.6f, \"waited_s\": %.6f, \"planned_s\": %.6f, \"kernels\": %lld, "
           "\"built_programs\": %lld, \"losses\": [",
           first, built, waited, t.seconds, (long long)t.last_kernels, (long long)t.built);
    for (int i = 0; i < n; i++) printf("%s%.9g", i ? ", " : "", losses[i]);
    printf("]}\n");
}

static void answer_run(side *s, int n) {
    double wall = measure_seconds(CLOCK_MONOTONIC), cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID), loss = 0;
    for (int i = 0; i < n; i++) loss = take_step(s);
    printf("{\"wall_s\": %.9f, \"cpu_s\": %.9f, \"loss\": %.9g}\n", measure_seconds(CLOCK_MONOTONIC) - wall,
           measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, loss);
}

static int answer(side *s) {
    char line[64];
    int n = 0;
    printf("{\"versions\": {\"gemel\": \"%s\"}, \"rss_kib\": %ld}\n", gm_version(), measure_kib("VmRSS:"));
    while (fflush(stdout) == 0 && fgets(line, sizeof line, stdin) && gm_ok()) {
        if (sscanf(line, "first %d", &n) == 1) answer_first(s, n);
        else if (sscanf(line, "run %d", &n) == 1) answer_run(s, n);
        else printf("{\"peak_kib\": %ld}\n", measure_kib("VmHWM:"));
    }
    return gm_exit_status();
}

int main(int argc, char **argv) {
    side s = { 0 };
    if (argc < 4) {
        printf("one side of a comparison: python3 bench/steps/steps.py\n");
        return 0;
    }
    GM_SCOPE(scope);
    if (!strcmp(argv[3], "write")) return write_file(argv[1], argv[2]);
    return set_up(&s, argv[1], argv[2], !strcmp(argv[3], "compiled")) ? answer(&s) : gm_exit_status();
}
