/* dataset.h: the inside of data sets: nodes, streams and items.
 *
 * A pass over a data set is a stream, from which items are pulled one after the other, by one thread at a time. An item
 * is an element that has not been made yet: pulling is cheap and settles the order and every random choice; making it
 * does the work, in any thread, and needs nothing but the item. So whatever reorders elements moves items, and
 * prefetching is making items in threads of its own.
 *
 * A data set is a node with a class. Classes with `item` have random access; a node offers it if the nodes below do too
 * (`indexable`). An item belongs to whoever pulled it, holds no count of its data set, and is dropped before the
 * stream it came from is closed. */
#ifndef GM_DATA_DATASET_H
#define GM_DATA_DATASET_H
#include "gemel/data.h"
#include "gemel/extend.h"

typedef struct gm__item gm__item;
struct gm__item {
    gm_pack *(*make)(gm__item *item); /* the element, in the innermost scope; at most once; NULL after an error */
    void (*drop)(gm__item *item);     /* once, made or not */
};

/* An epoch as a node sees it; `turn` tells apart the repetitions within one. */
typedef struct {
    int64_t epoch;
    uint64_t turn;
} gm__pass;

typedef struct gm__stream gm__stream;
struct gm__stream {
    gm__item *(*next)(gm__stream *s); /* NULL at the end, or with an error pending */
    void (*close)(gm__stream *s);
};

typedef struct {
    const char *name;
    int64_t (*count)(const gm_dataset *d);
    gm__item *(*item)(gm_dataset *d, gm__pass pass, int64_t index); /* NULL: no random access */
    gm__stream *(*open)(gm_dataset *d, gm__pass pass);              /* NULL: item by item */
    void (*free)(gm_dataset *d);                                    /* of what lies behind `state`; may be NULL */
} gm__dataset_class;

enum { GM__UNKNOWN = -1 }; /* as a count */
#define GM__ENDLESS INT64_MAX

struct gm_dataset {
    gm_object o;
    const gm__dataset_class *class;
    gm_dataset **from; /* what it is made from */
    int32_t n_from;
    bool indexable, batched;
    void *state;        /* of the class; freed with the node */
    gm_tensor *classes; /* strings, or NULL */
    double mean, std;
};

extern const gm_type gm__dataset_type;
bool gm__dataset_check(const gm_dataset *d, const char *op, int argument);
/* A node over `n` others (one that is NULL or no data set is an error that names `op`) with a zeroed state. */
gm_dataset *gm__dataset_new(const gm__dataset_class *class, const char *op, gm_dataset *const *from, int n,
                            size_t state_bytes);
int64_t gm__dataset_count(const gm_dataset *d);
gm__stream *gm__stream_open(gm_dataset *d, gm__pass pass);
static inline gm__item *gm__stream_next(gm__stream *s) { return gm_ok() ? s->next(s) : NULL; }
void gm__stream_close(gm__stream *s); /* NULL is ignored */
static inline gm__item *gm__item_at(gm_dataset *d, gm__pass pass, int64_t i) { return d->class->item(d, pass, i); }
static inline void gm__item_drop(gm__item *item) {
    if (item) item->drop(item);
}
/* Make and drop. */
gm_pack *gm__item_take(gm__item *item);
/* An item of a pack that is there. */
gm__item *gm__item_of(gm_pack *pack);

/* The tensors of a node made by gm_dataset_of or gm_dataset_of_pack; NULL for any other. */
gm_pack *gm__dataset_tensors(const gm_dataset *d);

/* A dice for an element; `salt` is a seed mixed with whatever else it depends on. */
gm_dice gm__dice_of(uint64_t seed, gm__pass pass, int64_t index);
/* 0..n-1 in the order of (seed, pass), which the caller frees. */
int64_t *gm__permutation(uint64_t seed, gm__pass pass, int64_t n);

/* Strings "0" to the largest of the labels i64 [N]; a VALUE error that begins with `op` for one below 0. */
gm_tensor *gm__number_names(const char *op, gm_tensor *labels);

/* What each pixel value becomes: ((i / 255) - mean) / std in f64, rounded once. */
void gm__pixel_table(double mean, double std, float *table);

#endif
