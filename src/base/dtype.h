/* dtype.h: facts about data types, all derived from GM_DTYPES. */
#ifndef GM_BASE_DTYPE_H
#define GM_BASE_DTYPE_H
#include "gemel/tensor.h"

typedef struct { const char *name, *numpy; int32_t bits; char kind; } gm__dtype_info;
enum { GM__N_DTYPES = 21 };
extern const gm__dtype_info gm__dtype_table[GM__N_DTYPES];
/* A record of zeros for a number that is no dtype. */
static inline const gm__dtype_info *gm__dtype(gm_dtype dtype) {
    return &gm__dtype_table[dtype > 0 && dtype < GM__N_DTYPES ? dtype : 0];
}
static inline bool gm__is_float(gm_dtype dtype) { return gm__dtype(dtype)->kind == 'F'; }
/* Bytes of n elements; sub-byte types are packed, low half first. */
static inline int64_t gm__bytes_of(gm_dtype dtype, int64_t n) { return (n * gm__dtype(dtype)->bits + 7) / 8; }
static inline int gm__element_bytes(gm_dtype dtype) { return gm__dtype(dtype)->bits / 8; }

/* The type that elementwise kernels compute in: f32, f64, i32, i64 or u64; GM_NO_DTYPE for strings, complex and those
 * of 4 bits. */
gm_dtype gm__domain(gm_dtype dtype);

#endif
