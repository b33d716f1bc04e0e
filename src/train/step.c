/* step.c: a step of the training: forward, loss, look at the loss, backward, optimizer: run, or recorded once and run
 * as one program with the same bits. */
#include "../math/fp.h"
#include "run.h"
#include "gemel/autograd.h"
#include "gemel/graph.h"
#include "gemel/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static gm_tensor *step_loss(gm__fit_run *r, const gm_batch *b, gm_tensor **y) {
    *y = r->a->step ? NULL : gm__fit_output(r->net, b);
    gm_tensor *l = r->a->step ? r->a->step(r->a->env, r->net, b)
                              : (r->a->loss ? r->a->loss : gm_cross_entropy)(*y, b->y);
    if (gm_ok() && !l) gm_fail(GM_ERROR_CALLBACK, "fit: the step or loss function returned NULL");
    return gm_ok() ? l : NULL;
}

/* The name of an entry that has a NaN or an infinity, NULL if none has. */
static const char *step_bad_entry(gm_pack *all) {
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(all); i++) {
        gm_tensor *t = gm_pack_at(all, i);
        const char *bad = t ? NULL : step_bad_entry(gm_pack_child(all, i));
        if (bad) return bad;
        if (t && gm_is_float(gm_dtype_of(t)) && !(gm_item(gm_sum(gm_mul_scalar(t, 0))) == 0))
            return gm_pack_name(all, i);
    }
    return NULL;
}

/* The loss is not finite: the batch once more, with every operation looked at, to say which one made the NaN. */
static bool step_explain(gm__fit_run *r, const gm_batch *b, double loss, uint64_t seed, uint64_t count) {
    char why[900] = "a smaller learning rate?";
    GM_SCOPE(s);
    const char *bad = step_bad_entry(gm_parameters(r->net));
    gm_tensor *y;
    if (bad) {
        snprintf(why, sizeof why, "the parameter \"%s\" is not finite since the step before", bad);
    } else if (gm_ok() && isnan(loss)) {
        gm_set_random_state(seed, count);
        gm_set_anomaly(true);
        step_loss(r, b, &y);
        gm_set_anomaly(false);
        if (!gm_ok()) snprintf(why, sizeof why, "%.890s", gm_error_message());
    }
    if (!bad && (bad = step_bad_entry(b->all))) snprintf(why, sizeof why, "the batch's \"%s\" is not finite", bad);
    gm_error_clear();
    return gm_fail(GM_ERROR_NUMERIC, "fit: the loss is %g at step %lld (epoch %lld, batch %lld): %s",
                   isnan(loss) ? NAN : loss, (long long)r->step + 1, (long long)b->epoch + 1, (long long)b->index + 1,
                   why);
}

/* Forward and backward over a batch or a part of one. */
static bool step_part(gm__fit_run *r, gm_batch *b, double *loss) {
    uint64_t seed, count;
    gm_tensor *y;
    gm_random_state(&seed, &count);
    b->reserved[0] = &r->sums;
    r->sums.batch = (double)gm__fit_batch_size(b->all);
    gm_tensor *l = step_loss(r, b, &y);
    *loss = gm_item(l);
    if (!gm_ok()) return false;
    if (!isfinite(*loss)) return step_explain(r, b, *loss, seed, count);
    {
        GM_NO_GRAD;
        if (!gm__fit_count(&r->sums, r->a->metrics, y, b, *loss)) return false;
    }
    return gm_backward(l);
}

static gm_pack *step_slice(gm_pack *all, int64_t part, int64_t parts) {
    gm_pack *p = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(all); i++) {
        gm_tensor *t = gm_pack_at(all, i);
        if (!t) {
            gm_pack_set_pack(p, gm_pack_name(all, i), step_slice(gm_pack_child(all, i), part, parts));
            continue;
        }
        int64_t n = gm_size(t, 0) / parts;
        if (n * parts != gm_size(t, 0))
            gm_fail(GM_ERROR_VALUE, "fit: a batch of %lld examples cannot be cut into %lld equal parts (accumulate)",
                    (long long)gm_size(t, 0), (long long)parts);
        gm_pack_set(p, gm_pack_name(all, i), gm_contiguous(gm_narrow(t, 0, part * n, n)));
    }
    return p;
}

/* Part i of the batch. */
static gm_batch step_batch_part(const gm__fit_run *r, const gm_batch *b, int64_t i) {
    gm_batch part = *b;
    if (r->a->accumulate == 1) return part;
    part.all = step_slice(b->all, i, r->a->accumulate);
    part.x = gm_ok() && gm_pack_has(part.all, "x") ? gm_get(part.all, "x") : NULL;
    part.y = gm_ok() && gm_pack_has(part.all, "y") ? gm_get(part.all, "y") : NULL;
    return part;
}

/* The batch in parts, their gradients added in a tree. */
static bool step_parts(gm__fit_run *r, const gm_batch *b, double *loss) {
    double total = 0;
    for (int64_t i = 0; i < r->a->accumulate; i++) {
        GM_SCOPE(s);
        gm_batch part = step_batch_part(r, b, i);
        if (!gm_ok() || !step_part(r, &part, loss) || !gm_accumulate(r->optimizer)) return false;
        total += *loss;
    }
    *loss = total / r->a->accumulate;
    return gm_accumulate_end(r->optimizer);
}

static bool step_optimizer(gm__fit_run *r) {
    const gm_fit_args *a = r->a;
    if (a->clip_value > 0) gm_clip_gradient_values(r->optimizer, a->clip_value);
    if (a->clip_norm > 0) gm_clip_gradient_norm(r->optimizer, a->clip_norm);
    return gm_step(r->optimizer);
}

/* ---- compiled: one program from the batch to the parameters ---- */

bool gm__results_set(gm_pack *p, const char *name, int64_t part, gm_tensor *t) {
    char text[80];
    snprintf(text, sizeof text, "%s %lld", name, (long long)part);
    return gm_pack_set(p, text, t);
}

gm_tensor *gm__results_get(gm_pack *p, const char *name, int64_t part) {
    char text[80];
    snprintf(text, sizeof text, "%s %lld", name, (long long)part);
    return gm_pack_has(p, text) ? gm_get(p, text) : NULL;
}

/* A part as it is recorded: its loss, checked before anything takes it in; its output; what the step logs. */
static bool step_record_part(gm__fit_run *r, gm_batch *part, int64_t i, gm_pack *results) {
    gm_tensor *y;
    gm__fit_sums logged = { .recorded = results, .part = i };
    part->reserved[0] = &logged;
    gm_tensor *l = step_loss(r, part, &y);
    if (!l || !gm_check_finite(l)) return false;
    gm__results_set(results, "loss", i, l);
    if (y) gm__results_set(results, "y", i, y);
    return gm_backward(l) && (r->a->accumulate == 1 || gm_accumulate(r->optimizer));
}

static gm_pack *step_record(void *env, gm_pack *all) {
    gm__fit_run *r = env;
    gm_pack *results = gm_pack_new();
    gm_batch b = { .all = all };
    b.x = gm_pack_has(all, "x") ? gm_get(all, "x") : NULL;
    b.y = gm_pack_has(all, "y") ? gm_get(all, "y") : NULL;
    for (int64_t i = 0; gm_ok() && i < r->a->accumulate; i++) {
        gm_batch part = step_batch_part(r, &b, i);
        if (!gm_ok() || !step_record_part(r, &part, i, results)) return NULL;
    }
    if (r->a->accumulate > 1 && !gm_accumulate_end(r->optimizer)) return NULL;
    return step_optimizer(r) ? results : NULL;
}

/* A program ended at a loss that is not finite: which part it was, and why. Nothing has changed yet. */
static bool step_compiled_failed(gm__fit_run *r, const gm_batch *b, uint64_t seed, uint64_t count) {
    if (gm_error_code() != GM_ERROR_NUMERIC) return false;
    gm_error_clear();
    gm_set_random_state(seed, count);
    for (int64_t i = 0; gm_ok() && i < r->a->accumulate; i++) {
        GM_SCOPE(s);
        gm_tensor *y;
        gm_batch part = step_batch_part(r, b, i);
        gm_random_state(&seed, &count);
        double loss = gm_ok() ? gm_item(step_loss(r, &part, &y)) : NAN;
        if (gm_ok() && !isfinite(loss)) return step_explain(r, &part, loss, seed, count);
    }
    return gm_ok() && gm_fail(GM_ERROR_NUMERIC, "fit: the loss is not finite at step %lld", (long long)r->step + 1);
}

bool gm__results_log(const gm_batch *b, gm_pack *results, int64_t part) {
    char end[32];
    size_t n = (size_t)snprintf(end, sizeof end, " %lld", (long long)part);
    for (int64_t k = 0; gm_ok() && k < gm_pack_count(results); k++) {
        const char *name = gm_pack_name(results, k);
        size_t length = strlen(name);
        char own[64];
        if (strncmp(name, "log ", 4) || length < n + 4 || strcmp(name + length - n, end)) continue;
        snprintf(own, sizeof own, "%.*s", (int)(length - n - 4), name + 4);
        gm_log_metric(b, own, gm_pack_at(results, k));
    }
    return gm_ok();
}

static bool step_compiled(gm__fit_run *r, gm_batch *b, double *loss) {
    GM_SCOPE(s);
    uint64_t seed, count;
    double total = 0;
    gm_random_state(&seed, &count);
    gm_pack *results = gm_call_pack(r->program, b->all);
    if (!results) return step_compiled_failed(r, b, seed, count);
    GM_NO_GRAD;
    for (int64_t i = 0; gm_ok() && i < r->a->accumulate; i++) {
        gm_batch part = step_batch_part(r, b, i);
        part.reserved[0] = &r->sums;
        if (!gm_ok()) return false;
        r->sums.batch = (double)gm__fit_batch_size(part.all);
        *loss = gm_item(gm__results_get(results, "loss", i));
        total += *loss;
        gm__results_log(&part, results, i);
        gm__fit_count(&r->sums, r->a->metrics, gm__results_get(results, "y", i), &part, *loss);
    }
    if (r->a->accumulate > 1) *loss = total / r->a->accumulate;
    return gm_ok();
}

bool gm__fit_compile(gm__fit_run *r) {
    gm_fn *f = gm_jit(gm_function(step_record, (void *)r));
    r->program = gm_retain(f);
    return f && gm__evaluation_compile(&r->evaluation);
}

/* ---- a step ---- */

bool gm__fit_step(gm__fit_run *r, gm_batch *b, double *loss) {
    const gm_fit_args *a = r->a;
    if (r->program ? !step_compiled(r, b, loss)
                   : a->accumulate > 1 ? !step_parts(r, b, loss) : !step_part(r, b, loss)) return false;
    r->lr = gm_learning_rate(r->optimizer);
    if (!r->program && !step_optimizer(r)) return false;
    if (a->average && !a->average_epochs) gm_average_update(a->average);
    if (a->schedule && a->schedule_steps) gm_schedule_advance(a->schedule, r->optimizer, NAN);
    return gm_ok();
}
