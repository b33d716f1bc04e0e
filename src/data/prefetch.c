/* prefetch.c: making elements ahead of their use, in threads of its own.
 *
 * A worker pulls the next item, one worker at a time, which settles its place in the order; then it makes the element
 * beside the others and puts it into the slot of its place. The consumer takes slot after slot. Nothing but the time at
 * which a slot is filled depends on the threads. An error is kept with its place (the earliest counts) and is reported
 * when the consumer gets there; nothing is pulled any more once there is one. Closing stops the workers after the
 * element that each is making. */
#include "../math/fp.h"
#include "../base/args.h"
#include "../base/profile.h"
#include "dataset.h"
#include "gemel/autograd.h"

#include <pthread.h>
#include <stdio.h>

enum { PREFETCH_MOST_THREADS = 256, PREFETCH_MOST = 1 << 20 };

typedef struct {
    int64_t ahead;
    int32_t threads, reserved;
} prefetch_state;
typedef struct {
    gm_pack *pack;
    bool done;
} prefetch_slot;

typedef struct {
    gm__stream s;
    gm__stream *below;
    pthread_mutex_t pull;        /* held while an item is pulled, before `lock` */
    pthread_mutex_t lock;        /* guards everything below */
    pthread_cond_t room, filled; /* a slot became free; a slot was filled, or the end was found */
    int64_t taken, pulled;       /* places before these were taken, pulled */
    int64_t ahead;
    prefetch_slot *slots; /* of place i: slots[i % ahead] */
    bool stop;            /* pull no more: the end, an error, or closing */
    gm_error error;       /* of place error_at, the earliest */
    int64_t error_at;
    char message[1024];
    int n_threads;
    pthread_t *threads;
} prefetch_stream;

/* ---- workers ---- */

/* Move the worker's pending error to the stream, whose lock is held. */
static void prefetch_report(prefetch_stream *p, int64_t place) {
    if (!p->error || place < p->error_at) {
        p->error = gm_error_code(), p->error_at = place;
        snprintf(p->message, sizeof p->message, "%s", gm_error_message());
    }
    p->stop = true;
    pthread_cond_broadcast(&p->room);
    gm_error_clear();
}

/* Wait for a free slot; false: pull no more. */
static bool prefetch_wait(prefetch_stream *p) {
    pthread_mutex_lock(&p->lock);
    while (!p->stop && p->pulled - p->taken >= p->ahead) pthread_cond_wait(&p->room, &p->lock);
    bool go = !p->stop;
    pthread_mutex_unlock(&p->lock);
    return go;
}

/* The next item and its place; NULL at the end, which is told to everybody. */
static gm__item *prefetch_pull(prefetch_stream *p, int64_t *place) {
    pthread_mutex_lock(&p->pull);
    gm__item *item = NULL;
    if (prefetch_wait(p)) {
        item = gm__stream_next(p->below);
        pthread_mutex_lock(&p->lock);
        *place = p->pulled;
        if (item) p->pulled++;
        else if (!gm_ok()) prefetch_report(p, *place);
        else p->stop = true;
        pthread_cond_broadcast(&p->filled);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&p->pull);
    return item;
}

/* Put the element, or the error that was met, where the consumer finds it. */
static void prefetch_fill(prefetch_stream *p, int64_t place, gm_pack *pack) {
    pthread_mutex_lock(&p->lock);
    if (!gm_ok()) prefetch_report(p, place);
    else p->slots[place % p->ahead] = (prefetch_slot){ gm_retain(pack), true };
    pthread_cond_broadcast(&p->filled);
    pthread_mutex_unlock(&p->lock);
}

static void *prefetch_work(void *stream) {
    prefetch_stream *p = stream;
    GM_NO_GRAD;
    int64_t place = 0;
    for (gm__item *item; (item = prefetch_pull(p, &place));) {
        GM_SCOPE(s);
        int64_t t = gm__profile_begin();
        gm_pack *pack = gm__item_take(item);
        gm__profile_end(t, "data", "element");
        if (gm_ok() && !pack) gm_fail(GM_ERROR_INTERNAL, "dataset_prefetch: no element and no error");
        prefetch_fill(p, place, pack);
    }
    return NULL;
}

/* ---- the consumer ---- */

/* Take what is in the slot of the next place; NULL at the end or where the error is. */
static gm_pack *prefetch_take(prefetch_stream *p) {
    prefetch_slot *slot = &p->slots[p->taken % p->ahead];
    pthread_mutex_lock(&p->lock);
    for (;;) {
        if (p->error && p->error_at == p->taken) break;
        if (p->taken < p->pulled ? slot->done : p->stop) break;
        pthread_cond_wait(&p->filled, &p->lock);
    }
    gm_pack *pack = slot->done ? slot->pack : NULL;
    *slot = (prefetch_slot){ 0 };
    if (pack) p->taken++;
    pthread_cond_signal(&p->room);
    pthread_mutex_unlock(&p->lock);
    return pack;
}

static gm__item *prefetch_next(gm__stream *stream) {
    prefetch_stream *p = (prefetch_stream *)stream;
    int64_t t = gm__profile_begin();
    gm_pack *pack = prefetch_take(p);
    gm__profile_end(t, "data", "wait");
    if (!pack && p->error) gm_fail(p->error, "%s", p->message); /* nobody writes it any more */
    gm__item *item = gm__item_of(pack);
    gm_release(pack);
    return item;
}

static void prefetch_close(gm__stream *stream) {
    prefetch_stream *p = (prefetch_stream *)stream;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->room);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++) pthread_join(p->threads[i], NULL);
    for (int64_t i = 0; i < p->ahead; i++) gm_release(p->slots[i].pack);
    gm__stream_close(p->below);
    pthread_mutex_destroy(&p->pull);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->room);
    pthread_cond_destroy(&p->filled);
    gm_free(p->slots);
    gm_free(p->threads);
    gm_free(p);
}

/* ---- the node ---- */

static prefetch_stream *prefetch_stream_new(gm__stream *below, int64_t ahead, int threads) {
    prefetch_stream *p = gm_alloc(sizeof *p);
    if (p) p->slots = gm_alloc((size_t)ahead * sizeof *p->slots);
    if (p && p->slots) p->threads = gm_alloc((size_t)threads * sizeof *p->threads);
    if (!p || !p->threads) {
        if (p) gm_free(p->slots);
        return gm_free(p), NULL;
    }
    p->s = (gm__stream){ prefetch_next, prefetch_close };
    p->below = below, p->ahead = ahead;
    pthread_mutex_init(&p->pull, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->room, NULL);
    pthread_cond_init(&p->filled, NULL);
    return p;
}

/* Without a thread to be had, elements are made when they are asked for. */
static gm__stream *prefetch_open(gm_dataset *d, gm__pass pass) {
    const prefetch_state *state = d->state;
    int threads = state->threads ? state->threads : gm_n_threads() > 1 ? gm_n_threads() : 0;
    gm__stream *below = gm__stream_open(d->from[0], pass);
    if (!below || threads <= 0) return below;
    prefetch_stream *p = prefetch_stream_new(below, state->ahead, threads);
    if (!p) return gm__stream_close(below), NULL;
    for (; p->n_threads < threads; p->n_threads++)
        if (pthread_create(&p->threads[p->n_threads], NULL, prefetch_work, p)) break;
    if (p->n_threads) return &p->s;
    p->below = NULL;
    prefetch_close(&p->s);
    return below;
}

static int64_t prefetch_count(const gm_dataset *d) { return gm__dataset_count(d->from[0]); }

static const gm__dataset_class prefetch_class = { .name = "prefetch", .count = prefetch_count, .open = prefetch_open };

gm_dataset *gm_dataset_prefetch_with(gm_dataset *d, int64_t ahead, const gm_dataset_prefetch_args *args) {
    gm_dataset_prefetch_args a = { 0 };
    if (!gm_ok() || !gm__args_take("dataset_prefetch", &a, sizeof a, args)) return NULL;
    if (ahead < 1 || ahead > PREFETCH_MOST || a.threads < -1 || a.threads > PREFETCH_MOST_THREADS)
        return gm_fail(GM_ERROR_VALUE, "dataset_prefetch: %lld elements ahead, %d threads", (long long)ahead,
                       a.threads),
               NULL;
    gm_dataset *p = gm__dataset_new(&prefetch_class, "dataset_prefetch", &d, 1, sizeof(prefetch_state));
    if (p) *(prefetch_state *)p->state = (prefetch_state){ ahead, a.threads, 0 };
    return p;
}
