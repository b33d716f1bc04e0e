/* object.h: object making for base and tensor; everything above uses gemel/extend.h. */
#ifndef GM_BASE_OBJECT_H
#define GM_BASE_OBJECT_H
#include "context.h"

enum { GM__ALIVE = 0x476d3156, GM__DEAD = 0x64656164 }; /* gm_object.state */

/* What gm_check_object checks, where it holds. */
static inline bool gm__is_live(const void *object, const gm_type *type) {
    const gm_object *o = object;
    return o && o != GM_END && o->state == GM__ALIVE && o->type == type;
}

/* As gm_object_new, but in no scope: the caller holds the one count. Works while an error is pending. */
void *gm__object_make(const gm_type *type);
int64_t gm__n_objects(void);
/* The context's free slots to all contexts. */
void gm__slots_give_back(gm_context *c);
/* Counts an allocation; true if this one was told to fail (gm__fail_allocation). */
bool gm__allocation_fails(void);
/* For tests: the n-th allocation from now fails (1 is the next), and with `all` every later one too; 0 switches off. */
void gm__fail_allocation(int64_t n, bool all);
/* Allocations since the last gm__fail_allocation. */
int64_t gm__allocation_count(void);

#endif
