/* bench_export.c [CASE...]: exported C99 programs (cc -std=c99 -O3 -march=native) beside the library on one thread, in
 * turn: lenet, mlp, resnet18 (3 x 224 x 224) and a net of depthwise convolutions (mobile), of 1 and 8 examples, and
 * training steps (-train). The library's calls are compiled (gm_jit), after its loops are built. Results are compared,
 * bit for bit.
 *
 * Microseconds of CPU time of a call, medians with the least; library / exported by both; seconds of the C compiler. */
#include "gemel/gemel.h"
#include "measure.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 15 };

typedef struct { gm_module *net; gm_optimizer *optimizer; } side;
typedef int (*run_fn)(const float *x, float *y);
typedef int (*train_fn)(const float *x, const int64_t *label, float *loss);

static gm_module *separable(int from, int to, int stride) {
    return gm_sequential(gm_nn_conv2d(from, from, .kernel = 3, .padding = 1, .stride = stride, .groups = from),
                         gm_nn_batch_norm(from), gm_nn_relu(), gm_nn_conv2d(from, to, .kernel = 1),
                         gm_nn_batch_norm(to), gm_nn_relu());
}

static gm_module *mobile(void) {
    return gm_sequential(gm_nn_conv2d(3, 32, .kernel = 3, .padding = 1, .stride = 2), gm_nn_batch_norm(32),
                         gm_nn_relu(), separable(32, 64, 1), separable(64, 128, 2), separable(128, 128, 1),
                         separable(128, 256, 2), separable(256, 256, 1), gm_nn_avg_pool2d(14), gm_nn_flatten(),
                         gm_nn_linear(256, 10));
}

static gm_module *new_net(const char *name, gm_shape *x) {
    gm_seed(1);
    *x = !strncmp(name, "mobile", 6)     ? GM_SHAPE(1, 3, 112, 112)
         : !strncmp(name, "resnet18", 8) ? GM_SHAPE(1, 3, 224, 224)
         : !strncmp(name, "cifar", 5)    ? GM_SHAPE(1, 3, 32, 32)
                                         : GM_SHAPE(1, 1, 28, 28);
    if (!strncmp(name, "mobile", 6)) return mobile();
    if (!strncmp(name, "resnet18", 8)) return gm_resnet18(.classes = 10);
    if (!strncmp(name, "cifar", 5)) return gm_resnet18(.classes = 10, .small = 1);
    return gm_zoo_new(!strncmp(name, "mlp", 3) ? "mlp" : "lenet", GM_SHAPE(1, 28, 28), 10);
}

static gm_pack *forward(void *env, gm_pack *in) {
    GM_NO_GRAD;
    gm_pack *out = gm_pack_new();
    gm_pack_set(out, "y", gm_forward(((side *)env)->net, gm_pack_at(in, 0)));
    return out;
}

static gm_pack *train(void *env, gm_pack *in) {
    side *s = env;
    gm_pack *out = gm_pack_new();
    gm_tensor *loss = gm_cross_entropy(gm_forward(s->net, gm_pack_at(in, 0)), gm_pack_at(in, 1));
    gm_backward(loss);
    gm_step(s->optimizer);
    gm_pack_set(out, "loss", loss);
    return out;
}

/* The compiled source as functions; NULL after an error that is printed. */
static void *build(const char *dir, double *seconds) {
    char line[512];
    double begin = measure_seconds(CLOCK_MONOTONIC);
    snprintf(line, sizeof line, "%s -std=c99 -O3 -march=native -fPIC -shared %s/model.c -o %s/model.so -lm",
             getenv("CC") ? getenv("CC") : "cc", dir, dir);
    if (system(line)) return NULL;
    *seconds = measure_seconds(CLOCK_MONOTONIC) - begin;
    snprintf(line, sizeof line, "%s/model.so", dir);
    void *so = dlopen(line, RTLD_NOW);
    if (!so) fprintf(stderr, "%s\n", dlerror());
    return so;
}

typedef struct { run_fn run; train_fn step; gm_fn *f; gm_pack *in; float ours[512], theirs[512]; int n; } pair;

static double time_exported(pair *p, int calls) {
    const float *x = gm_data(gm_pack_at(p->in, 0));
    double begin = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < calls; i++)
        if (p->step) p->step(x, gm_data(gm_pack_at(p->in, 1)), p->theirs);
        else p->run(x, p->theirs);
    return (measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e6 / calls;
}

static double time_library(pair *p, int calls) {
    double begin = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < calls && gm_ok(); i++) {
        GM_SCOPE(s);
        gm_tensor *y = gm_contiguous(gm_pack_at(gm_call_pack(p->f, p->in), 0));
        p->n = y ? (int)gm_count(y) : 0;
        if (p->n && p->n <= 512) memcpy(p->ours, gm_data(y), (size_t)p->n * sizeof(float));
    }
    return (measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e6 / calls;
}

static void measure(const char *name, int64_t batch) {
    GM_SCOPE(scope);
    static pair p;
    char dir[] = "/tmp/gemel-bench-XXXXXX", line[64];
    bool trains = strstr(name, "-train") != NULL;
    gm_shape shape;
    side s = { new_net(name, &shape), NULL };
    double seconds = 0, ours[ROUNDS], theirs[ROUNDS];
    shape.d[0] = batch;
    gm_set_training(s.net, trains);
    if (trains) s.optimizer = gm_adam(s.net, 1e-3);
    memset(&p, 0, sizeof p);
    p.in = gm_pack_new();
    gm_pack_set(p.in, "x", gm_randn(shape, GM_F32));
    if (trains) gm_pack_set(p.in, "y", gm_randint(GM_SHAPE(batch), 0, 10, GM_I64));
    p.f = gm_functionp(trains ? train : forward, &s, NULL);
    if (!mkdtemp(dir) || !gm_export_c(p.f, p.in, dir, .weights = GM_EXPORT_FILE)) return;
    void *so = build(dir, &seconds);
    if (!so) return;
    *(void **)&p.run = dlsym(so, "model_run");
    *(void **)&p.step = dlsym(so, "model_train_step");
    void (*load)(const void *);
    *(void **)&load = dlsym(so, "model_load");
    snprintf(line, sizeof line, "%s/model.weights", dir);
    FILE *f = fopen(line, "rb");
    void *weights = NULL;
    long size = f && !fseek(f, 0, SEEK_END) ? ftell(f) : 0;
    if (f) rewind(f), weights = aligned_alloc(64, (size_t)size + 64 - (size_t)size % 64);
    if (weights && fread(weights, 1, (size_t)size, f) == (size_t)size && load) load(weights);
    if (f) fclose(f);
    p.f = gm_jit(p.f);
    time_library(&p, 3), gm_jit_wait(p.f), time_exported(&p, 3);
    bool same = gm_ok() && p.n && !memcmp(p.ours, p.theirs, (size_t)p.n * sizeof(float));
    int calls = (int)(2e4 / time_library(&p, 1)) + 1;
    for (int r = 0; r < ROUNDS && gm_ok(); r++) ours[r] = time_library(&p, calls), theirs[r] = time_exported(&p, calls);
    double a = measure_median(ours, ROUNDS), b = measure_median(theirs, ROUNDS);
    printf("%-16s %3d %10.1f %10.1f %10.1f %10.1f %6.2f %6.2f %7.1f  %s\n", name, (int)batch, a, ours[0], b, theirs[0],
           a / b, ours[0] / theirs[0], seconds, !gm_ok() ? gm_error_message() : same ? "same bits" : "DIFFERENT");
    fflush(stdout);
    free(weights);
    snprintf(line, sizeof line, "rm -rf %s", dir);
    if (!getenv("GM_KEEP") && system(line)) return;
}

int main(int argc, char **argv) {
    static const char *const all[] = { "mlp", "lenet", "mobile", "cifar", "resnet18", "mlp-train", "lenet-train" };
    gm_set_threads(1);
    printf("%-16s %3s %10s %10s %10s %10s %6s %6s %7s\n", "us a call", "", "library", "least", "exported", "least",
           "ratio", "least", "cc, s");
    for (int i = 0; i < (argc > 1 ? argc - 1 : 7); i++) {
        const char *name = argc > 1 ? argv[i + 1] : all[i];
        if (strstr(name, "-train")) measure(name, 64);
        else measure(name, 1), measure(name, 8);
        if (!gm_ok()) break;
    }
    return gm_exit_status();
}
