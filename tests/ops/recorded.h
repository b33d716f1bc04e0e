/* recorded.h: values that PyTorch computed (in f64, by record_*.py), beside what Gemel computes of the same inputs.
 *
 * Inputs are a formula of a seed and the row-major index, written alike here and in record.py, so that a file holds
 * results only: lines "name count v v v ...", nine digits each. */
#ifndef RECORDED_H
#define RECORDED_H

#include "../check.h"
#include "gemel/gemel.h"

#include <math.h>

enum { RECORDED_MAX = 16384, RECORDED_VALUES = 4096 };
static char *recorded_line[RECORDED_MAX];
static int recorded_lines, recorded_used;

static inline bool recorded_open(const char *path) {
    static char line[RECORDED_VALUES * 20];
    FILE *f = fopen(path, "r");
    CHECK(f != NULL, "no file %s", path);
    if (!f) return false;
    while (recorded_lines < RECORDED_MAX && fgets(line, sizeof line, f))
        if ((recorded_line[recorded_lines] = malloc(strlen(line) + 1))) strcpy(recorded_line[recorded_lines++], line);
    fclose(f);
    return recorded_lines > 0;
}

static inline void recorded_close(void) {
    CHECK(recorded_used >= recorded_lines, "%d of %d recorded results were looked at", recorded_used, recorded_lines);
    for (int i = 0; i < recorded_lines; i++) free(recorded_line[i]);
}

/* [-1, 1), no two alike among 2003 neighbours. */
static inline gm_tensor *recorded_input(int seed, gm_shape shape) {
    int64_t n = gm_shape_count(shape);
    float *x = malloc((size_t)(n ? n : 1) * sizeof *x);
    for (int64_t i = 0; x && i < n; i++)
        x[i] = (float)((double)((i * 7919 + (int64_t)seed * 104729 + 12345) % 2003) / 1001.5 - 1);
    gm_tensor *t = gm_from_data(shape, GM_F32, x);
    free(x);
    return t;
}

static inline gm_tensor *recorded_variable(int seed, gm_shape shape) {
    gm_tensor *t = recorded_input(seed, shape);
    gm_set_requires_grad(t, true);
    return t;
}

static inline const char *recorded_find(const char *name) {
    size_t n = strlen(name);
    for (int i = 0; i < recorded_lines; i++)
        if (!strncmp(recorded_line[i], name, n) && recorded_line[i][n] == ' ') return recorded_line[i] + n;
    return NULL;
}

/* t is what was recorded as `name`, to `tolerance` times the largest recorded |value|. */
static inline void recorded_check(const char *name, gm_tensor *t, double tolerance) {
    static double got[RECORDED_VALUES], want[RECORDED_VALUES];
    const char *text = recorded_find(name);
    char *end = NULL;
    CHECK(text != NULL, "%s was not recorded", name);
    CHECK(t != NULL, "%s: %s", name, gm_error_message());
    gm_error_clear();
    if (!text || !t) return;
    recorded_used++;
    int64_t n = strtoll(text, &end, 10);
    CHECK(n == gm_count(t) && n <= RECORDED_VALUES, "%s has %lld values, recorded %lld", name, (long long)gm_count(t),
          (long long)n);
    if (n != gm_count(t) || n > RECORDED_VALUES || !gm_read(t, GM_F64, got, sizeof got)) return;
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        want[i] = strtod(end, &end);
        if (fabs(want[i]) > largest) largest = fabs(want[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        bool same = got[i] == want[i] || (isnan(got[i]) && isnan(want[i]));
        double d = same ? 0 : fabs(got[i] - want[i]);
        if (!(d <= worst)) worst = d;
    }
    CHECK(worst <= tolerance * largest, "%s: off by %g, the largest value is %g", name, worst, largest);
}

/* y, and the gradients of sum(y * weights) in the n inputs x, as "name", "name.0", "name.1" ... */
static inline void recorded_check_grads(const char *name, gm_tensor *y, gm_tensor *const *x, int n, double tolerance) {
    char text[128];
    recorded_check(name, y, tolerance);
    if (!y) return;
    gm_tensor *weights = recorded_input(99, gm_shape_of(y));
    gm_backward(gm_sum(gm_mul(y, weights)));
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%s.%d", name, i);
        recorded_check(text, gm_gradient_of(x[i]), tolerance);
        gm_clear_gradient(x[i]);
    }
}

#endif
