/* index.h: selecting by index, sums back, the place of the largest, scores by label. */

/* y[outer][count][inner] = x[outer][n][inner] at index */
FN void K(index_select)(int64_t outer, int64_t n, int64_t inner, int64_t count, const T *x, const int64_t *index,
                        T *y) {
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < count; k++) {
            const int64_t at = index[k];
            if (at < 0 || at >= n) {
                gm_bad = 1;
                continue;
            }
            for (int64_t i = 0; i < inner; i++) y[(o * count + k) * inner + i] = x[(o * n + at) * inner + i];
        }
}

/* y[outer][n][inner] = 0, then += g[outer][count][inner] at index, but for `padding` */
FN void K(index_sum)(int64_t outer, int64_t n, int64_t inner, int64_t count, int64_t padding, const T *g,
                     const int64_t *index, T *y) {
    for (int64_t i = 0; i < outer * n * inner; i++) y[i] = 0;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < count; k++) {
            const int64_t at = index[k];
            if (at < 0 || at >= n) gm_bad = 1;
            else if (at != padding)
                for (int64_t i = 0; i < inner; i++) y[(o * n + at) * inner + i] += g[(o * count + k) * inner + i];
        }
}

/* The first index of the largest (smallest) along the one reduced dimension; a NaN is both. */
FN void K(argmax)(const gm_walk *w, int smallest, const T *x, int64_t *y) {
    int64_t at[16] = { 0 }, off = 0, n = gm_product(w->n_kept, w->kept);
    for (int64_t i = 0; i < n; i++) {
        const T *row = x + off;
        int64_t best = 0;
        for (int64_t j = 1; j < w->reduced[0]; j++) {
            const T a = row[best * w->reduced_stride[0]], b = row[j * w->reduced_stride[0]];
            if (a == a && (b != b || (smallest ? b < a : b > a))) best = j;
        }
        y[i] = best;
        gm_next(w->n_kept, w->kept, w->kept_stride, at, &off);
    }
}

FN void K(pick)(int64_t rows, int64_t n, int64_t row, int64_t col, const T *x, const int64_t *label, int ignores,
                int64_t ignore, T *y) {
    for (int64_t r = 0; r < rows; r++) {
        const int64_t t = gm_label(label[r], n, ignores, ignore);
        y[r] = t < 0 ? 0 : x[r * row + t * col];
    }
}

FN void K(unpick)(int64_t rows, int64_t n, const T *g, const int64_t *label, int ignores, int64_t ignore, T *y) {
    for (int64_t i = 0; i < rows * n; i++) y[i] = 0;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t t = gm_label(label[r], n, ignores, ignore);
        if (t >= 0) y[r * n + t] = g[r];
    }
}
