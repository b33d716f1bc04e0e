/* f32_basic.h: rounding, roots, remainders, largest and smallest, for float. */

#define gm__inff __builtin_inff()
#define gm__nanf __builtin_nanf("")

GM_INLINE float GM_K(sqrt_f32)(float x) { return __builtin_sqrtf(x); }
GM_INLINE float GM_K(rsqrt_f32)(float x) { return 1.0f / __builtin_sqrtf(x); }
GM_INLINE float GM_K(floor_f32)(float x) { return __builtin_floorf(x); }
GM_INLINE float GM_K(floordiv_f32)(float a, float b) { return __builtin_floorf(a / b); }
GM_INLINE float GM_K(ceil_f32)(float x) { return __builtin_ceilf(x); }
GM_INLINE float GM_K(trunc_f32)(float x) { return __builtin_truncf(x); }
GM_INLINE float GM_K(round_f32)(float x) { return __builtin_rintf(x); }

/* NaN if either is NaN; +0 > -0 (the bits of equal numbers differ only there) */
GM_INLINE float GM_K(max_f32)(float x, float y) {
    float r = x > y ? x : y;
    r = x == y ? gm_from_bits(gm_bits(x) & gm_bits(y)) : r;
    return x != x ? x : r;
}

GM_INLINE float GM_K(min_f32)(float x, float y) {
    float r = x < y ? x : y;
    r = x == y ? gm_from_bits(gm_bits(x) | gm_bits(y)) : r;
    return x != x ? x : r;
}

/* One digit, 28 bits, of the long division in fmod: r - t * trunc(r / t), all exact in double since the quotient has at
 * most 28 bits and t 24; the quotient by a reciprocal may be one off. */
GM_INLINE double GM_K(fmod_step)(double r, double t, double reciprocal) {
    double q = (r * reciprocal - 0.5 + 0x1.8p52) - 0x1.8p52;
    r = r - q * t;
    r = r < 0 ? r + t : r;
    return r >= t ? r - t : r;
}

/* C's fmod: exact, the sign of x. The quotient of two floats has at most 278 bits: ten digits. */
GM_INLINE float GM_K(fmod_f32)(float x, float y) {
    double r = (double)__builtin_fabsf(x), b = (double)__builtin_fabsf(y);
    double i = 1.0 / b;
    r = GM_K(fmod_step)(r, b * 0x1p252, i * 0x1p-252);
    r = GM_K(fmod_step)(r, b * 0x1p224, i * 0x1p-224);
    r = GM_K(fmod_step)(r, b * 0x1p196, i * 0x1p-196);
    r = GM_K(fmod_step)(r, b * 0x1p168, i * 0x1p-168);
    r = GM_K(fmod_step)(r, b * 0x1p140, i * 0x1p-140);
    r = GM_K(fmod_step)(r, b * 0x1p112, i * 0x1p-112);
    r = GM_K(fmod_step)(r, b * 0x1p84, i * 0x1p-84);
    r = GM_K(fmod_step)(r, b * 0x1p56, i * 0x1p-56);
    r = GM_K(fmod_step)(r, b * 0x1p28, i * 0x1p-28);
    r = GM_K(fmod_step)(r, b, i);
    float m = GM_K(copysign_f32)((float)r, x);
    m = __builtin_fabsf(y) == gm__inff ? x : m;
    int bad = (x != x) | (y != y) | (y == 0) | (__builtin_fabsf(x) == gm__inff);
    return bad ? gm__nanf : m;
}

/* the remainder with the sign of the divisor, as Python and PyTorch define it */
GM_INLINE float GM_K(mod_f32)(float x, float y) {
    float r = GM_K(fmod_f32)(x, y);
    uint32_t u = gm_bits(r);
    float moved = (u << 1) != 0 ? r + y : r; /* selects, not a conjunction: GCC 12 would not vectorise that */
    return (u ^ gm_bits(y)) >> 31 != 0 ? moved : r;
}

/* The cube root, in double: a third of the exponent from the bits, two steps of Halley's method */
GM_INLINE float GM_K(cbrt_f32)(float x) {
    double a = (double)__builtin_fabsf(x);
    uint32_t top = (uint32_t)(gm_bitsd(a) >> 32);
    double t = gm_from_bitsd((uint64_t)(top / 3u + 0x2a9f7893u) << 32);
    for (int i = 0; i < 2; i++) {
        double c = t * t * t;
        t = t * ((c + (a + a)) / ((c + c) + a));
    }
    float y = GM_K(copysign_f32)((float)t, x);
    return ((x == 0) | (__builtin_fabsf(x) == gm__inff) | (x != x)) ? x : y;
}
