/* bits.h: the bit patterns of floats and doubles, and the words that scalar functions are written in.
 * Included once per instruction set (no guard), after kernels/vocab.h. */

#define gm_bits(x) GM_K(bits_f32)(x)       /* float -> uint32_t */
#define gm_from_bits(u) GM_K(from_f32)(u)  /* uint32_t -> float */
#define gm_bitsd(x) GM_K(bits_f64)(x)      /* double -> uint64_t */
#define gm_from_bitsd(u) GM_K(from_f64)(u) /* uint64_t -> double */

/* A scalar function that is too long to be worth copying into every caller. */
#define GM_OUTLINE static __attribute__((noinline, unused))
/* A table of constants, outside of functions. */
#define GM_CONSTANTS static const __attribute__((unused))

GM_INLINE uint32_t GM_K(bits_f32)(float x) {
    union { float f; uint32_t u; } v = { x };
    return v.u;
}

GM_INLINE float GM_K(from_f32)(uint32_t u) {
    union { uint32_t u; float f; } v = { u };
    return v.f;
}

GM_INLINE uint64_t GM_K(bits_f64)(double x) {
    union { double f; uint64_t u; } v = { x };
    return v.u;
}

GM_INLINE double GM_K(from_f64)(uint64_t u) {
    union { uint64_t u; double f; } v = { u };
    return v.f;
}

/* |x| and x with the sign of s */
GM_INLINE float GM_K(abs_f32)(float x) { return __builtin_fabsf(x); }
GM_INLINE double GM_K(abs_f64)(double x) { return __builtin_fabs(x); }

GM_INLINE float GM_K(copysign_f32)(float x, float s) {
    return gm_from_bits((gm_bits(x) & 0x7fffffffu) | (gm_bits(s) & 0x80000000u));
}

GM_INLINE double GM_K(copysign_f64)(double x, double s) {
    uint64_t sign = (uint64_t)1 << 63;
    return gm_from_bitsd((gm_bitsd(x) & ~sign) | (gm_bitsd(s) & sign));
}

/* Polynomials by Horner's rule, lowest coefficient first, the number of coefficients in the name: gm_p3(z, a, b, c) is
 * a + z * (b + z * c). gm_p: two roundings a step, either precision. gm_q: floats, one rounding a step. The argument
 * is evaluated often: give a variable. */
#define gm_p1(z, a) (a)
#define gm_p2(z, a, ...) (gm_p1(z, __VA_ARGS__) * (z) + (a))
#define gm_p3(z, a, ...) (gm_p2(z, __VA_ARGS__) * (z) + (a))
#define gm_p4(z, a, ...) (gm_p3(z, __VA_ARGS__) * (z) + (a))
#define gm_p5(z, a, ...) (gm_p4(z, __VA_ARGS__) * (z) + (a))
#define gm_p6(z, a, ...) (gm_p5(z, __VA_ARGS__) * (z) + (a))
#define gm_p7(z, a, ...) (gm_p6(z, __VA_ARGS__) * (z) + (a))
#define gm_p8(z, a, ...) (gm_p7(z, __VA_ARGS__) * (z) + (a))
#define gm_p9(z, a, ...) (gm_p8(z, __VA_ARGS__) * (z) + (a))
#define gm_p10(z, a, ...) (gm_p9(z, __VA_ARGS__) * (z) + (a))
#define gm_p11(z, a, ...) (gm_p10(z, __VA_ARGS__) * (z) + (a))
#define gm_p12(z, a, ...) (gm_p11(z, __VA_ARGS__) * (z) + (a))
#define gm_p13(z, a, ...) (gm_p12(z, __VA_ARGS__) * (z) + (a))
#define gm_p14(z, a, ...) (gm_p13(z, __VA_ARGS__) * (z) + (a))
#define gm_p15(z, a, ...) (gm_p14(z, __VA_ARGS__) * (z) + (a))
#define gm_p16(z, a, ...) (gm_p15(z, __VA_ARGS__) * (z) + (a))
#define gm_p17(z, a, ...) (gm_p16(z, __VA_ARGS__) * (z) + (a))
#define gm_p18(z, a, ...) (gm_p17(z, __VA_ARGS__) * (z) + (a))
#define gm_p19(z, a, ...) (gm_p18(z, __VA_ARGS__) * (z) + (a))
#define gm_p20(z, a, ...) (gm_p19(z, __VA_ARGS__) * (z) + (a))
#define gm_p21(z, a, ...) (gm_p20(z, __VA_ARGS__) * (z) + (a))
#define gm_p22(z, a, ...) (gm_p21(z, __VA_ARGS__) * (z) + (a))
#define gm_p23(z, a, ...) (gm_p22(z, __VA_ARGS__) * (z) + (a))
#define gm_p24(z, a, ...) (gm_p23(z, __VA_ARGS__) * (z) + (a))
#define gm_p25(z, a, ...) (gm_p24(z, __VA_ARGS__) * (z) + (a))
#define gm_q1(z, a) (a)
#define gm_q2(z, a, ...) gm_fma(gm_q1(z, __VA_ARGS__), z, a)
#define gm_q3(z, a, ...) gm_fma(gm_q2(z, __VA_ARGS__), z, a)
#define gm_q4(z, a, ...) gm_fma(gm_q3(z, __VA_ARGS__), z, a)
#define gm_q5(z, a, ...) gm_fma(gm_q4(z, __VA_ARGS__), z, a)
#define gm_q6(z, a, ...) gm_fma(gm_q5(z, __VA_ARGS__), z, a)
#define gm_q7(z, a, ...) gm_fma(gm_q6(z, __VA_ARGS__), z, a)
#define gm_q8(z, a, ...) gm_fma(gm_q7(z, __VA_ARGS__), z, a)
#define gm_q9(z, a, ...) gm_fma(gm_q8(z, __VA_ARGS__), z, a)
#define gm_q10(z, a, ...) gm_fma(gm_q9(z, __VA_ARGS__), z, a)
#define gm_q11(z, a, ...) gm_fma(gm_q10(z, __VA_ARGS__), z, a)
#define gm_q12(z, a, ...) gm_fma(gm_q11(z, __VA_ARGS__), z, a)
