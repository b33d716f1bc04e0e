/* gemel/nn/layers.h: linear, convolution, pooling, upsampling, dropout, reshaping; modules in a row.
 *
 * Parameters have PyTorch's names and initialisers. Where an option is one number for all spatial dimensions, the array
 * beside it has one per dimension, in the order of the shape; it is used where any of its entries is not zero. */
#ifndef GEMEL_NN_LAYERS_H
#define GEMEL_NN_LAYERS_H

#include "../nn.h"
#include "../ops/resize.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One after the other; children "0", "1" ... The list ends with GM_END; gm_sequential(a, b, c) adds it.
 * gm_child appends more, under names of one's own. */
GM_API gm_module *gm_sequential_list(gm_module *const *modules);

/* ---- linear ---- */

/* x [..., in] -> x weight' + bias [..., out]. weight [out, in], bias [out], both uniform in 1 / sqrt(in) of 0. */
typedef struct { size_t size; int32_t no_bias; gm_dtype dtype; } gm_nn_linear_args;
GM_API gm_module *gm_nn_linear_with(int64_t in, int64_t out, const gm_nn_linear_args *args);

/* ---- convolution ---- */

/* Defaults: kernel 3, stride 1, padding 0, dilation 1, groups 1, f32. `same`: padding that keeps the size at
 * stride 1. */
typedef struct {
    size_t size;
    int32_t kernel, stride, padding, groups, no_bias;
    gm_dtype dtype;
    int32_t dilation, same;
    int32_t kernels[3], strides[3], paddings[3], dilations[3];
} gm_nn_conv_args;
typedef gm_nn_conv_args gm_nn_conv1d_args, gm_nn_conv2d_args, gm_nn_conv3d_args;
/* x [B, in, W] -> [B, out, W']. weight [out, in / groups, k], bias [out], both uniform in 1 / sqrt(fan in) of 0. */
GM_API gm_module *gm_nn_conv1d_with(int64_t in, int64_t out, const gm_nn_conv1d_args *args);
/* x [B, in, H, W] -> [B, out, H', W']. weight [out, in / groups, kH, kW]. */
GM_API gm_module *gm_nn_conv2d_with(int64_t in, int64_t out, const gm_nn_conv2d_args *args);
/* x [B, in, D, H, W] -> [B, out, D', H', W']. weight [out, in / groups, kD, kH, kW]. */
GM_API gm_module *gm_nn_conv3d_with(int64_t in, int64_t out, const gm_nn_conv3d_args *args);

/* As above, without `same`; output_padding: rows and columns added behind. */
typedef struct {
    size_t size;
    int32_t kernel, stride, padding, groups, no_bias;
    gm_dtype dtype;
    int32_t dilation, output_padding;
    int32_t kernels[3], strides[3], paddings[3], dilations[3], output_paddings[3];
    int32_t reserved;
} gm_nn_conv_transpose_args;
typedef gm_nn_conv_transpose_args gm_nn_conv_transpose1d_args, gm_nn_conv_transpose2d_args, gm_nn_conv_transpose3d_args;
/* x [B, in, W] -> [B, out, (W - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1].
 * weight [in, out / groups, k], bias [out]. */
GM_API gm_module *gm_nn_conv_transpose1d_with(int64_t in, int64_t out, const gm_nn_conv_transpose1d_args *args);
GM_API gm_module *gm_nn_conv_transpose2d_with(int64_t in, int64_t out, const gm_nn_conv_transpose2d_args *args);
GM_API gm_module *gm_nn_conv_transpose3d_with(int64_t in, int64_t out, const gm_nn_conv_transpose3d_args *args);

/* ---- pooling ---- */

/* Windows of `kernel` (0: .kernels). Defaults: stride = kernel, padding 0, dilation 1. */
typedef struct {
    size_t size;
    int32_t stride, padding, dilation, ceil_mode;
    int32_t kernels[3], strides[3], paddings[3], dilations[3];
} gm_nn_max_pool_args;
typedef gm_nn_max_pool_args gm_nn_max_pool1d_args, gm_nn_max_pool2d_args, gm_nn_max_pool3d_args;
/* The largest of each window: x [B, C, W] -> [B, C, W']; [B, C, H, W]; [B, C, D, H, W]. */
GM_API gm_module *gm_nn_max_pool1d_with(int32_t kernel, const gm_nn_max_pool1d_args *args);
GM_API gm_module *gm_nn_max_pool2d_with(int32_t kernel, const gm_nn_max_pool2d_args *args);
GM_API gm_module *gm_nn_max_pool3d_with(int32_t kernel, const gm_nn_max_pool3d_args *args);

/* `exclude_padding`: padding is not counted; `divisor`: instead of the count. */
typedef struct {
    size_t size;
    int32_t stride, padding, ceil_mode, exclude_padding, divisor;
    int32_t kernels[3], strides[3], paddings[3];
} gm_nn_avg_pool_args;
typedef gm_nn_avg_pool_args gm_nn_avg_pool1d_args, gm_nn_avg_pool2d_args, gm_nn_avg_pool3d_args;
/* The average of each window. */
GM_API gm_module *gm_nn_avg_pool1d_with(int32_t kernel, const gm_nn_avg_pool1d_args *args);
GM_API gm_module *gm_nn_avg_pool2d_with(int32_t kernel, const gm_nn_avg_pool2d_args *args);
GM_API gm_module *gm_nn_avg_pool3d_with(int32_t kernel, const gm_nn_avg_pool3d_args *args);

/* To the given size, whatever that of x; 0 keeps it: x [B, C, W] -> [B, C, w] and so on. */
GM_API gm_module *gm_nn_adaptive_avg_pool1d(int64_t w);
GM_API gm_module *gm_nn_adaptive_avg_pool2d(int64_t h, int64_t w);
GM_API gm_module *gm_nn_adaptive_avg_pool3d(int64_t d, int64_t h, int64_t w);
GM_API gm_module *gm_nn_adaptive_max_pool1d(int64_t w);
GM_API gm_module *gm_nn_adaptive_max_pool2d(int64_t h, int64_t w);
GM_API gm_module *gm_nn_adaptive_max_pool3d(int64_t d, int64_t h, int64_t w);
/* Over all spatial dimensions: x [B, C, ...] -> [B, C]. */
GM_API gm_module *gm_nn_global_avg_pool(void);
GM_API gm_module *gm_nn_global_max_pool(void);

/* ---- upsampling ---- */

/* x [B, C, H, W] -> [B, C, h, w] or, with `scale`, [B, C, floor(scale H), floor(scale W)]; [B, C, W] and [B, C, D, H,
 * W] likewise. mode as in gemel/ops/resize.h; PyTorch's default is GM_RESIZE_NEAREST, this one's GM_RESIZE_LINEAR.
 * VALUE unless one of scale and (d, h, w) is given. */
typedef struct {
    size_t size;
    double scale;
    int64_t h, w;
    gm_resize_mode mode;
    int32_t align_corners;
    int64_t d;
} gm_nn_upsample_args;
GM_API gm_module *gm_nn_upsample_with(const gm_nn_upsample_args *args);

/* ---- dropout: in training; evaluation returns x ---- */

/* Zero each element with probability p and scale the others by 1 / (1 - p). p in [0, 1). */
GM_API gm_module *gm_nn_dropout(double p);
/* The same for whole channels: x [B, C, ...] (PyTorch's Dropout1d to 3d). */
GM_API gm_module *gm_nn_dropout_channels(double p);
/* For selu nets: keeps mean and deviation (Klambauer et al. 2017). */
GM_API gm_module *gm_nn_alpha_dropout(double p);

/* ---- shapes ---- */

GM_API gm_module *gm_nn_identity(void);
/* [B, ...] -> [B, the product of the rest]. */
GM_API gm_module *gm_nn_flatten(void);
/* Dimensions first..last as one; negative ones count from the end. */
GM_API gm_module *gm_nn_flatten_dims(int32_t first, int32_t last);
/* Dimension `dim` split into `shape` (one size may be -1). */
GM_API gm_module *gm_nn_unflatten(int32_t dim, gm_shape shape);

#ifdef __cplusplus
}
#else
#  define gm_sequential(...) gm_sequential_list((gm_module *const[]){ __VA_ARGS__, GM_END })
#  define gm_nn_linear(...) gm__nn_linear(__VA_ARGS__, .size = sizeof(gm_nn_linear_args))
#  define gm__nn_linear(in, out, ...) gm_nn_linear_with(in, out, &(gm_nn_linear_args){ __VA_ARGS__ })
#  define gm_nn_conv1d(...) gm__nn_conv1d(__VA_ARGS__, .size = sizeof(gm_nn_conv1d_args))
#  define gm__nn_conv1d(in, out, ...) gm_nn_conv1d_with(in, out, &(gm_nn_conv1d_args){ __VA_ARGS__ })
#  define gm_nn_conv2d(...) gm__nn_conv2d(__VA_ARGS__, .size = sizeof(gm_nn_conv2d_args))
#  define gm__nn_conv2d(in, out, ...) gm_nn_conv2d_with(in, out, &(gm_nn_conv2d_args){ __VA_ARGS__ })
#  define gm_nn_conv3d(...) gm__nn_conv3d(__VA_ARGS__, .size = sizeof(gm_nn_conv3d_args))
#  define gm__nn_conv3d(in, out, ...) gm_nn_conv3d_with(in, out, &(gm_nn_conv3d_args){ __VA_ARGS__ })
#  define gm_nn_conv_transpose1d(...) gm__nn_conv_transpose1d(__VA_ARGS__, .size = sizeof(gm_nn_conv_transpose1d_args))
#  define gm__nn_conv_transpose1d(in, out, ...)                                                                        \
      gm_nn_conv_transpose1d_with(in, out, &(gm_nn_conv_transpose1d_args){ __VA_ARGS__ })
#  define gm_nn_conv_transpose2d(...) gm__nn_conv_transpose2d(__VA_ARGS__, .size = sizeof(gm_nn_conv_transpose2d_args))
#  define gm__nn_conv_transpose2d(in, out, ...)                                                                        \
      gm_nn_conv_transpose2d_with(in, out, &(gm_nn_conv_transpose2d_args){ __VA_ARGS__ })
#  define gm_nn_conv_transpose3d(...) gm__nn_conv_transpose3d(__VA_ARGS__, .size = sizeof(gm_nn_conv_transpose3d_args))
#  define gm__nn_conv_transpose3d(in, out, ...)                                                                        \
      gm_nn_conv_transpose3d_with(in, out, &(gm_nn_conv_transpose3d_args){ __VA_ARGS__ })
#  define gm_nn_max_pool1d(...) gm__nn_max_pool1d(__VA_ARGS__, .size = sizeof(gm_nn_max_pool1d_args))
#  define gm__nn_max_pool1d(k, ...) gm_nn_max_pool1d_with(k, &(gm_nn_max_pool1d_args){ __VA_ARGS__ })
#  define gm_nn_max_pool2d(...) gm__nn_max_pool2d(__VA_ARGS__, .size = sizeof(gm_nn_max_pool2d_args))
#  define gm__nn_max_pool2d(k, ...) gm_nn_max_pool2d_with(k, &(gm_nn_max_pool2d_args){ __VA_ARGS__ })
#  define gm_nn_max_pool3d(...) gm__nn_max_pool3d(__VA_ARGS__, .size = sizeof(gm_nn_max_pool3d_args))
#  define gm__nn_max_pool3d(k, ...) gm_nn_max_pool3d_with(k, &(gm_nn_max_pool3d_args){ __VA_ARGS__ })
#  define gm_nn_avg_pool1d(...) gm__nn_avg_pool1d(__VA_ARGS__, .size = sizeof(gm_nn_avg_pool1d_args))
#  define gm__nn_avg_pool1d(k, ...) gm_nn_avg_pool1d_with(k, &(gm_nn_avg_pool1d_args){ __VA_ARGS__ })
#  define gm_nn_avg_pool2d(...) gm__nn_avg_pool2d(__VA_ARGS__, .size = sizeof(gm_nn_avg_pool2d_args))
#  define gm__nn_avg_pool2d(k, ...) gm_nn_avg_pool2d_with(k, &(gm_nn_avg_pool2d_args){ __VA_ARGS__ })
#  define gm_nn_avg_pool3d(...) gm__nn_avg_pool3d(__VA_ARGS__, .size = sizeof(gm_nn_avg_pool3d_args))
#  define gm__nn_avg_pool3d(k, ...) gm_nn_avg_pool3d_with(k, &(gm_nn_avg_pool3d_args){ __VA_ARGS__ })
#  define gm_nn_upsample(...)                                                                                          \
      gm_nn_upsample_with(&(gm_nn_upsample_args){ .size = sizeof(gm_nn_upsample_args), __VA_ARGS__ })
#endif
#endif
