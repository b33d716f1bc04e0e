/* test_math.c: every scalar function, both precisions, every instruction set: error against long double on stratified
 * inputs, special values, identical bits. `test_math -v` prints the errors. */
#include "math/fp.h"
#include "check.h"
#include "kernels/host.h"
#include "math/list.h"
#include "bounds.h"
#include "reference.h"

static int test_verbose;
static const char *const test_isas[] = { "avx512", "avx2", "neon", "plain" };

/* ---- inputs: every exponent; the range where things happen, densely; neighbours of special points ---- */

enum { N = 24000 };
static float in32[N], in32b[N], out32[N];
static double in64[N], in64b[N], out64[N];

static uint64_t next_random(void) {
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = state ^ (state >> 29);
    return (x * 0xbf58476d1ce4e5b9u) ^ (x >> 32);
}

static double uniform(double low, double high) { return low + (high - low) * (double)(next_random() >> 11) * 0x1p-53; }

static const double points[] = {
    0.0, 1e-310, 0x1p-1022, 0x1p-149, 0x1p-126, 0x1p-28, 0x1p-12, 0.125, 0.25, 0.5, 0.875, 1,
    1.4616321449683623, 1.5, 1.75, 2, 2.5, 3, 8, 9, 10, 22, 28, 40, 88.72283905206835, 103.97, 709.782712893384,
    745.13, 1.5707963267948966, 3.141592653589793, 0x1p20, 0x1p23, 0x1p24, 0x1p31, 0x1p52, 0x1p53, 0x1p63, 1e30,
    0x1.fffffep127, 0x1p900, 0x1.fffffffffffffp1023, 0.375, 0.75, 1.25, 0.70710678118654757, 1.4142135623730951
};

static double draw64(int i) {
    int n = sizeof points / sizeof *points;
    switch (i % 6) {
    case 0: {
        uint64_t u = next_random();
        double x;
        memcpy(&x, &u, 8);
        return x == x ? x : 1.0;
    }
    case 1: return uniform(-1.0, 1.0);
    case 2: return uniform(-10.0, 10.0);
    case 3: return uniform(-750.0, 750.0);
    case 4: return (double)(int)uniform(-40.0, 40.0) * 0.25 + uniform(-1.0, 1.0) * 0x1p-20;
    default: {
        double x = points[(unsigned)next_random() % (unsigned)n];
        for (int k = (int)(next_random() & 3); k > 0; k--) x = nextafter(x, next_random() & 64 ? 1e308 : -1e308);
        return next_random() & 64 ? -x : x;
    }
    }
}

static float draw32(int i) {
    if (i % 6 == 0) {
        uint32_t u = (uint32_t)next_random();
        float x;
        memcpy(&x, &u, 4);
        return x == x ? x : 1.0f;
    }
    float x = (float)draw64(i);
    return i % 6 == 5 && next_random() & 64 ? nextafterf(x, next_random() & 64 ? 1e38f : -1e38f) : x;
}

static void draw_all(void) {
    for (int i = 0; i < N; i++) {
        in32[i] = draw32(i), in64[i] = draw64(i);
        in32b[i] = draw32((int)(next_random() % 6)), in64b[i] = draw64((int)(next_random() % 6));
    }
    const double special[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5 };
    for (int i = 0; i < 169; i++) {
        in32[i] = (float)special[i / 13], in32b[i] = (float)special[i % 13];
        in64[i] = special[i / 13], in64b[i] = special[i % 13];
    }
}

/* ---- bits: a hash in which every NaN is one value ---- */

static uint64_t hash_bits(const void *p, int n, int size) {
    uint64_t h = 14695981039346656037u;
    for (int i = 0; i < n; i++) {
        uint64_t u = 0;
        memcpy(&u, (const char *)p + (size_t)i * (size_t)size, (size_t)size);
        if (size == 4 ? (u & 0x7fffffff) > 0x7f800000 : (u << 1) > 0xffe0000000000000u) u = 1;
        h = (h ^ u) * 1099511628211u;
        h ^= h >> 29;
    }
    return h;
}

/* ---- errors ---- */

typedef real ref1(real);
typedef real ref2(real, real);

static void check_error(const char *name, ref1 *f, ref2 *g, int is64) {
    const bound *b = bound_of(name);
    double worst = 0, at = 0, at2 = 0, got = 0;
    for (int i = 0; i < N; i++) {
        real x = is64 ? (real)in64[i] : (real)in32[i], y = is64 ? (real)in64b[i] : (real)in32b[i];
        real r = f ? f(x) : g(x, y), out = is64 ? (real)out64[i] : (real)out32[i];
        real floor = !is64 ? (x < 0 ? b->floor32 : 0) : x > 0 ? b->floor_positive : b->floor;
        if (floor == 1) floor += fabsl(f(-x)); /* reflected: the size of the terms counts */
        double u = is64 ? ref_ulps_f64(out64[i], r, floor) : ref_ulps_f32(out32[i], r, floor);
        if (r == 0 && out == 0 && !signbit(r) != !signbit(out)) u = 1e8;
        if (u > worst) worst = u, at = (double)x, at2 = (double)y, got = (double)out;
    }
    double allowed = is64 ? b->f64 : b->f32;
    if (test_verbose) printf("%-12s %s %10.4g ulp at %a, %a: %a\n", name, is64 ? "f64" : "f32", worst, at, at2, got);
    CHECK(worst <= allowed, "%s_%s: %g ulp, allowed %g, at %a, %a: got %a", name, is64 ? "f64" : "f32", worst, allowed,
          at, at2, got);
}

/* ---- all functions, all tables ---- */

typedef void runner(const gm_kernels *k);

static void test_function(const char *name, runner *run, ref1 *f, ref2 *g) {
    uint64_t first32 = 0, first64 = 0;
    for (int i = 0, seen = 0; i < 4; i++) {
        const gm_kernels *k = gm__kernels_by_name(test_isas[i]);
        if (!k) continue;
        run(k);
        uint64_t h32 = hash_bits(out32, N, 4), h64 = hash_bits(out64, N, 8);
        if (!seen++) {
            first32 = h32, first64 = h64;
            check_error(name, f, g, 0);
            check_error(name, f, g, 1);
        }
        CHECK(h32 == first32, "%s_f32 differs on %s", name, test_isas[i]);
        CHECK(h64 == first64, "%s_f64 differs on %s", name, test_isas[i]);
    }
}

#define RUN1(f)                                                                                                        \
    static void run_##f(const gm_kernels *k) {                                                                         \
        k->map_##f##_f32(N, in32, out32);                                                                              \
        k->map_##f##_f64(N, in64, out64);                                                                              \
    }
#define RUN2(f)                                                                                                        \
    static void run_##f(const gm_kernels *k) {                                                                         \
        k->map_##f##_f32(N, in32, in32b, out32);                                                                       \
        k->map_##f##_f64(N, in64, in64b, out64);                                                                       \
    }
GM_MATH_UNARY(RUN1)
GM_MATH_BINARY(RUN2)

#define TEST1(f) test_function(#f, run_##f, ref_##f, NULL);
#define TEST2(f) test_function(#f, run_##f, NULL, ref_##f);
static void test_unary(void) { GM_MATH_UNARY(TEST1) }
static void test_binary(void) { GM_MATH_BINARY(TEST2) }

static void test_host(void) {
    CHECK(gm__sqrt(2.0) == 0x1.6a09e667f3bcdp0);
    CHECK(gm__pow(2.0, 10.0) == 1024.0);
    CHECK(gm__cos(0.0) == 1.0 && gm__exp(0.0) == 1.0 && gm__log(1.0) == 0.0);
}

int main(int argc, char **argv) {
    test_verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    draw_all();
    RUN(test_unary);
    RUN(test_binary);
    RUN(test_host);
    return check_done();
}
