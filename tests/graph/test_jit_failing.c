/* The n-th allocation fails, for every n, while a function is recorded, cut into programs, run and differentiated: a
 * MEMORY error each time, or a result that is right without the program; nothing crashes, nothing leaks. */
#include "base/object.h"
#include "tensors.h"

#include <stdlib.h>

static gm_tensor *weight, *input, *want, *want_gradient;

/* A gradient goes through it; a shape follows from values. */
static gm_tensor *selected(void *env, gm_tensor *x) {
    gm_tensor *y = gm_mul(gm_tanh(gm_mul(x, env)), env);
    return gm_square(gm_masked_select(gm_exp(y), gm_gt_scalar(x, 0)));
}

static gm_tensor *chain(void *env, gm_tensor *x) {
    (void)env;
    for (int i = 0; i < 3; i++) x = gm_exp(gm_mul_scalar(x, 0.25));
    return gm_sum(gm_square(x));
}

static bool with_gradient(void) {
    GM_SCOPE(s);
    gm_fn *f = gm_jit(gm_function(selected, weight));
    for (int i = 0; i < 2; i++) {
        gm_tensor *y = gm_call(f, input);
        if (!y || !gm_backward(gm_sum(y))) return false;
        CHECK(same_bits(y, want) && same_bits(gm_gradient_of(weight), want_gradient));
        gm_clear_gradient(weight);
    }
    return gm_ok();
}

static bool within_a_limit(void) {
    GM_SCOPE(s);
    gm_fn *f = gm_jit_with(gm_grad(gm_function(chain, NULL)), &(gm_jit_args){ sizeof(gm_jit_args), 100 });
    return gm_call(f, input) && gm_ok();
}

static int64_t fail_each(bool (*f)(void), const char *what) {
    for (int i = 0; i < 2; i++) f();
    CHECK(gm_ok(), "%s: %s", what, gm_ok() ? "" : gm_error_message());
    int64_t objects = gm_memory_stats().n_objects, bytes = gm_memory_stats().bytes_in_use, n = 1;
    for (;; n++) {
        gm__fail_allocation(n, false);
        bool ok = f();
        bool reached = gm__allocation_count() >= n;
        gm__fail_allocation(0, false);
        if (!reached) break;
        CHECK(ok || gm_error_code() == GM_ERROR_MEMORY, "%s, allocation %lld: %s", what, (long long)n,
              gm_ok() ? "no error" : gm_error_message());
        gm_error_clear();
        gm_clear_gradient(weight);
        gm_memory m = gm_memory_stats();
        CHECK(m.n_objects <= objects && m.bytes_in_use <= bytes, "%s, allocation %lld: %lld objects, %lld bytes more",
              what, (long long)n, (long long)(m.n_objects - objects), (long long)(m.bytes_in_use - bytes));
    }
    return n - 1;
}

int main(void) {
    setenv("GM_COMPILE", "0", 1); /* the background thread's allocations are not ours */
    gm_set_threads(1);
    {
        GM_SCOPE(s);
        weight = gm_linspace(0.5, 2, 6, GM_F32);
        input = gm_linspace(-1, 1.5, 6, GM_F32);
        gm_set_requires_grad(weight, true);
        want = gm_detach(selected(weight, input));
        gm_backward(gm_sum(selected(weight, input)));
        want_gradient = gm_copy(gm_gradient_of(weight));
        gm_clear_gradient(weight);
        int64_t n = fail_each(with_gradient, "with a gradient"), m = fail_each(within_a_limit, "within a limit");
        printf("%lld and %lld allocations\n", (long long)n, (long long)m);
        CHECK(n > 100 && m > 100);
    }
    CHECK(gm_exit_status() == 0);
    return check_done();
}
