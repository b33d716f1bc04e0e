/* conv_copy.h: copies between layouts for the convolution templates (conv.h). */

static int64_t CK(conv_least)(int64_t a, int64_t b) { return a < b ? a : b; }

/* One square block: to[c * to_stride + r] = from[r * from_stride + c], r and c < CONV_VN. */
GM_INLINE void CK(conv_transpose_block)(CONV_T *to, int64_t to_stride, const CONV_T *from, int64_t from_stride) {
    CONV_V v[CONV_VN];
    GM_UNROLL
    for (int i = 0; i < CONV_VN; i++) v[i] = CONV_LOAD(from + i * from_stride);
    CONV_TRANSPOSE(v);
    GM_UNROLL
    for (int i = 0; i < CONV_VN; i++) CONV_STORE(to + i * to_stride, v[i]);
}

/* to[i] = from[i], 4 <= n: runs shorter than a vector. */
GM_INLINE void CK(conv_copy_short)(CONV_T *to, const CONV_T *from, int64_t n) {
    for (int64_t i = 0; i < n; i += 4) {
        const int64_t at = i < n - 4 ? i : n - 4;
        memcpy(to + at, from + at, 4 * sizeof *to);
    }
}

/* A block of less than CONV_VN rows or columns, but 4: pictures of 7 and 14 have no others. Not element by element: so
 * many instructions lie between two lines of the source then that their misses do not overlap. */
static void CK(conv_transpose_short)(CONV_T *to, int64_t to_stride, const CONV_T *from, int64_t from_stride,
                                     int64_t rows, int64_t columns) {
    CONV_T block[CONV_VN * CONV_VN] = { 0 };
    for (int64_t r = 0; r < rows; r++) CK(conv_copy_short)(block + r * CONV_VN, from + r * from_stride, columns);
    CK(conv_transpose_block)(block, CONV_VN, block, CONV_VN);
    for (int64_t c = 0; c < columns; c++) CK(conv_copy_short)(to + c * to_stride, block + c * CONV_VN, rows);
}

/* to[c * to_stride + r] = from[r * from_stride + c], r < rows, c < columns. The last blocks overlap the ones before. */
static void CK(conv_transpose)(CONV_T *to, int64_t to_stride, const CONV_T *from, int64_t from_stride, int64_t rows,
                               int64_t columns) {
    const int64_t n = CK(conv_least)(rows, CONV_VN), m = CK(conv_least)(columns, CONV_VN);
    if ((n < 4 && n < CONV_VN) || (m < 4 && m < CONV_VN)) {
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++) to[c * to_stride + r] = from[r * from_stride + c];
        return;
    }
    for (int64_t r = 0; r < rows; r += n) {
        const int64_t at = r < rows - n ? r : rows - n;
        for (int64_t c = 0; c < columns; c += m) {
            const int64_t on = c < columns - m ? c : columns - m;
            CONV_T *there = to + on * to_stride + at;
            const CONV_T *here = from + at * from_stride + on;
            if (n == CONV_VN && m == CONV_VN) CK(conv_transpose_block)(there, to_stride, here, from_stride);
            else CK(conv_transpose_short)(there, to_stride, here, from_stride, n, m);
        }
    }
}

/* to[i] = from[i], short runs too. */
GM_INLINE void CK(conv_copy_run)(CONV_T *to, const CONV_T *from, int64_t n) {
    if (n < CONV_VN) {
        for (int64_t i = 0; i < n; i++) to[i] = from[i];
        return;
    }
    for (int64_t i = 0; i + CONV_VN <= n; i += CONV_VN) CONV_STORE(to + i, CONV_LOAD(from + i));
    if (n % CONV_VN) CONV_STORE(to + n - CONV_VN, CONV_LOAD(from + n - CONV_VN));
}

/* to[i * to_i] = from[i * from_i] */
GM_INLINE void CK(conv_copy_steps)(CONV_T *to, int64_t to_i, const CONV_T *from, int64_t from_i, int64_t n) {
    if (to_i == 1 && from_i == 1)
        for (int64_t i = 0; i < n; i++) to[i] = from[i];
    else if (to_i == 1 && from_i == 2)
        for (int64_t i = 0; i < n; i++) to[i] = from[2 * i];
    else if (to_i == 2 && from_i == 1)
        for (int64_t i = 0; i < n; i++) to[2 * i] = from[i];
    else
        for (int64_t i = 0; i < n; i++) to[i * to_i] = from[i * from_i];
}

/* Neither is contiguous along both: blocks are turned in `turned`, then moved in steps. */
static void CK(conv_copy_turned)(CONV_T *to, int64_t to_i, int64_t to_j, const CONV_T *from, int64_t from_i, int64_t ni,
                                 int64_t nj) {
    CONV_T turned[CONV_VN * CONV_VN];
    for (int64_t i = 0; i < ni; i += CONV_VN) {
        const int64_t n = CK(conv_least)(CONV_VN, ni - i);
        for (int64_t j = 0; j < nj; j += CONV_VN) {
            const int64_t m = CK(conv_least)(CONV_VN, nj - j);
            CK(conv_transpose)(turned, CONV_VN, from + i * from_i + j, from_i, n, m);
            for (int64_t l = 0; l < m; l++)
                CK(conv_copy_steps)(to + i * to_i + (j + l) * to_j, to_i, turned + l * CONV_VN, 1, n);
        }
    }
}

/* to[i * to_i + j * to_j] = from[i * from_i + j * from_j], i < ni, j < nj; fast where strides are 1. */
static void CK(conv_copy)(CONV_T *to, int64_t to_i, int64_t to_j, const CONV_T *from, int64_t from_i, int64_t from_j,
                          int64_t ni, int64_t nj) {
    if (to_i == 1 && from_i == 1) {
        for (int64_t j = 0; j < nj; j++) CK(conv_copy_run)(to + j * to_j, from + j * from_j, ni);
    } else if (to_j == 1 && from_j == 1) {
        for (int64_t i = 0; i < ni; i++) CK(conv_copy_run)(to + i * to_i, from + i * from_i, nj);
    } else if (to_i == 1 && from_j == 1) {
        CK(conv_transpose)(to, to_j, from, from_i, ni, nj);
    } else if (to_j == 1 && from_i == 1) {
        CK(conv_transpose)(to, to_i, from, from_j, nj, ni);
    } else if (from_j == 1 && ni >= CONV_VN && nj >= CONV_VN) {
        CK(conv_copy_turned)(to, to_i, to_j, from, from_i, ni, nj);
    } else if (to_i == 1 || (from_i < from_j && to_j != 1)) {
        for (int64_t j = 0; j < nj; j++) CK(conv_copy_steps)(to + j * to_j, to_i, from + j * from_j, from_i, ni);
    } else {
        for (int64_t i = 0; i < ni; i++) CK(conv_copy_steps)(to + i * to_i, to_j, from + i * from_i, from_j, nj);
    }
}

/* One row of a box: cells 0..columns-1 are the source coordinates first, first + cell ..., zero outside of 0..size-1.
 * Strides: to_w, to_c in the box; from_w, from_c in the source row. */
static void CK(conv_copy_row)(CONV_T *to, int64_t to_w, int64_t to_c, const CONV_T *from, int64_t from_w,
                              int64_t from_c, int64_t first, int64_t cell, int64_t size, int64_t columns, int64_t c) {
    int64_t a = first < 0 ? (-first + cell - 1) / cell : 0;
    int64_t b = size > first ? (size - first + cell - 1) / cell : 0;
    if (b > columns) b = columns;
    if (a > b) a = b;
    for (int64_t w = 0; w < columns; w++) {
        if (w == a) w = b;
        if (w < columns)
            for (int64_t i = 0; i < c; i++) to[w * to_w + i * to_c] = 0;
    }
    if (a < b)
        CK(conv_copy)(to + a * to_w, to_w, to_c, from + (first + a * cell) * from_w, cell * from_w, from_c, b - a, c);
}
