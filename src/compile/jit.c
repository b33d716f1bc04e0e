/* jit.c: gm_jit: functions recorded once and run as plans.
 *
 * A call is looked up by what can be seen of it: shapes, dtypes and layouts of the inputs, the names in their pack, the
 * modes of the thread. If a mode somewhere has changed since, the function is recorded again; a recording that is the
 * same as one before runs the plan that there is, so a net that goes from training to evaluation and back has two. */
#include "../math/fp.h"
#include "pass.h"
#include "program.h"
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

/* A recording: its program, and the function's result of it. Callers hold it while they run. */
typedef struct {
    gm_object o;
    gm__program *program; /* NULL: the result has a gradient, and the function runs as it is */
    gm_pack *form;        /* the result's names, with ghosts for tensors */
    jit_slot *slot;       /* of each of these, in order */
    int64_t n_slots;
} jit_made;

typedef struct {
    uint64_t key, epoch, recording;
    uint64_t used;    /* the clock at its last call */
    jit_made *made;
} jit_entry;

typedef struct {
    pthread_mutex_t lock; /* held while looking up and recording, not while running */
    jit_entry **entry;
    int64_t n, capacity;
    uint64_t clock;
    gm_jit_stats stats;
    bool warned;
} jit_state;

/* ---- entries ---- */

static void jit_made_destroy(void *object) {
    jit_made *m = object;
    for (int64_t i = 0; m->slot && i < m->n_slots; i++) gm_release(m->slot[i].constant);
    gm_free(m->slot);
    gm_release(m->form);
    gm_release(m->program);
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

typedef struct { gm__trace *trace; jit_made *made; uint64_t since, hash; bool differentiable; } jit_recording;

static gm_tensor *jit_note_slot(void *env, gm_tensor *t) {
    jit_recording *r = env;
    jit_slot *s = &r->made->slot[r->made->n_slots++];
    int32_t v = gm__trace_own_value(r->trace, t);
    r->differentiable |= gm__tape_leads_out(t->node, r->since, NULL, 0); /* a backward pass could reach something */
    s->output = -1;
    if (v < 0) s->constant = gm_retain(t);
    else s->output = (int32_t)r->trace->graph->n_out;
    if (v >= 0) gm__graph_add_output(r->trace->graph, v, "");
    return gm__tensor_over(NULL, 0, &t->shape, t->dtype);
}

/* The function's recording, ready to be planned, and its result in r->made; NULL without an error: it has a gradient.
 */
static gm_graph *jit_record(gm_fn *f, jit_recording *r, const gm_pack *in) {
    gm__trace t;
    r->trace = &t, r->since = gm__tape_now();
    gm_pack *out = gm__trace_function(&t, f->inner, in), *flat = out ? gm_pack_flatten(out) : NULL;
    gm_graph *g = NULL;
    if (flat) r->made->slot = gm_alloc((size_t)(gm_pack_count(flat) + 1) * sizeof *r->made->slot);
    gm_pack *form = r->made->slot ? gm__pack_map(out, jit_note_slot, r) : NULL;
    if (form) {
        r->made->form = gm_retain(form);
        r->hash = r->differentiable ? 0 : gm__graph_hash(t.graph);
        g = r->differentiable ? NULL : gm__optimize(t.graph);
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

/* The entry that was recorded as this one was. */
static jit_entry *jit_same(const jit_state *j, uint64_t key, uint64_t recording) {
    for (int64_t i = 0; i < j->n; i++)
        if (j->entry[i]->key == key && j->entry[i]->recording == recording) return j->entry[i];
    return NULL;
}

/* The entry for a call that has none, or of which modes may have changed. */
static jit_entry *jit_fill(gm_fn *f, jit_state *j, uint64_t key, const gm_pack *in, uint64_t epoch) {
    double begin = jit_seconds();
    gm_scope s = gm_scope_open();
    jit_recording r = { .made = gm_object_new(&jit_made_type) };
    gm_graph *g = r.made ? jit_record(f, &r, in) : NULL;
    jit_entry *e = gm_ok() ? jit_same(j, key, r.hash) : NULL;
    if (g) r.made->program = gm_retain(e && e->made->program ? e->made->program : gm__program_new(g));
    if (gm_ok() && !e) e = jit_add(j, key);
    if (gm_ok()) {
        gm_release(e->made);
        *e = (jit_entry){ .key = key, .epoch = epoch, .recording = r.hash, .made = gm_retain(r.made) };
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

static gm_pack *jit_run(jit_made *m, gm_tensor *const *in) {
    gm_tensor *few[32] = { NULL }, **out = m->n_slots <= 32 ? few : gm_alloc((size_t)m->n_slots * sizeof *out);
    jit_results r = { m, out, 0 };
    gm_pack *result = out && gm__program_run(m->program, in, out) ? gm__pack_map(m->form, jit_result, &r) : NULL;
    if (out != few) gm_free(out);
    return result;
}

extern _Atomic uint64_t gm__modes_epoch;

/* What a call runs, counted for it; NULL after an error. */
static jit_made *jit_made_for(gm_fn *f, jit_state *j, const jit_call *c, gm_pack *in) {
    uint64_t epoch = atomic_load_explicit(&gm__modes_epoch, memory_order_relaxed);
    pthread_mutex_lock(&j->lock);
    jit_entry *e = jit_find(j, c->key, epoch);
    j->stats.calls++;
    if (e) j->stats.hits++;
    else e = jit_fill(f, j, c->key, in, epoch);
    jit_made *made = e ? gm_retain(e->made) : NULL;
    if (e) e->used = ++j->clock;
    j->stats.runs += made && made->program;
    pthread_mutex_unlock(&j->lock);
    return made;
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
    jit_made *made = jit_made_for(f, j, c, in);
    if (made) out = made->program ? jit_run(made, c->in) : f->inner->call(f->inner, in);
    gm_release(made);
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

/* The number of programs, and in *list they themselves, counted for the caller. */
static int64_t jit_programs(jit_state *j, gm__program ***list) {
    int64_t n = 0;
    pthread_mutex_lock(&j->lock);
    *list = gm_alloc((size_t)(j->n + 1) * sizeof **list);
    for (int64_t i = 0; *list && i < j->n; i++)
        if (j->entry[i]->made->program) (*list)[n++] = gm_retain(j->entry[i]->made->program);
    bool all = n == j->n;
    pthread_mutex_unlock(&j->lock);
    return all ? n : -n - 1;
}

bool gm_jit_wait(gm_fn *f) {
    if (!gm__fn_check(f, "jit_wait")) return false;
    if (f->call != jit_call_fn) return gm_fail(GM_ERROR_VALUE, "jit_wait: this is a %s, not a jit", f->kind);
    gm__program **list;
    int64_t n = jit_programs(f->env, &list);
    bool all = list && n >= 0;
    if (n < 0) n = -n - 1;
    for (int64_t i = 0; list && i < n; i++) {
        if (gm_ok()) all &= gm__program_wait(list[i]);
        gm_release(list[i]);
    }
    gm_free(list);
    return all && gm_ok();
}

static void jit_count(gm_jit_stats *s, const jit_state *j, const jit_entry *e) {
    gm__program_stats p = gm__program_statistics(e->made->program);
    s->built += p.built, s->seconds += p.seconds;
    s->kernels = p.plan.kernels, s->arena_bytes += p.plan.arena;
    if (p.at_once > s->most_at_once) s->most_at_once = p.at_once;
    if (e->used == j->clock)
        s->last_kernels = p.plan.kernels, s->last_arena_bytes = p.plan.arena, s->last_live_bytes = p.plan.live;
}

gm_jit_stats gm_jit_statistics(gm_fn *f) {
    gm_jit_stats s = { 0 };
    if (!gm__fn_check(f, "jit_statistics")) return s;
    if (f->call != jit_call_fn) return gm_fail(GM_ERROR_VALUE, "jit_statistics: this is a %s, not a jit", f->kind), s;
    jit_state *j = f->env;
    pthread_mutex_lock(&j->lock);
    s = j->stats;
    s.programs = j->n;
    for (int64_t i = 0; i < j->n; i++)
        if (j->entry[i]->made->program) jit_count(&s, j, j->entry[i]);
    pthread_mutex_unlock(&j->lock);
    return s;
}
