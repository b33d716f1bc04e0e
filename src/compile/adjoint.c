/* adjoint.c: the way back of jitted functions.
 *
 * The function and a backward pass from its results are recorded as one graph, and cut where the pass begins. What the
 * second part takes of the first is saved: given out by the program forwards, held by the entry of the tape. Views and
 * constants are made again instead. Gradients are not summed: each contribution is a result of its own, and the entry
 * has an edge for each, so the pass that comes by adds them in the order in which it would have added those of the
 * function's own entries, bit for bit.
 *
 * Gradients that are to have a history get an entry of gm_remat's kind: only if somebody differentiates them do
 * function and pass run again, with a tape. */
#include "../math/fp.h"
#include "adjoint.h"
#include "pass.h"
#include "../base/context.h"
#include "../base/object.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <stdatomic.h>
#include <string.h>

enum { ADJOINT_MAX_Y = 64 };

static void adjoint_destroy(void *object) {
    gm__adjoint *a = object;
    for (int64_t i = 0; a->target && i < a->n_targets; i++) gm_release(a->target[i].captured);
    for (int64_t i = 0; a->read && i < a->n_read; i++) gm_release(a->read[i]);
    gm_free(a->target);
    gm_free(a->read);
    gm_free(a->saved_out);
    gm_free(a->saved_in);
    gm_free(a->result);
    gm_free(a->output);
    gm_release(a->program);
}

static const gm_type adjoint_type = { "way back", sizeof(gm__adjoint), adjoint_destroy };

/* ---- recording ---- */

/* Somebody outside may want its gradient: it leads to something from before, or to an input that does. */
static bool adjoint_is_wanted(const gm__adjoint_recording *r, const gm_tensor *y, gm_tensor *const *in, int64_t n) {
    gm__map marks = { 0 };
    if (y->requires_grad || gm__tape_leads_out(y->node, r->since, NULL, 0)) return true;
    bool leads = n && y->node && gm__mark_wanted(&marks, y->node, in, n) && gm__node_leads(&marks, y->node);
    gm__map_free(&marks);
    return leads;
}

/* The tracked ones among out[], each value once. */
static bool adjoint_results(gm__adjoint_recording *r, gm_tensor *const *in, int64_t n_in, gm_tensor *const *out,
                            int64_t n) {
    r->y = gm_alloc((size_t)(n + 1) * sizeof *r->y);
    r->value = gm_alloc((size_t)(n + 1) * sizeof *r->value);
    r->result = gm_alloc((size_t)(n + 1) * sizeof *r->result);
    if (!r->y || !r->value || !r->result) return false;
    for (int64_t i = 0; i < n; i++) {
        int32_t v = gm__trace_own_value(r->trace, out[i]);
        bool taken = v < 0 || !adjoint_is_wanted(r, out[i], in, n_in);
        for (int64_t k = 0; k < r->n_y; k++) taken |= r->value[k] == v;
        if (taken) continue;
        r->value[r->n_y] = v, r->result[r->n_y] = (int32_t)i;
        r->y[r->n_y++] = gm_retain(out[i]);
    }
    return gm_ok();
}

bool gm__adjoint_record(gm__adjoint_recording *r, gm_tensor *const *in, int64_t n_in, gm_tensor *const *out,
                        int64_t n) {
    gm_tensor *y[ADJOINT_MAX_Y], *g[ADJOINT_MAX_Y];
    int m = 0;
    r->n_nodes = r->trace->graph->n_nodes, r->n_in = r->trace->graph->n_in;
    if (!adjoint_results(r, in, n_in, out, n) || !r->n_y || r->n_y > ADJOINT_MAX_Y) return gm_ok();
    if (!r->mask) r->mask = ~(uint64_t)0 >> (64 - r->n_y);
    for (int64_t k = 0; k < r->n_y; k++) {
        if (!(r->mask >> k & 1)) continue;
        y[m] = r->y[k];
        if (!(g[m++] = gm__trace_input(r->trace, r->y[k], ""))) return false;
    }
    return gm__contributions_of(y, g, m, r->since, false, &r->list);
}

void gm__adjoint_recording_end(gm__adjoint_recording *r) {
    gm__contributions_end(&r->list);
    for (int64_t k = 0; r->y && k < r->n_y; k++) gm_release(r->y[k]);
    gm_free(r->y);
    gm_free(r->value);
    gm_free(r->result);
}

/* ---- cutting ---- */

typedef struct {
    gm_graph *g;
    int64_t n_nodes, n_in;  /* of the first part */
    bool *keep, *live;      /* nodes of the second part; values that it needs */
    int32_t *saved, *input, *read; /* values: made by the first part; inputs; captured */
    int64_t n_saved, n_inputs, n_read;
    bool possible;
} adjoint_cut;

/* Cheaper to make again than to keep. */
static bool adjoint_makes_again(const gm__node *n) {
    if (n->op->flags & GM_OP_VIEW) return true;
    return !n->n_in && !(n->flags & (GM_OP_RANDOM | GM_OP_EFFECT)) && !gm__node_draws(n);
}

static void adjoint_need(adjoint_cut *c, int32_t v) {
    const gm__value *value = &c->g->value[v];
    if (c->live[v]) return;
    c->live[v] = true;
    if (value->kind == GM__VALUE_CAPTURED) c->read[c->n_read++] = v;
    else if (value->kind == GM__VALUE_INPUT) {
        if (value->from < c->n_in) c->input[c->n_inputs++] = v;
    } else if (value->from < c->n_nodes) {
        const gm__node *n = &c->g->node[value->from];
        if (!adjoint_makes_again(n)) {
            c->saved[c->n_saved++] = v;
            return;
        }
        c->keep[value->from] = true;
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] >= 0) adjoint_need(c, n->in[k]);
    }
}

/* What the second part has to have to give `out`. */
static void adjoint_mark(adjoint_cut *c, const int32_t *out, int64_t n_out) {
    const gm_graph *g = c->g;
    for (int64_t i = 0; i < n_out; i++) adjoint_need(c, out[i]);
    for (int64_t i = g->n_nodes; i-- > c->n_nodes;) {
        const gm__node *n = &g->node[i];
        c->possible &= !gm__node_has_effect(n);
        for (int j = 0; j < n->n_out; j++) c->keep[i] |= c->live[n->out + j];
        for (int k = 0; c->keep[i] && k < n->n_in; k++)
            if (n->in[k] >= 0) adjoint_need(c, n->in[k]);
    }
}

/* What the way back reads the way there must not write. */
static bool adjoint_reads_kept(const adjoint_cut *c, bool *written) {
    gm__graph_written(c->g, written);
    for (int64_t i = 0; i < c->n_read; i++)
        if (written[c->read[i]]) return false;
    for (int64_t i = 0; i < c->n_saved; i++)
        if (written[c->saved[i]]) return false;
    return true;
}

static gm_graph *adjoint_forward(adjoint_cut *c, int32_t *saved_out) {
    gm_graph *g = c->g;
    int64_t n_in = g->n_in;
    bool *keep = gm_alloc((size_t)g->n_nodes + 1);
    for (int64_t i = 0; keep && i < c->n_nodes; i++) keep[i] = true;
    for (int64_t i = 0; keep && i < c->n_saved; i++) {
        int32_t at = -1;
        for (int64_t k = 0; k < g->n_out && at < 0; k++)
            if (g->out[k].value == c->saved[i]) at = (int32_t)k;
        saved_out[i] = at < 0 ? (int32_t)g->n_out : at;
        if (at < 0 && !gm__graph_add_output(g, c->saved[i], "")) break;
    }
    g->n_in = c->n_in;
    gm_graph *made = keep && gm_ok() ? gm__graph_with(g, keep, NULL) : NULL;
    g->n_in = n_in;
    gm_free(keep);
    return made;
}

static void adjoint_turn(gm_graph *g, int32_t v, int64_t *n) {
    g->value[v].kind = GM__VALUE_INPUT;
    g->value[v].from = (int32_t)*n;
    g->in[(*n)++] = v;
}

/* The graph itself becomes the second part. */
static gm_graph *adjoint_backward(adjoint_cut *c, const int32_t *out, int64_t n_out) {
    gm_graph *g = c->g;
    int64_t n = 0, need = g->n_in - c->n_in + c->n_saved + c->n_inputs;
    int32_t *in = gm_alloc((size_t)(need + 1) * sizeof *in), *before = g->in;
    if (!in) return NULL;
    g->in = in;
    for (int64_t i = c->n_in; i < g->n_in; i++) adjoint_turn(g, before[i], &n);
    for (int64_t i = 0; i < c->n_saved; i++) adjoint_turn(g, c->saved[i], &n);
    for (int64_t i = 0; i < c->n_inputs; i++) adjoint_turn(g, c->input[i], &n);
    gm_free(before);
    g->n_in = g->in_capacity = n, g->n_left = 0;
    for (int64_t i = 0; i < g->n_out; i++) gm_free(g->out[i].name);
    g->n_out = 0;
    for (int64_t i = 0; i < n_out; i++)
        if (!gm__graph_add_output(g, out[i], "")) return NULL;
    return gm__graph_with(g, c->keep, NULL);
}

/* ---- targets ---- */

static bool adjoint_is_target(const gm_tensor *t, const gm__contribution *c) {
    return c->node ? t->node == c->node && t->out_index == c->out_index : t == c->leaf;
}

static bool adjoint_target_of(const gm__adjoint_recording *r, const gm__contribution *c, gm__adjoint_target *to) {
    const gm_graph *g = r->trace->graph;
    *to = (gm__adjoint_target){ -1, NULL };
    int32_t own = c->leaf ? gm__trace_own_value(r->trace, c->leaf) : -1;
    if (own >= 0 && g->value[own].kind == GM__VALUE_INPUT) to->input = g->value[own].from;
    for (int64_t v = 0; own < 0 && v < g->n_values && !to->captured; v++)
        if (g->value[v].captured && adjoint_is_target(g->value[v].captured, c))
            to->captured = gm_retain(g->value[v].captured);
    return to->input >= 0 || to->captured;
}

/* The targets, and in out[] the contributions' values. Variables that the function made for itself are nobody's. */
static bool adjoint_targets(gm__adjoint *a, const gm__adjoint_recording *r, int32_t *out) {
    a->target = gm_alloc((size_t)(r->list.n + 1) * sizeof *a->target);
    if (!a->target) return false;
    for (int64_t i = 0; i < r->list.n; i++) {
        int32_t v = gm__trace_own_value(r->trace, r->list.at[i].gradient);
        if (v < 0 || !adjoint_target_of(r, &r->list.at[i], &a->target[a->n_targets])) continue;
        out[a->n_targets++] = v;
    }
    return true;
}

static bool adjoint_note(gm__adjoint *a, const gm__adjoint_recording *r, const adjoint_cut *c) {
    const gm_graph *g = c->g;
    a->saved_in = gm_alloc((size_t)(c->n_inputs + 1) * sizeof *a->saved_in);
    a->read = gm_alloc((size_t)(c->n_read + 1) * sizeof *a->read);
    a->result = gm_alloc((size_t)(r->n_y + 1) * sizeof *a->result);
    a->output = gm_alloc((size_t)(r->n_y + 1) * sizeof *a->output);
    if (!a->saved_in || !a->read || !a->result || !a->output) return false;
    for (int64_t i = 0; i < c->n_inputs; i++) a->saved_in[a->n_inputs++] = g->value[c->input[i]].from;
    for (int64_t i = 0; i < c->n_read; i++) a->read[a->n_read++] = gm_retain(g->value[c->read[i]].captured);
    for (int64_t k = 0; k < r->n_y; k++) {
        a->result[k] = r->result[k];
        for (int64_t i = g->n_out; i-- > 0;)
            if (g->out[i].value == r->value[k]) a->output[k] = (int32_t)i;
    }
    a->n_y = r->n_y, a->n_saved = c->n_saved, a->mask = r->mask, a->n_draws = g->n_draws;
    return true;
}

static bool adjoint_cut_at(gm__adjoint *a, gm__adjoint_recording *r, adjoint_cut *c, int32_t *out, gm_graph **forward) {
    gm_graph *there, *back;
    size_t values = (size_t)c->g->n_values + 1;
    c->keep = gm_alloc((size_t)c->g->n_nodes + 1), c->live = gm_alloc(2 * values);
    c->saved = gm_alloc(values * sizeof *c->saved);
    c->input = gm_alloc(values * sizeof *c->input), c->read = gm_alloc(values * sizeof *c->read);
    if (!gm_ok()) return false;
    adjoint_mark(c, out, a->n_targets);
    if (!c->possible || !adjoint_reads_kept(c, c->live + values) || !adjoint_note(a, r, c)) return false;
    a->saved_out = gm_alloc((size_t)(c->n_saved + 1) * sizeof *a->saved_out);
    there = a->saved_out ? adjoint_forward(c, a->saved_out) : NULL;
    back = there ? adjoint_backward(c, out, a->n_targets) : NULL;
    there = back ? gm__optimize(there) : NULL;
    a->program = there && (back = gm__optimize(back)) ? gm_retain(gm__program_new(back)) : NULL;
    if (a->program) *forward = there;
    return a->program;
}

gm__adjoint *gm__adjoint_new(gm__adjoint_recording *r, gm_graph **forward) {
    adjoint_cut c = { .g = r->trace->graph, .n_nodes = r->n_nodes, .n_in = r->n_in, .possible = true };
    if (r->failed || r->n_y > ADJOINT_MAX_Y) return NULL;
    gm__adjoint *a = gm_object_new(&adjoint_type);
    int32_t *out = a ? gm_alloc((size_t)(r->list.n + 1) * sizeof *out) : NULL;
    bool ok = out && adjoint_targets(a, r, out);
    if (ok && !a->n_targets) *forward = gm__optimize(adjoint_forward(&c, NULL));
    ok = ok && a->n_targets && adjoint_cut_at(a, r, &c, out, forward);
    gm_free(out);
    gm_free(c.keep);
    gm_free(c.live);
    gm_free(c.saved);
    gm_free(c.input);
    gm_free(c.read);
    return ok && gm_ok() ? a : NULL;
}

/* ---- the entry ---- */

typedef struct { gm__remat_run *again; gm__adjoint *adjoint; int64_t seed, first; } adjoint_attrs;
static const gm_attr adjoint_fields[] = { GM_ATTR(adjoint_attrs, again, OBJECT),
                                          GM_ATTR(adjoint_attrs, adjoint, OBJECT), GM_ATTR(adjoint_attrs, seed, I64),
                                          GM_ATTR(adjoint_attrs, first, I64), GM_ATTR_END };

static int32_t adjoint_infer(const gm_op_args *a, gm_spec *out) { return (void)a, (void)out, 0; }

/* What arrives, then what was saved. */
static bool adjoint_inputs(const gm_grad_args *g, const gm__adjoint *a, gm_tensor **in) {
    int64_t n = 0;
    for (int64_t k = 0; k < a->n_y; k++)
        if (a->mask >> k & 1 && !(in[n++] = gm_cast(g->gout[k], gm_dtype_of(g->out[k])))) return false;
    for (int64_t i = 0; i < a->n_saved + a->n_inputs; i++) in[n++] = g->in[a->n_targets + i];
    return gm_ok();
}

/* ---- second derivatives: the contributions as a function of the gradients that arrive ---- */

typedef struct { gm__remat_run *run; gm__adjoint *adjoint; } adjoint_again;

static void adjoint_again_free(void *env) {
    adjoint_again *e = env;
    gm_release(e->run);
    gm_release(e->adjoint);
    gm_free(e);
}

/* The tracked tensors that a contribution goes to. */
static gm_tensor *adjoint_goes_to(const gm__adjoint *a, int64_t i, gm_pack *flat) {
    return a->target[i].input < 0 ? a->target[i].captured : gm_pack_at(flat, a->target[i].input);
}

static gm_pack *adjoint_pick(const gm__adjoint *a, gm_pack *in, const gm__contributions *l) {
    gm_pack *out = gm_pack_new(), *flat = gm_pack_flatten(in);
    int64_t i = 0;
    for (int64_t k = 0; gm_ok() && k < l->n && i < a->n_targets; k++)
        if (adjoint_is_target(adjoint_goes_to(a, i, flat), &l->at[k])) {
            gm_pack_set(out, NULL, l->at[k].gradient);
            i++;
        }
    if (gm_ok() && i < a->n_targets)
        gm_fail(GM_ERROR_STATE, "jit: the function took another way when it ran again for second derivatives");
    return gm_ok() ? out : NULL;
}

static gm_pack *adjoint_back_again(void *env, gm_pack *arriving) {
    const adjoint_again *e = env;
    const gm__adjoint *a = e->adjoint;
    gm_tensor *y[ADJOINT_MAX_Y], *g[ADJOINT_MAX_Y];
    gm__contributions list = { 0 };
    uint64_t since = gm__tape_now();
    gm_pack *in = gm__remat_inputs(e->run), *out = gm_call_pack(gm__remat_function(e->run), in);
    gm_pack *flat = out ? gm_pack_flatten(out) : NULL;
    int n = 0;
    for (int64_t k = 0; flat && k < a->n_y; k++) {
        if (!(a->mask >> k & 1)) continue;
        y[n] = gm_pack_at(flat, a->result[k]), g[n] = gm_pack_at(arriving, n);
        n++;
    }
    bool ok = flat && gm_ok() && gm__contributions_of(y, g, n, since, true, &list);
    gm_pack *made = ok ? adjoint_pick(a, in, &list) : NULL;
    gm__contributions_end(&list);
    return made;
}

static gm_fn *adjoint_function(const adjoint_attrs *t) {
    adjoint_again *e = gm_alloc(sizeof *e);
    if (!e) return NULL;
    *e = (adjoint_again){ gm_retain(t->again), gm_retain(t->adjoint) };
    return gm_functionp(adjoint_back_again, e, adjoint_again_free);
}

/* A history for the contributions. in: what arrives, first of all. */
static bool adjoint_with_history(const adjoint_attrs *t, gm_tensor *const *in, gm_tensor *const *out) {
    const gm__adjoint *a = t->adjoint;
    gm_pack *arriving = gm_pack_new(), *flat = gm_pack_flatten(gm__remat_inputs(t->again));
    int64_t n = 0;
    gm_tensor **from = gm_alloc((size_t)(a->n_y + a->n_targets + 1) * sizeof *from);
    int32_t *number = gm_alloc((size_t)(a->n_targets + 1) * sizeof *number);
    for (int64_t k = 0; from && gm_ok() && k < a->n_y; k++)
        if (a->mask >> k & 1) gm_pack_set(arriving, NULL, from[n] = in[n]), n++;
    for (int64_t i = 0; number && i < a->n_targets; i++) number[i] = (int32_t)i;
    for (int64_t i = 0; from && gm_ok() && i < a->n_targets; i++) from[n++] = adjoint_goes_to(a, i, flat);
    gm_fn *f = gm_ok() ? adjoint_function(t) : NULL;
    gm__remat_run *run = f && number ? gm__remat_hold(f, arriving, (uint64_t)t->seed, (uint64_t)t->first, a->n_draws,
                                                      number, (int32_t)a->n_targets) : NULL;
    bool ok = run && gm__tape_record(&gm__remat_op, from, (int)n, &run, out, (int)a->n_targets);
    gm_free(from);
    gm_free(number);
    return ok;
}

/* ---- the rule ---- */

static bool adjoint_grad(const gm_grad_args *g) {
    const adjoint_attrs *t = g->attrs;
    const gm__adjoint *a = t->adjoint;
    size_t n_in = (size_t)(a->n_y + a->n_saved + a->n_inputs), n_out = (size_t)a->n_targets;
    gm_tensor **in = gm_alloc((n_in + n_out + 1) * sizeof *in), **out = in + n_in;
    bool ok = in && adjoint_inputs(g, a, in) &&
              gm__program_run_at(a->program, in, out, (uint64_t)t->seed, (uint64_t)t->first, NULL);
    if (ok && gm_grad_enabled()) ok = adjoint_with_history(t, in, out);
    for (int64_t i = 0; ok && i < a->n_targets; i++)
        if (g->needs[i]) g->gin[i] = out[i];
    gm_free(in);
    return ok;
}

const gm_op gm__compiled_op = {
    .size = sizeof(gm_op), .name = "compiled", .version = 1, .max_in = -1, .n_out = -1, .flags = GM_OP_OBJECTS,
    .attrs_bytes = sizeof(adjoint_attrs), .attrs = adjoint_fields, .infer = adjoint_infer, .grad = adjoint_grad,
    .doc = "a jitted function and its gradients",
};

static bool adjoint_takes(const gm_node *n, gm_tensor *const *gout) {
    gm__adjoint *a = ((const adjoint_attrs *)n->attrs)->adjoint;
    uint64_t mask = 0;
    for (int64_t k = 0; k < a->n_y; k++) mask |= (uint64_t)(gout[k] != NULL) << k;
    if (mask == a->mask) return true;
    atomic_store_explicit(&a->asked, mask, memory_order_relaxed);
    return false;
}

__attribute__((constructor)) static void adjoint_install(void) { gm__compiled_takes = adjoint_takes; }

/* Without history: what is saved leads nowhere. */
static void adjoint_save(gm_node *n, int64_t i, gm_tensor *t) {
    n->edge[i].saved = gm_retain(t);
    n->edge[i].version = t->storage->version;
}

static bool adjoint_list(const gm__adjoint *a, gm_tensor *const *in, gm_tensor *const *out, gm_tensor **list) {
    int64_t n = 0;
    for (int64_t i = 0; i < a->n_targets; i++)
        list[n++] = a->target[i].input < 0 ? a->target[i].captured : in[a->target[i].input];
    for (int64_t i = 0; i < a->n_saved; i++) list[n++] = gm__tensor_alias(out[a->saved_out[i]]);
    for (int64_t i = 0; i < a->n_inputs; i++) list[n++] = gm__tensor_alias(in[a->saved_in[i]]);
    for (int64_t i = 0; i < a->n_read; i++) list[n++] = gm__tensor_alias(a->read[i]);
    return gm_ok();
}

bool gm__adjoint_tape(gm__adjoint *a, gm_fn *f, gm_pack *pack, gm_tensor *const *in, gm_tensor *const *out,
                      uint64_t seed, uint64_t first) {
    gm_tensor *y[ADJOINT_MAX_Y];
    int64_t n = a->n_targets + a->n_saved + a->n_inputs + a->n_read;
    adjoint_attrs t = { gm__remat_hold(f, pack, seed, first, a->n_draws, a->result, (int32_t)a->n_y), a, (int64_t)seed,
                        (int64_t)first };
    gm_tensor **list = t.again ? gm_alloc((size_t)(n + 1) * sizeof *list) : NULL;
    for (int64_t k = 0; k < a->n_y; k++) y[k] = out[a->output[k]];
    bool ok = list && adjoint_list(a, in, out, list) &&
              gm__tape_record(&gm__compiled_op, list, (int)n, &t, y, (int)a->n_y);
    for (int64_t i = a->n_targets; ok && i < n; i++) adjoint_save(y[0]->node, i, list[i]);
    gm_free(list);
    return ok;
}
