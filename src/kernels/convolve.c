/* convolve.c: the driver of the convolution templates (conv.h): forward and data gradient, and what all three share.
 *
 * A call makes one plan for each stride phase (forward has one; see convolve_gather.c), packs the weights, cuts the
 * results into tasks and lets the threads take tasks by a ticket; each thread has its own scratch memory. A task owns
 * its results: nothing is ever added across threads, so that the number of threads changes no bit. */
#include "../math/fp.h"
#include "convolve_inner.h"

/* ---- memory of one call ---- */

void *gm__convolve_take(gm__convolve_memory *m, size_t bytes) {
    void *block = gm__block_take(bytes ? bytes : 1, &m->got[m->n]);
    if (!block) {
        gm_fail(GM_ERROR_MEMORY, "convolution: out of memory for %zu bytes of scratch", bytes);
        return NULL;
    }
    return m->block[m->n++] = block;
}

void gm__convolve_give(gm__convolve_memory *m) {
    while (m->n > 0) {
        m->n--;
        gm__block_give(m->block[m->n], m->got[m->n]);
    }
}

/* ---- kernels by type ---- */

static _Atomic(const gm_kernels *) convolve_table;

void gm__conv_use(const gm_kernels *table) { convolve_table = table; }

gm__convolve_kernels gm__convolve_kernels_of(size_t size) {
    const gm_kernels *t = convolve_table;
    if (!t) t = gm__kernels();
    gm__convolve_kernels k = { .size = size };
    bool f32 = size == sizeof(float);
    (f32 ? t->conv_widths_f32 : t->conv_widths_f64)(&k.rows, &k.columns, &k.vector);
    k.pack = f32 ? t->conv_pack_f32 : t->conv_pack_f64;
    k.gather = f32 ? t->conv_gather_f32 : t->conv_gather_f64;
    k.planes = f32 ? t->conv_planes_f32 : t->conv_planes_f64;
    k.wgrad = f32 ? t->conv_wgrad_f32 : t->conv_wgrad_f64;
    return k;
}

/* ---- threads ---- */

/* The range's first number is this thread's alone: it chooses the scratch memory. */
static void convolve_work(void *env, int64_t begin, int64_t end) {
    gm__convolve_crew *c = env;
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

bool gm__convolve_run(gm__convolve_memory *m, gm__convolve_crew *c) {
    int64_t n = convolve_workers(c->products, c->n_tasks);
    if (c->scratch_bytes) {
        c->scratch_bytes = (c->scratch_bytes + 4095) / 4096 * 4096 + 320; /* not a power of two apart */
        if (!(c->scratch = gm__convolve_take(m, (size_t)n * c->scratch_bytes + 64))) return false;
    }
    c->ticket = 0;
    gm_parallel_for(n, 1, convolve_work, c);
    return true;
}

/* ---- shapes ---- */

bool gm__convolve_check(const gm__conv_shape *s) {
    if (!gm_ok()) return false;
    bool good = s->groups > 0 && s->c_in % s->groups == 0 && s->c_out % s->groups == 0 && s->batch >= 0;
    for (int i = 0; i < 3; i++)
        good = good && s->in[i] >= 0 && s->out[i] >= 0 && s->kernel[i] > 0 && s->stride[i] > 0 && s->dilation[i] > 0;
    return good || gm_fail(GM_ERROR_VALUE, "convolution: a size, stride, dilation or number of groups out of range");
}

gm__conv_view gm__convolve_view(int64_t channels, const int64_t size[3], bool channels_last) {
    int64_t unit = channels_last ? channels : 1, volume = gm__convolve_volume(size);
    gm__conv_view v = { channels * volume, channels_last ? 1 : volume, { 0 } };
    v.at[2] = unit;
    v.at[1] = unit * size[2];
    v.at[0] = unit * size[2] * size[1];
    return v;
}

bool gm__convolve_axes_take(gm__convolve_memory *m, const gm__conv_shape *s, gm__convolve_axes *a) {
    int64_t n = s->kernel[0] + s->kernel[1] + s->kernel[2];
    int64_t *block = gm__convolve_take(m, (size_t)n * 2 * sizeof *block);
    if (!block) return false;
    for (int i = 0; i < 3; i++) {
        a->tap[i] = block;
        a->position[i] = block + s->kernel[i];
        for (int64_t t = 0; t < s->kernel[i]; t++) a->position[i][t] = t;
        block += 2 * s->kernel[i];
    }
    return true;
}

static int64_t convolve_gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t c = a % b;
        a = b;
        b = c;
    }
    return a;
}

/* Forward: all taps. */
void gm__convolve_axis_forward(const gm__conv_shape *s, int i, gm__conv_sight *see, int64_t *tap) {
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

/* ---- forward ---- */

static bool convolve_forward(const gm__conv_shape *s, size_t size, const void *x, const void *w, void *y,
                             const gm__conv_epilogue *e) {
    if (!gm__convolve_check(s)) return false;
    if (s->batch * s->c_out * gm__convolve_volume(s->out) == 0) return true;
    gm__convolve_plans plans = { .k = gm__convolve_kernels_of(size), .n = 1 };
    gm__conv_gather *p = &plans.plan[0];
    p->src = x;
    p->dst = y;
    p->weights = w;
    p->batch = s->batch;
    p->groups = s->groups;
    p->from = gm__convolve_view(s->c_in, s->in, s->channels_last);
    p->to = gm__convolve_view(s->c_out, s->out, s->channels_last);
    p->c_src = s->c_in / s->groups;
    p->c_dst = s->c_out / s->groups;
    p->w_src = gm__convolve_volume(s->kernel);
    p->w_dst = p->c_src * p->w_src;
    p->w_group = p->c_dst * p->w_dst;
    gm__convolve_memory m = { .n = 0 };
    gm__convolve_axes a;
    bool good = gm__convolve_axes_take(&m, s, &a);
    for (int i = 0; good && i < 3; i++) {
        gm__convolve_axis_forward(s, i, &p->see, a.tap[i]);
        p->to_start[i] = 0;
        p->to_step[i] = 1;
    }
    good = good && gm__convolve_prepare(&m, s, &a, &plans, e ? e->bias : NULL) && gm__convolve_run_plans(&m, &plans);
    gm__convolve_give(&m);
    return good;
}

/* ---- data gradient ---- */

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

/* Add the plan for the inputs first[i] + stride[i] * j; none if they meet no tap. */
static bool convolve_phase(gm__convolve_memory *m, const gm__conv_shape *s, gm__convolve_plans *plans,
                           const int64_t first[3]) {
    gm__conv_gather *p = &plans->plan[plans->n];
    gm__convolve_axes a;
    if (!gm__convolve_axes_take(m, s, &a)) return false;
    for (int i = 0; i < 3; i++) {
        convolve_axis_backward(s, i, first[i], &p->see, a.tap[i], a.position[i]);
        p->to_start[i] = first[i];
        p->to_step[i] = s->stride[i];
    }
    if (gm__convolve_volume(p->see.n_taps) == 0) return true;
    plans->n++;
    return gm__convolve_prepare(m, s, &a, plans, NULL);
}

/* Phases number begin .. end - 1, row-major, together. */
static bool convolve_phases(const gm__conv_shape *s, const gm__conv_gather *common, size_t size, int64_t begin,
                            int64_t end) {
    gm__convolve_plans plans = { .k = gm__convolve_kernels_of(size), .n = 0 };
    gm__convolve_memory m = { .n = 0 };
    bool good = true;
    for (int64_t i = begin; good && i < end; i++) {
        int64_t first[3] = { i / s->stride[2] / s->stride[1], i / s->stride[2] % s->stride[1], i % s->stride[2] };
        if (first[0] >= s->in[0] || first[1] >= s->in[1] || first[2] >= s->in[2]) continue;
        plans.plan[plans.n] = *common;
        good = convolve_phase(&m, s, &plans, first);
    }
    good = good && gm__convolve_run_plans(&m, &plans);
    gm__convolve_give(&m);
    return good;
}

static bool convolve_data_grad(const gm__conv_shape *s, size_t size, const void *gy, const void *w, void *gx) {
    if (!gm__convolve_check(s)) return false;
    const int64_t volume = gm__convolve_volume(s->kernel);
    if (s->batch * s->c_in * gm__convolve_volume(s->in) == 0) return true;
    gm__conv_gather p = { .src = gy, .dst = gx, .weights = w, .batch = s->batch, .groups = s->groups };
    p.from = gm__convolve_view(s->c_out, s->out, s->channels_last);
    p.to = gm__convolve_view(s->c_in, s->in, s->channels_last);
    p.c_src = s->c_out / s->groups;
    p.c_dst = s->c_in / s->groups;
    p.w_dst = volume;
    p.w_src = p.c_dst * volume;
    p.w_group = p.c_src * p.w_src;
    if (convolve_has_gaps(s))
        gm_parallel_for(s->batch * s->c_in * gm__convolve_volume(s->in) * (int64_t)size, 1 << 18, convolve_zero, gx);
    bool good = true;
    const int64_t n = gm__convolve_volume(s->stride);
    for (int64_t i = 0; good && i < n; i += GM__CONVOLVE_PHASES)
        good = convolve_phases(s, &p, size, i, i + GM__CONVOLVE_PHASES < n ? i + GM__CONVOLVE_PHASES : n);
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
