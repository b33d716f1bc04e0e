/* f64_gamma.h: log |Gamma(x)| and its derivative, for doubles.
 *
 * lgamma: a factor that vanishes at the zeros 1 and 2 times a polynomial around them, a polynomial around 3/2, the
 * recurrence in between, Stirling's series from 8 on, the reflection formula below 0. digamma: (x - x0) P(x) on [1, 2]
 * around its zero x0, the recurrence to get there, the asymptotic series from 10 on. Coefficients our own minimax. Near
 * the zeros on the negative axis only the absolute error is small. */

/* lgamma(1 + y), |y| <= 1/4 */
GM_INLINE double GM_K(lgamma_at1)(double y) {
    return y * gm_p19(y, -0x1.2788cfc6fb619p-1, 0x1.a51a6625307d4p-1, -0x1.9a4d55beab2e3p-2, 0x1.151322ac7d38ap-2,
                      -0x1.a8b9c17aa34c5p-3, 0x1.5b40cb10b25bcp-3, -0x1.2703a1def4ddfp-3, 0x1.010b365ce8af6p-3,
                      -0x1.c8066ee5acccdp-4, 0x1.9a020feff029dp-4, -0x1.748c87afe416ep-4, 0x1.5563d8333d06p-4,
                      -0x1.3b1270bfda803p-4, 0x1.25404fbf9641ep-4, -0x1.11fbb026b8122p-4, 0x1.ed24189cba825p-5,
                      -0x1.cb2bcdbeeba56p-5, 0x1.2b2f9767230f1p-4, -0x1.24416baf3f099p-4);
}

/* lgamma(3/2 + y), |y| <= 1/4 */
GM_INLINE double GM_K(lgamma_at15)(double y) {
    return gm_p16(y, -0x1.eeb95b094c191p-4, 0x1.2aed059bd608bp-5, 0x1.de9e64df22f0fp-2, -0x1.1ae55b1807328p-3,
                  0x1.e0f840dac3e98p-5, -0x1.da59d536ffb6dp-6, 0x1.f9ca39feeea29p-7, -0x1.1a8ba5267eb85p-7,
                  0x1.456f091be992dp-8, -0x1.7edb581937762p-9, 0x1.c97cbfadaac91p-10, -0x1.14932beccdc8p-10,
                  0x1.501cc4298d876p-11, -0x1.9cc245d58baa9p-12, 0x1.1b458af192f3ap-12, -0x1.65153a169384ep-13);
}

/* lgamma(2 + y), -1/4 <= y <= 1/2 */
GM_INLINE double GM_K(lgamma_at2)(double y) {
    return y * gm_p20(y, 0x1.b0ee6072093cep-2, 0x1.4a34cc4a60fa6p-2, -0x1.13e001a557607p-4, 0x1.51322ac7d8483p-6,
                      -0x1.e404fc218f5dcp-8, 0x1.7add6eadb6c83p-9, -0x1.38ac5c2bfb265p-10, 0x1.0b36af863aedap-11,
                      -0x1.d3fd4c7326abep-13, 0x1.a127b0e3169aep-14, -0x1.78de5d5f3f57ap-15, 0x1.580dd9996f76ep-16,
                      -0x1.3cbc4c9310a13p-17, 0x1.25942ac1594a3p-18, -0x1.11b336665b00fp-19, 0x1.00e278296e2e1p-20,
                      -0x1.e607aeaf91b58p-22, 0x1.c077e1143f1f7p-23, -0x1.5a11053e5fda4p-24, 0x1.2e5313f53ff71p-26);
}

GM_INLINE double GM_K(lgamma_stirling)(double x) { /* x >= 8 */
    double z = 1.0 / (x * x);
    double w = gm_p8(z, 0x1.5555555555555p-4, -0x1.6c16c16c16b32p-9, 0x1.a01a019ee9cd5p-11, -0x1.38137ecdc9f67p-11,
                     0x1.b94f76e5ac5f2p-11, -0x1.f600ec5ec7cd7p-10, 0x1.96ef6789cffbep-8, -0x1.560f94a5e8eeap-6);
    gm_dd l = GM_K(log_dd)(x, 0.0);
    l = GM_K(fast_sum)(l.h - 1.0, ((l.h - (l.h - 1.0)) - 1.0) + l.l);
    gm_dd y = GM_K(dd_mul)((gm_dd){ x - 0.5, 0 }, l);
    return y.h + (y.l + (0x1.acfe390c97d69p-2 + w / x)); /* (log 2 pi - 1) / 2 */
}

GM_INLINE double GM_K(lgamma_positive)(double x) { /* 0 < x < infinity */
    if (x < 0.75) {
        double y = x <= 0.25 ? GM_K(lgamma_at1)(x) : GM_K(lgamma_at15)(x - 0.5);
        return y - GM_K(log_f64)(x);
    }
    if (x <= 1.25) return GM_K(lgamma_at1)(x - 1.0) + 0.0; /* not -0 */
    if (x < 1.75) return GM_K(lgamma_at15)(x - 1.5);
    if (x >= 8.0) return x < 0x1p1000 ? GM_K(lgamma_stirling)(x) : x * (GM_K(log_f64)(x) - 1.0);
    double p = 1.0;
    while (x > 2.5) {
        x -= 1.0;
        p *= x;
    }
    double y = x < 1.75 ? GM_K(lgamma_at15)(x - 1.5) : GM_K(lgamma_at2)(x - 2.0);
    return p == 1.0 ? y : GM_K(log_f64)(p) + y;
}

/* sin(pi x) for x >= 0, exact reduction */
GM_INLINE double GM_K(sin_pi)(double x) {
    double n = __builtin_rint(x), r = x - n;
    gm_dd a = GM_K(dd_mul)((gm_dd){ r, 0 }, (gm_dd){ 2 * gm__pio2_h, 2 * gm__pio2_l });
    double y = GM_K(sin_f64)(a.h);
    return __builtin_floor(n * 0.5) * 2.0 == n ? y : -y;
}

GM_OUTLINE double GM_K(lgamma_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a < gm__infd)) return x != x ? x : gm__infd;
    if (a < 0x1p-70) return a == 0 ? gm__infd : -GM_K(log_f64)(a);
    if (x > 0) return GM_K(lgamma_positive)(x);
    double s = __builtin_fabs(GM_K(sin_pi)(a));
    if (s == 0) return gm__infd;
    return GM_K(log_f64)(2 * gm__pio2_h / (s * a)) - GM_K(lgamma_positive)(a);
}

GM_INLINE double GM_K(digamma_positive)(double x) {
    double sum = 0;
    if (x >= 10.0) {
        double z = 1.0 / (x * x);
        double p = z * gm_p8(z, 0x1.5555555555555p-4, -0x1.11111111110e1p-7, 0x1.04104103de174p-8,
                             -0x1.111110726cca6p-8, 0x1.f07b27dee899ep-8, -0x1.5960ffc667965p-6,
                             0x1.4f0d1bd4466f1p-4, -0x1.5e8d2c248c4edp-2);
        return GM_K(log_f64)(x) - (0.5 / x + p);
    }
    for (; x > 2.0; sum += 1.0 / x) x -= 1.0;
    double y = x - (x < 1.0 ? 0.5 : 1.5); /* x < 1: psi(x) = psi(x + 1) - 1 / x */
    double p = gm_p24(y, 0x1.e6f0cbb873616p-1, -0x1.b1cb63005ee96p-2, 0x1.eca189b8e6f7bp-3, -0x1.2feeeb98a7e66p-3,
                      0x1.8512e59037ebcp-4, -0x1.fb44202993d82p-5, 0x1.4de9aa1802dc9p-5, -0x1.b9f8b151d950bp-6,
                      0x1.25647156397ap-6, -0x1.863558b40c2ebp-7, 0x1.03c0b2b605302p-7, -0x1.5a0815489d438p-8,
                      0x1.cd1f26d69b3bep-9, -0x1.334fa633dc109p-9, 0x1.99e1ac97dc1dep-10, -0x1.11510bb6b07efp-10,
                      0x1.69ba8ffa18bd3p-11, -0x1.e09fb37b00a62p-12, 0x1.56c5b8179bc22p-12, -0x1.d25a03c4aa1b6p-13,
                      0x1.8025fcd232523p-14, -0x1.c47ec34e3401cp-15, 0x1.00b993511db4p-13, -0x1.6b105efe395e3p-14);
    double v = ((y + 0x1.3a4f395283812p-5) + 0x1.e563779a1f5b1p-60) * p; /* (x - x0) P */
    return x < 1.0 ? v - 1.0 / x : sum + v;
}

/* cot(pi x) pi, x > 0 and no integer */
GM_INLINE double GM_K(pi_cot_pi)(double x) {
    gm_dd r = GM_K(dd_mul)((gm_dd){ x - __builtin_rint(x), 0 }, (gm_dd){ 2 * gm__pio2_h, 2 * gm__pio2_l });
    return 2 * gm__pio2_h / GM_K(tan_f64)(r.h);
}

/* as PyTorch's: digamma(+-0) = -+infinity, NaN at the negative integers */
GM_OUTLINE double GM_K(digamma_f64)(double x) {
    if (x == 0) return GM_K(copysign_f64)(gm__infd, -x);
    if (x != x || x == gm__infd) return x;
    if (__builtin_fabs(x) < 0x1p-60) return -1.0 / x;
    if (x > 0) return GM_K(digamma_positive)(x);
    if (__builtin_floor(x) == x) return gm__nand;
    return GM_K(digamma_positive)(-x) + (GM_K(pi_cot_pi)(-x) - 1.0 / x);
}
