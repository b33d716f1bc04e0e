/* ops.h: what operation files share.
 *
 * Public operations end in gm_op_call, which goes through one pointer, gm__dispatch. The eager room fills it in; a
 * recorder of graphs can put itself in its place for a thread's context. */
#ifndef GM_OPS_OPS_H
#define GM_OPS_OPS_H

#include "../kernels/matmul_job.h"
#include "../tensor/tensor.h"
#include "gemel/op.h"
#include "gemel/ops.h"

typedef int (*gm__dispatch_fn)(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out);
extern gm__dispatch_fn gm__dispatch;
/* The most inputs, and the most outputs, of a call. */
enum { GM__MAX_PORTS = 256 };
/* Says of each output to be that it is row-major, until infer says otherwise. */
static inline void gm__clear_specs(const gm_op *op, gm_spec *spec) {
    for (int j = 0; j < GM__MAX_PORTS && (op->n_out < 0 || j < op->n_out); j++) spec[j].channels_last = 0;
}
/* What it is at first (eager/run.c). Named here, so that a program that links the static library gets that file:
 * nothing else need ask for it. */
int gm__eager_dispatch(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out);

/* Asked first while there are symbolic values (graph/symbol.c fills it in): GM__NOT_SYMBOLIC for a call that has
 * nothing to do with them. */
enum { GM__NOT_SYMBOLIC = -2 };
extern gm__dispatch_fn gm__dispatch_symbolic;
/* Asked instead while the thread has an open trace (graph/trace.c). */
extern gm__dispatch_fn gm__dispatch_traced;
/* eager/run.c: whether a call leaves a tape entry. */
bool gm__wants_tape(const gm_op *op, gm_tensor *const *in, int n_in);
/* The inputs as the kernel wants them, copied or widened where they are not; and outputs of widened kernels as infer
 * says for the inputs that were given. */
bool gm__prepare_inputs(const gm_op *op, gm_tensor *const *in, int n_in, gm_tensor **ready);
bool gm__needs_narrowing(const gm_op *op, gm_tensor *const *in, int n_in);
bool gm__narrow_outputs(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out, int n);
gm_dtype gm__widened(const gm_op *op, gm_dtype t);

/* Calls with one output and up to three inputs. */
static inline gm_tensor *gm__call1(const gm_op *op, const void *attrs, gm_tensor *a) {
    return gm_op_call1(op, (gm_tensor *[]){ a }, 1, attrs);
}
static inline gm_tensor *gm__call2(const gm_op *op, const void *attrs, gm_tensor *a, gm_tensor *b) {
    return gm_op_call1(op, (gm_tensor *[]){ a, b }, 2, attrs);
}
static inline gm_tensor *gm__call3(const gm_op *op, const void *attrs, gm_tensor *a, gm_tensor *b, gm_tensor *c) {
    return gm_op_call1(op, (gm_tensor *[]){ a, b, c }, 3, attrs);
}

/* g summed over the dimensions that broadcasting added or stretched, cast to `dtype`: from g's shape to `shape`. */
gm_tensor *gm__sum_to(gm_tensor *g, const gm_shape *shape, gm_dtype dtype);

/* The broadcast of n shapes, in *out; false and a SHAPE error that names `op` if they do not fit. */
bool gm__broadcast_shapes(const char *op, gm_tensor *const *in, int n, gm_shape *out);
/* The dtype of a result of these tensors as PyTorch promotes them: 0-d tensors only count if their kind is higher. */
gm_dtype gm__promote_tensors(gm_tensor *const *in, int n);
/* True if some input of the full rank is channels-last and none is only row-major. */
bool gm__prefers_channels_last(gm_tensor *const *in, int n, int rank);

/* ---- matmul.c: the kernels of linear, and of matmul in f32 and f64, that tell of the rows that they finish ---- */

bool gm__linear_run(const gm_op_args *a, gm_tensor *y, gm_mm_done done, void *env);
bool gm__matmul_run(const gm_op_args *a, gm_tensor *y, gm_mm_done done, void *env);

/* ---- rules that many operations share ---- */

/* jvp of an operation that is linear in each differentiable input: the sum of op(.., tin[i], ..). */
bool gm__jvp_linear(const gm_jvp_args *a);
/* jvp from grad: the transpose of the transpose. Needs grad to be differentiable in the arriving gradient. */
bool gm__jvp_through_grad(const gm_jvp_args *a);
/* batch by running the operation once per entry and stacking. */
bool gm__batch_loop(const gm_batch_args *a);
/* Apply the tangent or batch rule, direct or derived. */
bool gm__op_jvp(const gm_jvp_args *a);
bool gm__op_batch(const gm_batch_args *a);

/* Input i with the batch at axis 0 (expanded if it is not mapped). */
gm_tensor *gm__batched(const gm_batch_args *a, int i);

#endif
