/* split.c: batch normalisation in training, and its gradient, in two: what is summed over the batch, and what is then
 * done to each entry. The second half can be part of a chain (strip.h): with the activation behind it, with what reads
 * it next. The kernels are those of the whole, and so are the bits; only large values are worth a second call. */
#include "../math/fp.h"
#include "pass.h"
#include "strip.h"
#include "../ops/norm.h"
#include "../ops/ops.h"
#include "gemel/extend.h"

#include <stddef.h>
#include <string.h>

extern const gm_op gm__op_batch_norm, gm__op_batch_norm_grad;

/* ---- the halves; inputs are of one dtype, f32 or f64 ---- */

static int32_t split_infer(const gm_op_args *a, gm_spec *out) {
    (void)out;
    return gm_fail(GM_ERROR_INTERNAL, "%s: not for the dispatcher", a->op->name), -1;
}

/* x -> mean, var */
static bool split_stats(const gm_op_args *a, gm_tensor **out) {
    gm_channel_job job = gm__channel_job(&a->in[0]->shape, gm__channels_innermost(a->in[0]));
    gm_tensor *x = gm__channel_layout(a->in[0], &job);
    if (!x) return false;
    job.x = gm__data(x);
    job.out[0] = gm__data(out[0]), job.out[1] = gm__data(out[1]);
    gm__channel_stats(&job, out[0]->dtype);
    return true;
}

typedef struct { double eps; } split_attrs; /* batch norm's */
static const gm_attr split_fields[] = { GM_ATTR(split_attrs, eps, F64), GM_ATTR_END };

/* g, x, mean, var, weight or none -> dweight, dbias, and what makes dx of g and x: scale, shift, slope of channels */
static bool split_sums(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_dtype t = out[0]->dtype;
    gm_channel_job job = gm__channel_job(&a->in[1]->shape, gm__channels_innermost(a->in[1]));
    gm_tensor *g = gm__channel_layout(a->in[0], &job), *x = gm__channel_layout(a->in[1], &job);
    gm_tensor *mean = gm_contiguous(a->in[2]), *var = gm_contiguous(a->in[3]);
    gm_tensor *weight = a->in[4] ? gm_contiguous(a->in[4]) : NULL;
    if (!gm_ok()) return false;
    job.g = gm__data(g), job.x = gm__data(x), job.mean = gm__data(mean);
    job.out[0] = gm__data(out[1]), job.out[1] = gm__data(out[0]);
    gm__channel_sums(&job, t);
    (t == GM_F64 ? k->norm_batch_slopes_f64 : k->norm_batch_slopes_f32)(
        job.c, ((const split_attrs *)a->attrs)->eps, (double)(job.n * job.s), gm__data(var),
        weight ? gm__data(weight) : NULL, job.out[0], job.out[1], gm__data(out[2]), gm__data(out[3]),
        gm__data(out[4]));
    return true;
}

/* g, x, mean, scale, shift, slope -> dx */
static bool split_back(const gm_op_args *a, gm_tensor **out) {
    gm_channel_job job = gm__channel_job(&a->in[1]->shape, gm__channels_innermost(out[0]));
    gm_tensor *g = gm__channel_layout(a->in[0], &job), *x = gm__channel_layout(a->in[1], &job), *of[4];
    for (int i = 0; i < 4; i++) of[i] = gm_contiguous(a->in[i + 2]);
    if (!gm_ok()) return false;
    job.g = gm__data(g), job.x = gm__data(x), job.y = gm__data(out[0]), job.mean = gm__data(of[0]);
    job.scale = gm__data(of[1]), job.shift = gm__data(of[2]), job.slope = gm__data(of[3]);
    gm__channel_apply(&job, out[0]->dtype);
    return true;
}

#define SPLIT_OP(name_, inputs, outputs, kernel_, doc_)                                                                \
    { .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = inputs, .max_in = inputs, .n_out = outputs,        \
      .flags = GM_OP_NO_GRAD, .attrs_bytes = sizeof(split_attrs), .attrs = split_fields, .infer = split_infer,         \
      .kernel = kernel_, .doc = doc_ }
const gm_op gm__op_batch_norm_stats =
    SPLIT_OP("batch_norm_stats", 1, 2, split_stats, "the mean and variance of channels");
const gm_op gm__op_batch_norm_sums =
    SPLIT_OP("batch_norm_sums", 5, 5, split_sums, "batch norm's gradient but for that of its input");
const gm_op gm__op_batch_norm_back =
    SPLIT_OP("batch_norm_back", 6, 1, split_back, "batch norm's gradient of its input");
#undef SPLIT_OP

/* ---- the pass ---- */

static bool split_is_large(const gm_graph *g, int32_t v, int64_t least) {
    const gm__value *x = &g->value[v];
    return (x->dtype == GM_F32 || x->dtype == GM_F64) && x->shape.d[0] > 1 &&
           gm__value_bytes(&x->shape, x->dtype) >= least;
}

static bool split_is_given(const gm__node *n, int i) { return i < n->n_in && n->in[i] >= 0; }

static bool split_forward(gm__graph_copy *c, const gm__node *n) {
    int32_t x = n->in[0], y = n->out, mean = n->out + 1, var = n->out + 2;
    int32_t w = split_is_given(n, 1) ? n->in[1] : -1, b = split_is_given(n, 2) ? n->in[2] : -1;
    return gm__copy_new(c, &gm__op_batch_norm_stats, n->attrs, &x, 1, (int32_t[]){ mean, var }, 2) &&
           gm__copy_new(c, n->op, n->attrs, (int32_t[]){ x, w, b, mean, var }, 5, &y, 1);
}

/* Three more values of node n, like value v of the original; the first one's number, -1 after an error. */
static int32_t split_three(gm__graph_copy *c, gm__node *n, int32_t v) {
    int32_t first = (int32_t)c->to->n_values, by = (int32_t)(n - c->to->node);
    gm_tensor *like = gm__graph_ghost(c->from, v);
    for (int i = 0; i < 3; i++) {
        int32_t made = like ? gm__graph_add_value(c->to, GM__VALUE_NODE, like) : -1;
        if (made < 0) return -1;
        c->to->value[made].from = by, c->to->value[made].index = n->n_out++;
    }
    return first;
}

static bool split_backward(gm__graph_copy *c, const gm__node *n) {
    int32_t g = n->in[0], x = n->in[1], mean = n->in[2], w = split_is_given(n, 4) ? n->in[4] : -1;
    int32_t dx = n->out, dw = n->out + 1, db = n->out + 2;
    gm__node *sums = gm__copy_new(c, &gm__op_batch_norm_sums, n->attrs, (int32_t[]){ g, x, mean, n->in[3], w }, 5,
                                  (int32_t[]){ dw, db }, 2);
    int32_t three = sums ? split_three(c, sums, dw) : -1;
    if (three < 0) return false;
    gm__node *use =
        gm__copy_new(c, &gm__op_batch_norm_back, n->attrs, (int32_t[]){ g, x, mean, -1, -1, -1 }, 6, &dx, 1);
    for (int i = 0; use && i < 3; i++) use->in[3 + i] = three + i;
    return use != NULL;
}

/* In training, of one dtype throughout. */
static bool split_may(const gm_graph *g, const gm__node *n, int64_t least) {
    bool forward = n->op == &gm__op_batch_norm && n->n_out == 3 && !split_is_given(n, 3);
    if (!forward && (n->op != &gm__op_batch_norm_grad || split_is_given(n, 5))) return false;
    if (!split_is_large(g, n->in[0], least)) return false;
    gm_dtype t = g->value[n->in[0]].dtype;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && g->value[n->in[i]].dtype != t) return false;
    for (int j = 0; j < n->n_out; j++)
        if (g->value[n->out + j].dtype != t) return false;
    return true;
}

gm_graph *gm__pass_split(gm_graph *g, int64_t least) {
    gm__graph_copy c;
    bool any = false, ok;
    for (int64_t i = 0; i < g->n_nodes; i++) any |= split_may(g, &g->node[i], least);
    if (!any) return g;
    ok = gm__copy_begin(&c, g, NULL);
    for (int64_t i = 0; ok && i < g->n_nodes; i++) {
        const gm__node *n = &g->node[i];
        if (!split_may(g, n, least)) ok = gm__copy_node(&c, n);
        else ok = n->op == &gm__op_batch_norm ? split_forward(&c, n) : split_backward(&c, n);
    }
    return gm__copy_end(&c, ok);
}
