/* function.h: the inside of a gm_fn: what calls it, and what it was made of. */
#ifndef GM_GRAPH_FUNCTION_H
#define GM_GRAPH_FUNCTION_H

#include "trace.h"

typedef gm_pack *(*gm__fn_call)(gm_fn *f, gm_pack *in);

struct gm_fn {
    gm_object o;
    const char *kind; /* "function", "grad" ..., for messages */
    gm__fn_call call;
    gm_fn *inner;     /* what a transform was applied to, held */
    union { gm_fn1 f1; gm_fn2 f2; gm_fnp fp; } f;
    void *env;
    void (*free_env)(void *env);
    int32_t argument;
    gm_vmap_args vmap; /* in_axes is the function's own copy */
};

/* A transform of `inner` (retained); NULL if that is none or an error is pending. free_env is called with env at its
 * end. */
gm_fn *gm__fn_new(const char *kind, gm_fn *inner, gm__fn_call call);
bool gm__fn_check(const gm_fn *f, const char *op);

/* remat.c: what an entry of the tape needs to run f again for these inputs: an object of the scope. Its first n_draws
 * draws are these; the entry's outputs are those of f's results, flattened, that `result` numbers. The entry's
 * attributes begin with it. */
typedef struct gm__remat_run gm__remat_run;
gm__remat_run *gm__remat_hold(gm_fn *f, gm_pack *in, uint64_t seed, uint64_t first, int64_t n_draws,
                              const int32_t *result, int32_t n_results);

gm_fn *gm__remat_function(const gm__remat_run *r);
gm_pack *gm__remat_inputs(const gm__remat_run *r);

/* A pack of the same names and children, with f of every tensor; NULL after an error. */
typedef gm_tensor *(*gm__pack_fn)(void *env, gm_tensor *t);
gm_pack *gm__pack_map(const gm_pack *p, gm__pack_fn f, void *env);

/* Calls f with ghosts of `in` inside t, which it opens; the result, of ghosts and of tensors that were there before.
 * NULL after an error. The trace is closed, its graph has inputs and no outputs yet. */
gm_pack *gm__trace_function(gm__trace *t, gm_fn *f, const gm_pack *in);

#endif
