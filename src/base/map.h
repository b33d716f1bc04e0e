/* map.h: a hash map from pointers to pointers (open addressing). A zeroed map is an empty one. */
#ifndef GM_BASE_MAP_H
#define GM_BASE_MAP_H
#include "gemel/extend.h"

typedef struct { const void **keys; void **values; int64_t n, capacity; } gm__map;

/* The value's place for `key`; NULL if it is not there. */
void **gm__map_find(const gm__map *m, const void *key);
/* The same, made (with value NULL) if it is not there; NULL after a MEMORY error. Moves other values' places. */
void **gm__map_at(gm__map *m, const void *key);
void gm__map_free(gm__map *m);

#endif
