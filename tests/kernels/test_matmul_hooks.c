/* test_matmul_hooks.c: the text of the matrix product as emitted code includes it: other tiles than the library's, and
 * every hook. Operands are transformed as they are packed, a sum is continued from another call, finished tiles get a
 * bias and a relu, and every element is finished exactly once, in tiles and in blocks. */
#include "../../src/math/fp.h"
#include "check.h"

#include <math.h>

#include "kernels/matmul_job.h"

typedef struct {
    const float *bias;
    bool resume, finish;
    int tiles[64 * 200], blocks[64 * 200]; /* how often each element was finished */
    int64_t ld;
} hook_env;

static void hook_finish_tile(hook_env *e, int64_t i, int64_t j, int64_t rows, int64_t cols, float *c, int64_t c_row) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t l = 0; l < cols; l++) {
            float *x = c + r * c_row + l, y = *x + e->bias[j + l];
            if (e->finish) *x = y > 0 ? y : 0;
            e->tiles[(i + r) * e->ld + j + l]++;
        }
}

static void hook_finish_block(hook_env *e, int64_t i, int64_t j, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t l = 0; l < cols; l++) e->blocks[(i + r) * e->ld + j + l]++;
}

static float hook_a(float x, int64_t i, int64_t k) { return x * (float)(1 + (i + k) % 4); }
static float hook_b(float x, int64_t k, int64_t j) { return (k + j) % 4 ? x : -x; }

#define GM_GROUP hooks
#if defined(__aarch64__)
#  define GM_ISA_NEON 1
#else
#  define GM_ISA_PLAIN 1
#endif
#include "kernels/isa_begin.h"
#define MM(name) GM_K(mm_##name##_f32)
#define MM_T float
#define MM_V gm_v
#define MM_VN GM_VF
#define MM_LOAD gm_load
#define MM_STORE gm_store
#define MM_SPLAT gm_splat
#define MM_VFMA gm_vfma
#define MM_FMA gm_fma
#define MM_TRANSPOSE gm_vturn
#define GM_MM_MR 4
#define GM_MM_WIDE 2
#define GM_MM_BLOCK_BYTES (64 << 10)
#define GM_HOOK_LOAD_A(x, i, k) hook_a(x, i, k)
#define GM_HOOK_LOAD_B(x, k, j) hook_b(x, k, j)
#define GM_HOOK_RESUME(job) (((const hook_env *)(job)->env)->resume)
#define GM_HOOK_TILE_DONE(job, i, j, rows, cols, c, c_row, c_col)                                                      \
    hook_finish_tile((job)->env, i, j, rows, cols, c, c_row)
#define GM_HOOK_BLOCK_DONE(job, i, j, rows, cols, c, c_row, c_col) hook_finish_block((job)->env, i, j, rows, cols)
#include "kernels/matmul_tile.h"

static void hook_product(const gm_mm_job *job, void *work) { MM(product)(job, 0, job->m, 0, job->n, work); }
static void *hook_work(void) { return aligned_alloc(64, ((size_t)MM(work_bytes) + 63) / 64 * 64); }
#include "kernels/isa_end.h"

/* The rule, on top of `total`. */
static float hook_reference(float total, int64_t i, int64_t j, int64_t k, const float *a, const float *b, int64_t n) {
    for (int64_t s = 0; s < k; s += 16384) {
        float part = 0;
        for (int64_t c = s; c < k && c < s + 16384; c += 256) {
            float acc = 0;
            for (int64_t l = c; l < k && l < c + 256; l++)
                acc = fmaf(hook_a(a[i * k + l], i, l), hook_b(b[l * n + j], l, j), acc);
            part += acc;
        }
        total += part;
    }
    return total;
}

static void check_hooks(int64_t m, int64_t n, int64_t k, bool resume) {
    float *a = malloc((size_t)(m * k) * 4 + 4), *b = malloc((size_t)(k * n) * 4 + 4), *c = malloc((size_t)(m * n) * 4);
    float *want = malloc((size_t)(m * n) * 4), *bias = malloc((size_t)n * 4);
    hook_env *e = calloc(1, sizeof *e);
    void *work = hook_work();
    e->bias = bias, e->resume = resume, e->finish = true, e->ld = n;
    uint32_t r = 7;
    for (int64_t i = 0; i < m * k; i++) r = r * 1664525u + 1013904223u, a[i] = (float)(int32_t)r * 0x1p-31f;
    for (int64_t i = 0; i < n * k; i++) r = r * 1664525u + 1013904223u, b[i] = (float)(int32_t)r * 0x1p-31f;
    for (int64_t j = 0; j < n; j++) bias[j] = (float)(j % 7) - 3;
    for (int64_t i = 0; i < m * n; i++) c[i] = (float)(i % 11) * 0.3f;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            float x = hook_reference(resume ? c[i * n + j] : 0, i, j, k, a, b, n) + bias[j];
            want[i * n + j] = x > 0 ? x : 0;
        }
    gm_mm_job job = { .m = m, .n = n, .k = k, .a = a, .a_row = k, .a_col = 1, .b = b, .b_row = n, .b_col = 1,
                      .c = c, .c_row = n, .c_col = 1, .env = e };
    hook_product(&job, work);
    int wrong = 0, not_once = 0;
    for (int64_t i = 0; i < m * n; i++) {
        wrong += memcmp(c + i, want + i, 4) != 0;
        not_once += e->tiles[i] != 1 || e->blocks[i] != 1;
    }
    CHECK(wrong == 0, "[%d, %d, %d], resume %d: %d wrong", (int)m, (int)n, (int)k, resume, wrong);
    CHECK(not_once == 0, "[%d, %d, %d], resume %d: %d not finished once", (int)m, (int)n, (int)k, resume, not_once);
    free(a), free(b), free(c), free(want), free(bias), free(e), free(work);
}

static void hooks(void) {
    for (int resume = 0; resume < 2; resume++) {
        check_hooks(1, 1, 1, resume);
        check_hooks(13, 70, 40, resume);
        check_hooks(64, 200, 300, resume);
        check_hooks(3, 9, 0, resume);
        check_hooks(5, 20, 16384 + 300, resume);
        check_hooks(2, 33, 16384, resume);
    }
}

/* A sum split at a multiple of 16384 is the sum. */
static void split(void) {
    enum { CUT = 16384, K = CUT + 700, N = 20 };
    static float a[K], b[K * N], whole[N], parts[N], bias[N];
    hook_env *e = calloc(1, sizeof *e);
    void *work = hook_work();
    uint32_t r = 3;
    for (int i = 0; i < K; i++) r = r * 1664525u + 1013904223u, a[i] = (float)(int32_t)r * 0x1p-31f;
    for (int i = 0; i < K * N; i++) r = r * 1664525u + 1013904223u, b[i] = (float)(int32_t)r * 0x1p-31f;
    e->bias = bias, e->ld = N;
    gm_mm_job job = { .m = 1, .n = N, .k = K, .a = a, .a_row = K, .a_col = 1, .b = b, .b_row = N, .b_col = 1,
                      .c = whole, .c_row = N, .c_col = 1, .env = e };
    hook_product(&job, work);
    job.c = parts, job.k = CUT;
    hook_product(&job, work);
    CHECK(memcmp(whole, parts, sizeof whole) != 0);
    job.a = a + CUT, job.b = b + CUT * N, job.k = K - CUT, e->resume = true;
    hook_product(&job, work);
    CHECK(memcmp(whole, parts, sizeof whole) == 0);
    free(e), free(work);
}

int main(void) {
    RUN(hooks);
    RUN(split);
    return check_done();
}
