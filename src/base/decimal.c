/* decimal.c: floats from and to decimal digits.
 *
 * Reading: up to 19 digits fit an integer; if it is at most 2^53 and the power of ten at most 10^22, both are exact
 * doubles and one multiplication or division rounds correctly (Clinger). Everything else goes to strtod, which rounds
 * correctly in every C library that is used today, under the locale "C". A float is the rounded double, unless that
 * lies exactly between two floats: then the digits decide (strtof).
 *
 * Writing: 15 digits survive a normal double and 6 a normal float, so shorter forms show as trailing zeros of those;
 * more digits are tried one by one. Below a power of two the neighbours are closer than above it, so there the nearest
 * decimal may fail where the next one up succeeds. */
#include "../math/fp.h"
#include "decimal.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static locale_t decimal_locale;
static pthread_once_t decimal_once = PTHREAD_ONCE_INIT;
static void decimal_make_locale(void) { decimal_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

static locale_t decimal_enter(void) {
    pthread_once(&decimal_once, decimal_make_locale);
    return decimal_locale ? uselocale(decimal_locale) : (locale_t)0;
}

static void decimal_leave(locale_t before) {
    if (before) uselocale(before);
}

/* ---- reading ---- */

typedef struct { uint64_t digits; int64_t exponent; int n_digits; bool negative; size_t used; } decimal_scan_result;

static size_t decimal_scan_digits(const char *s, size_t at, size_t n, decimal_scan_result *r, bool fraction) {
    for (; at < n && s[at] >= '0' && s[at] <= '9'; at++) {
        if (r->n_digits || s[at] != '0') r->n_digits++;
        if (r->n_digits <= 19) r->digits = r->digits * 10 + (uint64_t)(s[at] - '0');
        if (fraction) r->exponent--;
    }
    return at;
}

/* "e-12" at s[at]; 0 is returned if there is no exponent there. */
static size_t decimal_scan_exponent(const char *s, size_t at, size_t n, int64_t *exponent) {
    if (at >= n || (s[at] | 32) != 'e') return 0;
    at++;
    bool negative = at < n && s[at] == '-';
    if (at < n && (s[at] == '-' || s[at] == '+')) at++;
    size_t first = at;
    int64_t e = 0;
    for (; at < n && s[at] >= '0' && s[at] <= '9'; at++)
        if (e < 100000000) e = e * 10 + (s[at] - '0');
    *exponent += negative ? -e : e;
    return at > first ? at : 0;
}

static decimal_scan_result decimal_scan(const char *s, size_t n) {
    decimal_scan_result r = { 0 };
    size_t at = 0;
    if (at < n && (s[at] == '-' || s[at] == '+')) r.negative = s[at++] == '-';
    size_t first = at, digits;
    at = decimal_scan_digits(s, at, n, &r, false);
    digits = at - first;
    if (at < n && s[at] == '.') {
        size_t end = decimal_scan_digits(s, at + 1, n, &r, true);
        digits += end - at - 1;
        at = end;
    }
    if (!digits) return (decimal_scan_result){ 0 };
    size_t end = decimal_scan_exponent(s, at, n, &r.exponent);
    r.used = end ? end : at;
    return r;
}

/* strtod, or strtof for `single`, over a terminated copy. */
static double decimal_slow(const char *s, size_t n, bool single) {
    char stack[128], *copy = n < sizeof stack ? stack : malloc(n + 1);
    if (!copy) return NAN;
    memcpy(copy, s, n);
    copy[n] = 0;
    locale_t before = decimal_enter();
    double value = single ? (double)strtof(copy, NULL) : strtod(copy, NULL);
    decimal_leave(before);
    if (copy != stack) free(copy);
    return value;
}

static double decimal_value(const char *s, const decimal_scan_result *r) {
    static const double power[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (r->n_digits > 19 || r->digits > (uint64_t)1 << 53 || r->exponent < -22 || r->exponent > 22)
        return decimal_slow(s, r->used, false);
    double d = (double)r->digits;
    d = r->exponent < 0 ? d / power[-r->exponent] : d * power[r->exponent];
    return r->negative ? -d : d;
}

size_t gm__decimal_length(const char *text, size_t n) { return decimal_scan(text, n).used; }

double gm__decimal_f64(const char *text, size_t n, size_t *used) {
    decimal_scan_result r = decimal_scan(text, n);
    *used = r.used;
    return r.used ? decimal_value(text, &r) : 0;
}

float gm__decimal_f32(const char *text, size_t n, size_t *used) {
    decimal_scan_result r = decimal_scan(text, n);
    *used = r.used;
    if (!r.used) return 0;
    double d = decimal_value(text, &r), size = fabs(d);
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    bool halfway = (bits & 0x1fffffff) == 0x10000000, ordinary = size >= 0x1p-126 && size <= 0x1.fffffep127;
    if (d == 0 || (ordinary && !halfway)) return (float)d;
    return (float)decimal_slow(text, r.used, true);
}

/* ---- writing ---- */

static gm__decimal decimal_trimmed(gm__decimal d) {
    while (d.n > 1 && d.digit[d.n - 1] == '0') d.digit[--d.n] = 0;
    return d;
}

/* From "d.ddde+xx", whatever the decimal sign is. */
static gm__decimal decimal_of_text(const char *text) {
    gm__decimal d = { 0 };
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && d.n < (int)sizeof d.digit - 1) d.digit[d.n++] = *text;
    d.exponent = *text ? atoi(text + 1) : 0;
    return d;
}

static gm__decimal decimal_digits(double value, int n) {
    char text[64];
    snprintf(text, sizeof text, "%.*e", n - 1, fabs(value));
    return decimal_of_text(text);
}

gm__decimal gm__decimal_rounded(double value, int n) { return decimal_trimmed(decimal_digits(value, n)); }

static bool decimal_reads_back(const gm__decimal *d, double value, bool single) {
    char text[64];
    int n = snprintf(text, sizeof text, "%se%d", d->digit, d->exponent - d->n + 1);
    size_t used;
    double back = single ? (double)gm__decimal_f32(text, (size_t)n, &used) : gm__decimal_f64(text, (size_t)n, &used);
    return back == value;
}

/* The decimal of as many digits that comes next above d. */
static gm__decimal decimal_next_up(gm__decimal d) {
    int i = d.n - 1;
    while (i >= 0 && d.digit[i] == '9') d.digit[i--] = '0';
    if (i >= 0) return d.digit[i]++, d;
    d.digit[0] = '1';
    d.exponent++;
    return d;
}

/* value > 0, from `first` digits on; `most` always suffice. */
static gm__decimal decimal_shortest(double value, int first, int most, bool power_of_two, bool single) {
    for (int n = first; n < most; n++) {
        gm__decimal d = decimal_digits(value, n);
        if (decimal_reads_back(&d, value, single)) return decimal_trimmed(d);
        if (!power_of_two) continue;
        d = decimal_next_up(d);
        if (decimal_reads_back(&d, value, single)) return decimal_trimmed(d);
    }
    return gm__decimal_rounded(value, most);
}

gm__decimal gm__decimal_shortest_f32(float value) {
    float v = fabsf(value);
    if (v == 0) return (gm__decimal){ 1, 0, "0" };
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return decimal_shortest((double)v, v < 0x1p-126f ? 1 : 6, 9, !(bits & 0x7fffff), true);
}

gm__decimal gm__decimal_shortest_f64(double value) {
    double v = fabs(value);
    if (v == 0) return (gm__decimal){ 1, 0, "0" };
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return decimal_shortest(v, v < 0x1p-1022 ? 1 : 15, 17, !(bits & 0xfffffffffffffu), false);
}
