/* pool.h: pooling. A window's taps along dimension i of output o: `count` of them from `first`; an average is divided
 * by the product of `divide`. */
FN void K(pool_taps)(const gm_pool *g, int i, int64_t o, int64_t *first, int64_t *count, int64_t *divide) {
    const int64_t in = g->in[i], d = g->dilation[i];
    if (g->adaptive) {
        *first = o * in / g->out[i];
        *count = *divide = ((o + 1) * in + g->out[i] - 1) / g->out[i] - *first;
        return;
    }
    const int64_t start = o * g->stride[i] - g->pad[i], end = start + d * (g->kernel[i] - 1) + 1;
    const int64_t padded = in + g->pad_hi[i], last = end < in ? end : in;
    *first = start < 0 ? start + (-start + d - 1) / d * d : start;
    *count = *first < last ? (last - *first + d - 1) / d : 0;
    *divide = g->exclude ? *count ? *count : 1 : (end < padded ? end : padded) - start;
}

/* The window of output o over the picture x. what 0: maximum (its place in *at, in elements by z, if that is asked
 * for), 1: sum. */
FN T K(pool_window)(const gm_pool *g, int sum, const T *x, const int64_t *o, const int64_t *step, int64_t *at,
                    int64_t *divide) {
    int64_t first[3], count[3], div[3], k[3], place = -1;
    const int64_t *dense = g->in;
    T v = sum ? 0 : -(T)__builtin_inf();
    for (int i = 0; i < 3; i++) K(pool_taps)(g, i, o[i], first + i, count + i, div + i);
    for (k[0] = 0; k[0] < count[0]; k[0]++)
        for (k[1] = 0; k[1] < count[1]; k[1]++)
            for (k[2] = 0; k[2] < count[2]; k[2]++) {
                int64_t p[3], off = 0;
                for (int i = 0; i < 3; i++) p[i] = first[i] + k[i] * g->dilation[i], off += p[i] * step[i];
                const T u = x[off];
                if (sum) v += u;
                else if (place < 0 || u > v || (u != u && v == v))
                    v = u, place = (p[0] * dense[1] + p[1]) * dense[2] + p[2];
            }
    *at = place, *divide = div[0] * div[1] * div[2];
    return v;
}

/* does 0: y = max, 1: y = average, 2: y = g's value at the maximum's place, 3: to y[place] += g, 4: y += g / count.
 * x, y, z: the strides of the picture, of the windows' side, and of what is picked from or added to. */
FN void K(pool)(const gm_pool *g, int does, const T *x, const T *from, T *y, int64_t *index) {
    const int64_t *s = g->x, n = g->batch * g->channels, each = gm_product(3, g->out);
    for (int64_t i = 0; i < n; i++)
        for (int64_t p = 0; p < each; p++) {
            int64_t o[3] = { p / g->out[2] / g->out[1], p / g->out[2] % g->out[1], p % g->out[2] }, at, divide;
            const int64_t a = i / g->channels, c = i % g->channels;
            const int64_t small = a * g->y[0] + c * g->y[1] + o[0] * g->y[2] + o[1] * g->y[3] + o[2] * g->y[4];
            const int64_t big = a * g->z[0] + c * g->z[1];
            if (does == 4) {
                int64_t first[3], count[3], div[3], k[3];
                for (int e = 0; e < 3; e++) K(pool_taps)(g, e, o[e], first + e, count + e, div + e);
                const T q = from[small] / (T)(g->divisor ? g->divisor : div[0] * div[1] * div[2]);
                for (k[0] = 0; k[0] < count[0]; k[0]++)
                    for (k[1] = 0; k[1] < count[1]; k[1]++)
                        for (k[2] = 0; k[2] < count[2]; k[2]++) {
                            int64_t off = big;
                            for (int e = 0; e < 3; e++) off += (first[e] + k[e] * g->dilation[e]) * g->z[2 + e];
                            y[off] += q;
                        }
                continue;
            }
            const T v = K(pool_window)(g, does == 1, x + a * s[0] + c * s[1], o, s + 2, &at, &divide);
            if (does == 0 && index) index[small] = at;
            else if (does == 0) y[small] = v;
            else if (does == 1) y[small] = v / (T)(g->divisor ? g->divisor : divide);
            else {
                const int64_t off = big + at / g->in[2] / g->in[1] * g->z[2] + at / g->in[2] % g->in[1] * g->z[3] +
                                    at % g->in[2] * g->z[4];
                if (does == 2) y[small] = at < 0 ? 0 : from[off];
                else if (at >= 0) y[off] += from[small];
            }
        }
}
