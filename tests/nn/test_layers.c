/* test_layers.c: plain layers against PyTorch's, with gradients; dropout's statistics; bad input by its words. */
#include "recorded_nn.h"

static void activations(void) {
    GM_SCOPE(s);
    struct {
        const char *name;
        gm_module *m;
    } all[] = {
        { "relu", gm_nn_relu() },
        { "relu6", gm_nn_relu6() },
        { "leaky_relu", gm_nn_leaky_relu(0.2) },
        { "elu", gm_nn_elu(1.5) },
        { "celu", gm_nn_celu(0.7) },
        { "selu", gm_nn_selu() },
        { "gelu", gm_nn_gelu() },
        { "gelu_tanh", gm_nn_gelu_tanh() },
        { "silu", gm_nn_silu() },
        { "mish", gm_nn_mish() },
        { "sigmoid", gm_nn_sigmoid() },
        { "log_sigmoid", gm_nn_log_sigmoid() },
        { "tanh", gm_nn_tanh() },
        { "softplus", gm_nn_softplus() },
        { "softsign", gm_nn_softsign() },
        { "hard_sigmoid", gm_nn_hard_sigmoid() },
        { "hard_swish", gm_nn_hard_swish() },
        { "hard_tanh", gm_nn_hard_tanh(-0.5, 0.25) },
        { "hard_shrink", gm_nn_hard_shrink(0.3) },
        { "soft_shrink", gm_nn_soft_shrink(0.3) },
        { "tanh_shrink", gm_nn_tanh_shrink() },
        { "threshold", gm_nn_threshold(0.1, 20) },
        { "glu", gm_nn_glu(1) },
        { "softmax", gm_nn_softmax(1) },
        { "log_softmax", gm_nn_log_softmax(-1) },
        { "prelu", gm_nn_prelu(6) },
        { "prelu1", gm_nn_prelu(1) },
        { "flatten", gm_nn_flatten_dims(0, 1) },
        { "unflatten", gm_nn_unflatten(-2, GM_SHAPE(3, -1)) },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        recorded_layer(all[i].name, all[i].m, GM_SHAPE(2, 6, 3), 1e-6);
    gm_tensor *x = recorded_input(1, GM_SHAPE(3));
    CHECK(gm_item(gm_all(gm_eq(gm_forward(gm_nn_unary("exp", gm_exp), x), gm_exp(x)))) == 1);
    CHECK(gm_forward(gm_nn_identity(), x) == x);
}

static void linear_and_conv(void) {
    GM_SCOPE(s);
    recorded_layer("linear", gm_nn_linear(5, 7), GM_SHAPE(2, 3, 5), 5e-7);
    recorded_layer("linear_plain", gm_nn_linear(5, 1, .no_bias = 1), GM_SHAPE(5), 5e-7);
    recorded_layer("conv1d", gm_nn_conv1d(4, 6, .stride = 2, .padding = 1, .groups = 2), GM_SHAPE(2, 4, 9), 5e-7);
    recorded_layer("conv2d", gm_nn_conv2d(3, 4), GM_SHAPE(2, 3, 6, 5), 5e-7);
    recorded_layer("conv2d_all",
                   gm_nn_conv2d(4, 6, .kernels = { 3, 2 }, .strides = { 2, 1 }, .paddings = { 1, 2 },
                                .dilations = { 1, 2 }, .groups = 2, .no_bias = 1),
                   GM_SHAPE(2, 4, 7, 5), 5e-7);
    recorded_layer("conv2d_same", gm_nn_conv2d(2, 3, .kernel = 4, .same = 1), GM_SHAPE(1, 2, 5, 7), 5e-7);
    recorded_layer("conv3d", gm_nn_conv3d(2, 3, .kernels = { 1, 2, 3 }, .padding = 1), GM_SHAPE(1, 2, 2, 3, 4), 5e-7);
    recorded_layer("transpose1d",
                   gm_nn_conv_transpose1d(4, 6, .stride = 2, .padding = 1, .output_padding = 1, .groups = 2),
                   GM_SHAPE(2, 4, 5), 5e-7);
    recorded_layer("transpose2d",
                   gm_nn_conv_transpose2d(3, 4, .kernels = { 3, 2 }, .strides = { 1, 2 }, .paddings = { 1, 0 },
                                          .output_paddings = { 0, 1 }, .no_bias = 1),
                   GM_SHAPE(2, 3, 4, 5), 5e-7);
    recorded_layer("transpose3d", gm_nn_conv_transpose3d(2, 3, .kernel = 2, .stride = 2), GM_SHAPE(1, 2, 2, 3, 2),
                   5e-7);
    recorded_layer("stack",
                   gm_sequential(gm_nn_conv2d(1, 3), gm_nn_relu(), gm_sequential(gm_nn_flatten(), gm_nn_linear(27, 4))),
                   GM_SHAPE(2, 1, 5, 5), 5e-7);
}

static void pooling(void) {
    GM_SCOPE(s);
    recorded_layer("max1d", gm_nn_max_pool1d(3, .stride = 2, .padding = 1), GM_SHAPE(2, 3, 9), 5e-7);
    recorded_layer("max2d",
                   gm_nn_max_pool2d(0, .kernels = { 3, 2 }, .strides = { 2, 3 }, .paddings = { 1, 0 }, .ceil_mode = 1),
                   GM_SHAPE(2, 3, 6, 8), 5e-7);
    recorded_layer("max3d", gm_nn_max_pool3d(2), GM_SHAPE(1, 2, 3, 4, 5), 5e-7);
    recorded_layer("avg1d", gm_nn_avg_pool1d(3, .stride = 2, .padding = 1), GM_SHAPE(2, 3, 9), 5e-7);
    recorded_layer(
        "avg2d",
        gm_nn_avg_pool2d(0, .kernels = { 3, 2 }, .strides = { 2, 1 }, .paddings = { 1, 1 }, .exclude_padding = 1),
        GM_SHAPE(2, 3, 6, 8), 5e-7);
    recorded_layer("avg3d", gm_nn_avg_pool3d(2, .divisor = 3), GM_SHAPE(1, 2, 3, 4, 5), 5e-7);
    recorded_layer("adaptive_avg1d", gm_nn_adaptive_avg_pool1d(4), GM_SHAPE(2, 3, 9), 5e-7);
    recorded_layer("adaptive_avg2d", gm_nn_adaptive_avg_pool2d(3, 4), GM_SHAPE(1, 3, 7, 9), 5e-7);
    recorded_layer("adaptive_avg3d", gm_nn_adaptive_avg_pool3d(2, 1, 3), GM_SHAPE(1, 2, 5, 4, 6), 5e-7);
    recorded_layer("adaptive_max1d", gm_nn_adaptive_max_pool1d(4), GM_SHAPE(2, 3, 9), 5e-7);
    recorded_layer("adaptive_max2d", gm_nn_adaptive_max_pool2d(3, 0), GM_SHAPE(1, 3, 7, 9), 5e-7);
    recorded_layer("adaptive_max3d", gm_nn_adaptive_max_pool3d(2, 1, 3), GM_SHAPE(1, 2, 5, 4, 6), 5e-7);
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 3, 4, 5)), *y = gm_forward(gm_nn_global_avg_pool(), x);
    CHECK(y && gm_shape_equal(gm_shape_of(y), GM_SHAPE(2, 3)));
    CHECK(gm_item(gm_max(gm_forward(gm_nn_global_max_pool(), x))) == gm_item(gm_max(x)));
}

static void upsampling(void) {
    GM_SCOPE(s);
    recorded_layer("upsample_nearest", gm_nn_upsample(.scale = 2, .mode = GM_RESIZE_NEAREST), GM_SHAPE(2, 3, 3, 4),
                   5e-7);
    recorded_layer("upsample_size", gm_nn_upsample(.h = 5, .w = 9, .align_corners = 1), GM_SHAPE(2, 3, 3, 4), 5e-7);
    recorded_layer("upsample_1d", gm_nn_upsample(.scale = 1.5), GM_SHAPE(2, 3, 7), 5e-7);
    recorded_layer("upsample_3d", gm_nn_upsample(.scale = 1.5), GM_SHAPE(1, 2, 3, 2, 4), 5e-7);
    recorded_layer("upsample_3d_size", gm_nn_upsample(.d = 5, .h = 3, .w = 7, .mode = GM_RESIZE_NEAREST),
                   GM_SHAPE(1, 2, 3, 2, 4), 5e-7);
    recorded_layer("upsample_cubic", gm_nn_upsample(.scale = 2, .mode = GM_RESIZE_CUBIC), GM_SHAPE(1, 2, 3, 5), 5e-7);
}

static double part_of_zeros(gm_tensor *y) { return gm_item(gm_mean(gm_cast(gm_eq_scalar(y, 0), GM_F32))); }

static void dropouts(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_ones(GM_SHAPE(64, 50, 2, 2), GM_F32);
    double p = part_of_zeros(gm_forward(gm_nn_dropout(0.25), x));
    CHECK(fabs(p - 0.25) < 0.02, "%g", p);
    gm_tensor *y = gm_forward(gm_nn_dropout_channels(0.25), x);
    p = part_of_zeros(y);
    CHECK(fabs(p - 0.25) < 0.04, "%g", p);
    CHECK(gm_item(gm_all(gm_eq(y, gm_narrow(gm_narrow(y, 2, 0, 1), 3, 0, 1)))) == 1);
    x = gm_randn(GM_SHAPE(20000), GM_F32);
    y = gm_forward(gm_nn_alpha_dropout(0.2), x);
    double mean = gm_item(gm_mean(y)), square = gm_item(gm_mean(gm_square(y)));
    CHECK(fabs(mean) < 0.03 && fabs(square - 1) < 0.04, "%g %g", mean, square);
    gm_module *net = gm_sequential(gm_nn_dropout(0.5), gm_nn_dropout_channels(0.5), gm_nn_alpha_dropout(0.5));
    x = recorded_input(1, GM_SHAPE(3, 4, 5));
    gm_set_training(net, false);
    CHECK(gm_item(gm_all(gm_eq(gm_forward(net, x), x))) == 1);
}

/* Fresh weights are uniform within 1 / sqrt(fan in), as PyTorch's are. */
static void defaults(void) {
    GM_SCOPE(s);
    struct {
        gm_module *m;
        double bound;
    } all[] = {
        { gm_nn_linear(25, 40), 1 / 5.0 },
        { gm_nn_conv1d(16, 40, .groups = 4), 1 / sqrt(4 * 3) },
        { gm_nn_conv3d(4, 20), 1 / sqrt(4 * 27) },
        { gm_nn_conv_transpose2d(40, 8, .kernel = 2), 1 / sqrt(8 * 4) },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        gm_pack *p = gm_parameters(all[i].m);
        double most = gm_item(gm_max(gm_abs(gm_get(p, "weight")))), bias = gm_item(gm_max(gm_abs(gm_get(p, "bias"))));
        CHECK(most <= all[i].bound && most > 0.95 * all[i].bound, "%d: %g of %g", (int)i, most, all[i].bound);
        CHECK(bias <= all[i].bound && bias > 0.6 * all[i].bound, "%d: %g of %g", (int)i, bias, all[i].bound);
    }
    CHECK(gm_item(gm_get(gm_parameters(gm_nn_prelu(1)), "weight")) == 0.25);
    gm_module *wide = gm_nn_conv2d(2, 2, .dtype = GM_F64);
    CHECK(gm_dtype_of(gm_get(gm_parameters(wide), "bias")) == GM_F64);
}

static void bad_layers(void) {
    GM_SCOPE(s);
    CHECK(!gm_nn_conv1d(3, 4, .groups = 2));
    recorded_error(GM_ERROR_VALUE, "nn_conv1d: 3 to 4 channels");
    CHECK(!gm_nn_conv_transpose3d(3, 3, .stride = -1));
    recorded_error(GM_ERROR_VALUE, "nn_conv_transpose3d");
    CHECK(!gm_nn_max_pool3d(0));
    recorded_error(GM_ERROR_VALUE, "nn_max_pool3d: kernel 0");
    CHECK(!gm_nn_avg_pool1d(2, .padding = -1));
    recorded_error(GM_ERROR_VALUE, "nn_avg_pool1d");
    CHECK(!gm_nn_adaptive_avg_pool2d(-1, 2));
    recorded_error(GM_ERROR_VALUE, "nn_adaptive_avg_pool2d: sizes -1, 2");
    CHECK(!gm_nn_upsample(.mode = GM_RESIZE_CUBIC));
    recorded_error(GM_ERROR_VALUE, "either a scale or a size");
    CHECK(!gm_nn_celu(0));
    recorded_error(GM_ERROR_VALUE, "nn_celu: alpha is 0");
    CHECK(!gm_nn_alpha_dropout(1));
    recorded_error(GM_ERROR_VALUE, "nn_alpha_dropout: p is 1");
}

/* What is wrong with an input is said with the path of the module that met it. */
static void bad_inputs(void) {
    GM_SCOPE(s);
    struct {
        gm_module *m;
        gm_shape in;
        const char *words;
    } all[] = {
        { gm_nn_conv1d(3, 4), GM_SHAPE(2, 5, 9), "conv1d: input has 5 channels" },
        { gm_nn_conv3d(3, 4), GM_SHAPE(2, 3, 9), "conv3d" },
        { gm_nn_conv_transpose2d(3, 4), GM_SHAPE(2, 4, 5, 5), "conv_transpose2d" },
        { gm_nn_avg_pool2d(3), GM_SHAPE(2, 3, 2, 2), "no window of 3 fits" },
        { gm_nn_glu(-1), GM_SHAPE(2, 3), "glu: dimension -1 of [2, 3] is odd" },
        { gm_nn_prelu(4), GM_SHAPE(2, 3), "prelu: input has 3 channels [2, 3], weight wants 4" },
        { gm_nn_unflatten(2, GM_SHAPE(2, 2)), GM_SHAPE(2, 4), "unflatten: dimension 2 of [2, 4]" },
        { gm_nn_upsample(.scale = 2), GM_SHAPE(2, 4), "upsample: input [2, 4]" },
        { gm_nn_linear(4, 4), GM_SHAPE(2, 5), "linear" },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        gm_module *net = gm_sequential(gm_nn_identity(), gm_sequential(all[i].m));
        CHECK(!gm_forward(net, gm_zeros(all[i].in, GM_F32)), "%s", all[i].words);
        CHECK(strstr(gm_error_message(), "(in 1.0)"), "%s", gm_error_message());
        recorded_error(GM_ERROR_SHAPE, all[i].words);
    }
}

int main(void) {
    if (!recorded_open("tests/nn/data/layers.txt")) return check_done();
    RUN(activations);
    RUN(linear_and_conv);
    RUN(pooling);
    RUN(upsampling);
    RUN(dropouts);
    RUN(defaults);
    RUN(bad_layers);
    RUN(bad_inputs);
    recorded_close();
    return check_done();
}
