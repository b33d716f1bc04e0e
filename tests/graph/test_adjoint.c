/* Jitted functions below a gradient: two programs and one entry of the tape, with the bits of eager gradients. */
#include "tensors.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static bool near_to(gm_tensor *a, gm_tensor *b) {
    if (!a || !b || !gm_ok() || !gm_shape_equal(gm_shape_of(a), gm_shape_of(b))) return false;
    return gm_item(gm_max(gm_abs(gm_sub(a, b)))) <= 1e-6 * (1 + gm_item(gm_max(gm_abs(b))));
}

static const char *error(void) { return gm_ok() ? "" : gm_error_message(); }

/* ---- a net without a loss, jitted; loss and optimizer are eager ---- */

typedef struct { gm_module *net; gm_optimizer *optimizer; gm_fn *forward; gm_tensor *shared; } model;

/* A weight that is used inside and outside, more than once each: the order of its contributions shows in the bits. */
static gm_tensor *forward_of(void *env, gm_tensor *x) {
    model *m = env;
    gm_tensor *y = gm_forward(m->net, gm_mul(x, m->shared));
    return gm_add(y, gm_mul(gm_mean(gm_square(m->shared)), gm_sum(gm_mul(x, gm_mul(m->shared, m->shared)))));
}

static model new_model(bool jitted) {
    gm_seed(3);
    model m = { gm_sequential(gm_nn_linear(6, 12), gm_nn_batch_norm1d(12), gm_nn_relu(), gm_nn_dropout(0.3),
                              gm_nn_linear(12, 6), gm_nn_gelu(), gm_nn_linear(6, 4)), NULL, NULL, NULL };
    m.shared = gm_param(m.net, "shared", gm_mul_scalar(gm_randn(GM_SHAPE(6), GM_F32), 0.5));
    m.optimizer = gm_adamw(m.net, 1e-2);
    model *held = malloc(sizeof m);
    *held = m;
    m.forward = gm_function1(forward_of, held, free);
    if (jitted) m.forward = gm_jit(m.forward);
    return m;
}

static gm_tensor *step_of(model *m, gm_tensor *x, gm_tensor *y) {
    gm_tensor *before = gm_mul(x, gm_tanh(m->shared)), *out = gm_call(m->forward, before);
    gm_tensor *loss = gm_add(gm_cross_entropy(out, y), gm_mean(gm_mul(m->shared, gm_exp(m->shared))));
    gm_backward(loss);
    gm_step(m->optimizer);
    return loss;
}

static void training(void) {
    GM_SCOPE(s);
    model eager = new_model(false), jitted = new_model(true);
    for (int i = 0; i < 12; i++) {
        GM_SCOPE(inner);
        gm_tensor *x = gm_randn(GM_SHAPE(7, 6), GM_F32), *y = gm_randint(GM_SHAPE(7), 0, 4, GM_I64);
        gm_set_random_state(5, 100 * (uint64_t)i);
        gm_tensor *a = step_of(&eager, x, y);
        gm_set_random_state(5, 100 * (uint64_t)i);
        CHECK(same_bits(step_of(&jitted, x, y), a), "step %d: %s", i, error());
        if (i == 6) CHECK(gm_jit_wait(jitted.forward), "not built: %s", error());
    }
    gm_pack *a = gm_state_dict(eager.net), *b = gm_state_dict(jitted.net);
    for (int64_t i = 0; i < gm_pack_count(a); i++)
        CHECK(same_bits(gm_pack_at(a, i), gm_pack_at(b, i)), "%s", gm_pack_name(a, i));
    gm_jit_stats t = gm_jit_statistics(jitted.forward);
    CHECK(t.traces == 1 && t.runs == 12 && t.gradient_runs == 12 && t.built == 2,
          "%lld traces, %lld runs, %lld back, %lld", (long long)t.traces, (long long)t.runs, (long long)t.gradient_runs,
          (long long)t.built);
}

/* ---- gradients of inputs; of gradients ---- */

static gm_tensor *wave(void *env, gm_tensor *x) {
    gm_tensor *w = env, *y = gm_sin(gm_matmul(x, w));
    return gm_add(gm_mul(y, gm_exp(x)), gm_softmax(gm_matmul(gm_reshape(x, GM_SHAPE(2, 6)), w), -1));
}

static gm_tensor *slope(gm_fn *f, gm_tensor *x, gm_tensor *w, gm_tensor **of_w, bool twice) {
    gm_tensor *y = gm_sum(gm_square(gm_call(f, gm_mul(x, x))));
    gm_pack *p = gm_gradients(y, GM_PACK({ "x", x, NULL }, { "w", w, NULL }), .create_graph = twice);
    if (!p) return NULL;
    *of_w = gm_get(p, "w");
    if (!twice) return gm_get(p, "x");
    y = gm_sum(gm_mul(gm_get(p, "x"), gm_cos(gm_get(p, "x"))));
    p = gm_gradients(y, GM_PACK({ "x", x, NULL }, { "w", w, NULL }));
    if (p) *of_w = gm_get(p, "w");
    return p ? gm_get(p, "x") : NULL;
}

static gm_tensor *wave_loss(void *env, gm_tensor *x) { return gm_sum(gm_square(gm_call(env, x))); }
static gm_tensor *sum_of_grad(void *env, gm_tensor *x) { return gm_sum(gm_square(gm_call(gm_grad(env), x))); }

static void orders(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(6, 6), GM_F32), *x = gm_randn(GM_SHAPE(2, 6), GM_F32), *a, *b;
    gm_set_requires_grad(w, true), gm_set_requires_grad(x, true);
    gm_fn *f = gm_function(wave, w), *j = gm_jit(f);
    for (int twice = 0; twice < 2; twice++)
        for (int i = 0; i < 3; i++) {
            gm_tensor *want = slope(f, x, w, &a, twice);
            gm_tensor *got = slope(j, x, w, &b, twice);
            bool (*same)(gm_tensor *, gm_tensor *) = twice ? near_to : same_bits;
            CHECK(same(got, want) && same(b, a), "order %d: %s", twice + 1, error());
        }
    gm_jit_stats t = gm_jit_statistics(j);
    CHECK(t.runs == 6 && t.gradient_runs == 9 && t.traces == 1, "%lld runs, %lld back, %lld traces", (long long)t.runs,
          (long long)t.gradient_runs, (long long)t.traces);
    gm_fn *loss = gm_function(wave_loss, f), *jitted = gm_function(wave_loss, j);
    CHECK(same_bits(gm_call(gm_grad(jitted), x), gm_call(gm_grad(loss), x)), "%s", error());
    CHECK(gm_jit_statistics(j).gradient_runs == 10);
    CHECK(near_to(gm_call(gm_grad(gm_function(sum_of_grad, jitted)), x),
                  gm_call(gm_grad(gm_function(sum_of_grad, loss)), x)), "%s", error());
    CHECK(same_bits(gm_call(gm_jit(gm_grad(jitted)), x), gm_call(gm_grad(loss), x)), "%s", error());
    CHECK(near_to(gm_call(gm_vmap(gm_grad(jitted)), gm_stack((gm_tensor *[]){ x, x }, 2, 0)),
                  gm_stack((gm_tensor *[]){ gm_call(gm_grad(loss), x), gm_call(gm_grad(loss), x) }, 2, 0)),
          "%s", error());
}

/* ---- several results, of which gradients come to some ---- */

static gm_pack *three(void *env, gm_pack *in) {
    gm_tensor *x = gm_get(in, "x"), *w = env, *h = gm_tanh(gm_mul(x, w));
    return GM_PACK({ "a", h, NULL }, { "n", gm_argmax(h, -1, false), NULL }, { "b", gm_mul(h, gm_exp(w)), NULL },
                   { "same", h, NULL }, { "x", x, NULL });
}

static gm_tensor *mixed(gm_fn *f, gm_tensor *x, gm_tensor *w, int which) {
    gm_pack *out = gm_call_pack(f, GM_PACK({ "x", x, NULL }));
    gm_tensor *y = out ? gm_sum(gm_square(gm_get(out, which ? "b" : "a"))) : NULL;
    if (which == 2)
        y = gm_add(gm_sum(gm_mul(gm_get(out, "same"), gm_get(out, "x"))), gm_mean(gm_exp(gm_get(out, "a"))));
    gm_backward(y);
    gm_tensor *g = gm_ok() ? gm_copy(gm_gradient_of(w)) : NULL, *h = g ? gm_copy(gm_gradient_of(x)) : NULL;
    gm_clear_gradient(w), gm_clear_gradient(x);
    return g && h ? gm_add(g, h) : NULL;
}

static void some_results(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(3, 5), GM_F32), *x = gm_randn(GM_SHAPE(3, 5), GM_F32);
    gm_set_requires_grad(w, true), gm_set_requires_grad(x, true);
    gm_fn *f = gm_functionp(three, w, NULL), *j = gm_jit(f);
    for (int i = 0; i < 4; i++) CHECK(same_bits(mixed(j, x, w, 1), mixed(f, x, w, 1)), "%d: %s", i, error());
    gm_jit_stats t = gm_jit_statistics(j);
    CHECK(t.traces == 2 && t.gradient_runs == 3, "%lld traces, %lld back", (long long)t.traces,
          (long long)t.gradient_runs);
    for (int i = 0; i < 30; i++) CHECK(same_bits(mixed(j, x, w, i % 3), mixed(f, x, w, i % 3)), "%d: %s", i, error());
    CHECK(gm_jit_statistics(j).traces <= 6, "%lld traces", (long long)gm_jit_statistics(j).traces);
}

/* ---- what eager mode says, too ---- */

static gm_tensor *squared(void *env, gm_tensor *x) { return gm_square(gm_mul(x, env)); }

static void mistakes(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(5), GM_F32), *x = gm_randn(GM_SHAPE(5), GM_F32);
    gm_set_requires_grad(w, true);
    gm_fn *f = gm_jit(gm_function(squared, w));
    gm_tensor *y = gm_sum(gm_call(f, x));
    CHECK(gm_backward(y) && !gm_backward(y) && gm_error_code() == GM_ERROR_GRADIENT && strstr(error(), "earlier pass"),
          "%s", error());
    gm_error_clear();
    y = gm_sum(gm_call(f, x));
    CHECK(gm_backward(y, .retain = true) && gm_backward(y), "%s", error());
    gm_tensor *leaf = gm_copy(x);
    gm_set_requires_grad(leaf, true);
    y = gm_sum(gm_call(f, leaf));
    gm_assign(w, gm_mul_scalar(gm_detach(w), 2));
    CHECK(!gm_backward(y) && gm_error_code() == GM_ERROR_GRADIENT && strstr(error(), "changed in place"), "%s",
          error());
    gm_error_clear();
    y = gm_sum(gm_call(f, x));
    gm_assign(x, gm_mul_scalar(x, 2));
    CHECK(!gm_backward(y) && gm_error_code() == GM_ERROR_GRADIENT && strstr(error(), "changed in place"), "%s",
          error());
    gm_error_clear();
    CHECK(gm_jit_statistics(f).gradient_runs == 3);
}

/* ---- inside of other things ---- */

typedef struct { gm_tensor *w; gm_fn *f; } wrapped;

static gm_tensor *remat_of_jit(void *env, gm_tensor *x) {
    wrapped *e = env;
    return gm_sum(gm_mul(gm_call(gm_remat(e->f), gm_mul(x, e->w)), e->w));
}

static gm_tensor *jit_twice(void *env, gm_tensor *x) {
    wrapped *e = env;
    return gm_sum(gm_mul(gm_call(e->f, gm_call(e->f, gm_mul(x, e->w))), e->w));
}

static gm_tensor *noisy(void *env, gm_tensor *x) {
    return gm_dropout(gm_mul(gm_tanh(gm_mul(gm_dropout(x, 0.4), env)), env), 0.3);
}

static gm_tensor *remat_inside(void *env, gm_tensor *x) {
    wrapped *e = env;
    return gm_mul(gm_call(gm_remat(gm_function(noisy, e->w)), gm_mul(x, e->w)), gm_exp(e->w));
}

/* The gradient of w, and in it that of a loss in which w is used before and behind. */
static gm_tensor *weight_gradient(gm_fn1 f, gm_fn *inner, gm_tensor *x, gm_tensor *w, bool twice) {
    wrapped e = { w, inner };
    gm_set_random_state(7, 3);
    gm_tensor *loss = gm_add(gm_sum(gm_square(f(&e, gm_mul(x, w)))), gm_sum(gm_square(w)));
    if (!twice) gm_backward(loss);
    else {
        gm_pack *p = gm_gradients(loss, GM_PACK({ "w", w, NULL }), .create_graph = true);
        gm_backward(p ? gm_sum(gm_square(gm_get(p, "w"))) : NULL);
    }
    gm_tensor *g = gm_ok() && gm_gradient_of(w) ? gm_copy(gm_gradient_of(w)) : NULL;
    gm_clear_gradient(w);
    return g;
}

static gm_tensor *called(void *env, gm_tensor *x) { return gm_call(((wrapped *)env)->f, x); }

static void inside(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(5), GM_F32), *x = gm_randn(GM_SHAPE(3, 5), GM_F32);
    gm_set_requires_grad(w, true);
    wrapped e = { w, NULL };
    gm_fn *f = gm_function(noisy, w), *j = gm_jit(f), *r = gm_function(remat_inside, &e), *jr = gm_jit(r);
    for (int twice = 0; twice < 2; twice++)
        for (int i = 0; i < 3; i++) {
            CHECK(
                same_bits(weight_gradient(remat_of_jit, j, x, w, twice), weight_gradient(remat_of_jit, f, x, w, twice)),
                "remat of jit, order %d: %s", twice + 1, error());
            bool (*same)(gm_tensor *, gm_tensor *) = twice ? near_to : same_bits;
            CHECK(same(weight_gradient(jit_twice, j, x, w, twice), weight_gradient(jit_twice, f, x, w, twice)),
                  "twice, order %d: %s", twice + 1, error());
            CHECK(same(weight_gradient(called, jr, x, w, twice), weight_gradient(called, r, x, w, twice)),
                  "jit of remat, order %d: %s", twice + 1, error());
        }
    CHECK(gm_jit_statistics(j).gradient_runs == 27 && gm_jit_statistics(jr).gradient_runs == 9, "%lld, %lld",
          (long long)gm_jit_statistics(j).gradient_runs, (long long)gm_jit_statistics(jr).gradient_runs);
}

/* The functional form puts other tensors in the place of those that were recorded. */
static gm_tensor *of_net(void *env, gm_tensor *x) { return gm_call(env, x); }

static void substituted(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(5), GM_F32), *v = gm_randn(GM_SHAPE(5), GM_F32),
              *x = gm_randn(GM_SHAPE(5), GM_F32);
    gm_fn *j = gm_jit(gm_function(squared, w));
    gm_tensor *of_w = gm_call(j, x);
    void *begun = gm_substitute_begin(GM_PACK({ "w", w, NULL }), GM_PACK({ "w", v, NULL }));
    gm_tensor *of_v = of_net(j, x);
    gm_substitute_end(begun);
    CHECK(same_bits(of_w, squared(w, x)) && same_bits(of_v, squared(v, x)) && same_bits(gm_call(j, x), of_w), "%s",
          error());
    gm_fn *k = gm_jit(gm_function(squared, w)); /* recorded under a substitution */
    begun = gm_substitute_begin(GM_PACK({ "w", w, NULL }), GM_PACK({ "w", v, NULL }));
    CHECK(same_bits(gm_call(k, x), of_v));
    gm_substitute_end(begun);
    CHECK(same_bits(gm_call(k, x), of_w));
}

/* ---- control flow; a while without a bound has no recorded way back ---- */

static gm_pack *cell(void *env, gm_pack *in) {
    gm_tensor *h = gm_tanh(gm_add(gm_get(in, "x.x"), gm_mul(gm_mul(gm_get(in, "carry.h"), env), env)));
    return GM_PACK({ "carry", h, NULL }, { "y", gm_mul(h, env), NULL });
}

static gm_tensor *scanned(void *env, gm_tensor *x) {
    gm_pack *out = gm_scan(gm_function(cell, env), GM_PACK({ "h", gm_mul(gm_select(x, 0, 0), env), NULL }),
                           GM_PACK({ "x", x, NULL }));
    return out ? gm_mul(gm_get(out, "y"), env) : NULL;
}

static gm_pack *small(void *env, gm_pack *in) {
    (void)env;
    return GM_PACK({ "go", gm_lt_scalar(gm_sum(gm_abs(gm_get(in, "x"))), 40), NULL });
}
static gm_pack *grown(void *env, gm_pack *in) {
    return GM_PACK({ "x", gm_mul_scalar(gm_sub(gm_get(in, "x"), gm_mul_scalar(env, 0.25)), 1.5), NULL });
}
static gm_tensor *looped(void *env, gm_tensor *x) {
    gm_pack *out = gm_while(gm_function(small, NULL), gm_function(grown, env), GM_PACK({ "x", gm_mul(x, env), NULL }));
    return out ? gm_get(out, "x") : NULL;
}

static void control_flow(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(5), GM_F32), *x = gm_randn(GM_SHAPE(3, 5), GM_F32);
    gm_set_requires_grad(w, true);
    const gm_fn1 functions[] = { scanned, looped };
    for (int k = 0; k < 2; k++) {
        gm_fn *f = gm_function(functions[k], w), *j = gm_jit(f);
        for (int i = 0; i < 3; i++)
            CHECK(same_bits(weight_gradient(called, j, x, w, false), weight_gradient(called, f, x, w, false)), "%d: %s",
                  k, error());
        gm_jit_stats t = gm_jit_statistics(j);
        CHECK(t.runs == (k ? 0 : 3) && t.gradient_runs == t.runs, "%d: %lld runs, %lld back", k, (long long)t.runs,
              (long long)t.gradient_runs);
        GM_NO_GRAD;
        CHECK(same_bits(gm_call(j, x), gm_call(f, x)) && gm_jit_statistics(j).runs == t.runs + 1, "%d: %s", k, error());
    }
}

/* ---- from several threads ---- */

typedef struct { gm_fn *f; gm_tensor *x, *want; bool ok; } worker;

static void *work(void *env) {
    worker *k = env;
    k->ok = true;
    for (int i = 0; i < 20 && k->ok; i++) {
        GM_SCOPE(s);
        k->ok = same_bits(gm_call(gm_grad(k->f), k->x), k->want);
    }
    gm_error_clear();
    return NULL;
}

static gm_tensor *loss_of_wave(void *env, gm_tensor *x) { return gm_sum(gm_square(wave(env, x))); }

static void threads(void) {
    enum { THREADS = 3 };
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(6, 6), GM_F32);
    gm_fn *f = gm_function(loss_of_wave, w), *j = gm_jit(f);
    pthread_t t[THREADS];
    worker k[THREADS];
    for (int i = 0; i < THREADS; i++) {
        gm_tensor *x = gm_randn(GM_SHAPE(2, 6), GM_F32);
        k[i] = (worker){ j, x, gm_call(gm_grad(f), x), false };
        CHECK(!pthread_create(&t[i], NULL, work, &k[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        CHECK(k[i].ok, "thread %d", i);
    }
    CHECK(gm_jit_statistics(j).gradient_runs == 20 * THREADS);
}

/* ---- memory: what waits for a way back dies with it ---- */

static void memory(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(1000), GM_F32), *x = gm_randn(GM_SHAPE(1000), GM_F32);
    gm_set_requires_grad(w, true);
    gm_fn *f = gm_jit(gm_function(squared, w));
    int64_t before = 0;
    for (int i = 0; i < 50; i++) {
        GM_SCOPE(inner);
        gm_tensor *y = gm_sum(gm_call(f, x));
        if (i % 2) gm_backward(y);
        gm_clear_gradient(w);
        if (i == 9) before = gm_memory_stats().bytes_in_use;
    }
    CHECK(gm_memory_stats().bytes_in_use <= before + 1000, "%lld bytes, then %lld", (long long)before,
          (long long)gm_memory_stats().bytes_in_use);
}

int main(void) {
    own_cache();
    RUN(training);
    RUN(orders);
    RUN(some_results);
    RUN(mistakes);
    RUN(inside);
    RUN(substituted);
    RUN(control_flow);
    RUN(threads);
    RUN(memory);
    CHECK(gm_exit_status() == 0);
    leave_cache();
    return check_done();
}
