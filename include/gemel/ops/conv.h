/* gemel/ops/conv.h: convolution and transposed convolution in one to three dimensions.
 *
 * Floats only; f16 and bf16 are computed in f32 and rounded once. Order of summation: docs/numerics/conv.md. A
 * channels-last x (gm_channels_last) gives a channels-last result; values do not depend on the layout. x may lack the
 * batch dimension, then the result does too. */
#ifndef GEMEL_OPS_CONV_H
#define GEMEL_OPS_CONV_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Options of a convolution. One number for all spatial dimensions, or one per dimension in the array, in the order of
 * the shape; an array is used where any of its entries is not zero. Defaults: stride 1, padding 0, dilation 1, groups
 * 1. `same`: padding such that stride 1 keeps the size, the odd one behind (as PyTorch and ONNX SAME_UPPER). */
typedef struct {
    size_t size;
    gm_tensor *bias; /* [O] */
    int32_t stride, padding, dilation, groups;
    int32_t strides[3], dilations[3];
    int32_t padding_low[3], padding_high[3]; /* both are used if any entry of either is not zero */
    int32_t same, reserved;
} gm_conv_args;
typedef gm_conv_args gm_conv1d_args, gm_conv2d_args, gm_conv3d_args;

/* x [N, C, W], w [O, C / groups, k] -> [N, O, W'];  W' = floor((W + low + high - dilation (k - 1) - 1) / stride) +
 * 1. */
GM_API gm_tensor *gm_conv1d_with(gm_tensor *x, gm_tensor *w, const gm_conv1d_args *args);
/* x [N, C, H, W], w [O, C / groups, kH, kW] -> [N, O, H', W']. */
GM_API gm_tensor *gm_conv2d_with(gm_tensor *x, gm_tensor *w, const gm_conv2d_args *args);
/* x [N, C, D, H, W], w [O, C / groups, kD, kH, kW] -> [N, O, D', H', W']. */
GM_API gm_tensor *gm_conv3d_with(gm_tensor *x, gm_tensor *w, const gm_conv3d_args *args);
/* With all options at their defaults. */
GM_API gm_tensor *gm_conv1d(gm_tensor *x, gm_tensor *w);
GM_API gm_tensor *gm_conv2d(gm_tensor *x, gm_tensor *w);
GM_API gm_tensor *gm_conv3d(gm_tensor *x, gm_tensor *w);

/* Options of a transposed convolution: those of the convolution that it is the transpose of, and output_padding, rows
 * and columns added behind (0 <= output_padding < stride). */
typedef struct {
    size_t size;
    gm_tensor *bias; /* [O] */
    int32_t stride, padding, dilation, groups;
    int32_t strides[3], dilations[3];
    int32_t padding_low[3], padding_high[3];
    int32_t output_padding, output_paddings[3];
} gm_conv_transpose_args;
typedef gm_conv_transpose_args gm_conv_transpose1d_args, gm_conv_transpose2d_args, gm_conv_transpose3d_args;

/* x [N, C, W], w [C, O / groups, k] -> [N, O, W'];
 * W' = (W - 1) stride - low - high + dilation (k - 1) + output_padding + 1. */
GM_API gm_tensor *gm_conv_transpose1d_with(gm_tensor *x, gm_tensor *w, const gm_conv_transpose1d_args *args);
/* x [N, C, H, W], w [C, O / groups, kH, kW] -> [N, O, H', W']. */
GM_API gm_tensor *gm_conv_transpose2d_with(gm_tensor *x, gm_tensor *w, const gm_conv_transpose2d_args *args);
/* x [N, C, D, H, W], w [C, O / groups, kD, kH, kW] -> [N, O, D', H', W']. */
GM_API gm_tensor *gm_conv_transpose3d_with(gm_tensor *x, gm_tensor *w, const gm_conv_transpose3d_args *args);
GM_API gm_tensor *gm_conv_transpose1d(gm_tensor *x, gm_tensor *w);
GM_API gm_tensor *gm_conv_transpose2d(gm_tensor *x, gm_tensor *w);
GM_API gm_tensor *gm_conv_transpose3d(gm_tensor *x, gm_tensor *w);

#ifdef __cplusplus
}
#else
/* gm_conv2d(x, w, .bias = b, .stride = 2, .padding = 1) and so on. */
#  define gm_conv1d(...) gm__conv1d(__VA_ARGS__, .size = sizeof(gm_conv1d_args))
#  define gm__conv1d(x, w, ...) gm_conv1d_with(x, w, &(gm_conv1d_args){ __VA_ARGS__ })
#  define gm_conv2d(...) gm__conv2d(__VA_ARGS__, .size = sizeof(gm_conv2d_args))
#  define gm__conv2d(x, w, ...) gm_conv2d_with(x, w, &(gm_conv2d_args){ __VA_ARGS__ })
#  define gm_conv3d(...) gm__conv3d(__VA_ARGS__, .size = sizeof(gm_conv3d_args))
#  define gm__conv3d(x, w, ...) gm_conv3d_with(x, w, &(gm_conv3d_args){ __VA_ARGS__ })
#  define gm_conv_transpose1d(...) gm__conv_transpose1d(__VA_ARGS__, .size = sizeof(gm_conv_transpose1d_args))
#  define gm__conv_transpose1d(x, w, ...) gm_conv_transpose1d_with(x, w, &(gm_conv_transpose1d_args){ __VA_ARGS__ })
#  define gm_conv_transpose2d(...) gm__conv_transpose2d(__VA_ARGS__, .size = sizeof(gm_conv_transpose2d_args))
#  define gm__conv_transpose2d(x, w, ...) gm_conv_transpose2d_with(x, w, &(gm_conv_transpose2d_args){ __VA_ARGS__ })
#  define gm_conv_transpose3d(...) gm__conv_transpose3d(__VA_ARGS__, .size = sizeof(gm_conv_transpose3d_args))
#  define gm__conv_transpose3d(x, w, ...) gm_conv_transpose3d_with(x, w, &(gm_conv_transpose3d_args){ __VA_ARGS__ })
#endif
#endif
