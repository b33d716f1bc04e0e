/* conv_plane.h: forward and data gradient of the convolution templates (conv.h) with vectors along positions: for
 * depthwise kernels and 1 x 1 kernels on pictures [N, C, ...], and where channels are too few to fill vectors.
 *
 * The box holds planes, one per source channel and tap depth; where results step over the source by s, a plane is
 * split into s * s planes of every s-th row and column, so that neighbouring results always see neighbouring values. A
 * tile is some output channels times some vectors of results. A vector lies in one row (or in the whole picture, where
 * rows follow each other without gaps); the last one of a row overlaps the one before, or is cut as it is stored. */

/* One vector of results: where it begins in the box and in dst, and how many of its lanes are results. */
typedef struct { int64_t place; int32_t from, lanes; } CK(conv_vector);

typedef struct {
    const CONV_T *x[8];   /* vector u takes its values from x[u] + index[k] */
    const CONV_T *w;      /* channel m takes its weights from w + m * w_step + index_w[k] */
    int64_t w_step;
    CONV_T *out[8];       /* partial sums, then results, of channel m at out[u] + m * out_step[u] */
    int64_t out_step[8];
    const int32_t *index, *index_w;
    /* for the last run, else NULL: results are finished on the way; what GM_HOOK_PLANE_DONE gets */
    const gm__conv_gather *done;
    int64_t channel, place[8];
} CK(conv_planes_job);

GM_INLINE CONV_V CK(conv_add_one_bias)(CONV_V v, const gm__conv_gather *p, int64_t channel, int64_t at) {
    (void)at;
    if (p->bias) v += CONV_SPLAT(((const CONV_T *)p->bias)[channel]);
    return v;
}

GM_INLINE void CK(conv_plane_of)(const int rows, const int nu, const CK(conv_planes_job) *t, const gm__conv_run *run) {
    const CONV_T *w[CONV_MR], *x[8];
    CONV_V acc[CONV_MR][8];
    GM_UNROLL
    for (int u = 0; u < nu; u++) x[u] = t->x[u];
    GM_UNROLL
    for (int m = 0; m < rows; m++) {
        w[m] = t->w + m * t->w_step;
        GM_UNROLL
        for (int u = 0; u < nu; u++) acc[m][u] = CONV_SPLAT(0);
    }
    for (int64_t k = run->begin, end = run->begin + run->count; k < end; k++) {
        const int64_t i = t->index[k], j = t->index_w[k];
        CONV_V b[8];
        GM_UNROLL
        for (int u = 0; u < nu; u++) b[u] = CONV_LOAD(x[u] + i);
        GM_UNROLL
        for (int m = 0; m < rows; m++) {
            CONV_V a = CONV_SPLAT(w[m][j]);
            GM_UNROLL
            for (int u = 0; u < nu; u++) acc[m][u] = CONV_FMA(a, b[u], acc[m][u]);
        }
    }
    GM_UNROLL
    for (int m = 0; m < rows; m++) {
        GM_UNROLL
        for (int u = 0; u < nu; u++) {
            CONV_T *out = t->out[u] + m * t->out_step[u];
            CONV_V v = CONV_SPLAT(0);
            if (!run->opens) v = GM_HOOK_RESUME(CONV_LOAD(out));
            v += acc[m][u];
            if (t->done) v = GM_HOOK_PLANE_DONE(v, t->done, t->channel + m, t->place[u]);
            CONV_STORE(out, v);
        }
    }
}

#define CONV_PLANE_CASE(rows)                                                                                          \
    case rows: CK(conv_plane_of)(rows, CONV_PLANE_WIDTH(rows), t, run); break;

static void CK(conv_plane)(int rows, const CK(conv_planes_job) *t, const gm__conv_run *run) {
    switch (rows) { CONV_ROW_COUNTS(CONV_PLANE_CASE) }
}
#undef CONV_PLANE_CASE

/* Row r (in cells) of tap depth t of one unit, into the planes of its columns mod step. */
static void CK(conv_plane_fill_row)(const gm__conv_gather *p, CONV_T *box, const CONV_T *from, int64_t w0, int64_t n,
                                    bool inside, int64_t group) {
    const gm__conv_sight *s = &p->see;
    const int64_t across = s->step[2] / s->cell[2];
    (void)group;
    for (int64_t i = 0; i < across && i < n; i++) {
        const int64_t first = w0 + i * s->cell[2], cell = s->cell[2] * across, columns = (n - i + across - 1) / across;
        CONV_T *to = box + i * p->box_across;
        CK(conv_copy_row)(to, 1, p->box_channel, from, p->from.at[2], p->from.channel, first, cell,
                          inside ? s->source[2] : INT64_MIN / 2, columns, p->c_src);
#ifdef GM_HOOK_LOAD
        for (int64_t c = 0; inside && c < p->c_src; c++)
            for (int64_t j = 0; j < columns; j++)
                if (first + j * cell >= 0 && first + j * cell < s->source[2])
                    to[c * p->box_channel + j] = GM_HOOK_LOAD(to[c * p->box_channel + j], group * p->c_src + c);
#endif
    }
}

static void CK(conv_plane_fill)(const gm__conv_gather *p, const CK(conv_band) *b, CONV_T *box) {
    const gm__conv_sight *s = &p->see;
    const int64_t down = s->step[1] / s->cell[1], across = s->step[2] / s->cell[2];
    const int64_t rows = (b->n_rows - 1) * down + s->reach[1] / s->cell[1] + 1;
    const int64_t columns = (b->n_columns - 1) * across + s->reach[2] / s->cell[2] + 1;
    const int64_t h0 = b->row * s->step[1] + s->low[1], w0 = b->column * s->step[2] + s->low[2];
    for (int64_t u = 0; u < b->n_units; u++) {
        int64_t n = (b->unit + u) / s->grid[0], j = (b->unit + u) % s->grid[0];
        const CONV_T *image = (const CONV_T *)p->src + n * p->from.image + b->group * p->c_src * p->from.channel;
        for (int64_t t = 0; t < s->n_taps[0]; t++) {
            int64_t d = j * s->step[0] + s->low[0] + s->tap[0][t];
            for (int64_t r = 0; r < rows; r++) {
                int64_t h = h0 + r * s->cell[1];
                bool inside = d >= 0 && d < s->source[0] && h >= 0 && h < s->source[1];
                CONV_T *to = box + t * p->box_plane + r % down * p->box_down + u * p->box_unit + r / down * p->box_row;
                CK(conv_plane_fill_row)(p, to, inside ? image + d * p->from.at[0] + h * p->from.at[1] : image, w0,
                                        columns, inside, b->group);
            }
        }
    }
}

/* Cut n results in a row into vectors. */
static int64_t CK(conv_plane_cut)(CK(conv_vector) *v, int64_t from, int64_t place, int64_t step, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i += CONV_VN) {
        int64_t at = n < CONV_VN || i + CONV_VN <= n ? i : n - CONV_VN;
        v[count].from = (int32_t)(from + at);
        v[count].place = place + at * step;
        v[count++].lanes = (int32_t)CK(conv_least)(CONV_VN, n);
    }
    return count;
}

/* The vectors of a band; returns their number. */
static int64_t CK(conv_plane_map)(const gm__conv_gather *p, const CK(conv_band) *b, CK(conv_vector) *v) {
    const gm__conv_sight *s = &p->see;
    const int64_t step = p->to_step[2] * p->to.at[2];
    int64_t count = 0;
    for (int64_t u = 0; u < b->n_units; u++) {
        int64_t n = (b->unit + u) / s->grid[0], j = (b->unit + u) % s->grid[0];
        for (int64_t r = 0; r < (p->merged ? 1 : b->n_rows); r++) {
            int64_t place = n * p->to.image + b->group * p->c_dst * p->to.channel +
                            (p->to_start[0] + j * p->to_step[0]) * p->to.at[0] +
                            (p->to_start[1] + (b->row + r) * p->to_step[1]) * p->to.at[1] +
                            (p->to_start[2] + b->column * p->to_step[2]) * p->to.at[2];
            count += CK(conv_plane_cut)(v + count, u * p->box_unit + r * p->box_row, place, step,
                                        p->merged ? b->n_rows * b->n_columns : b->n_columns);
        }
    }
    return count;
}

/* The weights of channels first..first+rows-1, unaliased: as rows [m][k], or as columns [k][m]. */
static void CK(conv_plane_weights)(const gm__conv_gather *p, CK(conv_planes_job) *t, CONV_T *copy, int64_t group,
                                   int64_t first, int64_t rows) {
    const CONV_T *w = (const CONV_T *)p->weights + group * p->w_group + first * p->w_dst;
    t->w = w;
    t->w_step = p->w_dst;
    if (!p->private_panel) return;
    t->w = copy;
    if (p->w_src == 1) {
        t->w_step = p->n_k + 64 / (int64_t)sizeof(CONV_T);
        for (int64_t m = 0; m < rows; m++) CK(conv_copy_run)(copy + m * t->w_step, w + m * p->w_dst, p->n_k);
        return;
    }
    const int64_t pitch = (CONV_MR + CONV_VN - 1) / CONV_VN * CONV_VN;
    const CONV_T *end = (const CONV_T *)p->weights + p->groups * p->w_group;
    t->w_step = 1;
    for (int64_t k = 0; k < p->n_k; k++, w += p->w_src, copy += pitch)
        for (int64_t m = 0; m < rows; m += CONV_VN) {
            if (w + m + CONV_VN <= end) CONV_STORE(copy + m, CONV_LOAD(w + m));
            else
                for (int64_t l = m; l < rows; l++) copy[l] = w[l];
        }
}

/* Vectors v[0..n) (n <= nu) times `rows` channels from `channel` on, over all of k. */
static void CK(conv_plane_vectors)(const gm__conv_gather *p, CK(conv_planes_job) *t, const CONV_T *box,
                                   const CK(conv_vector) *v, int n, int rows, int64_t channel, CONV_T *part) {
    const int nu = CONV_PLANE_WIDTH(rows);
    const int64_t step = p->to_step[2] * p->to.at[2];
    CONV_T *dst = (CONV_T *)p->dst + channel * p->to.channel;
    bool direct[8];
    for (int u = 0; u < nu; u++) {
        const CK(conv_vector) *e = v + (u < n ? u : n - 1);
        direct[u] = u < n && e->lanes == CONV_VN && step == 1 && p->n_runs == 1;
        t->x[u] = box + e->from;
        t->place[u] = e->place;
        t->out[u] = direct[u] ? dst + e->place : part + u * CONV_VN;
        t->out_step[u] = direct[u] ? p->to.channel : nu * CONV_VN;
    }
    for (int64_t r = 0; r < p->n_runs; r++) {
        t->done = r + 1 == p->n_runs ? p : NULL;
        CK(conv_plane)(rows, t, &p->runs[r]);
    }
    for (int u = 0; u < n; u++)
        for (int m = 0; !direct[u] && m < rows; m++)
            CK(conv_copy_steps)(dst + v[u].place + m * p->to.channel, step, part + (m * nu + u) * CONV_VN, 1,
                                v[u].lanes);
}

static void CK(conv_planes)(const gm__conv_gather *p, int64_t task, void *scratch) {
    const CK(conv_band) b = CK(conv_band_of)(p, task);
    char *s = scratch;
    CONV_T *box = scratch, *part = (CONV_T *)(s + p->at_part), *copy = (CONV_T *)(s + p->at_panel);
    CK(conv_vector) *v = (CK(conv_vector) *)(s + p->at_rows);
    CK(conv_plane_fill)(p, &b, box);
    const int64_t n = CK(conv_plane_map)(p, &b, v);
    CK(conv_planes_job) t;
    t.index = p->index;
    t.index_w = p->index_w;
    for (int64_t i = b.tile; i < b.tile_end; i++) {
        const int64_t first = i * p->c_dst / p->n_tiles, rows = (i + 1) * p->c_dst / p->n_tiles - first;
        const int64_t nu = CONV_PLANE_WIDTH(rows);
        CK(conv_plane_weights)(p, &t, copy, b.group, first, rows);
        t.channel = b.group * p->c_dst + first;
        for (int64_t j = 0; j < n; j += nu)
            CK(conv_plane_vectors)(p, &t, box, v + j, (int)CK(conv_least)(nu, n - j), (int)rows, first, part);
    }
}
