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

#ifdef __cplusplus
}
#endif
#endif
