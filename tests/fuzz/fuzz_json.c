/* fuzz_json.c: the reader of JSON. What it accepts is written out again, and that reads as the same values. */
#include "fuzz.h"
#include "base/builder.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(gm__builder *b, const gm__json *v) {
    if (v->kind == GM__JSON_NULL) gm__builder_add(b, "null");
    else if (v->kind == GM__JSON_BOOL) gm__builder_add(b, v->truth ? "true" : "false");
    else if (v->kind == GM__JSON_STRING) gm__builder_json(b, v->text);
    else if (v->kind == GM__JSON_NUMBER && v->number == 0) gm__builder_add(b, signbit(v->number) ? "-0" : "0");
    else if (v->kind == GM__JSON_NUMBER && v->is_integer) gm__builder_format(b, "%lld", (long long)v->integer);
    else if (v->kind == GM__JSON_NUMBER) gm__builder_format(b, v->number - v->number ? "1e999" : "%.17g", v->number);
    else {
        gm__builder_add(b, v->kind == GM__JSON_ARRAY ? "[" : "{");
        for (uint32_t i = 0; i < v->n; i++) {
            if (i) gm__builder_add(b, ",");
            if (v->items[i].key) gm__builder_json(b, v->items[i].key), gm__builder_add(b, ":");
            write_value(b, &v->items[i]);
        }
        gm__builder_add(b, v->kind == GM__JSON_ARRAY ? "]" : "}");
    }
}

static gm__builder written(const gm__json_document *d) {
    gm__builder b = { 0 };
    write_value(&b, gm__json_root(d));
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gm__json_document *d = gm__json_open("fuzz", "fuzz", (const char *)data, size);
    FUZZ_EXPECT(d ? gm_ok() : gm_error_code() == GM_ERROR_FORMAT);
    gm_error_clear();
    if (!d) return 0;
    gm__builder once = written(d);
    gm__json_close(d);
    d = gm__json_open("fuzz", "fuzz", once.text, once.n);
    FUZZ_EXPECT(d);
    gm__builder twice = written(d);
    gm__json_close(d);
    FUZZ_EXPECT(once.n == twice.n && !memcmp(once.text, twice.text, once.n));
    gm__builder_free(&once);
    gm__builder_free(&twice);
    return 0;
}
