/* gemel/ops/sort.h: order: sorting, the largest, the different ones, places in sorted rows, counts.
 *
 * Every dtype but strings. The order is stable: equal elements stay in the order of their positions, ascending or
 * descending; zeros of either sign are equal; NaN is the largest and equals NaN. */
#ifndef GEMEL_OPS_SORT_H
#define GEMEL_OPS_SORT_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* indices: where to put the positions (i64) that the values came from; may be NULL. */
typedef struct {
    size_t size;
    gm_tensor **indices;
    int32_t descending, reserved;
} gm_sort_args;
typedef struct {
    size_t size;
    int32_t descending, reserved;
} gm_argsort_args;
typedef struct {
    size_t size;
    gm_tensor **indices;
    int32_t smallest, reserved;
} gm_topk_args;

/* The elements along `dim` in order: x [...] -> [...]. Gradients go to where the elements came from. */
GM_API gm_tensor *gm_sort_with(gm_tensor *x, int dim, const gm_sort_args *args);
GM_API gm_tensor *gm_sort(gm_tensor *x, int dim);
/* The positions alone, i64. No gradient. */
GM_API gm_tensor *gm_argsort_with(gm_tensor *x, int dim, const gm_argsort_args *args);
GM_API gm_tensor *gm_argsort(gm_tensor *x, int dim);
/* The k largest (or smallest) along `dim`, the best first: x [A, N], dim 1 -> [A, k]. VALUE error if there are fewer.
 */
GM_API gm_tensor *gm_topk_with(gm_tensor *x, int64_t k, int dim, const gm_topk_args *args);
GM_API gm_tensor *gm_topk(gm_tensor *x, int64_t k, int dim);

/* Where to put: the place of each element among the values (i64, x's shape), how often each value occurs, where it
 * occurs first (i64 [k], row-major positions). All may be NULL. */
typedef struct {
    size_t size;
    gm_tensor **inverse, **counts, **first;
} gm_unique_args;

/* The different elements of x in ascending order: x [...] -> [k]. No gradient. */
GM_API gm_tensor *gm_unique_with(gm_tensor *x, const gm_unique_args *args);
GM_API gm_tensor *gm_unique(gm_tensor *x);

/* How many elements of an ascending row stand before each value: those below it, or, with `right`, those not above it.
 * sorted [N] and values [...], or sorted [A, N] and values [A, M] -> i64 like values. Dtypes promote. No gradient. */
GM_API gm_tensor *gm_searchsorted(gm_tensor *sorted, gm_tensor *values, bool right);
/* The bucket of each element between ascending boundaries: x [...], boundaries [N] -> i64 [...], 0..N. */
GM_API gm_tensor *gm_bucketize(gm_tensor *x, gm_tensor *boundaries, bool right);
/* How often each of 0..max(x) occurs, at least `least` counts: x [N] of integers -> i64 [n]; or the sum of its weights
 * (weights [N]; NULL for none), a chain in the order of x, in their dtype. INDEX error for a negative element. */
GM_API gm_tensor *gm_bincount(gm_tensor *x, gm_tensor *weights, int64_t least);

#ifdef __cplusplus
}
#else
/* gm_sort(x, -1, .descending = 1, .indices = &i) and so on. */
#  define gm_sort(...) gm__sort(__VA_ARGS__, .size = sizeof(gm_sort_args))
#  define gm__sort(x, dim, ...) gm_sort_with(x, dim, &(gm_sort_args){ __VA_ARGS__ })
#  define gm_argsort(...) gm__argsort(__VA_ARGS__, .size = sizeof(gm_argsort_args))
#  define gm__argsort(x, dim, ...) gm_argsort_with(x, dim, &(gm_argsort_args){ __VA_ARGS__ })
#  define gm_topk(...) gm__topk(__VA_ARGS__, .size = sizeof(gm_topk_args))
#  define gm__topk(x, k, dim, ...) gm_topk_with(x, k, dim, &(gm_topk_args){ __VA_ARGS__ })
#  define gm_unique(...) gm__unique(__VA_ARGS__, .size = sizeof(gm_unique_args))
#  define gm__unique(x, ...) gm_unique_with(x, &(gm_unique_args){ __VA_ARGS__ })
#endif
#endif
