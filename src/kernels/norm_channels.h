/* norm_channels.h: statistics and sums per channel over (n, s), and the affine maps they lead to. One type; the macros
 * are norm.h's.
 *
 * Every sum is a chain over a block of 256 positions. Where the channel is innermost, neighbouring channels are lanes.
 * Else the blocks themselves are: VN blocks, of one or several channels, are transposed into a tile [256][VN] whose
 * rows are added up; a short block is padded by what changes no bit of its chain. */

enum { NR(tile_size) = GM_RD_CHUNK * NR_VN, NR(span) = 64 };

typedef struct {
    const NR_T *source[NR_VN];
    NR_T tile[NR(tile_size)] __attribute__((aligned(64)));
    NR_T copy[NR(tile_size)] __attribute__((aligned(64)));
} NR(tile);

/* Lane l of the tile will be positions p .. p + nb of channel c. */
static void NR(tile_lane)(NR(tile) * t, const gm_channel_job *job, const NR_T *x, int l, int64_t c, int64_t p,
                          int64_t nb) {
    int64_t n = p / job->s, at = p % job->s, done = 0;
    const NR_T *run = x + (n * job->c + c) * job->s + at;
    NR_T *copy = t->copy + l * GM_RD_CHUNK;
    t->source[l] = run;
    if (nb == GM_RD_CHUNK && at + nb <= job->s) return;
    while (done < nb) {
        int64_t m = job->s - at < nb - done ? job->s - at : nb - done;
        memcpy(copy + done, run, (size_t)m * sizeof *run);
        done += m, n++, at = 0;
        run = x + (n * job->c + c) * job->s;
    }
    memset(copy + nb, 0, (size_t)(GM_RD_CHUNK - nb) * sizeof *copy);
    t->source[l] = copy;
}

static void NR(tile_load)(NR(tile) *t, int lanes) {
    for (int l = lanes; l < NR_VN; l++) t->source[l] = t->source[0];
    for (int k = 0; k < GM_RD_CHUNK; k += NR_VN) {
        NR_V v[NR_VN];
        GM_UNROLL
        for (int l = 0; l < NR_VN; l++) v[l] = NR_LOAD(t->source[l] + k);
        NR_TRANSPOSE(v);
        GM_UNROLL
        for (int l = 0; l < NR_VN; l++) NR_STORE(t->tile + (k + l) * NR_VN, v[l]);
    }
}

/* ---- statistics ---- */

/* Mean m and sum of squared distances q of a set of n merge into M and Q of `before`. */
#define NR_MERGE(M, Q, before, m, q, nb)                                                                               \
    do {                                                                                                               \
        const NR_T merge_n = (NR_T)((before) + (nb)), merge_w = (NR_T)(nb) / merge_n;                                  \
        const NR_T merge_d = (m) - (M), merge_u = (NR_T)(before) * (NR_T)(nb) / merge_n;                               \
        M = NR_FMA(merge_d, merge_w, M);                                                                               \
        Q = ((Q) + (q)) + (merge_d * merge_d) * merge_u;                                                               \
    } while (0)

/* Means and squares of the lanes of a tile, whose lengths are nb[]. */
static void NR(tile_stats)(NR(tile) *t, int lanes, const int64_t *nb, NR_T *mean, NR_T *square) {
    NR_V s = { 0 }, q = { 0 }, m, count;
    for (int l = 0; l < NR_VN; l++) count[l] = (NR_T)(l < lanes ? nb[l] : 1);
    for (int k = 0; k < GM_RD_CHUNK; k++) s += NR_LOAD(t->tile + k * NR_VN);
    m = s / count;
    for (int l = 0; l < lanes; l++)
        for (int64_t k = nb[l]; k < GM_RD_CHUNK; k++) t->tile[k * NR_VN + l] = m[l];
    for (int k = 0; k < GM_RD_CHUNK; k++) {
        NR_V d = NR_LOAD(t->tile + k * NR_VN) - m;
        q = NR_VFMA(d, d, q);
    }
    NR_STORE(mean, m);
    NR_STORE(square, q);
}

static void NR(stats_first)(const gm_channel_job *job, int64_t c0, int64_t c1) {
    NR(tile) t;
    int64_t count = job->n * job->s, blocks = (count + GM_RD_CHUNK - 1) / GM_RD_CHUNK, end = (c1 - c0) * blocks;
    NR_T M = 0, Q = 0, m[NR_VN], q[NR_VN];
    for (int64_t u = 0; u < end; u += NR_VN) {
        int64_t nb[NR_VN];
        int lanes = end - u < NR_VN ? (int)(end - u) : NR_VN;
        for (int l = 0; l < lanes; l++) {
            int64_t p = (u + l) % blocks * GM_RD_CHUNK;
            nb[l] = count - p < GM_RD_CHUNK ? count - p : GM_RD_CHUNK;
            NR(tile_lane)(&t, job, job->x, l, c0 + (u + l) / blocks, p, nb[l]);
        }
        NR(tile_load)(&t, lanes);
        NR(tile_stats)(&t, lanes, nb, m, q);
        for (int l = 0; l < lanes; l++) {
            int64_t c = c0 + (u + l) / blocks, p = (u + l) % blocks * GM_RD_CHUNK;
            if (p == 0) M = m[l], Q = q[l];
            else NR_MERGE(M, Q, p, m[l], q[l], nb[l]);
            if (p + nb[l] < count) continue;
            ((NR_T *)job->out[0])[c] = M;
            ((NR_T *)job->out[1])[c] = Q / (NR_T)count;
        }
    }
}

/* The same of `w` neighbouring channels of rows, at most NR(span). */
static void NR(stats_span)(const gm_channel_job *job, int64_t c0, int w) {
    int64_t count = job->n * job->s, C = job->c;
    NR_T M[NR(span)], Q[NR(span)], m[NR(span)], q[NR(span)];
    for (int64_t p = 0; p < count; p += GM_RD_CHUNK) {
        const NR_T *x = (const NR_T *)job->x + p * C + c0;
        int64_t nb = count - p < GM_RD_CHUNK ? count - p : GM_RD_CHUNK;
        for (int j = 0; j < w; j++) m[j] = q[j] = 0;
        for (int64_t k = 0; k < nb; k++)
            for (int j = 0; j < w; j++) m[j] += x[k * C + j];
        for (int j = 0; j < w; j++) m[j] = m[j] / (NR_T)nb;
        for (int64_t k = 0; k < nb; k++)
            for (int j = 0; j < w; j++) q[j] = NR_FMA(x[k * C + j] - m[j], x[k * C + j] - m[j], q[j]);
        if (p == 0) memcpy(M, m, sizeof M), memcpy(Q, q, sizeof Q);
        else
            for (int j = 0; j < w; j++) NR_MERGE(M[j], Q[j], p, m[j], q[j], nb);
    }
    for (int j = 0; j < w; j++) {
        ((NR_T *)job->out[0])[c0 + j] = M[j];
        ((NR_T *)job->out[1])[c0 + j] = Q[j] / (NR_T)count;
    }
}

/* out[0] = mean, out[1] = variance of channels c0 .. c1. */
static void NR(channel_stats)(const gm_channel_job *job, int64_t c0, int64_t c1) {
    if (!job->last) {
        NR(stats_first)(job, c0, c1);
        return;
    }
    for (; c0 < c1; c0 += NR(span)) NR(stats_span)(job, c0, c1 - c0 < NR(span) ? (int)(c1 - c0) : NR(span));
}

/* ---- sums of g and of g * (x - mean): the dot-like rule ---- */

static void NR(tile_sums)(const NR(tile) *g, const NR(tile) *x, const NR_T *mean, NR_T *sum, NR_T *dot) {
    NR_V a = { 0 }, b = { 0 }, m = NR_LOAD(mean);
    for (int k = 0; k < GM_RD_CHUNK; k++) {
        NR_V v = NR_LOAD(g->tile + k * NR_VN);
        a += v;
        if (x) b = NR_VFMA(v, NR_LOAD(x->tile + k * NR_VN) - m, b);
    }
    NR_STORE(sum, a);
    NR_STORE(dot, b);
}

static void NR(sums_first)(const gm_channel_job *job, int64_t c0, int64_t c1) {
    NR(tile) g, x;
    int64_t count = job->n * job->s, blocks = (count + GM_RD_CHUNK - 1) / GM_RD_CHUNK, end = (c1 - c0) * blocks;
    NR_T part[2] = { 0, 0 }, total[2] = { 0, 0 }, mean[NR_VN], acc[2][NR_VN];
    memset(mean, 0, sizeof mean);
    for (int64_t u = 0; u < end; u += NR_VN) {
        int lanes = end - u < NR_VN ? (int)(end - u) : NR_VN;
        for (int l = 0; l < lanes; l++) {
            int64_t c = c0 + (u + l) / blocks, p = (u + l) % blocks * GM_RD_CHUNK;
            int64_t nb = count - p < GM_RD_CHUNK ? count - p : GM_RD_CHUNK;
            NR(tile_lane)(&g, job, job->g, l, c, p, nb);
            if (job->x) NR(tile_lane)(&x, job, job->x, l, c, p, nb);
            if (job->mean) mean[l] = ((const NR_T *)job->mean)[c];
        }
        NR(tile_load)(&g, lanes);
        if (job->x) NR(tile_load)(&x, lanes);
        NR(tile_sums)(&g, job->x ? &x : NULL, mean, acc[0], acc[1]);
        for (int l = 0; l < lanes; l++) {
            int64_t c = c0 + (u + l) / blocks, b = (u + l) % blocks;
            for (int i = 0; i < 2; i++) {
                if (b == 0) part[i] = total[i] = 0;
                part[i] += acc[i][l];
                if (b % 64 != 63 && b != blocks - 1) continue;
                total[i] += part[i], part[i] = 0;
                if (b == blocks - 1 && job->out[i]) ((NR_T *)job->out[i])[c] = total[i];
            }
        }
    }
}

static void NR(sums_chunk)(const gm_channel_job *job, int64_t p, int64_t nb, int64_t c0, int w, NR_T *sum, NR_T *dot) {
    const NR_T *g = (const NR_T *)job->g + p * job->c + c0, *x = job->x;
    NR_T mean[NR(span)];
    for (int j = 0; j < w; j++) {
        sum[j] = dot[j] = 0;
        mean[j] = job->mean ? ((const NR_T *)job->mean)[c0 + j] : 0;
    }
    if (x) x += p * job->c + c0;
    for (int64_t k = 0; k < nb; k++, g += job->c) {
        for (int j = 0; j < w; j++) sum[j] += g[j];
        if (!x) continue;
        for (int j = 0; j < w; j++) dot[j] = NR_FMA(g[j], x[j] - mean[j], dot[j]);
        x += job->c;
    }
}

static void NR(sums_span)(const gm_channel_job *job, int64_t c0, int w) {
    int64_t count = job->n * job->s;
    NR_T acc[2][NR(span)], part[2][NR(span)], total[2][NR(span)];
    memset(part, 0, sizeof part), memset(total, 0, sizeof total);
    for (int64_t p = 0; p < count; p += GM_RD_CHUNK) {
        int64_t nb = count - p < GM_RD_CHUNK ? count - p : GM_RD_CHUNK;
        bool ends = p + nb == count || (p + nb) % GM_RD_CHUNK_SUPER == 0;
        NR(sums_chunk)(job, p, nb, c0, w, acc[0], acc[1]);
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < w; j++) {
                part[i][j] += acc[i][j];
                if (ends) total[i][j] += part[i][j], part[i][j] = 0;
            }
    }
    for (int i = 0; i < 2; i++)
        if (job->out[i]) memcpy((NR_T *)job->out[i] + c0, total[i], (size_t)w * sizeof(NR_T));
}

/* out[0] = sum of g, out[1] = sum of g * (x - mean), over channels c0 .. c1; out[0] alone where x is NULL. */
static void NR(channel_sums)(const gm_channel_job *job, int64_t c0, int64_t c1) {
    if (!job->last) {
        NR(sums_first)(job, c0, c1);
        return;
    }
    for (; c0 < c1; c0 += NR(span)) NR(sums_span)(job, c0, c1 - c0 < NR(span) ? (int)(c1 - c0) : NR(span));
}

/* ---- maps ---- */

/* Rows r0 .. r1 (of n * c, or of n * s if `last`) of
 *   y = fma(x, scale, shift), or where there is g   y = fma(g, scale, fma(x - mean, slope, shift)). */
static void NR(channel_apply)(const gm_channel_job *job, int64_t r0, int64_t r1) {
    const NR_T *scale = job->scale, *shift = job->shift, *slope = job->slope, *mean = job->mean;
    int64_t n = job->last ? job->c : job->s;
    for (int64_t r = r0; r < r1; r++) {
        const NR_T *x = (const NR_T *)job->x + r * n, *g = job->g ? (const NR_T *)job->g + r * n : NULL;
        NR_T *y = (NR_T *)job->y + r * n;
        if (job->last && g) {
            NR_INDEPENDENT
            for (int64_t j = 0; j < n; j++) y[j] = NR_FMA(g[j], scale[j], NR_FMA(x[j] - mean[j], slope[j], shift[j]));
        } else if (job->last) {
            NR_INDEPENDENT
            for (int64_t j = 0; j < n; j++) y[j] = NR_FMA(x[j], scale[j], shift[j]);
        } else if (g) {
            const NR_T a = scale[r % job->c], b = slope[r % job->c], c = shift[r % job->c], m = mean[r % job->c];
            NR_INDEPENDENT
            for (int64_t j = 0; j < n; j++) y[j] = NR_FMA(g[j], a, NR_FMA(x[j] - m, b, c));
        } else {
            const NR_T a = scale[r % job->c], c = shift[r % job->c];
            NR_INDEPENDENT
            for (int64_t j = 0; j < n; j++) y[j] = NR_FMA(x[j], a, c);
        }
    }
}

/* ---- batch norm, per channel ---- */

/* scale = weight / sqrt(var + eps), shift = fma(-mean, scale, bias) */
static void NR(batch_scales)(int64_t c, double eps, const void *mean, const void *var, const void *weight,
                             const void *bias, void *scale, void *shift) {
    const NR_T *m = mean, *v = var, *w = weight, *b = bias, e = (NR_T)eps;
    NR_T *s = scale, *t = shift;
    for (int64_t i = 0; i < c; i++) {
        s[i] = (w ? w[i] : 1) / NR_SQRT(v[i] + e);
        t[i] = NR_FMA(-m[i], s[i], b ? b[i] : 0);
    }
}

/* dot becomes the gradient of weight; scale, shift and slope are those of the map that gives the gradient of x. */
static void NR(batch_slopes)(int64_t c, double eps, double n, const void *var, const void *weight, const void *sum,
                             void *dot, void *scale, void *shift, void *slope) {
    const NR_T *v = var, *w = weight, *g = sum, e = (NR_T)eps, count = (NR_T)n;
    NR_T *d = dot, *s = scale, *t = shift, *u = slope;
    for (int64_t i = 0; i < c; i++) {
        const NR_T root = NR_SQRT(v[i] + e), r = 1 / root;
        s[i] = (w ? w[i] : 1) / root;
        d[i] = d[i] * r;
        t[i] = -(s[i] * (g[i] / count));
        u[i] = -(s[i] * ((d[i] * r) / count));
    }
}
#undef NR_MERGE
