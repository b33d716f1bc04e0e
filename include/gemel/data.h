/* gemel/data.h: data sets in memory and the loaders that cut them into batches. */
#ifndef GEMEL_DATA_H
#define GEMEL_DATA_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Data sets --------------------------------------------------------------------------------------------------- */

typedef struct gm_dataset gm_dataset;
typedef int32_t gm_data_split;
enum { GM_SPLIT_TRAIN = 0, GM_SPLIT_TEST = 1 };

/* Examples x [N, ...] and their targets y [N, ...]. An x of u8 is an image: batches get ((x / 255) - mean) / std in
 * f32. */
GM_API gm_dataset *gm_dataset_of(gm_tensor *x, gm_tensor *y);
/* The four files of MNIST, or of anything in its form, from the folder `dir`, .gz or not: x u8 [N, 1, H, W],
 * y i64 [N]. The names of the classes are "0" to "9". Errors: IO, FORMAT. */
GM_API gm_dataset *gm_mnist(const char *dir, gm_data_split split);
/* Fashion-MNIST (Xiao et al. 2017) from the folder in GM_FASHION_MNIST, else from where Debian's package
 * dataset-fashion-mnist puts it. */
GM_API gm_dataset *gm_fashion_mnist(gm_data_split split);

GM_API int64_t gm_dataset_count(const gm_dataset *d);
/* Of one example, without N. */
GM_API gm_shape gm_dataset_shape(const gm_dataset *d);
/* The raw tensors. */
GM_API gm_tensor *gm_dataset_x(const gm_dataset *d);
GM_API gm_tensor *gm_dataset_y(const gm_dataset *d);
/* How many classes have names (0: no classes), and the name of one. */
GM_API int32_t gm_n_classes(const gm_dataset *d);
GM_API const char *gm_class_name(const gm_dataset *d, int32_t index);
/* What batches subtract and divide by. 0 and 1 unless the data set sets others. */
GM_API void gm_dataset_scaling(const gm_dataset *d, double *mean, double *std);
GM_API bool gm_dataset_set_scaling(gm_dataset *d, double mean, double std);
/* Raw u8 pixels, any shape, as batches have them: f32. */
GM_API gm_tensor *gm_scale_pixels(gm_tensor *pixels, double mean, double std);

/* ---- Loaders ----------------------------------------------------------------------------------------------------- */

typedef struct gm_loader gm_loader;
/* Defaults: batch_size 32, in order, the last short batch kept. With `shuffle` the order of an epoch depends on the
 * seed and the number of the epoch only. */
typedef struct { size_t size; int32_t batch_size, shuffle, drop_last, reserved; uint64_t seed; } gm_loader_args;
GM_API gm_loader *gm_loader_new_with(gm_dataset *d, const gm_loader_args *args);
/* Batches in an epoch. */
GM_API int64_t gm_loader_count(const gm_loader *l);
/* The epoch that the next pass is; each pass counts it up. */
GM_API bool gm_loader_set_epoch(gm_loader *l, int64_t epoch);

/* A batch: x [B, ...], y [B, ...]; index in the epoch, the epoch, the number of batches. */
typedef struct {
    gm_tensor *x, *y;
    int64_t index, epoch, count;
    void *impl, *reserved[4];
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
