/* test_checkpoint.c: a run stopped after any step, killed too, goes on and ends with the same bits; a checkpoint is
 * whole or is the old one. */
#include "problem.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EPOCHS = 4, BATCH = 24, STEPS = EPOCHS * PROBLEM_N / BATCH };
static char directory[64], last[128], best[128];

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

static long size_of(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) return -1;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    fclose(f);
    return n;
}

/* A disk that is full: writes stop at half of the file. */
static void full_disk(void) {
    GM_SCOPE(s);
    struct rlimit before, less;
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
    gm_save_safetensors(gm_state_dict(r.net), NULL, last);
    CHECK(!gm_fit(r.net, d, .resume = 1, .quiet = 1, .checkpoint_dir = directory) &&
              gm_error_code() == GM_ERROR_FORMAT && strstr(gm_error_message(), "no checkpoint"), "%s",
          gm_error_message());
    gm_error_clear();
    CHECK(!gm_fit(r.net, d, .quiet = 1, .checkpoint_dir = "/dev/null/x") && gm_error_code() == GM_ERROR_IO, "%s",
          gm_error_message());
    gm_error_clear();
}

static bool interrupt_third(void *env, const gm_fit_moment *at) {
    (void)env;
    if (at->moment == GM_FIT_STEP && at->step == 2) gm_interrupt();
    return true;
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
    RUN(killed);
    RUN(full_disk);
    RUN(refused);
    RUN(interrupted);
    forget();
    char tmp_file[160];
    snprintf(tmp_file, sizeof tmp_file, "%s.tmp", last);
    remove(tmp_file);
    rmdir(directory);
    return check_done();
}
