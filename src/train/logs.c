/* logs.c: what an epoch came to: into the history, the CSV and JSON logs and TensorBoard's events.
 *
 * Events are keyed by the step, so that a resumed run can tell TensorBoard from where on to forget. Logs are written
 * before the checkpoint: a run killed in between writes the row of that epoch again, in the place of the first. */
#include "../math/fp.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The columns of results are the last loss and accuracy. */
static void logs_hparams(gm__fit_run *r) {
    static const char *const results[2][2] = { { "loss/train", "accuracy/train" },
                                               { "loss/validation", "accuracy/validation" } };
    int64_t n = 0;
    while (r->a->hparams[n].name) n++;
    gm_events_hparams(r->events, r->a->hparams, n, results[r->a->validation != NULL], 2);
}

bool gm__logs_open(gm__fit_run *r) {
    const gm_fit_args *a = r->a;
    bool again = r->step > 0;
    if (a->csv_log) r->csv = gm_csv_log_open(a->csv_log, .append = again);
    if (a->json_log) r->json = gm_json_log_open(a->json_log, .append = again);
    if (a->logdir) {
        gm_events_open_args e = { .size = sizeof e, .flush_seconds = 2 };
        if (again) e.purge_step.set = 1, e.purge_step.v = r->step;
        r->events = gm_events_open_with(a->logdir, &e);
        if (r->events && a->hparams) logs_hparams(r);
    }
    return gm_ok();
}

void gm__logs_close(gm__fit_run *r) {
    if (r->events) gm_events_close(r->events);
    if (r->csv) gm_csv_log_close(r->csv);
    if (r->json) gm_json_log_close(r->json);
    r->events = NULL, r->csv = NULL, r->json = NULL;
}

static void logs_add(gm__fit_run *r, const char *front, const char *name, double value) {
    if (r->n_values == FIT_VALUES) return;
    snprintf(r->names[r->n_values], sizeof r->names[0], "%s%s", front, name);
    for (int64_t i = 0; i < r->n_values; i++)
        if (!strcmp(r->names[i], r->names[r->n_values])) return; /* an accuracy among the metrics */
    r->values[r->n_values] = (gm_log_value){ r->names[r->n_values], value };
    r->n_values++;
}

void gm__logs_values(gm__fit_run *r, const char *front, const gm_metrics *m, const gm__fit_sums *s) {
    logs_add(r, front, "loss", m->loss);
    if (!isnan(m->accuracy)) logs_add(r, front, "accuracy", m->accuracy);
    for (int i = 0; i < s->n_logged; i++)
        logs_add(r, front, s->logged[i].name, s->logged[i].weight > 0 ? s->logged[i].sum / s->logged[i].weight : NAN);
    for (int i = 0; gm_ok() && r->a->metrics && r->a->metrics[i]; i++)
        logs_add(r, front, gm_metric_name(r->a->metrics[i]), gm_metric_value(r->a->metrics[i]));
}

void gm__logs_value(gm__fit_run *r, const char *name, double value) { logs_add(r, "", name, value); }

/* "val_loss" is the chart loss/validation, "loss" loss/train: they share a section. */
static void logs_event(gm__fit_run *r, const gm_log_value *v) {
    char tag[128];
    bool validation = !strncmp(v->name, "val_", 4);
    if (!strcmp(v->name, "lr")) snprintf(tag, sizeof tag, "lr");
    else snprintf(tag, sizeof tag, "%s/%s", v->name + (validation ? 4 : 0), validation ? "validation" : "train");
    gm_events_scalar(r->events, tag, r->step - 1, v->value);
}

bool gm__logs_write(gm__fit_run *r, const gm_epoch *e) {
    gm_log_value row[FIT_VALUES + 3] = { { "epoch", (double)e->epoch }, { "step", (double)e->steps },
                                         { "seconds", e->seconds } };
    memcpy(row + 3, r->values, (size_t)r->n_values * sizeof *row);
    if (r->csv) gm_csv_log_row(r->csv, row, r->n_values + 3);
    if (r->json) gm_json_log_row(r->json, row, r->n_values + 3);
    for (int64_t i = 0; r->events && gm_ok() && i < r->n_values; i++) logs_event(r, &r->values[i]);
    return gm_ok();
}
