/* Whole training steps (forward, backward, clipping, optimizer, average) as programs: after 20 steps every number is
 * that of eager mode, for each kind of net, each optimizer and any number of threads. */
#include "tensors.h"

#include <math.h>

enum { STEPS = 20 };

static int n_different(gm_pack *a, gm_pack *b) {
    int n = gm_pack_count(a) != gm_pack_count(b);
    for (int64_t i = 0; !n && i < gm_pack_count(a); i++) n += !same_bits(gm_pack_at(a, i), gm_pack_at(b, i));
    return n;
}

/* ---- nets ---- */

static gm_module *mlp(void) {
    return gm_sequential(gm_nn_linear(12, 16), gm_nn_relu(), gm_nn_dropout(0.2), gm_nn_linear(16, 5));
}

static gm_module *conv_net(void) {
    return gm_sequential(gm_nn_conv2d(2, 6, .kernel = 3, .padding = 1), gm_nn_batch_norm2d(6, .cumulative = 1),
                         gm_nn_relu(), gm_nn_max_pool2d(2), gm_nn_conv2d(6, 4, .kernel = 3), gm_nn_batch_norm2d(4),
                         gm_nn_gelu(), gm_nn_flatten(), gm_nn_linear(16, 5));
}

static gm_module *lstm(void) {
    return gm_sequential(gm_nn_lstm(4, 6, .layers = 2, .dropout = 0.1), gm_nn_flatten(), gm_nn_linear(30, 5));
}

static gm_module *transformer(void) {
    return gm_sequential(gm_nn_embedding(20, 8), gm_nn_transformer_encoder(2, 8, 2, .feedforward = 16), gm_nn_flatten(),
                         gm_nn_linear(40, 5));
}

static gm_tensor *batch_mlp(void) { return gm_randn(GM_SHAPE(7, 12), GM_F32); }
static gm_tensor *batch_conv(void) { return gm_randn(GM_SHAPE(7, 2, 8, 8), GM_F32); }
static gm_tensor *batch_lstm(void) { return gm_randn(GM_SHAPE(7, 5, 4), GM_F32); }
static gm_tensor *batch_text(void) { return gm_randint(GM_SHAPE(7, 5), 0, 20, GM_I64); }

static const struct { const char *name; gm_module *(*make)(void); gm_tensor *(*batch)(void); } nets[] = {
    { "mlp", mlp, batch_mlp },
    { "conv net", conv_net, batch_conv },
    { "lstm", lstm, batch_lstm },
    { "transformer", transformer, batch_text },
};
enum { N_NETS = sizeof nets / sizeof *nets };

/* ---- optimizers ---- */

static gm_optimizer *sgd(gm_module *m) { return gm_sgd(m, 0.1); }
static gm_optimizer *momentum(gm_module *m) { return gm_sgd(m, 0.05, .momentum = 0.9, .nesterov = 1); }
static gm_optimizer *adam(gm_module *m) { return gm_adam(m, 1e-2); }
static gm_optimizer *adamw(gm_module *m) { return gm_adamw(m, 1e-2); }
static gm_optimizer *adagrad(gm_module *m) { return gm_adagrad(m, 1e-2); }
static gm_optimizer *rmsprop(gm_module *m) { return gm_rmsprop(m, 1e-3, .momentum = 0.5, .centered = 1); }
static gm_optimizer *adadelta(gm_module *m) { return gm_adadelta(m, 1); }
static gm_optimizer *lamb(gm_module *m) { return gm_lamb(m, 1e-2); }
static gm_optimizer *lion(gm_module *m) { return gm_lion(m, 1e-3); }
static gm_optimizer *adafactor(gm_module *m) { return gm_adafactor(m, 1e-2); }

static const struct { const char *name; gm_optimizer *(*make)(gm_module *m); } optimizers[] = {
    { "sgd", sgd },           { "momentum", momentum }, { "adam", adam },         { "adamw", adamw },
    { "adagrad", adagrad },   { "rmsprop", rmsprop },   { "adadelta", adadelta }, { "lamb", lamb },
    { "lion", lion },         { "adafactor", adafactor },
};
enum { N_OPTIMIZERS = sizeof optimizers / sizeof *optimizers, ADAMW = 3 };

/* ---- steps ---- */

typedef struct { gm_module *net; gm_optimizer *optimizer; gm_average *average; int parts; bool fails; } training;

static gm_tensor *part_loss(training *t, gm_tensor *x, gm_tensor *y, int part) {
    int64_t n = gm_size(x, 0) / t->parts, from = part * n;
    x = gm_slice(x, 0, from, from + n, 1), y = gm_slice(y, 0, from, from + n, 1);
    gm_tensor *loss = gm_cross_entropy(gm_forward(t->net, x), y);
    gm_backward(loss);
    return loss;
}

static gm_tensor *train_step(void *env, gm_tensor *x, gm_tensor *y) {
    training *t = env;
    gm_tensor *loss = NULL;
    for (int k = 0; k < t->parts; k++) {
        gm_tensor *part = part_loss(t, x, y, k);
        if (t->parts > 1) gm_accumulate(t->optimizer);
        loss = loss ? gm_add(loss, part) : part;
    }
    if (t->parts > 1) gm_accumulate_end(t->optimizer);
    gm_clip_gradient_norm(t->optimizer, 1.0);
    gm_step(t->optimizer);
    gm_average_update(t->average);
    return loss;
}

static training new_training(int net, int optimizer, int parts) {
    gm_seed(3);
    training t = { .net = nets[net].make(), .parts = parts };
    t.optimizer = optimizers[optimizer].make(t.net);
    t.average = optimizer % 2 ? gm_average_new(t.net) : gm_average_new(t.net, .decay = GM_REAL(0.9));
    return t;
}

static void steps(training *t, gm_fn *step, int net, gm_tensor **losses) {
    gm_seed(11);
    for (int i = 0; i < STEPS; i++) {
        GM_SCOPE(s);
        gm_tensor *x = nets[net].batch(), *y = gm_randint(GM_SHAPE(7), 0, 5, GM_I64);
        gm_set(&losses[i], gm_detach(step ? gm_call(step, x, y) : train_step(t, x, y)));
    }
}

static void compare(training *a, training *b, gm_tensor **x, gm_tensor **y, const char *what) {
    int losses = 0;
    for (int i = 0; i < STEPS; i++) losses += !same_bits(x[i], y[i]);
    CHECK(losses == 0 && gm_ok(), "%s: %d losses differ: %s", what, losses, gm_ok() ? "" : gm_error_message());
    CHECK(isfinite(gm_item(x[STEPS - 1])), "%s: the loss is %g", what, gm_item(x[STEPS - 1]));
    int n = n_different(gm_state_dict(a->net), gm_state_dict(b->net));
    CHECK(n == 0, "%s: %d parameters differ", what, n);
    n = n_different(gm_optimizer_state(a->optimizer), gm_optimizer_state(b->optimizer));
    CHECK(n == 0, "%s: %d states differ", what, n);
    n = n_different(gm_average_state(a->average), gm_average_state(b->average));
    CHECK(n == 0, "%s: %d averages differ", what, n);
}

static void forget(gm_tensor **losses) {
    for (int i = 0; i < STEPS; i++) gm_set(&losses[i], NULL);
}

/* Eager with `before` threads against compiled with `after`. */
static void train(int net, int optimizer, int parts, int before, int after) {
    GM_SCOPE(s);
    char what[100];
    gm_tensor *x[STEPS] = { NULL }, *y[STEPS] = { NULL };
    training eager = new_training(net, optimizer, parts), compiled = new_training(net, optimizer, parts);
    gm_fn *step = gm_jit(gm_function(train_step, &compiled));
    snprintf(what, sizeof what, "%s, %s, %d parts, %d threads", nets[net].name, optimizers[optimizer].name, parts,
             after);
    gm_set_threads(before);
    steps(&eager, NULL, net, x);
    gm_set_threads(after);
    steps(&compiled, step, net, y);
    compare(&eager, &compiled, x, y, what);
    gm_jit_stats t = gm_jit_statistics(step);
    CHECK(t.runs == STEPS && t.traces == 1 && t.last_kernels > 10, "%s: %lld runs", what, (long long)t.runs);
    forget(x), forget(y);
    gm_error_clear();
}

static void every_optimizer(void) {
    for (int net = 0; net < N_NETS; net++)
        for (int o = 0; o < N_OPTIMIZERS; o++) train(net, o, 1, 2, 2);
}

static void every_number_of_threads(void) {
    const int threads[] = { 1, 2, 3, 5, 8 };
    for (int net = 0; net < N_NETS; net++)
        for (size_t k = 0; k < sizeof threads / sizeof *threads; k++) train(net, ADAMW, 1, 1, threads[k]);
}

static void in_parts(void) {
    for (int net = 0; net < N_NETS; net++) train(net, net, 2, 1, 2);
}

int main(void) {
    int threads = gm_n_threads();
    RUN(every_optimizer);
    RUN(every_number_of_threads);
    RUN(in_parts);
    gm_set_threads(threads);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
