/* stand_in.c: tensors in place of others, for a while: a net's parameters are pointers in the states of its layers, and
 * this is how a call of the net uses other values without touching them. Operations and readers ask here. */
#include "../math/fp.h"
#include "tensor.h"
#include "../base/context.h"
#include "../base/map.h"
#include "gemel/graph.h"

#include <string.h>

struct gm__stand_ins { gm__map map; struct gm__stand_ins *outer; };

gm_tensor *gm__stand_in_find(const gm_tensor *t) {
    for (const struct gm__stand_ins *s = gm__context()->stand_ins; s; s = s->outer) {
        void **by = gm__map_find(&s->map, t);
        if (by) return *by;
    }
    return (gm_tensor *)t;
}

/* The entry `name` of p, looked for from *at on; most are in order. */
static gm_tensor *stand_in_named(const gm_pack *p, const char *name, int64_t *at) {
    for (int64_t k = 0, n = gm_pack_count(p); k < n; k++, *at = (*at + 1) % n)
        if (!strcmp(gm_pack_name(p, *at), name)) return gm_pack_at(p, *at);
    return gm_get(p, name); /* for the error */
}

static bool stand_in_add(struct gm__stand_ins *s, gm_tensor *of, gm_tensor *by, const char *name) {
    if (!of) return false;
    if (!gm__same_shape(&of->shape, &by->shape) || of->dtype != by->dtype)
        return gm_fail(GM_ERROR_SHAPE, "substitute: \"%s\" is %s of %s, in its place is %s of %s", name,
                       gm__tensor_shape_str(of), gm_dtype_name(of->dtype), gm__tensor_shape_str(by),
                       gm_dtype_name(by->dtype));
    void **place = gm__map_at(&s->map, of);
    if (place) *place = gm__stand_in_find(by);
    return place != NULL;
}

void *gm_substitute_begin(gm_pack *of, gm_pack *by) {
    of = gm_pack_flatten(of), by = gm_pack_flatten(by);
    struct gm__stand_ins *s = gm_ok() ? gm_alloc(sizeof *s) : NULL;
    int64_t at = 0;
    for (int64_t i = 0; s && gm_ok() && i < gm_pack_count(by); i++) {
        const char *name = gm_pack_name(by, i);
        stand_in_add(s, stand_in_named(of, name, &at), gm_pack_at(by, i), name);
    }
    if (!s) return NULL;
    s->outer = gm__context()->stand_ins;
    gm__context()->stand_ins = s;
    if (gm_ok()) return s;
    gm_substitute_end(s);
    return NULL;
}

void gm_substitute_end(void *begun) {
    struct gm__stand_ins *s = begun;
    if (!s) return;
    gm__context()->stand_ins = s->outer;
    gm__map_free(&s->map);
    gm_free(s);
}
