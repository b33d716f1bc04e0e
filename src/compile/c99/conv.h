/* conv.h: convolution, its transpose and the gradient of its weight: products of matrices, one of which is read where
 * the box (common.h) has it. */

/* A line of cells of the box: cell i is place first + i * step of a line of `size` elements with up - 1 zeros behind
 * each. */
FN void K(conv_line)(const T *from, int64_t s, int64_t size, int64_t up, int64_t step, int64_t first, int64_t n,
                     T *to) {
    if (up > 1) {
        for (int64_t i = 0; i < n; i++) to[i] = 0;
        for (int64_t i = 0; i < size; i++)
            if (i * up >= first && i * up - first < n) to[i * up - first] = from[i * s];
        return;
    }
    int64_t lo = first < 0 ? (step - 1 - first) / step : 0, hi = first < size ? (size - first + step - 1) / step : 0;
    if (hi > n) hi = n;
    if (lo > hi) lo = hi;
    for (int64_t i = 0; i < lo; i++) to[i] = 0;
    from += first * s;
    if (step * s == 1)
        for (int64_t i = lo; i < hi; i++) to[i] = from[i];
    else
        for (int64_t i = lo; i < hi; i++) to[i] = from[i * (step * s)];
    for (int64_t i = hi; i < n; i++) to[i] = 0;
}

/* One picture's channels of one group. */
FN void K(conv_box)(const gm_conv *g, const T *src, T *box) {
    const int64_t *s = g->src + 2, *cell = g->cell, lines = cell[0] * cell[1];
    for (int64_t c = 0; c < g->deep; c++, src += g->src[1]) {
        T *to = box + c * g->channel;
        for (int64_t f = 0; f < gm_product(3, g->phase); f++)
            for (int64_t l = 0; l < lines; l++, to += cell[2]) {
                const int64_t phase[3] = { f / g->phase[2] / g->phase[1], f / g->phase[2] % g->phase[1],
                                           f % g->phase[2] };
                const int64_t at[3] = { l / cell[1], l % cell[1], 0 };
                int64_t u[3], outside = 0;
                for (int i = 0; i < 3; i++) u[i] = at[i] * g->step[i] + phase[i] - g->low[i];
                for (int i = 0; i < 2; i++) {
                    outside |= u[i] < 0 || u[i] % g->up[i] || u[i] / g->up[i] >= g->from[i];
                    u[i] /= g->up[i];
                }
                K(conv_line)(src + (outside ? 0 : u[0] * s[0] + u[1] * s[1]), s[2], outside ? 0 : g->from[2], g->up[2],
                             g->step[2], u[2], cell[2], to);
            }
    }
}

/* Lines of the weight, (tap, c) in order. */
FN void K(conv_lines)(const gm_conv *g, const T *w, T *to) {
    const int64_t *k = g->kernel;
    for (int64_t i = 0; i < g->wide; i++) {
        T *line = to + i * g->pitch;
        for (int64_t t = 0; t < k[0] * k[1] * k[2]; t++) {
            const int64_t d = t / k[2] / k[1], y = t / k[2] % k[1], x = t % k[2];
            const T *from = w + i * g->w[0] + d * g->w[2] + y * g->w[3] + x * g->w[4];
            for (int64_t c = 0; c < g->deep; c++) *line++ = from[c * g->w[1]];
        }
    }
}

/* The panel of products k .. k + n over the runs. */
FN void K(conv_panel)(const gm_conv *g, const T *box, const int32_t *at, int64_t n, const gm_run *r, int64_t runs,
                      T *panel) {
    const int64_t pitch = g->block + 16;
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < runs; i++) {
            const T *from = box + at[k] + r[i].from;
            T *to = panel + k * pitch + r[i].lane;
            for (int64_t j = 0; j < r[i].n; j++) to[j] = from[j];
        }
}

/* part[wide][block] (+)= one chunk of n products over `lanes` lanes */
FN void K(conv_chunk)(const gm_conv *g, int64_t lanes, int64_t n, const T *w, const T *b, const int32_t *at, T *part,
                      int resume) {
    const int64_t most = gm_rows_most(g->pitch * (int64_t)sizeof(T)), step = g->block + 16;
    for (int64_t i = 0, mr; i < g->wide; i += mr) {
        mr = gm_rows(g->wide, i, most);
        for (int64_t l = 0; l < lanes; l += GM_NR)
            K(tile)(mr, lanes - l > GM_VN, n, w + i * g->pitch, g->pitch, 1, b + l, step, at, part + i * g->block + l,
                    g->block, resume);
    }
}

/* The results of a block, to where they belong. */
FN void K(conv_end)(const gm_conv *g, const gm_run *r, int64_t runs, const T *part, const T *bias, T *dst) {
    const int64_t s = g->dst[4];
    for (int64_t i = 0; i < g->wide; i++, part += g->block, dst += g->dst[1])
        for (int64_t e = 0; e < runs; e++) {
            const T *from = part + r[e].lane;
            T *to = dst + r[e].to;
            if (bias && s == 1)
                for (int64_t j = 0; j < r[e].n; j++) to[j] = from[j] + bias[i];
            else if (s == 1)
                for (int64_t j = 0; j < r[e].n; j++) to[j] = from[j];
            else
                for (int64_t j = 0; j < r[e].n; j++) to[j * s] = bias ? from[j] + bias[i] : from[j];
        }
}

/* Lanes l .. l + lanes of picture p's plane o. */
FN void K(conv_block)(const gm_conv *g, int64_t p, int64_t o, int64_t l, int64_t lanes, const T *box, const T *w,
                      const T *bias, T *work, const int32_t *at, T *dst) {
    static gm_run r[GM_RUNS];
    const int64_t runs = gm_conv_runs(g, p, o, l, lanes, r), len = gm_product(3, g->kernel) * g->deep;
    T *part = work + g->at_part, *total = work + g->at_total, *panel = work + g->at_panel;
    const int64_t size = g->wide * g->block;
    const T *from = box + (o * g->cell[1] * g->cell[2] + l);
    for (int64_t k = 0; k < len; k += GM_CHUNK) {
        const int64_t n = gm_least(len - k, GM_CHUNK);
        if (g->compact) K(conv_panel)(g, box, at + k, n, r, runs, panel);
        K(conv_chunk)(g, lanes, n, w + k, g->compact ? panel : from, g->compact ? NULL : at + k, part,
                      k % GM_SUPER != 0);
        if (g->at_total < 0 || ((k + n) % GM_SUPER && k + n < len)) continue;
        for (int64_t i = 0; i < size; i++) total[i] = k < GM_SUPER ? part[i] : total[i] + part[i];
    }
    K(conv_end)(g, r, runs, g->at_total < 0 ? part : total, bias, dst);
}

/* dst from src: y from x, or the gradient of x from that of y; bias as it comes out. */
FN void K(conv)(const gm_conv *g, const T *src, const T *w, const T *bias, T *work, int32_t *at, T *dst) {
    const int64_t pictures = g->compact ? 1 : g->batch, planes = g->compact ? 1 : g->to[0];
    const int64_t lanes = g->compact ? g->batch * gm_product(3, g->to) : (g->to[1] - 1) * g->cell[2] + g->to[2];
    gm_conv_places(g, at);
    for (int64_t group = 0; group < g->groups; group++) {
        const T *lines = w + group * g->w_group, *from = src + group * g->deep * g->src[1];
        if (g->at_w >= 0) K(conv_lines)(g, w + group * g->w_group, work + g->at_w), lines = work + g->at_w;
        for (int64_t p = 0; p < pictures; p++) {
            const T *box = from + p * g->src[0];
            for (int64_t q = 0; g->at_box >= 0 && q < (g->compact ? g->batch : 1); q++)
                K(conv_box)(g, from + (p + q) * g->src[0], work + g->at_box + q * g->image);
            if (g->at_box >= 0) box = work + g->at_box;
            for (int64_t o = 0; o < planes; o++)
                for (int64_t l = 0; l < lanes; l += g->block)
                    K(conv_block)(g, p, o, l, gm_least(lanes - l, g->block), box, lines,
                                  bias ? bias + group * g->wide : NULL, work, at,
                                  dst + group * g->wide * g->dst[1]);
        }
    }
}

/* rows[(c, tap)][256] of the chunk's positions, from the box */
FN void K(conv_rows)(const gm_conv_weight *g, int64_t i, int64_t rows, const T *box, const gm_run *r, int64_t runs,
                     const int32_t *at, T *to) {
    for (int64_t a = 0; a < rows; a++)
        for (int64_t e = 0; e < runs; e++) {
            const T *from = box + at[i + a] + r[e].from;
            T *line = to + a * (GM_CHUNK + 16) + r[e].lane;
            for (int64_t j = 0; j < r[e].n; j++) line[j] = from[j];
        }
    (void)g;
}

/* panel[256][lanes] of the chunk's positions: gy by output channel */
FN void K(conv_outputs)(const gm_conv_weight *g, const T *gy, const gm_run *r, int64_t runs, T *panel) {
    const gm_conv *s = &g->see;
    for (int64_t e = 0; e < runs; e++)
        K(pack)(panel + r[e].lane * g->lanes, g->lanes, r[e].n, s->wide, gy + r[e].to, s->dst[4], s->dst[1]);
}

/* gw from x and gy: `see` is the convolution, its places ordered (tap, c). */
FN void K(conv_weight)(const gm_conv_weight *g, const T *x, const T *gy, T *work, int32_t *at, T *gw) {
    static gm_run r[GM_RUNS];
    const gm_conv *s = &g->see;
    const int64_t rows = gm_product(3, s->kernel) * s->deep, len = s->batch * gm_product(3, s->to), *k = s->kernel;
    T *part = work + g->at_part, *total = g->at_total < 0 ? part : work + g->at_total, *panel = work + g->at_panel;
    T *lines = work + g->at_rows, *box = work + g->at_box;
    gm_conv_places(s, at);
    for (int64_t group = 0; group < s->groups; group++, x += s->deep * s->src[1], gy += s->wide * s->dst[1]) {
        for (int64_t p = 0; p < s->batch; p++) K(conv_box)(s, x + p * s->src[0], box + p * s->image);
        for (int64_t q = 0; q < len; q += GM_CHUNK) {
            const int64_t n = gm_least(len - q, GM_CHUNK), runs = gm_conv_runs(s, 0, 0, q, n, r);
            K(conv_outputs)(g, gy, r, runs, panel);
            for (int64_t i = 0, mr; i < rows; i += mr) {
                mr = gm_rows(rows, i, GM_MR);
                K(conv_rows)(g, i, mr, box, r, runs, at, lines);
                for (int64_t l = 0; l < s->wide; l += GM_NR)
                    K(tile)(mr, s->wide - l > GM_VN, n, lines, GM_CHUNK + 16, 1, panel + l, g->lanes, NULL,
                            part + i * g->lanes + l, g->lanes, q % GM_SUPER != 0);
            }
            if (g->at_total < 0 || ((q + n) % GM_SUPER && q + n < len)) continue;
            for (int64_t i = 0; i < rows * g->lanes; i++) total[i] = q < GM_SUPER ? part[i] : total[i] + part[i];
        }
        for (int64_t o = 0; o < s->wide; o++) {
            T *to = gw + (group * s->wide + o) * s->w[0];
            for (int64_t c = 0; c < s->deep; c++)
                for (int64_t t = 0; t < k[0] * k[1] * k[2]; t++)
                    to[c * s->w[1] + t / k[2] / k[1] * s->w[2] + t / k[2] % k[1] * s->w[3] + t % k[2] * s->w[4]] =
                        total[(t * s->deep + c) * g->lanes + o];
        }
    }
}
