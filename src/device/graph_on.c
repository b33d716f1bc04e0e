/* graph_on.c: graphs as functions that run on a device. Programs are kept by the shapes of the inputs, the latest few.
 */
#include "../math/fp.h"
#include "offload.h"
#include "../base/args.h"
#include "../graph/function.h"
#include "gemel/autograd.h"
#include "gemel/device.h"

#include <pthread.h>
#include <string.h>

enum { ON_PROGRAMS = 8 };

typedef struct {
    pthread_mutex_t lock;
    gm_graph *graph;
    gm__device *device;
    gm__offload *program[ON_PROGRAMS]; /* the one called last is the first */
    gm_graph *of[ON_PROGRAMS];         /* the graph for its batch */
    int32_t n, flags;
    gm_device_stats stats;
} on_state;

static void on_free(void *env) {
    on_state *s = env;
    for (int i = 0; i < s->n; i++) gm_release(s->program[i]), gm_release(s->of[i]);
    gm_release(s->graph);
    gm_release(s->device);
    pthread_mutex_destroy(&s->lock);
    gm_free(s);
}

static bool on_fits(const gm_graph *g, gm_tensor *const *in) {
    for (int64_t i = 0; i < g->n_in; i++)
        if (!gm__same_shape(&g->value[g->in[i]].shape, &in[i]->shape) || g->value[g->in[i]].dtype != in[i]->dtype)
            return false;
    return true;
}

static void on_to_front(on_state *s, int at) {
    gm__offload *program = s->program[at];
    gm_graph *of = s->of[at];
    memmove(s->program + 1, s->program, (size_t)at * sizeof *s->program);
    memmove(s->of + 1, s->of, (size_t)at * sizeof *s->of);
    s->program[0] = program, s->of[0] = of;
}

/* The program for these inputs is then the first. */
static bool on_program(on_state *s, gm_tensor *const *in) {
    for (int i = 0; i < s->n; i++)
        if (on_fits(s->of[i], in)) return on_to_front(s, i), true;
    gm_graph *of = gm__graph_for(s->graph, in);
    gm__offload *p = of ? gm__offload_new(of, s->device, s->flags) : NULL;
    if (!p) return false;
    if (s->n == ON_PROGRAMS) s->n--, gm_release(s->program[s->n]), gm_release(s->of[s->n]);
    s->program[s->n] = gm_retain(p), s->of[s->n] = gm_retain(of);
    on_to_front(s, s->n++);
    return true;
}

static gm_pack *on_run(on_state *s, gm_tensor *const *in) {
    gm_tensor **out = gm_alloc((size_t)(s->graph->n_out + 1) * sizeof *out);
    gm_pack *result = NULL;
    if (out && on_program(s, in) && gm__offload_run(s->program[0], in, out)) {
        result = gm_pack_new();
        for (int64_t i = 0; i < s->graph->n_out; i++) gm_pack_set(result, s->of[0]->out[i].name, out[i]);
        s->stats.runs++;
    }
    gm_free(out);
    return gm_ok() ? result : NULL;
}

static gm_pack *on_call(gm_fn *f, gm_pack *in) {
    on_state *s = f->env;
    gm_scope scope = gm_scope_open();
    gm_pack *flat = gm_pack_flatten(in), *out = NULL;
    int64_t n = flat ? gm_pack_count(flat) : -1;
    gm_tensor **list = n >= 0 ? gm_alloc((size_t)(n + 1) * sizeof *list) : NULL;
    bool itself = gm_is_recording() || n != s->graph->n_in; /* a wrong number of inputs: for the error */
    for (int64_t i = 0; list && i < n; i++) {
        list[i] = gm_pack_at(flat, i);
        itself |= !list[i]->storage || (gm__is_tracked(list[i]) && gm_grad_enabled());
    }
    if (list && gm_ok() && itself) out = gm_graph_run(s->graph, in);
    else if (list && gm_ok()) {
        pthread_mutex_lock(&s->lock);
        out = on_run(s, list);
        pthread_mutex_unlock(&s->lock);
    }
    gm_free(list);
    return gm_return(&scope, out);
}

gm_fn *gm_graph_on_with(gm_graph *g, const char *device, const gm_graph_on_args *args) {
    gm_graph_on_args a = { 0 };
    if (!gm_ok() || !gm__args_take("graph_on", &a, sizeof a, args)) return NULL;
    if (device && !strcmp(device, "cpu")) return gm_jit(gm_graph_function(g));
    if (!gm_graph_n_nodes(g) && !gm_ok()) return NULL;
    gm_scope scope = gm_scope_open();
    gm__device *d = gm__device_open(device);
    gm_fn *f = d ? gm__fn_new("device", NULL, on_call) : NULL;
    on_state *s = f ? gm_alloc(sizeof *s) : NULL;
    if (s) {
        pthread_mutex_init(&s->lock, NULL);
        s->graph = gm_retain(g), s->device = gm_retain(d);
        s->flags = (a.no_fusion ? GM__OFFLOAD_APART : 0) | (a.constant ? GM__OFFLOAD_CONSTANT : 0);
        f->env = s, f->free_env = on_free;
    }
    return gm_return(&scope, s ? f : NULL);
}

gm_device_stats gm_device_statistics(gm_fn *f) {
    gm_device_stats r = { 0 };
    if (!gm__fn_check(f, "device_statistics")) return r;
    if (f->call != on_call)
        return gm_fail(GM_ERROR_VALUE, "device_statistics: this is a %s, not of gm_graph_on", f->kind), r;
    on_state *s = f->env;
    pthread_mutex_lock(&s->lock);
    r = s->stats;
    r.programs = s->n;
    if (s->n) {
        gm__offload_stats t = gm__offload_statistics(s->program[0]);
        r.kernels = t.kernels, r.cpu_calls = t.cpu_calls, r.copies_in = t.copies_in, r.copies_out = t.copies_out;
        r.bytes_in = t.bytes_in, r.bytes_out = t.bytes_out, r.device_bytes = t.bytes;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}
