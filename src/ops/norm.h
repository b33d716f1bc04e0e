/* norm.h: what the normalising families share. */
#ifndef GM_OPS_NORM_H
#define GM_OPS_NORM_H

#include "../kernels/kernels.h"
#include "ops.h"

/* x [N, C, ...] -> [C]: the sum over all but the channel, or of x * y, by the dot-like rule with k = (n, spatial),
 * whatever the layout: gradients of bias, gamma and beta. */
gm_tensor *gm__sum_channels(gm_tensor *x);
gm_tensor *gm__dot_channels(gm_tensor *x, gm_tensor *y);

/* The sizes of x [N, C, ...] as a job; `last`: stored with C innermost. */
gm_channel_job gm__channel_job(const gm_shape *x, bool last);
/* x as the job has it. */
gm_tensor *gm__channel_layout(gm_tensor *x, const gm_channel_job *job);
/* True if channels are innermost in y: channels-last, or nothing behind the channel. */
bool gm__channels_innermost(const gm_tensor *y);
/* Run the kernels over channels, and over rows. */
void gm__channel_sums(const gm_channel_job *job, gm_dtype dtype);
void gm__channel_stats(const gm_channel_job *job, gm_dtype dtype);
void gm__channel_apply(const gm_channel_job *job, gm_dtype dtype);

/* v [C] as a view that broadcasts against [N, C, ...] of `rank` dimensions. NULL stays NULL. */
gm_tensor *gm__per_channel(gm_tensor *v, int rank);

/* The gradient of (g, x, weight) -> (dx, dweight, dbias) of a normalisation, for v, vw, vb arriving (NULL: none). hat
 * is the normalised x, r is 1 / sqrt(var + eps), both functions of x; everything broadcasts against x. `project` is the
 * gradient without a weight, u -> dx; `mean` the mean over the elements that are normalised together. */
typedef struct {
    gm_tensor *v, *vw, *vb, *g, *hat, *r, *weight;
    gm_tensor *(*project)(void *env, gm_tensor *u);
    gm_tensor *(*mean)(void *env, gm_tensor *t);
    void *env;
    gm_tensor *dg, *dx, *dw; /* out: dw has x's shape, to be summed */
} gm__norm_second;
bool gm__norm_second_order(gm__norm_second *s);

#endif
