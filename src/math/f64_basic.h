/* f64_basic.h: rounding, roots, remainders, largest and smallest, for double. */

#define gm__infd __builtin_inf()
#define gm__nand __builtin_nan("")

GM_INLINE double GM_K(sqrt_f64)(double x) { return __builtin_sqrt(x); }
GM_INLINE double GM_K(rsqrt_f64)(double x) { return 1.0 / __builtin_sqrt(x); }
GM_INLINE double GM_K(floor_f64)(double x) { return __builtin_floor(x); }
GM_INLINE double GM_K(floordiv_f64)(double a, double b) { return __builtin_floor(a / b); }
GM_INLINE double GM_K(ceil_f64)(double x) { return __builtin_ceil(x); }
GM_INLINE double GM_K(trunc_f64)(double x) { return __builtin_trunc(x); }
GM_INLINE double GM_K(round_f64)(double x) { return __builtin_rint(x); }

/* NaN if either is NaN; +0 > -0 (the bits of equal numbers differ only there) */
GM_INLINE double GM_K(max_f64)(double x, double y) {
    double r = x > y ? x : y;
    r = x == y ? gm_from_bitsd(gm_bitsd(x) & gm_bitsd(y)) : r;
    return x != x ? x : r;
}

GM_INLINE double GM_K(min_f64)(double x, double y) {
    double r = x < y ? x : y;
    r = x == y ? gm_from_bitsd(gm_bitsd(x) | gm_bitsd(y)) : r;
    return x != x ? x : r;
}

/* Exponent and mantissa of a finite positive number as integers, x = m * 2^e, 2^52 <= m < 2^53 */
GM_INLINE uint64_t GM_K(split_f64)(double x, int *e) {
    int down = x < 0x1p-1022 ? 64 : 0;
    uint64_t u = gm_bitsd(down ? x * 0x1p64 : x);
    *e = (int)(u >> 52) - 1075 - down;
    return (u & 0xfffffffffffffu) | 0x10000000000000u;
}

/* m * 2^e for m < 2^53 where the value is a double (m * 2^e needs no rounding) */
GM_INLINE double GM_K(join_f64)(uint64_t m, int e) {
    double r = (double)m;
    r *= gm_from_bitsd((uint64_t)((e >> 1) + 1023) << 52);
    return r * gm_from_bitsd((uint64_t)((e - (e >> 1)) + 1023) << 52);
}

/* C's fmod: exact, the sign of x. Long division, 11 bits at a time. */
GM_OUTLINE double GM_K(fmod_f64)(double x, double y) {
    double a = __builtin_fabs(x), b = __builtin_fabs(y);
    if (!(a < gm__infd) || !(b > 0)) return gm__nand;
    if (a < b || a == 0) return x;
    int ea, eb;
    uint64_t m = GM_K(split_f64)(a, &ea), n = GM_K(split_f64)(b, &eb);
    m %= n;
    for (int d = ea - eb; d > 0;) {
        int s = d < 11 ? d : 11;
        m = (m << s) % n;
        d -= s;
    }
    return GM_K(copysign_f64)(GM_K(join_f64)(m, eb), x);
}

/* the remainder with the sign of the divisor, as Python and PyTorch define it */
GM_INLINE double GM_K(mod_f64)(double x, double y) {
    double r = GM_K(fmod_f64)(x, y);
    return ((r != 0) & ((y < 0) != (r < 0))) ? r + y : r;
}

/* The cube root: a third of the exponent, two steps of Halley's method, and one step of Newton's with an exact
 * residual, so that only the last addition rounds. */
GM_OUTLINE double GM_K(cbrt_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a < gm__infd) || a == 0) return x + x;
    double up = a < 0x1p-900 ? 0x1p108 : a > 0x1p900 ? 0x1p-108 : 1;
    double down = a < 0x1p-900 ? 0x1p-36 : a > 0x1p900 ? 0x1p36 : 1;
    a *= up;
    double t = gm_from_bitsd(gm_bitsd(a) / 3 + 0x2a9f7893782da1ceu);
    for (int i = 0; i < 2; i++) {
        double c = t * t * t;
        t = t * ((c + (a + a)) / ((c + c) + a));
    }
    t = gm_from_bitsd(gm_bitsd(t) & 0xffffffffff000000u); /* 29 bits: t * t is exact */
    double q = t * t, r = a / q;
    t = t + t * ((r - t) / ((t + t) + r));
    return GM_K(copysign_f64)(t * down, x);
}
