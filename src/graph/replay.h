/* replay.h: transforms that work on recordings: the function is traced once without them, then its graph is run with
 * more than one tensor behind each value. */
#ifndef GM_GRAPH_REPLAY_H
#define GM_GRAPH_REPLAY_H

#include "function.h"

typedef struct {
    gm__walk walk;
    gm__trace trace;
    gm_tensor **more;  /* [n_values], retained: tangents, NULL for zero */
    bool *mapped;      /* [n_values] */
    gm_pack *result;   /* what the function gave while it was traced */
    const char *kind;
} gm__replay;

/* Traces f's inner function for inputs like `in` and opens the walk; `values` are the tensors behind the inputs, in
 * order. */
bool gm__replay_begin(gm__replay *r, gm_fn *f, const gm_pack *like, gm_tensor *const *values);
void gm__replay_end(gm__replay *r);
/* The function's result with f of each value in place of its tensors; v is -1 for tensors that are not of the trace. */
typedef gm_tensor *(*gm__replay_fn)(gm__replay *r, int32_t v, gm_tensor *t);
gm_pack *gm__replay_result(gm__replay *r, gm__replay_fn f);

#endif
