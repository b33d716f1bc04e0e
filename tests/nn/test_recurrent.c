/* test_recurrent.c: embedding and recurrent layers against PyTorch's: states, directions, lengths; long sequences. */
#include "recorded_nn.h"

typedef gm_module *(*maker)(int64_t in, int64_t hidden, const gm_nn_recurrent_args *args);
static const struct {
    const char *name;
    maker make;
} cells[] = { { "rnn", gm_nn_rnn_with }, { "lstm", gm_nn_lstm_with }, { "gru", gm_nn_gru_with } };

/* All outputs against the recording, then the gradients of a weighted sum over all of them. */
static void state_case(const char *name, gm_module *m, gm_pack *in, double tolerance) {
    char text[128];
    CHECK(m != NULL, "%s: %s", name, gm_error_message());
    recorded_fill(m);
    gm_pack *out = gm_apply(m, in);
    CHECK(out != NULL, "%s: %s", name, gm_error_message());
    gm_tensor *sum = NULL;
    for (int64_t i = 0; i < gm_pack_count(out); i++) {
        gm_tensor *y = gm_pack_at(out, i);
        snprintf(text, sizeof text, i ? "%s.y%d" : "%s", name, (int)i);
        recorded_check(text, y, tolerance);
        gm_tensor *part = gm_sum(gm_mul(y, recorded_input(99 + (int)i, gm_shape_of(y))));
        sum = sum ? gm_add(sum, part) : part;
    }
    gm_backward(sum);
    recorded_check_inputs(name, in, tolerance);
    recorded_check_parameters(name, m, tolerance);
    gm_error_clear();
}

static gm_pack *one(gm_tensor *x) { return GM_PACK({ "x", x, NULL }); }

static void recorded_cells(void) {
    for (int i = 0; i < 3; i++) {
        GM_SCOPE(s);
        char name[40];
        gm_nn_recurrent_args plain = { .size = sizeof plain }, deep = plain, no_bias = plain;
        deep.layers = 2, deep.bidirectional = 1, deep.time_first = 1, no_bias.no_bias = 1;
        state_case(cells[i].name, cells[i].make(3, 4, NULL), one(recorded_variable(1, GM_SHAPE(2, 5, 3))), 1e-6);
        snprintf(name, sizeof name, "%s_deep", cells[i].name);
        state_case(name, cells[i].make(3, 4, &deep), one(recorded_variable(1, GM_SHAPE(5, 2, 3))), 1e-6);
        snprintf(name, sizeof name, "%s_plain", cells[i].name);
        state_case(name, cells[i].make(3, 2, &no_bias), one(recorded_variable(1, GM_SHAPE(1, 1, 3))), 1e-6);
        snprintf(name, sizeof name, "%s_packed", cells[i].name);
        deep.time_first = 0;
        gm_pack *in = one(recorded_variable(1, GM_SHAPE(4, 6, 3)));
        gm_pack_set(in, "lengths", gm_from_data(GM_SHAPE(4), GM_I64, (int64_t[]){ 4, 6, 1, 5 }));
        state_case(name, cells[i].make(3, 4, &deep), in, 1e-6);
        snprintf(name, sizeof name, "%s_state", cells[i].name);
        in = one(recorded_variable(1, GM_SHAPE(2, 3, 3)));
        gm_pack_set(in, "h", recorded_variable(2, GM_SHAPE(1, 2, 4)));
        if (i == 1) gm_pack_set(in, "c", recorded_variable(3, GM_SHAPE(1, 2, 4)));
        state_case(name, cells[i].make(3, 4, &plain), in, 1e-6);
    }
    GM_SCOPE(s);
    state_case("rnn_relu", gm_nn_rnn(3, 4, .relu = 1), one(recorded_variable(1, GM_SHAPE(2, 5, 3))), 1e-6);
}

static void bags(void) {
    GM_SCOPE(s);
    const int64_t ids[] = { 1, 6, 1, 0, 2, 1 };
    gm_tensor *x = gm_from_data(GM_SHAPE(2, 3), GM_I64, ids), *flat = gm_from_data(GM_SHAPE(6), GM_I64, ids);
    state_case("bag_mean", gm_nn_embedding_bag(7, 3, .padding_idx = GM_INT(2)), one(x), 1e-6);
    state_case("bag_max", gm_nn_embedding_bag(7, 3, .mode = GM_BAG_MAX), one(x), 1e-6);
    gm_pack *in = one(flat);
    gm_pack_set(in, "offsets", gm_from_data(GM_SHAPE(4), GM_I64, (int64_t[]){ 0, 2, 2, 5 }));
    gm_pack_set(in, "weights", recorded_input(5, GM_SHAPE(6)));
    state_case("bag_sum", gm_nn_embedding_bag(7, 3, .mode = GM_BAG_SUM), in, 1e-6);
    gm_module *m = gm_nn_embedding_bag(7, 3, .padding_idx = GM_INT(-1));
    CHECK(gm_item(gm_sum(gm_abs(gm_select(gm_get(gm_parameters(m), "weight"), 0, 6)))) == 0);
    CHECK(!gm_nn_embedding_bag(7, 3, .mode = 3));
    recorded_error(GM_ERROR_VALUE, "nn_embedding_bag: 3 is no mode");
    CHECK(!gm_nn_embedding_bag(0, 3));
    recorded_error(GM_ERROR_VALUE, "nn_embedding_bag: 0 rows of 3");
}

static void embeddings(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_from_data(GM_SHAPE(2, 3), GM_I64, (int64_t[]){ 1, 6, 1, 0, 2, 1 });
    state_case("embedding", gm_nn_embedding(7, 3), one(x), 1e-6);
    gm_module *m = gm_nn_embedding(7, 3, .padding_idx = GM_INT(-1)), *net = gm_sequential(m);
    gm_tensor *y = gm_forward(net, x), *w = gm_get(gm_parameters(net), "0.weight");
    CHECK(gm_item(gm_max(gm_abs(gm_select(w, 0, 6)))) == 0 && gm_item(gm_max(gm_abs(gm_select(w, 0, 5)))) > 0);
    gm_backward(gm_sum(y));
    gm_tensor *g = gm_gradient_of(w);
    CHECK(gm_item(gm_max(gm_select(g, 0, 6))) == 0 && gm_item(gm_min(gm_select(g, 0, 1))) == 3);
}

/* A sequence in a batch with longer ones gives the bits that it gives alone. */
static void lengths_alone(void) {
    GM_SCOPE(s);
    gm_module *m = gm_nn_lstm(3, 5, .layers = 2, .bidirectional = 1);
    gm_tensor *x = recorded_input(1, GM_SHAPE(3, 7, 3)),
              *lengths = gm_from_data(GM_SHAPE(3), GM_I32, (int32_t[]){ 7, 3, 5 });
    gm_pack *all = gm_apply(m, GM_PACK({ "x", x, NULL }, { "lengths", lengths, NULL }));
    for (int i = 0; i < 3; i++) {
        int64_t n = (int64_t[]){ 7, 3, 5 }[i];
        gm_pack *single = gm_apply(m, one(gm_narrow(gm_narrow(x, 0, i, 1), 1, 0, n)));
        gm_tensor *y = gm_narrow(gm_narrow(gm_get(all, "y"), 0, i, 1), 1, 0, n);
        CHECK(gm_item(gm_all(gm_eq(y, gm_get(single, "y")))) == 1, "sequence %d", i);
        CHECK(gm_item(gm_all(gm_eq(gm_narrow(gm_get(all, "c"), 1, i, 1), gm_get(single, "c")))) == 1, "sequence %d", i);
    }
    CHECK(gm_item(gm_max(gm_abs(gm_narrow(gm_narrow(gm_get(all, "y"), 0, 1, 1), 1, 3, 4)))) == 0);
}

/* A batch as a pipeline pads it goes into a layer as it is: the lengths count, the target is not looked at. */
static gm_pack *ragged_get(void *env, int64_t i) {
    gm_tensor *x = recorded_input((int)i + 1, GM_SHAPE(3 + 2 * i, 3)), *y = recorded_input(9, GM_SHAPE(1 + i));
    return (void)env, GM_PACK({ "x", x, NULL }, { "y", y, NULL });
}
static int64_t ragged_count(void *env) { return (void)env, 3; }

static void padded(void) {
    GM_SCOPE(s);
    gm_module *m = gm_nn_lstm(3, 5, .bidirectional = 1);
    gm_dataset *d = gm_dataset_custom(ragged_count, ragged_get, NULL, NULL);
    gm_pack *batch = gm_dataset_get(gm_dataset_batch(d, 3, .pad = GM_REAL(7)), 0, 0), *got = gm_apply(m, batch);
    CHECK(got && gm_takes(m, "x_length") && !gm_takes(m, "y") && !gm_takes(m, NULL), "%s", gm_error_message());
    gm_tensor *x = gm_get(batch, "x"), *lengths = gm_get(batch, "x_length");
    gm_pack *named = gm_apply(m, GM_PACK({ "x", x, NULL }, { "lengths", lengths, NULL }));
    for (int i = 0; i < 3; i++)
        CHECK(gm_item(gm_all(gm_eq(gm_pack_at(got, i), gm_pack_at(named, i)))) == 1 && gm_ok(), "%s",
              gm_error_message());
    CHECK(gm_item(gm_max(gm_abs(gm_narrow(gm_narrow(gm_get(got, "y"), 0, 0, 1), 1, 3, 4)))) == 0);
    CHECK(!gm_apply(m, GM_PACK({ "x", x, NULL }, { "lengths", lengths, NULL }, { "x_length", lengths, NULL })));
    recorded_error(GM_ERROR_VALUE, "both lengths and x_length are given");
    CHECK(!gm_apply(m, GM_PACK({ "x", x, NULL }, { "length", lengths, NULL })));
    recorded_error(GM_ERROR_INDEX,
                   "nn_lstm: there is no input \"length\"; beside the first it takes c, h, lengths, x_length");
    gm_tensor *ids = gm_zeros(GM_SHAPE(2, 3), GM_I64);
    CHECK(!gm_apply(gm_nn_embedding_bag(3, 2), GM_PACK({ "x", ids, NULL }, { "factors", ids, NULL })));
    recorded_error(GM_ERROR_INDEX,
                   "nn_embedding_bag: there is no input \"factors\"; beside the first it takes offsets");
}

/* Longer than one operation's list of inputs: the same as in two halves, state handed on; forward takes the first
 * result. */
static void long_sequence(void) {
    GM_SCOPE(s);
    gm_module *m = gm_nn_gru(2, 3);
    gm_tensor *x = recorded_variable(1, GM_SHAPE(2, 200, 2)), *y = gm_forward(m, x);
    gm_pack *a = gm_apply(m, one(gm_narrow(x, 1, 0, 90)));
    gm_pack *b = gm_apply(m, GM_PACK({ "x", gm_narrow(x, 1, 90, 110), NULL }, { "h", gm_get(a, "h"), NULL }));
    gm_tensor *joined = gm_concat((gm_tensor *[]){ gm_get(a, "y"), gm_get(b, "y") }, 2, 1);
    CHECK(y && gm_item(gm_all(gm_eq(y, joined))) == 1, "%s", gm_error_message());
    gm_backward(gm_sum(gm_square(y)));
    gm_tensor *g = gm_copy(gm_gradient_of(x));
    gm_clear_gradient(x);
    gm_backward(gm_sum(gm_square(joined)));
    gm_tensor *off = gm_max(gm_abs(gm_sub(g, gm_gradient_of(x))));
    CHECK(gm_item(off) < 1e-6, "%g", gm_item(off));
}

static void dropout_between(void) {
    GM_SCOPE(s);
    gm_module *m = gm_nn_rnn(3, 8, .layers = 2, .dropout = 0.5);
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 5, 3)), *y = gm_forward(m, x);
    CHECK(gm_item(gm_all(gm_eq(y, gm_forward(m, x)))) == 0);
    gm_set_training(m, false);
    CHECK(gm_item(gm_all(gm_eq(gm_forward(m, x), gm_forward(m, x)))) == 1);
}

static void errors(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_identity(), gm_nn_lstm(3, 4)), *m = gm_child_at(net, 1);
    CHECK(!gm_forward(net, gm_zeros(GM_SHAPE(2, 5, 4), GM_F32)));
    CHECK(strstr(gm_error_message(), "(in 1)"), "%s", gm_error_message());
    recorded_error(GM_ERROR_SHAPE, "recurrent: input is [2, 5, 4], [B, T, 3] is wanted");
    gm_tensor *x = gm_zeros(GM_SHAPE(2, 5, 3), GM_F32);
    CHECK(!gm_apply(m, GM_PACK({ "x", x, NULL }, { "h", gm_zeros(GM_SHAPE(2, 4), GM_F32), NULL })));
    recorded_error(GM_ERROR_SHAPE, "h is [2, 4], [1, 2, 4] is wanted");
    CHECK(!gm_apply(m, GM_PACK({ "x", x, NULL }, { "lengths", gm_zeros(GM_SHAPE(2), GM_I64), NULL })));
    recorded_error(GM_ERROR_VALUE, "lengths from 0 to 0 for 5 steps");
    CHECK(!gm_apply(m, GM_PACK({ "x", x, NULL }, { "lengths", gm_ones(GM_SHAPE(3), GM_I64), NULL })));
    recorded_error(GM_ERROR_SHAPE, "lengths are i64 [3], integers [2] are wanted");
    CHECK(!gm_apply(gm_nn_gru(3, 4), GM_PACK({ "x", x, NULL }, { "c", gm_zeros(GM_SHAPE(1, 2, 4), GM_F32), NULL })));
    recorded_error(GM_ERROR_INDEX, "nn_gru: there is no input \"c\"; beside the first it takes h, lengths, x_length");
    CHECK(!gm_nn_gru(3, 4, .relu = 1));
    recorded_error(GM_ERROR_VALUE, "nn_gru: relu is for nn_rnn only");
    CHECK(!gm_nn_lstm(0, 4));
    recorded_error(GM_ERROR_VALUE, "nn_lstm: 0 inputs");
    CHECK(!gm_nn_embedding(3, 2, .padding_idx = GM_INT(3)));
    recorded_error(GM_ERROR_VALUE, "padding_idx 3 in a table of 3 rows");
    net = gm_sequential(gm_nn_embedding(3, 2));
    CHECK(!gm_forward(net, gm_full(GM_SHAPE(2), 3, GM_I64)));
    recorded_error(GM_ERROR_INDEX, "(in 0)");
    CHECK(!gm_recurrent(x, gm_zeros(GM_SHAPE(2, 3), GM_F32), gm_zeros(GM_SHAPE(3, 3), GM_F32), GM_CELL_GRU));
    recorded_error(GM_ERROR_SHAPE, "floats [T, N, 3 H] and [3 H, H] are wanted");
    CHECK(!gm_recurrent(x, gm_zeros(GM_SHAPE(5, 2), GM_F32), gm_zeros(GM_SHAPE(3, 3), GM_F32), GM_CELL_TANH));
    recorded_error(GM_ERROR_SHAPE, "h0 is [5, 2], [5, 3] is wanted");
}

int main(void) {
    if (!recorded_open("tests/nn/data/recurrent.txt")) return check_done();
    RUN(recorded_cells);
    RUN(embeddings);
    RUN(bags);
    RUN(lengths_alone);
    RUN(padded);
    RUN(long_sequence);
    RUN(dropout_between);
    RUN(errors);
    recorded_close();
    return check_done();
}
