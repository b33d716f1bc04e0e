/* broadcast.c: shapes and dtypes of results of several tensors. */
#include "../math/fp.h"
#include "ops.h"

#include <string.h>

bool gm__broadcast_shapes(const char *op, gm_tensor *const *in, int n, gm_shape *out) {
    out->n = in[0]->shape.n;
    memcpy(out->d, in[0]->shape.d, (size_t)out->n * sizeof *out->d);
    for (int i = 1; i < n; i++) {
        const gm_shape *s = &in[i]->shape;
        if (gm__same_shape(out, s)) continue;
        gm_shape r = { .n = s->n > out->n ? s->n : out->n };
        for (int d = 1; d <= r.n; d++) {
            int64_t x = d <= out->n ? out->d[out->n - d] : 1, y = d <= s->n ? s->d[s->n - d] : 1;
            if (x != y && x != 1 && y != 1)
                return gm_fail(GM_ERROR_SHAPE, "%s: %s and %s do not broadcast (%lld against %lld in dimension %d)", op,
                               gm__shape_str(out), gm__shape_str(s), (long long)x, (long long)y, r.n - d);
            r.d[r.n - d] = x == 1 ? y : x;
        }
        *out = r;
    }
    return true;
}

static int broadcast_rank(gm_dtype t) { return gm_is_float(t) ? 2 : t == GM_BOOL ? 0 : 1; }

gm_dtype gm__promote_tensors(gm_tensor *const *in, int n) {
    gm_dtype dims = GM_NO_DTYPE, zero = GM_NO_DTYPE;
    for (int i = 0; i < n; i++) {
        gm_dtype *d = in[i]->shape.n ? &dims : &zero;
        *d = *d ? gm_promote(*d, in[i]->dtype) : in[i]->dtype;
    }
    if (!dims || !zero) return dims ? dims : zero;
    return broadcast_rank(zero) > broadcast_rank(dims) ? gm_promote(dims, zero) : dims;
}

bool gm__prefers_channels_last(gm_tensor *const *in, int n, int rank) {
    bool some = false;
    if (rank < 3 || rank > 5) return false;
    for (int i = 0; i < n; i++) {
        if (!in[i] || in[i]->shape.n != rank) continue;
        if (gm_is_contiguous(in[i])) {
            if (!gm_is_channels_last(in[i]) && in[i]->shape.d[1] > 1) return false;
        } else if (gm_is_channels_last(in[i])) some = true;
    }
    return some;
}

gm_tensor *gm__sum_to(gm_tensor *g, const gm_shape *shape, gm_dtype dtype) {
    if (!g) return NULL;
    if (!gm__same_shape(&g->shape, shape)) {
        int extra = g->shape.n - shape->n, n = 0;
        int32_t dims[GM_MAX_DIMS];
        if (extra < 0)
            return gm_cast(gm_expand(g, *shape), dtype); /* a derivative of fewer dimensions than its input */
        for (int d = 0; d < g->shape.n; d++)
            if (d < extra || (shape->d[d - extra] == 1 && g->shape.d[d] != 1)) dims[n++] = d;
        if (n) g = gm_reshape(gm_sum_dims(g, dims, n, true), *shape);
        else g = gm_expand(g, *shape);
        if (!g) return NULL;
        if (!gm__same_shape(&g->shape, shape)) g = gm_expand(g, *shape);
    }
    return g->dtype == dtype ? g : gm_cast(g, dtype);
}
