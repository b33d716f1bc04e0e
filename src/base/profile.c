/* profile.c: the hook of the profiler. */
#include "../math/fp.h"
#include "profile.h"

#include <time.h>

_Atomic(gm__profile_fn) gm__profile_hook;

int64_t gm__profile_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
