/* batch_norm.c: batch norm, its gradient, and the second order that all normalisations share.
 *
 * Training: y, mean, var = batch_norm(x, weight, bias); evaluation, with mean and var given: y alone. Everything is per
 * channel, so both layouts have the same bits. */
#include "../math/fp.h"
#include "norm.h"
#include "reduce.h"
#include "../base/args.h"

#include <stddef.h>
#include <string.h>

typedef struct { double eps; } batch_norm_attrs;
static const gm_attr batch_norm_fields[] = { GM_ATTR(batch_norm_attrs, eps, F64), GM_ATTR_END };

extern const gm_op gm__op_batch_norm, gm__op_batch_norm_grad;

static gm_tensor *bn_input(const gm_op_args *a, int i) { return i < a->n_in ? a->in[i] : NULL; }

static bool bn_check(const gm_op_args *a, const gm_tensor *x, int first) {
    const char *op = a->op->name;
    if (!gm__check_float(x, op)) return false;
    if (x->shape.n < 2)
        return gm_fail(GM_ERROR_SHAPE, "%s: x is %s, [N, C, ...] is needed", op, gm__tensor_shape_str(x));
    for (int i = first; i < a->n_in; i++) {
        if (!a->in[i]) continue;
        if (!gm__check_float(a->in[i], op)) return false;
        if (a->in[i]->shape.n != 1 || a->in[i]->shape.d[0] != x->shape.d[1])
            return gm_fail(GM_ERROR_SHAPE, "%s: argument %d is %s, x %s has %lld channels", op, i + 1,
                           gm__tensor_shape_str(a->in[i]), gm__tensor_shape_str(x), (long long)x->shape.d[1]);
    }
    return true;
}

static gm_dtype bn_stat_dtype(const gm_tensor *x) { return x->dtype == GM_F64 ? GM_F64 : GM_F32; }

static int32_t bn_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0];
    if (!bn_check(a, x, 1)) return -1;
    if (!bn_input(a, 3) != !bn_input(a, 4))
        return gm_fail(GM_ERROR_VALUE, "batch_norm: mean and var are given together or not at all"), -1;
    out[0].shape = x->shape;
    out[0].dtype = x->dtype;
    out[0].channels_last = gm__prefers_channels_last(a->in, 1, x->shape.n);
    if (bn_input(a, 3)) return 1;
    if (!gm_shape_count(x->shape))
        return gm_fail(GM_ERROR_SHAPE, "batch_norm: no elements in %s to take the mean of", gm__tensor_shape_str(x)),
               -1;
    for (int j = 1; j < 3; j++)
        out[j].shape = (gm_shape){ 1, { 0 }, { x->shape.d[1] } }, out[j].dtype = bn_stat_dtype(x);
    return 3;
}

/* A vector of the kernel's type, dense; NULL stays NULL. */
static const void *bn_vector(gm_tensor *v, gm_dtype dtype, bool *ok) {
    if (!v) return NULL;
    v = gm_contiguous(gm_cast(v, dtype));
    if (!v) *ok = false;
    return v ? gm__data(v) : NULL;
}

static bool bn_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_dtype t = out[0]->dtype;
    double eps = ((const batch_norm_attrs *)a->attrs)->eps;
    gm_channel_job job = gm__channel_job(&a->in[0]->shape, gm__channels_innermost(out[0]));
    gm_tensor *x = gm__channel_layout(a->in[0], &job);
    bool ok = x != NULL;
    const void *weight = bn_vector(bn_input(a, 1), t, &ok), *bias = bn_vector(bn_input(a, 2), t, &ok);
    const void *mean = bn_vector(bn_input(a, 3), t, &ok), *var = bn_vector(bn_input(a, 4), t, &ok);
    size_t bytes = (size_t)(job.c * gm__element_bytes(t));
    char *memory = ok ? gm_alloc(2 * bytes + 1) : NULL;
    if (!memory) return false;
    job.x = gm__data(x), job.y = gm__data(out[0]);
    if (!mean) {
        job.out[0] = gm__data(out[1]), job.out[1] = gm__data(out[2]);
        gm__channel_stats(&job, t);
        mean = job.out[0], var = job.out[1];
    }
    job.scale = memory, job.shift = memory + bytes;
    (t == GM_F64 ? k->norm_batch_scales_f64 : k->norm_batch_scales_f32)(job.c, eps, mean, var, weight, bias, memory,
                                                                        memory + bytes);
    gm__channel_apply(&job, t);
    gm_free(memory);
    return true;
}

/* ---- first order ---- */

/* What arrives at the mean and at the variance goes on to x. */
static gm_tensor *bn_add_stats(const gm_grad_args *a, gm_tensor *dx) {
    gm_tensor *x = a->in[0];
    double n = (double)(gm_shape_count(x->shape) / x->shape.d[1]);
    gm_tensor *gm = a->gout[1], *gv = a->gout[2];
    if (gm) {
        gm_tensor *t = gm_expand(gm__per_channel(gm_div_scalar(gm, n), x->shape.n), x->shape);
        dx = dx ? gm_add(dx, gm_cast(t, x->dtype)) : gm_cast(t, x->dtype);
    }
    if (gv) {
        gm_tensor *mean = gm__per_channel(gm__sum_channels(x), x->shape.n);
        gm_tensor *d = gm_sub(x, gm_div_scalar(mean, n));
        gm_tensor *t = gm_cast(gm_mul(d, gm__per_channel(gm_mul_scalar(gv, 2 / n), x->shape.n)), x->dtype);
        dx = dx ? gm_add(dx, t) : t;
    }
    return dx;
}

static bool bn_grad(const gm_grad_args *a) {
    bool training = a->n_in < 4 || !a->in[3];
    gm_tensor *weight = a->n_in > 1 ? a->in[1] : NULL, *out[3] = { NULL, NULL, NULL };
    gm_tensor *mean = training ? a->out[1] : a->in[3], *var = training ? a->out[2] : a->in[4];
    if (a->gout[0]) {
        gm_tensor *in[6] = { a->gout[0], a->in[0], mean, var, weight, training ? NULL : mean };
        if (gm_op_call(&gm__op_batch_norm_grad, in, 6, a->attrs, out, 3) < 0) return false;
    }
    if (a->needs[0]) a->gin[0] = training ? bn_add_stats(a, out[0]) : out[0];
    if (a->n_in > 1 && a->needs[1]) a->gin[1] = out[1];
    if (a->n_in > 2 && a->needs[2]) a->gin[2] = out[2] ? gm_cast(out[2], a->in[2]->dtype) : NULL;
    return gm_ok();
}

const gm_op gm__op_batch_norm = {
    .size = sizeof(gm_op), .name = "batch_norm", .version = 1, .min_in = 1, .max_in = 5, .n_out = -1,
    .flags = GM_OP_COMPUTE_F32, .saves_in = 27, .saves_out = 6, .diff_in = 7,
    .attrs_bytes = sizeof(batch_norm_attrs), .attrs = batch_norm_fields,
    .infer = bn_infer, .kernel = bn_kernel, .grad = bn_grad,
    .cases = (const gm_case[]){
        { "[4,3]; [3]; [3]", &(batch_norm_attrs){ 1e-5 }, 64, 0, 0 },
        { "[3,2,5]; [2]; [2]", &(batch_norm_attrs){ 1e-3 }, 64, 0, 0 },
        { "[2,3,4,5]", &(batch_norm_attrs){ 1e-5 }, 64, 0, 0 },
        { "[2,2,17,19]; [2]; [2]", &(batch_norm_attrs){ 1e-5 }, 64, GM_CASE_NO_GRAD, 0 },
        { "[2,3,4,5]; [3]; [3]; [3] grad:no; [3] positive grad:no", &(batch_norm_attrs){ 1e-5 }, 64, 0, 0 }, { 0 } },
    .doc = "normalise per channel, by the batch's statistics or given ones",
};

/* ---- the gradient as an operation: (g, x, mean, var, weight, [mean where they were given]) -> dx, dweight, dbias ----
 */

static int32_t bn_grad_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[1];
    if (!bn_check(a, x, 2)) return -1;
    if (!gm_shape_equal(a->in[0]->shape, x->shape))
        return gm_fail(GM_ERROR_SHAPE, "batch_norm_grad: g is %s, x is %s", gm__tensor_shape_str(a->in[0]),
                       gm__tensor_shape_str(x)), -1;
    const gm_tensor *w = bn_input(a, 4);
    out[0].shape = x->shape;
    out[0].dtype = x->dtype;
    out[0].channels_last = gm__prefers_channels_last(a->in + 1, 1, x->shape.n);
    for (int j = 1; j < 3; j++) {
        out[j].shape = (gm_shape){ 1, { 0 }, { x->shape.d[1] } };
        out[j].dtype = w ? w->dtype : bn_stat_dtype(x);
    }
    return 3;
}

static bool bn_grad_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_dtype t = out[0]->dtype;
    double eps = ((const batch_norm_attrs *)a->attrs)->eps;
    gm_channel_job job = gm__channel_job(&a->in[1]->shape, gm__channels_innermost(out[0]));
    gm_tensor *g = gm__channel_layout(gm_cast(a->in[0], t), &job), *x = gm__channel_layout(a->in[1], &job);
    gm_tensor *dot = gm__tensor_new(&out[1]->shape, t, false), *sum = gm__tensor_new(&out[1]->shape, t, false);
    bool ok = g && x && dot && sum, training = !bn_input(a, 5);
    const void *weight = bn_vector(bn_input(a, 4), t, &ok), *var = bn_vector(a->in[3], t, &ok);
    size_t bytes = (size_t)(job.c * gm__element_bytes(t));
    job.mean = bn_vector(a->in[2], t, &ok);
    char *memory = ok ? gm_alloc(3 * bytes + 1) : NULL;
    if (!memory) return false;
    job.g = gm__data(g), job.x = gm__data(x), job.y = gm__data(out[0]);
    job.out[0] = gm__data(sum), job.out[1] = gm__data(dot);
    gm__channel_sums(&job, t);
    job.scale = memory, job.shift = memory + bytes, job.slope = memory + 2 * bytes;
    (t == GM_F64 ? k->norm_batch_slopes_f64 : k->norm_batch_slopes_f32)(job.c, eps, (double)(job.n * job.s), var,
                                                                        weight, job.out[0], job.out[1], memory,
                                                                        memory + bytes, memory + 2 * bytes);
    if (!training) { /* dx = fma(g, scale, +0) */
        job.x = job.g, job.g = NULL;
        memset(memory + bytes, 0, bytes);
    }
    gm__channel_apply(&job, t);
    gm_free(memory);
    gm__convert_run(gm__data(dot), t, gm__data(out[1]), out[1]->dtype, job.c);
    gm__convert_run(gm__data(sum), t, gm__data(out[2]), out[2]->dtype, job.c);
    return true;
}

/* ---- second order ---- */

static gm_tensor *norm_sum_of(gm_tensor *a, gm_tensor *b) { return !a ? b : !b ? a : gm_add(a, b); }

/* With P = project / r, h = hat, u = g weight: dx = r P(u), P(u) = u - mean(u) - h mean(u h), r' = -r^2 h / n. */
bool gm__norm_second_order(gm__norm_second *s) {
    gm_tensor *q = NULL, *pv = NULL, *bend = NULL;
    s->dg = s->dx = s->dw = NULL;
    if (s->v) {
        gm_tensor *u = s->weight ? gm_mul(s->g, s->weight) : s->g;
        pv = s->project(s->env, s->v);
        s->dg = s->weight ? gm_mul(pv, s->weight) : pv;
        s->dw = gm_mul(s->g, pv);
        gm_tensor *left = gm_mul(s->v, s->mean(s->env, gm_mul(u, s->hat)));
        gm_tensor *right = gm_mul(u, s->mean(s->env, gm_mul(s->v, s->hat)));
        q = gm_neg(gm_mul(s->r, gm_add(left, right)));
        bend = gm_mul(gm_mul(s->r, s->mean(s->env, gm_mul(u, pv))), s->hat);
    }
    if (s->vw) {
        s->dg = norm_sum_of(s->dg, gm_mul(s->vw, s->hat));
        q = norm_sum_of(q, gm_mul(s->vw, s->g));
    }
    if (s->vb) s->dg = norm_sum_of(s->dg, gm_expand(s->vb, gm_shape_of(s->g)));
    if (q) s->dx = s->project(s->env, q);
    if (bend) s->dx = gm_sub(s->dx, bend);
    return gm_ok();
}

static gm_tensor *bn_project(void *env, gm_tensor *u) {
    const gm_grad_args *a = env;
    gm_tensor *in[4] = { u, a->in[1], a->in[2], a->in[3] }, *out[3];
    return gm_op_call(&gm__op_batch_norm_grad, in, 4, a->attrs, out, 3) < 0 ? NULL : out[0];
}

static gm_tensor *bn_mean(void *env, gm_tensor *t) {
    (void)env;
    gm_shape s = gm_shape_of(t);
    double n = (double)(gm_shape_count(s) / s.d[1]);
    return gm__per_channel(gm_div_scalar(gm__sum_channels(t), n), s.n);
}

/* Given statistics: dx = g weight r, dweight = sum(g (x - mean) r). */
static bool bn_second_given(const gm_grad_args *a, gm_tensor *v, gm_tensor *vw, gm_tensor *vb) {
    double eps = ((const batch_norm_attrs *)a->attrs)->eps;
    int rank = a->in[1]->shape.n;
    gm_tensor *g = a->in[0], *x = a->in[1], *r = gm__per_channel(gm_rsqrt(gm_add_scalar(a->in[3], eps)), rank);
    gm_tensor *weight = gm__per_channel(a->in[4], rank), *dg = NULL, *vr = v ? gm_mul(v, r) : NULL;
    if (v) dg = weight ? gm_mul(vr, weight) : vr;
    if (vw) dg = norm_sum_of(dg, gm_mul(gm_mul(gm_sub(x, gm__per_channel(a->in[2], rank)), r), vw));
    if (vb) dg = norm_sum_of(dg, gm_expand(vb, gm_shape_of(g)));
    if (a->needs[0]) a->gin[0] = dg;
    if (a->needs[1] && vw) a->gin[1] = gm_mul(gm_mul(g, r), vw);
    if (a->needs[4] && vr) a->gin[4] = gm__dot_channels(g, vr);
    return gm_ok();
}

static bool bn_second(const gm_grad_args *a) {
    gm_tensor *x = a->in[1];
    int rank = x->shape.n;
    double eps = ((const batch_norm_attrs *)a->attrs)->eps;
    gm_tensor *weight = a->n_in > 4 ? a->in[4] : NULL, *stat[3];
    gm_tensor *v = a->gout[0], *vw = gm__per_channel(a->gout[1], rank), *vb = gm__per_channel(a->gout[2], rank);
    if (a->n_in > 5 && a->in[5]) return bn_second_given(a, v, vw, vb);
    if (gm_op_call(&gm__op_batch_norm, &x, 1, a->attrs, stat, 3) < 0) return false;
    gm__norm_second s = { .v = v, .vw = vw, .vb = vb, .g = a->in[0], .hat = stat[0], .project = bn_project,
                          .r = gm__per_channel(gm_rsqrt(gm_add_scalar(stat[2], eps)), rank),
                          .weight = gm__per_channel(weight, rank), .mean = bn_mean, .env = (void *)a };
    if (!gm__norm_second_order(&s)) return false;
    if (a->needs[0]) a->gin[0] = s.dg;
    if (a->needs[1]) a->gin[1] = s.dx;
    if (a->n_in > 4 && a->needs[4] && s.dw) a->gin[4] = gm_cast(gm__sum_channels(s.dw), weight->dtype);
    return gm_ok();
}

/* mean and var are taken for functions of x, unless they were given: differences in x alone would not see that, so the
 * cases check values; second order is checked through batch_norm. */
const gm_op gm__op_batch_norm_grad = {
    .size = sizeof(gm_op),
    .name = "batch_norm_grad",
    .version = 1,
    .min_in = 4,
    .max_in = 6,
    .n_out = 3,
    .flags = GM_OP_COMPUTE_F32,
    .saves_in = 63,
    .diff_in = 19,
    .attrs_bytes = sizeof(batch_norm_attrs),
    .attrs = batch_norm_fields,
    .infer = bn_grad_infer,
    .kernel = bn_grad_kernel,
    .grad = bn_second,
    .cases =
        (const gm_case[]){
            { "[4,3]; [4,3]; [3]; [3] positive; [3]", &(batch_norm_attrs){ 1e-5 }, 64, GM_CASE_NO_GRAD, 0 },
            { "[2,3,4,5]; [2,3,4,5]; [3]; [3] positive", &(batch_norm_attrs){ 1e-5 }, 64, GM_CASE_NO_GRAD, 0 },
            { "[3,2,5]; [3,2,5]; [2] grad:no; [2] positive grad:no; [2]; [2] grad:no", &(batch_norm_attrs){ 1e-3 }, 64,
              0, 0 },
            { 0 } },
    .doc = "the gradient of batch_norm",
};

gm_tensor *gm_batch_norm_with(gm_tensor *x, const gm_batch_norm_args *args) {
    gm_batch_norm_args o;
    if (!gm_ok() || !gm__args_take("batch_norm", &o, sizeof o, args)) return NULL;
    gm_tensor *in[5] = { x, o.weight, o.bias, o.mean, o.var }, *out[3] = { NULL, NULL, NULL };
    batch_norm_attrs p = { gm__real_or(o.eps, 1e-5) };
    if (gm_op_call(&gm__op_batch_norm, in, 5, &p, out, 3) < 0) return NULL;
    if (o.batch_mean) *o.batch_mean = out[1];
    if (o.batch_var) *o.batch_var = out[2];
    return out[0];
}

gm_tensor *(gm_batch_norm)(gm_tensor *x) { return gm_batch_norm_with(x, NULL); }
