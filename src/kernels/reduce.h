/* reduce.h: reductions by sum, product, maximum and minimum: reduce_rows.h for each operation and type. Driver:
 * reducing.c.
 *
 * reduce_OP_block_T:   the 32 lanes of a block          reduce_OP_merge_T:   elementwise into an accumulator
 * reduce_OP_rows_T:    whole rows                       reduce_OP_columns_T: chains down columns
 * Maximum and minimum: a NaN wins, +0 is above -0. */
#define REDUCE_ALL(X) \
    X(sum, f32) X(sum, f64) X(sum, i64) \
    X(prod, f32) X(prod, f64) X(prod, i64) \
    X(max, f32) X(max, f64) X(max, i32) X(max, i64) X(max, u64) \
    X(min, f32) X(min, f64) X(min, i32) X(min, i64) X(min, u64)
#define REDUCE_EXTREMES(X) \
    X(max, f32) X(max, f64) X(max, i32) X(max, i64) X(max, u64) \
    X(min, f32) X(min, f64) X(min, i32) X(min, i64) X(min, u64)
#ifdef GM_KERNEL_DECLARE
#  define REDUCE_DECLARE(op, S)                                                                \
    GM_KERNEL(void, reduce_##op##_block_##S, (int64_t n, const void *x, void *lane))           \
    GM_KERNEL(void, reduce_##op##_merge_##S, (int64_t n, const void *x, void *acc))            \
    GM_KERNEL(void, reduce_##op##_rows_##S, (int64_t rows, int64_t n, const void *x, void *y)) \
    GM_KERNEL(void, reduce_##op##_columns_##S,                                                 \
              (int64_t rows, int64_t stride, int64_t columns, const void *x, void *acc))
REDUCE_ALL(REDUCE_DECLARE)
#undef REDUCE_DECLARE
/* y[i] = the first index of the extreme of x[i, 0 .. n] */
#define REDUCE_DECLARE_ARG(op, S)                                                                                      \
    GM_KERNEL(void, reduce_arg##op##_##S, (int64_t rows, int64_t n, const void *x, int64_t *y))
REDUCE_EXTREMES(REDUCE_DECLARE_ARG)
#undef REDUCE_DECLARE_ARG
#else

#define RD(name) GM_K(reduce_sum_##name##_f32)
#define RD_T float
#define RD_ID 0
#define RD_OP(a, b) ((a) + (b))
#define RD_V gm_v
#define RD_VN GM_VF
#define RD_LOAD gm_load
#define RD_STORE gm_store
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_sum_##name##_f64)
#define RD_T double
#define RD_ID 0
#define RD_OP(a, b) ((a) + (b))
#define RD_V gm_vd
#define RD_VN GM_VD
#define RD_LOAD gm_loadd
#define RD_STORE gm_stored
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_sum_##name##_i64)
#define RD_T int64_t
#define RD_ID 0
#define RD_OP(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_prod_##name##_f32)
#define RD_T float
#define RD_ID 1
#define RD_OP(a, b) ((a) * (b))
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_prod_##name##_f64)
#define RD_T double
#define RD_ID 1
#define RD_OP(a, b) ((a) * (b))
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_prod_##name##_i64)
#define RD_T int64_t
#define RD_ID 1
#define RD_OP(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_max_##name##_f32)
#define RD_T float
#define RD_ID -(RD_T)__builtin_inf()
#define RD_OP(a, b) GM_K(max_f32)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_max_##name##_f64)
#define RD_T double
#define RD_ID -(RD_T)__builtin_inf()
#define RD_OP(a, b) GM_K(max_f64)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_max_##name##_i32)
#define RD_T int32_t
#define RD_ID INT32_MIN
#define RD_OP(a, b) GM_K(max_i32)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_max_##name##_i64)
#define RD_T int64_t
#define RD_ID INT64_MIN
#define RD_OP(a, b) GM_K(max_i64)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_max_##name##_u64)
#define RD_T uint64_t
#define RD_ID 0
#define RD_OP(a, b) GM_K(max_u64)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_min_##name##_f32)
#define RD_T float
#define RD_ID (RD_T)__builtin_inf()
#define RD_OP(a, b) GM_K(min_f32)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_min_##name##_f64)
#define RD_T double
#define RD_ID (RD_T)__builtin_inf()
#define RD_OP(a, b) GM_K(min_f64)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_min_##name##_i32)
#define RD_T int32_t
#define RD_ID INT32_MAX
#define RD_OP(a, b) GM_K(min_i32)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_min_##name##_i64)
#define RD_T int64_t
#define RD_ID INT64_MAX
#define RD_OP(a, b) GM_K(min_i64)(a, b)
#include "reduce_rows.h"
#define RD(name) GM_K(reduce_min_##name##_u64)
#define RD_T uint64_t
#define RD_ID UINT64_MAX
#define RD_OP(a, b) GM_K(min_u64)(a, b)
#include "reduce_rows.h"

/* The extreme first, then its place: both are loops over independent elements. */
#define REDUCE_ARG(op, S)                                                                                              \
    static void GM_K(reduce_arg##op##_##S)(int64_t rows, int64_t n, const void *from, int64_t *y) {                    \
        const RA_##S *x = from;                                                                                        \
        for (int64_t i = 0; i < rows; i++, x += n) {                                                                   \
            RA_##S m;                                                                                                  \
            GM_K(reduce_##op##_rows_##S)(1, n, x, &m);                                                                 \
            int64_t k = 0;                                                                                             \
            for (; k + 64 <= n; k += 64) {                                                                             \
                int found = 0;                                                                                         \
                for (int l = 0; l < 64; l++) found |= (x[k + l] == m) | (x[k + l] != x[k + l]);                        \
                if (found) break;                                                                                      \
            }                                                                                                          \
            while (k < n - 1 && x[k] != m && x[k] == x[k]) k++;                                                        \
            y[i] = k;                                                                                                  \
        }                                                                                                              \
    }
#define RA_f32 float
#define RA_f64 double
#define RA_i32 int32_t
#define RA_i64 int64_t
#define RA_u64 uint64_t
REDUCE_EXTREMES(REDUCE_ARG)
#undef REDUCE_ARG
#undef RA_f32
#undef RA_f64
#undef RA_i32
#undef RA_i64
#undef RA_u64

#endif
#undef REDUCE_ALL
#undef REDUCE_EXTREMES
