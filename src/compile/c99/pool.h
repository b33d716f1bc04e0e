/* pool.h: pooling, 64 results of a row at a time, tap by tap. */
enum { K(pool_block) = 64 };

/* A window's taps along dimension i of output o: `count` of them from `first`; an average is divided by the product of
 * `divide`. */
FN void K(pool_taps)(const gm_pool *g, int i, int64_t o, int64_t *first, int64_t *count, int64_t *divide) {
    const int64_t in = g->in[i], d = g->dilation[i];
    if (g->adaptive) {
        *first = o * in / g->out[i];
        *count = *divide = ((o + 1) * in + g->out[i] - 1) / g->out[i] - *first;
        return;
    }
    const int64_t start = o * g->stride[i] - g->pad[i], end = start + d * (g->kernel[i] - 1) + 1;
    const int64_t padded = in + g->pad_hi[i], last = end < in ? end : in;
    *first = start < 0 ? (d == 1 ? 0 : start + (-start + d - 1) / d * d) : start;
    *count = *first < last ? (d == 1 ? last - *first : (last - *first + d - 1) / d) : 0;
    *divide = g->exclude ? *count ? *count : 1 : (end < padded ? end : padded) - start;
}

/* v, or u where it is above it or the first NaN. */
FN T K(pool_more)(T v, T u) {
    const int stays = (u <= v) | (v != v);
    return stays ? v : u;
}

/* One row x, whose first element has place `at`: its taps into v, and places into p where that is not NULL. */
FN void K(pool_row)(const gm_pool *g, int sum, int64_t o, int64_t n, const T *x, int64_t at, T *v, int32_t *p) {
    const int64_t s = g->stride[2], step = g->x[4];
    for (int64_t k = 0; k < g->kernel[2]; k++) {
        const int64_t low = o * s - g->pad[2] + k * g->dilation[2];
        int64_t lo, hi;
        gm_pool_meets(g, low, n, &lo, &hi);
        const T *from = x + low * step;
        if (sum)
            for (int64_t i = lo; i < hi; i++) v[i] += from[i * s * step];
        else if (!p && s == 2 && step == 1)
            for (int64_t i = lo; i < hi; i++) v[i] = K(pool_more)(v[i], from[2 * i]);
        else if (!p)
            for (int64_t i = lo; i < hi; i++) v[i] = K(pool_more)(v[i], from[i * s * step]);
        else
            for (int64_t i = lo; i < hi; i++) {
                const T u = from[i * s * step];
                const int stays = (p[i] >= 0) & ((u <= v[i]) | (v[i] != v[i]));
                v[i] = stays ? v[i] : u;
                p[i] = stays ? p[i] : (int32_t)(at + low + i * s);
            }
    }
}

/* One result of windows of any kind. */
FN void K(pool_window)(const gm_pool *g, int sum, int64_t o, const T *x, int64_t at, T *v, int32_t *p) {
    int64_t first, count, divide;
    K(pool_taps)(g, 2, o, &first, &count, &divide);
    for (int64_t k = 0; k < count; k++) {
        const int64_t place = first + k * g->dilation[2];
        const T u = x[place * g->x[4]];
        if (sum) *v += u;
        else if (*p < 0 || !(u <= *v || *v != *v)) *v = u, *p = (int32_t)(at + place);
    }
}

/* Results o[2] .. o[2] + n: maxima, their places in the picture (-1: no tap is inside), or sums. */
FN void K(pool_results)(const gm_pool *g, int sum, int places, const int64_t *o, int64_t n, const T *x, T *v,
                        int32_t *p) {
    int64_t first[2], count[2], divide;
    for (int i = 0; i < 2; i++) K(pool_taps)(g, i, o[i], first + i, count + i, &divide);
    for (int64_t i = 0; i < n; i++) v[i] = sum ? 0 : -(T)__builtin_inf();
    for (int64_t i = 0; (places || g->adaptive) && i < n; i++) p[i] = -1;
    for (int64_t a = 0; a < count[0]; a++)
        for (int64_t b = 0; b < count[1]; b++) {
            const int64_t d = first[0] + a * g->dilation[0], y = first[1] + b * g->dilation[1];
            const int64_t at = (d * g->in[1] + y) * g->in[2];
            const T *row = x + d * g->x[2] + y * g->x[3];
            if (!g->adaptive) K(pool_row)(g, sum, o[2], n, row, at, v, places ? p : NULL);
            else
                for (int64_t i = 0; i < n; i++) K(pool_window)(g, sum, o[2] + i, row, at, v + i, p + i);
        }
}

/* The number that averages of these results are divided by. */
FN void K(pool_counts)(const gm_pool *g, const int64_t *o, int64_t n, T *count) {
    int64_t first, taps, div[3];
    for (int i = 0; i < 2; i++) K(pool_taps)(g, i, o[i], &first, &taps, div + i);
    for (int64_t i = 0; i < n; i++) {
        K(pool_taps)(g, 2, o[2] + i, &first, &taps, div + 2);
        count[i] = (T)(g->divisor ? g->divisor : div[0] * div[1] * div[2]);
    }
}

/* y += q over the windows, by ascending result. */
FN void K(pool_spread)(const gm_pool *g, const int64_t *o, int64_t n, const T *q, T *y) {
    int64_t first[3], count[3], divide;
    for (int i = 0; i < 2; i++) K(pool_taps)(g, i, o[i], first + i, count + i, &divide);
    for (int64_t i = 0; i < n; i++) {
        K(pool_taps)(g, 2, o[2] + i, first + 2, count + 2, &divide);
        for (int64_t a = 0; a < count[0]; a++)
            for (int64_t b = 0; b < count[1]; b++) {
                T *row = y + (first[0] + a * g->dilation[0]) * g->z[2] + (first[1] + b * g->dilation[1]) * g->z[3];
                for (int64_t k = 0; k < count[2]; k++) row[(first[2] + k * g->dilation[2]) * g->z[4]] += q[i];
            }
    }
}

/* does 0: y = max, or its place, 1: y = average, 2: y = g's value at the maximum's place, 3: to y[place] += g, 4: y +=
 * g / count. x, y, z: the strides of the picture, of the windows' side, and of what is picked from or added to. */
FN void K(pool_rows)(const gm_pool *g, int does, const int64_t *o, int64_t n, const T *x, const T *from, T *y,
                     int64_t *index, int64_t small, int64_t big) {
    T v[K(pool_block)], c[K(pool_block)];
    int32_t p[K(pool_block)];
    const int64_t s = g->y[4], *z = g->z;
    const int dense = z[4] == 1 && z[3] == g->in[2] && (g->in[0] == 1 || z[2] == g->in[1] * z[3]);
    if (does == 1 || does == 4) K(pool_counts)(g, o, n, c);
    if (does == 4) {
        for (int64_t i = 0; i < n; i++) v[i] = from[small + i * s] / c[i];
        K(pool_spread)(g, o, n, v, y + big);
        return;
    }
    K(pool_results)(g, does == 1, does > 1 || index, o, n, x, v, p);
    if (does == 0 && !index && s == 1)
        for (int64_t i = 0; i < n; i++) y[small + i] = v[i];
    else if (does == 0 && !index)
        for (int64_t i = 0; i < n; i++) y[small + i * s] = v[i];
    else if (does == 1)
        for (int64_t i = 0; i < n; i++) y[small + i * s] = v[i] / c[i];
    for (int64_t i = 0; (does > 1 || index) && i < n; i++) {
        const int64_t at = small + i * s, row = dense ? 0 : p[i] / g->in[2];
        const int64_t off = dense ? p[i] : row / g->in[1] * z[2] + row % g->in[1] * z[3] + p[i] % g->in[2] * z[4];
        if (does == 0) index[at] = p[i];
        else if (does == 2) y[at] = p[i] < 0 ? 0 : from[big + off];
        else if (p[i] >= 0) y[big + off] += from[at];
    }
}

FN void K(pool)(const gm_pool *g, int does, const T *x, const T *from, T *y, int64_t *index) {
    int64_t o[3];
    for (int64_t a = 0; a < g->batch; a++)
        for (int64_t c = 0; c < g->channels; c++)
            for (o[0] = 0; o[0] < g->out[0]; o[0]++)
                for (o[1] = 0; o[1] < g->out[1]; o[1]++)
                    for (o[2] = 0; o[2] < g->out[2]; o[2] += K(pool_block)) {
                        const int64_t *s = g->y, small = o[0] * s[2] + o[1] * s[3] + o[2] * s[4];
                        K(pool_rows)
                        (g, does, o, gm_least(g->out[2] - o[2], K(pool_block)), x + a * g->x[0] + c * g->x[1], from, y,
                         index, a * s[0] + c * s[1] + small, a * g->z[0] + c * g->z[1]);
                    }
}
