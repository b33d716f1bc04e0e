/* gemel/ops/linalg.h: products of matrices and what belongs to them.
 *
 * Floats follow the dot-like rule of docs/numerics/linalg.md: chains of fused multiply-adds over 256 of the inner
 * dimension, summed in a fixed tree, so that threads, layouts and batches change no bit. f16 and bf16 are computed in
 * f32 and rounded once. Integers wrap. bool is a DTYPE error. Operands of different dtypes are promoted first. Strided
 * operands (transposed, sliced, expanded) are read where they lie. */
#ifndef GEMEL_OPS_LINALG_H
#define GEMEL_OPS_LINALG_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The matrix product, as NumPy's: a [..., m, k], b [..., k, n] -> [..., m, n], leading dimensions broadcast. A 1-d a is a
 * row, a 1-d b a column, and the dimension of size 1 that this makes is dropped: [k], [k] -> []. */
GM_API gm_tensor *gm_matmul(gm_tensor *a, gm_tensor *b);
/* x [..., in], w [out, in], bias [out] or NULL -> x w' + bias: [..., out]. The bias is added to the finished product. */
GM_API gm_tensor *gm_linear(gm_tensor *x, gm_tensor *w, gm_tensor *bias);
/* a [k], b [k] -> []. */
GM_API gm_tensor *gm_dot(gm_tensor *a, gm_tensor *b);
/* a [m], b [n] -> [m, n]: a[i] * b[j]. */
GM_API gm_tensor *gm_outer(gm_tensor *a, gm_tensor *b);
/* a [B, m, k], b [B, k, n] -> [B, m, n], without broadcasting. */
GM_API gm_tensor *gm_bmm(gm_tensor *a, gm_tensor *b);

#ifdef __cplusplus
}
#endif
#endif
