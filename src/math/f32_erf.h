/* f32_erf.h: the error function, its complement and its inverse, for floats.
 *
 * erf stays in float: x + x P(x^2) up to 1, above 1 - e^-P(x) (P a polynomial for -log erfc). erfc: as in f64_erf.h,
 * e^(-x^2) P(q) / (1 + 2 |x|), q = (|x| - 3) / (|x| + 3), in double. erfinv: Giles's scheme, two polynomials,
 * in double. */

GM_INLINE float GM_K(erf_f32)(float x) {
    float a = __builtin_fabsf(x), z = x * x;
    float s = gm_q8(z, 0x1.06eba8p-3f, -0x1.812746p-2f, 0x1.ce2f06p-4f, -0x1.b829a6p-6f, 0x1.5628fp-8f,
                    -0x1.bcbea8p-11f, 0x1.d826bp-14f, -0x1.4383eap-17f);
    float c = a > 3.95f ? 3.95f : a;
    float p = gm_q8(c, -0x1.8a56ap-13f, 0x1.212c0cp0f, 0x1.44356ap-1f, 0x1.bc150ap-4f, -0x1.9d02fep-6f,
                    0x1.138cb8p-8f, -0x1.cec5eep-12f, 0x1.6bd7b6p-16f);
    float t = GM_K(exp_whole)(-p, 0x1.715476p0f), k = gm_from_bits((gm_bits(t) << 23) + 0x3f800000u); /* 2^n, n > -30 */
    float e = k * (1.0f + GM_K(exp_poly)(-p, t - 0x1.8p23f));
    float y = a < 1.0f ? gm_fma(a, s, a) : 1.0f - e;
    return GM_K(copysign_f32)(y, x);
}

GM_INLINE float GM_K(erfc_f32)(float x) {
    double a = (double)__builtin_fabsf(x);
    a = a > 10.2 ? 10.2 : a;
    double q = (a - 3.0) / (a + 3.0);
    double p = gm_p14(q, 0x1.40c522d7ecdffp0, -0x1.15c084c5097eap-3, -0x1.85a15d1c64e05p-5, 0x1.098368c9003dep-3,
                      -0x1.e88b72b76e922p-4, 0x1.17c9e5f365277p-4, -0x1.8577bfe325973p-6, 0x1.4bb82c15b8d43p-9,
                      0x1.f058d268026ccp-10, -0x1.9a10354a676cbp-11, -0x1.f6349586bf809p-14, 0x1.f64e9695e44bdp-14,
                      0x1.6a139a8459babp-16, -0x1.13be790916c95p-18);
    double y = GM_K(exp_wide)(-a * a) * p / (1.0 + 2.0 * a);
    return x != x ? x : (float)(x < 0 ? 2.0 - y : y);
}

GM_INLINE float GM_K(erfinv_f32)(float x) {
    double a = (double)__builtin_fabsf(x), w = -GM_K(log_wide)((1.0 - a) * (1.0 + a));
    double u = w - 2.5, v = __builtin_sqrt(w > 5.0 ? w : 5.0) - 3.0;
    double p = gm_p12(u, 0x1.805c5cff7ee72p0, 0x1.f91e8997429a7p-3, -0x1.11c3e13e5d1d3p-8, -0x1.4863d4312b90ep-10,
                      0x1.c9bb7167b721bp-13, -0x1.4f41a55cc3421p-18, -0x1.cbd76876e3389p-19, 0x1.00efa574da5a9p-21,
                      0x1.1af6f273280e9p-26, -0x1.7498c00a972fdp-27, 0x1.df9208d678b4ap-32, 0x1.0d31fbae52f8cp-33);
    double s = gm_p12(v, 0x1.6a9efbd5d25fap1, 0x1.006dca2ded9cep0, 0x1.35830642282b2p-7, -0x1.f4e856063b0d2p-8,
                      0x1.748bc931afae7p-8, -0x1.d31b0cd74b7aap-9, 0x1.863029b8882abp-10, -0x1.137a1e7bb1535p-13,
                      -0x1.3b98d3dc9b083p-12, 0x1.77f0ecc035d26p-13, -0x1.f400998d88d28p-17, -0x1.8fc47cfe7bdap-17);
    float y = GM_K(copysign_f32)(a == 1.0 ? gm__inff : (float)(a * (w > 5.0 ? s : p)), x);
    return a <= 1.0 ? y : gm__nanf;
}
