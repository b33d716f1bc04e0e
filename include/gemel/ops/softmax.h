/* gemel/ops/softmax.h: numbers that sum to one. Floats only; f16 and bf16 are computed in f32 and rounded once. */
#ifndef GEMEL_OPS_SOFTMAX_H
#define GEMEL_OPS_SOFTMAX_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* exp(x - max) / sum(exp(x - max)) along `dim` (negative from the end): x [...] -> [...]. */
GM_API gm_tensor *gm_softmax(gm_tensor *x, int dim);
/* (x - max) - log(sum(exp(x - max))) along `dim`: x [...] -> [...]. */
GM_API gm_tensor *gm_log_softmax(gm_tensor *x, int dim);

#ifdef __cplusplus
}
#endif
#endif
