/* repeat.c: the same elements in another place or several times. */
#include "../math/fp.h"
#include "indexing.h"

#include <stddef.h>
#include <string.h>

gm_tensor *gm_roll(gm_tensor *x, int64_t shift, int dim) {
    if (!gm_ok() || !gm__check_tensor(x, "roll", 1)) return NULL;
    int d = gm__dim(x, dim, "roll");
    if (d < 0) return NULL;
    int64_t n = x->shape.d[d], by = n ? (shift % n + n) % n : 0;
    if (!by) return gm_copy(x);
    return gm_concat((gm_tensor *[]){ gm_narrow(x, d, n - by, by), gm_narrow(x, d, 0, n - by) }, 2, d);
}

gm_tensor *gm_repeat(gm_tensor *x, gm_shape counts) {
    if (!gm_ok() || !gm__check_tensor(x, "repeat", 1)) return NULL;
    int n = counts.n > x->shape.n ? counts.n : x->shape.n;
    gm_shape apart = { 0 }, wide = { 0 }, y = { .n = n };
    for (int d = 0; d < n; d++) {
        int c = d - (n - counts.n), own = d - (n - x->shape.n);
        int64_t times = c < 0 ? 1 : counts.d[c], size = own < 0 ? 1 : x->shape.d[own];
        if (times < 0 || n > GM_MAX_DIMS || (times != 1 && wide.n > GM_MAX_DIMS - 2) || wide.n == GM_MAX_DIMS) {
            gm_fail(times < 0 ? GM_ERROR_VALUE : GM_ERROR_SHAPE, "repeat: counts %s of x %s", gm__shape_str(&counts),
                    gm__tensor_shape_str(x));
            return NULL;
        }
        y.d[d] = times * size;
        if (times != 1) apart.d[apart.n++] = 1, wide.d[wide.n++] = times;
        apart.d[apart.n++] = size, wide.d[wide.n++] = size;
    }
    return gm_reshape(gm_expand(gm_reshape(x, apart), wide), y);
}

gm_tensor *gm_repeat_interleave(gm_tensor *x, int64_t n, int dim) {
    if (!gm_ok() || !gm__check_tensor(x, "repeat_interleave", 1)) return NULL;
    int d = gm__dim(x, dim, "repeat_interleave");
    if (d < 0) return NULL;
    if (n < 0) return gm_fail(GM_ERROR_VALUE, "repeat_interleave: %lld times", (long long)n), NULL;
    gm_tensor *t = gm_unsqueeze(x, d + 1);
    if (!t) return NULL;
    gm_shape wide = t->shape, y = x->shape;
    wide.d[d + 1] = n;
    y.d[d] *= n;
    return gm_reshape(gm_expand(t, wide), y);
}

/* ---- counts that are tensors: place i counts[i] times ---- */

static int32_t repeat_index_infer(const gm_op_args *a, gm_spec *out) {
    if (!gm__index_dtype("repeat_index", a->in[0])) return -1;
    if (a->in[0]->shape.n != 1)
        return gm_fail(GM_ERROR_SHAPE, "repeat_index: counts are a vector, not %s", gm__tensor_shape_str(a->in[0])), -1;
    out->shape = (gm_shape){ 1, { 0 }, { -1 } };
    out->dtype = GM_I64;
    return 1;
}

static bool repeat_index_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *counts = gm_contiguous(gm_cast(a->in[0], GM_I64));
    const int64_t *c = counts ? (const int64_t *)gm__data(counts) : NULL;
    int64_t n = c ? counts->shape.d[0] : 0, total = 0;
    for (int64_t i = 0; i < n; i++)
        if (c[i] < 0 || __builtin_add_overflow(total, c[i], &total))
            return gm_fail(GM_ERROR_VALUE, "repeat_index: count %lld at position %lld", (long long)c[i], (long long)i);
    out[0] = c ? gm__tensor_new(&(gm_shape){ 1, { 0 }, { total } }, GM_I64, false) : NULL;
    int64_t *y = out[0] ? (int64_t *)gm__data(out[0]) : NULL;
    for (int64_t i = 0; y && i < n; i++)
        for (int64_t k = 0; k < c[i]; k++) *y++ = i;
    return out[0] != NULL;
}

const gm_op gm__op_repeat_index = {
    .size = sizeof(gm_op), .name = "repeat_index", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_NO_GRAD | GM_OP_DYNAMIC, .infer = repeat_index_infer, .kernel = repeat_index_kernel,
    .cases = (const gm_case[]){ { "i64[5] below 4", NULL, 0, GM_CASE_NO_GRAD, 0 },
                                { "u8[9] below 3", NULL, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "each position as many times as its count says",
};

gm_tensor *gm_repeat_interleave_by(gm_tensor *x, gm_tensor *counts, int dim) {
    if (!gm_ok() || !gm__check_tensor(x, "repeat_interleave", 1) || !gm__check_tensor(counts, "repeat_interleave", 2))
        return NULL;
    int d = gm__dim(x, dim, "repeat_interleave");
    if (d < 0) return NULL;
    if (counts->shape.n != 1 || counts->shape.d[0] != x->shape.d[d]) {
        gm_fail(GM_ERROR_SHAPE, "repeat_interleave: counts %s for dimension %d of %s", gm__tensor_shape_str(counts), d,
                gm__tensor_shape_str(x));
        return NULL;
    }
    return gm_index_select(x, d, gm__call1(&gm__op_repeat_index, NULL, counts));
}
