/* nan.h: one NaN for files. */
#ifndef GM_BASE_NAN_H
#define GM_BASE_NAN_H
#include "gemel/tensor.h"

/* Sign and payload of a NaN are not defined by the numerics contract; files hold the positive quiet one. Changes
 * the `bytes` bytes of elements at `data`, which need not be aligned. */
void gm__nan_canonical(gm_dtype dtype, void *data, size_t bytes);

#endif
