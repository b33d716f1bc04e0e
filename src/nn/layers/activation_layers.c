/* activation_layers.c: activations as modules. The state of each is its numbers, none where it has none. */
#include "../../math/fp.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

typedef struct { double a, b; } activation_numbers;

static gm_module *activation_new(const char *name, gm_forward_fn forward, double a, double b) {
    gm_module_class c = {
        .size = sizeof c, .name = name, .state_bytes = sizeof(activation_numbers), .forward = forward
    };
    gm_module *m = gm_module_new_with(&c);
    activation_numbers *self = gm_state(m);
    if (self) *self = (activation_numbers){ a, b };
    return m;
}

#define ACTIVATION_PLAIN(name)                                                                          \
    static gm_tensor *nn_##name##_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_##name(x); } \
    gm_module *gm_nn_##name(void) { return activation_new("nn_" #name, nn_##name##_forward, 0, 0); }

ACTIVATION_PLAIN(relu)
ACTIVATION_PLAIN(relu6)
ACTIVATION_PLAIN(selu)
ACTIVATION_PLAIN(gelu)
ACTIVATION_PLAIN(gelu_tanh)
ACTIVATION_PLAIN(silu)
ACTIVATION_PLAIN(mish)
ACTIVATION_PLAIN(sigmoid)
ACTIVATION_PLAIN(log_sigmoid)
ACTIVATION_PLAIN(tanh)
ACTIVATION_PLAIN(softplus)
ACTIVATION_PLAIN(softsign)
ACTIVATION_PLAIN(hard_sigmoid)
ACTIVATION_PLAIN(hard_swish)
#undef ACTIVATION_PLAIN

#define ACTIVATION_NUMBER(name)                                         \
    static gm_tensor *nn_##name##_forward(gm_module *m, gm_tensor *x) { \
        const activation_numbers *self = gm_state(m);                   \
        return self ? gm_##name(x, self->a) : NULL;                     \
    }                                                                   \
    gm_module *gm_nn_##name(double a) { return activation_new("nn_" #name, nn_##name##_forward, a, 0); }

ACTIVATION_NUMBER(leaky_relu)
ACTIVATION_NUMBER(elu)
ACTIVATION_NUMBER(hard_shrink)
ACTIVATION_NUMBER(soft_shrink)
#undef ACTIVATION_NUMBER

static gm_tensor *nn_celu_forward(gm_module *m, gm_tensor *x) {
    const activation_numbers *self = gm_state(m);
    return self ? gm_mul_scalar(gm_elu(gm_div_scalar(x, self->a), 1), self->a) : NULL;
}

gm_module *gm_nn_celu(double alpha) {
    if (!gm_ok()) return NULL;
    if (!(alpha > 0)) return gm_fail(GM_ERROR_VALUE, "nn_celu: alpha is %g, it is above 0", alpha), NULL;
    return activation_new("nn_celu", nn_celu_forward, alpha, 0);
}

static gm_tensor *nn_hard_tanh_forward(gm_module *m, gm_tensor *x) {
    const activation_numbers *self = gm_state(m);
    return self ? gm_hard_tanh(x, self->a, self->b) : NULL;
}

gm_module *gm_nn_hard_tanh(double low, double high) {
    if (!gm_ok()) return NULL;
    if (!(low < high)) return gm_fail(GM_ERROR_VALUE, "nn_hard_tanh: from %g to %g", low, high), NULL;
    return activation_new("nn_hard_tanh", nn_hard_tanh_forward, low, high);
}

static gm_tensor *nn_tanh_shrink_forward(gm_module *m, gm_tensor *x) { return (void)m, gm_sub(x, gm_tanh(x)); }
gm_module *gm_nn_tanh_shrink(void) { return activation_new("nn_tanh_shrink", nn_tanh_shrink_forward, 0, 0); }

static gm_tensor *nn_threshold_forward(gm_module *m, gm_tensor *x) {
    const activation_numbers *self = gm_state(m);
    if (!self) return NULL;
    return gm_where(gm_gt_scalar(x, self->a), x, gm_full_like(x, self->b));
}

gm_module *gm_nn_threshold(double threshold, double value) {
    return activation_new("nn_threshold", nn_threshold_forward, threshold, value);
}

static gm_tensor *nn_glu_forward(gm_module *m, gm_tensor *x) {
    const activation_numbers *self = gm_state(m);
    int dim = self ? (int)self->a : 0;
    int64_t n = gm_size(x, dim);
    char text[200];
    if (n >= 0 && n % 2)
        return gm_fail(GM_ERROR_SHAPE, "glu: dimension %d of %s is odd", dim,
                       gm_shape_text(gm_shape_of(x), text, sizeof text)),
               NULL;
    return gm_mul(gm_narrow(x, dim, 0, n / 2), gm_sigmoid(gm_narrow(x, dim, n / 2, n / 2)));
}

gm_module *gm_nn_glu(int32_t dim) { return activation_new("nn_glu", nn_glu_forward, dim, 0); }

static gm_tensor *nn_softmax_forward(gm_module *m, gm_tensor *x) {
    const activation_numbers *self = gm_state(m);
    return self ? gm_softmax(x, (int)self->a) : NULL;
}

static gm_tensor *nn_log_softmax_forward(gm_module *m, gm_tensor *x) {
    const activation_numbers *self = gm_state(m);
    return self ? gm_log_softmax(x, (int)self->a) : NULL;
}

gm_module *gm_nn_softmax(int32_t dim) { return activation_new("nn_softmax", nn_softmax_forward, dim, 0); }
gm_module *gm_nn_log_softmax(int32_t dim) {
    return activation_new("nn_log_softmax", nn_log_softmax_forward, dim, 0);
}

typedef struct { gm_tensor *weight; } nn_prelu;

static gm_tensor *nn_prelu_forward(gm_module *m, gm_tensor *x) {
    const nn_prelu *self = gm_state(m);
    if (!self) return NULL;
    gm_shape s = { .n = gm_n_dims(x) > 2 ? gm_n_dims(x) - 1 : 1 };
    for (int i = 0; i < s.n; i++) s.d[i] = 1;
    s.d[0] = gm_count(self->weight);
    int64_t channels = gm_n_dims(x) > 1 ? gm_size(x, 1) : 1;
    char text[200];
    if (gm_ok() && s.d[0] != 1 && s.d[0] != channels)
        return gm_fail(GM_ERROR_SHAPE, "prelu: input has %lld channels %s, weight wants %lld", (long long)channels,
                       gm_shape_text(gm_shape_of(x), text, sizeof text), (long long)s.d[0]),
               NULL;
    return gm_prelu_of(x, gm_reshape(self->weight, s));
}

gm_module *gm_nn_prelu(int64_t channels) {
    if (!gm_ok()) return NULL;
    if (channels < 1) return gm_fail(GM_ERROR_VALUE, "nn_prelu: %lld channels", (long long)channels), NULL;
    gm_module *m = gm_module_new(nn_prelu);
    nn_prelu *self = gm_state(m);
    if (self) self->weight = gm_param_init(m, "weight", GM_SHAPE(channels), GM_F32, GM_INIT_CONSTANT, 0.25, 0);
    return gm_ok() ? m : NULL;
}

typedef struct { gm_tensor *(*f)(gm_tensor *x); } nn_unary;

static gm_tensor *nn_unary_forward(gm_module *m, gm_tensor *x) {
    const nn_unary *self = gm_state(m);
    return self ? self->f(x) : NULL;
}

gm_module *gm_nn_unary(const char *name, gm_tensor *(*f)(gm_tensor *x)) {
    if (!gm_ok()) return NULL;
    if (!name || !f) return gm_fail(GM_ERROR_VALUE, "nn_unary: a name and a function are needed"), NULL;
    gm_module_class c = {
        .size = sizeof c, .name = name, .state_bytes = sizeof(nn_unary), .forward = nn_unary_forward
    };
    gm_module *m = gm_module_new_with(&c);
    nn_unary *self = gm_state(m);
    if (self) self->f = f;
    return m;
}
