/* pixels.c: pictures: layouts, crops, mirrors, and the way into a net. */
#include "../math/fp.h"
#include "pixels.h"
#include "gemel/ops.h"

#include <string.h>

enum { PIXELS_MOST = 1 << 28, PIXELS_MOST_CHANNELS = 4 };

bool gm__pixels_wide(void) {
    const char *isa = gm_isa();
    return !strcmp(isa, "avx2") || !strcmp(isa, "avx512");
}

/* ---- views ---- */

bool gm__pixels_of(gm__pixels *p, const char *op, gm_tensor *image) {
    gm_shape s = gm_shape_of(image);
    gm_dtype dtype = gm_dtype_of(image);
    char text[400];
    if (!gm_ok()) return false;
    if (dtype != GM_U8 && dtype != GM_F32)
        return gm_fail(GM_ERROR_DTYPE, "%s: the picture is %s, u8 or f32 is needed", op, gm_dtype_name(dtype));
    if (s.n < 2 || s.n > 3 || !gm_shape_count(s))
        return gm_fail(GM_ERROR_SHAPE, "%s: %s is no picture: [H, W], [H, W, C] or [C, H, W] is needed", op,
                       gm_shape_text(s, text, sizeof text));
    image = gm_contiguous(image);
    bool inner = s.n == 3 && s.d[2] <= PIXELS_MOST_CHANNELS, outer = s.n == 3 && !inner;
    *p = (gm__pixels){
        .t = image, .data = gm_data(image), .dtype = dtype, .n_dims = s.n, .bytes = dtype == GM_U8 ? 1 : 4
    };
    p->planes = outer ? s.d[0] : 1;
    p->h = s.d[outer], p->w = s.d[outer + 1];
    p->k = inner ? s.d[2] : 1;
    return gm_ok();
}

void *gm__pixels_new(gm__pixels *q, const gm__pixels *p, int64_t height, int64_t width) {
    *q = *p;
    q->h = height, q->w = width;
    gm_shape s = { p->n_dims, { 0 }, { height, width, p->k } };
    if (p->n_dims == 3 && gm_shape_of(p->t).d[2] > PIXELS_MOST_CHANNELS)
        s = (gm_shape){ 3, { 0 }, { p->planes, height, width } };
    q->t = gm_empty(s, p->dtype);
    void *to = q->t ? gm_mutable_data(q->t) : NULL;
    q->data = to;
    return to;
}

static bool pixels_check_size(const char *op, int64_t height, int64_t width) {
    if (height > 0 && width > 0 && height <= PIXELS_MOST / width) return true;
    return gm_fail(GM_ERROR_VALUE, "%s: a picture of %lldx%lld", op, (long long)height, (long long)width);
}

/* ---- crops ---- */

/* Row y of plane c. */
static const char *pixels_row(const gm__pixels *p, int64_t c, int64_t y) {
    return (const char *)p->data + (c * p->h + y) * p->w * p->k * p->bytes;
}

static gm_tensor *pixels_crop(const char *op, const gm__pixels *p, int64_t top, int64_t left, int64_t height,
                              int64_t width) {
    gm__pixels q;
    if (!pixels_check_size(op, height, width)) return NULL;
    char *to = gm__pixels_new(&q, p, height, width);
    int64_t pixel = p->k * p->bytes;
    int64_t begin = left < 0 ? -left : 0, end = p->w - left < width ? p->w - left : width; /* columns that are there */
    if (begin > width) begin = width;
    if (end < begin) end = begin;
    for (int64_t c = 0; to && c < p->planes; c++)
        for (int64_t y = top; y < top + height; y++, to += width * pixel) {
            if (y < 0 || y >= p->h || begin == end) {
                memset(to, 0, (size_t)(width * pixel));
                continue;
            }
            memset(to, 0, (size_t)(begin * pixel));
            memcpy(to + begin * pixel, pixels_row(p, c, y) + (left + begin) * pixel, (size_t)((end - begin) * pixel));
            memset(to + end * pixel, 0, (size_t)((width - end) * pixel));
        }
    return q.t;
}

gm_tensor *gm_image_crop(gm_tensor *image, int64_t top, int64_t left, int64_t height, int64_t width) {
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_crop", image)) return NULL;
    if (top < -PIXELS_MOST || top > PIXELS_MOST || left < -PIXELS_MOST || left > PIXELS_MOST)
        return gm_fail(GM_ERROR_VALUE, "image_crop: at (%lld, %lld)", (long long)top, (long long)left), NULL;
    return gm_return(&s, pixels_crop("image_crop", &p, top, left, height, width));
}

/* Half of what is left over, halves to the even number, as torchvision does. */
static int64_t pixels_middle(int64_t whole, int64_t part) {
    return (int64_t)__builtin_rint((double)(whole - part) / 2);
}

gm_tensor *gm_image_center_crop(gm_tensor *image, int64_t height, int64_t width) {
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_center_crop", image)) return NULL;
    if (!pixels_check_size("image_center_crop", height, width)) return NULL;
    int64_t top = pixels_middle(p.h, height), left = pixels_middle(p.w, width);
    if (height > p.h) top = -((height - p.h) / 2);
    if (width > p.w) left = -((width - p.w) / 2);
    return gm_return(&s, pixels_crop("image_center_crop", &p, top, left, height, width));
}

gm_tensor *gm_image_random_crop(gm_tensor *image, int64_t height, int64_t width, int64_t padding, gm_dice *dice) {
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_random_crop", image)) return NULL;
    if (padding < 0 || padding > PIXELS_MOST)
        return gm_fail(GM_ERROR_VALUE, "image_random_crop: a padding of %lld", (long long)padding), NULL;
    if (height > p.h + 2 * padding || width > p.w + 2 * padding)
        return gm_fail(GM_ERROR_SHAPE,
                       "image_random_crop: %lldx%lld out of a picture of %lldx%lld with a padding of %lld",
                       (long long)height, (long long)width, (long long)p.h, (long long)p.w, (long long)padding),
               NULL;
    int64_t top = gm_dice_below(dice, p.h + 2 * padding - height + 1) - padding;
    int64_t left = gm_dice_below(dice, p.w + 2 * padding - width + 1) - padding;
    return gm_return(&s, gm_ok() ? pixels_crop("image_random_crop", &p, top, left, height, width) : NULL);
}

/* ---- mirrors ---- */

static void pixels_mirror(const char *from, char *to, int64_t w, int64_t pixel) {
    from += w * pixel;
    if (pixel == 1)
        for (int64_t x = 0; x < w; x++) to[x] = *--from;
    else if (pixel == 3)
        for (int64_t x = 0; x < w; x++, to += 3) from -= 3, to[0] = from[0], to[1] = from[1], to[2] = from[2];
    else
        for (int64_t x = 0; x < w; x++, to += pixel) from -= pixel, memcpy(to, from, (size_t)pixel);
}

static gm_tensor *pixels_flip(const char *op, gm_tensor *image, bool horizontal) {
    gm__pixels p, q;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, op, image)) return NULL;
    char *to = gm__pixels_new(&q, &p, p.h, p.w);
    int64_t pixel = p.k * p.bytes;
    for (int64_t c = 0; to && c < p.planes; c++)
        for (int64_t y = 0; y < p.h; y++, to += p.w * pixel)
            if (horizontal) pixels_mirror(pixels_row(&p, c, y), to, p.w, pixel);
            else memcpy(to, pixels_row(&p, c, p.h - 1 - y), (size_t)(p.w * pixel));
    return gm_return(&s, gm_ok() ? q.t : NULL);
}

gm_tensor *gm_image_flip_horizontal(gm_tensor *image) { return pixels_flip("image_flip_horizontal", image, true); }
gm_tensor *gm_image_flip_vertical(gm_tensor *image) { return pixels_flip("image_flip_vertical", image, false); }

gm_tensor *gm_image_random_flip_horizontal(gm_tensor *image, double p, gm_dice *dice) {
    if (!gm_ok()) return NULL;
    return gm_dice_chance(dice, p) ? gm_image_flip_horizontal(image) : image;
}

gm_tensor *gm_image_random_flip_vertical(gm_tensor *image, double p, gm_dice *dice) {
    if (!gm_ok()) return NULL;
    return gm_dice_chance(dice, p) ? gm_image_flip_vertical(image) : image;
}

/* ---- into a net ---- */

/* Of u8 there are 256 values; a table has what becomes of each, with PyTorch's roundings: x / 255, - mean, / std, each
 * in f32. The channels of a pixel are taken apart as they are looked up. */
static void pixels_look_up(const uint8_t *from, int64_t n, int64_t k, const float *table, float *to) {
    for (int64_t i = 0; i < n; i++) to[i] = table[from[i * k]];
}

static void pixels_look_up_3(const uint8_t *from, int64_t n, const float (*table)[256], float *to) {
    float *g = to + n, *b = g + n;
    for (int64_t i = 0; i < n; i++, from += 3)
        to[i] = table[0][from[0]], g[i] = table[1][from[1]], b[i] = table[2][from[2]];
}

typedef struct {
    float mean[PIXELS_MOST_CHANNELS], std[PIXELS_MOST_CHANNELS];
    bool plain;
} pixels_scale;

static void pixels_from_u8(const gm__pixels *p, const pixels_scale *s, float *to) {
    float table[PIXELS_MOST_CHANNELS][256];
    int64_t n = p->h * p->w, channels = gm__pixels_channels(p);
    const uint8_t *from = p->data;
    for (int64_t c = 0; c < channels && c < PIXELS_MOST_CHANNELS; c++)
        for (int i = 0; i < 256; i++) {
            float x = (float)i / 255.0f, low = x - s->mean[c];
            table[c][i] = s->plain ? x : low / s->std[c];
        }
    if (p->k == 3) pixels_look_up_3(from, n, (const float(*)[256])table, to);
    else
        for (int64_t c = 0; c < channels; c++)
            pixels_look_up(p->k > 1 ? from + c : from + c * n, n, p->k, table[c < PIXELS_MOST_CHANNELS ? c : 0],
                           to + c * n);
}

static void pixels_from_f32(const gm__pixels *p, const pixels_scale *s, float *to) {
    int64_t n = p->h * p->w, channels = gm__pixels_channels(p);
    for (int64_t c = 0; c < channels; c++, to += n) {
        const float *from = (const float *)p->data + (p->k > 1 ? c : c * n);
        float mean = s->mean[c < PIXELS_MOST_CHANNELS ? c : 0], std = s->std[c < PIXELS_MOST_CHANNELS ? c : 0];
        for (int64_t i = 0; i < n; i++) {
            float x = from[i * p->k], low = x - mean;
            to[i] = s->plain ? x : low / std;
        }
    }
}

static gm_tensor *pixels_to_tensor(const gm__pixels *p, const pixels_scale *s) {
    gm_tensor *y = gm_empty(GM_SHAPE(gm__pixels_channels(p), p->h, p->w), GM_F32);
    float *to = y ? gm_mutable_data(y) : NULL;
    if (!to) return NULL;
    if (p->dtype == GM_U8) pixels_from_u8(p, s, to);
    else pixels_from_f32(p, s, to);
    return y;
}

gm_tensor *gm_image_to_tensor(gm_tensor *image) {
    gm__pixels p;
    pixels_scale plain = { .plain = true };
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_to_tensor", image)) return NULL;
    return gm_return(&s, pixels_to_tensor(&p, &plain));
}

gm_tensor *gm_image_normalize(gm_tensor *image, const double *mean, const double *std, int n) {
    gm__pixels p;
    pixels_scale scale = { .plain = false };
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_normalize", image)) return NULL;
    int64_t channels = gm__pixels_channels(&p);
    if (!mean || !std || (n != 1 && n != channels) || n > PIXELS_MOST_CHANNELS)
        return gm_fail(GM_ERROR_VALUE, "image_normalize: %d means for %lld channels", n, (long long)channels), NULL;
    for (int c = 0; c < PIXELS_MOST_CHANNELS; c++) {
        int i = n == 1 ? 0 : c < n ? c : n - 1;
        scale.mean[c] = (float)mean[i], scale.std[c] = (float)std[i];
        if (!(std[i] > 0)) return gm_fail(GM_ERROR_VALUE, "image_normalize: std[%d] is %g", i, std[i]), NULL;
    }
    return gm_return(&s, pixels_to_tensor(&p, &scale));
}
