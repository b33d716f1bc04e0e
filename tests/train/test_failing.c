/* The n-th allocation fails, for every n, through making a net, training steps, saving and loading: a MEMORY error each
 * time, nothing crashes, nothing leaks, and a failed step leaves the parameters as they were. */
#include "base/object.h"
#include "check.h"
#include "gemel/gemel.h"

#include <unistd.h>

static const char *failing_path, *failing_dir;

static gm_module *failing_net(void) {
    return gm_sequential(gm_nn_conv2d(1, 3, .kernel = 3), gm_nn_relu(), gm_nn_max_pool2d(2), gm_nn_flatten(),
                         gm_nn_linear(3 * 3 * 3, 4));
}

static gm_tensor *failing_loss(gm_module *net) {
    gm_tensor *x = gm_reshape(gm_linspace(-1, 1, 2 * 64, GM_F32), GM_SHAPE(2, 1, 8, 8));
    gm_tensor *y = gm_forward(net, x);
    return gm_mean(gm_square(gm_sub(y, gm_scalar(0.5, GM_F32))));
}

static bool failing_step(gm_module *net, gm_optimizer *o) {
    GM_SCOPE(s);
    return gm_backward(failing_loss(net)) && gm_step(o);
}

static bool everything(void) {
    GM_SCOPE(s);
    gm_module *net = failing_net();
    gm_optimizer *o = gm_adamw(net, 1e-2);
    failing_step(net, o);
    failing_step(net, o);
    gm_save_safetensors(gm_state_dict(net), NULL, failing_path);
    gm_load_state_dict(net, gm_load_safetensors(failing_path));
    return gm_ok();
}

/* A whole training: schedule, average, metrics, history, logs, checkpoints, and going on from one. */
static bool fitting_once(bool resume) {
    char log[96];
    snprintf(log, sizeof log, "%s.csv", failing_path);
    gm_module *net = gm_sequential(gm_nn_flatten(), gm_nn_linear(6, 3), gm_nn_dropout(0.1));
    static int64_t labels[8] = { 0, 1, 2, 0, 1, 2, 0, 1 };
    gm_tensor *x = gm_reshape(gm_linspace(-1, 1, 8 * 6, GM_F32), GM_SHAPE(8, 6));
    gm_dataset *d = gm_dataset_of(x, gm_from_data(GM_SHAPE(8), GM_I64, labels));
    return gm_fit(net, d, .optimizer = gm_adafactor(net, 1e-2), .batch_size = 4, .epochs = 1 + resume, .validation = d,
                  .quiet = 1, .schedule = gm_schedule_warmup(1, 0.5, gm_schedule_cosine(3)), .schedule_steps = 1,
                  .average = gm_average_new(net, .decay = GM_REAL(0.9)), .accumulate = 2, .clip_norm = 1,
                  .history = gm_history_new(), .csv_log = log, .keep_best = 1, .patience = 2, .resume = resume,
                  .metrics = GM_METRICS(gm_metric_f1(-1), gm_metric_top_k(2)), .checkpoint_dir = failing_dir);
}

static bool fitting(void) {
    GM_SCOPE(s);
    return fitting_once(false) && fitting_once(true);
}

static gm_module *kept_net;
static gm_optimizer *kept_optimizer;

/* Runs f with the n-th allocation failing, for n from 1 until none fails. Returns how many did. */
static int64_t fail_each(bool (*f)(void), bool all, const char *what) {
    gm__fail_allocation(0, false);
    f();
    gm_error_clear();
    int64_t objects = gm_memory_stats().n_objects, bytes = gm_memory_stats().bytes_in_use, n = 1;
    for (;; n++) {
        gm__fail_allocation(n, all);
        bool ok = f();
        bool reached = gm__allocation_count() >= n;
        gm__fail_allocation(0, false);
        if (!reached) break;
        CHECK(ok || gm_error_code() == GM_ERROR_MEMORY, "%s, allocation %lld: %s", what, (long long)n,
              gm_error_message());
        gm_error_clear();
        if (kept_optimizer) gm_zero_grad(kept_optimizer); /* gradients of a step that failed halfway */
        gm_memory m = gm_memory_stats();
        CHECK(m.n_objects <= objects, "%s, allocation %lld: %lld objects more", what, (long long)n,
              (long long)(m.n_objects - objects));
        CHECK(m.bytes_in_use <= bytes, "%s, allocation %lld: %lld bytes more", what, (long long)n,
              (long long)(m.bytes_in_use - bytes));
    }
    return n - 1;
}

static bool kept_step(void) { return failing_step(kept_net, kept_optimizer); }

/* A step that failed before the optimizer began changes nothing; what it left is a step that works. */
static void steps_fail_whole(void) {
    GM_SCOPE(s);
    kept_net = failing_net();
    kept_optimizer = gm_sgd(kept_net, 0.0);
    int64_t n = fail_each(kept_step, false, "step");
    CHECK(n > 50, "%lld allocations in a step", (long long)n);
    CHECK(kept_step(), "%s", gm_error_message());
    kept_optimizer = NULL;
    printf("%lld allocations in a step\n", (long long)n);
}

int main(void) {
    char path[96], file[64], dir[64];
    const char *tmp = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm"; /* thousands of files are synced */
    snprintf(file, sizeof file, "%s/gemel-failing-%d.safetensors", tmp, (int)getpid());
    snprintf(dir, sizeof dir, "%s/gemel-failing-%d", tmp, (int)getpid());
    failing_path = file, failing_dir = dir;
    gm_set_threads(1);
    int64_t n = fail_each(everything, false, "one fails");
    printf("%lld allocations in making, training, saving and loading\n", (long long)n);
    CHECK(n > 200);
    fail_each(everything, true, "all fail from there");
    steps_fail_whole();
    n = fail_each(fitting, false, "fit");
    printf("%lld allocations in two runs of fit\n", (long long)n);
    CHECK(n > 1000);
    snprintf(path, sizeof path, "%s/last.safetensors", dir);
    CHECK(!remove(path));
    snprintf(path, sizeof path, "%s/best.safetensors", dir);
    CHECK(!remove(path));
    snprintf(path, sizeof path, "%s/last.safetensors.tmp", dir);
    remove(path);
    snprintf(path, sizeof path, "%s/best.safetensors.tmp", dir);
    remove(path);
    CHECK(!rmdir(dir));
    remove(file);
    snprintf(path, sizeof path, "%s.csv", file);
    remove(path);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
