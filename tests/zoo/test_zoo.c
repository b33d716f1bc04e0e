/* test_zoo.c: nets of the zoo against torchvision's with the same parameters; the table; the same bits for any threads;
 * what they refuse. */
#include "../nn/recorded_nn.h"

static void check_digest(const char *name, gm_tensor *t, double tolerance) {
    gm_tensor *dot = gm_sum(gm_mul(t, recorded_input(98, gm_shape_of(t))));
    recorded_check(name, gm_stack((gm_tensor *[]){ gm_norm(t, 2), dot }, 2, 0), tolerance);
}

/* Parameters of more than one dimension, by formula, are large for a net of this depth. */
static void scale_matrices(gm_module *net, double scale) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_pack *p = gm_parameters(net);
    for (int64_t i = 0; i < gm_pack_count(p); i++)
        if (gm_n_dims(gm_pack_at(p, i)) > 1) gm_assign(gm_pack_at(p, i), gm_mul_scalar(gm_pack_at(p, i), scale));
}

static void net_case_scaled(const char *name, gm_module *net, gm_shape in, double scale, double tolerance) {
    GM_SCOPE(s);
    char text[256];
    CHECK(net != NULL, "%s: %s", name, gm_error_message());
    recorded_fill(net);
    if (scale != 1) scale_matrices(net, scale);
    gm_tensor *x = recorded_variable(1, in), *y = gm_forward(net, x);
    recorded_check(name, y, tolerance);
    gm_backward(gm_sum(gm_mul(y, recorded_input(99, gm_shape_of(y)))));
    snprintf(text, sizeof text, "%s.0", name);
    check_digest(text, gm_gradient_of(x), tolerance);
    gm_pack *p = gm_parameters(net);
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        snprintf(text, sizeof text, "%s.%s", name, gm_pack_name(p, i));
        check_digest(text, gm_gradient_of(gm_pack_at(p, i)), tolerance);
    }
    CHECK(gm_ok(), "%s", gm_error_message());
    gm_error_clear();
}

static void net_case(const char *name, gm_module *net, gm_shape in, double tolerance) {
    net_case_scaled(name, net, in, 1, tolerance);
}

/* Batch norm over few values makes the gradients of deep nets ill-conditioned, and a relu near 0 may fall
 * on the other side: f32 against f64. A wrong layer is off by the whole of its digest. */
static void residual_nets(void) {
    GM_SCOPE(s);
    net_case("resnet18", gm_resnet18(.classes = 5), GM_SHAPE(2, 3, 67, 70), 2e-4);
    net_case("resnet18_small", gm_resnet18(.classes = 5, .small = 1), GM_SHAPE(3, 3, 20, 17), 2e-4);
    net_case("resnet50", gm_resnet50(.classes = 5), GM_SHAPE(2, 3, 65, 68), 2e-2);
}

static void transformers(void) {
    GM_SCOPE(s);
    gm_module *net = gm_vit_tiny(.classes = 5, .height = 12, .width = 12, .patch = 4);
    net_case_scaled("vit_tiny", net, GM_SHAPE(2, 3, 12, 12), 0.1, 2e-4);
}

static gm_module *lstm_of(int64_t features, int64_t hidden, int32_t both) {
    return gm_lstm_classifier(.features = features, .classes = 5, .hidden = hidden, .bidirectional = both);
}

static void sequences(void) {
    GM_SCOPE(s);
    net_case("lstm", lstm_of(6, 0, 0), GM_SHAPE(3, 2, 5, 3), 2e-5);
    net_case("lstm_both", lstm_of(6, 7, 1), GM_SHAPE(3, 2, 5, 3), 2e-5);
    gm_module *net = lstm_of(6, 9, 1);
    gm_tensor *image = recorded_input(1, GM_SHAPE(3, 2, 5, 3)), *y = gm_forward(net, image);
    gm_tensor *steps = gm_flatten_dims(gm_transpose(image, 1, 2), 2, 3);
    CHECK(gm_item(gm_all(gm_eq(gm_forward(net, steps), y))) == 1, "%s", gm_error_message());

    /* What lies behind a sequence's end does not count. */
    net = gm_lstm_classifier(.vocabulary = 30, .classes = 2, .hidden = 8, .embedding = 4, .bidirectional = 1);
    gm_tensor *a = gm_from_data(GM_SHAPE(2, 3), GM_I64, (int64_t[]){ 4, 29, 3, 5, 6, 7 });
    gm_tensor *b = gm_from_data(GM_SHAPE(2, 4), GM_I64, (int64_t[]){ 4, 29, 3, 1, 5, 6, 7, 2 });
    gm_tensor *lengths = gm_from_data(GM_SHAPE(2), GM_I64, (int64_t[]){ 3, 3 });
    gm_pack *out = gm_apply(net, GM_PACK({ "x", b, NULL }, { "lengths", lengths, NULL }));
    CHECK(gm_item(gm_all(gm_eq(gm_get(out, "y"), gm_forward(net, a)))) == 1, "%s", gm_error_message());
    CHECK(gm_pack_has(gm_state_dict(net), "embedding.weight") && gm_pack_has(gm_state_dict(net), "fc.bias"));
}

static int64_t parameters_in(gm_module *net) {
    int64_t n = 0;
    gm_pack *p = gm_parameters(net);
    for (int64_t i = 0; i < gm_pack_count(p); i++) n += gm_count(gm_pack_at(p, i));
    return n;
}

/* Counts as published by torchvision. */
static void sizes(void) {
    GM_SCOPE(s);
    CHECK(parameters_in(gm_resnet18()) == 11689512);
    CHECK(parameters_in(gm_resnet34()) == 21797672);
    CHECK(parameters_in(gm_resnet50()) == 25557032);
    CHECK(gm_pack_count(gm_state_dict(gm_resnet18(.width = 4))) == 122); /* entries of torchvision's and timm's */
    CHECK(gm_pack_count(gm_state_dict(gm_resnet50(.width = 4))) == 320);
    CHECK(gm_pack_count(gm_state_dict(gm_vit_tiny())) == 152);
    CHECK(parameters_in(gm_vit_tiny()) == 5717416 && parameters_in(gm_vit_small()) == 22050664);
    CHECK(gm_n_children(gm_child_at(gm_vit_base(.depth = 2), 1)) == 2);
    CHECK(gm_n_children(gm_child_at(gm_resnet152(.width = 4), 6)) == 36);
    CHECK(gm_n_children(gm_child_at(gm_resnet101(.width = 4), 6)) == 23);
}

static void every_name(void) {
    for (int i = 0; gm_zoo_name(i); i++) {
        GM_SCOPE(s);
        gm_module *net = gm_zoo_new(gm_zoo_name(i), GM_SHAPE(1, 28, 28), 7);
        gm_set_training(net, false);
        gm_tensor *y = gm_forward(net, recorded_input(1, GM_SHAPE(2, 1, 28, 28)));
        CHECK(y && gm_shape_equal(gm_shape_of(y), GM_SHAPE(2, 7)), "%s: %s", gm_zoo_name(i), gm_error_message());
        CHECK(gm_zoo_about(i) && *gm_zoo_about(i));
    }
    gm_tensor *odd = recorded_input(1, GM_SHAPE(1, 2, 70, 69));
    gm_tensor *y = gm_forward(gm_zoo_new("vit_tiny", GM_SHAPE(2, 70, 69), 7), odd);
    CHECK(y && gm_shape_equal(gm_shape_of(y), GM_SHAPE(1, 7)), "%s", gm_error_message());
    CHECK(!gm_zoo_about(-1) && !gm_zoo_about(1000));
}

/* Two steps of training; what the net has come to. */
static gm_pack *trained(gm_module *net, gm_shape in, int threads) {
    gm_set_threads(threads);
    gm_optimizer *o = gm_adamw(net, 1e-2);
    gm_tensor *x = recorded_input(3, in), *y = gm_from_data(GM_SHAPE(6), GM_I64, (int64_t[]){ 0, 1, 2, 2, 1, 0 });
    for (int i = 0; i < 2; i++) CHECK(gm_backward(gm_cross_entropy(gm_forward(net, x), y)) && gm_step(o));
    return gm_state_dict(net);
}

static gm_module *some_net(int i) {
    if (i == 0) return gm_vit_tiny(.classes = 3, .height = 12, .width = 12, .patch = 4, .depth = 2);
    if (i == 1)
        return gm_lstm_classifier(.features = 36, .classes = 3, .hidden = 33, .bidirectional = 1, .dropout = 0.2);
    return gm_resnet18(.classes = 3, .width = 8, .small = 1);
}

/* Not a bit depends on the number of threads. */
static void same_bits(void) {
    int before = gm_n_threads();
    for (int i = 0; i < 3; i++) {
        GM_SCOPE(s);
        gm_seed(1);
        gm_pack *one = trained(some_net(i), GM_SHAPE(6, 3, 12, 12), 1);
        gm_seed(1);
        gm_pack *three = trained(some_net(i), GM_SHAPE(6, 3, 12, 12), 3);
        for (int64_t k = 0; k < gm_pack_count(one); k++) {
            gm_tensor *a = gm_contiguous(gm_pack_at(one, k)), *b = gm_contiguous(gm_pack_at(three, k));
            size_t bytes = (size_t)(gm_count(a) * gm_dtype_bits(gm_dtype_of(a)) / 8);
            CHECK(a && b && !memcmp(gm_data(a), gm_data(b), bytes), "%d: %s %s", i, gm_pack_name(one, k),
                  gm_error_message());
        }
    }
    gm_set_threads(before);
}

static void errors(void) {
    GM_SCOPE(s);
    CHECK(!gm_zoo_new("lennet", GM_SHAPE(1, 28, 28), 10));
    recorded_error(GM_ERROR_VALUE, "zoo: there is no \"lennet\"; there are lenet, lstm, mlp, resnet18");
    CHECK(!gm_zoo_new("lenet", GM_SHAPE(4), 10));
    recorded_error(GM_ERROR_VALUE, "lenet: examples are [4]; images [C, H, W]");
    CHECK(!gm_zoo_new("resnet18", GM_SHAPE(1, 7, 28), 10));
    recorded_error(GM_ERROR_VALUE, "resnet18: examples are [1, 7, 28]");
    CHECK(!gm_zoo_new("mlp", GM_SHAPE(4), 0));
    recorded_error(GM_ERROR_VALUE, "0 classes");
    CHECK(!gm_resnet50(.width = -1));
    recorded_error(GM_ERROR_VALUE, "width -1");
    CHECK(!gm_vit_tiny(.classes = 10, .height = 30, .width = 28, .patch = 4));
    recorded_error(GM_ERROR_VALUE, "vit_tiny: 10 classes, 12 blocks, images [3, 30, 28] in patches of 4");
    CHECK(!gm_forward(gm_vit_tiny(.height = 8, .width = 8, .patch = 4, .depth = 1),
                      gm_zeros(GM_SHAPE(1, 3, 12, 8), GM_F32)));
    recorded_error(GM_ERROR_SHAPE, "vit: images [1, 3, 12, 8] have 6 patches, the net was made for 4");
    CHECK(!gm_lstm_classifier(.classes = 3));
    recorded_error(GM_ERROR_VALUE, "lstm_classifier: 0 features, a vocabulary of 0");
    CHECK(!gm_zoo_new("lstm", GM_SHAPE(1, 2, 3, 4), 10));
    recorded_error(GM_ERROR_VALUE, "lstm: examples are [1, 2, 3, 4]");
    gm_module *net = gm_resnet18(.classes = 3, .width = 4);
    CHECK(!gm_forward(net, gm_zeros(GM_SHAPE(2, 1, 64, 64), GM_F32)));
    recorded_error(GM_ERROR_SHAPE, "(in conv1)");
}

int main(void) {
    if (!recorded_open("tests/zoo/data/zoo.txt")) return check_done();
    RUN(residual_nets);
    RUN(transformers);
    RUN(sequences);
    RUN(sizes);
    RUN(every_name);
    RUN(same_bits);
    RUN(errors);
    recorded_close();
    return check_done();
}
