/* resample_plan.h: what ops/resize.c tells the kernels of resample.h. */
#ifndef GM_RESAMPLE_PLAN_H
#define GM_RESAMPLE_PLAN_H

#include <stdint.h>

enum { GM_RESAMPLE_BITS = 22 };

/* [outer, n, inner] -> [outer, m, inner]; weights of result o are weight[at[o] .. at[o + 1]], from place first[o] on;
 * they have the type of the data, or are i32 for u8. */
typedef struct gm__resample {
    const void *x;
    void *y;
    int64_t outer, n, m, inner;
    const int64_t *at, *first;
    const void *weight;
} gm__resample;

#endif
