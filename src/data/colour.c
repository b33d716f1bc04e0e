/* colour.c: brightness, contrast, saturation and hue.
 *
 * u8 pictures come out as from Pillow (Blend.c, Convert.c) through torchvision, to the bit; f32 ones as from
 * torchvision's functions of tensors, but for the order in which the mean of a picture is added up. */
#include "../math/fp.h"
#include "../base/args.h"
#include "pixels.h"
#include "gemel/ops.h"

#include <string.h>

/* ---- values of pixels ---- */

/* Where the value of channel c of pixel i is. */
static int64_t colour_at(const gm__pixels *p, int64_t c, int64_t i) {
    return p->k > 1 ? i * p->k + c : c * p->h * p->w + i;
}

static uint8_t colour_luma_u8(const gm__pixels *p, int64_t i) {
    const uint8_t *v = p->data;
    uint32_t r = v[colour_at(p, 0, i)], g = v[colour_at(p, 1, i)], b = v[colour_at(p, 2, i)];
    return (uint8_t)((r * 19595u + g * 38470u + b * 7471u + 32768u) >> 16);
}

static float colour_luma_f32(const gm__pixels *p, int64_t i) {
    const float *v = p->data;
    float r = 0.2989f * v[colour_at(p, 0, i)], g = 0.587f * v[colour_at(p, 1, i)], b = 0.114f * v[colour_at(p, 2, i)];
    float rg = r + g;
    return rg + b;
}

/* From `to` (factor 0) to `from` (factor 1) and beyond. */
static uint8_t colour_blend_u8(uint8_t from, uint8_t to, float factor) {
    float step = factor * (float)((int)from - (int)to), value = (float)to + step;
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
}

static float colour_blend_f32(float from, float to, float factor, float rest) {
    float a = factor * from, b = rest * to, value = a + b;
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* ---- blending with something ---- */

typedef enum { COLOUR_BLACK, COLOUR_MEAN, COLOUR_GRAY } colour_other;

static int colour_mean_u8(const gm__pixels *p) {
    const uint8_t *v = p->data;
    int64_t n = p->h * p->w, sum = 0;
    bool one = gm__pixels_channels(p) == 1;
    for (int64_t i = 0; i < n; i++) sum += one ? v[i] : colour_luma_u8(p, i);
    return (int)((double)sum / (double)n + 0.5);
}

static float colour_mean_f32(const gm__pixels *p) {
    const float *v = p->data;
    int64_t n = p->h * p->w;
    bool one = gm__pixels_channels(p) == 1;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)(one ? v[i] : colour_luma_f32(p, i));
    return (float)(sum / (double)n);
}

static void colour_blend_all_u8(const gm__pixels *p, colour_other other, float factor, uint8_t *to) {
    const uint8_t *v = p->data;
    int64_t n = p->h * p->w, channels = gm__pixels_channels(p);
    uint8_t table[256], mean = other == COLOUR_MEAN ? (uint8_t)colour_mean_u8(p) : 0;
    for (int i = 0; i < 256; i++) table[i] = colour_blend_u8((uint8_t)i, mean, factor);
    if (other != COLOUR_GRAY)
        for (int64_t i = 0; i < n * channels; i++) to[i] = table[v[i]];
    else
        for (int64_t i = 0; i < n; i++) {
            uint8_t gray = colour_luma_u8(p, i);
            for (int64_t c = 0; c < 3; c++) {
                int64_t at = colour_at(p, c, i);
                to[at] = colour_blend_u8(v[at], gray, factor);
            }
        }
}

static void colour_blend_all_f32(const gm__pixels *p, colour_other other, double factor, float *to) {
    const float *v = p->data;
    int64_t n = p->h * p->w, channels = gm__pixels_channels(p);
    float mean = other == COLOUR_MEAN ? colour_mean_f32(p) : 0, f = (float)factor, rest = (float)(1 - factor);
    for (int64_t i = 0; i < n; i++) {
        float value = other == COLOUR_GRAY ? colour_luma_f32(p, i) : mean;
        for (int64_t c = 0; c < channels; c++) {
            int64_t at = colour_at(p, c, i);
            to[at] = colour_blend_f32(v[at], value, f, rest);
        }
    }
}

/* A picture of one channel or three; false after an error. */
static bool colour_open(gm__pixels *p, const char *op, gm_tensor *image) {
    if (!gm_ok() || !gm__pixels_of(p, op, image)) return false;
    int64_t channels = gm__pixels_channels(p);
    return channels == 1 || channels == 3 ||
           gm_fail(GM_ERROR_SHAPE, "%s: a picture of %lld channels; 1 or 3", op, (long long)channels);
}

static gm_tensor *colour_blended(const char *op, gm_tensor *image, double factor, colour_other other) {
    gm__pixels p, q;
    GM_SCOPE(s);
    if (!colour_open(&p, op, image)) return NULL;
    if (!(factor >= 0 && factor <= 1e6)) return gm_fail(GM_ERROR_VALUE, "%s: a factor of %g", op, factor), NULL;
    if (factor == 1 || (other == COLOUR_GRAY && gm__pixels_channels(&p) == 1)) return gm_return(&s, p.t);
    void *to = gm__pixels_new(&q, &p, p.h, p.w);
    if (!to) return NULL;
    if (p.dtype == GM_U8) colour_blend_all_u8(&p, other, (float)factor, to);
    else colour_blend_all_f32(&p, other, factor, to);
    return gm_return(&s, q.t);
}

gm_tensor *gm_image_brightness(gm_tensor *image, double factor) {
    return colour_blended("image_brightness", image, factor, COLOUR_BLACK);
}
gm_tensor *gm_image_contrast(gm_tensor *image, double factor) {
    return colour_blended("image_contrast", image, factor, COLOUR_MEAN);
}
gm_tensor *gm_image_saturation(gm_tensor *image, double factor) {
    return colour_blended("image_saturation", image, factor, COLOUR_GRAY);
}

gm_tensor *gm_image_grayscale(gm_tensor *image) {
    gm__pixels p;
    GM_SCOPE(s);
    if (!colour_open(&p, "image_grayscale", image)) return NULL;
    if (gm__pixels_channels(&p) == 1) return gm_return(&s, p.t);
    gm_tensor *y = gm_empty(p.k > 1 ? GM_SHAPE(p.h, p.w, 1) : GM_SHAPE(1, p.h, p.w), p.dtype);
    void *to = y ? gm_mutable_data(y) : NULL;
    for (int64_t i = 0; to && i < p.h * p.w; i++)
        if (p.dtype == GM_U8) ((uint8_t *)to)[i] = colour_luma_u8(&p, i);
        else ((float *)to)[i] = colour_luma_f32(&p, i);
    return gm_return(&s, y);
}

/* ---- hue ---- */

/* Bytes of hue, saturation and value, as Pillow's mode HSV has them. */
static void colour_to_hsv_u8(const uint8_t *rgb, uint8_t *hsv) {
    uint8_t r = rgb[0], g = rgb[1], b = rgb[2];
    uint8_t most = r > g ? (r > b ? r : b) : (g > b ? g : b), least = r < g ? (r < b ? r : b) : (g < b ? g : b);
    hsv[0] = hsv[1] = 0, hsv[2] = most;
    if (most == least) return;
    float range = (float)(most - least), s = range / (float)most;
    float rc = (float)(most - r) / range, gc = (float)(most - g) / range, bc = (float)(most - b) / range, h;
    if (r == most) h = bc - gc;
    else if (g == most) h = (float)(2.0 + (double)rc - (double)bc);
    else h = (float)(4.0 + (double)gc - (double)rc);
    double turn = (double)h / 6.0 + 1.0;
    h = (float)(turn >= 1 ? turn - 1 : turn);
    int hue = (int)((double)h * 255.0), saturation = (int)((double)s * 255.0);
    hsv[0] = (uint8_t)(hue > 255 ? 255 : hue), hsv[1] = (uint8_t)(saturation > 255 ? 255 : saturation);
}

/* To the nearest integer, halves up; x >= 0. */
static uint8_t colour_round(double x) {
    double whole = __builtin_trunc(x);
    return (uint8_t)(x - whole >= 0.5 ? whole + 1 : whole);
}

static void colour_from_hsv_u8(const uint8_t *hsv, uint8_t *rgb) {
    uint8_t v = hsv[2];
    rgb[0] = rgb[1] = rgb[2] = v;
    if (!hsv[1]) return;
    float sixth = (float)hsv[0] * 6.0f;
    int i = (int)__builtin_floor((double)sixth / 255.0);
    float f = (float)((double)sixth / 255.0 - (double)(float)i), s = (float)((double)hsv[1] / 255.0);
    float sf = s * f;
    double rest = (double)s * (1.0 - (double)f);
    uint8_t p = colour_round((double)v * (1.0 - (double)s)), q = colour_round((double)v * (1.0 - (double)sf));
    uint8_t t = colour_round((double)v * (1.0 - rest));
    const uint8_t out[6][3] = { { v, t, p }, { q, v, p }, { p, v, t }, { p, q, v }, { t, p, v }, { v, p, q } };
    memcpy(rgb, out[i % 6], 3);
}

static float colour_clamp(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

static float colour_turn(float x) { return x - __builtin_floorf(x); }

static void colour_shift_f32(float *rgb, float shift) {
    float r = rgb[0], g = rgb[1], b = rgb[2];
    float most = r > g ? (r > b ? r : b) : (g > b ? g : b), least = r < g ? (r < b ? r : b) : (g < b ? g : b);
    float range = most - least, one = range > 0 ? range : 1, s = range > 0 ? range / most : 0;
    float rc = (most - r) / one, gc = (most - g) / one, bc = (most - b) / one;
    float h = most == r ? bc - gc : most == g ? 2.0f + rc - bc : 4.0f + gc - rc;
    h = colour_turn(colour_turn(h / 6.0f + 1.0f) + shift);
    float six = h * 6.0f, i = __builtin_floorf(six), f = six - i, sf = s * f, rest = s * (1 - f);
    float p = colour_clamp(most * (1 - s)), q = colour_clamp(most * (1 - sf)), t = colour_clamp(most * (1 - rest));
    const float out[6][3] = { { most, t, p }, { q, most, p }, { p, most, t },
                              { p, q, most }, { t, p, most }, { most, p, q } };
    memcpy(rgb, out[(int)i % 6], 3 * sizeof *rgb);
}

static void colour_shift_all_u8(const gm__pixels *p, uint8_t step, uint8_t *to) {
    const uint8_t *from = p->data;
    for (int64_t i = 0; i < p->h * p->w; i++) {
        int64_t r = colour_at(p, 0, i), g = colour_at(p, 1, i), b = colour_at(p, 2, i);
        uint8_t rgb[3] = { from[r], from[g], from[b] }, hsv[3];
        colour_to_hsv_u8(rgb, hsv);
        hsv[0] = (uint8_t)(hsv[0] + step);
        colour_from_hsv_u8(hsv, rgb);
        to[r] = rgb[0], to[g] = rgb[1], to[b] = rgb[2];
    }
}

static void colour_shift_all_f32(const gm__pixels *p, float shift, float *to) {
    const float *from = p->data;
    for (int64_t i = 0; i < p->h * p->w; i++) {
        int64_t r = colour_at(p, 0, i), g = colour_at(p, 1, i), b = colour_at(p, 2, i);
        float rgb[3] = { from[r], from[g], from[b] };
        colour_shift_f32(rgb, shift);
        to[r] = rgb[0], to[g] = rgb[1], to[b] = rgb[2];
    }
}

gm_tensor *gm_image_hue(gm_tensor *image, double shift) {
    gm__pixels p, q;
    GM_SCOPE(s);
    if (!colour_open(&p, "image_hue", image)) return NULL;
    if (!(shift >= -0.5 && shift <= 0.5))
        return gm_fail(GM_ERROR_VALUE, "image_hue: a shift of %g, -0.5 to 0.5 is possible", shift), NULL;
    if (gm__pixels_channels(&p) == 1) return gm_return(&s, p.t);
    void *to = gm__pixels_new(&q, &p, p.h, p.w);
    if (!to) return NULL;
    if (p.dtype == GM_U8) colour_shift_all_u8(&p, (uint8_t)(int32_t)(shift * 255), to);
    else colour_shift_all_f32(&p, (float)shift, to);
    return gm_return(&s, q.t);
}

/* ---- jitter ---- */

gm_tensor *gm_image_color_jitter_with(gm_tensor *image, gm_dice *dice, const gm_image_color_jitter_args *args) {
    gm_image_color_jitter_args a = { 0 };
    GM_SCOPE(s);
    if (!gm_ok() || !gm__args_take("image_color_jitter", &a, sizeof a, args)) return NULL;
    if (!(a.brightness >= 0 && a.contrast >= 0 && a.saturation >= 0 && a.hue >= 0 && a.hue <= 0.5))
        return gm_fail(GM_ERROR_VALUE,
                       "image_color_jitter: brightness %g, contrast %g, saturation %g (0 or more), hue %g (0 to 0.5)",
                       a.brightness, a.contrast, a.saturation, a.hue),
               NULL;
    const double range[3] = { a.brightness, a.contrast, a.saturation };
    int order[4] = { 0, 1, 2, 3 };
    double factor[4];
    for (int i = 3; i > 0; i--) {
        int j = (int)gm_dice_below(dice, i + 1), swap = order[i];
        if (j < 0) return NULL;
        order[i] = order[j], order[j] = swap;
    }
    for (int i = 0; i < 3; i++) factor[i] = gm_dice_uniform(dice, range[i] < 1 ? 1 - range[i] : 0, 1 + range[i]);
    factor[3] = gm_dice_uniform(dice, -a.hue, a.hue);
    for (int i = 0; i < 4; i++)
        switch (order[i]) {
        case 0: image = a.brightness > 0 ? gm_image_brightness(image, factor[0]) : image; break;
        case 1: image = a.contrast > 0 ? gm_image_contrast(image, factor[1]) : image; break;
        case 2: image = a.saturation > 0 ? gm_image_saturation(image, factor[2]) : image; break;
        default: image = a.hue > 0 ? gm_image_hue(image, factor[3]) : image; break;
        }
    return gm_return(&s, image);
}
