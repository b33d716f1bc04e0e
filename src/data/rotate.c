/* rotate.c: pictures turned about their middle, as Pillow turns them: its quick ways for quarter turns, 16.16 fixed
 * point for the nearest pixel, f64 for bilinear (Geometry.c, after A. Clark and contributors). */
#include "../math/fp.h"
#include "pixels.h"
#include "gemel/ops.h"

#include <string.h>

/* From a new place (x, y) to the old one: (a x + b y + c, d x + e y + f). */
typedef struct { double a, b, c, d, e, f; } rotate_map;

enum { ROTATE_MOST = 1 << 14 }; /* of a side: 16 bits before the point must do */

static double rotate_rounded(double x) { return __builtin_rint(x * 1e15) / 1e15; }

static rotate_map rotate_map_of(const gm__pixels *p, double degrees) {
    double angle = -(degrees * (3.141592653589793 / 180)), x = (double)p->w / 2, y = (double)p->h / 2;
    double cos = rotate_rounded(gm_item(gm_cos(gm_scalar(angle, GM_F64))));
    double sin = rotate_rounded(gm_item(gm_sin(gm_scalar(angle, GM_F64))));
    rotate_map m = { .a = cos, .b = sin, .d = -sin, .e = cos };
    double ax = m.a * -x, by = m.b * -y, dx = m.d * -x, ey = m.e * -y;
    m.c = ax + by + x, m.f = dx + ey + y;
    return m;
}

/* ---- quarter turns ---- */

/* Old place of the new pixel (x, y) of a picture that was turned by quarter * 90 degrees to the left. */
static int64_t rotate_from(const gm__pixels *p, int64_t x, int64_t y, int quarter) {
    switch (quarter) {
    case 1: return x * p->w + (p->w - 1 - y);
    case 2: return (p->h - 1 - y) * p->w + (p->w - 1 - x);
    default: return (p->h - 1 - x) * p->w + y;
    }
}

static void rotate_quarters(const gm__pixels *p, int quarter, char *to) {
    size_t pixel = (size_t)(p->k * p->bytes);
    for (int64_t c = 0; c < p->planes; c++) {
        const char *plane = (const char *)p->data + (size_t)(c * p->h * p->w) * pixel;
        for (int64_t y = 0; y < p->h; y++)
            for (int64_t x = 0; x < p->w; x++, to += pixel)
                memcpy(to, plane + (size_t)rotate_from(p, x, y, quarter) * pixel, pixel);
    }
}

/* ---- the nearest pixel ---- */

static int32_t rotate_fixed(double x) {
    double scaled = x * 65536.0;
    return (int32_t)__builtin_floor(scaled + 0.5);
}

static void rotate_nearest(const gm__pixels *p, const rotate_map *m, char *to) {
    size_t pixel = (size_t)(p->k * p->bytes);
    int32_t a = rotate_fixed(m->a), b = rotate_fixed(m->b), d = rotate_fixed(m->d), e = rotate_fixed(m->e);
    double ah = m->a * 0.5, bh = m->b * 0.5, dh = m->d * 0.5, eh = m->e * 0.5;
    int32_t c = rotate_fixed(m->c + ah + bh), f = rotate_fixed(m->f + dh + eh);
    for (int64_t y = 0; y < p->h; y++, c += b, f += e) {
        int32_t xx = c, yy = f;
        for (int64_t x = 0; x < p->w; x++, xx += a, yy += d) {
            int64_t ox = xx >> 16, oy = yy >> 16;
            bool there = ox >= 0 && ox < p->w && oy >= 0 && oy < p->h;
            for (int64_t k = 0; k < p->planes; k++) {
                char *at = to + (size_t)((k * p->h + y) * p->w + x) * pixel;
                const char *from = (const char *)p->data + (size_t)((k * p->h + oy) * p->w + ox) * pixel;
                if (there) memcpy(at, from, pixel);
                else memset(at, 0, pixel);
            }
        }
    }
}

/* ---- bilinear ---- */

static double rotate_value(const gm__pixels *p, int64_t at) {
    return p->dtype == GM_U8 ? ((const uint8_t *)p->data)[at] : (double)((const float *)p->data)[at];
}

/* Between the pixels around (x, y), which lies in the picture; `at`: of channel and plane. */
static double rotate_between(const gm__pixels *p, int64_t plane, int64_t k, double x, double y) {
    double fx = __builtin_floor(x - 0.5), fy = __builtin_floor(y - 0.5), dx = x - 0.5 - fx, dy = y - 0.5 - fy;
    int64_t x0 = fx < 0 ? 0 : (int64_t)fx, x1 = (int64_t)fx + 1 < p->w ? (int64_t)fx + 1 : p->w - 1;
    int64_t y0 = fy < 0 ? 0 : (int64_t)fy, y1 = (int64_t)fy + 1 < p->h ? (int64_t)fy + 1 : y0;
    int64_t above = (plane * p->h + y0) * p->w, below = (plane * p->h + y1) * p->w;
    double a = rotate_value(p, (above + x0) * p->k + k), b = rotate_value(p, (above + x1) * p->k + k);
    double c = rotate_value(p, (below + x0) * p->k + k), d = rotate_value(p, (below + x1) * p->k + k);
    double ab = (b - a) * dx, cd = (d - c) * dx, v1 = a + ab, v2 = c + cd, down = (v2 - v1) * dy;
    return v1 + down;
}

static void rotate_bilinear(const gm__pixels *p, const rotate_map *m, void *to) {
    for (int64_t y = 0; y < p->h; y++)
        for (int64_t x = 0; x < p->w; x++) {
            double nx = (double)x + 0.5, ny = (double)y + 0.5, ax = m->a * nx, by = m->b * ny;
            double dx = m->d * nx, ey = m->e * ny, ox = ax + by + m->c, oy = dx + ey + m->f;
            bool there = ox >= 0 && ox < (double)p->w && oy >= 0 && oy < (double)p->h;
            for (int64_t c = 0; c < p->planes * p->k; c++) {
                int64_t plane = p->k > 1 ? 0 : c, k = p->k > 1 ? c : 0, at = ((plane * p->h + y) * p->w + x) * p->k + k;
                double value = there ? rotate_between(p, plane, k, ox, oy) : 0;
                if (p->dtype == GM_U8) ((uint8_t *)to)[at] = (uint8_t)value;
                else ((float *)to)[at] = (float)value;
            }
        }
}

static gm_tensor *rotate_by(const gm__pixels *p, double degrees, gm_filter filter) {
    gm__pixels q;
    void *to = gm__pixels_new(&q, p, p->h, p->w);
    if (!to) return NULL;
    bool square = p->h == p->w;
    if (degrees == 180 || (square && (degrees == 90 || degrees == 270))) rotate_quarters(p, (int)(degrees / 90), to);
    else {
        rotate_map m = rotate_map_of(p, degrees);
        if (filter == GM_NEAREST) rotate_nearest(p, &m, to);
        else rotate_bilinear(p, &m, to);
    }
    return gm_ok() ? q.t : NULL;
}

gm_tensor *gm_image_rotate(gm_tensor *image, double degrees, gm_filter filter) {
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_rotate", image)) return NULL;
    if (filter != GM_BILINEAR && filter != GM_NEAREST)
        return gm_fail(GM_ERROR_VALUE, "image_rotate: filter %d; bilinear and nearest are possible", filter), NULL;
    if (!(degrees > -1e6 && degrees < 1e6)) return gm_fail(GM_ERROR_VALUE, "image_rotate: by %g", degrees), NULL;
    if (p.h > ROTATE_MOST || p.w > ROTATE_MOST)
        return gm_fail(GM_ERROR_SHAPE, "image_rotate: a picture of %lldx%lld, at most %d a side", (long long)p.h,
                       (long long)p.w, ROTATE_MOST),
               NULL;
    double turns = __builtin_floor(degrees / 360) * 360, rest = degrees - turns;
    return gm_return(&s, rest == 0 || rest == 360 ? p.t : rotate_by(&p, rest, filter));
}

gm_tensor *gm_image_random_rotate(gm_tensor *image, double low, double high, gm_filter filter, gm_dice *dice) {
    double degrees = gm_dice_uniform(dice, low, high);
    return gm_ok() ? gm_image_rotate(image, degrees, filter) : NULL;
}
