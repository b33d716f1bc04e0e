/* test_fit_options.c: callbacks, steps of one's own, logs, patience, averages, parts of a batch; modes and messages
 * after errors. */
#include "problem.h"

#include <dirent.h>
#include <math.h>
#include <unistd.h>

/* ---- callbacks ---- */

typedef struct { int begins, steps, epochs, ends, stop_at, fail_at; double loss; } seen;
static bool look(void *env, const gm_fit_moment *at) {
    seen *s = env;
    s->begins += at->moment == GM_FIT_BEGIN;
    s->epochs += at->moment == GM_FIT_EPOCH;
    s->ends += at->moment == GM_FIT_END;
    if (at->moment == GM_FIT_EPOCH) s->loss = at->result->train.loss;
    if (at->moment != GM_FIT_STEP) return true;
    CHECK(at->step == s->steps && at->epoch == at->step / 3 && isfinite(at->loss) && at->net && at->optimizer);
    s->steps++;
    if (s->steps == s->fail_at) return gm_fail(GM_ERROR_CALLBACK, "look: step %d is not wanted", s->steps);
    return s->steps != s->stop_at;
}
#define LOOK(s) .callbacks = ((gm_callback[]){ { look, &(s) }, { NULL, NULL } })

static void callbacks(void) {
    GM_SCOPE(s);
    gm_module *net = problem_net();
    gm_dataset *d = problem_of(PROBLEM_N, 5);
    seen all = { 0 }, stop = { .stop_at = 4 }, fail = { .fail_at = 5 };
    CHECK(gm_fit(net, d, .epochs = 2, .quiet = 1, LOOK(all)), "%s", gm_error_message());
    CHECK(all.begins == 1 && all.steps == 6 && all.epochs == 2 && all.ends == 1 && all.loss > 0);
    CHECK(gm_fit(net, d, .epochs = 2, .quiet = 1, LOOK(stop)) && stop.steps == 4 && stop.epochs == 1);
    CHECK(!gm_fit(net, d, .epochs = 2, .quiet = 1, LOOK(fail)) && gm_error_code() == GM_ERROR_CALLBACK &&
          fail.steps == 5 && !strcmp(gm_error_message(), "look: step 5 is not wanted"));
    gm_error_clear();
}

/* The line of an epoch has room for numbers of a few digits; an f64 loss may have 300 (a sanitizer would tell). */
static gm_tensor *huge_step(void *env, gm_module *net, const gm_batch *b) {
    (void)env;
    return gm_add_scalar(gm_mul_scalar(gm_cast(gm_sum(gm_forward(net, b->x)), GM_F64), 0), 1e300);
}

static void huge_loss(void) {
    GM_SCOPE(s);
    CHECK(gm_fit(problem_net(), problem_of(PROBLEM_N, 5), .step = huge_step, .validation = problem_of(40, 6),
                 .epochs = 2, .quiet = 1), "%s", gm_error_message());
}

/* ---- a step of one's own, history and logs ---- */

static gm_tensor *own_step(void *env, gm_module *net, const gm_batch *b) {
    ++*(int *)env;
    gm_tensor *y = gm_forward(net, b->x);
    gm_log_metric(b, "spread", gm_sub(gm_max(y), gm_min(y)));
    return gm_cross_entropy(y, b->y);
}

static int count_lines(const char *path, const char *word) {
    char line[1024];
    int n = 0;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) n += !word || strstr(line, word) != NULL;
    if (f) fclose(f);
    return n;
}

static void steps_and_logs(void) {
    GM_SCOPE(s);
    char csv[64], json[64];
    int calls = 0;
    snprintf(csv, sizeof csv, "/tmp/gemel-fit-%d.csv", (int)getpid());
    snprintf(json, sizeof json, "/tmp/gemel-fit-%d.jsonl", (int)getpid());
    gm_module *net = problem_net();
    gm_history *h = gm_history_new();
    CHECK(gm_fit(net, problem_of(PROBLEM_N, 5), .validation = problem_of(64, 6), .step = own_step, .env = &calls,
                 .epochs = 4, .quiet = 1, .history = h, .csv_log = csv, .json_log = json,
                 .schedule = gm_schedule_step(2, 0.5)),
          "%s", gm_error_message());
    CHECK(calls == 4 * (3 + 1) && gm_history_epochs(h) == 4);
    CHECK(gm_history_at(h, "spread", 0) > 0 && gm_history_at(h, "val_spread", 3) > 0);
    CHECK(isnan(gm_history_at(h, "accuracy", 0)) && isnan(gm_history_at(h, "loss", 4)));
    CHECK(gm_history_at(h, "lr", 1) == 1e-3 && gm_history_at(h, "lr", 2) == 5e-4);
    CHECK(count_lines(csv, NULL) == 5 && count_lines(csv, "val_spread") == 1 && count_lines(csv, "epoch,") == 1);
    CHECK(count_lines(json, "\"val_loss\":") == 4, "%d", count_lines(json, NULL));
    remove(csv);
    remove(json);
}

/* True if a file in `dir` has these bytes somewhere; removes the file. */
static bool found_and_removed(const char *dir, const char *const *words) {
    static char bytes[1 << 16];
    char path[512] = "";
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strstr(e->d_name, "tfevents")) snprintf(path, sizeof path, "%s/%.200s", dir, e->d_name);
    if (d) closedir(d);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f) fclose(f);
    for (; *words; words++)
        if (!memmem(bytes, n, *words, strlen(*words))) return printf("no %s in %s\n", *words, path), false;
    return !remove(path) && !rmdir(dir);
}

static void tensorboard(void) {
    GM_SCOPE(s);
    char dir[64];
    snprintf(dir, sizeof dir, "/tmp/gemel-fit-events-%d", (int)getpid());
    gm_module *net = problem_net();
    CHECK(gm_fit(net, problem_of(PROBLEM_N, 5), .validation = problem_of(64, 6), .quiet = 1, .logdir = dir,
                 .metrics = GM_METRICS(gm_metric_f1(-1))), "%s", gm_error_message());
    static const char *const tags[] = { "loss/step",      "loss/train",          "loss/validation", "f1/validation",
                                        "accuracy/train", "accuracy/validation", "lr",              NULL };
    CHECK(found_and_removed(dir, tags));
}

static const char *take_message(void) {
    static char message[400];
    snprintf(message, sizeof message, "%s", gm_error_message());
    gm_error_clear();
    return message;
}

/* The number that "best" is about, by name; the larger the better. */
static void monitor(void) {
    GM_SCOPE(s);
    gm_dataset *d = problem_of(PROBLEM_N, 5), *test = problem_of(64, 6);
    gm_module *net = problem_net();
    gm_history *h = gm_history_new();
    CHECK(gm_fit(net, d, .validation = test, .quiet = 1, .epochs = 12, .patience = 2, .history = h, .maximize = 1,
                 .monitor = "val_top_2", .metrics = GM_METRICS(gm_metric_top_k(2)),
                 .optimizer = gm_sgd(net, 0.0)), "%s", gm_error_message());
    CHECK(gm_history_epochs(h) == 3 && gm_history_at(h, "val_top_2", 0) == gm_history_at(h, "val_top_2", 2));
    CHECK(!gm_fit(net, d, .quiet = 1, .patience = 2, .monitor = "val_los"));
    const char *why = take_message();
    CHECK(!strcmp(why, "fit: there is no number \"val_los\" to monitor; there are loss, accuracy, lr"), "%s", why);
    /* a plateau follows it */
    CHECK(gm_fit(net, d, .quiet = 1, .epochs = 4, .history = h, .optimizer = gm_sgd(net, 1e-30), .in_order = 1,
                 .schedule = gm_schedule_plateau(.factor = 0.5, .patience = GM_INT(0), .threshold = GM_REAL(0.9))));
    CHECK(gm_history_at(h, "lr", 1) == 1e-30 && gm_history_at(h, "lr", 3) == 0.25e-30, "%g", gm_history_at(h, "lr", 3));
}

/* ---- patience, best, average ---- */

typedef struct { float weight[8][16]; double loss[8]; int n; } record;
static bool keep(void *env, const gm_epoch *e) {
    record *r = env;
    r->loss[r->n++] = e->validation.loss;
    return true;
}
static bool keep_weight(void *env, const gm_fit_moment *at) {
    record *r = env;
    if (at->moment == GM_FIT_EPOCH)
        memcpy(r->weight[at->epoch], gm_data(gm_get(gm_parameters(at->net), "0.weight")), sizeof r->weight[0]);
    return true;
}

/* The file has the net as it was then. */
static bool file_has(const char *path, const char *name, const float *weight) {
    gm_pack *p = gm_load_safetensors(path);
    gm_tensor *t = p ? gm_get(p, name) : NULL;
    return t && !memcmp(gm_data(t), weight, sizeof ((record *)0)->weight[0]);
}

static void patience(void) {
    GM_SCOPE(s);
    char dir[64], last[96], best_path[96];
    snprintf(dir, sizeof dir, "/tmp/gemel-fit-best-%d", (int)getpid());
    snprintf(last, sizeof last, "%s/last.safetensors", dir);
    snprintf(best_path, sizeof best_path, "%s/best.safetensors", dir);
    gm_module *net = problem_net();
    record r = { .n = 0 };
    /* a rate that soon does harm */
    CHECK(gm_fit(net, problem_of(PROBLEM_N, 5), .validation = problem_of(64, 6), .epochs = 8, .quiet = 1, .env = &r,
                 .optimizer = gm_adamw(net, 0.5), .on_epoch = keep, .patience = 2, .keep_best = 1,
                 .checkpoint_dir = dir, .callbacks = ((gm_callback[]){ { keep_weight, &r }, { NULL, NULL } })),
          "%s", gm_error_message());
    int best = 0;
    for (int i = 1; i < r.n; i++) best = r.loss[i] < r.loss[best] ? i : best;
    CHECK(r.n == best + 3 && r.n < 8, "%d epochs, best %d", r.n, best);
    CHECK(!memcmp(gm_data(gm_get(gm_parameters(net), "0.weight")), r.weight[best], sizeof r.weight[0]));
    CHECK(file_has(best_path, "0.weight", r.weight[best]) && file_has(last, "net.0.weight", r.weight[r.n - 1]));
    CHECK(!remove(best_path) && !remove(last) && !rmdir(dir));
}

/* The net ends with the averages, and it was they that were evaluated. */
static void averages(void) {
    GM_SCOPE(s);
    gm_module *net = problem_net();
    gm_dataset *d = problem_of(PROBLEM_N, 5), *test = problem_of(64, 6);
    gm_average *a = gm_average_new(net);
    record r = { .n = 0 };
    CHECK(gm_fit(net, d, .validation = test, .epochs = 3, .quiet = 1, .env = &r, .on_epoch = keep, .average = a,
                 .average_epochs = 1, .callbacks = ((gm_callback[]){ { keep_weight, &r }, { NULL, NULL } })));
    const float *w = gm_data(gm_get(gm_parameters(net), "0.weight"));
    for (int i = 0; i < 16; i++) {
        double mean = ((double)r.weight[0][i] + r.weight[1][i] + r.weight[2][i]) / 3;
        CHECK(fabs(w[i] - mean) < 1e-6, "%g %g", (double)w[i], mean);
    }
    CHECK(gm_evaluate(net, test).loss == r.loss[2]);
}

/* ---- sequences of different lengths ---- */

/* What decides is the last number of a sequence, which a net that reads the padding, too, has forgotten. */
static int64_t ragged_count(void *env) { return (void)env, 48; }
static gm_pack *ragged_get(void *env, int64_t i) {
    int64_t n = 2 + i % 7, label = i * i / 3 % 2;
    gm_tensor *x = gm_random_of((gm_random_key){ 3, (uint64_t)i, "ragged" }, GM_SHAPE(n, 1), GM_F32, 1, 1, 0);
    gm_assign(gm_select(x, 0, n - 1), gm_full(GM_SHAPE(1), label ? 1 : -1, GM_F32));
    return (void)env, GM_PACK({ "x", x, NULL }, { "y", gm_from_data(GM_SCALAR, GM_I64, &label), NULL });
}

static gm_tensor *ragged_step(void *env, gm_module *net, const gm_batch *b) {
    gm_pack *in = GM_PACK({ "x", b->x, NULL }, { "lengths", gm_get(b->all, "x_length"), NULL });
    return (void)env, gm_cross_entropy(gm_get(gm_apply(net, in), "y"), b->y);
}

/* The lengths that .pad tells reach a net that takes them: the same bits as by a step that hands them over. */
static void lengths(void) {
    GM_SCOPE(s);
    gm_dataset *d = gm_dataset_custom(ragged_count, ragged_get, NULL, NULL);
    d = gm_dataset_batch(d, 8, .pad = GM_REAL(0));
    gm_module *net[2];
    for (int i = 0; i < 2; i++) {
        net[i] = gm_lstm_classifier(.features = 1, .classes = 2, .hidden = 8, .layers = 1);
        CHECK(gm_fit(net[i], d, .step = i ? ragged_step : NULL, .epochs = 8, .quiet = 1, .accumulate = 2,
                     .optimizer = gm_adamw(net[i], 0.05)), "%s", gm_error_message());
    }
    CHECK(problem_same(net[0], net[1]));
    CHECK(gm_evaluate(net[0], d).accuracy > 0.95, "%g", gm_evaluate(net[0], d).accuracy);
    CHECK(gm_size(gm_predict_all(net[0], d, 0), 0) == 48);
}

/* ---- parts of a batch ---- */

/* Against a loop by hand: the mean of four gradients, added as ((a + b) + (c + d)). */
static void parts(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(dense(12, 3)), *other = gm_sequential(dense(12, 3));
    gm_dataset *d = problem_of(32, 5);
    gm_load_state_dict(other, gm_state_dict(net));
    CHECK(gm_fit(net, d, .batch_size = 32, .in_order = 1, .quiet = 1, .accumulate = 4, .optimizer = gm_sgd(net, 0.5)));
    gm_tensor *x = gm_dataset_x(d), *y = gm_dataset_y(d), *w = gm_get(gm_parameters(other), "0.weight"), *g[4];
    for (int i = 0; i < 4; i++) {
        gm_tensor *out = gm_forward(other, gm_contiguous(gm_narrow(x, 0, 8 * i, 8)));
        gm_backward(gm_cross_entropy(out, gm_contiguous(gm_narrow(y, 0, 8 * i, 8))));
        g[i] = gm_gradient_of(w);
        gm_keep(g[i]);
        gm_clear_gradient(w);
    }
    gm_tensor *mean = gm_mul_scalar(gm_add(gm_add(g[0], g[1]), gm_add(g[2], g[3])), 0.25);
    gm_tensor *want = gm_sub(gm_detach(w), gm_mul_scalar(mean, 0.5));
    CHECK(!memcmp(gm_data(want), gm_data(gm_get(gm_parameters(net), "0.weight")), 36 * sizeof(float)));
    for (int i = 0; i < 4; i++) gm_release(g[i]);
    CHECK(!gm_fit(net, d, .batch_size = 30, .quiet = 1, .accumulate = 4) && strstr(gm_error_message(), "4 equal parts"),
          "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_fit(net, d, .quiet = 1, .accumulate = 3) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
}

/* ---- memory ---- */

typedef struct { int64_t objects, bytes; } held;
static bool hold(void *env, const gm_fit_moment *at) {
    gm_memory m = gm_memory_stats();
    held *h = env;
    if (at->moment == GM_FIT_STEP && at->step == 50) *h = (held){ m.n_objects, m.bytes_in_use };
    if (at->moment == GM_FIT_STEP && at->step % 500 == 50)
        CHECK(m.n_objects == h->objects && llabs(m.bytes_in_use - h->bytes) < 4096,
              "step %lld: %lld objects, %lld bytes", (long long)at->step, (long long)(m.n_objects - h->objects),
              (long long)(m.bytes_in_use - h->bytes));
    return true;
}

/* As many objects after 10,000 steps as after 50, and bytes but for the size of the batch at hand. */
static void stays_flat(void) {
    GM_SCOPE(s);
    gm_module *net = problem_net();
    held h = { 0, 0 };
    CHECK(gm_fit(net, problem_of(100, 5), .batch_size = 8, .epochs = 770, .quiet = 1,
                 .schedule = gm_schedule_cosine(10000), .schedule_steps = 1, .average = gm_average_new(net),
                 .metrics = GM_METRICS(gm_metric_f1(-1)),
                 .callbacks = ((gm_callback[]){ { hold, &h }, { NULL, NULL } })), "%s", gm_error_message());
    CHECK(h.objects > 0);
}

/* ---- errors ---- */

static gm_tensor *two_nets_step(void *env, gm_module *net, const gm_batch *b) {
    return gm_cross_entropy(gm_add(gm_forward(net, b->x), gm_forward(env, b->x)), b->y);
}

/* An optimizer of another net is found before anything is done; one of several nets is for a step that uses them. */
static void other_optimizer(void) {
    GM_SCOPE(s);
    gm_dataset *d = problem_of(PROBLEM_N, 5);
    gm_module *net = problem_net(), *other = problem_net(), *child = gm_sequential(dense(12, 3));
    gm_module *both = gm_sequential(child, dense(3, 3));
    seen look_at = { 0 };
    CHECK(!gm_fit(net, d, .optimizer = gm_sgd(other, 0.1), .quiet = 1, LOOK(look_at)) && !look_at.begins);
    const char *why = take_message();
    CHECK(!strcmp(why, "fit: the optimizer steps none of the net's parameters: it was made for another net"), "%s",
          why);
    CHECK(!gm_fit(net, d, .optimizer = gm_sgd(other, 0.1), .step = two_nets_step, .env = other, .quiet = 1));
    take_message();
    CHECK(!gm_fit(child, d, .optimizer = gm_sgd(both, 0.1), .quiet = 1, LOOK(look_at)) && !look_at.begins);
    why = take_message();
    CHECK(strstr(why, "steps \"1.weight\", too, which is no parameter of this net"), "%s", why);
    CHECK(gm_fit(child, d, .optimizer = gm_sgd(both, 0.1), .step = two_nets_step, .env = gm_sequential(dense(12, 3)),
                 .quiet = 1), "%s", gm_error_message());
    CHECK(gm_fit(both, d, .optimizer = gm_sgd(child, 0.1), .quiet = 1), "%s", gm_error_message());
    gm_pack *p = gm_optimizer_parameters(gm_adam(both, 0.1));
    CHECK(gm_pack_count(p) == 4 && gm_get(p, "1.bias") == gm_get(gm_parameters(both), "1.bias"));
}

static gm_tensor *bad_loss(gm_tensor *y, gm_tensor *t) { return (void)t, gm_sum(gm_log(gm_sub(y, gm_abs(y)))); }

typedef struct { int unused; } cuts;
static gm_tensor *cuts_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_sqrt(gm_sub(x, gm_abs(x))); }

/* The operation that made the NaN is named, with its module; parameters stay. */
static void a_nan(void) {
    GM_SCOPE(s);
    gm_dataset *d = problem_of(PROBLEM_N, 5);
    gm_module *net = problem_net();
    CHECK(!gm_fit(net, d, .loss = bad_loss, .quiet = 1) && gm_error_code() == GM_ERROR_NUMERIC &&
              strstr(gm_error_message(), "the loss is nan at step 1 (epoch 1, batch 1): log: made a NaN"), "%s",
          gm_error_message());
    gm_error_clear();
    net = gm_sequential(dense(12, 3), gm_module_new(cuts));
    CHECK(!gm_fit(net, d, .quiet = 1) && gm_error_code() == GM_ERROR_NUMERIC &&
              strstr(gm_error_message(), "step 1 ") && strstr(gm_error_message(), "sqrt: made a NaN") &&
              strstr(gm_error_message(), "(in 1)"), "%s", gm_error_message());
    gm_error_clear();
    gm_tensor *w = gm_get(gm_parameters(net), "0.weight");
    gm_assign(w, gm_div_scalar(gm_zeros(GM_SCALAR, GM_F32), 0));
    CHECK(!gm_fit(net, d, .quiet = 1) && strstr(gm_error_message(), "the parameter \"0.weight\" is not finite"), "%s",
          gm_error_message());
    gm_error_clear();
}

static gm_tensor *failing_loss(gm_tensor *y, gm_tensor *t) {
    return (void)y, (void)t, gm_fail(GM_ERROR_CALLBACK, "failing: on purpose"), NULL;
}

/* A frozen part stays in evaluation mode, whatever happens. */
static void modes(void) {
    GM_SCOPE(s);
    gm_module *net = problem_net(), *dropout = gm_child_at(net, 2);
    gm_dataset *d = problem_of(PROBLEM_N, 5);
    gm_set_training(dropout, false);
    gm_evaluate(net, d);
    CHECK(gm_is_training(net) && !gm_is_training(dropout));
    CHECK(gm_evaluate(net, d, .loss = failing_loss).count == 0 && gm_error_code() == GM_ERROR_CALLBACK);
    CHECK(gm_is_training(net) && !gm_is_training(dropout));
    gm_error_clear();
    CHECK(gm_is_training(net) && !gm_is_training(dropout) && gm_is_training(gm_child_at(net, 0)));
    CHECK(!gm_predict(net, gm_ones(GM_SHAPE(2, 5), GM_F32)) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
    CHECK(gm_is_training(net) && !gm_is_training(dropout));
    gm_set_training(net, false);
    CHECK(gm_fit(net, d, .quiet = 1, .epoch_steps = 1) && !gm_is_training(net));
    gm_tensor *all = gm_predict_all(net, d, 7), *once = gm_predict(net, gm_dataset_x(d));
    CHECK(all && gm_size(all, 0) == PROBLEM_N && !memcmp(gm_data(all), gm_data(once), PROBLEM_N * 3 * 4));
}

int main(void) {
    RUN(callbacks);
    RUN(huge_loss);
    RUN(steps_and_logs);
    RUN(tensorboard);
    RUN(monitor);
    RUN(patience);
    RUN(averages);
    RUN(lengths);
    RUN(parts);
    RUN(stays_flat);
    RUN(other_optimizer);
    RUN(a_nan);
    RUN(modes);
    return check_done();
}
