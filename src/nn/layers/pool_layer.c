/* pool_layer.c: pooling layers: windows, adaptive, global. The state of a window's layer is its operation's options. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

#include <string.h>

typedef struct { gm_max_pool_args op; int32_t kernel, dims; } max_pool_state;
typedef struct { gm_avg_pool_args op; int32_t kernel, dims; } avg_pool_state;
typedef struct { int64_t d[3]; int32_t dims, max; } adaptive_pool_state;

static gm_module *pool_new(const char *name, size_t state_bytes, gm_forward_fn forward) {
    gm_module_class c = { .size = sizeof c, .name = name, .state_bytes = state_bytes, .forward = forward };
    return gm_module_new_with(&c);
}

static bool pool_check(const char *name, int dims, int32_t kernel, const int32_t *kernels, int32_t stride,
                       int32_t padding) {
    bool good = kernel >= 0 && stride >= 0 && padding >= 0;
    for (int i = 0; i < dims; i++) good = good && (kernel > 0 || kernels[i] > 0);
    return good || gm_fail(GM_ERROR_VALUE, "%s: kernel %d, stride %d, padding %d", name, kernel ? kernel : kernels[0],
                           stride, padding);
}

/* The operations take one padding for all dimensions, or low and high ones per dimension. */
static void pool_paddings(const int32_t *given, int32_t *low, int32_t *high) {
    memcpy(low, given, 3 * sizeof *low);
    memcpy(high, given, 3 * sizeof *high);
}

static gm_tensor *max_pool_forward(gm_module *m, gm_tensor *x) {
    const max_pool_state *self = gm_state(m);
    if (!self) return NULL;
    if (self->dims == 1) return gm_max_pool1d_with(x, self->kernel, &self->op);
    return self->dims == 2 ? gm_max_pool2d_with(x, self->kernel, &self->op)
                           : gm_max_pool3d_with(x, self->kernel, &self->op);
}

static gm_module *max_pool_new(const char *name, int dims, int32_t kernel, const gm_nn_max_pool_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_max_pool_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args) || !pool_check(name, dims, kernel, a.kernels, a.stride, a.padding))
        return NULL;
    gm_module *m = pool_new(name, sizeof(max_pool_state), max_pool_forward);
    max_pool_state *self = gm_state(m);
    if (!self) return NULL;
    *self = (max_pool_state){ { .size = sizeof self->op,
                                .stride = a.stride,
                                .padding = a.padding,
                                .dilation = a.dilation,
                                .ceil_mode = a.ceil_mode },
                              kernel,
                              dims };
    memcpy(self->op.kernels, a.kernels, sizeof a.kernels);
    memcpy(self->op.strides, a.strides, sizeof a.strides);
    memcpy(self->op.dilations, a.dilations, sizeof a.dilations);
    pool_paddings(a.paddings, self->op.padding_low, self->op.padding_high);
    return m;
}

static gm_tensor *avg_pool_forward(gm_module *m, gm_tensor *x) {
    const avg_pool_state *self = gm_state(m);
    if (!self) return NULL;
    if (self->dims == 1) return gm_avg_pool1d_with(x, self->kernel, &self->op);
    return self->dims == 2 ? gm_avg_pool2d_with(x, self->kernel, &self->op)
                           : gm_avg_pool3d_with(x, self->kernel, &self->op);
}

static gm_module *avg_pool_new(const char *name, int dims, int32_t kernel, const gm_nn_avg_pool_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_avg_pool_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args) || !pool_check(name, dims, kernel, a.kernels, a.stride, a.padding))
        return NULL;
    gm_module *m = pool_new(name, sizeof(avg_pool_state), avg_pool_forward);
    avg_pool_state *self = gm_state(m);
    if (!self) return NULL;
    *self = (avg_pool_state){ { .size = sizeof self->op,
                                .stride = a.stride,
                                .padding = a.padding,
                                .ceil_mode = a.ceil_mode,
                                .exclude_padding = a.exclude_padding,
                                .divisor = a.divisor },
                              kernel,
                              dims };
    memcpy(self->op.kernels, a.kernels, sizeof a.kernels);
    memcpy(self->op.strides, a.strides, sizeof a.strides);
    pool_paddings(a.paddings, self->op.padding_low, self->op.padding_high);
    return m;
}

static gm_tensor *adaptive_pool_forward(gm_module *m, gm_tensor *x) {
    const adaptive_pool_state *self = gm_state(m);
    if (!self) return NULL;
    const int64_t *d = self->d;
    switch (self->dims * 2 + self->max) {
    case 2: return gm_adaptive_avg_pool1d(x, d[0]);
    case 3: return gm_adaptive_max_pool1d(x, d[0]);
    case 4: return gm_adaptive_avg_pool2d(x, d[0], d[1]);
    case 5: return gm_adaptive_max_pool2d(x, d[0], d[1]);
    case 6: return gm_adaptive_avg_pool3d(x, d[0], d[1], d[2]);
    default: return gm_adaptive_max_pool3d(x, d[0], d[1], d[2]);
    }
}

static gm_module *adaptive_pool_new(const char *name, int dims, bool max, int64_t a, int64_t b, int64_t c) {
    if (!gm_ok()) return NULL;
    if (a < 0 || b < 0 || c < 0)
        return gm_fail(GM_ERROR_VALUE, "%s: sizes %lld, %lld, %lld", name, (long long)a, (long long)b, (long long)c),
               NULL;
    gm_module *m = pool_new(name, sizeof(adaptive_pool_state), adaptive_pool_forward);
    adaptive_pool_state *self = gm_state(m);
    if (self) *self = (adaptive_pool_state){ { a, b, c }, dims, max };
    return m;
}

static gm_tensor *global_avg_pool_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_global_avg_pool(x, false); }
static gm_tensor *global_max_pool_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_global_max_pool(x, false); }

gm_module *gm_nn_max_pool1d_with(int32_t kernel, const gm_nn_max_pool1d_args *args) {
    return max_pool_new("nn_max_pool1d", 1, kernel, args);
}
gm_module *gm_nn_max_pool2d_with(int32_t kernel, const gm_nn_max_pool2d_args *args) {
    return max_pool_new("nn_max_pool2d", 2, kernel, args);
}
gm_module *gm_nn_max_pool3d_with(int32_t kernel, const gm_nn_max_pool3d_args *args) {
    return max_pool_new("nn_max_pool3d", 3, kernel, args);
}
gm_module *gm_nn_avg_pool1d_with(int32_t kernel, const gm_nn_avg_pool1d_args *args) {
    return avg_pool_new("nn_avg_pool1d", 1, kernel, args);
}
gm_module *gm_nn_avg_pool2d_with(int32_t kernel, const gm_nn_avg_pool2d_args *args) {
    return avg_pool_new("nn_avg_pool2d", 2, kernel, args);
}
gm_module *gm_nn_avg_pool3d_with(int32_t kernel, const gm_nn_avg_pool3d_args *args) {
    return avg_pool_new("nn_avg_pool3d", 3, kernel, args);
}
gm_module *gm_nn_adaptive_avg_pool1d(int64_t w) {
    return adaptive_pool_new("nn_adaptive_avg_pool1d", 1, false, w, 0, 0);
}
gm_module *gm_nn_adaptive_avg_pool2d(int64_t h, int64_t w) {
    return adaptive_pool_new("nn_adaptive_avg_pool2d", 2, false, h, w, 0);
}
gm_module *gm_nn_adaptive_avg_pool3d(int64_t d, int64_t h, int64_t w) {
    return adaptive_pool_new("nn_adaptive_avg_pool3d", 3, false, d, h, w);
}
gm_module *gm_nn_adaptive_max_pool1d(int64_t w) {
    return adaptive_pool_new("nn_adaptive_max_pool1d", 1, true, w, 0, 0);
}
gm_module *gm_nn_adaptive_max_pool2d(int64_t h, int64_t w) {
    return adaptive_pool_new("nn_adaptive_max_pool2d", 2, true, h, w, 0);
}
gm_module *gm_nn_adaptive_max_pool3d(int64_t d, int64_t h, int64_t w) {
    return adaptive_pool_new("nn_adaptive_max_pool3d", 3, true, d, h, w);
}
gm_module *gm_nn_global_avg_pool(void) { return pool_new("nn_global_avg_pool", 0, global_avg_pool_forward); }
gm_module *gm_nn_global_max_pool(void) { return pool_new("nn_global_max_pool", 0, global_max_pool_forward); }
