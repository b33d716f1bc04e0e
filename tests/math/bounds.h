/* bounds.h: the errors that the tests allow, in ulp. Where the value is smaller than a floor, the error is absolute, in
 * ulps of the floor: one for negative x in f32, one for negative and one for positive x in f64. */
#ifndef MATH_BOUNDS_H
#define MATH_BOUNDS_H

#include <stddef.h>
#include <string.h>

typedef struct { const char *name; double f32, f64, floor32, floor, floor_positive; } bound;

static const bound *bound_of(const char *name) {
    static const bound all[] = {
        { "sqrt", 0.5, 0.501, 0, 0, 0 },
        { "rsqrt", 1.5, 1.5, 0, 0, 0 },
        { "cbrt", 0.51, 1, 0, 0, 0 },
        { "floor", 0, 0, 0, 0, 0 },
        { "ceil", 0, 0, 0, 0, 0 },
        { "trunc", 0, 0, 0, 0, 0 },
        { "round", 0, 0, 0, 0, 0 },
        { "exp", 1, 1, 0, 0, 0 },
        { "exp2", 1, 1, 0, 0, 0 },
        { "expm1", 1.5, 1, 0, 0, 0 },
        { "log", 1, 1, 0, 0, 0 },
        { "log2", 0.51, 1, 0, 0, 0 },
        { "log10", 0.51, 1, 0, 0, 0 },
        { "log1p", 1, 1, 0, 0, 0 },
        { "log1pexp", 1.1, 1.5, 0, 0, 0 },
        { "softplus", 1.25, 1.25, 0, 0, 0 },
        { "log_sigmoid", 1.25, 1.5, 0, 0, 0 },
        { "sigmoid", 1, 1, 0, 0, 0 },
        { "sin", 0.51, 1, 0, 0, 0 },
        { "cos", 0.51, 1, 0, 0, 0 },
        { "tan", 0.51, 1, 0, 0, 0 },
        { "asin", 0.51, 1, 0, 0, 0 },
        { "acos", 0.51, 1, 0, 0, 0 },
        { "atan", 0.51, 1, 0, 0, 0 },
        { "sinh", 0.51, 1, 0, 0, 0 },
        { "cosh", 0.51, 1, 0, 0, 0 },
        { "tanh", 1, 1, 0, 0, 0 },
        { "asinh", 0.51, 1, 0, 0, 0 },
        { "acosh", 0.51, 1.5, 0, 0, 0 },
        { "atanh", 0.51, 1, 0, 0, 0 },
        { "erf", 1.1, 1, 0, 0, 0 },
        { "erfc", 0.51, 1.5, 0, 0, 0 },
        { "erfinv", 0.52, 2, 0, 0, 0 },
        { "lgamma", 0.52, 4, 0, 1, 0 },
        { "digamma", 0.52, 5, 0, 1, 0.015625 },
        { "max", 0, 0, 0, 0, 0 },
        { "min", 0, 0, 0, 0, 0 },
        { "mod", 0.5, 0.5, 0, 0, 0 },
        { "fmod", 0, 0, 0, 0, 0 },
        { "pow", 0.51, 1, 0, 0, 0 },
        { "atan2", 0.51, 2, 0, 0, 0 },
    };
    static const bound none = { "", -1, -1, 0, 0, 0 };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0) return all + i;
    return &none;
}

#endif
