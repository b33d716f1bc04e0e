/* gemm.c: splits matrix products over batch entries, rows, columns and threads, and hands the pieces to the kernels of
 * matmul.h. A piece is a rectangle of c with the whole of k, so that no split can change a bit. Every range of pieces
 * takes one block of working memory from the block cache, which is a pop from a free list. */
#include "../math/fp.h"
#include "gemm.h"
#include "base/memory.h"
#include "gemel/extend.h"

#include <stdatomic.h>

typedef enum { GEMM_F32, GEMM_F64, GEMM_S8, GEMM_U8, GEMM_I32, GEMM_I64 } gemm_kind;

typedef struct {
    const gm__gemm_args *args;
    const gm_kernels *kernels;
    gemm_kind kind;
    gm_mm_geometry geometry;
    gm_mm_job job;                      /* entry 0, operands swapped if that is better */
    const int64_t *a_off, *b_off;
    int64_t rows, cols;                 /* of a piece */
    int64_t n_rows, n_cols, pieces;     /* pieces along m and n, pieces in all */
    atomic_bool failed;
} gemm_plan;

/* Header of a packed b; panels begin 64 bytes from its start. */
typedef struct { const gm_kernels *kernels; int64_t k, n; } gemm_packed;
enum { GEMM_PACKED_HEADER = 64 };

static int64_t gemm_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

static const size_t gemm_a_bytes[] = { 4, 8, 1, 1, 4, 8 }, gemm_b_bytes[] = { 4, 8, 1, 1, 4, 8 },
                    gemm_c_bytes[] = { 4, 8, 4, 4, 4, 8 };

static gm_mm_geometry gemm_geometry(const gm_kernels *t, gemm_kind kind) {
    if (kind == GEMM_F32) return t->matmul_geometry_f32();
    if (kind == GEMM_F64) return t->matmul_geometry_f64();
    return (gm_mm_geometry){ 1, 64, 0 };
}

static void gemm_piece(const gemm_plan *p, int64_t piece, void *work) {
    gm_mm_job job = p->job;
    int64_t entry = piece / (p->n_rows * p->n_cols), i0 = piece / p->n_cols % p->n_rows * p->rows;
    int64_t j0 = piece % p->n_cols * p->cols;
    int64_t i1 = i0 + p->rows < job.m ? i0 + p->rows : job.m, j1 = j0 + p->cols < job.n ? j0 + p->cols : job.n;
    if (p->a_off) job.a = (const char *)job.a + p->a_off[entry] * (int64_t)gemm_a_bytes[p->kind];
    if (p->b_off) job.b = (const char *)job.b + p->b_off[entry] * (int64_t)gemm_b_bytes[p->kind];
    if (p->args->c_off) job.c = (char *)job.c + p->args->c_off[entry] * (int64_t)gemm_c_bytes[p->kind];
    job.batch = entry;
    switch (p->kind) {
    case GEMM_F32: p->kernels->matmul_f32(&job, i0, i1, j0, j1, work); break;
    case GEMM_F64: p->kernels->matmul_f64(&job, i0, i1, j0, j1, work); break;
    case GEMM_S8:
    case GEMM_U8: p->kernels->matmul_s8(&job, p->kind == GEMM_U8, i0, i1, j0, j1); break;
    case GEMM_I32: p->kernels->matmul_i32(&job, i0, i1, j0, j1); break;
    case GEMM_I64: p->kernels->matmul_i64(&job, i0, i1, j0, j1); break;
    }
}

static void gemm_range(void *env, int64_t begin, int64_t end) {
    gemm_plan *p = env;
    size_t got = 0;
    void *work = p->geometry.work_bytes ? gm__block_take((size_t)p->geometry.work_bytes, &got) : NULL;
    if (p->geometry.work_bytes && !work) {
        atomic_store(&p->failed, true);
        return;
    }
    for (int64_t i = begin; i < end; i++) gemm_piece(p, i, work);
    if (work) gm__block_give(work, got);
}

/* c' = b' a' where lanes along m serve better than lanes along n: the kernels want c's rows contiguous, and wide. Never
 * with a bias or `done`, which are for row segments. */
static bool gemm_better_swapped(const gm__gemm_args *g, int64_t lanes) {
    if (g->done || g->bias || g->b_packed || g->m <= g->n / 8) return false;
    if (g->n < lanes && g->m > g->n) return true;
    return g->c_col != 1 && g->c_row == 1 && g->m >= lanes;
}

static void gemm_job(gemm_plan *p) {
    const gm__gemm_args *g = p->args;
    const char *panels = g->b_packed ? (const char *)g->b_packed + GEMM_PACKED_HEADER : NULL;
    p->job = (gm_mm_job){ .m = g->m, .n = g->n, .k = g->k, .a = g->a, .b = g->b, .b_packed = panels, .c = g->c,
                          .a_row = g->a_row, .a_col = g->a_col, .b_row = g->b_row, .b_col = g->b_col,
                          .c_row = g->c_row, .c_col = g->c_col, .bias = g->bias, .done = g->done, .env = g->env };
    p->a_off = g->a_off, p->b_off = g->b_off;
    bool floats = p->kind == GEMM_F32 || p->kind == GEMM_F64;
    if (!floats || !gemm_better_swapped(g, p->geometry.nr / 2)) return;
    p->job.m = g->n, p->job.n = g->m;
    p->job.a = g->b, p->job.a_row = g->b_col, p->job.a_col = g->b_row;
    p->job.b = g->a, p->job.b_row = g->a_col, p->job.b_col = g->a_row;
    p->job.c_row = g->c_col, p->job.c_col = g->c_row;
    p->a_off = g->b_off, p->b_off = g->a_off;
}

/* A grid of `wanted` pieces over c, if c is large enough for one: each row of the grid packs b anew, each column a. */
static void gemm_grid(gemm_plan *p, int64_t wanted) {
    int64_t m = p->job.m, n = p->job.n, nr = p->geometry.nr;
    int64_t most_rows = (m + p->geometry.mr - 1) / p->geometry.mr, most_cols = (n + nr - 1) / nr, rows = 1, cols = 1;
    double least = 1e300;
    for (int64_t r = 1; r <= wanted; r++) {
        int64_t c = wanted / r < most_cols ? wanted / r : most_cols;
        double missing = (double)(wanted - r * c), cost = (double)r * (double)n + (double)c * (double)m;
        if (r > most_rows || cost * (1 + missing) >= least) continue;
        least = cost * (1 + missing), rows = r, cols = c;
    }
    p->rows = (m + rows - 1) / rows, p->cols = gemm_up((n + cols - 1) / cols, nr);
    p->n_rows = (m + p->rows - 1) / p->rows, p->n_cols = (n + p->cols - 1) / p->cols;
}

static int64_t gemm_common(int64_t a, int64_t b) { return b ? gemm_common(b, a % b) : a; }

/* One piece per thread: more would balance better beside a busy neighbour, but two cost 6 percent in packing. A piece
 * has at least 10 us of work. Returns the grain of the loop over pieces. */
static int64_t gemm_split(gemm_plan *p, int64_t batch) {
    double entry = (double)(p->job.m + 8) * (double)p->job.n * (double)p->job.k, least = 1 << 19;
    int64_t threads = p->args->serial || entry * (double)batch < 2 * least ? 1 : gm_n_threads();
    int64_t wanted = batch < 4 * threads ? threads / gemm_common(threads, batch) : 1;
    if ((double)wanted > entry / least) wanted = entry < least ? 1 : (int64_t)(entry / least);
    gemm_grid(p, wanted);
    p->pieces = p->n_rows * p->n_cols * batch;
    double piece = entry / (double)(p->n_rows * p->n_cols);
    return piece >= least ? 1 : piece <= 1 ? p->pieces : (int64_t)(least / piece) + 1;
}

static bool gemm_run(const gm__gemm_args *args, gemm_kind kind) {
    if (!gm_ok()) return false;
    int64_t batch = args->batch || args->c_off ? args->batch : 1;
    if (args->m <= 0 || args->n <= 0 || batch <= 0) return true;
    gemm_plan p = { .args = args, .kind = kind, .kernels = args->kernels ? args->kernels : gm__kernels() };
    const gemm_packed *packed = args->b_packed;
    if (packed) {
        if (packed->k != args->k || packed->n != args->n)
            return gm_fail(GM_ERROR_INTERNAL, "gemm: b was packed as [%lld, %lld], the product wants [%lld, %lld]",
                           (long long)packed->k, (long long)packed->n, (long long)args->k, (long long)args->n);
        p.kernels = packed->kernels;
    }
    p.geometry = gemm_geometry(p.kernels, kind);
    gemm_job(&p);
    int64_t grain = gemm_split(&p, batch);
    if (args->serial) gemm_range(&p, 0, p.pieces);
    else gm_parallel_for(p.pieces, grain, gemm_range, &p);
    if (atomic_load(&p.failed))
        return gm_fail(GM_ERROR_MEMORY, "matmul: no working memory for [%lld, %lld] x [%lld, %lld]", (long long)args->m,
                       (long long)args->k, (long long)args->k, (long long)args->n);
    return true;
}

bool gm__gemm_f32(const gm__gemm_args *args) { return gemm_run(args, GEMM_F32); }
bool gm__gemm_f64(const gm__gemm_args *args) { return gemm_run(args, GEMM_F64); }
bool gm__gemm_i32(const gm__gemm_args *args) { return gemm_run(args, GEMM_I32); }
bool gm__gemm_i64(const gm__gemm_args *args) { return gemm_run(args, GEMM_I64); }

bool gm__gemm_s8(const gm__gemm_args *args, bool a_unsigned) { return gemm_run(args, a_unsigned ? GEMM_U8 : GEMM_S8); }

/* ---- packed b ---- */

typedef struct { const gm_kernels *kernels; gemm_kind kind; gm_mm_job job; int64_t nr; void *panels; } gemm_pack_env;

static void gemm_pack_range(void *env, int64_t begin, int64_t end) {
    const gemm_pack_env *e = env;
    int64_t j1 = end * e->nr < e->job.n ? end * e->nr : e->job.n;
    if (e->kind == GEMM_F32) e->kernels->matmul_pack_f32(&e->job, begin * e->nr, j1, e->panels);
    else e->kernels->matmul_pack_f64(&e->job, begin * e->nr, j1, e->panels);
}

static size_t gemm_packed_bytes(const gm_kernels *kernels, gemm_kind kind, int64_t k, int64_t n) {
    int64_t nr = gemm_geometry(kernels ? kernels : gm__kernels(), kind).nr;
    return GEMM_PACKED_HEADER + (size_t)(k * gemm_up(n, nr)) * gemm_b_bytes[kind];
}

static void gemm_pack(const gm_kernels *kernels, gemm_kind kind, int64_t k, int64_t n, const void *b, int64_t b_row,
                      int64_t b_col, void *block) {
    if (!kernels) kernels = gm__kernels();
    *(gemm_packed *)block = (gemm_packed){ kernels, k, n };
    gemm_pack_env e = { .kernels = kernels, .kind = kind, .nr = gemm_geometry(kernels, kind).nr,
                        .job = { .n = n, .k = k, .b = b, .b_row = b_row, .b_col = b_col },
                        .panels = (char *)block + GEMM_PACKED_HEADER };
    gm_parallel_for((n + e.nr - 1) / e.nr, 1 + (1 << 17) / (k * e.nr + 1), gemm_pack_range, &e);
}

size_t gm__gemm_packed_bytes_f32(const gm_kernels *kernels, int64_t k, int64_t n) {
    return gemm_packed_bytes(kernels, GEMM_F32, k, n);
}

size_t gm__gemm_packed_bytes_f64(const gm_kernels *kernels, int64_t k, int64_t n) {
    return gemm_packed_bytes(kernels, GEMM_F64, k, n);
}

void gm__gemm_pack_f32(const gm_kernels *kernels, int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_col,
                       void *block) {
    gemm_pack(kernels, GEMM_F32, k, n, b, b_row, b_col, block);
}

void gm__gemm_pack_f64(const gm_kernels *kernels, int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_col,
                       void *block) {
    gemm_pack(kernels, GEMM_F64, k, n, b, b_row, b_col, block);
}
