/* save.h: writing a file whole or not at all.
 *
 * The bytes go into a temporary file in the same directory, which takes the name in one step when all of them are on
 * disk. Until then, and if anything fails (a full disk, a killed process), the file of that name stays as it was. */
#ifndef GM_BASE_SAVE_H
#define GM_BASE_SAVE_H
#include "gemel/extend.h"

typedef struct gm__save gm__save;

/* NULL and IO "OP: cannot write PATH: ..." if it cannot be. What is no regular file (a device, a pipe) is written to
 * directly. */
gm__save *gm__save_open(const char *op, const char *path);
/* False after the first failure; gm__save_close reports it too. */
bool gm__save_write(gm__save *s, const void *bytes, size_t n);
/* With `keep` make it the file PATH; else, or after a failure, or while an error is pending, leave nothing behind.
 * Frees s (NULL is ignored). True if the file is there. */
bool gm__save_close(gm__save *s, bool keep);

#endif
