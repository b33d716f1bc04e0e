/* upsample_layer.c: rows, pictures and volumes to a given size or by a factor. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

#include <math.h>

typedef struct { gm_nn_upsample_args a; } nn_upsample;

static int64_t upsample_size(const gm_nn_upsample_args *a, gm_tensor *x, int dim, int64_t given) {
    return a->scale > 0 ? (int64_t)floor((double)gm_size(x, dim) * a->scale) : given;
}

static gm_tensor *nn_upsample_forward(gm_module *m, gm_tensor *x) {
    const nn_upsample *self = gm_state(m);
    int n = gm_n_dims(x);
    char text[200];
    if (!self || !gm_ok()) return NULL;
    if (n < 3 || n > 5)
        return gm_fail(GM_ERROR_SHAPE, "upsample: input %s; [B, C, W], [B, C, H, W] or [B, C, D, H, W] is wanted",
                       gm_shape_text(gm_shape_of(x), text, sizeof text)),
               NULL;
    const gm_nn_upsample_args *a = &self->a;
    int64_t w = upsample_size(a, x, -1, a->w), h = upsample_size(a, x, -2, a->h);
    gm_resize_args r = { .size = sizeof r, .mode = a->mode, .align_corners = a->align_corners, .scale_h = a->scale,
                         .scale_w = a->scale, .scale_d = a->scale };
    if (n == 5) return gm_resize3d_with(x, upsample_size(a, x, -3, a->d), h, w, &r);
    return n == 3 ? gm_resize1d_with(x, w, &r) : gm_resize2d_with(x, h, w, &r);
}

gm_module *gm_nn_upsample_with(const gm_nn_upsample_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_upsample_args a = { 0 };
    if (!gm__args_take("nn_upsample", &a, sizeof a, args)) return NULL;
    if (!(a.scale >= 0 && a.scale < 1e6) || a.h < 0 || a.w < 0 || a.d < 0 || (a.scale > 0) == (a.w > 0))
        return gm_fail(GM_ERROR_VALUE,
                       "nn_upsample: scale %g, d %lld, h %lld, w %lld; either a scale or a size is wanted", a.scale,
                       (long long)a.d, (long long)a.h, (long long)a.w),
               NULL;
    gm_module *m = gm_module_new(nn_upsample);
    nn_upsample *self = gm_state(m);
    if (self) self->a = a;
    return m;
}
