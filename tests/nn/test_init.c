/* test_init.c: initialisers: moments, bounds, orthogonality; the same by name as by hand; errors. */
#include "recorded_nn.h"

typedef struct { double mean, deviation, low, high; } moments;

static moments look(gm_tensor *t) {
    double mean = gm_item(gm_mean(t));
    return (moments){ mean, sqrt(gm_item(gm_mean(gm_square(gm_sub(t, gm_full_like(t, mean)))))), gm_item(gm_min(t)),
                      gm_item(gm_max(t)) };
}

/* A fan in of 200 and a fan out of 500. */
static gm_tensor *weight(void) { return gm_zeros(GM_SHAPE(100, 40, 5), GM_F32); }

static void widths(void) {
    GM_SCOPE(s);
    gm_tensor *t = weight();
    double xavier = sqrt(2 / 700.0), in = sqrt(2 / 200.0), out = sqrt(2 / 500.0);
    struct {
        bool ok;
        gm_tensor *t;
        double deviation, most;
    } all[] = {
        { gm_init_uniform(t, -2, 2), gm_copy(t), 4 / sqrt(12), 2 },
        { gm_init_normal(t, 0, 3), gm_copy(t), 3, 15 },
        { gm_init_xavier_uniform(t, 1), gm_copy(t), xavier, sqrt(3) * xavier },
        { gm_init_xavier_normal(t, 2), gm_copy(t), 2 * xavier, 10 * xavier },
        { gm_init_kaiming_uniform(t, 0, false), gm_copy(t), in, sqrt(3) * in },
        { gm_init_kaiming_uniform(t, sqrt(5), false), gm_copy(t), in / sqrt(6), 1 / sqrt(200.0) },
        { gm_init_kaiming_normal(t, 0, true), gm_copy(t), out, 5 * out },
        { gm_init_truncated_normal(t, 0, 1, -2, 2), gm_copy(t), 0.8796, 2 }, /* the deviation of what is left */
        { gm_init_fill(t, GM_INIT_TRUNCATED_NORMAL, 0, 0.5, NULL), gm_copy(t), 0.4398, 1 },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        moments m = look(all[i].t);
        CHECK(all[i].ok && fabs(m.mean) < 0.03 * all[i].deviation, "%d: mean %g", (int)i, m.mean);
        CHECK(fabs(m.deviation / all[i].deviation - 1) < 0.02, "%d: deviation %g", (int)i, m.deviation);
        CHECK(m.high <= all[i].most && m.low >= -all[i].most, "%d: %g to %g", (int)i, m.low, m.high);
    }
    CHECK(gm_init_ones(t) && look(t).low == 1 && gm_init_zeros(t) && look(t).high == 0);
    CHECK(gm_init_constant(t, 0.5) && look(t).low == 0.5 && look(t).high == 0.5);
    gm_init_truncated_normal(t, 1, 0.5, 0.9, 3);
    CHECK(look(t).low >= 0.9f && look(t).low < 0.91, "%g", look(t).low);
}

static double far_from_eye(gm_tensor *q, double gain) {
    gm_tensor *product = gm_matmul(q, gm_transpose(q, 0, 1));
    gm_tensor *eye = gm_mul_scalar(gm_eye(gm_size(q, 0), gm_size(q, 0), gm_dtype_of(q)), gain * gain);
    return gm_item(gm_max(gm_abs(gm_sub(product, eye))));
}

static void orthogonal(void) {
    GM_SCOPE(s);
    gm_tensor *wide = gm_zeros(GM_SHAPE(7, 5, 3), GM_F64), *tall = gm_zeros(GM_SHAPE(9, 4), GM_F64);
    CHECK(gm_init_orthogonal(wide, 1) && gm_init_orthogonal(tall, 3));
    double a = far_from_eye(gm_flatten_dims(wide, 1, 2), 1), b = far_from_eye(gm_transpose(tall, 0, 1), 3);
    CHECK(a < 1e-14 && b < 1e-13, "%g %g", a, b);
    gm_tensor *eye = gm_zeros(GM_SHAPE(3, 2), GM_F32);
    CHECK(gm_init_eye(eye) && gm_item(gm_sum(eye)) == 2);
}

/* A convolution with such weights gives what it gets. */
static void dirac(void) {
    GM_SCOPE(s);
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 4, 5, 6)), *w = gm_zeros(GM_SHAPE(4, 2, 3, 5), GM_F32);
    CHECK(gm_init_dirac(w, 2) && gm_item(gm_sum(w)) == 4);
    gm_module *conv = gm_nn_conv2d(4, 4, .kernels = { 3, 5 }, .paddings = { 1, 2 }, .groups = 2, .no_bias = 1);
    gm_assign(gm_get(gm_parameters(conv), "weight"), w);
    CHECK(gm_item(gm_all(gm_eq(gm_forward(conv, x), x))) == 1, "%s", gm_error_message());
    gm_tensor *more = gm_zeros(GM_SHAPE(5, 3, 2), GM_F64);
    CHECK(gm_init_dirac(more, 1) && gm_item(gm_sum(more)) == 3 && gm_item(gm_sum(gm_select(more, 2, 1))) == 3);
    CHECK(!gm_init_dirac(more, 2));
    recorded_error(GM_ERROR_VALUE, "init_dirac: 2 groups of the first dimension of [5, 3, 2]");
    CHECK(!gm_init_dirac(gm_zeros(GM_SHAPE(3, 3), GM_F32), 1));
    recorded_error(GM_ERROR_SHAPE, "[3, 3] is no kernel");
}

/* A parameter made from a recipe is a function of its name; filling it by the same key by hand gives the same bits. */
typedef struct { gm_tensor *weight; } recipe_state;
static gm_tensor *recipe_state_forward(gm_module *m, gm_tensor *x) { return (void)m, x; }

static void by_name(void) {
    GM_SCOPE(s);
    for (gm_init kind = GM_INIT_CONSTANT; kind <= GM_INIT_KAIMING_NORMAL; kind++) {
        gm_module *m = gm_module_new(recipe_state), *net = gm_sequential(gm_nn_relu(), m);
        gm_tensor *t = gm_param_init(m, "weight", GM_SHAPE(6, 5), GM_F32, kind, 0.5, 1),
                  *u = gm_zeros(GM_SHAPE(6, 5), GM_F32);
        gm_parameters(net);
        gm_random_key key = { 0, 0, "1.weight" };
        CHECK(gm_init_fill(u, kind, 0.5, 1, &key) && t && !memcmp(gm_data(t), gm_data(u), 120), "kind %d", kind);
        CHECK(gm_item(gm_sum(gm_abs(t))) > 0);
    }
}

static void gains(void) {
    CHECK(gm_init_gain("relu", 0) == sqrt(2) && gm_init_gain("tanh", 0) == 5.0 / 3 && gm_init_gain("linear", 0) == 1);
    CHECK(gm_init_gain("leaky_relu", 1) == 1 && isnan(gm_init_gain("swash", 0)));
    recorded_error(GM_ERROR_VALUE, "swash");
}

static void bad(void) {
    GM_SCOPE(s);
    gm_tensor *bias = gm_zeros(GM_SHAPE(10), GM_F32);
    CHECK(!gm_init_xavier_uniform(bias, 1));
    recorded_error(GM_ERROR_SHAPE, "[10] has no fans");
    CHECK(!gm_init_orthogonal(bias, 1));
    recorded_error(GM_ERROR_SHAPE, "[10] has no fans");
    CHECK(!gm_init_eye(bias));
    recorded_error(GM_ERROR_SHAPE, "[10] has no diagonal");
    CHECK(!gm_init_fill(bias, 77, 0, 0, NULL));
    recorded_error(GM_ERROR_VALUE, "77 is no kind");
    CHECK(!gm_init_normal(gm_zeros(GM_SHAPE(2), GM_I64), 0, 1));
    recorded_error(GM_ERROR_DTYPE, "i64");
    CHECK(!gm_init_truncated_normal(bias, 0, 1, 2, -2));
    recorded_error(GM_ERROR_VALUE, "within [2, -2]");
}

int main(void) {
    RUN(widths);
    RUN(orthogonal);
    RUN(dirac);
    RUN(by_name);
    RUN(gains);
    RUN(bad);
    return check_done();
}
