/* transformer_layer.c: encoder and decoder layers, and stacks of them.
 *
 * A layer is a row of parts (self-attention, attention to the memory, feed-forward), each inside x + dropout(part(..))
 * with a norm before the part (norm_first) or behind the sum. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "../module.h"
#include "gemel/ops.h"

#include <stdio.h>

typedef struct {
    gm_module *self_attn, *cross_attn, *linear1, *linear2, *norm[3], *inner_dropout, *dropout[3];
    bool gelu, norm_first;
} transformer_layer;

typedef struct { gm_module *layers, *norm; bool decoder; } transformer_stack;

static const char *const transformer_encoder_takes[] = { "mask", "key_mask", "x_length", NULL };
static const char *const transformer_decoder_takes[] = { "memory",   "mask",        "key_mask",
                                                         "x_length", "memory_mask", "memory_key_mask",
                                                         "memory_length", NULL };

static gm_tensor *transformer_named(const gm_pack *in, const char *name) {
    return in && gm_pack_has(in, name) ? gm_get(in, name) : NULL;
}

/* Where there is a key: by a mask, by the lengths that a pipeline tells of what it pads, by both. */
static gm_tensor *transformer_keys(gm_pack *in, const char *mask, const char *length, gm_tensor *keys) {
    gm_tensor *there = transformer_named(in, mask), *lengths = transformer_named(in, length);
    if (!lengths) return there;
    gm_tensor *before = gm__lengths_mask("transformer", lengths, gm_size(keys, 0), gm_size(keys, 1), 0);
    return there ? gm_logical_and(there, before) : before;
}

static gm_tensor *transformer_attend(gm_module *m, gm_tensor *x, gm_tensor *memory, gm_tensor *mask, gm_tensor *keys) {
    gm_pack *in = GM_PACK({ "query", x, NULL });
    if (memory) gm_pack_set(in, "key", memory);
    if (mask) gm_pack_set(in, "mask", mask);
    if (keys) gm_pack_set(in, "key_mask", keys);
    gm_pack *out = gm_apply(m, in);
    return out ? gm_pack_at(out, 0) : NULL;
}

/* Part `i` of what there is: 0 self-attention, 1 attention to the memory, 2 feed-forward. */
static gm_tensor *transformer_part(const transformer_layer *self, int i, gm_tensor *x, gm_pack *in) {
    if (i == 0)
        return transformer_attend(self->self_attn, x, NULL, transformer_named(in, "mask"),
                                  transformer_keys(in, "key_mask", "x_length", x));
    gm_tensor *memory = i == 1 ? transformer_named(in, "memory") : NULL;
    if (i == 1)
        return transformer_attend(self->cross_attn, x, memory, transformer_named(in, "memory_mask"),
                                  transformer_keys(in, "memory_key_mask", "memory_length", memory));
    gm_tensor *h = gm_forward(self->linear1, x);
    h = self->gelu ? gm_gelu(h) : gm_relu(h);
    return gm_forward(self->linear2, gm_forward(self->inner_dropout, h));
}

static gm_tensor *transformer_run(const transformer_layer *self, gm_tensor *x, gm_pack *in) {
    for (int i = 0, k = 0; self && gm_ok() && i < 3; i++) {
        if (i == 1 && !self->cross_attn) continue;
        gm_module *norm = self->norm[k], *dropout = self->dropout[k];
        gm_tensor *part = transformer_part(self, i, self->norm_first ? gm_forward(norm, x) : x, in);
        x = gm_add(x, gm_forward(dropout, part));
        if (!self->norm_first) x = gm_forward(norm, x);
        k++;
    }
    return self ? x : NULL;
}

static gm_tensor *transformer_encoder_layer_forward(gm_module *m, gm_tensor *x) {
    return transformer_run(gm_state(m), x, NULL);
}

static gm_pack *transformer_layer_apply(gm_module *m, gm_pack *in) {
    const transformer_layer *self = gm_state(m);
    if (self && self->cross_attn && !gm_pack_has(in, "memory"))
        return gm_fail(GM_ERROR_INDEX, "transformer_decoder_layer: there is no input \"memory\""), NULL;
    return GM_PACK({ "y", transformer_run(self, gm_pack_at(in, 0), in), NULL });
}

/* ---- making a layer ---- */

static void transformer_children(gm_module *m, int64_t dim, int64_t heads, const gm_nn_transformer_args *a,
                                 bool cross) {
    transformer_layer *self = gm_state(m);
    double p = gm__real_or(a->dropout, 0.1);
    int64_t wide = a->feedforward ? a->feedforward : 2048;
    if (!self) return;
    self->gelu = a->gelu, self->norm_first = a->norm_first;
    self->self_attn = gm_child(m, "self_attn",
                               gm_nn_multihead_attention(dim, heads, .dropout = p, .no_bias = a->no_bias,
                                                         .causal = a->causal, .dtype = a->dtype));
    if (cross)
        self->cross_attn =
            gm_child(m, "multihead_attn",
                     gm_nn_multihead_attention(dim, heads, .dropout = p, .no_bias = a->no_bias, .dtype = a->dtype));
    self->linear1 = gm_child(m, "linear1", gm_nn_linear(dim, wide, .no_bias = a->no_bias, .dtype = a->dtype));
    self->inner_dropout = gm_child(m, "dropout", gm_nn_dropout(p));
    self->linear2 = gm_child(m, "linear2", gm_nn_linear(wide, dim, .no_bias = a->no_bias, .dtype = a->dtype));
    for (int i = 0; gm_ok() && i < 2 + cross; i++) {
        char norm[16], dropout[16];
        snprintf(norm, sizeof norm, "norm%d", i + 1);
        snprintf(dropout, sizeof dropout, "dropout%d", i + 1);
        self->norm[i] =
            gm_child(m, norm, gm_nn_layer_norm(GM_SHAPE(dim), .eps = a->eps, .no_bias = a->no_bias, .dtype = a->dtype));
        self->dropout[i] = gm_child(m, dropout, gm_nn_dropout(p));
    }
}

static bool transformer_take(const char *name, gm_nn_transformer_args *a, const gm_nn_transformer_args *args) {
    if (!gm_ok() || !gm__args_take(name, a, sizeof *a, args)) return false;
    if (a->feedforward < 0 || (a->dropout.set && !(a->dropout.v >= 0 && a->dropout.v < 1)))
        return gm_fail(GM_ERROR_VALUE, "%s: feedforward %lld, dropout %g", name, (long long)a->feedforward,
                       a->dropout.v);
    return true;
}

static gm_module *transformer_layer_new(const char *name, int64_t dim, int64_t heads,
                                        const gm_nn_transformer_args *args, bool cross) {
    gm_nn_transformer_args a = { 0 };
    if (!transformer_take(name, &a, args)) return NULL;
    gm_module_class c = { .size = sizeof c,
                          .name = name,
                          .state_bytes = sizeof(transformer_layer),
                          .forward = cross ? NULL : transformer_encoder_layer_forward,
                          .apply = transformer_layer_apply,
                          .takes = cross ? transformer_decoder_takes : transformer_encoder_takes };
    gm_module *m = gm_module_new_with(&c);
    transformer_children(m, dim, heads, &a, cross);
    return gm_ok() ? m : NULL;
}

gm_module *gm_nn_transformer_encoder_layer_with(int64_t dim, int64_t heads,
                                                const gm_nn_transformer_encoder_layer_args *args) {
    return transformer_layer_new("nn_transformer_encoder_layer", dim, heads, args, false);
}
gm_module *gm_nn_transformer_decoder_layer_with(int64_t dim, int64_t heads,
                                                const gm_nn_transformer_decoder_layer_args *args) {
    return transformer_layer_new("nn_transformer_decoder_layer", dim, heads, args, true);
}

/* ---- stacks ---- */

/* Every layer sees the same masks and memory; x is what the one before gave. */
static gm_tensor *transformer_stack_run(const transformer_stack *self, gm_pack *in, gm_tensor *x) {
    gm_pack *now = gm_pack_new();
    if (!self || !now || !gm_pack_set(now, "x", x)) return NULL;
    for (int64_t i = 1; in && i < gm_pack_count(in); i++) gm_pack_set(now, gm_pack_name(in, i), gm_pack_at(in, i));
    int64_t before = gm_where_push("layers");
    for (int64_t i = 0; gm_ok() && i < gm_n_children(self->layers); i++) {
        gm_pack *out = gm_apply(gm_child_at(self->layers, i), now);
        if (out) gm_pack_set(now, "x", gm_pack_at(out, 0));
    }
    gm_where_pop(before);
    x = gm_ok() ? gm_pack_at(now, 0) : NULL;
    return x && self->norm ? gm_forward(self->norm, x) : x;
}

static gm_tensor *transformer_stack_forward(gm_module *m, gm_tensor *x) {
    return transformer_stack_run(gm_state(m), NULL, x);
}

static gm_pack *transformer_stack_apply(gm_module *m, gm_pack *in) {
    return GM_PACK({ "y", transformer_stack_run(gm_state(m), in, gm_pack_at(in, 0)), NULL });
}

static gm_module *transformer_stack_new(const char *name, int32_t layers, int64_t dim, int64_t heads,
                                        const gm_nn_transformer_args *args, bool decoder) {
    gm_nn_transformer_args a = { 0 };
    if (!transformer_take(name, &a, args)) return NULL;
    if (layers < 1) return gm_fail(GM_ERROR_VALUE, "%s: %d layers", name, layers), NULL;
    gm_module_class c = { .size = sizeof c,
                          .name = name,
                          .state_bytes = sizeof(transformer_stack),
                          .forward = decoder ? NULL : transformer_stack_forward,
                          .apply = transformer_stack_apply,
                          .takes = decoder ? transformer_decoder_takes : transformer_encoder_takes };
    gm_module *m = gm_module_new_with(&c);
    transformer_stack *self = gm_state(m);
    if (!self) return NULL;
    self->layers = gm_child(m, "layers", gm_sequential_list((gm_module *const[]){ GM_END }));
    for (int32_t i = 0; gm_ok() && i < layers; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        gm_child(self->layers, number,
                 decoder ? gm_nn_transformer_decoder_layer_with(dim, heads, &a)
                         : gm_nn_transformer_encoder_layer_with(dim, heads, &a));
    }
    if (a.final_norm) self->norm = gm_child(m, "norm", gm_nn_layer_norm(GM_SHAPE(dim), .eps = a.eps, .dtype = a.dtype));
    return gm_ok() ? m : NULL;
}

gm_module *gm_nn_transformer_encoder_with(int32_t layers, int64_t dim, int64_t heads,
                                          const gm_nn_transformer_encoder_args *args) {
    return transformer_stack_new("nn_transformer_encoder", layers, dim, heads, args, false);
}
gm_module *gm_nn_transformer_decoder_with(int32_t layers, int64_t dim, int64_t heads,
                                          const gm_nn_transformer_decoder_args *args) {
    return transformer_stack_new("nn_transformer_decoder", layers, dim, heads, args, true);
}
