/* philox.h: random numbers as a function of a position (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as
 * 1, 2, 3; SC 2011). Philox4x32-10: four words out of a counter of four and a key of two.
 *
 * A tensor's element i takes word i mod 4 of counter (i / 4, count) under key (seed, hash of the module's path); see
 * docs/numerics.md. */

typedef struct { uint32_t w[4]; } GM_K(philox_t);
#define gm_philox GM_K(philox_t)

/* counter words 0, 1: element index / 4; words 2, 3: the generator's count */
GM_INLINE gm_philox GM_K(philox)(uint64_t index4, uint64_t count, uint64_t key) {
    uint32_t a = (uint32_t)index4, b = (uint32_t)(index4 >> 32), c = (uint32_t)count, d = (uint32_t)(count >> 32);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int i = 0; i < 10; i++) {
        uint64_t p = (uint64_t)0xd2511f53u * a, q = (uint64_t)0xcd9e8d57u * c;
        a = (uint32_t)(q >> 32) ^ b ^ k0;
        c = (uint32_t)(p >> 32) ^ d ^ k1;
        b = (uint32_t)q;
        d = (uint32_t)p;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return (gm_philox){ { a, b, c, d } };
}

/* Two 64-bit words into Philox's one: the seed, the upper half crossed with a folded hash. Outside modules the hash is
 * 0 and the key is the seed. */
GM_INLINE uint64_t GM_K(philox_key)(uint64_t seed, uint64_t path_hash) {
    return seed ^ (((path_hash >> 32) ^ (path_hash & 0xffffffffu)) << 32);
}

/* [0, 1), a multiple of 2^-24, the same value in both precisions */
GM_INLINE float GM_K(uniform_f32)(uint32_t u) { return (float)(int32_t)(u >> 8) * 0x1p-24f; }
GM_INLINE double GM_K(uniform_f64)(uint32_t u) { return (double)(int32_t)(u >> 8) * 0x1p-24; }

/* Box and Muller: two normal numbers from the words at 2j and 2j + 1; odd = 0 for the one at 2j. */
GM_INLINE float GM_K(normal_f32)(uint32_t u, uint32_t v, int odd) {
    float r = __builtin_sqrtf(-2.0f * GM_K(log_f32)(1.0f - GM_K(uniform_f32)(u)));
    float a = 0x1.921fb6p2f * GM_K(uniform_f32)(v);
    return r * (odd ? GM_K(sin_f32)(a) : GM_K(cos_f32)(a));
}

GM_INLINE double GM_K(normal_f64)(uint32_t u, uint32_t v, int odd) {
    double r = __builtin_sqrt(-2.0 * GM_K(log_f64)(1.0 - GM_K(uniform_f64)(u)));
    double a = 0x1.921fb54442d18p2 * GM_K(uniform_f64)(v);
    return r * (odd ? GM_K(sin_f64)(a) : GM_K(cos_f64)(a));
}
