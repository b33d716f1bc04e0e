/* bench_map.c: nanoseconds per element of every scalar function, arrays in the first-level cache, one thread, for each
 * instruction set; the smallest of many runs. Arguments name functions (default: all). */
#include "math/fp.h"
#include "math/maps.h"
#include "measure.h"

#include <stdio.h>
#include <time.h>

enum { N = 2048, RUNS = 60 };
static float x32[N], y32[N], z32[N];
static double x64[N], y64[N], z64[N];
static const char *const isas[] = { "avx512", "avx2", "neon", "plain" };
static int n_wanted;
static char **wanted;

static double now(void) { return measure_seconds(CLOCK_MONOTONIC) * 1e9; }

static int is_wanted(const char *name) {
    for (int i = 0; i < n_wanted; i++)
        if (strcmp(wanted[i], name) == 0) return 1;
    return n_wanted == 0;
}

static double least(double a, double b) { return a < b ? a : b; }

/* four runs a reading, so that the clock's own cost does not count */
#define TIME(call)                                                                                                     \
    do {                                                                                                               \
        double best = 1e30;                                                                                            \
        for (int r = 0; r < RUNS; r++) {                                                                               \
            double begin = now();                                                                                      \
            for (int n = 0; n < 4; n++) call;                                                                          \
            best = least(best, now() - begin);                                                                         \
        }                                                                                                              \
        printf("%9.2f", best / (4 * N));                                                                               \
    } while (0)

#define ROW(name, call32, call64)                                                                                      \
    if (is_wanted(name)) {                                                                                             \
        printf("%-12s", name);                                                                                         \
        for (int i = 0; i < 4; i++) {                                                                                  \
            const map_table *k = maps_by_name(isas[i]);                                                        \
            if (!k) continue;                                                                                          \
            TIME(k->call32);                                                                                           \
            TIME(k->call64);                                                                                           \
        }                                                                                                              \
        printf("\n");                                                                                                  \
    }
#define ROW1(f) ROW(#f, map_##f##_f32(N, x32, y32), map_##f##_f64(N, x64, y64))
#define ROW2(f) ROW(#f, map_##f##_f32(N, x32, z32, y32), map_##f##_f64(N, x64, z64, y64))

int main(int argc, char **argv) {
    n_wanted = argc - 1, wanted = argv + 1;
    unsigned s = 1;
    for (int i = 0; i < N; i++) {
        s = s * 1664525u + 1013904223u, x64[i] = (double)(s >> 8) * 0x1p-24 * 4 - 2, x32[i] = (float)x64[i];
        s = s * 1664525u + 1013904223u, z64[i] = (double)(s >> 8) * 0x1p-24 * 4 - 2, z32[i] = (float)z64[i];
    }
    printf("%-12s", "ns");
    for (int i = 0; i < 4; i++)
        if (maps_by_name(isas[i])) printf("%9.6s%9s", isas[i], "f64");
    printf("\n");
    GM_MATH_UNARY(ROW1)
    GM_MATH_BINARY(ROW2)
    return 0;
}
