/* bytes.c: a growing block (bytes.h). */
#include "../math/fp.h"
#include "bytes.h"

#include <string.h>

void gm__bytes_free(gm__bytes *b) {
    gm_free(b->data);
    *b = (gm__bytes){ 0 };
}

bool gm__bytes_reserve(gm__bytes *b, size_t more) {
    if (b->failed) return false;
    if (more <= b->capacity - b->n) return true;
    size_t capacity = 2 * (b->n + more) + 64;
    void *data = gm_realloc(b->data, capacity);
    if (!data) return !(b->failed = true);
    b->data = data;
    b->capacity = capacity;
    return true;
}

void gm__bytes_append(gm__bytes *b, const void *data, size_t n) {
    if (!n || !gm__bytes_reserve(b, n)) return;
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

void gm__bytes_text(gm__bytes *b, const char *text) { gm__bytes_append(b, text, strlen(text)); }
