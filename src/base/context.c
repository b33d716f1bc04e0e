/* context.c: making, finding and swapping thread contexts. */
#include "../math/fp.h"
#include "context.h"
#include "fork.h"
#include "memory.h"
#include "object.h"
#include "scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__thread gm_context *gm__context_current __attribute__((tls_model("initial-exec")));
static __thread gm_context *context_own __attribute__((tls_model("initial-exec")));
static pthread_key_t context_key;
static pthread_once_t context_once = PTHREAD_ONCE_INIT;
/* Shared by threads that could not get a context; its error is permanent, so they do nothing. */
static gm_context context_emergency = { .error = GM_ERROR_MEMORY, .message = "out of memory for a thread's context",
                                        .shared = true };

/* ---- all of them ---- */

/* The list ends with the emergency context, which is never deleted. */
pthread_mutex_t gm__context_mutex = PTHREAD_MUTEX_INITIALIZER;
static gm_context *context_all = &context_emergency;
static gm__counts context_ended;

static void context_add_counts(gm__counts *sum, const gm__counts *c) {
    sum->objects += __atomic_load_n(&c->objects, __ATOMIC_RELAXED);
    sum->bytes_in_use += __atomic_load_n(&c->bytes_in_use, __ATOMIC_RELAXED);
    sum->bytes_cached += __atomic_load_n(&c->bytes_cached, __ATOMIC_RELAXED);
    sum->allocations += __atomic_load_n(&c->allocations, __ATOMIC_RELAXED);
    sum->hits += __atomic_load_n(&c->hits, __ATOMIC_RELAXED);
}

gm__counts gm__counts_of_all(void) {
    pthread_mutex_lock(&gm__context_mutex);
    gm__counts sum = context_ended;
    for (const gm_context *c = context_all; c; c = c->after) context_add_counts(&sum, &c->counts);
    pthread_mutex_unlock(&gm__context_mutex);
    return sum;
}

static gm_context *context_new(void) {
    gm_context *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    pthread_mutex_lock(&gm__context_mutex);
    c->after = context_all;
    context_all->before = c;
    context_all = c;
    pthread_mutex_unlock(&gm__context_mutex);
    return c;
}

static void context_delete(gm_context *c) {
    gm__slots_give_back(c);
    gm__blocks_give_back(c);
    pthread_mutex_lock(&gm__context_mutex);
    context_add_counts(&context_ended, &c->counts);
    if (c->before) c->before->after = c->after;
    else context_all = c->after;
    c->after->before = c->before;
    pthread_mutex_unlock(&gm__context_mutex);
    free(c->owned.items);
    free(c);
}

/* ---- forks ---- */

pthread_mutex_t gm__rows_mutex = PTHREAD_MUTEX_INITIALIZER; /* here, since it is the first in this order */
static pthread_mutex_t *const context_fork_locks[] = { &gm__rows_mutex,   &gm__context_mutex, &gm__log_mutex,
                                                       &gm__memory_mutex, &gm__object_mutex,  &gm__stream_mutex };
enum { CONTEXT_FORK_LOCKS = sizeof context_fork_locks / sizeof *context_fork_locks };

static void context_before_fork(void) {
    for (int i = 0; i < CONTEXT_FORK_LOCKS; i++) pthread_mutex_lock(context_fork_locks[i]);
}

static void context_after_fork(void) {
    for (int i = CONTEXT_FORK_LOCKS; i-- > 0;) pthread_mutex_unlock(context_fork_locks[i]);
}

static void context_in_child(void) {
    context_after_fork();
    gm__pool_after_fork();
}

/* When the library is loaded: some of the locks are taken by threads without a context. */
__attribute__((constructor)) static void context_watch_forks(void) {
    pthread_atfork(context_before_fork, context_after_fork, context_in_child);
}

/* ---- a thread's ---- */

static void context_thread_end(void *context) {
    gm_context *c = gm__context_current = context; /* destructors run in the context that is going away */
    gm__owned_release(&c->owned, 0);
    context_delete(c);
    gm__context_current = context_own = NULL;
}

static void context_make_key(void) { pthread_key_create(&context_key, context_thread_end); }

static gm_context *context_make(void) {
    pthread_once(&context_once, context_make_key);
    gm_context *c = context_new();
    if (!c) return &context_emergency;
    pthread_setspecific(context_key, c);
    context_own = c;
    return c;
}

gm_context *gm__context_find(void) {
    return gm__context_current = context_own ? context_own : context_make();
}

gm_context *gm_context_new(void) {
    gm_context *c = context_new();
    if (!c) {
        gm_fail(GM_ERROR_MEMORY, "context_new: out of memory");
        return NULL;
    }
    c->detached = true;
    return c;
}

gm_context *gm_context_swap(gm_context *context) {
    gm_context *before = gm__context();
    gm__context_current = context ? context : context_own;
    return before;
}

void gm_context_free(gm_context *context) {
    if (!context || !context->detached) return;
    gm_context *before = gm_context_swap(context);
    gm__owned_release(&context->owned, 0);
    gm_context_swap(before == context ? NULL : before);
    context_delete(context);
}

int64_t gm_where_push(const char *name) {
    gm_context *c = gm__context();
    int64_t before = c->where_length;
    int64_t room = (int64_t)sizeof c->where - before;
    if (!name || !*name || room < 3) return before;
    int n = snprintf(c->where + before, (size_t)room, "%s%s", before ? "." : "", name);
    c->where_length = before + (n < room ? n : room - 1);
    return before;
}

void gm_where_pop(int64_t before) {
    gm_context *c = gm__context();
    if (before < 0 || before > c->where_length) return;
    c->where_length = before;
    c->where[before] = 0;
}

gm__thread_modes gm__thread_modes_now(void) {
    const gm_context *c = gm__context();
    gm__thread_modes m = { .again = c->again, .trace = c->trace, .stand_ins = c->stand_ins, .draws = c->draws,
                    .autocast = c->autocast, .no_grad = c->no_grad };
    memcpy(m.where, c->where, sizeof m.where);
    return m;
}

void gm__thread_modes_set(const gm__thread_modes *m) {
    gm_context *c = gm__context();
    c->again = m->again, c->trace = m->trace, c->stand_ins = m->stand_ins, c->draws = m->draws;
    c->autocast = m->autocast, c->no_grad = m->no_grad;
    memcpy(c->where, m->where, sizeof c->where);
    c->where_length = (int64_t)strlen(c->where);
}
