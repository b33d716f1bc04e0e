/* norm.h: normalisation and softmax: norm_rows.h and norm_channels.h for float and double. After reduce.h. */
#ifdef GM_KERNEL_DECLARE
#define NORM_DECLARE(S)                                                                                                \
    GM_KERNEL(void, norm_channel_stats_##S, (const gm_channel_job *job, int64_t c0, int64_t c1))                       \
    GM_KERNEL(void, norm_channel_sums_##S, (const gm_channel_job *job, int64_t c0, int64_t c1))                        \
    GM_KERNEL(void, norm_channel_apply_##S, (const gm_channel_job *job, int64_t r0, int64_t r1))                       \
    GM_KERNEL(void, norm_batch_scales_##S, (int64_t c, double eps, const void *mean, const void *var,                  \
              const void *weight, const void *bias, void *scale, void *shift))                                         \
    GM_KERNEL(void, norm_batch_slopes_##S, (int64_t c, double eps, double n, const void *var, const void *weight,      \
              const void *sum, void *dot, void *scale, void *shift, void *slope))                                      \
    GM_KERNEL(void, norm_rows_square_##S, (int64_t rows, int64_t n, const void *x, void *y))                           \
    GM_KERNEL(void, norm_rows_spread_##S, (int64_t rows, int64_t n, const void *x, void *y))                           \
    GM_KERNEL(void, norm_apply_##S, (const gm_norm_job *job, int64_t r0, int64_t r1))                                  \
    GM_KERNEL(void, norm_apply_grad_##S, (const gm_norm_job *job, int64_t r0, int64_t r1))                             \
    GM_KERNEL(void, norm_columns_##S, (const gm_norm_job *job, int64_t j0, int64_t j1))                                \
    GM_KERNEL(void, norm_softmax_rows_##S, (int64_t rows, int64_t n, int logarithm, const void *x, void *y,            \
              void *stats))                                                                                            \
    GM_KERNEL(void, norm_softmax_rows_grad_##S, (int64_t rows, int64_t n, int logarithm, const void *g,                \
              const void *y, void *dx))                                                                                \
    GM_KERNEL(void, norm_softmax_stats_##S, (int64_t rows, int64_t n, const void *x, void *stats, void *work))         \
    GM_KERNEL(void, norm_logs_##S, (int64_t n, const void *x, void *y))                                                \
    GM_KERNEL(void, norm_cross_entropy_grad_##S, (int64_t rows, int64_t n, const void *x, const void *stats,           \
              const int64_t *target, const void *g, void *dx))                                                         \
    GM_KERNEL(void, norm_ctc_alpha_##S, (const gm_ctc_job *job, int64_t n0, int64_t n1))                               \
    GM_KERNEL(void, norm_ctc_grad_##S, (const gm_ctc_job *job, int64_t n0, int64_t n1))
NORM_DECLARE(f32)
#if GM_OTHER_TYPES
NORM_DECLARE(f64)
#endif
#undef NORM_DECLARE
#else

#define NORM_F32(name) GM_K(norm_##name##_f32)
#define NORM_F64(name) GM_K(norm_##name##_f64)
#define NORM_MATH32(name) GM_K(name##_f32)
#define NORM_MATH64(name) GM_K(name##_f64)
/* Rows do not overlap. */
#if defined(__clang__)
#  define NR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#  define NR_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define NR NORM_F32
#define NR_MATH NORM_MATH32
#define NR_T float
#define NR_V gm_v
#define NR_VN GM_VF
#define NR_LOAD gm_load
#define NR_STORE gm_store
#define NR_SPLAT gm_splat
#define NR_FMA gm_fma
#define NR_VFMA gm_vfma
#define NR_TRANSPOSE gm_vturn
#include "norm_body.h"

#if GM_OTHER_TYPES
#define NR NORM_F64
#define NR_MATH NORM_MATH64
#define NR_T double
#define NR_V gm_vd
#define NR_VN GM_VD
#define NR_LOAD gm_loadd
#define NR_STORE gm_stored
#define NR_SPLAT gm_splatd
#define NR_FMA gm_fmad
#define NR_VFMA gm_vfmad
#define NR_TRANSPOSE gm_vturnd
#include "norm_body.h"
#endif

#undef NORM_F32
#undef NORM_F64
#undef NORM_MATH32
#undef NORM_MATH64
#undef NR_INDEPENDENT
#endif
