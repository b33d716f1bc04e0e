/* mixing.c: pictures with holes, and batches mixed with themselves. */
#include "../math/fp.h"
#include "../base/args.h"
#include "pixels.h"
#include "gemel/ops.h"

#include <string.h>

/* ---- erasing ---- */

static void mixing_fill(const gm__pixels *p, int64_t at, int64_t n, double value, void *to) {
    uint8_t byte = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : __builtin_rint(value));
    if (p->dtype == GM_U8) memset((uint8_t *)to + at, byte, (size_t)n);
    else
        for (int64_t i = 0; i < n; i++) ((float *)to)[at + i] = (float)value;
}

static gm_tensor *mixing_erase(const gm__pixels *p, int64_t top, int64_t left, int64_t height, int64_t width,
                               double value) {
    gm__pixels q;
    void *to = gm__pixels_new(&q, p, p->h, p->w);
    if (!to) return NULL;
    memcpy(to, p->data, (size_t)(p->planes * p->h * p->w * p->k * p->bytes));
    int64_t y0 = top < 0 ? 0 : top, y1 = top + height < p->h ? top + height : p->h;
    int64_t x0 = left < 0 ? 0 : left, x1 = left + width < p->w ? left + width : p->w;
    for (int64_t c = 0; x0 < x1 && c < p->planes; c++)
        for (int64_t y = y0; y < y1; y++)
            mixing_fill(p, ((c * p->h + y) * p->w + x0) * p->k, (x1 - x0) * p->k, value, to);
    return q.t;
}

gm_tensor *gm_image_erase(gm_tensor *image, int64_t top, int64_t left, int64_t height, int64_t width, double value) {
    const int64_t most = 1 << 28;
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_erase", image)) return NULL;
    if (top < -most || top > most || left < -most || left > most || height < 0 || height > most || width < 0 ||
        width > most)
        return gm_fail(GM_ERROR_VALUE, "image_erase: %lldx%lld at (%lld, %lld)", (long long)height, (long long)width,
                       (long long)top, (long long)left),
               NULL;
    return gm_return(&s, mixing_erase(&p, top, left, height, width, value));
}

static double mixing_exp(double x) { return gm_item(gm_exp(gm_scalar(x, GM_F64))); }
static double mixing_log(double x) { return gm_item(gm_log(gm_scalar(x, GM_F64))); }

static bool mixing_erasing_args(gm_image_random_erasing_args *a, const gm_image_random_erasing_args *args) {
    if (!gm_ok() || !gm__args_take("image_random_erasing", a, sizeof *a, args)) return false;
    if (!a->p.set) a->p = (gm_real)GM_REAL(0.5);
    if (!a->area_low) a->area_low = 0.02;
    if (!a->area_high) a->area_high = 0.33;
    if (!a->ratio_low) a->ratio_low = 0.3;
    if (!a->ratio_high) a->ratio_high = 3.3;
    if (a->area_low > 0 && a->area_low <= a->area_high && a->area_high <= 1 && a->ratio_low > 0 &&
        a->ratio_low <= a->ratio_high && a->p.v >= 0 && a->p.v <= 1)
        return true;
    return gm_fail(GM_ERROR_VALUE, "image_random_erasing: p %g, areas from %g to %g, ratios from %g to %g", a->p.v,
                   a->area_low, a->area_high, a->ratio_low, a->ratio_high);
}

gm_tensor *gm_image_random_erasing_with(gm_tensor *image, gm_dice *dice, const gm_image_random_erasing_args *args) {
    gm_image_random_erasing_args a = { 0 };
    gm__pixels p;
    GM_SCOPE(s);
    if (!mixing_erasing_args(&a, args) || !gm__pixels_of(&p, "image_random_erasing", image)) return NULL;
    if (!gm_dice_chance(dice, a.p.v)) return gm_return(&s, gm_ok() ? p.t : NULL);
    double area = (double)p.h * (double)p.w, low = mixing_log(a.ratio_low), high = mixing_log(a.ratio_high);
    for (int i = 0; i < 10 && gm_ok(); i++) {
        double part = area * gm_dice_uniform(dice, a.area_low, a.area_high);
        double ratio = mixing_exp(gm_dice_uniform(dice, low, high));
        int64_t h = (int64_t)__builtin_rint(__builtin_sqrt(part * ratio));
        int64_t w = (int64_t)__builtin_rint(__builtin_sqrt(part / ratio));
        if (h < 1 || w < 1 || h >= p.h || w >= p.w) continue;
        int64_t top = gm_dice_below(dice, p.h - h + 1), left = gm_dice_below(dice, p.w - w + 1);
        return gm_return(&s, gm_ok() ? mixing_erase(&p, top, left, h, w, a.value) : NULL);
    }
    return gm_return(&s, gm_ok() ? p.t : NULL);
}

/* ---- Beta ---- */

static double mixing_normal(gm_dice *dice) {
    double r = __builtin_sqrt(-2 * mixing_log(1 - gm_dice_uniform(dice, 0, 1)));
    return r * gm_item(gm_cos(gm_scalar(gm_dice_uniform(dice, 0, 6.283185307179586), GM_F64)));
}

/* The logarithm of a number of Gamma(shape, 1) (Marsaglia and Tsang 2000); small shapes by Gamma(shape + 1) and a power
 * of a uniform number. */
static double mixing_log_gamma(gm_dice *dice, double shape) {
    double less = 0;
    if (shape < 1) less = mixing_log(1 - gm_dice_uniform(dice, 0, 1)) / shape, shape += 1;
    double d = shape - 1.0 / 3, c = 1 / __builtin_sqrt(9 * d);
    while (gm_ok()) {
        double x = mixing_normal(dice), cube = 1 + c * x, v = cube * cube * cube;
        if (!(cube > 0)) continue;
        double u = mixing_log(1 - gm_dice_uniform(dice, 0, 1));
        double half = 0.5 * x * x, limit = half + d - d * v + d * mixing_log(v);
        if (u < limit) return mixing_log(d * v) + less;
    }
    return 0;
}

static double mixing_beta(gm_dice *dice, double alpha) {
    double a = mixing_log_gamma(dice, alpha), b = mixing_log_gamma(dice, alpha);
    return 1 / (1 + mixing_exp(b - a));
}

/* ---- batches ---- */

static bool mixing_open(const char *op, gm_pack *batch, double alpha, gm_tensor **x, gm_tensor **y) {
    if (!gm_ok()) return false;
    if (!(alpha > 0 && alpha <= 1e6)) return gm_fail(GM_ERROR_VALUE, "%s: alpha is %g", op, alpha);
    *x = gm_get(batch, "x"), *y = gm_get(batch, "y");
    if (!gm_ok()) return false;
    if (gm_n_dims(*y) != 1 || gm_n_dims(*x) < 1 || gm_size(*x, 0) != gm_size(*y, 0) ||
        !gm_is_integer(gm_dtype_of(*y))) {
        char a[200], b[200];
        return gm_fail(GM_ERROR_SHAPE, "%s: x %s and y %s %s, [B, ...] and integers [B] are needed", op,
                       gm_shape_text(gm_shape_of(*x), a, sizeof a), gm_dtype_name(gm_dtype_of(*y)),
                       gm_shape_text(gm_shape_of(*y), b, sizeof b));
    }
    return true;
}

/* share * t + (1 - share) * (t moved on by one). */
static gm_tensor *mixing_blend(gm_tensor *t, double share) {
    gm_tensor *other = gm_roll(t, 1, 0);
    return gm_add(gm_mul_scalar(t, share), gm_mul_scalar(other, 1 - share));
}

static gm_pack *mixing_batch(gm_pack *batch, gm_tensor *x, gm_tensor *y) {
    gm_pack *out = gm_pack_new();
    int64_t n = gm_pack_count(batch);
    for (int64_t i = 0; gm_ok() && i < n; i++) {
        const char *name = gm_pack_name(batch, i);
        gm_tensor *t = gm_pack_at(batch, i);
        if (!t) gm_pack_set_pack(out, name, gm_pack_child(batch, i));
        else gm_pack_set(out, name, !strcmp(name, "x") ? x : !strcmp(name, "y") ? y : t);
    }
    return gm_ok() ? out : NULL;
}

gm_pack *gm_mixup(gm_pack *batch, int64_t classes, double alpha, gm_dice *dice) {
    gm_tensor *x, *y;
    GM_SCOPE(s);
    if (!mixing_open("mixup", batch, alpha, &x, &y)) return NULL;
    if (!gm_is_float(gm_dtype_of(x)))
        return gm_fail(GM_ERROR_DTYPE, "mixup: x is %s, a float is needed: normalise before it",
                       gm_dtype_name(gm_dtype_of(x))),
               NULL;
    double share = mixing_beta(dice, alpha);
    gm_tensor *parts = mixing_blend(gm_one_hot(y, classes, GM_F32), share);
    return gm_return(&s, mixing_batch(batch, mixing_blend(x, share), parts));
}

/* Rows y0..y1, columns x0..x1 of every picture from the one before it. */
static gm_tensor *mixing_paste(gm_tensor *x, const int64_t box[4]) {
    gm_shape s = gm_shape_of(x);
    size_t bytes = (size_t)gm_dtype_bits(gm_dtype_of(x)) / 8, picture = (size_t)(s.d[1] * s.d[2] * s.d[3]) * bytes;
    x = gm_contiguous(x);
    gm_tensor *out = gm_empty(s, gm_dtype_of(x));
    const char *from = gm_data(x);
    char *to = out ? gm_mutable_data(out) : NULL;
    if (!to || !from) return NULL;
    memcpy(to, from, picture * (size_t)s.d[0]);
    for (int64_t b = 0; b < s.d[0] && box[3] > box[2]; b++)
        for (int64_t c = 0; c < s.d[1]; c++)
            for (int64_t y = box[0]; y < box[1]; y++) {
                size_t at = (size_t)((c * s.d[2] + y) * s.d[3] + box[2]) * bytes;
                const char *other = from + picture * (size_t)(b ? b - 1 : s.d[0] - 1);
                memcpy(to + picture * (size_t)b + at, other + at, (size_t)(box[3] - box[2]) * bytes);
            }
    return out;
}

gm_pack *gm_cutmix(gm_pack *batch, int64_t classes, double alpha, gm_dice *dice) {
    gm_tensor *x, *y;
    char text[200];
    GM_SCOPE(s);
    if (!mixing_open("cutmix", batch, alpha, &x, &y)) return NULL;
    gm_shape shape = gm_shape_of(x);
    if (shape.n != 4 || !gm_shape_count(shape))
        return gm_fail(GM_ERROR_SHAPE, "cutmix: x is %s, [B, C, H, W] is needed",
                       gm_shape_text(shape, text, sizeof text)),
               NULL;
    int64_t h = shape.d[2], w = shape.d[3];
    double half = 0.5 * __builtin_sqrt(1 - mixing_beta(dice, alpha));
    if (!gm_ok()) return NULL;
    int64_t cx = gm_dice_below(dice, w), cy = gm_dice_below(dice, h);
    int64_t rx = (int64_t)(half * (double)w), ry = (int64_t)(half * (double)h);
    const int64_t box[4] = { cy > ry ? cy - ry : 0, cy + ry < h ? cy + ry : h, cx > rx ? cx - rx : 0,
                             cx + rx < w ? cx + rx : w };
    double share = 1 - (double)((box[1] - box[0]) * (box[3] - box[2])) / (double)(h * w);
    gm_tensor *parts = mixing_blend(gm_one_hot(y, classes, GM_F32), share);
    return gm_return(&s, gm_ok() ? mixing_batch(batch, mixing_paste(x, box), parts) : NULL);
}
