/* ordering.c: sorting rows.
 *
 * An element becomes an unsigned key whose order is that of the numbers, and the key is joined with the element's
 * position: no two entries are equal, so any correct algorithm gives the same, stable result. Entries of 32-bit keys
 * are one u64 (key above, position below); those of 64-bit keys are pairs. Rows are sorted by insertion where they are
 * short, else by radix, least significant byte first, bytes that all share skipped; the first k of a long row are kept
 * in a heap. */
#include "../math/fp.h"
#include "ordering.h"
#include "gemel/extend.h"

#include <string.h>

enum { ORDER_SHORT = 48, ORDER_BLOCK = 256 };

typedef struct { uint64_t key, position; } order_pair;

/* ---- keys ---- */

#define ORDER_FLOAT_KEY(name, T, U, nan, sign)                                                                         \
    static uint64_t order_key_##name(T x) {                                                                            \
        U u;                                                                                                           \
        x = x + 0; /* -0 becomes +0 */                                                                                 \
        memcpy(&u, &x, sizeof u);                                                                                      \
        u = x != x ? nan : u;                                                                                          \
        return (U)(u & sign ? ~u : u | sign);                                                                          \
    }
ORDER_FLOAT_KEY(f32, float, uint32_t, 0x7fc00000u, 0x80000000u)
ORDER_FLOAT_KEY(f64, double, uint64_t, 0x7ff8000000000000u, 0x8000000000000000u)
#undef ORDER_FLOAT_KEY
static uint64_t order_key_i32(int32_t x) { return (uint32_t)x ^ 0x80000000u; }
static uint64_t order_key_i64(int64_t x) { return (uint64_t)x ^ 0x8000000000000000u; }
static uint64_t order_key_u64(uint64_t x) { return x; }

#define ORDER_KEYS(name, T)                                                                                            \
    static void order_keys_##name(const void *from, int64_t n, uint64_t flip, uint64_t *key) {                         \
        const T *x = from;                                                                                             \
        for (int64_t i = 0; i < n; i++) key[i] = order_key_##name(x[i]) ^ flip;                                        \
    }
ORDER_KEYS(f32, float)
ORDER_KEYS(f64, double)
ORDER_KEYS(i32, int32_t)
ORDER_KEYS(i64, int64_t)
ORDER_KEYS(u64, uint64_t)
#undef ORDER_KEYS

static bool order_is_small(gm_dtype domain) { return domain == GM_F32 || domain == GM_I32; }
static bool order_is_narrow(const gm__ordering *o) { return order_is_small(o->domain) && o->n <= UINT32_MAX; }

static void order_keys(const gm__ordering *o, const void *x, int64_t at, int64_t n, uint64_t *key) {
    const char *from = (const char *)x + at * (order_is_small(o->domain) ? 4 : 8);
    uint64_t flip = !o->descending ? 0 : order_is_small(o->domain) ? UINT32_MAX : UINT64_MAX;
    if (o->domain == GM_F32) order_keys_f32(from, n, flip, key);
    else if (o->domain == GM_F64) order_keys_f64(from, n, flip, key);
    else if (o->domain == GM_I32) order_keys_i32(from, n, flip, key);
    else if (o->domain == GM_I64) order_keys_i64(from, n, flip, key);
    else order_keys_u64(from, n, flip, key);
}

bool gm__order_equal(gm_dtype domain, const void *x, int64_t i, int64_t j) {
    gm__ordering o = { .domain = domain };
    uint64_t a, b;
    order_keys(&o, x, i, 1, &a);
    order_keys(&o, x, j, 1, &b);
    return a == b;
}

/* ---- algorithms, for both kinds of entries ---- */

/* A heap pays where few of many are wanted. */
static bool order_keeps_all(const gm__ordering *o) { return o->k > o->n / 4; }

#define ORDER_ALGORITHMS(kind, T, digits, LESS, DIGIT, ENTRY, POSITION)                                                \
    static void order_insert_##kind(T *a, int64_t n) {                                                                 \
        for (int64_t i = 1; i < n; i++) {                                                                              \
            T e = a[i];                                                                                                \
            int64_t j = i;                                                                                             \
            for (; j > 0 && LESS(e, a[j - 1]); j--) a[j] = a[j - 1];                                                   \
            a[j] = e;                                                                                                  \
        }                                                                                                              \
    }                                                                                                                  \
    /* Sorted by turns into b and a; where the result is, is returned. Entries come by ascending position. */          \
    static T *order_radix_##kind(T *a, T *b, int64_t n) {                                                              \
        int64_t count[digits][256] = { { 0 } };                                                                        \
        for (int64_t i = 0; i < n; i++)                                                                                \
            for (int d = 0; d < digits; d++) count[d][DIGIT(a[i], d)]++;                                               \
        for (int d = 0; d < digits; d++) {                                                                             \
            if (count[d][DIGIT(a[0], d)] == n) continue;                                                               \
            for (int64_t k = 0, sum = 0; k < 256; k++) {                                                               \
                int64_t c = count[d][k];                                                                               \
                count[d][k] = sum;                                                                                     \
                sum += c;                                                                                              \
            }                                                                                                          \
            for (int64_t i = 0; i < n; i++) b[count[d][DIGIT(a[i], d)]++] = a[i];                                      \
            T *other = a;                                                                                              \
            a = b, b = other;                                                                                          \
        }                                                                                                              \
        return a;                                                                                                      \
    }                                                                                                                  \
    static T *order_sort_##kind(T *a, T *b, int64_t n) {                                                               \
        if (n > ORDER_SHORT) return order_radix_##kind(a, b, n);                                                       \
        order_insert_##kind(a, n);                                                                                     \
        return a;                                                                                                      \
    }                                                                                                                  \
    /* e goes down from place `at` of the heap h of k entries, the largest on top. */                                  \
    static void order_sink_##kind(T *h, int64_t at, int64_t k, T e) {                                                  \
        for (int64_t child; (child = 2 * at + 1) < k; at = child) {                                                    \
            if (child + 1 < k && LESS(h[child], h[child + 1])) child++;                                                \
            if (!LESS(e, h[child])) break;                                                                             \
            h[at] = h[child];                                                                                          \
        }                                                                                                              \
        h[at] = e;                                                                                                     \
    }                                                                                                                  \
    static void order_heap_##kind(T *h, int64_t k) {                                                                   \
        for (int64_t i = k / 2; i-- > 0;) order_sink_##kind(h, i, k, h[i]);                                            \
    }                                                                                                                  \
    static T *order_unheap_##kind(T *h, int64_t k) {                                                                   \
        for (int64_t i = k - 1; i > 0; i--) {                                                                          \
            T e = h[i];                                                                                                \
            h[i] = h[0];                                                                                               \
            order_sink_##kind(h, 0, i, e);                                                                             \
        }                                                                                                              \
        return h;                                                                                                      \
    }                                                                                                                  \
    static void order_row_##kind(const gm__ordering *o, const void *x, T *a, int64_t *index) {                         \
        uint64_t key[ORDER_BLOCK];                                                                                     \
        const int64_t n = o->n, k = order_keeps_all(o) ? n : o->k;                                                     \
        for (int64_t at = 0; at < n; at += ORDER_BLOCK) {                                                              \
            int64_t end = n - at < ORDER_BLOCK ? n : at + ORDER_BLOCK, i = at;                                         \
            order_keys(o, x, at, end - at, key);                                                                       \
            for (; i < end && i < k; i++) a[i] = ENTRY(key[i - at], i);                                                \
            if (i == k && at < k && k < n) order_heap_##kind(a, k);                                                    \
            for (; i < end; i++) {                                                                                     \
                T e = ENTRY(key[i - at], i);                                                                           \
                if (LESS(e, a[0])) order_sink_##kind(a, 0, k, e);                                                      \
            }                                                                                                          \
        }                                                                                                              \
        a = k < n ? order_unheap_##kind(a, k) : order_sort_##kind(a, a + n, n);                                        \
        for (int64_t i = 0; i < o->k; i++) index[i] = POSITION(a[i]);                                                  \
    }

#define ORDER_NARROW_LESS(a, b) ((a) < (b))
#define ORDER_NARROW_DIGIT(a, d) ((a) >> (32 + 8 * (d)) & 255)
#define ORDER_NARROW_ENTRY(key, i) ((key) << 32 | (uint64_t)(i))
#define ORDER_NARROW_POSITION(a) ((int64_t)((a) & UINT32_MAX))
ORDER_ALGORITHMS(narrow, uint64_t, 4, ORDER_NARROW_LESS, ORDER_NARROW_DIGIT, ORDER_NARROW_ENTRY, ORDER_NARROW_POSITION)

#define ORDER_WIDE_LESS(a, b) ((a).key < (b).key || ((a).key == (b).key && (a).position < (b).position))
#define ORDER_WIDE_DIGIT(a, d) ((a).key >> (8 * (d)) & 255)
#define ORDER_WIDE_ENTRY(key_, i) ((order_pair){ key_, (uint64_t)(i) })
#define ORDER_WIDE_POSITION(a) ((int64_t)(a).position)
ORDER_ALGORITHMS(wide, order_pair, 8, ORDER_WIDE_LESS, ORDER_WIDE_DIGIT, ORDER_WIDE_ENTRY, ORDER_WIDE_POSITION)
#undef ORDER_ALGORITHMS
#undef ORDER_NARROW_LESS
#undef ORDER_NARROW_DIGIT
#undef ORDER_NARROW_ENTRY
#undef ORDER_NARROW_POSITION
#undef ORDER_WIDE_LESS
#undef ORDER_WIDE_DIGIT
#undef ORDER_WIDE_ENTRY
#undef ORDER_WIDE_POSITION

/* ---- rows ---- */

size_t gm__order_scratch(const gm__ordering *o) {
    size_t entries = order_keeps_all(o) ? 2 * (size_t)o->n : (size_t)o->k;
    return (entries + 1) * (order_is_narrow(o) ? sizeof(uint64_t) : sizeof(order_pair));
}

void gm__order_row(const gm__ordering *o, const void *x, void *scratch, int64_t *index) {
    if (!o->k) return;
    if (order_is_narrow(o)) order_row_narrow(o, x, scratch, index);
    else order_row_wide(o, x, scratch, index);
}

/* A share is some neighbouring rows; each has scratch of its own. */
typedef struct {
    gm__ordering o;
    int64_t rows, share;
    size_t bytes;
    const char *x;
    char *scratch;
    int64_t *index;
} order_job;

static void order_shares(void *env, int64_t begin, int64_t end) {
    const order_job *j = env;
    const int64_t n = j->o.n, width = order_is_small(j->o.domain) ? 4 : 8;
    for (int64_t s = begin; s < end; s++)
        for (int64_t r = s * j->share; r < j->rows && r < (s + 1) * j->share; r++)
            gm__order_row(&j->o, j->x + r * n * width, j->scratch + (size_t)s * j->bytes, j->index + r * j->o.k);
}

bool gm__order_rows(const gm__ordering *o, int64_t rows, const void *x, int64_t *index) {
    if (!rows || !o->k) return true;
    order_job j = { .o = *o, .rows = rows, .bytes = gm__order_scratch(o), .x = x, .index = index };
    int64_t shares = 4 * (int64_t)gm_n_threads(), least = 1 + 4000 / o->n;
    j.share = (rows + shares - 1) / shares;
    if (j.share < least) j.share = least;
    shares = (rows + j.share - 1) / j.share;
    j.scratch = gm_alloc((size_t)shares * j.bytes);
    if (j.scratch) gm_parallel_for(shares, 1, order_shares, &j);
    gm_free(j.scratch);
    return j.scratch != NULL;
}
