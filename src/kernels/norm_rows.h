/* norm_rows.h: normalisation and softmax of rows x[r, 0 .. n], for one type; the macros are norm.h's. Sums are those of
 * the lane rule (reduce_rows.h), of an expression of the elements. */

enum { NR(PLAIN), NR(SQUARE), NR(SPREAD), NR(DOT), NR(DOT_HAT) };

/* x; x * x; (x - m)^2; x * y; x * ((y - m) * r) */
#define NR_TERM(V, name)                                                                                               \
    GM_INLINE V NR(name)(const int term, V x, V y, V m, V r) {                                                         \
        if (term == NR(SQUARE)) return x * x;                                                                          \
        if (term == NR(SPREAD)) return (x - m) * (x - m);                                                              \
        if (term == NR(DOT)) return x * y;                                                                             \
        if (term == NR(DOT_HAT)) return x * ((y - m) * r);                                                             \
        return x;                                                                                                      \
    }
NR_TERM(NR_V, term_v)
NR_TERM(NR_T, term_s)
#undef NR_TERM

/* lane[32] of one block; y is x where the term has no y. */
GM_INLINE void NR(block)(const int term, int64_t n, const NR_T *x, const NR_T *y, NR_T m, NR_T r, NR_T *lane) {
    NR_V acc[GM_RD_LANES / NR_VN], mv = NR_SPLAT(m), rv = NR_SPLAT(r);
    int64_t k = 0;
    GM_UNROLL
    for (int i = 0; i < GM_RD_LANES / NR_VN; i++) acc[i] = (NR_V){ 0 };
    for (; k + GM_RD_LANES <= n; k += GM_RD_LANES) {
        GM_UNROLL
        for (int i = 0; i < GM_RD_LANES / NR_VN; i++)
            acc[i] += NR(term_v)(term, NR_LOAD(x + k + i * NR_VN), NR_LOAD(y + k + i * NR_VN), mv, rv);
    }
    GM_UNROLL
    for (int i = 0; i < GM_RD_LANES / NR_VN; i++) NR_STORE(lane + i * NR_VN, acc[i]);
    for (int i = 0; k + i < n; i++) lane[i] += NR(term_s)(term, x[k + i], y[k + i], m, r);
}

GM_INLINE void NR(add_lanes)(NR_T *to, const NR_T *from) {
    for (int i = 0; i < GM_RD_LANES; i++) to[i] += from[i];
}

GM_INLINE NR_T NR(row_sum)(const int term, int64_t n, const NR_T *x, const NR_T *y, NR_T m, NR_T r) {
    NR_T lane[GM_RD_LANES], part[GM_RD_LANES], total[GM_RD_LANES];
    for (int i = 0; i < GM_RD_LANES; i++) part[i] = total[i] = 0;
    for (int64_t k = 0; k < n; k += GM_RD_BLOCK) {
        int64_t m_block = n - k < GM_RD_BLOCK ? n - k : GM_RD_BLOCK;
        NR(block)(term, m_block, x + k, y + k, m, r, lane);
        NR(add_lanes)(part, lane);
        if (k + m_block < n && (k + m_block) % GM_RD_SUPER) continue;
        NR(add_lanes)(total, part);
        for (int i = 0; i < GM_RD_LANES; i++) part[i] = 0;
    }
    for (int s = GM_RD_LANES / 2; s; s /= 2)
        for (int i = 0; i < s; i++) total[i] += total[i + s];
    return total[0];
}

/* y[r] = the sum rule over x * x of a row */
static void NR(rows_square)(int64_t rows, int64_t n, const void *from, void *to) {
    const NR_T *x = from;
    for (int64_t i = 0; i < rows; i++, x += n) ((NR_T *)to)[i] = NR(row_sum)(NR(SQUARE), n, x, x, 0, 0);
}

/* spread[r] = the sum rule over (x - mean)^2 of a row, mean = sum / n */
static void NR(rows_spread)(int64_t rows, int64_t n, const void *from, void *to) {
    const NR_T *x = from;
    for (int64_t i = 0; i < rows; i++, x += n) {
        NR_T mean = NR(row_sum)(NR(PLAIN), n, x, x, 0, 0) / (NR_T)n;
        ((NR_T *)to)[i] = NR(row_sum)(NR(SPREAD), n, x, x, mean, 0);
    }
}

/* ---- layer, group and RMS norm ---- */

GM_INLINE void NR(affine_run)(const int kind, int64_t n, const NR_T *x, NR_T m, NR_T r, const NR_T *w, const NR_T *b,
                              const int step, NR_T *y) {
    NR_INDEPENDENT
    for (int64_t j = 0; j < n; j++) {
        const NR_T h = kind & 4 ? x[j] * r : (x[j] - m) * r;
        y[j] = (kind & 3) == 3 ? NR_FMA(h, w[j * step], b[j * step])
               : kind & 1      ? h * w[j * step]
               : kind & 2      ? h + b[j * step]
                               : h;
    }
}

/* y = fma(h, weight, bias), h = (x - mean) * rstd or, for RMS, x * rstd. */
GM_INLINE void NR(affine_kind)(const int kind, const gm_norm_job *job, int64_t row, NR_T m, NR_T r) {
    int64_t n = job->n, count = n / job->run, at = row % job->groups * count;
    const NR_T *x = (const NR_T *)job->x + row * n, *w = job->weight, *b = job->bias;
    NR_T *y = (NR_T *)job->y + row * n;
    if (job->run == 1) {
        NR(affine_run)(kind, n, x, m, r, kind & 1 ? w + at : w, kind & 2 ? b + at : b, 1, y);
        return;
    }
    for (int64_t c = 0; c < count; c++)
        NR(affine_run)(kind, job->run, x + c * job->run, m, r, kind & 1 ? w + at + c : w, kind & 2 ? b + at + c : b, 0,
                       y + c * job->run);
}

static void NR(apply)(const gm_norm_job *job, int64_t r0, int64_t r1) {
    const NR_T eps = (NR_T)job->eps, count = (NR_T)job->n;
    int kind = (job->weight != NULL) | (job->bias != NULL) << 1 | (job->rms != 0) << 2;
    for (int64_t i = r0; i < r1; i++) {
        const NR_T *x = (const NR_T *)job->x + i * job->n;
        NR_T m = 0, v;
        if (job->rms) {
            v = NR(row_sum)(NR(SQUARE), job->n, x, x, 0, 0) / count;
        } else {
            m = NR(row_sum)(NR(PLAIN), job->n, x, x, 0, 0) / count;
            v = NR(row_sum)(NR(SPREAD), job->n, x, x, m, 0) / count;
        }
        NR_T r = 1 / NR_SQRT(v + eps);
        ((NR_T *)job->mean)[i] = m, ((NR_T *)job->rstd)[i] = r;
        switch (kind) {
        case 0: NR(affine_kind)(0, job, i, m, r); break;
        case 1: NR(affine_kind)(1, job, i, m, r); break;
        case 2: NR(affine_kind)(2, job, i, m, r); break;
        case 3: NR(affine_kind)(3, job, i, m, r); break;
        case 4: NR(affine_kind)(4, job, i, m, r); break;
        case 5: NR(affine_kind)(5, job, i, m, r); break;
        case 6: NR(affine_kind)(6, job, i, m, r); break;
        default: NR(affine_kind)(7, job, i, m, r); break;
        }
    }
}

/* u = g * weight into y */
GM_INLINE void NR(weighted)(const gm_norm_job *job, int64_t row, const NR_T *g, NR_T *y) {
    int64_t n = job->n, count = n / job->run;
    const NR_T *w = (const NR_T *)job->weight + (job->weight ? row % job->groups * count : 0);
    if (!job->weight) memcpy(y, g, (size_t)n * sizeof *g);
    else if (job->run == 1)
        NR_INDEPENDENT
        for (int64_t j = 0; j < n; j++) y[j] = g[j] * w[j];
    else
        for (int64_t c = 0; c < count; c++)
            NR_INDEPENDENT
            for (int64_t j = c * job->run; j < (c + 1) * job->run; j++) y[j] = g[j] * w[c];
}

/* y = ((u - sum(u) / n) - h * (sum(u * h) / n)) * rstd; for RMS without the first mean. */
static void NR(apply_grad)(const gm_norm_job *job, int64_t r0, int64_t r1) {
    const NR_T count = (NR_T)job->n;
    for (int64_t i = r0; i < r1; i++) {
        const NR_T *x = (const NR_T *)job->x + i * job->n, *g = (const NR_T *)job->g + i * job->n;
        NR_T *y = (NR_T *)job->y + i * job->n, m = ((const NR_T *)job->mean)[i], r = ((const NR_T *)job->rstd)[i];
        NR(weighted)(job, i, g, y);
        NR_T a = job->rms ? 0 : NR(row_sum)(NR(PLAIN), job->n, y, y, 0, 0) / count;
        NR_T b = NR(row_sum)(NR(DOT_HAT), job->n, y, x, m, r) / count;
        if (job->rms)
            NR_INDEPENDENT
            for (int64_t j = 0; j < job->n; j++) y[j] = (y[j] - (x[j] * r) * b) * r;
        else
            NR_INDEPENDENT
            for (int64_t j = 0; j < job->n; j++) y[j] = ((y[j] - a) - ((x[j] - m) * r) * b) * r;
    }
}

/* Columns j0 .. j1 of out[0] = sum of g * h, out[1] = sum of g, over the rows: the dot-like rule. */
static void NR(columns)(const gm_norm_job *job, int64_t j0, int64_t j1) {
    enum { SPAN = 256 };
    NR_T acc[2][SPAN], part[2][SPAN], total[2][SPAN];
    for (; j0 < j1; j0 += SPAN) {
        int w = j1 - j0 < SPAN ? (int)(j1 - j0) : SPAN;
        memset(part, 0, sizeof part), memset(total, 0, sizeof total);
        for (int64_t k = 0; k < job->rows; k++) {
            const NR_T *x = (const NR_T *)job->x + k * job->n + j0, *g = (const NR_T *)job->g + k * job->n + j0;
            const NR_T m = ((const NR_T *)job->mean)[k], r = ((const NR_T *)job->rstd)[k];
            if (k % GM_RD_CHUNK == 0) memset(acc, 0, sizeof acc);
            for (int j = 0; j < w; j++) {
                acc[0][j] = NR_FMA(g[j], (x[j] - m) * r, acc[0][j]);
                acc[1][j] += g[j];
            }
            bool last = k == job->rows - 1;
            if (!last && k % GM_RD_CHUNK != GM_RD_CHUNK - 1) continue;
            for (int j = 0; j < w; j++) part[0][j] += acc[0][j], part[1][j] += acc[1][j];
            if (!last && k % GM_RD_CHUNK_SUPER != GM_RD_CHUNK_SUPER - 1) continue;
            for (int j = 0; j < w; j++) total[0][j] += part[0][j], total[1][j] += part[1][j];
            memset(part, 0, sizeof part);
        }
        for (int i = 0; i < 2; i++)
            if (job->out[i]) memcpy((NR_T *)job->out[i] + j0, total[i], (size_t)w * sizeof(NR_T));
    }
}

/* ---- softmax ---- */

/* m = max, e = exp(x - m), s = sum(e); y = e / s, or (x - m) - log(s). `stats` (NULL: none) gets m and s of each row.
 */
static void NR(softmax_rows)(int64_t rows, int64_t n, int logarithm, const void *from, void *to, void *stats) {
    const NR_T *x = from;
    NR_T *y = to, *st = stats;
    for (int64_t i = 0; i < rows; i++, x += n, y += n) {
        NR_T m;
        NR_MAX_ROWS(1, n, x, &m);
        NR_INDEPENDENT
        for (int64_t j = 0; j < n; j++) y[j] = NR_EXP(x[j] - m);
        NR_T s = NR(row_sum)(NR(PLAIN), n, y, y, 0, 0);
        if (logarithm) {
            const NR_T l = NR_LOG(s);
            NR_INDEPENDENT
            for (int64_t j = 0; j < n; j++) y[j] = (x[j] - m) - l;
        } else {
            NR_INDEPENDENT
            for (int64_t j = 0; j < n; j++) y[j] = y[j] / s;
        }
        if (st) st[2 * i] = m, st[2 * i + 1] = s;
    }
}

/* dx = y * (g - sum(g * y)), or g - exp(y) * sum(g) */
static void NR(softmax_rows_grad)(int64_t rows, int64_t n, int logarithm, const void *gv, const void *yv, void *to) {
    const NR_T *g = gv, *y = yv;
    NR_T *dx = to;
    for (int64_t i = 0; i < rows; i++, g += n, y += n, dx += n) {
        if (logarithm) {
            const NR_T s = NR(row_sum)(NR(PLAIN), n, g, g, 0, 0);
            NR_INDEPENDENT
            for (int64_t j = 0; j < n; j++) dx[j] = g[j] - NR_EXP(y[j]) * s;
        } else {
            const NR_T s = NR(row_sum)(NR(DOT), n, g, y, 0, 0);
            NR_INDEPENDENT
            for (int64_t j = 0; j < n; j++) dx[j] = y[j] * (g[j] - s);
        }
    }
}

/* stats[2i], [2i + 1] = maximum and sum(exp(x - max)); no other output. `work` holds n elements. */
static void NR(softmax_stats)(int64_t rows, int64_t n, const void *from, void *stats, void *work) {
    const NR_T *x = from;
    NR_T *st = stats, *e = work;
    for (int64_t i = 0; i < rows; i++, x += n) {
        NR_T m;
        NR_MAX_ROWS(1, n, x, &m);
        NR_INDEPENDENT
        for (int64_t j = 0; j < n; j++) e[j] = NR_EXP(x[j] - m);
        st[2 * i] = m, st[2 * i + 1] = NR(row_sum)(NR(PLAIN), n, e, e, 0, 0);
    }
}

/* y[i] = log(x[i]); y may be x. */
static void NR(logs)(int64_t n, const void *from, void *to) {
    const NR_T *x = from;
    NR_T *y = to;
    NR_INDEPENDENT
    for (int64_t i = 0; i < n; i++) y[i] = NR_LOG(x[i]);
}

/* dx[i, :] = exp(x - m) / s * g[i], less g[i] at the target; 0 where the target is negative. */
static void NR(cross_entropy_grad)(int64_t rows, int64_t n, const void *xv, const void *stats, const int64_t *target,
                                   const void *gv, void *to) {
    const NR_T *x = xv, *g = gv, *st = stats;
    NR_T *dx = to;
    for (int64_t i = 0; i < rows; i++, x += n, dx += n) {
        const NR_T m = st[2 * i], s = st[2 * i + 1], scale = target[i] < 0 ? 0 : g[i];
        NR_INDEPENDENT
        for (int64_t j = 0; j < n; j++) dx[j] = NR_EXP(x[j] - m) / s * scale;
        if (target[i] >= 0) dx[target[i]] -= scale;
    }
}
