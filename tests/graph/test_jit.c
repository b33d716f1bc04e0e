/* Functions recorded and run as plans: the same values as eager, counted kernels, state that stays state. */
#include "tensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gm_tensor *square_plus(void *env, gm_tensor *x, gm_tensor *y) {
    (void)env;
    return gm_add(gm_mul(x, x), gm_relu(y));
}

static void values(void) {
    GM_SCOPE(s);
    gm_fn *f = gm_jit(gm_function(square_plus, NULL));
    for (int i = 0; i < 5; i++) {
        gm_tensor *x = gm_randn(GM_SHAPE(3, 4), GM_F32), *y = gm_randn(GM_SHAPE(4), GM_F32);
        CHECK(same_bits(gm_call(f, x, y), square_plus(NULL, x, y)));
    }
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.calls == 5 && t.hits == 4 && t.traces == 1 && t.runs == 5 && t.last_kernels >= 1 && t.last_kernels <= 3);
}

/* A result may take the place of an operand, but not while that is read in another order, too. */
static gm_tensor *turned(void *env, gm_tensor *x) {
    (void)env;
    gm_tensor *a = gm_exp(gm_mul_scalar(x, 0.25)), *b = gm_add(a, gm_transpose(a, 0, 1));
    return gm_sum(gm_square(gm_add(b, gm_flip(b, (int32_t[]){ 0 }, 1))));
}

static void in_place(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_randn(GM_SHAPE(33, 33), GM_F32);
    gm_fn *f = gm_jit(gm_function(turned, NULL));
    gm_tensor *want = turned(NULL, x);
    CHECK(same_bits(gm_call(f, x), want));
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.last_arena_bytes <= 4 * 4416 && t.last_arena_bytes <= 1.1 * (double)t.last_live_bytes, "%lld bytes",
          (long long)t.last_arena_bytes);
    gm_jit_wait(f);
    CHECK(same_bits(gm_call(f, x), want));
}

/* ---- a whole training step ---- */

static trained_net new_training(void) {
    gm_seed(3);
    gm_module *net =
        gm_sequential(gm_nn_conv2d(1, 4, .kernel = 3), gm_nn_batch_norm2d(4), gm_nn_relu(), gm_nn_max_pool2d(2),
                      gm_nn_flatten(), gm_nn_dropout(0.3), gm_nn_linear(4 * 3 * 3, 5));
    return (trained_net){ net, gm_adamw(net, 1e-2) };
}

static void training_step(void) {
    GM_SCOPE(s);
    trained_net eager = new_training(), compiled = new_training();
    gm_fn *step = gm_jit(gm_function(trained_step, &compiled));
    for (int i = 0; i < 20; i++) {
        GM_SCOPE(inner);
        if (i == 10) {
            gm_jit_stats before = gm_jit_statistics(step);
            CHECK(gm_jit_wait(step), "%s", gm_ok() ? "not built" : gm_error_message());
            gm_jit_stats after = gm_jit_statistics(step);
            CHECK(after.built == 1 && after.last_kernels < before.last_kernels, "%lld kernels, before %lld",
                  (long long)after.last_kernels, (long long)before.last_kernels);
        }
        gm_tensor *x = gm_randn(GM_SHAPE(6, 1, 8, 8), GM_F32), *y = gm_randint(GM_SHAPE(6), 0, 5, GM_I64);
        uint64_t seed, count;
        gm_random_state(&seed, &count);
        gm_tensor *a = trained_step(&eager, x, y);
        gm_set_random_state(seed, count);
        gm_tensor *b = gm_call(step, x, y);
        CHECK(same_bits(a, b));
    }
    gm_pack *a = gm_state_dict(eager.net), *b = gm_state_dict(compiled.net);
    for (int64_t i = 0; i < gm_pack_count(a); i++) CHECK(same_bits(gm_pack_at(a, i), gm_pack_at(b, i)));
    gm_jit_stats t = gm_jit_statistics(step);
    CHECK(t.runs == 20 && t.traces == 1);
    printf("kernels %lld, arena %lld, live %lld\n", (long long)t.last_kernels, (long long)t.last_arena_bytes,
           (long long)t.last_live_bytes);
    CHECK(gm_ok());
    if (!gm_ok()) printf("%s\n", gm_error_message());
}

/* ---- node by node ---- */

static void stepping(void) {
    GM_SCOPE(s);
    trained_net stepped = new_training(), compiled = new_training();
    gm_fn *step = gm_jit(gm_function(trained_step, &compiled));
    for (int i = 0; i < 3; i++) {
        GM_SCOPE(inner);
        gm_tensor *x = gm_randn(GM_SHAPE(6, 1, 8, 8), GM_F32), *y = gm_randint(GM_SHAPE(6), 0, 5, GM_I64);
        uint64_t seed, count;
        gm_random_state(&seed, &count);
        gm_stepper *p =
            gm_stepper_new(gm_function(trained_step, &stepped), GM_PACK({ "0", x, NULL }, { "1", y, NULL }));
        CHECK(gm_stepper_at(p) == 0 && !strcmp(gm_stepper_op(p), "conv") && !strcmp(gm_stepper_where(p), "0"));
        CHECK(gm_stepper_run_to(p, "max_pool"));
        int64_t at = gm_stepper_at(p);
        CHECK(!gm_stepper_value(p, at, 0) && gm_error_code() == GM_ERROR_STATE);
        gm_error_clear();
        gm_tensor *before = gm_stepper_value(p, at - 1, 0);
        CHECK(gm_stepper_next(p) && same_bits(gm_stepper_value(p, at, 0), gm_max_pool2d(before, 2)));
        CHECK(gm_stepper_run_to(p, "optimizer_step") && !gm_stepper_run_to(p, "no such operation"));
        gm_tensor *loss = gm_pack_at(gm_stepper_finish(p), 0);
        CHECK(!gm_stepper_op(p) && !gm_stepper_next(p));
        gm_set_random_state(seed, count);
        CHECK(same_bits(loss, gm_call(step, x, y)));
    }
    gm_pack *a = gm_state_dict(stepped.net), *b = gm_state_dict(compiled.net);
    for (int64_t i = 0; i < gm_pack_count(a); i++) CHECK(same_bits(gm_pack_at(a, i), gm_pack_at(b, i)));
}

int main(void) {
    own_cache();
    RUN(values);
    RUN(in_place);
    RUN(training_step);
    RUN(stepping);
    CHECK(gm_exit_status() == 0);
    leave_cache();
    return check_done();
}
