/* Compiled functions called with many sizes and very often: the bits of eager mode, few builds, flat memory. */
#include "tensors.h"
#include "compile/build.h"

enum { FEATURES = 12 };

static gm_tensor *some_net(void *env, gm_tensor *x) {
    gm_pack *w = env;
    gm_tensor *h = gm_gelu(gm_add(gm_matmul(x, gm_get(w, "a")), gm_get(w, "b")));
    gm_tensor *centred = gm_sub(h, gm_mean_dim(h, 1, true));
    return gm_sum_dim(gm_mul(gm_tanh(centred), gm_get(w, "b")), 1, false);
}

static gm_pack *weights(void) {
    return GM_PACK({ "a", gm_randn(GM_SHAPE(FEATURES, 8), GM_F32), NULL },
                   { "b", gm_randn(GM_SHAPE(8), GM_F32), NULL });
}

/* A text serves all sizes that are walked alike: 0 and 1 are classes of their own. */
static void many_sizes(void) {
    GM_SCOPE(s);
    gm_pack *w = weights();
    gm_fn *f = gm_jit(gm_function(some_net, (void *)w));
    int64_t before = gm__build_stats().builds, kept = 0;
    for (int64_t n = 0; n < 1000; n++) {
        GM_SCOPE(inner);
        gm_tensor *x = gm_randn(GM_SHAPE(n, FEATURES), GM_F32), *want = some_net(w, x);
        for (int i = 0; i < 3; i++) CHECK(same_bits(gm_call(f, x), want), "size %lld", (long long)n);
        if (n == 10) gm_jit_wait(f);
        if (n == 500) kept = gm_memory_stats().n_objects;
    }
    gm__build_counts t = gm__build_stats();
    CHECK(t.builds - before <= 4, "%lld builds", (long long)(t.builds - before));
    CHECK(gm_memory_stats().n_objects <= kept + 64, "%lld objects, %lld after half the sizes",
          (long long)gm_memory_stats().n_objects, (long long)kept);
    gm_jit_stats j = gm_jit_statistics(f);
    CHECK(j.traces == 1000 && j.calls == 3000 && j.hits == 2000 && j.programs <= 64, "%lld programs",
          (long long)j.programs);
}

static void many_calls(void) {
    GM_SCOPE(s);
    gm_pack *w = weights();
    gm_fn *f = gm_jit(gm_function(some_net, (void *)w));
    gm_memory at = { 0 }, end = { 0 };
    for (int i = 0; i < 10000; i++) {
        GM_SCOPE(inner);
        gm_tensor *x = gm_full(GM_SHAPE(5, FEATURES), i * 0.001, GM_F32);
        gm_call(f, x);
        if (i == 10) gm_jit_wait(f);
        if (i == 1000) at = gm_memory_stats();
        if (i == 9999) end = gm_memory_stats();
    }
    CHECK(gm_ok() && end.n_objects == at.n_objects && end.bytes_in_use == at.bytes_in_use, "%lld bytes, before %lld",
          (long long)end.bytes_in_use, (long long)at.bytes_in_use);
}

int main(void) {
    RUN(many_sizes);
    RUN(many_calls);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
