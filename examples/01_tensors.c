/* 01_tensors: making tensors, other looks at the same elements, arithmetic, numbers out; ownership and errors.
 *
 *     cc 01_tensors.c $(pkg-config --cflags --libs gemel) -o 01_tensors && ./01_tensors
 *
 * Nothing is freed below: an object belongs to the scope in which it was made, `main` being the outermost one. */
#include <gemel/gemel.h>

#include <stdio.h>
#include <string.h>

static int n_wrong;

static void expect(bool holds, const char *what) {
    printf("%s  %s\n", holds ? "ok   " : "WRONG", what);
    n_wrong += !holds;
}

static void views(void) {
    gm_tensor *x = gm_reshape(gm_arange(0, 12, 1, GM_F32), GM_SHAPE(3, 4));
    gm_print("x", x);
    gm_print("x transposed", gm_transpose(x, 0, 1));
    gm_print("every second column, backwards", gm_slice(x, 1, -1, INT64_MIN, -2));

    gm_tensor *row = gm_select(x, 0, 1); /* a view: row 1 shares x's memory */
    expect((const float *)gm_data(row) == (const float *)gm_data(x) + 4, "a view copies nothing");
    gm_assign(row, gm_zeros(GM_SCALAR, GM_F32)); /* the one way to change values that exist */
    expect(gm_item(gm_sum(x)) == 66 - 22, "what is assigned to a view is seen through the whole");
}

static void arithmetic(void) {
    gm_tensor *column = gm_from_data(GM_SHAPE(3, 1), GM_I32, (int32_t[]){ 10, 20, 30 });
    gm_tensor *row = gm_from_data(GM_SHAPE(4), GM_F32, (float[]){ 0, 0.25f, 0.5f, 0.75f });
    gm_tensor *table = gm_add(column, row); /* shapes broadcast, dtypes promote */
    gm_print("column + row", table);
    expect(gm_size(table, 0) == 3 && gm_size(table, 1) == 4, "[3, 1] and [4] give [3, 4]");
    expect(gm_dtype_of(table) == GM_F32, "i32 and f32 give f32");

    gm_tensor *mean = gm_mean_dim(table, 1, false);
    double read[3];
    gm_read(mean, GM_F64, read, sizeof read); /* any dtype, any strides, into plain C memory */
    expect(read[0] == 10.375 && read[2] == 30.375, "means of the rows");
    expect(gm_item(gm_max(table)) == 30.75, "the largest element");
    expect(gm_item_i64(gm_select(gm_argmax(table, 1, false), 0, 0)) == 3, "and where it is in the first row");

    gm_tensor *gram = gm_matmul(table, gm_transpose(table, 0, 1));
    expect(gm_item(gm_sum(gm_abs(gm_sub(gram, gm_transpose(gram, 0, 1))))) == 0, "A A' is symmetric, to the bit");
}

/* A scope releases what was made in it, but for what is handed on. */
static gm_tensor *harmonic(int n) {
    GM_SCOPE(inner);
    gm_tensor *terms = gm_reciprocal(gm_arange(1, n + 1, 1, GM_F64));
    return gm_return(&inner, gm_sum(terms));
}

static void ownership(void) {
    int64_t before = gm_memory_stats().n_objects;
    gm_tensor *h = NULL;
    for (int n = 1; n <= 1000; n++) {
        GM_SCOPE(each);
        gm_set(&h, harmonic(n)); /* a slot outlives scopes */
    }
    printf("1 + 1/2 + ... + 1/1000 = %.6f\n", gm_item(h));
    gm_set(&h, NULL);
    expect(gm_memory_stats().n_objects == before, "a thousand rounds leave no object behind");
}

/* The first error stays until it is cleared, and what follows it does nothing: one check at the end of a chain. */
static void errors(void) {
    gm_tensor *a = gm_ones(GM_SHAPE(2, 3), GM_F32), *b = gm_ones(GM_SHAPE(4, 5), GM_F32);
    gm_tensor *chain = gm_sum(gm_exp(gm_matmul(a, b)));
    printf("%s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    expect(!chain && gm_error_code() == GM_ERROR_SHAPE, "the error names what is wrong");
    gm_error_clear();

    gm_tensor *late = NULL;
    {
        GM_SCOPE(short_one);
        late = gm_ones(GM_SHAPE(2), GM_F32);
    }
    gm_neg(late);
    printf("%s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    expect(gm_error_code() == GM_ERROR_HANDLE, "a handle used after its scope is an error, not a crash");
    gm_error_clear();
}

int main(void) {
    views();
    arithmetic();
    ownership();
    errors();
    return gm_exit_status() || n_wrong;
}
