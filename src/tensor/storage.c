/* storage.c: the memory behind tensors. */
#include "../math/fp.h"
#include "tensor.h"
#include "../base/memory.h"
#include "../base/object.h"

static void storage_destroy(void *object) {
    gm_storage *s = object;
    if (s->rows) gm__rows_free(s->rows);
    else if (s->block) gm__block_give(s->data, s->block);
    else if (s->release) s->release(s->env);
}

const gm_type gm__storage_type = { "storage", sizeof(gm_storage), storage_destroy };

gm_storage *gm__storage_new(size_t bytes) {
    size_t got;
    void *data = gm__block_take(bytes, &got);
    if (!data) {
        gm_fail(GM_ERROR_MEMORY, "out of memory for a tensor of %zu bytes", bytes);
        return NULL;
    }
    gm_storage *s = gm__object_make(&gm__storage_type);
    if (!s) {
        gm__block_give(data, got);
        return NULL;
    }
    s->data = data;
    s->bytes = bytes;
    s->block = got;
    return s;
}
