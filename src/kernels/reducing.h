/* reducing.h: reductions of a row-major array over any of its dimensions. */
#ifndef GM_KERNELS_REDUCING_H
#define GM_KERNELS_REDUCING_H

#include "gemel/tensor.h"
#include "reduce_order.h"

typedef enum { GM__REDUCE_SUM, GM__REDUCE_PROD, GM__REDUCE_MAX, GM__REDUCE_MIN } gm__reduction;

/* y = x reduced over the dimensions in `mask` (bit d: dimension d). x is row-major in `shape`; y is dense. Sum and
 * product take f32, f64, i64; maximum and minimum also i32, u64. False after a MEMORY error. */
bool gm__reduce(gm__reduction op, gm_dtype domain, const gm_shape *shape, uint32_t mask, const void *x, void *y);

#endif
