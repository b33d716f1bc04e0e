/* bench_build.c: what a kernel costs until it can be called: built by the compiler, found on disk, found in memory.
 *
 *     bench_build [rounds]          default: 9; a round is one build, 20 hits on disk and 200 in memory
 *
 * The kernel is an elementwise loop; a second one is 40 times as long, as fused ones are. Times are wall clock, the
 * compiler's thread included. */
#include "base/builder.h"
#include "compile/build.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 64, DISK_HITS = 20, MEMORY_HITS = 200 };

/* `loops` loops, different for each round. */
static char *bench_text(int loops, int round) {
    gm__builder b = { 0 };
    for (int i = 0; i < loops; i++)
        gm__builder_format(&b, "void run%d(const float *restrict x, float *restrict y, long n) {\n"
                               "    for (long i = 0; i < n; i++) {\n"
                               "        float t = x[i] * %d.5f + %d.25f;\n"
                               "        y[i] = t > 0 ? t : 0;\n    }\n}\n", i, i, round);
    return b.text;
}

static double bench_once(const char *text, const char *flags) {
    GM_SCOPE(s);
    double begin = measure_seconds(CLOCK_MONOTONIC);
    gm__build *b = gm__build_start(text, strlen(text), flags);
    if (gm__build_wait(b) != GM__BUILD_READY || !gm__build_symbol(b, "run0"))
        fprintf(stderr, "%s\n", gm__build_error(b)), exit(1);
    return measure_seconds(CLOCK_MONOTONIC) - begin;
}

static void bench_report(const char *what, double *seconds, int n) {
    double median = measure_median(seconds, n);
    printf("    %-10s %10.1f us median, %10.1f least\n", what, 1e6 * median, 1e6 * seconds[0]);
}

static void bench_kernel(int loops, int rounds, const char *flags) {
    static double built[MOST], disk[MOST * DISK_HITS], memory[MOST * MEMORY_HITS];
    for (int r = 0; r < rounds; r++) {
        char *text = bench_text(loops, r);
        built[r] = bench_once(text, flags);
        for (int i = 0; i < DISK_HITS; i++) disk[r * DISK_HITS + i] = bench_once(text, flags);
        GM_SCOPE(s);
        gm__build *held = gm__build_start(text, strlen(text), flags);
        for (int i = 0; held && i < MEMORY_HITS; i++) memory[r * MEMORY_HITS + i] = bench_once(text, flags);
        if (r == 0) printf("  %d loops, %zu bytes of text\n", loops, strlen(text));
        gm_free(text);
    }
    bench_report("built", built, rounds);
    bench_report("on disk", disk, rounds * DISK_HITS);
    bench_report("in memory", memory, rounds * MEMORY_HITS);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 9;
    char folder[] = "/tmp/gemel-bench-XXXXXX", command[64];
    if (rounds < 1 || rounds > MOST || !mkdtemp(folder)) return 2;
    setenv("GM_CACHE_DIR", folder, 1);
#if defined(__x86_64__)
    const char *flags = "-mavx2 -mfma";
#else
    const char *flags = "";
#endif
    bench_kernel(1, rounds, flags);
    bench_kernel(40, rounds, flags);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) != 0 || gm_exit_status();
}
