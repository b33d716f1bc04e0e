/* Products of matrices against recorded results, integers against plain loops, errors by their words. */
#include "recorded.h"

#define LA_TWO(name, f, sa, sb)                                                                                        \
    do {                                                                                                               \
        gm_tensor *x[] = { recorded_variable(1, sa), recorded_variable(2, sb) };                                       \
        recorded_check_grads(name, f(x[0], x[1]), x, 2, 1e-6);                                                         \
    } while (0)

static void la_products(void) {
    LA_TWO("matmul_mm", gm_matmul, GM_SHAPE(5, 7), GM_SHAPE(7, 3));
    LA_TWO("matmul_long", gm_matmul, GM_SHAPE(2, 700), GM_SHAPE(700, 3));
    LA_TWO("matmul_vv", gm_matmul, GM_SHAPE(9), GM_SHAPE(9));
    LA_TWO("matmul_mv", gm_matmul, GM_SHAPE(4, 6), GM_SHAPE(6));
    LA_TWO("matmul_vm", gm_matmul, GM_SHAPE(6), GM_SHAPE(6, 5));
    LA_TWO("matmul_bv", gm_matmul, GM_SHAPE(2, 3, 4), GM_SHAPE(4));
    LA_TWO("matmul_vb", gm_matmul, GM_SHAPE(4), GM_SHAPE(2, 4, 3));
    LA_TWO("matmul_batch", gm_matmul, GM_SHAPE(2, 1, 3, 4), GM_SHAPE(5, 4, 2));
    LA_TWO("matmul_shared", gm_matmul, GM_SHAPE(3, 2, 5), GM_SHAPE(5, 4));
    LA_TWO("matmul_left", gm_matmul, GM_SHAPE(2, 5), GM_SHAPE(3, 5, 4));
    LA_TWO("outer", gm_outer, GM_SHAPE(3), GM_SHAPE(4));
    gm_tensor *x[] = { recorded_variable(1, GM_SHAPE(4, 6)), recorded_variable(2, GM_SHAPE(3, 6)) };
    recorded_check_grads("matmul_transposed", gm_matmul(x[0], gm_transpose(x[1], 0, 1)), x, 2, 1e-6);
}

static void la_linear(void) {
    gm_shape shapes[] = { GM_SHAPE(5, 7), GM_SHAPE(2, 3, 7), GM_SHAPE(7) };
    const char *names[] = { "linear_2d", "linear_3d", "linear_1d" };
    for (int i = 0; i < 3; i++) {
        gm_tensor *x[] = { recorded_variable(1, shapes[i]), recorded_variable(2, GM_SHAPE(4, 7)),
                           recorded_variable(3, GM_SHAPE(4)) };
        recorded_check_grads(names[i], gm_linear(x[0], x[1], x[2]), x, 3, 1e-6);
    }
}

static void la_einsum(void) {
    static const struct { const char *equation; gm_shape s[3]; int n;
    } cases[] = {
#define S2(...) { 2, { 0 }, { __VA_ARGS__ } }
#define S1(a) { 1, { 0 }, { a } }
#define S3(...) { 3, { 0 }, { __VA_ARGS__ } }
#define NO { 0, { 0 }, { 0 } }
        { "bij,bjk->bik", { S3(2, 3, 4), S3(2, 4, 5), NO }, 2 },
        { "ij,j", { S2(3, 4), S1(4), NO }, 2 },
        { "...ij->...ji", { S3(2, 3, 4), NO, NO }, 1 },
        { "ii->i", { S2(4, 4), NO, NO }, 1 },
        { "ij->", { S2(3, 4), NO, NO }, 1 },
        { "ii", { S2(4, 4), NO, NO }, 1 },
        { "i,j->ij", { S1(3), S1(4), NO }, 2 },
        { "ij,ij->ij", { S2(3, 4), S2(3, 4), NO }, 2 },
        { "...i,...i->...", { S3(2, 3, 4), S2(3, 4), NO }, 2 },
        { "ij,jk,kl->il", { S2(2, 3), S2(3, 4), S2(4, 5) }, 3 },
        { "ijk,jil->kl", { S3(2, 3, 4), S3(3, 2, 5), NO }, 2 },
        { "b i d, b j d -> b j i", { S3(2, 3, 4), S3(2, 5, 4), NO }, 2 },
        { "ba,cad->dcb", { S2(2, 3), S3(4, 3, 2), NO }, 2 },
        { "ijk,k,i->j", { S3(2, 3, 4), S1(4), S1(2) }, 3 },
        { "ij,kl->il", { S2(2, 3), S2(4, 2), NO }, 2 },
        { "iji,j->ij", { S3(3, 2, 3), S1(2), NO }, 2 },
        { "...,...->...", { S2(2, 1), S2(1, 3), NO }, 2 }
    };
#undef S1
#undef S2
#undef S3
#undef NO
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        gm_tensor *x[3];
        char name[32];
        snprintf(name, sizeof name, "einsum%d", i);
        for (int k = 0; k < cases[i].n; k++) x[k] = recorded_variable(k + 1, cases[i].s[k]);
        recorded_check_grads(name, gm_einsum(cases[i].equation, x, cases[i].n), x, cases[i].n, 1e-6);
    }
}

#define LA_ONE(name, shape, call)                                                                                      \
    do {                                                                                                               \
        gm_tensor *x = recorded_variable(1, shape);                                                                    \
        recorded_check_grads(name, call, &x, 1, 1e-6);                                                                 \
    } while (0)

static void la_diagonals(void) {
    LA_ONE("tril", GM_SHAPE(2, 4, 5), gm_tril(x, 1));
    LA_ONE("triu", GM_SHAPE(2, 4, 5), gm_triu(x, -1));
    LA_ONE("diagonal", GM_SHAPE(4, 3, 5), gm_diagonal(x, -1, 0, 2));
    LA_ONE("diag_embed", GM_SHAPE(2, 3), gm_diag_embed(x, 1));
    LA_ONE("diag", GM_SHAPE(4, 5), gm_diag(x, 2));
    LA_ONE("trace", GM_SHAPE(4, 4), gm_trace(x));
    gm_tensor *none = gm_diagonal(recorded_input(1, GM_SHAPE(2, 3)), 7, 0, 1);
    CHECK(none && gm_count(none) == 0);
}

/* A product of strided views has the bits of the product of their copies. */
static void la_strides(void) {
    gm_tensor *a = gm_slice(gm_permute(recorded_input(4, GM_SHAPE(6, 5, 9)), (int32_t[]){ 2, 0, 1 }, 3), 0, 0, 9, 2);
    gm_tensor *b = gm_flip(recorded_input(5, GM_SHAPE(5, 7)), (int32_t[]){ 0, 1 }, 2);
    gm_tensor *c = gm_matmul(a, b), *d = gm_matmul(gm_copy(a), gm_copy(b));
    CHECK(gm_ok() && gm_item(gm_all(gm_eq(c, d))) == 1, "%s", gm_error_message());
    gm_tensor *w = gm_transpose(recorded_input(6, GM_SHAPE(5, 4)), 0, 1);
    gm_tensor *e = gm_linear(a, w, NULL), *f = gm_linear(gm_copy(a), gm_copy(w), NULL);
    CHECK(gm_ok() && gm_item(gm_all(gm_eq(e, f))) == 1, "%s", gm_error_message());
}

static void la_integers(void) {
    int64_t a[6], b[6];
    for (int i = 0; i < 6; i++) a[i] = 40 * i - 90, b[i] = 55 * i - 130;
    gm_dtype types[] = { GM_I8, GM_U8, GM_I16, GM_U32, GM_I32, GM_I64, GM_U64 };
    for (int t = 0; t < 7; t++) {
        gm_tensor *x = gm_cast(gm_from_data(GM_SHAPE(2, 3), GM_I64, a), types[t]);
        gm_tensor *y = gm_cast(gm_from_data(GM_SHAPE(3, 2), GM_I64, b), types[t]);
        gm_tensor *z = gm_matmul(x, y);
        CHECK(z && gm_dtype_of(z) == types[t]);
        for (int i = 0; z && i < 4; i++) {
            int64_t s = 0;
            for (int k = 0; k < 3; k++) s += a[i / 2 * 3 + k] * b[k * 2 + i % 2];
            gm_tensor *want = gm_cast(gm_scalar_i64(s, GM_I64), types[t]);
            CHECK(gm_item_i64(gm_select(gm_select(z, 0, i / 2), 0, i % 2)) == gm_item_i64(want), "%s",
                  gm_dtype_name(types[t]));
        }
    }
}

static void la_says(gm_tensor *t, const char *words) {
    CHECK(!t && strstr(gm_error_message(), words), "said: %s", gm_error_message());
    gm_error_clear();
}

static void la_errors(void) {
    gm_tensor *a = recorded_input(1, GM_SHAPE(2, 3)), *b = recorded_input(1, GM_SHAPE(4, 2)), *s = gm_scalar(1, GM_F32);
    la_says(gm_matmul(a, b), "matmul: inner sizes differ: a is [2, 3], b is [4, 2] (3 against 4)");
    la_says(gm_matmul(a, s), "matmul: inner sizes differ: a is [2, 3], b is []");
    la_says(gm_matmul(recorded_input(1, GM_SHAPE(2, 2, 3)), recorded_input(1, GM_SHAPE(3, 3, 2))), "do not broadcast");
    la_says(gm_linear(a, b, NULL), "linear: input [2, 3] has 3 features, weight wants 2 [4, 2]");
    la_says(gm_linear(a, a, recorded_input(1, GM_SHAPE(3))), "bias is [3]");
    la_says(gm_matmul(gm_cast(a, GM_BOOL), gm_cast(b, GM_BOOL)), "bool");
    la_says(gm_dot(a, a), "dot");
    la_says(gm_einsum("ij,jk->ik", (gm_tensor *[]){ a, b }, 2), "j is 3 and 4");
    la_says(gm_einsum("ij->k", &a, 1), "a label that no operand has");
    la_says(gm_einsum("ij->ii", &a, 1), "a label twice");
    la_says(gm_einsum("ij,jk", &a, 1), "not as many terms");
    la_says(gm_einsum("ijk", &a, 1), "not as many labels");
    la_says(gm_einsum("i.j", &a, 1), "a letter");
    la_says(gm_einsum("ij-i", &a, 1), "\"->\" is needed");
    la_says(gm_tril(recorded_input(1, GM_SHAPE(3)), 0), "matrices");
    la_says(gm_bmm(a, a), "bmm");
}

static void la_empty(void) {
    gm_tensor *none = gm_matmul(gm_zeros(GM_SHAPE(3, 0), GM_F32), gm_zeros(GM_SHAPE(0, 2), GM_F32));
    CHECK(none && gm_count(none) == 6 && gm_item(gm_sum(none)) == 0);
    CHECK(gm_count(gm_matmul(gm_zeros(GM_SHAPE(0, 3), GM_F32), gm_zeros(GM_SHAPE(3, 2), GM_F32))) == 0);
    CHECK(gm_count(gm_linear(gm_zeros(GM_SHAPE(0, 3), GM_F32), gm_zeros(GM_SHAPE(2, 3), GM_F32), NULL)) == 0);
    gm_tensor *half = gm_matmul(gm_ones(GM_SHAPE(2, 3), GM_BF16), gm_ones(GM_SHAPE(3, 2), GM_F32));
    CHECK(half && gm_dtype_of(half) == GM_F32);
    half = gm_matmul(gm_ones(GM_SHAPE(2, 3), GM_BF16), gm_ones(GM_SHAPE(3, 2), GM_BF16));
    CHECK(half && gm_dtype_of(half) == GM_BF16 && gm_item(gm_sum(half)) == 12);
}

int main(void) {
    if (recorded_open("tests/ops/data/linalg.txt")) {
        RUN(la_products);
        RUN(la_linear);
        RUN(la_einsum);
        RUN(la_diagonals);
        RUN(la_strides);
        RUN(la_integers);
        RUN(la_errors);
        RUN(la_empty);
    }
    recorded_close();
    return check_done();
}
