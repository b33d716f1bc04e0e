/* f32.h: the scalar functions of floats. Included once per instruction set, after f64.h. */

#define GM__F32_UNARY(f)                                                                                               \
    GM_INLINE float GM_K(f##_f32)(float x) { return (float)GM_K(f##_f64)((double)x); }
#define GM__F32_BINARY(f)                                                                                              \
    GM_INLINE float GM_K(f##_f32)(float x, float y) { return (float)GM_K(f##_f64)((double)x, (double)y); }
GM_MATH_UNARY(GM__F32_UNARY)
GM_MATH_BINARY(GM__F32_BINARY)
#undef GM__F32_UNARY
#undef GM__F32_BINARY
