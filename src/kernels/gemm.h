/* gemm.h: matrix products, batched, of any strides, threaded; the values are those of docs/numerics.md, "Dot-like
 * sums", bit for bit, whatever the strides, the threads, the batch or the instruction set.
 *
 *     c[i, j] = sum over k of a[i, k] * b[k, j]          a [m, k], b [k, n], c [m, n], for every batch entry
 *
 * k = 0 gives zeros; m, n or batch = 0 does nothing. c must not overlap a or b, nor itself. */
#ifndef GM_GEMM_H
#define GM_GEMM_H

#include "kernels.h"

typedef struct {
    int64_t m, n, k;
    const void *a; int64_t a_row, a_col; /* element strides; zero (broadcast) and negative ones too */
    const void *b; int64_t b_row, b_col;
    void *c; int64_t c_row, c_col;
    int64_t batch;                        /* 0 means 1 */
    const int64_t *a_off, *b_off, *c_off; /* element offsets per batch entry; NULL: none */
    const void *b_packed;                 /* made by gm__gemm_pack_T; b and its strides are then unused; NULL: none */
    const void *bias;                     /* [n], of c's type, added to finished rows; not for integers; may be NULL */
    gm_mm_done done;                      /* told of every finished row segment, see matmul_job.h; may be NULL */
    void *env;
    bool serial;                          /* stay on this thread (callers that are split over threads themselves) */
    const gm_kernels *kernels;            /* NULL: this machine's */
} gm__gemm_args;

/* False, with MEMORY pending, where working memory is not to be had. */
bool gm__gemm_f32(const gm__gemm_args *args);
bool gm__gemm_f64(const gm__gemm_args *args);

/* Integers: a int8 (or uint8, if a_unsigned), b int8, c int32, exact up to k = 65,793 and modulo 2^32 beyond; int32
 * modulo 2^32; int64 modulo 2^64. b_packed must be NULL. */
bool gm__gemm_s8(const gm__gemm_args *args, bool a_unsigned);
bool gm__gemm_i32(const gm__gemm_args *args);
bool gm__gemm_i64(const gm__gemm_args *args);

/* b [k, n], packed once for many products with that b: bytes of the block (align it to 64), and filling it. The block
 * belongs to the caller and to this process: its layout is that of the instruction set (`kernels`, NULL: this
 * machine's) and is never saved. */
size_t gm__gemm_packed_bytes_f32(const gm_kernels *kernels, int64_t k, int64_t n);
size_t gm__gemm_packed_bytes_f64(const gm_kernels *kernels, int64_t k, int64_t n);
void gm__gemm_pack_f32(const gm_kernels *kernels, int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_col,
                       void *block);
void gm__gemm_pack_f64(const gm_kernels *kernels, int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_col,
                       void *block);

#endif
