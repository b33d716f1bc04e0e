/* gemel/ops/resize.h: pictures in another size.
 *
 * Sampling is separable: rows first, then columns, then slices. Weights are computed in f64 and rounded once; sums are
 * chains of fma. u8 with `antialias` follows Pillow (before 13, which may swap the passes) to the bit: weights of 22
 * binary places, each pass rounded to u8. Nearest takes every dtype. f16 and bf16 are computed in f32 and rounded once.
 * Formulas: docs/numerics/resize.md. */
#ifndef GEMEL_OPS_RESIZE_H
#define GEMEL_OPS_RESIZE_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t gm_resize_mode;
enum { GM_RESIZE_LINEAR = 0, GM_RESIZE_NEAREST = 1, GM_RESIZE_CUBIC = 2 };

/* `align_corners`: the centres of the corner pixels stay where they are, else the borders of the picture do.
 * `antialias`: when made smaller, filters are widened by the ratio, as in Pillow (and cubic uses its a = -0.5, else
 * -0.75). `scale_h`, `scale_w`, `scale_d`: the ratio of new to old size used for positions; 0: that of the sizes. */
typedef struct {
    size_t size;
    gm_resize_mode mode;
    int32_t align_corners, antialias, reserved;
    double scale_h, scale_w, scale_d;
} gm_resize_args;
typedef gm_resize_args gm_resize1d_args, gm_resize2d_args, gm_resize3d_args;

/* x [..., H, W] -> [..., h, w]. */
GM_API gm_tensor *gm_resize2d_with(gm_tensor *x, int64_t h, int64_t w, const gm_resize2d_args *args);
/* x [..., W] -> [..., w]. */
GM_API gm_tensor *gm_resize1d_with(gm_tensor *x, int64_t w, const gm_resize1d_args *args);
/* x [..., D, H, W] -> [..., d, h, w]. */
GM_API gm_tensor *gm_resize3d_with(gm_tensor *x, int64_t d, int64_t h, int64_t w, const gm_resize3d_args *args);
GM_API gm_tensor *gm_resize3d(gm_tensor *x, int64_t d, int64_t h, int64_t w);
GM_API gm_tensor *gm_resize2d(gm_tensor *x, int64_t h, int64_t w);
GM_API gm_tensor *gm_resize1d(gm_tensor *x, int64_t w);

#ifdef __cplusplus
}
#else
#  define gm_resize1d(...) gm__resize1d(__VA_ARGS__, .size = sizeof(gm_resize1d_args))
#  define gm__resize1d(x, w, ...) gm_resize1d_with(x, w, &(gm_resize1d_args){ __VA_ARGS__ })
#  define gm_resize2d(...) gm__resize2d(__VA_ARGS__, .size = sizeof(gm_resize2d_args))
#  define gm__resize2d(x, h, w, ...) gm_resize2d_with(x, h, w, &(gm_resize2d_args){ __VA_ARGS__ })
#  define gm_resize3d(...) gm__resize3d(__VA_ARGS__, .size = sizeof(gm_resize3d_args))
#  define gm__resize3d(x, d, h, w, ...) gm_resize3d_with(x, d, h, w, &(gm_resize3d_args){ __VA_ARGS__ })
#endif
#endif
