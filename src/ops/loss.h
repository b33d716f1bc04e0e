/* loss.h: what the losses share. */
#ifndef GM_OPS_LOSS_H
#define GM_OPS_LOSS_H

#include "ops.h"

/* x in at least f32. */
gm_tensor *gm__loss_wide(gm_tensor *x);
/* The elements l as one number (or not), in x's dtype. */
gm_tensor *gm__loss_reduce(gm_tensor *l, const gm_tensor *x, int reduction);
/* False after an error that names `op`: x and y must be tensors of one shape, x of floats. */
bool gm__loss_check(const char *op, const gm_tensor *x, const gm_tensor *y);

#endif
