/* net_file.c: a net's parameters and buffers as a file, and back. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/extend.h"
#include "gemel/formats.h"

bool gm_save_with(gm_module *net, const char *path, const gm_save_args *args) {
    gm_save_args a = { 0 };
    if (!gm_ok() || !gm__args_take("save", &a, sizeof a, args)) return false;
    GM_SCOPE(s);
    return gm_save_safetensors(gm_state_dict(net), a.metadata, path);
}

bool gm_load_weights_with(gm_module *net, const char *path, const gm_load_state_dict_args *args) {
    if (!gm_ok()) return false;
    GM_SCOPE(s);
    gm_pack *values = gm_load_safetensors(path);
    int64_t before = gm_where_push(path); /* messages of what does not fit name the file */
    bool ok = gm_load_state_dict_with(net, values, args);
    gm_where_pop(before);
    return ok;
}

bool(gm_save)(gm_module *net, const char *path) { return gm_save_with(net, path, NULL); }
bool(gm_load_weights)(gm_module *net, const char *path) { return gm_load_weights_with(net, path, NULL); }
