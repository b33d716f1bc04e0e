/* pool.c: the thread pool behind gm_parallel_for.
 *
 * One loop at a time is posted; ranges are claimed by an atomic ticket, by the caller too, so that the caller never
 * waits for a worker that the system has not scheduled: it does the work itself. At the end it waits only for workers
 * that are inside a range. An error that a worker met moves to the caller. Workers spin for a few microseconds between
 * loops, then park on a condition variable. Spinning is bounded and short, so a busy machine costs a wake-up, never a
 * stall (bench/base/bench_pool.c). */
#include "../math/fp.h"
#include "context.h"
#include "fork.h"

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#  include <sched.h>
#endif

enum { POOL_MAX = 256, POOL_SPINS = 2000, POOL_RANGES_PER_THREAD = 4 };

static struct {
    pthread_mutex_t user;            /* held by the thread whose loop is posted */
    pthread_mutex_t lock;            /* guards parking and the number of threads */
    pthread_cond_t wake;
    int wanted, started;             /* threads to use, caller included; workers that exist */
    _Atomic int parked, inside;      /* workers asleep; workers that may touch the posted loop */
    _Atomic uint64_t posted;         /* bumped for each loop; odd while one is open */
    _Atomic int64_t ticket;
    int64_t n, chunk;
    gm_range_fn f;
    void *env;
    gm_error error;                  /* the first of the posted loop's workers, under `lock` */
    char message[1024];
} pool = { .user = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

static __thread bool pool_is_worker __attribute__((tls_model("initial-exec")));

static inline void pool_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void pool_run_ranges(void) {
    for (;;) {
        int64_t begin = atomic_fetch_add(&pool.ticket, 1) * pool.chunk;
        if (begin >= pool.n) return;
        int64_t end = begin + pool.chunk < pool.n ? begin + pool.chunk : pool.n;
        pool.f(pool.env, begin, end);
    }
}

/* What has failed here fails in the thread whose loop it is; else it would be in the way of every later loop. */
static void pool_hand_over(void) {
    gm_context *c = gm__context_current;
    if (!c || !c->error) return;
    pthread_mutex_lock(&pool.lock);
    if (!pool.error) {
        memcpy(pool.message, c->message, sizeof pool.message);
        pool.error = c->error;
    }
    pthread_mutex_unlock(&pool.lock);
    gm_error_clear();
}

static void pool_take_over(void) {
    gm_error error = pool.error;
    pool.error = GM_OK;
    if (error) gm_fail(error, "%s", pool.message);
}

/* Enter the open loop, if it is still open once we are counted as inside. */
static void pool_join(void) {
    atomic_fetch_add(&pool.inside, 1);
    if (atomic_load(&pool.posted) & 1) {
        pool_run_ranges();
        pool_hand_over();
    }
    atomic_fetch_sub(&pool.inside, 1);
}

static void pool_park(uint64_t seen) {
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.parked, 1);
    while (atomic_load(&pool.posted) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    atomic_fetch_sub(&pool.parked, 1);
    pthread_mutex_unlock(&pool.lock);
}

static void *pool_worker(void *unused) {
    (void)unused;
    pool_is_worker = true;
    fesetenv(FE_DFL_ENV);
    uint64_t seen = atomic_load(&pool.posted) & ~(uint64_t)1;
    for (;;) {
        for (int i = 0; i < POOL_SPINS; i++) {
            if (atomic_load_explicit(&pool.posted, memory_order_relaxed) != seen) break;
            pool_pause();
        }
        if (atomic_load(&pool.posted) == seen) pool_park(seen);
        seen = atomic_load(&pool.posted);
        if (seen & 1) pool_join();
    }
    return NULL;
}

/* What GM_THREADS says; 0: nothing, -1: nothing that makes sense. */
static int pool_setting(void) {
    const char *text = getenv("GM_THREADS");
    char *end;
    if (!text || !*text) return 0;
    long n = strtol(text, &end, 10);
    return end != text && !*end && n >= 1 && n <= POOL_MAX ? (int)n : -1;
}

static int pool_available(void) {
    if (pool_setting() > 0) return pool_setting();
#if defined(__linux__)
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set) < POOL_MAX ? CPU_COUNT(&set) : POOL_MAX;
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online < POOL_MAX ? (int)online : POOL_MAX;
}

/* A child of fork has no workers, and whose loop it was is another thread: start from nothing. */
void gm__pool_after_fork(void) {
    pthread_mutex_init(&pool.user, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pool.started = 0;
    pool.parked = pool.inside = 0;
    pool.posted &= ~(uint64_t)1;
    pool.error = GM_OK;
}

static void pool_start(void) {
    pthread_mutex_lock(&pool.lock);
    while (pool.started < pool.wanted - 1) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, pool_worker, NULL)) break; /* fewer threads, same results */
        pthread_detach(thread);
        pool.started++;
    }
    pthread_mutex_unlock(&pool.lock);
}

int gm_n_threads(void) {
    if (pool_is_worker) return 1; /* loops inside of a loop run where they are */
    if (!pool.wanted) {
        pthread_mutex_lock(&pool.lock);
        bool first = !pool.wanted;
        if (first) pool.wanted = pool_available();
        pthread_mutex_unlock(&pool.lock);
        if (first && pool_setting() < 0)
            gm_log_line(GM_LOG_WARNING, "GM_THREADS=%s: 1 to %d are possible; there are %d now", getenv("GM_THREADS"),
                        POOL_MAX, pool.wanted);
    }
    return pool.wanted;
}

bool gm_set_threads(int n) {
    if (!gm_ok()) return false;
    if (n < 1 || n > POOL_MAX) return gm_fail(GM_ERROR_VALUE, "set_threads: %d is not in 1..%d", n, POOL_MAX);
    pthread_mutex_lock(&pool.user);
    pool.wanted = n;
    pthread_mutex_unlock(&pool.user);
    return true;
}

static void pool_post(int64_t n, int64_t chunk, gm_range_fn f, void *env) {
    pool.n = n, pool.chunk = chunk, pool.f = f, pool.env = env;
    atomic_store(&pool.ticket, 0);
    atomic_fetch_add(&pool.posted, 1);
    if (!atomic_load(&pool.parked)) return;
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

/* Close the loop and wait for those inside; they run at most one range more, so yield after a while. */
static void pool_finish(void) {
    atomic_fetch_add(&pool.posted, 1);
    for (int i = 0; atomic_load(&pool.inside); i++) {
        if (i < POOL_SPINS) pool_pause();
        else sched_yield();
    }
}

void gm_parallel_for(int64_t n, int64_t grain, gm_range_fn f, void *env) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    int64_t ranges = (n + grain - 1) / grain, most = (int64_t)gm_n_threads() * POOL_RANGES_PER_THREAD;
    if (ranges > most) ranges = most;
    if (ranges < 2 || pool.wanted < 2 || pool_is_worker || pthread_mutex_trylock(&pool.user)) {
        f(env, 0, n);
        return;
    }
    if (pool.started < pool.wanted - 1) pool_start();
    bool nested = pool_is_worker;
    pool_is_worker = true; /* loops inside f run here */
    pool_post(n, (n + ranges - 1) / ranges, f, env);
    pool_run_ranges();
    pool_finish();
    pool_take_over();
    pool_is_worker = nested;
    pthread_mutex_unlock(&pool.user);
}
