/* long_math_ulp.c: the largest error of every scalar function:
 *
 *     long_math_ulp                   writes docs/math_ulp.md: an hour of one processor, on all that there are
 *     long_math_ulp -s 61 sin cos     prints: every 61st float only, these functions only
 *
 * Every float goes through every unary f32 function, against libm in double (digamma and erfinv against reference.h);
 * the others see stratified samples, against long double. Exits with 1 if an error exceeds what functions.h promises.
 */
#include "math/fp.h"
#include "functions.h"
#include "inputs.h"
#include "maps.h"
#include "reference.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 4096, MOST_THREADS = 64, SAMPLES = 1 << 20 };

static double d_sqrt(double x) { return sqrt(x); }
static double d_rsqrt(double x) { return 1 / sqrt(x); }
static double d_softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double d_log1pexp(double x) { return log1p(exp(-fabs(x))); }
static double d_log_sigmoid(double x) { return x > 0 ? 0 - log1p(exp(-x)) : x - log1p(exp(x)); }
static double d_sigmoid(double x) { return x > 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }
static double d_erfinv(double x) { return (double)ref_erfinv((real)x); }
static double d_lgamma(double x) { return x == -INFINITY ? INFINITY : lgamma(x); }
static double d_digamma(double x) { return (double)ref_digamma((real)x); }
#define d_cbrt cbrt
#define d_floor floor
#define d_ceil ceil
#define d_trunc trunc
#define d_round rint
#define d_exp exp
#define d_exp2 exp2
#define d_expm1 expm1
#define d_log log
#define d_log2 log2
#define d_log10 log10
#define d_log1p log1p
#define d_sin sin
#define d_cos cos
#define d_tan tan
#define d_asin asin
#define d_acos acos
#define d_atan atan
#define d_sinh sinh
#define d_cosh cosh
#define d_tanh tanh
#define d_asinh asinh
#define d_acosh acosh
#define d_atanh atanh
#define d_erf erf
#define d_erfc erfc

typedef struct {
    void (*map)(int64_t n, const float *x, float *y);
    double (*exact)(double);
    uint64_t first, last, step;
    double worst;
    float at;
} job;

static float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}

/* |y - x| in units of the last place of x, both finite, or 0 or 1e9 for special values */
static double ulps(float y, double x) {
    if (x != x || y != y) return (x != x) == (y != y) ? 0 : 1e9;
    if (x == 0 && y == 0) return !signbit(x) == !signbit(y) ? 0 : 1e9;
    double m = fabs(x);
    if (m >= 0x1.ffffffp127 || isinf(y)) return (float)x == y ? 0 : 1e9;
    if (m < 0x1p-126) m = 0x1p-126;
    uint64_t u;
    memcpy(&u, &m, 8);
    u = (u & 0x7ff0000000000000u) - ((uint64_t)23 << 52);
    memcpy(&m, &u, 8);
    return fabs((double)y - x) / m;
}

static void *run(void *arg) {
    job *j = arg;
    static _Thread_local float x[BLOCK], y[BLOCK];
    for (uint64_t u = j->first; u < j->last;) {
        int n = 0;
        for (; n < BLOCK && u < j->last; n++, u += j->step) x[n] = float_of((uint32_t)u);
        j->map(n, x, y);
        for (int i = 0; i < n; i++) {
            double e = ulps(y[i], j->exact((double)x[i]));
            if (e > j->worst) j->worst = e, j->at = x[i];
        }
    }
    return NULL;
}

static job exhaust(job j, uint64_t step) {
    pthread_t t[MOST_THREADS];
    job part[MOST_THREADS];
    long there_are = sysconf(_SC_NPROCESSORS_ONLN);
    const int threads = there_are < 1 ? 1 : there_are > MOST_THREADS ? MOST_THREADS : (int)there_are;
    for (int i = 0; i < threads; i++) {
        part[i] = j;
        part[i].step = step * (uint64_t)threads, part[i].first = step * (uint64_t)i, part[i].last = (uint64_t)1 << 32;
        pthread_create(&t[i], NULL, run, &part[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
        if (part[i].worst > j.worst) j.worst = part[i].worst, j.at = part[i].at;
    }
    return j;
}

/* ---- sampled functions ---- */

static float in32[SAMPLES], in32b[SAMPLES], out32[SAMPLES];
static double in64[SAMPLES], in64b[SAMPLES], out64[SAMPLES];

typedef struct { double worst, at, at2; } sampled;

static sampled sample(const function *b, real (*f)(real), real (*g)(real, real), int is64) {
    sampled s = { 0, 0, 0 };
    for (int i = 0; i < SAMPLES; i++) {
        real x = is64 ? (real)in64[i] : (real)in32[i], y = is64 ? (real)in64b[i] : (real)in32b[i];
        real floor = !is64 ? 0 : x > 0 ? b->floor_positive : b->floor;
        if (floor == 1) floor += fabsl(f(-x));
        real r = f ? f(x) : g(x, y);
        double u = is64 ? ref_ulps_f64(out64[i], r, floor) : ref_ulps_f32(out32[i], r, floor);
        if (u > s.worst) s.worst = u, s.at = (double)x, s.at2 = (double)y;
    }
    return s;
}

/* ---- the page ---- */

static int n_failed, n_wanted;
static char *wanted[64];
static uint64_t step = 1;
static FILE *page;

static int is_wanted(const char *name) {
    for (int i = 0; i < n_wanted; i++)
        if (strcmp(wanted[i], name) == 0) return 1;
    return n_wanted == 0;
}

/* A row of the page; progress is shown beside it. */
static void row(const function *f, const char *how, double worst, double bound, const char *at) {
    fprintf(page, "| %s | ", f->name);
    for (; *how; how++) fprintf(page, *how == '|' ? "\\%c" : "%c", *how);
    fprintf(page, " | %.4f | %g | `%s` |\n", worst, bound, at);
    fprintf(stderr, "%s %.4f of %g at %s%s\n", f->name, worst, bound, at, worst <= bound ? "" : ": TOO LARGE");
    n_failed += !(worst <= bound);
}

static void row_exhaustive(const char *name, job j) {
    if (!is_wanted(name)) return;
    const function *f = function_of(name);
    j = exhaust(j, step);
    char at[64];
    snprintf(at, sizeof at, "%a", (double)j.at);
    row(f, f->how32, j.worst, f->f32, at);
}

static void row_sampled(const char *name, real (*f)(real), real (*g)(real, real), int is64) {
    const function *b = function_of(name);
    sampled s = sample(b, f, g, is64);
    char at[128];
    if (g) snprintf(at, sizeof at, "%a, %a", s.at, s.at2);
    else snprintf(at, sizeof at, "%a", s.at);
    row(b, is64 ? b->how64 : b->how32, s.worst, is64 ? b->f64 : b->f32, at);
}

static const char table_head[] = "| function | how | largest error, ulp | promised | at |\n|---|---|---|---|---|\n";

static void page_unary32(void) {
    char which[64] = "every float, all 4,294,967,296";
    if (step > 1) snprintf(which, sizeof which, "one float in %llu", (unsigned long long)step);
    fprintf(
        page,
        "# Errors of the scalar functions\n\n"
        "Written by `tests/math/long_math_ulp.c` (`make test-math` runs it); the bounds and descriptions are those of\n"
        "`tests/math/functions.h`, which the tests hold the functions to. One ulp is the distance of neighbouring\n"
        "numbers at the exact result; 0.5 is the least that is possible. Pn is a polynomial of n coefficients.\n"
        "\"float\" or \"double\" says in which precision an f32 function computes. The same bits come out of every\n"
        "compiler, optimisation level and instruction set (`tests/math/hashes.txt`).\n\n"
        "## One argument, f32: %s\n\n%s",
        which, table_head);
#define EXHAUSTIVE(f) row_exhaustive(#f, (job){ .map = maps()->map_##f##_f32, .exact = d_##f });
    GM_MATH_UNARY(EXHAUSTIVE)
}

static void page_sampled(void) {
    const map_table *k = maps();
    input_fill(SAMPLES, in32, in32b, in64, in64b);
    fprintf(page, "\n## Two arguments, f32: %d stratified samples\n\n%s", SAMPLES, table_head);
#define BINARY32(f)                                                                                                    \
    if (is_wanted(#f)) k->map_##f##_f32(SAMPLES, in32, in32b, out32), row_sampled(#f, NULL, ref_##f, 0);
    GM_MATH_BINARY(BINARY32)
    fprintf(page,
            "\n## f64: %d stratified samples\n\nBelow 0 the error of lgamma and digamma is relative to the terms that "
            "cancel there; around the zero of digamma,\nwhere its value is under 1/64, to 1/64.\n\n%s",
            SAMPLES, table_head);
#define UNARY64(f)                                                                                                     \
    if (is_wanted(#f)) k->map_##f##_f64(SAMPLES, in64, out64), row_sampled(#f, ref_##f, NULL, 1);
#define BINARY64(f)                                                                                                    \
    if (is_wanted(#f)) k->map_##f##_f64(SAMPLES, in64, in64b, out64), row_sampled(#f, NULL, ref_##f, 1);
    GM_MATH_UNARY(UNARY64)
    GM_MATH_BINARY(BINARY64)
}

/* A page that is cut short replaces none. */
static FILE *page_open(int whole) { return whole ? fopen("docs/math_ulp.md.part", "w") : stdout; }

static int page_close(int whole) {
    if (!whole) return 0;
    return fclose(page) || (n_failed == 0 && rename("docs/math_ulp.md.part", "docs/math_ulp.md"));
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-s") == 0 && i + 1 < argc) step = strtoull(argv[++i], NULL, 10);
        else if (n_wanted < 64) wanted[n_wanted++] = argv[i];
    }
    if (step == 0) step = 1;
    page = page_open(argc == 1);
    if (!page) return 2;
    page_unary32();
    page_sampled();
    if (page_close(argc == 1)) return 2;
    return n_failed > 0;
}
