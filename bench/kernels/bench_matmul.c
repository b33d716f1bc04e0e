/* bench_matmul.c: gm__gemm_f32 beside oneDNN and OpenBLAS, in one run.
 *
 *     bench_matmul [rounds] [threads ...]          default: 15 rounds, with 1 and with 2 threads
 *     BENCH_SHAPE=batch,m,n,k,turned bench_matmul  one shape alone
 *
 * Contenders take turns within every round, pinned to the same CPUs; what is printed is the median over the rounds, the
 * median of the rounds' ratios to the faster peer, and the machine's peak as an fma loop reaches it in the same run.
 * "T" shapes have b [n, k] transposed, as the weights of a linear layer are; "packed" is the same with b packed before.
 * Before anything is timed every contender's result is compared with ours. */
#include "../../src/math/fp.h"
#include "gemel/extend.h"
#include "kernels/gemm.h"
#include "measure.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(BENCH_HAVE_DNNL)
#  include <oneapi/dnnl/dnnl.h>
extern void omp_set_num_threads(int n) __attribute__((weak));
#endif
#if defined(BENCH_HAVE_OPENBLAS)
#  include <cblas.h>
extern void openblas_set_num_threads(int n);
#endif

typedef struct { int64_t m, n, k, batch; bool turned; } shape;
enum { GEMEL, PACKED, DNNL, OPENBLAS, CONTENDERS, MOST_ROUNDS = 200, MOST_BATCH = 256 };
static const char *const names[] = { "gemel", "packed", "oneDNN", "OpenBLAS" };

static float *bench_a, *bench_b, *bench_c;
static void *bench_packed;
static int64_t bench_off[MOST_BATCH];

/* With one thread the processor's time is the truth even where others use the machine. */
static clockid_t bench_clock = CLOCK_MONOTONIC;

static double now(void) { return measure_seconds(bench_clock); }

/* ---- the peak ---- */

#if defined(__x86_64__)
static volatile float peak_sink;
#  define PEAK(name, bytes, isa)                                                                                       \
      typedef float name##_v __attribute__((vector_size(bytes)));                                                      \
      __attribute__((target(isa))) static double name(int64_t n) {                                                     \
          name##_v x[12], a = { 0.5f }, b = { 0.25f };                                                                 \
          for (int i = 0; i < 12; i++) x[i] = a;                                                                       \
          double least = 1e30;                                                                                         \
          for (int g = 0; g < 8; g++) {                                                                                \
              double start = now();                                                                                    \
              for (int i = 0; i < 12; i++) __asm__ volatile("" : "+x"(x[i])); /* not before the clock is read */       \
              for (int64_t r = 0; r < n; r++) {                                                                        \
                  _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++)                                                \
                      for (int l = 0; l < bytes / 4; l++) x[i][l] = __builtin_fmaf(a[l], x[i][l], b[l]);               \
              }                                                                                                        \
              double took = now() - start;                                                                             \
              for (int i = 0; i < 12; i++) peak_sink += x[i][0];                                                       \
              if (took < least) least = took;                                                                          \
          }                                                                                                            \
          return 2.0 * 12 * (bytes / 4) * (double)n / least * 1e-9;                                                    \
      }
PEAK(peak_avx512, 64, "avx512f,prefer-vector-width=512")
PEAK(peak_avx2, 32, "avx2,fma")
static double peak(void) {
    const char *isa = gm__kernels()->name;
    return strcmp(isa, "avx512") == 0 ? peak_avx512(1 << 14) : strcmp(isa, "avx2") == 0 ? peak_avx2(1 << 15) : 0;
}
#else
static double peak(void) { return 0; }
#endif

/* ---- contenders ---- */

static void run_gemel(const shape *s, bool packed) {
    gm__gemm_args g = { .m = s->m, .n = s->n, .k = s->k, .a = bench_a, .a_row = s->k, .a_col = 1, .b = bench_b,
                        .b_row = s->turned ? 1 : s->n, .b_col = s->turned ? s->k : 1, .c = bench_c, .c_row = s->n,
                        .c_col = 1, .batch = s->batch, .b_packed = packed ? bench_packed : NULL };
    if (s->batch > 1) g.a_off = g.b_off = g.c_off = bench_off;
    if (!gm__gemm_f32(&g)) fprintf(stderr, "%s\n", gm_error_message());
}

#if defined(BENCH_HAVE_DNNL)
static dnnl_engine_t dnnl_cpu_engine;
static dnnl_stream_t dnnl_line;
static dnnl_primitive_t dnnl_product;
static dnnl_exec_arg_t dnnl_operands[3];

static void dnnl_operand(int at, int arg, const dnnl_memory_desc_t *d, void *data) {
    dnnl_operands[at].arg = arg;
    dnnl_memory_create(&dnnl_operands[at].memory, d, dnnl_cpu_engine, data);
}

/* The matmul primitive for a shape, made outside of the timing. */
static void dnnl_prepare(const shape *s) {
    if (!dnnl_cpu_engine) {
        dnnl_engine_create(&dnnl_cpu_engine, dnnl_cpu, 0);
        dnnl_stream_create(&dnnl_line, dnnl_cpu_engine, dnnl_stream_default_flags);
    }
    dnnl_memory_desc_t a, b, c;
    dnnl_dims_t da = { s->batch, s->m, s->k }, db = { s->batch, s->k, s->n }, dc = { s->batch, s->m, s->n };
    dnnl_memory_desc_init_by_tag(&a, 3, da, dnnl_f32, dnnl_abc);
    dnnl_memory_desc_init_by_tag(&b, 3, db, dnnl_f32, s->turned ? dnnl_acb : dnnl_abc);
    dnnl_memory_desc_init_by_tag(&c, 3, dc, dnnl_f32, dnnl_abc);
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t pd;
    dnnl_matmul_desc_init(&d, &a, &b, NULL, &c);
    dnnl_primitive_desc_create(&pd, &d, NULL, dnnl_cpu_engine, NULL);
    dnnl_primitive_create(&dnnl_product, pd);
    dnnl_primitive_desc_destroy(pd);
    dnnl_operand(0, DNNL_ARG_SRC, &a, bench_a);
    dnnl_operand(1, DNNL_ARG_WEIGHTS, &b, bench_b);
    dnnl_operand(2, DNNL_ARG_DST, &c, bench_c);
}

static void dnnl_forget(void) {
    for (int i = 0; i < 3; i++) dnnl_memory_destroy(dnnl_operands[i].memory);
    dnnl_primitive_destroy(dnnl_product);
}

static void run_dnnl(void) {
    dnnl_primitive_execute(dnnl_product, dnnl_line, 3, dnnl_operands);
    dnnl_stream_wait(dnnl_line);
}
#endif

static bool present(int who) {
    (void)who;
#if !defined(BENCH_HAVE_DNNL)
    if (who == DNNL) return false;
#endif
#if !defined(BENCH_HAVE_OPENBLAS)
    if (who == OPENBLAS) return false;
#endif
    return true;
}

static void run(int who, const shape *s) {
    if (who == GEMEL || who == PACKED) run_gemel(s, who == PACKED);
#if defined(BENCH_HAVE_DNNL)
    if (who == DNNL) run_dnnl();
#endif
#if defined(BENCH_HAVE_OPENBLAS)
    if (who == OPENBLAS)
        for (int64_t e = 0; e < s->batch; e++)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, s->turned ? CblasTrans : CblasNoTrans, (int)s->m, (int)s->n,
                        (int)s->k, 1, bench_a + bench_off[e], (int)s->k, bench_b + bench_off[e],
                        (int)(s->turned ? s->k : s->n), 0, bench_c + bench_off[e], (int)s->n);
#endif
}

/* ---- measuring ---- */

static int compare_doubles(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return a < b ? -1 : a > b;
}

static double median(const double *x, int n) {
    double sorted[MOST_ROUNDS];
    memcpy(sorted, x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    return sorted[n / 2];
}

static void check_equal(const shape *s, int who, const float *want) {
    size_t n = (size_t)(s->m * s->n * s->batch);
    memset(bench_c, 0xff, n * sizeof(float));
    run(who, s);
    double worst = 0, scale = sqrt((double)s->k);
    for (size_t i = 0; i < n; i++) {
        double e = fabs((double)bench_c[i] - (double)want[i]) / scale;
        if (!(e <= worst)) worst = e;
    }
    if (!(worst < 1e-4))
        printf("!! %s differs by %g on %ld, %ld, %ld\n", names[who], worst, (long)s->m, (long)s->n, (long)s->k);
}

/* Seconds of one call: the least of several groups of calls of half a millisecond each, because others may be using
 * the machine. */
static double time_of(int who, const shape *s) {
    if (bench_clock == CLOCK_MONOTONIC) usleep(50000); /* until the others' idle threads have stopped spinning */
    double least = 1e30, begin = now(), window = bench_clock == CLOCK_MONOTONIC ? 25e-3 : 3e-3;
    run(who, s);
    for (int groups = 0; groups < 4 || now() - begin < window; groups++) {
        double start = now(), took;
        int calls = 0;
        do {
            run(who, s);
            calls++;
            took = now() - start;
        } while (took < 5e-4);
        if (took / calls < least) least = took / calls;
    }
    return least;
}

static void prepare(const shape *s) {
    for (int64_t e = 0; e < s->batch; e++) bench_off[e] = s->batch > 1 ? e * s->m * s->n : 0; /* squares when batched */
    gm__gemm_pack_f32(NULL, s->k, s->n, bench_b, s->turned ? 1 : s->n, s->turned ? s->k : 1, bench_packed);
#if defined(BENCH_HAVE_DNNL)
    dnnl_prepare(s);
#endif
    size_t n = (size_t)(s->m * s->n * s->batch);
    float *want = malloc(n * sizeof *want);
    run(GEMEL, s);
    memcpy(want, bench_c, n * sizeof *want);
    for (int who = 0; who < CONTENDERS; who++)
        if (present(who) && !(who == PACKED && s->batch > 1)) check_equal(s, who, want);
    free(want);
}

static void measure(const shape *s, int rounds) {
    static double seconds[CONTENDERS][MOST_ROUNDS], ratio[2][MOST_ROUNDS], peaks[MOST_ROUNDS];
    prepare(s);
    for (int r = 0; r < rounds; r++) {
        peaks[r] = peak();
        double best = 1e30;
        for (int w = 0; w < CONTENDERS; w++) {
            int who = (w + r) % CONTENDERS;
            if (!present(who) || (who == PACKED && s->batch > 1)) continue;
            seconds[who][r] = time_of(who, s);
            if (who >= DNNL && seconds[who][r] < best) best = seconds[who][r];
        }
        ratio[0][r] = best / seconds[GEMEL][r], ratio[1][r] = best / seconds[PACKED][r];
    }
    double flops = 2e-9 * (double)s->m * (double)s->n * (double)s->k * (double)s->batch;
    double bytes = 4e-9 * (double)((s->m + s->n) * s->k + s->m * s->n) * (double)s->batch;
    printf("%3ld x %4ld,%5ld,%5ld %s ", (long)s->batch, (long)s->m, (long)s->n, (long)s->k, s->turned ? "T" : " ");
    for (int who = 0; who < CONTENDERS; who++) {
        if (present(who) && !(who == PACKED && s->batch > 1)) printf("%9.1f", flops / median(seconds[who], rounds));
        else printf("%9s", "-");
    }
    for (int i = 0; i < 2; i++) {
        if ((i == PACKED && s->batch > 1) || !(present(DNNL) || present(OPENBLAS))) printf("%8s", "-");
        else printf("%8.2f", median(ratio[i], rounds));
    }
    printf("%9.1f%9.1f\n", bytes / median(seconds[GEMEL], rounds), median(peaks, rounds));
    fflush(stdout);
#if defined(BENCH_HAVE_DNNL)
    dnnl_forget();
#endif
}

static void set_threads(int n) {
    cpu_set_t all, some;
    sched_getaffinity(getpid(), sizeof all, &all);
    CPU_ZERO(&some);
    for (int i = 0, left = n; i < CPU_SETSIZE && left; i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &some), left--;
    if (n == 1) sched_setaffinity(0, sizeof some, &some);
    bench_clock = n == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    gm_set_threads(n);
#if defined(BENCH_HAVE_DNNL)
    if (omp_set_num_threads) omp_set_num_threads(n);
#endif
#if defined(BENCH_HAVE_OPENBLAS)
    openblas_set_num_threads(n);
#endif
}

static void measure_all(int rounds) {
    const char *one = getenv("BENCH_SHAPE");
    long b, m, n, k, t;
    if (one && sscanf(one, "%ld,%ld,%ld,%ld,%ld", &b, &m, &n, &k, &t) == 5) {
        measure(&(shape){ m, n, k, b, t != 0 }, rounds);
        return;
    }
    static const int64_t skinny[] = { 1, 4, 16, 64, 256 }, sides[] = { 256, 1024, 4096 };
    measure(&(shape){ 1024, 1024, 1024, 1, false }, rounds);
    measure(&(shape){ 1024, 1024, 1024, 1, true }, rounds);
    measure(&(shape){ 512, 512, 512, 1, false }, rounds);
    measure(&(shape){ 64, 64, 64, 64, false }, rounds);
    measure(&(shape){ 64, 64, 64, 64, true }, rounds);
    for (int turned = 0; turned < 2; turned++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 5; j++) measure(&(shape){ skinny[j], sides[i], sides[i], 1, turned }, rounds);
}

/* The peers read their environment as they are loaded, so it is set right before they are: by starting again. */
static void clean_environment(char **argv) {
    if (getenv("BENCH_CLEAN")) return;
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("OPENBLAS_L2_SIZE");
    setenv("GOMP_SPINCOUNT", "20000", 1); /* idle threads spin for less than a millisecond: long enough for the next */
    setenv("OPENBLAS_THREAD_TIMEOUT", "20", 1); /* call of a series, and gone when another contender's turn comes */
    setenv("BENCH_CLEAN", "1", 1);
    execv("/proc/self/exe", argv);
}

static void fill(float *x, size_t n) {
    uint32_t r = 1;
    for (size_t i = 0; i < n; i++) r = r * 1664525u + 1013904223u, x[i] = (float)(int32_t)r * 0x1p-31f;
}

int main(int argc, char **argv) {
    clean_environment(argv);
    size_t n = (size_t)4096 * 4096;
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    if (rounds < 1 || rounds > MOST_ROUNDS) return 2;
    bench_a = aligned_alloc(64, n * 4), bench_b = aligned_alloc(64, n * 4), bench_c = aligned_alloc(64, n * 4);
    bench_packed = aligned_alloc(64, (gm__gemm_packed_bytes_f32(NULL, 4096, 4096) + 63) / 64 * 64);
    fill(bench_a, n), fill(bench_b, n);
    static const int both[] = { 2, 1 }; /* one thread is pinned, which cannot be taken back: last */
    for (int i = 0; i < (argc > 2 ? argc - 2 : 2); i++) {
        int threads = argc > 2 ? atoi(argv[i + 2]) : both[i];
        if (threads < 1) return 2;
        set_threads(threads);
        printf("%s, %d thread(s), GFLOP/s\n%22s ", gm__kernels()->name, threads, "batch x m, n, k");
        for (int who = 0; who < CONTENDERS; who++) printf("%9s", names[who]);
        printf("%8s%8s%9s%9s\n", "ratio", "packed", "GB/s", "peak/1");
        measure_all(rounds);
    }
    return 0;
}
