/* f64_erf.h: the error function, its complement and its inverse, for doubles.
 *
 * Below 7/8, erf x = x + x P(x^2). Above, erfc x = e^(-x^2) P(q) / (1 + 2 x) with q = (x - 3) / (x + 3), one polynomial
 * for the whole half-line (the substitution of Shepherd and Laframboise 1981); x^2, the exponential and the quotient in
 * two parts. The inverse: polynomials in w = -log(1 - x^2), or in its root, after Giles (2010). Coefficients our own. */

GM_INLINE double GM_K(erf_small)(double x) { /* |x| <= 7/8, 2^-56 */
    double z = x * x;
    return x + x * gm_p13(z, 0x1.06eba8214db69p-3, -0x1.812746b0379e7p-2, 0x1.ce2f21a042bd7p-4, -0x1.b82ce31288671p-6,
                          0x1.565bcd0e5828ep-8, -0x1.c02db3fb3651ep-11, 0x1.f9a32613c4175p-14, -0x1.f4d240c0b3612p-17,
                          0x1.b9e488fce8cdap-20, -0x1.5f539cfd0901dp-23, 0x1.fa45ffb674159p-27, -0x1.41d2d66b32d0dp-30,
                          0x1.23038166d46ccp-34);
}

/* (1 + 2 x) e^(x^2) erfc x for 7/8 <= x <= 28 */
GM_INLINE gm_dd GM_K(erfcx_core)(double x) {
    double q = (x - 3.0) / (x + 3.0);
    double p = q * gm_p23(q, -0x1.15c084bb9e8f3p-3, -0x1.85a15c58aa615p-5, 0x1.098366a5b46b4p-3,
                          -0x1.e88b803a488b6p-4, 0x1.17ca2877f15dfp-4, -0x1.8574c40c1affcp-6, 0x1.4b884e43468f4p-9,
                          0x1.ef1bdd8f79d25p-10, -0x1.98db50f0fce76p-11, -0x1.b9129c2ff4b8dp-14,
                          0x1.065a345a05c01p-13, 0x1.4c32c33cfa545p-18, -0x1.513b25d008a87p-16,
                          -0x1.89f619bc88dc2p-21, 0x1.d20dab8af4731p-19, 0x1.8525217c934a8p-22,
                          -0x1.4b5ccac3b657ep-21, -0x1.43c74436bb48fp-23, 0x1.c1acf807d35ffp-24,
                          0x1.b53e54953cf5p-25, -0x1.4175a3ccdb251p-26, -0x1.9f637894f21f9p-27,
                          0x1.4d2ad3745d6dbp-28);
    return GM_K(fast_sum)(0x1.40c522d7e4987p0, p + 0x1.a1a5485527a88p-55);
}

/* erfc x = (y.h + y.l) 2^n for 7/8 <= x <= 28 */
GM_INLINE gm_dd GM_K(erfc_large)(double x, int32_t *n) {
    gm_dd z = GM_K(two_prod)(x, x);
    gm_dd e = GM_K(exp_dd)(-z.h, -z.l, n);
    return GM_K(dd_div)(GM_K(dd_mul)(e, GM_K(erfcx_core)(x)), GM_K(two_sum)(1.0, 2.0 * x));
}

GM_OUTLINE double GM_K(erf_f64)(double x) {
    double a = __builtin_fabs(x), c = a < 7.0 ? a : 7.0;
    if (a <= 0.875) return GM_K(erf_small)(x);
    int32_t n;
    gm_dd y = GM_K(erfc_large)(c, &n);
    double s = gm_from_bitsd((uint64_t)(uint32_t)(n + 1023) << 52);
    gm_dd r = GM_K(fast_sum)(1.0, -s * y.h);
    return x != x ? x : GM_K(copysign_f64)(r.h + (r.l - s * y.l), x);
}

GM_OUTLINE double GM_K(erfc_f64)(double x) {
    double a = __builtin_fabs(x), c = a < 28.0 ? a : 28.0;
    if (x != x) return x;
    if (a <= 0.25) return 1.0 - GM_K(erf_small)(x);
    if (a <= 0.875) return x < 0 ? 1.0 + GM_K(erf_small)(a) : 0.5 + (0.5 - GM_K(erf_small)(a));
    int32_t n;
    gm_dd y = GM_K(erfc_large)(c, &n);
    if (x > 0) return GM_K(scale_f64)(y.h, n);
    return 2.0 - GM_K(scale_f64)(y.h, n);
}

/* erfinv(x) / x for w <= 6.25, then for sqrt(w) <= 4, then up to 6.05, the largest there is */
GM_INLINE double GM_K(erfinv_ratio)(double w) {
    if (w <= 6.25) {
        w -= 3.125;
        return gm_p24(w, 0x1.a755e7c99ae86p0, 0x1.ebd80d9b13dfbp-3, -0x1.8b6c33114ee41p-8, -0x1.8457694835f62p-11,
                      0x1.879c2a20d6c0ep-13, -0x1.d1d1f7c9c357cp-17, -0x1.6e8a53ee36b6bp-20, 0x1.c6b4f87d173c8p-22,
                      -0x1.f36ce5422f6b4p-26, -0x1.1a9eae5d86fp-28, 0x1.20f4eb2a6356fp-30, -0x1.dc3f9ed32d4d4p-35,
                      -0x1.c8960d96e79cbp-37, 0x1.72383c3a02607p-39, -0x1.6d8e998d4518p-44, -0x1.68892f200ddf9p-45,
                      0x1.db32669df647cp-48, -0x1.636b2738e2193p-55, -0x1.2bd887c36e37bp-53, 0x1.1cf63fe63301fp-56,
                      0x1.51bf122a65f27p-60, -0x1.9700a6f6d93dap-62, -0x1.3075db6927bffp-70, 0x1.db99bcb0603dcp-69);
    }
    double s = __builtin_sqrt(w);
    if (s <= 4.0) {
        s -= 3.25;
        return gm_p20(s, 0x1.8abcc380d5a48p1, 0x1.0158a6d641d55p0, 0x1.5ffcfe5b716f7p-8, -0x1.ebadabba075ffp-9,
                      0x1.468eeca7271cep-9, -0x1.ba9240d7572b2p-10, 0x1.f3cc551e76ba6p-11, -0x1.7448bd085283dp-12,
                      0x1.932d78f04e9b6p-16, 0x1.1e6ac37c93c11p-14, -0x1.8cf0c4df51e79p-15, 0x1.a240b5baa619ap-17,
                      0x1.88b078c484f0fp-19, -0x1.0b741864621c7p-18, 0x1.924a9b5b74013p-20, -0x1.e3de1378db643p-26,
                      -0x1.234ae83e0d1fdp-22, 0x1.1b9f2f560cd9dp-23, 0x1.72911a02f056p-31, -0x1.0a0dc5eb803afp-26);
    }
    s -= 5.0;
    return gm_p18(s, 0x1.3664ddd1ad7fbp2, 0x1.02a30d1fba109p0, -0x1.22ea5df09a8d2p-13, -0x1.c2f36aa079c46p-13,
                  0x1.3ebf4ebe3b3dcp-14, -0x1.4a3490a0e9e38p-16, 0x1.2fbd22f9891b5p-18, -0x1.0a901596f100ep-20,
                  0x1.ebcbfc8e93753p-23, -0x1.223c0d6e5805dp-24, 0x1.f48bfa7acd825p-26, -0x1.056c082ba73d8p-26,
                  0x1.062979427f41dp-27, -0x1.e2ff19738d5c7p-29, 0x1.9c0eda0d78e26p-30, -0x1.c53477d930072p-32,
                  -0x1.b7990f6bf5c9cp-36, 0x1.4306a03502083p-35);
}

GM_OUTLINE double GM_K(erfinv_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a <= 1.0)) return gm__nand;
    if (a == 1.0) return GM_K(copysign_f64)(gm__infd, x);
    return x * GM_K(erfinv_ratio)(-GM_K(log_f64)((1.0 - a) * (1.0 + a)));
}
