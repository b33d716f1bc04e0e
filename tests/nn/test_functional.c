/* test_functional.c: nets made of symbolic values: the same values as the layers by hand, names, shared layers, several
 * inputs and outputs, unknown sizes, training, files, errors while the net is built. */
#include "recorded_nn.h"

#include "base/object.h"
#include <gemel/gemel.h>
#include <unistd.h>

static bool same(gm_tensor *a, gm_tensor *b) {
    return a && b && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) && gm_item(gm_all(gm_eq(a, b))) == 1;
}

static gm_tensor *numbers(int seed, gm_shape s) { return recorded_input(seed, s); }

/* Sizes that only look like the ones that stand for an unknown size. */
static void lookalikes(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_input(GM_SHAPE(1));
    gm_module *m = gm_model(x, gm_expand(x, GM_SHAPE(-1, 65521)));
    gm_tensor *y = gm_forward(m, numbers(1, GM_SHAPE(2, 1)));
    CHECK(y && gm_shape_equal(gm_shape_of(y), GM_SHAPE(2, 65521)), "%s", gm_error_message());
}

/* A chain is what gm_sequential makes of the same layers, but for the names. */
static void chain(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_input(GM_SHAPE(6)), *h = gm_forward(gm_nn_linear(6, 5), x);
    h = gm_forward(gm_nn_relu(), h);
    gm_tensor *y = gm_forward(gm_nn_linear(5, 3), h);
    char text[64];
    gm_text(y, text, sizeof text);
    CHECK(!strcmp(text, "symbolic f32 [B, 3]"), "%s", text);
    CHECK(gm_is_symbolic(y) && !strcmp(gm_shape_text(gm_shape_of(y), text, sizeof text), "[B, 3]"), "%s", text);
    gm_module *net = gm_model(x, y), *plain = gm_sequential(gm_nn_linear(6, 5), gm_nn_relu(), gm_nn_linear(5, 3));
    gm_pack *p = gm_state_dict(net);
    const char *want[] = { "linear.weight", "linear.bias", "linear_1.weight", "linear_1.bias" };
    CHECK(gm_pack_count(p) == 4, "%s", gm_error_message());
    for (int i = 0; i < 4; i++) {
        CHECK(!strcmp(gm_pack_name(p, i), want[i]), "%s", gm_pack_name(p, i));
        gm_assign(gm_pack_at(gm_state_dict(plain), i), gm_pack_at(p, i));
    }
    for (int64_t n = 1; n < 9; n += 3) {
        gm_tensor *in = numbers(1, GM_SHAPE(n, 6));
        CHECK(same(gm_forward(net, in), gm_forward(plain, in)), "%s", gm_error_message());
        CHECK(same(gm_pack_at(gm_apply(net, GM_PACK({ "x", in, NULL })), 0), gm_forward(plain, in)));
    }
    gm_tensor *w = gm_get(p, "linear_1.weight"), *v = gm_get(gm_state_dict(plain), "2.weight");
    gm_backward(gm_sum(gm_forward(net, numbers(2, GM_SHAPE(4, 6)))));
    gm_backward(gm_sum(gm_forward(plain, numbers(2, GM_SHAPE(4, 6)))));
    CHECK(same(gm_gradient_of(w), gm_gradient_of(v)));
}

/* Operations between the layers: sums, concatenation, and shapes that hold the batch. */
static gm_tensor *mixture(gm_module *a, gm_module *b, gm_tensor *x, gm_tensor *scale) {
    gm_tensor *h = gm_relu(gm_add(gm_forward(a, x), gm_mul_scalar(x, 0.5))); /* [B, 4, 6] */
    int64_t batch = gm_size(h, 0);
    gm_tensor *wide = gm_concat((gm_tensor *[]){ h, gm_mul(h, scale) }, 2, 1); /* [B, 8, 6] */
    gm_tensor *rows = gm_reshape(gm_transpose(wide, 1, 2), GM_SHAPE(batch * 6, 8));
    gm_tensor *back = gm_reshape(gm_forward(b, rows), GM_SHAPE(batch, 6, 3));
    gm_tensor *zeros = gm_zeros(GM_SHAPE(batch, 1, 3), GM_F32);
    gm_tensor *part = gm_concat((gm_tensor *[]){ zeros, gm_narrow(back, 1, 1, 4) }, 2, 1);
    gm_tensor *first = gm_narrow(gm_reshape(x, GM_SHAPE(-1, 24)), 1, 0, 1);
    return gm_sub(gm_mean_dim(part, 1, false), gm_expand(first, GM_SHAPE(batch, 3)));
}

static void operations(void) {
    GM_SCOPE(s);
    gm_module *a = gm_nn_linear(6, 6), *b = gm_nn_linear(8, 3);
    gm_tensor *scale = recorded_variable(5, GM_SHAPE(6)), *x = gm_input(GM_SHAPE(4, 6));
    gm_module *net = gm_model(x, mixture(a, b, x, scale));
    CHECK(net && gm_n_children(net) == 2, "%s", gm_error_message());
    CHECK(gm_get(gm_parameters(net), "variable") == scale && gm_pack_count(gm_state_dict(net)) == 5);
    for (int64_t n = 1; n < 8; n += 2) {
        gm_tensor *in = numbers(3, GM_SHAPE(n, 4, 6)), *y = gm_forward(net, in);
        CHECK(same(y, mixture(a, b, in, scale)), "%s", gm_error_message());
        gm_clear_gradient(scale);
        gm_backward(gm_sum(gm_square(y)));
        gm_tensor *g = gm_gradient_of(scale);
        CHECK(same(g, gm_get(gm_gradients(gm_sum(gm_square(mixture(a, b, in, scale))), GM_PACK({ "s", scale, NULL })),
                             "s")));
    }
}

/* Two inputs, two outputs, one layer for both inputs. */
static gm_module *towers(gm_module *shared, gm_pack *out) {
    gm_tensor *u = gm_input(GM_SHAPE(5)), *v = gm_input(GM_SHAPE(5));
    gm_tensor *a = gm_forward(shared, u), *b = gm_forward(shared, v);
    gm_pack_set(out, "near", gm_sum_dim(gm_mul(a, b), 1, false));
    gm_pack_set(out, "far", gm_forward(gm_named("head", gm_nn_linear(4, 2)), gm_sub(a, b)));
    return gm_model_of(GM_PACK({ "u", u, NULL }, { "v", v, NULL }), out);
}

static void ports(void) {
    GM_SCOPE(s);
    gm_module *shared = gm_nn_linear(5, 4), *net = towers(shared, gm_pack_new());
    CHECK(net && gm_pack_count(gm_parameters(net)) == 4, "%s", gm_error_message());
    CHECK(gm_pack_has(gm_state_dict(net), "head.weight") && gm_pack_has(gm_state_dict(net), "linear.weight"));
    gm_tensor *u = numbers(1, GM_SHAPE(3, 5)), *v = numbers(2, GM_SHAPE(3, 5));
    gm_tensor *a = gm_forward(shared, u), *b = gm_forward(shared, v), *near = gm_sum_dim(gm_mul(a, b), 1, false);
    gm_pack *out = gm_apply(net, GM_PACK({ "v", v, NULL }, { "else", a, NULL }, { "u", u, NULL }));
    CHECK(same(gm_get(out, "near"), near) && gm_shape_equal(gm_shape_of(gm_get(out, "far")), GM_SHAPE(3, 2)), "%s",
          gm_error_message());
    out = gm_apply(net, GM_PACK({ NULL, u, NULL }, { NULL, v, NULL }));
    CHECK(same(gm_get(out, "near"), near));
    gm_backward(gm_sum(gm_get(out, "near")));
    gm_tensor *w = gm_get(gm_parameters(net), "linear.weight"), *both = gm_gradient_of(w);
    gm_tensor *g = gm_get(gm_gradients(gm_sum(near), GM_PACK({ "w", w, NULL })), "w");
    CHECK(same(both, g), "%s", gm_error_message());

    CHECK(!gm_apply(net, GM_PACK({ "u", u, NULL })));
    recorded_error(GM_ERROR_VALUE, "model: 1 inputs; 2 are wanted: u, v");
    CHECK(!gm_forward(net, u));
    recorded_error(GM_ERROR_VALUE, "2 are wanted");
    CHECK(!gm_apply(net, GM_PACK({ "u", u, NULL }, { "v", numbers(1, GM_SHAPE(4, 5)), NULL })));
    recorded_error(GM_ERROR_SHAPE, "model: input \"v\" is [4, 5], [B, 5] is wanted");
    CHECK(!gm_apply(net, GM_PACK({ "u", u, NULL }, { "v", gm_zeros(GM_SHAPE(3, 5), GM_I64), NULL })));
    recorded_error(GM_ERROR_DTYPE, "model: input \"v\" is i64, f32 is wanted");
}

/* Sequences of any length: indices, lengths, states, attention; layers with several results. */
static void sequences(void) {
    GM_SCOPE(s);
    gm_tensor *ids = gm_input(GM_SHAPE(-1), .dtype = GM_I64), *lengths = gm_input(GM_SCALAR, .dtype = GM_I64);
    gm_module *table = gm_nn_embedding(9, 4), *lstm = gm_nn_lstm(4, 6, .bidirectional = 1, .layers = 2);
    gm_module *encoder = gm_nn_transformer_encoder(1, 12, 3, .feedforward = 8, .causal = 1);
    gm_pack *r =
        gm_apply(lstm, GM_PACK({ "x", gm_forward(table, ids), NULL }, { "lengths", lengths, NULL }));
    char text[64];
    gm_shape_text(gm_shape_of(gm_get(r, "y")), text, sizeof text);
    CHECK(!strcmp(text, "[B, ?, 12]"), "%s %s", text, gm_error_message());
    gm_tensor *y = gm_forward(encoder, gm_get(r, "y"));
    gm_module *net = gm_model_of(GM_PACK({ "ids", ids, NULL }, { "lengths", lengths, NULL }),
                                 GM_PACK({ "y", gm_mean_dim(y, 1, false), NULL }, { "c", gm_get(r, "c"), NULL }));
    CHECK(net != NULL, "%s", gm_error_message());
    gm_set_training(net, false);
    for (int64_t t = 2; t < 6; t++) {
        gm_tensor *in = gm_randint(GM_SHAPE(3, t), 0, 9, GM_I64);
        gm_tensor *n = gm_from_data(GM_SHAPE(3), GM_I64, (int64_t[]){ 1, t, t - 1 });
        gm_pack *got = gm_apply(net, GM_PACK({ "ids", in, NULL }, { "lengths", n, NULL }));
        gm_pack *hand = gm_apply(lstm, GM_PACK({ "x", gm_forward(table, in), NULL }, { "lengths", n, NULL }));
        CHECK(got && same(gm_get(got, "c"), gm_get(hand, "c")), "%s", gm_error_message());
        CHECK(same(gm_get(got, "y"), gm_mean_dim(gm_forward(encoder, gm_get(hand, "y")), 1, false)));
    }
}

/* Building changes nothing in the layers; the net runs them in its mode. */
static void modes(void) {
    GM_SCOPE(s);
    uint64_t seed, before, after;
    gm_random_state(&seed, &before);
    gm_module *norm = gm_nn_batch_norm2d(3), *drop = gm_nn_dropout(0.5);
    gm_tensor *x = gm_input(GM_SHAPE(3, 4, 4)), *y = gm_forward(drop, gm_forward(norm, x));
    gm_random_state(&seed, &after);
    CHECK(before == after);
    gm_module *net = gm_model(x, gm_add(y, gm_dropout(x, 0.5)));
    CHECK(gm_item(gm_get(gm_state_dict(net), "batch_norm2d.num_batches_tracked")) == 0, "%s", gm_error_message());
    gm_tensor *in = gm_add_scalar(numbers(1, GM_SHAPE(5, 3, 4, 4)), 3), *a = gm_forward(net, in);
    CHECK(gm_item(gm_get(gm_state_dict(net), "batch_norm2d.num_batches_tracked")) == 1);
    CHECK(a && !same(a, gm_forward(net, in)));
    gm_set_training(net, false);
    gm_forward(net, in);
    CHECK(gm_item(gm_get(gm_state_dict(net), "batch_norm2d.num_batches_tracked")) == 2);
}

typedef struct { int nothing; } straight; /* x rounded, with the gradient of x */
static gm_tensor *straight_forward(gm_module *m, gm_tensor *x) {
    return (void)m, gm_add(x, gm_detach(gm_sub(gm_round(x), x)));
}

static void detached(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_input(GM_SHAPE(3)), *h = gm_forward(gm_module_new(straight), x);
    gm_module *net = gm_model(x, gm_mul(h, gm_detach(h)));
    gm_tensor *in = recorded_variable(1, GM_SHAPE(2, 3)), *y = gm_forward(net, in), *r = gm_round(in);
    CHECK(y && gm_item(gm_max(gm_abs(gm_sub(y, gm_square(r))))) < 1e-6, "%s", gm_error_message());
    gm_backward(gm_sum(y));
    CHECK(gm_item(gm_max(gm_abs(gm_sub(gm_gradient_of(in), r)))) < 1e-6, "%s", gm_error_message());
}

/* A net as a layer; a net from a value in the middle; what an outer module holds. */
static void nested(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_input(GM_SHAPE(4)), *h = gm_forward(gm_nn_linear(4, 4), x);
    gm_module *block = gm_model(x, gm_add(x, gm_tanh(h)));
    gm_tensor *z = gm_input(GM_SHAPE(4)), *mid = gm_forward(block, z);
    gm_module *last = gm_nn_linear(4, 2), *net = gm_model(z, gm_forward(last, gm_forward(block, mid)));
    CHECK(net && gm_pack_count(gm_parameters(net)) == 4, "%s", gm_error_message());
    CHECK(gm_pack_has(gm_state_dict(net), "model.linear.weight") && gm_pack_has(gm_state_dict(net), "linear.bias"));
    gm_tensor *in = numbers(4, GM_SHAPE(2, 4));
    CHECK(same(gm_forward(net, in), gm_forward(last, gm_forward(block, gm_forward(block, in)))));
    gm_module *tail = gm_model(mid, gm_relu(mid));
    CHECK(same(gm_forward(tail, in), gm_relu(in)), "%s", gm_error_message());
    gm_module *outer = gm_sequential(net, gm_nn_relu());
    CHECK(same(gm_forward(outer, in), gm_relu(gm_forward(net, in))));
}

/* Without a batch; a net whose shapes hold the batch, inside another one. */
static void sizes(void) {
    GM_SCOPE(s);
    gm_tensor *a = gm_input(GM_SHAPE(2, 6), .no_batch = 1), *x = gm_input(GM_SHAPE(2, 6));
    gm_module *plain = gm_model(a, gm_reshape(a, GM_SHAPE(3, 4)));
    CHECK(gm_shape_equal(gm_shape_of(gm_forward(plain, numbers(1, GM_SHAPE(2, 6)))), GM_SHAPE(3, 4)));
    CHECK(!gm_forward(plain, numbers(1, GM_SHAPE(3, 6))));
    recorded_error(GM_ERROR_SHAPE, "model: input \"x\" is [3, 6], [2, 6] is wanted");
    gm_tensor *given = numbers(1, GM_SHAPE(4, 2, 6));
    CHECK(gm_forward(gm_model(x, x), given) == given, "%s", gm_error_message());
    gm_module *inner = gm_model(x, gm_reshape(x, GM_SHAPE(2 * gm_size(x, 0), 6)));
    gm_tensor *z = gm_input(GM_SHAPE(2, 6)), *rows = gm_forward(inner, z);
    gm_module *outer = gm_model(z, gm_reshape(gm_forward(gm_nn_linear(6, 3), rows), GM_SHAPE(gm_size(z, 0), 6)));
    gm_tensor *y = gm_forward(outer, numbers(1, GM_SHAPE(5, 2, 6)));
    CHECK(y && gm_shape_equal(gm_shape_of(y), GM_SHAPE(5, 6)), "%s", gm_error_message());
    gm_tensor *u = gm_input(GM_SHAPE(-1)), *v = gm_input(GM_SHAPE(-1));
    gm_pack *in = GM_PACK({ "u", u, NULL }, { "v", v, NULL });
    gm_tensor *both = gm_concat((gm_tensor *[]){ u, v }, 2, 1);
    gm_module *wide = gm_model_of(in, GM_PACK({ "y", gm_reshape(both, GM_SHAPE(gm_size(both, 1), -1)), NULL }));
    gm_pack *same_size = GM_PACK({ "u", numbers(1, GM_SHAPE(2, 3)), NULL }, { "v", numbers(2, GM_SHAPE(2, 3)), NULL });
    CHECK(gm_shape_equal(gm_shape_of(gm_pack_at(gm_apply(wide, same_size), 0)), GM_SHAPE(6, 2)), "%s",
          gm_error_message());
    gm_pack *other = GM_PACK({ "u", numbers(1, GM_SHAPE(2, 3)), NULL }, { "v", numbers(2, GM_SHAPE(2, 4)), NULL });
    CHECK(!gm_apply(wide, other));
    recorded_error(GM_ERROR_SHAPE, "inputs differ in a size that is not fixed, and a shape depends on it");
}

static void summary(void) {
    GM_SCOPE(s);
    static char text[2048];
    gm_tensor *x = gm_input(GM_SHAPE(1, 8, 8));
    gm_tensor *h = gm_forward(gm_named("stem", gm_nn_conv2d(1, 4, .kernel = 3)), x);
    h = gm_forward(gm_sequential(gm_nn_relu(), gm_nn_conv2d(4, 4, .kernel = 3)), h);
    gm_module *net = gm_model(x, gm_forward(gm_nn_linear(64, 5), gm_flatten_dims(h, 1, -1)));
    CHECK(gm_summary_text(net, GM_SHAPE(2, 1, 8, 8), NULL, text, sizeof text), "%s", gm_error_message());
    const char *lines[] = { "model\n", "stem          nn_conv2d  [2, 4, 6, 6]          40\n",
                            "sequential.1  nn_conv2d  [2, 4, 4, 4]         148\n",
                            "linear        nn_linear  [2, 5]               325\n", "parameters: 513;" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) CHECK(strstr(text, lines[i]), "%s%s", lines[i], text);
}

/* fit, evaluate and predict give a net of several inputs the whole batch: are u and v on the same side of 0? */
static void training_of_packs(void) {
    GM_SCOPE(s);
    gm_tensor *u = gm_input(GM_SHAPE(3)), *v = gm_input(GM_SHAPE(3));
    gm_tensor *h = gm_concat((gm_tensor *[]){ u, v }, 2, 1);
    h = gm_tanh(gm_forward(gm_nn_linear(6, 24), h));
    h = gm_tanh(gm_forward(gm_nn_linear(24, 24), h));
    gm_module *net = gm_model_of(GM_PACK({ "u", u, NULL }, { "v", v, NULL }),
                                 GM_PACK({ "logits", gm_forward(gm_nn_linear(24, 2), h), NULL }, { "h", h, NULL }));
    gm_tensor *a = numbers(1, GM_SHAPE(300, 3)), *b = numbers(2, GM_SHAPE(300, 3));
    gm_tensor *y = gm_gt_scalar(gm_mul(gm_select(a, 1, 0), gm_select(b, 1, 0)), 0);
    gm_dataset *d =
        gm_dataset_of_pack(GM_PACK({ "v", b, NULL }, { "y", gm_cast(y, GM_I64), NULL }, { "u", a, NULL }));
    CHECK(!gm_has_forward(net) && gm_has_forward(gm_nn_relu()));
    CHECK(gm_fit(net, d, .optimizer = gm_adam(net, 1e-2), .epochs = 40, .quiet = 1), "%s", gm_error_message());
    gm_metrics m = gm_evaluate(net, d);
    CHECK(m.accuracy > 0.95 && m.loss < 0.2, "%g %g", m.accuracy, m.loss);
    CHECK(gm_shape_equal(gm_shape_of(gm_predict_all(net, d, 128)), GM_SHAPE(300, 2)), "%s", gm_error_message());
}

/* y says whether x0 x1 > 0. */
static gm_dataset *crosses(void) {
    gm_tensor *x = numbers(1, GM_SHAPE(256, 2));
    gm_tensor *y = gm_gt(gm_mul(gm_select(x, 1, 0), gm_select(x, 1, 1)), gm_scalar(0, GM_F32));
    return gm_dataset_of(x, gm_cast(y, GM_I64));
}

static gm_module *learner(void) {
    gm_tensor *x = gm_input(GM_SHAPE(2)), *h = gm_tanh(gm_forward(gm_nn_linear(2, 16), x));
    h = gm_add(h, gm_tanh(gm_forward(gm_nn_linear(16, 16), h)));
    return gm_model(x, gm_forward(gm_nn_linear(16, 2), gm_forward(gm_nn_dropout(0.05), h)));
}

static void training(void) {
    GM_SCOPE(s);
    char path[64];
    snprintf(path, sizeof path, "/tmp/gemel-functional-%d.safetensors", (int)getpid());
    gm_dataset *d = crosses();
    gm_module *net = learner(), *other = learner();
    CHECK(gm_fit(net, d, .optimizer = gm_adam(net, 1e-2), .epochs = 30, .quiet = 1), "%s", gm_error_message());
    gm_metrics m = gm_evaluate(net, d);
    CHECK(m.accuracy > 0.95 && m.loss < 0.3, "%g %g", m.accuracy, m.loss);
    CHECK(gm_save_safetensors(gm_state_dict(net), NULL, path));
    CHECK(gm_load_state_dict(other, gm_load_safetensors(path)), "%s", gm_error_message());
    CHECK(gm_evaluate(other, d).loss == m.loss);
    remove(path);
}

typedef struct { int nothing; } reader;
static gm_tensor *reader_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_mul_scalar(x, gm_item(gm_sum(x))); }

/* Said where the net is written, not when it runs, with the layer's name. */
static void errors(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_input(GM_SHAPE(3, 8, 8)), *h = gm_forward(gm_nn_conv2d(3, 4, .kernel = 3), x);
    CHECK(!gm_forward(gm_nn_conv2d(3, 4, .kernel = 3), h));
    CHECK(strstr(gm_error_message(), "[B, 4, 6, 6]") && strstr(gm_error_message(), "(in conv2d_1)"), "%s",
          gm_error_message());
    recorded_error(GM_ERROR_SHAPE, "conv2d: ");
    CHECK(!gm_forward(gm_named("head", gm_nn_linear(9, 2)), h));
    CHECK(strstr(gm_error_message(), "(in head)"), "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_forward(gm_sequential(gm_nn_relu(), gm_nn_linear(9, 2)), h));
    CHECK(strstr(gm_error_message(), "(in sequential.1)"), "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_add(h, x));
    recorded_error(GM_ERROR_SHAPE, "add: ");
    CHECK(!gm_forward(gm_module_new(reader), h));
    CHECK(strstr(gm_error_message(), "(in reader)"), "%s", gm_error_message());
    recorded_error(GM_ERROR_STATE, "no value here, only a shape");
    CHECK(!gm_nonzero(h));
    recorded_error(GM_ERROR_STATE, "nonzero: its result's shape follows from values");

    gm_tensor *other = gm_input(GM_SHAPE(4, 6, 6));
    CHECK(!gm_model(x, gm_add(h, other)));
    recorded_error(GM_ERROR_VALUE, "depends on an input that is not among those given");
    CHECK(!gm_model(x, gm_ones(GM_SHAPE(2), GM_F32)));
    recorded_error(GM_ERROR_VALUE, "\"y\" of the outputs is no symbolic value");
    gm_module *held = gm_nn_relu(), *holder = gm_sequential(held);
    CHECK(!gm_model(x, gm_forward(held, h)));
    recorded_error(GM_ERROR_STATE, "the layer \"0\" (nn_relu) is part of another module");
    CHECK(!gm_named("relu", held) && holder);
    recorded_error(GM_ERROR_STATE, "named: the nn_relu is \"0\" in another module");
    CHECK(!gm_named("a.b", gm_nn_relu()));
    recorded_error(GM_ERROR_VALUE, "named: \"a.b\" is no name");
    gm_tensor *a = gm_forward(gm_named("twin", gm_nn_relu()), h), *b = gm_forward(gm_named("twin", gm_nn_tanh()), a);
    CHECK(!gm_model(x, b));
    recorded_error(GM_ERROR_VALUE, "two layers are called \"twin\"");
    CHECK(!gm_input(GM_SHAPE(3, -2)));
    recorded_error(GM_ERROR_VALUE, "input: the shape [3, -2]");
    gm_tensor *v = recorded_variable(1, GM_SHAPE(1));
    CHECK(!gm_model(other, gm_mul(other, gm_square(v))));
    recorded_error(GM_ERROR_STATE, "model: an operand [1] was computed from variables");
}

/* Values are let go, nothing is left behind, and outside of it all messages have plain numbers. */
static void memory(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_input(GM_SHAPE(1000)), *h = x;
    for (int i = 0; i < 20; i++) h = gm_relu(gm_add(h, gm_tanh(h)));
    gm_module *net = gm_model(x, h);
    GM_NO_GRAD;
    gm_tensor *in = numbers(1, GM_SHAPE(10, 1000));
    gm_forward(net, in);
    int64_t objects = gm_memory_stats().n_objects;
    gm_memory_reset_peak();
    int64_t bytes = gm_memory_stats().bytes_in_use;
    for (int i = 0; i < 3; i++) {
        GM_SCOPE(inner);
        gm_forward(net, in);
    }
    gm_memory m = gm_memory_stats();
    CHECK(m.n_objects == objects && m.bytes_in_use == bytes);
    CHECK(m.bytes_peak - bytes < 5 * 40064, "%lld bytes at once", (long long)(m.bytes_peak - bytes));
}

static bool build_and_run(void) {
    GM_SCOPE(s);
    gm_module *shared = gm_nn_linear(5, 4), *net = towers(shared, gm_pack_new());
    gm_tensor *u = gm_linspace(0, 1, 15, GM_F32), *x = gm_reshape(u, GM_SHAPE(3, 5));
    gm_pack *out = gm_apply(net, GM_PACK({ "u", x, NULL }, { "v", gm_neg(x), NULL }));
    return gm_ok() && gm_backward(gm_sum(gm_get(out, "near")));
}

/* Any allocation may fail: an error, and nothing is left. */
static void failing(void) {
    CHECK(build_and_run(), "%s", gm_error_message());
    int64_t objects = gm_memory_stats().n_objects, n = 1;
    for (bool reached = true; reached; n++) {
        gm__fail_allocation(n, false);
        bool ok = build_and_run();
        reached = gm__allocation_count() >= n;
        gm__fail_allocation(0, false);
        CHECK(ok || gm_error_code() == GM_ERROR_MEMORY, "%lld: %s", (long long)n, gm_error_message());
        gm_error_clear();
        CHECK(gm_memory_stats().n_objects <= objects, "%lld", (long long)n);
    }
    CHECK(n > 60, "%lld", (long long)n);
}

static void afterwards(void) {
    GM_SCOPE(s);
    char text[64];
    CHECK(!strcmp(gm_shape_text(GM_SHAPE(GM_SIZE_BATCH, 2), text, sizeof text), "[16777213, 2]"), "%s", text);
    gm_tensor *many = gm_zeros(GM_SHAPE(GM_SIZE_BATCH), GM_U8);
    CHECK(many && !gm_is_symbolic(many) && gm_item_i64(gm_select(many, 0, 7)) == 0);
}

int main(void) {
    RUN(lookalikes);
    RUN(chain);
    RUN(operations);
    RUN(ports);
    RUN(sequences);
    RUN(modes);
    RUN(detached);
    RUN(nested);
    RUN(sizes);
    RUN(summary);
    RUN(training);
    RUN(training_of_packs);
    RUN(errors);
    RUN(memory);
    RUN(failing);
    RUN(afterwards);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
