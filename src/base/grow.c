/* grow.c: lists that double when they are full. */
#include "../math/fp.h"
#include "grow.h"

#include <string.h>

enum { GROW_FIRST = 4 };

bool gm__grow(void *list, int64_t n, int64_t *capacity, size_t bytes) {
    if (n < *capacity) return true;
    int64_t more = *capacity ? 2 * *capacity : GROW_FIRST;
    void *elements;
    memcpy(&elements, list, sizeof elements); /* whatever type of pointer it is */
    elements = gm_realloc(elements, (size_t)more * bytes);
    if (!elements) return false;
    memcpy(list, &elements, sizeof elements);
    *capacity = more;
    return true;
}
