/* gemel/optim.h: optimizers: how gradients change parameters. Formulas, rounding by rounding:
 * docs/numerics/optim.md. */
#ifndef GEMEL_OPTIM_H
#define GEMEL_OPTIM_H

#include "nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An optimizer holds the parameters of a net (f32 and f64), their state, and the learning rate. */
typedef struct gm_optimizer gm_optimizer;

/* g' = g + weight_decay p; b = momentum b + g' (first: g'); p - lr b, with nesterov p - lr (g' + momentum b). */
typedef struct { size_t size; double momentum, weight_decay; int32_t nesterov, reserved; } gm_sgd_args;
GM_API gm_optimizer *gm_sgd_with(gm_module *net, double lr, const gm_sgd_args *args);

/* Adam (Kingma and Ba 2015). Defaults: beta1 0.9, beta2 0.999, eps 1e-8, weight_decay 0 (added to the gradient). */
typedef struct { size_t size; gm_real beta1, beta2, eps, weight_decay; } gm_adam_args;
GM_API gm_optimizer *gm_adam_with(gm_module *net, double lr, const gm_adam_args *args);
/* AdamW (Loshchilov and Hutter 2019): weight decay, default 0.01, shrinks the parameter itself. */
typedef gm_adam_args gm_adamw_args;
GM_API gm_optimizer *gm_adamw_with(gm_module *net, double lr, const gm_adamw_args *args);

/* Change every parameter that has a gradient, then clear the gradients. Leaves everything alone while an error is
 * pending. */
GM_API bool gm_step(gm_optimizer *optimizer);
/* Clear the gradients. */
GM_API bool gm_zero_grad(gm_optimizer *optimizer);
GM_API double gm_learning_rate(const gm_optimizer *optimizer);
GM_API bool gm_set_learning_rate(gm_optimizer *optimizer, double lr);
/* Steps taken so far. */
GM_API int64_t gm_step_count(const gm_optimizer *optimizer);

#ifdef __cplusplus
}
#else
#  define gm_sgd(...) gm__sgd(__VA_ARGS__, .size = sizeof(gm_sgd_args))
#  define gm__sgd(net, lr, ...) gm_sgd_with(net, lr, &(gm_sgd_args){ __VA_ARGS__ })
#  define gm_adam(...) gm__adam(__VA_ARGS__, .size = sizeof(gm_adam_args))
#  define gm__adam(net, lr, ...) gm_adam_with(net, lr, &(gm_adam_args){ __VA_ARGS__ })
#  define gm_adamw(...) gm__adamw(__VA_ARGS__, .size = sizeof(gm_adamw_args))
#  define gm__adamw(net, lr, ...) gm_adamw_with(net, lr, &(gm_adamw_args){ __VA_ARGS__ })
#endif
#endif
