/* image.c: pictures from files: what kind a file is, the channels that are asked for. */
#include "../math/fp.h"
#include "image.h"
#include "../base/args.h"
#include "../base/file.h"

#include <stdio.h>
#include <string.h>

bool gm__image_open(gm__image *im) {
    if (im->height < 1 || im->width < 1)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: a picture of %lldx%lld pixels", im->op, im->file, (long long)im->width,
                       (long long)im->height);
    if (im->width > im->max_pixels / im->height)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: %lldx%lld pixels, at most %lld are read", im->op, im->file,
                       (long long)im->width, (long long)im->height, (long long)im->max_pixels);
    gm_shape shape = { 3, { 0 }, { im->height, im->width, im->channels } };
    im->t = gm_empty(shape, GM_U8);
    im->pixels = im->t ? gm_mutable_data(im->t) : NULL;
    return im->pixels != NULL;
}

/* ---- channels ---- */

/* ITU-R 601 luma in 16 bits, as JPEG has it. */
static uint8_t image_luma(const uint8_t *p) {
    return (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 32768u) >> 16);
}

static void image_convert(const uint8_t *from, int a, uint8_t *to, int b, int64_t n) {
    for (int64_t i = 0; i < n; i++, from += a, to += b) {
        if (b <= 2) to[0] = a <= 2 ? from[0] : image_luma(from);
        else
            for (int c = 0; c < 3; c++) to[c] = a <= 2 ? from[0] : from[c];
        if (b == 4) to[3] = a == 2 ? from[1] : a == 4 ? from[3] : 255;
    }
}

static gm_tensor *image_with_channels(gm__image *im) {
    if (!im->wanted || im->wanted == im->channels) return im->t;
    gm_shape shape = { 3, { 0 }, { im->height, im->width, im->wanted } };
    gm_tensor *t = gm_empty(shape, GM_U8);
    uint8_t *pixels = t ? gm_mutable_data(t) : NULL;
    if (!pixels) return NULL;
    image_convert(im->pixels, im->channels, pixels, im->wanted, im->height * im->width);
    return t;
}

/* ---- kinds ---- */

static bool image_starts(const gm__image *im, const char *magic, size_t n) {
    return im->n >= n && !memcmp(im->data, magic, n);
}

static bool image_unknown(const gm__image *im) {
    char bytes[16] = "";
    if (!im->n) return gm_fail(GM_ERROR_FORMAT, "%s: %s: the file is empty", im->op, im->file);
    for (size_t i = 0; i < 4 && i < im->n; i++) snprintf(bytes + 3 * i, 5, " %02x", im->data[i]);
    return gm_fail(GM_ERROR_FORMAT, "%s: %s: neither JPEG nor PNG: it begins with%s", im->op, im->file, bytes);
}

static bool image_decode_any(gm__image *im) {
    if (image_starts(im, "\xff\xd8\xff", 3)) return gm__jpeg_decode(im);
    if (image_starts(im, "\x89PNG", 4)) return gm__png_decode(im);
    return image_unknown(im);
}

static bool image_take_args(gm__image *im, const gm_read_image_args *args) {
    gm_read_image_args a;
    if (!gm__args_take(im->op, &a, sizeof a, args)) return false;
    if (a.channels < 0 || a.channels == 2 || a.channels > 4)
        return gm_fail(GM_ERROR_VALUE, "%s: channels is %d, 1, 3, 4 or 0 (as the file has) are possible", im->op,
                       a.channels);
    if (a.min_size < 0) return gm_fail(GM_ERROR_VALUE, "%s: min_size is %d", im->op, a.min_size);
    im->wanted = a.channels;
    im->min_size = a.min_size;
    return true;
}

gm_tensor *gm__image_decode(const char *op, const char *file, const void *data, size_t n, int64_t max_pixels,
                            const gm_read_image_args *args) {
    gm__image im = { .op = op, .file = file, .data = data, .n = n, .max_pixels = max_pixels };
    if (!gm_ok() || !image_take_args(&im, args)) return NULL;
    GM_SCOPE(s);
    return image_decode_any(&im) ? gm_return(&s, image_with_channels(&im)) : NULL;
}

gm_tensor *gm_decode_image_with(const void *data, size_t bytes, const gm_read_image_args *args) {
    return gm__image_decode("decode_image", "memory", data, data ? bytes : 0, GM__IMAGE_PIXELS, args);
}

gm_tensor *gm_read_image_with(const char *path, const gm_read_image_args *args) {
    gm__file *f = gm__file_open("read_image", path, false);
    if (!f) return NULL;
    gm_tensor *t = gm__image_decode("read_image", path, f->data, f->bytes, GM__IMAGE_PIXELS, args);
    gm__file_release(f);
    return t;
}

/* [H, W, C] to [C, H, W]. */
static gm_tensor *image_planes(gm_tensor *t) {
    gm_shape from = gm_shape_of(t), to = { 3, { 0 }, { from.d[2], from.d[0], from.d[1] } };
    gm_tensor *planes = gm_empty(to, GM_U8);
    const uint8_t *pixels = gm_data(t);
    uint8_t *at = planes ? gm_mutable_data(planes) : NULL;
    int64_t n = from.d[0] * from.d[1], channels = from.d[2];
    for (int64_t c = 0; at && pixels && c < channels; c++)
        for (int64_t i = 0; i < n; i++) *at++ = pixels[i * channels + c];
    return planes;
}

gm_tensor *gm_load_png(const char *path, int32_t channels) {
    if (!gm_ok()) return NULL;
    if (channels != 1 && channels != 3)
        return gm_fail(GM_ERROR_VALUE, "load_png: %d channels; 1 or 3", channels), NULL;
    GM_SCOPE(s);
    gm_tensor *t = gm_read_image(path, .channels = channels);
    return t ? gm_return(&s, image_planes(t)) : NULL;
}

/* ---- writing ---- */

bool gm_write_png(const char *path, gm_tensor *image) {
    gm_shape shape = gm_shape_of(image);
    if (!gm_ok()) return false;
    char text[400];
    if (gm_dtype_of(image) != GM_U8)
        return gm_fail(GM_ERROR_DTYPE, "write_png: the image is %s, u8 is needed", gm_dtype_name(gm_dtype_of(image)));
    if (shape.n != 2 && shape.n != 3)
        return gm_fail(GM_ERROR_SHAPE, "write_png: the image is %s, [H, W] or [H, W, C] is needed",
                       gm_shape_text(shape, text, sizeof text));
    size_t bytes = (size_t)gm_shape_count(shape);
    uint8_t *copy = gm_alloc(bytes);
    bool ok = copy && gm_read(image, GM_U8, copy, bytes) &&
              gm_png_write(path, copy, shape.d[0], shape.d[1], shape.n == 3 ? shape.d[2] : 1);
    gm_free(copy);
    return ok;
}
