/* gemel/zoo.h: known nets, by function and by name. Parameters are called as in torchvision (resnets) and
 * timm (vits). */
#ifndef GEMEL_ZOO_H
#define GEMEL_ZOO_H

#include "nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- by name ----------------------------------------------------------------------------------------------------- */

/* A new net for examples of shape `input` (images [C, H, W]), without the batch, and logits [B, classes]: "mlp" (any
 * shape), "lenet", "resnet18", "resnet50" (the small form for sides below 64), "vit_tiny" (patches of 4 for sides below
 * 64, of 8 below 128, else of 16; what is left at the edges is not seen), "lstm" (images row by row, [T, F] step by
 * step, [T] as numbers). VALUE for a name that is none and for inputs that the net cannot take. */
GM_API gm_module *gm_zoo_new(const char *name, gm_shape input, int64_t classes);
/* The names, and a line on each; NULL past the last. */
GM_API const char *gm_zoo_name(int index);
GM_API const char *gm_zoo_about(int index);
/* The side of the pictures that the net is usually given: 224, 32 for the small ones; 0 past the last. */
GM_API int32_t gm_zoo_side(int index);

/* ---- residual nets ----------------------------------------------------------------------------------------------- */

/* Defaults: classes 1000, channels 3, width 64 (of the first stage). `small`: the form for images of about 32 x 32: a
 * first convolution of 3 x 3 without stride, and no pooling behind it. */
typedef struct { size_t size; int64_t classes, channels, width; int32_t small, reserved; } gm_resnet_args;
/* x [B, channels, H, W] -> [B, classes]. He, Zhang, Ren, Sun 2016; the stride of the deeper ones is at the 3 x 3. */
GM_API gm_module *gm_resnet18_with(const gm_resnet_args *args);
GM_API gm_module *gm_resnet34_with(const gm_resnet_args *args);
GM_API gm_module *gm_resnet50_with(const gm_resnet_args *args);
GM_API gm_module *gm_resnet101_with(const gm_resnet_args *args);
GM_API gm_module *gm_resnet152_with(const gm_resnet_args *args);

/* ---- vision transformers ----------------------------------------------------------------------------------------- */

/* Defaults: classes 1000, channels 3, height and width 224, patch 16, depth 12 blocks. */
typedef struct { size_t size; int64_t classes, channels, height, width; int32_t patch, depth; } gm_vit_args;
/* x [B, channels, height, width] -> [B, classes]: tokens of 192 (3 heads), 384 (6) or 768 (12) numbers. VALUE unless
 * the patches fit the picture. Dosovitskiy et al. 2021. */
GM_API gm_module *gm_vit_tiny_with(const gm_vit_args *args);
GM_API gm_module *gm_vit_small_with(const gm_vit_args *args);
GM_API gm_module *gm_vit_base_with(const gm_vit_args *args);

/* ---- sequences --------------------------------------------------------------------------------------------------- */

/* One of `features` (numbers in a step) and `vocabulary` (steps are ids below it), and classes, are needed. Defaults:
 * hidden 128, layers 2, embedding 64 numbers for an id. `dropout`: between layers. */
typedef struct {
    size_t size;
    int64_t features, vocabulary, classes, hidden, embedding;
    double dropout;
    int32_t layers, bidirectional;
} gm_lstm_classifier_args;
/* The class of a sequence, from the LSTM's last state: x [B, T, features], or [B, T] of one feature, or images
 * [B, C, H, W] read row by row, features = C W; with a vocabulary integers [B, T] -> [B, classes]. gm_apply: { x,
 * lengths } -> { y }; lengths or x_length [B] as in gm_nn_lstm. Children: embedding (with a vocabulary), lstm, fc. */
GM_API gm_module *gm_lstm_classifier_with(const gm_lstm_classifier_args *args);

#ifdef __cplusplus
}
#else
#  define gm_resnet18(...) gm_resnet18_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#  define gm_resnet34(...) gm_resnet34_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#  define gm_resnet50(...) gm_resnet50_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#  define gm_resnet101(...) gm_resnet101_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#  define gm_vit_tiny(...) gm_vit_tiny_with(&(gm_vit_args){ .size = sizeof(gm_vit_args), __VA_ARGS__ })
#  define gm_vit_small(...) gm_vit_small_with(&(gm_vit_args){ .size = sizeof(gm_vit_args), __VA_ARGS__ })
#  define gm_vit_base(...) gm_vit_base_with(&(gm_vit_args){ .size = sizeof(gm_vit_args), __VA_ARGS__ })
#  define gm_lstm_classifier(...)                                                                                      \
      gm_lstm_classifier_with(&(gm_lstm_classifier_args){ .size = sizeof(gm_lstm_classifier_args), __VA_ARGS__ })
#  define gm_resnet152(...) gm_resnet152_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#endif
#endif
