/* gemel/nn/init.h: initialisers: how parameters are filled before training. Formulas: docs/numerics/init.md.
 *
 * Fans. A weight [O, I, k ...] has fan in I k ... and fan out O k ...; fewer than two dimensions have none (SHAPE). */
#ifndef GEMEL_NN_INIT_H
#define GEMEL_NN_INIT_H

#include "../ops/random.h"
#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t gm_init;
enum {
    GM_INIT_CONSTANT = 0,         /* a everywhere */
    GM_INIT_UNIFORM = 1,          /* from [a, b) */
    GM_INIT_NORMAL = 2,           /* mean a, deviation b */
    GM_INIT_TRUNCATED_NORMAL = 3, /* the same, without what lies over two deviations from the mean */
    GM_INIT_ORTHOGONAL = 4,       /* rows (or columns, the fewer ones) orthogonal and of length a. Saxe et al. 2014 */
    GM_INIT_XAVIER_UNIFORM = 5,   /* deviation a sqrt(2 / (fan in + fan out)), a: the gain. Glorot, Bengio 2010 */
    GM_INIT_XAVIER_NORMAL = 6,
    GM_INIT_KAIMING_UNIFORM = 7,  /* deviation sqrt(2 / (1 + a^2) / fan), a: the slope of a leaky relu (0: relu); */
    GM_INIT_KAIMING_NORMAL = 8    /* b: 0 for the fan in, 1 for the fan out. He et al. 2015 */
};

/* Overwrite t, of a float dtype, by the recipe. `key`: what the numbers are a function of; NULL: the next of the
 * default stream. Errors: VALUE, SHAPE (no fans), DTYPE. */
GM_API bool gm_init_fill(gm_tensor *t, gm_init kind, double a, double b, const gm_random_key *key);

/* From the default stream. */
GM_API bool gm_init_constant(gm_tensor *t, double value);
GM_API bool gm_init_zeros(gm_tensor *t);
GM_API bool gm_init_ones(gm_tensor *t);
GM_API bool gm_init_uniform(gm_tensor *t, double low, double high);
GM_API bool gm_init_normal(gm_tensor *t, double mean, double deviation);
/* Without what lies outside of [low, high]. */
GM_API bool gm_init_truncated_normal(gm_tensor *t, double mean, double deviation, double low, double high);
GM_API bool gm_init_xavier_uniform(gm_tensor *t, double gain);
GM_API bool gm_init_xavier_normal(gm_tensor *t, double gain);
GM_API bool gm_init_kaiming_uniform(gm_tensor *t, double slope, bool fan_out);
GM_API bool gm_init_kaiming_normal(gm_tensor *t, double slope, bool fan_out);
/* t [O, ...], seen as [O, the rest]. */
GM_API bool gm_init_orthogonal(gm_tensor *t, double gain);
/* Ones on the diagonal of t [n, m]. */
GM_API bool gm_init_eye(gm_tensor *t);
/* A convolution that passes its input on: t [O, I, k ...]; in each of `groups` parts of O output o has a one in the
 * middle of the kernel of input o. SHAPE for other dimensions, VALUE unless groups divides O. */
GM_API bool gm_init_dirac(gm_tensor *t, int64_t groups);

/* The gain for what follows a layer: "linear", "conv", "sigmoid" 1, "tanh" 5/3, "relu" sqrt(2), "leaky_relu"
 * sqrt(2 / (1 + slope^2)), "selu" 3/4. VALUE and NaN for another name. */
GM_API double gm_init_gain(const char *nonlinearity, double slope);

#ifdef __cplusplus
}
#endif
#endif
