/* dot.h: dot-like sums in tiles, and the matrix product.
 *
 * A tile is up to GM_MR rows by GM_NR columns (or one vector's) over one chunk of k: chains of fma that stay in
 * registers, then added to what is in c: parts of a superblock, which c itself holds, since no part is -0. Lanes are
 * columns, so that no order of a sum depends on the width of a vector. */
#if GM_VECTORS
typedef T K(vec) __attribute__((vector_size(GM_VBYTES), may_alias));
typedef T K(vec_any) __attribute__((vector_size(GM_VBYTES), may_alias, aligned(sizeof(T))));

/* c[mr][nv vectors] = (resume ? c : 0) + a[i * row + k * col] b[k * step or at[k], ...], k < n */
GM_ALWAYS void K(tile_of)(const int mr, const int nv, const int gathers, int64_t n, const T *a, int64_t row,
                          int64_t col, const T *b, int64_t step, const int32_t *at, T *c, int64_t c_row, int resume) {
    K(vec) acc[GM_MR][GM_NV], bv[GM_NV];
    const T *rows[4];
    GM_UNROLL
    for (int g = 0; 4 * g < mr; g++) rows[g] = a + 4 * g * row;
    GM_UNROLL
    for (int i = 0; i < mr; i++) {
        GM_UNROLL
        for (int v = 0; v < nv; v++) acc[i][v] = (K(vec)){ 0 };
    }
    for (int64_t k = 0; k < n; k++) {
        const T *p = gathers ? b + at[k] : b;
        GM_UNROLL
        for (int v = 0; v < nv; v++) bv[v] = *(const K(vec_any) *)(p + v * GM_VN);
        GM_UNROLL
        for (int i = 0; i < mr; i++) {
            const K(vec) x = M(gm_splat)(rows[i / 4][i % 4 * row]);
            GM_UNROLL
            for (int v = 0; v < nv; v++) acc[i][v] = M(gm_vfma)(x, bv[v], acc[i][v]);
        }
        GM_UNROLL
        for (int g = 0; 4 * g < mr; g++) rows[g] += col;
        if (!gathers) b += step;
    }
    GM_UNROLL
    for (int i = 0; i < mr; i++) {
        GM_UNROLL
        for (int v = 0; v < nv; v++) {
            K(vec_any) *to = (K(vec_any) *)(c + i * c_row + v * GM_VN);
            const K(vec) part = resume ? *to : (K(vec)){ 0 };
            *to = part + acc[i][v];
        }
    }
}

#define GM_TILE_(r, nv, gathers) K(tile_of)(r, nv, gathers, n, a, row, col, b, step, at, c, c_row, resume); break;
#define GM_TILE(r)                                                                                                     \
    case 4 * r: GM_TILE_(r, 1, 0)                                                                                      \
    case 4 * r + 1: GM_TILE_(r, 1, 1)                                                                                  \
    case 4 * r + 2: GM_TILE_(r, GM_NV, 0)                                                                              \
    case 4 * r + 3: GM_TILE_(r, GM_NV, 1)

static GM_UNUSED __attribute__((noinline)) void K(tile)(int64_t mr, int wide, int64_t n, const T *a, int64_t row,
                                                        int64_t col, const T *b, int64_t step, const int32_t *at, T *c,
                                                        int64_t c_row, int resume) {
    switch (4 * (int)mr + 2 * wide + (at != NULL)) {
        GM_TILE(1) GM_TILE(2) GM_TILE(3) GM_TILE(4) GM_TILE(5) GM_TILE(6)
#if GM_MR == 14
        GM_TILE(7) GM_TILE(8) GM_TILE(9) GM_TILE(10) GM_TILE(11) GM_TILE(12) GM_TILE(13) GM_TILE(14)
#endif
    }
}
#undef GM_TILE
#undef GM_TILE_
#else
FN void K(tile)(int64_t mr, int wide, int64_t n, const T *a, int64_t row, int64_t col, const T *b, int64_t step,
                const int32_t *at, T *c, int64_t c_row, int resume) {
    T acc[GM_MR][GM_NR];
    const int lanes = wide ? GM_NR : GM_VN;
    for (int64_t i = 0; i < mr; i++)
        for (int j = 0; j < lanes; j++) acc[i][j] = 0;
    for (int64_t k = 0; k < n; k++) {
        const T *p = at ? b + at[k] : b + k * step;
        for (int64_t i = 0; i < mr; i++) {
            const T x = a[i * row + k * col];
            for (int j = 0; j < lanes; j++) acc[i][j] = FMA(x, p[j], acc[i][j]);
        }
    }
    for (int64_t i = 0; i < mr; i++)
        for (int j = 0; j < lanes; j++) c[i * c_row + j] = (resume ? c[i * c_row + j] : 0) + acc[i][j];
}
#endif

/* A tile of which only `cols` columns are to be written. */
FN void K(tile_part)(int64_t mr, int64_t cols, int64_t n, const T *a, int64_t row, int64_t col, const T *b,
                     int64_t step, T *c, int64_t c_row, int resume) {
    T sums[GM_MR * GM_NR];
    K(tile)(mr, cols > GM_VN, n, a, row, col, b, step, NULL, sums, GM_NR, 0);
    for (int64_t i = 0; i < mr; i++)
        for (int64_t j = 0; j < cols; j++)
            c[i * c_row + j] = (resume ? c[i * c_row + j] : 0) + sums[i * GM_NR + j];
}

/* p[k][pitch] = b[k * row + j * col], zeros from the w-th to a whole tile's end */
FN void K(pack)(T *p, int64_t pitch, int64_t n, int64_t w, const T *b, int64_t row, int64_t col) {
    const int64_t end = (w + GM_NR - 1) / GM_NR * GM_NR;
    if (col == 1) {
        for (int64_t k = 0; k < n; k++) memcpy(p + k * pitch, b + k * row, (size_t)w * sizeof(T));
    } else {
        for (int64_t j = 0; j < w; j += 16)
            for (int64_t k = 0; k < n; k++)
                for (int64_t e = j; e < j + 16 && e < w; e++) p[k * pitch + e] = b[k * row + e * col];
    }
    for (int64_t k = 0; w < end && k < n; k++)
        for (int64_t j = w; j < end; j++) p[k * pitch + j] = 0;
}

enum { K(columns) = 256, K(pitch) = 256 + 16, K(part_rows) = 64 };

/* c[m, w] (resume ? += : =) the chains of one chunk; b's rows hold whole tiles, or only their w columns (exact). */
FN void K(matmul_chunk)(int64_t m, int64_t w, int64_t n, const T *a, int64_t a_row, int64_t a_col, const T *b,
                        int64_t b_row, int exact, T *c, int64_t c_row, int resume) {
    static T tail[GM_CHUNK * GM_NR];
    const int64_t left = w % GM_NR, most = gm_rows_most(a_row * (int64_t)sizeof(T));
    const int apart = exact && left && left != GM_VN;
    if (apart) K(pack)(tail, GM_NR, n, left, b + (w - left), b_row, 1);
    for (int64_t i = 0, mr; i < m; i += mr) {
        mr = gm_rows(m, i, most);
        const T *rows = a + i * a_row;
        for (int64_t j = 0; j < w; j += GM_NR) {
            const int64_t cols = w - j;
            T *to = c + i * c_row + j;
            if (cols >= GM_NR) K(tile)(mr, 1, n, rows, a_row, a_col, b + j, b_row, NULL, to, c_row, resume);
            else if (apart) K(tile_part)(mr, cols, n, rows, a_row, a_col, tail, GM_NR, to, c_row, resume);
            else K(tile_part)(mr, cols, n, rows, a_row, a_col, b + j, b_row, to, c_row, resume);
        }
    }
}

/* c[m, n] = a[m, k] b[k, n] (+ bias[n] where there is one); padded: rows of b end at multiples of 16 elements */
FN void K(matmul)(int64_t m, int64_t n, int64_t k, const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row,
                  int64_t b_col, int padded, const T *bias, T *c, int64_t c_row) {
    static T panel[GM_CHUNK * K(pitch)], part[K(part_rows) * K(columns)];
    const int64_t most = k > GM_SUPER ? K(part_rows) : m, wide = b_row * (int64_t)sizeof(T);
    const int in_place = b_col == 1 && (m <= 2 * GM_MR || (wide <= 2048 && wide % 1024));
    for (int64_t j = 0; j < n; j += K(columns))
        for (int64_t i = 0; i < m; i += most) {
            const int64_t w = gm_least(n - j, K(columns)), rows = gm_least(m - i, most);
            T *to = c + i * c_row + j;
            for (int64_t r = 0; k == 0 && r < rows; r++)
                for (int64_t e = 0; e < w; e++) to[r * c_row + e] = 0;
            for (int64_t p = 0; p < k; p += GM_CHUNK) {
                const int64_t len = gm_least(k - p, GM_CHUNK);
                const T *x = a + i * a_row + p * a_col, *y = b + p * b_row + j * b_col;
                if (!in_place) K(pack)(panel, K(pitch), len, w, y, b_row, b_col);
                K(matmul_chunk)(rows, w, len, x, a_row, a_col, in_place ? y : panel, in_place ? b_row : K(pitch),
                                in_place && !padded, p < GM_SUPER ? to : part, p < GM_SUPER ? c_row : K(columns),
                                p % GM_SUPER != 0);
                if (p >= GM_SUPER && ((p + len) % GM_SUPER == 0 || p + len == k))
                    for (int64_t r = 0; r < rows; r++)
                        for (int64_t e = 0; e < w; e++) to[r * c_row + e] += part[r * K(columns) + e];
            }
            for (int64_t r = 0; bias && r < rows; r++)
                for (int64_t e = 0; e < w; e++) to[r * c_row + e] = to[r * c_row + e] + bias[j + e];
        }
}
