/* norm.h: sums, statistics and norms per channel (w keeps the channels), and norms of rows. */

/* Chains of x, or of x * y. v walks over y. */
FN void K(channel_sum)(const gm_walk *w, const gm_walk *v, const T *x, const T *y, T *out) {
    const int64_t n = gm_product(w->n_reduced, w->reduced);
    for (int64_t c = 0; c < w->kept[0]; c++) {
        int64_t at[16] = { 0 }, also[16] = { 0 }, off = c * w->kept_stride[0], other = y ? c * v->kept_stride[0] : 0;
        K(chain) s = { 0, 0, 0, 0 };
        for (int64_t i = 0; i < n; i++) {
            K(chain_fma)(&s, x[off], y ? y[other] : 1);
            gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
            if (y) gm_next(v->n_reduced, v->reduced, v->reduced_stride, also, &other);
        }
        out[c] = K(chain_end)(&s);
    }
}

/* Blocks of 256 positions, merged in order. */
FN void K(channel_stats)(const gm_walk *w, const T *x, T *mean, T *var) {
    const int64_t n = gm_product(w->n_reduced, w->reduced);
    int64_t at[16] = { 0 }, off = 0;
    T M = 0, Q = 0;
    for (int64_t p = 0; p < n; p += 256) {
        const int64_t nb = n - p < 256 ? n - p : 256;
        T block[256], m = 0, q = 0;
        for (int64_t i = 0; i < nb; i++) {
            m += block[i] = x[off];
            gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
        }
        m = m / (T)nb;
        for (int64_t i = 0; i < nb; i++) q = FMA(block[i] - m, block[i] - m, q);
        const T all = (T)(p + nb), part = (T)nb / all, d = m - M, u = (T)p * (T)nb / all;
        if (p) M = FMA(d, part, M), Q = (Q + q) + (d * d) * u;
        else M = m, Q = q;
    }
    *mean = M, *var = Q / (T)n;
}

/* mean and var: given, or made in stat[0][c] and stat[1][c]. u walks over y. */
FN void K(batch_norm)(const gm_walk *w, const gm_walk *u, double eps, const T *weight, const T *bias, const T *mean,
                      const T *var, const T *x, T *y, T *mean_out, T *var_out) {
    const int64_t n = gm_product(w->n_reduced, w->reduced);
    for (int64_t c = 0; c < w->kept[0]; c++) {
        int64_t at[16] = { 0 }, to[16] = { 0 }, off = c * w->kept_stride[0], out = c * u->kept_stride[0];
        T m, v;
        if (mean) m = mean[c], v = var[c];
        else {
            K(channel_stats)(w, x + off, &m, &v);
            mean_out[c] = m, var_out[c] = v;
        }
        const T s = (weight ? weight[c] : 1) / M(sqrt)(v + (T)eps), t = FMA(-m, s, bias ? bias[c] : 0);
        for (int64_t i = 0; i < n; i++) {
            y[out] = FMA(x[off], s, t);
            gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
            gm_next(u->n_reduced, u->reduced, u->reduced_stride, to, &out);
        }
    }
}

/* w, v and u walk over x, g and dx; `given`: the statistics do not depend on x. */
FN void K(batch_norm_grad)(const gm_walk *w, const gm_walk *v, const gm_walk *u, double eps, int given, const T *g,
                           const T *x, const T *mean, const T *var, const T *weight, T *dx, T *dweight, T *dbias) {
    const int64_t n = gm_product(w->n_reduced, w->reduced);
    for (int64_t c = 0; c < w->kept[0]; c++) {
        int64_t at[16] = { 0 }, from[16] = { 0 }, to[16] = { 0 };
        int64_t off = c * w->kept_stride[0], in = c * v->kept_stride[0], out = c * u->kept_stride[0];
        K(chain) sum = { 0, 0, 0, 0 }, dot = { 0, 0, 0, 0 };
        for (int64_t i = 0; i < n; i++) {
            K(chain_fma)(&sum, g[in], 1);
            K(chain_fma)(&dot, g[in], x[off] - mean[c]);
            gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
            gm_next(v->n_reduced, v->reduced, v->reduced_stride, from, &in);
        }
        const T root = M(sqrt)(var[c] + (T)eps), r = 1 / root, s = (weight ? weight[c] : 1) / root, count = (T)n;
        dbias[c] = K(chain_end)(&sum), dweight[c] = K(chain_end)(&dot) * r;
        const T shift = -(s * (dbias[c] / count)), slope = -(s * ((dweight[c] * r) / count));
        for (int64_t i = 0; i < n; i++) {
            const T low = given ? 0 : FMA(x[off] - mean[c], slope, shift);
            dx[out] = FMA(g[in], s, low);
            gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
            gm_next(v->n_reduced, v->reduced, v->reduced_stride, from, &in);
            gm_next(u->n_reduced, u->reduced, u->reduced_stride, to, &out);
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
