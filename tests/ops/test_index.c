/* Operations that take indices: against recorded results, sums in their order for any threads, errors by their words.
 */
#include "recorded.h"

/* 0..below-1 */
static gm_tensor *index_input(int seed, int64_t below, gm_shape shape) {
    int64_t n = gm_shape_count(shape), *i = malloc((size_t)(n ? n : 1) * sizeof *i);
    for (int64_t k = 0; i && k < n; k++) i[k] = (k * 7919 + (int64_t)seed * 104729 + 12345) % 2003 % below;
    gm_tensor *t = gm_from_data(shape, GM_I64, i);
    free(i);
    return t;
}

static bool index_same(gm_tensor *a, gm_tensor *b) {
    return a && b && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) && gm_item(gm_all(gm_eq(a, b))) == 1;
}

static void index_gather(void) {
    gm_tensor *x = recorded_variable(1, GM_SHAPE(4, 9, 5)), *s = recorded_variable(2, GM_SHAPE(3, 7, 5));
    gm_tensor *i = index_input(3, 9, GM_SHAPE(3, 7, 5)), *both[] = { x, s };
    recorded_check_grads("gather", gm_gather(x, 1, i), &x, 1, 5e-7);
    both[0] = recorded_variable(1, GM_SHAPE(4, 9, 5));
    recorded_check_grads("scatter_add", gm_scatter_add(both[0], 1, i, s), both, 2, 5e-7);
    both[0] = recorded_variable(1, GM_SHAPE(6, 8)), both[1] = recorded_variable(2, GM_SHAPE(6, 3));
    i = gm_expand(gm_from_data(GM_SHAPE(3), GM_I32, (int32_t[]){ 7, 0, 4 }), GM_SHAPE(6, 3));
    recorded_check_grads("scatter", gm_scatter(both[0], -1, i, both[1]), both, 2, 5e-7);
}

static void index_slices(void) {
    gm_tensor *x = recorded_variable(1, GM_SHAPE(4, 9, 5)), *i = index_input(4, 9, GM_SHAPE(13));
    recorded_check_grads("index_select", gm_index_select(x, -2, i), &x, 1, 5e-7);
    gm_tensor *both[] = { recorded_variable(1, GM_SHAPE(4, 9, 5)), recorded_variable(2, GM_SHAPE(4, 13, 5)) };
    recorded_check_grads("index_add", gm_index_add(both[0], 1, i, both[1]), both, 2, 5e-7);
    gm_tensor *w = recorded_variable(1, GM_SHAPE(11, 6));
    i = index_input(5, 11, GM_SHAPE(4, 7));
    recorded_check_grads("embedding", gm_embedding(w, i, .padding_idx = GM_INT(-8)), &w, 1, 5e-7);
    CHECK(index_same(gm_embedding(w, i), gm_take(w, gm_add(gm_unsqueeze(gm_mul_scalar(i, 6), 2),
                                                         gm_arange(0, 6, 1, GM_I64)))));
}

static void index_several(void) {
    gm_tensor *at[] = { index_input(6, 5, GM_SHAPE(4, 1)), gm_add_scalar(index_input(7, 6, GM_SHAPE(8)), -6) };
    gm_tensor *both[] = { recorded_variable(1, GM_SHAPE(5, 6, 3)), recorded_variable(2, GM_SHAPE(4, 8, 3)) };
    recorded_check_grads("index", gm_index(both[0], at, 2), both, 1, 5e-7);
    both[0] = recorded_variable(1, GM_SHAPE(5, 6, 3));
    recorded_check_grads("index_put_add", gm_index_put(both[0], at, 2, both[1], true), both, 2, 5e-7);
    both[0] = recorded_variable(1, GM_SHAPE(5, 6, 3)), both[1] = recorded_variable(2, GM_SHAPE(2, 1));
    at[0] = gm_from_data(GM_SHAPE(3, 1), GM_I64, (int64_t[]){ 0, 4, 2 });
    at[1] = gm_from_data(GM_SHAPE(2), GM_I16, (int16_t[]){ -1, 2 });
    recorded_check_grads("index_put", gm_index_put(both[0], at, 2, both[1], false), both, 2, 5e-7);
}

static void index_masks(void) {
    gm_tensor *x = recorded_variable(1, GM_SHAPE(4, 6)), *i = index_input(8, 3, GM_SHAPE(4, 6));
    gm_tensor *mask = gm_eq_scalar(i, 0);
    recorded_check_grads("masked_fill", gm_masked_fill(x, gm_select(mask, 0, 1), -2.5), &x, 1, 5e-7);
    x = recorded_variable(1, GM_SHAPE(4, 6));
    recorded_check_grads("masked_select", gm_masked_select(x, mask), &x, 1, 5e-7);
    recorded_check("nonzero", gm_nonzero(i), 0);
    recorded_check("one_hot", gm_one_hot(index_input(9, 5, GM_SHAPE(3, 4)), 6, GM_U8), 0);
    gm_tensor *none = gm_masked_select(x, gm_zeros(GM_SHAPE(1), GM_BOOL));
    CHECK(none && gm_count(none) == 0 && gm_n_dims(none) == 1, "%s", gm_error_message());
}

static void index_bags(void) {
    static const char *const name[] = { "bag_mean", "bag_sum", "bag_max" };
    gm_tensor *o = gm_from_data(GM_SHAPE(6), GM_I64, (int64_t[]){ 0, 3, 3, 11, 17, 20 }), *i = NULL;
    for (gm_bag_mode mode = 0; mode < 3; mode++) {
        gm_tensor *w = recorded_variable(1, GM_SHAPE(9, 5)), *y;
        i = index_input(10, 9, GM_SHAPE(20));
        y = gm_embedding_bag(w, i, .offsets = o, .include_last = 1, .mode = mode, .padding_idx = GM_INT(-5));
        recorded_check_grads(name[mode], y, &w, 1, 5e-7);
        gm_tensor *cut = gm_narrow(o, 0, 0, 5);
        gm_tensor *again = gm_embedding_bag(w, i, .offsets = cut, .mode = mode, .padding_idx = GM_INT(4));
        CHECK(index_same(y, again), "%s", gm_error_message());
    }
    gm_tensor *both[] = { recorded_variable(1, GM_SHAPE(9, 5)), recorded_variable(2, GM_SHAPE(4, 6)) };
    i = index_input(11, 9, GM_SHAPE(4, 6));
    gm_tensor *y = gm_embedding_bag(both[0], i, .mode = GM_BAG_SUM, .per_sample_weights = both[1]);
    recorded_check_grads("bag_weighted", y, both, 2, 5e-7);
    /* the definition: rows, factors, one chain per bag */
    gm_tensor *rows = gm_mul(gm_embedding(both[0], i), gm_unsqueeze(both[1], 2));
    gm_tensor *bag = gm_repeat_interleave(gm_arange(0, 4, 1, GM_I64), 6, 0);
    gm_tensor *want = gm_index_add(gm_zeros(GM_SHAPE(4, 5), GM_F32), 0, bag, gm_flatten_dims(rows, 0, 1));
    CHECK(index_same(y, want), "%s", gm_error_message());
}

/* Destinations are chains in the order of the source: against a loop, for one thread and several. */
static void index_order(void) {
    enum { N = 5000, D = 37, V = 41 };
    static float want[V * D];
    gm_tensor *src = recorded_input(4, GM_SHAPE(N, D)), *at = index_input(5, V, GM_SHAPE(N));
    const float *g = gm_data(src);
    const int64_t *i = gm_data(at);
    memset(want, 0, sizeof want);
    for (int n = 0; g && i && n < N; n++)
        for (int d = 0; d < D; d++) want[i[n] * D + d] += g[n * D + d];
    gm_tensor *index = gm_expand(gm_unsqueeze(at, 1), GM_SHAPE(N, D)), *zeros = gm_zeros(GM_SHAPE(V, D), GM_F32);
    gm_tensor *expected = gm_from_data(GM_SHAPE(V, D), GM_F32, want);
    gm_tensor *turned = gm_transpose(gm_contiguous(gm_transpose(src, 0, 1)), 0, 1);
    int before = gm_n_threads();
    for (int threads = 1; threads <= 3; threads++) {
        gm_set_threads(threads);
        CHECK(index_same(gm_scatter_add(zeros, 0, index, src), expected), "%d threads", threads);
        CHECK(index_same(gm_scatter_add(zeros, 0, index, turned), expected), "%d threads, strided", threads);
        CHECK(index_same(gm_index_add(zeros, 0, at, turned), expected), "%d threads, rows", threads);
        gm_tensor *y = gm_scatter_add(gm_transpose(zeros, 0, 1), 1, gm_transpose(index, 0, 1), gm_transpose(src, 0, 1));
        CHECK(index_same(y, gm_transpose(expected, 0, 1)), "%d threads, along the last", threads);
    }
    gm_set_threads(before);
}

static void index_says(const void *t, gm_error code, const char *words) {
    CHECK(!t && gm_error_code() == code && strstr(gm_error_message(), words), "said: %s", gm_error_message());
    gm_error_clear();
}

static void index_errors(void) {
    gm_tensor *x = recorded_input(1, GM_SHAPE(3, 4));
    gm_tensor *far = gm_from_data(GM_SHAPE(2, 2), GM_I64, (int64_t[]){ 0, 3, 4, 0 });
    gm_tensor *low = gm_from_data(GM_SHAPE(1, 1), GM_I8, (int8_t[]){ -1 });
    index_says(gm_gather(x, 1, far), GM_ERROR_INDEX, "gather: index 4 at position 2, the size is 4");
    index_says(gm_gather(x, 0, low), GM_ERROR_INDEX, "gather: index -1 at position 0, the size is 3");
    index_says(gm_scatter_add(x, 1, far, gm_ones(GM_SHAPE(2, 2), GM_F32)), GM_ERROR_INDEX, "index 4 at position 2");
    index_says(gm_gather(x, 0, gm_zeros(GM_SHAPE(2, 5), GM_I64)), GM_ERROR_SHAPE, "[2, 5] is larger than x [3, 4]");
    index_says(gm_gather(x, 0, x), GM_ERROR_DTYPE, "integers, not f32");
    index_says(gm_scatter(x, 1, low, gm_ones(GM_SHAPE(2), GM_F32)), GM_ERROR_SHAPE, "the source is [2]");
    index_says(gm_scatter(x, 0, gm_zeros(GM_SHAPE(1, 1), GM_I64), gm_ones(GM_SHAPE(1, 1), GM_F64)), GM_ERROR_DTYPE,
               "the source is f64, x is f32");
    index_says(gm_embedding(x, far), GM_ERROR_INDEX, "embedding: index 3 at position 1, the size is 3");
    index_says(gm_embedding(x, x), GM_ERROR_DTYPE, "embedding: indices are integers, not f32");
    index_says(gm_index_select(x, 0, far), GM_ERROR_INDEX, "index_select: index 3 at position 1, the size is 3");
    index_says(gm_embedding(x, low, .padding_idx = GM_INT(3)), GM_ERROR_INDEX, ".padding_idx is 3");
    gm_tensor *line = gm_zeros(GM_SHAPE(4), GM_I64), *down = gm_from_data(GM_SHAPE(2), GM_I64, (int64_t[]){ 0, 5 });
    index_says(gm_embedding_bag(x, line), GM_ERROR_SHAPE, "indices [4] without .offsets");
    index_says(gm_embedding_bag(x, line, .offsets = down), GM_ERROR_INDEX, "offsets: index 5 at position 1");
    index_says(gm_embedding_bag(x, line, .offsets = gm_narrow(down, 0, 1, 1)), GM_ERROR_INDEX, "offsets");
    index_says(gm_embedding_bag(x, line, .offsets = gm_ones(GM_SHAPE(2), GM_I64)), GM_ERROR_VALUE,
               "offset 1 at position 0: the first is 0");
    index_says(gm_embedding_bag(x, line, .offsets = down, .per_sample_weights = x), GM_ERROR_VALUE, "GM_BAG_SUM");
    index_says(gm_index_add(x, 1, gm_zeros(GM_SHAPE(2), GM_I64), x), GM_ERROR_SHAPE, "does not have the index [2]");
    index_says(gm_index(x, (gm_tensor *[]){ low, far }, 2), GM_ERROR_INDEX, "index: index 4 at position 2");
    index_says(gm_index(x, (gm_tensor *[]){ low, far, far }, 3), GM_ERROR_INDEX, "3 indices for x [3, 4]");
    index_says(gm_masked_fill(x, x, 0), GM_ERROR_DTYPE, "a mask is bool, not f32");
    index_says(gm_one_hot(far, 4, GM_F32), GM_ERROR_INDEX, "one_hot: index 4 at position 2, the size is 4");
    index_says(gm_gather(gm_zeros(GM_SHAPE(0, 4), GM_F32), 0, low), GM_ERROR_INDEX, "the size is 0");
}

int main(void) {
    if (!recorded_open("tests/ops/data/index.txt")) return check_done();
    RUN(index_gather);
    RUN(index_slices);
    RUN(index_several);
    RUN(index_bags);
    RUN(index_masks);
    RUN(index_order);
    RUN(index_errors);
    recorded_close();
    CHECK(gm_exit_status() == 0);
    return check_done();
}
