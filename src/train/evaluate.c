/* evaluate.c: passes over data without training: evaluating and predicting; sums of a pass. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "../base/args.h"
#include "run.h"
#include "gemel/autograd.h"
#include "gemel/graph.h"
#include "gemel/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int fit_stop_wanted; /* atomic: set from signal handlers */

void gm_interrupt(void) { __atomic_store_n(&fit_stop_wanted, 1, __ATOMIC_RELAXED); }
bool gm__fit_interrupted(void) { return __atomic_exchange_n(&fit_stop_wanted, 0, __ATOMIC_RELAXED); }

/* Examples in a batch: as its first tensor has. */
int64_t gm__fit_batch_size(const gm_pack *all) {
    for (int64_t i = 0; i < gm_pack_count(all); i++)
        return gm_pack_at(all, i) ? gm_size(gm_pack_at(all, i), 0) : gm__fit_batch_size(gm_pack_child(all, i));
    return 0;
}

gm_tensor *gm__fit_output(gm_module *net, const gm_batch *b) {
    bool lengths = gm_takes(net, "x_length") && gm_pack_has(b->all, "x_length");
    if (gm_has_forward(net) && !lengths) return gm_forward(net, b->x);
    gm_pack *in = b->all;
    if (gm_has_forward(net)) in = GM_PACK({ "x", b->x, NULL }, { "x_length", gm_get(b->all, "x_length"), NULL });
    gm_pack *out = gm_apply(net, in);
    return out ? gm_pack_at(out, 0) : NULL;
}

bool gm__fit_count(gm__fit_sums *s, gm_metric *const *metrics, gm_tensor *y, const gm_batch *b, double loss) {
    int64_t n = gm__fit_batch_size(b->all);
    gm_tensor *target = b->y;
    s->loss += loss * (double)n;
    s->count += n;
    for (int i = 0; y && target && metrics && metrics[i]; i++) gm_metric_update(metrics[i], y, target);
    s->labels = y && target && gm_n_dims(y) == 2 && gm_n_dims(target) == 1 && gm_dtype_of(target) == GM_I64 &&
                gm_size(y, 0) == n && gm_size(target, 0) == n; /* a net may make more or fewer rows of its inputs */
    if (!s->labels || !gm_ok()) return gm_ok();
    GM_NO_GRAD;
    gm_tensor *best = gm_argmax(y, 1, false), *labels = gm_contiguous(target);
    const int64_t *got = best ? gm_data(best) : NULL, *want = labels ? gm_data(labels) : NULL;
    for (int64_t i = 0; got && want && i < n; i++) s->right += got[i] == want[i];
    return gm_ok();
}

gm_metrics gm__fit_metrics(const gm__fit_sums *s) {
    if (!gm_ok() || !s->count) return (gm_metrics){ NAN, NAN, 0 };
    double n = (double)s->count;
    return (gm_metrics){ s->loss / n, s->labels ? (double)s->right / n : NAN, s->count };
}

bool gm_log_metric(const gm_batch *b, const char *name, gm_tensor *value) {
    if (!gm_ok()) return false;
    if (!b || !name || !*name || strlen(name) > 50)
        return gm_fail(GM_ERROR_VALUE, "log_metric: the name \"%.60s\" has to have 1 to 50 bytes",
                       name ? name : "NULL");
    gm__fit_sums *s = b->reserved[0];
    if (s && s->recorded) {
        char text[100];
        snprintf(text, sizeof text, "log %s %lld", name, (long long)s->part);
        return gm_pack_set(s->recorded, text, gm_detach(value));
    }
    double v = gm_item(value);
    if (!s || !gm_ok()) return gm_ok();
    int i = 0;
    while (i < s->n_logged && strcmp(s->logged[i].name, name)) i++;
    if (i == FIT_LOGGED) return gm_fail(GM_ERROR_VALUE, "log_metric: over %d names", FIT_LOGGED);
    if (i == s->n_logged) {
        s->logged[s->n_logged++] = (gm__fit_logged){ .sum = 0 };
        snprintf(s->logged[i].name, sizeof s->logged[i].name, "%s", name);
    }
    s->logged[i].sum += v * s->batch;
    s->logged[i].weight += s->batch;
    return true;
}

/* ---- a batch ---- */

/* Its loss, if there is anything to compute one; *y: the net's output, unless a step has it. */
static gm_tensor *evaluate_loss(const gm__evaluation *e, const gm_batch *b, gm_tensor **y) {
    *y = e->step ? NULL : gm__fit_output(e->net, b);
    gm_tensor *l = !gm_ok()  ? NULL
                   : e->step ? e->step(e->env, e->net, b)
                   : e->loss ? e->loss(*y, b->y)
                             : NULL;
    if (gm_ok() && !l && (e->step || e->loss))
        gm_fail(GM_ERROR_CALLBACK, "evaluate: the step or loss function returned NULL");
    return l;
}

static gm_pack *evaluate_record(void *env, gm_pack *all) {
    gm_pack *results = gm_pack_new();
    gm__fit_sums logged = { .recorded = results };
    gm_batch b = { .all = all };
    gm_tensor *y;
    b.x = gm_pack_has(all, "x") ? gm_get(all, "x") : NULL;
    b.y = gm_pack_has(all, "y") ? gm_get(all, "y") : NULL;
    b.reserved[0] = &logged;
    gm_tensor *l = evaluate_loss(env, &b, &y);
    if (l) gm__results_set(results, "loss", 0, l);
    if (y) gm__results_set(results, "y", 0, y);
    return gm_ok() ? results : NULL;
}

bool gm__evaluation_compile(gm__evaluation *e) {
    e->program = gm_retain(gm_jit(gm_function(evaluate_record, (void *)e)));
    return e->program;
}

/* Loss and output of a batch, by the program if there is one; what is logged goes to the batch's sums. */
static gm_tensor *evaluate_run(const gm__evaluation *e, const gm_batch *b, gm_tensor **y) {
    if (!e->program) return evaluate_loss(e, b, y);
    gm_pack *results = gm_call_pack(e->program, b->all);
    *y = results ? gm__results_get(results, "y", 0) : NULL;
    return results && gm__results_log(b, results, 0) ? gm__results_get(results, "loss", 0) : NULL;
}

static bool evaluate_batch(const gm__evaluation *e, gm_batch *b, const gm_evaluate_args *a, gm__fit_sums *s) {
    gm_tensor *y;
    b->reserved[0] = s;
    s->batch = (double)gm__fit_batch_size(b->all);
    double loss = gm_item(evaluate_run(e, b, &y));
    return gm_ok() && gm__fit_count(s, a->metrics, y, b, loss);
}

/* ---- passes ---- */

bool gm__fit_evaluate(gm__evaluation *e, gm_dataset *d, const gm_evaluate_args *a, gm__fit_sums *s) {
    GM_SCOPE(scope);
    GM_NO_GRAD;
    gm__modes modes = { 0 };
    gm_loader *l = gm_loader_new(d, .batch_size = a->batch_size ? a->batch_size : 256);
    if (!e->loss) e->loss = gm_cross_entropy;
    if (!gm__modes_switch(&modes, e->net, false)) l = NULL;
    if (l) {
        GM_EACH (b, l) evaluate_batch(e, &b, a, s);
    }
    gm__modes_back(&modes);
    return gm_ok();
}

gm_metrics gm_evaluate_with(gm_module *net, gm_dataset *d, const gm_evaluate_args *args) {
    gm_evaluate_args a = { 0 };
    gm__fit_sums sums = { 0 };
    if (!gm_ok() || !gm__args_take("evaluate", &a, sizeof a, args)) return gm__fit_metrics(&sums);
    GM_SCOPE(s);
    gm__evaluation e = { .net = net, .loss = a.loss };
    if (!a.compile || gm__evaluation_compile(&e)) gm__fit_evaluate(&e, d, &a, &sums);
    gm_release(e.program);
    return gm__fit_metrics(&sums);
}

gm_tensor *gm_predict(gm_module *net, gm_tensor *x) {
    if (!gm_ok()) return NULL;
    GM_NO_GRAD;
    gm__modes modes = { 0 };
    gm_tensor *y = gm__modes_switch(&modes, net, false) ? gm_forward(net, x) : NULL;
    gm__modes_back(&modes);
    return gm_ok() ? y : NULL;
}

/* Outputs of batches are kept in a growing list and joined at the end. */
typedef struct { gm_tensor **at; int64_t n, capacity; } evaluate_list;

static bool evaluate_add(evaluate_list *l, gm_tensor *y) {
    if (!gm__grow(&l->at, l->n, &l->capacity, sizeof *l->at)) return false;
    l->at[l->n++] = gm_retain(y);
    return true;
}

gm_tensor *gm_predict_all(gm_module *net, gm_dataset *d, int32_t batch_size) {
    return gm_predict_all_with(net, d, &(gm_predict_args){ .size = sizeof(gm_predict_args), .batch_size = batch_size });
}

gm_tensor *gm_predict_all_with(gm_module *net, gm_dataset *d, const gm_predict_args *args) {
    gm_predict_args a = { 0 };
    if (!gm_ok() || !gm__args_take("predict_all", &a, sizeof a, args)) return NULL;
    GM_NO_GRAD;
    gm_scope s = gm_scope_open();
    evaluate_list l = { 0 };
    gm__evaluation e = { .net = net };
    gm__modes modes = { 0 };
    gm_loader *loader = gm_loader_new(d, .batch_size = a.batch_size ? a.batch_size : 256);
    if (a.compile) gm__evaluation_compile(&e);
    if (loader && gm__modes_switch(&modes, net, false)) {
        GM_EACH (b, loader) {
            gm_tensor *y;
            evaluate_run(&e, &b, &y);
            if (y && gm_ok()) evaluate_add(&l, y);
        }
    }
    gm__modes_back(&modes);
    if (gm_ok() && !l.n) gm_fail(GM_ERROR_VALUE, "predict_all: the data set is empty");
    gm_tensor *all = gm_ok() ? gm_concat(l.at, (int)l.n, 0) : NULL;
    for (int64_t i = 0; i < l.n; i++) gm_release(l.at[i]);
    gm_free(l.at);
    gm_release(e.program);
    return gm_return(&s, all);
}
