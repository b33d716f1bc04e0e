/* gemel/ops/scan.h: running results along a dimension: x [...] -> the same shape. Each line is one ascending chain, so
 * results are the same for any threads. f16 and bf16 are computed in f32 and rounded once per element. */
#ifndef GEMEL_OPS_SCAN_H
#define GEMEL_OPS_SCAN_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sums and products of the elements up to each along `dim`. Integers and bool give i64, wrapping. */
GM_API gm_tensor *gm_cumsum(gm_tensor *x, int dim);
GM_API gm_tensor *gm_cumprod(gm_tensor *x, int dim);
/* The recurrence y[t] = a[t] * y[t - 1] + b[t] (one fma), y[0] = b[0], along `dim`: a [...], b [...] of one shape and
 * float dtype -> the same. */
GM_API gm_tensor *gm_linear_scan(gm_tensor *a, gm_tensor *b, int dim);

#ifdef __cplusplus
}
#endif
#endif
