/* Packs: order, names, paths, replacement, sizes, ownership, failing allocations. */
#include "base/object.h"
#include "check_error.h"
#include "gemel/tensor.h"

static gm_tensor *number(float x) { return gm_from_data(GM_SHAPE(1), GM_F32, &x); }

static void order_and_names(void) {
    GM_SCOPE(s);
    gm_pack *p = GM_PACK({ "b", .t = number(1) }, { "a", .t = number(2), NULL }, { .t = number(3) });
    CHECK(gm_pack_count(p) == 3);
    CHECK(!strcmp(gm_pack_name(p, 0), "b") && !strcmp(gm_pack_name(p, 1), "a") && !strcmp(gm_pack_name(p, 2), "2"));
    CHECK(gm_item(gm_get(p, "a")) == 2 && gm_item(gm_pack_at(p, 2)) == 3);
    CHECK(gm_pack_set(p, "b", number(9)) && gm_pack_count(p) == 3 && gm_item(gm_pack_at(p, 0)) == 9);
    CHECK(gm_pack_has(p, "2") && !gm_pack_has(p, "3") && gm_ok());
    CHECK(gm_pack_set(p, "4", number(1)) && !gm_pack_set(p, NULL, number(1)) && fails_with(GM_ERROR_VALUE, "\"4\""));
}

static void paths(void) {
    GM_SCOPE(s);
    gm_pack *inner = GM_PACK({ "weight", .t = number(1) }, { "x.y", .t = number(2) });
    gm_pack *middle = GM_PACK({ "0", .p = inner }, { "flat.name", .t = number(3) });
    gm_pack *p = GM_PACK({ "enc", .p = middle }, { "enc.0.weight", .t = number(4) }, { "t", .t = number(5) });
    CHECK(gm_item(gm_get(p, "enc.0.weight")) == 4, "a whole name goes before a path");
    CHECK(gm_item(gm_get(p, "enc.0.x.y")) == 2 && gm_item(gm_get(p, "enc.flat.name")) == 3);
    CHECK(gm_get_pack(p, "enc.0") == inner && gm_pack_child(p, 0) == middle && !gm_pack_child(p, 2) && gm_ok());
    CHECK(!gm_pack_flatten(p) && fails_with(GM_ERROR_VALUE, "enc.0.weight"));
    gm_pack *flat = gm_pack_flatten(middle);
    CHECK(gm_pack_count(flat) == 3 && !strcmp(gm_pack_name(flat, 1), "0.x.y") && gm_item(gm_get(flat, "0.x.y")) == 2);
}

static void misuse(void) {
    GM_SCOPE(s);
    gm_pack *p = GM_PACK({ "a", .t = number(1) }, { "b", .p = GM_PACK({ "c", .t = number(1) }) });
    CHECK(!gm_get(p, "z") && fails_with(GM_ERROR_INDEX, "\"z\"; it has a, b"));
    CHECK(!gm_get(p, "b") && fails_with(GM_ERROR_INDEX, "is a pack"));
    CHECK(!gm_get_pack(p, "a") && fails_with(GM_ERROR_INDEX, "is a tensor"));
    CHECK(!gm_get(p, NULL) && fails_with(GM_ERROR_VALUE, "NULL"));
    CHECK(!gm_pack_at(p, 2) && fails_with(GM_ERROR_INDEX, "entry 2 of a pack of 2"));
    CHECK(!gm_pack_name(p, -1) && fails_with(GM_ERROR_INDEX, "entry -1"));
    CHECK(!gm_pack_set(p, "n", NULL) && fails_with(GM_ERROR_HANDLE, "argument 3 is NULL"));
    CHECK(!gm_pack_set(p, "n", (gm_tensor *)p) && fails_with(GM_ERROR_HANDLE, "is a pack"));
    CHECK(!gm_pack_set_pack(p, "n", p) && fails_with(GM_ERROR_VALUE, "into itself"));
    CHECK(!gm_pack_set_pack(gm_get_pack(p, "b"), "n", p) && fails_with(GM_ERROR_VALUE, "into itself"));
    CHECK(!GM_PACK({ "a", NULL, NULL }) && fails_with(GM_ERROR_HANDLE, "entry 0 (\"a\") is NULL"));
    CHECK(!gm_get(gm_pack_new(), "a") && fails_with(GM_ERROR_INDEX, "no entries"));
    gm_fail(GM_ERROR_VALUE, "mine");
    CHECK(!gm_pack_set(p, "n", NULL) && !gm_pack_new() && gm_pack_count(p) == -1 && fails_with(GM_ERROR_VALUE, "mine"));
    CHECK(gm_pack_count(p) == 2 && gm_ok());
}

static void deep(void) {
    GM_SCOPE(s);
    gm_pack *p = gm_pack_new();
    bool refused = false;
    for (int i = 0; i < 1000 && !refused; i++) {
        gm_pack *outer = gm_pack_new();
        refused = !gm_pack_set_pack(outer, "x", p);
        p = outer;
    }
    CHECK(refused && fails_with(GM_ERROR_VALUE, "deep"));
}

static void many(void) {
    GM_SCOPE(s);
    enum { N = 5000 };
    gm_pack *p = gm_pack_new();
    gm_tensor *shared = number(7);
    char name[32];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "layer.%d.weight", i);
        if (!gm_pack_set(p, name, i % 2 ? shared : number((float)i))) break;
    }
    CHECK(gm_pack_count(p) == N);
    int wrong = 0;
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "layer.%d.weight", i);
        wrong += gm_item(gm_get(p, name)) != (i % 2 ? 7 : i) || strcmp(gm_pack_name(p, i), name);
    }
    CHECK(wrong == 0, "%d of %d", wrong, N);
    CHECK(!gm_pack_has(p, "layer.5000.weight") && !gm_pack_has(p, "layer.50"));
    CHECK(!gm_get(p, "none") && fails_with(GM_ERROR_INDEX, "more"));
}

static void ownership(void) {
    int64_t before = gm__n_objects();
    gm_pack *p;
    {
        GM_SCOPE(s);
        p = gm_keep(GM_PACK({ "a", .t = number(1) }, { "b", .p = GM_PACK({ "c", .t = number(2) }) }));
    }
    CHECK(gm_item(gm_get(p, "a")) == 1 && gm_item(gm_get(p, "b.c")) == 2);
    int64_t full = gm__n_objects();
    {
        GM_SCOPE(s);
        gm_pack_set(p, "a", number(3));
        gm_pack_set(p, "b", number(4));
    }
    CHECK(gm__n_objects() == full - 1, "a pack, a tensor and a storage went, two came");
    CHECK(gm_item(gm_get(p, "b")) == 4);
    gm_release(p);
    CHECK(gm__n_objects() == before);
}

static bool build(void) {
    GM_SCOPE(s);
    gm_pack *p = gm_pack_new();
    char name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "n%d", i);
        gm_pack_set(p, name, number((float)i));
    }
    gm_pack *outer = GM_PACK({ "inner", .p = p }, { "x", .t = number(1) });
    gm_pack *flat = gm_pack_flatten(outer);
    return gm_ok() && gm_pack_count(flat) == 41;
}

static void failing_allocations(void) {
    CHECK(build());
    gm__fail_allocation(0, false);
    CHECK(build());
    int64_t n = gm__allocation_count(), before = gm__n_objects();
    int wrong = 0;
    for (int64_t i = 1; i <= n; i++) {
        gm__fail_allocation(i, false);
        wrong += build() || gm_error_code() != GM_ERROR_MEMORY || gm__n_objects() != before;
        gm_error_clear();
    }
    gm__fail_allocation(0, false);
    CHECK(n > 100 && wrong == 0, "%d of %lld", wrong, (long long)n);
    CHECK(build());
}

int main(void) {
    RUN(order_and_names);
    RUN(paths);
    RUN(misuse);
    RUN(deep);
    RUN(many);
    RUN(ownership);
    RUN(failing_allocations);
    return check_done();
}
