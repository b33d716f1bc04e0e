/* Products with the operations behind them as one kernel: activations, residuals, repeated operands, results that
 * others use too, residuals whose memory could be the result's, batches, few rows, long sums, nothing at all; the bits
 * of eager mode, with 1 to 8 threads. */
#include "tensors.h"

#include <string.h>

enum { PRODUCTS = 16 };

/* x [40, 24], w [56, 24], b [56], r [40, 56], s [24, 24], long a [3, 17000], c [17000, 5], batch p [2, 3, 9, 7],
 * q [3, 7, 11] */
static gm_pack *products(void *env, gm_pack *in) {
    gm_tensor *x = gm_get(in, "x"), *w = gm_get(in, "w"), *b = gm_get(in, "b"), *r = gm_get(in, "r");
    gm_tensor *s = gm_get(in, "s"), *p = gm_get(in, "p"), *q = gm_get(in, "q");
    gm_pack *out = gm_pack_new();
    (void)env;
    gm_pack_set(out, "relu", gm_relu(gm_linear(x, w, b)));
    gm_pack_set(out, "gelu", gm_gelu(gm_linear(gm_neg(x), w, NULL)));
    gm_pack_set(out, "residual", gm_add(gm_linear(x, w, b), r));
    gm_tensor *dying = gm_mul_scalar(r, 3); /* alive for the sum only */
    gm_pack_set(out, "in place", gm_sub(dying, gm_linear(x, w, b)));
    gm_tensor *square = gm_tanh(gm_matmul(s, s));
    gm_pack_set(out, "square", gm_exp(gm_neg(gm_matmul(square, square)))); /* operand and result of one shape */
    gm_tensor *both = gm_linear(x, w, NULL);
    gm_pack_set(out, "product", both);
    gm_pack_set(out, "sigmoid", gm_sigmoid(both));
    gm_pack_set(out, "rows", gm_mul(gm_linear(x, w, b), gm_slice(r, 1, 3, 4, 1))); /* [40, 1] */
    gm_pack_set(out, "sign", gm_cast(gm_gt_scalar(gm_linear(x, w, b), 0.125), GM_I64));
    gm_pack_set(out, "bool", gm_gt_scalar(gm_linear(x, w, b), -0.125));
    gm_pack_set(out, "batch", gm_relu(gm_add_scalar(gm_matmul(p, q), 1)));
    gm_pack_set(out, "turned", gm_relu(gm_matmul(gm_transpose(r, 0, 1), x)));
    gm_pack_set(out, "long", gm_relu(gm_matmul(gm_get(in, "a"), gm_get(in, "c"))));
    gm_pack_set(out, "one row", gm_silu(gm_matmul(gm_slice(x, 0, 4, 5, 1), s)));
    gm_tensor *cycle = gm_relu(r);
    gm_pack_set(out, "reads it", gm_add(gm_matmul(cycle, gm_get(in, "u")), cycle)); /* [40, 56] x [56, 56] */
    gm_pack_set(out, "grad", gm_where(gm_gt_scalar(r, 0), gm_matmul(r, gm_get(in, "u")), r));
    gm_pack_set(out, "empty", gm_relu(gm_matmul(gm_slice(x, 0, 0, 0, 1), s)));
    gm_pack_set(out, "no sums", gm_add_scalar(gm_matmul(gm_slice(x, 1, 0, 0, 1), gm_slice(s, 0, 0, 0, 1)), 2));
    return gm_ok() ? out : NULL;
}

static gm_tensor *normal(gm_dtype t, gm_shape s) { return gm_cast(gm_randn(s, GM_F32), t); }

static gm_pack *inputs(gm_dtype t) {
    gm_pack *in = gm_pack_new();
    gm_pack_set(in, "x", normal(t, GM_SHAPE(40, 24)));
    gm_pack_set(in, "w", normal(t, GM_SHAPE(56, 24)));
    gm_pack_set(in, "b", normal(t, GM_SHAPE(56)));
    gm_pack_set(in, "r", normal(t, GM_SHAPE(40, 56)));
    gm_pack_set(in, "s", normal(t, GM_SHAPE(24, 24)));
    gm_pack_set(in, "u", normal(t, GM_SHAPE(56, 56)));
    gm_pack_set(in, "a", normal(t, GM_SHAPE(3, 17000)));
    gm_pack_set(in, "c", normal(t, GM_SHAPE(17000, 5)));
    gm_pack_set(in, "p", normal(t, GM_SHAPE(2, 3, 9, 7)));
    gm_pack_set(in, "q", normal(t, GM_SHAPE(3, 7, 11)));
    return in;
}

static void same(gm_pack *want, gm_pack *got, const char *how, gm_dtype t) {
    CHECK(got != NULL, "%s: %s", how, gm_error_message());
    for (int64_t i = 0; got && i < gm_pack_count(want); i++)
        CHECK(same_bits(gm_pack_at(want, i), gm_pack_at(got, i)), "%s, %s: %s differs", how, gm_dtype_name(t),
              gm_pack_name(want, i));
}

static void one_dtype(gm_dtype t) {
    GM_SCOPE(scope);
    gm_seed(5);
    gm_pack *in = inputs(t), *want = products(NULL, in);
    gm_fn *f = gm_jit(gm_functionp(products, NULL, NULL));
    same(want, gm_call_pack(f, in), "kernels", t);
    int64_t apart = gm_jit_statistics(f).last_kernels;
    same(want, gm_call_pack(f, in), "second call", t);
    CHECK(gm_jit_wait(f), "not built: %s", gm_error_message());
    int threads = gm_n_threads();
    for (int n = 1; n <= 8; n += n < 3 ? 1 : 5) {
        gm_set_threads(n);
        same(want, gm_call_pack(f, in), "fused", t);
    }
    gm_set_threads(threads);
    int64_t fused = gm_jit_statistics(f).last_kernels;
    printf("%s: %lld kernels, %lld fused\n", gm_dtype_name(t), (long long)apart, (long long)fused);
    CHECK(gm_jit_statistics(f).built == 1 && apart - fused >= PRODUCTS, "%lld kernels, then %lld", (long long)apart,
          (long long)fused);
}

/* A training step of a perceptron: each layer's activation, and its gradient, is in its product. */
static trained_net new_perceptron(void) {
    gm_seed(6);
    gm_module *net = gm_sequential(gm_nn_linear(30, 20), gm_nn_relu(), gm_nn_linear(20, 20), gm_nn_gelu(),
                                   gm_nn_linear(20, 5));
    return (trained_net){ net, gm_sgd(net, 0.1) };
}

static void training_steps(void) {
    GM_SCOPE(scope);
    trained_net a = new_perceptron(), b = new_perceptron();
    gm_fn *f = gm_jit(gm_function(trained_step, &b));
    gm_tensor *x = gm_randn(GM_SHAPE(16, 30), GM_F32), *y = gm_randint(GM_SHAPE(16), 0, 5, GM_I64);
    int64_t apart = 0;
    for (int i = 0; i < 8; i++) {
        gm_tensor *eager = trained_step(&a, x, y), *compiled = gm_call(f, x, y);
        CHECK(same_bits(eager, compiled), "step %d", i);
        if (i == 0) apart = gm_jit_statistics(f).last_kernels;
        if (i == 1) gm_jit_wait(f);
    }
    int64_t fused = gm_jit_statistics(f).last_kernels;
    CHECK(apart - fused >= 4, "two activations and two of their gradients: %lld kernels, then %lld", (long long)apart,
          (long long)fused);
}

int main(void) {
    one_dtype(GM_F32);
    one_dtype(GM_F64);
    training_steps();
    return check_done();
}
