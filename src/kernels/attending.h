/* attending.h: fused attention and its gradient on raw memory: the values are those of docs/numerics/attention.md. */
#ifndef GM_KERNELS_ATTENDING_H
#define GM_KERNELS_ATTENDING_H

#include "attention_plan.h"
#include "gemel/tensor.h"

/* One matrix per batch entry: entry e begins at data + off[e] elements; `row` and `col` are element strides. */
typedef struct { void *data; const int64_t *off; int64_t row, col; } gm__attending_view;

typedef struct {
    gm_dtype dtype;           /* f32 or f64 */
    int64_t batch, t, s, d, e; /* q [t, d], k [s, d], v [s, e] */
    double scale;
    bool causal;
    int64_t offset;
    gm__mask_kind mask_kind;
    gm__attending_view q, k, v, mask;
    void *out, *max, *sum;    /* dense: [batch, t, e], [batch, t], [batch, t]; results, or for the gradient inputs */
    const void *g;            /* dense: gradient of out */
    void *gq, *gk, *gv;       /* dense, may be NULL: not wanted */
} gm__attending;

/* out, max (0 where nothing is seen), sum (1 there). False after a MEMORY error. */
bool gm__attend(const gm__attending *a);
/* gq, gk, gv from everything else. */
bool gm__attend_grad(const gm__attending *a);

#endif
