/* ordering.h: the order of the elements of a row: ascending or descending, NaN the largest, equal ones (and zeros of
 * either sign) by their positions. */
#ifndef GM_KERNELS_ORDERING_H
#define GM_KERNELS_ORDERING_H

#include "gemel/tensor.h"

typedef struct {
    gm_dtype domain; /* f32, f64, i32, i64 or u64 */
    bool descending;
    int64_t n, k;    /* elements in a row; how many of the first are wanted */
} gm__ordering;

/* Bytes of scratch that one row needs. */
size_t gm__order_scratch(const gm__ordering *o);
/* The positions in the row x of its first k elements in order. */
void gm__order_row(const gm__ordering *o, const void *x, void *scratch, int64_t *index);
/* Every row of x [rows, n] -> index [rows, k], in threads. False without memory. */
bool gm__order_rows(const gm__ordering *o, int64_t rows, const void *x, int64_t *index);
/* True if elements i and j of a row are equal in this order. */
bool gm__order_equal(gm_dtype domain, const void *x, int64_t i, int64_t j);

#endif
