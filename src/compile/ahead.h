/* ahead.h: values of a recording while it is being made, for shapes that follow from them. */
#ifndef GM_COMPILE_AHEAD_H
#define GM_COMPILE_AHEAD_H

#include "../graph/trace.h"

/* Real inputs of the function that is recorded. */
typedef struct {
    gm__walk walk;
    int64_t known, capacity; /* values that the walk has looked at; its room */
    gm_tensor *const *in;
    int64_t n_in;
    bool placed;  /* the walk's place in the random stream is given; else it is the next one */
    bool closed;  /* what is recorded from here on has no values */
    bool refused; /* it could not be done */
} gm__ahead;

/* For gm__trace's `shapes`, whose env is a gm__ahead. */
bool gm__ahead_shapes(gm__trace *t, const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_spec *spec,
                      int n_out);
void gm__ahead_end(gm__ahead *a);

#endif
