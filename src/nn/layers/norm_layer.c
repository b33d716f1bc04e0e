/* norm_layer.c: normalisation layers.
 *
 * One state for all. Running statistics are changed by gm_assign, outside of the tape; in evaluation instance norm with
 * running statistics is batch norm. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

typedef struct {
    gm_tensor *weight, *bias, *mean, *var, *batches;
    gm_real eps;
    double momentum; /* negative: 1 / the number of batches */
    int64_t channels;
    int32_t dims, n; /* of x, 0 for any (batch norm); of the shape (layer and rms norm), groups (group norm) */
} norm_state;

static gm_module *norm_new(const char *name, gm_forward_fn forward, gm_real eps) {
    if (eps.set && !(eps.v >= 0)) return gm_fail(GM_ERROR_VALUE, "%s: eps is %g", name, eps.v), NULL;
    gm_module_class c = { .size = sizeof c, .name = name, .state_bytes = sizeof(norm_state), .forward = forward };
    gm_module *m = gm_module_new_with(&c);
    norm_state *self = gm_state(m);
    if (self) self->eps = eps;
    return m;
}

static void norm_parameters(gm_module *m, gm_shape shape, gm_dtype dtype, bool weight, bool bias) {
    norm_state *self = gm_state(m);
    if (!self) return;
    if (!dtype) dtype = GM_F32;
    if (weight) self->weight = gm_param_init(m, "weight", shape, dtype, GM_INIT_CONSTANT, 1, 0);
    if (bias) self->bias = gm_param_init(m, "bias", shape, dtype, GM_INIT_CONSTANT, 0, 0);
}

static void norm_buffers(gm_module *m, int64_t channels, gm_dtype dtype) {
    norm_state *self = gm_state(m);
    if (!self) return;
    if (!dtype) dtype = GM_F32;
    GM_SCOPE(s);
    self->mean = gm_buffer(m, "running_mean", gm_zeros(GM_SHAPE(channels), dtype));
    self->var = gm_buffer(m, "running_var", gm_ones(GM_SHAPE(channels), dtype));
    self->batches = gm_buffer(m, "num_batches_tracked", gm_zeros(GM_SCALAR, GM_I64));
}

/* ---- running statistics ---- */

/* r = fma(momentum, new - r, r). Without a momentum it is 1 / the number of batches. */
static bool norm_move(const norm_state *self, gm_tensor *r, gm_tensor *to) {
    gm_tensor *rate = self->momentum < 0 ? gm_reciprocal(gm_cast(self->batches, GM_F64)) : NULL;
    rate = rate ? gm_cast(rate, gm_dtype_of(r)) : gm_full_like(r, self->momentum);
    return gm_assign(r, gm_fma(rate, gm_sub(gm_cast(to, gm_dtype_of(r)), r), r));
}

static bool norm_update(const norm_state *self, gm_tensor *mean, gm_tensor *var) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    return norm_move(self, self->mean, mean) && norm_move(self, self->var, var);
}

static bool norm_check(const norm_state *self, const char *op, gm_tensor *x) {
    gm_shape s = gm_shape_of(x);
    char text[200];
    if (!self || !gm_ok()) return false;
    bool fits = !self->dims || s.n == self->dims || (self->dims == 3 && s.n == 2);
    if (s.n < 2 || !fits || s.d[1] != self->channels)
        return gm_fail(GM_ERROR_SHAPE, "%s: input is %s, [B, %lld%s] is wanted", op,
                       gm_shape_text(s, text, sizeof text), (long long)self->channels,
                       self->dims == 3   ? "] or [B, channels, W"
                       : self->dims == 4 ? ", H, W"
                       : self->dims == 5 ? ", D, H, W"
                                         : ", ...");
    return true;
}

/* ---- batch norm ---- */

static gm_tensor *norm_by_batch(const norm_state *self, gm_tensor *x) {
    gm_tensor *mean = NULL, *var = NULL;
    int64_t n = gm_count(x) / self->channels;
    char text[200];
    if (n < 2)
        return gm_fail(GM_ERROR_SHAPE, "batch_norm: a training batch of one value per channel, %s",
                       gm_shape_text(gm_shape_of(x), text, sizeof text)),
               NULL;
    gm_tensor *y = gm_batch_norm(x, .weight = self->weight, .bias = self->bias, .eps = self->eps, .batch_mean = &mean,
                                 .batch_var = &var);
    if (!y || !self->mean) return y;
    GM_NO_GRAD;
    if (!gm_assign(self->batches, gm_add_scalar(self->batches, 1))) return NULL;
    return norm_update(self, mean, gm_mul_scalar(var, (double)n / (double)(n - 1))) ? y : NULL;
}

static gm_tensor *nn_batch_norm_forward(gm_module *m, gm_tensor *x) {
    const norm_state *self = gm_state(m);
    if (!norm_check(self, "batch_norm", x)) return NULL;
    if (gm_is_training(m) || !self->mean) return norm_by_batch(self, x);
    return gm_batch_norm(x, .weight = self->weight, .bias = self->bias, .eps = self->eps, .mean = self->mean,
                         .var = self->var);
}

static bool norm_check_new(const char *name, int64_t channels, gm_real momentum) {
    if (channels < 1) return gm_fail(GM_ERROR_VALUE, "%s: %lld channels", name, (long long)channels);
    if (momentum.set && !(momentum.v >= 0 && momentum.v <= 1))
        return gm_fail(GM_ERROR_VALUE, "%s: momentum is %g, it is in [0, 1]", name, momentum.v);
    return true;
}

static gm_module *norm_batch_new(const char *name, int32_t dims, int64_t channels, const gm_nn_batch_norm_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_batch_norm_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args) || !norm_check_new(name, channels, a.momentum)) return NULL;
    gm_module *m = norm_new(name, nn_batch_norm_forward, a.eps);
    norm_state *self = gm_state(m);
    if (!self) return NULL;
    self->momentum = a.cumulative ? -1 : gm__real_or(a.momentum, 0.1);
    self->channels = channels;
    self->dims = dims;
    norm_parameters(m, GM_SHAPE(channels), a.dtype, !a.no_affine, !a.no_affine);
    if (!a.no_running) norm_buffers(m, channels, a.dtype);
    return gm_ok() ? m : NULL;
}

gm_module *gm_nn_batch_norm_with(int64_t channels, const gm_nn_batch_norm_args *args) {
    return norm_batch_new("nn_batch_norm", 0, channels, args);
}
gm_module *gm_nn_batch_norm1d_with(int64_t channels, const gm_nn_batch_norm1d_args *args) {
    return norm_batch_new("nn_batch_norm1d", 3, channels, args);
}
gm_module *gm_nn_batch_norm2d_with(int64_t channels, const gm_nn_batch_norm2d_args *args) {
    return norm_batch_new("nn_batch_norm2d", 4, channels, args);
}
gm_module *gm_nn_batch_norm3d_with(int64_t channels, const gm_nn_batch_norm3d_args *args) {
    return norm_batch_new("nn_batch_norm3d", 5, channels, args);
}

/* ---- instance norm ---- */

/* The statistics of the entries, averaged over the batch. (PyTorch does not count the batches here.) */
static bool norm_track_instances(const norm_state *self, gm_tensor *x) {
    GM_NO_GRAD;
    int32_t dims[GM_MAX_DIMS];
    int n = gm_n_dims(x) - 2;
    for (int i = 0; i < n; i++) dims[i] = 2 + i;
    gm_tensor *mean = gm_mean_dims(x, dims, n, false), *var = gm_var_dims(x, dims, n, 1, false);
    return norm_update(self, gm_mean_dim(mean, 0, false), gm_mean_dim(var, 0, false));
}

static gm_tensor *nn_instance_norm_forward(gm_module *m, gm_tensor *x) {
    const norm_state *self = gm_state(m);
    if (!norm_check(self, "instance_norm", x)) return NULL;
    if (self->mean && !gm_is_training(m))
        return gm_batch_norm(x, .weight = self->weight, .bias = self->bias, .eps = self->eps, .mean = self->mean,
                             .var = self->var);
    gm_tensor *y = gm_instance_norm(x, .weight = self->weight, .bias = self->bias, .eps = self->eps);
    return y && (!self->mean || norm_track_instances(self, x)) ? y : NULL;
}

gm_module *gm_nn_instance_norm_with(int64_t channels, const gm_nn_instance_norm_args *args) {
    if (!gm_ok()) return NULL;
    const char *name = "nn_instance_norm";
    gm_nn_instance_norm_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args) || !norm_check_new(name, channels, a.momentum)) return NULL;
    gm_module *m = norm_new(name, nn_instance_norm_forward, a.eps);
    norm_state *self = gm_state(m);
    if (!self) return NULL;
    self->momentum = gm__real_or(a.momentum, 0.1);
    self->channels = channels;
    norm_parameters(m, GM_SHAPE(channels), a.dtype, a.affine, a.affine);
    if (a.running) norm_buffers(m, channels, a.dtype);
    return gm_ok() ? m : NULL;
}

/* ---- layer, rms and group norm ---- */

static gm_tensor *nn_layer_norm_forward(gm_module *m, gm_tensor *x) {
    const norm_state *self = gm_state(m);
    return self ? gm_layer_norm(x, self->n, .weight = self->weight, .bias = self->bias, .eps = self->eps) : NULL;
}

static gm_tensor *nn_rms_norm_forward(gm_module *m, gm_tensor *x) {
    const norm_state *self = gm_state(m);
    return self ? gm_rms_norm(x, self->n, .weight = self->weight, .eps = self->eps) : NULL;
}

static gm_tensor *nn_group_norm_forward(gm_module *m, gm_tensor *x) {
    const norm_state *self = gm_state(m);
    if (!norm_check(self, "group_norm", x)) return NULL;
    return gm_group_norm(x, self->n, .weight = self->weight, .bias = self->bias, .eps = self->eps);
}

static gm_module *norm_of_shape(const char *name, gm_forward_fn forward, gm_shape shape, bool bias,
                                const gm_nn_norm_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_norm_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args)) return NULL;
    char text[200];
    if (shape.n < 1 || shape.n > GM_MAX_DIMS || gm_shape_count(shape) < 1)
        return gm_fail(GM_ERROR_VALUE, "%s: the shape %s", name, gm_shape_text(shape, text, sizeof text)), NULL;
    gm_module *m = norm_new(name, forward, a.eps);
    norm_state *self = gm_state(m);
    if (!self) return NULL;
    self->n = shape.n;
    norm_parameters(m, shape, a.dtype, !a.no_affine, bias && !a.no_affine && !a.no_bias);
    return gm_ok() ? m : NULL;
}

gm_module *gm_nn_layer_norm_with(gm_shape shape, const gm_nn_layer_norm_args *args) {
    return norm_of_shape("nn_layer_norm", nn_layer_norm_forward, shape, true, args);
}
gm_module *gm_nn_rms_norm_with(gm_shape shape, const gm_nn_rms_norm_args *args) {
    return norm_of_shape("nn_rms_norm", nn_rms_norm_forward, shape, false, args);
}

gm_module *gm_nn_group_norm_with(int32_t groups, int64_t channels, const gm_nn_group_norm_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_norm_args a = { 0 };
    if (!gm__args_take("nn_group_norm", &a, sizeof a, args)) return NULL;
    if (groups < 1 || channels < 1 || channels % groups)
        return gm_fail(GM_ERROR_VALUE, "nn_group_norm: %d groups of %lld channels", groups, (long long)channels), NULL;
    gm_module *m = norm_new("nn_group_norm", nn_group_norm_forward, a.eps);
    norm_state *self = gm_state(m);
    if (!self) return NULL;
    self->n = groups;
    self->channels = channels;
    norm_parameters(m, GM_SHAPE(channels), a.dtype, !a.no_affine, !a.no_affine && !a.no_bias);
    return gm_ok() ? m : NULL;
}
