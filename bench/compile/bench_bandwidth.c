/* bench_bandwidth.c: how near to the machine's copy bandwidth operations come that are bound by memory: elementwise
 * chains, softmax, norms, optimizers; eager and compiled; arrays that fit into a core's cache and arrays that do not.
 *
 *     bench_bandwidth [ROUNDS [PATTERN]]      default: 7 rounds of all; GM_THREADS as ever
 *
 * Copy (the better of memcpy and a loop) and triad (a = b + s c) run in every round beside each case, on arrays of the
 * same size. A case's bytes are what it cannot do without: every input read once, every result written once, whatever
 * the operations on the way did, so a chain that is not fused gets little. Forward and backward count as two such
 * passes. Columns: GB/s of copy; the fraction of it that eager and compiled reach, medians of the rounds. One thread is
 * timed by the processor's clock, several by the clock on the wall. Optimizers are one kernel each, the same in both.
 */
#include "../../src/math/fp.h"
#include "gemel/extend.h"
#include "gemel/gemel.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 1024, CHANNELS = 64, SIDE = 28, MOST_ROUNDS = 64, INPUTS = 4, FEW_LOOPS = 3 };
static const int64_t SIZES[] = { 128 << 10, 64 << 20 }; /* bytes of an array */
static const double SAMPLE_S = 4e-3;

/* passes: arrays read and written; of the forward pass, if a backward one of `back` follows. */
typedef struct { const char *name; int shape; gm_fnp run; int passes, back; } workload;
enum { FLAT, ROWS, PICTURES };

static gm_tensor *at(gm_pack *in, int i) { return gm_pack_at(in, i); }
static gm_pack *only(gm_tensor *y) { return gm_pack_of(&(gm_entry){ .name = "y", .t = y }, 1); }

/* ---- elementwise chains of cheap operations ---- */

static gm_tensor *two(gm_tensor *x, gm_tensor *y) { return gm_add(gm_mul(x, y), x); }

static gm_tensor *five(gm_tensor *x, gm_tensor *y) {
    return gm_relu(gm_sub(gm_mul_scalar(two(x, y), 0.5), y));
}

static gm_pack *chain2(void *env, gm_pack *in) { return (void)env, only(two(at(in, 0), at(in, 1))); }
static gm_pack *chain5(void *env, gm_pack *in) { return (void)env, only(five(at(in, 0), at(in, 1))); }

static gm_pack *chain20(void *env, gm_pack *in) {
    gm_tensor *x = at(in, 0);
    (void)env;
    for (int i = 0; i < 4; i++) x = five(x, at(in, 1));
    return only(x);
}

/* ---- rows and channels ---- */

static gm_pack *softmax(void *env, gm_pack *in) { return (void)env, only(gm_softmax(at(in, 0), -1)); }
static gm_pack *log_softmax(void *env, gm_pack *in) { return (void)env, only(gm_log_softmax(at(in, 0), -1)); }

static gm_pack *layer_norm(void *env, gm_pack *in) {
    (void)env;
    return only(gm_layer_norm(at(in, 0), 1, .weight = at(in, 1), .bias = at(in, 2)));
}

static gm_pack *rms_norm(void *env, gm_pack *in) {
    return (void)env, only(gm_rms_norm(at(in, 0), 1, .weight = at(in, 1)));
}

static gm_pack *batch_norm(void *env, gm_pack *in) {
    (void)env;
    return only(gm_batch_norm(at(in, 0), .weight = at(in, 1), .bias = at(in, 2)));
}

/* ---- optimizers: in 0 is the parameter, 1 its gradient, 2 and 3 state ---- */

static gm_pack *sgd(void *env, gm_pack *in) {
    (void)env;
    gm_update_sgd(at(in, 0), at(in, 1), NULL, &(gm_sgd_scalars){ .lr = 1e-6 });
    return in;
}

static gm_pack *momentum(void *env, gm_pack *in) {
    (void)env;
    gm_update_sgd(at(in, 0), at(in, 1), at(in, 2), &(gm_sgd_scalars){ .lr = 1e-6, .momentum = 0.9 });
    return in;
}

static gm_pack *adam(void *env, gm_pack *in) {
    (void)env;
    gm_update_adam(at(in, 0), at(in, 1), at(in, 2), at(in, 3),
                   &(gm_adam_scalars){ 0.1, 0.001, 0.999, 0.5, 1e-8, 1e-6, 0, 1 });
    return in;
}

static gm_pack *lion(void *env, gm_pack *in) {
    (void)env;
    gm_update_lion(at(in, 0), at(in, 1), at(in, 2), &(gm_lion_scalars){ 1e-6, 0.1, 0.01, 1 });
    return in;
}

static gm_pack *rmsprop(void *env, gm_pack *in) {
    (void)env;
    gm_update_rmsprop(at(in, 0), at(in, 1), at(in, 2), NULL, NULL,
                      &(gm_rmsprop_scalars){ 1e-6, 0.01, 0.99, 1e-8, 0, 0 });
    return in;
}

static const workload WORKLOADS[] = {
    { "2 elementwise operations", FLAT, chain2, 3, 0 },   { "5 elementwise operations", FLAT, chain5, 3, 0 },
    { "20 elementwise operations", FLAT, chain20, 3, 0 }, { "softmax", ROWS, softmax, 2, 0 },
    { "softmax and back", ROWS, softmax, 2, 3 },          { "log_softmax", ROWS, log_softmax, 2, 0 },
    { "log_softmax and back", ROWS, log_softmax, 2, 3 },  { "layer_norm", ROWS, layer_norm, 2, 0 },
    { "layer_norm and back", ROWS, layer_norm, 2, 3 },    { "rms_norm", ROWS, rms_norm, 2, 0 },
    { "rms_norm and back", ROWS, rms_norm, 2, 3 },        { "batch_norm", PICTURES, batch_norm, 2, 0 },
    { "batch_norm and back", PICTURES, batch_norm, 2, 3 }
};
static const workload UPDATES[] = { { "SGD", FLAT, sgd, 3, 0 },           { "SGD, momentum", FLAT, momentum, 5, 0 },
                                    { "Adam, AdamW", FLAT, adam, 7, 0 },  { "Lion", FLAT, lion, 5, 0 },
                                    { "RMSprop", FLAT, rmsprop, 5, 0 } };
enum { N_WORKLOADS = sizeof WORKLOADS / sizeof *WORKLOADS, N_UPDATES = sizeof UPDATES / sizeof *UPDATES };

/* ---- what the machine can do ---- */

static float *array_a, *array_b, *array_c;
static int64_t array_n;

static void by_memcpy(void *env, int64_t begin, int64_t end) {
    (void)env;
    memcpy(array_a + begin, array_b + begin, (size_t)(end - begin) * sizeof *array_a);
}

/* Stores as compilers write them: not past the caches, as memcpy's of large arrays. The factor keeps it a loop. */
static volatile float array_factor = 1;
__attribute__((noinline)) static void by_loop(void *env, int64_t begin, int64_t end) {
    float *restrict to = array_a;
    const float factor = array_factor;
    (void)env;
    for (int64_t i = begin; i < end; i++) to[i] = factor * array_b[i];
}

__attribute__((noinline)) static void by_triad(void *env, int64_t begin, int64_t end) {
    float *restrict to = array_a;
    (void)env;
    for (int64_t i = begin; i < end; i++) to[i] = array_b[i] + 0.5f * array_c[i];
}

static void machine_pass(gm_range_fn f) {
    int64_t grain = array_n / gm_n_threads();
    gm_parallel_for(array_n, grain > 16384 ? grain : 16384, f, NULL);
}

/* ---- timing ---- */

typedef struct { gm_range_fn pass; gm_fn *f; gm_pack *in; } timed;

static double now(void) { return measure_seconds(gm_n_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC); }

static void once(const timed *t) {
    if (t->pass) {
        machine_pass(t->pass);
        return;
    }
    GM_SCOPE(s);
    gm_call_pack(t->f, t->in);
}

/* Seconds of one go; *loops goes are as long as a sample. */
static double sample(const timed *t, int *loops) {
    double begin = now();
    for (int i = 0; i < *loops; i++) once(t);
    return (now() - begin) / *loops;
}

static int loops_of(const timed *t) {
    int loops = FEW_LOOPS;
    once(t);
    double s = sample(t, &loops);
    return s > SAMPLE_S ? 1 : (int)(SAMPLE_S / (s > 1e-9 ? s : 1e-9)) + 1;
}

/* ---- a case ---- */

static gm_shape shape_of(const workload *w, int64_t n) {
    if (w->shape == ROWS) return GM_SHAPE(n / COLUMNS, COLUMNS);
    int64_t picture = CHANNELS * SIDE * SIDE, pictures = n / picture;
    return w->shape == PICTURES ? GM_SHAPE(pictures > 0 ? pictures : 1, CHANNELS, SIDE, SIDE) : GM_SHAPE(n);
}

/* Random inputs: chains take two, norms x, weight and bias, updates four whose last two are not negative. */
static gm_pack *inputs_of(const workload *w, gm_dtype dtype, int64_t n, bool update) {
    gm_pack *in = gm_pack_new();
    gm_shape shape = shape_of(w, n), small = w->shape == ROWS ? GM_SHAPE(COLUMNS) : GM_SHAPE(CHANNELS);
    int count = update ? 4 : w->shape == FLAT ? 2 : w->run == softmax || w->run == log_softmax ? 1
                                                : w->run == rms_norm                         ? 2
                                                                                             : 3;
    for (int i = 0; i < count; i++) {
        gm_tensor *t = gm_randn(i && w->shape != FLAT ? small : shape, GM_F32);
        gm_pack_set(in, "", gm_cast(i > 1 && update ? gm_abs(t) : t, dtype));
    }
    return in;
}

/* What gm_vjp takes: the inputs and the gradient of the result. */
static gm_pack *with_gradient(gm_pack *in) {
    gm_tensor *x = gm_pack_at(in, 0);
    gm_pack_set(in, "gradient", gm_randn(gm_shape_of(x), GM_F32));
    return in;
}

enum { COPY, LOOP, TRIAD, EAGER, COMPILED, COLUMNS_TIMED };

static void report(const workload *w, const char *dtype, double bytes, double seconds[][MOST_ROUNDS], int rounds) {
    double copy[MOST_ROUNDS], ratio[2][MOST_ROUNDS], machine = 2.0 * (double)array_n * sizeof(float);
    for (int r = 0; r < rounds; r++) {
        double s = seconds[COPY][r] < seconds[LOOP][r] ? seconds[COPY][r] : seconds[LOOP][r];
        copy[r] = machine / s * 1e-9;
        ratio[0][r] = bytes / seconds[EAGER][r] * 1e-9 / copy[r];
        ratio[1][r] = bytes / seconds[COMPILED][r] * 1e-9 / copy[r];
    }
    double triad = 1.5 * machine / measure_median(seconds[TRIAD], rounds) * 1e-9;
    printf("%-26s %-5s %7.1f MiB %8.1f %8.1f %8.2f", w->name, dtype, (double)array_n * 4 / 1048576,
           measure_median(copy, rounds), triad, measure_median(ratio[0], rounds));
    if (seconds[COMPILED][0] > 0) printf(" %8.2f", measure_median(ratio[1], rounds));
    printf("\n");
    fflush(stdout);
}

static void measure(const workload *w, gm_dtype dtype, int64_t size, bool update, int rounds) {
    GM_SCOPE(scope);
    static double seconds[COLUMNS_TIMED][MOST_ROUNDS];
    int64_t n = size / (dtype == GM_BF16 ? 2 : 4);
    gm_pack *in = inputs_of(w, dtype, n, update);
    double count = (double)gm_count(gm_pack_at(in, 0)), bytes = count * (dtype == GM_BF16 ? 2 : 4);
    gm_fn *f = gm_functionp(w->run, NULL, NULL);
    if (w->back) f = gm_vjp(f), in = with_gradient(in);
    gm_fn *compiled = update ? NULL : gm_jit(f);
    timed all[] = { { by_memcpy, NULL, NULL }, { by_loop, NULL, NULL }, { by_triad, NULL, NULL }, { NULL, f, in },
                    { NULL, compiled, in } };
    int loops[COLUMNS_TIMED], columns = update ? COMPILED : COLUMNS_TIMED;
    for (int i = 0; i < 2 && compiled; i++) once(&all[COMPILED]);
    if (compiled) gm_jit_wait(compiled);
    for (int i = 0; i < columns; i++) loops[i] = loops_of(&all[i]);
    for (int r = 0; r < rounds && gm_ok(); r++)
        for (int i = 0; i < columns; i++) seconds[i][r] = sample(&all[i], &loops[i]);
    if (update) seconds[COMPILED][0] = 0;
    if (gm_ok()) report(w, dtype == GM_BF16 ? "bf16" : "f32", bytes * (w->passes + w->back), seconds, rounds);
}

static void measure_size(int64_t size, int rounds, const char *pattern) {
    array_n = size / (int64_t)sizeof(float);
    for (int64_t i = 0; i < array_n; i++) array_a[i] = 0, array_b[i] = array_c[i] = 1;
    for (int i = 0; i < N_WORKLOADS; i++) {
        if (!strstr(WORKLOADS[i].name, pattern)) continue;
        measure(&WORKLOADS[i], GM_F32, size, false, rounds);
        if (WORKLOADS[i].shape == FLAT) measure(&WORKLOADS[i], GM_BF16, size, false, rounds);
    }
    for (int i = 0; i < N_UPDATES; i++)
        if (strstr(UPDATES[i].name, pattern)) measure(&UPDATES[i], GM_F32, size, true, rounds);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    const char *pattern = argc > 2 ? argv[2] : "";
    if (rounds < 1 || rounds > MOST_ROUNDS) return 2;
    GM_SCOPE(scope);
    float **arrays[] = { &array_a, &array_b, &array_c };
    for (int i = 0; i < 3; i++)
        *arrays[i] = gm_mutable_data(gm_zeros(GM_SHAPE(SIZES[1] / 4), GM_F32)); /* their pages */
    if (!gm_ok()) return gm_exit_status();
    printf("%d thread(s)\n%-26s %-5s %11s %8s %8s %8s %8s\n", gm_n_threads(), "", "", "array", "copy GB/s", "triad",
           "eager", "compiled");
    for (int i = 0; i < 2; i++) measure_size(SIZES[i], rounds, pattern);
    return gm_exit_status();
}
