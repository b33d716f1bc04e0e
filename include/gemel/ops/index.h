/* gemel/ops/index.h: elements by index.
 *
 * Indices are tensors of any integer dtype; an index outside of 0..size-1 is an INDEX error that names the index, its
 * position (row-major) and the size. Values keep their dtype. Sums are chains in the order of the source, so results
 * are the same for any threads. No gradient flows to an index or a mask. */
#ifndef GEMEL_OPS_INDEX_H
#define GEMEL_OPS_INDEX_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x[i, index[i, j, k], k] (for dim 1 of 3): x [A, N, C], index [a, n, c] -> [a, n, c], with a <= A, c <= C. */
GM_API gm_tensor *gm_gather(gm_tensor *x, int dim, gm_tensor *index);
/* x with src[i, j, k] written at [i, index[i, j, k], k]; of several the last is kept. x [A, N, C], index [a, n, c],
 * src of the index's shape or larger, or one element [] -> [A, N, C]. src has x's dtype. */
GM_API gm_tensor *gm_scatter(gm_tensor *x, int dim, gm_tensor *index, gm_tensor *src);
/* The same with src added: x + s, where s starts from +0 and takes the sources in their order. */
GM_API gm_tensor *gm_scatter_add(gm_tensor *x, int dim, gm_tensor *index, gm_tensor *src);
/* Slices of a dimension: x [A, N, C], index [...] -> [A, ..., C]; index [n] for rows in a new order. */
GM_API gm_tensor *gm_index_select(gm_tensor *x, int dim, gm_tensor *index);
/* x with slices added: x [A, N, C], index [n], src [A, n, C] -> x + s, where s starts from +0 and takes the slices in
 * their order. */
GM_API gm_tensor *gm_index_add(gm_tensor *x, int dim, gm_tensor *index, gm_tensor *src);
/* Elements of x seen as one row: x [...], index [n, m] -> [n, m]. */
GM_API gm_tensor *gm_take(gm_tensor *x, gm_tensor *index);
/* x[indices[0], indices[1], ...]: n tensors of indices, which broadcast to a shape I, for the first n dimensions of x;
 * negative ones count from the end. x [N, M, C], two indices -> [I, C]. */
GM_API gm_tensor *gm_index(gm_tensor *x, gm_tensor *const *indices, int n);
/* x with values (broadcast to [I, C], of x's dtype) written there, the last of several kept; or, with `accumulate`,
 * added: x + s, where s starts from +0 and takes the values in their order. */
GM_API gm_tensor *gm_index_put(gm_tensor *x, gm_tensor *const *indices, int n, gm_tensor *values, bool accumulate);

/* x with `value` where the mask (bool, broadcast) is true. */
GM_API gm_tensor *gm_masked_fill(gm_tensor *x, gm_tensor *mask, double value);
/* The elements where the mask (bool; x and it broadcast) is true, row-major: [k]. */
GM_API gm_tensor *gm_masked_select(gm_tensor *x, gm_tensor *mask);
/* The places of elements that are not zero, row-major: x [...] -> i64 [k, gm_n_dims(x)]. No gradient. */
GM_API gm_tensor *gm_nonzero(gm_tensor *x);
/* index [...] -> [..., classes]: zeros, with a one at each index. No gradient. */
GM_API gm_tensor *gm_one_hot(gm_tensor *index, int64_t classes, gm_dtype dtype);

/* padding_idx: the row whose gradient stays zero; negative counts from the end; none unless set. */
typedef struct {
    size_t size;
    gm_int padding_idx;
} gm_embedding_args;

/* Rows of a table: weight [V, D], indices [...] -> [..., D]. The gradient of a row is the chain from +0 over its uses,
 * in the order of the indices. */
GM_API gm_tensor *gm_embedding_with(gm_tensor *weight, gm_tensor *indices, const gm_embedding_args *args);
GM_API gm_tensor *gm_embedding(gm_tensor *weight, gm_tensor *indices);

/* What becomes of the rows of a bag. */
typedef int32_t gm_bag_mode;
enum { GM_BAG_MEAN = 0, GM_BAG_SUM = 1, GM_BAG_MAX = 2 };

/* offsets: where each bag begins, i64 [B], ascending, the first 0; per_sample_weights: a factor per index, of the
 * indices' shape (SUM only); padding_idx: a row that bags leave out, in the count of a mean too; include_last: offsets
 * has one more entry, the number of indices. */
typedef struct {
    size_t size;
    gm_tensor *offsets, *per_sample_weights;
    gm_int padding_idx;
    gm_bag_mode mode;
    int32_t include_last;
} gm_embedding_bag_args;

/* Rows of a table, a bag of them as one: weight [V, D], indices [B, n] -> [B, D]; or indices [n], with .offsets. The
 * sum is a chain from +0 in the order of the indices, a mean is divided once, of equal maxima the first gets the
 * gradient (NaN wins); an empty bag gives 0. */
GM_API gm_tensor *gm_embedding_bag_with(gm_tensor *weight, gm_tensor *indices, const gm_embedding_bag_args *args);
GM_API gm_tensor *gm_embedding_bag(gm_tensor *weight, gm_tensor *indices);

#ifdef __cplusplus
}
#else
/* gm_embedding_bag(weight, indices, .offsets = o, .mode = GM_BAG_SUM) */
#  define gm_embedding_bag(...) gm__embedding_bag(__VA_ARGS__, .size = sizeof(gm_embedding_bag_args))
#  define gm__embedding_bag(w, i, ...) gm_embedding_bag_with(w, i, &(gm_embedding_bag_args){ __VA_ARGS__ })
/* gm_embedding(weight, indices, .padding_idx = GM_INT(0)) */
#  define gm_embedding(...) gm__embedding(__VA_ARGS__, .size = sizeof(gm_embedding_args))
#  define gm__embedding(w, i, ...) gm_embedding_with(w, i, &(gm_embedding_args){ __VA_ARGS__ })
#endif
#endif
