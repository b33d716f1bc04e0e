/* graph_file.c: graphs in safetensors files: the text as metadata "gemel.graph", the tensors by their names. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/extend.h"
#include "gemel/formats.h"
#include "gemel/graph.h"

gm_pack *gm_graph_metadata(gm_graph *g, gm_pack *more) {
    if (!gm_ok()) return NULL;
    gm_scope s = gm_scope_open();
    gm_pack *metadata = gm_pack_new();
    for (int64_t i = 0; gm_ok() && more && i < gm_pack_count(more); i++)
        gm_pack_set(metadata, gm_pack_name(more, i), gm_pack_at(more, i));
    const char *text = gm_graph_text(g);
    return gm_return(&s, text && gm_pack_set_text(metadata, "gemel.graph", text) ? metadata : NULL);
}

bool gm_graph_save_with(gm_graph *g, const char *path, const gm_save_args *args) {
    gm_save_args a = { 0 };
    if (!gm_ok() || !gm__args_take("graph_save", &a, sizeof a, args)) return false;
    if (a.inputs) return gm_fail(GM_ERROR_VALUE, "graph_save: .inputs is for nets");
    GM_SCOPE(s);
    gm_pack *metadata = gm_graph_metadata(g, a.metadata);
    return metadata && gm_save_safetensors(gm_graph_tensors(g), metadata, path);
}

bool(gm_graph_save)(gm_graph *g, const char *path) { return gm_graph_save_with(g, path, NULL); }

gm_graph *gm_graph_load(const char *path) {
    if (!gm_ok()) return NULL;
    gm_scope s = gm_scope_open();
    gm_pack *metadata = gm_safetensors_metadata(path), *tensors = metadata ? gm_load_safetensors(path) : NULL;
    if (tensors && !gm_pack_has(metadata, "gemel.graph"))
        gm_fail(GM_ERROR_FORMAT, "graph_load: %s holds no graph: its metadata have no gemel.graph", path);
    int64_t before = gm_where_push(path);
    gm_graph *g = gm_ok() ? gm_graph_parse(gm_get_text(metadata, "gemel.graph"), tensors) : NULL;
    gm_where_pop(before);
    return gm_return(&s, g);
}
