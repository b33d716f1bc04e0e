/* gemel/ops/reduce.h: many elements to one, along dimensions.
 *
 * Forms: gm_sum(x) over everything -> []; gm_sum_dim(x, dim, keep) over one dimension (negative from the end), which
 * stays with size 1 if `keep`; gm_sum_dims(x, dims, n, keep) over several (n = 0: all). f16 and bf16 are computed in
 * f32 and rounded once. Sums of integers and bool are i64, wrapping; mean, var and std of integers are DTYPE errors
 * that name gm_cast. The order of summation is fixed (docs/numerics.md), so results are the same for any threads and
 * layout. */
#ifndef GEMEL_OPS_REDUCE_H
#define GEMEL_OPS_REDUCE_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

GM_API gm_tensor *gm_sum(gm_tensor *x);
GM_API gm_tensor *gm_sum_dim(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_sum_dims(gm_tensor *x, const int32_t *dims, int n, bool keep);
GM_API gm_tensor *gm_mean(gm_tensor *x);
GM_API gm_tensor *gm_mean_dim(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_mean_dims(gm_tensor *x, const int32_t *dims, int n, bool keep);
GM_API gm_tensor *gm_prod(gm_tensor *x);
GM_API gm_tensor *gm_prod_dim(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_prod_dims(gm_tensor *x, const int32_t *dims, int n, bool keep);
/* The largest and smallest; NaN wins; the gradient goes to the first. SHAPE error for an empty reduction. */
GM_API gm_tensor *gm_max(gm_tensor *x);
GM_API gm_tensor *gm_max_dim(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_max_dims(gm_tensor *x, const int32_t *dims, int n, bool keep);
GM_API gm_tensor *gm_min(gm_tensor *x);
GM_API gm_tensor *gm_min_dim(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_min_dims(gm_tensor *x, const int32_t *dims, int n, bool keep);
/* The index (i64) of the first largest or smallest along `dim`; NaN wins. No gradient. */
GM_API gm_tensor *gm_argmax(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_argmin(gm_tensor *x, int dim, bool keep);
/* True if any (all) elements are not zero. No gradient. */
GM_API gm_tensor *gm_any(gm_tensor *x);
GM_API gm_tensor *gm_any_dim(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_any_dims(gm_tensor *x, const int32_t *dims, int n, bool keep);
GM_API gm_tensor *gm_all(gm_tensor *x);
GM_API gm_tensor *gm_all_dim(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_all_dims(gm_tensor *x, const int32_t *dims, int n, bool keep);

#ifdef __cplusplus
}
#endif
#endif
