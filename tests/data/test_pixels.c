/* test_pixels.c: pictures beside what Pillow and torchvision make of them (tests/data/data/pixels.txt, recorded by
 * record_pixels.py), and the random transforms' promises. */
#include "check.h"
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
    expect(gm_image_random_resized_crop(picture, 5, 5, &d, .area_low = 2), GM_ERROR_VALUE, "areas from 2");
}

int main(void) {
    RUN(sizes);
    RUN(wide_sizes);
    RUN(crops);
    RUN(values);
    RUN(random_ones);
    RUN(refusals);
    return check_done();
}
