/* dense.h: a fully connected layer made of the simplest operations, for tests. */
#ifndef TEST_DENSE_H
#define TEST_DENSE_H
#include <gemel/gemel.h>

#include <math.h>

typedef struct { gm_tensor *weight, *bias; } dense_state;

/* x [B, in] -> [B, out] */
static gm_tensor *dense_state_forward(gm_module *m, gm_tensor *x) {
    const dense_state *self = gm_state(m);
    return gm_add(gm_sum_dim(gm_mul(gm_unsqueeze(x, 1), self->weight), 2, false), self->bias);
}

static gm_module *dense(int64_t in, int64_t out) {
    double bound = 1 / sqrt((double)in);
    gm_module *m = gm_module_new(dense_state);
    dense_state *self = gm_state(m);
    if (!self) return NULL;
    self->weight = gm_param_init(m, "weight", GM_SHAPE(out, in), GM_F32, GM_INIT_UNIFORM, -bound, bound);
    self->bias = gm_param_init(m, "bias", GM_SHAPE(out), GM_F32, GM_INIT_UNIFORM, -bound, bound);
    return m;
}

#endif
