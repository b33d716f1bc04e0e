/* gemel/data/loader.h: loaders cut a data set into the batches of a training loop. */
#ifndef GEMEL_DATA_LOADER_H
#define GEMEL_DATA_LOADER_H

#include "dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_loader gm_loader;
/* Defaults: batch_size 32, in order, the last short batch kept. With `shuffle` the order of an epoch depends on the
 * seed and the number of the epoch only. A data set that gm_dataset_batch made is taken as it is: its batches are not
 * batched or shuffled again. Data sets that are not tensors in memory are read `prefetch` batches ahead (default 4) by
 * `threads` threads (default gm_n_threads(), none if that is 1; -1: none). */
typedef struct {
    size_t size;
    int32_t batch_size, shuffle, drop_last, reserved;
    uint64_t seed;
    int32_t prefetch, threads;
} gm_loader_args;
GM_API gm_loader *gm_loader_new_with(gm_dataset *d, const gm_loader_args *args);
/* Batches in an epoch; -1 without an error if that is not known. */
GM_API int64_t gm_loader_count(const gm_loader *l);
/* The epoch that the next pass is; each pass counts it up. */
GM_API bool gm_loader_set_epoch(gm_loader *l, int64_t epoch);

/* A batch: x [B, ...], y [B, ...]; index in the epoch, the epoch, the number of batches; all entries of the batch. x
 * and y are NULL where the elements have no entries of these names. */
typedef struct {
    gm_tensor *x, *y;
    int64_t index, epoch, count;
    void *impl;
    gm_pack *all;
    void *reserved[3];
} gm_batch;
GM_API gm_batch gm_batch_first(gm_loader *l);
GM_API bool gm_batch_next(gm_batch *b);
GM_API void gm_batch_done(gm_batch *b);
#ifdef GM__CLEANUP
/* One epoch. b is the batch, the iterator and the scope of an iteration; ends early while an error is pending. */
#  define GM_EACH(b, loader)                                                                                           \
      for (gm_batch b GM__CLEANUP(gm_batch_done) = gm_batch_first(loader); gm_batch_next(&b);)
#endif

#ifdef __cplusplus
}
#else
#  define gm_loader_new(...) gm__loader_new(__VA_ARGS__, .size = sizeof(gm_loader_args))
#  define gm__loader_new(d, ...) gm_loader_new_with(d, &(gm_loader_args){ __VA_ARGS__ })
#endif
#endif
