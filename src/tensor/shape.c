/* shape.c: shapes and dimensions. */
#include "../math/fp.h"
#include "tensor.h"
#include "../base/context.h"

#include <stdio.h>

bool gm_shape_equal(gm_shape a, gm_shape b) {
    if (a.n != b.n) return false;
    for (int i = 0; i < a.n; i++)
        if (a.d[i] != b.d[i]) return false;
    return true;
}

int64_t gm_shape_count(gm_shape s) {
    int64_t n = 1;
    for (int i = 0; i < s.n; i++) n *= s.d[i];
    return n;
}

char *gm_shape_text(gm_shape s, char *text, size_t bytes) {
    size_t at = 0;
    if (bytes < 3) return text;
    text[at++] = '[';
    for (int i = 0; i < s.n && at + 24 < bytes; i++)
        at += (size_t)snprintf(text + at, bytes - at, "%s%lld", i ? ", " : "", (long long)s.d[i]);
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
