/* shape.c: shapes and dimensions. */
#include "../math/fp.h"
#include "tensor.h"
#include "../base/context.h"
#include "gemel/symbol.h"

#include <stdio.h>

_Atomic int64_t gm__n_symbols;

bool gm_shape_equal(gm_shape a, gm_shape b) { return gm__same_shape(&a, &b); }

int64_t gm_shape_count(gm_shape s) {
    int64_t n = 1;
    for (int i = 0; i < s.n; i++) n *= s.d[i];
    return n;
}

/* A size; with symbols about, unknown sizes within it are letters: "2*B". */
static int shape_size_text(char *text, size_t bytes, int64_t d) {
    const char *letters[] = { "", "B", "?", "B*?" };
    int known = 0;
    if (gm__n_symbols && d) {
        if (d % GM_SIZE_BATCH == 0) d /= GM_SIZE_BATCH, known |= 1;
        if (d % GM_SIZE_ANY == 0) d /= GM_SIZE_ANY, known |= 2;
    }
    if (known && d == 1) return snprintf(text, bytes, "%s", letters[known]);
    return snprintf(text, bytes, "%lld%s%s", (long long)d, known ? "*" : "", letters[known]);
}

char *gm_shape_text(gm_shape s, char *text, size_t bytes) {
    size_t at = 0;
    if (bytes < 3) return text;
    text[at++] = '[';
    for (int i = 0; i < s.n && at + 30 < bytes; i++) {
        at += (size_t)snprintf(text + at, bytes - at, "%s", i ? ", " : "");
        at += (size_t)shape_size_text(text + at, bytes - at, s.d[i]);
    }
    text[at++] = ']';
    text[at] = 0;
    return text;
}

const char *gm__shape_str(const gm_shape *s) {
    gm_context *c = gm__context();
    return gm_shape_text(*s, c->texts[c->next_text++ % 8], sizeof c->texts[0]);
}

int gm__dim_of(int n_dims, int dim, const char *op) {
    int d = dim < 0 ? dim + n_dims : dim;
    if (d >= 0 && d < n_dims) return d;
    gm_fail(GM_ERROR_INDEX, "%s: dimension %d of a tensor of %d dimensions", op, dim, n_dims);
    return -1;
}

int gm__dim(const gm_tensor *t, int dim, const char *op) { return gm__dim_of(t->shape.n, dim, op); }

void gm__strides_contiguous(gm_tensor *t) {
    int64_t s = 1;
    for (int i = t->shape.n - 1; i >= 0; i--) {
        t->stride[i] = s;
        s *= t->shape.d[i];
    }
}

void gm__strides_channels_last(gm_tensor *t) {
    int64_t s = t->shape.d[1];
    t->stride[1] = 1;
    for (int i = t->shape.n - 1; i >= 2; i--) {
        t->stride[i] = s;
        s *= t->shape.d[i];
    }
    t->stride[0] = s;
}

gm__operand gm__operand_of(const gm_tensor *t) {
    gm__operand o = { .data = gm__data(t), .dtype = t->dtype };
    for (int i = 0; i < t->shape.n; i++) o.stride[i] = t->stride[i];
    return o;
}

gm__operand gm__operand_broadcast(const gm_tensor *t, const gm_shape *shape) {
    gm__operand o = { .data = gm__data(t), .dtype = t->dtype };
    int shift = shape->n - t->shape.n;
    for (int i = 0; i < t->shape.n; i++) o.stride[shift + i] = t->shape.d[i] == 1 ? 0 : t->stride[i];
    return o;
}
