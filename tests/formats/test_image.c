/* Pictures: what is written is read, every form of PNG and JPEG (the fuzzers' corpus), channels, scaling, bad files.
 * (Against Pillow: test_image_peer.py.) */
#include "base/object.h"
#include "check_error.h"
#include "formats/image.h"

#include <math.h>

#define PNG(name) "tests/fuzz/corpus/png/" name
#define JPEG(name) "tests/fuzz/corpus/jpeg/" name

static bool is_shape(gm_tensor *t, int64_t h, int64_t w, int64_t c) {
    return t && gm_dtype_of(t) == GM_U8 && gm_shape_equal(gm_shape_of(t), GM_SHAPE(h, w, c));
}

static bool same(gm_tensor *a, gm_tensor *b) {
    return a && b && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) &&
        !memcmp(gm_data(a), gm_data(b), (size_t)gm_count(a));
}

static int farthest(gm_tensor *a, gm_tensor *b) {
    int most = a && b && gm_count(a) == gm_count(b) ? 0 : 256;
    for (int64_t i = 0; most < 256 && i < gm_count(a); i++) {
        int d = abs(((const uint8_t *)gm_data(a))[i] - ((const uint8_t *)gm_data(b))[i]);
        if (d > most) most = d;
    }
    return most;
}

/* The picture that make_corpus.py draws. */
static gm_tensor *slopes(int h, int w, int channels) {
    gm_tensor *t = gm_empty(GM_SHAPE(h, w, channels), GM_U8);
    uint8_t *at = gm_mutable_data(t);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double plane[4] = { x / (w - 1.0), y / (h - 1.0), (x + y) / (w + h - 1.0), 1 - x * y / (double)(w * h) };
            for (int c = 0; c < channels; c++) *at++ = (uint8_t)rint(plane[c] * 255);
        }
    return t;
}

static void written_is_read(void) {
    GM_SCOPE(s);
    const char *path = temporary_path("a.png");
    uint8_t noise[7 * 5 * 4];
    for (int i = 0; i < 140; i++) noise[i] = (uint8_t)(i * i * 31 >> 3);
    for (int c = 1; c <= 4; c++) {
        gm_tensor *t = gm_from_data(GM_SHAPE(7, 5, c), GM_U8, noise);
        CHECK(gm_write_png(path, t) && same(gm_read_image(path), t), "%d channels: %s", c, gm_error_message());
    }
    CHECK(gm_write_png(path, gm_from_data(GM_SHAPE(7, 5), GM_U8, noise)) && is_shape(gm_read_image(path), 7, 5, 1));
    CHECK(!gm_write_png(path, gm_from_data(GM_SHAPE(35), GM_U8, noise)) && fails_with(GM_ERROR_SHAPE, "[35], [H, W]"));
    CHECK(!gm_write_png(path, gm_from_data(GM_SHAPE(5, 5), GM_I8, noise)) &&
          fails_with(GM_ERROR_DTYPE, "i8, u8 is needed"));
    CHECK(!gm_write_png(path, gm_from_data(GM_SHAPE(2, 2, 5), GM_U8, noise)) &&
          fails_with(GM_ERROR_VALUE, "5 channels"));
    CHECK(!gm_write_png(path, NULL) && fails_with(GM_ERROR_HANDLE, "NULL"));
    CHECK(!gm_write_png("/nonexistent/a.png", gm_from_data(GM_SHAPE(2, 2), GM_U8, noise)) &&
          fails_with(GM_ERROR_IO, "/nonexistent/a.png"));
    unlink(path);
}

static void png_forms(void) {
    GM_SCOPE(s);
    static const struct { const char *path; int channels; } forms[] = {
        { PNG("gray8.png"), 1 },         { PNG("gray8i.png"), 1 },      { PNG("gray16.png"), 1 },
            { PNG("gray16i.png"), 1 },
        { PNG("gray_alpha8.png"), 2 },   { PNG("gray_alpha8i.png"), 2 }, { PNG("gray_alpha16.png"), 2 },
        { PNG("gray_alpha16i.png"), 2 }, { PNG("rgb8.png"), 3 },        { PNG("rgb8i.png"), 3 },   { PNG("rgb16.png"),
            3 },
        { PNG("rgb16i.png"), 3 },        { PNG("rgba8.png"), 4 },       { PNG("rgba8i.png"), 4 },
            { PNG("rgba16.png"), 4 },
        { PNG("rgba16i.png"), 4 },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        CHECK(farthest(gm_read_image(forms[i].path), slopes(9, 13, forms[i].channels)) <= 1, "%s", forms[i].path);
    CHECK(farthest(gm_read_image(PNG("gray4.png")), slopes(9, 13, 1)) <= 9);
    CHECK(farthest(gm_read_image(PNG("gray2.png")), slopes(9, 13, 1)) <= 43);
    CHECK(farthest(gm_read_image(PNG("gray1i.png")), slopes(9, 13, 1)) <= 128);
    CHECK(is_shape(gm_read_image(PNG("palette4.png")), 9, 13, 3) &&
          is_shape(gm_read_image(PNG("palette1.png")), 9, 13, 3));
    gm_tensor *t = gm_read_image(PNG("palette8t.png"));
    CHECK(is_shape(t, 9, 13, 4) && ((const uint8_t *)gm_data(t))[3] == 0 && ((const uint8_t *)gm_data(t))[7] == 255);
    CHECK(same(gm_read_image(PNG("palette8t.png"), .channels = 3), gm_read_image(PNG("palette8.png"))));
    CHECK(is_shape(gm_read_image(PNG("rgb8t.png")), 9, 13, 4) && is_shape(gm_read_image(PNG("gray8t.png")), 9, 13, 2));
    CHECK(is_shape(gm_read_image(PNG("one.png")), 1, 1, 3) && gm_ok());
}

static void channels(void) {
    GM_SCOPE(s);
    static const char *const paths[] = { PNG("gray8.png"), PNG("gray_alpha8.png"), PNG("rgb8.png"), PNG("rgba8.png"),
                                         JPEG("gray.jpg"), JPEG("rgb.jpg"),        JPEG("cmyk.jpg") };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (int c = 1; c <= 4; c++)
            if (c != 2) CHECK(gm_size(gm_read_image(paths[i], .channels = c), 2) == c, "%s %d", paths[i], c);
    CHECK(same(gm_read_image(PNG("rgba8.png"), .channels = 3), gm_read_image(PNG("rgb8.png"))));
    const uint8_t *four = gm_data(gm_read_image(PNG("rgb8.png"), .channels = 4));
    const uint8_t *gray = gm_data(gm_read_image(PNG("gray8.png"), .channels = 3)), *luma;
    luma = gm_data(gm_read_image(PNG("rgb8.png"), .channels = 1));
    const uint8_t *rgb = gm_data(gm_read_image(PNG("rgb8.png")));
    int wrong = 0;
    for (int i = 0; i < 9 * 13; i++) {
        wrong += four[4 * i + 3] != 255 || four[4 * i + 1] != rgb[3 * i + 1] || gray[3 * i] != gray[3 * i + 2];
        wrong += fabs(luma[i] - (.299 * rgb[3 * i] + .587 * rgb[3 * i + 1] + .114 * rgb[3 * i + 2])) > .51;
    }
    CHECK(wrong == 0);
    const uint8_t *with_alpha = gm_data(gm_read_image(PNG("gray_alpha8.png"), .channels = 4));
    CHECK(with_alpha[4 * 116 + 3] == 255 && with_alpha[3] == 0);
    CHECK(!gm_read_image(PNG("rgb8.png"), .channels = 2) && fails_with(GM_ERROR_VALUE, "channels is 2"));
    CHECK(!gm_read_image(PNG("rgb8.png"), .channels = 5) && fails_with(GM_ERROR_VALUE, "channels is 5"));
    CHECK(!gm_read_image(PNG("rgb8.png"), .min_size = -1) && fails_with(GM_ERROR_VALUE, "min_size is -1"));
}

static void jpeg_forms(void) {
    GM_SCOPE(s);
    CHECK(farthest(gm_read_image(JPEG("rgb.jpg")), slopes(19, 37, 3)) <= 6);
    CHECK(farthest(gm_read_image(JPEG("gray.jpg")), slopes(19, 37, 1)) <= 4);
    CHECK(farthest(gm_read_image(JPEG("keep_rgb.jpg")), slopes(19, 37, 3)) <= 6);
    CHECK(farthest(gm_read_image(JPEG("rgb420.jpg")), slopes(19, 37, 3)) <= 40);
    CHECK(same(gm_read_image(JPEG("progressive.jpg")), gm_read_image(JPEG("rgb.jpg"))));
    CHECK(same(gm_read_image(JPEG("restart.jpg")), gm_read_image(JPEG("rgb.jpg"))));
    CHECK(is_shape(gm_read_image(JPEG("cmyk.jpg")), 19, 37, 3));
    CHECK(is_shape(gm_read_image(JPEG("rgb.jpg"), .min_size = 19), 19, 37, 3));
    CHECK(is_shape(gm_read_image(JPEG("rgb.jpg"), .min_size = 11), 19, 37, 3));
    CHECK(is_shape(gm_read_image(JPEG("rgb.jpg"), .min_size = 10), 10, 19, 3));
    CHECK(is_shape(gm_read_image(JPEG("rgb.jpg"), .min_size = 5), 5, 10, 3));
    CHECK(is_shape(gm_read_image(JPEG("rgb.jpg"), .min_size = 1), 3, 5, 3));
    CHECK(is_shape(gm_read_image(JPEG("cmyk.jpg"), .min_size = 5, .channels = 1), 5, 10, 1));
    CHECK(is_shape(gm_read_image(PNG("rgb8.png"), .min_size = 1), 9, 13, 3), "a PNG is never scaled");
}

static void bad_files(void) {
    GM_SCOPE(s);
    CHECK(!gm_read_image("/nonexistent/x.png") && fails_with(GM_ERROR_IO,
                                                             "read_image: cannot read /nonexistent/x.png"));
    CHECK(!gm_read_image("tests/fuzz") && fails_with(GM_ERROR_IO, "it is a directory"));
    CHECK(!gm_decode_image("", 0) && fails_with(GM_ERROR_FORMAT, "decode_image: memory: the file is empty"));
    CHECK(!gm_decode_image(NULL, 5) && fails_with(GM_ERROR_FORMAT, "empty"));
    CHECK(!gm_decode_image("BM\1\2\3", 5) && fails_with(GM_ERROR_FORMAT,
                                                        "neither JPEG nor PNG: it begins with 42 4d 01 02"));
    CHECK(!gm_decode_image("G", 1) && fails_with(GM_ERROR_FORMAT, "begins with 47"));
    CHECK(!gm_read_image(PNG("bad_crc.png")) && fails_with(GM_ERROR_FORMAT, PNG("bad_crc.png") ": PNG: "));
    CHECK(!gm_read_image(PNG("bad_size.png")) && fails_with(GM_ERROR_FORMAT, "PNG: "));
    CHECK(!gm_read_image(PNG("bad_zero.png")) && fails_with(GM_ERROR_FORMAT, "PNG: "));
    CHECK(!gm_read_image(PNG("bad_large.png")) && fails_with(GM_ERROR_FORMAT, "131072x4096 pixels, at most 268435456"));
    CHECK(!gm_read_image(JPEG("bad_cut.jpg")) && fails_with(GM_ERROR_FORMAT, JPEG("bad_cut.jpg") ": JPEG: truncated"));
    CHECK(!gm_read_image(JPEG("bad_magic.jpg")) && fails_with(GM_ERROR_FORMAT, "JPEG: "));
    CHECK(!gm_read_image(JPEG("bad_large.jpg")) && fails_with(GM_ERROR_FORMAT, "65500x65500 pixels"));
}

/* Cut anywhere, a file is refused, and nothing leaks. */
static void cut_files(void) {
    static const char *const paths[] = { PNG("rgb8i.png"), PNG("palette8t.png"), JPEG("rgb.jpg"),
        JPEG("progressive.jpg"),
                                         JPEG("cmyk.jpg") };
    int64_t before = gm__n_objects();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        static char bytes[20000];
        FILE *f = fopen(paths[i], "rb");
        size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
        if (f) fclose(f);
        int accepted = 0;
        for (size_t cut = 0; cut + 2 < n;
             cut += 1 + cut / 40) { /* without its last two bytes a JPEG has all its pixels */
            char *exact = malloc(cut + 1);
            memcpy(exact, bytes, cut);
            accepted += gm_decode_image(exact, cut) != NULL || gm_error_code() != GM_ERROR_FORMAT;
            gm_error_clear();
            free(exact);
        }
        CHECK(n > 100 && accepted == 0, "%s: %d", paths[i], accepted);
    }
    CHECK(gm__n_objects() == before);
}

static void failing_allocations(void) {
    static const char *const paths[] = { PNG("gray_alpha8.png"), JPEG("cmyk.jpg") };
    int64_t before = gm__n_objects();
    for (int p = 0; p < 2; p++) {
        gm__fail_allocation(0, false);
        {
            GM_SCOPE(s);
            CHECK(gm_read_image(paths[p], .channels = 4));
        }
        int64_t n = gm__allocation_count();
        int wrong = 0;
        for (int64_t i = 1; i <= n; i++) {
            gm__fail_allocation(i, false);
            wrong += gm_read_image(paths[p], .channels = 4) || gm_error_code() != GM_ERROR_MEMORY;
            gm_error_clear();
        }
        gm__fail_allocation(0, false);
        CHECK(n >= 6 && wrong == 0 && gm__n_objects() == before, "%d of %lld", wrong, (long long)n);
    }
}

static void without_libraries(void) {
    CHECK(!gm_read_image(PNG("rgb8.png")) && fails_with(GM_ERROR_UNSUPPORTED, "libpng (Debian: libpng-dev)"));
    CHECK(!gm_read_image(JPEG("rgb.jpg")) && fails_with(GM_ERROR_UNSUPPORTED, "(Debian: libjpeg62-turbo-dev)"));
}

int main(void) {
#if defined(GM_HAVE_PNG) && defined(GM_HAVE_JPEG)
    RUN(written_is_read);
    RUN(png_forms);
    RUN(channels);
    RUN(jpeg_forms);
    RUN(bad_files);
    RUN(cut_files);
    RUN(failing_allocations);
    (void)without_libraries;
#elif !defined(GM_HAVE_PNG) && !defined(GM_HAVE_JPEG)
    RUN(without_libraries);
#else
    printf("SKIPPED: only one of libpng and libjpeg is in this build\n");
    CHECK(true);
#endif
    return check_done();
}
