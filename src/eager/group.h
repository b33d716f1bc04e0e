/* group.h: calls whose gradients come as one finished sum for each tensor from outside.
 *
 * While a group is open, a tensor from before that wants a gradient is replaced by an alias of its own wherever an
 * operation takes it; what the group adds to its gradient meets in that alias, and goes on as one. */
#ifndef GM_EAGER_GROUP_H
#define GM_EAGER_GROUP_H

#include "../tensor/stand_in.h"

typedef struct { gm__stand_ins ins; uint64_t since; bool open; } gm__group_of_calls;

/* Does nothing where gradients are off or the thread records. */
void gm__group_begin(gm__group_of_calls *g);
void gm__group_end(gm__group_of_calls *g);

#endif
