/* histogram.c: TensorFlow's default histogram: 774 limits 1e-12 * 1.1^k on either side of 0, and one bucket beyond
 * them.
 *
 * Bucket i holds the values below limit i and not below limit i - 1. A value is looked up by its exponent and four bits
 * of its mantissa: such a cell is at most 1/16 wide, so at most one limit lies in it (a walk along the limits took
 * three times as long). Runs of empty buckets are written as one. The old HistogramProto is written, not the newer
 * tensor of edges: TensorBoard turns it into the latter as it loads, and readers of the raw file get the sums as
 * well. */
#include "../math/fp.h"
#include "histogram.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

enum { HISTOGRAM_SIDE = 775, HISTOGRAM_BUCKETS = 2 * HISTOGRAM_SIDE + 1 };
/* Cells reach from 2^-40, below the first limit, to 2^67, above the last finite one. */
enum { HISTOGRAM_LOW = -40, HISTOGRAM_CELLS = 16 * (67 - HISTOGRAM_LOW) };
enum { HISTOGRAM_FIRST = 16 * (1023 + HISTOGRAM_LOW) };

static double histogram_limit[HISTOGRAM_BUCKETS]; /* ascending; [HISTOGRAM_SIDE] is 0 */
static int16_t histogram_start[HISTOGRAM_CELLS]; /* how many positive limits lie below the cell */
static pthread_once_t histogram_once = PTHREAD_ONCE_INIT;

static void histogram_fill(void) {
    double v = 1.0e-12, *positive = histogram_limit + HISTOGRAM_SIDE + 1;
    for (int i = 0; i < HISTOGRAM_SIDE; i++, v *= 1.1) {
        positive[i] = i < HISTOGRAM_SIDE - 1 ? v : DBL_MAX;
        histogram_limit[HISTOGRAM_SIDE - 1 - i] = -positive[i];
    }
    for (int cell = 0, k = 0; cell < HISTOGRAM_CELLS; cell++) {
        while (positive[k] < ldexp(1 + cell % 16 / 16.0, cell / 16 + HISTOGRAM_LOW)) k++;
        histogram_start[cell] = (int16_t)k;
    }
}

/* How many positive limits are below v, or equal to it where that counts; v >= 0. DBL_MAX never counts. */
static int histogram_rank(double v, bool or_equal) {
    const double *positive = histogram_limit + HISTOGRAM_SIDE + 1;
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    int64_t cell = (int64_t)(bits >> 48) - HISTOGRAM_FIRST;
    if (cell < 0) return 0;
    if (cell >= HISTOGRAM_CELLS) return HISTOGRAM_SIDE - 1;
    int k = histogram_start[cell];
    return k + (k < HISTOGRAM_SIDE - 1 && (or_equal ? positive[k] <= v : positive[k] < v));
}

/* The index of the first limit above v, as std::upper_bound gives it. */
static int histogram_bucket(double v) {
    if (v >= 0) return HISTOGRAM_SIDE + 1 + histogram_rank(v, true);
    return HISTOGRAM_SIDE - histogram_rank(-v, false);
}

bool gm__histogram_open(gm__histogram *h) {
    pthread_once(&histogram_once, histogram_fill);
    *h = (gm__histogram){ .min = DBL_MAX, .max = -DBL_MAX };
    return (h->counts = gm_alloc(HISTOGRAM_BUCKETS * sizeof *h->counts)) != NULL;
}

void gm__histogram_close(gm__histogram *h) {
    gm_free(h->counts);
    h->counts = NULL;
}

void gm__histogram_add(gm__histogram *h, double v) {
    if (!isfinite(v)) {
        h->n_skipped++;
        return;
    }
    h->counts[histogram_bucket(v)]++;
    h->n++;
    h->sum += v;
    h->sum_squares += v * v;
    if (v < h->min) h->min = v;
    if (v > h->max) h->max = v;
}

/* Limits and counts with each run of empty buckets as one; returns how many. */
static size_t histogram_pack(const gm__histogram *h, double *limit, double *count) {
    size_t n = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        bool joins = n && !h->counts[i] && count[n - 1] == 0;
        n += !joins;
        limit[n - 1] = histogram_limit[i];
        count[n - 1] = (double)h->counts[i];
    }
    return n;
}

bool gm__histogram_encode(const gm__histogram *h, gm__builder *p) {
    double *limit = gm_alloc(2 * HISTOGRAM_BUCKETS * sizeof *limit);
    if (!limit) return false;
    double *count = limit + HISTOGRAM_BUCKETS;
    size_t n = histogram_pack(h, limit, count);
    gm__proto_double(p, 1, h->n ? h->min : 0);
    gm__proto_double(p, 2, h->n ? h->max : 0);
    gm__proto_double(p, 3, (double)h->n);
    gm__proto_double(p, 4, h->sum);
    gm__proto_double(p, 5, h->sum_squares);
    gm__proto_doubles(p, 6, limit, n);
    gm__proto_doubles(p, 7, count, n);
    gm_free(limit);
    return !p->failed;
}
