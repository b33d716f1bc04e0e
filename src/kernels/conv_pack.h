/* conv_pack.h: weights -> panels [(tap, source channel)][columns of a tile] for the convolution templates (conv.h).
 *
 * Taps are contiguous in the weights. Forward, the (source channel, tap) of one column are contiguous: square blocks
 * are transposed, and each row of a block goes where its tap belongs. For the data gradient, the (column, tap) of one
 * source channel are contiguous: blocks of columns times taps are transposed, reading over the last tap into the next
 * column. */

static void CK(conv_widths)(int64_t *rows, int64_t *columns, int64_t *vector) {
    *rows = CONV_MR;
    *columns = CONV_NV * CONV_VN;
    *vector = CONV_VN;
}

typedef struct {
    const CONV_T *w, *end; /* the tile's first column; behind the last weight */
    CONV_T *to;
    int64_t width, columns; /* of the panel; that exist */
} CK(conv_packing);

/* Source channels c0.. of all taps, one by one. */
static void CK(conv_pack_plain)(const gm__conv_gather *p, const CK(conv_packing) *k, int64_t c0) {
    for (int64_t c = c0; c < p->c_src; c++)
        for (int64_t t = 0; t < p->n_w_taps; t++) {
            CONV_T *to = k->to + (p->w_place[t] * p->c_src + c) * k->width;
            for (int64_t j = 0; p->w_place[t] >= 0 && j < k->width; j++)
                to[j] = j < k->columns ? k->w[j * p->w_dst + c * p->w_src + t] : 0;
        }
}

/* Columns are far apart, (source channel, tap) together. */
static void CK(conv_pack_forward)(const gm__conv_gather *p, const CK(conv_packing) *k) {
    const int64_t taps = p->n_w_taps, n = p->c_src * taps;
    if (n < CONV_VN) {
        CK(conv_pack_plain)(p, k, 0);
        return;
    }
    for (int64_t i = 0; i < n; i += CONV_VN) {
        const int64_t f = i < n - CONV_VN ? i : n - CONV_VN;
        for (int64_t j = 0; j < k->width; j += CONV_VN) {
            CONV_V v[CONV_VN];
            GM_UNROLL
            for (int l = 0; l < CONV_VN; l++)
                v[l] = j + l < k->columns ? CONV_LOAD(k->w + (j + l) * p->w_dst + f) : CONV_SPLAT(0);
            CONV_TRANSPOSE(v);
            int64_t c = f / taps, t = f % taps;
            GM_UNROLL
            for (int l = 0; l < CONV_VN; l++) {
                if (p->w_place[t] >= 0) CONV_STORE(k->to + (p->w_place[t] * p->c_src + c) * k->width + j, v[l]);
                if (++t == taps) t = 0, c++;
            }
        }
    }
}

/* (column, tap) are together, source channels far apart. */
static void CK(conv_pack_backward)(const gm__conv_gather *p, const CK(conv_packing) *k) {
    const int64_t taps = p->n_w_taps;
    for (int64_t c = 0; c < p->c_src; c++) {
        const CONV_T *w = k->w + c * p->w_src;
        if (w + (k->width - 1) * taps + (taps + CONV_VN - 1) / CONV_VN * CONV_VN > k->end) {
            CK(conv_pack_plain)(p, k, c);
            return;
        }
        for (int64_t j = 0; j < k->width; j += CONV_VN)
            for (int64_t t0 = 0; t0 < taps; t0 += CONV_VN) {
                CONV_V v[CONV_VN];
                GM_UNROLL
                for (int l = 0; l < CONV_VN; l++)
                    v[l] = j + l < k->columns ? CONV_LOAD(w + (j + l) * taps + t0) : CONV_SPLAT(0);
                CONV_TRANSPOSE(v);
                GM_UNROLL
                for (int l = 0; l < CONV_VN; l++)
                    if (t0 + l < taps && p->w_place[t0 + l] >= 0)
                        CONV_STORE(k->to + (p->w_place[t0 + l] * p->c_src + c) * k->width + j, v[l]);
            }
    }
}

/* 1 x 1 kernels of the data gradient need no transposing. */
static void CK(conv_pack_rows)(const gm__conv_gather *p, const CK(conv_packing) *k) {
    for (int64_t c = 0; c < p->c_src; c++) {
        CONV_T *to = k->to + c * k->width;
        memcpy(to, k->w + c * p->w_src, (size_t)k->columns * sizeof *to);
        for (int64_t j = k->columns; j < k->width; j++) to[j] = 0;
    }
}

/* Paired: column j of tap t is channel j's own weight. */
static void CK(conv_pack_paired)(const gm__conv_gather *p, const CK(conv_packing) *k) {
    for (int64_t t = 0; t < p->n_w_taps; t++) {
        CONV_T *to = k->to + p->w_place[t] * k->width;
        for (int64_t j = 0; p->w_place[t] >= 0 && j < k->width; j++)
            to[j] = j < k->columns ? k->w[j * p->w_dst + t] : 0;
    }
}

static void CK(conv_pack_to)(const gm__conv_gather *p, int64_t group, int64_t tile, CONV_T *to) {
    const int64_t full = CONV_NV * CONV_VN, n_c = group + 1 == p->groups ? p->c_last : p->c_dst;
    const int64_t left = CK(conv_least)(full, n_c - tile * full);
    const CK(conv_packing) k = { (const CONV_T *)p->weights + group * p->w_group + tile * full * p->w_dst,
                                 (const CONV_T *)p->weights + p->groups * p->w_group, to,
                                 left > CONV_VN ? full : CONV_VN, left };
    if (p->n_k == 0) return;
    if (p->kind == GM_CONV_PAIRED) CK(conv_pack_paired)(p, &k);
    else if (p->w_src == p->n_w_taps) CK(conv_pack_forward)(p, &k);
    else if (p->n_w_taps == 1) CK(conv_pack_rows)(p, &k);
    else CK(conv_pack_backward)(p, &k);
}

static void CK(conv_pack)(const gm__conv_gather *p, int64_t group, int64_t tile) {
    CONV_T *panels = (CONV_T *)p->panels + group * p->panel_group;
    CK(conv_pack_to)(p, group, tile, panels + tile * CONV_NV * CONV_VN * p->n_k);
}
