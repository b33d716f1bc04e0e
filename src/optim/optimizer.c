/* optimizer.c: optimizers: classes of rules over the parameters of a net.
 *
 * What one parameter's step does is its class's (rules/), this file keeps parameters, states and hyper-parameters. All
 * gradients are looked at before the first parameter changes, so that a step happens whole or not at all. */
#include "../math/fp.h"
#include "optimizer.h"
#include "gemel/autograd.h"
#include "gemel/graph.h"
#include "gemel/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void optim_free_slot(gm__optim_slot *s) {
    gm_free(s->name);
    gm_release(s->p);
    gm_release(s->step);
    gm_release(s->ready);
    gm_release(s->rows);
    for (int i = 0; i < GM_OPTIMIZER_MAX_STATES; i++) gm_release(s->state[i]);
    for (int i = 0; i < OPTIM_MAX_LEVELS; i++) gm_release(s->aside[i]);
}

static void optim_destroy(void *object) {
    gm_optimizer *o = object;
    for (int64_t i = 0; o->slots && i < o->n; i++) optim_free_slot(&o->slots[i]);
    for (int64_t i = 0; i < o->n_groups; i++)
        for (int k = 0; k <= o->n_hyper; k++) gm_release(o->groups[i].hyper[k]);
    gm_release(o->steps);
    gm_free(o->groups);
    gm_free(o->slots);
}

static const gm_type optim_type = { "optimizer", sizeof(gm_optimizer), optim_destroy };

bool gm__optim_check(const gm_optimizer *o, const char *op) {
    return gm_ok() && gm_check_object(o, &optim_type, op, 1);
}

/* ---- hyper-parameters ---- */

static bool optim_in_range(const gm_optimizer *o, const char *op, int k, double value) {
    const gm_hyper_kind *h = &o->class.hypers[k < o->n_hyper ? k : 0];
    if (value >= h->low && value < h->high) return true;
    return gm_fail(GM_ERROR_VALUE, "%s: %s is %g, wanted %g <= %s < %g", op, h->name, value, h->low, h->name, h->high);
}

/* The number of a hyper-parameter; n_hyper for "initial_lr". -1 after an INDEX error. */
static int optim_find(const gm_optimizer *o, const char *op, const char *name) {
    char names[256];
    size_t at = 0;
    for (int k = 0; k < o->n_hyper; k++) {
        if (name && !strcmp(name, o->class.hypers[k].name)) return k;
        if (at < sizeof names)
            at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", k ? ", " : "", o->class.hypers[k].name);
    }
    if (name && !strcmp(name, "initial_lr")) return o->n_hyper;
    gm_fail(GM_ERROR_INDEX, "%s: %s has no \"%s\"; it has %s", op, o->class.name, name ? name : "NULL", names);
    return -1;
}

static void optim_hypers(const gm_optimizer *o, int64_t group, double *hyper) {
    for (int k = 0; k < o->n_hyper; k++) hyper[k] = gm_item(o->groups[group].hyper[k]);
}

static bool optim_put(gm_tensor *scalar, double value) {
    if (gm_is_recording())
        return gm_fail(GM_ERROR_STATE, "set_hyper: hyper-parameters change between calls of a recorded function, not "
                                       "inside of it");
    double *at = gm_mutable_data(scalar);
    if (at) *at = value;
    return at != NULL;
}

/* The states that these hyper-parameters ask for and that the slot does not have yet. */
static bool optim_make_states(gm_optimizer *o, gm__optim_slot *slot) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    double hyper[GM_OPTIMIZER_MAX_HYPERS];
    optim_hypers(o, slot->group, hyper);
    for (int i = 0; gm_ok() && i < o->n_state; i++) {
        if (slot->state[i]) continue;
        gm_tensor *t = o->class.new_state ? o->class.new_state(i, slot->p, hyper) : gm_zeros_like(slot->p);
        slot->state[i] = gm_retain(t);
    }
    return gm_ok();
}

double gm_hyper(const gm_optimizer *o, int group, const char *name) {
    if (!gm__optim_check(o, "hyper")) return NAN;
    int k = optim_find(o, "hyper", name);
    if (k < 0) return NAN;
    if (group < 0 || group >= o->n_groups)
        return gm_fail(GM_ERROR_INDEX, "hyper: group %d of %lld", group, (long long)o->n_groups), NAN;
    return gm_item(o->groups[group].hyper[k]);
}

bool gm_set_hyper(gm_optimizer *o, int group, const char *name, double value) {
    if (!gm__optim_check(o, "set_hyper")) return false;
    int k = optim_find(o, "set_hyper", name);
    if (k < 0 || !optim_in_range(o, "set_hyper", k, value)) return false;
    if (group < -1 || group >= o->n_groups)
        return gm_fail(GM_ERROR_INDEX, "set_hyper: group %d of %lld", group, (long long)o->n_groups);
    for (int64_t i = 0; i < o->n_groups; i++) {
        if (group >= 0 && i != group) continue;
        optim_put(o->groups[i].hyper[k], value);
        if (!k) optim_put(o->groups[i].hyper[o->n_hyper], value);
    }
    for (int64_t i = 0; i < o->n; i++)
        if ((group < 0 || o->slots[i].group == group) && !optim_make_states(o, &o->slots[i])) return false;
    return gm_ok();
}

double gm_learning_rate(const gm_optimizer *o) {
    return gm__optim_check(o, "learning_rate") ? gm_item(o->groups[0].hyper[0]) : NAN;
}

bool gm_set_learning_rate(gm_optimizer *o, double lr) {
    if (!gm__optim_check(o, "set_learning_rate") || !optim_in_range(o, "set_learning_rate", 0, lr)) return false;
    return gm_set_hyper(o, -1, o->class.hypers[0].name, lr);
}

bool gm_scale_learning_rate(gm_optimizer *o, double factor) {
    if (!gm__optim_check(o, "scale_learning_rate")) return false;
    if (!(factor >= 0 && factor < INFINITY))
        return gm_fail(GM_ERROR_VALUE, "scale_learning_rate: a factor of %g", factor);
    for (int64_t i = 0; i < o->n_groups; i++)
        optim_put(o->groups[i].hyper[0], gm_item(o->groups[i].hyper[o->n_hyper]) * factor);
    return gm_ok();
}

/* ---- making ---- */

/* A group whose tensors have these values; `hyper` has n_hyper of them. */
static bool optim_add_group(gm_optimizer *o, const double *hyper, double initial_lr) {
    if (o->n_groups == OPTIM_MAX_GROUPS)
        return gm_fail(GM_ERROR_VALUE, "optimizer_group: over %d groups", OPTIM_MAX_GROUPS);
    GM_SCOPE(s);
    gm__optim_group *g = &o->groups[o->n_groups++];
    for (int k = 0; k <= o->n_hyper; k++)
        g->hyper[k] = gm_retain(gm_scalar(k < o->n_hyper ? hyper[k] : initial_lr, GM_F64));
    return gm_ok();
}

static bool optim_take(gm_optimizer *o, gm_pack *parameters) {
    const char *op = o->class.name;
    o->n = gm_pack_count(parameters);
    o->slots = gm_alloc((size_t)(o->n > 0 ? o->n : 1) * sizeof *o->slots);
    for (int64_t i = 0; o->slots && i < o->n; i++) {
        gm__optim_slot *slot = &o->slots[i];
        gm_tensor *p = gm_pack_at(parameters, i);
        gm_dtype dtype = gm_dtype_of(p);
        if (dtype != GM_F32 && dtype != GM_F64)
            return gm_fail(GM_ERROR_DTYPE, "%s: \"%s\" is %s; parameters are f32 or f64", op,
                           gm_pack_name(parameters, i), gm_dtype_name(dtype));
        if (!gm_is_contiguous(p))
            return gm_fail(GM_ERROR_STATE, "%s: \"%s\" is not contiguous", op, gm_pack_name(parameters, i));
        slot->p = gm_retain(p);
        slot->name = gm_strdup(gm_pack_name(parameters, i));
        double begin[1 + OPTIM_MAX_POWERS] = { 0, 1, 1 };
        slot->step = gm_retain(gm_from_data(GM_SHAPE(1 + o->n_power), GM_F64, begin));
        if (!optim_make_states(o, slot)) return false;
    }
    return gm_ok();
}

static bool optim_take_class(gm_optimizer *o, const gm_optimizer_class *c) {
    memcpy(&o->class, c, c->size < sizeof o->class ? c->size : sizeof o->class);
    for (const gm_hyper_kind *h = c->hypers; h->name; h++) {
        if (o->n_hyper == GM_OPTIMIZER_MAX_HYPERS || (h->power && o->n_power == OPTIM_MAX_POWERS))
            return gm_fail(GM_ERROR_VALUE, "optimizer_new: %s has over %d hyper-parameters or %d powers", c->name,
                           GM_OPTIMIZER_MAX_HYPERS, OPTIM_MAX_POWERS);
        if (h->power) o->power[o->n_power++] = o->n_hyper;
        o->n_hyper++;
    }
    while (c->states && c->states[o->n_state]) o->n_state++;
    if (o->n_state <= GM_OPTIMIZER_MAX_STATES && o->n_hyper) return true;
    return gm_fail(GM_ERROR_VALUE, "optimizer_new: %s has %d states and %d hyper-parameters", c->name, o->n_state,
                   o->n_hyper);
}

gm_optimizer *gm_optimizer_new(const gm_optimizer_class *c, gm_module *net, const double *hyper) {
    if (!gm_ok()) return NULL;
    if (!c || !c->size || !c->name || !c->hypers || !c->update || !hyper)
        return gm_fail(GM_ERROR_VALUE, "optimizer_new: a class needs size, name, hypers and update"), NULL;
    gm_scope s = gm_scope_open();
    gm_pack *parameters = gm_parameters(net);
    gm_optimizer *o = parameters ? gm_object_new(&optim_type) : NULL;
    bool ok = o && optim_take_class(o, c);
    for (int k = 0; ok && k < o->n_hyper; k++) ok = optim_in_range(o, c->name, k, hyper[k]);
    if (ok) o->groups = gm_alloc(OPTIM_MAX_GROUPS * sizeof *o->groups);
    ok = ok && o->groups;
    if (ok) o->steps = gm_retain(gm_scalar(0, GM_F64));
    ok = ok && optim_add_group(o, hyper, hyper[0]) && optim_take(o, parameters);
    return gm_return(&s, ok ? o : NULL);
}

/* `*` is any text, `|` ends an alternative. */
static bool optim_matches(const char *pattern, const char *name) {
    for (; *pattern && *pattern != '|' && *pattern != '*'; pattern++, name++)
        if (*pattern != *name) return false;
    if (*pattern != '*') return !*name;
    for (; *name; name++)
        if (optim_matches(pattern + 1, name)) return true;
    return optim_matches(pattern + 1, name);
}

bool gm__optim_matches(const char *pattern, const char *name) {
    for (; pattern; pattern = strchr(pattern, '|') ? strchr(pattern, '|') + 1 : NULL)
        if (optim_matches(pattern, name)) return true;
    return false;
}

int gm_optimizer_group(gm_optimizer *o, const char *pattern) {
    if (!gm__optim_check(o, "optimizer_group")) return -1;
    int64_t found = 0, group = o->n_groups;
    for (int64_t i = 0; pattern && i < o->n; i++)
        found += !o->slots[i].group && gm__optim_matches(pattern, o->slots[i].name);
    if (!found)
        return gm_fail(GM_ERROR_INDEX, "optimizer_group: no parameter of group 0 matches \"%s\"; the first is \"%s\"",
                       pattern ? pattern : "NULL", o->n ? o->slots[0].name : ""), -1;
    double hyper[GM_OPTIMIZER_MAX_HYPERS];
    optim_hypers(o, 0, hyper);
    if (!optim_add_group(o, hyper, gm_item(o->groups[0].hyper[o->n_hyper]))) return -1;
    for (int64_t i = 0; i < o->n; i++)
        if (!o->slots[i].group && gm__optim_matches(pattern, o->slots[i].name)) o->slots[i].group = group;
    return (int)group;
}

int gm_n_optimizer_groups(const gm_optimizer *o) {
    return gm__optim_check(o, "n_optimizer_groups") ? (int)o->n_groups : -1;
}

/* ---- stepping ---- */

/* The next step's count and powers; NULL after an error. */
static const double *optim_count(const gm_optimizer *o, gm_tensor *t, const double *hyper) {
    double *step = gm_mutable_data(t);
    if (!step) return NULL;
    for (int k = 0; k < o->n_power; k++) step[1 + k] *= hyper[o->power[k]];
    step[0] += 1;
    return step;
}

bool gm__optim_step_one(const gm_optimizer *o, gm_tensor *p, gm_tensor *g, gm_tensor *step, gm_tensor *const *state,
                        const double *hyper) {
    const double *count = g ? optim_count(o, step, hyper) : NULL;
    return count && o->class.update(&(gm_optimizer_step){ p, g, state, hyper, count + 1, (int64_t)count[0] }) &&
           gm_ok();
}

static bool optim_update(const gm_optimizer *o, gm__optim_slot *slot, const double *hyper) {
    if (!slot->rows) return gm__optim_step_one(o, slot->p, slot->ready, slot->step, slot->state, hyper);
    const double *count = optim_count(o, slot->step, hyper);
    gm_optimizer_step s = {
        slot->p, slot->ready, slot->state, hyper, count ? count + 1 : NULL, count ? (int64_t)count[0] : 0
    };
    return count && gm__optim_update_rows(o, slot, s);
}

static void optim_unready(gm_optimizer *o) {
    for (int64_t i = 0; i < o->n; i++) {
        gm_release(o->slots[i].ready);
        gm_release(o->slots[i].rows);
        o->slots[i].ready = o->slots[i].rows = NULL;
    }
}

/* The gradient of a slot, as rows where it has few and they are enough. */
static void optim_ready_slot(const gm_optimizer *o, gm__optim_slot *slot, const double *hyper) {
    gm_tensor *rows = NULL, *g;
    if (!gm__optim_takes_rows(o, slot, hyper) || !gm_gradient_rows(slot->p, &rows, &g)) {
        g = gm_gradient_of(slot->p);
        g = g ? gm_contiguous(g) : NULL;
    }
    if (g) gm_data(g); /* a gradient of rows that is needed whole is made here, before anything changes */
    if (gm_ok()) slot->ready = gm_retain(g), slot->rows = gm_retain(rows);
}

static bool optim_ready(gm_optimizer *o, double (*hyper)[GM_OPTIMIZER_MAX_HYPERS]) {
    GM_SCOPE(s);
    for (int64_t i = 0; gm_ok() && i < o->n; i++) optim_ready_slot(o, &o->slots[i], hyper[o->slots[i].group]);
    return gm_ok();
}

bool gm_step(gm_optimizer *o) {
    if (!gm__optim_check(o, "step")) return false;
    if (gm_is_recording()) return gm__optim_record(o) && gm_zero_grad(o);
    GM_NO_GRAD;
    double hyper[OPTIM_MAX_GROUPS][GM_OPTIMIZER_MAX_HYPERS];
    for (int64_t i = 0; i < o->n_groups; i++) optim_hypers(o, i, hyper[i]);
    bool ok = optim_ready(o, hyper) && optim_put(o->steps, gm_item(o->steps) + 1);
    for (int64_t i = 0; ok && i < o->n; i++)
        if (o->slots[i].ready) ok = optim_update(o, &o->slots[i], hyper[o->slots[i].group]);
    optim_unready(o);
    return ok && gm_zero_grad(o);
}

bool gm_zero_grad(gm_optimizer *o) {
    if (!gm__optim_check(o, "zero_grad")) return false;
    for (int64_t i = 0; i < o->n; i++) {
        gm_clear_gradient(o->slots[i].p);
        for (int k = 0; o->parts && k < OPTIM_MAX_LEVELS; k++) gm_set(&o->slots[i].aside[k], NULL);
    }
    o->parts = 0;
    return true;
}

int64_t gm_step_count(const gm_optimizer *o) {
    return gm__optim_check(o, "step_count") ? (int64_t)gm_item(o->steps) : -1;
}

/* ---- state ---- */

static bool optim_set(gm_pack *p, const char *front, const char *name, const char *back, gm_tensor *t) {
    char path[1400];
    snprintf(path, sizeof path, "%s.%s.%s", front, name, back);
    return gm_pack_set(p, path, t);
}

static gm_pack *optim_state(gm_optimizer *o) {
    gm_pack *p = gm_pack_new();
    gm_pack_set(p, "steps", o->steps);
    for (int64_t g = 0; g < o->n_groups; g++) {
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)g);
        for (int k = 0; k <= o->n_hyper; k++)
            optim_set(p, "group", number, k < o->n_hyper ? o->class.hypers[k].name : "initial_lr",
                      o->groups[g].hyper[k]);
    }
    for (int64_t i = 0; i < o->n; i++) {
        optim_set(p, "state", o->slots[i].name, "step", o->slots[i].step);
        for (int k = 0; k < o->n_state; k++)
            if (o->slots[i].state[k]) optim_set(p, "state", o->slots[i].name, o->class.states[k], o->slots[i].state[k]);
    }
    return gm_ok() ? p : NULL;
}

gm_pack *gm_optimizer_state(gm_optimizer *o) {
    if (!gm__optim_check(o, "optimizer_state")) return NULL;
    if (o->parts)
        return gm_fail(GM_ERROR_STATE, "optimizer_state: the gradients of %lld parts are put aside; call it after "
                                       "gm_accumulate_end", (long long)o->parts),
               NULL;
    return optim_state(o);
}

static bool optim_fits(const gm_optimizer *o, gm_pack *own, gm_pack *values) {
    for (int64_t i = 0; i < gm_pack_count(own); i++) {
        const char *name = gm_pack_name(own, i);
        if (!gm_pack_has(values, name))
            return gm_fail(GM_ERROR_INDEX, "load_optimizer_state: \"%s\" is missing (this is %s)", name, o->class.name);
        char want[200], got[200];
        gm_shape a = gm_shape_of(gm_pack_at(own, i)), b = gm_shape_of(gm_get(values, name));
        if (!gm_shape_equal(a, b))
            return gm_fail(GM_ERROR_SHAPE, "load_optimizer_state: \"%s\" is %s, here it is %s", name,
                           gm_shape_text(b, got, sizeof got), gm_shape_text(a, want, sizeof want));
        if (gm_ok() && !gm_is_float(gm_dtype_of(gm_get(values, name))))
            return gm_fail(GM_ERROR_DTYPE, "load_optimizer_state: \"%s\" is %s, states are floats", name,
                           gm_dtype_name(gm_dtype_of(gm_get(values, name))));
    }
    for (int64_t i = 0; i < gm_pack_count(values); i++)
        if (!gm_pack_has(own, gm_pack_name(values, i)))
            return gm_fail(GM_ERROR_INDEX, "load_optimizer_state: \"%s\" is no part of the state of this %s",
                           gm_pack_name(values, i), o->class.name);
    return gm_ok();
}

bool gm_load_optimizer_state(gm_optimizer *o, gm_pack *values) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_pack *own = gm_optimizer_state(o), *flat = gm_pack_flatten(values);
    if (!own || !flat || !optim_fits(o, own, flat)) return false;
    for (int64_t i = 0; i < gm_pack_count(own); i++)
        if (!gm_assign(gm_pack_at(own, i), gm_get(flat, gm_pack_name(own, i)))) return false;
    return true;
}
