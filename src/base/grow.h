/* grow.h: lists that double when they are full. */
#ifndef GM_BASE_GROW_H
#define GM_BASE_GROW_H
#include "gemel/extend.h"

/* Room for one more element of `bytes` bytes in a list of n. `list` is the address of the pointer to its elements (NULL
 * at first), *capacity how many it has room for. False after a MEMORY error; the list is then as it was. */
bool gm__grow(void *list, int64_t n, int64_t *capacity, size_t bytes);

#endif
