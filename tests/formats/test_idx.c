/* test_idx.c: IDX files: values, big-endian types, files that are short, long or lie about their sizes. PNG files read back. */
#include <gemel/gemel.h>

#include <unistd.h>

#include "../check.h"

static const char *write_file(const void *bytes, size_t n) {
    static char path[64];
    snprintf(path, sizeof path, "test_idx_%d.tmp", (int)getpid());
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n);
    if (f) fclose(f);
    return path;
}

static void fails(const char *bytes, size_t n, gm_error code, const char *what) {
    CHECK(!gm_load_idx(write_file(bytes, n)) && gm_error_code() == code && strstr(gm_error_message(), what), "%s",
          gm_error_message());
    gm_error_clear();
}

static void idx(void) {
    GM_SCOPE(s);
    gm_tensor *t = gm_load_idx(write_file("\0\0\x08\2\0\0\0\2\0\0\0\3abcdef", 18));
    CHECK(t && gm_dtype_of(t) == GM_U8 && gm_shape_equal(gm_shape_of(t), GM_SHAPE(2, 3)));
    CHECK(t && !memcmp(gm_data(t), "abcdef", 6));
    t = gm_load_idx(write_file("\0\0\x0d\1\0\0\0\1\x3f\x80\0\0", 12));
    CHECK(t && gm_item(t) == 1.0);
    fails("\0\0\x08\2\0\0\0\2\0\0\0\3abcde", 17, GM_ERROR_FORMAT, "ends after 17 bytes");
    fails("\0\0\x08\2\0\0\0\2\0\0\0\3abcdefg", 19, GM_ERROR_FORMAT, "after the values");
    fails("\0\0\x08\1\x7f\xff\xff\xff" "ab", 10, GM_ERROR_FORMAT, "ends after 10 bytes");
    fails("\0\0\x08\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, GM_ERROR_FORMAT, "impossible");
    fails("\0\0\x07\1\0\0\0\1a", 9, GM_ERROR_FORMAT, "no IDX file");
    fails("\0\0", 2, GM_ERROR_FORMAT, "ends after 2 bytes");
    remove(write_file("", 0));
    CHECK(!gm_load_idx("no such file.idx") && gm_error_code() == GM_ERROR_IO);
    gm_error_clear();
}

static void png(void) {
    GM_SCOPE(s);
    const uint8_t pixels[12] = { 1, 2, 3, 4, 5, 6, 250, 251, 252, 253, 254, 255 };
    const char *path = write_file("", 0);
    CHECK(gm_png_write(path, pixels, 2, 2, 3));
    gm_tensor *t = gm_load_png(path, 3);
    if (gm_error_code() == GM_ERROR_UNSUPPORTED) {
        gm_error_clear();
    } else {
        const uint8_t planes[12] = { 1, 4, 250, 253, 2, 5, 251, 254, 3, 6, 252, 255 };
        CHECK(t && gm_shape_equal(gm_shape_of(t), GM_SHAPE(3, 2, 2)) && !memcmp(gm_data(t), planes, 12));
        CHECK(!gm_load_png(write_file("\x89PNG\r\n\x1a\n", 8), 1) && gm_error_code() == GM_ERROR_FORMAT);
        gm_error_clear();
    }
    remove(path);
}

int main(void) {
    RUN(idx);
    RUN(png);
    return check_done();
}
