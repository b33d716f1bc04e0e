/* gradient.c: gm_grad, gm_value_and_grad and gm_vjp: functions differentiated by the tape.
 *
 * The tape works on eager values and on traced ones, so these need no rules of their own. A variable that has a history
 * stays part of it (identity), so that derivatives of derivatives find their way. */
#include "../math/fp.h"
#include "function.h"
#include "../base/args.h"
#include "../base/context.h"
#include "../eager/tape.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <string.h>

/* Gradients are on until the end; what was before. */
static bool gradient_enter(void) {
    gm_context *c = gm__context();
    bool before = c->no_grad;
    c->no_grad = false;
    return before;
}

/* A variable of x's values, and to the list of variables. Only floats have gradients. */
static gm_tensor *gradient_variable(void *env, gm_tensor *x) {
    gm_pack *variables = env;
    char name[24];
    if (!gm_is_float(gm_dtype_of(x))) return x;
    snprintf(name, sizeof name, "%lld", (long long)gm_pack_count(variables));
    gm_tensor *v = gm_identity(x);
    if (v && !v->node) v->requires_grad = true; /* nobody else's: no mode changes */
    gm_pack_set(variables, name, v);
    return v;
}

/* in, with variables in place of input `argument`, or of every input (-1). */
static gm_pack *gradient_inputs(const gm_pack *in, int64_t argument, gm_pack *variables) {
    if (argument < 0) return gm__pack_map(in, gradient_variable, variables);
    gm_pack *q = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(in); i++) {
        const char *name = gm_pack_name(in, i);
        gm_tensor *t = gm_pack_at(in, i);
        gm_pack *child = t ? NULL : gm_pack_child(in, i);
        if (i == argument && t) t = gradient_variable(variables, t);
        if (i == argument && child) child = gm__pack_map(child, gradient_variable, variables);
        if (t) gm_pack_set(q, name, t);
        else gm_pack_set_pack(q, name, child);
    }
    return gm_ok() ? q : NULL;
}

static gm_tensor *gradient_first(const gm_pack *out) {
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(out); i++) {
        gm_tensor *t = gm_pack_at(out, i);
        if (!t) t = gradient_first(gm_pack_child(out, i));
        if (t) return t;
    }
    return NULL;
}

/* Whether somebody may want derivatives of the gradients: a transform of the recording, if there is one; else if y
 * depends on more than the variables. */
static bool gradient_is_wanted(gm_tensor *y, gm_pack *variables, gm_tensor *arriving, uint64_t since) {
    int64_t n = gm_pack_count(variables);
    if (gm_is_recording()) return true;
    gm_tensor **own = gm_alloc((size_t)(n + 1) * sizeof *own);
    for (int64_t i = 0; own && i < n; i++) own[i] = gm_pack_at(variables, i);
    bool wanted = !own || gm__tape_leads_out(y->node, since, own, n) || (arriving && gm_requires_grad(arriving));
    gm_free(own);
    return wanted;
}

/* Gradients of y by the names of the variables; zeros if y does not depend on any. */
static gm_pack *gradient_take(gm_tensor *y, gm_pack *variables, gm_tensor *arriving, bool differentiable) {
    if (gm_requires_grad(y)) return gm_gradients(y, variables, .gradient = arriving, .create_graph = differentiable);
    gm_pack *zeros = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(variables); i++)
        gm_pack_set(zeros, gm_pack_name(variables, i), gm_zeros_like(gm_pack_at(variables, i)));
    return gm_ok() ? zeros : NULL;
}

/* The gradients in the order in which the variables were made, in the form of what they are of. */
typedef struct { const gm_pack *gradients; int64_t n; } gradient_form;

static gm_tensor *gradient_next(void *env, gm_tensor *x) {
    gradient_form *form = env;
    return gm_is_float(gm_dtype_of(x)) ? gm_pack_at(form->gradients, form->n++) : gm_zeros_like(x);
}

static gm_pack *gradient_set_like(gm_pack *out, const char *name, const gm_pack *in, int64_t argument,
                                  const gm_pack *gradients) {
    gradient_form form = { gradients, 0 };
    if (argument < 0) gm_pack_set_pack(out, name, gm__pack_map(in, gradient_next, &form));
    else if (gm_pack_at(in, argument)) gm_pack_set(out, name, gm_pack_at(gradients, 0));
    else gm_pack_set_pack(out, name, gm__pack_map(gm_pack_child(in, argument), gradient_next, &form));
    return gm_ok() ? out : NULL;
}

static bool gradient_checks(const gm_fn *f, const gm_pack *in) {
    int64_t n = gm_pack_count(in), i = f->argument;
    if (!gm_ok()) return false;
    if (i < 0 || i >= n)
        return gm_fail(GM_ERROR_INDEX, "%s: argument %lld of a call with %lld inputs", f->kind, (long long)i,
                       (long long)n);
    gm_tensor *t = gm_pack_at(in, i);
    if (t && !gm_is_float(gm_dtype_of(t)))
        return gm_fail(GM_ERROR_DTYPE, "%s: input %lld is %s; only floats have gradients", f->kind, (long long)i,
                       gm_dtype_name(gm_dtype_of(t)));
    return gm_ok();
}

/* *value: f's result. The gradients of its first tensor. */
static gm_pack *gradient_run(gm_fn *f, gm_pack *in, int64_t argument, gm_tensor *arriving, gm_pack **value) {
    gm_pack *variables = gm_pack_new();
    uint64_t since = gm__tape_now();
    bool before = gradient_enter();
    gm_pack *given = gradient_inputs(in, argument, variables);
    *value = given ? f->inner->call(f->inner, given) : NULL;
    gm_tensor *y = *value ? gradient_first(*value) : NULL;
    if (gm_ok() && !y) gm_fail(GM_ERROR_VALUE, "%s: the function has no result", f->kind);
    bool wanted = y && !before && gradient_is_wanted(y, variables, arriving, since);
    gm_pack *gradients = y ? gradient_take(y, variables, arriving, wanted) : NULL;
    gm__context()->no_grad = before;
    return gradients;
}

/* ---- the three ---- */

static gm_pack *grad_call(gm_fn *f, gm_pack *in) {
    gm_pack *value, *out = gm_pack_new();
    if (!gradient_checks(f, in)) return NULL;
    gm_pack *gradients = gradient_run(f, in, f->argument, NULL, &value);
    if (!gradients) return NULL;
    if (gm_pack_at(in, f->argument)) return gradient_set_like(out, "0", in, f->argument, gradients);
    out = gradient_set_like(out, "0", in, f->argument, gradients);
    return out ? gm_get_pack(out, "0") : NULL;
}

static gm_pack *gradient_set_value(gm_pack *out, gm_pack *value) {
    if (gm_pack_count(value) == 1 && gm_pack_at(value, 0)) gm_pack_set(out, "value", gm_pack_at(value, 0));
    else gm_pack_set_pack(out, "value", value);
    return gm_ok() ? out : NULL;
}

static gm_pack *value_and_grad_call(gm_fn *f, gm_pack *in) {
    gm_pack *value, *out = gm_pack_new();
    if (!gradient_checks(f, in)) return NULL;
    gm_pack *gradients = gradient_run(f, in, f->argument, NULL, &value);
    if (!gradients || !gradient_set_value(out, value)) return NULL;
    return gradient_set_like(out, "grad", in, f->argument, gradients);
}

/* in without the last entry, which has to be called `name`. */
static gm_pack *gradient_all_but(const gm_fn *f, const gm_pack *in, const char *name) {
    gm_pack *q = gm_pack_new();
    if (gm_ok() && !gm_pack_has(in, name))
        gm_fail(GM_ERROR_VALUE, "%s: the inputs have no \"%s\"", f->kind, name);
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(in); i++) {
        const char *own = gm_pack_name(in, i);
        if (!strcmp(own, name)) continue;
        if (gm_pack_at(in, i)) gm_pack_set(q, own, gm_pack_at(in, i));
        else gm_pack_set_pack(q, own, gm_pack_child(in, i));
    }
    return gm_ok() ? q : NULL;
}

static gm_pack *vjp_call(gm_fn *f, gm_pack *in) {
    gm_pack *value, *out = gm_pack_new(), *given = gradient_all_but(f, in, "gradient");
    if (!given) return NULL;
    gm_pack *gradients = gradient_run(f, given, -1, gm_get(in, "gradient"), &value);
    if (!gradients || !gradient_set_value(out, value)) return NULL;
    return gradient_set_like(out, "grad", given, -1, gradients);
}

static gm_fn *gradient_new(const char *kind, gm_fn *inner, gm__fn_call call, const gm_grad_fn_args *args) {
    gm_grad_fn_args a = { 0 };
    if (!gm_ok() || !gm__args_take(kind, &a, sizeof a, args)) return NULL;
    if (!inner) return gm_fail(GM_ERROR_HANDLE, "%s: argument 1 is NULL", kind), NULL;
    gm_fn *f = gm__fn_new(kind, inner, call);
    if (f) f->argument = a.argument;
    return f;
}

gm_fn *gm_grad_with(gm_fn *f, const gm_grad_fn_args *args) { return gradient_new("grad", f, grad_call, args); }
gm_fn *gm_value_and_grad_with(gm_fn *f, const gm_grad_fn_args *args) {
    return gradient_new("value_and_grad", f, value_and_grad_call, args);
}
gm_fn *gm_vjp(gm_fn *f) { return gradient_new("vjp", f, vjp_call, NULL); }
