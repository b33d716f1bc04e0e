/* convert.h: narrow floats to and from float, floats to integers; branch-free, so that loops vectorise.
 *
 * To a narrow float: to nearest even, subnormals kept, beyond the largest infinity (f8e4m3, which has none: NaN, as
 * PyTorch's float8_e4m3fn), NaN to the one canonical NaN. To an integer: towards zero, saturating, NaN gives 0.
 * Subnormal results come from one float addition: the ulp of the number added is the unit of the narrow subnormals. */

GM_INLINE float GM_K(bf16_to_f32)(uint16_t h) { return gm_from_bits((uint32_t)h << 16); }

GM_INLINE uint16_t GM_K(f32_to_bf16)(float x) {
    uint32_t u = gm_bits(x), r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return (uint16_t)(x != x ? 0x7fc0u : r);
}

GM_INLINE float GM_K(f16_to_f32)(uint16_t h) {
    uint32_t s = (uint32_t)(h & 0x8000u) << 16, e = (h >> 10) & 31u, m = h & 1023u;
    uint32_t sub = gm_bits((float)(int32_t)m * 0x1p-24f);
    uint32_t u = e == 31u ? 0x7f800000u : e == 0 ? sub : ((e + 112u) << 23) | (m << 13);
    u = ((e == 31u) & (m != 0)) ? 0x7fc00000u : u | s;
    return gm_from_bits(u);
}

GM_INLINE uint16_t GM_K(f32_to_f16)(float x) {
    uint32_t u = gm_bits(x), s = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    uint32_t norm = (a - (112u << 23) + 0xfffu + ((a >> 13) & 1u)) >> 13;
    uint32_t sub = gm_bits(gm_from_bits(a) + 0x1p-1f) - 0x3f000000u;
    uint32_t r = a >= 0x477ff000u ? 0x7c00u : a < 0x38800000u ? sub : norm;
    return (uint16_t)(a > 0x7f800000u ? 0x7e00u : r | s);
}

GM_INLINE float GM_K(f8e5m2_to_f32)(uint8_t h) { return GM_K(f16_to_f32)((uint16_t)(h << 8)); }

GM_INLINE uint8_t GM_K(f32_to_f8e5m2)(float x) {
    uint32_t u = gm_bits(x), s = (u >> 24) & 0x80u, a = u & 0x7fffffffu;
    uint32_t norm = (a - (112u << 23) + 0xfffffu + ((a >> 21) & 1u)) >> 21;
    uint32_t sub = gm_bits(gm_from_bits(a) + 0x1p7f) - 0x43000000u;
    uint32_t r = a >= 0x47700000u ? 0x7cu : a < 0x38800000u ? sub : norm;
    return (uint8_t)(a > 0x7f800000u ? 0x7fu : r | s);
}

GM_INLINE float GM_K(f8e4m3_to_f32)(uint8_t h) {
    uint32_t s = (uint32_t)(h & 0x80u) << 24, e = (h >> 3) & 15u, m = h & 7u;
    uint32_t sub = gm_bits((float)(int32_t)m * 0x1p-9f);
    uint32_t u = (e == 0 ? sub : ((e + 120u) << 23) | (m << 20)) | s;
    return gm_from_bits((h & 0x7fu) == 0x7fu ? 0x7fc00000u : u);
}

GM_INLINE uint8_t GM_K(f32_to_f8e4m3)(float x) {
    uint32_t u = gm_bits(x), s = (u >> 24) & 0x80u, a = u & 0x7fffffffu;
    uint32_t norm = (a - (120u << 23) + 0x7ffffu + ((a >> 20) & 1u)) >> 20;
    uint32_t sub = gm_bits(gm_from_bits(a) + 0x1p14f) - 0x46800000u;
    uint32_t r = a < 0x3c800000u ? sub : norm;
    return (uint8_t)(a > 0x43e80000u ? 0x7fu : r | s); /* above 464, the middle of 448 and what would be 480 */
}

/* Integers of at most 16 bits, and of 32 from double: their bounds are exact, so clamping first is saturating. */
#define GM__TO_SMALL(source, T, from, to, low, high)                                                                   \
    GM_INLINE T GM_K(from##_to_##to)(source x) {                                                                       \
        source c = x < (source)(low) ? (source)(low) : x;                                                              \
        c = c > (source)(high) ? (source)(high) : c;                                                                   \
        return (T)(int32_t)(x != x ? (source)0 : c);                                                                   \
    }
/* Wider ones: convert what is in range, select the rest. */
#define GM__TO_WIDE(source, T, from, to, low, high, above)                                                             \
    GM_INLINE T GM_K(from##_to_##to)(source x) {                                                                       \
        T v = (T)(((x > (source)(low)) & (x < (above))) ? x : (source)0);                                              \
        v = x >= (above) ? (T)(high) : v;                                                                              \
        return x <= (source)(low) ? (T)(low) : v;                                                                      \
    }
/* Unsigned from the signed conversion: the upper half of the range is moved down and its bit put back. */
#define GM__TO_UNSIGNED(source, T, S, from, to, half)                                                                  \
    GM_INLINE T GM_K(from##_to_##to)(source x) {                                                                       \
        int big = x >= (half);                                                                                         \
        source c = big ? x - (half) : x;                                                                               \
        T v = (T)(S)(((c > (source)0) & (c < (half))) ? c : (source)0);                                                \
        v = big ? v | (T)1 << (sizeof(T) * 8 - 1) : v;                                                                 \
        return c >= (half) ? (T)-1 : v;                                                                                \
    }
GM__TO_SMALL(float, int8_t, f32, i8, -128, 127)
GM__TO_SMALL(float, uint8_t, f32, u8, 0, 255)
GM__TO_SMALL(float, int16_t, f32, i16, -32768, 32767)
GM__TO_SMALL(float, uint16_t, f32, u16, 0, 65535)
GM__TO_WIDE(float, int32_t, f32, i32, INT32_MIN, INT32_MAX, 0x1p31f)
GM__TO_WIDE(float, int64_t, f32, i64, INT64_MIN, INT64_MAX, 0x1p63f)
GM__TO_UNSIGNED(float, uint32_t, int32_t, f32, u32, 0x1p31f)
GM__TO_UNSIGNED(float, uint64_t, int64_t, f32, u64, 0x1p63f)
GM__TO_SMALL(double, int8_t, f64, i8, -128, 127)
GM__TO_SMALL(double, uint8_t, f64, u8, 0, 255)
GM__TO_SMALL(double, int16_t, f64, i16, -32768, 32767)
GM__TO_SMALL(double, uint16_t, f64, u16, 0, 65535)
GM__TO_SMALL(double, int32_t, f64, i32, INT32_MIN, INT32_MAX)
GM__TO_WIDE(double, int64_t, f64, i64, INT64_MIN, INT64_MAX, 0x1p63)
GM__TO_UNSIGNED(double, uint32_t, int32_t, f64, u32, 0x1p31)
GM__TO_UNSIGNED(double, uint64_t, int64_t, f64, u64, 0x1p63)
#undef GM__TO_SMALL
#undef GM__TO_WIDE
#undef GM__TO_UNSIGNED
