/* cache.c: elements kept in memory.
 *
 * What is below is always asked for epoch 0, so that an element is the same whichever epoch, and whichever thread,
 * first needed it. Two threads that make the same element at once both may; the first one to finish is kept. */
#include "../math/fp.h"
#include "dataset.h"

#include <pthread.h>
#include <string.h>

typedef struct {
    pthread_mutex_t lock;
    gm_pack **kept;      /* NULL where not made yet */
    int64_t capacity, n; /* n: all there are, once a pass came to the end; -1 before */
    int64_t n_kept;
} cache_state;

typedef struct {
    gm__item item;
    gm__item *below;
    cache_state *c;
    int64_t index;
} cache_item;
typedef struct {
    gm__stream s;
    gm_dataset *d;
    gm__stream *below;
    int64_t at, n;
} cache_stream;

static int64_t cache_count(const gm_dataset *d) {
    int64_t n = gm__dataset_count(d->from[0]);
    cache_state *c = d->state;
    if (n != GM__UNKNOWN || !gm_ok()) return n;
    pthread_mutex_lock(&c->lock);
    n = c->n;
    pthread_mutex_unlock(&c->lock);
    return n;
}

/* The element in the innermost scope, NULL if it is not there. */
static gm_pack *cache_find(cache_state *c, int64_t index) {
    gm_scope s = gm_scope_open();
    pthread_mutex_lock(&c->lock);
    gm_pack *p = index < c->capacity ? c->kept[index] : NULL;
    pthread_mutex_unlock(&c->lock); /* what is kept stays kept while the node lives */
    return gm_return(&s, p);
}

static bool cache_has(cache_state *c, int64_t index) {
    pthread_mutex_lock(&c->lock);
    bool has = index < c->capacity && c->kept[index];
    pthread_mutex_unlock(&c->lock);
    return has;
}

static bool cache_reserve(cache_state *c, int64_t index) {
    if (index < c->capacity) return true;
    int64_t capacity = c->capacity ? c->capacity : 64;
    while (capacity <= index) capacity *= 2;
    gm_pack **kept = gm_realloc(c->kept, (size_t)capacity * sizeof *kept);
    if (!kept) return false;
    memset(kept + c->capacity, 0, (size_t)(capacity - c->capacity) * sizeof *kept);
    c->kept = kept, c->capacity = capacity;
    return true;
}

static void cache_keep(cache_state *c, int64_t index, gm_pack *p) {
    pthread_mutex_lock(&c->lock);
    if (cache_reserve(c, index) && !c->kept[index]) c->kept[index] = gm_retain(p), c->n_kept++;
    pthread_mutex_unlock(&c->lock);
}

static gm_pack *cache_make(gm__item *item) {
    cache_item *c = (cache_item *)item;
    gm_pack *p = cache_find(c->c, c->index);
    if (p || !gm_ok() || !c->below) return p;
    gm_scope s = gm_scope_open();
    p = c->below->make(c->below);
    if (p && gm_ok()) cache_keep(c->c, c->index, p);
    return gm_return(&s, gm_ok() ? p : NULL);
}

static void cache_drop(gm__item *item) {
    gm__item_drop(((cache_item *)item)->below);
    gm_free(item);
}

static gm__item *cache_wrap(cache_state *c, gm__item *below, int64_t index) {
    cache_item *item = gm_ok() ? gm_alloc(sizeof *item) : NULL;
    if (!item) return gm__item_drop(below), NULL;
    *item = (cache_item){ { cache_make, cache_drop }, below, c, index };
    return &item->item;
}

static gm__item *cache_item_at(gm_dataset *d, gm__pass pass, int64_t index) {
    (void)pass;
    gm__item *below = cache_has(d->state, index) ? NULL : gm__item_at(d->from[0], (gm__pass){ 0, 0 }, index);
    return cache_wrap(d->state, below, index);
}

static gm__item *cache_next(gm__stream *stream) {
    cache_stream *s = (cache_stream *)stream;
    cache_state *c = s->d->state;
    if (!s->below) return s->at < s->n ? cache_wrap(c, NULL, s->at++) : NULL;
    gm__item *below = gm__stream_next(s->below);
    if (below) return cache_wrap(c, below, s->at++);
    if (!gm_ok()) return NULL;
    pthread_mutex_lock(&c->lock);
    c->n = s->at;
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void cache_close(gm__stream *stream) {
    gm__stream_close(((cache_stream *)stream)->below);
    gm_free(stream);
}

static gm__stream *cache_open(gm_dataset *d, gm__pass pass) {
    (void)pass;
    cache_state *c = d->state;
    cache_stream *s = gm_alloc(sizeof *s);
    if (!s) return NULL;
    *s = (cache_stream){ { cache_next, cache_close }, d, NULL, 0, 0 };
    pthread_mutex_lock(&c->lock);
    s->n = c->n;
    bool whole = c->n >= 0 && c->n_kept == c->n;
    pthread_mutex_unlock(&c->lock);
    if (!whole) s->below = gm__stream_open(d->from[0], (gm__pass){ 0, 0 });
    if (!whole && !s->below) return gm_free(s), NULL;
    return &s->s;
}

static void cache_free(gm_dataset *d) {
    cache_state *c = d->state;
    for (int64_t i = 0; i < c->capacity; i++) gm_release(c->kept[i]);
    gm_free(c->kept);
    pthread_mutex_destroy(&c->lock);
}

static const gm__dataset_class cache_class = {
    .name = "cache",
    .count = cache_count,
    .item = cache_item_at,
    .open = cache_open,
    .free = cache_free,
};

gm_dataset *gm_dataset_cache(gm_dataset *d) {
    gm_dataset *c = gm_ok() ? gm__dataset_new(&cache_class, "dataset_cache", &d, 1, sizeof(cache_state)) : NULL;
    if (!c) return NULL;
    cache_state *state = c->state;
    pthread_mutex_init(&state->lock, NULL);
    state->n = GM__UNKNOWN;
    return c;
}
