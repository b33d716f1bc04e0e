/* dataset.h: the inside of a data set, for the loader. */
#ifndef GM_DATA_DATASET_H
#define GM_DATA_DATASET_H
#include "gemel/data.h"
#include "gemel/extend.h"

struct gm_dataset {
    gm_object o;
    gm_tensor *x, *y; /* contiguous */
    const char *const *classes;
    int32_t n_classes, reserved;
    double mean, std;
};

extern const gm_type gm__dataset_type;
/* What each pixel value becomes: ((i / 255) - mean) / std in f64, rounded once. */
void gm__pixel_table(double mean, double std, float *table);

#endif
