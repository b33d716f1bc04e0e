/* Objects and blocks that are made in one thread and released in another: slots are used again, stale handles are still
 * told from live ones, and the statistics are those of all threads together. */
#include "base/context.h"
#include "base/memory.h"
#include "base/object.h"
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#if defined(__unix__) || defined(__APPLE__)
#  include <sys/wait.h>
#  include <unistd.h>
#endif

typedef struct { gm_object o; int64_t value; } parcel;
static _Atomic int64_t destroyed;
static void parcel_destroy(void *object) { destroyed += ((parcel *)object)->value > 0; }
static const gm_type parcel_type = { "parcel", sizeof(parcel), parcel_destroy };

static parcel *parcel_make(int64_t value) {
    parcel *p = gm__object_make(&parcel_type);
    if (p) p->value = value;
    return p;
}

static void in_a_thread(void *(*f)(void *), void *env) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, f, env) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- one makes, the other releases, both at once ---- */

enum { BELT_PARCELS = 20000, BELT_PLACES = 64 };
typedef struct { _Atomic(parcel *) place[BELT_PLACES]; int64_t sum; } belt;

static void *belt_receive(void *env) {
    belt *b = env;
    for (int64_t i = 0; i < BELT_PARCELS; i++) {
        parcel *p;
        while (!(p = atomic_exchange(&b->place[i % BELT_PLACES], NULL))) sched_yield();
        if (gm__is_live(p, &parcel_type)) b->sum += p->value;
        gm_release(p);
    }
    return NULL;
}

static void made_here_released_there(void) {
    static belt b;
    pthread_t receiver;
    int64_t objects = gm__n_objects(), n = 0;
    destroyed = 0;
    CHECK(pthread_create(&receiver, NULL, belt_receive, &b) == 0);
    for (int64_t i = 0; i < BELT_PARCELS; i++) {
        parcel *p = parcel_make(i + 1);
        n += p != NULL;
        while (atomic_load(&b.place[i % BELT_PLACES])) sched_yield();
        atomic_store(&b.place[i % BELT_PLACES], p);
    }
    pthread_join(receiver, NULL);
    CHECK(n == BELT_PARCELS && destroyed == BELT_PARCELS);
    CHECK(b.sum == (int64_t)BELT_PARCELS * (BELT_PARCELS + 1) / 2, "each parcel came whole");
    CHECK(gm__n_objects() == objects, "%lld objects more", (long long)(gm__n_objects() - objects));
}

/* ---- slots ---- */

static int by_address(const void *a, const void *b) {
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

static int64_t n_distinct(uintptr_t *at, int64_t n) {
    int64_t distinct = 0;
    qsort(at, (size_t)n, sizeof *at, by_address);
    for (int64_t i = 0; i < n; i++) distinct += !i || at[i] != at[i - 1];
    return distinct;
}

/* How many slots `n` objects have that live one after the other. */
static int64_t slots_of(int64_t n) {
    uintptr_t *at = malloc((size_t)n * sizeof *at);
    for (int64_t i = 0; i < n; i++) {
        parcel *p = parcel_make(1);
        at[i] = (uintptr_t)p;
        gm_release(p);
    }
    int64_t distinct = n_distinct(at, n);
    free(at);
    return distinct;
}

static void slots_are_used_again(void) {
    int64_t n = 50000, distinct = slots_of(n);
    CHECK(distinct > 2048 && distinct < n / 4, "%lld slots for %lld objects", (long long)distinct, (long long)n);
}

/* A thread leaves the slots that it had at hand to others: else each of these would take new ones. */
static void *make_one(void *env) {
    *(uintptr_t *)env = (uintptr_t)parcel_make(1);
    gm_release((parcel *)*(uintptr_t *)env);
    return NULL;
}

static void slots_of_ended_threads(void) {
    enum { THREADS = 600 };
    static uintptr_t at[THREADS];
    for (int i = 0; i < THREADS; i++) in_a_thread(make_one, &at[i]);
    int64_t distinct = n_distinct(at, THREADS);
    CHECK(distinct < THREADS / 2, "%lld slots for %d threads", (long long)distinct, THREADS);
}

static void *release_it(void *env) {
    gm_release(env);
    return NULL;
}

/* Of large objects there are few slots, so that only the quarantine keeps one from being used again soon. */
static void stale_handles(void) {
    static const gm_type large = { "large parcel", 1000, NULL };
    gm_object *stale = gm__object_make(&large);
    CHECK(gm_check_object(stale, &large, "look", 1));
    in_a_thread(release_it, stale);
    for (int i = 0; i < 2000; i++) {
        gm_object *p = gm__object_make(&large);
        if (p == stale) CHECK(false, "the slot was used again after %d others", i);
        gm_release(p);
    }
    CHECK(!gm_retain(stale));
    CHECK(!gm_check_object(stale, &large, "look", 1));
    CHECK(!strcmp(gm_error_message(), "look: argument 1 belongs to a closed scope (keep it with gm_keep)"), "%s",
          gm_error_message());
    gm_error_clear();
}

/* With GM_DEBUG_HANDLES no slot is used again. In a process of its own, because the library looks only once. */
static void debug_handles(void) {
#if defined(__unix__) || defined(__APPLE__)
    pid_t child = fork();
    if (child == 0) {
        setenv("GM_DEBUG_HANDLES", "1", 1);
        _exit(slots_of(20000) == 20000 ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
}

/* ---- statistics ---- */

enum { HOLDERS = 3, HELD_BLOCKS = 40, HELD_BYTES = 5120 };
typedef struct { void *block[HELD_BLOCKS]; size_t got[HELD_BLOCKS]; parcel *parcel; } holding;

static void *holding_take(void *env) {
    holding *h = env;
    for (int i = 0; i < HELD_BLOCKS; i++) h->block[i] = gm__block_take(HELD_BYTES, &h->got[i]);
    h->parcel = parcel_make(1);
    return NULL;
}

static void *holding_give(void *env) {
    holding *h = env;
    for (int i = 0; i < HELD_BLOCKS; i++) gm__block_give(h->block[i], h->got[i]);
    gm_release(h->parcel);
    return NULL;
}

/* Each thread takes blocks and ends; other threads give them back. */
static void statistics(void) {
    holding h[HOLDERS];
    gm_memory_reset_peak();
    gm_memory before = gm_memory_stats();
    int64_t held = (int64_t)HOLDERS * HELD_BLOCKS * HELD_BYTES;
    CHECK(before.bytes_peak == before.bytes_in_use);
    for (int i = 0; i < HOLDERS; i++) in_a_thread(holding_take, &h[i]);
    gm_memory m = gm_memory_stats();
    CHECK(m.bytes_in_use == before.bytes_in_use + held, "%lld bytes",
          (long long)(m.bytes_in_use - before.bytes_in_use));
    CHECK(m.n_objects == before.n_objects + HOLDERS);
    CHECK(m.n_allocations == before.n_allocations + HOLDERS * HELD_BLOCKS);
    for (int i = 0; i < HOLDERS; i++) in_a_thread(holding_give, &h[(i + 1) % HOLDERS]);
    gm_memory after = gm_memory_stats();
    CHECK(after.bytes_in_use == before.bytes_in_use && after.n_objects == before.n_objects);
    CHECK(after.bytes_peak <= before.bytes_in_use + held && after.bytes_peak >= before.bytes_in_use + held - 3 * 65536,
          "%lld bytes", (long long)(after.bytes_peak - before.bytes_in_use));
    CHECK(after.bytes_cached == m.bytes_cached + held, "ended threads leave their blocks to the others");
    for (int i = 0; i < HOLDERS; i++) holding_take(&h[i]);
    CHECK(gm_memory_stats().n_cache_hits == after.n_cache_hits + HOLDERS * HELD_BLOCKS);
    for (int i = 0; i < HOLDERS; i++) holding_give(&h[i]);
}

/* In one thread the peak is exact, whatever the sizes. */
static void peak(void) {
    for (size_t bytes = 64; bytes < (size_t)3 << 20; bytes *= 3) {
        size_t got[2];
        gm_memory_reset_peak();
        int64_t before = gm_memory_stats().bytes_in_use;
        void *a = gm__block_take(bytes, &got[0]), *b = gm__block_take(bytes, &got[1]);
        gm__block_give(b, got[1]);
        gm__block_give(a, got[0]);
        gm_memory m = gm_memory_stats();
        CHECK(m.bytes_peak == before + (int64_t)(got[0] + got[1]) && m.bytes_in_use == before, "%zu", bytes);
    }
}

/* ---- several threads in one context ---- */

/* As those are that got none of their own. */
static void *share(void *env) {
    gm_context *before = gm_context_swap(env);
    for (int i = 0; i < 3000; i++) {
        size_t got;
        parcel *p = parcel_make(1);
        void *block = gm__block_take(300, &got);
        gm__block_give(block, got);
        gm_release(p);
    }
    gm_context_swap(before);
    return NULL;
}

static void shared_context(void) {
    enum { THREADS = 3 };
    pthread_t thread[THREADS];
    gm_memory before = gm_memory_stats();
    gm_context *c = gm_context_new();
    c->shared = true;
    destroyed = 0;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&thread[i], NULL, share, c) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    gm_context_free(c);
    gm_memory m = gm_memory_stats();
    CHECK(destroyed == 3000 * THREADS && m.n_objects == before.n_objects && m.bytes_in_use == before.bytes_in_use);
    CHECK(m.n_allocations == before.n_allocations + 3000 * THREADS);
}

int main(void) {
#if defined(__unix__) || defined(__APPLE__)
    unsetenv("GM_DEBUG_HANDLES");
#endif
    RUN(debug_handles); /* before the library looks at the environment here */
    RUN(made_here_released_there);
    RUN(slots_are_used_again);
    RUN(slots_of_ended_threads);
    RUN(stale_handles);
    RUN(statistics);
    RUN(peak);
    RUN(shared_context);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
