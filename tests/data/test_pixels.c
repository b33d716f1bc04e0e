/* test_pixels.c: pictures beside what Pillow and torchvision make of them (tests/data/data/pixels.txt, recorded by
 * record_pixels.py), and the random transforms' promises. */
#include "check_error.h"
#include "gemel/gemel.h"

#include <math.h>

enum { RECORD_MOST = 1 << 15 };
typedef struct {
    char name[64];
    gm_tensor *t;
} record;

/* The recorded picture called `name`. */
static gm_tensor *recorded(const char *name) {
    static char line[RECORD_MOST];
    static uint8_t bytes[RECORD_MOST];
    size_t n = strlen(name);
    gm_tensor *t = NULL;
    FILE *f = fopen("tests/data/data/pixels.txt", "r");
    while (f && !t && fgets(line, sizeof line, f)) {
        char kind[8];
        int dims, used;
        gm_shape s = { 0 };
        if (strncmp(line, name, n) || line[n] != ' ' || (line[n + 1] != 'u' && line[n + 1] != 'f')) continue;
        const char *at = line + n;
        if (sscanf(at, "%7s %d%n", kind, &dims, &used) != 2) continue;
        at += used;
        s.n = dims;
        for (int i = 0; i < dims && i < 3; i++) s.d[i] = strtoll(at, (char **)&at, 10);
        size_t count = (size_t)gm_shape_count(s) * (*kind == 'u' ? 1 : 4);
        at++;
        for (size_t i = 0; i < count && i < sizeof bytes; i++) {
            unsigned byte = 0;
            sscanf(at + 2 * i, "%2x", &byte);
            bytes[i] = (uint8_t)byte;
        }
        t = gm_from_data(s, *kind == 'u' ? GM_U8 : GM_F32, bytes);
    }
    if (f) fclose(f);
    CHECK(t, "nothing is recorded for %s", name);
    return t;
}

static double distance(gm_tensor *a, gm_tensor *b) {
    if (!a || !b || gm_count(a) != gm_count(b)) return INFINITY;
    double most = 0;
    for (int64_t i = 0; i < gm_count(a); i++) {
        bool u8 = gm_dtype_of(a) == GM_U8;
        double x = u8 ? ((const uint8_t *)gm_data(a))[i] : (double)((const float *)gm_data(a))[i];
        double y = u8 ? ((const uint8_t *)gm_data(b))[i] : (double)((const float *)gm_data(b))[i];
        most = fmax(most, fabs(x - y));
    }
    return most;
}

static void check_same(const char *name, gm_tensor *got, double tolerance) {
    gm_tensor *want = recorded(name);
    char a[400] = "", b[400] = "";
    gm_shape_text(gm_shape_of(got), a, sizeof a);
    gm_shape_text(gm_shape_of(want), b, sizeof b);
    CHECK(gm_ok() && gm_shape_equal(gm_shape_of(got), gm_shape_of(want)) && gm_dtype_of(got) == gm_dtype_of(want),
          "%s: %s, wanted %s; %s", name, a, b, gm_error_message());
    CHECK(distance(got, want) <= tolerance, "%s: off by %g", name, distance(got, want));
    gm_error_clear();
}

/* [H, W, C] as a row-major [C, H, W] and back. */
static gm_tensor *planar(gm_tensor *t) { return gm_contiguous(gm_permute(t, (int32_t[]){ 2, 0, 1 }, 3)); }
static gm_tensor *interleaved(gm_tensor *t) { return gm_contiguous(gm_permute(t, (int32_t[]){ 1, 2, 0 }, 3)); }

static void sizes(void) {
    static const char *const names[] = { "bilinear", "bicubic", "nearest" };
    static const int sizes[][2] = { { 7, 6 }, { 22, 19 }, { 13, 5 }, { 3, 11 } };
    GM_SCOPE(s);
    gm_tensor *picture = recorded("picture"), *gray = gm_contiguous(gm_squeeze(recorded("grayscale"), 2));
    for (int f = 0; f < 3; f++) {
        char name[64];
        for (int i = 0; i < 4; i++) {
            int64_t h = sizes[i][0], w = sizes[i][1];
            snprintf(name, sizeof name, "resize %s %d %d", names[f], sizes[i][0], sizes[i][1]);
            check_same(name, gm_image_resize(picture, h, w, f), 0);
            if (w > 4) check_same(name, interleaved(gm_image_resize(planar(picture), h, w, f)), 0);
        }
        snprintf(name, sizeof name, "resize_gray %s 6 5", names[f]);
        check_same(name, gm_image_resize(gray, 6, 5, f), 0);
        snprintf(name, sizeof name, "resize_f32 %s 6 14", names[f]);
        check_same(name, gm_image_resize(gm_div_scalar(gm_cast(gray, GM_F32), 255), 6, 14, f), 1e-7);
    }
    check_same("resize_shorter bilinear 7", gm_image_resize_shorter(picture, 7, GM_BILINEAR), 0);
    check_same("resize_shorter bilinear 16", gm_image_resize_shorter(picture, 16, GM_BILINEAR), 0);
}

/* Wide pictures go through loops of their own; one that has only one value keeps it. */
static void wide_sizes(void) {
    GM_SCOPE(s);
    gm_tensor *flat = gm_full(GM_SHAPE(50, 203, 3), 137, GM_U8);
    for (gm_filter f = GM_BILINEAR; f <= GM_NEAREST; f++)
        CHECK(distance(gm_image_resize(flat, 31, 150, f), gm_full(GM_SHAPE(31, 150, 3), 137, GM_U8)) == 0);
    gm_tensor *noise = gm_cast(gm_randint(GM_SHAPE(50, 203, 3), 0, 256, GM_I64), GM_U8);
    gm_tensor *whole = gm_image_resize(noise, 31, 203, GM_BICUBIC);
    for (int64_t x = 0; x < 203; x += 5) { /* columns are independent of each other */
        gm_tensor *part = gm_contiguous(gm_narrow(noise, 1, x, 2)), *want = gm_contiguous(gm_narrow(whole, 1, x, 2));
        CHECK(distance(gm_image_resize(part, 31, 2, GM_BICUBIC), want) == 0);
    }
    for (gm_filter f = GM_BILINEAR; f <= GM_BICUBIC; f++) /* rows, too */
        for (int64_t w = 40; w < 400; w += 93) {
            whole = gm_image_resize(noise, 50, w, f);
            for (int64_t y = 0; y < 50; y++) {
                gm_tensor *part = gm_contiguous(gm_narrow(noise, 0, y, 1));
                CHECK(distance(gm_image_resize(part, 1, w, f), gm_contiguous(gm_narrow(whole, 0, y, 1))) == 0);
            }
        }
    CHECK(gm_ok(), "%s", gm_error_message());
}

static void crops(void) {
    GM_SCOPE(s);
    gm_tensor *picture = recorded("picture");
    check_same("center_crop 6 5", gm_image_center_crop(picture, 6, 5), 0);
    check_same("center_crop 7 8", gm_image_center_crop(picture, 7, 8), 0);
    check_same("center_crop 20 6", gm_image_center_crop(picture, 20, 6), 0);
    check_same("center_crop 20 6", interleaved(gm_image_center_crop(planar(picture), 20, 6)), 0);
    gm_tensor *out = gm_image_crop(picture, 20, -30, 4, 5);
    CHECK(distance(out, gm_zeros(GM_SHAPE(4, 5, 3), GM_U8)) == 0);
    check_same("flip_horizontal", gm_image_flip_horizontal(picture), 0);
    check_same("flip_vertical", gm_image_flip_vertical(picture), 0);
    check_same("flip_horizontal", interleaved(gm_image_flip_horizontal(planar(picture))), 0);
}

static void values(void) {
    static const double mean[] = { 0.485, 0.456, 0.406 }, std[] = { 0.229, 0.224, 0.225 };
    GM_SCOPE(s);
    gm_tensor *picture = recorded("picture");
    check_same("to_tensor", gm_image_to_tensor(picture), 0);
    check_same("to_tensor", gm_image_to_tensor(planar(picture)), 0);
    check_same("normalize", gm_image_normalize(picture, mean, std, 3), 0);
    check_same("normalize", gm_image_normalize(planar(picture), mean, std, 3), 0);
    check_same("normalize", gm_image_normalize(gm_image_to_tensor(picture), mean, std, 3), 0);
    gm_tensor *gray = gm_image_normalize(recorded("grayscale"), mean, std, 1);
    CHECK(gm_shape_equal(gm_shape_of(gray), GM_SHAPE(1, 13, 11)));
}

static void rotations(void) {
    static const double degrees[] = { 30, -77.5, 90, 180, 270, 0 };
    GM_SCOPE(s);
    gm_tensor *picture = recorded("picture"), *square = recorded("square");
    for (int i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "rotate nearest %g", degrees[i]);
        check_same(name, gm_image_rotate(picture, degrees[i], GM_NEAREST), 0);
        check_same(name, interleaved(gm_image_rotate(planar(picture), degrees[i] - 720, GM_NEAREST)), 0);
        snprintf(name, sizeof name, "rotate bilinear %g", degrees[i]);
        check_same(name, gm_image_rotate(picture, degrees[i], GM_BILINEAR), 0);
        check_same(name, interleaved(gm_image_rotate(planar(picture), degrees[i], GM_BILINEAR)), 0);
    }
    check_same("rotate_square nearest 90", gm_image_rotate(square, 90, GM_BILINEAR), 0);
    gm_tensor *back = gm_image_rotate(gm_image_rotate(planar(square), 90, GM_BILINEAR), 270, GM_BILINEAR);
    CHECK(distance(back, planar(square)) == 0);
    CHECK(distance(gm_image_rotate(gm_image_rotate(square, 90, 0), 90, 0), gm_image_rotate(square, 180, 0)) == 0);
    gm_tensor *real = gm_image_to_tensor(picture), *turned = gm_image_rotate(real, 30, GM_BILINEAR);
    CHECK(distance(gm_mul_scalar(turned, 255), gm_cast(planar(recorded("rotate bilinear 30")), GM_F32)) < 1.001);
}

static void check_colours(const char *kind, double factor, gm_tensor *got, gm_tensor *got_planar) {
    char name[64];
    snprintf(name, sizeof name, "%s %.1f", kind, factor);
    if (factor == 0.45) snprintf(name, sizeof name, "%s %.2f", kind, factor);
    check_same(name, got, 0);
    check_same(name, interleaved(got_planar), 0);
}

static void colours(void) {
    static const double factors[] = { 0, 0.3, 1, 1.7 }, shifts[] = { -0.5, -0.1, 0, 0.2, 0.45 };
    GM_SCOPE(s);
    gm_tensor *p = recorded("picture"), *q = planar(p), *f = gm_image_to_tensor(p);
    check_same("grayscale", gm_image_grayscale(p), 0);
    check_same("grayscale", interleaved(gm_image_grayscale(q)), 0);
    for (int i = 0; i < 4; i++) {
        double x = factors[i];
        check_colours("brightness", x, gm_image_brightness(p, x), gm_image_brightness(q, x));
        check_colours("contrast", x, gm_image_contrast(p, x), gm_image_contrast(q, x));
        check_colours("saturation", x, gm_image_saturation(p, x), gm_image_saturation(q, x));
    }
    for (int i = 0; i < 5; i++) check_colours("hue", shifts[i], gm_image_hue(p, shifts[i]), gm_image_hue(q, shifts[i]));
    /* f32: PyTorch adds up the mean in another order */
    for (int i = 0; i < 2; i++) {
        char name[64];
        double x = i ? 1.7 : 0.3;
        snprintf(name, sizeof name, "brightness_f32 %g", x);
        check_same(name, gm_image_brightness(f, x), 1e-7);
        snprintf(name, sizeof name, "contrast_f32 %g", x);
        check_same(name, gm_image_contrast(f, x), 1e-6);
        snprintf(name, sizeof name, "saturation_f32 %g", x);
        check_same(name, gm_image_saturation(f, x), 1e-6);
    }
    check_same("hue_f32 0.2", gm_image_hue(f, 0.2), 2e-6);
    gm_tensor *gray = gm_image_grayscale(p);
    CHECK(gm_image_hue(gray, 0.3) && distance(gm_image_hue(gray, 0.3), gray) == 0);
    CHECK(distance(gm_image_saturation(gray, 0.3), gray) == 0);
}

static void erasing(void) {
    GM_SCOPE(s);
    gm_tensor *p = recorded("picture"), *hole = gm_image_erase(p, 3, -2, 4, 5, 9);
    const uint8_t *a = gm_data(p), *b = gm_data(hole);
    for (int y = 0; y < 13; y++)
        for (int x = 0; x < 11; x++)
            for (int c = 0; c < 3; c++) {
                int at = (y * 11 + x) * 3 + c, inside = y >= 3 && y < 7 && x < 3;
                if (b[at] != (inside ? 9 : a[at])) CHECK(false, "at %d %d %d", y, x, c);
            }
    CHECK(distance(gm_image_erase(planar(p), 3, -2, 4, 5, 9), planar(hole)) == 0);
    CHECK(distance(gm_image_erase(p, 20, 0, 4, 5, 9), p) == 0);
    int erased = 0;
    gm_tensor *f = gm_image_to_tensor(p);
    for (int i = 0; i < 100; i++) {
        gm_dice dice = gm_dice_of(5, 0, i), same = dice;
        gm_tensor *y = gm_image_random_erasing(f, &dice, .p = GM_REAL(0.25), .value = 7);
        double sevens = gm_item(gm_sum(gm_cast(gm_eq(y, gm_full_like(y, 7)), GM_F64))) / 3;
        CHECK(sevens == 0 || (sevens >= 1 && sevens <= 0.5 * 143), "%g", sevens);
        erased += sevens > 0;
        CHECK(distance(y, gm_image_random_erasing(f, &same, .p = GM_REAL(0.25), .value = 7)) == 0);
    }
    CHECK(erased > 10 && erased < 40, "%d of 100", erased);
}

/* ---- batches ---- */

static gm_pack *batch_of(int64_t n) {
    gm_tensor *x = gm_empty(GM_SHAPE(n, 2, 6, 5), GM_F32);
    float *v = gm_mutable_data(x);
    for (int64_t i = 0; i < n * 60; i++) v[i] = (float)(i / 60) * 10;
    return GM_PACK({ "x", x, NULL }, { "y", gm_arange(0, n, 1, GM_I64), NULL },
                   { "id", gm_arange(0, n, 1, GM_I64), NULL });
}

/* What share of its own example b of y [B, C] has; -1 if anything else is in it. */
static double own_share(gm_tensor *y, int64_t b) {
    int64_t n = gm_size(y, 0), c = gm_size(y, 1), other = (b + n - 1) % n;
    const float *v = (const float *)gm_data(y) + b * c;
    for (int64_t i = 0; i < c; i++)
        if (i != b && i != other && v[i] != 0) return -1;
    return fabs((double)v[b] + (double)v[other] - 1) < 1e-6 ? (double)v[b] : -1;
}

static void mixed(void) {
    GM_SCOPE(all);
    double mean = 0, square = 0;
    enum { N = 400 };
    for (int i = 0; i < N; i++) {
        GM_SCOPE(s);
        gm_dice dice = gm_dice_of(8, 1, i), same = dice;
        gm_pack *b = gm_mixup(batch_of(4), 5, 0.4, &dice), *again = gm_mixup(batch_of(4), 5, 0.4, &same);
        gm_tensor *x = gm_get(b, "x"), *y = gm_get(b, "y");
        if (!x) break;
        double share = own_share(y, 2);
        const float *v = (const float *)gm_data(x) + 2 * 60;
        CHECK(share >= 0 && fabs((double)v[7] - (20 * share + 10 * (1 - share))) < 1e-4, "%g: %g", share, (double)v[7]);
        CHECK(distance(x, gm_get(again, "x")) == 0 && gm_pack_has(b, "id"));
        mean += share / N, square += share * share / N;
    }
    /* Beta(0.4, 0.4): mean 1/2, variance 1 / (4 (2 alpha + 1)) = 0.1389; four standard errors of 400 draws */
    CHECK(fabs(mean - 0.5) < 0.075 && fabs(square - mean * mean - 0.1389) < 0.03, "%g %g", mean, square - mean * mean);
    for (int i = 0; i < 50; i++) {
        GM_SCOPE(s);
        gm_dice dice = gm_dice_of(8, 2, i);
        gm_pack *b = gm_cutmix(batch_of(3), 3, 1, &dice);
        gm_tensor *x = gm_get(b, "x"), *y = gm_get(b, "y");
        if (!x) break;
        const float *v = (const float *)gm_data(x) + 60;
        int own = 0, other = 0, differ = 0;
        for (int k = 0; k < 30; k++) own += v[k] == 10, other += v[k] == 0, differ += v[k] != v[k + 30];
        CHECK(own + other == 30 && !differ && fabs(own_share(y, 1) - own / 30.0) < 1e-6, "%d %d", own, other);
    }
    CHECK(gm_ok(), "%s", gm_error_message());
}

/* The same numbers give the same picture; other ones another. */
static void random_ones(void) {
    GM_SCOPE(s);
    gm_tensor *picture = recorded("picture");
    int differ = 0, flipped = 0;
    for (int64_t i = 0; i < 50; i++) {
        gm_dice a = gm_dice_of(1, 0, i), b = a, c = gm_dice_of(1, 1, i);
        gm_tensor *x = gm_image_random_resized_crop(picture, 8, 9, &a),
                  *y = gm_image_random_resized_crop(picture, 8, 9, &b);
        CHECK(distance(x, y) == 0 && gm_shape_equal(gm_shape_of(x), GM_SHAPE(8, 9, 3)));
        differ += distance(x, gm_image_random_resized_crop(picture, 8, 9, &c)) > 0;
        gm_tensor *crop = gm_image_random_crop(picture, 13, 11, 4, &a);
        CHECK(distance(crop, gm_image_random_crop(picture, 13, 11, 4, &b)) == 0);
        flipped += distance(gm_image_random_flip_horizontal(picture, 0.3, &a), picture) > 0;
    }
    CHECK(differ > 40 && flipped > 5 && flipped < 28);
    differ = 0;
    for (int64_t i = 0; i < 50; i++) {
        gm_dice a = gm_dice_of(1, 0, i), b = a;
        gm_tensor *x =
            gm_image_color_jitter(picture, &a, .brightness = 0.4, .contrast = 0.4, .saturation = 2, .hue = 0.1);
        gm_tensor *y =
            gm_image_color_jitter(picture, &b, .brightness = 0.4, .contrast = 0.4, .saturation = 2, .hue = 0.1);
        differ += distance(x, picture) > 0;
        CHECK(distance(x, y) == 0 && distance(gm_image_color_jitter(picture, &a), picture) == 0);
        CHECK(distance(gm_image_random_rotate(picture, -30, 30, GM_BILINEAR, &a), picture) > 0);
    }
    CHECK(differ > 48);
    gm_dice d = gm_dice_of(2, 0, 0);
    gm_tensor *whole = gm_image_random_resized_crop(picture, 13, 11, &d, .area_low = 1, .ratio_low = 11.0 / 13,
                                                    .ratio_high = 11.0 / 13);
    CHECK(distance(whole, picture) == 0);
    CHECK(gm_ok(), "%s", gm_error_message());
}

static void expect(gm_tensor *nothing, gm_error code, const char *text) {
    CHECK(!nothing && gm_error_code() == code && strstr(gm_error_message(), text), "%s", gm_error_message());
    gm_error_clear();
}

static void refusals(void) {
    GM_SCOPE(s);
    gm_tensor *picture = recorded("picture");
    gm_dice d = gm_dice_of(0, 0, 0);
    expect(gm_image_resize(picture, 0, 5, GM_BILINEAR), GM_ERROR_VALUE, "of 0x5");
    expect(gm_image_resize(picture, 5, 5, 7), GM_ERROR_VALUE, "filter 7");
    expect(gm_image_resize(gm_cast(picture, GM_I64), 5, 5, 0), GM_ERROR_DTYPE, "i64");
    expect(gm_image_resize(gm_zeros(GM_SHAPE(5), GM_U8), 5, 5, 0), GM_ERROR_SHAPE, "[5]");
    expect(gm_image_random_crop(picture, 30, 5, 4, &d), GM_ERROR_SHAPE, "30x5");
    expect(gm_image_normalize(picture, (double[]){ 0, 0 }, (double[]){ 1, 1 }, 2), GM_ERROR_VALUE, "2 means");
    expect(gm_image_normalize(picture, (double[]){ 0 }, (double[]){ 0 }, 1), GM_ERROR_VALUE, "std[0]");
    expect(gm_image_rotate(picture, 5, GM_BICUBIC), GM_ERROR_VALUE, "filter 1");
    expect(gm_image_rotate(picture, INFINITY, GM_NEAREST), GM_ERROR_VALUE, "by inf");
    expect(gm_image_brightness(picture, -1), GM_ERROR_VALUE, "a factor of -1");
    expect(gm_image_hue(picture, 0.6), GM_ERROR_VALUE, "a shift of 0.6");
    expect(gm_image_saturation(gm_zeros(GM_SHAPE(5, 5, 2), GM_U8), 0.5), GM_ERROR_SHAPE, "2 channels");
    expect(gm_image_color_jitter(picture, &d, .hue = 1), GM_ERROR_VALUE, "hue 1 (0 to 0.5)");
    expect(gm_image_random_erasing(picture, &d, .area_low = 2), GM_ERROR_VALUE, "areas from 2");
    CHECK(!gm_mixup(batch_of(2), 5, 0, &d) && fails_with(GM_ERROR_VALUE, "alpha is 0"));
    CHECK(!gm_mixup(batch_of(6), 5, 1, &d) && fails_with(GM_ERROR_INDEX, "5"));
    CHECK(!gm_cutmix(GM_PACK({ "x", picture, NULL }, { "y", gm_zeros(GM_SHAPE(13), GM_I64), NULL }), 5, 1, &d) &&
          fails_with(GM_ERROR_SHAPE, "x is [13, 11, 3], [B, C, H, W]"));
    expect(gm_image_random_resized_crop(picture, 5, 5, &d, .area_low = 2), GM_ERROR_VALUE, "areas from 2");
}

int main(void) {
    RUN(sizes);
    RUN(wide_sizes);
    RUN(crops);
    RUN(values);
    RUN(rotations);
    RUN(colours);
    RUN(erasing);
    RUN(mixed);
    RUN(random_ones);
    RUN(refusals);
    return check_done();
}
