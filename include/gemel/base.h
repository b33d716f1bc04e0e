/* gemel/base.h: what every other header stands on: errors, ownership, options, threads, memory.
 *
 * Ownership. A new object of any type belongs to the innermost open scope of the calling thread and is released when
 * that scope closes. Whatever stores an object (a module its parameters, a pack its entries) retains it. Model code
 * frees nothing. `gm_keep` takes an object out of its scope; `gm_release` gives a kept object back.
 *
 * Errors. The first error of a thread is *pending* until it is cleared. While one is pending every function that can
 * fail does nothing and returns its failure value (NULL, false, -1, NaN), so that a chain of calls is checked once, at
 * its end. Only release, close, keep and the error functions work meanwhile. The library never exits or aborts. */
#ifndef GEMEL_BASE_H
#define GEMEL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#  ifdef GM_BUILDING
#    define GM_API __declspec(dllexport)
#  else
#    define GM_API __declspec(dllimport)
#  endif
#elif defined(__GNUC__)
#  define GM_API __attribute__((visibility("default")))
#else
#  define GM_API
#endif

#if defined(__GNUC__)
#  define GM_PRINTF(f, first) __attribute__((__format__(__printf__, f, first)))
#  define GM__CLEANUP(f) __attribute__((cleanup(f), unused))
#else
#  define GM_PRINTF(f, first)
#endif

#define GM_VERSION_MAJOR 0
#define GM_VERSION_MINOR 1
#define GM_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Option members ------------------------------------------------------------------------------------------
 * In an option struct zero means "the default". Where zero is a legal value and not the default, the member is one
 * of these two, set by GM_INT(0) or GM_REAL(0.0). No option struct has implicit padding. */

typedef struct { int32_t set, reserved; int64_t v; } gm_int;
typedef struct { int32_t set, reserved; double v; } gm_real;

/* ---- Errors -------------------------------------------------------------------------------------------------- */

/* One line per code: name, number, what it means. Numbers are never reused. Each has a page in docs/errors/. */
#define GM_ERROR_CODES(X)                                                                                              \
    X(SHAPE, 1, "sizes or numbers of dimensions do not fit")                                                           \
    X(DTYPE, 2, "a data type that the operation does not take")                                                        \
    X(VALUE, 3, "an argument outside of its range")                                                                    \
    X(INDEX, 4, "an index or label outside of its range")                                                              \
    X(HANDLE, 5, "an object that is closed, of another type, or NULL where one is needed")                             \
    X(MEMORY, 6, "memory could not be had")                                                                            \
    X(IO, 7, "a file or directory could not be opened, read or written")                                               \
    X(FORMAT, 8, "a file whose content is not what its format says")                                                   \
    X(STATE, 9, "a call that the present state of the object does not allow")                                          \
    X(UNSUPPORTED, 10, "something that this build leaves out or that does not exist yet")                              \
    X(NUMERIC, 11, "a NaN or an infinity where training cannot go on")                                                 \
    X(GRADIENT, 12, "a derivative that cannot be taken")                                                               \
    X(CALLBACK, 13, "a callback of the user's reported failure")                                                       \
    X(INTERRUPTED, 14, "the user asked to stop")                                                                       \
    X(INTERNAL, 15, "a defect of the library; please report it")

typedef int32_t gm_error;
enum {
    GM_OK = 0,
#define GM__ERROR_ENUM(name, number, text) GM_ERROR_##name = number,
    GM_ERROR_CODES(GM__ERROR_ENUM)
#undef GM__ERROR_ENUM
};

/* The pending error's code, GM_OK if there is none. */
GM_API gm_error gm_error_code(void);
/* The pending error's message, "" if there is none. Valid until the error is cleared. Counts as having looked. */
GM_API const char *gm_error_message(void);
/* The name of a code, such as "SHAPE"; "OK" for 0, "UNKNOWN" for any other number. */
GM_API const char *gm_error_name(gm_error code);
/* Forget the pending error; later calls work again. */
GM_API void gm_error_clear(void);
/* True while no error is pending. */
GM_API bool gm_ok(void);
/* Report an error, for callbacks, custom modules and custom operations. Kept only if none is pending. Returns false. */
GM_API bool gm_fail(gm_error code, const char *format, ...) GM_PRINTF(2, 3);
/* Close the thread's root scope, print the pending error to the log if nobody looked at it, and return 0 or 1: the
 * last line of `main`. */
GM_API int gm_exit_status(void);

/* ---- Log -----------------------------------------------------------------------------------------------------
 * Warnings and progress go here; standard error by default; GM_LOG=0 in the environment silences
 * them, but not GM_LOG_ERROR, such as what gm_exit_status prints. */

typedef int32_t gm_log_level;
enum { GM_LOG_DEBUG = 0, GM_LOG_INFO = 1, GM_LOG_WARNING = 2, GM_LOG_ERROR = 3 };
typedef void (*gm_log_fn)(void *env, gm_log_level level, const char *line);
/* Replace where log lines go. `fn` NULL: standard error again. `free_env` (may be NULL) is called on replacement. */
GM_API void gm_set_log(gm_log_fn fn, void *env, void (*free_env)(void *env));
GM_API void gm_log_line(gm_log_level level, const char *format, ...) GM_PRINTF(2, 3);

/* ---- Ownership ----------------------------------------------------------------------------------------------- */

typedef struct { void *impl[2], *reserved[2]; } gm_scope;
GM_API gm_scope gm_scope_open(void);
/* Release everything that was made since the scope was opened; scopes opened inside it and still open close too. */
GM_API void gm_scope_close(gm_scope *scope);
/* Close `scope` and every scope inside it, but hand `object` (any Gemel object, may be NULL) to the scope around it.
 * Returns `object`. */
GM_API void *gm_return(gm_scope *scope, void *object);
/* Make the caller an owner of `object`; it lives until gm_release. Returns `object`. Works with an error pending. */
GM_API void *gm_keep(void *object);
/* Give up one ownership taken by gm_keep. NULL is ignored. */
GM_API void gm_release(void *object);

#ifdef GM__CLEANUP
/* A declaration that guards the rest of its block: break, continue and return keep their meaning in C. */
#  define GM_SCOPE(name) gm_scope name GM__CLEANUP(gm_scope_close) = gm_scope_open()
#endif /* elsewhere: gm_scope_open and gm_scope_close by hand */

/* Ends the lists of variadic macros; a NULL entry in a list is a failed one. */
#define GM_END ((void *)(intptr_t)-1)

/* A thread's context: its scopes, pending error and modes. Fibers swap theirs in and out. */
typedef struct gm_context gm_context;
GM_API gm_context *gm_context_new(void);
/* Make `context` the calling thread's (NULL: the thread's own). Returns the one before. */
GM_API gm_context *gm_context_swap(gm_context *context);
GM_API void gm_context_free(gm_context *context);

/* ---- Threads and memory -------------------------------------------------------------------------------------- */

/* Threads that a kernel may use, the caller included. Default: GM_THREADS, else the CPUs this process may run on.
 * Inside of a parallel loop it is 1. Results do not depend on it. A child of fork, at whatever moment, can go on with
 * what the parent had, but for what threads of the parent are at work on, such as a data set that prefetches. */
GM_API int gm_n_threads(void);
GM_API bool gm_set_threads(int n);

/* Of all threads together. The peak is exact where one thread makes tensors, else short by at most 64 KiB for each
 * other one. */
typedef struct {
    int64_t bytes_in_use, bytes_peak, bytes_cached; /* of tensor storage; cached blocks are free but not given back */
    int64_t n_allocations, n_cache_hits;            /* since the start */
    int64_t n_objects;                              /* live objects of every type */
    int64_t reserved[2];
} gm_memory;
GM_API gm_memory gm_memory_stats(void);
GM_API void gm_memory_reset_peak(void);
/* Give cached blocks back to the system. */
GM_API void gm_memory_trim(void);

/* Set the seed of the default random stream (0 unless set) and start it anew. */
GM_API void gm_seed(uint64_t seed);

/* ---- About the library --------------------------------------------------------------------------------------- */

GM_API const char *gm_version(void);
/* One feature per call: name and whether it is in ("zlib", "libjpeg", "libpng" ...); false past the last one. */
GM_API bool gm_feature(int index, const char **name, bool *present);
/* The instruction set in use: "avx512", "avx2", "neon", "plain". GM_ISA in the environment forces a lower one. */
GM_API const char *gm_isa(void);

#ifdef __cplusplus
}
#else
#  define GM_INT(i) { 1, 0, (i) }
#  define GM_REAL(r) { 1, 0, (r) }
#endif
#endif
