/* pool_plan.h: what the pooling operations (ops/pool.c) tell the pooling templates (pool.h). Spatial triples are
 * (depth, height, width); 1d and 2d problems leave leading ones at 1. */
#ifndef GM_POOL_PLAN_H
#define GM_POOL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/* Big and small side: x, gx of size `in`; y, g, index of size `out`. All are contiguous in the layout. */
typedef struct gm__pool_plan {
    const void *x;     /* [N, C, in] */
    const void *from;  /* g (gradients) or what is picked from */
    void *to;          /* y or gx */
    int64_t *index;    /* flat positions within a picture, for max_pool_index; else NULL */
    int64_t batch, channels, in[3], out[3];
    bool channels_last;
    bool regular;      /* windows are kernel, stride, pad, dilation; else only first and count are meant */
    int64_t kernel[3], stride[3], pad[3], dilation[3];
    /* per axis and output: the first tap inside, how many taps are inside, what an average counts */
    const int32_t *first[3], *count[3], *divide[3];
    double divisor;    /* 0: the product of `divide` */
} gm__pool_plan;

#endif
