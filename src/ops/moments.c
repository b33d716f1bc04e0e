/* moments.c: variance, standard deviation, logsumexp and norms over dimensions.
 *
 * Compositions of operations with the one-pass kernel where rows are dense: variance is the sum rule over (x - mean)^2.
 */
#include "../math/fp.h"
#include "norm.h"
#include "reduce.h"
#include "gemel/autograd.h"

#include <math.h>
#include <stddef.h>

typedef struct { int64_t dims, keep, correction; } var_attrs;
static const gm_attr var_fields[] = { GM_ATTR(var_attrs, dims, I64), GM_ATTR(var_attrs, keep, I64),
                                      GM_ATTR(var_attrs, correction, I64), GM_ATTR_END };

static int32_t var_infer(const gm_op_args *a, gm_spec *out) {
    const var_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0];
    if (!gm__check_float(x, a->op->name)) return -1;
    if (p->dims >> x->shape.n)
        return gm_fail(GM_ERROR_INDEX, "%s: a dimension that %s does not have", a->op->name, gm__tensor_shape_str(x)),
               -1;
    out->shape = gm__reduced_shape(&x->shape, p->dims, p->keep);
    out->dtype = x->dtype;
    return 1;
}

static double var_divisor(const gm_shape *x, const var_attrs *p) {
    double n = (double)(gm__reduced_count(x, p->dims) - p->correction);
    return n > 0 ? n : 0;
}

static int var_dims(const gm_shape *x, int64_t mask, int32_t *dims) {
    int n = 0;
    for (int i = 0; i < x->n; i++)
        if (mask >> i & 1) dims[n++] = i;
    return n;
}

/* Sums of a mask, which may name no dimension at all. */
static gm_tensor *var_sum(gm_tensor *x, int64_t mask, bool keep) {
    int32_t dims[GM_MAX_DIMS];
    int n = var_dims(&x->shape, mask, dims);
    return n ? gm_sum_dims(x, dims, n, keep) : x;
}

static bool var_lower(const gm_op_args *a, gm_tensor **out) {
    const var_attrs *p = a->attrs;
    gm_tensor *x = a->in[0];
    gm_tensor *mean = gm_div_scalar(var_sum(x, p->dims, true), (double)gm__reduced_count(&x->shape, p->dims));
    out[0] = gm_div_scalar(var_sum(gm_square(gm_sub(x, mean)), p->dims, p->keep), var_divisor(&x->shape, p));
    return out[0] != NULL;
}

typedef struct {
    const char *x;
    char *y;
    int64_t n;
    int bytes;
    void (*f)(int64_t, int64_t, const void *, void *);
} var_job;

static void var_range(void *env, int64_t begin, int64_t end) {
    const var_job *j = env;
    j->f(end - begin, j->n, j->x + begin * j->n * j->bytes, j->y + begin * j->bytes);
}

/* True if the reduced dimensions are the last ones. */
static bool var_is_rows(const gm_shape *x, int64_t mask) {
    bool behind = true;
    for (int i = x->n - 1; i >= 0; i--) {
        if (x->d[i] == 1) continue;
        if (!(mask >> i & 1)) behind = false;
        else if (!behind) return false;
    }
    return true;
}

static bool var_kernel(const gm_op_args *a, gm_tensor **out) {
    const var_attrs *p = a->attrs;
    const gm_kernels *k = gm__kernels();
    gm_tensor *x = a->in[0];
    int64_t n = gm__reduced_count(&x->shape, p->dims), rows = gm_shape_count(out[0]->shape);
    if (!n || !var_is_rows(&x->shape, p->dims)) return var_lower(a, out);
    bool wide = x->dtype == GM_F64;
    gm_tensor *spread = gm__tensor_new(&out[0]->shape, x->dtype, false);
    if (!spread) return false;
    var_job j = { gm__data(x), gm__data(spread), n, wide ? 8 : 4,
                  wide ? k->norm_rows_spread_f64 : k->norm_rows_spread_f32 };
    gm_parallel_for(rows, 32768 / n + 1, var_range, &j);
    out[0] = gm_div_scalar(spread, var_divisor(&x->shape, p));
    return out[0] != NULL;
}

/* 2 (x - mean) / (n - correction) */
static bool var_grad(const gm_grad_args *a) {
    const var_attrs *p = a->attrs;
    gm_tensor *x = a->in[0];
    gm_tensor *mean = gm_div_scalar(var_sum(x, p->dims, true), (double)gm__reduced_count(&x->shape, p->dims));
    gm_tensor *g = gm_div_scalar(gm_mul_scalar(a->gout[0], 2), var_divisor(&x->shape, p));
    a->gin[0] = gm_mul(gm__unreduce(g, &x->shape, p->dims), gm_sub(x, mean));
    return a->gin[0] != NULL;
}

static bool var_batch(const gm_batch_args *a) {
    var_attrs p = *(const var_attrs *)a->attrs;
    p.dims <<= 1;
    a->out[0] = gm__call1(a->op, &p, a->in[0]);
    return a->out[0] != NULL;
}

const gm_op gm__op_var = {
    .size = sizeof(gm_op),
    .name = "var",
    .version = 1,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = GM_OP_COMPUTE_F32 | GM_OP_CONTIGUOUS,
    .saves_in = 1,
    .attrs_bytes = sizeof(var_attrs),
    .attrs = var_fields,
    .infer = var_infer,
    .kernel = var_kernel,
    .lower = var_lower,
    .grad = var_grad,
    .batch = var_batch,
    .cases = (const gm_case[]){ { "[3,5]", &(var_attrs){ 3, 0, 1 }, 0, 0, 0 },
                                { "[3,4,5]", &(var_attrs){ 2, 1, 0 }, 0, 0, 0 },
                                { "[3,4,5]", &(var_attrs){ 5, 0, 1 }, 0, 0, 0 },
                                { "[2,131]", &(var_attrs){ 2, 0, 1 }, 0, 0, 0 },
                                { 0 } },
    .doc = "the variance over dimensions",
};

gm_tensor *gm_var_dims(gm_tensor *x, const int32_t *dims, int n, int correction, bool keep) {
    var_attrs p = { 0, keep, correction };
    return gm__reduce_mask(x, dims, n, "var", &p.dims) ? gm__call1(&gm__op_var, &p, x) : NULL;
}

gm_tensor *gm_var(gm_tensor *x, int correction) { return gm_var_dims(x, NULL, 0, correction, false); }

/* f16 and bf16 are rounded once, at the end. */
static gm_tensor *moment_wide(gm_tensor *x) {
    return x && gm_is_float(x->dtype) && x->dtype != GM_F64 ? gm_cast(x, GM_F32) : x;
}

static gm_tensor *moment_narrow(gm_tensor *y, const gm_tensor *x) { return y ? gm_cast(y, x->dtype) : NULL; }

/* The root of sums s >= 0, of order p; the slope at zero is taken for 0. */
static gm_tensor *moment_root(gm_tensor *s, double p) {
    gm_tensor *zero = gm_eq_scalar(s, 0), *none = s ? gm_zeros((gm_shape){ 0 }, gm_dtype_of(s)) : NULL;
    gm_tensor *some = gm_where(zero, gm_add_scalar(none, 1), s);
    return gm_where(zero, none, p == 2 ? gm_sqrt(some) : gm_pow_scalar(some, 1 / p));
}

gm_tensor *gm_std_dims(gm_tensor *x, const int32_t *dims, int n, int correction, bool keep) {
    if (!gm_ok() || !gm__check_tensor(x, "std", 1) || !gm__check_float(x, "std")) return NULL;
    return moment_narrow(moment_root(gm_var_dims(moment_wide(x), dims, n, correction, keep), 2), x);
}

gm_tensor *gm_std(gm_tensor *x, int correction) { return gm_std_dims(x, NULL, 0, correction, false); }

/* m + log(sum(exp(x - m))); an infinite m is taken for 0, so that all of -inf gives -inf. */
gm_tensor *gm_logsumexp_dims(gm_tensor *x, const int32_t *dims, int n, bool keep) {
    if (!gm_ok() || !gm__check_tensor(x, "logsumexp", 1) || !gm__check_float(x, "logsumexp")) return NULL;
    int64_t mask;
    if (!gm__reduce_mask(x, dims, n, "logsumexp", &mask)) return NULL;
    gm_tensor *w = moment_wide(x), *m = NULL;
    {
        gm_no_grad_guard guard = gm_no_grad_begin();
        m = gm_max_dims(w, dims, n, true);
        m = m ? gm_where(gm_isinf(m), gm_zeros((gm_shape){ 0 }, gm_dtype_of(m)), m) : NULL;
        gm_no_grad_end(&guard);
    }
    if (!m) return NULL;
    gm_tensor *s = gm_log(gm_sum_dims(gm_exp(gm_sub(w, m)), dims, n, true)), *y = gm_add(m, s);
    return moment_narrow(keep ? y : gm_reshape(y, gm__reduced_shape(&x->shape, mask, false)), x);
}

gm_tensor *gm_logsumexp(gm_tensor *x, int dim, bool keep) { return gm_logsumexp_dims(x, &(int32_t){ dim }, 1, keep); }

/* ---- norms ---- */

/* abs(x)^p; the slope at zero, which is infinite for p < 1, is taken for 0. */
static gm_tensor *norm_powers(gm_tensor *x, double p) {
    gm_tensor *a = gm_abs(x);
    if (p > 1 || !a) return gm_pow_scalar(a, p);
    gm_tensor *zero = gm_eq_scalar(a, 0), *some = gm_where(zero, gm_ones(GM_SCALAR, a->dtype), a);
    return gm_where(zero, gm_full(GM_SCALAR, p < 0 ? INFINITY : 0, a->dtype), gm_pow_scalar(some, p));
}

/* Of any other order than 0, 1, 2 and infinity. Negative ones have no sums of zero but where an x is infinite. */
static gm_tensor *norm_any(gm_tensor *x, double p, const int32_t *dims, int n, bool keep) {
    gm_tensor *s = gm_sum_dims(norm_powers(x, p), dims, n, keep);
    return p > 0 ? moment_root(s, p) : gm_pow_scalar(s, 1 / p);
}

gm_tensor *gm_norm_dims(gm_tensor *x, double p, const int32_t *dims, int n, bool keep) {
    if (!gm_ok() || !gm__check_tensor(x, "norm", 1) || !gm__check_float(x, "norm")) return NULL;
    gm_tensor *w = moment_wide(x), *y;
    if (p == 2) y = moment_root(gm_sum_dims(gm_square(w), dims, n, keep), 2);
    else if (p == 1) y = gm_sum_dims(gm_abs(w), dims, n, keep);
    else if (p == 0) y = gm_sum_dims(gm_cast(gm_ne_scalar(w, 0), w->dtype), dims, n, keep);
    else if (isinf(p)) y = p > 0 ? gm_max_dims(gm_abs(w), dims, n, keep) : gm_min_dims(gm_abs(w), dims, n, keep);
    else y = norm_any(w, p, dims, n, keep);
    return moment_narrow(y, x);
}

gm_tensor *gm_norm(gm_tensor *x, double p) { return gm_norm_dims(x, p, NULL, 0, false); }

gm_tensor *gm_normalize(gm_tensor *x, double p, int dim, double eps) {
    gm_tensor *norm = gm_norm_dims(x, p, &(int32_t){ dim }, 1, true);
    return gm_div(x, gm_maximum_scalar(norm, eps));
}
