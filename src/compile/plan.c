/* plan.c: making and running plans.
 *
 * Every value gets its tensor when the plan is made. Those that a node makes lie in the arena, in storages that live as
 * long as the plan; views are made once, by their own kernels, over the storages of what they view. Inputs and outputs
 * have storages too, whose memory is that of the caller's tensors for the time of a run. So a run is a loop over calls
 * of kernels, and asks nobody for anything but the memory of its outputs. */
#include "../math/fp.h"
#include "fuse.h"
#include "plan.h"
#include "../base/context.h"
#include "../base/object.h"
#include "../base/profile.h"
#include "../base/stream.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

typedef struct {
    const gm_op *op;
    const void *attrs;
    gm_tensor **in, **out;
    int32_t n_in, n_out;
    bool draws;   /* the attributes have places in the random stream */
    bool makes;   /* the kernel makes its outputs */
    const gm__node *node;
} plan_call;

struct gm__plan {
    gm_object o;
    gm_graph *graph;
    gm_tensor **value;   /* [n_values], held */
    plan_call *call;
    gm_tensor **pointers; /* the calls' inputs and outputs */
    bool *copied;        /* [n_out]: the output is no memory of its own in the plan: it is copied */
    void *arena;
    char *base;          /* where it begins, or began last */
    bool *in_arena;      /* [n_values] */
    int64_t n_calls;
    gm__plan_stats stats;
};

static void plan_destroy(void *object) {
    gm__plan *p = object;
    for (int64_t v = 0; p->value && v < p->graph->n_values; v++) gm_release(p->value[v]);
    gm_free(p->value);
    gm_free(p->call);
    gm_free(p->pointers);
    gm_free(p->copied);
    gm_free(p->in_arena);
    gm_free(p->arena);
    gm_release(p->graph);
}

static const gm_type plan_type = { "plan", sizeof(gm__plan), plan_destroy };

/* ---- which memory ---- */

static bool plan_is_view(const gm__node *n) { return n->op->flags & GM_OP_VIEW; }

/* A value whose memory is the plan's own: not an input's, a captured tensor's or a view's. */
static bool plan_is_own(const gm_graph *g, int32_t v) {
    return g->value[v].kind == GM__VALUE_NODE && !plan_is_view(&g->node[g->value[v].from]);
}

/* An output is written straight into the caller's tensor if it is dense memory of its own and nobody needs it after. */
static bool plan_is_handed_out(const gm_graph *g, int64_t i) {
    int32_t v = g->out[i].value;
    for (int64_t k = 0; k < i; k++)
        if (g->out[k].value == v) return false;
    return plan_is_own(g, v) && !(g->node[g->value[v].from].op->flags & GM_OP_OWN_OUTPUTS);
}

static int64_t plan_bytes(const gm__value *v) {
    int64_t bytes = gm__bytes_of(v->dtype, gm_shape_count(v->shape));
    return bytes ? bytes : 1;
}

/* ---- making the tensors ---- */

static gm_tensor *plan_tensor(const gm__value *v) {
    gm_storage *s = gm__object_make(&gm__storage_type);
    gm_tensor *t = s ? gm__tensor_over(s, 0, &v->shape, v->dtype) : NULL;
    gm_release(s);
    if (!t) return NULL;
    s->bytes = (size_t)plan_bytes(v);
    memcpy(t->stride, v->stride, (size_t)v->shape.n * sizeof *v->stride);
    return t;
}

static bool plan_make_view(gm__plan *p, const gm__node *n) {
    gm_tensor *in[GM__WALK_MAX], *out[GM__WALK_MAX] = { NULL };
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i] < 0 ? NULL : p->value[n->in[i]];
    gm_op_args a = { n->op, n->n_in, n->n_out, in, n->attrs };
    if (!n->op->kernel(&a, out)) return false;
    for (int j = 0; j < n->n_out; j++) p->value[n->out + j] = gm_retain(out[j]);
    if (out[0]->storage == in[0]->storage) return true;
    return gm_fail(GM_ERROR_INTERNAL, "plan: a view by %s has memory of its own", n->op->name);
}

static bool plan_make_values(gm__plan *p) {
    const gm_graph *g = p->graph;
    for (int64_t v = 0; v < g->n_values; v++) {
        const gm__value *value = &g->value[v];
        if (value->kind == GM__VALUE_CAPTURED) p->value[v] = gm_retain(value->captured);
        else if (value->kind == GM__VALUE_INPUT || plan_is_own(g, (int32_t)v))
            p->value[v] = gm_retain(plan_tensor(value));
        else continue;
        if (!p->value[v]) return false;
    }
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (plan_is_view(&g->node[i]) && !plan_make_view(p, &g->node[i])) return false;
    return true;
}

/* ---- the arena ---- */

static void plan_use(const gm_graph *g, int64_t *last, int32_t v, int64_t step) {
    int32_t root = v < 0 ? -1 : gm__graph_root(g, v);
    if (root >= 0 && last[root] < step) last[root] = step;
}

/* The last step at which each value's memory is needed. */
static void plan_lives(const gm_graph *g, int64_t *last) {
    for (int64_t v = 0; v < g->n_values; v++) last[v] = g->value[v].kind == GM__VALUE_NODE ? g->value[v].from : 0;
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++) plan_use(g, last, g->node[i].in[k], i);
    for (int64_t i = 0; i < g->n_out; i++) plan_use(g, last, g->out[i].value, g->n_nodes);
    for (int64_t i = 0; i < g->n_left; i++) plan_use(g, last, g->left[i].value, g->n_nodes);
}

static bool plan_in_arena(const gm__plan *p, int32_t v) {
    const gm_graph *g = p->graph;
    if (!plan_is_own(g, v) || g->node[g->value[v].from].op->flags & GM_OP_OWN_OUTPUTS) return false;
    for (int64_t i = 0; i < g->n_out; i++)
        if (g->out[i].value == v && plan_is_handed_out(g, i)) return false;
    return true;
}

/* ---- one buffer for two values ----
 * An elementwise result may lie where one of its operands lies that is needed no longer: each element is read before it
 * is written. */

static bool plan_is_elementwise(const gm_op *op) { return op->flags & GM_OP_ELEMENTWISE || op == &gm__op_fused; }

static bool plan_lies_alike(const gm__value *a, const gm__value *b) {
    if (a->shape.n != b->shape.n || gm__dtype(a->dtype)->bits != gm__dtype(b->dtype)->bits) return false;
    for (int d = 0; d < a->shape.n; d++)
        if (a->shape.d[d] != b->shape.d[d] || a->stride[d] != b->stride[d]) return false;
    return true;
}

/* The node reads x in another way, too. */
static bool plan_reads_view_of(const gm_graph *g, const gm__node *n, int32_t x) {
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k] >= 0 && n->in[k] != x && gm__graph_root(g, n->in[k]) == x) return true;
    return false;
}

/* The operand of node i whose buffer output v can have, -1 if there is none. */
static int32_t plan_operand_for(const gm__plan *p, const int64_t *last, const int32_t *home, int64_t i, int32_t v) {
    const gm_graph *g = p->graph;
    const gm__node *n = &g->node[i];
    for (int k = 0; k < n->n_in; k++) {
        int32_t x = n->in[k];
        if (x < 0 || !plan_in_arena(p, x) || last[x] != i || !plan_lies_alike(&g->value[x], &g->value[v])) continue;
        bool taken = plan_reads_view_of(g, n, x);
        for (int32_t o = n->out; o < v; o++) taken |= home[o] == home[x];
        if (!taken) return x;
    }
    return -1;
}

/* home[v]: the value whose buffer v has; last[] of it becomes the end of all that share it. */
static void plan_share(const gm__plan *p, int64_t *last, int32_t *home) {
    const gm_graph *g = p->graph;
    for (int64_t v = 0; v < g->n_values; v++) home[v] = (int32_t)v;
    for (int64_t i = 0; i < g->n_nodes; i++) {
        const gm__node *n = &g->node[i];
        for (int32_t v = n->out; plan_is_elementwise(n->op) && v < n->out + n->n_out; v++) {
            int32_t x = plan_in_arena(p, v) ? plan_operand_for(p, last, home, i, v) : -1;
            if (x >= 0) home[v] = home[x];
        }
    }
    for (int64_t v = 0; v < g->n_values; v++)
        if (last[home[v]] < last[v]) last[home[v]] = last[v];
}

/* ---- the arena itself ---- */

typedef struct { int64_t *last; gm__buffer *buffer; int32_t *home, *number; int64_t n; } plan_memory;

/* A buffer for each value that has one of its own. */
static void plan_list_buffers(const gm__plan *p, plan_memory *m) {
    const gm_graph *g = p->graph;
    for (int64_t v = 0; v < g->n_values; v++) {
        if (!plan_in_arena(p, (int32_t)v) || m->home[v] != v) continue;
        m->number[v] = (int32_t)m->n;
        m->buffer[m->n++] = (gm__buffer){ plan_bytes(&g->value[v]), g->value[v].from, m->last[v], 0 };
    }
}

/* The arena's memory, where it is not there, and the values' places in it. */
static bool plan_take_arena(gm__plan *p) {
    if (p->arena) return true;
    p->arena = gm_realloc(NULL, (size_t)p->stats.arena + 64);
    if (!p->arena) return false;
    char *base = (char *)(((uintptr_t)p->arena + 63) & ~(uintptr_t)63);
    for (int64_t v = 0; v < p->graph->n_values; v++)
        if (p->in_arena[v])
            p->value[v]->storage->data = base + ((uintptr_t)p->value[v]->storage->data - (uintptr_t)p->base);
    p->base = base;
    return true;
}

void gm__plan_rest(gm__plan *p) {
    gm_free(p->arena);
    p->arena = NULL;
}

static bool plan_set_arena(gm__plan *p, const plan_memory *m, int64_t bytes) {
    p->in_arena = gm_alloc((size_t)p->graph->n_values + 1);
    if (!p->in_arena) return false;
    for (int64_t v = 0; v < p->graph->n_values; v++) {
        p->in_arena[v] = plan_in_arena(p, (int32_t)v);
        if (p->in_arena[v])
            p->value[v]->storage->data = (void *)(uintptr_t)m->buffer[m->number[m->home[v]]].offset;
    }
    p->stats.arena = bytes;
    return plan_take_arena(p);
}

static bool plan_make_arena(gm__plan *p) {
    const gm_graph *g = p->graph;
    size_t n = (size_t)g->n_values + 1;
    plan_memory m = { gm_alloc(n * sizeof *m.last), gm_alloc(n * sizeof *m.buffer), gm_alloc(n * sizeof *m.home),
                      gm_alloc(n * sizeof *m.number), 0 };
    int64_t bytes = -1;
    if (m.last && m.buffer && m.home && m.number) {
        plan_lives(g, m.last);
        plan_share(p, m.last, m.home);
        plan_list_buffers(p, &m);
        bytes = gm__place_buffers(m.buffer, m.n, &p->stats.live);
    }
    bool ok = bytes >= 0 && plan_set_arena(p, &m, bytes);
    gm_free(m.last);
    gm_free(m.buffer);
    gm_free(m.home);
    gm_free(m.number);
    return ok;
}

/* ---- the calls ---- */

static void plan_add_call(gm__plan *p, const gm__node *n, gm_tensor ***at) {
    plan_call *c = &p->call[p->n_calls++];
    *c = (plan_call){ .op = n->op,
                      .attrs = n->attrs,
                      .in = *at,
                      .out = *at + n->n_in,
                      .n_in = n->n_in,
                      .n_out = n->n_out,
                      .draws = gm__node_draws(n),
                      .makes = n->op->flags & GM_OP_OWN_OUTPUTS,
                      .node = n };
    for (int i = 0; i < n->n_in; i++) c->in[i] = n->in[i] < 0 ? NULL : p->value[n->in[i]];
    for (int j = 0; j < n->n_out; j++) c->out[j] = p->value[n->out + j];
    *at += n->n_in + n->n_out;
}

static bool plan_make_calls(gm__plan *p) {
    const gm_graph *g = p->graph;
    int64_t pointers = 0;
    for (int64_t i = 0; i < g->n_nodes; i++) pointers += g->node[i].n_in + g->node[i].n_out;
    p->call = gm_alloc((size_t)(g->n_nodes + 1) * sizeof *p->call);
    p->pointers = gm_alloc((size_t)(pointers + 1) * sizeof *p->pointers);
    p->copied = gm_alloc((size_t)g->n_out + 1);
    if (!p->call || !p->pointers || !p->copied) return false;
    gm_tensor **at = p->pointers;
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (!plan_is_view(&g->node[i])) plan_add_call(p, &g->node[i], &at);
    for (int64_t i = 0; i < g->n_out; i++) p->copied[i] = !plan_is_handed_out(g, i);
    p->stats.kernels = p->n_calls;
    return true;
}

gm__plan *gm__plan_new(gm_graph *g) {
    if (!gm__graph_check(g, "plan")) return NULL;
    gm_scope s = gm_scope_open();
    GM_NO_GRAD;
    gm__plan *p = gm_object_new(&plan_type);
    if (!p) return gm_return(&s, NULL);
    p->graph = gm_retain(g);
    p->value = gm_alloc((size_t)(g->n_values + 1) * sizeof *p->value);
    bool ok = p->value && plan_make_values(p) && plan_make_arena(p) && plan_make_calls(p);
    return gm_return(&s, ok ? p : NULL);
}

gm__plan_stats gm__plan_statistics(const gm__plan *p) { return p->stats; }

/* ---- running ---- */

/* The memory of t behind value v's storage; its own is there as long as t is. */
static void plan_bind(gm__plan *p, int32_t v, const gm_tensor *t) { p->value[v]->storage->data = gm__data(t); }

static bool plan_bind_inputs(gm__plan *p, gm_tensor *const *in) {
    const gm_graph *g = p->graph;
    for (int64_t i = 0; i < g->n_in; i++) {
        const gm__value *v = &g->value[g->in[i]];
        gm_tensor *t = in[i];
        if (!t->storage || !gm__has_data(t))
            return gm_fail(GM_ERROR_STATE, "plan: input %lld has no value", (long long)i);
        if (memcmp(t->stride, v->stride, (size_t)v->shape.n * sizeof *v->stride))
            t = gm_is_contiguous(p->value[g->in[i]]) ? gm_contiguous(t) : gm_channels_last(t);
        if (!t) return false;
        plan_bind(p, g->in[i], t);
    }
    for (int64_t v = 0; v < g->n_values; v++)
        if (g->value[v].kind == GM__VALUE_CAPTURED && !gm__has_data(g->value[v].captured)) return false;
    return true;
}

static bool plan_make_outputs(gm__plan *p, gm_tensor **out) {
    const gm_graph *g = p->graph;
    for (int64_t i = 0; i < g->n_out; i++) {
        if (p->copied[i]) continue;
        const gm__value *v = &g->value[g->out[i].value];
        out[i] = gm__tensor_new(&v->shape, v->dtype, false);
        if (!out[i]) return false;
        memcpy(out[i]->stride, v->stride, (size_t)v->shape.n * sizeof *v->stride);
        plan_bind(p, g->out[i].value, out[i]);
    }
    return true;
}

/* A kernel that makes its outputs: their memory is behind the plan's tensors until the next run. */
static bool plan_run_making(const plan_call *c, const gm_op_args *a) {
    gm_tensor *made[GM__WALK_MAX] = { NULL };
    if (!c->op->kernel(a, made)) return false;
    for (int j = 0; j < c->n_out; j++) {
        gm_storage *s = c->out[j]->storage;
        if (!gm__has_data(made[j])) return false;
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
static bool plan_run_kernel(const plan_call *c, const gm_op_args *a) {
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

static bool plan_run_call(const plan_call *c, uint64_t seed, uint64_t first) {
    _Alignas(16) char room[GM__ATTRS_MAX];
    gm_op_args a = { c->op, c->n_in, c->n_out, c->in, c->attrs };
    int64_t begin = gm__profile_begin();
    if (c->draws) a.attrs = gm__node_attrs(c->node, seed, first, room);
    bool ok = c->makes ? plan_run_making(c, &a) : plan_run_kernel(c, &a);
    gm__profile_end(begin, "op", c->op->name);
    return ok;
}

static bool plan_finish(gm__plan *p, gm_tensor **out) {
    const gm_graph *g = p->graph;
    for (int64_t i = 0; i < g->n_out; i++)
        if (p->copied[i] && !(out[i] = gm_copy(p->value[g->out[i].value]))) return false;
    for (int64_t i = 0; i < g->n_left; i++) {
        gm_tensor *x = g->value[g->left[i].of].captured, *left = p->value[g->left[i].value];
        left = x->grad ? gm_add(x->grad, left) : gm_copy(left);
        if (!left || !gm_set_gradient(x, left)) return false;
    }
    return true;
}

static bool plan_run(gm__plan *p, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first) {
    if (!plan_take_arena(p) || !plan_bind_inputs(p, in) || !plan_make_outputs(p, out)) return false;
    for (int64_t i = 0; i < p->n_calls; i++) {
        gm_scope s = gm_scope_open();
        bool ok = plan_run_call(&p->call[i], seed, first);
        gm_scope_close(&s);
        if (!ok) return false;
    }
    return plan_finish(p, out);
}

bool gm__plan_run_at(gm__plan *p, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first) {
    GM_NO_GRAD;
    return plan_run(p, in, out, seed, first) && gm_ok();
}

bool gm__plan_run(gm__plan *p, gm_tensor *const *in, gm_tensor **out) {
    uint64_t seed = 0, first = gm__take_draws(p->graph->n_draws, &seed);
    return gm__plan_run_at(p, in, out, seed, first);
}
