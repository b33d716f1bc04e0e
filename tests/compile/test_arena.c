/* The memory of whole training steps: the arena against the largest sum of buffers that are in use at once, for the
 * plans on the library's kernels and those with emitted loops. */
#include "tensors.h"
#include "compile/fuse.h"
#include "compile/pass.h"
#include "compile/plan.h"

#include <stdlib.h>

static void check_plan(const char *name, const char *what, gm_graph *g, int64_t eager) {
    gm__plan *p = g ? gm__plan_new(g) : NULL;
    CHECK(p != NULL, "%s, %s: %s", name, what, gm_ok() ? "nothing" : gm_error_message());
    if (!p) return;
    gm__plan_stats t = gm__plan_statistics(p);
    double ratio = (double)t.arena / (double)t.live;
    printf("%-12s %-8s %5lld kernels, arena %9lld, live %9lld: %.3f; eager %9lld\n", name, what, (long long)t.kernels,
           (long long)t.arena, (long long)t.live, ratio, (long long)eager);
    CHECK(t.arena <= eager, "%s, %s: an arena of %lld bytes, eager's step takes %lld", name, what, (long long)t.arena,
          (long long)eager);
    CHECK(t.live > 0 && ratio >= 1 && ratio <= 1.1, "%s, %s: %.3f", name, what, ratio);
}

static int n_emitted;

/* The most that an eager step takes beside what is there before it. */
static int64_t eager_peak(trained_net *t, gm_tensor *x, gm_tensor *y) {
    for (int i = 0; i < 2; i++) { /* the first one makes the optimizer's state */
        GM_SCOPE(s);
        gm_memory before = gm_memory_stats();
        gm_memory_reset_peak();
        trained_step(t, x, y);
        if (i) return gm_memory_stats().bytes_peak - before.bytes_in_use;
    }
    return 0;
}

/* Of a step of the net; nothing is computed but for the eager ones. */
static void check_step(const char *name, gm_module *net, gm_tensor *x, int64_t classes) {
    GM_SCOPE(s);
    trained_net t = { net, gm_adamw(net, 1e-3) };
    gm_tensor *y = gm_randint(GM_SHAPE(gm_size(x, 0)), 0, classes, GM_I64);
    gm_graph *g = gm_trace_graph(gm_function(trained_step, &t), GM_PACK({ "x", x, NULL }, { "y", y, NULL }));
    gm_graph *best = g ? gm__optimize(g) : NULL;
    gm__build *build = NULL;
    int64_t eager = eager_peak(&t, x, y);
    check_plan(name, "library", best, eager);
    gm_graph *fused = best ? gm__fuse(best, &build) : NULL; /* NULL: nothing in it is a loop of its own */
    n_emitted += fused != NULL;
    if (fused) check_plan(name, "emitted", fused, eager);
}

static void steps(void) {
    GM_SCOPE(s);
    gm_seed(1);
    check_step("lenet", gm_zoo_new("lenet", GM_SHAPE(1, 28, 28), 10), gm_randn(GM_SHAPE(32, 1, 28, 28), GM_F32), 10);
    check_step("lstm", gm_sequential(gm_nn_lstm(24, 48), gm_nn_flatten(), gm_nn_linear(16 * 48, 10)),
               gm_randn(GM_SHAPE(8, 16, 24), GM_F32), 10);
    check_step("transformer",
               gm_sequential(gm_nn_embedding(50, 32), gm_nn_transformer_encoder(4, 32, 4, .feedforward = 64),
                             gm_nn_flatten(), gm_nn_linear(16 * 32, 10)),
               gm_randint(GM_SHAPE(8, 16), 0, 50, GM_I64), 10);
    check_step("resnet18", gm_zoo_new("resnet18", GM_SHAPE(3, 32, 32), 10), gm_randn(GM_SHAPE(8, 3, 32, 32), GM_F32),
               10);
    CHECK(n_emitted >= 3, "%d", n_emitted);
}

int main(void) {
    setenv("GM_COMPILE", "0", 1); /* nothing is run */
    RUN(steps);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
