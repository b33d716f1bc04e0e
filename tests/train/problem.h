/* problem.h: a small problem that nets learn in a moment: which of three sums of inputs is the largest. */
#ifndef TEST_PROBLEM_H
#define TEST_PROBLEM_H
#include "../check.h"
#include "../nn/dense.h"

enum { PROBLEM_N = 96 };

static inline gm_dataset *problem_of(int64_t n, uint64_t seed) {
    static float x[512][12];
    static int64_t y[512];
    gm_tensor *t = gm_random_of((gm_random_key){ seed, 0, "problem" }, GM_SHAPE(n, 12), GM_F32, 1, 1, 0);
    memcpy(x, gm_data(t), (size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        float s[3] = { 0 };
        for (int k = 0; k < 12; k++) s[k % 3] += x[i][k];
        y[i] = s[0] > s[1] && s[0] > s[2] ? 0 : s[1] > s[2] ? 1 : 2;
    }
    return gm_dataset_of(gm_from_data(GM_SHAPE(n, 12), GM_F32, x), gm_from_data(GM_SHAPE(n), GM_I64, y));
}

static inline gm_module *problem_net(void) {
    return gm_sequential(dense(12, 16), gm_nn_relu(), gm_nn_dropout(0.1), dense(16, 3));
}

/* True if the nets have the same parameters and buffers, bit for bit. */
static inline bool problem_same(gm_module *a, gm_module *b) {
    gm_pack *p = gm_state_dict(a), *q = gm_state_dict(b);
    if (!p || !q || gm_pack_count(p) != gm_pack_count(q)) return false;
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        gm_tensor *t = gm_pack_at(p, i), *u = gm_get(q, gm_pack_name(p, i));
        if (!u || memcmp(gm_data(t), gm_data(u), (size_t)gm_count(t) * 4)) return false;
    }
    return true;
}

#endif
