/* tensors.h: what tests of tensors and of compiled functions share. */
#ifndef TESTS_TENSORS_H
#define TESTS_TENSORS_H

#include "check.h"
#include "gemel/gemel.h"

/* Two tensors of one dtype and shape, with the same bytes in the same order; false while an error is pending. */
static inline bool same_bits(gm_tensor *a, gm_tensor *b) {
    if (!a || !b || !gm_ok()) return false;
    a = gm_contiguous(a), b = gm_contiguous(b);
    return gm_ok() && gm_dtype_of(a) == gm_dtype_of(b) && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) &&
           !memcmp(gm_data(a), gm_data(b), (size_t)gm_count(a) * (size_t)gm_dtype_bits(gm_dtype_of(a)) / 8);
}

/* A net and what steps it; a whole training step on x and its classes y, whose loss it gives. env: a trained_net. */
typedef struct { gm_module *net; gm_optimizer *optimizer; } trained_net;

static inline gm_tensor *trained_step(void *env, gm_tensor *x, gm_tensor *y) {
    trained_net *t = env;
    gm_tensor *loss = gm_cross_entropy(gm_forward(t->net, x), y);
    gm_backward(loss);
    gm_step(t->optimizer);
    return loss;
}

/* A kernel cache of the program's own, so that nothing is built before it is asked for; and its end. */
static char own_cache_path[] = "/tmp/gemel-test-cache-XXXXXX";

static inline void own_cache(void) {
    if (mkdtemp(own_cache_path)) setenv("GM_CACHE_DIR", own_cache_path, 1);
}

static inline void leave_cache(void) {
    char command[sizeof own_cache_path + 16];
    snprintf(command, sizeof command, "rm -rf %s", own_cache_path);
    CHECK(!system(command));
}

#endif
