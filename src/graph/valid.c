/* valid.c: is this a graph? After a pass of the compiler in debug builds, and of every graph that comes from a file.
 *
 * Values are numbered in order, and a node takes only values that are there when it runs: so there are no cycles. That
 * a node's outputs have the shapes and dtypes that they claim is asked of the operation itself. */
#include "../math/fp.h"
#include "graph.h"
#include "gemel/extend.h"

#include <stdio.h>
#include <string.h>

int64_t gm__value_bytes(const gm_shape *shape, gm_dtype dtype) {
    int64_t bytes = (gm_dtype_bits(dtype) + 7) / 8;
    if (!bytes || shape->n < 0 || shape->n > GM_MAX_DIMS) return -1;
    bool empty = false;
    for (int i = 0; i < shape->n; i++) {
        int64_t d = shape->d[i] ? shape->d[i] : 1; /* strides are products of the others */
        if (d < 0 || d > ((int64_t)1 << 60) / bytes) return -1;
        bytes *= d;
        empty |= !shape->d[i];
    }
    return empty ? 0 : bytes;
}

static bool valid_fail(const char *what, int64_t a, int64_t b) {
    return gm_fail(GM_ERROR_INTERNAL, "graph: %s (%lld, %lld)", what, (long long)a, (long long)b);
}

/* ---- values ---- */

static bool valid_value(const gm_graph *g, int64_t at) {
    const gm__value *v = &g->value[at];
    if (gm__value_bytes(&v->shape, v->dtype) < 0) return valid_fail("a value is no tensor", at, v->dtype);
    if (v->kind == GM__VALUE_CAPTURED) return v->captured || valid_fail("a captured tensor is missing", at, 0);
    if (v->kind == GM__VALUE_INPUT)
        return (v->from >= 0 && v->from < g->n_in && g->in[v->from] == at) || valid_fail("no such input", at, v->from);
    if (v->kind != GM__VALUE_NODE || v->from < 0 || v->from >= g->n_nodes)
        return valid_fail("no such node", at, v->from);
    const gm__node *n = &g->node[v->from];
    return (v->index >= 0 && v->index < n->n_out && n->out + v->index == at) ||
           valid_fail("a value is not what its node makes", at, v->from);
}

static bool valid_is_value(const gm_graph *g, int64_t v) { return v >= 0 && v < g->n_values; }

/* ---- nodes ---- */

static bool valid_inputs(const gm_graph *g, const gm__node *n, int64_t at) {
    if (n->n_in < n->op->min_in || (n->op->max_in >= 0 && n->n_in > n->op->max_in) || n->n_in > GM__WALK_MAX)
        return valid_fail("a wrong number of inputs", at, n->n_in);
    for (int i = 0; i < n->n_in; i++) {
        int32_t v = n->in[i];
        if (v < 0 && i >= n->op->min_in && n->op->max_in >= 0) continue;
        if (!valid_is_value(g, v)) return valid_fail("an input is no value", at, v);
        if (g->value[v].kind == GM__VALUE_NODE && g->value[v].from >= at)
            return valid_fail("an input is made later", at, v);
    }
    return true;
}

static bool valid_infer(const gm_graph *g, const gm__node *n, int64_t at) {
    gm_spec spec[GM__WALK_MAX];
    gm_tensor *in[GM__WALK_MAX];
    GM_SCOPE(s);
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i] < 0 ? NULL : gm__graph_ghost(g, n->in[i]);
    gm_op_args a = { n->op, n->n_in, n->op->n_out, in, n->attrs };
    int got = gm_ok() ? n->op->infer(&a, spec) : -1;
    if (got < 0) return false;
    if (got != n->n_out) return valid_fail("a wrong number of outputs", at, got);
    for (int j = 0; j < got; j++) {
        const gm__value *v = &g->value[n->out + j];
        for (int d = 0; n->op->flags & GM_OP_DYNAMIC && d < spec[j].shape.n && d < v->shape.n; d++)
            if (spec[j].shape.d[d] < 0) spec[j].shape.d[d] = v->shape.d[d];
        if (v->dtype != spec[j].dtype || !gm_shape_equal(v->shape, spec[j].shape))
            return valid_fail("an output is not of the shape and dtype that infer gives", at, j);
    }
    return true;
}

static bool valid_node(const gm_graph *g, int64_t at) {
    const gm__node *n = &g->node[at];
    if (n->op->attrs_bytes && !n->attrs) return valid_fail("attributes are missing", at, 0);
    if (n->n_out < 0 || n->n_out > GM__WALK_MAX || (n->n_out && !valid_is_value(g, n->out)) ||
        n->out + (int64_t)n->n_out > g->n_values)
        return valid_fail("outputs are no values", at, n->n_out);
    for (int j = 0; j < n->n_out; j++)
        if (g->value[n->out + j].kind != GM__VALUE_NODE || g->value[n->out + j].from != at)
            return valid_fail("an output is not of this node", at, j);
    return valid_inputs(g, n, at) && valid_infer(g, n, at);
}

static bool valid_named_node(const gm_graph *g, int64_t at) {
    char name[80];
    snprintf(name, sizeof name, "node %lld, %.40s", (long long)at, g->node[at].op->name);
    int64_t before = gm_where_push(name);
    bool ok = valid_node(g, at);
    gm_where_pop(before);
    return ok;
}

/* ---- the whole ---- */

static bool valid_left(const gm_graph *g, const gm__left_gradient *l) {
    if (!valid_is_value(g, l->of) || !valid_is_value(g, l->value)) return false;
    const gm__value *of = &g->value[l->of], *v = &g->value[l->value];
    return of->captured && of->dtype == v->dtype && gm_shape_equal(of->shape, v->shape);
}

bool gm__graph_valid(const gm_graph *g) {
    if (!gm__graph_check(g, "graph_valid")) return false;
    for (int64_t v = 0; v < g->n_values; v++)
        if (!valid_value(g, v)) return false;
    for (int64_t i = 0; i < g->n_in; i++)
        if (!valid_is_value(g, g->in[i]) || g->value[g->in[i]].kind != GM__VALUE_INPUT)
            return valid_fail("an input is no value", i, g->in[i]);
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (!valid_named_node(g, i)) return false;
    for (int64_t i = 0; i < g->n_out; i++)
        if (!valid_is_value(g, g->out[i].value) || !g->out[i].name)
            return valid_fail("an output is no value", i, g->out[i].value);
    for (int64_t i = 0; i < g->n_left; i++)
        if (!valid_left(g, &g->left[i])) return valid_fail("a gradient is of no tensor like it", i, g->left[i].of);
    return true;
}
