/* random.h: Philox over a range of element indices. `begin` is a multiple of 4. */
#ifdef GM_KERNEL_DECLARE
GM_KERNEL(void, random_words, (uint64_t key, uint64_t count, int64_t begin, int64_t end, uint32_t *out))
GM_KERNEL(void, random_uniform_f32, (uint64_t key, uint64_t count, int64_t begin, int64_t end, float *out))
GM_KERNEL(void, random_uniform_f64, (uint64_t key, uint64_t count, int64_t begin, int64_t end, double *out))
GM_KERNEL(void, random_normal_f32, (uint64_t key, uint64_t count, int64_t begin, int64_t end, float *out))
GM_KERNEL(void, random_normal_f64, (uint64_t key, uint64_t count, int64_t begin, int64_t end, double *out))
#else

enum { GM_K(random_block) = 256 };

/* n words from index `at` (a multiple of 4), n rounded up to a multiple of 4. */
GM_INLINE void GM_K(random_fill)(uint64_t key, uint64_t count, int64_t at, int64_t n, uint32_t *w) {
    for (int64_t i = 0; i < n; i += 4) {
        gm_philox p = GM_K(philox)((uint64_t)(at + i) / 4, count, key);
        for (int j = 0; j < 4; j++) w[i + j] = p.w[j];
    }
}

#define RANDOM_RANGE(name, T, convert)                                                                                 \
    static void GM_K(name)(uint64_t key, uint64_t count, int64_t begin, int64_t end, T *out) {                         \
        uint32_t w[GM_K(random_block)];                                                                                \
        for (int64_t at = begin; at < end; at += GM_K(random_block)) {                                                 \
            int64_t n = end - at < GM_K(random_block) ? end - at : GM_K(random_block);                                 \
            GM_K(random_fill)(key, count, at, n, w);                                                                   \
            T *y = out + (at - begin);                                                                                 \
            for (int64_t i = 0; i < n; i++) y[i] = convert;                                                            \
        }                                                                                                              \
    }
RANDOM_RANGE(random_words, uint32_t, w[i])
RANDOM_RANGE(random_uniform_f32, float, GM_K(uniform_f32)(w[i]))
RANDOM_RANGE(random_uniform_f64, double, GM_K(uniform_f64)(w[i]))
RANDOM_RANGE(random_normal_f32, float, GM_K(normal_f32)(w[i & ~1], w[i | 1], i & 1))
RANDOM_RANGE(random_normal_f64, double, GM_K(normal_f64)(w[i & ~1], w[i | 1], i & 1))
#undef RANDOM_RANGE
#endif
