/* jvp.c: derivatives along a direction: each value with its tangent, forward through a recording. */
#include "../math/fp.h"
#include "replay.h"
#include "../base/context.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

enum { JVP_MAX_IN = 512 };

static bool jvp_tangents(gm__replay *r, const gm__node *n, gm_tensor *const *in, const void *attrs) {
    gm_tensor *tin[GM__WALK_MAX], *tout[GM__WALK_MAX] = { NULL }, *out[GM__WALK_MAX];
    bool any = false;
    for (int i = 0; i < n->n_in; i++) any |= (tin[i] = n->in[i] < 0 ? NULL : r->more[n->in[i]]) != NULL;
    for (int j = 0; j < n->n_out; j++) out[j] = r->walk.value[n->out + j];
    if (!any || n->no_grad) return true;
    gm_jvp_args a = { n->op, n->n_in, n->n_out, in, out, tin, tout, attrs };
    if (!gm__op_jvp(&a)) return false;
    for (int j = 0; j < n->n_out; j++) r->more[n->out + j] = gm_retain(tout[j]);
    return true;
}

static bool jvp_node(void *env, const gm__node *n) {
    gm__replay *r = env;
    _Alignas(16) char room[GM__ATTRS_MAX];
    gm_tensor *in[GM__WALK_MAX], *out[GM__WALK_MAX] = { NULL };
    if (!gm__walk_inputs(&r->walk, n, in)) return false;
    const void *attrs = gm__node_attrs(n, r->walk.seed, r->walk.first, room);
    if (gm_op_call(n->op, in, n->n_in, attrs, out, n->n_out) < 0) return false;
    for (int j = 0; j < n->n_out; j++) gm__walk_put(&r->walk, n->out + j, out[j]);
    return jvp_tangents(r, n, in, attrs);
}

static gm_tensor *jvp_value(gm__replay *r, int32_t v, gm_tensor *t) { return v < 0 ? t : r->walk.value[v]; }

static gm_tensor *jvp_tangent(gm__replay *r, int32_t v, gm_tensor *t) {
    return v >= 0 && r->more[v] ? r->more[v] : gm_zeros_like(v < 0 ? t : r->walk.value[v]);
}

/* ---- inputs ---- */

static bool jvp_take_tangents(gm__replay *r, const gm_pack *in, const gm_pack *tangents) {
    const gm_graph *g = r->trace.graph;
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(tangents); i++) {
        const char *name = gm_pack_name(tangents, i);
        gm_tensor *x = gm_get(in, name), *t = gm_pack_at(tangents, i);
        if (!gm_ok()) return false;
        if (!gm_shape_equal(x->shape, t->shape) || x->dtype != t->dtype)
            return gm_fail(GM_ERROR_SHAPE, "jvp: the tangent of \"%s\" is %s of %s, the input %s of %s", name,
                           gm__tensor_shape_str(t), gm_dtype_name(t->dtype), gm__tensor_shape_str(x),
                           gm_dtype_name(x->dtype));
        for (int64_t k = 0; k < g->n_in; k++)
            if (!strcmp(g->value[g->in[k]].name, name)) r->more[g->in[k]] = gm_retain(t);
    }
    return gm_ok();
}

static gm_pack *jvp_results(gm__replay *r) {
    gm_pack *out = gm_pack_new(), *value = gm__replay_result(r, jvp_value);
    gm_pack *tangent = value ? gm__replay_result(r, jvp_tangent) : NULL;
    if (!tangent) return NULL;
    bool one = gm_pack_count(value) == 1 && gm_pack_at(value, 0);
    if (one) gm_pack_set(out, "value", gm_pack_at(value, 0)), gm_pack_set(out, "tangent", gm_pack_at(tangent, 0));
    else gm_pack_set_pack(out, "value", value), gm_pack_set_pack(out, "tangent", tangent);
    return gm_ok() ? out : NULL;
}

static gm_pack *jvp_run(gm_fn *f, gm_pack *in) {
    gm_tensor *values[JVP_MAX_IN];
    gm_pack *given = gm_get_pack(in, "in"), *tangents = gm_get_pack(in, "tangent");
    gm_pack *flat = gm_pack_flatten(given), *directions = gm_pack_flatten(tangents), *out = NULL;
    gm__replay r = { 0 };
    int64_t n = gm_pack_count(flat);
    if (gm_ok() && n > JVP_MAX_IN) gm_fail(GM_ERROR_UNSUPPORTED, "jvp: over %d inputs", JVP_MAX_IN);
    for (int64_t i = 0; gm_ok() && i < n; i++) values[i] = gm_pack_at(flat, i);
    bool ok = gm_ok() && gm__replay_begin(&r, f, given, values) && jvp_take_tangents(&r, flat, directions);
    while (ok && r.walk.at < r.trace.graph->n_nodes)
        ok = gm__walk_node(&r.trace.graph->node[r.walk.at++], jvp_node, &r);
    if (ok) out = jvp_results(&r);
    gm__replay_end(&r);
    return out;
}

/* Gradients are on: rules of derivatives use them. */
static gm_pack *jvp_call(gm_fn *f, gm_pack *in) {
    gm_context *c = gm__context();
    bool before = c->no_grad;
    c->no_grad = false;
    gm_pack *out = jvp_run(f, in);
    c->no_grad = before;
    return out;
}

gm_fn *gm_jvp(gm_fn *f) {
    if (gm_ok() && !f) gm_fail(GM_ERROR_HANDLE, "jvp: argument 1 is NULL");
    return gm__fn_new("jvp", f, jvp_call);
}
