/* jit.c: gm_jit: functions recorded once and run as plans.
 *
 * A call is looked up by what can be seen of it: shapes, dtypes and layouts of the inputs, the names in their pack, the
 * modes of the thread. If a mode somewhere has changed since, the function is recorded again; a recording that is the
 * same as one before runs the plan that there is, so a net that goes from training to evaluation and back has two. */
#include "../math/fp.h"
#include "fuse.h"
#include "pass.h"
#include "plan.h"
#include "../base/context.h"
#include "../base/grow.h"
#include "../eager/tape.h"
#include "../graph/function.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { JIT_MAX_IN = 1024, JIT_LIMIT = 64, JIT_SAME = 4, JIT_MANY = 16 };

/* What one of the result's tensors is: an output of the plan, or a tensor that does not depend on the call. */
typedef struct { int32_t output; gm_tensor *constant; } jit_slot;

typedef struct {
    uint64_t key, epoch, recording;
    uint64_t used;    /* the clock at its last call */
    int64_t runs;
    gm__plan *plan;   /* NULL: the result has a gradient, and the function runs as it is */
    gm_graph *graph;  /* the program, until its loops are asked for: at its second call */
    gm_graph *fused;  /* the program with emitted loops, while they are being built; else NULL */
    gm__build *build; /* theirs */
    bool built;       /* the plan has them */
    gm_pack *form;    /* the result's names, with ghosts for tensors */
    jit_slot *slot;   /* of each of these, in order */
    int64_t n_slots;
} jit_entry;

typedef struct {
    pthread_mutex_t lock;
    jit_entry **entry;
    int64_t n, capacity;
    uint64_t clock;
    gm_jit_stats stats;
    bool warned;
} jit_state;

/* ---- entries ---- */

static void jit_clear(jit_entry *e) {
    for (int64_t i = 0; e->slot && i < e->n_slots; i++) gm_release(e->slot[i].constant);
    gm_free(e->slot);
    gm_release(e->form);
    gm_release(e->plan);
    gm_release(e->graph);
    gm_release(e->fused);
    gm_release(e->build);
}

static void jit_free_entry(jit_entry *e) {
    jit_clear(e);
    gm_free(e);
}

static void jit_free(void *env) {
    jit_state *j = env;
    for (int64_t i = 0; i < j->n; i++) jit_free_entry(j->entry[i]);
    gm_free(j->entry);
    pthread_mutex_destroy(&j->lock);
    gm_free(j);
}

static jit_entry *jit_find(const jit_state *j, uint64_t key, uint64_t epoch) {
    for (int64_t i = 0; i < j->n; i++)
        if (j->entry[i]->key == key && j->entry[i]->epoch == epoch) return j->entry[i];
    return NULL;
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

typedef struct { gm_tensor *in[JIT_MAX_IN]; int64_t n; uint64_t key; bool traced, differentiable; } jit_call;

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
    c->differentiable |= t->requires_grad || t->node;
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
    c->differentiable = false;
    jit_mix(&c->key, modes, sizeof modes);
    return jit_see_pack(c, in);
}

/* ---- recording ---- */

static double jit_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct { gm__trace *trace; jit_entry *entry; uint64_t since; bool differentiable; } jit_recording;

static gm_tensor *jit_note_slot(void *env, gm_tensor *t) {
    jit_recording *r = env;
    jit_slot *s = &r->entry->slot[r->entry->n_slots++];
    int32_t v = gm__trace_own_value(r->trace, t);
    r->differentiable |= gm__tape_leads_out(t->node, r->since, NULL, 0); /* a backward pass could reach something */
    s->output = -1;
    if (v < 0) s->constant = gm_retain(t);
    else s->output = (int32_t)r->trace->graph->n_out;
    if (v >= 0) gm__graph_add_output(r->trace->graph, v, "");
    return gm__tensor_over(NULL, 0, &t->shape, t->dtype);
}

/* The function's recording in e, but for the plan; NULL after an error. */
static gm_graph *jit_record(gm_fn *f, jit_entry *e, const gm_pack *in) {
    gm__trace t;
    jit_recording r = { &t, e, gm__tape_now(), false };
    gm_pack *out = gm__trace_function(&t, f->inner, in), *flat = out ? gm_pack_flatten(out) : NULL;
    gm_graph *g = NULL;
    if (flat) e->slot = gm_alloc((size_t)(gm_pack_count(flat) + 1) * sizeof *e->slot);
    gm_pack *form = e->slot ? gm__pack_map(out, jit_note_slot, &r) : NULL;
    if (form) {
        e->form = gm_retain(form);
        e->recording = gm__graph_hash(t.graph);
        g = r.differentiable ? NULL : gm__optimize(t.graph);
        if (r.differentiable) e->recording = 0;
    }
    gm__trace_free(&t);
    return g;
}

static void jit_warn(jit_state *j) {
    if (j->warned || j->stats.traces <= JIT_MANY) return;
    j->warned = true;
    gm_log_line(GM_LOG_WARNING, "jit: a function was recorded %lld times in %lld calls; each new shape or dtype of its "
                                "inputs, and each mode, costs a recording",
                (long long)j->stats.traces, (long long)j->stats.calls);
}

/* ---- emitted code ---- */

/* A program that is called a second time is worth a compiler's time. */
static void jit_start_build(jit_entry *e) {
    gm_scope s = gm_scope_open();
    gm__build *build = NULL;
    gm_graph *fused = e->graph ? gm__fuse(e->graph, &build) : NULL;
    if (fused) e->fused = gm_retain(fused), e->build = gm_retain(build);
    gm_scope_close(&s);
    gm_release(e->graph);
    e->graph = NULL;
}

/* If the loops are there by now, a plan with them takes the place of the one without. The bits are the same, so it may
 * happen between any two calls. */
static void jit_take_build(jit_state *j, jit_entry *e) {
    gm__build_status state = e->build ? gm__build_state(e->build) : GM__BUILD_PENDING;
    if (state == GM__BUILD_PENDING) return;
    gm_scope s = gm_scope_open();
    double begin = jit_seconds();
    gm__plan *plan = state == GM__BUILD_READY && gm__fuse_link(e->fused, e->build) ? gm__plan_new(e->fused) : NULL;
    if (plan) {
        gm_release(e->plan);
        e->plan = gm_retain(plan);
        e->built = true;
    }
    gm_scope_close(&s);
    gm_release(e->fused);
    gm_release(e->build);
    e->fused = NULL, e->build = NULL;
    j->stats.seconds += jit_seconds() - begin;
}

/* The entry that was recorded as `made` was, or a new one. */
static jit_entry *jit_entry_of(jit_state *j, const jit_entry *made) {
    for (int64_t i = 0; i < j->n; i++)
        if (j->entry[i]->key == made->key && j->entry[i]->recording == made->recording) return j->entry[i];
    return jit_add(j, made->key);
}

static void jit_take_plan(jit_entry *to, const jit_entry *from) {
    to->plan = gm_retain(from->plan);
    to->graph = gm_retain(from->graph);
    to->fused = gm_retain(from->fused);
    to->build = gm_retain(from->build);
    to->built = from->built;
    to->runs = from->runs;
}

/* The entry for a call that has none, or of which modes may have changed. */
static jit_entry *jit_fill(gm_fn *f, jit_state *j, uint64_t key, const gm_pack *in, uint64_t epoch) {
    jit_entry made = { .key = key, .epoch = epoch }, *e = NULL;
    double begin = jit_seconds();
    gm_scope s = gm_scope_open();
    gm_graph *g = jit_record(f, &made, in);
    if (gm_ok() && made.form) e = jit_entry_of(j, &made);
    if (e && e->plan) jit_take_plan(&made, e);
    else if (e && g && (made.plan = gm_retain(gm__plan_new(g)))) made.graph = gm_retain(g);
    gm_scope_close(&s);
    j->stats.traces++;
    j->stats.seconds += jit_seconds() - begin;
    jit_warn(j);
    if (!e || !gm_ok()) return jit_clear(&made), NULL;
    jit_clear(e);
    *e = made;
    return e;
}

/* ---- calling ---- */

typedef struct { const jit_entry *e; gm_tensor **out; int64_t n; } jit_results;

static gm_tensor *jit_result(void *env, gm_tensor *ghost) {
    jit_results *r = env;
    const jit_slot *s = &r->e->slot[r->n++];
    (void)ghost;
    return s->constant ? s->constant : r->out[s->output];
}

static gm_pack *jit_run(jit_entry *e, gm_tensor *const *in) {
    gm_tensor *few[32] = { NULL }, **out = e->n_slots <= 32 ? few : gm_alloc((size_t)e->n_slots * sizeof *out);
    jit_results r = { e, out, 0 };
    gm_pack *result = out && gm__plan_run(e->plan, in, out) ? gm__pack_map(e->form, jit_result, &r) : NULL;
    if (out != few) gm_free(out);
    return result;
}

extern _Atomic uint64_t gm__modes_epoch;

static gm_pack *jit_locked(gm_fn *f, jit_state *j, jit_call *c, gm_pack *in) {
    uint64_t epoch = atomic_load_explicit(&gm__modes_epoch, memory_order_relaxed);
    jit_entry *e = jit_find(j, c->key, epoch);
    j->stats.calls++;
    if (e) j->stats.hits++;
    if (!e && !(e = jit_fill(f, j, c->key, in, epoch))) return NULL;
    e->used = ++j->clock;
    if (e->runs++) jit_start_build(e);
    jit_take_build(j, e);
    if (!gm_ok()) return NULL;
    j->stats.runs += e->plan != NULL;
    return e->plan ? jit_run(e, c->in) : f->inner->call(f->inner, in);
}

/* Inside of a trace, and where gradients of the inputs are wanted, it is the function itself. */
static gm_pack *jit_call_fn(gm_fn *f, gm_pack *in) {
    jit_state *j = f->env;
    jit_call *c = gm_alloc(sizeof *c);
    gm_pack *out = NULL;
    if (!c || !jit_see(c, in)) return gm_free(c), NULL;
    if (c->traced || (c->differentiable && gm_grad_enabled())) {
        gm_free(c);
        return f->inner->call(f->inner, in);
    }
    pthread_mutex_lock(&j->lock);
    out = jit_locked(f, j, c, in);
    pthread_mutex_unlock(&j->lock);
    gm_free(c);
    return out;
}

gm_fn *gm_jit(gm_fn *f) {
    if (gm_ok() && !f) gm_fail(GM_ERROR_HANDLE, "jit: argument 1 is NULL");
    gm_fn *made = gm__fn_new("jit", f, jit_call_fn);
    jit_state *j = made ? gm_alloc(sizeof *j) : NULL;
    if (!j) return NULL;
    pthread_mutex_init(&j->lock, NULL);
    gm__graph_program = gm__inner_run;
    made->env = j, made->free_env = jit_free;
    return made;
}

bool gm_jit_wait(gm_fn *f) {
    if (!gm__fn_check(f, "jit_wait")) return false;
    if (f->call != jit_call_fn) return gm_fail(GM_ERROR_VALUE, "jit_wait: this is a %s, not a jit", f->kind);
    jit_state *j = f->env;
    bool all = true;
    pthread_mutex_lock(&j->lock);
    for (int64_t i = 0; i < j->n && gm_ok(); i++) {
        jit_entry *e = j->entry[i];
        jit_start_build(e);
        if (e->build) gm__build_wait(e->build);
        jit_take_build(j, e);
        all &= e->built;
    }
    pthread_mutex_unlock(&j->lock);
    return all && gm_ok();
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
        if (!j->entry[i]->plan) continue;
        gm__plan_stats p = gm__plan_statistics(j->entry[i]->plan);
        s.built += j->entry[i]->built;
        s.kernels = p.kernels, s.arena_bytes += p.arena;
        if (j->entry[i]->used == j->clock)
            s.last_kernels = p.kernels, s.last_arena_bytes = p.arena, s.last_live_bytes = p.live;
    }
    pthread_mutex_unlock(&j->lock);
    return s;
}
