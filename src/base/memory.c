/* memory.c: gm_alloc, and the caching allocator behind tensor storage.
 *
 * Small blocks (up to 1 MiB) come in size classes, four per power of two, each with a free list: taking one is a pop.
 * Large ones are aligned to 2 MiB, so that the kernel can back them with huge pages, and wait in a short list, to be
 * used again only where at most an eighth would be wasted. The cache of large blocks is held below a quarter of the
 * peak, because its bytes count as the process's. */
#include "../math/fp.h"
#include "memory.h"
#include "object.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#  include <sys/mman.h>
#endif

enum { MEMORY_SMALL = 1 << 20, MEMORY_CLASSES = 64, MEMORY_LARGE_SLOTS = 64, MEMORY_HUGE = 2 << 20 };

static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static struct { void *block; size_t bytes; } memory_large[MEMORY_LARGE_SLOTS]; /* oldest first */
static int memory_n_large;
static void *memory_free_list[MEMORY_CLASSES];
static gm_memory memory_stats;
static int64_t memory_large_cached;

/* ---- failing on purpose ---- */

static _Atomic int64_t memory_countdown, memory_count;
static bool memory_fail_all;

void gm__fail_allocation(int64_t n, bool all) {
    memory_count = 0;
    memory_fail_all = all;
    memory_countdown = n;
}

int64_t gm__allocation_count(void) { return memory_count; }

bool gm__allocation_fails(void) {
    memory_count++;
    if (__builtin_expect(memory_countdown == 0, 1)) return false;
    if (memory_countdown == 1) {
        if (!memory_fail_all) memory_countdown = 0;
        return true;
    }
    memory_countdown--;
    return false;
}

/* ---- plain memory ---- */

void *gm_alloc(size_t bytes) {
    void *p = gm__allocation_fails() ? NULL : calloc(1, bytes ? bytes : 1);
    if (!p) gm_fail(GM_ERROR_MEMORY, "out of memory for %zu bytes", bytes);
    return p;
}

void *gm_realloc(void *block, size_t bytes) {
    void *p = gm__allocation_fails() ? NULL : realloc(block, bytes ? bytes : 1);
    if (!p) gm_fail(GM_ERROR_MEMORY, "out of memory for %zu bytes", bytes);
    return p;
}

void gm_free(void *block) { free(block); }

char *gm_strdup(const char *text) {
    size_t n = strlen(text ? text : "") + 1;
    char *copy = gm_alloc(n);
    return copy ? memcpy(copy, text ? text : "", n) : NULL;
}

/* ---- blocks ---- */

/* Sizes are multiples of 64 and, from 256 on, of a quarter of the power of two below. */
static int memory_class(size_t bytes, size_t *rounded) {
    size_t b = bytes < 64 ? 64 : (bytes + 63) & ~(size_t)63;
    int log = 63 - __builtin_clzll(b);
    size_t step = ((size_t)1 << log) / 4, up = (b - ((size_t)1 << log) + step - 1) / step;
    *rounded = ((size_t)1 << log) + up * step;
    return (log - 6) * 4 + (int)up;
}

static void memory_count_in(size_t bytes, bool hit) {
    memory_stats.n_allocations++;
    memory_stats.n_cache_hits += hit;
    memory_stats.bytes_in_use += (int64_t)bytes;
    if (memory_stats.bytes_in_use > memory_stats.bytes_peak) memory_stats.bytes_peak = memory_stats.bytes_in_use;
    if (hit) memory_stats.bytes_cached -= (int64_t)bytes;
}

static void *memory_take_small(size_t bytes, size_t *got) {
    int class = memory_class(bytes, got);
    pthread_mutex_lock(&memory_lock);
    void *block = memory_free_list[class];
    if (block) memory_free_list[class] = *(void **)block;
    memory_count_in(*got, block != NULL);
    pthread_mutex_unlock(&memory_lock);
    return block ? block : aligned_alloc(64, *got);
}

static void memory_large_remove(int i) {
    memory_large_cached -= (int64_t)memory_large[i].bytes;
    memmove(&memory_large[i], &memory_large[i + 1], (size_t)(--memory_n_large - i) * sizeof *memory_large);
}

/* The smallest cached block that fits and wastes at most an eighth; -1 if none. */
static int memory_large_find(size_t bytes) {
    int best = -1;
    for (int i = 0; i < memory_n_large; i++)
        if (memory_large[i].bytes >= bytes && memory_large[i].bytes <= bytes + bytes / 8 &&
            (best < 0 || memory_large[i].bytes < memory_large[best].bytes))
            best = i;
    return best;
}

static void *memory_map_large(size_t bytes) {
    void *block; /* posix_memalign: aligned_alloc would want the size to be a multiple of the alignment */
    if (posix_memalign(&block, bytes >= MEMORY_HUGE ? MEMORY_HUGE : 4096, bytes)) return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes >= MEMORY_HUGE) madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
}

static void *memory_take_large(size_t bytes, size_t *got) {
    size_t unit = bytes >= 8 * (size_t)MEMORY_HUGE ? MEMORY_HUGE : 65536;
    *got = (bytes + unit - 1) / unit * unit;
    pthread_mutex_lock(&memory_lock);
    int i = memory_large_find(*got);
    void *block = i >= 0 ? memory_large[i].block : NULL;
    if (i >= 0) {
        *got = memory_large[i].bytes;
        memory_large_remove(i);
    }
    memory_count_in(*got, block != NULL);
    pthread_mutex_unlock(&memory_lock);
    return block ? block : memory_map_large(*got);
}

static void memory_uncount(size_t got) {
    pthread_mutex_lock(&memory_lock);
    memory_stats.bytes_in_use -= (int64_t)got;
    pthread_mutex_unlock(&memory_lock);
}

void *gm__block_take(size_t bytes, size_t *got) {
    if (gm__allocation_fails() || bytes > (size_t)1 << 46) return NULL;
    bool small = bytes <= MEMORY_SMALL;
    void *block = small ? memory_take_small(bytes, got) : memory_take_large(bytes, got);
    if (block) return block;
    memory_uncount(*got);
    gm_memory_trim();
    block = small ? memory_take_small(bytes, got) : memory_take_large(bytes, got);
    if (!block) memory_uncount(*got);
    return block;
}

static void memory_give_small(void *block, size_t got) {
    size_t rounded;
    int class = memory_class(got, &rounded);
    *(void **)block = memory_free_list[class];
    memory_free_list[class] = block;
}

/* Returns the block to free for good, or NULL. Called again until the cache is below its bound. */
static void *memory_evict(void) {
    int64_t bound = memory_stats.bytes_peak / 4 > (64 << 20) ? memory_stats.bytes_peak / 4 : 64 << 20;
    if (memory_n_large < MEMORY_LARGE_SLOTS && memory_large_cached <= bound) return NULL;
    void *block = memory_large[0].block;
    memory_stats.bytes_cached -= (int64_t)memory_large[0].bytes;
    memory_large_remove(0);
    return block;
}

static void memory_give_large(void *block, size_t got) {
    memory_large[memory_n_large].block = block;
    memory_large[memory_n_large++].bytes = got;
    memory_large_cached += (int64_t)got;
}

void gm__block_give(void *block, size_t got) {
    if (!block) return;
    void *evicted[MEMORY_LARGE_SLOTS];
    int n = 0;
    pthread_mutex_lock(&memory_lock);
    memory_stats.bytes_in_use -= (int64_t)got;
    memory_stats.bytes_cached += (int64_t)got;
    if (got <= MEMORY_SMALL) memory_give_small(block, got);
    else {
        memory_give_large(block, got);
        while (n < MEMORY_LARGE_SLOTS && (evicted[n] = memory_evict())) n++;
    }
    pthread_mutex_unlock(&memory_lock);
    while (n > 0) free(evicted[--n]);
}

void gm_memory_trim(void) {
    pthread_mutex_lock(&memory_lock);
    for (int i = 0; i < MEMORY_CLASSES; i++)
        while (memory_free_list[i]) {
            void *block = memory_free_list[i];
            memory_free_list[i] = *(void **)block;
            free(block);
        }
    while (memory_n_large) free(memory_large[--memory_n_large].block);
    memory_large_cached = memory_stats.bytes_cached = 0;
    pthread_mutex_unlock(&memory_lock);
}

gm_memory gm_memory_stats(void) {
    pthread_mutex_lock(&memory_lock);
    gm_memory m = memory_stats;
    pthread_mutex_unlock(&memory_lock);
    m.n_objects = gm__n_objects();
    return m;
}

void gm_memory_reset_peak(void) {
    pthread_mutex_lock(&memory_lock);
    memory_stats.bytes_peak = memory_stats.bytes_in_use;
    pthread_mutex_unlock(&memory_lock);
}
