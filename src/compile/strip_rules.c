/* strip_rules.c: which operations act on each entry of a batch alone, so that a part of the batch gives that part of
 * the results, bit for bit. The batch is the first dimension of all results. */
#include "../math/fp.h"
#include "fuse.h"
#include "strip.h"
#include "../ops/ops.h"

#include <string.h>

/* cut: the inputs that have the batch; others are used whole. */
typedef struct { const char *op; uint32_t cut; } strip_rule;

static const strip_rule strip_rules[] = {
    { "cast", 1 },         { "layout", 1 },           { "softmax", 1 },     { "log_softmax", 1 },
    { "softmax_grad", 3 }, { "log_softmax_grad", 3 }, { "softmax_nll", 3 }, { "layer_norm", 1 },
    { "rms_norm", 1 },     { "group_norm", 1 },       { "conv", 1 },        { "conv_data_grad", 1 },
    { "linear", 1 },       { "max_pool", 1 },         { "max_pool_grad", 3 }, { "avg_pool", 1 },
    { "avg_pool_grad", 1 }, { "attention", 7 },       { "attention_grad", 127 }, { "sum", 1 },
    { "mean", 1 },         { "prod", 1 },             { "max", 1 },         { "min", 1 },
    { "var", 1 },          { "unslice", 1 },          { "pad", 1 },         { "resize", 1 },
    { "resize_grad", 1 },  { "cumsum", 1 },           { "cumprod", 1 },     { "batch_norm", 1 },
    { "batch_norm_back", 3 },
};

static const void *strip_attr(const gm__node *n, const char *name) {
    for (const gm_attr *a = n->op->attrs; n->attrs && a && a->name; a++)
        if (!strcmp(a->name, name)) return (const char *)n->attrs + a->offset;
    return NULL;
}

/* Attributes that speak of dimensions do not speak of the first. */
static bool strip_spares_first(const gm__node *n) {
    const int64_t *dim = strip_attr(n, "dim"), *dims = strip_attr(n, "dims"), *order = strip_attr(n, "order");
    const gm_shape *low = strip_attr(n, "low"), *high = strip_attr(n, "high");
    if (dim && *dim < 1) return false;
    if (dims && (*dims & 1 || !*dims)) return false;
    if (low && (low->d[0] || high->d[0])) return false;
    return !order || !order[0];
}

static bool strip_has_batch(const gm_graph *g, int32_t v, int rank, int64_t batch) {
    return v >= 0 && g->value[v].shape.n == rank && g->value[v].shape.d[0] == batch;
}

/* Operands that are repeated along the batch are whole. */
static bool strip_cut_elementwise(const gm_graph *g, const gm__node *n, uint64_t *cut) {
    const gm_shape *s = &g->value[n->out].shape;
    *cut = 0;
    for (int i = 0; i < n->n_in && i < 64; i++)
        if (strip_has_batch(g, n->in[i], s->n, s->d[0])) *cut |= (uint64_t)1 << i;
    return n->n_in <= 64;
}

/* [.., m, k] x [.., k, n]: rows of a lone matrix are a batch, too. */
static bool strip_cut_matmul(const gm_graph *g, const gm__node *n, uint64_t *cut) {
    const gm_shape *s = &g->value[n->out].shape, *b = &g->value[n->in[1]].shape;
    if (g->value[n->in[0]].shape.n < 2 || b->n < 2) return false;
    *cut = strip_has_batch(g, n->in[0], s->n, s->d[0]);
    if (b->n > 2 && strip_has_batch(g, n->in[1], s->n, s->d[0])) *cut |= 2;
    return *cut;
}

/* With the statistics given: nothing is taken from the batch. */
static bool strip_is_pure(const gm__node *n) {
    if (!strcmp(n->op->name, "batch_norm")) return n->n_in == 5 && n->in[3] >= 0 && n->in[4] >= 0;
    if (!strcmp(n->op->name, "attention")) return n->n_in < 4 || n->in[3] < 0;
    if (!strcmp(n->op->name, "attention_grad")) return n->n_in < 8 || n->in[7] < 0;
    return strcmp(n->op->name, "softmax_nll") || n->n_in == 2;
}

static bool strip_cut_listed(const gm_graph *g, const gm__node *n, uint64_t *cut) {
    int64_t batch = g->value[n->out].shape.d[0];
    for (size_t i = 0; i < sizeof strip_rules / sizeof *strip_rules; i++) {
        if (strcmp(strip_rules[i].op, n->op->name)) continue;
        *cut = strip_rules[i].cut;
        for (int k = 0; k < n->n_in && k < 64; k++) {
            if (!(*cut >> k & 1)) continue;
            const gm_shape *s = n->in[k] < 0 ? NULL : &g->value[n->in[k]].shape;
            if (!s || s->n < 1 || s->d[0] != batch) return false;
        }
        return strip_is_pure(n) && strip_spares_first(n);
    }
    return false;
}

/* A normalisation over all dimensions but none. */
static bool strip_norm_is_inner(const gm_graph *g, const gm__node *n) {
    bool rows = !strcmp(n->op->name, "layer_norm") || !strcmp(n->op->name, "rms_norm");
    const int64_t *dims = rows ? strip_attr(n, "n") : NULL;
    return !dims || *dims < g->value[n->in[0]].shape.n;
}

/* In the new dimension order or shape the batch is still the first dimension. */
static bool strip_cut_view(const gm_graph *g, const gm__node *n, uint64_t *cut) {
    const gm_shape *s = &g->value[n->out].shape, *x = &g->value[n->in[0]].shape;
    static const char *const views[] = { "reshape", "permute", "slice", "expand", "identity", "detach" };
    size_t i = 0;
    while (i < sizeof views / sizeof *views && strcmp(views[i], n->op->name)) i++;
    *cut = 1;
    return i < sizeof views / sizeof *views && n->n_in == 1 && x->n > 0 && s->d[0] == x->d[0] &&
           (strcmp(views[i], "expand") || s->n == x->n) && strip_spares_first(n);
}

bool gm__strips_cut(const gm_graph *g, const gm__node *n, uint64_t *cut) {
    int64_t batch = n->n_out ? g->value[n->out].shape.d[0] : 0;
    if (n->flags & (GM_OP_RANDOM | GM_OP_EFFECT | GM_OP_DYNAMIC | GM_OP_OWN_OUTPUTS) || n->op->writes) return false;
    for (int j = 0; j < n->n_out; j++) {
        const gm__value *v = &g->value[n->out + j];
        if (v->shape.n < 1 || v->shape.d[0] != batch || gm__dtype(v->dtype)->bits < 8) return false;
    }
    if (batch < 2) return false;
    if (gm__fused_of(n) && gm__fused_of(n)->head) return false;
    if (n->flags & GM_OP_VIEW) return strip_cut_view(g, n, cut);
    if (n->flags & GM_OP_ELEMENTWISE || gm__fused_of(n)) return strip_cut_elementwise(g, n, cut);
    if (!strcmp(n->op->name, "matmul")) return strip_cut_matmul(g, n, cut);
    return strip_cut_listed(g, n, cut) && strip_norm_is_inner(g, n);
}
