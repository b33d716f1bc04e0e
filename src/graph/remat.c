/* remat.c: gm_remat: functions whose intermediate values are computed again when gradients want them.
 *
 * The forward run leaves one tape entry, with edges to everything from before that the function used. When a backward
 * pass reaches it, the function runs again and records entries, through which the pass goes on: so contributions to
 * gradients are added in the order in which they would have been added without, bit for bit. In a recording the second
 * run is nodes, marked so that they are not merged with those of the first. */
#include "../math/fp.h"
#include "function.h"
#include "../base/context.h"
#include "../base/grow.h"
#include "../base/stream.h"
#include "../eager/tape.h"
#include "../ops/ops.h"
#include "../tensor/stand_in.h"
#include "gemel/extend.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* What another run needs: the function and its inputs, what it used, and the modes of the thread. */
struct gm__remat_run {
    gm_object o;
    gm__stand_ins used;  /* from tensors it was given to what was meant (gm_substitute_begin) */
    gm_fn *f;
    gm_pack *in;
    gm_tensor **from;    /* those that want a gradient, held by `used` */
    int64_t n_from, capacity;
    int32_t *result;     /* [n_results]: which of the results the entry's outputs are */
    int32_t n_results;
    gm__draw_log draws;
    char where[256];
    uint64_t since;
    int32_t autocast;
};
typedef gm__remat_run remat_run;

static void remat_destroy(void *object) {
    remat_run *r = object;
    gm__stand_ins_free(&r->used);
    gm_release(r->f);
    gm_release(r->in);
    gm_free(r->from);
    gm_free(r->result);
    gm_free(r->draws.draw);
}

static const gm_type remat_type = { "rematerialisation", sizeof(remat_run), remat_destroy };

typedef struct { remat_run *run; } remat_attrs;
static const gm_attr remat_fields[] = { GM_ATTR(remat_attrs, run, OBJECT), GM_ATTR_END };

static int32_t remat_infer(const gm_op_args *a, gm_spec *out) { return (void)a, (void)out, 0; }

const gm_op gm__remat_op = {
    .size = sizeof(gm_op), .name = "remat", .version = 1, .max_in = -1, .n_out = -1, .flags = GM_OP_OBJECTS,
    .saves_in = ~0u, .attrs_bytes = sizeof(remat_attrs), .attrs = remat_fields, .infer = remat_infer,
    .doc = "a function that runs again for its gradients",
};

/* ---- the first run ---- */

/* Notes what the function uses of what was there before. */
static gm_tensor *remat_miss(gm__stand_ins *s, gm_tensor *of, gm_tensor *t) {
    remat_run *r = (remat_run *)((char *)s - offsetof(remat_run, used));
    bool wanted = t->node && t == of ? t->node->sequence < r->since : gm__is_tracked(t);
    if (!wanted && t == of) return t;
    if (wanted) {
        if (!gm__grow(&r->from, r->n_from, &r->capacity, sizeof *r->from)) return NULL;
        r->from[r->n_from++] = t;
    }
    return gm__stand_ins_add(s, of, t) ? t : NULL;
}

static remat_run *remat_new(gm_fn *f, gm_pack *in) {
    const gm_context *c = gm__context();
    remat_run *r = gm_object_new(&remat_type);
    if (!r) return NULL;
    r->used.miss = remat_miss;
    r->f = gm_retain(f);
    r->in = gm_retain(in);
    r->since = gm__tape_now();
    r->autocast = c->autocast;
    memcpy(r->where, c->where, sizeof r->where);
    return r;
}

/* Without a tape; in a recording with one, of ghosts: nodes that are recorded without gradients have no derivatives. */
static gm_pack *remat_first(remat_run *r) {
    gm_context *c = gm__context();
    gm__draws draws;
    gm__stand_ins_begin(&r->used);
    gm__draws_begin(&draws, GM__DRAWS_LOG, &r->draws);
    c->no_grad = !c->trace;
    gm_pack *out = r->f->call(r->f, r->in);
    c->no_grad = false;
    gm__draws_end(&draws);
    gm__stand_ins_end(&r->used);
    r->used.miss = NULL;
    return gm_ok() ? out : NULL;
}

/* ---- results ---- */

typedef struct { remat_run *r; gm_tensor **out; int64_t at; } remat_results;

/* A result that the function made gets the entry as its history. */
static gm_tensor *remat_result(void *env, gm_tensor *t) {
    remat_results *x = env;
    int64_t at = x->at++;
    bool old = t->node ? t->node->sequence < x->r->since : t->requires_grad;
    if (old || !gm_is_float(t->dtype) || (gm_is_recording() && !t->node)) return t;
    gm_tensor *y = gm__tensor_alias(t);
    if (y) y->symbol = gm_retain(t->symbol);
    x->r->result[x->r->n_results] = (int32_t)at;
    return x->out[x->r->n_results++] = y;
}

static gm_pack *remat_with_history(remat_run *r, gm_pack *out) {
    gm_pack *flat = gm_pack_flatten(out), *made = NULL;
    size_t n = flat ? (size_t)gm_pack_count(flat) + 1 : 1;
    remat_results x = { r, gm_alloc(n * sizeof *x.out), 0 };
    r->result = gm_alloc(n * sizeof *r->result);
    if (flat && x.out && r->result) made = gm__pack_map(out, remat_result, &x);
    if (made && r->n_results &&
        !gm__tape_record(&gm__remat_op, r->from, (int)r->n_from, &(remat_attrs){ r }, x.out, r->n_results))
        made = NULL;
    gm_free(x.out);
    return made;
}

static gm_pack *remat_call(gm_fn *f, gm_pack *in) {
    gm_context *c = gm__context();
    if (c->no_grad) return f->inner->call(f->inner, in);
    remat_run *r = remat_new(f->inner, in);
    gm_pack *out = r ? remat_first(r) : NULL;
    return out && r->n_from ? remat_with_history(r, out) : out;
}

gm_fn *gm_remat(gm_fn *f) {
    if (gm_ok() && !f) gm_fail(GM_ERROR_HANDLE, "remat: argument 1 is NULL");
    return gm__fn_new("remat", f, remat_call);
}

/* ---- for other entries that may run again ---- */

static bool remat_set_draws(gm__draw_log *l, uint64_t seed, uint64_t first, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (!gm__grow(&l->draw, l->n, &l->capacity, sizeof *l->draw)) return false;
        l->draw[l->n][0] = seed;
        l->draw[l->n++][1] = first + (uint64_t)i;
    }
    return true;
}

gm__remat_run *gm__remat_hold(gm_fn *f, gm_pack *in, uint64_t seed, uint64_t first, int64_t n_draws,
                              const int32_t *result, int32_t n_results) {
    remat_run *r = remat_new(f, in);
    if (!r || !remat_set_draws(&r->draws, seed, first, n_draws)) return NULL;
    r->used.miss = NULL;
    r->result = gm_alloc((size_t)(n_results + 1) * sizeof *r->result);
    if (!r->result) return NULL;
    if (n_results) memcpy(r->result, result, (size_t)n_results * sizeof *result);
    r->n_results = n_results;
    return r;
}

gm_fn *gm__remat_function(const gm__remat_run *r) { return r->f; }
gm_pack *gm__remat_inputs(const gm__remat_run *r) { return r->in; }

/* ---- the second ---- */

static gm_pack *remat_second(remat_run *r) {
    static _Atomic int64_t number = 1;
    gm__thread_modes before = gm__thread_modes_now(), modes = before;
    gm__draws draws;
    memcpy(modes.where, r->where, sizeof modes.where);
    modes.again = atomic_fetch_add_explicit(&number, 1, memory_order_relaxed);
    modes.autocast = r->autocast, modes.no_grad = false;
    gm__thread_modes_set(&modes);
    gm__stand_ins_begin(&r->used);
    gm__draws_begin(&draws, GM__DRAWS_REPLAY, &r->draws);
    gm_pack *out = r->f->call(r->f, r->in);
    gm__thread_modes_set(&before);
    return gm_ok() && out ? gm_pack_flatten(out) : NULL;
}

static bool remat_again(gm_node *n, gm_tensor **out) {
    remat_run *r = ((const remat_attrs *)n->attrs)->run;
    for (int i = 0; i < n->n_in; i++)
        if (!gm__node_input(n, i)) return false; /* changed since */
    gm_pack *flat = remat_second(r);
    if (!flat) return false;
    for (int j = 0; j < r->n_results; j++) {
        out[j] = r->result[j] < gm_pack_count(flat) ? gm_pack_at(flat, r->result[j]) : NULL;
        gm_shape s = gm__node_out_shape(n, j);
        if (!out[j] || !gm_shape_equal(s, out[j]->shape))
            return gm_fail(GM_ERROR_STATE, "remat: the function gave other results when it ran again");
    }
    return true;
}

__attribute__((constructor)) static void remat_install(void) { gm__remat_again = remat_again; }
