/* random.h: random numbers by place, dropout; running sums. */

/* Numbers of the place `count` under the key: uniform in [0, 1), or normal; times scale, plus shift. */
FN void K(random)(int normal, uint64_t key, uint64_t count, int64_t n, double scale, double shift, T *y) {
    const T s = (T)scale, t = (T)shift;
    const int as_is = sizeof(T) == 4 && s == 1 && t == 0;
    for (int64_t i = 0; i < n; i += 4) {
        const gm_philox p = philox((uint64_t)i / 4, count, key);
        for (int64_t j = 0; j < 4 && i + j < n; j++) {
            const T u = normal ? M(normal)(p.w[j & 2], p.w[j | 1], (int)(j & 1)) : M(uniform)(p.w[j]);
            y[i + j] = as_is ? u : u * s + t;
        }
    }
}

/* `per` neighbours share a draw. */
FN void K(dropout)(uint64_t key, uint64_t count, int64_t draws, int64_t per, double rate, const T *x, T *y) {
    const T scale = (T)(1.0 / (1.0 - rate));
    for (int64_t i = 0; i < draws; i += 4) {
        const gm_philox p = philox((uint64_t)i / 4, count, key);
        for (int64_t j = 0; j < 4 && i + j < draws; j++) {
            const int gone = uniform_f32(p.w[j]) < (float)rate;
            for (int64_t e = (i + j) * per; e < (i + j + 1) * per; e++) y[e] = gone ? 0 : x[e] * scale;
        }
    }
}

/* y[0] = b[0], then y[t] = y[t - 1] + b[t] (op 0), * b[t] (1), or fma(a[t], y[t - 1], b[t]) (2) */
FN void K(scan)(int op, int64_t outer, int64_t n, int64_t inner, const T *a, const T *b, T *y) {
    for (int64_t o = 0; o < outer; o++)
        for (int64_t t = 0; t < n; t++)
            for (int64_t j = 0; j < inner; j++) {
                const int64_t at = (o * n + t) * inner + j;
                const T old = t ? y[at - inner] : 0, now = b[at];
                if (!t) y[at] = now;
                else y[at] = op == 0 ? old + now : op == 1 ? old * now : FMA(a[at], old, now);
            }
}
