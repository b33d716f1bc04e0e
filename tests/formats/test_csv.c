/* Tables as text: types of columns, quotes, missing values, every kind of damage with its line and column. */
#include "base/object.h"
#include "check_error.h"
#include "formats/readers.h"

#include <math.h>

static gm_load_csv_args options;

static gm_pack *table(const char *text) {
    options.size = sizeof options;
    return gm__csv_decode("t.csv", text, strlen(text), &options);
}

static bool refused(const char *text, const char *part) { return !table(text) && fails_with(GM_ERROR_FORMAT, part); }

static bool is_f32(gm_tensor *t, const float *wanted, int64_t n) {
    if (!t || gm_dtype_of(t) != GM_F32 || gm_count(t) != n) return false;
    const float *got = gm_data(t);
    for (int64_t i = 0; i < n; i++)
        if (!(got[i] == wanted[i] || (isnan(got[i]) && isnan(wanted[i])))) return false;
    return true;
}

static bool is_i64(gm_tensor *t, const int64_t *wanted, int64_t n) {
    return t && gm_dtype_of(t) == GM_I64 && gm_count(t) == n && !memcmp(gm_data(t), wanted, (size_t)n * 8);
}

static bool is_text(gm_tensor *t, const char *const *wanted, int64_t n) {
    if (!t || gm_dtype_of(t) != GM_STRING || gm_count(t) != n) return false;
    for (int64_t i = 0; i < n; i++)
        if (strcmp(gm_string_at(t, i), wanted[i])) return false;
    return true;
}

static void types(void) {
    GM_SCOPE(s);
    gm_pack *p =
        table("id,x,name,gap,none,mixed\n1,2.5,anna,7,,1\n-2, 1e3 ,\"b,\"\"q\"\"\n\",NA,?,two\n+3,-inf,NA,9,nan,\n");
    CHECK(gm_pack_count(p) == 6 && !strcmp(gm_pack_name(p, 1), "x"), "%s", gm_error_message());
    CHECK(is_i64(gm_get(p, "id"), (int64_t[]){ 1, -2, 3 }, 3));
    CHECK(is_f32(gm_get(p, "x"), (float[]){ 2.5, 1000, -INFINITY }, 3));
    CHECK(is_text(gm_get(p, "name"), (const char *[]){ "anna", "b,\"q\"\n", "NA" }, 3));
    CHECK(is_f32(gm_get(p, "gap"), (float[]){ 7, NAN, 9 }, 3));
    CHECK(is_f32(gm_get(p, "none"), (float[]){ NAN, NAN, NAN }, 3));
    CHECK(is_text(gm_get(p, "mixed"), (const char *[]){ "1", "two", "" }, 3));
    p = table("a\n9223372036854775807\n-9223372036854775808\n");
    CHECK(is_i64(gm_get(p, "a"), (int64_t[]){ INT64_MAX, INT64_MIN }, 2));
    p = table("a\n9223372036854775808\n");
    CHECK(is_f32(gm_get(p, "a"), (float[]){ 9223372036854775808.0f }, 1));
    CHECK(is_text(gm_get(table("a\n1x\n-\n"), "a"), (const char *[]){ "1x", "-" }, 2));
    CHECK(is_f32(gm_get(table("a,b"), "b"), NULL, 0) && gm_ok());
}

static void forms(void) {
    GM_SCOPE(s);
    static const int64_t one_two[] = { 1, 2 };
    static const char *const same[] = { "a,b\n1,3\n2,4\n",
                                        "a,b\r\n1,3\r\n2,4\r\n",
                                        "a,b\r1,3\r2,4\r",
                                        "a,b\r\r1,3\r2,4",
                                        "a,b\n1,3\n2,4",
                                        ("\xef\xbb\xbf"
                                         "a,b\n\n1,3\n\r\n2,4\n\n\n"),
                                        "\"a\",\"b\"\n\"1\",\"3\"\n\"2\",4\n" };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        CHECK(is_i64(gm_get(table(same[i]), "a"), one_two, 2) &&
              is_i64(gm_get(table(same[i]), "b"), (int64_t[]){ 3, 4 }, 2));
    options.separator = ';';
    CHECK(is_text(gm_get(table("a;b\n1,5;2\n"), "a"), (const char *[]){ "1,5" }, 1));
    options.separator = '\t', options.no_header = 1;
    CHECK(is_i64(gm_get(table("1\tx\n2\ty\n"), "0"), one_two, 2));
    options.separator = 0;
    CHECK(is_i64(gm_get(table("3\n1\n"), "0"), (int64_t[]){ 3, 1 }, 2));
    options.no_header = 0;
    CHECK(!strcmp(gm_pack_name(table(",x\n1,2\n"), 0), "0"), "R leaves the name of the row names empty");
    options.floats = GM_F64;
    CHECK(gm_item(gm_get(table("a\n0.1\n"), "a")) == 0.1 && gm_dtype_of(gm_get(table("a\n.1\n"), "a")) == GM_F64);
    options.floats = 0, options.strings = "zip,b";
    gm_pack *p = table("a,zip\n1,01234\n");
    CHECK(!p && fails_with(GM_ERROR_INDEX, "no column is called \"b\" (option strings)"));
    options.strings = "zip";
    CHECK(is_text(gm_get(table("a,zip\n1,01234\n"), "zip"), (const char *[]){ "01234" }, 1));
    options.strings = "*";
    CHECK(is_text(gm_get(table("a,zip\n1,01234\n"), "a"), (const char *[]){ "1" }, 1));
    options.strings = NULL;
}

static void damage(void) {
    CHECK(refused("", "t.csv: the file is empty") && refused("\n\r\n", "empty") && refused("\xef\xbb\xbf", "empty"));
    CHECK(refused("a,b\n1,2\n3\n", "line 3 has 1 columns, the first line has 2"));
    CHECK(refused("a,b\n1,2,3\n", "line 2 has 3 columns"));
    CHECK(refused("a,b\n1,\"2\n3,4\n", "line 2, column 2 (\"b\"): a quote that does not end"));
    CHECK(refused("a,b\n\"x\ny\nz\",1\n1,\"2\" \n", "line 5, column 2 (\"b\"): something follows the closing quote"));
    CHECK(refused("a,b\n1,x\"y\n", "line 2, column 2 (\"b\"): a quote inside"));
    CHECK(refused("a,b\nx,\xff\n", "line 2, column 2 (\"b\"): not UTF-8") &&
          refused("\xff\n1\n", "line 1, column 1: not UTF-8"));
    CHECK(refused("a,b\r1,2\r\"x\ry\",3\r4\r", "line 5 has 1 columns") && refused("\r", "empty"));
    CHECK(is_text(gm_get(table("a,b\n1,x\ry\n"), "b"), (const char *[]){ "x\ry" }, 1));
    CHECK(refused("a,b,a\n1,2,3\n", "line 1: two columns are called \"a\""));
    CHECK(!gm__csv_decode("t.csv", "a\0b", 3, NULL) && fails_with(GM_ERROR_FORMAT, "NUL bytes"));
    options.numbers = "a";
    CHECK(refused("a,b\n1,x\nfour,y\n", "line 3, column 1 (\"a\"): \"four\" is not a number"));
    options.numbers = "*";
    CHECK(refused("a,b\n1,x\n", "line 2, column 2 (\"b\"): \"x\" is not a number"));
    options.numbers = NULL, options.separator = '"';
    CHECK(!table("a\n") && fails_with(GM_ERROR_VALUE, "separator"));
    options.separator = 0, options.floats = GM_I32;
    CHECK(!table("a\n") && fails_with(GM_ERROR_DTYPE, "floats is i32"));
    options.floats = 0;
    CHECK(!gm_load_csv("/nonexistent/t.csv") && fails_with(GM_ERROR_IO, "load_csv: cannot read /nonexistent/t.csv"));
}

static void files(void) {
    GM_SCOPE(s);
    const char *path = temporary_path("t.csv");
    write_file(path, "a;b\n1;x\n", 8);
    CHECK(is_i64(gm_get(gm_load_csv(path, .separator = ';'), "a"), (int64_t[]){ 1 }, 1));
    static const unsigned char gz[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff, 0x4b, 0xe4, 0x32, 0xe4, 2, 0, 0, 0x24,
        0xc1, 0x89,
                                        4, 0, 0, 0 };
    write_file(path, gz, sizeof gz); /* "a\n1\n" */
#ifdef GM_HAVE_ZLIB
    CHECK(is_i64(gm_get(gm_load_csv(path), "a"), (int64_t[]){ 1 }, 1), "%s", gm_error_message());
#else
    CHECK(!gm_load_csv(path) && fails_with(GM_ERROR_UNSUPPORTED, "gunzip"));
#endif
    unlink(path);
}

static void failing_allocations(void) {
    static const char text[] = "a,b,c\n1,x,2.5\n2,\"y\"\"\",\n";
    gm__fail_allocation(0, false);
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        CHECK(table(text));
    }
    int64_t n = gm__allocation_count();
    int wrong = 0;
    for (int64_t i = 1; i <= n; i++) {
        gm__fail_allocation(i, false);
        wrong += table(text) || gm_error_code() != GM_ERROR_MEMORY;
        gm_error_clear();
    }
    gm__fail_allocation(0, false);
    CHECK(n > 10 && wrong == 0 && gm__n_objects() == before, "%d of %lld", wrong, (long long)n);
}

int main(void) {
    RUN(types);
    RUN(forms);
    RUN(damage);
    RUN(files);
    RUN(failing_allocations);
    return check_done();
}
