/* Printing, against what NumPy printed (text.txt, written by record_text.py). */
#include "base/object.h"
#include "check.h"
#include "tensor/tensor.h"

static int nibble(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static double iota_value(int64_t i, gm_dtype dtype) { return dtype == GM_BOOL ? i != 0 : (double)i; }

/* "iota" or a repeated pattern, into n elements of `unit` bytes. */
static void fill(char *out, int64_t n, int unit, gm_dtype dtype, const char *data) {
    size_t pattern = strlen(data) / 2;
    if (strcmp(data, "iota")) {
        for (int64_t i = 0; i < n * unit; i++) {
            const char *hex = data + 2 * ((size_t)i % pattern);
            out[i] = (char)(nibble(hex[0]) << 4 | nibble(hex[1]));
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        double v = iota_value(i, dtype);
        if (dtype == GM_F32) memcpy(out + i * unit, &(float){ (float)v }, 4);
        else if (dtype == GM_F64) memcpy(out + i * unit, &v, 8);
        else memcpy(out + i * unit, &i, (size_t)unit);
    }
}

/* "f32 [2, 3] DATA" */
static gm_tensor *array_of(char *line) {
    char *name = strtok(line, " "), *sizes = strtok(NULL, "]"), *data = strtok(NULL, " \n");
    gm_shape shape = { 0 };
    for (char *at = sizes; *at;) {
        if (*at >= '0' && *at <= '9') shape.d[shape.n++] = strtol(at, &at, 10);
        else at++;
    }
    gm_dtype dtype = gm_dtype_of_name(name);
    int64_t n = gm_shape_count(shape);
    int unit = gm_dtype_bits(dtype) / 8;
    char *bytes = malloc((size_t)(n * unit + 1));
    fill(bytes, n, unit, dtype, data);
    gm_tensor *t = gm_from_data(shape, dtype, bytes);
    free(bytes);
    return t;
}

static void compare(gm_tensor *t, const char *wanted, const char *line) {
    static char got[100000];
    size_t n = gm_text(t, got, sizeof got);
    CHECK(!strcmp(got, wanted) && n == strlen(wanted), "%s\nwanted:\n%s\ngot:\n%s", line, wanted, got);
}

static void as_numpy_prints(void) {
    static char line[20000], copy[20000], wanted[100000];
    FILE *f = fopen("tests/tensor/text.txt", "r");
    CHECK(f, "tests/tensor/text.txt is missing");
    if (!f) return;
    GM_SCOPE(s);
    gm_tensor *t = NULL;
    size_t n = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '|') {
            n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%s", line + 1);
            continue;
        }
        if (t) wanted[n - 1] = 0, compare(t, wanted, copy);
        n = 0;
        strcpy(copy, line);
        t = line[0] == '#' ? NULL : array_of(line);
    }
    if (t) wanted[n - 1] = 0, compare(t, wanted, copy);
    fclose(f);
    CHECK(check_passed > 400, "%d cases", check_passed);
}

static const char *text_of(const gm_tensor *t) {
    static char text[8][400];
    static int next;
    char *at = text[next++ % 8];
    gm_text(t, at, 400);
    return at;
}

static void what_numpy_lacks(void) {
    GM_SCOPE(s);
    CHECK(!strcmp(text_of(gm_from_data(GM_SHAPE(2), GM_F16, (uint16_t[]){ 0x3c00, 0x2e66 })),
                  "[1.         0.09997559]"));
    CHECK(!strcmp(text_of(gm_from_data(GM_SHAPE(2), GM_BF16, (uint16_t[]){ 0x3f80, 0x7fc0 })), "[ 1. nan]"));
    CHECK(!strcmp(text_of(gm_from_data(GM_SHAPE(3), GM_I4, (uint8_t[]){ 0x8f, 0x07 })), "[-1 -8  7]"));
    CHECK(!strcmp(text_of(gm_from_data(GM_SHAPE(3), GM_U4, (uint8_t[]){ 0x8f, 0x07 })), "[15  8  7]"));
    const char *words[] = { "a", "it's", "\"q\"", "both ' \"", "l\ni\\ne\x01", "\xc3\xa9\xe2\x82\xac" };
    CHECK(!strcmp(text_of(gm_strings(words, 6)),
                  "['a' \"it's\" '\"q\"' 'both \\' \"' 'l\\ni\\\\ne\\x01' '\xc3\xa9\xe2\x82\xac']"));
    gm_tensor *t = gm_from_data(GM_SHAPE(2, 3), GM_I32, (int32_t[]){ 1, 2, 3, 4, 5, 6 });
    gm_shape turned = { 2, { 0 }, { 3, 2 } };
    gm_tensor *v = gm__tensor_over(t->storage, 0, &turned, GM_I32);
    v->stride[0] = 1, v->stride[1] = 3;
    CHECK(!strcmp(text_of(v), "[[1 4]\n [2 5]\n [3 6]]"));
}

static void cut_and_refused(void) {
    GM_SCOPE(s);
    gm_tensor *t = gm_from_data(GM_SHAPE(3), GM_I32, (int32_t[]){ 10, 20, 30 });
    char text[8];
    CHECK(gm_text(t, text, 5) == 10 && !strcmp(text, "[10 "));
    CHECK(gm_text(t, text, 1) == 10 && !*text && gm_text(t, NULL, 0) == 10);
    CHECK(gm_text(NULL, text, sizeof text) == 0 && !*text && gm_error_code() == GM_ERROR_HANDLE);
    CHECK(gm_text(t, text, sizeof text) == 0);
    gm_error_clear();
    gm_shape one = GM_SHAPE(1);
    CHECK(gm_text(gm__tensor_over(NULL, 0, &one, GM_F32), text, 8) == 0 && gm_error_code() == GM_ERROR_STATE);
    gm_error_clear();
    CHECK(gm_text(gm_from_data(GM_SHAPE(1), GM_C64, (float[]){ 1, 2 }), text, 8) == 0 &&
          gm_error_code() == GM_ERROR_DTYPE);
    gm_error_clear();
    gm__fail_allocation(1, true);
    CHECK(gm_text(t, text, sizeof text) == 0 && gm_error_code() == GM_ERROR_MEMORY);
    gm__fail_allocation(0, false);
    gm_error_clear();
}

static void strings(void) {
    GM_SCOPE(s);
    gm_tensor *t = gm_strings((const char *[]){ "one", "", "three" }, 3);
    CHECK(gm_dtype_of(t) == GM_STRING && gm_count(t) == 3 && !strcmp(gm_string_at(t, 2), "three") &&
          !*gm_string_at(t, 1));
    CHECK(!gm_string_at(t, 3) && gm_error_code() == GM_ERROR_INDEX && strstr(gm_error_message(), "element 3 of 3"));
    gm_error_clear();
    CHECK(!gm_strings((const char *[]){ "a", NULL }, 2) && strstr(gm_error_message(), "text 1 is NULL"));
    gm_error_clear();
    CHECK(!gm_string_at(gm_from_data(GM_SHAPE(1), GM_U8, "x"), 0) && gm_error_code() == GM_ERROR_DTYPE);
    gm_error_clear();
    CHECK(!gm_empty(GM_SHAPE(2), GM_STRING) && gm_error_code() == GM_ERROR_DTYPE);
    gm_error_clear();
    CHECK(gm_count(gm_strings(NULL, 0)) == 0 && gm_ok());
}

int main(void) {
    RUN(as_numpy_prints);
    RUN(what_numpy_lacks);
    RUN(cut_and_refused);
    RUN(strings);
    return check_done();
}
