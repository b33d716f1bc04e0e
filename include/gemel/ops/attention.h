/* gemel/ops/attention.h: attention over keys and values. */
#ifndef GEMEL_OPS_ATTENTION_H
#define GEMEL_OPS_ATTENTION_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `mask` broadcasts to [..., T, S]: bool (a key is seen where it is true) or float (added to the scaled scores; -inf
 * hides). `causal`: query i sees the keys up to i + offset; `offset` is the position of the first query, for decoding
 * with keys from before. `scale`: default 1 / sqrt(D). */
typedef struct {
    size_t size;
    gm_tensor *mask;
    gm_real scale;
    int64_t offset;
    int32_t causal, reserved;
} gm_scaled_dot_product_attention_args;

/* softmax(q k' scale + mask) v (Vaswani et al. 2017): q [..., H, T, D], k [..., G, S, D], v [..., G, S, E] -> [..., H,
 * T, E]. Leading dimensions broadcast; H may be a multiple of G: each group of H / G heads shares keys and values. Keys
 * that a query may not see are skipped; a query that sees none gives 0, with gradient 0. No score matrix is kept: the
 * gradient computes it again from row maxima and sums. Floats only; f16 and bf16 are computed in f32. Numerics:
 * docs/numerics/attention.md. */
GM_API gm_tensor *gm_scaled_dot_product_attention_with(gm_tensor *q, gm_tensor *k, gm_tensor *v,
                                                       const gm_scaled_dot_product_attention_args *args);
GM_API gm_tensor *gm_scaled_dot_product_attention(gm_tensor *q, gm_tensor *k, gm_tensor *v);

#ifdef __cplusplus
}
#else
#  define gm_scaled_dot_product_attention(...)                                                                         \
      gm__scaled_dot_product_attention(__VA_ARGS__, .size = sizeof(gm_scaled_dot_product_attention_args))
#  define gm__scaled_dot_product_attention(q, k, v, ...)                                                               \
      gm_scaled_dot_product_attention_with(q, k, v, &(gm_scaled_dot_product_attention_args){ __VA_ARGS__ })
#endif
#endif
