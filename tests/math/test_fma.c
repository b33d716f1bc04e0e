/* test_fma.c: the software fma of math/fma.h against the processor's, or, where it has none, against libm's. Inputs are
 * stratified: exponents from the whole range, results that cancel, are subnormal, overflow, or lie near a tie. */
#include "math/fp.h"
#include "check.h"

#include <math.h>
#include <stdint.h>

#define GM_ISA_PLAIN 1
#define GM_GROUP test_fma
#include "kernels/isa_begin.h"

#if defined(__x86_64__)
__attribute__((target("fma"))) static float real_fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
__attribute__((target("fma"))) static double real_fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
static int has_fma(void) { return __builtin_cpu_supports("fma"); }
#else
static float real_fmaf(float a, float b, float c) { return fmaf(a, b, c); }
static double real_fma(double a, double b, double c) { return fma(a, b, c); }
static int has_fma(void) { return 1; }
#endif

static uint64_t next_random(void) {
    static uint64_t state = 12345;
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = state ^ (state >> 29);
    return (x * 0xbf58476d1ce4e5b9u) ^ (x >> 32);
}

/* A mantissa: random, few bits, or one bit away from a power of two: what makes ties. */
static uint64_t mantissa(int bits) {
    uint64_t r = next_random(), all = ((uint64_t)1 << bits) - 1;
    switch (r >> 61) {
    case 0: return 0;
    case 1: return (uint64_t)1 << (next_random() % (unsigned)bits);
    case 2: return all ^ ((uint64_t)1 << (next_random() % (unsigned)bits));
    case 3: return all - (r & 3);
    case 4: return r & 3;
    case 5: return (r & all) & ~(((uint64_t)1 << (bits / 2)) - 1);
    default: return r & all;
    }
}

static double make64(int exponent) { /* biased exponent, clamped */
    int e = exponent < 0 ? 0 : exponent > 2047 ? 2047 : exponent;
    uint64_t m = mantissa(52), s = next_random() >> 63;
    if (e == 2047 && m) m = next_random() & 15 ? 0 : m;
    uint64_t u = s << 63 | (uint64_t)e << 52 | m;
    double x;
    memcpy(&x, &u, 8);
    return x;
}

static float make32(int exponent) {
    int e = exponent < 0 ? 0 : exponent > 255 ? 255 : exponent;
    uint32_t m = (uint32_t)mantissa(23), s = (uint32_t)(next_random() >> 63);
    if (e == 255 && m) m = next_random() & 15 ? 0 : m;
    uint32_t u = s << 31 | (uint32_t)e << 23 | m;
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static int same64(double x, double y) { return (x != x && y != y) || memcmp(&x, &y, 8) == 0; }
static int same32(float x, float y) { return (x != x && y != y) || memcmp(&x, &y, 4) == 0; }
static int spread(int n) { return (int)(next_random() % (unsigned)(2 * n + 1)) - n; }

/* c, where it is drawn at a distance from the product's exponent, or is the product itself rounded, or a neighbour */
static double summand64(double a, double b, int e) {
    double p = -(a * b);
    switch (next_random() & 7) {
    case 0: return p;
    case 1: return nextafter(p, 1e308);
    case 2: return make64((int)(next_random() % 2048));
    case 3: return make64(e + spread(3));
    case 4: return make64(e + (next_random() & 1 ? 53 : -53) + spread(2));
    case 5: return make64(e + (next_random() & 1 ? 106 : -106) + spread(2));
    case 6: return make64(e + (next_random() & 1 ? 200 : -200) + spread(4));
    default: return make64(e + spread(120));
    }
}

static void test_f64(void) {
    int bad = 0;
    for (int i = 0; i < 3000000; i++) {
        int ea, eb;
        switch (i & 7) { /* where the product lies: anywhere, subnormal, overflowing, ordinary */
        case 0: ea = (int)(next_random() % 2048), eb = (int)(next_random() % 2048); break;
        case 1: ea = (int)(next_random() % 1024), eb = 1023 - ea + spread(60); break;
        case 2: ea = 1023 + (int)(next_random() % 1024), eb = 3069 - ea + spread(3); break;
        case 3: ea = (int)(next_random() % 1200), eb = 1100 - ea + spread(130); break;
        case 4: ea = (int)(next_random() % 3), eb = 1000 + spread(80); break;
        default: ea = 1023 + spread(300), eb = 1023 + spread(300); break;
        }
        double a = make64(ea), b = make64(eb), c = summand64(a, b, ea + eb - 1023);
        double x = GM_K(fma_f64)(a, b, c), y = real_fma(a, b, c);
        if (!same64(x, y) && bad++ < 5) CHECK(0, "fma(%a, %a, %a) = %a, not %a", a, b, c, x, y);
    }
    CHECK(bad == 0, "%d of 3000000 differ", bad);
}

static float summand32(float a, float b, int e) {
    float p = -(a * b);
    switch (next_random() & 7) {
    case 0: return p;
    case 1: return nextafterf(p, 1e38f);
    case 2: return make32((int)(next_random() % 256));
    case 3: return make32(e + spread(3));
    case 4: return make32(e + (next_random() & 1 ? 24 : -24) + spread(2));
    case 5: return make32(e + (next_random() & 1 ? 48 : -48) + spread(2));
    default: return make32(e + spread(60));
    }
}

static void test_f32(void) {
    int bad = 0;
    for (int i = 0; i < 4000000; i++) {
        int ea = (int)(next_random() % 256), eb = (int)(next_random() % 256);
        if (i & 1) eb = 127 - ea + spread(30);                   /* around the smallest normal */
        if ((i & 3) == 2) ea = 127 + spread(20), eb = 127 + spread(20);
        float a = make32(ea), b = make32(eb), c = summand32(a, b, ea + eb - 127);
        float x = GM_K(fma_f32)(a, b, c), y = real_fmaf(a, b, c);
        if (!same32(x, y) && bad++ < 5) CHECK(0, "fmaf(%a, %a, %a) = %a, not %a", a, b, c, x, y);
    }
    CHECK(bad == 0, "%d of 4000000 differ", bad);
}

static void test_special(void) {
    const double v[] = { 0.0,
                         -0.0,
                         1,
                         -1,
                         INFINITY,
                         -INFINITY,
                         NAN,
                         0x1p-1074,
                         -0x1p-1074,
                         0x1p-1022,
                         0x1.fffffffffffffp1023,
                         0x1p-149,
                         0x1p-126,
                         -0x1p-126,
                         0x1.fffffep127,
                         0x1p1000,
                         0x1p-1000,
                         3,
                         0.5 };
    enum { n = sizeof v / sizeof *v };
    for (int i = 0; i < n * n * n; i++) {
        double a = v[i % n], b = v[i / n % n], c = v[i / n / n];
        double x = GM_K(fma_f64)(a, b, c), y = real_fma(a, b, c);
        CHECK(same64(x, y), "fma(%a, %a, %a) = %a, not %a", a, b, c, x, y);
        float p = GM_K(fma_f32)((float)a, (float)b, (float)c), q = real_fmaf((float)a, (float)b, (float)c);
        CHECK(same32(p, q), "fmaf(%a, %a, %a) = %a, not %a", a, b, c, p, q);
    }
}

/* Loops over the f32 formula are what kernels without the instruction consist of: same answer when vectorised. */
static void test_loop(void) {
    enum { n = 4096 };
    static float a[n], b[n], c[n], y[n];
    for (int i = 0; i < n; i++) {
        a[i] = make32(127 + spread(80)), b[i] = make32(127 + spread(80));
        c[i] = summand32(a[i], b[i], 127);
    }
    for (int i = 0; i < n; i++) y[i] = GM_K(fma_f32)(a[i], b[i], c[i]);
    int bad = 0;
    for (int i = 0; i < n; i++) bad += !same32(y[i], real_fmaf(a[i], b[i], c[i]));
    CHECK(bad == 0, "%d of %d differ", bad, (int)n);
}

int main(void) {
    if (!has_fma()) {
        printf("SKIPPED: this processor has no fma to compare with\n");
        return 0;
    }
    RUN(test_f64);
    RUN(test_f32);
    RUN(test_special);
    RUN(test_loop);
    return check_done();
}
#include "kernels/isa_end.h"
