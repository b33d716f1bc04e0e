/* f64_hyper.h: hyperbolic functions of doubles, their inverses, and the sigmoid. */

/* odd functions near 0: x + x^3 P(x^2), own minimax */
GM_INLINE double GM_K(asinh_small)(double x) { /* |x| <= 1/8, 2^-62 */
    double z = x * x;
    return x + x * z * gm_p8(z, -0x1.5555555555555p-3, 0x1.333333333332fp-4, -0x1.6db6db6db5711p-5,
                             0x1.f1c71c6df9efdp-6, -0x1.6e8ba01561974p-6, 0x1.1c4d8b4ddaf9dp-6, -0x1.c8fb8169f41f8p-7,
                             0x1.64fba435d8298p-7);
}

GM_INLINE double GM_K(atanh_small)(double x) { /* |x| <= 1/8, 2^-61 */
    double z = x * x;
    return x + x * z * gm_p8(z, 0x1.5555555555555p-2, 0x1.99999999999a6p-3, 0x1.24924924901e6p-3, 0x1.c71c71cce809bp-4,
                             0x1.745d12fd22bcep-4, 0x1.3b158904713f9p-4, 0x1.109ba2d610e8ap-4, 0x1.008ecd9817abfp-4);
}

GM_INLINE double GM_K(sinh_small)(double x) { /* |x| <= 1, 2^-56 */
    double z = x * x;
    return x + x * z * gm_p8(z, 0x1.5555555555555p-3, 0x1.1111111111111p-7, 0x1.a01a01a019fbep-13,
                             0x1.71de3a55742efp-19, 0x1.ae645673de9c7p-26, 0x1.61246b1f13f89p-33,
                             0x1.ae755772d55fap-41, 0x1.9a7f223864486p-49);
}

/* (e^a + sign e^-a) / 2 for a >= 0 */
GM_INLINE double GM_K(cosh_like)(double a, double sign) {
    int32_t n;
    double c = a > 720.0 ? 720.0 : a;
    gm_dd e = GM_K(exp_dd)(c, 0.0, &n);
    int32_t m = n > 500 ? 500 : n; /* e^-a vanishes long before */
    double back = gm_from_bitsd((uint64_t)(uint32_t)(1023 - 2 * m) << 52) / e.h;
    gm_dd y = GM_K(fast_sum)(e.h, sign * back);
    return GM_K(scale_f64)(y.h + (y.l + e.l), n - 1);
}

GM_INLINE double GM_K(sinh_f64)(double x) {
    double a = __builtin_fabs(x);
    double y = a <= 1.0 ? GM_K(sinh_small)(a) : GM_K(cosh_like)(a, -1.0);
    return x != x ? x : GM_K(copysign_f64)(y, x);
}

GM_INLINE double GM_K(cosh_f64)(double x) {
    double y = GM_K(cosh_like)(__builtin_fabs(x), 1.0);
    return x != x ? x : y;
}

/* t / (t + 2), t = e^2x - 1 */
GM_INLINE double GM_K(tanh_f64)(double x) {
    double a = __builtin_fabs(x), c = a > 22.0 ? 22.0 : a;
    gm_dd t = GM_K(expm1_dd)(2.0 * c), d = GM_K(two_sum)(t.h, 2.0);
    d.l += t.l;
    double y = GM_K(dd_div)(t, d).h;
    y = a < 0x1p-28 ? a : y;
    return x != x ? x : GM_K(copysign_f64)(y, x);
}

/* 1 / (1 + e^-x), for negative x as e^x / (1 + e^x): nothing overflows or cancels */
GM_INLINE double GM_K(sigmoid_f64)(double x) {
    int32_t n;
    double a = __builtin_fabs(x), c = a > 746.0 ? 746.0 : a;
    gm_dd e = GM_K(exp_dd)(-c, 0.0, &n);
    double eh = GM_K(scale_f64)(e.h, n), el = n < -900 ? 0.0 : GM_K(scale_f64)(e.l, n);
    gm_dd d = GM_K(fast_sum)(1.0, eh);
    d.l += el;
    double y = GM_K(dd_div)(x < 0 ? (gm_dd){ eh, el } : (gm_dd){ 1.0, 0.0 }, d).h;
    return x != x ? x : ((x < -700.0) ? eh : y);
}

/* log(a + sqrt(a^2 + sign)) in twice the length; a^2 must not overflow */
GM_INLINE double GM_K(log_root)(double a, double sign) {
    gm_dd q = GM_K(two_prod)(a, a), p = GM_K(two_sum)(q.h, sign);
    gm_dd s = GM_K(dd_sqrt)(p.h);
    s.l += s.h > 0 ? 0.5 * (p.l + q.l) / s.h : 0.0;
    gm_dd u = GM_K(dd_add)((gm_dd){ a, 0 }, s);
    return GM_K(log_dd)(u.h, u.l).h;
}

/* log(2 a) for a so large that a^2 + 1 = a^2 */
GM_INLINE double GM_K(log_twice)(double a) {
    gm_dd y = GM_K(log_dd)(a, 0.0);
    return GM_K(dd_add)((gm_dd){ 0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56 }, y).h;
}

GM_INLINE double GM_K(asinh_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a < gm__infd)) return x;
    double y = a <= 0.125 ? GM_K(asinh_small)(a) : a < 0x1p30 ? GM_K(log_root)(a, 1.0) : GM_K(log_twice)(a);
    return GM_K(copysign_f64)(y, x);
}

/* near 1, acosh x = 2 asinh sqrt((x - 1) / 2) */
GM_INLINE double GM_K(acosh_f64)(double x) {
    if (!(x >= 1.0)) return gm__nand;
    if (x == gm__infd) return x;
    if (x < 1.03125) return 2.0 * GM_K(asinh_small)(__builtin_sqrt(0.5 * (x - 1.0)));
    return x < 0x1p30 ? GM_K(log_root)(x, -1.0) : GM_K(log_twice)(x);
}

GM_INLINE double GM_K(atanh_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a <= 1.0)) return gm__nand;
    if (a == 1.0) return GM_K(copysign_f64)(gm__infd, x);
    if (a <= 0.125) return GM_K(atanh_small)(x);
    gm_dd u = GM_K(dd_div)(GM_K(fast_sum)(1.0, a), GM_K(fast_sum)(1.0, -a));
    return GM_K(copysign_f64)(0.5 * GM_K(log_dd)(u.h, u.l).h, x);
}
