/* adjoint.h: jitted functions below a gradient: a program forwards, which gives what the way back needs as well, a
 * program backwards, and one entry of the tape for both. */
#ifndef GM_COMPILE_ADJOINT_H
#define GM_COMPILE_ADJOINT_H

#include "program.h"
#include "../eager/tape.h"
#include "../graph/function.h"

/* Where a gradient goes: to input `input`, or, if that is -1, to a captured tensor (held). */
typedef struct { int32_t input; gm_tensor *captured; } gm__adjoint_target;

typedef struct {
    gm_object o;
    gm__program *program;       /* of the gradients that arrive, then what was saved: the contributions */
    gm__adjoint_target *target; /* [n_targets]: of the contributions, in the order in which they are added */
    int32_t *saved_out;         /* [n_saved]: outputs of the program forwards, then [n_inputs] inputs */
    int32_t *saved_in;
    gm_tensor **read;           /* [n_read], held: captured tensors that the way back reads */
    int32_t *result, *output;   /* [n_y]: of the function's results those with a gradient; outputs of the program */
    int64_t n_targets, n_saved, n_inputs, n_read, n_y, n_draws;
    uint64_t mask;              /* those of the n_y that a gradient arrives at */
    _Atomic uint64_t asked;     /* another one that was met; 0: none */
} gm__adjoint;

/* While a function is recorded: its tracked results, of which those in `mask` get a gradient, and the way back. */
typedef struct {
    gm__trace *trace;
    gm__contributions list;
    gm_tensor **y;              /* [n_y] */
    int32_t *value, *result;    /* [n_y] */
    int64_t n_y, n_nodes, n_in; /* of the graph before the way back */
    uint64_t since, mask;
    bool failed;                /* the way back could not be recorded */
} gm__adjoint_recording;

/* In the open trace: of results out[], n in all; in[]: those of the function's inputs whose gradient may be wanted.
 * Nothing happens if there is no way back. */
bool gm__adjoint_record(gm__adjoint_recording *r, gm_tensor *const *in, int64_t n_in, gm_tensor *const *out,
                        int64_t n);
void gm__adjoint_recording_end(gm__adjoint_recording *r);
/* The closed recording's graph, with the function's outputs, as two. *forward: with what is saved as outputs behind
 * them; NULL, without an error, if it cannot be done: then the function runs as it is. NULL is returned then, and if no
 * gradient goes anywhere. Owned by the scope. */
gm__adjoint *gm__adjoint_new(gm__adjoint_recording *r, gm_graph **forward);
/* After a run of the program forwards, which took these draws: results with a history. */
bool gm__adjoint_tape(gm__adjoint *a, gm_fn *f, gm_pack *pack, gm_tensor *const *in, gm_tensor *const *out,
                      uint64_t seed, uint64_t first);

#endif
