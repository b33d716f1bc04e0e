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

/* Turned to the left about the middle; what comes from outside of the picture is 0. Bilinear or nearest. */
GM_API gm_tensor *gm_image_rotate(gm_tensor *image, double degrees, gm_filter filter);
GM_API gm_tensor *gm_image_random_rotate(gm_tensor *image, double low, double high, gm_filter filter, gm_dice *dice);

/* ---- Colours: pictures of one channel or three ------------------------------------------------------------------- */

/* Between black, or gray as bright as the picture's mean, or the picture without colours (factor 0), and the picture
 * (1), or beyond. */
GM_API gm_tensor *gm_image_brightness(gm_tensor *image, double factor);
GM_API gm_tensor *gm_image_contrast(gm_tensor *image, double factor);
GM_API gm_tensor *gm_image_saturation(gm_tensor *image, double factor);
/* Hues moved along their circle by `shift` of it, -0.5 to 0.5. */
GM_API gm_tensor *gm_image_hue(gm_tensor *image, double shift);
/* One channel: ITU-R 601 luma. */
GM_API gm_tensor *gm_image_grayscale(gm_tensor *image);

/* How far each may go: factors are uniform in [max(0, 1 - x), 1 + x], the shift of the hue in [-x, x]. Default 0. */
typedef struct { size_t size; double brightness, contrast, saturation, hue; } gm_image_color_jitter_args;
/* The four of them in random order. */
GM_API gm_tensor *gm_image_color_jitter_with(gm_tensor *image, gm_dice *dice, const gm_image_color_jitter_args *args);

/* ---- Values ------------------------------------------------------------------------------------------------------ */

/* f32 [C, H, W]; u8 is divided by 255. */
GM_API gm_tensor *gm_image_to_tensor(gm_tensor *image);
/* As gm_image_to_tensor, then (x - mean[c]) / std[c]: f32 [C, H, W]. n is C, or 1 for all channels alike. */
GM_API gm_tensor *gm_image_normalize(gm_tensor *image, const double *mean, const double *std, int n);

/* ---- Parts, and two pictures in one ------------------------------------------------------------------------------ */

/* The part of the rectangle at (top, left) that lies in the picture becomes `value`. */
GM_API gm_tensor *gm_image_erase(gm_tensor *image, int64_t top, int64_t left, int64_t height, int64_t width,
                                 double value);
typedef struct {
    size_t size;
    gm_real p;                    /* with this probability; default 0.5 */
    double area_low, area_high;   /* part of the picture's area; default 0.02 to 0.33 */
    double ratio_low, ratio_high; /* height / width, uniform in its logarithm; default 0.3 to 3.3 */
    double value;
} gm_image_random_erasing_args;
/* A rectangle of random place, area and shape erased (Zhong et al. 2020); nothing if ten do not fit. */
GM_API gm_tensor *gm_image_random_erasing_with(gm_tensor *image, gm_dice *dice,
                                               const gm_image_random_erasing_args *args);

/* For gm_dataset_map after gm_dataset_batch: a batch { "x": [B, ...], "y": i64 [B] } mixed with itself, moved on by one
 * example; y becomes f32 [B, classes], the parts of each class, which gm_cross_entropy takes. Other entries stay. The
 * share of an example's own is drawn from Beta(alpha, alpha), once for the batch. Errors: DTYPE, SHAPE, INDEX (a label
 * that is none of the classes), VALUE.
 * Mixup (Zhang et al. 2018): x, a float, is share * x + (1 - share) * other. */
GM_API gm_pack *gm_mixup(gm_pack *batch, int64_t classes, double alpha, gm_dice *dice);
/* CutMix (Yun et al. 2019): a rectangle of the other picture in x [B, C, H, W], of any dtype, about a random place. */
GM_API gm_pack *gm_cutmix(gm_pack *batch, int64_t classes, double alpha, gm_dice *dice);

#ifdef __cplusplus
}
#else
#  define gm_image_random_resized_crop(...)                                                                            \
      gm__image_random_resized_crop(__VA_ARGS__, .size = sizeof(gm_image_random_resized_crop_args))
#  define gm__image_random_resized_crop(image, height, width, dice, ...)                                               \
      gm_image_random_resized_crop_with(image, height, width, dice, &(gm_image_random_resized_crop_args){ __VA_ARGS__ })
#  define gm_image_color_jitter(...) gm__image_color_jitter(__VA_ARGS__, .size = sizeof(gm_image_color_jitter_args))
#  define gm__image_color_jitter(image, dice, ...)                                                                     \
      gm_image_color_jitter_with(image, dice, &(gm_image_color_jitter_args){ __VA_ARGS__ })
#  define gm_image_random_erasing(...)                                                                                 \
      gm__image_random_erasing(__VA_ARGS__, .size = sizeof(gm_image_random_erasing_args))
#  define gm__image_random_erasing(image, dice, ...)                                                                   \
      gm_image_random_erasing_with(image, dice, &(gm_image_random_erasing_args){ __VA_ARGS__ })
#endif
#endif
