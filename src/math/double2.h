/* double2.h: a sum of two doubles, for the few places where one double is too short.
 * Included once per instruction set. The transformations are exact (Dekker 1971, Knuth 1969) barring overflow and
 * underflow. */

typedef struct { double h, l; } GM_K(dd_t);
#define gm_dd GM_K(dd_t)

/* a + b exactly; no condition */
GM_INLINE gm_dd GM_K(two_sum)(double a, double b) {
    double s = a + b, t = s - a;
    return (gm_dd){ s, (a - (s - t)) + (b - t) };
}

/* a + b exactly if |a| >= |b| or a = 0 */
GM_INLINE gm_dd GM_K(fast_sum)(double a, double b) {
    double s = a + b;
    return (gm_dd){ s, b - (s - a) };
}

/* a * b exactly */
GM_INLINE gm_dd GM_K(two_prod)(double a, double b) {
    double p = a * b;
    return (gm_dd){ p, gm_fmad(a, b, -p) };
}

/* (a.h + a.l) * (b.h + b.l), relative error about 2^-103 */
GM_INLINE gm_dd GM_K(dd_mul)(gm_dd a, gm_dd b) {
    gm_dd p = GM_K(two_prod)(a.h, b.h);
    return GM_K(fast_sum)(p.h, p.l + (a.h * b.l + a.l * b.h));
}

/* (a.h + a.l) + (b.h + b.l), |a| not much smaller than |b| */
GM_INLINE gm_dd GM_K(dd_add)(gm_dd a, gm_dd b) {
    gm_dd s = GM_K(two_sum)(a.h, b.h);
    return GM_K(fast_sum)(s.h, s.l + (a.l + b.l));
}

/* (a.h + a.l) / (b.h + b.l), relative error about 2^-100 */
GM_INLINE gm_dd GM_K(dd_div)(gm_dd a, gm_dd b) {
    double q = a.h / b.h;
    double r = gm_fmad(-q, b.h, a.h) + (a.l - q * b.l);
    return GM_K(fast_sum)(q, r / b.h);
}

/* the root of a double, to twice its length; 0 gives 0 */
GM_INLINE gm_dd GM_K(dd_sqrt)(double a) {
    double s = __builtin_sqrt(a);
    double l = s > 0 ? gm_fmad(-s, s, a) / (2 * s) : 0;
    return (gm_dd){ s, l };
}
