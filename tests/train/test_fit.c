/* test_fit.c: a net learns a small problem; the bits are the same for any number of threads; failures are named. */
#include <gemel/gemel.h>

#include <math.h>

#include "../check_error.h"
#include "../nn/dense.h"

enum { N = 300 };

/* Three classes, by which of three sums of inputs is the largest. */
static gm_dataset *problem(void) {
    static float x[N][12];
    static int64_t y[N];
    gm_tensor *t = gm_random_of((gm_random_key){ 5, 0, "problem" }, GM_SHAPE(N, 12), GM_F32, 1, 1, 0);
    memcpy(x, gm_data(t), sizeof x);
    for (int i = 0; i < N; i++) {
        float s[3] = { 0 };
        for (int k = 0; k < 12; k++) s[k % 3] += x[i][k];
        y[i] = s[0] > s[1] && s[0] > s[2] ? 0 : s[1] > s[2] ? 1 : 2;
    }
    return gm_dataset_of(gm_from_data(GM_SHAPE(N, 12), GM_F32, x), gm_from_data(GM_SHAPE(N), GM_I64, y));
}

static gm_module *mlp(void) {
    return gm_sequential(dense(12, 32), gm_nn_relu(), gm_nn_dropout(0.1), dense(32, 3));
}

typedef struct { double loss[8]; int n; } record;
static bool keep(void *env, const gm_epoch *e) {
    record *r = env;
    r->loss[r->n++] = e->train.loss;
    return true;
}

static void learns_the_same_for_any_threads(void) {
    static float first[32 * 12];
    double loss = 0;
    for (int threads = 1; threads <= 3; threads++) {
        GM_SCOPE(s);
        gm_set_threads(threads);
        gm_seed(3);
        gm_module *net = mlp();
        gm_dataset *d = problem();
        record r = { 0 };
        gm_metrics before = gm_evaluate(net, d);
        CHECK(gm_fit(net, d, .optimizer = gm_adamw(net, 1e-2), .batch_size = 32, .epochs = 6, .on_epoch = keep,
                     .env = &r, .validation = d, .quiet = 1),
              "%s", gm_error_message());
        gm_metrics after = gm_evaluate(net, d, .batch_size = 77);
        CHECK(r.n == 6 && r.loss[5] < 0.5 * r.loss[0], "%g %g", r.loss[0], r.loss[5]);
        CHECK(before.accuracy < 0.6 && after.accuracy > 0.9 && after.count == N, "%g %g", before.accuracy,
              after.accuracy);
        const float *w = gm_data(gm_get(gm_parameters(net), "0.weight"));
        if (threads == 1) memcpy(first, w, sizeof first), loss = r.loss[5];
        CHECK(!memcmp(first, w, sizeof first) && loss == r.loss[5], "threads %d", threads);
        CHECK(gm_is_training(net));
    }
}

static gm_tensor *broken(gm_tensor *y, gm_tensor *t) { return (void)t, gm_sum(gm_mul_scalar(y, NAN)); }

static void a_loss_that_is_nan(void) {
    GM_SCOPE(s);
    gm_module *net = mlp();
    float before[4], after[4];
    memcpy(before, gm_data(gm_get(gm_parameters(net), "0.weight")), sizeof before);
    CHECK(!gm_fit(net, problem(), .loss = broken, .quiet = 1));
    CHECK(gm_error_code() == GM_ERROR_NUMERIC && strstr(gm_error_message(), "step 1 "), "%s", gm_error_message());
    gm_error_clear();
    memcpy(after, gm_data(gm_get(gm_parameters(net), "0.weight")), sizeof after);
    CHECK(!memcmp(before, after, sizeof before));
}

/* Not the net's fault: the message names the entry. And nothing to learn from is no success. */
static void data_that_cannot_be_learned(void) {
    GM_SCOPE(s);
    gm_module *net = gm_nn_linear(3, 2);
    gm_tensor *labels = gm_zeros(GM_SHAPE(4), GM_I64), *none = gm_zeros(GM_SHAPE(0, 3), GM_F32);
    gm_dataset *nan = gm_dataset_of(gm_full(GM_SHAPE(4, 3), NAN, GM_F32), labels);
    gm_dataset *fine = gm_dataset_of(gm_ones(GM_SHAPE(4, 3), GM_F32), labels);
    gm_dataset *empty = gm_dataset_of(none, gm_zeros(GM_SHAPE(0), GM_I64));
    CHECK(!gm_fit(net, nan, .quiet = 1) &&
          fails_with(GM_ERROR_NUMERIC, "nan at step 1 (epoch 1, batch 1): the batch's \"x\" is not finite"));
    CHECK(!gm_fit(net, empty, .quiet = 1) && fails_with(GM_ERROR_VALUE, "the data set has no examples"));
    CHECK(!gm_fit(net, gm_dataset_batch(fine, 8, .drop_last = 1), .quiet = 1) &&
          fails_with(GM_ERROR_VALUE, "an epoch without a batch"));
    CHECK(!gm_fit(net, fine, .validation = empty, .quiet = 1) &&
          fails_with(GM_ERROR_VALUE, "the validation set has no examples"));
    CHECK(gm_fit(net, fine, .batch_size = 1000000000, .quiet = 1), "%s", gm_error_message());
}

static void shuffling(void) {
    GM_SCOPE(s);
    gm_tensor *i = gm_arange(0, 10, 1, GM_I64);
    gm_loader *l = gm_loader_new(gm_dataset_of(i, i), .batch_size = 4, .shuffle = 1, .seed = 2);
    int64_t order[2][10], seen = 0, n = 0;
    for (int e = 0; e < 2; e++) {
        n = 0;
        GM_EACH (b, l) {
            CHECK(b.epoch == e && b.count == 3 && gm_size(b.x, 0) == (b.index < 2 ? 4 : 2));
            for (int64_t k = 0; k < gm_size(b.x, 0); k++) order[e][n++] = ((const int64_t *)gm_data(b.x))[k];
        }
        CHECK(n == 10);
    }
    for (int k = 0; k < 10; k++) seen |= 1 << order[0][k];
    CHECK(seen == 1023 && memcmp(order[0], order[1], sizeof order[0]));
    gm_loader_set_epoch(l, 0);
    n = 0;
    GM_EACH (b, l)
        for (int64_t k = 0; k < gm_size(b.x, 0); k++) CHECK(((const int64_t *)gm_data(b.x))[k] == order[0][n++]);
}

/* A net that makes fewer rows than it is given has no accuracy against the labels of all. */
static gm_tensor *half_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_narrow(x, 0, 0, gm_size(x, 0) / 2); }
static gm_tensor *half_loss(gm_tensor *y, gm_tensor *labels) { return (void)labels, gm_mean(y); }

static void fewer_rows(void) {
    GM_SCOPE(s);
    gm_module *net = gm_module_new_with(&(gm_module_class){ .size = sizeof(gm_module_class), .name = "half",
                                                            .forward = half_forward });
    gm_metrics m = gm_evaluate(net, problem(), .loss = half_loss);
    CHECK(m.count == N && isfinite(m.loss) && isnan(m.accuracy), "%s", gm_error_message());
}

int main(void) {
    RUN(fewer_rows);
    RUN(learns_the_same_for_any_threads);
    RUN(a_loss_that_is_nan);
    RUN(data_that_cannot_be_learned);
    RUN(shuffling);
    return check_done();
}
