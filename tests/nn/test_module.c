/* test_module.c: names, lazy filling by full name, state dicts, training mode, errors. */
#include <gemel/autograd.h>
#include <gemel/nn.h>
#include <gemel/ops.h>

#include "../check.h"
#include "dense.h"

typedef struct { gm_module *inner; gm_tensor *scale; } block;
static gm_tensor *block_forward(gm_module *m, gm_tensor *x) {
    block *self = gm_state(m);
    return gm_mul(self->scale, gm_forward(self->inner, x));
}
static gm_module *block_new(int n) {
    gm_module *m = gm_module_new(block);
    block *self = gm_state(m);
    if (!self) return NULL;
    self->inner = gm_child(m, "inner", dense(n, n));
    self->scale = gm_param(m, "scale", gm_ones(GM_SHAPE(n), GM_F32));
    gm_buffer(m, "count", gm_zeros(GM_SCALAR, GM_I64));
    return m;
}

static void names(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(dense(3, 4), gm_nn_relu(), block_new(4));
    gm_pack *p = gm_parameters(net), *d = gm_state_dict(net);
    const char *want[] = { "0.weight", "0.bias", "2.inner.weight", "2.inner.bias", "2.scale" };
    CHECK(gm_pack_count(p) == 5);
    for (int i = 0; i < 5; i++) CHECK(!strcmp(gm_pack_name(p, i), want[i]), "%s", gm_pack_name(p, i));
    CHECK(gm_pack_count(d) == 6 && gm_pack_has(d, "2.count"));
    CHECK(gm_requires_grad(gm_get(p, "2.inner.bias")));
    CHECK(gm_shape_equal(gm_shape_of(gm_get(p, "0.weight")), GM_SHAPE(4, 3)));
}

/* The same name gives the same numbers in another net; another name or seed others; the range is the recipe's. */
static void filling(void) {
    GM_SCOPE(s);
    gm_module *a = gm_sequential(dense(16, 8), dense(8, 8));
    gm_module *b = gm_sequential(dense(16, 8), gm_nn_relu(), dense(8, 8));
    gm_tensor *wa = gm_get(gm_parameters(a), "0.weight"), *wb = gm_get(gm_parameters(b), "0.weight");
    CHECK(!memcmp(gm_data(wa), gm_data(wb), 128 * sizeof(float)));
    CHECK(memcmp(gm_data(gm_get(gm_parameters(a), "1.weight")), gm_data(gm_get(gm_parameters(b), "2.weight")), 64 * 4));
    const float *w = gm_data(wa);
    float low = 1, high = -1;
    for (int i = 0; i < 128; i++) low = w[i] < low ? w[i] : low, high = w[i] > high ? w[i] : high;
    CHECK(low >= -0.25f && low < -0.2f && high < 0.25f && high > 0.2f, "%g %g", low, high);
    gm_seed(7);
    gm_module *c = gm_sequential(dense(16, 8));
    CHECK(memcmp(gm_data(gm_get(gm_parameters(c), "0.weight")), w, 128 * 4));
    gm_seed(0);
}

/* In evaluation a row of layers holds two values at a time, not all of them. */
static void peak(void) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_module *net = gm_sequential(gm_nn_relu(), gm_nn_tanh(), gm_nn_identity(), gm_nn_relu(), gm_nn_tanh(),
                                   gm_nn_relu(), gm_nn_tanh(), gm_nn_relu());
    gm_tensor *x = gm_zeros(GM_SHAPE(100000), GM_F32);
    gm_memory_reset_peak();
    int64_t before = gm_memory_stats().bytes_in_use, objects = gm_memory_stats().n_objects;
    gm_tensor *y = gm_forward(net, x);
    CHECK(y && gm_memory_stats().bytes_peak - before < 3 * 400000, "%lld",
          (long long)(gm_memory_stats().bytes_peak - before));
    CHECK(gm_memory_stats().n_objects == objects + 2); /* y and its storage */
    CHECK(gm_forward(gm_sequential_list((gm_module *const[]){ GM_END }), x) == x);
}

static void forward_and_dicts(void) {
    GM_SCOPE(s);
    gm_module *a = gm_sequential(dense(4, 4), block_new(4)), *b = gm_sequential(dense(4, 4), block_new(4));
    gm_tensor *x = gm_randn(GM_SHAPE(5, 4), GM_F32);
    gm_assign(gm_get(gm_parameters(a), "1.scale"), gm_full(GM_SHAPE(4), 3, GM_F32));
    CHECK(memcmp(gm_data(gm_forward(a, x)), gm_data(gm_forward(b, x)), 80));
    CHECK(gm_load_state_dict(b, gm_state_dict(a)));
    CHECK(!memcmp(gm_data(gm_forward(a, x)), gm_data(gm_forward(b, x)), 80));
    gm_backward(gm_sum(gm_forward(b, x)));
    CHECK(gm_gradient_of(gm_get(gm_parameters(b), "0.weight")) != NULL);
    gm_pack *less = gm_parameters(a);
    CHECK(!gm_load_state_dict(b, less) && strstr(gm_error_message(), "1.count"), "%s", gm_error_message());
    gm_error_clear();
}

static void training(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_dropout(0.5), gm_sequential(gm_nn_dropout(0.5)));
    gm_tensor *x = gm_ones(GM_SHAPE(64), GM_F32);
    CHECK(gm_is_training(net) && memcmp(gm_data(gm_forward(net, x)), gm_data(x), 256));
    CHECK(gm_set_training(net, false) && !gm_is_training(gm_child_at(net, 1)));
    CHECK(!memcmp(gm_data(gm_forward(net, x)), gm_data(x), 256));
}

static void fails(const char *what, gm_error code) {
    CHECK(gm_error_code() == code && strstr(gm_error_message(), what), "%s", gm_error_message());
    gm_error_clear();
}

static void errors(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_relu(), gm_sequential(dense(3, 4)));
    CHECK(!gm_forward(net, gm_zeros(GM_SHAPE(2, 5), GM_F32)));
    fails("(in 1.0)", GM_ERROR_SHAPE);
    CHECK(!gm_child(net, "0", gm_nn_relu()));
    fails("already", GM_ERROR_VALUE);
    CHECK(!gm_child(net, "a.b", gm_nn_relu()));
    fails("a.b", GM_ERROR_VALUE);
    CHECK(!gm_child(net, "x", gm_child_at(net, 0)));
    fails("parent", GM_ERROR_STATE);
    CHECK(!gm_child(gm_child_at(net, 1), "x", net));
    fails("inside itself", GM_ERROR_STATE);
    CHECK(!gm_sequential(gm_nn_relu(), gm_nn_dropout(2)));
    fails("nn_dropout", GM_ERROR_VALUE);
    CHECK(!gm_sequential(gm_nn_relu(), NULL));
    fails("NULL", GM_ERROR_HANDLE);
}

int main(void) {
    RUN(names);
    RUN(filling);
    RUN(peak);
    RUN(forward_and_dicts);
    RUN(training);
    RUN(errors);
    return check_done();
}
