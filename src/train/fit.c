/* fit.c: the training loop.
 *
 * A step is forward, loss, look at the loss, backward, optimizer: a loss that is not finite ends the training before
 * the parameters take it in. Epoch numbers are means over examples, added in f64 in the order of the batches. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"
#include "gemel/ops.h"
#include "gemel/train.h"
#include "gemel/watch.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

typedef struct { double loss; int64_t right, count; bool labels; } fit_sums;

typedef struct {
    gm_module *net;
    const gm_fit_args *a;
    gm_optimizer *optimizer;
    gm_loader *loader;
    gm_events *events;
    gm_progress *progress;
    int64_t step;
} fit_run;

gm_tensor *gm_classification_loss(gm_tensor *logits, gm_tensor *labels) {
    if (!gm_ok()) return NULL;
    if (gm_n_dims(logits) != 2 || gm_n_dims(labels) != 1 || gm_size(logits, 0) != gm_size(labels, 0))
        return gm_fail(GM_ERROR_SHAPE, "classification_loss: logits are [B, C], labels [B]"), NULL;
    gm_scope s = gm_scope_open();
    int64_t n = gm_size(logits, 0), classes = gm_size(logits, 1);
    const int64_t *label = gm_dtype_of(labels) == GM_I64 ? gm_data(gm_contiguous(labels)) : NULL;
    if (gm_ok() && !label) gm_fail(GM_ERROR_DTYPE, "classification_loss: labels are i64");
    for (int64_t i = 0; gm_ok() && i < n; i++)
        if (label[i] < 0 || label[i] >= classes)
            gm_fail(GM_ERROR_INDEX, "classification_loss: label %lld is %lld, there are %lld classes", (long long)i,
                    (long long)label[i], (long long)classes);
    gm_tensor *top = gm_ok() ? gm_detach(gm_max_dim(logits, 1, true)) : NULL; /* the loss does not depend on it */
    gm_tensor *low = gm_sub(logits, top), *sum = gm_log(gm_sum_dim(gm_exp(low), 1, true));
    gm_tensor *hot = gm_eq(gm_unsqueeze(labels, 1), gm_arange(0, (double)classes, 1, GM_I64));
    gm_tensor *taken = gm_mul(gm_sub(low, sum), gm_cast(hot, gm_dtype_of(logits)));
    return gm_return(&s, gm_div_scalar(gm_neg(gm_sum(taken)), (double)n));
}

static double fit_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Examples in a batch: as its first tensor has. */
static int64_t fit_batch_size(const gm_pack *all) {
    for (int64_t i = 0; i < gm_pack_count(all); i++)
        return gm_pack_at(all, i) ? gm_size(gm_pack_at(all, i), 0) : fit_batch_size(gm_pack_child(all, i));
    return 0;
}

/* Add a batch to the sums of its pass. */
static void fit_count(fit_sums *sums, gm_tensor *output, const gm_batch *b, double loss) {
    gm_tensor *target = b->y;
    int64_t n = fit_batch_size(b->all);
    sums->loss += loss * (double)n;
    sums->count += n;
    sums->labels =
        output && target && gm_n_dims(output) == 2 && gm_n_dims(target) == 1 && gm_dtype_of(target) == GM_I64;
    if (!sums->labels) return;
    GM_NO_GRAD;
    gm_tensor *best = gm_argmax(output, 1, false);
    const int64_t *got = best ? gm_data(best) : NULL, *want = gm_data(target);
    for (int64_t i = 0; got && want && i < n; i++) sums->right += got[i] == want[i];
}

static gm_metrics fit_metrics(const fit_sums *sums) {
    if (!gm_ok() || !sums->count) return (gm_metrics){ NAN, NAN, 0 };
    double n = (double)sums->count;
    return (gm_metrics){ sums->loss / n, sums->labels ? (double)sums->right / n : NAN, sums->count };
}

/* ---- evaluating ---- */

gm_metrics gm_evaluate_with(gm_module *net, gm_dataset *d, const gm_evaluate_args *args) {
    gm_evaluate_args a = { 0 };
    fit_sums sums = { 0 };
    if (!gm_ok() || !gm__args_take("evaluate", &a, sizeof a, args)) return fit_metrics(&sums);
    GM_SCOPE(s);
    GM_NO_GRAD;
    bool training = gm_is_training(net);
    gm_loss_fn loss = a.loss ? a.loss : gm_classification_loss;
    gm_set_training(net, false);
    GM_EACH (b, gm_loader_new(d, .batch_size = a.batch_size ? a.batch_size : 256)) {
        gm_tensor *y = gm_forward(net, b.x), *l = loss(y, b.y);
        double value = gm_item(l);
        if (gm_ok()) fit_count(&sums, y, &b, value);
    }
    if (training) gm_set_training(net, true);
    return fit_metrics(&sums);
}

gm_tensor *gm_predict(gm_module *net, gm_tensor *x) {
    if (!gm_ok()) return NULL;
    GM_NO_GRAD;
    bool training = gm_is_training(net);
    gm_set_training(net, false);
    gm_tensor *y = gm_forward(net, x);
    if (training) gm_set_training(net, true);
    return y;
}

/* ---- training ---- */

static bool fit_check_loss(const fit_run *r, const gm_batch *b, double loss) {
    if (!gm_ok() || isfinite(loss)) return gm_ok();
    return gm_fail(GM_ERROR_NUMERIC,
                   "fit: the loss is %g at step %lld (epoch %lld, batch %lld): a smaller learning rate?", loss,
                   (long long)r->step, (long long)b->epoch, (long long)b->index);
}

static bool fit_step(fit_run *r, const gm_batch *b, fit_sums *sums) {
    gm_tensor *y = r->a->step ? NULL : gm_forward(r->net, b->x);
    gm_tensor *l =
        r->a->step ? r->a->step(r->a->env, r->net, b) : (r->a->loss ? r->a->loss : gm_classification_loss)(y, b->y);
    if (gm_ok() && !l) return gm_fail(GM_ERROR_CALLBACK, "fit: the step or loss function returned NULL");
    double loss = gm_item(l);
    if (!fit_check_loss(r, b, loss)) return false;
    fit_count(sums, y, b, loss);
    if (!gm_backward(l) || !gm_step(r->optimizer)) return false;
    if (r->events && r->step % 20 == 0) gm_events_scalar(r->events, "loss/step", r->step, loss);
    r->step++;
    if (!r->progress) return gm_ok();
    char text[64];
    snprintf(text, sizeof text, "loss %.4f", sums->loss / (double)sums->count);
    return gm_progress_step(r->progress, sums->count, text);
}

static bool fit_log(const fit_run *r, const gm_epoch *e) {
    if (!r->events) return true;
    gm_events_scalar(r->events, "loss/train", e->epoch, e->train.loss);
    if (!isnan(e->train.accuracy)) gm_events_scalar(r->events, "accuracy/train", e->epoch, e->train.accuracy);
    if (!e->validation.count) return gm_ok();
    gm_events_scalar(r->events, "loss/validation", e->epoch, e->validation.loss);
    if (!isnan(e->validation.accuracy))
        gm_events_scalar(r->events, "accuracy/validation", e->epoch, e->validation.accuracy);
    return gm_ok();
}

static void fit_summary(const gm_epoch *e, char *text, size_t bytes) {
    int n = snprintf(text, bytes, "loss %.4f, accuracy %.4f", e->train.loss, e->train.accuracy);
    if (e->validation.count && n > 0 && n < (int)bytes)
        snprintf(text + n, bytes - (size_t)n, "; validation loss %.4f, accuracy %.4f", e->validation.loss,
                 e->validation.accuracy);
}

/* One epoch; false ends the training, by an error or because on_epoch says so. */
static bool fit_epoch(fit_run *r, int64_t epoch, int64_t examples) {
    GM_SCOPE(s);
    fit_sums sums = { 0 };
    double start = fit_seconds();
    char text[160];
    snprintf(text, sizeof text, "epoch %lld/%d", (long long)epoch + 1, r->a->epochs);
    r->progress = r->a->quiet ? NULL : gm_progress_new(examples, text, .unit = "examples");
    gm_loader_set_epoch(r->loader, epoch);
    gm_set_training(r->net, true);
    GM_EACH (b, r->loader) fit_step(r, &b, &sums);
    gm_epoch e = { .epoch = epoch + 1, .steps = r->step, .train = fit_metrics(&sums) };
    if (gm_ok() && r->a->validation) e.validation = gm_evaluate(r->net, r->a->validation, .loss = r->a->loss);
    e.seconds = fit_seconds() - start;
    fit_summary(&e, text, sizeof text);
    if (r->progress) gm_progress_done(r->progress, text);
    r->progress = NULL;
    if (!gm_ok() || !fit_log(r, &e)) return false;
    return !r->a->on_epoch || r->a->on_epoch(r->a->env, &e);
}

bool gm_fit_with(gm_module *net, gm_dataset *d, const gm_fit_args *args) {
    gm_fit_args a = { 0 };
    if (!gm_ok() || !gm__args_take("fit", &a, sizeof a, args)) return false;
    if (a.batch_size < 0 || a.epochs < 0)
        return gm_fail(GM_ERROR_VALUE, "fit: batches of %d, %d epochs", a.batch_size, a.epochs);
    if (!a.epochs) a.epochs = 1;
    GM_SCOPE(s);
    bool training = gm_is_training(net);
    fit_run r = { .net = net, .a = &a };
    r.optimizer = a.optimizer ? a.optimizer : gm_adamw(net, 1e-3);
    r.loader = gm_loader_new(d, .batch_size = a.batch_size, .shuffle = !a.in_order, .seed = a.seed);
    r.events = a.logdir ? gm_events_open(a.logdir, .flush_seconds = 2) : NULL;
    int64_t examples = gm_dataset_count(d);
    for (int64_t epoch = 0; gm_ok() && epoch < a.epochs; epoch++)
        if (!fit_epoch(&r, epoch, examples)) break;
    gm_set_training(net, training);
    if (r.events) gm_events_close(r.events);
    return gm_ok();
}
