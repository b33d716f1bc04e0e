/* string.c: tensors of strings.
 *
 * An element is {text, length}. The texts lie behind the elements in one block, which the storage owns, so views of any
 * kind stay valid as long as they hold the storage, and copying elements copies pointers into it. */
#include "../math/fp.h"
#include "tensor.h"

#include <string.h>

typedef struct { const char *text; int64_t length; } string_element;

static size_t string_bytes(const char *const *text, int64_t n, int64_t *missing) {
    size_t bytes = (size_t)n * sizeof(string_element);
    *missing = -1;
    for (int64_t i = 0; i < n; i++) {
        if (!text[i]) return *missing = i, 0;
        bytes += strlen(text[i]) + 1;
    }
    return bytes;
}

static void string_fill(string_element *elements, const char *const *text, int64_t n) {
    char *at = (char *)(elements + n);
    for (int64_t i = 0; i < n; i++) {
        size_t length = strlen(text[i]);
        memcpy(at, text[i], length + 1);
        elements[i] = (string_element){ at, (int64_t)length };
        at += length + 1;
    }
}

gm_tensor *gm_strings(const char *const *text, int64_t n) {
    if (!gm_ok()) return NULL;
    if (n < 0 || (n && !text))
        return gm_fail(GM_ERROR_VALUE, "strings: %s", n < 0 ? "a negative count" : "no texts"), NULL;
    int64_t missing;
    size_t bytes = string_bytes(text, n, &missing);
    if (missing >= 0) return gm_fail(GM_ERROR_VALUE, "strings: text %lld is NULL", (long long)missing), NULL;
    string_element *elements = gm_alloc(bytes);
    if (!elements) return NULL;
    string_fill(elements, text, n);
    gm_shape shape = { 1, { 0 }, { n } };
    gm_tensor *t = gm_from_memory(shape, GM_STRING, elements, gm_free, elements);
    if (!t) gm_free(elements);
    return t;
}

/* The storage index of element `index` in row-major order. */
static int64_t string_place(const gm_tensor *t, int64_t index) {
    int64_t at = 0;
    for (int i = t->shape.n - 1; i >= 0; i--) {
        at += index % t->shape.d[i] * t->stride[i];
        index /= t->shape.d[i];
    }
    return at;
}

const char *gm__string_at(const gm_tensor *t, int64_t at) { return ((const string_element *)gm__data(t))[at].text; }

const char *gm_string_at(const gm_tensor *t, int64_t index) {
    if (!gm_ok() || !gm__check_tensor(t, "string_at", 1)) return NULL;
    if (t->dtype != GM_STRING || !t->storage) {
        gm_fail(GM_ERROR_DTYPE, "string_at: the tensor is %s, not of strings", gm_dtype_name(t->dtype));
        return NULL;
    }
    int64_t n = gm_shape_count(t->shape);
    if (index < 0 || index >= n) {
        gm_fail(GM_ERROR_INDEX, "string_at: element %lld of %lld", (long long)index, (long long)n);
        return NULL;
    }
    return gm__string_at(t, string_place(t, index));
}
