/* test_checkpoint.c: a run stopped after any step, killed too, goes on and ends with the same bits; a checkpoint is
 * whole or is the old one. */
#include "problem.h"
#include "measure.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EPOCHS = 4, BATCH = 24, STEPS = EPOCHS * PROBLEM_N / BATCH };
static char directory[64], last[128], best[128];

static long size_of(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) return -1;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    fclose(f);
    return n;
}

static void forget(void) {
    remove(last);
    remove(best);
}

/* One of everything that a run can depend on. */
typedef struct {
    gm_module *net;
    gm_optimizer *optimizer;
    gm_schedule *schedule;
    gm_average *average;
    gm_history *history;
    gm_metric *metrics[3];
} run;

static run run_new(void) {
    gm_seed(11);
    run r = { .net = problem_net() };
    r.optimizer = gm_adamw(r.net, 1e-2);
    gm_set_hyper(r.optimizer, gm_optimizer_group(r.optimizer, "*.bias"), "weight_decay", 0);
    r.schedule = gm_schedule_warmup(
        1, 0.5, gm_schedule_plateau(.factor = 0.5, .patience = GM_INT(0), .threshold = GM_REAL(10)));
    r.average = gm_average_new(r.net, .decay = GM_REAL(0.8));
    r.history = gm_history_new();
    r.metrics[0] = gm_metric_auc() ? gm_metric_f1(-1) : NULL;
    r.metrics[1] = gm_metric_top_k(2);
    return r;
}

/* Stops, or kills, after so many steps. */
typedef struct { int64_t after; bool kill; } stopper;
static bool stop_after(void *env, const gm_fit_moment *at) {
    const stopper *s = env;
    if (at->moment != GM_FIT_STEP || at->step + 1 != s->after) return true;
    if (s->kill) raise(SIGKILL);
    return false;
}

static bool run_fit(run *r, int64_t after, bool kill, bool resume, int64_t every) {
    stopper s = { after, kill };
    return gm_fit(r->net, problem_of(PROBLEM_N, 5), .optimizer = r->optimizer, .batch_size = BATCH, .epochs = EPOCHS,
                  .validation = problem_of(40, 6), .seed = 3, .quiet = 1, .schedule = r->schedule,
                  .average = r->average, .history = r->history, .metrics = r->metrics, .accumulate = 4,
                  .clip_norm = 1, .keep_best = 1, .checkpoint_dir = directory, .checkpoint_steps = every,
                  .resume = resume, .callbacks = ((gm_callback[]){ { stop_after, &s }, { NULL, NULL } }));
}

static bool same_history(const gm_history *a, const gm_history *b) {
    const char *name;
    for (int i = 0; (name = gm_history_name(a, i)); i++)
        for (int e = 0; e < EPOCHS; e++) {
            double x = gm_history_at(a, name, e), y = gm_history_at(b, name, e);
            if (x != y && !(isnan(x) && isnan(y))) return printf("%s %d: %g %g\n", name, e, x, y), false;
        }
    return gm_history_epochs(a) == EPOCHS && gm_history_epochs(b) == EPOCHS;
}

static void after_any_step(void) {
    GM_SCOPE(s);
    run whole = run_new();
    forget();
    CHECK(run_fit(&whole, 0, false, false, 0), "%s", gm_error_message());
    static const double lr[EPOCHS] = { 0.005, 0.01, 0.01, 0.005 };
    for (int e = 0; e < EPOCHS; e++) CHECK(gm_history_at(whole.history, "lr", e) == lr[e], "epoch %d", e);
    for (int64_t after = 1; after <= STEPS; after++) {
        GM_SCOPE(inner);
        forget();
        run first = run_new();
        CHECK(run_fit(&first, after, false, true, 0), "%s", gm_error_message());
        run second = run_new();
        gm_rand(GM_SHAPE(after), GM_F32); /* another state of the default stream than the one to go back to */
        CHECK(run_fit(&second, 0, false, true, 0), "%s", gm_error_message());
        CHECK(problem_same(whole.net, second.net) && same_history(whole.history, second.history), "after %lld steps",
              (long long)after);
    }
}

/* The process dies in the middle of a step; its checkpoints are of every third one. */
static void killed(void) {
    GM_SCOPE(s);
    run whole = run_new();
    forget();
    CHECK(run_fit(&whole, 0, false, false, 0), "%s", gm_error_message());
    forget();
    for (int64_t after = 2; after <= STEPS; after += 5) {
        pid_t child = fork();
        if (!child) {
            run r = run_new();
            run_fit(&r, after, true, true, 3);
            _exit(1);
        }
        int status = 0;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    run rest = run_new();
    CHECK(run_fit(&rest, 0, false, true, 3), "%s", gm_error_message());
    CHECK(problem_same(whole.net, rest.net) && same_history(whole.history, rest.history));
    run again = run_new(); /* nothing is left to do, but the result is the same */
    CHECK(run_fit(&again, 0, false, true, 3) && problem_same(whole.net, again.net), "%s", gm_error_message());
}

/* An epoch of fewer steps than there are batches, stopped behind its last one: going on makes no step more. */
static bool few_fit(gm_module *net, int64_t after, bool resume) {
    stopper s = { after, false };
    return gm_fit(net, problem_of(PROBLEM_N, 5), .optimizer = gm_adamw(net, 1e-2), .batch_size = 12, .epochs = 2,
                  .epoch_steps = 3, .seed = 3, .quiet = 1, .checkpoint_dir = directory, .resume = resume,
                  .callbacks = ((gm_callback[]){ { stop_after, &s }, { NULL, NULL } }));
}

static void after_epoch_steps(void) {
    GM_SCOPE(s);
    gm_module *whole = problem_net();
    forget();
    gm_seed(11);
    CHECK(few_fit(whole, 0, false), "%s", gm_error_message());
    for (int64_t after = 1; after <= 6; after++) {
        forget();
        gm_seed(11);
        CHECK(few_fit(problem_net(), after, false), "%s", gm_error_message());
        gm_module *second = problem_net();
        CHECK(few_fit(second, 0, true) && problem_same(whole, second), "after %lld steps: %s", (long long)after,
              gm_error_message());
    }
}

/* ---- SIGKILL from outside, at any moment ---- */

enum { ANY_EPOCHS = 4, ANY_BATCH = 8, ANY_KILLS = 24 };
static gm_dataset *any_pictures(void) {
    gm_dataset *d = problem_of(PROBLEM_N, 9);
    return gm_dataset_of(gm_reshape(gm_dataset_x(d), GM_SHAPE(PROBLEM_N, 1, 3, 4)), gm_dataset_y(d));
}

/* A small LeNet: convolution, batch norm, dropout; momentum, a schedule by steps, an average; the order and the dropout
 * are random, elements come from threads. A checkpoint after each step: many kills come while one is written. */
static bool any_run(const char *out) {
    GM_SCOPE(s);
    gm_seed(21);
    gm_dataset *d = any_pictures();
    gm_module *net = gm_sequential(gm_nn_conv2d(1, 6, .kernel = 3, .padding = 1), gm_nn_batch_norm(6), gm_nn_relu(),
                                   gm_nn_max_pool2d(2), gm_nn_flatten(), gm_nn_dropout(0.3), dense(6 * 1 * 2, 3));
    int64_t steps = ANY_EPOCHS * PROBLEM_N / ANY_BATCH;
    gm_dataset *batches = gm_dataset_batch(gm_dataset_shuffle(d, .seed = 4), ANY_BATCH);
    bool ok = gm_fit(net, batches, .optimizer = gm_sgd(net, 0.05, .momentum = 0.9, .nesterov = 1), .quiet = 1,
                     .batch_size = ANY_BATCH, .epochs = ANY_EPOCHS, .validation = d, .schedule_steps = 1,
                     .schedule = gm_schedule_one_cycle(steps), .average = gm_average_new(net, .decay = GM_REAL(0.9)),
                     .checkpoint_dir = directory, .checkpoint_steps = 1, .resume = 1);
    return ok && gm_save_safetensors(gm_state_dict(net), NULL, out);
}

/* Runs it in a process that is killed after so many microseconds (0: never). True if it came to its end. */
static bool any_child(const char *out, useconds_t life) {
    pid_t child = fork();
    if (!child) {
        gm_set_threads(2);
        bool ok = any_run(out);
        if (!ok) fprintf(stderr, "child: %s\n", gm_error_message());
        _exit(ok ? 0 : 1);
    }
    int status = 0;
    if (life) usleep(life), kill(child, SIGKILL);
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "exit code %d", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool same_bytes(const char *a, const char *b) {
    static char x[1 << 18], y[1 << 18];
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    size_t n = f ? fread(x, 1, sizeof x, f) : 0, m = g ? fread(y, 1, sizeof y, g) : 0;
    if (f) fclose(f);
    if (g) fclose(g);
    return n > 100 && n < sizeof x && n == m && !memcmp(x, y, n);
}

static void killed_anywhere(void) {
    GM_SCOPE(s);
    char whole[160], parts[160];
    unsigned seed = (unsigned)getpid(), kills = 0, inside = 0;
    snprintf(whole, sizeof whole, "%s/whole", directory);
    snprintf(parts, sizeof parts, "%s/parts", directory);
    forget();
    double begin = measure_seconds(CLOCK_MONOTONIC);
    CHECK(any_child(whole, 0));
    double life = 1e6 * (measure_seconds(CLOCK_MONOTONIC) - begin);
    forget();
    for (int i = 0; i < ANY_KILLS; i++) {
        GM_SCOPE(inner);
        seed = seed * 1664525 + 1013904223;
        if (any_child(parts, 1 + (useconds_t)(life * (double)(seed >> 8) / (1 << 24) / 8))) break;
        kills++;
        if (size_of(last) < 0) continue;
        gm_pack *p = gm_load_safetensors(last); /* whole, whenever it was */
        CHECK(p && gm_pack_has(p, "fit.at"), "%s", gm_error_message());
        inside += gm_item_i64(gm_select(gm_get(p, "fit.at"), 0, 2)) != 0;
    }
    printf("killed %u times, %u of them within an epoch\n", kills, inside);
    CHECK(kills >= 3);
    CHECK(any_child(parts, 0) && same_bytes(whole, parts));
    remove(whole);
    remove(parts);
}

/* ---- other ends ---- */

/* A disk that is full: writes stop at half of the file. */
static void full_disk(void) {
    GM_SCOPE(s);
    struct rlimit before = { 0, 0 }, less;
    run r = run_new();
    forget();
    CHECK(run_fit(&r, 3, false, false, 0));
    long bytes = size_of(last);
    CHECK(bytes > 1000 && !getrlimit(RLIMIT_FSIZE, &before));
    gm_pack *old = gm_load_safetensors(last, .copy = 1);
    less = before;
    less.rlim_cur = (rlim_t)bytes / 2;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &less);
    run second = run_new();
    bool ok = run_fit(&second, 0, false, true, 1);
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK(!ok && gm_error_code() == GM_ERROR_IO && strstr(gm_error_message(), directory), "%s", gm_error_message());
    gm_error_clear();
    gm_pack *now = gm_load_safetensors(last);
    CHECK(size_of(last) == bytes && now && gm_item_i64(gm_select(gm_get(now, "fit.at"), 0, 3)) == 3);
    CHECK(old && !memcmp(gm_data(gm_get(old, "net.0.weight")), gm_data(gm_get(now, "net.0.weight")), 12 * 16 * 4));
}

static void refused(void) {
    GM_SCOPE(s);
    run r = run_new();
    forget();
    gm_dataset *d = problem_of(PROBLEM_N, 5);
    CHECK(run_fit(&r, 3, false, false, 0));
    CHECK(!gm_fit(r.net, d, .resume = 1, .quiet = 1) && strstr(gm_error_message(), "resume needs a checkpoint_dir"));
    gm_error_clear();
    CHECK(!gm_fit(r.net, d, .resume = 1, .quiet = 1, .checkpoint_dir = directory) &&
              gm_error_code() == GM_ERROR_STATE && strstr(gm_error_message(), "batch_size was 24 there, now it is 32"),
          "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_fit(r.net, d, .resume = 1, .quiet = 1, .checkpoint_dir = directory, .batch_size = BATCH, .seed = 3,
                  .accumulate = 4, .average = r.average) && gm_error_code() == GM_ERROR_STATE &&
              strstr(gm_error_message(), "saved with a schedule, this run has none"), "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_fit(r.net, d, .resume = 1, .quiet = 1, .checkpoint_dir = directory, .batch_size = BATCH, .seed = 3,
                  .accumulate = 4, .schedule = r.schedule) &&
              strstr(gm_error_message(), "saved with an average, this run has none"), "%s", gm_error_message());
    gm_error_clear();
    gm_save_safetensors(gm_state_dict(r.net), NULL, last);
    CHECK(!gm_fit(r.net, d, .resume = 1, .quiet = 1, .checkpoint_dir = directory) &&
              gm_error_code() == GM_ERROR_FORMAT && strstr(gm_error_message(), "no checkpoint"), "%s",
          gm_error_message());
    gm_error_clear();
    CHECK(!gm_fit(r.net, d, .quiet = 1, .checkpoint_dir = "/dev/null/x") && gm_error_code() == GM_ERROR_IO, "%s",
          gm_error_message());
    gm_error_clear();
}

/* The last checkpoint with something else in the place of an entry. */
static void forge(gm_pack *whole, const char *name) {
    gm_pack *p = gm_pack_new();
    for (int64_t i = 0; i < gm_pack_count(whole); i++) gm_pack_set(p, gm_pack_name(whole, i), gm_pack_at(whole, i));
    CHECK(gm_pack_has(p, name), "%s", name);
    gm_pack_set(p, name, gm_zeros(GM_SHAPE(3, 5), GM_I32));
    CHECK(gm_save_safetensors(p, NULL, last), "%s", gm_error_message());
}

/* True if r is as run_new makes it. */
static bool untouched(const run *r) {
    run fresh = run_new();
    gm_pack *a = gm_optimizer_state(r->optimizer), *b = gm_optimizer_state(fresh.optimizer);
    for (int64_t i = 0; i < gm_pack_count(b); i++)
        if (gm_item(gm_all(gm_eq(gm_pack_at(a, i), gm_pack_at(b, i)))) != 1) return false;
    a = gm_average_state(r->average);
    return problem_same(r->net, fresh.net) && !gm_history_epochs(r->history) && gm_item(gm_get(a, "updates")) == 0 &&
           gm_item(gm_select(gm_schedule_state(r->schedule), 0, 0)) == 0 && !gm_count(gm_metric_state(r->metrics[1]));
}

/* Whatever part of a checkpoint does not fit, nothing of it is loaded. */
static void refused_whole(void) {
    GM_SCOPE(s);
    static const char *const parts[] = { "net.0.bias", "optimizer.state.0.bias.exp_avg", "optimizer.group.1.lr",
                                         "average.average.0.bias", "schedule", "history.loss", "metric.1", "fit.sums" };
    run r = run_new();
    forget();
    CHECK(run_fit(&r, 6, false, false, 0), "%s", gm_error_message());
    gm_pack *whole = gm_load_safetensors(last, .copy = 1);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        GM_SCOPE(inner);
        run again = run_new();
        forge(whole, parts[i]);
        CHECK(!run_fit(&again, 0, false, true, 0) && strstr(gm_error_message(), last), "%s: %s", parts[i],
              gm_error_message());
        CHECK(strstr(gm_error_message(), i ? parts[i] : "0.bias"), "%s: %s", parts[i], gm_error_message());
        gm_error_clear();
        CHECK(untouched(&again), "%s", parts[i]);
    }
    gm_save_safetensors(whole, NULL, last);
    gm_save_safetensors(GM_PACK({ "0.bias", gm_zeros(GM_SHAPE(3), GM_F32), NULL }), NULL, best);
    run again = run_new();
    CHECK(!run_fit(&again, 0, false, true, 0) && strstr(gm_error_message(), best), "%s", gm_error_message());
    gm_error_clear();
    CHECK(untouched(&again));
    again.optimizer = gm_sgd(again.net, 0.1);
    CHECK(!run_fit(&again, 0, false, true, 0), "an optimizer of another kind");
    CHECK(strstr(gm_error_message(), "is missing") && strstr(gm_error_message(), last), "%s", gm_error_message());
    gm_error_clear();
    CHECK(problem_same(again.net, run_new().net));
}

static bool interrupt_third(void *env, const gm_fit_moment *at) {
    (void)env;
    if (at->moment == GM_FIT_STEP && at->step == 2) gm_interrupt();
    return true;
}

static bool interrupt_at_end(void *env, const gm_epoch *e) {
    (void)env;
    if (e->epoch == 2) gm_interrupt();
    return true;
}

/* Asked too late, when the last epoch is over: the run is whole, and the next one is not stopped by it. */
static void interrupted_late(void) {
    GM_SCOPE(s);
    gm_module *net = problem_net();
    gm_dataset *d = problem_of(PROBLEM_N, 5);
    CHECK(gm_fit(net, d, .epochs = 2, .quiet = 1, .on_epoch = interrupt_at_end), "%s", gm_error_message());
    CHECK(gm_fit(net, d, .quiet = 1), "%s", gm_error_message());
    CHECK(!gm_fit(net, d, .epochs = 3, .quiet = 1, .on_epoch = interrupt_at_end) &&
              gm_error_code() == GM_ERROR_INTERRUPTED);
    gm_error_clear();
}

static void interrupted(void) {
    GM_SCOPE(s);
    run r = run_new(), whole = run_new(), rest = run_new();
    forget();
    CHECK(run_fit(&whole, 0, false, false, 0));
    forget();
    gm_seed(11);
    CHECK(!gm_fit(r.net, problem_of(PROBLEM_N, 5), .optimizer = r.optimizer, .batch_size = BATCH, .epochs = EPOCHS,
                  .validation = problem_of(40, 6), .seed = 3, .quiet = 1, .schedule = r.schedule, .average = r.average,
                  .metrics = r.metrics, .accumulate = 4, .clip_norm = 1, .checkpoint_dir = directory,
                  .callbacks = ((gm_callback[]){ { interrupt_third, NULL }, { NULL, NULL } })));
    CHECK(gm_error_code() == GM_ERROR_INTERRUPTED && strstr(gm_error_message(), "after 3 steps") &&
              strstr(gm_error_message(), last), "%s", gm_error_message());
    gm_error_clear();
    CHECK(run_fit(&rest, 0, false, true, 0) && problem_same(whole.net, rest.net), "%s", gm_error_message());
}

int main(void) {
    const char *tmp = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%.30s/gemel-ck-%d", tmp && strlen(tmp) < 30 ? tmp : "/tmp", (int)getpid());
    snprintf(last, sizeof last, "%s/last.safetensors", directory);
    snprintf(best, sizeof best, "%s/best.safetensors", directory);
    gm_set_threads(1); /* a fork keeps one thread */
    RUN(after_any_step);
    RUN(after_epoch_steps);
    RUN(killed);
    RUN(killed_anywhere);
    RUN(full_disk);
    RUN(refused);
    RUN(refused_whole);
    RUN(interrupted);
    RUN(interrupted_late);
    forget();
    char tmp_file[160];
    snprintf(tmp_file, sizeof tmp_file, "%s.tmp", last);
    remove(tmp_file);
    rmdir(directory);
    return check_done();
}
