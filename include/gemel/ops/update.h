/* gemel/ops/update.h: optimizer updates in place, one pass each: what gemel/optim.h is made of, and optimizers of one's
 * own may be. Formulas: docs/numerics/optim.md. All tensors are f32 or all f64, contiguous, of one shape. */
#ifndef GEMEL_OPS_UPDATE_H
#define GEMEL_OPS_UPDATE_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Scalars are computed in f64 and rounded once to the parameter's type. */
typedef struct { double lr, momentum, weight_decay; int32_t first, nesterov; } gm_sgd_scalars;
/* p, g and, with momentum, buffer b (else NULL). `first`: b is written, not read. Errors: SHAPE, DTYPE, STATE. */
GM_API bool gm_update_sgd(gm_tensor *p, gm_tensor *g, gm_tensor *b, const gm_sgd_scalars *s);
/* keep1, keep2: 1 - beta1, 1 - beta2; root: sqrt(1 - beta2^t); rate: lr / (1 - beta1^t); weight_decay is added to g,
 * shrink (1 for none) multiplies p. */
typedef struct { double keep1, keep2, beta2, root, eps, rate, weight_decay, shrink; } gm_adam_scalars;
GM_API bool gm_update_adam(gm_tensor *p, gm_tensor *g, gm_tensor *m, gm_tensor *v, const gm_adam_scalars *s);

/* rate: lr, or what its decay leaves of it. v: the sum of squares. */
typedef struct { double rate, weight_decay, eps; } gm_adagrad_scalars;
GM_API bool gm_update_adagrad(gm_tensor *p, gm_tensor *g, gm_tensor *v, const gm_adagrad_scalars *s);
/* keep: 1 - alpha. mean NULL: not centered; b NULL: no momentum. */
typedef struct { double lr, keep, alpha, eps, momentum, weight_decay; } gm_rmsprop_scalars;
GM_API bool gm_update_rmsprop(gm_tensor *p, gm_tensor *g, gm_tensor *v, gm_tensor *mean, gm_tensor *b,
                              const gm_rmsprop_scalars *s);
/* keep: 1 - rho. v, e: running squares of gradients and of steps. */
typedef struct { double lr, keep, rho, eps, weight_decay; } gm_adadelta_scalars;
GM_API bool gm_update_adadelta(gm_tensor *p, gm_tensor *g, gm_tensor *v, gm_tensor *e, const gm_adadelta_scalars *s);
/* keep1, keep2: 1 - beta1, 1 - beta2; shrink: 1 - lr weight_decay. */
typedef struct { double lr, keep1, keep2, shrink; } gm_lion_scalars;
GM_API bool gm_update_lion(gm_tensor *p, gm_tensor *g, gm_tensor *m, const gm_lion_scalars *s);
/* As adam, but u, what p is to move along, is written and p only read; grow: 1 / (1 - beta1^t). */
typedef struct { double keep1, keep2, beta2, root, eps, grow, weight_decay; } gm_lamb_scalars;
GM_API bool gm_update_lamb(gm_tensor *p, gm_tensor *g, gm_tensor *m, gm_tensor *v, gm_tensor *u,
                           const gm_lamb_scalars *s);
/* p = p shrink - rate u. */
GM_API bool gm_update_move(gm_tensor *p, gm_tensor *u, double rate, double shrink);
/* a = a + part (p - a), the product and the sum in one rounding. */
GM_API bool gm_update_average(gm_tensor *a, gm_tensor *p, double part);
/* p[rows[i]] = values[i]: p [N, D..] contiguous, rows i64 [k], values [k, D..] of p's dtype. Errors: SHAPE, DTYPE,
 * STATE, INDEX. */
GM_API bool gm_update_rows(gm_tensor *p, gm_tensor *rows, gm_tensor *values);

#ifdef __cplusplus
}
#endif
#endif
