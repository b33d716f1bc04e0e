/* vit.c: vision transformers (Dosovitskiy et al. 2021, "An image is worth 16x16 words"), named and initialised as
 * timm's: patches become tokens, a learned token stands before them, positions are added; blocks of attention and a
 * small net, each behind a norm and inside a sum; the first token, normed, gives the classes. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/ops.h"
#include "zoo.h"

#include <stdio.h>

typedef struct { gm_module *qkv, *proj; int64_t heads; } vit_attention;
typedef struct { gm_module *norm1, *attn, *norm2, *mlp; } vit_block;
typedef struct { gm_module *patch_embed, *blocks, *norm, *head; gm_tensor *cls_token, *pos_embed; } vit_state;

/* What makes the sizes. */
typedef struct { const char *name; int64_t dim, heads; } vit_size;

/* ---- running ---- */

/* Part `i` of q, k, v: [B, T, 3 dim] -> [B, heads, T, dim / heads]. */
static gm_tensor *vit_part(gm_tensor *qkv, int i, int64_t heads) {
    gm_shape s = gm_shape_of(qkv);
    int64_t dim = s.d[2] / 3;
    gm_tensor *part = gm_narrow(qkv, 2, i * dim, dim);
    return gm_transpose(gm_reshape(part, GM_SHAPE(s.d[0], s.d[1], heads, dim / heads)), 1, 2);
}

static gm_tensor *vit_attention_forward(gm_module *m, gm_tensor *x) {
    const vit_attention *self = gm_state(m);
    gm_tensor *all = self ? gm_forward(self->qkv, x) : NULL;
    if (!all) return NULL;
    gm_tensor *q = vit_part(all, 0, self->heads), *k = vit_part(all, 1, self->heads),
              *v = vit_part(all, 2, self->heads);
    gm_tensor *y = gm_transpose(gm_scaled_dot_product_attention(q, k, v), 1, 2);
    return gm_forward(self->proj, gm_flatten_dims(y, 2, 3));
}

static gm_tensor *vit_block_forward(gm_module *m, gm_tensor *x) {
    const vit_block *self = gm_state(m);
    if (!self) return NULL;
    x = gm_add(x, gm_forward(self->attn, gm_forward(self->norm1, x)));
    return gm_add(x, gm_forward(self->mlp, gm_forward(self->norm2, x)));
}

static bool vit_check(const vit_state *self, gm_tensor *tokens, gm_tensor *x) {
    char text[200];
    int64_t have = gm_size(tokens, 1) + 1, want = gm_size(self->pos_embed, 1);
    if (!gm_ok() || have == want) return gm_ok();
    return gm_fail(GM_ERROR_SHAPE, "vit: images %s have %lld patches, the net was made for %lld",
                   gm_shape_text(gm_shape_of(x), text, sizeof text), (long long)have - 1, (long long)want - 1);
}

static gm_tensor *vit_state_forward(gm_module *m, gm_tensor *x) {
    const vit_state *self = gm_state(m);
    if (!self) return NULL;
    gm_tensor *t = gm_transpose(gm_flatten_dims(gm_forward(self->patch_embed, x), 2, 3), 1, 2);
    if (!t || !vit_check(self, t, x)) return NULL;
    gm_tensor *first = gm_expand(self->cls_token, GM_SHAPE(gm_size(t, 0), 1, gm_size(t, 2)));
    t = gm_add(gm_concat((gm_tensor *[]){ first, t }, 2, 1), self->pos_embed);
    t = gm_forward(self->norm, gm_forward(self->blocks, t));
    return gm_forward(self->head, gm_select(t, 1, 0));
}

/* ---- making ---- */

static gm_module *vit_linear(int64_t in, int64_t out) {
    gm_module *m = gm_nn_linear(in, out);
    gm_init_parameters(m, "weight", GM_INIT_TRUNCATED_NORMAL, 0, 0.02);
    gm_init_parameters(m, "bias", GM_INIT_CONSTANT, 0, 0);
    return m;
}

static gm_module *vit_norm(int64_t dim) { return gm_nn_layer_norm(GM_SHAPE(dim), .eps = GM_REAL(1e-6)); }

static gm_module *vit_attention_new(int64_t dim, int64_t heads) {
    gm_module *m = gm_module_new(vit_attention);
    vit_attention *self = gm_state(m);
    if (!self) return NULL;
    self->heads = heads;
    self->qkv = gm_child(m, "qkv", vit_linear(dim, 3 * dim));
    self->proj = gm_child(m, "proj", vit_linear(dim, dim));
    return m;
}

static gm_module *vit_mlp(int64_t dim) {
    gm_module *m = gm_sequential_list((gm_module *const[]){ GM_END });
    gm_child(m, "fc1", vit_linear(dim, 4 * dim));
    gm_child(m, "act", gm_nn_gelu());
    gm_child(m, "fc2", vit_linear(4 * dim, dim));
    return m;
}

static gm_module *vit_block_new(int64_t dim, int64_t heads) {
    gm_module *m = gm_module_new(vit_block);
    vit_block *self = gm_state(m);
    if (!self) return NULL;
    self->norm1 = gm_child(m, "norm1", vit_norm(dim));
    self->attn = gm_child(m, "attn", vit_attention_new(dim, heads));
    self->norm2 = gm_child(m, "norm2", vit_norm(dim));
    self->mlp = gm_child(m, "mlp", vit_mlp(dim));
    return m;
}

static bool vit_take(const vit_size *size, gm_vit_args *a, const gm_vit_args *args) {
    if (!gm_ok() || !gm__args_take(size->name, a, sizeof *a, args)) return false;
    if (!a->classes) a->classes = 1000;
    if (!a->channels) a->channels = 3;
    if (!a->height) a->height = 224;
    if (!a->width) a->width = 224;
    if (!a->patch) a->patch = 16;
    if (!a->depth) a->depth = 12;
    if (a->classes > 0 && a->channels > 0 && a->patch > 0 && a->depth > 0 && a->height > 0 && a->width > 0 &&
        a->height % a->patch == 0 && a->width % a->patch == 0)
        return true;
    return gm_fail(GM_ERROR_VALUE,
                   "%s: %lld classes, %d blocks, images [%lld, %lld, %lld] in patches of %d, which have to fit",
                   size->name, (long long)a->classes, a->depth, (long long)a->channels, (long long)a->height,
                   (long long)a->width, a->patch);
}

static gm_module *vit_new(const vit_size *size, const gm_vit_args *args) {
    gm_vit_args a = { 0 };
    if (!vit_take(size, &a, args)) return NULL;
    gm_module_class c = {
        .size = sizeof c, .name = size->name, .state_bytes = sizeof(vit_state), .forward = vit_state_forward
    };
    gm_module *m = gm_module_new_with(&c);
    vit_state *self = gm_state(m);
    if (!self) return NULL;
    int64_t dim = size->dim, patches = a.height / a.patch * (a.width / a.patch);
    self->cls_token = gm_param_init(m, "cls_token", GM_SHAPE(1, 1, dim), GM_F32, GM_INIT_NORMAL, 0, 1e-6);
    self->pos_embed =
        gm_param_init(m, "pos_embed", GM_SHAPE(1, patches + 1, dim), GM_F32, GM_INIT_TRUNCATED_NORMAL, 0, 0.02);
    gm_module *proj = gm_nn_conv2d(a.channels, dim, .kernel = a.patch, .stride = a.patch);
    self->patch_embed = gm_child(m, "patch_embed", gm_sequential_list((gm_module *const[]){ GM_END }));
    gm_child(self->patch_embed, "proj", proj);
    self->blocks = gm_child(m, "blocks", gm_sequential_list((gm_module *const[]){ GM_END }));
    for (int i = 0; gm_ok() && i < a.depth; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        gm_child(self->blocks, number, vit_block_new(dim, size->heads));
    }
    self->norm = gm_child(m, "norm", vit_norm(dim));
    self->head = gm_child(m, "head", vit_linear(dim, a.classes));
    return gm_ok() ? m : NULL;
}

gm_module *gm_vit_tiny_with(const gm_vit_args *args) { return vit_new(&(vit_size){ "vit_tiny", 192, 3 }, args); }
gm_module *gm_vit_small_with(const gm_vit_args *args) { return vit_new(&(vit_size){ "vit_small", 384, 6 }, args); }
gm_module *gm_vit_base_with(const gm_vit_args *args) { return vit_new(&(vit_size){ "vit_base", 768, 12 }, args); }

/* Patches in proportion to the picture: 4 below 64 pixels, 8 below 128, else 16. The convolution leaves out what is too
 * little for a patch at the right and at the bottom. */
gm_module *gm__zoo_vit_tiny(gm_shape input, int64_t classes) {
    if (!gm__zoo_is_image("vit_tiny", input, 8)) return NULL;
    int64_t side = input.d[1] < input.d[2] ? input.d[1] : input.d[2];
    int32_t patch = side < 64 ? 4 : side < 128 ? 8 : 16;
    return gm_vit_tiny(.classes = classes, .channels = input.d[0], .height = input.d[1] / patch * patch,
                       .width = input.d[2] / patch * patch, .patch = patch);
}
