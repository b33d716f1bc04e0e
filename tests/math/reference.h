/* reference.h: what the scalar functions should give, in long double; the tests' only use of libm. */
#ifndef MATH_REFERENCE_H
#define MATH_REFERENCE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef long double real;

static const real ref_pi = 3.14159265358979323846264338327950288L;

static inline real ref_sqrt(real x) { return sqrtl(x); }
static inline real ref_rsqrt(real x) { return 1.0L / sqrtl(x); }
static inline real ref_cbrt(real x) { return cbrtl(x); }
static inline real ref_floor(real x) { return floorl(x); }
static inline real ref_ceil(real x) { return ceill(x); }
static inline real ref_trunc(real x) { return truncl(x); }
static inline real ref_round(real x) { return rintl(x); }
static inline real ref_exp(real x) { return expl(x); }
static inline real ref_exp2(real x) { return exp2l(x); }
static inline real ref_expm1(real x) { return expm1l(x); }
static inline real ref_log(real x) { return logl(x); }
static inline real ref_log2(real x) { return log2l(x); }
static inline real ref_log10(real x) { return log10l(x); }
static inline real ref_log1p(real x) { return log1pl(x); }
static inline real ref_log1pexp(real x) { return log1pl(expl(-fabsl(x))); }
static inline real ref_softplus(real x) { return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x)); }
static inline real ref_log_sigmoid(real x) { return x > 0 ? 0 - log1pl(expl(-x)) : x - log1pl(expl(x)); }
static inline real ref_sigmoid(real x) { return x > 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x)); }
static inline real ref_sin(real x) { return sinl(x); }
static inline real ref_cos(real x) { return cosl(x); }
static inline real ref_tan(real x) { return tanl(x); }
static inline real ref_asin(real x) { return asinl(x); }
static inline real ref_acos(real x) { return acosl(x); }
static inline real ref_atan(real x) { return atanl(x); }
static inline real ref_sinh(real x) { return sinhl(x); }
static inline real ref_cosh(real x) { return coshl(x); }
static inline real ref_tanh(real x) { return tanhl(x); }
static inline real ref_asinh(real x) { return asinhl(x); }
static inline real ref_acosh(real x) { return acoshl(x); }
static inline real ref_atanh(real x) { return atanhl(x); }
static inline real ref_erf(real x) { return erfl(x); }
static inline real ref_erfc(real x) { return erfcl(x); }
static inline real ref_lgamma(real x) { return x == -INFINITY ? INFINITY : lgammal(x); }

/* Newton's method on the complement, from the asymptotic value */
static inline real ref_erfinv(real x) {
    real a = fabsl(x);
    if (!(a <= 1)) return NAN;
    if (a == 1 || a == 0) return a == 1 ? copysignl(INFINITY, x) : x;
    real w = -log1pl(-x * x), t = 4.3307467508L + w / 2, y = sqrtl(sqrtl(t * t - w / 0.147L) - t); /* Winitzki 2008 */
    if (!(y > 0) || a < 0.01L) y = a * 0.886226925452758013649L;
    real d = 1;
    for (int i = 0; i < 60 && fabsl(d) > y * 1e-20L; i++) {
        real e = a < 0.5L ? erfl(y) - a : (1 - a) - erfcl(y);
        d = e / (1.12837916709551257389615890312154517L * expl(-y * y));
        d /= 1 + y * d;
        y -= d;
    }
    return copysignl(y, x);
}

static inline real ref_digamma(real x) {
    if (x == 0) return copysignl(INFINITY, -x);
    if (x != x || x == INFINITY) return x;
    if (x < 0) {
        if (floorl(x) == x) return NAN;
        real r = x - rintl(x);
        return ref_digamma(1 - x) - ref_pi / tanl(ref_pi * r);
    }
    real sum = 0, z, s;
    for (; x < 40; x += 1) sum -= 1 / x;
    z = 1 / (x * x);
    static const real b[] = { 1 / 12.0L, -1 / 120.0L, 1 / 252.0L, -1 / 240.0L, 1 / 132.0L, -691 / 32760.0L, 1 / 12.0L };
    s = 0;
    for (int i = 6; i >= 0; i--) s = s * z + b[i];
    return sum + (logl(x) - 1 / (2 * x) - s * z);
}

static inline real ref_max(real x, real y) { return x != x || y != y ? NAN : x > y || (x == y && !signbit(x)) ? x : y; }
static inline real ref_min(real x, real y) { return x != x || y != y ? NAN : x < y || (x == y && signbit(x)) ? x : y; }
static inline real ref_fmod(real x, real y) { return fmodl(x, y); }
/* exact until the last addition, which is one of the format's own */
static inline real ref_mod(real x, real y) {
    real r = fmodl(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

/* glibc 2.36's powl gives infinity for (-infinity)^(-2^63) */
static inline real ref_pow(real x, real y) { return isinf(x) ? (real)pow((double)x, (double)y) : powl(x, y); }
static inline real ref_atan2(real y, real x) { return atan2l(y, x); }

/* |y - x| in units of the last place of x, in a format of `digits` bits whose smallest unit is 2^low. The size of x is
 * taken to be at least `floor`. Where both are NaN or the same infinity: 0. A wrong special value: 1e9. */
static inline double ref_ulps(real y, real x, int digits, int low, real floor, real largest) {
    if (x != x || y != y) return (x != x) == (y != y) ? 0 : 1e9;
    if (fabsl(x) > largest) { /* rounds to infinity, or may */
        if (isinf(y) && (y > 0) == (x > 0)) return 0;
        if (isinf(x)) return 1e9;
    }
    if (isinf(y)) return 1e9;
    real m = fabsl(x) < floor ? floor : fabsl(x);
    int e;
    frexpl(m, &e);
    if (m == 0 || e - digits < low) e = low + digits;
    return (double)ldexpl(fabsl(y - x), digits - e);
}

static inline double ref_ulps_f32(float y, real x, real floor) {
    return ref_ulps(y, x, 24, -149, floor, 0x1.ffffffp127L);
}
static inline double ref_ulps_f64(double y, real x, real floor) {
    return ref_ulps(y, x, 53, -1074, floor, 0x1.fffffffffffff8p1023L);
}

#endif
