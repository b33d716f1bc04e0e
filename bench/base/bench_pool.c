/* bench_pool.c: gm_parallel_for beside OpenMP (libgomp, where it is there) and one thread: the latency of an empty
 * loop, and the time of a small one, alone and beside a busy process on every processor.
 *
 *     bench_pool [rounds] [threads]          default: 7 rounds, one thread for each processor
 *
 * Contenders take turns in blocks of loops with a rest between, so that nobody's spinning threads disturb the next.
 * Times are wall clock: what the scheduler does is what is measured. Results of the small loop are compared. */
#include "../../src/math/fp.h"
#include "gemel/extend.h"
#include "measure.h"

#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LENGTH = 1 << 15, PASSES = 16, BLOCK = 40, MOST_PROCESSORS = 256 };

static int threads;

/* ---- contenders ---- */

typedef void loop_fn(int64_t n, gm_range_fn f, void *env);

static void loop_serial(int64_t n, gm_range_fn f, void *env) { f(env, 0, n); }

static void loop_gemel(int64_t n, gm_range_fn f, void *env) {
    gm_parallel_for(n, n > LENGTH / 2 ? n / (2 * threads) : 1, f, env);
}

/* What a compiler makes of `#pragma omp parallel for schedule(static)`. */
static void (*gomp_parallel)(void (*f)(void *), void *env, unsigned n_threads, unsigned flags);
static int (*gomp_thread)(void), (*gomp_threads)(void);

typedef struct { int64_t n; gm_range_fn f; void *env; } gomp_loop;

static void gomp_body(void *env) {
    const gomp_loop *l = env;
    int64_t t = gomp_thread(), all = gomp_threads();
    l->f(l->env, t * l->n / all, (t + 1) * l->n / all);
}

static void loop_gomp(int64_t n, gm_range_fn f, void *env) {
    gomp_loop l = { n, f, env };
    gomp_parallel(gomp_body, &l, (unsigned)threads, 0);
}

static void gomp_find(void) {
    void *library = dlopen("libgomp.so.1", RTLD_NOW);
    if (!library) return;
    *(void **)&gomp_thread = dlsym(library, "omp_get_thread_num");
    *(void **)&gomp_threads = dlsym(library, "omp_get_num_threads");
    *(void **)&gomp_parallel = dlsym(library, "GOMP_parallel");
}

enum { SERIAL, GEMEL, GOMP, N_CONTENDERS };
static const char *const contender_names[] = { "one thread", "gm_parallel_for", "OpenMP (libgomp)" };
static loop_fn *const contenders[] = { loop_serial, loop_gemel, loop_gomp };

/* ---- loops ---- */

static float x[LENGTH], y[LENGTH];

static void empty_range(void *env, int64_t begin, int64_t end) { (void)env, (void)begin, (void)end; }

static void small_range(void *env, int64_t begin, int64_t end) {
    (void)env;
    for (int pass = 0; pass < PASSES; pass++) {
        for (int64_t i = begin; i < end; i++) y[i] = y[i] * 0.875f + x[i];
        __asm__ volatile("" ::: "memory");
    }
}

typedef struct { const char *name; gm_range_fn f; int64_t n; int rest_us; } kind;
static const kind kinds[] = {
    { "empty, back to back", empty_range, 64, 0 },
    { "empty, 1 ms apart", empty_range, 64, 1000 },
    { "16 passes over 32,768 floats", small_range, LENGTH, 0 },
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* ---- competition: a process that never rests on every processor ---- */

static pid_t rivals[MOST_PROCESSORS];
static int n_rivals;

static _Noreturn void rival(pid_t parent) {
    for (unsigned i = 1;; i++)
        if (i % (1 << 24) == 0 && getppid() != parent) _exit(0); /* an orphan stops */
}

static void rivals_start(void) {
    int n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    const pid_t parent = getpid();
    for (n_rivals = 0; n_rivals < n && n_rivals < MOST_PROCESSORS; n_rivals++) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) rival(parent);
        rivals[n_rivals] = child;
    }
}

static void rivals_stop(void) {
    for (int i = 0; i < n_rivals; i++) kill(rivals[i], SIGKILL);
    for (int i = 0; i < n_rivals; i++) waitpid(rivals[i], NULL, 0);
}

/* ---- measuring ---- */

typedef struct { double *us; int n; } series;

static double now_us(void) { return measure_seconds(CLOCK_MONOTONIC) * 1e6; }

static void rest(int us) {
    struct timespec t = { 0, us * 1000L };
    if (us) nanosleep(&t, NULL);
}

static double at_percent(const series *s, int percent) { return s->us[(int64_t)(s->n - 1) * percent / 100]; }

static void block(const kind *k, loop_fn *loop, series *s) {
    for (int i = 0; i < 5; i++) loop(k->n, k->f, NULL);
    for (int i = 0; i < BLOCK; i++) {
        rest(k->rest_us);
        double begin = now_us();
        loop(k->n, k->f, NULL);
        s->us[s->n++] = now_us() - begin;
    }
    rest(20000);
}

static bool may_run(int contender) { return contender != GOMP || (gomp_parallel && gomp_thread && gomp_threads); }

static void measure(const kind *k, int rounds, series s[N_CONTENDERS]) {
    for (int c = 0; c < N_CONTENDERS; c++) s[c] = (series){ malloc((size_t)(rounds * BLOCK) * sizeof(double)), 0 };
    for (int r = 0; r < rounds; r++)
        for (int c = 0; c < N_CONTENDERS; c++)
            if (may_run(c) && s[c].us) block(k, contenders[c], &s[c]);
    for (int c = 0; c < N_CONTENDERS; c++) qsort(s[c].us, (size_t)s[c].n, sizeof(double), measure_by_value);
}

static void show(const kind *k, const char *beside, series s[N_CONTENDERS]) {
    for (int c = 0; c < N_CONTENDERS; c++) {
        if (s[c].n)
            printf("| %s | %s | %s | %.1f | %.1f | %.1f | %.1f |\n", k->name, beside, contender_names[c],
                   at_percent(&s[c], 0), at_percent(&s[c], 50), at_percent(&s[c], 90), at_percent(&s[c], 99));
        free(s[c].us);
    }
    fflush(stdout);
}

/* Every contender computes the same. */
static bool check(void) {
    static float first[LENGTH];
    for (int c = 0; c < N_CONTENDERS; c++) {
        if (!may_run(c)) continue;
        for (int i = 0; i < LENGTH; i++) x[i] = (float)(i % 101) - 50, y[i] = 1;
        contenders[c](LENGTH, small_range, NULL);
        if (c == 0) memcpy(first, y, sizeof y);
        if (memcmp(first, y, sizeof y)) return fprintf(stderr, "bench_pool: %s differs\n", contender_names[c]), false;
    }
    return true;
}

int main(int argc, char **argv) {
    const int rounds = argc > 1 ? atoi(argv[1]) : 7;
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all); /* bench/run.sh pins to one; here the threads are what is measured */
    threads = argc > 2 ? atoi(argv[2]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (rounds < 1 || !gm_set_threads(threads)) return 2;
    gomp_find();
    if (!check()) return 1;
    printf("%d threads, %d loops each; microseconds\n\n", threads, rounds * BLOCK);
    printf("| loop | beside | by | least | median | 90 %% | 99 %% |\n|---|---|---|---|---|---|---|\n");
    for (int busy = 0; busy < 2; busy++)
        for (int i = 0; i < N_KINDS; i++) {
            series s[N_CONTENDERS];
            if (busy) rivals_start();
            measure(&kinds[i], rounds, s);
            if (busy) rivals_stop();
            show(&kinds[i], busy ? "a busy process per CPU" : "nothing of ours", s);
        }
    return gm_exit_status();
}
