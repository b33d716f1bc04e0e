/* Scopes, handles, errors, memory and the thread pool. */
#include "base/context.h"
#include "base/memory.h"
#include "base/object.h"
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

typedef struct { gm_object o; int *destroyed; } thing;
static void thing_destroy(void *object) { (*((thing *)object)->destroyed)++; }
static const gm_type thing_type = { "thing", sizeof(thing), thing_destroy };
static const gm_type other_type = { "other", sizeof(gm_object), NULL };
static int destroyed;

static thing *thing_new(void) {
    thing *t = gm_object_new(&thing_type);
    if (t) t->destroyed = &destroyed;
    return t;
}

static thing *inner_return(void) {
    GM_SCOPE(s);
    thing_new();
    return gm_return(&s, thing_new());
}

static void scopes(void) {
    destroyed = 0;
    {
        GM_SCOPE(s);
        thing_new();
        thing *t = inner_return();
        CHECK(destroyed == 1);
        CHECK(gm_check_object(t, &thing_type, "op", 1));
        gm_scope_open(); /* left open: closes with s */
        thing_new();
    }
    CHECK(destroyed == 4);
    thing *kept;
    {
        GM_SCOPE(s);
        kept = gm_keep(thing_new());
    }
    CHECK(destroyed == 4);
    gm_release(kept);
    CHECK(destroyed == 5);
    for (int i = 0; i < 3; i++) {
        GM_SCOPE(s);
        thing_new();
        if (i == 1) break;
    }
    CHECK(destroyed == 7);
}

static void dead_handles(void) {
    thing *t;
    {
        GM_SCOPE(s);
        t = thing_new();
    }
    CHECK(!gm_check_object(t, &thing_type, "add", 1));
    CHECK(strcmp(gm_error_message(), "add: argument 1 belongs to a closed scope (keep it with gm_keep)") == 0, "%s",
          gm_error_message());
    CHECK(gm_error_code() == GM_ERROR_HANDLE);
    CHECK(!thing_new(), "nothing is made while an error is pending");
    gm_error_clear();
    GM_SCOPE(s);
    CHECK(!gm_check_object(gm_object_new(&other_type), &thing_type, "add", 2));
    CHECK(strcmp(gm_error_message(), "add: argument 2 is a other, a thing is needed") == 0);
    gm_error_clear();
    CHECK(!gm_check_object(NULL, &thing_type, "add", 2));
    gm_error_clear();
}

static void errors(void) {
    CHECK(gm_ok());
    gm_fail(GM_ERROR_SHAPE, "first %d", 1);
    gm_fail(GM_ERROR_IO, "second");
    CHECK(gm_error_code() == GM_ERROR_SHAPE && strcmp(gm_error_message(), "first 1") == 0);
    CHECK(strcmp(gm_error_name(gm_error_code()), "SHAPE") == 0);
    gm_error_clear();
    CHECK(gm_ok() && gm_error_message()[0] == 0);
}

static void failing_allocation(void) {
    gm__fail_allocation(2, false);
    void *a = gm_alloc(8), *b = gm_alloc(8);
    CHECK(a && !b && gm_error_code() == GM_ERROR_MEMORY);
    gm_error_clear();
    gm_free(a);
    GM_SCOPE(s);
    gm__fail_allocation(1, false);
    CHECK(!thing_new());
    gm_error_clear();
    CHECK(thing_new() != NULL);
}

static void blocks(void) {
    gm_memory before = gm_memory_stats();
    for (size_t bytes = 1; bytes < (size_t)40 << 20; bytes = bytes * 5 / 3 + 1) {
        size_t got, again;
        char *p = gm__block_take(bytes, &got);
        CHECK(p && got >= bytes && (uintptr_t)p % 64 == 0);
        memset(p, 1, got);
        gm__block_give(p, got);
        char *q = gm__block_take(bytes, &again);
        CHECK(q == p && again == got, "%zu bytes come from the cache", bytes);
        gm__block_give(q, again);
    }
    CHECK(gm_memory_stats().bytes_in_use == before.bytes_in_use);
    gm_memory_trim();
    CHECK(gm_memory_stats().bytes_cached == 0);
}

static _Atomic int64_t pool_sum;
static void add_range(void *env, int64_t begin, int64_t end) {
    (void)env;
    int64_t s = 0;
    for (int64_t i = begin; i < end; i++) s += i;
    pool_sum += s;
}

static void pool(void) {
    for (int threads = 1; threads <= 8; threads++) {
        gm_set_threads(threads);
        for (int64_t n = 0; n < 3000; n = n * 3 + 1) {
            pool_sum = 0;
            gm_parallel_for(n, 7, add_range, NULL);
            CHECK(pool_sum == n * (n - 1) / 2, "n %ld threads %d", (long)n, threads);
        }
    }
    CHECK(!gm_set_threads(0) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
    for (int i = 0; i < 20000; i++) {
        pool_sum = 0;
        gm_parallel_for(64, 1, add_range, NULL);
        if (pool_sum != 64 * 63 / 2) CHECK(false, "round %d", i);
    }
}

static void contexts(void) {
    gm_context *c = gm_context_new(), *before = gm_context_swap(c);
    gm_fail(GM_ERROR_VALUE, "inside");
    gm_context_swap(before);
    CHECK(gm_ok());
    destroyed = 0;
    gm_context_swap(c);
    gm_error_clear();
    thing_new();
    gm_context_swap(before);
    gm_context_free(c);
    CHECK(destroyed == 1);
}

/* A callback that is replaced while another thread is in it keeps its environment until it returns. */
typedef struct { _Atomic bool freed; } log_place;
static _Atomic int log_used_freed, log_freed;
static _Atomic bool log_stop;
static void log_keep(void *env, gm_log_level level, const char *line) {
    (void)level;
    (void)line;
    for (int i = 0; i < 500; i++) log_used_freed += ((log_place *)env)->freed;
}
static void log_drop(void *env) {
    ((log_place *)env)->freed = true;
    log_freed++;
}
static void *log_much(void *unused) {
    while (!log_stop) gm_log_line(GM_LOG_INFO, "a line");
    return unused;
}

static void replaced_log(void) {
    enum { PLACES = 3000 };
    static log_place place[PLACES];
    pthread_t thread;
    gm_set_log(log_keep, &place[0], log_drop);
    CHECK(!pthread_create(&thread, NULL, log_much, NULL));
    for (int i = 1; i < PLACES; i++) {
        gm_set_log(log_keep, &place[i], log_drop);
        sched_yield();
    }
    log_stop = true;
    pthread_join(thread, NULL);
    gm_set_log(NULL, NULL, NULL);
    CHECK(!log_used_freed && log_freed == PLACES, "%d uses after the end, %d ended", log_used_freed, log_freed);
}

/* Whichever thread meets an error, the caller has it afterwards, and the next loop begins without one. */
static _Atomic int pool_found_errors;
static void fail_in_range(void *env, int64_t begin, int64_t end) {
    volatile double x = 0;
    pool_found_errors += !gm_ok();
    for (int i = 0; i < 20000; i++) x = x + i;
    if (begin <= *(int64_t *)env && *(int64_t *)env < end) gm_fail(GM_ERROR_VALUE, "element %d", (int)*(int64_t *)env);
}

static void pool_errors(void) {
    gm_set_threads(4);
    for (int64_t i = 0; i < 200; i++) {
        int64_t bad = i % 16, none = -1;
        gm_parallel_for(16, 1, fail_in_range, &bad);
        CHECK(gm_error_code() == GM_ERROR_VALUE && !strncmp(gm_error_message(), "element ", 8), "loop %d", (int)i);
        gm_error_clear();
        pool_found_errors = 0;
        gm_parallel_for(16, 1, fail_in_range, &none);
        CHECK(gm_ok() && !pool_found_errors, "loop %d", (int)i);
        gm_error_clear();
    }
}

int main(void) {
    RUN(scopes);
    RUN(dead_handles);
    RUN(errors);
    RUN(failing_allocation);
    RUN(blocks);
    RUN(pool);
    RUN(pool_errors);
    RUN(replaced_log);
    RUN(contexts);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
