/* gemel/symbol.h: symbolic values: tensors that have a shape and a dtype, and instead of elements a record of how they
 * will be made.
 *
 * Operations take them like any tensor: they check shapes, compute nothing and give symbolic values again. Reading one
 * is a STATE error. gm_input (gemel/nn/functional.h) makes the first ones; gm_model makes a net of what they became. */
#ifndef GEMEL_SYMBOL_H
#define GEMEL_SYMBOL_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes that are not known yet: of the batch, and any other one. They are primes that no net has as a size, so that a
 * size computed from them, say of a reshape, is known again by its factors. Messages print them as B and ?. */
enum { GM_SIZE_BATCH = 16777213, GM_SIZE_ANY = 65521 };

/* How symbolic values were made, and with them the values that they were made of. */
typedef struct {
    int64_t id;    /* larger than those of the records it depends on */
    const gm_op *op;
    void *what;    /* where op is NULL: an object that stands for what made them */
    const void *attrs;
    int32_t n_in, n_out;
    gm_tensor *const *in; /* symbolic or not; NULL where an optional one is absent */
} gm_record;

GM_API bool gm_is_symbolic(const gm_tensor *t);
/* Make n_out symbolic values of these shapes and dtypes: made, in a way that `what` stands for, of `in`. */
GM_API bool gm_symbolic(void *what, gm_tensor *const *in, int n_in, const gm_spec *spec, gm_tensor **out, int n_out);
/* The record of t and the place of t among its outputs (index may be NULL). Lives as long as t. NULL if t is not
 * symbolic. */
GM_API const gm_record *gm_record_of(const gm_tensor *t, int32_t *index);
/* A size, computed from the two above, for a batch and another size that are known now. */
GM_API int64_t gm_size_known(int64_t size, int64_t batch, int64_t any);

#ifdef __cplusplus
}
#endif
#endif
