/* reduce_rows.h: the two orders of reduction, for one operation and one type. Included by reduce.h, which defines
 *   RD(name)  the function's name         RD_T      the type
 *   RD_ID     the identity                RD_OP(a, b)
 *   RD_V, RD_VN, RD_LOAD, RD_STORE        vectors, where RD_OP is + on them
 *
 * Rows: 32 lanes, blocks of 4,096, superblocks of 64 blocks. Columns: a chain per column, which the driver cuts into
 * chunks of 256 rows and superblocks of 64 chunks. */

/* lane[32] of one block of n elements. */
static void RD(block)(int64_t n, const void *from, void *to) {
    const RD_T *x = from;
    RD_T lane[GM_RD_LANES];
    int64_t k = 0;
#ifdef RD_V
    RD_V acc[GM_RD_LANES / RD_VN];
    GM_UNROLL
    for (int i = 0; i < GM_RD_LANES / RD_VN; i++) acc[i] = (RD_V){ 0 };
    for (; k + GM_RD_LANES <= n; k += GM_RD_LANES) {
        GM_UNROLL
        for (int i = 0; i < GM_RD_LANES / RD_VN; i++) acc[i] += RD_LOAD(x + k + i * RD_VN);
    }
    GM_UNROLL
    for (int i = 0; i < GM_RD_LANES / RD_VN; i++) RD_STORE(lane + i * RD_VN, acc[i]);
#else
    for (int i = 0; i < GM_RD_LANES; i++) lane[i] = RD_ID;
    for (; k + GM_RD_LANES <= n; k += GM_RD_LANES)
        for (int i = 0; i < GM_RD_LANES; i++) lane[i] = RD_OP(lane[i], x[k + i]);
#endif
    for (int i = 0; k + i < n; i++) lane[i] = RD_OP(lane[i], x[k + i]);
    memcpy(to, lane, sizeof lane);
}

/* acc[i] = acc[i] op x[i] */
static void RD(merge)(int64_t n, const void *from, void *to) {
    const RD_T *x = from;
    RD_T *acc = to;
    for (int64_t i = 0; i < n; i++) acc[i] = RD_OP(acc[i], x[i]);
}

GM_INLINE RD_T RD(fold)(RD_T *lane) {
    for (int s = GM_RD_LANES / 2; s; s /= 2)
        for (int i = 0; i < s; i++) lane[i] = RD_OP(lane[i], lane[i + s]);
    return lane[0];
}

static RD_T RD(long_row)(int64_t n, const RD_T *x) {
    RD_T lane[GM_RD_LANES], part[GM_RD_LANES], total[GM_RD_LANES];
    for (int i = 0; i < GM_RD_LANES; i++) total[i] = RD_ID;
    for (int64_t s = 0; s < n; s += GM_RD_SUPER) {
        int64_t end = n - s < GM_RD_SUPER ? n : s + GM_RD_SUPER;
        for (int i = 0; i < GM_RD_LANES; i++) part[i] = RD_ID;
        for (int64_t k = s; k < end; k += GM_RD_BLOCK) {
            RD(block)(end - k < GM_RD_BLOCK ? end - k : GM_RD_BLOCK, x + k, lane);
            RD(merge)(GM_RD_LANES, lane, part);
        }
        RD(merge)(GM_RD_LANES, part, total);
    }
    return RD(fold)(total);
}

/* y[i] = the reduction of x[i, 0 .. n]. A single block needs no adding to +0: no lane is -0. */
static void RD(rows)(int64_t rows, int64_t n, const void *from, void *to) {
    const RD_T *x = from;
    RD_T *y = to, lane[GM_RD_LANES];
    for (int64_t i = 0; i < rows; i++, x += n) {
        if (n > GM_RD_BLOCK) {
            y[i] = RD(long_row)(n, x);
        } else {
            RD(block)(n, x, lane);
            y[i] = RD(fold)(lane);
        }
    }
}

/* acc[j] = acc[j] op x[k, j] for k ascending; rows are `stride` apart. */
static void RD(columns)(int64_t rows, int64_t stride, int64_t columns, const void *from, void *to) {
    const RD_T *x = from;
    RD_T *acc = to;
    int64_t k = 0;
    for (; k + 4 <= rows; k += 4, x += 4 * stride)
        for (int64_t j = 0; j < columns; j++) {
            RD_T a = RD_OP(acc[j], x[j]);
            a = RD_OP(a, x[stride + j]);
            a = RD_OP(a, x[2 * stride + j]);
            acc[j] = RD_OP(a, x[3 * stride + j]);
        }
    for (; k < rows; k++, x += stride) RD(merge)(columns, x, acc);
}

#undef RD
#undef RD_T
#undef RD_ID
#undef RD_OP
#undef RD_V
#undef RD_VN
#undef RD_LOAD
#undef RD_STORE
