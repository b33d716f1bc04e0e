/* bench_op.c: what an eager operation costs, from C, on 8 floats: everything around the arithmetic. Median and least of
 * many rounds of 1,000 calls, each in a scope that closes, so that releasing is counted too; one thread. */
#include "gemel/gemel.h"
#include "measure.h"

#include <stdio.h>

enum { CALLS = 1000, ROUNDS = 400, PER_SCOPE = 10 };

static gm_tensor *a, *b, *w, *one;

static gm_tensor *call_add(void) { return gm_add(a, b); }
static gm_tensor *call_exp(void) { return gm_exp(a); }
static gm_tensor *call_scalar(void) { return gm_mul_scalar(a, 3); }
static gm_tensor *call_broadcast(void) { return gm_add(a, one); }
static gm_tensor *call_reshape(void) { return gm_reshape(a, GM_SHAPE(2, 4)); }
static gm_tensor *call_sum(void) { return gm_sum(a); }
static gm_tensor *call_taped_add(void) { return gm_add(w, b); }
static gm_tensor *call_taped_mul(void) { return gm_mul(w, b); }
static gm_tensor *call_zeros(void) { return gm_zeros(GM_SHAPE(8), GM_F32); }

/* A forward and a backward pass of w b + a. */
static gm_tensor *call_backward(void) {
    gm_backward(gm_sum(gm_add(gm_mul(w, b), a)));
    gm_clear_gradient(w);
    return w;
}

static void measure(const char *name, gm_tensor *(*call)(void), int calls) {
    double ns[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        double begin = measure_seconds(CLOCK_MONOTONIC);
        for (int i = 0; i < calls; i += PER_SCOPE) {
            GM_SCOPE(s);
            for (int k = 0; k < PER_SCOPE; k++) call();
        }
        ns[r] = (measure_seconds(CLOCK_MONOTONIC) - begin) * 1e9 / calls;
    }
    double median = measure_median(ns, ROUNDS);
    printf("%-34s %8.1f %8.1f\n", name, median, ns[0]);
}

int main(void) {
    gm_set_threads(1);
    a = gm_randn(GM_SHAPE(8), GM_F32), b = gm_randn(GM_SHAPE(8), GM_F32), w = gm_randn(GM_SHAPE(8), GM_F32);
    one = gm_ones(GM_SCALAR, GM_F32);
    gm_set_requires_grad(w, true);
    printf("%-34s %8s %8s\n", "nanoseconds per call", "median", "least");
    measure("add", call_add, CALLS);
    measure("exp", call_exp, CALLS);
    measure("mul_scalar", call_scalar, CALLS);
    measure("add of [8] and []", call_broadcast, CALLS);
    measure("reshape", call_reshape, CALLS);
    measure("sum", call_sum, CALLS);
    measure("zeros", call_zeros, CALLS);
    measure("add with a tape entry", call_taped_add, CALLS);
    measure("mul with a tape entry", call_taped_mul, CALLS);
    measure("mul, add, sum and backward", call_backward, CALLS / 10);
    return gm_exit_status();
}
