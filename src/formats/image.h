/* image.h: the decoders behind gm_read_image: jpeg.c and png_read.c fill in tables. */
#ifndef GM_FORMATS_IMAGE_H
#define GM_FORMATS_IMAGE_H
#include "gemel/extend.h"
#include "gemel/formats.h"

enum { GM__IMAGE_PIXELS = 1 << 28 };

/* A picture being decoded; `op` and `file` are for messages. */
typedef struct {
    const char *op, *file;
    const uint8_t *data;
    size_t n;
    int64_t max_pixels;        /* larger pictures are refused before memory is taken */
    int32_t wanted, min_size;  /* the options */
    int64_t height, width;
    int32_t channels;          /* of the pixels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA */
    gm_tensor *t;              /* u8 [height, width, channels], owned by the scope of gm__image_decode */
    uint8_t *pixels;           /* of t */
} gm__image;

/* Once the decoder knows height, width and channels: checks them and makes t. */
bool gm__image_open(gm__image *im);

/* Decode into im->t. A decoder may return the channels that are wanted or those of the file. */
bool gm__jpeg_decode(gm__image *im);
bool gm__png_decode(gm__image *im);

/* gm_decode_image with its name in messages and a limit. */
gm_tensor *gm__image_decode(const char *op, const char *file, const void *data, size_t n, int64_t max_pixels,
                            const gm_read_image_args *args);

#endif
