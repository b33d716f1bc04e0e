/* DLPack: round trips without a copy, lifetimes, foreign structs good and bad. (With NumPy: test_numpy.py.) */
#include "base/object.h"
#include "check_error.h"
#include "tensor/tensor.h"

/* As in dlpack.h, version 1.1. */
typedef struct { void *data; int32_t device, device_id, n_dims; uint8_t code, bits; uint16_t lanes; int64_t *shape,
    *strides; uint64_t offset; } view;
typedef struct managed {
    uint32_t major, minor;
    void *owner;
    void (*deleter)(struct managed *);
    uint64_t flags;
    view v;
} managed;

static int deleted;
static void count_deletion(managed *m) { (void)m, deleted++; }

static int64_t sizes[2] = { 2, 3 };
static int32_t numbers[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };

static managed foreign(void) {
    return (managed){ 1, 1, NULL, count_deletion, 0, { numbers, 1, 0, 2, 0, 32, 1, sizes, NULL, 0 } };
}

static void round_trips(void) {
    static const gm_dtype dtypes[] = { GM_F32, GM_F64, GM_F16, GM_BF16, GM_I8,  GM_I16,    GM_I32,    GM_I64, GM_U8,
                                       GM_U16, GM_U32, GM_U64, GM_BOOL, GM_C64, GM_F8E4M3, GM_F8E5M2, GM_I4,  GM_U4 };
    int64_t before = gm__n_objects();
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        GM_SCOPE(s);
        gm_tensor *t = gm_from_data(GM_SHAPE(2, 2), dtypes[i], numbers);
        gm_tensor *a = gm_from_dlpack(gm_to_dlpack(t)), *b = gm_from_dlpack_unversioned(gm_to_dlpack_unversioned(t));
        CHECK(a && b && a->dtype == dtypes[i] && b->dtype == dtypes[i] && gm_shape_equal(a->shape, t->shape));
        CHECK(gm_data(a) == gm_data(t) && gm_data(b) == gm_data(t));
    }
    CHECK(gm__n_objects() == before);
    managed *m;
    {
        GM_SCOPE(s);
        m = gm_to_dlpack(gm_from_data(GM_SHAPE(8), GM_I32, numbers));
    }
    CHECK(m->major == 1 && ((int32_t *)m->v.data)[7] == 7 && gm__n_objects() == before + 1,
          "the memory outlives the scope");
    m->deleter(m);
    CHECK(gm__n_objects() == before);
}

static void foreign_memory(void) {
    managed m = foreign(), n = foreign(), one = foreign();
    deleted = 0;
    {
        GM_SCOPE(s);
        gm_tensor *t = gm_from_dlpack(&m), *alias = gm_keep(gm__tensor_alias(t));
        CHECK(gm_data(t) == numbers && gm_is_contiguous(t) && gm_size(t, 1) == 3);
        int64_t back[2] = { -3, -1 };
        n.v.strides = back, n.v.offset = 5 * 4;
        gm_tensor *u = gm_from_dlpack(&n);
        int32_t got[6];
        CHECK(gm_read(u, GM_I32, got, sizeof got) && !memcmp(got, (int32_t[]){ 5, 4, 3, 2, 1, 0 }, sizeof got));
        one.v.n_dims = 0, one.v.shape = NULL, one.v.offset = 8;
        CHECK(gm_item(gm_from_dlpack(&one)) == 2 && deleted == 0);
        gm_release(alias);
    }
    CHECK(deleted == 3);
    GM_SCOPE(s);
    m = foreign();
    m.flags = 1;
    gm_tensor *t = gm_from_dlpack(&m);
    CHECK(t && gm_data(t) != numbers && deleted == 4, "read-only: copied, and given back at once");
    m = foreign();
    m.v.offset = 1;
    t = gm_from_dlpack(&m);
    CHECK(t && gm_data(t) != (char *)numbers + 1 && deleted == 5 && ((const int32_t *)gm_data(t))[0] == 1 << 24);
}

static bool refused(managed m, gm_error code, const char *part) {
    int before = deleted;
    return !gm_from_dlpack(&m) && fails_with(code, part) && deleted == before;
}

static void refusals(void) {
    managed m = foreign();
    m.major = 2;
    CHECK(refused(m, GM_ERROR_UNSUPPORTED, "version 2.1"));
    m = foreign(), m.v.device = 2;
    CHECK(refused(m, GM_ERROR_UNSUPPORTED, "device type 2"));
    m = foreign(), m.v.lanes = 4;
    CHECK(refused(m, GM_ERROR_DTYPE, "code 0, 32 bits, 4 lanes"));
    m = foreign(), m.v.n_dims = 17;
    CHECK(refused(m, GM_ERROR_SHAPE, "17 dimensions"));
    m = foreign(), m.v.shape = NULL;
    CHECK(refused(m, GM_ERROR_VALUE, "shape is NULL"));
    m = foreign(), m.v.data = NULL;
    CHECK(refused(m, GM_ERROR_VALUE, "data is NULL"));
    m = foreign(), m.v.shape = (int64_t[]){ -1, 3 };
    CHECK(refused(m, GM_ERROR_SHAPE, "overflow"));
    m = foreign(), m.v.shape = (int64_t[]){ INT64_MAX, 3 };
    CHECK(refused(m, GM_ERROR_SHAPE, "overflow"));
    m = foreign(), m.v.strides = (int64_t[]){ INT64_MAX / 2, 1 };
    CHECK(refused(m, GM_ERROR_SHAPE, "overflow"));
    m = foreign(), m.v.bits = 4, m.flags = 4;
    CHECK(refused(m, GM_ERROR_UNSUPPORTED, "a byte of its own"));
    CHECK(!gm_from_dlpack(NULL) && fails_with(GM_ERROR_VALUE, "NULL"));
    GM_SCOPE(s);
    CHECK(!gm_to_dlpack(gm_strings((const char *[]){ "a" }, 1)) && fails_with(GM_ERROR_DTYPE, "no string"));
    CHECK(!gm_to_dlpack(NULL) && fails_with(GM_ERROR_HANDLE, "to_dlpack"));
    gm_tensor *t = gm_from_data(GM_SHAPE(1), GM_I32, numbers);
    for (int i = 1; i <= 3; i++) {
        gm__fail_allocation(i, true);
        CHECK(refused(foreign(), GM_ERROR_MEMORY, "memory"));
    }
    gm__fail_allocation(1, true);
    CHECK(!gm_to_dlpack(t) && fails_with(GM_ERROR_MEMORY, "memory"));
    gm__fail_allocation(0, false);
}

int main(void) {
    RUN(round_trips);
    RUN(foreign_memory);
    RUN(refusals);
    return check_done();
}
