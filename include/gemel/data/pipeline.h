/* gemel/data/pipeline.h: data sets made from data sets.
 *
 * Each function describes a new data set and leaves the given one as it is. Elements are handed on unevaluated for as
 * long as possible: shuffling, taking, skipping and repeating move tickets, and the work (reading, decoding, mapping,
 * stacking) is done by whoever needs the element, which with gm_dataset_prefetch are several threads at once. The order
 * and the values do not depend on how many. An error in a callback or a file is reported to whoever asks for that
 * element, after the elements before it, and ends the epoch.
 *
 * All of these retain what they are made from, and keep its class names and scaling. */
#ifndef GEMEL_DATA_PIPELINE_H
#define GEMEL_DATA_PIPELINE_H

#include "dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A function of an element: returns a new pack, or `element` itself; must not change its tensors. NULL after gm_fail.
 * Called from several threads at once. `dice` are the numbers of this element: of (.seed, epoch, index in the order
 * given to this map, how often it was repeated). */
typedef gm_pack *(*gm_map_fn)(void *env, gm_pack *element, gm_dice *dice);
typedef struct {
    size_t size;
    void *env;
    void (*free_env)(void *env); /* called when nobody needs env any more, also if this fails */
    uint64_t seed;
} gm_dataset_map_args;
GM_API gm_dataset *gm_dataset_map_with(gm_dataset *d, gm_map_fn fn, const gm_dataset_map_args *args);

/* The elements for which `fn` returns true. It is asked by one thread at a time: prefetch before it what is expensive.
 */
typedef bool (*gm_filter_fn)(void *env, gm_pack *element);
typedef struct { size_t size; void *env; void (*free_env)(void *env); } gm_dataset_filter_args;
GM_API gm_dataset *gm_dataset_filter_with(gm_dataset *d, gm_filter_fn fn, const gm_dataset_filter_args *args);

/* Another order in each epoch. `buffer` 0: any order of all elements is as likely; else the next one is drawn from the
 * `buffer` elements that come first, as they come. */
typedef struct { size_t size; int64_t buffer; uint64_t seed; } gm_dataset_shuffle_args;
GM_API gm_dataset *gm_dataset_shuffle_with(gm_dataset *d, const gm_dataset_shuffle_args *args);

/* n elements as one: each entry gets a new dimension in front. Entries of different sizes are a SHAPE error unless .pad
 * is set: then they are extended at their ends to the largest with this value, and entry "NAME_length" i64 [B] holds
 * the sizes that dimension 0 had, which recurrent layers and transformers take with x. Strings of one element each
 * become strings [B]. */
typedef struct { size_t size; int32_t drop_last, reserved; gm_real pad; } gm_dataset_batch_args;
GM_API gm_dataset *gm_dataset_batch_with(gm_dataset *d, int64_t n, const gm_dataset_batch_args *args);

/* The whole, `times` times; 0 or less: without end. Each repetition is another epoch to what is below. */
GM_API gm_dataset *gm_dataset_repeat(gm_dataset *d, int64_t times);
/* The first n elements; all but the first n. */
GM_API gm_dataset *gm_dataset_take(gm_dataset *d, int64_t n);
GM_API gm_dataset *gm_dataset_skip(gm_dataset *d, int64_t n);
/* Elements with the entries of all of the n data sets' elements, as long as the shortest. A name that two have is a
 * VALUE error. */
GM_API gm_dataset *gm_dataset_zip(gm_dataset *const *datasets, int n);
/* All elements of the first, then all of the second ... */
GM_API gm_dataset *gm_dataset_concat(gm_dataset *const *datasets, int n);
/* Elements are kept in memory when they were made first, and are the same in every epoch: what is below is asked for
 * epoch 0 only. */
GM_API gm_dataset *gm_dataset_cache(gm_dataset *d);

/* A data set for an element, such as the records of a file that it names. NULL after gm_fail. */
typedef gm_dataset *(*gm_interleave_fn)(void *env, gm_pack *element);
typedef struct {
    size_t size;
    void *env;
    void (*free_env)(void *env);
    int32_t cycle, block; /* data sets open at once (default 4), elements in a row from one (default 1) */
} gm_dataset_interleave_args;
/* The elements of the data sets that fn makes of d's elements, in turn. */
GM_API gm_dataset *gm_dataset_interleave_with(gm_dataset *d, gm_interleave_fn fn,
                                              const gm_dataset_interleave_args *args);

/* Up to `ahead` elements are made before they are asked for, in order, by threads of their own while the caller does
 * something else. Everything since the prefetch before this one is done there, several elements at once; so prefetch
 * last, after gm_dataset_batch too. .threads: default gm_n_threads(), or none if that is 1; -1: none. An operation that
 * draws from the default random stream (gm_rand) has no fixed order in a thread: draw from the dice. */
typedef struct { size_t size; int32_t threads, reserved; } gm_dataset_prefetch_args;
GM_API gm_dataset *gm_dataset_prefetch_with(gm_dataset *d, int64_t ahead, const gm_dataset_prefetch_args *args);

#ifdef __cplusplus
}
#else
#  define gm_dataset_map(...) gm__dataset_map(__VA_ARGS__, .size = sizeof(gm_dataset_map_args))
#  define gm__dataset_map(d, fn, ...) gm_dataset_map_with(d, fn, &(gm_dataset_map_args){ __VA_ARGS__ })
#  define gm_dataset_filter(...) gm__dataset_filter(__VA_ARGS__, .size = sizeof(gm_dataset_filter_args))
#  define gm__dataset_filter(d, fn, ...) gm_dataset_filter_with(d, fn, &(gm_dataset_filter_args){ __VA_ARGS__ })
#  define gm_dataset_shuffle(...) gm__dataset_shuffle(__VA_ARGS__, .size = sizeof(gm_dataset_shuffle_args))
#  define gm__dataset_shuffle(d, ...) gm_dataset_shuffle_with(d, &(gm_dataset_shuffle_args){ __VA_ARGS__ })
#  define gm_dataset_batch(...) gm__dataset_batch(__VA_ARGS__, .size = sizeof(gm_dataset_batch_args))
#  define gm__dataset_batch(d, n, ...) gm_dataset_batch_with(d, n, &(gm_dataset_batch_args){ __VA_ARGS__ })
#  define gm_dataset_prefetch(...) gm__dataset_prefetch(__VA_ARGS__, .size = sizeof(gm_dataset_prefetch_args))
#  define gm__dataset_prefetch(d, n, ...) gm_dataset_prefetch_with(d, n, &(gm_dataset_prefetch_args){ __VA_ARGS__ })
#  define gm_dataset_interleave(...) gm__dataset_interleave(__VA_ARGS__, .size = sizeof(gm_dataset_interleave_args))
#  define gm__dataset_interleave(d, fn, ...)                                                                           \
      gm_dataset_interleave_with(d, fn, &(gm_dataset_interleave_args){ __VA_ARGS__ })
#endif
#endif
