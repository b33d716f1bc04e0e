/* view.c: operations whose result shares storage with their input: reshape, permute, expand, slice, flip.
 *
 * Each record's kernel makes the handle itself (GM_OP_VIEW). The inverse of each is again one of them, except that of a
 * slice, which is `unslice`: zeros with the slice written into them. */
#include "../math/fp.h"
#include "ops.h"
#include "gemel/autograd.h"

#include <stddef.h>
#include <string.h>

/* ---- reshape ---- */

typedef struct { gm_shape shape; } view_shape_attrs;
static const gm_attr view_shape_fields[] = { GM_ATTR(view_shape_attrs, shape, SHAPE), GM_ATTR_END };

static bool view_check_rank(const gm_op_args *a) {
    int n = ((const view_shape_attrs *)a->attrs)->shape.n;
    return (n >= 0 && n <= GM_MAX_DIMS) ||
           gm_fail(GM_ERROR_SHAPE, "%s: %d dimensions, at most %d are possible", a->op->name, n, GM_MAX_DIMS);
}

/* The product of the sizes that are given, *hole the place of the one that is not; false after an error. A product that
 * overflows is one even where a size of 0 makes it 0: strides are products of the others. Symbolic sizes (`real` is
 * false) may: their products count modulo 2^64. */
static bool reshape_known(const gm_shape *s, bool real, int64_t *product, int *hole) {
    int64_t known = 1;
    bool empty = false;
    *hole = -1;
    for (int i = 0; i < s->n; i++) {
        empty |= s->d[i] == 0;
        if (s->d[i] == -1 && *hole < 0) *hole = i;
        else if (s->d[i] < 0)
            return gm_fail(GM_ERROR_SHAPE,
                           "reshape: the size %lld in place %d; one size may be -1, the others are >= 0",
                           (long long)s->d[i], i);
        else if (__builtin_mul_overflow(known, s->d[i] ? s->d[i] : 1, &known) && real)
            return gm_fail(GM_ERROR_SHAPE, "reshape: %s is too large", gm__shape_str(s));
    }
    *product = empty ? 0 : known;
    return true;
}

static int32_t reshape_infer(const gm_op_args *a, gm_spec *out) {
    gm_shape s = ((const view_shape_attrs *)a->attrs)->shape;
    int64_t known = 0, n = gm_shape_count(a->in[0]->shape);
    int hole = -1;
    if (!view_check_rank(a) || !reshape_known(&s, a->in[0]->storage != NULL, &known, &hole)) return -1;
    if (hole >= 0 && known) s.d[hole] = n / known;
    if (hole >= 0 ? !known || n % known : n != known)
        return gm_fail(GM_ERROR_SHAPE, "reshape: %s has %lld elements, %s cannot hold them",
                       gm__tensor_shape_str(a->in[0]), (long long)n,
                       gm__shape_str(&((const view_shape_attrs *)a->attrs)->shape)), -1;
    out->shape = s;
    out->dtype = a->in[0]->dtype;
    return 1;
}

/* Strides of `shape` over x's storage, if its elements in row-major order can be walked so. x's dimensions are taken in
 * runs that lie densely behind each other; each run must be filled by whole new dimensions. */
static bool reshape_strides(const gm_tensor *x, const gm_shape *shape, int64_t *stride) {
    int j = shape->n - 1;
    for (int i = x->shape.n - 1; i >= 0;) {
        int64_t run = x->shape.d[i], base = x->stride[i];
        for (i--; i >= 0 && (x->shape.d[i] == 1 || x->stride[i] == base * run); i--) run *= x->shape.d[i];
        int64_t filled = 1;
        while (j >= 0 && (filled < run || shape->d[j] == 1)) {
            stride[j] = base * filled;
            filled *= shape->d[j--];
        }
        if (filled != run) return false;
    }
    while (j >= 0) stride[j--] = 0;
    return true;
}

/* Runs of size one have a stride that says nothing: take x without them. */
static gm_tensor view_without_ones(const gm_tensor *x) {
    gm_tensor t = *x;
    t.shape.n = 0;
    for (int i = 0; i < x->shape.n; i++) {
        if (x->shape.d[i] == 1) continue;
        t.shape.d[t.shape.n] = x->shape.d[i];
        t.stride[t.shape.n++] = x->stride[i];
    }
    return t;
}

static bool reshape_walks(const gm_tensor *x, const gm_shape *shape, int64_t *stride) {
    gm_tensor dense = view_without_ones(x);
    return reshape_strides(&dense, shape, stride);
}

static bool reshape_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0];
    gm_spec spec;
    int64_t stride[GM_MAX_DIMS];
    if (reshape_infer(a, &spec) < 0) return false;
    bool row_major = gm_is_contiguous(x);
    if (!row_major && !reshape_walks(x, &spec.shape, stride)) {
        x = gm_contiguous(x);
        row_major = true;
    }
    out[0] = x ? gm__tensor_over(x->storage, x->offset, &spec.shape, x->dtype) : NULL;
    if (out[0] && !row_major) memcpy(out[0]->stride, stride, (size_t)spec.shape.n * sizeof *stride);
    return out[0] != NULL;
}

static bool reshape_grad(const gm_grad_args *a) {
    a->gin[0] = gm_reshape(a->gout[0], a->in[0]->shape);
    return a->gin[0] != NULL;
}

/* Whether a batch in front of the shape leaves it a shape. */
static bool view_takes_batch(const gm_batch_args *a, const gm_shape *s) {
    return s->n < GM_MAX_DIMS || gm_fail(GM_ERROR_SHAPE, "%s: no dimension is left for a batch of %s", a->op->name,
                                         gm__shape_str(s));
}

/* shape with the batch in front */
static gm_shape view_with_batch(gm_shape s, int64_t size) {
    gm_shape r = { .n = s.n + 1 };
    r.d[0] = size;
    for (int i = 0; i < s.n; i++) r.d[i + 1] = s.d[i];
    return r;
}

static bool reshape_batch(const gm_batch_args *a) {
    gm_shape s = ((const view_shape_attrs *)a->attrs)->shape, own = { .n = a->in[0]->shape.n - 1 };
    memcpy(own.d, a->in[0]->shape.d + 1, (size_t)own.n * sizeof *own.d);
    int64_t known = 1;
    int hole = -1;
    for (int i = 0; i < s.n; i++)
        if (s.d[i] < 0) hole = i;
        else known *= s.d[i];
    if (hole >= 0 && known) s.d[hole] = gm_shape_count(own) / known;
    if (!view_takes_batch(a, &s)) return false;
    a->out[0] = gm_reshape(a->in[0], view_with_batch(s, a->size));
    return a->out[0] != NULL;
}

const gm_op gm__op_reshape = {
    .size = sizeof(gm_op), .name = "reshape", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_VIEW | GM_OP_LINEAR, .attrs_bytes = sizeof(view_shape_attrs), .attrs = view_shape_fields,
    .infer = reshape_infer, .kernel = reshape_kernel, .grad = reshape_grad, .batch = reshape_batch,
    .cases = (const gm_case[]){ { "[2,6]", &(view_shape_attrs){ { 3, { 0 }, { 3, 2, 2 } } }, 0, 0, 0 },
                                { "[4,1,3]", &(view_shape_attrs){ { 2, { 0 }, { -1, 2 } } }, 0, 0, 0 }, { 0 } },
    .doc = "the same elements in another shape",
};

gm_tensor *gm_reshape(gm_tensor *x, gm_shape shape) {
    return gm__call1(&gm__op_reshape, &(view_shape_attrs){ shape }, x);
}

gm_tensor *gm_flatten_dims(gm_tensor *x, int first, int last) {
    if (!gm_ok() || !gm__check_tensor(x, "flatten_dims", 1)) return NULL;
    if (x->shape.n == 0) return gm_reshape(x, (gm_shape){ 1, { 0 }, { 1 } });
    int f = gm__dim(x, first, "flatten_dims"), l = f < 0 ? -1 : gm__dim(x, last, "flatten_dims");
    if (l < 0) return NULL;
    if (f > l) {
        gm_fail(GM_ERROR_INDEX, "flatten_dims: the first dimension %d is behind the last %d", f, l);
        return NULL;
    }
    gm_shape s = { 0 };
    for (int i = 0; i < x->shape.n; i++)
        if (i > f && i <= l) s.d[s.n - 1] *= x->shape.d[i];
        else s.d[s.n++] = x->shape.d[i];
    return gm_reshape(x, s);
}

gm_tensor *gm_squeeze(gm_tensor *x, int dim) {
    if (!gm_ok() || !gm__check_tensor(x, "squeeze", 1)) return NULL;
    int d = gm__dim(x, dim, "squeeze");
    if (d < 0) return NULL;
    if (x->shape.d[d] != 1) {
        gm_fail(GM_ERROR_SHAPE, "squeeze: dimension %d of %s is not 1", d, gm__tensor_shape_str(x));
        return NULL;
    }
    gm_shape s = { .n = x->shape.n - 1 };
    for (int i = 0; i < s.n; i++) s.d[i] = x->shape.d[i < d ? i : i + 1];
    return gm_reshape(x, s);
}

gm_tensor *gm_unsqueeze(gm_tensor *x, int dim) {
    if (!gm_ok() || !gm__check_tensor(x, "unsqueeze", 1)) return NULL;
    int d = gm__dim_of(x->shape.n + 1, dim, "unsqueeze");
    if (d < 0) return NULL;
    if (x->shape.n == GM_MAX_DIMS) {
        gm_fail(GM_ERROR_SHAPE, "unsqueeze: more than %d dimensions", GM_MAX_DIMS);
        return NULL;
    }
    gm_shape s = { .n = x->shape.n + 1 };
    for (int i = 0; i < s.n; i++) s.d[i] = i < d ? x->shape.d[i] : i == d ? 1 : x->shape.d[i - 1];
    return gm_reshape(x, s);
}

/* ---- permute ---- */

typedef struct { int64_t order[GM_MAX_DIMS]; int64_t n; } permute_attrs;
static const gm_attr permute_fields[] = { GM_ATTRS(permute_attrs, order, I64S, GM_MAX_DIMS),
                                          GM_ATTR(permute_attrs, n, I64), GM_ATTR_END };

static int32_t permute_infer(const gm_op_args *a, gm_spec *out) {
    const permute_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0];
    uint32_t seen = 0;
    if (p->n != x->shape.n)
        return gm_fail(GM_ERROR_SHAPE, "permute: %lld dimensions named, %s has %d", (long long)p->n,
                       gm__tensor_shape_str(x), x->shape.n), -1;
    out->shape.n = x->shape.n;
    for (int i = 0; i < p->n; i++) {
        int64_t d = p->order[i];
        if (d < 0 || d >= p->n || (seen >> d & 1))
            return gm_fail(GM_ERROR_INDEX, "permute: the order is no permutation: dimension %lld at place %d",
                           (long long)d, i),
                   -1;
        seen |= 1u << d;
        out->shape.d[i] = x->shape.d[d];
    }
    out->dtype = x->dtype;
    return 1;
}

static bool permute_kernel(const gm_op_args *a, gm_tensor **out) {
    const permute_attrs *p = a->attrs;
    gm_tensor *x = a->in[0];
    gm_spec spec;
    if (permute_infer(a, &spec) < 0) return false;
    out[0] = gm__tensor_over(x->storage, x->offset, &spec.shape, x->dtype);
    for (int i = 0; out[0] && i < p->n; i++) out[0]->stride[i] = x->stride[p->order[i]];
    return out[0] != NULL;
}

static bool permute_grad(const gm_grad_args *a) {
    const permute_attrs *p = a->attrs;
    int32_t inverse[GM_MAX_DIMS];
    for (int i = 0; i < p->n; i++) inverse[p->order[i]] = i;
    a->gin[0] = gm_permute(a->gout[0], inverse, (int)p->n);
    return a->gin[0] != NULL;
}

static bool permute_batch(const gm_batch_args *a) {
    const permute_attrs *p = a->attrs;
    int32_t order[GM_MAX_DIMS] = { 0 };
    for (int i = 0; i < p->n; i++) order[i + 1] = (int32_t)p->order[i] + 1;
    a->out[0] = gm_permute(a->in[0], order, (int)p->n + 1);
    return a->out[0] != NULL;
}

const gm_op gm__op_permute = {
    .size = sizeof(gm_op), .name = "permute", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_VIEW | GM_OP_LINEAR, .attrs_bytes = sizeof(permute_attrs), .attrs = permute_fields,
    .infer = permute_infer, .kernel = permute_kernel, .grad = permute_grad, .batch = permute_batch,
    .cases = (const gm_case[]){ { "[2,3,4]", &(permute_attrs){ { 2, 0, 1 }, 3 }, 0, 0, 0 }, { 0 } },
    .doc = "dimensions in a new order",
};

gm_tensor *gm_permute(gm_tensor *x, const int32_t *order, int n) {
    permute_attrs p = { { 0 }, n };
    for (int i = 0; i < n && i < GM_MAX_DIMS; i++) p.order[i] = order[i] < 0 ? order[i] + n : order[i];
    return gm__call1(&gm__op_permute, &p, x);
}

gm_tensor *gm_transpose(gm_tensor *x, int dim0, int dim1) {
    if (!gm_ok() || !gm__check_tensor(x, "transpose", 1)) return NULL;
    int d0 = gm__dim(x, dim0, "transpose"), d1 = d0 < 0 ? -1 : gm__dim(x, dim1, "transpose");
    int32_t order[GM_MAX_DIMS];
    if (d1 < 0) return NULL;
    for (int i = 0; i < x->shape.n; i++) order[i] = i == d0 ? d1 : i == d1 ? d0 : i;
    return gm_permute(x, order, x->shape.n);
}

gm_tensor *gm_move_dim(gm_tensor *x, int from, int to) {
    if (!gm_ok() || !gm__check_tensor(x, "move_dim", 1)) return NULL;
    int f = gm__dim(x, from, "move_dim"), t = f < 0 ? -1 : gm__dim(x, to, "move_dim");
    int32_t order[GM_MAX_DIMS];
    if (t < 0) return NULL;
    for (int i = 0, j = 0; i < x->shape.n; i++) {
        if (i == t) order[i] = f;
        else {
            if (j == f) j++;
            order[i] = j++;
        }
    }
    return gm_permute(x, order, x->shape.n);
}

/* ---- expand ---- */

static int32_t expand_infer(const gm_op_args *a, gm_spec *out) {
    gm_shape s = ((const view_shape_attrs *)a->attrs)->shape;
    const gm_tensor *x = a->in[0];
    if (!view_check_rank(a)) return -1;
    int extra = s.n - x->shape.n;
    for (int i = 0; i < s.n; i++) {
        int64_t have = i < extra ? 1 : x->shape.d[i - extra];
        if (s.d[i] == -1 && i >= extra) s.d[i] = have;
        if (extra < 0 || s.d[i] < 0 || (have != 1 && have != s.d[i]))
            return gm_fail(GM_ERROR_SHAPE, "expand: %s cannot be broadcast to %s", gm__tensor_shape_str(x),
                           gm__shape_str(&s)),
                   -1;
    }
    if (extra < 0)
        return gm_fail(GM_ERROR_SHAPE, "expand: %s cannot be broadcast to %s", gm__tensor_shape_str(x),
                       gm__shape_str(&s)),
               -1;
    out->shape = s;
    out->dtype = x->dtype;
    return 1;
}

static bool expand_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0];
    gm_spec spec;
    if (expand_infer(a, &spec) < 0) return false;
    out[0] = gm__tensor_over(x->storage, x->offset, &spec.shape, x->dtype);
    int extra = spec.shape.n - x->shape.n;
    for (int i = 0; out[0] && i < spec.shape.n; i++)
        out[0]->stride[i] = i < extra || x->shape.d[i - extra] != spec.shape.d[i] ? 0 : x->stride[i - extra];
    return out[0] != NULL;
}

static bool expand_grad(const gm_grad_args *a) {
    a->gin[0] = gm__sum_to(a->gout[0], &a->in[0]->shape, a->in[0]->dtype);
    return a->gin[0] != NULL;
}

static bool expand_batch(const gm_batch_args *a) {
    gm_shape s = ((const view_shape_attrs *)a->attrs)->shape, own = { .n = s.n + 1 };
    int rank = a->in[0]->shape.n - 1;
    if (!view_takes_batch(a, &s)) return false;
    own.d[0] = a->size;
    for (int i = 0; i < s.n; i++) own.d[1 + i] = i < s.n - rank ? 1 : a->in[0]->shape.d[1 + i - (s.n - rank)];
    a->out[0] = gm_expand(gm_reshape(a->in[0], own), view_with_batch(s, a->size));
    return a->out[0] != NULL;
}

const gm_op gm__op_expand = {
    .size = sizeof(gm_op), .name = "expand", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_VIEW | GM_OP_LINEAR, .attrs_bytes = sizeof(view_shape_attrs), .attrs = view_shape_fields,
    .infer = expand_infer, .kernel = expand_kernel, .grad = expand_grad, .batch = expand_batch,
    .cases = (const gm_case[]){ { "[3,1]", &(view_shape_attrs){ { 3, { 0 }, { 2, 3, 4 } } }, 0, 0, 0 }, { 0 } },
    .doc = "broadcast to a shape",
};

gm_tensor *gm_expand(gm_tensor *x, gm_shape shape) {
    return gm__call1(&gm__op_expand, &(view_shape_attrs){ shape }, x);
}

/* ---- flip ---- */

typedef struct { int64_t dims; } flip_attrs; /* bit d: dimension d is reversed */
static const gm_attr flip_fields[] = { GM_ATTR(flip_attrs, dims, I64), GM_ATTR_END };

static int32_t flip_infer(const gm_op_args *a, gm_spec *out) {
    out->shape = a->in[0]->shape;
    out->dtype = a->in[0]->dtype;
    return 1;
}

static bool flip_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0], *y = gm__tensor_alias(x);
    int64_t dims = ((const flip_attrs *)a->attrs)->dims;
    for (int i = 0; y && i < x->shape.n; i++) {
        if (!(dims >> i & 1) || !x->shape.d[i]) continue;
        y->offset += (x->shape.d[i] - 1) * x->stride[i];
        y->stride[i] = -x->stride[i];
    }
    out[0] = y;
    return y != NULL;
}

extern const gm_op gm__op_flip;

static bool flip_grad(const gm_grad_args *a) {
    a->gin[0] = gm__call1(&gm__op_flip, a->attrs, a->gout[0]);
    return a->gin[0] != NULL;
}

static bool flip_batch(const gm_batch_args *a) {
    flip_attrs p = { ((const flip_attrs *)a->attrs)->dims << 1 };
    a->out[0] = gm__call1(&gm__op_flip, &p, a->in[0]);
    return a->out[0] != NULL;
}

const gm_op gm__op_flip = {
    .size = sizeof(gm_op),
    .name = "flip",
    .version = 1,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = GM_OP_VIEW | GM_OP_LINEAR,
    .attrs_bytes = sizeof(flip_attrs),
    .attrs = flip_fields,
    .infer = flip_infer,
    .kernel = flip_kernel,
    .grad = flip_grad,
    .batch = flip_batch,
    .cases =
        (const gm_case[]){ { "[2,3]", &(flip_attrs){ 2 }, 0, 0, 0 }, { "[2,3]", &(flip_attrs){ 3 }, 0, 0, 0 }, { 0 } },
    .doc = "dimensions in reverse",
};

gm_tensor *gm_flip(gm_tensor *x, const int32_t *dims, int n) {
    if (!gm_ok() || !gm__check_tensor(x, "flip", 1)) return NULL;
    flip_attrs p = { 0 };
    for (int i = 0; i < n; i++) {
        int d = gm__dim(x, dims[i], "flip");
        if (d < 0) return NULL;
        p.dims |= (int64_t)1 << d;
    }
    return gm__call1(&gm__op_flip, &p, x);
}

/* ---- detach ----
 * gm_detach of a symbolic value: eager ones need no operation for it. */

static bool detach_kernel(const gm_op_args *a, gm_tensor **out) {
    out[0] = gm__tensor_alias(a->in[0]);
    return out[0] != NULL;
}

static bool detach_batch(const gm_batch_args *a) {
    a->out[0] = gm_detach(a->in[0]);
    return a->out[0] != NULL;
}

/* ---- identity ---- */

static bool identity_grad(const gm_grad_args *a) {
    a->gin[0] = a->gout[0];
    return true;
}

static bool identity_batch(const gm_batch_args *a) {
    a->out[0] = gm_identity(a->in[0]);
    return a->out[0] != NULL;
}

const gm_op gm__op_identity = {
    .size = sizeof(gm_op), .name = "identity", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_VIEW | GM_OP_LINEAR, .infer = flip_infer, .kernel = detach_kernel, .grad = identity_grad,
    .batch = identity_batch, .cases = (const gm_case[]){ { "[2,3]", NULL, 0, 0, 0 }, { 0 } },
    .doc = "the same values as a value of its own",
};

gm_tensor *gm_identity(gm_tensor *x) { return gm__call1(&gm__op_identity, NULL, x); }

const gm_op gm__op_detach = {
    .size = sizeof(gm_op),
    .name = "detach",
    .version = 1,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = GM_OP_VIEW | GM_OP_NO_GRAD,
    .infer = flip_infer,
    .kernel = detach_kernel,
    .batch = detach_batch,
    .cases =
        (const gm_case[]){ { "[2,3]", NULL, 0, GM_CASE_NO_GRAD, 0 }, { "i64[5]", NULL, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the same values without their history",
};
