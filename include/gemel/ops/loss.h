/* gemel/ops/loss.h: how far predictions are from what they should be.
 *
 * Every loss is gm_X(x, y) with all defaults, a function to pass as a pointer, and gm_X(x, y, .option = ...) in C.
 * `reduction` makes one number of the elements: GM_LOSS_MEAN (the default), GM_LOSS_SUM, or GM_LOSS_NONE to keep them.
 * f16 and bf16 are computed in f32 and the result is rounded once. Sizes must be equal: nothing is broadcast. Formulas:
 * docs/numerics/loss.md. */
#ifndef GEMEL_OPS_LOSS_H
#define GEMEL_OPS_LOSS_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GM_LOSS_MEAN = 0, GM_LOSS_SUM = 1, GM_LOSS_NONE = 2, GM_LOSS_BATCH_MEAN = 3 /* sum / x's first size */ };

/* Scores against classes: the mean of -log(softmax(x)[y]). x [N, C] or [N, C, ...] or [C], y integers of x's shape
 * without C
 * -> [], or y's shape. y of floats and of x's shape holds probabilities. `weight` [C] per class (the mean is weighted);
 * `label_smoothing` in 0..1 mixes in the uniform distribution; entries whose y is `ignore_index` count for nothing
 * (unlike PyTorch none is ignored unless asked; PyTorch's is -100). INDEX error for any other y outside of 0..C-1. */
typedef struct {
    size_t size;
    gm_tensor *weight;
    double label_smoothing;
    gm_int ignore_index;
    int32_t reduction, reserved;
} gm_cross_entropy_args;
GM_API gm_tensor *gm_cross_entropy_with(gm_tensor *x, gm_tensor *y, const gm_cross_entropy_args *args);
/* The same of log-probabilities x: -x[y]; no smoothing. */
typedef gm_cross_entropy_args gm_nll_loss_args;
GM_API gm_tensor *gm_nll_loss_with(gm_tensor *x, gm_tensor *y, const gm_nll_loss_args *args);

/* x [...], y [...] of x's shape -> [] (GM_LOSS_NONE: x's shape). `weight` multiplies the elements (broadcast). `beta`
 * 1: where smooth_l1 turns into a line; `delta` 1: where huber does; `margin`: 1 for hinge and hinge_embedding.
 * `pos_weight` multiplies the part of positive examples (broadcast). `log_target`: y of kl_div holds logarithms. */
typedef struct {
    size_t size;
    gm_tensor *weight, *pos_weight;
    gm_real beta, delta, margin;
    int32_t reduction, log_target;
} gm_loss_args;
typedef gm_loss_args gm_mse_loss_args, gm_l1_loss_args, gm_smooth_l1_loss_args, gm_huber_loss_args, gm_bce_args;
typedef gm_loss_args gm_bce_with_logits_args, gm_kl_div_args, gm_hinge_loss_args, gm_hinge_embedding_loss_args;
/* (x - y)^2 */
GM_API gm_tensor *gm_mse_loss_with(gm_tensor *x, gm_tensor *y, const gm_mse_loss_args *args);
/* |x - y| */
GM_API gm_tensor *gm_l1_loss_with(gm_tensor *x, gm_tensor *y, const gm_l1_loss_args *args);
/* d = |x - y|: d < beta ? d^2 / (2 beta) : d - beta / 2 */
GM_API gm_tensor *gm_smooth_l1_loss_with(gm_tensor *x, gm_tensor *y, const gm_smooth_l1_loss_args *args);
/* d = |x - y|: d <= delta ? d^2 / 2 : delta (d - delta / 2) */
GM_API gm_tensor *gm_huber_loss_with(gm_tensor *x, gm_tensor *y, const gm_huber_loss_args *args);
/* Probabilities x against y in 0..1: -(y log(x) + (1 - y) log(1 - x)), logarithms not below -100. */
GM_API gm_tensor *gm_bce_with(gm_tensor *x, gm_tensor *y, const gm_bce_args *args);
/* The same of x = logits, without overflow. */
GM_API gm_tensor *gm_bce_with_logits_with(gm_tensor *x, gm_tensor *y, const gm_bce_with_logits_args *args);
/* Log-probabilities x against probabilities y: y (log(y) - x). GM_LOSS_BATCH_MEAN is the mathematical mean. */
GM_API gm_tensor *gm_kl_div_with(gm_tensor *x, gm_tensor *y, const gm_kl_div_args *args);
/* y of -1 and 1: max(0, margin - x y) */
GM_API gm_tensor *gm_hinge_loss_with(gm_tensor *x, gm_tensor *y, const gm_hinge_loss_args *args);
/* Distances x: y = 1: x; y = -1: max(0, margin - x) */
GM_API gm_tensor *gm_hinge_embedding_loss_with(gm_tensor *x, gm_tensor *y, const gm_hinge_embedding_loss_args *args);

/* sum(a b) / (max(|a|, eps) max(|b|, eps)) along `dim`: a [...], b [...] -> without dim. */
GM_API gm_tensor *gm_cosine_similarity(gm_tensor *a, gm_tensor *b, int dim, double eps);
/* a, b [N, D], y [N] of -1 and 1 -> []: 1 - cos where y = 1, max(0, cos - margin) where y = -1; margin 0. */
typedef struct { size_t size; double margin; int32_t reduction, reserved; } gm_cosine_embedding_loss_args;
GM_API gm_tensor *gm_cosine_embedding_loss_with(gm_tensor *a, gm_tensor *b, gm_tensor *y,
                                                const gm_cosine_embedding_loss_args *args);
/* anchor, positive, negative [N, D] -> []: max(0, d(a, p) - d(a, n) + margin), d(a, b) the p-norm of a - b + eps.
 * Defaults: margin 1, p 2, eps 1e-6. `swap`: the smaller of d(a, n) and d(p, n). */
typedef struct { size_t size; gm_real margin, p, eps; int32_t swap, reduction; } gm_triplet_margin_loss_args;
GM_API gm_tensor *gm_triplet_margin_loss_with(gm_tensor *anchor, gm_tensor *positive, gm_tensor *negative,
                                              const gm_triplet_margin_loss_args *args);

/* Connectionist temporal classification (Graves 2006): x [T, N, C] log-probabilities, y [N, S] labels (what is behind a
 * label sequence does not matter), input_lengths [N], target_lengths [N], integers all -> []. The mean is of the losses
 * divided by their target lengths. `blank`: 0; `zero_infinity`: alignments that cannot be count for 0. INDEX errors. No
 * second derivative: a GRADIENT error. */
typedef struct { size_t size; int64_t blank; int32_t reduction, zero_infinity; } gm_ctc_loss_args;
GM_API gm_tensor *gm_ctc_loss_with(gm_tensor *x, gm_tensor *y, gm_tensor *input_lengths, gm_tensor *target_lengths,
                                   const gm_ctc_loss_args *args);

GM_API gm_tensor *gm_cross_entropy(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_nll_loss(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_mse_loss(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_l1_loss(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_smooth_l1_loss(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_huber_loss(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_bce(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_bce_with_logits(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_kl_div(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_hinge_loss(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_hinge_embedding_loss(gm_tensor *x, gm_tensor *y);
GM_API gm_tensor *gm_cosine_embedding_loss(gm_tensor *a, gm_tensor *b, gm_tensor *y);
GM_API gm_tensor *gm_triplet_margin_loss(gm_tensor *anchor, gm_tensor *positive, gm_tensor *negative);
GM_API gm_tensor *gm_ctc_loss(gm_tensor *x, gm_tensor *y, gm_tensor *input_lengths, gm_tensor *target_lengths);

#ifdef __cplusplus
}
#else
#  define gm_cross_entropy(...) gm__cross_entropy(__VA_ARGS__, .size = sizeof(gm_cross_entropy_args))
#  define gm__cross_entropy(x, y, ...) gm_cross_entropy_with(x, y, &(gm_cross_entropy_args){ __VA_ARGS__ })
#  define gm_nll_loss(...) gm__nll_loss(__VA_ARGS__, .size = sizeof(gm_nll_loss_args))
#  define gm__nll_loss(x, y, ...) gm_nll_loss_with(x, y, &(gm_nll_loss_args){ __VA_ARGS__ })
#  define gm_mse_loss(...) gm__mse_loss(__VA_ARGS__, .size = sizeof(gm_mse_loss_args))
#  define gm__mse_loss(x, y, ...) gm_mse_loss_with(x, y, &(gm_mse_loss_args){ __VA_ARGS__ })
#  define gm_l1_loss(...) gm__l1_loss(__VA_ARGS__, .size = sizeof(gm_l1_loss_args))
#  define gm__l1_loss(x, y, ...) gm_l1_loss_with(x, y, &(gm_l1_loss_args){ __VA_ARGS__ })
#  define gm_smooth_l1_loss(...) gm__smooth_l1_loss(__VA_ARGS__, .size = sizeof(gm_smooth_l1_loss_args))
#  define gm__smooth_l1_loss(x, y, ...) gm_smooth_l1_loss_with(x, y, &(gm_smooth_l1_loss_args){ __VA_ARGS__ })
#  define gm_huber_loss(...) gm__huber_loss(__VA_ARGS__, .size = sizeof(gm_huber_loss_args))
#  define gm__huber_loss(x, y, ...) gm_huber_loss_with(x, y, &(gm_huber_loss_args){ __VA_ARGS__ })
#  define gm_bce(...) gm__bce(__VA_ARGS__, .size = sizeof(gm_bce_args))
#  define gm__bce(x, y, ...) gm_bce_with(x, y, &(gm_bce_args){ __VA_ARGS__ })
#  define gm_bce_with_logits(...) gm__bce_with_logits(__VA_ARGS__, .size = sizeof(gm_bce_with_logits_args))
#  define gm__bce_with_logits(x, y, ...) gm_bce_with_logits_with(x, y, &(gm_bce_with_logits_args){ __VA_ARGS__ })
#  define gm_kl_div(...) gm__kl_div(__VA_ARGS__, .size = sizeof(gm_kl_div_args))
#  define gm__kl_div(x, y, ...) gm_kl_div_with(x, y, &(gm_kl_div_args){ __VA_ARGS__ })
#  define gm_hinge_loss(...) gm__hinge_loss(__VA_ARGS__, .size = sizeof(gm_hinge_loss_args))
#  define gm__hinge_loss(x, y, ...) gm_hinge_loss_with(x, y, &(gm_hinge_loss_args){ __VA_ARGS__ })
#    define gm_hinge_embedding_loss(...) \
        gm__hinge_embedding_loss(__VA_ARGS__, .size = sizeof(gm_hinge_embedding_loss_args))
#    define gm__hinge_embedding_loss(x, y, ...) \
        gm_hinge_embedding_loss_with(x, y, &(gm_hinge_embedding_loss_args){ __VA_ARGS__ })
#    define gm_cosine_embedding_loss(...) \
        gm__cosine_embedding_loss(__VA_ARGS__, .size = sizeof(gm_cosine_embedding_loss_args))
#    define gm__cosine_embedding_loss(a, b, y, ...) \
        gm_cosine_embedding_loss_with(a, b, y, &(gm_cosine_embedding_loss_args){ __VA_ARGS__ })
#    define gm_triplet_margin_loss(...) \
        gm__triplet_margin_loss(__VA_ARGS__, .size = sizeof(gm_triplet_margin_loss_args))
#    define gm__triplet_margin_loss(a, p, n, ...) \
        gm_triplet_margin_loss_with(a, p, n, &(gm_triplet_margin_loss_args){ __VA_ARGS__ })
#    define gm_ctc_loss(...)                gm__ctc_loss(__VA_ARGS__, .size = sizeof(gm_ctc_loss_args))
#    define gm__ctc_loss(x, y, il, tl, ...) gm_ctc_loss_with(x, y, il, tl, &(gm_ctc_loss_args){ __VA_ARGS__ })
#endif
#endif
