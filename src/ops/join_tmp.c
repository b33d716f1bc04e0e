/* join_tmp.c: sums until reduce.c has them. */
#include "../math/fp.h"
#include "ops.h"
gm_tensor *gm_sum(gm_tensor *x) { return x; }
gm_tensor *gm_sum_dims(gm_tensor *x, const int32_t *dims, int n, bool keep) { (void)dims, (void)n, (void)keep; return x; }
