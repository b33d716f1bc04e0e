/* gemel/ops/random.h: random numbers, the same everywhere (docs/numerics.md, "Random numbers").
 *
 * A number is a function of the seed, the path of the module that asks, the call's count and the element's index:
 * Philox, no hidden state but the count. So results do not depend on threads, layout or sharding. The seed is 0 unless
 * gm_seed sets another. No operation here has a gradient except dropout. */
#ifndef GEMEL_OPS_RANDOM_H
#define GEMEL_OPS_RANDOM_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A stream of one's own: numbers for (seed, path, count) instead of the default stream's next; the stream's count is
 * left as it is. */
typedef struct { uint64_t seed, count; const char *path; } gm_random_key;

/* Uniform in [0, 1), multiples of 2^-24: f32 or f64 (or rounded to f16, bf16). */
GM_API gm_tensor *gm_rand(gm_shape shape, gm_dtype dtype);
/* Uniform in [low, high): low + u * (high - low). */
GM_API gm_tensor *gm_rand_between(gm_shape shape, gm_dtype dtype, double low, double high);
/* Normal with mean 0 and deviation 1 (Box-Muller). */
GM_API gm_tensor *gm_randn(gm_shape shape, gm_dtype dtype);
/* Integers in [low, high). */
GM_API gm_tensor *gm_randint(gm_shape shape, int64_t low, int64_t high, gm_dtype dtype);
/* 0..n-1 in random order: i64 [n]. */
GM_API gm_tensor *gm_randperm(int64_t n);
/* 1 where u < p, else 0, for each p of x: of x's shape and dtype. */
GM_API gm_tensor *gm_bernoulli(gm_tensor *x);
/* The same for a key. kind: 0 uniform, 1 normal; scaled and moved: value * scale + shift. */
GM_API gm_tensor *gm_random_of(gm_random_key key, gm_shape shape, gm_dtype dtype, int kind, double scale, double shift);
/* Zero each element with probability p, multiply the others by 1 / (1 - p). x [...] -> [...]. p in [0, 1). */
GM_API gm_tensor *gm_dropout(gm_tensor *x, double p);
/* The same for whole channels: x [N, C, ...]: one draw for each (n, c). */
GM_API gm_tensor *gm_dropout_channels(gm_tensor *x, double p);
/* The seed and the count of the default stream, and setting both: what a checkpoint keeps. */
GM_API void gm_random_state(uint64_t *seed, uint64_t *count);
GM_API void gm_set_random_state(uint64_t seed, uint64_t count);

#ifdef __cplusplus
}
#endif
#endif
