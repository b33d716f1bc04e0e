/* test_math_narrow.c: floats of 16 and 8 bits to and from float, and floats to integers, for every instruction set,
 * against the definitions of the formats: value by ldexp, nearest value by search. */
#include "math/fp.h"
#include "check.h"
#include "gemel/extend.h"
#include "kernels/kernels.h"

#include <math.h>

typedef struct { const char *name; gm_dtype dtype; int bytes, exponent, mantissa, bias, infinite; } format;
static const format formats[] = {
    { "f16", GM_F16, 2, 5, 10, 15, 1 },
    { "bf16", GM_BF16, 2, 8, 7, 127, 1 },
    { "f8e5m2", GM_F8E5M2, 1, 5, 2, 15, 1 },
    { "f8e4m3", GM_F8E4M3, 1, 4, 3, 7, 0 },
};
static const char *const isas[] = { "avx512", "avx2", "neon", "plain" };

static double value_of(const format *f, unsigned u) {
    unsigned m = u & ((1u << f->mantissa) - 1), e = u >> f->mantissa & ((1u << f->exponent) - 1);
    unsigned last = (1u << f->exponent) - 1;
    double sign = u >> (f->mantissa + f->exponent) & 1 ? -1 : 1;
    if (e == last && f->infinite) return m ? NAN : sign * INFINITY;
    if (e == last && m == (1u << f->mantissa) - 1) return NAN; /* f8e4m3: the only NaN, no infinity */
    if (e == 0) return sign * ldexp((double)m, 1 - f->bias - f->mantissa);
    return sign * ldexp((double)(m + (1u << f->mantissa)), (int)e - f->bias - f->mantissa);
}

/* The pattern nearest to x, ties to even: positive values are in the order of their patterns. `past` is the first
 * pattern that is not finite; its value, were the exponent to go on, is where infinity (or NaN) begins to be nearest.
 */
static unsigned nearest(const format *f, double x) {
    unsigned sign = signbit(x) ? 1u << (f->mantissa + f->exponent) : 0;
    unsigned past = (((1u << f->exponent) - 1) << f->mantissa) + (f->infinite ? 0 : (1u << f->mantissa) - 1);
    double a = fabs(x), end = ldexp((double)((past & ((1u << f->mantissa) - 1)) + (1u << f->mantissa)),
                                    (int)(past >> f->mantissa) - f->bias - f->mantissa);
    unsigned low = 0, high = past; /* value(low) <= a < value(high) */
    if (a >= end) return sign | past;
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        if (value_of(f, middle) <= a) low = middle;
        else high = middle;
    }
    double below = a - value_of(f, low), above = (high == past ? end : value_of(f, high)) - a;
    return sign | (below < above || (below == above && !(low & 1)) ? low : high);
}

static void check_loads(const gm_kernels *k, const format *f) {
    int n = 1 << (8 * f->bytes), bad = 0;
    for (int i = 0; i < n; i++) {
        uint16_t wide = (uint16_t)i;
        uint8_t narrow = (uint8_t)i;
        float y;
        k->convert(f->bytes == 2 ? (const void *)&wide : &narrow, f->dtype, &y, GM_F32, 1);
        double r = value_of(f, (unsigned)i);
        int good = r != r ? y != y : (double)y == r && !signbit(y) == !signbit(r);
        if (!good && bad++ == 0) CHECK(0, "%s %s: %x is %a, got %a", k->name, f->name, (unsigned)i, r, (double)y);
    }
    CHECK(bad == 0, "%s %s: %d patterns wrong", k->name, f->name, bad);
}

enum { BLOCK = 512 };
static float samples[BLOCK];
static int n_samples, n_stored_wrong;

static void flush(const gm_kernels *k, const format *f) {
    uint16_t wide[BLOCK];
    uint8_t narrow[BLOCK];
    k->convert(samples, GM_F32, f->bytes == 2 ? (void *)wide : narrow, f->dtype, n_samples);
    for (int i = 0; i < n_samples; i++) {
        unsigned y = f->bytes == 2 ? wide[i] : narrow[i];
        float x = samples[i];
        unsigned r = x != x ? 0 : nearest(f, (double)x);
        int good = x != x || isnan(value_of(f, r)) ? isnan(value_of(f, y)) : y == r;
        if (!good && n_stored_wrong++ == 0)
            CHECK(0, "%s %s: %a became %x, not %x", k->name, f->name, (double)x, y, nearest(f, (double)x));
    }
    n_samples = 0;
}

static void sample(const gm_kernels *k, const format *f, double x) {
    samples[n_samples++] = (float)x;
    if (n_samples == BLOCK) flush(k, f);
}

/* Every value, every middle between two, the floats beside them; random bit patterns. */
static void check_stores(const gm_kernels *k, const format *f) {
    int half = 1 << (8 * f->bytes - 1);
    n_stored_wrong = 0;
    for (int i = 0; i < half; i += 1 + (f->dtype == GM_BF16) * 6) {
        double v = value_of(f, (unsigned)i), w = value_of(f, (unsigned)i + 1);
        if (!(v < INFINITY)) continue;
        float m = (float)(w < INFINITY ? (v + w) / 2 : v * (1 + 0.5 / (1 << f->mantissa)));
        float all[] = { (float)v, m, nextafterf(m, INFINITY), nextafterf(m, 0), nextafterf((float)v, INFINITY) };
        for (int j = 0; j < 5; j++) sample(k, f, (double)all[j]), sample(k, f, -(double)all[j]);
    }
    uint64_t s = 7;
    for (int i = 0; i < 20000; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        uint32_t u = (uint32_t)(s >> 32);
        float x;
        memcpy(&x, &u, 4);
        sample(k, f, (double)x);
    }
    const double special[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, 3.4e38, -3.4e38, 448, 464, 464.00003, 480, 65504,
                               65519.996, 65520, 57344, 61439.996, 61440, 0x1p-149, 0x1p-126 };
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) sample(k, f, special[i]);
    flush(k, f);
    CHECK(n_stored_wrong == 0, "%s %s: %d floats wrong", k->name, f->name, n_stored_wrong);
}

static void test_narrow_floats(void) {
    for (int i = 0; i < 4; i++) {
        const gm_kernels *k = gm__kernels_by_name(isas[i]);
        for (int j = 0; k && j < 4; j++) {
            check_loads(k, formats + j);
            check_stores(k, formats + j);
        }
    }
}

/* ---- integers ---- */

typedef struct { const char *name; gm_dtype dtype; int bytes; long double low, high; } integer;
static const integer integers[] = {
    { "i8", GM_I8, 1, -128, 127 },
    { "i16", GM_I16, 2, -32768, 32767 },
    { "i32", GM_I32, 4, -2147483648.0L, 2147483647.0L },
    { "i64", GM_I64, 8, -9223372036854775808.0L, 9223372036854775807.0L },
    { "u8", GM_U8, 1, 0, 255 },
    { "u16", GM_U16, 2, 0, 65535 },
    { "u32", GM_U32, 4, 0, 4294967295.0L },
    { "u64", GM_U64, 8, 0, 18446744073709551615.0L },
};

static long double read_integer(const integer *t, const void *p) {
    int64_t i = 0;
    uint64_t u = 0;
    memcpy(&u, p, (size_t)t->bytes);
    if (t->low == 0) return (long double)u;
    i = (int64_t)(u << (64 - 8 * t->bytes)) >> (64 - 8 * t->bytes);
    return (long double)i;
}

static long double saturated(const integer *t, double x) {
    if (x != x) return 0;
    long double r = truncl((long double)x);
    return r < t->low ? t->low : r > t->high ? t->high : r;
}

static void check_integer(const gm_kernels *k, const integer *t, gm_dtype from, const double *x, int n) {
    char out[256 * 8];
    float narrow[256];
    for (int i = 0; i < n; i++) narrow[i] = (float)x[i];
    k->convert(from == GM_F32 ? (const void *)narrow : x, from, out, t->dtype, n);
    int bad = 0;
    for (int i = 0; i < n; i++) {
        double v = from == GM_F32 ? (double)narrow[i] : x[i];
        long double y = read_integer(t, out + i * t->bytes);
        if (y != saturated(t, v) && bad++ == 0) CHECK(0, "%s %s: %a became %Lg", k->name, t->name, v, y);
    }
    CHECK(bad == 0, "%s %s from %s: %d wrong", k->name, t->name, from == GM_F32 ? "f32" : "f64", bad);
}

static void test_integers(void) {
    static const double limits[] = { 0, 0.5, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2147483647, 2147483648,
                                     4294967295, 4294967296, 0x1p53, 0x1p62, 0x1p63, 0x1p64, 1e19, 1e30, 1e-30 };
    double x[256];
    int n = 0;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        double v = limits[i], near[] = { v, nextafter(v, INFINITY), nextafter(v, -INFINITY), v + 0.5, v - 0.5 };
        for (int j = 0; j < 5; j++) x[n++] = near[j], x[n++] = -near[j];
    }
    x[n++] = NAN, x[n++] = INFINITY, x[n++] = -INFINITY;
    for (int i = 0; i < 4; i++) {
        const gm_kernels *k = gm__kernels_by_name(isas[i]);
        for (int j = 0; k && j < 8; j++) {
            check_integer(k, integers + j, GM_F32, x, n);
            check_integer(k, integers + j, GM_F64, x, n);
        }
    }
}

int main(void) {
    RUN(test_narrow_floats);
    RUN(test_integers);
    return check_done();
}
