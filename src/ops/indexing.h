/* indexing.h: what operations that take indices share: reading and checking them, and the driver that walks them. */
#ifndef GM_OPS_INDEXING_H
#define GM_OPS_INDEXING_H

#include "../kernels/kernels.h"
#include "ops.h"

/* What happens to data[.., index, ..] and other[..] at each place of the index. */
typedef enum { GM__INDEX_GATHER, GM__INDEX_SCATTER, GM__INDEX_ADD } gm__index_action;

/* Indices as i64 without the dimensions that only repeat them: at[row-major], of `count`, and their steps along the
 * dimensions of the tensor they came from (0 where repeated). */
typedef struct { const int64_t *at; int64_t count, step[GM_MAX_DIMS]; } gm__indices;

/* False after a DTYPE error if t does not hold integers. */
bool gm__index_dtype(const char *op, const gm_tensor *t);
/* The values of `index` in *out; they live in the innermost scope. */
bool gm__index_read(gm_tensor *index, gm__indices *out);
/* False after an INDEX error that names the first index that is not in low..size-1, its position and the size. */
bool gm__index_check(const char *op, const gm__indices *index, int64_t low, int64_t size);
/* For every place of the index (shape `shape`): data and other in step, `dim` of data replaced by the index. Indices
 * must have been checked. In order along `dim` for SCATTER and ADD, whatever the threads. */
void gm__index_walk(gm__index_action action, const gm_shape *shape, int dim, const gm__indices *index,
                    const gm_tensor *data, const gm_tensor *other);
/* n tensors of indices, broadcast, as row-major places in a tensor of `size`; `negative`: they may count from the end.
 */
gm_tensor *gm__ravel_index(gm_tensor *const *indices, int n, const int64_t *size, bool negative);
/* Zeros of `shape` with src added at the indices along `dim`: the gradient of a gather. */
gm_tensor *gm__scatter_sum(gm_tensor *src, int dim, gm_tensor *index, gm_shape shape);
/* Zeros with slices added: src [.., index's shape, ..] -> [.., size, ..] at dimension dim; slice `padding` stays zero.
 */
gm_tensor *gm__index_sum(gm_tensor *src, int dim, gm_tensor *index, int64_t size, int64_t padding);
/* .padding_idx, negative from the end, in *padding (-1: not set); false after an INDEX error. */
bool gm__padding_idx(const char *op, gm_int padding_idx, int64_t rows, int64_t *padding);
/* Zero the memory of y, in threads where it pays. */
void gm__zero(gm_tensor *y);

#endif
