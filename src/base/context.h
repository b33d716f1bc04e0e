/* context.h: what a thread carries: its pending error, its scopes and its modes.
 *
 * Each thread has a context of its own, made on first use and freed at the thread's end; gm_context_swap puts another
 * in its place (fibers, worker threads that act for a launcher). Nothing else in the library is thread-local: with more
 * than about 1 KB of thread-local data it could not be loaded into a running program (Python's ctypes). */
#ifndef GM_BASE_CONTEXT_H
#define GM_BASE_CONTEXT_H

#include "gemel/extend.h"

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
    bool detached;           /* made by gm_context_new: freed by its owner, not by a thread's end */
    char where[256];         /* the module path being run, for messages: "resnet.layer1.0.conv1" */
    int64_t where_length;
    char texts[8][256];      /* short texts for messages, used in turn */
    uint32_t next_text;
};

/* The calling thread's context. Never NULL: without memory for one, a shared emergency context reports MEMORY. */
gm_context *gm__context(void);

#endif
