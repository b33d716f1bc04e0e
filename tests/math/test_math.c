/* test_math.c: every scalar function, both precisions, every instruction set: error against long double on stratified
 * inputs, special values, and the bits: one hash per function, in tests/math/hashes.txt, for all compilers, levels,
 * instruction sets and machines. `test_math -v` prints the errors, `test_math -g` the hashes (contract: a changed hash
 * is a change of numerics). */
#include "math/fp.h"
#include "check.h"
#include "functions.h"
#include "inputs.h"
#include "maps.h"
#include "reference.h"

#include <float.h>

enum { N = 24000, CHECKED_EVERY = LDBL_MANT_DIG == 64 ? 1 : 16 }; /* other long doubles are software */
static float in32[N], in32b[N], out32[N];
static double in64[N], in64b[N], out64[N];
static int test_verbose, test_generate;

/* ---- bits: a hash in which every NaN is one value ---- */

static uint64_t hash_bits(const void *p, int n, int size) {
    uint64_t h = 14695981039346656037u;
    for (int i = 0; i < n; i++) {
        uint64_t u = 0;
        if (size == 4) {
            float x = ((const float *)p)[i];
            uint32_t v;
            memcpy(&v, &x, 4);
            u = v;
        } else {
            memcpy(&u, (const double *)p + i, 8);
        }
        if (size == 4 ? (u & 0x7fffffff) > 0x7f800000 : (u << 1) > 0xffe0000000000000u) u = 1;
        h = (h ^ u) * 1099511628211u;
        h ^= h >> 29;
    }
    return h;
}

static int recorded(const char *name, uint64_t *h32, uint64_t *h64) {
    FILE *f = fopen("tests/math/hashes.txt", "r");
    char line[128], found[32];
    unsigned long long a, b;
    int ok = 0;
    while (f && !ok && fgets(line, sizeof line, f))
        if (sscanf(line, "%31s %llx %llx", found, &a, &b) == 3 && strcmp(found, name) == 0) *h32 = a, *h64 = b, ok = 1;
    if (f) fclose(f);
    return ok;
}

/* ---- errors ---- */

typedef real ref1(real);
typedef real ref2(real, real);

static double error_at(const function *b, ref1 *f, ref2 *g, int is64, int i) {
    real x = is64 ? (real)in64[i] : (real)in32[i], y = is64 ? (real)in64b[i] : (real)in32b[i];
    real r = f ? f(x) : g(x, y), out = is64 ? (real)out64[i] : (real)out32[i];
    real floor = !is64 ? 0 : x > 0 ? b->floor_positive : b->floor;
    if (floor == 1) floor += fabsl(f(-x)); /* reflected: the size of the terms counts */
    if (r == 0 && out == 0 && !signbit(r) != !signbit(out)) return 1e8;
    return is64 ? ref_ulps_f64(out64[i], r, floor) : ref_ulps_f32(out32[i], r, floor);
}

static void check_error(const char *name, ref1 *f, ref2 *g, int is64) {
    const function *b = function_of(name);
    double worst = 0, allowed = is64 ? b->f64 : b->f32;
    int at = 0;
    for (int i = 0; i < N; i += CHECKED_EVERY) {
        double u = error_at(b, f, g, is64, i);
        if (u > worst) worst = u, at = i;
    }
    double x = is64 ? in64[at] : (double)in32[at], y = is64 ? in64b[at] : (double)in32b[at];
    double out = is64 ? out64[at] : (double)out32[at];
    if (test_verbose) printf("%-12s %s %10.4g ulp at %a, %a: %a\n", name, is64 ? "f64" : "f32", worst, x, y, out);
    CHECK(worst <= allowed, "%s_%s: %g ulp, allowed %g, at %a, %a: got %a", name, is64 ? "f64" : "f32", worst, allowed,
          x, y, out);
}

/* ---- all functions, all tables ---- */

typedef void runner(const map_table *k);

static void test_function(const char *name, runner *run, ref1 *f, ref2 *g) {
    static const char *const isas[] = { "avx512", "avx2", "neon", "plain" };
    uint64_t want32 = 0, want64 = 0;
    int known = recorded(name, &want32, &want64);
    if (test_generate) {
        run(maps());
        printf("%s %016llx %016llx\n", name, (unsigned long long)hash_bits(out32, N, 4),
               (unsigned long long)hash_bits(out64, N, 8));
        return;
    }
    CHECK(known, "%s is not in hashes.txt", name);
    for (int i = 0, seen = 0; i < 4; i++) {
        const map_table *k = maps_by_name(isas[i]);
        if (!k) continue;
        run(k);
        if (!seen++) check_error(name, f, g, 0), check_error(name, f, g, 1);
        CHECK(hash_bits(out32, N, 4) == want32, "%s_f32 has other bits on %s", name, isas[i]);
        CHECK(hash_bits(out64, N, 8) == want64, "%s_f64 has other bits on %s", name, isas[i]);
    }
}

#define RUN1(f)                                                                                                        \
    static void run_##f(const map_table *k) {                                                                         \
        k->map_##f##_f32(N, in32, out32);                                                                              \
        k->map_##f##_f64(N, in64, out64);                                                                              \
    }
#define RUN2(f)                                                                                                        \
    static void run_##f(const map_table *k) {                                                                         \
        k->map_##f##_f32(N, in32, in32b, out32);                                                                       \
        k->map_##f##_f64(N, in64, in64b, out64);                                                                       \
    }
GM_MATH_UNARY(RUN1)
GM_MATH_BINARY(RUN2)

#define TEST1(f) test_function(#f, run_##f, ref_##f, NULL);
#define TEST2(f) test_function(#f, run_##f, NULL, ref_##f);
static void test_unary(void) { GM_MATH_UNARY(TEST1) }
static void test_binary(void) { GM_MATH_BINARY(TEST2) }

/* Beside the zero of digamma long double is too short a reference. */
static void test_digamma_zero(void) {
    CHECK(fabs(gm__digamma(0x1.762d86356be3ep0) + 0x1.6244c516aa6cfp-52) < 0x1p-100);
    CHECK(fabs(gm__digamma(0x1.762d86356be3fp0) + 0x1.aa2d9b3ce29ep-54) < 0x1p-100);
    CHECK(fabs(gm__digamma(0x1.762d86356be40p0) - 0x1.1a5beef0723bbp-53) < 0x1p-100);
}

/* Arguments whose reduction is hard: the double nearest to a multiple of pi/2 (Muller 2006, ch. 11), a huge one. */
static void test_hard_angles(void) {
    CHECK(fabs(gm__cos(0x1.6ac5b262ca1ffp849) / -4.6871659242546276e-19 - 1) < 4e-16);
    CHECK(gm__cos(0x1.521b3253d9d97p734) == 0x1.711e49263a6bep-12);
    CHECK(gm__sin(22.0) == -0x1.220a29f6eb9f4p-7);
}

static void test_host(void) {
    CHECK(gm__sqrt(2.0) == 0x1.6a09e667f3bcdp0);
    CHECK(gm__pow(2.0, 10.0) == 1024.0);
    CHECK(gm__cos(0.0) == 1.0 && gm__exp(0.0) == 1.0 && gm__log(1.0) == 0.0);
}

int main(int argc, char **argv) {
    test_verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    test_generate = argc > 1 && strcmp(argv[1], "-g") == 0;
    input_fill(N, in32, in32b, in64, in64b);
    RUN(test_unary);
    RUN(test_binary);
    if (test_generate) return 0;
    RUN(test_digamma_zero);
    RUN(test_hard_angles);
    RUN(test_host);
    return check_done();
}
