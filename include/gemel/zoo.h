/* gemel/zoo.h: known nets, by function and by name. Parameters are called as in torchvision (resnets) and
 * timm (vits). */
#ifndef GEMEL_ZOO_H
#define GEMEL_ZOO_H

#include "nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- by name ----------------------------------------------------------------------------------------------------- */

/* A new net for examples of shape `input` (images [C, H, W]), without the batch, and logits [B, classes]. VALUE for a
 * name that is none and for inputs that the net cannot take. */
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

#ifdef __cplusplus
}
#else
#  define gm_resnet18(...) gm_resnet18_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#  define gm_resnet34(...) gm_resnet34_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#  define gm_resnet50(...) gm_resnet50_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#  define gm_resnet101(...) gm_resnet101_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#  define gm_resnet152(...) gm_resnet152_with(&(gm_resnet_args){ .size = sizeof(gm_resnet_args), __VA_ARGS__ })
#endif
#endif
