/* matvec.h: one to four rows of a against an unpacked b with contiguous rows, for one type and one instruction set: the
 * products whose time is that of reading b once. Same values and the same macros as matmul_tile.h, which it follows.
 * Eight rows of b at a time meet a run of sums that stays in L1; eight long streams suit the prefetcher. */

#define MV_RUN (2048 / MM_VN * MM_VN / (int)(sizeof(MM_T) / 4)) /* columns whose sums fit L1 beside the streams */

typedef struct {
    const gm_mm_job *job;
    int64_t i0, j0, rows, cols, k0, kc;
    MM_T *sums; /* [rows][MV_RUN]: the chains of this chunk */
} MM(run);

/* A vector of which only `n` lanes exist. */
static void MM(run_last)(int64_t n, const MM_T *from, int64_t step, MM_T *to) {
    for (int64_t j = 0; j < MM_VN; j++) to[j] = j < n ? from[j * step] : 0;
}

/* sums[R, one vector at j] = fma over U rows of b, which are b_row apart. */
GM_INLINE void MM(run_vector)(const int R, const int U, MM_T *sums, MM_T (*x)[8], const MM_T *b, int64_t b_row) {
    MM_V acc[4];
    GM_UNROLL
    for (int i = 0; i < R; i++) acc[i] = MM_LOAD(sums + i * MV_RUN);
    GM_UNROLL
    for (int u = 0; u < U; u++) {
        MM_V bv = MM_LOAD(b + u * b_row);
        GM_UNROLL
        for (int i = 0; i < R; i++) acc[i] = MM_VFMA(MM_SPLAT(x[i][u]), bv, acc[i]);
    }
    GM_UNROLL
    for (int i = 0; i < R; i++) MM_STORE(sums + i * MV_RUN, acc[i]);
}

/* sums[R, cols] = fma over U steps of k. */
GM_INLINE void MM(run_step)(const int R, const int U, const MM(run) *s, int64_t k) {
    const gm_mm_job *job = s->job;
    const MM_T *a = (const MM_T *)job->a + s->i0 * job->a_row + k * job->a_col;
    const MM_T *b = (const MM_T *)job->b + k * job->b_row + s->j0;
    MM_T x[4][8], last[8 * MM_VN];
    GM_UNROLL
    for (int i = 0; i < R; i++) {
        GM_UNROLL
        for (int u = 0; u < U; u++) x[i][u] = a[i * job->a_row + u * job->a_col];
    }
    int64_t j = 0;
    for (; j + MM_VN <= s->cols; j += MM_VN) MM(run_vector)(R, U, s->sums + j, x, b + j, job->b_row);
    if (j == s->cols) return;
    for (int u = 0; u < U; u++) MM(run_last)(s->cols - j, b + u * job->b_row + j, 1, last + u * MM_VN);
    MM(run_vector)(R, U, s->sums + j, x, last, MM_VN);
}

#define MV_RUN_STEPS(R, U)                                                                                             \
    static int64_t MM(run_steps_##R)(const MM(run) *s) {                                                               \
        int64_t k = s->k0, end = s->k0 + s->kc;                                                                        \
        for (; k + U <= end; k += U) MM(run_step)(R, U, s, k);                                          \
        for (; k < end; k++) MM(run_step)(R, 1, s, k);                                                  \
        return k;                                                                                                      \
    }
MV_RUN_STEPS(1, GM_MM_STEPS)
MV_RUN_STEPS(2, GM_MM_STEPS)
MV_RUN_STEPS(3, (GM_MM_STEPS + 1) / 2)
MV_RUN_STEPS(4, (GM_MM_STEPS + 1) / 2)

static void MM(run_chains)(const MM(run) *s) {
    for (int64_t i = 0; i < s->rows; i++)
        for (int64_t j = 0; j < s->cols; j += MM_VN) MM_STORE(s->sums + i * MV_RUN + j, MM_SPLAT(0));
    if (s->rows == 1) MM(run_steps_1)(s);
    else if (s->rows == 2) MM(run_steps_2)(s);
    else if (s->rows == 3) MM(run_steps_3)(s);
    else MM(run_steps_4)(s);
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
        MM(run_chains)(s);
        if (first) MM(run_add)(s, c, job->c_row, job->c_col, !begins);
        else MM(run_add)(s, parts, MV_RUN, 1, !begins);
        if (first || (next < job->k && next % GM_MM_SUPER)) continue;
        MM(run) total = *s;
        total.sums = parts;
        MM(run_add)(&total, c, job->c_row, job->c_col, true);
    }
    MM(finish)(job, s->i0, s->j0, s->rows, s->cols, c, job->c_row, job->c_col);
}

/* As the product of matmul_tile.h; for k > 0, few rows, and b with contiguous rows. */
static void MM(matvec)(const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1, MM_T *work) {
    for (int64_t j = j0; j < j1; j += MV_RUN) {
        for (int64_t i = i0; i < i1; i += 4) {
            MM(run) s = { .job = job, .i0 = i, .j0 = j, .rows = MM_MIN(i1 - i, 4), .cols = MM_MIN(j1 - j, MV_RUN),
                          .sums = work };
            MM(run_block)(&s, work + 4 * MV_RUN);
        }
    }
}

/* From two rows on tiles are faster while b stays in L2. */
static bool MM(is_matvec)(const gm_mm_job *job) {
    if (job->m > 4 || job->k == 0 || job->b_packed || job->b_col != 1) return false;
    return job->m == 1 || job->k * job->n * (int64_t)sizeof(MM_T) > GM_MM_BLOCK_BYTES;
}

#undef MV_RUN
#undef MV_RUN_STEPS
