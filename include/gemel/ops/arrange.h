/* gemel/ops/arrange.h: the same elements with a border, in another place or several times. Values move and keep their
 * dtype. */
#ifndef GEMEL_OPS_ARRANGE_H
#define GEMEL_OPS_ARRANGE_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a border holds; for "abcd" with three in front: CONSTANT 000|abcd, REFLECT dcb|abcd, REPLICATE aaa|abcd,
 * CIRCULAR bcd|abcd, SYMMETRIC cba|abcd. Borders wider than the tensor go on in the same way. */
typedef int32_t gm_pad_mode;
enum { GM_PAD_CONSTANT = 0, GM_PAD_REFLECT = 1, GM_PAD_REPLICATE = 2, GM_PAD_CIRCULAR = 3, GM_PAD_SYMMETRIC = 4 };

/* value: of a CONSTANT border; 0 by default. */
typedef struct {
    size_t size;
    double value;
    gm_pad_mode mode;
    int32_t reserved;
} gm_pad_args;

/* low[i] elements in front and high[i] behind, for the last dimensions of x in the order of the shape; negative numbers
 * cut. x [N, C, H, W], low and high of 2 -> [N, C, low + H + high, low + W + high]. SHAPE error if less than nothing is
 * left, or a border other than CONSTANT has nothing to repeat. */
GM_API gm_tensor *gm_pad_with(gm_tensor *x, gm_shape low, gm_shape high, const gm_pad_args *args);
GM_API gm_tensor *gm_pad(gm_tensor *x, gm_shape low, gm_shape high);

/* Elements moved by `shift` along `dim`, those that leave at one end entering at the other: y[i + shift] = x[i]. */
GM_API gm_tensor *gm_roll(gm_tensor *x, int64_t shift, int dim);
/* x several times behind itself along each dimension: [A, B], counts [a, b] -> [a A, b B]. More counts than dimensions
 * add dimensions in front; fewer leave the first ones alone. */
GM_API gm_tensor *gm_repeat(gm_tensor *x, gm_shape counts);
/* Each slice of `dim` n times: [A, B], dim 0 -> [n A, B]. */
GM_API gm_tensor *gm_repeat_interleave(gm_tensor *x, int64_t n, int dim);
/* Slice i of `dim` counts[i] times: x [A, B], counts [A] -> [sum of counts, B], for dim 0. VALUE error if a count is
 * negative. */
GM_API gm_tensor *gm_repeat_interleave_by(gm_tensor *x, gm_tensor *counts, int dim);

#ifdef __cplusplus
}
#else
/* gm_pad(x, GM_SHAPE(1, 1), GM_SHAPE(1, 1), .mode = GM_PAD_REFLECT) */
#  define gm_pad(...) gm__pad(__VA_ARGS__, .size = sizeof(gm_pad_args))
#  define gm__pad(x, low, high, ...) gm_pad_with(x, low, high, &(gm_pad_args){ __VA_ARGS__ })
#endif
#endif
