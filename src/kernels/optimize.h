/* optimize.h: one pass over a parameter per optimizer (docs/numerics/optim.md).
 *
 * t: the parameter, its gradient, its states (NULL where an option leaves one out). s: scalars, computed in f64 by the
 * caller and rounded once here. */
#ifdef GM_KERNEL_DECLARE
/* s: lr, mu, wd; t: p, g, b. flags 1: first, b is not read; 2: nesterov. b NULL: no momentum */
GM_KERNEL(void, optimize_sgd_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_sgd_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
/* s: 1 - b1, 1 - b2, b2, sqrt(c2), eps, lr / c1, wd (added to g), 1 - lr wd (a factor of p); t: p, g, m, v */
GM_KERNEL(void, optimize_adam_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_adam_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
/* s: rate, wd, eps; t: p, g, v */
GM_KERNEL(void, optimize_adagrad_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_adagrad_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
/* s: lr, 1 - a, a, eps, mu, wd; t: p, g, v, mean (NULL: not centered), b (NULL: no momentum) */
GM_KERNEL(void, optimize_rmsprop_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_rmsprop_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
/* s: lr, 1 - rho, rho, eps, wd; t: p, g, v, d */
GM_KERNEL(void, optimize_adadelta_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_adadelta_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
/* s: lr, 1 - b1, 1 - b2, 1 - lr wd; t: p, g, m */
GM_KERNEL(void, optimize_lion_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_lion_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
/* s: 1 - b1, 1 - b2, b2, sqrt(c2), eps, 1 / c1, wd; t: p, g, m, v, u: what p is to move along */
GM_KERNEL(void, optimize_lamb_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_lamb_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
/* s: rate, shrink; t: p, u: p shrink - rate u */
GM_KERNEL(void, optimize_move_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_move_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
/* s: w; t: a, p: a moves towards p by the part w */
GM_KERNEL(void, optimize_average_f32, (int64_t n, const double *s, int32_t flags, void *const *t))
GM_KERNEL(void, optimize_average_f64, (int64_t n, const double *s, int32_t flags, void *const *t))
#else

#define OPTIMIZE_T float
#define OPTIMIZE_FMA gm_fma
#define OPTIMIZE_SQRT __builtin_sqrtf
#define OPTIMIZE_K(name) GM_K(optimize_##name##_f32)
#include "optimize_body.h"
#undef OPTIMIZE_T
#undef OPTIMIZE_FMA
#undef OPTIMIZE_SQRT
#undef OPTIMIZE_K
#define OPTIMIZE_T double
#define OPTIMIZE_FMA gm_fmad
#define OPTIMIZE_SQRT __builtin_sqrt
#define OPTIMIZE_K(name) GM_K(optimize_##name##_f64)
#include "optimize_body.h"
#undef OPTIMIZE_T
#undef OPTIMIZE_FMA
#undef OPTIMIZE_SQRT
#undef OPTIMIZE_K
#endif
