/* gemel/ops/pool.h: windows of a picture to one value each: the largest or the average.
 *
 * Floats only. x may lack the batch dimension, then the result does too. A channels-last x gives a channels-last
 * result. Order of summation: docs/numerics/pool.md. */
#ifndef GEMEL_OPS_POOL_H
#define GEMEL_OPS_POOL_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Options of a pooling window. One number for all spatial dimensions, or one per dimension in the array, in the order
 * of the shape; an array is used where any of its entries is not zero. Defaults: stride = kernel, padding 0, dilation
 * 1. `ceil_mode`: the last window may begin inside and end outside. `indices` (max only): where to put a tensor of the
 * i64 positions of the maxima within their picture, row-major over the spatial dimensions; may be NULL. */
typedef struct {
    size_t size;
    gm_tensor **indices;
    int32_t stride, padding, dilation, ceil_mode;
    int32_t kernels[3], strides[3], dilations[3];
    int32_t padding_low[3], padding_high[3]; /* both are used if any entry of either is not zero */
    int32_t reserved;
} gm_max_pool_args;
typedef gm_max_pool_args gm_max_pool1d_args, gm_max_pool2d_args, gm_max_pool3d_args;

/* The largest of each window; NaN wins, the first of equals gets the gradient. `kernel` for all dimensions, or 0 and
 * .kernels. x [N, C, W] -> [N, C, W'];  W' = floor((W + low + high - dilation (kernel - 1) - 1) / stride) + 1. */
GM_API gm_tensor *gm_max_pool1d_with(gm_tensor *x, int kernel, const gm_max_pool1d_args *args);
/* x [N, C, H, W] -> [N, C, H', W']. */
GM_API gm_tensor *gm_max_pool2d_with(gm_tensor *x, int kernel, const gm_max_pool2d_args *args);
/* x [N, C, D, H, W] -> [N, C, D', H', W']. */
GM_API gm_tensor *gm_max_pool3d_with(gm_tensor *x, int kernel, const gm_max_pool3d_args *args);
GM_API gm_tensor *gm_max_pool1d(gm_tensor *x, int kernel);
GM_API gm_tensor *gm_max_pool2d(gm_tensor *x, int kernel);
GM_API gm_tensor *gm_max_pool3d(gm_tensor *x, int kernel);

/* As above; `exclude_padding` leaves padding out of the count that is divided by (PyTorch: count_include_pad = False);
 * `divisor` replaces the count. */
typedef struct {
    size_t size;
    int32_t stride, padding, ceil_mode, exclude_padding;
    int32_t kernels[3], strides[3];
    int32_t padding_low[3], padding_high[3];
    int32_t divisor, reserved;
} gm_avg_pool_args;
typedef gm_avg_pool_args gm_avg_pool1d_args, gm_avg_pool2d_args, gm_avg_pool3d_args;

/* The average of each window: the sum in window order, divided once. Shapes as in max_pool. */
GM_API gm_tensor *gm_avg_pool1d_with(gm_tensor *x, int kernel, const gm_avg_pool1d_args *args);
GM_API gm_tensor *gm_avg_pool2d_with(gm_tensor *x, int kernel, const gm_avg_pool2d_args *args);
GM_API gm_tensor *gm_avg_pool3d_with(gm_tensor *x, int kernel, const gm_avg_pool3d_args *args);
GM_API gm_tensor *gm_avg_pool1d(gm_tensor *x, int kernel);
GM_API gm_tensor *gm_avg_pool2d(gm_tensor *x, int kernel);
GM_API gm_tensor *gm_avg_pool3d(gm_tensor *x, int kernel);

/* As many windows as the result has places: window i of n covers floor(i size / n) .. ceil((i + 1) size / n). A size
 * of 0 keeps that of x. The average over whole pictures (all sizes 1) is gm_mean_dims over them.
 * x [N, C, W] -> [N, C, w]; x [N, C, H, W] -> [N, C, h, w]; x [N, C, D, H, W] -> [N, C, d, h, w]. */
GM_API gm_tensor *gm_adaptive_avg_pool1d(gm_tensor *x, int64_t w);
GM_API gm_tensor *gm_adaptive_avg_pool2d(gm_tensor *x, int64_t h, int64_t w);
GM_API gm_tensor *gm_adaptive_avg_pool3d(gm_tensor *x, int64_t d, int64_t h, int64_t w);
GM_API gm_tensor *gm_adaptive_max_pool1d(gm_tensor *x, int64_t w);
GM_API gm_tensor *gm_adaptive_max_pool2d(gm_tensor *x, int64_t h, int64_t w);
GM_API gm_tensor *gm_adaptive_max_pool3d(gm_tensor *x, int64_t d, int64_t h, int64_t w);
/* Mean and maximum over all spatial dimensions: x [N, C, ...] -> [N, C], or [N, C, 1 ...] with `keep`. */
GM_API gm_tensor *gm_global_avg_pool(gm_tensor *x, bool keep);
GM_API gm_tensor *gm_global_max_pool(gm_tensor *x, bool keep);

#ifdef __cplusplus
}
#else
/* gm_max_pool2d(x, 3, .stride = 2, .padding = 1) and so on. */
#  define gm_max_pool1d(...) gm__max_pool1d(__VA_ARGS__, .size = sizeof(gm_max_pool1d_args))
#  define gm__max_pool1d(x, k, ...) gm_max_pool1d_with(x, k, &(gm_max_pool1d_args){ __VA_ARGS__ })
#  define gm_max_pool2d(...) gm__max_pool2d(__VA_ARGS__, .size = sizeof(gm_max_pool2d_args))
#  define gm__max_pool2d(x, k, ...) gm_max_pool2d_with(x, k, &(gm_max_pool2d_args){ __VA_ARGS__ })
#  define gm_max_pool3d(...) gm__max_pool3d(__VA_ARGS__, .size = sizeof(gm_max_pool3d_args))
#  define gm__max_pool3d(x, k, ...) gm_max_pool3d_with(x, k, &(gm_max_pool3d_args){ __VA_ARGS__ })
#  define gm_avg_pool1d(...) gm__avg_pool1d(__VA_ARGS__, .size = sizeof(gm_avg_pool1d_args))
#  define gm__avg_pool1d(x, k, ...) gm_avg_pool1d_with(x, k, &(gm_avg_pool1d_args){ __VA_ARGS__ })
#  define gm_avg_pool2d(...) gm__avg_pool2d(__VA_ARGS__, .size = sizeof(gm_avg_pool2d_args))
#  define gm__avg_pool2d(x, k, ...) gm_avg_pool2d_with(x, k, &(gm_avg_pool2d_args){ __VA_ARGS__ })
#  define gm_avg_pool3d(...) gm__avg_pool3d(__VA_ARGS__, .size = sizeof(gm_avg_pool3d_args))
#  define gm__avg_pool3d(x, k, ...) gm_avg_pool3d_with(x, k, &(gm_avg_pool3d_args){ __VA_ARGS__ })
#endif
#endif
