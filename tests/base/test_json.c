/* The JSON reader, UTF-8, decimals both ways, and the text builder. */
#include "base/builder.h"
#include "base/decimal.h"
#include "base/json.h"
#include "check.h"
#include "gemel/tensor.h"

#include <locale.h>
#include <math.h>

static gm__json_document *parse(const char *text) { return gm__json_open("test", "x.json", text, strlen(text)); }

static bool refused(const char *text, const char *part) {
    gm__json_document *d = parse(text);
    bool yes = !d && gm_error_code() == GM_ERROR_FORMAT && strstr(gm_error_message(), part);
    if (!yes) fprintf(stderr, "  %s: %s\n", text, d ? "accepted" : gm_error_message());
    gm__json_close(d);
    gm_error_clear();
    return yes;
}

static void values(void) {
    gm__json_document *d = parse(" {\"a\": [1, -2.5e1, true, null, \"x\"], \"b\": {\"c\": {}}, "
                                 "\"\": 9223372036854775807, \"big\": 9223372036854775808, "
                                 "\"low\":-9223372036854775808, \"e\": []}\n");
    CHECK(d);
    const gm__json *root = gm__json_root(d), *a = gm__json_get(root, "a");
    CHECK(root->kind == GM__JSON_OBJECT && root->n == 6 && !strcmp(root->items[1].key, "b"));
    CHECK(a->n == 5 && a->items[0].is_integer && a->items[0].integer == 1 && a->items[1].number == -25);
    CHECK(!a->items[1].is_integer && a->items[2].truth && a->items[3].kind == GM__JSON_NULL);
    CHECK(!strcmp(gm__json_text(&a->items[4]), "x") && a->items[4].n == 1 && !gm__json_text(&a->items[0]));
    CHECK(gm__json_get(gm__json_get(root, "b"), "c")->n == 0 && !gm__json_get(root, "z") && !gm__json_get(a, "a"));
    CHECK(gm__json_get(root, "")->integer == INT64_MAX && gm__json_get(root, "low")->integer == INT64_MIN);
    CHECK(!gm__json_get(root, "big")->is_integer && gm__json_get(root, "big")->number == 9223372036854775808.0);
    CHECK(!gm__json_get(NULL, "x") && !strcmp(gm__json_kind_name(a), "an array"));
    gm__json_close(d);
    d = parse("\"\\u0041\\n\\/\\\\\\ud83d\\ude00\\u00e9\\u20ac\xc3\xa9\"");
    CHECK(d && !strcmp(gm__json_root(d)->text, "A\n/\\\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac\xc3\xa9"));
    gm__json_close(d);
}

static void large_objects(void) {
    gm__builder b = { 0 };
    enum { N = 20000 };
    gm__builder_add(&b, "{");
    for (int i = 0; i < N; i++) gm__builder_format(&b, "%s\"key%d\":[%d]", i ? "," : "", (i * 7919) % N, i);
    gm__builder_add(&b, "}");
    gm__json_document *d = parse(b.text);
    CHECK(d && gm__json_root(d)->n == N);
    int wrong = 0;
    char key[32];
    for (int i = 0; d && i < N; i++) {
        snprintf(key, sizeof key, "key%d", (i * 7919) % N);
        wrong += gm__json_get(gm__json_root(d), key)->items[0].integer != i;
    }
    CHECK(wrong == 0);
    gm__json_close(d);
    b.text[b.n - 1] = ',';
    gm__builder_add(&b, "\"key77\":1}");
    CHECK(refused(b.text, "\"key77\" is in the object twice"));
    gm__builder_free(&b);
}

static void refusals(void) {
    static const char *const bad[][2] = {
        { "", "the text ends early" }, { "  ", "line 1, column 3" }, { "{", "a name in quotes" },
        { "[1,]", "a value is expected" }, { "[1 2]", "a comma or ]" }, { "{\"a\":1,}", "a name in quotes" },
        { "{\"a\" 1}", "a colon" }, { "{\"a\":1 \"b\":2}", "a comma or }" }, { "1 2", "something follows" },
        { "01", "not a number" }, { "-", "not a number" }, { "1.", "not a number" }, { "1e", "not a number" },
        { "+1", "a value is expected" }, { ".5", "a value is expected" }, { "nul", "a value is expected" },
        { "NaN", "a value is expected" }, { "\"abc", "does not end" }, { "\"\\q\"", "an escape" },
        { "\"\\u12g4\"", "four hexadecimal" }, { "\"\\ud800\"", "surrogate" }, { "\"\\udc00\\ud800\"", "surrogate" },
        { "\"\\u0000\"", "U+0000" }, { "\"a\nb\"", "control character" }, { "\"\xff\"", "not UTF-8" },
        { "\"\xc0\x80\"", "not UTF-8" }, { "\"\xed\xa0\x80\"", "not UTF-8" }, { "\"\xe2\x82\"", "not UTF-8" },
        { "{\"a\":1,\n \"a\":2}", "line 2, column 6: the name \"a\"" }, { "[[[\n1,\n\nx]]]", "line 4, column 1" },
        { "'a'", "a value is expected" }, { "{\"a\":1}}", "something follows" }, { "\"\\", "does not end" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(refused(bad[i][0], bad[i][1]));
    char deep[4000];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    CHECK(refused(deep, "128 levels"));
    gm_fail(GM_ERROR_VALUE, "mine");
    CHECK(!parse("1") && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
}

static bool reads(const char *text, double value) {
    size_t used;
    double d = gm__decimal_f64(text, strlen(text), &used);
    bool yes = used == strlen(text) && d == value && signbit(d) == signbit(value);
    if (!yes) fprintf(stderr, "  %s reads as %.17g, used %zu\n", text, d, used);
    return yes;
}

static void reading_decimals(void) {
    CHECK(reads("0", 0) && reads("-0.0", -0.0) && reads("+7", 7) && reads(".5", .5) && reads("5.", 5));
    CHECK(reads("1e22", 1e22) && reads("1e23", 1e23) && reads("1.7976931348623157e308", 1.7976931348623157e308));
    CHECK(reads("5e-324", 5e-324) && reads("1e400", INFINITY) && reads("-1e400", -INFINITY) && reads("1e-400", 0));
    CHECK(reads("9007199254740993", 9007199254740992.0) && reads("9007199254740993.00000000000000000001",
                                                                 9007199254740994.0));
    CHECK(reads("0.000000000000000000000000000000000000000000000001", 1e-48));
    CHECK(reads("123456789012345678901234567890", 123456789012345678901234567890.0));
    CHECK(reads("1e99999999999999999999", INFINITY) && reads("0e99999999999999999999", 0));
    size_t used;
    CHECK(gm__decimal_f64("12abc", 5, &used) == 12 && used == 2);
    CHECK(gm__decimal_f64("1e+", 3, &used) == 1 && used == 1);
    CHECK(gm__decimal_f64("12", 1, &used) == 1 && used == 1, "no look past the end");
    static const char *const none[] = { "", "-", ".", "e5", "inf", "nan", "x", "-.", "+e1" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        gm__decimal_f64(none[i], strlen(none[i]), &used);
        CHECK(used == 0, "%s", none[i]);
    }
    /* Rounding twice would take the first two up and the third down. */
    CHECK(gm__decimal_f32("1.00000005960464477539062500", 28, &used) == 1.0f);
    CHECK(gm__decimal_f32("1.000000059604644775390624", 26, &used) == 1.0f);
    CHECK(gm__decimal_f32("1.000000059604644775390626", 26, &used) == 1.00000012f);
    CHECK(gm__decimal_f32("1e-45", 5, &used) == 0x1p-149f && gm__decimal_f32("7e-46", 5, &used) == 0);
    CHECK(gm__decimal_f32("3.4028235e38", 12, &used) == 0x1.fffffep127f && isinf(gm__decimal_f32("1e39", 4, &used)));
}

static const char *digits(gm__decimal d) {
    static char text[8][64];
    static int next;
    char *t = text[next++ % 8];
    snprintf(t, 64, "%se%d", d.digit, d.exponent);
    return t;
}

static void writing_decimals(void) {
    CHECK(!strcmp(digits(gm__decimal_shortest_f64(0.1)), "1e-1") &&
          !strcmp(digits(gm__decimal_shortest_f64(0)), "0e0"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f64(1.0 / 3)), "3333333333333333e-1"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f64(-123456789.125)), "123456789125e8"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f64(5e-324)), "5e-324"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f64(0x1p-44)), "5684341886080802e-14"), "the one above a power of two");
    CHECK(!strcmp(digits(gm__decimal_shortest_f64(9007199254740993.0)), "9007199254740992e15"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f64(1e23)), "1e23"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f32(0.1f)), "1e-1"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f32(16777216)), "16777216e7"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f32(0x1p-149f)), "1e-45"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f32(3.4028235e38f)), "34028235e38"));
    CHECK(!strcmp(digits(gm__decimal_shortest_f32(9.8607613e-32f)), digits(gm__decimal_shortest_f32(0x1p-103f))));
    CHECK(!strcmp(digits(gm__decimal_rounded(2.5, 1)), "2e0") &&
          !strcmp(digits(gm__decimal_rounded(9.9996, 4)), "1e1"));
    uint64_t state = 1;
    int wrong = 0;
    for (int i = 0; i < 100000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint32_t bits = (uint32_t)(state >> 32) & 0x7fffffff;
        float f;
        memcpy(&f, &bits, sizeof f);
        if (!isfinite(f)) continue;
        gm__decimal d = gm__decimal_shortest_f32(f);
        char text[64];
        size_t used, n = (size_t)snprintf(text, sizeof text, "%c.%se%d", d.digit[0], d.digit + 1, d.exponent);
        wrong += gm__decimal_f32(text, n, &used) != f || used != n || d.n > 9;
    }
    CHECK(wrong == 0, "%d", wrong);
}

static void locales(void) {
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL,
                                                        "fr_FR.UTF-8")) printf("no locale with a decimal comma\n");
    CHECK(reads("0.5", .5) && reads("1.17549435082228750796873653722e-38", 0x1p-126));
    CHECK(!strcmp(digits(gm__decimal_shortest_f64(0.15625)), "15625e-1"));
    setlocale(LC_ALL, "C");
}

static void building(void) {
    gm__builder b = { 0 };
    gm__builder_json(&b, "a\"\\\n\t\x01z\xc3\xa9");
    CHECK(!strcmp(b.text, "\"a\\\"\\\\\\n\\t\\u0001z\xc3\xa9\""));
    gm__builder_fill(&b, ' ', -3);
    gm__builder_fill(&b, '.', 1000);
    gm__builder_format(&b, "%d|%s", 42, "end");
    CHECK(b.n == strlen(b.text) && !strcmp(b.text + b.n - 7, ".42|end"));
    gm__builder_free(&b);
    CHECK(gm__utf8_valid("\xf0\x9f\x98\x80", 4) && !gm__utf8_valid("\xf0\x9f\x98\x80", 3) &&
          !gm__utf8_valid("\xf5\x80\x80\x80", 4));
}

int main(void) {
    RUN(values);
    RUN(large_objects);
    RUN(refusals);
    RUN(reading_decimals);
    RUN(writing_decimals);
    RUN(locales);
    RUN(building);
    return check_done();
}
