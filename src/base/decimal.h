/* decimal.h: floats from and to decimal digits, correctly rounded, whatever the locale. */
#ifndef GM_BASE_DECIMAL_H
#define GM_BASE_DECIMAL_H
#include <stddef.h>
#include <stdint.h>

/* The number at the start of text[0..n): sign, digits, fraction, exponent. *used is its length, 0 if there is none.
 * "inf", "nan" and hexadecimal are none. Values too large become infinite. */
double gm__decimal_f64(const char *text, size_t n, size_t *used);
float gm__decimal_f32(const char *text, size_t n, size_t *used);
/* The length of the number alone. */
size_t gm__decimal_length(const char *text, size_t n);

/* Decimal digits of a finite value's magnitude: d1.d2d3... * 10^exponent, no trailing zeros, at least one digit. */
typedef struct { int n, exponent; char digit[32]; } gm__decimal;

/* The fewest digits that read back as the same f32 or f64; of those the closest. */
gm__decimal gm__decimal_shortest_f32(float value);
gm__decimal gm__decimal_shortest_f64(double value);
/* At most n digits (1 to 25), the exact value rounded to nearest, ties to even. */
gm__decimal gm__decimal_rounded(double value, int n);

#endif
