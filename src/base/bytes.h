/* bytes.h: a block of bytes that grows as it is appended to.
 *
 * Without memory the block is marked `failed` (MEMORY is pending) and takes no more, so that writers look once, at the
 * end. A zeroed block is an empty one. */
#ifndef GM_BASE_BYTES_H
#define GM_BASE_BYTES_H
#include "gemel/extend.h"

typedef struct { uint8_t *data; size_t n, capacity; bool failed; } gm__bytes;

void gm__bytes_free(gm__bytes *b);
/* Room for `more` bytes behind the present ones. */
bool gm__bytes_reserve(gm__bytes *b, size_t more);
void gm__bytes_append(gm__bytes *b, const void *data, size_t n);
void gm__bytes_text(gm__bytes *b, const char *text); /* without its 0 */

#endif
