/* f64.h: the scalar functions of doubles, GM_K(exp_f64) and so on. Included once per instruction set.
 *
 * No libm: only + - * /, square root, fma where written, and exact rounding functions, so every compiler and
 * instruction set gives the same bits. docs/math_ulp.md lists formula and error of each. */
#include "double2.h"
#include "f64_basic.h"
#include "f64_exp.h"
#include "f64_log.h"
#include "f64_pow.h"
#include "f64_trig.h"
#include "f64_hyper.h"
#include "f64_erf.h"
#include "f64_gamma.h"
