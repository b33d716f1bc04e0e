/* Strings and numbers do not mix: operations that compute in floats convert integers first, and must not take texts for
 * them. */
#include "check_error.h"
#include "gemel/gemel.h"

#define REFUSES(call, name) CHECK(!(call) && fails_with(GM_ERROR_DTYPE, name ": string is not a number"), #call)

static void no_numbers(void) {
    gm_tensor *t = gm_strings((const char *const[]){ "a", "b" }, 2), *x = gm_ones(GM_SHAPE(2), GM_F32);
    REFUSES(gm_sqrt(t), "sqrt");
    REFUSES(gm_exp(t), "exp");
    REFUSES(gm_floor(t), "floor");
    REFUSES(gm_isnan(t), "isnan");
    REFUSES(gm_pow(t, t), "pow");
    REFUSES(gm_pow(x, t), "pow");
    REFUSES(gm_add(t, t), "add");
    REFUSES(gm_where(t, x, x), "where");
    REFUSES(gm_where(gm_gt_scalar(x, 0), x, t), "where");
}

static void not_copied(void) {
    gm_tensor *t = gm_strings((const char *const[]){ "a", "b" }, 2), *x = gm_ones(GM_SHAPE(2), GM_F32);
    CHECK(!gm_assign(x, t) && fails_with(GM_ERROR_DTYPE, "copy: string to f32"));
    CHECK(!gm_assign(t, x) && fails_with(GM_ERROR_DTYPE, "copy: f32 to string"));
    CHECK(gm_item(gm_select(x, 0, 0)) == 1);
    CHECK(!strcmp(gm_string_at(gm_narrow(t, 0, 1, 1), 0), "b")); /* views and copies of one dtype are as before */
}

static void one_hole(void) {
    gm_tensor *x = gm_ones(GM_SHAPE(2, 3), GM_F32);
    CHECK(!gm_reshape(x, GM_SHAPE(-1, -1)) && fails_with(GM_ERROR_SHAPE, "the size -1 in place 1; one size may be -1"));
}

int main(void) {
    RUN(no_numbers);
    RUN(not_copied);
    RUN(one_hole);
    return check_done();
}
