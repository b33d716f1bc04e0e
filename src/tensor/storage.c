/* storage.c: the memory behind tensors.
 *
 * For tests, storages can lie between guard zones: a pattern before the first and behind the last byte, looked at when
 * the storage goes. What nobody has written is then NaN, so that an element that a kernel leaves out shows too. */
#include "../math/fp.h"
#include "tensor.h"
#include "../base/memory.h"
#include "../base/object.h"

#include <string.h>

enum { STORAGE_ZONE = 64, STORAGE_PATTERN = 0xa5 };

static _Atomic bool storage_guarded;
static _Atomic int64_t storage_broken;

void gm__guard_storages(bool on) { storage_guarded = on; }
int64_t gm__broken_storages(void) { return storage_broken; }

static char *storage_raise_guard(char *block, size_t bytes) {
    memset(block, STORAGE_PATTERN, STORAGE_ZONE);
    memset(block + STORAGE_ZONE, 0xff, bytes);
    memset(block + STORAGE_ZONE + bytes, STORAGE_PATTERN, STORAGE_ZONE);
    return block + STORAGE_ZONE;
}

static bool storage_zone_is_whole(const unsigned char *zone) {
    for (int i = 0; i < STORAGE_ZONE; i++)
        if (zone[i] != STORAGE_PATTERN) return false;
    return true;
}

static void storage_give(gm_storage *s) {
    unsigned char *data = s->data;
    size_t zone = s->guarded ? STORAGE_ZONE : 0;
    if (zone) storage_broken += !storage_zone_is_whole(data - zone) || !storage_zone_is_whole(data + s->bytes);
    gm__block_give(data - zone, s->block);
}

static void storage_destroy(void *object) {
    gm_storage *s = object;
    if (s->rows) gm__rows_free(s->rows);
    else if (s->block) storage_give(s);
    else if (s->release) s->release(s->env);
}

const gm_type gm__storage_type = { "storage", sizeof(gm_storage), storage_destroy };

gm_storage *gm__storage_new(size_t bytes) {
    size_t got;
    bool guarded = storage_guarded;
    char *block = gm__block_take(guarded ? bytes + 2 * STORAGE_ZONE : bytes, &got);
    if (!block) {
        gm_fail(GM_ERROR_MEMORY, "out of memory for a tensor of %zu bytes", bytes);
        return NULL;
    }
    gm_storage *s = gm__object_make(&gm__storage_type);
    if (!s) {
        gm__block_give(block, got);
        return NULL;
    }
    s->data = guarded ? storage_raise_guard(block, bytes) : block;
    s->bytes = bytes;
    s->block = got;
    s->guarded = guarded;
    return s;
}
