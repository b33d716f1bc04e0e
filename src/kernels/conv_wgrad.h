/* conv_wgrad.h: the weight gradient of the convolution templates (conv.h): one task is some input channels times some
 * tiles of output channels of one group, over all positions. The rows of a tile are (input channel, tap). */

typedef struct { int64_t group, c, n_c, o, n_o; } CK(conv_wtask);

static CK(conv_wtask) CK(conv_wtask_of)(const gm__conv_wgrad *p, int64_t task) {
    const int64_t per_task = p->tiles_per_task * CONV_NV * CONV_VN;
    CK(conv_wtask) w;
    w.o = task % p->n_o_blocks * per_task;
    task /= p->n_o_blocks;
    w.c = task % p->n_c_blocks * p->c_block;
    w.group = task / p->n_c_blocks;
    const int64_t last = w.group + 1 == p->groups;
    w.n_c = CK(conv_least)(p->c_block, (p->paired && last ? p->c_last : p->c_src) - w.c);
    w.n_o = CK(conv_least)(per_task, (last ? p->c_last : p->c_dst) - w.o);
    return w;
}

/* A piece of a box: output rows row..row+n_rows-1 of one unit (picture, depth), columns first..first+n_columns-1. */
typedef struct { int64_t unit, row, n_rows, first, n_columns; } CK(conv_wpiece);

/* What the piece sees, as rows `at`.. of every plane of the box. Returns how many rows that is. */
static int64_t CK(conv_wfill_piece)(const gm__conv_wgrad *p, const CK(conv_wtask) *w, CONV_T *box,
                                    const CK(conv_wpiece) *e, int64_t at) {
    const gm__conv_sight *s = &p->see;
    const int64_t n = (e->n_rows - 1) * (s->step[1] / s->cell[1]) + s->reach[1] / s->cell[1] + 1;
    const int64_t columns = (e->n_columns - 1) * (s->step[2] / s->cell[2]) + s->reach[2] / s->cell[2] + 1;
    const int64_t image = e->unit / s->grid[0], j = e->unit % s->grid[0];
    const CONV_T *x =
        (const CONV_T *)p->x + image * p->from.image + (w->group * p->c_src + w->c) * p->from.channel;
    for (int64_t t = 0; t < s->n_taps[0]; t++) {
        int64_t d = j * s->step[0] + s->low[0] + s->tap[0][t];
        for (int64_t r = 0; r < n; r++) {
            int64_t h = e->row * s->step[1] + s->low[1] + r * s->cell[1];
            bool inside = d >= 0 && d < s->source[0] && h >= 0 && h < s->source[1];
            CK(conv_copy_row)(box + t * p->box_plane + (at + r) * p->box_row, p->box_cell, p->box_channel,
                              inside ? x + d * p->from.at[0] + h * p->from.at[1] : x, p->from.at[2], p->from.channel,
                              e->first * s->step[2] + s->low[2], s->cell[2], inside ? s->source[2] : INT64_MIN / 2,
                              columns, w->n_c);
        }
    }
    return n;
}

/* The piece that begins with position k and ends before `end`. */
static CK(conv_wpiece) CK(conv_wpiece_of)(const gm__conv_wgrad *p, int64_t k, int64_t end) {
    const int64_t wide = p->see.grid[2], high = p->see.grid[1], row = k / wide;
    CK(conv_wpiece) e = { row / high, row % high, 1, 0, wide };
    if (p->windows) {
        e.first = k % wide;
        e.n_columns = CK(conv_least)(end, (row + 1) * wide) - k;
    } else {
        e.n_rows = CK(conv_least)((end - 1) / wide + 1, (e.unit + 1) * high) - row;
    }
    return e;
}

/* The box for positions k0..k1-1, and where each of them lies in a plane of it. */
static void CK(conv_wfill)(const gm__conv_wgrad *p, const CK(conv_wtask) *w, CONV_T *box, int32_t *index, int64_t k0,
                           int64_t k1) {
    const gm__conv_sight *s = &p->see;
    const int64_t wide = s->grid[2], down = s->step[1] / s->cell[1], across = s->step[2] / s->cell[2] * p->box_cell;
    for (int64_t k = k0, at = 0; k < k1;) {
        const CK(conv_wpiece) e = CK(conv_wpiece_of)(p, k, k1);
        const int64_t row = e.unit * s->grid[1] + e.row, stop = CK(conv_least)((row + e.n_rows) * wide, k1);
        const int64_t n = CK(conv_wfill_piece)(p, w, box, &e, at);
        for (int64_t r = k / wide - row, w = k % wide; k < stop; r++, w = 0) {
            int32_t first = (int32_t)((at + r * down) * p->box_row + (w - e.first) * across);
            int64_t end = CK(conv_least)(k + wide - w, stop);
            for (int32_t *i = index + (k - k0); k < end; k++, first += (int32_t)across) *i++ = first;
        }
        at += n;
    }
}

/* gy of positions k0..k0+n-1 -> the panel [k][columns of the tile], zero-filled. */
static void CK(conv_wpanel)(const gm__conv_wgrad *p, CONV_T *panel, int64_t width, int64_t o, int64_t columns,
                            int64_t k0, int64_t n) {
    const int64_t per_image = p->see.grid[0] * p->see.grid[1] * p->see.grid[2];
    for (int64_t k = k0; k < k0 + n;) {
        int64_t image = k / per_image, i = k % per_image, run = CK(conv_least)(per_image - i, k0 + n - k);
        const CONV_T *from =
            (const CONV_T *)p->gy + image * p->grad.image + i * p->grad.at[2] + o * p->grad.channel;
        CK(conv_copy)(panel + (k - k0) * width, width, 1, from, p->grad.at[2], p->grad.channel, run, columns);
        k += run;
    }
    for (int64_t k = 0; columns < width && k < n; k++)
        for (int64_t j = columns; j < width; j++) panel[k * width + j] = 0;
}

/* Pointers to the planes of the box that the rows (c, tap) of the result look through. */
static void CK(conv_wrows)(const gm__conv_wgrad *p, const CONV_T *box, int64_t n_c, const CONV_T **rows) {
    const gm__conv_sight *s = &p->see;
    for (int64_t c = 0; c < n_c; c++)
        for (int64_t d = 0; d < s->n_taps[0]; d++)
            for (int64_t h = 0; h < s->n_taps[1]; h++)
                for (int64_t w = 0; w < s->n_taps[2]; w++)
                    *rows++ = box + d * p->box_plane + c * p->box_channel + s->tap[1][h] / s->cell[1] * p->box_row +
                              s->tap[2][w] / s->cell[2] * p->box_cell;
}

/* One chunk: part [rows][width] (+)= the products of n positions. */
static void CK(conv_wchunk)(bool paired, const CONV_T *const *rows, int64_t n_rows, const int32_t *index,
                            const CONV_T *panel, int64_t width, int64_t n, bool opens, CONV_T *part) {
    const int64_t n_tiles = (n_rows + CONV_MR - 1) / CONV_MR;
    int64_t steps[CONV_MR];
    for (int i = 0; i < CONV_MR; i++) steps[i] = i * width;
    for (int64_t i = 0; i < n_tiles; i++) {
        int64_t first = i * n_rows / n_tiles;
        const CK(conv_rows) t = { rows + first, part + first * width, steps, NULL, NULL, 0 };
        CK(conv_tile)((int)((i + 1) * n_rows / n_tiles - first), (int)(width / CONV_VN), paired, &t, index, panel, n,
                      opens);
    }
}

static void CK(conv_wclose)(CONV_T *total, const CONV_T *part, int64_t n, bool first) {
    for (int64_t i = 0; i < n; i++) total[i] = (first ? 0 : total[i]) + part[i];
}

/* part [rows][width] of each tile -> gw [o][c, tap]. */
static void CK(conv_wstore)(const gm__conv_wgrad *p, const CK(conv_wtask) *w, const CONV_T *part, int64_t n_rows) {
    const int64_t full = CONV_NV * CONV_VN, taps = p->see.n_taps[0] * p->see.n_taps[1] * p->see.n_taps[2];
    CONV_T *gw = (CONV_T *)p->gw + ((w->group * p->c_dst + w->o) * p->c_src + w->c) * taps;
    if (p->paired) {
        CK(conv_copy)((CONV_T *)p->gw + w->group * p->c_dst * taps, taps, 1, part, 1, w->n_o > CONV_VN ? full : CONV_VN,
                      w->n_o, taps);
        return;
    }
    for (int64_t o = 0; o < w->n_o; o += full) {
        int64_t columns = CK(conv_least)(full, w->n_o - o), width = columns > CONV_VN ? full : CONV_VN;
        CK(conv_copy)(gw + o * p->c_src * taps, p->c_src * taps, 1, part, 1, width, columns, n_rows);
        part += n_rows * width;
    }
}

static void CK(conv_wgrad)(const gm__conv_wgrad *p, int64_t task, void *scratch) {
    const CK(conv_wtask) w = CK(conv_wtask_of)(p, task);
    const int64_t full = CONV_NV * CONV_VN, taps = p->see.n_taps[0] * p->see.n_taps[1] * p->see.n_taps[2];
    const int64_t n_rows = p->paired ? taps : w.n_c * taps, n_part = n_rows * p->tiles_per_task * full;
    char *s = scratch;
    CONV_T *box = scratch, *panel = (CONV_T *)(s + p->at_panel);
    CONV_T *part = (CONV_T *)(s + p->at_part), *total = (CONV_T *)(s + p->at_total);
    int32_t *index = (int32_t *)(s + p->at_index);
    const CONV_T **rows = (const CONV_T **)(s + p->at_rows);
    const int64_t super = (int64_t)GM_CONV_CHUNK * GM_CONV_SUPER;
    CK(conv_wrows)(p, box, p->paired ? 1 : w.n_c, rows);
    if (p->n_k == 0) memset(part, 0, (size_t)n_part * sizeof *part);
    for (int64_t k = 0; k < p->n_k; k += GM_CONV_CHUNK) {
        int64_t n = CK(conv_least)(GM_CONV_CHUNK, p->n_k - k);
        if (k % p->k_block == 0) CK(conv_wfill)(p, &w, box, index, k, CK(conv_least)(k + p->k_block, p->n_k));
        CONV_T *out = part;
        for (int64_t o = 0; o < w.n_o; o += full) {
            int64_t columns = CK(conv_least)(full, w.n_o - o), width = columns > CONV_VN ? full : CONV_VN;
            CK(conv_wpanel)(p, panel, width, w.group * p->c_dst + w.o + o, columns, k, n);
            CK(conv_wchunk)(p->paired, rows, n_rows, index + k % p->k_block, panel, width, n, k % super == 0, out);
            out += n_rows * width;
        }
        if (p->n_k > super && (k + n == p->n_k || (k + n) % super == 0))
            CK(conv_wclose)(total, part, n_part, k < super);
    }
    CK(conv_wstore)(p, &w, p->n_k > super ? total : part, n_rows);
}
