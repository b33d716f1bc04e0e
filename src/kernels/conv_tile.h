/* conv_tile.h: the micro-kernel of the convolution templates (conv.h): one tile of results over one run of k. */

/* Row i takes its values from row[i][index[k]], and its partial sums, then its results, lie at out + at[i]. */
typedef struct {
    const CONV_T *const *row;
    CONV_T *out;
    const int64_t *at;
    /* for the last run, else NULL: results are finished on the way; what GM_HOOK_TILE_DONE gets */
    const gm__conv_gather *done;
    const int64_t *places;
    int64_t channel;
} CK(conv_rows);

GM_INLINE CONV_V CK(conv_add_bias)(CONV_V v, const gm__conv_gather *p, int64_t channel, int64_t at) {
    (void)at;
    if (p->bias) v += CONV_LOAD((const CONV_T *)p->bias + channel);
    return v;
}

/* `opens`: out = +0 + acc, else out += acc. `paired`: every column has row values of its own. */
GM_INLINE void CK(conv_tile_of)(const int mr, const int nv, const bool paired, const CK(conv_rows) *t,
                                const int32_t *index, const CONV_T *panel, int64_t n, bool opens) {
    const CONV_T *row[CONV_MR];
    CONV_V acc[CONV_MR][CONV_NV];
    GM_UNROLL
    for (int i = 0; i < mr; i++) {
        row[i] = t->row[i];
        GM_PREFETCH_STORE(t->out + t->at[i]);
        if (nv * sizeof(CONV_V) > 64) GM_PREFETCH_STORE(t->out + t->at[i] + CONV_VN);
        GM_UNROLL
        for (int j = 0; j < nv; j++) acc[i][j] = CONV_SPLAT(0);
    }
    for (int64_t k = 0; k < n; k++, panel += nv * CONV_VN) {
        int64_t x = index[k];
        CONV_V b[CONV_NV];
        GM_UNROLL
        for (int j = 0; j < nv; j++) b[j] = CONV_LOAD(panel + j * CONV_VN);
        GM_UNROLL
        for (int i = 0; i < mr; i++) {
            GM_UNROLL
            for (int j = 0; j < nv; j++) {
                CONV_V a = CONV_SPLAT(0);
                if (paired) a = CONV_LOAD(row[i] + x + j * CONV_VN);
                else a = CONV_SPLAT(row[i][x]);
                acc[i][j] = CONV_FMA(a, b[j], acc[i][j]);
            }
        }
    }
    GM_UNROLL
    for (int i = 0; i < mr; i++) {
        GM_UNROLL
        for (int j = 0; j < nv; j++) {
            CONV_T *out = t->out + t->at[i] + j * CONV_VN;
            CONV_V v = CONV_SPLAT(0);
            if (!opens) v = GM_HOOK_RESUME(CONV_LOAD(out));
            v += acc[i][j];
            if (t->done) v = GM_HOOK_TILE_DONE(v, t->done, t->channel + j * CONV_VN, t->places[i]);
            CONV_STORE(out, v);
        }
    }
}

#define CONV_TILE_CASE(rows)                                                                                           \
    case 4 * rows: CK(conv_tile_of)(rows, 1, false, t, index, panel, n, opens); break;                                 \
    case 4 * rows + 1: CK(conv_tile_of)(rows, CONV_NV, false, t, index, panel, n, opens); break;                       \
    case 4 * rows + 2: CK(conv_tile_of)(rows, 1, true, t, index, panel, n, opens); break;                              \
    case 4 * rows + 3: CK(conv_tile_of)(rows, CONV_NV, true, t, index, panel, n, opens); break;

static void CK(conv_tile)(int mr, int nv, bool paired, const CK(conv_rows) *t, const int32_t *index,
                          const CONV_T *panel, int64_t n, bool opens) {
    switch (4 * mr + 2 * paired + (nv == CONV_NV)) { CONV_ROW_COUNTS(CONV_TILE_CASE) }
}
#undef CONV_TILE_CASE

/* Results that have no product at all: +0, finished. */
static void CK(conv_tile_empty)(int mr, int nv, const CK(conv_rows) *t) {
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nv; j++) {
            CONV_V v = CONV_SPLAT(0);
            v = GM_HOOK_TILE_DONE(v, t->done, t->channel + j * CONV_VN, t->places[i]);
            CONV_STORE(t->out + t->at[i] + j * CONV_VN, v);
        }
}
