/* gemel/nn/activation.h: activations as modules: x [...] -> the same shape. Formulas: gemel/ops/elementwise.h. */
#ifndef GEMEL_NN_ACTIVATION_H
#define GEMEL_NN_ACTIVATION_H

#include "../nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* max(x, 0); the same, at most 6. */
GM_API gm_module *gm_nn_relu(void);
GM_API gm_module *gm_nn_relu6(void);
/* x if positive, else slope x (PyTorch: 0.01). */
GM_API gm_module *gm_nn_leaky_relu(double slope);
/* x if positive, else weight x: x [B, channels, ...] (channels 1: any shape); weight [channels] begins at 0.25. */
GM_API gm_module *gm_nn_prelu(int64_t channels);
/* x if positive, else alpha (exp(x) - 1) (PyTorch: 1); with exp(x / alpha): celu; scaled: selu. */
GM_API gm_module *gm_nn_elu(double alpha);
GM_API gm_module *gm_nn_celu(double alpha);
GM_API gm_module *gm_nn_selu(void);
/* x Phi(x); its tanh form; x sigmoid(x); x tanh(softplus(x)). */
GM_API gm_module *gm_nn_gelu(void);
GM_API gm_module *gm_nn_gelu_tanh(void);
GM_API gm_module *gm_nn_silu(void);
GM_API gm_module *gm_nn_mish(void);
GM_API gm_module *gm_nn_sigmoid(void);
GM_API gm_module *gm_nn_log_sigmoid(void);
GM_API gm_module *gm_nn_tanh(void);
GM_API gm_module *gm_nn_softplus(void);
GM_API gm_module *gm_nn_softsign(void);
GM_API gm_module *gm_nn_hard_sigmoid(void);
GM_API gm_module *gm_nn_hard_swish(void);
/* x held within [low, high] (PyTorch: -1, 1). */
GM_API gm_module *gm_nn_hard_tanh(double low, double high);
/* 0 where |x| <= lambda, else x; else moved towards 0 by lambda (PyTorch: 0.5); x - tanh(x). */
GM_API gm_module *gm_nn_hard_shrink(double lambda);
GM_API gm_module *gm_nn_soft_shrink(double lambda);
GM_API gm_module *gm_nn_tanh_shrink(void);
/* x where x > threshold, else value. */
GM_API gm_module *gm_nn_threshold(double threshold, double value);
/* The first half along `dim` times the sigmoid of the second: x [..., 2 n, ...] -> [..., n, ...]. SHAPE if odd. */
GM_API gm_module *gm_nn_glu(int32_t dim);
/* exp(x) / sum(exp(x)) along `dim` (negative from the end), and its logarithm. */
GM_API gm_module *gm_nn_softmax(int32_t dim);
GM_API gm_module *gm_nn_log_softmax(int32_t dim);
/* Any function of one tensor as a module: gm_nn_unary("exp", gm_exp). */
GM_API gm_module *gm_nn_unary(const char *name, gm_tensor *(*f)(gm_tensor *x));

#ifdef __cplusplus
}
#endif
#endif
