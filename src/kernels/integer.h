/* integer.h: the scalar functions of the integer domains, for elementwise expressions. Arithmetic wraps, x / 0 is 0,
 * shifts take their amount modulo the width. */

#define INTEGER_FUNCTIONS(T, U, S)                                                                                     \
    GM_INLINE T GM_K(max_##S)(T a, T b) { return a > b ? a : b; }                                                      \
    GM_INLINE T GM_K(min_##S)(T a, T b) { return a < b ? a : b; }                                                      \
    GM_INLINE T GM_K(abs_##S)(T a) { return (T)(a < 0 ? (T)(0 - (U)a) : a); }                                          \
    GM_INLINE T GM_K(fmod_##S)(T a, T b) {                                                                             \
        if (b == 0 || (GM__SIGNED(T) && (U)b == (U)-1)) return 0; /* the second would trap for the smallest a */       \
        return (T)(a % b);                                                                                             \
    }                                                                                                                  \
    GM_INLINE T GM_K(mod_##S)(T a, T b) {                                                                              \
        T r = GM_K(fmod_##S)(a, b);                                                                                    \
        return r != 0 && ((r < 0) != (b < 0)) ? (T)(r + b) : r;                                                        \
    }                                                                                                                  \
    GM_INLINE T GM_K(floordiv_##S)(T a, T b) {                                                                         \
        if (b == 0) return 0;                                                                                          \
        if (GM__SIGNED(T) && (U)b == (U)-1) return (T)(0 - (U)a);                                                      \
        return (T)(a / b - (a % b != 0 && ((a < 0) != (b < 0))));                                                      \
    }                                                                                                                  \
    GM_INLINE T GM_K(shl_##S)(T a, T b) { return (T)((U)a << ((U)b & (sizeof(T) * 8 - 1))); }                          \
    GM_INLINE T GM_K(shr_##S)(T a, T b) { return (T)(a >> ((U)b & (sizeof(T) * 8 - 1))); }
#define GM__SIGNED(T) ((T)-1 < (T)1)
INTEGER_FUNCTIONS(int32_t, uint32_t, i32)
INTEGER_FUNCTIONS(int64_t, uint64_t, i64)
INTEGER_FUNCTIONS(uint64_t, uint64_t, u64)
#undef INTEGER_FUNCTIONS
