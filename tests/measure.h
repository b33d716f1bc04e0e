/* measure.h: what benchmarks and tests of time and memory measure by. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Seconds by a clock, such as CLOCK_MONOTONIC (on the wall) or CLOCK_PROCESS_CPUTIME_ID. */
static inline double measure_seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int measure_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts x and returns its median; x[0] is then the least. */
static inline double measure_median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, measure_by_value);
    return x[n / 2];
}

/* KiB of this process by a line of /proc/self/status, such as "VmRSS:" (now) or "VmHWM:" (at most); 0 without it. */
static inline long measure_kib(const char *line) {
    char text[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(text, sizeof text, f))
        if (!strncmp(text, line, strlen(line))) kib = atol(text + strlen(line));
    if (f) fclose(f);
    return kib;
}

#endif
