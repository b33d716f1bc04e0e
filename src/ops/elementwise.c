/* elementwise.c: the records of all elementwise operations, made from elementwise.def, and the rules they share.
 *
 * The Jacobian of such an operation is diagonal, so one set of expressions gives both the gradient (summed back over
 * broadcast dimensions) and the tangent. What a derivative needs saved is read off its text: the names a, b, c, y. */
#include "../math/fp.h"
#include "elementwise_ops.h"
#include "../kernels/kernels.h"
#include "../kernels/host.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

static const gm_shape GM__SCALAR;

/* ---- slopes too long for a line of the table ---- */

/* g where low < x < high, else 0. */
static gm_tensor *gm__inside(gm_tensor *g, gm_tensor *x, double low, double high) {
    gm_tensor *in = gm_logical_and(gm_gt_scalar(x, low), gm_lt_scalar(x, high));
    return gm_where(in, g, gm_zeros(GM__SCALAR, gm_dtype_of(g)));
}

/* A slope of pow, but 0 for 0 to the power 0, where the formulas are no number. */
static gm_tensor *gm__pow_slope(gm_tensor *slope, gm_tensor *a, gm_tensor *b) {
    gm_tensor *fine = gm_logical_or(gm_ne_scalar(a, 0), gm_ne_scalar(b, 0));
    return slope ? gm_where(fine, slope, gm_zeros(GM__SCALAR, gm_dtype_of(slope))) : NULL;
}

/* g log(b), but 0 where 0 log(b) is 0 by definition and log(b) no slope of it. */
static gm_tensor *gm__xlogy_slope(gm_tensor *g, gm_tensor *a, gm_tensor *b) {
    gm_tensor *none = gm_logical_and(gm_eq_scalar(a, 0), gm_le_scalar(b, 0)), *slope = gm_xlogy(g, b);
    return slope ? gm_where(none, gm_zeros(GM__SCALAR, gm_dtype_of(slope)), slope) : NULL;
}

/* d/dx of s(1-s)(2 + x(1-2s)) with s = sigmoid(x). */
static gm_tensor *gm__silu_third(gm_tensor *x) {
    gm_tensor *s = gm_sigmoid(x), *d = gm_mul(s, gm_rsub_scalar(s, 1)), *e = gm_add_scalar(gm_mul_scalar(s, -2), 1);
    gm_tensor *inner = gm_add_scalar(gm_mul(x, e), 2);
    gm_tensor *slope = gm_sub(e, gm_mul_scalar(gm_mul(x, d), 2));
    return gm_mul(d, gm_add(gm_mul(e, inner), slope));
}

static gm_tensor *gm__mish_slope(gm_tensor *x) {
    gm_tensor *t = gm_tanh(gm_softplus(x)), *s = gm_sigmoid(x);
    return gm_add(t, gm_mul(gm_mul(x, s), gm_rsub_scalar(gm_square(t), 1)));
}

static gm_tensor *gm__gelu_tanh_slope(gm_tensor *x) {
    const double k = 0.79788456080286535588, c = 0.044715;
    gm_tensor *x2 = gm_square(x);
    gm_tensor *t = gm_tanh(gm_mul_scalar(gm_mul(x, gm_add_scalar(gm_mul_scalar(x2, c), 1)), k));
    gm_tensor *left = gm_mul_scalar(gm_add_scalar(t, 1), 0.5);
    gm_tensor *du = gm_mul_scalar(gm_add_scalar(gm_mul_scalar(x2, 3 * c), 1), k);
    return gm_add(left, gm_mul(gm_mul_scalar(gm_mul(x, gm_rsub_scalar(gm_square(t), 1)), 0.5), du));
}

static gm_tensor *gm__hard_swish_slope(gm_tensor *x) {
    gm_tensor *middle = gm_div_scalar(gm_add_scalar(gm_mul_scalar(x, 2), 3), 6);
    gm_tensor *zero = gm_zeros(GM__SCALAR, gm_dtype_of(x)), *one = gm_ones(GM__SCALAR, gm_dtype_of(x));
    return gm_where(gm_gt_scalar(x, 3), one, gm_where(gm_gt_scalar(x, -3), middle, zero));
}

/* ---- the derivative expressions as functions ---- */

#define NONE NULL
#define EW_GRAD(name, i, e)                                                                                            \
    static gm_tensor *ew_grad##i##_##name(gm_tensor *g, gm_tensor *a, gm_tensor *b, gm_tensor *c, gm_tensor *y,        \
                                          const double *p) {                                                           \
        const double p0 = p ? p[0] : 0, p1 = p ? p[1] : 0;                                                             \
        (void)g, (void)a, (void)b, (void)c, (void)y, (void)p0, (void)p1;                                               \
        return e;                                                                                                      \
    }
#define EW_F(name, n_in, n_par, gives, expression, g0, g1, g2, cases)                                                  \
    EW_GRAD(name, 0, g0) EW_GRAD(name, 1, g1) EW_GRAD(name, 2, g2)
#define EW_N EW_F
#define EW_I EW_F
#include "elementwise.def"
#undef EW_F
#undef EW_N
#undef EW_I
#undef EW_GRAD
#undef NONE

/* ---- shapes and dtypes ---- */

enum { EW_FEW = 64 };

static const gm__ew *ew_of(const gm_op *op) { return op->extra; }

/* The common case: every input is f32, or every one f64. */
static bool ew_is_plain(const gm_op_args *a, int skip, char takes) {
    gm_dtype d = a->in[skip]->dtype;
    if ((d != GM_F32 && d != GM_F64) || takes == 'I') return false;
    for (int i = skip + 1; i < a->n_in; i++)
        if (a->in[i]->dtype != d) return false;
    return !skip || a->in[0]->dtype != GM_STRING;
}

static bool ew_no_number(const gm_op_args *a, gm_dtype d) {
    return gm_fail(GM_ERROR_DTYPE, "%s: %s is not a number", a->op->name, gm_dtype_name(d));
}

static bool ew_dtype(const gm_op_args *a, gm_dtype *dtype) {
    const gm__ew *e = ew_of(a->op);
    int skip = e->gives == GM__EW_COND;
    if (ew_is_plain(a, skip, e->takes)) return *dtype = a->in[skip]->dtype, true;
    for (int i = 0; i < a->n_in; i++)
        if (!gm__domain(a->in[i]->dtype)) return ew_no_number(a, a->in[i]->dtype);
    gm_dtype d = gm__promote_tensors(a->in + skip, a->n_in - skip);
    if (e->takes == 'F' && !gm_is_float(d)) d = GM_F32;
    if (e->takes == 'I' && gm_is_float(d))
        return gm_fail(GM_ERROR_DTYPE, "%s: integers are needed, not %s", a->op->name, gm_dtype_name(d));
    if (e->n_par && !gm_is_float(d)) { /* a fraction makes an integer tensor a float, as in PyTorch */
        const gm__ew_attrs *attrs = a->attrs;
        for (int i = 0; i < e->n_par; i++)
            if (attrs->p[i] != floor(attrs->p[i])) d = GM_F32;
        if (d == GM_BOOL) d = GM_I64;
    }
    *dtype = d;
    return true;
}

static int32_t ew_infer(const gm_op_args *a, gm_spec *out) {
    gm_dtype dtype = GM_NO_DTYPE;
    if (!ew_dtype(a, &dtype) || !gm__broadcast_shapes(a->op->name, a->in, a->n_in, &out->shape)) return -1;
    out->dtype = ew_of(a->op)->gives == GM__EW_BOOL ? GM_BOOL : dtype;
    out->channels_last = gm__prefers_channels_last(a->in, a->n_in, out->shape.n);
    return 1;
}

/* ---- values ---- */

static int ew_domain_index(gm_dtype domain) {
    return domain == GM_F32 ? 0 : domain == GM_F64 ? 1 : domain == GM_I32 ? 2 : domain == GM_I64 ? 3 : 4;
}

static gm__loop_fn ew_function(const gm__ew *e, gm_dtype domain) {
    return *(gm__loop_fn const *)((const char *)gm__kernels() + e->kernel[ew_domain_index(domain)]);
}

static bool ew_lies_alike(const gm_tensor *t, const gm_tensor *y) {
    if (t->shape.n != y->shape.n) return false;
    for (int d = 0; d < t->shape.n; d++)
        if (t->shape.d[d] != y->shape.d[d] || t->stride[d] != y->stride[d]) return false;
    return true;
}

/* A value as n of them in the tile. */
static const void *ew_repeat(const gm_tensor *t, int64_t n, double *tile) {
    const char *from = gm__data(t);
    size_t bytes = (size_t)gm__element_bytes(t->dtype);
    for (int64_t i = 0; i < n; i++) memcpy((char *)tile + (size_t)i * bytes, from, bytes);
    return tile;
}

/* The common small case: every operand of the domain itself, and dense, of one shape, or one value for a few. */
static bool ew_run_dense(const gm_op_args *a, gm_tensor *y, gm__loop_fn f, gm_dtype domain) {
    double tile[3][EW_FEW];
    const void *x[3];
    int64_t n = gm_shape_count(y->shape);
    if (y->dtype != domain || n > 16384) return false;
    for (int i = 0; i < a->n_in; i++) {
        const gm_tensor *t = a->in[i];
        if (t->dtype != domain) return false;
        if (ew_lies_alike(t, y)) x[i] = gm__data(t);
        else if (n <= EW_FEW && gm_shape_count(t->shape) == 1) x[i] = ew_repeat(t, n, tile[i]);
        else return false;
    }
    f(n, x, gm__data(y), a->attrs);
    return true;
}

static bool ew_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm__ew *e = ew_of(a->op);
    gm_dtype dtype = out[0]->dtype;
    if (e->gives == GM__EW_BOOL && !ew_dtype(a, &dtype)) return false;
    gm_dtype domain = dtype == GM_F32 ? GM_F32 : gm__domain(dtype);
    gm__loop_fn f = ew_function(e, domain);
    if (ew_run_dense(a, out[0], f, domain)) return true;
    gm__operand x[GM_LOOP_MAX_IN], y = gm__operand_of(out[0]);
    for (int i = 0; i < a->n_in; i++) x[i] = gm__operand_broadcast(a->in[i], &out[0]->shape);
    double p[2] = { 0, 0 };
    if (e->n_par) memcpy(p, ((const gm__ew_attrs *)a->attrs)->p, sizeof p);
    gm__loop(f, domain, &out[0]->shape, a->n_in, x, &y, p, 400);
    return true;
}

/* ---- derivatives ---- */

static bool ew_text_names(const char *text, char name) {
    for (const char *c = text; *c; c++) {
        bool before = c > text && (isalnum((unsigned char)c[-1]) || c[-1] == '_');
        bool after = isalnum((unsigned char)c[1]) || c[1] == '_';
        if (*c == name && !before && !after) return true;
    }
    return false;
}

/* Bit 4: known; bits 0 to 2: inputs; bit 3: the output. */
static uint32_t ew_read_saves(const gm__ew *e) {
    uint32_t saves = 1 << 4;
    for (int i = 0; i < e->n_in; i++) {
        for (int j = 0; j < e->n_in; j++) saves |= (uint32_t)ew_text_names(e->grad_text[i], (char)('a' + j)) << j;
        saves |= (uint32_t)ew_text_names(e->grad_text[i], 'y') << 3;
    }
    return saves;
}

void gm__ew_saves(const gm_op *op, uint32_t *in, uint32_t *out) {
    const gm__ew *e = ew_of(op);
    uint32_t saves = __atomic_load_n(e->saves, __ATOMIC_RELAXED);
    if (!saves) __atomic_store_n(e->saves, saves = ew_read_saves(e), __ATOMIC_RELAXED);
    *in = saves & 7, *out = saves >> 3 & 1;
}

static gm_tensor *ew_partial(const gm_op *op, int i, gm_tensor *g, gm_tensor *const *in, gm_tensor *y,
                             const void *attrs) {
    const gm__ew *e = ew_of(op);
    const double *p = e->n_par ? ((const gm__ew_attrs *)attrs)->p : NULL;
    return e->grad[i](g, in[0], e->n_in > 1 ? in[1] : NULL, e->n_in > 2 ? in[2] : NULL, y, p);
}

static bool ew_grad(const gm_grad_args *a) {
    for (int i = 0; i < a->n_in; i++) {
        if (!a->needs[i] || !a->gout[0]) continue;
        gm_tensor *g = ew_partial(a->op, i, a->gout[0], a->in, a->out[0], a->attrs);
        a->gin[i] = g ? gm__sum_to(g, &a->in[i]->shape, a->in[i]->dtype) : NULL;
    }
    return gm_ok();
}

static bool ew_jvp(const gm_jvp_args *a) {
    gm_tensor *sum = NULL;
    for (int i = 0; i < a->n_in; i++) {
        if (!a->tin[i]) continue;
        gm_tensor *t = ew_partial(a->op, i, a->tin[i], a->in, a->out[0], a->attrs);
        if (t) sum = sum ? gm_add(sum, t) : t;
    }
    a->tout[0] = sum && !gm_shape_equal(sum->shape, a->out[0]->shape) ? gm_expand(sum, a->out[0]->shape) : sum;
    return gm_ok();
}

/* Mapped inputs get ones between the batch and their own dimensions, so that these still align to the right. */
static bool ew_batch(const gm_batch_args *a) {
    gm_tensor *in[3];
    int rank = 0;
    for (int i = 0; i < a->n_in; i++) {
        int r = a->in[i]->shape.n - a->mapped[i];
        rank = r > rank ? r : rank;
    }
    for (int i = 0; i < a->n_in; i++) {
        in[i] = a->in[i];
        gm_shape s = { .n = rank + 1 };
        int own = a->in[i]->shape.n - 1;
        if (!a->mapped[i] || own == rank) continue;
        s.d[0] = a->size;
        for (int d = 0; d < rank - own; d++) s.d[1 + d] = 1;
        for (int d = 0; d < own; d++) s.d[1 + rank - own + d] = a->in[i]->shape.d[1 + d];
        in[i] = gm_reshape(a->in[i], s);
    }
    a->out[0] = gm_op_call1(a->op, in, a->n_in, a->attrs);
    return gm_ok();
}

/* ---- the records ---- */

static const gm_attr ew_attrs_1[] = { { "p", GM_ATTR_F64S, 1, offsetof(gm__ew_attrs, p) }, GM_ATTR_END };
static const gm_attr ew_attrs_2[] = { { "p", GM_ATTR_F64S, 2, offsetof(gm__ew_attrs, p) }, GM_ATTR_END };
#define EW_ATTRS_0 NULL
#define EW_ATTRS_1 ew_attrs_1
#define EW_ATTRS_2 ew_attrs_2

/* Every case of an operation with parameters uses these. */
static const gm__ew_attrs ew_case_parameters = { { 0.3, 0.9 } };
#define EW_CASE_0 NULL
#define EW_CASE_1 &ew_case_parameters
#define EW_CASE_2 &ew_case_parameters

#define CASE , NULL, 0, 0, 0 }, {
#define EW_AT(name, domain) (int32_t)offsetof(gm_kernels, ew_##name##_##domain)
#define EW_FLOATS(name) EW_AT(name, f32), EW_AT(name, f64)
#define EW_INTEGERS(name) EW_AT(name, i32), EW_AT(name, i64), EW_AT(name, u64)
#define EW_RECORD(name_, takes_, n_in_, n_par_, gives_, expression_, g0, g1, g2, kernels, ...)                         \
    static uint32_t ew_saves_##name_;                                                                                  \
    static const gm__ew ew_##name_ = {                                                                                 \
        .expression = #expression_, .takes = takes_, .gives = GM__EW_##gives_, .n_in = n_in_, .n_par = n_par_,         \
        .grad = { ew_grad0_##name_, ew_grad1_##name_, ew_grad2_##name_ }, .grad_text = { #g0, #g1, #g2 },              \
        .kernel = { EW_UNPACK kernels }, .saves = &ew_saves_##name_,                                                   \
    };                                                                                                                 \
    static const gm_case ew_cases_##name_[] =                                                                          \
        { { __VA_ARGS__, EW_CASE_##n_par_, 0, 0, 0 }, { NULL, NULL, 0, 0, 0 } };                                       \
    const gm_op gm__op_##name_ = {                                                                                     \
        .size = sizeof(gm_op), .name = #name_, .version = 1, .min_in = n_in_, .max_in = n_in_, .n_out = 1,             \
        .flags = GM_OP_ELEMENTWISE, .attrs_bytes = n_par_ ? sizeof(gm__ew_attrs) : 0, .attrs = EW_ATTRS_##n_par_,      \
        .infer = ew_infer, .kernel = ew_kernel, .grad = ew_grad, .jvp = ew_jvp, .batch = ew_batch,                     \
        .cases = ew_cases_##name_, .extra = &ew_##name_, .doc = #expression_,                                          \
    };
#define EW_UNPACK(...) __VA_ARGS__
#define EW_F(name, i, p, s, e, g0, g1, g2, ...) \
  EW_RECORD(name, 'F', i, p, s, e, g0, g1, g2, (EW_FLOATS(name)), __VA_ARGS__)
#define EW_I(name, i, p, s, e, g0, g1, g2, ...)                                                                        \
    EW_RECORD(name, 'I', i, p, s, e, g0, g1, g2, (0, 0, EW_INTEGERS(name)), __VA_ARGS__)
#define EW_N(name, i, p, s, e, g0, g1, g2, ...)                                                                        \
    EW_RECORD(name, 'N', i, p, s, e, g0, g1, g2, (EW_FLOATS(name), EW_INTEGERS(name)), __VA_ARGS__)
#include "elementwise.def"
#undef EW_F
#undef EW_N
#undef EW_I

/* ---- the public functions ---- */

#define EW_CALL_1_0(name)                                                                                              \
    gm_tensor *gm_##name(gm_tensor *a) { return gm__call1(&gm__op_##name, NULL, a); }
#define EW_CALL_2_0(name)                                                                                              \
    gm_tensor *gm_##name(gm_tensor *a, gm_tensor *b) { return gm__call2(&gm__op_##name, NULL, a, b); }
#define EW_CALL_3_0(name)                                                                                              \
    gm_tensor *gm_##name(gm_tensor *a, gm_tensor *b, gm_tensor *c) { return gm__call3(&gm__op_##name, NULL, a, b, c); }
#define EW_CALL_1_1(name)                                                                                              \
    gm_tensor *gm_##name(gm_tensor *a, double p) { return gm__call1(&gm__op_##name, &(gm__ew_attrs){ { p, 0 } }, a); }
#define EW_CALL_1_2(name)                                                                                              \
    gm_tensor *gm_##name(gm_tensor *a, double p, double q) {                                                           \
        return gm__call1(&gm__op_##name, &(gm__ew_attrs){ { p, q } }, a);                                              \
    }
#define EW_CALL_2_1(name)                                                                                              \
    gm_tensor *gm_##name(gm_tensor *a, gm_tensor *b, double p) {                                                       \
        return gm__call2(&gm__op_##name, &(gm__ew_attrs){ { p, 0 } }, a, b);                                           \
    }
#define EW_CALL_2_2(name)                                                                                              \
    gm_tensor *gm_##name(gm_tensor *a, gm_tensor *b, double p, double q) {                                             \
        return gm__call2(&gm__op_##name, &(gm__ew_attrs){ { p, q } }, a, b);                                           \
    }
#define EW_F(name, i, p, ...) EW_CALL_##i##_##p(name)
#define EW_N EW_F
#define EW_I EW_F
#include "elementwise.def"
#undef EW_F
#undef EW_N
#undef EW_I
#undef CASE
