/* inputs.h: arguments to try a scalar function with, the same on every machine: every exponent; the range where things
 * happen, densely; neighbours of special points; special values in all pairs. */
#ifndef MATH_INPUTS_H
#define MATH_INPUTS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static uint64_t input_state = 1;

static inline uint64_t input_random(void) {
    input_state = input_state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = input_state ^ (input_state >> 29);
    return (x * 0xbf58476d1ce4e5b9u) ^ (x >> 32);
}

static inline double input_uniform(double low, double high) {
    return low + (high - low) * ((double)(input_random() >> 11) * 0x1p-53);
}

/* a point where a formula changes, or one of its neighbours */
static inline double input_point(void) {
    static const double points[] = { 0.0,
                                     1e-310,
                                     0x1p-1022,
                                     0x1p-149,
                                     0x1p-126,
                                     0x1p-28,
                                     0x1p-12,
                                     0.125,
                                     0.25,
                                     0.375,
                                     0.40625,
                                     0.5,
                                     0.6,
                                     0.75,
                                     0.875,
                                     1,
                                     1.25,
                                     1.4616321449683623,
                                     1.5,
                                     1.75,
                                     2,
                                     2.5,
                                     3,
                                     8,
                                     9,
                                     10,
                                     22,
                                     28,
                                     40,
                                     88.72283905206835,
                                     103.97,
                                     709.782712893384,
                                     745.13,
                                     1.5707963267948966,
                                     3.141592653589793,
                                     0x1p20,
                                     0x1p23,
                                     0x1p24,
                                     0x1p31,
                                     0x1p50,
                                     0x1p52,
                                     0x1p53,
                                     0x1p63,
                                     1e30,
                                     0x1.fffffep127,
                                     0x1p900,
                                     0x1.fffffffffffffp1023,
                                     0.70710678118654757,
                                     1.4142135623730951 };
    double x = points[input_random() % (sizeof points / sizeof *points)];
    for (int k = (int)(input_random() & 3); k > 0; k--) x = nextafter(x, input_random() & 64 ? 1e308 : -1e308);
    return input_random() & 64 ? -x : x;
}

static inline double input_bits(void) {
    uint64_t u = input_random();
    double x;
    memcpy(&x, &u, 8);
    return x == x ? x : 1.0;
}

static inline double input_f64(int i) {
    double a, b;
    switch (i % 6) {
    case 0: return input_bits();
    case 1: return input_uniform(-1.0, 1.0);
    case 2: return input_uniform(-10.0, 10.0);
    case 3: return input_uniform(-750.0, 750.0);
    case 4:
        a = input_uniform(-40.0, 40.0), b = input_uniform(-1.0, 1.0);
        return (double)(int)a * 0.25 + b * 0x1p-20;
    default: return input_point();
    }
}

static inline float input_f32(int i) {
    if (i % 6 == 0) {
        uint32_t u = (uint32_t)input_random();
        float x;
        memcpy(&x, &u, 4);
        return x == x ? x : 1.0f;
    }
    float x = (float)input_f64(i);
    if (i % 6 != 5 || !(input_random() & 64)) return x;
    return nextafterf(x, input_random() & 64 ? 1e38f : -1e38f);
}

/* n arguments of each format, and n second ones */
static inline void input_fill(int n, float *x32, float *y32, double *x64, double *y64) {
    static const double special[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5 };
    for (int i = 0; i < n; i++) {
        x32[i] = input_f32(i);
        x64[i] = input_f64(i);
        int k = (int)(input_random() % 6);
        y32[i] = input_f32(k);
        y64[i] = input_f64(k);
    }
    for (int i = 0; i < 169 && i < n; i++) {
        x32[i] = (float)special[i / 13], y32[i] = (float)special[i % 13];
        x64[i] = special[i / 13], y64[i] = special[i % 13];
    }
}

#endif
