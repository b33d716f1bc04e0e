/* stand_in.h: tensors in place of others, for what the thread calls from now on; innermost first.
 *
 * `miss` (may be NULL) is asked about a tensor that is not in the map, after the outer ones were: it gives what is to
 * be taken, and may add it. The map holds its tensors. */
#ifndef GM_TENSOR_STAND_IN_H
#define GM_TENSOR_STAND_IN_H

#include "../base/map.h"
#include "tensor.h"

typedef struct gm__stand_ins {
    gm__map map;
    struct gm__stand_ins *outer;
    gm_tensor *(*miss)(struct gm__stand_ins *s, gm_tensor *of, gm_tensor *t);
} gm__stand_ins;

void gm__stand_ins_begin(gm__stand_ins *s);
void gm__stand_ins_end(gm__stand_ins *s);
/* `by` in place of `of`; false after a MEMORY error. */
bool gm__stand_ins_add(gm__stand_ins *s, gm_tensor *of, gm_tensor *by);
void gm__stand_ins_free(gm__stand_ins *s);

#endif
