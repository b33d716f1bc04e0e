/* Resizing against recorded results, in both layouts; u8 equal to Pillow's; errors by their words. */
#include "recorded.h"

#define RESIZE_CASE(name, shape, h, w, ...)                                                                            \
    do {                                                                                                               \
        gm_tensor *x = recorded_variable(1, shape), *y = gm_resize2d(x, h, w, __VA_ARGS__);                            \
        recorded_check_grads(name, y, &x, 1, 1e-6);                                                                    \
        gm_tensor *z = gm_resize2d(gm_channels_last(x), h, w, __VA_ARGS__);                                            \
        CHECK(z && gm_is_channels_last(z) && gm_item(gm_all(gm_eq(y, z))) == 1, "%s: %s", name, gm_error_message());   \
        gm_backward(gm_sum(gm_mul(z, recorded_input(99, gm_shape_of(z)))));                                            \
        recorded_check(name ".0", gm_gradient_of(x), 1e-6);                                                            \
    } while (0)

static void resize_cases(void) {
    RESIZE_CASE("nearest_up", GM_SHAPE(1, 2, 3, 4), 7, 6, .mode = GM_RESIZE_NEAREST);
    RESIZE_CASE("nearest_down", GM_SHAPE(1, 2, 7, 9), 3, 4, .mode = GM_RESIZE_NEAREST);
    RESIZE_CASE("linear_up", GM_SHAPE(1, 2, 3, 4), 7, 9, .mode = GM_RESIZE_LINEAR);
    RESIZE_CASE("linear_down", GM_SHAPE(1, 2, 9, 11), 4, 5, .mode = GM_RESIZE_LINEAR);
    RESIZE_CASE("linear_corners", GM_SHAPE(1, 2, 5, 4), 8, 3, .align_corners = 1);
    RESIZE_CASE("linear_antialias", GM_SHAPE(1, 2, 13, 11), 4, 17, .antialias = 1);
    RESIZE_CASE("cubic_up", GM_SHAPE(1, 2, 4, 5), 9, 7, .mode = GM_RESIZE_CUBIC);
    RESIZE_CASE("cubic_corners", GM_SHAPE(1, 2, 4, 5), 7, 3, .mode = GM_RESIZE_CUBIC, .align_corners = 1);
    RESIZE_CASE("cubic_antialias", GM_SHAPE(1, 2, 13, 9), 5, 4, .mode = GM_RESIZE_CUBIC, .antialias = 1);
    gm_tensor *x = recorded_variable(1, GM_SHAPE(2, 3, 5));
    recorded_check_grads("linear1d", gm_resize1d(x, 8), &x, 1, 1e-6);
}

static void resize_volumes(void) {
    gm_shape shape = GM_SHAPE(1, 2, 3, 4, 5);
    gm_tensor *x = recorded_variable(1, shape);
    recorded_check_grads("nearest3d", gm_resize3d(x, 5, 2, 7, .mode = GM_RESIZE_NEAREST), &x, 1, 1e-6);
    x = recorded_variable(1, shape);
    recorded_check_grads("linear3d", gm_resize3d(x, 5, 3, 7), &x, 1, 1e-6);
    x = recorded_variable(1, shape);
    recorded_check_grads("corners3d", gm_resize3d(x, 2, 7, 4, .align_corners = 1), &x, 1, 1e-6);
    gm_tensor *last = gm_resize3d(gm_channels_last(x), 5, 3, 7), *y = (gm_resize3d)(x, 5, 3, 7);
    CHECK(gm_item(gm_all(gm_eq(last, y))) == 1, "%s", gm_error_message());
    gm_tensor *narrow = gm_resize3d(gm_cast(x, GM_BF16), 5, 3, 7);
    CHECK(narrow && gm_dtype_of(narrow) == GM_BF16, "%s", gm_error_message());
}

static void resize_like_pillow(void) {
    gm_tensor *x = gm_add_scalar(gm_cast(recorded_input(3, GM_SHAPE(23, 31)), GM_F64), 1);
    x = gm_cast(gm_mul_scalar(x, 127.9), GM_U8);
    int64_t sizes[3][2] = { { 9, 13 }, { 40, 17 }, { 5, 50 } };
    for (int i = 0; i < 6; i++) {
        char name[64];
        const int64_t *s = sizes[i / 2];
        snprintf(name, sizeof name, "pillow_%s_%d_%d", i % 2 ? "cubic" : "linear", (int)s[0], (int)s[1]);
        recorded_check(
            name, gm_resize2d(x, s[0], s[1], .mode = i % 2 ? GM_RESIZE_CUBIC : GM_RESIZE_LINEAR, .antialias = 1), 0);
    }
}

/* Many rows, so that blocks and tails are met: each picture alone gives the same. */
static void resize_many_rows(void) {
    gm_tensor *x = recorded_input(5, GM_SHAPE(3, 67, 21)), *y = gm_resize2d(x, 30, 40), *z = NULL;
    z = gm_resize2d(gm_select(x, 0, 2), 30, 40);
    CHECK(y && z && gm_item(gm_all(gm_eq(gm_select(y, 0, 2), z))) == 1, "%s", gm_error_message());
    CHECK(gm_resize2d(x, 67, 21) == x);
    gm_tensor *n = gm_resize2d(gm_cast(x, GM_I64), 5, 5, .mode = GM_RESIZE_NEAREST);
    CHECK(n && gm_dtype_of(n) == GM_I64);
}

static void resize_says(gm_tensor *t, const char *words) {
    CHECK(!t && strstr(gm_error_message(), words), "said: %s", gm_error_message());
    gm_error_clear();
}

static void resize_errors(void) {
    gm_tensor *x = recorded_input(1, GM_SHAPE(2, 3, 5));
    resize_says(gm_resize2d(x, 0, 4), "to 0");
    resize_says(gm_resize2d(gm_cast(x, GM_I32), 4, 4), "floats or u8");
    resize_says(gm_resize2d(recorded_input(1, GM_SHAPE(3)), 4, 4), "2 dimensions");
    resize_says(gm_resize2d(x, 4, 4, .mode = GM_RESIZE_NEAREST, .antialias = 1), "with antialias");
}

int main(void) {
    if (recorded_open("tests/ops/data/resize.txt")) {
        RUN(resize_cases);
        RUN(resize_volumes);
        RUN(resize_like_pillow);
        RUN(resize_many_rows);
        RUN(resize_errors);
    }
    recorded_close();
    return check_done();
}
