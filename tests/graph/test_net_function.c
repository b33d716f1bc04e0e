/* A net as a function of its parameters: values, gradients for every sample, many nets at once. */
#include "tensors.h"

#include <math.h>

static bool near_to(gm_tensor *a, gm_tensor *b) {
    return gm_ok() && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) && gm_item(gm_max(gm_abs(gm_sub(a, b)))) < 1e-5;
}

static gm_module *new_net(uint64_t seed) {
    gm_seed(seed);
    gm_module *net = gm_sequential(gm_nn_linear(4, 6), gm_nn_layer_norm(GM_SHAPE(6)), gm_nn_tanh(), gm_nn_linear(6, 3));
    gm_forward(net, gm_zeros(GM_SHAPE(1, 4), GM_F32)); /* fills it */
    return net;
}

/* {parameters, x [4], y []} -> the loss of one sample */
static gm_pack *sample_loss(void *env, gm_pack *in) {
    gm_pack *given = gm_pack_new();
    gm_pack_set_pack(given, "0", gm_pack_child(in, 0));
    gm_pack_set(given, "1", gm_unsqueeze(gm_pack_at(in, 1), 0));
    gm_tensor *y = gm_get(gm_call_pack(env, given), "0");
    return y ? GM_PACK({ "0", gm_cross_entropy(y, gm_unsqueeze(gm_pack_at(in, 2), 0)), NULL }) : NULL;
}

static gm_pack *call_of(gm_pack *parameters, gm_tensor *x, gm_tensor *y) {
    gm_pack *in = gm_pack_new();
    gm_pack_set_pack(in, "0", parameters);
    gm_pack_set(in, "1", x);
    if (y) gm_pack_set(in, "2", y);
    return in;
}

static gm_pack *copies(gm_pack *p) {
    gm_pack *q = gm_pack_new();
    for (int64_t i = 0; i < gm_pack_count(p); i++)
        gm_pack_set(q, gm_pack_name(p, i), gm_copy(gm_detach(gm_pack_at(p, i))));
    return q;
}

static void values(void) {
    GM_SCOPE(s);
    gm_module *a = new_net(1), *b = new_net(2);
    gm_fn *f = gm_functional(a), *compiled = gm_jit(f);
    gm_tensor *x = gm_randn(GM_SHAPE(5, 4), GM_F32), *of_b = gm_forward(b, x);
    gm_pack *in = call_of(copies(gm_parameters(b)), x, NULL);
    CHECK(same_bits(gm_get(gm_call_pack(f, in), "0"), of_b));
    for (int i = 0; i < 2; i++) CHECK(same_bits(gm_get(gm_call_pack(compiled, in), "0"), of_b));
    CHECK(gm_jit_statistics(compiled).runs == 2);
    CHECK(!near_to(gm_forward(a, x), of_b));
    gm_pack *part = gm_pack_new();
    gm_pack_set(part, "3.bias", gm_zeros(GM_SHAPE(3), GM_F32));
    gm_tensor *y = gm_get(gm_call_pack(f, call_of(part, x, NULL)), "0");
    CHECK(near_to(gm_add(y, gm_get(gm_parameters(a), "3.bias")), gm_forward(a, x)));
}

static void gradients_by_name(void) {
    GM_SCOPE(s);
    gm_module *net = new_net(1);
    gm_tensor *x = gm_randn(GM_SHAPE(5, 4), GM_F32), *y = gm_randint(GM_SHAPE(5), 0, 3, GM_I64);
    gm_fn *loss = gm_functionp(sample_loss, gm_functional(net), NULL), *each = gm_grad(loss);
    int32_t axes[] = { GM_NOT_MAPPED, 0, 0 };
    gm_fn *all = gm_vmap(each, .in_axes = axes, .n_axes = 3);
    gm_pack *in = call_of(copies(gm_parameters(net)), x, y), *g = gm_call_pack(all, in);
    for (int64_t i = 0; i < 5; i++) {
        gm_backward(gm_cross_entropy(gm_forward(net, gm_slice(x, 0, i, i + 1, 1)), gm_slice(y, 0, i, i + 1, 1)));
        gm_pack *own = gm_parameters(net);
        CHECK(gm_pack_count(own) == gm_pack_count(g));
        for (int64_t k = 0; k < gm_pack_count(own); k++) {
            gm_tensor *p = gm_pack_at(own, k);
            CHECK(same_bits(gm_select(gm_get(g, gm_pack_name(own, k)), 0, i), gm_gradient_of(p)), "sample %d of %s",
                  (int)i, gm_pack_name(own, k));
            gm_clear_gradient(p);
        }
    }
    gm_fn *compiled = gm_jit(all);
    gm_pack *again = gm_call_pack(compiled, in);
    for (int64_t k = 0; k < gm_pack_count(g); k++) CHECK(same_bits(gm_pack_at(again, k), gm_pack_at(g, k)));
    CHECK(gm_jit_statistics(compiled).runs == 1 && gm_ok(), "%s", gm_error_message());
}

/* Parameters of three nets stacked: three nets in one call. */
static void ensembles(void) {
    GM_SCOPE(s);
    gm_module *net[3];
    gm_pack *stacked = gm_pack_new();
    for (int i = 0; i < 3; i++) net[i] = new_net((uint64_t)i + 1);
    gm_pack *names = gm_parameters(net[0]);
    for (int64_t k = 0; k < gm_pack_count(names); k++) {
        gm_tensor *rows[3];
        for (int i = 0; i < 3; i++) rows[i] = gm_detach(gm_pack_at(gm_parameters(net[i]), k));
        gm_pack_set(stacked, gm_pack_name(names, k), gm_stack(rows, 3, 0));
    }
    gm_tensor *x = gm_randn(GM_SHAPE(5, 4), GM_F32);
    int32_t axes[] = { 0, GM_NOT_MAPPED };
    gm_fn *all = gm_vmap(gm_functional(net[0]), .in_axes = axes, .n_axes = 2);
    gm_tensor *y = gm_get(gm_call_pack(all, call_of(stacked, x, NULL)), "0");
    for (int i = 0; i < 3; i++) CHECK(same_bits(gm_select(y, 0, i), gm_forward(net[i], x)));
}

/* Buffers by name: the net's own running statistics stay as they are. */
static void buffers(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_linear(4, 6), gm_nn_batch_norm1d(6));
    gm_tensor *x = gm_randn(GM_SHAPE(5, 4), GM_F32);
    gm_forward(net, x);
    gm_pack *given = copies(gm_state_dict(net)), *own = copies(gm_state_dict(net));
    gm_call_pack(gm_functional(net), call_of(given, x, NULL));
    for (int64_t i = 0; i < gm_pack_count(own); i++)
        CHECK(same_bits(gm_pack_at(own, i), gm_get(gm_state_dict(net), gm_pack_name(own, i))));
    CHECK(gm_item(gm_get(given, "1.num_batches_tracked")) == 2 && gm_item(gm_get(own, "1.num_batches_tracked")) == 1);
    gm_forward(net, x);
    CHECK(same_bits(gm_get(given, "1.running_mean"), gm_get(gm_state_dict(net), "1.running_mean")));
}

static void errors(void) {
    GM_SCOPE(s);
    gm_module *net = new_net(1);
    gm_fn *f = gm_functional(net);
    gm_tensor *x = gm_randn(GM_SHAPE(5, 4), GM_F32);
    gm_pack *wrong = GM_PACK({ "0.weight", gm_zeros(GM_SHAPE(6, 5), GM_F32), NULL });
    CHECK(!gm_call_pack(f, call_of(wrong, x, NULL)) && gm_error_code() == GM_ERROR_SHAPE);
    CHECK(strstr(gm_error_message(), "0.weight") && strstr(gm_error_message(), "[6, 5]"), "%s", gm_error_message());
    gm_error_clear();
    wrong = GM_PACK({ "0.weigth", x, NULL });
    CHECK(!gm_call_pack(f, call_of(wrong, x, NULL)) && gm_error_code() == GM_ERROR_INDEX, "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_call(f, x) && gm_error_code() == GM_ERROR_VALUE, "%s", gm_error_message());
    gm_error_clear();
    CHECK(near_to(gm_forward(net, x), gm_forward(net, x)));
}

int main(void) {
    RUN(values);
    RUN(gradients_by_name);
    RUN(ensembles);
    RUN(buffers);
    RUN(errors);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
