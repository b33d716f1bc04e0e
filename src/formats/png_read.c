/* png_read.c: reader of PNG files, through libpng's simplified interface. */
#include "../math/fp.h"
#include "../base/file.h"
#include "gemel/formats.h"

#include <string.h>
#ifdef GM_HAVE_PNG
#  include <png.h>
#endif

#ifdef GM_HAVE_PNG

enum { PNG_READ_MAX_SIDE = 1 << 15 };

/* [H, W, C] as libpng gives it to [C, H, W]. */
static gm_tensor *png_read_planes(const uint8_t *pixels, int64_t h, int64_t w, int32_t channels) {
    gm_tensor *t = gm_empty((gm_shape){ .n = 3, .d = { channels, h, w } }, GM_U8);
    uint8_t *to = t ? gm_mutable_data(t) : NULL;
    for (int64_t c = 0; to && c < channels; c++)
        for (int64_t i = 0; i < h * w; i++) to[c * h * w + i] = pixels[i * channels + c];
    return t;
}

static gm_tensor *png_read_as(png_image *image, const char *path, const gm__file *f, int32_t channels) {
    if (!png_image_begin_read_from_memory(image, f->data, f->bytes))
        return gm_fail(GM_ERROR_FORMAT, "load_png: %s: %s", path, image->message), NULL;
    if (image->width > PNG_READ_MAX_SIDE || image->height > PNG_READ_MAX_SIDE)
        return gm_fail(GM_ERROR_FORMAT, "load_png: %s: %u x %u pixels; at most %d a side", path, image->width, image->height,
                       PNG_READ_MAX_SIDE), NULL;
    image->format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    uint8_t *pixels = gm_alloc(PNG_IMAGE_SIZE(*image));
    if (!pixels) return NULL;
    gm_tensor *t = NULL;
    if (png_image_finish_read(image, &(png_color){ 0, 0, 0 }, pixels, 0, NULL))
        t = png_read_planes(pixels, image->height, image->width, channels);
    else gm_fail(GM_ERROR_FORMAT, "load_png: %s: %s", path, image->message);
    gm_free(pixels);
    return t;
}

gm_tensor *gm_load_png(const char *path, int32_t channels) {
    if (!gm_ok()) return NULL;
    if (!path || (channels != 1 && channels != 3))
        return gm_fail(GM_ERROR_VALUE, "load_png: path %s, %d channels; 1 or 3", path ? path : "NULL", channels), NULL;
    gm__file *f = gm__file_open("load_png", path, false);
    if (!f) return NULL;
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    gm_tensor *t = png_read_as(&image, path, f, channels);
    png_image_free(&image);
    gm__file_release(f);
    return t;
}

#else

gm_tensor *gm_load_png(const char *path, int32_t channels) {
    (void)path, (void)channels;
    return gm_fail(GM_ERROR_UNSUPPORTED, "load_png: this build has no libpng"), NULL;
}

#endif
