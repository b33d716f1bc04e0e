/* shuffle.c: other orders. Items are moved before they are made, so a buffer of any size costs some words an element.
 */
#include "../math/fp.h"
#include "../base/grow.h"
#include "../base/args.h"
#include "dataset.h"

typedef struct {
    int64_t buffer;
    uint64_t seed;
} shuffle_state;

/* Of all elements: `order` says which comes next; `items` holds them where they could not be had by index. Of a buffer:
 * `items` are the candidates. */
typedef struct {
    gm__stream s;
    gm_dataset *d;
    gm__pass pass;
    gm__stream *below;
    gm__item **items;
    int64_t *order;
    int64_t at, n, capacity;
    gm_dice dice;
} shuffle_stream;

static int64_t shuffle_count(const gm_dataset *d) { return gm__dataset_count(d->from[0]); }

static void shuffle_close(gm__stream *stream) {
    shuffle_stream *s = (shuffle_stream *)stream;
    for (int64_t i = 0; s->items && i < s->n; i++) gm__item_drop(s->items[i]);
    gm_free(s->items);
    gm_free(s->order);
    gm__stream_close(s->below);
    gm_free(s);
}

/* ---- all elements ---- */

static gm__item *shuffle_next_of_all(gm__stream *stream) {
    shuffle_stream *s = (shuffle_stream *)stream;
    if (s->at == s->n) return NULL;
    int64_t i = s->order[s->at++];
    if (!s->items) return gm__item_at(s->d->from[0], s->pass, i);
    gm__item *item = s->items[i];
    s->items[i] = NULL;
    return item;
}

static bool shuffle_push(shuffle_stream *s, gm__item *item) {
    if (!gm__grow(&s->items, s->n, &s->capacity, sizeof *s->items)) return gm__item_drop(item), false;
    s->items[s->n++] = item;
    return true;
}

static bool shuffle_collect(shuffle_stream *s, int64_t most) {
    gm__item *item;
    while (s->n < most && (item = gm__stream_next(s->below)))
        if (!shuffle_push(s, item)) return false;
    return gm_ok();
}

static bool shuffle_begin_all(shuffle_stream *s, uint64_t seed) {
    gm_dataset *below = s->d->from[0];
    int64_t known = gm__dataset_count(below);
    if (gm_ok() && known == GM__ENDLESS)
        gm_fail(GM_ERROR_VALUE, "dataset_shuffle: the data set has no end: give .buffer, or shuffle before repeating");
    if (!gm_ok()) return false;
    if (below->indexable) s->n = known;
    else if (!(s->below = gm__stream_open(below, s->pass)) || !shuffle_collect(s, INT64_MAX)) return false;
    s->s.next = shuffle_next_of_all;
    s->order = gm__permutation(seed, s->pass, s->n);
    return s->order != NULL;
}

/* ---- a buffer ---- */

static gm__item *shuffle_next_of_buffer(gm__stream *stream) {
    shuffle_stream *s = (shuffle_stream *)stream;
    const shuffle_state *state = s->d->state;
    if (!shuffle_collect(s, state->buffer) || !s->n) return NULL;
    int64_t i = gm_dice_below(&s->dice, s->n);
    if (i < 0) return NULL;
    gm__item *item = s->items[i];
    s->items[i] = s->items[--s->n];
    return item;
}

static bool shuffle_begin_buffer(shuffle_stream *s, uint64_t seed) {
    s->s.next = shuffle_next_of_buffer;
    s->dice = gm__dice_of(seed, s->pass, -1);
    s->below = gm__stream_open(s->d->from[0], s->pass);
    return s->below != NULL;
}

static gm__stream *shuffle_open(gm_dataset *d, gm__pass pass) {
    const shuffle_state *state = d->state;
    shuffle_stream *s = gm_alloc(sizeof *s);
    if (!s) return NULL;
    s->s.close = shuffle_close;
    s->d = d, s->pass = pass;
    bool ok = state->buffer ? shuffle_begin_buffer(s, state->seed) : shuffle_begin_all(s, state->seed);
    if (!ok) return shuffle_close(&s->s), NULL;
    return &s->s;
}

static const gm__dataset_class shuffle_class = { .name = "shuffle", .count = shuffle_count, .open = shuffle_open };

gm_dataset *gm_dataset_shuffle_with(gm_dataset *d, const gm_dataset_shuffle_args *args) {
    gm_dataset_shuffle_args a = { 0 };
    if (!gm_ok() || !gm__args_take("dataset_shuffle", &a, sizeof a, args)) return NULL;
    if (a.buffer < 0) return gm_fail(GM_ERROR_VALUE, "dataset_shuffle: a buffer of %lld", (long long)a.buffer), NULL;
    gm_dataset *s = gm__dataset_new(&shuffle_class, "dataset_shuffle", &d, 1, sizeof(shuffle_state));
    if (s) *(shuffle_state *)s->state = (shuffle_state){ a.buffer, a.seed };
    return s;
}
