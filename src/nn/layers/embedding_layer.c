/* embedding_layer.c: rows of a table by index, one by one or a bag of them as one. */
#include "../../math/fp.h"
#include "../module.h"
#include "../../base/args.h"
#include "gemel/ops.h"

typedef struct { gm_tensor *weight; gm_int padding; } nn_embedding;

static gm_tensor *nn_embedding_forward(gm_module *m, gm_tensor *x) {
    const nn_embedding *self = gm_state(m);
    return self ? gm_embedding(self->weight, x, .padding_idx = self->padding) : NULL;
}

/* The table: filled by normal numbers, the padding row by zeros. */
static gm_tensor *embedding_table(gm_module *m, const char *name, int64_t count, int64_t dim, gm_int padding,
                                  gm_dtype dtype) {
    if (count < 1 || dim < 1)
        return gm_fail(GM_ERROR_VALUE, "%s: %lld rows of %lld", name, (long long)count, (long long)dim), NULL;
    if (padding.set && (padding.v < -count || padding.v >= count))
        return gm_fail(GM_ERROR_VALUE, "%s: padding_idx %lld in a table of %lld rows", name, (long long)padding.v,
                       (long long)count),
               NULL;
    gm_tensor *t = gm_param_init(m, "weight", GM_SHAPE(count, dim), dtype ? dtype : GM_F32, GM_INIT_NORMAL, 0, 1);
    if (t && padding.set) gm__module_zero_row(m, padding.v + (padding.v < 0 ? count : 0));
    return t;
}

gm_module *gm_nn_embedding_with(int64_t count, int64_t dim, const gm_nn_embedding_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_embedding_args a = { 0 };
    if (!gm__args_take("nn_embedding", &a, sizeof a, args)) return NULL;
    gm_module *m = gm_module_new(nn_embedding);
    nn_embedding *self = gm_state(m);
    if (!self) return NULL;
    self->padding = a.padding_idx;
    self->weight = embedding_table(m, "nn_embedding", count, dim, a.padding_idx, a.dtype);
    return gm_ok() ? m : NULL;
}

/* ---- bags ---- */

typedef struct { gm_tensor *weight; gm_int padding; gm_bag_mode mode; } embedding_bag_state;

static gm_tensor *embedding_bag_run(gm_module *m, gm_tensor *x, gm_tensor *offsets, gm_tensor *weights) {
    const embedding_bag_state *self = gm_state(m);
    if (!self) return NULL;
    return gm_embedding_bag(self->weight, x, .padding_idx = self->padding, .mode = self->mode, .offsets = offsets,
                            .per_sample_weights = weights);
}

static gm_tensor *embedding_bag_forward(gm_module *m, gm_tensor *x) { return embedding_bag_run(m, x, NULL, NULL); }

static gm_pack *embedding_bag_apply(gm_module *m, gm_pack *in) {
    gm_tensor *offsets = gm_pack_has(in, "offsets") ? gm_get(in, "offsets") : NULL;
    gm_tensor *weights = gm_pack_has(in, "weights") ? gm_get(in, "weights") : NULL;
    return GM_PACK({ "y", embedding_bag_run(m, gm_pack_at(in, 0), offsets, weights), NULL });
}

gm_module *gm_nn_embedding_bag_with(int64_t count, int64_t dim, const gm_nn_embedding_bag_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_embedding_bag_args a = { 0 };
    if (!gm__args_take("nn_embedding_bag", &a, sizeof a, args)) return NULL;
    static const char *const takes[] = { "offsets", "weights", NULL };
    gm_module_class c = { .size = sizeof c,
                          .name = "nn_embedding_bag",
                          .state_bytes = sizeof(embedding_bag_state),
                          .forward = embedding_bag_forward,
                          .apply = embedding_bag_apply,
                          .takes = takes };
    if (a.mode < GM_BAG_MEAN || a.mode > GM_BAG_MAX)
        return gm_fail(GM_ERROR_VALUE, "nn_embedding_bag: %d is no mode", a.mode), NULL;
    gm_module *m = gm_module_new_with(&c);
    embedding_bag_state *self = gm_state(m);
    if (!self) return NULL;
    self->padding = a.padding_idx, self->mode = a.mode;
    self->weight = embedding_table(m, "nn_embedding_bag", count, dim, a.padding_idx, a.dtype);
    return gm_ok() ? m : NULL;
}
