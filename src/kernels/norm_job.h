/* norm_job.h: what the kernels of normalisation are told. Arrays are of the kernel's type. */
#ifndef GM_KERNELS_NORM_JOB_H
#define GM_KERNELS_NORM_JOB_H

/* Channels: x, g, y [n, c, s], or [n, s, c] if `last`. */
typedef struct {
    int64_t n, c, s;
    int32_t last, reserved;
    const void *x, *g;         /* either may be NULL where the kernel says so */
    const void *mean;          /* [c]; NULL: 0 */
    const void *scale, *shift; /* [c] */
    const void *slope;         /* [c] */
    void *y, *out[2];          /* out: [c] each */
} gm_channel_job;

/* Rows: x, g, y [rows, n]. Weight and bias (NULL: none) of element j of row r at (r % groups) * (n / run) + j / run. */
typedef struct {
    int64_t n, groups, run;
    int32_t rms, reserved; /* no mean is taken away */
    double eps;
    const void *x, *g, *weight, *bias;
    void *y, *mean, *rstd; /* [rows] each */
    void *out[2];          /* [n]: gradients of weight and bias, where groups = run = 1 */
    int64_t rows;
} gm_norm_job;

/* CTC: logp and grad [t, n, c], label [n, s], alpha [n, t, 2 s + 1], loss and g [n]. */
typedef struct {
    int64_t t, n, c, s, blank;
    const void *logp, *g;
    const int64_t *label, *input_length, *label_length;
    void *alpha, *loss, *grad, *work; /* work: 2 (2 s + 1) of each n */
    int32_t zero_infinity, reserved;
} gm_ctc_job;

#endif
