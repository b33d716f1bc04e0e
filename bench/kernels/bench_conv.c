/* bench_conv.c: convolution forward, data gradient and weight gradient beside oneDNN, layer by layer.
 *
 *     bench_conv [-t THREADS] [-b BATCH] [-s SECONDS for a layer] [-d DIRECTION] [resnet50|cifar|lenet|mobile ...]
 *
 * oneDNN runs in the layouts it prefers; its reorders are not counted. Gemel runs on plain tensors in both layouts, and
 * everything it does is counted. The three take turns; medians are compared. With one thread the clock is the thread's
 * CPU time, so that a busy machine disturbs less. Results are compared with oneDNN's. */
#include "../../src/math/fp.h"
#include "gemel/extend.h"
#include "kernels/convolve.h"
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(BENCH_HAVE_DNNL)
#  include <oneapi/dnnl/dnnl.h>
#endif

typedef struct { const char *set, *name; int64_t c, o, size, kernel, stride, pad, groups; } layer;
static const layer layers[] = {
    { "resnet50", "stem 7x7s2", 3, 64, 224, 7, 2, 3, 1 },      { "resnet50", "56 1x1", 64, 64, 56, 1, 1, 0, 1 },
    { "resnet50", "56 3x3", 64, 64, 56, 3, 1, 1, 1 },          { "resnet50", "56 1x1", 64, 256, 56, 1, 1, 0, 1 },
    { "resnet50", "56 1x1", 256, 64, 56, 1, 1, 0, 1 },         { "resnet50", "56 1x1", 256, 128, 56, 1, 1, 0, 1 },
    { "resnet50", "56 3x3s2", 128, 128, 56, 3, 2, 1, 1 },      { "resnet50", "28 1x1", 128, 512, 28, 1, 1, 0, 1 },
    { "resnet50", "56 1x1s2", 256, 512, 56, 1, 2, 0, 1 },      { "resnet50", "28 1x1", 512, 128, 28, 1, 1, 0, 1 },
    { "resnet50", "28 3x3", 128, 128, 28, 3, 1, 1, 1 },        { "resnet50", "28 1x1", 512, 256, 28, 1, 1, 0, 1 },
    { "resnet50", "28 3x3s2", 256, 256, 28, 3, 2, 1, 1 },      { "resnet50", "14 1x1", 256, 1024, 14, 1, 1, 0, 1 },
    { "resnet50", "28 1x1s2", 512, 1024, 28, 1, 2, 0, 1 },     { "resnet50", "14 1x1", 1024, 256, 14, 1, 1, 0, 1 },
    { "resnet50", "14 3x3", 256, 256, 14, 3, 1, 1, 1 },        { "resnet50", "14 1x1", 1024, 512, 14, 1, 1, 0, 1 },
    { "resnet50", "14 3x3s2", 512, 512, 14, 3, 2, 1, 1 },      { "resnet50", "7 1x1", 512, 2048, 7, 1, 1, 0, 1 },
    { "resnet50", "14 1x1s2", 1024, 2048, 14, 1, 2, 0, 1 },    { "resnet50", "7 1x1", 2048, 512, 7, 1, 1, 0, 1 },
    { "resnet50", "7 3x3", 512, 512, 7, 3, 1, 1, 1 },
    { "cifar", "32 3x3", 3, 64, 32, 3, 1, 1, 1 },              { "cifar", "32 3x3", 64, 64, 32, 3, 1, 1, 1 },
    { "cifar", "32 3x3s2", 64, 128, 32, 3, 2, 1, 1 },          { "cifar", "32 1x1s2", 64, 128, 32, 1, 2, 0, 1 },
    { "cifar", "16 3x3", 128, 128, 16, 3, 1, 1, 1 },           { "cifar", "16 3x3s2", 128, 256, 16, 3, 2, 1, 1 },
    { "cifar", "8 3x3", 256, 256, 8, 3, 1, 1, 1 },             { "cifar", "8 3x3s2", 256, 512, 8, 3, 2, 1, 1 },
    { "cifar", "4 3x3", 512, 512, 4, 3, 1, 1, 1 },
    { "lenet", "28 5x5", 1, 6, 28, 5, 1, 2, 1 },               { "lenet", "14 5x5", 6, 16, 14, 5, 1, 0, 1 },
    { "lenet", "28 3x3", 1, 32, 28, 3, 1, 0, 1 },              { "lenet", "13 3x3", 32, 64, 13, 3, 1, 0, 1 },
    { "mobile", "112 dw3x3", 32, 32, 112, 3, 1, 1, 32 },       { "mobile", "112 dw3x3s2", 64, 64, 112, 3, 2, 1, 64 },
    { "mobile", "28 dw3x3", 256, 256, 28, 3, 1, 1, 256 },      { "mobile", "14 dw3x3", 512, 512, 14, 3, 1, 1, 512 },
    { "mobile", "14 dw5x5", 480, 480, 14, 5, 1, 2, 480 },
};
enum { N_LAYERS = sizeof layers / sizeof *layers, FORWARD = 0, DATA, WEIGHT, N_DIRECTIONS };
static const char *const direction_names[] = { "forward", "data", "weight" };

static int threads = 1;
static double seconds = 0.3;

/* ---- a layer's tensors: [0] x, [1] w, [2] y; plain and channels last ---- */

typedef struct { gm__conv_shape shape; int64_t n[3]; float *plain[3], *last[3]; int64_t channels[3], area[3]; } problem;

static float *noise(int64_t n) {
    float *p = malloc((size_t)n * sizeof *p + 64);
    uint32_t v = 12345;
    for (int64_t i = 0; i < n; i++) p[i] = (float)((v = v * 1664525u + 1013904223u) >> 9) / (1 << 22) - 1;
    return p;
}

static void to_last(const float *from, float *to, int64_t n, int64_t c, int64_t area) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            for (int64_t k = 0; k < area; k++) to[(i * area + k) * c + j] = from[(i * c + j) * area + k];
}

static problem problem_new(const layer *l, int64_t batch) {
    problem p = { 0 };
    int64_t out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
    p.shape = (gm__conv_shape){ .n_spatial = 2, .batch = batch, .c_in = l->c, .c_out = l->o, .groups = l->groups,
                                .in = { 1, l->size, l->size }, .kernel = { 1, l->kernel, l->kernel },
                                .out = { 1, out, out }, .stride = { 1, l->stride, l->stride },
                                .pad_lo = { 0, l->pad, l->pad }, .pad_hi = { 0, l->pad, l->pad },
                                .dilation = { 1, 1, 1 } };
    int64_t channels[3] = { l->c, l->c / l->groups, l->o };
    int64_t area[3] = { l->size * l->size, l->kernel * l->kernel, out * out };
    int64_t count[3] = { batch, l->o, batch };
    for (int i = 0; i < 3; i++) {
        p.channels[i] = channels[i];
        p.area[i] = area[i];
        p.n[i] = count[i] * channels[i] * area[i];
        p.plain[i] = noise(p.n[i]);
        p.last[i] = malloc((size_t)p.n[i] * sizeof(float) + 64);
        if (i == 1) memcpy(p.last[i], p.plain[i], (size_t)p.n[i] * sizeof(float));
        else to_last(p.plain[i], p.last[i], count[i], channels[i], area[i]);
    }
    return p;
}

static void problem_free(problem *p) {
    for (int i = 0; i < 3; i++) {
        free(p->plain[i]);
        free(p->last[i]);
    }
}

static void run_gemel(problem *p, int direction, bool last, float *result) {
    float **t = last ? p->last : p->plain;
    p->shape.channels_last = last;
    if (direction == FORWARD) gm__conv_forward_f32(&p->shape, t[0], t[1], result, NULL);
    else if (direction == DATA) gm__conv_data_grad_f32(&p->shape, t[2], t[1], result);
    else gm__conv_weight_grad_f32(&p->shape, t[0], t[2], result);
}

/* ---- oneDNN ---- */

#if defined(BENCH_HAVE_DNNL)
static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void must(dnnl_status_t s, const char *what) {
    if (s == dnnl_success) return;
    fprintf(stderr, "bench_conv: oneDNN: %s: status %d\n", what, (int)s);
    exit(1);
}

typedef struct { dnnl_primitive_t primitive; dnnl_memory_t memory[3], plain[3]; int args[3]; const char *how; } peer;

static dnnl_memory_desc_t peer_desc(const problem *p, int i, bool any) {
    const gm__conv_shape *s = &p->shape;
    dnnl_memory_desc_t d;
    if (i == 1) {
        dnnl_dims_t plain = { s->c_out, s->c_in / s->groups, s->kernel[1], s->kernel[2] };
        dnnl_dims_t grouped = { s->groups, s->c_out / s->groups, s->c_in / s->groups, s->kernel[1], s->kernel[2] };
        bool g = s->groups > 1;
        must(dnnl_memory_desc_init_by_tag(&d, g ? 5 : 4, g ? grouped : plain, dnnl_f32,
                                          any ? dnnl_format_tag_any : g ? dnnl_abcde : dnnl_abcd), "weights");
        return d;
    }
    const int64_t *size = i ? s->out : s->in;
    dnnl_dims_t dims = { s->batch, i ? s->c_out : s->c_in, size[1], size[2] };
    must(dnnl_memory_desc_init_by_tag(&d, 4, dims, dnnl_f32, any ? dnnl_format_tag_any : dnnl_nchw), "pictures");
    return d;
}

static void peer_reorder(dnnl_memory_t from, dnnl_memory_t to) {
    const dnnl_memory_desc_t *a, *b;
    dnnl_primitive_desc_t d;
    dnnl_primitive_t r;
    must(dnnl_memory_get_memory_desc(from, &a), "reorder");
    must(dnnl_memory_get_memory_desc(to, &b), "reorder");
    must(dnnl_reorder_primitive_desc_create(&d, a, engine, b, engine, NULL), "reorder");
    must(dnnl_primitive_create(&r, d), "reorder");
    dnnl_exec_arg_t args[2] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
    must(dnnl_primitive_execute(r, stream, 2, args), "reorder");
    must(dnnl_stream_wait(stream), "reorder");
    dnnl_primitive_destroy(r);
    dnnl_primitive_desc_destroy(d);
}

static dnnl_primitive_desc_t peer_descriptor(const problem *p, int direction, dnnl_memory_desc_t d[3]) {
    dnnl_dims_t stride = { p->shape.stride[1], p->shape.stride[2] }, pad = { p->shape.pad_lo[1], p->shape.pad_lo[2] };
    dnnl_convolution_desc_t c;
    dnnl_primitive_desc_t hint, r;
    must(dnnl_convolution_forward_desc_init(&c, dnnl_forward_training, dnnl_convolution_direct, &d[0], &d[1], NULL,
                                            &d[2], stride, pad, pad), "forward");
    must(dnnl_primitive_desc_create(&hint, &c, NULL, engine, NULL), "forward");
    if (direction == FORWARD) return hint;
    if (direction == DATA)
        must(dnnl_convolution_backward_data_desc_init(&c, dnnl_convolution_direct, &d[0], &d[1], &d[2], stride, pad,
                                                      pad), "data gradient");
    else
        must(dnnl_convolution_backward_weights_desc_init(&c, dnnl_convolution_direct, &d[0], &d[1], NULL, &d[2],
                                                         stride, pad, pad), "weight gradient");
    must(dnnl_primitive_desc_create(&r, &c, NULL, engine, hint), "gradient");
    dnnl_primitive_desc_destroy(hint);
    return r;
}

static peer peer_new(problem *p, int direction) {
    static const dnnl_query_t source[] = { dnnl_query_src_md, dnnl_query_diff_src_md, dnnl_query_src_md };
    static const dnnl_query_t weight[] = { dnnl_query_weights_md, dnnl_query_weights_md, dnnl_query_diff_weights_md };
    static const dnnl_query_t target[] = { dnnl_query_dst_md, dnnl_query_diff_dst_md, dnnl_query_diff_dst_md };
    static const int arg[3][3] = { { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST },
                                   { DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST },
                                   { DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST } };
    const dnnl_query_t query[3] = { source[direction], weight[direction], target[direction] };
    peer r;
    dnnl_memory_desc_t any[3];
    for (int i = 0; i < 3; i++) any[i] = peer_desc(p, i, true);
    dnnl_primitive_desc_t d = peer_descriptor(p, direction, any);
    must(dnnl_primitive_create(&r.primitive, d), "create");
    for (int i = 0; i < 3; i++) {
        dnnl_memory_desc_t plain = peer_desc(p, i, false);
        r.args[i] = arg[direction][i];
        must(dnnl_memory_create(&r.memory[i], dnnl_primitive_desc_query_md(d, query[i], 0), engine,
                                DNNL_MEMORY_ALLOCATE), "memory");
        must(dnnl_memory_create(&r.plain[i], &plain, engine, p->plain[i]), "memory");
        peer_reorder(r.plain[i], r.memory[i]);
    }
    dnnl_primitive_desc_query(d, dnnl_query_impl_info_str, 0, &r.how);
    return r;
}

static void run_peer(peer *r) {
    dnnl_exec_arg_t args[3];
    for (int i = 0; i < 3; i++) args[i] = (dnnl_exec_arg_t){ r->args[i], r->memory[i] };
    must(dnnl_primitive_execute(r->primitive, stream, 3, args), "execute");
    must(dnnl_stream_wait(stream), "wait");
}

/* oneDNN's result as a plain tensor, in place of p's. */
static void peer_result(peer *r, int which) { peer_reorder(r->memory[which], r->plain[which]); }

static void peer_free(peer *r) {
    dnnl_primitive_destroy(r->primitive);
    for (int i = 0; i < 3; i++) {
        dnnl_memory_destroy(r->memory[i]);
        dnnl_memory_destroy(r->plain[i]);
    }
}

/* ---- measuring ---- */

static double now(void) { return measure_seconds(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC); }

enum { ROUNDS = 400 };

/* Largest difference from oneDNN's result, relative to the largest value of it. */
static double difference(const problem *p, int which, const float *plain, const float *last) {
    double worst = 0, largest = 1e-30;
    const float *want = p->plain[which];
    int64_t c = p->channels[which], area = p->area[which];
    for (int64_t i = 0; i < p->n[which]; i++) {
        int64_t image = i / (c * area), at = image * c * area + i % area * c + i / area % c;
        double a = fabs((double)plain[i] - (double)want[i]);
        double b = fabs((double)last[which == 1 ? i : at] - (double)want[i]);
        worst = a > worst ? a : worst;
        worst = b > worst ? b : worst;
        largest = fabs((double)want[i]) > largest ? fabs((double)want[i]) : largest;
    }
    return worst / largest;
}

static void measure(const layer *l, int64_t batch, int direction, double ratio[2]) {
    static double t[3][ROUNDS];
    static const int result[] = { 2, 0, 1 };
    problem p = problem_new(l, batch);
    const int which = result[direction];
    float *out[2];
    for (int i = 0; i < 2; i++) out[i] = malloc((size_t)p.n[which] * sizeof(float) + 64);
    peer r = peer_new(&p, direction);
    run_peer(&r);
    run_gemel(&p, direction, false, out[0]);
    run_gemel(&p, direction, true, out[1]);
    int n = 0;
    for (double total = 0; n < ROUNDS && (n < 5 || total < seconds); n++) {
        double a = now();
        run_peer(&r);
        double b = now();
        run_gemel(&p, direction, false, out[0]);
        double c = now();
        run_gemel(&p, direction, true, out[1]);
        double d = now();
        t[0][n] = b - a;
        t[1][n] = c - b;
        t[2][n] = d - c;
        total += d - a;
    }
    peer_result(&r, which);
    double off = difference(&p, which, out[0], out[1]), m[3];
    double work = 2.0 * (double)(p.n[2] * p.n[1] / l->o);
    for (int i = 0; i < 3; i++) m[i] = measure_median(t[i], n);
    for (int i = 0; i < 2; i++) ratio[i] = m[0] / m[i + 1];
    printf("%-9s %-12s %4lld>%-4lld %-8s %8.3f ms %7.1f GF/s | plain %7.1f %5.2f | last %7.1f %5.2f | %.1e %s\n",
           l->set, l->name, (long long)l->c, (long long)l->o, direction_names[direction], m[0] * 1e3,
           work / m[0] * 1e-9, work / m[1] * 1e-9, ratio[0], work / m[2] * 1e-9, ratio[1], off,
           off < 1e-4 ? r.how : "WRONG");
    fflush(stdout);
    peer_free(&r);
    for (int i = 0; i < 2; i++) free(out[i]);
    problem_free(&p);
}

static bool wanted(const layer *l, int n, char **sets) {
    for (int i = 0; i < n; i++)
        if (strcmp(sets[i], l->set) == 0) return true;
    return n == 0;
}

static void measure_direction(int direction, int64_t batch, int n, char **sets) {
    double sum[2] = { 0, 0 }, least[2] = { 1e9, 1e9 };
    int count = 0;
    for (int i = 0; i < N_LAYERS; i++) {
        double ratio[2];
        if (!wanted(&layers[i], n, sets)) continue;
        measure(&layers[i], batch, direction, ratio);
        count++;
        for (int j = 0; j < 2; j++) {
            sum[j] += log(ratio[j]);
            least[j] = ratio[j] < least[j] ? ratio[j] : least[j];
        }
    }
    if (!count) return;
    printf("== %s, batch %lld, %d threads: plain %.3f (least %.2f), channels last %.3f (least %.2f) of oneDNN\n",
           direction_names[direction], (long long)batch, threads, exp(sum[0] / count), least[0], exp(sum[1] / count),
           least[1]);
}

int main(int argc, char **argv) {
    int64_t batch = 1;
    int only = -1;
    for (int o; (o = getopt(argc, argv, "t:b:s:d:")) != -1;) {
        if (o == 't') threads = atoi(optarg);
        else if (o == 'b') batch = atoi(optarg);
        else if (o == 's') seconds = atof(optarg);
        else if (o == 'd') only = atoi(optarg);
        else return 2;
    }
    char count[16];
    snprintf(count, sizeof count, "%d", threads);
    if (!getenv("OMP_NUM_THREADS")) { /* read before main by the OpenMP runtime: begin again */
        setenv("OMP_NUM_THREADS", count, 1);
        setenv("OMP_PROC_BIND", "true", 1);
        execv("/proc/self/exe", argv);
    }
    gm_set_threads(threads);
    must(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    for (int d = 0; d < N_DIRECTIONS; d++)
        if (only < 0 || only == d) measure_direction(d, batch, argc - optind, argv + optind);
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
    return gm_exit_status();
}
#else
int main(void) {
    printf("bench_conv: built without oneDNN, nothing to compare with\n");
    return 0;
}
#endif
