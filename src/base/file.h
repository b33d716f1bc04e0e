/* file.h: the bytes of a file that is there. */
#ifndef GM_BASE_FILE_H
#define GM_BASE_FILE_H
#include "gemel/extend.h"

/* Counted, because several tensors may lie over one file. */
typedef struct gm__file { const uint8_t *data; size_t bytes, mapped; int32_t refs, reserved; } gm__file;

/* The whole content, owned by the caller. With `map` a regular file is mapped, copy on write: pages come in when they
 * are touched, and writing to them changes memory only, never the file. Errors: IO "OP: cannot read PATH: ..." */
gm__file *gm__file_open(const char *op, const char *path, bool map);
void gm__file_retain(gm__file *f);
/* void *, to be the release function of tensors. NULL is ignored. */
void gm__file_release(void *file);

#endif
