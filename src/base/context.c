/* context.c: making, finding and swapping thread contexts. */
#include "../math/fp.h"
#include "context.h"
#include "scope.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static __thread gm_context *context_current __attribute__((tls_model("initial-exec")));
static __thread gm_context *context_own __attribute__((tls_model("initial-exec")));
static pthread_key_t context_key;
static pthread_once_t context_once = PTHREAD_ONCE_INIT;
/* Shared by threads that could not get a context; its error is permanent, so they do nothing. */
static gm_context context_emergency = { .error = GM_ERROR_MEMORY, .message = "out of memory for a thread's context" };

static void context_delete(void *context) {
    gm_context *c = context;
    gm__owned_release(&c->owned, 0);
    free(c->owned.items);
    free(c);
}

static void context_thread_end(void *context) {
    context_current = context; /* destructors run in the context that is going away */
    context_delete(context);
    context_current = context_own = NULL;
}

static void context_make_key(void) { pthread_key_create(&context_key, context_thread_end); }

static gm_context *context_make(void) {
    pthread_once(&context_once, context_make_key);
    gm_context *c = calloc(1, sizeof *c);
    if (!c) return &context_emergency;
    pthread_setspecific(context_key, c);
    context_own = c;
    return c;
}

gm_context *gm__context(void) {
    if (__builtin_expect(!context_current, 0)) context_current = context_own ? context_own : context_make();
    return context_current;
}

gm_context *gm_context_new(void) {
    gm_context *c = calloc(1, sizeof *c);
    if (!c) {
        gm_fail(GM_ERROR_MEMORY, "context_new: out of memory");
        return NULL;
    }
    c->detached = true;
    return c;
}

gm_context *gm_context_swap(gm_context *context) {
    gm_context *before = gm__context();
    context_current = context ? context : context_own;
    return before;
}

void gm_context_free(gm_context *context) {
    if (!context || !context->detached) return;
    gm_context *before = gm_context_swap(context);
    gm__owned_release(&context->owned, 0);
    gm_context_swap(before == context ? NULL : before);
    free(context->owned.items);
    free(context);
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
