/* reduce.c: sum, mean, product, maximum, minimum, any and all over dimensions.
 *
 * The dimensions are a mask in the attributes, so that a batch in front is a shift. Values come from
 * kernels/reducing.c; integers are reduced in a domain that holds them (sums and products: i64, which is also their
 * result). */
#include "../math/fp.h"
#include "reduce.h"
#include "gemel/autograd.h"
#include "../kernels/reducing.h"

#include <stddef.h>
#include <string.h>

static const gm_attr reduce_fields[] = { GM_ATTR(gm__reduce_attrs, dims, I64), GM_ATTR(gm__reduce_attrs, keep, I64),
                                         GM_ATTR_END };

bool gm__reduce_mask(const gm_tensor *x, const int32_t *dims, int n, const char *op, int64_t *mask) {
    if (!gm_ok() || !gm__check_tensor(x, op, 1)) return false;
    *mask = n ? 0 : ((int64_t)1 << x->shape.n) - 1;
    for (int i = 0; i < n; i++) {
        int d = gm__dim(x, dims[i], op);
        if (d < 0) return false;
        if (*mask >> d & 1) return gm_fail(GM_ERROR_INDEX, "%s: dimension %d is named twice", op, (int)dims[i]);
        *mask |= (int64_t)1 << d;
    }
    return true;
}

gm_shape gm__reduced_shape(const gm_shape *x, int64_t mask, bool keep) {
    gm_shape s = { 0 };
    for (int i = 0; i < x->n; i++) {
        if (!(mask >> i & 1)) s.d[s.n++] = x->d[i];
        else if (keep) s.d[s.n++] = 1;
    }
    return s;
}

int64_t gm__reduced_count(const gm_shape *x, int64_t mask) {
    int64_t n = 1;
    for (int i = 0; i < x->n; i++)
        if (mask >> i & 1) n *= x->d[i];
    return n;
}

gm_tensor *gm__unreduce(gm_tensor *y, const gm_shape *x, int64_t mask) {
    return gm_expand(gm_reshape(y, gm__reduced_shape(x, mask, true)), *x);
}

/* ---- shapes ---- */

static int32_t reduce_shape(const gm_op_args *a, gm_spec *out, gm_dtype dtype) {
    const gm__reduce_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0];
    if (!gm__domain(x->dtype))
        return gm_fail(GM_ERROR_DTYPE, "%s: %s is not a number", a->op->name, gm_dtype_name(x->dtype)), -1;
    if (p->dims >> x->shape.n)
        return gm_fail(GM_ERROR_INDEX, "%s: a dimension that %s does not have", a->op->name, gm__tensor_shape_str(x)),
               -1;
    out->shape = gm__reduced_shape(&x->shape, p->dims, p->keep);
    out->dtype = dtype;
    return 1;
}

static int32_t reduce_sum_infer(const gm_op_args *a, gm_spec *out) {
    return reduce_shape(a, out, gm_is_float(a->in[0]->dtype) ? a->in[0]->dtype : GM_I64);
}

static int32_t reduce_mean_infer(const gm_op_args *a, gm_spec *out) {
    if (!gm__check_float(a->in[0], a->op->name)) return -1;
    return reduce_shape(a, out, a->in[0]->dtype);
}

static int32_t reduce_extreme_infer(const gm_op_args *a, gm_spec *out) {
    const gm_shape *s = &a->in[0]->shape;
    int32_t n = reduce_shape(a, out, a->in[0]->dtype);
    if (n > 0 && !gm__reduced_count(s, ((const gm__reduce_attrs *)a->attrs)->dims) && gm_shape_count(out->shape))
        return gm_fail(GM_ERROR_SHAPE, "%s: no elements to choose from in %s", a->op->name, gm__shape_str(s)), -1;
    return n;
}

static int32_t reduce_logic_infer(const gm_op_args *a, gm_spec *out) { return reduce_shape(a, out, GM_BOOL); }

bool gm__check_float(const gm_tensor *x, const char *op) {
    if (gm_is_float(x->dtype)) return true;
    return gm_fail(GM_ERROR_DTYPE, "%s: of %s there is none; make it a float with gm_cast first", op,
                   gm_dtype_name(x->dtype));
}

/* ---- values ---- */

/* Reduce x in `domain`; the outcome is converted to y's dtype. */
static bool reduce_into(gm__reduction op, gm_tensor *x, gm_dtype domain, int64_t mask, gm_tensor *y) {
    x = gm_contiguous(gm_cast(x, domain));
    if (!x) return false;
    if (y->dtype == domain) return gm__reduce(op, domain, &x->shape, (uint32_t)mask, gm__data(x), gm__data(y));
    gm_tensor *wide = gm__tensor_new(&y->shape, domain, false);
    if (!wide || !gm__reduce(op, domain, &x->shape, (uint32_t)mask, gm__data(x), gm__data(wide))) return false;
    gm__convert_run(gm__data(wide), domain, gm__data(y), y->dtype, gm_shape_count(y->shape));
    return true;
}

static bool reduce_sum_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm__reduce_attrs *p = a->attrs;
    gm_dtype domain = gm_is_float(a->in[0]->dtype) ? gm__domain(a->in[0]->dtype) : GM_I64;
    return reduce_into(GM__REDUCE_SUM, a->in[0], domain, p->dims, out[0]);
}

static bool reduce_prod_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm__reduce_attrs *p = a->attrs;
    gm_dtype domain = gm_is_float(a->in[0]->dtype) ? gm__domain(a->in[0]->dtype) : GM_I64;
    return reduce_into(GM__REDUCE_PROD, a->in[0], domain, p->dims, out[0]);
}

static bool reduce_mean_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm__reduce_attrs *p = a->attrs;
    int64_t n = gm_shape_count(out[0]->shape), count = gm__reduced_count(&a->in[0]->shape, p->dims);
    if (!reduce_sum_kernel(a, out)) return false;
    void *y = gm__data(out[0]);
    if (out[0]->dtype == GM_F64)
        for (int64_t i = 0; i < n; i++) ((double *)y)[i] /= (double)count;
    else
        for (int64_t i = 0; i < n; i++) ((float *)y)[i] /= (float)count;
    return true;
}

static bool reduce_max_kernel(const gm_op_args *a, gm_tensor **out) {
    return reduce_into(GM__REDUCE_MAX, a->in[0], gm__domain(a->in[0]->dtype),
                       ((const gm__reduce_attrs *)a->attrs)->dims, out[0]);
}

static bool reduce_min_kernel(const gm_op_args *a, gm_tensor **out) {
    return reduce_into(GM__REDUCE_MIN, a->in[0], gm__domain(a->in[0]->dtype),
                       ((const gm__reduce_attrs *)a->attrs)->dims, out[0]);
}

/* Over 0 and 1 in i32; of nothing, any is false and all is true. */
static bool reduce_logic(const gm_op_args *a, gm_tensor **out, gm__reduction op) {
    int64_t mask = ((const gm__reduce_attrs *)a->attrs)->dims;
    gm_tensor *x = gm_contiguous(gm_cast(gm_ne_scalar(a->in[0], 0), GM_I32));
    gm_tensor *wide = gm__tensor_new(&out[0]->shape, GM_I32, false);
    if (!x || !wide || !gm__reduce(op, GM_I32, &x->shape, (uint32_t)mask, gm__data(x), gm__data(wide))) return false;
    const int32_t *from = (const int32_t *)gm__data(wide);
    uint8_t *y = (uint8_t *)gm__data(out[0]);
    for (int64_t i = 0, n = gm_shape_count(out[0]->shape); i < n; i++) y[i] = from[i] > 0;
    return true;
}

static bool reduce_any_kernel(const gm_op_args *a, gm_tensor **out) { return reduce_logic(a, out, GM__REDUCE_MAX); }
static bool reduce_all_kernel(const gm_op_args *a, gm_tensor **out) { return reduce_logic(a, out, GM__REDUCE_MIN); }

/* ---- derivatives ---- */

static bool reduce_sum_grad(const gm_grad_args *a) {
    a->gin[0] = gm__unreduce(a->gout[0], &a->in[0]->shape, ((const gm__reduce_attrs *)a->attrs)->dims);
    return a->gin[0] != NULL;
}

static bool reduce_mean_grad(const gm_grad_args *a) {
    int64_t mask = ((const gm__reduce_attrs *)a->attrs)->dims;
    double n = (double)gm__reduced_count(&a->in[0]->shape, mask);
    a->gin[0] = gm__unreduce(gm_div_scalar(a->gout[0], n), &a->in[0]->shape, mask);
    return a->gin[0] != NULL;
}

/* x with the reduced dimensions behind the others, as one: [kept ..., count]. */
static gm_tensor *reduce_behind(gm_tensor *x, int64_t mask, int32_t *order) {
    gm_shape s = { 0 };
    int n = 0;
    for (int i = 0; i < x->shape.n; i++)
        if (!(mask >> i & 1)) order[n++] = i, s.d[s.n++] = x->shape.d[i];
    for (int i = 0; i < x->shape.n; i++)
        if (mask >> i & 1) order[n++] = i;
    s.d[s.n++] = gm__reduced_count(&x->shape, mask);
    return gm_reshape(gm_permute(x, order, n), s);
}

/* The inverse, to x's shape. */
static gm_tensor *reduce_in_front(gm_tensor *t, const gm_shape *x, const int32_t *order) {
    gm_shape s = { .n = x->n };
    int32_t inverse[GM_MAX_DIMS];
    for (int i = 0; i < x->n; i++) {
        s.d[i] = x->d[order[i]];
        inverse[order[i]] = i;
    }
    return gm_permute(gm_reshape(t, s), inverse, x->n);
}

/* To the first of the extremes: where the index along the joined dimensions is that of argmax. */
static bool reduce_extreme_grad(const gm_grad_args *a, bool max) {
    int64_t mask = ((const gm__reduce_attrs *)a->attrs)->dims;
    const gm_shape *s = &a->in[0]->shape;
    int32_t order[GM_MAX_DIMS];
    if (!gm_shape_count(*s)) {
        a->gin[0] = gm_zeros_like(a->in[0]);
        return a->gin[0] != NULL;
    }
    gm_tensor *rows = reduce_behind(a->in[0], mask, order);
    gm_tensor *at = max ? gm_argmax(rows, -1, true) : gm_argmin(rows, -1, true);
    gm_tensor *index = gm_arange(0, (double)gm__reduced_count(s, mask), 1, GM_I64);
    gm_tensor *first = reduce_in_front(gm_eq(index, at), s, order);
    gm_tensor *g = gm__unreduce(a->gout[0], s, mask);
    a->gin[0] = gm_where(first, g, gm_zeros((gm_shape){ 0 }, gm_dtype_of(g)));
    return a->gin[0] != NULL;
}

static bool reduce_max_grad(const gm_grad_args *a) { return reduce_extreme_grad(a, true); }
static bool reduce_min_grad(const gm_grad_args *a) { return reduce_extreme_grad(a, false); }

/* cumprod of the elements before each: cumprod moved by one, 1 in front. */
static gm_tensor *reduce_before(gm_tensor *x) {
    int64_t n = gm_size(x, -1);
    gm_tensor *moved = gm_unslice(gm_narrow(gm_cumprod(x, -1), -1, 0, n - 1), -1, 1, 1, n);
    gm_tensor *one = gm_cast(gm_eq_scalar(gm_arange(0, (double)n, 1, GM_I64), 0), gm_dtype_of(x));
    return gm_add(moved, one);
}

/* The product of all others, right with zeros: of those before times of those behind. */
static bool reduce_prod_grad(const gm_grad_args *a) {
    int64_t mask = ((const gm__reduce_attrs *)a->attrs)->dims;
    const gm_shape *s = &a->in[0]->shape;
    int32_t order[GM_MAX_DIMS], last = -1;
    if (!gm_shape_count(*s)) {
        a->gin[0] = gm_zeros_like(a->in[0]);
        return a->gin[0] != NULL;
    }
    gm_tensor *rows = reduce_behind(a->in[0], mask, order);
    gm_tensor *behind = gm_flip(reduce_before(gm_flip(rows, &last, 1)), &last, 1);
    gm_tensor *others = reduce_in_front(gm_mul(reduce_before(rows), behind), s, order);
    a->gin[0] = gm_mul(gm__unreduce(a->gout[0], s, mask), others);
    return a->gin[0] != NULL;
}

static bool reduce_batch(const gm_batch_args *a) {
    gm__reduce_attrs p = *(const gm__reduce_attrs *)a->attrs;
    p.dims <<= 1;
    a->out[0] = gm__call1(a->op, &p, a->in[0]);
    return a->out[0] != NULL;
}

/* ---- records ---- */

#define REDUCE_CASES(flag)                                                                                             \
    .cases = (const gm_case[]){ { "[3,5]", &(gm__reduce_attrs){ 3, 0 }, 0, flag, 0 },                                  \
                                { "[3,4,5]", &(gm__reduce_attrs){ 2, 1 }, 0, flag, 0 },                                \
                                { "[3,4,5]", &(gm__reduce_attrs){ 5, 0 }, 0, flag, 0 },                                \
                                { "[2,131]", &(gm__reduce_attrs){ 2, 0 }, 0, flag, 0 },                                \
                                { "[7,1,3]", &(gm__reduce_attrs){ 3, 0 }, 0, flag, 0 },                                \
                                { "[300,33]", &(gm__reduce_attrs){ 1, 0 }, 0, GM_CASE_NO_SECOND | flag, 0 },           \
                                { "i32[4,9] below 90", &(gm__reduce_attrs){ 1, 0 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } }
#define REDUCE_FLOAT_CASES                                                                                             \
    .cases = (const gm_case[]){ { "[3,5]", &(gm__reduce_attrs){ 3, 0 }, 0, 0, 0 },                                     \
                                { "[3,4,5]", &(gm__reduce_attrs){ 2, 1 }, 0, 0, 0 },                                   \
                                { "[3,4,5]", &(gm__reduce_attrs){ 5, 0 }, 0, 0, 0 }, { 0 } }
#define REDUCE_RECORD(name_, infer_, kernel_, flags_)                                                                  \
    .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = 1, .max_in = 1, .n_out = 1, .flags = flags_,         \
    .attrs_bytes = sizeof(gm__reduce_attrs), .attrs = reduce_fields, .infer = infer_, .kernel = kernel_,               \
    .batch = reduce_batch

const gm_op gm__op_sum = {
    REDUCE_RECORD("sum", reduce_sum_infer, reduce_sum_kernel, GM_OP_COMPUTE_F32 | GM_OP_LINEAR),
    .grad = reduce_sum_grad,
    REDUCE_CASES(0),
    .doc = "the sum over dimensions",
};
const gm_op gm__op_mean = {
    REDUCE_RECORD("mean", reduce_mean_infer, reduce_mean_kernel, GM_OP_COMPUTE_F32 | GM_OP_LINEAR),
    .grad = reduce_mean_grad, REDUCE_FLOAT_CASES, .doc = "the mean over dimensions",
};
const gm_op gm__op_prod = {
    REDUCE_RECORD("prod", reduce_sum_infer, reduce_prod_kernel, GM_OP_COMPUTE_F32), .grad = reduce_prod_grad,
    .saves_in = 1, REDUCE_FLOAT_CASES, .doc = "the product over dimensions",
};
const gm_op gm__op_max = {
    REDUCE_RECORD("max", reduce_extreme_infer, reduce_max_kernel, 0), .grad = reduce_max_grad, .saves_in = 1,
    REDUCE_CASES(0), .doc = "the largest over dimensions",
};
const gm_op gm__op_min = {
    REDUCE_RECORD("min", reduce_extreme_infer, reduce_min_kernel, 0), .grad = reduce_min_grad, .saves_in = 1,
    REDUCE_CASES(0), .doc = "the smallest over dimensions",
};
const gm_op gm__op_any = {
    REDUCE_RECORD("any", reduce_logic_infer, reduce_any_kernel, GM_OP_NO_GRAD),
    REDUCE_CASES(GM_CASE_NO_GRAD), .doc = "true if an element is not zero",
};
const gm_op gm__op_all = {
    REDUCE_RECORD("all", reduce_logic_infer, reduce_all_kernel, GM_OP_NO_GRAD),
    REDUCE_CASES(GM_CASE_NO_GRAD), .doc = "true if no element is zero",
};

/* ---- the public forms ---- */

static gm_tensor *reduce_call(const gm_op *op, gm_tensor *x, const int32_t *dims, int n, bool keep) {
    gm__reduce_attrs p = { 0, keep };
    if (!gm__reduce_mask(x, dims, n, op->name, &p.dims)) return NULL;
    return gm__call1(op, &p, x);
}

#define REDUCE_FORMS(name)                                                                                             \
    gm_tensor *gm_##name(gm_tensor *x) { return reduce_call(&gm__op_##name, x, NULL, 0, false); }                      \
    gm_tensor *gm_##name##_dim(gm_tensor *x, int dim, bool keep) {                                                     \
        return reduce_call(&gm__op_##name, x, &(int32_t){ dim }, 1, keep);                                             \
    }                                                                                                                  \
    gm_tensor *gm_##name##_dims(gm_tensor *x, const int32_t *dims, int n, bool keep) {                                 \
        return reduce_call(&gm__op_##name, x, dims, n, keep);                                                          \
    }
REDUCE_FORMS(sum)
REDUCE_FORMS(mean)
REDUCE_FORMS(prod)
REDUCE_FORMS(max)
REDUCE_FORMS(min)
REDUCE_FORMS(any)
REDUCE_FORMS(all)

#undef REDUCE_CASES
#undef REDUCE_FLOAT_CASES
#undef REDUCE_RECORD
#undef REDUCE_FORMS
