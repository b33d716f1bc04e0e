/* gemel/ops/join.h: several tensors into one, and back. */
#ifndef GEMEL_OPS_JOIN_H
#define GEMEL_OPS_JOIN_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* n tensors, equal in all sizes but that of `dim`, behind each other along it. Dtypes promote. */
GM_API gm_tensor *gm_concat(gm_tensor *const *tensors, int n, int dim);
/* n tensors of one shape along a new dimension `dim`. */
GM_API gm_tensor *gm_stack(gm_tensor *const *tensors, int n, int dim);
/* Pieces of the given sizes (which sum to the dimension's) along `dim`, into out[0..n-1]; views. */
GM_API bool gm_split(gm_tensor *x, int dim, const int64_t *sizes, int n, gm_tensor **out);

#ifdef __cplusplus
}
#endif
#endif
