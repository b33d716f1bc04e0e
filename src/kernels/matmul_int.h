/* matmul_int.h: integer products, one row of c at a time: sums of a row of b, scaled, in a run that stays in L1.
 * Integer sums wrap, so their order is free. b with contiguous rows is the fast case; others are gathered, a row at a
 * time. */

enum { GM_K(mi_run) = 512 };

/* run[j] += a * b[j] in the unsigned type S; b holds T. Four rows of b at a time. */
#define MI_PRODUCT(name, A, B, S)                                                                                      \
    static void GM_K(mi_rows_##name)(int64_t n, const S *x, const B *b, int64_t b_row, int64_t b_col, S *run) {       \
        const B *b1 = b + b_row, *b2 = b + 2 * b_row, *b3 = b + 3 * b_row;                                             \
        if (b_col == 1)                                                                                                \
            for (int64_t j = 0; j < n; j++)                                                                            \
                run[j] += x[0] * (S)b[j] + x[1] * (S)b1[j] + x[2] * (S)b2[j] + x[3] * (S)b3[j];                        \
        else                                                                                                           \
            for (int64_t j = 0, o = 0; j < n; j++, o += b_col)                                                         \
                run[j] += x[0] * (S)b[o] + x[1] * (S)b1[o] + x[2] * (S)b2[o] + x[3] * (S)b3[o];                        \
    }                                                                                                                  \
    static void GM_K(mi_run_##name)(const gm_mm_job *job, int64_t i, int64_t j0, int64_t n, S *run) {                  \
        const A *a = (const A *)job->a + i * job->a_row;                                                               \
        const B *b = (const B *)job->b + j0 * job->b_col;                                                              \
        int64_t k = 0;                                                                                                 \
        for (int64_t j = 0; j < n; j++) run[j] = 0;                                                                    \
        for (; k + 4 <= job->k; k += 4) {                                                                              \
            S x[4];                                                                                                    \
            for (int u = 0; u < 4; u++) x[u] = (S)a[(k + u) * job->a_col];                                             \
            GM_K(mi_rows_##name)(n, x, b + k * job->b_row, job->b_row, job->b_col, run);                               \
        }                                                                                                              \
        for (; k < job->k; k++)                                                                                        \
            for (int64_t j = 0; j < n; j++)                                                                            \
                run[j] += (S)a[k * job->a_col] * (S)b[k * job->b_row + j * job->b_col];                                \
    }                                                                                                                  \
    static void GM_K(mi_##name)(const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {                \
        S run[GM_K(mi_run)];                                                                                           \
        for (int64_t j = j0; j < j1; j += GM_K(mi_run)) {                                                              \
            int64_t n = j1 - j < GM_K(mi_run) ? j1 - j : GM_K(mi_run);                                                 \
            for (int64_t i = i0; i < i1; i++) {                                                                        \
                GM_K(mi_run_##name)(job, i, j, n, run);                                                                \
                S *c = (S *)job->c + i * job->c_row + j * job->c_col;                                                  \
                for (int64_t l = 0; l < n; l++) c[l * job->c_col] = run[l];                                            \
                if (job->done) job->done(job->env, job->batch, i, j, n, c, job->c_col);                                \
            }                                                                                                          \
        }                                                                                                              \
    }

MI_PRODUCT(s8, int8_t, int8_t, uint32_t)
MI_PRODUCT(u8, uint8_t, int8_t, uint32_t)
MI_PRODUCT(i32, int32_t, int32_t, uint32_t)
MI_PRODUCT(i64, int64_t, int64_t, uint64_t)

static void GM_K(matmul_s8)(const gm_mm_job *job, bool a_unsigned, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
    if (a_unsigned) GM_K(mi_u8)(job, i0, i1, j0, j1);
    else GM_K(mi_s8)(job, i0, i1, j0, j1);
}

static void GM_K(matmul_i32)(const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
    GM_K(mi_i32)(job, i0, i1, j0, j1);
}

static void GM_K(matmul_i64)(const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
    GM_K(mi_i64)(job, i0, i1, j0, j1);
}

#undef MI_PRODUCT
