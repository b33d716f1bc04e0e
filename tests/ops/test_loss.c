/* Losses against recorded results, with options, second order of cross entropy, and errors by their words. */
#include "recorded.h"

static gm_tensor *labels(gm_shape shape, int classes) {
    int64_t n = gm_shape_count(shape), v[256];
    for (int64_t i = 0; i < n && i < 256; i++) v[i] = (i * 7 + 3) % classes;
    return gm_from_data(shape, GM_I64, v);
}

#define LOSS_CASE(name, shape, call)                                                                                   \
    do {                                                                                                               \
        GM_SCOPE(scope);                                                                                               \
        gm_tensor *x = recorded_variable(1, shape);                                                                    \
        recorded_check_grads(name, call, &x, 1, 2e-6);                                                                 \
    } while (0)

#define CE_CASES(name, shape, y, w)                                                                                    \
    do {                                                                                                               \
        LOSS_CASE(name "_sum", shape, gm_cross_entropy(gm_mul_scalar(x, 3), y, .reduction = GM_LOSS_SUM));             \
        LOSS_CASE(name "_none", shape, gm_cross_entropy(gm_mul_scalar(x, 3), y, .reduction = GM_LOSS_NONE));           \
        LOSS_CASE(name "_weight", shape, gm_cross_entropy(gm_mul_scalar(x, 3), y, .weight = w));                       \
        LOSS_CASE(name "_ignore", shape, gm_cross_entropy(gm_mul_scalar(x, 3), y, .ignore_index = GM_INT(3)));         \
        LOSS_CASE(name "_smooth", shape, gm_cross_entropy(gm_mul_scalar(x, 3), y, .label_smoothing = 0.1));            \
        LOSS_CASE(name "_all", shape, gm_cross_entropy(gm_mul_scalar(x, 3), y, .weight = w, .label_smoothing = 0.2,    \
                                                       .ignore_index = GM_INT(3)));                                    \
    } while (0)

#define CE_PLAIN(name, shape, y, w)                                                                                    \
    do {                                                                                                               \
        LOSS_CASE(name, shape, gm_cross_entropy(gm_mul_scalar(x, 3), y));                                              \
        LOSS_CASE(name "_nll", shape, gm_nll_loss(gm_log_softmax(gm_mul_scalar(x, 3), 1), y, .weight = w,              \
                                                  .ignore_index = GM_INT(1)));                                         \
    } while (0)

static gm_tensor *class_weights(int classes) { return gm_add_scalar(recorded_input(4, GM_SHAPE(classes)), 1.5); }

static void cross_entropies(void) {
    GM_SCOPE(all);
    gm_tensor *rows = labels(GM_SHAPE(6), 5), *wide = labels(GM_SHAPE(2), 300), *pixels = labels(GM_SHAPE(2, 3, 5), 4);
    CE_PLAIN("ce", GM_SHAPE(6, 5), rows, class_weights(5));
    CE_PLAIN("ce_wide", GM_SHAPE(2, 300), wide, class_weights(300));
    CE_PLAIN("ce_pixels", GM_SHAPE(2, 4, 3, 5), pixels, class_weights(4));
    CE_CASES("ce", GM_SHAPE(6, 5), rows, class_weights(5));
    CE_CASES("ce_pixels", GM_SHAPE(2, 4, 3, 5), pixels, class_weights(4));
    gm_tensor *x[] = { recorded_variable(1, GM_SHAPE(4, 5)), recorded_variable(2, GM_SHAPE(4, 5)) };
    gm_tensor *q = gm_div_scalar(gm_add_scalar(x[1], 1), 5);
    recorded_check_grads("ce_soft", gm_cross_entropy(x[0], q, .label_smoothing = 0.1), x, 2, 2e-6);
}

static void cross_entropy_second_order(void) {
    GM_SCOPE(scope);
    gm_tensor *x = recorded_variable(1, GM_SHAPE(6, 5));
    gm_tensor *l = gm_cross_entropy(gm_mul_scalar(x, 2), labels(GM_SHAPE(6), 5), .ignore_index = GM_INT(3));
    gm_pack *g = gm_gradients(l, GM_PACK({ "x", x, NULL }), .create_graph = 1);
    gm_backward(gm_sum(gm_mul(gm_pack_at(g, 0), recorded_input(98, GM_SHAPE(6, 5)))));
    recorded_check("ce_second.0", gm_gradient_of(x), 2e-6);
}

#define PAIR_CASE(name, call)                                                                                          \
    do {                                                                                                               \
        GM_SCOPE(scope);                                                                                               \
        gm_tensor *x = recorded_variable(1, GM_SHAPE(5, 7)), *y = recorded_input(2, GM_SHAPE(5, 7));                   \
        gm_tensor *half = gm_div_scalar(gm_add_scalar(y, 1), 2);                                                       \
        gm_tensor *sign = gm_add_scalar(gm_mul_scalar(gm_cast(gm_gt_scalar(y, 0), GM_F32), 2), -1);                    \
        (void)half, (void)sign;                                                                                        \
        recorded_check_grads(name, call, &x, 1, 3e-6);                                                                 \
    } while (0)

static void pairs(void) {
    PAIR_CASE("mse", gm_mse_loss(x, y));
    PAIR_CASE("mse_none", gm_mse_loss(x, y, .reduction = GM_LOSS_NONE));
    PAIR_CASE("l1", gm_l1_loss(x, y));
    PAIR_CASE("smooth_l1", gm_smooth_l1_loss(gm_mul_scalar(x, 2), y, .beta = GM_REAL(0.7)));
    PAIR_CASE("huber", gm_huber_loss(gm_mul_scalar(x, 2), y, .delta = GM_REAL(0.6)));
    PAIR_CASE("bce", gm_bce(gm_div_scalar(gm_add_scalar(x, 1), 2), half));
    PAIR_CASE("bce_logits", gm_bce_with_logits(gm_mul_scalar(x, 9), half));
    PAIR_CASE("bce_logits_pos", gm_bce_with_logits(gm_mul_scalar(x, 9), half,
                                                   .weight = gm_add_scalar(recorded_input(5, GM_SHAPE(7)), 1.5),
                                                   .pos_weight = gm_add_scalar(recorded_input(6, GM_SHAPE(7)), 1.5)));
    PAIR_CASE("kl", gm_kl_div(gm_log_softmax(x, 1), gm_div_scalar(gm_add_scalar(y, 1.01), 7),
                              .reduction = GM_LOSS_BATCH_MEAN));
    PAIR_CASE("kl_log",
              gm_kl_div(gm_log_softmax(x, 1), gm_log_softmax(y, 1), .reduction = GM_LOSS_SUM, .log_target = 1));
    PAIR_CASE("hinge_embedding", gm_hinge_embedding_loss(x, sign, .margin = GM_REAL(0.5)));
    PAIR_CASE("hinge", gm_hinge_loss(x, sign));
    PAIR_CASE("cosine", gm_cosine_similarity(x, y, 1, 1e-8));
    const float s[] = { 1, -1, 1, -1, -1 };
    PAIR_CASE("cosine_embedding", gm_cosine_embedding_loss(x, y, gm_from_data(GM_SHAPE(5), GM_F32, s), .margin = 0.1));
}

static void triplets(void) {
    GM_SCOPE(scope);
    gm_tensor *x[3];
    for (int i = 0; i < 3; i++) x[i] = recorded_variable(i + 1, GM_SHAPE(5, 7));
    recorded_check_grads("triplet", gm_triplet_margin_loss(x[0], x[1], x[2]), x, 3, 3e-6);
    recorded_check_grads("triplet_swap", gm_triplet_margin_loss(x[0], x[1], x[2], .swap = 1, .margin = GM_REAL(0.5),
                                                                .p = GM_REAL(3)), x, 3, 3e-6);
}

static void ctc(void) {
    GM_SCOPE(all);
    const int64_t y[] = { 1, 2, 2, 4, 3, 1, 1, 1, 4, 4, 4, 4 }, il[] = { 12, 9, 8 }, tl[] = { 4, 2, 3 },
                  few[] = { 12, 1, 5 };
    gm_tensor *t = gm_from_data(GM_SHAPE(3, 4), GM_I64, y), *a = gm_from_data(GM_SHAPE(3), GM_I64, il);
    gm_tensor *b = gm_from_data(GM_SHAPE(3), GM_I64, tl), *c = gm_from_data(GM_SHAPE(3), GM_I64, few);
#define LOGP gm_log_softmax(gm_mul_scalar(x, 2), 2)
    LOSS_CASE("ctc", GM_SHAPE(12, 3, 5), gm_ctc_loss(LOGP, t, a, b));
    LOSS_CASE("ctc_sum", GM_SHAPE(12, 3, 5), gm_ctc_loss(LOGP, t, a, b, .reduction = GM_LOSS_SUM));
    LOSS_CASE("ctc_none", GM_SHAPE(12, 3, 5), gm_ctc_loss(LOGP, t, a, b, .reduction = GM_LOSS_NONE));
    LOSS_CASE("ctc_zero", GM_SHAPE(12, 3, 5),
              gm_ctc_loss(LOGP, t, c, b, .reduction = GM_LOSS_NONE, .zero_infinity = 1));
#undef LOGP
}

static void forms_and_narrow_floats(void) {
    GM_SCOPE(scope);
    gm_tensor *(*f)(gm_tensor *, gm_tensor *) = gm_cross_entropy;
    gm_tensor *x = gm_cast(recorded_input(1, GM_SHAPE(6, 5)), GM_BF16), *y = labels(GM_SHAPE(6), 5),
              *wide = gm_cast(x, GM_F32);
    CHECK(gm_dtype_of(f(x, y)) == GM_BF16 && gm_item(f(x, y)) == gm_item(gm_cast(f(wide, y), GM_BF16)));
    CHECK(gm_item(f(gm_select(wide, 0, 2), gm_select(y, 0, 2))) > 0);
    CHECK(gm_ok(), "%s", gm_error_message());
}

static bool refused(gm_tensor *l, gm_error code, const char *words) {
    bool right = !l && gm_error_code() == code && strstr(gm_error_message(), words);
    if (!right) fprintf(stderr, "%s\n", gm_error_message());
    gm_error_clear();
    return right;
}

static void errors(void) {
    GM_SCOPE(scope);
    gm_tensor *x = gm_zeros(GM_SHAPE(3, 10), GM_F32), *y = gm_from_data(GM_SHAPE(3), GM_I64, (int64_t[]){ 1, 12, 0 });
    gm_tensor *minus = gm_from_data(GM_SHAPE(3), GM_I32, (int32_t[]){ 1, 2, -100 });
    CHECK(refused(gm_cross_entropy(x, y), GM_ERROR_INDEX, "label 12 at position 1 is not in 0..9 (10 classes)"));
    CHECK(refused(gm_cross_entropy(x, minus), GM_ERROR_INDEX, "ignore_index"));
    CHECK(gm_cross_entropy(x, minus, .ignore_index = GM_INT(-100)) != NULL);
    CHECK(refused(gm_nll_loss(x, y), GM_ERROR_INDEX, "nll_loss: label 12"));
    CHECK(refused(gm_cross_entropy(x, gm_zeros(GM_SHAPE(4), GM_I64)), GM_ERROR_SHAPE, "integers of [3]"));
    CHECK(refused(gm_mse_loss(x, gm_zeros(GM_SHAPE(10), GM_F32)), GM_ERROR_SHAPE, "alike"));
    CHECK(refused(gm_mse_loss(x, x, .reduction = 9), GM_ERROR_VALUE, "reduction"));
    CHECK(refused(gm_cross_entropy(x, y, .weight = gm_ones(GM_SHAPE(3), GM_F32)), GM_ERROR_SHAPE, "10 classes"));
    gm_tensor *t = gm_zeros(GM_SHAPE(4, 1, 3), GM_F32), *l = gm_full(GM_SHAPE(1, 2), 7, GM_I64),
              *n = gm_full(GM_SHAPE(1), 2, GM_I64);
    CHECK(refused(gm_ctc_loss(t, l, n, n), GM_ERROR_INDEX, "label 7 at [0, 0]"));
}

/* Probabilities that a sigmoid has rounded to 0 and 1. */
static void saturated(void) {
    GM_SCOPE(scope);
    gm_tensor *x = gm_from_data(GM_SHAPE(4), GM_F32, (float[]){ 0, 1, 0, 1 });
    gm_tensor *y = gm_from_data(GM_SHAPE(4), GM_F32, (float[]){ 0, 1, 1, 0 });
    gm_set_requires_grad(x, true);
    gm_tensor *l = gm_bce(x, y, .reduction = GM_LOSS_SUM);
    CHECK(gm_item(l) == 200 && gm_backward(l), "%s", gm_error_message());
    const float *g = gm_data(gm_gradient_of(x));
    CHECK(g[0] == 1 && g[1] == -1 && g[2] == 0 && g[3] == 0, "%g %g %g %g", g[0], g[1], g[2], g[3]);
}

int main(void) {
    if (!recorded_open("tests/ops/data/loss.txt")) return 1;
    RUN(saturated);
    RUN(cross_entropies);
    RUN(cross_entropy_second_order);
    RUN(pairs);
    RUN(triplets);
    RUN(ctc);
    RUN(forms_and_narrow_floats);
    RUN(errors);
    recorded_close();
    return check_done();
}
