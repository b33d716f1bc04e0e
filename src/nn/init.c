/* init.c: initialisers.
 *
 * Those with fans come down to uniform or normal numbers of a width worked out in f64. The truncated normal is the
 * inverse distribution function of a uniform number. Orthogonal ones are the Q of a normal matrix's QR with a positive
 * diagonal in R, which is unique: Gram-Schmidt, each row cleaned twice, gives it by plain sums in f64. */
#include "../math/fp.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"
#include "gemel/nn/init.h"
#include "gemel/ops.h"

#include <math.h>
#include <string.h>

static const double init_sqrt2 = 1.41421356237309504880;

static gm_tensor *init_random(const gm_random_key *key, gm_shape shape, gm_dtype dtype, bool normal, double scale,
                              double shift) {
    if (key) return gm_random_of(*key, shape, dtype, normal, scale, shift);
    if (!normal) return gm_rand_between(shape, dtype, shift, shift + scale);
    return gm_add_scalar(gm_mul_scalar(gm_randn(shape, dtype), scale), shift);
}

static bool init_fans(gm_shape s, double *in, double *out) {
    char text[200];
    if (s.n < 2)
        return gm_fail(GM_ERROR_SHAPE, "init: %s has no fans; a weight has two dimensions or more",
                       gm_shape_text(s, text, sizeof text));
    double window = 1;
    for (int i = 2; i < s.n; i++) window *= (double)s.d[i];
    *in = window * (double)s.d[1];
    *out = window * (double)s.d[0];
    return true;
}

/* The deviation that a kind with fans stands for; NaN after an error. */
static double init_deviation(gm_init kind, gm_shape shape, double a, double b) {
    double in = 1, out = 1;
    if (!init_fans(shape, &in, &out)) return NAN;
    if (kind == GM_INIT_XAVIER_UNIFORM || kind == GM_INIT_XAVIER_NORMAL) return a * sqrt(2 / (in + out));
    return sqrt(2 / (1 + a * a)) / sqrt(b != 0 ? out : in);
}

/* The part of a standard normal below z. */
static double init_below(double z) { return 0.5 + 0.5 * gm_item(gm_erf(gm_scalar(z / init_sqrt2, GM_F64))); }

static gm_tensor *init_truncated(const gm_random_key *key, gm_shape shape, gm_dtype dtype, double mean,
                                 double deviation, double low, double high) {
    if (!(deviation > 0) || !(low < high))
        return gm_fail(GM_ERROR_VALUE, "init: a normal of deviation %g within [%g, %g]", deviation, low, high), NULL;
    double below = init_below((low - mean) / deviation), above = init_below((high - mean) / deviation);
    gm_tensor *u = init_random(key, shape, dtype, false, 2 * (above - below), 2 * below - 1);
    gm_tensor *z = gm_add_scalar(gm_mul_scalar(gm_erfinv(u), deviation * init_sqrt2), mean);
    return gm_clamp(z, low, high);
}

static double init_dot(const double *a, const double *b, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += a[i] * b[i];
    return s;
}

/* Make the n <= m rows of q [n, m] orthogonal and of length 1. */
static void init_gram_schmidt(double *q, int64_t n, int64_t m) {
    for (int64_t i = 0; i < n; i++) {
        double *row = q + i * m;
        for (int64_t k = 0; k < 2 * i; k++) {
            const double *other = q + (k % i) * m;
            double along = init_dot(row, other, m);
            for (int64_t j = 0; j < m; j++) row[j] -= along * other[j];
        }
        double length = sqrt(init_dot(row, row, m));
        for (int64_t j = 0; j < m; j++) row[j] /= length;
    }
}

static gm_tensor *init_orthogonal(const gm_random_key *key, gm_shape shape, double gain) {
    double in = 1, out = 1;
    if (!init_fans(shape, &in, &out)) return NULL;
    int64_t rows = shape.d[0], columns = rows ? gm_shape_count(shape) / rows : 0;
    bool wide = rows <= columns;
    int64_t n = wide ? rows : columns, m = wide ? columns : rows;
    gm_tensor *q = init_random(key, GM_SHAPE(n, m), GM_F64, true, 1, 0);
    double *data = gm_mutable_data(q);
    if (!data) return NULL;
    init_gram_schmidt(data, n, m);
    return gm_reshape(gm_mul_scalar(wide ? q : gm_transpose(q, 0, 1), gain), shape);
}

static gm_tensor *init_value(gm_shape shape, gm_dtype dtype, gm_init kind, double a, double b,
                             const gm_random_key *key) {
    bool normal = kind == GM_INIT_XAVIER_NORMAL || kind == GM_INIT_KAIMING_NORMAL;
    switch (kind) {
    case GM_INIT_CONSTANT: return gm_full(shape, a, dtype);
    case GM_INIT_UNIFORM: return init_random(key, shape, dtype, false, b - a, a);
    case GM_INIT_NORMAL: return init_random(key, shape, dtype, true, b, a);
    case GM_INIT_TRUNCATED_NORMAL: return init_truncated(key, shape, dtype, a, b, a - 2 * b, a + 2 * b);
    case GM_INIT_ORTHOGONAL: return init_orthogonal(key, shape, a);
    default: break;
    }
    if (kind < GM_INIT_CONSTANT || kind > GM_INIT_KAIMING_NORMAL)
        return gm_fail(GM_ERROR_VALUE, "init: %d is no kind of initialiser", kind), NULL;
    double deviation = init_deviation(kind, shape, a, b), bound = sqrt(3) * deviation;
    if (!gm_ok()) return NULL;
    return normal ? init_random(key, shape, dtype, true, deviation, 0)
                  : init_random(key, shape, dtype, false, 2 * bound, -bound);
}

/* f16 and bf16 are drawn in f32 and rounded by the assignment. */
static gm_dtype init_dtype(const gm_tensor *t) {
    gm_dtype dtype = gm_dtype_of(t);
    if (gm_ok() && !gm_is_float(dtype)) gm_fail(GM_ERROR_DTYPE, "init: a tensor of type %s", gm_dtype_name(dtype));
    return dtype == GM_F64 ? GM_F64 : GM_F32;
}

bool gm_init_fill(gm_tensor *t, gm_init kind, double a, double b, const gm_random_key *key) {
    if (!gm_ok()) return false;
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_dtype dtype = init_dtype(t);
    return gm_ok() && gm_assign(t, init_value(gm_shape_of(t), dtype, kind, a, b, key));
}

bool gm_init_constant(gm_tensor *t, double value) { return gm_init_fill(t, GM_INIT_CONSTANT, value, 0, NULL); }
bool gm_init_zeros(gm_tensor *t) { return gm_init_constant(t, 0); }
bool gm_init_ones(gm_tensor *t) { return gm_init_constant(t, 1); }
bool gm_init_uniform(gm_tensor *t, double low, double high) {
    return gm_init_fill(t, GM_INIT_UNIFORM, low, high, NULL);
}
bool gm_init_normal(gm_tensor *t, double mean, double deviation) {
    return gm_init_fill(t, GM_INIT_NORMAL, mean, deviation, NULL);
}
bool gm_init_xavier_uniform(gm_tensor *t, double gain) {
    return gm_init_fill(t, GM_INIT_XAVIER_UNIFORM, gain, 0, NULL);
}
bool gm_init_xavier_normal(gm_tensor *t, double gain) { return gm_init_fill(t, GM_INIT_XAVIER_NORMAL, gain, 0, NULL); }
bool gm_init_kaiming_uniform(gm_tensor *t, double slope, bool fan_out) {
    return gm_init_fill(t, GM_INIT_KAIMING_UNIFORM, slope, fan_out, NULL);
}
bool gm_init_kaiming_normal(gm_tensor *t, double slope, bool fan_out) {
    return gm_init_fill(t, GM_INIT_KAIMING_NORMAL, slope, fan_out, NULL);
}
bool gm_init_orthogonal(gm_tensor *t, double gain) { return gm_init_fill(t, GM_INIT_ORTHOGONAL, gain, 0, NULL); }

bool gm_init_truncated_normal(gm_tensor *t, double mean, double deviation, double low, double high) {
    if (!gm_ok()) return false;
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_dtype dtype = init_dtype(t);
    return gm_ok() && gm_assign(t, init_truncated(NULL, gm_shape_of(t), dtype, mean, deviation, low, high));
}

bool gm_init_eye(gm_tensor *t) {
    if (!gm_ok()) return false;
    GM_SCOPE(s);
    GM_NO_GRAD;
    char text[200];
    gm_shape shape = gm_shape_of(t);
    if (gm_ok() && shape.n != 2)
        return gm_fail(GM_ERROR_SHAPE, "init_eye: %s has no diagonal; two dimensions are needed",
                       gm_shape_text(shape, text, sizeof text));
    return gm_assign(t, gm_eye(shape.d[0], shape.d[1], gm_dtype_of(t)));
}

bool gm_init_dirac(gm_tensor *t, int64_t groups) {
    if (!gm_ok()) return false;
    GM_SCOPE(s);
    GM_NO_GRAD;
    char text[200];
    gm_shape shape = gm_shape_of(t);
    int64_t middle = 0, kernel = 1;
    if (!gm_ok()) return false;
    gm_shape_text(shape, text, sizeof text);
    if (shape.n < 3 || shape.n > 5)
        return gm_fail(GM_ERROR_SHAPE, "init_dirac: %s is no kernel; [O, I, k ...] is wanted", text);
    if (groups < 1 || shape.d[0] % groups)
        return gm_fail(GM_ERROR_VALUE, "init_dirac: %lld groups of the first dimension of %s", (long long)groups, text);
    for (int i = 2; i < shape.n; i++) {
        middle = middle * shape.d[i] + shape.d[i] / 2;
        kernel *= shape.d[i];
    }
    int64_t o = shape.d[0] / groups;
    gm_tensor *ones = gm_expand(gm_eye(o, shape.d[1], gm_dtype_of(t)), GM_SHAPE(groups, o, shape.d[1]));
    gm_tensor *all = gm_unslice(gm_reshape(ones, GM_SHAPE(shape.d[0], shape.d[1], 1)), 2, middle, 1, kernel);
    return gm_assign(t, gm_reshape(all, shape));
}

double gm_init_gain(const char *nonlinearity, double slope) {
    static const struct {
        const char *name;
        double gain;
    } table[] = {
        { "linear", 1 },  { "conv", 1 }, { "sigmoid", 1 }, { "tanh", 5.0 / 3 }, { "relu", 1.41421356237309504880 },
        { "selu", 0.75 },
    };
    if (!gm_ok()) return NAN;
    for (size_t i = 0; nonlinearity && i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, nonlinearity)) return table[i].gain;
    if (nonlinearity && !strcmp(nonlinearity, "leaky_relu")) return sqrt(2 / (1 + slope * slope));
    gm_fail(GM_ERROR_VALUE, "init_gain: no gain is known for \"%s\"", nonlinearity ? nonlinearity : "NULL");
    return NAN;
}
