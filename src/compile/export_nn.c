/* export_nn.c: convolutions and pooling as calls of kernels, each with a table of its sizes. */
#include "../math/fp.h"
#include "export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define P PRId64

/* "{ a, b, c }": three spatial entries, `otherwise` where there are fewer dimensions. */
static void exlayer_three(gm__export *x, const gm__node *n, const char *name, int64_t rank, int64_t otherwise) {
    gm__builder_add(&x->once, ", {");
    for (int i = 0; i < 3; i++) {
        int j = i - (3 - (int)rank);
        gm__builder_format(&x->once, i ? ", %" P : " %" P, j < 0 ? otherwise : gm__export_i64(n, name, j));
    }
    gm__builder_add(&x->once, " }");
}

static void exlayer_sizes(gm__export *x, const gm_tensor *t) {
    gm__builder_add(&x->once, ", {");
    for (int i = 0; i < 3; i++) {
        int j = i - (5 - t->shape.n);
        gm__builder_format(&x->once, i ? ", %" P : " %" P, j < 0 ? (int64_t)1 : t->shape.d[2 + j]);
    }
    gm__builder_add(&x->once, " }");
}

static void exlayer_strides(gm__export *x, const gm_tensor *t) {
    gm__builder_format(&x->once, ", { %" P ", %" P, t->stride[0], t->stride[1]);
    for (int i = 0; i < 3; i++) {
        int j = i - (5 - t->shape.n);
        gm__builder_format(&x->once, ", %" P, j < 0 ? (int64_t)0 : t->stride[2 + j]);
    }
    gm__builder_add(&x->once, " }");
}

/* big: x or its gradient, small: y or its own, w: the weight or its gradient */
static void exlayer_conv_table(gm__export *x, const gm__node *n, const gm_tensor *big, const gm_tensor *small,
                             const gm_tensor *w) {
    int64_t rank = gm__export_i64(n, "n", 0);
    gm__builder_format(&x->once, "static const gm_conv conv%d = { %" P ", %" P ", %" P ", %" P, x->node,
                       big->shape.d[0], big->shape.d[1], small->shape.d[1], gm__export_i64(n, "groups", 0));
    exlayer_sizes(x, big);
    exlayer_sizes(x, small);
    exlayer_sizes(x, w);
    exlayer_three(x, n, "stride", rank, 1);
    exlayer_three(x, n, "dilation", rank, 1);
    exlayer_three(x, n, "pad_lo", rank, 0);
    exlayer_strides(x, big);
    exlayer_strides(x, w);
    exlayer_strides(x, small);
    gm__builder_add(&x->once, " };\n");
}

static bool exlayer_conv(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_DOT, GM__C99_CONV, -1 };
    const char *k = gm__export_kernel(x, n->out, texts), *op = n->op->name;
    const gm_tensor *a = x->t[n->in[0]], *b = x->t[n->in[1]], *y = x->t[n->out];
    int32_t bias = gm__export_in(n, 2);
    char in[3][GM__EXPORT_NAME] = { "NULL", "NULL", "NULL" }, out[GM__EXPORT_NAME];
    if (!k || !gm_shape_count(y->shape)) return k != NULL;
    if (bias >= 0 && !gm_is_contiguous(x->t[bias])) return gm__export_refuse(x, "with a strided bias");
    for (int i = 0; i < 3; i++)
        if (gm__export_in(n, i) >= 0) gm__export_at(x, n->in[i], in[i]);
    gm__export_at(x, n->out, out);
    if (!strcmp(op, "conv_weight_grad")) {
        exlayer_conv_table(x, n, a, b, y);
        gm__export_line(x, "conv_weight_%s(&conv%d, %s, %s, %s);", k, x->node, in[0], in[1], out);
        return true;
    }
    bool data = !strcmp(op, "conv_data_grad");
    exlayer_conv_table(x, n, data ? y : a, data ? a : y, b);
    gm__export_line(x, "conv_%s(&conv%d, %d, %s, %s, %s, %s);", k, x->node, data, in[0], in[1], in[2], out);
    return true;
}

/* z: what is picked from or added to, in the picture's shape */
static void exlayer_pool_table(gm__export *x, const gm__node *n, const gm_tensor *big, const gm_tensor *small,
                             const gm_tensor *z) {
    int64_t rank = gm__export_i64(n, "n", 0), adaptive = gm__export_i64(n, "adaptive", 0);
    gm__builder_format(&x->once, "static const gm_pool pool%d = { %" P ", %" P ", %" P ", %" P ", %" P, x->node,
                       big->shape.d[0], big->shape.d[1], adaptive, gm__export_i64(n, "exclude_padding", 0),
                       gm__export_i64(n, "divisor", 0));
    exlayer_sizes(x, big);
    exlayer_sizes(x, small);
    int64_t used = adaptive ? 0 : rank;
    exlayer_three(x, n, "kernel", used, 1);
    exlayer_three(x, n, "stride", used, 1);
    exlayer_three(x, n, "dilation", used, 1);
    exlayer_three(x, n, "pad_lo", used, 0);
    exlayer_three(x, n, "pad_hi", used, 0);
    exlayer_strides(x, big);
    exlayer_strides(x, small);
    exlayer_strides(x, z);
    gm__builder_add(&x->once, " };\n");
}

static void exlayer_zero(gm__export *x, int32_t v) {
    char at[GM__EXPORT_NAME];
    const gm_tensor *t = x->t[v];
    gm__export_line(x, "for (int64_t i = 0; i < %" P "; i++) (%s)[i] = 0;", gm_shape_count(t->shape),
                    gm__export_at(x, v, at));
}

static bool exlayer_pool(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_POOL, -1 };
    const char *op = n->op->name, *k = gm__export_kernel(x, n->in[0], texts);
    const gm_tensor *a = x->t[n->in[0]], *b = n->n_in > 1 ? x->t[n->in[1]] : NULL, *y = x->t[n->out];
    char in[2][GM__EXPORT_NAME] = { "NULL", "NULL" }, out[GM__EXPORT_NAME];
    if (!k || !gm_shape_count(y->shape)) return k != NULL;
    for (int i = 0; i < n->n_in; i++) gm__export_at(x, n->in[i], in[i]);
    gm__export_at(x, n->out, out);
    if (!strcmp(op, "avg_pool_grad") || !strcmp(op, "max_pool_grad")) {
        bool max = *op == 'm';
        exlayer_pool_table(x, n, max ? b : y, a, y);
        exlayer_zero(x, n->out);
        gm__export_line(x, "pool_%s(&pool%d, %d, %s, %s, %s, NULL);", k, x->node, max ? 3 : 4, in[1], in[0], out);
    } else if (!strcmp(op, "max_pool_pick")) {
        exlayer_pool_table(x, n, b, y, a);
        gm__export_line(x, "pool_%s(&pool%d, 2, %s, %s, %s, NULL);", k, x->node, in[1], in[0], out);
    } else {
        bool index = !strcmp(op, "max_pool_index");
        exlayer_pool_table(x, n, a, y, a);
        gm__export_line(x, "pool_%s(&pool%d, %d, %s, NULL, %s, %s);", k, x->node, *op == 'a', in[0],
                        index ? "NULL" : out, index ? out : "NULL");
    }
    return true;
}

static const struct { const char *name; bool (*write)(gm__export *x, const gm__node *n); } exlayer_writers[] = {
    { "conv", exlayer_conv }, { "conv_data_grad", exlayer_conv }, { "conv_weight_grad", exlayer_conv },
    { "max_pool", exlayer_pool }, { "max_pool_index", exlayer_pool }, { "max_pool_grad", exlayer_pool },
    { "max_pool_pick", exlayer_pool }, { "avg_pool", exlayer_pool }, { "avg_pool_grad", exlayer_pool },
};

bool gm__export_layers(gm__export *x, const gm__node *n, bool *done) {
    *done = true;
    for (size_t i = 0; i < sizeof exlayer_writers / sizeof *exlayer_writers; i++)
        if (!strcmp(exlayer_writers[i].name, n->op->name)) return exlayer_writers[i].write(x, n);
    *done = false;
    return true;
}
#undef P
