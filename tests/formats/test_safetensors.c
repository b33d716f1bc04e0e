/* safetensors: round trips, the exact bytes, hostile headers, failing disks and allocations. */
#include "base/object.h"
#include "check_error.h"
#include "formats/safetensors.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[256];

static gm_tensor *row(gm_dtype dtype, int n) {
    unsigned char bytes[64];
    for (int i = 0; i < 64; i++) bytes[i] = (unsigned char)(i * 37 + dtype);
    if (dtype == GM_BOOL)
        for (int i = 0; i < 64; i++) bytes[i] &= 1;
    return gm_from_data(GM_SHAPE(n), dtype, bytes);
}

static size_t slurp(char *out, size_t room) {
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out, 1, room, f) : 0;
    if (f) fclose(f);
    return n;
}

static bool same(gm_tensor *a, gm_tensor *b) {
    size_t bytes = a && b ? ((size_t)gm_count(a) * (size_t)gm_dtype_bits(gm_dtype_of(a)) + 7) / 8 : 0;
    return a && b && gm_dtype_of(a) == gm_dtype_of(b) && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) &&
           !memcmp(gm_data(a), gm_data(b), bytes);
}

static void round_trip(void) {
    static const gm_dtype dtypes[] = { GM_F32, GM_F64, GM_F16, GM_BF16, GM_I8,  GM_I16,    GM_I32,    GM_I64, GM_U8,
                                       GM_U16, GM_U32, GM_U64, GM_BOOL, GM_C64, GM_F8E4M3, GM_F8E5M2, GM_I4,  GM_U4 };
    GM_SCOPE(s);
    gm_pack *p = gm_pack_new(), *notes = gm_pack_new();
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) gm_pack_set(p, gm_dtype_name(dtypes[i]),
            row(dtypes[i], 3));
    gm_pack_set(p, "scalar", gm_from_data(GM_SCALAR, GM_F32, &(float){ 7 }));
    gm_pack_set(p, "empty", gm_from_data(GM_SHAPE(3, 0, 2), GM_F64, NULL));
    gm_pack_set_pack(p, "child", GM_PACK({ "weight", .t = row(GM_F32, 5) }, { "caf\xc3\xa9 \"q\"\n",
                                         .t = row(GM_I8, 1) }));
    gm_pack_set_text(notes, "format", "pt");
    gm_pack_set_text(notes, "graph", "{\"a\":\"\\ \t\"}");
    CHECK(gm_save_safetensors(p, notes, path), "%s", gm_error_message());
    for (int copy = 0; copy < 2; copy++) {
        gm_pack *q = gm_load_safetensors(path, .copy = copy);
        CHECK(gm_pack_count(q) == 22, "%s", gm_error_message());
        gm_pack *flat = gm_pack_flatten(p);
        for (int64_t i = 0; i < 22; i++)
            CHECK(same(gm_pack_at(flat, i), gm_get(q, gm_pack_name(flat, i))), "%s", gm_pack_name(flat, i));
    }
    gm_pack *m = gm_safetensors_metadata(path);
    CHECK(gm_pack_count(m) == 2 && !strcmp(gm_get_text(m, "format"), "pt"));
    CHECK(!strcmp(gm_get_text(m, "graph"), "{\"a\":\"\\ \t\"}"));
    CHECK(!gm_get_text(p, "f32") && fails_with(GM_ERROR_DTYPE, "one string"));
}

static void exact_bytes(void) {
    GM_SCOPE(s);
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},"
                                 "\"z\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                                 "\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
                                 "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[16,17]}}";
    gm_tensor *z = gm_from_data(GM_SHAPE(1), GM_I64, &(int64_t){ 258 });
    gm_tensor *a = gm_from_data(GM_SHAPE(1, 2), GM_F32, (float[]){ 1, -NAN });
    gm_tensor *b = gm_from_data(GM_SCALAR, GM_U8, "x");
    gm_pack *notes = gm_pack_new();
    gm_pack_set_text(notes, "k", "v");
    char first[512], second[512];
    CHECK(gm_save_safetensors(GM_PACK({ "b", .t = b }, { "a", .t = a }, { "z", .t = z }), notes, path));
    size_t n = slurp(first, sizeof first), padded = (sizeof header - 1 + 7) & ~(size_t)7;
    CHECK(n == 8 + padded + 17 && first[0] == (char)padded && !memcmp(first + 8, header, sizeof header - 1));
    CHECK(!memcmp(first + 8 + padded, "\2\1\0\0\0\0\0\0\0\0\x80?\0\0\xc0\x7fx", 17), "little-endian, the one NaN");
    CHECK(gm_save_safetensors(GM_PACK({ "z", .t = z }, { "b", .t = b }, { "a", .t = a }), notes, path));
    CHECK(slurp(second, sizeof second) == n && !memcmp(first, second, n), "the order of the pack does not matter");
    CHECK(gm_save_safetensors(gm_pack_new(), NULL, path) && slurp(first, sizeof first) == 16);
    CHECK(gm_pack_count(gm_load_safetensors(path)) == 0 && gm_pack_count(gm_safetensors_metadata(path)) == 0);
}

static void mapping_lives(void) {
    int64_t before = gm__n_objects();
    gm_tensor *kept;
    {
        GM_SCOPE(s);
        float big[3000];
        for (int i = 0; i < 3000; i++) big[i] = (float)i;
        CHECK(gm_save_safetensors(GM_PACK({ "a", .t = gm_from_data(GM_SHAPE(3000), GM_F32, big) }), NULL, path));
        kept = gm_keep(gm_get(gm_load_safetensors(path), "a"));
        ((float *)gm_mutable_data(kept))[0] = 5;
        CHECK(((const float *)gm_data(gm_get(gm_load_safetensors(path), "a")))[0] == 0, "the file does not change");
        CHECK(gm_save_safetensors(GM_PACK({ "a", .t = gm_from_data(GM_SHAPE(1), GM_F32, big) }), NULL, path));
    }
    CHECK(((const float *)gm_data(kept))[0] == 5 && ((const float *)gm_data(kept))[2999] == 2999);
    gm_release(kept);
    CHECK(gm__n_objects() == before);
}

/* ---- hostile files ---- */

static gm_pack *decode(const char *header, size_t n_data) {
    char bytes[4096] = { 0 };
    size_t n = strlen(header);
    bytes[0] = (char)n, bytes[1] = (char)(n >> 8);
    memcpy(bytes + 8, header, n);
    return gm__safetensors_decode("m.st", bytes, 8 + n + n_data);
}

static bool refused(const char *header, size_t n_data, const char *part) {
    GM_SCOPE(s);
    return !decode(header, n_data) && fails_with(GM_ERROR_FORMAT, part);
}

#define ONE(dtype, shape, offsets) "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void hostile_fields(void) {
    GM_SCOPE(s);
    CHECK(decode(ONE("\"F32\"", "[2]", "[0,8]"), 8) && gm_ok());
    CHECK(decode(ONE("\"F32\"", "[2]", "[0,8],\"later\":[1]") "   ", 8) && gm_ok(), "unknown fields are passed over");
    CHECK(refused(ONE("\"F32\"", "[2]", "[0,8]"), 7, "truncated: tensor \"a\" ends at 8, the file has 7"));
    CHECK(refused(ONE("\"F32\"", "[2]", "[0,8]"), 9, "9 bytes of data, the tensors take 8"));
    CHECK(refused(ONE("\"F32\"", "[3]", "[0,8]"), 8, "[0, 8] hold 8 bytes, [3] of f32 needs 12"));
    CHECK(refused(ONE("\"F32\"", "[-1]", "[0,8]"), 8, "non-negative integer"));
    CHECK(refused(ONE("\"F32\"", "[1.5]", "[0,8]"), 8, "non-negative integer"));
    CHECK(refused(ONE("\"F32\"", "{}", "[0,8]"), 8, "no array"));
    CHECK(refused(ONE("\"F32\"", "[4611686018427387904,4]", "[0,8]"), 8, "too large"));
    CHECK(refused(ONE("\"F32\"", "[0,4611686018427387904,4]", "[0,0]"), 0, "too large"));
    CHECK(refused(ONE("\"F32\"", "[9223372036854775807]", "[0,8]"), 8, "too large"));
    CHECK(refused(ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "17 dimensions, at most 16"));
    CHECK(refused(ONE("\"F32\"", "[2]", "[8,0]"), 8, "begin <= end"));
    CHECK(refused(ONE("\"F32\"", "[2]", "[-8,0]"), 8, "begin <= end"));
    CHECK(refused(ONE("\"F32\"", "[2]", "[0,8,9]"), 8, "begin <= end"));
    CHECK(refused(ONE("\"F32\"", "[2]", "[0,8e0]"), 8, "begin <= end"));
    CHECK(refused(ONE("\"F32\"", "[2]", "[8,16]"), 16, "tensor \"a\" begins at 8, the one before it ends at 0: a gap"));
    CHECK(refused(ONE("\"f32\"", "[2]", "[0,8]"), 8, "unknown dtype \"f32\""));
    CHECK(refused(ONE("1", "[2]", "[0,8]"), 8, "dtype is missing"));
    CHECK(refused("{\"a\":{}}", 0, "dtype is missing") && refused("{\"a\":3}", 0, "no object"));
    CHECK(refused("{\"\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "no name"));
    CHECK(refused("{\"__metadata__\":[]}", 0, "__metadata__ is an array"));
    CHECK(refused("{\"__metadata__\":{\"k\":1}}", 0, "\"k\" is a number"));
    CHECK(!decode(ONE("\"F4\"", "[2]", "[0,1]"), 1) && fails_with(GM_ERROR_UNSUPPORTED, "dtype F4"));
}

#define FOUR_BYTES(name, offsets) "\"" name "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" offsets "}"
#define TWO(a, b) "{" FOUR_BYTES("a", a) "," FOUR_BYTES("b", b) "}"
#define PACKED(what) "{\"__metadata__\":{\"gemel.dtype.a\":\"" what "\"}," FOUR_BYTES("a", "[0,4]") "}"

static void hostile_layouts(void) {
    GM_SCOPE(s);
    CHECK(decode(TWO("[4,8]", "[0,4]"), 8) && gm_ok(), "the header may have another order than the data");
    CHECK(refused(TWO("[0,4]", "[2,6]"), 6, "tensor \"b\" begins at 2, the one before it ends at 4: they overlap"));
    CHECK(refused(TWO("[0,4]", "[0,4]"), 4, "overlap"));
    CHECK(refused(TWO("[0,4]", "[5,9]"), 9, "a gap"));
    CHECK(refused("{\"a\":{},\"a\":{}}", 0, "\"a\" is in the object twice"));
    CHECK(refused("{\"a\":", 0, "JSON, line 1, column 6") && refused(" {}", 0, "does not begin with {"));
    CHECK(refused("{} x", 0, "something follows") && refused("", 0, "does not begin with {"));
    CHECK(!gm__safetensors_decode("m.st", "1234567", 7) && fails_with(GM_ERROR_FORMAT, "m.st: 7 bytes"));
    CHECK(!gm__safetensors_decode("m.st", NULL, 0) && fails_with(GM_ERROR_FORMAT, "0 bytes"));
    CHECK(!gm__safetensors_decode("m.st", "\377\377\377\377\377\377\377\377{}", 10) &&
          fails_with(GM_ERROR_FORMAT, "not a safe"));
    CHECK(!gm__safetensors_decode("m.st", "\3\0\0\0\0\0\0\0{}", 10) &&
          fails_with(GM_ERROR_FORMAT, "truncated: the header has 3"));
    CHECK(refused(PACKED("i4:99"), 4, "calls it \"i4:99\", it has 4 bytes"));
    CHECK(refused(PACKED("f9:8"), 4, "calls it") && refused(PACKED("i4:"), 4, "calls it"));
    CHECK(refused(PACKED("i4:8,"), 4, "calls it") && refused(PACKED("i4:,8"), 4, "calls it"));
    CHECK(refused(PACKED("i4:2x4"), 4, "calls it") && refused(PACKED("i4:99999999999999999999"), 4, "calls it"));
    CHECK(decode(PACKED("u4:2,4"), 4) && gm_ok());
}

static void misaligned(void) {
    GM_SCOPE(s);
    gm_pack *p = decode("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                        "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}", 5);
    CHECK(gm_item(gm_get(p, "b")) == 0);
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    FILE *f = fopen(path, "wb"); /* an odd header: nothing behind it is aligned */
    fwrite((char[8]){ sizeof header - 1 }, 1, 8, f);
    fputs(header, f);
    fwrite(&(float){ 2.5f }, 1, 4, f);
    fclose(f);
    CHECK((sizeof header - 1) % 4 != 0 && gm_item(gm_get(gm_load_safetensors(path), "a")) == 2.5);
}

/* ---- saving ---- */

static void saving_refuses(void) {
    GM_SCOPE(s);
    gm_tensor *t = row(GM_U8, 1);
    gm_pack *notes = gm_pack_new();
    CHECK(!gm_save_safetensors(GM_PACK({ "w", .t = gm_strings((const char *[]){ "a" }, 1) }), NULL, path));
    CHECK(fails_with(GM_ERROR_DTYPE, "\"w\" is string"));
    CHECK(!gm_save_safetensors(GM_PACK({ "__metadata__", .t = t }), NULL, path) &&
          fails_with(GM_ERROR_VALUE, "__metadata__"));
    CHECK(!gm_save_safetensors(GM_PACK({ "\xff", .t = t }), NULL, path) &&
          fails_with(GM_ERROR_VALUE, "cannot be called"));
    gm_pack_set_text(notes, "gemel.dtype.x", "v");
    CHECK(!gm_save_safetensors(GM_PACK({ "a", .t = t }), notes, path) && fails_with(GM_ERROR_VALUE, "are taken"));
    CHECK(!gm_save_safetensors(GM_PACK({ "a", .t = t }), GM_PACK({ "k", .t = t }), path) &&
          fails_with(GM_ERROR_DTYPE, "one string"));
    CHECK(!gm_save_safetensors(GM_PACK({ "a", .t = t }), NULL, "/nonexistent/m.st") &&
          fails_with(GM_ERROR_IO, "/nonexistent/m.st"));
    CHECK(!gm_save_safetensors(GM_PACK({ "a", .t = t }), NULL, NULL) && fails_with(GM_ERROR_VALUE, "NULL"));
    CHECK(!gm_save_safetensors(NULL, NULL, path) && fails_with(GM_ERROR_HANDLE, "NULL"));
    CHECK(!gm_load_safetensors("/nonexistent/m.st") && fails_with(GM_ERROR_IO, "/nonexistent/m.st: No such file"));
    if (!access("/dev/full", W_OK))
        CHECK(!gm_save_safetensors(GM_PACK({ "a", .t = t }), NULL, "/dev/full") &&
              fails_with(GM_ERROR_IO, "No space left"));
}

static bool save_large(void) {
    GM_SCOPE(s);
    return gm_save_safetensors(GM_PACK({ "big", .t = gm_empty(GM_SHAPE(1 << 20), GM_U8) }), NULL, path);
}

static int child_fills_disk(void) {
    struct rlimit limit = { 1 << 19, 1 << 19 };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    return !save_large() && fails_with(GM_ERROR_IO, path) ? 0 : 1;
}

static void full_disk(void) {
    GM_SCOPE(s);
    CHECK(gm_save_safetensors(GM_PACK({ "a", .t = row(GM_I32, 3) }), NULL, path));
    fflush(NULL);
    pid_t child = fork();
    if (!child) _exit(child_fills_disk());
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(same(gm_get(gm_load_safetensors(path), "a"), row(GM_I32, 3)), "the old file stays");
    char temporary[300];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    CHECK(access(temporary, F_OK), "nothing is left behind");
}

static bool save_and_load(void) {
    GM_SCOPE(s);
    gm_pack *notes = gm_pack_new();
    gm_pack_set_text(notes, "k", "v");
    gm_pack *p = GM_PACK({ "a", .t = row(GM_I32, 3) }, { "b", .t = row(GM_U4, 5) }, { "c",
                         .p = GM_PACK({ "d", .t = row(GM_U8, 3) }) });
    bool saved = gm_save_safetensors(p, notes, path);
    gm_pack *q = gm_load_safetensors(path);
    return saved && gm_pack_count(q) == 3 && gm_pack_count(gm_safetensors_metadata(path)) == 1;
}

static void failing_allocations(void) {
    gm__fail_allocation(0, false);
    CHECK(save_and_load());
    int64_t n = gm__allocation_count(), before = gm__n_objects();
    int wrong = 0;
    for (int64_t i = 1; i <= n; i++) {
        gm__fail_allocation(i, false);
        wrong += save_and_load() || gm_error_code() != GM_ERROR_MEMORY || gm__n_objects() != before;
        gm_error_clear();
    }
    gm__fail_allocation(0, false);
    CHECK(n > 50 && wrong == 0, "%d of %lld", wrong, (long long)n);
    CHECK(save_and_load());
}

int main(void) {
    snprintf(path, sizeof path, "%s", temporary_path("m.safetensors"));
    RUN(round_trip);
    RUN(exact_bytes);
    RUN(mapping_lives);
    RUN(hostile_fields);
    RUN(hostile_layouts);
    RUN(misaligned);
    RUN(saving_refuses);
    RUN(full_disk);
    RUN(failing_allocations);
    unlink(path);
    return check_done();
}
