/* compiler.h: the system's C compiler: which one it is, and running it. */
#ifndef GM_COMPILE_COMPILER_H
#define GM_COMPILE_COMPILER_H
#include "../base/builder.h"

enum { GM__COMPILER_PATH = 4096, GM__COMPILER_ID = 8192 };
/* A compiler, and what of the environment it is run with. `id` is "PATH\nSIZE TIME\n" and, when `known`, what it says
 * of its version behind that; path is "" where there is none. */
typedef struct {
    char path[GM__COMPILER_PATH], id[GM__COMPILER_ID], temporary[GM__COMPILER_PATH];
    char **environment; /* NULL until it was caught; one block of gm_alloc, with a free entry at its end */
    int64_t seconds, cache_bytes;
    bool known;
} gm__compiler;

/* Reads GM_CC or PATH: call these in the thread that asks for a build, since reading the environment races with
 * whoever writes it. False, with the reason in the builder, where there is none. */
bool gm__compiler_find(gm__compiler *c, gm__builder *why);
/* Catches the environment, the time limit and the size limit of the cache. False after a MEMORY error. */
bool gm__compiler_catch(gm__compiler *c);

/* Takes over `id` if it is of this compiler; if there is no compiler, whatever it is of. */
bool gm__compiler_recall(gm__compiler *c, const char *id);
/* Asks for the version. These two run the compiler: from one thread only. */
bool gm__compiler_ask(gm__compiler *c, gm__builder *why);
/* Compiles into `path`, a file in a private directory that is there until gm__compiler_clean. */
bool gm__compiler_run(gm__compiler *c, const char *source, size_t bytes, const char *flags,
                      char path[GM__COMPILER_PATH], gm__builder *why);
/* The flags that every build has, one text each; NULL after the last. */
const char *gm__compiler_flag(int i);
/* The content of the file that was made, from gm_alloc; NULL if there is none, or it is no shared object. */
char *gm__compiler_result(const char *path, size_t *bytes);
/* Removes the directory; also called as the process ends, from whatever thread. */
void gm__compiler_clean(void);
/* In a child of fork: the directory is the parent's. */
void gm__compiler_forget(void);

#endif
