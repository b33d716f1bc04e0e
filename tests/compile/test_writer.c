/* The emitter's text, and what names from files may do to it: nothing. */
#include "base/object.h"
#include "check_error.h"
#include "compile/writer.h"

static void test_lines(void) {
    gm__writer w = { .depth = 0 };
    gm__writer_open(&w, "void %s(int n)", "run");
    gm__writer_open(&w, "for (int i = 0; i < %d; i++)", 3);
    gm__writer_line(&w, "x[i] = %g;", 0.5);
    gm__writer_close(&w, "");
    gm__writer_line(&w, "%s", "");
    gm__writer_close(&w, ";");
    CHECK(!strcmp(w.text.text,
                  "void run(int n) {\n    for (int i = 0; i < 3; i++) {\n        x[i] = 0.5;\n    }\n\n};\n"),
          "%s", w.text.text);
    CHECK(w.depth == 0 && !w.text.failed);
    gm__builder_free(&w.text);
}

static void test_long_lines(void) {
    gm__writer w = { .depth = 1 };
    char text[5000];
    for (size_t n = 1015; n < sizeof text; n = n < 1030 ? n + 1 : n + 999) {
        memset(text, 'x', n);
        text[n] = 0;
        w.text.n = 0;
        gm__writer_line(&w, "%s;", text);
        CHECK(w.text.n == n + 6 && !memcmp(w.text.text, "    x", 5) && !strcmp(w.text.text + 4 + n, ";\n"), "%zu", n);
    }
    gm__fail_allocation(1, true);
    gm__writer_line(&w, "%s;", text);
    gm__fail_allocation(0, false);
    CHECK(w.text.failed && fails_with(GM_ERROR_MEMORY, "out of memory"));
    gm__builder_free(&w.text);
}

static void named(const char *name, const char *wanted) {
    char out[GM__EMITTED_NAME];
    CHECK(!strcmp(gm__emitted_name(name, out), wanted), "%s gives %s", name ? name : "NULL", out);
}

static void test_names(void) {
    named("resnet18.layer2.0.conv1_w", "resnet18.layer2.0.conv1_w");
    named(NULL, "");
    named("", "");
    named("*/ int x; /*", "___int_x____");
    named("a\\\nb", "a__b");
    named("what?" "?/", "what___");
    named("\"%s%n\"", "__s_n_");
    named("a\rb\tc\vd\x7f", "a_b_c_d_");
    named("\xc3\xa9\xff", "___");
    named("#pragma // '", "_pragma_____");
}

static void test_every_byte(void) {
    char out[GM__EMITTED_NAME];
    for (int c = 1; c < 256; c++) {
        const char name[] = { (char)c, 0 };
        bool passes = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.", c) != NULL;
        CHECK(gm__emitted_name(name, out)[0] == (passes ? (char)c : '_') && !out[1], "byte %d", c);
    }
}

static void test_long_names(void) {
    char name[500], out[GM__EMITTED_NAME + 1];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = 0;
    out[GM__EMITTED_NAME] = 77;
    CHECK(strlen(gm__emitted_name(name, out)) == GM__EMITTED_NAME - 1 && out[GM__EMITTED_NAME] == 77);
}

int main(void) {
    RUN(test_lines);
    RUN(test_long_lines);
    RUN(test_names);
    RUN(test_every_byte);
    RUN(test_long_names);
    return check_done();
}
