/* attention_plan.h: what ops/attention.c tells the kernels of attention.h about one row of scores. */
#ifndef GM_ATTENTION_PLAN_H
#define GM_ATTENTION_PLAN_H

#include <stdint.h>

typedef enum { GM__MASK_NONE, GM__MASK_KEEP, GM__MASK_ADD } gm__mask_kind;

/* Scores of n keys, of which the first `limit` may be seen. mask: a byte (keep if not 0) or a value of the scores' type
 * (added) per key, `mask_stride` apart. */
typedef struct gm__attention_row {
    int64_t n, limit;
    double scale;
    const void *mask;
    int64_t mask_stride;
    gm__mask_kind kind;
} gm__attention_row;

#endif
