/* Convolutions against recorded results, in both layouts; second order; errors by their words. */
#include "recorded.h"

#include "tensor/tensor.h"

/* The same values and gradients whether x is row-major or channels-last. */
#define CONV_CASE(name, sx, sw, channels, call)                                                                        \
  do {                                                                                                                 \
    gm_tensor *v[] = { recorded_variable(1, sx), recorded_variable(2, sw), recorded_variable(3, GM_SHAPE(channels)) }; \
    gm_tensor *x = v[0], *w = v[1], *b = v[2];                                                                         \
    gm_tensor *y = call, *first = y;                                                                                   \
    recorded_check_grads(name, y, v, 3, 1e-6);                                                                         \
    x = gm_channels_last(v[0]);                                                                                        \
    y = call;                                                                                                          \
    CHECK(y &&gm_is_channels_last(y));                                                                                 \
    CHECK(y &&first &&gm_item(gm_all(gm_eq(y, first))) == 1, "%s", gm_error_message());                                \
    gm_backward(gm_sum(gm_mul(y, recorded_input(99, gm_shape_of(y)))));                                                \
    for (int i = 0; i < 3; i++) {                                                                                      \
      char text[64];                                                                                                   \
      snprintf(text, sizeof text, "%s.%d", name, i);                                                                   \
      recorded_check(text, gm_gradient_of(v[i]), 1e-6);                                                                \
    }                                                                                                                  \
  } while (0)

static void conv_forward_cases(void) {
    CONV_CASE("conv1d", GM_SHAPE(2, 3, 9), GM_SHAPE(4, 3, 3), 4, gm_conv1d(x, w, .bias = b, .stride = 2, .padding = 1));
    CONV_CASE("conv2d", GM_SHAPE(2, 3, 6, 7), GM_SHAPE(4, 3, 3, 3), 4, gm_conv2d(x, w, .bias = b));
    CONV_CASE("conv2d_same", GM_SHAPE(1, 2, 5, 6), GM_SHAPE(3, 2, 4, 3), 3, gm_conv2d(x, w, .bias = b, .same = 1));
    CONV_CASE("conv2d_all", GM_SHAPE(2, 4, 9, 8), GM_SHAPE(6, 2, 3, 2), 6,
              gm_conv2d(x, w, .bias = b, .strides = { 2, 3 }, .padding_low = { 1, 2 }, .padding_high = { 1, 2 },
                        .dilations = { 2, 1 }, .groups = 2));
    CONV_CASE("depthwise", GM_SHAPE(1, 5, 6, 6), GM_SHAPE(5, 1, 3, 3), 5,
              gm_conv2d(x, w, .bias = b, .padding = 1, .groups = 5));
    CONV_CASE(
        "conv3d", GM_SHAPE(1, 2, 4, 5, 4), GM_SHAPE(3, 2, 2, 3, 2), 3,
        gm_conv3d(x, w, .bias = b, .strides = { 1, 2, 1 }, .padding_low = { 0, 1, 1 }, .padding_high = { 0, 1, 1 }));
}

static void conv_transpose_cases(void) {
    CONV_CASE("transpose1d", GM_SHAPE(2, 3, 5), GM_SHAPE(3, 4, 3), 4,
              gm_conv_transpose1d(x, w, .bias = b, .stride = 2, .padding = 1, .output_padding = 1));
    CONV_CASE("transpose2d", GM_SHAPE(2, 4, 4, 3), GM_SHAPE(4, 3, 3, 3), 6,
              gm_conv_transpose2d(x, w, .bias = b, .strides = { 2, 3 }, .padding_low = { 1, 0 },
                                  .padding_high = { 1, 0 }, .output_paddings = { 1, 2 }, .groups = 2));
    CONV_CASE("transpose3d", GM_SHAPE(1, 2, 3, 2, 3), GM_SHAPE(2, 2, 2, 2, 3), 2,
              gm_conv_transpose3d(x, w, .bias = b, .stride = 2, .dilations = { 1, 2, 1 }));
}

static void conv_lone_picture(void) {
    gm_tensor *x = recorded_input(1, GM_SHAPE(3, 6, 7)), *w = recorded_input(2, GM_SHAPE(4, 3, 3, 3));
    gm_tensor *y = gm_conv2d(x, w), *z = gm_conv2d(gm_unsqueeze(x, 0), w);
    CHECK(y && gm_n_dims(y) == 3 && gm_item(gm_all(gm_eq(y, z))) == 1, "%s", gm_error_message());
}

static void conv_says(gm_tensor *t, const char *words) {
    CHECK(!t && strstr(gm_error_message(), words), "said: %s", gm_error_message());
    gm_error_clear();
}

static void conv_errors(void) {
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 3, 6, 7)), *w = recorded_input(2, GM_SHAPE(4, 4, 3, 3));
    conv_says(gm_conv2d(x, w), "conv2d: input has 3 channels [2, 3, 6, 7], weight wants 4 [4, 4, 3, 3]");
    gm_tensor *v = recorded_input(2, GM_SHAPE(4, 3, 3, 3));
    conv_says(gm_conv2d(x, v, .bias = recorded_input(1, GM_SHAPE(3))), "bias is [3]");
    conv_says(gm_conv2d(x, v, .dilation = 4), "larger than the padded input");
    conv_says(gm_conv2d(x, v, .stride = -1), "stride -1");
    conv_says(gm_conv2d(x, v, .stride = 2, .same = 1), "needs stride 1");
    conv_says(gm_conv1d(x, v), "3 dimensions are needed");
    conv_says(gm_conv_transpose2d(x, v), "input has 3 channels");
    conv_says(gm_conv_transpose2d(x, recorded_input(2, GM_SHAPE(3, 4, 3, 3)), .output_padding = 1), "output_padding 1");
    conv_says(gm_conv2d(gm_cast(x, GM_I32), gm_cast(v, GM_I32)), "floats");
}

/* Convolution as a function of its gradient's inputs: the inner products <conv(x, w), g> that all three give agree. */
static void conv_adjoint(void) {
    gm_tensor *x = recorded_variable(1, GM_SHAPE(2, 3, 6, 7)), *w = recorded_variable(2, GM_SHAPE(4, 3, 3, 3));
    gm_pack *v = gm_pack_of((gm_entry[]){ { "x", x, NULL }, { "w", w, NULL } }, 2);
    gm_tensor *y = gm_sum(gm_square(gm_conv2d(x, w, .stride = 2, .padding = 1)));
    gm_pack *g = gm_gradients(y, v, .create_graph = 1);
    gm_tensor *s = gm_add(gm_sum(gm_mul(gm_pack_at(g, 0), x)), gm_sum(gm_mul(gm_pack_at(g, 1), w)));
    /* y is of degree 2 in x and in w: s = 4 y, and the gradient of s is 4 times that of y */
    CHECK(fabs(gm_item(s) / gm_item(y) - 4) < 1e-5);
    gm_pack *h = gm_gradients(s, v);
    for (int i = 0; i < 2; i++) {
        double far = gm_item(gm_max(gm_abs(gm_sub(gm_pack_at(h, i), gm_mul_scalar(gm_pack_at(g, i), 4)))));
        CHECK(gm_ok() && far < 1e-4 * gm_item(gm_max(gm_abs(gm_pack_at(h, i)))), "%s", gm_error_message());
    }
}

/* No pictures: what the parameters get is zero, not what their memory held. */
static void conv_of_nothing(void) {
    gm__guard_storages(true);
    gm_tensor *x = recorded_variable(1, GM_SHAPE(0, 4, 5, 5)), *w = recorded_variable(2, GM_SHAPE(6, 4, 3, 3));
    gm_tensor *p[] = { w, recorded_variable(3, GM_SHAPE(6)), recorded_variable(4, GM_SHAPE(4)),
                       recorded_variable(5, GM_SHAPE(4)) };
    gm_tensor *y = gm_conv2d(gm_group_norm(x, 2, .weight = p[2], .bias = p[3]), w, .bias = p[1]);
    CHECK(gm_backward(gm_sum(y)), "%s", gm_error_message());
    for (int i = 0; i < 4; i++) {
        gm_tensor *g = gm_gradient_of(p[i]);
        CHECK(g && gm_item(gm_max(gm_abs(g))) == 0, "%d: %s", i, gm_error_message());
    }
    gm__guard_storages(false);
}

int main(void) {
    if (recorded_open("tests/ops/data/conv.txt")) {
        RUN(conv_forward_cases);
        RUN(conv_transpose_cases);
        RUN(conv_lone_picture);
        RUN(conv_errors);
        RUN(conv_adjoint);
        RUN(conv_of_nothing);
    }
    recorded_close();
    return check_done();
}
