/* recipe.c: the flags of `gemel train` that say how to train.
 *
 * Schedules are told in epochs and counted in steps, so that they are smooth; a plateau looks at a number that an epoch
 * ends with and counts epochs. */
#include "recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const optimizer_names[] = { "sgd",      "adam", "adamw", "adagrad",   "rmsprop",
                                               "adadelta", "lamb", "lion",  "adafactor", NULL };
enum { BY_SGD = 0, BY_RMSPROP = 4 };

static const char *const schedule_names[] = { "constant",    "step",       "multistep", "exponential", "cosine",
                                              "restarts",    "one-cycle",  "polynomial", "plateau",    NULL };
enum { CONSTANT, STEP, MULTISTEP, EXPONENTIAL, COSINE, RESTARTS, ONE_CYCLE, POLYNOMIAL, PLATEAU };

/* ---- reading ---- */

static void read_milestones(recipe *r, cli_args *args) {
    const char *text = cli_text(args, "milestones", ""), *at = text;
    char *end;
    for (; *at && r->n_milestones < 32; at = *end == ',' ? end + 1 : end) {
        long long epoch = strtoll(at, &end, 10), last = r->n_milestones ? r->milestones[r->n_milestones - 1] : 0;
        if (end == at || (*end && *end != ',') || epoch <= last || epoch > 1000000) break;
        r->milestones[r->n_milestones++] = epoch;
    }
    if (!*at) return;
    cli_usage(args, "--milestones: \"%s\" is not a list of epochs that ascend, such as 30,60,80", text);
    args->bad = true;
}

/* A flag that nothing would look at is a mistake of the one who gave it. */
static void is_for(cli_args *args, const char *flag, bool used, const char *what) {
    if (used || !cli_text(args, flag, NULL)) return;
    cli_usage(args, "--%s is for %s", flag, what);
    args->bad = true;
}

/* Numbers that are possible, each by itself, but not together. */
static bool fit_together(const recipe *r, const cli_args *args) {
    if (r->schedule == MULTISTEP && !r->n_milestones)
        return cli_usage(args, "--schedule multistep needs --milestones N,N..."), false;
    if (r->min_lr > r->lr) return cli_usage(args, "--min-lr %g is above --lr %g", r->min_lr, r->lr), false;
    if (r->warmup_epochs > r->epochs)
        return cli_usage(args, "--warmup-epochs %g is above --epochs %d", r->warmup_epochs, r->epochs), false;
    if (r->nesterov && r->momentum == 0) return cli_usage(args, "--nesterov needs a --momentum above 0"), false;
    if (r->accumulate & (r->accumulate - 1) || r->batch_size % r->accumulate)
        return cli_usage(args, "--accumulate: %d is not a power of two that divides --batch-size %d", r->accumulate,
                         r->batch_size),
               false;
    return true;
}

static void check_uses(const recipe *r, cli_args *args) {
    int s = r->schedule;
    is_for(args, "momentum", r->optimizer == BY_SGD || r->optimizer == BY_RMSPROP, "--optimizer sgd and rmsprop");
    is_for(args, "nesterov", r->optimizer == BY_SGD, "--optimizer sgd");
    is_for(args, "step-size", s == STEP || s == RESTARTS, "--schedule step and restarts");
    is_for(args, "milestones", s == MULTISTEP, "--schedule multistep");
    is_for(args, "gamma", s == STEP || s == MULTISTEP || s == EXPONENTIAL || s == PLATEAU,
           "--schedule step, multistep, exponential and plateau");
    is_for(args, "min-lr", s == COSINE || s == RESTARTS || s == PLATEAU, "--schedule cosine, restarts and plateau");
    is_for(args, "power", s == POLYNOMIAL, "--schedule polynomial");
    is_for(args, "warmup-epochs", s != ONE_CYCLE, "other schedules: one-cycle has its own");
    is_for(args, "swa", !cli_text(args, "ema", NULL), "runs without --ema");
}

static void read_schedule(recipe *r, cli_args *args) {
    static const double gammas[] = { 1, 0.1, 0.1, 0.9, 1, 1, 1, 1, 0.1 };
    r->schedule = cli_choice(args, "schedule", schedule_names, CONSTANT);
    r->warmup_epochs = cli_real(args, "warmup-epochs", 0, 0, 1e6);
    r->step_size = cli_int(args, "step-size", r->schedule == RESTARTS ? 10 : 30, 1, 1000000);
    r->gamma = (r->schedule == PLATEAU ? cli_real_below : cli_real)(
        args, "gamma", r->schedule < 0 ? 1 : gammas[r->schedule], 1e-9, 1);
    r->min_lr = cli_real(args, "min-lr", 0, 0, 1e9);
    r->power = cli_real(args, "power", 1, 1e-3, 100);
    read_milestones(r, args);
}

static double smoothing;

bool recipe_read(recipe *r, cli_args *args) {
    *r = (recipe){ .optimizer = cli_choice(args, "optimizer", optimizer_names, 2) };
    r->epochs = (int32_t)cli_int(args, "epochs", 1, 1, 1000000);
    r->batch_size = (int32_t)cli_int(args, "batch-size", 64, 1, 1 << 24);
    r->accumulate = (int32_t)cli_int(args, "accumulate", 1, 1, 1 << 20);
    r->patience = (int32_t)cli_int(args, "patience", 0, 1, 1000000);
    r->seed = (uint64_t)cli_int(args, "seed", 0, 0, INT64_MAX);
    r->lr = cli_real(args, "lr", 1e-3, 0, 1e9);
    r->momentum = cli_real_below(args, "momentum", NAN, 0, 1);
    r->weight_decay = cli_real(args, "weight-decay", NAN, 0, 1e9);
    r->clip_norm = cli_real(args, "clip", 0, 0, 1e30);
    r->clip_value = cli_real(args, "clip-value", 0, 0, 1e30);
    smoothing = cli_real(args, "label-smoothing", 0, 0, 1);
    r->ema = cli_real_below(args, "ema", NAN, 0, 1);
    r->split = cli_real(args, "val-split", 0, 0, 0.99);
    r->nesterov = cli_on(args, "nesterov");
    r->swa = cli_on(args, "swa");
    r->keep_best = cli_on(args, "keep-best");
    read_schedule(r, args);
    if (!args->bad) check_uses(r, args);
    return !args->bad && fit_together(r, args);
}

/* ---- making ---- */

static gm_optimizer *new_optimizer(const recipe *r, gm_module *net) {
    switch (r->optimizer) {
    case BY_SGD: return gm_sgd(net, r->lr, .momentum = isnan(r->momentum) ? 0.9 : r->momentum, .nesterov = r->nesterov);
    case 1: return gm_adam(net, r->lr);
    case 3: return gm_adagrad(net, r->lr);
    case BY_RMSPROP: return gm_rmsprop(net, r->lr, .momentum = isnan(r->momentum) ? 0 : r->momentum);
    case 5: return gm_adadelta(net, r->lr);
    case 6: return gm_lamb(net, r->lr);
    case 7: return gm_lion(net, r->lr);
    case 8: return gm_adafactor(net, r->lr);
    default: return gm_adamw(net, r->lr);
    }
}

gm_optimizer *recipe_optimizer(const recipe *r, gm_module *net) {
    gm_optimizer *o = new_optimizer(r, net);
    if (!isnan(r->weight_decay)) gm_set_hyper(o, -1, "weight_decay", r->weight_decay);
    return gm_ok() ? o : NULL;
}

/* `epochs` are those after the warm-up. Whole, at least 1: a net that is resumed for nothing more has none left. */
static gm_schedule *main_schedule(const recipe *r, int64_t steps, int64_t total) {
    int64_t milestones[32];
    for (int i = 0; i < r->n_milestones; i++) milestones[i] = r->milestones[i] * steps;
    double least = r->lr > 0 ? fmin(r->min_lr / r->lr, 1) : 0;
    switch (r->schedule) {
    case STEP: return gm_schedule_step(r->step_size * steps, r->gamma);
    case MULTISTEP: return gm_schedule_multistep(milestones, r->n_milestones, r->gamma);
    case EXPONENTIAL: return gm_schedule_step(steps, r->gamma);
    case COSINE: return gm_schedule_cosine(total, .least = least);
    case RESTARTS: return gm_schedule_cosine(r->step_size * steps, .least = least, .restarts = 1);
    case ONE_CYCLE: return gm_schedule_one_cycle(total);
    case POLYNOMIAL: return gm_schedule_polynomial(total, r->power);
    case PLATEAU: return gm_schedule_plateau(.factor = r->gamma, .least = least);
    default: return NULL;
    }
}

gm_schedule *recipe_schedule(const recipe *r, int64_t steps, bool *by_steps) {
    *by_steps = r->schedule != PLATEAU;
    if (!gm_ok() || (r->schedule == CONSTANT && !(r->warmup_epochs > 0))) return NULL;
    if (!*by_steps) steps = 1;
    int64_t warm = (int64_t)ceil(r->warmup_epochs * (double)steps), total = r->epochs * steps - warm;
    gm_schedule *s = main_schedule(r, steps, total > 2 ? total : 2);
    return warm > 0 && gm_ok() ? gm_schedule_warmup(warm, 0, s) : s;
}

gm_average *recipe_average(const recipe *r, gm_module *net) {
    if (!isnan(r->ema)) return gm_average_new(net, .decay = GM_REAL(r->ema));
    return r->swa ? gm_average_new(net) : NULL;
}

gm_tensor *recipe_loss(gm_tensor *y, gm_tensor *target) {
    return gm_cross_entropy(y, target, .label_smoothing = smoothing);
}

/* ---- the split ---- */

/* Example i is held out where i times the part passes a whole number: evenly, so that a set sorted by class gives up as
 * many of each. */
static int64_t *split_indices(double part, int64_t n, bool held, int64_t *count) {
    int64_t *index = malloc((size_t)(n > 0 ? n : 1) * sizeof *index);
    *count = 0;
    for (int64_t i = 0; index && i < n; i++)
        if ((floor((double)(i + 1) * part) > floor((double)i * part)) == held) index[(*count)++] = i;
    if (!index) gm_fail(GM_ERROR_MEMORY, "train: no memory for %lld indices", (long long)n);
    else if (!*count) gm_fail(GM_ERROR_VALUE, "train: a val-split of %g of %lld examples leaves one part empty", part,
                              (long long)n);
    return index;
}

typedef struct { gm_dataset *d; int64_t *index, n; } picked;
static int64_t picked_count(void *env) { return ((picked *)env)->n; }
static gm_pack *picked_get(void *env, int64_t i) {
    picked *p = env;
    return gm_dataset_get(p->d, 0, p->index[i]);
}
static void picked_free(void *env) {
    picked *p = env;
    gm_release(p->d);
    free(p->index);
    free(p);
}

/* Tensors in memory stay that; anything else is asked for element by element. */
static gm_dataset *pick(gm_dataset *d, int64_t *index, int64_t n) {
    gm_tensor *x = gm_dataset_x(d);
    if (!x) gm_error_clear();
    if (x) {
        gm_tensor *at = gm_from_data(GM_SHAPE(n), GM_I64, index);
        free(index);
        return gm_dataset_of(gm_index_select(x, 0, at), gm_index_select(gm_dataset_y(d), 0, at));
    }
    picked *p = malloc(sizeof *p);
    if (!p) return free(index), gm_fail(GM_ERROR_MEMORY, "train: no memory"), NULL;
    *p = (picked){ gm_retain(d), index, n };
    return gm_dataset_custom(picked_count, picked_get, p, picked_free);
}

static void copy_description(gm_dataset *to, gm_dataset *from) {
    double mean, std;
    gm_dataset_scaling(from, &mean, &std);
    gm_dataset_set_scaling(to, mean, std);
    if (gm_n_classes(from) > 0) gm_dataset_set_classes(to, gm_dataset_classes(from));
}

gm_dataset *recipe_split(const recipe *r, gm_dataset *d, bool held) {
    int64_t n = gm_dataset_count(d), count;
    if (!gm_ok()) return NULL;
    if (n < 0 || n == INT64_MAX)
        return gm_fail(GM_ERROR_VALUE, "train: --val-split needs data whose number of examples is known"), NULL;
    int64_t *index = split_indices(r->split, n, held, &count);
    if (!gm_ok()) return free(index), NULL;
    gm_dataset *part = pick(d, index, count);
    copy_description(part, d);
    return gm_ok() ? part : NULL;
}
