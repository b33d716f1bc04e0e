/* pool_body.h: the pooling kernels of pool.h for one type, POOL_T. */

/* ---- one tap over a run ---- */

static void PK(pool_tap_max)(int64_t n, const POOL_T *x, int64_t stride, POOL_T *y) {
    POOL_STRIDED(n, stride, {
        POOL_T v = x[i * s], m = y[i];
        y[i] = v > m || v != v ? v : m;
    });
}

/* at: the flat position of x[0]. place is -1 where no tap was inside yet. */
static void PK(pool_tap_index)(int64_t n, const POOL_T *x, int64_t stride, int32_t at, POOL_T *y, int32_t *place) {
    POOL_STRIDED(n, stride, {
        POOL_T v = x[i * s], m = y[i];
        bool take = (v > m) | ((v != v) & (m == m)) | (place[i] < 0);
        y[i] = take ? v : m;
        place[i] = take ? at + (int32_t)(i * s) : place[i];
    });
}

/* The same over channels: all at one position. */
static void PK(pool_tap_place)(int64_t n, const POOL_T *x, int32_t at, POOL_T *y, int32_t *place) {
    POOL_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        POOL_T v = x[i], m = y[i];
        bool take = (v > m) | ((v != v) & (m == m)) | (place[i] < 0);
        y[i] = take ? v : m;
        place[i] = take ? at : place[i];
    }
}

static void PK(pool_tap_add)(int64_t n, const POOL_T *x, int64_t stride, POOL_T *y) {
    POOL_STRIDED(n, stride, y[i] += x[i * s]);
}

static void PK(pool_tap_spread)(int64_t n, const POOL_T *g, POOL_T *x, int64_t stride) {
    POOL_STRIDED(n, stride, x[i * s] += g[i]);
}

static void PK(pool_fill)(int64_t n, POOL_T value, POOL_T *y) {
    for (int64_t i = 0; i < n; i++) y[i] = value;
}

/* ---- runs of outputs o0..o1 of one row, row-major; x: the picture ---- */

typedef enum { PK(pool_does_max), PK(pool_does_index), PK(pool_does_sum) } PK(pool_does);

static void PK(pool_row_tap)(PK(pool_does) does, int64_t n, const POOL_T *x, int64_t stride, int64_t at, POOL_T *y,
                             int32_t *place) {
    if (does == PK(pool_does_max)) PK(pool_tap_max)(n, x + at, stride, y);
    else if (does == PK(pool_does_sum)) PK(pool_tap_add)(n, x + at, stride, y);
    else PK(pool_tap_index)(n, x + at, stride, (int32_t)at, y, place);
}

/* All taps of one input row, which begins at `row`. */
static void PK(pool_row_line)(const gm__pool_plan *p, PK(pool_does) does, const POOL_T *x, int64_t row, int64_t o0,
                              int64_t o1, POOL_T *y, int32_t *place) {
    if (!p->regular) {
        for (int64_t o = o0; o < o1; o++)
            for (int64_t k = 0; k < p->count[2][o]; k++)
                PK(pool_row_tap)(does, 1, x, 1, row + p->first[2][o] + k, y + (o - o0), place + (o - o0));
        return;
    }
    for (int64_t k = 0; k < p->kernel[2]; k++) {
        int64_t lo, hi, step = p->stride[2];
        GM_K(pool_inside)(p, k, o0, o1, &lo, &hi);
        int64_t at = row + lo * step + k * p->dilation[2] - p->pad[2];
        if (lo < hi) PK(pool_row_tap)(does, hi - lo, x, step, at, y + (lo - o0), place + (lo - o0));
    }
}

static void PK(pool_row_run)(const gm__pool_plan *p, PK(pool_does) does, const POOL_T *x, int64_t r, int64_t o0,
                             int64_t o1, POOL_T *y, int32_t *place) {
    POOL_ROW(p, r, od, oh);
    PK(pool_fill)(o1 - o0, does == PK(pool_does_sum) ? 0 : -POOL_INF, y);
    for (int64_t i = 0; does == PK(pool_does_index) && i < o1 - o0; i++) place[i] = -1;
    for (int64_t d = 0; d < p->count[0][od]; d++)
        for (int64_t h = 0; h < p->count[1][oh]; h++) {
            int64_t id = p->first[0][od] + d * p->dilation[0], ih = p->first[1][oh] + h * p->dilation[1];
            PK(pool_row_line)(p, does, x, (id * p->in[1] + ih) * p->in[2], o0, o1, y, place);
        }
}

/* ---- channels c0..c0+n of one output position, channels-last; x: the picture, from c0 on ---- */

static void PK(pool_at_run)(const gm__pool_plan *p, PK(pool_does) does, const POOL_T *x, int64_t r, int64_t ow,
                            int64_t n, POOL_T *y, int32_t *place) {
    POOL_ROW(p, r, od, oh);
    PK(pool_fill)(n, does == PK(pool_does_sum) ? 0 : -POOL_INF, y);
    for (int64_t i = 0; does == PK(pool_does_index) && i < n; i++) place[i] = -1;
    for (int64_t d = 0; d < p->count[0][od]; d++)
        for (int64_t h = 0; h < p->count[1][oh]; h++)
            for (int64_t k = 0; k < p->count[2][ow]; k++) {
                int64_t id = p->first[0][od] + d * p->dilation[0], ih = p->first[1][oh] + h * p->dilation[1];
                int64_t at = (id * p->in[1] + ih) * p->in[2] + p->first[2][ow] + k * p->dilation[2];
                const POOL_T *tap = x + at * p->channels;
                if (does == PK(pool_does_index)) PK(pool_tap_place)(n, tap, (int32_t)at, y, place);
                else if (does == PK(pool_does_max)) PK(pool_tap_max)(n, tap, 1, y);
                else PK(pool_tap_add)(n, tap, 1, y);
            }
}

static POOL_T PK(pool_divisor)(const gm__pool_plan *p, int64_t r, int64_t ow) {
    POOL_ROW(p, r, od, oh);
    if (p->divisor != 0) return (POOL_T)p->divisor;
    return (POOL_T)((int64_t)p->divide[0][od] * p->divide[1][oh] * p->divide[2][ow]);
}

static void PK(pool_divide_row)(const gm__pool_plan *p, int64_t r, int64_t o0, int64_t n, const POOL_T *x, POOL_T *y) {
    POOL_ROW(p, r, od, oh);
    const int32_t *count = p->divide[2] + o0, rows = p->divide[0][od] * p->divide[1][oh];
    const POOL_T fixed = (POOL_T)p->divisor;
    if (fixed != 0) {
        for (int64_t i = 0; i < n; i++) y[i] = x[i] / fixed;
        return;
    }
    POOL_INDEPENDENT
    for (int64_t i = 0; i < n; i++) y[i] = x[i] / (POOL_T)(rows * count[i]);
}

static void PK(pool_divide_at)(int64_t n, POOL_T by, const POOL_T *x, POOL_T *y) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] / by;
}

/* ---- forward: ranges of rows ---- */

/* What a place gives: its number, or the value found there in another picture. */
static void PK(pool_deliver)(const gm__pool_plan *p, int64_t n, const int32_t *place, const POOL_T *from, int64_t step,
                             int64_t at) {
    if (p->index) {
        for (int64_t i = 0; i < n; i++) p->index[at + i] = place[i];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        ((POOL_T *)p->to)[at + i] = place[i] < 0 ? 0 : from[place[i] * step + (step > 1 ? i : 0)];
}

static void PK(pool_rows)(const gm__pool_plan *p, PK(pool_does) does, int64_t begin, int64_t end) {
    int64_t rows = p->out[0] * p->out[1], volume = p->in[0] * p->in[1] * p->in[2], width = p->out[2];
    POOL_T best[POOL_RUN], *to = p->to;
    int32_t place[POOL_RUN];
    for (int64_t r = begin; r < end; r++)
        for (int64_t o0 = 0; o0 < width; o0 += POOL_RUN) {
            int64_t o1 = o0 + POOL_RUN < width ? o0 + POOL_RUN : width, at = r * width + o0,
                    picture = r / rows * volume;
            const POOL_T *x = (const POOL_T *)p->x + picture, *from = (const POOL_T *)p->from;
            bool direct = does != PK(pool_does_index);
            PK(pool_row_run)(p, does, x, r % rows, o0, o1, direct ? to + at : best, place);
            if (does == PK(pool_does_sum)) PK(pool_divide_row)(p, r % rows, o0, o1 - o0, to + at, to + at);
            if (!direct) PK(pool_deliver)(p, o1 - o0, place, from ? from + picture : from, 1, at);
        }
}

/* ---- windows of 2 x 2 side by side, row-major: each input is in one window at most, nothing is looked up ---- */

/* One row of outputs from the two rows of inputs x0, x1. Selections one by one: GCC makes vectors of these only. */
static void PK(pool_quads_max)(int64_t n, const POOL_T *restrict x0, const POOL_T *restrict x1, POOL_T *restrict y) {
    POOL_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        POOL_T m = x0[2 * i], b = x0[2 * i + 1], c = x1[2 * i], d = x1[2 * i + 1];
        POOL_QUAD_MAX(m, b, c, d);
        y[i] = m;
    }
}

/* What arrives goes, as +0 + g, to the first input that is the maximum (a NaN if that is one), +0 to the others. */
static void PK(pool_quads_grad)(int64_t n, const POOL_T *restrict x0, const POOL_T *restrict x1,
                                const POOL_T *restrict g, POOL_T *restrict to0, POOL_T *restrict to1) {
    const POOL_T zero = 0;
    POOL_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        POOL_T a = x0[2 * i], b = x0[2 * i + 1], c = x1[2 * i], d = x1[2 * i + 1], m = a, rest = zero + g[i], t;
        POOL_QUAD_MAX(m, b, c, d);
        to0[2 * i] = POOL_QUAD_TAKE(a);
        to0[2 * i + 1] = POOL_QUAD_TAKE(b);
        to1[2 * i] = POOL_QUAD_TAKE(c);
        to1[2 * i + 1] = POOL_QUAD_TAKE(d);
    }
}

static void PK(pool_quads_rows)(const gm__pool_plan *p, int64_t begin, int64_t end) {
    int64_t rows = p->out[1], width = p->out[2], stride = p->in[2], volume = p->in[1] * stride;
    for (int64_t r = begin; r < end; r++) {
        const POOL_T *x = (const POOL_T *)p->x + r / rows * volume + r % rows * 2 * stride;
        PK(pool_quads_max)(width, x, x + stride, (POOL_T *)p->to + r * width);
    }
}

/* Not memcpy of n: compilers make string instructions of that, which take longer to begin than to copy a short row. */
static void PK(pool_copy)(int64_t n, const POOL_T *from, POOL_T *to) {
    if (n < 4) {
        for (int64_t i = 0; i < n; i++) to[i] = from[i];
        return;
    }
    for (int64_t i = 0; i < n; i += 4) {
        const int64_t at = i < n - 4 ? i : n - 4;
        memcpy(to + at, from + at, 4 * sizeof *to);
    }
}

/* m outputs of each of n rows together: pictures are narrow. Upper and lower input rows, and what they get,
 * lie one behind the other. */
static void PK(pool_quads_part)(const gm__pool_plan *p, int64_t n, int64_t m, const POOL_T *x, const POOL_T *g,
                                POOL_T *gx) {
    POOL_T in[2][2 * POOL_RUN], to[2][2 * POOL_RUN];
    for (int64_t i = 0; i < 2 * n; i++) PK(pool_copy)(2 * m, x + i * p->in[2], &in[i % 2][i / 2 * 2 * m]);
    PK(pool_quads_grad)(n * m, in[0], in[1], g, to[0], to[1]);
    for (int64_t i = 0; i < 2 * n; i++) PK(pool_copy)(2 * m, &to[i % 2][i / 2 * 2 * m], gx + i * p->in[2]);
}

static void PK(pool_quads_picture)(const gm__pool_plan *p, int64_t picture) {
    int64_t rows = p->out[1], width = p->out[2], stride = p->in[2], volume = p->in[1] * stride;
    int64_t each = width < POOL_RUN ? POOL_RUN / width : 1;
    const POOL_T *x = (const POOL_T *)p->x + picture * volume, *g = (const POOL_T *)p->from + picture * rows * width;
    POOL_T *gx = (POOL_T *)p->to + picture * volume;
    if (2 * width < stride || 2 * rows < p->in[1]) PK(pool_fill)(volume, 0, gx);
    for (int64_t r = 0; r < rows; r += each)
        for (int64_t o = 0; o < width; o += POOL_RUN) {
            int64_t n = rows - r < each ? rows - r : each, m = width - o < POOL_RUN ? width - o : POOL_RUN;
            int64_t at = 2 * (r * stride + o);
            PK(pool_quads_part)(p, n, m, x + at, g + r * width + o, gx + at);
        }
}

static void PK(pool_positions)(const gm__pool_plan *p, PK(pool_does) does, int64_t begin, int64_t end) {
    int64_t rows = p->out[0] * p->out[1], volume = p->in[0] * p->in[1] * p->in[2] * p->channels, width = p->out[2];
    POOL_T best[POOL_RUN], *to = p->to;
    int32_t place[POOL_RUN];
    for (int64_t q = begin * width; q < end * width; q++)
        for (int64_t c = 0; c < p->channels; c += POOL_RUN) {
            int64_t n = c + POOL_RUN < p->channels ? POOL_RUN : p->channels - c, r = q / width, ow = q % width;
            int64_t at = q * p->channels + c, picture = r / rows * volume + c;
            const POOL_T *x = (const POOL_T *)p->x + picture, *from = (const POOL_T *)p->from;
            bool direct = does != PK(pool_does_index);
            PK(pool_at_run)(p, does, x, r % rows, ow, n, direct ? to + at : best, place);
            if (does == PK(pool_does_sum)) PK(pool_divide_at)(n, PK(pool_divisor)(p, r % rows, ow), to + at, to + at);
            if (!direct) PK(pool_deliver)(p, n, place, from ? from + picture : from, p->channels, at);
        }
}

static void PK(pool_forward)(const gm__pool_plan *p, PK(pool_does) does, int64_t begin, int64_t end) {
    if (p->channels_last && p->channels > 1) PK(pool_positions)(p, does, begin, end);
    else if (does == PK(pool_does_max) && GM_K(pool_is_quads)(p)) PK(pool_quads_rows)(p, begin, end);
    else PK(pool_rows)(p, does, begin, end);
}

static void PK(pool_max)(const gm__pool_plan *p, int64_t begin, int64_t end) {
    PK(pool_forward)(p, PK(pool_does_max), begin, end);
}
static void PK(pool_index)(const gm__pool_plan *p, int64_t begin, int64_t end) {
    PK(pool_forward)(p, PK(pool_does_index), begin, end);
}
static void PK(pool_avg)(const gm__pool_plan *p, int64_t begin, int64_t end) {
    PK(pool_forward)(p, PK(pool_does_sum), begin, end);
}

/* ---- gradients: ranges of owners ---- */

static void PK(pool_max_grad_rows)(const gm__pool_plan *p, int64_t picture) {
    int64_t rows = p->out[0] * p->out[1], volume = p->in[0] * p->in[1] * p->in[2], width = p->out[2];
    const POOL_T *x = (const POOL_T *)p->x + picture * volume, *g = (const POOL_T *)p->from + picture * rows * width;
    POOL_T *gx = (POOL_T *)p->to + picture * volume, best[POOL_RUN];
    int32_t place[POOL_RUN];
    PK(pool_fill)(volume, 0, gx);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t o0 = 0; o0 < width; o0 += POOL_RUN) {
            int64_t o1 = o0 + POOL_RUN < width ? o0 + POOL_RUN : width;
            PK(pool_row_run)(p, PK(pool_does_index), x, r, o0, o1, best, place);
            for (int64_t i = 0; i < o1 - o0; i++)
                if (place[i] >= 0) gx[place[i]] += g[r * width + o0 + i];
        }
}

static void PK(pool_clear_block)(const gm__pool_plan *p, POOL_T *gx, int64_t n) {
    for (int64_t i = 0; i < p->in[0] * p->in[1] * p->in[2]; i++) PK(pool_fill)(n, 0, gx + i * p->channels);
}

static void PK(pool_max_grad_block)(const gm__pool_plan *p, int64_t picture, int64_t c, int64_t n) {
    int64_t rows = p->out[0] * p->out[1], volume = p->in[0] * p->in[1] * p->in[2] * p->channels, width = p->out[2];
    const POOL_T *x = (const POOL_T *)p->x + picture * volume + c;
    const POOL_T *g = (const POOL_T *)p->from + picture * rows * width * p->channels + c;
    POOL_T *gx = (POOL_T *)p->to + picture * volume + c, best[POOL_RUN];
    int32_t place[POOL_RUN];
    PK(pool_clear_block)(p, gx, n);
    for (int64_t q = 0; q < rows * width; q++) {
        PK(pool_at_run)(p, PK(pool_does_index), x, q / width, q % width, n, best, place);
        for (int64_t i = 0; i < n; i++)
            if (place[i] >= 0) gx[place[i] * p->channels + i] += g[q * p->channels + i];
    }
}

/* Every input gets its outputs ascending: rows ascend, and within a row the taps descend. */
static void PK(pool_avg_grad_line)(const gm__pool_plan *p, int64_t o0, int64_t o1, const POOL_T *g, POOL_T *gx) {
    if (!p->regular) {
        for (int64_t o = o0; o < o1; o++)
            for (int64_t k = 0; k < p->count[2][o]; k++) gx[p->first[2][o] + k] += g[o - o0];
        return;
    }
    for (int64_t k = p->kernel[2] - 1; k >= 0; k--) {
        int64_t lo, hi, step = p->stride[2];
        GM_K(pool_inside)(p, k, o0, o1, &lo, &hi);
        if (lo < hi) PK(pool_tap_spread)(hi - lo, g + (lo - o0), gx + lo * step + k * p->dilation[2] - p->pad[2], step);
    }
}

static void PK(pool_avg_grad_rows)(const gm__pool_plan *p, int64_t picture) {
    int64_t rows = p->out[0] * p->out[1], volume = p->in[0] * p->in[1] * p->in[2], width = p->out[2];
    const POOL_T *g = (const POOL_T *)p->from + picture * rows * width;
    POOL_T *gx = (POOL_T *)p->to + picture * volume, part[POOL_RUN];
    PK(pool_fill)(volume, 0, gx);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t o0 = 0; o0 < width; o0 += POOL_RUN) {
            int64_t o1 = o0 + POOL_RUN < width ? o0 + POOL_RUN : width;
            POOL_ROW(p, r, od, oh);
            PK(pool_divide_row)(p, r, o0, o1 - o0, g + r * width + o0, part);
            for (int64_t d = 0; d < p->count[0][od]; d++)
                for (int64_t h = 0; h < p->count[1][oh]; h++) {
                    int64_t id = p->first[0][od] + d * p->dilation[0], ih = p->first[1][oh] + h * p->dilation[1];
                    PK(pool_avg_grad_line)(p, o0, o1, part, gx + (id * p->in[1] + ih) * p->in[2]);
                }
        }
}

static void PK(pool_avg_grad_block)(const gm__pool_plan *p, int64_t picture, int64_t c, int64_t n) {
    int64_t rows = p->out[0] * p->out[1], volume = p->in[0] * p->in[1] * p->in[2] * p->channels, width = p->out[2];
    const POOL_T *g = (const POOL_T *)p->from + picture * rows * width * p->channels + c;
    POOL_T *gx = (POOL_T *)p->to + picture * volume + c, part[POOL_RUN];
    PK(pool_clear_block)(p, gx, n);
    for (int64_t q = 0; q < rows * width; q++) {
        POOL_ROW(p, q / width, od, oh);
        int64_t ow = q % width;
        PK(pool_divide_at)(n, PK(pool_divisor)(p, q / width, ow), g + q * p->channels, part);
        for (int64_t d = 0; d < p->count[0][od]; d++)
            for (int64_t h = 0; h < p->count[1][oh]; h++)
                for (int64_t k = 0; k < p->count[2][ow]; k++) {
                    int64_t id = p->first[0][od] + d * p->dilation[0], ih = p->first[1][oh] + h * p->dilation[1];
                    int64_t at = (id * p->in[1] + ih) * p->in[2] + p->first[2][ow] + k * p->dilation[2];
                    PK(pool_tap_spread)(n, part, gx + at * p->channels, 1);
                }
    }
}

static void PK(pool_gradient)(const gm__pool_plan *p, bool max, int64_t begin, int64_t end) {
    int64_t blocks = (p->channels + POOL_RUN - 1) / POOL_RUN;
    for (int64_t i = begin; i < end; i++) {
        if (!p->channels_last || p->channels == 1) {
            if (max && GM_K(pool_is_quads)(p)) PK(pool_quads_picture)(p, i);
            else if (max) PK(pool_max_grad_rows)(p, i);
            else PK(pool_avg_grad_rows)(p, i);
            continue;
        }
        int64_t c = i % blocks * POOL_RUN, n = c + POOL_RUN < p->channels ? POOL_RUN : p->channels - c;
        if (max) PK(pool_max_grad_block)(p, i / blocks, c, n);
        else PK(pool_avg_grad_block)(p, i / blocks, c, n);
    }
}

static void PK(pool_max_grad)(const gm__pool_plan *p, int64_t begin, int64_t end) {
    PK(pool_gradient)(p, true, begin, end);
}
static void PK(pool_avg_grad)(const gm__pool_plan *p, int64_t begin, int64_t end) {
    PK(pool_gradient)(p, false, begin, end);
}
