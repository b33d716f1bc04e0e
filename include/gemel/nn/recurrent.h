/* gemel/nn/recurrent.h: embedding, and recurrent layers over sequences. */
#ifndef GEMEL_NN_RECURRENT_H
#define GEMEL_NN_RECURRENT_H

#include "../nn.h"
#include "../ops/index.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Indices [...] -> rows [..., dim]. weight [count, dim], normal; row padding_idx is zero and gets no gradient; negative
 * counts from the end. INDEX for an index outside. */
typedef struct { size_t size; gm_int padding_idx; gm_dtype dtype; int32_t reserved; } gm_nn_embedding_args;
GM_API gm_module *gm_nn_embedding_with(int64_t count, int64_t dim, const gm_nn_embedding_args *args);

/* Bags of indices, each as one row: the mean (default), sum or maximum of its rows (modes: gemel/ops/index.h).
 * gm_forward: [B, n] -> [B, dim]. gm_apply: { x, offsets, weights } -> { y }: x [B, n], or [n] with offsets [B], where
 * each bag begins; weights: a factor for each index, of x's shape, for sums. weight [count, dim], normal; row
 * padding_idx is zero, and bags leave it out. */
typedef struct { size_t size; gm_int padding_idx; gm_bag_mode mode; gm_dtype dtype; } gm_nn_embedding_bag_args;
GM_API gm_module *gm_nn_embedding_bag_with(int64_t count, int64_t dim, const gm_nn_embedding_bag_args *args);

/* Layers one above the other (default 1), each of one cell, or of two that run in opposite directions and whose
 * results are concatenated. `dropout` acts on what a layer gives to the next one. `time_first`: x, y are [T, B, ...].
 * `relu`: in place of tanh (rnn only). */
typedef struct {
    size_t size;
    double dropout;
    int32_t layers, bidirectional, no_bias, time_first, relu;
    gm_dtype dtype;
} gm_nn_recurrent_args;
typedef gm_nn_recurrent_args gm_nn_rnn_args, gm_nn_lstm_args, gm_nn_gru_args;
/* gm_forward: x [B, T, in] -> y [B, T, D hidden], D directions. gm_apply: { x, h, c, lengths } -> { y, h, c }: x first,
 * the others by name and optional: h and c (LSTM) [layers D, B, hidden], states at the start (zeros) and at the end;
 * lengths, or x_length as .pad of gm_dataset_batch calls them, integers [B], 1..T: steps behind a sequence's end give
 * zeros and do not touch its state. Errors: INDEX for another name.
 * Parameters: weight_ih_l0 [G hidden, in], weight_hh_l0 [G hidden, hidden], bias_ih_l0, bias_hh_l0 [G hidden]; for
 * layer 1 _l1 ..., backwards _l0_reverse ...; uniform in 1 / sqrt(hidden) of 0. Cells and gates:
 * gemel/ops/recurrent.h. */
GM_API gm_module *gm_nn_rnn_with(int64_t in, int64_t hidden, const gm_nn_rnn_args *args);
GM_API gm_module *gm_nn_lstm_with(int64_t in, int64_t hidden, const gm_nn_lstm_args *args);
GM_API gm_module *gm_nn_gru_with(int64_t in, int64_t hidden, const gm_nn_gru_args *args);

#ifdef __cplusplus
}
#else
#  define gm_nn_embedding(...) gm__nn_embedding(__VA_ARGS__, .size = sizeof(gm_nn_embedding_args))
#  define gm__nn_embedding(count, dim, ...) gm_nn_embedding_with(count, dim, &(gm_nn_embedding_args){ __VA_ARGS__ })
#  define gm_nn_embedding_bag(...) gm__nn_embedding_bag(__VA_ARGS__, .size = sizeof(gm_nn_embedding_bag_args))
#  define gm__nn_embedding_bag(count, dim, ...)                                                                        \
      gm_nn_embedding_bag_with(count, dim, &(gm_nn_embedding_bag_args){ __VA_ARGS__ })
#  define gm_nn_rnn(...) gm__nn_rnn(__VA_ARGS__, .size = sizeof(gm_nn_rnn_args))
#  define gm__nn_rnn(in, hidden, ...) gm_nn_rnn_with(in, hidden, &(gm_nn_rnn_args){ __VA_ARGS__ })
#  define gm_nn_lstm(...) gm__nn_lstm(__VA_ARGS__, .size = sizeof(gm_nn_lstm_args))
#  define gm__nn_lstm(in, hidden, ...) gm_nn_lstm_with(in, hidden, &(gm_nn_lstm_args){ __VA_ARGS__ })
#  define gm_nn_gru(...) gm__nn_gru(__VA_ARGS__, .size = sizeof(gm_nn_gru_args))
#  define gm__nn_gru(in, hidden, ...) gm_nn_gru_with(in, hidden, &(gm_nn_gru_args){ __VA_ARGS__ })
#endif
#endif
