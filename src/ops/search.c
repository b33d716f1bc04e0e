/* search.c: places in sorted rows, and counting. */
#include "../math/fp.h"
#include "../base/args.h"
#include "indexing.h"

#include <stddef.h>

typedef struct { int64_t right; } search_attrs;
static const gm_attr search_fields[] = { GM_ATTR(search_attrs, right, I64), GM_ATTR_END };

/* ---- searchsorted ---- */

static int32_t searchsorted_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *s = a->in[0], *v = a->in[1];
    if (!gm__domain(s->dtype) || s->dtype != v->dtype)
        return gm_fail(GM_ERROR_DTYPE, "searchsorted: the sorted are %s, the values %s", gm_dtype_name(s->dtype),
                       gm_dtype_name(v->dtype)),
               -1;
    bool fits = s->shape.n == 1 || (s->shape.n > 1 && s->shape.n == v->shape.n);
    for (int d = 0; fits && d + 1 < s->shape.n; d++) fits = s->shape.d[d] == v->shape.d[d];
    if (!fits)
        return gm_fail(GM_ERROR_SHAPE, "searchsorted: the sorted are %s, the values %s", gm__tensor_shape_str(s),
                       gm__tensor_shape_str(v)),
               -1;
    out->shape = v->shape;
    out->dtype = GM_I64;
    return 1;
}

typedef void (*search_fn)(const void *sorted, int64_t n, const void *values, int64_t m, bool right, int64_t *y);
typedef struct {
    search_fn f;
    const char *sorted, *values;
    int64_t *y, n, per;
    int bytes;
    bool right, shared;
} search_job;

/* How many of the n stand before each value: those below it, or, right, those not above it. NaN is the largest. */
#define SEARCH_ROW(name, T)                                                                                            \
    static bool search_below_##name(T a, T b) { return a < b || (b != b && a == a); }                                  \
    static void search_##name(const void *sorted, int64_t n, const void *values, int64_t m, bool right, int64_t *y) {  \
        const T *s = sorted, *v = values;                                                                              \
        for (int64_t i = 0; i < m; i++) {                                                                              \
            int64_t low = 0, left = n;                                                                                 \
            while (left > 0) {                                                                                         \
                int64_t half = left / 2;                                                                               \
                T e = s[low + half];                                                                                   \
                bool before = right ? !search_below_##name(v[i], e) : search_below_##name(e, v[i]);                    \
                low = before ? low + half + 1 : low;                                                                   \
                left = before ? left - half - 1 : half;                                                                \
            }                                                                                                          \
            y[i] = low;                                                                                                \
        }                                                                                                              \
    }
SEARCH_ROW(f32, float)
SEARCH_ROW(f64, double)
SEARCH_ROW(i32, int32_t)
SEARCH_ROW(i64, int64_t)
SEARCH_ROW(u64, uint64_t)
#undef SEARCH_ROW

static search_fn search_of(gm_dtype domain) {
    switch (domain) {
    case GM_F32: return search_f32;
    case GM_F64: return search_f64;
    case GM_I32: return search_i32;
    case GM_I64: return search_i64;
    default: return search_u64;
    }
}

/* Values begin..end; they may belong to several rows. */
static void search_range(void *env, int64_t begin, int64_t end) {
    const search_job *j = env;
    while (begin < end) {
        int64_t row = j->shared ? 0 : begin / j->per, stop = j->shared ? end : (row + 1) * j->per;
        if (stop > end) stop = end;
        j->f(j->sorted + row * j->n * j->bytes, j->n, j->values + begin * j->bytes, stop - begin, j->right,
             j->y + begin);
        begin = stop;
    }
}

static bool searchsorted_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_dtype domain = gm__domain(a->in[0]->dtype);
    gm_tensor *s = gm_cast(a->in[0], domain), *v = gm_cast(a->in[1], domain);
    if (!gm_ok()) return false;
    search_job j = { .f = search_of(domain), .sorted = gm__data(s), .values = gm__data(v),
                     .y = (int64_t *)gm__data(out[0]), .n = s->shape.d[s->shape.n - 1],
                     .bytes = gm__element_bytes(domain), .right = ((const search_attrs *)a->attrs)->right };
    j.per = v->shape.n ? v->shape.d[v->shape.n - 1] : 1;
    j.shared = s->shape.n == 1;
    gm_parallel_for(gm_shape_count(v->shape), 512, search_range, &j);
    return true;
}

/* A shared row stays shared; one row per entry of the batch wants one row of values per entry. */
static bool searchsorted_batch(const gm_batch_args *a) {
    gm_tensor *s = a->in[0], *v = a->in[1];
    bool line = s->shape.n - a->mapped[0] == 1;
    if (!a->mapped[0] && line) {
        a->out[0] = gm__call2(a->op, a->attrs, s, v);
        return gm_ok();
    }
    s = gm__batched(a, 0), v = gm__batched(a, 1);
    gm_shape own = v ? v->shape : (gm_shape){ 0 }, rows = { 2, { 0 }, { a->size, 1 } };
    for (int d = 1; d < own.n; d++) rows.d[1] *= own.d[d];
    if (line) v = gm_reshape(v, rows);
    a->out[0] = gm_reshape(gm__call2(a->op, a->attrs, s, v), own);
    return gm_ok();
}

const gm_op gm__op_searchsorted = {
    .size = sizeof(gm_op), .name = "searchsorted", .version = 1, .min_in = 2, .max_in = 2, .n_out = 1,
    .flags = GM_OP_NO_GRAD | GM_OP_CONTIGUOUS, .attrs_bytes = sizeof(search_attrs), .attrs = search_fields,
    .infer = searchsorted_infer, .kernel = searchsorted_kernel, .batch = searchsorted_batch,
    /* the rows of the cases need not be sorted: the search ends all the same */
    .cases = (const gm_case[]){ { "i64[9] below 9; i64[3,5] below 9", &(search_attrs){ 0 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "[3,9]; [3,7]", &(search_attrs){ 1 }, 0, GM_CASE_NO_GRAD, 0 }, { 0 } },
    .doc = "where values belong in sorted rows",
};

gm_tensor *gm_searchsorted(gm_tensor *sorted, gm_tensor *values, bool right) {
    if (!gm_ok() || !gm__check_tensor(sorted, "searchsorted", 1) || !gm__check_tensor(values, "searchsorted", 2))
        return NULL;
    gm_dtype both = gm_promote(sorted->dtype, values->dtype);
    return gm__call2(&gm__op_searchsorted, &(search_attrs){ right }, gm_cast(sorted, both), gm_cast(values, both));
}

gm_tensor *gm_bucketize(gm_tensor *x, gm_tensor *boundaries, bool right) {
    return gm_searchsorted(boundaries, x, right);
}

/* ---- bincount: as many counts as the largest class says ---- */

typedef struct { int64_t least; } bincount_attrs;
static const gm_attr bincount_fields[] = { GM_ATTR(bincount_attrs, least, I64), GM_ATTR_END };

static int32_t bincount_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *x = a->in[0], *w = a->n_in > 1 ? a->in[1] : NULL;
    if (!gm__index_dtype("bincount", x)) return -1;
    if (x->shape.n != 1 || (w && !gm_shape_equal(w->shape, x->shape)))
        return gm_fail(GM_ERROR_SHAPE, "bincount: vectors are needed, x is %s, the weights %s", gm__tensor_shape_str(x),
                       w ? gm__tensor_shape_str(w) : "absent"),
               -1;
    out->shape = (gm_shape){ 1, { 0 }, { -1 } };
    out->dtype = w ? w->dtype : GM_I64;
    return 1;
}

static bool bincount_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *x = a->in[0], *w = a->n_in > 1 ? a->in[1] : NULL;
    int64_t n = ((const bincount_attrs *)a->attrs)->least;
    gm__indices at;
    if (!gm__index_read(x, &at) || !gm__index_check("bincount", &at, 0, INT64_MAX)) return false;
    for (int64_t i = 0; i < at.count; i++)
        if (at.at[i] >= n) n = at.at[i] + 1;
    if (!w) w = gm_expand(gm_ones((gm_shape){ 0 }, GM_I64), x->shape);
    out[0] = w ? gm_index_add(gm_zeros((gm_shape){ 1, { 0 }, { n } }, w->dtype), 0, x, w) : NULL;
    return out[0] != NULL;
}

static bool bincount_grad(const gm_grad_args *a) {
    if (a->n_in > 1 && a->needs[1]) a->gin[1] = gm_index_select(a->gout[0], 0, a->in[0]);
    return gm_ok();
}

const gm_op gm__op_bincount = {
    .size = sizeof(gm_op), .name = "bincount", .version = 1, .min_in = 1, .max_in = 2, .n_out = 1,
    .flags = GM_OP_DYNAMIC | GM_OP_LINEAR, .saves_in = 1, .diff_in = 2, .attrs_bytes = sizeof(bincount_attrs),
    .attrs = bincount_fields, .infer = bincount_infer, .kernel = bincount_kernel, .grad = bincount_grad,
    .cases = (const gm_case[]){ { "i64[30] below 7", &(bincount_attrs){ 9 }, 0, GM_CASE_NO_GRAD, 0 },
                                { "u8[9] below 5; [9]", &(bincount_attrs){ 0 }, 0, 0, 0 }, { 0 } },
    .doc = "how often each class occurs, or the sums of its weights",
};

gm_tensor *gm_bincount(gm_tensor *x, gm_tensor *weights, int64_t least) {
    bincount_attrs p = { least };
    return gm_op_call1(&gm__op_bincount, (gm_tensor *[]){ x, weights }, weights ? 2 : 1, &p);
}
