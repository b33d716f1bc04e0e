/* vmap.c: a function over a batch of inputs at once.
 *
 * The function is traced for one entry; then each node runs by its operation's batch rule where an input is mapped, and
 * as it is where none is. Mapped values have the batch as axis 0. */
#include "../math/fp.h"
#include "replay.h"
#include "../base/args.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

enum { VMAP_MAX_IN = 512 };

/* ---- one node ---- */

static bool vmap_maps(const gm__replay *r, const gm__node *n, bool *mapped) {
    bool any = false;
    for (int i = 0; i < n->n_in; i++) any |= mapped[i] = n->in[i] >= 0 && r->mapped[n->in[i]];
    return any;
}

static bool vmap_writes_alone(const gm__node *n, const bool *mapped) {
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && !mapped[i] && gm__node_writes(n, i))
            return gm_fail(GM_ERROR_UNSUPPORTED,
                           "vmap: %s changes a tensor that is the same for every entry of the batch", n->op->name);
    return true;
}

typedef struct { gm__replay r; int64_t size; int32_t out_axis; } vmap_run;

static bool vmap_node(void *env, const gm__node *n) {
    gm__replay *r = env;
    int64_t size = ((vmap_run *)env)->size;
    _Alignas(16) char room[GM__ATTRS_MAX];
    gm_tensor *in[GM__WALK_MAX], *out[GM__WALK_MAX] = { NULL };
    bool mapped[GM__WALK_MAX];
    if (!gm__walk_inputs(&r->walk, n, in)) return false;
    bool any = vmap_maps(r, n, mapped) || gm__node_draws(n);
    const void *attrs = gm__node_attrs(n, r->walk.seed, r->walk.first, room);
    if (any) {
        gm_batch_args a = { n->op, n->n_in, n->n_out, in, mapped, size, out, attrs };
        if (!vmap_writes_alone(n, mapped) || !gm__op_batch(&a)) return false;
    } else if (gm_op_call(n->op, in, n->n_in, attrs, out, n->n_out) < 0) {
        return false;
    }
    for (int j = 0; j < n->n_out; j++) {
        gm__walk_put(&r->walk, n->out + j, out[j]);
        r->mapped[n->out + j] = any;
    }
    return gm_ok();
}

/* ---- inputs and results ---- */

typedef struct {
    const gm_vmap_args *a;
    const int32_t *axis; /* of the inputs: one each, or NULL: `same` for all */
    int32_t same;
    gm_tensor *value[VMAP_MAX_IN]; /* mapped ones with the batch in front */
    bool mapped[VMAP_MAX_IN];
    int64_t n, size;
} vmap_inputs;

/* One entry of an input, for its shape; notes the whole. */
static gm_tensor *vmap_take(void *env, gm_tensor *t) {
    vmap_inputs *in = env;
    int64_t i = in->n++;
    if (i >= VMAP_MAX_IN) return gm_fail(GM_ERROR_UNSUPPORTED, "vmap: over %d inputs", VMAP_MAX_IN), NULL;
    int axis = !in->axis ? in->same : i < in->a->n_axes ? in->axis[i] : 0;
    in->value[i] = t;
    if (axis == GM_NOT_MAPPED) return t;
    axis = gm__dim(t, axis, "vmap");
    if (axis < 0) return NULL;
    int64_t size = t->shape.d[axis];
    if (in->size >= 0 && size != in->size)
        return gm_fail(GM_ERROR_SHAPE, "vmap: input %lld has %lld entries along axis %d, those before have %lld",
                       (long long)i + 1, (long long)size, axis, (long long)in->size),
               NULL;
    in->size = size;
    in->mapped[i] = true;
    in->value[i] = gm_move_dim(t, axis, 0);
    gm_shape one = { .n = t->shape.n - 1 };
    for (int d = 0, k = 0; d < t->shape.n; d++)
        if (d != axis) one.d[k++] = t->shape.d[d];
    return gm__tensor_over(NULL, 0, &one, t->dtype);
}

/* Axes for every entry of the call, or for every tensor in it. */
static gm_pack *vmap_take_all(vmap_inputs *inputs, gm_pack *in) {
    const gm_vmap_args *a = inputs->a;
    gm_pack *one = gm_pack_new();
    inputs->axis = a->in_axes;
    if (a->n_axes && a->n_axes == gm_pack_count(gm_pack_flatten(in))) return gm__pack_map(in, vmap_take, inputs);
    inputs->axis = NULL;
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(in); i++) {
        const char *name = gm_pack_name(in, i);
        inputs->same = i < a->n_axes ? a->in_axes[i] : 0;
        if (gm_pack_at(in, i)) gm_pack_set(one, name, vmap_take(inputs, gm_pack_at(in, i)));
        else gm_pack_set_pack(one, name, gm__pack_map(gm_pack_child(in, i), vmap_take, inputs));
    }
    return gm_ok() ? one : NULL;
}

static gm_tensor *vmap_result(gm__replay *r, int32_t v, gm_tensor *t) {
    vmap_run *run = (vmap_run *)r;
    gm_tensor *y = v < 0 ? t : r->walk.value[v];
    if (v < 0 || !r->mapped[v]) {
        gm_shape s = { .n = y->shape.n + 1, .d = { run->size } };
        if (s.n > GM_MAX_DIMS) return gm_fail(GM_ERROR_SHAPE, "vmap: no dimension is left for the batch"), NULL;
        memcpy(s.d + 1, y->shape.d, (size_t)y->shape.n * sizeof *s.d);
        y = gm_expand(y, s);
    }
    int axis = y ? gm__dim(y, run->out_axis, "vmap") : -1;
    return axis < 0 ? NULL : gm_move_dim(y, 0, axis);
}

static gm_pack *vmap_call(gm_fn *f, gm_pack *in) {
    vmap_inputs *inputs = gm_alloc(sizeof *inputs);
    vmap_run run = { .out_axis = f->vmap.out_axis };
    if (!inputs) return NULL;
    *inputs = (vmap_inputs){ .a = &f->vmap, .size = -1 };
    gm_pack *one = vmap_take_all(inputs, in), *out = NULL;
    run.size = inputs->size;
    if (gm_ok() && inputs->size < 0) gm_fail(GM_ERROR_VALUE, "vmap: no input is mapped");
    bool ok = gm_ok() && gm__replay_begin(&run.r, f, one, inputs->value);
    for (int64_t i = 0; ok && i < inputs->n; i++) run.r.mapped[run.r.trace.graph->in[i]] = inputs->mapped[i];
    while (ok && run.r.walk.at < run.r.trace.graph->n_nodes)
        ok = gm__walk_node(&run.r.trace.graph->node[run.r.walk.at++], vmap_node, &run);
    if (ok) out = gm__replay_result(&run.r, vmap_result);
    gm__replay_end(&run.r);
    gm_free(inputs);
    return out;
}

gm_fn *gm_vmap_with(gm_fn *f, const gm_vmap_args *args) {
    gm_vmap_args a = { 0 };
    if (!gm_ok() || !gm__args_take("vmap", &a, sizeof a, args)) return NULL;
    if (a.n_axes < 0 || a.n_axes > VMAP_MAX_IN || (a.n_axes && !a.in_axes))
        return gm_fail(GM_ERROR_VALUE, "vmap: %d axes%s", a.n_axes, a.in_axes ? "" : " at NULL"), NULL;
    if (!f) return gm_fail(GM_ERROR_HANDLE, "vmap: argument 1 is NULL"), NULL;
    gm_fn *m = gm__fn_new("vmap", f, vmap_call);
    int32_t *axes = m ? gm_alloc((size_t)(a.n_axes + 1) * sizeof *axes) : NULL;
    if (!axes) return NULL;
    if (a.n_axes) memcpy(axes, a.in_axes, (size_t)a.n_axes * sizeof *axes);
    m->vmap = a;
    m->vmap.in_axes = axes;
    return m;
}
