/* test_philox.c: Philox4x32-10 against the known answers of its authors (Random123, kat_vectors); the uniform and
 * normal numbers made of it: range, moments, independence of neighbours, the same bits for every instruction set. */
#include "math/fp.h"
#include "check.h"
#include "kernels/kernels.h"

#include <math.h>

#define GM_ISA_PLAIN 1
#define GM_GROUP test_philox
#include "kernels/isa_begin.h"
#include "math/scalar.h"

static void check_words(gm_philox p, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    CHECK(p.w[0] == a && p.w[1] == b && p.w[2] == c && p.w[3] == d, "%08x %08x %08x %08x", p.w[0], p.w[1], p.w[2],
          p.w[3]);
}

static void test_known_answers(void) {
    uint64_t ones = ~(uint64_t)0;
    check_words(GM_K(philox)(0, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    check_words(GM_K(philox)(ones, ones, ones), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    check_words(GM_K(philox)(0x85a308d3243f6a88, 0x0370734413198a2e, 0x299f31d0a4093822), 0xd16cfe09, 0x94fdcceb,
                0x5001e420, 0x24126ea1);
}

static void test_key(void) {
    CHECK(GM_K(philox_key)(12345, 0) == 12345);
    CHECK((uint32_t)GM_K(philox_key)(12345, 0x1234567890) == 12345);
    CHECK(GM_K(philox_key)(1, 0x1234567890) != GM_K(philox_key)(1, 0x1234567891));
}

static void test_uniform(void) {
    CHECK(GM_K(uniform_f32)(0) == 0.0f && GM_K(uniform_f32)(0xffffffff) == 1.0f - 0x1p-24f);
    CHECK(GM_K(uniform_f32)(0x80000000) == 0.5f && GM_K(uniform_f64)(0x800000ff) == 0.5);
    CHECK(GM_K(uniform_f64)(0xffffffff) == 1.0 - 0x1p-24);
}

static void test_normal_ends(void) {
    CHECK(fabsf(GM_K(normal_f32)(0xffffffff, 0, 0) - 5.7682f) < 1e-3f); /* sqrt(48 log 2) */
    CHECK(GM_K(normal_f32)(0, 77, 0) == 0 && GM_K(normal_f64)(0, 77, 1) == 0);
    CHECK(fabs(GM_K(normal_f64)(0x80000000, 0x40000000, 1) - 1.1774100225154747) < 1e-15); /* sqrt(2 log 2) sin(pi/2) */
}
#include "kernels/isa_end.h"

enum { N = 1 << 16 };
static float x32[N], first32[N];
static double x64[N], first64[N];

static void check_moments(const char *name, const double *x, double mean, double variance, double fourth) {
    double m = 0, v = 0, q = 0, pairs = 0;
    for (int i = 0; i < N; i++) {
        double d = x[i] - mean;
        m += d, v += d * d, q += d * d * d * d;
        if (i) pairs += d * (x[i - 1] - mean);
    }
    double s = sqrt(variance / N); /* five standard deviations */
    CHECK(fabs(m / N) < 5 * s, "%s: mean off by %g", name, m / N);
    CHECK(fabs(v / N - variance) < 5 * sqrt((fourth - variance * variance) / N), "%s: variance %g", name, v / N);
    CHECK(fabs(pairs / N) < 5 * variance / sqrt(N), "%s: neighbours correlate, %g", name, pairs / N);
    CHECK(fabs(q / N - fourth) < 0.05 * fourth, "%s: fourth moment %g", name, q / N);
}

static void check_bits(const gm_kernels *k, int *seen) {
    if (!(*seen)++) memcpy(first32, x32, sizeof x32), memcpy(first64, x64, sizeof x64);
    CHECK(memcmp(first32, x32, sizeof x32) == 0, "f32 differs on %s", k->name);
    CHECK(memcmp(first64, x64, sizeof x64) == 0, "f64 differs on %s", k->name);
}

static void test_streams(void) {
    const char *const isas[] = { "avx512", "avx2", "neon", "plain" };
    int uniform = 0, normal = 0;
    for (int i = 0; i < 4; i++) {
        const gm_kernels *k = gm__kernels_by_name(isas[i]);
        if (!k) continue;
        k->random_uniform_f32(42, 7, 0, N, x32), k->random_uniform_f64(42, 7, 0, N, x64);
        check_bits(k, &uniform);
        int bad = 0;
        for (int j = 0; j < N; j++) bad += !((double)x32[j] == x64[j] && x64[j] >= 0 && x64[j] < 1);
        CHECK(bad == 0, "%d uniform numbers out of [0, 1) or different in f64", bad);
        check_moments("uniform", x64, 0.5, 1.0 / 12, 1.0 / 80);
    }
    for (int i = 0; i < 4; i++) {
        const gm_kernels *k = gm__kernels_by_name(isas[i]);
        if (!k) continue;
        k->random_normal_f32(42, 7, 0, N, x32), k->random_normal_f64(42, 7, 0, N, x64);
        check_bits(k, &normal);
        double worst = 0;
        for (int j = 0; j < N; j++) {
            double off = fabs((double)x32[j] - x64[j]);
            if (off > worst) worst = off; /* fmax here crashes GCC 12 for aarch64 */
        }
        CHECK(worst < 2e-6, "f32 and f64 differ by %g", worst);
        check_moments("normal", x64, 0, 1, 3);
    }
}

int main(void) {
    RUN(test_known_answers);
    RUN(test_key);
    RUN(test_uniform);
    RUN(test_normal_ends);
    RUN(test_streams);
    return check_done();
}
