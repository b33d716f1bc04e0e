/* argmax.c: where the largest and smallest are. The operations work along the last dimension; the public forms bring it
 * there. */
#include "../math/fp.h"
#include "ops.h"
#include "../kernels/kernels.h"

static int32_t arg_infer(const gm_op_args *a, gm_spec *out) {
    const gm_shape *s = &a->in[0]->shape;
    if (!gm__domain(a->in[0]->dtype))
        return gm_fail(GM_ERROR_DTYPE, "%s: %s is not a number", a->op->name, gm_dtype_name(a->in[0]->dtype)), -1;
    if (s->n < 1 || !s->d[s->n - 1])
        return gm_fail(GM_ERROR_SHAPE, "%s: no elements to choose from in %s", a->op->name, gm__shape_str(s)), -1;
    out->shape = *s;
    out->shape.n--;
    out->dtype = GM_I64;
    return 1;
}

typedef void (*arg_fn)(int64_t rows, int64_t n, const void *x, int64_t *y);
typedef struct { arg_fn f; const char *x; int64_t *y, n; int bytes; } arg_job;

static void arg_range(void *env, int64_t begin, int64_t end) {
    const arg_job *j = env;
    j->f(end - begin, j->n, j->x + begin * j->n * j->bytes, j->y + begin);
}

static arg_fn arg_kernel_of(bool max, gm_dtype domain) {
    const gm_kernels *k = gm__kernels();
    switch (domain) {
    case GM_F32: return max ? k->reduce_argmax_f32 : k->reduce_argmin_f32;
    case GM_F64: return max ? k->reduce_argmax_f64 : k->reduce_argmin_f64;
    case GM_I32: return max ? k->reduce_argmax_i32 : k->reduce_argmin_i32;
    case GM_I64: return max ? k->reduce_argmax_i64 : k->reduce_argmin_i64;
    default: return max ? k->reduce_argmax_u64 : k->reduce_argmin_u64;
    }
}

static bool arg_kernel(const gm_op_args *a, gm_tensor **out, bool max) {
    gm_dtype domain = gm__domain(a->in[0]->dtype);
    gm_tensor *x = gm_contiguous(gm_cast(a->in[0], domain));
    if (!x) return false;
    int64_t rows = gm_shape_count(out[0]->shape), n = x->shape.d[x->shape.n - 1];
    arg_job j = { arg_kernel_of(max, domain), gm__data(x), (int64_t *)gm__data(out[0]), n, gm__element_bytes(domain) };
    gm_parallel_for(rows, 1 + 65536 / n, arg_range, &j);
    return true;
}

static bool argmax_kernel(const gm_op_args *a, gm_tensor **out) { return arg_kernel(a, out, true); }
static bool argmin_kernel(const gm_op_args *a, gm_tensor **out) { return arg_kernel(a, out, false); }

static bool arg_batch(const gm_batch_args *a) {
    a->out[0] = gm__call1(a->op, NULL, a->in[0]);
    return a->out[0] != NULL;
}

const gm_op gm__op_argmax = {
    .size = sizeof(gm_op), .name = "argmax", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1, .flags = GM_OP_NO_GRAD,
    .infer = arg_infer, .kernel = argmax_kernel, .batch = arg_batch,
    .cases = (const gm_case[]){ { "[3,5]", NULL, 0, GM_CASE_NO_GRAD, 0 }, { "[2,131]", NULL, 0, GM_CASE_NO_GRAD, 0 },
                                { "i64[4,9] below 5", NULL, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the first index of the largest along the last dimension",
};

const gm_op gm__op_argmin = {
    .size = sizeof(gm_op), .name = "argmin", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1, .flags = GM_OP_NO_GRAD,
    .infer = arg_infer, .kernel = argmin_kernel, .batch = arg_batch,
    .cases = (const gm_case[]){ { "[3,5]", NULL, 0, GM_CASE_NO_GRAD, 0 }, { "[2,131]", NULL, 0, GM_CASE_NO_GRAD, 0 },
                                { "i64[4,9] below 5", NULL, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the first index of the smallest along the last dimension",
};

static gm_tensor *arg_along(const gm_op *op, gm_tensor *x, int dim, bool keep) {
    if (!gm_ok() || !gm__check_tensor(x, op->name, 1)) return NULL;
    int d = gm__dim(x, dim, op->name);
    if (d < 0) return NULL;
    gm_tensor *y = gm__call1(op, NULL, gm_move_dim(x, d, -1));
    return keep ? gm_unsqueeze(y, d) : y;
}

gm_tensor *gm_argmax(gm_tensor *x, int dim, bool keep) { return arg_along(&gm__op_argmax, x, dim, keep); }
gm_tensor *gm_argmin(gm_tensor *x, int dim, bool keep) { return arg_along(&gm__op_argmin, x, dim, keep); }
