/* test_fork.c: a child of a fork finds every lock free and what it guards whole, whatever other threads were in. */
#include "check.h"
#include "gemel/gemel.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The allocators of sanitizers have locks of their own, which a fork while threads allocate leaves taken. */
#if defined(__has_feature)
#  define FORK_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define FORK_SANITIZED 1
#else
#  define FORK_SANITIZED 0
#endif

enum { THREADS = 4, FORKS = 300, HANDLES = 300, SECONDS = 60 };

static int done; /* atomic */

static void swallow(void *env, gm_log_level level, const char *line) { (void)env, (void)level, (void)line; }

/* A gradient that is kept as rows, until it is read. */
static double gradient_of_rows(void) {
    gm_tensor *table = gm_zeros(GM_SHAPE(5000, 4), GM_F32),
              *ids = gm_from_data(GM_SHAPE(2), GM_I64, (int64_t[]){ 7, 9 });
    gm_set_requires_grad(table, true);
    gm_backward(gm_sum(gm_embedding(table, ids)));
    gm_tensor *g = gm_gradient_of(table);
    const float *at = g ? gm_data(g) : NULL;
    return at ? at[7 * 4] : -1;
}

/* Handles by the hundred, blocks too large for the lists of a thread, sums over all threads, random numbers, logs. */
static bool work(void) {
    GM_SCOPE(s);
    gm_tensor *t = gm_empty(GM_SHAPE(100000), GM_F32), *large = gm_empty(GM_SHAPE(2 << 20), GM_U8);
    for (int i = 0; i < HANDLES && t; i++) gm_pack_new();
    gm_tensor *drawn = gm_rand(GM_SHAPE(7), GM_F32);
    gm_log_line(GM_LOG_INFO, "%lld objects", (long long)gm_memory_stats().n_objects);
    return gradient_of_rows() == 1 && t && large && drawn && gm_ok();
}

static void *worker(void *unused) {
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) work();
    return unused;
}

/* Threads that come and go, each with a context of its own. */
static void *short_life(void *unused) { return work() ? unused : NULL; }
static void *maker(void *unused) {
    pthread_t t;
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED) && !pthread_create(&t, NULL, short_life, NULL))
        pthread_join(t, NULL);
    return unused;
}

static bool child_works(void) {
    pid_t child = fork();
    if (!child) {
        alarm(SECONDS); /* a child that hangs is killed, and that is seen */
        bool ok = work();
        gm_memory_trim();
        _exit(ok && work() ? 0 : 1);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status);
}

static void while_threads_work(void) {
    pthread_t t[THREADS];
    int threads = FORK_SANITIZED ? 0 : THREADS;
    if (!threads) printf("SKIPPED: other threads, under a sanitizer\n");
    gm_set_log(swallow, NULL, NULL);
    for (int i = 0; i < threads; i++) CHECK(!pthread_create(&t[i], NULL, i ? worker : maker, NULL));
    int worked = 0;
    while (worked < FORKS && child_works()) worked++;
    CHECK(worked == FORKS, "the child of fork %d did not end well", worked + 1);
    __atomic_store_n(&done, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < threads; i++) pthread_join(t[i], NULL);
}

int main(void) {
    gm_set_threads(1); /* loops in a child would start threads, which sanitizers do not allow */
    RUN(while_threads_work);
    return check_done();
}
