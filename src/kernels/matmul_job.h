/* matmul_job.h: what a matrix product is told, shared by the driver (gemm.c) and the kernels (matmul_tile.h).
 *
 *     c[i, j] = sum over k of a[i, k] * b[k, j]          a [m, k], b [k, n], c [m, n]
 *
 * Strides are in elements; any of a and b may be zero or negative. */
#ifndef GM_MATMUL_JOB_H
#define GM_MATMUL_JOB_H

#include <stdbool.h>
#include <stdint.h>

/* Called once for every finished row segment c[row, col .. col + n): bias, activation, residual. `values` are `stride`
 * elements apart and hold T, the type of c; `batch` is the entry they belong to. Runs on any thread. */
typedef void (*gm_mm_done)(void *env, int64_t batch, int64_t row, int64_t col, int64_t n, void *values, int64_t stride);

/* Numbers of the contract: a chain of fused multiply-adds covers GM_MM_CHUNK of k; GM_MM_SUPER of k make a
 * superblock. */
enum { GM_MM_CHUNK = 256, GM_MM_SUPER = 64 * GM_MM_CHUNK };

/* One product. b_packed: b as panels [n / NR][k][NR], padded with zeros, NR from the kernel's geometry; else NULL. */
typedef struct {
    int64_t m, n, k;
    const void *a, *b, *b_packed;
    int64_t a_row, a_col, b_row, b_col;
    void *c;
    int64_t c_row, c_col;
    int64_t batch;    /* the entry that `done` is told */
    const void *bias; /* [n], of c's type, added to every finished row, before `done`; NULL: none; not for integers */
    gm_mm_done done;
    void *env;
} gm_mm_job;

/* What the driver needs to know of a kernel: rows and columns of its tile, bytes of memory that a call works in. */
typedef struct { int64_t mr, nr, work_bytes; } gm_mm_geometry;

#endif
