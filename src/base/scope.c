/* scope.c: scopes own objects so that model code need not.
 *
 * A thread has one stack of owned objects. Opening a scope notes the height, closing it releases down to that height.
 * Scopes that were opened later and not closed close with it, because their objects lie above. */
#include "../math/fp.h"
#include "grow.h"
#include "scope.h"

#include <stdlib.h>

enum { SCOPE_WARN_HANDLES = 100000 };

void gm__owned_release(gm_owned *owned, int64_t to) {
    while (owned->n > to) gm_release(owned->items[--owned->n]); /* a destructor may push and pop above: reread n */
}

bool gm__scope_own(gm_object *object) {
    gm_owned *owned = &gm__context()->owned;
    if (owned->n == owned->capacity && !gm__grow(&owned->items, owned->n, &owned->capacity, sizeof *owned->items))
        return false;
    owned->items[owned->n++] = object;
    if (__builtin_expect(owned->n > SCOPE_WARN_HANDLES && !owned->warned, 0)) {
        owned->warned = true;
        gm_log_line(GM_LOG_WARNING, "%d objects are waiting for their scope to close: a loop without GM_SCOPE?",
                    SCOPE_WARN_HANDLES);
    }
    return true;
}

/* impl[0] is the height plus one, so that a zeroed scope is a closed one; impl[1] the context it belongs to. */
gm_scope gm_scope_open(void) {
    gm_context *c = gm__context();
    return (gm_scope){ { (void *)(intptr_t)(c->owned.n + 1), c }, { NULL, NULL } };
}

static int64_t scope_take_height(gm_scope *scope) {
    if (!scope || !scope->impl[0] || scope->impl[1] != gm__context()) return -1;
    int64_t height = (int64_t)(intptr_t)scope->impl[0] - 1;
    scope->impl[0] = NULL;
    return height;
}

void gm_scope_close(gm_scope *scope) {
    int64_t height = scope_take_height(scope);
    if (height >= 0) gm__owned_release(&gm__context()->owned, height);
}

void *gm_return(gm_scope *scope, void *object) {
    int64_t height = scope_take_height(scope);
    if (height < 0) return object;
    gm_owned *owned = &gm__context()->owned;
    bool lives = object && gm_retain(object);
    gm__owned_release(owned, height);
    if (lives && !gm__scope_own(object)) {
        gm_release(object);
        return NULL;
    }
    return lives ? object : NULL;
}

void *gm_keep(void *object) { return gm_retain(object); }
