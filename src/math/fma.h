/* fma.h: gm_fma and gm_fmad, a * b + c in one rounding, with or without the instruction.
 * Included once per instruction set by kernels/vocab.h. */

#define gm_fma(a, b, c) GM_K(fma_f32)(a, b, c)
#define gm_fmad(a, b, c) GM_K(fma_f64)(a, b, c)

#if GM_HAS_FMA

GM_INLINE float GM_K(fma_f32)(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
GM_INLINE double GM_K(fma_f64)(double a, double b, double c) { return __builtin_fma(a, b, c); }

#else

/* The product of two floats is exact in double. The sum is rounded to odd (its last bit is set when it is inexact),
 * and a value rounded to odd with two more bits than the target rounds again without error (Boldo, Melquiond 2008). */
GM_INLINE float GM_K(fma_f32)(float a, float b, float c) {
    double p = (double)a * (double)b, z = (double)c;
    double s = p + z;
    double t = s - p;
    double e = (p - (s - t)) + (z - t); /* the rounding error of s, exact */
    union { double d; int64_t i; } u = { s };
    /* towards zero by one step where e points that way, then the odd neighbour: both are "set the last bit" */
    int64_t away = ((e > 0) == (s > 0)) ? 0 : 1;
    int64_t inexact = (e != 0) & ((u.i & 0x7ff0000000000000) != 0x7ff0000000000000);
    u.i = inexact ? ((u.i - away) | 1) : u.i;
    return (float)u.d;
}

/* Correct but slow; the maths room replaces it by an exact formula. */
GM_INLINE double GM_K(fma_f64)(double a, double b, double c) { return __builtin_fma(a, b, c); }

#endif
