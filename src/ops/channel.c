/* channel.c: sums per channel, and what batch norm needs of them. */
#include "../math/fp.h"
#include "norm.h"
#include "reduce.h"

#include <string.h>

/* ---- jobs ---- */

gm_channel_job gm__channel_job(const gm_shape *x, bool last) {
    gm_channel_job j = { .n = x->d[0], .c = x->d[1], .s = 1, .last = last };
    for (int i = 2; i < x->n; i++) j.s *= x->d[i];
    return j;
}

bool gm__channels_innermost(const gm_tensor *y) {
    int64_t s = 1;
    for (int i = 2; i < y->shape.n; i++) s *= y->shape.d[i];
    return s == 1 || (gm_is_channels_last(y) && !gm_is_contiguous(y));
}

gm_tensor *gm__channel_layout(gm_tensor *x, const gm_channel_job *job) {
    return job->last && job->s > 1 ? gm_channels_last(x) : gm_contiguous(x);
}

gm_tensor *gm__per_channel(gm_tensor *v, int rank) {
    gm_shape s = { .n = rank > 1 ? rank - 1 : 1 };
    if (!v) return NULL;
    for (int i = 1; i < s.n; i++) s.d[i] = 1;
    s.d[0] = gm_shape_count(v->shape);
    return gm_reshape(v, s);
}

typedef struct {
    const gm_channel_job *job;
    void (*f)(const gm_channel_job *job, int64_t begin, int64_t end);
} channel_run;

static void channel_range(void *env, int64_t begin, int64_t end) {
    const channel_run *r = env;
    r->f(r->job, begin, end);
}

/* Over channels: no range of so few that vectors would be half empty. */
static void channel_over_channels(const channel_run *r) {
    int64_t each = r->job->n * r->job->s, grain = 32768 / (each + 1) + 1;
    if (r->job->last && grain < 16) grain = 16;
    gm_parallel_for(r->job->c, grain, channel_range, (void *)r);
}

/* Of no positions the sums are 0: the kernels write a channel's when its last block is done. */
void gm__channel_sums(const gm_channel_job *job, gm_dtype dtype) {
    const gm_kernels *k = gm__kernels();
    bool none = job->n == 0 || job->s == 0;
    for (int i = 0; none && i < 2; i++)
        if (job->out[i]) memset(job->out[i], 0, (size_t)(job->c * gm__element_bytes(dtype)));
    if (none) return;
    channel_over_channels(&(channel_run){ job, dtype == GM_F64 ? k->norm_channel_sums_f64 : k->norm_channel_sums_f32 });
}

void gm__channel_stats(const gm_channel_job *job, gm_dtype dtype) {
    const gm_kernels *k = gm__kernels();
    channel_over_channels(
        &(channel_run){ job, dtype == GM_F64 ? k->norm_channel_stats_f64 : k->norm_channel_stats_f32 });
}

void gm__channel_apply(const gm_channel_job *job, gm_dtype dtype) {
    const gm_kernels *k = gm__kernels();
    channel_run r = { job, dtype == GM_F64 ? k->norm_channel_apply_f64 : k->norm_channel_apply_f32 };
    int64_t rows = job->last ? job->n * job->s : job->n * job->c, width = job->last ? job->c : job->s;
    gm_parallel_for(rows, 65536 / (width + 1) + 1, channel_range, &r);
}

/* ---- the sums as an operation ---- */

static int32_t channel_sum_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0], *y = a->n_in > 1 && a->in[1] ? a->in[1] : x;
    if (!gm__check_float(x, "channel_sum")) return -1;
    if (x->shape.n < 2 || !gm_shape_equal(x->shape, y->shape) || x->dtype != y->dtype)
        return gm_fail(GM_ERROR_SHAPE, "channel_sum: %s %s and %s %s; both must be [N, C, ...]",
                       gm_dtype_name(x->dtype), gm__tensor_shape_str(x), gm_dtype_name(y->dtype),
                       gm__tensor_shape_str(y)),
               -1;
    out->shape = (gm_shape){ 1, { 0 }, { x->shape.d[1] } };
    out->dtype = x->dtype;
    return 1;
}

static bool channel_sum_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_channel_job job = gm__channel_job(&a->in[0]->shape, gm__channels_innermost(a->in[0]));
    bool dot = a->n_in > 1 && a->in[1];
    gm_tensor *g = gm__channel_layout(a->in[0], &job), *x = dot ? gm__channel_layout(a->in[1], &job) : g;
    if (!g || !x) return false;
    job.g = gm__data(g), job.x = dot ? gm__data(x) : NULL;
    job.out[dot] = gm__data(out[0]);
    gm__channel_sums(&job, out[0]->dtype);
    return true;
}

static bool channel_sum_grad(const gm_grad_args *a) {
    gm_tensor *g = gm_expand(gm__per_channel(a->gout[0], a->in[0]->shape.n), a->in[0]->shape);
    bool dot = a->n_in > 1 && a->in[1];
    if (a->needs[0]) a->gin[0] = dot ? gm_mul(g, a->in[1]) : g;
    if (dot && a->needs[1]) a->gin[1] = gm_mul(g, a->in[0]);
    return gm_ok();
}

const gm_op gm__op_channel_sum = {
    .size = sizeof(gm_op), .name = "channel_sum", .version = 1, .min_in = 1, .max_in = 2, .n_out = 1,
    .flags = GM_OP_COMPUTE_F32 | GM_OP_LINEAR, .saves_in = 3,
    .infer = channel_sum_infer, .kernel = channel_sum_kernel, .grad = channel_sum_grad,
    .cases = (const gm_case[]){ { "[2,3,5]", NULL, 0, 0, 0 }, { "[3,4]", NULL, 0, 0, 0 },
                                { "[2,3,5,7]; [2,3,5,7]", NULL, 0, 0, 0 },
                                { "[2,3,20,30]; [2,3,20,30]", NULL, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the sum over all but the channel, of x or of x * y",
};

gm_tensor *gm__sum_channels(gm_tensor *x) { return gm_op_call1(&gm__op_channel_sum, &x, 1, NULL); }
gm_tensor *gm__dot_channels(gm_tensor *x, gm_tensor *y) { return gm__call2(&gm__op_channel_sum, NULL, x, y); }
