/* gemel/autograd.h: gradients of eager computations.
 *
 * While gradients are on, an operation on a tensor that requires one leaves a tape entry that holds what its derivative
 * needs; the entry lives as long as one of its outputs. gm_backward walks the entries backwards. Contributions to a
 * value's gradient are added in reverse order of execution of its consumers, so results do not depend on threads. */
#ifndef GEMEL_AUTOGRAD_H
#define GEMEL_AUTOGRAD_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Make x a variable whose gradient is collected (or not). Only for leaves: tensors that no recorded operation made. */
GM_API bool gm_set_requires_grad(gm_tensor *x, bool on);
/* True for such leaves and for everything computed from one. */
GM_API bool gm_requires_grad(const gm_tensor *x);
/* The gradient that backward passes have added up in x, NULL if none (no error); row-major if x is. Owned by x until
 * cleared. */
GM_API gm_tensor *gm_gradient_of(const gm_tensor *x);
GM_API void gm_clear_gradient(gm_tensor *x);
/* Replace x's stored gradient (of x's shape and dtype; NULL clears it). */
GM_API bool gm_set_gradient(gm_tensor *x, gm_tensor *gradient);
/* The gradient of a table of which few rows were used (gm_embedding): their numbers, i64 [k], ascending, and their
 * gradients [k, D..]; all other rows are 0. False, without an error, if there is no gradient or it is held as a whole,
 * as it is once anybody has read it. Owned by the scope. */
GM_API bool gm_gradient_rows(const gm_tensor *x, gm_tensor **rows, gm_tensor **values);
/* Keep the gradient of a value that is not a leaf, too. */
GM_API bool gm_retain_gradient(gm_tensor *x);

typedef struct { size_t size; gm_tensor *gradient; int32_t retain, create_graph; } gm_backward_args;
/* Add the gradients of `y` with respect to every leaf below it to those leaves. y: one element, or .gradient of y's
 * shape. .retain keeps the tape for another pass; .create_graph records the pass itself, so that it can be
 * differentiated. GRADIENT errors: nothing below y requires a gradient; a saved value was changed since; the tape was
 * already used. */
GM_API bool gm_backward_with(gm_tensor *y, const gm_backward_args *args);

/* The gradients of `y` (summed if it has more than one element and no .gradient) with respect to `xs`, as a pack with
 * the names of `xs`. Leaves' stored gradients do not change. An x that y does not depend on gets zeros. Only what
 * leads from y to xs is walked. The tape is kept. */
GM_API gm_pack *gm_gradients_with(gm_tensor *y, gm_pack *xs, const gm_backward_args *args);

/* x without its history: the same values, no gradient. Shares storage. */
GM_API gm_tensor *gm_detach(gm_tensor *x);

/* GM_NO_GRAD; is a declaration: operations in the rest of the block leave no tape entries. */
typedef struct { void *impl; int64_t reserved; } gm_no_grad_guard;
GM_API gm_no_grad_guard gm_no_grad_begin(void);
GM_API void gm_no_grad_end(gm_no_grad_guard *guard);
GM_API bool gm_grad_enabled(void);
#ifdef GM__CLEANUP
#  define GM_NO_GRAD gm_no_grad_guard gm__no_grad_guard_here GM__CLEANUP(gm_no_grad_end) = gm_no_grad_begin()
#endif

/* Call fn with the finished gradient of x whenever a backward pass has one; what it returns (NULL: the same) goes on.
 * A hook that is added while a pass runs, by another hook, is called from the next pass on. */
typedef gm_tensor *(*gm_gradient_hook)(void *env, gm_tensor *x, gm_tensor *gradient);
GM_API bool gm_on_gradient(gm_tensor *x, gm_gradient_hook fn, void *env, void (*free_env)(void *env));

/* Anomaly mode: every operation's results, and in backward passes every gradient, are looked at; the first NaN (from
 * inputs without one) is a NUMERIC error that names the operation and the module. Slow; for finding. */
GM_API void gm_set_anomaly(bool on);

#ifdef __cplusplus
}
#else
#  define gm_backward(...) gm__backward(__VA_ARGS__, .size = sizeof(gm_backward_args))
#  define gm__backward(y, ...) gm_backward_with(y, &(gm_backward_args){ __VA_ARGS__ })
#  define gm_gradients(...) gm__gradients(__VA_ARGS__, .size = sizeof(gm_backward_args))
#  define gm__gradients(y, xs, ...) gm_gradients_with(y, xs, &(gm_backward_args){ __VA_ARGS__ })
#endif
#endif
