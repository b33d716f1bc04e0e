/* norm.h: sums, statistics and norms per channel (w keeps the channels), and norms of rows. */

/* What chains of a channel have come to, as 16 chunks at a time arrive. */
typedef struct { T part, total; int64_t chunks; } K(sums);

FN void K(sums_add)(K(sums) *s, int64_t n, const T *acc) {
    for (int64_t i = 0; i < n; i++) {
        s->part += acc[i];
        if (!(++s->chunks & 63)) s->total += s->part, s->part = 0;
    }
}

/* Chains of x, or of x * (y - mean), of one channel. v walks over y. */
FN T K(channel_chain)(const gm_walk *w, const gm_walk *v, const T *x, const T *y, T mean) {
    int64_t at[16] = { 0 }, also[16] = { 0 }, off = 0, other = 0, n = gm_product(w->n_reduced, w->reduced);
    T a[16 * 256], b[16 * 256];
    K(sums) s = { 0, 0, 0 };
    for (int64_t p = 0; p < n; p += 16 * 256) {
        const int64_t here = gm_least(n - p, 16 * 256), m = (here + 255) / 256;
        T acc[16] = { 0 };
        K(chunks)(w, at, &off, here, x, a);
        if (y) K(chunks)(v, also, &other, here, y, b);
        if (m == 16 && y)
            for (int64_t i = 0; i < 256; i++)
                for (int j = 0; j < 16; j++) acc[j] = FMA(a[i * 16 + j], b[i * 16 + j] - mean, acc[j]);
        else
            for (int64_t i = 0; i < 256; i++)
                for (int64_t j = 0; j < m; j++)
                    acc[j] = y ? FMA(a[i * 16 + j], b[i * 16 + j] - mean, acc[j]) : acc[j] + a[i * 16 + j];
        K(sums_add)(&s, m, acc);
    }
    return s.total + s.part;
}

FN void K(channel_sum)(const gm_walk *w, const gm_walk *v, const T *x, const T *y, T *out) {
    const int64_t s = w->kept_stride[0];
    for (int64_t c = 0, m; c < w->kept[0]; c += m) {
        m = s == 1 ? gm_least(64, w->kept[0] - c) : 1;
        if (s == 1) K(column_chains)(w, v, m, x + c, y ? y + c * v->kept_stride[0] : NULL, out + c);
        else out[c] = K(channel_chain)(w, v, x + c * s, y ? y + c * v->kept_stride[0] : NULL, 0);
    }
}

/* Blocks of 256 positions, merged in order. */
FN void K(channel_stats)(const gm_walk *w, const T *x, T *mean, T *var) {
    const int64_t n = gm_product(w->n_reduced, w->reduced);
    int64_t at[16] = { 0 }, off = 0;
    T M = 0, Q = 0, block[16 * 256];
    for (int64_t p = 0; p < n;) {
        const int64_t here = gm_least(n - p, 16 * 256), blocks = (here + 255) / 256;
        T m[16] = { 0 }, q[16] = { 0 };
        K(chunks)(w, at, &off, here, x, block);
        for (int64_t i = 0; i < 256; i++)
            for (int64_t b = 0; b < blocks; b++) m[b] += block[i * 16 + b];
        for (int64_t b = 0; b < blocks; b++) m[b] = m[b] / (T)gm_least(here - b * 256, 256);
        for (int64_t i = 0; i < 256; i++)
            for (int64_t b = 0; b < blocks; b++) {
                const T d = block[i * 16 + b] - m[b], next = FMA(d, d, q[b]);
                q[b] = b * 256 + i < here ? next : q[b];
            }
        for (int64_t b = 0; b < blocks; b++) {
            const int64_t nb = gm_least(here - b * 256, 256);
            const T all = (T)(p + nb), part = (T)nb / all, d = m[b] - M, u = (T)p * (T)nb / all;
            if (p) M = FMA(d, part, M), Q = (Q + q[b]) + (d * d) * u;
            else M = m[b], Q = q[b];
            p += nb;
        }
    }
    *mean = M, *var = Q / (T)n;
}

/* y = fma(x, s, t) of one channel; u walks over y. */
FN void K(channel_apply)(const gm_walk *w, const gm_walk *u, T s, T t, const T *x, T *y) {
    const int64_t last = w->n_reduced - 1, run = w->reduced[last], n = gm_product(last, w->reduced);
    const int64_t a = w->reduced_stride[last], b = u->reduced_stride[last];
    int64_t at[16] = { 0 }, to[16] = { 0 }, off = 0, out = 0;
    for (int64_t i = 0; i < n; i++) {
        const T *from = x + off;
        T *into = y + out;
        if (a == 1 && b == 1)
            for (int64_t j = 0; j < run; j++) into[j] = FMA(from[j], s, t);
        else
            for (int64_t j = 0; j < run; j++) into[j * b] = FMA(from[j * a], s, t);
        gm_next(last, w->reduced, w->reduced_stride, at, &off);
        gm_next(last, u->reduced, u->reduced_stride, to, &out);
    }
}

/* mean and var: given, or made here. u walks over y. */
FN void K(batch_norm)(const gm_walk *w, const gm_walk *u, double eps, const T *weight, const T *bias, const T *mean,
                      const T *var, const T *x, T *y, T *mean_out, T *var_out) {
    for (int64_t c = 0; c < w->kept[0]; c++) {
        const T *from = x + c * w->kept_stride[0];
        T m, v;
        if (mean) m = mean[c], v = var[c];
        else {
            K(channel_stats)(w, from, &m, &v);
            mean_out[c] = m, var_out[c] = v;
        }
        const T s = (weight ? weight[c] : 1) / M(sqrt)(v + (T)eps), t = FMA(-m, s, bias ? bias[c] : 0);
        K(channel_apply)(w, u, s, t, from, y + c * u->kept_stride[0]);
    }
}

/* w, v and u walk over x, g and dx; `given`: the statistics do not depend on x. */
FN void K(batch_norm_grad)(const gm_walk *w, const gm_walk *v, const gm_walk *u, double eps, int given, const T *g,
                           const T *x, const T *mean, const T *var, const T *weight, T *dx, T *dweight, T *dbias) {
    const int64_t n = gm_product(w->n_reduced, w->reduced), last = w->n_reduced - 1, run = w->reduced[last];
    const int64_t a = w->reduced_stride[last], b = v->reduced_stride[last], d = u->reduced_stride[last];
    for (int64_t c = 0; c < w->kept[0]; c++) {
        int64_t at[16] = { 0 }, from[16] = { 0 }, to[16] = { 0 };
        int64_t off = c * w->kept_stride[0], in = c * v->kept_stride[0], out = c * u->kept_stride[0];
        const T root = M(sqrt)(var[c] + (T)eps), r = 1 / root, s = (weight ? weight[c] : 1) / root, count = (T)n;
        dbias[c] = K(channel_chain)(v, NULL, g + in, NULL, 0);
        dweight[c] = K(channel_chain)(v, w, g + in, x + off, mean[c]) * r;
        const T shift = -(s * (dbias[c] / count)), slope = -(s * ((dweight[c] * r) / count));
        for (int64_t i = 0; i < n; i += run) {
            for (int64_t j = 0; j < run; j++) {
                const T low = given ? 0 : FMA(x[off + j * a] - mean[c], slope, shift);
                dx[out + j * d] = FMA(g[in + j * b], s, low);
            }
            gm_next(last, w->reduced, w->reduced_stride, at, &off);
            gm_next(last, v->reduced, v->reduced_stride, from, &in);
            gm_next(last, u->reduced, u->reduced_stride, to, &out);
        }
    }
}

/* Rows of n; weights of `run` neighbours are one, and rows r, r + groups ... share theirs. */
FN void K(row_norm)(int rms, int64_t rows, int64_t n, int64_t groups, int64_t run, double eps, const T *x,
                    const T *weight, const T *bias, T *y, T *means, T *rstds) {
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        K(lanes) s = { { 0 }, { 0 }, { 0 }, 0 };
        const int64_t first = r % groups * (n / run);
        T mean = 0;
        if (!rms) mean = K(row_sum)(1, n, x, 1) / (T)n;
        for (int64_t i = 0; i < n; i++) K(lanes_add)(&s, (x[i] - mean) * (x[i] - mean));
        const T rstd = 1 / M(sqrt)(K(lanes_end)(&s) / (T)n + (T)eps);
        for (int64_t i = 0; i < n; i++) {
            const int64_t c = first + i / run;
            const T h = rms ? x[i] * rstd : (x[i] - mean) * rstd;
            y[i] = weight && bias ? FMA(h, weight[c], bias[c]) : weight ? h * weight[c] : bias ? h + bias[c] : h;
        }
        if (means) means[r] = mean;
        if (rstds) rstds[r] = rstd;
    }
}

/* dx = ((u - a) - h * b) * rstd, u = g * weight, a = sum(u) / n (RMS: none), b = sum(u * h) / n, rows as above. */
FN void K(row_norm_grad)(int rms, int64_t rows, int64_t n, int64_t groups, int64_t run, const T *g, const T *x,
                         const T *means, const T *rstds, const T *weight, T *dx) {
    for (int64_t r = 0; r < rows; r++, x += n, g += n, dx += n) {
        K(lanes) s = { { 0 }, { 0 }, { 0 }, 0 };
        const int64_t first = r % groups * (n / run);
        const T m = means[r], rstd = rstds[r];
        T a = 0;
        for (int64_t i = 0; i < n; i++) dx[i] = weight ? g[i] * weight[first + i / run] : g[i];
        if (!rms) a = K(row_sum)(1, n, dx, 1) / (T)n;
        for (int64_t i = 0; i < n; i++) K(lanes_add)(&s, dx[i] * ((x[i] - m) * rstd));
        const T b = K(lanes_end)(&s) / (T)n;
        for (int64_t i = 0; i < n; i++) {
            const T h = rms ? x[i] * rstd : (x[i] - m) * rstd, u = rms ? dx[i] : dx[i] - a;
            dx[i] = (u - h * b) * rstd;
        }
    }
}

/* Chains over the rows of g * h and of g, 64 columns at a time. */
FN void K(row_norm_columns)(int64_t rows, int64_t n, const T *g, const T *x, const T *means, const T *rstds,
                            T *dweight, T *dbias) {
    T acc[2][64], part[2][64], total[2][64];
    for (int64_t c = 0; c < n; c += 64) {
        const int64_t m = gm_least(64, n - c);
        for (int i = 0; i < 2; i++)
            for (int64_t j = 0; j < 64; j++) acc[i][j] = part[i][j] = total[i][j] = 0;
        for (int64_t r = 0; r < rows; r++) {
            const T *from = x + r * n + c, *by = g + r * n + c, mean = means[r], rstd = rstds[r];
            for (int64_t j = 0; j < m; j++) {
                acc[0][j] = FMA(by[j], (from[j] - mean) * rstd, acc[0][j]);
                acc[1][j] += by[j];
            }
            if ((r + 1) % GM_CHUNK && r + 1 < rows) continue;
            for (int i = 0; i < 2; i++)
                for (int64_t j = 0; j < m; j++) {
                    part[i][j] += acc[i][j], acc[i][j] = 0;
                    if ((r + 1) % GM_SUPER == 0 || r + 1 == rows) total[i][j] += part[i][j], part[i][j] = 0;
                }
        }
        for (int64_t j = 0; j < m; j++) dweight[c + j] = total[0][j], dbias[c + j] = total[1][j];
    }
}
