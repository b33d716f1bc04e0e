/* memory.c: gm_alloc, and the caching allocator behind tensor storage.
 *
 * Small blocks (up to 1 MiB) come in size classes, four per power of two, each with a free list: taking one is a pop.
 * Large ones are aligned to 2 MiB, so that the kernel can back them with huge pages, and wait in a list, to be used
 * again only where at most an eighth would be wasted. What is held, in use or waiting, grows only when a large block is
 * mapped; then the oldest of those that wait are freed until all is below the most ever in use and a quarter. So
 * a training step finds the blocks of the one before, and the process is not much larger than without a cache. Blocks
 * up to 64 KiB go through a short list of the context first, which needs no lock. */
#include "../math/fp.h"
#include "fork.h"
#include "memory.h"
#include "object.h"

#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#  include <sys/mman.h>
#endif

/* Address sanitizers see the ends of malloc's blocks only. */
#if defined(__has_feature)
#  define MEMORY_CHECKED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#  define MEMORY_CHECKED 1
#else
#  define MEMORY_CHECKED 0
#endif
#if defined(__linux__) && defined(MADV_HUGEPAGE) && !MEMORY_CHECKED
#  define MEMORY_MAPS 1
#else
#  define MEMORY_MAPS 0
#endif

enum { MEMORY_SMALL = 1 << 20, MEMORY_CLASSES = 64, MEMORY_LARGE_SLOTS = 1024, MEMORY_HUGE = 2 << 20 };
enum { MEMORY_LIST = 32, MEMORY_LIST_BYTES = 128 * 1024, MEMORY_APART = 64 * 1024, MEMORY_SLACK = 32 << 20 };

pthread_mutex_t gm__memory_mutex = PTHREAD_MUTEX_INITIALIZER;
typedef struct { void *block; size_t bytes; } memory_piece;
static memory_piece memory_large[MEMORY_LARGE_SLOTS]; /* oldest first */
static int memory_n_large;
static void *memory_free_list[MEMORY_CLASSES];
static int64_t memory_large_cached, memory_small_cached;
static int64_t memory_high; /* the most bytes in use when a large block was mapped, since the last trim */
/* Atomic, outside the lock: bytes in use that contexts have handed over from their own counts, and the most in use. */
static int64_t memory_in_use, memory_peak;

/* ---- failing on purpose ---- */

static _Atomic int64_t memory_countdown, memory_count;
static bool memory_fail_all, memory_counting; /* counting costs: not before a test asks for it */

void gm__fail_allocation(int64_t n, bool all) {
    __atomic_store_n(&memory_counting, true, __ATOMIC_RELAXED);
    memory_count = 0;
    memory_fail_all = all;
    memory_countdown = n;
}

int64_t gm__allocation_count(void) { return memory_count; }

bool gm__allocation_fails(void) {
    if (__builtin_expect(!__atomic_load_n(&memory_counting, __ATOMIC_RELAXED), 1)) return false;
    memory_count++;
    if (memory_countdown == 0) return false;
    if (memory_countdown == 1) {
        if (!memory_fail_all) memory_countdown = 0;
        return true;
    }
    memory_countdown--;
    return false;
}

/* ---- plain memory ---- */

/* Small blocks by malloc: glibc's calloc goes past the thread's own cache. */
static void *memory_zeroed(size_t bytes) {
    if (bytes > 1024) return calloc(1, bytes);
    void *p = malloc(bytes ? bytes : 1);
    return p ? memset(p, 0, bytes) : NULL;
}

void *gm_alloc(size_t bytes) {
    void *p = gm__allocation_fails() ? NULL : memory_zeroed(bytes);
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

static size_t memory_class_bytes(int class) {
    size_t power = (size_t)64 << class / 4;
    return power + power / 4 * (size_t)(class % 4);
}

/* A context hands its part over whenever that is large: the peak, which takes in only one context's rest, is exact with
 * one thread and else short by at most MEMORY_APART for each other. Returns the bytes in use. */
static int64_t memory_count_bytes(gm_context *c, int64_t bytes) {
    gm__count(c, &c->counts.bytes_in_use, bytes);
    int64_t own = __atomic_load_n(&c->counts.bytes_in_use, __ATOMIC_RELAXED);
    if (own >= -MEMORY_APART && own <= MEMORY_APART) return __atomic_load_n(&memory_in_use, __ATOMIC_RELAXED) + own;
    own = __atomic_exchange_n(&c->counts.bytes_in_use, 0, __ATOMIC_RELAXED);
    return __atomic_add_fetch(&memory_in_use, own, __ATOMIC_RELAXED);
}

static void memory_raise_peak(int64_t to) {
    int64_t peak = __atomic_load_n(&memory_peak, __ATOMIC_RELAXED);
    while (peak < to && !__atomic_compare_exchange_n(&memory_peak, &peak, to, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static void memory_count_in(gm_context *c, size_t bytes, bool hit) {
    gm__count(c, &c->counts.allocations, 1);
    gm__count(c, &c->counts.hits, hit);
    memory_raise_peak(memory_count_bytes(c, (int64_t)bytes));
}

/* ---- small ones ---- */

/* The context's list for blocks of this class; NULL if it has none. */
static gm__blocks *memory_list(gm_context *c, int class) {
    return class < GM__BLOCK_CLASSES && !c->shared ? &c->blocks[class] : NULL;
}

static void *memory_pop(void **list) {
    void *block = *list;
    if (block) *list = *(void **)block;
    return block;
}

static void memory_push(void **list, void *block) {
    *(void **)block = *list;
    *list = block;
}

static void *memory_take_shared(int class, size_t bytes) {
    pthread_mutex_lock(&gm__memory_mutex);
    void *block = memory_pop(&memory_free_list[class]);
    if (block) memory_small_cached -= (int64_t)bytes;
    pthread_mutex_unlock(&gm__memory_mutex);
    return block;
}

static void memory_give_shared(int class, size_t bytes, void *block) {
    pthread_mutex_lock(&gm__memory_mutex);
    memory_push(&memory_free_list[class], block);
    memory_small_cached += (int64_t)bytes;
    pthread_mutex_unlock(&gm__memory_mutex);
}

static void *memory_take_small(gm_context *c, size_t bytes, size_t *got, bool *hit) {
    int class = memory_class(bytes, got);
    gm__blocks *own = memory_list(c, class);
    void *block = own ? memory_pop(&own->first) : NULL;
    if (block) own->n--, gm__count(c, &c->counts.bytes_cached, -(int64_t)*got);
    else block = memory_take_shared(class, *got);
    *hit = block != NULL;
    return block ? block : aligned_alloc(64, *got);
}

static void memory_give_small(gm_context *c, void *block, size_t got) {
    size_t rounded;
    int class = memory_class(got, &rounded);
    gm__blocks *own = memory_list(c, class);
    if (!own || own->n >= MEMORY_LIST || (own->n + 1) * (int64_t)got > MEMORY_LIST_BYTES) {
        memory_give_shared(class, got, block);
        return;
    }
    memory_push(&own->first, block);
    own->n++;
    gm__count(c, &c->counts.bytes_cached, (int64_t)got);
}

void gm__blocks_give_back(gm_context *c) {
    for (int class = 0; class < GM__BLOCK_CLASSES; class++) {
        size_t bytes = memory_class_bytes(class);
        for (void *block; (block = memory_pop(&c->blocks[class].first));) memory_give_shared(class, bytes, block);
        gm__count(c, &c->counts.bytes_cached, -(int64_t)bytes * c->blocks[class].n);
        c->blocks[class].n = 0;
    }
}

/* ---- large ones ---- */

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

#if MEMORY_MAPS
/* Straight from the system: malloc would keep what is freed, in pieces. */
static void *memory_map_large(size_t bytes) {
    size_t align = bytes >= MEMORY_HUGE ? MEMORY_HUGE : 0, all = bytes + align;
    char *map = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return NULL;
    if (!align) return map;
    size_t before = (align - (uintptr_t)map % align) % align, after = all - before - bytes;
    if (before) munmap(map, before);
    if (after) munmap(map + before + bytes, after);
    madvise(map + before, bytes, MADV_HUGEPAGE);
    return map + before;
}

static void memory_unmap_large(memory_piece p) {
    if (p.block) munmap(p.block, p.bytes);
}
#else
static void *memory_map_large(size_t bytes) {
    void *block; /* posix_memalign: aligned_alloc would want the size to be a multiple of the alignment */
    return posix_memalign(&block, bytes >= MEMORY_HUGE ? MEMORY_HUGE : 4096, bytes) ? NULL : block;
}

static void memory_unmap_large(memory_piece p) { free(p.block); }
#endif

static void *memory_find_large(size_t *got) {
    pthread_mutex_lock(&gm__memory_mutex);
    int i = memory_large_find(*got);
    void *block = i >= 0 ? memory_large[i].block : NULL;
    if (i >= 0) {
        *got = memory_large[i].bytes;
        memory_large_remove(i);
    }
    pthread_mutex_unlock(&gm__memory_mutex);
    return block;
}

/* The oldest block that waits, out of the list; none (NULL) if there is none. */
static memory_piece memory_oldest(void) {
    memory_piece p = { NULL, 0 };
    if (!memory_n_large) return p;
    p = memory_large[0];
    memory_large_remove(0);
    return p;
}

/* One that must go before `bytes` more are mapped, or none. */
static memory_piece memory_surplus(int64_t bytes) {
    int64_t use = __atomic_load_n(&memory_in_use, __ATOMIC_RELAXED) + bytes;
    pthread_mutex_lock(&gm__memory_mutex);
    if (use > memory_high) memory_high = use;
    int64_t slack = memory_high / 4 > MEMORY_SLACK ? memory_high / 4 : MEMORY_SLACK;
    bool over = use + memory_large_cached > memory_high + slack;
    memory_piece p = over ? memory_oldest() : (memory_piece){ NULL, 0 };
    pthread_mutex_unlock(&gm__memory_mutex);
    return p;
}

static void memory_make_room(int64_t bytes) {
    for (memory_piece p; (p = memory_surplus(bytes)).block;) memory_unmap_large(p);
}

static void *memory_take_large(size_t bytes, size_t *got, bool *hit) {
    size_t unit = bytes >= 8 * (size_t)MEMORY_HUGE ? MEMORY_HUGE : 65536;
    *got = (bytes + unit - 1) / unit * unit;
    void *block = memory_find_large(got);
    *hit = block != NULL;
    if (block) return block;
    memory_make_room((int64_t)*got);
    return memory_map_large(*got);
}

/* ---- both ---- */

void *gm__block_take(size_t bytes, size_t *got) {
    if (gm__allocation_fails() || bytes > (size_t)1 << 46) return NULL;
    gm_context *c = gm__context();
    bool hit;
    for (int attempt = 0; attempt < 2; attempt++) {
        void *block =
            bytes <= MEMORY_SMALL ? memory_take_small(c, bytes, got, &hit) : memory_take_large(bytes, got, &hit);
        if (block) {
            memory_count_in(c, *got, hit);
            return block;
        }
        gm_memory_trim();
    }
    return NULL;
}

static void memory_give_large(void *block, size_t got) {
    pthread_mutex_lock(&gm__memory_mutex);
    memory_piece oldest = { NULL, 0 };
    if (memory_n_large == MEMORY_LARGE_SLOTS) oldest = memory_oldest();
    memory_large[memory_n_large++] = (memory_piece){ block, got };
    memory_large_cached += (int64_t)got;
    pthread_mutex_unlock(&gm__memory_mutex);
    memory_unmap_large(oldest);
}

void gm__block_give(void *block, size_t got) {
    if (!block) return;
    gm_context *c = gm__context();
    memory_count_bytes(c, -(int64_t)got);
    if (got <= MEMORY_SMALL) memory_give_small(c, block, got);
    else memory_give_large(block, got);
}

void gm_memory_trim(void) {
    gm__blocks_give_back(gm__context());
    pthread_mutex_lock(&gm__memory_mutex);
    for (int i = 0; i < MEMORY_CLASSES; i++)
        for (void *block; (block = memory_pop(&memory_free_list[i]));) free(block);
    while (memory_n_large) memory_unmap_large(memory_large[--memory_n_large]);
    memory_large_cached = memory_small_cached = memory_high = 0;
    pthread_mutex_unlock(&gm__memory_mutex);
}

/* ---- statistics ---- */

static int64_t memory_sum_in_use(const gm__counts *all) {
    return __atomic_load_n(&memory_in_use, __ATOMIC_RELAXED) + all->bytes_in_use;
}

gm_memory gm_memory_stats(void) {
    gm__counts all = gm__counts_of_all();
    pthread_mutex_lock(&gm__memory_mutex);
    int64_t shared = memory_large_cached + memory_small_cached;
    pthread_mutex_unlock(&gm__memory_mutex);
    int64_t in_use = memory_sum_in_use(&all), peak = __atomic_load_n(&memory_peak, __ATOMIC_RELAXED);
    return (gm_memory){ .bytes_in_use = in_use, .bytes_peak = peak > in_use ? peak : in_use,
                        .bytes_cached = all.bytes_cached + shared, .n_allocations = all.allocations,
                        .n_cache_hits = all.hits, .n_objects = all.objects };
}

void gm_memory_reset_peak(void) {
    gm__counts all = gm__counts_of_all();
    __atomic_store_n(&memory_peak, memory_sum_in_use(&all), __ATOMIC_RELAXED);
}

#undef MEMORY_CHECKED
#undef MEMORY_MAPS
