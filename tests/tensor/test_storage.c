/* test_storage.c: guard zones around storages: whole ones say nothing, a byte before or behind is noticed, what nobody
 * has written is NaN. */
#include "tensor/tensor.h"
#include "check.h"
#include "gemel/gemel.h"

#include <math.h>

static void write_beside(int64_t bytes, int64_t at, bool noticed) {
    int64_t broken = gm__broken_storages();
    gm_storage *s = gm__storage_new((size_t)bytes);
    CHECK(s && (uintptr_t)s->data % 64 == 0, "aligned");
    if (s) ((unsigned char *)s->data)[at] = 7;
    gm_release(s);
    CHECK(gm__broken_storages() == broken + noticed, "%lld of %lld bytes", (long long)at, (long long)bytes);
}

static void test_guard_zones(void) {
    static const int64_t sizes[] = { 1, 4, 60, 64, 1000, 3 << 20 };
    gm__guard_storages(true);
    for (int i = 0; i < 6; i++) {
        write_beside(sizes[i], 0, false);
        write_beside(sizes[i], sizes[i] - 1, false);
        write_beside(sizes[i], sizes[i], true);
        write_beside(sizes[i], sizes[i] + 63, true);
        write_beside(sizes[i], -1, true);
        write_beside(sizes[i], -64, true);
    }
    gm__guard_storages(false);
    write_beside(64, 0, false);
}

static void test_unwritten_is_nan(void) {
    GM_SCOPE(s);
    gm__guard_storages(true);
    gm_tensor *x = gm_empty(GM_SHAPE(3, 5), GM_F32);
    for (int i = 0; i < 15; i++) CHECK(isnan(((const float *)gm_data(x))[i]));
    gm__guard_storages(false);
}

static void test_guarded_and_plain_together(void) {
    GM_SCOPE(s);
    int64_t broken = gm__broken_storages();
    gm__guard_storages(true);
    gm_tensor *x = gm_ones(GM_SHAPE(100), GM_F32);
    gm__guard_storages(false);
    gm_tensor *y = gm_mul_scalar(x, 3);
    gm_scope_close(&s);
    CHECK(gm__broken_storages() == broken && gm_memory_stats().n_objects == 0);
    (void)y;
}

static void test_strings_are_no_numbers(void) {
    GM_SCOPE(s);
    gm_tensor *t = gm_strings((const char *const[]){ "1" }, 1);
    double d[4] = { 3 };
    CHECK(!gm_read(t, GM_F64, d, sizeof d) && gm_error_code() == GM_ERROR_DTYPE && d[0] == 3, "%s", gm_error_message());
    gm_error_clear();
    CHECK(gm_item(t) != gm_item(t) && gm_error_code() == GM_ERROR_DTYPE, "%s", gm_error_message());
    gm_error_clear();
}

/* 4-bit elements are stored, viewed and printed; no conversion reads them, and none may pretend to. */
static void test_nibbles_are_no_numbers(void) {
    GM_SCOPE(s);
    gm_tensor *t = gm_from_data(GM_SHAPE(5), GM_I4, (uint8_t[]){ 0x21, 0x43, 0x05 });
    float f[5];
    CHECK(!gm_cast(t, GM_F32) && gm_error_code() == GM_ERROR_DTYPE, "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_add(t, t) && gm_error_code() == GM_ERROR_DTYPE, "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_read(t, GM_F32, f, sizeof f) && gm_error_code() == GM_ERROR_DTYPE, "%s", gm_error_message());
    gm_error_clear();
    const uint8_t *half = gm_data(gm_slice(t, 0, 2, 4, 1));
    CHECK(half && *half == 0x43, "%s", gm_error_message());
    CHECK(!gm_data(gm_slice(t, 0, 1, 5, 1)) && gm_error_code() == GM_ERROR_STATE, "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_assign(gm_zeros(GM_SHAPE(5), GM_F32), t) && gm_error_code() == GM_ERROR_DTYPE, "%s", gm_error_message());
    gm_error_clear();
}

static void test_no_memory_is_no_tensor(void) {
    GM_SCOPE(s);
    CHECK(!gm_from_memory(GM_SHAPE(4), GM_F32, NULL, NULL, NULL) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
    CHECK(gm_from_memory(GM_SHAPE(0), GM_F32, NULL, NULL, NULL) != NULL, "%s", gm_error_message());
}

int main(void) {
    RUN(test_no_memory_is_no_tensor);
    RUN(test_nibbles_are_no_numbers);
    RUN(test_strings_are_no_numbers);
    RUN(test_guard_zones);
    RUN(test_unwritten_is_nan);
    RUN(test_guarded_and_plain_together);
    return check_done();
}
