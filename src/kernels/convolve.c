/* convolve.c: plans for the convolution templates (conv.h), and the threads that run them.
 *
 * A call makes one plan per stride phase (forward has one), packs the weights once, cuts the results into tasks and
 * lets the threads take tasks by a ticket; each thread has its own scratch memory. A task owns its results: nothing is
 * ever added across threads, so that the number of threads changes no bit. */
#include "../math/fp.h"
#include "convolve.h"
#include "../base/memory.h"
#include "kernels.h"

#include <stdatomic.h>

/* ---- memory of one call ---- */

enum { CONVOLVE_BLOCKS = 16 };
typedef struct { void *block[CONVOLVE_BLOCKS]; size_t got[CONVOLVE_BLOCKS]; int n; } convolve_memory;

static void *convolve_take(convolve_memory *m, size_t bytes) {
    void *block = gm__block_take(bytes ? bytes : 1, &m->got[m->n]);
    if (!block) {
        gm_fail(GM_ERROR_MEMORY, "convolution: out of memory for %zu bytes of scratch", bytes);
        return NULL;
    }
    return m->block[m->n++] = block;
}

static void convolve_give(convolve_memory *m, int keep) {
    while (m->n > keep) {
        m->n--;
        gm__block_give(m->block[m->n], m->got[m->n]);
    }
}

/* ---- kernels by type ---- */

typedef struct {
    size_t size; /* bytes of an element */
    void (*widths)(int64_t *, int64_t *);
    void (*pack)(const gm__conv_gather *, int64_t, int64_t);
    void (*gather)(const gm__conv_gather *, int64_t, void *);
    void (*wgrad)(const gm__conv_wgrad *, int64_t, void *);
} convolve_kernels;

static _Atomic(const gm_kernels *) convolve_table;

void gm__conv_use(const gm_kernels *table) { convolve_table = table; }

static convolve_kernels convolve_kernels_of(size_t size) {
    const gm_kernels *t = convolve_table;
    if (!t) t = gm__kernels();
    if (size == sizeof(float))
        return (convolve_kernels){ size, t->conv_widths_f32, t->conv_pack_f32, t->conv_gather_f32, t->conv_wgrad_f32 };
    return (convolve_kernels){ size, t->conv_widths_f64, t->conv_pack_f64, t->conv_gather_f64, t->conv_wgrad_f64 };
}

/* ---- threads ---- */

typedef struct {
    void (*run)(const void *plan, int64_t task, void *scratch);
    const void *plan;
    char *scratch;
    size_t scratch_bytes;
    int64_t n_tasks;
    _Atomic int64_t ticket;
} convolve_crew;

/* The range's first number is this thread's alone: it chooses the scratch memory. */
static void convolve_work(void *env, int64_t begin, int64_t end) {
    convolve_crew *c = env;
    (void)end;
    for (;;) {
        int64_t task = atomic_fetch_add(&c->ticket, 1);
        if (task >= c->n_tasks) return;
        c->run(c->plan, task, c->scratch + (size_t)begin * c->scratch_bytes);
    }
}

/* Threads worth waking for so many multiply-adds: a range should be about 20 us of work. */
static int64_t convolve_workers(double products, int64_t n_tasks) {
    int64_t n = gm_n_threads(), most = products < 1e12 ? (int64_t)(products / 1e6) : n;
    if (n > most) n = most;
    if (n > n_tasks) n = n_tasks;
    return n < 1 ? 1 : n;
}

static bool convolve_run(convolve_memory *m, convolve_crew *c, double products) {
    int64_t n = convolve_workers(products, c->n_tasks);
    c->scratch_bytes = (c->scratch_bytes + 4095) / 4096 * 4096 + 320; /* not a power of two apart */
    if (c->scratch_bytes > 320 && !(c->scratch = convolve_take(m, (size_t)n * c->scratch_bytes + 64))) return false;
    gm_parallel_for(n, 1, convolve_work, c);
    return true;
}

/* ---- shapes ---- */

static bool convolve_check(const gm__conv_shape *s) {
    if (!gm_ok()) return false;
    bool good = s->groups > 0 && s->c_in % s->groups == 0 && s->c_out % s->groups == 0 && s->batch >= 0;
    for (int i = 0; i < 3; i++)
        good = good && s->in[i] >= 0 && s->out[i] >= 0 && s->kernel[i] > 0 && s->stride[i] > 0 && s->dilation[i] > 0;
    return good || gm_fail(GM_ERROR_VALUE, "convolution: a size, stride, dilation or number of groups out of range");
}

static int64_t convolve_volume(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

/* A batch of pictures [N, C, size] or [N, size, C], contiguous. */
static gm__conv_view convolve_view(int64_t channels, const int64_t size[3], bool channels_last) {
    int64_t unit = channels_last ? channels : 1;
    gm__conv_view v = { channels * convolve_volume(size), channels_last ? 1 : convolve_volume(size), { 0 } };
    v.at[2] = unit;
    v.at[1] = unit * size[2];
    v.at[0] = unit * size[2] * size[1];
    return v;
}

static int64_t convolve_gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t c = a % b;
        a = b;
        b = c;
    }
    return a;
}

/* The offsets of the taps along one axis. Forward: all taps. */
static void convolve_axis_forward(const gm__conv_shape *s, int i, gm__conv_sight *see, int64_t *tap) {
    for (int64_t t = 0; t < s->kernel[i]; t++) tap[t] = t * s->dilation[i];
    see->tap[i] = tap;
    see->n_taps[i] = s->kernel[i];
    see->reach[i] = tap[s->kernel[i] - 1];
    see->source[i] = s->in[i];
    see->grid[i] = s->out[i];
    see->step[i] = s->stride[i];
    see->low[i] = -s->pad_lo[i];
    see->cell[i] = convolve_gcd(s->stride[i], s->kernel[i] > 1 ? s->dilation[i] : 0);
}

/* Data gradient, for the inputs first, first + stride ...: input i meets output (i + pad - tap * dilation) / stride,
 * through the taps that divide; `position`: which those are. */
static void convolve_axis_backward(const gm__conv_shape *s, int i, int64_t first, gm__conv_sight *see, int64_t *tap,
                                   int64_t *position) {
    int64_t n = 0;
    for (int64_t t = 0; t < s->kernel[i]; t++) {
        int64_t at = first + s->pad_lo[i] - t * s->dilation[i];
        if (at % s->stride[i]) continue;
        tap[n] = at / s->stride[i];
        position[n++] = t;
    }
    see->low[i] = n ? tap[n - 1] : 0;
    for (int64_t t = 0; t < n; t++) tap[t] -= see->low[i];
    see->tap[i] = tap;
    see->n_taps[i] = n;
    see->reach[i] = n ? tap[0] : 0;
    see->source[i] = s->out[i];
    see->grid[i] = (s->in[i] - first + s->stride[i] - 1) / s->stride[i];
    see->step[i] = see->cell[i] = 1;
}

/* ---- the k axis of a gather plan ---- */

typedef struct { int64_t *tap[3], *position[3]; } convolve_axes;

static bool convolve_axes_take(convolve_memory *m, const gm__conv_shape *s, convolve_axes *a) {
    int64_t n = s->kernel[0] + s->kernel[1] + s->kernel[2];
    int64_t *block = convolve_take(m, (size_t)n * 2 * sizeof *block);
    if (!block) return false;
    for (int i = 0; i < 3; i++) {
        a->tap[i] = block;
        a->position[i] = block + s->kernel[i];
        for (int64_t t = 0; t < s->kernel[i]; t++) a->position[i][t] = t;
        block += 2 * s->kernel[i];
    }
    return true;
}

/* Chunks keep their places in k, whatever taps are left out: `at` is the place of the next entry. */
static void convolve_run_add(gm__conv_run *runs, int64_t *n_runs, int64_t *super, int64_t chunk, int64_t *last_chunk,
                             int32_t entry) {
    if (*n_runs == 0 || chunk != *last_chunk) {
        bool opens = *n_runs == 0 || chunk / GM_CONV_SUPER != *super;
        if (opens && *n_runs) runs[*n_runs - 1].closes = true;
        runs[(*n_runs)++] = (gm__conv_run){ entry, 0, opens, false };
        *last_chunk = chunk;
        *super = chunk / GM_CONV_SUPER;
    }
    runs[*n_runs - 1].count++;
}

/* Lists over (tap, channel): index, runs; over the kernel's taps: w_place. */
static bool convolve_lists(convolve_memory *m, const gm__conv_shape *s, const convolve_axes *a, gm__conv_gather *p) {
    const gm__conv_sight *see = &p->see;
    const int64_t taps = convolve_volume(see->n_taps), in_row = p->direct_in ? p->from.at[2] : p->box_cell;
    const int64_t in_plane = p->direct_in ? p->from.at[1] : p->box_row;
    p->n_k = taps * p->c_src;
    int32_t *index = convolve_take(m, (size_t)p->n_k * sizeof *index);
    p->n_w_taps = convolve_volume(s->kernel);
    int32_t *w_place = convolve_take(m, (size_t)p->n_w_taps * sizeof *w_place);
    gm__conv_run *runs = convolve_take(m, (size_t)(p->n_k / GM_CONV_CHUNK + taps + 2) * sizeof *runs);
    if (!index || !w_place || !runs) return false;
    for (int64_t t = 0; t < p->n_w_taps; t++) w_place[t] = -1;
    int64_t n = 0, super = 0, last = 0;
    int32_t n_placed = 0;
    p->n_runs = 0;
    for (int64_t d = 0; d < see->n_taps[0]; d++)
        for (int64_t h = 0; h < see->n_taps[1]; h++)
            for (int64_t w = 0; w < see->n_taps[2]; w++) {
                int64_t place = (a->position[0][d] * s->kernel[1] + a->position[1][h]) * s->kernel[2] +
                                a->position[2][w];
                int64_t from = (p->direct_in ? see->tap[0][d] * p->from.at[0] : d * p->box_plane) +
                               see->tap[1][h] / see->cell[1] * in_plane * (p->direct_in ? see->cell[1] : 1) +
                               see->tap[2][w] / see->cell[2] * in_row * (p->direct_in ? see->cell[2] : 1);
                w_place[place] = n_placed++;
                for (int64_t c = 0; c < p->c_src; c++, n++) {
                    index[n] = (int32_t)(from + c);
                    int64_t chunk = (place * p->c_src + c) / GM_CONV_CHUNK;
                    convolve_run_add(runs, &p->n_runs, &super, chunk, &last, (int32_t)n);
                }
            }
    if (p->n_runs) runs[p->n_runs - 1].closes = true;
    p->index = index;
    p->w_place = w_place;
    p->runs = runs;
    return true;
}

/* ---- bands ---- */

/* Cells of the box of a band. */
static int64_t convolve_box(const gm__conv_gather *p, int64_t units, int64_t rows, int64_t columns) {
    const gm__conv_sight *s = &p->see;
    return units * s->n_taps[0] * ((rows - 1) * (s->step[1] / s->cell[1]) + s->reach[1] / s->cell[1] + 1) *
           ((columns - 1) * (s->step[2] / s->cell[2]) + s->reach[2] / s->cell[2] + 1);
}

static int64_t convolve_parts(int64_t n, int64_t each) { return (n + each - 1) / each; }

/* Whether a band keeps to the second-level cache. The more weights there are, the more positions should meet them. */
static bool convolve_fits(const gm__conv_gather *p, size_t size, int64_t units, int64_t rows, int64_t columns) {
    const int64_t n = units * rows * columns;
    const int64_t bytes = (p->direct_in ? n : convolve_box(p, units, rows, columns)) * p->c_src * (int64_t)size;
    return n <= 112 ? bytes <= 384 << 10 : n <= 448 && bytes <= 192 << 10;
}

/* Part n things evenly, into the fewest parts that fit: the size of one. */
static int64_t convolve_fit(const gm__conv_gather *p, size_t size, int axis, int64_t n) {
    int64_t best = n;
    for (int64_t parts = 1; parts <= n; parts = parts < 64 ? parts + 1 : parts + parts / 8) {
        best = convolve_parts(n, parts);
        if (convolve_fits(p, size, axis == 0 ? best : 1, axis == 1 ? best : axis == 0 ? p->see.grid[1] : 1,
                          axis == 2 ? best : p->see.grid[2]))
            break;
    }
    return best;
}

/* Cut the results into bands, and the channels too if there are few bands. */
static void convolve_bands(gm__conv_gather *p, size_t size, int64_t threads) {
    const gm__conv_sight *s = &p->see;
    const int64_t units = p->batch * s->grid[0], each[3] = { units, s->grid[1], s->grid[2] };
    p->band[2] = convolve_fit(p, size, 2, s->grid[2]);
    p->band[1] = p->band[2] < s->grid[2] ? 1 : convolve_fit(p, size, 1, s->grid[1]);
    p->band[0] = p->band[1] < s->grid[1] || p->band[2] < s->grid[2] ? 1 : convolve_fit(p, size, 0, units);
    for (int i = 0; i < 3; i++) p->n_bands[i] = convolve_parts(each[i], p->band[i]);
    int64_t tasks = p->groups * convolve_volume(p->n_bands);
    p->tiles_per_task = p->n_tiles;
    if (tasks > 0 && tasks < 2 * threads && threads > 1)
        p->tiles_per_task = convolve_parts(p->n_tiles, convolve_parts(2 * threads, tasks));
    p->n_splits = convolve_parts(p->n_tiles, p->tiles_per_task);
    p->box_cell = p->box_row = p->box_plane = p->box_unit = 0;
    if (p->direct_in) return;
    p->box_cell = p->c_src * (int64_t)size % 512 ? p->c_src : p->c_src + 64 / (int64_t)size;
    p->box_row = convolve_box(p, 1, 1, p->band[2]) / (s->n_taps[0] * (s->reach[1] / s->cell[1] + 1)) * p->box_cell;
    p->box_plane = convolve_box(p, 1, p->band[1], p->band[2]) / s->n_taps[0] * p->box_cell;
    p->box_unit = p->box_plane * s->n_taps[0];
}

/* Where the parts of a thread's scratch memory lie. */
static void convolve_scratch(gm__conv_gather *p, size_t size, int64_t full) {
    size_t n = (size_t)convolve_volume(p->band), at = p->direct_in ? 0 : (size_t)(p->band[0] * p->box_unit) * size;
    p->at_rows = at = (at + 127) / 64 * 64;
    p->at_places = at += (n + 7) / 8 * 8 * sizeof(void *);
    p->at_part = at += (n + 7) / 8 * 8 * sizeof(int64_t);
    at += n * (size_t)full * size;
    bool totals = false;
    for (int64_t i = 0; i + 1 < p->n_runs; i++) totals = totals || p->runs[i].closes;
    p->at_total = totals ? at : 0;
    at += totals ? n * (size_t)full * size : 0;
    p->at_panel = at = (at + 63) / 64 * 64;
    p->scratch_bytes = at + (p->private_panel ? (size_t)(p->n_k * full) * size : 0);
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

/* ---- tasks ---- */

static void convolve_pack_f32(const void *plan, int64_t task, void *scratch) {
    const gm__conv_gather *p = plan;
    (void)scratch;
    convolve_kernels_of(sizeof(float)).pack(p, task / p->n_tiles, task % p->n_tiles);
}

static void convolve_pack_f64(const void *plan, int64_t task, void *scratch) {
    const gm__conv_gather *p = plan;
    (void)scratch;
    convolve_kernels_of(sizeof(double)).pack(p, task / p->n_tiles, task % p->n_tiles);
}

static void convolve_gather_f32(const void *plan, int64_t task, void *scratch) {
    convolve_kernels_of(sizeof(float)).gather(plan, task, scratch);
}

static void convolve_gather_f64(const void *plan, int64_t task, void *scratch) {
    convolve_kernels_of(sizeof(double)).gather(plan, task, scratch);
}

static void convolve_wgrad_f32(const void *plan, int64_t task, void *scratch) {
    convolve_kernels_of(sizeof(float)).wgrad(plan, task, scratch);
}

static void convolve_wgrad_f64(const void *plan, int64_t task, void *scratch) {
    convolve_kernels_of(sizeof(double)).wgrad(plan, task, scratch);
}

/* ---- forward and data gradient ---- */

/* The bias of each group, padded to whole tiles. */
static bool convolve_bias(convolve_memory *m, gm__conv_gather *p, size_t size, int64_t full, const void *bias) {
    p->bias = NULL;
    if (!bias) return true;
    const size_t row = (size_t)(p->n_tiles * full) * size, used = (size_t)p->c_dst * size;
    char *padded = convolve_take(m, (size_t)p->groups * row);
    if (!padded) return false;
    memset(padded, 0, (size_t)p->groups * row);
    for (int64_t g = 0; g < p->groups; g++)
        memcpy(padded + (size_t)g * row, (const char *)bias + (size_t)g * used, used);
    p->bias = padded;
    return true;
}

/* Run a plan whose sight, views and sizes are set. */
static bool convolve_pass(convolve_memory *m, const gm__conv_shape *s, const convolve_axes *a, gm__conv_gather *p,
                          size_t size, const void *bias) {
    const convolve_kernels k = convolve_kernels_of(size);
    int64_t full, vector;
    k.widths(&full, &vector);
    p->n_tiles = convolve_parts(p->c_dst, full);
    p->direct_in = convolve_volume(p->see.n_taps) == 0 || (convolve_inside(p) && !convolve_aliased(p, size));
    convolve_bands(p, size, gm_n_threads());
    if (!p->direct_in && p->box_unit * p->band[0] > INT32_MAX)
        return gm_fail(GM_ERROR_UNSUPPORTED, "convolution: one result sees more than 2^31 values");
    if (!convolve_lists(m, s, a, p) || !convolve_bias(m, p, size, full, bias)) return false;
    p->private_panel = convolve_volume(p->n_bands) == 1;
    convolve_scratch(p, size, full);
    p->direct_out = p->to.channel == 1 && p->c_dst % vector == 0 && !p->at_total;
    p->panel_group = p->n_tiles * full * p->n_k;
    size_t panels = p->private_panel ? 0 : (size_t)(p->groups * p->panel_group) * size;
    if (!(p->panels = convolve_take(m, panels))) return false;
    bool f32 = size == sizeof(float);
    convolve_crew pack = { f32 ? convolve_pack_f32 : convolve_pack_f64, p, NULL, 0, p->groups * p->n_tiles, 0 };
    convolve_crew run = { f32 ? convolve_gather_f32 : convolve_gather_f64, p, NULL, p->scratch_bytes,
                          p->groups * convolve_volume(p->n_bands) * p->n_splits, 0 };
    double results = (double)(p->batch * p->groups * p->c_dst) * (double)convolve_volume(p->see.grid);
    return (p->private_panel || convolve_run(m, &pack, (double)(p->groups * p->panel_group) * 8)) &&
           convolve_run(m, &run, results * (double)(p->n_k + 8));
}

static bool convolve_forward(const gm__conv_shape *s, size_t size, const void *x, const void *w, void *y,
                             const gm__conv_epilogue *e) {
    if (!convolve_check(s)) return false;
    gm__conv_gather p = { .src = x, .dst = y, .weights = w, .batch = s->batch, .groups = s->groups };
    p.from = convolve_view(s->c_in, s->in, s->channels_last);
    p.to = convolve_view(s->c_out, s->out, s->channels_last);
    p.c_src = s->c_in / s->groups;
    p.c_dst = s->c_out / s->groups;
    p.w_src = convolve_volume(s->kernel);
    p.w_dst = p.c_src * p.w_src;
    p.w_group = p.c_dst * p.w_dst;
    if (s->batch * s->c_out * convolve_volume(s->out) == 0) return true;
    convolve_memory m = { .n = 0 };
    convolve_axes a;
    bool good = convolve_axes_take(&m, s, &a);
    for (int i = 0; good && i < 3; i++) {
        convolve_axis_forward(s, i, &p.see, a.tap[i]);
        p.to_start[i] = 0;
        p.to_step[i] = 1;
    }
    good = good && convolve_pass(&m, s, &a, &p, size, e ? e->bias : NULL);
    convolve_give(&m, 0);
    return good;
}

/* Whether some inputs meet no tap at all: their phases have no products. */
static bool convolve_has_gaps(const gm__conv_shape *s) {
    for (int i = 0; i < 3; i++)
        for (int64_t first = 0; first < s->stride[i] && first < s->in[i]; first++) {
            bool met = false;
            for (int64_t t = 0; t < s->kernel[i]; t++)
                met = met || (first + s->pad_lo[i] - t * s->dilation[i]) % s->stride[i] == 0;
            if (!met) return true;
        }
    return false;
}

static void convolve_zero(void *env, int64_t begin, int64_t end) {
    memset((char *)env + begin, 0, (size_t)(end - begin));
}

/* The inputs first[i] + stride[i] * j of the data gradient. */
static bool convolve_phase(convolve_memory *m, const gm__conv_shape *s, gm__conv_gather *p, size_t size,
                           const int64_t first[3]) {
    int keep = m->n;
    convolve_axes a;
    bool good = convolve_axes_take(m, s, &a);
    for (int i = 0; good && i < 3; i++) {
        convolve_axis_backward(s, i, first[i], &p->see, a.tap[i], a.position[i]);
        p->to_start[i] = first[i];
        p->to_step[i] = s->stride[i];
    }
    if (good && convolve_volume(p->see.n_taps)) good = convolve_pass(m, s, &a, p, size, NULL);
    convolve_give(m, keep);
    return good;
}

static bool convolve_data_grad(const gm__conv_shape *s, size_t size, const void *gy, const void *w, void *gx) {
    if (!convolve_check(s)) return false;
    gm__conv_gather p = { .src = gy, .dst = gx, .weights = w, .batch = s->batch, .groups = s->groups };
    p.from = convolve_view(s->c_out, s->out, s->channels_last);
    p.to = convolve_view(s->c_in, s->in, s->channels_last);
    p.c_src = s->c_out / s->groups;
    p.c_dst = s->c_in / s->groups;
    p.w_dst = convolve_volume(s->kernel);
    p.w_src = p.c_dst * p.w_dst;
    p.w_group = p.c_src * p.w_src;
    if (s->batch * s->c_in * convolve_volume(s->in) == 0) return true;
    if (convolve_has_gaps(s))
        gm_parallel_for(s->batch * s->c_in * convolve_volume(s->in) * (int64_t)size, 1 << 18, convolve_zero, gx);
    convolve_memory m = { .n = 0 };
    bool good = true;
    int64_t first[3];
    for (first[0] = 0; good && first[0] < s->stride[0] && first[0] < s->in[0]; first[0]++)
        for (first[1] = 0; good && first[1] < s->stride[1] && first[1] < s->in[1]; first[1]++)
            for (first[2] = 0; good && first[2] < s->stride[2] && first[2] < s->in[2]; first[2]++)
                good = convolve_phase(&m, s, &p, size, first);
    convolve_give(&m, 0);
    return good;
}

bool gm__conv_forward_f32(const gm__conv_shape *s, const float *x, const float *w, float *y,
                          const gm__conv_epilogue *e) {
    return convolve_forward(s, sizeof *x, x, w, y, e);
}

bool gm__conv_forward_f64(const gm__conv_shape *s, const double *x, const double *w, double *y,
                          const gm__conv_epilogue *e) {
    return convolve_forward(s, sizeof *x, x, w, y, e);
}

bool gm__conv_data_grad_f32(const gm__conv_shape *s, const float *gy, const float *w, float *gx) {
    return convolve_data_grad(s, sizeof *gy, gy, w, gx);
}

bool gm__conv_data_grad_f64(const gm__conv_shape *s, const double *gy, const double *w, double *gx) {
    return convolve_data_grad(s, sizeof *gy, gy, w, gx);
}

/* ---- weight gradient ---- */

/* Cut gw into tasks: partial sums of about 288 KiB, and enough tasks for the threads. */
static void convolve_wblocks(gm__conv_wgrad *p, size_t size, int64_t full, int64_t threads) {
    const int64_t taps = convolve_volume(p->see.n_taps), budget = (288 << 10) / (int64_t)size;
    int64_t c = p->c_src, tiles = convolve_parts(p->c_dst, full);
    int64_t c_parts = 1, o_parts = 1, n_tiles = tiles;
    for (;;) {
        c = convolve_parts(p->c_src, c_parts);
        tiles = convolve_parts(n_tiles, o_parts);
        int64_t tasks = p->groups * c_parts * o_parts;
        bool fits = taps * c * tiles * full <= budget && (tasks >= 2 * threads || threads == 1);
        if (fits || (c <= 16 && tiles == 1)) break;
        if (tiles > 1 && tiles * full >= c) o_parts *= 2;
        else if (c > 16) c_parts *= 2;
        else o_parts *= 2;
    }
    p->c_block = c;
    p->n_c_blocks = p->c_src ? convolve_parts(p->c_src, c) : 0;
    p->tiles_per_task = tiles;
    p->n_o_blocks = convolve_parts(n_tiles, tiles);
}

/* Positions per box, and the strides of the box; returns its size. */
static int64_t convolve_wbox(gm__conv_wgrad *p, size_t size) {
    const gm__conv_sight *s = &p->see;
    const int64_t down = s->step[1] / s->cell[1], reach = s->reach[1] / s->cell[1] + 1;
    const int64_t across = s->step[2] / s->cell[2], far = s->reach[2] / s->cell[2] + 1;
    int64_t box = 0;
    p->windows = s->grid[2] > 1024;
    for (int64_t n = 1; n <= 8; n *= 2) {
        const int64_t k = n * GM_CONV_CHUNK, rows = k / s->grid[2] + 2, units = rows / s->grid[1] + 2;
        int64_t box_rows = p->windows ? rows * reach : rows * down + units * reach;
        int64_t box_row = ((p->windows ? k : s->grid[2]) - 1) * across + far;
        int64_t channel = box_rows * box_row + 16, plane = channel * p->c_block; /* planes not a power of two apart */
        if (n > 1 && plane * s->n_taps[0] * (int64_t)size > 160 << 10) break;
        p->k_block = k;
        p->box_row = box_row;
        p->box_channel = channel;
        p->box_plane = plane;
        box = plane * s->n_taps[0];
        if (k >= p->n_k) break;
    }
    return box;
}

static void convolve_wscratch(gm__conv_wgrad *p, size_t size, int64_t full, int64_t box) {
    const size_t rows = (size_t)(p->c_block * convolve_volume(p->see.n_taps));
    const size_t part = rows * (size_t)(p->tiles_per_task * full) * size;
    size_t at = ((size_t)box * size + 63) / 64 * 64;
    p->at_index = at;
    p->at_rows = at += (size_t)p->k_block * sizeof(int32_t);
    p->at_panel = at += (rows * sizeof(void *) + 63) / 64 * 64;
    p->at_part = at += (size_t)(GM_CONV_CHUNK * full) * size;
    p->at_total = at += part;
    p->scratch_bytes = at + (p->n_k > (int64_t)GM_CONV_CHUNK * GM_CONV_SUPER ? part : 0);
}

static bool convolve_weight_grad(const gm__conv_shape *s, size_t size, const void *x, const void *gy, void *gw) {
    if (!convolve_check(s)) return false;
    const convolve_kernels k = convolve_kernels_of(size);
    gm__conv_wgrad p = { .x = x, .gy = gy, .gw = gw, .batch = s->batch, .groups = s->groups };
    p.from = convolve_view(s->c_in, s->in, s->channels_last);
    p.grad = convolve_view(s->c_out, s->out, s->channels_last);
    p.c_src = s->c_in / s->groups;
    p.c_dst = s->c_out / s->groups;
    p.n_k = s->batch * convolve_volume(s->out);
    if (p.c_src * p.c_dst == 0) return true;
    convolve_memory m = { .n = 0 };
    convolve_axes a;
    int64_t full, vector;
    bool good = convolve_axes_take(&m, s, &a);
    k.widths(&full, &vector);
    for (int i = 0; good && i < 3; i++) convolve_axis_forward(s, i, &p.see, a.tap[i]);
    if (good) {
        convolve_wblocks(&p, size, full, gm_n_threads());
        int64_t box = p.n_k ? convolve_wbox(&p, size) : 0;
        if (box > INT32_MAX) good = gm_fail(GM_ERROR_UNSUPPORTED, "convolution: a chunk sees more than 2^31 values");
        convolve_wscratch(&p, size, full, box);
    }
    convolve_crew run = { size == sizeof(float) ? convolve_wgrad_f32 : convolve_wgrad_f64, &p, NULL, p.scratch_bytes,
                          p.groups * p.n_c_blocks * p.n_o_blocks, 0 };
    good = good && convolve_run(&m, &run, (double)(p.c_src * p.c_dst * p.groups) *
                                              (double)convolve_volume(s->kernel) * (double)(p.n_k + 8));
    convolve_give(&m, 0);
    return good;
}

bool gm__conv_weight_grad_f32(const gm__conv_shape *s, const float *x, const float *gy, float *gw) {
    return convolve_weight_grad(s, sizeof *x, x, gy, gw);
}

bool gm__conv_weight_grad_f64(const gm__conv_shape *s, const double *x, const double *gy, double *gw) {
    return convolve_weight_grad(s, sizeof *x, x, gy, gw);
}
