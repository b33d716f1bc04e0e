/* Borders, rolling and repeating, against recorded results; errors by their words. */
#include "ops/ops.h"
#include "recorded.h"

#include <math.h>

static void arrange_borders(void) {
    static const char *const name[] = { "constant", "reflect", "replicate", "circular" };
    for (gm_pad_mode mode = 0; mode < 4; mode++) {
        gm_tensor *x = recorded_variable(1, GM_SHAPE(2, 3, 4, 5));
        gm_tensor *y = gm_pad(x, GM_SHAPE(1, 2), GM_SHAPE(2, 3), .mode = mode, .value = 1.5);
        recorded_check_grads(name[mode], y, &x, 1, 5e-7);
    }
    gm_tensor *x = recorded_variable(1, GM_SHAPE(2, 3, 4, 5));
    recorded_check_grads("cut", gm_pad(x, GM_SHAPE(3, 0, -1), GM_SHAPE(-2, 0, 2)), &x, 1, 5e-7);
    gm_tensor *t = recorded_input(1, GM_SHAPE(2, 3, 4));
    recorded_check("symmetric", gm_pad(t, GM_SHAPE(2, 9), GM_SHAPE(3, 1), .mode = GM_PAD_SYMMETRIC), 1e-8);
    recorded_check("reflect_wide", gm_pad(t, GM_SHAPE(3, 0, 7), GM_SHAPE(0, 0, 11), .mode = GM_PAD_REFLECT), 1e-8);
    gm_tensor *last = gm_pad(gm_channels_last(x), GM_SHAPE(1, 2), GM_SHAPE(2, 3), .value = 1.5);
    CHECK(last && gm_is_channels_last(last) && !gm_is_contiguous(last), "%s", gm_error_message());
    gm_tensor *same = gm_eq(last, gm_pad(x, GM_SHAPE(1, 2), GM_SHAPE(2, 3), .value = 1.5));
    CHECK(gm_item(gm_all(same)) == 1, "%s", gm_error_message());
    gm_tensor *empty = gm_pad(gm_zeros(GM_SHAPE(0), GM_I8), GM_SHAPE(2), GM_SHAPE(1), .value = 7);
    CHECK(empty && gm_count(empty) == 3 && gm_item(gm_all(gm_eq_scalar(empty, 7))) == 1, "%s", gm_error_message());
}

static void arrange_places(void) {
    gm_tensor *x = recorded_variable(1, GM_SHAPE(4, 5, 3));
    recorded_check_grads("roll", gm_roll(x, -7, 1), &x, 1, 5e-7);
    x = recorded_variable(1, GM_SHAPE(4, 3));
    recorded_check_grads("repeat", gm_repeat(x, GM_SHAPE(2, 1, 3)), &x, 1, 5e-7);
    x = recorded_variable(1, GM_SHAPE(4, 3));
    recorded_check_grads("interleave", gm_repeat_interleave(x, 3, -1), &x, 1, 5e-7);
    x = recorded_variable(1, GM_SHAPE(4, 3));
    gm_tensor *counts = gm_from_data(GM_SHAPE(4), GM_I32, (int32_t[]){ 2, 0, 1, 3 });
    recorded_check_grads("interleave_by", gm_repeat_interleave_by(x, counts, 0), &x, 1, 5e-7);
    gm_tensor *none = gm_repeat(x, GM_SHAPE(0, 2));
    CHECK(none && gm_size(none, 0) == 0 && gm_size(none, 1) == 6, "%s", gm_error_message());
}

static void arrange_says(const void *t, gm_error code, const char *words) {
    CHECK(!t && gm_error_code() == code && strstr(gm_error_message(), words), "said: %s", gm_error_message());
    gm_error_clear();
}

static void arrange_errors(void) {
    gm_tensor *x = recorded_input(1, GM_SHAPE(3, 4));
    arrange_says(gm_pad(x, GM_SHAPE(-2), GM_SHAPE(-3)), GM_ERROR_SHAPE, "pad: -2 in front and -3 behind");
    arrange_says(gm_pad(x, GM_SHAPE(1, 1, 1), GM_SHAPE(1, 1, 1)), GM_ERROR_SHAPE, "3 widths in front and 3 behind");
    arrange_says(gm_pad(x, GM_SHAPE(1), GM_SHAPE(1), .mode = 9), GM_ERROR_VALUE, "pad: mode 9");
    arrange_says(gm_pad(gm_zeros(GM_SHAPE(0), GM_F32), GM_SHAPE(1), GM_SHAPE(1), .mode = GM_PAD_REFLECT),
                 GM_ERROR_SHAPE, "pad: 1 in front and 1 behind in dimension 0 of [0]");
    arrange_says(gm_roll(x, 1, 2), GM_ERROR_INDEX, "roll: dimension 2");
    arrange_says(gm_repeat(x, GM_SHAPE(-1)), GM_ERROR_VALUE, "repeat: counts [-1] of x [3, 4]");
    arrange_says(gm_repeat_interleave_by(x, gm_zeros(GM_SHAPE(4), GM_I64), 0), GM_ERROR_SHAPE, "counts [4]");
    arrange_says(gm_repeat_interleave_by(x, gm_full(GM_SHAPE(3), -1, GM_I64), 0), GM_ERROR_VALUE, "count -1");
}

/* Sizes whose product is the right one only because it overflows, and shapes of more dimensions than there are. */
static void arrange_impossible(void) {
    gm_tensor *none = gm_zeros(GM_SHAPE(0), GM_F32), *one = gm_zeros(GM_SHAPE(1), GM_F32);
    int64_t big = (int64_t)1 << 32;
    arrange_says(gm_reshape(none, GM_SHAPE(big, big)), GM_ERROR_SHAPE, "is too large");
    arrange_says(gm_reshape(none, GM_SHAPE(0, big, big)), GM_ERROR_SHAPE, "is too large");
    gm_shape wide = { .n = GM_MAX_DIMS + 1 };
    for (int i = 0; i < GM_MAX_DIMS; i++) wide.d[i] = 1;
    arrange_says(gm_reshape(one, wide), GM_ERROR_SHAPE, "reshape: 17 dimensions, at most 16");
    arrange_says(gm_expand(one, wide), GM_ERROR_SHAPE, "expand: 17 dimensions, at most 16");
    gm_tensor *kept = gm_reshape(none, GM_SHAPE(0, 7));
    CHECK(kept && gm_size(kept, 1) == 7, "%s", gm_error_message());
    gm_tensor *never = gm_full(GM_SHAPE(2), -INFINITY, GM_F32), *sum = gm_logaddexp(never, never);
    CHECK(gm_item(gm_max(sum)) == -INFINITY && gm_item(gm_min(sum)) == -INFINITY, "%s", gm_error_message());
}

/* A batch of what has all dimensions already; groups of heads are a dimension, too. */
static void arrange_no_dimension_left(void) {
    GM_SCOPE(s);
    static const char *const names[] = { "reshape", "expand" };
    gm_shape wide = { .n = GM_MAX_DIMS };
    for (int i = 0; i < GM_MAX_DIMS; i++) wide.d[i] = 1;
    gm_tensor *x = gm_ones(GM_SHAPE(3, 1), GM_F32), *y = NULL;
    for (int i = 0; i < 2; i++) {
        bool mapped = true;
        gm_batch_args a = { gm_op_find(names[i]), 1, 1, &x, &mapped, 3, &y, &wide };
        CHECK(!gm__op_batch(&a) && strstr(gm_error_message(), names[i]) &&
                  strstr(gm_error_message(), "no dimension is left for a batch of [1, 1, "), "%s", gm_error_message());
        gm_error_clear();
    }
    wide.d[13] = 4;
    gm_tensor *q = gm_ones(wide, GM_F32);
    wide.d[13] = 2;
    gm_tensor *k = gm_ones(wide, GM_F32);
    arrange_says(gm_scaled_dot_product_attention(q, k, k), GM_ERROR_SHAPE,
                 "no dimension is left for 2 groups of heads");
}

int main(void) {
    if (!recorded_open("tests/ops/data/arrange.txt")) return check_done();
    RUN(arrange_borders);
    RUN(arrange_places);
    RUN(arrange_errors);
    RUN(arrange_impossible);
    RUN(arrange_no_dimension_left);
    recorded_close();
    CHECK(gm_exit_status() == 0);
    return check_done();
}
