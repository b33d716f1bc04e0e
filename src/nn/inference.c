/* inference.c: a net as a graph: what it computes in evaluation mode, for every batch, its tensors by their names. */
#include "../math/fp.h"
#include "module.h"
#include "../base/grow.h"
#include "gemel/graph.h"

typedef struct { gm_module **m; bool *on; int64_t n, m_capacity, on_capacity; } inference_modes;

/* From the root down, with the modes that they have. */
static bool inference_note(inference_modes *l, gm_module *m) {
    if (!gm__grow(&l->m, l->n, &l->m_capacity, sizeof *l->m) || !gm__grow(&l->on, l->n, &l->on_capacity, sizeof *l->on))
        return false;
    l->m[l->n] = m, l->on[l->n++] = m->training;
    for (int64_t i = 0; i < m->n; i++)
        if (m->parts[i].kind == MODULE_CHILD && !inference_note(l, m->parts[i].child)) return false;
    return true;
}

static gm_pack *inference_call(void *env, gm_pack *in) {
    gm_module *net = env;
    if (!gm_has_forward(net) || gm_pack_count(in) != 1) return gm_apply(net, in);
    gm_tensor *y = gm_forward(net, gm_pack_at(in, 0));
    return y ? GM_PACK({ "y", y, NULL }) : NULL;
}

gm_graph *gm_inference_graph(gm_module *net, gm_pack *in) {
    inference_modes l = { 0 };
    if (!gm__module_check(net, "inference_graph") || !gm__module_ready(net)) return NULL;
    gm_scope s = gm_scope_open();
    gm_graph *g = NULL;
    if (inference_note(&l, net) && gm_set_training(net, false))
        g = gm_trace_any_batch(gm_functionp(inference_call, net, NULL), in);
    for (int64_t i = 0; i < l.n; i++) l.m[i]->training = l.on[i];
    if (l.n) gm_modes_changed();
    gm_free(l.m);
    gm_free(l.on);
    return gm_return(&s, g && gm_graph_name(g, gm_state_dict(net)) ? g : NULL);
}
