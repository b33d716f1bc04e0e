/* 05_own_module: a module is a state struct and a forward function. Parameters, children, names, modes, files. */
#include <gemel/gemel.h>

#include <stdio.h>
#include <string.h>

static int n_wrong;

static void expect(bool holds, const char *what) {
    printf("%s  %s\n", holds ? "ok   " : "WRONG", what);
    n_wrong += !holds;
}

/* ---- a gated residual block: x + scale * relu(norm(linear(x))) ---- */

typedef struct { gm_module *linear, *norm; gm_tensor *scale; } block;

static gm_tensor *block_forward(gm_module *m, gm_tensor *x) { /* x [B, n] -> the same */
    block *self = gm_state(m);
    gm_tensor *h = gm_relu(gm_forward(self->norm, gm_forward(self->linear, x)));
    return gm_add(x, gm_mul(self->scale, h));
}

static gm_module *block_new(int64_t n) {
    gm_module *m = gm_module_new(block); /* finds block_forward by its name */
    block *self = gm_state(m);
    if (!self) return NULL;
    self->linear = gm_child(m, "linear", gm_nn_linear(n, n));
    self->norm = gm_child(m, "norm", gm_nn_batch_norm(n));
    self->scale = gm_param(m, "scale", gm_full(GM_SCALAR, 0.1, GM_F32));
    return m;
}

/* ---- a module that behaves differently in training: noise on its input ---- */

typedef struct { double deviation; gm_tensor *calls; } noise;

static gm_tensor *noise_forward(gm_module *m, gm_tensor *x) {
    noise *self = gm_state(m);
    if (!gm_is_training(m)) return x;
    gm_assign(self->calls, gm_add_scalar(self->calls, 1));
    return gm_add(x, gm_mul_scalar(gm_randn(gm_shape_of(x), gm_dtype_of(x)), self->deviation));
}

static gm_module *noise_new(double deviation) {
    gm_module *m = gm_module_new(noise);
    noise *self = gm_state(m);
    if (!self) return NULL;
    self->deviation = deviation;
    self->calls = gm_buffer(m, "calls", gm_zeros(GM_SCALAR, GM_I64)); /* saved, not trained */
    return m;
}

static gm_module *net_new(void) {
    return gm_sequential(noise_new(0.1), gm_nn_linear(4, 16), block_new(16), block_new(16), gm_nn_linear(16, 1));
}

/* y = sin(x0) * x1 + x2 is learnt; x3 says nothing. */
static double train(gm_module *net) {
    gm_tensor *x = gm_rand_between(GM_SHAPE(512, 4), GM_F32, -2, 2), *c[3];
    for (int i = 0; i < 3; i++) c[i] = gm_narrow(x, 1, i, 1);
    gm_tensor *y = gm_add(gm_mul(gm_sin(c[0]), c[1]), c[2]);
    gm_optimizer *opt = gm_adam(net, 5e-3);
    double last = 0;
    for (int step = 0; step < 300 && gm_ok(); step++) {
        GM_SCOPE(s);
        gm_tensor *loss = gm_mean(gm_square(gm_sub(gm_forward(net, x), y)));
        gm_backward(loss);
        gm_step(opt);
        last = gm_item(loss);
        if (step % 100 == 0) printf("step %3d  loss %.4f\n", step, last);
    }
    return last;
}

int main(void) {
    gm_module *net = net_new();
    gm_pack *names = gm_state_dict(net);
    for (int64_t i = 0; i < gm_pack_count(names); i++) {
        char shape[64];
        gm_shape_text(gm_shape_of(gm_pack_at(names, i)), shape, sizeof shape);
        printf("  %-28s %s\n", gm_pack_name(names, i), shape);
    }
    expect(gm_pack_has(names, "2.linear.weight") && gm_pack_has(names, "3.scale"),
           "parameters have their paths as names");
    expect(!gm_pack_has(gm_parameters(net), "0.calls"), "a buffer is no parameter");
    expect(train(net) < 0.1, "the net learns");
    expect(gm_item(gm_get(gm_parameters(net), "2.scale")) != gm_item(gm_scalar(0.1, GM_F32)),
           "the blocks' scales have moved");

    gm_tensor *x = gm_rand_between(GM_SHAPE(5, 4), GM_F32, -2, 2), *y = gm_predict(net, x);
    expect(gm_item(gm_all(gm_eq(y, gm_predict(net, x)))), "no noise in evaluation mode");
    expect(gm_item_i64(gm_get(gm_state_dict(net), "0.calls")) == 300, "the buffer has counted the training's calls");

    gm_module *copy = net_new();
    gm_save_safetensors(gm_state_dict(net), NULL, "05_net.safetensors");
    gm_load_state_dict(copy, gm_load_safetensors("05_net.safetensors"));
    expect(gm_item(gm_all(gm_eq(y, gm_predict(copy, x)))), "saved and loaded, the same answers to the bit");

    gm_forward(net, gm_ones(GM_SHAPE(5, 3), GM_F32));
    printf("%s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    expect(gm_error_code() == GM_ERROR_SHAPE && strstr(gm_error_message(), "in 1"), "errors name the module");
    gm_error_clear();
    return gm_exit_status() || n_wrong;
}
