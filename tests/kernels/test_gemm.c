/* test_gemm.c: matrix products against a plain triple loop written as the rule says, bit for bit: every instruction set
 * of this machine, every layout of the operands, sizes around every tail, batches, packed b, threads, integers. Every
 * operand stands between guard zones: of NaN around what is read, of a pattern around what is written. */
#include "../../src/math/fp.h"
#include "check.h"
#include "base/object.h"
#include "gemel/extend.h"
#include "kernels/gemm.h"

#include <math.h>

enum { GUARD = 64 };

typedef enum { DENSE, TURNED, SPREAD, BACKWARD, FLIPPED, SAME_ROWS, SAME_COLS, N_LAYOUTS } layout;

/* A matrix in guarded memory; element (i, j) is at[i * row + j * col], in units of `size` bytes. */
typedef struct { char *memory, *at; int64_t elements, row, col; size_t size; } matrix;

static uint64_t random_state = 1;
static uint32_t random_u32(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

/* Values of mixed size and sign, with zeros of both signs among them, and products that underflow. */
static double random_value(void) {
    uint32_t r = random_u32();
    if (r % 61 == 0) return r & 64 ? 0.0 : -0.0;
    if (r % 67 == 0) return r & 64 ? 1e-30 : -1e-30;
    double x = (double)(random_u32() >> 8) * 0x1p-23 - 1.0;
    return ldexp((double)(float)x, (int)(r % 7) - 3);
}

static matrix matrix_new(size_t size, int64_t rows, int64_t cols, layout l) {
    matrix m = { .size = size, .elements = (rows * 2 + 1) * (cols * 3 + 3) };
    m.memory = malloc(((size_t)m.elements + 2 * GUARD) * size);
    memset(m.memory, 0xff, ((size_t)m.elements + 2 * GUARD) * size); /* NaN in both types */
    int64_t first = 0;
    if (l == DENSE) m.row = cols, m.col = 1;
    if (l == TURNED) m.row = 1, m.col = rows;
    if (l == SPREAD) m.row = 2 * cols * 3, m.col = 3;
    if (l == BACKWARD) m.row = -(cols + 3), m.col = 1, first = (rows - 1) * (cols + 3);
    if (l == FLIPPED) m.row = cols, m.col = -1, first = cols - 1;
    if (l == SAME_ROWS) m.row = 0, m.col = 1;
    if (l == SAME_COLS) m.row = 1, m.col = 0;
    if (rows <= 0 || cols <= 0) first = 0;
    m.at = m.memory + (GUARD + first) * (int64_t)size;
    return m;
}

static double get(const matrix *m, int64_t i, int64_t j) {
    const void *p = m->at + (i * m->row + j * m->col) * (int64_t)m->size;
    return m->size == 4 ? *(const float *)p : *(const double *)p;
}

static void set(matrix *m, int64_t i, int64_t j, double x) {
    void *p = m->at + (i * m->row + j * m->col) * (int64_t)m->size;
    if (m->size == 4) *(float *)p = (float)x;
    else *(double *)p = x;
}

static void fill(matrix *m, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) set(m, i, j, random_value());
}

/* The rule, to the letter. */
#define REFERENCE(T, FMA)                                                                                              \
    static double reference_##T(int64_t k, const T *a, const T *b) {                                                   \
        T total = 0;                                                                                                   \
        for (int64_t s = 0; s < k; s += 16384) {                                                                       \
            T part = 0;                                                                                                \
            for (int64_t c = s; c < k && c < s + 16384; c += 256) {                                                    \
                T acc = 0;                                                                                             \
                for (int64_t i = c; i < k && i < c + 256; i++) acc = FMA(a[i], b[i], acc);                             \
                part += acc;                                                                                           \
            }                                                                                                          \
            total += part;                                                                                             \
        }                                                                                                              \
        return total;                                                                                                  \
    }
REFERENCE(float, fmaf)
REFERENCE(double, fma)

static void reference(size_t size, int64_t m, int64_t n, int64_t k, const matrix *a, const matrix *b, double *c) {
    char *row = malloc((size_t)(k + 1) * 8), *col = malloc((size_t)(k + 1) * 8);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t l = 0; l < k; l++) {
            if (size == 4) ((float *)col)[l] = (float)get(b, l, j);
            else ((double *)col)[l] = get(b, l, j);
        }
        for (int64_t i = 0; i < m; i++) {
            for (int64_t l = 0; l < k; l++) {
                if (size == 4) ((float *)row)[l] = (float)get(a, i, l);
                else ((double *)row)[l] = get(a, i, l);
            }
            c[i * n + j] = size == 4 ? reference_float(k, (float *)row, (float *)col)
                                     : reference_double(k, (double *)row, (double *)col);
        }
    }
    free(row), free(col);
}

static bool same_bits(double x, double y) { return memcmp(&x, &y, 8) == 0; }

/* Every element as expected, and not a byte besides touched. */
static bool as_expected(matrix *c, int64_t m, int64_t n, const double *want) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            if (!same_bits(get(c, i, j), want[i * n + j])) {
                fprintf(stderr, "[%d, %d]: %a, expected %a\n", (int)i, (int)j, get(c, i, j), want[i * n + j]);
                return false;
            }
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            memset(c->at + (i * c->row + j * c->col) * (int64_t)c->size, 0xff, c->size);
    for (size_t i = 0; i < ((size_t)c->elements + 2 * GUARD) * c->size; i++)
        if (c->memory[i] != (char)0xff) return false;
    return true;
}

static const char *const isas[] = { "avx512", "avx2", "neon", "plain" };
static const gm_kernels *table(int i) { return gm__kernels_by_name(isas[i]); }

typedef struct { int64_t m, n, k; layout a, b, c; size_t size; bool packed; } shape;

static bool product(const shape *s, gm__gemm_args *g) {
    if (!s->packed) return s->size == 4 ? gm__gemm_f32(g) : gm__gemm_f64(g);
    bool f32 = s->size == 4;
    size_t bytes = (f32 ? gm__gemm_packed_bytes_f32 : gm__gemm_packed_bytes_f64)(g->kernels, s->k, s->n);
    char *block = malloc(bytes + 16);
    memset(block + bytes, 0x5a, 16);
    if (f32) gm__gemm_pack_f32(g->kernels, s->k, s->n, g->b, g->b_row, g->b_col, block);
    else gm__gemm_pack_f64(g->kernels, s->k, s->n, g->b, g->b_row, g->b_col, block);
    g->b_packed = block;
    bool ok = f32 ? gm__gemm_f32(g) : gm__gemm_f64(g);
    for (int i = 0; i < 16; i++) ok = ok && block[bytes + (size_t)i] == 0x5a;
    free(block);
    return ok;
}

static void check_shape(shape s) {
    matrix a = matrix_new(s.size, s.m, s.k, s.a), b = matrix_new(s.size, s.k, s.n, s.b);
    double *want = malloc((size_t)(s.m * s.n + 1) * sizeof *want);
    fill(&a, s.m, s.k), fill(&b, s.k, s.n);
    reference(s.size, s.m, s.n, s.k, &a, &b, want);
    for (int i = 0; i < 4; i++) {
        if (!table(i)) continue;
        matrix c = matrix_new(s.size, s.m, s.n, s.c);
        gm__gemm_args g = { .m = s.m, .n = s.n, .k = s.k, .a = a.at, .a_row = a.row, .a_col = a.col, .b = b.at,
                            .b_row = b.row, .b_col = b.col, .c = c.at, .c_row = c.row, .c_col = c.col,
                            .kernels = table(i) };
        bool ok = product(&s, &g) && as_expected(&c, s.m, s.n, want);
        CHECK(ok, "%s: [%d, %d, %d], layouts %d %d %d, %d bytes, packed %d", isas[i], (int)s.m, (int)s.n, (int)s.k, s.a,
              s.b, s.c, (int)s.size, s.packed);
        free(c.memory);
    }
    free(want), free(a.memory), free(b.memory);
}

/* ---- tests ---- */

static void sizes(void) {
    static const int64_t ms[] = { 0, 1, 2, 3, 4, 5, 8, 14, 15, 29, 64 }, ns[] = { 0, 1, 7, 16, 17, 31, 33, 64, 97 };
    static const int64_t ks[] = { 0, 1, 2, 17, 64 };
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
        for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
                check_shape((shape){ ms[i], ns[j], ks[k], DENSE, (i + j + k) & 1 ? TURNED : DENSE, DENSE,
                                     (i + k) & 2 ? 8 : 4, ((i + j) & 3) == 3 });
}

static void depths(void) {
    static const int64_t ks[] = { 255, 256, 257, 512, 1000, 16384, 16384 + 300 };
    static const int64_t ms[] = { 1, 3, 5, 30 };
    for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
            for (size_t size = 4; size <= 8; size += 4)
                for (int t = 0; t < 3; t++) /* b in rows, b in columns, b packed */
                    check_shape((shape){ ks[k] > 1000 && ms[i] > 7 ? 7 : ms[i], t == 1 ? 5 : 35, ks[k], DENSE,
                                         t == 1 ? TURNED : DENSE, DENSE, size, t == 2 });
}

static void layouts(void) {
    static const int64_t sizes[][3] = { { 1, 40, 20 }, { 3, 9, 33 }, { 40, 1, 20 }, { 19, 37, 70 }, { 33, 140, 35 } };
    for (int a = 0; a < N_LAYOUTS; a++)
        for (int b = 0; b < N_LAYOUTS; b++)
            for (int c = DENSE; c <= FLIPPED; c++)
                for (size_t i = 0; i < 5; i++) {
                    shape s = { sizes[i][0], sizes[i][1], sizes[i][2], (layout)a, (layout)b, (layout)c,
                                (a + b + c + (int)i) % 3 ? 4 : 8, (a + 2 * b + c + (int)i) % 5 == 0 };
                    check_shape(s);
                }
}

/* Larger than a block of b, and enough work for several threads. */
static void large(void) {
    check_shape((shape){ 150, 700, 300, DENSE, DENSE, DENSE, 4, false });
    check_shape((shape){ 150, 700, 300, TURNED, TURNED, TURNED, 4, false });
    check_shape((shape){ 75, 600, 300, DENSE, TURNED, DENSE, 8, true });
    check_shape((shape){ 100, 33, 16384 + 257, DENSE, DENSE, DENSE, 4, false });
    check_shape((shape){ 2, 5000, 258, DENSE, DENSE, DENSE, 4, false });
    check_shape((shape){ 1, 2100, 300, DENSE, TURNED, DENSE, 4, false });
}

static void no_negative_zero(void) {
    const float a[] = { 1e-30f }, b[] = { -1e-30f };
    for (int i = 0; i < 4; i++) {
        float c[2] = { 5, 5 };
        if (!table(i)) continue;
        gm__gemm_args g = { .m = 1, .n = 2, .k = 1, .a = a, .a_row = 1, .a_col = 1, .b = b, .b_row = 0, .b_col = 0,
                            .c = c, .c_row = 2, .c_col = 1, .kernels = table(i) };
        CHECK(gm__gemm_f32(&g));
        CHECK(c[0] == 0 && !signbit(c[0]) && c[1] == 0 && !signbit(c[1]), "%s: %g", isas[i], (double)c[0]);
        g.m = 2, g.n = 1, g.a_row = 0, g.c_row = 1;
        CHECK(gm__gemm_f32(&g) && !signbit(c[0]) && !signbit(c[1]));
    }
}

enum { B = 7, M = 20, N = 33, K = 40 };

static void batches(void) {
    static float a[B * M * K], b[2 * K * N], c[B * M * N], want[B * M * N];
    int64_t a_off[B], b_off[B], c_off[B];
    for (int i = 0; i < B * M * K; i++) a[i] = (float)random_value();
    for (int i = 0; i < 2 * K * N; i++) b[i] = (float)random_value();
    for (int e = 0; e < B; e++) {
        a_off[e] = (B - 1 - e) * M * K, b_off[e] = e % 2 * K * N, c_off[e] = (e * 3 % B) * M * N;
        gm__gemm_args g = { .m = M, .n = N, .k = K, .a = a + a_off[e], .a_row = K, .a_col = 1, .b = b + b_off[e],
                            .b_row = N, .b_col = 1, .c = want + c_off[e], .c_row = N, .c_col = 1, .serial = true };
        CHECK(gm__gemm_f32(&g));
    }
    for (int threads = 1; threads <= 3; threads++) {
        gm__gemm_args g = { .m = M, .n = N, .k = K, .a = a, .a_row = K, .a_col = 1, .b = b, .b_row = N, .b_col = 1,
                            .c = c, .c_row = N, .c_col = 1, .batch = B, .a_off = a_off, .b_off = b_off,
                            .c_off = c_off };
        memset(c, 0xff, sizeof c);
        gm_set_threads(threads);
        CHECK(gm__gemm_f32(&g) && memcmp(c, want, sizeof c) == 0, "%d threads", threads);
    }
}

static void threads(void) {
    enum { M2 = 200, N2 = 330, K2 = 290 };
    static float a[M2 * K2], b[K2 * N2], c[M2 * N2], want[M2 * N2];
    for (int i = 0; i < M2 * K2; i++) a[i] = (float)random_value();
    for (int i = 0; i < K2 * N2; i++) b[i] = (float)random_value();
    gm__gemm_args g = { .m = M2, .n = N2, .k = K2, .a = a, .a_row = K2, .a_col = 1, .b = b, .b_row = N2, .b_col = 1,
                        .c = want, .c_row = N2, .c_col = 1, .serial = true };
    CHECK(gm__gemm_f32(&g));
    g.c = c, g.serial = false;
    for (int n = 1; n <= 5; n++) {
        memset(c, 0xff, sizeof c);
        gm_set_threads(n);
        CHECK(gm__gemm_f32(&g) && memcmp(c, want, sizeof c) == 0, "%d threads", n);
    }
}

static void add_bias(void *env, int64_t batch, int64_t row, int64_t col, int64_t n, void *values, int64_t stride) {
    const float *bias = env;
    float *v = values;
    for (int64_t j = 0; j < n; j++) v[j * stride] += bias[col + j] + (float)(1000 * row + 100000 * batch);
}

/* The hook sees every element once, finished, with its place: also where k is 0, or longer than a superblock. */
static void hook(void) {
    static const int64_t shapes[][3] = { { 30, 70, 20 }, { 1, 70, 300 }, { 70, 1, 20 }, { 5, 9, 0 }, { 5, 40, 16500 } };
    float bias[70];
    for (int j = 0; j < 70; j++) bias[j] = (float)j;
    for (int s = 0; s < 5; s++)
        for (int turned = 0; turned < 2; turned++) {
            int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
            float *a = malloc((size_t)(m * k + 1) * 4), *b = malloc((size_t)(n * k + 1) * 4);
            float *c = malloc((size_t)(m * n) * 4), *want = malloc((size_t)(m * n) * 4);
            for (int64_t i = 0; i < m * k; i++) a[i] = (float)random_value();
            for (int64_t i = 0; i < n * k; i++) b[i] = (float)random_value();
            gm__gemm_args g = { .m = m, .n = n, .k = k, .a = a, .a_row = k, .a_col = 1, .b = b, .b_row = n, .b_col = 1,
                                .c = want, .c_row = turned ? 1 : n, .c_col = turned ? m : 1 };
            CHECK(gm__gemm_f32(&g));
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < n; j++)
                    add_bias(bias, 0, i, j, 1, want + i * g.c_row + j * g.c_col, 1);
            g.c = c, g.done = add_bias, g.env = bias;
            CHECK(gm__gemm_f32(&g) && memcmp(c, want, (size_t)(m * n) * 4) == 0, "shape %d, turned %d", s, turned);
            float twice[70];
            for (int64_t j = 0; j < 70; j++) twice[j] = 0.75f * (float)j;
            g.c = want, g.done = NULL; /* the bias comes first, then the hook */
            CHECK(gm__gemm_f32(&g));
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < n; j++) {
                    float *at = want + i * g.c_row + j * g.c_col;
                    *at += twice[j];
                    add_bias(bias, 0, i, j, 1, at, 1);
                }
            g.c = c, g.bias = twice, g.done = add_bias;
            CHECK(gm__gemm_f32(&g) && memcmp(c, want, (size_t)(m * n) * 4) == 0, "bias, shape %d, turned %d", s,
                  turned);
            free(a), free(b), free(c), free(want);
        }
}

/* Without working memory the product is an error; with it again, it works. */
static void no_memory(void) {
    float a = 2, b = 3, c = 0;
    gm__gemm_args g = { .m = 1, .n = 1, .k = 1, .a = &a, .b = &b, .c = &c };
    gm__fail_allocation(1, true);
    CHECK(!gm__gemm_f32(&g) && gm_error_code() == GM_ERROR_MEMORY, "%s", gm_error_message());
    gm__fail_allocation(0, false);
    CHECK(!gm__gemm_f32(&g), "an error is pending");
    gm_error_clear();
    CHECK(gm__gemm_f32(&g) && c == 6);
}

enum { I = 9, J = 600, L = 70 };
static struct {
    int8_t a8[I * L], b8[L * J];
    int32_t a32[I * L], b32[L * J], c32[I * J];
    int64_t a64[I * L], b64[L * J], c64[I * J];
} whole;

/* Kinds: 0 int8, 1 uint8 times int8, 2 int32, 3 int64. */
static uint64_t integer_product(int kind, int64_t ia, int64_t ib) {
    if (kind == 0) return (uint64_t)(whole.a8[ia] * whole.b8[ib]);
    if (kind == 1) return (uint64_t)((uint8_t)whole.a8[ia] * whole.b8[ib]);
    if (kind == 2) return (uint64_t)whole.a32[ia] * (uint64_t)whole.b32[ib];
    return (uint64_t)whole.a64[ia] * (uint64_t)whole.b64[ib];
}

static void check_integers(int kind, bool turned, const gm_kernels *kernels) {
    gm__gemm_args g = { .m = I, .n = J, .k = L, .a_row = L, .a_col = 1, .b_row = turned ? 1 : J,
                        .b_col = turned ? L : 1, .c_row = J, .c_col = 1, .kernels = kernels };
    g.a = kind < 2 ? (void *)whole.a8 : kind == 2 ? (void *)whole.a32 : (void *)whole.a64;
    g.b = kind < 2 ? (void *)whole.b8 : kind == 2 ? (void *)whole.b32 : (void *)whole.b64;
    g.c = kind < 3 ? (void *)whole.c32 : (void *)whole.c64;
    int wrong = 0;
    CHECK(kind < 2 ? gm__gemm_s8(&g, kind == 1) : kind == 2 ? gm__gemm_i32(&g) : gm__gemm_i64(&g));
    for (int i = 0; i < I; i++)
        for (int j = 0; j < J; j++) {
            uint64_t sum = 0;
            for (int l = 0; l < L; l++) sum += integer_product(kind, i * L + l, l * g.b_row + j * g.b_col);
            if (kind == 3) wrong += (uint64_t)whole.c64[i * J + j] != sum;
            else wrong += (uint32_t)whole.c32[i * J + j] != (uint32_t)sum;
        }
    CHECK(wrong == 0, "%s: kind %d, turned %d: %d wrong", kernels->name, kind, turned, wrong);
}

static void integers(void) {
    for (int i = 0; i < I * L; i++) {
        whole.a64[i] = (int64_t)((uint64_t)random_u32() << 32 | random_u32());
        whole.a32[i] = (int32_t)random_u32(), whole.a8[i] = (int8_t)(random_u32() >> 8);
    }
    for (int i = 0; i < L * J; i++) {
        whole.b64[i] = (int64_t)((uint64_t)random_u32() << 32 | random_u32());
        whole.b32[i] = (int32_t)random_u32(), whole.b8[i] = (int8_t)(random_u32() >> 8);
    }
    for (int t = 0; t < 4; t++)
        for (int kind = 0; kind < 4 && table(t); kind++)
            for (int turned = 0; turned < 2; turned++) check_integers(kind, turned, table(t));
}

int main(void) {
    RUN(sizes);
    RUN(depths);
    RUN(layouts);
    RUN(large);
    RUN(no_negative_zero);
    RUN(batches);
    RUN(threads);
    RUN(hook);
    RUN(integers);
    RUN(no_memory);
    return check_done();
}
