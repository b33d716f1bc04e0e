/* long_exhaustive.c: every float through every unary f32 function, against libm in double (digamma and erfinv against
 * reference.h); prints the largest error, writes no file. Two threads. Arguments name functions (default: all); -s N
 * takes every N-th float only. Exits with 1 if an error exceeds the bound of tests/math/bounds.h. */
#include "math/fp.h"
#include "kernels/kernels.h"
#include "math/list.h"
#include "bounds.h"
#include "reference.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 4096, THREADS = 2 };

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
    double worst, floor;
    float at;
} job;

static float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}

/* |y - x| in units of the last place of x, both finite, or 0 or 1e9 for special values */
static double ulps(float y, double x, double floor) {
    if (x != x || y != y) return (x != x) == (y != y) ? 0 : 1e9;
    double m = fabs(x) < floor ? floor : fabs(x);
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
            double r = j->exact((double)x[i]);
            double e = ulps(y[i], r, x[i] < 0 ? j->floor : 0);
            if (r == 0 && !signbit(r) != !signbit(y[i])) e = 1e8;
            if (e > j->worst) j->worst = e, j->at = x[i];
        }
    }
    return NULL;
}

static job measure(const char *name, job j, uint64_t step) {
    pthread_t t[THREADS];
    job part[THREADS];
    j.floor = bound_of(name)->floor32;
    for (int i = 0; i < THREADS; i++) {
        part[i] = j;
        part[i].step = step * THREADS, part[i].first = step * (uint64_t)i, part[i].last = (uint64_t)1 << 32;
        pthread_create(&t[i], NULL, run, &part[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        if (part[i].worst > j.worst) j.worst = part[i].worst, j.at = part[i].at;
    }
    return j;
}

static int wanted(int argc, char **argv, const char *name) {
    int named = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-s") == 0) {
            i++;
        } else {
            named = 1;
            if (strcmp(argv[i], name) == 0) return 1;
        }
    }
    return !named;
}

int main(int argc, char **argv) {
    uint64_t step = 1;
    int failed = 0;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "-s") == 0) step = strtoull(argv[i + 1], NULL, 10);
    printf("| function | largest error (ulp) | at | bound |\n|---|---|---|---|\n");
#define ONE(f)                                                                                                         \
    if (wanted(argc, argv, #f)) {                                                                                      \
        job j = measure(#f, (job){ .map = gm__kernels()->map_##f##_f32, .exact = d_##f }, step ? step : 1);           \
        printf("| %s | %.4f | %a | %g |\n", #f, j.worst, j.at, bound_of(#f)->f32);                                     \
        failed |= !(j.worst <= bound_of(#f)->f32);                                                                     \
        fflush(stdout);                                                                                                \
    }
    GM_MATH_UNARY(ONE)
    return failed;
}
