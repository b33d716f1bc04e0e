/* gemel/ops/create.h: tensors from nothing. */
#ifndef GEMEL_OPS_CREATE_H
#define GEMEL_OPS_CREATE_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of x's shape and dtype. */
GM_API gm_tensor *gm_zeros_like(gm_tensor *x);
GM_API gm_tensor *gm_ones_like(gm_tensor *x);
GM_API gm_tensor *gm_full_like(gm_tensor *x, double value);
/* start, start + step, ... before stop: [ceil((stop - start) / step)]. Each is start + i * step in f64, converted
 * once. */
GM_API gm_tensor *gm_arange(double start, double stop, double step, gm_dtype dtype);
/* n values from start to stop, both in: start + i * ((stop - start) / (n - 1)) in f64, converted once. */
GM_API gm_tensor *gm_linspace(double start, double stop, int64_t n, gm_dtype dtype);
/* Ones on the diagonal: [n, m]. */
GM_API gm_tensor *gm_eye(int64_t n, int64_t m, gm_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif
