/* control.c: gm_cond, gm_while and gm_scan.
 *
 * In eager mode they are C's if, while and for, in groups of calls (eager/group.h), so that gradients are added as the
 * operations' rules add them. In a recording each is one node, whose graphs are closed: what they use from outside
 * becomes inputs. Either way one place in the random stream is taken, and draws inside count from there. */
#include "../math/fp.h"
#include "control.h"
#include "../base/args.h"
#include "../base/context.h"
#include "../base/grow.h"
#include "../base/stream.h"
#include "../eager/group.h"
#include "../eager/tape.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

enum { CONTROL_MAX = GM__MAX_PORTS };

/* ---- forms ---- */

/* False, with an error that says where, if b is not as a is: names, shapes, dtypes. Of one tensor the name has no say.
 */
static bool control_alike(const char *op, const char *of_a, gm_pack *a, const char *of_b, gm_pack *b) {
    a = gm_pack_flatten(a), b = gm_pack_flatten(b);
    int64_t n = gm_pack_count(a), m = gm_pack_count(b);
    if (!gm_ok()) return false;
    if (n != m)
        return gm_fail(GM_ERROR_SHAPE, "%s: %s %lld tensors, %s %lld", op, of_a, (long long)n, of_b, (long long)m);
    for (int64_t i = 0; i < n; i++) {
        gm_tensor *x = gm_pack_at(a, i), *y = gm_pack_at(b, i);
        const char *of_x = gm_pack_name(a, i), *of_y = gm_pack_name(b, i);
        if ((n == 1 || !strcmp(of_x, of_y)) && gm_shape_equal(x->shape, y->shape) && x->dtype == y->dtype) continue;
        return gm_fail(GM_ERROR_SHAPE, "%s: %s \"%.100s\" %s %s, %s \"%.100s\" %s %s", op, of_a, of_x,
                       gm_dtype_name(x->dtype), gm__tensor_shape_str(x), of_b, of_y, gm_dtype_name(y->dtype),
                       gm__tensor_shape_str(y));
    }
    return true;
}

typedef struct { gm_tensor *const *t; int64_t n; } control_next;

static gm_tensor *control_take(void *env, gm_tensor *of_form) {
    control_next *next = env;
    (void)of_form;
    return next->t[next->n++];
}

/* A pack like `form` of these tensors. */
static gm_pack *control_fill(const gm_pack *form, gm_tensor *const *t) {
    return gm__pack_map(form, control_take, &(control_next){ t, 0 });
}

static int64_t control_list(gm_pack *p, gm_tensor **t, const char *op) {
    gm_pack *flat = gm_pack_flatten(p);
    int64_t n = flat ? gm_pack_count(flat) : -1;
    if (n > CONTROL_MAX) return gm_fail(GM_ERROR_UNSUPPORTED, "%s: over %d tensors", op, CONTROL_MAX), -1;
    for (int64_t i = 0; i < n; i++) t[i] = gm_pack_at(flat, i);
    return n;
}

/* ---- in eager mode ---- */

typedef struct { uint64_t seed, count; } control_place;

static control_place control_draw(void) {
    control_place p = { 0, 0 };
    p.count = gm__draw_next(&p.seed);
    return p;
}

static gm_pack *control_call(gm_fn *f, gm_pack *in, const control_place *place, uint64_t step) {
    gm__group_of_calls group;
    gm__draws draws;
    gm__group_begin(&group);
    gm__draws_begin(&draws, GM__DRAWS_INNER, NULL);
    draws.seed = place->seed, draws.count = gm__inner_place(place->count, step);
    gm_pack *out = f->call(f, in);
    gm__draws_end(&draws);
    gm__group_end(&group);
    return gm_ok() ? out : NULL;
}

/* ---- in a recording ---- */

/* What of a recorded function's results depends on what may want a gradient. */
typedef struct { gm_fn *f; const bool *tracked; bool result[CONTROL_MAX]; } control_flow;

/* Inputs that may want one say so, for the recording. */
static gm_pack *control_marked(void *env, gm_pack *in) {
    const control_flow *flow = env;
    gm_tensor *t[CONTROL_MAX];
    int64_t n = control_list(in, t, "control flow");
    for (int64_t i = 0; i < n; i++) t[i]->requires_grad = flow->tracked[i] && gm_is_float(t[i]->dtype);
    return flow->f->call(flow->f, in);
}

/* The recording of flow->f, whose results are put in order by `order` (may be NULL); *form: them, as ghosts. */
static gm_graph *control_trace(const char *op, control_flow *flow, gm_pack *in, gm_pack *(*order)(gm_pack *out),
                               gm_pack **form) {
    gm__trace t;
    uint64_t since = gm__tape_now();
    gm_tensor *list[CONTROL_MAX], *none[1] = { NULL };
    gm_fn *f = gm_functionp(control_marked, flow, NULL);
    gm_pack *out = f ? gm__trace_function(&t, f, in) : NULL;
    if (!f) return NULL;
    if (out && order) out = order(out);
    int64_t n = out ? control_list(out, list, op) : -1;
    for (int64_t i = 0; gm_ok() && i < n; i++) {
        flow->result[i] |= list[i]->requires_grad || gm__tape_leads_out(list[i]->node, since, none, 0);
        gm__graph_add_output(t.graph, gm__trace_value(&t, list[i]), "");
    }
    if (gm_ok() && t.graph->n_left)
        gm_fail(GM_ERROR_UNSUPPORTED, "%s: gradients are left in tensors inside of it; gm_step takes them, and gm_grad "
                                      "gives them as results", op);
    *form = out;
    gm_graph *g = gm_ok() ? t.graph : NULL; /* the scope's */
    gm__trace_free(&t);
    return g;
}

/* Input `input` of g, an own one that it does not use, or v. */
static bool control_input(gm_graph *g, int32_t v, const gm_tensor *like) {
    if (v < 0) v = gm__graph_add_value(g, GM__VALUE_INPUT, like);
    if (v < 0 || !gm__grow(&g->in, g->n_in, &g->in_capacity, sizeof *g->in)) return false;
    gm__value *value = &g->value[v];
    gm_free(value->name);
    value->name = gm_strdup("");
    value->kind = GM__VALUE_INPUT, value->from = (int32_t)g->n_in, value->captured = NULL;
    g->in[g->n_in++] = v;
    return value->name;
}

static int32_t control_captured(const gm_graph *g, const gm_tensor *t) {
    for (int32_t v = 0; g && v < g->n_values; v++)
        if (g->value[v].kind == GM__VALUE_CAPTURED && g->value[v].captured == t) return v;
    return -1;
}

/* What the graphs (b may be NULL) capture becomes inputs of both, behind those that they have, and goes to list[]. */
static int64_t control_close(const char *op, gm_graph **a, gm_graph **b, gm_tensor **list, int64_t n) {
    gm_graph *both[2] = { *a, b ? *b : NULL };
    gm_pack *held = gm_pack_new();
    for (int k = 0; k < 2; k++)
        for (int32_t v = 0; both[k] && gm_ok() && v < both[k]->n_values; v++) {
            gm_tensor *t = both[k]->value[v].kind == GM__VALUE_CAPTURED ? both[k]->value[v].captured : NULL;
            if (!t) continue;
            if (n == CONTROL_MAX)
                return gm_fail(GM_ERROR_UNSUPPORTED, "%s: over %d tensors go in", op, CONTROL_MAX), -1;
            gm_pack_set(held, NULL, list[n++] = t);
            for (int m = k; m < 2 && both[m]; m++) {
                int32_t at = control_captured(both[m], t);
                if (!control_input(both[m], at, t)) return -1;
                if (at >= 0) gm_release(t);
            }
            if (k && !control_input(both[0], -1, t)) return -1;
        }
    *a = gm__graph_saving(both[0], 0); /* inputs first */
    if (b) *b = gm__graph_saving(both[1], 0);
    return gm_ok() ? n : -1;
}

static void control_place_draws(gm__control_attrs *p, const control_place *place) {
    if (p->a && (p->a->n_draws || (p->b && p->b->n_draws)))
        p->key = (int64_t)place->seed, p->count = (int64_t)place->count;
}

/* The operation; results that nothing differentiable goes into have no history. */
static int control_record(const gm_op *op, gm_tensor *const *in, int64_t n_in, const gm__control_attrs *p,
                          const control_flow *flow, gm_tensor **out) {
    int n = gm_op_call(op, in, (int)n_in, p, out, CONTROL_MAX);
    for (int j = 0; j < n; j++)
        if (!flow->result[j] && out[j]->node) gm_release(out[j]->node), out[j]->node = NULL;
    return n;
}

static void control_tracked(gm_tensor *const *t, int64_t n, bool *tracked) {
    for (int64_t i = 0; i < n; i++) tracked[i] = gm_grad_enabled() && gm__is_tracked(t[i]);
}

static bool control_check(const char *op, const gm_fn *f, const gm_fn *g) {
    if (gm_ok() && (!f || !g)) return gm_fail(GM_ERROR_HANDLE, "%s: a function is NULL", op);
    return gm__fn_check(f, op) && gm__fn_check(g, op);
}

/* ---- cond ---- */

static gm_pack *cond_record(gm_tensor *pred, gm_fn *yes, gm_fn *no, gm_pack *in, const control_place *place) {
    gm_tensor *list[CONTROL_MAX + 1] = { pred }, *out[CONTROL_MAX];
    gm_pack *form, *other;
    bool tracked[CONTROL_MAX];
    int64_t n = control_list(in, list + 1, "cond");
    if (n < 0) return NULL;
    control_tracked(list + 1, n, tracked);
    control_flow flow = { .f = yes, .tracked = tracked };
    gm__control_attrs p = { .a = control_trace("cond", &flow, in, NULL, &form), .scale = 1 };
    flow.f = no;
    p.b = p.a ? control_trace("cond", &flow, in, NULL, &other) : NULL;
    if (!p.b || !control_alike("cond", "the first branch gives", form, "the second", other)) return NULL;
    n = control_close("cond", &p.a, &p.b, list + 1, n);
    control_place_draws(&p, place);
    return n >= 0 && control_record(&gm__cond_op, list, n + 1, &p, &flow, out) >= 0 ? control_fill(form, out) : NULL;
}

gm_pack *gm_cond(gm_tensor *pred, gm_fn *yes, gm_fn *no, gm_pack *in) {
    if (!control_check("cond", yes, no) || !gm__check_tensor(pred, "cond", 1)) return NULL;
    gm_scope s = gm_scope_open();
    control_place place = control_draw();
    gm_pack *out = NULL;
    if (!in) in = gm_pack_new();
    if (gm_shape_count(pred->shape) != 1)
        gm_fail(GM_ERROR_SHAPE, "cond: the predicate is %s, one element is wanted", gm__tensor_shape_str(pred));
    else if (gm_is_recording()) out = cond_record(pred, yes, no, in, &place);
    else {
        bool holds = gm_item(pred) != 0;
        if (gm_ok()) out = control_call(holds ? yes : no, in, &place, 0);
    }
    return gm_return(&s, gm_ok() ? out : NULL);
}

/* ---- while ---- */

static const char while_before[] = "the state has", while_after[] = "the body gives";

static gm_tensor *while_verdict(gm_pack *out) {
    gm_tensor *t = out && gm_pack_count(out) == 1 ? gm_pack_at(out, 0) : NULL;
    if (gm_ok() && (!t || gm_shape_count(t->shape) != 1))
        gm_fail(GM_ERROR_SHAPE, "while: the condition gives %s, one element is wanted",
                t ? gm__tensor_shape_str(t) : "no single tensor");
    return gm_ok() ? t : NULL;
}

static bool while_goes_on(gm_fn *cond, gm_pack *state, const control_place *place, int64_t t) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_tensor *go = while_verdict(control_call(cond, state, place, gm__while_place(t, false)));
    return go && gm_item(go) != 0 && gm_ok();
}

static gm_pack *while_run(gm_fn *cond, gm_fn *body, gm_pack *state, const control_place *place, int64_t bound) {
    const gm_pack *form = state;
    gm__group_of_calls group;
    gm__group_begin(&group);
    for (int64_t t = 0; while_goes_on(cond, state, place, t); t++) {
        if (bound && t == bound)
            gm_fail(GM_ERROR_VALUE, "while: it goes on after %lld steps, its .bound", (long long)bound);
        gm_scope s = gm_scope_open();
        gm_tensor *list[CONTROL_MAX];
        gm_pack *next = gm_ok() ? control_call(body, state, place, gm__while_place(t, true)) : NULL;
        bool ok = next && control_alike("while", while_before, state, while_after, next) &&
                  control_list(next, list, "while") >= 0;
        state = gm_return(&s, ok ? control_fill(form, list) : NULL);
        if (!state) break;
    }
    gm__group_end(&group);
    return gm_ok() ? state : NULL;
}

static gm_pack *while_record(gm_fn *cond, gm_fn *body, gm_pack *state, const control_place *place, int64_t bound) {
    gm_tensor *list[CONTROL_MAX], *out[CONTROL_MAX];
    gm_pack *form, *verdict;
    bool tracked[CONTROL_MAX];
    memset(tracked, gm_grad_enabled(), sizeof tracked); /* by what the body does, if not at first */
    control_flow of_cond = { .f = cond, .tracked = tracked }, flow = { .f = body, .tracked = tracked };
    gm__control_attrs p = { .a = control_trace("while", &of_cond, state, NULL, &verdict), .bound = bound, .scale = 1 };
    p.b = p.a && while_verdict(verdict) ? control_trace("while", &flow, state, NULL, &form) : NULL;
    if (!p.b || !control_alike("while", while_before, state, while_after, form)) return NULL;
    int64_t n = p.n_carry = control_list(state, list, "while");
    n = n < 0 ? n : control_close("while", &p.a, &p.b, list, n);
    control_place_draws(&p, place);
    return n >= 0 && control_record(&gm__while_op, list, n, &p, &flow, out) >= 0 ? control_fill(state, out) : NULL;
}

gm_pack *gm_while_with(gm_fn *cond, gm_fn *body, gm_pack *state, const gm_while_args *args) {
    gm_while_args a = { 0 };
    if (!control_check("while", cond, body) || !gm__args_take("while", &a, sizeof a, args)) return NULL;
    gm_scope s = gm_scope_open();
    control_place place = control_draw();
    if (gm_pack_count(state) == 0 || a.bound < 0)
        gm_fail(GM_ERROR_VALUE, "while: %lld tensors are carried, .bound is %lld", (long long)gm_pack_count(state),
                (long long)a.bound);
    gm_pack *out = !gm_ok()               ? NULL
                   : gm_is_recording() ? while_record(cond, body, state, &place, a.bound)
                                       : while_run(cond, body, state, &place, a.bound);
    return gm_return(&s, gm_ok() ? out : NULL);
}

/* ---- scan: entries ---- */

/* x [T, ..] as its T entries; the gradient of x is theirs, stacked. */
static int32_t entries_infer(const gm_op_args *a, gm_spec *out) { return (void)a, (void)out, 0; }

static bool entries_grad(const gm_grad_args *a) {
    gm_tensor **g = gm_alloc((size_t)(a->n_out + 1) * sizeof *g);
    for (int j = 0; g && j < a->n_out; j++) g[j] = a->gout[j] ? a->gout[j] : gm_zeros_like(a->out[j]);
    if (g && gm_ok()) a->gin[0] = gm_stack(g, a->n_out, 0);
    gm_free(g);
    return gm_ok();
}

static const gm_op entries_op = { .size = sizeof(gm_op), .name = "scan", .version = 1, .min_in = 1, .max_in = 1,
                                  .n_out = -1, .infer = entries_infer, .grad = entries_grad,
                                  .doc = "entries of a scan" };

/* The entries of tensor x, T of them, in `to`. */
static bool entries_of(gm_tensor *x, int64_t T, gm_tensor **to) {
    bool tape = gm__is_tracked(x) && gm_grad_enabled();
    GM_NO_GRAD;
    for (int64_t t = 0; t < T; t++)
        if (!(to[t] = gm_select(x, 0, t))) return false;
    if (!tape) return true;
    if (T > UINT16_MAX) return gm_fail(GM_ERROR_UNSUPPORTED, "scan: over %d steps with gradients", UINT16_MAX);
    return gm__tape_record(&entries_op, &x, 1, NULL, to, (int)T);
}

/* One entry of x, a ghost. */
static gm_tensor *entries_one(void *env, gm_tensor *x) {
    gm_shape s = { .n = x->shape.n - 1 };
    (void)env;
    memcpy(s.d, x->shape.d + 1, (size_t)s.n * sizeof *s.d);
    return gm__tensor_over(NULL, 0, &s, x->dtype);
}

/* The number of steps, -1 after an error. */
static int64_t entries_length(gm_tensor *const *x, int64_t n, int64_t given) {
    int64_t T = given ? given : n ? -1 : 0;
    for (int64_t i = 0; i < n; i++) {
        if (!x[i]->shape.n) return gm_fail(GM_ERROR_SHAPE, "scan: input %lld has no entries", (long long)i), -1;
        if (T < 0) T = x[i]->shape.d[0];
        if (x[i]->shape.d[0] != T)
            return gm_fail(GM_ERROR_SHAPE, "scan: input %lld has %lld entries, there are %lld steps", (long long)i,
                           (long long)x[i]->shape.d[0], (long long)T), -1;
    }
    return T;
}

/* ---- scan ---- */

static bool control_scan_part(gm_pack *to, const char *name, gm_pack *from) {
    for (int64_t i = 0; from && i < gm_pack_count(from); i++) {
        if (strcmp(gm_pack_name(from, i), name)) continue;
        if (gm_pack_at(from, i)) return gm_pack_set(to, name, gm_pack_at(from, i));
        return gm_pack_set_pack(to, name, gm_pack_child(from, i));
    }
    return gm_pack_set_pack(to, name, gm_pack_new());
}

/* { carry, y } of what a body gives, in this order. */
static gm_pack *control_scan_order(gm_pack *out) {
    gm_pack *p = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(out); i++)
        if (strcmp(gm_pack_name(out, i), "carry") && strcmp(gm_pack_name(out, i), "y"))
            gm_fail(GM_ERROR_VALUE, "scan: the body gives \"%.100s\"; \"carry\" and \"y\" are wanted",
                    gm_pack_name(out, i));
    return control_scan_part(p, "carry", out) && control_scan_part(p, "y", out) ? p : NULL;
}

static gm_pack *control_scan_named(gm_pack *p, const char *name) {
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        if (strcmp(gm_pack_name(p, i), name)) continue;
        return gm_pack_at(p, i) ? GM_PACK({ "0", gm_pack_at(p, i), NULL }) : gm_pack_child(p, i);
    }
    return NULL;
}

static gm_pack *control_scan_input(gm_pack *carry, gm_pack *x) {
    gm_pack *p = gm_pack_new();
    return gm_pack_set_pack(p, "carry", carry) && gm_pack_set_pack(p, "x", x) ? p : NULL;
}

typedef struct {
    gm_fn *body;
    gm_pack *carry, *xs;
    control_place place;
    int64_t T, n_carry, n_x;
    bool reverse;
} control_scan_job;

/* { carry, y } of tensors in order: carries as they were given, y as the body gave them. */
static gm_pack *control_scan_result(const control_scan_job *j, const gm_pack *form, gm_tensor *const *t) {
    gm_pack *p = gm_pack_new(), *y = control_scan_named((gm_pack *)form, "y");
    gm_tensor *const *of_y = t + j->n_carry;
    gm_pack_set_pack(p, "carry", control_fill(j->carry, t));
    if (gm_ok() && gm_pack_at(form, 1)) gm_pack_set(p, "y", of_y[0]);
    else gm_pack_set_pack(p, "y", y ? control_fill(y, of_y) : NULL);
    return gm_ok() ? p : NULL;
}

/* The body's recording, and what it gives as ghosts. */
static gm_graph *control_scan_trace(const control_scan_job *j, control_flow *flow, gm_pack **form) {
    bool tracked[2 * CONTROL_MAX];
    gm_tensor *x[CONTROL_MAX];
    memset(tracked, gm_grad_enabled(), sizeof tracked);
    control_tracked(x, control_list(j->xs, x, "scan"), tracked + j->n_carry);
    *flow = (control_flow){ .f = j->body, .tracked = tracked };
    gm_pack *one = gm__pack_map(j->xs, entries_one, NULL), *in = one ? control_scan_input(j->carry, one) : NULL;
    gm_graph *g = in ? control_trace("scan", flow, in, control_scan_order, form) : NULL;
    bool alike =
        g && control_alike("scan", "the carry has", j->carry, "the body gives", control_scan_named(*form, "carry"));
    return alike ? g : NULL;
}

static gm_pack *control_scan_record(control_scan_job *j) {
    gm_tensor *list[CONTROL_MAX], *out[CONTROL_MAX];
    gm_pack *form;
    control_flow flow;
    gm__control_attrs p = { .a = control_scan_trace(j, &flow, &form),
                            .n_carry = j->n_carry,
                            .n_x = j->n_x,
                            .length = j->T,
                            .reverse = j->reverse,
                            .scale = 1 };
    if (!p.a || control_list(j->carry, list, "scan") < 0 || control_list(j->xs, list + j->n_carry, "scan") < 0)
        return NULL;
    int64_t n = control_close("scan", &p.a, NULL, list, j->n_carry + j->n_x);
    if (n < 0) return NULL;
    for (int64_t i = 0; i < n && gm_grad_enabled(); i++) p.saved |= gm__is_tracked(list[i]);
    if (p.saved && !(p.a = gm__graph_saving(p.a, j->n_carry))) return NULL;
    control_place_draws(&p, &j->place);
    if (control_record(&gm__scan_op, list, n, &p, &flow, out) < 0) return NULL;
    return control_scan_result(j, form, out);
}

/* Step t: carries from and to carry[]; y goes to row t of y[], whose form is noted. */
typedef struct { gm_tensor *carry[CONTROL_MAX], **x, **y; gm_pack *form; int64_t n_y; } control_scan_state;

static bool control_scan_step(const control_scan_job *j, control_scan_state *s, int64_t t) {
    gm_tensor *x[CONTROL_MAX];
    for (int64_t i = 0; i < j->n_x; i++) x[i] = s->x[i * j->T + t];
    gm_pack *in = control_scan_input(control_fill(j->carry, s->carry), control_fill(j->xs, x));
    gm_pack *out = in ? control_call(j->body, in, &j->place, (uint64_t)t) : NULL;
    if (out) out = control_scan_order(out);
    gm_pack *carry = out ? control_scan_named(out, "carry") : NULL, *y = out ? control_scan_named(out, "y") : NULL;
    if (!y || !control_alike("scan", "the carry has", j->carry, "the body gives", carry)) return false;
    if (s->form &&
        !control_alike("scan", "an earlier step gave", control_scan_named(s->form, "y"), "this one gives", y))
        return false;
    if (!s->form) {
        s->form = out, s->n_y = gm_pack_count(gm_pack_flatten(y));
        s->y = gm_alloc((size_t)(s->n_y * j->T + 1) * sizeof *s->y);
    }
    gm_tensor *list[CONTROL_MAX];
    if (!s->y || control_list(carry, s->carry, "scan") < 0 || control_list(y, list, "scan") < 0) return false;
    for (int64_t i = 0; i < s->n_y; i++) s->y[i * j->T + t] = list[i];
    return true;
}

/* Without a step there is only the body's recording to say what y would be. */
static bool control_scan_none(const control_scan_job *j, control_scan_state *s, gm_tensor **y) {
    control_flow flow;
    gm_graph *g = control_scan_trace(j, &flow, &s->form);
    for (int64_t i = j->n_carry; g && i < g->n_out; i++) {
        const gm__value *v = &g->value[g->out[i].value];
        gm_shape shape = { .n = v->shape.n + 1 };
        memcpy(shape.d + 1, v->shape.d, (size_t)v->shape.n * sizeof *shape.d);
        y[s->n_y++] = gm_zeros(shape, v->dtype);
    }
    return g != NULL;
}

static gm_pack *control_scan_run(const control_scan_job *j) {
    gm_tensor *out[2 * CONTROL_MAX], *xs[CONTROL_MAX];
    control_scan_state s = { .x = gm_alloc((size_t)(j->n_x * j->T + 1) * sizeof *s.x) };
    gm__group_of_calls group;
    bool ok = s.x && control_list(j->carry, s.carry, "scan") >= 0 && control_list(j->xs, xs, "scan") >= 0;
    for (int64_t i = 0; ok && i < j->n_x; i++) ok = entries_of(xs[i], j->T, s.x + i * j->T);
    gm__group_begin(&group);
    for (int64_t k = 0; ok && k < j->T; k++) ok = control_scan_step(j, &s, j->reverse ? j->T - 1 - k : k);
    gm__group_end(&group);
    ok = ok && (j->T || control_scan_none(j, &s, out + j->n_carry));
    for (int64_t i = 0; ok && j->T && i < s.n_y; i++)
        ok = (out[j->n_carry + i] = gm_stack(s.y + i * j->T, (int)j->T, 0)) != NULL;
    memcpy(out, s.carry, (size_t)j->n_carry * sizeof *out);
    gm_free(s.x);
    gm_free(s.y);
    return ok ? control_scan_result(j, s.form, out) : NULL;
}

gm_pack *gm_scan_with(gm_fn *body, gm_pack *carry, gm_pack *xs, const gm_scan_args *args) {
    gm_scan_args a = { 0 };
    if (!control_check("scan", body, body) || !gm__args_take("scan", &a, sizeof a, args)) return NULL;
    gm_scope s = gm_scope_open();
    control_scan_job j = { body,     carry ? carry : gm_pack_new(), xs ? xs : gm_pack_new(), control_draw(), 0, 0, 0,
                           a.reverse };
    gm_tensor *list[2 * CONTROL_MAX];
    j.n_carry = control_list(j.carry, list, "scan");
    j.n_x = j.n_carry < 0 ? -1 : control_list(j.xs, list, "scan");
    if (j.n_carry + j.n_x > CONTROL_MAX) gm_fail(GM_ERROR_UNSUPPORTED, "scan: over %d tensors", CONTROL_MAX);
    if (a.length < 0) gm_fail(GM_ERROR_VALUE, "scan: .length is %lld", (long long)a.length);
    j.T = gm_ok() && j.n_x >= 0 ? entries_length(list, j.n_x, a.length) : -1;
    gm_pack *out = j.T < 0 ? NULL : gm_is_recording() ? control_scan_record(&j) : control_scan_run(&j);
    return gm_return(&s, gm_ok() ? out : NULL);
}
