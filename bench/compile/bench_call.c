/* bench_call.c: calls of a compiled function on 8 floats, beside the function: nanoseconds of CPU time, the
 * least of rounds, for functions that become 0, 21 and 41 kernels. */
#include "gemel/gemel.h"
#include "measure.h"

#include <stdio.h>

enum { ROUNDS = 200, CALLS = 100 };

static gm_tensor *chain(void *env, gm_tensor *x) {
    for (int i = 0; i < *(const int *)env; i++) {
        x = gm_add_scalar(gm_mul_scalar(x, 0.5), 0.25);
        x = gm_sub(x, gm_mean_dim(x, 0, true));
    }
    return x;
}

/* Nanoseconds of a call, of f or of the function itself. */
static double least(gm_fn *f, int *length, gm_tensor *x) {
    double best = 1e30;
    for (int r = 0; r < ROUNDS; r++) {
        double begin = measure_seconds(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < CALLS; i++) {
            GM_SCOPE(s);
            if (f) gm_call(f, x);
            else chain(length, x);
        }
        double ns = (measure_seconds(CLOCK_THREAD_CPUTIME_ID) - begin) * 1e9 / CALLS;
        if (ns < best) best = ns;
    }
    return best;
}

int main(void) {
    for (int length = 0; length <= 20; length += 10) {
        GM_SCOPE(s);
        gm_tensor *x = gm_randn(GM_SHAPE(8), GM_F32);
        gm_fn *f = gm_jit(gm_function(chain, (void *)&length));
        gm_call(f, x), gm_call(f, x);
        gm_jit_wait(f);
        gm_call(f, x);
        double compiled = least(f, NULL, x), eager = least(NULL, &length, x);
        printf("%3lld kernels: %6.0f ns, eager %6.0f ns\n", (long long)gm_jit_statistics(f).last_kernels, compiled,
               eager);
    }
    return gm_exit_status();
}
