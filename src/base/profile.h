/* profile.h: where stretches of work are told to the profiler. The room that watches fills in the hook; until then a
 * stretch costs one load and one branch at either end.
 *
 *     int64_t t = gm__profile_begin();
 *     ...
 *     gm__profile_end(t, "op", "matmul"); */
#ifndef GM_BASE_PROFILE_H
#define GM_BASE_PROFILE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Both texts are copied or written before it returns. Called from any thread. */
typedef void (*gm__profile_fn)(const char *category, const char *name, int64_t start_ns, int64_t end_ns);
extern _Atomic(gm__profile_fn) gm__profile_hook; /* NULL: nobody listens */
int64_t gm__profile_now(void);

static inline bool gm__profiling(void) {
    return __builtin_expect(atomic_load_explicit(&gm__profile_hook, memory_order_relaxed) != NULL, 0);
}

/* The time, 0 if nobody listens. */
static inline int64_t gm__profile_begin(void) { return gm__profiling() ? gm__profile_now() : 0; }

static inline void gm__profile_end(int64_t begin, const char *category, const char *name) {
    gm__profile_fn hook = begin ? atomic_load_explicit(&gm__profile_hook, memory_order_acquire) : NULL;
    if (hook) hook(category, name, begin, gm__profile_now());
}

#endif
