/* f32_log.h: logarithms of floats, and the inverse hyperbolic functions that are logarithms.
 *
 * log and log1p are the hot ones and stay in float: x = 2^n (1 + f), f in [-1/3, 1/3], log(1 + f) = f + f^2 P(f). The
 * rest goes through log_wide. */

/* n ln 2 + log(1 + f + l), |f| <= 0.334, l tiny: n times the first 16 bits of ln 2 is exact, and so is its sum with f
 * in two parts; only the small terms are rounded before the last addition. */
GM_INLINE float GM_K(log_poly)(float f, float l, float n) {
    float p = gm_q10(f, -0x1p-1f, 0x1.555556p-2f, -0x1.fffe5ap-3f, 0x1.999852p-3f, -0x1.55b692p-3f, 0x1.24d744p-3f,
                     -0x1.f0aeccp-4f, 0x1.bb6818p-4f, -0x1.0c95p-3f, 0x1.df86eap-4f);
    float k = n * 0x1.62e4p-1f, s = k + f, e = ((k - s) + f) + gm_fma(-f, l, l);
    return s + gm_fma(f * f, p, gm_fma(n, 0x1.7f7d1cp-20f, e));
}

/* what a logarithm returns where its formula does not hold */
GM_INLINE float GM_K(logf_special)(float x, float y) {
    y = x == 0 ? -gm__inff : y;
    y = x == gm__inff ? x : y;
    return ((x < 0) | (x != x)) ? gm__nanf : y;
}

GM_INLINE float GM_K(log_f32)(float x) {
    int tiny = x < 0x1p-126f;
    float a = tiny ? x * 0x1p23f : x;
    uint32_t u = gm_bits(a), e = (u - 0x3f2aaaabu) & 0xff800000u;
    float n = (float)(int32_t)e * 0x1p-23f - (tiny ? 23.0f : 0.0f);
    return GM_K(logf_special)(x, GM_K(log_poly)(gm_from_bits(u - e) - 1.0f, 0.0f, n));
}

/* 1 + x = 2^n (1 + f): f = 2^-n x + (2^-n - 1), so that what 1 + x rounds away is kept (Juffa's arrangement) */
GM_INLINE float GM_K(log1p_f32)(float x) {
    float u = x + 1.0f;
    uint32_t e = (gm_bits(u) - 0x3f2aaaabu) & 0xff800000u;
    float s = gm_from_bits(0x40800000u - e); /* 4 * 2^-n, which never leaves the range of normal numbers */
    float a = gm_from_bits(gm_bits(x) - e), b = gm_fma(0.25f, s, -1.0f), f = a + b;
    float y = GM_K(log_poly)(f, a - (f - b), (float)(int32_t)e * 0x1p-23f);
    y = x == -1.0f ? -gm__inff : y;
    y = x < -1.0f ? gm__nanf : y;
    return ((x == gm__inff) | (x == 0) | (x != x)) ? x : y;
}

/* log(1 + e^-|x|), the part of softplus and of log-sigmoid that needs care */
GM_INLINE float GM_K(log1pexp_f32)(float x) {
    float l, e = GM_K(exp_parts)(-__builtin_fabsf(x), &l);
    int big = e > 0.333f; /* 1 + e = 2^n (1 + f), n is 0 or 1 */
    float h = 0.5f * e, f = h - 0.5f;
    return GM_K(log_poly)(big ? f : e, big ? (h - (f + 0.5f)) + 0.5f * l : l, big ? 1.0f : 0.0f);
}

GM_INLINE float GM_K(softplus_f32)(float x) { return GM_K(max_f32)(x, 0.0f) + GM_K(log1pexp_f32)(x); }

GM_INLINE float GM_K(log_sigmoid_f32)(float x) { return GM_K(min_f32)(x, 0.0f) - GM_K(log1pexp_f32)(x); }

GM_INLINE float GM_K(log2_f32)(float x) {
    return GM_K(logf_special)(x, (float)(GM_K(log_wide)((double)x) * 0x1.71547652b82fep0));
}

GM_INLINE float GM_K(log10_f32)(float x) {
    return GM_K(logf_special)(x, (float)(GM_K(log_wide)((double)x) * 0x1.bcb7b1526e50ep-2));
}

/* log(x + sqrt(x^2 + 1)), below 2^-12 the start of the series */
GM_INLINE float GM_K(asinh_f32)(float x) {
    double a = (double)__builtin_fabsf(x), z = a * a;
    double y = GM_K(log_wide)(a + __builtin_sqrt(z + 1.0));
    y = a < 0x1p-12 ? a - a * z * 0x1.5555555555555p-3 : y;
    float r = GM_K(copysign_f32)((float)y, x);
    return ((__builtin_fabsf(x) == gm__inff) | (x != x)) ? x : r;
}

GM_INLINE float GM_K(acosh_f32)(float x) {
    double a = (double)x;
    float y = (float)GM_K(log_wide)(a + __builtin_sqrt((a - 1.0) * (a + 1.0)));
    y = x == gm__inff ? x : y;
    return x >= 1.0f ? y : gm__nanf;
}

GM_INLINE float GM_K(atanh_f32)(float x) {
    double a = (double)__builtin_fabsf(x);
    double y = 0.5 * GM_K(log_wide)((1.0 + a) / (1.0 - a));
    y = a < 0x1p-12 ? a + a * a * a * 0x1.5555555555555p-2 : y;
    float r = GM_K(copysign_f32)(a == 1.0 ? gm__inff : (float)y, x);
    return a <= 1.0 ? r : gm__nanf;
}
