/* f64_erf.h: the error function, its complement and its inverse, for doubles.
 *
 * Below 7/8, erf x = x + x P(x^2). Above, erfc x = e^(-x^2) P(q) / (1 + 2 x) with q = (x - 3) / (x + 3), one polynomial
 * for the whole half-line (the substitution of Shepherd and Laframboise 1981); x^2, the exponential and the quotient in
 * two parts. The inverse: polynomials in w = -log(1 - x^2), or in its root, after Giles (2010). Own coefficients. */

GM_INLINE double GM_K(erf_small)(double x) { /* |x| <= 7/8, 2^-56 */
    double z = x * x;
    return x + x * gm_p13(z, 0x1.06eba8214db69p-3, -0x1.812746b0379e7p-2, 0x1.ce2f21a042bd7p-4, -0x1.b82ce31288671p-6,
                          0x1.565bcd0e5828ep-8, -0x1.c02db3fb3651ep-11, 0x1.f9a32613c4175p-14, -0x1.f4d240c0b3612p-17,
                          0x1.b9e488fce8cdap-20, -0x1.5f539cfd0901dp-23, 0x1.fa45ffb674159p-27, -0x1.41d2d66b32d0dp-30,
                          0x1.23038166d46ccp-34);
}

/* (1 + 2 x) e^(x^2) erfc x for 0.4 <= x <= 28 */
GM_INLINE gm_dd GM_K(erfcx_core)(double x) {
    double q = (x - 3.0) / (x + 3.0);
    double p = q * gm_p24(q, -0x1.15c084bb9e8f3p-3, -0x1.85a15c58aa613p-5, 0x1.098366a5b46b8p-3,
                          -0x1.e88b803a48911p-4, 0x1.17ca2877f1437p-4, -0x1.8574c40c17854p-6, 0x1.4b884e43998f1p-9,
                          0x1.ef1bdd8af83a3p-10, -0x1.98db51025e904p-11, -0x1.b91298a9abfe1p-14,
                          0x1.065a3664a2895p-13, 0x1.4c30fcb3723cfp-18, -0x1.513b647b69c6fp-16,
                          -0x1.89aa98638e29dp-21, 0x1.d20eb41f1369ap-19, 0x1.83198473e194fp-22,
                          -0x1.4afcfd458bc9cp-21, -0x1.3b070ea238f8ap-23, 0x1.b48596051741ep-24,
                          0x1.8dbd70c3417a3p-25, -0x1.c38a81227aab1p-27, -0x1.72e728a8348a8p-27,
                          0x1.ffbf14b4be324p-31, 0x1.81d9cbe22ff03p-30);
    return GM_K(fast_sum)(0x1.40c522d7e4987p0, p + 0x1.a170a53b12a78p-55);
}

/* erfc x = (y.h + y.l) 2^n for 0.4 <= x <= 28 */
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
    if (a <= 0.40625) return 1.0 - GM_K(erf_small)(x);
    int32_t n;
    gm_dd y = GM_K(erfc_large)(c, &n);
    double r = GM_K(scale_f64)(y.h, n);
    return x > 0 ? r : 2.0 - r;
}

/* erfinv(x) / x for w <= 6.25, then for sqrt(w) <= 4, then up to 6.05, the largest there is */
GM_INLINE gm_dd GM_K(erfinv_ratio)(gm_dd v) {
    if (v.h <= 6.25) {
        double w = (v.h - 3.125) + v.l;
        return GM_K(fast_sum)(0x1.a755e7c99ae86p0, w * gm_p24(w, 0x1.ebd80d9b13dfap-3, -0x1.8b6c33114ea9ep-8,
            -0x1.84576948358d7p-11, 0x1.879c2a20b2fafp-13, -0x1.d1d1f7ca0ad1dp-17, -0x1.6e8a53cbc95f3p-20,
            0x1.c6b4f888501c8p-22, -0x1.f36cedcf0417cp-26, -0x1.1a9eb051323f2p-28, 0x1.20f53b48c267p-30,
            -0x1.dc3f34e632191p-35, -0x1.c8a4ea6115493p-37, 0x1.72366fb2a9fa8p-39, -0x1.6bbe3f1b10bf7p-44,
            -0x1.6874b642e1df4p-45, 0x1.d67938ae31547p-48, -0x1.6ce609eb26d4ep-55, -0x1.1b9ac34662c26p-53,
            0x1.1e56a68036426p-56, 0x1.8844a68b272a9p-61, -0x1.9aa513e6e5355p-62, 0x1.4f87454d6dc4cp-66,
            0x1.e3f936f238393p-69, -0x1.8447ce0615012p-72) - 0x1.774536d0819c9p-56);
    }
    gm_dd r = GM_K(dd_sqrt)(v.h);
    r.l += 0.5 * v.l / r.h;
    if (r.h <= 4.0) {
        double s = (r.h - 3.25) + r.l;
        return GM_K(fast_sum)(0x1.8abcc380d5a48p1, s * gm_p19(s, 0x1.0158a6d641d55p0, 0x1.5ffcfe5b716f7p-8,
            -0x1.ebadabba075ffp-9, 0x1.468eeca7271cep-9, -0x1.ba9240d7572b2p-10, 0x1.f3cc551e76ba6p-11,
            -0x1.7448bd085283dp-12, 0x1.932d78f04e9b6p-16, 0x1.1e6ac37c93c11p-14, -0x1.8cf0c4df51e79p-15,
            0x1.a240b5baa619ap-17, 0x1.88b078c484f0fp-19, -0x1.0b741864621c7p-18, 0x1.924a9b5b74013p-20,
            -0x1.e3de1378db643p-26, -0x1.234ae83e0d1fdp-22, 0x1.1b9f2f560cd9dp-23, 0x1.72911a02f056p-31,
            -0x1.0a0dc5eb803afp-26) - 0x1.32fea2b7c8221p-53);
    }
    double s = (r.h - 5.0) + r.l;
    return GM_K(fast_sum)(0x1.3664ddd1ad7fbp2, s * gm_p17(s, 0x1.02a30d1fba109p0, -0x1.22ea5df09a8d2p-13,
        -0x1.c2f36aa079c46p-13, 0x1.3ebf4ebe3b3dcp-14, -0x1.4a3490a0e9e38p-16, 0x1.2fbd22f9891b5p-18,
        -0x1.0a901596f100ep-20, 0x1.ebcbfc8e93753p-23, -0x1.223c0d6e5805dp-24, 0x1.f48bfa7acd825p-26,
        -0x1.056c082ba73d8p-26, 0x1.062979427f41dp-27, -0x1.e2ff19738d5c7p-29, 0x1.9c0eda0d78e26p-30,
        -0x1.c53477d930072p-32, -0x1.b7990f6bf5c9cp-36, 0x1.4306a03502083p-35) - 0x1.591a5d753fe44p-52);
}

GM_OUTLINE double GM_K(erfinv_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a <= 1.0)) return gm__nand;
    if (a == 1.0) return GM_K(copysign_f64)(gm__infd, x);
    gm_dd w = GM_K(log_dd)((1.0 - a) * (1.0 + a), 0.0), r = GM_K(erfinv_ratio)((gm_dd){ -w.h, -w.l });
    return x * r.h + x * r.l;
}
