/* f32_trig.h: sine, cosine, tangent and their inverses for floats, in double inside, one form for every argument.
 *
 * x = (q + r) pi/2, |r| <= 1/2, q modulo 4. The product x * 2/pi is wanted modulo 4, so where x is a multiple of 2^E,
 * 2/pi may be replaced by 2^E * 2/pi modulo 4 and x by x / 2^E: four such constants cover the range of float, each in
 * parts of 29, 29 and 53 bits, so that the products of the first two with the 24 bits of x are exact (error of r 2^-60;
 * no float is nearer to a multiple of pi/2 than 2^-31 of a quarter). Selecting a constant costs less than a second pass
 * for huge arguments would cost in every caller (docs/math_ulp.md has the times). */

/* the multiple of 4 next to p is taken off; exact for |p| < 2^53 */
GM_INLINE double GM_K(modulo4)(double p) { return p - ((p + 0x1.8p54) - 0x1.8p54); }

/* |x| = (q + r) pi/2: q in the low bits of the result's second part t = 1.5 * 2^52 + q */
GM_INLINE double GM_K(quarter_turns)(double a, double *t) {
    int e1 = a >= 0x1p50, e2 = a >= 0x1p77, e3 = a >= 0x1p104;
    double p = e1 ? -0x1.1b1bbebp-1 : 0x1.45f306ep-1, s = e1 ? 0x1p-27 : 1.0;
    double m = e1 ? 0x1.4fe13acp-32 : -0x1.b1bbeadp-32, l = e1 ? -0x1.70565911f924fp-64 : -0x1.80f62a0b82b2dp-62;
    p = e2 ? 0x1.4a7f09dp0 : p, m = e2 ? 0x1.7d1f535p-30 : m, l = e2 ? -0x1.11f924eb53362p-61 : l, s = e2 ? 0x1p-54 : s;
    p = e3 ? -0x1.505c159p0 : p, m = e3 ? -0x1.911f925p-30 : m, l = e3 ? 0x1.4acc9e21c821p-62 : l, s = e3 ? 0x1p-81 : s;
    double x = a * s;
    gm_dd h = GM_K(two_sum)(GM_K(modulo4)(x * p), GM_K(modulo4)(x * m));
    *t = h.h + 0x1.8p52;
    return (h.h - (*t - 0x1.8p52)) + (h.l + x * l);
}

/* sin(r pi/2), cos(r pi/2) for |r| <= 1/2; 2^-37 */
GM_INLINE double GM_K(sin_quarter)(double r) {
    double z = r * r;
    return r * gm_p5(z, 0x1.921fb5443b585p0, -0x1.4abbce56ad691p-1, 0x1.466bbac76ae31p-4, -0x1.32ca9cbf7195fp-8,
                     0x1.4bc81ef129072p-13);
}

GM_INLINE double GM_K(cos_quarter)(double r) {
    double z = r * r;
    return 1.0 + z * gm_p5(z, -0x1.3bd3cc9bd8048p0, 0x1.03c1f076c301bp-2, -0x1.55d3bb485cae2p-6,
                           0x1.e1e859d2dd0d5p-11, -0x1.a107c7ad8ca3ep-16);
}

/* sin((q + r) pi/2), q in the low bits of t; the sign is crossed with that of `sign` */
GM_INLINE float GM_K(sine_of)(double r, uint64_t q, uint64_t sign) {
    double y = (q & 1) != 0 ? GM_K(cos_quarter)(r) : GM_K(sin_quarter)(r);
    return (float)gm_from_bitsd(gm_bitsd(y) ^ ((q << 62 ^ sign) & 0x8000000000000000u));
}

GM_INLINE float GM_K(sin_f32)(float x) {
    double t, r = GM_K(quarter_turns)((double)__builtin_fabsf(x), &t);
    float y = GM_K(sine_of)(r, gm_bitsd(t), gm_bitsd((double)x));
    y = x == 0 ? x : y;
    return __builtin_fabsf(x) < gm__inff ? y : gm__nanf;
}

GM_INLINE float GM_K(cos_f32)(float x) {
    double t, r = GM_K(quarter_turns)((double)__builtin_fabsf(x), &t);
    float y = GM_K(sine_of)(r, gm_bitsd(t) + 1, 0);
    return __builtin_fabsf(x) < gm__inff ? y : gm__nanf;
}

GM_INLINE float GM_K(tan_f32)(float x) {
    double t, r = GM_K(quarter_turns)((double)__builtin_fabsf(x), &t);
    double s = GM_K(sin_quarter)(r), c = GM_K(cos_quarter)(r);
    int odd = (gm_bitsd(t) & 1) != 0;
    float y = (float)((odd ? -c : s) / (odd ? s : c));
    y = x < 0 ? -y : y;
    y = x == 0 ? x : y;
    return __builtin_fabsf(x) < gm__inff ? y : gm__nanf;
}

/* asin(s), s^2 = z <= 1/4; 2^-35 */
GM_INLINE double GM_K(asin_wide)(double s, double z) {
    return s + s * z * gm_p7(z, 0x1.55555608cb124p-3, 0x1.3332a8389afeep-4, 0x1.6ddb1d101f308p-5,
                             0x1.ed546a02256c1p-6, 0x1.93540fc1117f5p-6, 0x1.e9b3b2fb14287p-8, 0x1.1c2d88bb98d65p-5);
}

/* above 1/2: asin x = pi/2 - 2 asin sqrt((1 - x) / 2) */
GM_INLINE float GM_K(asin_f32)(float x) {
    double a = (double)__builtin_fabsf(x);
    int big = a > 0.5;
    double h = 0.5 - 0.5 * a, z = big ? h : a * a;
    double p = GM_K(asin_wide)(big ? __builtin_sqrt(h) : a, z);
    float y = GM_K(copysign_f32)((float)(big ? 0x1.921fb54442d18p0 - 2.0 * p : p), x);
    return a <= 1.0 ? y : gm__nanf;
}

GM_INLINE float GM_K(acos_f32)(float x) {
    double a = (double)__builtin_fabsf(x);
    int big = a > 0.5;
    double h = 0.5 - 0.5 * a, z = big ? h : a * a;
    double p = GM_K(asin_wide)(big ? __builtin_sqrt(h) : a, z);
    double small = 0x1.921fb54442d18p0 - (x < 0 ? -p : p);
    double large = x < 0 ? 0x1.921fb54442d18p1 - 2.0 * p : 2.0 * p;
    return a <= 1.0 ? (float)(big ? large : small) : gm__nanf;
}

/* atan(a / b), a >= 0, b > 0: below tan(pi/8), about 1, above tan(3 pi/8); one division */
GM_INLINE double GM_K(atan_wide)(double a, double b) {
    int middle = a > 0.4142135623730951 * b, large = a > 2.414213562373095 * b;
    double n = large ? -b : middle ? a - b : a, d = large ? a : middle ? a + b : b;
    double base = large ? 0x1.921fb54442d18p0 : middle ? 0x1.921fb54442d18p-1 : 0.0;
    double t = n / d, z = t * t;
    return base + (t + t * z * gm_p7(z, -0x1.5555554efee63p-2, 0x1.999992174346ap-3, -0x1.2490c6de915dcp-3,
                                     0x1.c6d26b3d90395p-4, -0x1.7086e1fbfe0aep-4, 0x1.1e6d60f38b11ep-4,
                                     -0x1.36e40fd9de793p-5));
}

GM_INLINE float GM_K(atan_f32)(float x) {
    float a = __builtin_fabsf(x), c = a > 0x1p60f ? 0x1p60f : a;
    return GM_K(copysign_f32)((float)GM_K(atan_wide)((double)c, 1.0), x);
}

/* the angle of the point (x, y); signs of zeros and infinities as in C */
GM_INLINE float GM_K(atan2_f32)(float y, float x) {
    float fa = __builtin_fabsf(y), fb = __builtin_fabsf(x);
    int both = fa == fb; /* zeros and infinities too */
    double a = both ? 1.0 : (double)fa, b = both ? 1.0 : (double)fb;
    a = a > 0x1p600 ? 0x1p600 : a; /* infinity */
    b = b > 0x1p600 ? 0x1p600 : b;
    double r = GM_K(atan_wide)(a, b);
    r = fa == 0 ? 0.0 : r;
    r = (gm_bits(x) >> 31) != 0 ? 0x1.921fb54442d18p1 - r : r;
    float v = GM_K(copysign_f32)((float)r, y);
    return ((x != x) | (y != y)) ? gm__nanf : v;
}
