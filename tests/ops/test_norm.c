/* Statistics, scans, softmax and normalisations against recorded results, first and second order, in both layouts;
 * batch norm's statistics against a plain reading of the merge rule, bit for bit. */
#include "recorded.h"

#define NORM_CASE(name, shape, call)                                                                                   \
    do {                                                                                                               \
        GM_SCOPE(scope);                                                                                               \
        gm_tensor *x = recorded_variable(1, shape);                                                                    \
        recorded_check_grads(name, call, &x, 1, 1e-6);                                                                 \
    } while (0)

#define DIMS(...) (int32_t[]){ __VA_ARGS__ }, sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)

static void statistics(void) {
    NORM_CASE("sum", GM_SHAPE(3, 4, 5), gm_sum_dims(x, DIMS(0, 2), false));
    NORM_CASE("mean", GM_SHAPE(3, 4, 5), gm_mean_dim(x, 1, true));
    NORM_CASE("prod", GM_SHAPE(3, 5), gm_prod_dim(gm_mul_scalar(x, 2), 1, false));
    NORM_CASE("max", GM_SHAPE(3, 4, 5), gm_max_dims(x, DIMS(1, 2), false));
    NORM_CASE("min", GM_SHAPE(3, 4, 5), gm_min_dim(x, 0, false));
    NORM_CASE("var", GM_SHAPE(3, 4, 5), gm_var_dims(x, DIMS(0, 2), 1, false));
    NORM_CASE("var0", GM_SHAPE(3, 40), gm_var_dims(x, DIMS(-1), 0, true));
    NORM_CASE("std", GM_SHAPE(3, 40), gm_std_dims(x, DIMS(-1), 1, false));
    NORM_CASE("logsumexp", GM_SHAPE(3, 7), gm_logsumexp(gm_mul_scalar(x, 9), 1, false));
    NORM_CASE("logsumexp_all", GM_SHAPE(3, 7), gm_logsumexp_dims(x, NULL, 0, false));
    NORM_CASE("norm2", GM_SHAPE(3, 7), gm_norm_dims(x, 2, DIMS(1), false));
    NORM_CASE("norm1", GM_SHAPE(3, 7), gm_norm_dims(x, 1, DIMS(0), false));
    NORM_CASE("norm3", GM_SHAPE(3, 7), gm_norm(x, 3));
    NORM_CASE("norm_inf", GM_SHAPE(3, 7), gm_norm_dims(x, INFINITY, DIMS(1), false));
    NORM_CASE("normalize", GM_SHAPE(3, 7), gm_normalize(x, 2, 1, 1e-12));
    NORM_CASE("cumsum", GM_SHAPE(3, 7, 2), gm_cumsum(x, 1));
    NORM_CASE("cumprod", GM_SHAPE(5, 3), gm_cumprod(gm_mul_scalar(x, 2), 0));
    NORM_CASE("softmax", GM_SHAPE(3, 37), gm_softmax(gm_mul_scalar(x, 5), -1));
    NORM_CASE("softmax_dim", GM_SHAPE(3, 7, 4), gm_softmax(gm_mul_scalar(x, 5), 1));
    NORM_CASE("log_softmax", GM_SHAPE(3, 37), gm_log_softmax(gm_mul_scalar(x, 5), -1));
    NORM_CASE("log_softmax_dim", GM_SHAPE(3, 7, 4), gm_log_softmax(gm_mul_scalar(x, 5), 0));
}

static bool norm_same(gm_tensor *a, gm_tensor *b) {
    a = gm_contiguous(a), b = gm_contiguous(b);
    return a && b && gm_count(a) == gm_count(b) && !memcmp(gm_data(a), gm_data(b), (size_t)gm_count(a) * 4);
}

static void one_batch_norm(const char *name, gm_shape shape) {
    GM_SCOPE(scope);
    char text[64];
    gm_shape c = GM_SHAPE(shape.d[1]);
    gm_tensor *x[] = { recorded_variable(1, shape), recorded_variable(2, c), recorded_variable(3, c) }, *mean, *var;
    gm_tensor *y = gm_batch_norm(x[0], .weight = x[1], .bias = x[2], .batch_mean = &mean, .batch_var = &var),
              *first = y;
    recorded_check_grads(name, y, x, 3, 3e-6);
    snprintf(text, sizeof text, "%s_mean", name);
    recorded_check(text, mean, 1e-5); /* of values that cancel */
    snprintf(text, sizeof text, "%s_var", name);
    recorded_check(text, var, 1e-6);
    gm_tensor *m = recorded_input(4, c), *v = gm_add_scalar(recorded_input(5, c), 1.5);
    y = gm_batch_norm(x[0], .weight = x[1], .bias = x[2], .mean = m, .var = v, .eps = GM_REAL(1e-3));
    snprintf(text, sizeof text, "%s_given", name);
    recorded_check_grads(text, y, x, 3, 3e-6);
    if (shape.n < 3) return;
    /* the other layout: the same bits, gradients too */
    gm_tensor *g = recorded_input(99, shape), *last = gm_detach(gm_channels_last(x[0])), *plain = gm_detach(x[0]);
    gm_set_requires_grad(last, true), gm_set_requires_grad(plain, true);
    y = gm_batch_norm(last, .weight = x[1], .bias = x[2]);
    CHECK(gm_is_channels_last(y) && norm_same(y, first), "%s", name);
    gm_backward(gm_sum(gm_mul(y, g)));
    gm_tensor *w_last = gm_copy(gm_gradient_of(x[1])), *b_last = gm_copy(gm_gradient_of(x[2]));
    gm_clear_gradient(x[1]), gm_clear_gradient(x[2]);
    gm_backward(gm_sum(gm_mul(gm_batch_norm(plain, .weight = x[1], .bias = x[2]), g)));
    CHECK(norm_same(gm_gradient_of(last), gm_gradient_of(plain)), "%s", name);
    CHECK(norm_same(w_last, gm_gradient_of(x[1])) && norm_same(b_last, gm_gradient_of(x[2])), "%s", name);
}

static void batch_norms(void) {
    one_batch_norm("batch2", GM_SHAPE(7, 5));
    one_batch_norm("batch3", GM_SHAPE(3, 2, 90));
    one_batch_norm("batch4", GM_SHAPE(4, 2, 6, 11));
    one_batch_norm("batch4_wide", GM_SHAPE(2, 18, 3, 3));
}

/* Blocks of 256 positions, merged in order. */
static void merge_rule(const float *x, int64_t n, float *mean, float *var) {
    float M = 0, Q = 0;
    for (int64_t p = 0; p < n; p += 256) {
        int64_t nb = n - p < 256 ? n - p : 256;
        float s = 0, q = 0;
        for (int64_t k = 0; k < nb; k++) s += x[p + k];
        float m = s / (float)nb;
        for (int64_t k = 0; k < nb; k++) q = fmaf(x[p + k] - m, x[p + k] - m, q);
        if (p == 0) {
            M = m, Q = q;
            continue;
        }
        float total = (float)(p + nb), d = m - M;
        M = fmaf(d, (float)nb / total, M);
        float spread = d * d, weight = (float)p * (float)nb / total, square = spread * weight;
        Q = (Q + q) + square;
    }
    *mean = M, *var = Q / (float)n;
}

static void batch_statistics(void) {
    for (int64_t s = 1; s < 9000; s = s * 5 + 3) {
        for (int threads = 1; threads < 3; threads++) {
            GM_SCOPE(scope);
            gm_set_threads(threads);
            gm_shape shape = GM_SHAPE(3, 5, s);
            gm_tensor *x = recorded_input(1, shape), *rows = gm_contiguous(gm_permute(x, (int32_t[]){ 1, 0, 2 }, 3));
            gm_tensor *mean = NULL, *var = NULL;
            gm_batch_norm(threads == 1 ? x : gm_channels_last(x), .batch_mean = &mean, .batch_var = &var);
            for (int c = 0; c < 5 && mean; c++) {
                float m, v;
                merge_rule((const float *)gm_data(rows) + c * 3 * s, 3 * s, &m, &v);
                CHECK(m == ((const float *)gm_data(mean))[c] && v == ((const float *)gm_data(var))[c], "%d of %d", c,
                      (int)s);
            }
        }
    }
}

static void row_norms(void) {
    GM_SCOPE(scope);
    struct { const char *name; gm_shape shape, w; int n; } layers[] = {
        { "layer", GM_SHAPE(5, 40), GM_SHAPE(40), 1 }, { "layer2", GM_SHAPE(3, 2, 7), GM_SHAPE(2, 7), 2 } };
    for (int i = 0; i < 2; i++) {
        char text[64];
        gm_shape w = layers[i].w;
        gm_tensor *x[] = { recorded_variable(1, layers[i].shape), recorded_variable(2, w), recorded_variable(3, w) };
        recorded_check_grads(layers[i].name, gm_layer_norm(x[0], layers[i].n, .weight = x[1], .bias = x[2]), x, 3,
                             3e-6);
        snprintf(text, sizeof text, "%s_plain", layers[i].name);
        recorded_check_grads(text, gm_layer_norm(x[0], layers[i].n), x, 1, 3e-6);
        snprintf(text, sizeof text, "%s_rms", layers[i].name);
        recorded_check_grads(text, gm_rms_norm(x[0], layers[i].n, .weight = x[1]), x, 2, 3e-6);
    }
    struct { const char *name; gm_shape shape; int groups;
    } groups[] = { { "group", GM_SHAPE(2, 6, 5), 3 },
                   { "group4", GM_SHAPE(2, 8, 3, 5), 2 },
                   { "instance", GM_SHAPE(2, 3, 5, 4), 3 } };
    for (int i = 0; i < 3; i++) {
        gm_shape c = GM_SHAPE(groups[i].shape.d[1]);
        gm_tensor *x[] = { recorded_variable(1, groups[i].shape), recorded_variable(2, c), recorded_variable(3, c) };
        gm_tensor *y = gm_group_norm(x[0], groups[i].groups, .weight = x[1], .bias = x[2]), *first = y;
        recorded_check_grads(groups[i].name, y, x, 3, 3e-6);
        y = gm_group_norm(gm_channels_last(x[0]), groups[i].groups, .weight = x[1], .bias = x[2]);
        CHECK(norm_same(y, first), "%s", groups[i].name);
    }
}

/* gradients of sum(gradient * weights), as second() of record_norm.py */
static void second(const char *name, gm_tensor *y, gm_tensor *const *x, int n) {
    static const char *const names[] = { "0", "1", "2" };
    gm_pack *xs = gm_pack_new();
    for (int i = 0; i < n; i++) gm_pack_set(xs, names[i], x[i]);
    gm_pack *g = gm_gradients(gm_sum(gm_mul(y, recorded_input(99, gm_shape_of(y)))), xs, .create_graph = 1);
    gm_tensor *total = NULL;
    for (int i = 0; i < n && g; i++) {
        gm_tensor *t = gm_pack_at(g, i), *s = gm_sum(gm_mul(t, recorded_input(98 - i, gm_shape_of(t))));
        total = total ? gm_add(total, s) : s;
    }
    gm_backward(total);
    for (int i = 0; i < n; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s.%d", name, i);
        gm_tensor *r = gm_gradient_of(x[i]);
        recorded_check(text, r ? r : gm_zeros_like(x[i]), 1e-5);
    }
}

#define SECOND(name, shape, wshape, n, call)                                                                           \
    do {                                                                                                               \
        GM_SCOPE(scope);                                                                                               \
        gm_tensor *xs[] = { recorded_variable(1, shape), recorded_variable(2, wshape), recorded_variable(3, wshape) }; \
        gm_tensor *x = xs[0], *w = xs[1], *b = xs[2];                                                                  \
        (void)w, (void)b;                                                                                              \
        second(name, call, xs, n);                                                                                     \
    } while (0)

static void second_order(void) {
    gm_shape c = GM_SHAPE(4);
    SECOND("second_batch", GM_SHAPE(3, 4, 5), c, 3,
           gm_batch_norm(x, .weight = w, .bias = gm_add(b, w), .eps = GM_REAL(1e-2)));
    SECOND("second_given", GM_SHAPE(3, 4, 5), c, 3,
           gm_batch_norm(gm_mul(x, x), .weight = w, .bias = gm_mul(b, w), .mean = recorded_input(4, c),
                         .var = gm_add_scalar(recorded_input(5, c), 1.5), .eps = GM_REAL(1e-2)));
    SECOND("second_layer", GM_SHAPE(4, 7), GM_SHAPE(7), 3,
           gm_layer_norm(x, 1, .weight = w, .bias = gm_mul(b, w), .eps = GM_REAL(1e-2)));
    SECOND("second_rms", GM_SHAPE(4, 7), GM_SHAPE(7), 2, gm_rms_norm(x, 1, .weight = w, .eps = GM_REAL(1e-2)));
    SECOND("second_group", GM_SHAPE(2, 4, 5), c, 3,
           gm_group_norm(x, 2, .weight = w, .bias = gm_mul(b, w), .eps = GM_REAL(1e-2)));
    SECOND("second_softmax", GM_SHAPE(3, 7), c, 1, gm_softmax(x, -1));
    SECOND("second_log_softmax", GM_SHAPE(3, 7), c, 1, gm_log_softmax(gm_mul_scalar(x, 2), 0));
    SECOND("second_var", GM_SHAPE(3, 7), c, 1, gm_mul(gm_var_dims(x, DIMS(1), 1, false), gm_sum_dim(x, 1, false)));
    SECOND("second_prod", GM_SHAPE(3, 5), c, 1, gm_prod_dim(x, 1, false));
    SECOND("second_cumprod", GM_SHAPE(3, 5), c, 1, gm_cumprod(x, 1));
}

/* The direct kernels of rows are the formula in operations, bit for bit. */
static void softmax_is_its_formula(void) {
    GM_SCOPE(scope);
    for (int64_t n = 1; n < 9000; n = n * 3 + 2) {
        gm_tensor *x = gm_mul_scalar(recorded_input(1, GM_SHAPE(3, n)), 7), *d = gm_sub(x, gm_max_dim(x, 1, true));
        gm_tensor *e = gm_exp(d), *s = gm_sum_dim(e, 1, true);
        CHECK(norm_same(gm_softmax(x, 1), gm_div(e, s)), "%d", (int)n);
        CHECK(norm_same(gm_log_softmax(x, 1), gm_sub(d, gm_log(s))), "%d", (int)n);
        gm_tensor *mean = gm_div_scalar(gm_sum_dim(x, 1, true), (double)n);
        CHECK(norm_same(gm_var_dims(x, DIMS(1), 0, false),
                        gm_div_scalar(gm_sum_dim(gm_square(gm_sub(x, mean)), 1, false), (double)n)),
              "%d", (int)n);
    }
}

static void errors(void) {
    GM_SCOPE(scope);
    gm_tensor *x = gm_zeros(GM_SHAPE(2, 6, 3), GM_F32), *w = gm_zeros(GM_SHAPE(5), GM_F32),
              *i = gm_zeros(GM_SHAPE(2, 3), GM_I32);
    CHECK(!gm_batch_norm(x, .weight = w) && gm_error_code() == GM_ERROR_SHAPE &&
          strstr(gm_error_message(), "6 channels"));
    gm_error_clear();
    CHECK(!gm_group_norm(x, 4) && gm_error_code() == GM_ERROR_SHAPE && strstr(gm_error_message(), "4 groups"));
    gm_error_clear();
    CHECK(!gm_layer_norm(x, 1, .weight = w) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
    CHECK(!gm_rms_norm(x, 1, .bias = gm_zeros(GM_SHAPE(3), GM_F32)) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
    CHECK(!gm_var(i, 1) && gm_error_code() == GM_ERROR_DTYPE && !gm_ok());
    gm_error_clear();
    CHECK(!gm_softmax(i, 1) && gm_error_code() == GM_ERROR_DTYPE);
    gm_error_clear();
}

/* Where all are alike, deviations and norms have a slope of 0. */
static void slopes_at_zero(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_zeros(GM_SHAPE(3), GM_F32);
    gm_set_requires_grad(x, true);
    gm_tensor *y[] = { gm_std(x, 1), gm_norm(x, 2), gm_norm(x, 3) };
    for (int i = 0; i < 3; i++) {
        CHECK(gm_item(y[i]) == 0 && gm_backward(y[i]), "%s", gm_error_message());
        CHECK(gm_item(gm_max(gm_abs(gm_gradient_of(x)))) == 0, "%d", i);
        gm_clear_gradient(x);
    }
}

/* The gradient of sum(y) in x is `wanted`, NaNs included. */
static bool slopes_are(gm_tensor *y, gm_tensor *x, const double *wanted) {
    gm_clear_gradient(x);
    gm_tensor *total = gm_sum(y), *g = gm_backward_with(total, NULL) ? gm_contiguous(gm_gradient_of(x)) : NULL;
    const double *got = g ? gm_data(g) : NULL;
    for (int64_t i = 0; got && i < gm_count(x); i++) {
        if (got[i] == wanted[i] || (isnan(got[i]) && isnan(wanted[i]))) continue;
        return printf("%lld: %g, wanted %g\n", (long long)i, got[i], wanted[i]), false;
    }
    return got != NULL;
}

static gm_tensor *slopes_at(const double *v, int n) {
    gm_tensor *x = gm_from_data(GM_SHAPE(n), GM_F64, v);
    gm_set_requires_grad(x, true);
    return x;
}

/* Where a slope has no value: what PyTorch 2 gives. */
static void slopes_by_custom(void) {
    GM_SCOPE(s);
    const double f = INFINITY, q = NAN;
    gm_tensor *x = slopes_at((double[]){ 0, 0, 0, 0, 1, 0, 2, q }, 8);
    gm_tensor *y = slopes_at((double[]){ 0, 1, f, -1, 0, q, -1, 0 }, 8);
    CHECK(slopes_are(gm_xlogy(x, y), x, (double[]){ 0, 0, f, 0, -f, q, q, -f }));
    CHECK(slopes_are(gm_xlogy(x, y), y, (double[]){ q, 0, 0, 0, f, q, -2, q }));
    CHECK(slopes_are(gm_mul_scalar(gm_xlogy(x, y), 0), x, (double[]){ 0, 0, 0, 0, 0, q, 0, 0 }));
    x = slopes_at((double[]){ -f, -f, f, f, f, -f, 0 }, 7), y = slopes_at((double[]){ -f, 0, f, -f, 0, f, -f }, 7);
    CHECK(slopes_are(gm_logaddexp(x, y), x, (double[]){ q, 0, q, 1, 1, 0, 1 }));
    CHECK(slopes_are(gm_logaddexp(x, y), y, (double[]){ q, 1, q, 0, 0, 1, 0 }));
    x = slopes_at((double[]){ -f, -f, 0, -f, f, 0 }, 6);
    y = gm_logsumexp(gm_reshape(x, GM_SHAPE(3, 2)), 1, false);
    CHECK(slopes_are(y, x, (double[]){ q, q, 1, 0, q, 0 }));
    static const double orders[] = { 0.25, 0.5, 0.75, 1, 1.5, 2, 3, INFINITY, -INFINITY, -1, -2 };
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        double p = orders[i], norm = p > 0 && p < f ? pow(pow(3, p) + pow(4, p), 1 / p) : p > 0 ? 4 : 0;
        double a = p > 0 && p < f ? pow(3 / norm, p - 1) : 0, b = p == f ? 1 : p > 0 ? pow(4 / norm, p - 1) : 0;
        x = slopes_at((double[]){ 0, 3, -4 }, 3), y = gm_norm(x, p);
        CHECK(fabs(gm_item(y) - norm) < 1e-12 * norm + 1e-300, "order %g: %g, wanted %g", p, gm_item(y), norm);
        gm_tensor *g = gm_backward(y) ? gm_gradient_of(x) : NULL;
        const double *got = g ? gm_data(g) : (double[]){ q, q, q };
        CHECK(got[0] == 0 && fabs(got[1] - a) <= 1e-12 * a && fabs(got[2] + b) <= 1e-12 * b, "order %g: %g %g %g", p,
              got[0], got[1], got[2]);
        x = slopes_at((double[]){ 0, 0 }, 2);
        CHECK(slopes_are(gm_norm(x, p), x, (double[]){ 0, 0 }), "order %g", p);
    }
}

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    if (!recorded_open("tests/ops/data/norm.txt")) return 1;
    RUN(statistics);
    RUN(batch_norms);
    RUN(batch_statistics);
    RUN(row_norms);
    RUN(second_order);
    RUN(softmax_is_its_formula);
    RUN(errors);
    RUN(slopes_at_zero);
    RUN(slopes_by_custom);
    recorded_close();
    return check_done();
}
