/* create.c: tensors from nothing. */
#include "../math/fp.h"
#include "ops.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Each element is start + (row-major index) * step, in f64 (or value, where step is 0), converted once. */
typedef struct { gm_shape shape; int64_t dtype; double start, step; } fill_attrs;
static const gm_attr fill_fields[] = { GM_ATTR(fill_attrs, shape, SHAPE), GM_ATTR(fill_attrs, dtype, I64),
                                       GM_ATTR(fill_attrs, start, F64), GM_ATTR(fill_attrs, step, F64), GM_ATTR_END };

static int32_t fill_infer(const gm_op_args *a, gm_spec *out) {
    const fill_attrs *p = a->attrs;
    if (!gm__domain((gm_dtype)p->dtype))
        return gm_fail(GM_ERROR_DTYPE, "fill: %s is not a number", gm_dtype_name((gm_dtype)p->dtype)), -1;
    out->shape = p->shape;
    out->dtype = (gm_dtype)p->dtype;
    return 1;
}

static void fill_constant(char *data, int64_t n, double value, gm_dtype dtype) {
    int bytes = gm__element_bytes(dtype);
    char one[8];
    gm__convert_run(&value, GM_F64, one, dtype, 1);
    bool zero = true;
    for (int i = 0; i < bytes; i++) zero &= one[i] == 0;
    if (zero) {
        memset(data, 0, (size_t)(n * bytes));
        return;
    }
    memcpy(data, one, (size_t)(n ? bytes : 0));
    for (int64_t done = 1; done < n; done *= 2) /* doubling copies */
        memcpy(data + done * bytes, data, (size_t)((done < n - done ? done : n - done) * bytes));
}

static bool fill_kernel(const gm_op_args *a, gm_tensor **out) {
    const fill_attrs *p = a->attrs;
    int64_t n = gm_shape_count(p->shape);
    int bytes = gm__element_bytes(out[0]->dtype);
    char *data = gm__data(out[0]);
    if (p->step == 0) {
        fill_constant(data, n, p->start, out[0]->dtype);
        return true;
    }
    double block[256];
    for (int64_t at = 0; at < n; at += 256) {
        int64_t m = n - at < 256 ? n - at : 256;
        for (int64_t i = 0; i < m; i++) block[i] = p->start + (double)(at + i) * p->step;
        gm__convert_run(block, GM_F64, data + at * bytes, out[0]->dtype, m);
    }
    return true;
}

const gm_op gm__op_fill = {
    .size = sizeof(gm_op), .name = "fill", .version = 1, .min_in = 0, .max_in = 0, .n_out = 1, .flags = GM_OP_NO_GRAD,
    .attrs_bytes = sizeof(fill_attrs), .attrs = fill_fields, .infer = fill_infer, .kernel = fill_kernel,
    .cases = (const gm_case[]){
        { "", &(fill_attrs){ { 2, { 0 }, { 3, 5 } }, GM_F32, 0.5, 0 }, 0, GM_CASE_NO_GRAD, 0 },
        { "", &(fill_attrs){ { 1, { 0 }, { 300 } }, GM_F32, -1, 0.01 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "a constant, or start + index * step",
};

static gm_tensor *fill_of(gm_shape shape, gm_dtype dtype, double start, double step) {
    return gm_op_call1(&gm__op_fill, NULL, 0, &(fill_attrs){ shape, dtype, start, step });
}

gm_tensor *gm_full(gm_shape shape, double value, gm_dtype dtype) { return fill_of(shape, dtype, value, 0); }
gm_tensor *gm_zeros(gm_shape shape, gm_dtype dtype) { return fill_of(shape, dtype, 0, 0); }
gm_tensor *gm_ones(gm_shape shape, gm_dtype dtype) { return fill_of(shape, dtype, 1, 0); }
gm_tensor *gm_scalar(double value, gm_dtype dtype) { return fill_of((gm_shape){ 0 }, dtype, value, 0); }

gm_tensor *gm_scalar_i64(int64_t value, gm_dtype dtype) {
    gm_tensor *t = gm_from_data((gm_shape){ 0 }, GM_I64, &value);
    return gm_cast(t, dtype);
}

gm_tensor *gm_full_like(gm_tensor *x, double value) {
    if (!gm_ok() || !gm__check_tensor(x, "full_like", 1)) return NULL;
    return fill_of(x->shape, x->dtype, value, 0);
}

gm_tensor *gm_zeros_like(gm_tensor *x) { return gm_full_like(x, 0); }
gm_tensor *gm_ones_like(gm_tensor *x) { return gm_full_like(x, 1); }

gm_tensor *gm_arange(double start, double stop, double step, gm_dtype dtype) {
    if (!gm_ok()) return NULL;
    double n = step == 0 ? NAN : ceil((stop - start) / step);
    if (!(n < 0x1p40) || isnan(start)) {
        gm_fail(GM_ERROR_VALUE, "arange: from %g to %g in steps of %g", start, stop, step);
        return NULL;
    }
    return fill_of((gm_shape){ 1, { 0 }, { n > 0 ? (int64_t)n : 0 } }, dtype, start, step);
}

gm_tensor *gm_linspace(double start, double stop, int64_t n, gm_dtype dtype) {
    if (!gm_ok()) return NULL;
    if (n < 0) {
        gm_fail(GM_ERROR_VALUE, "linspace: %lld values", (long long)n);
        return NULL;
    }
    return fill_of((gm_shape){ 1, { 0 }, { n } }, dtype, start, n > 1 ? (stop - start) / (double)(n - 1) : 0);
}

gm_tensor *gm_eye(int64_t n, int64_t m, gm_dtype dtype) {
    gm_tensor *rows = gm_reshape(gm_arange(0, (double)n, 1, GM_I64), (gm_shape){ 2, { 0 }, { n, 1 } });
    return gm_cast(gm_eq(rows, gm_arange(0, (double)m, 1, GM_I64)), dtype);
}
