/* gemel/data/image.h: transforms of pictures.
 *
 * A picture is a tensor of u8 (0..255) or f32 (0..1): [H, W], or [H, W, C] as decoders give it, or [C, H, W] as nets
 * take it. With three dimensions it is [H, W, C] if its last size is at most 4, else [C, H, W]. Results have the
 * argument's dtype and layout unless their line says otherwise. u8 results are Pillow's, to the bit, where Pillow has
 * the transform. Random transforms draw from the dice of the element (gemel/data/pipeline.h).
 *
 * Errors: DTYPE (neither u8 nor f32: cast it), SHAPE (no picture, an empty one), VALUE (sizes, ranges). */
#ifndef GEMEL_DATA_IMAGE_H
#define GEMEL_DATA_IMAGE_H

#include "dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Sizes ------------------------------------------------------------------------------------------------------- */

/* Where a new pixel comes from. Bilinear and bicubic (a = -0.5) take in all pixels under a smaller picture's
 * (antialiased). */
typedef int32_t gm_filter;
enum { GM_BILINEAR = 0, GM_BICUBIC = 1, GM_NEAREST = 2 };
/* To height x width. */
GM_API gm_tensor *gm_image_resize(gm_tensor *image, int64_t height, int64_t width, gm_filter filter);
/* So that the shorter side is `size`, the longer one in proportion, rounded down. */
GM_API gm_tensor *gm_image_resize_shorter(gm_tensor *image, int64_t size, gm_filter filter);
/* Resized, in proportion, until it just covers height x width, and the middle of that. */
GM_API gm_tensor *gm_image_cover(gm_tensor *image, int64_t height, int64_t width, gm_filter filter);
/* The rectangle at (top, left), 0 where it is outside of the picture. */
GM_API gm_tensor *gm_image_crop(gm_tensor *image, int64_t top, int64_t left, int64_t height, int64_t width);
GM_API gm_tensor *gm_image_center_crop(gm_tensor *image, int64_t height, int64_t width);
/* A rectangle anywhere in the picture after `padding` zeros were put on each side. SHAPE error if it does not fit. */
GM_API gm_tensor *gm_image_random_crop(gm_tensor *image, int64_t height, int64_t width, int64_t padding, gm_dice *dice);

typedef struct {
    size_t size;
    double area_low, area_high;   /* part of the picture's area; default 0.08 to 1 */
    double ratio_low, ratio_high; /* width / height, uniform in its logarithm; default 3/4 to 4/3 */
    gm_filter filter;
    int32_t reserved;
} gm_image_random_resized_crop_args;
/* A rectangle of random area and shape, resized to height x width (Szegedy et al. 2015). If ten do not fit, the largest
 * one in the middle of a possible shape. */
GM_API gm_tensor *gm_image_random_resized_crop_with(gm_tensor *image, int64_t height, int64_t width, gm_dice *dice,
                                                    const gm_image_random_resized_crop_args *args);

/* ---- Directions -------------------------------------------------------------------------------------------------- */

/* Left and right, top and bottom exchanged. */
GM_API gm_tensor *gm_image_flip_horizontal(gm_tensor *image);
GM_API gm_tensor *gm_image_flip_vertical(gm_tensor *image);
/* The same with probability p. */
GM_API gm_tensor *gm_image_random_flip_horizontal(gm_tensor *image, double p, gm_dice *dice);
GM_API gm_tensor *gm_image_random_flip_vertical(gm_tensor *image, double p, gm_dice *dice);

/* ---- Values ------------------------------------------------------------------------------------------------------ */

/* f32 [C, H, W]; u8 is divided by 255. */
GM_API gm_tensor *gm_image_to_tensor(gm_tensor *image);
/* As gm_image_to_tensor, then (x - mean[c]) / std[c]: f32 [C, H, W]. n is C, or 1 for all channels alike. */
GM_API gm_tensor *gm_image_normalize(gm_tensor *image, const double *mean, const double *std, int n);

#ifdef __cplusplus
}
#else
#  define gm_image_random_resized_crop(...)                                                                            \
      gm__image_random_resized_crop(__VA_ARGS__, .size = sizeof(gm_image_random_resized_crop_args))
#  define gm__image_random_resized_crop(image, height, width, dice, ...)                                               \
      gm_image_random_resized_crop_with(image, height, width, dice, &(gm_image_random_resized_crop_args){ __VA_ARGS__ })
#endif
#endif
