/* f32_exp.h: exponentials of floats, and what is made of them: sigmoid and the hyperbolic functions.
 *
 * exp, exp2, expm1, tanh and sigmoid are the hot ones and stay in float: x = n ln 2 + r with ln 2 in two parts, a
 * minimax polynomial (fitted with rounded coefficients) in r, 2^n put back in two factors so that overflow and
 * subnormal results come out right. n comes from adding 1.5 * 2^23: no conversion to an integer that could overflow. */

/* 1.5 * 2^23 + n: n = x * scale to the nearest integer is both k, the float, and the low bits of t */
GM_INLINE float GM_K(exp_whole)(float x, float scale) { return gm_fma(x, scale, 0x1.8p23f); }

/* y * 2^n, n in the low bits of t as above, -300 < n < 300 */
GM_INLINE float GM_K(exp_scale)(float y, float t) {
    int32_t n = (int32_t)(gm_bits(t) - 0x4b400000u), a = n >> 1, b = n - a;
    y *= gm_from_bits((uint32_t)(a + 127) << 23);
    return y * gm_from_bits((uint32_t)(b + 127) << 23);
}

/* e^(x - k ln 2) - 1, 2^-28 of the power: x - k times the first 16 bits of ln 2 is exact, and what is left of the
 * product joins the small terms, so that only the last addition rounds. */
GM_INLINE float GM_K(exp_poly)(float x, float k) {
    float h = gm_fma(k, -0x1.62e4p-1f, x), l = k * -0x1.7f7d1cp-20f, r = h + l;
    float p = gm_q5(r, 0x1p-1f, 0x1.55548ep-3f, 0x1.55547p-5f, 0x1.123c9p-7f, 0x1.6de7eep-10f);
    return h + gm_fma(r * r, p, l);
}

GM_INLINE float GM_K(exp_f32)(float x) {
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    float t = GM_K(exp_whole)(x, 0x1.715476p0f);
    return GM_K(exp_scale)(1.0f + GM_K(exp_poly)(x, t - 0x1.8p23f), t);
}

/* e^x in two parts, for x in [-104, 0] (clamped below); returns the first */
GM_INLINE float GM_K(exp_parts)(float x, float *low) {
    float c = x < -104.0f ? -104.0f : x, t = GM_K(exp_whole)(c, 0x1.715476p0f);
    float s = GM_K(exp_poly)(c, t - 0x1.8p23f), h = 1.0f + s;
    *low = GM_K(exp_scale)(s - (h - 1.0f), t);
    return GM_K(exp_scale)(h, t);
}

GM_INLINE float GM_K(exp2_f32)(float x) {
    x = x > 129.0f ? 129.0f : x;
    x = x < -151.0f ? -151.0f : x;
    float t = x + 0x1.8p23f, r = x - (t - 0x1.8p23f);
    float p = gm_q6(r, 0x1.62e43p-1f, 0x1.ebfbep-3f, 0x1.c6af0cp-5f, 0x1.3b2a78p-7f, 0x1.5f50b8p-10f,
                    0x1.43e984p-13f);
    return GM_K(exp_scale)(gm_fma(r, p, 1.0f), t);
}

/* e^x - 1 = 2 (2^(n-1) (e^r - 1) + (2^(n-1) - 1/2)) */
GM_INLINE float GM_K(expm1_f32)(float x) {
    float c = x > 89.0f ? 89.0f : x;
    c = c < -20.0f ? -20.0f : c;
    float t = GM_K(exp_whole)(c, 0x1.715476p0f), k = t - 0x1.8p23f;
    float h = gm_fma(k, -0x1.62e4p-1f, c), l = k * -0x1.7f7d1cp-20f, r = h + l;
    float p = gm_q6(r, 0x1p-1f, 0x1.555554p-3f, 0x1.5554cep-5f, 0x1.111222p-7f, 0x1.6d7378p-10f, 0x1.a0613ap-13f);
    float e = h + gm_fma(r * r, p, l);
    float s = gm_from_bits((gm_bits(t) - 0x4b400000u + 126u) << 23);
    float y = gm_fma(s, e, s - 0.5f);
    y = k == 0 ? e : y + y;
    return x == 0 ? x : y;
}

/* 1 / (1 + e^-x) = n / d with d = 1 + e^-|x| and n = 1, or e^-|x| for negative x: nothing overflows or cancels.
 * Numerator and denominator in two parts, the quotient corrected once. */
GM_INLINE float GM_K(sigmoid_f32)(float x) {
    float el, eh = GM_K(exp_parts)(-__builtin_fabsf(x), &el);
    float d = 1.0f + eh, dl = (eh - (d - 1.0f)) + el;
    float nh = x < 0 ? eh : 1.0f, nl = x < 0 ? el : 0.0f;
    float i = 1.0f / d, q = nh * i;
    return gm_fma(gm_fma(-q, dl, gm_fma(-q, d, nh) + nl), i, q);
}

/* x + x^3 P(x^2) up to 0.6, above 1 - 2 e / (1 + e), e = e^-2x in two parts and the quotient corrected once */
GM_INLINE float GM_K(tanh_f32)(float x) {
    float a = __builtin_fabsf(x), z = x * x;
    float p = gm_q6(z, -0x1.555554p-2f, 0x1.111098p-3f, -0x1.b9f9fp-5f, 0x1.64126cp-6f, -0x1.0ec1fcp-7f,
                    0x1.23e862p-9f);
    float c = -2.0f * a;
    c = c < -20.0f ? -20.0f : c;
    float t = GM_K(exp_whole)(c, 0x1.715476p0f);
    float k = gm_from_bits((gm_bits(t) << 23) + 0x3f800000u); /* 2^n, n > -30 */
    float s = GM_K(exp_poly)(c, t - 0x1.8p23f), h = 1.0f + s, e = k * h, el = k * (s - (h - 1.0f));
    float d = 1.0f + e, dl = (e - (d - 1.0f)) + el, i = 1.0f / d, q = e * i;
    float v = gm_fma(gm_fma(-q, dl, gm_fma(-q, d, e) + el), i, q);
    float y = a < 0.6f ? gm_fma(a * z, p, a) : gm_fma(-2.0f, v, 1.0f);
    return GM_K(copysign_f32)(y, x);
}

/* sinh: an odd polynomial up to 1, above (e^x - e^-x) / 2 in double */
GM_INLINE float GM_K(sinh_f32)(float x) {
    double a = (double)__builtin_fabsf(x), z = a * a, c = a > 100.0 ? 100.0 : a;
    double e = GM_K(exp_wide)(c), p = z * gm_p5(z, 0x1.5555555578affp-3, 0x1.111110f1c20c9p-7, 0x1.a01a25a06cffbp-13,
                                                0x1.71cc2c99460b6p-19, 0x1.b6993aa8d9ef7p-26);
    double y = 0.5 * (e - 1.0 / e);
    y = a < 1.0 ? a + a * p : y;
    return x != x ? x : GM_K(copysign_f32)((float)y, x);
}

GM_INLINE float GM_K(cosh_f32)(float x) {
    double a = (double)__builtin_fabsf(x), c = a > 100.0 ? 100.0 : a, e = GM_K(exp_wide)(c);
    return x != x ? x : (float)(0.5 * (e + 1.0 / e));
}
