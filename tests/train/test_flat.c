/* Training by hand stays flat: after the first steps neither objects nor tensors nor the process grow. */
#include "check.h"
#include "gemel/gemel.h"
#include "measure.h"

#if defined(__GLIBC__)
#  include <malloc.h>
#endif

enum { WARM = 400, STEPS = 800 }; /* by then every kind of object has been through the quarantine of slots */

/* Bytes that malloc has given out; 0 where it does not say. */
static int64_t malloced(void) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct mallinfo2 m = mallinfo2();
    return (int64_t)(m.uordblks + m.hblkhd);
#else
    return 0;
#endif
}

/* 0 under sanitizers, which keep what is freed for a while. */
static int64_t resident_kib(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#elif defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 0;
#  endif
#endif
    return measure_kib("VmRSS:");
}

static void step(gm_module *net, gm_optimizer *opt, gm_tensor *x, gm_tensor *y) {
    GM_SCOPE(s);
    gm_backward(gm_cross_entropy(gm_forward(net, x), y));
    gm_step(opt);
}

static void training(gm_module *net, gm_optimizer *opt, gm_tensor *x, gm_tensor *y) {
    for (int i = 0; i < WARM; i++) step(net, opt, x, y);
    gm_memory before = gm_memory_stats();
    int64_t bytes = malloced(), kib = resident_kib();
    for (int i = 0; i < STEPS; i++) step(net, opt, x, y);
    gm_memory after = gm_memory_stats();
    CHECK(gm_ok(), "%s", gm_error_message());
    CHECK(after.n_objects == before.n_objects && after.bytes_in_use == before.bytes_in_use);
    CHECK(after.bytes_peak == before.bytes_peak && after.bytes_cached == before.bytes_cached);
    CHECK(after.n_allocations - before.n_allocations == after.n_cache_hits - before.n_cache_hits,
          "every block comes from the cache");
    CHECK(malloced() - bytes < 16 * STEPS, "%lld bytes more", (long long)(malloced() - bytes));
    CHECK(resident_kib() - kib < 512, "%lld KiB more", (long long)(resident_kib() - kib));
}

static void mlp(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_linear(200, 64), gm_nn_relu(), gm_nn_dropout(0.1), gm_nn_linear(64, 10));
    training(net, gm_adam(net, 1e-3), gm_randn(GM_SHAPE(32, 200), GM_F32), gm_randint(GM_SHAPE(32), 0, 10, GM_I64));
}

static void convolutions(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_conv2d(1, 4, .kernel = 3), gm_nn_batch_norm2d(4), gm_nn_relu(),
                                   gm_nn_max_pool2d(2), gm_nn_flatten(), gm_nn_linear(4 * 5 * 5, 10));
    training(net, gm_sgd(net, 1e-2, .momentum = 0.9), gm_randn(GM_SHAPE(4, 1, 12, 12), GM_F32),
             gm_randint(GM_SHAPE(4), 0, 10, GM_I64));
}

int main(void) {
    RUN(mlp);
    RUN(convolutions);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
