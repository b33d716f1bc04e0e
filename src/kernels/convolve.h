/* convolve.h: convolution in one to three dimensions and its gradients, on raw memory. The order of summation is that
 * of docs/numerics.md, whatever the layout, the threads and the instruction set. */
#ifndef GM_CONVOLVE_H
#define GM_CONVOLVE_H

#include <stdbool.h>
#include <stdint.h>

struct gm_kernels;

typedef struct gm__conv_shape {
    int32_t n_spatial; /* 1, 2 or 3 */
    int64_t batch, c_in, c_out, groups;
    int64_t in[3], kernel[3], out[3]; /* spatial sizes; unused leading ones are 1: 1d uses index 2, 2d uses 1..2 */
    int64_t stride[3], pad_lo[3], pad_hi[3], dilation[3];
    bool channels_last; /* layout of x and y: [N, spatial..., C] instead of [N, C, spatial...] */
} gm__conv_shape;

/* What is done to finished results. bias [c_out] is of the results' type; NULL: none. */
typedef struct gm__conv_epilogue {
    const void *bias;
} gm__conv_epilogue;

/* x [N, C, in...], w [O, C / groups, kernel...] -> y [N, O, out...]. All are contiguous in their layout; w always has
 * the layout written here. `e` may be NULL. False and a pending error (MEMORY, VALUE) on failure. */
bool gm__conv_forward_f32(const gm__conv_shape *s, const float *x, const float *w, float *y,
                          const gm__conv_epilogue *e);
bool gm__conv_forward_f64(const gm__conv_shape *s, const double *x, const double *w, double *y,
                          const gm__conv_epilogue *e);
/* gy [N, O, out...], w -> gx [N, C, in...]; also the forward of a transposed convolution. */
bool gm__conv_data_grad_f32(const gm__conv_shape *s, const float *gy, const float *w, float *gx);
bool gm__conv_data_grad_f64(const gm__conv_shape *s, const double *gy, const double *w, double *gx);
/* x, gy -> gw [O, C / groups, kernel...]. */
bool gm__conv_weight_grad_f32(const gm__conv_shape *s, const float *x, const float *gy, float *gw);
bool gm__conv_weight_grad_f64(const gm__conv_shape *s, const double *x, const double *gy, double *gw);

/* Use this table from now on, in place of the machine's best; NULL brings it back. For tests. */
void gm__conv_use(const struct gm_kernels *table);

#endif
