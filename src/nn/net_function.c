/* net_function.c: a net as a function of its parameters. */
#include "../math/fp.h"
#include "module.h"
#include "gemel/graph.h"

/* in without its first entry. */
static gm_pack *net_function_inputs(const gm_pack *in) {
    gm_pack *p = gm_pack_new();
    for (int64_t i = 1; gm_ok() && i < gm_pack_count(in); i++) {
        if (gm_pack_at(in, i)) gm_pack_set(p, gm_pack_name(in, i), gm_pack_at(in, i));
        else gm_pack_set_pack(p, gm_pack_name(in, i), gm_pack_child(in, i));
    }
    return p;
}

static gm_pack *net_function_run(gm_module *net, gm_pack *in) {
    gm_tensor *x = gm_pack_count(in) == 1 ? gm_pack_at(in, 0) : NULL, *y;
    if (!x) return gm_apply(net, gm_pack_count(in) == 1 ? gm_pack_child(in, 0) : in);
    y = gm_forward(net, x);
    return y ? GM_PACK({ "0", y, NULL }) : NULL;
}

static gm_pack *net_function_call(void *env, gm_pack *in) {
    gm_module *net = env;
    gm_pack *values = gm_pack_count(in) > 1 ? gm_pack_child(in, 0) : NULL;
    if (gm_ok() && !values)
        gm_fail(GM_ERROR_VALUE, "functional: the first of %lld inputs is a pack of parameters, others follow",
                (long long)gm_pack_count(in));
    if (!values || !gm__module_ready(net)) return NULL;
    void *s = gm_substitute_begin(gm_state_dict(net), values);
    gm_pack *out = s ? net_function_run(net, net_function_inputs(in)) : NULL;
    gm_substitute_end(s);
    return out;
}

gm_fn *gm_functional(gm_module *net) {
    if (!gm__module_check(net, "functional")) return NULL;
    return gm_functionp(net_function_call, gm_retain(net), gm_release);
}
