/* conv_gather.h: forward and data gradient of the convolution templates (conv.h): one task is a band of results (some
 * units, rows and columns) times some tiles of channels of one group. */

typedef struct { int64_t group, tile, tile_end, unit, n_units, row, n_rows, column, n_columns; } CK(conv_band);

/* Tasks are numbered (group, unit, row, column, split). */
static CK(conv_band) CK(conv_band_of)(const gm__conv_gather *p, int64_t task) {
    CK(conv_band) b;
    int64_t split = task % p->n_splits, units = p->batch * p->see.grid[0];
    task /= p->n_splits;
    b.column = task % p->n_bands[2] * p->band[2];
    task /= p->n_bands[2];
    b.row = task % p->n_bands[1] * p->band[1];
    task /= p->n_bands[1];
    b.unit = task % p->n_bands[0] * p->band[0];
    b.group = task / p->n_bands[0];
    b.n_columns = CK(conv_least)(p->band[2], p->see.grid[2] - b.column);
    b.n_rows = CK(conv_least)(p->band[1], p->see.grid[1] - b.row);
    b.n_units = CK(conv_least)(p->band[0], units - b.unit);
    b.tile = split * p->tiles_per_task;
    b.tile_end = CK(conv_least)(b.tile + p->tiles_per_task, p->n_tiles);
    return b;
}

/* Channels of a group: the last group of a paired plan may be smaller. */
static int64_t CK(conv_channels)(const gm__conv_gather *p, int64_t group) {
    return group + 1 == p->groups ? p->c_last : p->c_dst;
}

/* Whether the rows that a band sees lie one behind the other, in the source and in the box. */
static bool CK(conv_rows_join)(const gm__conv_gather *p, const CK(conv_band) *b, int64_t rows, int64_t columns) {
    const gm__conv_sight *s = &p->see;
    const int64_t h0 = b->row * s->step[1] + s->low[1];
    return s->cell[1] == 1 && s->cell[2] == 1 && b->column == 0 && s->low[2] == 0 && columns == s->source[2] &&
           h0 >= 0 && h0 + rows <= s->source[1] && p->box_row == columns * p->box_cell &&
           p->from.at[1] == columns * p->from.at[2];
}

/* Copy what the band sees into the box [unit][tap depth][row][column][c]. */
static void CK(conv_fill)(const gm__conv_gather *p, const CK(conv_band) *b, CONV_T *box) {
    const gm__conv_sight *s = &p->see;
    int64_t rows = (b->n_rows - 1) * (s->step[1] / s->cell[1]) + s->reach[1] / s->cell[1] + 1;
    int64_t columns = (b->n_columns - 1) * (s->step[2] / s->cell[2]) + s->reach[2] / s->cell[2] + 1;
    int64_t h0 = b->row * s->step[1] + s->low[1], w0 = b->column * s->step[2] + s->low[2];
    int64_t n_c = p->kind == GM_CONV_PAIRED ? CK(conv_channels)(p, b->group) : p->c_src;
    int64_t size = s->source[2];
    if (CK(conv_rows_join)(p, b, rows, columns)) {
        size = columns *= rows;
        rows = 1;
    }
    for (int64_t u = 0; u < b->n_units; u++) {
        int64_t n = (b->unit + u) / s->grid[0], j = (b->unit + u) % s->grid[0];
        const CONV_T *image = (const CONV_T *)p->src + n * p->from.image + b->group * p->c_src * p->from.channel;
        for (int64_t t = 0; t < s->n_taps[0]; t++) {
            int64_t d = j * s->step[0] + s->low[0] + s->tap[0][t];
            for (int64_t r = 0; r < rows; r++) {
                int64_t h = h0 + r * s->cell[1];
                bool inside = d >= 0 && d < s->source[0] && h >= 0 && h < s->source[1];
                CONV_T *to = box + u * p->box_unit + t * p->box_plane + r * p->box_row;
                CK(conv_copy_row)
                (to, p->box_cell, 1, inside ? image + d * p->from.at[0] + h * p->from.at[1] : image, p->from.at[2],
                 p->from.channel, w0, s->cell[2], inside ? size : INT64_MIN / 2, columns, n_c);
#ifdef GM_HOOK_LOAD
                for (int64_t i = 0; inside && i < columns; i++) {
                    int64_t w = w0 + i * s->cell[2];
                    for (int64_t c = 0; w >= 0 && w < size && c < n_c; c++)
                        to[i * p->box_cell + c] = GM_HOOK_LOAD(to[i * p->box_cell + c], b->group * p->c_src + c);
                }
#endif
            }
        }
    }
}

/* Where each position of the band begins in the source (the box, or src itself) and in dst. */
static void CK(conv_map)(const gm__conv_gather *p, const CK(conv_band) *b, const CONV_T *box, const CONV_T **rows,
                         int64_t *places) {
    const gm__conv_sight *s = &p->see;
    for (int64_t u = 0; u < b->n_units; u++) {
        int64_t n = (b->unit + u) / s->grid[0], j = (b->unit + u) % s->grid[0];
        for (int64_t r = 0; r < b->n_rows; r++) {
            int64_t step = s->step[2] * p->from.at[2];
            const CONV_T *from = (const CONV_T *)p->src + n * p->from.image + b->group * p->c_src * p->from.channel +
                                 (j * s->step[0] + s->low[0]) * p->from.at[0] +
                                 ((b->row + r) * s->step[1] + s->low[1]) * p->from.at[1] +
                                 (b->column * s->step[2] + s->low[2]) * p->from.at[2];
            if (!p->direct_in) {
                from = box + u * p->box_unit + r * (s->step[1] / s->cell[1]) * p->box_row;
                step = s->step[2] / s->cell[2] * p->box_cell;
            }
            int64_t place = n * p->to.image + b->group * p->c_dst * p->to.channel +
                            (p->to_start[0] + j * p->to_step[0]) * p->to.at[0] +
                            (p->to_start[1] + (b->row + r) * p->to_step[1]) * p->to.at[1] +
                            (p->to_start[2] + b->column * p->to_step[2]) * p->to.at[2];
            for (int64_t q = 0; q < b->n_columns; q++) {
                *rows++ = from + q * step;
                *places++ = place + q * p->to_step[2] * p->to.at[2];
            }
        }
    }
}

/* part [positions][width] -> dst, for the first `columns` columns. Positions at even distances in dst go together. */
static void CK(conv_store)(const gm__conv_gather *p, const CONV_T *part, int64_t width, int64_t columns,
                           const int64_t *places, int64_t n, int64_t channel) {
    CONV_T *dst = (CONV_T *)p->dst + channel * p->to.channel;
    const int64_t step = p->to_step[2] * p->to.at[2];
    for (int64_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && places[i + run] - places[i] == run * step;) run++;
        CK(conv_copy)(dst + places[i], step, p->to.channel, part + i * width, width, 1, run, columns);
    }
}

/* total (+)= part; the last time, finish the results. */
static void CK(conv_close)(const gm__conv_gather *p, CONV_T *total, CONV_T *part, int64_t width, const int64_t *places,
                           int64_t n, bool first, bool last, int64_t channel) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < width; j += CONV_VN) {
            CONV_V v = CONV_SPLAT(0);
            if (!first) v = CONV_LOAD(total + i * width + j);
            v += CONV_LOAD(part + i * width + j);
            if (last) v = GM_HOOK_TILE_DONE(v, p, channel + j, places[i]);
            CONV_STORE(total + i * width + j, v);
        }
}

/* One run of k for all positions of the band. */
static void CK(conv_gather_run)(const gm__conv_gather *p, const gm__conv_run *run, CK(conv_rows) t,
                                const int64_t *steps, int64_t n, int64_t width, const CONV_T *panel) {
    const int64_t n_tiles = (n + CONV_MR - 1) / CONV_MR;
    const CONV_T *const *rows = t.row;
    const int64_t *places = t.places;
    CONV_T *out = t.out;
    for (int64_t i = 0; i < n_tiles; i++) {
        int64_t first = i * n / n_tiles;
        int mr = (int)((i + 1) * n / n_tiles - first);
        t.row = rows + first;
        t.places = places + first;
        t.at = p->direct_out ? t.places : steps;
        t.out = p->direct_out ? out : out + first * width;
        if (!run) CK(conv_tile_empty)(mr, (int)(width / CONV_VN), &t);
        else
            CK(conv_tile)(mr, (int)(width / CONV_VN), p->kind == GM_CONV_PAIRED, &t, p->index + run->begin,
                          panel + run->begin * width, run->count, run->opens);
    }
}

/* All positions of the band times one tile of channels. */
static void CK(conv_gather_tile)(const gm__conv_gather *p, const CK(conv_band) *b, int64_t tile, char *scratch) {
    const int64_t full = CONV_NV * CONV_VN, n = b->n_units * b->n_rows * b->n_columns;
    const int64_t channel = tile * full, left = CK(conv_least)(full, CK(conv_channels)(p, b->group) - channel);
    const int64_t width = left > CONV_VN ? full : CONV_VN;
    const int64_t *places = (const int64_t *)(scratch + p->at_places);
    CONV_T *part = (CONV_T *)(scratch + p->at_part), *total = (CONV_T *)(scratch + p->at_total);
    const CONV_T *panel = (const CONV_T *)p->panels + b->group * p->panel_group + tile * full * p->n_k;
    CK(conv_rows) t = { (const CONV_T *const *)(scratch + p->at_rows), part, NULL, NULL, places,
                        b->group * p->n_tiles * full + channel };
    const bool totals = p->at_total != 0;
    bool closed = false;
    int64_t steps[CONV_MR];
    for (int i = 0; i < CONV_MR; i++) steps[i] = i * width;
    if (p->direct_out) t.out = (CONV_T *)p->dst + channel;
    if (p->private_panel) {
        CONV_T *own = (CONV_T *)(scratch + p->at_panel);
        CK(conv_pack_to)(p, b->group, tile, own);
        panel = own;
    }
    for (int64_t r = 0; r < p->n_runs || r == 0; r++) {
        t.done = !totals && r + 1 >= p->n_runs ? p : NULL;
        CK(conv_gather_run)(p, p->n_runs ? &p->runs[r] : NULL, t, steps, n, width, panel);
        if (totals && p->runs[r].closes) {
            CK(conv_close)(p, total, part, width, places, n, !closed, r + 1 == p->n_runs, t.channel);
            closed = true;
        }
    }
    if (!p->direct_out) CK(conv_store)(p, totals ? total : part, width, left, places, n, channel);
    GM_HOOK_BLOCK_DONE(p, places, n, b->group * p->c_dst + channel, b->group * p->c_dst + channel + left);
}

static void CK(conv_gather)(const gm__conv_gather *p, int64_t task, void *scratch) {
    CK(conv_band) b = CK(conv_band_of)(p, task);
    char *s = scratch;
    if (!p->direct_in && p->n_k) CK(conv_fill)(p, &b, scratch);
    CK(conv_map)(p, &b, scratch, (const CONV_T **)(s + p->at_rows), (int64_t *)(s + p->at_places));
    for (int64_t i = b.tile; i < b.tile_end; i++) CK(conv_gather_tile)(p, &b, i, s);
}
