/* gemel/ops/norm.h: statistics and normalisation. Floats only (integers are DTYPE errors that name gm_cast); f16 and
 * bf16 are computed in f32 and rounded once. Formulas and order of summation: docs/numerics/norm.md. */
#ifndef GEMEL_OPS_NORM_H
#define GEMEL_OPS_NORM_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- statistics over dimensions: the forms of reduce.h ---- */

/* The variance, sum((x - mean)^2) / (n - correction), and its root: n = 0 dims is all of them. NaN where n <=
 * correction. */
GM_API gm_tensor *gm_var(gm_tensor *x, int correction);
GM_API gm_tensor *gm_var_dims(gm_tensor *x, const int32_t *dims, int n, int correction, bool keep);
GM_API gm_tensor *gm_std(gm_tensor *x, int correction);
GM_API gm_tensor *gm_std_dims(gm_tensor *x, const int32_t *dims, int n, int correction, bool keep);
/* log(sum(exp(x))) without overflow. */
GM_API gm_tensor *gm_logsumexp(gm_tensor *x, int dim, bool keep);
GM_API gm_tensor *gm_logsumexp_dims(gm_tensor *x, const int32_t *dims, int n, bool keep);
/* The p-norm, sum(|x|^p)^(1/p); p = INFINITY: the largest |x|, -INFINITY: the smallest, 0: how many are not zero. */
GM_API gm_tensor *gm_norm(gm_tensor *x, double p);
GM_API gm_tensor *gm_norm_dims(gm_tensor *x, double p, const int32_t *dims, int n, bool keep);
/* x / max(norm(x, p), eps) along `dim`: x [...] -> [...]. */
GM_API gm_tensor *gm_normalize(gm_tensor *x, double p, int dim, double eps);

/* ---- normalisation ---- */

/* `eps`: 1e-5 unless given (rms_norm: 1e-6). */
typedef struct { size_t size; gm_tensor *weight, *bias; gm_real eps; } gm_norm_args;
typedef gm_norm_args gm_layer_norm_args, gm_rms_norm_args, gm_group_norm_args, gm_instance_norm_args;

/* (x - mean) / sqrt(var + eps) * weight + bias over the last n dims (1 at least): x [..., d1 .. dn], weight and bias
 * [d1 .. dn] or not given -> x's shape. Ba, Kiros, Hinton 2016. */
GM_API gm_tensor *gm_layer_norm_with(gm_tensor *x, int n, const gm_layer_norm_args *args);
/* x / sqrt(mean(x^2) + eps) * weight over the last n dims; no bias. Zhang, Sennrich 2019. */
GM_API gm_tensor *gm_rms_norm_with(gm_tensor *x, int n, const gm_rms_norm_args *args);
/* Per entry and group of channels: x [N, C, ...], weight and bias [C] -> x's shape. SHAPE error unless groups divides
 * C. Wu, He 2018. */
GM_API gm_tensor *gm_group_norm_with(gm_tensor *x, int groups, const gm_group_norm_args *args);
/* Per entry and channel: group_norm with C groups. */
GM_API gm_tensor *gm_instance_norm_with(gm_tensor *x, const gm_instance_norm_args *args);

/* Batch norm: x [N, C, ...], everything else [C]. With `mean` and `var` (evaluation) these normalise x. Without
 * (training) the batch's own do, biased (divided by the count), and `*batch_mean`, `*batch_var` get them; either
 * pointer may be NULL. `eps`: 1e-5 unless given. A channels-last x gives a channels-last result of the same values.
 * Ioffe, Szegedy 2015. */
typedef struct {
    size_t size;
    gm_tensor *weight, *bias, *mean, *var;
    gm_tensor **batch_mean, **batch_var;
    gm_real eps;
} gm_batch_norm_args;
GM_API gm_tensor *gm_batch_norm_with(gm_tensor *x, const gm_batch_norm_args *args);

GM_API gm_tensor *gm_layer_norm(gm_tensor *x, int n);
GM_API gm_tensor *gm_rms_norm(gm_tensor *x, int n);
GM_API gm_tensor *gm_group_norm(gm_tensor *x, int groups);
GM_API gm_tensor *gm_instance_norm(gm_tensor *x);
GM_API gm_tensor *gm_batch_norm(gm_tensor *x);

#ifdef __cplusplus
}
#else
#  define gm_layer_norm(...) gm__layer_norm(__VA_ARGS__, .size = sizeof(gm_layer_norm_args))
#  define gm__layer_norm(x, n, ...) gm_layer_norm_with(x, n, &(gm_layer_norm_args){ __VA_ARGS__ })
#  define gm_rms_norm(...) gm__rms_norm(__VA_ARGS__, .size = sizeof(gm_rms_norm_args))
#  define gm__rms_norm(x, n, ...) gm_rms_norm_with(x, n, &(gm_rms_norm_args){ __VA_ARGS__ })
#  define gm_group_norm(...) gm__group_norm(__VA_ARGS__, .size = sizeof(gm_group_norm_args))
#  define gm__group_norm(x, groups, ...) gm_group_norm_with(x, groups, &(gm_group_norm_args){ __VA_ARGS__ })
#  define gm_instance_norm(...) gm__instance_norm(__VA_ARGS__, .size = sizeof(gm_instance_norm_args))
#  define gm__instance_norm(x, ...) gm_instance_norm_with(x, &(gm_instance_norm_args){ __VA_ARGS__ })
#  define gm_batch_norm(...) gm__batch_norm(__VA_ARGS__, .size = sizeof(gm_batch_norm_args))
#  define gm__batch_norm(x, ...) gm_batch_norm_with(x, &(gm_batch_norm_args){ __VA_ARGS__ })
#endif
#endif
