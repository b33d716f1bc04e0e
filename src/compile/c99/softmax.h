/* softmax.h: softmax of rows x[outer][n][inner] along n, its gradients, and cross-entropy. */
FN T K(row_max)(int64_t n, const T *x, int64_t step) {
    T m = x[0];
    for (int64_t i = 1; i < n; i++) m = M(max)(m, x[i * step]);
    return m;
}

FN void K(softmax)(int logarithm, int lanes, int64_t outer, int64_t n, int64_t inner, const T *x, T *y) {
    for (int64_t o = 0; o < outer * inner; o++) {
        const T *a = x + o / inner * n * inner + o % inner;
        T *b = y + (a - x), m = K(row_max)(n, a, inner), s;
        for (int64_t i = 0; i < n; i++) b[i * inner] = M(exp)(a[i * inner] - m);
        s = K(row_sum)(lanes, n, b, inner);
        if (logarithm) s = M(log)(s);
        for (int64_t i = 0; i < n; i++) b[i * inner] = logarithm ? (a[i * inner] - m) - s : b[i * inner] / s;
    }
}

FN void K(softmax_grad)(int logarithm, int lanes, int64_t outer, int64_t n, int64_t inner, const T *g, const T *y,
                        T *dx) {
    for (int64_t o = 0; o < outer * inner; o++) {
        int64_t at = o / inner * n * inner + o % inner;
        for (int64_t i = 0; i < n; i++) {
            int64_t k = at + i * inner;
            dx[k] = logarithm ? g[k] : g[k] * y[k];
        }
        const T s = K(row_sum)(lanes, n, dx + at, inner);
        for (int64_t i = 0; i < n; i++) {
            int64_t k = at + i * inner;
            dx[k] = logarithm ? g[k] - M(exp)(y[k]) * s : y[k] * (g[k] - s);
        }
    }
}

/* l = -((x[t] - m) - log(s)); stats: m, s */
FN void K(softmax_nll)(int64_t rows, int64_t n, const T *x, const int64_t *label, int ignores, int64_t ignore, T *loss,
                       T *stats) {
    for (int64_t r = 0; r < rows; r++, x += n) {
        const int64_t t = gm_label(label[r], n, ignores, ignore);
        const T m = K(row_max)(n, x, 1);
        K(lanes) sum = { { 0 }, { 0 }, { 0 }, 0 };
        for (int64_t i = 0; i < n; i++) K(lanes_add)(&sum, M(exp)(x[i] - m));
        stats[2 * r] = m, stats[2 * r + 1] = K(lanes_end)(&sum);
        loss[r] = t < 0 ? 0 : -((x[t] - m) - M(log)(stats[2 * r + 1]));
    }
}

FN void K(softmax_nll_grad)(int64_t rows, int64_t n, const T *g, const T *x, const int64_t *label, const T *stats,
                            int ignores, int64_t ignore, T *dx) {
    for (int64_t r = 0; r < rows; r++, x += n, dx += n) {
        const int64_t t = gm_label(label[r], n, ignores, ignore);
        const T m = stats[2 * r], s = stats[2 * r + 1], scale = t < 0 ? 0 : g[r];
        for (int64_t i = 0; i < n; i++) dx[i] = M(exp)(x[i] - m) / s * scale;
        if (t >= 0) dx[t] = dx[t] - scale;
    }
}
