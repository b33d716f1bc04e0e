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

/* The matrix product, as NumPy's: a [..., m, k], b [..., k, n] -> [..., m, n], leading dimensions broadcast. A 1-d a
 * is a row, a 1-d b a column, and the dimension of size 1 that this makes is dropped: [k], [k] -> []. */
GM_API gm_tensor *gm_matmul(gm_tensor *a, gm_tensor *b);
/* x [..., in], w [out, in], bias [out] or NULL -> x w' + bias: [..., out]. The bias is added to the finished
 * product. */
GM_API gm_tensor *gm_linear(gm_tensor *x, gm_tensor *w, gm_tensor *bias);
/* a [k], b [k] -> []. */
GM_API gm_tensor *gm_dot(gm_tensor *a, gm_tensor *b);
/* a [m], b [n] -> [m, n]: a[i] * b[j]. */
GM_API gm_tensor *gm_outer(gm_tensor *a, gm_tensor *b);
/* a [B, m, k], b [B, k, n] -> [B, m, n], without broadcasting. */
GM_API gm_tensor *gm_bmm(gm_tensor *a, gm_tensor *b);
/* Einstein's summation as NumPy and PyTorch write it: "bij,bjk->bik", "ij,j", "...ij->...ji", "ii->i", "ij->". Letters
 * are labels of dimensions, "..." stands for any further leading ones (which broadcast), blanks are skipped; without
 * "->" the result has the labels that occur once, in alphabetical order, behind "...". Operands are taken from the
 * left to the right: labels that only one of them has are summed first, then each pair is one matrix product. */
GM_API gm_tensor *gm_einsum(const char *equation, gm_tensor *const *operands, int n);

/* x [..., n, m] with zeros above (tril) or below (triu) diagonal k; k = 0 is the main one, k > 0 lies above it. */
GM_API gm_tensor *gm_tril(gm_tensor *x, int64_t k);
GM_API gm_tensor *gm_triu(gm_tensor *x, int64_t k);
/* The diagonal x[i, i + offset] of dimensions dim0 and dim1, as a new last dimension. A view. */
GM_API gm_tensor *gm_diagonal(gm_tensor *x, int64_t offset, int dim0, int dim1);
/* x [..., n] -> [..., n + |offset|, n + |offset|]: zeros with x on diagonal `offset`. */
GM_API gm_tensor *gm_diag_embed(gm_tensor *x, int64_t offset);
/* A vector as the diagonal of a matrix; the diagonal of a matrix as a vector. */
GM_API gm_tensor *gm_diag(gm_tensor *x, int64_t offset);
/* x [..., n, n] -> [...]: the sum of the diagonal. */
GM_API gm_tensor *gm_trace(gm_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
