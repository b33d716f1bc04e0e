/* functions.h: what is promised of every scalar function, and how it is computed: the source of docs/math_ulp.md.
 *
 * Errors in ulp. Where the value is smaller than a floor, the error is absolute, in ulps of the floor: `floor` for
 * negative x in f64 (1 stands for 1 plus the size of the terms that cancel), `floor_positive` for the others. */
#ifndef MATH_FUNCTIONS_H
#define MATH_FUNCTIONS_H

#include <stddef.h>
#include <string.h>

typedef struct {
    const char *name;
    double f32, f64, floor, floor_positive;
    const char *how32, *how64;
} function;

static const function function_list[] = {
    { "sqrt", 0.5, 0.501, 0, 0, "the instruction", "the instruction" },
    { "rsqrt", 1.5, 1.5, 0, 0, "1 / sqrt(x), two roundings", "1 / sqrt(x), two roundings" },
    { "cbrt", 0.51, 1, 0, 0, "double: a third of the exponent, two steps of Halley", "the same and a step of Newton" },
    { "floor", 0, 0, 0, 0, "exact", "exact" },
    { "ceil", 0, 0, 0, 0, "exact", "exact" },
    { "trunc", 0, 0, 0, 0, "exact", "exact" },
    { "round", 0, 0, 0, 0, "exact, to nearest even", "exact, to nearest even" },
    { "exp", 1, 1, 0, 0, "2^n (1 + r + r^2 P5(r)), r = x - n ln 2, float", "2^n (1 + r + r^2 P11(r)), r in two parts" },
    { "exp2", 1, 1, 0, 0, "2^n (1 + r P6(r)), r = x - n, float", "as exp, r = (x - n) ln 2 in two parts" },
    { "expm1", 1.5, 1, 0, 0, "2 (2^(n-1) e + 2^(n-1) - 1/2), e = r + r^2 P6(r), float", "the same in two parts" },
    { "log", 1, 1, 0, 0, "n ln 2 + f + f^2 P10(f), |f| <= 1/3, float", "fdlibm's e_log.c: 2 atanh(f / (2 + f)), P8" },
    { "log2", 0.51, 1, 0, 0, "double: log x / ln 2", "log x / ln 2, in two parts" },
    { "log10", 0.51, 1, 0, 0, "double: log x / ln 10", "log x / ln 10, in two parts" },
    { "log1p", 1, 1, 0, 0, "as log, 1 + x = 2^n (1 + f) with what was rounded away, float",
      "log of 1 + x in two parts" },
    { "log1pexp", 1.1, 1.5, 0, 0, "log(1 + e^-|x|): exp in two parts, log1p, float", "log1p(exp(-|x|))" },
    { "softplus", 1.25, 1.5, 0, 0, "max(x, 0) + log1pexp(x)", "the same" },
    { "log_sigmoid", 1.25, 1.5, 0, 0, "min(x, 0) - log1pexp(x)", "the same" },
    { "sigmoid", 1, 1, 0, 0, "1 / (1 + e) or e / (1 + e), e = e^-|x| in two parts, float", "the same" },
    { "sin", 0.51, 1, 0, 0, "double: x = (q + r) pi/2 with 2^E 2/pi mod 4 in three parts, r P5(r^2)",
      "Cody-Waite in four parts to 2^20, Payne-Hanek above; r + r^3 P6(r^2)" },
    { "cos", 0.51, 1, 0, 0, "double: as sin, 1 + r^2 P5(r^2)", "as sin, 1 - r^2/2 + r^4 P6(r^2)" },
    { "tan", 0.51, 1, 0, 0, "double: sin / cos", "sin / cos, in two parts" },
    { "asin", 0.51, 1, 0, 0, "double: x + x^3 P7(x^2); above 1/2 pi/2 - 2 asin sqrt((1 - x) / 2)", "the same, P14" },
    { "acos", 0.51, 1, 0, 0, "double: from asin's parts", "from asin's parts" },
    { "atan", 0.51, 1, 0, 0, "double: three ranges, one division, t + t^3 P7(t^2)",
      "fdlibm's s_atan.c: five ranges, P11" },
    { "sinh", 0.51, 1, 0, 0, "double: x + x^3 P5(x^2) to 1, (e^x - e^-x) / 2 above", "the same, P8; e^x in two parts" },
    { "cosh", 0.51, 1, 0, 0, "double: (e^x + e^-x) / 2", "the same in two parts" },
    { "tanh", 1, 1, 0, 0, "x + x^3 P6(x^2) to 0.6, 1 - 2 e / (1 + e) above, e = e^-2x in two parts, float",
      "t / (t + 2), t = e^2x - 1 in two parts" },
    { "asinh", 0.51, 1, 0, 0, "double: log(x + sqrt(x^2 + 1))", "x + x^3 P8(x^2) to 1/8, log in two parts above" },
    { "acosh", 0.51, 1.5, 0, 0, "double: log(x + sqrt(x^2 - 1))",
      "2 asinh sqrt((x - 1) / 2) near 1, log in two parts" },
    { "atanh", 0.51, 1, 0, 0, "double: log((1 + x) / (1 - x)) / 2", "x + x^3 P8(x^2) to 1/8, log in two parts above" },
    { "erf", 1.1, 1, 0, 0, "x + x P8(x^2) to 1, 1 - e^-P8(x) above, float", "x + x P13(x^2) to 7/8, 1 - erfc above" },
    { "erfc", 0.51, 1.5, 0, 0, "double: e^(-x^2) P14(q) / (1 + 2 x), q = (x - 3) / (x + 3)",
      "the same, P25, in two parts" },
    { "erfinv", 0.52, 2.25, 0, 0, "double: x P12(w), w = -log(1 - x^2), or of sqrt(w)", "the same, P25, P20, P18" },
    { "lgamma", 0.52, 4, 1, 0, "double: Stirling after a shift by 8; (x - 1)(x - 2) P17 around 1 and 2; reflection",
      "polynomials around 1, 3/2, 2; recurrence; Stirling from 8; reflection" },
    { "digamma", 0.52, 6, 1, 0.015625, "double: asymptotic after a shift by 8; (x - x0) P10 around x0; reflection",
      "(x - x0) P24 on [1, 2]; recurrence; asymptotic from 10; reflection" },
    { "max", 0, 0, 0, 0, "compare and select; NaN propagates, +0 > -0", "the same" },
    { "min", 0, 0, 0, 0, "compare and select; NaN propagates, +0 > -0", "the same" },
    { "mod", 0.5, 0.5, 0, 0, "fmod, plus y where the signs differ", "the same" },
    { "fmod", 0, 0, 0, 0, "exact: ten digits of 28 bits in double", "exact: long division by 11 bits" },
    { "pow", 0.51, 1, 0, 0, "double: e^(y log x)", "e^(y log x), logarithm and product in two parts" },
    { "atan2", 0.51, 2, 0, 0, "double: atan's ranges on y and x", "atan(y / x) and the quadrant" },
};
enum { N_FUNCTIONS = sizeof function_list / sizeof *function_list };

static inline const function *function_of(const char *name) {
    static const function none = { "", -1, -1, 0, 0, "", "" };
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (strcmp(function_list[i].name, name) == 0) return function_list + i;
    return &none;
}

#endif
