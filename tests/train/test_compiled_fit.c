/* gm_fit with .compile: the losses, metrics and parameters of the run without it, bit for bit. */
#include "check.h"
#include "gemel/gemel.h"

#include <math.h>

enum { N = 70, CLASSES = 4 };

static gm_module *new_net(void) {
    return gm_sequential(gm_nn_conv2d(1, 3, .kernel = 3), gm_nn_batch_norm2d(3), gm_nn_relu(), gm_nn_max_pool2d(2),
                         gm_nn_flatten(), gm_nn_dropout(0.2), gm_nn_linear(27, CLASSES));
}

static gm_dataset *new_data(void) {
    gm_seed(11);
    gm_tensor *x = gm_randn(GM_SHAPE(N, 1, 8, 8), GM_F32), *y = gm_randint(GM_SHAPE(N), 0, CLASSES, GM_I64);
    return gm_dataset_of(x, y);
}

typedef struct { double loss[64]; int n; } losses;

static bool note_loss(void *env, const gm_fit_moment *at) {
    losses *l = env;
    if (at->moment == GM_FIT_STEP && l->n < 64) l->loss[l->n++] = at->loss;
    return true;
}

/* How often the loss is asked for: of programs once for each that is recorded. */
static int asked;

static gm_tensor *counted_loss(gm_tensor *y, gm_tensor *t) {
    asked++;
    return gm_cross_entropy(y, t);
}

static gm_tensor *own_step(void *env, gm_module *net, const gm_batch *b) {
    (void)env;
    asked++;
    gm_tensor *y = gm_forward(net, b->x), *l = gm_cross_entropy(y, b->y);
    gm_log_metric(b, "spread", gm_mean(gm_square(y)));
    return l;
}

static gm_pack *train(losses *l, int accumulate, bool own, int compile, gm_history *h) {
    gm_dataset *d = new_data();
    gm_seed(5);
    gm_module *net = new_net();
    gm_callback callbacks[] = { { note_loss, l }, { NULL, NULL } };
    gm_fit(net, d, .optimizer = gm_adamw(net, 1e-2), .batch_size = 16, .epochs = 3, .quiet = true,
           .callbacks = callbacks, .accumulate = accumulate, .clip_value = 0.5, .loss = counted_loss,
           .step = own ? own_step : NULL,
           .compile = compile, .history = h, .validation = d);
    return gm_state_dict(net);
}

static bool same(gm_tensor *a, gm_tensor *b) {
    return !memcmp(gm_data(a), gm_data(b), (size_t)gm_count(a) * (size_t)gm_dtype_bits(gm_dtype_of(a)) / 8);
}

static void compare(int accumulate, bool own) {
    GM_SCOPE(s);
    losses eager = { .n = 0 }, compiled = { .n = 0 };
    gm_history *h[2] = { gm_history_new(), gm_history_new() };
    asked = 0;
    gm_pack *a = train(&eager, accumulate, own, 0, h[0]);
    int of_eager = asked;
    asked = 0;
    gm_pack *b = train(&compiled, accumulate, own, 1, h[1]);
    /* 15 steps, and 3 validations of one batch; two sizes of batches, recorded once or again after each validation */
    CHECK(of_eager == 15 * accumulate + 3 && asked > 0 && asked <= (2 * accumulate + 1) * 3, "%d, compiled %d",
          of_eager, asked);
    CHECK(gm_ok(), "%s", gm_ok() ? "" : gm_error_message());
    CHECK(eager.n == 15 && compiled.n == 15, "%d and %d steps", eager.n, compiled.n);
    CHECK(!memcmp(eager.loss, compiled.loss, sizeof eager.loss));
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(a); i++)
        CHECK(same(gm_pack_at(a, i), gm_pack_at(b, i)), "%s", gm_pack_name(a, i));
    const char *names[] = { own ? "spread" : "accuracy", own ? "val_spread" : "val_accuracy", "val_loss" };
    for (int i = 0; i < 3; i++)
        for (int epoch = 0; epoch < 3; epoch++) {
            double eager_value = gm_history_at(h[0], names[i], epoch), value = gm_history_at(h[1], names[i], epoch);
            CHECK(eager_value == value && !isnan(value), "%s: %g, compiled %g", names[i], eager_value, value);
        }
}

static void plain(void) { compare(1, false); }
static void in_parts(void) { compare(2, false); }
static void own_steps(void) { compare(1, true); }

static gm_tensor *bad_loss(gm_tensor *y, gm_tensor *t) {
    return gm_cross_entropy(gm_log(gm_sub(y, gm_full_like(y, 100))), t);
}

/* A loss that is no number ends the run before the parameters change, and says at which operation. */
static void not_a_number(void) {
    GM_SCOPE(s);
    gm_dataset *d = new_data();
    gm_module *net = new_net();
    gm_tensor *before = gm_copy(gm_get(gm_parameters(net), "6.weight"));
    CHECK(!gm_fit(net, d, .quiet = true, .compile = 1, .loss = bad_loss) && gm_error_code() == GM_ERROR_NUMERIC);
    CHECK(strstr(gm_error_message(), "log: made a NaN") && strstr(gm_error_message(), "step 1"), "%s",
          gm_error_message());
    gm_error_clear();
    CHECK(same(before, gm_get(gm_parameters(net), "6.weight")));
}

/* Passes without training: by programs, of two sizes of batches, with metrics. */
static void evaluating(void) {
    GM_SCOPE(s);
    gm_dataset *d = new_data();
    gm_module *net = new_net();
    gm_metrics m[2];
    double of_metric[2];
    int times[2];
    for (int k = 0; k < 2; k++) {
        gm_metric *top = gm_metric_top_k(2);
        asked = 0;
        m[k] = gm_evaluate(net, d, .loss = counted_loss, .batch_size = 16, .metrics = GM_METRICS(top), .compile = k);
        times[k] = asked, of_metric[k] = gm_metric_value(top);
    }
    CHECK(m[0].loss == m[1].loss && m[0].accuracy == m[1].accuracy && m[0].count == m[1].count && m[1].count == N);
    CHECK(of_metric[0] == of_metric[1] && of_metric[1] > 0 && times[0] == 5 && times[1] == 2, "%d, compiled %d",
          times[0], times[1]);
    gm_tensor *y = gm_predict_all(net, d, 16);
    gm_tensor *p = gm_predict_all_with(net, d, &(gm_predict_args){ sizeof(gm_predict_args), 16, 1 });
    CHECK(y && p && gm_size(p, 0) == N && same(y, p) && gm_is_training(net), "%s", gm_ok() ? "" : gm_error_message());
}

int main(void) {
    RUN(plain);
    RUN(in_parts);
    RUN(own_steps);
    RUN(not_a_number);
    RUN(evaluating);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
