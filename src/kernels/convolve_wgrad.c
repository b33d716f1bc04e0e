/* convolve_wgrad.c: the weight gradient: its plan, and the threads that run it (see convolve.c). A task is a part of
 * the weights, over all positions: k is never split, so that the number of threads changes no bit. */
#include "../math/fp.h"
#include "convolve_inner.h"

/* Cut gw into tasks: partial sums of about 288 KiB, and enough tasks for the threads. */
static void convolve_wblocks(gm__conv_wgrad *p, size_t size, int64_t full, int64_t threads) {
    if (p->paired) {
        p->c_block = full;
        p->n_c_blocks = p->tiles_per_task = p->n_o_blocks = 1;
        return;
    }
    const int64_t taps = gm__convolve_volume(p->see.n_taps), budget = (288 << 10) / (int64_t)size;
    int64_t c = p->c_src, tiles = gm__convolve_parts(p->c_dst, full);
    int64_t c_parts = 1, o_parts = 1, n_tiles = tiles;
    for (;;) {
        c = gm__convolve_parts(p->c_src, c_parts);
        tiles = gm__convolve_parts(n_tiles, o_parts);
        int64_t tasks = p->groups * c_parts * o_parts;
        bool fits = taps * c * tiles * full <= budget && (tasks >= 2 * threads || threads == 1);
        if (fits || (c <= 16 && tiles == 1)) break;
        if (tiles > 1 && tiles * full >= c) o_parts *= 2;
        else if (c > 16) c_parts *= 2;
        else o_parts *= 2;
    }
    p->c_block = c;
    p->n_c_blocks = p->c_src ? gm__convolve_parts(p->c_src, c) : 0;
    p->tiles_per_task = tiles;
    p->n_o_blocks = gm__convolve_parts(n_tiles, tiles);
}

/* The strides of the box of k positions; returns its size. */
static int64_t convolve_wlay(gm__conv_wgrad *p, size_t size, int64_t k) {
    const gm__conv_sight *s = &p->see;
    const int64_t down = s->step[1] / s->cell[1], reach = s->reach[1] / s->cell[1] + 1;
    const int64_t across = s->step[2] / s->cell[2], far = s->reach[2] / s->cell[2] + 1;
    const int64_t rows = k / s->grid[2] + 2, units = rows / s->grid[1] + 2;
    const int64_t box_rows = p->windows ? rows * reach : rows * down + units * reach;
    const int64_t columns = ((p->windows ? k : s->grid[2]) - 1) * across + far;
    p->k_block = k;
    p->box_cell = p->paired ? p->c_block : 1;
    p->box_row = columns * p->box_cell;
    /* planes of channels are not a power of two apart */
    p->box_channel = p->paired ? 1 : box_rows * p->box_row + 64 / (int64_t)size;
    p->box_plane = p->paired ? box_rows * p->box_row : p->box_channel * p->c_block;
    return p->box_plane * s->n_taps[0];
}

/* As many chunks per box as the second-level cache likes. */
static int64_t convolve_wbox(gm__conv_wgrad *p, size_t size) {
    p->windows = p->see.grid[2] > 1024;
    int64_t chunks = 1;
    while (chunks < 8 && chunks * GM_CONV_CHUNK < p->n_k &&
           convolve_wlay(p, size, 2 * chunks * GM_CONV_CHUNK) * (int64_t)size <= 160 << 10)
        chunks *= 2;
    return convolve_wlay(p, size, chunks * GM_CONV_CHUNK);
}

static void convolve_wscratch(gm__conv_wgrad *p, size_t size, int64_t full, int64_t box) {
    const size_t rows = (size_t)((p->paired ? 1 : p->c_block) * gm__convolve_volume(p->see.n_taps));
    const size_t part = rows * (size_t)(p->tiles_per_task * full) * size;
    size_t at = ((size_t)(box + full) * size + 63) / 64 * 64;
    p->at_index = at;
    p->at_rows = at += (size_t)p->k_block * sizeof(int32_t);
    p->at_panel = at += (rows * sizeof(void *) + 63) / 64 * 64;
    p->at_part = at += (size_t)(GM_CONV_CHUNK * full) * size;
    p->at_total = at += part;
    p->scratch_bytes = at + (p->n_k > (int64_t)GM_CONV_CHUNK * GM_CONV_SUPER ? part : 0);
}

typedef struct { gm__convolve_kernels k; gm__conv_wgrad p; } convolve_wplan;

static void convolve_wgrad_task(const void *env, int64_t task, void *scratch) {
    const convolve_wplan *w = env;
    w->k.wgrad(&w->p, task, scratch);
}

static void convolve_wsizes(convolve_wplan *w, const gm__conv_shape *s) {
    gm__conv_wgrad *p = &w->p;
    p->batch = s->batch;
    p->groups = s->groups;
    p->from = gm__convolve_view(s->c_in, s->in, s->channels_last);
    p->grad = gm__convolve_view(s->c_out, s->out, s->channels_last);
    p->c_src = s->c_in / s->groups;
    p->c_dst = p->c_last = s->c_out / s->groups;
    p->n_k = s->batch * gm__convolve_volume(s->out);
    p->paired = p->c_src == 1 && p->c_dst == 1 && p->groups > 1;
    if (!p->paired) return;
    p->c_src = p->c_dst = w->k.columns;
    p->groups = gm__convolve_parts(s->groups, w->k.columns);
    p->c_last = s->groups - (p->groups - 1) * w->k.columns;
}

static bool convolve_weight_grad(const gm__conv_shape *s, size_t size, const void *x, const void *gy, void *gw) {
    if (!gm__convolve_check(s)) return false;
    if (s->c_in * s->c_out == 0) return true;
    convolve_wplan w = { gm__convolve_kernels_of(size), { .x = x, .gy = gy, .gw = gw } };
    gm__convolve_memory m = { .n = 0 };
    gm__convolve_axes a;
    bool good = gm__convolve_axes_take(&m, s, &a);
    convolve_wsizes(&w, s);
    for (int i = 0; good && i < 3; i++) gm__convolve_axis_forward(s, i, &w.p.see, a.tap[i]);
    if (good) {
        convolve_wblocks(&w.p, size, w.k.columns, gm_n_threads());
        int64_t box = w.p.n_k ? convolve_wbox(&w.p, size) : 0;
        if (box > INT32_MAX) good = gm_fail(GM_ERROR_UNSUPPORTED, "convolution: a chunk sees more than 2^31 values");
        convolve_wscratch(&w.p, size, w.k.columns, box);
        gm__convolve_crew run = { .run = convolve_wgrad_task, .plan = &w, .scratch_bytes = w.p.scratch_bytes };
        run.n_tasks = w.p.groups * w.p.n_c_blocks * w.p.n_o_blocks;
        run.products = (double)(s->c_out * w.p.see.n_taps[0]) * (double)(s->kernel[1] * s->kernel[2]) *
                       (double)(s->c_in / s->groups) * (double)(w.p.n_k + 8);
        good = good && gm__convolve_run(&m, &run);
    }
    gm__convolve_give(&m);
    return good;
}

bool gm__conv_weight_grad_f32(const gm__conv_shape *s, const float *x, const float *gy, float *gw) {
    return convolve_weight_grad(s, sizeof *x, x, gy, gw);
}

bool gm__conv_weight_grad_f64(const gm__conv_shape *s, const double *x, const double *gy, double *gw) {
    return convolve_weight_grad(s, sizeof *x, x, gy, gw);
}
