/* f32.h: the scalar functions of floats, GM_K(exp_f32) and so on. Included once per instruction set, after f64.h.
 *
 * Straight lines of + - * /, square roots, gm_fma and selects: a loop over any of them vectorises in GCC and Clang (a
 * test checks it). No libm, so every compiler and instruction set gives the same bits. The hot ones (exp, expm1, log,
 * log1p, tanh, sigmoid, erf) compute in float, the others in double. docs/math_ulp.md lists formula and error. */
#include "f32_basic.h"
#include "f32_wide.h"
#include "f32_exp.h"
#include "f32_log.h"
#include "f32_trig.h"
#include "f32_pow.h"
#include "f32_erf.h"
#include "f32_gamma.h"
