/* Values computed again: the bits of keeping them, less memory, effects once. */
#include "tensors.h"

/* ---- a net of blocks, each of which may be computed again ---- */

enum { BLOCKS = 3 };
typedef struct { gm_module *block[BLOCKS], *head, *all; gm_tensor *scale; gm_optimizer *optimizer; bool again; } nets;

static gm_tensor *block_forward(void *env, gm_tensor *x) {
    nets *n = env;
    gm_tensor *y = x;
    for (int k = 0; k < 2; k++) { /* the same weights twice, x and the scale more often */
        y = gm_forward(n->block[0], gm_mul(y, n->scale));
        y = gm_add(gm_mul(y, n->scale), x);
    }
    return y;
}

static gm_tensor *own_block(void *env, gm_tensor *x) { return gm_add(gm_forward(env, x), gm_mul(x, x)); }

static gm_tensor *call(nets *n, gm_fn1 f, void *env, gm_tensor *x) {
    gm_fn *fn = gm_function(f, env);
    return gm_call(n->again ? gm_remat(fn) : fn, x);
}

static gm_tensor *loss_of(void *env, gm_tensor *x) {
    nets *n = env;
    gm_tensor *h = call(n, block_forward, n, x);
    for (int k = 1; k < BLOCKS; k++) h = call(n, own_block, n->block[k], h);
    h = call(n, block_forward, n, gm_add(h, x));
    return gm_mean(gm_square(gm_forward(n->head, h)));
}

static gm_tensor *step_of(void *env, gm_tensor *x) {
    nets *n = env;
    gm_tensor *loss = loss_of(env, x);
    gm_backward(loss);
    gm_step(n->optimizer);
    return loss;
}

static void nets_make(nets *n, bool again) {
    gm_seed(5);
    *n = (nets){ .again = again };
    n->all = gm_sequential(gm_nn_linear(6, 6), gm_nn_linear(6, 2));
    n->head = gm_child_at(n->all, 1);
    n->block[0] = gm_child_at(n->all, 0);
    n->scale = gm_param(n->all, "scale", gm_full(GM_SHAPE(6), 0.75, GM_F32));
    for (int k = 1; k < BLOCKS; k++)
        n->block[k] = gm_child(n->all, k == 1 ? "one" : "two",
                               gm_sequential(gm_nn_linear(6, 8), gm_nn_batch_norm1d(8), gm_nn_tanh(),
                                             gm_nn_dropout(0.4), gm_nn_linear(8, 6)));
    n->optimizer = gm_adamw(n->all, 1e-2);
}

static bool same_states(nets *a, nets *b) {
    gm_pack *p = gm_state_dict(a->all), *q = gm_state_dict(b->all);
    bool same = gm_pack_count(p) == gm_pack_count(q);
    for (int64_t i = 0; same && i < gm_pack_count(p); i++) same = same_bits(gm_pack_at(p, i), gm_pack_at(q, i));
    return same;
}

static void train(gm_fn *a, gm_fn *b, nets *of_a, nets *of_b) {
    for (int i = 0; i < 6; i++) {
        GM_SCOPE(s);
        gm_seed(100 + (uint64_t)i);
        gm_tensor *x = gm_randn(GM_SHAPE(7, 6), GM_F32);
        gm_seed(200 + (uint64_t)i);
        gm_tensor *y = gm_call(a, x);
        gm_seed(200 + (uint64_t)i);
        CHECK(same_bits(gm_call(b, x), y), "loss %d: %s", i, gm_ok() ? "" : gm_error_message());
    }
    CHECK(same_states(of_a, of_b)); /* running statistics move once, too */
}

static void training(void) {
    GM_SCOPE(s);
    nets plain, again, compiled, both;
    nets_make(&plain, false), nets_make(&again, true);
    train(gm_function(step_of, &plain), gm_function(step_of, &again), &plain, &again);
    nets_make(&plain, false), nets_make(&both, true);
    gm_fn *f = gm_jit(gm_function(step_of, &both));
    train(gm_function(step_of, &plain), f, &plain, &both);
    CHECK(gm_jit_statistics(f).runs == 6);
    nets_make(&both, true), nets_make(&compiled, false);
    train(gm_jit(gm_function(step_of, &compiled)), gm_jit(gm_function(step_of, &both)), &compiled, &both);
}

/* ---- derivatives ---- */

static gm_tensor *curve(void *env, gm_tensor *x) {
    (void)env;
    return gm_mul(gm_sin(gm_mul(x, x)), gm_exp(x));
}
static gm_tensor *kept(void *env, gm_tensor *x) { return gm_sum(curve(env, curve(env, x))); }
static gm_tensor *nested(void *env, gm_tensor *x) { return gm_call(gm_remat(gm_function(curve, env)), curve(env, x)); }
static gm_tensor *again(void *env, gm_tensor *x) { return gm_sum(gm_call(gm_remat(gm_function(nested, env)), x)); }

static void same_function(gm_fn *a, gm_fn *b, gm_tensor *x) {
    gm_tensor *y = gm_call(a, x);
    CHECK(same_bits(gm_call(b, x), y), "%s", gm_ok() ? "" : gm_error_message());
    CHECK(same_bits(gm_call(gm_jit(b), x), y), "%s", gm_ok() ? "" : gm_error_message());
}

static gm_tensor *slope_along(void *env, gm_tensor *x) {
    gm_pack *in = gm_pack_new();
    gm_pack_set_pack(in, "in", GM_PACK({ "0", x, NULL }));
    gm_pack_set_pack(in, "tangent", GM_PACK({ "0", gm_ones_like(x), NULL }));
    gm_pack *out = gm_call_pack(gm_jvp(env), in);
    return out ? gm_get(out, "tangent") : NULL;
}

static void derivatives(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_rand(GM_SHAPE(5), GM_F32), *rows = gm_rand(GM_SHAPE(3, 5), GM_F32);
    gm_fn *a = gm_function(kept, NULL), *b = gm_function(again, NULL);
    same_function(a, b, x);
    same_function(gm_grad(a), gm_grad(b), x);
    same_function(gm_grad(gm_grad(a)), gm_grad(gm_grad(b)), x);
    same_function(gm_vmap(gm_grad(a)), gm_vmap(gm_grad(b)), rows);
    same_function(gm_function(slope_along, a), gm_function(slope_along, b), x);
    same_function(gm_function(slope_along, gm_grad(a)), gm_function(slope_along, gm_grad(b)), x);
    CHECK(gm_ok());
}

/* ---- memory ---- */

typedef struct { bool again; } depth;

static gm_tensor *layer(void *env, gm_tensor *x) {
    (void)env;
    for (int i = 0; i < 8; i++) x = gm_sin(gm_add(gm_tanh(x), x));
    return x;
}

static gm_tensor *deep(void *env, gm_tensor *x) {
    gm_fn *f = gm_function(layer, NULL);
    if (((depth *)env)->again) f = gm_remat(f);
    for (int i = 0; i < 8; i++) x = gm_call(f, x);
    return gm_sum(x);
}

static void memory(void) {
    GM_SCOPE(s);
    depth keep = { false }, less = { true };
    gm_tensor *x = gm_rand(GM_SHAPE(1000), GM_F32);
    gm_fn *a = gm_jit(gm_grad(gm_function(deep, &keep))), *b = gm_jit(gm_grad(gm_function(deep, &less)));
    CHECK(same_bits(gm_call(a, x), gm_call(b, x)));
    int64_t kept_bytes = gm_jit_statistics(a).last_live_bytes, bytes = gm_jit_statistics(b).last_live_bytes;
    CHECK(bytes * 2 < kept_bytes, "%lld bytes with, %lld without", (long long)bytes, (long long)kept_bytes);
    printf("%lld bytes, %lld when computed again\n", (long long)kept_bytes, (long long)bytes);
}

/* ---- errors ---- */

static gm_tensor *with_weight(void *env, gm_tensor *x) { return gm_mul(gm_mul(x, env), env); }

static void errors(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_full(GM_SHAPE(3), 2, GM_F32);
    gm_set_requires_grad(w, true);
    gm_tensor *y = gm_call(gm_remat(gm_function(with_weight, w)), gm_ones(GM_SHAPE(3), GM_F32));
    gm_assign(w, gm_zeros(GM_SHAPE(3), GM_F32));
    CHECK(!gm_backward(gm_sum(y)) && gm_error_code() == GM_ERROR_GRADIENT, "%s", gm_error_message());
    CHECK(strstr(gm_error_message(), "remat"), "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_remat(NULL) && gm_error_code() == GM_ERROR_HANDLE);
    gm_error_clear();
}

int main(void) {
    RUN(training);
    RUN(derivatives);
    RUN(memory);
    RUN(errors);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
