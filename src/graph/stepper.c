/* stepper.c: a recording run node by node, with a look at any value between two of them.
 *
 * A node runs as in eager mode, so values have the bits of the compiled run, and state changes as it does there. */
#include "../math/fp.h"
#include "function.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

struct gm_stepper {
    gm_object o;
    gm__trace trace;
    gm__walk walk;
    gm_pack *result; /* of the traced function */
};

static void stepper_destroy(void *object) {
    gm_stepper *s = object;
    gm__walk_end(&s->walk);
    gm__trace_free(&s->trace);
    gm_release(s->result);
}

static const gm_type stepper_type = { "stepper", sizeof(gm_stepper), stepper_destroy };

static bool stepper_check(const gm_stepper *s, const char *op) {
    return gm_ok() && gm_check_object(s, &stepper_type, op, 1);
}

static bool stepper_begin(gm_stepper *s, gm_fn *f, gm_pack *in) {
    gm_pack *flat = gm_pack_flatten(in), *result = gm_ok() ? gm__trace_function(&s->trace, f, in) : NULL;
    if (!result) return false;
    s->result = gm_retain(result);
    int64_t n = gm_pack_count(flat);
    gm_tensor **list = gm_alloc((size_t)(n + 1) * sizeof *list);
    for (int64_t i = 0; list && i < n; i++) list[i] = gm_pack_at(flat, i);
    bool ok = list && gm__walk_begin(&s->walk, s->trace.graph, list);
    gm_free(list);
    return ok;
}

gm_stepper *gm_stepper_new(gm_fn *f, gm_pack *in) {
    if (!gm__fn_check(f, "stepper_new") || gm_pack_count(in) < 0) return NULL;
    gm_scope scope = gm_scope_open();
    gm_stepper *s = gm_object_new(&stepper_type);
    return gm_return(&scope, s && stepper_begin(s, f, in) ? s : NULL);
}

int64_t gm_stepper_at(const gm_stepper *s) { return stepper_check(s, "stepper_at") ? s->walk.at : -1; }

static const gm__node *stepper_next_node(const gm_stepper *s) {
    return s->walk.at < s->walk.graph->n_nodes ? &s->walk.graph->node[s->walk.at] : NULL;
}

const char *gm_stepper_op(const gm_stepper *s) {
    const gm__node *n = stepper_check(s, "stepper_op") ? stepper_next_node(s) : NULL;
    return n ? n->op->name : NULL;
}

const char *gm_stepper_where(const gm_stepper *s) {
    const gm__node *n = stepper_check(s, "stepper_where") ? stepper_next_node(s) : NULL;
    return n ? (n->where ? n->where : "") : NULL;
}

/* In a program nothing is taped, so the values hold no history. */
bool gm_stepper_next(gm_stepper *s) {
    if (!stepper_check(s, "stepper_next") || !stepper_next_node(s)) return false;
    GM_NO_GRAD;
    return gm__walk_step(&s->walk);
}

bool gm_stepper_run_to(gm_stepper *s, const char *name) {
    if (!stepper_check(s, "stepper_run_to")) return false;
    if (!name) return gm_fail(GM_ERROR_VALUE, "stepper_run_to: no name");
    while (gm_stepper_next(s)) {
        const gm__node *n = stepper_next_node(s);
        if (n && (!strcmp(n->op->name, name) || (n->where && !strcmp(n->where, name)))) return true;
    }
    return false;
}

gm_tensor *gm_stepper_value(const gm_stepper *s, int64_t node, int output) {
    if (!stepper_check(s, "stepper_value")) return NULL;
    const gm_graph *g = s->walk.graph;
    if (node < 0 || node >= g->n_nodes || output < 0 || output >= g->node[node].n_out)
        return gm_fail(GM_ERROR_INDEX, "stepper_value: output %d of node %lld of %lld", output, (long long)node,
                       (long long)g->n_nodes),
               NULL;
    if (node >= s->walk.at)
        return gm_fail(GM_ERROR_STATE, "stepper_value: node %lld (%s) has not run yet, the next is %lld",
                       (long long)node, g->node[node].op->name, (long long)s->walk.at),
               NULL;
    return s->walk.value[g->node[node].out + output];
}

static gm_tensor *stepper_result_of(void *env, gm_tensor *t) {
    const gm_stepper *s = env;
    int32_t v = gm__trace_own_value(&s->trace, t);
    return v < 0 ? t : s->walk.value[v];
}

gm_pack *gm_stepper_finish(gm_stepper *s) {
    while (gm_stepper_next(s)) continue;
    return stepper_check(s, "stepper_finish") ? gm__pack_map(s->result, stepper_result_of, s) : NULL;
}
