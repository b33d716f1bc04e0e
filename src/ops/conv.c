/* conv.c: convolution and its two transposes, on the drivers of kernels/convolve.h.
 *
 * conv (x, w -> y), conv_data_grad (gy, w -> gx) and conv_weight_grad (x, gy -> gw) are the three ways to contract one
 * form that is linear in x, w and y: each one's gradients are the other two, to any order. A transposed convolution is
 * conv_data_grad under its own name. */
#include "../math/fp.h"
#include "norm.h"
#include "../base/args.h"
#include "../kernels/convolve.h"

#include <stddef.h>
#include <string.h>

/* Spatial entries in the order of the shape, unused ones behind: stride and dilation 1, padding 0. `size`: the spatial
 * sizes of the result where they do not follow: gx of conv_data_grad, gw of conv_weight_grad. */
typedef struct { int64_t n, groups, stride[3], dilation[3], pad_lo[3], pad_hi[3], size[3]; } conv_attrs;
static const gm_attr conv_fields[] = { GM_ATTR(conv_attrs, n, I64),           GM_ATTR(conv_attrs, groups, I64),
                                       GM_ATTRS(conv_attrs, stride, I64S, 3), GM_ATTRS(conv_attrs, dilation, I64S, 3),
                                       GM_ATTRS(conv_attrs, pad_lo, I64S, 3), GM_ATTRS(conv_attrs, pad_hi, I64S, 3),
                                       GM_ATTRS(conv_attrs, size, I64S, 3),   GM_ATTR_END };

extern const gm_op gm__op_conv, gm__op_conv_data_grad, gm__op_conv_weight_grad;

/* The attributes with another `size`: spatial sizes from dimension 2 of `s` on. */
static conv_attrs conv_sized(const conv_attrs *p, const gm_shape *s) {
    conv_attrs r = *p;
    for (int i = 0; i < 3; i++) r.size[i] = i < p->n ? s->d[2 + i] : 0;
    return r;
}

/* ---- checks and shapes ---- */

static bool conv_check_attrs(const char *op, const conv_attrs *p) {
    for (int i = 0; i < p->n; i++)
        if (p->stride[i] < 1 || p->dilation[i] < 1 || p->pad_lo[i] < 0 || p->pad_hi[i] < 0)
            return gm_fail(GM_ERROR_VALUE,
                           "%s: stride %lld, dilation %lld, padding %lld and %lld in spatial dimension %d", op,
                           (long long)p->stride[i], (long long)p->dilation[i], (long long)p->pad_lo[i],
                           (long long)p->pad_hi[i], i);
    return p->groups >= 1 || gm_fail(GM_ERROR_VALUE, "%s: %lld groups", op, (long long)p->groups);
}

static bool conv_check_types(const char *op, const gm_op_args *a) {
    for (int i = 0; i < a->n_in; i++)
        if (a->in[i] && (!gm_is_float(a->in[i]->dtype) || a->in[i]->dtype != a->in[0]->dtype))
            return gm_fail(GM_ERROR_DTYPE, "%s: argument %d is %s, argument 1 %s: floats of one dtype are needed", op,
                           i + 1, gm_dtype_name(a->in[i]->dtype), gm_dtype_name(a->in[0]->dtype));
    return true;
}

static bool conv_check_ranks(const char *op, const gm_op_args *a) {
    const conv_attrs *p = a->attrs;
    for (int i = 0; i < 2; i++)
        if (a->in[i]->shape.n != p->n + 2)
            return gm_fail(GM_ERROR_SHAPE, "%s: %lld dimensions are needed, argument %d is %s", op, (long long)p->n + 2,
                           i + 1, gm__tensor_shape_str(a->in[i]));
    return conv_check_attrs(op, p) && conv_check_types(op, a);
}

static bool conv_check_bias(const char *op, const gm_op_args *a, int64_t channels) {
    const gm_tensor *b = a->n_in > 2 ? a->in[2] : NULL;
    return !b || (b->shape.n == 1 && b->shape.d[0] == channels) ||
           gm_fail(GM_ERROR_SHAPE, "%s: bias is %s, weight %s wants [%lld]", op, gm__tensor_shape_str(b),
                   gm__tensor_shape_str(a->in[1]), (long long)channels);
}

/* Size of the result along spatial dimension i of `in` under a kernel of `k`; -1 if the kernel does not fit. */
static int64_t conv_out_size(const conv_attrs *p, int i, int64_t in, int64_t k) {
    int64_t room = in + p->pad_lo[i] + p->pad_hi[i] - p->dilation[i] * (k - 1) - 1;
    return k < 1 || room < 0 ? -1 : room / p->stride[i] + 1;
}

/* "conv2d" or "conv_transpose2d", for messages. */
static const char *conv_name(const conv_attrs *p, bool transposed) {
    static const char *const names[2][3] = { { "conv1d", "conv2d", "conv3d" },
                                             { "conv_transpose1d", "conv_transpose2d", "conv_transpose3d" } };
    return names[transposed][p->n < 1 || p->n > 3 ? 1 : p->n - 1];
}

static int32_t conv_infer(const gm_op_args *a, gm_spec *out) {
    const conv_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0], *w = a->in[1];
    const char *op = conv_name(p, false);
    if (!conv_check_ranks(op, a)) return -1;
    if (x->shape.d[1] != w->shape.d[1] * p->groups)
        return gm_fail(GM_ERROR_SHAPE, "%s: input has %lld channels %s, weight wants %lld %s", op,
                       (long long)x->shape.d[1], gm__tensor_shape_str(x), (long long)(w->shape.d[1] * p->groups),
                       gm__tensor_shape_str(w)),
               -1;
    if (w->shape.d[0] % p->groups)
        return gm_fail(GM_ERROR_SHAPE, "%s: the %lld output channels of weight %s do not divide into %lld groups", op,
                       (long long)w->shape.d[0], gm__tensor_shape_str(w), (long long)p->groups), -1;
    if (!conv_check_bias(op, a, w->shape.d[0])) return -1;
    out->shape = x->shape;
    out->shape.d[1] = w->shape.d[0];
    for (int i = 0; i < p->n; i++) {
        out->shape.d[2 + i] = conv_out_size(p, i, x->shape.d[2 + i], w->shape.d[2 + i]);
        if (out->shape.d[2 + i] < 0)
            return gm_fail(GM_ERROR_SHAPE, "%s: the kernel of %s, dilated, is larger than the padded input %s", op,
                           gm__tensor_shape_str(w), gm__tensor_shape_str(x)), -1;
    }
    out->dtype = x->dtype;
    out->channels_last = gm__prefers_channels_last(a->in, 1, x->shape.n);
    return 1;
}

static int32_t conv_data_infer(const gm_op_args *a, gm_spec *out) {
    const conv_attrs *p = a->attrs;
    const gm_tensor *gy = a->in[0], *w = a->in[1];
    const char *op = conv_name(p, true);
    if (!conv_check_ranks(op, a)) return -1;
    if (gy->shape.d[1] != w->shape.d[0] || w->shape.d[0] % p->groups)
        return gm_fail(GM_ERROR_SHAPE, "%s: input has %lld channels %s, weight wants %lld %s in %lld groups", op,
                       (long long)gy->shape.d[1], gm__tensor_shape_str(gy), (long long)w->shape.d[0],
                       gm__tensor_shape_str(w), (long long)p->groups), -1;
    if (!conv_check_bias(op, a, w->shape.d[1] * p->groups)) return -1;
    out->shape = gy->shape;
    out->shape.d[1] = w->shape.d[1] * p->groups;
    for (int i = 0; i < p->n; i++) {
        if (p->size[i] < 1 || conv_out_size(p, i, p->size[i], w->shape.d[2 + i]) != gy->shape.d[2 + i])
            return gm_fail(GM_ERROR_SHAPE, "%s: %lld results along spatial dimension %d from %s by %s", op,
                           (long long)p->size[i], i, gm__tensor_shape_str(gy), gm__tensor_shape_str(w)), -1;
        out->shape.d[2 + i] = p->size[i];
    }
    out->dtype = gy->dtype;
    out->channels_last = gm__prefers_channels_last(a->in, 1, gy->shape.n);
    return 1;
}

static int32_t conv_weight_infer(const gm_op_args *a, gm_spec *out) {
    const conv_attrs *p = a->attrs;
    const gm_tensor *x = a->in[0], *gy = a->in[1];
    if (!conv_check_ranks("conv_weight_grad", a)) return -1;
    bool good = x->shape.d[0] == gy->shape.d[0] && x->shape.d[1] % p->groups == 0 && gy->shape.d[1] % p->groups == 0;
    out->shape = gy->shape;
    out->shape.d[0] = gy->shape.d[1];
    out->shape.d[1] = x->shape.d[1] / p->groups;
    for (int i = 0; i < p->n; i++) {
        good = good && conv_out_size(p, i, x->shape.d[2 + i], p->size[i]) == gy->shape.d[2 + i];
        out->shape.d[2 + i] = p->size[i];
    }
    if (!good)
        return gm_fail(GM_ERROR_SHAPE, "conv_weight_grad: input %s and gradient %s do not belong together",
                       gm__tensor_shape_str(x), gm__tensor_shape_str(gy)), -1;
    out->dtype = x->dtype;
    return 1;
}

/* ---- values ---- */

/* The driver's description, spatial entries at the end; the batch, channels and sizes are the caller's to add. */
static gm__conv_shape conv_shape_of(const conv_attrs *p, const gm_shape *x, const gm_shape *y, const int64_t *kernel) {
    gm__conv_shape s = {
        .n_spatial = (int32_t)p->n, .batch = x->d[0], .c_in = x->d[1], .c_out = y->d[1], .groups = p->groups
    };
    for (int i = 0; i < 3; i++) {
        int j = i - (3 - (int)p->n);
        bool used = j >= 0;
        s.in[i] = used ? x->d[2 + j] : 1;
        s.out[i] = used ? y->d[2 + j] : 1;
        s.kernel[i] = used ? kernel[j] : 1;
        s.stride[i] = used ? p->stride[j] : 1;
        s.dilation[i] = used ? p->dilation[j] : 1;
        s.pad_lo[i] = used ? p->pad_lo[j] : 0;
        s.pad_hi[i] = used ? p->pad_hi[j] : 0;
    }
    return s;
}

static gm_tensor *conv_laid(gm_tensor *x, bool channels_last) {
    return channels_last ? gm_channels_last(x) : gm_contiguous(x);
}

static bool conv_kernel(const gm_op_args *a, gm_tensor **out) {
    bool last = gm__prefers_channels_last(a->in, 1, a->in[0]->shape.n);
    gm_tensor *x = conv_laid(a->in[0], last), *w = gm_contiguous(a->in[1]), *y = out[0];
    gm_tensor *b = a->n_in > 2 && a->in[2] ? gm_contiguous(a->in[2]) : NULL;
    if (!gm_ok()) return false;
    gm__conv_shape s = conv_shape_of(a->attrs, &x->shape, &y->shape, w->shape.d + 2);
    gm__conv_epilogue e = { b ? gm__data(b) : NULL };
    s.channels_last = last;
    if (y->dtype == GM_F32)
        return gm__conv_forward_f32(&s, (float *)gm__data(x), (float *)gm__data(w), (float *)gm__data(y), &e);
    return gm__conv_forward_f64(&s, (double *)gm__data(x), (double *)gm__data(w), (double *)gm__data(y), &e);
}

/* y [N, C, ...] += bias[C] */
typedef struct { void *y; const void *bias; int64_t channels, run; gm_dtype dtype; bool last; } conv_bias_job;

static void conv_bias_range(void *env, int64_t begin, int64_t end) {
    const conv_bias_job *j = env;
    int64_t n = j->last ? j->channels : j->run;
    for (int64_t r = begin; r < end; r++)
        for (int64_t i = 0; i < n; i++) {
            int64_t c = j->last ? i : r % j->channels;
            if (j->dtype == GM_F32) ((float *)j->y)[r * n + i] += ((const float *)j->bias)[c];
            else ((double *)j->y)[r * n + i] += ((const double *)j->bias)[c];
        }
}

static bool conv_add_bias(gm_tensor *y, gm_tensor *bias, bool last) {
    if (!bias) return true;
    if (!(bias = gm_contiguous(bias))) return false;
    int64_t channels = y->shape.d[1], n = gm_shape_count(y->shape);
    if (!n) return true;
    conv_bias_job j = { gm__data(y), gm__data(bias), channels, n / (y->shape.d[0] * channels), y->dtype, last };
    int64_t row = last ? channels : j.run;
    gm_parallel_for(n / row, 32768 / row + 1, conv_bias_range, &j);
    return true;
}

static bool conv_data_kernel(const gm_op_args *a, gm_tensor **out) {
    bool last = gm__prefers_channels_last(a->in, 1, a->in[0]->shape.n);
    gm_tensor *gy = conv_laid(a->in[0], last), *w = gm_contiguous(a->in[1]), *gx = out[0];
    if (!gm_ok()) return false;
    gm__conv_shape s = conv_shape_of(a->attrs, &gx->shape, &gy->shape, w->shape.d + 2);
    s.channels_last = last;
    bool ok = gx->dtype == GM_F32
        ? gm__conv_data_grad_f32(&s, (float *)gm__data(gy), (float *)gm__data(w), (float *)gm__data(gx))
        : gm__conv_data_grad_f64(&s, (double *)gm__data(gy), (double *)gm__data(w), (double *)gm__data(gx));
    return ok && conv_add_bias(gx, a->n_in > 2 ? a->in[2] : NULL, last);
}

static bool conv_weight_kernel(const gm_op_args *a, gm_tensor **out) {
    bool last = gm__prefers_channels_last(a->in, 2, a->in[0]->shape.n);
    gm_tensor *x = conv_laid(a->in[0], last), *gy = conv_laid(a->in[1], last), *gw = out[0];
    if (!gm_ok()) return false;
    gm__conv_shape s = conv_shape_of(a->attrs, &x->shape, &gy->shape, gw->shape.d + 2);
    s.channels_last = last;
    if (gw->dtype == GM_F32)
        return gm__conv_weight_grad_f32(&s, (float *)gm__data(x), (float *)gm__data(gy), (float *)gm__data(gw));
    return gm__conv_weight_grad_f64(&s, (double *)gm__data(x), (double *)gm__data(gy), (double *)gm__data(gw));
}

/* ---- derivatives ---- */

static bool conv_grad(const gm_grad_args *a) {
    gm_tensor *g = a->gout[0];
    conv_attrs at_x = conv_sized(a->attrs, &a->in[0]->shape), at_w = conv_sized(a->attrs, &a->in[1]->shape);
    if (a->needs[0]) a->gin[0] = gm__call2(&gm__op_conv_data_grad, &at_x, g, a->in[1]);
    if (a->needs[1]) a->gin[1] = gm__call2(&gm__op_conv_weight_grad, &at_w, a->in[0], g);
    if (a->n_in > 2 && a->needs[2]) a->gin[2] = gm__sum_channels(g);
    return gm_ok();
}

static bool conv_data_grad(const gm_grad_args *a) {
    gm_tensor *g = a->gout[0];
    conv_attrs plain = *(const conv_attrs *)a->attrs, at_w = conv_sized(a->attrs, &a->in[1]->shape);
    memset(plain.size, 0, sizeof plain.size);
    if (a->needs[0]) a->gin[0] = gm__call2(&gm__op_conv, &plain, g, a->in[1]);
    if (a->needs[1]) a->gin[1] = gm__call2(&gm__op_conv_weight_grad, &at_w, g, a->in[0]);
    if (a->n_in > 2 && a->needs[2]) a->gin[2] = gm__sum_channels(g);
    return gm_ok();
}

static bool conv_weight_grad(const gm_grad_args *a) {
    gm_tensor *g = a->gout[0];
    conv_attrs plain = *(const conv_attrs *)a->attrs, at_x = conv_sized(a->attrs, &a->in[0]->shape);
    memset(plain.size, 0, sizeof plain.size);
    if (a->needs[0]) a->gin[0] = gm__call2(&gm__op_conv_data_grad, &at_x, a->in[1], g);
    if (a->needs[1]) a->gin[1] = gm__call2(&gm__op_conv, &plain, a->in[0], g);
    return gm_ok();
}

/* The bias is added once, not with each tangent. */
static bool conv_jvp(const gm_jvp_args *a) {
    gm_tensor *t = NULL, *part;
    for (int i = 0; i < 2; i++) {
        if (!a->tin[i]) continue;
        part = gm__call2(a->op, a->attrs, i ? a->in[0] : a->tin[0], i ? a->tin[1] : a->in[1]);
        t = t && part ? gm_add(t, part) : part;
    }
    if (a->n_in > 2 && a->tin[2] && gm_ok()) {
        gm_shape s = { .n = a->out[0]->shape.n };
        for (int d = 0; d < s.n; d++) s.d[d] = d == 1 ? a->out[0]->shape.d[1] : 1;
        part = gm_expand(gm_reshape(a->tin[2], s), a->out[0]->shape);
        t = t && part ? gm_add(t, part) : part;
    }
    a->tout[0] = t;
    return gm_ok();
}

/* ---- batches: [S, N, C, ...]. One weight for all: the batch is more pictures. Else it is more groups. ---- */

static gm_tensor *conv_fold(gm_tensor *x) { return gm_flatten_dims(x, 0, 1); }
/* [S, N, C, ...] -> [N, S C, ...] and back */
static gm_tensor *conv_to_groups(gm_tensor *x) { return gm_flatten_dims(gm_move_dim(x, 0, 1), 1, 2); }

static gm_tensor *conv_unfold(gm_tensor *y, int dim, int64_t size) {
    if (!y) return NULL;
    gm_shape s = { .n = y->shape.n + 1 };
    for (int d = 0; d < s.n; d++) s.d[d] = d < dim ? y->shape.d[d] : d == dim ? size : y->shape.d[d - 1];
    s.d[dim + 1] /= size;
    return gm_move_dim(gm_reshape(y, s), dim, 0);
}

static bool conv_batch(const gm_batch_args *a) {
    bool bias = a->n_in > 2 && a->in[2];
    if (!a->mapped[1] && !(bias && a->mapped[2])) {
        a->out[0] =
            conv_unfold(gm__call3(a->op, a->attrs, conv_fold(a->in[0]), a->in[1], bias ? a->in[2] : NULL), 0, a->size);
        return gm_ok();
    }
    conv_attrs p = *(const conv_attrs *)a->attrs;
    p.groups *= a->size;
    gm_tensor *x = conv_to_groups(gm__batched(a, 0)), *w = conv_fold(gm__batched(a, 1));
    gm_tensor *b = bias ? conv_fold(gm__batched(a, 2)) : NULL;
    if (gm_ok()) a->out[0] = conv_unfold(gm__call3(a->op, &p, x, w, b), 1, a->size);
    return gm_ok();
}

static bool conv_weight_batch(const gm_batch_args *a) {
    conv_attrs p = *(const conv_attrs *)a->attrs;
    p.groups *= a->size;
    gm_tensor *x = conv_to_groups(gm__batched(a, 0)), *g = conv_to_groups(gm__batched(a, 1));
    a->out[0] = conv_unfold(gm__call2(a->op, &p, x, g), 0, a->size);
    return gm_ok();
}

/* ---- records ---- */

#define CONV_AT(...) &(conv_attrs) { __VA_ARGS__ }
static const gm_case conv_cases[] = {
    { "[2,3,5,7];[4,3,3,3];[4]", CONV_AT(2, 1, { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }), 0, 0, 0 },
    { "[2,4,6,5];[6,2,3,2];[6]", CONV_AT(2, 2, { 2, 3, 1 }, { 1, 2, 1 }, { 1, 0 }, { 0, 2 }, { 0 }), 0, 0, 0 },
    { "[2,3,9];[5,3,4]", CONV_AT(1, 1, { 2, 1, 1 }, { 1, 1, 1 }, { 1 }, { 1 }, { 0 }), 0, 0, 0 },
    { "[1,2,3,4,3];[2,2,2,2,3];[2]", CONV_AT(3, 1, { 1, 2, 1 }, { 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, { 0 }), 0, 0,
      0 },
    { 0 }
};

const gm_op gm__op_conv = {
    .size = sizeof(gm_op), .name = "conv", .version = 1, .min_in = 2, .max_in = 3, .n_out = 1,
    .flags = GM_OP_COMPUTE_F32, .saves_in = 3, .attrs_bytes = sizeof(conv_attrs), .attrs = conv_fields,
    .infer = conv_infer, .kernel = conv_kernel, .grad = conv_grad, .jvp = conv_jvp, .batch = conv_batch,
    .cases = conv_cases, .doc = "convolution in one to three dimensions",
};

static const gm_case conv_data_cases[] = {
    { "[2,4,5,7];[4,3,3,3];[3]", CONV_AT(2, 1, { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1 }, { 1, 1 }, { 5, 7 }), 0, 0, 0 },
    { "[2,6,3,2];[6,2,3,2]", CONV_AT(2, 2, { 2, 3, 1 }, { 1, 2, 1 }, { 1, 0 }, { 0, 2 }, { 6, 5 }), 0, 0, 0 },
    { "[2,5,4];[5,3,4];[3]", CONV_AT(1, 1, { 2, 1, 1 }, { 1, 1, 1 }, { 1 }, { 1 }, { 9 }), 0, 0, 0 }, { 0 } };

const gm_op gm__op_conv_data_grad = {
    .size = sizeof(gm_op), .name = "conv_data_grad", .version = 1, .min_in = 2, .max_in = 3, .n_out = 1,
    .flags = GM_OP_COMPUTE_F32, .saves_in = 3, .attrs_bytes = sizeof(conv_attrs), .attrs = conv_fields,
    .infer = conv_data_infer, .kernel = conv_data_kernel, .grad = conv_data_grad, .jvp = conv_jvp, .batch = conv_batch,
    .cases = conv_data_cases, .doc = "the gradient of a convolution in its input; transposed convolution",
};

static const gm_case conv_weight_cases[] = {
    { "[2,3,5,7];[2,4,5,7]", CONV_AT(2, 1, { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1 }, { 1, 1 }, { 3, 3 }), 0, 0, 0 },
    { "[2,4,6,5];[2,6,3,2]", CONV_AT(2, 2, { 2, 3, 1 }, { 1, 2, 1 }, { 1, 0 }, { 0, 2 }, { 3, 2 }), 0, 0, 0 }, { 0 } };

const gm_op gm__op_conv_weight_grad = {
    .size = sizeof(gm_op), .name = "conv_weight_grad", .version = 1, .min_in = 2, .max_in = 2, .n_out = 1,
    .flags = GM_OP_COMPUTE_F32 | GM_OP_LINEAR, .saves_in = 3, .attrs_bytes = sizeof(conv_attrs), .attrs = conv_fields,
    .infer = conv_weight_infer, .kernel = conv_weight_kernel, .grad = conv_weight_grad, .batch = conv_weight_batch,
    .cases = conv_weight_cases, .doc = "the gradient of a convolution in its weight",
};
#undef CONV_AT

/* ---- public functions ---- */

static bool conv_any(const int32_t v[3]) { return v[0] || v[1] || v[2]; }

static conv_attrs conv_options(int n, const gm_conv_args *o) {
    bool arrays = conv_any(o->padding_low) || conv_any(o->padding_high);
    conv_attrs p = { .n = n, .groups = o->groups ? o->groups : 1 };
    for (int i = 0; i < 3; i++) {
        p.stride[i] = i < n && o->strides[i] ? o->strides[i] : i < n && o->stride ? o->stride : 1;
        p.dilation[i] = i < n && o->dilations[i] ? o->dilations[i] : i < n && o->dilation ? o->dilation : 1;
        p.pad_lo[i] = i < n ? arrays ? o->padding_low[i] : o->padding : 0;
        p.pad_hi[i] = i < n ? arrays ? o->padding_high[i] : o->padding : 0;
    }
    return p;
}

/* Input, weight and bias as the record wants them: of one dtype, x with a batch dimension (*lone: it was added). */
static bool conv_operands(const char *op, int n, gm_tensor **x, gm_tensor **w, gm_tensor **bias, bool *lone) {
    if (!gm__check_tensor(*x, op, 1) || !gm__check_tensor(*w, op, 2)) return false;
    if (*bias && !gm__check_tensor(*bias, op, 3)) return false;
    gm_dtype t = gm_promote((*x)->dtype, (*w)->dtype);
    *lone = (*x)->shape.n == n + 1;
    if (*lone) *x = gm_unsqueeze(*x, 0);
    if (gm_is_float(t)) {
        *x = gm_cast(*x, t), *w = gm_cast(*w, t);
        if (*bias) *bias = gm_cast(*bias, t);
    }
    return gm_ok();
}

static gm_tensor *conv_call(const gm_op *op, const conv_attrs *p, gm_tensor *x, gm_tensor *w, gm_tensor *bias,
                            bool lone) {
    gm_tensor *y = gm__call3(op, p, x, w, bias);
    return y && lone ? gm_squeeze(y, 0) : y;
}

static gm_tensor *conv_forward(int n, gm_tensor *x, gm_tensor *w, const gm_conv_args *args) {
    gm_conv_args o;
    conv_attrs p = { .n = n };
    const char *op = conv_name(&p, false);
    bool lone = false;
    if (!gm_ok() || !gm__args_take(op, &o, sizeof o, args) || !conv_operands(op, n, &x, &w, &o.bias, &lone))
        return NULL;
    p = conv_options(n, &o);
    for (int i = 0; o.same && i < n && w->shape.n == n + 2; i++) {
        int64_t total = p.dilation[i] * (w->shape.d[2 + i] - 1);
        if (p.stride[i] != 1) {
            gm_fail(GM_ERROR_VALUE, "%s: padding `same` needs stride 1, not %lld", op, (long long)p.stride[i]);
            return NULL;
        }
        p.pad_lo[i] = total / 2, p.pad_hi[i] = total - total / 2;
    }
    return conv_call(&gm__op_conv, &p, x, w, o.bias, lone);
}

static gm_tensor *conv_transposed(int n, gm_tensor *x, gm_tensor *w, const gm_conv_transpose_args *args) {
    gm_conv_transpose_args t;
    conv_attrs p = { .n = n };
    const char *op = conv_name(&p, true);
    bool lone = false;
    if (!gm_ok() || !gm__args_take(op, &t, sizeof t, args) || !conv_operands(op, n, &x, &w, &t.bias, &lone))
        return NULL;
    gm_conv_args o = { .stride = t.stride, .padding = t.padding, .dilation = t.dilation, .groups = t.groups };
    memcpy(o.strides, t.strides, sizeof o.strides);
    memcpy(o.dilations, t.dilations, sizeof o.dilations);
    memcpy(o.padding_low, t.padding_low, sizeof o.padding_low);
    memcpy(o.padding_high, t.padding_high, sizeof o.padding_high);
    p = conv_options(n, &o);
    for (int i = 0; i < n && x->shape.n == n + 2 && w->shape.n == n + 2; i++) {
        int64_t extra = conv_any(t.output_paddings) ? t.output_paddings[i] : t.output_padding;
        if (extra < 0 || extra >= p.stride[i]) {
            gm_fail(GM_ERROR_VALUE, "%s: output_padding %lld, must be less than the stride %lld", op, (long long)extra,
                    (long long)p.stride[i]);
            return NULL;
        }
        p.size[i] = (x->shape.d[2 + i] - 1) * p.stride[i] - p.pad_lo[i] - p.pad_hi[i] +
                    p.dilation[i] * (w->shape.d[2 + i] - 1) + extra + 1;
    }
    return conv_call(&gm__op_conv_data_grad, &p, x, w, t.bias, lone);
}

#define CONV_FUNCTIONS(n)                                                                                              \
    gm_tensor *gm_conv##n##d_with(gm_tensor *x, gm_tensor *w, const gm_conv##n##d_args *args) {                        \
        return conv_forward(n, x, w, args);                                                                            \
    }                                                                                                                  \
    gm_tensor *(gm_conv##n##d)(gm_tensor *x, gm_tensor *w) { return conv_forward(n, x, w, NULL); }                     \
    gm_tensor *gm_conv_transpose##n##d_with(gm_tensor *x, gm_tensor *w, const gm_conv_transpose##n##d_args *args) {    \
        return conv_transposed(n, x, w, args);                                                                         \
    }                                                                                                                  \
    gm_tensor *(gm_conv_transpose##n##d)(gm_tensor *x, gm_tensor *w) { return conv_transposed(n, x, w, NULL); }
CONV_FUNCTIONS(1)
CONV_FUNCTIONS(2)
CONV_FUNCTIONS(3)
#undef CONV_FUNCTIONS
