/* IDX files: values, big-endian types, gzip, files that are short, long or lie about their sizes. */
#include "base/object.h"
#include "check_error.h"
#include "formats/readers.h"

#ifdef GM_HAVE_ZLIB
#  include <zlib.h>
#endif

static gm_tensor *decode(const char *bytes, size_t n) { return gm__idx_decode("x.idx", bytes, n); }

static bool refused(const char *bytes, size_t n, const char *part) {
    return !decode(bytes, n) && fails_with(GM_ERROR_FORMAT, part);
}

static void values(void) {
    GM_SCOPE(s);
    gm_tensor *t = decode("\0\0\x08\2\0\0\0\2\0\0\0\3abcdef", 18);
    CHECK(t && gm_dtype_of(t) == GM_U8 && gm_shape_equal(gm_shape_of(t), GM_SHAPE(2, 3)));
    CHECK(t && !memcmp(gm_data(t), "abcdef", 6));
    CHECK(gm_item(decode("\0\0\x09\1\0\0\0\1\xff", 9)) == -1);
    CHECK(gm_item(decode("\0\0\x0b\1\0\0\0\1\1\2", 10)) == 258);
    CHECK(gm_item(decode("\0\0\x0c\1\0\0\0\1\xff\xff\xff\xfe", 12)) == -2);
    CHECK(gm_item(decode("\0\0\x0d\1\0\0\0\1\x3f\x80\0\0", 12)) == 1);
    CHECK(gm_item(decode("\0\0\x0e\1\0\0\0\1\x40\x04\0\0\0\0\0\0", 16)) == 2.5);
    CHECK(gm_count(decode("\0\0\x08\2\0\0\0\0\0\0\0\3", 12)) == 0 && gm_ok());
}

static void bad_files(void) {
    CHECK(refused("", 0, "x.idx: the file is empty") && refused("\0\0", 2, "ends after 2 bytes"));
    CHECK(refused("\0\0\x08\2\0\0\0\2\0\0\0\3abcde", 17, "promises 6 bytes of values ([2, 3] of u8), the file has 17"));
    CHECK(refused("\0\0\x08\2\0\0\0\2\0\0\0\3abcdefg", 19, "after the values"));
    CHECK(refused("\0\0\x08\1\x7f\xff\xff\xff" "ab", 10, "promises 2147483647 bytes"));
    CHECK(refused("\0\0\x08\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, "impossible"));
    CHECK(refused("\0\0\x08\4\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20, "impossible"),
          "empty, but not possible");
    CHECK(refused("\0\0\x08\3\0\0\0\2\0\0", 10, "ends after 10 bytes"));
    CHECK(refused("\0\0\x07\1\0\0\0\1a", 9, "no IDX file: it begins 00 00 07 01"));
    CHECK(refused("\0\0\x08\0a", 5, "no IDX file") && refused("\0\0\x08\x09", 4, "no IDX file"));
    CHECK(refused("\x89PNG", 4, "no IDX file: it begins 89 50 4e 47"));
    CHECK(!gm_load_idx("/nonexistent/x.idx") && fails_with(GM_ERROR_IO,
                                                           "load_idx: cannot read /nonexistent/x.idx: No such"));
    CHECK(!gm_load_idx(NULL) && fails_with(GM_ERROR_VALUE, "NULL"));
}

#ifdef GM_HAVE_ZLIB
static size_t pack(const char *bytes, size_t n, char *out, size_t room) {
    z_stream z = { .next_in = (Bytef *)bytes, .avail_in = (uInt)n, .next_out = (Bytef *)out, .avail_out = (uInt)room };
    deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    size_t length = z.total_out;
    deflateEnd(&z);
    return length;
}

static void compressed(void) {
    GM_SCOPE(s);
    static char plain[100000] = "\0\0\x08\2\0\0\1\0\0\0\1", gz[100000];
    for (int i = 12; i < 12 + 65536; i++) plain[i] = (char)(i % 7);
    size_t n = pack(plain, 12 + 65536, gz, sizeof gz);
    gm_tensor *t = decode(gz, n);
    CHECK(gm_count(t) == 65536 && !memcmp(gm_data(t), plain + 12, 65536), "%s", gm_error_message());
    CHECK(refused(gz, n - 20, "truncated") && refused(gz, 5, "truncated") && refused(gz, n - 1, "truncated"));
    gz[n - 6] ^= 1;
    CHECK(refused(gz, n, "damaged"), "the check sum");
    gz[n - 6] ^= 1, gz[n] = 'x';
    CHECK(refused(gz, n + 1, "bytes follow the compressed data"));
    memset(gz + n, 0, 10);
    CHECK(decode(gz, n + 10), "zeros are padding");
    size_t half = pack(plain, 1000, gz, sizeof gz), rest = pack(plain + 1000, 12 + 65536 - 1000, gz + half, 50000);
    t = decode(gz, half + rest);
    CHECK(gm_count(t) == 65536 && !memcmp(gm_data(t), plain + 12, 65536), "two members");
    n = pack("\0\0\x08\3\0\0\xff\xff\0\0\xff\xff\0\0\0\1", 16, gz, sizeof gz);
    CHECK(refused(gz, n, "truncated: the header promises 4294836225 bytes"), "more than so few bytes can unpack to");
    n = pack(plain, 12 + 65536 + 1, gz, sizeof gz);
    CHECK(refused(gz, n, "after the values"));
}
#else
static void compressed(void) {
    CHECK(!decode("\x1f\x8b\x08\0", 4) && fails_with(GM_ERROR_UNSUPPORTED, "no zlib: unpack it with gunzip"));
}
#endif

static void failing_allocations(void) {
    int64_t before = gm__n_objects();
    int wrong = 0;
    for (int i = 1; i <= 3; i++) {
        gm__fail_allocation(i, false);
        wrong += decode("\0\0\x08\2\0\0\0\2\0\0\0\3abcdef", 18) || gm_error_code() != GM_ERROR_MEMORY;
        gm_error_clear();
    }
    gm__fail_allocation(0, false);
    CHECK(wrong == 0 && gm__n_objects() == before);
}

int main(void) {
    RUN(values);
    RUN(bad_files);
    RUN(compressed);
    RUN(failing_allocations);
    return check_done();
}
