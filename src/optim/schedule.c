/* schedule.c: schedules: a factor of the learning rate as a function of a count.
 *
 * All but the plateau are functions of t alone; the plateau folds what it was told into its state. pow and cos are the
 * library's own operations on 0-d f64 tensors, so that rates have the same bits everywhere. */
#include "../math/fp.h"
#include "../base/args.h"
#include "optimizer.h"
#include "gemel/autograd.h"
#include "gemel/ops.h"
#include "gemel/schedule.h"

#include <math.h>
#include <string.h>

enum { SCHEDULE_MAX_MILESTONES = 64, SCHEDULE_STATE = 6 };
/* The places of the state: the count; of plateaus the factor, the best measure, the counts since, the wait left. */
enum { SCHEDULE_T, SCHEDULE_FACTOR, SCHEDULE_BEST, SCHEDULE_BAD, SCHEDULE_WAIT };

struct gm_schedule {
    gm_object o;
    double (*at)(const gm_schedule *s, int64_t t);
    int64_t counts[2], n; /* periods, milestones */
    int64_t *milestones;
    double number[4];
    bool flag, plateau;
    gm_schedule *then;
    gm_tensor *state; /* f64 [6] */
};

static void schedule_destroy(void *object) {
    gm_schedule *s = object;
    gm_free(s->milestones);
    gm_release(s->then);
    gm_release(s->state);
}

static const gm_type schedule_type = { "schedule", sizeof(gm_schedule), schedule_destroy };

static bool schedule_check(const gm_schedule *s, const char *op) {
    return gm_ok() && gm_check_object(s, &schedule_type, op, 1);
}

static gm_schedule *schedule_new(double (*at)(const gm_schedule *s, int64_t t)) {
    if (!gm_ok()) return NULL;
    gm_scope scope = gm_scope_open();
    gm_schedule *s = gm_object_new(&schedule_type);
    double begin[SCHEDULE_STATE] = { 0, 1 };
    if (s) s->at = at, s->state = gm_retain(gm_from_data(GM_SHAPE(SCHEDULE_STATE), GM_F64, begin));
    return gm_return(&scope, gm_ok() ? s : NULL);
}

/* ---- functions of the library ---- */

static double schedule_power(double x, double exponent) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    return gm_item(gm_pow_scalar(gm_scalar(x, GM_F64), exponent));
}

/* (1 + cos(pi x)) / 2: from 1 at 0 to 0 at 1. */
static double schedule_half_cosine(double x) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    return 0.5 * (1 + gm_item(gm_cos(gm_scalar(3.14159265358979323846 * x, GM_F64))));
}

static bool schedule_positive(const char *op, const char *what, double value) {
    if (value > 0 && value < INFINITY) return true;
    return gm_fail(GM_ERROR_VALUE, "%s: %s is %g, wanted a positive number", op, what, value);
}

/* ---- step, multistep, exponential, polynomial ---- */

static double schedule_at_step(const gm_schedule *s, int64_t t) {
    return schedule_power(s->number[0], (double)(t / s->counts[0]));
}

gm_schedule *gm_schedule_step(int64_t every, double gamma) {
    if (!gm_ok() || !schedule_positive("schedule_step", "every", (double)every) ||
        !schedule_positive("schedule_step", "gamma", gamma))
        return NULL;
    gm_schedule *s = schedule_new(schedule_at_step);
    if (s) s->counts[0] = every, s->number[0] = gamma;
    return s;
}

static double schedule_at_multistep(const gm_schedule *s, int64_t t) {
    int64_t passed = 0;
    while (passed < s->n && t >= s->milestones[passed]) passed++;
    return schedule_power(s->number[0], (double)passed);
}

gm_schedule *gm_schedule_multistep(const int64_t *milestones, int64_t n, double gamma) {
    if (!gm_ok() || !schedule_positive("schedule_multistep", "gamma", gamma)) return NULL;
    for (int64_t i = 0; i < n; i++)
        if (milestones[i] < (i ? milestones[i - 1] : 0))
            return gm_fail(GM_ERROR_VALUE, "schedule_multistep: milestone %lld is %lld: they ascend from 0",
                           (long long)i, (long long)milestones[i]),
                   NULL;
    gm_schedule *s = schedule_new(schedule_at_multistep);
    int64_t *copy = s ? gm_alloc((size_t)(n > 0 ? n : 1) * sizeof *copy) : NULL;
    if (!copy) return NULL;
    if (n > 0) memcpy(copy, milestones, (size_t)n * sizeof *copy);
    s->milestones = copy, s->n = n, s->number[0] = gamma;
    return s;
}

static double schedule_at_exponential(const gm_schedule *s, int64_t t) {
    return schedule_power(s->number[0], (double)t);
}

gm_schedule *gm_schedule_exponential(double gamma) {
    if (!gm_ok() || !schedule_positive("schedule_exponential", "gamma", gamma)) return NULL;
    gm_schedule *s = schedule_new(schedule_at_exponential);
    if (s) s->number[0] = gamma;
    return s;
}

static double schedule_at_polynomial(const gm_schedule *s, int64_t t) {
    return t >= s->counts[0] ? 0 : schedule_power(1 - (double)t / (double)s->counts[0], s->number[0]);
}

gm_schedule *gm_schedule_polynomial(int64_t total, double power) {
    if (!gm_ok() || !schedule_positive("schedule_polynomial", "total", (double)total) ||
        !schedule_positive("schedule_polynomial", "power", power))
        return NULL;
    gm_schedule *s = schedule_new(schedule_at_polynomial);
    if (s) s->counts[0] = total, s->number[0] = power;
    return s;
}

/* ---- cosine, one-cycle, warm-up ---- */

static double schedule_at_cosine(const gm_schedule *s, int64_t t) {
    int64_t period = s->counts[0];
    while (s->flag && t >= period) {
        if (s->counts[1] == 1) t %= period;
        else t -= period, period *= s->counts[1];
    }
    double part = t >= period ? 1 : (double)t / (double)period, range = 1 - s->number[0];
    return s->number[0] + range * schedule_half_cosine(part);
}

gm_schedule *gm_schedule_cosine_with(int64_t period, const gm_schedule_cosine_args *args) {
    gm_schedule_cosine_args a = { 0 };
    if (!gm_ok() || !gm__args_take("schedule_cosine", &a, sizeof a, args)) return NULL;
    if (!schedule_positive("schedule_cosine", "period", (double)period)) return NULL;
    if (!(a.least >= 0 && a.least <= 1) || a.grow < 0 || a.grow > 1000 || period > (int64_t)1 << 40)
        return gm_fail(GM_ERROR_VALUE, "schedule_cosine: period %lld, least %g, grow %lld", (long long)period, a.least,
                       (long long)a.grow),
               NULL;
    gm_schedule *s = schedule_new(schedule_at_cosine);
    if (s) s->counts[0] = period, s->counts[1] = a.grow ? a.grow : 1, s->number[0] = a.least, s->flag = a.restarts;
    return s;
}

static double schedule_at_one_cycle(const gm_schedule *s, int64_t t) {
    double total = (double)s->counts[0], top = s->number[0] * total - 1, last = total - 1;
    double low = 1 / s->number[1], end = low / s->number[2], at = (double)t;
    if (at > last) at = last;
    bool up = at <= top;
    double from = up ? low : 1, to = up ? 1 : end, part = up ? at / top : (at - top) / (last - top), range = from - to;
    if (up && !(top > 0)) return 1;
    return s->flag ? from - range * part : to + range * schedule_half_cosine(part);
}

gm_schedule *gm_schedule_one_cycle_with(int64_t total, const gm_schedule_one_cycle_args *args) {
    gm_schedule_one_cycle_args a = { 0 };
    if (!gm_ok() || !gm__args_take("schedule_one_cycle", &a, sizeof a, args)) return NULL;
    if (a.warm == 0) a.warm = 0.3;
    if (a.div == 0) a.div = 25;
    if (a.final_div == 0) a.final_div = 1e4;
    if (total < 2 || !(a.warm > 0 && a.warm < 1) || !(a.div > 0 && a.div < INFINITY) ||
        !(a.final_div > 0 && a.final_div < INFINITY))
        return gm_fail(GM_ERROR_VALUE, "schedule_one_cycle: total %lld, warm %g, div %g, final_div %g",
                       (long long)total, a.warm, a.div, a.final_div),
               NULL;
    gm_schedule *s = schedule_new(schedule_at_one_cycle);
    if (!s) return NULL;
    s->counts[0] = total, s->flag = a.linear;
    s->number[0] = a.warm, s->number[1] = a.div, s->number[2] = a.final_div;
    return s;
}

static double schedule_at_warmup(const gm_schedule *s, int64_t t) {
    double rise = 1 - s->number[0];
    if (t < s->counts[0]) return s->number[0] + rise * ((double)t / (double)s->counts[0]);
    return s->then ? s->then->at(s->then, t - s->counts[0]) : 1;
}

gm_schedule *gm_schedule_warmup(int64_t counts, double start, gm_schedule *then) {
    if (!gm_ok() || (then && !gm_check_object(then, &schedule_type, "schedule_warmup", 3))) return NULL;
    if (counts < 0 || !(start >= 0 && start <= 1))
        return gm_fail(GM_ERROR_VALUE, "schedule_warmup: %lld counts from %g", (long long)counts, start), NULL;
    gm_schedule *s = schedule_new(schedule_at_warmup);
    if (!s) return NULL;
    s->counts[0] = counts, s->number[0] = start, s->then = gm_retain(then);
    if (then) gm_set(&s->state, then->state); /* one state for both: counts are the outer one's */
    return s;
}

/* ---- plateau ---- */

static double schedule_state_at(const gm_schedule *s, int place) {
    const double *state = gm_data(s->state);
    return state ? state[place] : NAN;
}

static double schedule_at_plateau(const gm_schedule *s, int64_t t) {
    (void)t;
    return schedule_state_at(s, SCHEDULE_FACTOR);
}

gm_schedule *gm_schedule_plateau_with(const gm_schedule_plateau_args *args) {
    gm_schedule_plateau_args a = { 0 };
    if (!gm_ok() || !gm__args_take("schedule_plateau", &a, sizeof a, args)) return NULL;
    if (a.factor == 0) a.factor = 0.1;
    double threshold = gm__real_or(a.threshold, 1e-4);
    int64_t patience = a.patience.set ? a.patience.v : 10;
    if (!(a.factor > 0 && a.factor < 1) || !(a.least >= 0 && a.least <= 1) || !(threshold >= 0) || patience < 0 ||
        a.cooldown < 0)
        return gm_fail(GM_ERROR_VALUE,
                       "schedule_plateau: factor %g, least %g, threshold %g, patience %lld, cooldown "
                       "%lld",
                       a.factor, a.least, threshold, (long long)patience, (long long)a.cooldown),
               NULL;
    gm_schedule *s = schedule_new(schedule_at_plateau);
    if (!s) return NULL;
    s->plateau = true, s->flag = a.maximize, s->counts[0] = patience, s->counts[1] = a.cooldown;
    s->number[0] = a.factor, s->number[1] = a.least, s->number[2] = threshold;
    double *state = gm_mutable_data(s->state);
    if (state) state[SCHEDULE_BEST] = a.maximize ? -INFINITY : INFINITY;
    return s;
}

static void schedule_observe(const gm_schedule *s, double *state, double measure) {
    double best = state[SCHEDULE_BEST], margin = s->number[2] * fabs(best);
    if (isinf(best)) margin = 0;
    bool better = s->flag ? measure > best + margin : measure < best - margin;
    if (better) state[SCHEDULE_BEST] = measure, state[SCHEDULE_BAD] = 0;
    else state[SCHEDULE_BAD] += 1;
    if (state[SCHEDULE_WAIT] > 0) state[SCHEDULE_WAIT] -= 1, state[SCHEDULE_BAD] = 0;
    if (state[SCHEDULE_BAD] <= (double)s->counts[0]) return;
    double lower = state[SCHEDULE_FACTOR] * s->number[0];
    state[SCHEDULE_FACTOR] = lower > s->number[1] ? lower : s->number[1];
    state[SCHEDULE_WAIT] = (double)s->counts[1], state[SCHEDULE_BAD] = 0;
}

/* ---- using ---- */

double gm_schedule_at(const gm_schedule *s, int64_t t) {
    if (!schedule_check(s, "schedule_at")) return NAN;
    if (t < 0) return gm_fail(GM_ERROR_VALUE, "schedule_at: a count of %lld", (long long)t), NAN;
    return s->at(s, t);
}

bool gm_schedule_apply(gm_schedule *s, gm_optimizer *o) {
    if (!schedule_check(s, "schedule_apply")) return false;
    return gm_scale_learning_rate(o, s->at(s, (int64_t)schedule_state_at(s, SCHEDULE_T)));
}

/* The plateau in s or behind its warm-ups, NULL if there is none; *t: from s's count to its own. */
static const gm_schedule *schedule_plateau_in(const gm_schedule *s, int64_t *t) {
    for (; s && !s->plateau; s = s->then) *t -= s->then ? s->counts[0] : 0;
    return s;
}

bool gm_schedule_wants_measure(const gm_schedule *s) {
    int64_t t = 0;
    return schedule_check(s, "schedule_wants_measure") && schedule_plateau_in(s, &t);
}

bool gm_schedule_advance(gm_schedule *s, gm_optimizer *o, double measure) {
    if (!schedule_check(s, "schedule_advance")) return false;
    double *state = gm_mutable_data(s->state);
    if (!state) return false;
    state[SCHEDULE_T] += 1;
    int64_t t = (int64_t)state[SCHEDULE_T];
    const gm_schedule *plateau = schedule_plateau_in(s, &t);
    if (plateau && t > 0) schedule_observe(plateau, state, measure);
    return gm_schedule_apply(s, o);
}

gm_tensor *gm_schedule_state(gm_schedule *s) { return schedule_check(s, "schedule_state") ? s->state : NULL; }

bool gm_load_schedule_state(gm_schedule *s, gm_tensor *state) {
    if (!schedule_check(s, "load_schedule_state")) return false;
    if (gm_dtype_of(state) != GM_F64) return gm_fail(GM_ERROR_DTYPE, "load_schedule_state: the state is f64");
    if (gm_n_dims(state) != 1 || gm_size(state, 0) != SCHEDULE_STATE)
        return gm_fail(GM_ERROR_SHAPE, "load_schedule_state: the state is [%d]", SCHEDULE_STATE);
    return gm_assign(s->state, state);
}
