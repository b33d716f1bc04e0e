/* trace.c: recording a graph.
 *
 * The dispatcher asks here while a trace is open. A call gets its shapes from infer, becomes a node, and leaves a tape
 * entry as an eager call does, so that a gradient taken inside the trace is recorded in its turn. */
#include "../math/fp.h"
#include "trace.h"
#include "../base/context.h"
#include "../base/grow.h"
#include "../base/object.h"
#include "../base/stream.h"
#include "../eager/tape.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"

#include <stdatomic.h>
#include <string.h>

_Static_assert(GM__WALK_MAX == (int)GM__MAX_PORTS, "a node holds a call");

/* What a ghost knows of itself. */
typedef struct { gm_object o; uint64_t trace; int32_t value; } traced;

static void traced_destroy(void *object) {
    (void)object;
    atomic_fetch_sub_explicit(&gm__n_symbols, 1, memory_order_relaxed);
}

static const gm_type traced_type = { "traced value", sizeof(traced), traced_destroy };

bool gm__is_traced(const gm_tensor *t) { return t->symbol && t->symbol->type == &traced_type; }

static bool trace_name_ghost(const gm__trace *t, gm_tensor *x, int32_t value) {
    traced *s = gm__object_make(&traced_type);
    if (!s) return false;
    atomic_fetch_add_explicit(&gm__n_symbols, 1, memory_order_relaxed);
    s->trace = t->id;
    s->value = value;
    gm_release(x->symbol);
    x->symbol = &s->o;
    return true;
}

/* ---- opening and closing ---- */

bool gm__trace_begin(gm__trace *t) {
    static _Atomic uint64_t ids = 1;
    gm_context *c = gm__context();
    gm_graph *g = gm__graph_new();
    *t = (gm__trace){ .outer = c->trace, .id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed) };
    if (!g) return false;
    t->graph = gm_retain(g);
    t->open = true;
    c->trace = t;
    atomic_fetch_add_explicit(&gm__n_symbols, 1, memory_order_relaxed);
    return true;
}

void gm__trace_end(gm__trace *t) {
    if (!t->open) return;
    t->open = false;
    gm__context()->trace = t->outer;
    atomic_fetch_sub_explicit(&gm__n_symbols, 1, memory_order_relaxed);
}

void gm__trace_free(gm__trace *t) {
    gm__trace_end(t);
    gm__map_free(&t->captured);
    gm_release(t->graph);
    t->graph = NULL;
}

void *gm_recording_pause(void) {
    gm__trace *t = gm__context()->trace;
    gm__context()->trace = NULL;
    return t;
}

void gm_recording_resume(void *before) { gm__context()->trace = before; }

bool gm_is_recording(void) { return gm__context()->trace != NULL; }

/* ---- values ---- */

gm_tensor *gm__trace_input(gm__trace *t, const gm_tensor *like, const char *name) {
    gm_graph *g = t->graph;
    gm_tensor *x = gm__tensor_over(NULL, 0, &like->shape, like->dtype);
    if (!x || !gm__grow(&g->in, g->n_in, &g->in_capacity, sizeof *g->in)) return NULL;
    if (gm_is_channels_last(like) && !gm_is_contiguous(like)) gm__strides_channels_last(x);
    int32_t v = gm__graph_add_value(g, GM__VALUE_INPUT, x);
    if (v < 0 || !trace_name_ghost(t, x, v)) return NULL;
    g->value[v].from = (int32_t)g->n_in;
    g->value[v].name = gm_strdup(name);
    g->in[g->n_in++] = v;
    return g->value[v].name ? x : NULL;
}

int32_t gm__trace_own_value(const gm__trace *t, const gm_tensor *x) {
    const traced *s = gm__is_traced(x) ? (const traced *)x->symbol : NULL;
    return s && s->trace == t->id ? s->value : -1;
}

static bool trace_is_open(uint64_t id) {
    for (const gm__trace *t = gm__context()->trace; t; t = t->outer)
        if (t->id == id) return true;
    return false;
}

static bool trace_capturable(const gm_tensor *x) {
    if (x->storage) return true;
    if (gm__is_traced(x) && trace_is_open(((const traced *)x->symbol)->trace)) return true;
    return gm_fail(GM_ERROR_STATE, x->symbol ? "a traced value is used outside of its trace: return it as a result"
                                             : "a value is needed here, there is only a shape");
}

static int32_t trace_capture(gm__trace *t, gm_tensor *x) {
    if (!trace_capturable(x)) return -1;
    void **place = gm__map_at(&t->captured, x);
    if (!place) return -1;
    if (*place) return (int32_t)(intptr_t)*place - 1;
    int32_t v = gm__graph_add_value(t->graph, GM__VALUE_CAPTURED, x);
    if (v < 0) return -1;
    t->graph->value[v].captured = gm_retain(x);
    *place = (void *)(intptr_t)(v + 1);
    return v;
}

int32_t gm__trace_value(gm__trace *t, gm_tensor *x) {
    int32_t own = gm__trace_own_value(t, x);
    return own >= 0 ? own : trace_capture(t, x);
}

/* ---- calls ---- */

static bool trace_wants_tape(const gm_op *op, gm_tensor *const *in, int n_in) {
    return !(op->flags & GM_OP_NO_GRAD) && op->grad && gm__wants_tape(op, in, n_in);
}

static gm__node *trace_node(gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs) {
    int32_t values[GM__WALK_MAX];
    const gm_context *c = gm__context();
    if (n_in > GM__WALK_MAX)
        return gm_fail(GM_ERROR_UNSUPPORTED, "%s: %d inputs in a trace, at most %d", op->name, n_in, GM__WALK_MAX),
               NULL;
    for (int i = 0; i < n_in; i++) {
        values[i] = in[i] ? gm__trace_value(t, in[i]) : -1;
        if (in[i] && values[i] < 0) return NULL;
    }
    gm__node *n = gm__graph_add_node(t->graph, op, attrs, n_in);
    if (!n) return NULL;
    memcpy(n->in, values, (size_t)n_in * sizeof *values);
    n->no_grad = c->no_grad;
    n->again = c->again;
    n->where = *c->where ? gm_strdup(c->where) : NULL;
    return *c->where && !n->where ? NULL : n;
}

static bool trace_outputs(gm__trace *t, gm__node *n, const gm_spec *spec, gm_tensor **out, int n_out) {
    int64_t at = n - t->graph->node;
    n->n_out = n_out;
    n->out = (int32_t)t->graph->n_values;
    for (int j = 0; j < n_out; j++) {
        if (!out[j]) {
            out[j] = gm__tensor_over(NULL, 0, &spec[j].shape, spec[j].dtype);
            if (out[j] && spec[j].channels_last && spec[j].shape.n >= 3) gm__strides_channels_last(out[j]);
        }
        int32_t v = out[j] ? gm__graph_add_value(t->graph, GM__VALUE_NODE, out[j]) : -1;
        if (v < 0 || !trace_name_ghost(t, out[j], v)) return false;
        t->graph->value[v].from = (int32_t)at;
        t->graph->value[v].index = j;
    }
    return true;
}

/* A view's kernel makes a ghost with the right strides. One that cannot be a view copies first: then the copy, which
 * was recorded just now, is what it is a view of. */
static bool trace_view(gm__trace *t, const gm_op_args *a, gm_tensor **in, gm_tensor **out) {
    int64_t before = t->graph->n_nodes;
    gm_tensor *ghost = gm__tensor_over(NULL, 0, &in[0]->shape, in[0]->dtype);
    int32_t v = gm__trace_value(t, in[0]);
    if (!ghost || v < 0 || !trace_name_ghost(t, ghost, v)) return false;
    memcpy(ghost->stride, in[0]->stride, sizeof ghost->stride);
    in[0] = ghost;
    if (!a->op->kernel(a, out)) return false;
    gm_release(out[0]->symbol);
    out[0]->symbol = NULL;
    if (t->graph->n_nodes == before) return true;
    const gm__node *copy = &t->graph->node[t->graph->n_nodes - 1];
    return (in[0] = gm__graph_ghost(t->graph, copy->out)) && trace_name_ghost(t, in[0], copy->out);
}

/* Before strides are made of them. */
static bool trace_sizes(const gm_op *op, const gm_spec *spec, int n) {
    for (int j = 0; j < n; j++)
        if (gm__value_bytes(&spec[j].shape, spec[j].dtype) < 0)
            return gm_fail(GM_ERROR_SHAPE, "%s: its result %s[%d dimensions] cannot be", op->name,
                           gm_dtype_name(spec[j].dtype), spec[j].shape.n);
    return true;
}

int gm__trace_record(gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs,
                     gm_tensor **out) {
    gm_spec spec[GM__MAX_PORTS];
    gm_tensor *from[GM__WALK_MAX];
    gm_op_args a = { op, n_in, op->n_out, in, attrs };
    gm__clear_specs(op, spec);
    if (op->flags & GM_OP_DYNAMIC && !t->shapes)
        return gm_fail(GM_ERROR_STATE, "%s: its result's shape follows from values, and a traced function has none",
                       op->name), -1;
    int n = op->infer(&a, spec);
    if (n >= 0 && op->flags & GM_OP_DYNAMIC && !t->shapes(t, op, in, n_in, attrs, spec, n)) return -1;
    if (n < 0 || !trace_sizes(op, spec, n)) return -1;
    if (n_in) memcpy(from, in, (size_t)(n_in < GM__WALK_MAX ? n_in : GM__WALK_MAX) * sizeof *in);
    a.in = from;
    if ((op->flags & GM_OP_VIEW) && !trace_view(t, &a, from, out)) return -1;
    gm__node *node = trace_node(t, op, from, n_in, attrs);
    if (!node || !trace_outputs(t, node, spec, out, n)) return -1;
    return !trace_wants_tape(op, in, n_in) || gm__tape_record(op, in, n_in, attrs, out, n) ? n : -1;
}

static bool trace_ghosts(gm__trace *t, const int32_t *values, int n, gm_tensor **ghost) {
    if (n > GM__WALK_MAX) return gm_fail(GM_ERROR_UNSUPPORTED, "a node of %d inputs, at most %d", n, GM__WALK_MAX);
    for (int i = 0; i < n; i++) {
        ghost[i] = values[i] < 0 ? NULL : gm__graph_ghost(t->graph, values[i]);
        if (values[i] >= 0 && (!ghost[i] || !trace_name_ghost(t, ghost[i], values[i]))) return false;
    }
    return true;
}

int gm__trace_put(gm__trace *t, const gm__node *n, const int32_t *in, const void *attrs, int32_t *out) {
    gm_tensor *from[GM__WALK_MAX], *made[GM__MAX_PORTS] = { NULL };
    int64_t at = t->graph->n_nodes;
    GM_SCOPE(s);
    GM_NO_GRAD;
    if (!trace_ghosts(t, in, n->n_in, from)) return -1;
    int got = gm__trace_record(t, n->op, from, n->n_in, attrs, made);
    for (int j = 0; j < got; j++) out[j] = gm__trace_own_value(t, made[j]);
    for (; got >= 0 && at < t->graph->n_nodes; at++) {
        gm__node *put = &t->graph->node[at];
        put->no_grad = n->no_grad;
        gm_free(put->where);
        put->where = n->where ? gm_strdup(n->where) : NULL;
    }
    return gm_ok() ? got : -1;
}

static int trace_dispatch(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out) {
    gm__trace *t = gm__context()->trace;
    return t->raw ? gm__trace_raw(t, op, in, n_in, attrs, out) : gm__trace_record(t, op, in, n_in, attrs, out);
}

/* ---- random numbers, assignments ---- */

static uint64_t trace_draw(uint64_t *seed) {
    gm__trace *t = gm__context()->trace;
    *seed = 0;
    return (uint64_t)(GM__DRAW + t->graph->n_draws++);
}

/* ---- gradients left behind ---- */

bool gm__trace_take_gradients(gm__trace *t) {
    gm_graph *g = t->graph;
    bool ok = gm_ok();
    for (int64_t v = 0; v < g->n_values; v++) {
        gm_tensor *x = g->value[v].captured;
        int32_t own = x && x->grad ? gm__trace_own_value(t, x->grad) : -1;
        if (own < 0) continue;
        gm_release(x->grad);
        x->grad = NULL;
        ok = ok && gm__grow(&g->left, g->n_left, &g->left_capacity, sizeof *g->left);
        if (ok) g->left[g->n_left++] = (gm__left_gradient){ (int32_t)v, own };
    }
    return ok;
}

__attribute__((constructor)) static void trace_install(void) {
    gm__dispatch_traced = trace_dispatch;
    gm__draw_traced = trace_draw;
}
