/* gemel/data/dataset.h: data sets: where examples come from, and what is known of them.
 *
 * A data set is a list of elements; an element is a pack of tensors. By custom "x" is what a net takes and "y" what it
 * is to give. A data set describes: nothing is read before somebody asks for elements, and each pass over it, called an
 * epoch, begins anew. What an epoch gives depends on the data, the seeds and the number of the epoch, never on threads
 * or on what was asked before. */
#ifndef GEMEL_DATA_DATASET_H
#define GEMEL_DATA_DATASET_H

#include "../tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_dataset gm_dataset;

/* ---- Random numbers of an element -------------------------------------------------------------------------------- */

/* What a random transform draws from: a stream of numbers that depends on a seed, the epoch and the index of the
 * element only. Copies go on independently with the same numbers. */
typedef struct {
    int64_t epoch, index;
    uint64_t key, count;
    int32_t left, reserved;
    double block[16];
} gm_dice;
GM_API gm_dice gm_dice_of(uint64_t seed, int64_t epoch, int64_t index);
/* Uniform in [low, high): low + u * (high - low) with u a multiple of 2^-48. NaN after an error. */
GM_API double gm_dice_uniform(gm_dice *dice, double low, double high);
/* An integer in 0..n-1; n at least 1. */
GM_API int64_t gm_dice_below(gm_dice *dice, int64_t n);
/* True with probability p. */
GM_API bool gm_dice_chance(gm_dice *dice, double p);

/* ---- Sources ----------------------------------------------------------------------------------------------------- */

/* Examples x [N, ...] and their targets y [N, ...]. An x of u8 is an image: batches of a loader get ((x / 255) - mean)
 * / std in f32. Elements { "x": x[i], "y": y[i] } are views. */
GM_API gm_dataset *gm_dataset_of(gm_tensor *x, gm_tensor *y);
/* The same for any number of tensors: element i has entry i of each, under its name; nested packs stay nested. */
GM_API gm_dataset *gm_dataset_of_pack(gm_pack *tensors);

/* Element `index` of a data set of one's own. Called from several threads at once when a pipeline prefetches. NULL
 * after gm_fail. */
typedef gm_pack *(*gm_get_fn)(void *env, int64_t index);
/* How many there are, asked at the start of each epoch. -1 after gm_fail. */
typedef int64_t (*gm_count_fn)(void *env);
/* A data set of one's own. `free_env` (may be NULL) is called when nobody needs `env` any more, also if this fails. */
GM_API gm_dataset *gm_dataset_custom(gm_count_fn count, gm_get_fn get, void *env, void (*free_env)(void *env));

/* Elements whose number is not known: `open` begins an epoch and returns its state (NULL after gm_fail); `next` returns
 * the next element, NULL at the end or after gm_fail; `close` (may be NULL) ends it, also early. One thread at a time
 * is in them; several epochs may be open at once. */
typedef struct {
    void *(*open)(void *env, int64_t epoch);
    gm_pack *(*next)(void *state);
    void (*close)(void *state);
    void *env;
    void (*free_env)(void *env);
} gm_generator;
GM_API gm_dataset *gm_dataset_generator(const gm_generator *g);

/* The four files of MNIST, or of anything in its form, from the folder `dir`, .gz or not: x u8 [N, 1, H, W],
 * y i64 [N]. The names of the classes are "0" to "9". Errors: IO, FORMAT. */
typedef int32_t gm_data_split;
enum { GM_SPLIT_TRAIN = 0, GM_SPLIT_TEST = 1 };
GM_API gm_dataset *gm_mnist(const char *dir, gm_data_split split);
/* Fashion-MNIST (Xiao et al. 2017) from the folder in GM_FASHION_MNIST, else from where Debian's package
 * dataset-fashion-mnist puts it. */
GM_API gm_dataset *gm_fashion_mnist(gm_data_split split);

/* ---- Looking at data sets ---------------------------------------------------------------------------------------- */

/* Elements in an epoch; -1 without an error if that is not known before they were all seen; INT64_MAX for a data set
 * that is repeated without end. */
GM_API int64_t gm_dataset_count(const gm_dataset *d);
/* Element `index` of epoch `epoch`. Where elements can only be had one after the other, those before it are passed. */
GM_API gm_pack *gm_dataset_get(gm_dataset *d, int64_t epoch, int64_t index);
/* The shape of x of one example, without N. Looks at the first element if it must. */
GM_API gm_shape gm_dataset_shape(const gm_dataset *d);
/* All examples as one tensor. STATE error if the data set is not one of tensors. */
GM_API gm_tensor *gm_dataset_x(const gm_dataset *d);
GM_API gm_tensor *gm_dataset_y(const gm_dataset *d);
/* How many classes have names (0: no classes), and the name of one. Data sets made from another keep its names. */
GM_API int32_t gm_n_classes(const gm_dataset *d);
GM_API const char *gm_class_name(const gm_dataset *d, int32_t index);
/* All of them as strings [C], which live as long as the data set. STATE error if there are none. */
GM_API gm_tensor *gm_dataset_classes(const gm_dataset *d);
/* Give the classes names: `names` is a tensor of strings [C]. */
GM_API bool gm_dataset_set_classes(gm_dataset *d, gm_tensor *names);
/* What batches of u8 subtract and divide by. 0 and 1 unless the data set sets others. */
GM_API void gm_dataset_scaling(const gm_dataset *d, double *mean, double *std);
GM_API bool gm_dataset_set_scaling(gm_dataset *d, double mean, double std);
/* Raw u8 pixels, any shape, as batches have them: f32. */
GM_API gm_tensor *gm_scale_pixels(gm_tensor *pixels, double mean, double std);

/* ---- Going through --------------------------------------------------------------------------------------------------
 * An element of an epoch; the variable is the element, the iterator and the scope of an iteration. */
typedef struct {
    gm_pack *e;
    int64_t index, epoch;
    void *impl, *reserved[4];
} gm_element;
GM_API gm_element gm_element_first(gm_dataset *d, int64_t epoch);
GM_API bool gm_element_next(gm_element *at);
GM_API void gm_element_done(gm_element *at);
#ifdef GM__CLEANUP
/* Every element of an epoch; ends early while an error is pending. */
#  define GM_EACH_ELEMENT(at, dataset, epoch)                                                                          \
      for (gm_element at GM__CLEANUP(gm_element_done) = gm_element_first(dataset, epoch); gm_element_next(&at);)
#endif

#ifdef __cplusplus
}
#endif
#endif
