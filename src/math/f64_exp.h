/* f64_exp.h: exponentials of doubles.
 *
 * x = n ln 2 + r, |r| <= ln 2 / 2, ln 2 in two parts of which the first times n is exact (Cody and Waite 1980);
 * e^r = 1 + r + r^2 Q(r) with Q of degree 10 (own minimax, 2^-60). The functions differ in how they add the parts. */

#define gm__ln2_hi 0x1.62e42fefa38p-1 /* 42 bits */
#define gm__ln2_lo 0x1.ef35793c7673p-45
#define gm__log2e 0x1.71547652b82fep0

/* y * 2^n in two steps: overflows and underflows as it should, with one rounding */
GM_INLINE double GM_K(scale_f64)(double y, int32_t n) {
    int32_t a = n >> 1, b = n - a;
    y *= gm_from_bitsd((uint64_t)(uint32_t)(a + 1023) << 52);
    return y * gm_from_bitsd((uint64_t)(uint32_t)(b + 1023) << 52);
}

/* n = x / ln 2 to the nearest integer, and the rest in two parts; |x + xl| < 1100, xl small */
GM_INLINE gm_dd GM_K(exp_reduce)(double x, double xl, int32_t *n) {
    double t = x * gm__log2e + 0x1.8p52;
    double k = t - 0x1.8p52;
    *n = (int32_t)(uint32_t)gm_bitsd(t);
    double h = x - k * gm__ln2_hi;
    return GM_K(two_sum)(h, xl - k * gm__ln2_lo);
}

/* e^(r.h + r.l) - 1 - r.h for |r| < 0.35; error 2^-57 */
GM_INLINE double GM_K(exp_tail)(gm_dd r) {
    double x = r.h;
    double q = gm_p11(x, 0x1p-1, 0x1.555555555555cp-3, 0x1.555555555555ep-5, 0x1.111111110ebbbp-7,
                      0x1.6c16c16c1356fp-10, 0x1.a01a01b3b7e0dp-13, 0x1.a01a01b45a9e2p-16, 0x1.71ddef9bba9cdp-19,
                      0x1.27e4bf29c381cp-22, 0x1.af6cbf3ac7801p-26, 0x1.1f9df59493482p-29);
    return x * x * q + (r.l + r.l * x);
}

/* e^(r.h + r.l), |r| < 0.35, in two parts; error 2^-56 */
GM_INLINE gm_dd GM_K(exp_core)(gm_dd r) {
    gm_dd s = GM_K(fast_sum)(1.0, r.h);
    return GM_K(fast_sum)(s.h, s.l + GM_K(exp_tail)(r));
}

/* e^(x + xl); the caller keeps x in [-800, 800] */
GM_INLINE gm_dd GM_K(exp_dd)(double x, double xl, int32_t *n) {
    return GM_K(exp_core)(GM_K(exp_reduce)(x, xl, n));
}

GM_INLINE double GM_K(exp_f64)(double x) {
    int32_t n;
    double c = x > 710.0 ? 710.0 : x;
    c = c < -746.0 ? -746.0 : c;
    gm_dd e = GM_K(exp_dd)(c, 0.0, &n);
    return x != x ? x : GM_K(scale_f64)(e.h, n);
}

GM_INLINE double GM_K(exp2_f64)(double x) {
    double c = x > 1025.0 ? 1025.0 : x;
    c = c < -1080.0 ? -1080.0 : c;
    double t = c + 0x1.8p52, k = t - 0x1.8p52;
    int32_t n = (int32_t)(uint32_t)gm_bitsd(t);
    gm_dd r = GM_K(two_prod)(c - k, 0x1.62e42fefa39efp-1);
    r.l += (c - k) * 0x1.abc9e3b39803fp-56;
    gm_dd e = GM_K(exp_core)(r);
    return x != x ? x : GM_K(scale_f64)(e.h, n);
}

/* e^x - 1 = 2 (2^(n-1) (e^r - 1) + (2^(n-1) - 1/2)), in two parts; -60 < x < 710 */
GM_INLINE gm_dd GM_K(expm1_dd)(double x) {
    int32_t n;
    gm_dd r = GM_K(exp_reduce)(x, 0.0, &n);
    gm_dd e = GM_K(fast_sum)(r.h, GM_K(exp_tail)(r));
    double s = gm_from_bitsd((uint64_t)(uint32_t)(n + 1022) << 52);
    gm_dd y = GM_K(two_sum)(s - 0.5, s * e.h);
    y = GM_K(fast_sum)(y.h, y.l + s * e.l);
    return (gm_dd){ 2 * y.h, 2 * y.l };
}

GM_INLINE double GM_K(expm1_f64)(double x) {
    double c = x > 710.0 ? 710.0 : x;
    c = c < -50.0 ? -50.0 : c;
    double y = GM_K(expm1_dd)(c).h;
    double a = __builtin_fabs(x);
    return ((a < 0x1p-54) | (x != x)) ? x : y;
}
