/* f64_log.h: logarithms of doubles.
 *
 * x = 2^k m, sqrt(1/2) <= m < sqrt(2), f = m - 1, s = f / (2 + f), log m = 2 atanh s = 2 s + s^3 (2/3 + ...).
 * log itself adds the parts as fdlibm's e_log.c does (Sun 1993), with own minimax coefficients. All others go through
 * log_dd, the same series with the first two terms in twice the length (error 2^-64). */

/* x = 2^k m; returns m - 1 (exact). x positive and finite. */
GM_INLINE double GM_K(log_reduce)(double x, double *k) {
    int tiny = x < 0x1p-1022;
    x = tiny ? x * 0x1p54 : x;
    uint64_t u = gm_bitsd(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    *k = (double)((int32_t)(uint32_t)(u >> 52) - (tiny ? 1077 : 1023));
    return gm_from_bitsd((u & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
}

/* what log, log2, log10 return where their formula does not hold */
GM_INLINE double GM_K(log_special)(double x, double y) {
    y = x == 0 ? -gm__infd : y;
    y = x == gm__infd ? x : y;
    return ((x < 0) | (x != x)) ? gm__nand : y;
}

GM_INLINE double GM_K(log_f64)(double x) {
    double k, f = GM_K(log_reduce)(x, &k);
    double s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
    double r = z * gm_p8(z, 0x1.5555555555555p-1, 0x1.9999999999dfbp-2, 0x1.249249242b85dp-2, 0x1.c71c7258b4068p-3,
                         0x1.745cde4a74dfp-3, 0x1.3b20a85993668p-3, 0x1.0f5d0a6076cc4p-3, 0x1.0f60f7de558cdp-3);
    double y = k * gm__ln2_hi - ((h - (s * (h + r) + k * gm__ln2_lo)) - f);
    return GM_K(log_special)(x, y);
}

/* log of the m of log_reduce, from f = m - 1, in two parts; relative error 2^-64 */
GM_INLINE gm_dd GM_K(log_core)(double f) {
    gm_dd s = GM_K(dd_div)((gm_dd){ f, 0 }, GM_K(fast_sum)(2.0, f));
    gm_dd z = GM_K(dd_mul)(s, s);
    double t = z.h, q = t * gm_p9(t, 0x1.999999999999ap-2, 0x1.249249249246fp-2, 0x1.c71c71c72275p-3,
                                  0x1.745d174180406p-3, 0x1.3b13b3114d42dp-3, 0x1.111094632b687p-3,
                                  0x1.e20b7cc16f776p-4, 0x1.aaec1a51532c8p-4, 0x1.c31aafc059789p-4);
    gm_dd u = GM_K(fast_sum)(0x1.5555555555555p-1, q);
    u.l += 0x1.5555555555555p-55;
    gm_dd w = GM_K(dd_mul)(s, GM_K(dd_mul)(z, u));
    gm_dd y = GM_K(fast_sum)(2 * s.h, w.h);
    return GM_K(fast_sum)(y.h, y.l + (2 * s.l + w.l));
}

/* log(x + xl) in two parts, x positive and finite, |xl| <= ulp(x) */
GM_OUTLINE gm_dd GM_K(log_dd)(double x, double xl) {
    double k;
    gm_dd y = GM_K(log_core)(GM_K(log_reduce)(x, &k));
    gm_dd n = GM_K(two_sum)(k * gm__ln2_hi, k * gm__ln2_lo);
    y = GM_K(dd_add)(n, y);
    return GM_K(dd_add)(y, (gm_dd){ xl == 0 ? 0 : xl / x, 0 });
}

GM_INLINE double GM_K(log2_f64)(double x) {
    double k;
    gm_dd y = GM_K(log_core)(GM_K(log_reduce)(x, &k));
    y = GM_K(dd_mul)(y, (gm_dd){ 0x1.71547652b82fep0, 0x1.777d0ffda0d24p-56 });
    return GM_K(log_special)(x, GM_K(dd_add)((gm_dd){ k, 0 }, y).h);
}

GM_INLINE double GM_K(log10_f64)(double x) {
    double k;
    gm_dd y = GM_K(log_core)(GM_K(log_reduce)(x, &k));
    y = GM_K(dd_mul)(y, (gm_dd){ 0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57 });
    gm_dd n = GM_K(two_sum)(k * 0x1.34413509f7p-2, k * 0x1.3fde623e2566bp-43); /* log10 2, the first part 42 bits */
    return GM_K(log_special)(x, GM_K(dd_add)(n, y).h);
}

/* log(1 + x): 1 + x in two parts */
GM_INLINE double GM_K(log1p_f64)(double x) {
    gm_dd u = GM_K(two_sum)(1.0, x);
    int inside = (x > -1.0) & (x < gm__infd);
    double y = GM_K(log_dd)(inside ? u.h : 1.0, inside ? u.l : 0.0).h;
    y = x == -1.0 ? -gm__infd : y;
    y = x < -1.0 ? gm__nand : y;
    return ((__builtin_fabs(x) < 0x1p-54) | (x == gm__infd) | (x != x)) ? x : y;
}

/* log(1 + e^-|x|), the part of softplus and of log-sigmoid that needs care */
GM_INLINE double GM_K(log1pexp_f64)(double x) { return GM_K(log1p_f64)(GM_K(exp_f64)(-__builtin_fabs(x))); }

GM_INLINE double GM_K(softplus_f64)(double x) { return GM_K(max_f64)(x, 0.0) + GM_K(log1pexp_f64)(x); }

GM_INLINE double GM_K(log_sigmoid_f64)(double x) { return GM_K(min_f64)(x, 0.0) - GM_K(log1pexp_f64)(x); }
