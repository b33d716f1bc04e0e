/* function.c: functions as values, and their recording. */
#include "../math/fp.h"
#include "function.h"
#include "../base/context.h"
#include "gemel/extend.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void fn_destroy(void *object) {
    gm_fn *f = object;
    if (f->free_env) f->free_env(f->env);
    gm_free((void *)f->vmap.in_axes);
    gm_release(f->inner);
}

static const gm_type fn_type = { "function", sizeof(gm_fn), fn_destroy };

bool gm__fn_check(const gm_fn *f, const char *op) { return gm_ok() && gm_check_object(f, &fn_type, op, 1); }

gm_fn *gm__fn_new(const char *kind, gm_fn *inner, gm__fn_call call) {
    if (inner ? !gm__fn_check(inner, kind) : !gm_ok()) return NULL;
    gm_fn *f = gm_object_new(&fn_type);
    if (!f) return NULL;
    f->kind = kind;
    f->call = call;
    f->inner = gm_retain(inner);
    return f;
}

/* ---- packs ---- */

gm_pack *gm__pack_map(const gm_pack *p, gm__pack_fn f, void *env) {
    gm_pack *q = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(p); i++) {
        const char *name = gm_pack_name(p, i);
        gm_tensor *t = gm_pack_at(p, i);
        if (t) gm_pack_set(q, name, f(env, t));
        else gm_pack_set_pack(q, name, gm__pack_map(gm_pack_child(p, i), f, env));
    }
    return gm_ok() ? q : NULL;
}

/* ---- C functions ---- */

static gm_pack *fn_result(gm_fn *f, gm_tensor *y) {
    if (gm_ok() && !y) gm_fail(GM_ERROR_CALLBACK, "%s: the C function returned NULL", f->kind);
    return gm_ok() ? GM_PACK({ "0", y, NULL }) : NULL;
}

static bool fn_takes(const gm_pack *in, int n) {
    if (!gm_ok() || gm_pack_count(in) == n) return gm_ok();
    return gm_fail(GM_ERROR_VALUE, "call: %lld inputs for a function of %d", (long long)gm_pack_count(in), n);
}

static gm_tensor *fn_input(const gm_pack *in, int i) {
    gm_tensor *t = gm_pack_at(in, i);
    if (gm_ok() && !t) gm_fail(GM_ERROR_VALUE, "call: input %d is a pack, a tensor is wanted", i + 1);
    return t;
}

static gm_pack *fn_call1(gm_fn *f, gm_pack *in) {
    gm_tensor *x = fn_takes(in, 1) ? fn_input(in, 0) : NULL;
    return x ? fn_result(f, f->f.f1(f->env, x)) : NULL;
}

static gm_pack *fn_call2(gm_fn *f, gm_pack *in) {
    gm_tensor *x = fn_takes(in, 2) ? fn_input(in, 0) : NULL, *y = x ? fn_input(in, 1) : NULL;
    return y ? fn_result(f, f->f.f2(f->env, x, y)) : NULL;
}

static gm_pack *fn_callp(gm_fn *f, gm_pack *in) {
    gm_pack *out = f->f.fp(f->env, in);
    if (gm_ok() && !out) gm_fail(GM_ERROR_CALLBACK, "%s: the C function returned NULL", f->kind);
    return out;
}

static gm_fn *fn_of(gm__fn_call call, bool given, void *env, void (*free_env)(void *env)) {
    if (gm_ok() && !given) gm_fail(GM_ERROR_VALUE, "function: no C function");
    gm_fn *f = gm__fn_new("function", NULL, call);
    if (f) f->env = env, f->free_env = free_env;
    else if (free_env) free_env(env);
    return f;
}

gm_fn *gm_function1(gm_fn1 c, void *env, void (*free_env)(void *env)) {
    gm_fn *f = fn_of(fn_call1, c != NULL, env, free_env);
    if (f) f->f.f1 = c;
    return f;
}

gm_fn *gm_function2(gm_fn2 c, void *env, void (*free_env)(void *env)) {
    gm_fn *f = fn_of(fn_call2, c != NULL, env, free_env);
    if (f) f->f.f2 = c;
    return f;
}

gm_fn *gm_functionp(gm_fnp c, void *env, void (*free_env)(void *env)) {
    gm_fn *f = fn_of(fn_callp, c != NULL, env, free_env);
    if (f) f->f.fp = c;
    return f;
}

/* ---- calls ---- */

gm_pack *gm_call_pack(gm_fn *f, gm_pack *in) {
    if (!gm__fn_check(f, "call") || gm_pack_count(in) < 0) return NULL;
    gm_scope s = gm_scope_open();
    gm_pack *out = f->call(f, in);
    return gm_return(&s, gm_ok() ? out : NULL);
}

gm_tensor *gm_call_list(gm_fn *f, gm_tensor *const *in, int n) {
    if (!gm__fn_check(f, "call")) return NULL;
    gm_scope s = gm_scope_open();
    gm_pack *p = gm_pack_new();
    for (int i = 0; gm_ok() && i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        gm_pack_set(p, name, in[i]);
    }
    gm_pack *out = gm_ok() ? f->call(f, p) : NULL;
    gm_tensor *y = out && gm_pack_count(out) == 1 ? gm_pack_at(out, 0) : NULL;
    if (gm_ok() && !y)
        gm_fail(GM_ERROR_VALUE, "call: the result of this %s is no single tensor; gm_call_pack gives the whole",
                f->kind);
    return gm_return(&s, gm_ok() ? y : NULL);
}

/* ---- recording ---- */

typedef struct { gm__trace *t; int64_t n; } fn_inputs;

static gm_tensor *fn_ghost(void *env, gm_tensor *like) {
    fn_inputs *inputs = env;
    char name[24];
    snprintf(name, sizeof name, "%lld", (long long)inputs->n++);
    return gm__trace_input(inputs->t, like, name);
}

static void fn_name_inputs(gm_graph *g, const gm_pack *in) {
    gm_pack *flat = gm_pack_flatten(in);
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(flat); i++) {
        gm__value *v = &g->value[g->in[i]];
        gm_free(v->name);
        v->name = gm_strdup(gm_pack_name(flat, i));
    }
}

gm_pack *gm__trace_function(gm__trace *t, gm_fn *f, const gm_pack *in) {
    fn_inputs inputs = { t, 0 };
    if (!gm__trace_begin(t)) return NULL;
    gm_pack *ghosts = gm__pack_map(in, fn_ghost, &inputs);
    if (ghosts) fn_name_inputs(t->graph, in);
    gm_pack *out = gm_ok() ? f->call(f, ghosts) : NULL;
    bool ok = gm__trace_take_gradients(t) && out;
    gm__trace_end(t);
    return ok ? out : NULL;
}

static bool fn_outputs(gm__trace *t, const gm_pack *out) {
    gm_pack *flat = gm_pack_flatten(out);
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(flat); i++)
        gm__graph_add_output(t->graph, gm__trace_value(t, gm_pack_at(flat, i)), gm_pack_name(flat, i));
    return gm_ok();
}

gm_graph *gm_trace_graph(gm_fn *f, gm_pack *in) {
    if (!gm__fn_check(f, "trace_graph") || gm_pack_count(in) < 0) return NULL;
    gm_scope s = gm_scope_open();
    gm__trace t;
    gm_pack *out = gm__trace_function(&t, f, in);
    gm_graph *g = gm_return(&s, out && fn_outputs(&t, out) ? t.graph : NULL);
    gm__trace_free(&t);
    return g;
}

/* The graph for these inputs, and they themselves in list[], freed by the caller. */
static gm_graph *fn_graph_for(gm_graph *g, gm_pack *in, gm_tensor ***list) {
    gm_pack *flat = gm_pack_flatten(in);
    if (gm_ok() && gm_pack_count(flat) != g->n_in)
        gm_fail(GM_ERROR_VALUE, "graph_run: %lld inputs, %lld are taken", (long long)gm_pack_count(flat),
                (long long)g->n_in);
    *list = gm_ok() ? gm_alloc((size_t)(g->n_in + 1) * sizeof **list) : NULL;
    for (int64_t i = 0; *list && i < g->n_in; i++) (*list)[i] = gm_pack_at(flat, i);
    return *list ? gm__graph_for(g, *list) : NULL;
}

gm_graph *gm_graph_for(gm_graph *g, gm_pack *in) {
    gm_tensor **list = NULL;
    if (!gm__graph_check(g, "graph_for")) return NULL;
    gm_scope s = gm_scope_open();
    gm_graph *now = fn_graph_for(g, in, &list);
    gm_free(list);
    return gm_return(&s, now);
}

gm_pack *gm_graph_run(gm_graph *g, gm_pack *in) {
    gm_tensor **list = NULL;
    if (!gm__graph_check(g, "graph_run")) return NULL;
    gm_scope s = gm_scope_open();
    gm_graph *now = fn_graph_for(g, in, &list);
    gm_pack *out = now ? gm__graph_evaluate(now, list) : NULL;
    gm_free(list);
    return gm_return(&s, out);
}

static gm_pack *fn_call_graph(gm_fn *f, gm_pack *in) { return gm_graph_run(f->env, in); }

gm_fn *gm_graph_function(gm_graph *g) {
    gm_fn *f = gm__graph_check(g, "graph_function") ? gm__fn_new("graph", NULL, fn_call_graph) : NULL;
    if (f) f->env = gm_retain(g), f->free_env = gm_release;
    return f;
}

/* ---- ports ---- */

static bool fn_port(const gm_graph *g, int64_t i, const char *name, int32_t v, gm_graph_port *p) {
    *p = (gm_graph_port){
        .number = i, .name = name ? name : "", .shape = g->value[v].shape, .dtype = g->value[v].dtype
    };
    for (int k = 0; k < p->shape.n; k++)
        if (gm__affine_find(&g->sizes, v, k)) p->shape.d[k] = -1;
    return true;
}

bool gm_graph_input(const gm_graph *g, int64_t i, gm_graph_port *p) {
    if (!gm__graph_check(g, "graph_input") || i < 0 || i >= g->n_in) return false;
    return fn_port(g, i, g->value[g->in[i]].name, g->in[i], p);
}

bool gm_graph_output(const gm_graph *g, int64_t i, gm_graph_port *p) {
    if (!gm__graph_check(g, "graph_output") || i < 0 || i >= g->n_out) return false;
    return fn_port(g, i, g->out[i].name, g->out[i].value, p);
}

_Atomic uint64_t gm__modes_epoch = 1;
void gm_modes_changed(void) { atomic_fetch_add_explicit(&gm__modes_epoch, 1, memory_order_relaxed); }
