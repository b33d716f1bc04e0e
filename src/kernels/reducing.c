/* reducing.c: the driver of reductions (kernels: reduce_rows.h; order of summation: docs/numerics.md).
 *
 * Sizes of one are dropped and neighbours of a kind merged. If the last dimension that is left is reduced, each output
 * is one sequence of elements, cut into blocks of 4,096 and summed in 32 lanes; blocks that do not lie in one piece are
 * copied together first. Else neighbouring outputs are columns, and each has a chain by chunks of 256 rows. Work is
 * split over outputs; few long sequences are split at superblocks, whose parts are added in order afterwards. */
#include "../math/fp.h"
#include "reducing.h"
#include "gemel/extend.h"
#include "kernels.h"

#include <string.h>

enum { RED_TILE = 1024, RED_RANGE = 64 * 1024 };

typedef struct {
    void (*block)(int64_t n, const void *x, void *lane);
    void (*merge)(int64_t n, const void *x, void *acc);
    void (*rows)(int64_t rows, int64_t n, const void *x, void *y);
    void (*columns)(int64_t rows, int64_t stride, int64_t columns, const void *x, void *acc);
    int bytes;
    char identity[8];
} red_family;

typedef struct {
    red_family f;
    const char *x;
    char *y;
    int n_kept, n_reduced;
    int64_t kept[GM_MAX_DIMS], kept_stride[GM_MAX_DIMS], reduced[GM_MAX_DIMS], reduced_stride[GM_MAX_DIMS];
    int64_t outputs, count; /* outputs, elements in each */
    int64_t tile, tiles;    /* columns of a unit of work, units of a row of outputs */
    bool last_reduced;
    char *parts;            /* lanes of superblocks, where one output is split */
} red_plan;

/* ---- kernels by type ---- */

static red_family red_kernels(gm__reduction op, gm_dtype domain) {
    const gm_kernels *k = gm__kernels();
    red_family f = { .bytes = 0 };
#define RED_CASE(OP, op_, S, DT, T, id)                                                                                \
    if (op == GM__REDUCE_##OP && domain == GM_##DT) {                                                                  \
        T identity = id;                                                                                               \
        f = (red_family){ k->reduce_##op_##_block_##S, k->reduce_##op_##_merge_##S, k->reduce_##op_##_rows_##S,        \
                          k->reduce_##op_##_columns_##S, sizeof(T), { 0 } };                                           \
        memcpy(f.identity, &identity, sizeof identity);                                                                \
    }
    RED_CASE(SUM, sum, f32, F32, float, 0)
    RED_CASE(SUM, sum, f64, F64, double, 0)
    RED_CASE(SUM, sum, i64, I64, int64_t, 0)
    RED_CASE(PROD, prod, f32, F32, float, 1)
    RED_CASE(PROD, prod, f64, F64, double, 1)
    RED_CASE(PROD, prod, i64, I64, int64_t, 1)
    RED_CASE(MAX, max, f32, F32, float, -__builtin_inff())
    RED_CASE(MAX, max, f64, F64, double, -__builtin_inf())
    RED_CASE(MAX, max, i32, I32, int32_t, INT32_MIN)
    RED_CASE(MAX, max, i64, I64, int64_t, INT64_MIN)
    RED_CASE(MAX, max, u64, U64, uint64_t, 0)
    RED_CASE(MIN, min, f32, F32, float, __builtin_inff())
    RED_CASE(MIN, min, f64, F64, double, __builtin_inf())
    RED_CASE(MIN, min, i32, I32, int32_t, INT32_MAX)
    RED_CASE(MIN, min, i64, I64, int64_t, INT64_MAX)
    RED_CASE(MIN, min, u64, U64, uint64_t, UINT64_MAX)
#undef RED_CASE
    return f;
}

static void red_fill(const red_family *f, void *to, int64_t n) {
    for (int64_t i = 0; i < n; i++) memcpy((char *)to + i * f->bytes, f->identity, (size_t)f->bytes);
}

/* ---- the plan ---- */

static void red_push(int *n, int64_t *size, int64_t *stride, int64_t d, int64_t s, bool merges) {
    if (merges) size[*n - 1] *= d, stride[*n - 1] = s;
    else size[*n] = d, stride[(*n)++] = s;
}

static void red_dims(red_plan *p, const gm_shape *shape, uint32_t mask) {
    int64_t stride = gm_shape_count(*shape);
    bool before = false, any = false;
    for (int i = 0; i < shape->n; i++) {
        int64_t d = shape->d[i];
        bool reduced = mask >> i & 1;
        if (d == 1) continue;
        stride = d ? stride / d : 0;
        bool merges = any && reduced == before;
        if (reduced) red_push(&p->n_reduced, p->reduced, p->reduced_stride, d, stride, merges), p->count *= d;
        else red_push(&p->n_kept, p->kept, p->kept_stride, d, stride, merges), p->outputs *= d;
        before = reduced, any = true;
    }
    p->last_reduced = !any || before;
}

static int64_t red_offset(int64_t index, int n, const int64_t *size, const int64_t *stride) {
    int64_t offset = 0;
    for (int i = n - 1; i >= 0; i--) {
        offset += index % size[i] * stride[i];
        index /= size[i];
    }
    return offset;
}

/* ---- rows ---- */

static void red_rows_range(void *env, int64_t begin, int64_t end) {
    const red_plan *p = env;
    int b = p->f.bytes;
    p->f.rows(end - begin, p->count, p->x + begin * p->count * b, p->y + begin * b);
}

/* Elements at..at+n of the sequence of an output whose first element is x: in place, or copied into `tile`. */
static const char *red_sequence(const red_plan *p, const char *x, int64_t at, int64_t n, char *tile) {
    int last = p->n_reduced - 1, b = p->f.bytes;
    if (p->n_reduced <= 1) return x + at * b;
    int64_t inner = p->reduced[last];
    for (int64_t done = 0; done < n;) {
        int64_t k = at + done, within = k % inner, run = inner - within < n - done ? inner - within : n - done;
        int64_t offset = red_offset(k / inner, last, p->reduced, p->reduced_stride) + within;
        memcpy(tile + done * b, x + offset * b, (size_t)(run * b));
        done += run;
    }
    return tile;
}

/* part[32] of the superblock that begins at `at`. */
static void red_superblock(const red_plan *p, const char *x, int64_t at, char *part) {
    char tile[GM_RD_BLOCK * 8] __attribute__((aligned(64))), lane[GM_RD_LANES * 8];
    int64_t end = p->count - at < GM_RD_SUPER ? p->count : at + GM_RD_SUPER;
    red_fill(&p->f, part, GM_RD_LANES);
    for (int64_t k = at; k < end; k += GM_RD_BLOCK) {
        int64_t n = end - k < GM_RD_BLOCK ? end - k : GM_RD_BLOCK;
        p->f.block(n, red_sequence(p, x, k, n, tile), lane);
        p->f.merge(GM_RD_LANES, lane, part);
    }
}

static void red_fold(const red_plan *p, char *total, char *y) {
    for (int s = GM_RD_LANES / 2; s; s /= 2) p->f.merge(s, total + s * p->f.bytes, total);
    memcpy(y, total, (size_t)p->f.bytes);
}

static const char *red_output_x(const red_plan *p, int64_t o) {
    return p->x + red_offset(o, p->n_kept, p->kept, p->kept_stride) * p->f.bytes;
}

static void red_gather_range(void *env, int64_t begin, int64_t end) {
    const red_plan *p = env;
    char part[GM_RD_LANES * 8], total[GM_RD_LANES * 8];
    for (int64_t o = begin; o < end; o++) {
        red_fill(&p->f, total, GM_RD_LANES);
        for (int64_t at = 0; at < p->count; at += GM_RD_SUPER) {
            red_superblock(p, red_output_x(p, o), at, part);
            p->f.merge(GM_RD_LANES, part, total);
        }
        red_fold(p, total, p->y + o * p->f.bytes);
    }
}

static void red_super_range(void *env, int64_t begin, int64_t end) {
    const red_plan *p = env;
    int64_t supers = (p->count + GM_RD_SUPER - 1) / GM_RD_SUPER, lanes = (int64_t)GM_RD_LANES * p->f.bytes;
    for (int64_t u = begin; u < end; u++)
        red_superblock(p, red_output_x(p, u / supers), u % supers * GM_RD_SUPER, p->parts + u * lanes);
}

/* Few long sequences: superblocks in parallel, then their parts in order. */
static bool red_run_supers(red_plan *p) {
    int64_t supers = (p->count + GM_RD_SUPER - 1) / GM_RD_SUPER, lanes = (int64_t)GM_RD_LANES * p->f.bytes;
    p->parts = gm_alloc((size_t)(p->outputs * supers * lanes));
    if (!p->parts) return false;
    gm_parallel_for(p->outputs * supers, 1, red_super_range, p);
    for (int64_t o = 0; o < p->outputs; o++) {
        char total[GM_RD_LANES * 8];
        red_fill(&p->f, total, GM_RD_LANES);
        for (int64_t s = 0; s < supers; s++) p->f.merge(GM_RD_LANES, p->parts + (o * supers + s) * lanes, total);
        red_fold(p, total, p->y + o * p->f.bytes);
    }
    gm_free(p->parts);
    return true;
}

/* ---- columns ---- */

/* Rows k..k+n of a unit's columns into acc, run by run. */
static void red_chunk(const red_plan *p, const char *x, int64_t k, int64_t n, int64_t columns, char *acc) {
    int last = p->n_reduced - 1, b = p->f.bytes;
    int64_t inner = p->reduced[last], stride = p->reduced_stride[last];
    while (n > 0) {
        int64_t within = k % inner, run = inner - within < n ? inner - within : n;
        int64_t offset = red_offset(k / inner, last, p->reduced, p->reduced_stride) + within * stride;
        p->f.columns(run, stride, columns, x + offset * b, acc);
        k += run, n -= run;
    }
}

static void red_unit(const red_plan *p, const char *x, int64_t columns, char *y) {
    char acc[RED_TILE * 8] __attribute__((aligned(64))), part[RED_TILE * 8] __attribute__((aligned(64)));
    red_fill(&p->f, y, columns);
    for (int64_t s = 0; s < p->count; s += GM_RD_CHUNK_SUPER) {
        int64_t end = p->count - s < GM_RD_CHUNK_SUPER ? p->count : s + GM_RD_CHUNK_SUPER;
        red_fill(&p->f, part, columns);
        for (int64_t k = s; k < end; k += GM_RD_CHUNK) {
            red_fill(&p->f, acc, columns);
            red_chunk(p, x, k, end - k < GM_RD_CHUNK ? end - k : GM_RD_CHUNK, columns, acc);
            p->f.merge(columns, acc, part);
        }
        p->f.merge(columns, part, y);
    }
}

static void red_columns_range(void *env, int64_t begin, int64_t end) {
    const red_plan *p = env;
    int64_t width = p->kept[p->n_kept - 1];
    for (int64_t u = begin; u < end; u++) {
        int64_t o = u / p->tiles, j = u % p->tiles * p->tile, columns = width - j < p->tile ? width - j : p->tile;
        const char *x = p->x + red_offset(o, p->n_kept - 1, p->kept, p->kept_stride) * p->f.bytes;
        red_unit(p, x + j * p->f.bytes, columns, p->y + (o * width + j) * p->f.bytes);
    }
}

static void red_run_columns(red_plan *p) {
    int64_t width = p->kept[p->n_kept - 1], rows = p->outputs / width, wanted = 4 * gm_n_threads();
    p->tile = RED_TILE;
    while (p->tile > 64 && rows * ((width + p->tile - 1) / p->tile) < wanted) p->tile /= 2;
    p->tiles = (width + p->tile - 1) / p->tile;
    gm_parallel_for(rows * p->tiles, 1 + RED_RANGE / (p->count * p->tile + 1), red_columns_range, p);
}

bool gm__reduce(gm__reduction op, gm_dtype domain, const gm_shape *shape, uint32_t mask, const void *x, void *y) {
    red_plan p = { .f = red_kernels(op, domain), .x = x, .y = y, .outputs = 1, .count = 1 };
    if (!p.f.bytes) return gm_fail(GM_ERROR_DTYPE, "reduce: no kernel for %s", gm_dtype_name(domain));
    red_dims(&p, shape, mask);
    if (!p.outputs) return true;
    if (!p.count || !p.n_reduced) { /* one element is added to +0, too */
        red_fill(&p.f, y, p.outputs);
        if (p.count) p.f.merge(p.outputs, x, y);
        return true;
    }
    if (!p.last_reduced) red_run_columns(&p);
    else if (p.count > GM_RD_SUPER && p.outputs < 2 * gm_n_threads()) return red_run_supers(&p);
    else gm_parallel_for(p.outputs, 1 + RED_RANGE / p.count, p.n_reduced == 1 ? red_rows_range : red_gather_range, &p);
    return true;
}
