/* index_job.h: one row of a gather or scatter, as the operations (ops/gather.c) hand it to the templates (index.h). */
#ifndef GM_KERNELS_INDEX_JOB_H
#define GM_KERNELS_INDEX_JOB_H

#include <stdint.h>

/* data[index[j * index_step] * dim_step + j * data_step] stands beside other[j * other_step], for j < n. Steps are in
 * elements. */
typedef struct gm__index_row {
    int64_t n;
    const int64_t *index;
    int64_t index_step, dim_step, data_step, other_step;
} gm__index_row;

#endif
