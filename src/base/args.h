/* args.h: taking an option struct that an older or a newer header may have filled in. */
#ifndef GM_BASE_ARGS_H
#define GM_BASE_ARGS_H
#include "gemel/extend.h"

/* Copy the options *given (NULL: all defaults), which begin with their size, to the `bytes` bytes at `into`. Members
 * that the caller's header did not have yet are zero; members that this library does not know must be. */
bool gm__args_take(const char *op, void *into, size_t bytes, const void *given);
/* The value, or `otherwise` if the option is not set. */
static inline double gm__real_or(gm_real r, double otherwise) { return r.set ? r.v : otherwise; }

#endif
