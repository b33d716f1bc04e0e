/* matmul.h: the matrix product kernels of the library: matmul_tile.h and matvec.h for float and double, tile shapes per
 * instruction set, and the integer products. Drivers: gemm.c.
 *
 * matmul_T:          c[i0 .. i1, j0 .. j1] of a product, in `work` (64-byte aligned, work_bytes); j0 is a multiple of
 * nr matmul_pack_T:     b -> panels [n / NR][k][NR], the panels of columns j0 .. j1 (j0 a multiple of nr)
 * matmul_geometry_T: the tile and work_bytes
 * matmul_s8:         int8 or uint8 (a_unsigned) a, int8 b, int32 c
 * matmul_i32, i64:   sums modulo 2^32 and 2^64 */
#ifdef GM_KERNEL_DECLARE
GM_KERNEL(void, matmul_f32, (const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1, void *work))
GM_KERNEL(void, matmul_f64, (const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1, void *work))
GM_KERNEL(void, matmul_pack_f32, (const gm_mm_job *job, int64_t j0, int64_t j1, void *packed))
GM_KERNEL(void, matmul_pack_f64, (const gm_mm_job *job, int64_t j0, int64_t j1, void *packed))
GM_KERNEL(gm_mm_geometry, matmul_geometry_f32, (void))
GM_KERNEL(gm_mm_geometry, matmul_geometry_f64, (void))
GM_KERNEL(void, matmul_s8, (const gm_mm_job *job, bool a_unsigned, int64_t i0, int64_t i1, int64_t j0, int64_t j1))
GM_KERNEL(void, matmul_i32, (const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1))
GM_KERNEL(void, matmul_i64, (const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1))
#else

#if GM_VBYTES == 64 /* 32 registers: 28 accumulators */
#  define GM_MM_MR 14
#  define GM_MM_WIDE 6
#  define GM_MM_STEPS 8
#  define GM_MM_BLOCK_BYTES (512 << 10)
#elif GM_VBYTES == 32 /* 16 registers: 12 accumulators */
#  define GM_MM_MR 6
#  define GM_MM_WIDE 2
#  define GM_MM_STEPS 8
#  define GM_MM_BLOCK_BYTES (256 << 10)
#elif GM_HAS_FMA /* NEON, 32 registers: 24 accumulators */
#  define GM_MM_MR 12
#  define GM_MM_WIDE 6
#  define GM_MM_STEPS 8
#  define GM_MM_BLOCK_BYTES (256 << 10)
#else /* the sums of software fma want the registers, and the code of each is long */
#  define GM_MM_MR 2
#  define GM_MM_WIDE 1
#  define GM_MM_STEPS 1
#  define GM_MM_BLOCK_BYTES (128 << 10)
#endif

#define MM_ENTRIES(suffix)                                                                                             \
    static void GM_K(matmul_##suffix)(const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1,            \
                                      void *work) {                                                                    \
        if (MM(is_matvec)(job)) MM(matvec)(job, i0, i1, j0, j1, work);                                                 \
        else MM(product)(job, i0, i1, j0, j1, work);                                                                   \
    }                                                                                                                  \
    static void GM_K(matmul_pack_##suffix)(const gm_mm_job *job, int64_t j0, int64_t j1, void *packed) {               \
        MM(pack_b)(job, 0, job->k, j0, j1 - j0, (MM_T *)packed + j0 * job->k, job->k * MM_NR);                         \
    }                                                                                                                  \
    static gm_mm_geometry GM_K(matmul_geometry_##suffix)(void) {                                                       \
        return (gm_mm_geometry){ GM_MM_MR, MM_NR, MM(work_bytes) };                                                    \
    }

#define MM(name) GM_K(mm_##name##_f32)
#define MM_T float
#define MM_V gm_v
#define MM_VN GM_VF
#define MM_LOAD gm_load
#define MM_STORE gm_store
#define MM_SPLAT gm_splat
#define MM_VFMA gm_vfma
#define MM_FMA gm_fma
#define MM_TRANSPOSE gm_vturn
#include "matmul_tile.h"
#include "matvec.h"
MM_ENTRIES(f32)
#include "matmul_undef.h"

#define MM(name) GM_K(mm_##name##_f64)
#define MM_T double
#define MM_V gm_vd
#define MM_VN GM_VD
#define MM_LOAD gm_loadd
#define MM_STORE gm_stored
#define MM_SPLAT gm_splatd
#define MM_VFMA gm_vfmad
#define MM_FMA gm_fmad
#define MM_TRANSPOSE gm_vturnd
#include "matmul_tile.h"
#include "matvec.h"
MM_ENTRIES(f64)
#include "matmul_undef.h"

#undef MM_ENTRIES
#undef GM_MM_MR
#undef GM_MM_WIDE
#undef GM_MM_STEPS
#undef GM_MM_BLOCK_BYTES

#include "matmul_int.h"
#endif
