/* loops.h: drivers that run contiguous kernels over strided, broadcast operands of any dtype.
 *
 * Kernels compute on short contiguous tiles in a *domain* (f32, f64, i32, i64, u64: gm__domain). An operand that
 * already is a contiguous run of that domain is used in place; any other is converted or gathered into a tile first. */
#ifndef GM_KERNELS_LOOPS_H
#define GM_KERNELS_LOOPS_H

#include "gemel/tensor.h"

enum { GM_LOOP_MAX_IN = 4 };

/* One operand: data points at its element [0, 0, ...]; strides in elements (0 broadcasts). */
typedef struct { void *data; gm_dtype dtype; int32_t reserved; int64_t stride[GM_MAX_DIMS]; } gm__operand;

/* Row-major strides for `shape`. */
void gm__operand_contiguous(gm__operand *o, const gm_shape *shape);

/* y[i] = f(x0[i], x1[i], ...; p) over n contiguous elements of the domain. */
typedef void (*gm__loop_fn)(int64_t n, const void *const *x, void *y, const double *p);

/* Run f over every element of `shape`, in threads where it pays; `cost` is about picoseconds per element. */
void gm__loop(gm__loop_fn f, gm_dtype domain, const gm_shape *shape, int n_in, const gm__operand *in,
              const gm__operand *out, const double *p, int64_t cost);

/* Copy with conversion, strided to strided, in threads where it pays. */
bool gm__copy(const gm_shape *shape, const gm__operand *from, const gm__operand *to);
/* Convert n contiguous elements. */
void gm__convert_run(const void *from, gm_dtype from_dtype, void *to, gm_dtype to_dtype, int64_t n);

#endif
