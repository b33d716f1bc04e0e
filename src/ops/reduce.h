/* reduce.h: what the families that reduce share. */
#ifndef GM_OPS_REDUCE_H
#define GM_OPS_REDUCE_H

#include "ops.h"

/* The reduced dimensions as a mask (bit d), and whether they stay with size 1. */
typedef struct { int64_t dims, keep; } gm__reduce_attrs;

/* The mask of n dimensions of x (none: all); false after an error that names `op`. */
bool gm__reduce_mask(const gm_tensor *x, const int32_t *dims, int n, const char *op, int64_t *mask);
gm_shape gm__reduced_shape(const gm_shape *x, int64_t mask, bool keep);
/* The number of elements in each output. */
int64_t gm__reduced_count(const gm_shape *x, int64_t mask);
/* y, reduced with or without keeping, spread out to the shape it came from. */
gm_tensor *gm__unreduce(gm_tensor *y, const gm_shape *x, int64_t mask);
/* False after a DTYPE error that names gm_cast if x is no float. */
bool gm__check_float(const gm_tensor *x, const char *op);
/* The gradient of softmax along dim (not negative), whose result is y. */
gm_tensor *gm__softmax_grad(gm_tensor *g, gm_tensor *y, int dim);

#endif
