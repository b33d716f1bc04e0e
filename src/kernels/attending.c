/* attending.c: attention without a score matrix in memory, and its gradient.
 *
 * Forward: a tile of query rows is scored against all keys it may see, in cache: product, softmax on whole rows,
 * product. Gradient: blocks of 256 queries times 256 keys. A block is one chunk of the dot-like rule for every result,
 * so that adding blocks into part and total sums in ascending order is that rule itself. With many batch entries a
 * thread takes an entry and makes all three gradients at once; with few, one pass over query chunks makes gq and one
 * over key chunks gk and gv: twice the scores, the same bits. */
#include "../math/fp.h"
#include "attending.h"
#include "../base/memory.h"
#include "gemel/extend.h"
#include "gemm.h"

#include <stdatomic.h>
#include <string.h>

enum { ATTENDING_CHUNK = GM_MM_CHUNK, ATTENDING_CHUNKS = GM_MM_SUPER / GM_MM_CHUNK, ATTENDING_TILE_BYTES = 1 << 20 };

typedef struct {
    const gm__attending *a;
    const gm_kernels *k;
    int bytes;
    int64_t tile, tiles; /* forward: query rows per tile; pieces per entry */
    int pass;            /* gradient: what is made */
    void *mean;          /* gradient: sum(g * out) per query */
    atomic_bool failed;
} attending_job;
enum { ATTENDING_ALL, ATTENDING_QUERIES, ATTENDING_KEYS, ATTENDING_VALUES };

/* ---- small things by type ---- */

static void *attending_at(const attending_job *j, const void *p, int64_t elements) {
    return (char *)p + elements * j->bytes;
}

static double attending_get(const attending_job *j, const void *p, int64_t i) {
    return j->bytes == 4 ? ((const float *)p)[i] : ((const double *)p)[i];
}

static void attending_put(const attending_job *j, void *p, int64_t i, double v) {
    if (j->bytes == 4) ((float *)p)[i] = (float)v;
    else ((double *)p)[i] = v;
}

static double attending_scores(const attending_job *j, const gm__attention_row *r, void *x) {
    return j->bytes == 4 ? j->k->attention_scores_f32(r, x) : j->k->attention_scores_f64(r, x);
}

static void attending_exp(const attending_job *j, int64_t n, double m, void *x) {
    if (j->bytes == 4) j->k->attention_exp_f32(n, (float)m, x);
    else j->k->attention_exp_f64(n, m, x);
}

static void attending_divide(const attending_job *j, int64_t n, double s, void *x) {
    if (j->bytes == 4) j->k->attention_divide_f32(n, (float)s, x);
    else j->k->attention_divide_f64(n, s, x);
}

static double attending_sum(const attending_job *j, int64_t n, const void *x) {
    double wide = 0;
    float narrow = 0;
    if (j->bytes == 8) j->k->reduce_sum_rows_f64(1, n, x, &wide);
    else j->k->reduce_sum_rows_f32(1, n, x, &narrow);
    return j->bytes == 8 ? wide : (double)narrow;
}

/* One product on this thread. */
static void attending_product(attending_job *j, int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,
                              int64_t a_col, const void *b, int64_t b_row, int64_t b_col, void *c, int64_t c_row) {
    gm__gemm_args g = { .m = m,
                        .n = n,
                        .k = k,
                        .a = a,
                        .a_row = a_row,
                        .a_col = a_col,
                        .b = b,
                        .b_row = b_row,
                        .b_col = b_col,
                        .c = c,
                        .c_row = c_row,
                        .c_col = 1,
                        .serial = true };
    if (!(j->bytes == 4 ? gm__gemm_f32(&g) : gm__gemm_f64(&g))) atomic_store(&j->failed, true);
}

static const void *attending_place(const attending_job *j, const gm__attending_view *v, int64_t entry, int64_t row) {
    return attending_at(j, v->data, v->off[entry] + row * v->row);
}

/* Row `i` of entry `e` against keys from `key` on. */
static gm__attention_row attending_row(const attending_job *j, int64_t e, int64_t i, int64_t key, int64_t n) {
    const gm__attending *a = j->a;
    gm__attention_row r = {
        .n = n, .limit = a->causal ? i + a->offset + 1 - key : n, .scale = a->scale, .kind = a->mask_kind
    };
    if (r.kind == GM__MASK_NONE) return r;
    int64_t at = a->mask.off[e] + i * a->mask.row + key * a->mask.col;
    r.mask = (const char *)a->mask.data + at * (r.kind == GM__MASK_KEEP ? 1 : j->bytes);
    r.mask_stride = a->mask.col;
    return r;
}

/* ---- forward ---- */

/* The weights of row i in place of its scores. */
static void attending_softmax(const attending_job *j, int64_t e, int64_t i, int64_t n, void *x) {
    gm__attention_row r = attending_row(j, e, i, 0, n);
    double m = attending_scores(j, &r, x), s;
    int64_t row = e * j->a->t + i;
    if (m == -(double)__builtin_inff()) m = 0; /* nothing is seen: all weights are exp(-inf) */
    attending_exp(j, n, m, x);
    s = attending_sum(j, n, x);
    if (s == 0) s = 1;
    attending_divide(j, n, s, x);
    attending_put(j, j->a->max, row, m);
    attending_put(j, j->a->sum, row, s);
}

/* An output row that is not a number may be so through keys that have no weight: sum again without them, one chain. */
static void attending_repair(const attending_job *j, int64_t e, int64_t n, const void *weights, void *out) {
    const gm__attending *a = j->a;
    bool bad = false;
    for (int64_t c = 0; c < a->e; c++) bad |= attending_get(j, out, c) != attending_get(j, out, c);
    for (int64_t c = 0; bad && c < a->e; c++) {
        double acc = 0, part = 0, total = 0;
        for (int64_t key = 0; key < n; key++) {
            double w = attending_get(j, weights, key),
                   v = attending_get(j, attending_place(j, &a->v, e, key), c * a->v.col);
            if (w != 0)
                acc = j->bytes == 4 ? (double)__builtin_fmaf((float)w, (float)v, (float)acc) : __builtin_fma(w, v, acc);
            if (key % GM_MM_CHUNK == GM_MM_CHUNK - 1 || key == n - 1) {
                part = j->bytes == 4 ? (double)((float)part + (float)acc) : part + acc, acc = 0;
                if (key % GM_MM_SUPER == GM_MM_SUPER - 1 || key == n - 1)
                    total = j->bytes == 4 ? (double)((float)total + (float)part) : total + part, part = 0;
            }
        }
        attending_put(j, out, c, total);
    }
}

static void attending_tile(attending_job *j, int64_t e, int64_t i0, int64_t rows, void *scores) {
    const gm__attending *a = j->a;
    int64_t n = a->s, last = i0 + rows - 1 + a->offset + 1;
    if (a->causal && last < n) n = last < 0 ? 0 : last;
    void *out = attending_at(j, a->out, (e * a->t + i0) * a->e);
    attending_product(j, rows, n, a->d, attending_place(j, &a->q, e, i0), a->q.row, a->q.col,
                      attending_place(j, &a->k, e, 0), a->k.col, a->k.row, scores, n);
    for (int64_t i = 0; i < rows; i++) attending_softmax(j, e, i0 + i, n, attending_at(j, scores, i * n));
    attending_product(j, rows, a->e, n, scores, n, 1, attending_place(j, &a->v, e, 0), a->v.row, a->v.col, out, a->e);
    for (int64_t i = 0; i < rows; i++)
        attending_repair(j, e, n, attending_at(j, scores, i * n), attending_at(j, out, i * a->e));
}

static void attending_range(void *env, int64_t begin, int64_t end) {
    attending_job *j = env;
    const gm__attending *a = j->a;
    size_t got = 0;
    void *scores = gm__block_take((size_t)(j->tile * a->s * j->bytes) + 64, &got);
    if (!scores) {
        atomic_store(&j->failed, true);
        return;
    }
    for (int64_t p = begin; p < end; p++) {
        int64_t e = p / j->tiles, i0 = p % j->tiles * j->tile;
        attending_tile(j, e, i0, a->t - i0 < j->tile ? a->t - i0 : j->tile, scores);
    }
    gm__block_give(scores, got);
}

static int64_t attending_grain(double work) { return work > 1e6 ? 1 : (int64_t)(1e6 / (work + 1)) + 1; }

static bool attending_done(attending_job *j) {
    return !atomic_load(&j->failed) ||
           gm_fail(GM_ERROR_MEMORY, "attention: no working memory for %lld queries and %lld keys", (long long)j->a->t,
                   (long long)j->a->s);
}

bool gm__attend(const gm__attending *a) {
    attending_job j = { .a = a, .k = gm__kernels(), .bytes = a->dtype == GM_F32 ? 4 : 8 };
    if (a->batch == 0 || a->t == 0) return true;
    int64_t rows = ATTENDING_TILE_BYTES / ((a->s + 1) * j.bytes);
    j.tile = rows < 16 ? 16 : rows > 128 ? 128 : rows / 8 * 8;
    if (j.tile > a->t) j.tile = a->t;
    j.tiles = (a->t + j.tile - 1) / j.tile;
    double work = (double)j.tile * (double)a->s * (double)(a->d + a->e + 16);
    gm_parallel_for(a->batch * j.tiles, attending_grain(work), attending_range, &j);
    return attending_done(&j);
}

/* ---- gradient ---- */

/* Working memory of one thread: weights and slopes of a block, a chunk's product, and a part sum where there are
 * several superblocks. */
typedef struct { void *block, *weights, *slopes, *chunk, *part; size_t got; } attending_work;

static bool attending_take(attending_job *j, attending_work *w) {
    const gm__attending *a = j->a;
    int64_t wide = a->d > a->e ? a->d : a->e, square = ATTENDING_CHUNK * ATTENDING_CHUNK,
            strip = ATTENDING_CHUNK * wide;
    w->block = gm__block_take((size_t)((2 * square + 2 * strip) * j->bytes) + 64, &w->got);
    if (!w->block) {
        atomic_store(&j->failed, true);
        return false;
    }
    w->weights = w->block;
    w->slopes = attending_at(j, w->weights, square);
    w->chunk = attending_at(j, w->slopes, square);
    w->part = attending_at(j, w->chunk, strip);
    return true;
}

/* part += chunk (NULL: zeros), and total += part where a superblock ends with chunk `index` of `count`. The first chunk
 * of a superblock begins part, the first superblock total (NULL: there is one superblock only, and part is the result).
 */
static void attending_add(const attending_job *j, int64_t n, const void *chunk, void *part, void *total, int64_t index,
                          int64_t count) {
    bool opens = index % ATTENDING_CHUNKS == 0,
         closes = index % ATTENDING_CHUNKS == ATTENDING_CHUNKS - 1 || index == count - 1;
#define ATTENDING_ADD(T)                                                                                               \
    do {                                                                                                               \
        const T *x = chunk;                                                                                            \
        T *p = part, *t = total;                                                                                       \
        if (opens) memset(p, 0, (size_t)n * sizeof *p);                                                                \
        for (int64_t i = 0; x && i < n; i++) p[i] += x[i];                                                             \
        if (t && index < ATTENDING_CHUNKS && closes) memset(t, 0, (size_t)n * sizeof *t);                              \
        for (int64_t i = 0; t && closes && i < n; i++) t[i] += p[i];                                                   \
    } while (0)
    if (j->bytes == 4) ATTENDING_ADD(float);
    else ATTENDING_ADD(double);
#undef ATTENDING_ADD
}

static void attending_scale(const attending_job *j, int64_t n, void *x) {
    if (j->bytes == 4)
        for (int64_t i = 0; i < n; i++) ((float *)x)[i] *= (float)j->a->scale;
    else
        for (int64_t i = 0; i < n; i++) ((double *)x)[i] *= j->a->scale;
}

/* A block: queries i0.., keys k0.. of entry e. */
typedef struct { int64_t e, i0, rows, k0, keys; } attending_box;

static attending_box attending_box_of(const gm__attending *a, int64_t e, int64_t qc, int64_t kc) {
    attending_box b = { e, qc * ATTENDING_CHUNK, ATTENDING_CHUNK, kc * ATTENDING_CHUNK, ATTENDING_CHUNK };
    if (a->t - b.i0 < b.rows) b.rows = a->t - b.i0;
    if (a->s - b.k0 < b.keys) b.keys = a->s - b.k0;
    return b;
}

/* Weights P = exp(score - max) / sum and slopes P * (dP - mean) of a block; false if nothing in it is seen. */
static bool attending_block(attending_job *j, const attending_box *b, attending_work *w) {
    const gm__attending *a = j->a;
    if (a->causal && b->k0 > b->i0 + b->rows - 1 + a->offset) return false;
    attending_product(j, b->rows, b->keys, a->d, attending_place(j, &a->q, b->e, b->i0), a->q.row, a->q.col,
                      attending_place(j, &a->k, b->e, b->k0), a->k.col, a->k.row, w->weights, b->keys);
    attending_product(j, b->rows, b->keys, a->e, attending_at(j, a->g, (b->e * a->t + b->i0) * a->e), a->e, 1,
                      attending_place(j, &a->v, b->e, b->k0), a->v.col, a->v.row, w->slopes, b->keys);
    for (int64_t i = 0; i < b->rows; i++) {
        int64_t row = b->e * a->t + b->i0 + i;
        void *p = attending_at(j, w->weights, i * b->keys), *d = attending_at(j, w->slopes, i * b->keys);
        gm__attention_row r = attending_row(j, b->e, b->i0 + i, b->k0, b->keys);
        attending_scores(j, &r, p);
        attending_exp(j, b->keys, attending_get(j, a->max, row), p);
        attending_divide(j, b->keys, attending_get(j, a->sum, row), p);
        if (j->bytes == 4) j->k->attention_slope_f32(b->keys, ((const float *)j->mean)[row], p, d);
        else j->k->attention_slope_f64(b->keys, ((const double *)j->mean)[row], p, d);
    }
    return true;
}

/* Add the block's share of gq; of gk and gv. seen: attending_block's word. */
static void attending_add_query(attending_job *j, const attending_box *b, attending_work *w, bool seen) {
    const gm__attending *a = j->a;
    int64_t count = (a->s + ATTENDING_CHUNK - 1) / ATTENDING_CHUNK;
    bool more = count > ATTENDING_CHUNKS;
    void *to = attending_at(j, a->gq, (b->e * a->t + b->i0) * a->d);
    if (seen)
        attending_product(j, b->rows, a->d, b->keys, w->slopes, b->keys, 1, attending_place(j, &a->k, b->e, b->k0),
                          a->k.row, a->k.col, w->chunk, a->d);
    attending_add(j, b->rows * a->d, seen ? w->chunk : NULL, more ? w->part : to, more ? to : NULL,
                  b->k0 / ATTENDING_CHUNK, count);
}

static void attending_add_key(attending_job *j, const attending_box *b, attending_work *w, bool seen, bool value,
                              void *to) {
    const gm__attending *a = j->a;
    int64_t count = (a->t + ATTENDING_CHUNK - 1) / ATTENDING_CHUNK, n = value ? a->e : a->d;
    bool more = count > ATTENDING_CHUNKS;
    to = attending_at(j, to, (b->e * a->s + b->k0) * n);
    const void *x =
        value ? attending_at(j, a->g, (b->e * a->t + b->i0) * a->e) : attending_place(j, &a->q, b->e, b->i0);
    if (seen)
        attending_product(j, b->keys, n, b->rows, value ? w->weights : w->slopes, 1, b->keys, x,
                          value ? a->e : a->q.row, value ? 1 : a->q.col, w->chunk, n);
    attending_add(j, b->keys * n, seen ? w->chunk : NULL, more ? w->part : to, more ? to : NULL,
                  b->i0 / ATTENDING_CHUNK, count);
}

/* All that an entry needs (not more than one superblock of queries). */
static void attending_entry(attending_job *j, int64_t e, attending_work *w) {
    const gm__attending *a = j->a;
    for (int64_t qc = 0; qc * ATTENDING_CHUNK < a->t; qc++)
        for (int64_t kc = 0; kc * ATTENDING_CHUNK < a->s; kc++) {
            attending_box b = attending_box_of(a, e, qc, kc);
            bool seen = attending_block(j, &b, w);
            if (a->gq) attending_add_query(j, &b, w, seen);
            if (a->gk) attending_add_key(j, &b, w, seen, false, a->gk);
            if (a->gv) attending_add_key(j, &b, w, seen, true, a->gv);
        }
}

static void attending_queries(attending_job *j, int64_t e, int64_t qc, attending_work *w) {
    for (int64_t kc = 0; kc * ATTENDING_CHUNK < j->a->s; kc++) {
        attending_box b = attending_box_of(j->a, e, qc, kc);
        attending_add_query(j, &b, w, attending_block(j, &b, w));
    }
}

static void attending_keys(attending_job *j, int64_t e, int64_t kc, bool value, attending_work *w) {
    for (int64_t qc = 0; qc * ATTENDING_CHUNK < j->a->t; qc++) {
        attending_box b = attending_box_of(j->a, e, qc, kc);
        attending_add_key(j, &b, w, attending_block(j, &b, w), value, value ? j->a->gv : j->a->gk);
    }
}

static void attending_grad_range(void *env, int64_t begin, int64_t end) {
    attending_job *j = env;
    attending_work w;
    if (!attending_take(j, &w)) return;
    for (int64_t i = begin; i < end; i++) {
        if (j->pass == ATTENDING_ALL) attending_entry(j, i, &w);
        else if (j->pass == ATTENDING_QUERIES) attending_queries(j, i / j->tiles, i % j->tiles, &w);
        else attending_keys(j, i / j->tiles, i % j->tiles, j->pass == ATTENDING_VALUES, &w);
    }
    gm__block_give(w.block, w.got);
}

/* mean = sum(g * out) of rows begin..end; the scale of finished gq and gk. */
static void attending_mean_range(void *env, int64_t begin, int64_t end) {
    attending_job *j = env;
    const gm__attending *a = j->a;
    size_t got = 0;
    void *row = gm__block_take((size_t)(a->e * j->bytes) + 64, &got);
    if (!row) {
        atomic_store(&j->failed, true);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        const void *g = attending_at(j, a->g, i * a->e), *o = attending_at(j, a->out, i * a->e);
        if (j->bytes == 4) j->k->attention_product_f32(a->e, g, o, row);
        else j->k->attention_product_f64(a->e, g, o, row);
        attending_put(j, j->mean, i, attending_sum(j, a->e, row));
    }
    gm__block_give(row, got);
}

static void attending_pass(attending_job *j, int pass, int64_t length) {
    const gm__attending *a = j->a;
    j->pass = pass;
    j->tiles = pass == ATTENDING_ALL ? 1 : (length + ATTENDING_CHUNK - 1) / ATTENDING_CHUNK;
    double work = (double)a->t * (double)a->s * (double)(3 * a->d + 2 * a->e + 24) / (double)j->tiles;
    gm_parallel_for(a->batch * j->tiles, attending_grain(work), attending_grad_range, j);
}

static void attending_clear(const attending_job *j, void *x, int64_t n) {
    if (x) memset(x, 0, (size_t)(n * j->bytes));
}

bool gm__attend_grad(const gm__attending *a) {
    attending_job j = { .a = a, .k = gm__kernels(), .bytes = a->dtype == GM_F32 ? 4 : 8 };
    if (a->batch == 0 || a->t == 0 || a->s == 0) { /* nothing attends: zeros */
        attending_clear(&j, a->gq, a->batch * a->t * a->d);
        attending_clear(&j, a->gk, a->batch * a->s * a->d);
        attending_clear(&j, a->gv, a->batch * a->s * a->e);
        return true;
    }
    j.mean = gm_alloc((size_t)(a->batch * a->t * j.bytes));
    if (!j.mean) return false;
    gm_parallel_for(a->batch * a->t, 40000 / (a->e + 32) + 1, attending_mean_range, &j);
    bool whole = a->t <= ATTENDING_CHUNK * ATTENDING_CHUNKS && (a->batch >= 2 * gm_n_threads() || gm_n_threads() == 1 ||
                                                                (a->t <= ATTENDING_CHUNK && a->s <= ATTENDING_CHUNK));
    if (whole) attending_pass(&j, ATTENDING_ALL, 0);
    if (!whole && a->gq) attending_pass(&j, ATTENDING_QUERIES, a->t);
    if (!whole && a->gk) attending_pass(&j, ATTENDING_KEYS, a->s);
    if (!whole && a->gv) attending_pass(&j, ATTENDING_VALUES, a->s);
    if (a->gq) attending_scale(&j, a->batch * a->t * a->d, a->gq);
    if (a->gk) attending_scale(&j, a->batch * a->s * a->d, a->gk);
    gm_free(j.mean);
    return attending_done(&j);
}
