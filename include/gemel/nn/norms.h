/* gemel/nn/norms.h: normalisation layers: x [...] -> the same shape. Formulas: gemel/ops/norm.h.
 *
 * Parameters are weight (ones) and bias (zeros). Statistics that are kept are the buffers running_mean (zeros),
 * running_var (ones) and num_batches_tracked (i64). `eps` is 1e-5 unless given (rms norm: 1e-6). */
#ifndef GEMEL_NN_NORMS_H
#define GEMEL_NN_NORMS_H

#include "../nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In training the batch normalises itself and each running number r becomes r + momentum (new - r), momentum 0.1 unless
 * given, the new variance being the unbiased one; `cumulative`: momentum 1 / the number of batches, a plain average. In
 * evaluation the running ones normalise. `no_affine`: without weight and bias. `no_running`: batch statistics always.
 * SHAPE for a training batch of one value per channel. Ioffe, Szegedy 2015. */
typedef struct {
    size_t size;
    gm_real eps, momentum;
    int32_t cumulative, no_affine, no_running;
    gm_dtype dtype;
} gm_nn_batch_norm_args;
typedef gm_nn_batch_norm_args gm_nn_batch_norm1d_args, gm_nn_batch_norm2d_args, gm_nn_batch_norm3d_args;
/* x [B, channels, ...]; 1d: [B, channels] or [B, channels, W], 2d: [B, channels, H, W], 3d: [B, channels, D, H, W]. */
GM_API gm_module *gm_nn_batch_norm_with(int64_t channels, const gm_nn_batch_norm_args *args);
GM_API gm_module *gm_nn_batch_norm1d_with(int64_t channels, const gm_nn_batch_norm1d_args *args);
GM_API gm_module *gm_nn_batch_norm2d_with(int64_t channels, const gm_nn_batch_norm2d_args *args);
GM_API gm_module *gm_nn_batch_norm3d_with(int64_t channels, const gm_nn_batch_norm3d_args *args);

typedef struct {
    size_t size;
    gm_real eps;
    int32_t no_affine, no_bias;
    gm_dtype dtype;
    int32_t reserved;
} gm_nn_norm_args;
typedef gm_nn_norm_args gm_nn_layer_norm_args, gm_nn_rms_norm_args, gm_nn_group_norm_args;
/* Over the last dimensions, which are `shape`: gm_nn_layer_norm(GM_SHAPE(512)). weight and bias of that shape; rms_norm
 * has no bias. */
GM_API gm_module *gm_nn_layer_norm_with(gm_shape shape, const gm_nn_layer_norm_args *args);
GM_API gm_module *gm_nn_rms_norm_with(gm_shape shape, const gm_nn_rms_norm_args *args);
/* x [B, channels, ...], per entry and group. VALUE unless groups divides channels. */
GM_API gm_module *gm_nn_group_norm_with(int32_t groups, int64_t channels, const gm_nn_group_norm_args *args);

/* x [B, channels, ...], per entry and channel; without weight and bias unless `affine`. `running`: keep averages over
 * the batch of the statistics, which normalise in evaluation. */
typedef struct {
    size_t size;
    gm_real eps, momentum;
    int32_t affine, running;
    gm_dtype dtype;
    int32_t reserved;
} gm_nn_instance_norm_args;
GM_API gm_module *gm_nn_instance_norm_with(int64_t channels, const gm_nn_instance_norm_args *args);

#ifdef __cplusplus
}
#else
#  define gm_nn_batch_norm(...) gm__nn_batch_norm(__VA_ARGS__, .size = sizeof(gm_nn_batch_norm_args))
#  define gm__nn_batch_norm(channels, ...) gm_nn_batch_norm_with(channels, &(gm_nn_batch_norm_args){ __VA_ARGS__ })
#  define gm_nn_batch_norm1d(...) gm__nn_batch_norm1d(__VA_ARGS__, .size = sizeof(gm_nn_batch_norm1d_args))
#  define gm__nn_batch_norm1d(channels, ...)                                                                           \
      gm_nn_batch_norm1d_with(channels, &(gm_nn_batch_norm1d_args){ __VA_ARGS__ })
#  define gm_nn_batch_norm2d(...) gm__nn_batch_norm2d(__VA_ARGS__, .size = sizeof(gm_nn_batch_norm2d_args))
#  define gm__nn_batch_norm2d(channels, ...)                                                                           \
      gm_nn_batch_norm2d_with(channels, &(gm_nn_batch_norm2d_args){ __VA_ARGS__ })
#  define gm_nn_batch_norm3d(...) gm__nn_batch_norm3d(__VA_ARGS__, .size = sizeof(gm_nn_batch_norm3d_args))
#  define gm__nn_batch_norm3d(channels, ...)                                                                           \
      gm_nn_batch_norm3d_with(channels, &(gm_nn_batch_norm3d_args){ __VA_ARGS__ })
#  define gm_nn_layer_norm(...) gm__nn_layer_norm(__VA_ARGS__, .size = sizeof(gm_nn_layer_norm_args))
#  define gm__nn_layer_norm(shape, ...) gm_nn_layer_norm_with(shape, &(gm_nn_layer_norm_args){ __VA_ARGS__ })
#  define gm_nn_rms_norm(...) gm__nn_rms_norm(__VA_ARGS__, .size = sizeof(gm_nn_rms_norm_args))
#  define gm__nn_rms_norm(shape, ...) gm_nn_rms_norm_with(shape, &(gm_nn_rms_norm_args){ __VA_ARGS__ })
#  define gm_nn_group_norm(...) gm__nn_group_norm(__VA_ARGS__, .size = sizeof(gm_nn_group_norm_args))
#  define gm__nn_group_norm(groups, channels, ...)                                                                     \
      gm_nn_group_norm_with(groups, channels, &(gm_nn_group_norm_args){ __VA_ARGS__ })
#  define gm_nn_instance_norm(...) gm__nn_instance_norm(__VA_ARGS__, .size = sizeof(gm_nn_instance_norm_args))
#  define gm__nn_instance_norm(channels, ...)                                                                          \
      gm_nn_instance_norm_with(channels, &(gm_nn_instance_norm_args){ __VA_ARGS__ })
#endif
#endif
