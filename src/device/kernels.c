/* kernels.c: which nodes have a kernel, and how it is run. The texts are in text/. */
#include "../math/fp.h"
#include "kernels.h"
#include "kernels.inc"
#include "../compile/export.h"
#include "../compile/fuse.h"

#include <stdio.h>
#include <string.h>

enum { KERNELS_REDUCE, KERNELS_MATMUL, KERNELS_SOFTMAX, KERNELS_CONV }; /* the order in tools/generate.sh */
enum { KERNELS_GROUP = 64, KERNELS_LANES = 32, KERNELS_TILE = 16 };

/* ---- filling in a run ---- */

static void kernels_number(gm__run *r, int64_t n) {
    if (r->n_numbers < GM__RUN_NUMBERS) r->number[r->n_numbers] = n;
    r->n_numbers++;
}

static void kernels_operand(gm__run *r, int32_t v) { r->operand[r->n_operands++] = v; }

/* A value as the operand of a kernel that has it as a parameter and its place as a number. */
static void kernels_placed(gm__run *r, const int64_t *place, int32_t v) {
    kernels_operand(r, v);
    kernels_number(r, place[v]);
}

static void kernels_spread(gm__run *r, int64_t items, int64_t rows, int64_t size) {
    r->groups[0] = (items + size - 1) / size, r->size[0] = size;
    r->groups[1] = rows, r->size[1] = 1;
}

/* The kernel of the value's type; false if there is none. */
static bool kernels_named(gm__run *r, const gm__target *target, int text, const char *name, gm_dtype dtype) {
    if (dtype != GM_F32 && !(dtype == GM_F64 && target->doubles)) return false;
    snprintf(r->name, sizeof r->name, "%s_%s", name, dtype == GM_F64 ? "f64" : "f32");
    r->text = text, r->wide = dtype == GM_F64;
    return true;
}

static int64_t kernels_size(const gm__value *v, int back) {
    return v->shape.n < back ? 1 : v->shape.d[v->shape.n - back];
}
static int64_t kernels_step(const gm__value *v, int back) {
    return v->shape.n < back || v->shape.d[v->shape.n - back] == 1 ? 0 : v->stride[v->shape.n - back];
}

static bool kernels_dense(const gm__value *v) {
    int64_t step = 1;
    for (int d = v->shape.n - 1; d >= 0; d--) {
        if (v->shape.d[d] != 1 && v->stride[d] != step) return false;
        step *= v->shape.d[d];
    }
    return true;
}

/* ---- loops ---- */

static bool kernels_fused(const gm__fused *x, const gm__node *n, const int64_t *place, gm__run *r) {
    int32_t operands = x->n_out + x->n_in;
    r->text = -1;
    snprintf(r->name, sizeof r->name, "%s", x->name);
    for (int32_t k = 0; k < operands; k++) kernels_operand(r, k < x->n_out ? n->out + k : n->in[k - x->n_out]);
    for (int32_t d = 0; d < x->n; d++) kernels_number(r, x->size[d]);
    for (int32_t i = 0; i < operands * x->n; i++) kernels_number(r, x->stride[i]);
    for (int32_t k = 0; k < operands; k++) kernels_number(r, place[r->operand[k]]);
    int64_t rows = 1;
    for (int32_t d = 0; d + 1 < x->n; d++) rows *= x->size[d];
    kernels_spread(r, x->size[x->n - 1], rows, KERNELS_GROUP);
    return true;
}

/* ---- a node ---- */

typedef struct {
    const gm__target *target;
    const gm_graph *g;
    const gm__node *n;
    const int64_t *place;
    const gm__value *in[3], *out; /* of the first inputs, NULL where there is none */
} kernels_node;

static bool kernels_of(const kernels_node *k, gm__run *r, int text, const char *name) {
    return kernels_named(r, k->target, text, name, k->in[0]->dtype);
}

/* ---- reductions ---- */

/* The dimensions of v in `mask` (or, !in, not in it), without sizes of 1: how many; and their sizes, then strides. */
static int64_t kernels_dims(const gm__value *v, int64_t mask, bool in, gm__run *r) {
    int64_t n = 0;
    for (int stride = 0; stride < (r ? 2 : 1); stride++)
        for (int d = 0; d < v->shape.n; d++) {
            if (v->shape.d[d] == 1 || (mask >> d & 1) != in) continue;
            if (r) kernels_number(r, stride ? v->stride[d] : v->shape.d[d]);
            else n++;
        }
    return n;
}

/* What all reductions have in common: x's dimensions in `mask`, n[5] as given. */
static bool kernels_reduction(const kernels_node *k, gm__run *r, int64_t mask, int64_t fifth) {
    const gm__value *x = k->in[0];
    int64_t count = 1, results = gm_shape_count(k->out->shape);
    for (int d = 0; d < x->shape.n; d++)
        if (mask >> d & 1) count *= x->shape.d[d];
    if (!kernels_dense(k->out)) return false;
    kernels_placed(r, k->place, k->n->out);
    kernels_placed(r, k->place, k->n->in[0]);
    kernels_number(r, kernels_dims(x, mask, false, NULL));
    kernels_number(r, kernels_dims(x, mask, true, NULL));
    kernels_number(r, count);
    kernels_number(r, fifth < 0 ? count : fifth);
    kernels_number(r, results);
    kernels_dims(x, mask, false, r);
    kernels_dims(x, mask, true, r);
    kernels_spread(r, results, 1, KERNELS_GROUP);
    return true;
}

/* In lanes where the last dimension is among the reduced ones; a mean is divided by -1, which says: by the count. */
static bool kernels_sum(const kernels_node *k, gm__run *r) {
    const gm__value *x = k->in[0];
    int64_t mask = gm__export_i64(k->n, "dims", 0);
    int last = x->shape.n - 1;
    while (last >= 0 && x->shape.d[last] == 1) last--;
    bool lanes = last < 0 || mask >> last & 1;
    if (!kernels_of(k, r, KERNELS_REDUCE, lanes ? "sum_lanes" : "sum_chain")) return false;
    if (!gm_shape_count(x->shape) || !kernels_reduction(k, r, mask, strcmp(k->n->op->name, "mean") ? 0 : -1))
        return false; /* sums of nothing are left to the CPU */
    if (lanes) r->groups[0] = gm_shape_count(k->out->shape), r->size[0] = KERNELS_LANES;
    return true;
}

static bool kernels_extreme(const kernels_node *k, gm__run *r) {
    const char *name = strcmp(k->n->op->name, "max") ? "smallest" : "largest";
    return kernels_of(k, r, KERNELS_REDUCE, name) && gm_shape_count(k->in[0]->shape) &&
           kernels_reduction(k, r, gm__export_i64(k->n, "dims", 0), 0);
}

static bool kernels_arg(const kernels_node *k, gm__run *r) {
    return kernels_of(k, r, KERNELS_REDUCE, "where_best") && gm_shape_count(k->in[0]->shape) &&
           kernels_reduction(k, r, (int64_t)1 << (k->in[0]->shape.n - 1), strcmp(k->n->op->name, "argmax") != 0);
}

/* ---- products ---- */

typedef struct { int64_t m, n, k, a[2], b[2], c; int64_t products; } kernels_product;

static void kernels_tiles(const kernels_node *k, gm__run *r, const kernels_product *p) {
    bool bias = k->n->n_in > 2 && k->n->in[2] >= 0;
    const int32_t operand[] = { k->n->out, k->n->in[0], k->n->in[1], bias ? k->n->in[2] : k->n->out };
    for (int i = 0; i < 4; i++) kernels_placed(r, k->place, operand[i]);
    const int64_t number[] = { p->m, p->n, p->k, p->a[0], p->a[1], p->b[0], p->b[1], p->c, bias };
    for (int i = 0; i < 9; i++) kernels_number(r, number[i]);
    r->groups[0] = (p->n + KERNELS_TILE - 1) / KERNELS_TILE, r->size[0] = KERNELS_TILE;
    r->groups[1] = (p->m + KERNELS_TILE - 1) / KERNELS_TILE * p->products, r->size[1] = KERNELS_TILE;
}

/* The dimensions before the last two are products of their own; those of size 1 are the same for all. */
static bool kernels_matmul(const kernels_node *k, gm__run *r) {
    const gm__value *a = k->in[0], *b = k->in[1], *c = k->out;
    int dims = c->shape.n - 2;
    if (a->shape.n < 2 || b->shape.n < 2 || !kernels_of(k, r, KERNELS_MATMUL, "matmul") || !kernels_dense(c) ||
        a->dtype != b->dtype || a->dtype != c->dtype)
        return false;
    kernels_product p = { kernels_size(a, 2), kernels_size(b, 1), kernels_size(a, 1),
                          { kernels_step(a, 2), kernels_step(a, 1) }, { kernels_step(b, 2), kernels_step(b, 1) },
                          kernels_size(b, 1), 1 };
    for (int d = 0; d < dims; d++) p.products *= c->shape.d[d];
    kernels_tiles(k, r, &p);
    kernels_number(r, dims);
    for (int d = 0; d < dims; d++) kernels_number(r, c->shape.d[d]);
    for (int i = 0; i < 3; i++)
        for (int d = 0; d < dims; d++) kernels_number(r, kernels_step(i == 0 ? c : i == 1 ? a : b, c->shape.n - d));
    return true;
}

static bool kernels_linear(const kernels_node *k, gm__run *r) {
    const gm__value *x = k->in[0], *w = k->in[1], *bias = k->in[2];
    bool flat = x->shape.n == 2 || kernels_dense(x);
    if (!flat || !kernels_of(k, r, KERNELS_MATMUL, "matmul") || !kernels_dense(k->out) || w->dtype != x->dtype ||
        k->out->dtype != x->dtype || (bias && (bias->dtype != x->dtype || !kernels_dense(bias))))
        return false;
    int64_t out = w->shape.d[0], rows = out ? gm_shape_count(k->out->shape) / out : 0;
    kernels_product p = { rows, out, w->shape.d[1],
                          { x->shape.n == 2 ? kernels_step(x, 2) : w->shape.d[1], kernels_step(x, 1) },
                          { kernels_step(w, 1), kernels_step(w, 2) }, out, 1 };
    kernels_tiles(k, r, &p);
    kernels_number(r, 0);
    return true;
}

/* ---- softmax ---- */

static bool kernels_softmax(const kernels_node *k, gm__run *r) {
    const gm__value *x = k->in[0];
    int64_t dim = gm__export_i64(k->n, "dim", 0), count = dim < x->shape.n ? x->shape.d[dim] : 1;
    for (int64_t d = dim + 1; d < x->shape.n; d++)
        if (x->shape.d[d] != 1) return false;
    if (!count || !kernels_of(k, r, KERNELS_SOFTMAX, "softmax") || !kernels_dense(x) || !kernels_dense(k->out))
        return false;
    kernels_placed(r, k->place, k->n->out);
    kernels_placed(r, k->place, k->n->in[0]);
    kernels_number(r, count);
    kernels_number(r, !strcmp(k->n->op->name, "log_softmax"));
    kernels_spread(r, gm_shape_count(x->shape) / count * KERNELS_LANES, 1, KERNELS_LANES);
    return true;
}

/* ---- windows ---- */

/* Dimension i of (n, c, d, h, w): a size or stride of a value with fewer, or `otherwise`. */
static int64_t kernels_of_five(const gm__value *v, const int64_t *list, int i, int64_t otherwise) {
    int own = i < 2 ? i : i - (5 - v->shape.n);
    return i < 2 || own >= 2 ? list[own] : otherwise;
}

static void kernels_three(const kernels_node *k, gm__run *r, const char *name, int64_t otherwise) {
    int rank = (int)gm__export_i64(k->n, "n", 0);
    for (int i = 3 - rank; i-- > 0;) kernels_number(r, otherwise);
    for (int i = 0; i < rank; i++) kernels_number(r, gm__export_i64(k->n, name, i));
}

/* The numbers of both kernels behind the places; w: NULL for pooling, whose window is an attribute. */
static void kernels_window(const kernels_node *k, gm__run *r, const gm__value *w) {
    const gm__value *x = k->in[0], *y = k->out;
    int64_t groups = w ? gm__export_i64(k->n, "groups", 0) : 1, results = gm_shape_count(y->shape);
    kernels_number(r, results);
    kernels_number(r, x->shape.d[1] / groups);
    kernels_number(r, y->shape.d[1] / groups);
    kernels_number(r, groups);
    for (int i = 0; i < 5; i++) kernels_number(r, kernels_of_five(y, y->shape.d, i, 1));
    for (int i = 2; i < 5; i++) kernels_number(r, kernels_of_five(x, x->shape.d, i, 1));
    if (!w) kernels_three(k, r, "kernel", 1);
    for (int i = 2; w && i < 5; i++) kernels_number(r, kernels_of_five(w, w->shape.d, i, 1));
    kernels_three(k, r, "stride", 1);
    kernels_three(k, r, "dilation", 1);
    kernels_three(k, r, "pad_lo", 0);
    for (int i = 0; i < 5; i++) kernels_number(r, kernels_of_five(y, y->stride, i, 0));
    for (int i = 0; i < 5; i++) kernels_number(r, kernels_of_five(x, x->stride, i, 0));
    for (int i = 0; w && i < 5; i++) kernels_number(r, kernels_of_five(w, w->stride, i, 0));
    kernels_spread(r, results, 1, KERNELS_GROUP);
}

static bool kernels_conv(const kernels_node *k, gm__run *r) {
    const gm__value *x = k->in[0], *w = k->in[1], *bias = k->in[2];
    if (!kernels_of(k, r, KERNELS_CONV, "conv") || w->dtype != x->dtype || k->out->dtype != x->dtype ||
        (bias && (bias->dtype != x->dtype || !kernels_dense(bias))))
        return false;
    const int32_t operand[] = { k->n->out, k->n->in[0], k->n->in[1], bias ? k->n->in[2] : k->n->out };
    for (int i = 0; i < 4; i++) kernels_placed(r, k->place, operand[i]);
    kernels_window(k, r, w);
    kernels_number(r, bias != NULL);
    return true;
}

static bool kernels_max_pool(const kernels_node *k, gm__run *r) {
    if (gm__export_i64(k->n, "adaptive", 0) || !kernels_of(k, r, KERNELS_CONV, "max_pool")) return false;
    kernels_placed(r, k->place, k->n->out);
    kernels_placed(r, k->place, k->n->in[0]);
    kernels_number(r, 0);
    kernels_number(r, 0);
    kernels_window(k, r, NULL);
    return true;
}

/* ---- the table ---- */

static const struct { const char *op; bool (*run)(const kernels_node *k, gm__run *r); } kernels_table[] = {
    { "sum", kernels_sum }, { "mean", kernels_sum }, { "max", kernels_extreme }, { "min", kernels_extreme },
    { "argmax", kernels_arg }, { "argmin", kernels_arg }, { "matmul", kernels_matmul }, { "linear", kernels_linear },
    { "softmax", kernels_softmax }, { "log_softmax", kernels_softmax }, { "conv", kernels_conv },
    { "max_pool", kernels_max_pool },
};


bool gm__device_run(const gm__target *target, const gm_graph *g, const gm__node *n, const int64_t *place, gm__run *r) {
    if (gm__fused_of(n)) return kernels_fused(gm__fused_of(n), n, place, r);
    kernels_node k = { .target = target, .g = g, .n = n, .place = place, .out = &g->value[n->out] };
    for (int i = 0; i < 3 && i < n->n_in; i++) k.in[i] = n->in[i] < 0 ? NULL : &g->value[n->in[i]];
    for (size_t i = 0; i < sizeof kernels_table / sizeof *kernels_table; i++)
        if (!strcmp(kernels_table[i].op, n->op->name))
            return kernels_table[i].run(&k, r) && r->n_numbers <= GM__RUN_NUMBERS;
    return false;
}

/* ---- texts ---- */

void gm__device_texts(gm__builder *t, bool used[GM__KERNEL_TEXTS][2]) {
    for (int wide = 0; wide < 2; wide++) {
        const char *suffix = wide ? "f64" : "f32";
        bool any = false;
        for (int i = 0; i < GM__KERNEL_TEXTS; i++) any |= used[i][wide];
        if (!any) continue;
        gm__builder_format(t, "#undef T\n#undef M\n#undef K\n#undef FMA\n#define T %s\n", wide ? "double" : "float");
        gm__builder_format(t, "#define M(f) f##_%s\n#define K(f) f##_%s\n", suffix, suffix);
        gm__builder_format(t, "#define FMA(a, b, c) %s(a, b, c)\n", wide ? "gm_fmad" : "gm_fma");
        for (int i = 0; i < GM__KERNEL_TEXTS; i++)
            if (used[i][wide]) gm__builder_add(t, kernels_text[i]);
    }
}
