/* Jitted functions in which shapes follow from values: a program for each shape that came out, and the function itself
 * where that does not pay or cannot be. */
#include "tensors.h"

#include <stdlib.h>
#include <unistd.h>

static const char *error(void) { return gm_ok() ? "" : gm_error_message(); }

/* The first n of 10 elements are positive. */
static gm_tensor *with_positive(int n) {
    gm_tensor *x = gm_add_scalar(gm_rand(GM_SHAPE(10), GM_F32), 0.5);
    return gm_mul(x,
                  gm_add_scalar(gm_mul_scalar(gm_cast(gm_lt_scalar(gm_arange(0, 10, 1, GM_F32), n), GM_F32), 2), -1));
}

/* Program, selection, program: by exp and mul before, by tanh and a sum behind. */
static gm_tensor *selected(void *env, gm_tensor *x) {
    gm_tensor *y = gm_mul(gm_exp(gm_mul_scalar(x, 0.25)), env);
    gm_tensor *some = gm_masked_select(y, gm_gt_scalar(x, 0));
    return gm_add(gm_tanh(gm_mul(some, some)), gm_sum(some));
}

static void one_shape(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(10), GM_F32);
    gm_fn *f = gm_jit(gm_function(selected, w));
    for (int i = 0; i < 8; i++) {
        gm_tensor *x = with_positive(4);
        CHECK(same_bits(gm_call(f, x), selected(w, x)), "%s", error());
        if (i == 4) CHECK(gm_jit_wait(f), "not built: %s", error());
    }
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.runs == 8 && t.traces == 1 && t.programs == 1 && t.built == 1, "%lld runs, %lld traces", (long long)t.runs,
          (long long)t.traces);
}

/* A few shapes in turn, none of them too: each is recorded once. */
static void some_shapes(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(10), GM_F32);
    gm_fn *f = gm_jit(gm_function(selected, w));
    for (int i = 0; i < 40; i++) {
        gm_tensor *x = with_positive(2 * (i % 5));
        CHECK(same_bits(gm_call(f, x), selected(w, x)), "%d: %s", i, error());
    }
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.runs == 40 && t.traces == 5 && t.programs == 5, "%lld runs, %lld traces", (long long)t.runs,
          (long long)t.traces);
}

/* Two cuts, the second behind the first; C reads the shape. */
static gm_tensor *twice(void *env, gm_tensor *x) {
    gm_tensor *some = gm_masked_select(x, gm_gt_scalar(x, 0));
    if (gm_size(some, 0) == 0) return gm_neg(x);
    gm_tensor *whole = gm_cast(gm_floor(gm_mul_scalar(some, 2)), GM_I64), *kinds = gm_unique(whole);
    return gm_mul_scalar(gm_add(gm_cast(kinds, GM_F32), gm_mean(gm_mul(some, env))), (double)gm_size(kinds, 0));
}

static void two_cuts(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_scalar(0.75, GM_F32);
    gm_fn *f = gm_jit(gm_function(twice, w));
    for (int i = 0; i < 60; i++) {
        gm_tensor *x = with_positive(3 * (i % 4));
        CHECK(same_bits(gm_call(f, x), twice(w, x)), "%d: %s", i, error());
    }
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.runs == 60 && t.traces >= 4 && t.traces <= 12, "%lld runs, %lld traces", (long long)t.runs,
          (long long)t.traces);
}

/* Always another one: it gives up, says so, and goes on. */
static gm_tensor *of_any_length(void *env, gm_tensor *x) { return gm_square(gm_masked_select(x, gm_gt(x, env))); }

static int warnings;
static void count_warnings(void *env, gm_log_level level, const char *line) {
    (void)env;
    if (level == GM_LOG_WARNING && strstr(line, "shapes follow from values")) warnings++;
}

static void too_many(void) {
    GM_SCOPE(s);
    gm_tensor *zero = gm_scalar(0, GM_F32), *at = gm_arange(0, 100, 1, GM_F32);
    gm_fn *f = gm_jit(gm_function(of_any_length, zero));
    gm_set_log(count_warnings, NULL, NULL);
    for (int i = 0; i < 100; i++) {
        gm_tensor *x = gm_add_scalar(at, -i);
        CHECK(same_bits(gm_call(f, x), of_any_length(zero, x)), "%d: %s", i, error());
    }
    gm_set_log(NULL, NULL, NULL);
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.traces == 24 && t.runs == 24 && warnings == 1, "%lld traces, %lld runs, %d warnings", (long long)t.traces,
          (long long)t.runs, warnings);
}

/* ---- gradients, random numbers, state ---- */

static gm_tensor *noisy(void *env, gm_tensor *x) {
    gm_tensor *y = gm_mul(gm_dropout(x, 0.3), env), *some = gm_masked_select(y, gm_ne_scalar(y, 0));
    if (gm_size(some, 0) % 2) some = gm_dropout(some, 0.5); /* more draws, or none */
    return gm_sum(gm_mul(gm_square(some), gm_sum(env)));
}

static void with_gradients(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(10), GM_F32);
    gm_set_requires_grad(w, true);
    gm_fn *f = gm_function(noisy, w), *j = gm_jit(f);
    gm_set_random_state(1, 50);
    for (int i = 0; i < 20; i++) {
        uint64_t seed, count, after[2];
        gm_tensor *x = gm_randn(GM_SHAPE(10), GM_F32), *loss[2], *g[2];
        gm_random_state(&seed, &count);
        for (int k = 0; k < 2; k++) {
            gm_set_random_state(seed, count);
            loss[k] = gm_call(k ? j : f, x);
            gm_backward(loss[k]);
            g[k] = gm_copy(gm_gradient_of(w));
            gm_clear_gradient(w);
            gm_random_state(NULL, &after[k]);
        }
        CHECK(same_bits(loss[0], loss[1]) && same_bits(g[0], g[1]), "%d: %s", i, error());
        CHECK(after[0] == after[1], "%d: %llu draws, eager %llu", i, (unsigned long long)(after[1] - count),
              (unsigned long long)(after[0] - count));
    }
    gm_jit_stats t = gm_jit_statistics(j);
    CHECK(t.runs == 20 && t.gradient_runs == 20, "%lld runs, %lld back", (long long)t.runs, (long long)t.gradient_runs);
}

static gm_tensor *seen;

static gm_tensor *counting(void *env, gm_tensor *x) {
    if (env) gm_assign(seen, gm_add_scalar(seen, 1));
    gm_tensor *some = gm_masked_select(x, gm_gt_scalar(x, 0));
    if (!env) gm_assign(seen, gm_add_scalar(seen, 1));
    return gm_mul(some, seen);
}

/* What is written behind the cut is written once; if it is written before, nothing may run twice. */
static void with_state(void) {
    GM_SCOPE(s);
    for (int before = 0; before < 2; before++) {
        gm_set(&seen, gm_zeros(GM_SCALAR, GM_F32));
        gm_fn *f = gm_jit(gm_function(counting, before ? &seen : NULL));
        for (int i = 0; i < 9; i++) {
            gm_tensor *x = with_positive(1 + i % 3), *y = gm_call(f, x);
            CHECK(y && gm_size(y, 0) == 1 + i % 3 && gm_item(seen) == i + 1, "%d: %g: %s", i, gm_item(seen), error());
        }
        CHECK(gm_jit_statistics(f).runs == (before ? 0 : 9), "%lld runs", (long long)gm_jit_statistics(f).runs);
    }
    gm_set(&seen, NULL);
}

/* ---- the other operations; and graphs, which have no values ---- */

static gm_tensor *counts(void *env, gm_tensor *x) {
    gm_tensor *n = gm_bincount(x, env, 0), *again = gm_repeat_interleave_by(n, gm_bincount(x, NULL, 0), 0);
    return gm_mul_scalar(gm_add(again, gm_mean(n)), 3);
}

static void others(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_rand(GM_SHAPE(12), GM_F32);
    gm_fn *f = gm_jit(gm_function(counts, w));
    for (int i = 0; i < 9; i++) {
        gm_tensor *x = gm_randint(GM_SHAPE(12), 0, 3 + i % 3, GM_I64);
        CHECK(same_bits(gm_call(f, x), counts(w, x)), "%d: %s", i, error());
    }
    CHECK(gm_jit_statistics(f).runs == 9);
    CHECK(!gm_trace_graph(gm_function(selected, w), GM_PACK({ "x", w, NULL })) && gm_error_code() == GM_ERROR_STATE &&
          strstr(error(), "follows from values"));
    gm_error_clear();
}

int main(void) {
    own_cache();
    RUN(one_shape);
    RUN(some_shapes);
    RUN(two_cuts);
    RUN(too_many);
    RUN(with_gradients);
    RUN(with_state);
    RUN(others);
    CHECK(gm_exit_status() == 0);
    leave_cache();
    return check_done();
}
