/* context.h: what a thread carries: its pending error, its scopes and its modes.
 *
 * Each thread has a context of its own, made on first use and freed at the thread's end; gm_context_swap puts another
 * in its place (fibers, worker threads that act for a launcher). Nothing else in the library is thread-local: with more
 * than about 1 KB of thread-local data it could not be loaded into a running program (Python's ctypes). */
#ifndef GM_BASE_CONTEXT_H
#define GM_BASE_CONTEXT_H

#include "gemel/extend.h"

/* Making and releasing objects takes no lock: each context has free slots (object.c) and small free blocks (memory.c)
 * at hand, and its own part of the statistics. Only sums over all contexts mean something: what one made another may
 * release. */
enum { GM__SLOT_CLASSES = 16, GM__SLOT_BATCH = 32, GM__BLOCK_CLASSES = 41 };
typedef struct { gm_object *slot[GM__SLOT_BATCH]; int64_t n; } gm__slots;
typedef struct { void *first; int64_t n; } gm__blocks;
typedef struct { int64_t objects, bytes_in_use, bytes_cached, allocations, hits; } gm__counts;

/* The stack of objects that open scopes own; a scope is the height of the stack when it was opened. */
typedef struct { gm_object **items; int64_t n, capacity; bool warned; } gm_owned;

struct gm_context {
    gm_error error;
    bool error_seen;
    char message[1024];
    gm_owned owned;
    bool no_grad;            /* GM_NO_GRAD is in force */
    int32_t autocast;        /* dtype of GM_AUTOCAST, 0 for none */
    int32_t anomaly;         /* gm_set_anomaly */
    struct gm__trace *trace; /* open recording, NULL for none (graph/trace.h) */
    struct gm__stand_ins *stand_ins; /* tensors in place of others (tensor/stand_in.h), NULL for none */
    struct gm__draws *draws; /* draws that are not taken as they come (stream.h), NULL for none */
    int64_t again;           /* not 0 while a function runs again for its gradients: the number of that (remat.c) */
    uint64_t states;         /* locks of state that programs of this thread hold, as bits (compile/frame.c) */
    bool detached;           /* made by gm_context_new: freed by its owner, not by a thread's end */
    char where[256];         /* the module path being run, for messages: "resnet.layer1.0.conv1" */
    int64_t where_length;
    char texts[8][256];      /* short texts for messages, used in turn */
    uint32_t next_text;
    bool shared;             /* the emergency context: several threads are in it */
    gm__slots fresh[GM__SLOT_CLASSES], freed[GM__SLOT_CLASSES];
    gm__blocks blocks[GM__BLOCK_CLASSES];
    gm__counts counts;
    gm_context *before, *after; /* the list of all contexts */
};

/* The modes of a thread: what was before, and back to it. Zeroed ones are a thread's at first. */
typedef struct {
    char where[256];
    int64_t again;
    struct gm__trace *trace;
    struct gm__stand_ins *stand_ins;
    struct gm__draws *draws;
    int32_t autocast;
    bool no_grad;
} gm__thread_modes;
gm__thread_modes gm__thread_modes_now(void);
void gm__thread_modes_set(const gm__thread_modes *m);

extern __thread gm_context *gm__context_current __attribute__((tls_model("initial-exec")));
gm_context *gm__context_find(void);
/* The calling thread's context. Never NULL: without memory for one, a shared emergency context reports MEMORY. */
static inline gm_context *gm__context(void) {
    gm_context *c = gm__context_current;
    return __builtin_expect(c != NULL, 1) ? c : gm__context_find();
}

/* Add to one of the context's counts; others may read it meanwhile. */
static inline void gm__count(gm_context *c, int64_t *count, int64_t by) {
    if (__builtin_expect(c->shared, 0)) __atomic_fetch_add(count, by, __ATOMIC_RELAXED);
    else __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}
/* The sum over all contexts, also those that have ended. */
gm__counts gm__counts_of_all(void);

#endif
