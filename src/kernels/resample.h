/* resample.h: weighted sums along one axis, [outer, n, inner] -> [outer, m, inner].
 *
 * Result o is the chain acc = +0, acc = fma(w[at[o] + k], x[first[o] + k], acc), k ascending to at[o + 1] - at[o].
 * Ranges are over (outer, o). Lanes are neighbours in `inner`; ops/resize.c turns an axis with inner = 1 on its side
 * first. */
#ifdef GM_KERNEL_DECLARE
GM_KERNEL(void, resample_f32, (const gm__resample *p, int64_t begin, int64_t end))
GM_KERNEL(void, resample_f64, (const gm__resample *p, int64_t begin, int64_t end))
GM_KERNEL(void, resample_u8, (const gm__resample *p, int64_t begin, int64_t end))
#else

#define RESAMPLE_RUN 64

#define RESAMPLE_BODY(name, T, FMA)                                                                                    \
    static void GM_K(name##_line)(const gm__resample *p, int64_t o, const T *x, T *y, int64_t count) {                 \
        const T *w = (const T *)p->weight + p->at[o];                                                                  \
        int64_t taps = p->at[o + 1] - p->at[o];                                                                        \
        const T *from = x + p->first[o] * p->inner;                                                                    \
        T acc[RESAMPLE_RUN] = { 0 };                                                                                   \
        for (int64_t k = 0; k < taps; k++) {                                                                           \
            const T *row = from + k * p->inner;                                                                        \
            if (count == RESAMPLE_RUN)                                                                                 \
                for (int64_t i = 0; i < RESAMPLE_RUN; i++) acc[i] = FMA(w[k], row[i], acc[i]);                         \
            else                                                                                                       \
                for (int64_t i = 0; i < count; i++) acc[i] = FMA(w[k], row[i], acc[i]);                                \
        }                                                                                                              \
        for (int64_t i = 0; i < count; i++) y[i] = acc[i];                                                             \
    }                                                                                                                  \
    static void GM_K(name)(const gm__resample *p, int64_t begin, int64_t end) {                                        \
        for (int64_t q = begin; q < end; q++) {                                                                        \
            const T *x = (const T *)p->x + q / p->m * p->n * p->inner;                                                 \
            T *y = (T *)p->y + q * p->inner;                                                                           \
            for (int64_t i = 0; i < p->inner; i += RESAMPLE_RUN) {                                                     \
                int64_t count = p->inner - i < RESAMPLE_RUN ? p->inner - i : RESAMPLE_RUN;                             \
                GM_K(name##_line)(p, q % p->m, x + i, y + i, count);                                                   \
            }                                                                                                          \
        }                                                                                                              \
    }
RESAMPLE_BODY(resample_f32, float, gm_fma)
RESAMPLE_BODY(resample_f64, double, gm_fmad)
#undef RESAMPLE_BODY

/* Weights are integers of GM_RESAMPLE_BITS binary places. `count` neighbours of result o, at most RESAMPLE_RUN; `inner`
 * as the plan has it: the compiler knows both where pixels have few channels. */
GM_INLINE void GM_K(resample_u8_line)(const gm__resample *p, int64_t o, const uint8_t *x, uint8_t *y, int64_t count,
                                      int64_t inner) {
    const int32_t *w = (const int32_t *)p->weight + p->at[o];
    int64_t taps = p->at[o + 1] - p->at[o];
    int32_t acc[RESAMPLE_RUN];
    for (int64_t j = 0; j < count; j++) acc[j] = 1 << (GM_RESAMPLE_BITS - 1);
    for (int64_t k = 0; k < taps; k++)
        for (int64_t j = 0; j < count; j++) acc[j] += w[k] * x[k * inner + j];
    for (int64_t j = 0; j < count; j++) {
        int32_t v = acc[j] >> GM_RESAMPLE_BITS;
        y[j] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static void GM_K(resample_u8)(const gm__resample *p, int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; q++) {
        int64_t o = q % p->m, inner = p->inner;
        const uint8_t *x = (const uint8_t *)p->x + (q / p->m * p->n + p->first[o]) * inner;
        uint8_t *y = (uint8_t *)p->y + q * inner;
        if (inner == 3) GM_K(resample_u8_line)(p, o, x, y, 3, 3);
        else if (inner == 4) GM_K(resample_u8_line)(p, o, x, y, 4, 4);
        else
            for (int64_t i = 0; i < inner; i += RESAMPLE_RUN)
                if (inner - i >= RESAMPLE_RUN) GM_K(resample_u8_line)(p, o, x + i, y + i, RESAMPLE_RUN, inner);
                else GM_K(resample_u8_line)(p, o, x + i, y + i, inner - i, inner);
    }
}
#undef RESAMPLE_RUN
#endif
