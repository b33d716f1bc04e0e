/* net_file.c: a net's parameters and buffers as a file, with its graph if asked for, and back.
 *
 * Tensors that the graph uses and that are no part of the net, such as a table that a layer computed once, are called
 * "gemel.0", "gemel.1" ... in the file: reading weights leaves them out. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/extend.h"
#include "gemel/formats.h"

#include <stdio.h>
#include <string.h>

/* The net's tensors, and those of g that are none of it; they get their names. */
static gm_pack *net_tensors(gm_module *net, gm_graph *g) {
    gm_pack *all = gm_pack_flatten(gm_state_dict(net)), *used = g ? gm_graph_tensors(g) : NULL;
    for (int64_t i = 0, n = 0; used && gm_ok() && i < gm_pack_count(used); i++) {
        char name[40];
        gm_tensor *t = gm_pack_at(used, i);
        if (gm_pack_has(all, gm_pack_name(used, i)) && gm_get(all, gm_pack_name(used, i)) == t) continue;
        snprintf(name, sizeof name, "gemel.%lld", (long long)n++);
        gm_pack_set(all, name, t);
    }
    return gm_ok() && (!g || gm_graph_name(g, all)) ? all : NULL;
}

bool gm_save_with(gm_module *net, const char *path, const gm_save_args *args) {
    gm_save_args a = { 0 };
    if (!gm_ok() || !gm__args_take("save", &a, sizeof a, args)) return false;
    GM_SCOPE(s);
    gm_graph *g = a.inputs ? gm_inference_graph(net, a.inputs) : NULL;
    gm_pack *tensors = gm_ok() ? net_tensors(net, g) : NULL, *metadata = a.metadata;
    if (g && tensors) metadata = gm_graph_metadata(g, a.metadata);
    return tensors && gm_save_safetensors(tensors, metadata, path);
}

/* The entries that are no "gemel." of net_tensors. */
static gm_pack *net_weights(gm_pack *values) {
    gm_pack *own = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(values); i++)
        if (strncmp(gm_pack_name(values, i), "gemel.", 6))
            gm_pack_set(own, gm_pack_name(values, i), gm_pack_at(values, i));
    return own;
}

bool gm_load_weights_with(gm_module *net, const char *path, const gm_load_state_dict_args *args) {
    if (!gm_ok()) return false;
    GM_SCOPE(s);
    gm_pack *values = gm_load_safetensors(path);
    int64_t before = gm_where_push(path); /* messages of what does not fit name the file */
    bool ok = values && gm_load_state_dict_with(net, net_weights(values), args);
    gm_where_pop(before);
    return ok;
}

bool(gm_save)(gm_module *net, const char *path) { return gm_save_with(net, path, NULL); }
bool(gm_load_weights)(gm_module *net, const char *path) { return gm_load_weights_with(net, path, NULL); }
