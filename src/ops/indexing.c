/* indexing.c: walking two tensors in step, one of them through indices.
 *
 * data[.., index[c], ..] stands beside other[c] at each place c of the index. All three are walked by steps, so strided
 * and broadcast tensors are read where they lie. A unit of work is a row along the last dimension, or, where
 * destinations may repeat along `dim`, all rows along `dim` of one tile of columns: two units never meet in a
 * destination, and within one the order is that of the source. So the split changes no bit. */
#include "../math/fp.h"
#include "indexing.h"

#include <string.h>

typedef void (*walk_fn)(const gm__index_row *row, void *data, void *other);
enum { WALK_DATA, WALK_INDEX, WALK_OTHER, WALK_N };

typedef struct {
    walk_fn f;
    char *at[WALK_N];
    int bytes[WALK_N];
    int n; /* outer dimensions, outermost first */
    int64_t size[GM_MAX_DIMS], step[WALK_N][GM_MAX_DIMS];
    int64_t count, count_step[WALK_N]; /* along dim, in order */
    int64_t tile, tiles;               /* columns of a unit, units across a row */
    gm__index_row row;
} walk_job;

/* ---- indices ---- */

bool gm__index_dtype(const char *op, const gm_tensor *t) {
    return gm_is_integer(t->dtype) ||
           gm_fail(GM_ERROR_DTYPE, "%s: indices are integers, not %s", op, gm_dtype_name(t->dtype));
}

bool gm__index_read(gm_tensor *index, gm__indices *out) {
    gm_shape once = index->shape;
    for (int d = 0; d < once.n; d++)
        if (index->stride[d] == 0 && once.d[d] > 1) once.d[d] = 1;
    gm_tensor *t = gm__tensor_over(index->storage, index->offset, &once, index->dtype);
    if (t) memcpy(t->stride, index->stride, (size_t)once.n * sizeof *t->stride);
    t = t ? gm_contiguous(gm_cast(t, GM_I64)) : NULL;
    if (!t) return false;
    out->at = (const int64_t *)gm__data(t);
    out->count = 1;
    for (int d = once.n - 1; d >= 0; d--) {
        out->step[d] = once.d[d] == 1 ? 0 : out->count;
        out->count *= once.d[d];
    }
    return true;
}

bool gm__index_check(const char *op, const gm__indices *index, int64_t low, int64_t size) {
    const uint64_t first = (uint64_t)low, n = (uint64_t)size - first;
    bool bad = false;
    for (int64_t j = 0; j < index->count; j++) bad |= (uint64_t)index->at[j] - first >= n;
    if (!bad) return true;
    int64_t j = 0;
    while ((uint64_t)index->at[j] - first < n) j++;
    return gm_fail(GM_ERROR_INDEX, "%s: index %lld at position %lld, the size is %lld", op, (long long)index->at[j],
                   (long long)j, (long long)size);
}

/* ---- the walk ---- */

static walk_fn walk_move(bool gather, int bytes) {
    const gm_kernels *k = gm__kernels();
    switch (bytes) {
    case 1: return gather ? k->index_gather_8 : k->index_scatter_8;
    case 2: return gather ? k->index_gather_16 : k->index_scatter_16;
    case 4: return gather ? k->index_gather_32 : k->index_scatter_32;
    default: return gather ? k->index_gather_64 : k->index_scatter_64;
    }
}

static walk_fn walk_add(gm_dtype dtype, int bytes) {
    const gm_kernels *k = gm__kernels();
    if (dtype == GM_F32) return k->index_add_f32;
    if (dtype == GM_F64) return k->index_add_f64;
    return bytes == 1 ? k->index_add_u8 : bytes == 2 ? k->index_add_u16 : bytes == 4 ? k->index_add_u32
                                                                                      : k->index_add_u64;
}

static void walk_unit(const walk_job *j, int64_t unit) {
    int64_t place = unit / j->tiles, column = unit % j->tiles * j->tile, at[WALK_N];
    at[WALK_DATA] = column * j->row.data_step;
    at[WALK_INDEX] = column * j->row.index_step;
    at[WALK_OTHER] = column * j->row.other_step;
    for (int d = j->n - 1; d >= 0; place /= j->size[d--])
        for (int k = 0; k < WALK_N; k++) at[k] += place % j->size[d] * j->step[k][d];
    gm__index_row row = j->row;
    row.n = row.n - column < j->tile ? row.n - column : j->tile;
    for (int64_t c = 0; c < j->count; c++) {
        row.index = (const int64_t *)j->at[WALK_INDEX] + at[WALK_INDEX];
        j->f(&row, j->at[WALK_DATA] + at[WALK_DATA] * j->bytes[WALK_DATA],
             j->at[WALK_OTHER] + at[WALK_OTHER] * j->bytes[WALK_OTHER]);
        for (int k = 0; k < WALK_N; k++) at[k] += j->count_step[k];
    }
}

static void walk_range(void *env, int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; u++) walk_unit(env, u);
}

/* Columns of a unit. In order, few rows of a table are cut into more columns, so that every thread has some. */
static int64_t walk_tile(const walk_job *j, bool along_row, bool ordered) {
    int64_t units = 1, wanted = 4 * (int64_t)gm_n_threads();
    for (int d = 0; d < j->n; d++) units *= j->size[d];
    if (!ordered || units >= wanted) return ordered && along_row ? j->row.n : 512;
    if (along_row) return j->row.n;
    int64_t tile = (j->row.n * units / wanted + 15) / 16 * 16;
    return tile < 32 ? 32 : tile > 512 ? 512 : tile;
}

/* The last dimension that is not 1 becomes the row; `dim` the count, if order matters and it is not the row. */
static void walk_dims(walk_job *j, const gm_shape *shape, int dim, bool ordered, const int64_t *const step[WALK_N]) {
    int last = -1;
    for (int d = 0; d < shape->n; d++)
        if (shape->d[d] != 1) last = d;
    j->count = 1;
    j->row.n = 1;
    for (int d = 0; d <= last; d++) {
        int64_t s[WALK_N] = { d == dim ? 0 : step[WALK_DATA][d], step[WALK_INDEX][d], step[WALK_OTHER][d] };
        if (shape->d[d] == 1) continue;
        if (d == last) {
            j->row.n = shape->d[d];
            j->row.data_step = s[WALK_DATA], j->row.index_step = s[WALK_INDEX], j->row.other_step = s[WALK_OTHER];
        } else if (d == dim && ordered) {
            j->count = shape->d[d];
            memcpy(j->count_step, s, sizeof s);
        } else {
            for (int k = 0; k < WALK_N; k++) j->step[k][j->n] = s[k];
            j->size[j->n++] = shape->d[d];
        }
    }
    j->tile = walk_tile(j, dim == last, ordered);
    j->tiles = (j->row.n + j->tile - 1) / j->tile;
}

void gm__index_walk(gm__index_action action, const gm_shape *shape, int dim, const gm__indices *index,
                    const gm_tensor *data, const gm_tensor *other) {
    int64_t total = gm_shape_count(*shape), units = 1;
    int bytes = gm__element_bytes(data->dtype);
    if (!total) return;
    walk_job j = { .at = { gm__data(data), (char *)index->at, gm__data(other) }, .bytes = { bytes, 8, bytes } };
    j.f = action == GM__INDEX_ADD ? walk_add(data->dtype, bytes) : walk_move(action == GM__INDEX_GATHER, bytes);
    j.row.dim_step = data->stride[dim];
    walk_dims(&j, shape, dim, action != GM__INDEX_GATHER,
              (const int64_t *const[]){ data->stride, index->step, other->stride });
    for (int d = 0; d < j.n; d++) units *= j.size[d];
    units *= j.tiles;
    gm_parallel_for(units, 1 + 16384 / (total / units), walk_range, &j);
}

static void walk_zero(void *env, int64_t begin, int64_t end) {
    const gm_storage *s = env;
    size_t from = (size_t)begin << 12, to = (size_t)end << 12;
    memset((char *)s->data + from, 0, (to < s->bytes ? to : s->bytes) - from);
}

void gm__zero(gm_tensor *y) { gm_parallel_for((int64_t)(y->storage->bytes + 4095) >> 12, 256, walk_zero, y->storage); }
