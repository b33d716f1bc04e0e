/* control_ops.c: cond, while and scan as operations: what comes out, and how they run. Their rules for derivatives and
 * batches are in control_rules.c. */
#include "../math/fp.h"
#include "control.h"
#include "../base/stream.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <stddef.h>
#include <string.h>

static const gm_attr control_fields[] = {
    GM_ATTR(gm__control_attrs, a, OBJECT),       GM_ATTR(gm__control_attrs, b, OBJECT),
    GM_ATTR(gm__control_attrs, key, I64),        GM_ATTR(gm__control_attrs, count, I64),
    GM_ATTR(gm__control_attrs, n_carry, I64),    GM_ATTR(gm__control_attrs, n_x, I64),
    GM_ATTR(gm__control_attrs, length, I64),     GM_ATTR(gm__control_attrs, reverse, I64),
    GM_ATTR(gm__control_attrs, saved, I64),      GM_ATTR(gm__control_attrs, bound, I64),
    GM_ATTR(gm__control_attrs, scale, I64),      GM_ATTR(gm__control_attrs, shift, I64),
    GM_ATTR_END
};

/* ---- what comes out: everything is checked, since graphs come from files, too ---- */

static bool flow_says(const gm_op_args *a, bool right, const char *what) {
    return right || gm_fail(GM_ERROR_VALUE, "%s: %s", a->op->name, what);
}

static bool flow_same(const gm__value *v, const gm_shape *s, gm_dtype dtype) {
    return v->dtype == dtype && gm_shape_equal(v->shape, *s);
}

static const gm__value *flow_result(const gm_graph *g, int64_t i) { return &g->value[g->out[i].value]; }

/* The node's inputs from `first` on are what g takes; those from `x` on, n_x of them, with a dimension in front. */
static bool flow_takes(const gm_op_args *a, const gm_graph *g, int first, int64_t x, int64_t n_x, int64_t length) {
    if (!flow_says(a, gm__is_graph(g) && g->n_in == a->n_in - first, "a graph of other inputs")) return false;
    for (int64_t i = 0; i < g->n_in; i++) {
        const gm_tensor *t = a->in[first + i];
        gm_shape s = g->value[g->in[i]].shape;
        if (i >= x && i < x + n_x) {
            if (s.n == GM_MAX_DIMS) return gm_fail(GM_ERROR_SHAPE, "%s: too many dimensions", a->op->name);
            memmove(s.d + 1, s.d, (size_t)s.n++ * sizeof *s.d);
            s.d[0] = length;
        }
        if (!gm_shape_equal(s, t->shape) || g->value[g->in[i]].dtype != t->dtype)
            return gm_fail(GM_ERROR_SHAPE, "%s: input %lld is %s of %s, %s of %s is taken", a->op->name,
                           (long long)(first + i), gm__tensor_shape_str(t), gm_dtype_name(t->dtype), gm__shape_str(&s),
                           gm_dtype_name(g->value[g->in[i]].dtype));
    }
    return true;
}

/* Outputs of g from `from` on as the node's; with `length` of them stacked unless it is negative. */
static int32_t flow_outputs(const gm_op_args *a, const gm_graph *g, int64_t from, int64_t to, int64_t length,
                            gm_spec *out) {
    if (g->n_out > GM__MAX_PORTS)
        return gm_fail(GM_ERROR_UNSUPPORTED, "%s: over %d results", a->op->name, GM__MAX_PORTS), -1;
    for (int64_t i = from; i < to; i++) {
        const gm__value *v = flow_result(g, i);
        out[i].dtype = v->dtype, out[i].shape = v->shape;
        if (length < 0) continue;
        if (v->shape.n == GM_MAX_DIMS) return gm_fail(GM_ERROR_SHAPE, "%s: too many dimensions", a->op->name), -1;
        memmove(out[i].shape.d + 1, out[i].shape.d, (size_t)out[i].shape.n++ * sizeof *out[i].shape.d);
        out[i].shape.d[0] = length;
    }
    return (int32_t)to;
}

static bool flow_carries(const gm_op_args *a, const gm_graph *g, int64_t n) {
    bool fits = n >= 0 && n <= g->n_in && n <= g->n_out;
    for (int64_t i = 0; fits && i < n; i++) {
        const gm__value *v = flow_result(g, i);
        fits = flow_same(&g->value[g->in[i]], &v->shape, v->dtype);
    }
    return flow_says(a, fits, "what is carried on is not what came in");
}

static bool flow_is_one(const gm_shape *s) { return gm_shape_count(*s) == 1; }

static int32_t flow_cond_infer(const gm_op_args *a, gm_spec *out) {
    const gm__control_attrs *p = a->attrs;
    if (!flow_takes(a, p->a, 1, 0, 0, 0) || !flow_takes(a, p->b, 1, 0, 0, 0)) return -1;
    bool same = p->a->n_out == p->b->n_out && flow_is_one(&a->in[0]->shape);
    for (int64_t i = 0; same && i < p->a->n_out; i++) {
        const gm__value *v = flow_result(p->b, i);
        same = flow_same(flow_result(p->a, i), &v->shape, v->dtype);
    }
    if (!flow_says(a, same, "the two branches differ, or the predicate is no single value")) return -1;
    return flow_outputs(a, p->a, 0, p->a->n_out, -1, out);
}

static int32_t flow_while_infer(const gm_op_args *a, gm_spec *out) {
    const gm__control_attrs *p = a->attrs;
    if (!flow_takes(a, p->a, 0, 0, 0, 0) || !flow_takes(a, p->b, 0, 0, 0, 0)) return -1;
    bool one = p->a->n_out == 1 && flow_is_one(&flow_result(p->a, 0)->shape) && p->b->n_out == p->n_carry;
    if (!flow_says(a, one && p->bound >= 0, "the condition is no single value") || !flow_carries(a, p->b, p->n_carry))
        return -1;
    return flow_outputs(a, p->b, 0, p->n_carry, -1, out);
}

static int32_t flow_scan_infer(const gm_op_args *a, gm_spec *out) {
    const gm__control_attrs *p = a->attrs;
    bool right = gm__is_graph(p->a) && p->n_carry >= 0 && p->n_x >= 0 && p->length >= 0 && p->n_carry < INT32_MAX &&
                 p->n_x < INT32_MAX && p->n_carry + p->n_x <= a->n_in;
    right = right && (!p->saved || p->a->n_out >= 2 * p->n_carry);
    if (!flow_says(a, right, "wrong numbers") || !flow_takes(a, p->a, 0, p->n_carry, p->n_x, p->length) ||
        !flow_carries(a, p->a, p->n_carry) || flow_outputs(a, p->a, 0, p->n_carry, -1, out) < 0)
        return -1;
    return flow_outputs(a, p->a, p->n_carry, p->a->n_out, p->length, out);
}

/* ---- running ---- */

/* Outputs are memory of their own. */
static bool flow_own(const gm_graph *g, gm_tensor *const *in, gm_tensor **out) {
    for (int64_t j = 0; j < g->n_out; j++) {
        bool shared = false;
        for (int64_t i = 0; i < g->n_in; i++) shared |= in[i]->storage == out[j]->storage;
        for (int64_t i = 0; i < j; i++) shared |= out[i]->storage == out[j]->storage;
        if (shared && !(out[j] = gm_copy(out[j]))) return false;
    }
    return true;
}

static bool flow_run(gm_graph *g, const gm__control_attrs *p, uint64_t step, gm_tensor *const *in, gm_tensor **out) {
    return gm__graph_values(g, in, out, (uint64_t)p->key, gm__inner_place((uint64_t)p->count, step)) &&
           flow_own(g, in, out);
}

static bool flow_cond_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm__control_attrs *p = a->attrs;
    bool holds = gm_item(a->in[0]) != 0;
    return gm_ok() && flow_run(holds ? p->a : p->b, p, (uint64_t)p->shift, a->in + 1, out);
}

/* The state of a loop: what is carried, held in slots, and what stays. */
typedef struct { const gm__control_attrs *p; gm_tensor *in[GM__MAX_PORTS], *carry[GM__MAX_PORTS]; } flow_loop;

static void loop_begin(flow_loop *l, const gm_op_args *a) {
    l->p = a->attrs;
    memcpy(l->in, a->in, (size_t)a->n_in * sizeof *l->in);
    memset(l->carry, 0, sizeof l->carry);
}

static void loop_carry(flow_loop *l, gm_tensor *const *out) {
    for (int64_t i = 0; i < l->p->n_carry; i++) {
        gm_set(&l->carry[i], out[i]);
        l->in[i] = out[i];
    }
}

/* The carries as outputs; those that never moved are copied. */
static bool loop_end(flow_loop *l, bool ok, gm_tensor **out) {
    gm_pack *held = ok ? gm_pack_new() : NULL;
    for (int64_t i = 0; i < l->p->n_carry; i++) {
        out[i] = l->carry[i] || !ok ? l->carry[i] : gm_copy(l->in[i]);
        ok = ok && gm_pack_set(held, NULL, out[i]);
        gm_set(&l->carry[i], NULL);
    }
    return ok;
}

static bool flow_while_step(flow_loop *l, int64_t t, bool *more) {
    gm_tensor *out[GM__MAX_PORTS];
    const gm__control_attrs *p = l->p;
    GM_SCOPE(s);
    if (!flow_run(p->a, p, gm__while_place(t, false), l->in, out)) return false;
    *more = gm_item(out[0]) != 0;
    if (!*more || !gm_ok()) return gm_ok();
    if (p->bound && t == p->bound)
        return gm_fail(GM_ERROR_VALUE, "while: it goes on after %lld steps, its .bound", (long long)t);
    if (!flow_run(p->b, p, gm__while_place(t, true), l->in, out)) return false;
    loop_carry(l, out);
    return true;
}

static bool flow_while_kernel(const gm_op_args *a, gm_tensor **out) {
    flow_loop l;
    bool more = true, ok = true;
    loop_begin(&l, a);
    for (int64_t t = 0; ok && more; t++) ok = flow_while_step(&l, t, &more);
    return loop_end(&l, ok, out);
}

/* y [..] into entry t of all [T, ..]. */
static bool flow_scan_put(gm_tensor *all, int64_t t, gm_tensor *y) {
    gm_tensor *to = gm_select(all, 0, t);
    if (!to || !y) return false;
    gm__operand from = gm__operand_of(y), at = gm__operand_of(to);
    return !gm_shape_count(y->shape) || gm__copy(&y->shape, &from, &at);
}

static bool flow_scan_step(flow_loop *l, const gm_op_args *a, int64_t t, gm_tensor **all) {
    gm_tensor *out[GM__MAX_PORTS];
    const gm__control_attrs *p = l->p;
    GM_SCOPE(s);
    for (int64_t i = p->n_carry; i < p->n_carry + p->n_x; i++) l->in[i] = gm_select(a->in[i], 0, t);
    uint64_t step = (uint64_t)t * (uint64_t)p->scale + (uint64_t)p->shift;
    if (!gm_ok() || !flow_run(p->a, p, step, l->in, out)) return false;
    for (int64_t i = p->n_carry; i < p->a->n_out; i++)
        if (!flow_scan_put(all[i], t, out[i])) return false;
    loop_carry(l, out);
    return true;
}

static bool flow_scan_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm__control_attrs *p = a->attrs;
    flow_loop l;
    bool ok = true;
    for (int64_t i = p->n_carry; ok && i < p->a->n_out; i++) {
        gm_shape s = { .n = flow_result(p->a, i)->shape.n + 1, .d = { p->length } };
        memcpy(s.d + 1, flow_result(p->a, i)->shape.d, (size_t)(s.n - 1) * sizeof *s.d);
        ok = (out[i] = gm__tensor_new(&s, flow_result(p->a, i)->dtype, false)) != NULL;
    }
    loop_begin(&l, a);
    for (int64_t t = 0; ok && t < p->length; t++) ok = flow_scan_step(&l, a, p->reverse ? p->length - 1 - t : t, out);
    return loop_end(&l, ok, out);
}

/* ---- the records ---- */

bool gm__cond_grad(const gm_grad_args *a), gm__while_grad(const gm_grad_args *a), gm__scan_grad(const gm_grad_args *a);
bool gm__cond_jvp(const gm_jvp_args *a), gm__while_jvp(const gm_jvp_args *a), gm__scan_jvp(const gm_jvp_args *a);
bool gm__cond_batch(const gm_batch_args *a), gm__while_batch(const gm_batch_args *a);
bool gm__scan_batch(const gm_batch_args *a);

#define CONTROL_RECORD(NAME, least, text)                                                                              \
    const gm_op gm__##NAME##_op = {                                                                                    \
        .size = sizeof(gm_op), .name = #NAME, .version = 1, .min_in = least, .max_in = -1, .n_out = -1,                \
        .flags = GM_OP_OWN_OUTPUTS | GM_OP_OBJECTS, .saves_in = ~0u, .saves_out = ~0u,                                 \
        .attrs_bytes = sizeof(gm__control_attrs), .attrs = control_fields, .infer = flow_##NAME##_infer,               \
        .kernel = flow_##NAME##_kernel, .grad = gm__##NAME##_grad, .jvp = gm__##NAME##_jvp,                            \
        .batch = gm__##NAME##_batch, .doc = text,                                                                      \
    };
CONTROL_RECORD(cond, 1, "one of two graphs")
CONTROL_RECORD(while, 0, "a graph as long as another one says so")
CONTROL_RECORD(scan, 0, "a graph for every entry, one after the other")
#undef CONTROL_RECORD

/* They are no part of the table: they have no cases. */
const gm_op *gm__control_find(const char *name) {
    static const gm_op *const all[] = { &gm__cond_op, &gm__while_op, &gm__scan_op };
    for (int i = 0; i < 3; i++)
        if (!strcmp(all[i]->name, name)) return all[i];
    return NULL;
}
