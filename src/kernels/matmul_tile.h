/* matmul_tile.h: the text of the matrix product, for one type and one instruction set. It may be included many times;
 * the library does so from matmul.h, emitted code with hooks of its own.
 *
 * Values (docs/numerics.md, "Dot-like sums"): every element of c is a chain acc = fma(a, b, acc) from +0 over each
 * chunk of 256 k, ascending; part = +0 + acc + acc ... over 64 chunks; total = +0 + part + part ... No part is ever
 * -0, so the first part is the total's beginning as it stands, and c itself serves as the place of parts and total:
 * only the parts of later superblocks need a place of their own. Nothing else in this file can touch a bit.
 *
 * Speed. A tile is R rows by one, two or four vectors of c held in registers over a whole chunk. A block of b, 256 x
 * NC, is packed into L2, in panels of two vectors, and every panel of rows of a meets all of it while that panel, R x
 * 256, stays in L1. Both are read in place where packing would not pay; for a that is nearly always. Rows are spread
 * evenly over the panels (16 rows are 8 + 8, not 14 + 2). One to four rows against an unpacked b need no tile: see
 * matvec.h. Tried and left out: prefetching b within the tile, packing a ahead, blocks of b smaller than half of L2.
 *
 * Required:
 *   MM(name)                 the name with suffixes for type and instruction set
 *   MM_T, MM_V, MM_VN        the type, its vector, lanes of the vector
 *   MM_LOAD MM_STORE MM_SPLAT MM_VFMA MM_FMA MM_TRANSPOSE   the vocabulary for that type
 *   GM_MM_MR                 rows of a tile: 2, 4, 6, 8, 10, 12 or 14; accumulators are MR x 2 vectors
 *   GM_MM_WIDE               rows up to which a tile of four vectors is used
 *   GM_MM_STEPS              rows of b that matvec.h takes at a time: 1 or 8
 *   GM_MM_BLOCK_BYTES        of a packed block of b: half of L2
 * Hooks, all optional (i, j, k count from 0 over the whole product; job is the const gm_mm_job *):
 *   GM_HOOK_LOAD_A(x, i, k)  an expression of MM_T applied to every element of a as it is packed; likewise
 *   GM_HOOK_LOAD_B(x, k, j)  for b. Where one is defined that operand is always packed.
 *   GM_HOOK_RESUME(job)      whether c holds the total of earlier superblocks, of which this call's k is the
 *                            continuation (so any split of k at multiples of 16384 is possible); default 0
 *   GM_HOOK_TILE_DONE(job, i, j, rows, cols, c, c_row, c_col)    a statement: this tile of c has its final values and
 *                            is in L1 (bias, activation, residual)
 *   GM_HOOK_ROWS_DONE(job, i, j, rows, cols, c, c_row, c_col)    the same for all tiles of a panel of rows, in L1 or
 *                            L2; default: job->bias, then the function job->done per row, where there are any
 *   GM_HOOK_BLOCK_DONE(job, i, j, rows, cols, c, c_row, c_col)   the same for a finished block, in L2 or L3
 *                            (statistics, sums)
 * After the text the hooks are undefined again; matmul_undef.h takes back the rest. */

#if defined(GM_HOOK_LOAD_A)
#  define MM_PLAIN_A 0
#else
#  define MM_PLAIN_A 1
#  define GM_HOOK_LOAD_A(x, i, k) (x)
#endif
#if defined(GM_HOOK_LOAD_B)
#  define MM_PLAIN_B 0
#else
#  define MM_PLAIN_B 1
#  define GM_HOOK_LOAD_B(x, k, j) (x)
#endif
#ifndef GM_HOOK_RESUME
#  define GM_HOOK_RESUME(job) 0
#endif
#ifndef GM_HOOK_TILE_DONE
#  define GM_HOOK_TILE_DONE(job, i, j, rows, cols, c, c_row, c_col) ((void)0)
#endif
#ifndef GM_HOOK_BLOCK_DONE
#  define GM_HOOK_BLOCK_DONE(job, i, j, rows, cols, c, c_row, c_col) ((void)0)
#endif
#ifndef GM_HOOK_ROWS_DONE
#  define GM_HOOK_ROWS_DONE(job, i, j, rows, cols, c, c_row, c_col) MM(finish)(job, i, j, rows, cols, c, c_row, c_col)
#endif

#define MM_NR (2 * MM_VN)
#define MM_NC (GM_MM_BLOCK_BYTES / (GM_MM_CHUNK * (int)sizeof(MM_T)) / (4 * MM_VN) * (4 * MM_VN))
#define MM_MIN(x, y) ((x) < (y) ? (x) : (y))

/* The memory a call works in: one panel of a (and what a store of whole vectors spills over), a block of b, parts. */
enum {
    MM(a_elements) = GM_MM_MR * GM_MM_CHUNK + 64,
    MM(b_elements) = GM_MM_CHUNK * MM_NC,
    MM(part_rows) = 96,
    MM(work_bytes) = (MM(a_elements) + MM(b_elements) + MM(part_rows) * MM_NC) * (int)sizeof(MM_T)
};

/* ---- the register tile ---- */

typedef void (*MM(tile_fn))(int64_t kc, const MM_T *a, int64_t a_row, int64_t a_col, const MM_T *b, int64_t b_row,
                            int64_t b_panel, MM_T *c, int64_t c_row, bool resume);

/* c[R, V vectors] = (resume ? c : +0) + the chain over kc of a[R, kc] b[kc, V vectors]. Every pair of vectors of b is a
 * panel; b_row is the step of k within one, b_panel the step from one to the next. R and V are constants. Rows of a are
 * addressed in groups of four, so that 14 of them need few registers. The strides of a packed panel are not constants
 * either: knowing rows to be neighbours, GCC 12 loads a vector of them and permutes where it should broadcast. */
GM_INLINE void MM(tile)(const int R, const int V, int64_t kc, const MM_T *a, int64_t a_row, int64_t a_col,
                        const MM_T *b, int64_t b_row, int64_t b_panel, MM_T *c, int64_t c_row, bool resume) {
    MM_V acc[GM_MM_MR][4], bv[4];
    const MM_T *rows[4];
    GM_UNROLL
    for (int g = 0; 4 * g < R; g++) rows[g] = a + 4 * g * a_row;
    GM_UNROLL
    for (int i = 0; i < R; i++) {
        GM_UNROLL
        for (int v = 0; v < V; v++) acc[i][v] = MM_SPLAT(0);
    }
    for (int64_t k = 0; k < kc; k++, b += b_row) {
        GM_UNROLL
        for (int v = 0; v < V; v++) bv[v] = MM_LOAD(b + (v / 2) * b_panel + (v % 2) * MM_VN);
        GM_UNROLL
        for (int i = 0; i < R; i++) {
            MM_V av = MM_SPLAT(rows[i / 4][i % 4 * a_row]);
            GM_UNROLL
            for (int v = 0; v < V; v++) acc[i][v] = MM_VFMA(av, bv[v], acc[i][v]);
        }
        GM_UNROLL
        for (int g = 0; 4 * g < R; g++) rows[g] += a_col;
    }
    GM_UNROLL
    for (int i = 0; i < R; i++, c += c_row) {
        GM_UNROLL
        for (int v = 0; v < V; v++) {
            MM_V part = resume ? MM_LOAD(c + v * MM_VN) : MM_SPLAT(0);
            MM_STORE(c + v * MM_VN, part + acc[i][v]);
        }
    }
}

/* One function per shape: columns of one, two and four vectors. */
#define MM_TILE(name, R, V)                                                                                            \
    static void MM(name)(int64_t kc, const MM_T *a, int64_t a_row, int64_t a_col, const MM_T *b, int64_t b_row,        \
                         int64_t b_panel, MM_T *c, int64_t c_row, bool resume) {                                       \
        MM(tile)(R, V, kc, a, a_row, a_col, b, b_row, b_panel, c, c_row, resume);                                      \
    }
#define MM_TILES(R) MM_TILE(tile1_##R, R, 1) MM_TILE(tile2_##R, R, 2)
#define MM_WIDE(R) MM_TILE(tile4_##R, R, 4)

#define MM_ROWS_1(X) X(1)
#define MM_ROWS_2(X) X(1) X(2)
#define MM_ROWS_4(X) MM_ROWS_2(X) X(3) X(4)
#define MM_ROWS_6(X) MM_ROWS_4(X) X(5) X(6)
#define MM_ROWS_8(X) MM_ROWS_6(X) X(7) X(8)
#define MM_ROWS_10(X) MM_ROWS_8(X) X(9) X(10)
#define MM_ROWS_12(X) MM_ROWS_10(X) X(11) X(12)
#define MM_ROWS_14(X) MM_ROWS_12(X) X(13) X(14)
#define MM_ROWS(n, X) GM__PASTE(MM_ROWS, n)(X)

MM_ROWS(GM_MM_MR, MM_TILES)
MM_ROWS(GM_MM_WIDE, MM_WIDE)

enum { MM(one), MM(two), MM(four) };
#define MM_NAME_1(R) MM(tile1_##R),
#define MM_NAME_2(R) MM(tile2_##R),
#define MM_NAME_4(R) MM(tile4_##R),
static const MM(tile_fn) MM(tiles)[3][GM_MM_MR + 1] = {
    { NULL, MM_ROWS(GM_MM_MR, MM_NAME_1) },
    { NULL, MM_ROWS(GM_MM_MR, MM_NAME_2) },
    { NULL, MM_ROWS(GM_MM_WIDE, MM_NAME_4) },
};

/* ---- packing ---- */

static void MM(pack_a_any)(const gm_mm_job *job, int64_t i0, int64_t rows, int64_t k0, int64_t kc, MM_T *p) {
    const MM_T *a = (const MM_T *)job->a + i0 * job->a_row + k0 * job->a_col;
    for (int64_t k = 0; k < kc; k++, a += job->a_col)
        for (int64_t i = 0; i < rows; i++) *p++ = GM_HOOK_LOAD_A(a[i * job->a_row], i0 + i, k0 + k);
}

/* to[k][VN] = from[VN][k], with `step` elements from k to k: VN runs, each contiguous in k, `kc` a multiple of VN.
 * A step under VN is fine: what a store spills over the next k is written later. */
static void MM(turn)(int64_t kc, const MM_T *const *from, MM_T *to, int64_t step) {
    for (int64_t k = 0; k < kc; k += MM_VN) {
        MM_V v[MM_VN];
        GM_UNROLL
        for (int i = 0; i < MM_VN; i++) v[i] = MM_LOAD(from[i] + k);
        MM_TRANSPOSE(v);
        GM_UNROLL
        for (int i = 0; i < MM_VN; i++, to += step) MM_STORE(to, v[i]);
    }
}

/* The runs of `turn`: n of them, the last one again for those that are missing. */
static void MM(runs)(const MM_T *first, int64_t step, int64_t n, const MM_T **runs) {
    for (int64_t i = 0; i < MM_VN; i++) runs[i] = first + MM_MIN(i, n - 1) * step;
}

/* Rows of a are contiguous. Groups of VN rows go from the last to the first, because of what `turn` spills. */
static void MM(pack_a_rows)(const gm_mm_job *job, int64_t i0, int64_t rows, int64_t k0, int64_t kc, MM_T *p) {
    const MM_T *a = (const MM_T *)job->a + i0 * job->a_row + k0, *runs[MM_VN];
    int64_t whole = kc / MM_VN * MM_VN;
    for (int64_t g = (rows - 1) / MM_VN * MM_VN; g >= 0; g -= MM_VN) {
        MM(runs)(a + g * job->a_row, job->a_row, rows - g, runs);
        MM(turn)(whole, runs, p + g, rows);
    }
    MM(pack_a_any)(job, i0, rows, k0 + whole, kc - whole, p + whole * rows);
}

/* p[k][rows] = a[i0 + .., k0 + ..]; p has room for 64 elements more. */
static void MM(pack_a)(const gm_mm_job *job, int64_t i0, int64_t rows, int64_t k0, int64_t kc, MM_T *p) {
    if (MM_PLAIN_A && job->a_col == 1) MM(pack_a_rows)(job, i0, rows, k0, kc, p);
    else MM(pack_a_any)(job, i0, rows, k0, kc, p);
}

static void MM(pack_b_any)(const gm_mm_job *job, int64_t k0, int64_t kc, int64_t j0, int64_t cols, MM_T *p) {
    const MM_T *b = (const MM_T *)job->b + k0 * job->b_row + j0 * job->b_col;
    for (int64_t k = 0; k < kc; k++, b += job->b_row, p += MM_NR) {
        for (int64_t j = 0; j < cols; j++) p[j] = GM_HOOK_LOAD_B(b[j * job->b_col], k0 + k, j0 + j);
        for (int64_t j = cols; j < MM_NR; j++) p[j] = 0; /* only so that no lane ever meets what is slow to add */
    }
}

/* Rows of b are contiguous: two panels at a time, so that a row is read in longer runs. */
static void MM(pack_b_rows)(const gm_mm_job *job, int64_t k0, int64_t kc, int64_t j0, int64_t step, MM_T *p) {
    const MM_T *b = (const MM_T *)job->b + k0 * job->b_row + j0;
    for (int64_t k = 0; k < kc; k++, b += job->b_row, p += MM_NR) {
        MM_V v[4];
        GM_UNROLL
        for (int i = 0; i < 4; i++) {
            v[i] = MM_LOAD(b + i * MM_VN);
            GM_PREFETCH(b + i * MM_VN + 12 * job->b_row); /* rows are too far apart for the hardware */
        }
        MM_STORE(p, v[0]), MM_STORE(p + MM_VN, v[1]);
        MM_STORE(p + step, v[2]), MM_STORE(p + step + MM_VN, v[3]);
    }
}

/* Columns of b are contiguous. Columns past the last are copies of it, which nothing reads. */
static void MM(pack_b_cols)(const gm_mm_job *job, int64_t k0, int64_t kc, int64_t j0, int64_t cols, MM_T *p) {
    const MM_T *b = (const MM_T *)job->b + k0 + j0 * job->b_col, *runs[MM_VN];
    int64_t whole = kc / MM_VN * MM_VN;
    for (int64_t g = 0; g < cols; g += MM_VN) {
        MM(runs)(b + g * job->b_col, job->b_col, cols - g, runs);
        MM(turn)(whole, runs, p + g, MM_NR);
    }
    MM(pack_b_any)(job, k0 + whole, kc - whole, j0, cols, p + whole * MM_NR);
}

/* p[(j / NR)][k][NR] = b[k0 + .., j0 + ..] with `step` elements from panel to panel. */
static void MM(pack_b)(const gm_mm_job *job, int64_t k0, int64_t kc, int64_t j0, int64_t cols, MM_T *p, int64_t step) {
    for (int64_t j = 0; j < cols; j += MM_NR, p += step) {
        int64_t here = MM_MIN(cols - j, MM_NR);
        if (MM_PLAIN_B && job->b_col == 1 && cols - j >= 2 * MM_NR) {
            MM(pack_b_rows)(job, k0, kc, j0 + j, step, p);
            j += MM_NR, p += step;
        } else if (MM_PLAIN_B && job->b_row == 1) {
            MM(pack_b_cols)(job, k0, kc, j0 + j, here, p);
        } else {
            MM(pack_b_any)(job, k0, kc, j0 + j, here, p);
        }
    }
}

/* ---- finished rows ---- */

static void MM(add_bias)(const MM_T *bias, int64_t n, MM_T *c, int64_t c_col) {
    int64_t j = 0;
    for (; c_col == 1 && j + MM_VN <= n; j += MM_VN) MM_STORE(c + j, MM_LOAD(c + j) + MM_LOAD(bias + j));
    for (; j < n; j++) c[j * c_col] += bias[j];
}

/* The default of GM_HOOK_ROWS_DONE. */
GM_INLINE void MM(finish)(const gm_mm_job *job, int64_t i, int64_t j, int64_t rows, int64_t cols, MM_T *c,
                          int64_t c_row, int64_t c_col) {
    for (int64_t r = 0; job->bias && r < rows; r++)
        MM(add_bias)((const MM_T *)job->bias + j, cols, c + r * c_row, c_col);
    for (int64_t r = 0; job->done && r < rows; r++)
        job->done(job->env, job->batch, i + r, j, cols, c + r * c_row, c_col);
}

/* ---- one chunk of k over a block of c ---- */

typedef struct {
    const gm_mm_job *job;
    int64_t i0, j0, rows, cols, k0, kc; /* the block of c, the chunk of k */
    MM_T *c;                            /* where its sums are: c itself, or a place for parts */
    int64_t c_row, c_col;
    bool resume, last;
    int64_t panel; /* rows of a tile at most */
    MM_T *a_room;  /* a panel of a is packed here; NULL: a is read in place */
    const MM_T *b, *b_tail; /* panels of b, or b itself; then a packed copy of its last columns */
    int64_t b_row, b_panel;
} MM(step);

/* A panel of a, packed or in place. */
typedef struct { const MM_T *p; int64_t row, col; } MM(panel);

/* A tile's place in c is wanted at the end of its chain. Not part of the tile: its addresses would be kept alive there,
 * for the price of registers. */
static void MM(prefetch_c)(const MM_T *c, int64_t c_row, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j += 64 / (int)sizeof(MM_T)) GM_PREFETCH(c + i * c_row + j);
}

/* A tile that c cannot take whole goes through memory of its own. */
static void MM(tile_part)(MM(tile_fn) f, const MM(step) *s, MM(panel) a, const MM_T *b, int64_t b_row, MM_T *c,
                          int64_t rows, int64_t cols) {
    MM_T sums[GM_MM_MR * 4 * MM_VN];
    f(s->kc, a.p, a.row, a.col, b, b_row, s->b_panel, sums, 4 * MM_VN, false);
    for (int64_t i = 0; i < rows; i++) {
        const MM_T *from = sums + i * 4 * MM_VN;
        MM_T *to = c + i * s->c_row;
        for (int64_t j = 0; j < cols; j++) to[j * s->c_col] = (s->resume ? to[j * s->c_col] : 0) + from[j];
    }
}

/* All tiles of `rows` rows from row i of the block on. */
static void MM(tile_row)(const MM(step) *s, int64_t i, int64_t rows, MM(panel) a) {
    for (int64_t j = 0, width; j < s->cols; j += width) {
        int64_t left = s->cols - j;
        int kind = rows <= GM_MM_WIDE && left >= 4 * MM_VN ? MM(four) : left > MM_VN ? MM(two) : MM(one);
        width = (int64_t)MM_VN << kind;
        bool tail = s->b_tail && left < MM_NR;
        const MM_T *b = tail ? s->b_tail : s->b + j / MM_NR * s->b_panel;
        int64_t b_row = tail ? MM_NR : s->b_row;
        MM(tile_fn) f = MM(tiles)[kind][rows];
        MM_T *c = s->c + i * s->c_row + j * s->c_col;
        if (s->c_col == 1) MM(prefetch_c)(c, s->c_row, rows, width);
        if (s->c_col == 1 && left >= width)
            f(s->kc, a.p, a.row, a.col, b, b_row, s->b_panel, c, s->c_row, s->resume);
        else
            MM(tile_part)(f, s, a, b, b_row, c, rows, MM_MIN(left, width));
        if (s->last)
            GM_HOOK_TILE_DONE(s->job, s->i0 + i, s->j0 + j, rows, MM_MIN(left, width), c, s->c_row, s->c_col);
    }
    if (s->last) GM_HOOK_ROWS_DONE(s->job, s->i0 + i, s->j0, rows, s->cols, s->c + i * s->c_row, s->c_row, s->c_col);
}

static void MM(tiles_of_chunk)(const MM(step) *s) {
    const gm_mm_job *job = s->job;
    int64_t panels = (s->rows + s->panel - 1) / s->panel;
    for (int64_t t = 0; t < panels; t++) {
        int64_t i = s->rows * t / panels, rows = s->rows * (t + 1) / panels - i;
        MM(panel) a = { s->a_room, 1, rows };
        if (s->a_room) MM(pack_a)(job, s->i0 + i, rows, s->k0, s->kc, s->a_room);
        else a = (MM(panel)){ (const MM_T *)job->a + (s->i0 + i) * job->a_row + s->k0 * job->a_col, job->a_row,
                              job->a_col };
        MM(tile_row)(s, i, rows, a);
    }
}

/* ---- blocks of c ---- */

/* The end of a later superblock: total += part. */
static void MM(add_parts)(const MM(step) *s, MM_T *c) {
    for (int64_t i = 0; i < s->rows; i++)
        for (int64_t j = 0; j < s->cols; j++)
            c[i * s->job->c_row + j * s->job->c_col] += s->c[i * s->c_row + j];
}

static void MM(zero)(const gm_mm_job *job, int64_t rows, int64_t cols, MM_T *c) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) c[i * job->c_row + j * job->c_col] = 0;
}

/* Where packing b would cost more than it brings: a chunk of it, with what lies between its rows, stays in L2 as it is,
 * or few rows will use it and L3 holds it. From memory it is better read once, in long runs. */
static bool MM(b_in_place)(const gm_mm_job *job, int64_t rows) {
    if (!MM_PLAIN_B || job->b_packed || job->b_col != 1) return false;
    int64_t size = sizeof(MM_T), step = job->b_row < 0 ? -job->b_row : job->b_row;
    if (rows <= 2 * GM_MM_MR && job->k * step * size <= 8 * GM_MM_BLOCK_BYTES) return true;
    return MM_MIN(job->k, GM_MM_CHUNK) * step * size <= GM_MM_BLOCK_BYTES / 2;
}

/* a is read in place where its rows are contiguous, or few tiles read it at all. Rows that lie a multiple of 4 KiB
 * apart compete for the same eight lines of L1. */
static void MM(choose_a)(MM(step) *s, MM_T *room) {
    const gm_mm_job *job = s->job;
    s->panel = GM_MM_MR;
    if (!MM_PLAIN_A || (job->a_col != 1 && s->cols > 2 * MM_NR)) s->a_room = room;
    else if (job->a_row * (int64_t)sizeof(MM_T) % 4096 == 0) s->panel = MM_MIN(8, GM_MM_MR);
}

/* Point the step at the b of its chunk, packing it first where it must be. */
static void MM(choose_b)(MM(step) *s, bool in_place, MM_T *room) {
    const gm_mm_job *job = s->job;
    s->b_tail = NULL;
    if (job->b_packed) {
        s->b = (const MM_T *)job->b_packed + s->j0 * job->k + s->k0 * MM_NR;
        s->b_row = MM_NR, s->b_panel = job->k * MM_NR;
    } else if (!in_place) {
        MM(pack_b)(job, s->k0, s->kc, s->j0, s->cols, room, s->kc * MM_NR);
        s->b = room, s->b_row = MM_NR, s->b_panel = s->kc * MM_NR;
    } else {
        s->b = (const MM_T *)job->b + s->k0 * job->b_row + s->j0;
        s->b_row = job->b_row, s->b_panel = MM_NR;
        int64_t tail = s->cols % MM_NR;
        if (tail && tail != MM_VN) {
            MM(pack_b)(job, s->k0, s->kc, s->j0 + s->cols - tail, tail, room, 0);
            s->b_tail = room;
        }
    }
}

/* Whether this chunk belongs to the superblock whose part c itself holds. */
static bool MM(in_first)(const gm_mm_job *job, int64_t k0) {
    (void)job;
    return k0 < GM_MM_SUPER && !(GM_HOOK_RESUME(job));
}

/* One block of c, whole k. `cols` <= NC; `rows` <= part_rows where parts need a place. */
static void MM(block)(const gm_mm_job *job, int64_t i0, int64_t rows, int64_t j0, int64_t cols, MM_T *work) {
    MM_T *c = (MM_T *)job->c + i0 * job->c_row + j0 * job->c_col, *room = work + MM(a_elements);
    bool in_place = MM(b_in_place)(job, rows);
    MM(step) s = { .job = job, .i0 = i0, .j0 = j0, .rows = rows, .cols = cols };
    MM(choose_a)(&s, work);
    if (job->k == 0 && MM(in_first)(job, 0)) MM(zero)(job, rows, cols, c);
    for (s.k0 = 0; s.k0 < job->k; s.k0 += GM_MM_CHUNK) {
        bool first = MM(in_first)(job, s.k0), ends = s.k0 + GM_MM_CHUNK >= job->k;
        s.kc = MM_MIN(job->k - s.k0, GM_MM_CHUNK);
        s.c = first ? c : room + MM(b_elements);
        s.c_row = first ? job->c_row : MM_NC, s.c_col = first ? job->c_col : 1;
        s.resume = s.k0 % GM_MM_SUPER != 0;
        s.last = first && ends;
        MM(choose_b)(&s, in_place, room);
        MM(tiles_of_chunk)(&s);
        if (!first && (ends || (s.k0 + GM_MM_CHUNK) % GM_MM_SUPER == 0)) MM(add_parts)(&s, c);
    }
    if (!s.last) {
        GM_HOOK_TILE_DONE(job, i0, j0, rows, cols, c, job->c_row, job->c_col);
        GM_HOOK_ROWS_DONE(job, i0, j0, rows, cols, c, job->c_row, job->c_col);
    }
    GM_HOOK_BLOCK_DONE(job, i0, j0, rows, cols, c, job->c_row, job->c_col);
}

/* c[i0 .. i1, j0 .. j1] of the product; j0 a multiple of NR where b is packed. `work` has work_bytes. */
static void MM(product)(const gm_mm_job *job, int64_t i0, int64_t i1, int64_t j0, int64_t j1, void *work) {
    int64_t most = job->k > GM_MM_SUPER || GM_HOOK_RESUME(job) ? MM(part_rows) : i1 - i0;
    int64_t width = i1 - i0 <= 2 * GM_MM_MR && job->b_col != 1 ? MM_MIN(2 * MM_NR, MM_NC) : MM_NC;
    for (int64_t j = j0; j < j1; j += width)
        for (int64_t i = i0; i < i1; i += most)
            MM(block)(job, i, MM_MIN(i1 - i, most), j, MM_MIN(j1 - j, width), work);
}

#undef MM_PLAIN_A
#undef MM_PLAIN_B
#undef GM_HOOK_LOAD_A
#undef GM_HOOK_LOAD_B
#undef GM_HOOK_RESUME
#undef GM_HOOK_TILE_DONE
#undef GM_HOOK_ROWS_DONE
#undef GM_HOOK_BLOCK_DONE
#undef MM_TILE
#undef MM_TILES
#undef MM_WIDE
#undef MM_ROWS_1
#undef MM_ROWS_2
#undef MM_ROWS_4
#undef MM_ROWS_6
#undef MM_ROWS_8
#undef MM_ROWS_10
#undef MM_ROWS_12
#undef MM_ROWS_14
#undef MM_ROWS
#undef MM_NAME_1
#undef MM_NAME_2
#undef MM_NAME_4
