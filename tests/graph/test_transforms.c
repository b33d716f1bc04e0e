/* Transforms of functions, alone and in each other. */
#include "check.h"
#include "gemel/gemel.h"

#include <math.h>

static bool near_to(gm_tensor *a, gm_tensor *b) {
    return gm_ok() && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) &&
           gm_item(gm_max(gm_abs(gm_sub(a, b)))) < 1e-5;
}

static gm_tensor *sum_of_cubes(void *env, gm_tensor *x) {
    (void)env;
    return gm_sum(gm_mul(x, gm_mul(x, x)));
}

static void grad_of_grad(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_randn(GM_SHAPE(5), GM_F32);
    gm_fn *f = gm_function(sum_of_cubes, NULL), *g = gm_grad(f), *h = gm_grad(g);
    CHECK(near_to(gm_call(g, x), gm_mul_scalar(gm_square(x), 3)));
    CHECK(near_to(gm_call(h, x), gm_mul_scalar(x, 6)));
    CHECK(near_to(gm_call(gm_grad(h), x), gm_full_like(x, 6)));
    CHECK(near_to(gm_call(gm_jit(h), x), gm_call(h, x)));
    CHECK(gm_jit_statistics(gm_jit(h)).calls == 0);
}

static gm_tensor *per_sample(void *env, gm_tensor *w, gm_tensor *x) {
    (void)env;
    return gm_square(gm_sum(gm_mul(gm_tanh(w), x)));
}

static void per_sample_gradients(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(4), GM_F32), *x = gm_randn(GM_SHAPE(6, 4), GM_F32);
    gm_fn *f = gm_function(per_sample, NULL), *g = gm_grad(f);
    int32_t axes[] = { GM_NOT_MAPPED, 0 };
    gm_tensor *all = gm_call(gm_vmap(g, .in_axes = axes, .n_axes = 2), w, x);
    for (int i = 0; i < 6; i++) CHECK(near_to(gm_select(all, 0, i), gm_call(g, w, gm_select(x, 0, i))));
    gm_tensor *compiled = gm_call(gm_jit(gm_vmap(g, .in_axes = axes, .n_axes = 2)), w, x);
    CHECK(near_to(all, compiled));
    gm_tensor *turned = gm_call(gm_vmap(g, .in_axes = (int32_t[]){ GM_NOT_MAPPED, 1 }, .n_axes = 2, .out_axis = 1), w,
                                gm_transpose(x, 0, 1));
    CHECK(near_to(all, gm_transpose(turned, 0, 1)));
}

static gm_tensor *mean_over_batch(void *env, gm_tensor *w, gm_tensor *x) {
    (void)env;
    int32_t axes[] = { GM_NOT_MAPPED, 0 };
    return gm_mean(gm_call(gm_vmap(gm_function(per_sample, NULL), .in_axes = axes, .n_axes = 2), w, x));
}

static void grad_through_vmap(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(4), GM_F32), *x = gm_randn(GM_SHAPE(6, 4), GM_F32);
    int32_t axes[] = { GM_NOT_MAPPED, 0 };
    gm_tensor *each = gm_call(gm_vmap(gm_grad(gm_function(per_sample, NULL)), .in_axes = axes, .n_axes = 2), w, x);
    CHECK(near_to(gm_call(gm_grad(gm_function(mean_over_batch, NULL)), w, x), gm_mean_dim(each, 0, false)));
}

/* H v = jvp of grad along v. */
static void hessian_product(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_randn(GM_SHAPE(5), GM_F32), *v = gm_randn(GM_SHAPE(5), GM_F32);
    gm_fn *hvp = gm_jvp(gm_grad(gm_function(sum_of_cubes, NULL)));
    gm_pack *in = gm_pack_new();
    gm_pack_set_pack(in, "in", GM_PACK({ "0", x, NULL }));
    gm_pack_set_pack(in, "tangent", GM_PACK({ "0", v, NULL }));
    gm_pack *out = gm_call_pack(hvp, in);
    CHECK(near_to(gm_get(out, "tangent"), gm_mul(gm_mul_scalar(x, 6), v)));
    CHECK(near_to(gm_get(gm_call_pack(gm_jit(hvp), in), "tangent"), gm_mul(gm_mul_scalar(x, 6), v)));
}

static void vjp_gives_value(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(4), GM_F32), *x = gm_randn(GM_SHAPE(4), GM_F32);
    gm_pack *out =
        gm_call_pack(gm_vjp(gm_function(per_sample, NULL)),
                     GM_PACK({ "0", w, NULL }, { "1", x, NULL }, { "gradient", gm_scalar(2, GM_F32), NULL }));
    CHECK(near_to(gm_get(out, "value"), per_sample(NULL, w, x)));
    CHECK(near_to(gm_get(out, "grad.0"), gm_mul_scalar(gm_call(gm_grad(gm_function(per_sample, NULL)), w, x), 2)));
}

static gm_tensor *noisy(void *env, gm_tensor *x) {
    (void)env;
    return gm_add(gm_dropout(x, 0.5), gm_randn(GM_SHAPE(3), GM_F32));
}

static gm_tensor *noisy_sum(void *env, gm_tensor *x) { return gm_sum(gm_square(noisy(env, x))); }

/* Every entry draws numbers of its own: those that the whole batch would draw. */
static void draws_of_a_batch(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_randn(GM_SHAPE(4, 3), GM_F32);
    gm_fn *f = gm_vmap(gm_function(noisy, NULL));
    gm_set_random_state(1, 0);
    gm_tensor *y = gm_call(f, x), *again = gm_call(f, x);
    gm_set_random_state(1, 0);
    gm_tensor *whole = gm_add(gm_dropout(x, 0.5), gm_randn(GM_SHAPE(4, 3), GM_F32));
    CHECK(near_to(y, whole) && !near_to(y, again));
    gm_set_random_state(1, 0);
    gm_fn *g = gm_vmap(gm_grad(gm_function(noisy_sum, NULL)));
    gm_tensor *slope = gm_call(g, x), *kept = gm_cast(gm_ne_scalar(slope, 0), GM_F32);
    CHECK(near_to(slope, gm_mul(gm_mul_scalar(y, 4), kept)));
    gm_set_random_state(1, 0);
    CHECK(near_to(gm_call(gm_jit(g), x), slope));
    CHECK(gm_ok(), "%s", gm_error_message());
}

/* Variables inside of a transform are nobody else's: programs that there are stay, and results have no history. */
static void gradients_change_no_modes(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_randn(GM_SHAPE(5), GM_F32);
    gm_fn *f = gm_jit(gm_grad(gm_function(sum_of_cubes, NULL)));
    for (int i = 0; i < 3; i++) {
        CHECK(near_to(gm_call(f, x), gm_call(gm_grad(gm_function(sum_of_cubes, NULL)), x)));
        CHECK(!gm_requires_grad(gm_call(gm_grad(gm_function(sum_of_cubes, NULL)), x)));
    }
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.traces == 1 && t.runs == 3 && t.hits == 2);
}

static gm_tensor *leaked;
static gm_tensor *leak(void *env, gm_tensor *x) {
    (void)env;
    gm_set(&leaked, gm_mul(x, x));
    return leaked;
}
static gm_tensor *branch(void *env, gm_tensor *x) {
    (void)env;
    return gm_item(gm_sum(x)) > 0 ? x : gm_neg(x);
}

static void errors(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_randn(GM_SHAPE(3), GM_F32);
    CHECK(!gm_call(gm_jit(gm_function(branch, NULL)), x));
    CHECK(gm_error_code() == GM_ERROR_STATE && strstr(gm_error_message(), "recorded"), "%s", gm_error_message());
    gm_error_clear();
    gm_call(gm_jit(gm_function(leak, NULL)), x);
    CHECK(gm_ok());
    CHECK(!gm_add(leaked, x) && gm_error_code() == GM_ERROR_STATE, "%s", gm_error_message());
    gm_error_clear();
    gm_set(&leaked, NULL);
    CHECK(!gm_call(gm_vmap(gm_function(per_sample, NULL)), x, gm_zeros(GM_SHAPE(4), GM_F32)));
    CHECK(gm_error_code() == GM_ERROR_SHAPE, "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_call(gm_grad(gm_function(sum_of_cubes, NULL), .argument = 1), x) && gm_error_code() == GM_ERROR_INDEX);
    gm_error_clear();
    CHECK(!gm_call(gm_grad(gm_function(sum_of_cubes, NULL)), gm_zeros(GM_SHAPE(2), GM_I64)));
    CHECK(gm_error_code() == GM_ERROR_DTYPE, "%s", gm_error_message());
    gm_error_clear();
}

int main(void) {
    RUN(grad_of_grad);
    RUN(per_sample_gradients);
    RUN(grad_through_vmap);
    RUN(hessian_product);
    RUN(vjp_gives_value);
    RUN(draws_of_a_batch);
    RUN(gradients_change_no_modes);
    RUN(errors);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
