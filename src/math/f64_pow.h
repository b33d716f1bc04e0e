/* f64_pow.h: x^y = e^(y log x), log x and the product in two parts (error 2^-64 of a number below 2^10). The special
 * cases are those of IEEE 754-2019, 9.2.1. */

/* 2 if y is an even integer, 1 if odd, 0 if none; infinities are even */
GM_INLINE int GM_K(parity_f64)(double y) {
    double h = y * 0.5;
    return __builtin_floor(y) != y ? 0 : __builtin_floor(h) == h ? 2 : 1;
}

/* x^y for finite x > 0, y not NaN */
GM_INLINE double GM_K(pow_positive)(double x, double y) {
    gm_dd l = GM_K(log_dd)(x, 0.0);
    double c = y > 0x1p66 ? 0x1p66 : y < -0x1p66 ? -0x1p66 : y; /* beyond, nothing changes and no product overflows */
    gm_dd p = GM_K(two_prod)(c, l.h);
    p.l += c * l.l;
    if (p.h > 720.0) return gm__infd;
    if (p.h < -760.0) return 0.0;
    int32_t n;
    gm_dd e = GM_K(exp_dd)(p.h, p.l, &n);
    return GM_K(scale_f64)(e.h, n);
}

GM_OUTLINE double GM_K(pow_f64)(double x, double y) {
    if (x == 1.0 || y == 0.0) return 1.0;
    if (x != x || y != y) return gm__nand;
    double a = __builtin_fabs(x), r;
    int parity = GM_K(parity_f64)(y);
    if (a == 1.0) {
        r = 1.0;
    } else if (a == 0 || a == gm__infd || __builtin_fabs(y) == gm__infd) {
        r = (a > 1.0) == (y > 0) ? gm__infd : 0.0;
    } else {
        r = GM_K(pow_positive)(a, y);
    }
    if (x < 0 && a < gm__infd && parity == 0) return gm__nand;
    return parity == 1 ? GM_K(copysign_f64)(r, x) : r;
}
