/* test_grow.c: lists that double: what is in them stays, and stays where memory is refused. */
#include "base/grow.h"
#include "base/object.h"
#include "check.h"

static void test_growing(void) {
    int64_t *list = NULL, n = 0, capacity = 0, moved = 0;
    for (; n < 1000; n++) {
        int64_t before = capacity;
        CHECK(gm__grow(&list, n, &capacity, sizeof *list) && capacity > n);
        moved += capacity != before;
        list[n] = 3 * n;
    }
    for (int64_t i = 0; i < n; i++) CHECK(list[i] == 3 * i);
    CHECK(moved < 12, "%lld times", (long long)moved);
    gm_free(list);
}

static void test_refused(void) {
    char *list = NULL;
    int64_t capacity = 0;
    CHECK(gm__grow(&list, 0, &capacity, 1));
    for (int64_t i = 0; i < capacity; i++) list[i] = 'x';
    char *was = list;
    int64_t had = capacity;
    gm__fail_allocation(1, false);
    CHECK(!gm__grow(&list, had, &capacity, 1) && gm_error_code() == GM_ERROR_MEMORY);
    gm__fail_allocation(0, false);
    gm_error_clear();
    CHECK(list == was && capacity == had && list[had - 1] == 'x');
    gm_free(list);
}

int main(void) {
    RUN(test_growing);
    RUN(test_refused);
    return check_done();
}
