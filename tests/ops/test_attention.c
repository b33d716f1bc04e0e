/* Attention against recorded results, against its lowered form bit for bit, in threads, with keys that are not numbers.
 */
#include "recorded.h"
#include "gemel/op.h"

enum { ATT_TENSORS = 4 };

static void attention_variables(gm_tensor **x, const gm_shape *shapes, int n) {
    for (int i = 0; i < n; i++) x[i] = recorded_variable(i + 1, shapes[i]);
}

static void attention_cases(void) {
    gm_tensor *x[ATT_TENSORS];
    attention_variables(x, (gm_shape[]){ GM_SHAPE(2, 2, 5, 4), GM_SHAPE(2, 2, 7, 4), GM_SHAPE(2, 2, 7, 3) }, 3);
    recorded_check_grads("plain", gm_scaled_dot_product_attention(x[0], x[1], x[2]), x, 3, 1e-6);
    attention_variables(x, (gm_shape[]){ GM_SHAPE(2, 6, 4), GM_SHAPE(2, 6, 4), GM_SHAPE(2, 6, 4) }, 3);
    gm_tensor *y = gm_scaled_dot_product_attention(x[0], x[1], x[2], .causal = 1, .scale = GM_REAL(0.7));
    recorded_check_grads("causal", y, x, 3, 1e-6);
    attention_variables(x, (gm_shape[]){ GM_SHAPE(2, 5, 4), GM_SHAPE(2, 7, 4), GM_SHAPE(2, 7, 3) }, 3);
    gm_tensor *keep = gm_gt_scalar(recorded_input(4, GM_SHAPE(5, 7)), -0.4);
    recorded_check_grads("keep", gm_scaled_dot_product_attention(x[0], x[1], x[2], .mask = keep), x, 3, 1e-6);
    attention_variables(
        x, (gm_shape[]){ GM_SHAPE(2, 2, 5, 4), GM_SHAPE(2, 2, 7, 4), GM_SHAPE(2, 2, 7, 3), GM_SHAPE(2, 1, 5, 7) }, 4);
    recorded_check_grads("bias", gm_scaled_dot_product_attention(x[0], x[1], x[2], .mask = x[3]), x, 4, 1e-6);
    attention_variables(x, (gm_shape[]){ GM_SHAPE(1, 4, 3, 4), GM_SHAPE(1, 2, 5, 4), GM_SHAPE(1, 2, 5, 3) }, 3);
    recorded_check_grads("groups", gm_scaled_dot_product_attention(x[0], x[1], x[2]), x, 3, 1e-6);
    attention_variables(x, (gm_shape[]){ GM_SHAPE(1, 300, 3), GM_SHAPE(1, 520, 3), GM_SHAPE(1, 520, 2) }, 3);
    y = gm_scaled_dot_product_attention(x[0], x[1], x[2], .causal = 1, .offset = 200);
    recorded_check_grads("long", y, x, 3, 2e-6);
}

static void attention_second(void) {
    gm_tensor *x[ATT_TENSORS], *e = NULL;
    attention_variables(x, (gm_shape[]){ GM_SHAPE(2, 3, 4), GM_SHAPE(2, 5, 4), GM_SHAPE(2, 5, 3), GM_SHAPE(2, 3, 5) },
                        4);
    gm_pack *v = gm_pack_new();
    for (int i = 0; i < 4; i++) gm_pack_set(v, NULL, x[i]);
    gm_tensor *y = gm_scaled_dot_product_attention(x[0], x[1], x[2], .mask = x[3], .scale = GM_REAL(0.5));
    gm_pack *g = gm_gradients(gm_sum(gm_square(y)), v, .create_graph = 1);
    for (int i = 0; g && i < 4; i++) {
        gm_tensor *t = gm_sum(gm_mul(gm_pack_at(g, i), recorded_input(5 + i, gm_shape_of(x[i]))));
        e = e ? gm_add(e, t) : t;
    }
    gm_pack *h = gm_gradients(e, v);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "second.%d", i);
        recorded_check(name, h ? gm_pack_at(h, i) : NULL, 3e-6);
    }
}

static bool attention_same(gm_tensor *a, gm_tensor *b) {
    return a && b && gm_count(a) == gm_count(b) && gm_item(gm_all(gm_eq(a, b))) == 1;
}

/* op's kernel and its lowered form, and one thread against three. */
static void attention_compare(const char *name, gm_tensor **in, int n, const void *attrs) {
    const gm_op *op = gm_op_find(name);
    gm_tensor *a[3] = { NULL }, *b[3] = { NULL }, *c[3] = { NULL };
    int threads = gm_n_threads();
    gm_op lowered = *op;
    lowered.kernel = NULL;
    gm_set_threads(1);
    CHECK(gm_op_call(op, in, n, attrs, a, 3) == 3 && gm_op_call(&lowered, in, n, attrs, b, 3) == 3, "%s",
          gm_error_message());
    gm_set_threads(3);
    CHECK(gm_op_call(op, in, n, attrs, c, 3) == 3, "%s", gm_error_message());
    gm_set_threads(threads);
    for (int i = 0; i < 3; i++) {
        CHECK(attention_same(a[i], b[i]), "%s: output %d is not that of the lowered form", name, i);
        CHECK(attention_same(a[i], c[i]), "%s: output %d depends on the threads", name, i);
    }
}

/* Attributes as src/ops/attention.c has them. */
typedef struct { double scale; int64_t causal, offset; } attention_attributes;

static void attention_against_lowered(gm_dtype dtype, int64_t b, int64_t t, int64_t s, int64_t d, int mask,
                                      attention_attributes p) {
    GM_SCOPE(scope);
    gm_tensor *in[8] = { recorded_input(1, GM_SHAPE(b, t, d)), recorded_input(2, GM_SHAPE(b, s, d)),
                         recorded_input(3, GM_SHAPE(b, s, d + 1)) }, *out[3];
    gm_tensor *bias = recorded_input(4, GM_SHAPE(b, t, s));
    in[3] = mask == 1 ? gm_gt_scalar(bias, 0) : mask == 2 ? gm_cast(bias, dtype) : NULL;
    for (int i = 0; i < 3; i++) in[i] = gm_cast(in[i], dtype);
    attention_compare("attention", in, 4, &p);
    gm_tensor *m = in[3];
    gm_op_call(gm_op_find("attention"), in, 4, &p, out, 3);
    for (int i = 0; i < 3; i++) in[3 + i] = out[i];
    in[6] = gm_cast(recorded_input(6, GM_SHAPE(b, t, d + 1)), dtype);
    in[7] = m;
    attention_compare("attention_grad", in, 8, &p);
}

static void attention_lowered_cases(void) {
    attention_against_lowered(GM_F32, 2, 70, 131, 8, 0, (attention_attributes){ 0.3, 0, 0 });
    attention_against_lowered(GM_F32, 1, 300, 600, 5, 1, (attention_attributes){ 0.3, 1, 250 });
    attention_against_lowered(GM_F32, 8, 33, 40, 16, 2, (attention_attributes){ 0.25, 1, 0 });
    attention_against_lowered(GM_F64, 1, 270, 259, 3, 1, (attention_attributes){ 0.5, 1, -9 });
    attention_against_lowered(GM_F32, 1, 1, 5000, 4, 0, (attention_attributes){ 0.5, 0, 0 });
}

/* Decoding one query at a time with the keys so far has the bits of the whole. */
static void attention_decoding(void) {
    gm_tensor *q = recorded_input(1, GM_SHAPE(2, 40, 8)), *k = recorded_input(2, GM_SHAPE(2, 40, 8)),
              *v = recorded_input(3, GM_SHAPE(2, 40, 8));
    gm_tensor *whole = gm_scaled_dot_product_attention(q, k, v, .causal = 1);
    for (int i = 0; i < 40; i += 13) {
        gm_tensor *y = gm_scaled_dot_product_attention(gm_narrow(q, 1, i, 1), gm_narrow(k, 1, 0, i + 1),
                                                       gm_narrow(v, 1, 0, i + 1), .causal = 1, .offset = i);
        CHECK(attention_same(y, gm_narrow(whole, 1, i, 1)), "position %d", i);
    }
}

/* Keys that nobody sees may hold anything; a query that sees nothing gives 0. */
static void attention_hidden_keys(void) {
    gm_tensor *q = recorded_variable(1, GM_SHAPE(4, 3)), *k = recorded_variable(2, GM_SHAPE(6, 3)),
              *v = recorded_input(3, GM_SHAPE(6, 2));
    float bytes[6] = { 1, 1, 1, 1, 0, 0 };
    gm_tensor *keep = gm_cast(gm_from_data(GM_SHAPE(1, 6), GM_F32, bytes), GM_BOOL);
    gm_tensor *clean = gm_scaled_dot_product_attention(q, k, v, .mask = keep);
    gm_tensor *dirty = gm_where(gm_transpose(keep, 0, 1), v, gm_full(GM_SCALAR, NAN, GM_F32));
    CHECK(attention_same(clean, gm_scaled_dot_product_attention(q, k, dirty, .mask = keep)));
    gm_tensor *none = gm_scaled_dot_product_attention(q, k, v, .causal = 1, .offset = -2);
    CHECK(gm_item(gm_sum(gm_abs(gm_narrow(none, 0, 0, 2)))) == 0);
    gm_backward(gm_sum(none));
    CHECK(gm_gradient_of(q) && gm_item(gm_sum(gm_abs(gm_narrow(gm_gradient_of(q), 0, 0, 2)))) == 0);
    CHECK(gm_item(gm_all(gm_isfinite(gm_gradient_of(k)))) == 1);
    gm_tensor *empty =
        gm_scaled_dot_product_attention(q, gm_zeros(GM_SHAPE(0, 3), GM_F32), gm_zeros(GM_SHAPE(0, 2), GM_F32));
    CHECK(empty && gm_count(empty) == 8 && gm_item(gm_sum(gm_abs(empty))) == 0, "%s", gm_error_message());
}

static void attention_says(gm_tensor *t, const char *words) {
    CHECK(!t && strstr(gm_error_message(), words), "said: %s", gm_error_message());
    gm_error_clear();
}

static void attention_errors(void) {
    gm_tensor *q = recorded_input(1, GM_SHAPE(2, 4, 3)), *k = recorded_input(2, GM_SHAPE(2, 6, 5));
    attention_says(gm_scaled_dot_product_attention(q, k, k), "do not fit");
    attention_says(gm_scaled_dot_product_attention(q, q, recorded_input(1, GM_SHAPE(3))), "argument 3 is [3]");
    attention_says(gm_scaled_dot_product_attention(q, q, q, .mask = recorded_input(1, GM_SHAPE(3, 3))), "expand");
    attention_says(gm_scaled_dot_product_attention(gm_cast(q, GM_I32), gm_cast(q, GM_I32), gm_cast(q, GM_I32)),
                   "floats");
}

int main(void) {
    if (recorded_open("tests/ops/data/attention.txt")) {
        RUN(attention_cases);
        RUN(attention_second);
        RUN(attention_lowered_cases);
        RUN(attention_decoding);
        RUN(attention_hidden_keys);
        RUN(attention_errors);
    }
    recorded_close();
    return check_done();
}
