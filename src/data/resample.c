/* resample.c: pictures of other sizes, as Pillow makes them.
 *
 * A new pixel is a weighted mean of those under it: first along rows, then along columns, with rounding to u8 in
 * between. Weights are normalised in f64 and, for u8, rounded to multiples of 2^-22, so that sums are exact in 32 bits
 * and how many are added at once does not matter. f32 sums are in f64, one after the other. (Pillow's Resample.c, after
 * A. Clark and contributors; the same formula here, other loops.) */
#include "../math/fp.h"
#include "../base/args.h"
#include "pixels.h"
#include "gemel/ops.h"

#include <string.h>

enum { RESAMPLE_BITS = 22, RESAMPLE_MOST = 1 << 16 };

/* For each new place: the first old one, how many, and their weights at weights[place * room]. */
typedef struct {
    int64_t n, room;
    int64_t *first, *count;
    double *weights;
    int32_t *fixed;
} resample_plan;

/* ---- weights ---- */

static double resample_triangle(double x) {
    x = x < 0 ? -x : x;
    return x < 1 ? 1 - x : 0;
}

static double resample_cubic(double x) {
    const double a = -0.5;
    x = x < 0 ? -x : x;
    if (x < 1) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static void resample_plan_free(resample_plan *p) {
    gm_free(p->first);
    gm_free(p->weights);
    gm_free(p->fixed);
}

static void resample_weigh(resample_plan *p, int64_t i, double center, double support, double scale, int64_t size,
                         gm_filter filter) {
    int64_t low = (int64_t)(center - support + 0.5), high = (int64_t)(center + support + 0.5);
    double *w = p->weights + i * p->room, sum = 0, step = 1.0 / scale;
    if (low < 0) low = 0;
    if (high > size) high = size;
    p->first[i] = low, p->count[i] = high - low;
    for (int64_t j = 0; j < high - low; j++) {
        double at = ((double)(j + low) - center + 0.5) * step;
        w[j] = filter == GM_BICUBIC ? resample_cubic(at) : resample_triangle(at);
        sum += w[j];
    }
    for (int64_t j = 0; j < high - low; j++) {
        if (sum != 0) w[j] /= sum;
        double fixed = w[j] * (1 << RESAMPLE_BITS);
        p->fixed[i * p->room + j] = (int32_t)(w[j] < 0 ? fixed - 0.5 : fixed + 0.5);
    }
}

static bool resample_plan_make(resample_plan *p, int64_t from, int64_t to, gm_filter filter) {
    double scale = (double)from / (double)to, stretch = scale < 1 ? 1 : scale;
    double support = (filter == GM_BICUBIC ? 2.0 : 1.0) * stretch;
    *p = (resample_plan){ .n = to, .room = (int64_t)__builtin_ceil(support) * 2 + 1 };
    size_t n = (size_t)to, all = n * (size_t)p->room;
    p->first = gm_alloc(2 * n * sizeof *p->first);
    p->weights = p->first ? gm_alloc(all * sizeof *p->weights) : NULL;
    p->fixed = p->weights ? gm_alloc(all * sizeof *p->fixed) : NULL;
    if (!p->fixed) return resample_plan_free(p), false;
    p->count = p->first + n;
    for (int64_t i = 0; i < to; i++) resample_weigh(p, i, ((double)i + 0.5) * scale, support, stretch, from, filter);
    return true;
}

/* ---- u8 ---- */

static inline uint8_t resample_round(int32_t sum) {
    sum >>= RESAMPLE_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One row; k is a constant where this is inlined. */
static inline __attribute__((always_inline)) void resample_row_of(const uint8_t *from, uint8_t *to,
                                                                  const resample_plan *p, int k) {
    for (int64_t i = 0; i < p->n; i++, to += k) {
        const uint8_t *at = from + p->first[i] * k;
        const int32_t *w = p->fixed + i * p->room;
        int32_t sum[4] = { 1 << (RESAMPLE_BITS - 1), 1 << (RESAMPLE_BITS - 1), 1 << (RESAMPLE_BITS - 1),
                           1 << (RESAMPLE_BITS - 1) };
        for (int64_t j = 0, n = p->count[i]; j < n; j++, at += k)
            for (int c = 0; c < k; c++) sum[c] += at[c] * w[j];
        for (int c = 0; c < k; c++) to[c] = resample_round(sum[c]);
    }
}

#if defined(__x86_64__)
/* Pixels of three values, side by side, of two rows at once. Sixteen bytes are read for each, so that many must lie
 * behind the rows. */
typedef int32_t resample_eight __attribute__((vector_size(32)));
typedef uint8_t resample_bytes __attribute__((vector_size(16)));
typedef uint8_t resample_pair __attribute__((vector_size(32)));

__attribute__((target("avx2"))) static void resample_rows_avx2(const uint8_t *from, int64_t in, uint8_t *to,
                                                               const resample_plan *p) {
    const resample_pair zero = { 0 };
    uint8_t *below = to + p->n * 3;
    for (int64_t i = 0; i < p->n; i++, to += 3, below += 3) {
        const uint8_t *at = from + p->first[i] * 3;
        const int32_t *w = p->fixed + i * p->room;
        resample_eight sum = (resample_eight){ 0 } + (1 << (RESAMPLE_BITS - 1));
        for (int64_t j = 0, n = p->count[i]; j < n; j++, at += 3) {
            resample_bytes a, b;
            memcpy(&a, at, sizeof a);
            memcpy(&b, at + in, sizeof b);
            resample_pair ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                                                       17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
            ab = __builtin_shufflevector(ab, zero, 0, 32, 32, 32, 1, 32, 32, 32, 2, 32, 32, 32, 32, 32, 32, 32, 16, 32,
                                         32, 32, 17, 32, 32, 32, 18, 32, 32, 32, 32, 32, 32, 32);
            sum += (resample_eight)ab * w[j];
        }
        sum >>= RESAMPLE_BITS;
        sum &= ~(sum >> 31);
        sum |= sum > 255;
        resample_pair bytes = (resample_pair)sum;
        to[0] = bytes[0], to[1] = bytes[4], to[2] = bytes[8];
        below[0] = bytes[16], below[1] = bytes[20], below[2] = bytes[24];
    }
}
#endif

static void resample_row(const uint8_t *from, uint8_t *to, const resample_plan *p, int64_t k) {
    if (k == 1) resample_row_of(from, to, p, 1);
    else if (k == 3) resample_row_of(from, to, p, 3);
    else if (k == 4) resample_row_of(from, to, p, 4);
    else resample_row_of(from, to, p, 2);
}

enum { RESAMPLE_BLOCK = 64 };

/* A row of `n` values out of rows that lie n apart. */
static inline __attribute__((always_inline)) void resample_column_body(const uint8_t *from, uint8_t *to, int64_t n,
                                                                     const int32_t *w, int64_t taps) {
    int64_t x = 0;
    for (; x + RESAMPLE_BLOCK <= n; x += RESAMPLE_BLOCK) {
        int32_t sum[RESAMPLE_BLOCK];
        for (int i = 0; i < RESAMPLE_BLOCK; i++) sum[i] = 1 << (RESAMPLE_BITS - 1);
        for (int64_t j = 0; j < taps; j++)
            for (int i = 0; i < RESAMPLE_BLOCK; i++) sum[i] += from[j * n + x + i] * w[j];
        for (int i = 0; i < RESAMPLE_BLOCK; i++) to[x + i] = resample_round(sum[i]);
    }
    for (; x < n; x++) {
        int32_t sum = 1 << (RESAMPLE_BITS - 1);
        for (int64_t j = 0; j < taps; j++) sum += from[j * n + x] * w[j];
        to[x] = resample_round(sum);
    }
}

static void resample_column(const uint8_t *from, uint8_t *to, int64_t n, const int32_t *w, int64_t taps) {
    resample_column_body(from, to, n, w, taps);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void resample_column_avx2(const uint8_t *from, uint8_t *to, int64_t n,
                                                               const int32_t *w, int64_t taps) {
    resample_column_body(from, to, n, w, taps);
}
#endif

/* ---- f32 ---- */

static void resample_row_f32(const float *from, float *to, const resample_plan *p, int64_t k) {
    for (int64_t i = 0; i < p->n; i++)
        for (int64_t c = 0; c < k; c++) {
            const float *at = from + p->first[i] * k + c;
            const double *w = p->weights + i * p->room;
            double sum = 0;
            for (int64_t j = 0; j < p->count[i]; j++) sum += (double)at[j * k] * w[j];
            *to++ = (float)sum;
        }
}

static void resample_column_f32(const float *from, float *to, int64_t n, const double *w, int64_t taps) {
    for (int64_t x = 0; x < n; x++) {
        double sum = 0;
        for (int64_t j = 0; j < taps; j++) sum += (double)from[j * n + x] * w[j];
        to[x] = (float)sum;
    }
}

/* ---- pictures ---- */

static void resample_rows(const gm__pixels *p, const resample_plan *plan, void *to) {
    int64_t n = p->planes * p->h, in = p->w * p->k, out = plan->n * p->k, y = 0;
#if defined(__x86_64__)
    for (; p->dtype == GM_U8 && p->k == 3 && in >= 16 && gm__pixels_wide() && y + 3 <= n; y += 2)
        resample_rows_avx2((const uint8_t *)p->data + y * in, in, (uint8_t *)to + y * out, plan);
#endif
    for (; y < n; y++)
        if (p->dtype == GM_U8) resample_row((const uint8_t *)p->data + y * in, (uint8_t *)to + y * out, plan, p->k);
        else resample_row_f32((const float *)p->data + y * in, (float *)to + y * out, plan, p->k);
}

static void resample_columns(const gm__pixels *p, const resample_plan *plan, void *to) {
    int64_t n = p->w * p->k;
    void (*column)(const uint8_t *, uint8_t *, int64_t, const int32_t *, int64_t) = resample_column;
#if defined(__x86_64__)
    if (gm__pixels_wide()) column = resample_column_avx2;
#endif
    for (int64_t c = 0; c < p->planes; c++)
        for (int64_t i = 0; i < plan->n; i++) {
            int64_t from = (c * p->h + plan->first[i]) * n, at = (c * plan->n + i) * n, w = i * plan->room;
            if (p->dtype == GM_U8)
                column((const uint8_t *)p->data + from, (uint8_t *)to + at, n, plan->fixed + w, plan->count[i]);
            else
                resample_column_f32((const float *)p->data + from, (float *)to + at, n, plan->weights + w,
                                  plan->count[i]);
        }
}

/* Along one direction; p becomes the result. */
static bool resample_along(gm__pixels *p, int64_t size, bool rows, gm_filter filter) {
    resample_plan plan;
    gm__pixels q;
    int64_t from = rows ? p->w : p->h;
    if (from == size) return true;
    if (!resample_plan_make(&plan, from, size, filter)) return false;
    void *to = gm__pixels_new(&q, p, rows ? p->h : size, rows ? size : p->w);
    if (to) (rows ? resample_rows : resample_columns)(p, &plan, to);
    resample_plan_free(&plan);
    *p = q;
    return to != NULL;
}

static bool resample_nearest(gm__pixels *p, int64_t height, int64_t width) {
    gm__pixels q;
    char *to = gm__pixels_new(&q, p, height, width);
    int64_t *column = to ? gm_alloc((size_t)width * sizeof *column) : NULL;
    if (!column) return false;
    size_t pixel = (size_t)(p->k * p->bytes);
    double sx = (double)p->w / (double)width, sy = (double)p->h / (double)height;
    for (int64_t x = 0; x < width; x++) column[x] = (int64_t)(((double)x + 0.5) * sx);
    for (int64_t c = 0; c < p->planes; c++)
        for (int64_t y = 0; y < height; y++) {
            int64_t from = (c * p->h + (int64_t)(((double)y + 0.5) * sy)) * p->w;
            for (int64_t x = 0; x < width; x++, to += pixel)
                memcpy(to, (const char *)p->data + (size_t)(from + column[x]) * pixel, pixel);
        }
    gm_free(column);
    *p = q;
    return true;
}

static gm_tensor *resample_to(const char *op, gm__pixels *p, int64_t height, int64_t width, gm_filter filter) {
    if (filter < GM_BILINEAR || filter > GM_NEAREST) return gm_fail(GM_ERROR_VALUE, "%s: filter %d", op, filter), NULL;
    if (height < 1 || width < 1 || height > RESAMPLE_MOST || width > RESAMPLE_MOST)
        return gm_fail(GM_ERROR_VALUE, "%s: to a picture of %lldx%lld", op, (long long)height, (long long)width), NULL;
    bool ok = filter == GM_NEAREST ? resample_nearest(p, height, width)
                                   : resample_along(p, width, true, filter) && resample_along(p, height, false, filter);
    return ok ? p->t : NULL;
}

gm_tensor *gm_image_resize(gm_tensor *image, int64_t height, int64_t width, gm_filter filter) {
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_resize", image)) return NULL;
    return gm_return(&s, resample_to("image_resize", &p, height, width, filter));
}

gm_tensor *gm_image_resize_shorter(gm_tensor *image, int64_t size, gm_filter filter) {
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_resize_shorter", image)) return NULL;
    bool tall = p.h > p.w;
    double longer = (double)(tall ? p.h : p.w) * (double)size / (double)(tall ? p.w : p.h);
    if (longer > RESAMPLE_MOST) longer = 0;
    int64_t h = tall ? (int64_t)longer : size, w = tall ? size : (int64_t)longer;
    return gm_return(&s, resample_to("image_resize_shorter", &p, h, w, filter));
}

gm_tensor *gm_image_cover(gm_tensor *image, int64_t height, int64_t width, gm_filter filter) {
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__pixels_of(&p, "image_cover", image)) return NULL;
    if (height < 1 || width < 1 || height > RESAMPLE_MOST || width > RESAMPLE_MOST)
        return gm_fail(GM_ERROR_VALUE, "image_cover: %lldx%lld", (long long)height, (long long)width), NULL;
    double scale = (double)height / (double)p.h, other = (double)width / (double)p.w;
    if (other > scale) scale = other;
    int64_t h = (int64_t)__builtin_rint((double)p.h * scale), w = (int64_t)__builtin_rint((double)p.w * scale);
    image = resample_to("image_cover", &p, h < height ? height : h, w < width ? width : w, filter);
    return gm_return(&s, gm_image_center_crop(image, height, width));
}

/* ---- random resized crop ---- */

typedef struct {
    int64_t top, left, height, width;
} resample_box;

static double resample_exp(double x) { return gm_item(gm_exp(gm_scalar(x, GM_F64))); }
static double resample_log(double x) { return gm_item(gm_log(gm_scalar(x, GM_F64))); }

static resample_box resample_middle(const gm__pixels *p, double ratio_low, double ratio_high) {
    double ratio = (double)p->w / (double)p->h;
    int64_t w = p->w, h = p->h;
    if (ratio < ratio_low) h = (int64_t)__builtin_rint((double)w / ratio_low);
    else if (ratio > ratio_high) w = (int64_t)__builtin_rint((double)h * ratio_high);
    if (h < 1) h = 1;
    if (w < 1) w = 1;
    return (resample_box){ (p->h - h) / 2, (p->w - w) / 2, h, w };
}

static resample_box resample_draw(const gm__pixels *p, const gm_image_random_resized_crop_args *a, gm_dice *dice) {
    double area = (double)p->h * (double)p->w, low = resample_log(a->ratio_low), high = resample_log(a->ratio_high);
    for (int i = 0; i < 10 && gm_ok(); i++) {
        double part = area * gm_dice_uniform(dice, a->area_low, a->area_high);
        double ratio = resample_exp(gm_dice_uniform(dice, low, high));
        int64_t w = (int64_t)__builtin_rint(__builtin_sqrt(part * ratio));
        int64_t h = (int64_t)__builtin_rint(__builtin_sqrt(part / ratio));
        if (w < 1 || h < 1 || w > p->w || h > p->h) continue;
        int64_t top = gm_dice_below(dice, p->h - h + 1);
        return (resample_box){ top, gm_dice_below(dice, p->w - w + 1), h, w };
    }
    return resample_middle(p, a->ratio_low, a->ratio_high);
}

gm_tensor *gm_image_random_resized_crop_with(gm_tensor *image, int64_t height, int64_t width, gm_dice *dice,
                                             const gm_image_random_resized_crop_args *args) {
    static const char op[] = "image_random_resized_crop";
    gm_image_random_resized_crop_args a = { 0 };
    gm__pixels p;
    GM_SCOPE(s);
    if (!gm_ok() || !gm__args_take(op, &a, sizeof a, args) || !gm__pixels_of(&p, op, image)) return NULL;
    if (!a.area_low) a.area_low = 0.08;
    if (!a.area_high) a.area_high = 1;
    if (!a.ratio_low) a.ratio_low = 3.0 / 4;
    if (!a.ratio_high) a.ratio_high = 4.0 / 3;
    if (!(a.area_low > 0 && a.area_low <= a.area_high && a.area_high <= 1 && a.ratio_low > 0 &&
          a.ratio_low <= a.ratio_high))
        return gm_fail(GM_ERROR_VALUE, "%s: areas from %g to %g, ratios from %g to %g", op, a.area_low, a.area_high,
                       a.ratio_low, a.ratio_high),
               NULL;
    resample_box b = resample_draw(&p, &a, dice);
    if (!gm_ok() || !gm__pixels_of(&p, op, gm_image_crop(p.t, b.top, b.left, b.height, b.width))) return NULL;
    return gm_return(&s, resample_to(op, &p, height, width, a.filter));
}
