/* matvec.h: one to four rows of a against an unpacked b, for one type and one instruction set: the products whose time
 * is that of reading b once. Same values and the same macros as matmul_tile.h, which it follows.
 *
 * Rows of b contiguous: eight rows of b at a time meet a run of sums that stays in L1; eight long streams suit the
 * prefetcher. Columns contiguous (the weights [out, in] of a linear layer): lanes are columns, and squares of b are
 * transposed in registers on the way. */

#define MV_RUN (2048 / MM_VN * MM_VN / (int)(sizeof(MM_T) / 4)) /* columns whose sums fit L1 beside the streams */

typedef struct {
    const gm_mm_job *job;
    int64_t i0, j0, rows, cols, k0, kc;
    MM_T *sums; /* [rows][MV_RUN]: the chains of this chunk */
} MM(run);

/* sums[R, cols] = fma over U steps of k. */
GM_INLINE void MM(run_step)(const int R, const int U, const MM(run) *s, int64_t k, int64_t b_row) {
    const gm_mm_job *job = s->job;
    const MM_T *a = (const MM_T *)job->a + s->i0 * job->a_row + k * job->a_col;
    const MM_T *b = (const MM_T *)job->b + k * b_row + s->j0;
    MM_T x[4][8];
    GM_UNROLL
    for (int i = 0; i < R; i++) {
        GM_UNROLL
        for (int u = 0; u < U; u++) x[i][u] = a[i * job->a_row + u * job->a_col];
    }
    int64_t j = 0;
    for (; j + MM_VN <= s->cols; j += MM_VN) {
        MM_V acc[4];
        GM_UNROLL
        for (int i = 0; i < R; i++) acc[i] = MM_LOAD(s->sums + i * MV_RUN + j);
        GM_UNROLL
        for (int u = 0; u < U; u++) {
            MM_V bv = MM_LOAD(b + u * b_row + j);
            GM_UNROLL
            for (int i = 0; i < R; i++) acc[i] = MM_VFMA(MM_SPLAT(x[i][u]), bv, acc[i]);
        }
        GM_UNROLL
        for (int i = 0; i < R; i++) MM_STORE(s->sums + i * MV_RUN + j, acc[i]);
    }
    for (; j < s->cols; j++)
        for (int i = 0; i < R; i++)
            for (int u = 0; u < U; u++)
                s->sums[i * MV_RUN + j] = MM_FMA(x[i][u], b[u * b_row + j], s->sums[i * MV_RUN + j]);
}

#define MV_RUN_STEPS(R, U)                                                                                             \
    static int64_t MM(run_steps_##R)(const MM(run) *s) {                                                               \
        int64_t k = s->k0, end = s->k0 + s->kc;                                                                        \
        for (; k + U <= end; k += U) MM(run_step)(R, U, s, k, s->job->b_row);                                          \
        for (; k < end; k++) MM(run_step)(R, 1, s, k, s->job->b_row);                                                  \
        return k;                                                                                                      \
    }
MV_RUN_STEPS(1, 8)
MV_RUN_STEPS(2, 8)
MV_RUN_STEPS(3, 4)
MV_RUN_STEPS(4, 4)

static void MM(run_rows)(const MM(run) *s) {
    for (int64_t i = 0; i < s->rows; i++)
        for (int64_t j = 0; j < s->cols; j++) s->sums[i * MV_RUN + j] = 0;
    if (s->rows == 1) MM(run_steps_1)(s);
    else if (s->rows == 2) MM(run_steps_2)(s);
    else if (s->rows == 3) MM(run_steps_3)(s);
    else MM(run_steps_4)(s);
}

/* The chains of VN columns of b, each contiguous in k, for R rows of a; columns past the last repeat it. */
GM_INLINE void MM(dot_square)(const int R, const MM(run) *s, int64_t j) {
    const gm_mm_job *job = s->job;
    const MM_T *a = (const MM_T *)job->a + s->i0 * job->a_row + s->k0 * job->a_col;
    const MM_T *b = (const MM_T *)job->b + s->k0 + (s->j0 + j) * job->b_col;
    int64_t past = s->cols - 1 - j, k = 0;
    MM_V acc[4], v[MM_VN];
    GM_UNROLL
    for (int i = 0; i < R; i++) acc[i] = MM_SPLAT(0);
    for (; k + MM_VN <= s->kc; k += MM_VN) {
        GM_UNROLL
        for (int l = 0; l < MM_VN; l++) v[l] = MM_LOAD(b + k + (l < past ? l : past) * job->b_col);
        MM_TRANSPOSE(v);
        GM_UNROLL
        for (int l = 0; l < MM_VN; l++) {
            GM_UNROLL
            for (int i = 0; i < R; i++)
                acc[i] = MM_VFMA(MM_SPLAT(a[i * job->a_row + (k + l) * job->a_col]), v[l], acc[i]);
        }
    }
    for (; k < s->kc; k++) {
        for (int l = 0; l < MM_VN; l++) v[0][l] = b[k + (l < past ? l : past) * job->b_col];
        GM_UNROLL
        for (int i = 0; i < R; i++) acc[i] = MM_VFMA(MM_SPLAT(a[i * job->a_row + k * job->a_col]), v[0], acc[i]);
    }
    GM_UNROLL
    for (int i = 0; i < R; i++)
        for (int l = 0; l <= past && l < MM_VN; l++) s->sums[i * MV_RUN + j + l] = acc[i][l];
}

static void MM(run_cols)(const MM(run) *s) {
    for (int64_t j = 0; j < s->cols; j += MM_VN) {
        if (s->rows == 1) MM(dot_square)(1, s, j);
        else if (s->rows == 2) MM(dot_square)(2, s, j);
        else if (s->rows == 3) MM(dot_square)(3, s, j);
        else MM(dot_square)(4, s, j);
    }
}

/* c (or the parts, where a later superblock goes on) takes the chains of a chunk. */
static void MM(run_add)(const MM(run) *s, MM_T *c, int64_t c_row, int64_t c_col, bool resume) {
    for (int64_t i = 0; i < s->rows; i++) {
        const MM_T *from = s->sums + i * MV_RUN;
        MM_T *to = c + i * c_row;
        if (c_col == 1)
            for (int64_t j = 0; j < s->cols; j++) to[j] = (resume ? to[j] : 0) + from[j];
        else
            for (int64_t j = 0; j < s->cols; j++) to[j * c_col] = (resume ? to[j * c_col] : 0) + from[j];
    }
}

static void MM(run_block)(MM(run) *s, MM_T *parts) {
    const gm_mm_job *job = s->job;
    MM_T *c = (MM_T *)job->c + s->i0 * job->c_row + s->j0 * job->c_col;
    for (s->k0 = 0; s->k0 < job->k; s->k0 += GM_MM_CHUNK) {
        bool first = s->k0 < GM_MM_SUPER, begins = s->k0 % GM_MM_SUPER == 0;
        int64_t next = s->k0 + GM_MM_CHUNK;
        s->kc = MM_MIN(job->k - s->k0, GM_MM_CHUNK);
        if (job->b_col == 1) MM(run_rows)(s);
        else MM(run_cols)(s);
        if (first) MM(run_add)(s, c, job->c_row, job->c_col, !begins);
        else MM(run_add)(s, parts, MV_RUN, 1, !begins);
        if (first || (next < job->k && next % GM_MM_SUPER)) continue;
        MM(run) total = *s;
        total.sums = parts;
        MM(run_add)(&total, c, job->c_row, job->c_col, true);
    }
    MM(done)(job, s->i0, s->j0, s->rows, s->cols, c, job->c_row, job->c_col);
}

/* As the product of matmul_tile.h; for k > 0, few rows, and b with contiguous rows or columns. */
static void MM(matvec)(const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1, MM_T *work) {
    for (int64_t j = j0; j < j1; j += MV_RUN) {
        for (int64_t i = i0; i < i1; i += 4) {
            MM(run) s = { .job = job, .i0 = i, .j0 = j, .rows = MM_MIN(i1 - i, 4), .cols = MM_MIN(j1 - j, MV_RUN),
                          .sums = work };
            MM(run_block)(&s, work + 4 * MV_RUN);
        }
    }
}

static bool MM(is_matvec)(const gm_mm_job *job) {
    return job->m <= 4 && job->k > 0 && !job->b_packed && (job->b_col == 1 || job->b_row == 1);
}

#undef MV_RUN
#undef MV_RUN_STEPS
