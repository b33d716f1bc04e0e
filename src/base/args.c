/* args.c: option structs begin with their size and only grow, so any two versions have a common front part. */
#include "../math/fp.h"
#include "args.h"

#include <string.h>

bool gm__args_take(const char *op, void *into, size_t bytes, const void *given) {
    memset(into, 0, bytes);
    if (!given) return true;
    size_t size;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size) return gm_fail(GM_ERROR_VALUE, "%s: the options' .size is %zu, it was not set", op, size);
    for (size_t i = bytes; i < size; i++)
        if (((const char *)given)[i])
            return gm_fail(GM_ERROR_UNSUPPORTED, "%s: an option of a newer version (byte %zu of %zu) is set", op, i,
                           size);
    memcpy(into, given, size < bytes ? size : bytes);
    return true;
}
