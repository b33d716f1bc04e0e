/* test_transformer.c: attention and transformer layers against PyTorch's; masks; dropout; errors. */
#include "recorded_nn.h"

static void attention_case(const char *name, gm_module *m, gm_pack *in, double tolerance) {
    CHECK(m != NULL, "%s: %s", name, gm_error_message());
    recorded_fill(m);
    gm_pack *out = gm_apply(m, in);
    CHECK(out && gm_pack_count(out) == 1, "%s: %s", name, gm_error_message());
    gm_tensor *y = out ? gm_pack_at(out, 0) : NULL;
    recorded_check(name, y, tolerance);
    if (!y) return;
    gm_backward(gm_sum(gm_mul(y, recorded_input(99, gm_shape_of(y)))));
    recorded_check_inputs(name, in, tolerance);
    recorded_check_parameters(name, m, tolerance);
    gm_error_clear();
}

static gm_tensor *keys(void) { return gm_from_data(GM_SHAPE(2, 4), GM_BOOL, (uint8_t[]){ 1, 1, 0, 1, 1, 0, 0, 1 }); }
static gm_tensor *seen(void) {
    return gm_from_data(GM_SHAPE(3, 4), GM_BOOL, (uint8_t[]){ 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0 });
}
static gm_tensor *causal(void) {
    return gm_from_data(GM_SHAPE(4, 4), GM_BOOL, (uint8_t[]){ 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1 });
}
static gm_pack *itself(void) { return GM_PACK({ "x", recorded_variable(1, GM_SHAPE(2, 4, 6)), NULL }); }
static gm_pack *three(int64_t key_dim, int64_t value_dim) {
    return GM_PACK({ "query", recorded_variable(1, GM_SHAPE(2, 3, 6)), NULL },
                   { "key", recorded_variable(2, GM_SHAPE(2, 4, key_dim)), NULL },
                   { "value", recorded_variable(3, GM_SHAPE(2, 4, value_dim)), NULL });
}

static void attention(void) {
    GM_SCOPE(s);
    attention_case("self", gm_nn_multihead_attention(6, 2), itself(), 1e-6);
    attention_case("cross", gm_nn_multihead_attention(6, 3, .no_bias = 1), three(6, 6), 1e-6);
    attention_case("dims", gm_nn_multihead_attention(6, 1, .key_dim = 5, .value_dim = 3), three(5, 3), 1e-6);
    gm_pack *in = three(6, 6);
    gm_pack_set(in, "mask", seen());
    gm_pack_set(in, "key_mask", keys());
    attention_case("masks", gm_nn_multihead_attention(6, 2), in, 1e-6);
    in = three(6, 6);
    gm_pack_set(in, "mask", recorded_input(7, GM_SHAPE(3, 4)));
    attention_case("float_mask", gm_nn_multihead_attention(6, 2), in, 1e-6);
    attention_case("causal", gm_nn_multihead_attention(6, 2, .causal = 1), itself(), 1e-6);
}

/* The weights beside the result, which stays as it is; of nothing seen they are 0; dropped ones are those applied. */
static void weights(void) {
    GM_SCOPE(s);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "weights_heads" : "weights";
        char text[64];
        gm_module *m = gm_nn_multihead_attention(6, 2, .need_weights = 1, .per_head = i);
        gm_pack *in = three(6, 6);
        recorded_fill(m);
        gm_pack_set(in, "mask", seen());
        gm_pack_set(in, "key_mask", keys());
        gm_pack *out = gm_apply(m, in);
        gm_tensor *y = gm_get(out, "y"), *w = gm_get(out, "weights");
        snprintf(text, sizeof text, "%s.y1", name);
        recorded_check(name, y, 1e-6);
        recorded_check(text, w, 1e-6);
        gm_module *plain = gm_nn_multihead_attention(6, 2);
        recorded_fill(plain);
        CHECK(gm_item(gm_all(gm_eq(gm_get(gm_apply(plain, in), "y"), y))) == 1, "%s", gm_error_message());
        gm_backward(gm_add(gm_sum(gm_mul(y, recorded_input(99, gm_shape_of(y)))),
                           gm_sum(gm_mul(w, recorded_input(100, gm_shape_of(w))))));
        recorded_check_inputs(name, in, 1e-6);
        recorded_check_parameters(name, m, 1e-6);
    }
    gm_module *m = gm_nn_multihead_attention(6, 2, .need_weights = 1, .dropout = 0.5);
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 4, 6)), *none = gm_zeros(GM_SHAPE(2, 4), GM_BOOL);
    for (int training = 0; training < 2; training++) {
        gm_set_training(m, training);
        gm_pack *out = gm_apply(m, GM_PACK({ "x", x, NULL }, { "key_mask", none, NULL }));
        CHECK(out && gm_item(gm_max(gm_abs(gm_get(out, "weights")))) == 0, "%s", gm_error_message());
        CHECK(out && gm_item(gm_max(gm_abs(gm_get(out, "y")))) == 0, "%s", gm_error_message());
    }
    gm_tensor *drops = gm_get(gm_apply(m, GM_PACK({ "x", x, NULL })), "weights");
    CHECK(gm_item(gm_min(drops)) == 0, "of 32 weights, none was dropped by both heads");
    CHECK(gm_forward(m, x) && gm_ok(), "%s", gm_error_message());
}

/* A float mask with a key mask is the bool masks; a query that sees nothing gives the bias, which is zero when new. */
static void masks_together(void) {
    GM_SCOPE(s);
    gm_module *m = gm_nn_multihead_attention(6, 2);
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 4, 6)),
              *added = gm_where(causal(), gm_zeros(GM_SCALAR, GM_F32), gm_full(GM_SCALAR, -INFINITY, GM_F32));
    gm_pack *a = gm_apply(m, GM_PACK({ "x", x, NULL }, { "mask", causal(), NULL }, { "key_mask", keys(), NULL }));
    gm_pack *b = gm_apply(m, GM_PACK({ "x", x, NULL }, { "mask", added, NULL }, { "key_mask", keys(), NULL }));
    CHECK(gm_ok() && gm_item(gm_all(gm_eq(gm_pack_at(a, 0), gm_pack_at(b, 0)))) == 1, "%s", gm_error_message());
    gm_tensor *none = gm_zeros(GM_SHAPE(2, 4), GM_BOOL);
    a = gm_apply(m, GM_PACK({ "x", x, NULL }, { "key_mask", none, NULL }));
    CHECK(a && gm_item(gm_max(gm_abs(gm_pack_at(a, 0)))) == 0, "%s", gm_error_message());
}

static void layers(void) {
    GM_SCOPE(s);
    gm_real off = GM_REAL(0);
    attention_case("encoder_layer", gm_nn_transformer_encoder_layer(6, 2, .feedforward = 10, .dropout = off), itself(),
                   2e-6);
    gm_pack *in = itself();
    gm_pack_set(in, "key_mask", keys());
    attention_case("encoder_layer_first",
                   gm_nn_transformer_encoder_layer(6, 3, .feedforward = 7, .gelu = 1, .norm_first = 1, .no_bias = 1,
                                                   .eps = GM_REAL(1e-3), .dropout = off),
                   in, 2e-6);
    gm_tensor *x = recorded_variable(1, GM_SHAPE(2, 3, 6)), *memory = recorded_variable(2, GM_SHAPE(2, 4, 6));
    in = GM_PACK({ "x", x, NULL }, { "memory", memory, NULL });
    attention_case("decoder_layer", gm_nn_transformer_decoder_layer(6, 2, .feedforward = 10, .dropout = off), in, 2e-6);
    x = recorded_variable(1, GM_SHAPE(2, 4, 6)), memory = recorded_variable(2, GM_SHAPE(2, 4, 6));
    in = GM_PACK({ "x", x, NULL }, { "memory", memory, NULL }, { "memory_key_mask", keys(), NULL });
    attention_case(
        "decoder_layer_masks",
        gm_nn_transformer_decoder_layer(6, 2, .feedforward = 7, .norm_first = 1, .causal = 1, .dropout = off), in,
        2e-6);
}

static void stacks(void) {
    GM_SCOPE(s);
    gm_real off = GM_REAL(0);
    gm_module *encoder =
        gm_nn_transformer_encoder(2, 6, 2, .feedforward = 5, .causal = 1, .final_norm = 1, .dropout = off);
    attention_case("encoder", encoder, itself(), 1e-5);
    gm_pack *all = itself();
    gm_tensor *y = gm_forward(encoder, gm_pack_at(all, 0));
    CHECK(gm_item(gm_all(gm_eq(y, gm_pack_at(gm_apply(encoder, all), 0)))) == 1);
    gm_tensor *x = recorded_variable(1, GM_SHAPE(2, 3, 6)), *memory = recorded_variable(2, GM_SHAPE(2, 4, 6));
    gm_pack *in = GM_PACK({ "x", x, NULL }, { "memory", memory, NULL }, { "memory_key_mask", keys(), NULL });
    attention_case("decoder", gm_nn_transformer_decoder(2, 6, 2, .feedforward = 5, .dropout = off), in, 1e-5);
}

/* With dropout the mean over many draws is the plain result. */
static void dropped(void) {
    GM_SCOPE(s);
    gm_module *m = gm_nn_multihead_attention(6, 2, .dropout = 0.3, .causal = 1);
    gm_tensor *x = recorded_input(1, GM_SHAPE(1, 4, 6)), *many = gm_expand(x, GM_SHAPE(4000, 4, 6));
    gm_tensor *mean = gm_mean_dim(gm_forward(m, many), 0, true);
    gm_set_training(m, false);
    gm_tensor *plain = gm_forward(m, x);
    double off = gm_item(gm_max(gm_abs(gm_sub(mean, plain)))), size = gm_item(gm_max(gm_abs(plain)));
    CHECK(off < 0.05 * size && off > 0, "%g of %g", off, size);
}

/* Lengths, as pipelines tell them of what they pad, are the masks that they stand for. */
static void padded(void) {
    GM_SCOPE(s);
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 4, 6)), *memory = recorded_input(2, GM_SHAPE(2, 3, 6));
    gm_tensor *n = gm_from_data(GM_SHAPE(2), GM_I64, (int64_t[]){ 4, 2 });
    gm_tensor *there = gm_from_data(GM_SHAPE(2, 4), GM_BOOL, (bool[]){ 1, 1, 1, 1, 1, 1, 0, 0 });
    gm_tensor *k = gm_from_data(GM_SHAPE(2), GM_I32, (int32_t[]){ 0, 1 });
    gm_tensor *keys = gm_from_data(GM_SHAPE(2, 3), GM_BOOL, (bool[]){ 0, 0, 0, 1, 0, 0 });
    gm_module *m = gm_nn_transformer_encoder(2, 6, 2, .feedforward = 5, .dropout = GM_REAL(0));
    gm_pack *a = gm_apply(m, GM_PACK({ "x", x, NULL }, { "x_length", n, NULL }, { "y", x, NULL }));
    gm_pack *b = gm_apply(m, GM_PACK({ "x", x, NULL }, { "key_mask", there, NULL }));
    CHECK(a && b && gm_item(gm_all(gm_eq(gm_get(a, "y"), gm_get(b, "y")))) == 1, "%s", gm_error_message());
    CHECK(gm_item(gm_all(gm_eq(gm_get(a, "y"), gm_forward(m, x)))) == 0);
    m = gm_nn_transformer_decoder_layer(6, 2, .feedforward = 5, .dropout = GM_REAL(0));
    gm_tensor *short_x = gm_narrow(x, 1, 0, 2);
    a = gm_apply(m, GM_PACK({ "x", short_x, NULL }, { "memory", memory, NULL }, { "memory_length", k, NULL }));
    b = gm_apply(m, GM_PACK({ "x", short_x, NULL }, { "memory", memory, NULL }, { "memory_key_mask", keys, NULL }));
    CHECK(a && b && gm_item(gm_all(gm_eq(gm_get(a, "y"), gm_get(b, "y")))) == 1, "%s", gm_error_message());
    CHECK(!gm_apply(m, GM_PACK({ "x", x, NULL }, { "memory", memory, NULL }, { "memory_length", n, NULL })));
    recorded_error(GM_ERROR_VALUE, "lengths from 2 to 4 for 3 steps");
    CHECK(!gm_apply(m, GM_PACK({ "x", x, NULL }, { "memory", memory, NULL }, { "mem_mask", n, NULL })));
    recorded_error(GM_ERROR_INDEX,
                   "there is no input \"mem_mask\"; beside the first it takes memory, mask, key_mask, x_length");
}

static void errors(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_transformer_encoder(2, 6, 2, .feedforward = 5));
    CHECK(!gm_forward(net, gm_zeros(GM_SHAPE(2, 4, 5), GM_F32)));
    CHECK(strstr(gm_error_message(), "(in 0.layers.0.self_attn)"), "%s", gm_error_message());
    recorded_error(GM_ERROR_SHAPE, "multihead_attention: query is [2, 4, 5], [B, T, 6] is wanted");
    gm_module *m = gm_nn_multihead_attention(6, 2);
    gm_tensor *x = gm_zeros(GM_SHAPE(2, 4, 6), GM_F32), *other = gm_zeros(GM_SHAPE(3, 4, 6), GM_F32);
    CHECK(!gm_apply(m, GM_PACK({ "query", x, NULL }, { "key", other, NULL })));
    recorded_error(GM_ERROR_SHAPE, "query is [2, 4, 6], key is [3, 4, 6]");
    CHECK(!gm_apply(m, GM_PACK({ "query", x, NULL }, { "key_mask", gm_zeros(GM_SHAPE(4), GM_BOOL), NULL })));
    recorded_error(GM_ERROR_SHAPE, "key_mask is bool [4], bool [2, 4] is wanted");
    CHECK(!gm_nn_multihead_attention(6, 4));
    recorded_error(GM_ERROR_VALUE, "dim 6, 4 heads");
    CHECK(!gm_nn_transformer_encoder_layer(6, 2, .dropout = GM_REAL(1)));
    recorded_error(GM_ERROR_VALUE, "nn_transformer_encoder_layer: feedforward 0, dropout 1");
    CHECK(!gm_nn_transformer_decoder(0, 6, 2));
    recorded_error(GM_ERROR_VALUE, "nn_transformer_decoder: 0 layers");
    CHECK(!gm_apply(gm_nn_transformer_decoder_layer(6, 2), GM_PACK({ "x", x, NULL })));
    recorded_error(GM_ERROR_INDEX, "no input \"memory\"");
}

int main(void) {
    if (!recorded_open("tests/nn/data/transformer.txt")) return check_done();
    RUN(attention);
    RUN(weights);
    RUN(masks_together);
    RUN(layers);
    RUN(stacks);
    RUN(dropped);
    RUN(padded);
    RUN(errors);
    recorded_close();
    return check_done();
}
