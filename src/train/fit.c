/* fit.c: the training loop.
 *
 * A loss that is not finite ends the training before the parameters take it in. Epoch numbers are means over examples,
 * added in f64 in the order of the batches. A run is a function of the place it has come to (run.h): stopping after any
 * step and going on from there changes nothing. */
#include "../math/fp.h"
#include "../base/args.h"
#include "run.h"
#include "gemel/autograd.h"
#include "gemel/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double fit_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* False if a callback stops or fails the training. */
static bool fit_call(gm__fit_run *r, gm_moment moment, double loss, const gm_epoch *e) {
    gm_fit_moment at = { moment, 0, r->net, r->optimizer, r->epoch, r->step - (moment == GM_FIT_STEP), loss, e };
    for (const gm_callback *c = r->a->callbacks; c && c->fn && gm_ok(); c++)
        if (!c->fn(c->env, &at)) r->stop = true;
    return gm_ok() && !r->stop;
}

static bool fit_show(gm__fit_run *r, double loss) {
    if (r->events && r->step % 20 == 0) gm_events_scalar(r->events, "loss/step", r->step, loss);
    if (!r->progress) return gm_ok();
    char text[64];
    snprintf(text, sizeof text, "loss %.4f", r->sums.loss / (double)r->sums.count);
    return gm_progress_step(r->progress, r->sums.count, text);
}

/* ---- a step ---- */

/* True if the epoch goes on. */
static bool fit_step(gm__fit_run *r, gm_batch *b) {
    double loss;
    if (!gm__fit_step(r, b, &loss)) return false;
    fit_show(r, loss);
    r->step++, r->batch++;
    if (!fit_call(r, GM_FIT_STEP, loss, NULL)) return false;
    if (r->a->checkpoint_steps && r->step - r->saved_step >= r->a->checkpoint_steps && !gm__checkpoint_save(r))
        return false;
    if (gm__fit_interrupted()) return gm_fail(GM_ERROR_INTERRUPTED, "fit: stopped");
    return gm_ok();
}

/* ---- an epoch ---- */

/* Behind what is in `text` already, cut off where it does not fit: an f64 loss can have 300 digits. */
static void fit_summary_add(char *text, size_t bytes, const char *name, double value) {
    size_t n = strlen(text);
    if (!isnan(value) || !strstr(name, "accuracy")) snprintf(text + n, bytes - n, "%s %.4f", name, value);
}

static void fit_summary(const gm_epoch *e, char *text, size_t bytes) {
    *text = 0;
    fit_summary_add(text, bytes, "loss", e->train.loss);
    fit_summary_add(text, bytes, ", accuracy", e->train.accuracy);
    if (!e->validation.count) return;
    fit_summary_add(text, bytes, "; validation loss", e->validation.loss);
    fit_summary_add(text, bytes, ", accuracy", e->validation.accuracy);
}

static void fit_progress(gm__fit_run *r, int64_t examples) {
    char text[64];
    if (r->a->quiet) return;
    snprintf(text, sizeof text, "epoch %lld/%d", (long long)r->epoch + 1, r->a->epochs);
    r->progress = gm_progress_new(examples, text, .unit = "examples");
}

/* The batches of the epoch from r->batch on. Those before it are passed; what they drew from the default stream is in
 * the count that the checkpoint has. */
static bool fit_train(gm__fit_run *r) {
    uint64_t seed, count;
    int64_t first = r->batch;
    gm_random_state(&seed, &count);
    gm_loader_set_epoch(r->loader, r->epoch);
    if (r->a->epoch_steps && first >= r->a->epoch_steps) return gm_ok(); /* it was stopped behind its last step */
    GM_EACH (b, r->loader) {
        if (b.index < first) {
            gm_set_random_state(seed, count);
            continue;
        }
        if (!fit_step(r, &b) || (r->a->epoch_steps && r->batch >= r->a->epoch_steps)) break;
    }
    return gm_ok();
}

static void fit_reset_metrics(const gm__fit_run *r) {
    for (int i = 0; r->a->metrics && r->a->metrics[i]; i++) gm_metric_reset(r->a->metrics[i]);
}

static bool fit_validate(gm__fit_run *r, gm_epoch *e) {
    const gm_fit_args *a = r->a;
    r->validation = (gm__fit_sums){ 0 };
    if (a->average && a->average_epochs) gm_average_update(a->average);
    if (!a->validation || !gm_ok()) return gm_ok();
    gm_evaluate_args with = { .size = sizeof with, .loss = a->loss, .metrics = a->metrics };
    bool swapped = a->average && gm_average_swap(a->average);
    gm__fit_evaluate(&r->evaluation, a->validation, &with, &r->validation);
    if (swapped) gm_average_swap(a->average);
    e->validation = gm__fit_metrics(&r->validation);
    return gm_ok();
}

/* The number to watch is one of the epoch's. */
static bool fit_check_monitor(const gm__fit_run *r) {
    char names[700] = "";
    size_t at = 0;
    for (int64_t i = 0; i < r->n_values; i++) {
        if (!strcmp(r->values[i].name, r->monitor)) return true;
        if (at < sizeof names)
            at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "", r->values[i].name);
    }
    return gm_fail(GM_ERROR_VALUE, "fit: there is no number \"%s\" to monitor; there are %s", r->monitor, names);
}

/* Every number of the epoch, and the sums made ready for the next. Metrics have one set of sums: the training's are
 * read before the validation begins. */
static bool fit_measure(gm__fit_run *r, gm_epoch *e) {
    if (!r->sums.count) return gm_fail(GM_ERROR_VALUE, "fit: the data set has no examples: an epoch without a batch");
    e->train = gm__fit_metrics(&r->sums);
    gm__logs_values(r, "", &e->train, &r->sums);
    fit_reset_metrics(r);
    if (!fit_validate(r, e)) return false;
    if (r->a->validation && !e->validation.count)
        return gm_fail(GM_ERROR_VALUE, "fit: the validation set has no examples");
    if (e->validation.count) gm__logs_values(r, "val_", &e->validation, &r->validation);
    gm__logs_value(r, "lr", r->lr);
    fit_reset_metrics(r);
    r->sums = (gm__fit_sums){ 0 };
    e->values = r->values, e->n_values = r->n_values;
    for (int64_t i = 0; i < r->n_values; i++)
        gm_history_put(r->history, r->values[i].name, r->epoch, r->values[i].value);
    return gm_ok() && fit_check_monitor(r);
}

static gm_pack *fit_copy(gm_pack *state) {
    gm_pack *copy = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(state); i++)
        gm_pack_set(copy, gm_pack_name(state, i), gm_copy(gm_pack_at(state, i)));
    return gm_ok() ? copy : NULL;
}

/* If the epoch is the best one, keep what was evaluated: the averages, if there are any. */
static bool fit_keep_best(gm__fit_run *r, int64_t epoch) {
    const gm_fit_args *a = r->a;
    if (!(a->keep_best || a->checkpoint_dir)) return true;
    if (gm_history_best(r->history, r->monitor, a->maximize, a->min_delta) != epoch) return gm_ok();
    GM_SCOPE(s);
    GM_NO_GRAD;
    bool swapped = a->average && gm_average_swap(a->average);
    gm__checkpoint_save_best(r);
    gm_pack *copy = a->keep_best && gm_ok() ? fit_copy(gm_state_dict(r->net)) : NULL;
    if (copy) gm_release(r->best), r->best = gm_retain(copy);
    if (swapped) gm_average_swap(a->average);
    return gm_ok();
}

/* One epoch, or the rest of one. */
static bool fit_epoch(gm__fit_run *r, int64_t examples) {
    GM_SCOPE(s);
    double start = fit_seconds();
    char text[160];
    fit_progress(r, examples);
    r->n_values = 0;
    gm_epoch e = { .epoch = r->epoch + 1 };
    int64_t before = r->sums.count; /* of a run that goes on within an epoch */
    bool whole = fit_train(r) && !r->stop;
    e.samples_per_second = (double)(r->sums.count - before) / (fit_seconds() - start);
    whole = whole && fit_measure(r, &e);
    e.steps = r->step;
    e.seconds = fit_seconds() - start;
    fit_summary(&e, text, sizeof text);
    if (r->progress) gm_progress_done(r->progress, whole ? text : NULL);
    r->progress = NULL;
    if (!whole) return gm_ok() && gm__checkpoint_save(r);
    if (!gm__logs_write(r, &e)) return false;
    if (r->a->on_epoch && !r->a->on_epoch(r->a->env, &e)) r->stop = true;
    fit_call(r, GM_FIT_EPOCH, NAN, &e);
    if (r->a->schedule && !r->a->schedule_steps)
        gm_schedule_advance(r->a->schedule, r->optimizer, gm_history_at(r->history, r->monitor, r->epoch));
    if (!fit_keep_best(r, r->epoch)) return false;
    r->epoch++, r->batch = 0;
    return gm__checkpoint_save(r);
}

/* ---- the whole ---- */

static bool fit_out_of_patience(const gm__fit_run *r) {
    if (!r->a->patience || !r->epoch) return false;
    int64_t best = gm_history_best(r->history, r->monitor, r->a->maximize, r->a->min_delta);
    return r->epoch - 1 - best >= r->a->patience;
}

/* Saves what a run that was asked to stop has come to; the error stays, unless that fails. */
static bool fit_interrupted(gm__fit_run *r) {
    char path[4200] = "";
    if (gm_error_code() != GM_ERROR_INTERRUPTED) return false;
    gm_error_clear();
    if (!gm__checkpoint_save(r)) return false;
    if (r->a->checkpoint_dir) gm__checkpoint_path(r->a, "last.safetensors", path, sizeof path);
    return gm_fail(GM_ERROR_INTERRUPTED, "fit: stopped after %lld steps, in epoch %lld%s%.900s", (long long)r->step,
                   (long long)r->epoch + 1, *path ? "; .resume goes on from " : "", path);
}

/* The net gets what is to be used from now on. */
static bool fit_finish(gm__fit_run *r) {
    if (!gm_ok()) return false;
    if (r->best) return gm_load_state_dict(r->net, r->best) && fit_call(r, GM_FIT_END, NAN, NULL);
    if (r->a->average && r->step > 0) gm_average_swap(r->a->average);
    fit_call(r, GM_FIT_END, NAN, NULL);
    return gm_ok();
}

static bool fit_check(gm_fit_args *a) {
    if (!a->epochs) a->epochs = 1;
    if (!a->batch_size) a->batch_size = 32;
    if (!a->accumulate) a->accumulate = 1;
    if (a->batch_size < 1 || a->epochs < 0 || a->epoch_steps < 0 || a->patience < 0)
        return gm_fail(GM_ERROR_VALUE, "fit: batches of %d, %d epochs of %d steps, patience %d", a->batch_size,
                       a->epochs, a->epoch_steps, a->patience);
    if (a->accumulate < 1 || (a->accumulate & (a->accumulate - 1)))
        return gm_fail(GM_ERROR_VALUE, "fit: accumulate is %d, wanted a power of two", a->accumulate);
    if (!(a->clip_norm >= 0) || !(a->clip_value >= 0) || !(a->min_delta >= 0))
        return gm_fail(GM_ERROR_VALUE, "fit: clip_norm %g, clip_value %g, min_delta %g", a->clip_norm, a->clip_value,
                       a->min_delta);
    return gm__checkpoint_check(a);
}

static bool fit_has(gm_pack *parameters, const gm_tensor *p) {
    for (int64_t i = 0; i < gm_pack_count(parameters); i++)
        if (gm_pack_at(parameters, i) == p) return true;
    return false;
}

/* The optimizer of another net would train nothing, and nobody would notice. Parameters of several nets are for a step
 * that uses them. */
static bool fit_check_optimizer(const gm__fit_run *r) {
    GM_SCOPE(s);
    gm_pack *steps = gm_optimizer_parameters(r->optimizer), *own = gm_parameters(r->net);
    const char *other = NULL;
    int64_t found = 0;
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(steps); i++)
        if (fit_has(own, gm_pack_at(steps, i))) found++;
        else if (!other) other = gm_pack_name(steps, i);
    if (gm_ok() && !found)
        return gm_fail(GM_ERROR_VALUE, "fit: the optimizer steps none of the net's parameters: it was made for another "
                                       "net");
    if (gm_ok() && other && !r->a->step)
        return gm_fail(GM_ERROR_VALUE, "fit: the optimizer steps \"%.200s\", too, which is no parameter of this net; "
                                       "that needs a step of one's own", other);
    return gm_ok();
}

/* What the bar counts to; 0: unknown. Elements are examples, unless they are batches already. */
static int64_t fit_examples(const gm__fit_run *r, gm_dataset *d) {
    int64_t n = gm_dataset_count(d), batches = gm_loader_count(r->loader), size = r->a->batch_size;
    if (r->a->epoch_steps) return r->a->epoch_steps * size;
    return n > 0 && n < INT64_MAX && batches == (n + size - 1) / size ? n : 0;
}

static bool fit_run(gm__fit_run *r, gm_dataset *d) {
    int64_t examples = fit_examples(r, d);
    fit_reset_metrics(r);
    if (!gm__checkpoint_resume(r) || !gm__logs_open(r)) return false;
    if (!r->step && r->a->schedule) gm_schedule_apply(r->a->schedule, r->optimizer);
    fit_call(r, GM_FIT_BEGIN, NAN, NULL);
    while (gm_ok() && !r->stop && r->epoch < r->a->epochs && !fit_out_of_patience(r))
        if (!fit_epoch(r, examples)) break;
    if (gm_ok()) gm__fit_interrupted(); /* too late to stop what is done, and not for the next one */
    fit_interrupted(r);
    gm__logs_close(r);
    return fit_finish(r);
}

bool gm_fit_with(gm_module *net, gm_dataset *d, const gm_fit_args *args) {
    gm_fit_args a = { 0 };
    if (!gm_ok() || !gm__args_take("fit", &a, sizeof a, args) || !fit_check(&a)) return false;
    GM_SCOPE(s);
    gm__modes modes = { 0 };
    gm__fit_run *r = gm_alloc(sizeof *r);
    if (!r) return false;
    r->net = net, r->a = &a, r->saved_step = 0;
    r->monitor = a.monitor ? a.monitor : a.validation ? "val_loss" : "loss";
    r->optimizer = a.optimizer ? a.optimizer : gm_adamw(net, 1e-3);
    r->loader = gm_loader_new(d, .batch_size = a.batch_size, .shuffle = !a.in_order, .seed = a.seed);
    r->history = a.history ? a.history : gm_history_new();
    r->evaluation = (gm__evaluation){ net, a.loss, a.step, a.env, NULL };
    if (a.compile) gm__fit_compile(r);
    if (gm_ok() && (!a.optimizer || fit_check_optimizer(r)) &&
        (gm_is_training(net) || gm__modes_switch(&modes, net, true)))
        fit_run(r, d);
    gm__modes_back(&modes);
    gm_release(r->best);
    gm_release(r->program);
    gm_release(r->evaluation.program);
    gm_free(r);
    return gm_ok();
}
