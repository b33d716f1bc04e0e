/* text.c: UTF-8, JSON strings and numbers. printf and strtod follow the user's locale, which may write 0,5: the decimal
 * sign is put right on both ways. */
#include "../math/fp.h"
#include "text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the valid sequence at s, 0 if there is none: overlong forms, surrogates and values past U+10FFFF are not. */
static size_t text_sequence(const unsigned char *s) {
    static const struct { unsigned char first, last, low, high, n; } form[] = {
        { 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t f = 0; f < sizeof form / sizeof *form; f++) {
        if (*s < form[f].first || *s > form[f].last) continue;
        if (form[f].n > 1 && (s[1] < form[f].low || s[1] > form[f].high)) return 0;
        for (size_t i = 2; i < form[f].n; i++)
            if ((s[i] & 0xc0) != 0x80) return 0; /* a terminating 0 stops here too */
        return form[f].n;
    }
    return 0;
}

size_t gm__utf8_first(const char *text) { return text_sequence((const unsigned char *)text); }

size_t gm__utf8_run(const char *text) {
    size_t n = 0, one;
    while (text[n] && (one = gm__utf8_first(text + n))) n += one;
    return n;
}

size_t gm__utf8_columns(const char *text) {
    size_t columns = 0;
    for (; *text; text++) columns += (*text & 0xc0) != 0x80;
    return columns;
}

/* One character or escape of a JSON string into piece; returns how many bytes of s it stands for. */
static size_t text_json_piece(const char *s, char piece[8]) {
    unsigned char c = (unsigned char)*s;
    size_t n = gm__utf8_first(s);
    if (c == '"' || c == '\\') snprintf(piece, 8, "\\%c", c);
    else if (c == '\n') snprintf(piece, 8, "\\n");
    else if (c < 32 || c == 127) snprintf(piece, 8, "\\u%04x", c);
    else snprintf(piece, 8, "%.*s", n ? (int)n : 3, n ? s : "\xef\xbf\xbd");
    return n ? n : 1;
}

size_t gm__json_string(char *out, size_t bytes, const char *text) {
    size_t n = 0;
    out[n++] = '"';
    while (*text) {
        char piece[8];
        size_t taken = text_json_piece(text, piece), length = strlen(piece);
        if (n + length + 2 > bytes) break;
        memcpy(out + n, piece, length);
        n += length;
        text += taken;
    }
    out[n++] = '"';
    out[n] = 0;
    return n;
}

static char text_decimal_sign(void) {
    const char *sign = localeconv()->decimal_point;
    return sign && *sign ? *sign : '.';
}

size_t gm__number_text(char out[GM__NUMBER_BYTES], double value) {
    if (isnan(value)) return (size_t)snprintf(out, GM__NUMBER_BYTES, "nan");
    if (isinf(value)) return (size_t)snprintf(out, GM__NUMBER_BYTES, value < 0 ? "-inf" : "inf");
    int n = 0;
    for (int digits = 6; digits <= 17; digits++) {
        n = snprintf(out, GM__NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(out, NULL) == value) break;
    }
    char *sign = strchr(out, text_decimal_sign());
    if (sign) *sign = '.';
    return (size_t)n;
}

double gm__number_read(const char *text, const char **end) {
    char copy[64];
    size_t n = strspn(text, "+-.0123456789eEinfa");
    if (n >= sizeof copy) n = sizeof copy - 1;
    memcpy(copy, text, n);
    copy[n] = 0;
    char *sign = strchr(copy, '.'), *stop;
    if (sign) *sign = text_decimal_sign();
    double value = strtod(copy, &stop);
    if (end) *end = text + (stop - copy);
    return value;
}
