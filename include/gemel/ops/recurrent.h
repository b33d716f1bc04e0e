/* gemel/ops/recurrent.h: recurrent cells over a sequence. What the layers of gemel/nn/recurrent.h are made of. */
#ifndef GEMEL_OPS_RECURRENT_H
#define GEMEL_OPS_RECURRENT_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Number of gates G, and their order in the G H rows of weights: */
typedef int32_t gm_cell;
enum {
    GM_CELL_TANH = 0, /* 1: h' = tanh(a) */
    GM_CELL_RELU = 1, /* 1: h' = relu(a) */
    GM_CELL_LSTM = 2, /* 4: input, forget, cell, output. Hochreiter, Schmidhuber 1997; Gers et al. 1999 */
    GM_CELL_GRU = 3   /* 3: reset, update, new. Cho et al. 2014, with the reset behind the product, as PyTorch */
};

/* `bias`: b_hh [G H]. `c0` [N, H] (LSTM; default zeros). `mask` bool [T, N]: where it is false the step leaves the
 * state of that sequence as it is. `c`: where to put the cell states [T, N, H] (LSTM). `reverse`: from the last step to
 * the first. */
typedef struct {
    size_t size;
    gm_tensor *bias, *c0, *mask;
    gm_tensor **c;
    int32_t reverse, reserved;
} gm_recurrent_args;
/* x [T, N, G H], the inputs' part of the gates (x w_ih' + b_ih), h0 [N, H], w_hh [G H, H] -> the state after each step
 * [T, N, H]. Floats of one dtype; f16 and bf16 are computed in f32. Formulas: docs/numerics/recurrent.md. */
GM_API gm_tensor *gm_recurrent_with(gm_tensor *x, gm_tensor *h0, gm_tensor *w_hh, gm_cell cell,
                                    const gm_recurrent_args *args);
GM_API gm_tensor *gm_recurrent(gm_tensor *x, gm_tensor *h0, gm_tensor *w_hh, gm_cell cell);

#ifdef __cplusplus
}
#else
#  define gm_recurrent(...) gm__recurrent(__VA_ARGS__, .size = sizeof(gm_recurrent_args))
#  define gm__recurrent(x, h0, w_hh, cell, ...)                                                                        \
      gm_recurrent_with(x, h0, w_hh, cell, &(gm_recurrent_args){ __VA_ARGS__ })
#endif
#endif
