/* conv.h: convolution and its two transposes: dot-like sums over packed patches. */

/* Position p of the sizes s[3]. */
FN void K(conv_place)(int64_t p, const int64_t *s, int64_t *at) {
    at[2] = p % s[2], at[1] = p / s[2] % s[1], at[0] = p / s[2] / s[1];
}

/* x at tap k of the output at o, or 0 outside. */
FN T K(conv_tap)(const gm_conv *g, const T *x, const int64_t *o, const int64_t *k) {
    for (int i = 0; i < 3; i++) {
        int64_t p = o[i] * g->stride[i] - g->pad[i] + k[i] * g->dilation[i];
        if (p < 0 || p >= g->in[i]) return 0;
        x += p * g->x[2 + i];
    }
    return *x;
}

/* gy at the output that met the input at p with tap k, or 0. */
FN T K(conv_met)(const gm_conv *g, const T *gy, const int64_t *p, const int64_t *k) {
    for (int i = 0; i < 3; i++) {
        int64_t o = p[i] + g->pad[i] - k[i] * g->dilation[i];
        if (o < 0 || o % g->stride[i] || o / g->stride[i] >= g->out[i]) return 0;
        gy += o / g->stride[i] * g->y[2 + i];
    }
    return *gy;
}

/* The sums of 4 positions from p on (all pictures' in order, of `size`) with 16 channels from q on. data: the gradient
 * of x, else y. */
FN void K(conv_tile)(K(dot) *d, const gm_conv *g, int data, int64_t group, int64_t p, int64_t q, const T *from,
                     const T *w) {
    const int64_t *size = data ? g->in : g->out, *s = data ? g->y : g->x;
    const int64_t each = size[0] * size[1] * size[2], ci = g->c_in / g->groups, co = g->c_out / g->groups;
    const int64_t deep = data ? co : ci, wide = data ? ci : co, last = g->batch * each;
    const int64_t len = gm_product(3, g->kernel) * deep;
    int64_t place[4][3], k[3] = { 0, 0, 0 }, c = 0;
    const T *picture[4];
    for (int r = 0; r < 4; r++) {
        int64_t at = p + r < last ? p + r : last - 1;
        K(conv_place)(at % each, size, place[r]);
        picture[r] = from + at / each * s[0] + group * deep * s[1];
    }
    K(dot_begin)(d);
    for (int64_t i = 0, n = 0; i < len; i++) {
        const T *tap = w + k[0] * g->w[2] + k[1] * g->w[3] + k[2] * g->w[4];
        for (int r = 0; r < 4; r++)
            d->a[n * 4 + r] = data ? K(conv_met)(g, picture[r] + c * s[1], place[r], k)
                                   : K(conv_tap)(g, picture[r] + c * s[1], place[r], k);
        for (int64_t j = 0; j < 16; j++) {
            int64_t o = group * co + (data ? c : q + j), m = data ? q + j : c;
            d->b[n * 16 + j] = q + j < wide ? tap[o * g->w[0] + m * g->w[1]] : 0;
        }
        if (++n == 256 || i == len - 1) K(dot_chunk)(d, n), n = 0;
        if (++c < deep) continue;
        c = 0;
        for (int e = 2; e >= 0 && ++k[e] == g->kernel[e]; e--) k[e] = 0;
    }
    K(dot_end)(d);
}

/* y from x, or (data) the gradient of x from that of y; bias as it comes out. */
FN void K(conv)(const gm_conv *g, int data, const T *from, const T *w, const T *bias, T *to) {
    static K(dot) d;
    const int64_t *size = data ? g->in : g->out, *s = data ? g->x : g->y;
    const int64_t each = size[0] * size[1] * size[2], wide = (data ? g->c_in : g->c_out) / g->groups;
    for (int64_t group = 0; group < g->groups; group++)
        for (int64_t q = 0; q < wide; q += 16)
            for (int64_t p = 0; p < g->batch * each; p += 4) {
                K(conv_tile)(&d, g, data, group, p, q, from, w);
                for (int64_t r = 0; r < 4 && p + r < g->batch * each; r++) {
                    int64_t at[3];
                    K(conv_place)((p + r) % each, size, at);
                    T *out = to + (p + r) / each * s[0] + at[0] * s[2] + at[1] * s[3] + at[2] * s[4];
                    for (int64_t j = 0; j < 16 && q + j < wide; j++) {
                        const int64_t c = group * wide + q + j;
                        out[c * s[1]] = bias ? d.total[r * 16 + j] + bias[c] : d.total[r * 16 + j];
                    }
                }
            }
}

/* gw from x and gy: 4 output channels with 16 of (c, kernel position), over (n, output position). */
FN void K(conv_weight)(const gm_conv *g, const T *x, const T *gy, T *gw) {
    static K(dot) d;
    const int64_t each = gm_product(3, g->out), taps = gm_product(3, g->kernel), ci = g->c_in / g->groups;
    const int64_t co = g->c_out / g->groups, wide = ci * taps, len = g->batch * each;
    for (int64_t o = 0; o < g->c_out; o += co - o % co < 4 ? co - o % co : 4)
        for (int64_t q = 0; q < wide; q += 16) {
            const int64_t rows = co - o % co < 4 ? co - o % co : 4, group = o / co;
            int64_t k[16][3];
            for (int64_t j = 0; j < 16; j++) K(conv_place)((q + j) % taps, g->kernel, k[j]);
            K(dot_begin)(&d);
            for (int64_t i = 0, n = 0; i < len; i++) {
                int64_t at[3];
                K(conv_place)(i % each, g->out, at);
                const T *from = gy + i / each * g->y[0] + at[0] * g->y[2] + at[1] * g->y[3] + at[2] * g->y[4];
                const T *picture = x + i / each * g->x[0] + group * ci * g->x[1];
                for (int64_t r = 0; r < 4; r++) d.a[n * 4 + r] = r < rows ? from[(o + r) * g->y[1]] : 0;
                for (int64_t j = 0; j < 16; j++)
                    d.b[n * 16 + j] =
                        q + j < wide ? K(conv_tap)(g, picture + (q + j) / taps * g->x[1], at, k[j]) : 0;
                if (++n == 256 || i == len - 1) K(dot_chunk)(&d, n), n = 0;
            }
            K(dot_end)(&d);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t j = 0; j < 16 && q + j < wide; j++) {
                    const int64_t *e = k[j];
                    gw[(o + r) * g->w[0] + (q + j) / taps * g->w[1] + e[0] * g->w[2] + e[1] * g->w[3] +
                       e[2] * g->w[4]] = d.total[r * 16 + j];
                }
        }
}
