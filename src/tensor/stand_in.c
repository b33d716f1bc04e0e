/* stand_in.c: tensors in place of others, for a while: a net's parameters are pointers in the states of its layers, and
 * this is how a call of the net uses other values without touching them. Operations and readers ask here. */
#include "../math/fp.h"
#include "stand_in.h"
#include "../base/context.h"
#include "gemel/graph.h"

#include <string.h>

static gm_tensor *stand_in_look(gm__stand_ins *s, gm_tensor *of) {
    if (!s) return of;
    void **by = gm__map_find(&s->map, of);
    if (by) return *by;
    gm_tensor *t = stand_in_look(s->outer, of);
    return s->miss && t ? s->miss(s, of, t) : t;
}

gm_tensor *gm__stand_in_find(const gm_tensor *t) { return stand_in_look(gm__context()->stand_ins, (gm_tensor *)t); }

void gm__stand_ins_begin(gm__stand_ins *s) {
    s->outer = gm__context()->stand_ins;
    gm__context()->stand_ins = s;
}

void gm__stand_ins_end(gm__stand_ins *s) { gm__context()->stand_ins = s->outer; }

bool gm__stand_ins_add(gm__stand_ins *s, gm_tensor *of, gm_tensor *by) {
    void **place = gm__map_at(&s->map, of);
    if (!place) return false;
    gm_retain(by);
    if (*place) gm_release(*place);
    else gm_retain(of);
    *place = by;
    return true;
}

void gm__stand_ins_free(gm__stand_ins *s) {
    for (int64_t i = 0; i < s->map.capacity; i++) {
        if (!s->map.keys[i]) continue;
        gm_release((void *)s->map.keys[i]);
        gm_release(s->map.values[i]);
    }
    gm__map_free(&s->map);
}

/* ---- by names ---- */

/* The entry `name` of p, looked for from *at on; most are in order. */
static gm_tensor *stand_in_named(const gm_pack *p, const char *name, int64_t *at) {
    for (int64_t k = 0, n = gm_pack_count(p); k < n; k++, *at = (*at + 1) % n)
        if (!strcmp(gm_pack_name(p, *at), name)) return gm_pack_at(p, *at);
    return gm_get(p, name); /* for the error */
}

static bool stand_in_fits(const gm_tensor *of, const gm_tensor *by, const char *name) {
    if (!of) return false;
    if (gm__same_shape(&of->shape, &by->shape) && of->dtype == by->dtype) return true;
    return gm_fail(GM_ERROR_SHAPE, "substitute: \"%s\" is %s of %s, in its place is %s of %s", name,
                   gm__tensor_shape_str(of), gm_dtype_name(of->dtype), gm__tensor_shape_str(by),
                   gm_dtype_name(by->dtype));
}

void *gm_substitute_begin(gm_pack *of, gm_pack *by) {
    of = gm_pack_flatten(of), by = gm_pack_flatten(by);
    gm__stand_ins *s = gm_ok() ? gm_alloc(sizeof *s) : NULL;
    int64_t at = 0;
    for (int64_t i = 0; s && gm_ok() && i < gm_pack_count(by); i++) {
        gm_tensor *t = stand_in_named(of, gm_pack_name(by, i), &at), *other = gm_pack_at(by, i);
        if (stand_in_fits(t, other, gm_pack_name(by, i))) gm__stand_ins_add(s, t, gm__stand_in_find(other));
    }
    if (!s) return NULL;
    gm__stand_ins_begin(s);
    if (gm_ok()) return s;
    gm_substitute_end(s);
    return NULL;
}

void gm_substitute_end(void *begun) {
    if (!begun) return;
    gm__stand_ins_end(begun);
    gm__stand_ins_free(begun);
    gm_free(begun);
}
