/* builder.c: text that grows by doubling. */
#include "../math/fp.h"
#include "builder.h"
#include "decimal.h"
#include "json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for n more bytes and the terminator. */
static bool builder_reserve(gm__builder *b, size_t n) {
    if (b->failed) return false;
    if (n < b->capacity - b->n) return true;
    size_t capacity = b->capacity ? 2 * b->capacity : 256;
    while (capacity <= b->n + n) capacity *= 2;
    char *text = gm_realloc(b->text, capacity);
    if (!text) return b->failed = true, false;
    b->text = text;
    b->capacity = capacity;
    return true;
}

void gm__builder_bytes(gm__builder *b, const void *bytes, size_t n) {
    if (!builder_reserve(b, n)) return;
    if (n) memcpy(b->text + b->n, bytes, n);
    b->n += n;
    b->text[b->n] = 0;
}

void gm__builder_add(gm__builder *b, const char *text) { gm__builder_bytes(b, text, strlen(text)); }

void gm__builder_fill(gm__builder *b, char c, int64_t n) {
    if (n <= 0 || !builder_reserve(b, (size_t)n)) return;
    memset(b->text + b->n, c, (size_t)n);
    b->n += (size_t)n;
    b->text[b->n] = 0;
}

void gm__builder_format(gm__builder *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !builder_reserve(b, (size_t)n)) return;
    va_start(args, format);
    vsnprintf(b->text + b->n, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
}

/* Bytes of valid UTF-8 at the start of `text`; for JSON, up to a character that is escaped there. */
static size_t builder_run(const char *text, bool json) {
    size_t run = 0, one;
    while (text[run] && (one = gm__utf8_sequence(text + run, strnlen(text + run, 4)))) {
        if (json && ((unsigned char)text[run] < 32 || text[run] == '"' || text[run] == '\\')) break;
        run += one;
    }
    return run;
}

void gm__builder_utf8(gm__builder *b, const char *text) {
    while (*text) {
        size_t run = builder_run(text, false);
        gm__builder_bytes(b, text, run);
        text += run;
        if (*text) gm__builder_add(b, "\xef\xbf\xbd"), text++;
    }
}

void gm__builder_json(gm__builder *b, const char *text) {
    static const char plain[] = "\b\f\n\r\t\"\\", letter[] = "bfnrt\"\\";
    gm__builder_fill(b, '"', 1);
    while (*text) {
        size_t run = builder_run(text, true);
        gm__builder_bytes(b, text, run);
        text += run;
        if (!*text) break;
        const char *found = strchr(plain, *text);
        if (found) gm__builder_format(b, "\\%c", letter[found - plain]);
        else if ((signed char)*text < 0) gm__builder_add(b, "\xef\xbf\xbd");
        else gm__builder_format(b, "\\u%04x", *text);
        text++;
    }
    gm__builder_fill(b, '"', 1);
}

/* 0.00123, 123.4, 12300: the point lies within or near the digits. */
static void builder_positional(gm__builder *b, const gm__decimal *d) {
    if (d->exponent < 0) gm__builder_add(b, "0.");
    gm__builder_fill(b, '0', -d->exponent - 1);
    for (int i = 0; i < d->n; i++) {
        gm__builder_fill(b, d->digit[i], 1);
        if (i == d->exponent && i + 1 < d->n) gm__builder_add(b, ".");
    }
    gm__builder_fill(b, '0', d->exponent - d->n + 1);
}

void gm__builder_number(gm__builder *b, double value) {
    if (isnan(value)) {
        gm__builder_add(b, "nan");
        return;
    }
    if (signbit(value)) gm__builder_add(b, "-");
    if (isinf(value)) {
        gm__builder_add(b, "inf");
        return;
    }
    gm__decimal d = gm__decimal_shortest_f64(value);
    if (d.exponent >= -5 && d.exponent <= 15) {
        builder_positional(b, &d);
        return;
    }
    gm__builder_bytes(b, d.digit, 1);
    if (d.n > 1) gm__builder_add(b, ".");
    gm__builder_bytes(b, d.digit + 1, (size_t)d.n - 1);
    gm__builder_format(b, "e%+d", d.exponent);
}

void gm__builder_free(gm__builder *b) {
    gm_free(b->text);
    *b = (gm__builder){ 0 };
}
