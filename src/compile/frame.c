/* frame.c: running plans.
 *
 * Every value has its tensor when a run begins: in the arena, in storages that live as long as the frame, or over the
 * memory of the caller's tensors. So a run is a loop over calls of kernels, and asks nobody for anything but the memory
 * of its outputs. Runs of one plan at once have a frame each. Those that write state hold its locks meanwhile: a lock
 * stands for many storages, so they are taken in order, and a program that runs inside of another one only tries. */
#include "../math/fp.h"
#include "frame.h"
#include "../base/context.h"
#include "../base/memory.h"
#include "../base/object.h"
#include "../base/profile.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

/* ---- the tensors ---- */

int64_t gm__plan_bytes(const gm__value *v) {
    int64_t bytes = gm__bytes_of(v->dtype, gm_shape_count(v->shape));
    return bytes ? bytes : 1;
}

static gm_tensor *frame_tensor(const gm__value *v) {
    gm_storage *s = gm__object_make(&gm__storage_type);
    gm_tensor *t = s ? gm__tensor_over(s, 0, &v->shape, v->dtype) : NULL;
    gm_release(s);
    if (!t) return NULL;
    s->bytes = (size_t)gm__plan_bytes(v);
    memcpy(t->stride, v->stride, (size_t)v->shape.n * sizeof *v->stride);
    return t;
}

static bool frame_make_view(gm__frame *f, const gm__node *n) {
    gm_tensor *in[GM__WALK_MAX], *out[GM__WALK_MAX] = { NULL };
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i] < 0 ? NULL : f->value[n->in[i]];
    gm_op_args a = { n->op, n->n_in, n->n_out, in, n->attrs };
    if (!n->op->kernel(&a, out)) return false;
    for (int j = 0; j < n->n_out; j++) f->value[n->out + j] = gm_retain(out[j]);
    if (out[0]->storage == in[0]->storage) return true;
    return gm_fail(GM_ERROR_INTERNAL, "plan: a view by %s has memory of its own", n->op->name);
}

static bool frame_make_values(gm__frame *f, const gm_graph *g) {
    for (int64_t v = 0; v < g->n_values; v++) {
        const gm__value *value = &g->value[v];
        if (value->kind == GM__VALUE_CAPTURED) f->value[v] = gm_retain(value->captured);
        else if (value->kind == GM__VALUE_INPUT || gm__plan_is_own(g, (int32_t)v))
            f->value[v] = gm_retain(frame_tensor(value));
        else continue;
        if (!f->value[v]) return false;
    }
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (gm__plan_is_view(&g->node[i]) && !frame_make_view(f, &g->node[i])) return false;
    return true;
}

/* ---- the calls ---- */

static void frame_add_call(gm__frame *f, gm__frame_call *c, const gm__node *n, gm_tensor ***at) {
    *c = (gm__frame_call){ .op = n->op,
                           .attrs = n->attrs,
                           .in = *at,
                           .out = *at + n->n_in,
                           .n_in = n->n_in,
                           .n_out = n->n_out,
                           .draws = gm__node_draws(n),
                           .makes = n->op->flags & GM__PLAN_MAKES,
                           .node = n };
    for (int i = 0; i < n->n_in; i++) c->in[i] = n->in[i] < 0 ? NULL : f->value[n->in[i]];
    for (int j = 0; j < n->n_out; j++) c->out[j] = f->value[n->out + j];
    *at += n->n_in + n->n_out;
}

static bool frame_make_calls(gm__frame *f, const gm_graph *g) {
    int64_t pointers = 0, n = 0;
    for (int64_t i = 0; i < g->n_nodes; i++) pointers += g->node[i].n_in + g->node[i].n_out;
    f->call = gm_alloc((size_t)(g->n_nodes + 1) * sizeof *f->call);
    f->pointers = gm_alloc((size_t)(pointers + 1) * sizeof *f->pointers);
    if (!f->call || !f->pointers) return false;
    gm_tensor **at = f->pointers;
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (!gm__plan_is_view(&g->node[i])) frame_add_call(f, &f->call[n++], &g->node[i], &at);
    return true;
}

/* ---- frames ---- */

static void frame_rest(gm__frame *f) {
    if (f->arena) gm__block_give(f->arena, f->got);
    f->arena = NULL;
}

static void frame_free(gm__frame *f, const gm_graph *g) {
    for (int64_t v = 0; f->value && v < g->n_values; v++) gm_release(f->value[v]);
    gm_free(f->value);
    gm_free(f->call);
    gm_free(f->pointers);
    frame_rest(f);
    gm_free(f);
}

static gm__frame *frame_new(const gm__plan *p) {
    gm_scope s = gm_scope_open();
    GM_NO_GRAD;
    const gm_graph *g = p->graph;
    gm__frame *f = gm_alloc(sizeof *f);
    bool ok = f && (f->value = gm_alloc((size_t)(g->n_values + 1) * sizeof *f->value)) && frame_make_values(f, g) &&
              frame_make_calls(f, g);
    gm_scope_close(&s);
    if (f && !ok) frame_free(f, g);
    return ok ? f : NULL;
}

/* The arena's memory, where it is not there, and the values' places in it. */
static bool frame_take_arena(const gm__plan *p, gm__frame *f) {
    if (f->arena) return true;
    f->arena = gm__block_take((size_t)p->stats.arena + 64, &f->got);
    if (!f->arena)
        return gm_fail(GM_ERROR_MEMORY, "plan: no memory for an arena of %lld bytes", (long long)p->stats.arena);
    char *base = (char *)(((uintptr_t)f->arena + 63) & ~(uintptr_t)63);
    for (int64_t v = 0; v < p->graph->n_values; v++)
        if (p->offset[v] >= 0) f->value[v]->storage->data = base + p->offset[v];
    return true;
}

/* ---- those of a plan ---- */

static gm__frame *frame_take(gm__plan *p) {
    pthread_mutex_lock(&p->lock);
    gm__frame *f = p->idle;
    if (f) p->idle = f->next, p->n_idle--;
    pthread_mutex_unlock(&p->lock);
    if (!f) f = frame_new(p);
    return f;
}

static void frame_give(gm__plan *p, gm__frame *f) {
    if (f && p->rests) frame_rest(f);
    pthread_mutex_lock(&p->lock);
    bool keep = f && p->n_idle < GM__FRAMES;
    if (keep) f->next = p->idle, p->idle = f, p->n_idle++;
    pthread_mutex_unlock(&p->lock);
    if (f && !keep) frame_free(f, p->graph);
}

void gm__plan_rest(gm__plan *p) {
    pthread_mutex_lock(&p->lock);
    p->rests = true;
    for (gm__frame *f = p->idle; f; f = f->next) frame_rest(f);
    pthread_mutex_unlock(&p->lock);
}

gm__plan_stats gm__plan_statistics(const gm__plan *p) { return p->stats; }

/* ---- state ---- */

static pthread_mutex_t frame_states[GM__STATE_LOCKS];

__attribute__((constructor)) static void frame_make_locks(void) {
    for (int i = 0; i < GM__STATE_LOCKS; i++) pthread_mutex_init(&frame_states[i], NULL);
}

static uint64_t frame_state_of(const gm_tensor *t) {
    uint64_t h = (uint64_t)(uintptr_t)t->storage * 0x9e3779b97f4a7c15u;
    return (uint64_t)1 << (h >> 58);
}

static bool frame_note_states(gm__plan *p) {
    const gm_graph *g = p->graph;
    bool *written = gm_alloc((size_t)g->n_values + 1);
    if (!written) return false;
    gm__graph_written(g, written);
    for (int64_t i = 0; i < g->n_left; i++) written[g->left[i].of] = true;
    for (int64_t v = 0; v < g->n_values; v++)
        if (written[v] && g->value[v].captured) p->states |= frame_state_of(g->value[v].captured);
    gm_free(written);
    return true;
}

static void frame_unlock_states(uint64_t states) {
    gm__context()->states &= ~states;
    for (int i = 0; i < GM__STATE_LOCKS; i++)
        if (states >> i & 1) pthread_mutex_unlock(&frame_states[i]);
}

/* False, with an error, if the thread is inside of a run that holds some of them, or another thread holds one that this
 * one must not wait for. */
static bool frame_lock_states(uint64_t states) {
    gm_context *c = gm__context();
    uint64_t got = 0;
    if (!states) return true;
    bool inside = c->states, busy = c->states & states;
    for (int i = 0; i < GM__STATE_LOCKS && !busy; i++) {
        if (!(states >> i & 1)) continue;
        if (!inside) pthread_mutex_lock(&frame_states[i]);
        else if ((busy = pthread_mutex_trylock(&frame_states[i]))) break;
        got |= (uint64_t)1 << i;
    }
    if (!busy) return c->states |= states, true;
    frame_unlock_states(got);
    return gm_fail(GM_ERROR_STATE, "jit: busy: a program that writes tensors was called from inside of another one, "
                                   "while a run that may write the same ones goes on");
}

bool gm__frames_begin(gm__plan *p) {
    gm__frame *f = frame_note_states(p) ? frame_new(p) : NULL;
    if (f)
        frame_give(p, f); /* its arena comes with its first run: the plan that this one replaces may still have one */
    return f != NULL;
}

void gm__frames_free(gm__plan *p) {
    for (gm__frame *f = p->idle, *next; f; f = next) {
        next = f->next;
        frame_free(f, p->graph);
    }
}

/* ---- running ---- */

/* The memory of t behind value v's storage; its own is there as long as t is. */
static void frame_bind(gm__frame *f, int32_t v, const gm_tensor *t) { f->value[v]->storage->data = gm__data(t); }

static bool frame_bind_inputs(const gm__plan *p, gm__frame *f, gm_tensor *const *in) {
    const gm_graph *g = p->graph;
    for (int64_t i = 0; i < g->n_in; i++) {
        const gm__value *v = &g->value[g->in[i]];
        gm_tensor *t = in[i];
        if (!t->storage || !gm__has_data(t))
            return gm_fail(GM_ERROR_STATE, "plan: input %lld has no value", (long long)i);
        if (memcmp(t->stride, v->stride, (size_t)v->shape.n * sizeof *v->stride))
            t = gm_is_contiguous(f->value[g->in[i]]) ? gm_contiguous(t) : gm_channels_last(t);
        if (!t) return false;
        frame_bind(f, g->in[i], t);
    }
    for (int64_t v = 0; v < g->n_values; v++)
        if (g->value[v].kind == GM__VALUE_CAPTURED && !gm__has_data(g->value[v].captured)) return false;
    return true;
}

static bool frame_make_outputs(const gm__plan *p, gm__frame *f, gm_tensor **out) {
    const gm_graph *g = p->graph;
    for (int64_t i = 0; i < g->n_out; i++) {
        if (p->copied[i]) continue;
        const gm__value *v = &g->value[g->out[i].value];
        out[i] = gm__tensor_new(&v->shape, v->dtype, false);
        if (!out[i]) return false;
        memcpy(out[i]->stride, v->stride, (size_t)v->shape.n * sizeof *v->stride);
        frame_bind(f, g->out[i].value, out[i]);
    }
    return true;
}

/* A kernel that makes its outputs, of the shape that is expected or of another one. Their memory is behind the plan's
 * tensors until the next run. */
static bool frame_run_making(const gm__frame_call *c, const gm_op_args *a, gm_shape *other) {
    gm_tensor *made[GM__WALK_MAX] = { NULL };
    if (!c->op->kernel(a, made)) return false;
    for (int j = 0; j < c->n_out; j++) {
        gm_storage *s = c->out[j]->storage;
        if (!gm__has_data(made[j])) return false;
        if (!gm_shape_equal(made[j]->shape, c->out[j]->shape)) return *other = made[j]->shape, false;
        if (memcmp(made[j]->stride, c->out[j]->stride, (size_t)made[j]->shape.n * sizeof *made[j]->stride)) {
            made[j] = gm_contiguous(made[j]);
            if (!made[j]) return false;
        }
        if (s->env) gm_release(s->env);
        s->release = gm_release, s->env = gm_retain(made[j]);
        s->data = gm__data(made[j]);
    }
    return true;
}

/* Some kernels give another tensor in place of the one that was made for them: operations did the work. */
static bool frame_run_kernel(const gm__frame_call *c, const gm_op_args *a) {
    gm_tensor *out[GM__WALK_MAX];
    memcpy(out, c->out, (size_t)c->n_out * sizeof *out);
    bool ok = c->op->kernel(a, out);
    for (int j = 0; ok && j < c->n_out; j++) {
        if (out[j] == c->out[j]) continue;
        gm__operand from = gm__operand_of(out[j]), to = gm__operand_of(c->out[j]);
        ok = gm__has_data(out[j]) && gm__copy(&out[j]->shape, &from, &to);
    }
    return ok;
}

static bool frame_run_call(const gm__frame_call *c, uint64_t seed, uint64_t first, gm_shape *other) {
    _Alignas(16) char room[GM__ATTRS_MAX];
    gm_op_args a = { c->op, c->n_in, c->n_out, c->in, c->attrs };
    int64_t begin = gm__profile_begin();
    if (c->draws) a.attrs = gm__node_attrs(c->node, seed, first, room);
    bool ok = c->makes ? frame_run_making(c, &a, other) : frame_run_kernel(c, &a);
    gm__profile_end(begin, "op", c->op->name);
    return ok;
}

static bool frame_finish(const gm__plan *p, const gm__frame *f, gm_tensor **out) {
    const gm_graph *g = p->graph;
    for (int64_t i = 0; i < g->n_out; i++)
        if (p->copied[i] && !(out[i] = gm_copy(f->value[g->out[i].value]))) return false;
    for (int64_t i = 0; i < g->n_left; i++) {
        gm_tensor *x = g->value[g->left[i].of].captured, *left = f->value[g->left[i].value];
        left = x->grad ? gm_add(x->grad, left) : gm_copy(left);
        if (!left || !gm_set_gradient(x, left)) return false;
    }
    return true;
}

static bool frame_run_calls(const gm__plan *p, gm__frame *f, uint64_t seed, uint64_t first, gm__cut *cut) {
    for (int64_t i = 0; i < p->stats.kernels; i++) {
        gm_scope s = gm_scope_open();
        bool ok = frame_run_call(&f->call[i], seed, first, &cut->shape);
        gm_scope_close(&s);
        if (!ok) return false;
        cut->at += f->call[i].op->flags & GM_OP_DYNAMIC ? 1 : 0;
    }
    return true;
}

static bool frame_run(const gm__plan *p, gm__frame *f, gm_tensor *const *in, gm_tensor **out, uint64_t seed,
                      uint64_t first, gm__cut *cut) {
    if (!frame_take_arena(p, f) || !frame_bind_inputs(p, f, in) || !frame_make_outputs(p, f, out)) return false;
    return frame_run_calls(p, f, seed, first, cut) && frame_finish(p, f, out);
}

bool gm__plan_run_over(gm__plan *p, void *const *in, void *const *out) {
    const gm_graph *g = p->graph;
    gm__frame *f = frame_take(p);
    gm__cut none = { .at = 0 };
    bool ok = f && frame_take_arena(p, f);
    for (int64_t i = 0; ok && i < g->n_in; i++) f->value[g->in[i]]->storage->data = in[i];
    for (int64_t i = 0; ok && i < g->n_out; i++) f->value[g->out[i].value]->storage->data = out[i];
    ok = ok && frame_run_calls(p, f, 0, 0, &none);
    frame_give(p, f);
    return ok;
}

bool gm__plan_run_at(gm__plan *p, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first, gm__cut *cut) {
    GM_NO_GRAD;
    gm__cut none, *at = cut ? cut : &none;
    if (!frame_lock_states(p->states)) return false;
    gm__frame *f = frame_take(p);
    at->at = 0;
    bool ok = f && frame_run(p, f, in, out, seed, first, at);
    frame_give(p, f);
    frame_unlock_states(p->states);
    if (!ok && gm_ok() && !cut) gm_fail(GM_ERROR_STATE, "plan: a shape that follows from values is another one now");
    return ok && gm_ok();
}

bool gm__plan_run(gm__plan *p, gm_tensor *const *in, gm_tensor **out) {
    uint64_t seed = 0, first = gm__take_draws(p->graph->n_draws, &seed);
    return gm__plan_run_at(p, in, out, seed, first, NULL);
}

/* ---- by somebody else ---- */

gm__frame *gm__frame_take(gm__plan *p) { return frame_take(p); }
void gm__frame_give(gm__plan *p, gm__frame *f) { frame_give(p, f); }

bool gm__frame_call_at(const gm__frame *f, int64_t i, uint64_t seed, uint64_t first) {
    gm__cut none = { .at = 0 };
    gm_scope s = gm_scope_open();
    bool ok = frame_run_call(&f->call[i], seed, first, &none.shape);
    gm_scope_close(&s);
    return ok;
}

bool gm__plan_run_by(gm__plan *p, gm_tensor *const *in, gm_tensor **out, const gm__runner *r, uint64_t seed,
                     uint64_t first) {
    GM_NO_GRAD;
    if (!frame_lock_states(p->states)) return false;
    gm__frame *f = frame_take(p);
    bool ok = f && frame_take_arena(p, f) && frame_bind_inputs(p, f, in) && frame_make_outputs(p, f, out) &&
              r->run(p, f, r->env, seed, first) && frame_finish(p, f, out);
    frame_give(p, f);
    frame_unlock_states(p->states);
    if (!ok && gm_ok()) gm_fail(GM_ERROR_STATE, "plan: a shape that follows from values is another one now");
    return ok && gm_ok();
}
