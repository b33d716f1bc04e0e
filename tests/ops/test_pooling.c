/* Pooling against recorded results, in both layouts; NaN and ties; errors by their words. */
#include "recorded.h"

#define POOL_CASE(name, shape, call)                                                                                   \
    do {                                                                                                               \
        gm_tensor *v = recorded_variable(1, shape), *x = v, *y = call, *first = y;                                     \
        recorded_check_grads(name, y, &v, 1, 5e-7);                                                                    \
        x = gm_channels_last(v);                                                                                       \
        y = call;                                                                                                      \
        CHECK(y && first && gm_is_channels_last(y), "%s: %s", name, gm_error_message());                               \
        CHECK(y && first && gm_item(gm_all(gm_eq(y, first))) == 1, "%s: %s", name, gm_error_message());                \
        gm_backward(gm_sum(gm_mul(y, recorded_input(99, gm_shape_of(y)))));                                            \
        recorded_check(name ".0", gm_gradient_of(v), 5e-7);                                                            \
    } while (0)

/* With the places of the maxima too. */
#define POOL_MAX_CASE(name, shape, f, kernel, ...)                                                                     \
    do {                                                                                                               \
        gm_tensor *places = NULL;                                                                                      \
        POOL_CASE(name, shape, f(x, kernel, .indices = &places, __VA_ARGS__));                                         \
        recorded_check(name "_index", places, 0);                                                                      \
    } while (0)

static void pool_max_cases(void) {
    POOL_MAX_CASE("max1d", GM_SHAPE(2, 3, 9), gm_max_pool1d, 3, .stride = 2, .padding = 1);
    POOL_MAX_CASE("max2d", GM_SHAPE(2, 3, 6, 8), gm_max_pool2d, 2, .padding = 0);
    POOL_MAX_CASE("max2d_all", GM_SHAPE(2, 3, 8, 9), gm_max_pool2d, 0, .kernels = { 3, 2 }, .strides = { 2, 3 },
                  .padding = 1, .dilations = { 2, 1 }, .ceil_mode = 1);
    POOL_MAX_CASE("max3d", GM_SHAPE(1, 2, 4, 5, 6), gm_max_pool3d, 3, .stride = 2, .padding = 1);
    POOL_CASE("adaptive_max2d", GM_SHAPE(2, 3, 7, 10), gm_adaptive_max_pool2d(x, 3, 4));
}

static void pool_avg_cases(void) {
    POOL_CASE("avg1d", GM_SHAPE(2, 3, 9), gm_avg_pool1d(x, 4, .stride = 3, .padding = 2));
    POOL_CASE("avg2d", GM_SHAPE(2, 3, 6, 8), gm_avg_pool2d(x, 2));
    POOL_CASE("avg2d_all", GM_SHAPE(2, 3, 8, 9),
              gm_avg_pool2d(x, 0, .kernels = { 3, 2 }, .strides = { 2, 3 }, .padding = 1, .ceil_mode = 1));
    POOL_CASE("avg2d_exclude", GM_SHAPE(2, 3, 7, 6),
              gm_avg_pool2d(x, 3, .stride = 2, .padding = 1, .ceil_mode = 1, .exclude_padding = 1));
    POOL_CASE("avg2d_divisor", GM_SHAPE(1, 2, 6, 6), gm_avg_pool2d(x, 3, .stride = 1, .divisor = 5));
    POOL_CASE("avg3d", GM_SHAPE(1, 2, 4, 5, 6), gm_avg_pool3d(x, 3, .stride = 2, .padding = 1));
    POOL_CASE("adaptive_avg1d", GM_SHAPE(2, 3, 10), gm_adaptive_avg_pool1d(x, 4));
    POOL_CASE("adaptive_avg2d", GM_SHAPE(2, 3, 7, 10), gm_adaptive_avg_pool2d(x, 3, 4));
    POOL_CASE("adaptive_avg3d", GM_SHAPE(1, 2, 5, 6, 7), gm_adaptive_avg_pool3d(x, 2, 4, 3));
}

static void pool_whole(void) {
    gm_tensor *x = recorded_variable(1, GM_SHAPE(2, 5, 7, 7));
    recorded_check_grads("adaptive_one", gm_adaptive_avg_pool2d(x, 1, 1), &x, 1, 5e-7);
    gm_tensor *y = gm_global_avg_pool(x, false), *z = gm_global_max_pool(x, false);
    CHECK(y && gm_n_dims(y) == 2 && z && gm_n_dims(z) == 2, "%s", gm_error_message());
    CHECK(gm_item(gm_all(gm_eq(z, gm_max_dims(x, (int32_t[]){ 2, 3 }, 2, false)))) == 1);
}

/* Long rows cross the runs that the kernels work in: against the rows cut by hand. */
static void pool_long_rows(void) {
    gm_tensor *x = recorded_input(7, GM_SHAPE(1, 1, 2, 1203));
    gm_tensor *y = gm_max_pool2d(x, 2, .stride = 1), *z = NULL;
    gm_tensor *a = gm_slice(x, 3, 0, 1202, 1), *b = gm_slice(x, 3, 1, 1203, 1), *m = gm_maximum(a, b);
    z = gm_maximum(gm_slice(m, 2, 0, 1, 1), gm_slice(m, 2, 1, 2, 1));
    CHECK(y && z && gm_item(gm_all(gm_eq(y, z))) == 1, "%s", gm_error_message());
}

static void pool_nan_and_ties(void) {
    float nan = NAN, data[] = { 1, 1, nan, 2, -INFINITY, -INFINITY, 3, nan };
    gm_tensor *x = gm_from_data(GM_SHAPE(1, 1, 8), GM_F32, data), *places = NULL;
    gm_tensor *y = gm_max_pool1d(x, 2, .indices = &places);
    int64_t at[4] = { 0 };
    float v[4] = { 0 };
    CHECK(y && gm_read(places, GM_I64, at, sizeof at) && gm_read(y, GM_F32, v, sizeof v));
    CHECK(at[0] == 0 && at[1] == 2 && at[2] == 4 && at[3] == 7);
    CHECK(v[0] == 1 && isnan(v[1]) && v[2] == -INFINITY && isnan(v[3]));
}

/* Windows of 2 x 2 have kernels of their own: against the definition, with NaNs, ties, both zeros and infinities, for
 * rows of any length, with and without a column and a row that no window covers. */
static void pool_quads_of(int64_t h, int64_t w) {
    GM_SCOPE(s);
    int64_t n = 3 * h * w, oh = h / 2, ow = w / 2;
    static const float odd[] = { NAN, 0.0f, -0.0f, INFINITY, -INFINITY, 1, 1, 2 };
    float *x = malloc((size_t)n * sizeof *x);
    gm_tensor *r = gm_random_of((gm_random_key){ 4, (uint64_t)w, "quads" }, GM_SHAPE(n), GM_F32, 0, 16, 0);
    const float *u = gm_data(r);
    for (int64_t i = 0; i < n; i++) x[i] = u[i] < 8 ? odd[(int)u[i]] : floorf(u[i]);
    gm_tensor *t = gm_from_data(GM_SHAPE(1, 3, h, w), GM_F32, x), *g = gm_randn(GM_SHAPE(1, 3, oh, ow), GM_F32);
    gm_set_requires_grad(t, true);
    gm_tensor *y = gm_max_pool2d(t, 2);
    gm_backward(gm_sum(gm_mul(y, g)));
    const float *got = gm_data(y), *gs = gm_data(g), *gx = gm_data(gm_gradient_of(t));
    int64_t wrong = 0;
    for (int64_t i = 0; i < 3 * oh * ow; i++) {
        int64_t from = i / ow / oh * h * w + i / ow % oh * 2 * w + i % ow * 2, at[4] = { 0, 1, w, w + 1 }, best = 0;
        for (int k = 1; k < 4; k++) {
            float m = x[from + at[best]], v = x[from + at[k]];
            if (v > m || (isnan(v) && !isnan(m))) best = k;
        }
        wrong += memcmp(&got[i], &x[from + at[best]], 4) && !isnan(got[i]);
        for (int k = 0; k < 4; k++) wrong += gx[from + at[k]] != (k == best ? gs[i] : 0);
    }
    for (int64_t i = 0; i < n; i++) wrong += (i % w >= 2 * ow || i / w % h >= 2 * oh) && gx[i] != 0;
    CHECK(!wrong && got && gx, "%lld x %lld: %lld differ", (long long)h, (long long)w, (long long)wrong);
    free(x);
}

static void pool_quads(void) {
    static const int64_t sizes[][2] = { { 2, 2 },   { 28, 28 }, { 14, 14 }, { 7, 7 },    { 5, 34 },
                                        { 2, 511 }, { 4, 512 }, { 3, 513 }, { 2, 1030 }, { 40, 66 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) pool_quads_of(sizes[i][0], sizes[i][1]);
}

static void pool_says(gm_tensor *t, const char *words) {
    CHECK(!t && strstr(gm_error_message(), words), "said: %s", gm_error_message());
    gm_error_clear();
}

static void pool_errors(void) {
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 3, 6, 7));
    pool_says(gm_max_pool2d(x, 2, .padding = 2), "padding must be less than the kernel");
    pool_says(gm_max_pool2d(x, 0), "kernel 0");
    pool_says(gm_max_pool2d(x, 8), "no window of 8 fits into dimension 2 of [2, 3, 6, 7]");
    pool_says(gm_avg_pool3d(recorded_input(1, GM_SHAPE(2, 3)), 2), "5 dimensions are needed");
    pool_says(gm_max_pool2d(gm_cast(x, GM_I32), 2), "floats");
}

int main(void) {
    if (recorded_open("tests/ops/data/pool.txt")) {
        RUN(pool_max_cases);
        RUN(pool_avg_cases);
        RUN(pool_whole);
        RUN(pool_long_rows);
        RUN(pool_nan_and_ties);
        RUN(pool_quads);
        RUN(pool_errors);
    }
    recorded_close();
    return check_done();
}
