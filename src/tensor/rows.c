/* rows.c: tensors that are zero but for a few rows, until somebody looks.
 *
 * The gradient of a table of which a batch has used some rows is such a tensor. Its storage holds the rows' numbers
 * (ascending, each once) and their values instead of memory; who knows of it takes those, for everybody else the
 * storage is filled the first time it is read. */
#include "../math/fp.h"
#include "tensor.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/object.h"

#include <string.h>

struct gm__rows { gm_tensor *index, *values; };

void gm__rows_free(struct gm__rows *r) {
    gm_release(r->index);
    gm_release(r->values);
    gm_free(r);
}

gm_tensor *gm__tensor_of_rows(const gm_shape *shape, gm_tensor *index, gm_tensor *values) {
    gm_storage *s = gm__object_make(&gm__storage_type);
    struct gm__rows *rows = s ? gm_alloc(sizeof *rows) : NULL;
    if (rows) {
        *rows = (struct gm__rows){ gm_retain(index), gm_retain(values) };
        s->rows = rows;
        s->bytes = (size_t)gm__bytes_of(values->dtype, gm_shape_count(*shape));
    }
    gm_tensor *t = rows ? gm__tensor_over(s, 0, shape, values->dtype) : NULL;
    gm_release(s);
    return t;
}

bool gm__tensor_rows(const gm_tensor *t, gm_tensor **index, gm_tensor **values) {
    gm_storage *s = t->storage;
    if (!s || !__atomic_load_n(&s->rows, __ATOMIC_ACQUIRE) || t->offset || !gm_is_contiguous(t) ||
        gm__bytes_of(t->dtype, gm_shape_count(t->shape)) < (int64_t)s->bytes)
        return false;
    pthread_mutex_lock(&gm__rows_mutex); /* another thread may read the tensor, and so fill the storage, at any time */
    struct gm__rows *r = s->rows;
    *index = r ? gm__tensor_alias(r->index) : NULL;
    *values = *index ? gm__tensor_alias(r->values) : NULL;
    pthread_mutex_unlock(&gm__rows_mutex);
    return *values != NULL;
}

static void rows_copy(const struct gm__rows *r, char *data) {
    const int64_t *at = (const int64_t *)gm__data(r->index);
    int64_t n = gm_shape_count(r->index->shape),
            bytes = n ? (int64_t)gm__bytes_of(r->values->dtype, gm_shape_count(r->values->shape)) / n : 0;
    const char *from = gm__data(r->values);
    for (int64_t i = 0; i < n; i++) memcpy(data + at[i] * bytes, from + i * bytes, (size_t)bytes);
}

bool gm__storage_fill(gm_storage *s) {
    pthread_mutex_lock(&gm__rows_mutex);
    size_t got = 0;
    void *data = s->rows ? gm__block_take(s->bytes, &got) : NULL;
    struct gm__rows *r = data ? s->rows : NULL;
    if (r) {
        memset(data, 0, s->bytes);
        rows_copy(r, data);
        s->data = data, s->block = got;
        __atomic_store_n(&s->rows, NULL, __ATOMIC_RELEASE);
    }
    bool ok = !s->rows;
    pthread_mutex_unlock(&gm__rows_mutex);
    if (r) gm__rows_free(r);
    return ok || gm_fail(GM_ERROR_MEMORY, "out of memory for a tensor of %zu bytes", s->bytes);
}
