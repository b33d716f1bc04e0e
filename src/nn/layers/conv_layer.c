/* conv_layer.c: convolution and transposed convolution in one to three dimensions. The state is the operation's options
 * and the dimensions of the window; the options of the two families have one layout up to `same` / `output_padding`. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

#include <math.h>
#include <string.h>

typedef struct { gm_tensor *weight, *bias; gm_conv_args op; int32_t dims; } conv_state;
typedef struct { gm_tensor *weight, *bias; gm_conv_transpose_args op; int32_t dims; } conv_transpose_state;

static gm_tensor *conv_layer_forward(gm_module *m, gm_tensor *x) {
    const conv_state *self = gm_state(m);
    if (!self) return NULL;
    gm_conv_args op = self->op;
    op.bias = self->bias;
    if (self->dims == 1) return gm_conv1d_with(x, self->weight, &op);
    return self->dims == 2 ? gm_conv2d_with(x, self->weight, &op) : gm_conv3d_with(x, self->weight, &op);
}

static gm_tensor *conv_transpose_layer_forward(gm_module *m, gm_tensor *x) {
    const conv_transpose_state *self = gm_state(m);
    if (!self) return NULL;
    gm_conv_transpose_args op = self->op;
    op.bias = self->bias;
    if (self->dims == 1) return gm_conv_transpose1d_with(x, self->weight, &op);
    return self->dims == 2 ? gm_conv_transpose2d_with(x, self->weight, &op)
                           : gm_conv_transpose3d_with(x, self->weight, &op);
}

/* One number per dimension: the array's where it has any, else the one number, else the default. */
static void conv_spread(int32_t *to, const int32_t *array, int32_t one, int32_t otherwise) {
    bool any = array[0] || array[1] || array[2];
    for (int i = 0; i < 3; i++) to[i] = any ? array[i] : one ? one : otherwise;
}

typedef struct { int32_t kernel[3], stride[3], padding[3], dilation[3], groups; } conv_numbers;

static bool conv_check(const char *name, int dims, int64_t in, int64_t out, const conv_numbers *c) {
    bool good = in >= 1 && out >= 1 && c->groups >= 1 && in % c->groups == 0 && out % c->groups == 0;
    for (int i = 0; i < dims; i++)
        good = good && c->kernel[i] >= 1 && c->stride[i] >= 1 && c->padding[i] >= 0 && c->dilation[i] >= 1;
    if (good) return true;
    return gm_fail(GM_ERROR_VALUE,
                   "%s: %lld to %lld channels, kernel %d, stride %d, padding %d, dilation %d, groups %d", name,
                   (long long)in, (long long)out, c->kernel[0], c->stride[0], c->padding[0], c->dilation[0], c->groups);
}

/* Weight [first, second, window] and bias [out] under Kaiming's uniform rule with slope sqrt(5), as PyTorch has it. */
static void conv_parameters(gm_module *m, gm_tensor **weight, gm_tensor **bias, int64_t first, int64_t second,
                            int64_t out, int dims, const int32_t *kernel, gm_dtype dtype, bool no_bias) {
    gm_shape s = { .n = 2 + dims, .d = { first, second } };
    double fan = (double)second;
    for (int i = 0; i < dims; i++) s.d[2 + i] = kernel[i], fan *= kernel[i];
    double bound = 1 / sqrt(fan);
    if (!dtype) dtype = GM_F32;
    *weight = gm_param_init(m, "weight", s, dtype, GM_INIT_UNIFORM, -bound, bound);
    if (!no_bias) *bias = gm_param_init(m, "bias", GM_SHAPE(out), dtype, GM_INIT_UNIFORM, -bound, bound);
}

static gm_module *conv_new(const char *name, int dims, int64_t in, int64_t out, const gm_nn_conv_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_conv_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args)) return NULL;
    conv_numbers c = { .groups = a.groups ? a.groups : 1 };
    conv_spread(c.kernel, a.kernels, a.kernel, 3);
    conv_spread(c.stride, a.strides, a.stride, 1);
    conv_spread(c.padding, a.paddings, a.padding, 0);
    conv_spread(c.dilation, a.dilations, a.dilation, 1);
    if (!conv_check(name, dims, in, out, &c)) return NULL;
    gm_module_class class = {
        .size = sizeof class, .name = name, .state_bytes = sizeof(conv_state), .forward = conv_layer_forward
    };
    gm_module *m = gm_module_new_with(&class);
    conv_state *self = gm_state(m);
    if (!self) return NULL;
    self->dims = dims;
    self->op = (gm_conv_args){ .size = sizeof self->op, .groups = c.groups, .same = a.same };
    for (int i = 0; i < dims; i++) {
        self->op.strides[i] = c.stride[i], self->op.dilations[i] = c.dilation[i];
        self->op.padding_low[i] = self->op.padding_high[i] = c.padding[i];
    }
    conv_parameters(m, &self->weight, &self->bias, out, in / c.groups, out, dims, c.kernel, a.dtype, a.no_bias);
    return gm_ok() ? m : NULL;
}

static gm_module *conv_transpose_new(const char *name, int dims, int64_t in, int64_t out,
                                     const gm_nn_conv_transpose_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_conv_transpose_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args)) return NULL;
    conv_numbers c = { .groups = a.groups ? a.groups : 1 };
    conv_spread(c.kernel, a.kernels, a.kernel, 3);
    conv_spread(c.stride, a.strides, a.stride, 1);
    conv_spread(c.padding, a.paddings, a.padding, 0);
    conv_spread(c.dilation, a.dilations, a.dilation, 1);
    if (!conv_check(name, dims, in, out, &c)) return NULL;
    gm_module_class class = { .size = sizeof class,
                              .name = name,
                              .state_bytes = sizeof(conv_transpose_state),
                              .forward = conv_transpose_layer_forward };
    gm_module *m = gm_module_new_with(&class);
    conv_transpose_state *self = gm_state(m);
    if (!self) return NULL;
    int32_t extra[3];
    conv_spread(extra, a.output_paddings, a.output_padding, 0);
    self->dims = dims;
    self->op = (gm_conv_transpose_args){ .size = sizeof self->op, .groups = c.groups };
    for (int i = 0; i < dims; i++) {
        self->op.strides[i] = c.stride[i], self->op.dilations[i] = c.dilation[i];
        self->op.padding_low[i] = self->op.padding_high[i] = c.padding[i];
        self->op.output_paddings[i] = extra[i];
    }
    conv_parameters(m, &self->weight, &self->bias, in, out / c.groups, out, dims, c.kernel, a.dtype, a.no_bias);
    return gm_ok() ? m : NULL;
}

gm_module *gm_nn_conv1d_with(int64_t in, int64_t out, const gm_nn_conv1d_args *args) {
    return conv_new("nn_conv1d", 1, in, out, args);
}
gm_module *gm_nn_conv2d_with(int64_t in, int64_t out, const gm_nn_conv2d_args *args) {
    return conv_new("nn_conv2d", 2, in, out, args);
}
gm_module *gm_nn_conv3d_with(int64_t in, int64_t out, const gm_nn_conv3d_args *args) {
    return conv_new("nn_conv3d", 3, in, out, args);
}
gm_module *gm_nn_conv_transpose1d_with(int64_t in, int64_t out, const gm_nn_conv_transpose1d_args *args) {
    return conv_transpose_new("nn_conv_transpose1d", 1, in, out, args);
}
gm_module *gm_nn_conv_transpose2d_with(int64_t in, int64_t out, const gm_nn_conv_transpose2d_args *args) {
    return conv_transpose_new("nn_conv_transpose2d", 2, in, out, args);
}
gm_module *gm_nn_conv_transpose3d_with(int64_t in, int64_t out, const gm_nn_conv_transpose3d_args *args) {
    return conv_transpose_new("nn_conv_transpose3d", 3, in, out, args);
}
