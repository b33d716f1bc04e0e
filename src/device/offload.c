/* offload.c: a graph as a program for a device.
 *
 * The host's plan of the graph (compile/plan.c) says where every value lies; the device has a buffer of the size of the
 * plan's arena, in which values have the same places, and one for each storage outside of the arena. A node that has a
 * kernel is launched; any other one is run by the plan. Which side has which values is known beforehand, so the copies
 * between the two are steps of the program, too. The host waits for the device before it computes and at the end. */
#include "../math/fp.h"
#include "kernels.h"
#include "offload.h"
#include "../base/grow.h"
#include "../base/map.h"
#include "../compile/frame.h"
#include "../compile/fuse.h"
#include "../compile/pass.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"

#include <string.h>

/* The memory behind values: those of one storage share it. */
typedef struct {
    int32_t of;          /* a value of it, for its address on the host */
    void *buffer;        /* the arena's, or its own */
    int64_t at, bytes;   /* where it begins there */
    bool own, captured, written, on_host, on_device;
} offload_place;

enum { OFFLOAD_IN, OFFLOAD_IN_ONCE, OFFLOAD_OUT, OFFLOAD_LAUNCH, OFFLOAD_CALL, OFFLOAD_WAIT };
typedef struct { int32_t kind, what; } offload_step; /* the number of the place, launch or call */

struct gm__offload {
    gm_object o;
    gm_graph *graph;
    gm__device *device;
    gm__plan *plan;
    gm__frame *frame;      /* while it is made */
    void *arena, *numbers, *built;
    offload_place *place;
    int32_t *place_of;     /* [n_values] */
    offload_step *step;
    gm__launch *launch;
    int64_t *number;       /* what the device's buffer of numbers holds */
    int64_t n_places, place_capacity, n_steps, step_capacity, n_launches, launch_capacity, n_numbers, number_capacity;
    gm__offload_stats stats;
    int32_t flags;
    bool copying, began;   /* while it is made: since the last wait; it has run */
};

static void offload_destroy(void *object) {
    gm__offload *p = object;
    gm__device *d = p->device;
    if (p->built) d->kind->release(d, p->built);
    for (int64_t i = 0; i < p->n_places; i++)
        if (p->place[i].own && p->place[i].buffer) d->kind->free(d, p->place[i].buffer);
    if (p->arena) d->kind->free(d, p->arena);
    if (p->numbers) d->kind->free(d, p->numbers);
    for (int64_t i = 0; i < p->n_launches; i++) gm_free((void *)p->launch[i].argument);
    gm_free(p->place);
    gm_free(p->place_of);
    gm_free(p->step);
    gm_free(p->launch);
    gm_free(p->number);
    gm_release(p->plan);
    gm_release(p->graph);
    gm_release(d);
}

static const gm_type offload_type = { "device program", sizeof(gm__offload), offload_destroy };

gm__offload_stats gm__offload_statistics(const gm__offload *p) { return p->stats; }

static void *offload_allocate(gm__offload *p, int64_t bytes) {
    void *buffer = p->device->kind->allocate(p->device, bytes ? bytes : 1);
    if (buffer) p->stats.bytes += bytes;
    return buffer;
}

/* ---- places ---- */

static bool offload_add_place(gm__offload *p, int32_t v, gm__map *known) {
    gm_tensor *t = p->frame->value[v];
    void **number = gm__map_at(known, t->storage);
    if (!number) return false;
    if (!*number) {
        if (!gm__grow(&p->place, p->n_places, &p->place_capacity, sizeof *p->place)) return false;
        int kind = p->graph->value[gm__graph_root(p->graph, v)].kind;
        int64_t at = p->plan->offset[v];
        p->place[p->n_places] = (offload_place){ .of = v,
                                                 .at = at < 0 ? 0 : at,
                                                 .bytes = (int64_t)t->storage->bytes,
                                                 .own = at < 0,
                                                 .captured = kind == GM__VALUE_CAPTURED,
                                                 .on_host = kind != GM__VALUE_NODE };
        *number = (void *)(uintptr_t)++p->n_places;
    }
    p->place_of[v] = (int32_t)(uintptr_t)*number - 1;
    return true;
}

static bool offload_find_places(gm__offload *p) {
    const gm_graph *g = p->graph;
    gm__map known = { 0 };
    p->place_of = gm_alloc((size_t)(g->n_values + 1) * sizeof *p->place_of);
    bool ok = p->place_of != NULL;
    for (int32_t v = 0; ok && v < g->n_values; v++) ok = offload_add_place(p, v, &known);
    for (int64_t i = 0; ok && i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0 && gm__node_writes(&g->node[i], k))
                p->place[p->place_of[g->node[i].in[k]]].written = true;
    gm__map_free(&known);
    return ok;
}

static bool offload_take_arena(gm__offload *p) {
    int64_t bytes = gm__plan_statistics(p->plan).arena;
    if (bytes && !(p->arena = offload_allocate(p, bytes))) return false;
    for (int64_t i = 0; i < p->n_places; i++)
        if (!p->place[i].own) p->place[i].buffer = p->arena;
    return true;
}

/* ---- steps ---- */

static bool offload_add_step(gm__offload *p, int32_t kind, int64_t what) {
    if (!gm__grow(&p->step, p->n_steps, &p->step_capacity, sizeof *p->step)) return false;
    p->step[p->n_steps++] = (offload_step){ kind, (int32_t)what };
    return true;
}

static bool offload_settle(gm__offload *p) {
    if (!p->copying) return true;
    p->copying = false;
    return offload_add_step(p, OFFLOAD_WAIT, 0);
}

static bool offload_buffer(gm__offload *p, offload_place *place) {
    if (!place->buffer) place->buffer = offload_allocate(p, place->bytes);
    return place->buffer != NULL;
}

static bool offload_to_device(gm__offload *p, int32_t v) {
    offload_place *place = &p->place[p->place_of[v]];
    if (!offload_buffer(p, place)) return false;
    if (place->on_device) return true;
    bool once = place->captured && !place->written && p->flags & GM__OFFLOAD_CONSTANT;
    place->on_device = p->copying = true;
    if (!once) p->stats.copies_in++, p->stats.bytes_in += place->bytes;
    return offload_add_step(p, once ? OFFLOAD_IN_ONCE : OFFLOAD_IN, place - p->place);
}

static bool offload_to_host(gm__offload *p, int32_t v) {
    offload_place *place = &p->place[p->place_of[v]];
    if (place->on_host) return true;
    place->on_host = p->copying = true;
    p->stats.copies_out++, p->stats.bytes_out += place->bytes;
    return offload_add_step(p, OFFLOAD_OUT, place - p->place);
}

static void offload_made(gm__offload *p, int32_t v, bool device) {
    offload_place *place = &p->place[p->place_of[v]];
    place->on_device = device, place->on_host = !device;
}

/* ---- launches ---- */

static int64_t offload_element(const gm__offload *p, int32_t v) {
    const gm_tensor *t = p->frame->value[v];
    return p->place[p->place_of[v]].at / (gm__dtype(t->dtype)->bits / 8) + t->offset;
}

static bool offload_add_numbers(gm__offload *p, const gm__run *r) {
    for (int32_t i = 0; i < r->n_numbers; i++) {
        if (!gm__grow(&p->number, p->n_numbers, &p->number_capacity, sizeof *p->number)) return false;
        p->number[p->n_numbers++] = r->number[i];
    }
    return true;
}

/* The kernel and the buffer of numbers are there later: offload_link. */
static bool offload_add_launch(gm__offload *p, const gm__run *r) {
    int32_t n = r->n_operands + 2;
    if (!gm__grow(&p->launch, p->n_launches, &p->launch_capacity, sizeof *p->launch)) return false;
    gm__argument *a = gm_alloc((size_t)n * sizeof *a);
    if (!a) return false;
    for (int32_t i = 0; i < r->n_operands; i++) a[i].buffer = p->place[p->place_of[r->operand[i]]].buffer;
    a[n - 1].number = p->n_numbers;
    p->launch[p->n_launches] = (gm__launch){ .groups = { r->groups[0], r->groups[1] },
                                             .size = { r->size[0], r->size[1] },
                                             .argument = a,
                                             .n_arguments = n };
    p->stats.kernels++;
    return offload_add_step(p, OFFLOAD_LAUNCH, p->n_launches++) && offload_add_numbers(p, r);
}

/* Names of the launches' kernels, in order; and which texts they are of. */
typedef struct {
    char (*name)[32];
    int64_t *place;
    bool used[GM__KERNEL_TEXTS][2];
    gm__builder loops; /* what fusing emitted */
} offload_making;

static bool offload_add_run(gm__offload *p, offload_making *m, const gm__node *n, const gm__run *r) {
    bool ok = true;
    for (int i = 0; ok && i < n->n_in; i++) ok = n->in[i] < 0 || offload_to_device(p, n->in[i]);
    for (int j = 0; ok && j < n->n_out; j++) {
        ok = offload_buffer(p, &p->place[p->place_of[n->out + j]]);
        offload_made(p, n->out + j, true);
    }
    if (!ok || !r->groups[0] || !r->groups[1]) return ok;
    memcpy(m->name[p->n_launches], r->name, sizeof r->name);
    if (r->text >= 0) m->used[r->text][r->wide] = true;
    return offload_add_launch(p, r);
}

static bool offload_add_call(gm__offload *p, const gm__node *n, int64_t call) {
    bool ok = true;
    for (int i = 0; ok && i < n->n_in; i++) ok = n->in[i] < 0 || offload_to_host(p, n->in[i]);
    ok = ok && offload_settle(p) && offload_add_step(p, OFFLOAD_CALL, call);
    for (int i = 0; ok && i < n->n_in; i++)
        if (n->in[i] >= 0 && gm__node_writes(n, i)) offload_made(p, n->in[i], false);
    for (int j = 0; ok && j < n->n_out; j++) offload_made(p, n->out + j, false);
    p->stats.cpu_calls++;
    gm__debug_lines("device", p->device->label, n->op->name);
    return ok;
}

static bool offload_add_nodes(gm__offload *p, offload_making *m) {
    const gm_graph *g = p->graph;
    gm__run *r = gm_alloc(sizeof *r);
    bool ok = r != NULL;
    for (int64_t i = 0, call = 0; ok && i < g->n_nodes; i++) {
        const gm__node *n = &g->node[i];
        if (n->op->flags & GM_OP_VIEW) continue;
        memset(r, 0, sizeof *r);
        ok = gm__device_run(&p->device->target, g, n, m->place, r) ? offload_add_run(p, m, n, r)
                                                                   : gm_ok() && offload_add_call(p, n, call);
        call++;
    }
    for (int64_t i = 0; ok && i < g->n_out; i++) ok = offload_to_host(p, g->out[i].value);
    for (int64_t i = 0; ok && i < g->n_left; i++) ok = offload_to_host(p, g->left[i].value);
    gm_free(r);
    return ok && offload_add_step(p, OFFLOAD_WAIT, 0);
}

/* ---- the kernels ---- */

static bool offload_build(gm__offload *p, offload_making *m) {
    gm__device *d = p->device;
    gm__builder rest = { 0 }, text = { 0 };
    gm__builder_add(&rest, m->loops.text ? m->loops.text : "");
    gm__device_texts(&rest, m->used);
    gm__target_open(&text, &d->target);
    bool ok = !rest.failed && gm__target_scalars(&text, &d->target, rest.text);
    gm__builder_add(&text, rest.text);
    if (!ok && gm_ok()) gm_fail(GM_ERROR_INTERNAL, "%s: a kernel uses doubles", d->label);
    if (ok && !text.failed) p->built = d->kind->build(d, text.text);
    gm__builder_free(&rest);
    gm__builder_free(&text);
    return p->built != NULL;
}

static bool offload_link(gm__offload *p, offload_making *m) {
    gm__device *d = p->device;
    int64_t bytes = p->n_numbers * (int64_t)sizeof *p->number;
    if (!p->n_launches) return true;
    if (!offload_build(p, m) || !(p->numbers = offload_allocate(p, bytes))) return false;
    if (!d->kind->copy_in(d, p->numbers, 0, p->number, bytes)) return false;
    for (int64_t i = 0; i < p->n_launches; i++) {
        gm__launch *l = &p->launch[i];
        l->kernel = d->kind->kernel(d, p->built, m->name[i]);
        if (!l->kernel) return false;
        ((gm__argument *)l->argument)[l->n_arguments - 2].buffer = p->numbers;
    }
    return d->kind->wait(d);
}

static bool offload_make(gm__offload *p, offload_making *m) {
    const gm_graph *g = p->graph;
    if (!(p->frame = gm__frame_take(p->plan)) || !offload_find_places(p) || !offload_take_arena(p)) return false;
    m->name = gm_alloc((size_t)(g->n_nodes + 1) * sizeof *m->name);
    m->place = gm_alloc((size_t)(g->n_values + 1) * sizeof *m->place);
    if (!m->name || !m->place) return false;
    for (int32_t v = 0; v < g->n_values; v++) m->place[v] = offload_element(p, v);
    return offload_add_nodes(p, m) && offload_link(p, m);
}

gm__offload *gm__offload_new(gm_graph *g, gm__device *d, int32_t flags) {
    if (!gm__graph_check(g, "device") || !d) return NULL;
    gm_scope s = gm_scope_open();
    offload_making m = { 0 };
    gm__offload *p = gm_object_new(&offload_type);
    gm_graph *best = p ? gm__optimize(g) : NULL;
    if (best) {
        p->device = gm_retain(d), p->flags = flags;
        const gm__fuse_wish wish = { .target = &d->target,
                                     .least = 1,
                                     .most = flags & GM__OFFLOAD_APART ? 1 : GM__FUSE_MAX_NODES };
        gm_graph *fused = gm__fuse_text(best, &wish, &m.loops);
        if (gm_ok()) p->graph = gm_retain(fused ? fused : best);
    }
    bool ok = p && p->graph && (p->plan = gm_retain(gm__plan_plain(p->graph))) && offload_make(p, &m);
    if (p && p->frame) gm__frame_give(p->plan, p->frame);
    gm__builder_free(&m.loops);
    gm_free(m.name);
    gm_free(m.place);
    return gm_return(&s, ok ? p : NULL);
}

/* ---- running ---- */

static bool offload_copy(gm__offload *p, const gm__frame *f, const offload_step *s) {
    const offload_place *place = &p->place[s->what];
    const gm_storage *host = f->value[place->of]->storage;
    gm__device *d = p->device;
    if (s->kind == OFFLOAD_IN_ONCE && p->began) return true;
    if (place->captured && (int64_t)host->bytes != place->bytes)
        return gm_fail(GM_ERROR_STATE, "%s: a tensor of the program has other memory than before", d->label);
    return s->kind == OFFLOAD_OUT ? d->kind->copy_out(d, host->data, place->buffer, place->at, place->bytes)
                                  : d->kind->copy_in(d, place->buffer, place->at, host->data, place->bytes);
}

/* In place of a call where nothing is computed: its results are zeros. */
static bool offload_blank_call(const gm__frame_call *c) {
    for (int j = 0; j < c->n_out; j++) {
        gm_storage *s = c->out[j]->storage;
        if (!s->data) s->data = s->env = gm_alloc(s->bytes), s->release = gm_free;
        if (!s->data) return false;
        memset(s->data, 0, s->bytes);
    }
    return true;
}

static bool offload_run_step(gm__offload *p, const gm__frame *f, const offload_step *s, uint64_t seed,
                             uint64_t first) {
    gm__device *d = p->device;
    switch (s->kind) {
    case OFFLOAD_LAUNCH: return d->kind->launch(d, &p->launch[s->what]);
    case OFFLOAD_CALL:
        return d->kind->blank ? offload_blank_call(&f->call[s->what]) : gm__frame_call_at(f, s->what, seed, first);
    case OFFLOAD_WAIT: return d->kind->wait(d);
    default: return offload_copy(p, f, s);
    }
}

/* After an error in between the device is waited for: nothing may touch the memory of this run any more. */
static bool offload_run_steps(const gm__plan *plan, gm__frame *f, void *env, uint64_t seed, uint64_t first) {
    gm__offload *p = env;
    bool ok = true;
    (void)plan;
    for (int64_t i = 0; ok && i < p->n_steps; i++) ok = offload_run_step(p, f, &p->step[i], seed, first);
    if (!ok) p->device->kind->wait(p->device);
    else p->began = true;
    return ok;
}

bool gm__offload_run(gm__offload *p, gm_tensor *const *in, gm_tensor **out) {
    uint64_t seed = 0, first = gm__take_draws(p->graph->n_draws, &seed);
    return gm__plan_run_by(p->plan, in, out, &(gm__runner){ offload_run_steps, p }, seed, first);
}
