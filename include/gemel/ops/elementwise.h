/* gemel/ops/elementwise.h: one element in, one element out. Shapes broadcast as in NumPy: x [...], y [...] -> their
 * broadcast. Dtypes promote as in PyTorch: tensors of no dimensions count only if their kind is higher. A C scalar is
 * converted once to the dtype of the result; a scalar with a fraction makes an integer tensor f32. Comparisons, logic
 * and tests give bool. Functions of real numbers turn integers into f32. Bounds in ulp: docs/math_ulp.md. */
#ifndef GEMEL_OPS_ELEMENTWISE_H
#define GEMEL_OPS_ELEMENTWISE_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif


/* ---- arithmetic ---- */

/* a + b. */
GM_API gm_tensor *gm_add(gm_tensor *a, gm_tensor *b);
/* a - b. */
GM_API gm_tensor *gm_sub(gm_tensor *a, gm_tensor *b);
/* a * b. */
GM_API gm_tensor *gm_mul(gm_tensor *a, gm_tensor *b);
/* a / b, true division: integers become f32. */
GM_API gm_tensor *gm_div(gm_tensor *a, gm_tensor *b);
/* Floor(a / b); x / 0 is 0 for integers. */
GM_API gm_tensor *gm_floor_divide(gm_tensor *a, gm_tensor *b);
/* a - floor(a / b) * b: the sign of b, as in Python. */
GM_API gm_tensor *gm_remainder(gm_tensor *a, gm_tensor *b);
/* The remainder of truncated division: the sign of a, as in C. */
GM_API gm_tensor *gm_fmod(gm_tensor *a, gm_tensor *b);
/* -a. */
GM_API gm_tensor *gm_neg(gm_tensor *a);
/* |a|. */
GM_API gm_tensor *gm_abs(gm_tensor *a);
/* -1, 0 or 1; NaN stays. */
GM_API gm_tensor *gm_sign(gm_tensor *a);
/* a * a. */
GM_API gm_tensor *gm_square(gm_tensor *a);
/* 1 / a. */
GM_API gm_tensor *gm_reciprocal(gm_tensor *a);
/* a to the power b, IEEE 754 special cases. */
GM_API gm_tensor *gm_pow(gm_tensor *a, gm_tensor *b);
/* The larger; NaN wins; +0 > -0. Ties share the gradient. */
GM_API gm_tensor *gm_maximum(gm_tensor *a, gm_tensor *b);
/* The smaller; NaN wins; -0 < +0. Ties share the gradient. */
GM_API gm_tensor *gm_minimum(gm_tensor *a, gm_tensor *b);
/* 1 where a > b, 0.5 where equal, else 0: the slope of maximum. No gradient. */
GM_API gm_tensor *gm_tie_share(gm_tensor *a, gm_tensor *b);
/* a * b + c in one rounding. */
GM_API gm_tensor *gm_fma(gm_tensor *a, gm_tensor *b, gm_tensor *c);

/* ---- with a C scalar ---- */

/* a + p. */
GM_API gm_tensor *gm_add_scalar(gm_tensor *a, double p);
/* p - a. */
GM_API gm_tensor *gm_rsub_scalar(gm_tensor *a, double p);
/* a * p. */
GM_API gm_tensor *gm_mul_scalar(gm_tensor *a, double p);
/* a / p. */
GM_API gm_tensor *gm_div_scalar(gm_tensor *a, double p);
/* p / a. */
GM_API gm_tensor *gm_rdiv_scalar(gm_tensor *a, double p);
/* a to the power p. */
GM_API gm_tensor *gm_pow_scalar(gm_tensor *a, double p);
/* p to the power a. */
GM_API gm_tensor *gm_rpow_scalar(gm_tensor *a, double p);
/* The larger of a and p. */
GM_API gm_tensor *gm_maximum_scalar(gm_tensor *a, double p);
/* The smaller of a and p. */
GM_API gm_tensor *gm_minimum_scalar(gm_tensor *a, double p);
/* a held within [p, q]. */
GM_API gm_tensor *gm_clamp(gm_tensor *a, double p, double q);
/* a where p <= b <= q, else 0: the gradient of clamp. */
GM_API gm_tensor *gm_within(gm_tensor *a, gm_tensor *b, double p, double q);
/* a == p. */
GM_API gm_tensor *gm_eq_scalar(gm_tensor *a, double p);
/* a != p. */
GM_API gm_tensor *gm_ne_scalar(gm_tensor *a, double p);
/* a < p. */
GM_API gm_tensor *gm_lt_scalar(gm_tensor *a, double p);
/* a <= p. */
GM_API gm_tensor *gm_le_scalar(gm_tensor *a, double p);
/* a > p. */
GM_API gm_tensor *gm_gt_scalar(gm_tensor *a, double p);
/* a >= p. */
GM_API gm_tensor *gm_ge_scalar(gm_tensor *a, double p);

/* ---- comparison, logic, bits ---- */

/* a == b. */
GM_API gm_tensor *gm_eq(gm_tensor *a, gm_tensor *b);
/* a != b. */
GM_API gm_tensor *gm_ne(gm_tensor *a, gm_tensor *b);
/* a < b. */
GM_API gm_tensor *gm_lt(gm_tensor *a, gm_tensor *b);
/* a <= b. */
GM_API gm_tensor *gm_le(gm_tensor *a, gm_tensor *b);
/* a > b. */
GM_API gm_tensor *gm_gt(gm_tensor *a, gm_tensor *b);
/* a >= b. */
GM_API gm_tensor *gm_ge(gm_tensor *a, gm_tensor *b);
/* Both are not zero. */
GM_API gm_tensor *gm_logical_and(gm_tensor *a, gm_tensor *b);
/* One is not zero. */
GM_API gm_tensor *gm_logical_or(gm_tensor *a, gm_tensor *b);
/* Just one is not zero. */
GM_API gm_tensor *gm_logical_xor(gm_tensor *a, gm_tensor *b);
/* It is zero. */
GM_API gm_tensor *gm_logical_not(gm_tensor *a);
/* a & b. */
GM_API gm_tensor *gm_bitwise_and(gm_tensor *a, gm_tensor *b);
/* a | b. */
GM_API gm_tensor *gm_bitwise_or(gm_tensor *a, gm_tensor *b);
/* a ^ b. */
GM_API gm_tensor *gm_bitwise_xor(gm_tensor *a, gm_tensor *b);
/* ~a; not for bool. */
GM_API gm_tensor *gm_bitwise_not(gm_tensor *a);
/* a << b, b modulo the width. */
GM_API gm_tensor *gm_shift_left(gm_tensor *a, gm_tensor *b);
/* a >> b, arithmetic for signed types, b modulo the width. */
GM_API gm_tensor *gm_shift_right(gm_tensor *a, gm_tensor *b);
/* It is a NaN. */
GM_API gm_tensor *gm_isnan(gm_tensor *a);
/* It is infinite. */
GM_API gm_tensor *gm_isinf(gm_tensor *a);
/* It is neither infinite nor a NaN. */
GM_API gm_tensor *gm_isfinite(gm_tensor *a);

/* ---- choosing: the first input is a condition and has no say in promotion ---- */

/* b where a is not zero, else c; a has no say in the dtype. */
GM_API gm_tensor *gm_where(gm_tensor *a, gm_tensor *b, gm_tensor *c);

/* ---- rounding ---- */

/* The largest integer not above. No gradient. */
GM_API gm_tensor *gm_floor(gm_tensor *a);
/* The smallest integer not below. No gradient. */
GM_API gm_tensor *gm_ceil(gm_tensor *a);
/* Towards zero. No gradient. */
GM_API gm_tensor *gm_trunc(gm_tensor *a);
/* To the nearest integer, ties to even. No gradient. */
GM_API gm_tensor *gm_round(gm_tensor *a);
/* a - trunc(a). */
GM_API gm_tensor *gm_frac(gm_tensor *a);

/* ---- exponentials and logarithms ---- */

/* Exp of a. */
GM_API gm_tensor *gm_exp(gm_tensor *a);
/* Exp2 of a. */
GM_API gm_tensor *gm_exp2(gm_tensor *a);
/* Expm1 of a. */
GM_API gm_tensor *gm_expm1(gm_tensor *a);
/* Log of a. */
GM_API gm_tensor *gm_log(gm_tensor *a);
/* Log2 of a. */
GM_API gm_tensor *gm_log2(gm_tensor *a);
/* Log10 of a. */
GM_API gm_tensor *gm_log10(gm_tensor *a);
/* Log1p of a. */
GM_API gm_tensor *gm_log1p(gm_tensor *a);
/* a * log(b), 0 where a is 0. */
GM_API gm_tensor *gm_xlogy(gm_tensor *a, gm_tensor *b);
/* Log(exp(a) + exp(b)). */
GM_API gm_tensor *gm_logaddexp(gm_tensor *a, gm_tensor *b);
/* Square root. */
GM_API gm_tensor *gm_sqrt(gm_tensor *a);
/* 1 / sqrt(a). */
GM_API gm_tensor *gm_rsqrt(gm_tensor *a);

/* ---- trigonometric and hyperbolic ---- */

/* Sin of a. */
GM_API gm_tensor *gm_sin(gm_tensor *a);
/* Cos of a. */
GM_API gm_tensor *gm_cos(gm_tensor *a);
/* Tan of a. */
GM_API gm_tensor *gm_tan(gm_tensor *a);
/* Asin of a. */
GM_API gm_tensor *gm_asin(gm_tensor *a);
/* Acos of a. */
GM_API gm_tensor *gm_acos(gm_tensor *a);
/* Atan of a. */
GM_API gm_tensor *gm_atan(gm_tensor *a);
/* Atan2 of a. */
GM_API gm_tensor *gm_atan2(gm_tensor *a, gm_tensor *b);
/* Sinh of a. */
GM_API gm_tensor *gm_sinh(gm_tensor *a);
/* Cosh of a. */
GM_API gm_tensor *gm_cosh(gm_tensor *a);
/* Tanh of a. */
GM_API gm_tensor *gm_tanh(gm_tensor *a);
/* a part of the derivative of tanh. */
GM_API gm_tensor *gm_tanh_grad(gm_tensor *a, gm_tensor *b);
/* Asinh of a. */
GM_API gm_tensor *gm_asinh(gm_tensor *a);
/* Acosh of a. */
GM_API gm_tensor *gm_acosh(gm_tensor *a);
/* Atanh of a. */
GM_API gm_tensor *gm_atanh(gm_tensor *a);

/* ---- special functions ---- */

/* Erf of a. */
GM_API gm_tensor *gm_erf(gm_tensor *a);
/* Erfc of a. */
GM_API gm_tensor *gm_erfc(gm_tensor *a);
/* Erfinv of a. */
GM_API gm_tensor *gm_erfinv(gm_tensor *a);

/* ---- activations; the _grad operations are their derivatives as one kernel: a is the gradient that arrives ---- */

/* 1 / (1 + exp(-a)). */
GM_API gm_tensor *gm_sigmoid(gm_tensor *a);
/* a part of the derivative of sigmoid. */
GM_API gm_tensor *gm_sigmoid_grad(gm_tensor *a, gm_tensor *b);
/* Log(1 / (1 + exp(-a))). */
GM_API gm_tensor *gm_log_sigmoid(gm_tensor *a);
/* Log(1 + exp(a)). */
GM_API gm_tensor *gm_softplus(gm_tensor *a);
/* Max(a, 0); NaN stays. */
GM_API gm_tensor *gm_relu(gm_tensor *a);
/* a part of the derivative of relu. */
GM_API gm_tensor *gm_relu_grad(gm_tensor *a, gm_tensor *b);
/* Min(max(a, 0), 6). */
GM_API gm_tensor *gm_relu6(gm_tensor *a);
/* a part of the derivative of relu6. */
GM_API gm_tensor *gm_relu6_grad(gm_tensor *a, gm_tensor *b);
/* a if positive, else a * p (PyTorch: p = 0.01). */
GM_API gm_tensor *gm_leaky_relu(gm_tensor *a, double p);
/* a part of the derivative of leaky_relu. */
GM_API gm_tensor *gm_leaky_relu_grad(gm_tensor *a, gm_tensor *b, double p);
/* a if positive, else a * b. */
GM_API gm_tensor *gm_prelu_of(gm_tensor *a, gm_tensor *b);
/* a if positive, else p * (exp(a) - 1). */
GM_API gm_tensor *gm_elu(gm_tensor *a, double p);
/* a part of the derivative of elu. */
GM_API gm_tensor *gm_elu_grad(gm_tensor *a, gm_tensor *b, double p);
/* a part of the derivative of elu. */
GM_API gm_tensor *gm_elu_curve(gm_tensor *a, double p);
/* Scaled elu (Klambauer et al. 2017). */
GM_API gm_tensor *gm_selu(gm_tensor *a);
/* a * sigmoid(a), also called swish. */
GM_API gm_tensor *gm_silu(gm_tensor *a);
/* a part of the derivative of silu. */
GM_API gm_tensor *gm_silu_grad(gm_tensor *a, gm_tensor *b);
/* a part of the derivative of silu. */
GM_API gm_tensor *gm_silu_curve(gm_tensor *a);
/* a * tanh(softplus(a)) (Misra 2019). */
GM_API gm_tensor *gm_mish(gm_tensor *a);
/* a * Phi(a), exact, with erf (Hendrycks, Gimpel 2016). */
GM_API gm_tensor *gm_gelu(gm_tensor *a);
/* a part of the derivative of gelu. */
GM_API gm_tensor *gm_gelu_grad(gm_tensor *a, gm_tensor *b);
/* a part of the derivative of gelu. */
GM_API gm_tensor *gm_gelu_curve(gm_tensor *a);
/* Gelu by its tanh approximation. */
GM_API gm_tensor *gm_gelu_tanh(gm_tensor *a);
/* Relu6(a + 3) / 6. */
GM_API gm_tensor *gm_hard_sigmoid(gm_tensor *a);
/* a * relu6(a + 3) / 6. */
GM_API gm_tensor *gm_hard_swish(gm_tensor *a);
/* a held within [p, q] (PyTorch: -1, 1). */
GM_API gm_tensor *gm_hard_tanh(gm_tensor *a, double p, double q);
/* a / (1 + |a|). */
GM_API gm_tensor *gm_softsign(gm_tensor *a);
/* a where |a| > p, else 0. */
GM_API gm_tensor *gm_hard_shrink(gm_tensor *a, double p);
/* a moved towards 0 by p. */
GM_API gm_tensor *gm_soft_shrink(gm_tensor *a, double p);

#ifdef __cplusplus
}
#endif
#endif
