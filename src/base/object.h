/* object.h: object making for base and tensor; everything above uses gemel/extend.h. */
#ifndef GM_BASE_OBJECT_H
#define GM_BASE_OBJECT_H
#include "gemel/extend.h"

/* As gm_object_new, but in no scope: the caller holds the one count. Works while an error is pending. */
void *gm__object_make(const gm_type *type);
int64_t gm__n_objects(void);
/* Counts an allocation; true if this one was told to fail (gm__fail_allocation). */
bool gm__allocation_fails(void);
/* For tests: the n-th allocation from now fails (1 is the next), and with `all` every later one too; 0 switches off. */
void gm__fail_allocation(int64_t n, bool all);
/* Allocations since the last gm__fail_allocation. */
int64_t gm__allocation_count(void);

#endif
