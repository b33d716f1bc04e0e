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

/* ---- convolution: the plan that common.h describes ---- */

enum { EXLAYER_BLOCK = 512, EXLAYER_SLACK = 64, EXLAYER_SUPER = 64 * 256 };

typedef struct {
    int64_t batch, groups, deep, wide, from[3], to[3], kernel[3], step[3], up[3], low[3], base[3], tap[3];
    int64_t src[5], w[5], w_group, dst[5];
    int64_t compact, cell[3], phase[3], channel, image, block, pitch, at_w, at_box, at_panel, at_part, at_total;
} exlayer_plan;

static int64_t exlayer_round(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static int64_t exlayer_product(const int64_t *n) { return n[0] * n[1] * n[2]; }

/* Sizes and strides of [n, c, ...] with three spatial dimensions. */
static void exlayer_view(const gm_tensor *t, int64_t *size, int64_t *stride) {
    if (size) size[0] = size[1] = size[2] = 1;
    for (int i = 0; i < 5; i++) {
        int d = i < 2 ? i : i - (5 - t->shape.n);
        bool there = i < 2 || d >= 2;
        if (size && i >= 2 && there) size[i - 2] = t->shape.d[d];
        stride[i] = there ? t->stride[d] : 0;
    }
}

/* data: src is the gradient of y, dst that of x; else src is x and dst y. w is [o, c, ...]. */
static void exlayer_problem(exlayer_plan *p, const gm__node *n, bool data, const gm_tensor *src, const gm_tensor *w,
                            const gm_tensor *dst) {
    int64_t rank = gm__export_i64(n, "n", 0), ws[5];
    *p = (exlayer_plan){ .batch = src->shape.d[0], .groups = gm__export_i64(n, "groups", 0), .at_total = -1 };
    p->deep = src->shape.d[1] / p->groups, p->wide = dst->shape.d[1] / p->groups;
    exlayer_view(src, p->from, p->src);
    exlayer_view(dst, p->to, p->dst);
    exlayer_view(w, p->kernel, ws);
    memcpy(p->w, ws, sizeof ws);
    p->w_group = (data ? p->deep : p->wide) * ws[0];
    if (data) p->w[0] = ws[1], p->w[1] = ws[0];
    for (int i = 0; i < 3; i++) {
        int j = i - (3 - (int)rank);
        int64_t stride = j < 0 ? 1 : gm__export_i64(n, "stride", j), pad = j < 0 ? 0 : gm__export_i64(n, "pad_lo", j);
        int64_t dilation = j < 0 ? 1 : gm__export_i64(n, "dilation", j), reach = (p->kernel[i] - 1) * dilation;
        p->step[i] = data ? 1 : stride, p->up[i] = data ? stride : 1, p->low[i] = data ? reach - pad : pad;
        p->base[i] = data ? reach : 0, p->tap[i] = data ? -dilation : dilation;
        p->phase[i] = p->step[i] < reach + 1 ? p->step[i] : reach + 1;
        p->cell[i] = p->to[i] + reach / p->step[i];
    }
}

/* Read where it is: no borders, no steps, and what lies behind it may be read. */
static bool exlayer_direct(const gm__export *x, const exlayer_plan *p, int32_t src) {
    const int64_t *s = p->src;
    for (int i = 0; i < 3; i++)
        if (p->step[i] != 1 || p->up[i] != 1 || p->low[i] || p->cell[i] != p->from[i]) return false;
    if (p->from[2] > 1 && s[4] != 1) return false;
    if ((p->from[1] > 1 && s[3] != p->cell[2]) || (p->from[0] > 1 && s[2] != p->cell[1] * p->cell[2])) return false;
    return x->root[src] < x->g->n_values && x->g->value[x->root[src]].kind == GM__VALUE_NODE;
}

/* The places of boxes; their elements. */
static int64_t exlayer_box(exlayer_plan *p, bool direct, bool all) {
    p->channel = exlayer_product(p->cell) * exlayer_product(p->phase), p->image = p->deep * p->channel;
    if (!direct) return p->image * (all ? p->batch : 1) + EXLAYER_SLACK;
    p->channel = p->src[1], p->image = p->src[0];
    return 0;
}

/* Gathered lanes cost a copy of what is read, those of the box the gaps in it. */
static bool exlayer_is_compact(const exlayer_plan *p) {
    int64_t lanes = p->batch * p->to[0] * exlayer_round((p->to[1] - 1) * p->cell[2] + p->to[2], 16);
    int64_t dense = exlayer_round(p->batch * exlayer_product(p->to), 16);
    return dense * (p->wide + 24) < lanes * p->wide;
}

static bool exlayer_plan_work(gm__export *x, exlayer_plan *p, int32_t src, bool in_order, bool wide) {
    int64_t len = exlayer_product(p->kernel) * p->deep, at = 0, lanes;
    bool direct = exlayer_direct(x, p, src);
    p->compact = exlayer_is_compact(p);
    lanes = p->compact ? p->batch * exlayer_product(p->to) : (p->to[1] - 1) * p->cell[2] + p->to[2];
    p->block = 65536 / p->wide / 32 * 32;
    if (p->block > EXLAYER_BLOCK >> p->compact) p->block = EXLAYER_BLOCK >> p->compact;
    if (p->block > exlayer_round(lanes, 32)) p->block = exlayer_round(lanes, 32);
    if (p->block < 64) p->block = lanes <= 32 ? 32 : 64;
    p->pitch = in_order ? p->w[0] : exlayer_round(len, 16) + (exlayer_round(len, 16) % 1024 ? 0 : 16);
    p->at_w = in_order ? -1 : at, at += in_order ? 0 : p->pitch * p->wide;
    int64_t box = exlayer_box(p, direct, p->compact);
    p->at_box = direct ? -1 : at, at += box;
    p->at_panel = at, at += p->compact ? 256 * (p->block + 16) : 0;
    p->at_part = at, at += p->wide * p->block;
    if (len > EXLAYER_SUPER) p->at_total = at, at += p->wide * p->block;
    if (x->work[wide] < at) x->work[wide] = at;
    if (x->places < len) x->places = len;
    return p->deep * p->channel < INT32_MAX / 2 || gm__export_refuse(x, "of this size");
}

static void exlayer_list(gm__builder *b, const char *begin, const int64_t *v, int n) {
    gm__builder_add(b, begin);
    for (int i = 0; i < n; i++) gm__builder_format(b, i ? ", %" P : "%" P, v[i]);
}

static void exlayer_write_plan(gm__builder *b, const exlayer_plan *p) {
    const int64_t sizes[4] = { p->batch, p->groups, p->deep, p->wide }, *const three[8] = {
        p->from, p->to, p->kernel, p->step, p->up, p->low, p->base, p->tap,
    };
    const int64_t tail[9] = { p->channel, p->image, p->block, p->pitch, p->at_w, p->at_box, p->at_panel, p->at_part,
                              p->at_total };
    exlayer_list(b, "{ ", sizes, 4);
    for (int i = 0; i < 8; i++) exlayer_list(b, i ? " }, { " : ", { ", three[i], 3);
    exlayer_list(b, " }, { ", p->src, 5);
    exlayer_list(b, " }, { ", p->w, 5);
    gm__builder_format(b, " }, %" P, p->w_group);
    exlayer_list(b, ", { ", p->dst, 5);
    gm__builder_format(b, " }, %" P, p->compact);
    exlayer_list(b, ", { ", p->cell, 3);
    exlayer_list(b, " }, { ", p->phase, 3);
    exlayer_list(b, " }, ", tail, 9);
    gm__builder_add(b, " }");
}

/* Products in order of (tap, c), neighbours in memory. */
static bool exlayer_in_order(const exlayer_plan *p) {
    int64_t next = 1;
    if (p->deep > 1 && p->w[1] != 1) return false;
    next *= p->deep;
    for (int i = 2; i >= 0; i--) {
        if (p->kernel[i] > 1 && p->w[2 + i] != next) return false;
        next *= p->kernel[i];
    }
    return true;
}

static bool exlayer_conv_weight(gm__export *x, const gm__node *n, const char *k) {
    const gm_tensor *a = x->t[n->in[0]], *g = x->t[n->in[1]], *y = x->t[n->out];
    char from[2][GM__EXPORT_NAME], to[GM__EXPORT_NAME];
    bool wide = y->dtype == GM_F64;
    exlayer_plan p;
    exlayer_problem(&p, n, false, a, y, g);
    int64_t lanes = exlayer_round(p.wide, 32), rows = exlayer_product(p.kernel) * p.deep, at[5] = { 0 };
    p.compact = 1, p.at_w = p.at_panel = p.at_part = -1;
    at[1] = exlayer_box(&p, false, true);
    at[2] = at[1] + 16 * (256 + 16);
    at[3] = at[2] + 256 * lanes;
    at[4] = p.batch * exlayer_product(p.to) > EXLAYER_SUPER ? at[3] + rows * lanes : -1;
    int64_t end = (at[4] < 0 ? at[3] : at[4]) + rows * lanes;
    if (x->work[wide] < end) x->work[wide] = end;
    if (x->places < rows) x->places = rows;
    if (p.deep * p.channel >= INT32_MAX / 2) return gm__export_refuse(x, "of this size");
    gm__builder_format(&x->once, "static const gm_conv_weight conv%d = { %" P, x->node, lanes);
    exlayer_list(&x->once, ", ", at, 5);
    gm__builder_add(&x->once, ", ");
    exlayer_write_plan(&x->once, &p);
    gm__builder_add(&x->once, " };\n");
    gm__export_line(x, "conv_weight_%s(&conv%d, %s, %s, work_%s, gm_places, %s);", k, x->node,
                    gm__export_at(x, n->in[0], from[0]), gm__export_at(x, n->in[1], from[1]), k,
                    gm__export_at(x, n->out, to));
    return true;
}

static bool exlayer_conv(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_DOT, GM__C99_CONV, -1 };
    const char *k = gm__export_kernel(x, n->out, texts), *op = n->op->name;
    const gm_tensor *y = x->t[n->out];
    int32_t bias = gm__export_in(n, 2);
    char in[3][GM__EXPORT_NAME] = { "NULL", "NULL", "NULL" }, out[GM__EXPORT_NAME];
    exlayer_plan p;
    if (!k || !gm_shape_count(y->shape)) return k != NULL;
    if (bias >= 0 && !gm_is_contiguous(x->t[bias])) return gm__export_refuse(x, "with a strided bias");
    if (!strcmp(op, "conv_weight_grad")) return exlayer_conv_weight(x, n, k);
    for (int i = 0; i < 3; i++)
        if (gm__export_in(n, i) >= 0) gm__export_at(x, n->in[i], in[i]);
    bool data = !strcmp(op, "conv_data_grad");
    exlayer_problem(&p, n, data, x->t[n->in[0]], x->t[n->in[1]], y);
    if (!exlayer_plan_work(x, &p, n->in[0], !data && exlayer_in_order(&p), y->dtype == GM_F64)) return false;
    gm__builder_format(&x->once, "static const gm_conv conv%d = ", x->node);
    exlayer_write_plan(&x->once, &p);
    gm__builder_add(&x->once, ";\n");
    gm__export_line(x, "conv_%s(&conv%d, %s, %s, %s, work_%s, gm_places, %s);", k, x->node, in[0], in[1], in[2], k,
                    gm__export_at(x, n->out, out));
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
