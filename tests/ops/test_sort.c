/* Sorting, top-k, unique, searching and counting: against recorded results; NaN, zeros and ties; long rows and threads
 * against qsort; errors by their words. */
#include "recorded.h"

static gm_tensor *sort_input(int seed, int64_t below, gm_shape shape) {
    int64_t n = gm_shape_count(shape), *i = malloc((size_t)(n ? n : 1) * sizeof *i);
    for (int64_t k = 0; i && k < n; k++) i[k] = (k * 7919 + (int64_t)seed * 104729 + 12345) % 2003 % below;
    gm_tensor *t = gm_from_data(shape, GM_I64, i);
    free(i);
    return t;
}

static bool sort_same(gm_tensor *a, gm_tensor *b) {
    return a && b && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) && gm_item(gm_all(gm_eq(a, b))) == 1;
}

static void sort_recorded(void) {
    gm_tensor *x = recorded_variable(1, GM_SHAPE(3, 70, 4)), *i = NULL, *ties = sort_input(2, 9, GM_SHAPE(5, 61));
    recorded_check_grads("sort_up", gm_sort(x, 1, .indices = &i), &x, 1, 5e-7);
    recorded_check("sort_up_index", i, 0);
    recorded_check("sort_up_ties", gm_argsort(ties, -1), 0);
    x = recorded_variable(1, GM_SHAPE(3, 70, 4));
    recorded_check_grads("sort_down", gm_sort(x, 1, .descending = 1, .indices = &i), &x, 1, 5e-7);
    recorded_check("sort_down_index", i, 0);
    recorded_check("sort_down_ties", gm_argsort(gm_cast(ties, GM_U8), -1, .descending = 1), 0);
    static const struct { const char *name, *index; int k, smallest; } top[] = {
        { "topk", "topk_index", 5, 0 }, { "topk_smallest", "topk_smallest_index", 7, 1 },
        { "topk_many", "topk_many_index", 60, 0 } };
    for (int t = 0; t < 3; t++) {
        x = recorded_variable(3, GM_SHAPE(2, 3, 90));
        recorded_check_grads(top[t].name, gm_topk(x, top[t].k, -1, .smallest = top[t].smallest, .indices = &i), &x, 1,
                             5e-7);
        recorded_check(top[t].index, i, 0);
    }
}

static void sort_others(void) {
    gm_tensor *inverse = NULL, *counts = NULL, *first = NULL, *x = sort_input(4, 40, GM_SHAPE(7, 9));
    gm_tensor *values = gm_unique(x, .inverse = &inverse, .counts = &counts, .first = &first);
    recorded_check("unique", values, 0);
    recorded_check("unique_inverse", inverse, 0);
    recorded_check("unique_counts", counts, 0);
    CHECK(sort_same(gm_take(x, first), values) && sort_same(gm_take(values, inverse), x), "%s", gm_error_message());
    gm_tensor *s = gm_sort(recorded_input(5, GM_SHAPE(4, 33)), -1),
              *b = gm_from_data(GM_SHAPE(4), GM_I32, (int32_t[]){ 1, 3, 3, 6 });
    gm_tensor *v = gm_concat((gm_tensor *[]){ recorded_input(6, GM_SHAPE(4, 10)), gm_slice(s, 1, 0, 33, 7) }, 2, 1);
    recorded_check("search_0", gm_searchsorted(s, v, false), 0);
    recorded_check("search_1", gm_searchsorted(s, v, true), 0);
    recorded_check("bucket_0", gm_bucketize(sort_input(7, 9, GM_SHAPE(3, 5)), b, false), 0);
    recorded_check("bucket_1", gm_bucketize(sort_input(7, 9, GM_SHAPE(3, 5)), b, true), 0);
    recorded_check("bincount", gm_bincount(sort_input(8, 7, GM_SHAPE(50)), NULL, 10), 0);
    recorded_check("bincount_weights", gm_bincount(sort_input(8, 7, GM_SHAPE(50)), recorded_input(9, GM_SHAPE(50)), 0),
                   5e-7);
}

static void sort_nan_and_zeros(void) {
    const float x[] = { NAN, 1, -0.0f, INFINITY, 0.0f, -INFINITY, -NAN, -1, 0.0f };
    const int64_t up[] = { 5, 7, 2, 4, 8, 1, 3, 0, 6 }, down[] = { 0, 6, 3, 1, 2, 4, 8, 7, 5 };
    static const gm_dtype dtypes[] = { GM_F32, GM_F64, GM_F16, GM_BF16 };
    for (int d = 0; d < 4; d++) {
        gm_tensor *t = gm_cast(gm_from_data(GM_SHAPE(9), GM_F32, x), dtypes[d]), *k = NULL;
        CHECK(sort_same(gm_argsort(t, 0), gm_from_data(GM_SHAPE(9), GM_I64, up)), "%s", gm_dtype_name(dtypes[d]));
        CHECK(sort_same(gm_argsort(t, 0, .descending = 1), gm_from_data(GM_SHAPE(9), GM_I64, down)));
        gm_topk(t, 2, 0, .indices = &k);
        CHECK(sort_same(k, gm_from_data(GM_SHAPE(2), GM_I64, down)), "%s", gm_dtype_name(dtypes[d]));
        gm_tensor *u = gm_unique(t);
        CHECK(u && gm_count(u) == 6, "%s", gm_error_message()); /* -inf -1 0 1 inf nan */
        CHECK(gm_item_i64(gm_searchsorted(u, gm_scalar(NAN, dtypes[d]), false)) == 5);
        CHECK(gm_item_i64(gm_searchsorted(u, gm_scalar(NAN, dtypes[d]), true)) == 6);
    }
    gm_tensor *big = gm_from_data(GM_SHAPE(4), GM_U64, (uint64_t[]){ 1, UINT64_MAX, 0, (uint64_t)1 << 63 });
    CHECK(sort_same(gm_argsort(big, 0), gm_from_data(GM_SHAPE(4), GM_I64, (int64_t[]){ 2, 0, 3, 1 })));
    gm_tensor *small = gm_from_data(GM_SHAPE(3), GM_I64, (int64_t[]){ INT64_MAX, INT64_MIN, -1 });
    CHECK(sort_same(gm_argsort(small, 0), gm_from_data(GM_SHAPE(3), GM_I64, (int64_t[]){ 1, 2, 0 })));
}

static const double *sort_row;

static int sort_compare(const void *a, const void *b) {
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    return sort_row[i] < sort_row[j] ? -1 : sort_row[i] > sort_row[j] ? 1 : i < j ? -1 : 1;
}

/* Rows of every length class, for keys of both widths and any number of threads. */
static void sort_long_rows(void) {
    static const int64_t lengths[] = { 1, 2, 47, 48, 49, 300, 5000 };
    int before = gm_n_threads();
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        GM_SCOPE(scope);
        int64_t n = lengths[l], rows = 7, k = n < 10 ? n : n / 5;
        gm_tensor *x = gm_sub(gm_cast(sort_input((int)l, 701, GM_SHAPE(rows, n)), GM_F64), gm_scalar(350, GM_F64));
        int64_t *want = malloc((size_t)(rows * n) * sizeof *want);
        for (int64_t r = 0; want && x && r < rows; r++) {
            sort_row = (const double *)gm_data(x) + r * n;
            for (int64_t i = 0; i < n; i++) want[r * n + i] = i;
            qsort(want + r * n, (size_t)n, sizeof *want, sort_compare);
        }
        gm_tensor *order = gm_from_data(GM_SHAPE(rows, n), GM_I64, want), *top = NULL,
                  *first = gm_narrow(order, 1, 0, k);
        for (int threads = 1; threads <= 3; threads++) {
            gm_set_threads(threads);
            for (int t = 0; t < 4; t++) {
                gm_tensor *y = gm_cast(x, (gm_dtype[]){ GM_F32, GM_F64, GM_I16, GM_I64 }[t]);
                CHECK(sort_same(gm_argsort(y, 1), order), "%lld, %d threads", (long long)n, threads);
                CHECK(gm_topk(y, k, 1, .smallest = 1, .indices = &top) && sort_same(top, first), "%lld of %lld",
                      (long long)k, (long long)n);
            }
        }
        free(want);
    }
    gm_set_threads(before);
}

static void sort_says(const void *t, gm_error code, const char *words) {
    CHECK(!t && gm_error_code() == code && strstr(gm_error_message(), words), "said: %s", gm_error_message());
    gm_error_clear();
}

static void sort_errors(void) {
    gm_tensor *x = recorded_input(1, GM_SHAPE(3, 4));
    sort_says(gm_topk(x, 5, 1), GM_ERROR_VALUE, "topk: 5 of 4 elements");
    sort_says(gm_topk(x, -1, 1), GM_ERROR_VALUE, "topk: -1 of 4");
    sort_says(gm_sort(x, 2), GM_ERROR_INDEX, "sort: dimension 2");
    sort_says(gm_sort(gm_strings((const char *[]){ "b", "a" }, 2), 0), GM_ERROR_DTYPE, "sort: string is not a number");
    sort_says(gm_searchsorted(gm_zeros(GM_SHAPE(2, 4), GM_F32), x, false), GM_ERROR_SHAPE, "sorted are [2, 4]");
    sort_says(gm_bincount(gm_full(GM_SHAPE(2), -3, GM_I32), NULL, 0), GM_ERROR_INDEX,
              "bincount: index -3 at position 0");
    sort_says(gm_bincount(x, NULL, 0), GM_ERROR_DTYPE, "integers, not f32");
    gm_tensor *none = gm_sort(gm_zeros(GM_SHAPE(3, 0), GM_F32), 1), *nothing = gm_unique(gm_zeros(GM_SHAPE(0), GM_I8));
    CHECK(none && gm_count(none) == 0 && nothing && gm_count(nothing) == 0, "%s", gm_error_message());
}

int main(void) {
    if (!recorded_open("tests/ops/data/sort.txt")) return check_done();
    RUN(sort_recorded);
    RUN(sort_others);
    RUN(sort_nan_and_zeros);
    RUN(sort_long_rows);
    RUN(sort_errors);
    recorded_close();
    CHECK(gm_exit_status() == 0);
    return check_done();
}
