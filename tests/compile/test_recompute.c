/* Programs within a limit of memory: less of it, more calls, the same bits. */
#include "tensors.h"

static const char *error(void) { return gm_ok() ? "" : gm_error_message(); }

static gm_fn *limited(gm_fn *f, int64_t bytes) {
    return gm_jit_with(f, &(gm_jit_args){ sizeof(gm_jit_args), bytes });
}

/* ---- a chain of cheap operations and its gradient: each value waits for its way back ---- */

static gm_tensor *chain(void *env, gm_tensor *x) {
    (void)env;
    gm_tensor *y = x;
    for (int i = 0; i < 6; i++) y = gm_exp(gm_mul_scalar(gm_reshape(y, GM_SHAPE(-1)), 0.25));
    return gm_sum(gm_square(y));
}

enum { N = 4096, BYTES = 4 * N };

static void cheap_chain(void) {
    GM_SCOPE(s);
    gm_fn *f = gm_grad(gm_function(chain, NULL)), *any = gm_jit(f), *less = limited(f, 4 * BYTES);
    gm_tensor *x = gm_rand(GM_SHAPE(64, N / 64), GM_F32), *want = gm_call(f, x);
    CHECK(same_bits(gm_call(any, x), want) && same_bits(gm_call(less, x), want), "%s", error());
    gm_jit_stats a = gm_jit_statistics(any), b = gm_jit_statistics(less);
    CHECK(a.last_live_bytes >= 6 * BYTES && b.last_live_bytes <= 4 * BYTES + 1024 &&
          b.last_arena_bytes <= 1.1 * (double)b.last_live_bytes + 256, "%lld bytes, with a limit %lld, arena %lld",
          (long long)a.last_live_bytes, (long long)b.last_live_bytes, (long long)b.last_arena_bytes);
    CHECK(b.last_kernels > a.last_kernels, "%lld kernels, with a limit %lld", (long long)a.last_kernels,
          (long long)b.last_kernels);
    gm_jit_wait(less);
    CHECK(same_bits(gm_call(less, x), want), "%s", error());
    b = gm_jit_statistics(less);
    CHECK(b.last_live_bytes <= 4 * BYTES + 1024, "built: %lld bytes", (long long)b.last_live_bytes);
}

/* ---- a training step: what matmuls made stays, what is between them goes ---- */

static trained_net new_training(void) {
    gm_seed(3);
    gm_module *net =
        gm_sequential(gm_nn_linear(32, 128), gm_nn_gelu(), gm_nn_layer_norm(GM_SHAPE(128)), gm_nn_linear(128, 128),
                      gm_nn_tanh(), gm_nn_dropout(0.2), gm_nn_layer_norm(GM_SHAPE(128)), gm_nn_linear(128, 128),
                      gm_nn_silu(), gm_nn_linear(128, 8));
    return (trained_net){ net, gm_adamw(net, 1e-2) };
}

static void training_step(void) {
    GM_SCOPE(s);
    trained_net of_any = new_training(), of_less = new_training();
    gm_fn *any = gm_jit(gm_function(trained_step, &of_any)), *less = limited(gm_function(trained_step, &of_less), 1);
    for (int i = 0; i < 8; i++) {
        GM_SCOPE(inner);
        gm_tensor *x = gm_randn(GM_SHAPE(256, 32), GM_F32), *y = gm_randint(GM_SHAPE(256), 0, 8, GM_I64);
        gm_set_random_state(9, 10 * (uint64_t)i);
        gm_tensor *a = gm_call(any, x, y);
        gm_set_random_state(9, 10 * (uint64_t)i);
        CHECK(same_bits(gm_call(less, x, y), a), "%d: %s", i, error());
        if (i == 0) {
            gm_jit_stats p = gm_jit_statistics(any), q = gm_jit_statistics(less);
            printf("live %lld bytes, with a limit %lld; kernels %lld, %lld\n", (long long)p.last_live_bytes,
                   (long long)q.last_live_bytes, (long long)p.last_kernels, (long long)q.last_kernels);
            CHECK(q.last_live_bytes <= 0.85 * (double)p.last_live_bytes && q.last_arena_bytes < p.last_arena_bytes);
        }
        if (i == 4) gm_jit_wait(any), gm_jit_wait(less);
    }
    gm_pack *a = gm_state_dict(of_any.net), *b = gm_state_dict(of_less.net);
    for (int64_t i = 0; i < gm_pack_count(a); i++) CHECK(same_bits(gm_pack_at(a, i), gm_pack_at(b, i)));
}

/* ---- what is written meanwhile is not read again ---- */

static gm_tensor *state;

static gm_tensor *with_state(void *env, gm_tensor *x) {
    (void)env;
    gm_tensor *early = gm_exp(gm_mul(x, state)), *y = gm_matmul(gm_tanh(early), x);
    gm_assign(state, gm_add_scalar(state, 1));
    gm_tensor *wide = gm_exp(gm_tanh(gm_concat((gm_tensor *[]){ y, y, y }, 3, 0))); /* here early waits */
    return gm_mul(early, gm_sum(wide));
}

static void written(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_rand(GM_SHAPE(32, 32), GM_F32);
    gm_fn *f = gm_function(with_state, NULL);
    for (int i = 0; i < 3; i++) {
        gm_set(&state, gm_full(GM_SHAPE(32), 0.25 * i, GM_F32));
        gm_tensor *want = gm_call(f, x), *after = gm_copy(state);
        gm_fn *once = limited(f, 1);
        gm_set(&state, gm_full(GM_SHAPE(32), 0.25 * i, GM_F32));
        CHECK(same_bits(gm_call(once, x), want) && same_bits(state, after), "%s", error());
    }
    CHECK(!limited(f, -1) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
    gm_set(&state, NULL);
}

int main(void) {
    RUN(cheap_chain);
    RUN(training_step);
    RUN(written);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
