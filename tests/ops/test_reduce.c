/* Reductions against a plain reading of the order of summation (docs/numerics.md), bit for bit, for several shapes,
 * dimensions, layouts and numbers of threads; and the rules for NaN, ties, integers and errors. */
#include "../check.h"
#include "gemel/gemel.h"

#include <math.h>

static uint32_t reduce_seed = 1;
static float reduce_random(void) {
    reduce_seed = reduce_seed * 1664525u + 1013904223u;
    return (float)(reduce_seed >> 8) * 0x1p-24f - 0.45f;
}

/* The lane rule, element by element. */
static float reduce_lanes(const float *x, int64_t n) {
    float lane[32], part[32], total[32];
    for (int i = 0; i < 32; i++) total[i] = part[i] = lane[i] = 0;
    for (int64_t r = 0; r < n; r++) {
        lane[r % 32] += x[r];
        if (r % 4096 == 4095 || r == n - 1)
            for (int i = 0; i < 32; i++) part[i] += lane[i], lane[i] = 0;
        if (r % (64 * 4096) == 64 * 4096 - 1 || r == n - 1)
            for (int i = 0; i < 32; i++) total[i] += part[i], part[i] = 0;
    }
    for (int s = 16; s; s /= 2)
        for (int i = 0; i < s; i++) total[i] += total[i + s];
    return total[0];
}

/* The chain rule. */
static float reduce_chain(const float *x, int64_t n) {
    float acc = 0, part = 0, total = 0;
    for (int64_t k = 0; k < n; k++) {
        acc = fmaf(x[k], 1, acc);
        if (k % 256 == 255 || k == n - 1) part += acc, acc = 0;
        if (k % 16384 == 16383 || k == n - 1) total += part, part = 0;
    }
    return total;
}

/* x reduced over `mask`, by collecting each output's elements in order and applying the rule for its kind. */
static void reduce_plainly(const float *x, const gm_shape *s, unsigned mask, float *y) {
    int64_t stride[8], count = 1, outputs = 1;
    int last = -1;
    for (int i = s->n - 1, z = 1; i >= 0; z *= (int)s->d[i--]) stride[i] = z;
    for (int i = 0; i < s->n; i++) {
        if (mask >> i & 1) count *= s->d[i];
        else outputs *= s->d[i];
        if (s->d[i] != 1) last = i;
    }
    float *row = malloc((size_t)(count + 1) * sizeof *row);
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t r = 0; r < count; r++) {
            int64_t at = 0, oo = o, rr = r;
            for (int i = s->n - 1; i >= 0; i--) {
                int64_t *k = mask >> i & 1 ? &rr : &oo;
                at += *k % s->d[i] * stride[i];
                *k /= s->d[i];
            }
            row[r] = x[at];
        }
        y[o] = last < 0 || mask >> last & 1 ? reduce_lanes(row, count) : reduce_chain(row, count);
    }
    free(row);
}

static bool reduce_same(const gm_tensor *y, const float *expected) {
    return gm_ok() && !memcmp(gm_data(y), expected, (size_t)gm_count(y) * sizeof(float));
}

static void one_shape(gm_shape s, unsigned mask) {
    GM_SCOPE(scope);
    int64_t n = gm_shape_count(s);
    float *data = malloc((size_t)n * sizeof *data), *expected = malloc((size_t)(n + 1) * sizeof *expected);
    for (int64_t i = 0; i < n; i++) data[i] = reduce_random();
    reduce_plainly(data, &s, mask, expected);
    int32_t dims[8], k = 0, order[8];
    for (int i = s.n - 1; i >= 0; i--)
        if (mask >> i & 1) dims[k++] = i; /* backwards: the order of dims does not matter */
    gm_tensor *x = gm_from_data(s, GM_F32, data);
    for (int threads = 1; threads <= 3; threads++) {
        gm_set_threads(threads);
        CHECK(reduce_same(gm_sum_dims(x, dims, k, threads == 2), expected), "mask %u of %lld elements", mask,
              (long long)n);
    }
    for (int i = 0; i < s.n; i++) order[i] = s.n - 1 - i;
    gm_tensor *strided = gm_permute(gm_copy(gm_permute(x, order, s.n)), order, s.n);
    CHECK(reduce_same(gm_sum_dims(strided, dims, k, false), expected), "strided, mask %u", mask);
    free(data), free(expected);
}

static void order_of_summation(void) {
    one_shape(GM_SHAPE(7), 1);
    one_shape(GM_SHAPE(100), 1);
    one_shape(GM_SHAPE(600001), 1);
    one_shape(GM_SHAPE(3, 4097), 2);
    one_shape(GM_SHAPE(5, 33), 3);
    one_shape(GM_SHAPE(4, 5, 6), 5);
    one_shape(GM_SHAPE(3, 7, 700), 5);
    one_shape(GM_SHAPE(9, 2, 40000), 5);
    one_shape(GM_SHAPE(300, 19), 1);
    one_shape(GM_SHAPE(17000, 67), 1);
    one_shape(GM_SHAPE(20, 3, 31, 5), 5);
    one_shape(GM_SHAPE(3, 70, 2100), 2);
    one_shape(GM_SHAPE(6, 8, 1), 2);
    one_shape(GM_SHAPE(6, 8, 1), 4);
    one_shape(GM_SHAPE(1, 1), 3);
}

static double item(gm_tensor *t) { return gm_item(t); }

static void nan_and_ties(void) {
    GM_SCOPE(scope);
    const float v[] = { 1, 5, -2, 5, NAN, 7, NAN, -2, -2 };
    gm_tensor *x = gm_from_data(GM_SHAPE(9), GM_F32, v), *head = gm_narrow(x, 0, 0, 4);
    CHECK(isnan(item(gm_max(x))) && isnan(item(gm_min(x))));
    CHECK(item(gm_max(head)) == 5 && item(gm_min(head)) == -2);
    CHECK(gm_item_i64(gm_argmax(x, 0, false)) == 4 && gm_item_i64(gm_argmin(x, 0, false)) == 4);
    CHECK(gm_item_i64(gm_argmax(head, 0, false)) == 1 && gm_item_i64(gm_argmin(head, 0, false)) == 2);
    gm_tensor *table = gm_reshape(gm_arange(0, 600, 1, GM_F32), GM_SHAPE(3, 200));
    CHECK(gm_item_i64(gm_select(gm_argmax(table, 1, true), 0, 2)) == 199);
    CHECK(gm_item_i64(gm_select(gm_argmax(table, 0, false), 0, 7)) == 2);
    gm_set_requires_grad(head = gm_detach(head), true);
    gm_backward(gm_max(head));
    const float *g = gm_data(gm_gradient_of(head));
    CHECK(g[0] == 0 && g[1] == 1 && g[2] == 0 && g[3] == 0);
    CHECK(!signbit(item(gm_sum(gm_full(GM_SHAPE(3), -0.0, GM_F32)))) &&
          !signbit(item(gm_sum(gm_full(GM_SCALAR, -0.0, GM_F32)))));
}

static void products_with_zeros(void) {
    GM_SCOPE(scope);
    const float one_zero[] = { 2, 0, 3, 4 }, two_zeros[] = { 2, 0, 3, 0 };
    gm_tensor *x = gm_from_data(GM_SHAPE(4), GM_F32, one_zero), *z = gm_from_data(GM_SHAPE(4), GM_F32, two_zeros);
    gm_set_requires_grad(x, true), gm_set_requires_grad(z, true);
    gm_backward(gm_prod(x));
    gm_backward(gm_prod(z));
    const float *g = gm_data(gm_gradient_of(x)), *h = gm_data(gm_gradient_of(z));
    CHECK(g && g[0] == 0 && g[1] == 24 && g[2] == 0 && g[3] == 0);
    CHECK(h && h[0] == 0 && h[1] == 0 && h[2] == 0 && h[3] == 0);
    gm_tensor *w = gm_from_data(GM_SHAPE(4), GM_F32, one_zero);
    gm_set_requires_grad(w, true);
    gm_backward(gm_sum(gm_cumprod(w, 0)));
    const float *c = gm_data(gm_gradient_of(w)); /* 1 + 0 + 0 + 0; 2 + 2*3 + 2*3*4; 0; 0 */
    CHECK(c && c[0] == 1 && c[1] == 32 && c[2] == 0 && c[3] == 0);
}

static void integers_and_narrow_floats(void) {
    GM_SCOPE(scope);
    gm_tensor *bytes = gm_full(GM_SHAPE(1000), 200, GM_U8), *half = gm_full(GM_SHAPE(4096), 1, GM_BF16);
    CHECK(gm_dtype_of(gm_sum(bytes)) == GM_I64 && gm_item_i64(gm_sum(bytes)) == 200000);
    CHECK(gm_item_i64(gm_sum(gm_gt_scalar(bytes, 3))) == 1000);
    CHECK(gm_dtype_of(gm_max(bytes)) == GM_U8 && item(gm_max(bytes)) == 200);
    CHECK(gm_dtype_of(gm_sum(half)) == GM_BF16 && item(gm_sum(half)) == 4096 && item(gm_mean(half)) == 1);
    CHECK(item(gm_any(bytes)) == 1 && item(gm_all(gm_eq_scalar(bytes, 1))) == 0 && item(gm_all(bytes)) == 1);
    gm_tensor *none = gm_zeros(GM_SHAPE(0, 3), GM_F32);
    CHECK(item(gm_sum(none)) == 0 && item(gm_prod(none)) == 1 && item(gm_any(none)) == 0 && item(gm_all(none)) == 1);
    CHECK(gm_item_i64(gm_select(gm_cumsum(bytes, 0), 0, 999)) == 200000);
}

static void errors(void) {
    GM_SCOPE(scope);
    gm_tensor *i = gm_zeros(GM_SHAPE(2, 3), GM_I32), *none = gm_zeros(GM_SHAPE(0, 3), GM_F32);
    CHECK(!gm_mean(i) && gm_error_code() == GM_ERROR_DTYPE && strstr(gm_error_message(), "gm_cast"));
    gm_error_clear();
    CHECK(!gm_sum_dim(i, 2, false) && gm_error_code() == GM_ERROR_INDEX);
    gm_error_clear();
    CHECK(!gm_sum_dims(i, (int32_t[]){ 1, -1 }, 2, false) && gm_error_code() == GM_ERROR_INDEX);
    gm_error_clear();
    CHECK(!gm_max(none) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
    CHECK(!gm_argmax(none, 0, false) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
}

int main(void) {
    RUN(order_of_summation);
    RUN(nan_and_ties);
    RUN(products_with_zeros);
    RUN(integers_and_narrow_floats);
    RUN(errors);
    return check_done();
}
