/* scope.h: the stack behind scopes, for base itself. */
#ifndef GM_BASE_SCOPE_H
#define GM_BASE_SCOPE_H
#include "context.h"

/* Release the owned objects from the top of the stack down to height `to`. */
void gm__owned_release(gm_owned *owned, int64_t to);
/* Give `object` (whose one count the caller passes on) to the innermost scope. False without memory: the count is then
 * still the caller's. */
bool gm__scope_own(gm_object *object);

#endif
