/* fma.h: gm_fma and gm_fmad, a * b + c in one rounding, with or without the instruction.
 * Included once per instruction set by kernels/vocab.h. */

#define gm_fma(a, b, c) GM_K(fma_f32)(a, b, c)
#define gm_fmad(a, b, c) GM_K(fma_f64)(a, b, c)

#if GM_HAS_FMA

GM_INLINE float GM_K(fma_f32)(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
GM_INLINE double GM_K(fma_f64)(double a, double b, double c) { return __builtin_fma(a, b, c); }

#else

/* The product of two floats is exact in double. The sum is rounded to odd (cut off, and its last bit set when anything
 * was lost), and a value rounded to odd with two more bits than the target rounds a second time without error (Boldo,
 * Melquiond 2008). Cutting off is one step down where the error e points towards zero; an infinite or NaN sum has a NaN
 * error and stays. Only what SSE2 vectorises: shifts, and a selection between doubles whose bits are 1 and 0. */
GM_INLINE double GM_K(fma_to_odd)(double s, double e) {
    union { double d; uint64_t u; } v = { s }, w = { e }, inexact = { __builtin_fabs(e) > 0 ? 0x1p-1074 : 0.0 };
    v.u = (v.u - ((v.u ^ w.u) >> 63 & inexact.u)) | inexact.u;
    return v.d;
}

GM_INLINE float GM_K(fma_f32)(float a, float b, float c) {
    double p = (double)a * (double)b, z = (double)c;
    double s = p + z, t = s - p;
    return (float)GM_K(fma_to_odd)(s, (p - (s - t)) + (z - t));
}

/* a * b exactly (Dekker 1971, Veltkamp's splitting): no fma to be had here */
GM_INLINE double GM_K(fma_product)(double a, double b, double *low) {
    double p = a * b, s = 0x1.0000002p27 * a, t = 0x1.0000002p27 * b;
    double ah = s - (s - a), bh = t - (t - b), al = a - ah, bl = b - bh;
    *low = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
    return p;
}

/* a + b and its rounding error (Knuth 1969) */
GM_INLINE double GM_K(fma_sum)(double a, double b, double *low) {
    double s = a + b, t = s - a;
    *low = (a - (s - t)) + (b - t);
    return s;
}

/* a + b rounded to odd: cut off, and the last bit set if anything was lost */
GM_INLINE double GM_K(fma_odd)(double a, double b) {
    double e, s = GM_K(fma_sum)(a, b, &e);
    return GM_K(fma_to_odd)(s, e);
}

/* a * b + c where no step overflows or loses bits below: Boldo, Melquiond 2008, algorithm 5. The three-part sum is
 * rounded to odd first, then to nearest. */
GM_INLINE double GM_K(fma_middle)(double a, double b, double c) {
    double pl, tl, vl;
    double p = GM_K(fma_product)(a, b, &pl);
    double t = GM_K(fma_sum)(c, pl, &tl);
    double v = GM_K(fma_sum)(p, t, &vl);
    return v + GM_K(fma_odd)(tl, vl);
}

/* 2^e as a double, -1022 <= e <= 1023 */
GM_INLINE double GM_K(fma_power)(int e) {
    union { uint64_t u; double d; } v = { (uint64_t)(e + 1023) << 52 };
    return v.d;
}

/* the exponent of a number that is not 0, and the number brought into [1, 2) */
GM_INLINE int GM_K(fma_exponent)(double *x) {
    union { double d; uint64_t u; } v = { *x };
    int tiny = (v.u & 0x7ff0000000000000u) == 0;
    v.d = tiny ? *x * 0x1p64 : *x;
    int e = (int)(v.u >> 52 & 0x7ff) - 1023 - (tiny ? 64 : 0);
    v.u = (v.u & 0x800fffffffffffffu) | 0x3ff0000000000000u;
    *x = v.d;
    return e;
}

/* v + z, which has the sign of B, rounded to a multiple of q instead of to 53 bits; |v + z| < 2^52 q. Adding
 * B = +-2^52 q, whose ulp is q, rounds there; z is odd where anything was lost, so no tie is invented. */
GM_INLINE double GM_K(fma_coarse)(double v, double z, double B) {
    double wl;
    double w = GM_K(fma_sum)(B, v, &wl);
    return (w + GM_K(fma_odd)(wl, z)) - B;
}

/* The rest: factors or summand at the ends of the range, zeros, infinities, NaN. The product is brought into [1, 4) and
 * the summand moved along; a far smaller one is replaced by a token of its sign. */
static __attribute__((noinline, unused)) double GM_K(fma_ends)(double a, double b, double c) {
    double infinite = __builtin_inf();
    if (!(__builtin_fabs(a) < infinite) || !(__builtin_fabs(b) < infinite) || a == 0 || b == 0) return a * b + c;
    if (!(__builtin_fabs(c) < infinite)) return c;
    if (c == 0) return a * b;
    int e = GM_K(fma_exponent)(&a) + GM_K(fma_exponent)(&b), d = GM_K(fma_exponent)(&c) - e;
    if (d > 200) return c * GM_K(fma_power)((d + e) / 2) * GM_K(fma_power)((d + e) - (d + e) / 2);
    c *= GM_K(fma_power)(d < -200 ? -200 : d);
    double pl, tl, vl;
    double p = GM_K(fma_product)(a, b, &pl);
    double t = GM_K(fma_sum)(c, pl, &tl);
    double v = GM_K(fma_sum)(p, t, &vl), z = GM_K(fma_odd)(tl, vl), r = v + z;
    if (r == 0) return r;
    double m = r;
    if (GM_K(fma_exponent)(&m) + e < -1022) {
        double B = r < 0 ? -GM_K(fma_power)(-1022 - e) : GM_K(fma_power)(-1022 - e);
        m = GM_K(fma_coarse)(v, z, B) * GM_K(fma_power)(e / 2) * GM_K(fma_power)(e - e / 2);
        return r < 0 ? -__builtin_fabs(m) : m; /* a result of 0 keeps its sign */
    }
    return r * GM_K(fma_power)(e / 2) * GM_K(fma_power)(e - e / 2);
}

GM_INLINE double GM_K(fma_f64)(double a, double b, double c) {
    double p = __builtin_fabs(a * b);
    int middle = (p > 0x1p-900) & (p < 0x1p1000) & (__builtin_fabs(c) < 0x1p1000) & (__builtin_fabs(a) < 0x1p995) &
                 (__builtin_fabs(b) < 0x1p995);
    return __builtin_expect(middle, 1) ? GM_K(fma_middle)(a, b, c) : GM_K(fma_ends)(a, b, c);
}

#endif
