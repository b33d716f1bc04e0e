/* attention_layer.c: multi-head attention around gm_scaled_dot_product_attention. The weights are made whole where they
 * are dropped or asked for, since the fused operation does not keep them; where they are only asked for, the result is
 * still the fused one's. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "gemel/extend.h"
#include "gemel/nn.h"
#include "gemel/ops.h"

#include <math.h>

typedef struct {
    gm_tensor *weight, *bias, *part[3]; /* weight [3 dim, dim], or three parts */
    gm_module *out;
    double dropout;
    int64_t dim, heads, features[3];
    bool causal, need_weights, per_head;
} multihead;

/* What one call attends over. */
typedef struct { gm_tensor *in[3], *mask, *key_mask; } multihead_inputs;

static bool multihead_check(const multihead *self, const multihead_inputs *in) {
    static const char *const names[] = { "query", "key", "value" };
    char text[200], first[200];
    gm_shape q = gm_shape_of(in->in[0]), k = gm_shape_of(in->in[1]);
    for (int i = 0; gm_ok() && i < 3; i++) {
        gm_shape s = gm_shape_of(in->in[i]);
        if (s.n != 3 || s.d[2] != self->features[i])
            return gm_fail(GM_ERROR_SHAPE, "multihead_attention: %s is %s, [B, %s, %lld] is wanted", names[i],
                           gm_shape_text(s, text, sizeof text), i ? "S" : "T", (long long)self->features[i]);
        if (s.d[0] != q.d[0] || (i && s.d[1] != k.d[1]))
            return gm_fail(GM_ERROR_SHAPE, "multihead_attention: %s is %s, %s is %s", names[i ? i - 1 : 0],
                           gm_shape_text(gm_shape_of(in->in[i ? i - 1 : 0]), first, sizeof first), names[i],
                           gm_shape_text(s, text, sizeof text));
    }
    gm_shape m = in->key_mask ? gm_shape_of(in->key_mask) : (gm_shape){ 0 };
    if (in->key_mask && gm_ok() &&
        (m.n != 2 || m.d[0] != k.d[0] || m.d[1] != k.d[1] || gm_dtype_of(in->key_mask) != GM_BOOL))
        return gm_fail(GM_ERROR_SHAPE, "multihead_attention: key_mask is %s %s, bool [%lld, %lld] is wanted",
                       gm_dtype_name(gm_dtype_of(in->key_mask)), gm_shape_text(m, text, sizeof text), (long long)k.d[0],
                       (long long)k.d[1]);
    return gm_ok();
}

/* ---- projections ---- */

static gm_tensor *multihead_rows(gm_tensor *t, int64_t from, int64_t n) { return t ? gm_narrow(t, 0, from, n) : NULL; }

/* x [B, T, dim] -> [B, heads, T, dim / heads], a view */
static gm_tensor *multihead_split(const multihead *self, gm_tensor *x) {
    gm_shape s = gm_shape_of(x);
    if (!gm_ok()) return NULL;
    return gm_transpose(gm_reshape(x, GM_SHAPE(s.d[0], s.d[1], self->heads, self->dim / self->heads)), 1, 2);
}

static void multihead_project(const multihead *self, const multihead_inputs *in, gm_tensor **to) {
    int64_t n = self->dim;
    if (self->weight && in->in[0] == in->in[1] && in->in[1] == in->in[2]) { /* one product for all three */
        gm_tensor *all = gm_linear(in->in[0], self->weight, self->bias);
        for (int i = 0; i < 3; i++) to[i] = multihead_split(self, gm_narrow(all, 2, i * n, n));
        return;
    }
    for (int i = 0; i < 3; i++) {
        gm_tensor *w = self->weight ? multihead_rows(self->weight, i * n, n) : self->part[i];
        to[i] = multihead_split(self, gm_linear(in->in[i], w, multihead_rows(self->bias, i * n, n)));
    }
}

/* ---- attention ---- */

/* Both masks as one: bool if they are, else added numbers. */
static gm_tensor *multihead_mask(const multihead_inputs *in) {
    if (!in->key_mask) return in->mask;
    gm_tensor *keys = gm_unsqueeze(gm_unsqueeze(in->key_mask, 1), 1);
    if (!in->mask) return keys;
    if (gm_dtype_of(in->mask) == GM_BOOL) return gm_logical_and(in->mask, keys);
    return gm_where(keys, in->mask, gm_full_like(in->mask, -INFINITY));
}

static gm_tensor *multihead_causal(int64_t queries, int64_t keys) {
    gm_tensor *q = gm_unsqueeze(gm_arange(0, (double)queries, 1, GM_I64), 1),
              *k = gm_arange(0, (double)keys, 1, GM_I64);
    return gm_le(k, q);
}

static gm_tensor *multihead_hide(gm_tensor *scores, gm_tensor *mask) {
    return gm_where(mask, scores, gm_full_like(scores, -INFINITY));
}

/* Softmax over keys that a mask may hide; a query that sees none weighs all by 0. */
static gm_tensor *multihead_softmax(gm_tensor *scores) {
    gm_tensor *blind = gm_eq_scalar(gm_max_dims(scores, (int32_t[]){ -1 }, 1, true), -INFINITY);
    return gm_masked_fill(gm_softmax(gm_masked_fill(scores, blind, 0), -1), blind, 0);
}

/* The weights [B, heads, T, S], those of training dropped. */
static gm_tensor *multihead_weights(gm_module *m, const multihead *self, gm_tensor *const *qkv, gm_tensor *mask) {
    double scale = 1 / sqrt((double)self->dim / (double)self->heads);
    gm_tensor *scores = gm_mul_scalar(gm_matmul(qkv[0], gm_transpose(qkv[1], -1, -2)), scale);
    if (mask) scores = gm_dtype_of(mask) == GM_BOOL ? multihead_hide(scores, mask) : gm_add(scores, mask);
    if (self->causal) scores = multihead_hide(scores, multihead_causal(gm_size(scores, -2), gm_size(scores, -1)));
    scores = mask ? multihead_softmax(scores) : gm_softmax(scores, -1); /* causal: the first key is seen by all */
    return self->dropout > 0 && gm_is_training(m) ? gm_dropout(scores, self->dropout) : scores;
}

/* *weights, if it is wanted (not NULL): what each query took of each key. */
static gm_tensor *multihead_run(gm_module *m, const multihead_inputs *in, gm_tensor **weights) {
    const multihead *self = gm_state(m);
    gm_tensor *qkv[3], *w = NULL;
    if (!self || !multihead_check(self, in)) return NULL;
    multihead_project(self, in, qkv);
    gm_tensor *mask = multihead_mask(in), *y;
    bool drops = self->dropout > 0 && gm_is_training(m);
    if (drops || weights) w = multihead_weights(m, self, qkv, mask);
    if (weights) *weights = self->per_head ? w : gm_mean_dim(w, 1, false);
    if (drops) y = gm_matmul(w, qkv[2]);
    else y = gm_scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], .mask = mask, .causal = self->causal);
    return gm_ok() ? gm_forward(self->out, gm_flatten_dims(gm_transpose(y, 1, 2), 2, 3)) : NULL;
}

static gm_tensor *multihead_forward(gm_module *m, gm_tensor *x) {
    multihead_inputs in = { { x, x, x }, NULL, NULL };
    return multihead_run(m, &in, NULL);
}

static gm_tensor *multihead_named(const gm_pack *in, const char *name) {
    return gm_pack_has(in, name) ? gm_get(in, name) : NULL;
}

static gm_pack *multihead_apply(gm_module *m, gm_pack *in) {
    gm_tensor *q = gm_pack_at(in, 0), *k = multihead_named(in, "key"), *v = multihead_named(in, "value");
    if (!gm_ok()) return NULL;
    multihead_inputs given = { { q, k ? k : q,
                                 v   ? v
                                 : k ? k
                                     : q },
                               multihead_named(in, "mask"),
                               multihead_named(in, "key_mask") };
    const multihead *self = gm_state(m);
    gm_tensor *weights = NULL, *y = multihead_run(m, &given, self && self->need_weights ? &weights : NULL);
    return weights ? GM_PACK({ "y", y, NULL }, { "weights", weights, NULL }) : GM_PACK({ "y", y, NULL });
}

/* ---- making ---- */

static void multihead_parameters(gm_module *m, bool bias, gm_dtype dtype) {
    static const char *const names[] = { "q_proj_weight", "k_proj_weight", "v_proj_weight" };
    multihead *self = gm_state(m);
    int64_t n = self->dim;
    if (self->features[1] == n && self->features[2] == n)
        self->weight = gm_param_init(m, "in_proj_weight", GM_SHAPE(3 * n, n), dtype, GM_INIT_XAVIER_UNIFORM, 1, 0);
    else
        for (int i = 0; i < 3; i++)
            self->part[i] =
                gm_param_init(m, names[i], GM_SHAPE(n, self->features[i]), dtype, GM_INIT_XAVIER_UNIFORM, 1, 0);
    if (bias) self->bias = gm_param_init(m, "in_proj_bias", GM_SHAPE(3 * n), dtype, GM_INIT_CONSTANT, 0, 0);
    self->out = gm_child(m, "out_proj", gm_nn_linear(n, n, .no_bias = !bias, .dtype = dtype));
    if (bias && self->out) gm_init_parameters(self->out, "bias", GM_INIT_CONSTANT, 0, 0);
}

gm_module *gm_nn_multihead_attention_with(int64_t dim, int64_t heads, const gm_nn_multihead_attention_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_multihead_attention_args a = { 0 };
    if (!gm__args_take("nn_multihead_attention", &a, sizeof a, args)) return NULL;
    if (dim < 1 || heads < 1 || dim % heads || a.key_dim < 0 || a.value_dim < 0 || !(a.dropout >= 0 && a.dropout < 1))
        return gm_fail(GM_ERROR_VALUE,
                       "nn_multihead_attention: dim %lld, %lld heads, key_dim %lld, value_dim %lld, "
                       "dropout %g",
                       (long long)dim, (long long)heads, (long long)a.key_dim, (long long)a.value_dim, a.dropout),
               NULL;
    static const char *const takes[] = { "key", "value", "mask", "key_mask", NULL };
    gm_module_class c = { .size = sizeof c,
                          .name = "nn_multihead_attention",
                          .state_bytes = sizeof(multihead),
                          .forward = multihead_forward,
                          .apply = multihead_apply,
                          .takes = takes };
    gm_module *m = gm_module_new_with(&c);
    multihead *self = gm_state(m);
    if (!self) return NULL;
    *self = (multihead){ .dropout = a.dropout,
                         .dim = dim,
                         .heads = heads,
                         .causal = a.causal,
                         .need_weights = a.need_weights || a.per_head,
                         .per_head = a.per_head,
                         .features = { dim, a.key_dim ? a.key_dim : dim, a.value_dim ? a.value_dim : dim } };
    multihead_parameters(m, !a.no_bias, a.dtype ? a.dtype : GM_F32);
    return gm_ok() ? m : NULL;
}
