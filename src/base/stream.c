/* stream.c: where random operations take their place in the sequence from. */
#include "../math/fp.h"
#include "context.h"
#include "fork.h"
#include "grow.h"
#include "stream.h"
#include "gemel/ops/random.h"

pthread_mutex_t gm__stream_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t stream_seed, stream_count;

void gm_set_random_state(uint64_t seed, uint64_t count) {
    pthread_mutex_lock(&gm__stream_mutex);
    stream_seed = seed, stream_count = count;
    pthread_mutex_unlock(&gm__stream_mutex);
}

void gm_seed(uint64_t seed) { gm_set_random_state(seed, 0); }

void gm_random_state(uint64_t *seed, uint64_t *count) {
    pthread_mutex_lock(&gm__stream_mutex);
    if (seed) *seed = stream_seed;
    if (count) *count = stream_count;
    pthread_mutex_unlock(&gm__stream_mutex);
}

uint64_t (*gm__draw_traced)(uint64_t *seed);

void gm__draws_begin(gm__draws *d, int32_t mode, gm__draw_log *log) {
    gm_context *c = gm__context();
    *d = (gm__draws){ .outer = c->draws, .trace = c->trace, .mode = mode, .log = log };
    c->draws = d;
}

void gm__draws_end(gm__draws *d) { gm__context()->draws = d->outer; }

/* SplitMix64 (Steele, Lea, Flood 2014), below the numbers that mean a draw of a recording. */
uint64_t gm__inner_place(uint64_t count, uint64_t step) {
    uint64_t z = count * 0xd1342543de82ef95u + step * 0x9e3779b97f4a7c15u + 1;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) >> 3;
}

static uint64_t stream_next(gm__draws *d, uint64_t *seed);

static uint64_t stream_logged(gm__draws *d, uint64_t *seed) {
    gm__draw_log *l = d->log;
    if (d->mode == GM__DRAWS_REPLAY && d->at < l->n) {
        *seed = l->draw[d->at][0];
        return l->draw[d->at++][1];
    }
    uint64_t count = stream_next(d->outer, seed);
    if (d->mode == GM__DRAWS_LOG && gm__grow(&l->draw, l->n, &l->capacity, sizeof *l->draw)) {
        l->draw[l->n][0] = *seed;
        l->draw[l->n++][1] = count;
    }
    return count;
}

static uint64_t stream_next(gm__draws *d, uint64_t *seed) {
    const struct gm__trace *trace = gm__context()->trace;
    if (trace && (!d || trace != d->trace)) return gm__draw_traced(seed);
    if (d && trace == d->trace) {
        if (d->mode != GM__DRAWS_INNER) return stream_logged(d, seed);
        *seed = d->seed;
        return d->count++;
    }
    pthread_mutex_lock(&gm__stream_mutex);
    *seed = stream_seed;
    uint64_t count = stream_count++;
    pthread_mutex_unlock(&gm__stream_mutex);
    return count;
}

uint64_t gm__draw_next(uint64_t *seed) { return stream_next(gm__context()->draws, seed); }

void gm__draws_give_back(uint64_t seed, uint64_t first, int64_t n, int64_t used) {
    pthread_mutex_lock(&gm__stream_mutex);
    if (stream_seed == seed && stream_count == first + (uint64_t)n) stream_count = first + (uint64_t)used;
    pthread_mutex_unlock(&gm__stream_mutex);
}

uint64_t gm__path_hash(const char *path) {
    if (!path || !*path) return 0;
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *c = path; *c; c++) h = (h ^ (uint8_t)*c) * 0x100000001b3u;
    return h;
}

uint64_t gm__stream_key(uint64_t seed, const char *path) {
    uint64_t h = gm__path_hash(path);
    return seed ^ (((h >> 32) ^ (h & 0xffffffffu)) << 32);
}
