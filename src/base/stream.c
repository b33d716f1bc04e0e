/* stream.c: where random operations take their place in the sequence from. */
#include "../math/fp.h"
#include "context.h"
#include "fork.h"
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

uint64_t gm__draw_next(uint64_t *seed) {
    if (gm__context()->trace) return gm__draw_traced(seed);
    pthread_mutex_lock(&gm__stream_mutex);
    *seed = stream_seed;
    uint64_t count = stream_count++;
    pthread_mutex_unlock(&gm__stream_mutex);
    return count;
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
