/* embedding_layer.c: rows of a table by index. */
#include "../../math/fp.h"
#include "../module.h"
#include "../../base/args.h"
#include "gemel/ops.h"

typedef struct { gm_tensor *weight; gm_int padding; } nn_embedding;

static gm_tensor *nn_embedding_forward(gm_module *m, gm_tensor *x) {
    const nn_embedding *self = gm_state(m);
    return self ? gm_embedding(self->weight, x, .padding_idx = self->padding) : NULL;
}

gm_module *gm_nn_embedding_with(int64_t count, int64_t dim, const gm_nn_embedding_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_embedding_args a = { 0 };
    if (!gm__args_take("nn_embedding", &a, sizeof a, args)) return NULL;
    if (count < 1 || dim < 1)
        return gm_fail(GM_ERROR_VALUE, "nn_embedding: %lld rows of %lld", (long long)count, (long long)dim), NULL;
    if (a.padding_idx.set && (a.padding_idx.v < -count || a.padding_idx.v >= count))
        return gm_fail(GM_ERROR_VALUE, "nn_embedding: padding_idx %lld in a table of %lld rows",
                       (long long)a.padding_idx.v, (long long)count),
               NULL;
    gm_module *m = gm_module_new(nn_embedding);
    nn_embedding *self = gm_state(m);
    if (!self) return NULL;
    self->padding = a.padding_idx;
    self->weight = gm_param_init(m, "weight", GM_SHAPE(count, dim), a.dtype ? a.dtype : GM_F32, GM_INIT_NORMAL, 0, 1);
    if (a.padding_idx.set) gm__module_zero_row(m, a.padding_idx.v + (a.padding_idx.v < 0 ? count : 0));
    return gm_ok() ? m : NULL;
}
