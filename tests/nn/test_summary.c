/* test_summary.c: the table of a net to the letter; nothing is changed by looking. */
#include "recorded_nn.h"

#include "gemel/extend.h"

static gm_module *net_new(void) {
    gm_module *block = gm_sequential(gm_nn_conv2d(1, 100, .kernel = 5), gm_nn_batch_norm2d(100), gm_nn_relu());
    return gm_sequential(block, gm_nn_max_pool2d(2), gm_nn_flatten(), gm_nn_dropout(0.5), gm_nn_linear(14400, 10));
}

static void table(void) {
    GM_SCOPE(s);
    static char text[4096];
    gm_module *net = net_new();
    gm_freeze(net, "0");
    gm_set_training(gm_child_at(net, 3), false);
    uint64_t seed, before, after;
    gm_random_state(&seed, &before);
    size_t n = gm_summary_text(net, GM_SHAPE(2, 1, 28, 28), NULL, text, sizeof text);
    gm_random_state(&seed, &after);
    const char *lines[] = {
        "sequential\n",
        "layer  class            output shape      parameters\n",
        "0.0    nn_conv2d        [2, 100, 24, 24]       2,600\n",
        "0.1    nn_batch_norm2d  [2, 100, 24, 24]         200\n",
        "0.2    nn_relu          [2, 100, 24, 24]           0\n",
        "1      nn_max_pool2d    [2, 100, 12, 12]           0\n",
        "2      nn_flatten       [2, 14400]                 0\n",
        "3      nn_dropout       [2, 14400]                 0\n",
        "4      nn_linear        [2, 10]              144,010\n",
        "parameters: 146,810; trained: 144,010, not trained: 2,800; in buffers: 201\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) CHECK(strstr(text, lines[i]), "%s%s", lines[i], text);
    CHECK(n == strlen(text) && before == after);
    CHECK(gm_is_training(net) && !gm_is_training(gm_child_at(net, 3)));
    CHECK(gm_item(gm_get(gm_state_dict(net), "0.1.num_batches_tracked")) == 0);
    char little[20];
    CHECK(gm_summary_text(net, GM_SHAPE(2, 1, 28, 28), NULL, little, sizeof little) == n && !strncmp(little, text, 19));
    CHECK(little[19] == 0);
}

typedef struct { gm_module *a; gm_tensor *scale; } towers;
static gm_pack *towers_apply(gm_module *m, gm_pack *in) {
    towers *self = gm_state(m);
    gm_tensor *u = gm_forward(self->a, gm_get(in, "u")), *v = gm_forward(self->a, gm_get(in, "v"));
    return GM_PACK({ "u", gm_mul(u, self->scale), NULL }, { "sum", gm_sum(v), NULL });
}

static void packs(void) {
    GM_SCOPE(s);
    static char text[4096];
    gm_module *m = gm_module_new_with(&(gm_module_class){
        .size = sizeof(gm_module_class), .name = "towers", .state_bytes = sizeof(towers), .apply = towers_apply });
    towers *self = gm_state(m);
    self->a = gm_child(m, "a", gm_nn_linear(3, 2));
    self->scale = gm_param(m, "scale", gm_ones(GM_SHAPE(2), GM_F32));
    gm_pack *in =
        GM_PACK({ "u", gm_zeros(GM_SHAPE(4, 3), GM_F32), NULL }, { "v", gm_zeros(GM_SHAPE(5, 3), GM_F32), NULL });
    gm_summary_text(m, GM_SCALAR, &(gm_summary_args){ .size = sizeof(gm_summary_args), .in = in }, text, sizeof text);
    CHECK(strstr(text, "towers") && strstr(text, "       towers     [4, 2], []             2\n"), "%s", text);
    CHECK(strstr(text, "a      nn_linear  [5, 2]                 8\n"), "%s", text);
    CHECK(strstr(text, "parameters: 10; trained: 10, not trained: 0; in buffers: 0\n"), "%s", text);
}

static void errors(void) {
    GM_SCOPE(s);
    gm_module *net = net_new();
    CHECK(!gm_summary(net, GM_SHAPE(2, 3, 28, 28)));
    recorded_error(GM_ERROR_SHAPE, "(in 0.0)");
    CHECK(gm_is_training(net));
    gm_module *bits = gm_nn_unary("bits", gm_bitwise_not);
    CHECK(!gm_summary(bits, GM_SHAPE(2)));
    recorded_error(GM_ERROR_DTYPE, "bitwise_not");
    CHECK(gm_summary(bits, GM_SHAPE(2), .dtype = GM_I64));
    CHECK(gm_summary(net, GM_SHAPE(1, 1, 28, 28)) && (gm_summary)(net, GM_SHAPE(1, 1, 28, 28)));
}

int main(void) {
    RUN(table);
    RUN(packs);
    RUN(errors);
    return check_done();
}
