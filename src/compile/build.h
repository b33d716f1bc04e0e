/* build.h: C text becomes functions: built by the system's compiler in the background, kept on disk, loaded.
 *
 *     gm__build *b = gm__build_start(text, n, "-mavx2 -mfma");
 *     ... go on with the library's own kernels, and now and then:
 *     if (gm__build_state(b) == GM__BUILD_READY) run = gm__build_symbol(b, "run");
 *
 * A build that fails is no error of any thread: whoever asked for it goes on without. */
#ifndef GM_COMPILE_BUILD_H
#define GM_COMPILE_BUILD_H
#include "gemel/extend.h"

/* The number of the numerics contract (docs/numerics.md): what was built for another one is not used. */
enum { GM__NUMERICS_CONTRACT = 1 };

typedef int32_t gm__build_status;
enum { GM__BUILD_PENDING = 0, GM__BUILD_READY = 1, GM__BUILD_FAILED = 2 };
typedef struct gm__build gm__build;

/* Asks for `source` compiled with the common flags and `flags` (words between blanks; NULL: none). Returns at once:
 * what is in memory or on disk is ready then, the rest is built by a thread of its own. The same source and flags asked
 * for again, while anybody holds the first, are the same build. Whatever else the text relies on (the layout of a
 * struct it shares with the library) has to be told apart by the text itself. The result is an object of the innermost
 * scope; what was loaded stays until the last one is released. NULL while an error is pending, or without memory. */
gm__build *gm__build_start(const char *source, size_t bytes, const char *flags);
/* Takes no lock. NULL is a failed one. In a child of fork pending builds go on at the first start or wait. */
gm__build_status gm__build_state(const gm__build *b);
/* The state, once it is not PENDING. */
gm__build_status gm__build_wait(gm__build *b);
/* The address of a function that the text defines, valid while `b` is held; NULL unless READY, or if there is none. */
void *gm__build_symbol(const gm__build *b, const char *name);
/* Why it failed, with the first lines that the compiler printed; "" unless FAILED. Valid while `b` is held. */
const char *gm__build_error(const gm__build *b);

/* Since the process began: builds by the compiler, requests answered from memory and from disk, failures, and seconds
 * spent waiting for the compiler. */
typedef struct { int64_t builds, memory_hits, disk_hits, failures; double compiler_seconds; } gm__build_counts;
gm__build_counts gm__build_stats(void);

#endif
