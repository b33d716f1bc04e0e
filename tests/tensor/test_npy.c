/* .npy files: headers of many hands, hostile headers, what is written. (Against NumPy itself: test_numpy.py.) */
#include "base/object.h"
#include "check_error.h"
#include "tensor/npy.h"

#include <math.h>

/* A version 1 file of this header and data. */
static gm_tensor *decode(const char *header, const void *data, size_t n) {
    static char bytes[2000];
    size_t length = strlen(header);
    memcpy(bytes, "\x93NUMPY\1\0", 8);
    bytes[8] = (char)length, bytes[9] = (char)(length >> 8);
    memcpy(bytes + 10, header, length);
    if (n) memcpy(bytes + 10 + length, data, n);
    return gm__npy_decode("x.npy", bytes, 10 + length + n);
}

static void headers(void) {
    GM_SCOPE(s);
    static const int16_t data[6] = { 1, 2, 3, 4, 5, 6 };
    static const char *const good[] = {
        "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }          \n",
        "{\"shape\":(2,3),\"descr\":\"<i2\",\"fortran_order\":False}",
        "{'descr':'=i2','fortran_order':False,'shape':(2L,3L)}\n",
        "  {  'fortran_order' : False , 'shape' : ( 2 , 3 , ) , 'descr' : '|i2' , } \t\r\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        gm_tensor *t = decode(good[i], data, sizeof data);
        CHECK(gm_n_dims(t) == 2 && gm_size(t, 0) == 2 && gm_size(t, 1) == 3 &&
              gm_dtype_of(t) == GM_I16, "%s: %s", good[i],
              gm_error_message());
        CHECK(t && !memcmp(gm_data(t), data, sizeof data));
        gm_error_clear();
    }
    gm_tensor *t = decode("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }", data, sizeof data);
    CHECK(t && !memcmp(gm_data(t), (int16_t[]){ 1, 3, 5, 2, 4, 6 }, sizeof data));
    t = decode("{'descr': '>i2', 'fortran_order': False, 'shape': (6,), }", data, sizeof data);
    CHECK(t && ((const int16_t *)gm_data(t))[5] == 0x600);
    t = decode("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", "\0\1\7", 3);
    CHECK(t && !memcmp(gm_data(t), "\0\1\1", 3), "any byte but 0 is true");
    t = decode("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 0), }", NULL, 0);
    CHECK(gm_count(t) == 0 && gm_n_dims(t) == 2);
    t = decode("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", &(double){ 2.5 }, 8);
    CHECK(gm_n_dims(t) == 0 && gm_item(t) == 2.5);
}

static bool refused(const char *header, size_t n, gm_error code, const char *part) {
    static const char zeros[64];
    return !decode(header, zeros, n) && fails_with(code, part);
}

#define H(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

static void hostile(void) {
    CHECK(refused(H("'<f4'", "False", "(2,)"), 7, GM_ERROR_FORMAT,
                  "truncated: [2] of f32 needs 8 bytes, the file has 7"));
    CHECK(refused(H("'<f4'", "False", "(2,)"), 9, GM_ERROR_FORMAT, "too long"));
    CHECK(refused(H("'<f4'", "False", "(4611686018427387904, 4)"), 8, GM_ERROR_FORMAT,
                  "shape: [4611686018427387904, 4]"));
    CHECK(refused(H("'<f4'", "False", "(0, 4611686018427387904, 4)"), 0, GM_ERROR_FORMAT, "is too large"));
    CHECK(refused(H("'<f4'", "False", "(99999999999999999999,)"), 8, GM_ERROR_FORMAT, "shape: a size"));
    CHECK(refused(H("'<f4'", "False", "(-1,)"), 8, GM_ERROR_FORMAT, "shape: a size"));
    CHECK(refused(H("'<f4'", "False", "(1.5,)"), 8, GM_ERROR_FORMAT, "shape"));
    CHECK(refused(H("'<f4'", "False", "(2)"), 8, GM_ERROR_FORMAT, "shape: not a tuple"));
    CHECK(refused(H("'<f4'", "False", "[2]"), 8, GM_ERROR_FORMAT, "shape: no tuple"));
    CHECK(refused(H("'<f4'", "False", "(2"), 8, GM_ERROR_FORMAT, "shape"));
    CHECK(refused(H("'<f4'", "False", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"), 4, GM_ERROR_FORMAT,
                  "over 16 dimensions"));
    CHECK(refused(H("'<f4'", "0", "(2,)"), 8, GM_ERROR_FORMAT, "fortran_order: neither"));
    CHECK(refused(H("f4", "False", "(2,)"), 8, GM_ERROR_FORMAT, "descr: no text"));
    CHECK(refused(H("'f4'", "False", "(2,)"), 8, GM_ERROR_FORMAT, "descr: it does not begin"));
    CHECK(refused(H("''", "False", "(2,)"), 8, GM_ERROR_FORMAT, "descr: it does not begin"));
    CHECK(refused(H("'|O'", "False", "(2,)"), 8, GM_ERROR_UNSUPPORTED, "descr: elements '|O' (Python objects)"));
    CHECK(refused(H("'<U5'", "False", "(2,)"), 8, GM_ERROR_UNSUPPORTED, "'<U5'"));
    CHECK(refused(H("[('a', '<f4')]", "False", "(2,)"), 8, GM_ERROR_UNSUPPORTED, "structured"));
    CHECK(refused("{'descr': '<f4', 'shape': (2,)}", 8, GM_ERROR_FORMAT, "is missing") &&
          refused("{}", 0, GM_ERROR_FORMAT, "missing"));
    CHECK(refused("{'descr': '<f4', 'descr': '<f4'}", 8, GM_ERROR_FORMAT, "descr: it is there twice"));
    CHECK(refused("{'x': 1}", 8, GM_ERROR_FORMAT, "none of") && refused("[]", 0, GM_ERROR_FORMAT, "no dictionary"));
    CHECK(refused("{'descr'", 8, GM_ERROR_FORMAT, "a colon") &&
          refused("{'descr", 8, GM_ERROR_FORMAT, "a name in quotes"));
    CHECK(refused(H("'<f4'", "False", "(2,)") "x", 8, GM_ERROR_FORMAT, "something follows"));
    CHECK(refused("", 0, GM_ERROR_FORMAT, "no dictionary"));
    CHECK(!gm__npy_decode("x.npy", "\x93NUMPX\1\0\2\0{}", 12) &&
          fails_with(GM_ERROR_FORMAT, "x.npy: magic: it does not begin"));
    CHECK(!gm__npy_decode("x.npy", "\x93NUMPY\1", 7) && fails_with(GM_ERROR_FORMAT, "magic: truncated"));
    CHECK(!gm__npy_decode("x.npy", NULL, 0) && fails_with(GM_ERROR_FORMAT, "magic: truncated"));
    CHECK(!gm__npy_decode("x.npy", "\x93NUMPY\4\0\2\0{}", 12) && fails_with(GM_ERROR_UNSUPPORTED, "version 4.0"));
    CHECK(!gm__npy_decode("x.npy", "\x93NUMPY\1\0\3\0{}", 12) && fails_with(GM_ERROR_FORMAT, "header: truncated"));
    CHECK(!gm__npy_decode("x.npy", "\x93NUMPY\2\0\2\0{}", 12) && fails_with(GM_ERROR_FORMAT, "header: truncated"));
    CHECK(!gm__npy_decode("x.npy", "\x93NUMPY\2\0\2\0", 10) && fails_with(GM_ERROR_FORMAT, "header: truncated"));
}

static void files(void) {
    GM_SCOPE(s);
    const char *path = temporary_path("a.npy");
    gm_tensor *t = gm_from_data(GM_SHAPE(2, 2), GM_F32, (float[]){ 1, -NAN, 3, INFINITY });
    CHECK(gm_save_npy(t, path) && gm_ok());
    gm_tensor *u = gm_load_npy(path);
    CHECK(gm_shape_equal(gm_shape_of(u), gm_shape_of(t)) && ((const float *)gm_data(u))[3] == INFINITY);
    CHECK(((const uint32_t *)gm_data(u))[1] == 0x7fc00000, "the one NaN");
    gm_shape turned = GM_SHAPE(2, 2);
    gm_tensor *v = gm__tensor_over(t->storage, 0, &turned, GM_F32);
    v->stride[0] = 1, v->stride[1] = 2;
    CHECK(gm_save_npy(v, path) && ((const float *)gm_data(gm_load_npy(path)))[1] == 3,
          "views are written in their own order");
    CHECK(!gm_load_npy("/nonexistent/x.npy") && fails_with(GM_ERROR_IO,
                                                           "load_npy: cannot read /nonexistent/x.npy: No such file"));
    CHECK(!gm_save_npy(t, "/nonexistent/x.npy") && fails_with(GM_ERROR_IO, "/nonexistent/x.npy"));
    CHECK(!gm_save_npy(gm_from_data(GM_SHAPE(1), GM_BF16, "ab"), path) &&
          fails_with(GM_ERROR_DTYPE, "NumPy has no bf16"));
    CHECK(!gm_save_npy(NULL, path) && fails_with(GM_ERROR_HANDLE, "save_npy"));
    CHECK(gm_ok() && gm_load_npy(path));
    int64_t before = gm__n_objects();
    gm__fail_allocation(0, false);
    gm_save_npy(t, path);
    int64_t n = gm__allocation_count();
    int wrong = 0;
    for (int64_t i = 1; i <= n; i++) {
        gm__fail_allocation(i, false);
        wrong += gm_save_npy(t, path) || gm_error_code() != GM_ERROR_MEMORY;
        gm_error_clear();
    }
    for (int64_t i = 1; i <= 4; i++) {
        gm__fail_allocation(i, false);
        wrong += gm_load_npy(path) || gm_error_code() != GM_ERROR_MEMORY;
        gm_error_clear();
    }
    gm__fail_allocation(0, false);
    CHECK(wrong == 0 && n >= 4 && gm__n_objects() == before);
    unlink(path);
}

int main(void) {
    RUN(headers);
    RUN(hostile);
    RUN(files);
    return check_done();
}
