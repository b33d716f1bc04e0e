/* layer_norm.c: layer, RMS and group norm: rows, each normalised by its own statistics.
 *
 * layer_norm and rms_norm: rows are the last dims; y, mean, rstd come out, the latter with those dims as 1. group_norm:
 * a row is a group of channels of one entry; mean and rstd are [N, groups]. */
#include "../math/fp.h"
#include "norm.h"
#include "reduce.h"
#include "../base/args.h"

#include <stddef.h>
#include <string.h>

/* n: dims (layer, rms) or groups. */
typedef struct { int64_t n; double eps; } row_norm_attrs;
static const gm_attr row_norm_fields[] = { GM_ATTR(row_norm_attrs, n, I64), GM_ATTR(row_norm_attrs, eps, F64),
                                           GM_ATTR_END };

extern const gm_op gm__op_layer_norm, gm__op_rms_norm, gm__op_group_norm;
extern const gm_op gm__op_layer_norm_grad, gm__op_rms_norm_grad, gm__op_group_norm_grad;

static const row_norm_attrs *rn_attrs(const void *attrs) { return attrs; }
static gm_tensor *rn_input(const gm_op_args *a, int i) { return i < a->n_in ? a->in[i] : NULL; }
static gm_dtype rn_stat_dtype(const gm_tensor *x) { return x->dtype == GM_F64 ? GM_F64 : GM_F32; }

/* ---- shapes ---- */

static gm_shape rn_last(const gm_shape *x, int64_t n) {
    gm_shape s = { .n = (int32_t)n };
    for (int i = 0; i < s.n; i++) s.d[i] = x->d[x->n - n + i];
    return s;
}

static bool rn_check_vector(const gm_op_args *a, int i, const gm_shape *wanted, const gm_shape *x) {
    const gm_tensor *v = rn_input(a, i);
    if (!v || (gm_is_float(v->dtype) && gm_shape_equal(v->shape, *wanted))) return true;
    return gm_fail(GM_ERROR_SHAPE, "%s: argument %d is %s %s, x %s wants floats of %s", a->op->name, i + 1,
                   gm_dtype_name(v->dtype), gm__tensor_shape_str(v), gm__shape_str(x), gm__shape_str(wanted));
}

static bool rn_layer_check(const gm_op_args *a, const gm_tensor *x, int vector) {
    int64_t n = rn_attrs(a->attrs)->n;
    if (!gm__check_float(x, a->op->name)) return false;
    if (n < 1 || n > x->shape.n)
        return gm_fail(GM_ERROR_SHAPE, "%s: over the last %lld dimensions of %s", a->op->name, (long long)n,
                       gm__tensor_shape_str(x));
    gm_shape wanted = rn_last(&x->shape, n);
    return rn_check_vector(a, vector, &wanted, &x->shape) && (vector > 1 || rn_check_vector(a, 2, &wanted, &x->shape));
}

static gm_shape rn_stat_shape(const gm_shape *x, int64_t n) {
    gm_shape s = *x;
    for (int64_t i = s.n - n; i < s.n; i++) s.d[i] = 1;
    return s;
}

static int32_t rn_layer_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0];
    if (!rn_layer_check(a, x, 1)) return -1;
    out[0].shape = x->shape;
    out[0].dtype = x->dtype;
    for (int j = 1; j < 3; j++)
        out[j].shape = rn_stat_shape(&x->shape, rn_attrs(a->attrs)->n), out[j].dtype = rn_stat_dtype(x);
    return 3;
}

static bool rn_group_check(const gm_op_args *a, const gm_tensor *x, int vector) {
    int64_t groups = rn_attrs(a->attrs)->n;
    if (!gm__check_float(x, a->op->name)) return false;
    if (x->shape.n < 2)
        return gm_fail(GM_ERROR_SHAPE, "%s: x is %s, [N, C, ...] is needed", a->op->name, gm__tensor_shape_str(x));
    int64_t c = x->shape.d[1];
    if (groups < 1 || c % groups)
        return gm_fail(GM_ERROR_SHAPE, "%s: %lld channels of %s do not split into %lld groups", a->op->name,
                       (long long)c, gm__tensor_shape_str(x), (long long)groups);
    gm_shape wanted = { 1, { 0 }, { c } };
    return rn_check_vector(a, vector, &wanted, &x->shape) && (vector > 1 || rn_check_vector(a, 2, &wanted, &x->shape));
}

static int32_t rn_group_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0];
    if (!rn_group_check(a, x, 1)) return -1;
    out[0].shape = x->shape;
    out[0].dtype = x->dtype;
    out[0].channels_last = gm__prefers_channels_last(a->in, 1, x->shape.n);
    for (int j = 1; j < 3; j++) {
        out[j].shape = (gm_shape){ 2, { 0 }, { x->shape.d[0], rn_attrs(a->attrs)->n } };
        out[j].dtype = rn_stat_dtype(x);
    }
    return 3;
}

static bool rn_same_shape(const gm_op_args *a) {
    return gm_shape_equal(a->in[0]->shape, a->in[1]->shape) ||
           gm_fail(GM_ERROR_SHAPE, "%s: g is %s, x is %s", a->op->name, gm__tensor_shape_str(a->in[0]),
                   gm__tensor_shape_str(a->in[1]));
}

static int32_t rn_layer_grad_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[1], *w = rn_input(a, 4);
    if (!rn_layer_check(a, x, 4) || !rn_same_shape(a)) return -1;
    out[0].shape = x->shape;
    out[0].dtype = x->dtype;
    for (int j = 1; j < 3; j++)
        out[j].shape = rn_last(&x->shape, rn_attrs(a->attrs)->n), out[j].dtype = w ? w->dtype : rn_stat_dtype(x);
    return 3;
}

static int32_t rn_group_grad_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[1];
    if (!rn_group_check(a, x, 4) || !rn_same_shape(a)) return -1;
    out[0].shape = x->shape;
    out[0].dtype = x->dtype;
    return 1;
}

/* ---- values ---- */

typedef struct { const gm_norm_job *job; void (*f)(const gm_norm_job *job, int64_t begin, int64_t end); } rn_run;

static void rn_range(void *env, int64_t begin, int64_t end) {
    const rn_run *r = env;
    r->f(r->job, begin, end);
}

/* The rows of x [rows, n]; weights by group where `groups` are given. */
static gm_norm_job rn_job(const gm_op_args *a, const gm_tensor *x) {
    const row_norm_attrs *p = a->attrs;
    gm_norm_job job = { .groups = 1, .run = 1, .eps = p->eps, .n = 1 };
    bool group = a->op == &gm__op_group_norm || a->op == &gm__op_group_norm_grad;
    job.rms = a->op == &gm__op_rms_norm || a->op == &gm__op_rms_norm_grad;
    int64_t count = gm_shape_count(x->shape);
    if (group) {
        for (int i = 2; i < x->shape.n; i++) job.run *= x->shape.d[i];
        job.groups = p->n, job.n = x->shape.d[1] / p->n * job.run;
        if (job.run == 0) job.run = 1;
    } else {
        for (int64_t i = x->shape.n - p->n; i < x->shape.n; i++) job.n *= x->shape.d[i];
    }
    job.rows = job.n ? count / job.n : 0;
    return job;
}

/* v as dense elements of the kernel's type. */
static bool rn_take(gm_tensor *v, gm_dtype dtype, const void **data) {
    *data = NULL;
    if (!v) return true;
    v = gm_contiguous(gm_cast(v, dtype));
    if (v) *data = gm__data(v);
    return v != NULL;
}

/* What the kernels write row-major, in y's own order. */
static bool rn_deliver(gm_tensor *dense, gm_tensor *y) {
    if (dense == y) return true;
    gm__operand from = gm__operand_of(dense), to = gm__operand_of(y);
    return gm__copy(&y->shape, &from, &to);
}

static bool rn_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_dtype t = out[0]->dtype;
    gm_norm_job job = rn_job(a, a->in[0]);
    gm_tensor *y = gm_is_contiguous(out[0]) ? out[0] : gm__tensor_new(&out[0]->shape, t, false);
    if (!y || !rn_take(a->in[0], t, &job.x) || !rn_take(rn_input(a, 1), t, &job.weight) ||
        !rn_take(rn_input(a, 2), t, &job.bias)) return false;
    job.y = gm__data(y), job.mean = gm__data(out[1]), job.rstd = gm__data(out[2]);
    rn_run r = { &job, t == GM_F64 ? k->norm_apply_f64 : k->norm_apply_f32 };
    gm_parallel_for(job.rows, 16384 / (job.n + 1) + 1, rn_range, &r);
    return rn_deliver(y, out[0]);
}

/* (g, x, mean, rstd, weight) -> dx, and for layers dweight, dbias */
static bool rn_grad_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_dtype t = out[0]->dtype;
    gm_norm_job job = rn_job(a, a->in[1]);
    const void *mean, *rstd;
    if (!rn_take(a->in[0], t, &job.g) || !rn_take(a->in[1], t, &job.x) || !rn_take(a->in[2], t, &mean) ||
        !rn_take(a->in[3], t, &rstd) || !rn_take(rn_input(a, 4), t, &job.weight)) return false;
    job.y = gm__data(out[0]), job.mean = (void *)mean, job.rstd = (void *)rstd;
    rn_run r = { &job, t == GM_F64 ? k->norm_apply_grad_f64 : k->norm_apply_grad_f32 };
    gm_parallel_for(job.rows, 16384 / (job.n + 1) + 1, rn_range, &r);
    if (a->op == &gm__op_group_norm_grad) return true;
    gm_tensor *w = gm__tensor_new(&out[1]->shape, t, false), *b = gm__tensor_new(&out[1]->shape, t, false);
    if (!w || !b) return false;
    job.out[0] = gm__data(w), job.out[1] = gm__data(b);
    r.f = t == GM_F64 ? k->norm_columns_f64 : k->norm_columns_f32;
    gm_parallel_for(job.n, 65536 / (job.rows + 1) + 16, rn_range, &r);
    gm__convert_run(job.out[0], t, gm__data(out[1]), out[1]->dtype, job.n);
    gm__convert_run(job.out[1], t, gm__data(out[2]), out[2]->dtype, job.n);
    return true;
}

/* ---- derivatives ---- */

typedef struct { const gm_op *grad; const void *attrs; gm_tensor *x, *mean, *rstd; } rn_env;

static gm_tensor *rn_project(void *env, gm_tensor *u) {
    const rn_env *e = env;
    gm_tensor *in[4] = { u, e->x, e->mean, e->rstd }, *out[3];
    return gm_op_call(e->grad, in, 4, e->attrs, out, 3) < 0 ? NULL : out[0];
}

/* s [N, groups] as [N, C, 1 ...] */
static gm_tensor *rn_spread_groups(gm_tensor *s, const gm_shape *x) {
    gm_shape wide = { 3, { 0 }, { x->d[0], s->shape.d[1], x->d[1] / s->shape.d[1] } }, flat = { .n = x->n };
    gm_tensor *t = gm_expand(gm_unsqueeze(s, 2), wide);
    for (int i = 0; i < flat.n; i++) flat.d[i] = i < 2 ? x->d[i] : 1;
    return gm_reshape(t, flat);
}

static gm_tensor *rn_mean(void *env, gm_tensor *t) {
    const rn_env *e = env;
    int64_t n = rn_attrs(e->attrs)->n;
    gm_shape s = gm_shape_of(t);
    if (e->grad == &gm__op_group_norm_grad) {
        gm_tensor *rows = gm_reshape(t, (gm_shape){ 3, { 0 }, { s.d[0], n, -1 } });
        return rn_spread_groups(gm_mean_dim(rows, 2, false), &s);
    }
    int32_t dims[GM_MAX_DIMS];
    for (int i = 0; i < n; i++) dims[i] = -1 - i;
    return gm_mean_dims(t, dims, (int)n, true);
}

/* What arrives at mean and rstd goes on to x: mean' = 1 / n, rstd' = -rstd^2 hat / n. */
static gm_tensor *rn_add_stats(const gm_grad_args *a, gm_tensor *dx) {
    bool group = a->op == &gm__op_group_norm, rms = a->op == &gm__op_rms_norm;
    gm_tensor *x = a->in[0], *gm = rms ? NULL : a->gout[1], *gr = a->gout[2], *stat[3];
    double n = (double)gm_shape_count(x->shape) / (double)gm_shape_count(gm_shape_of(a->out[1]));
    if (gm) {
        gm = gm_div_scalar(gm, n);
        gm = gm_cast(gm_expand(group ? rn_spread_groups(gm, &x->shape) : gm, x->shape), x->dtype);
        dx = dx ? gm_add(dx, gm) : gm;
    }
    if (gr) {
        if (gm_op_call(a->op, &x, 1, a->attrs, stat, 3) < 0) return NULL;
        gr = gm_mul(gm_div_scalar(gr, -n), gm_square(stat[2]));
        gr = gm_cast(gm_mul(group ? rn_spread_groups(gr, &x->shape) : gr, stat[0]), x->dtype);
        dx = dx ? gm_add(dx, gr) : gr;
    }
    return dx;
}

static const gm_op *rn_grad_of(const gm_op *op) {
    return op == &gm__op_layer_norm ? &gm__op_layer_norm_grad : op == &gm__op_rms_norm ? &gm__op_rms_norm_grad :
           &gm__op_group_norm_grad;
}

static bool rn_grad(const gm_grad_args *a) {
    gm_tensor *g = a->gout[0], *x = a->in[0], *weight = a->n_in > 1 ? a->in[1] : NULL, *out[3] = { NULL, NULL, NULL };
    bool group = a->op == &gm__op_group_norm, wants_w = a->n_in > 1 && a->needs[1],
         wants_b = a->n_in > 2 && a->needs[2];
    gm_tensor *in[5] = { g, x, a->out[1], a->out[2], weight };
    if (g && gm_op_call(rn_grad_of(a->op), in, 5, a->attrs, out, 3) < 0) return false;
    if (g && group && wants_w) {
        gm_tensor *stat[3];
        if (gm_op_call(a->op, &x, 1, a->attrs, stat, 3) < 0) return false;
        out[1] = gm_cast(gm__dot_channels(g, stat[0]), weight->dtype);
    }
    if (g && group && wants_b) out[2] = gm__sum_channels(g);
    if (a->needs[0]) a->gin[0] = rn_add_stats(a, out[0]);
    if (wants_w) a->gin[1] = out[1];
    if (wants_b && out[2]) a->gin[2] = gm_cast(out[2], a->in[2]->dtype);
    return gm_ok();
}

/* The sum over rows, to the shape of the weight. */
static gm_tensor *rn_to_weight(gm_tensor *t, gm_tensor *weight, bool group) {
    return gm_cast(group ? gm__sum_channels(t) : gm__sum_to(t, &weight->shape, gm_dtype_of(t)), weight->dtype);
}

static bool rn_second(const gm_grad_args *a) {
    const gm_op *op = a->op == &gm__op_layer_norm_grad ? &gm__op_layer_norm : a->op == &gm__op_rms_norm_grad ?
                      &gm__op_rms_norm : &gm__op_group_norm;
    bool group = op == &gm__op_group_norm;
    gm_tensor *x = a->in[1], *weight = a->n_in > 4 ? a->in[4] : NULL, *stat[3];
    if (gm_op_call(op, &x, 1, a->attrs, stat, 3) < 0) return false;
    rn_env env = { a->op, a->attrs, x, a->in[2], a->in[3] };
    gm__norm_second s = { .v = a->gout[0],
                          .vw = group ? NULL : a->gout[1],
                          .vb = group ? NULL : a->gout[2],
                          .g = a->in[0],
                          .hat = stat[0],
                          .r = group ? rn_spread_groups(stat[2], &x->shape) : stat[2],
                          .weight = group ? gm__per_channel(weight, x->shape.n) : weight,
                          .project = rn_project,
                          .mean = rn_mean,
                          .env = &env };
    if (!gm__norm_second_order(&s)) return false;
    if (a->needs[0]) a->gin[0] = s.dg;
    if (a->needs[1]) a->gin[1] = s.dx;
    if (weight && a->needs[4] && s.dw) a->gin[4] = rn_to_weight(s.dw, weight, group);
    return gm_ok();
}

/* A batch of x alone is more rows. */
static bool rn_batch(const gm_batch_args *a) {
    bool group = a->op == &gm__op_group_norm;
    for (int i = 1; i < a->n_in; i++)
        if (a->in[i] && a->mapped[i]) return gm__batch_loop(a);
    gm_tensor *in[3] = { a->in[0], a->n_in > 1 ? a->in[1] : NULL, a->n_in > 2 ? a->in[2] : NULL };
    gm_shape s = a->in[0]->shape;
    if (group) in[0] = gm_flatten_dims(in[0], 0, 1);
    if (gm_op_call(a->op, in, 3, a->attrs, a->out, a->n_out) < 0) return false;
    for (int j = 0; group && j < a->n_out; j++) {
        gm_shape r = { .n = a->out[j]->shape.n + 1, .d = { s.d[0], s.d[1] } };
        for (int i = 2; i < r.n; i++) r.d[i] = a->out[j]->shape.d[i - 1];
        a->out[j] = gm_reshape(a->out[j], r);
    }
    return gm_ok();
}

/* ---- records ---- */

#define RN_RECORD(name_, infer_, ...)                                                                                  \
    .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = 1, .max_in = 3, .n_out = 3,                          \
    .flags = GM_OP_COMPUTE_F32, .saves_in = 3, .saves_out = 6, .diff_in = 7, .attrs_bytes = sizeof(row_norm_attrs),    \
    .attrs = row_norm_fields, .infer = infer_, .kernel = rn_kernel, .grad = rn_grad, .batch = rn_batch,                \
    .cases = (const gm_case[]){ __VA_ARGS__, { 0 } }
/* mean and rstd are functions of x, which differences in x alone would not see: values only. */
#define RN_GRAD_RECORD(name_, infer_, outputs, ...)                                                                    \
    .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = 4, .max_in = 5, .n_out = outputs,                    \
    .flags = GM_OP_COMPUTE_F32, .saves_in = 31, .diff_in = 19, .attrs_bytes = sizeof(row_norm_attrs),                  \
    .attrs = row_norm_fields, .infer = infer_, .kernel = rn_grad_kernel, .grad = rn_second,                            \
    .cases = (const gm_case[]){ __VA_ARGS__, { 0 } }

const gm_op gm__op_layer_norm = {
    RN_RECORD("layer_norm", rn_layer_infer, { "[4,7]; [7]; [7]", &(row_norm_attrs){ 1, 1e-5 }, 64, 0, 0 },
              { "[2,3,5]; [3,5]", &(row_norm_attrs){ 2, 1e-5 }, 64, 0, 0 },
              { "[2,3,37]", &(row_norm_attrs){ 1, 1e-3 }, 64, 0, 0 }),
    .doc = "normalise over the last dimensions",
};
const gm_op gm__op_rms_norm = {
    RN_RECORD("rms_norm", rn_layer_infer, { "[4,7]; [7]", &(row_norm_attrs){ 1, 1e-6 }, 64, 0, 0 },
              { "[2,3,5]", &(row_norm_attrs){ 2, 1e-6 }, 64, 0, 0 }),
    .doc = "divide by the root of the mean square over the last dimensions",
};
const gm_op gm__op_group_norm = {
    RN_RECORD("group_norm", rn_group_infer, { "[2,6,5]; [6]; [6]", &(row_norm_attrs){ 3, 1e-5 }, 64, 0, 0 },
              { "[3,4]", &(row_norm_attrs){ 2, 1e-5 }, 64, 0, 0 },
              { "[2,4,3,5]; [4]", &(row_norm_attrs){ 4, 1e-3 }, 64, 0, 0 }),
    .doc = "normalise groups of channels of each entry",
};
const gm_op gm__op_layer_norm_grad = {
    RN_GRAD_RECORD("layer_norm_grad", rn_layer_grad_infer, 3,
                   { "[4,7]; [4,7]; [4,1]; [4,1] positive; [7]", &(row_norm_attrs){ 1, 1e-5 }, 64, GM_CASE_NO_GRAD, 0 },
                   { "[2,37]; [2,37]; [2,1]; [2,1] positive", &(row_norm_attrs){ 1, 1e-5 }, 64, GM_CASE_NO_GRAD, 0 }),
    .doc = "the gradient of layer_norm",
};
const gm_op gm__op_rms_norm_grad = {
    RN_GRAD_RECORD(
        "rms_norm_grad", rn_layer_grad_infer, 3,
        { "[4,7]; [4,7]; [4,1]; [4,1] positive; [7]", &(row_norm_attrs){ 1, 1e-6 }, 64, GM_CASE_NO_GRAD, 0 }),
    .doc = "the gradient of rms_norm",
};
const gm_op gm__op_group_norm_grad = {
    RN_GRAD_RECORD(
        "group_norm_grad", rn_group_grad_infer, 1,
        { "[2,6,5]; [2,6,5]; [2,3]; [2,3] positive; [6]", &(row_norm_attrs){ 3, 1e-5 }, 64, GM_CASE_NO_GRAD, 0 }),
    .doc = "the gradient of group_norm in x",
};
#undef RN_RECORD
#undef RN_GRAD_RECORD

/* ---- the public forms ---- */

static gm_tensor *rn_call(const gm_op *op, gm_tensor *x, int64_t n, const gm_norm_args *args, double eps) {
    gm_norm_args o;
    if (!gm_ok() || !gm__args_take(op->name, &o, sizeof o, args)) return NULL;
    if (op == &gm__op_rms_norm && o.bias) {
        gm_fail(GM_ERROR_VALUE, "rms_norm: it has no bias; add it to the result");
        return NULL;
    }
    row_norm_attrs p = { n, gm__real_or(o.eps, eps) };
    return gm_op_call1(op, (gm_tensor *[]){ x, o.weight, o.bias }, 3, &p);
}

gm_tensor *gm_layer_norm_with(gm_tensor *x, int n, const gm_layer_norm_args *args) {
    return rn_call(&gm__op_layer_norm, x, n, args, 1e-5);
}

gm_tensor *gm_rms_norm_with(gm_tensor *x, int n, const gm_rms_norm_args *args) {
    return rn_call(&gm__op_rms_norm, x, n, args, 1e-6);
}

gm_tensor *gm_group_norm_with(gm_tensor *x, int groups, const gm_group_norm_args *args) {
    return rn_call(&gm__op_group_norm, x, groups, args, 1e-5);
}

gm_tensor *gm_instance_norm_with(gm_tensor *x, const gm_instance_norm_args *args) {
    if (!gm_ok() || !gm__check_tensor(x, "instance_norm", 1)) return NULL;
    return rn_call(&gm__op_group_norm, x, x->shape.n > 1 ? x->shape.d[1] : 1, args, 1e-5);
}

gm_tensor *(gm_layer_norm)(gm_tensor *x, int n) { return gm_layer_norm_with(x, n, NULL); }
gm_tensor *(gm_rms_norm)(gm_tensor *x, int n) { return gm_rms_norm_with(x, n, NULL); }
gm_tensor *(gm_group_norm)(gm_tensor *x, int groups) { return gm_group_norm_with(x, groups, NULL); }
gm_tensor *(gm_instance_norm)(gm_tensor *x) { return gm_instance_norm_with(x, NULL); }
