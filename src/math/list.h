/* list.h: the scalar functions by name, for those who need them all: X(name). Each has forms _f32 and _f64. */
#ifndef GM_MATH_LIST_H
#define GM_MATH_LIST_H

#define GM_MATH_UNARY(X)                                                                                               \
    X(sqrt) X(rsqrt) X(cbrt) X(floor) X(ceil) X(trunc) X(round) X(exp) X(exp2) X(expm1) X(log) X(log2) X(log10)        \
    X(log1p) X(log1pexp) X(softplus) X(log_sigmoid) X(sigmoid) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh)    \
    X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(erf) X(erfc) X(erfinv) X(lgamma) X(digamma)

#define GM_MATH_BINARY(X) X(max) X(min) X(mod) X(fmod) X(pow) X(atan2)

#endif
