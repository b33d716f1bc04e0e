/* convolve_gather.c: plans of forward and data gradient for the convolution templates: which of the three ways of
 * computing (gm__conv_kind), the lists along k, the bands that the results are cut into, where everything lies. */
#include "../math/fp.h"
#include "convolve_inner.h"

/* ---- the way of computing ---- */

/* Depthwise on channels-last pictures: every group of a tile's columns at once, each channel with its own weights. */
static void convolve_pair(gm__conv_gather *p, const gm__convolve_kernels *k) {
    p->kind = GM_CONV_PAIRED;
    const int64_t channels = p->groups;
    p->groups = gm__convolve_parts(channels, k->columns);
    p->c_src = p->c_dst = k->columns;
    p->c_last = channels - (p->groups - 1) * k->columns;
    p->w_group = k->columns * p->w_dst;
}

static double convolve_filled(int64_t n, int64_t whole) {
    return (double)n / (double)(gm__convolve_parts(n, whole) * whole);
}

/* Vectors along positions pay where vectors along channels would be far from full, and for plain pictures where
 * turning them to channels-last costs too much beside the arithmetic. */
static bool convolve_wants_planes(const gm__conv_gather *p, const gm__convolve_kernels *k) {
    const int64_t n_k = p->c_src * gm__convolve_volume(p->see.n_taps);
    const bool plain = p->to.at[2] == 1;
    if (n_k == 0 || n_k > (int64_t)GM_CONV_CHUNK * GM_CONV_SUPER) return false;
    if (p->n_w_taps == 1 && p->groups == 1)
        return plain && n_k <= 64 && p->to_step[2] == 1 && p->see.step[2] == 1 &&
               p->see.grid[1] * p->see.grid[2] >= 512;
    double rows = convolve_filled(p->see.grid[2], k->vector), columns = convolve_filled(p->c_dst, k->vector);
    if (p->c_dst <= 12) return rows > columns * (plain ? 1.0 : 1.5);
    return plain && n_k <= 160 && rows > 0.8;
}

static void convolve_choose(gm__conv_gather *p, const gm__convolve_kernels *k) {
    p->c_last = p->c_dst;
    p->kind = GM_CONV_TILES;
    if (p->c_src == 1 && p->c_dst == 1 && p->groups > 1 && p->from.channel == 1) convolve_pair(p, k);
    else if (convolve_wants_planes(p, k)) p->kind = GM_CONV_PLANES;
}

/* Neighbouring positions fall on the same few sets of the first-level cache: a copy with other strides is faster. */
static bool convolve_aliased(const gm__conv_gather *p, size_t size) {
    return p->see.step[2] * p->from.at[2] * (int64_t)size % 2048 == 0;
}

static bool convolve_inside(const gm__conv_gather *p) {
    const gm__conv_sight *s = &p->see;
    int64_t far = p->c_src;
    for (int i = 0; i < 3; i++) {
        if (s->low[i] < 0 || (s->grid[i] - 1) * s->step[i] + s->low[i] + s->reach[i] >= s->source[i]) return false;
        far += s->reach[i] * p->from.at[i];
    }
    return p->from.channel == 1 && far < INT32_MAX;
}

static bool convolve_reads_directly(const gm__conv_gather *p, const gm__convolve_kernels *k) {
    if (gm__convolve_volume(p->see.n_taps) == 0) return true;
    if (p->kind == GM_CONV_PLANES || (p->kind == GM_CONV_PAIRED && p->c_last % k->vector)) return false;
    return convolve_inside(p) && !convolve_aliased(p, k->size);
}

/* ---- bands ---- */

static int64_t convolve_cells(const gm__conv_sight *s, int axis, int64_t n) {
    return (n - 1) * (s->step[axis] / s->cell[axis]) + s->reach[axis] / s->cell[axis] + 1;
}

static int64_t convolve_box_bytes(const gm__conv_gather *p, size_t size, int64_t units, int64_t rows, int64_t columns) {
    int64_t cells = units * rows * columns;
    if (!p->direct_in)
        cells = units * p->see.n_taps[0] * convolve_cells(&p->see, 1, rows) * convolve_cells(&p->see, 2, columns);
    return cells * p->c_src * (int64_t)size;
}

/* Whether a band keeps to the second-level cache. The more weights there are, the more positions should meet them. */
static bool convolve_fits(const gm__conv_gather *p, size_t size, int64_t units, int64_t rows, int64_t columns) {
    const int64_t n = units * rows * columns, bytes = convolve_box_bytes(p, size, units, rows, columns);
    if (p->kind == GM_CONV_PLANES) return bytes <= 160 << 10 && n <= 8192;
    return n <= 112 ? bytes <= 384 << 10 : n <= 448 && bytes <= 192 << 10;
}

/* Part n things evenly, into the fewest parts that fit: the size of one. */
static int64_t convolve_fit(const gm__conv_gather *p, size_t size, int axis, int64_t n) {
    int64_t best = n;
    for (int64_t parts = 1; parts <= n; parts = parts < 64 ? parts + 1 : parts + parts / 8) {
        best = gm__convolve_parts(n, parts);
        if (convolve_fits(p, size, axis == 0 ? best : 1, axis == 1 ? best : axis == 0 ? p->see.grid[1] : 1,
                          axis == 2 ? best : p->see.grid[2]))
            break;
    }
    return best;
}

/* More, smaller bands for more threads, down to about a hundred positions. */
static void convolve_spread(gm__conv_gather *p, const int64_t each[3], int64_t wanted) {
    for (int i = 0; i < 2; i++) {
        int64_t others = p->groups * gm__convolve_volume(p->n_bands) / p->n_bands[i];
        int64_t parts = gm__convolve_parts(wanted, others), room = gm__convolve_volume(p->band) / 100;
        if (parts > p->n_bands[i] * (room < 1 ? 1 : room)) parts = p->n_bands[i] * (room < 1 ? 1 : room);
        if (parts > each[i]) parts = each[i];
        if (parts <= p->n_bands[i]) continue;
        p->band[i] = gm__convolve_parts(each[i], parts);
        p->n_bands[i] = gm__convolve_parts(each[i], p->band[i]);
    }
}

/* Cut the results into bands, and the channels too if there are few bands or the weights outweigh the pictures. */
static void convolve_bands(gm__conv_gather *p, size_t size, int64_t threads) {
    const gm__conv_sight *s = &p->see;
    const int64_t units = p->batch * s->grid[0], each[3] = { units, s->grid[1], s->grid[2] };
    p->band[2] = convolve_fit(p, size, 2, s->grid[2]);
    p->band[1] = p->band[2] < s->grid[2] ? 1 : convolve_fit(p, size, 1, s->grid[1]);
    p->band[0] = p->band[1] < s->grid[1] || p->band[2] < s->grid[2] ? 1 : convolve_fit(p, size, 0, units);
    for (int i = 0; i < 3; i++) p->n_bands[i] = gm__convolve_parts(each[i], p->band[i]);
    const int64_t wanted = threads > 1 ? 4 * threads : 1;
    const int64_t weights = gm__convolve_volume(s->n_taps) * p->c_src * p->c_dst * (int64_t)size;
    const bool heavy = weights > convolve_box_bytes(p, size, units, s->grid[1], s->grid[2]);
    if (!heavy && p->groups * gm__convolve_volume(p->n_bands) < wanted) convolve_spread(p, each, wanted);
    int64_t tasks = p->groups * gm__convolve_volume(p->n_bands);
    p->tiles_per_task = p->n_tiles;
    if (tasks < wanted) p->tiles_per_task = gm__convolve_parts(p->n_tiles, gm__convolve_parts(wanted, tasks));
    p->n_splits = gm__convolve_parts(p->n_tiles, p->tiles_per_task);
}

/* ---- boxes ---- */

static void convolve_lay_tiles(gm__conv_gather *p, size_t size) {
    p->box_cell = p->c_src * (int64_t)size % 512 ? p->c_src : p->c_src + 64 / (int64_t)size;
    p->box_row = convolve_cells(&p->see, 2, p->band[2]) * p->box_cell;
    p->box_plane = convolve_cells(&p->see, 1, p->band[1]) * p->box_row;
    p->box_unit = p->box_plane * p->see.n_taps[0];
}

static void convolve_lay_planes(gm__conv_gather *p, size_t size) {
    const gm__conv_sight *s = &p->see;
    const int64_t down = s->step[1] / s->cell[1], across = s->step[2] / s->cell[2];
    p->box_cell = 1;
    p->box_row = gm__convolve_parts(convolve_cells(s, 2, p->band[2]), across);
    p->box_unit = gm__convolve_parts(convolve_cells(s, 1, p->band[1]), down) * p->box_row;
    p->box_across = p->band[0] * p->box_unit;
    p->box_down = across * p->box_across;
    p->box_plane = down * p->box_down;
    p->box_channel = s->n_taps[0] * p->box_plane + 64 / (int64_t)size; /* planes not a power of two apart */
    p->merged = gm__convolve_volume(s->n_taps) == 1 && p->band[2] == s->grid[2] &&
                p->to_step[1] * p->to.at[1] == s->grid[2] * p->to_step[2] * p->to.at[2];
}

/* Values in a thread's box. */
static int64_t convolve_box(const gm__conv_gather *p, const gm__convolve_kernels *k) {
    if (p->direct_in) return 0;
    if (p->kind == GM_CONV_PLANES) return p->c_src * p->box_channel + 2 * k->vector;
    return p->band[0] * p->box_unit + k->columns;
}

/* ---- the k axis ---- */

/* Where source channel 0 lies for tap (d, h, w), from the result's first cell. */
static int64_t convolve_offset(const gm__conv_gather *p, int64_t d, int64_t h, int64_t w) {
    const gm__conv_sight *s = &p->see;
    if (p->direct_in)
        return s->tap[0][d] * p->from.at[0] + s->tap[1][h] * p->from.at[1] + s->tap[2][w] * p->from.at[2];
    const int64_t row = s->tap[1][h] / s->cell[1], column = s->tap[2][w] / s->cell[2];
    if (p->kind != GM_CONV_PLANES) return d * p->box_plane + row * p->box_row + column * p->box_cell;
    const int64_t down = s->step[1] / s->cell[1], across = s->step[2] / s->cell[2];
    return d * p->box_plane + row % down * p->box_down + row / down * p->box_row + column % across * p->box_across +
           column / across;
}

typedef struct { gm__conv_run *runs; int64_t n, chunk, super; } convolve_runs;

/* One more entry, at place k of the whole chain. Chunks keep their places in k, whatever taps are left out. */
static void convolve_add(convolve_runs *r, int64_t k, int32_t entry) {
    const int64_t chunk = k / GM_CONV_CHUNK, super = chunk / GM_CONV_SUPER;
    if (r->n == 0 || chunk != r->chunk) {
        bool opens = r->n == 0 || super != r->super;
        if (opens && r->n) r->runs[r->n - 1].closes = true;
        r->runs[r->n++] = (gm__conv_run){ entry, 0, opens, false };
        r->chunk = chunk;
        r->super = super;
    }
    r->runs[r->n - 1].count++;
}

/* Copied weights of one k, where they are columns (conv_plane_weights). */
static int64_t convolve_pitch(const gm__convolve_kernels *k) {
    return gm__convolve_parts(k->rows, k->vector) * k->vector;
}

typedef struct { int32_t *index, *index_w, *place; convolve_runs runs; } convolve_lists;

static bool convolve_lists_take(gm__convolve_memory *m, const gm__conv_gather *p, int64_t taps, convolve_lists *l) {
    const bool planes = p->kind == GM_CONV_PLANES;
    l->index = gm__convolve_take(m, (size_t)(p->n_k * (planes ? 2 : 1)) * sizeof(int32_t));
    l->index_w = l->index && planes ? l->index + p->n_k : NULL;
    l->place = gm__convolve_take(m, (size_t)p->n_w_taps * sizeof(int32_t));
    l->runs = (convolve_runs){ .n = 0 };
    l->runs.runs = gm__convolve_take(m, (size_t)(p->n_k / GM_CONV_CHUNK + taps + 2) * sizeof(gm__conv_run));
    return l->index && l->place && l->runs.runs;
}

/* The lists over (tap, channel) and over the kernel's taps. */
static bool convolve_list(gm__convolve_memory *m, const gm__conv_shape *s, const gm__convolve_axes *a,
                          gm__conv_gather *p, const gm__convolve_kernels *k) {
    const int64_t *taps = p->see.n_taps, depth = p->kind == GM_CONV_PAIRED ? 1 : p->c_src;
    convolve_lists l;
    p->n_k = gm__convolve_volume(taps) * depth;
    if (!convolve_lists_take(m, p, gm__convolve_volume(taps), &l)) return false;
    for (int64_t t = 0; t < p->n_w_taps; t++) l.place[t] = -1;
    int64_t n = 0, across = p->kind == GM_CONV_PLANES ? p->box_channel : 1;
    for (int64_t i = 0; i < gm__convolve_volume(taps); i++) {
        const int64_t d = i / taps[2] / taps[1], h = i / taps[2] % taps[1], w = i % taps[2];
        const int64_t tap = (a->position[0][d] * s->kernel[1] + a->position[1][h]) * s->kernel[2] + a->position[2][w];
        const int64_t from = convolve_offset(p, d, h, w);
        l.place[tap] = (int32_t)i;
        for (int64_t c = 0; c < depth; c++, n++) {
            l.index[n] = (int32_t)(from + c * across);
            if (l.index_w)
                l.index_w[n] = (int32_t)(!p->private_panel ? c * p->w_src + tap
                                         : p->w_src == 1   ? n
                                                           : n * convolve_pitch(k));
            convolve_add(&l.runs, tap * depth + c, (int32_t)n);
        }
    }
    if (l.runs.n) l.runs.runs[l.runs.n - 1].closes = true;
    p->index = l.index;
    p->index_w = l.index_w;
    p->w_place = l.place;
    p->runs = l.runs.runs;
    p->n_runs = l.runs.n;
    return true;
}

/* ---- bias, scratch memory ---- */

/* The bias of each group, padded to whole tiles. */
static bool convolve_bias(gm__convolve_memory *m, gm__conv_gather *p, const gm__convolve_kernels *k, const void *bias) {
    p->bias = p->kind == GM_CONV_PLANES ? bias : NULL;
    if (!bias || p->bias) return true;
    const size_t row = (size_t)(p->n_tiles * k->columns) * k->size, used = (size_t)p->c_dst * k->size;
    char *padded = gm__convolve_take(m, (size_t)p->groups * row);
    if (!padded) return false;
    memset(padded, 0, (size_t)p->groups * row);
    for (int64_t g = 0; g < p->groups; g++)
        memcpy(padded + (size_t)g * row, (const char *)bias + (size_t)g * used,
               g + 1 == p->groups ? (size_t)p->c_last * k->size : used);
    p->bias = padded;
    return true;
}

static size_t convolve_round(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Where the parts of a thread's scratch memory lie. */
static void convolve_scratch(gm__conv_gather *p, const gm__convolve_kernels *k) {
    const size_t n = (size_t)gm__convolve_volume(p->band), part = n * (size_t)k->columns * k->size;
    bool totals = false;
    for (int64_t i = 0; i + 1 < p->n_runs; i++) totals = totals || p->runs[i].closes;
    p->at_rows = convolve_round((size_t)convolve_box(p, k) * k->size);
    p->at_places = convolve_round(p->at_rows + n * sizeof(void *));
    p->at_part = convolve_round(p->at_places + n * sizeof(int64_t));
    p->at_total = totals ? convolve_round(p->at_part + part) : 0;
    p->at_panel = convolve_round((totals ? p->at_total : p->at_part) + part);
    p->scratch_bytes = p->at_panel + (p->private_panel ? (size_t)(p->n_k * k->columns) * k->size : 0);
}

static void convolve_scratch_planes(gm__conv_gather *p, const gm__convolve_kernels *k) {
    const int64_t rows = p->band[0] * p->band[1];
    const int64_t vectors = rows * gm__convolve_parts(p->band[2], k->vector) + rows;
    p->at_rows = convolve_round((size_t)convolve_box(p, k) * k->size);
    p->at_places = p->at_part = convolve_round(p->at_rows + (size_t)vectors * 16);
    p->at_total = 0;
    p->at_panel = convolve_round(p->at_part + (size_t)(k->rows * 8 * k->vector) * k->size);
    const int64_t ld = p->w_src == 1 ? k->rows * (p->n_k + 64 / (int64_t)k->size) : p->n_k * convolve_pitch(k);
    p->scratch_bytes = p->at_panel + (p->private_panel ? (size_t)ld * k->size : 0);
}

/* ---- plans ---- */

/* Weights of 1 x 1 kernels are copied where their rows would alias, or run the wrong way. */
static bool convolve_copies_weights(const gm__conv_gather *p, size_t size) {
    return p->n_w_taps == 1 && (p->w_src != 1 || p->w_dst * (int64_t)size % 512 == 0);
}

bool gm__convolve_prepare(gm__convolve_memory *m, const gm__conv_shape *s, const gm__convolve_axes *a,
                          gm__convolve_plans *plans, const void *bias) {
    const gm__convolve_kernels *k = &plans->k;
    gm__conv_gather *p = &plans->plan[plans->n - 1];
    p->n_w_taps = gm__convolve_volume(s->kernel);
    convolve_choose(p, k);
    const bool planes = p->kind == GM_CONV_PLANES;
    p->n_tiles = gm__convolve_parts(p->c_dst, planes ? k->rows : k->columns);
    p->direct_in = convolve_reads_directly(p, k);
    convolve_bands(p, k->size, gm_n_threads());
    if (planes) convolve_lay_planes(p, k->size);
    else convolve_lay_tiles(p, k->size);
    if (convolve_box(p, k) > INT32_MAX)
        return gm_fail(GM_ERROR_UNSUPPORTED, "convolution: one result sees more than 2^31 values");
    p->private_panel = planes ? convolve_copies_weights(p, k->size) : gm__convolve_volume(p->n_bands) == 1;
    if (!convolve_list(m, s, a, p, k) || !convolve_bias(m, p, k, bias)) return false;
    if (planes) convolve_scratch_planes(p, k);
    else convolve_scratch(p, k);
    p->direct_out = p->to.channel == 1 && p->c_dst % k->vector == 0 && p->c_last % k->vector == 0 && !p->at_total;
    p->panel_group = p->n_tiles * k->columns * p->n_k;
    size_t panels = planes || p->private_panel ? 0 : (size_t)(p->groups * p->panel_group) * k->size;
    p->panels = gm__convolve_take(m, panels);
    plans->n_tasks[plans->n - 1] = p->groups * gm__convolve_volume(p->n_bands) * p->n_splits;
    return p->panels != NULL;
}

/* Tasks are numbered (task, plan): plans that write neighbouring results do so at the same time. */
static void convolve_pack_task(const void *env, int64_t task, void *scratch) {
    const gm__convolve_plans *plans = env;
    const gm__conv_gather *p = &plans->plan[task % plans->n];
    (void)scratch;
    task /= plans->n;
    if (p->kind == GM_CONV_PLANES || p->private_panel || task >= p->groups * p->n_tiles) return;
    plans->k.pack(p, task / p->n_tiles, task % p->n_tiles);
}

static void convolve_gather_task(const void *env, int64_t task, void *scratch) {
    const gm__convolve_plans *plans = env;
    const gm__conv_gather *p = &plans->plan[task % plans->n];
    if (task / plans->n >= plans->n_tasks[task % plans->n]) return;
    (p->kind == GM_CONV_PLANES ? plans->k.planes : plans->k.gather)(p, task / plans->n, scratch);
}

bool gm__convolve_run_plans(gm__convolve_memory *m, gm__convolve_plans *plans) {
    gm__convolve_crew pack = { .run = convolve_pack_task, .plan = plans };
    gm__convolve_crew run = { .run = convolve_gather_task, .plan = plans };
    for (int i = 0; i < plans->n; i++) {
        const gm__conv_gather *p = &plans->plan[i];
        const double results = (double)(p->batch * p->groups * p->c_dst) * (double)gm__convolve_volume(p->see.grid);
        run.products += results * (double)(p->n_k + 8);
        if (plans->n_tasks[i] * plans->n > run.n_tasks) run.n_tasks = plans->n_tasks[i] * plans->n;
        if (p->scratch_bytes > run.scratch_bytes) run.scratch_bytes = p->scratch_bytes;
        if (p->kind == GM_CONV_PLANES || p->private_panel) continue;
        pack.products += (double)(p->groups * p->panel_group) * 8;
        if (p->groups * p->n_tiles * plans->n > pack.n_tasks) pack.n_tasks = p->groups * p->n_tiles * plans->n;
    }
    return (!pack.n_tasks || gm__convolve_run(m, &pack)) && (!run.n_tasks || gm__convolve_run(m, &run));
}
