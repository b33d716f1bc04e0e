/* slice.c: parts of a dimension, and their inverse. */
#include "../math/fp.h"
#include "ops.h"

#include <stddef.h>
#include <string.h>

/* Both: elements start, start + step, ... of dimension dim, `count` of them (slice); `size` is the whole (unslice). */
typedef struct { int64_t dim, start, step, count, size; } slice_attrs;
static const gm_attr slice_fields[] = { GM_ATTR(slice_attrs, dim, I64),   GM_ATTR(slice_attrs, start, I64),
                                        GM_ATTR(slice_attrs, step, I64),  GM_ATTR(slice_attrs, count, I64),
                                        GM_ATTR(slice_attrs, size, I64),  GM_ATTR_END };

/* True if count elements from start in steps lie in 0..size. */
static bool slice_fits(const slice_attrs *p, int64_t size) {
    if (p->count <= 0) return p->count == 0;
    int64_t last;
    if (__builtin_mul_overflow(p->count - 1, p->step, &last) || __builtin_add_overflow(last, p->start, &last))
        return false;
    return p->start >= 0 && p->start < size && last >= 0 && last < size;
}

static int32_t slice_infer(const gm_op_args *a, gm_spec *out) {
    const slice_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0];
    if (p->dim < 0 || p->dim >= x->shape.n || !slice_fits(p, x->shape.d[p->dim]))
        return gm_fail(GM_ERROR_INDEX, "slice: %lld elements from %lld in steps of %lld in dimension %lld of %s",
                       (long long)p->count, (long long)p->start, (long long)p->step, (long long)p->dim,
                       gm__tensor_shape_str(x)), -1;
    out->shape = x->shape;
    out->shape.d[p->dim] = p->count;
    out->dtype = x->dtype;
    return 1;
}

static bool slice_kernel(const gm_op_args *a, gm_tensor **out) {
    const slice_attrs *p = a->attrs;
    gm_tensor *x = a->in[0];
    gm_spec spec;
    if (slice_infer(a, &spec) < 0) return false;
    out[0] =
        gm__tensor_over(x->storage, x->offset + (p->count ? p->start * x->stride[p->dim] : 0), &spec.shape, x->dtype);
    if (!out[0]) return false;
    memcpy(out[0]->stride, x->stride, (size_t)x->shape.n * sizeof *x->stride);
    out[0]->stride[p->dim] *= p->step;
    return true;
}

static bool slice_grad(const gm_grad_args *a) {
    const slice_attrs *p = a->attrs;
    a->gin[0] = gm_unslice(a->gout[0], (int)p->dim, p->start, p->step, a->in[0]->shape.d[p->dim]);
    return a->gin[0] != NULL;
}

/* The same rule serves both: the dimension moves one to the right. */
static bool slice_batch(const gm_batch_args *a) {
    slice_attrs p = *(const slice_attrs *)a->attrs;
    p.dim++;
    a->out[0] = gm__call1(a->op, &p, a->in[0]);
    return a->out[0] != NULL;
}

const gm_op gm__op_slice = {
    .size = sizeof(gm_op), .name = "slice", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_VIEW | GM_OP_LINEAR, .attrs_bytes = sizeof(slice_attrs), .attrs = slice_fields,
    .infer = slice_infer, .kernel = slice_kernel, .grad = slice_grad, .batch = slice_batch,
    .cases = (const gm_case[]){ { "[4,5]", &(slice_attrs){ 1, 1, 2, 2, 0 }, 0, 0, 0 },
                                { "[4,5]", &(slice_attrs){ 0, 3, -1, 4, 0 }, 0, 0, 0 }, { 0 } },
    .doc = "elements start, start + step ... of one dimension",
};

static int32_t unslice_infer(const gm_op_args *a, gm_spec *out) {
    const slice_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0];
    slice_attrs q = *p;
    if (p->dim >= 0 && p->dim < x->shape.n) q.count = x->shape.d[p->dim];
    if (p->dim < 0 || p->dim >= x->shape.n || p->size < 0 || !slice_fits(&q, p->size))
        return gm_fail(GM_ERROR_INDEX,
                       "unslice: %s does not fit into %lld from %lld in steps of %lld in dimension %lld",
                       gm__tensor_shape_str(x), (long long)p->size, (long long)p->start, (long long)p->step,
                       (long long)p->dim),
               -1;
    out->shape = x->shape;
    out->shape.d[p->dim] = p->size;
    out->dtype = x->dtype;
    return 1;
}

static bool unslice_kernel(const gm_op_args *a, gm_tensor **out) {
    const slice_attrs *p = a->attrs;
    gm_tensor *x = a->in[0], *y = out[0];
    memset(y->storage->data, 0, y->storage->bytes);
    gm__operand from = gm__operand_of(x), to = gm__operand_of(y);
    to.data = (char *)to.data + p->start * y->stride[p->dim] * gm__element_bytes(y->dtype);
    to.stride[p->dim] *= p->step;
    return gm_shape_count(x->shape) == 0 || gm__copy(&x->shape, &from, &to);
}

static bool unslice_grad(const gm_grad_args *a) {
    slice_attrs p = *(const slice_attrs *)a->attrs;
    p.count = a->in[0]->shape.d[p.dim];
    a->gin[0] = gm__call1(&gm__op_slice, &p, a->gout[0]);
    return a->gin[0] != NULL;
}

const gm_op gm__op_unslice = {
    .size = sizeof(gm_op), .name = "unslice", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_LINEAR, .attrs_bytes = sizeof(slice_attrs), .attrs = slice_fields,
    .infer = unslice_infer, .kernel = unslice_kernel, .grad = unslice_grad, .batch = slice_batch,
    .cases = (const gm_case[]){ { "[4,2]", &(slice_attrs){ 1, 1, 2, 0, 5 }, 0, 0, 0 }, { 0 } },
    .doc = "zeros with a slice written into them",
};

/* ---- the public forms ---- */

static gm_tensor *slice_of(gm_tensor *x, int64_t dim, int64_t start, int64_t step, int64_t count) {
    return gm__call1(&gm__op_slice, &(slice_attrs){ dim, start, step, count, 0 }, x);
}

static int64_t slice_clip(int64_t at, int64_t size, int64_t low, int64_t high) {
    if (at < 0) at = at < -size ? low - 1 : at + size;
    return at < low ? low : at > high ? high : at;
}

/* As Python's slice.indices. */
gm_tensor *gm_slice(gm_tensor *x, int dim, int64_t start, int64_t stop, int64_t step) {
    if (!gm_ok() || !gm__check_tensor(x, "slice", 1)) return NULL;
    int d = gm__dim(x, dim, "slice");
    if (d < 0) return NULL;
    if (step == 0 || step == INT64_MIN) {
        gm_fail(GM_ERROR_VALUE, "slice: a step of %lld", (long long)step);
        return NULL;
    }
    int64_t size = x->shape.d[d], low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    int64_t from = slice_clip(start, size, low, high);
    int64_t to = stop == INT64_MIN ? (step > 0 ? 0 : -1) : slice_clip(stop, size, low, high);
    int64_t span = step > 0 ? to - from : from - to, by = step > 0 ? step : -step;
    int64_t count = span <= 0 ? 0 : (span - 1) / by + 1;
    return slice_of(x, d, count ? from : 0, step, count);
}

gm_tensor *gm_narrow(gm_tensor *x, int dim, int64_t start, int64_t length) {
    if (!gm_ok() || !gm__check_tensor(x, "narrow", 1)) return NULL;
    int d = gm__dim(x, dim, "narrow");
    if (d < 0) return NULL;
    int64_t size = x->shape.d[d], from = start < 0 ? start + size : start;
    if (from < 0 || length < 0 || from > size || length > size - from) {
        gm_fail(GM_ERROR_INDEX, "narrow: %lld elements from %lld in dimension %d of %s", (long long)length,
                (long long)start, d, gm__tensor_shape_str(x));
        return NULL;
    }
    return slice_of(x, d, from, 1, length);
}

gm_tensor *gm_select(gm_tensor *x, int dim, int64_t index) {
    if (!gm_ok() || !gm__check_tensor(x, "select", 1)) return NULL;
    int d = gm__dim(x, dim, "select");
    if (d < 0) return NULL;
    int64_t size = x->shape.d[d], at = index < 0 ? index + size : index;
    if (at < 0 || at >= size) {
        gm_fail(GM_ERROR_INDEX, "select: index %lld in dimension %d of %s", (long long)index, d,
                gm__tensor_shape_str(x));
        return NULL;
    }
    return gm_squeeze(slice_of(x, d, at, 1, 1), d);
}

gm_tensor *gm_unslice(gm_tensor *x, int dim, int64_t start, int64_t step, int64_t size) {
    if (!gm_ok() || !gm__check_tensor(x, "unslice", 1)) return NULL;
    int d = gm__dim(x, dim, "unslice");
    return d < 0 ? NULL : gm__call1(&gm__op_unslice, &(slice_attrs){ d, start, step, 0, size }, x);
}
