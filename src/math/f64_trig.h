/* f64_trig.h: sine, cosine, tangent and their inverses for doubles.
 *
 * x = q pi/2 + r, |r| <= pi/4. Up to 2^20 r comes from pi/2 in four parts, the first three of 33 bits so that their
 * products with q are exact (Cody and Waite 1980); above, from the bits of 2/pi that matter (Payne and Hanek 1983).
 * On [-pi/4, pi/4] minimax polynomials in the form of fdlibm's k_sin.c and k_cos.c, coefficients our own; r is in two
 * parts throughout. The arcs reduce their argument at fdlibm's breakpoints (s_atan.c, e_asin.c). */

#define gm__pio2_h 0x1.921fb54442d18p0
#define gm__pio2_l 0x1.1a62633145c07p-54

/* 2 / pi: what lies behind the point, 32 bits a word, after 64 zeros */
GM_CONSTANTS uint32_t GM_K(two_over_pi_words)[40] = {
    0, 0, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu, 0xdebbc561u,
    0xb7246e3au, 0x424dd2e0u, 0x06492eeau, 0x09d1921cu, 0xfe1deb1cu, 0xb129a73eu, 0xe88235f5u, 0x2ebb4484u,
    0xe99c7026u, 0xb45f7e41u, 0x3991d639u, 0x835339f4u, 0x9c845f8bu, 0xbdf9283bu, 0x1ff897ffu, 0xde05980fu,
    0xef2f118bu, 0x5a0a6d1fu, 0x6d367ecfu, 0x27cb09b7u, 0x4f463f66u, 0x9e5fea2du, 0x7527bac7u, 0xebe5f17bu,
    0x3d0739f7u, 0x8a5292eau, 0x6bfb5fb1u, 0x1f8d5d08u, 0x56033046u, 0xfc7b6babu };

/* 192 bits of 2/pi from bit `at` on, most significant word first; two words of zeros lie before the point */
GM_INLINE void GM_K(two_over_pi)(int at, uint32_t w[6]) {
    for (int i = 0; i < 6; i++) {
        uint64_t two =
            ((uint64_t)GM_K(two_over_pi_words)[(at >> 5) + i] << 32) | GM_K(two_over_pi_words)[(at >> 5) + i + 1];
        w[i] = (uint32_t)(two >> (32 - (at & 31)));
    }
}

/* The huge case, 2^20 <= x < infinity: x / (2 pi) modulo 1, a turn in 192 bits, is m times a window of 2/pi. Returns
 * the quarter, and the rest of it in r. */
GM_OUTLINE int GM_K(reduce_huge)(double x, gm_dd *r) {
    uint64_t u = gm_bitsd(x), m = (u & 0xfffffffffffffu) | 0x10000000000000u, c = 0;
    uint32_t w[6], t[6];
    GM_K(two_over_pi)((int)(u >> 52) - 1075 - 2 + 64, w);
    for (int i = 5; i >= 0; i--, c >>= 32) t[i] = (uint32_t)(c += (m & 0xffffffffu) * w[i]);
    c = 0;
    for (int i = 4; i >= 0; i--, c >>= 32) t[i] = (uint32_t)(c += (m >> 32) * w[i + 1] + t[i]);
    uint64_t a = (uint64_t)t[0] << 32 | t[1], b = (uint64_t)t[2] << 32 | t[3], d = (uint64_t)t[4] << 32 | t[5];
    int q = (int)(a >> 62);
    a = a << 2 | b >> 62, b = b << 2 | d >> 62;
    uint64_t minus = a >> 63 ? ~(uint64_t)0 : 0;
    a ^= minus, b ^= minus;
    int z = __builtin_clzll(a | 1); /* no double comes so near to a multiple of pi/2 that a is 0 */
    a = z ? a << z | b >> (64 - z) : a, b <<= z;
    gm_dd f = { (double)(a >> 11), (double)((a << 53 | b >> 11) >> 11) };
    double scale = gm_from_bitsd((uint64_t)(1023 - 53 - z) << 52);
    f.h *= minus ? -scale : scale;
    f.l *= (minus ? -scale : scale) * 0x1p-53;
    *r = GM_K(dd_mul)(f, (gm_dd){ gm__pio2_h, gm__pio2_l });
    return q + (minus ? 1 : 0);
}

/* x >= 0: x = q pi/2 + r; q modulo 4 is right */
GM_INLINE int GM_K(reduce_pio2)(double x, gm_dd *r) {
    if (!(x < 0x1p20)) return GM_K(reduce_huge)(x, r);
    double t = x * 0x1.45f306dc9c883p-1 + 0x1.8p52, k = t - 0x1.8p52;
    double a = x - k * 0x1.921fb544p0;
    gm_dd b = GM_K(two_sum)(a, -(k * 0x1.0b4611a6p-34));
    gm_dd c = GM_K(two_sum)(b.h, -(k * 0x1.3198a2ep-69));
    *r = GM_K(fast_sum)(c.h, (b.l + c.l) - k * 0x1.b839a252049c1p-104);
    return (int)(uint32_t)gm_bitsd(t);
}

/* sin r and cos r on [-pi/4, pi/4], each in two parts */
GM_INLINE gm_dd GM_K(sin_core)(gm_dd r) {
    double x = r.h, z = x * x;
    double p = gm_p6(z, -0x1.5555555555549p-3, 0x1.111111110f888p-7, -0x1.a01a019c13323p-13, 0x1.71de3578f9282p-19,
                     -0x1.ae5e6721686b4p-26, 0x1.5d933ec4669ddp-33);
    return GM_K(fast_sum)(x, x * z * p + r.l * (1.0 - 0.5 * z));
}

GM_INLINE gm_dd GM_K(cos_core)(gm_dd r) {
    double x = r.h, z = x * x, h = 0.5 * z, w = 1.0 - h;
    double p = gm_p6(z, 0x1.555555555554cp-5, -0x1.6c16c16c15186p-10, 0x1.a01a019cb27c3p-16, -0x1.27e4f80a76cc1p-22,
                     0x1.1ee9ec4366983p-29, -0x1.8faecb27adc6dp-37);
    return GM_K(fast_sum)(w, ((1.0 - w) - h) + (z * z * p - x * r.l));
}

GM_INLINE double GM_K(sin_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a < gm__infd)) return gm__nand;
    if (a < 0x1p-27) return x;
    gm_dd r;
    int q = GM_K(reduce_pio2)(a, &r);
    double y = q & 1 ? GM_K(cos_core)(r).h : GM_K(sin_core)(r).h;
    return ((q >> 1) & 1) != (x < 0) ? -y : y;
}

GM_INLINE double GM_K(cos_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a < gm__infd)) return gm__nand;
    gm_dd r;
    int q = GM_K(reduce_pio2)(a, &r) + 1;
    double y = q & 1 ? GM_K(cos_core)(r).h : GM_K(sin_core)(r).h;
    return (q >> 1) & 1 ? -y : y;
}

GM_INLINE double GM_K(tan_f64)(double x) {
    double a = __builtin_fabs(x);
    if (!(a < gm__infd)) return gm__nand;
    if (a < 0x1p-27) return x;
    gm_dd r;
    int q = GM_K(reduce_pio2)(a, &r);
    gm_dd s = GM_K(sin_core)(r), c = GM_K(cos_core)(r);
    double y = q & 1 ? -GM_K(dd_div)(c, s).h : GM_K(dd_div)(s, c).h;
    return x < 0 ? -y : y;
}

/* asin(x) / x - 1 for z = x^2 <= 1/4 */
GM_INLINE double GM_K(asin_tail)(double z) {
    return z * gm_p14(z, 0x1.5555555555553p-3, 0x1.3333333333a5cp-4, 0x1.6db6db6d46effp-5, 0x1.f1c71ca8fb183p-6,
                      0x1.6e8b9ad997946p-6, 0x1.1c4f876be4072p-6, 0x1.c980aa580137fp-7, 0x1.7ba647eb51f03p-7,
                      0x1.36b4b91dd0276p-7, 0x1.484e3929b496dp-7, 0x1.5578b6d8fdb8ep-11, 0x1.97da19a803e55p-6,
                      -0x1.add5a8a482325p-6, 0x1.140293e7fdff5p-5);
}

/* asin x = pi/2 - 2 asin sqrt((1 - x) / 2) for x > 1/2; the root in two parts */
GM_INLINE double GM_K(asin_f64)(double x) {
    double a = __builtin_fabs(x), z = 0.5 - 0.5 * a;
    int big = a > 0.5;
    double t = GM_K(asin_tail)(big ? z : a * a);
    gm_dd s = GM_K(dd_sqrt)(z), h = GM_K(fast_sum)(gm__pio2_h, -2.0 * s.h);
    double y = h.h + (h.l + (gm__pio2_l - 2.0 * (s.l + s.h * t)));
    return x != x ? x : GM_K(copysign_f64)(big ? y : a + a * t, x);
}

GM_INLINE double GM_K(acos_f64)(double x) {
    double a = __builtin_fabs(x), z = 0.5 - 0.5 * a;
    int big = a > 0.5;
    double t = GM_K(asin_tail)(big ? z : a * a);
    gm_dd s = GM_K(dd_sqrt)(z), h = GM_K(fast_sum)(2 * gm__pio2_h, -2.0 * s.h), g = GM_K(fast_sum)(gm__pio2_h, -x);
    double near = s.h + (s.l + s.h * t); /* x > 1/2 */
    double far = h.h + (h.l + 2.0 * (gm__pio2_l - (s.l + s.h * t)));
    double middle = g.h + (g.l + (gm__pio2_l - x * t));
    return big ? (x > 0 ? 2.0 * near : far) : middle;
}

GM_INLINE double GM_K(atan_f64)(double x) {
    double a = __builtin_fabs(x), n = a, d = 1, h = 0, l = 0;
    if (a >= 2.4375) {
        n = -1.0, d = a, h = gm__pio2_h, l = gm__pio2_l;
    } else if (a >= 1.1875) {
        n = a - 1.5, d = 1.0 + 1.5 * a, h = 0x1.f730bd281f69bp-1, l = 0x1.007887af0cbbdp-56;
    } else if (a >= 0.6875) {
        n = a - 1.0, d = a + 1.0, h = 0.5 * gm__pio2_h, l = 0.5 * gm__pio2_l;
    } else if (a >= 0.4375) {
        n = 2.0 * a - 1.0, d = 2.0 + a, h = 0x1.dac670561bb4fp-2, l = 0x1.a2b7f222f65e2p-56;
    }
    double t = n / d, z = t * t;
    double p = z * gm_p11(z, -0x1.555555555550dp-2, 0x1.999999998eb4ep-3, -0x1.2492492006319p-3, 0x1.c71c6fe197042p-4,
                          -0x1.745cdc47451adp-4, 0x1.3b0f2a381b511p-4, -0x1.10d6632aa9f2cp-4, 0x1.dde282d97bed2p-5,
                          -0x1.97b37e3dba0dfp-5, 0x1.2b41b37ba7b15p-5, -0x1.0acef449caeb7p-6);
    return x != x ? x : GM_K(copysign_f64)(h + (t + (t * p + l)), x);
}

/* the angle of the point (x, y); signs of zeros and infinities as in C */
GM_INLINE double GM_K(atan2_f64)(double y, double x) {
    if (x != x || y != y) return gm__nand;
    double a = __builtin_fabs(y), b = __builtin_fabs(x);
    double r = a == 0 ? 0.0 : GM_K(atan_f64)(a == b ? 1.0 : a / b);
    if (gm_bitsd(x) >> 63) r = 2 * gm__pio2_h - (r - 2 * gm__pio2_l);
    return GM_K(copysign_f64)(r, y);
}
