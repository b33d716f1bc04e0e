/* shape_layers.c: layers that change shapes only: identity, flatten, unflatten. */
#include "../../math/fp.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

typedef struct { int32_t first, last; } nn_flatten;
typedef struct { gm_shape shape; int32_t dim; } nn_unflatten;
typedef struct { int32_t reserved; } nn_identity;

static gm_tensor *nn_identity_forward(gm_module *m, gm_tensor *x) { return (void)m, x; }
gm_module *gm_nn_identity(void) { return gm_module_new(nn_identity); }

static gm_tensor *nn_flatten_forward(gm_module *m, gm_tensor *x) {
    const nn_flatten *self = gm_state(m);
    return self ? gm_flatten_dims(x, self->first, self->last) : NULL;
}

gm_module *gm_nn_flatten_dims(int32_t first, int32_t last) {
    gm_module *m = gm_module_new(nn_flatten);
    nn_flatten *self = gm_state(m);
    if (self) *self = (nn_flatten){ first, last };
    return m;
}

gm_module *gm_nn_flatten(void) { return gm_nn_flatten_dims(1, -1); }

static gm_tensor *nn_unflatten_forward(gm_module *m, gm_tensor *x) {
    const nn_unflatten *self = gm_state(m);
    gm_shape in = gm_shape_of(x), out = { 0 };
    char text[200];
    int dim = self && self->dim < 0 ? self->dim + in.n : self ? self->dim : 0;
    if (!gm_ok()) return NULL;
    if (dim < 0 || dim >= in.n || in.n - 1 + self->shape.n > GM_MAX_DIMS)
        return gm_fail(GM_ERROR_SHAPE, "unflatten: dimension %d of %s", self->dim,
                       gm_shape_text(in, text, sizeof text)),
               NULL;
    for (int i = 0; i < dim; i++) out.d[out.n++] = in.d[i];
    for (int i = 0; i < self->shape.n; i++) out.d[out.n++] = self->shape.d[i];
    for (int i = dim + 1; i < in.n; i++) out.d[out.n++] = in.d[i];
    return gm_reshape(x, out);
}

gm_module *gm_nn_unflatten(int32_t dim, gm_shape shape) {
    if (!gm_ok()) return NULL;
    if (shape.n < 1 || shape.n > GM_MAX_DIMS) return gm_fail(GM_ERROR_VALUE, "nn_unflatten: %d sizes", shape.n), NULL;
    gm_module *m = gm_module_new(nn_unflatten);
    nn_unflatten *self = gm_state(m);
    if (self) *self = (nn_unflatten){ shape, dim };
    return m;
}
