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

#ifdef __cplusplus
}
#endif
#endif
