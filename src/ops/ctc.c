/* ctc.c: the loss of connectionist temporal classification and its gradient (kernels/ctc.h). */
#include "../math/fp.h"
#include "loss.h"
#include "reduce.h"
#include "../base/args.h"
#include "../kernels/kernels.h"

#include <stddef.h>
#include <string.h>

typedef struct { int64_t blank, zero_infinity; } ctc_attrs;
static const gm_attr ctc_fields[] = { GM_ATTR(ctc_attrs, blank, I64), GM_ATTR(ctc_attrs, zero_infinity, I64),
                                      GM_ATTR_END };

extern const gm_op gm__op_ctc, gm__op_ctc_grad;

/* in: x, labels, input lengths, label lengths, from `first` on. */
static bool ctc_check(const gm_op_args *a, int first) {
    const gm_tensor *x = a->in[first], *y = a->in[first + 1];
    int64_t blank = ((const ctc_attrs *)a->attrs)->blank;
    if (!gm__check_float(x, "ctc_loss")) return false;
    if (x->shape.n != 3 || y->shape.n != 2 || y->shape.d[0] != x->shape.d[1])
        return gm_fail(GM_ERROR_SHAPE, "ctc_loss: x is %s, labels are %s; [T, N, C] and [N, S] are needed",
                       gm__tensor_shape_str(x), gm__tensor_shape_str(y));
    for (int i = first + 2; i < first + 4; i++)
        if (a->in[i]->shape.n != 1 || a->in[i]->shape.d[0] != x->shape.d[1])
            return gm_fail(GM_ERROR_SHAPE, "ctc_loss: lengths are %s, x is %s", gm__tensor_shape_str(a->in[i]),
                           gm__tensor_shape_str(x));
    for (int i = first + 1; i < first + 4; i++)
        if (a->in[i]->dtype != GM_I64)
            return gm_fail(GM_ERROR_DTYPE, "ctc_loss: labels and lengths are i64, not %s",
                           gm_dtype_name(a->in[i]->dtype));
    if (blank >= 0 && blank < x->shape.d[2]) return true;
    return gm_fail(GM_ERROR_INDEX, "ctc_loss: blank %lld is not in 0..%lld", (long long)blank,
                   (long long)x->shape.d[2] - 1);
}

static int32_t ctc_infer(const gm_op_args *a, gm_spec *out) {
    if (!ctc_check(a, 0)) return -1;
    const gm_shape *x = &a->in[0]->shape;
    out[0].shape = (gm_shape){ 1, { 0 }, { x->d[1] } };
    out[1].shape = (gm_shape){ 3, { 0 }, { x->d[1], x->d[0], 2 * a->in[1]->shape.d[1] + 1 } };
    out[0].dtype = a->in[0]->dtype;
    out[1].dtype = a->in[0]->dtype == GM_F64 ? GM_F64 : GM_F32;
    return 2;
}

/* (g, x, labels, input lengths, label lengths, alpha) */
static int32_t ctc_grad_infer(const gm_op_args *a, gm_spec *out) {
    if (!ctc_check(a, 1)) return -1;
    out->shape = a->in[1]->shape;
    out->dtype = a->in[1]->dtype;
    return 1;
}

static gm_ctc_job ctc_job(const gm_op_args *a, int first) {
    const ctc_attrs *p = a->attrs;
    const gm_shape *x = &a->in[first]->shape;
    return (gm_ctc_job){ .t = x->d[0], .n = x->d[1], .c = x->d[2], .s = a->in[first + 1]->shape.d[1], .blank = p->blank,
                         .zero_infinity = p->zero_infinity != 0, .logp = gm__data(a->in[first]),
                         .label = (const int64_t *)gm__data(a->in[first + 1]),
                         .input_length = (const int64_t *)gm__data(a->in[first + 2]),
                         .label_length = (const int64_t *)gm__data(a->in[first + 3]) };
}

static bool ctc_check_values(const gm_ctc_job *j) {
    for (int64_t n = 0; n < j->n; n++) {
        if (j->input_length[n] < 0 || j->input_length[n] > j->t || j->label_length[n] < 0 || j->label_length[n] > j->s)
            return gm_fail(GM_ERROR_INDEX, "ctc_loss: entry %lld: input length %lld of %lld, label length %lld of %lld",
                           (long long)n, (long long)j->input_length[n], (long long)j->t, (long long)j->label_length[n],
                           (long long)j->s);
        for (int64_t s = 0; s < j->label_length[n]; s++) {
            int64_t label = j->label[n * j->s + s];
            if (label < 0 || label >= j->c)
                return gm_fail(GM_ERROR_INDEX, "ctc_loss: label %lld at [%lld, %lld] is not in 0..%lld (%lld classes)",
                               (long long)label, (long long)n, (long long)s, (long long)j->c - 1, (long long)j->c);
        }
    }
    return true;
}

typedef struct { const gm_ctc_job *job; void (*f)(const gm_ctc_job *job, int64_t begin, int64_t end); } ctc_run;

static void ctc_range(void *env, int64_t begin, int64_t end) {
    const ctc_run *r = env;
    r->f(r->job, begin, end);
}

static bool ctc_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_ctc_job job = ctc_job(a, 0);
    if (!ctc_check_values(&job)) return false;
    job.loss = gm__data(out[0]), job.alpha = gm__data(out[1]);
    ctc_run r = { &job, out[0]->dtype == GM_F64 ? k->norm_ctc_alpha_f64 : k->norm_ctc_alpha_f32 };
    gm_parallel_for(job.n, 1 + 1000 / (job.t * (job.s + 1) + 1), ctc_range, &r);
    return true;
}

static bool ctc_grad_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_kernels *k = gm__kernels();
    gm_ctc_job job = ctc_job(a, 1);
    if (!ctc_check_values(&job)) return false;
    job.g = gm__data(a->in[0]), job.alpha = gm__data(a->in[5]), job.grad = gm__data(out[0]);
    job.work = gm_alloc((size_t)(2 * job.n * (2 * job.s + 1)) * 8 + 8);
    if (!job.work) return false;
    ctc_run r = { &job, out[0]->dtype == GM_F64 ? k->norm_ctc_grad_f64 : k->norm_ctc_grad_f32 };
    gm_parallel_for(job.n, 1 + 1000 / (job.t * (job.s + 1) + 1), ctc_range, &r);
    gm_free(job.work);
    return true;
}

static bool ctc_grad(const gm_grad_args *a) {
    gm_tensor *in[6] = { a->gout[0], a->in[0], a->in[1], a->in[2], a->in[3], a->out[1] };
    if (a->gout[0]) a->gin[0] = gm_op_call1(&gm__op_ctc_grad, in, 6, a->attrs);
    return gm_ok();
}

/* Linear in g: what arrives meets the gradient for g = 1. There is no rule for x. */
static bool ctc_second(const gm_grad_args *a) {
    gm_tensor *in[6] = { gm_ones_like(a->in[0]), a->in[1], a->in[2], a->in[3], a->in[4], a->in[5] };
    if (a->needs[1]) return gm_fail(GM_ERROR_GRADIENT, "ctc_loss: there is no second derivative");
    gm_tensor *each = gm_mul(a->gout[0], gm_op_call1(&gm__op_ctc_grad, in, 6, a->attrs));
    a->gin[0] = gm_sum_dims(each, (int32_t[]){ 0, 2 }, 2, false);
    return a->gin[0] != NULL;
}

#define CTC_CASE "i64[2,2] below 4; i64[2] below 5; i64[2] below 3"

const gm_op gm__op_ctc = {
    .size = sizeof(gm_op), .name = "ctc", .version = 1, .min_in = 4, .max_in = 4, .n_out = 2,
    .flags = GM_OP_CONTIGUOUS | GM_OP_COMPUTE_F32, .saves_in = 15, .saves_out = 2, .diff_in = 1,
    .attrs_bytes = sizeof(ctc_attrs), .attrs = ctc_fields, .infer = ctc_infer, .kernel = ctc_kernel, .grad = ctc_grad,
    .diff_out = 1, /* second order: ctc_second refuses */
    .cases = (const gm_case[]){ { "[5,2,4]; " CTC_CASE, &(ctc_attrs){ 0, 1 }, 0, GM_CASE_NO_SECOND, 0 },
                                { "[4,2,5]; " CTC_CASE, &(ctc_attrs){ 1, 1 }, 0, GM_CASE_NO_SECOND, 0 }, { 0 } },
    .doc = "connectionist temporal classification: the loss of each entry, and the logarithms of its paths",
};

const gm_op gm__op_ctc_grad = {
    .size = sizeof(gm_op),
    .name = "ctc_grad",
    .version = 1,
    .min_in = 6,
    .max_in = 6,
    .n_out = 1,
    .flags = GM_OP_CONTIGUOUS | GM_OP_COMPUTE_F32,
    .saves_in = 63,
    .diff_in = 3,
    .attrs_bytes = sizeof(ctc_attrs),
    .attrs = ctc_fields,
    .infer = ctc_grad_infer,
    .kernel = ctc_grad_kernel,
    .grad = ctc_second,
    .cases = (const gm_case[]){ { "[2]; [5,2,4]; " CTC_CASE "; [2,5,5]", &(ctc_attrs){ 0, 1 }, 64, GM_CASE_NO_GRAD, 0 },
                                { "[2]; [4,2,5]; " CTC_CASE "; [2,4,5]", &(ctc_attrs){ 1, 1 }, 64, GM_CASE_NO_GRAD, 0 },
                                { 0 } },
    .doc = "the gradient of ctc",
};
#undef CTC_CASE

gm_tensor *gm_ctc_loss_with(gm_tensor *x, gm_tensor *y, gm_tensor *input_lengths, gm_tensor *target_lengths,
                            const gm_ctc_loss_args *args) {
    gm_ctc_loss_args o;
    if (!gm_ok() || !gm__args_take("ctc_loss", &o, sizeof o, args)) return NULL;
    gm_tensor *in[4] = { x, y, input_lengths, target_lengths };
    for (int i = 0; i < 4; i++)
        if (!gm__check_tensor(in[i], "ctc_loss", i + 1) || (i && !(in[i] = gm_cast(in[i], GM_I64)))) return NULL;
    in[0] = gm__loss_wide(x);
    ctc_attrs p = { o.blank, o.zero_infinity != 0 };
    gm_tensor *l = gm_op_call1(&gm__op_ctc, in, 4, &p);
    if (o.reduction == GM_LOSS_MEAN) l = gm_div(l, gm_cast(gm_maximum_scalar(in[3], 1), gm_dtype_of(in[0])));
    return l ? gm__loss_reduce(l, x, o.reduction == GM_LOSS_BATCH_MEAN ? GM_LOSS_MEAN : o.reduction) : NULL;
}

gm_tensor *(gm_ctc_loss)(gm_tensor *x, gm_tensor *y, gm_tensor *input_lengths, gm_tensor *target_lengths) {
    return gm_ctc_loss_with(x, y, input_lengths, target_lengths, NULL);
}
