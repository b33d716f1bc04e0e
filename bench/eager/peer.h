/* peer.h: what a benchmark gets from its partner in Python: tensors in a folder of .npy files. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H
#include "gemel/gemel.h"

#include <stdio.h>

static inline gm_tensor *peer_tensor(const char *folder, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    return gm_load_npy(path);
}

/* The net's parameters become those of the folder. */
static inline void peer_parameters(gm_module *net, const char *folder) {
    GM_SCOPE(s);
    gm_pack *p = gm_parameters(net);
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(p); i++)
        gm_assign(gm_pack_at(p, i), peer_tensor(folder, gm_pack_name(p, i)));
}

#endif
