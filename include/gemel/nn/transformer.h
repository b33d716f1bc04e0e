/* gemel/nn/transformer.h: attention and what is built of it (Vaswani et al. 2017), batches first.
 *
 * Inputs by name, all but the first ones optional: `mask` broadcasts to [B, heads, T, S]: bool, true where a query sees
 * a key (PyTorch's modules mean the opposite), or float, added to the scores; `key_mask` bool [B, S], true where there
 * is a key. A query that sees no key gets zeros. Encoders and decoders take the lengths that .pad of gm_dataset_batch
 * tells, too: `x_length` and `memory_length`, integers [B], 0 up to the number of steps. Another name is an INDEX
 * error.
 */
#ifndef GEMEL_NN_TRANSFORMER_H
#define GEMEL_NN_TRANSFORMER_H

#include "../nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `dropout` of attention weights, in training. `causal`: a query sees the keys up to its own place. `key_dim`,
 * `value_dim`: features of keys and values, default dim; other ones make three matrices, q_proj_weight, k_proj_weight,
 * v_proj_weight, of in_proj_weight. `need_weights`: gm_apply gives the attention weights, too, as they were applied
 * (after dropout): the mean over the heads [B, T, S], with `per_head` all of them [B, heads, T, S]. y stays as it is,
 * to the bit. */
typedef struct {
    size_t size;
    double dropout;
    int64_t key_dim, value_dim;
    int32_t no_bias, causal;
    gm_dtype dtype;
    int32_t need_weights, per_head, reserved;
} gm_nn_multihead_attention_args;
/* gm_forward: x [B, T, dim] attends to itself -> the same shape. gm_apply: { query [B, T, dim], key [B, S, key_dim],
 * value [B, S, value_dim], mask, key_mask } -> { y [B, T, dim] }, { y, weights } with need_weights; with the query
 * alone, itself. Parameters: in_proj_weight [3 dim, dim] (xavier uniform), in_proj_bias [3 dim] (zeros),
 * out_proj.weight, out_proj.bias. VALUE unless heads divides dim. */
GM_API gm_module *gm_nn_multihead_attention_with(int64_t dim, int64_t heads,
                                                 const gm_nn_multihead_attention_args *args);

/* Defaults: feedforward 2048, dropout 0.1, eps 1e-5, relu. `norm_first`: norms before attention and feed-forward, not
 * behind the sums. `causal`: of self-attention. `final_norm`: of encoder and decoder: a norm behind the last layer. */
typedef struct {
    size_t size;
    int64_t feedforward;
    gm_real dropout, eps;
    int32_t gelu, norm_first, no_bias, causal, final_norm;
    gm_dtype dtype;
} gm_nn_transformer_args;
typedef gm_nn_transformer_args gm_nn_transformer_encoder_layer_args, gm_nn_transformer_decoder_layer_args;
typedef gm_nn_transformer_args gm_nn_transformer_encoder_args, gm_nn_transformer_decoder_args;
/* gm_forward: x [B, T, dim] -> the same shape. gm_apply: { x, mask, key_mask, x_length } -> { y }. Children: self_attn,
 * linear1, linear2, norm1, norm2. */
GM_API gm_module *gm_nn_transformer_encoder_layer_with(int64_t dim, int64_t heads,
                                                       const gm_nn_transformer_encoder_layer_args *args);
/* gm_apply: { x [B, T, dim], memory [B, S, dim], mask, key_mask, x_length, memory_mask, memory_key_mask, memory_length
 * }
 * -> { y [B, T, dim] }.
 * Children: self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3. */
GM_API gm_module *gm_nn_transformer_decoder_layer_with(int64_t dim, int64_t heads,
                                                       const gm_nn_transformer_decoder_layer_args *args);
/* `layers` of them: children layers.0 ..., norm. Inputs and outputs as one of them. */
GM_API gm_module *gm_nn_transformer_encoder_with(int32_t layers, int64_t dim, int64_t heads,
                                                 const gm_nn_transformer_encoder_args *args);
GM_API gm_module *gm_nn_transformer_decoder_with(int32_t layers, int64_t dim, int64_t heads,
                                                 const gm_nn_transformer_decoder_args *args);

#ifdef __cplusplus
}
#else
#  define gm_nn_multihead_attention(...)                                                                               \
      gm__nn_multihead_attention(__VA_ARGS__, .size = sizeof(gm_nn_multihead_attention_args))
#  define gm__nn_multihead_attention(dim, heads, ...)                                                                  \
      gm_nn_multihead_attention_with(dim, heads, &(gm_nn_multihead_attention_args){ __VA_ARGS__ })
#  define gm_nn_transformer_encoder_layer(...)                                                                         \
      gm__nn_transformer_encoder_layer(__VA_ARGS__, .size = sizeof(gm_nn_transformer_args))
#  define gm__nn_transformer_encoder_layer(dim, heads, ...)                                                            \
      gm_nn_transformer_encoder_layer_with(dim, heads, &(gm_nn_transformer_args){ __VA_ARGS__ })
#  define gm_nn_transformer_decoder_layer(...)                                                                         \
      gm__nn_transformer_decoder_layer(__VA_ARGS__, .size = sizeof(gm_nn_transformer_args))
#  define gm__nn_transformer_decoder_layer(dim, heads, ...)                                                            \
      gm_nn_transformer_decoder_layer_with(dim, heads, &(gm_nn_transformer_args){ __VA_ARGS__ })
#  define gm_nn_transformer_encoder(...)                                                                               \
      gm__nn_transformer_encoder(__VA_ARGS__, .size = sizeof(gm_nn_transformer_args))
#  define gm__nn_transformer_encoder(layers, dim, heads, ...)                                                          \
      gm_nn_transformer_encoder_with(layers, dim, heads, &(gm_nn_transformer_args){ __VA_ARGS__ })
#  define gm_nn_transformer_decoder(...)                                                                               \
      gm__nn_transformer_decoder(__VA_ARGS__, .size = sizeof(gm_nn_transformer_args))
#  define gm__nn_transformer_decoder(layers, dim, heads, ...)                                                          \
      gm_nn_transformer_decoder_with(layers, dim, heads, &(gm_nn_transformer_args){ __VA_ARGS__ })
#endif
#endif
