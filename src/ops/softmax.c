/* softmax.c: softmax, log-softmax and their gradients.
 *
 * Along the last dimension one kernel does a row in cache; along any other the same formula is put together from
 * operations, which defines the values of both. */
#include "../math/fp.h"
#include "reduce.h"
#include "../kernels/kernels.h"

#include <stddef.h>

typedef struct { int64_t dim; } softmax_attrs;
static const gm_attr softmax_fields[] = { GM_ATTR(softmax_attrs, dim, I64), GM_ATTR_END };

extern const gm_op gm__op_softmax, gm__op_log_softmax, gm__op_softmax_grad, gm__op_log_softmax_grad;

static int softmax_dim(const void *attrs) { return (int)((const softmax_attrs *)attrs)->dim; }

static int32_t softmax_infer(const gm_op_args *a, gm_spec *out) {
    int dim = softmax_dim(a->attrs);
    const gm_tensor *x = a->in[0];
    if (!gm__check_float(x, a->op->name)) return -1;
    if (dim < 0 || dim >= x->shape.n)
        return gm_fail(GM_ERROR_INDEX, "%s: dimension %d of %s", a->op->name, dim, gm__tensor_shape_str(x)), -1;
    if (a->n_in > 1 && !gm_shape_equal(x->shape, a->in[1]->shape))
        return gm_fail(GM_ERROR_SHAPE, "%s: %s and %s differ", a->op->name, gm__tensor_shape_str(x),
                       gm__tensor_shape_str(a->in[1])), -1;
    out->shape = x->shape;
    out->dtype = x->dtype;
    return 1;
}

/* ---- values ---- */

typedef struct { const char *x, *y; char *out; int64_t n; int logarithm, bytes; bool wide, grad; } softmax_job;

static void softmax_range(void *env, int64_t begin, int64_t end) {
    const softmax_job *j = env;
    const gm_kernels *k = gm__kernels();
    int64_t at = begin * j->n * j->bytes, rows = end - begin;
    if (j->grad && j->wide) k->norm_softmax_rows_grad_f64(rows, j->n, j->logarithm, j->x + at, j->y + at, j->out + at);
    else if (j->grad) k->norm_softmax_rows_grad_f32(rows, j->n, j->logarithm, j->x + at, j->y + at, j->out + at);
    else if (j->wide) k->norm_softmax_rows_f64(rows, j->n, j->logarithm, j->x + at, j->out + at, NULL);
    else k->norm_softmax_rows_f32(rows, j->n, j->logarithm, j->x + at, j->out + at, NULL);
}

/* True if nothing but sizes of 1 is behind dim: rows lie densely. */
static bool softmax_is_last(const gm_shape *s, int dim) {
    for (int i = dim + 1; i < s->n; i++)
        if (s->d[i] != 1) return false;
    return true;
}

static void softmax_rows(const gm_op_args *a, gm_tensor *out, bool grad, bool logarithm) {
    int64_t n = out->shape.d[softmax_dim(a->attrs)], count = gm_shape_count(out->shape);
    softmax_job j = { gm__data(a->in[0]), grad ? gm__data(a->in[1]) : NULL, gm__data(out), n, logarithm,
                      gm__element_bytes(out->dtype), out->dtype == GM_F64, grad };
    if (count) gm_parallel_for(count / n, 1 + 8192 / n, softmax_range, &j);
}

static bool softmax_lower(const gm_op_args *a, gm_tensor **out) {
    int dim = softmax_dim(a->attrs);
    gm_tensor *x = a->in[0];
    if (!gm_shape_count(x->shape)) return (out[0] = gm_copy(x)) != NULL;
    gm_tensor *d = gm_sub(x, gm_max_dim(x, dim, true)), *e = gm_exp(d), *s = gm_sum_dim(e, dim, true);
    out[0] = a->op == &gm__op_softmax ? gm_div(e, s) : gm_sub(d, gm_log(s));
    return out[0] != NULL;
}

static bool softmax_grad_lower(const gm_op_args *a, gm_tensor **out) {
    int dim = softmax_dim(a->attrs);
    gm_tensor *g = a->in[0], *y = a->in[1];
    if (a->op == &gm__op_softmax_grad) out[0] = gm_mul(y, gm_sub(g, gm_sum_dim(gm_mul(g, y), dim, true)));
    else out[0] = gm_sub(g, gm_mul(gm_exp(y), gm_sum_dim(g, dim, true)));
    return out[0] != NULL;
}

static bool softmax_kernel(const gm_op_args *a, gm_tensor **out) {
    if (!softmax_is_last(&out[0]->shape, softmax_dim(a->attrs))) return softmax_lower(a, out);
    softmax_rows(a, out[0], false, a->op == &gm__op_log_softmax);
    return true;
}

static bool softmax_grad_kernel(const gm_op_args *a, gm_tensor **out) {
    if (!softmax_is_last(&out[0]->shape, softmax_dim(a->attrs))) return softmax_grad_lower(a, out);
    softmax_rows(a, out[0], true, a->op == &gm__op_log_softmax_grad);
    return true;
}

/* ---- derivatives ---- */

static bool softmax_grad(const gm_grad_args *a) {
    a->gin[0] = gm__call2(&gm__op_softmax_grad, a->attrs, a->gout[0], a->out[0]);
    return a->gin[0] != NULL;
}

static bool log_softmax_grad(const gm_grad_args *a) {
    a->gin[0] = gm__call2(&gm__op_log_softmax_grad, a->attrs, a->gout[0], a->out[0]);
    return a->gin[0] != NULL;
}

/* The Jacobian of softmax is symmetric. */
static bool softmax_jvp(const gm_jvp_args *a) {
    a->tout[0] = gm__call2(&gm__op_softmax_grad, a->attrs, a->tin[0], a->out[0]);
    return a->tout[0] != NULL;
}

static bool log_softmax_jvp(const gm_jvp_args *a) {
    gm_tensor *t = a->tin[0];
    a->tout[0] = gm_sub(t, gm_sum_dim(gm_mul(gm_exp(a->out[0]), t), softmax_dim(a->attrs), true));
    return a->tout[0] != NULL;
}

/* Of y * (g - sum(g * y)), v arriving. */
static bool softmax_second(const gm_grad_args *a) {
    int dim = softmax_dim(a->attrs);
    gm_tensor *g = a->in[0], *y = a->in[1], *v = a->gout[0];
    if (a->needs[0]) a->gin[0] = gm__call2(&gm__op_softmax_grad, a->attrs, v, y);
    if (!a->needs[1]) return gm_ok();
    gm_tensor *left = gm_mul(v, gm_sub(g, gm_sum_dim(gm_mul(g, y), dim, true)));
    a->gin[1] = gm_sub(left, gm_mul(g, gm_sum_dim(gm_mul(v, y), dim, true)));
    return gm_ok();
}

/* Of g - exp(y) * sum(g). */
static bool log_softmax_second(const gm_grad_args *a) {
    int dim = softmax_dim(a->attrs);
    gm_tensor *g = a->in[0], *v = a->gout[0], *pv = gm_mul(gm_exp(a->in[1]), v);
    if (a->needs[0]) a->gin[0] = gm_sub(v, gm_sum_dim(pv, dim, true));
    if (a->needs[1]) a->gin[1] = gm_neg(gm_mul(pv, gm_sum_dim(g, dim, true)));
    return gm_ok();
}

static bool softmax_batch(const gm_batch_args *a) {
    softmax_attrs p = { softmax_dim(a->attrs) + 1 };
    gm_tensor *in[2] = { NULL, NULL };
    for (int i = 0; i < a->n_in; i++) in[i] = gm__batched(a, i);
    a->out[0] = gm_op_call1(a->op, in, a->n_in, &p);
    return a->out[0] != NULL;
}

/* ---- records ---- */

#define SOFTMAX_RECORD(name_, inputs, kernel_, lower_)                                                                 \
    .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = inputs, .max_in = inputs, .n_out = 1,                \
    .flags = GM_OP_COMPUTE_F32 | GM_OP_CONTIGUOUS, .attrs_bytes = sizeof(softmax_attrs), .attrs = softmax_fields,      \
    .infer = softmax_infer, .kernel = kernel_, .lower = lower_, .batch = softmax_batch
#define SOFTMAX_CASES                                                                                                  \
    .cases = (const gm_case[]){ { "[3,5]", &(softmax_attrs){ 1 }, 0, 0, 0 },                                           \
                                { "[4,2,3]", &(softmax_attrs){ 0 }, 0, 0, 0 },                                         \
                                { "[2,67]", &(softmax_attrs){ 1 }, 0, 0, 0 }, { 0 } }
#define SOFTMAX_PAIR_CASES                                                                                             \
    .cases = (const gm_case[]){ { "[3,5]; [3,5]", &(softmax_attrs){ 1 }, 0, 0, 0 },                                    \
                                { "[4,2,3]; [4,2,3]", &(softmax_attrs){ 0 }, 0, 0, 0 }, { 0 } }

const gm_op gm__op_softmax = {
    SOFTMAX_RECORD("softmax", 1, softmax_kernel, softmax_lower),
    .saves_out = 1,
    .grad = softmax_grad,
    .jvp = softmax_jvp,
    SOFTMAX_CASES,
    .doc = "exp(x) over its sum along a dimension",
};
const gm_op gm__op_log_softmax = {
    SOFTMAX_RECORD("log_softmax", 1, softmax_kernel, softmax_lower), .saves_out = 1, .grad = log_softmax_grad,
    .jvp = log_softmax_jvp, SOFTMAX_CASES, .doc = "the logarithm of softmax",
};
const gm_op gm__op_softmax_grad = {
    SOFTMAX_RECORD("softmax_grad", 2, softmax_grad_kernel, softmax_grad_lower), .saves_in = 3, .grad = softmax_second,
    SOFTMAX_PAIR_CASES, .doc = "the gradient of softmax, from its result",
};
const gm_op gm__op_log_softmax_grad = {
    SOFTMAX_RECORD("log_softmax_grad", 2, softmax_grad_kernel, softmax_grad_lower), .saves_in = 3,
    .grad = log_softmax_second, SOFTMAX_PAIR_CASES, .doc = "the gradient of log_softmax, from its result",
};
#undef SOFTMAX_RECORD
#undef SOFTMAX_CASES
#undef SOFTMAX_PAIR_CASES

static gm_tensor *softmax_call(const gm_op *op, gm_tensor *x, int dim) {
    if (!gm_ok() || !gm__check_tensor(x, op->name, 1)) return NULL;
    softmax_attrs p = { gm__dim(x, dim, op->name) };
    return p.dim < 0 ? NULL : gm__call1(op, &p, x);
}

gm_tensor *gm_softmax(gm_tensor *x, int dim) { return softmax_call(&gm__op_softmax, x, dim); }
gm_tensor *gm_log_softmax(gm_tensor *x, int dim) { return softmax_call(&gm__op_log_softmax, x, dim); }
gm_tensor *gm__softmax_grad(gm_tensor *g, gm_tensor *y, int dim) {
    return gm__call2(&gm__op_softmax_grad, &(softmax_attrs){ dim }, g, y);
}
