/* gemel/ops/view.h: other looks at the same elements, copies and casts. Views share storage with their input. */
#ifndef GEMEL_OPS_VIEW_H
#define GEMEL_OPS_VIEW_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x [...] -> shape, same elements in row-major order; one size may be -1 and is worked out. A view where strides
 * allow. */
GM_API gm_tensor *gm_reshape(gm_tensor *x, gm_shape shape);
/* Dimensions first..last (negative from the end) as one. */
GM_API gm_tensor *gm_flatten_dims(gm_tensor *x, int first, int last);
/* Dimensions in a new order: out dimension i is dimension order[i] of x; `order` has gm_n_dims(x) entries. A view. */
GM_API gm_tensor *gm_permute(gm_tensor *x, const int32_t *order, int n);
/* Two dimensions swapped. A view. */
GM_API gm_tensor *gm_transpose(gm_tensor *x, int dim0, int dim1);
/* Dimension `from` moved to place `to`. A view. */
GM_API gm_tensor *gm_move_dim(gm_tensor *x, int from, int to);
/* x broadcast to `shape` (sizes of 1 stretch, dimensions are added in front). -1 keeps a size. A view. */
GM_API gm_tensor *gm_expand(gm_tensor *x, gm_shape shape);
/* Without dimension `dim`, which must have size 1; with a new dimension of size 1 at place `dim`. Views. */
GM_API gm_tensor *gm_squeeze(gm_tensor *x, int dim);
GM_API gm_tensor *gm_unsqueeze(gm_tensor *x, int dim);
/* Elements start, start + step, ... before stop of one dimension, as Python's x[start:stop:step]: negative positions
 * count from the end, positions outside are cut; step may be negative (stop INT64_MIN: to the start), never 0. A
 * view. */
GM_API gm_tensor *gm_slice(gm_tensor *x, int dim, int64_t start, int64_t stop, int64_t step);
/* `length` elements from `start` of one dimension; INDEX error if they are not there. A view. */
GM_API gm_tensor *gm_narrow(gm_tensor *x, int dim, int64_t start, int64_t length);
/* x[index] along `dim`, without that dimension. A view. */
GM_API gm_tensor *gm_select(gm_tensor *x, int dim, int64_t index);
/* x as a value of its own, with x in its history. A view. */
GM_API gm_tensor *gm_identity(gm_tensor *x);
/* Dimensions in reverse. A view. */
GM_API gm_tensor *gm_flip(gm_tensor *x, const int32_t *dims, int n);
/* Zeros of `shape` with x written at start, start + step ... of dimension `dim`: the inverse of a slice. */
GM_API gm_tensor *gm_unslice(gm_tensor *x, int dim, int64_t start, int64_t step, int64_t size);

/* x in another dtype (x itself if it has it). Floats to integers saturate, NaN gives 0; integers wrap. */
GM_API gm_tensor *gm_cast(gm_tensor *x, gm_dtype dtype);
/* x if it is row-major, else a row-major copy. */
GM_API gm_tensor *gm_contiguous(gm_tensor *x);
/* The same elements with channels innermost: x [N, C, ...] -> [N, C, ...]; shape and values do not change. */
GM_API gm_tensor *gm_channels_last(gm_tensor *x);
/* A copy of its own storage. */
GM_API gm_tensor *gm_copy(gm_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
