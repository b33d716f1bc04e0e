/* scan.c: cumsum, cumprod and the linear recurrence.
 *
 * The gradient of a recurrence is a recurrence backwards, so the family is closed under differentiation and right where
 * factors are zero. */
#include "../math/fp.h"
#include "reduce.h"
#include "../kernels/kernels.h"

#include <stddef.h>

typedef struct { int64_t dim; } scan_attrs;
static const gm_attr scan_fields[] = { GM_ATTR(scan_attrs, dim, I64), GM_ATTR_END };

typedef void (*scan_fn)(int64_t n, int64_t inner, int64_t j0, int64_t j1, const void *x, void *y);
typedef void (*scan_linear_fn)(int64_t n, int64_t inner, int64_t j0, int64_t j1, const void *a, const void *b, void *y);
/* x [outer, n, inner]; a unit of work is `tile` columns of one of the outer. */
typedef struct {
    scan_fn f;
    scan_linear_fn linear;
    const char *a, *b;
    char *y;
    int64_t n, inner, tile, tiles;
    int bytes;
} scan_job;

static int32_t scan_infer(const gm_op_args *a, gm_spec *out) {
    int64_t dim = ((const scan_attrs *)a->attrs)->dim;
    const gm_tensor *x = a->in[0], *b = a->n_in > 1 ? a->in[1] : x;
    if (!gm__domain(x->dtype))
        return gm_fail(GM_ERROR_DTYPE, "%s: %s is not a number", a->op->name, gm_dtype_name(x->dtype)), -1;
    if (dim < 0 || dim >= x->shape.n)
        return gm_fail(GM_ERROR_INDEX, "%s: dimension %lld of %s", a->op->name, (long long)dim,
                       gm__tensor_shape_str(x)),
               -1;
    if (!gm_shape_equal(x->shape, b->shape) || x->dtype != b->dtype)
        return gm_fail(GM_ERROR_SHAPE, "%s: a is %s %s, b is %s %s; they must be alike", a->op->name,
                       gm_dtype_name(x->dtype), gm__tensor_shape_str(x), gm_dtype_name(b->dtype),
                       gm__tensor_shape_str(b)),
               -1;
    if (a->n_in > 1 && !gm__check_float(x, a->op->name)) return -1;
    out->shape = x->shape;
    out->dtype = gm_is_float(x->dtype) ? x->dtype : GM_I64;
    return 1;
}

static void scan_range(void *env, int64_t begin, int64_t end) {
    const scan_job *s = env;
    for (int64_t u = begin; u < end; u++) {
        int64_t at = u / s->tiles * s->n * s->inner * s->bytes, j0 = u % s->tiles * s->tile;
        int64_t j1 = s->inner - j0 < s->tile ? s->inner : j0 + s->tile;
        if (s->linear) s->linear(s->n, s->inner, j0, j1, s->a + at, s->b + at, s->y + at);
        else s->f(s->n, s->inner, j0, j1, s->a + at, s->y + at);
    }
}

static bool scan_run(scan_job *s, const gm_op_args *a, gm_tensor *y) {
    int64_t dim = ((const scan_attrs *)a->attrs)->dim;
    const gm_shape *shape = &y->shape;
    gm_dtype domain = gm_is_float(y->dtype) ? gm__domain(y->dtype) : GM_I64;
    gm_tensor *x = gm_contiguous(gm_cast(a->in[0], domain)), *b = s->linear ? a->in[1] : x;
    if (!x) return false;
    int64_t count = gm_shape_count(*shape);
    s->a = gm__data(x), s->b = gm__data(b), s->y = gm__data(y);
    s->n = shape->d[dim], s->inner = 1, s->bytes = gm__element_bytes(domain);
    for (int i = (int)dim + 1; i < shape->n; i++) s->inner *= shape->d[i];
    if (!count) return true;
    s->tile = s->inner < 512 ? s->inner : 512;
    s->tiles = (s->inner + s->tile - 1) / s->tile;
    gm_parallel_for(count / (s->n * s->inner) * s->tiles, 1 + 32768 / (s->n * s->tile), scan_range, s);
    return true;
}

static bool cumsum_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_dtype t = out[0]->dtype;
    scan_job s = { .f = t == GM_F32 ? k->scan_sum_f32 : t == GM_F64 ? k->scan_sum_f64 : k->scan_sum_i64 };
    return scan_run(&s, a, out[0]);
}

static bool cumprod_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_dtype t = out[0]->dtype;
    scan_job s = { .f = t == GM_F32 ? k->scan_prod_f32 : t == GM_F64 ? k->scan_prod_f64 : k->scan_prod_i64 };
    return scan_run(&s, a, out[0]);
}

static bool linear_scan_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    scan_job s = { .linear = out[0]->dtype == GM_F32 ? k->scan_linear_f32 : k->scan_linear_f64 };
    return scan_run(&s, a, out[0]);
}

/* ---- derivatives ---- */

static gm_tensor *scan_flip(gm_tensor *x, int dim) { return gm_flip(x, &(int32_t){ dim }, 1); }

/* w[t] = g[t] + a[t + 1] * w[t + 1] */
static gm_tensor *scan_backwards(gm_tensor *a, gm_tensor *g, int dim) {
    int64_t n = gm_size(a, dim);
    if (n <= 1) return g;
    gm_tensor *next = gm_unslice(gm_narrow(a, dim, 1, n - 1), dim, 0, 1, n);
    return scan_flip(gm_linear_scan(scan_flip(next, dim), scan_flip(g, dim), dim), dim);
}

/* x moved by one along dim, zero in front */
static gm_tensor *scan_before(gm_tensor *x, int dim) {
    int64_t n = gm_size(x, dim);
    return n < 1 ? x : gm_unslice(gm_narrow(x, dim, 0, n - 1), dim, 1, 1, n);
}

static int scan_dim(const void *attrs) { return (int)((const scan_attrs *)attrs)->dim; }

static bool cumsum_grad(const gm_grad_args *a) {
    int dim = scan_dim(a->attrs);
    a->gin[0] = scan_flip(gm_cumsum(scan_flip(a->gout[0], dim), dim), dim);
    return a->gin[0] != NULL;
}

/* The product of the elements in front, times the recurrence over those behind. */
static bool cumprod_grad(const gm_grad_args *a) {
    int dim = scan_dim(a->attrs);
    gm_tensor *x = a->in[0];
    gm_shape line = { .n = x->shape.n };
    for (int i = 0; i < line.n; i++) line.d[i] = i == dim ? x->shape.d[i] : 1;
    gm_tensor *index = gm_reshape(gm_arange(0, (double)line.d[dim], 1, GM_I64), line);
    gm_tensor *front = gm_add(scan_before(gm_cumprod(x, dim), dim), gm_cast(gm_eq_scalar(index, 0), x->dtype));
    a->gin[0] = gm_mul(front, scan_backwards(x, a->gout[0], dim));
    return a->gin[0] != NULL;
}

static bool linear_scan_grad(const gm_grad_args *a) {
    int dim = scan_dim(a->attrs);
    gm_tensor *w = scan_backwards(a->in[0], a->gout[0], dim);
    if (a->needs[0]) a->gin[0] = gm_mul(w, scan_before(a->out[0], dim));
    if (a->needs[1]) a->gin[1] = w;
    return gm_ok();
}

static bool scan_batch(const gm_batch_args *a) {
    scan_attrs p = { ((const scan_attrs *)a->attrs)->dim + 1 };
    gm_tensor *in[2] = { NULL, NULL };
    for (int i = 0; i < a->n_in; i++) in[i] = gm__batched(a, i);
    a->out[0] = gm_op_call1(a->op, in, a->n_in, &p);
    return a->out[0] != NULL;
}

/* ---- records ---- */

#define SCAN_RECORD(name_, kernel_, inputs)                                                                            \
    .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = inputs, .max_in = inputs, .n_out = 1,                \
    .attrs_bytes = sizeof(scan_attrs), .attrs = scan_fields, .infer = scan_infer, .kernel = kernel_, .batch = scan_batch

const gm_op gm__op_cumsum = {
    SCAN_RECORD("cumsum", cumsum_kernel, 1), .flags = GM_OP_COMPUTE_F32 | GM_OP_LINEAR, .grad = cumsum_grad,
    .cases = (const gm_case[]){ { "[3,5]", &(scan_attrs){ 1 }, 0, 0, 0 }, { "[4,2,3]", &(scan_attrs){ 0 }, 0, 0, 0 },
                                { "i32[7] below 9", &(scan_attrs){ 0 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "running sums along a dimension",
};

const gm_op gm__op_cumprod = {
    SCAN_RECORD("cumprod", cumprod_kernel, 1), .flags = GM_OP_COMPUTE_F32, .grad = cumprod_grad, .saves_in = 1,
    .cases = (const gm_case[]){ { "[3,5]", &(scan_attrs){ 1 }, 0, 0, 0 }, { "[4,2,3]", &(scan_attrs){ 0 }, 0, 0, 0 },
                                { "i32[7] below 9", &(scan_attrs){ 0 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "running products along a dimension",
};

const gm_op gm__op_linear_scan = {
    SCAN_RECORD("linear_scan", linear_scan_kernel, 2), .flags = GM_OP_COMPUTE_F32 | GM_OP_CONTIGUOUS,
    .grad = linear_scan_grad, .saves_in = 1, .saves_out = 1,
    .cases = (const gm_case[]){ { "[3,5]; [3,5]", &(scan_attrs){ 1 }, 0, 0, 0 },
                                { "[4,2,3]; [4,2,3]", &(scan_attrs){ 0 }, 0, 0, 0 }, { 0 } },
    .doc = "y[t] = a[t] y[t - 1] + b[t] along a dimension",
};
#undef SCAN_RECORD

static gm_tensor *scan_call(const gm_op *op, gm_tensor *const *in, int n_in, int dim) {
    if (!gm_ok() || !gm__check_tensor(in[0], op->name, 1)) return NULL;
    scan_attrs p = { gm__dim(in[0], dim, op->name) };
    return p.dim < 0 ? NULL : gm_op_call1(op, in, n_in, &p);
}

gm_tensor *gm_cumsum(gm_tensor *x, int dim) { return scan_call(&gm__op_cumsum, &x, 1, dim); }
gm_tensor *gm_cumprod(gm_tensor *x, int dim) { return scan_call(&gm__op_cumprod, &x, 1, dim); }

gm_tensor *gm_linear_scan(gm_tensor *a, gm_tensor *b, int dim) {
    return scan_call(&gm__op_linear_scan, (gm_tensor *[]){ a, b }, 2, dim);
}
