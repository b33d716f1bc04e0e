/* embedding_bag.c: rows of a table, a bag of them as one.
 *
 * Sums and means are one pass over the table's rows, a bag at a time. A maximum is a gather: embedding_bag_index finds,
 * for each bag and column, the row that has it. */
#include "../math/fp.h"
#include "../base/args.h"
#include "indexing.h"

#include <stddef.h>

/* Inputs: weight [V, D], indices [n], offsets [B], factors [n] (may be absent). padding: -1 for none. */
typedef struct { int64_t mean, padding; } bag_attrs;
static const gm_attr bag_fields[] = { GM_ATTR(bag_attrs, mean, I64), GM_ATTR(bag_attrs, padding, I64), GM_ATTR_END };

extern const gm_op gm__op_embedding_bag, gm__op_embedding_bag_index;

static int32_t bag_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *w = a->in[0], *i = a->in[1], *o = a->in[2], *f = a->n_in > 3 ? a->in[3] : NULL;
    if (!gm_is_float(w->dtype) || (f && f->dtype != w->dtype))
        return gm_fail(GM_ERROR_DTYPE, "embedding_bag: the weight is %s, the factors %s", gm_dtype_name(w->dtype),
                       f ? gm_dtype_name(f->dtype) : "absent"),
               -1;
    if (!gm__index_dtype("embedding_bag", i) || !gm__index_dtype("embedding_bag", o)) return -1;
    if (w->shape.n != 2 || i->shape.n != 1 || o->shape.n != 1 || (f && !gm_shape_equal(f->shape, i->shape)))
        return gm_fail(GM_ERROR_SHAPE, "embedding_bag: weight %s, indices %s, offsets %s, factors %s",
                       gm__tensor_shape_str(w), gm__tensor_shape_str(i), gm__tensor_shape_str(o),
                       f ? gm__tensor_shape_str(f) : "absent"),
               -1;
    out->shape = (gm_shape){ 2, { 0 }, { o->shape.d[0], w->shape.d[1] } };
    out->dtype = a->op == &gm__op_embedding_bag ? w->dtype : GM_I64;
    return 1;
}

/* ---- values ---- */

typedef struct {
    const bag_attrs *p;
    gm__indices at, first;
    int64_t dim;
    bool f64;
    const char *table, *factors;
    char *y;
} bag_job;

static int64_t bag_end(const bag_job *j, int64_t b) {
    return b + 1 < j->first.count ? j->first.at[b + 1] : j->at.count;
}

static bool bag_prepare(const gm_op_args *a, gm_tensor *y, bag_job *j) {
    const gm_tensor *w = a->in[0];
    *j = (bag_job){ .p = a->attrs, .dim = w->shape.d[1], .f64 = w->dtype == GM_F64, .table = gm__data(w) };
    j->factors = a->n_in > 3 && a->in[3] ? gm__data(a->in[3]) : NULL;
    j->y = gm__data(y);
    if (!gm__index_read(a->in[1], &j->at) || !gm__index_check("embedding_bag", &j->at, 0, w->shape.d[0]) ||
        !gm__index_read(a->in[2], &j->first) ||
        !gm__index_check("embedding_bag: offsets", &j->first, 0, j->at.count + 1))
        return false;
    for (int64_t b = 0, last = 0; b < j->first.count; last = j->first.at[b++])
        if (j->first.at[b] < last || (b == 0 && j->first.at[b]))
            return gm_fail(GM_ERROR_VALUE, "embedding_bag: offset %lld at position %lld: the first is 0, others ascend",
                           (long long)j->first.at[b], (long long)b);
    return true;
}

static void bag_divide(const bag_job *j, char *y, int64_t n) {
    for (int64_t d = 0; d < j->dim; d++)
        if (j->f64) ((double *)y)[d] /= (double)n;
        else ((float *)y)[d] /= (float)n;
}

static void bag_range(void *env, int64_t begin, int64_t end) {
    const bag_job *j = env;
    const gm_kernels *k = gm__kernels();
    int64_t bytes = j->f64 ? 8 : 4;
    for (int64_t b = begin; b < end; b++) {
        int64_t from = j->first.at[b], n = bag_end(j, b) - from;
        const void *factors = j->factors ? j->factors + from * bytes : NULL;
        char *y = j->y + b * j->dim * bytes;
        n = (j->f64 ? k->index_bag_f64 : k->index_bag_f32)(n, j->at.at + from, factors, j->p->padding, j->dim, j->table,
                                                           y);
        if (j->p->mean && n) bag_divide(j, y, n);
    }
}

static int64_t bag_grain(const bag_job *j) {
    int64_t bags = j->first.count, work = (j->at.count + bags) * (j->dim + 4);
    return 1 + 32768 / (1 + work / (bags ? bags : 1));
}

static bool embedding_bag_kernel(const gm_op_args *a, gm_tensor **out) {
    bag_job j;
    if (!bag_prepare(a, out[0], &j)) return false;
    gm_parallel_for(j.first.count, bag_grain(&j), bag_range, &j);
    return true;
}

/* The first row with the largest element of each column; NaN wins; 0 for an empty bag. */
#define BAG_MAX(name, T)                                                                                               \
    static void bag_max_##name(void *env, int64_t begin, int64_t end) {                                                \
        const bag_job *j = env;                                                                                        \
        const T *table = (const T *)j->table;                                                                          \
        for (int64_t b = begin; b < end; b++) {                                                                        \
            int64_t *y = (int64_t *)j->y + b * j->dim;                                                                 \
            bool any = false;                                                                                          \
            for (int64_t d = 0; d < j->dim; d++) y[d] = 0;                                                             \
            for (int64_t i = j->first.at[b]; i < bag_end(j, b); i++) {                                                 \
                int64_t row = j->at.at[i];                                                                             \
                if (row == j->p->padding) continue;                                                                    \
                for (int64_t d = 0; d < j->dim; d++) {                                                                 \
                    T v = table[row * j->dim + d], m = table[y[d] * j->dim + d];                                       \
                    if (!any || v > m || (v != v && m == m)) y[d] = row;                                               \
                }                                                                                                      \
                any = true;                                                                                            \
            }                                                                                                          \
        }                                                                                                              \
    }
BAG_MAX(f32, float)
BAG_MAX(f64, double)
#undef BAG_MAX

static bool embedding_bag_index_kernel(const gm_op_args *a, gm_tensor **out) {
    bag_job j;
    if (!bag_prepare(a, out[0], &j)) return false;
    gm_parallel_for(j.first.count, bag_grain(&j), j.f64 ? bag_max_f64 : bag_max_f32, &j);
    return true;
}

/* ---- derivatives ---- */

/* The bag of each of n indices. */
static gm_tensor *bag_of_index(gm_tensor *offsets, int64_t n) {
    return gm_add_scalar(gm_searchsorted(offsets, gm_arange(0, (double)n, 1, GM_I64), true), -1);
}

/* How many rows each bag has, without padding: i64 [B]. */
static gm_tensor *bag_counts(gm_tensor *indices, gm_tensor *offsets, int64_t padding) {
    gm_tensor *counted = gm_cast(gm_ne_scalar(indices, (double)padding), GM_I64);
    if (!gm_ok()) return NULL;
    return gm__index_sum(counted, 0, bag_of_index(offsets, indices->shape.d[0]), offsets->shape.d[0], -1);
}

static bool embedding_bag_grad(const gm_grad_args *a) {
    const bag_attrs *p = a->attrs;
    gm_tensor *w = a->in[0], *indices = a->in[1], *offsets = a->in[2], *f = a->n_in > 3 ? a->in[3] : NULL;
    gm_tensor *bag = bag_of_index(offsets, indices->shape.d[0]), *g = a->gout[0];
    if (p->mean) {
        gm_tensor *n = gm_maximum_scalar(bag_counts(indices, offsets, p->padding), 1);
        g = gm_ok() ? gm_div(g, gm_unsqueeze(gm_cast(n, g->dtype), 1)) : NULL;
    }
    gm_tensor *each = gm_index_select(g, 0, bag);
    if (a->needs[0]) {
        gm_tensor *scaled = f ? gm_mul(each, gm_unsqueeze(f, 1)) : each;
        a->gin[0] = gm__index_sum(scaled, 0, indices, w->shape.d[0], p->padding);
    }
    if (f && a->needs[3]) {
        gm_tensor *dots = gm_sum_dim(gm_mul(each, gm_index_select(w, 0, indices)), 1, false);
        a->gin[3] = gm_ok() ? gm_masked_fill(dots, gm_eq_scalar(indices, (double)p->padding), 0) : NULL;
    }
    return gm_ok();
}

#define BAG_RECORD(name_)                                                                                              \
    .size = sizeof(gm_op), .name = name_, .version = 1, .min_in = 3, .n_out = 1, .attrs_bytes = sizeof(bag_attrs),     \
    .attrs = bag_fields, .infer = bag_infer

/* Drawn offsets would not ascend, so all of a case are 0: the last bag has every index, those before it none. */
const gm_op gm__op_embedding_bag = {
    BAG_RECORD("embedding_bag"), .max_in = 4, .flags = GM_OP_CONTIGUOUS | GM_OP_COMPUTE_F32 | GM_OP_LINEAR,
    .saves_in = 15, .diff_in = 9, .kernel = embedding_bag_kernel, .grad = embedding_bag_grad,
    .cases = (const gm_case[]){
        { "[7,3]; i64[9] below 7; i64[2] below 1; [9]", &(bag_attrs){ 0, -1 }, 0, 0, 0 },
        { "[7,5]; i32[9] below 7; i64[1] below 1; -", &(bag_attrs){ 1, 2 }, 0, 0, 0 },
        { "[4,3]; i64[11] below 4; i64[2] below 1; [11]", &(bag_attrs){ 0, 1 }, 0, 0, 0 }, { 0 } },
    .doc = "sums or means of rows of a table, a bag each",
};

const gm_op gm__op_embedding_bag_index = {
    BAG_RECORD("embedding_bag_index"), .max_in = 3, .flags = GM_OP_CONTIGUOUS | GM_OP_COMPUTE_F32 | GM_OP_NO_GRAD,
    .kernel = embedding_bag_index_kernel,
    .cases = (const gm_case[]){
        { "[7,3]; i64[9] below 7; i64[2] below 1", &(bag_attrs){ 0, -1 }, 0, GM_CASE_NO_GRAD, 0 },
        { "[7,5]; i32[9] below 7; i64[1] below 1", &(bag_attrs){ 0, 2 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "the rows of a table that have the largest element of each column, a bag each",
};
#undef BAG_RECORD

/* ---- the public function ---- */

/* indices [B, n] -> [B n] and the offsets of its rows; else checks what was given */
static bool bag_flatten(const gm_embedding_bag_args *o, gm_tensor **indices, gm_tensor **offsets) {
    const gm_shape *s = &(*indices)->shape;
    *offsets = o->offsets;
    if (s->n == 2 && !o->offsets) {
        gm_tensor *rows = gm_arange(0, (double)s->d[0], 1, GM_I64);
        *offsets = gm_mul_scalar(rows, (double)s->d[1]);
        *indices = gm_reshape(*indices, (gm_shape){ 1, { 0 }, { -1 } });
        return gm_ok();
    }
    if (s->n != 1 || !o->offsets)
        return gm_fail(GM_ERROR_SHAPE, "embedding_bag: indices %s %s .offsets: [B, n] without or [n] with them",
                       gm__shape_str(s), o->offsets ? "with" : "without");
    if (o->include_last && gm__check_tensor(o->offsets, "embedding_bag: .offsets", 1))
        *offsets = gm_narrow(o->offsets, 0, 0, gm_count(o->offsets) - 1);
    return gm_ok();
}

/* Each column's largest, 0 in empty bags. */
static gm_tensor *bag_maximum(gm_tensor *weight, gm_tensor *indices, gm_tensor *offsets, const bag_attrs *p) {
    gm_tensor *row = gm__call3(&gm__op_embedding_bag_index, p, weight, indices, offsets);
    gm_tensor *y = gm_gather(weight, 0, row), *empty = gm_eq_scalar(bag_counts(indices, offsets, p->padding), 0);
    return y ? gm_masked_fill(y, gm_unsqueeze(empty, 1), 0) : NULL;
}

gm_tensor *gm_embedding_bag_with(gm_tensor *weight, gm_tensor *indices, const gm_embedding_bag_args *args) {
    gm_embedding_bag_args o;
    gm_tensor *offsets;
    bag_attrs p;
    if (!gm_ok() || !gm__args_take("embedding_bag", &o, sizeof o, args) ||
        !gm__check_tensor(weight, "embedding_bag", 1) || !gm__check_tensor(indices, "embedding_bag", 2))
        return NULL;
    if (o.mode < GM_BAG_MEAN || o.mode > GM_BAG_MAX || (o.per_sample_weights && o.mode != GM_BAG_SUM))
        return gm_fail(GM_ERROR_VALUE, "embedding_bag: mode %d%s", (int)o.mode,
                       o.per_sample_weights ? " with .per_sample_weights, which are for GM_BAG_SUM" : ""),
               NULL;
    p.mean = o.mode == GM_BAG_MEAN;
    if (!gm__padding_idx("embedding_bag", o.padding_idx, weight->shape.n ? weight->shape.d[0] : 0, &p.padding) ||
        !bag_flatten(&o, &indices, &offsets))
        return NULL;
    if (o.mode == GM_BAG_MAX) return bag_maximum(weight, indices, offsets, &p);
    gm_tensor *f = o.per_sample_weights ? gm_reshape(o.per_sample_weights, (gm_shape){ 1, { 0 }, { -1 } }) : NULL;
    return gm_op_call1(&gm__op_embedding_bag, (gm_tensor *[]){ weight, indices, offsets, f }, 4, &p);
}

gm_tensor *(gm_embedding_bag)(gm_tensor *weight, gm_tensor *indices) {
    return gm_embedding_bag_with(weight, indices, NULL);
}
