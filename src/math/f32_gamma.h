/* f32_gamma.h: log |Gamma(x)| and its derivative, for floats, in double inside.
 *
 * Shifted by eight into the range of Stirling's series; around the zeros at 1 and 2, and of digamma at 1.46, a factor
 * that vanishes there times a polynomial; the reflection formulas below 0. Coefficients our own minimax. */

/* sin(pi r) for |r| <= 1/2 */
GM_INLINE double GM_K(sin_half_turns)(double r) {
    double z = r * r;
    return r * gm_p8(z, 0x1.921fb54442d17p1, -0x1.4abbce625bd84p2, 0x1.466bc67752306p1, -0x1.32d2cce1ebcb1p-1,
                     0x1.50783270e34cep-4, -0x1.e30631f76f148p-8, 0x1.e89f7a5754116p-12, -0x1.6290fc165a83p-16);
}

/* log Gamma(a) for a > 0 */
GM_INLINE double GM_K(lgamma_wide)(double a) {
    int low = a < 8.0;
    double b = low ? a + 8.0 : a, z = 1.0 / (b * b);
    double p = a * (a + 1.0) * ((a + 2.0) * (a + 3.0)) * ((a + 4.0) * (a + 5.0) * ((a + 6.0) * (a + 7.0)));
    double w = gm_p5(z, 0x1.555555555547dp-4, -0x1.6c16c156b8d07p-9, 0x1.a01954ca96bb6p-11, -0x1.37989b4461cd2p-11,
                     0x1.952c45dceb249p-11);
    double far = (b - 0.5) * (GM_K(log_wide)(b) - 1.0) + (0x1.acfe390c97d69p-2 + w / b);
    far = low ? far - GM_K(log_wide)(p) : far;
    double y = a - 1.5;
    double r = gm_p17(y, 0x1.eeb95b0957408p-2, -0x1.2aed05948afdcp-3, 0x1.01af6271a9f1bp-4, -0x1.007ab1c99a8f2p-5,
                      0x1.13344693580a7p-6, -0x1.34d83884e7f5fp-7, 0x1.64e6a5f675ff5p-8, -0x1.a5a0f8655d9b7p-9,
                      0x1.f96c974619a71p-10, -0x1.2a3aba84fb857p-10, 0x1.67df9e5ce48b2p-11, -0x1.1224348cb2353p-11,
                      0x1.66e72975c3bdcp-12, -0x1.61035376be31cp-16, -0x1.d5f0376bccd7ep-18, -0x1.8fcf520435dacp-13,
                      0x1.0eac70bc898cdp-13);
    return ((a >= 0.75) & (a <= 2.25)) ? (a - 1.0) * (a - 2.0) * r + 0.0 : far;
}

GM_INLINE float GM_K(lgamma_f32)(float x) {
    double a = (double)__builtin_fabsf(x), n = (a + 0x1.8p52) - 0x1.8p52;
    double s = __builtin_fabs(GM_K(sin_half_turns)(a - n));
    double y = GM_K(lgamma_wide)(a);
    y = x < 0 ? GM_K(log_wide)(0x1.921fb54442d18p1 / (s * a)) - y : y;
    float r = (float)y;
    r = ((x == 0) | (__builtin_fabsf(x) == gm__inff) | ((x < 0) & (a == n))) ? gm__inff : r;
    return x != x ? x : r;
}

/* psi(a) for a > 0: 1/a + ... + 1/(a + 7) as one quotient; relative error small at the zero only if `zero` is set, else
 * only absolute */
GM_INLINE double GM_K(digamma_wide)(double a, int zero) {
    int low = a < 8.0;
    double b = low ? a + 8.0 : a, z = 1.0 / (b * b), n = 1.0, d = a;
    for (int i = 1; i < 8; i++) {
        n = n * (a + (double)i) + d;
        d = d * (a + (double)i);
    }
    double w = z * gm_p5(z, 0x1.5555555554c43p-4, -0x1.111110d7b72dcp-7, 0x1.040f589cc72bp-8, -0x1.106b5a1b6f652p-8,
                         0x1.bf7e7b42bb63cp-8);
    double far = GM_K(log_wide)(b) - (0.5 / b + w) - (low ? n / d : 0.0);
    double y = a - 1.5;
    double r = gm_p10(y, 0x1.e6f0cbb896b33p-1, -0x1.b1cb63023572p-2, 0x1.eca18801db7a1p-3, -0x1.2feee7b267819p-3,
                      0x1.851499dc7046dp-4, -0x1.fb48e09f8a855p-5, 0x1.4d524ec3ea16p-5, -0x1.b8c52f3c4e06dp-6,
                      0x1.3aaaab449ca74p-6, -0x1.a86e798d5a474p-7);
    double near = ((y + 0x1.3a4f395283812p-5) + 0x1.e563779a1f5b1p-60) * r; /* (a - x0) P */
    return (zero & (a >= 1.25) & (a <= 1.75)) ? near : far;
}

/* as PyTorch's: digamma(+-0) = -+infinity, NaN at the negative integers */
GM_INLINE float GM_K(digamma_f32)(float x) {
    double a = (double)__builtin_fabsf(x), n = (a + 0x1.8p52) - 0x1.8p52, f = a - n;
    double c = GM_K(sin_half_turns)(0.5 - __builtin_fabs(f)) / GM_K(sin_half_turns)(f);
    double y = GM_K(digamma_wide)(a, x > 0);
    y = x < 0 ? y + (0x1.921fb54442d18p1 * c + 1.0 / a) : y;
    float r = (float)y;
    r = x == 0 ? GM_K(copysign_f32)(gm__inff, -x) : r;
    r = x == gm__inff ? x : r;
    return ((x != x) | ((x < 0) & (a == n))) ? gm__nanf : r;
}
