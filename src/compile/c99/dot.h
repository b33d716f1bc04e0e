/* dot.h: dot-like sums of 4 rows with 16 columns, which come packed, a chunk of 256 at a time; and the matrix product.
 */
typedef struct { T acc[64], part[64], total[64], a[1024], b[4096]; int64_t chunks; } K(dot);

FN void K(dot_begin)(K(dot) *d) {
    d->chunks = 0;
    for (int i = 0; i < 64; i++) d->part[i] = d->total[i] = 0;
}

/* a[p][4] and b[p][16], p < n <= 256 */
FN void K(dot_chunk)(K(dot) *d, int64_t n) {
    for (int r = 0; r < 4; r++) {
        T acc[16] = { 0 };
        for (int64_t p = 0; p < n; p++) {
            const T v = d->a[p * 4 + r], *b = d->b + p * 16;
            for (int j = 0; j < 16; j++) acc[j] = FMA(v, b[j], acc[j]);
        }
        for (int j = 0; j < 16; j++) d->part[r * 16 + j] += acc[j];
    }
    if (++d->chunks & 63) return;
    for (int i = 0; i < 64; i++) d->total[i] += d->part[i], d->part[i] = 0;
}

FN void K(dot_end)(K(dot) *d) {
    for (int i = 0; i < 64; i++) d->total[i] += d->part[i];
}

/* b[p][j] = x[p * row + j * col], zeros behind the w-th column; the same of four. */
FN void K(dot_pack)(T *b, int width, int64_t n, int64_t w, const T *x, int64_t row, int64_t col) {
    if (w > width) w = width;
    for (int64_t p = 0; p < n; p++)
        for (int j = 0; j < width; j++) b[p * width + j] = j < w ? x[p * row + j * col] : 0;
}

/* c[m, n] = a[m, k] b[k, n] (+ bias[n] where there is one) */
FN void K(matmul)(int64_t m, int64_t n, int64_t k, const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row,
                  int64_t b_col, const T *bias, T *c, int64_t c_row) {
    static K(dot) d;
    for (int64_t j = 0; j < n; j += 16)
        for (int64_t i = 0; i < m; i += 4) {
            K(dot_begin)(&d);
            for (int64_t p = 0; p < k; p += 256) {
                int64_t len = k - p < 256 ? k - p : 256;
                if (i == 0 || k > 256) K(dot_pack)(d.b, 16, len, n - j, b + p * b_row + j * b_col, b_row, b_col);
                K(dot_pack)(d.a, 4, len, m - i, a + i * a_row + p * a_col, a_col, a_row);
                K(dot_chunk)(&d, len);
            }
            K(dot_end)(&d);
            for (int64_t r = 0; r < 4 && i + r < m; r++)
                for (int64_t q = 0; q < 16 && j + q < n; q++)
                    c[(i + r) * c_row + j + q] = bias ? d.total[r * 16 + q] + bias[j + q] : d.total[r * 16 + q];
        }
}
