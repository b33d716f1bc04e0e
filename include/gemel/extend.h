/* gemel/extend.h: for code that extends the library with object types, threaded loops and operations of its own.
 * The upper rooms of the library itself (nn, data, train ...) are built on it. */
#ifndef GEMEL_EXTEND_H
#define GEMEL_EXTEND_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every Gemel object begins with this header. `state` says whether the handle is alive. */
typedef struct gm_type gm_type;
typedef struct { const gm_type *type; uint32_t state; int32_t refs; } gm_object;
/* A type: its name in messages, the bytes of its struct, and what to do when the last owner lets go. */
struct gm_type { const char *name; size_t bytes; void (*destroy)(void *object); };

/* A zeroed object of `type`, owned by the innermost scope. NULL while an error is pending or without memory. */
GM_API void *gm_object_new(const gm_type *type);
/* One more owner. Returns `object`; NULL stays NULL. Works while an error is pending. */
GM_API void *gm_retain(void *object);
/* True if `object` is a live object of `type`; else reports "OP: argument N ..." and returns false. */
GM_API bool gm_check_object(const void *object, const gm_type *type, const char *op, int argument);

/* Zeroed memory, or NULL and a pending MEMORY error. Freed by gm_free. Tests make the n-th of these fail. */
GM_API void *gm_alloc(size_t bytes);
/* As realloc (new bytes not zeroed). On failure the old block is kept, MEMORY is pending and NULL is returned. */
GM_API void *gm_realloc(void *block, size_t bytes);
GM_API void gm_free(void *block);
GM_API char *gm_strdup(const char *text);

/* Append `name` (NULL or "": nothing) to the path of the module that runs, which messages and random streams name; what
 * it returns is for gm_where_pop, which works while an error is pending. Paths are cut at 255 bytes. */
GM_API int64_t gm_where_push(const char *name);
GM_API void gm_where_pop(int64_t before);

/* Call f(env, begin, end) over disjoint ranges that cover 0..n, on the pool's threads, and wait. A range has at least
 * `grain` elements (the last may be short): choose it so that one range is 20 us of work. f must not call Gemel,
 * gm_fail apart: an error of one of the threads becomes the caller's. */
typedef void (*gm_range_fn)(void *env, int64_t begin, int64_t end);
GM_API void gm_parallel_for(int64_t n, int64_t grain, gm_range_fn f, void *env);

#ifdef __cplusplus
}
#endif
#endif
