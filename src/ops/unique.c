/* unique.c: the different elements of a tensor, in order. */
#include "../math/fp.h"
#include "../base/args.h"
#include "../kernels/ordering.h"
#include "indexing.h"

#include <string.h>

/* Outputs: values [k], the place of each element of x among them, how often each occurs, where each occurs first. */
static int32_t unique_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0];
    if (!gm__domain(x->dtype))
        return gm_fail(GM_ERROR_DTYPE, "unique: %s is not a number", gm_dtype_name(x->dtype)), -1;
    for (int j = 0; j < 4; j++) {
        out[j].shape = j == 1 ? x->shape : (gm_shape){ 1, { 0 }, { -1 } };
        out[j].dtype = j == 0 ? x->dtype : GM_I64;
    }
    return 4;
}

/* order: the positions of x's n elements in order. Fills inverse; first and counts may be NULL. Returns how many. */
static int64_t unique_groups(gm_dtype domain, const void *x, const int64_t *order, int64_t n, int64_t *inverse,
                             int64_t *first, int64_t *counts) {
    int64_t k = 0;
    for (int64_t i = 0; i < n; i++) {
        bool fresh = i == 0 || !gm__order_equal(domain, x, order[i - 1], order[i]);
        k += fresh;
        inverse[order[i]] = k - 1;
        if (fresh && first) first[k - 1] = order[i], counts[k - 1] = 0;
        if (counts) counts[k - 1]++;
    }
    return k;
}

static bool unique_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0];
    gm_dtype domain = gm__domain(x->dtype);
    int64_t n = gm_shape_count(x->shape);
    gm_tensor *keys = gm_cast(x, domain), *order = gm_empty((gm_shape){ 1, { 0 }, { n } }, GM_I64);
    out[1] = gm__tensor_new(&x->shape, GM_I64, false);
    if (!gm_ok()) return false;
    const void *key = gm__data(keys);
    int64_t *at = (int64_t *)gm__data(order), *inverse = (int64_t *)gm__data(out[1]);
    if (n && !gm__order_rows(&(gm__ordering){ domain, false, n, n }, 1, key, at)) return false;
    gm_shape line = { 1, { 0 }, { unique_groups(domain, key, at, n, inverse, NULL, NULL) } };
    out[0] = gm_empty(line, x->dtype), out[2] = gm_empty(line, GM_I64), out[3] = gm_empty(line, GM_I64);
    if (!gm_ok()) return false;
    int64_t *first = (int64_t *)gm__data(out[3]);
    unique_groups(domain, key, at, n, inverse, first, (int64_t *)gm__data(out[2]));
    int bytes = gm__element_bytes(x->dtype);
    for (int64_t i = 0; i < line.d[0]; i++)
        memcpy(gm__data(out[0]) + i * bytes, gm__data(x) + first[i] * bytes, (size_t)bytes);
    return true;
}

const gm_op gm__op_unique = {
    .size = sizeof(gm_op), .name = "unique", .version = 1, .min_in = 1, .max_in = 1, .n_out = 4,
    .flags = GM_OP_NO_GRAD | GM_OP_DYNAMIC | GM_OP_CONTIGUOUS, .infer = unique_infer, .kernel = unique_kernel,
    .cases = (const gm_case[]){ { "i64[3,5] below 7", NULL, 0, GM_CASE_NO_GRAD, 0 },
                                { "u8[131] below 40", NULL, 0, GM_CASE_NO_GRAD, 0 },
                                { "[5] bits", NULL, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the different elements in order, the place of each element among them, their counts and first positions",
};

gm_tensor *gm_unique_with(gm_tensor *x, const gm_unique_args *args) {
    gm_unique_args o;
    gm_tensor *y[4];
    if (!gm_ok() || !gm__args_take("unique", &o, sizeof o, args)) return NULL;
    gm_tensor **wanted[] = { NULL, o.inverse, o.counts, o.first };
    for (int j = 1; j < 4; j++)
        if (wanted[j]) *wanted[j] = NULL;
    if (gm_op_call(&gm__op_unique, &x, 1, NULL, y, 4) != 4) return NULL;
    for (int j = 1; j < 4; j++)
        if (wanted[j]) *wanted[j] = y[j];
    return y[0];
}

gm_tensor *(gm_unique)(gm_tensor *x) { return gm_unique_with(x, NULL); }
