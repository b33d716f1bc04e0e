/* jit.c: gm_jit: functions recorded once and run as plans.
 *
 * A call is looked up by what can be seen of it: shapes, dtypes and layouts of the inputs, the names in their pack, the
 * modes of the thread. If a mode somewhere has changed since, the function is recorded again; a recording that is the
 * same as one before runs the plan that there is, so a net that goes from training to evaluation and back has two.
 * Where the result has a gradient, the way back is a program, too (adjoint.c). */
#include "../math/fp.h"
#include "adjoint.h"
#include "ahead.h"
#include "pass.h"
#include "../base/args.h"
#include "../base/context.h"
#include "../base/grow.h"
#include "../base/stream.h"
#include "../tensor/stand_in.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { JIT_MAX_IN = 1024, JIT_LIMIT = 64, JIT_SAME = 8, JIT_MANY = 16, JIT_MASKS = 4, JIT_CUTS = 24 };

/* What one of the result's tensors is: an output of the plan, or a tensor that does not depend on the call. */
typedef struct { int32_t output; gm_tensor *constant; } jit_slot;

/* A recording: its program, and the function's result of it. Callers hold it while they run. */
typedef struct {
    gm_object o;
    gm__program *program; /* NULL: the function runs as it is */
    gm__adjoint *adjoint; /* the result has a gradient; else NULL */
    gm_tensor **captured; /* [n_captured], held: what the function used */
    int64_t n_captured;
    gm_shape *cut;        /* [n_cuts]: of results whose shapes follow from values, as they were */
    int64_t n_cuts;
    bool effects;         /* it does more than give a result */
    gm_pack *form;        /* the result's names, with ghosts for tensors */
    jit_slot *slot;       /* of each of these, in order */
    int64_t n_slots;
} jit_made;

typedef struct {
    uint64_t key, epoch, recording;
    uint64_t used;    /* the clock at its last call */
    int64_t masks;    /* how often it was recorded again because other gradients arrived */
    int64_t cuts;     /* and because other shapes came out */
    jit_made *made;
} jit_entry;

typedef struct {
    pthread_mutex_t lock; /* held while looking up and recording, not while running */
    jit_entry **entry;
    int64_t n, capacity;
    uint64_t clock;
    gm_jit_stats stats;
    jit_made *none; /* of no program */
    int64_t memory; /* bytes that a program should make do with; 0: any */
    bool warned;
} jit_state;

/* ---- entries ---- */

static void jit_made_destroy(void *object) {
    jit_made *m = object;
    for (int64_t i = 0; m->slot && i < m->n_slots; i++) gm_release(m->slot[i].constant);
    for (int64_t i = 0; m->captured && i < m->n_captured; i++) gm_release(m->captured[i]);
    gm_free(m->slot);
    gm_free(m->captured);
    gm_free(m->cut);
    gm_release(m->form);
    gm_release(m->program);
    gm_release(m->adjoint);
}

static const gm_type jit_made_type = { "compiled function", sizeof(jit_made), jit_made_destroy };

static void jit_free_entry(jit_entry *e) {
    gm_release(e->made);
    gm_free(e);
}

static void jit_free(void *env) {
    jit_state *j = env;
    for (int64_t i = 0; i < j->n; i++) jit_free_entry(j->entry[i]);
    gm_free(j->entry);
    gm_release(j->none);
    pthread_mutex_destroy(&j->lock);
    gm_free(j);
}

/* The one that was called last of those for this call: there are several if shapes follow from values. */
static jit_entry *jit_find(const jit_state *j, uint64_t key, uint64_t epoch) {
    jit_entry *last = NULL;
    for (int64_t i = 0; i < j->n; i++) {
        jit_entry *e = j->entry[i];
        if (e->key == key && e->epoch == epoch && (!last || e->used > last->used)) last = e;
    }
    return last;
}

/* The entry that was not called for longest, of this key or (0) of all; *n: how many there are. */
static int64_t jit_oldest(const jit_state *j, uint64_t key, int64_t *n) {
    int64_t oldest = -1;
    *n = 0;
    for (int64_t i = 0; i < j->n; i++) {
        if (key && j->entry[i]->key != key) continue;
        ++*n;
        if (oldest < 0 || j->entry[i]->used < j->entry[oldest]->used) oldest = i;
    }
    return oldest;
}

/* A new entry, in place of the one that was not called for longest where there are many, or many of the same call. */
static jit_entry *jit_add(jit_state *j, uint64_t key) {
    jit_entry *e = gm_alloc(sizeof *e);
    int64_t same, n, oldest = jit_oldest(j, key, &same);
    if (!e) return NULL;
    if (same < JIT_SAME && j->n < JIT_LIMIT) {
        if (!gm__grow(&j->entry, j->n, &j->capacity, sizeof *j->entry)) return gm_free(e), NULL;
        return j->entry[j->n++] = e;
    }
    if (same < JIT_SAME) oldest = jit_oldest(j, 0, &n);
    jit_free_entry(j->entry[oldest]);
    return j->entry[oldest] = e;
}

/* ---- what is seen of a call ---- */

typedef struct { gm_tensor *in[JIT_MAX_IN]; int64_t n; uint64_t key, seed, first; bool traced, placed; } jit_call;

static void jit_mix(uint64_t *h, const void *bytes, size_t n) {
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) *h = (*h ^ b[i]) * 0x100000001b3u;
}

static bool jit_see_tensor(jit_call *c, gm_tensor *t) {
    if (c->n == JIT_MAX_IN) return gm_fail(GM_ERROR_UNSUPPORTED, "jit: over %d inputs", JIT_MAX_IN);
    bool last = gm_is_channels_last(t) && !gm_is_contiguous(t);
    int64_t about[] = { t->dtype, last, t->requires_grad || t->node, t->shape.n };
    jit_mix(&c->key, about, sizeof about);
    jit_mix(&c->key, t->shape.d, (size_t)t->shape.n * 8);
    c->traced |= !t->storage;
    c->in[c->n++] = t;
    return true;
}

static bool jit_see_pack(jit_call *c, const gm_pack *p) {
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(p); i++) {
        const char *name = gm_pack_name(p, i);
        gm_tensor *t = gm_pack_at(p, i);
        jit_mix(&c->key, name, strlen(name) + 1);
        if (t ? !jit_see_tensor(c, t) : !jit_see_pack(c, gm_pack_child(p, i))) return false;
        if (!t) jit_mix(&c->key, "/", 1);
    }
    return gm_ok();
}

static bool jit_see(jit_call *c, const gm_pack *in) {
    const gm_context *x = gm__context();
    int32_t modes[] = { x->no_grad, x->autocast };
    c->n = 0;
    c->key = 0xcbf29ce484222325u;
    c->traced = x->trace != NULL;
    jit_mix(&c->key, modes, sizeof modes);
    return jit_see_pack(c, in);
}

/* ---- recording ---- */

static double jit_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct {
    gm_fn *f;
    const jit_call *call;
    jit_made *made;
    gm__adjoint_recording back;
    gm__ahead ahead;
    uint64_t hash;
} jit_recording;

/* Inputs whose gradient somebody wants say so; they, in order. */
static int64_t jit_mark_inputs(const jit_call *c, gm_pack *in, gm_tensor **list) {
    gm_pack *flat = gm_pack_flatten(in);
    int64_t n = 0;
    for (int64_t i = 0; gm_ok() && i < c->n; i++) {
        gm_tensor *t = gm_pack_at(flat, i);
        t->requires_grad = c->in[i]->requires_grad || c->in[i]->node;
        if (t->requires_grad) list[n++] = t;
    }
    return n;
}

/* Behind the function the way back from its results. What cannot be recorded of it is no error. */
static void jit_back(jit_recording *r, gm_tensor *const *in, int64_t n_in, gm_pack *out) {
    gm_pack *flat = gm_pack_flatten(out);
    int64_t n = gm_ok() ? gm_pack_count(flat) : 0;
    gm_tensor **list = gm_alloc((size_t)(n + 1) * sizeof *list);
    for (int64_t i = 0; list && i < n; i++) list[i] = gm_pack_at(flat, i);
    if (gm_ok() && !gm__adjoint_record(&r->back, in, n_in, list, n)) {
        gm_error_clear();
        gm__contributions_end(&r->back.list);
        r->back.failed = true;
    }
    gm_free(list);
}

static gm_pack *jit_both_ways(void *env, gm_pack *in) {
    jit_recording *r = env;
    gm_tensor **list = gm_alloc((size_t)(r->call->n + 1) * sizeof *list);
    bool wanted = list && gm_grad_enabled();
    gm__context()->trace->shapes = gm__ahead_shapes, gm__context()->trace->env = &r->ahead;
    int64_t n = wanted ? jit_mark_inputs(r->call, in, list) : 0;
    gm_pack *out = list ? r->f->call(r->f, in) : NULL;
    r->back.trace = gm__context()->trace, r->ahead.closed = true;
    if (out && wanted) jit_back(r, list, n, out);
    gm_free(list);
    return out;
}

/* A result that is given twice is one output. */
static int32_t jit_output(gm_graph *g, int32_t v) {
    for (int64_t k = 0; k < g->n_out; k++)
        if (g->out[k].value == v) return (int32_t)k;
    gm__graph_add_output(g, v, "");
    return (int32_t)g->n_out - 1;
}

static gm_tensor *jit_note_slot(void *env, gm_tensor *t) {
    jit_recording *r = env;
    jit_slot *s = &r->made->slot[r->made->n_slots++];
    int32_t v = gm__trace_own_value(r->back.trace, t);
    s->output = -1;
    if (v < 0) s->constant = gm_retain(t);
    else s->output = jit_output(r->back.trace->graph, v);
    return gm__tensor_over(NULL, 0, &t->shape, t->dtype);
}

static bool jit_note_graph(jit_made *m, const gm_graph *g) {
    m->captured = gm_alloc((size_t)(g->n_values + 1) * sizeof *m->captured);
    m->cut = gm_alloc((size_t)(g->n_nodes + 1) * sizeof *m->cut);
    if (!m->captured || !m->cut) return false;
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (g->node[i].op->flags & GM_OP_DYNAMIC) m->cut[m->n_cuts++] = g->value[g->node[i].out].shape;
    for (int64_t v = 0; v < g->n_values; v++)
        if (g->value[v].captured) m->captured[m->n_captured++] = gm_retain(g->value[v].captured);
    m->effects = g->n_left > 0;
    for (int64_t i = 0; i < g->n_nodes; i++) m->effects |= gm__node_has_effect(&g->node[i]);
    return true;
}

static gm_pack *jit_trace(gm__trace *t, jit_recording *r, const gm_pack *in) {
    r->back.since = gm__tape_now();
    gm_fn *both = gm_functionp(jit_both_ways, r, NULL);
    gm_pack *out = both ? gm__trace_function(t, both, in) : NULL;
    r->back.trace = t;
    return out;
}

/* The function's recording, ready to be planned, and all else in r->made; NULL without an error: it runs as it is. */
static gm_graph *jit_record(jit_recording *r, const gm_pack *in) {
    gm__trace t = { .open = false };
    gm_pack *out = jit_trace(&t, r, in), *flat = out ? gm_pack_flatten(out) : NULL;
    gm_graph *g = NULL;
    if (flat) r->made->slot = gm_alloc((size_t)(gm_pack_count(flat) + 1) * sizeof *r->made->slot);
    gm_pack *form = r->made->slot ? gm__pack_map(out, jit_note_slot, r) : NULL;
    if (form && jit_note_graph(r->made, t.graph)) {
        r->made->form = gm_retain(form);
        r->hash = gm__graph_hash(t.graph);
        if (!r->back.n_y && !r->back.failed) g = gm__optimize(t.graph);
        else r->made->adjoint = gm_retain(gm__adjoint_new(&r->back, &g));
    }
    gm__adjoint_recording_end(&r->back);
    gm__trace_free(&t);
    gm__ahead_end(&r->ahead);
    if (r->ahead.refused) gm_error_clear();
    return r->ahead.refused ? NULL : g;
}

static void jit_warn(jit_state *j) {
    if (j->warned || j->stats.traces <= JIT_MANY) return;
    j->warned = true;
    gm_log_line(GM_LOG_WARNING, "jit: a function was recorded %lld times in %lld calls; each new shape or dtype of its "
                                "inputs, and each mode, costs a recording",
                (long long)j->stats.traces, (long long)j->stats.calls);
}

/* The entry that was recorded as this one was. */
static jit_entry *jit_same(const jit_state *j, uint64_t key, uint64_t recording) {
    for (int64_t i = 0; i < j->n; i++)
        if (j->entry[i]->key == key && j->entry[i]->recording == recording) return j->entry[i];
    return NULL;
}

/* The entry for a call that has none, or of which modes may have changed. It is for every caller: while it is made
 * nothing stands in for anything, and all effects are recorded. mask: which results' gradients are to come; 0
 * for all. */
static jit_entry *jit_fill(gm_fn *f, jit_state *j, const jit_call *c, const gm_pack *in, uint64_t epoch,
                           uint64_t mask) {
    double begin = jit_seconds();
    gm_scope s = gm_scope_open();
    gm__thread_modes before = gm__thread_modes_now(), modes = before;
    modes.stand_ins = NULL, modes.again = 0;
    gm__thread_modes_set(&modes);
    jit_recording r = { .f = f->inner, .call = c, .made = gm_object_new(&jit_made_type), .back.mask = mask,
                        .ahead = { .in = c->in, .n_in = c->n, .placed = c->placed,
                                   .walk.seed = c->seed, .walk.first = c->first } };
    gm_graph *g = r.made ? jit_record(&r, in) : NULL;
    if (g && j->memory && !r.made->adjoint) g = gm__pass_recompute(g, j->memory);
    jit_entry *e = gm_ok() ? jit_same(j, c->key, r.hash) : NULL;
    bool known = e && e->made->program;
    if (g && known && r.made->adjoint) {
        gm_release(r.made->adjoint);
        r.made->adjoint = gm_retain(e->made->adjoint);
    }
    if (g) r.made->program = gm_retain(known ? e->made->program : gm__program_new(g));
    gm__thread_modes_set(&before);
    if (gm_ok() && !e) e = jit_add(j, c->key);
    if (gm_ok()) {
        gm_release(e->made);
        *e = (jit_entry){ .key = c->key, .epoch = epoch, .recording = r.hash, .made = gm_retain(r.made) };
    }
    gm_scope_close(&s);
    j->stats.traces++;
    j->stats.seconds += jit_seconds() - begin;
    jit_warn(j);
    return gm_ok() ? e : NULL;
}

/* ---- calling ---- */

typedef struct { const jit_made *made; gm_tensor **out; int64_t n; } jit_results;

static gm_tensor *jit_result(void *env, gm_tensor *ghost) {
    jit_results *r = env;
    const jit_slot *s = &r->made->slot[r->n++];
    (void)ghost;
    return s->constant ? s->constant : r->out[s->output];
}

extern _Atomic uint64_t gm__modes_epoch;

/* The entry for a call, and whether it was there. One whose gradients arrive otherwise than it was made for is made
 * again, but not without end. */
static jit_entry *jit_entry_for(gm_fn *f, jit_state *j, const jit_call *c, gm_pack *in, bool *hit) {
    uint64_t epoch = atomic_load_explicit(&gm__modes_epoch, memory_order_relaxed);
    jit_entry *e = jit_find(j, c->key, epoch);
    gm__adjoint *a = e ? e->made->adjoint : NULL;
    uint64_t mask = a ? atomic_load_explicit(&a->asked, memory_order_relaxed) : 0;
    int64_t masks = mask && e->masks < JIT_MASKS ? e->masks + 1 : 0;
    if ((*hit = e && !masks)) return e;
    if (e) e->epoch = 0; /* of no epoch: nobody finds it */
    e = jit_fill(f, j, c, in, epoch, mask);
    if (e) e->masks = masks;
    return e;
}

/* What a call runs, counted for it; NULL after an error. */
static jit_made *jit_made_for(gm_fn *f, jit_state *j, const jit_call *c, gm_pack *in) {
    bool hit;
    pthread_mutex_lock(&j->lock);
    jit_entry *e = jit_entry_for(f, j, c, in, &hit);
    jit_made *made = e ? gm_retain(e->made) : NULL;
    j->stats.calls++;
    j->stats.hits += hit;
    if (e) e->used = ++j->clock;
    pthread_mutex_unlock(&j->lock);
    return made;
}

/* Whether the program is what the thread wants now. To ask tells those who note what is used. */
static bool jit_may_run(const jit_made *m) {
    const gm_context *c = gm__context();
    bool same = m->program && !(c->again && m->effects);
    for (int64_t i = 0; same && c->stand_ins && i < m->n_captured; i++)
        same = gm__stand_in_find(m->captured[i]) == m->captured[i];
    return same;
}

/* ---- running ---- */

typedef struct { jit_made *made; uint64_t seed, first; int64_t drawn; gm__cut cut; } jit_run;

/* A run's places in the stream. One that was cut has taken some; the next one may need others. */
static void jit_take_draws(jit_run *r) {
    int64_t n = r->made->program ? gm__program_draws(r->made->program) : 0;
    uint64_t seed, more = n > r->drawn ? gm__take_draws(n - r->drawn, &seed) : 0;
    if (n > r->drawn && !r->drawn) r->seed = seed, r->first = more;
    if (n < r->drawn) gm__draws_give_back(r->seed, r->first, r->drawn, n);
    r->drawn = n;
}

/* NULL after an error; and without one if it was cut. */
static gm_pack *jit_run_made(gm_fn *f, jit_run *r, gm_pack *in, gm_tensor *const *list) {
    jit_made *m = r->made;
    int64_t n = m->n_slots + (m->adjoint ? m->adjoint->n_saved : 0);
    gm_tensor *few[32] = { NULL }, **out = n <= 32 ? few : gm_alloc((size_t)n * sizeof *out);
    jit_results results = { m, out, 0 };
    if (out) jit_take_draws(r);
    bool ok = out && gm__program_run_at(m->program, list, out, r->seed, r->first, &r->cut) &&
              (!m->adjoint || gm__adjoint_tape(m->adjoint, f, in, list, out, r->seed, r->first));
    gm_pack *result = ok ? gm__pack_map(m->form, jit_result, &results) : NULL;
    if (out != few) gm_free(out);
    return result;
}

/* True if m was recorded with the shapes that came before the cut, and with the one there. */
static bool jit_goes_on(const jit_made *m, const jit_run *r) {
    int64_t n = r->cut.at;
    if (!m->program || m->n_cuts <= n || r->made->n_cuts <= n) return false;
    for (int64_t i = 0; i < n; i++)
        if (!gm_shape_equal(m->cut[i], r->made->cut[i])) return false;
    return gm_shape_equal(m->cut[n], r->cut.shape);
}

/* All of a call's recordings give way to the function itself. */
static void jit_give_up(jit_state *j, const jit_call *c, uint64_t epoch) {
    for (int64_t i = 0; i < j->n; i++) {
        jit_entry *e = j->entry[i];
        if (e->key != c->key || e->epoch != epoch || !e->made->program) continue;
        gm_release(e->made);
        e->made = gm_retain(j->none);
    }
    gm_log_line(GM_LOG_WARNING,
                "jit: a function was recorded %d times for one call, because shapes follow from values; it "
                "runs as it is from now on",
                (int)JIT_CUTS);
}

/* After a cut: what to run in place of r->made, counted. */
static jit_made *jit_after_cut(gm_fn *f, jit_state *j, jit_call *c, gm_pack *in, const jit_run *r) {
    uint64_t epoch = atomic_load_explicit(&gm__modes_epoch, memory_order_relaxed);
    jit_entry *e = NULL, *last;
    c->placed = r->drawn > 0, c->seed = r->seed, c->first = r->first;
    pthread_mutex_lock(&j->lock);
    for (int64_t i = 0; i < j->n && !e; i++)
        if (j->entry[i]->key == c->key && j->entry[i]->epoch == epoch && jit_goes_on(j->entry[i]->made, r))
            e = j->entry[i];
    if (!e) {
        int64_t cuts = (last = jit_find(j, c->key, epoch)) ? last->cuts + 1 : 1;
        if (cuts >= JIT_CUTS) jit_give_up(j, c, epoch);
        e = cuts >= JIT_CUTS ? jit_find(j, c->key, epoch) : jit_fill(f, j, c, in, epoch, 0);
        for (int64_t i = 0; i < j->n; i++)
            if (j->entry[i]->key == c->key && j->entry[i]->epoch == epoch) j->entry[i]->cuts = cuts;
    }
    if (e) e->used = ++j->clock;
    jit_made *made = e ? gm_retain(e->made) : NULL;
    pthread_mutex_unlock(&j->lock);
    return made;
}

static void jit_count_run(jit_state *j) {
    pthread_mutex_lock(&j->lock);
    j->stats.runs++;
    pthread_mutex_unlock(&j->lock);
}

/* Programs until one is not cut; a few, since values do not change meanwhile. *done: one ran to its end. */
static gm_pack *jit_run_programs(gm_fn *f, jit_state *j, jit_call *c, gm_pack *in, jit_run *r, bool *done) {
    gm_pack *out = NULL;
    for (int tries = 0; gm_ok() && tries < 8 && r->made && jit_may_run(r->made); tries++) {
        out = jit_run_made(f->inner, r, in, c->in);
        if ((*done = out || !gm_ok())) break;
        jit_made *next = jit_after_cut(f, j, c, in, r);
        gm_release(r->made);
        r->made = next;
    }
    if (!*done && r->drawn) gm__draws_give_back(r->seed, r->first, r->drawn, 0);
    if (out) jit_count_run(j);
    return out;
}

/* Inside of a trace it is the function itself. */
static gm_pack *jit_call_fn(gm_fn *f, gm_pack *in) {
    jit_state *j = f->env;
    jit_call *c = gm_alloc(sizeof *c);
    gm_pack *out = NULL;
    bool done = false;
    if (!c || !jit_see(c, in)) return gm_free(c), NULL;
    jit_run r = { .made = c->traced ? NULL : jit_made_for(f, j, c, in) };
    if (r.made) out = jit_run_programs(f, j, c, in, &r, &done);
    if (!done && gm_ok()) out = f->inner->call(f->inner, in);
    gm_release(r.made);
    gm_free(c);
    return out;
}

gm_fn *gm_jit(gm_fn *f) { return gm_jit_with(f, NULL); }

gm_fn *gm_jit_with(gm_fn *f, const gm_jit_args *args) {
    gm_jit_args a = { 0 };
    if (!gm_ok() || !gm__args_take("jit", &a, sizeof a, args)) return NULL;
    if (a.memory < 0) return gm_fail(GM_ERROR_VALUE, "jit: .memory is %lld bytes", (long long)a.memory), NULL;
    if (gm_ok() && !f) gm_fail(GM_ERROR_HANDLE, "jit: argument 1 is NULL");
    gm_fn *made = gm__fn_new("jit", f, jit_call_fn);
    jit_state *j = made ? gm_alloc(sizeof *j) : NULL;
    if (!j) return NULL;
    pthread_mutex_init(&j->lock, NULL);
    j->memory = a.memory;
    j->none = gm_retain(gm_object_new(&jit_made_type));
    gm__graph_program = gm__inner_run;
    made->env = j, made->free_env = jit_free;
    return made;
}

/* The programs, counted for the caller; *all: every entry has one. */
static int64_t jit_programs(jit_state *j, gm__program ***list, bool *all) {
    int64_t n = 0;
    pthread_mutex_lock(&j->lock);
    *list = gm_alloc((size_t)(2 * j->n + 1) * sizeof **list);
    for (int64_t i = 0; *list && i < j->n; i++) {
        const jit_made *m = j->entry[i]->made;
        if (!j->entry[i]->epoch) continue;
        *all &= m->program != NULL;
        if (m->program) (*list)[n++] = gm_retain(m->program);
        if (m->program && m->adjoint) (*list)[n++] = gm_retain(m->adjoint->program);
    }
    pthread_mutex_unlock(&j->lock);
    return n;
}

bool gm_jit_wait(gm_fn *f) {
    if (!gm__fn_check(f, "jit_wait")) return false;
    if (f->call != jit_call_fn) return gm_fail(GM_ERROR_VALUE, "jit_wait: this is a %s, not a jit", f->kind);
    gm__program **list;
    bool all = true;
    int64_t n = jit_programs(f->env, &list, &all);
    for (int64_t i = 0; list && i < n; i++) {
        if (gm_ok()) all &= gm__program_wait(list[i]);
        gm_release(list[i]);
    }
    gm_free(list);
    return all && gm_ok();
}

static void jit_count(gm_jit_stats *s, gm__program *program, bool last) {
    gm__program_stats p = gm__program_statistics(program);
    s->built += p.built, s->seconds += p.seconds;
    s->kernels = p.plan.kernels, s->arena_bytes += p.plan.arena;
    if (p.at_once > s->most_at_once) s->most_at_once = p.at_once;
    if (last) s->last_kernels = p.plan.kernels, s->last_arena_bytes = p.plan.arena, s->last_live_bytes = p.plan.live;
}

gm_jit_stats gm_jit_statistics(gm_fn *f) {
    gm_jit_stats s = { 0 };
    if (!gm__fn_check(f, "jit_statistics")) return s;
    if (f->call != jit_call_fn) return gm_fail(GM_ERROR_VALUE, "jit_statistics: this is a %s, not a jit", f->kind), s;
    jit_state *j = f->env;
    pthread_mutex_lock(&j->lock);
    s = j->stats;
    s.programs = j->n;
    for (int64_t i = 0; i < j->n; i++) {
        const jit_made *m = j->entry[i]->made;
        if (m->program && m->adjoint) {
            jit_count(&s, m->adjoint->program, false);
            s.gradient_runs += gm__program_statistics(m->adjoint->program).runs;
        }
        if (m->program) jit_count(&s, m->program, j->entry[i]->used == j->clock);
    }
    pthread_mutex_unlock(&j->lock);
    return s;
}
