/* histogram.h: counting numbers into TensorFlow's buckets. */
#ifndef GM_WATCH_HISTOGRAM_H
#define GM_WATCH_HISTOGRAM_H
#include "proto.h"

typedef struct {
    double min, max, sum, sum_squares;
    int64_t n, n_skipped; /* counted; NaN and infinite */
    int64_t *counts;      /* [gm__histogram_buckets()] */
} gm__histogram;

bool gm__histogram_open(gm__histogram *h);
void gm__histogram_add(gm__histogram *h, double value);
/* The fields of a HistogramProto. False without memory (MEMORY is pending). */
bool gm__histogram_encode(const gm__histogram *h, gm__builder *p);
void gm__histogram_close(gm__histogram *h);

#endif
